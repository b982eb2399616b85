//! Something that is done now and then, however often frames are drawn.

use std::time::{Duration, Instant};

/// A time to do something, at most once in a period.
#[derive(Debug)]
pub(crate) struct Throttle {
    period: Duration,
    last: Option<Instant>,
}

impl Throttle {
    /// Due at once, and then once in a `period`.
    pub(crate) const fn new(period: Duration) -> Self {
        Self { period, last: None }
    }

    /// Whether it is time, and if so not again before the period is over.
    pub(crate) fn is_due(&mut self, now: Instant) -> bool {
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= self.period);
        if due {
            self.last = Some(now);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A window that is drawn 60 times a second for a second reads the numbers ten times, and one that is drawn
    /// five times a second each time.
    #[test]
    fn ten_times_a_second_however_often_it_is_asked() {
        for (frames, due) in [(60, 10), (144, 10), (5, 5)] {
            let (start, mut every) = (Instant::now(), Throttle::new(Duration::from_millis(100)));
            let at = |i: u32| start + Duration::from_secs(1) * i / frames;
            let times: Vec<u32> = (0..frames).filter(|i| every.is_due(at(*i))).collect();
            assert!(times.len().abs_diff(due) <= 1, "{frames} frames: {times:?}");
            assert_eq!(times[0], 0);
            assert!(times.windows(2).all(|pair| at(pair[1]) - at(pair[0]) >= Duration::from_millis(100)));
        }
    }

    #[test]
    fn a_clock_that_stands_does_no_harm() {
        let (start, mut every) = (Instant::now(), Throttle::new(Duration::from_secs(1)));
        assert!(every.is_due(start + Duration::from_secs(5)) && !every.is_due(start));
    }
}
