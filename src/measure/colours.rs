//! SSIMULACRA2, which looks at colours: the `ssimulacra2` crate, fed with this program's pictures.

use super::{MeasureError, Result, large_enough, same_size};
use crate::frame::{Frame, Plane};
use ssimulacra2::{ColorPrimaries, Rgb, TransferCharacteristic, compute_frame_ssimulacra2};

/// SSIMULACRA2 of `b` against `a`: 100 for equal pictures, below 0 for very bad ones. It is not symmetric.
///
/// The metric is defined on sRGB pictures. R′G′B′ here is taken to be sRGB whatever the matrix, as the
/// program's window and every browser show it. Pictures below 8×8 are refused.
pub fn ssimulacra2(a: &Frame, b: &Frame) -> Result<f64> {
    same_size(a.y(), b.y())?;
    large_enough("SSIMULACRA2", 8, a.y())?;
    let failed = |e: &dyn std::fmt::Display| MeasureError::Ssimulacra2(e.to_string());
    let rgb = |f: &Frame| {
        let (w, h) = (f.y().width(), f.y().height());
        Rgb::new(to_rgb(f), w, h, TransferCharacteristic::SRGB, ColorPrimaries::BT709).map_err(|e| failed(&e))
    };
    compute_frame_ssimulacra2(rgb(a)?, rgb(b)?).map_err(|e| failed(&e))
}

/// R′G′B′ in 0..1, with chroma between its samples interpolated linearly (they lie in the middle of four pixels).
fn to_rgb(frame: &Frame) -> Vec<[f32; 3]> {
    let m = frame.colour.to_rgb().map(|row| [row[0] / 255.0, row[1] / 255.0, row[2] / 255.0, row[3]]);
    let (width, height) = (frame.y().width(), frame.y().height());
    let mut out = Vec::with_capacity(width * height);
    let (mut u, mut v) = (vec![0.0; width], vec![0.0; width]);
    for (y, luma) in frame.y().rows().enumerate() {
        chroma_row(frame.u(), y, &mut u);
        chroma_row(frame.v(), y, &mut v);
        out.extend(luma.iter().zip(u.iter().zip(&v)).map(|(&y, (&u, &v))| {
            let y = f32::from(y);
            m.map(|k| (k[0] * y + k[1] * u + k[2] * v + k[3]).clamp(0.0, 1.0))
        }));
    }
    out
}

/// One luma row's worth of chroma: three parts of the nearest sample, one of the next, along each axis.
fn chroma_row(plane: &Plane, y: usize, out: &mut [f32]) {
    let beside = |i: usize, n: usize| {
        let near = i / 2;
        (near, if i.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(n - 1) })
    };
    let (near, next) = beside(y, plane.height());
    let (near, next) = (plane.row(near), plane.row(next));
    let at = |x: usize| 3.0 * f32::from(near[x]) + f32::from(next[x]);
    for (x, o) in out.iter_mut().enumerate() {
        let (i, j) = beside(x, plane.width());
        *o = (3.0 * at(i) + at(j)) / 16.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, Range, Size, Stamp};
    use crate::measure::tests::{pattern, picture};

    #[test]
    fn known_colours_become_rgb() {
        let rgb = |colour, yuv| to_rgb(&Frame::filled(Size::new(3, 3).unwrap(), yuv, colour, Stamp::now(0)))[4];
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.006);
        let limited = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        assert!(near(rgb(limited, [81, 90, 240]), [1.0, 0.0, 0.0]));
        let full = Colour { matrix: Matrix::Bt709, range: Range::Full };
        assert!(near(rgb(full, [18, 255, 116]), [0.0, 0.0, 1.0]), "{:?}", rgb(full, [18, 255, 116]));
        assert_eq!(rgb(limited, [255, 128, 128]), [1.0; 3], "above white is cut");
    }

    #[test]
    fn chroma_is_interpolated_about_the_middle_of_four_pixels() {
        let mut row = [0.0; 5];
        chroma_row(&picture(3, 1, |x, _| [0, 160, 80][x]), 0, &mut row);
        assert_eq!(row, [0.0, 40.0, 120.0, 140.0, 100.0]);
        let mut column = [0.0; 1];
        let plane = picture(1, 2, |_, y| [0, 160][y]);
        for (y, want) in [(0, 0.0), (1, 40.0), (2, 120.0), (3, 160.0)] {
            chroma_row(&plane, y, &mut column);
            assert_eq!(column, [want]);
        }
    }

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
