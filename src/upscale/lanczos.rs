//! Two more ways to compare with: Lanczos-3, which scalers in players use, and bilinear.
//!
//! They have the same half-pixel phase and the same edges as [bicubic](super::bicubic) and run on the CPU
//! only.

use super::filter::Phases;

/// The Lanczos window of three lobes at distance `x`; not normalised.
pub fn lanczos3(x: f32) -> f32 {
    let px = std::f32::consts::PI * x;
    match x.abs() {
        a if a < 1e-6 => 1.0,
        a if a < 3.0 => 3.0 * px.sin() * (px / 3.0).sin() / (px * px),
        _ => 0.0,
    }
}

/// The triangle of width two: bilinear interpolation.
pub fn triangle(x: f32) -> f32 {
    (1.0 - x.abs()).max(0.0)
}

/// Lanczos-3 at a quarter of a pixel right of the third of six pixels, divided by the sum of the six.
const SIX: [f32; 6] = [0.030_112_285, -0.133_274_64, 0.892_770_8, 0.271_010_57, -0.067_997_26, 0.007_378_271];

/// Two pixels from each by Lanczos-3.
pub(crate) const LANCZOS_DOUBLE: Phases<2, 6> =
    Phases { first: [-3, -2], taps: [[SIX[5], SIX[4], SIX[3], SIX[2], SIX[1], SIX[0]], SIX] };

/// Two pixels from each by bilinear interpolation.
pub(crate) const BILINEAR_DOUBLE: Phases<2, 2> = Phases { first: [-1, 0], taps: [[0.25, 0.75], [0.75, 0.25]] };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_kernels() {
        let six = [2.25, 1.25, 0.25, 0.75, 1.75, 2.75].map(lanczos3);
        let sum: f32 = six.iter().sum();
        for (constant, w) in SIX.iter().zip(six) {
            assert!((constant - w / sum).abs() < 2e-7, "{constant} is not {}", w / sum);
        }
        assert!((SIX.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert_eq!(BILINEAR_DOUBLE.taps[1], [0.25, 0.75].map(triangle));
    }
}
