//! SSIMULACRA2, which looks at colours: the `ssimulacra2` crate, fed with this program's pictures.

use super::{MeasureError, Result, large_enough, same_size};
use crate::frame::Frame;
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// SSIMULACRA2 of `b` against `a`: 100 for equal pictures, below 0 for very bad ones. It is not symmetric.
///
/// The metric is defined on sRGB pictures. R′G′B′ here is taken to be sRGB whatever the matrix, as the
/// program's window and every browser show it. Pictures below 8×8 are refused.
///
/// # Errors
/// When the pictures differ in size or are below 8×8, or the metric fails.
pub fn ssimulacra2(a: &Frame, b: &Frame) -> Result<f64> {
    same_size(a.y(), b.y())?;
    large_enough("SSIMULACRA2", 8, a.y())?;
    let failed = |e: &dyn std::fmt::Display| MeasureError::Ssimulacra2(e.to_string());
    let rgb = |f: &Frame| {
        let (w, h) = (f.y().width(), f.y().height());
        Rgb::new(f.to_rgb(), w, h, TransferCharacteristic::SRGB, ColorPrimaries::BT709).map_err(|e| failed(&e))
    };
    compute_frame_ssimulacra2(rgb(a)?, rgb(b)?).map_err(|e| failed(&e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::{pattern, picture};

    /// Each pass is a 3×3 binomial blur.
    fn blurred(f: &Frame, passes: usize) -> Frame {
        let mut out = f.clone();
        for plane in out.planes_mut() {
            for _ in 0..passes {
                *plane = picture(plane.width(), plane.height(), |x, y| {
                    let at = |i, j| u32::from(plane.clamped(x as isize + i, y as isize + j));
                    let row = |j| at(-1, j) + 2 * at(0, j) + at(1, j);
                    ((row(-1) + 2 * row(0) + row(1) + 8) / 16) as u8
                });
            }
        }
        out
    }

    #[test]
    fn more_blur_is_worse() {
        let a = pattern(80, 64);
        let scores: Vec<f64> = (0..4).map(|r| ssimulacra2(&a, &blurred(&a, r)).unwrap()).collect();
        assert!((scores[0] - 100.0).abs() < 1e-6, "{scores:?}");
        assert!(scores.windows(2).all(|w| w[1] < w[0] - 2.0), "{scores:?}");
    }

    #[test]
    fn swapped_chroma_is_noticed_though_luma_is_equal() {
        let a = pattern(64, 64);
        let [y, u, v] = a.clone().into_planes();
        let b = Frame::new(y, v, u, a.colour, a.stamp).unwrap();
        assert!(ssimulacra2(&a, &b).unwrap() < 70.0);
    }

    #[test]
    fn every_small_size_gives_a_number_or_a_clear_error() {
        for w in 7..=18 {
            for h in [7, 8, 9, 15, 16, 17, 131] {
                let a = pattern(w, h);
                match ssimulacra2(&a, &a) {
                    Ok(s) => assert!(w >= 8 && h >= 8 && (s - 100.0).abs() < 1e-6, "{w}x{h}: {s}"),
                    Err(e) => assert!((w < 8 || h < 8) && e.to_string().contains("8x8"), "{w}x{h}: {e}"),
                }
            }
        }
    }
}
