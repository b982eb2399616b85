//! What the arrivals of packets tell: how much delay they need, their jitter, and how far the clocks are apart.

use std::collections::VecDeque;

/// The arrivals that are looked back at, in seconds, and how many at most.
const WINDOW: f64 = 10.0;
const MAX_ARRIVALS: usize = 600;
/// This share of the packets may come too late for the delay.
const LATE_SHARE: f64 = 0.04;
/// The earliest arrival of each so many seconds is kept, for so many of them, to tell the clocks' drift.
const SLOT: f64 = 10.0;
const MAX_SLOTS: usize = 60;
/// Over less than four slots, jitter is taken for drift.
const MIN_SLOTS: usize = 4;

/// The packets' lateness: seconds from the moment their timestamp says to their arrival, from an arbitrary start.
#[derive(Debug, Default)]
pub(super) struct Arrivals {
    /// When, and how late.
    recent: VecDeque<(f64, f64)>,
    last: Option<f64>,
    earliest: f64,
    spread: f64,
    jitter: f64,
    slots: VecDeque<(f64, f64)>,
    slot_begun: f64,
}

impl Arrivals {
    pub(super) fn push(&mut self, at: f64, late: f64) {
        if let Some(last) = self.last.replace(late) {
            // RFC 3550 §6.4.1 and A.8: the mean deviation, over about 16 packets.
            self.jitter += ((late - last).abs() - self.jitter) / 16.0;
        }
        self.recent.push_back((at, late));
        while self.recent.len() > MAX_ARRIVALS || self.recent.front().is_some_and(|(then, _)| at - then > WINDOW) {
            self.recent.pop_front();
        }
        let mut late_ones: Vec<f64> = self.recent.iter().map(|(_, late)| *late).collect();
        self.earliest = late_ones.iter().copied().fold(f64::INFINITY, f64::min);
        let in_time = late_ones.len() - 1 - (late_ones.len() as f64 * LATE_SHARE) as usize;
        let (_, quantile, _) = late_ones.select_nth_unstable_by(in_time, f64::total_cmp);
        self.spread = *quantile - self.earliest;

        match self.slots.back_mut() {
            Some(slot) if at - self.slot_begun < SLOT => {
                if late < slot.1 {
                    *slot = (at, late);
                }
            }
            _ => {
                self.slot_begun = at;
                self.slots.push_back((at, late));
            }
        }
        if self.slots.len() > MAX_SLOTS {
            self.slots.pop_front();
        }
    }

    /// How late the last packet was.
    pub(super) const fn last(&self) -> Option<f64> {
        self.last
    }

    pub(super) fn len(&self) -> usize {
        self.recent.len()
    }

    /// The least lateness in the window: a packet that nothing held up.
    pub(super) const fn earliest(&self) -> f64 {
        self.earliest
    }

    /// The delay, counted from the earliest, with which all but a few packets would have been in time; in seconds.
    pub(super) const fn spread(&self) -> f64 {
        self.spread
    }

    /// Interarrival jitter (RFC 3550 §6.4.1), in seconds.
    pub(super) const fn jitter(&self) -> f64 {
        self.jitter
    }

    /// By how many millionths the sender's clock is faster than the one the arrivals are told by: the slope of the line
    /// through the earliest arrivals (least squares).
    pub(super) fn drift_ppm(&self) -> Option<f64> {
        if self.slots.len() < MIN_SLOTS {
            return None;
        }
        let count = self.slots.len() as f64;
        let (at, late) = self.slots.iter().fold((0.0, 0.0), |sum, slot| (sum.0 + slot.0, sum.1 + slot.1));
        let (at, late) = (at / count, late / count);
        let both: f64 = self.slots.iter().map(|slot| (slot.0 - at) * (slot.1 - late)).sum();
        let square: f64 = self.slots.iter().map(|slot| (slot.0 - at).powi(2)).sum();
        // A fast clock's timestamps run ahead: the packets seem earlier and earlier.
        (square > 0.0).then(|| -both / square * 1e6)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_leaves_four_of_a_hundred_behind() {
        let mut arrivals = Arrivals::default();
        // 0 to 99 ms late, in a mixed order (37 and 100 share no divisor), upon a transit of 3 s.
        for n in 0..100 {
            arrivals.push(f64::from(n) * 0.02, 3.0 + f64::from(n * 37 % 100) * 0.001);
        }
        assert!((arrivals.earliest() - 3.0).abs() < 1e-12);
        // The four latest are 96 to 99 ms.
        assert!((arrivals.spread() - 0.095).abs() < 1e-12, "{}", arrivals.spread());
        // Ten seconds later all that is forgotten.
        arrivals.push(20.0, 3.5);
        assert_eq!((arrivals.earliest(), arrivals.spread(), arrivals.len()), (3.5, 0.0, 1));
    }

    #[test]
    fn jitter_is_that_of_rfc_3550() {
        let mut arrivals = Arrivals::default();
        arrivals.push(0.0, 0.0);
        arrivals.push(0.02, 0.016);
        // 0 + (16 ms - 0) / 16
        assert!((arrivals.jitter() - 0.001).abs() < 1e-12);
        arrivals.push(0.04, 0.016);
        // 1 ms + (0 - 1 ms) / 16
        assert!((arrivals.jitter() - 0.001 * 15.0 / 16.0).abs() < 1e-12);
    }

    #[test]
    fn drift_is_the_slope_of_the_earliest() {
        let mut arrivals = Arrivals::default();
        for n in 0..3000 {
            let at = f64::from(n) * 0.02;
            assert!(n >= 1500 || arrivals.drift_ppm().is_none());
            // By 100 millionths too slow a clock; every other packet is held up by up to 30 ms.
            arrivals.push(at, at * 100e-6 + f64::from(n % 2) * f64::from(n % 31) * 0.001);
        }
        let drift = arrivals.drift_ppm().unwrap();
        assert!((drift + 100.0).abs() < 1.0, "{drift}");
    }
}
