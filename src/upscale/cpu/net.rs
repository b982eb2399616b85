//! A model with its weights in the order in which the kernel needs them.

use super::quantised::Quantised;
use crate::{
    model::{Condition, Conv3x3, Model},
    upscale::Precision,
};

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

    fn scale(&mut self, by: f32) {
        self.weights.iter_mut().chain(&mut self.bias).for_each(|w| *w *= by);
    }

    /// a + by · b.
    fn sum(&mut self, a: &Self, by: f32, b: &Self) {
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

/// A model, ready to run.
#[derive(Debug)]
pub(super) struct Net {
    pub(super) layers: Vec<Layer>,
    channels: usize,
    /// Where the numbers follow the quantiser: those at the neutral one, and how they change.
    by_qp: Vec<[Numbers; 2]>,
    /// What the layers' numbers were made for.
    condition: Condition,
    /// What it was asked to run in.
    precision: Precision,
    /// The same in bytes, if it runs in them.
    pub(super) quantised: Option<Quantised>,
}

impl Net {
    /// In bytes if they are asked for and the model says how large its values become.
    pub(super) fn new(model: &Model, precision: Precision) -> Self {
        let last = model.layers().len() - 1;
        let layer = |(i, conv): (usize, &Conv3x3)| {
            let floor = if i == last { f32::NEG_INFINITY } else { 0.0 };
            Layer { inputs: conv.inputs, numbers: Numbers::zero(conv), floor }
        };
        let layers: Vec<Layer> = model.layers().iter().enumerate().map(layer).collect();
        let by_qp = model.by_qp().iter().map(|conv| [Numbers::zero(conv), Numbers::zero(conv)]).collect();
        let ranges = model.ranges().filter(|_| precision == Precision::Int8);
        let quantised = ranges.map(|ranges| Quantised::new(&layers, ranges));
        let mut net = Self {
            layers,
            channels: model.info().channels,
            by_qp,
            condition: Condition::NEUTRAL,
            precision,
            quantised,
        };
        net.pack(model);
        net
    }

    /// Takes the weights of a model of the same shape; says whether it has it. In bytes, a model that does not say
    /// how large its values become has another.
    pub(super) fn set_weights(&mut self, model: &Model) -> bool {
        let same = model.layers().len() == self.layers.len()
            && model.info().channels == self.channels
            && model.by_qp().len() == self.by_qp.len()
            && (self.precision != Precision::Int8 || self.quantised.is_some() == model.ranges().is_some());
        if same {
            if let (Some(quantised), Some(ranges)) = (&mut self.quantised, model.ranges()) {
                quantised.set_ranges(ranges);
            }
            self.pack(model);
        }
        same
    }

    fn pack(&mut self, model: &Model) {
        for (layer, conv) in self.layers.iter_mut().zip(model.layers()) {
            layer.numbers.pack(conv);
        }
        self.condition = Condition::NEUTRAL;
        for ([neutral, change], (conv, by_qp)) in self.by_qp.iter_mut().zip(model.layers().iter().zip(model.by_qp())) {
            neutral.pack(conv);
            change.pack(by_qp);
        }
        self.quantise();
    }

    fn quantise(&mut self) {
        if let Some(quantised) = &mut self.quantised {
            quantised.take(&self.layers);
        }
    }

    /// Follows the quantiser of a frame; says whether that changed anything.
    pub(super) fn follow(&mut self, qp: Option<f32>) -> bool {
        let condition = Condition::of(qp);
        let moved = condition != self.condition && !self.by_qp.is_empty();
        if moved {
            self.condition = condition;
            for (layer, [neutral, change]) in self.layers.iter_mut().zip(&self.by_qp) {
                layer.numbers.sum(neutral, condition.at, change);
            }
            if let Some(last) = self.layers.last_mut() {
                last.numbers.scale(condition.share);
            }
            self.quantise();
        }
        moved
    }

    /// How far it looks around a pixel.
    pub(super) fn radius(&self) -> usize {
        self.layers.len()
    }

    /// Multiply-adds for a pixel, those with padding included.
    pub(super) fn multiplications(&self) -> usize {
        self.layers.iter().map(|layer| 9 * layer.inputs * layer.outputs()).sum()
    }

    /// Values of four bytes that are kept of each pixel: before the first layer, and after each.
    pub(super) fn values(&self) -> impl Iterator<Item = usize> {
        let last = self.layers.len().saturating_sub(1);
        let bytes = self.quantised.is_some();
        let of = move |(l, layer): (usize, &Layer)| layer.outputs() / if bytes && l < last { GROUP } else { 1 };
        std::iter::once(1).chain(self.layers.iter().enumerate().map(of))
    }
}

/// A model in bytes, at the neutral quantiser or for pictures of one (which may be unknown); none where the model does
/// not say how large its values become.
pub(in crate::upscale) fn quantised(model: &Model, at: Option<Option<f32>>) -> Option<Quantised> {
    let mut net = Net::new(model, Precision::Int8);
    if let Some(qp) = at {
        net.follow(qp);
    }
    net.quantised
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
