//! Whether two videos are what a comparison takes them for: the same frames, in the same place, in the same range.
//!
//! Half a pixel of shift, a frame too early or a wrong range tag change scores by more than any upscaler does,
//! and say nothing. [`Alignment`] looks at all frames of a comparison and gives an error instead.

use super::{Result, same_size};
use crate::frame::{Frame, Plane};

/// The luma may lie this many codes above or below the truth's in the mean over all frames.
const LUMA_LIMIT: f64 = 2.0;
/// The truth's luma may be this much steeper or flatter over the output's. Full against limited range is 16 %.
const SLOPE_LIMIT: f64 = 0.08;
/// From a quarter of a pixel on, the nearest half pixel is not zero.
const SHIFT_LIMIT: f64 = 0.25;
/// A frame beside the right one must be nearer by this share of the squared error: noise alone is not.
const TIME_MARGIN: f64 = 0.05;
/// Below so much squared contrast for a pixel there is nothing to see a shift by.
const FLAT: f64 = 1.0;

/// A comparison of what does not belong together.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum AlignError {
    /// The tags differ.
    #[error("the colours differ: the truth is tagged {truth}, the output {output}")]
    Tags {
        /// The truth's matrix and range.
        truth: String,
        /// The output's.
        output: String,
    },
    /// There is a nearer place.
    #[error("the output lies {dx:+.2}, {dy:+.2} pixels beside the truth")]
    Shift {
        /// To the right, in pixels.
        dx: f64,
        /// Down, in pixels.
        dy: f64,
    },
    /// The frame before or after is nearer.
    #[error("the output's frames are nearer to the truth's frame {} than to their own", if *late { "before" } else { "after" })]
    Time {
        /// The output is late.
        late: bool,
    },
    /// The mean differs.
    #[error("the output's luma lies {0:+.2} codes above the truth's in the mean, and {LUMA_LIMIT} are allowed")]
    Luma(f64),
    /// The contrast differs as it does when a range is mistaken.
    #[error("the truth's luma rises {0:.3} times as steeply as the output's, as if a range had been mistaken")]
    Slope(f64),
}

/// What the frames of one comparison have shown so far.
#[derive(Debug, Clone, Default)]
pub struct Alignment {
    tags: Option<AlignError>,
    /// Squared errors by vertical and horizontal shift of −1, 0, 1, over the inner pixels.
    shifts: [[u64; 3]; 3],
    inner: u64,
    /// Squared errors against the truth's own frame, the one before and the one after, of neighbouring frames.
    own: u64,
    before: u64,
    after: u64,
    pixels: f64,
    truth: f64,
    output: f64,
    product: f64,
    output_squares: f64,
}

impl Alignment {
    /// Takes a frame and its truth.
    ///
    /// # Errors
    /// When the two differ in size.
    pub fn add(&mut self, truth: &Frame, output: &Frame) -> Result<()> {
        let (t, o) = (truth.y(), output.y());
        same_size(t, o)?;
        if truth.colour != output.colour {
            let tag = |f: &Frame| format!("{:?} {:?}", f.colour.matrix, f.colour.range);
            self.tags.get_or_insert(AlignError::Tags { truth: tag(truth), output: tag(output) });
        }
        for (t, o) in t.rows().zip(o.rows()) {
            let [mut sum_t, mut sum_o, mut product, mut squares] = [0_u64; 4];
            for (&t, &o) in t.iter().zip(o) {
                let (t, o) = (u64::from(t), u64::from(o));
                sum_t += t;
                sum_o += o;
                product += t * o;
                squares += o * o;
            }
            self.truth += sum_t as f64;
            self.output += sum_o as f64;
            self.product += product as f64;
            self.output_squares += squares as f64;
        }
        self.pixels += (t.width() * t.height()) as f64;
        if t.width() > 2 && t.height() > 2 {
            self.inner += ((t.width() - 2) * (t.height() - 2)) as u64;
            for (dy, row) in self.shifts.iter_mut().enumerate() {
                for (dx, sum) in row.iter_mut().enumerate() {
                    *sum += shifted_error(t, o, dx, dy);
                }
            }
        }
        Ok(())
    }

    /// Takes two frames that follow each other, each with its truth: earlier ones first.
    ///
    /// # Errors
    /// When the planes differ in size.
    pub fn add_successive(&mut self, truth: [&Plane; 2], output: [&Plane; 2]) -> Result<()> {
        let error = |a: &Plane, b: &Plane| -> Result<u64> {
            same_size(a, b)?;
            Ok(a.rows().zip(b.rows()).map(|(a, b)| squared_error(a, b)).sum())
        };
        self.own += error(truth[0], output[0])? + error(truth[1], output[1])?;
        self.before += 2 * error(truth[0], output[1])?;
        self.after += 2 * error(truth[1], output[0])?;
        Ok(())
    }

    /// How many codes the output's luma lies above the truth's, in the mean; 0 without frames.
    pub fn luma_shift(&self) -> f64 {
        if self.pixels > 0.0 { (self.output - self.truth) / self.pixels } else { 0.0 }
    }

    /// How far to the right and down the output lies, in pixels: the lowest point of the paraboloid through the
    /// squared errors at the nine shifts by −1, 0 and 1. None where the picture is too flat, or too much of one
    /// direction, to tell.
    pub fn shift(&self) -> Option<(f64, f64)> {
        let s = self.shifts.map(|row| row.map(|s| s as f64));
        let (gx, gy) = ((s[1][2] - s[1][0]) / 2.0, (s[2][1] - s[0][1]) / 2.0);
        let (xx, yy) = (s[1][2] + s[1][0] - 2.0 * s[1][1], s[2][1] + s[0][1] - 2.0 * s[1][1]);
        let xy = (s[2][2] + s[0][0] - s[2][0] - s[0][2]) / 4.0;
        let determinant = xx * yy - xy * xy;
        let flat = 2.0 * FLAT * self.inner as f64;
        let clear = xx > flat && yy > flat && determinant > 0.1 * xx * yy;
        clear.then(|| ((xy * gy - yy * gx) / determinant, (xy * gx - xx * gy) / determinant))
    }

    /// All is as it must be, or the first thing that is not.
    ///
    /// # Errors
    /// When tags, range, place or time of the output are not the truth's: the first that is found.
    pub fn check(&self) -> Result<(), AlignError> {
        if let Some(tags) = &self.tags {
            return Err(tags.clone());
        }
        self.check_luma()?;
        if let Some((dx, dy)) = self.shift()
            && (dx.abs() >= SHIFT_LIMIT || dy.abs() >= SHIFT_LIMIT)
        {
            return Err(AlignError::Shift { dx, dy });
        }
        self.check_whole_pixels()?;
        let own = (1.0 - TIME_MARGIN) * self.own as f64;
        if (self.before as f64) < own || (self.after as f64) < own {
            return Err(AlignError::Time { late: self.before < self.after });
        }
        Ok(())
    }

    fn check_luma(&self) -> Result<(), AlignError> {
        let n = self.pixels;
        if n == 0.0 {
            return Ok(());
        }
        let variance = self.output_squares / n - (self.output / n).powi(2);
        let covariance = self.product / n - self.truth / n * (self.output / n);
        let slope = covariance / variance;
        // A flat picture has no slope. Noise that the codec adds flattens a little; what it blurs away does not.
        if variance > 100.0 && (slope - 1.0).abs() > SLOPE_LIMIT {
            return Err(AlignError::Slope(slope));
        }
        let shift = self.luma_shift();
        if shift.abs() > LUMA_LIMIT { Err(AlignError::Luma(shift)) } else { Ok(()) }
    }

    /// No neighbouring place, the slanting ones among them, may be nearer.
    fn check_whole_pixels(&self) -> Result<(), AlignError> {
        let places = (0..9).map(|i| (i % 3, i / 3));
        match places.min_by_key(|&(x, y)| self.shifts[y][x]) {
            Some((x, y)) if self.shifts[y][x] < self.shifts[1][1] => {
                Err(AlignError::Shift { dx: x as f64 - 1.0, dy: y as f64 - 1.0 })
            }
            _ => Ok(()),
        }
    }
}

/// The squared error when the output is taken `dx − 1` pixels further right and `dy − 1` further down.
fn shifted_error(truth: &Plane, output: &Plane, dx: usize, dy: usize) -> u64 {
    let (w, h) = (truth.width(), truth.height());
    (1..h - 1).map(|y| squared_error(&truth.row(y)[1..w - 1], &output.row(y + dy - 1)[dx..w - 2 + dx])).sum()
}

/// The sum over one row: at most 8192 · 255², which fits into 32 bits.
fn squared_error(a: &[u8], b: &[u8]) -> u64 {
    let sum: u32 = a.iter().zip(b).map(|(&a, &b)| u32::from(a.abs_diff(b)).pow(2)).sum();
    sum.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::{Colour, Matrix, Range, Size, Stamp},
        measure::tests::picture,
    };

    /// A smooth pattern, moved by `dx`, `dy` pixels.
    fn scene(dx: f32, dy: f32) -> Frame {
        let of = |x: usize, y: usize| {
            let (x, y) = (x as f32 - dx, y as f32 - dy);
            (110.0 + 45.0 * (0.31 * x + 0.2 * y).sin() + 40.0 * (0.23 * y - 0.11 * x).cos()) as u8
        };
        let grey = || Plane::filled(40, 30, 128);
        Frame::new(picture(80, 60, of), grey(), grey(), Colour::default(), Stamp::now(0)).unwrap()
    }

    fn check(truth: &Frame, output: &Frame) -> Result<(), AlignError> {
        let mut a = Alignment::default();
        a.add(truth, output).unwrap();
        a.check()
    }

    fn mapped(f: &Frame, map: impl Fn(f32) -> f32) -> Frame {
        let y = picture(f.y().width(), f.y().height(), |x, y| map(f32::from(f.y().row(y)[x])).round() as u8);
        Frame::new(y, f.u().clone(), f.v().clone(), f.colour, f.stamp).unwrap()
    }

    #[test]
    fn equal_and_nearly_equal_pictures_pass() {
        assert_eq!(check(&scene(0.0, 0.0), &scene(0.0, 0.0)), Ok(()));
        assert_eq!(check(&scene(0.0, 0.0), &scene(0.15, -0.15)), Ok(()));
        assert_eq!(check(&scene(0.0, 0.0), &mapped(&scene(0.0, 0.0), |v| v + 1.0)), Ok(()));
        let flat = Frame::filled(Size::new(64, 48).unwrap(), [90, 128, 128], Colour::default(), Stamp::now(0));
        assert_eq!(check(&flat, &flat), Ok(()));
        assert_eq!(Alignment::default().check(), Ok(()));
    }

    #[test]
    fn half_a_pixel_is_found_and_measured() {
        for (dx, dy) in [(0.5, 0.0), (0.0, -0.5), (0.5, 0.5), (-1.0, 0.0), (1.0, 1.0), (2.0, 0.0)] {
            match check(&scene(0.0, 0.0), &scene(dx, dy)) {
                Err(AlignError::Shift { dx: x, dy: y }) if dx.abs() < 1.0 && dy.abs() < 1.0 => {
                    assert!((x - f64::from(dx)).abs() < 0.1 && (y - f64::from(dy)).abs() < 0.1, "{dx} {dy}: {x} {y}");
                }
                Err(AlignError::Shift { .. }) => {}
                // Far enough away the slope tells first.
                Err(AlignError::Slope(_)) if dx.abs() >= 1.0 => {}
                other => panic!("{dx} {dy}: {other:?}"),
            }
        }
    }

    #[test]
    fn a_blurred_picture_is_not_a_shifted_one() {
        let sharp = scene(0.0, 0.0);
        let blurred = picture(80, 60, |x, y| {
            let at = |i: isize| f32::from(sharp.y().clamped(x as isize + i, y as isize));
            (0.25 * at(-2) + 0.5 * at(0) + 0.25 * at(2)).round() as u8
        });
        let blurred = Frame::new(blurred, sharp.u().clone(), sharp.v().clone(), sharp.colour, sharp.stamp).unwrap();
        assert_eq!(check(&sharp, &blurred), Ok(()));
    }

    #[test]
    fn a_mistaken_range_is_found_by_tag_slope_or_mean() {
        let truth = scene(0.0, 0.0);
        let mut other = truth.clone();
        other.colour = Colour { matrix: Matrix::Bt601, range: Range::Full };
        let error = check(&truth, &other).unwrap_err();
        assert!(error.to_string().contains("Limited") && error.to_string().contains("Full"), "{error}");
        let squeezed = mapped(&truth, |v| v * 219.0 / 255.0 + 16.0);
        assert!(matches!(check(&truth, &squeezed), Err(AlignError::Slope(s)) if (s - 255.0 / 219.0).abs() < 0.01));
        assert!(matches!(check(&squeezed, &truth), Err(AlignError::Slope(s)) if (s - 219.0 / 255.0).abs() < 0.01));
        let bright = mapped(&truth, |v| v + 3.0);
        assert!(matches!(check(&truth, &bright), Err(AlignError::Luma(l)) if (l - 3.0).abs() < 1e-9));
    }

    #[test]
    fn a_frame_too_late_is_told_from_one_too_early() {
        let truth: Vec<Frame> = (0..4).map(|i| scene(0.4 * i as f32, 0.0)).collect();
        let check = |offset: isize| {
            let mut a = Alignment::default();
            for n in 1..3_usize {
                let output = |n: usize| truth[n.checked_add_signed(offset).unwrap()].y();
                a.add_successive([truth[n - 1].y(), truth[n].y()], [output(n - 1), output(n)]).unwrap();
            }
            a.check()
        };
        assert_eq!(check(0), Ok(()));
        assert_eq!(check(1), Err(AlignError::Time { late: false }));
        let mut late = Alignment::default();
        late.add_successive([truth[1].y(), truth[2].y()], [truth[0].y(), truth[1].y()]).unwrap();
        assert_eq!(late.check(), Err(AlignError::Time { late: true }));
    }
}
