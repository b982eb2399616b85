//! The depacketizer: what was sent comes back, whatever the network does to the order; what is lost is
//! said; and no bytes at all make it panic or grow.

use std::time::{Duration, Instant};

use bytes::Bytes;
use clearcall::call::depacketize::{Depacketizer, Limits, Output, RtpPayload, Unit};
use clearcall::call::packetize::{MAX_PAYLOAD, packetize};
use proptest::prelude::*;
use rand::seq::SliceRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

const HOLD: Duration = Duration::from_millis(100);

fn limits() -> Limits {
    Limits { window: 128, bytes: 256 << 10, hold: HOLD }
}

/// Annex B of some NAL units.
fn annex_b(nals: &[Vec<u8>]) -> Vec<u8> {
    nals.iter().flat_map(|nal| [0, 0, 0, 1].into_iter().chain(nal.iter().copied())).collect()
}

/// The RTP packets of these units, in sending order.
fn packets(units: &[Vec<u8>], first: u16) -> Vec<RtpPayload> {
    let mut sequence = first;
    let mut out = Vec::new();
    for (i, unit) in units.iter().enumerate() {
        let payloads = packetize(unit, 200);
        let last = payloads.len() - 1;
        for (j, payload) in payloads.into_iter().enumerate() {
            out.push(RtpPayload { sequence, timestamp: 3000 * i as u32, marker: j == last, payload });
            sequence = sequence.wrapping_add(1);
        }
    }
    out
}

fn run(d: &mut Depacketizer, packets: &[RtpPayload], now: Instant) -> (Vec<Unit>, u64) {
    let (mut units, mut lost) = (Vec::new(), 0);
    let mut take = |d: &mut Depacketizer, now| {
        while let Some(output) = d.poll(now) {
            match output {
                Output::Unit(unit) => units.push(unit),
                Output::Gap { packets } => lost += packets,
            }
        }
    };
    for packet in packets {
        d.push(packet.clone(), now);
        take(d, now);
    }
    take(d, now + HOLD);
    (units, lost)
}

/// A NAL unit of this type: no start code inside, not ending in zero.
fn nal(header: u8, rng: &mut ChaCha8Rng, size: usize) -> Vec<u8> {
    let mut nal = vec![header];
    nal.extend((0..size).map(|_| rng.random_range(1..=255_u8)));
    nal
}

/// A stream as an encoder makes it: a keyframe with its parameter sets, then predicted pictures.
fn stream(seed: u64, pictures: usize) -> Vec<Vec<u8>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..pictures)
        .map(|i| {
            let size = rng.random_range(20..1500);
            let slice = |header, rng: &mut ChaCha8Rng| {
                let mut s = nal(header, rng, size);
                s[1] |= 0x80; // first_mb_in_slice = 0
                s
            };
            match i {
                0 => annex_b(&[nal(0x67, &mut rng, 12), nal(0x68, &mut rng, 4), slice(0x65, &mut rng)]),
                _ => annex_b(&[slice(0x41, &mut rng)]),
            }
        })
        .collect()
}

#[test]
fn units_come_back_across_the_end_of_the_numbers() {
    let sent = stream(1, 40);
    let (units, lost) = run(&mut Depacketizer::new(limits()), &packets(&sent, 65_500), Instant::now());
    assert_eq!(lost, 0);
    assert_eq!(units.iter().map(|u| &u.data).collect::<Vec<_>>(), sent.iter().collect::<Vec<_>>());
    assert!(units.iter().all(|u| u.complete));
    assert!(units.iter().enumerate().all(|(i, u)| u.keyframe == (i == 0)));
}

#[test]
fn a_lost_packet_is_waited_for_and_then_given_up() {
    let sent = stream(2, 6);
    let all = packets(&sent, 100);
    // One from the middle of the third picture.
    let of_third: Vec<usize> = (0..all.len()).filter(|&i| all[i].timestamp == 6000).collect();
    let lost = of_third[of_third.len() / 2];
    let mut d = Depacketizer::new(limits());
    let start = Instant::now();
    let mut before = Vec::new();
    for (i, packet) in all.iter().enumerate() {
        if i != lost {
            d.push(packet.clone(), start);
            before.extend(std::iter::from_fn(|| d.poll(start)));
        }
    }
    assert_eq!(before.len(), 2, "what follows the hole waits");
    assert_eq!(d.deadline(), Some(start + HOLD));
    assert_eq!(d.poll(start + HOLD - Duration::from_millis(1)), None);
    let after: Vec<Output> = std::iter::from_fn(|| d.poll(start + HOLD)).collect();
    assert_eq!(after[0], Output::Gap { packets: 1 });
    let timestamps: Vec<u32> =
        after.iter().filter_map(|o| if let Output::Unit(u) = o { Some(u.timestamp) } else { None }).collect();
    assert_eq!(timestamps, [9000, 12_000, 15_000], "nothing whole is left of the third");
    assert!(after.iter().all(|o| !matches!(o, Output::Unit(u) if !u.complete)));
    assert_eq!(d.counts().lost, 1);
    // It comes after all.
    d.push(all[lost].clone(), start + HOLD);
    assert_eq!((d.poll(start + HOLD), d.counts().late), (None, 1));
}

#[test]
fn a_retransmission_in_time_mends_the_unit() {
    let sent = stream(3, 6);
    let all = packets(&sent, 7);
    let mut order: Vec<RtpPayload> = all.clone();
    let late = order.remove(all.len() / 2);
    order.push(late);
    let (units, lost) = run(&mut Depacketizer::new(limits()), &order, Instant::now());
    assert_eq!((units.len(), lost), (6, 0));
    assert!(units.iter().zip(&sent).all(|(u, s)| u.complete && u.data == *s));
}

#[test]
fn whole_pictures_lost_between_two_others_are_counted_and_the_next_is_whole() {
    let sent = stream(4, 5);
    let all = packets(&sent, 0);
    let kept: Vec<RtpPayload> = all.iter().filter(|p| !matches!(p.timestamp, 3000 | 6000)).cloned().collect();
    let (units, lost) = run(&mut Depacketizer::new(limits()), &kept, Instant::now());
    assert_eq!(lost, (all.len() - kept.len()) as u64);
    assert_eq!(
        units.iter().map(|u| (u.timestamp, u.complete)).collect::<Vec<_>>(),
        [(0, true), (9000, true), (12_000, true)]
    );
}

#[test]
fn what_is_left_of_a_picture_of_several_slices_is_handed_on_as_incomplete() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    let slices: Vec<Vec<u8>> = (0..3)
        .map(|i| {
            let mut s = nal(0x41, &mut rng, 150);
            s[1] = if i == 0 { 0x80 } else { 0x40 };
            s
        })
        .collect();
    let next = annex_b(&[{
        let mut s = nal(0x41, &mut rng, 50);
        s[1] = 0x9a;
        s
    }]);
    let sent = [annex_b(&slices), next.clone()];
    let mut all = packets(&sent, 50);
    assert_eq!(all.len(), 4);
    all.remove(1);
    let (units, lost) = run(&mut Depacketizer::new(limits()), &all, Instant::now());
    assert_eq!(lost, 1);
    assert_eq!(units[0].data, annex_b(&[slices[0].clone(), slices[2].clone()]));
    assert!(!units[0].complete && units[1].complete);
    assert_eq!(units[1].data, next);
}

#[test]
fn a_sender_that_starts_anew_is_followed_and_one_stray_number_is_not() {
    let sent = stream(6, 8);
    let mut all = packets(&sent, 1000);
    let half = all.iter().position(|p| p.timestamp == 12_000).unwrap();
    let stray = RtpPayload { sequence: 30_000, timestamp: 5, marker: true, payload: Bytes::from_static(&[0x41, 0x80]) };
    all.insert(half, stray);
    for packet in &mut all[half + 1..] {
        packet.sequence = packet.sequence.wrapping_add(20_000);
    }
    let mut d = Depacketizer::new(limits());
    let (units, lost) = run(&mut d, &all, Instant::now());
    assert!(lost > 0);
    assert_eq!(units.iter().filter(|u| u.timestamp == 5).count(), 0);
    let last: Vec<_> = units.iter().rev().take(2).map(|u| u.complete).collect();
    assert_eq!(last, [true, true], "{units:?}");
}

#[test]
fn payloads_that_are_not_allowed_spoil_their_unit_only() {
    let good = |sequence, timestamp| RtpPayload {
        sequence,
        timestamp,
        marker: true,
        payload: Bytes::from_static(&[0x41, 0x9a, 7]),
    };
    for bad in [
        &[0xe1, 1][..],             // forbidden_zero_bit
        &[24],                      // STAP-A without anything
        &[24, 0],                   // half a length
        &[24, 0, 5, 1],             // longer than the packet
        &[24, 0, 2, 0x41, 0x80, 9], // one byte too many
        &[24, 0, 0],                // an empty NAL unit
        &[28],                      // FU-A without its header
        &[0x7c, 0x41, 1, 2],        // the end of something that never started
        &[0x7c, 0x9c, 1, 2],        // an aggregate inside a fragment
        &[25, 0, 0, 0, 2, 1, 1],    // STAP-B: not in this mode
        &[29, 0x81, 0, 0, 1],       // FU-B: not in this mode
        &[0],
        &[30],
    ] {
        let mut d = Depacketizer::new(limits());
        let spoilt = RtpPayload { sequence: 2, timestamp: 3000, marker: true, payload: Bytes::from_static(bad) };
        let (units, _) = run(&mut d, &[good(1, 0), spoilt, good(3, 6000)], Instant::now());
        let whole: Vec<_> = units.iter().filter(|u| u.complete).collect();
        assert_eq!(whole.iter().map(|u| u.timestamp).collect::<Vec<_>>(), [0, 6000], "{bad:?}");
        assert!(whole.iter().all(|u| u.data == [0, 0, 0, 1, 0x41, 0x9a, 7]));
        assert_eq!(d.counts().malformed, 1, "{bad:?}");
    }
}

#[test]
fn padding_alone_is_nothing() {
    let mut d = Depacketizer::new(limits());
    let p = |sequence, timestamp, payload: &'static [u8], marker| RtpPayload {
        sequence,
        timestamp,
        marker,
        payload: Bytes::from_static(payload),
    };
    let (units, lost) =
        run(&mut d, &[p(1, 0, &[0x41, 0x80], true), p(2, 0, &[], false), p(3, 9, &[0x41, 0x80], true)], Instant::now());
    assert_eq!((units.len(), lost), (2, 0));
    assert!(units.iter().all(|u| u.complete));
}

#[test]
fn an_endless_unit_is_thrown_away_and_memory_stays_bounded() {
    let mut d = Depacketizer::new(Limits { window: 1024, bytes: 10_000, hold: HOLD });
    let now = Instant::now();
    let mut gaps = 0;
    for sequence in 0..2000_u16 {
        let payload = Bytes::from(vec![0x41; 100]);
        d.push(RtpPayload { sequence, timestamp: 0, marker: false, payload }, now);
        assert!(d.buffered() <= 10_000);
        gaps += std::iter::from_fn(|| d.poll(now)).filter(|o| matches!(o, Output::Gap { .. })).count();
    }
    assert!(gaps >= 19);
}

/// Any NAL units that RTP can carry one by one and that are handed on.
fn any_nal() -> impl Strategy<Value = Vec<u8>> {
    let kinds: Vec<u8> = (1..=23).filter(|kind| !matches!(kind, 14 | 15 | 20 | 21)).collect();
    let header = (0_u8..4, prop::sample::select(kinds)).prop_map(|(nri, kind)| (nri << 5) | kind);
    (header, prop::collection::vec(1_u8..=255, 0..700)).prop_map(|(h, mut body)| {
        body.insert(0, h);
        body
    })
}

fn any_unit() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any_nal(), 1..5).prop_map(|nals| annex_b(&nals))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// What was sent comes back, however the packets are mixed within a window, and doubled.
    #[test]
    fn round_trip(units in prop::collection::vec(any_unit(), 1..12), first: u16, seed: u64, distance in 1_usize..24) {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let sent = packets(&units, first);
        // Each packet moves back by at most `distance` places; every fifth comes twice.
        let mut order: Vec<(usize, RtpPayload)> = Vec::new();
        for (i, p) in sent.iter().enumerate() {
            order.push((i + rng.random_range(0..distance), p.clone()));
            if rng.random_ratio(1, 5) {
                order.push((i + rng.random_range(0..distance), p.clone()));
            }
        }
        order.shuffle(&mut rng);
        order.sort_by_key(|(place, _)| *place);
        let order: Vec<RtpPayload> = order.into_iter().map(|(_, p)| p).collect();
        let mut d = Depacketizer::new(limits());
        // Nothing comes out before all is in, so that even the very first packet may be late.
        let now = Instant::now();
        let (mut got, mut lost) = (Vec::new(), 0);
        for (i, p) in order.iter().enumerate() {
            d.push(p.clone(), now);
            if i >= distance {
                while let Some(o) = d.poll(now) {
                    match o { Output::Unit(u) => got.push(u), Output::Gap { packets } => lost += packets }
                }
            }
        }
        while let Some(o) = d.poll(now + HOLD) {
            match o { Output::Unit(u) => got.push(u), Output::Gap { packets } => lost += packets }
        }
        prop_assert_eq!(lost, 0);
        prop_assert_eq!(got.len(), units.len());
        for (g, u) in got.iter().zip(&units) {
            prop_assert_eq!(&g.data, u);
            prop_assert!(g.complete);
        }
    }

    /// Losing packets never makes up bytes: each NAL unit that comes out was sent in the unit of that time.
    #[test]
    fn losses_invent_nothing(units in prop::collection::vec(any_unit(), 1..12), first: u16, lost in prop::collection::vec(any::<bool>(), 200)) {
        let sent = packets(&units, first);
        let kept: Vec<_> = sent.iter().enumerate().filter(|(i, _)| !lost[i % lost.len()]).map(|(_, p)| p.clone()).collect();
        let (got, _) = run(&mut Depacketizer::new(limits()), &kept, Instant::now());
        for g in &got {
            let unit = &units[g.timestamp as usize / 3000];
            let of = |data: &[u8]| clearcall::codec::nal::nal_units(data).map(<[u8]>::to_vec).collect::<Vec<_>>();
            let source = of(unit);
            prop_assert!(of(&g.data).iter().all(|n| source.contains(n)));
            if g.data != *unit {
                prop_assert!(!g.complete || starts_late(&g.data, unit), "a unit that lacks something says so");
            }
        }
    }

    /// Packets of any bytes, in any order, at any time: no panic, no growth, and it still works afterwards.
    #[test]
    fn anything_goes(
        noise in prop::collection::vec((any::<u16>(), 0_u32..4, any::<bool>(), prop::collection::vec(any::<u8>(), 0..60), 0_u64..300), 0..300),
        near in any::<bool>(),
    ) {
        let small = Limits { window: 64, bytes: 1500, hold: HOLD };
        let mut d = Depacketizer::new(small);
        let mut now = Instant::now();
        for (sequence, timestamp, marker, payload, wait) in noise {
            let sequence = if near { sequence % 100 } else { sequence };
            now += Duration::from_millis(wait);
            d.push(RtpPayload { sequence, timestamp, marker, payload: payload.into() }, now);
            prop_assert!(d.buffered() <= small.bytes);
            while let Some(o) = d.poll(now) {
                if let Output::Unit(u) = o {
                    prop_assert!(u.data.len() <= small.bytes * 3);
                    prop_assert!(u.data.starts_with(&[0, 0, 0, 1]));
                }
            }
            prop_assert!(d.deadline().is_none_or(|due| due > now));
        }
        // A new stream, far away from all that.
        let sent = stream(9, 20);
        let all = packets(&sent, 40_000);
        let (units, _) = run(&mut d, &all, now + Duration::from_secs(9));
        prop_assert!(units.iter().rev().take(10).all(|u| u.complete), "it has recovered");
    }
}

/// The head of the unit is missing, but what is left starts as a picture does: only NAL units before the
/// picture's first slice can be missing, which a decoder has from before.
fn starts_late(got: &[u8], sent: &[u8]) -> bool {
    sent.ends_with(got)
}

#[test]
fn the_real_payload_limit_leaves_room_for_every_header() {
    // IP and UDP aside: RTP 12, extensions 16, RTX 2, SRTP's tag 16.
    const { assert!(MAX_PAYLOAD + 12 + 16 + 2 + 16 <= 1200) };
}

/// One unit from these payloads.
fn unit_of(payloads: &[&[u8]]) -> (Vec<Unit>, u64, u64) {
    let mut d = Depacketizer::new(limits());
    let last = payloads.len() - 1;
    let packets = payloads.iter().enumerate().map(|(i, payload)| RtpPayload {
        sequence: i as u16,
        timestamp: 0,
        marker: i == last,
        payload: Bytes::copy_from_slice(payload),
    });
    let (units, lost) = run(&mut d, &packets.collect::<Vec<_>>(), Instant::now());
    (units, lost, d.counts().malformed)
}

/// RFC 6184 §5.8 forbids it, and cameras send it.
#[test]
fn a_fragment_that_is_start_and_end_is_a_whole_unit() {
    let (units, lost, malformed) = unit_of(&[&[0x67, 1, 2], &[0x7c, 0xc5, 0x88, 3, 4]]);
    assert_eq!((units.len(), lost, malformed), (1, 0, 0));
    assert!(units[0].keyframe && units[0].complete);
    assert_eq!(units[0].data, annex_b(&[vec![0x67, 1, 2], vec![0x65, 0x88, 3, 4]]));
}

#[test]
fn what_belongs_to_scalable_streams_is_left_out() {
    let slice = vec![0x65, 0x88, 1, 2];
    let stap = [&[0x78, 0, 3, 0x6e, 1, 1, 0, 3, 0x6f, 2, 2, 0, 4][..], &slice, &[0, 2, 0x74, 9]].concat();
    for payloads in [
        // Alone, in front and behind.
        vec![&[0x6e, 1, 2, 3][..], &slice, &[0x74, 4, 4], &[0x75, 1]],
        // Together with it.
        vec![&stap[..]],
        // In parts.
        vec![&[0x7c, 0x94, 1][..], &[0x7c, 0x14, 1], &[0x7c, 0x54, 1], &slice, &[0x7c, 0xcf, 7]],
    ] {
        let (units, lost, malformed) = unit_of(&payloads);
        assert_eq!((units.len(), lost, malformed), (1, 0, 0), "{payloads:x?}");
        assert!(units[0].keyframe && units[0].complete, "{payloads:x?}");
        assert_eq!(units[0].data, annex_b(std::slice::from_ref(&slice)), "{payloads:x?}");
    }
    // A unit of nothing else is no unit and no loss.
    let (units, lost, malformed) = unit_of(&[&[0x6f, 1, 2], &[0x74, 1, 2]]);
    assert_eq!((units.len(), lost, malformed), (0, 0, 0));
}

/// After a loss a picture counts as whole if its first slice is there; a prefix in front of it does not hide that.
#[test]
fn a_prefix_does_not_hide_where_a_picture_starts() {
    let mut d = Depacketizer::new(limits());
    let packet = |sequence, timestamp, marker, payload: &[u8]| RtpPayload {
        sequence,
        timestamp,
        marker,
        payload: Bytes::copy_from_slice(payload),
    };
    let packets = [
        packet(0, 0, true, &[0x65, 0x88, 1]),
        // 1 is lost.
        packet(2, 3000, false, &[0x6e, 1, 2]),
        packet(3, 3000, true, &[0x65, 0x88, 2]),
    ];
    let (units, lost) = run(&mut d, &packets, Instant::now());
    assert_eq!((units.len(), lost), (2, 1));
    assert!(units[1].complete);
}
