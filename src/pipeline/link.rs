//! How the two sides come together, and the halves that run once they have.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::mpsc,
};

use super::{
    CallSettings, CallState, Cause, SessionError, Shared, Signaling, lock,
    receiver::{AskKeyframe, Engine, ReceiveHalf},
    sender::{SendHalf, SendPlan},
    side_renderer::SideRenderer,
};
use crate::{
    call::{
        self, CallError, CaptureLog, Media, NetStats, Peer, PeerConfig, PeerEvent,
        signal::{self, CallHandler, Host, SdpType},
    },
    frame::{Frame, Size, Stamp},
    source::{self, Source, Wish},
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

    pub(super) fn set_size(&self, size: Size) {
        if let Some(send) = &self.send {
            send.control.set_size(size);
        }
    }

    pub(super) fn set_fps(&self, fps: f32) {
        if let Some(send) = &self.send {
            send.control.set_fps(fps);
        }
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
    ends: Arc<Ends>,
}

/// What the connecting tasks leave behind for later.
#[derive(Default)]
struct Ends {
    host: Mutex<Option<Host>>,
    /// The peer that made an offer and waits for its answer.
    offered: Mutex<Option<Arc<Peer>>>,
    /// The call at the far side's endpoint.
    joined: Mutex<Option<signal::WhipSession>>,
}

impl Running {
    pub(super) fn start(shared: &Arc<Shared>, link: Signaling, source: Box<dyn Source>) -> Result<Self, SessionError> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("call").enable_all().build()?;
        let task = Task { shared: Arc::clone(shared), runtime: runtime.handle().clone(), ends: Arc::default() };
        let ends = Arc::clone(&task.ends);
        if let Signaling::Host { listen } = link {
            // A port in use is said at once, not in a state.
            runtime.block_on(task.host(source, listen))?;
        } else {
            runtime.spawn(async move {
                let done = match link {
                    Signaling::Join { url } => task.join(source, &url).await,
                    Signaling::Offer => task.offer(source).await,
                    Signaling::Answer { offer } => task.answer(source, &offer).await,
                    Signaling::Loopback | Signaling::Host { .. } => task.loopback(source).await,
                };
                if let Err(error) = done {
                    task.shared.ended(&error);
                }
            });
        }
        Ok(Self { runtime: Some(runtime), ends })
    }

    pub(super) fn accept_answer(&self, line: &str) -> Result<(), SessionError> {
        let answer = signal::from_line(SdpType::Answer, line)?;
        let Some(runtime) = &self.runtime else { return Err(SessionError::NoOffer) };
        let peer = lock(&self.ends.offered).clone().ok_or(SessionError::NoOffer)?;
        runtime.block_on(peer.accept_answer(&answer))?;
        *lock(&self.ends.offered) = None;
        Ok(())
    }

    /// No new connection from here on.
    pub(super) fn stop(&self) {
        lock(&self.ends.host).take();
        lock(&self.ends.offered).take();
    }

    /// After the halves are gone.
    pub(super) fn finish(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        if let Some(session) = lock(&self.ends.joined).take() {
            // The other side notices by itself too, only later.
            let left = runtime.block_on(async { tokio::time::timeout(Duration::from_secs(1), session.leave()).await });
            tracing::debug!("left the call: {left:?}");
        }
        runtime.shutdown_timeout(Duration::from_secs(2));
    }
}

/// What the connecting tasks need.
#[derive(Clone)]
struct Task {
    shared: Arc<Shared>,
    runtime: Handle,
    ends: Arc<Ends>,
}

impl Task {
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

    /// A peer that sends and receives, and its events.
    async fn peer(
        &self,
        plan: &CallSettings,
        bind: Vec<SocketAddr>,
    ) -> Result<(Arc<Peer>, mpsc::Receiver<PeerEvent>), CallError> {
        let (events, inbox) = mpsc::channel(EVENTS);
        let config = PeerConfig { bind, ..peer_config(plan, Media::SendRecv) };
        Ok((Arc::new(Peer::new(config, &self.runtime, events).await?), inbox))
    }

    async fn host(&self, source: Box<dyn Source>, listen: SocketAddr) -> Result<(), SessionError> {
        let desk = Desk { task: self.clone(), source: Mutex::new(Some(source)), listen };
        let host = Host::start(listen, Arc::new(desk)).await?;
        let link = host.url();
        *lock(&self.ends.host) = Some(host);
        self.shared.set_state(CallState::Waiting { link });
        Ok(())
    }

    async fn join(&self, source: Box<dyn Source>, url: &str) -> Result<(), SessionError> {
        let plan = self.shared.plan();
        let (peer, inbox) = self.peer(&plan, call::media_addresses(media_side(url))).await?;
        let offer = peer.offer().await?;
        let joined = signal::join(url, &offer).await?;
        *lock(&self.ends.joined) = Some(joined.session);
        self.open(source, &plan, vec![Arc::clone(&peer)])?;
        self.pump(inbox, None, NetworkSide::Both);
        peer.accept_answer(&joined.answer).await?;
        Ok(())
    }

    async fn offer(&self, source: Box<dyn Source>) -> Result<(), SessionError> {
        let plan = self.shared.plan();
        let (peer, inbox) = self.peer(&plan, call::media_addresses(ANYWHERE)).await?;
        let line = signal::to_line(SdpType::Offer, &peer.offer().await?)?;
        self.open(source, &plan, vec![Arc::clone(&peer)])?;
        self.pump(inbox, None, NetworkSide::Both);
        *lock(&self.ends.offered) = Some(peer);
        self.shared.set_state(CallState::Offered { line });
        Ok(())
    }

    async fn answer(&self, source: Box<dyn Source>, offer: &str) -> Result<(), SessionError> {
        let plan = self.shared.plan();
        let offer = signal::from_line(SdpType::Offer, offer)?;
        let (peer, inbox) = self.peer(&plan, call::media_addresses(ANYWHERE)).await?;
        let line = signal::to_line(SdpType::Answer, &peer.answer(&offer).await?)?;
        self.open(source, &plan, vec![peer])?;
        self.shared.set_state(CallState::Answered { line });
        self.pump(inbox, None, NetworkSide::Both);
        Ok(())
    }

    /// The connection is gone. A host waits for the next one.
    fn disconnected(&self, why: String) {
        let shared = &self.shared;
        shared.with_line(Line::disconnected);
        let waiting = lock(&self.ends.host).as_ref().map(|host| {
            host.free();
            host.url()
        });
        match waiting {
            Some(link) => {
                shared.notices.say(why);
                shared.set_state(CallState::Waiting { link });
            }
            None => shared.set_state(CallState::Ended { why, cause: Cause::Finished }),
        }
    }

    /// Starts both halves on these peers.
    fn open(&self, source: Box<dyn Source>, plan: &CallSettings, peers: Vec<Arc<Peer>>) -> Result<(), SessionError> {
        let shared = &self.shared;
        let loopback = peers.len() > 1;
        // The first peer is the one that sends: the only one, or the near one of a loopback call.
        let send = match peers.first() {
            Some(peer) => {
                let ground_truth = loopback.then(|| Arc::clone(&shared.view_request.ground_truth));
                let plan = SendPlan { bound: plan.size, fps: plan.fps, bitrate: plan.bitrate, ground_truth };
                let out = peer.sender();
                Some(SendHalf::start(source, plan, out, shared.stats.clone(), shared.notices.clone())?)
            }
            None => None,
        };
        // The last peer is the one that receives: the only one, or the far one of a loopback call.
        let asked = peers.last().map(Arc::downgrade).unwrap_or_default();
        let ask: AskKeyframe = Box::new(move || {
            if let Some(peer) = asked.upgrade() {
                peer.request_keyframe();
            }
        });
        let receive = ReceiveHalf::start(
            shared.engine(),
            SideRenderer::new(Arc::clone(&shared.view_request), loopback, shared.gpu.clone()),
            ask,
            shared.frames.clone(),
            shared.stats.clone(),
            shared.notices.clone(),
            Arc::clone(&shared.wake),
        )?;
        let old = lock(&shared.line).replace(Line { send, receive, peers });
        // Its threads are waited for, which must not hold up the packets of the new one.
        std::thread::spawn(move || drop(old));
        Ok(())
    }

    /// Hands a peer's events to the halves; nothing here blocks.
    fn pump(&self, mut inbox: mpsc::Receiver<PeerEvent>, captured: Option<Arc<CaptureLog>>, side: NetworkSide) {
        let task = self.clone();
        self.runtime.spawn(async move {
            let shared = &task.shared;
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
                        shared.set_state(CallState::Connected { with });
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
                    PeerEvent::Disconnected { why } => task.disconnected(why),
                }
            }
        });
    }
}

/// Every address of this machine.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Where media to the host behind `url` leaves from: loopback for a host on this machine, else anywhere.
fn media_side(url: &str) -> SocketAddr {
    let host = url.split("://").nth(1).unwrap_or(url).split(['/', '?']).next().unwrap_or_default();
    let host = host.replace("localhost", "127.0.0.1");
    match host.parse::<SocketAddr>().map(|a| a.ip()).or_else(|_| host.parse::<IpAddr>()) {
        Ok(ip) if ip.is_loopback() => SocketAddr::new(ip, 0),
        _ => ANYWHERE,
    }
}

/// Takes the calls that come to the endpoint.
struct Desk {
    task: Task,
    /// Opened when the program started, for the first call; later calls open it anew.
    source: Mutex<Option<Box<dyn Source>>>,
    listen: SocketAddr,
}

#[async_trait::async_trait]
impl CallHandler for Desk {
    async fn answer(&self, offer: String) -> Result<String, CallError> {
        let plan = self.task.shared.plan();
        let (peer, inbox) = self.task.peer(&plan, call::media_addresses(self.listen)).await?;
        let answer = peer.answer(&offer).await?;
        let failed = |why: String| CallError::Internal { doing: "starting the call", why };
        let source = match lock(&self.source).take() {
            Some(source) => source,
            None => source::open(&plan.source, Wish { size: plan.size, fps: plan.fps })
                .map_err(|error| failed(error.to_string()))?,
        };
        self.task.open(source, &plan, vec![peer]).map_err(|error| failed(error.to_string()))?;
        self.task.pump(inbox, None, NetworkSide::Both);
        Ok(answer)
    }

    async fn hung_up(&self) {
        let line = lock(&self.task.shared.line).take();
        // Closing joins threads: not here, where packets are handled.
        std::thread::spawn(move || drop(line));
        self.task.disconnected("the other side has hung up".to_owned());
    }
}

fn peer_config(plan: &CallSettings, media: Media) -> PeerConfig {
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
