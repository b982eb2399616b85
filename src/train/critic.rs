//! The critic of vivid training: a small network that tells true details from made ones, patch by patch.
//!
//! It sees what was added to bicubic, and bicubic itself, as the eight channels of a pixel shuffle: so its four
//! convolutions of 3×3 look at 18×18 pixels of the large picture. Its kernels are divided by their largest
//! singular value (spectral normalisation, Miyato et al., ICLR 2018, arXiv 1802.05957), so that it cannot make
//! its judgement steeper, only better.

use burn::tensor::{Device, Tensor, activation::leaky_relu};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::op;
use crate::model::Conv3x3;

/// Channels in and out of its convolutions.
const SHAPE: [(usize, usize); 4] = [(8, 24), (24, 24), (24, 24), (24, 1)];
/// Pixels of the shuffled picture that are lost on each side.
pub(super) const RADIUS: usize = SHAPE.len();
/// Details are small beside the picture; this makes them as large.
pub(super) const DETAIL: f32 = 8.0;
/// What is below zero is kept at this part.
const LEAK: f64 = 0.2;
/// Rounds of the power method for a largest singular value: those of a random kernel lie close together, and the
/// gradient is right only for its vectors.
const ROUNDS: usize = 128;

/// A critic's numbers before they are normalised: kernel and bias of each convolution in turn.
pub(super) fn untrained(seed: u64) -> Vec<f32> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut numbers = Vec::new();
    for (inputs, outputs) in SHAPE {
        let bound = (6.0 / (9 * inputs) as f32).sqrt();
        numbers.extend((0..9 * inputs * outputs).map(|_| rng.random_range(-bound..=bound)));
        numbers.extend((0..outputs).map(|_| 0.0));
    }
    numbers
}

/// Convolutions with normalised kernels, and what the normalisation did.
#[derive(Debug, Clone)]
pub(super) struct Critic {
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
    pub(super) fn new(numbers: &[f32]) -> Self {
        let (mut layers, mut largest, mut rest) = (Vec::new(), Vec::new(), numbers);
        for (inputs, outputs) in SHAPE {
            let (kernel, after) = rest.split_at(9 * inputs * outputs);
            let (bias, after) = after.split_at(outputs);
            rest = after;
            let sigma = Largest::of(kernel, outputs);
            let weights = kernel.iter().map(|w| w / sigma.value).collect();
            layers.push(Conv3x3 { inputs, outputs, weights, bias: bias.to_vec() });
            largest.push(sigma);
        }
        Self { layers, largest }
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
}

/// Its judgement of `[picture][8][row][column]`, a number for each patch, and its features on the way there.
pub(super) fn judge(parameters: &[(Tensor<4>, Tensor<1>)], pictures: Tensor<4>) -> (Tensor<4>, Vec<Tensor<4>>) {
    let (mut x, mut features) = (pictures, Vec::new());
    for (i, (weight, bias)) in parameters.iter().enumerate() {
        x = op::conv3x3(x, weight.clone(), bias.clone(), false);
        if i + 1 < parameters.len() {
            x = leaky_relu(x, LEAK);
            features.push(x.clone());
        }
    }
    (x, features)
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
        let numbers = untrained(3);
        let critic = Critic::new(&numbers);
        let twice: Vec<f32> = numbers.iter().map(|v| 2.0 * v).collect();
        for (layer, same) in critic.layers.iter().zip(Critic::new(&twice).layers) {
            let again = Largest::of(&layer.weights, layer.outputs).value;
            assert!((again - 1.0).abs() < 0.02, "{again}");
            assert!(layer.weights.iter().zip(&same.weights).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn the_gradient_goes_through_the_normalisation() {
        // f = ⟨g, W/σ(W)⟩ for a fixed g: its slopes are measured.
        let numbers = untrained(5);
        let mut rng = ChaCha8Rng::seed_from_u64(6);
        let g: Vec<Conv3x3> = Critic::new(&numbers)
            .layers
            .iter()
            .map(|l| Conv3x3 { weights: l.weights.iter().map(|_| rng.random_range(-1.0..1.0)).collect(), ..l.clone() })
            .collect();
        let f = |numbers: &[f32]| -> f64 {
            let layers = Critic::new(numbers).layers;
            let all = layers.iter().zip(&g).flat_map(|(l, g)| l.weights.iter().zip(&g.weights));
            all.map(|(w, g)| f64::from(w * g)).sum()
        };
        let slopes = Critic::new(&numbers).gradient(&g);
        assert_eq!(slopes.len(), numbers.len());
        let last = 9 * 8 * 24;
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
}
