//! What the tests of the call share: units made of known bytes, and waiting for events.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]

use std::time::{Duration, Instant};

use clearcall::call::{NetStats, PeerEvent, ReceivedUnit};
use clearcall::codec::AccessUnit;
use clearcall::frame::Stamp;
use tokio::sync::mpsc;

/// Long enough for a machine that is busy with other things; no test waits for it when all is well.
pub const PATIENCE: Duration = Duration::from_secs(40);

/// A stand-in for a picture: parameter sets before an IDR slice, or a predicted slice; its number is in
/// its bytes, and no start code is.
pub fn unit(id: u64, keyframe: bool, size: usize) -> AccessUnit {
    let mut data = Vec::new();
    if keyframe {
        data.extend([0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f, 0x95, 0, 0, 0, 1, 0x68, 0xce, 0x3c, 0x80]);
    }
    data.extend([0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }, 0x80 | 0x1a]);
    data.extend(format!("{id:08}").bytes());
    data.extend((0..size).map(|i| ((i as u64 * 7 + id) % 251) as u8 + 2));
    AccessUnit { data, keyframe, stamp: Stamp { id, captured: Instant::now() } }
}

/// The next event that `pick` takes; others are dropped.
pub async fn wait_for<T>(
    events: &mut mpsc::Receiver<PeerEvent>,
    what: &str,
    mut pick: impl FnMut(PeerEvent) -> Option<T>,
) -> T {
    let found = tokio::time::timeout(PATIENCE, async {
        loop {
            let event = events.recv().await.unwrap_or_else(|| panic!("the events ended before {what}"));
            if let Some(found) = pick(event) {
                return found;
            }
        }
    });
    found.await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"))
}

pub async fn wait_unit(events: &mut mpsc::Receiver<PeerEvent>) -> ReceivedUnit {
    wait_for(events, "unit", |e| match e {
        PeerEvent::Unit(unit) => Some(unit),
        _ => None,
    })
    .await
}

pub async fn wait_stats(events: &mut mpsc::Receiver<PeerEvent>, enough: impl Fn(&NetStats) -> bool) -> NetStats {
    wait_for(events, "statistics", |e| match e {
        PeerEvent::Stats(stats) if enough(&stats) => Some(stats),
        _ => None,
    })
    .await
}

pub fn is_keyframe_wanted(event: &PeerEvent) -> Option<()> {
    matches!(event, PeerEvent::KeyframeWanted).then_some(())
}
