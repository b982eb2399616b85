//! A call as the window holds it: the session, the newest pair, the numbers, and what the person has set.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        mpsc::{self, Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use egui::{TextureId, Ui};

use super::{
    call_page::{self, Action, CallView, Controls, ModelChoice},
    paint::Pictures,
    sheets::Sheet,
    sides::SideChoice,
    stage::Compare,
    start_page::Card,
    textures::Textures,
};
use crate::{
    call::Impairment,
    frame::{Frame, Size},
    model::Model,
    pipeline::{Link, Plan, Session, SessionError, Shot, Side, State, Wake},
    stats::{Snapshot, Stats},
    upscale::{GpuContext, Pair},
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
    /// It never began.
    NotStarted(SessionError),
    /// It began, but there was never a connection.
    NotConnected(String),
}

/// The session, or the thread that is starting it.
enum Running {
    Opening(Receiver<Result<Session, SessionError>>),
    Open(Session),
    Gone,
}

/// A call and all that the window knows of it.
pub(crate) struct Call {
    running: Running,
    link: Link,
    title: &'static str,
    was_connected: bool,
    shot: Option<Arc<Shot>>,
    /// The sides that the pictures were made for.
    seen: Vec<SideChoice>,
    pictures: Option<Pictures>,
    own: Option<(TextureId, Size)>,
    own_frame: Option<Arc<Frame>>,
    own_at: Option<Instant>,
    stats: Snapshot,
    stats_at: Option<Instant>,
    shown: VecDeque<Instant>,
    notices: VecDeque<(Instant, String)>,
    impairment: Arc<Impairment>,
    /// What was done before the session had begun.
    pending: Vec<Action>,
    pub(crate) controls: Controls,
}

impl Call {
    /// Starts a session on a thread of its own, because opening a camera takes its time.
    pub(crate) fn begin(plan: Plan, link: Link, gpu: Option<GpuContext>, wake: Wake, models: &[Arc<Model>]) -> Self {
        let model = models.iter().position(|m| **m == *plan.model).unwrap_or(0);
        let controls = Controls {
            bitrate: plan.bitrate,
            model,
            hidden: false,
            loss: (plan.impairment.loss() * 100.0) as f32,
            delay_ms: plan.impairment.delay().0.as_millis().try_into().unwrap_or(u32::MAX),
            stats: true,
            compare: Compare::new(model),
            sheet: Sheet::None,
            answer: String::new(),
            answer_error: None,
        };
        let title = match link {
            Link::Loopback => "Loopback call",
            Link::Host { .. } => "Hosting",
            Link::Join { .. } => "Joined call",
            Link::Offer | Link::Answer { .. } => "Copy-and-paste call",
        };
        let impairment = Arc::clone(&plan.impairment);
        let (tell, told) = mpsc::sync_channel(1);
        let to = link.clone();
        let opening = std::thread::Builder::new().name("open".to_owned()).spawn(move || {
            let session = Session::start(plan, to, gpu, Arc::clone(&wake));
            // If nobody waits any more, the session ends here.
            drop(tell.send(session));
            wake();
        });
        if let Err(error) = opening {
            tracing::error!("{error}");
        }
        Self {
            running: Running::Opening(told),
            link,
            title,
            was_connected: false,
            shot: None,
            seen: Vec::new(),
            pictures: None,
            own: None,
            own_frame: None,
            own_at: None,
            stats: Stats::default().snapshot(),
            stats_at: None,
            shown: VecDeque::new(),
            notices: VecDeque::new(),
            impairment,
            pending: Vec::new(),
            controls,
        }
    }

    /// The session, once it has begun.
    pub(crate) fn session(&self) -> Option<&Session> {
        if let Running::Open(session) = &self.running { Some(session) } else { None }
    }

    /// The newest pair that was shown.
    pub(crate) fn pair(&self) -> Option<&Pair> {
        self.shot.as_ref().map(|shot| &*shot.pair)
    }

    /// How the two sides found each other.
    pub(crate) fn link(&self) -> &Link {
        &self.link
    }

    /// The part of the start page that this call was begun from.
    pub(crate) fn card(&self) -> Card {
        Card::of(&self.link)
    }

    /// `plan` with what the person has set during the call.
    pub(crate) fn plan(&self, plan: &Plan, models: &[Arc<Model>]) -> Plan {
        Plan {
            bitrate: self.controls.bitrate,
            model: models.get(self.controls.model).unwrap_or(&plan.model).clone(),
            ..plan.clone()
        }
    }

    /// Draws the call and does what the person wants; says when the page is to be left.
    pub(crate) fn show(
        &mut self,
        ui: &mut Ui,
        textures: &mut Textures,
        models: &[Arc<Model>],
        choices: &[ModelChoice],
    ) -> Option<Leave> {
        if let Some(leave) = self.opened() {
            return Some(leave);
        }
        let now = Instant::now();
        let state = self.session().map_or(State::Starting, Session::state);
        match &state {
            State::Connected { .. } => self.was_connected = true,
            State::Ended { why, .. } if !self.was_connected => return Some(Leave::NotConnected(why.clone())),
            _ => {}
        }
        let fresh = self.take_pictures(ui, textures, models, now);
        self.read_numbers(now);

        let fps = self.fps(now);
        let notices: Vec<String> = self.notices.iter().map(|(_, text)| text.clone()).collect();
        let view = CallView {
            title: self.title,
            loopback: matches!(self.link, Link::Loopback),
            state: &state,
            pictures: self.pictures.as_ref(),
            self_view: self.own,
            stats: &self.stats,
            fps,
            models: choices,
            notices: &notices,
        };
        let actions = call_page::show(ui, &view, &mut self.controls);
        if fresh && let (Some(session), Some(shot)) = (self.session(), &self.shot) {
            session.shown(&shot.pair);
            self.shown.push_back(now);
        }
        ui.ctx().request_repaint_after(STATS);
        self.act(ui, actions, models).then_some(Leave::HungUp)
    }

    /// Looks whether the session has begun.
    fn opened(&mut self) -> Option<Leave> {
        let Running::Opening(told) = &self.running else { return None };
        match told.try_recv() {
            Ok(Ok(session)) => {
                self.running = Running::Open(session);
                None
            }
            Ok(Err(error)) => {
                self.running = Running::Gone;
                Some(Leave::NotStarted(error))
            }
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => {
                self.running = Running::Gone;
                let error = std::io::Error::other("the thread that opens the source ended");
                Some(Leave::NotStarted(SessionError::Threads(error)))
            }
        }
    }

    /// Takes the newest frame and the self-view, if they are new; true for a frame that was not shown before.
    fn take_pictures(&mut self, ui: &Ui, textures: &mut Textures, models: &[Arc<Model>], now: Instant) -> bool {
        let Running::Open(session) = &self.running else { return false };
        let sides = self.controls.compare.sides(self.controls.model);
        let wanted: Vec<Side> = sides.iter().filter_map(|s| s.side(models)).collect();
        session.look(&wanted);
        let taken = session.take_shot();
        let fresh = taken.as_ref().is_some_and(|shot| !shot.frozen);
        if taken.is_some() || self.seen != sides {
            self.shot = taken.or(self.shot.take());
            self.pictures = self.shot.as_ref().and_then(|shot| {
                let there = |s: &SideChoice| Some((*s, shot.picture(&s.side(models)?)?));
                let there: Vec<_> = sides.iter().filter_map(there).collect();
                textures.pictures(&there, shot.pair.size, shot.frozen)
            });
            self.seen = sides;
        }
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

    fn read_numbers(&mut self, now: Instant) {
        let Running::Open(session) = &self.running else { return };
        for notice in session.notices() {
            self.notices.push_back((now, notice));
        }
        let old = |(at, _): &(Instant, String)| now - *at > NOTICE;
        while self.notices.len() > NOTICES || self.notices.front().is_some_and(old) {
            self.notices.pop_front();
        }
        if self.stats_at.is_none_or(|at| now - at >= STATS) {
            self.stats = session.stats();
            self.stats_at = Some(now);
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

    /// Passes on what the person did; true when the page is to be left.
    fn act(&mut self, ui: &Ui, actions: Vec<Action>, models: &[Arc<Model>]) -> bool {
        self.pending.extend(actions);
        if self.pending.contains(&Action::HangUp) {
            return true;
        }
        let Running::Open(session) = &self.running else { return false };
        for action in self.pending.drain(..) {
            match action {
                Action::HangUp => {}
                Action::Bitrate => session.set_bitrate(self.controls.bitrate),
                Action::Model => {
                    if let Some(model) = models.get(self.controls.model) {
                        session.set_model(Arc::clone(model));
                    }
                }
                Action::Hide => session.mute(self.controls.hidden),
                Action::Impair => {
                    // The sockets of the call look here for every packet.
                    let (_, jitter) = self.impairment.delay();
                    self.impairment.set_loss(f64::from(self.controls.loss) / 100.0);
                    self.impairment.set_delay(Duration::from_millis(self.controls.delay_ms.into()), jitter);
                }
                Action::Answer => {
                    let answer = session.accept_answer(self.controls.answer.trim());
                    self.controls.answer_error = answer.err().map(|e| e.to_string());
                }
                Action::CopyStats => {
                    if let Ok(json) = serde_json::to_string_pretty(&self.stats) {
                        ui.ctx().copy_text(json);
                    }
                }
            }
        }
        false
    }
}
