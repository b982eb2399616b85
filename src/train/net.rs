//! The network while it learns: all its numbers in one list, and its gradient by them.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

use super::{
    block::{Block, BlockKind},
    conv::{self, Shape},
    loss::Loss,
    op,
    pairs::{Pair, Patch, bicubic},
};
use crate::{
    model::{Condition, Conv3x3, Model, ModelError, at_condition},
    train::TrainError,
};

/// A network's numbers in one list, block after block.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Net {
    blocks: Vec<Block>,
    pub(super) numbers: Vec<f32>,
}

/// The plain networks that a [`Net`] stands for: at the neutral quantiser, and how they change with it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Folded {
    pub(super) layers: Vec<Conv3x3>,
    /// Empty without a condition.
    pub(super) by_qp: Vec<Conv3x3>,
}

impl Folded {
    /// The network for pictures of a quantiser.
    pub(super) fn at(&self, qp: f32) -> Vec<Conv3x3> {
        at_condition(&self.layers, &self.by_qp, Condition::of(Some(qp)).at)
    }
}

impl Net {
    /// The network that training starts from; close to bicubic.
    pub(super) fn untrained(channels: usize, layers: usize, kind: BlockKind, seed: u64) -> Result<Self, ModelError> {
        Ok(Self::from_model(&Model::untrained(channels, layers, seed)?, kind, seed))
    }

    /// A network that starts as a model.
    pub(super) fn from_model(model: &Model, kind: BlockKind, seed: u64) -> Self {
        let mut net = Self { blocks: Vec::new(), numbers: Vec::new() };
        for (i, conv) in model.layers().iter().enumerate() {
            let seed = seed.wrapping_mul(31).wrapping_add(i as u64);
            let block = Block::from_conv(conv, model.by_qp().get(i), kind, &mut net.numbers, seed);
            net.blocks.push(block);
        }
        net
    }

    /// What other numbers of the same network fold to, those of an average for example.
    pub(super) fn fold(&self, numbers: &[f32]) -> Folded {
        Folded {
            layers: self.blocks.iter().map(|b| b.fold(numbers)).collect(),
            by_qp: self.blocks.iter().filter_map(|b| b.by_qp(numbers)).collect(),
        }
    }

    /// Low-resolution pixels that are lost on each side.
    pub(super) fn radius(&self) -> usize {
        self.blocks.len()
    }

    /// The mean loss of patches and its gradient by every number.
    ///
    /// Each patch is a task of its own, and their gradients are added in order: the result does not depend on
    /// how many cores there are.
    pub(super) fn learn(&self, batch: &[Patch], side: usize, loss: Loss) -> Result<(f32, Vec<f32>), TrainError> {
        let folded = self.fold(&self.numbers);
        let learnt: Vec<(f32, Vec<Conv3x3>)> = batch
            .par_iter()
            .map(|patch| learn_patch(&folded.at(patch.qp), patch, side, loss))
            .collect::<Result<_, _>>()?;
        let share = 1.0 / batch.len().max(1) as f32;
        let value = learnt.iter().map(|(value, _)| share * value).sum();
        let gradients = batch.iter().zip(learnt).map(|(patch, (_, by))| (Condition::of(Some(patch.qp)).at, by));
        Ok((value, self.unfold(&folded, gradients, share)))
    }

    /// The gradient by every number, from those of the folded convolutions, each at its condition; their sum
    /// counts `share`.
    pub(super) fn unfold(
        &self,
        folded: &Folded,
        gradients: impl Iterator<Item = (f32, Vec<Conv3x3>)>,
        share: f32,
    ) -> Vec<f32> {
        let zero = || folded.layers.iter().map(Conv3x3::zeroed).collect::<Vec<_>>();
        let (mut plain, mut by_qp) = (zero(), zero());
        for (condition, gradient) in gradients {
            for ((plain, by_qp), gradient) in plain.iter_mut().zip(&mut by_qp).zip(&gradient) {
                plain.add(share, gradient);
                by_qp.add(share * condition, gradient);
            }
        }
        self.unfold_sums(&plain, &by_qp)
    }

    /// The gradient by every number, from those by the folded convolutions of both parts; without a condition
    /// `by_qp` is empty or counts for nothing.
    pub(super) fn unfold_sums(&self, plain: &[Conv3x3], by_qp: &[Conv3x3]) -> Vec<f32> {
        let mut all = vec![0.0; self.numbers.len()];
        for (i, (block, plain)) in self.blocks.iter().zip(plain).enumerate() {
            match by_qp.get(i) {
                Some(by_qp) => block.unfold(&self.numbers, plain, by_qp, &mut all),
                None => block.unfold(&self.numbers, plain, &plain.zeroed(), &mut all),
            }
        }
        all
    }
}

/// The loss of one patch and its gradient by the numbers of the convolutions.
fn learn_patch(layers: &[Conv3x3], patch: &Patch, side: usize, loss: Loss) -> Result<(f32, Vec<Conv3x3>), TrainError> {
    let device = Device::flex().autodiff();
    let parameters: Vec<_> = layers.iter().map(|l| tensors(l, &device)).collect();
    let made = run(&parameters, &patch.input, side + 2 * layers.len(), &device);
    let output = values(&made.clone().inner())?;
    let error: Vec<f32> = output.iter().zip(&patch.target).map(|(output, target)| output - target).collect();
    let (value, slope) = loss.of(&error, side);
    // A sum whose derivative by the output is the loss's.
    let slope = Tensor::<4>::from_data(TensorData::new(slope, [1, 4, side, side]), &device);
    Ok((value, gradients(layers, &parameters, &(made * slope).sum().backward())?))
}

/// A plane through the convolutions, as burn sees them.
pub(super) fn run(parameters: &[(Tensor<4>, Tensor<1>)], plane: &[f32], side: usize, device: &Device) -> Tensor<4> {
    let mut x = Tensor::<4>::from_data(TensorData::new(plane.to_vec(), [1, 1, side, side]), device);
    for (i, (weight, bias)) in parameters.iter().enumerate() {
        x = op::conv3x3(x, weight.clone(), bias.clone(), i + 1 < parameters.len());
    }
    x
}

/// A tensor's numbers.
pub(super) fn values<const D: usize>(tensor: &Tensor<D>) -> Result<Vec<f32>, TrainError> {
    let data = tensor.clone().into_data();
    data.as_slice::<f32>().map(<[f32]>::to_vec).map_err(|e| TrainError::Burn(e.to_string()))
}

/// What a backward pass gave the convolutions that it went through.
pub(super) fn gradients(
    layers: &[Conv3x3],
    parameters: &[(Tensor<4>, Tensor<1>)],
    gradients: &burn::tensor::Gradients,
) -> Result<Vec<Conv3x3>, TrainError> {
    let missing = || TrainError::Burn("a layer was given no gradient".to_owned());
    let mut all = Vec::with_capacity(layers.len());
    for (layer, (weight, bias)) in layers.iter().zip(parameters) {
        all.push(Conv3x3 {
            weights: values(&weight.grad(gradients).ok_or_else(missing)?)?,
            bias: values(&bias.grad(gradients).ok_or_else(missing)?)?,
            ..*layer
        });
    }
    Ok(all)
}

/// A convolution's numbers, to be followed.
pub(super) fn tensors(layer: &Conv3x3, device: &Device) -> (Tensor<4>, Tensor<1>) {
    let weight = TensorData::new(layer.weights.clone(), [layer.outputs, layer.inputs, 3, 3]);
    let bias = TensorData::new(layer.bias.clone(), [layer.outputs]);
    (Tensor::from_data(weight, device).require_grad(), Tensor::from_data(bias, device).require_grad())
}

/// The squared error of a pair's picture, in codes, by bicubic alone and with the network.
pub(super) fn errors(layers: &[Conv3x3], pair: &Pair) -> [f64; 2] {
    let margin = layers.len().max(2);
    let (width, height) = (pair.width(), pair.height());
    let plane = pair.lr_padded(margin);
    let bicubic = bicubic(&plane, width, height, margin);
    let detail = forward(layers, &plane, width + 2 * margin, height + 2 * margin);
    // What is left of the margin when the network was narrower than bicubic.
    let rest = margin - layers.len();
    let (mut plain, mut fitted) = (0, 0);
    let code = |v: f32| (v.clamp(0.0, 1.0) * 255.0).round() as i64;
    for (part, bicubic) in bicubic.chunks_exact(width * height).enumerate() {
        let detail = &detail[part * (width + 2 * rest) * (height + 2 * rest)..];
        for y in 0..height {
            let hr = &pair.hr()[(2 * y + part / 2) * 2 * width..][..2 * width];
            let detail = &detail[(y + rest) * (width + 2 * rest) + rest..][..width];
            for (x, (b, d)) in bicubic[y * width..][..width].iter().zip(detail).enumerate() {
                let hr = i64::from(hr[2 * x + part % 2]);
                plain += (code(*b) - hr).pow(2);
                fitted += (code(*b + *d) - hr).pow(2);
            }
        }
    }
    [plain, fitted].map(|sum| sum as f64 / (4 * width * height) as f64)
}

/// What the network adds to one plane, `[2·dy + dx][row][column]`.
pub(super) fn forward(layers: &[Conv3x3], plane: &[f32], width: usize, height: usize) -> Vec<f32> {
    let mut x = plane.to_vec();
    for (i, layer) in layers.iter().enumerate() {
        let (height, width) = (height - 2 * i, width - 2 * i);
        let shape = Shape { images: 1, inputs: layer.inputs, outputs: layer.outputs, height, width };
        x = conv::forward(&x, &layer.weights, &layer.bias, shape, i + 1 < layers.len());
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    const WHOLE: BlockKind = BlockKind { wide: true, by_qp: true };

    fn batch(rng: &mut ChaCha8Rng, count: usize, side: usize, radius: usize) -> Vec<Patch> {
        let padded = side + 2 * radius;
        let mut numbers = |n, scale: f32| (0..n).map(|_| scale * rng.random_range(-1.0..1.0)).collect();
        let patch = |i| Patch {
            input: numbers(padded * padded, 0.5),
            target: numbers(4 * side * side, 0.1),
            qp: 26.0 + 8.0 * i as f32,
            noisy: Vec::new(),
            moves: Vec::new(),
        };
        (0..count).map(patch).collect()
    }

    #[test]
    fn a_network_starts_as_its_model() {
        let [neutral, change] = [1, 2].map(|seed| Model::untrained(5, 2, seed).unwrap().layers().to_vec());
        let model = Model::with_qp("m", neutral, change, crate::model::Training::default()).unwrap();
        let net = Net::from_model(&model, WHOLE, 3);
        assert_eq!(net.radius(), 4);
        let folded = net.fold(&net.numbers);
        assert_eq!(folded.by_qp, model.by_qp());
        for (ours, model) in folded.at(40.0).iter().zip(model.at_qp(Some(40.0))) {
            assert!(ours.weights.iter().zip(&model.weights).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }

    #[test]
    fn the_gradient_points_up() {
        // A small step along each of a few gradients changes the loss by what the gradient says.
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let net = Net::untrained(4, 1, WHOLE, 2).unwrap();
        let batch = batch(&mut rng, 2, 7, 3);
        let loss = Loss { epsilon: 0.01, gradient: 0.3 };
        let (value, gradient) = net.learn(&batch, 7, loss).unwrap();
        assert_eq!(gradient.len(), net.numbers.len());
        for k in (0..net.numbers.len()).step_by(37) {
            let at = |by: f32| {
                let mut net = net.clone();
                net.numbers[k] += by;
                net.learn(&batch, 7, loss).unwrap().0
            };
            let slope = (at(2e-3) - at(-2e-3)) / 4e-3;
            assert!((slope - gradient[k]).abs() < 0.05 * slope.abs() + 1e-4, "number {k}: {slope} {}", gradient[k]);
        }
        let mut down = net;
        for (v, g) in down.numbers.iter_mut().zip(&gradient) {
            *v -= 0.05 * g;
        }
        assert!(down.learn(&batch, 7, loss).unwrap().0 < value);
    }

    #[test]
    fn zero_weights_are_exactly_bicubic() {
        // The pipeline's alignment: what is learnt from starts where the program's bicubic is.
        use crate::{
            frame::{Colour, Frame, Plane, Stamp},
            train::pairs::Seen,
            upscale::{Method, reference},
        };
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let (width, height) = (18, 11);
        let luma = Plane::from_vec((0..width * height).map(|_| rng.random()).collect(), width, height, width).unwrap();
        let grey = || Plane::filled(width.div_ceil(2), height.div_ceil(2), 128);
        let lr = Frame::new(luma, grey(), grey(), Colour::default(), Stamp::now(0)).unwrap();
        let model = Model::untrained(3, 1, 6).unwrap();
        let shown = reference::i420(&lr, Method::Bicubic, &model).unwrap();
        let zero: Vec<Conv3x3> = model.layers().iter().map(Conv3x3::zeroed).collect();
        let seen = Seen { qp: 30.0, age: 0, interest: 1.0 };
        let pair = Pair::new(lr.y(), shown.y(), seen).unwrap();
        assert_eq!(errors(&zero, &pair), [0.0, 0.0]);
        // A picture that is one pixel off is not taken for aligned.
        let mut moved = shown.y().clone();
        for y in 0..moved.height() {
            moved.row_mut(y).rotate_right(1);
        }
        let [off, _] = errors(&zero, &Pair::new(lr.y(), &moved, seen).unwrap());
        assert!(off > 100.0, "{off}");
    }
}
