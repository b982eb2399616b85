//! A network in bytes: hidden values from 0 to 127, weights from −127 to 127, sums in 32 bits.
//!
//! A hidden value a of channel c is kept as q = round(127 a / r), r being the largest that the channel takes
//! ([`Model::ranges`](crate::model::Model::ranges)), and what is larger is held to 127. A layer then sums up
//! whole numbers: Σ w a = s Σ ŵ q, with ŵ = round(w r / 127 s) and s for each output such that its largest ŵ is
//! 127 (symmetric, one scale for each channel; Jacob et al. 2018, arXiv 1712.05877, section 2, without zero
//! points, since what comes out of a ReLU begins at zero). The first layer, which has one input, is computed in
//! f32, and so is what the last adds to bicubic. Seven bits for the values, so that two products fit into the
//! 16 bits in which AVX2 adds them; so every instruction set sums up the same numbers.

use super::layer::{GROUP, Layer, Numbers};

/// The largest byte of values and of weights.
const MAX_BYTE: f32 = 127.0;

/// A convolution in bytes.
#[derive(Debug, Clone)]
pub(in crate::upscale) struct ByteNumbers {
    /// Groups of four inputs.
    pub(in crate::upscale) inputs: usize,
    /// For each group of outputs, then each group of inputs, then each of nine taps, then each output of the group:
    /// four signed bytes, the first input lowest.
    pub(in crate::upscale) weights: Vec<u32>,
    /// For each output, what a sum is multiplied by.
    pub(in crate::upscale) scale: Vec<f32>,
    /// And what is added then.
    pub(in crate::upscale) bias: Vec<f32>,
}

/// A network in bytes.
#[derive(Debug, Clone)]
pub(in crate::upscale) struct Quantised {
    /// The first layer, whose results are in units of bytes.
    pub(in crate::upscale) first: Numbers,
    /// The others.
    pub(in crate::upscale) rest: Vec<ByteNumbers>,
    /// Of each hidden layer, for each channel, padded like the layers.
    ranges: Vec<Vec<f32>>,
    /// How often its numbers were made.
    #[cfg(test)]
    pub(super) packs: usize,
}

impl Quantised {
    /// Makes room for layers; `ranges` are those of a model, one for each layer but the last.
    pub(super) fn new(layers: &[Layer], ranges: &[Vec<f32>]) -> Self {
        let padded = |(layer, range): (&Layer, &Vec<f32>)| {
            let mut range = range.clone();
            // A channel that is not there holds zeros, whatever its range.
            range.resize(layer.outputs(), 1.0);
            range
        };
        let rest = layers.iter().skip(1).map(|layer| {
            let (inputs, outputs) = (layer.inputs.div_ceil(GROUP), layer.outputs());
            let weights = vec![0; outputs * inputs * 9];
            ByteNumbers { inputs, weights, scale: vec![0.0; outputs], bias: vec![0.0; outputs] }
        });
        let first = layers.first().map_or_else(Numbers::default, |layer| layer.numbers.clone());
        Self {
            first,
            rest: rest.collect(),
            ranges: layers.iter().zip(ranges).map(padded).collect(),
            #[cfg(test)]
            packs: 0,
        }
    }

    /// Other ranges of the same shapes.
    pub(super) fn set_ranges(&mut self, ranges: &[Vec<f32>]) {
        for (to, from) in self.ranges.iter_mut().zip(ranges) {
            to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        }
    }

    /// Takes the numbers of layers of the same shapes.
    pub(super) fn take(&mut self, layers: &[Layer]) {
        let [first, rest @ ..] = layers else { return };
        #[cfg(test)]
        {
            self.packs += 1;
        }
        let unit = |range: &[f32], o: usize| range.get(o).map_or(1.0, |r| MAX_BYTE / r);
        let (Some(range), n) = (self.ranges.first(), first.numbers.weights.len()) else { return };
        for (i, (to, from)) in self.first.weights.iter_mut().zip(&first.numbers.weights).enumerate() {
            *to = from * unit(range, i / (n / range.len() * GROUP) * GROUP + i % GROUP);
        }
        for (o, (to, from)) in self.first.bias.iter_mut().zip(&first.numbers.bias).enumerate() {
            *to = from * unit(range, o);
        }
        for (l, (bytes, layer)) in self.rest.iter_mut().zip(rest).enumerate() {
            let (before, after) = (&self.ranges[l], self.ranges.get(l + 1));
            let weight = |o: usize, i: usize, tap: usize| {
                let at = ((o / GROUP * layer.inputs + i) * 9 + tap) * GROUP + o % GROUP;
                layer.numbers.weights[at] * before[i] / MAX_BYTE
            };
            for o in 0..layer.outputs() {
                let largest = (0..layer.inputs * 9).map(|n| weight(o, n / 9, n % 9).abs()).fold(0.0, f32::max);
                let scale = if largest > 0.0 { largest / MAX_BYTE } else { 1.0 };
                let unit = after.map_or(1.0, |range| MAX_BYTE / range[o]);
                (bytes.scale[o], bytes.bias[o]) = (scale * unit, layer.numbers.bias[o] * unit);
                for group in 0..bytes.inputs {
                    for tap in 0..9 {
                        let byte = |k: usize| {
                            let i = group * GROUP + k;
                            let w = if i < layer.inputs { (weight(o, i, tap) / scale).round() } else { 0.0 };
                            w as i8 as u8
                        };
                        let at = ((o / GROUP * bytes.inputs + group) * 9 + tap) * GROUP + o % GROUP;
                        bytes.weights[at] = u32::from_le_bytes([byte(0), byte(1), byte(2), byte(3)]);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Conv3x3;

    /// Two layers of one channel, by hand: values up to 2 in steps of 2/127, weights up to 0.5 in steps of
    /// 0.5 · (2/127) / 127 for each step of a value.
    #[test]
    fn numbers_become_bytes_as_computed_by_hand() {
        let tap = |at: usize, w: f32| (0..9).map(|i| if i == at { w } else { 0.0 }).collect::<Vec<_>>();
        let layer = |weights, bias: f32| {
            let conv = Conv3x3 { inputs: 1, outputs: 1, weights, bias: vec![bias] };
            let mut numbers = Numbers::zero(&conv);
            numbers.pack(&conv);
            Layer { inputs: 1, numbers, floor: 0.0 }
        };
        let mut second = tap(4, 0.5);
        second[5] = -0.25;
        let layers = [layer(tap(4, 4.0), 1.0), layer(second, 0.125)];
        let mut quantised = Quantised::new(&layers, &[vec![2.0]]);
        quantised.take(&layers);
        // 4 · 127 / 2 at tap 4 of output 0, and a bias of 127 / 2.
        let weights = &quantised.first.weights;
        assert_eq!((weights[4 * GROUP], weights[4 * GROUP + 1], quantised.first.bias[0]), (254.0, 0.0, 63.5));
        let bytes = &quantised.rest[0];
        // −63.5 is rounded away from zero, to −64: 0xc0.
        assert_eq!((bytes.inputs, bytes.weights[4 * GROUP], bytes.weights[5 * GROUP]), (1, 0x7f, 0xc0));
        assert!((bytes.scale[0] - 0.5 * 2.0 / (127.0 * 127.0)).abs() < 1e-9 && bytes.bias[0] == 0.125);
        assert_eq!(bytes.weights.iter().filter(|w| **w != 0).count(), 2);
    }
}
