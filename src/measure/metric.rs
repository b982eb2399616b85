//! The scores of single pictures by name.

use std::fmt;

use serde::Serialize;

use super::{PSNR_CAP, Result, ciede2000, ms_ssim, psnr, ssim, ssimulacra2};
use crate::frame::Frame;

/// A score of one picture against another; of all but CIEDE2000, more is better.
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
}

impl Metric {
    /// All, in the order in which they are shown.
    pub const ALL: [Self; 7] =
        [Self::PsnrY, Self::PsnrU, Self::PsnrV, Self::Ssim, Self::MsSsim, Self::Ssimulacra2, Self::Ciede2000];

    /// The score as a quality, of which more is better.
    pub fn quality(self, score: f64) -> f64 {
        if self == Self::Ciede2000 { -score } else { score }
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
        }
    }

    /// Digits after the point that mean something.
    pub const fn digits(self) -> usize {
        match self {
            Self::PsnrY | Self::PsnrU | Self::PsnrV | Self::Ssimulacra2 => 2,
            Self::Ciede2000 => 3,
            Self::Ssim | Self::MsSsim => 4,
        }
    }

    /// The score of `other` against `reference`. Their planes are compared as they are: the colours must agree.
    ///
    /// # Errors
    /// When the pictures differ in size, or are too small for the score.
    pub fn of(self, reference: &Frame, other: &Frame) -> Result<f64> {
        let plane = |i: usize| psnr(reference.planes()[i], other.planes()[i]).map(|db| db.min(PSNR_CAP));
        match self {
            Self::PsnrY => plane(0),
            Self::PsnrU => plane(1),
            Self::PsnrV => plane(2),
            Self::Ssim => ssim(reference.y(), other.y()),
            Self::MsSsim => ms_ssim(reference.y(), other.y()),
            Self::Ssimulacra2 => ssimulacra2(reference, other),
            Self::Ciede2000 => ciede2000(reference, other),
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
        let one = 48.130_803_608_679;
        for (metric, want) in [(Metric::PsnrY, PSNR_CAP), (Metric::PsnrU, one), (Metric::PsnrV, one - 20.0)] {
            assert!((metric.of(&a, &b).unwrap() - want).abs() < 1e-9, "{metric}");
        }
        assert_eq!(Metric::Ssim.of(&a, &b).unwrap(), 1.0);
        assert_eq!(Metric::MsSsim.of(&a, &b).unwrap(), 1.0);
        assert!(Metric::Ssimulacra2.of(&a, &b).unwrap() < 99.0, "it looks at colours");
        assert!(Metric::Ciede2000.of(&a, &b).unwrap() > 0.1);
    }

    #[test]
    fn keys_are_what_serde_writes() {
        for metric in Metric::ALL {
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.key());
        }
    }
}
