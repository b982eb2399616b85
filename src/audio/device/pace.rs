//! How samples pass at a device that is only counted.

use super::{ROOM, duration_of};
use crate::audio::{BLOCK, SAMPLE_RATE};
use std::time::{Duration, Instant};

/// Counts the samples of a device as time passes, none lost to rounding.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    last: Instant,
    /// How much faster than 48 kHz, in millionths.
    ppm: i32,
    /// What is left of a sample, in parts of [`Self::WHOLE`].
    rest: u128,
}

impl Pace {
    /// A sample, in nanoseconds times millionths times samples a second.
    const WHOLE: u128 = 1_000_000_000 * 1_000_000;

    pub(super) fn new(now: Instant, ppm: i32) -> Self {
        Self { last: now, ppm, rest: 0 }
    }

    /// Changes how fast it runs from `now` on.
    pub(super) fn set_ppm(&mut self, ppm: i32) {
        self.ppm = ppm;
    }

    /// The samples that have become due since the last call.
    pub(super) fn due(&mut self, now: Instant) -> u64 {
        let passed = now.saturating_duration_since(self.last).as_nanos();
        self.last = self.last.max(now);
        let speed = u128::from(1_000_000_u32.saturating_add_signed(self.ppm));
        let parts = passed.saturating_mul(speed).saturating_mul(u128::from(SAMPLE_RATE)).saturating_add(self.rest);
        self.rest = parts % Self::WHOLE;
        u64::try_from(parts / Self::WHOLE).unwrap_or(u64::MAX)
    }
}

/// What a microphone that is only counted has heard and nobody has read.
#[derive(Clone, Debug)]
pub(super) struct PacedInput {
    pub(super) pace: Pace,
    waiting: u64,
    pub(super) dropped: u64,
}

impl PacedInput {
    pub(super) fn new(now: Instant, ppm: i32) -> Self {
        Self { pace: Pace::new(now, ppm), waiting: 0, dropped: 0 }
    }

    /// Hears up to `now`: the samples that came, and those, the oldest, that were dropped for want of room.
    pub(super) fn hear(&mut self, now: Instant) -> (u64, u64) {
        let due = self.pace.due(now);
        self.waiting = self.waiting.saturating_add(due);
        let dropped = self.waiting.saturating_sub(ROOM as u64);
        self.waiting -= dropped;
        self.dropped = self.dropped.saturating_add(dropped);
        (due, dropped)
    }

    /// Takes a block, if there is one, after [`Self::hear`] at `now`: when its first sample was heard.
    pub(super) fn take(&mut self, now: Instant) -> Option<Instant> {
        let left = self.waiting.checked_sub(BLOCK as u64)?;
        let first = now.checked_sub(duration_of(self.waiting)).unwrap_or(now);
        self.waiting = left;
        Some(first)
    }
}

/// What a speaker that is only counted has yet to play.
#[derive(Clone, Debug)]
pub(super) struct PacedOutput {
    pub(super) pace: Pace,
    queued: u64,
    pub(super) missed: u64,
    started: bool,
}

impl PacedOutput {
    pub(super) fn new(now: Instant, ppm: i32) -> Self {
        Self { pace: Pace::new(now, ppm), queued: 0, missed: 0, started: false }
    }

    /// Plays up to `now`: the samples that were there, and the silence that followed.
    pub(super) fn play(&mut self, now: Instant) -> (u64, u64) {
        let due = self.pace.due(now);
        let played = due.min(self.queued);
        self.queued -= played;
        let silent = due - played;
        if self.started {
            self.missed = self.missed.saturating_add(silent);
        }
        (played, silent)
    }

    /// Adds a block, after [`Self::play`]; false without room.
    pub(super) fn add(&mut self) -> bool {
        let fits = self.queued + BLOCK as u64 <= ROOM as u64;
        if fits {
            self.queued += BLOCK as u64;
            self.started = true;
        }
        fits
    }

    pub(super) fn queued(&self) -> usize {
        usize::try_from(self.queued).unwrap_or(usize::MAX)
    }

    pub(super) fn latency(&self) -> Duration {
        duration_of(self.queued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1/48000 s is no whole number of nanoseconds: ticks of any length still add up.
    #[test]
    fn a_pace_loses_no_sample() {
        let start = Instant::now();
        for tick in [1_u64, 7, 333, 20_833, 1_000_003] {
            let mut pace = Pace::new(start, 0);
            let ticks = 100_000;
            let sum: u64 = (1..=ticks).map(|n| pace.due(start + Duration::from_nanos(n * tick))).sum();
            assert_eq!(sum, ticks * tick * 48_000 / 1_000_000_000, "ticks of {tick} ns");
        }
    }

    /// 200 ppm of 48 kHz are 9.6 samples a second.
    #[test]
    fn a_pace_drifts_as_told() {
        let start = Instant::now();
        let mut fast = Pace::new(start, 200);
        let mut slow = Pace::new(start, -200);
        let mut standing = Pace::new(start, -1_000_000);
        let later = start + Duration::from_secs(1000);
        assert_eq!(fast.due(later), 48_009_600);
        assert_eq!(slow.due(later), 47_990_400);
        assert_eq!(standing.due(later), 0);
        // Time that goes back counts for nothing.
        assert_eq!(fast.due(start), 0);
        assert_eq!(fast.due(later), 0);
    }
}
