//! When a received picture is to be shown. Pure: RTP timestamps and arrivals in, times out.
//!
//! Pictures arrive in bunches where packets are lost and come again, or are delayed by different times. Shown as they
//! come, a bunch is one picture and a pause. So each waits until all but the latest few of its kind would have
//! come as well: the playout delay of RFC 3550 §6.4.4 and of every jitter buffer. It follows the network, and is nothing
//! where that is good.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// No picture waits longer: in a talk half a second is felt already.
const MAX_DELAY: Duration = Duration::from_millis(500);
/// A delay below this is none: pictures that are off by about a frame's time are seen one by one all the same, and a
/// busy sender is off by as much without any network.
const MIN_DELAY: Duration = Duration::from_millis(40);
/// The arrivals that are looked back at.
const WINDOW: Duration = Duration::from_secs(10);
/// And so many at most: a minute's worth would be no better than ten seconds'.
const MAX_ARRIVALS: usize = 600;
/// This share of the pictures may come too late for the delay, and so many at least: one hiccup is no reason to wait.
const LATE_SHARE: f64 = 0.03;
const MIN_LATE: usize = 5;
/// A delay needs so many arrivals.
const MIN_ARRIVALS: usize = 20;
/// By how much faster than its clock a video is shown while the delay shrinks: unseen.
const CATCH_UP: f64 = 0.03;
/// A clock that jumps by more, or runs away by as much within the window, is not one to go by.
const MAX_JUMP: f64 = 2.0;
/// RTP's clock of video (RFC 6184 §8.1), in Hz.
const CLOCK: f64 = 90_000.0;

/// The playout delay of one stream.
#[derive(Debug, Default)]
pub(crate) struct PlayoutDelay {
    /// The newest timestamp, and how far it is from the first, in units of the clock.
    newest: Option<(u32, i64)>,
    begun: Option<Instant>,
    /// When, and by how many seconds later than the clock of the stream says, counted from the first.
    arrivals: VecDeque<(Instant, f64)>,
    delay: Duration,
    /// The sender's clock is not followed until then.
    distrusted_until: Option<Instant>,
}

impl PlayoutDelay {
    /// When to show the picture with this timestamp, which has come whole just now: never before `now`, and not more
    /// than half a second later.
    pub(crate) fn due(&mut self, rtp_timestamp: u32, now: Instant) -> Instant {
        let late = self.lateness(rtp_timestamp, now);
        if self.arrivals.back().is_some_and(|(_, before)| (late - before).abs() > MAX_JUMP)
            || self.arrivals.front().is_some_and(|(_, before)| (late - before).abs() > MAX_JUMP)
        {
            self.arrivals.clear();
            self.delay = Duration::ZERO;
            self.distrusted_until = Some(now + WINDOW);
        }
        let before = self.arrivals.back().map(|(at, _)| *at);
        self.arrivals.push_back((now, late));
        while self.arrivals.len() > MAX_ARRIVALS
            || self.arrivals.front().is_some_and(|(at, _)| now.saturating_duration_since(*at) > WINDOW)
        {
            self.arrivals.pop_front();
        }
        let (earliest, wanted) = self.wanted();
        let wanted = if self.distrusted_until.is_some_and(|until| now < until) { Duration::ZERO } else { wanted };
        // A longer delay is taken at once, since what came too late has made its pause already.
        let passed = before.map_or(Duration::ZERO, |before| now.saturating_duration_since(before));
        self.delay = wanted.max(self.delay.saturating_sub(passed.mul_f64(CATCH_UP)));
        if self.delay.is_zero() {
            return now;
        }
        let wait = earliest + self.delay.as_secs_f64() - late;
        now + Duration::from_secs_f64(wait.clamp(0.0, MAX_DELAY.as_secs_f64()))
    }

    /// The delay that is in force.
    #[cfg(test)]
    const fn delay(&self) -> Duration {
        self.delay
    }

    /// Seconds by which a picture is later than its timestamp says, counted from the first one's.
    fn lateness(&mut self, rtp_timestamp: u32, now: Instant) -> f64 {
        let begun = *self.begun.get_or_insert(now);
        let units = match self.newest {
            // Timestamps wrap: the nearer way around is the one that was meant.
            Some((before, units)) => units + i64::from(rtp_timestamp.wrapping_sub(before).cast_signed()),
            None => 0,
        };
        self.newest = Some((rtp_timestamp, units));
        now.saturating_duration_since(begun).as_secs_f64() - units as f64 / CLOCK
    }

    /// The least lateness in the window, and the delay with which all but a few pictures would be in time.
    fn wanted(&self) -> (f64, Duration) {
        let mut late: Vec<f64> = self.arrivals.iter().map(|(_, late)| *late).collect();
        late.sort_unstable_by(f64::total_cmp);
        let Some(earliest) = late.first().copied() else { return (0.0, Duration::ZERO) };
        let may_be_late = ((late.len() as f64 * LATE_SHARE) as usize).max(MIN_LATE);
        if late.len() < MIN_ARRIVALS {
            return (earliest, Duration::ZERO);
        }
        let delay = (late[late.len() - 1 - may_be_late] - earliest).min(MAX_DELAY.as_secs_f64());
        let delay = Duration::from_secs_f64(delay.max(0.0));
        (earliest, if delay < MIN_DELAY { Duration::ZERO } else { delay })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FRAME: Duration = Duration::from_nanos(33_333_333);

    /// A number from 0 to 1, well stirred.
    fn chance(n: u64) -> f64 {
        let z = (n ^ 0x9e37_79b9).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Pictures `from..to` at 30 a second, of which the n-th comes after `delay(n)`, but none before the one in front
    /// of it: when each was there and when it is due.
    fn play(
        playout: &mut PlayoutDelay,
        start: Instant,
        frames: std::ops::Range<u32>,
        delay: impl Fn(u32) -> Duration,
    ) -> Vec<(Instant, Instant)> {
        let mut before = start;
        let each = frames.map(|n| {
            let there = (start + FRAME * n + delay(n)).max(before);
            before = there;
            (there, playout.due(n.wrapping_mul(3000).wrapping_add(u32::MAX - 90_000), there))
        });
        each.collect()
    }

    /// How many are seen where the newest that is due is shown, and which share of the time stands still for more than
    /// 200 ms.
    fn seen(played: &[(Instant, Instant)]) -> (usize, f64) {
        let mut at: Vec<Instant> = Vec::new();
        let mut before = played[0].1;
        for (_, due) in played {
            before = before.max(*due);
            at.push(before);
        }
        let shown: Vec<Instant> =
            at.windows(2).filter(|two| two[1] - two[0] > Duration::from_millis(3)).map(|two| two[1]).collect();
        let frozen = |two: &[Instant]| Some(two[1] - two[0]).filter(|pause| *pause > Duration::from_millis(200));
        let frozen: Duration = shown.windows(2).filter_map(frozen).sum();
        (shown.len(), frozen.as_secs_f64() / (at[at.len() - 1] - at[0]).as_secs_f64())
    }

    /// A loss is repaired after one round trip or two.
    fn lossy(n: u32) -> Duration {
        let jitter = Duration::from_millis(20) + Duration::from_millis(50).mul_f64(chance(n.into()));
        let lost = chance(u64::from(n) << 32);
        let repair = if lost < 0.02 {
            240
        } else if lost < 0.15 {
            130
        } else {
            0
        };
        jitter + Duration::from_millis(repair)
    }

    #[test]
    fn a_good_network_costs_no_time() {
        let mut playout = PlayoutDelay::default();
        let hiccup = |n: u32| {
            Duration::from_millis(if n == 100 { 150 } else { 5 }) + Duration::from_millis(12).mul_f64(chance(n.into()))
        };
        for (there, due) in play(&mut playout, Instant::now(), 0..900, hiccup) {
            assert_eq!(there, due);
        }
    }

    #[test]
    fn a_lossy_network_is_shown_evenly() {
        let (mut playout, start) = (PlayoutDelay::default(), Instant::now());
        let played = play(&mut playout, start, 0..900, lossy);
        let at_once: Vec<_> = played.iter().map(|(there, _)| (*there, *there)).collect();
        let (bunched, frozen_before) = seen(&at_once);
        let (shown, frozen) = seen(&played[100..]);
        assert!(bunched < 700 && frozen_before >= 0.0, "without a delay: {bunched} of 900");
        assert!(shown >= 760 && frozen < 0.01, "{shown} of 800, frozen for {frozen:.3} of the time");
        assert!((80..300).contains(&playout.delay().as_millis()), "{:?}", playout.delay());

        // The network is good again: in time nothing waits, and nobody sees how it comes to that.
        let played = play(&mut playout, start, 900..2100, |_| Duration::from_millis(20));
        assert_eq!(playout.delay(), Duration::ZERO);
        assert!(played.windows(2).all(|two| two[1].1 - two[0].1 >= FRAME.mul_f64(0.96)), "faster than is unseen");
    }

    #[test]
    fn a_clock_that_is_none_is_not_waited_for() {
        // Thirty pictures a second whose timestamps say sixty, and fifteen.
        for step in [1500, 6000] {
            let (mut playout, start) = (PlayoutDelay::default(), Instant::now());
            let waits = (0..3000_u32).map(|n| playout.due(n * step, start + FRAME * n) - (start + FRAME * n));
            let waits: Vec<Duration> = waits.skip(150).collect();
            let waited = waits.iter().filter(|wait| !wait.is_zero()).count();
            assert!(waited == 0, "{step}: {waited} of {} waited", waits.len());
        }
    }

    #[test]
    fn a_stream_that_begins_anew_is_shown_at_once() {
        let (mut playout, start) = (PlayoutDelay::default(), Instant::now());
        play(&mut playout, start, 0..900, lossy);
        let now = start + FRAME * 900;
        assert_eq!(playout.due(77, now), now);
        assert_eq!(playout.delay(), Duration::ZERO);
    }

    proptest! {
        #[test]
        fn nothing_is_due_before_it_is_there_or_waits_too_long(
            steps in proptest::collection::vec((any::<u32>(), 0_u64..200), 1..300),
            wild in any::<bool>(),
        ) {
            let (mut playout, mut now, mut timestamp) = (PlayoutDelay::default(), Instant::now(), 0_u32);
            for (step, pause) in steps {
                now += Duration::from_millis(pause);
                timestamp = timestamp.wrapping_add(if wild { step } else { step % 20_000 });
                let due = playout.due(timestamp, now);
                prop_assert!(due >= now && due - now <= MAX_DELAY);
            }
        }
    }
}
