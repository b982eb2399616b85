//! The engine: a frame's way through the passes.

mod variant_time;

use std::sync::Arc;

use super::{
    GpuContext, GpuPicture,
    network::{FilePasses, Network, Passes},
    plan::{GpuDataType, Variant},
    surface::Surface,
    timer::{self, Timer},
    tune,
    weights::Weights,
};
use crate::{
    frame::{Frame, FrameError, Plane},
    model::{Condition, Model, SCALE},
    upscale::{CpuEngine, EngineKind, GpuTime, Method, Pair, Picture, Precision, UpscaleError, Upscaler, hysteresis},
};

/// Upscales with compute shaders.
#[derive(Debug)]
pub struct GpuEngine {
    gpu: GpuContext,
    model: Arc<Model>,
    variant: Variant,
    /// Whether models are to run in bytes, where they can.
    bytes: bool,
    network: Option<Network>,
    /// What the network's weights were made for; none: not all of them for the same.
    condition: Option<Condition>,
    surface: Option<Surface>,
    passes: Passes,
    /// Made when first asked for.
    file_passes: Option<FilePasses>,
    timer: Option<Timer>,
    /// What was submitted last. No more than this and the next are under way at once.
    submitted: Option<wgpu::SubmissionIndex>,
    /// For the methods that are only there to compare with.
    cpu: Option<CpuEngine>,
    /// How often the device was lost lately, and the frames since.
    losses: u32,
    steady: u32,
    notice: Option<String>,
}

/// So often the device may be lost before it is given up ...
const MAX_LOSSES: u32 = 3;
/// ... unless so many frames went well in between: a minute at 30 a second.
const STEADY: u32 = 1800;

impl GpuEngine {
    /// Compiles the shaders for a model; on a device that was lost, after opening it anew.
    ///
    /// # Errors
    /// When the device refuses the shaders or buffers, or is lost and cannot be opened anew.
    pub fn new(gpu: GpuContext, model: Arc<Model>) -> Result<Self, UpscaleError> {
        let variant = Self::fastest(&gpu, &model, false);
        Self::with_variant(gpu, model, variant)
    }

    /// The same in bytes, for models that say how large their values become; others are computed as usual.
    ///
    /// # Errors
    /// As [`GpuEngine::new`].
    pub fn in_bytes(gpu: GpuContext, model: Arc<Model>) -> Result<Self, UpscaleError> {
        let variant = Self::fastest(&gpu, &model, true);
        Ok(Self { bytes: true, ..Self::with_variant(gpu, model, variant)? })
    }

    /// The fastest way to run a network here, if that is remembered or may be measured.
    fn fastest(gpu: &GpuContext, model: &Arc<Model>, bytes: bool) -> Variant {
        if bytes && model.ranges().is_some() {
            return Variant { precision: GpuDataType::Int8, ..Variant::default() };
        }
        tune::fastest(gpu, model, |variant, over| variant_time::measure(gpu, model, variant, over))
    }

    /// Likewise, and runs it in this way.
    ///
    /// # Errors
    /// As [`GpuEngine::new`], and when the variant needs 16-bit numbers and the adapter has none.
    pub fn with_variant(gpu: GpuContext, model: Arc<Model>, variant: Variant) -> Result<Self, UpscaleError> {
        match Self::on(gpu.clone(), Arc::clone(&model), variant) {
            Err(UpscaleError::Lost(_)) => Self::on(gpu.reopened()?, model, variant),
            made => made,
        }
    }

    /// In what it computes the network.
    pub fn precision(&self) -> Precision {
        self.variant.precision.into()
    }

    fn on(gpu: GpuContext, model: Arc<Model>, variant: Variant) -> Result<Self, UpscaleError> {
        if variant.precision == GpuDataType::F16 && !gpu.device().features().contains(wgpu::Features::SHADER_F16) {
            return Err(UpscaleError::Gpu("its shaders have no numbers of 16 bits".to_owned()));
        }
        let (passes, network, timer) =
            gpu.guarded(|| Ok((Passes::new(&gpu, variant)?, Network::new(&gpu, &model, variant)?, Timer::new(&gpu))))?;
        if let Some(cache) = gpu.tuning_cache() {
            cache.keep_pipelines(gpu.adapter());
        }
        Ok(Self {
            gpu,
            model,
            variant,
            bytes: variant.precision == GpuDataType::Int8,
            network: Some(network),
            condition: Some(Condition::NEUTRAL),
            surface: None,
            passes,
            file_passes: None,
            timer,
            submitted: None,
            cpu: None,
            losses: 0,
            steady: 0,
            notice: None,
        })
    }

    /// The device it runs on.
    pub const fn context(&self) -> &GpuContext {
        &self.gpu
    }

    /// Does a frame's work; where the device is lost meanwhile, opens it anew and does it again.
    fn through_losses<T>(&mut self, work: impl Fn(&mut Self) -> Result<T, UpscaleError>) -> Result<T, UpscaleError> {
        loop {
            match work(self) {
                Err(UpscaleError::Lost(why)) => self.recover(why)?,
                done => {
                    self.steady = self.steady.saturating_add(1);
                    return done;
                }
            }
        }
    }

    /// A new device with everything on it. Pictures of the old one cannot be read any more.
    fn recover(&mut self, why: String) -> Result<(), UpscaleError> {
        let losses = if std::mem::take(&mut self.steady) < STEADY { self.losses + 1 } else { 1 };
        if losses > MAX_LOSSES {
            return Err(UpscaleError::Lost(format!("{why}, and that {MAX_LOSSES} times before")));
        }
        let new = Self::on(self.gpu.reopened()?, Arc::clone(&self.model), self.variant)?;
        let notice = format!("The GPU was lost ({why}); the call goes on with {}.", new.describe());
        *self = Self { losses, notice: Some(notice), cpu: self.cpu.take(), bytes: self.bytes, ..new };
        Ok(())
    }

    /// Makes the network and the surface anew where model or size have changed, and follows the quantiser.
    ///
    /// `for_files`: what the last layer gives is wanted by itself.
    fn prepare(&mut self, lr: &Frame, for_files: bool) -> Result<(), UpscaleError> {
        let (gpu, size) = (&self.gpu, lr.size());
        if self.network.is_none() {
            self.surface = None;
            let variant = Self::fastest(gpu, &self.model, self.bytes);
            if variant != self.variant {
                self.passes = gpu.guarded(|| Passes::new(gpu, variant))?;
                self.file_passes = None;
                self.variant = variant;
            }
            self.network = Some(gpu.guarded(|| Network::new(gpu, &self.model, variant))?);
            self.condition = Some(Condition::NEUTRAL);
            if let Some(cache) = gpu.tuning_cache() {
                cache.keep_pipelines(gpu.adapter());
            }
        }
        if for_files && self.file_passes.is_none() {
            self.file_passes = Some(gpu.guarded(|| FilePasses::new(gpu, self.variant))?);
        }
        if let Some(network) = self.network.as_mut().filter(|_| for_files)
            && gpu.guarded(|| network.need_last(gpu, &self.model))?
        {
            if let (Some(network), Some(surface)) = (&self.network, self.surface.take()) {
                self.surface = Some(gpu.guarded(|| Surface::new(gpu, network, size, Some(surface.into_previous())))?);
            }
            // Its weights may be for another quantiser than those of the other layers.
            self.condition = None;
        }
        let condition = Some(Condition::of(lr.weights_qp));
        if let Some(network) = &self.network
            && condition != self.condition
            && self.model.info().follows_qp
        {
            self.condition = condition;
            let weights = Weights::at(&self.model, lr.weights_qp, self.variant.precision)?;
            gpu.guarded(|| {
                network.set_weights(gpu, &weights);
                Ok(())
            })?;
        }
        if let Some(network) = &self.network
            && self.surface.as_ref().is_none_or(|s| s.size != size)
        {
            self.surface = None;
            self.surface = Some(gpu.guarded(|| Surface::new(gpu, network, size, None))?);
        }
        Ok(())
    }

    /// Lets the GPU finish the frame before, so that frames do not pile up where it is the slowest part.
    pub(super) fn hold_back(&mut self) -> Result<(), UpscaleError> {
        match self.submitted.take() {
            Some(submitted) => self.gpu.wait(submitted),
            None => Ok(()),
        }
    }

    /// Both pictures; without the network the second one is not to be looked at.
    fn pair(&mut self, lr: &Frame, with_network: bool) -> Result<Pair, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        self.hold_back()?;
        self.prepare(lr, false)?;
        let Self { gpu, network: Some(network), surface: Some(surface), passes, timer, .. } = self else {
            return Err(unprepared());
        };
        let (gpu, network) = (&*gpu, &*network);
        let (textures, submitted) = gpu.guarded(|| {
            let mut encoder = gpu.device().create_command_encoder(&Default::default());
            surface.upload(gpu, lr, network.deadband, &mut encoder);
            timer::begin(timer);
            let textures = surface.run(gpu, with_network.then_some(network), passes, &mut encoder, timer.as_mut());
            timer::end(timer, &mut encoder);
            let submitted = gpu.queue().submit([encoder.finish()]);
            timer::collect(timer);
            surface.submitted();
            Ok((textures, submitted))
        })?;
        let picture = |side| Picture::Gpu(GpuPicture { gpu: gpu.clone(), textures: textures.clone(), side });
        let pair = Pair { stamp: lr.stamp, size, bicubic: picture(0), cnn: picture(1) };
        self.submitted = Some(submitted);
        Ok(pair)
    }
}

/// [`GpuEngine::prepare`] makes what is missing here.
fn unprepared() -> UpscaleError {
    UpscaleError::Gpu("it was not prepared for this picture".to_owned())
}

impl Upscaler for GpuEngine {
    fn engine(&self) -> EngineKind {
        EngineKind::Gpu
    }

    fn describe(&self) -> String {
        let adapter = self.gpu.adapter();
        format!("{} ({})", adapter.name, adapter.backend)
    }

    fn precision(&self) -> Precision {
        GpuEngine::precision(self)
    }

    fn compare(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        self.through_losses(|this| this.pair(lr, true))
    }

    fn bicubic(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        let pair = self.through_losses(|this| this.pair(lr, false))?;
        Ok(Pair { cnn: pair.bicubic.clone(), ..pair })
    }

    fn notice(&mut self) -> Option<String> {
        self.notice.take()
    }

    fn gpu_time(&mut self) -> Option<GpuTime> {
        self.timer.as_mut().and_then(Timer::last)
    }

    fn upscale(&mut self, lr: &Frame, how: Method) -> Result<Frame, UpscaleError> {
        if matches!(how, Method::Bilinear | Method::Lanczos) {
            let cpu = match self.cpu.take() {
                Some(cpu) => cpu,
                None => CpuEngine::new(&self.model, None)?,
            };
            return self.cpu.insert(cpu).upscale(lr, how);
        }
        self.through_losses(|this| this.planes(lr, how == Method::Cnn))
    }

    fn set_model(&mut self, model: Arc<Model>) {
        if self.set_weights(&model).is_err() {
            self.model = model;
            self.network = None;
        }
    }

    fn set_weights(&mut self, model: &Model) -> Result<(), UpscaleError> {
        let shape = |model: &Model| (model.info().channels, model.info().depth);
        let other = self.bytes && model.ranges().is_some() != (self.variant.precision == GpuDataType::Int8);
        if other || shape(model) != shape(&self.model) {
            return Err(UpscaleError::Shape(model.name().to_owned()));
        }
        self.through_losses(|this| {
            let Self { gpu, variant, network: Some(network), .. } = this else { return Ok(()) };
            let weights = Weights::neutral(model, variant.precision)?;
            network.deadband = hysteresis::of_model(model, variant.precision.into());
            gpu.guarded(|| {
                network.set_weights(gpu, &weights);
                Ok(())
            })
        })?;
        self.condition = Some(Condition::NEUTRAL);
        if let Some(surface) = &mut self.surface {
            surface.forget();
        }
        self.model = Arc::new(model.clone());
        Ok(())
    }
}

impl GpuEngine {
    /// The frame at twice the size, for files; luma by the network or by bicubic.
    fn planes(&mut self, lr: &Frame, cnn: bool) -> Result<Frame, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        self.hold_back()?;
        self.prepare(lr, true)?;
        let Self { gpu, network: Some(network), surface: Some(surface), file_passes: Some(passes), timer, .. } = self
        else {
            return Err(unprepared());
        };
        let gpu = &*gpu;
        let planes = gpu.guarded(|| surface.planes(gpu, lr, network, passes, timer, cnn))?;
        let mut wanted = [size, size.chroma(), size.chroma()].into_iter();
        let [y, u, v] = planes.map(|data| {
            let size = wanted.next().unwrap_or(size);
            let (width, height) = (size.width() as usize, size.height() as usize);
            Plane::from_vec(data, width, height, width.next_multiple_of(4)).map_err(FrameError::from)
        });
        Ok(Frame::new(y?, u?, v?, lr.colour, lr.stamp)?)
    }
}
