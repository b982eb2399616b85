//! Convolutions with more numbers than they need, while they learn.
//!
//! A block adds to its plain kernel the product of two: one of 3×3 from the inputs to many channels and one of
//! 1×1 back (the "collapsible linear block" of SESR, Bhardwaj et al., MLSys 2022, arXiv 2103.09404). There is
//! nothing between the two, so that both fold into one kernel of 3×3: the same function, another way to walk
//! towards it. A second kernel says how the first changes with the decoder's quantiser. The convolutions always
//! run with the folded kernel, and its gradient is carried back to the numbers here.

use std::ops::Range;

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::model::Conv3x3;

/// Channels between the two kernels of the product, for each output.
const WIDE: usize = 4;

/// One convolution and where its numbers lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Block {
    inputs: usize,
    outputs: usize,
    /// `[output][input][9]`.
    kernel: Range<usize>,
    /// `[wide][input][9]`; empty for a plain block.
    expand: Range<usize>,
    /// `[output][wide]`.
    squeeze: Range<usize>,
    bias: Range<usize>,
    /// What is added for each step of [`Conv3x3`]'s condition; empty without one.
    kernel_by_qp: Range<usize>,
    bias_by_qp: Range<usize>,
}

/// Which numbers blocks are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockKind {
    /// The product beside the plain kernel.
    pub(super) wide: bool,
    /// The kernel that follows the quantiser.
    pub(super) by_qp: bool,
}

impl Block {
    /// A block that folds to `conv`, its numbers being appended to `numbers`.
    pub(super) fn from_conv(
        conv: &Conv3x3,
        by_qp: Option<&Conv3x3>,
        kind: BlockKind,
        numbers: &mut Vec<f32>,
        seed: u64,
    ) -> Self {
        fn add(numbers: &mut Vec<f32>, new: impl IntoIterator<Item = f32>) -> Range<usize> {
            let from = numbers.len();
            numbers.extend(new);
            from..numbers.len()
        }
        let Conv3x3 { inputs, outputs, weights, bias } = conv;
        let wide = if kind.wide { WIDE * outputs } else { 0 };
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // The product starts with the size of a kernel, and is taken off the plain one, so that the sum is `conv`.
        let bound = (6.0 / (9 * inputs) as f32).sqrt();
        let expand: Vec<f32> = (0..wide * inputs * 9).map(|_| rng.random_range(-bound..=bound)).collect();
        let bound = (0.5 / wide.max(1) as f32).sqrt();
        let squeeze: Vec<f32> = (0..outputs * wide).map(|_| rng.random_range(-bound..=bound)).collect();
        let product = product(&squeeze, &expand, *outputs, wide);
        let kernel = weights.iter().enumerate().map(|(i, w)| w - product.get(i).copied().unwrap_or(0.0));
        let slope = |of: Option<Vec<f32>>, count: usize| match (kind.by_qp, of) {
            (false, _) => Vec::new(),
            (true, Some(given)) => given,
            (true, None) => vec![0.0; count],
        };
        Self {
            inputs: *inputs,
            outputs: *outputs,
            kernel: add(numbers, kernel),
            expand: add(numbers, expand),
            squeeze: add(numbers, squeeze),
            bias: add(numbers, bias.iter().copied()),
            kernel_by_qp: add(numbers, slope(by_qp.map(|c| c.weights.clone()), weights.len())),
            bias_by_qp: add(numbers, slope(by_qp.map(|c| c.bias.clone()), bias.len())),
        }
    }

    /// The convolution that the numbers fold to, at the neutral quantiser.
    pub(super) fn fold(&self, numbers: &[f32]) -> Conv3x3 {
        let mut weights = numbers[self.kernel.clone()].to_vec();
        let wide = self.squeeze.len() / self.outputs;
        let product = product(&numbers[self.squeeze.clone()], &numbers[self.expand.clone()], self.outputs, wide);
        for (weight, product) in weights.iter_mut().zip(product) {
            *weight += product;
        }
        Conv3x3 { inputs: self.inputs, outputs: self.outputs, weights, bias: numbers[self.bias.clone()].to_vec() }
    }

    /// How it changes with the quantiser.
    pub(super) fn by_qp(&self, numbers: &[f32]) -> Option<Conv3x3> {
        let weights = numbers[self.kernel_by_qp.clone()].to_vec();
        let bias = numbers[self.bias_by_qp.clone()].to_vec();
        (!weights.is_empty()).then_some(Conv3x3 { inputs: self.inputs, outputs: self.outputs, weights, bias })
    }

    /// Carries the gradient of the folded convolution, and its sum weighted by the condition, to the numbers.
    pub(super) fn unfold(&self, numbers: &[f32], folded: &Conv3x3, by_qp: &Conv3x3, gradient: &mut [f32]) {
        gradient[self.kernel.clone()].copy_from_slice(&folded.weights);
        gradient[self.bias.clone()].copy_from_slice(&folded.bias);
        if !self.kernel_by_qp.is_empty() {
            gradient[self.kernel_by_qp.clone()].copy_from_slice(&by_qp.weights);
            gradient[self.bias_by_qp.clone()].copy_from_slice(&by_qp.bias);
        }
        let (wide, taps) = (self.squeeze.len() / self.outputs, 9 * self.inputs);
        // W = S·E: dS = dW·Eᵀ, dE = Sᵀ·dW.
        for (o, row) in folded.weights.chunks_exact(taps).enumerate() {
            for w in 0..wide {
                let expand = self.expand.start + w * taps;
                let squeeze = self.squeeze.start + o * wide + w;
                gradient[squeeze] = row.iter().zip(&numbers[expand..][..taps]).map(|(d, e)| d * e).sum();
                let by = numbers[squeeze];
                for (to, d) in gradient[expand..][..taps].iter_mut().zip(row) {
                    *to += by * d;
                }
            }
        }
    }
}

/// `squeeze · expand`: `[outputs][wide]` times `[wide][9 · inputs]`; empty without a product.
fn product(squeeze: &[f32], expand: &[f32], outputs: usize, wide: usize) -> Vec<f32> {
    if wide == 0 {
        return Vec::new();
    }
    let taps = expand.len() / wide;
    let mut out = vec![0.0; outputs * taps];
    for (squeeze, out) in squeeze.chunks_exact(wide).zip(out.chunks_exact_mut(taps)) {
        for (s, expand) in squeeze.iter().zip(expand.chunks_exact(taps)) {
            for (to, e) in out.iter_mut().zip(expand) {
                *to += s * e;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::Model,
        train::conv::{self, Shape},
    };

    const WHOLE: BlockKind = BlockKind { wide: true, by_qp: true };

    #[test]
    fn a_block_starts_as_the_convolution_that_it_was_made_of() {
        let model = Model::untrained(5, 1, 3).unwrap();
        let mut numbers = Vec::new();
        for conv in model.layers() {
            for kind in [WHOLE, BlockKind { wide: false, by_qp: false }] {
                let folded = Block::from_conv(conv, None, kind, &mut numbers, 4).fold(&numbers);
                assert!(folded.weights.iter().zip(&conv.weights).all(|(a, b)| (a - b).abs() < 1e-5));
                assert_eq!(folded.bias, conv.bias);
            }
        }
    }

    #[test]
    fn folded_and_unfolded_give_the_same_output() {
        // The block as it is drawn: 3×3 to many channels, 1×1 back, and the plain kernel beside it.
        let model = Model::untrained(3, 1, 8).unwrap();
        let mut numbers = Vec::new();
        let block = Block::from_conv(&model.layers()[1], None, WHOLE, &mut numbers, 1);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        numbers.iter_mut().for_each(|v| *v += rng.random_range(-0.3..0.3));
        let (height, width, wide) = (6, 9, 12);
        let x: Vec<f32> = (0..3 * height * width).map(|_| rng.random_range(-1.0..1.0)).collect();
        let run = |weights: &[f32], bias: &[f32]| {
            let shape = Shape { images: 1, inputs: 3, outputs: bias.len(), height, width };
            conv::forward(&x, weights, bias, shape, false)
        };
        let folded = block.fold(&numbers);
        let once = run(&folded.weights, &folded.bias);
        let many = run(&numbers[block.expand.clone()], &vec![0.0; wide]);
        let plain = run(&numbers[block.kernel.clone()], &numbers[block.bias.clone()]);
        let pixels = (height - 2) * (width - 2);
        for (i, (once, plain)) in once.iter().zip(&plain).enumerate() {
            let squeeze = &numbers[block.squeeze.clone()][i / pixels * wide..][..wide];
            let back: f32 = squeeze.iter().enumerate().map(|(w, s)| s * many[w * pixels + i % pixels]).sum();
            assert!((once - (plain + back)).abs() < 1e-4, "{i}: {once} {plain} {back}");
        }
    }

    #[test]
    fn gradients_reach_every_number() {
        // f = ⟨g, fold⟩ + t·⟨g, by_qp⟩ is what a loss looks like close up; its slopes are measured.
        let model = Model::untrained(2, 1, 8).unwrap();
        let mut numbers = Vec::new();
        let block = Block::from_conv(&model.layers()[1], None, WHOLE, &mut numbers, 1);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut conv = || Conv3x3 {
            inputs: 2,
            outputs: 2,
            weights: (0..36).map(|_| rng.random_range(-1.0..1.0)).collect(),
            bias: (0..2).map(|_| rng.random_range(-1.0..1.0)).collect(),
        };
        let (g, g_by_qp) = (conv(), conv());
        let mut gradient = vec![0.0; numbers.len()];
        block.unfold(&numbers, &g, &g_by_qp, &mut gradient);
        let dot = |a: &Conv3x3, b: &Conv3x3| -> f32 {
            let both = |c: &Conv3x3| c.weights.iter().chain(&c.bias).copied().collect::<Vec<_>>();
            both(a).iter().zip(both(b)).map(|(a, b)| a * b).sum()
        };
        let f = |n: &[f32]| dot(&g, &block.fold(n)) + block.by_qp(n).map_or(0.0, |c| dot(&g_by_qp, &c));
        for i in 0..numbers.len() {
            let at = |by: f32| {
                let mut moved = numbers.clone();
                moved[i] += by;
                f(&moved)
            };
            let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((slope - gradient[i]).abs() < 2e-3, "number {i}: {slope} {}", gradient[i]);
        }
    }
}
