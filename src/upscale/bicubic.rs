//! The baseline: bicubic by Keys with a = −0.5 (Catmull-Rom).
//!
//! R. Keys, "Cubic convolution interpolation for digital image processing", 1981, equation (4). Output
//! pixel (2i+a, 2j+b) lies at (i + (a−½)/2, j + (b−½)/2) of the low-resolution picture: both pictures
//! share their corners. Places outside the picture read its nearest edge.
//!
//! Chroma goes through the same kernel. Its pixel c lies in the middle of its luma pixels, at 2c + ½ of the
//! low-resolution luma, so that a chroma plane, too, is scaled about its corners: 2× where the
//! output is I420, and 4× where it is needed at every output pixel.

use super::filter::Phases;

/// Keys' kernel with a = −0.5 at distance `x` from its middle.
pub fn keys(x: f32) -> f32 {
    const A: f32 = -0.5;
    let x = x.abs();
    if x <= 1.0 {
        ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0
    } else if x < 2.0 {
        ((A * x - 5.0 * A) * x + 8.0 * A) * x - 4.0 * A
    } else {
        0.0
    }
}

/// The weights of the four pixels around a place a quarter of a pixel right of the second one.
pub const QUARTER: [f32; 4] = [-0.0703125, 0.8671875, 0.2265625, -0.0234375];
/// The same for an eighth.
pub const EIGHTH: [f32; 4] = thousandths([-49.0, 987.0, 93.0, -7.0]);
/// The same for three eighths.
pub const THREE_EIGHTHS: [f32; 4] = thousandths([-75.0, 745.0, 399.0, -45.0]);

/// Keys' kernel at eighths of a pixel gives whole 1024ths.
const fn thousandths(n: [f32; 4]) -> [f32; 4] {
    [n[0] / 1024.0, n[1] / 1024.0, n[2] / 1024.0, n[3] / 1024.0]
}

const fn mirrored(w: [f32; 4]) -> [f32; 4] {
    [w[3], w[2], w[1], w[0]]
}

/// Two pixels from each.
pub(crate) const DOUBLE: Phases<2, 4> = Phases { first: [-2, -1], taps: [mirrored(QUARTER), QUARTER] };

/// Four pixels from each.
pub(crate) const FOURFOLD: Phases<4, 4> =
    Phases { first: [-2, -2, -1, -1], taps: [mirrored(THREE_EIGHTHS), mirrored(EIGHTH), EIGHTH, THREE_EIGHTHS] };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_constants_are_the_kernel() {
        for (weights, t) in [(QUARTER, 0.25), (EIGHTH, 0.125), (THREE_EIGHTHS, 0.375)] {
            // All are multiples of 1/1024, so f32 holds them exactly.
            assert_eq!(weights, [1.0 + t, t, 1.0 - t, 2.0 - t].map(keys));
            assert_eq!(weights.iter().sum::<f32>(), 1.0);
        }
    }

    #[test]
    fn the_kernel_by_hand() {
        // Keys' equation at ½ with a = −½: (1.5·½ − 2.5)·¼ + 1 = 0.5625; at 1½: −0.0625.
        assert_eq!([0.0, 0.5, 1.0, 1.5, 2.0, 3.0].map(keys), [1.0, 0.5625, 0.0, -0.0625, 0.0, 0.0]);
    }

    #[test]
    fn the_phases_lie_where_the_contract_says() {
        fn check<const P: usize>(phases: &Phases<P, 4>) {
            for p in 0..P {
                let place = (p as f32 + 0.5) / P as f32 - 0.5;
                let weights = [0, 1, 2, 3].map(|k| keys((phases.first[p] + k) as f32 - place));
                assert_eq!(phases.taps[p], weights, "phase {p} of {P}");
            }
        }
        check(&DOUBLE);
        check(&FOURFOLD);
    }
}
