//! When to ask the far side for a keyframe, and when to hand its asking on: pure, time is an argument.

use std::time::{Duration, Instant};

/// The shortest time between two requests for a keyframe.
pub const MIN_WAIT: Duration = Duration::from_millis(250);
/// The longest.
pub const MAX_WAIT: Duration = Duration::from_secs(2);

/// The receiver's side: wants a keyframe from the first doubt until one arrives.
///
/// The first request goes out at once. It is repeated after 250 ms (or two round trips, if that is
/// longer), then after twice that, at most every 2 s, until a whole keyframe has come.
#[derive(Debug)]
pub struct Recovery {
    wanted: bool,
    /// This doubt has led to a request already.
    asked: bool,
    last: Option<Instant>,
    wait: Duration,
    floor: Duration,
}

impl Default for Recovery {
    fn default() -> Self {
        Self { wanted: false, asked: false, last: None, wait: MIN_WAIT, floor: MIN_WAIT }
    }
}

impl Recovery {
    /// The picture is broken: a gap, a damaged picture, or nothing that could be decoded.
    pub fn broken(&mut self) {
        if !self.wanted {
            self.wanted = true;
            self.asked = false;
            self.wait = self.floor;
        }
    }

    /// A whole keyframe has come.
    pub fn keyframe(&mut self) {
        self.wanted = false;
    }

    /// Whether the picture is waiting for a keyframe.
    pub const fn waiting(&self) -> bool {
        self.wanted
    }

    /// The round trip time: asking again before the answer can be here is of no use.
    pub fn set_rtt(&mut self, rtt: Duration) {
        self.floor = (rtt * 2).clamp(MIN_WAIT, MAX_WAIT);
    }

    /// True once each time that a request should go out.
    pub fn poll(&mut self, now: Instant) -> bool {
        if self.due(now) != Some(now) {
            return false;
        }
        self.wait = if self.asked { (self.wait * 2).min(MAX_WAIT) } else { self.floor };
        self.asked = true;
        self.last = Some(now);
        true
    }

    /// When [`poll`](Self::poll) will say yes, not before `now`.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.last.map_or(now, |last| (last + self.wait).max(now));
        self.wanted.then_some(due)
    }
}

/// The sender's side: many requests in a short time are one.
#[derive(Debug)]
pub struct Throttle {
    pending: bool,
    last: Option<Instant>,
    spacing: Duration,
}

impl Throttle {
    /// Lets one through every `spacing`.
    pub const fn new(spacing: Duration) -> Self {
        Self { pending: false, last: None, spacing }
    }

    /// Somebody asked.
    pub fn ask(&mut self) {
        self.pending = true;
    }

    /// True when what was asked for should be done now.
    pub fn poll(&mut self, now: Instant) -> bool {
        let go = self.due(now) == Some(now);
        if go {
            self.pending = false;
            self.last = Some(now);
        }
        go
    }

    /// When [`poll`](Self::poll) will say yes, not before `now`.
    pub fn due(&self, now: Instant) -> Option<Instant> {
        let due = self.last.map_or(now, |last| (last + self.spacing).max(now));
        self.pending.then_some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The milliseconds at which requests went out, polled each millisecond.
    fn requests(r: &mut Recovery, start: Instant, until: u64) -> Vec<u64> {
        (0..until).filter(|&ms| r.poll(start + Duration::from_millis(ms))).collect()
    }

    #[test]
    fn a_keyframe_is_asked_for_at_once_and_then_less_and_less_often() {
        let mut r = Recovery::default();
        let start = Instant::now();
        assert!(requests(&mut r, start, 100).is_empty());
        r.broken();
        r.broken();
        assert_eq!(requests(&mut r, start, 8000), [0, 250, 750, 1750, 3750, 5750, 7750]);
        r.keyframe();
        assert_eq!(r.due(start), None);
    }

    #[test]
    fn a_new_doubt_right_after_a_keyframe_waits_its_turn() {
        let mut r = Recovery::default();
        let start = Instant::now();
        r.broken();
        assert!(r.poll(start));
        r.keyframe();
        r.broken();
        assert_eq!(requests(&mut r, start, 700), [250, 500]);
    }

    #[test]
    fn a_long_way_is_given_time_to_answer() {
        let mut r = Recovery::default();
        r.set_rtt(Duration::from_millis(400));
        r.broken();
        assert_eq!(requests(&mut r, Instant::now(), 2500), [0, 800, 2400]);
    }

    #[test]
    fn a_throttle_merges_and_never_forgets() {
        let mut t = Throttle::new(Duration::from_millis(200));
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        assert!(!t.poll(at(0)));
        t.ask();
        assert!(t.poll(at(1)));
        t.ask();
        t.ask();
        assert!(!t.poll(at(100)));
        assert_eq!(t.due(at(100)), Some(at(201)));
        assert!(t.poll(at(300)));
        assert!(!t.poll(at(900)));
    }
}
