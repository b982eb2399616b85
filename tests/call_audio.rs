//! Sound between two peers over real UDP: negotiated with and without video, carried whole, and reported on.

mod call_support;

use std::time::{Duration, Instant};

use call_support::{PATIENCE, unit, wait_for, wait_unit};
use clearcall::call::{self, AudioPacket, Media, Peer, PeerConfig, PeerEvent, ReceivedAudio, SendError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

fn config(video: Media, audio: Media) -> PeerConfig {
    PeerConfig { audio, ..PeerConfig::new(video, 300_000) }
}

/// A packet that says its number.
fn packet(n: u32, captured: Instant) -> AudioPacket {
    AudioPacket { payload: format!("opus {n}").into_bytes(), timestamp: n * 960, captured, begins: n == 0 }
}

async fn wait_audio(events: &mut mpsc::Receiver<PeerEvent>) -> ReceivedAudio {
    wait_for(events, "sound", |event| match event {
        PeerEvent::Audio(audio) => Some(audio),
        _ => None,
    })
    .await
}

/// Sends a packet every 20 ms until `done`.
async fn talk(near: &Peer, mut done: impl FnMut() -> bool) {
    let (sender, begun) = (near.audio_sender(), Instant::now());
    let mut n = 0;
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "talked for {PATIENCE:?}");
        match sender.send(packet(n, Instant::now())) {
            Ok(()) => n += 1,
            Err(SendError::NotConnected) => {}
            Err(error) => panic!("{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_goes_both_ways_beside_the_video_and_both_are_on_one_clock() {
    let (a, mut near_events) = mpsc::channel(512);
    let (b, mut far_events) = mpsc::channel(512);
    let both = || config(Media::SendRecv, Media::SendRecv);
    let (near, far) = call::loopback(both(), both(), &Handle::current(), a, b).await.unwrap();
    assert_eq!(near.audio_direction(), Some(Media::SendRecv));
    assert_eq!(far.audio_direction(), Some(Media::SendRecv));

    // A picture and a sound of one moment, again and again, until the reports have told how they belong together.
    let begun = Instant::now();
    let (mut sound, mut picture, mut id, mut far_id) = (None, None, 0_u32, 0_u32);
    while sound.is_none() || picture.is_none() {
        assert!(begun.elapsed() < PATIENCE, "no report has come");
        let captured = Instant::now();
        let mut video = unit(id.into(), id == 0, 200);
        video.stamp.captured = captured;
        let sent = near.sender().send(video).is_ok() & near.audio_sender().send(packet(id, captured)).is_ok();
        far_id += u32::from(far.audio_sender().send(packet(far_id, captured)).is_ok());
        id += u32::from(sent);
        tokio::time::sleep(Duration::from_millis(20)).await;
        while let Ok(event) = far_events.try_recv() {
            match event {
                PeerEvent::Unit(unit) => {
                    let id: u32 = String::from_utf8_lossy(&unit.data[unit.data.len() - 208..][..8]).parse().unwrap();
                    picture = unit.sender_time.map(|time| (id, time)).or(picture);
                }
                PeerEvent::Audio(audio) => {
                    let n: u32 = String::from_utf8_lossy(&audio.payload[5..]).parse().unwrap();
                    sound = audio.sender_time.map(|time| (n, time)).or(sound);
                }
                _ => {}
            }
        }
    }
    let ((n, heard), (id, seen)) = (sound.unwrap(), picture.unwrap());
    // Timestamps of sound count samples, 20 ms a packet; what is 20 ms apart by the clock is a little more by sleeping.
    let apart = heard.as_secs_f64() - seen.as_secs_f64() - (f64::from(n) - f64::from(id)) * 0.02;
    assert!(apart.abs() < 0.5, "{apart} s between what was captured at once");

    let first = wait_audio(&mut near_events).await;
    let second = wait_audio(&mut near_events).await;
    assert_eq!(second.sequence, first.sequence.wrapping_add(1));
    assert_eq!(second.rtp_timestamp.wrapping_sub(first.rtp_timestamp), 960);
    assert!(first.payload.starts_with(b"opus "));
    near.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_far_side_reports_what_it_misses() {
    let (a, _near_events) = mpsc::channel(512);
    let (b, mut far_events) = mpsc::channel(512);
    let (near, far) = call::loopback(
        config(Media::SendOnly, Media::SendOnly),
        config(Media::RecvOnly, Media::RecvOnly),
        &Handle::current(),
        a,
        b,
    )
    .await
    .unwrap();
    let drain = tokio::spawn(async move { while far_events.recv().await.is_some() {} });
    let sender = near.audio_sender();
    talk(&near, || sender.stats().loss_out.is_some()).await;
    let stats = sender.stats();
    assert!(stats.packets_out > 10 && stats.bytes_out > stats.packets_out * 12, "{stats:?}");
    assert_eq!(stats.loss_out, Some(0.0));
    assert_eq!(far.audio_sender().send(packet(0, Instant::now())), Err(SendError::Closed), "it only listens");
    near.close().await;
    far.close().await;
    drain.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_far_side_without_sound_gets_the_video_and_no_sound() {
    for (ours, theirs) in [(Media::SendRecv, Media::Inactive), (Media::Inactive, Media::SendRecv)] {
        let (a, _near_events) = mpsc::channel(512);
        let (b, mut far_events) = mpsc::channel(512);
        let (near, far) =
            call::loopback(config(Media::SendOnly, ours), config(Media::RecvOnly, theirs), &Handle::current(), a, b)
                .await
                .unwrap();
        assert_eq!(near.audio_direction(), Some(Media::Inactive));
        assert_eq!(far.audio_direction(), Some(Media::Inactive));
        let begun = Instant::now();
        while near.sender().send(unit(0, true, 100)).is_err() {
            assert!(begun.elapsed() < PATIENCE, "it is not sent");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        wait_unit(&mut far_events).await;
        assert!(near.audio_sender().send(packet(0, Instant::now())).is_err());
        near.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_sides_without_video_talk() {
    let (a, _near_events) = mpsc::channel(512);
    let (b, mut far_events) = mpsc::channel(512);
    // The offer is that of a far side that has nothing but a microphone, as a browser writes it without a camera.
    let near = Peer::new(config(Media::SendRecv, Media::SendRecv), &Handle::current(), a).await.unwrap();
    let far = Peer::new(config(Media::SendRecv, Media::SendRecv), &Handle::current(), b).await.unwrap();
    let offer = without_video(&near.offer().await.unwrap());
    let answer = far.answer(&offer).await.unwrap();
    assert!(!answer.contains("m=video") && answer.contains("m=audio 9 "), "{answer}");
    assert_eq!(far.direction(), Some(Media::Inactive));
    assert_eq!(far.audio_direction(), Some(Media::SendRecv));
    // For the side that has offered both, the answer refuses the video.
    near.accept_answer(&with_video_refused(&answer)).await.unwrap();
    near.connected(PATIENCE).await.unwrap();
    far.connected(PATIENCE).await.unwrap();
    let mut heard = false;
    talk(&near, || {
        while let Ok(event) = far_events.try_recv() {
            heard |= matches!(event, PeerEvent::Audio(_));
        }
        heard
    })
    .await;
    assert!(near.sender().send(unit(0, true, 100)).is_err(), "nobody takes video");
    near.close().await;
}

/// The lines of a description, by its sections.
fn sections(description: &str) -> Vec<Vec<&str>> {
    let mut sections: Vec<Vec<&str>> = vec![Vec::new()];
    for line in description.lines() {
        if line.starts_with("m=") {
            sections.push(Vec::new());
        }
        if let Some(section) = sections.last_mut() {
            section.push(line);
        }
    }
    sections
}

fn without_video(offer: &str) -> String {
    let parts = sections(offer);
    let kept = parts.iter().filter(|section| !section[0].starts_with("m=video"));
    let text: Vec<String> = kept.flatten().map(|line| (*line).replace("BUNDLE 0 audio", "BUNDLE audio")).collect();
    text.join("\r\n") + "\r\n"
}

fn with_video_refused(answer: &str) -> String {
    let parts = sections(answer);
    let refused = ["m=video 0 UDP/TLS/RTP/SAVPF 102", "c=IN IP4 0.0.0.0", "a=inactive", "a=mid:0"];
    let mut lines = parts[0].clone();
    lines.extend(refused);
    lines.extend(parts[1..].iter().flatten());
    lines.join("\r\n") + "\r\n"
}
