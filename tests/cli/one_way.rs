//! Calls in which one side only watches or only sends, as browsers, cameras and streaming programs make them: calls
//! like any other. The other side is a peer in the test.

use std::time::{Duration, Instant};

use clearcall::{
    call::{Media, Peer, PeerConfig, PeerEvent, SendError, signal},
    codec::{Encoder, EncoderConfig, H264Profile},
    frame::{Size, Stamp},
    source::scene::Scene,
};
use serde_json::Value;
use tokio::{runtime::Runtime, sync::mpsc};

use crate::run::{Ran, Room, Running, started};

const HOST: [&str; 14] = [
    "host",
    "--listen",
    "127.0.0.1:0",
    "--headless",
    "--source",
    "scene",
    "--size",
    "160x120",
    "--fps",
    "15",
    "--engine",
    "cpu",
    "--seconds",
    "3",
];

fn host(json: &str) -> (Running, String) {
    let host = started(&[&HOST[..], &["--model", "nano", "--report", json]].concat());
    let line = host.line_with("http://");
    let link = line.split(['\'', ' ']).find(|word| word.starts_with("http://")).unwrap().to_owned();
    (host, link)
}

/// A call to a host by a peer that does `media`, until the host ends it.
fn called(media: Media, room: &Room) -> (Ran, Value) {
    let json = room.at("r.json");
    let (host, link) = host(&json);
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let (sender, mut events) = mpsc::channel(256);
        let peer = Peer::new(PeerConfig::new(media, 300_000), runtime.handle(), sender).await.unwrap();
        let joined = signal::join(&link, &peer.offer().await.unwrap(), None).await.unwrap();
        peer.accept_answer(&joined.answer).await.unwrap();
        let size = Size::new(160, 120).unwrap();
        let config = EncoderConfig {
            size,
            fps: 15.0,
            bitrate: 200_000,
            keyframe_interval: None,
            skip_frames: false,
            profile: H264Profile::High,
        };
        let (mut encoder, scene) = (Encoder::new(config).unwrap(), Scene::new(size, 15.0).unwrap());
        let mut tick = tokio::time::interval(Duration::from_millis(66));
        for id in 0.. {
            tokio::select! {
                event = events.recv() => match event {
                    Some(PeerEvent::Ended(_)) | None => break,
                    Some(PeerEvent::KeyframeWanted) => encoder.request_keyframe(),
                    Some(_) => {}
                },
                _ = tick.tick() => {
                    let picture = scene.draw(id).with_stamp(Stamp { id, captured: Instant::now() });
                    let unit = encoder.encode(&picture).unwrap().unwrap();
                    let sent = peer.sender().send(unit);
                    assert!(media.sends() || sent == Err(SendError::Closed), "{sent:?}");
                }
            }
        }
        peer.close().await;
    });
    let ran = host.wait().ok();
    let report = serde_json::from_slice(&std::fs::read(json).unwrap()).unwrap();
    (ran, report)
}

fn count(report: &Value, pointer: &str) -> u64 {
    report.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("{pointer} in {report}"))
}

#[test]
fn to_be_watched_only_is_a_call() {
    let room = Room::new();
    let (ran, report) = called(Media::RecvOnly, &room);
    assert_eq!(report["direction"], "sendonly");
    assert!(count(&report, "/frames/sent") > 0 && count(&report, "/frames/shown") == 0, "{report}");
    assert!(report["qp"].is_null() && report["received_size"].is_null(), "{report}");
    assert!(ran.out.contains("the other side sends none") && !ran.out.contains("QP"), "{}", ran.out);
}

#[test]
fn to_watch_only_is_a_call() {
    let room = Room::new();
    let (ran, report) = called(Media::SendOnly, &room);
    assert_eq!(report["direction"], "recvonly");
    assert!(count(&report, "/frames/sent") == 0 && count(&report, "/frames/shown") > 0, "{report}");
    assert!(count(&report, "/network/packets_out") == 0, "nothing is sent to who takes nothing: {report}");
    assert!(report["qp"].as_f64().is_some_and(|qp| qp > 0.0) && report["sent_size"].is_null(), "{report}");
    assert!(ran.out.contains("none is sent") && !ran.out.contains("-0.0"), "{}", ran.out);
}

#[test]
fn a_refused_offer_is_explained_to_both() {
    let room = Room::new();
    let (host, link) = host(&room.at("r.json"));
    let runtime = Runtime::new().unwrap();
    let refused = runtime.block_on(async {
        let (sender, _events) = mpsc::channel(16);
        let peer = Peer::new(PeerConfig::default(), runtime.handle(), sender).await.unwrap();
        let offer = peer.offer().await.unwrap().replace("H264", "VP8");
        signal::join(&link, &offer, None).await.unwrap_err().to_string()
    });
    assert!(refused.contains("no H.264, only VP8"), "{refused}");
    host.line_with("no H.264, only VP8");
    host.kill();
}
