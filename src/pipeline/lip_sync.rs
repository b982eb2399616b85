//! Lips and voice together: how much later the sound of a moment is heard than its picture is seen, and what to do about
//! it. Pure.
//!
//! Both streams' moments are known by the sender's clock (RTCP sender reports). The one that is early waits: the sound in
//! its jitter buffer, the picture before it is decoded.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The last measurements, of which the median counts: a second of pictures, half a second of sound.
const PICTURES: usize = 31;
const BLOCKS: usize = 51;
/// Pictures on their way.
const EXPECTED: usize = 256;
/// Measurements that are older say nothing of now.
const MAX_AGE: Duration = Duration::from_secs(2);
/// A step needs so many measurements of each since the one before, so that what it did is in them.
const ENOUGH: usize = 8;
/// Sound whose delay is so far from the one that is wished for is on its way there still.
const SETTLED: f64 = 0.012;
/// How often something is done, and how much at once: a step that is not seen.
const STEP_EVERY: Duration = Duration::from_millis(500);
const STEP: f64 = 0.04;
/// What is nearer than this is together. Viewers notice 45 ms of early sound and 125 ms of late (ITU-R BT.1359).
const TOGETHER: f64 = 0.015;
/// No picture waits longer for its sound, and no sound for a picture: beyond that a talk suffers more from the delay.
const MAX_PICTURE_DELAY: f64 = 0.5;
const MAX_SOUND_DELAY: f64 = 0.4;
/// What was measured last is told for so long.
const TOLD: Duration = Duration::from_secs(10);

/// Follows both streams of a call.
#[derive(Debug, Default)]
pub(super) struct LipSync {
    begun: Option<Instant>,
    /// When pictures that have come were captured, by their stamps' numbers.
    expected: VecDeque<(u64, Duration)>,
    pictures: Lateness,
    sound: Lateness,
    stepped: Option<Instant>,
    /// What was measured last, and when.
    known: Option<(Instant, f64)>,
    sound_delay: f64,
    picture_delay: f64,
}

/// How late one stream is, in seconds from an origin that both share.
#[derive(Debug, Default)]
struct Lateness {
    measured: VecDeque<(Instant, f64)>,
}

impl Lateness {
    fn add(&mut self, at: Instant, late: f64, most: usize) {
        if self.measured.len() == most {
            self.measured.pop_front();
        }
        self.measured.push_back((at, late));
    }

    fn median(&self, now: Instant) -> Option<f64> {
        let recent = self.measured.iter().filter(|(at, _)| now.saturating_duration_since(*at) <= MAX_AGE);
        let mut late: Vec<f64> = recent.map(|(_, late)| *late).collect();
        late.sort_unstable_by(f64::total_cmp);
        late.get(late.len() / 2).copied()
    }
}

impl LipSync {
    /// Another connection: another clock.
    pub(super) fn begin_anew(&mut self) {
        *self = Self::default();
    }

    /// A picture has come that was captured then, by the sender's clock.
    pub(super) fn expect(&mut self, picture: u64, sender_time: Duration) {
        if self.expected.len() == EXPECTED {
            self.expected.pop_front();
        }
        self.expected.push_back((picture, sender_time));
    }

    /// It is seen now.
    pub(super) fn shown(&mut self, picture: u64, now: Instant) {
        let Some(at) = self.expected.iter().position(|(id, _)| *id == picture) else { return };
        let (_, sender_time) = self.expected[at];
        self.expected.drain(..=at);
        let late = self.late(sender_time, now);
        self.pictures.add(now, late, PICTURES);
    }

    /// Sound that was captured then, by the sender's clock, is heard at this moment.
    pub(super) fn heard(&mut self, sender_time: Duration, at: Instant) {
        let late = self.late(sender_time, at);
        self.sound.add(at, late, BLOCKS);
    }

    fn late(&mut self, sender_time: Duration, at: Instant) -> f64 {
        let begun = *self.begun.get_or_insert(at);
        let here = match at.checked_duration_since(begun) {
            Some(after) => after.as_secs_f64(),
            None => -begun.saturating_duration_since(at).as_secs_f64(),
        };
        here - sender_time.as_secs_f64()
    }

    /// By how many seconds the sound is later than its picture, as it was measured last; negative where it is earlier.
    pub(super) fn offset(&self, now: Instant) -> Option<f64> {
        let known = self.known.filter(|(at, _)| now.saturating_duration_since(*at) <= TOLD);
        known.map(|(_, offset)| offset)
    }

    /// The same, from what was measured since the last step, if that is enough.
    fn measure(&mut self, now: Instant) -> Option<f64> {
        if self.sound.measured.len() < ENOUGH || self.pictures.measured.len() < ENOUGH {
            return None;
        }
        let offset = self.sound.median(now)? - self.pictures.median(now)?;
        self.known = Some((now, offset));
        Some(offset)
    }

    /// Takes a step towards both being together, if it is time for one. `delay` is how long sound waits in its jitter
    /// buffer now, and `needs` how long it has to because of the network.
    pub(super) fn step(&mut self, delay: Duration, needs: Duration, now: Instant) {
        if self.stepped.is_some_and(|at| now.saturating_duration_since(at) < STEP_EVERY) {
            return;
        }
        let wished = self.sound_delay.max(needs.as_secs_f64());
        if (delay.as_secs_f64() - wished).abs() > SETTLED {
            self.sound.measured.clear();
            return;
        }
        let Some(offset) = self.measure(now).filter(|offset| offset.abs() > TOGETHER) else { return };
        self.stepped = Some(now);
        self.sound.measured.clear();
        self.pictures.measured.clear();
        let step = offset.abs().min(STEP);
        if offset < 0.0 {
            // The picture need not wait for a sound that is early.
            let less = self.picture_delay.min(step);
            self.picture_delay -= less;
            if step > less {
                let longer = self.sound_delay.max(delay.as_secs_f64()) + (step - less);
                self.sound_delay = longer.min(MAX_SOUND_DELAY.max(self.sound_delay));
            }
        } else {
            let less = (self.sound_delay - needs.as_secs_f64()).clamp(0.0, step);
            self.sound_delay -= less;
            self.picture_delay = (self.picture_delay + step - less).min(MAX_PICTURE_DELAY);
        }
    }

    /// How long sound is to wait at least.
    pub(super) fn sound_delay(&self) -> Duration {
        Duration::from_secs_f64(self.sound_delay)
    }

    /// How much longer pictures are to wait than the network asks for.
    pub(super) fn picture_delay(&self) -> Duration {
        Duration::from_secs_f64(self.picture_delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A buffer that is slow to follow is not asked for more and more meanwhile.
    #[test]
    fn a_slow_buffer_is_waited_for() {
        let (mut sync, start, ms) = (LipSync::default(), Instant::now(), Duration::from_millis);
        let (mut waits, mut most) = (ms(40), Duration::ZERO);
        for n in 0..6000 {
            let (now, captured) = (start + ms(n * 10), ms(1_000_000 + n * 10));
            // Five milliseconds in a second.
            if n % 20 == 0 && waits < sync.sound_delay() {
                waits += ms(1);
            }
            // Sound is there for a tenth of the time only, as of a person who says little.
            if n % 100 < 10 {
                sync.heard(captured, now + waits + ms(30));
            }
            sync.expect(n, captured);
            sync.shown(n, now + ms(200));
            sync.step(waits, ms(40), now);
            most = most.max(sync.sound_delay());
        }
        assert!((ms(150)..ms(185)).contains(&most), "{most:?}");
    }

    /// Ten seconds of a call in which pictures are seen so late, and sound waits for the network as long as `needs` and
    /// is heard `more` after that; from `from` on. Gives the offset at the end, in ms.
    fn run(sync: &mut LipSync, start: Instant, from: u64, picture: u64, needs: u64, more: u64) -> f64 {
        let ms = Duration::from_millis;
        for n in from * 100..(from + 10) * 100 {
            let (now, captured) = (start + ms(n * 10), ms(1_000_000 + n * 10));
            let waits = ms(needs).max(sync.sound_delay());
            sync.heard(captured, now + waits + ms(more));
            if n % 3 == 0 {
                sync.expect(n, captured);
                sync.shown(n, now + ms(picture) + sync.picture_delay());
            }
            sync.step(waits, ms(needs), now);
        }
        sync.offset(start + ms((from + 10) * 1000)).unwrap() * 1e3
    }

    #[test]
    fn what_is_together_stays_so() {
        let mut sync = LipSync::default();
        let offset = run(&mut sync, Instant::now(), 0, 80, 40, 30);
        assert!((offset + 10.0).abs() < 1.0, "{offset}");
        assert_eq!((sync.sound_delay(), sync.picture_delay()), (Duration::ZERO, Duration::ZERO));
    }

    #[test]
    fn sound_waits_for_a_picture_that_is_late() {
        let mut sync = LipSync::default();
        let offset = run(&mut sync, Instant::now(), 0, 300, 40, 30);
        assert!(offset.abs() < 16.0, "{offset}");
        assert!((0.24..0.28).contains(&sync.sound_delay().as_secs_f64()), "{:?}", sync.sound_delay());
        assert_eq!(sync.picture_delay(), Duration::ZERO);
    }

    #[test]
    fn pictures_wait_for_sound_that_is_late_and_no_longer_than_it_is() {
        let (mut sync, start) = (LipSync::default(), Instant::now());
        let offset = run(&mut sync, start, 0, 60, 300, 30);
        assert!(offset.abs() < 16.0, "{offset}");
        assert!((0.25..0.29).contains(&sync.picture_delay().as_secs_f64()), "{:?}", sync.picture_delay());
        // The network is good again.
        let offset = run(&mut sync, start, 10, 60, 40, 30);
        assert!(offset.abs() < 16.0, "{offset}");
        assert!(sync.picture_delay() < Duration::from_millis(30), "{:?}", sync.picture_delay());
    }

    #[test]
    fn one_stream_alone_says_nothing() {
        let (mut sync, now, ms) = (LipSync::default(), Instant::now(), Duration::from_millis);
        let step = |sync: &mut LipSync| {
            sync.step(ms(40), ms(40), now);
            sync.offset(now)
        };
        for n in 0..20 {
            sync.heard(ms(5000 + n), now + ms(n));
        }
        assert_eq!(step(&mut sync), None);
        sync.shown(7, now);
        assert_eq!(step(&mut sync), None, "a picture that nobody expects");
        for n in 0..20 {
            sync.expect(100 + n, ms(5000 + n));
            sync.shown(100 + n, now + ms(n));
        }
        assert_eq!(step(&mut sync), Some(0.0));
        assert_eq!(sync.offset(now + Duration::from_secs(11)), None, "of long ago");
    }

    #[test]
    fn sound_waits_for_no_picture_that_is_too_late_for_a_talk() {
        let mut sync = LipSync::default();
        let offset = run(&mut sync, Instant::now(), 0, 900, 40, 0);
        assert_eq!(sync.sound_delay(), Duration::from_millis(400));
        assert!((offset + 500.0).abs() < 1.0, "{offset}");
    }

    #[test]
    fn a_late_picture_waits_half_a_second_at_most() {
        let mut sync = LipSync::default();
        run(&mut sync, Instant::now(), 0, 0, 2000, 0);
        assert_eq!(sync.picture_delay(), Duration::from_millis(500));
    }
}
