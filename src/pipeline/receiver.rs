//! The receiving half: access units → decode → upscale → the screen's slot, on two threads.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use super::{
    CallSettings, Wake,
    display_frame::DisplayFrame,
    governed::{Auto, Governed},
    notices::Notices,
    recorder::Recorder,
    request::Request,
    side_renderer::SideRenderer,
    slot::{Slot, Taken},
    state_machine::Generation,
};
use crate::{
    call::ReceivedUnit,
    codec::Decoder,
    frame::{Frame, Stamp},
    model::{Model, SteadyQp},
    record::RecordError,
    scale::Squarer,
    stats::{Stage, Stats},
    upscale::{self, EngineChoice, EngineKind, GpuContext, Precision, UpscaleError, Upscaler, governor::FrameTime},
};

const TICK: Duration = Duration::from_millis(100);

/// So many access units may wait for the decoder: two seconds at 30 fps. Beyond that a gap is made on purpose.
const UNITS: usize = 64;

/// What the receiving half shows with: the part of the settings that it follows.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) choice: EngineChoice,
    pub(super) model: Arc<Model>,
    /// The governor chooses another model than that one, for so many frames a second.
    pub(super) auto: Option<(Auto, f32)>,
}

impl Engine {
    fn wanted(settings: &watch::Receiver<CallSettings>) -> Self {
        let settings = settings.borrow();
        let auto = settings.auto.clone().map(|auto| (auto, settings.fps));
        Self { choice: settings.engine, model: Arc::clone(&settings.model), auto }
    }
}

impl PartialEq for Engine {
    /// Networks are the same if they are the same in memory: comparing their weights would take its time.
    fn eq(&self, other: &Self) -> bool {
        self.choice == other.choice && Arc::ptr_eq(&self.model, &other.model) && self.auto == other.auto
    }
}

/// Where units from the network go.
#[derive(Clone)]
pub(super) struct UnitQueue {
    units: SyncSender<(Generation, ReceivedUnit, Stamp)>,
    gap: Arc<AtomicBool>,
    stats: Stats,
}

impl UnitQueue {
    /// A unit that came over this connection; `stamp` says when its picture was captured, or when it arrived.
    pub(super) fn put(&self, generation: Generation, unit: ReceivedUnit, stamp: Stamp) {
        self.stats.input(Stage::Assemble);
        match self.units.try_send((generation, unit, stamp)) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.stats.dropped(Stage::Assemble, "the decoder is behind");
                self.gap();
            }
            Err(TrySendError::Disconnected(_)) => self.stats.dropped(Stage::Assemble, "the call has ended"),
        }
    }

    /// Something is missing before the next unit.
    pub(super) fn gap(&self) {
        self.gap.store(true, Ordering::Relaxed);
    }
}

/// What the threads of the receiving half share with the session.
pub(super) struct ReceiveContext {
    pub(super) settings: watch::Receiver<CallSettings>,
    pub(super) side_renderer: SideRenderer,
    pub(super) frames: Slot<Arc<DisplayFrame>>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) session: mpsc::Sender<Request>,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
    pub(super) wake: Wake,
}

/// The running half; dropping it ends and joins its threads. It lives as long as the session: engines stay warm and
/// a frame that is held stays held while connections come and go.
pub(super) struct ReceiveHalf {
    pictures: Slot<Frame>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl ReceiveHalf {
    pub(super) fn start(context: ReceiveContext) -> std::io::Result<(Self, UnitQueue)> {
        let (units, queue) = sync_channel(UNITS);
        let units = UnitQueue { units, gap: Arc::default(), stats: context.stats.clone() };
        let mut half = Self { pictures: Slot::default(), stop: Arc::default(), threads: Vec::new() };
        let decoding = Decoding {
            queue,
            gap: Arc::clone(&units.gap),
            out: half.pictures.clone(),
            stop: Arc::clone(&half.stop),
            session: context.session,
            recorder: context.recorder,
            settings: context.settings.clone(),
            wake: Arc::clone(&context.wake),
            stats: context.stats.clone(),
            notices: context.notices.clone(),
        };
        half.threads.push(std::thread::Builder::new().name("decode".into()).spawn(move || decoding.run())?);
        let wanted = Engine::wanted(&context.settings);
        let upscaling = Upscaling {
            pictures: half.pictures.clone(),
            out: context.frames,
            settings: context.settings,
            stop: Arc::clone(&half.stop),
            side_renderer: context.side_renderer,
            governed: None,
            engine: wanted,
            stats: context.stats,
            notices: context.notices,
            wake: context.wake,
            choose: upscale::choose_for_call,
            lost: false,
        };
        half.threads.push(std::thread::Builder::new().name("upscale".into()).spawn(move || upscaling.run())?);
        Ok((half, units))
    }
}

impl Drop for ReceiveHalf {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.pictures.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the receiving half panicked");
            }
        }
    }
}

struct Decoding {
    queue: Receiver<(Generation, ReceivedUnit, Stamp)>,
    gap: Arc<AtomicBool>,
    out: Slot<Frame>,
    stop: Arc<AtomicBool>,
    session: mpsc::Sender<Request>,
    recorder: Arc<Recorder>,
    settings: watch::Receiver<CallSettings>,
    stats: Stats,
    notices: Notices,
    wake: Wake,
}

impl Decoding {
    fn run(self) {
        // A decoder for each connection: what it has seen says nothing of another one's units, nor does the quantiser.
        let mut decoding: Option<(Generation, Decoder, SteadyQp)> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let next = self.queue.recv_timeout(TICK);
            if self.recorder.follow(self.settings.borrow().recording.as_ref()) {
                (self.wake)();
            }
            let mut broken = self.gap.swap(false, Ordering::Relaxed);
            if broken {
                self.recorder.gap();
            }
            match next {
                Ok((generation, unit, stamp)) => {
                    let (_, decoder, steady) = match &mut decoding {
                        Some(same) if same.0 == generation => same,
                        other => match Decoder::new() {
                            Ok(decoder) => {
                                self.recorded(self.recorder.new_stream());
                                other.insert((generation, decoder, SteadyQp::default()))
                            }
                            Err(error) => {
                                self.stats.dropped(Stage::Decode, "no decoder");
                                self.notices.say(error.to_string());
                                continue;
                            }
                        },
                    };
                    broken |= self.recorded(self.recorder.unit(&unit));
                    broken |= !self.decode(decoder, steady, &unit, stamp);
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.recorded(self.recorder.pause());
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if broken && let Some((generation, ..)) = &decoding {
                // The peer asks, and asks again until a keyframe has come. Where the session is behind, the next
                // broken picture asks.
                let _ = self.session.try_send(Request::Keyframe(*generation));
            }
        }
        self.out.close();
    }

    /// True when the recording needs a keyframe to go on.
    fn recorded(&self, done: Result<bool, RecordError>) -> bool {
        done.unwrap_or_else(|error| {
            self.notices.say(error.to_string());
            false
        })
    }

    /// False when the picture is broken and stays so until a keyframe.
    fn decode(&self, decoder: &mut Decoder, steady: &mut SteadyQp, unit: &ReceivedUnit, stamp: Stamp) -> bool {
        let started = Instant::now();
        self.stats.output(Stage::Assemble, started.saturating_duration_since(unit.arrived));
        self.stats.input(Stage::Decode);
        let mut decoded = match decoder.decode(&unit.data, stamp) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => {
                self.stats.dropped(Stage::Decode, "nothing to show");
                return false;
            }
            Err(error) => {
                tracing::debug!("{error}");
                self.stats.dropped(Stage::Decode, "not decodable");
                return false;
            }
        };
        let whole = unit.complete && !decoded.damaged;
        let frame = &mut decoded.frame;
        frame.weights_qp = steady.follow(frame.qp);
        self.stats.decoded(frame.qp, !whole);
        self.stats.received_size(frame.size());
        self.stats.output(Stage::Decode, started.elapsed());
        self.stats.input(Stage::Upscale);
        if self.out.put(decoded.frame).is_some() {
            self.stats.dropped(Stage::Upscale, "a newer picture came");
        }
        whole
    }
}

struct Upscaling {
    pictures: Slot<Frame>,
    out: Slot<Arc<DisplayFrame>>,
    settings: watch::Receiver<CallSettings>,
    stop: Arc<AtomicBool>,
    side_renderer: SideRenderer,
    governed: Option<Governed>,
    engine: Engine,
    stats: Stats,
    notices: Notices,
    wake: Wake,
    /// How an engine is made: [`upscale::choose_for_call`].
    choose: Choose,
    /// The window's GPU is gone for good: the CPU upscales, whatever is wished for.
    lost: bool,
}

type Choose = fn(EngineChoice, Option<GpuContext>, Arc<Model>) -> Result<upscale::Chosen, UpscaleError>;

impl Upscaling {
    fn run(mut self) {
        let mut upscaler: Option<Box<dyn Upscaler>> = None;
        let mut wanted: Option<Engine> = None;
        let mut squarer = Squarer::default();
        while !self.stop.load(Ordering::Relaxed) {
            let engine = Engine::wanted(&self.settings);
            let mut again = wanted.as_ref() != Some(&engine);
            if again {
                upscaler = self.switch(upscaler, engine.clone());
                wanted = Some(engine);
            }
            match self.pictures.take(TICK) {
                Taken::Value(frame) => {
                    // The screen's pixels are square, and engines take chroma to lie in the middle.
                    let frame = match squarer.square(frame) {
                        Ok(frame) => frame.centred(),
                        Err(error) => {
                            self.stats.dropped(Stage::Upscale, "failed");
                            self.notices.say(error.to_string());
                            continue;
                        }
                    };
                    self.side_renderer.arrived(frame);
                    if self.side_renderer.changed() {
                        again = true;
                    }
                    if self.side_renderer.frozen() {
                        self.stats.dropped(Stage::Upscale, "another picture is held");
                    } else {
                        again = true;
                    }
                }
                Taken::Timeout => again = self.side_renderer.changed() || (again && self.side_renderer.frozen()),
                Taken::Closed => break,
            }
            if !again {
                continue;
            }
            let Some(running) = &mut upscaler else {
                self.stats.dropped(Stage::Upscale, "no engine");
                continue;
            };
            let shown = self.show(running.as_mut());
            if let Some(notice) = running.notice() {
                self.notices.say(notice);
            }
            match shown {
                Ok(()) => (self.wake)(),
                Err(error) => {
                    self.stats.dropped(Stage::Upscale, "failed");
                    self.notices.say(error.to_string());
                    if running.engine() == EngineKind::Gpu {
                        // The engine has tried what it can; the call goes on without it.
                        self.lost = matches!(error, UpscaleError::Lost(_));
                        // Of a lost one the wish stays, so that the reason can be told.
                        let choice = if self.lost { self.engine.choice } else { EngineChoice::Cpu };
                        let engine = Engine { choice, ..self.engine.clone() };
                        upscaler = self.switch(None, engine);
                    }
                }
            }
        }
    }

    /// Makes the sides of the current frame and puts them out.
    fn show(&mut self, engine: &mut dyn Upscaler) -> Result<(), UpscaleError> {
        let Some(held) = self.side_renderer.current() else { return Ok(()) };
        let started = Instant::now();
        let frozen = self.side_renderer.frozen();
        // What makes this frame; the next one may be made by another.
        let governed = self.governed.as_ref();
        let off = governed.is_some_and(|g| g.model().is_none());
        let model = governed.and_then(|g| g.model().or(g.smallest())).unwrap_or(&self.engine.model).clone();
        let pair = if off { engine.bicubic(&held.low)? } else { engine.compare(&held.low)? };
        let gpu_time = engine.gpu_time();
        if let Some(time) = &gpu_time {
            self.stats.gpu_time(time);
        }
        let clock = started.elapsed();
        let took = match (gpu_time, engine.cpu_time()) {
            (Some(time), _) => time.total.into(),
            (None, Some(own)) => FrameTime { own, clock },
            (None, None) => clock.into(),
        };
        if let Some(governed) = self.governed.as_mut().filter(|_| !frozen)
            && governed.frame(took)
        {
            if let Some(model) = governed.model() {
                engine.set_model(Arc::clone(model));
            }
            self.say_model();
        }
        if !frozen {
            self.stats.output(Stage::Upscale, started.elapsed());
            self.stats.input(Stage::Show);
        }
        let display_frame = self.side_renderer.display_frame(held, pair, &model, self.engine.choice, engine)?;
        let display_frame = DisplayFrame { off, ..display_frame };
        if self.out.put(Arc::new(display_frame)).is_some() && !frozen {
            self.stats.dropped(Stage::Show, "a newer picture came");
        }
        Ok(())
    }

    /// To another engine, model, or choice of it.
    fn switch(&mut self, running: Option<Box<dyn Upscaler>>, engine: Engine) -> Option<Box<dyn Upscaler>> {
        let runs = self.switched(running, engine);
        if let (Some(governed), Some(upscaler)) = (&mut self.governed, &runs) {
            governed.set_precision(upscaler.precision());
        }
        runs
    }

    fn switched(&mut self, mut running: Option<Box<dyn Upscaler>>, engine: Engine) -> Option<Box<dyn Upscaler>> {
        let lost = self.lost && !engine.choice.is_cpu();
        // Nobody asked for the CPU: as fast as it can.
        let engine = if lost { Engine { choice: EngineChoice::CpuInt8, ..engine } } else { engine };
        let chosen_before = self.engine.choice;
        let same_engine = running.is_some() && chosen_before == engine.choice;
        self.engine = engine;
        // What was measured of another engine says nothing.
        let before = self.governed.take().filter(|_| same_engine);
        self.governed = self.engine.auto.clone().map(|(auto, fps)| {
            let adopted = before.and_then(|mut governed| governed.adopt(&auto, fps).then_some(governed));
            adopted.unwrap_or_else(|| Governed::new(auto, fps))
        });
        let model = Arc::clone(self.governed.as_ref().and_then(Governed::model).unwrap_or(&self.engine.model));
        self.say_model();
        if let (true, Some(upscaler)) = (same_engine, &mut running) {
            upscaler.set_model(model);
            return running;
        }
        match (self.choose)(self.engine.choice, self.side_renderer.gpu(), Arc::clone(&model)) {
            Ok((upscaler, why)) => {
                let why = match (lost, upscaler.precision()) {
                    (false, _) => why,
                    (true, Precision::Int8) => "CPU in bytes: the GPU was lost".to_owned(),
                    (true, _) => "CPU: the GPU was lost".to_owned(),
                };
                self.stats.engine(upscaler.engine(), &why);
                Some(upscaler)
            }
            Err(error) => {
                self.notices.say(error.to_string());
                // The call goes on with the engine that it has.
                if let Some(upscaler) = &mut running {
                    self.engine.choice = chosen_before;
                    upscaler.set_model(model);
                    let name = upscaler.engine().to_string().to_uppercase();
                    self.stats.engine(upscaler.engine(), &format!("{name}: {error}"));
                }
                running
            }
        }
    }

    fn say_model(&self) {
        match &self.governed {
            Some(governed) => {
                let (name, why) = governed.why();
                tracing::info!("{name}: {why}");
                self.stats.model(name, &why);
            }
            None => self.stats.model(self.engine.model.name(), "as asked"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{pipeline::side_renderer::ViewRequest, upscale::CpuEngine};

    /// The CPU starts, the GPU does not.
    fn only_the_cpu(
        choice: EngineChoice,
        _: Option<GpuContext>,
        model: Arc<Model>,
    ) -> Result<upscale::Chosen, UpscaleError> {
        match choice {
            EngineChoice::Gpu => Err(UpscaleError::NoAdapter("none was found".to_owned())),
            _ => Ok((Box::new(CpuEngine::new(&model, Some(1))?), "CPU: as asked".to_owned())),
        }
    }

    #[test]
    fn an_engine_that_cannot_start_leaves_the_one_that_runs_and_says_why() {
        let (nano, small) = (Model::find("nano").unwrap(), Model::find("small").unwrap());
        let engine = |choice, model: &Model| Engine { choice, model: Arc::new(model.clone()), auto: None };
        let mut upscaling = Upscaling {
            pictures: Slot::default(),
            out: Slot::default(),
            settings: watch::channel(crate::pipeline::settings::tests::settings()).1,
            stop: Arc::default(),
            side_renderer: SideRenderer::new(Arc::new(ViewRequest::default()), true, None),
            governed: None,
            engine: engine(EngineChoice::Cpu, &nano),
            stats: Stats::default(),
            notices: Notices::default(),
            wake: Arc::new(|| {}),
            choose: only_the_cpu,
            lost: false,
        };
        assert!(upscaling.switch(None, engine(EngineChoice::Gpu, &nano)).is_none(), "there is nothing to go on with");
        assert_eq!(upscaling.notices.take().len(), 1);

        let runs = upscaling.switch(None, engine(EngineChoice::Cpu, &nano));
        assert_eq!(upscaling.stats.snapshot().engine_reason, "CPU: as asked");
        let runs = upscaling.switch(runs, engine(EngineChoice::Gpu, &small)).unwrap();
        assert_eq!(runs.engine(), EngineKind::Cpu);
        // The person sees it, the numbers go on saying it, and another model was chosen all the same.
        let said = upscaling.notices.take();
        assert!(said.len() == 1 && said[0].contains("none was found"), "{said:?}");
        let stats = upscaling.stats.snapshot();
        assert!(stats.engine_reason.starts_with("CPU: ") && stats.engine_reason.contains("none was found"));
        assert_eq!((stats.model.as_str(), upscaling.engine.choice), ("small", EngineChoice::Cpu));
    }
}
