//! How the two sides come together, and the halves that run once they have.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc,
};

use super::{
    Cause, Link, Plan, SessionError, Shared, State, lock,
    receiver::{AskKeyframe, Engine, ReceiveHalf},
    sender::{SendHalf, SendPlan},
};
use crate::{
    call::{self, CallError, CaptureLog, Media, NetStats, Peer, PeerConfig, PeerEvent},
    frame::{Frame, Stamp},
    source::Source,
    stats::{Network, NetworkSide},
};

/// Events that may wait between a peer and the halves.
const EVENTS: usize = 256;

/// The halves and peers of one connection.
pub(super) struct Line {
    send: Option<SendHalf>,
    receive: ReceiveHalf,
    peers: Vec<Arc<Peer>>,
}

impl Line {
    pub(super) fn self_view(&self) -> Option<Arc<Frame>> {
        self.send.as_ref().and_then(SendHalf::self_view)
    }

    pub(super) fn set_bitrate(&self, bits_per_second: u32) {
        if let Some(send) = &self.send {
            send.control.set_bitrate(bits_per_second);
        }
        self.peers.iter().for_each(|peer| peer.set_bitrate(bits_per_second));
    }

    pub(super) fn want(&self, engine: Engine) {
        self.receive.want(engine);
    }

    pub(super) fn mute(&self, muted: bool) {
        if let Some(send) = &self.send {
            send.control.mute(muted);
        }
    }

    fn connected(&self) {
        if let Some(send) = &self.send {
            send.control.connected();
        }
    }

    fn disconnected(&self) {
        if let Some(send) = &self.send {
            send.control.disconnected();
        }
    }

    fn keyframe(&self) {
        if let Some(send) = &self.send {
            send.control.keyframe();
        }
    }

    fn allow(&self, bits_per_second: u32) {
        if let Some(send) = &self.send {
            send.control.allow(bits_per_second);
        }
    }

    pub(super) fn take_sender(&mut self) -> Option<SendHalf> {
        self.send.take()
    }
}

/// What keeps a session's connection going.
pub(super) struct Running {
    /// `None` only while it is being dropped.
    runtime: Option<Runtime>,
}

impl Running {
    pub(super) fn start(shared: &Arc<Shared>, link: Link, source: Box<dyn Source>) -> Result<Self, SessionError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("call").enable_all().build()?;
        let running = Self { runtime: Some(runtime) };
        let Some(runtime) = &running.runtime else { return Ok(running) };
        let handle = runtime.handle().clone();
        let task = Task { shared: Arc::clone(shared), runtime: handle };
        match link {
            Link::Loopback => drop(runtime.spawn(async move {
                let done = task.loopback(source).await;
                task.report(done);
            })),
            _ => return Err(SessionError::NoOffer),
        }
        Ok(running)
    }

    pub(super) fn accept_answer(&self, _line: &str) -> Result<(), SessionError> {
        Err(SessionError::NoOffer)
    }

    /// No new connection from here on.
    pub(super) fn stop(&mut self) {}

    /// After the halves are gone.
    pub(super) fn finish(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(Duration::from_secs(2));
        }
    }
}

/// What the connecting tasks need.
#[derive(Clone)]
struct Task {
    shared: Arc<Shared>,
    runtime: Handle,
}

impl Task {
    fn report(&self, done: Result<(), SessionError>) {
        if let Err(error) = done {
            self.shared.ended(&error);
        }
    }

    async fn loopback(&self, source: Box<dyn Source>) -> Result<(), SessionError> {
        let plan = self.shared.plan();
        let config = |media| PeerConfig { impairment: Some(Arc::clone(&plan.impairment)), ..peer_config(&plan, media) };
        let (near_events, near_inbox) = mpsc::channel(EVENTS);
        let (far_events, far_inbox) = mpsc::channel(EVENTS);
        let (near, far) =
            call::loopback(config(Media::SendOnly), config(Media::RecvOnly), &self.runtime, near_events, far_events)
                .await?;
        let captured = Some(near.sender().capture_log());
        self.open(source, &plan, vec![Arc::new(near), Arc::new(far)])?;
        self.pump(near_inbox, None, NetworkSide::Out);
        self.pump(far_inbox, captured, NetworkSide::In);
        Ok(())
    }

    /// Starts both halves on these peers.
    fn open(&self, source: Box<dyn Source>, plan: &Plan, peers: Vec<Arc<Peer>>) -> Result<(), SessionError> {
        let shared = &self.shared;
        // The first peer is the one that sends: the only one, or the near one of a loopback call.
        let send = match peers.first() {
            Some(peer) => {
                let plan = SendPlan { bound: plan.size, fps: plan.fps, bitrate: plan.bitrate };
                let out = peer.sender();
                Some(SendHalf::start(source, plan, out, shared.stats.clone(), shared.notices.clone())?)
            }
            None => None,
        };
        // The last peer is the one that receives: the only one, or the far one of a loopback call.
        let asked = peers.last().map(Arc::downgrade).unwrap_or_else(Weak::new);
        let ask: AskKeyframe = Box::new(move || {
            if let Some(peer) = asked.upgrade() {
                peer.request_keyframe();
            }
        });
        let receive = ReceiveHalf::start(
            shared.engine(),
            shared.gpu.clone(),
            ask,
            shared.pairs.clone(),
            shared.stats.clone(),
            shared.notices.clone(),
            Arc::clone(&shared.wake),
        )?;
        let old = lock(&shared.line).replace(Line { send, receive, peers });
        drop(old);
        Ok(())
    }

    /// Hands a peer's events to the halves; nothing here blocks.
    fn pump(&self, mut inbox: mpsc::Receiver<PeerEvent>, captured: Option<Arc<CaptureLog>>, side: NetworkSide) {
        let shared = Arc::clone(&self.shared);
        self.runtime.spawn(async move {
            let mut units = 0;
            while let Some(event) = inbox.recv().await {
                match event {
                    PeerEvent::Connected { remote, .. } => {
                        shared.with_line(Line::connected);
                        let with = match (side, remote) {
                            (NetworkSide::Out | NetworkSide::In, _) => "this machine (loopback)".to_owned(),
                            (_, Some(address)) => address.to_string(),
                            (_, None) => "the other side".to_owned(),
                        };
                        shared.set_state(State::Connected { with });
                    }
                    PeerEvent::KeyframeWanted => drop(shared.with_line(Line::keyframe)),
                    PeerEvent::TargetBitrate(bits) => drop(shared.with_line(|line| line.allow(bits))),
                    PeerEvent::Unit(unit) => {
                        let stamp = captured
                            .as_ref()
                            .and_then(|log| log.stamp(unit.rtp_timestamp))
                            .unwrap_or(Stamp { id: units, captured: unit.arrived });
                        units += 1;
                        shared.with_line(|line| line.receive.unit(unit, stamp));
                    }
                    PeerEvent::Gap { packets } => {
                        tracing::info!("{packets} packets are lost for good");
                        shared.with_line(|line| line.receive.gap());
                    }
                    PeerEvent::Stats(stats) => shared.stats.network(side, network(&stats)),
                    PeerEvent::Disconnected { why } => {
                        shared.with_line(Line::disconnected);
                        shared.set_state(State::Ended { why, cause: Cause::Finished });
                    }
                }
            }
        });
    }
}

fn peer_config(plan: &Plan, media: Media) -> PeerConfig {
    PeerConfig::new(media, plan.bitrate)
}

/// The peer's numbers in the report's units.
fn network(stats: &NetStats) -> Network {
    Network {
        rtt_ms: stats.rtt.map(|t| t.as_secs_f64() * 1e3),
        loss_in: stats.loss_in.into(),
        loss_out: stats.loss_out.map(f64::from),
        in_bps: stats.bitrate_in.into(),
        out_bps: stats.bitrate_out.into(),
        packets_in: stats.packets_in,
        packets_out: stats.packets_out,
        nacks: stats.nacks_out,
        repaired: stats.repaired_in,
        lost: stats.lost_in,
        plis: stats.plis_out,
    }
}
