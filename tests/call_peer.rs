//! Two peers over real UDP on 127.0.0.1: both directions, offers both ways round, hanging up.

mod call_support;

use std::time::{Duration, Instant};

use call_support::{unit, wait_for, wait_stats, wait_unit};
use clearcall::call::{self, CallError, Media, Peer, PeerConfig, PeerEvent, SendError};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn units_arrive_whole_in_both_directions() {
    let (a_events, mut a) = mpsc::channel(256);
    let (b_events, mut b) = mpsc::channel(256);
    let begun = Instant::now();
    let config = || PeerConfig::new(Media::SendRecv, 300_000);
    let (near, far) = call::loopback(config(), config(), &Handle::current(), a_events, b_events).await.unwrap();
    println!("connected in {:?}", begun.elapsed());
    for events in [&mut a, &mut b] {
        let (local, remote) = wait_for(events, "connection", |e| match e {
            PeerEvent::Connected { local, remote } => Some((local, remote)),
            _ => None,
        })
        .await;
        assert!(local.is_some_and(|a| a.ip().is_loopback()), "{local:?}");
        assert!(remote.is_some_and(|a| a.ip().is_loopback()), "{remote:?}");
        wait_for(events, "wish for a first keyframe", |e| matches!(e, PeerEvent::KeyframeWanted).then_some(())).await;
    }
    let (near_sender, far_sender) = (near.sender(), far.sender());
    for id in 0..30 {
        // Small ones, and ones of several packets.
        let size = if id % 3 == 0 { 9000 } else { 300 };
        let (to_far, to_near) = (unit(id, id == 0, size), unit(1000 + id, id == 0, size));
        near_sender.send(to_far.clone()).unwrap();
        far_sender.send(to_near.clone()).unwrap();
        for (events, sent, log) in
            [(&mut b, &to_far, near_sender.capture_log()), (&mut a, &to_near, far_sender.capture_log())]
        {
            let got = wait_unit(events).await;
            assert_eq!(got.data, sent.data, "unit {id}");
            assert_eq!((got.keyframe, got.complete), (id == 0, true));
            assert_eq!(log.stamp(got.rtp_timestamp), Some(sent.stamp), "the capture time can be looked up");
        }
    }
    let stats = wait_stats(&mut a, |s| s.rtt.is_some() && s.units_in == 30).await;
    assert_eq!((stats.lost_in, stats.units_damaged, stats.units_overrun, stats.units_refused), (0, 0, 0, 0));
    assert!(stats.rtt.unwrap() < Duration::from_secs(1), "{stats:?}");
    drop(far);
    let why = wait_for(&mut a, "end of the call", |e| match e {
        PeerEvent::Ended(reason) => Some(reason),
        _ => None,
    })
    .await;
    println!("the far side left: {why}");
    assert_eq!(near_sender.send(unit(99, true, 10)), Err(SendError::NotConnected));
    drop(near);
    assert!(b.recv().await.is_none_or(|_| true));
    while b.recv().await.is_some() {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_way_calls_connect_whoever_offers() {
    for (offering, answering) in [
        (Media::SendOnly, Media::RecvOnly),
        (Media::RecvOnly, Media::SendOnly),
        (Media::SendRecv, Media::RecvOnly),
        (Media::RecvOnly, Media::SendRecv),
    ] {
        let (a_events, mut a) = mpsc::channel(64);
        let (b_events, mut b) = mpsc::channel(64);
        let config = |media| PeerConfig::new(media, 300_000);
        let connected =
            call::loopback(config(offering), config(answering), &Handle::current(), a_events, b_events).await;
        let (near, far) = connected.unwrap_or_else(|e| panic!("{offering:?} to {answering:?}: {e}"));
        let (from, to) = if offering.sends() { (&near, &mut b) } else { (&far, &mut a) };
        let silent = if offering.sends() { &far } else { &near };
        assert_eq!(silent.sender().send(unit(0, true, 10)), Err(SendError::Closed));
        let sent = unit(1, true, 3000);
        // The sender opens a moment after the connection does.
        let begun = Instant::now();
        while from.sender().send(sent.clone()) == Err(SendError::NotConnected) {
            assert!(begun.elapsed() < call_support::PATIENCE);
            tokio::task::yield_now().await;
        }
        assert_eq!(wait_unit(to).await.data, sent.data, "{offering:?} to {answering:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_for_a_keyframe_reaches_the_sender() {
    let (a_events, mut a) = mpsc::channel(64);
    let (b_events, mut b) = mpsc::channel(64);
    let config = |media| PeerConfig::new(media, 300_000);
    let (near, far) =
        call::loopback(config(Media::SendOnly), config(Media::RecvOnly), &Handle::current(), a_events, b_events)
            .await
            .unwrap();
    wait_for(&mut a, "wish for a first keyframe", |e| call_support::is_keyframe_wanted(&e)).await;
    near.sender().send(unit(0, true, 100)).unwrap();
    wait_unit(&mut b).await;
    far.request_keyframe();
    wait_for(&mut a, "wish for a keyframe", |e| call_support::is_keyframe_wanted(&e)).await;
    near.sender().send(unit(1, true, 100)).unwrap();
    assert!(wait_unit(&mut b).await.keyframe);
    let stats = wait_stats(&mut a, |s| s.plis_in > 0).await;
    println!("{} requests", stats.plis_in);
}

/// 100 kB at the pacer's 4 Mbit/s are a fifth of a second, whatever takes longer still.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sending_lasts_until_the_last_packet_has_left() {
    let (a_events, mut a) = mpsc::channel(64);
    let (b_events, mut b) = mpsc::channel(64);
    let config = |media| PeerConfig::new(media, 300_000);
    let (near, _far) =
        call::loopback(config(Media::SendOnly), config(Media::RecvOnly), &Handle::current(), a_events, b_events)
            .await
            .unwrap();
    wait_for(&mut a, "wish for a first keyframe", |e| call_support::is_keyframe_wanted(&e)).await;
    let (tell, mut told) = mpsc::channel(8);
    for (id, size) in [(0, 100_000), (1, 100)] {
        let tell = tell.clone();
        let sent = move |took| tell.try_send((id, took)).unwrap();
        near.sender().send_then(unit(id, id == 0, size), sent).unwrap();
        wait_unit(&mut b).await;
    }
    let (first, second) = (told.recv().await.unwrap(), told.recv().await.unwrap());
    assert!(first.0 == 0 && first.1 > Duration::from_millis(150), "{first:?}");
    assert!(second.0 == 1 && second.1 > Duration::ZERO, "{second:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_a_description_is_refused_with_a_reason() {
    let (events, _a) = mpsc::channel(64);
    let peer = Peer::new(PeerConfig::default(), &Handle::current(), events).await.unwrap();
    let long = format!("v=0\r\n{}", "a=x\r\n".repeat(20_000));
    for (offer, reason) in [
        ("", "SDP starts with v=0"),
        ("hello", "SDP starts with v=0"),
        ("v=0\r\n", "no video"),
        (long.as_str(), "bytes long"),
        ("v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n", "no H.264"),
        ("v=0\r\nm=video \u{7f}\u{0} h264/90000", "offer"),
    ] {
        let error = peer.answer(offer).await.unwrap_err().to_string();
        assert!(error.contains(reason), "{offer:.40?}: {error}");
    }
    assert!(matches!(peer.accept_answer("no").await, Err(CallError::Description { what: "answer", .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_addresses_of_this_machine_are_offered_and_connect() {
    let (a_events, mut a) = mpsc::channel(64);
    let (b_events, _b) = mpsc::channel(64);
    let bind = call::media_addresses("0.0.0.0:8080".parse().unwrap());
    let config = || PeerConfig { bind: bind.clone(), ..PeerConfig::default() };
    let (_near, _far) = call::loopback(config(), config(), &Handle::current(), a_events, b_events).await.unwrap();
    let local = wait_for(&mut a, "connection", |e| match e {
        PeerEvent::Connected { local, .. } => local,
        _ => None,
    })
    .await;
    println!("connected over {local}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_address_of_another_machine_cannot_be_bound() {
    let (events, _a) = mpsc::channel(64);
    let config = PeerConfig { bind: vec!["192.0.2.1:0".parse().unwrap()], ..PeerConfig::default() };
    let error = Peer::new(config, &Handle::current(), events).await.unwrap_err();
    assert!(error.to_string().contains("192.0.2.1:0"), "{error}");
}

#[test]
fn a_peer_can_be_dropped_anywhere() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let (events, mut a) = mpsc::channel(64);
    let peer = runtime.block_on(Peer::new(PeerConfig::default(), runtime.handle(), events)).unwrap();
    drop(peer); // on a thread without a runtime
    assert!(a.blocking_recv().is_none_or(|e| matches!(e, PeerEvent::Ended(_))));
    assert!(a.blocking_recv().is_none(), "all tasks have ended");
    let (events, _a) = mpsc::channel(64);
    runtime.block_on(async { drop(Peer::new(PeerConfig::default(), &Handle::current(), events).await.unwrap()) });
}
