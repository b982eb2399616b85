//! Which layers share a pass, and how large its workgroups are.

use serde::{Deserialize, Serialize};

use crate::upscale::Precision;

/// How the network is run. All variants of 16 and 32 bits give the same pictures; which one is the fastest depends on the GPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Variant {
    /// What shares a pass.
    pub fusion: Fusion,
    /// What it computes with.
    pub precision: GpuDataType,
    /// Columns and rows of a workgroup's invocations, each of which has four pixels below each other.
    pub group: [u32; 2],
}

/// What shares a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Fusion {
    /// Nothing: each layer has a pass of its own, and the pictures one more.
    Each,
    /// The first two layers, and the last one with the pictures.
    Ends,
    /// Those, and two by two the layers between.
    Pairs,
}

/// What the network computes with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GpuDataType {
    /// 32 bits, everywhere.
    F32,
    /// 16 bits for features, weights and products, where the device has them.
    F16,
    /// Bytes for features and weights, four products at once: the picture that the CPU engine makes in bytes.
    Int8,
}

/// What runs unless something better is known: nothing here needs more than every device has.
impl Default for Variant {
    fn default() -> Self {
        Self { fusion: Fusion::Ends, precision: GpuDataType::F32, group: [16, 4] }
    }
}

impl From<GpuDataType> for Precision {
    fn from(data_type: GpuDataType) -> Self {
        match data_type {
            GpuDataType::F32 => Self::F32,
            GpuDataType::F16 => Self::F16,
            GpuDataType::Int8 => Self::Int8,
        }
    }
}

impl GpuDataType {
    /// Of four values that are added to bicubic.
    pub(super) const fn detail_bytes(self) -> u64 {
        match self {
            Self::F32 | Self::Int8 => 16,
            Self::F16 => 8,
        }
    }

    /// Of a vector of four.
    pub(super) const fn vector_bytes(self) -> u64 {
        match self {
            Self::F32 => 16,
            Self::F16 => 8,
            Self::Int8 => 4,
        }
    }
}

/// What a pass of the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PassKind {
    /// Luma to features.
    First,
    /// Features to features.
    Layer,
    /// Luma to the features of the second layer.
    FusedFirstTwo,
    /// Features to features by two layers.
    FusedTwo,
    /// Features to what is added to bicubic.
    Last,
    /// Features to both pictures.
    Compose,
}

impl PassKind {
    pub(super) const fn shader(self) -> &'static str {
        match self {
            Self::First => "first.wgsl",
            Self::Layer => "layer.wgsl",
            Self::FusedFirstTwo => "fused_first_two.wgsl",
            Self::FusedTwo => "fused_two.wgsl",
            Self::Last => "last.wgsl",
            Self::Compose => "compose.wgsl",
        }
    }

    /// Layers that it runs.
    pub(super) const fn layers(self) -> usize {
        match self {
            Self::First | Self::Layer | Self::Last | Self::Compose => 1,
            Self::FusedFirstTwo | Self::FusedTwo => 2,
        }
    }
}

/// The passes for a network of `layers` layers with `vectors` vectors of four channels in between, all but
/// the last layer's where that has the pictures to itself ([`Fusion::Each`]). A pass whose tile is larger than
/// `memory`, the bytes of a workgroup, is cut in two.
pub(super) fn passes(variant: Variant, layers: usize, vectors: usize, memory: u64) -> Vec<PassKind> {
    let fits = tile(variant.group, vectors) * variant.precision.vector_bytes() <= memory;
    let body = layers - 1;
    let (ends, pairs) = (variant.fusion != Fusion::Each && fits, variant.fusion == Fusion::Pairs && fits);
    let mut passes = Vec::new();
    let mut next = 0;
    while next < body {
        let two = next + 2 <= body;
        let kind = match next {
            0 if ends && two => PassKind::FusedFirstTwo,
            0 => PassKind::First,
            _ if pairs && two => PassKind::FusedTwo,
            _ => PassKind::Layer,
        };
        next += kind.layers();
        passes.push(kind);
    }
    passes.push(if variant.fusion == Fusion::Each { PassKind::Last } else { PassKind::Compose });
    passes
}

/// Vectors that a workgroup keeps between two layers: see `shaders/include/tile.wgsl`.
pub(super) fn tile(group: [u32; 2], vectors: usize) -> u64 {
    let [x, y] = group.map(u64::from);
    vectors as u64 * (x + 2) * 4 * (y + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use PassKind::{Compose, First, FusedFirstTwo, FusedTwo, Last, Layer};

    fn plan(fusion: Fusion, layers: usize) -> Vec<PassKind> {
        passes(Variant { fusion, ..Variant::default() }, layers, 2, 16384)
    }

    #[test]
    fn passes_have_every_layer_once() {
        assert_eq!(plan(Fusion::Each, 3), [First, Layer, Last]);
        assert_eq!(plan(Fusion::Ends, 3), [FusedFirstTwo, Compose]);
        assert_eq!(plan(Fusion::Pairs, 3), [FusedFirstTwo, Compose]);
        assert_eq!(plan(Fusion::Ends, 6), [FusedFirstTwo, Layer, Layer, Layer, Compose]);
        assert_eq!(plan(Fusion::Pairs, 6), [FusedFirstTwo, FusedTwo, Layer, Compose]);
        for fusion in [Fusion::Each, Fusion::Ends, Fusion::Pairs] {
            for layers in 2..=16 {
                let passes = plan(fusion, layers);
                assert_eq!(passes.iter().map(|k| k.layers()).sum::<usize>(), layers, "{passes:?}");
            }
        }
        assert_eq!(plan(Fusion::Pairs, 2), [First, Compose]);
    }

    #[test]
    fn a_tile_that_does_not_fit_is_not_made() {
        // 18 columns and 20 rows of two vectors.
        assert_eq!(tile([16, 4], 2), 720);
        let with = |precision, memory| passes(Variant { precision, ..Variant::default() }, 3, 2, memory);
        assert_eq!(with(GpuDataType::F32, 720 * 16), [FusedFirstTwo, Compose]);
        assert_eq!(with(GpuDataType::F32, 720 * 16 - 1), [First, Layer, Compose]);
        assert_eq!(with(GpuDataType::F16, 720 * 8), [FusedFirstTwo, Compose]);
        assert_eq!(with(GpuDataType::Int8, 720 * 4), [FusedFirstTwo, Compose]);
    }
}
