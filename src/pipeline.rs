//! A running call: its threads, the slots between them, and the handle that the program holds.
//!
//! ```text
//!  source ─slot▶ scale, encode ─queue▶ peer ══ UDP ══ peer ─queue▶ decode ─slot▶ upscale ─slot▶ window | headless
//!  thread        thread                tokio          tokio        thread        thread
//! ```
//!
//! Between raw pictures stands a one-place [`Slot`] that keeps the newest; between coded units a bounded
//! queue, and what does not fit into it is a gap that asks for a keyframe.

mod governed;
mod history;
mod link;
mod notices;
mod receiver;
mod recorder;
mod sender;
mod display_frame;
mod slot;
mod side_renderer;

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

pub use display_frame::{DisplayFrame, Side};
pub use governed::Auto;
#[cfg(feature = "app")]
pub(crate) use recorder::Recorder;
pub use recorder::RecorderState;
pub use slot::{Slot, Taken};

use self::{link::Line, notices::Notices, receiver::Engine, side_renderer::ViewRequest};
use crate::{
    call::{
        CallError, Impairment,
        signal::{SignalError, TextError},
    },
    frame::{Frame, Size},
    model::{self, Model},
    record::{RecordError, Recorded},
    source::{self, SourceError, SourceSpec},
    stats::{Snapshot, Stage, Stats},
    upscale::{EngineChoice, GpuContext, Pair},
};

/// Called, from any thread, whenever there is something new to look at.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What is sent and how what arrives is shown.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// Where the pictures come from.
    pub source: SourceSpec,
    /// What is sent fits into this.
    pub size: Size,
    /// Frames a second, at most.
    pub fps: f32,
    /// Bits a second that the encoder holds, unless the network carries less.
    pub bitrate: u32,
    /// The network of the right-hand picture.
    pub model: Arc<Model>,
    /// The program chooses the network by what the machine can do; `model` is then only what it begins with.
    pub auto: Option<Auto>,
    /// Where it runs.
    pub engine: EngineChoice,
    /// What is done to the packets of a loopback call; may be changed while it runs.
    pub impairment: Arc<Impairment>,
}

/// How the two sides find each other.
#[derive(Debug, Clone)]
pub enum Signaling {
    /// Both sides in this process, over UDP on 127.0.0.1.
    Loopback,
    /// Wait for the other side at an HTTP endpoint.
    Host {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// Go to the endpoint that the other side printed.
    Join {
        /// Its link, token included.
        url: String,
    },
    /// Make an offer line for the other side and wait for its answer line.
    Offer,
    /// Answer an offer line.
    Answer {
        /// The line.
        offer: String,
    },
}

/// Why a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Somebody hung up.
    Finished,
    /// A link, line, token or device was wrong.
    Input,
    /// It broke.
    Failure,
}

/// Where a call stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallState {
    /// Being set up.
    Starting,
    /// A host waits for somebody to use this link.
    Waiting {
        /// For `clearcall join` on the other machine.
        link: String,
    },
    /// This line must reach the other side, and its answer must come back through [`Session::accept_answer`].
    Offered {
        /// The offer.
        line: String,
    },
    /// This line must reach the side that made the offer.
    Answered {
        /// The answer.
        line: String,
    },
    /// Packets flow.
    Connected {
        /// The other side's address.
        with: String,
    },
    /// It is over.
    Ended {
        /// In a sentence.
        why: String,
        /// In a word.
        cause: Cause,
    },
}

/// A call that could not be started or told something.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// The source would not open.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The network or the other side.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The endpoint, or the link to one.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// A line that was pasted.
    #[error(transparent)]
    Text(#[from] TextError),
    /// No thread or runtime could be made.
    #[error("cannot start the call's threads: {0}")]
    Threads(#[from] std::io::Error),
    /// An answer came when no offer was waiting for one.
    #[error("no offer is waiting for an answer; start a copy-and-paste call first")]
    NoOffer,
}

impl SessionError {
    /// Whether what the user gave is at fault, not the machine.
    pub fn is_input(&self) -> bool {
        match self {
            Self::Source(_) | Self::Text(_) | Self::NoOffer => true,
            Self::Call(error) => matches!(error, CallError::Description { .. } | CallError::NoH264),
            Self::Signal(error) => matches!(
                error,
                SignalError::Listen { .. }
                    | SignalError::Link { .. }
                    | SignalError::NobodyThere { .. }
                    | SignalError::UnknownHost { .. }
                    | SignalError::WrongToken { .. }
                    | SignalError::NotClearcall { .. }
            ),
            Self::Threads(_) => false,
        }
    }

    fn cause(&self) -> Cause {
        if self.is_input() { Cause::Input } else { Cause::Failure }
    }
}

/// What the parts of a session share.
struct Shared {
    plan: Mutex<CallSettings>,
    gpu: Option<GpuContext>,
    stats: Stats,
    notices: Notices,
    frames: Slot<Arc<DisplayFrame>>,
    view_request: Arc<ViewRequest>,
    state: Mutex<CallState>,
    changed: Condvar,
    line: Mutex<Option<Line>>,
    wake: Wake,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn set_state(&self, state: CallState) {
        tracing::info!("{state:?}");
        *lock(&self.state) = state;
        self.changed.notify_all();
        (self.wake)();
    }

    fn ended(&self, error: &SessionError) {
        self.set_state(CallState::Ended { why: error.to_string(), cause: error.cause() });
    }

    fn plan(&self) -> CallSettings {
        lock(&self.plan).clone()
    }

    fn engine(&self) -> Engine {
        let plan = lock(&self.plan);
        let auto = plan.auto.clone().map(|auto| (auto, plan.fps));
        Engine { choice: plan.engine, model: Arc::clone(&plan.model), auto }
    }

    fn with_line<T>(&self, f: impl FnOnce(&Line) -> T) -> Option<T> {
        lock(&self.line).as_ref().map(f)
    }
}

/// What to ask the source for. The scene is drawn as it is for a call with oneself, whose truth is known: at the
/// size that the pictures are upscaled to.
fn wish(plan: &CallSettings, link: &Signaling) -> source::Wish {
    let twice = plan.size.times(model::SCALE).ok().filter(|s| s.width() <= 2560 && s.height() <= 1600);
    let size = match (link, &plan.source) {
        (Signaling::Loopback, SourceSpec::Scene) => twice.unwrap_or(plan.size),
        _ => plan.size,
    };
    source::Wish { size, fps: plan.fps }
}

/// A call. Dropping it hangs up, ends every thread and waits for them.
pub struct Session {
    shared: Arc<Shared>,
    link: link::Running,
}

impl Session {
    /// Opens the source and begins to connect; it does not wait for the network.
    ///
    /// `gpu` is the device that upscales where the engine is the GPU: the window's own, or a headless one.
    pub fn start(
        plan: CallSettings,
        link: Signaling,
        gpu: Option<GpuContext>,
        wake: Wake,
    ) -> Result<Self, SessionError> {
        let source = source::open(&plan.source, wish(&plan, &link))?;
        let shared = Arc::new(Shared {
            plan: Mutex::new(plan),
            gpu,
            stats: Stats::default(),
            notices: Notices::default(),
            frames: Slot::default(),
            view_request: Arc::default(),
            state: Mutex::new(CallState::Starting),
            changed: Condvar::new(),
            line: Mutex::new(None),
            wake,
        });
        let link = link::Running::start(&shared, link, source)?;
        Ok(Self { shared, link })
    }

    /// Where it stands.
    pub fn state(&self) -> CallState {
        lock(&self.shared.state).clone()
    }

    /// Waits until the state changes, or for `timeout`.
    pub fn wait_change(&self, timeout: Duration) {
        let state = lock(&self.shared.state);
        let before = state.clone();
        let _ = self.shared.changed.wait_timeout_while(state, timeout, |s| *s == before);
    }

    /// What it has had to say since the last call of this.
    pub fn notices(&self) -> Vec<String> {
        self.shared.notices.take()
    }

    /// The newest frame that nobody has taken.
    pub fn take_frame(&self) -> Option<Arc<DisplayFrame>> {
        self.shared.frames.try_take()
    }

    /// Waits for the next two pictures.
    pub fn wait_pair(&self, timeout: Duration) -> Taken<Arc<Pair>> {
        match self.shared.frames.take(timeout) {
            Taken::Value(shot) => Taken::Value(Arc::clone(&shot.pair)),
            Taken::Timeout => Taken::Timeout,
            Taken::Closed => Taken::Closed,
        }
    }

    /// Says which sides of each frame are looked at, besides bicubic and the call's network.
    pub fn look(&self, sides: &[Side]) {
        self.shared.view_request.look(sides);
    }

    /// Says whether the source's own pictures are of interest; a loopback call then keeps them for a while.
    pub fn want_truth(&self, wanted: bool) {
        self.shared.view_request.ground_truth.want(wanted);
    }

    /// Holds the frame with this stamp (one of the last) while the call goes on, or shows the newest again.
    pub fn freeze(&self, id: Option<u64>) {
        self.shared.view_request.freeze(id);
    }

    /// Goes so many frames on, or back, from the one that is held.
    pub fn step(&self, by: i32) {
        self.shared.view_request.step(by);
    }

    /// Counts a pair as shown now; call it once for each that reached the screen.
    pub fn shown(&self, pair: &Pair) {
        let age = Instant::now().saturating_duration_since(pair.stamp.captured);
        self.shared.stats.shown(age);
        self.shared.stats.output(Stage::Show, Duration::ZERO);
    }

    /// The newest picture that was encoded, at the size that is sent.
    pub fn self_view(&self) -> Option<Arc<Frame>> {
        self.shared.with_line(Line::self_view).flatten()
    }

    /// All numbers as they are now.
    pub fn stats(&self) -> Snapshot {
        self.shared.stats.snapshot()
    }

    /// Holds another bitrate from the next frame on.
    pub fn set_bitrate(&self, bits_per_second: u32) {
        lock(&self.shared.plan).bitrate = bits_per_second;
        self.shared.with_line(|line| line.set_bitrate(bits_per_second));
    }

    /// Records what arrives into an MP4 from the next keyframe on, which is asked for. What goes wrong is a notice
    /// and the [state](Self::recorder_state).
    pub fn record(&self, path: PathBuf) {
        self.shared.view_request.recorder.start(path);
    }

    /// What the recording is doing.
    pub fn recorder_state(&self) -> RecorderState {
        self.shared.view_request.recorder.state()
    }

    /// Ends the recording; its files, one for each size, none if nothing has been recorded.
    ///
    /// # Errors
    /// The last two seconds cannot be written; what is before them plays.
    pub fn stop_recording(&self) -> Result<Vec<Recorded>, RecordError> {
        self.shared.view_request.recorder.stop()
    }

    /// Sends pictures that fit into another size from the next frame on, as far as the source has so many pixels.
    pub fn set_size(&self, size: Size) {
        lock(&self.shared.plan).size = size;
        self.shared.with_line(|line| line.set_size(size));
    }

    /// Sends so many frames a second at most, from now on.
    pub fn set_fps(&self, fps: f32) {
        let mut plan = lock(&self.shared.plan);
        plan.fps = fps;
        let governed = plan.auto.is_some();
        drop(plan);
        self.shared.with_line(|line| line.set_fps(fps));
        if governed {
            // A frame may take a part of the time to the next, which is another now.
            self.shared.with_line(|line| line.want(self.shared.engine()));
        }
    }

    /// Shows with another network from the next frame on, whatever the machine can do.
    pub fn set_model(&self, model: Arc<Model>) {
        let mut plan = lock(&self.shared.plan);
        (plan.model, plan.auto) = (model, None);
        drop(plan);
        self.shared.with_line(|line| line.want(self.shared.engine()));
    }

    /// Lets the program choose the network from the next frame on.
    pub fn set_auto(&self, auto: Auto) {
        lock(&self.shared.plan).auto = Some(auto);
        self.shared.with_line(|line| line.want(self.shared.engine()));
    }

    /// Upscales elsewhere from the next frame on.
    pub fn set_engine(&self, engine: EngineChoice) {
        lock(&self.shared.plan).engine = engine;
        self.shared.with_line(|line| line.want(self.shared.engine()));
    }

    /// What is done to the packets of a loopback call, to be changed while it runs.
    pub fn impairment(&self) -> Arc<Impairment> {
        Arc::clone(&lock(&self.shared.plan).impairment)
    }

    /// Sends black instead of the source.
    pub fn mute(&self, muted: bool) {
        self.shared.with_line(|line| line.mute(muted));
    }

    /// Ends the sending half; what is on its way still arrives.
    pub fn stop_sending(&self) {
        let half = lock(&self.shared.line).as_mut().and_then(Line::take_sender);
        drop(half);
    }

    /// Gives the other side's answer line to the offer that this session made.
    pub fn accept_answer(&self, line: &str) -> Result<(), SessionError> {
        self.link.accept_answer(line)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.link.stop();
        // Joined here, not inside the lock: the threads may be about to take it.
        let line = lock(&self.shared.line).take();
        drop(line);
        self.link.finish();
    }
}
