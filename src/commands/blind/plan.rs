//! Which frames are judged: drawn by lot, each clip at each bitrate as often as any other.

use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

/// Seconds that are coded up to the frame that is shown, so that the bitrate has settled after the first one.
const LEAD: f64 = 2.0;
/// Seconds of a clip in which moments are drawn: it is read from its beginning.
const USED: f64 = 60.0;

/// How long a clip is.
#[derive(Debug, Clone, Copy)]
pub(super) struct ClipLength {
    pub(super) frames: u64,
    pub(super) fps: f64,
}

/// A frame of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Planned {
    /// Which of the clips.
    pub(super) clip: usize,
    pub(super) bitrate: u32,
    /// The first that is coded.
    pub(super) from: u64,
    /// The one that is shown.
    pub(super) to: u64,
}

/// A frame for each round.
pub(super) fn plan(clips: &[ClipLength], bitrates: &[u32], rounds: usize, seed: u64) -> Vec<Planned> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Another row of numbers than the one that shuffles the sides.
    rng.set_stream(2);
    let mut all: Vec<(usize, u32)> =
        (0..clips.len()).flat_map(|clip| bitrates.iter().map(move |rate| (clip, *rate))).collect();
    let mut planned = Vec::new();
    while planned.len() < rounds && !all.is_empty() {
        all.shuffle(&mut rng);
        for &(clip, bitrate) in &all {
            let ClipLength { frames, fps } = clips[clip];
            let last = frames.min((USED * fps) as u64).max(1) - 1;
            let lead = (LEAD * fps) as u64;
            let to = rng.random_range(lead.min(last)..=last);
            planned.push(Planned { clip, bitrate, from: to.saturating_sub(lead), to });
        }
    }
    planned.truncate(rounds);
    planned
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIPS: [ClipLength; 3] = [
        ClipLength { frames: 300, fps: 30.0 },
        ClipLength { frames: 1, fps: 25.0 },
        ClipLength { frames: 1_000_000, fps: 24.0 },
    ];

    #[test]
    fn each_clip_is_judged_at_each_bitrate_and_at_other_moments() {
        let planned = plan(&CLIPS, &[150_000, 600_000], 24, 7);
        assert_eq!(planned.len(), 24);
        for clip in 0..3 {
            for bitrate in [150_000, 600_000] {
                let frames: Vec<u64> =
                    planned.iter().filter(|p| (p.clip, p.bitrate) == (clip, bitrate)).map(|p| p.to).collect();
                assert_eq!(frames.len(), 4, "{clip} at {bitrate}");
                assert!(clip == 1 || frames.windows(2).any(|pair| pair[0] != pair[1]), "{frames:?}");
            }
        }
        for p in &planned {
            let ClipLength { frames, fps } = CLIPS[p.clip];
            assert!(p.to < frames && p.from <= p.to && p.to < 60 * 24 + 60, "{p:?}");
            assert!(frames == 1 || p.to - p.from == (2.0 * fps) as u64, "{p:?}");
        }
    }

    #[test]
    fn one_seed_makes_one_plan_and_nothing_makes_none() {
        let of = |seed| plan(&CLIPS, &[150_000, 300_000, 600_000], 20, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(plan(&[], &[150_000], 20, 1).is_empty() && plan(&CLIPS, &[], 20, 1).is_empty());
    }
}
