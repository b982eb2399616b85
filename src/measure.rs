//! How close one picture comes to another, how steady a video is, and what one curve of quality over rate saves
//! against another.
//!
//! | score | of what | range | equal pictures |
//! |---|---|---|---|
//! | PSNR | codes of a plane | dB | infinite; means hold at most [`PSNR_CAP`] |
//! | SSIM, MS-SSIM | luma codes | −1 to 1, 0 to 1 | 1 |
//! | SSIMULACRA2 | colours in sRGB | below 0 (very bad) to 100 | 100 |
//! | CIEDE2000 | colours of pixels in L\*a\*b\* | from 0; less is better | 0 |
//! | [`Lpips`] | features of colours in a network's eyes | from 0; less is better | 0 |
//! | [`flicker`] | luma codes of successive frames | codes | the truth's own |
//! | [`grain`] | luma codes where the truth is flat | codes | the truth's own |
//! | [`bd_rate`] | curves of any of the scores | percent of rate | 0 |
//!
//! [`Alignment`] finds comparisons of what does not belong together.
//!
//! The pictures' colours may differ. PSNR-Y and SSIM compare luma codes: a luma of another range is first
//! mapped to the reference's, and the matrices are not looked at, as is the custom. SSIMULACRA2, CIEDE2000 and LPIPS
//! compare what is seen: each picture becomes R′G′B′ by its own matrix and range.

mod align;
mod ciede2000;
mod colours;
mod curve;
pub mod features;
pub mod flicker;
pub mod grain;
mod lpips;
mod metric;
mod ms_ssim;
mod psnr;
mod ssim;

pub use align::{AlignError, Alignment};
pub use ciede2000::ciede2000;
pub use colours::ssimulacra2;
pub use curve::{CurveError, Overtaking, RatePoint, bd_rate, overtaking};
pub use lpips::{Look, Lpips};
pub use metric::{Metric, Reference};
pub use ms_ssim::ms_ssim;
pub use psnr::{PSNR_CAP, psnr};
pub use ssim::ssim;

use crate::frame::{Frame, Plane, Range};
use std::fmt;

use serde::{Deserialize, Serialize};

/// Pictures that cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// The sizes differ.
    #[error("the pictures differ in size ({reference} and {other}): scale one of them first")]
    Size {
        /// The first picture's size.
        reference: String,
        /// The second picture's size.
        other: String,
    },
    /// The score's window does not fit into the picture.
    #[error("{score} needs pictures of at least {side}x{side}, these are {size}")]
    TooSmall {
        /// Which score.
        score: &'static str,
        /// The shortest side that it can use.
        side: usize,
        /// The pictures' size.
        size: String,
    },
    /// The SSIMULACRA2 implementation refused the pictures.
    #[error("SSIMULACRA2 failed: {0}")]
    Ssimulacra2(String),
    /// LPIPS without a network.
    #[error("LPIPS needs the file of a network, which scripts/features.py makes")]
    NoNetwork,
    /// A mean of nothing.
    #[error("there is no frame to compare")]
    NoFrames,
}

/// The result of this module's functions.
pub type Result<T, E = MeasureError> = std::result::Result<T, E>;

/// The scores of one picture, or their means over many.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Scores {
    /// Peak signal-to-noise ratio of luma, in dB, at most [`PSNR_CAP`] so that means and JSON stay finite.
    pub psnr_y: f64,
    /// Structural similarity of luma (Wang et al. 2004).
    pub ssim: f64,
    /// SSIMULACRA2: 30 low, 50 medium, 70 high, 90 very high quality; 100 is equal.
    pub ssimulacra2: f64,
}

impl Scores {
    /// All scores of `other` against `reference`. Pictures below 11×11 are refused (SSIM's window).
    ///
    /// # Errors
    /// When the pictures differ in size or are below 11×11.
    pub fn of(reference: &Frame, other: &Frame) -> Result<Self> {
        let luma = same_range(reference, other);
        let luma = luma.as_ref().unwrap_or(other.y());
        Ok(Self {
            psnr_y: psnr(reference.y(), luma)?.min(PSNR_CAP),
            ssim: ssim(reference.y(), luma)?,
            ssimulacra2: ssimulacra2(reference, other)?,
        })
    }

    /// The mean of each score; `None` when there is nothing.
    pub fn mean(scores: &[Self]) -> Option<Self> {
        let mean = |of: fn(&Self) -> f64| scores.iter().map(of).sum::<f64>() / scores.len() as f64;
        (!scores.is_empty()).then(|| Self {
            psnr_y: mean(|s| s.psnr_y),
            ssim: mean(|s| s.ssim),
            ssimulacra2: mean(|s| s.ssimulacra2),
        })
    }
}

/// The scores of a clip, in the form of the program's JSON:
/// `{"frames", "psnr_y", "ssim", "ssimulacra2", "per_frame": [{"psnr_y", "ssim", "ssimulacra2"}, …]}`,
/// where those at the top are means.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// How many frames were compared.
    pub frames: usize,
    /// The mean over all frames. PSNR's is the mean of decibels.
    #[serde(flatten)]
    pub mean: Scores,
    /// Each frame's, in order.
    pub per_frame: Vec<Scores>,
}

impl Summary {
    /// Sums up.
    ///
    /// # Errors
    /// When there is no frame.
    pub fn new(per_frame: Vec<Scores>) -> Result<Self> {
        let mean = Scores::mean(&per_frame).ok_or(MeasureError::NoFrames)?;
        Ok(Self { frames: per_frame.len(), mean, per_frame })
    }
}

impl fmt::Display for Summary {
    /// One line for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let m = &self.mean;
        write!(
            f,
            "{} frames: PSNR-Y {:.3} dB, SSIM {:.4}, SSIMULACRA2 {:.2}",
            self.frames, m.psnr_y, m.ssim, m.ssimulacra2
        )
    }
}

/// `other`'s luma in `reference`'s range, if the two differ.
fn same_range(reference: &Frame, other: &Frame) -> Option<Plane> {
    let map: fn(f32) -> f32 = match (reference.colour.range, other.colour.range) {
        (Range::Limited, Range::Full) => |y| y * (219.0 / 255.0) + 16.0,
        (Range::Full, Range::Limited) => |y| (y - 16.0) * (255.0 / 219.0),
        _ => return None,
    };
    let table: [u8; 256] = std::array::from_fn(|y| map(y as f32).round() as u8);
    let mut luma = other.y().clone();
    for y in 0..luma.height() {
        luma.row_mut(y).iter_mut().for_each(|s| *s = table[usize::from(*s)]);
    }
    Some(luma)
}

/// Sizes must match before samples are compared.
fn same_size(a: &Plane, b: &Plane) -> Result<()> {
    let size = |p: &Plane| format!("{}x{}", p.width(), p.height());
    if (a.width(), a.height()) == (b.width(), b.height()) {
        Ok(())
    } else {
        Err(MeasureError::Size { reference: size(a), other: size(b) })
    }
}

/// Both sides must be at least `side` long.
fn large_enough(score: &'static str, side: usize, p: &Plane) -> Result<()> {
    if p.width() >= side && p.height() >= side {
        Ok(())
    } else {
        Err(MeasureError::TooSmall { score, side, size: format!("{}x{}", p.width(), p.height()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, Size, Stamp};

    pub(super) fn picture(width: usize, height: usize, of: impl Fn(usize, usize) -> u8) -> Plane {
        let data = (0..width * height).map(|i| of(i % width, i / width)).collect();
        Plane::from_vec(data, width, height, width).unwrap()
    }

    /// A coloured pattern that is different everywhere.
    pub(super) fn pattern(width: usize, height: usize) -> Frame {
        let wave = |x: usize, y: usize, fx: f32, fy: f32| {
            (128.0 + 70.0 * (x as f32 * fx).sin() * (y as f32 * fy + 0.4).cos() + 20.0 * (x as f32 * 1.7).sin()) as u8
        };
        let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
        Frame::new(
            picture(width, height, |x, y| wave(x, y, 0.31, 0.23)),
            picture(cw, ch, |x, y| wave(x, y, 0.11, 0.17) / 2 + 64),
            picture(cw, ch, |x, y| wave(x, y, 0.07, 0.29) / 2 + 50),
            Colour::default(),
            Stamp::now(0),
        )
        .unwrap()
    }

    #[test]
    fn equal_pictures_have_the_best_scores_and_finite_json() {
        let a = pattern(40, 33);
        let s = Scores::of(&a, &a).unwrap();
        assert_eq!((s.psnr_y, s.ssim), (PSNR_CAP, 1.0));
        assert!((s.ssimulacra2 - 100.0).abs() < 1e-6, "{s:?}");
        let json = serde_json::to_value(Summary::new(vec![s, s]).unwrap()).unwrap();
        assert_eq!(json["frames"], 2);
        assert_eq!(json["psnr_y"], 100.0);
        assert_eq!(json["per_frame"][1]["ssim"], 1.0);
        assert!(json["per_frame"][0]["ssimulacra2"].is_f64());
        let back: Summary = serde_json::from_value(json).unwrap();
        assert_eq!(back.per_frame.len(), 2);
    }

    #[test]
    fn means_are_of_each_score() {
        let s = |v| Scores { psnr_y: v, ssim: v / 100.0, ssimulacra2: 2.0 * v };
        assert_eq!(Summary::new(vec![s(10.0), s(30.0)]).unwrap().mean, s(20.0));
        assert_eq!(Summary::new(vec![]), Err(MeasureError::NoFrames));
    }

    #[test]
    fn another_size_is_refused_with_both_sizes() {
        let e = Scores::of(&pattern(16, 16), &pattern(16, 18)).unwrap_err().to_string();
        assert!(e.contains("16x16") && e.contains("16x18"), "{e}");
        let e = Scores::of(&pattern(16, 10), &pattern(16, 10)).unwrap_err().to_string();
        assert!(e.contains("SSIM") && e.contains("16x10"), "{e}");
    }

    #[test]
    fn the_same_light_in_another_range_scores_nearly_as_equal() {
        let a = pattern(64, 48);
        let mut b = a.clone();
        b.colour = Colour { matrix: Matrix::Bt601, range: Range::Full };
        for (p, (zero, to, scale)) in
            b.planes_mut().into_iter().zip([(16.0, 0.0, 219.0), (128.0, 128.0, 224.0), (128.0, 128.0, 224.0)])
        {
            for y in 0..p.height() {
                p.row_mut(y).iter_mut().for_each(|v| *v = ((f32::from(*v) - zero) * 255.0 / scale + to).round() as u8);
            }
        }
        let s = Scores::of(&a, &b).unwrap();
        assert!(s.psnr_y > 50.0 && s.ssim > 0.999 && s.ssimulacra2 > 90.0, "{s:?}");
        let mut wrong = b.clone();
        wrong.colour = a.colour;
        let w = Scores::of(&a, &wrong).unwrap();
        assert!(w.psnr_y < 35.0 && w.ssimulacra2 < s.ssimulacra2 - 5.0, "a wrong range tag is seen: {w:?}");
    }

    #[test]
    fn a_shifted_frame_is_noticed_by_every_score() {
        let a = pattern(65, 48);
        let shift = |p: &Plane| picture(p.width(), p.height(), |x, y| p.clamped(x as isize + 1, y as isize));
        let b = Frame::new(shift(a.y()), shift(a.u()), shift(a.v()), a.colour, a.stamp).unwrap();
        let s = Scores::of(&a, &b).unwrap();
        assert!(s.psnr_y < 30.0 && s.ssim < 0.97 && s.ssimulacra2 < 80.0, "{s:?}");
    }

    #[test]
    fn grey_of_any_size_that_fits_can_be_scored() {
        for (w, h) in [(11, 11), (12, 17), (17, 11), (33, 12)] {
            let f = |v| Frame::filled(Size::new(w, h).unwrap(), [v, 128, 128], Colour::default(), Stamp::now(0));
            let s = Scores::of(&f(100), &f(101)).unwrap();
            assert!((s.psnr_y - 48.130_803_6).abs() < 1e-6, "{s:?}");
            assert!(s.ssim > 0.999 && s.ssimulacra2.is_finite(), "{s:?}");
        }
    }
}
