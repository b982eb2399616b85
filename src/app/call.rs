//! A call as the window holds it: the session, the newest pair, the numbers, and what the person has set.

mod actions;

use std::{
    collections::VecDeque,
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{self, Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use egui::{TextureId, Ui};

use crate::{
    app::{
        compare::{
            Compare,
            blind_test::View,
            paint::Pictures,
            scorer::{FrameScores, Scorer},
            sides::SideChoice,
            textures::Textures,
            watcher::Watcher,
        },
        controls::{Action, Controls},
        export::{
            Exports,
            view_recorder::{ViewFrame, ViewRecorder, recorded_text, recorded_view},
        },
        networks::Networks,
        overlay::Overlay,
        pages::{
            call_page,
            call_view::CallView,
            graphs::{Sample, Scored, Trace},
            preview::Preview,
            start_page::Card,
        },
        sound::{DeviceLookup, SoundChoice, SoundControls},
        throttle::Throttle,
    },
    call::Impairment,
    frame::{Frame, Size},
    model::Model,
    pipeline::{
        AudioSettings, Auto, CallSettings, CallState, DisplayFrame, NetworkOff, RecorderState, Session, SessionError,
        Side, Signaling, SoundSource, Wake,
    },
    spotlight::Chooser,
    stats::{Snapshot, Stats},
    upscale::{GpuContext, Pair, Picture},
};

/// How often the numbers are read.
const STATS: Duration = Duration::from_millis(100);
/// How often the self-view is renewed.
const SELF_VIEW: Duration = Duration::from_millis(60);
/// How long a notice stays.
const NOTICE: Duration = Duration::from_secs(6);
/// How many notices are shown at once.
const NOTICES: usize = 3;

/// How a call came to its end.
pub(crate) enum Leave {
    /// The person ended it, or has seen that it ended.
    HungUp,
    /// It is to be made again.
    Again,
    /// It never began.
    NotStarted(SessionError),
    /// It began, but there was never a connection.
    NotConnected(String),
}

/// The session, or the thread that is starting it.
enum SessionSlot {
    Opening(Receiver<Result<Session, SessionError>>),
    Open(Box<Session>),
    Gone,
}

/// A call and all that the window knows of it.
pub(crate) struct Call {
    session: SessionSlot,
    signaling: Signaling,
    title: &'static str,
    was_connected: bool,
    display_frame: Option<Arc<DisplayFrame>>,
    /// The sides that the pictures were made for.
    seen: Vec<SideChoice>,
    pictures: Option<Pictures>,
    own: Option<(TextureId, Size)>,
    own_frame: Option<Arc<Frame>>,
    own_at: Option<Instant>,
    stats: Snapshot,
    stats_due: Throttle,
    shown: VecDeque<Instant>,
    /// When the first picture was shown.
    first: Option<Instant>,
    notices: VecDeque<(Instant, String)>,
    impairment: Arc<Impairment>,
    begun: Instant,
    trace: Trace,
    age_ms: f64,
    frozen: bool,
    scorer: Option<Scorer>,
    watcher: Option<Watcher>,
    exports: Exports,
    view_recorder: ViewRecorder,
    /// Another theme is wanted.
    pub(crate) theme_wanted: bool,
    /// Finds microphones and speakers.
    pub(crate) devices: DeviceLookup,
    /// What was done before the session had begun.
    pending: Vec<Action>,
    pub(crate) controls: Controls,
}

impl Call {
    /// Starts a session on a thread of its own, because opening a camera takes its time.
    /// Pictures that the person keeps go to `folder`; `before` lets the source go first.
    pub(crate) fn begin(
        mut settings: CallSettings,
        signaling: Signaling,
        gpu: Option<GpuContext>,
        wake: Wake,
        networks: &Networks,
        folder: PathBuf,
        before: Option<Preview>,
    ) -> Self {
        let model = networks.position(&settings.model).unwrap_or(0);
        let limits = settings.auto.clone().unwrap_or(Auto { spare_battery: true, ..Auto::default() });
        let sends = !matches!(signaling, Signaling::Watch { .. });
        let controls = Controls {
            bitrate: settings.bitrate,
            model,
            auto: settings.auto.is_some(),
            cpu_share: limits.cpu_share.map_or(100, |share| (100.0 * share).round() as u32),
            spare_battery: limits.spare_battery,
            engine: settings.engine,
            hidden: settings.muted,
            sound: sound_controls(&settings.audio, sends),
            loss: (settings.impairment.loss() * 100.0) as f32,
            delay_ms: settings.impairment.delay().0.as_millis().try_into().unwrap_or(u32::MAX),
            jitter_ms: settings.impairment.delay().1.as_millis().try_into().unwrap_or(u32::MAX),
            vivid: networks.vivid(),
            rate_kbit: settings.impairment.rate().unwrap_or(0) / 1000,
            size: settings.size_in(&signaling),
            fps: settings.fps.round() as u32,
            graphs: false,
            shown: None,
            recording: RecorderState::Off,
            view_recording: RecorderState::Off,
            blind: None,
            outcome: None,
            stats: true,
            compare: Compare::new(model),
            details: Chooser::default(),
            overlay: Overlay::None,
            answer: String::new(),
            answer_error: None,
        };
        if !sends {
            // Who sends nothing needs no open microphone.
            settings.audio.source = SoundSource::None;
        }
        let title = match signaling {
            Signaling::Loopback => "Loopback call",
            Signaling::Host { .. } => "Hosting",
            Signaling::Watch { .. } => "Watching",
            Signaling::Join { .. } => "Joined call",
            Signaling::Offer | Signaling::Answer { .. } => "Copy-and-paste call",
        };
        let impairment = Arc::clone(&settings.impairment);
        let exports = Exports::new(folder, Arc::clone(&wake));
        let view_recorder = ViewRecorder::new(Arc::clone(&wake));
        // Only a loopback call knows the truth.
        let scorer = matches!(signaling, Signaling::Loopback).then(|| Scorer::start(Arc::clone(&wake)));
        let scorer = scorer.and_then(|started| started.map_err(|e| tracing::error!("{e}")).ok());
        let watcher = Watcher::start().map_err(|e| tracing::error!("{e}")).ok();
        let (tell, told) = mpsc::sync_channel(1);
        let to = signaling.clone();
        let opening = std::thread::Builder::new().name("open".to_owned()).spawn(move || {
            drop(before);
            let session = Session::start(settings, to, gpu, Arc::clone(&wake));
            // If nobody waits any more, the session ends here.
            drop(tell.send(session));
            wake();
        });
        if let Err(error) = opening {
            tracing::error!("{error}");
        }
        Self {
            session: SessionSlot::Opening(told),
            signaling,
            title,
            was_connected: false,
            display_frame: None,
            seen: Vec::new(),
            pictures: None,
            own: None,
            own_frame: None,
            own_at: None,
            stats: Stats::default().snapshot(),
            stats_due: Throttle::new(STATS),
            shown: VecDeque::new(),
            first: None,
            notices: VecDeque::new(),
            impairment,
            begun: Instant::now(),
            trace: Trace::default(),
            age_ms: 0.0,
            frozen: false,
            scorer,
            watcher,
            exports,
            view_recorder,
            theme_wanted: false,
            devices: DeviceLookup::default(),
            pending: Vec::new(),
            controls,
        }
    }

    /// The session, once it has begun.
    pub(crate) fn session(&self) -> Option<&Session> {
        if let SessionSlot::Open(session) = &self.session { Some(session) } else { None }
    }

    /// The newest pair that was shown.
    pub(crate) fn pair(&self) -> Option<&Pair> {
        self.display_frame.as_ref().map(|display_frame| &*display_frame.pair)
    }

    /// How the two sides found each other.
    pub(crate) fn signaling(&self) -> &Signaling {
        &self.signaling
    }

    /// The part of the start page that this call was begun from.
    pub(crate) fn card(&self) -> Card {
        Card::of(&self.signaling)
    }

    /// Upscales with the network that is chosen, or lets the program choose.
    pub(crate) fn choose(&self, networks: &Networks) {
        let Some(session) = self.session() else { return };
        // During a blind test both sides stay what they are.
        match self.auto(networks).filter(|_| self.controls.blind.is_none()) {
            Some(auto) => session.set_auto(auto),
            None => {
                if let Some(model) = networks.models().get(self.controls.model) {
                    session.set_model(Arc::clone(model));
                }
            }
        }
    }

    /// The limits within which the program chooses, if it does.
    fn auto(&self, networks: &Networks) -> Option<Auto> {
        let Controls { auto, cpu_share, spare_battery, .. } = self.controls;
        let share = Some(f64::from(cpu_share) / 100.0).filter(|share| *share < 1.0);
        auto.then(|| Auto { models: networks.shipped(), cpu_share: share, spare_battery })
    }

    /// `before` with what the person has set during the call.
    pub(crate) fn settings(&self, before: &CallSettings, networks: &Networks) -> CallSettings {
        let models = networks.models();
        // What nobody chose stays open.
        let kept = before.size_in(&self.signaling) == self.controls.size;
        let mut audio = before.audio.clone();
        if let Some(sound) = &self.controls.sound {
            sound.choice.put(&mut audio);
            audio.muted = sound.muted;
        }
        CallSettings {
            auto: self.auto(networks),
            bitrate: self.controls.bitrate,
            muted: self.controls.hidden,
            audio,
            size: before.size.filter(|_| kept).or((!kept).then_some(self.controls.size)),
            fps: self.controls.fps as f32,
            engine: self.controls.engine,
            model: models.get(self.controls.model).unwrap_or(&before.model).clone(),
            ..before.clone()
        }
    }

    /// Draws the call and does what the person wants; says when the page is to be left.
    pub(crate) fn show(&mut self, ui: &mut Ui, textures: &mut Textures, networks: &Networks) -> Option<Leave> {
        if let Some(leave) = self.opened() {
            return Some(leave);
        }
        let now = Instant::now();
        let state = self.session().map_or(CallState::Starting, Session::state);
        match &state {
            CallState::Connected { .. } => self.was_connected = true,
            CallState::Ended { why, .. } if !self.was_connected => return Some(Leave::NotConnected(why.clone())),
            _ => {}
        }
        let models = networks.models();
        let fresh = self.take_pictures(ui, textures, models, now);
        self.read_numbers(ui, models, now);

        let fps = self.fps(now);
        let devices = self.devices.names();
        let notices: Vec<String> = self.notices.iter().map(|(_, text)| text.clone()).collect();
        let view = CallView {
            title: self.title,
            loopback: matches!(self.signaling, Signaling::Loopback),
            state: &state,
            pictures: self.pictures.as_ref(),
            self_view: self.own,
            stats: &self.stats,
            fps,
            models: networks.choices(),
            devices: devices.as_deref(),
            off: self.off(),
            notices: &notices,
            trace: &self.trace,
            age_ms: self.age_ms,
            again: !matches!(self.signaling, Signaling::Offer | Signaling::Answer { .. }),
            truth: self.display_frame.as_ref().is_some_and(|display_frame| display_frame.truth.is_some()),
            seen_for: self.first.map_or(0.0, |first| now.saturating_duration_since(first).as_secs_f64()),
        };
        let actions = call_page::show(ui, &view, &mut self.controls);
        if fresh && let (Some(session), Some(display_frame)) = (self.session(), &self.display_frame) {
            session.shown(display_frame);
            self.shown.push_back(now);
            self.first.get_or_insert(now);
            self.age_ms = now.saturating_duration_since(display_frame.pair.stamp.captured).as_secs_f64() * 1e3;
        }
        ui.ctx().request_repaint_after(STATS);
        self.act(ui, actions, networks)
    }

    /// Why no network ran, where none did. One that was asked for by name is never too slow.
    fn off(&self) -> Option<NetworkOff> {
        let off = self.display_frame.as_ref()?.off;
        off.filter(|off| self.controls.auto || *off == NetworkOff::FullSize)
    }

    /// Looks whether the session has begun.
    fn opened(&mut self) -> Option<Leave> {
        let SessionSlot::Opening(told) = &self.session else { return None };
        match told.try_recv() {
            Ok(Ok(session)) => {
                session.want_truth(self.scorer.is_some());
                self.session = SessionSlot::Open(Box::new(session));
                None
            }
            Ok(Err(error)) => {
                self.session = SessionSlot::Gone;
                Some(Leave::NotStarted(error))
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.session = SessionSlot::Gone;
                let error = std::io::Error::other("the thread that opens the source ended");
                Some(Leave::NotStarted(SessionError::Threads(error)))
            }
        }
    }

    /// Takes the newest frame and the self-view, if they are new; true for a frame that was not shown before.
    fn take_pictures(&mut self, ui: &Ui, textures: &mut Textures, models: &[Arc<Model>], now: Instant) -> bool {
        let SessionSlot::Open(session) = &self.session else { return false };
        let taken = session.take_frame();
        let running = taken.as_ref().filter(|display_frame| display_frame.off.is_none());
        if let Some(i) =
            running.and_then(|display_frame| models.iter().position(|m| Arc::ptr_eq(m, &display_frame.model)))
        {
            self.controls.runs(i);
        }
        let sides = self.controls.sides();
        let of = |wanted: &dyn Fn(&SideChoice) -> bool| -> Vec<Side> {
            sides.iter().filter(|s| wanted(s)).filter_map(|s| s.side(models)).collect()
        };
        // The network that runs is there anyway; the one that ran a moment ago need not run beside it.
        let governed = self.controls.auto.then_some(SideChoice::Network(self.controls.model));
        session.look(&of(&|side| Some(*side) != governed));
        let fresh = taken.as_ref().is_some_and(|display_frame| !display_frame.frozen);
        let new = taken.is_some();
        if new || self.seen != sides {
            self.display_frame = taken.or(self.display_frame.take());
            if let (Some(scorer), Some(display_frame)) = (&self.scorer, &self.display_frame) {
                // What is not seen is not scored.
                let off = governed.filter(|_| display_frame.off == Some(NetworkOff::TooSlow));
                scorer.offer(display_frame, of(&|side| Some(*side) != off));
            }
            self.watch(models);
            self.pictures = self.display_frame.as_ref().and_then(|display_frame| {
                let there = |s: &SideChoice| Some((*s, display_frame.picture(&s.side(models)?)?));
                let there: Vec<_> = sides.iter().filter_map(there).collect();
                if self.controls.compare.read_out {
                    let far = there.iter().filter(|(_, p)| matches!(p, Picture::Gpu(_)));
                    let far: Vec<_> = far.map(|(side, p)| (*side, (*p).clone())).collect();
                    if !far.is_empty() {
                        self.exports.read(display_frame.pair.stamp.id, far);
                    }
                }
                textures.pictures(&there, display_frame.pair.size, display_frame.frozen)
            });
            if let Some(pictures) = &mut self.pictures {
                pictures.add_bytes(self.exports.bytes());
            }
            self.seen = sides;
        }
        // What is seen in a blind test is for its answers only.
        if new && self.view_recorder.state().is_on() && self.controls.blind.is_none() {
            self.record_view(models, now);
        }
        let SessionSlot::Open(session) = &self.session else { return false };
        let fresh = fresh && self.pictures.is_some();
        if self.own_at.is_none_or(|at| now - at >= SELF_VIEW)
            && let Some(frame) = session.self_view()
            && self.own_frame.as_ref().is_none_or(|last| !Arc::ptr_eq(last, &frame))
        {
            self.own = Some((textures.self_view(ui.ctx(), &frame), frame.size()));
            self.own_frame = Some(frame);
            self.own_at = Some(now);
        }
        fresh
    }

    /// Has the frame looked at for the places where the two sides differ.
    fn watch(&self, models: &[Arc<Model>]) {
        let Controls { blind, compare, model, .. } = &self.controls;
        let (wanted, sides) = match blind {
            Some(blind) => (blind.view() == View::Crops, [compare.a, compare.b]),
            None => (compare.spotlight, compare.two(*model)),
        };
        if !wanted {
            return;
        }
        let (Some(watcher), Some(display_frame)) = (&self.watcher, &self.display_frame) else { return };
        let picture = |side: SideChoice| display_frame.picture(&side.side(models)?).cloned();
        let [a, b] = sides.map(picture);
        if let Some((a, b)) = a.zip(b) {
            watcher.offer([a, b]);
        }
    }

    /// Adds the frame that has just come to the recording of the view.
    fn record_view(&mut self, models: &[Arc<Model>], at: Instant) {
        let Some(display_frame) = &self.display_frame else { return };
        let (sides, how) = recorded_view(&self.controls.compare, self.controls.model, self.controls.shown);
        let picture = |side: &SideChoice| display_frame.picture(&side.side(models)?).cloned();
        let pictures = sides.iter().map(picture).collect();
        let (id, size) = (display_frame.pair.stamp.id, display_frame.pair.size);
        self.view_recorder.add(ViewFrame { id, at, size, pictures, how });
    }

    fn read_numbers(&mut self, ui: &Ui, models: &[Arc<Model>], now: Instant) {
        let at = now.saturating_duration_since(self.begun).as_secs_f64();
        if let Some(result) = self.scorer.as_ref().and_then(Scorer::result) {
            self.trace.score(scored(&result, at, models));
        }
        if let Some(saliency) = self.watcher.as_ref().and_then(Watcher::result) {
            match &mut self.controls.blind {
                Some(blind) => blind.see(saliency),
                None => self.controls.details.see(saliency),
            }
        }
        for text in self.exports.collect(ui.ctx()) {
            self.notices.push_back((now, text));
        }
        for text in self.view_recorder.said() {
            self.notices.push_back((now, text));
        }
        self.controls.view_recording = self.view_recorder.state();
        let fps = self.fps(now);
        let SessionSlot::Open(session) = &self.session else { return };
        self.controls.recording = session.recorder_state();
        for outcome in session.recorded() {
            let text = outcome.map_or_else(|e| e.to_string(), |files| recorded_text(&files, ""));
            self.notices.push_back((now, text));
        }
        for notice in session.notices() {
            self.notices.push_back((now, notice));
        }
        let old = |(at, _): &(Instant, String)| now - *at > NOTICE;
        while self.notices.len() > NOTICES || self.notices.front().is_some_and(old) {
            self.notices.pop_front();
        }
        if self.stats_due.is_due(now) {
            self.stats = session.stats();
            let network = &self.stats.network;
            self.trace.sample(Sample {
                at,
                fps,
                received: network.in_bps,
                target: self.stats.bitrate_bps.target.into(),
                age: self.age_ms,
                rtt: network.rtt_ms.unwrap_or(0.0),
                loss: 100.0 * network.loss_in,
            });
        }
    }

    /// Frames shown in the last second.
    fn fps(&mut self, now: Instant) -> f64 {
        while self.shown.front().is_some_and(|at| now - *at > Duration::from_secs(1)) {
            self.shown.pop_front();
        }
        match (self.shown.front(), self.shown.back()) {
            (Some(first), Some(last)) if last > first => (self.shown.len() - 1) as f64 / (*last - *first).as_secs_f64(),
            _ => 0.0,
        }
    }
}

/// The sound as a call begins with it.
fn sound_controls(audio: &AudioSettings, sends: bool) -> Option<SoundControls> {
    audio.on.then(|| SoundControls { muted: audio.muted, sends, choice: SoundChoice::of(audio) })
}

/// What was found about a frame, by the sides' choices.
fn scored(result: &FrameScores, at: f64, models: &[Arc<Model>]) -> Scored {
    let choice = |side: &Side| SideChoice::all(models.len()).find(|c| c.side(models).as_ref() == Some(side));
    let sides = result.sides.iter().filter_map(|(side, scores)| Some((choice(side)?, (*scores)?)));
    Scored { at, sides: sides.collect(), uncoded: result.uncoded }
}
