//! Weights as the shaders read them.

use std::{borrow::Cow, ops::Range};

use half::f16;

use super::plan::GpuDataType;
use crate::{
    model::{Condition, Conv3x3, Model},
    upscale::{
        UpscaleError,
        cpu::{Quantised, quantised},
    },
};

/// Channels lie in vectors of four.
pub(super) const VECTOR: usize = 4;

/// All layers' weights for one quantiser, in what the network is computed with.
#[derive(Debug)]
pub(super) enum Weights<'a> {
    F32(Cow<'a, [Conv3x3]>),
    F16(Cow<'a, [Conv3x3]>),
    Int8(Box<Quantised>),
}

impl<'a> Weights<'a> {
    /// The model's own, those at the neutral quantiser.
    pub(super) fn neutral(model: &'a Model, precision: GpuDataType) -> Result<Self, UpscaleError> {
        Ok(match precision {
            GpuDataType::F32 => Self::F32(model.layers().into()),
            GpuDataType::F16 => Self::F16(model.layers().into()),
            GpuDataType::Int8 => {
                Self::Int8(quantised(model, Condition::NEUTRAL).ok_or_else(|| unranged(model))?.into())
            }
        })
    }

    /// Those for pictures of a quantiser.
    pub(super) fn at(model: &'a Model, qp: Option<f32>, precision: GpuDataType) -> Result<Self, UpscaleError> {
        Ok(match precision {
            GpuDataType::F32 => Self::F32(model.at_qp(qp).into()),
            GpuDataType::F16 => Self::F16(model.at_qp(qp).into()),
            GpuDataType::Int8 => Self::Int8(quantised(model, Condition::of(qp)).ok_or_else(|| unranged(model))?.into()),
        })
    }

    /// Those of a pass's layers, one after the other.
    pub(super) fn bytes(&self, which: Range<usize>) -> Vec<u8> {
        let numbers = |layers: &[Conv3x3]| {
            let layers = layers.get(which.clone()).unwrap_or_default().iter().enumerate();
            let packed = |(i, layer)| packed(layer, channels_read(layer, which.start + i == 0));
            layers.flat_map(packed).collect::<Vec<f32>>()
        };
        match self {
            Self::F32(layers) => numbers(layers).into_iter().flat_map(f32::to_le_bytes).collect(),
            Self::F16(layers) => numbers(layers).into_iter().flat_map(|n| f16::from_f32(n).to_le_bytes()).collect(),
            Self::Int8(layers) => which.flat_map(|l| packed_bytes(layers, l)).flat_map(u32::to_le_bytes).collect(),
        }
    }
}

fn unranged(model: &Model) -> UpscaleError {
    UpscaleError::Gpu(format!("{} does not say how large its values become, so it cannot run in bytes", model.name()))
}

/// Words that a layer's weights and biases take; its numbers of vectors, or the luma alone in.
pub(super) fn words(layer: &Conv3x3, from_luma: bool, precision: GpuDataType) -> usize {
    let vectors = layer.outputs.div_ceil(VECTOR);
    match precision {
        GpuDataType::Int8 if !from_luma => (9 * layer.inputs.div_ceil(VECTOR) + 2) * vectors,
        _ => (9 * channels_read(layer, from_luma) + 1) * vectors,
    }
}

/// Channels that a shader reads: one of the luma, whole vectors of features.
fn channels_read(layer: &Conv3x3, from_luma: bool) -> usize {
    if from_luma { 1 } else { layer.inputs.next_multiple_of(VECTOR) }
}

/// The order in which the shaders read them in 16 and 32 bits: vector of outputs, column of taps, vector of inputs, tap from top to
/// bottom, input channel and output channel within their vectors; then the biases. `inputs` are the channels
/// that the shader reads: one of the luma, whole vectors of features. What the layer lacks of them weighs
/// nothing.
fn packed(layer: &Conv3x3, inputs: usize) -> Vec<f32> {
    let vectors = layer.outputs.div_ceil(VECTOR);
    let mut out = vec![0.0; (9 * inputs + 1) * vectors * VECTOR];
    for (n, w) in layer.weights.iter().enumerate() {
        let (o, i, tap) = (n / 9 / layer.inputs, n / 9 % layer.inputs, n % 9);
        let (group, channel) = (inputs.min(VECTOR), i % VECTOR);
        let column = (o / VECTOR * 3 + tap % 3) * (inputs / group) + i / VECTOR;
        out[((column * 3 + tap / 3) * group + channel) * VECTOR + o % VECTOR] = *w;
    }
    let biases = 9 * inputs * vectors * VECTOR;
    out[biases..][..layer.bias.len()].copy_from_slice(&layer.bias);
    out
}

/// The same in bytes: instead of four words for a tap there is one, and a vector's bias has its scale before it. The
/// first layer stays as it is.
fn packed_bytes(of: &Quantised, layer: usize) -> Vec<u32> {
    let mut out = Vec::new();
    let Some(bytes) = layer.checked_sub(1).and_then(|l| of.rest.get(l)) else {
        let (weights, biases) = (&of.first.weights, &of.first.bias);
        for vector in weights.as_chunks::<{ 9 * VECTOR }>().0 {
            let tap = |x: usize, y: usize| &vector[(3 * y + x) * VECTOR..][..VECTOR];
            out.extend((0..9).flat_map(|n| tap(n / 3, n % 3)).map(|w| w.to_bits()));
        }
        out.extend(biases.iter().map(|b| b.to_bits()));
        return out;
    };
    let inputs = bytes.inputs;
    for vector in bytes.weights.chunks_exact(inputs * 9 * VECTOR) {
        for x in 0..3 {
            for input in 0..inputs {
                for y in 0..3 {
                    out.extend(&vector[((input * 9) + 3 * y + x) * VECTOR..][..VECTOR]);
                }
            }
        }
    }
    for (scale, bias) in bytes.scale.as_chunks::<VECTOR>().0.iter().zip(bytes.bias.as_chunks::<VECTOR>().0) {
        out.extend(scale.iter().chain(bias).map(|v| v.to_bits()));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_lie_where_the_shaders_read_them() {
        let weights = (0..5 * 3 * 9).map(|n| n as f32).collect();
        let layer = Conv3x3 { inputs: 3, outputs: 5, weights, bias: vec![1.0, 2.0, 3.0, 4.0, 5.0] };
        let out = packed(&layer, 4);
        assert_eq!(out.len(), (9 * 4 + 1) * 8);
        let vector = |n: usize| &out[4 * n..][..4];
        // Output vector 1, tap 7 (the lowest of the middle column), input 2: only output 4 is there.
        assert_eq!(vector((9 + 5) * 4 + 2), [((4 * 3 + 2) * 9 + 7) as f32, 0.0, 0.0, 0.0]);
        // With two vectors of inputs, the second one's taps follow the first one's, column by column.
        let weights = (0..8 * 9).map(|n| n as f32).collect();
        let wide = packed(&Conv3x3 { inputs: 8, outputs: 1, weights, bias: vec![0.0] }, 8);
        assert_eq!(wide[4 * ((2 * 3 + 1) * 4 + 3)], (3 * 9 + 3 + 1) as f32, "column 1, inputs 0 to 3, row 1, input 3");
        assert_eq!(vector(3), [0.0; 4], "there is no input 3");
        assert_eq!([vector(2 * 9 * 4), vector(2 * 9 * 4 + 1)].concat(), [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
    }

    /// One vector of outputs from two of inputs, in bytes.
    #[test]
    fn bytes_lie_where_the_shaders_read_them() {
        let weight = |n: usize| if n == (3 * 6 + 5) * 9 + 7 { 0.5 } else { 0.0 };
        let first = Conv3x3 { inputs: 1, outputs: 6, weights: (0..54).map(|n| n as f32).collect(), bias: vec![2.0; 6] };
        let last = Conv3x3 { inputs: 6, outputs: 4, weights: (0..216).map(weight).collect(), bias: vec![0.25; 4] };
        let layers = vec![first, last];
        let model = Model::new("m", layers.clone(), Default::default()).unwrap();
        let model = model.with_ranges(vec![vec![127.0; 6]]).unwrap();
        let weights = Weights::neutral(&model, GpuDataType::Int8).unwrap();
        let word = |of: &[u8], n: usize| of[16 * n..][..16].as_chunks::<4>().0.to_vec();
        let of_first = weights.bytes(0..1);
        assert_eq!(of_first.len(), 16 * words(&layers[0], true, GpuDataType::Int8));
        // Vector 0, the lowest tap of the middle column, 7: outputs 0 to 3.
        assert_eq!(word(&of_first, 5), [7.0, 16.0, 25.0, 34.0].map(f32::to_le_bytes));
        assert_eq!(word(&of_first, 19), [2.0, 2.0, 0.0, 0.0].map(f32::to_le_bytes));
        let of_last = weights.bytes(1..2);
        assert_eq!(of_last.len(), 16 * words(&layers[1], false, GpuDataType::Int8));
        // Column 1, vector 1 of inputs, the lowest tap: input 5 is the second of its vector, output 3 the last.
        assert_eq!(word(&of_last, (2 + 1) * 3 + 2)[3], [0, 127, 0, 0]);
        assert_eq!(of_last[..16 * 18].iter().filter(|b| **b != 0).count(), 1);
        assert_eq!(word(&of_last, 18)[3], (0.5_f32 / 127.0).to_le_bytes());
        assert_eq!(word(&of_last, 19), [0.25_f32; 4].map(f32::to_le_bytes));
        // Both layers of a pass.
        assert_eq!(weights.bytes(0..2), [of_first, of_last].concat());
    }

    /// What a shader reads as a `f16`: the nearest one, subnormal numbers too.
    #[test]
    fn halves_lie_where_the_shaders_read_them() {
        let layer = Conv3x3 { inputs: 1, outputs: 4, weights: vec![0.1; 36], bias: vec![1.0, -2.5, 6e-8, 0.0] };
        let bytes = Weights::F16(Cow::Owned(vec![layer.clone()])).bytes(0..1);
        assert_eq!(bytes.len(), 8 * words(&layer, true, GpuDataType::F16));
        let bits: Vec<u16> = bytes.as_chunks::<2>().0.iter().map(|b| u16::from_le_bytes(*b)).collect();
        assert!(bits[..36].iter().all(|b| *b == 0x2e66), "{bits:x?}");
        assert_eq!(bits[36..40], [0x3c00, 0xc100, 1, 0]);
    }
}
