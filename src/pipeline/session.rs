//! The handle that the program holds of a running call.

use std::{
    path::PathBuf,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    Auto, CallSettings, CallState, Cause, DisplayFrame, Side, Signaling, Slot, Taken, Wake, lock,
    notices::Notices,
    receiver::{ReceiveContext, ReceiveHalf},
    sender::{SendContext, SendHalf},
    session_task::{Endpoint, REQUESTS, Request, SessionTask},
    side_renderer::{SideRenderer, ViewRequest},
};
use crate::{
    call::{
        CallError, Impairment,
        signal::{self, Host, SdpType, SignalError, TextError},
    },
    frame::{Frame, Size},
    model::Model,
    record::{RecordError, Recorded},
    source::{self, SourceError},
    stats::{Snapshot, Stage, Stats},
    upscale::{EngineChoice, GpuContext, Pair},
};

/// How long a call may take to say goodbye.
const CLOSING: Duration = Duration::from_secs(3);

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
                    | SignalError::Unreachable { .. }
                    | SignalError::UnknownHost { .. }
                    | SignalError::WrongToken { .. }
                    | SignalError::NotClearcall { .. }
            ),
            Self::Threads(_) => false,
        }
    }

    pub(super) fn cause(&self) -> Cause {
        if self.is_input() { Cause::Input } else { Cause::Failure }
    }

    /// Whether a call that was lost need not try to come back.
    pub(super) const fn is_final(&self) -> bool {
        matches!(self, Self::Signal(error) if error.is_final())
    }
}

/// What the parts of a session share, besides what is wanted.
pub(super) struct Shared {
    pub(super) stats: Stats,
    pub(super) notices: Notices,
    state: Mutex<CallState>,
    changed: Condvar,
    wake: Wake,
}

impl Shared {
    pub(super) fn set_state(&self, state: CallState) {
        let mut now = lock(&self.state);
        if *now == state {
            return;
        }
        tracing::info!("{state:?}");
        *now = state;
        drop(now);
        self.changed.notify_all();
        (self.wake)();
    }
}

/// A call. Dropping it hangs up, ends every thread and waits for them.
pub struct Session {
    shared: Arc<Shared>,
    settings: watch::Sender<CallSettings>,
    requests: mpsc::Sender<Request>,
    frames: Slot<Arc<DisplayFrame>>,
    view_request: Arc<ViewRequest>,
    send: Mutex<Option<SendHalf>>,
    receive: Option<ReceiveHalf>,
    /// `None` only while it is being dropped.
    running: Option<RunningTask>,
}

struct RunningTask {
    runtime: Runtime,
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

impl Session {
    /// Opens the source and begins to connect; it does not wait for the network.
    ///
    /// `gpu` is the device that upscales where the engine is the GPU: the window's own, or a headless one.
    ///
    /// # Errors
    ///
    /// If the source cannot be opened, a host cannot listen, or no threads can be made.
    pub fn start(
        settings: CallSettings,
        signaling: Signaling,
        gpu: Option<GpuContext>,
        wake: Wake,
    ) -> Result<Self, SessionError> {
        let source = source::open(&settings.source, settings.source_wish(&signaling))?;
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("call").enable_all().build()?;
        let (requests, inbox) = mpsc::channel(REQUESTS);
        // A port in use is said at once, not in a state.
        let host = match signaling {
            Signaling::Host { listen } => {
                Some(runtime.block_on(Host::start(listen, Arc::new(Endpoint(requests.clone()))))?)
            }
            _ => None,
        };
        let shared = Arc::new(Shared {
            stats: Stats::default(),
            notices: Notices::default(),
            state: Mutex::new(CallState::Starting),
            changed: Condvar::new(),
            wake: Arc::clone(&wake),
        });
        let (stats, notices) = (shared.stats.clone(), shared.notices.clone());
        let loopback = matches!(signaling, Signaling::Loopback);
        let (settings, wanted) = watch::channel(settings);
        let (outlet, outlet_now) = watch::channel(None);
        let (frames, view_request): (Slot<_>, Arc<ViewRequest>) = Default::default();
        let send = SendHalf::start(
            source,
            SendContext {
                settings: wanted.clone(),
                outlet: outlet_now,
                ground_truth: loopback.then(|| Arc::clone(&view_request.ground_truth)),
                session: requests.clone(),
                stats: stats.clone(),
                notices: notices.clone(),
            },
        )?;
        let (receive, units) = ReceiveHalf::start(ReceiveContext {
            settings: wanted.clone(),
            side_renderer: SideRenderer::new(Arc::clone(&view_request), loopback, gpu),
            frames: frames.clone(),
            session: requests.clone(),
            stats,
            notices,
            wake,
        })?;
        let task = SessionTask::new(
            signaling,
            Arc::clone(&shared),
            runtime.handle().clone(),
            wanted,
            outlet,
            units,
            host,
            inbox,
        );
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(task.run(stopped));
        let running = Some(RunningTask { runtime, task, stop });
        Ok(Self {
            shared,
            settings,
            requests,
            frames,
            view_request,
            send: Mutex::new(Some(send)),
            receive: Some(receive),
            running,
        })
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
        self.frames.try_take()
    }

    /// Waits for the next two pictures.
    pub fn wait_pair(&self, timeout: Duration) -> Taken<Arc<Pair>> {
        match self.frames.take(timeout) {
            Taken::Value(frame) => Taken::Value(Arc::clone(&frame.pair)),
            Taken::Timeout => Taken::Timeout,
            Taken::Closed => Taken::Closed,
        }
    }

    /// Says which sides of each frame are looked at, besides bicubic and the call's network.
    pub fn look(&self, sides: &[Side]) {
        self.view_request.look(sides);
    }

    /// Says whether the source's own pictures are of interest; a loopback call then keeps them for a while.
    pub fn want_truth(&self, wanted: bool) {
        self.view_request.ground_truth.want(wanted);
    }

    /// Holds the frame with this stamp (one of the last) while the call goes on, or shows the newest again.
    pub fn freeze(&self, id: Option<u64>) {
        self.view_request.freeze(id);
    }

    /// Goes so many frames on, or back, from the one that is held.
    pub fn step(&self, by: i32) {
        self.view_request.step(by);
    }

    /// Counts a pair as shown now; call it once for each that reached the screen.
    pub fn shown(&self, pair: &Pair) {
        let age = Instant::now().saturating_duration_since(pair.stamp.captured);
        self.shared.stats.shown(age);
        self.shared.stats.output(Stage::Show, Duration::ZERO);
    }

    /// The newest picture that was encoded, at the size that is sent.
    pub fn self_view(&self) -> Option<Arc<Frame>> {
        lock(&self.send).as_ref().and_then(SendHalf::self_view)
    }

    /// All numbers as they are now.
    pub fn stats(&self) -> Snapshot {
        self.shared.stats.snapshot()
    }

    /// What is wanted, as it is now.
    pub fn settings(&self) -> CallSettings {
        self.settings.borrow().clone()
    }

    /// Holds another bitrate from the next frame on.
    pub fn set_bitrate(&self, bits_per_second: u32) {
        self.settings.send_modify(|settings| settings.bitrate = bits_per_second);
    }

    /// Sends pictures that fit into another size from the next frame on, as far as the source has so many pixels.
    pub fn set_size(&self, size: Size) {
        self.settings.send_modify(|settings| settings.size = size);
    }

    /// Sends so many frames a second at most, from now on.
    pub fn set_fps(&self, fps: f32) {
        self.settings.send_modify(|settings| settings.fps = fps);
    }

    /// Shows with another network from the next frame on, whatever the machine can do.
    pub fn set_model(&self, model: Arc<Model>) {
        self.settings.send_modify(|settings| (settings.model, settings.auto) = (model, None));
    }

    /// Lets the program choose the network from the next frame on.
    pub fn set_auto(&self, auto: Auto) {
        self.settings.send_modify(|settings| settings.auto = Some(auto));
    }

    /// Upscales elsewhere from the next frame on.
    pub fn set_engine(&self, engine: EngineChoice) {
        self.settings.send_modify(|settings| settings.engine = engine);
    }

    /// What is done to the packets of a loopback call, to be changed while it runs.
    pub fn impairment(&self) -> Arc<Impairment> {
        Arc::clone(&self.settings.borrow().impairment)
    }

    /// Sends black instead of the source, over this connection and every one that follows.
    pub fn mute(&self, muted: bool) {
        self.settings.send_modify(|settings| settings.muted = muted);
    }

    /// Records what arrives into an MP4 from the next keyframe on, which is asked for.
    pub fn record(&self, path: PathBuf) {
        self.view_request.recorder.start(path);
    }

    /// Ends the recording; none if nothing has been recorded.
    ///
    /// # Errors
    ///
    /// If the file cannot be completed.
    pub fn stop_recording(&self) -> Result<Option<Recorded>, RecordError> {
        self.view_request.recorder.stop()
    }

    /// Ends the sending half; what is on its way still arrives.
    pub fn stop_sending(&self) {
        let half = lock(&self.send).take();
        drop(half);
    }

    /// Gives the other side's answer line to the offer that this session made.
    ///
    /// # Errors
    ///
    /// If it is not an answer line, does not fit, or no offer waits for one.
    pub fn accept_answer(&self, line: &str) -> Result<(), SessionError> {
        let answer = signal::from_line(SdpType::Answer, line)?;
        let (reply, accepted) = oneshot::channel();
        let request = Request::AcceptAnswer { answer, reply };
        self.requests.blocking_send(request).map_err(|_| SessionError::NoOffer)?;
        accepted.blocking_recv().unwrap_or(Err(SessionError::NoOffer))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(RunningTask { runtime, task, stop }) = self.running.take() else { return };
        // The other side hears it before anything else is waited for.
        let _ = stop.send(());
        if runtime.block_on(async { tokio::time::timeout(CLOSING, task).await }).is_err() {
            tracing::warn!("the call did not end within {CLOSING:?}");
        }
        drop(lock(&self.send).take());
        drop(self.receive.take());
        runtime.shutdown_timeout(CLOSING);
    }
}
