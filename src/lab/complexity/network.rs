//! A network with ReLUs in f64, computed for many inputs at a time.

use crate::{
    matrix::{Factor, add_product},
    model::{Conv3x3, Widths},
};

/// A network with a ReLU behind each layer but the last. Its input is a list of numbers; of a network of convolutions
/// it is the square of pixels that one pixel depends on, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Network {
    layers: Vec<Layer>,
}

/// A valid convolution of a square; a dense layer is one of 1×1 on a single place.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Layer {
    /// Side of the kernel.
    kernel: usize,
    /// Places on a side of what comes out.
    side: usize,
    inputs: usize,
    outputs: usize,
    /// `[row][output][column][input]`: each row of the kernel is a matrix.
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Layer {
    /// Units: `[row][column][output]`.
    pub(super) const fn units(&self) -> usize {
        self.side * self.side * self.outputs
    }

    /// The linear part, without biases, of `columns` inputs at a time: from `[row][column][input]` times `columns` to
    /// `[row][column][output]` times `columns`.
    pub(super) fn products(&self, values: &[f64], columns: usize) -> Vec<f64> {
        let (side_in, across) = (self.side + self.kernel - 1, self.kernel * self.inputs);
        let mut sums = vec![0.0; self.units() * columns];
        for place in 0..self.side * self.side {
            let (y, x) = (place / self.side, place % self.side);
            let out = &mut sums[place * self.outputs * columns..][..self.outputs * columns];
            for row in 0..self.kernel {
                // The inputs of the kernel's row lie one after another.
                let seen = &values[((y + row) * side_in + x) * self.inputs * columns..][..across * columns];
                let weights = &self.weights[row * self.outputs * across..][..self.outputs * across];
                add_product(Factor::of(weights, across), Factor::of(seen, columns), out);
            }
        }
        sums
    }

    /// The bias of a unit.
    pub(super) fn bias(&self, unit: usize) -> f64 {
        self.bias[unit % self.outputs]
    }

    /// What the units add up of `columns` inputs, before their ReLU.
    pub(super) fn sums(&self, values: &[f64], columns: usize) -> Vec<f64> {
        let mut sums = self.products(values, columns);
        for (unit, sums) in sums.chunks_exact_mut(columns.max(1)).enumerate() {
            let bias = self.bias(unit);
            sums.iter_mut().for_each(|s| *s += bias);
        }
        sums
    }
}

/// A dense layer as it is given: inputs, outputs, weights `[output][input]`, biases.
pub type DenseLayer<'a> = (usize, usize, &'a [f32], &'a [f32]);

impl Network {
    /// What convolutions compute of one pixel; the last of them has four outputs.
    pub fn of_pixel(convs: &[Conv3x3]) -> Self {
        let layer = |(i, conv): (usize, &Conv3x3)| {
            let (inputs, outputs) = (conv.inputs, conv.outputs);
            let at = |o: usize, tap: usize, c: usize| f64::from(conv.weights[(o * inputs + c) * 9 + tap]);
            let across = 3 * inputs;
            let numbers = (0..3 * outputs * across)
                .map(|k| (k / (outputs * across), k / across % outputs, k % across))
                .map(|(row, o, rest)| at(o, 3 * row + rest / inputs, rest % inputs));
            Layer {
                kernel: 3,
                side: 2 * (convs.len() - 1 - i) + 1,
                inputs,
                outputs,
                weights: numbers.collect(),
                bias: conv.bias.iter().copied().map(f64::from).collect(),
            }
        };
        Self { layers: convs.iter().enumerate().map(layer).collect() }
    }

    /// Dense layers; none where they do not fit together.
    pub fn dense<'a>(layers: impl IntoIterator<Item = DenseLayer<'a>>) -> Option<Self> {
        let layer = |(inputs, outputs, weights, bias): DenseLayer<'a>| {
            let fits = weights.len() == inputs * outputs && bias.len() == outputs;
            let wide = |numbers: &[f32]| numbers.iter().copied().map(f64::from).collect();
            fits.then(|| Layer { kernel: 1, side: 1, inputs, outputs, weights: wide(weights), bias: wide(bias) })
        };
        let layers: Vec<Layer> = layers.into_iter().map(layer).collect::<Option<_>>()?;
        let fits = !layers.is_empty() && layers.windows(2).all(|pair| pair[0].outputs == pair[1].inputs);
        fits.then_some(Self { layers })
    }

    pub(super) fn layers(&self) -> &[Layer] {
        &self.layers
    }

    /// Numbers that go in.
    pub fn inputs(&self) -> usize {
        let first = &self.layers[0];
        (first.side + first.kernel - 1).pow(2) * first.inputs
    }

    /// Its widths; none where there are more than are counted with.
    pub fn widths(&self) -> Option<Widths> {
        let (_, hidden) = self.layers.split_last()?;
        Widths::new(self.inputs(), hidden.iter().map(Layer::units).collect())
    }

    /// What comes out for one input.
    pub fn output(&self, input: &[f64]) -> Vec<f64> {
        let mut values = input.to_vec();
        for (i, layer) in self.layers.iter().enumerate() {
            values = layer.sums(&values, 1);
            if i + 1 < self.layers.len() {
                values.iter_mut().for_each(|v| *v = v.max(0.0));
            }
        }
        values
    }
}

#[cfg(test)]
pub(super) mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::{
        frame::{Colour, Frame, Plane, Stamp},
        model::Model,
        upscale::{Method, reference},
    };

    /// A dense network of these widths with weights and biases from −1 to 1.
    pub(in crate::lab::complexity) fn random(widths: &[usize], seed: u64) -> Network {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut draw = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
        let layers: Vec<_> = widths.windows(2).map(|w| (w[0], w[1], draw(w[0] * w[1]), draw(w[1]))).collect();
        Network::dense(layers.iter().map(|(i, o, w, b)| (*i, *o, &w[..], &b[..]))).unwrap()
    }

    #[test]
    fn a_dense_network_by_hand() {
        // ReLU(x − y) and ReLU(y − x + 1), then 2·first − second + ½.
        let first = (2, 2, &[1.0, -1.0, -1.0, 1.0][..], &[0.0, 1.0][..]);
        let network = Network::dense([first, (2, 1, &[2.0, -1.0], &[0.5])]).unwrap();
        assert_eq!((network.output(&[3.0, 1.0]), network.output(&[0.0, 0.25])), (vec![4.5], vec![-0.75]));
        assert_eq!(network.widths(), "2,2,1".parse().ok());
        assert_eq!(Network::dense([first, (3, 1, &[0.0; 3], &[0.5])]), None);
        assert_eq!(Network::dense([(2, 2, &[0.0; 3][..], &[0.0; 2][..])]), None);
        assert_eq!(Network::dense([]), None);
    }

    #[test]
    fn a_pixel_of_convolutions_is_what_the_reference_adds_to_bicubic() {
        // Loud enough that 8 bits tell: the detail is the difference of the two pictures, up to rounding.
        let model = Model::untrained(5, 1, 7).unwrap();
        let mut convs = model.layers().to_vec();
        let last = convs.last_mut().unwrap();
        last.weights.iter_mut().for_each(|w| *w *= 2.0);
        let model = Model::new("loud", convs.clone(), crate::model::Training::default()).unwrap();
        let network = Network::of_pixel(&convs);
        assert_eq!((network.inputs(), network.widths().unwrap()), (49, model.pixel_widths()));
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let data: Vec<u8> = (0..49).map(|_| rng.random_range(90..160)).collect();
        let plane = Plane::from_vec(data.clone(), 7, 7, 7).unwrap();
        let chroma = || Plane::filled(4, 4, 128);
        let frame = Frame::new(plane, chroma(), chroma(), Colour::default(), Stamp::now(0)).unwrap();
        let input: Vec<f64> = data.iter().map(|v| f64::from(*v) / 255.0).collect();
        let output = network.output(&input);
        let [plain, cnn] = [Method::Bicubic, Method::Cnn].map(|how| reference::i420(&frame, how, &model).unwrap());
        let detail = |x: usize, y: usize| f64::from(cnn.y().row(y)[x]) - f64::from(plain.y().row(y)[x]);
        let mut seen = 0.0_f64;
        for (channel, v) in output.iter().enumerate() {
            let by_reference = detail(6 + channel % 2, 6 + channel / 2);
            assert!((255.0 * v - by_reference).abs() <= 1.0, "{channel}: {} {by_reference}", 255.0 * v);
            seen = seen.max(by_reference.abs());
        }
        assert!(seen > 3.0, "there is something to compare: {output:?}");
    }
}
