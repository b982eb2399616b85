//! What a receiver reports of a stream: RFC 3550 §6.4.1 and appendices A.1, A.3 and A.8. Pure.

use std::time::{Duration, Instant};

use rtc::rtcp::reception_report::ReceptionReport;

/// A sequence number that is further away than this belongs to a sender that began anew (RFC 3550 A.1).
const MAX_DROPOUT: u16 = 3000;
/// The most that 24 signed bits hold.
const MAX_LOST: u64 = 0x7f_ffff;

/// One stream, as it comes in.
#[derive(Debug)]
pub(super) struct Reception {
    ssrc: u32,
    /// The clock of its timestamps, in Hz.
    rate: u32,
    /// The first sequence number, and the highest one, extended by how often it wrapped.
    base: u64,
    highest: u64,
    received: u64,
    /// What was received and expected when the last report was made.
    received_before: u64,
    expected_before: u64,
    /// The last packet's arrival and timestamp, and the interarrival jitter in units of the clock.
    last: Option<(Instant, u32)>,
    jitter: f64,
    /// The middle of the NTP time of the last sender report, and when it came.
    sender_report: Option<(u32, Instant)>,
}

impl Reception {
    /// A stream whose first packet has this number.
    pub(super) fn new(ssrc: u32, first: u16, rate: u32) -> Self {
        Self {
            ssrc,
            rate,
            base: first.into(),
            highest: first.into(),
            received: 0,
            received_before: 0,
            expected_before: 0,
            last: None,
            jitter: 0.0,
            sender_report: None,
        }
    }

    pub(super) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// A packet has come.
    pub(super) fn received(&mut self, sequence: u16, timestamp: u32, now: Instant) {
        let ahead = sequence.wrapping_sub(self.highest as u16);
        if ahead < MAX_DROPOUT {
            self.highest += u64::from(ahead);
        } else if ahead <= u16::MAX - 100 {
            // Neither late nor next: the sender has begun anew.
            *self = Self { sender_report: self.sender_report, ..Self::new(self.ssrc, sequence, self.rate) };
        }
        self.received += 1;
        if let Some((at, before)) = self.last {
            // A.8: how differently the two were under way.
            let arrived = now.saturating_duration_since(at).as_secs_f64() * f64::from(self.rate);
            let said = f64::from(timestamp.wrapping_sub(before).cast_signed());
            self.jitter += ((arrived - said).abs() - self.jitter) / 16.0;
        }
        self.last = Some((now, timestamp));
    }

    /// A report of its sender has come.
    pub(super) fn sender_report(&mut self, ntp: u64, now: Instant) {
        self.sender_report = Some(((ntp >> 16) as u32, now));
    }

    fn expected(&self) -> u64 {
        if self.received == 0 { 0 } else { self.highest - self.base + 1 }
    }

    /// Packets that never came, as far as is known.
    pub(super) fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }

    /// The block for the next report.
    pub(super) fn report(&mut self, now: Instant) -> ReceptionReport {
        let expected = self.expected() - self.expected_before;
        let received = self.received - self.received_before;
        self.expected_before = self.expected();
        self.received_before = self.received;
        let lost = expected.saturating_sub(received);
        let (last_sender_report, delay) = match self.sender_report {
            // In 1/65536 s.
            Some((ntp, at)) => (ntp, (now.saturating_duration_since(at).min(Duration::from_secs(60000)), 65536.0)),
            None => (0, (Duration::ZERO, 0.0)),
        };
        ReceptionReport {
            ssrc: self.ssrc,
            fraction_lost: (lost * 256).checked_div(expected).unwrap_or(0).min(255) as u8,
            total_lost: self.lost().min(MAX_LOST) as u32,
            last_sequence_number: self.highest as u32,
            jitter: self.jitter as u32,
            last_sender_report,
            delay: (delay.0.as_secs_f64() * delay.1) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn loss_is_that_since_the_last_report_and_in_all() {
        let (mut reception, start) = (Reception::new(7, 65_530, 48_000), Instant::now());
        // Of twenty numbers, which wrap, four are missing and one comes twice.
        for n in (0_u16..20).filter(|n| ![3, 4, 9, 15].contains(n)).chain([10]) {
            reception.received(65_530_u16.wrapping_add(n), u32::from(n) * 960, at(start, u64::from(n) * 20));
        }
        let report = reception.report(at(start, 400));
        // RFC 3550 A.3: 256 times 3 of 20.
        assert_eq!((report.fraction_lost, report.total_lost, report.last_sequence_number), (38, 3, 65_549));
        for n in 20_u16..30 {
            reception.received(65_530_u16.wrapping_add(n), u32::from(n) * 960, at(start, u64::from(n) * 20));
        }
        let report = reception.report(at(start, 600));
        assert_eq!((report.fraction_lost, report.total_lost), (0, 3));
    }

    #[test]
    fn jitter_is_how_differently_packets_are_under_way() {
        let (mut reception, start) = (Reception::new(7, 0, 48_000), Instant::now());
        // Every second packet is 10 ms late: each step differs by 480 units, and the mean comes near to it.
        for n in 0_u16..400 {
            let late = if n % 2 == 1 { 10 } else { 0 };
            reception.received(n, u32::from(n) * 960, at(start, u64::from(n) * 20 + late));
        }
        let jitter = reception.report(at(start, 8000)).jitter;
        assert!((478..=480).contains(&jitter), "{jitter}");
    }

    #[test]
    fn a_report_says_how_long_ago_the_sender_s_was() {
        let (mut reception, start) = (Reception::new(7, 0, 48_000), Instant::now());
        assert_eq!(reception.report(start).last_sender_report, 0);
        reception.sender_report(0x1234_5678_9abc_def0, start);
        let report = reception.report(at(start, 1500));
        assert_eq!((report.last_sender_report, report.delay), (0x5678_9abc, 98_304));
    }

    #[test]
    fn a_sender_that_begins_anew_has_lost_nothing() {
        let (mut reception, start) = (Reception::new(7, 100, 48_000), Instant::now());
        for n in [100_u16, 101, 30_000, 30_001] {
            reception.received(n, 0, start);
        }
        assert_eq!(reception.lost(), 0);
        // One that is a little late is none.
        reception.received(29_990, 0, start);
        assert_eq!(reception.report(start).last_sequence_number, 30_001);
    }
}
