//! One end of a call, over webrtc.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use rtc::statistics::stats::ice_candidate_pair::RTCIceCandidatePairStats;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::JoinHandle;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidate, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription, RTCStatsReport, RTCStatsReportEntry, StatsSelector,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use webrtc::runtime::{Runtime, TokioRuntime};

use super::netem::ImpairedRuntime;
use super::rate::Bounds;
use super::receive::{self, ReceiveState, Receiving};
use super::recover::Throttle;
use super::send::{self, SendState, Sending, UnitSender};
use super::tap::Counters;
use super::{CallError, Media, NetStats, PeerConfig, PeerEvent, engine};

/// How long the addresses of this machine may take to be found.
const GATHERING: Duration = Duration::from_secs(5);
/// How long [`Peer`]'s drop waits for its tasks.
const CLOSING: Duration = Duration::from_secs(2);
const STATS_EVERY: Duration = Duration::from_millis(500);
/// The encoder is asked for at most five keyframes a second.
const KEYFRAME_SPACING: Duration = Duration::from_millis(200);
/// A session description is never longer than this.
pub(super) const LONGEST_DESCRIPTION: usize = 64 << 10;

/// One end of a call. Dropping it closes the connection and waits for its tasks.
///
/// One end makes an [`offer`](Self::offer), the other [`answer`](Self::answer)s it, and the first takes
/// the answer with [`accept_answer`](Self::accept_answer). The texts are whole session descriptions (SDP)
/// with all candidates inside: nothing else has to be carried.
pub struct Peer {
    pc: Arc<dyn PeerConnection>,
    shared: Arc<Shared>,
    runtime: Handle,
    media: Media,
    track: Option<Arc<TrackLocalStaticRTP>>,
    sender: UnitSender,
    closed: AtomicBool,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("media", &self.media).field("life", &*self.shared.life.borrow()).finish()
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Life {
    New,
    Connected,
    Over(String),
}

struct Shared {
    counters: Arc<Counters>,
    sending: Arc<SendState>,
    receiving: Arc<ReceiveState>,
    outbox: Arc<Outbox>,
    events: mpsc::Sender<PeerEvent>,
    life: watch::Sender<Life>,
    gathered: watch::Sender<bool>,
    receives: bool,
    has_track: AtomicBool,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    fn keep(&self, task: JoinHandle<()>) {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
    }

    fn end(&self, why: &str) {
        self.life.send_if_modified(|life| {
            let alive = !matches!(life, Life::Over(_));
            if alive {
                *life = Life::Over(why.to_owned());
            }
            alive
        });
    }
}

struct Handler(Arc<Shared>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "connection");
        match state {
            RTCPeerConnectionState::Connected => {
                self.0.life.send_if_modified(|life| {
                    let new = *life == Life::New;
                    if new {
                        *life = Life::Connected;
                    }
                    new
                });
            }
            RTCPeerConnectionState::Failed => {
                let was = self.0.life.borrow().clone();
                self.0.end(match was {
                    Life::New => "the far side could not be reached over UDP",
                    _ => "the far side has not been heard for several seconds",
                });
            }
            RTCPeerConnectionState::Closed => self.0.end("the far side has hung up"),
            _ => {}
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let shared = &self.0;
        if !shared.receives || shared.has_track.swap(true, Relaxed) {
            // Nobody looks at it, but its queue has to be emptied.
            shared.keep(tokio::spawn(async move { while track.poll().await.is_some() {} }));
            return;
        }
        let receiving = Receiving {
            track,
            state: Arc::clone(&shared.receiving),
            counters: Arc::clone(&shared.counters),
            outbox: Arc::clone(&shared.outbox),
            events: shared.events.clone(),
        };
        shared.keep(tokio::spawn(receive::run(receiving)));
    }
}

fn internal(doing: &'static str) -> impl Fn(webrtc::error::Error) -> CallError {
    move |why| CallError::Internal { doing, why: why.to_string() }
}

impl Peer {
    /// Binds the sockets. What the peer has to say goes to `events`; if nobody takes the events, units
    /// are thrown away (and counted) and everything else waits, one of each kind.
    pub async fn new(config: PeerConfig, runtime: &Handle, events: mpsc::Sender<PeerEvent>) -> Result<Self, CallError> {
        let handle = runtime.clone();
        let build = async move { Self::build(config, handle, events).await };
        runtime.spawn(build).await.unwrap_or_else(|why| Err(crashed("setting up", &why)))
    }

    async fn build(config: PeerConfig, runtime: Handle, events: mpsc::Sender<PeerEvent>) -> Result<Self, CallError> {
        let set_up = |why: webrtc::error::Error| CallError::SetUp {
            bind: config.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            why: why.to_string(),
        };
        let shared = Arc::new(Shared {
            counters: Arc::default(),
            sending: Arc::default(),
            receiving: Arc::default(),
            outbox: Arc::default(),
            events: events.clone(),
            life: watch::Sender::new(Life::New),
            gathered: watch::Sender::new(false),
            receives: config.media.receives(),
            has_track: AtomicBool::new(false),
            tasks: Mutex::default(),
        });
        let bounds = Bounds { min: config.min_bitrate, start: config.bitrate, max: config.max_bitrate };
        let mut codecs = engine::media_engine().map_err(set_up)?;
        let interceptors = engine::interceptors(&mut codecs, bounds, &shared.counters).map_err(set_up)?;
        let network: Arc<dyn Runtime> = match &config.impairment {
            Some(impairment) => Arc::new(ImpairedRuntime { impairment: Arc::clone(impairment) }),
            None => Arc::new(TokioRuntime),
        };
        let pc = PeerConnectionBuilder::new()
            .with_media_engine(codecs)
            .with_setting_engine(engine::settings())
            .with_interceptor_registry(interceptors)
            .with_handler(Arc::new(Handler(Arc::clone(&shared))))
            .with_runtime(network)
            .with_udp_addrs(config.bind.clone())
            .build()
            .await
            .map_err(set_up)?;
        let pc: Arc<dyn PeerConnection> = Arc::new(pc);
        let (ssrc, rtx) = (rand::random::<u32>(), rand::random::<u32>());
        let track = config.media.sends().then(|| Arc::new(TrackLocalStaticRTP::new(engine::track(ssrc, rtx))));
        let (sender, sending) = send::unit_sender(
            track.clone().map(|t| (t, ssrc)),
            Arc::clone(&shared.sending),
            Arc::clone(&shared.counters),
        );
        shared.keep(tokio::spawn(Arc::clone(&shared.outbox).deliver(events)));
        let control = Control {
            pc: Arc::clone(&pc),
            shared: Arc::clone(&shared),
            sending,
            sender: sender.clone(),
            media: config.media,
        };
        shared.keep(tokio::spawn(control.run()));
        Ok(Self { pc, shared, runtime, media: config.media, track, sender, closed: AtomicBool::new(false) })
    }

    /// Makes the offer; the far side has to answer it.
    pub async fn offer(&self) -> Result<String, CallError> {
        let (pc, track, media) = (Arc::clone(&self.pc), self.track.clone(), self.media);
        let init = |direction| Some(RTCRtpTransceiverInit { direction, streams: vec![], send_encodings: vec![] });
        let make = async move {
            match (track, media) {
                (Some(track), Media::SendOnly) => {
                    pc.add_transceiver_from_track(track, init(RTCRtpTransceiverDirection::Sendonly)).await
                }
                (Some(track), _) => {
                    pc.add_transceiver_from_track(track, init(RTCRtpTransceiverDirection::Sendrecv)).await
                }
                (None, _) => {
                    let init = init(RTCRtpTransceiverDirection::Recvonly);
                    pc.add_transceiver_from_kind(RtpCodecKind::Video, init).await
                }
            }
            .map_err(internal("adding video to the offer"))?;
            let offer = pc.create_offer(None).await.map_err(internal("making the offer"))?;
            pc.set_local_description(offer).await.map_err(internal("using the offer"))
        };
        self.run("making the offer", make).await?;
        self.local_description().await
    }

    /// Answers the far side's offer.
    pub async fn answer(&self, offer: &str) -> Result<String, CallError> {
        let wrong = |why: String| CallError::Description { what: "offer", why };
        check(offer).map_err(wrong)?;
        if !offer.to_ascii_lowercase().contains("h264/90000") {
            return Err(CallError::NoH264);
        }
        let description = RTCSessionDescription::offer(offer.to_owned()).map_err(|e| wrong(e.to_string()))?;
        let (pc, track) = (Arc::clone(&self.pc), self.track.clone());
        let make = async move {
            if let Some(track) = track {
                pc.add_track(track).await.map_err(internal("adding video to the answer"))?;
            }
            pc.set_remote_description(description).await.map_err(|e| wrong(e.to_string()))?;
            let answer = pc.create_answer(None).await.map_err(|e| wrong(e.to_string()))?;
            if !has_video(&answer.sdp) {
                return Err(CallError::NoH264);
            }
            pc.set_local_description(answer).await.map_err(internal("using the answer"))
        };
        self.run("answering the offer", make).await?;
        self.local_description().await
    }

    /// Takes the far side's answer to our offer; the connection follows.
    pub async fn accept_answer(&self, answer: &str) -> Result<(), CallError> {
        let wrong = |why: String| CallError::Description { what: "answer", why };
        check(answer).map_err(wrong)?;
        if !has_video(answer) {
            return Err(CallError::NoH264);
        }
        let description = RTCSessionDescription::answer(answer.to_owned()).map_err(|e| wrong(e.to_string()))?;
        let pc = Arc::clone(&self.pc);
        let take = async move { pc.set_remote_description(description).await.map_err(|e| wrong(e.to_string())) };
        self.run("using the answer", take).await
    }

    /// Runs a negotiation as its own task: whatever a description does to webrtc stays in there.
    async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        self.runtime.spawn(work).await.unwrap_or_else(|why| Err(crashed(doing, &why)))
    }

    async fn local_description(&self) -> Result<String, CallError> {
        let mut gathered = self.shared.gathered.subscribe();
        let done = matches!(tokio::time::timeout(GATHERING, gathered.wait_for(|g| *g)).await, Ok(Ok(_)));
        let description = self.pc.local_description().await.map(|d| d.sdp).unwrap_or_default();
        if !done || !description.contains("a=candidate:") {
            return Err(CallError::NoAddress(GATHERING));
        }
        Ok(description)
    }

    /// Waits until packets can flow.
    pub async fn connected(&self, limit: Duration) -> Result<(), CallError> {
        let mut life = self.shared.life.subscribe();
        let waiting = life.wait_for(|life| *life != Life::New);
        match tokio::time::timeout(limit, waiting).await {
            Err(_) => Err(CallError::NotConnected(limit)),
            Ok(Ok(life)) => match &*life {
                Life::Over(why) => Err(CallError::Ended(why.clone())),
                _ => Ok(()),
            },
            Ok(Err(_)) => Err(CallError::Ended("its tasks are gone".to_owned())),
        }
    }

    /// Where units to be sent go.
    pub fn sender(&self) -> UnitSender {
        self.sender.clone()
    }

    /// The picture is broken: asks the far side for a keyframe, again and again (less and less often)
    /// until one arrives.
    pub fn request_keyframe(&self) {
        self.shared.receiving.keyframe_request.store(true, Relaxed);
        self.shared.receiving.wake.notify_one();
    }

    /// Another bitrate, chosen by the user; [`PeerEvent::TargetBitrate`] follows.
    pub fn set_bitrate(&self, bitrate: u32) {
        self.shared.counters.wish.store(bitrate, Relaxed);
    }

    /// Hangs up and waits until everything has ended; `drop` does the same.
    pub async fn close(&self) {
        if !self.closed.swap(true, Relaxed) {
            shut_down(Arc::clone(&self.pc), Arc::clone(&self.shared)).await;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.closed.swap(true, Relaxed) {
            return;
        }
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        let (pc, shared) = (Arc::clone(&self.pc), Arc::clone(&self.shared));
        self.runtime.spawn(async move {
            shut_down(pc, shared).await;
            let _ = done.send(());
        });
        // A thread that runs this very runtime must not be blocked by waiting for it.
        let wait = move || {
            let _ = wait.recv_timeout(CLOSING);
        };
        match Handle::try_current().map(|h| h.runtime_flavor()) {
            Err(_) => wait(),
            Ok(RuntimeFlavor::CurrentThread) => {}
            Ok(_) => tokio::task::block_in_place(wait),
        }
    }
}

async fn shut_down(pc: Arc<dyn PeerConnection>, shared: Arc<Shared>) {
    shared.sending.open.store(false, Relaxed);
    shared.end("it was closed here");
    if let Err(why) = pc.close().await {
        tracing::debug!(%why, "closing");
    }
    let tasks = std::mem::take(&mut *shared.tasks.lock().unwrap_or_else(PoisonError::into_inner));
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        let _ = task.await;
    }
}

fn crashed(doing: &'static str, why: &tokio::task::JoinError) -> CallError {
    CallError::Internal { doing, why: format!("webrtc gave up ({why})") }
}

/// What can be seen of a description before webrtc parses it.
fn check(description: &str) -> Result<(), String> {
    if description.len() > LONGEST_DESCRIPTION {
        return Err(format!("it is {} bytes long, more than {LONGEST_DESCRIPTION}", description.len()));
    }
    if !description.trim_start().starts_with("v=0") {
        return Err("it is not a session description (SDP starts with v=0)".to_owned());
    }
    if !description.contains("m=video") {
        return Err("there is no video in it".to_owned());
    }
    Ok(())
}

/// Whether a video section was accepted: a port of 0 refuses it (RFC 3264 §6).
fn has_video(description: &str) -> bool {
    description.lines().any(|l| l.strip_prefix("m=video ").is_some_and(|rest| !rest.starts_with("0 ")))
}

/// What waits to be taken by the application: one of each kind, so that it is bounded.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    letters: Mutex<Letters>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Letters {
    connected: Option<(Option<SocketAddr>, Option<SocketAddr>)>,
    keyframe: bool,
    gap: Option<u64>,
    target: Option<u32>,
    stats: Option<NetStats>,
    over: Option<String>,
}

impl Outbox {
    fn put(&self, write: impl FnOnce(&mut Letters)) {
        write(&mut self.letters.lock().unwrap_or_else(PoisonError::into_inner));
        self.filled.notify_one();
    }

    pub(super) fn gap(&self, packets: u64) {
        self.put(|l| l.gap = Some(l.gap.unwrap_or(0) + packets));
    }

    fn take(&self) -> Option<PeerEvent> {
        let mut l = self.letters.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((local, remote)) = l.connected.take() {
            return Some(PeerEvent::Connected { local, remote });
        }
        if std::mem::take(&mut l.keyframe) {
            return Some(PeerEvent::KeyframeWanted);
        }
        None.or_else(|| l.gap.take().map(|packets| PeerEvent::Gap { packets }))
            .or_else(|| l.target.take().map(PeerEvent::TargetBitrate))
            .or_else(|| l.stats.take().map(PeerEvent::Stats))
            .or_else(|| l.over.take().map(|why| PeerEvent::Disconnected { why }))
    }

    async fn deliver(self: Arc<Self>, events: mpsc::Sender<PeerEvent>) {
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

/// The task that watches over a peer: state, statistics, keyframe requests, the target.
struct Control {
    pc: Arc<dyn PeerConnection>,
    shared: Arc<Shared>,
    sending: Option<Sending>,
    sender: UnitSender,
    media: Media,
}

impl Control {
    async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut life = shared.life.subscribe();
        let mut tick = tokio::time::interval(STATS_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut keyframes = Throttle::new(KEYFRAME_SPACING);
        let mut announced = shared.counters.target.load(Relaxed);
        let mut before = Totals::default();
        let mut connected = false;
        loop {
            let due = keyframes.due(Instant::now()).filter(|_| connected);
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shared.counters.changed.notified() => {}
                () = timer => {}
                _ = tick.tick(), if connected => {
                    let totals = Totals::of(&shared.counters);
                    let stats = self.stats(before, totals).await;
                    before = totals;
                    shared.outbox.put(|l| l.stats = Some(stats));
                }
                changed = life.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = life.borrow_and_update().clone();
                    match now {
                        Life::New => {}
                        Life::Connected => {
                            connected = true;
                            self.connected().await;
                            tick.reset();
                        }
                        Life::Over(why) => {
                            shared.sending.open.store(false, Relaxed);
                            shared.outbox.put(|l| l.over = Some(why));
                            return;
                        }
                    }
                }
            }
            if shared.counters.keyframe_asked.swap(false, Relaxed) {
                keyframes.ask();
            }
            if connected && keyframes.poll(Instant::now()) {
                shared.outbox.put(|l| l.keyframe = true);
            }
            let target = shared.counters.target.load(Relaxed);
            if worth_telling(announced, target) {
                announced = target;
                shared.outbox.put(|l| l.target = Some(target));
            }
        }
    }

    async fn connected(&mut self) {
        let (local, remote) = self.ends().await;
        if let Some(rtt) = self.keepalive_rtt().await {
            self.shared.counters.set_rtt(rtt);
        }
        self.shared.outbox.put(|l| l.connected = Some((local, remote)));
        let Some(sending) = self.sending.take() else { return };
        let Some(payload_type) = self.payload_type().await else {
            tracing::warn!("the far side does not take video from here");
            return;
        };
        self.shared.keep(tokio::spawn(send::run(sending, payload_type, self.sender.clone())));
        self.shared.sending.open.store(true, Relaxed);
        self.shared.outbox.put(|l| l.keyframe = true);
    }

    /// The payload type that the two sides agreed on.
    async fn payload_type(&self) -> Option<u8> {
        for sender in self.pc.get_senders().await {
            let Ok(parameters) = sender.get_parameters().await else { continue };
            let codecs = &parameters.rtp_parameters.codecs;
            let h264 = codecs.iter().find(|c| c.rtp_codec.mime_type.eq_ignore_ascii_case("video/h264"));
            if let Some(codec) = h264 {
                return Some(codec.payload_type);
            }
        }
        None
    }

    /// Both ends of the path that was chosen. An end that has neither sent nor received knows only its own.
    async fn ends(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        let mut transports = Vec::new();
        for sender in self.pc.get_senders().await {
            transports.extend(sender.transport().await.ok().flatten());
        }
        for receiver in self.pc.get_receivers().await {
            transports.extend(receiver.transport().await.ok().flatten());
        }
        for transport in transports {
            let pair = transport.ice_transport().get_selected_candidate_pair().await;
            if let Ok(Some(pair)) = pair {
                let end = |c: &RTCIceCandidate| Some(SocketAddr::new(c.address.parse().ok()?, c.port));
                return (end(pair.local()), end(pair.remote()));
            }
        }
        let report = self.pc.get_stats(Instant::now(), StatsSelector::None).await;
        let local = best_pair(&report).and_then(|pair| {
            let id = &pair.local_candidate_id;
            // The entries' ids carry a prefix that the pair's do not.
            report.iter().filter(|entry| !id.is_empty() && entry.id().ends_with(id)).find_map(|entry| match entry {
                RTCStatsReportEntry::LocalCandidate(c) => {
                    Some(SocketAddr::new(c.address.as_deref()?.parse().ok()?, c.port))
                }
                _ => None,
            })
        });
        (local, None)
    }

    /// The round trip of the keepalives.
    async fn keepalive_rtt(&self) -> Option<Duration> {
        let report = self.pc.get_stats(Instant::now(), StatsSelector::None).await;
        let rtt = best_pair(&report)?.current_round_trip_time;
        Some(rtt).filter(|s| s.is_finite() && *s > 0.0 && *s < 60.0).map(Duration::from_secs_f64)
    }

    async fn stats(&self, before: Totals, now: Totals) -> NetStats {
        let (counters, sending, receiving) = (&self.shared.counters, &self.shared.sending, &self.shared.receiving);
        if !self.media.sends() || counters.rtt().is_none() {
            // Without sender reports the keepalives know the round trip.
            if let Some(rtt) = self.keepalive_rtt().await {
                counters.set_rtt(rtt);
            }
        }
        let load = |a: &std::sync::atomic::AtomicU64| a.load(Relaxed);
        let (missed_in, repaired_in) = (load(&counters.missed), load(&counters.repaired_in));
        let came = (now.packets_in - before.packets_in).saturating_sub(repaired_in.saturating_sub(before.repaired_in));
        let missed = missed_in.saturating_sub(before.missed);
        let span = now.at.saturating_duration_since(before.at).as_secs_f64().max(1e-3);
        let rate = |bytes: u64| (bytes as f64 * 8.0 / span) as u32;
        NetStats {
            rtt: counters.rtt(),
            loss_out: Some(counters.far_loss.load(Relaxed)).filter(|&l| l > 0).map(|l| (l - 1) as f32 / 1e6),
            loss_in: missed as f32 / (missed + came).max(1) as f32,
            bitrate_out: rate(now.bytes_out - before.bytes_out),
            bitrate_in: rate(now.bytes_in - before.bytes_in),
            target: counters.target.load(Relaxed),
            packets_out: load(&counters.packets_out),
            packets_in: now.packets_in,
            repeated_out: load(&counters.repeated_out),
            repaired_in,
            missed_in,
            lost_in: load(&receiving.lost),
            nacks_in: load(&counters.nacks_in),
            nacks_out: load(&counters.nacks_out),
            plis_in: load(&counters.plis_in),
            plis_out: load(&counters.plis_out),
            units_out: load(&sending.units),
            units_refused: load(&sending.refused),
            units_in: load(&receiving.units),
            units_damaged: load(&receiving.damaged),
            units_overrun: load(&receiving.overrun),
        }
    }
}

fn best_pair(report: &RTCStatsReport) -> Option<&RTCIceCandidatePairStats> {
    let pairs = report.iter().filter_map(|entry| match entry {
        RTCStatsReportEntry::IceCandidatePair(pair) => Some(pair),
        _ => None,
    });
    pairs.max_by_key(|p| (p.nominated, p.packets_sent + p.packets_received, p.responses_received))
}

/// Counters at one time, to see how fast they grow.
#[derive(Clone, Copy)]
struct Totals {
    at: Instant,
    bytes_in: u64,
    bytes_out: u64,
    packets_in: u64,
    repaired_in: u64,
    missed: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self { at: Instant::now(), bytes_in: 0, bytes_out: 0, packets_in: 0, repaired_in: 0, missed: 0 }
    }
}

impl Totals {
    fn of(counters: &Counters) -> Self {
        Self {
            at: Instant::now(),
            bytes_in: counters.bytes_in.load(Relaxed),
            bytes_out: counters.bytes_out.load(Relaxed),
            packets_in: counters.packets_in.load(Relaxed),
            repaired_in: counters.repaired_in.load(Relaxed),
            missed: counters.missed.load(Relaxed),
        }
    }
}

/// An encoder is not bothered with every small step.
fn worth_telling(announced: u32, target: u32) -> bool {
    let step = announced.abs_diff(target);
    step > announced / 25 || (step > 0 && target > announced && step > 4000)
}
