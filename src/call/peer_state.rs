//! What a peer's tasks and webrtc's handlers share.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use webrtc::media_stream::track_remote::TrackRemote;

use super::audio::AudioState;
use super::description::Negotiated;
use super::mailbox::EventMailbox;
use super::receive::ReceiveState;
use super::send::SendState;
use super::stats_interceptor::Counters;
use super::{EndReason, PeerEvent};

/// Where a peer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Life {
    New,
    Connected,
    /// Connected, but nothing has been heard for some seconds.
    Silent,
    Over(EndReason),
}

pub(super) struct PeerShared {
    pub(super) counters: Arc<Counters>,
    pub(super) sending: Arc<SendState>,
    pub(super) receiving: Arc<ReceiveState>,
    pub(super) audio: Arc<AudioState>,
    pub(super) mailbox: Arc<EventMailbox>,
    pub(super) events: mpsc::Sender<PeerEvent>,
    pub(super) life: watch::Sender<Life>,
    pub(super) gathered: watch::Sender<bool>,
    pub(super) receives: bool,
    /// What the two sides have agreed on, once they have.
    pub(super) negotiated: watch::Sender<Option<Negotiated>>,
    /// Who we are in RTCP.
    pub(super) ssrc: u32,
    /// The video that comes in.
    pub(super) incoming: Mutex<Option<Arc<dyn TrackRemote>>>,
    pub(super) tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl PeerShared {
    /// A task to be ended with the peer.
    pub(super) fn keep(&self, task: JoinHandle<()>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    /// The call is over; the first reason counts.
    pub(super) fn end(&self, reason: EndReason) {
        self.live_on(Life::Over(reason));
    }

    /// Goes on to another stage of life, unless it is over.
    pub(super) fn live_on(&self, next: Life) {
        self.life.send_if_modified(|life| {
            let changes = !matches!(life, Life::Over(_)) && *life != next;
            if changes {
                *life = next;
            }
            changes
        });
    }
}
