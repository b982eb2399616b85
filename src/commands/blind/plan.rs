//! Which frames are judged: drawn by lot, each clip and each bitrate as often as any other.

use rand::{Rng as _, SeedableRng as _, seq::SliceRandom as _};
use rand_chacha::ChaCha8Rng;

/// Seconds that are coded up to the frame that is shown, of a short clip the half of it: by then the quantiser has settled
/// after the first frame.
const LEAD: f64 = 1.0;
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

/// A frame for each round; those of one clip in their order, so that it can be read on from one to the next.
pub(super) fn plan(clips: &[ClipLength], bitrates: &[u32], rounds: usize, seed: u64) -> Vec<Planned> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    // Another row of numbers than the one that shuffles the sides.
    rng.set_stream(2);
    let mut clip = Deck::new((0..clips.len()).collect());
    let mut bitrate = Deck::new(bitrates.to_vec());
    let mut planned = Vec::new();
    while planned.len() < rounds
        && let (Some(clip), Some(bitrate)) = (clip.draw(&mut rng), bitrate.draw(&mut rng))
    {
        let ClipLength { frames, fps } = clips[clip];
        let last = frames.min((USED * fps) as u64).max(1) - 1;
        let lead = (LEAD * fps) as u64;
        let to = rng.random_range(lead.min(last / 2)..=last);
        planned.push(Planned { clip, bitrate, from: to.saturating_sub(lead), to });
    }
    for clip in 0..clips.len() {
        let mut moments: Vec<(u64, u64)> = planned.iter().filter(|p| p.clip == clip).map(|p| (p.from, p.to)).collect();
        moments.sort_unstable();
        let rounds = planned.iter_mut().filter(|p| p.clip == clip);
        rounds.zip(moments).for_each(|(round, (from, to))| (round.from, round.to) = (from, to));
    }
    planned
}

/// Cards that are drawn in turn, and shuffled anew when each was drawn once.
struct Deck<T> {
    cards: Vec<T>,
    drawn: usize,
}

impl<T: Copy> Deck<T> {
    fn new(cards: Vec<T>) -> Self {
        Self { cards, drawn: 0 }
    }

    /// The next one; none of an empty deck.
    fn draw(&mut self, rng: &mut ChaCha8Rng) -> Option<T> {
        if self.drawn.is_multiple_of(self.cards.len().max(1)) {
            self.cards.shuffle(rng);
            self.drawn = 0;
        }
        self.drawn += 1;
        self.cards.get(self.drawn - 1).copied()
    }
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
    fn each_clip_and_bitrate_is_judged_as_often_and_at_other_moments() {
        let planned = plan(&CLIPS, &[150_000, 600_000], 24, 7);
        assert_eq!(planned.len(), 24);
        for clip in 0..3 {
            let frames: Vec<u64> = planned.iter().filter(|p| p.clip == clip).map(|p| p.to).collect();
            assert_eq!(frames.len(), 8, "clip {clip}");
            assert!(clip == 1 || frames.windows(2).any(|pair| pair[0] != pair[1]), "{frames:?}");
            assert!(frames.is_sorted(), "{frames:?}");
        }
        // From the first rounds on.
        for pair in planned.chunks(2) {
            assert_ne!(pair[0].bitrate, pair[1].bitrate);
        }
        for p in &planned {
            let ClipLength { frames, fps } = CLIPS[p.clip];
            assert!(p.to < frames && p.from <= p.to && p.to < 60 * 24 + 60, "{p:?}");
            assert!(frames == 1 || p.to - p.from == fps as u64, "{p:?}");
        }
    }

    #[test]
    fn of_a_short_clip_other_moments_are_judged_too() {
        let planned = plan(&[ClipLength { frames: 24, fps: 30.0 }], &[150_000], 30, 3);
        assert!(planned.iter().all(|p| p.from == 0 && (11..24).contains(&p.to)), "{planned:?}");
        assert!(planned.iter().any(|p| p.to < 16) && planned.iter().any(|p| p.to > 19), "{planned:?}");
    }

    #[test]
    fn one_seed_makes_one_plan_and_nothing_makes_none() {
        let of = |seed| plan(&CLIPS, &[150_000, 300_000, 600_000], 20, seed);
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
        assert!(plan(&[], &[150_000], 20, 1).is_empty() && plan(&CLIPS, &[], 20, 1).is_empty());
    }
}
