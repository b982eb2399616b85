//! How much is sent again: no more than a share of the rate, since a full network loses what fills it further. Pure.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// Of the target bitrate.
const SHARE: f64 = 0.5;
/// What is not used may be saved for this long, in seconds.
const SAVED: f64 = 0.5;
/// And two packets may always be sent again after a pause, however low the rate, in bytes.
const MIN_SAVED: f64 = 3000.0;
/// Packets whose sizes are remembered.
const LOG: usize = 1024;

/// One that was sent again is not sent again within four fifths of a round trip, and not within this time: the request
/// was a repeated one.
const MIN_SPACING: Duration = Duration::from_millis(25);

/// A token bucket of bytes.
#[derive(Debug, Default)]
pub(super) struct RetransmitBudget {
    sent: VecDeque<Sent>,
    bytes: Option<(f64, Instant)>,
    /// The most that may be saved.
    most: f64,
}

#[derive(Debug, Clone, Copy)]
struct Sent {
    sequence: u16,
    bytes: f64,
    again: Option<Instant>,
}

impl RetransmitBudget {
    /// A packet has left for the first time.
    pub(super) fn sent(&mut self, sequence: u16, size: usize) {
        if self.sent.len() == LOG {
            self.sent.pop_front();
        }
        self.sent.push_back(Sent { sequence, bytes: size as f64, again: None });
    }

    /// Of the packets that the far side asks for, those that it gets; `target` is the bitrate.
    pub(super) fn granted(&mut self, asked: &[u16], target: u32, rtt: Option<Duration>, now: Instant) -> Vec<u16> {
        let rate = SHARE * f64::from(target) / 8.0;
        self.most = (SAVED * rate).max(MIN_SAVED);
        let (left, at) = self.bytes.unwrap_or((self.most, now));
        let mut left = (left + rate * now.saturating_duration_since(at).as_secs_f64()).min(self.most);
        let spacing = rtt.map_or(MIN_SPACING, |rtt| (rtt * 4 / 5).max(MIN_SPACING));
        let mut granted = Vec::new();
        for &sequence in asked {
            // One that is not known any more is not kept for sending either.
            let Some(packet) = find(&mut self.sent, sequence) else { continue };
            let soon = packet.again.is_some_and(|again| now.saturating_duration_since(again) < spacing);
            if packet.bytes <= left && !soon {
                left -= packet.bytes;
                packet.again = Some(now);
                granted.push(sequence);
            }
        }
        self.bytes = Some((left, now));
        granted
    }

    /// Of the packets that are sent again, those that can be afforded twice, and half of the budget be left: loss that
    /// fills the network's queues is not met with more.
    pub(super) fn spared(&mut self, granted: &[u16]) -> Vec<u16> {
        let Some((left, _)) = &mut self.bytes else { return Vec::new() };
        let most = self.most;
        let mut afforded = |sequence: u16| {
            let bytes = find(&mut self.sent, sequence).map(|packet| packet.bytes).filter(|b| *left - b >= most / 2.0);
            *left -= bytes.unwrap_or(0.0);
            bytes.is_some()
        };
        granted.iter().copied().filter(|sequence| afforded(*sequence)).collect()
    }
}

/// Numbers follow each other, so that nothing has to be searched, however much is asked for.
fn find(sent: &mut VecDeque<Sent>, sequence: u16) -> Option<&mut Sent> {
    let newest = sent.back()?.sequence;
    let index = sent.len().checked_sub(1 + usize::from(newest.wrapping_sub(sequence)))?;
    sent.get_mut(index).filter(|packet| packet.sequence == sequence)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(40));

    #[test]
    fn half_of_the_rate_is_sent_again_and_no_more() {
        let (mut budget, t) = (RetransmitBudget::default(), Instant::now());
        (0..100).for_each(|sequence| budget.sent(sequence, 1000));
        let all: Vec<u16> = (0..100).collect();
        // 400 kbit/s are 25,000 bytes a second for this; half a second of it is saved.
        assert_eq!(budget.granted(&all, 400_000, RTT, t), (0..12).collect::<Vec<_>>());
        assert!(budget.granted(&all, 400_000, RTT, t).is_empty());
        let soon = budget.granted(&all, 400_000, RTT, t + Duration::from_millis(100));
        assert_eq!(soon.len(), 3, "500 left over, and 2500");
        assert_eq!(budget.granted(&all, 400_000, RTT, t + Duration::from_secs(60)).len(), 12);
        assert!(budget.granted(&[5000], 400_000, RTT, t + Duration::from_secs(90)).is_empty(), "it was never sent");
        assert_eq!(budget.granted(&all, 10_000, RTT, t + Duration::from_secs(120)).len(), 3);
    }

    #[test]
    fn a_repeated_request_is_answered_once() {
        let (mut budget, t) = (RetransmitBudget::default(), Instant::now());
        (0..9).for_each(|sequence| budget.sent(sequence, 100));
        let mut at =
            |ms| budget.granted(&[3], 400_000, Some(Duration::from_millis(100)), t + Duration::from_millis(ms));
        assert_eq!([at(0).len(), at(20).len(), at(79).len(), at(80).len(), at(120).len()], [1, 0, 0, 1, 0]);
    }

    #[test]
    fn what_is_spared_is_sent_twice_and_half_of_it_is_kept() {
        let (mut budget, t) = (RetransmitBudget::default(), Instant::now());
        (0..100).for_each(|sequence| budget.sent(sequence, 1000));
        let asked: Vec<u16> = (0..4).collect();
        assert!(budget.spared(&asked).is_empty(), "nothing was asked for");
        assert_eq!(budget.granted(&asked, 400_000, RTT, t), asked);
        // Of 12,500 bytes 8,500 are left, and 6,250 are kept.
        assert_eq!(budget.spared(&asked), [0, 1]);
        assert!(budget.spared(&asked).is_empty());
    }

    #[test]
    fn a_number_that_comes_round_again_is_the_newest_packet() {
        let mut budget = RetransmitBudget::default();
        budget.sent(7, 1_000_000);
        budget.sent(7, 10);
        assert_eq!(budget.granted(&[7], 100_000, RTT, Instant::now()), [7]);
        (0..2000).for_each(|n| budget.sent(n, 1));
        assert_eq!(budget.sent.len(), LOG);
    }
}
