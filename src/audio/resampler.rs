//! From a device's or file's rate to 48 kHz and back.

use rubato::audioadapter_buffers::direct::InterleavedSlice;
use rubato::{Async, FixedAsync, Resampler as _, SincInterpolationParameters, WindowFunction};
use std::fmt;
use thiserror::Error;

/// The least and the most samples a second.
const RATES: std::ops::RangeInclusive<u32> = 8_000..=384_000;
/// Samples that go in at once: what waits for more of them adds to the delay.
const CHUNK: usize = 128;
/// Samples of the filter, at the lower of both rates. With Blackman's window, squared, it passes up to 92 % of half that
/// rate (20 kHz of 44.1) and keeps what is folded over below -100 dB.
const FILTER: usize = 128;
/// More of them at the higher rate are not worth their time.
const LONGEST_FILTER: usize = 2048;

/// A rate that is no rate of sound.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("cannot convert sound from {from} to {to} samples a second: both must be 8,000 to 384,000")]
pub struct RateError {
    from: u32,
    to: u32,
}

/// Converts mono sound that comes in pieces of any length from one rate to another, by a windowed sinc.
pub struct Resampler {
    from: u32,
    to: u32,
    /// None where both rates are the same.
    conversion: Option<Conversion>,
}

struct Conversion {
    sinc: Async<f32>,
    /// What is less than a chunk.
    waiting: Vec<f32>,
    converted: Vec<f32>,
}

impl fmt::Debug for Resampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Resampler({} to {} Hz)", self.from, self.to)
    }
}

impl Resampler {
    /// From so many samples a second to so many.
    ///
    /// # Errors
    ///
    /// Returns an error if one of them is below 8,000 or above 384,000.
    pub fn new(from: u32, to: u32) -> Result<Self, RateError> {
        let error = RateError { from, to };
        if !RATES.contains(&from) || !RATES.contains(&to) {
            return Err(error);
        }
        if from == to {
            return Ok(Self { from, to, conversion: None });
        }
        // The filter lies in the samples that come in. Where these are more, it must be longer to be as steep.
        let filter = ((FILTER as u64 * u64::from(from)).div_ceil(u64::from(to)) as usize).clamp(FILTER, LONGEST_FILTER);
        let parameters = SincInterpolationParameters::new(filter, WindowFunction::Blackman2);
        let ratio = f64::from(to) / f64::from(from);
        let sinc = Async::new_sinc(ratio, 1.0, &parameters, CHUNK, 1, FixedAsync::Input).map_err(|_| error)?;
        let converted = vec![0.0; sinc.output_frames_max()];
        Ok(Self { from, to, conversion: Some(Conversion { sinc, waiting: Vec::with_capacity(2 * CHUNK), converted }) })
    }

    /// Takes the next samples and adds to `out` what they give. With equal rates they are only copied.
    pub fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        match &mut self.conversion {
            None => out.extend_from_slice(samples),
            Some(conversion) => conversion.push(samples, out),
        }
    }

    /// By how many samples of the output a sound comes out later than its time says: half the filter. What waits for a
    /// whole chunk (below 128 samples of the input) is not in it.
    pub fn delay(&self) -> usize {
        self.conversion.as_ref().map_or(0, |conversion| conversion.sinc.output_delay())
    }

    /// How many samples of the input wait for more.
    pub fn waiting(&self) -> usize {
        self.conversion.as_ref().map_or(0, |conversion| conversion.waiting.len())
    }
}

impl Conversion {
    fn push(&mut self, mut samples: &[f32], out: &mut Vec<f32>) {
        while !samples.is_empty() {
            let (head, tail) = samples.split_at(samples.len().min(CHUNK - self.waiting.len()));
            self.waiting.extend_from_slice(head);
            samples = tail;
            if self.waiting.len() == CHUNK {
                out.extend_from_slice(self.convert());
                self.waiting.clear();
            }
        }
    }

    /// The waiting chunk at the other rate. Its sizes are the resampler's own; should it refuse them all the same, 3 ms
    /// of sound are missing.
    fn convert(&mut self) -> &[f32] {
        let room = self.converted.len();
        let made = InterleavedSlice::new(&self.waiting, 1, CHUNK).ok().and_then(|from| {
            let mut to = InterleavedSlice::new_mut(&mut self.converted, 1, room).ok()?;
            self.sinc.process_into_buffer(&from, &mut to, None).ok()
        });
        debug_assert!(made.is_some(), "a chunk of the resampler's own size");
        &self.converted[..made.map_or(0, |(_, made)| made.min(room))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::f64::consts::TAU;

    fn tone(hz: f64, rate: u32, seconds: f64) -> Vec<f32> {
        let samples = (seconds * f64::from(rate)) as usize;
        (0..samples).map(|n| (0.5 * (TAU * hz * n as f64 / f64::from(rate)).sin()) as f32).collect()
    }

    fn convert(sound: &[f32], from: u32, to: u32) -> (Vec<f32>, usize) {
        let mut resampler = Resampler::new(from, to).unwrap();
        let mut out = Vec::new();
        // No piece is as long as the one before.
        let mut rest = sound;
        for length in (1..).map(|n| n * 37 % 500 + 1) {
            let (head, tail) = rest.split_at(length.min(rest.len()));
            resampler.push(head, &mut out);
            rest = tail;
            if rest.is_empty() {
                break;
            }
        }
        (out, resampler.delay())
    }

    /// The level of the tone in `sound` against 0.5, in dB, and how far all the rest lies below it: by the least squares
    /// of a sine, a cosine and a constant.
    fn fit(sound: &[f32], hz: f64, rate: u32) -> (f64, f64) {
        let angle = |n: usize| TAU * hz * n as f64 / f64::from(rate);
        // Over whole periods the three are orthogonal.
        let whole = (f64::from(rate) / hz * 40.0).round() as usize;
        let periods = sound.len() / whole * whole;
        let sound = &sound[..periods];
        let mean = |f: &dyn Fn(usize) -> f64| {
            sound.iter().enumerate().map(|(n, &s)| f64::from(s) * f(n)).sum::<f64>() / periods as f64
        };
        let (a, b, c) = (2.0 * mean(&|n| angle(n).sin()), 2.0 * mean(&|n| angle(n).cos()), mean(&|_| 1.0));
        let rest = sound
            .iter()
            .enumerate()
            .map(|(n, &s)| (f64::from(s) - a * angle(n).sin() - b * angle(n).cos() - c).powi(2));
        let power = (a * a + b * b) / 2.0;
        let noise = rest.sum::<f64>() / periods as f64;
        (10.0 * (power / 0.125).log10(), 10.0 * (power / noise).log10())
    }

    #[test]
    fn a_tone_keeps_its_level_and_stays_clean() {
        for (from, to) in [(44_100, 48_000), (48_000, 44_100), (16_000, 48_000), (96_000, 48_000), (48_000, 192_000)] {
            let (out, delay) = convert(&tone(1000.0, from, 1.0), from, to);
            let (level, ratio) = fit(&out[2 * delay..], 1000.0, to);
            println!("{from} to {to}: {level:+.4} dB, {ratio:.1} dB SNR, {delay} samples late");
            assert!(level.abs() < 0.01, "{from} to {to}: {level} dB");
            assert!(ratio > 80.0, "{from} to {to}: {ratio} dB");
        }
    }

    /// What the lower rate cannot carry is gone, not folded over.
    #[test]
    fn what_is_too_high_is_silent() {
        for (from, to, hz) in [(96_000, 48_000, 30_000.0), (48_000, 16_000, 10_000.0), (192_000, 48_000, 40_000.0)] {
            let (out, delay) = convert(&tone(hz, from, 1.0), from, to);
            let power = |sound: &[f32]| sound.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / sound.len() as f64;
            let level = 10.0 * (power(&out[2 * delay..]) / 0.125).log10();
            assert!(level < -80.0, "{hz} Hz at {from} to {to}: {level} dB");
        }
    }

    /// A click lies `delay` samples after its time.
    #[test]
    fn a_click_comes_out_later_by_the_delay() {
        for (from, to) in [(44_100, 48_000), (96_000, 48_000), (48_000, 44_100)] {
            let mut sound = vec![0.0; 8192];
            sound[4000] = 1.0;
            let (out, delay) = convert(&sound, from, to);
            let peak = (0..out.len()).max_by(|&a, &b| out[a].abs().total_cmp(&out[b].abs())).unwrap();
            let expected = 4000.0 * f64::from(to) / f64::from(from) + delay as f64;
            assert!((peak as f64 - expected).abs() <= 1.0, "{from} to {to}: at {peak}, not {expected}");
        }
    }

    #[test]
    fn equal_rates_cost_nothing() {
        let sound = tone(440.0, 48_000, 0.01);
        assert_eq!(convert(&sound, 48_000, 48_000), (sound, 0));
    }

    #[test]
    fn no_rate_of_sound_is_refused() {
        for (from, to) in [(0, 48_000), (48_000, 7_999), (384_001, 48_000), (u32::MAX, u32::MAX)] {
            let error = Resampler::new(from, to).unwrap_err();
            assert!(error.to_string().contains(&format!("from {from} to {to}")), "{error}");
        }
    }

    proptest! {
        /// However it is cut, the same sound comes out, and as much as the rates say.
        #[test]
        fn pieces_do_not_matter(cuts in prop::collection::vec(0_usize..700, 0..12), to in 8_000_u32..=96_000) {
            let sound = tone(700.0, 44_100, 0.05);
            let mut whole = Vec::new();
            Resampler::new(44_100, to).unwrap().push(&sound, &mut whole);
            let mut resampler = Resampler::new(44_100, to).unwrap();
            let (mut pieces, mut rest) = (Vec::new(), &sound[..]);
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                resampler.push(head, &mut pieces);
                rest = tail;
            }
            resampler.push(rest, &mut pieces);
            prop_assert_eq!(&pieces, &whole);
        }

        /// As much comes out as the rates say, but for what the filter needs on both sides of a sample.
        #[test]
        fn no_sample_is_lost(to in 8_000_u32..=96_000, chunks in 1_usize..60) {
            let mut resampler = Resampler::new(44_100, to).unwrap();
            let mut out = Vec::new();
            resampler.push(&vec![0.0; chunks * CHUNK], &mut out);
            // In samples of the input: it looks ahead by a few, however many came.
            let short = (chunks * CHUNK) as f64 - out.len() as f64 * 44_100.0 / f64::from(to);
            prop_assert!((-1.0..=10.0).contains(&short), "{} of {chunks} chunks: {short} short", out.len());
        }
    }
}
