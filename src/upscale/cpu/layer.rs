//! A convolution with its weights in the order in which the kernel needs them.

use crate::model::Conv3x3;

/// Output channels that the kernel computes at once.
pub(super) const GROUP: usize = 4;

/// A convolution's numbers.
#[derive(Debug, Clone, Default)]
pub(in crate::upscale) struct Numbers {
    /// For each group of outputs, then each input, then each of nine taps: the weights of the group.
    pub(in crate::upscale) weights: Vec<f32>,
    /// For each group of outputs.
    pub(in crate::upscale) bias: Vec<f32>,
}

impl Numbers {
    /// As many zeros as a convolution has numbers.
    pub(super) fn zero(conv: &Conv3x3) -> Self {
        let groups = conv.outputs.div_ceil(GROUP);
        Self { weights: vec![0.0; groups * conv.inputs * 9 * GROUP], bias: vec![0.0; groups * GROUP] }
    }

    /// Takes the numbers of a convolution of the same shape.
    pub(super) fn pack(&mut self, conv: &Conv3x3) {
        for (n, w) in conv.weights.iter().enumerate() {
            let (o, input, tap) = (n / 9 / conv.inputs, n / 9 % conv.inputs, n % 9);
            self.weights[((o / GROUP * conv.inputs + input) * 9 + tap) * GROUP + o % GROUP] = *w;
        }
        self.bias[..conv.outputs].copy_from_slice(&conv.bias);
    }

    /// Multiplies all of them.
    pub(super) fn scale(&mut self, by: f32) {
        self.weights.iter_mut().chain(&mut self.bias).for_each(|w| *w *= by);
    }

    /// Becomes a + by · b.
    pub(super) fn sum(&mut self, a: &Self, by: f32, b: &Self) {
        for (to, a, b) in [(&mut self.weights, &a.weights, &b.weights), (&mut self.bias, &a.bias, &b.bias)] {
            for (to, (a, b)) in to.iter_mut().zip(a.iter().zip(b)) {
                *to = a + by * b;
            }
        }
    }
}

/// A convolution, ready to run.
#[derive(Debug)]
pub(super) struct Layer {
    pub(super) inputs: usize,
    pub(super) numbers: Numbers,
    /// What the result is held above: 0 is ReLU.
    pub(super) floor: f32,
}

impl Layer {
    /// Channels that it writes: a last group that is not full writes zeros.
    pub(super) fn outputs(&self) -> usize {
        self.numbers.bias.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_lie_where_the_kernel_reads_them() {
        let weights = (0..5 * 3 * 9).map(|n| n as f32).collect();
        let conv = Conv3x3 { inputs: 3, outputs: 5, weights, bias: vec![1.0, 2.0, 3.0, 4.0, 5.0] };
        let mut numbers = Numbers::zero(&conv);
        numbers.pack(&conv);
        // Group 1, input 2, tap 7: only output 4 is there.
        assert_eq!(numbers.weights[((3 + 2) * 9 + 7) * 4..][..4], [((4 * 3 + 2) * 9 + 7) as f32, 0.0, 0.0, 0.0]);
        assert_eq!(numbers.bias, [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
    }
}
