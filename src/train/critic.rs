//! The critic of vivid training: a small network that tells true details from made ones, patch by patch.
//!
//! It sees what was added to bicubic, and bicubic itself, as the eight channels of a pixel shuffle. Four convolutions of
//! 3×3 in a row ([`CriticNet::Patch`]) look at 18×18 pixels of the large picture; a U-net ([`CriticNet::Unet`]) at 32×32,
//! and then at each pixel of the small one again. The kernels are divided by their largest singular value (spectral
//! normalisation, Miyato et al., ICLR 2018, arXiv 1802.05957), so that a critic cannot make its judgement steeper, only
//! better.

use burn::tensor::{
    Device, Tensor,
    activation::leaky_relu,
    module::{avg_pool2d, interpolate},
    ops::{AvgPoolOptions, InterpolateMode, InterpolateOptions},
    s,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::op;
use crate::model::Conv3x3;

/// How a critic is built.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum CriticNet {
    /// Convolutions in a row, which judge each patch by itself (a Markovian critic)
    #[default]
    Patch,
    /// A U-net, which judges each pixel knowing its surroundings
    Unet,
}

impl CriticNet {
    /// Channels in and out of its convolutions. Those of the U-net (Schönfeld et al., arXiv 2002.12655; judging by pixel
    /// alone as Wang et al., arXiv 2107.10833): two at half size between one before and two after, the first of which sees
    /// what the one before has found as well.
    const fn shape(self) -> &'static [(usize, usize)] {
        match self {
            Self::Patch => &[(8, 24), (24, 24), (24, 24), (24, 1)],
            Self::Unet => &[(8, 16), (16, 32), (32, 32), (48, 16), (16, 1)],
        }
    }

    /// The smallest patch that it can judge, in pixels of the shuffled picture.
    pub(super) const fn least_side(self) -> usize {
        match self {
            Self::Patch => 2 * self.shape().len() + 1,
            Self::Unet => 16,
        }
    }
}

/// Details are small beside the picture; this makes them as large.
pub(super) const DETAIL: f32 = 8.0;
/// What is below zero is kept at this part.
const LEAK: f64 = 0.2;
/// Rounds of the power method for a largest singular value: those of a random kernel lie close together, and the
/// gradient is right only for its vectors.
const ROUNDS: usize = 128;

/// A critic's numbers before they are normalised: kernel and bias of each convolution in turn.
pub(super) fn untrained(net: CriticNet, seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut numbers = Vec::new();
    for &(inputs, outputs) in net.shape() {
        let bound = (6.0 / (9 * inputs) as f32).sqrt();
        numbers.extend((0..9 * inputs * outputs).map(|_| rng.random_range(-bound..=bound)));
        numbers.extend((0..outputs).map(|_| 0.0));
    }
    numbers
}

/// Convolutions with normalised kernels, and what the normalisation did.
#[derive(Debug, Clone)]
pub(super) struct Critic {
    net: CriticNet,
    pub(super) layers: Vec<Conv3x3>,
    largest: Vec<Largest>,
}

/// The largest singular value σ of a kernel as a matrix `[outputs][9 · inputs]`, with its vectors.
#[derive(Debug, Clone)]
struct Largest {
    value: f32,
    left: Vec<f32>,
    right: Vec<f32>,
}

impl Largest {
    fn of(kernel: &[f32], outputs: usize) -> Self {
        let taps = kernel.len() / outputs;
        let mut right = vec![0.0; taps];
        // Any start will do that is not at right angles to the answer.
        let mut left: Vec<f32> = (0..outputs).map(|i| 1.0 + 0.1 * (i as f32).sin()).collect();
        for _ in 0..ROUNDS {
            right.fill(0.0);
            for (l, row) in left.iter().zip(kernel.chunks_exact(taps)) {
                right.iter_mut().zip(row).for_each(|(r, w)| *r += l * w);
            }
            unit(&mut right);
            for (l, row) in left.iter_mut().zip(kernel.chunks_exact(taps)) {
                *l = row.iter().zip(&right).map(|(w, r)| w * r).sum();
            }
            unit(&mut left);
        }
        let value = left.iter().zip(kernel.chunks_exact(taps));
        let value: f32 = value.map(|(l, row)| l * row.iter().zip(&right).map(|(w, r)| w * r).sum::<f32>()).sum();
        Self { value: value.max(1e-6), left, right }
    }
}

fn unit(v: &mut [f32]) {
    let length = v.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-12);
    v.iter_mut().for_each(|v| *v /= length);
}

impl Critic {
    pub(super) fn new(net: CriticNet, numbers: &[f32]) -> Self {
        let (mut layers, mut largest, mut rest) = (Vec::new(), Vec::new(), numbers);
        for &(inputs, outputs) in net.shape() {
            let (kernel, after) = rest.split_at(9 * inputs * outputs);
            let (bias, after) = after.split_at(outputs);
            rest = after;
            let sigma = Largest::of(kernel, outputs);
            let weights = kernel.iter().map(|w| w / sigma.value).collect();
            layers.push(Conv3x3 { inputs, outputs, weights, bias: bias.to_vec() });
            largest.push(sigma);
        }
        Self { net, layers, largest }
    }

    /// Carries the gradient of the normalised convolutions to the numbers: for W/σ it is (G − ⟨G, W/σ⟩·u·vᵀ)/σ
    /// (the paper's equation 12).
    pub(super) fn gradient(&self, of: &[Conv3x3]) -> Vec<f32> {
        let mut numbers = Vec::new();
        for ((layer, largest), of) in self.layers.iter().zip(&self.largest).zip(of) {
            let along: f32 = of.weights.iter().zip(&layer.weights).map(|(g, w)| g * w).sum();
            let taps = 9 * layer.inputs;
            for (i, g) in of.weights.iter().enumerate() {
                let steepest = largest.left[i / taps] * largest.right[i % taps];
                numbers.push((g - along * steepest) / largest.value);
            }
            numbers.extend(&of.bias);
        }
        numbers
    }

    /// Its judgement of `[picture][8][row][column]`, a number for each patch or pixel, and its features on the way there.
    /// `parameters` are those of its convolutions.
    pub(super) fn judge(
        &self,
        parameters: &[(Tensor<4>, Tensor<1>)],
        pictures: Tensor<4>,
    ) -> (Tensor<4>, Vec<Tensor<4>>) {
        let mut features = Vec::new();
        let last = parameters.len().saturating_sub(1);
        let mut skipped = None;
        let mut x = pictures;
        for (i, (weight, bias)) in parameters.iter().enumerate() {
            match (self.net, i) {
                (CriticNet::Unet, 1) => {
                    skipped = Some(x.clone());
                    x = avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([2, 2]));
                }
                (CriticNet::Unet, 3) => {
                    let twice = InterpolateOptions::new(InterpolateMode::Nearest).with_scale_factor([2.0, 2.0]);
                    let wide = interpolate(x, twice);
                    let [_, _, rows, columns] = wide.dims();
                    x = match skipped.take() {
                        Some(beside) => Tensor::cat(vec![wide, middle(beside, rows, columns)], 1),
                        None => wide,
                    };
                }
                _ => {}
            }
            x = op::conv3x3(x, weight.clone(), bias.clone(), false);
            if i < last {
                x = leaky_relu(x, LEAK);
                features.push(x.clone());
            }
        }
        (x, features)
    }
}

/// So many rows and columns from a picture's middle.
fn middle(picture: Tensor<4>, rows: usize, columns: usize) -> Tensor<4> {
    let [_, _, height, width] = picture.dims();
    let (top, left) = (height.saturating_sub(rows) / 2, width.saturating_sub(columns) / 2);
    picture.slice(s![.., .., top..top + rows, left..left + columns])
}

/// The device that its tensors live on.
pub(super) fn device() -> Device {
    Device::flex().autodiff()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_singular_value_by_hand() {
        // diag(3, 1) turned: 3·(0.6, 0.8)·(0, 1)ᵀ + 1·(0.8, −0.6)·(1, 0)ᵀ, in the first two of nine taps.
        let mut kernel = vec![0.0; 18];
        (kernel[0], kernel[1], kernel[9], kernel[10]) = (0.8, 1.8, -0.6, 2.4);
        let largest = Largest::of(&kernel, 2);
        assert!((largest.value - 3.0).abs() < 1e-4, "{}", largest.value);
        assert!((largest.left[0].abs() - 0.6).abs() < 1e-3 && (largest.right[1].abs() - 1.0).abs() < 1e-3);
        assert!(Largest::of(&[0.0; 18], 2).value > 0.0, "nothing is divided by zero");
    }

    #[test]
    fn normalised_kernels_have_the_norm_one_and_scale_does_not_matter() {
        let net = CriticNet::Unet;
        let numbers = untrained(net, 3);
        let critic = Critic::new(net, &numbers);
        let twice: Vec<f32> = numbers.iter().map(|v| 2.0 * v).collect();
        for (layer, same) in critic.layers.iter().zip(Critic::new(net, &twice).layers) {
            let again = Largest::of(&layer.weights, layer.outputs).value;
            assert!((again - 1.0).abs() < 0.02, "{again}");
            assert!(layer.weights.iter().zip(&same.weights).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn the_gradient_goes_through_the_normalisation() {
        // f = ⟨g, W/σ(W)⟩ for a fixed g: its slopes are measured.
        let net = CriticNet::Patch;
        let numbers = untrained(net, 5);
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let g: Vec<Conv3x3> = Critic::new(net, &numbers)
            .layers
            .iter()
            .map(|l| Conv3x3 { weights: l.weights.iter().map(|_| rng.random_range(-1.0..1.0)).collect(), ..l.clone() })
            .collect();
        let f = |numbers: &[f32]| -> f64 {
            let layers = Critic::new(net, numbers).layers;
            let all = layers.iter().zip(&g).flat_map(|(l, g)| l.weights.iter().zip(&g.weights));
            all.map(|(w, g)| f64::from(w * g)).sum()
        };
        let slopes = Critic::new(net, &numbers).gradient(&g);
        assert_eq!(slopes.len(), numbers.len());
        let last = 9 * 8 * 24; // the first of the biases
        for i in [0, 700, last - 1, last + 24 + 17] {
            let at = |by: f32| {
                let mut moved = numbers.clone();
                moved[i] += by;
                f(&moved)
            };
            let measured = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((measured - f64::from(slopes[i])).abs() < 0.05 * measured.abs() + 0.02, "{measured} {}", slopes[i]);
        }
    }
    /// Which pixels of a picture of `side²` move the judgement in its middle.
    fn seen(net: CriticNet, side: usize) -> Vec<(usize, usize)> {
        let critic = Critic::new(net, &untrained(net, 7));
        let device = device();
        let parameters: Vec<_> = critic.layers.iter().map(|l| crate::train::net::tensors(l, &device)).collect();
        let flat: Vec<f32> = (0..8 * side * side).map(|i| (i % 7) as f32 / 7.0).collect();
        let data = burn::tensor::TensorData::new(flat, [1, 8, side, side]);
        let picture = Tensor::<4>::from_data(data, &device).require_grad();
        let judged = critic.judge(&parameters, picture.clone()).0;
        let [_, _, rows, columns] = judged.dims();
        let (y, x) = (rows / 2, columns / 2);
        let by = picture.grad(&judged.slice(s![.., .., y..y + 1, x..x + 1]).sum().backward()).unwrap();
        let by = crate::train::net::values(&by).unwrap();
        let at = |n: usize| (n % (side * side) / side, n % side);
        by.iter().enumerate().filter(|(_, by)| **by != 0.0).map(|(n, _)| at(n)).collect()
    }

    #[test]
    fn a_u_net_sees_more_of_a_picture_than_a_row_of_convolutions() {
        for (net, side, wide) in [(CriticNet::Patch, 32, 9), (CriticNet::Unet, 32, 16), (CriticNet::Unet, 31, 16)] {
            let seen = seen(net, side);
            for of in [seen.iter().map(|(y, _)| *y).collect::<Vec<_>>(), seen.iter().map(|(_, x)| *x).collect()] {
                let extent = of.iter().max().unwrap() - of.iter().min().unwrap() + 1;
                assert_eq!(extent, wide, "{net:?} on {side}");
            }
        }
        // The smallest patch has a judgement, too.
        for net in [CriticNet::Patch, CriticNet::Unet] {
            assert!(!seen(net, net.least_side()).is_empty(), "{net:?}");
        }
    }
}
