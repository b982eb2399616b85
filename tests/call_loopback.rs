//! Real video over real UDP that loses packets on purpose: the picture comes back, and it is the right one.

mod call_support;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use call_support::PATIENCE;
use clearcall::call::{self, Impairment, Media, PeerConfig, PeerEvent};
use clearcall::codec::{Decoder, Encoder, EncoderConfig, H264Profile};
use clearcall::frame::{Colour, Frame, Size, Stamp};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

const SIDE: (usize, usize) = (320, 240);

/// A picture in which everything moves, the same for the same number.
fn picture(id: u64) -> Frame {
    let size = Size::new(SIDE.0 as u32, SIDE.1 as u32).unwrap();
    let mut frame = Frame::filled(size, [0, 128, 128], Colour::default(), Stamp::now(id));
    let shift = id as usize * 3;
    let [y, u, _] = frame.planes_mut();
    for row in 0..SIDE.1 {
        for (column, sample) in y.row_mut(row).iter_mut().enumerate() {
            let disc = (column + shift) % 120 < 40 && (row + shift / 2) % 90 < 40;
            *sample = (60 + (column + 2 * row + shift) / 8 % 90 + if disc { 80 } else { 0 }) as u8;
        }
    }
    for row in 0..SIDE.1 / 2 {
        for (column, sample) in u.row_mut(row).iter_mut().enumerate() {
            *sample = (100 + (column + shift / 2) / 4 % 50) as u8;
        }
    }
    frame
}

/// The mean difference of two lumas.
fn difference(a: &Frame, b: &Frame) -> f64 {
    let sum: u64 =
        a.y().rows().zip(b.y().rows()).flat_map(|(a, b)| a.iter().zip(b)).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
    sum as f64 / (SIDE.0 * SIDE.1) as f64
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_picture_comes_back_after_losses() {
    let (there, back) = (Arc::new(Impairment::new(2024)), Arc::new(Impairment::new(2025)));
    let (a, mut near_events) = mpsc::channel(512);
    let (b, mut far_events) = mpsc::channel(512);
    let config =
        |media, i: &Arc<Impairment>| PeerConfig { impairment: Some(Arc::clone(i)), ..PeerConfig::new(media, 400_000) };
    let (near, far) =
        call::loopback(config(Media::SendOnly, &there), config(Media::RecvOnly, &back), &Handle::current(), a, b)
            .await
            .unwrap();
    let size = picture(0).size();
    let mut encoder = Encoder::new(EncoderConfig {
        size,
        fps: 30.0,
        bitrate: 400_000,
        keyframe_interval: None,
        skip_frames: true,
        profile: H264Profile::High,
    })
    .unwrap();
    let mut decoder = Decoder::new().unwrap();
    let sender = near.sender();
    let log = sender.capture_log();
    let mut originals = HashMap::new();

    // A network that loses 8 % both ways; one that loses everything for two seconds; a good one, in which
    // all of that is repaired; and one that loses some packets for good.
    let mut frames = tokio::time::interval(Duration::from_millis(33));
    frames.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut id, mut keyframes) = (0_u64, 0);
    let (mut shown, mut damaged, mut gaps) = (0_u64, 0_u64, 0_u64);
    // Whole pictures in a row since the keyframe that followed the gap.
    let mut healed = None;
    let mut stats = call::NetStats::default();
    let mut open = false;
    let begun = Instant::now();
    while healed.is_none_or(|good| good < 20) {
        assert!(begun.elapsed() < PATIENCE * 2, "the picture has not come back: {shown} shown, {gaps} lost, {stats:?}");
        tokio::select! {
            _ = frames.tick(), if open => {
                match id {
                    0 => { there.set_loss(0.08); back.set_loss(0.08); }
                    90 => { there.set_loss(1.0); back.set_loss(1.0); }
                    150 => { there.set_loss(0.0); back.set_loss(0.0); }
                    200 => { there.set_loss(1.0); back.set_loss(1.0); }
                    // The far side cannot ask for what it misses until it has given it up.
                    203 => there.set_loss(0.0),
                    _ => {}
                }
                let frame = picture(id);
                if let Some(unit) = encoder.encode(&frame).unwrap() {
                    keyframes += u64::from(unit.keyframe);
                    sender.send(unit).unwrap();
                    originals.insert(id, frame);
                }
                id += 1;
            }
            event = near_events.recv() => match event.expect("near is alive") {
                PeerEvent::KeyframeWanted => { encoder.request_keyframe(); open = true; }
                PeerEvent::TargetBitrate(bitrate) => encoder.set_bitrate(bitrate).unwrap(),
                _ => {}
            },
            event = far_events.recv() => match event.expect("far is alive") {
                PeerEvent::Gap { packets } => {
                    gaps += packets;
                    back.set_loss(0.0);
                }
                PeerEvent::Stats(s) => stats = s,
                PeerEvent::Unit(unit) => {
                    let stamp = log.stamp(unit.rtp_timestamp).expect("a unit that was sent");
                    if unit.keyframe && gaps > 0 {
                        healed = healed.or(Some(0));
                    }
                    match decoder.decode(&unit.data, stamp) {
                        Ok(Some(decoded)) if !decoded.damaged => {
                            let stamp = decoded.frame.stamp;
                            let off = difference(&decoded.frame, &originals[&stamp.id]);
                            assert!(off < 8.0, "picture {} is off by {off}, though it is said to be whole", stamp.id);
                            shown += 1;
                            healed = healed.map(|good| good + 1);
                        }
                        Ok(Some(_)) | Err(_) => {
                            damaged += 1;
                            healed = healed.map(|_| 0);
                            far.request_keyframe();
                        }
                        Ok(None) => {}
                    }
                }
                _ => {}
            },
        }
    }
    let stats = call_support::wait_stats(&mut far_events, |s| s.packets_in >= stats.packets_in && s.plis_out > 0).await;
    println!(
        "{id} pictures, {} sent, {keyframes} keyframes, {shown} shown whole, {damaged} damaged, {gaps} packets given up; {stats:?}",
        originals.len()
    );
    assert!(stats.nacks_out > 0 && stats.repaired_in > 0, "losses were repaired: {stats:?}");
    assert!(gaps > 0 && damaged > 0, "what could not be repaired was seen: {gaps} packets, {damaged} pictures");
    assert!(keyframes >= 2, "a keyframe was sent because it was asked for");
    assert!(shown > id / 2, "{shown} of {id}");
}
