//! The handle that the program holds of a running call.

use std::{
    path::Path,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Runtime},
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

use super::{
    AudioProcessing, Auto, CallSettings, CallState, DisplayFrame, NetworkSettings, SessionError, Side, Signaling,
    SizeChoice, Slot, SoundSource, SpeakerChoice, Taken, Wake,
    lip_sync::LipSync,
    lock,
    receiver::{ReceiveContext, ReceiveHalf},
    recorder::{Recorder, RecorderState},
    request::{Endpoint, REQUESTS, Request},
    sender::{SendContext, SendHalf},
    session_task::{SessionTask, Surroundings},
    shared::SessionShared,
    side_renderer::{SideRenderer, ViewRequest},
};
#[cfg(feature = "audio")]
use super::{
    audio::{AudioContext, AudioHalf},
    session_task::AudioLines,
};
use crate::{
    call::{
        Impairment,
        signal::{self, Host, HostOptions, SdpType},
    },
    frame::Frame,
    model::Model,
    record::{RecordError, Recorded},
    source,
    stats::{Snapshot, Stage},
    upscale::{EngineChoice, GpuContext},
};

/// How long a call may take to say goodbye.
const CLOSING: Duration = Duration::from_secs(3);

/// A call. Dropping it hangs up, ends every thread and waits for them.
pub struct Session {
    shared: Arc<SessionShared>,
    settings: watch::Sender<CallSettings>,
    requests: mpsc::Sender<Request>,
    frames: Slot<Arc<DisplayFrame>>,
    view_request: Arc<ViewRequest>,
    recorder: Arc<Recorder>,
    send: Mutex<Option<SendHalf>>,
    receive: Option<ReceiveHalf>,
    #[cfg(feature = "audio")]
    audio: Option<AudioHalf>,
    lip_sync: Arc<Mutex<LipSync>>,
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
        // From here on it is known which kind of call it is.
        let settings = CallSettings { size: Some(settings.size_in(&signaling)), ..settings };
        let source = source::open(&settings.source, settings.source_wish(&signaling))?;
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("call").enable_all().build()?;
        let (requests, inbox) = mpsc::channel(REQUESTS);
        // A port in use is said at once, not in a state.
        let host = match signaling {
            Signaling::Host { listen } => {
                let NetworkSettings { identity, ice_servers, .. } = settings.network.clone();
                let options = HostOptions { listen, identity, ice_servers };
                Some(runtime.block_on(Host::serve(options, Arc::new(Endpoint(requests.clone()))))?)
            }
            _ => None,
        };
        let shared = Arc::new(SessionShared::new(Arc::clone(&wake)));
        let (stats, notices) = (shared.stats.clone(), shared.notices.clone());
        let loopback = matches!(signaling, Signaling::Loopback);
        let (settings, wanted) = watch::channel(settings);
        let (outlet, outlet_now) = watch::channel(None);
        let (position, _source_at) = watch::channel(None);
        let lip_sync = Arc::<Mutex<LipSync>>::default();
        let (frames, view_request, recorder): (Slot<_>, Arc<ViewRequest>, Arc<Recorder>) = Default::default();
        let send = SendHalf::start(
            source,
            SendContext {
                settings: wanted.clone(),
                outlet: outlet_now,
                position,
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
            recorder: Arc::clone(&recorder),
            session: requests.clone(),
            stats: stats.clone(),
            notices: notices.clone(),
            lip_sync: Arc::clone(&lip_sync),
            wake,
        })?;
        #[cfg(feature = "audio")]
        let (audio, audio_lines) = if wanted.borrow().audio.on {
            let (outlet, outlet_now) = watch::channel(None);
            let (half, packets) = AudioHalf::start(AudioContext {
                settings: wanted.clone(),
                outlet: outlet_now,
                position: _source_at,
                lip_sync: Arc::clone(&lip_sync),
                stats,
                notices,
            })?;
            (Some(half), Some(AudioLines { outlet, packets }))
        } else {
            (None, None)
        };
        let surroundings = Surroundings {
            shared: Arc::clone(&shared),
            runtime: runtime.handle().clone(),
            settings: wanted,
            outlet,
            units,
            recorder: Arc::clone(&recorder),
            lip_sync: Arc::clone(&lip_sync),
            #[cfg(feature = "audio")]
            audio: audio_lines,
            requests: inbox,
        };
        let task = SessionTask::new(signaling, host, surroundings);
        let (stop, stopped) = oneshot::channel();
        let task = runtime.spawn(task.run(stopped));
        let running = Some(RunningTask { runtime, task, stop });
        Ok(Self {
            shared,
            settings,
            requests,
            frames,
            view_request,
            recorder,
            send: Mutex::new(Some(send)),
            receive: Some(receive),
            #[cfg(feature = "audio")]
            audio,
            lip_sync,
            running,
        })
    }

    /// Where it stands.
    pub fn state(&self) -> CallState {
        self.shared.state()
    }

    /// Waits until the state changes, or for `timeout`.
    pub fn wait_change(&self, timeout: Duration) {
        self.shared.wait_change(timeout);
    }

    /// What it has had to say since the last call of this.
    pub fn notices(&self) -> Vec<String> {
        self.shared.notices.take()
    }

    /// The newest frame that nobody has taken.
    pub fn take_frame(&self) -> Option<Arc<DisplayFrame>> {
        self.frames.try_take()
    }

    /// Waits for the next frame.
    pub fn wait_frame(&self, timeout: Duration) -> Taken<Arc<DisplayFrame>> {
        self.frames.take(timeout)
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

    /// Counts a frame as shown now; call it once for each that reached the screen.
    pub fn shown(&self, frame: &DisplayFrame) {
        lock(&self.lip_sync).shown(frame.pair.stamp.id, Instant::now());
        let since = |then| Instant::now().saturating_duration_since(then);
        self.shared.stats.shown(since(frame.pair.stamp.captured), frame.shown_upscaler());
        self.shared.stats.output(Stage::Show, since(frame.ready));
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

    /// Sends pictures of another size from the next frame on, as far as the source has so many pixels.
    pub fn set_size(&self, size: SizeChoice) {
        self.settings.send_modify(|settings| settings.size = Some(size));
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

    /// Sends silence instead of the sound, over this connection and every one that follows.
    pub fn mute_sound(&self, muted: bool) {
        self.settings.send_modify(|settings| settings.audio.muted = muted);
    }

    /// Sends other sound from now on.
    pub fn set_sound_source(&self, source: SoundSource) {
        self.settings.send_modify(|settings| settings.audio.source = source);
    }

    /// Plays what arrives elsewhere from now on.
    pub fn set_speaker(&self, speaker: SpeakerChoice) {
        self.settings.send_modify(|settings| settings.audio.speaker = speaker);
    }

    /// Does something else to the microphone's sound from now on.
    pub fn set_audio_processing(&self, processing: AudioProcessing) {
        self.settings.send_modify(|settings| settings.audio.processing = processing);
    }

    /// Records what arrives into an MP4 from the next keyframe on, which is asked for. What goes wrong is a notice
    /// and the [state](Self::recorder_state).
    pub fn record(&self, path: &Path) {
        self.settings.send_modify(|settings| settings.recording = Some(path.into()));
    }

    /// What the recording is doing.
    pub fn recorder_state(&self) -> RecorderState {
        self.recorder.state_of(self.settings.borrow().recording.as_ref())
    }

    /// Ends the recording; what it has become is among the [`recorded`](Self::recorded) soon after.
    pub fn stop_recording(&self) {
        self.settings.send_modify(|settings| settings.recording = None);
    }

    /// What recordings that were ended since the last call of this have become: for each its files, one for each
    /// size and connection, none if nothing was recorded; or why its last two seconds could not be written, while
    /// what is before them plays.
    pub fn recorded(&self) -> Vec<Result<Vec<Recorded>, RecordError>> {
        self.recorder.take_recorded()
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
        #[cfg(feature = "audio")]
        drop(self.audio.take());
        runtime.shutdown_timeout(CLOSING);
    }
}
