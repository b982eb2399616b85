//! What the person looks at: which sides of a frame are made, and whether one frame is held.

use std::sync::{Arc, Mutex};

use super::{
    display_frame::{DisplayFrame, NetworkOff, Side},
    history::{GroundTruthBuffer, Held, History},
    lock,
};
use crate::{
    frame::Frame,
    model::Model,
    scale::Scaler,
    upscale::{self, EngineChoice, GpuContext, Method, Pair, Picture, UpscaleError, Upscaler},
};

/// The wishes of the window, which the upscaling thread looks at before each frame.
#[derive(Debug, Default)]
pub(super) struct ViewRequest {
    wish: Mutex<Wish>,
    /// What the source gave; kept in a loopback call only.
    pub(super) ground_truth: Arc<GroundTruthBuffer>,
}

#[derive(Debug, Default)]
struct Wish {
    sides: Vec<Side>,
    hold: Option<u64>,
    steps: i32,
    /// Something of it is new.
    fresh: bool,
}

impl ViewRequest {
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
pub(super) struct SideRenderer {
    view_request: Arc<ViewRequest>,
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

impl SideRenderer {
    pub(super) fn new(view_request: Arc<ViewRequest>, loopback: bool, gpu: Option<GpuContext>) -> Self {
        Self {
            view_request,
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
        let truth = if self.loopback { self.view_request.ground_truth.get(low.stamp.id) } else { None };
        self.history.add(Held { low: Arc::new(low), truth });
    }

    /// Looks at the wishes; true when the frame that is held has to be made again.
    pub(super) fn changed(&mut self) -> bool {
        let mut wish = lock(&self.view_request.wish);
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

    /// The window's device, or a headless one.
    pub(super) fn gpu(&self) -> Option<GpuContext> {
        self.gpu.clone()
    }

    /// The frame to show.
    pub(super) fn current(&self) -> Option<Held> {
        self.history.current().cloned()
    }

    /// Adds the other sides that are looked at.
    pub(super) fn display_frame(
        &mut self,
        held: Held,
        (pair, off): (Pair, Option<NetworkOff>),
        model: &Arc<Model>,
        choice: EngineChoice,
        engine: &mut dyn Upscaler,
    ) -> Result<DisplayFrame, UpscaleError> {
        let Held { low, truth } = held;
        let mut display_frame = DisplayFrame {
            frozen: self.history.frozen(),
            off,
            ..DisplayFrame::new(pair, Arc::clone(model), low, truth)
        };
        for side in self.sides.clone() {
            if display_frame.picture(&side).is_some() {
                continue;
            }
            let cpu = |frame: &Frame| Some(Picture::Cpu(Arc::new(frame.to_rgba())));
            let as_it_came = off == Some(NetworkOff::FullSize) && side != Side::Truth;
            let picture = match &side {
                _ if as_it_came => Some(display_frame.pair.bicubic.clone()),
                Side::Low => cpu(&display_frame.low),
                Side::Bilinear => cpu(&engine.upscale(&display_frame.low, Method::Bilinear)?),
                Side::Lanczos => cpu(&engine.upscale(&display_frame.low, Method::Lanczos)?),
                Side::Bicubic => None,
                Side::Network(model) => Some(self.by_other(model, choice, &display_frame.low)?),
                Side::Truth => display_frame.truth_at_size(&mut self.scaler).as_deref().and_then(cpu),
            };
            display_frame.extra.extend(picture.map(|picture| (side, picture)));
        }
        Ok(display_frame)
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
