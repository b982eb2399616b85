//! The scene's sound: a quiet short tone whenever its lamp lights up. Pure: a moment in, sound out.
//!
//! Each second of four has a pitch of its own, so that one can tell by ear which picture belongs to it.

use std::f64::consts::{PI, TAU};

use super::{Block, SAMPLE_RATE};
use crate::source::scene::lamp::{LIT, beat_at};

/// Four steps of a pentatonic scale on C: C5, E5, G5, D5, in Hz (equal temperament, A4 = 440 Hz).
const MOTIF: [f64; 4] = [523.25, 659.26, 783.99, 587.33];
/// How long a tone takes to come and to go, in seconds.
const EDGE: f64 = 0.01;
/// A sine of -26 dBFS: its root mean square is so much below that of a full sine's.
const PEAK: f64 = 0.0501;

/// The 10 ms of sound that begin `seconds` into the scene. Blocks that follow one another fit together.
#[must_use]
pub fn block_at(seconds: f64) -> Block {
    std::array::from_fn(|n| sample_at(seconds + n as f64 / f64::from(SAMPLE_RATE)))
}

fn sample_at(seconds: f64) -> f32 {
    let Some((second, share)) = beat_at(seconds) else { return 0.0 };
    let pitch = MOTIF[second.rem_euclid(MOTIF.len() as i64) as usize];
    let length = LIT.as_secs_f64();
    let within = share * length;
    // Raised cosine edges: no click.
    let edge = (within.min(length - within) / EDGE).clamp(0.0, 1.0);
    let edge = 0.5 - 0.5 * (PI * edge).cos();
    (PEAK * edge * (TAU * pitch * within).sin()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sound from a moment on, for so many blocks.
    fn sound(from: f64, blocks: usize) -> Vec<f32> {
        (0..blocks).flat_map(|n| block_at(from + n as f64 * 0.01)).collect()
    }

    #[test]
    fn each_of_four_seconds_has_its_own_tone() {
        for second in 0..8 {
            let sound = sound(f64::from(second) + 0.5, 8);
            let passes = sound.windows(2).filter(|two| two[0] < 0.0 && two[1] >= 0.0).count();
            // 80 ms of it: 41.9, 52.7, 62.7 and 47 periods.
            let expected = (MOTIF[second as usize % 4] * 0.08) as usize;
            assert!(passes.abs_diff(expected) <= 1, "second {second}: {passes} periods, not {expected}");
            let peak = sound.iter().fold(0.0_f32, |most, sample| most.max(sample.abs()));
            // 20 · log10(0.0501) = -26.0 dB
            assert!((0.049..=0.0502).contains(&peak), "{peak}");
        }
    }

    #[test]
    fn it_is_silent_in_between_and_has_no_clicks() {
        let sound = sound(0.5, 400);
        let tone = (f64::from(SAMPLE_RATE) * 0.08) as usize;
        for (n, second) in sound.chunks(SAMPLE_RATE as usize).enumerate() {
            assert!(second[tone + 1..].iter().all(|sample| sample.abs() < 1e-6), "second {n}");
            assert!(second[0].abs() < 1e-6 && second[tone - 1].abs() < 1e-3);
        }
        // A sine's steepest slope, and a little for the edges.
        let steepest = (TAU * 783.99 / f64::from(SAMPLE_RATE) * PEAK * 1.05) as f32;
        assert!(sound.windows(2).all(|two| (two[1] - two[0]).abs() <= steepest));
    }

    #[test]
    fn blocks_fit_together_wherever_they_begin() {
        for start in [0.5, 0.5123, 2.57, -0.505] {
            let two = [block_at(start), block_at(start + 0.01)].concat();
            for (n, sample) in two.iter().enumerate() {
                let alone = sample_at(start + n as f64 / f64::from(SAMPLE_RATE));
                assert!((sample - alone).abs() < 1e-6);
            }
        }
        assert!(block_at(f64::NAN).iter().all(|sample| *sample == 0.0));
    }
}
