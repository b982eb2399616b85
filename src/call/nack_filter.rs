//! Which lost packets to ask for, and when again. Pure.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::receive;

/// A packet is asked for in this many round trips.
const MAX_NACKS: u8 = 8;
/// And not again within this time, however short the round trip.
const MIN_NACK_SPACING: Duration = Duration::from_millis(20);
/// A sequence number is another packet's after this time.
const NACK_MEMORY: Duration = Duration::from_secs(5);

/// Where more than this share is lost, requests are lost as well, and each of them goes out twice; and so do the
/// answers. It costs as much again as is lost, and saves four of five second round trips.
pub(super) const HEAVY_LOSS: f64 = 0.03;

/// The lost packets of one stream.
#[derive(Debug, Default)]
pub(super) struct NackFilter {
    asked: HashMap<u16, Asked>,
}

/// A packet that was asked for.
#[derive(Debug, Clone, Copy)]
struct Asked {
    first: Instant,
    last: Instant,
    times: u8,
    /// Asked for a second time, in case that the first was lost.
    repeated: bool,
}

impl NackFilter {
    /// The numbers of `missing` that are due, and how many of these are new. `loss` is the share that is lost of late.
    pub(super) fn due(&mut self, missing: &[u16], rtt: Option<Duration>, loss: f64, now: Instant) -> (Vec<u16>, usize) {
        self.asked.retain(|_, asked| now.saturating_duration_since(asked.last) < NACK_MEMORY);
        // What would come later than that is not waited for any more.
        let round = rtt.unwrap_or(Duration::from_millis(50));
        let worth = receive::hold(rtt).saturating_sub(round);
        let spacing = (round * 6 / 5).max(MIN_NACK_SPACING);
        let mut new = 0;
        let mut due = Vec::new();
        for &sequence in missing {
            let Some(asked) = self.asked.get_mut(&sequence) else {
                self.asked.insert(sequence, Asked { first: now, last: now, times: 1, repeated: false });
                new += 1;
                due.push(sequence);
                continue;
            };
            if now.saturating_duration_since(asked.first) >= worth {
                continue;
            }
            if asked.times < MAX_NACKS && now.saturating_duration_since(asked.last) >= spacing {
                *asked = Asked { last: now, times: asked.times + 1, repeated: false, ..*asked };
                due.push(sequence);
            } else if loss > HEAVY_LOSS && !asked.repeated {
                asked.repeated = true;
                due.push(sequence);
            }
        }
        (due, new)
    }
}

/// The share of packets that is lost of late, from two counters that only grow.
#[derive(Debug, Default)]
pub(super) struct RecentLoss {
    since: Option<(Instant, u64, u64)>,
    share: f64,
}

impl RecentLoss {
    const WINDOW: Duration = Duration::from_secs(2);

    /// The share, with these counts of packets that were missed and that came.
    pub(super) fn share(&mut self, missed: u64, came: u64, now: Instant) -> f64 {
        let (at, missed_before, came_before) = *self.since.get_or_insert((now, missed, came));
        if now.saturating_duration_since(at) >= Self::WINDOW {
            let (missed_of_late, came_of_late) = (missed - missed_before, came - came_before);
            self.share = missed_of_late as f64 / (missed_of_late + came_of_late).max(1) as f64;
            self.since = Some((now, missed, came));
        }
        self.share
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_packet_is_asked_for_once_in_a_round_trip() {
        let mut filter = NackFilter::default();
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let rtt = Some(Duration::from_millis(100));
        assert_eq!(filter.due(&[7, 8], rtt, 0.0, at(0)), (vec![7, 8], 2));
        assert_eq!(filter.due(&[7, 8, 9], rtt, 0.0, at(20)), (vec![9], 1));
        assert_eq!(filter.due(&[8, 9], rtt, 0.0, at(119)), (vec![], 0));
        assert_eq!(filter.due(&[8, 9], rtt, 0.0, at(125)), (vec![8], 0));
    }

    #[test]
    fn under_heavy_loss_each_request_is_repeated_once() {
        let mut filter = NackFilter::default();
        let start = Instant::now();
        let rtt = Some(Duration::from_millis(100));
        let asks = (0..10).map(|i| filter.due(&[7], rtt, 0.1, start + Duration::from_millis(20 * i)).0.len());
        assert_eq!(asks.collect::<Vec<_>>(), [1, 1, 0, 0, 0, 0, 1, 1, 0, 0]);
    }

    #[test]
    fn what_was_given_up_is_not_asked_for_again_when_loss_becomes_heavy() {
        let (mut filter, start) = (NackFilter::default(), Instant::now());
        let rtt = Some(Duration::from_millis(20));
        assert_eq!(filter.due(&[7], rtt, 0.0, start).0, [7]);
        assert!(filter.due(&[7], rtt, 0.1, start + Duration::from_secs(1)).0.is_empty());
    }

    #[test]
    fn asking_ends_some_time() {
        let mut filter = NackFilter::default();
        let start = Instant::now();
        let asks =
            (0..200).filter(|i| !filter.due(&[1], None, 0.0, start + Duration::from_millis(20 * i)).0.is_empty());
        // 255 ms are waited for a packet, its answer takes 50, and it is asked for every 60.
        assert_eq!(asks.count(), 4);
    }

    #[test]
    fn loss_is_that_of_the_last_seconds() {
        let (mut loss, start) = (RecentLoss::default(), Instant::now());
        let at = |ms| start + Duration::from_millis(ms);
        assert_eq!(loss.share(50, 50, at(0)), 0.0, "what was before is not known");
        assert_eq!(loss.share(60, 140, at(1999)), 0.0);
        assert_eq!(loss.share(60, 140, at(2000)), 0.1);
        assert_eq!(loss.share(60, 240, at(3000)), 0.1);
        assert_eq!(loss.share(60, 240, at(4000)), 0.0);
    }
}
