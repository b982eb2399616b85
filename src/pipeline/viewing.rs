//! What the person looks at: which sides of a frame are made, and whether one frame is held.

use std::sync::{Arc, Mutex};

use super::{
    history::{Held, History, Truths},
    lock,
    recorder::Recorder,
    shot::{Shot, Side},
};
use crate::{
    frame::Frame,
    model::Model,
    scale::Scaler,
    upscale::{self, EngineChoice, GpuContext, Method, Pair, Picture, UpscaleError, Upscaler},
};

/// The wishes of the window, which the upscaling thread looks at before each frame.
#[derive(Debug, Default)]
pub(super) struct Viewing {
    wish: Mutex<Wish>,
    /// What the source gave; kept in a loopback call only.
    pub(super) truths: Arc<Truths>,
    pub(super) recorder: Arc<Recorder>,
}

#[derive(Debug, Default)]
struct Wish {
    sides: Vec<Side>,
    hold: Option<u64>,
    steps: i32,
    /// Something of it is new.
    fresh: bool,
}

impl Viewing {
    pub(super) fn look(&self, sides: &[Side]) {
        let mut wish = lock(&self.wish);
        if wish.sides != sides {
            wish.sides = sides.to_vec();
            wish.fresh = true;
        }
    }

    pub(super) fn freeze(&self, id: Option<u64>) {
        let mut wish = lock(&self.wish);
        *wish = Wish { sides: std::mem::take(&mut wish.sides), hold: id, steps: 0, fresh: true };
    }

    pub(super) fn step(&self, by: i32) {
        let mut wish = lock(&self.wish);
        if wish.hold.is_some() {
            wish.steps = wish.steps.saturating_add(by);
            wish.fresh = true;
        }
    }
}

/// Decides which frame is shown next, and makes the sides that engines do not.
pub(super) struct Gallery {
    viewing: Arc<Viewing>,
    /// Whether this call's frames can be told from one another at both ends.
    loopback: bool,
    gpu: Option<GpuContext>,
    history: History,
    holding: Option<u64>,
    sides: Vec<Side>,
    /// For a second network.
    other: Option<(Arc<Model>, EngineChoice, Box<dyn Upscaler>)>,
    scaler: Option<Scaler>,
}

impl Gallery {
    pub(super) fn new(viewing: Arc<Viewing>, loopback: bool, gpu: Option<GpuContext>) -> Self {
        Self {
            viewing,
            loopback,
            gpu,
            history: History::default(),
            holding: None,
            sides: Vec::new(),
            other: None,
            scaler: None,
        }
    }

    /// A frame has been decoded.
    pub(super) fn arrived(&mut self, low: Frame) {
        let truth = if self.loopback { self.viewing.truths.get(low.stamp.id) } else { None };
        self.history.add(Held { low: Arc::new(low), truth });
    }

    /// Looks at the wishes; true when the frame that is held has to be made again.
    pub(super) fn changed(&mut self) -> bool {
        let mut wish = lock(&self.viewing.wish);
        if !std::mem::take(&mut wish.fresh) {
            return false;
        }
        self.sides.clone_from(&wish.sides);
        let steps = std::mem::take(&mut wish.steps);
        if self.holding != wish.hold {
            self.holding = wish.hold;
            match wish.hold {
                Some(id) => self.history.freeze(id),
                None => self.history.thaw(),
            }
        }
        drop(wish);
        self.history.step(steps);
        self.history.frozen()
    }

    pub(super) fn frozen(&self) -> bool {
        self.history.frozen()
    }

    pub(super) fn recorder(&self) -> Arc<Recorder> {
        Arc::clone(&self.viewing.recorder)
    }

    /// The window's device, or a headless one.
    pub(super) fn gpu(&self) -> Option<GpuContext> {
        self.gpu.clone()
    }

    /// The frame to show.
    pub(super) fn current(&self) -> Option<Held> {
        self.history.current().cloned()
    }

    /// Adds the other sides that are looked at.
    pub(super) fn shot(
        &mut self,
        held: Held,
        pair: Pair,
        model: &Arc<Model>,
        choice: EngineChoice,
        engine: &mut dyn Upscaler,
    ) -> Result<Shot, UpscaleError> {
        let Held { low, truth } = held;
        let mut shot = Shot { frozen: self.history.frozen(), ..Shot::new(pair, Arc::clone(model), low, truth) };
        for side in self.sides.clone() {
            if shot.picture(&side).is_some() {
                continue;
            }
            let cpu = |frame: &Frame| Some(Picture::Cpu(Arc::new(frame.to_rgba())));
            let picture = match &side {
                Side::Low => cpu(&shot.low),
                Side::Bilinear => cpu(&engine.upscale(&shot.low, Method::Bilinear)?),
                Side::Lanczos => cpu(&engine.upscale(&shot.low, Method::Lanczos)?),
                Side::Bicubic => None,
                Side::Network(model) => Some(self.by_other(model, choice, &shot.low)?),
                Side::Truth => shot.truth_at_size(&mut self.scaler).as_deref().and_then(cpu),
            };
            shot.extra.extend(picture.map(|picture| (side, picture)));
        }
        Ok(shot)
    }

    /// The frame by a network that is not the call's.
    fn by_other(&mut self, model: &Arc<Model>, choice: EngineChoice, low: &Frame) -> Result<Picture, UpscaleError> {
        let other = match self.other.take() {
            Some(same) if Arc::ptr_eq(&same.0, model) && same.1 == choice => same,
            Some((_, c, mut engine)) if c == choice => {
                engine.set_model(Arc::clone(model));
                (Arc::clone(model), choice, engine)
            }
            _ => {
                let (engine, _) = upscale::choose_for_call(choice, self.gpu.clone(), Arc::clone(model))?;
                (Arc::clone(model), choice, engine)
            }
        };
        let (_, _, engine) = self.other.insert(other);
        Ok(engine.compare(low)?.cnn)
    }
}
