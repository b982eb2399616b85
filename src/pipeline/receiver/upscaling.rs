//! The thread that upscales the newest picture and puts both sides out.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::sync::watch;

use super::{Engine, TICK};
use crate::{
    frame::Frame,
    model::Model,
    pipeline::{
        CallSettings, Wake,
        display_frame::{DisplayFrame, NetworkOff},
        governed::Governed,
        notices::Notices,
        side_renderer::SideRenderer,
        slot::{Slot, Taken},
    },
    scale::Squarer,
    stats::{Stage, Stats},
    upscale::{
        self, EngineChoice, EngineKind, GpuContext, Pair, Precision, UpscaleError, Upscaler, governor::FrameTime,
    },
};

pub(super) struct Upscaling {
    pub(super) pictures: Slot<Frame>,
    pub(super) out: Slot<Arc<DisplayFrame>>,
    pub(super) settings: watch::Receiver<CallSettings>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) side_renderer: SideRenderer,
    pub(super) governed: Option<Governed>,
    pub(super) engine: Engine,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
    pub(super) wake: Wake,
    /// How an engine is made: [`upscale::choose_for_call`].
    pub(super) choose: Choose,
    /// The window's GPU is gone for good: the CPU upscales, whatever is wished for.
    pub(super) lost: bool,
}

type Choose = fn(EngineChoice, Option<GpuContext>, Arc<Model>) -> Result<upscale::Chosen, UpscaleError>;

impl Upscaling {
    pub(super) fn run(mut self) {
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
        let off = match governed.map(|g| g.model().is_none()) {
            _ if held.low.is_full_size() => Some(NetworkOff::FullSize),
            Some(true) => Some(NetworkOff::TooSlow),
            Some(false) | None => None,
        };
        let model = governed.and_then(|g| g.model().or(g.smallest())).unwrap_or(&self.engine.model).clone();
        let pair = match off {
            None => engine.compare(&held.low)?,
            Some(NetworkOff::TooSlow) => engine.bicubic(&held.low)?,
            Some(NetworkOff::FullSize) => Pair::as_it_came(&held.low),
        };
        let gpu_time = engine.gpu_time().filter(|_| off != Some(NetworkOff::FullSize));
        if let Some(time) = &gpu_time {
            self.stats.gpu_time(time);
        }
        let clock = started.elapsed();
        let took = match (gpu_time, engine.cpu_time()) {
            (Some(time), _) => time.total.into(),
            (None, Some(own)) => FrameTime { own, clock },
            (None, None) => clock.into(),
        };
        // What a frame took that nothing was computed for says nothing of the networks.
        if let Some(governed) = self.governed.as_mut().filter(|_| !frozen && off != Some(NetworkOff::FullSize))
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
        let display_frame = self.side_renderer.display_frame(held, (pair, off), &model, self.engine.choice, engine)?;
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
