//! The one task that owns a call: it hears what happens, has the [`StateMachine`] decide, and does it.
//!
//! ```text
//!  window, HTTP, threads ─Request▶ ┌──────────────┐ ─Outlet▶ the encoder's thread
//!  peers ─(Generation, PeerEvent)▶ │ SessionTask  │ ─units─▶ the decoder's thread
//!  the clock ────────────────────▶ └──────────────┘ ─CallState▶ the window
//! ```

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    runtime::Handle,
    sync::{mpsc, oneshot, watch},
    task::{AbortHandle, JoinSet},
};

#[cfg(feature = "audio")]
use super::audio::{AudioOutlet, AudioQueue};
use super::{
    CallSettings, CallState, SessionError, Signaling,
    connection::{self, Connection, Opened},
    lip_sync::LipSync,
    lock,
    receiver::UnitQueue,
    recorder::Recorder,
    request::{Reply, Request},
    sender::Outlet,
    shared::SessionShared,
    state_machine::{Action, Generation, Input, Phase, Role, StateMachine},
};
use crate::{
    call::{
        CallError, EndReason, NetStats, PeerEvent, ReceivedAudio,
        signal::{Host, IceUpdate, IceUpdated, IncomingCall, Refusal, WhipSession},
    },
    frame::Stamp,
    stats::{Network, NetworkSide},
};

/// Events that may wait for the session.
const EVENTS: usize = 256;
/// Both sides send keepalives every second or two: after that without a word another caller is let in.
const DOUBT_AFTER: Duration = Duration::from_secs(3);
/// Both cameras and screens send something more often than that.
const NO_PICTURES: Duration = Duration::from_secs(5);
/// What sound takes of the network, in bit/s: 32 kbit/s of Opus, and fifty times a second the headers of RTP, UDP, IPv4
/// and SRTP's tag, of 12, 8, 20 and 10 bytes.
const SOUND_BITRATE: u32 = 32_000 + 50 * (12 + 8 + 20 + 10) * 8;
/// How long goodbyes may take in all.
const GOODBYES: Duration = Duration::from_secs(2);

/// A caller of this host.
struct Caller {
    generation: Generation,
    /// The call's name at the endpoint.
    id: String,
    /// Waits for the answer.
    reply: Option<Reply>,
}

/// What an attempt came to: a connection, or why there is none.
type Attempted = (Generation, Result<Opened, SessionError>);

/// What the task is connected with.
pub(super) struct Surroundings {
    pub(super) shared: Arc<SessionShared>,
    pub(super) runtime: Handle,
    pub(super) settings: watch::Receiver<CallSettings>,
    pub(super) outlet: watch::Sender<Option<Outlet>>,
    pub(super) units: UnitQueue,
    pub(super) recorder: Arc<Recorder>,
    pub(super) lip_sync: Arc<Mutex<LipSync>>,
    /// None in a call without sound.
    #[cfg(feature = "audio")]
    pub(super) audio: Option<AudioLines>,
    pub(super) requests: mpsc::Receiver<Request>,
}

/// The session's ends of what the audio thread shares with it.
#[cfg(feature = "audio")]
pub(super) struct AudioLines {
    pub(super) outlet: watch::Sender<Option<AudioOutlet>>,
    pub(super) packets: AudioQueue,
}

/// See the module.
pub(super) struct SessionTask {
    machine: StateMachine,
    signaling: Signaling,
    shared: Arc<SessionShared>,
    runtime: Handle,
    settings: watch::Receiver<CallSettings>,
    outlet: watch::Sender<Option<Outlet>>,
    units: UnitQueue,
    recorder: Arc<Recorder>,
    lip_sync: Arc<Mutex<LipSync>>,
    #[cfg(feature = "audio")]
    audio: Option<AudioLines>,
    host: Option<Host>,
    requests: mpsc::Receiver<Request>,
    events: mpsc::Receiver<(Generation, NetworkSide, PeerEvent)>,
    events_in: mpsc::Sender<(Generation, NetworkSide, PeerEvent)>,
    attempts: JoinSet<Attempted>,
    attempt_aborts: HashMap<Generation, AbortHandle>,
    connections: HashMap<Generation, Connection>,
    /// The connection whose numbers are counted.
    attached: Option<Generation>,
    callers: Vec<Caller>,
    closing: JoinSet<()>,
    /// The newest call at the far side's endpoint.
    whip: Option<WhipSession>,
    /// The line that waits to be carried to the other side.
    line: Option<CallState>,
    /// Units that have come, which numbers those whose stamps are not known.
    units_seen: u64,
    /// When the last one came, until it is said that none comes any more.
    last_unit: Option<Instant>,
}

impl SessionTask {
    /// Begins the call. `host` listens already.
    pub(super) fn new(signaling: Signaling, host: Option<Host>, surroundings: Surroundings) -> Self {
        #[cfg(feature = "audio")]
        let audio = surroundings.audio;
        let Surroundings { shared, runtime, settings, outlet, units, recorder, lip_sync, requests, .. } = surroundings;
        let role = match signaling {
            Signaling::Loopback => Role::Loopback,
            Signaling::Host { .. } => Role::Host,
            Signaling::Join { .. } | Signaling::Watch { .. } => Role::Join,
            Signaling::Offer | Signaling::Answer { .. } => Role::Pasted,
        };
        let (machine, actions) = StateMachine::new(role, Instant::now());
        let (events_in, events) = mpsc::channel(EVENTS);
        let mut task = Self {
            machine,
            signaling,
            shared,
            runtime,
            settings,
            outlet,
            units,
            recorder,
            lip_sync,
            #[cfg(feature = "audio")]
            audio,
            host,
            requests,
            events,
            events_in,
            attempts: JoinSet::new(),
            attempt_aborts: HashMap::new(),
            connections: HashMap::new(),
            attached: None,
            callers: Vec::new(),
            closing: JoinSet::new(),
            whip: None,
            line: None,
            units_seen: 0,
            last_unit: None,
        };
        task.perform(actions, None);
        task
    }

    /// Runs until `stop`, then says goodbye to everybody.
    pub(super) async fn run(mut self, mut stop: oneshot::Receiver<()>) {
        loop {
            let deadline = self.machine.deadline();
            let tick = async {
                match deadline {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                _ = &mut stop => break,
                Some(request) = self.requests.recv() => self.request(request).await,
                Some((generation, side, event)) = self.events.recv() => self.event(generation, side, event),
                Some(attempted) = self.attempts.join_next() => {
                    // One that was aborted is nothing to hear of.
                    if let Ok((generation, result)) = attempted {
                        self.attempted(generation, result);
                    }
                }
                Some(_) = self.closing.join_next() => {}
                Ok(()) = self.settings.changed() => self.follow_bitrate(),
                () = tick => self.decide(Input::Tick),
            }
        }
        self.decide(Input::HangUp);
        let goodbyes = async {
            while self.closing.join_next().await.is_some() {}
            if let Some(host) = self.host.take() {
                host.close().await;
            }
        };
        let _ = tokio::time::timeout(GOODBYES, goodbyes).await;
    }

    fn decide(&mut self, input: Input) {
        let actions = self.machine.handle(input, Instant::now());
        self.perform(actions, None);
    }

    /// Does what was decided; `caller` is the one whose offer was decided on.
    fn perform(&mut self, actions: Vec<Action>, mut caller: Option<(IncomingCall, Reply)>) {
        for action in actions {
            tracing::debug!("{action:?}");
            match action {
                Action::Connect(generation) => self.connect(generation),
                Action::Answer(generation) => {
                    if let Some((call, reply)) = caller.take() {
                        self.answer(generation, call, reply);
                    }
                }
                Action::Refuse { why } => {
                    if let Some((_, reply)) = caller.take() {
                        let _ = reply.send(Err(Refusal::Busy(why)));
                    }
                }
                Action::Attach(generation) => self.attach(generation),
                Action::Close(generation) => self.close(generation),
                Action::Notice(text) => self.shared.notices.say(text),
            }
        }
        self.publish();
    }

    /// Tells the user where the call stands.
    fn publish(&self) {
        let state = match self.machine.phase() {
            Phase::Starting => self.line.clone().unwrap_or(CallState::Starting),
            Phase::Waiting => {
                let mut urls = self.host.as_ref().map(Host::urls).unwrap_or_default().into_iter();
                let fingerprint = self.host.as_ref().and_then(Host::fingerprint).map(|f| f.to_string());
                CallState::Waiting { link: urls.next().unwrap_or_default(), others: urls.collect(), fingerprint }
            }
            Phase::Connected(generation) => CallState::Connected {
                with: self.connections.get(&generation).map(|c| c.with.clone()).unwrap_or_default(),
            },
            Phase::Reconnecting => CallState::Reconnecting,
            Phase::Ended { why, cause } => CallState::Ended { why, cause },
        };
        self.shared.set_state(state);
    }

    fn connect(&mut self, generation: Generation) {
        let (settings, runtime) = (self.settings.borrow().clone(), self.runtime.clone());
        match self.signaling.clone() {
            Signaling::Watch { url } => self.attempt(generation, connection::watch(settings, runtime, url)),
            Signaling::Join { url } => {
                // The call that the host still has, if there is one.
                let live = self.machine.live().and_then(|live| self.connections.get(&live));
                let resumes = live.and_then(|connection| connection.whip.clone()).or_else(|| self.whip.clone());
                self.attempt(generation, connection::join(settings, runtime, url, resumes));
            }
            Signaling::Offer => self.attempt(generation, connection::offer_line(settings, runtime)),
            Signaling::Answer { offer } => {
                self.attempt(generation, connection::answer_line(settings, runtime, offer));
            }
            Signaling::Loopback | Signaling::Host { .. } => {
                self.attempt(generation, connection::loopback(settings, runtime));
            }
        }
    }

    fn answer(&mut self, generation: Generation, call: IncomingCall, reply: Reply) {
        let (settings, runtime) = (self.settings.borrow().clone(), self.runtime.clone());
        let listen = self.host.as_ref().map_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)), Host::address);
        self.callers.push(Caller { generation, id: call.id, reply: Some(reply) });
        let answer = connection::answer(settings, runtime, listen, call.offer);
        self.attempt(generation, async { answer.await.map_err(SessionError::from) });
    }

    fn attempt(
        &mut self,
        generation: Generation,
        work: impl Future<Output = Result<Opened, SessionError>> + Send + 'static,
    ) {
        let abort = self.attempts.spawn_on(async move { (generation, work.await) }, &self.runtime);
        self.attempt_aborts.insert(generation, abort);
    }

    /// An attempt has its descriptions, or has failed.
    fn attempted(&mut self, generation: Generation, result: Result<Opened, SessionError>) {
        self.attempt_aborts.remove(&generation);
        let opened = match result {
            Ok(opened) if self.machine.knows(generation) => opened,
            Ok(opened) => {
                // It was closed a moment ago.
                self.closing.spawn_on(opened.connection.close(), &self.runtime);
                return;
            }
            Err(error) => return self.attempt_failed(generation, error),
        };
        let Opened { connection, inboxes, description } = opened;
        connection.sending().set_bitrate(self.settings.borrow().bitrate);
        if let Some(whip) = &connection.whip {
            self.whip = Some(whip.clone());
        }
        self.connections.insert(generation, connection);
        for (side, mut inbox) in inboxes {
            let events = self.events_in.clone();
            self.runtime.spawn(async move {
                while let Some(event) = inbox.recv().await {
                    if events.send((generation, side, event)).await.is_err() {
                        return;
                    }
                }
            });
        }
        match (&self.signaling, description) {
            (Signaling::Offer, Some(line)) => self.line = Some(CallState::Offered { line }),
            (Signaling::Answer { .. }, Some(line)) => self.line = Some(CallState::Answered { line }),
            (_, Some(answer)) => {
                if let Some(reply) = self.reply(generation) {
                    let _ = reply.send(Ok(answer));
                }
            }
            (_, None) => {}
        }
        self.publish();
    }

    fn attempt_failed(&mut self, generation: Generation, error: SessionError) {
        let (why, cause, is_final) = (error.to_string(), error.cause(), error.is_final());
        // The descriptions were fine.
        let unreached = matches!(&error, SessionError::Call(CallError::NotConnected(_) | CallError::Ended(_)));
        if let (Some(reply), SessionError::Call(error)) = (self.reply(generation), error) {
            let _ = reply.send(Err(Refusal::Call(error)));
        }
        self.decide(if unreached {
            Input::Broken { generation, why }
        } else {
            Input::AttemptFailed { generation, why, cause, is_final }
        });
    }

    fn reply(&mut self, generation: Generation) -> Option<Reply> {
        self.callers.iter_mut().find(|caller| caller.generation == generation)?.reply.take()
    }

    /// From now on this connection is sent over.
    fn attach(&mut self, generation: Generation) {
        let Some(connection) = self.connections.get(&generation) else { return };
        let direction = connection.direction();
        self.attached = Some(generation);
        self.shared.stats.direction(direction);
        lock(&self.lip_sync).begin_anew();
        self.recorder.expects_audio(connection.hears());
        self.attach_audio(generation);
        if !direction.sends() {
            self.outlet.send_replace(None);
            return;
        }
        let units = connection.sending().sender();
        // A call with oneself is there to compare what is wished for.
        let adapts_size = !matches!(self.signaling, Signaling::Loopback);
        let allowed = self.left_for_video(generation, connection.sending().target_bitrate());
        let longest_nal_unit = connection.sending().longest_nal_unit();
        let profile = connection.sending().profile();
        let outlet = Outlet { generation, units, allowed, keyframes_asked: 0, adapts_size, longest_nal_unit, profile };
        self.outlet.send_replace(Some(outlet));
    }

    /// Sound goes over this connection from now on.
    #[cfg(feature = "audio")]
    fn attach_audio(&self, generation: Generation) {
        let (Some(audio), Some(connection)) = (&self.audio, self.connections.get(&generation)) else { return };
        audio.outlet.send_replace(Some(AudioOutlet { generation, sender: connection.audio_sender() }));
    }

    #[cfg(not(feature = "audio"))]
    fn attach_audio(&self, _: Generation) {}

    #[cfg(feature = "audio")]
    fn detach_audio(&self, generation: Generation) {
        let Some(audio) = &self.audio else { return };
        audio.outlet.send_if_modified(|outlet| outlet.take_if(|o| o.generation == generation).is_some());
    }

    #[cfg(not(feature = "audio"))]
    fn detach_audio(&self, _: Generation) {}

    /// Sound that has come, to who plays it.
    #[cfg(feature = "audio")]
    fn hear(&self, generation: Generation, sound: ReceivedAudio) {
        if let Some(audio) = &self.audio {
            audio.packets.put(generation, sound);
        }
    }

    #[cfg(not(feature = "audio"))]
    fn hear(&self, _: Generation, _: ReceivedAudio) {}

    fn close(&mut self, generation: Generation) {
        self.detach_audio(generation);
        self.outlet.send_if_modified(|outlet| {
            let attached = outlet.as_ref().is_some_and(|o| o.generation == generation);
            if attached {
                *outlet = None;
            }
            attached
        });
        // A call that only receives is attached without an outlet.
        if self.attached.take_if(|attached| *attached == generation).is_some() {
            self.last_unit = None;
            self.shared.stats.connection_ended();
        }
        if let Some(abort) = self.attempt_aborts.remove(&generation) {
            abort.abort();
        }
        self.callers.retain(|caller| caller.generation != generation);
        if let Some(connection) = self.connections.remove(&generation) {
            self.closing.spawn_on(connection.close(), &self.runtime);
        }
    }

    async fn request(&mut self, request: Request) {
        match request {
            Request::Offer { call, reply } => {
                self.doubt_live();
                let resumes = call.resumes.as_deref().and_then(|id| self.generation_of(id));
                let actions = self.machine.handle(Input::Offer { resumes }, Instant::now());
                self.perform(actions, Some((call, reply)));
            }
            Request::HungUp { id, reply } => {
                let generation = self.generation_of(&id);
                let _ = reply.send(generation.is_some());
                if let Some(generation) = generation {
                    self.decide(Input::HungUp(generation));
                }
            }
            Request::UpdateIce { update, reply } => self.update_ice(update, reply),
            Request::AcceptAnswer { answer, reply } => {
                let _ = reply.send(self.accept_answer(&answer).await);
            }
            Request::Keyframe(generation) => {
                if self.machine.live() == Some(generation)
                    && let Some(connection) = self.connections.get(&generation)
                {
                    connection.receiving().request_keyframe();
                }
            }
            Request::SourceGone { why } => self.decide(Input::SourceGone { why }),
        }
    }

    /// Hands a change of ICE to the caller's connection; the session does not wait for what comes of it.
    fn update_ice(&self, update: IceUpdate, reply: oneshot::Sender<Result<IceUpdated, Refusal>>) {
        let connection = self.generation_of(&update.id).and_then(|generation| self.connections.get(&generation));
        match connection {
            Some(connection) => {
                let peer = Arc::clone(connection.receiving());
                self.runtime.spawn(async move {
                    let _ = reply.send(connection::update_ice(&peer, update).await);
                });
            }
            None => drop(reply.send(Err(Refusal::NoSuchCall))),
        }
    }

    /// Somebody else calls: if nothing has come lately over the live connection, its other side has crashed, and is perhaps
    /// who calls.
    fn doubt_live(&mut self) {
        let Some(live) = self.machine.live() else { return };
        let heard = self.connections.get(&live).and_then(|connection| connection.receiving().last_heard());
        if heard.is_some_and(|at| at.elapsed() > DOUBT_AFTER) {
            self.decide(Input::Silent(live));
        }
    }

    /// The connection of a call's name at the endpoint.
    fn generation_of(&self, id: &str) -> Option<Generation> {
        self.callers.iter().find(|caller| caller.id == id).map(|caller| caller.generation)
    }

    async fn accept_answer(&mut self, answer: &str) -> Result<(), SessionError> {
        if !matches!(self.line, Some(CallState::Offered { .. })) {
            return Err(SessionError::NoOffer);
        }
        let offered = self.connections.iter().find(|(generation, _)| self.machine.knows(**generation));
        let (_, connection) = offered.ok_or(SessionError::NoOffer)?;
        Arc::clone(connection.sending()).accept_answer(answer).await?;
        self.line = None;
        self.publish();
        Ok(())
    }

    fn follow_bitrate(&self) {
        let bitrate = self.settings.borrow().bitrate;
        for connection in self.connections.values() {
            connection.sending().set_bitrate(bitrate);
            connection.receiving().set_bitrate(bitrate);
        }
    }

    /// What a peer has to say. What comes late from a connection that is closed is dropped.
    fn event(&mut self, generation: Generation, side: NetworkSide, event: PeerEvent) {
        if !self.machine.knows(generation) {
            return;
        }
        let live = self.machine.live() == Some(generation);
        match event {
            // Of a loopback call the sending end knows when it can send.
            PeerEvent::Connected { .. } if side == NetworkSide::In => {}
            PeerEvent::Connected { remote, .. } => {
                if let (Some(address), Some(connection)) = (remote, self.connections.get_mut(&generation))
                    && side == NetworkSide::Both
                {
                    connection.with = address.to_string();
                }
                self.decide(Input::Connected(generation));
            }
            PeerEvent::Unit(unit) => {
                if !live {
                    // It has overtaken the news that packets flow.
                    self.decide(Input::Connected(generation));
                }
                let log = self.connections.get(&generation).and_then(Connection::captured);
                let stamp = log.and_then(|log| log.stamp(unit.rtp_timestamp));
                let stamp = stamp.unwrap_or(Stamp { id: self.units_seen, captured: unit.arrived });
                self.units_seen += 1;
                self.last_unit = Some(Instant::now());
                if let Some(sender_time) = unit.sender_time {
                    lock(&self.lip_sync).expect(stamp.id, sender_time);
                }
                self.units.put(generation, unit, stamp);
            }
            PeerEvent::Silent => self.decide(Input::Silent(generation)),
            PeerEvent::Heard => self.decide(Input::Heard(generation)),
            PeerEvent::Ended(EndReason::HungUp) => self.decide(Input::HungUp(generation)),
            PeerEvent::Ended(reason) => self.decide(Input::Broken { generation, why: reason.to_string() }),
            PeerEvent::KeyframeWanted => self.change_outlet(generation, |outlet| outlet.keyframes_asked += 1),
            PeerEvent::TargetBitrate(bits) => {
                let allowed = self.left_for_video(generation, bits);
                self.change_outlet(generation, |outlet| outlet.allowed = allowed);
            }
            PeerEvent::Gap { packets } if live => {
                tracing::info!("{packets} packets are lost for good");
                self.units.gap();
            }
            PeerEvent::Stats(stats) if live => {
                self.shared.stats.network(side, network(&stats));
                self.say_where_pictures_stay();
            }
            PeerEvent::Audio(audio) if live => {
                self.recorder.audio(&audio);
                self.hear(generation, audio);
            }
            PeerEvent::Gap { .. } | PeerEvent::Stats(_) | PeerEvent::Audio(_) => {}
        }
    }

    /// A server whose publisher has left, or a far side that has stopped its camera, keeps the connection.
    fn say_where_pictures_stay(&mut self) {
        if !matches!(self.machine.phase(), Phase::Connected(_)) {
            // That nothing comes is said already.
            self.last_unit = None;
        }
        if self.last_unit.take_if(|last| last.elapsed() > NO_PICTURES).is_some() {
            let seconds = NO_PICTURES.as_secs();
            let why = format!("no picture has come for {seconds} seconds, though the connection stands");
            self.shared.notices.say(why);
        }
    }

    /// What of the network's bits the video may take: those of the sound come first, where it does not carry all that is
    /// wished for.
    fn left_for_video(&self, generation: Generation, network: u32) -> u32 {
        let sends = self.connections.get(&generation).is_some_and(Connection::talks);
        if sends && network < self.settings.borrow().bitrate {
            network.saturating_sub(SOUND_BITRATE).max(network / 2)
        } else {
            network
        }
    }

    fn change_outlet(&self, generation: Generation, change: impl FnOnce(&mut Outlet)) {
        self.outlet.send_if_modified(|outlet| {
            let outlet = outlet.as_mut().filter(|outlet| outlet.generation == generation);
            outlet.map(change).is_some()
        });
    }
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
