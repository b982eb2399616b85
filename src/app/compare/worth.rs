//! How many bits bicubic would need to come as near to the truth as another side does: an estimate, from what is
//! measured in the call.
//!
//! The error of bicubic, as a mean square, is taken for the sum of two: what scaling down and up again loses, which no
//! bit brings back, and what coding loses, which falls with the rate R as R^−FALL. The first is measured, by
//! bicubic from the truth that was scaled but not coded, and so is the sum. So
//! `R' = R · ((bicubic − scaling) / (side − scaling))^(1/FALL)`, and a side with less error than scaling alone has is out
//! of bicubic's reach at this size. docs/experiments.md has how well this hits.

use crate::app::theme::style;

/// How fast the error of coding falls with the rate: measured on clips, see docs/experiments.md.
const FALL: f64 = 1.2;
/// The estimate was not tried beyond so many times the rate.
const TRIED: f64 = 3.0;

/// Mean square errors of luma against the truth, in any unit.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Errors {
    /// Of bicubic.
    pub bicubic: f64,
    /// Of the side.
    pub side: f64,
    /// Of bicubic from pictures that were not coded.
    pub scaling: f64,
}

/// What a side is worth in bits of bicubic.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    /// Times the bitrate; none where it is more than [`TRIED`] or out of bicubic's reach.
    times: Option<f64>,
    /// Bits per second now.
    rate: f64,
}

impl Worth {
    /// The estimate at a rate in bits per second; none where there is too little error by coding to tell.
    pub fn of(errors: Errors, rate: f64) -> Option<Self> {
        let Errors { bicubic, side, scaling } = errors;
        let told = bicubic.is_finite() && side > 0.0 && scaling >= 0.0 && rate > 0.0 && rate.is_finite();
        if !told {
            return None;
        }
        if side <= scaling {
            return (side < bicubic).then_some(Self { times: None, rate });
        }
        if bicubic <= scaling {
            return None;
        }
        let times = ((bicubic - scaling) / (side - scaling)).powf(1.0 / FALL);
        Some(Self { times: (times <= TRIED).then_some(times), rate })
    }

    /// "≈ 410 kbit/s", or "> 900 kbit/s".
    pub fn bitrate(&self) -> String {
        let (sign, times) = self.signed();
        let bits = times * self.rate;
        // Two digits: it is an estimate.
        let unit = 10_f64.powf(bits.log10().floor() - 1.0);
        format!("{sign} {}", style::bitrate((bits / unit).round() * unit))
    }

    /// "≈ 1.2 times the bitrate", or "> 3 times the bitrate".
    pub fn times(&self) -> String {
        let (sign, times) = self.signed();
        match self.times {
            Some(_) => format!("{sign} {times:.1} times the bitrate"),
            None => format!("{sign} {times:.0} times the bitrate"),
        }
    }

    fn signed(&self) -> (&'static str, f64) {
        self.times.map_or((">", TRIED), |times| ("≈", times))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worth(bicubic: f64, side: f64, scaling: f64) -> Option<Worth> {
        Worth::of(Errors { bicubic, side, scaling }, 300_000.0)
    }

    /// Bicubic at other rates, measured on two clips (docs/experiments.md): taken for a side, it is worth the rate that it
    /// was coded with.
    #[test]
    fn bicubic_with_more_bits_is_worth_them() {
        // Clip, what scaling loses, and pairs of bit/s and the error of bicubic, in 1e-4.
        let measured = [
            ("asl_eat", 3.3440, [(75_549.0, 9.2425), (150_567.0, 6.3111), (300_940.0, 4.6241)]),
            ("asl_walk", 1.4887, [(75_496.0, 4.8812), (150_664.0, 2.9999), (300_604.0, 2.0663)]),
        ];
        for (clip, scaling, points) in measured {
            for pair in points.windows(2) {
                let [(rate, bicubic), (more, side)] = [pair[0], pair[1]];
                let found = Worth::of(Errors { bicubic, side, scaling }, rate).unwrap().times.unwrap();
                assert!((found * rate / more - 1.0).abs() < 0.15, "{clip}: {found} times {rate} for {more}");
            }
        }
    }

    #[test]
    fn as_good_is_worth_as_much_better_more_and_worse_less() {
        let times = |side| worth(2.0, side, 1.0).unwrap().times.unwrap();
        assert!((times(2.0) - 1.0).abs() < 1e-9);
        assert!(times(1.5) > 1.5 && times(2.5) < 0.8, "{} {}", times(1.5), times(2.5));
    }

    #[test]
    fn what_bicubic_cannot_reach_is_more_than_was_tried() {
        for side in [0.5, 1.0, 1.01] {
            let worth = worth(2.0, side, 1.0).unwrap();
            assert_eq!(
                (worth.bitrate(), worth.times()),
                ("> 900 kbit/s".to_owned(), "> 3 times the bitrate".to_owned())
            );
        }
        // Without an error of coding, and with numbers that are none, nothing is said.
        assert_eq!([worth(1.0, 1.5, 1.0), worth(f64::NAN, 1.0, 0.5), worth(2.0, f64::NAN, 1.0)], [None; 3]);
        assert_eq!(Worth::of(Errors { bicubic: 2.0, side: 1.5, scaling: 1.0 }, 0.0), None);
    }

    #[test]
    fn it_is_said_as_an_estimate() {
        let said = worth(2.0, 1.7, 1.0).unwrap();
        assert_eq!((said.bitrate(), said.times()), ("≈ 400 kbit/s".to_owned(), "≈ 1.3 times the bitrate".to_owned()));
    }
}
