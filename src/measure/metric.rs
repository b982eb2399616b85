//! The scores of single pictures by name.

use std::fmt;

use serde::Serialize;

use super::{Look, Lpips, MeasureError, PSNR_CAP, Result, ciede2000, ms_ssim, psnr, ssim, ssimulacra2};
use crate::frame::Frame;

/// A score of one picture against another; of all but CIEDE2000 and LPIPS, more is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// [`psnr()`] of luma in dB, at most [`PSNR_CAP`].
    PsnrY,
    /// The same of Cb.
    PsnrU,
    /// The same of Cr.
    PsnrV,
    /// [`ssim()`] of luma.
    Ssim,
    /// [`ms_ssim()`] of luma.
    MsSsim,
    /// [`ssimulacra2()`].
    Ssimulacra2,
    /// [`ciede2000()`]; less is better.
    Ciede2000,
    /// [`Lpips`]; less is better.
    Lpips,
}

/// A picture that others are scored against.
#[derive(Debug)]
pub struct Reference<'a> {
    frame: &'a Frame,
    /// What a network sees in it, worked out once for all that are compared with it.
    look: Option<(&'a Lpips, Look)>,
}

impl<'a> Reference<'a> {
    /// With a network, LPIPS can be measured.
    ///
    /// # Errors
    /// When the picture is too small for the network.
    pub fn new(frame: &'a Frame, lpips: Option<&'a Lpips>) -> Result<Self> {
        let look = lpips.map(|lpips| Ok((lpips, lpips.look(frame)?))).transpose()?;
        Ok(Self { frame, look })
    }
}

impl Metric {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 8] = [
        Self::PsnrY,
        Self::PsnrU,
        Self::PsnrV,
        Self::Ssim,
        Self::MsSsim,
        Self::Ssimulacra2,
        Self::Ciede2000,
        Self::Lpips,
    ];

    /// The score as a quality, of which more is better.
    pub fn quality(self, score: f64) -> f64 {
        if matches!(self, Self::Ciede2000 | Self::Lpips) { -score } else { score }
    }

    /// What a score gains over a baseline's: the difference in quality, and of LPIPS, whose size depends on what is
    /// shown, the ratio. There is no ratio to 0.
    pub fn gain(self, score: f64, baseline: f64) -> Option<f64> {
        match self {
            Self::Lpips => (baseline > 0.0).then(|| score / baseline),
            _ => Some(self.quality(score) - self.quality(baseline)),
        }
    }

    /// The worst of gains, and what came with it.
    pub fn worst<T>(self, gains: impl Iterator<Item = (f64, T)>) -> Option<(f64, T)> {
        let merit = |gain: f64| if self == Self::Lpips { -gain } else { gain };
        gains.min_by(|a, b| merit(a.0).total_cmp(&merit(b.0)))
    }

    /// Its name in JSON and CSV.
    pub const fn key(self) -> &'static str {
        match self {
            Self::PsnrY => "psnr_y",
            Self::PsnrU => "psnr_u",
            Self::PsnrV => "psnr_v",
            Self::Ssim => "ssim",
            Self::MsSsim => "ms_ssim",
            Self::Ssimulacra2 => "ssimulacra2",
            Self::Ciede2000 => "ciede2000",
            Self::Lpips => "lpips",
        }
    }

    /// Digits after the point that mean something.
    pub const fn digits(self) -> usize {
        match self {
            Self::PsnrY | Self::PsnrU | Self::PsnrV | Self::Ssimulacra2 => 2,
            Self::Ciede2000 => 3,
            Self::Ssim | Self::MsSsim | Self::Lpips => 4,
        }
    }

    /// The score of `other` against `reference`. Their planes are compared as they are: the colours must agree.
    ///
    /// # Errors
    /// When the pictures differ in size or are too small for the score, or LPIPS has no network.
    pub fn of(self, reference: &Reference<'_>, other: &Frame) -> Result<f64> {
        let Reference { frame: reference, look } = reference;
        let plane = |i: usize| psnr(reference.planes()[i], other.planes()[i]).map(|db| db.min(PSNR_CAP));
        match self {
            Self::PsnrY => plane(0),
            Self::PsnrU => plane(1),
            Self::PsnrV => plane(2),
            Self::Ssim => ssim(reference.y(), other.y()),
            Self::MsSsim => ms_ssim(reference.y(), other.y()),
            Self::Ssimulacra2 => ssimulacra2(reference, other),
            Self::Ciede2000 => ciede2000(reference, other),
            Self::Lpips => {
                let (lpips, look) = look.as_ref().ok_or(MeasureError::NoNetwork)?;
                lpips.between(look, &lpips.look(other)?)
            }
        }
    }
}

impl fmt::Display for Metric {
    /// As in a table's head.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PsnrY => "PSNR-Y",
            Self::PsnrU => "PSNR-U",
            Self::PsnrV => "PSNR-V",
            Self::Ssim => "SSIM",
            Self::MsSsim => "MS-SSIM",
            Self::Ssimulacra2 => "SSIMULACRA2",
            Self::Ciede2000 => "CIEDE2000",
            Self::Lpips => "LPIPS",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::tests::pattern;

    #[test]
    fn each_plane_has_its_own_score() {
        let a = pattern(200, 180);
        let mut b = a.clone();
        let [_, u, v] = b.planes_mut();
        for (plane, by) in [(u, 1), (v, 10)] {
            for y in 0..plane.height() {
                plane.row_mut(y).iter_mut().for_each(|s| *s += by);
            }
        }
        let (one, a) = (48.130_803_608_679, Reference::new(&a, None).unwrap());
        for (metric, want) in [(Metric::PsnrY, PSNR_CAP), (Metric::PsnrU, one), (Metric::PsnrV, one - 20.0)] {
            assert!((metric.of(&a, &b).unwrap() - want).abs() < 1e-9, "{metric}");
        }
        assert_eq!(Metric::Ssim.of(&a, &b).unwrap(), 1.0);
        assert_eq!(Metric::MsSsim.of(&a, &b).unwrap(), 1.0);
        assert!(Metric::Ssimulacra2.of(&a, &b).unwrap() < 99.0, "it looks at colours");
        assert!(Metric::Ciede2000.of(&a, &b).unwrap() > 0.1);
        assert_eq!(Metric::Lpips.of(&a, &b), Err(MeasureError::NoNetwork));
    }

    #[test]
    fn gains_are_differences_and_of_lpips_ratios() {
        assert_eq!(Metric::PsnrY.gain(31.0, 30.5), Some(0.5));
        assert_eq!(Metric::Ciede2000.gain(2.0, 3.0), Some(1.0), "less is better");
        assert_eq!(Metric::Lpips.gain(0.15, 0.2), Some(0.15 / 0.2));
        assert_eq!(Metric::Lpips.gain(0.15, 0.0), None);
        let gains = || [(0.9, "a"), (1.1, "b"), (0.7, "c")].into_iter();
        assert_eq!(Metric::Ssim.worst(gains()), Some((0.7, "c")));
        assert_eq!(Metric::Lpips.worst(gains()), Some((1.1, "b")));
        assert_eq!(Metric::Lpips.worst(gains().take(0)), None);
    }

    #[test]
    fn keys_are_what_serde_writes() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.key());
        }
    }
}
