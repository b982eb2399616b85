use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::audio::SAMPLE_RATE;

fn tone(hz: f32, samples: usize) -> Vec<f32> {
    (0..samples).map(|n| 0.5 * (std::f32::consts::TAU * hz * n as f32 / SAMPLE_RATE as f32).sin()).collect()
}

/// By upward passes through zero.
fn frequency(sound: &[f32]) -> f32 {
    let passes: Vec<usize> = (1..sound.len()).filter(|n| sound[n - 1] < 0.0 && sound[*n] >= 0.0).collect();
    (passes.len() - 1) as f32 * SAMPLE_RATE as f32 / (passes[passes.len() - 1] - passes[0]) as f32
}

fn largest_step(sound: &[f32]) -> f32 {
    sound.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max)
}

#[test]
fn a_tone_keeps_its_pitch_and_has_no_clicks() {
    for hz in [100.0, 200.0, 333.0] {
        let whole = tone(hz, 96_000);
        let (mut shorter, mut longer) = (whole.clone(), whole.clone());
        let (mut removed, mut inserted) = (0, 0);
        for step in 1..20 {
            removed += shorten(&mut shorter, step * 2400, MAX_LAG, false);
            inserted += lengthen(&mut longer, step * 2400, MAX_LAG, false);
        }
        assert_eq!(shorter.len(), whole.len() - removed);
        assert_eq!(longer.len(), whole.len() + inserted);
        for (sound, changed) in [(&shorter, removed), (&longer, inserted)] {
            // Whole periods of it, 19 times.
            assert!((19 * MIN_LAG..=19 * MAX_LAG).contains(&changed), "{hz} Hz: {changed} samples");
            assert!((frequency(sound) - hz).abs() < 0.01 * hz, "{hz} Hz became {}", frequency(sound));
            assert!(largest_step(sound) < 1.3 * largest_step(&whole), "{hz} Hz: a click");
        }
    }
}

#[test]
fn a_step_takes_whole_periods_and_no_more_than_asked() {
    let mut sound = tone(200.0, 4800);
    let removed = shorten(&mut sound, MAX_LAG, 500, false);
    assert!(removed.abs_diff(240) <= 2 || removed.abs_diff(480) <= 2, "200 Hz are 240 samples, not {removed}");
    let mut sound = tone(200.0, 4800);
    assert_eq!(shorten(&mut sound, MAX_LAG, 100, false), 0, "no period is so short");
}

#[test]
fn noise_is_let_be_and_silence_is_not() {
    let mut random = ChaCha8Rng::seed_from_u64(5);
    let noise: Vec<f32> = (0..4800).map(|_| random.random_range(-1.0..1.0)).collect();
    let mut sound = noise.clone();
    assert_eq!(shorten(&mut sound, MAX_LAG, MAX_LAG, false), 0);
    assert_eq!(lengthen(&mut sound, MAX_LAG, MAX_LAG, false), 0);
    assert_eq!(sound, noise);
    let mut silence = vec![1e-4; 4800];
    assert_eq!(shorten(&mut silence, MAX_LAG, 300, false), 300);
    assert_eq!(lengthen(&mut silence, MAX_LAG, 50, false), 50);
    assert_eq!(silence.len(), 4550);
}

#[test]
fn what_was_played_is_not_changed_and_too_little_is_let_be() {
    let whole = tone(150.0, 4800);
    let mut sound = whole.clone();
    assert!(lengthen(&mut sound, 2000, MAX_LAG, false) > 0);
    assert_eq!(sound[..2000], whole[..2000]);
    let mut sound = whole[..MAX_LAG + SHORTEN_NEEDS - 1].to_vec();
    assert_eq!(shorten(&mut sound, MAX_LAG, MAX_LAG, true), 0);
    assert_eq!(lengthen(&mut sound, MAX_LAG - 1, MAX_LAG, true), 0);
    assert_eq!(shorten(&mut Vec::new(), 0, MAX_LAG, true), 0);
}
