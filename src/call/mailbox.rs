//! What a peer has to say, on its way to the application.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::{EndReason, NetStats, PeerEvent};

/// What waits to be taken by the application: one of each kind, so that it is bounded.
#[derive(Debug, Default)]
pub(super) struct EventMailbox {
    pending: Mutex<PendingEvents>,
    filled: Notify,
}

#[derive(Debug, Default)]
pub(super) struct PendingEvents {
    pub(super) connected: Option<(Option<SocketAddr>, Option<SocketAddr>)>,
    pub(super) keyframe: bool,
    pub(super) gap: Option<u64>,
    pub(super) target: Option<u32>,
    pub(super) stats: Option<NetStats>,
    /// Whether the far side is heard, where that has changed.
    pub(super) heard: Option<bool>,
    pub(super) over: Option<EndReason>,
}

impl EventMailbox {
    /// Changes what waits.
    pub(super) fn put(&self, write: impl FnOnce(&mut PendingEvents)) {
        write(&mut self.pending.lock().unwrap_or_else(PoisonError::into_inner));
        self.filled.notify_one();
    }

    /// Packets are lost.
    pub(super) fn gap(&self, packets: u64) {
        self.put(|l| l.gap = Some(l.gap.unwrap_or(0) + packets));
    }

    fn take(&self) -> Option<PeerEvent> {
        let mut l = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((local, remote)) = l.connected.take() {
            return Some(PeerEvent::Connected { local, remote });
        }
        if std::mem::take(&mut l.keyframe) {
            return Some(PeerEvent::KeyframeWanted);
        }
        if let Some(heard) = l.heard.take() {
            return Some(if heard { PeerEvent::Heard } else { PeerEvent::Silent });
        }
        None.or_else(|| l.gap.take().map(|packets| PeerEvent::Gap { packets }))
            .or_else(|| l.target.take().map(PeerEvent::TargetBitrate))
            .or_else(|| l.stats.take().map(PeerEvent::Stats))
            .or_else(|| l.over.take().map(PeerEvent::Ended))
    }

    /// Hands over what there is, until nobody takes it any more.
    pub(super) async fn deliver(self: Arc<Self>, events: mpsc::Sender<PeerEvent>) {
        loop {
            while let Some(event) = self.take() {
                if events.send(event).await.is_err() {
                    return;
                }
            }
            self.filled.notified().await;
        }
    }
}
