//! How much is sent again: no more than a share of the rate, since a full network loses what fills it further. Pure.

use std::{collections::VecDeque, time::Instant};

/// Of the target bitrate.
const SHARE: f64 = 0.5;
/// What is not used may be saved for this long, in seconds.
const SAVED: f64 = 0.5;
/// And two packets may always be sent again after a pause, however low the rate, in bytes.
const MIN_SAVED: f64 = 3000.0;
/// Packets whose sizes are remembered.
const LOG: usize = 1024;

/// A token bucket of bytes.
#[derive(Debug, Default)]
pub(super) struct RetransmitBudget {
    sent: VecDeque<(u16, usize)>,
    bytes: Option<(f64, Instant)>,
}

impl RetransmitBudget {
    /// A packet has left for the first time.
    pub(super) fn sent(&mut self, sequence: u16, size: usize) {
        if self.sent.len() == LOG {
            self.sent.pop_front();
        }
        self.sent.push_back((sequence, size));
    }

    /// Of the packets that the far side asks for, those that it gets; `target` is the bitrate.
    pub(super) fn granted(&mut self, asked: &[u16], target: u32, now: Instant) -> Vec<u16> {
        let rate = SHARE * f64::from(target) / 8.0;
        let most = (SAVED * rate).max(MIN_SAVED);
        let (left, at) = self.bytes.unwrap_or((most, now));
        let mut left = (left + rate * now.saturating_duration_since(at).as_secs_f64()).min(most);
        let size = |sequence: u16| {
            // Numbers follow each other, so that nothing has to be searched, however much is asked for.
            let newest = self.sent.back()?.0;
            let index = self.sent.len().checked_sub(1 + usize::from(newest.wrapping_sub(sequence)))?;
            self.sent.get(index).filter(|(s, _)| *s == sequence).map(|(_, size)| *size as f64)
        };
        let granted = asked.iter().copied().filter(|sequence| {
            // One that is not known any more is not kept for sending either.
            let affordable = size(*sequence).filter(|size| *size <= left);
            left -= affordable.unwrap_or(0.0);
            affordable.is_some()
        });
        let granted = granted.collect();
        self.bytes = Some((left, now));
        granted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn half_of_the_rate_is_sent_again_and_no_more() {
        let (mut budget, t) = (RetransmitBudget::default(), Instant::now());
        (0..100).for_each(|sequence| budget.sent(sequence, 1000));
        let all: Vec<u16> = (0..100).collect();
        // 400 kbit/s are 25,000 bytes a second for this; half a second of it is saved.
        assert_eq!(budget.granted(&all, 400_000, t), (0..12).collect::<Vec<_>>());
        assert!(budget.granted(&all, 400_000, t).is_empty());
        assert_eq!(budget.granted(&all, 400_000, t + Duration::from_millis(100)).len(), 3, "500 left over, and 2500");
        assert_eq!(budget.granted(&all, 400_000, t + Duration::from_secs(60)).len(), 12);
        assert!(budget.granted(&[5000], 400_000, t + Duration::from_secs(90)).is_empty(), "it was never sent");
        assert_eq!(budget.granted(&all, 10_000, t + Duration::from_secs(120)).len(), 3);
    }

    #[test]
    fn a_number_that_comes_round_again_is_the_newest_packet() {
        let mut budget = RetransmitBudget::default();
        budget.sent(7, 1_000_000);
        budget.sent(7, 10);
        assert_eq!(budget.granted(&[7], 100_000, Instant::now()), [7]);
        (0..2000).for_each(|n| budget.sent(n, 1));
        assert_eq!(budget.sent.len(), LOG);
    }
}
