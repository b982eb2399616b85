//! The network while it learns: all its numbers in one list, and the same numbers as burn's tensors.

use std::ops::Range;

use burn::tensor::{Device, Tensor, TensorData};

use super::{
    conv::{self, Shape},
    op,
    pairs::{Batch, Pair, bicubic},
};
use crate::{
    model::{Conv3x3, Model, ModelError},
    train::TrainError,
};

/// The ε of the Charbonnier loss √(d² + ε²).
pub(super) const EPSILON: f32 = 1e-3;

/// One convolution and where its numbers lie.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layer {
    inputs: usize,
    outputs: usize,
    weight: Range<usize>,
    bias: Range<usize>,
}

/// A plain network's numbers in one list: weights and bias of the first layer, of the second, …
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Net {
    layers: Vec<Layer>,
    pub(super) numbers: Vec<f32>,
}

impl Net {
    /// The network that training starts from; close to bicubic.
    pub(super) fn untrained(channels: usize, layers: usize, seed: u64) -> Result<Self, ModelError> {
        Ok(Self::from_layers(Model::untrained(channels, layers, seed)?.layers()))
    }

    pub(super) fn from_layers(from: &[Conv3x3]) -> Self {
        let mut net = Self { layers: Vec::new(), numbers: Vec::new() };
        for Conv3x3 { inputs, outputs, weights, bias } in from {
            let at = net.numbers.len();
            net.numbers.extend(weights);
            net.numbers.extend(bias);
            let end = net.numbers.len();
            let middle = at + weights.len();
            net.layers.push(Layer { inputs: *inputs, outputs: *outputs, weight: at..middle, bias: middle..end });
        }
        net
    }

    /// The layers with other numbers, those of an average for example.
    pub(super) fn to_layers(&self, numbers: &[f32]) -> Vec<Conv3x3> {
        let layer = |l: &Layer| Conv3x3 {
            inputs: l.inputs,
            outputs: l.outputs,
            weights: numbers[l.weight.clone()].to_vec(),
            bias: numbers[l.bias.clone()].to_vec(),
        };
        self.layers.iter().map(layer).collect()
    }

    /// Low-resolution pixels that are lost on each side.
    pub(super) fn radius(&self) -> usize {
        self.layers.len()
    }

    /// The loss on a batch and its gradient by every number.
    pub(super) fn learn(&self, batch: Batch, count: usize, side: usize) -> Result<(f32, Vec<f32>), TrainError> {
        let device = Device::flex().autodiff();
        let padded = side + 2 * self.radius();
        let mut x = Tensor::<4>::from_data(TensorData::new(batch.input, [count, 1, padded, padded]), &device);
        let target = Tensor::<4>::from_data(TensorData::new(batch.target, [count, 4, side, side]), &device);
        let parameters: Vec<(Tensor<4>, Tensor<1>)> = self.layers.iter().map(|l| self.tensors(l, &device)).collect();
        for (i, (weight, bias)) in parameters.iter().enumerate() {
            x = op::conv3x3(x, weight.clone(), bias.clone(), i + 1 < parameters.len());
        }
        let difference = x - target;
        let loss = (difference.clone() * difference).add_scalar(EPSILON * EPSILON).sqrt().mean();
        let gradients = loss.backward();
        let mut all = vec![0.0; self.numbers.len()];
        for (layer, (weight, bias)) in self.layers.iter().zip(&parameters) {
            let read = |data: TensorData, to: &mut [f32]| match data.as_slice::<f32>() {
                Ok(data) => {
                    to.copy_from_slice(data);
                    Ok(())
                }
                Err(e) => Err(TrainError::Burn(e.to_string())),
            };
            let missing = || TrainError::Burn("a layer was given no gradient".to_owned());
            read(weight.grad(&gradients).ok_or_else(missing)?.into_data(), &mut all[layer.weight.clone()])?;
            read(bias.grad(&gradients).ok_or_else(missing)?.into_data(), &mut all[layer.bias.clone()])?;
        }
        Ok((loss.into_scalar::<f32>(), all))
    }

    fn tensors(&self, layer: &Layer, device: &Device) -> (Tensor<4>, Tensor<1>) {
        let numbers = |range: &Range<usize>| self.numbers[range.clone()].to_vec();
        let weight = TensorData::new(numbers(&layer.weight), [layer.outputs, layer.inputs, 3, 3]);
        let bias = TensorData::new(numbers(&layer.bias), [layer.outputs]);
        (Tensor::from_data(weight, device).require_grad(), Tensor::from_data(bias, device).require_grad())
    }
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

    fn batch(rng: &mut ChaCha8Rng, count: usize, side: usize, radius: usize) -> Batch {
        let mut numbers = |n, scale: f32| (0..n).map(|_| scale * rng.random_range(-1.0..1.0)).collect();
        let padded = side + 2 * radius;
        Batch { input: numbers(count * padded * padded, 0.5), target: numbers(count * 4 * side * side, 0.1) }
    }

    #[test]
    fn numbers_and_layers_are_the_same_thing() {
        let net = Net::untrained(5, 2, 1).unwrap();
        assert_eq!(Net::from_layers(&net.to_layers(&net.numbers)), net);
        assert_eq!(net.radius(), 4);
    }

    #[test]
    fn the_gradient_points_up() {
        // A small step along each of a few gradients changes the loss by what the gradient says.
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let net = Net::untrained(4, 1, 2).unwrap();
        let batch = batch(&mut rng, 2, 7, 3);
        let (loss, gradient) = net.learn(batch.clone(), 2, 7).unwrap();
        for k in (0..net.numbers.len()).step_by(29) {
            let at = |by: f32| {
                let mut net = net.clone();
                net.numbers[k] += by;
                net.learn(batch.clone(), 2, 7).unwrap().0
            };
            let slope = (at(2e-3) - at(-2e-3)) / 4e-3;
            assert!((slope - gradient[k]).abs() < 0.05 * slope.abs() + 1e-4, "number {k}: {slope} {}", gradient[k]);
        }
        let mut down = net;
        for (v, g) in down.numbers.iter_mut().zip(&gradient) {
            *v -= 0.05 * g;
        }
        assert!(down.learn(batch, 2, 7).unwrap().0 < loss);
    }
}
