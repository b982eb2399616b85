//! The receiving half of a peer: RTP packets in, units and requests for keyframes out.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use tokio::sync::{Notify, mpsc, watch};
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};

use super::depacketize::{Depacketizer, Limits, Output, RtpPayload, Unit};
use super::description::Negotiated;
use super::mailbox::EventMailbox;
use super::recover::Recovery;
use super::send::VIDEO_CLOCK;
use super::stats_interceptor::Counters;
use super::{PeerEvent, ReceivedUnit};
use crate::codec::nal::{NalKind, nal_units};

/// What the receiving half shares with the peer.
#[derive(Debug, Default)]
pub(super) struct ReceiveState {
    pub(super) units: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) overrun: AtomicU64,
    pub(super) lost: AtomicU64,
    pub(super) keyframe_request: AtomicBool,
    pub(super) wake: Notify,
}

/// How long a hole is waited for: a loss is noticed, asked for within 20 ms, answered after a round trip, and the
/// question or its answer may get lost twice. One packet of a hundred is asked for in vain then where a tenth is lost,
/// and costs the pictures up to the next keyframe.
pub(super) fn hold(rtt: Option<Duration>) -> Duration {
    let rtt = rtt.unwrap_or(Duration::from_millis(50));
    (rtt * 7 / 2 + Duration::from_millis(80)).clamp(Duration::from_millis(100), Duration::from_millis(600))
}

/// Packets that are taken before units are looked for: the size of webrtc's queue.
const AT_ONCE: usize = 256;

pub(super) struct Receiving {
    pub(super) track: Arc<dyn TrackRemote>,
    pub(super) state: Arc<ReceiveState>,
    pub(super) counters: Arc<Counters>,
    pub(super) mailbox: Arc<EventMailbox>,
    pub(super) events: mpsc::Sender<PeerEvent>,
    pub(super) negotiated: watch::Receiver<Option<Negotiated>>,
}

/// Runs until the track ends.
pub(super) async fn run(receiving: Receiving) {
    let mut receiver = Receiver {
        depacketizer: Depacketizer::new(Limits::default()),
        recovery: Recovery::default(),
        ssrc: None,
        seen_keyframe: false,
        seen_sets: false,
        r: receiving,
    };
    loop {
        let now = Instant::now();
        let asking = receiver.ssrc.and(receiver.recovery.due(now));
        let due = [receiver.depacketizer.deadline(), asking].into_iter().flatten().min();
        let timer = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        let mut open = true;
        tokio::select! {
            event = receiver.r.track.poll() => open = receiver.event(event),
            () = receiver.r.state.wake.notified() => {}
            () = timer => {}
        }
        // Everything that has arrived counts before anything is given up: after a pause of this thread
        // the missing packet may well be here already.
        for _ in 0..AT_ONCE {
            tokio::select! {
                biased;
                event = receiver.r.track.poll(), if open => open = receiver.event(event),
                () = std::future::ready(()) => break,
            }
        }
        if !open {
            return;
        }
        receiver.drain();
        receiver.ask().await;
    }
}

struct Receiver {
    r: Receiving,
    depacketizer: Depacketizer,
    recovery: Recovery,
    ssrc: Option<u32>,
    seen_keyframe: bool,
    /// Parameter sets have come with the pictures, so that those in the description do not count.
    seen_sets: bool,
}

impl Receiver {
    /// False when the track has ended.
    fn event(&mut self, event: Option<TrackRemoteEvent>) -> bool {
        match event {
            Some(TrackRemoteEvent::OnRtpPacket(packet)) => self.packet(packet),
            Some(TrackRemoteEvent::OnEnded) | None => return false,
            Some(_) => {}
        }
        true
    }

    fn packet(&mut self, packet: rtc::rtp::Packet) {
        if !self.r.negotiated.borrow().as_ref().is_some_and(|negotiated| negotiated.direction.receives()) {
            // It was agreed that nothing comes.
            return;
        }
        let rtt = self.r.counters.rtt();
        self.depacketizer.set_hold(hold(rtt));
        if let Some(rtt) = rtt {
            self.recovery.set_rtt(rtt);
        }
        self.ssrc = Some(packet.header.ssrc);
        let payload = RtpPayload {
            sequence: packet.header.sequence_number,
            timestamp: packet.header.timestamp,
            marker: packet.header.marker,
            payload: packet.payload,
        };
        self.depacketizer.push(payload, Instant::now());
    }

    fn drain(&mut self) {
        while let Some(output) = self.depacketizer.poll(Instant::now()) {
            match output {
                Output::Unit(unit) => self.unit(unit),
                Output::Gap { packets } => {
                    self.r.state.lost.fetch_add(packets, Relaxed);
                    self.recovery.broken();
                    self.r.mailbox.gap(packets);
                }
            }
        }
        if self.r.state.keyframe_request.swap(false, Relaxed) {
            self.recovery.broken();
        }
    }

    fn unit(&mut self, unit: Unit) {
        let state = &self.r.state;
        state.units.fetch_add(1, Relaxed);
        if !unit.complete {
            state.damaged.fetch_add(1, Relaxed);
            self.recovery.broken();
        } else if unit.keyframe {
            self.seen_keyframe = true;
            self.recovery.keyframe();
        }
        if !self.seen_keyframe {
            // Nothing before the first keyframe can be decoded.
            self.recovery.broken();
            return;
        }
        let mut unit = unit;
        self.seen_sets |= nal_units(&unit.data).any(|nal| NalKind::of(nal) == Some(NalKind::Sps));
        if unit.keyframe && !self.seen_sets {
            let negotiated = self.r.negotiated.borrow();
            unit.data = with_sets(negotiated.as_ref().map_or(&[], |n| n.parameter_sets.as_slice()), unit.data);
        }
        let Unit { data, keyframe, timestamp: rtp_timestamp, complete, arrived } = unit;
        let sender_time = self.ssrc.and_then(|ssrc| {
            let clocks = self.r.counters.sender_clocks.lock().unwrap_or_else(PoisonError::into_inner);
            clocks.sender_time(ssrc, rtp_timestamp, VIDEO_CLOCK)
        });
        let unit = ReceivedUnit { data, keyframe, rtp_timestamp, arrived, complete, sender_time };
        if self.r.events.try_send(PeerEvent::Unit(unit)).is_err() {
            state.overrun.fetch_add(1, Relaxed);
            self.recovery.broken();
        }
    }

    async fn ask(&mut self) {
        let Some(media_ssrc) = self.ssrc else { return };
        if self.recovery.poll(Instant::now()) {
            let pli = PictureLossIndication { sender_ssrc: 0, media_ssrc };
            if let Err(why) = self.r.track.write_rtcp(vec![Box::new(pli)]).await {
                tracing::debug!(%why, "a keyframe could not be asked for");
            }
        }
    }
}

/// The parameter sets in front of a unit, for the decoder.
fn with_sets(sets: &[Vec<u8>], unit: Vec<u8>) -> Vec<u8> {
    if sets.is_empty() {
        return unit;
    }
    let parts = sets.iter().flat_map(|set| [&[0, 0, 0, 1], set.as_slice()]);
    parts.chain([unit.as_slice()]).collect::<Vec<_>>().concat()
}
