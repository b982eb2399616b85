//! How loud sound is.

use super::{BLOCK, Block, SAMPLE_RATE};

/// Silence, in dBFS: what lies below shows nothing. 16 bits have their least step at -90 dBFS.
pub const FLOOR: f32 = -90.0;

/// How fast the bar falls after a sound: to 1/e (-8.7 dB) of its height in this time.
const RELEASE_SECONDS: f32 = 0.3;

/// How loud what passes is, for a bar that shows that one is heard: it rises with the sound at once and falls slowly
/// enough to be seen.
///
/// Levels are 20 log₁₀ of the root of the mean square, 0 being the loudest possible signal, a square wave of full scale,
/// so that a sine of full scale has -3.01: the dBov of ITU-T G.100.1 and RFC 6464, called dBFS by most. (AES17 gives
/// that sine 0 dBFS.)
#[derive(Clone, Debug)]
pub struct LevelMeter {
    /// The mean square, held.
    power: f32,
}

impl Default for LevelMeter {
    fn default() -> Self {
        Self::new()
    }
}

impl LevelMeter {
    /// A meter at silence.
    pub fn new() -> Self {
        Self { power: 0.0 }
    }

    /// Hears the next 10 ms.
    pub fn push(&mut self, block: &Block) {
        // Amplitude falls by e in RELEASE_SECONDS, so power by e².
        let kept = (-2.0 * BLOCK as f32 / SAMPLE_RATE as f32 / RELEASE_SECONDS).exp();
        self.power = mean_square(block).max(self.power * kept);
    }

    /// The level in dBFS, from [`FLOOR`] up.
    pub fn level(&self) -> f32 {
        to_decibels(self.power)
    }
}

/// The level of any sound in dBFS, from [`FLOOR`] up.
pub fn level_of(samples: &[f32]) -> f32 {
    to_decibels(mean_square(samples))
}

/// Samples that are no numbers count as silent.
fn mean_square(samples: &[f32]) -> f32 {
    let sum: f64 = samples.iter().filter(|s| s.is_finite()).map(|&s| f64::from(s) * f64::from(s)).sum();
    (sum / samples.len().max(1) as f64) as f32
}

/// 10 log₁₀ of a power.
fn to_decibels(power: f32) -> f32 {
    (10.0 * power.log10()).max(FLOOR)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::f32::consts::TAU;

    /// 1 kHz: 10 whole periods in a block.
    fn sine(amplitude: f32) -> Block {
        std::array::from_fn(|n| amplitude * (TAU * n as f32 / 48.0).sin())
    }

    fn after(blocks: &[Block]) -> f32 {
        let mut meter = LevelMeter::new();
        blocks.iter().for_each(|block| meter.push(block));
        meter.level()
    }

    #[test]
    fn levels_are_roots_of_mean_squares() {
        // 20 log₁₀(1/√2) = -3.0103; a tenth of the amplitude is 20 dB less.
        assert!((after(&[sine(1.0)]) + 3.0103).abs() < 1e-3);
        assert!((after(&[sine(0.1)]) + 23.0103).abs() < 1e-3);
        // A square wave's root of the mean square is its height.
        assert_eq!(after(&[[1.0; BLOCK]]), 0.0);
        assert!((level_of(&[0.5, -0.5]) + 6.0206).abs() < 1e-3);
    }

    #[test]
    fn silence_and_nonsense_are_at_the_floor() {
        assert_eq!(LevelMeter::new().level(), FLOOR);
        assert_eq!(after(&[[0.0; BLOCK]]), FLOOR);
        assert_eq!(after(&[[1e-9; BLOCK]]), FLOOR);
        assert_eq!(after(&[[f32::NAN; BLOCK], [f32::INFINITY; BLOCK]]), FLOOR);
        assert_eq!(level_of(&[]), FLOOR);
    }

    /// It rises in one block. After 300 ms it stands 20 log₁₀(1/e) = -8.686 dB lower.
    #[test]
    fn it_rises_at_once_and_falls_slowly() {
        let mut blocks = vec![[0.0; BLOCK], [1.0; BLOCK]];
        assert_eq!(after(&blocks), 0.0);
        blocks.extend([[0.0; BLOCK]; 30]);
        assert!((after(&blocks) + 8.6859).abs() < 1e-2, "{}", after(&blocks));
        blocks.push(sine(1.0));
        assert!((after(&blocks) + 3.0103).abs() < 1e-3);
    }
}
