//! Any packets in any order at any time: no panic, and memory within its bounds.
#![no_main]

use std::time::{Duration, Instant};

use clearcall::call::depacketize::{Depacketizer, Limits, Output, RtpPayload};
use libfuzzer_sys::fuzz_target;

const LIMITS: Limits = Limits { window: 64, bytes: 2000, hold: Duration::from_millis(100) };

fuzz_target!(|data: &[u8]| {
    let mut depacketizer = Depacketizer::new(LIMITS);
    let mut now = Instant::now();
    let mut rest = data;
    // sequence (2), timestamp (1), marker and length (1), milliseconds (1), payload
    while let [s1, s2, timestamp, size, wait, tail @ ..] = rest {
        let size = usize::from(size & 0x7f).min(tail.len());
        let (payload, tail) = tail.split_at(size);
        now += Duration::from_millis(u64::from(*wait));
        let packet = RtpPayload {
            sequence: u16::from_be_bytes([*s1 & 1, *s2]).wrapping_add(u16::from(*s1 & 0x80) << 8),
            timestamp: u32::from(*timestamp),
            marker: rest[3] & 0x80 != 0,
            payload: payload.to_vec().into(),
        };
        depacketizer.push(packet, now);
        assert!(depacketizer.buffered() <= LIMITS.bytes);
        while let Some(output) = depacketizer.poll(now) {
            if let Output::Unit(unit) = output {
                assert!(unit.data.starts_with(&[0, 0, 0, 1]) && unit.data.len() <= 3 * LIMITS.bytes);
            }
        }
        assert!(depacketizer.deadline().is_none_or(|due| due > now));
        rest = tail;
    }
});
