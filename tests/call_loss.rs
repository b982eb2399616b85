//! A network that loses, delays and mixes packets: repair by retransmission, and by a keyframe where that
//! cannot help.

mod call_support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use call_support::{PATIENCE, is_keyframe_wanted, unit, wait_for, wait_unit};
use clearcall::call::{self, Impairment, Media, NetStats, Peer, PeerConfig, PeerEvent};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

struct Pair {
    near: Peer,
    far: Peer,
    near_events: mpsc::Receiver<PeerEvent>,
    far_events: mpsc::Receiver<PeerEvent>,
}

/// `near` sends to `far`, each through its own bad network.
async fn pair(near: &Arc<Impairment>, far: &Arc<Impairment>) -> Pair {
    let (a, near_events) = mpsc::channel(512);
    let (b, far_events) = mpsc::channel(512);
    let config = |media, impairment: &Arc<Impairment>| PeerConfig {
        impairment: Some(Arc::clone(impairment)),
        ..PeerConfig::new(media, 600_000)
    };
    let (near, far) =
        call::loopback(config(Media::SendOnly, near), config(Media::RecvOnly, far), &Handle::current(), a, b)
            .await
            .unwrap();
    let mut pair = Pair { near, far, near_events, far_events };
    wait_for(&mut pair.near_events, "wish for a first keyframe", |e| is_keyframe_wanted(&e)).await;
    pair
}

/// Sends `count` units at 30 a second, with a keyframe whenever one is wanted, and says what became of them.
async fn exchange(pair: &mut Pair, count: u64) -> (Vec<(u64, bool)>, NetStats, NetStats) {
    let sender = pair.near.sender();
    let log = sender.capture_log();
    let mut frames = tokio::time::interval(Duration::from_millis(33));
    let (mut sent, mut wanted) = (0, true);
    let mut got = Vec::new();
    let (mut near_stats, mut far_stats) = (NetStats::default(), NetStats::default());
    // Ends when the last unit has had time to be repaired, or given up.
    let mut quiet = 0;
    let begun = Instant::now();
    while quiet < 4 {
        assert!(begun.elapsed() < PATIENCE * 2);
        tokio::select! {
            _ = frames.tick(), if sent < count => {
                let unit = unit(sent, std::mem::take(&mut wanted), if sent % 4 == 0 { 4000 } else { 1500 });
                sender.send(unit).unwrap();
                sent += 1;
            }
            event = pair.near_events.recv() => match event.expect("near is alive") {
                PeerEvent::KeyframeWanted => wanted = true,
                PeerEvent::Stats(stats) => near_stats = stats,
                _ => {}
            },
            event = pair.far_events.recv() => match event.expect("far is alive") {
                PeerEvent::Unit(unit) => {
                    let id = log.stamp(unit.rtp_timestamp).expect("a unit that was sent").id;
                    assert!(!unit.complete || unit.data == call_support::unit(id, unit.keyframe, unit.data.len() - body_at(&unit.data)).data);
                    got.push((id, unit.complete));
                }
                PeerEvent::Stats(stats) => {
                    quiet = if sent == count { quiet + 1 } else { 0 };
                    far_stats = stats;
                }
                _ => {}
            },
        }
    }
    (got, near_stats, far_stats)
}

/// Where the known bytes of a test's unit start.
fn body_at(data: &[u8]) -> usize {
    let slice = if data[4] == 0x67 { 17 } else { 0 };
    slice + 4 + 2 + 8
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn losses_are_repaired() {
    for (loss, least) in [(0.0, 1.0), (0.02, 0.97), (0.1, 0.9)] {
        let bad = Arc::new(Impairment::new(11).with_loss(loss).with_delay(Duration::from_millis(10), Duration::ZERO));
        let good = Arc::new(Impairment::new(12).with_delay(Duration::from_millis(10), Duration::ZERO));
        let mut pair = pair(&bad, &good).await;
        let (got, near, far) = exchange(&mut pair, 150).await;
        let whole = got.iter().filter(|(_, complete)| *complete).count();
        println!(
            "loss {:>4.1} %: {whole} of 150 units whole, {} packets missed, {} asked for again in {} requests' numbers, \
             {} repaired, {} given up, keyframes asked for {}, loss seen by the sender {:?}, rtt {:?}",
            loss * 100.0,
            far.missed_in,
            far.missed_in,
            far.nacks_out,
            far.repaired_in,
            far.lost_in,
            far.plis_out,
            near.loss_out,
            near.rtt,
        );
        assert!(whole as f64 >= least * 150.0, "{whole} of 150 at {loss}: {far:?}");
        assert!(got.windows(2).all(|w| w[0].0 < w[1].0), "in order, none twice");
        if loss > 0.0 {
            assert!(bad.counts().lost > 0 && far.repaired_in > 0 && near.repeated_out > 0);
        } else {
            assert_eq!((far.missed_in, far.lost_in, near.repeated_out), (0, 0, 0));
        }
        assert!(near.rtt.is_some_and(|r| r >= Duration::from_millis(15)), "{near:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn packets_in_another_order_are_put_right() {
    let mixed = Arc::new(Impairment::new(5).with_delay(Duration::from_millis(5), Duration::from_millis(30)));
    let good = Arc::new(Impairment::new(6));
    let mut pair = pair(&mixed, &good).await;
    let (got, _, far) = exchange(&mut pair, 90).await;
    println!("{} whole, asked again for {} packets that were only late", got.len(), far.nacks_out);
    assert_eq!(got, (0..90).map(|id| (id, true)).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_repair_fails_a_keyframe_is_asked_for_until_it_comes() {
    let (there, back) = (Arc::new(Impairment::new(1)), Arc::new(Impairment::new(2)));
    let mut pair = pair(&there, &back).await;
    let sender = pair.near.sender();
    sender.send(unit(0, true, 500)).unwrap();
    assert!(wait_unit(&mut pair.far_events).await.keyframe);
    // Unit 1 is lost, and so is everything that the far side says about it.
    back.set_loss(1.0);
    there.set_loss(1.0);
    let lost = there.counts().lost;
    sender.send(unit(1, false, 500)).unwrap();
    let begun = Instant::now();
    while there.counts().lost == lost {
        assert!(begun.elapsed() < PATIENCE);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    there.set_loss(0.0);
    sender.send(unit(2, false, 500)).unwrap();
    let packets = wait_for(&mut pair.far_events, "gap", |e| match e {
        PeerEvent::Gap { packets } => Some(packets),
        _ => None,
    })
    .await;
    assert!(packets >= 1);
    // The first request was lost; a later one is not.
    back.set_loss(0.0);
    wait_for(&mut pair.near_events, "wish for a keyframe", |e| is_keyframe_wanted(&e)).await;
    sender.send(unit(3, true, 500)).unwrap();
    let healed = wait_for(&mut pair.far_events, "keyframe", |e| match e {
        PeerEvent::Unit(unit) if unit.keyframe => Some(unit),
        _ => None,
    })
    .await;
    assert!(healed.complete);
    let stats = call_support::wait_stats(&mut pair.far_events, |s| s.plis_out >= 1).await;
    println!("{} keyframe requests until one came through", stats.plis_out);
    drop(pair.far);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_who_takes_the_units_costs_units_and_not_memory() {
    let good = Arc::new(Impairment::new(1));
    let (a, mut near_events) = mpsc::channel(64);
    let (b, mut far_events) = mpsc::channel(4);
    let config = |media| PeerConfig { impairment: Some(Arc::clone(&good)), ..PeerConfig::new(media, 600_000) };
    let (near, _far) =
        call::loopback(config(Media::SendOnly), config(Media::RecvOnly), &Handle::current(), a, b).await.unwrap();
    wait_for(&mut near_events, "wish for a first keyframe", |e| is_keyframe_wanted(&e)).await;
    for id in 0..30 {
        near.sender().send(unit(id, id == 0, 800)).unwrap();
    }
    // The events are full; what does not fit asks for a keyframe, which the near side hears of.
    wait_for(&mut near_events, "wish for a keyframe", |e| is_keyframe_wanted(&e)).await;
    let stats = call_support::wait_stats(&mut far_events, |s| s.units_overrun > 0).await;
    assert!(stats.units_overrun <= 30, "{stats:?}");
}
