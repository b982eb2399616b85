//! What is packetized comes back, in whatever order the packets arrive.
#![no_main]

use std::time::Instant;

use clearcall::call::depacketize::{Depacketizer, Limits, Output, RtpPayload};
use clearcall::call::packetize::packetize_nals;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [max, shuffle, first, body @ ..] = data else { return };
    let nals: Vec<&[u8]> = body
        .split(|b| *b == 0)
        .filter(|nal| nal.first().is_some_and(|h| h & 0x80 == 0 && matches!(h & 0x1f, 1..=23)))
        .collect();
    if nals.is_empty() {
        return;
    }
    let payloads = packetize_nals(nals.iter().copied(), usize::from(*max));
    if payloads.len() > 30 {
        return;
    }
    let last = payloads.len() - 1;
    let mut packets: Vec<RtpPayload> = payloads
        .into_iter()
        .enumerate()
        .map(|(i, payload)| {
            let sequence = (i as u16).wrapping_sub(u16::from(*first));
            RtpPayload { sequence, timestamp: 7, marker: i == last, payload }
        })
        .collect();
    let n = packets.len();
    packets.rotate_left(usize::from(*shuffle) % n);
    let mut depacketizer = Depacketizer::new(Limits::default());
    let now = Instant::now();
    for packet in packets {
        depacketizer.push(packet, now);
    }
    let expected: Vec<u8> = nals.iter().flat_map(|nal| [0, 0, 0, 1].into_iter().chain(nal.iter().copied())).collect();
    match depacketizer.poll(now) {
        Some(Output::Unit(unit)) => assert!(unit.complete && unit.data == expected),
        other => panic!("no unit but {other:?}"),
    }
});
