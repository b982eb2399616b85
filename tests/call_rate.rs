//! A line that is too narrow: the target comes down to what it carries, and goes up again when it widens.

mod call_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use call_support::{PATIENCE, unit};
use clearcall::call::{self, Impairment, Media, PeerConfig, PeerEvent};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_target_follows_the_line() {
    let line = Arc::new(Impairment::new(4).with_delay(Duration::from_millis(10), Duration::ZERO));
    let (a, mut near_events) = mpsc::channel(256);
    let (b, mut far_events) = mpsc::channel(256);
    let near = PeerConfig { impairment: Some(Arc::clone(&line)), ..PeerConfig::new(Media::SendOnly, 400_000) };
    let far = PeerConfig::new(Media::RecvOnly, 400_000);
    let (near, _far) = call::loopback(near, far, &Handle::current(), a, b).await.unwrap();
    let sender = near.sender();
    let mut frames = tokio::time::interval(Duration::from_millis(33));
    let (mut id, mut wanted, mut open) = (0, true, false);
    let mut target = 400_000;
    let mut course = Vec::new();
    let begun = Instant::now();
    let mut turned = begun;
    // Wide for two seconds' worth of frames, narrow until the target is low, wide until it is high.
    let mut narrowed = false;
    loop {
        assert!(turned.elapsed() < PATIENCE, "the target did not follow: {course:?}");
        tokio::select! {
            _ = frames.tick(), if open => {
                if id == 60 {
                    line.set_rate(Some(200_000));
                    (narrowed, turned) = (true, Instant::now());
                }
                let size = target as usize / 8 / 30;
                let _ = sender.send(unit(id, std::mem::take(&mut wanted), size));
                id += 1;
            }
            event = near_events.recv() => match event.expect("near is alive") {
                PeerEvent::KeyframeWanted => (open, wanted) = (true, true),
                PeerEvent::TargetBitrate(bitrate) => {
                    target = bitrate;
                    course.push((begun.elapsed().as_millis(), bitrate));
                    if narrowed && bitrate < 190_000 {
                        line.set_rate(None);
                        (narrowed, turned) = (false, Instant::now());
                    } else if !narrowed && line.rate().is_none() && id > 60 && bitrate > 360_000 {
                        break;
                    }
                }
                _ => {}
            },
            event = far_events.recv() => assert!(event.is_some()),
        }
    }
    println!("target over time (ms, bit/s): {course:?}; {:?}", line.counts());
    assert!(course.iter().all(|(_, t)| (60_000..=400_000).contains(t)));
}
