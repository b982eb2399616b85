//! How the timestamps of a call's streams belong together: each sender says in its reports (RFC 3550 §6.4.1) which
//! timestamp stands for which moment of its clock. Pure.

use std::collections::VecDeque;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Seconds from NTP's epoch, 1900, to that of Unix, 1970 (RFC 5905 figure 4).
const NTP_EPOCH: u64 = 2_208_988_800;
/// Streams whose clocks are remembered.
const MAX_STREAMS: usize = 8;
/// A report says nothing of times further away.
const MAX_AGE: Duration = Duration::from_secs(120);

/// How the timestamps of a stream that is sent run.
#[derive(Debug, Clone, Copy)]
pub(super) struct RtpClock {
    /// This one
    pub(super) timestamp: u32,
    /// stands for this moment,
    pub(super) at: Instant,
    /// and so many of them make a second.
    pub(super) rate: u32,
}

impl RtpClock {
    /// The timestamp of another moment.
    pub(super) fn timestamp_at(&self, moment: Instant) -> u32 {
        let ticks = |d: Duration| (d.as_nanos() * u128::from(self.rate) / 1_000_000_000) as u32;
        match moment.checked_duration_since(self.at) {
            Some(after) => self.timestamp.wrapping_add(ticks(after)),
            None => self.timestamp.wrapping_sub(ticks(self.at.saturating_duration_since(moment))),
        }
    }
}

/// This machine's wall clock, which does not jump while a call runs.
#[derive(Debug)]
pub(super) struct WallClock {
    begun: Instant,
    since_epoch: Duration,
}

impl Default for WallClock {
    fn default() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { begun: Instant::now(), since_epoch }
    }
}

impl WallClock {
    /// A moment as NTP writes it: seconds since 1900 in 32 bits, and a fraction in 32 bits.
    pub(super) fn ntp(&self, moment: Instant) -> u64 {
        let time = match moment.checked_duration_since(self.begun) {
            Some(after) => self.since_epoch + after,
            None => self.since_epoch.saturating_sub(self.begun.saturating_duration_since(moment)),
        };
        let fraction = (u64::from(time.subsec_nanos()) << 32) / 1_000_000_000;
        (time.as_secs().wrapping_add(NTP_EPOCH) << 32) | fraction
    }
}

/// What the far side's reports say of its streams.
#[derive(Debug, Default)]
pub(super) struct SenderClocks {
    streams: VecDeque<Said>,
}

#[derive(Debug, Clone, Copy)]
struct Said {
    ssrc: u32,
    ntp: u64,
    rtp: u32,
}

impl SenderClocks {
    /// A stream's timestamp `rtp` stands for this moment of the far side's clock.
    pub(super) fn hear(&mut self, ssrc: u32, ntp: u64, rtp: u32) {
        self.streams.retain(|said| said.ssrc != ssrc);
        if self.streams.len() == MAX_STREAMS {
            self.streams.pop_front();
        }
        self.streams.push_back(Said { ssrc, ntp, rtp });
    }

    /// When a timestamp of a stream was, by the far side's clock; `rate`: its timestamps in a second.
    pub(super) fn sender_time(&self, ssrc: u32, timestamp: u32, rate: u32) -> Option<Duration> {
        let said = self.streams.iter().find(|said| said.ssrc == ssrc)?;
        let ticks = timestamp.wrapping_sub(said.rtp).cast_signed();
        let away = Duration::from_secs_f64(f64::from(ticks.unsigned_abs()) / f64::from(rate.max(1)));
        if away > MAX_AGE {
            return None;
        }
        let nanoseconds = ((said.ntp & 0xffff_ffff) * 1_000_000_000) >> 32;
        let time = Duration::new(said.ntp >> 32, nanoseconds as u32);
        if ticks < 0 { time.checked_sub(away) } else { time.checked_add(away) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_belongs_to_its_moment_and_wraps() {
        let at = Instant::now();
        let clock = RtpClock { timestamp: 100, at, rate: 90_000 };
        assert_eq!(clock.timestamp_at(at + Duration::from_millis(10)), 1000);
        assert_eq!(clock.timestamp_at(at - Duration::from_millis(10)), 100_u32.wrapping_sub(900));
    }

    #[test]
    fn ntp_counts_from_1900_in_halves_of_halves() {
        let begun = Instant::now();
        let wall = WallClock { begun, since_epoch: Duration::from_secs(1) };
        assert_eq!(wall.ntp(begun + Duration::from_millis(250)), (2_208_988_801 << 32) | 0x4000_0000);
        assert_eq!(wall.ntp(begun - Duration::from_millis(500)), (2_208_988_800 << 32) | 0x8000_0000);
    }

    #[test]
    fn streams_of_one_sender_meet_on_its_clock() {
        let mut clocks = SenderClocks::default();
        assert_eq!(clocks.sender_time(1, 0, 90_000), None);
        clocks.hear(1, (50 << 32) | 0x8000_0000, 9000);
        clocks.hear(2, 51 << 32, u32::MAX - 479);
        // Half a second after the picture's report, and ten milliseconds after the sound's, whose timestamps wrap.
        assert_eq!(clocks.sender_time(1, 9000 + 45_000, 90_000), Some(Duration::from_secs(51)));
        assert_eq!(clocks.sender_time(2, 0, 48_000), Some(Duration::from_millis(51_010)));
        assert_eq!(clocks.sender_time(1, 0, 90_000), Some(Duration::from_millis(50_400)));
        // A timestamp that has nothing to do with it.
        assert_eq!(clocks.sender_time(1, 0x8000_0000, 90_000), None);
    }

    #[test]
    fn only_so_many_streams_are_remembered() {
        let mut clocks = SenderClocks::default();
        for ssrc in 0..100 {
            clocks.hear(ssrc, 1 << 32, 0);
            clocks.hear(ssrc, 2 << 32, 0);
        }
        assert_eq!(clocks.streams.len(), MAX_STREAMS);
        assert_eq!(clocks.sender_time(99, 0, 90_000), Some(Duration::from_secs(2)));
        assert_eq!(clocks.sender_time(9, 0, 90_000), None);
    }

    #[test]
    fn what_no_clock_says_is_no_time() {
        let mut clocks = SenderClocks::default();
        clocks.hear(1, 0, 1000);
        assert_eq!(clocks.sender_time(1, 0, 90_000), None, "before the beginning of time");
        clocks.hear(1, u64::MAX, 0);
        assert!(clocks.sender_time(1, 0, 0).is_some());
    }
}
