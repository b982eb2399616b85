//! The CPU engine: everything of a row in one pass, in vectors, across threads.
//!
//! A thread goes down a stretch of columns row by row. Each row passes all layers while the last three rows
//! of each are in the cache, meets bicubic, chroma and colour, and is written once. See ARCHITECTURE.md for
//! the counts.
//!
//! | module | what |
//! |---|---|
//! | `simd` | vectors, one trait for all instruction sets |
//! | `net`, `layer`, `quantised`, `conv`, `rows` | the network: packed weights, the same in bytes, the kernel, the rows that are kept |
//! | `pixels` | bicubic, chroma, colour |
//! | `previous_luma` | what was shown last |
//! | `band` | a row's way through all of it |
//! | `static_skip` | which rows are as in the picture before, and need no way |
//! | `pool`, `queue`, `thread_time` | threads, which rows each takes, and what they compute |

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use super::{EngineKind, Method, Pair, Picture, Precision, UpscaleError, Upscaler, bicubic, lanczos};
use crate::{
    frame::{Frame, FrameError, Plane, Rgba, Size},
    model::{Model, SCALE},
};

mod band;
mod conv;
mod layer;
mod memory;
mod net;
mod peak;
mod pixels;
mod plane;
mod pool;
mod previous_luma;
mod quantised;
mod queue;
mod rows;
mod simd;
mod static_skip;
mod thread_time;

use band::{Band, BandJob};
use memory::Pieces;
use net::Net;
pub(super) use net::quantised;
use pool::Pool;
use previous_luma::PreviousLuma;
pub(super) use quantised::Quantised;
use queue::Queue;
pub use simd::{Isa, SIMD_VARIABLE};
use static_skip::{SkipPlan, StaticSkip};
use thread_time::{since, thread_time};

/// More threads than this gain nothing on pictures of a call.
pub const MAX_THREADS: usize = 16;
/// How many finished pictures are kept to be written again.
const KEPT_PICTURES: usize = 8;

static LIMIT: AtomicUsize = AtomicUsize::new(MAX_THREADS);

/// Engines that are made from now on, and are not told otherwise, have so many threads at most. For the
/// whole process: it is the user's limit on what the program takes of the machine.
pub fn limit_threads(threads: usize) {
    LIMIT.store(threads.max(1), Ordering::Relaxed);
}

/// The threads of an engine that is not told otherwise: one for each core, within [`limit_threads`].
pub fn default_threads() -> usize {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    cores.min(LIMIT.load(Ordering::Relaxed)).clamp(1, MAX_THREADS)
}

/// Upscales with threads and vectors.
#[derive(Debug)]
pub struct CpuEngine {
    pool: Pool,
    isa: Isa,
    precision: Precision,
    net: Net,
    queue: Queue,
    static_skip: StaticSkip,
    previous_luma: PreviousLuma,
    /// One for each thread.
    bands: Vec<Mutex<Band>>,
    pictures: Vec<Arc<Rgba>>,
    /// Of the last frame, see [`Upscaler::cpu_time`].
    cpu_time: Option<Duration>,
}

impl CpuEngine {
    /// Starts its threads, as many as the machine has cores and [`limit_threads`] allows, or as given; with the
    /// best instructions that the machine has, or those that [`SIMD_VARIABLE`] names.
    ///
    /// # Errors
    /// When [`SIMD_VARIABLE`] asks for what this machine does not have, or a thread cannot be started.
    pub fn new(model: &Model, threads: Option<usize>) -> Result<Self, UpscaleError> {
        Self::with_isa(model, threads, Isa::from_env()?)
    }

    /// The same with these instructions.
    ///
    /// # Errors
    /// When this machine does not have the instructions, or a thread cannot be started.
    pub fn with_isa(model: &Model, threads: Option<usize>, isa: Isa) -> Result<Self, UpscaleError> {
        let isa = isa.checked()?;
        let threads = threads.unwrap_or_else(default_threads).clamp(1, MAX_THREADS);
        Ok(Self {
            pool: Pool::new(threads)?,
            isa,
            precision: Precision::F32,
            net: Net::new(model, Precision::F32),
            queue: Queue::default(),
            static_skip: StaticSkip::default(),
            previous_luma: PreviousLuma::default(),
            bands: (0..threads).map(|_| Mutex::default()).collect(),
            pictures: Vec::new(),
            cpu_time: None,
        })
    }

    /// The same, computing in this precision; a model that does not say how large its values become
    /// ([`Model::ranges`]) is computed in f32 all the same, see [`CpuEngine::precision`].
    pub fn in_precision(mut self, model: &Model, precision: Precision) -> Self {
        self.precision = precision;
        self.net = Net::new(model, precision);
        self.forget();
        self
    }

    /// In what it computes the model that it has.
    pub fn precision(&self) -> Precision {
        self.net.precision()
    }

    /// The instructions that it uses.
    pub const fn isa(&self) -> Isa {
        self.isa
    }

    /// Its threads.
    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// Only the network, at the quantiser of the frame before: its four channels, one after another, each as
    /// large as `luma`. What is missing in `out` is not written.
    pub fn network(&mut self, luma: &Plane, out: &mut [f32]) {
        self.compute(luma, BandJob::Channels { luma, out: Pieces::new(out) });
    }

    /// The machine's peak: multiply-adds a second in all threads at once, twice that being its FLOPS, or in bytes
    /// its integer operations.
    pub fn measure_peak(&mut self, precision: Precision) -> f64 {
        peak::measure(&mut self.pool, self.isa, precision)
    }

    /// All of a picture.
    fn compute(&mut self, luma: &Plane, job: BandJob<'_>) {
        self.static_skip.whole(&self.net, luma);
        self.go(job);
    }

    /// What `static_skip` says.
    fn go(&mut self, job: BandJob<'_>) {
        let (threads, isa) = (self.pool.threads(), self.isa);
        let SkipPlan { cut, compute, copy } = self.static_skip.plan();
        self.queue.fill(compute.len() as u32, threads, self.net.radius() as u32 + 2);
        let (net, queue, bands, made) = (&self.net, &self.queue, &self.bands, self.static_skip.made());
        self.pool.run(&|thread| {
            let Some(band) = bands.get(thread) else { return };
            let mut band = band.lock().unwrap_or_else(PoisonError::into_inner);
            band.begin();
            for place in &copy[copy.len() * thread / threads..copy.len() * (thread + 1) / threads] {
                // SAFETY: each thread has places of its own, and none of them is in the queue.
                unsafe { job.copy(made, cut, *place as usize) };
            }
            while let Some(i) = queue.take(thread) {
                // SAFETY: the queue gives out each place once.
                unsafe { band.place(isa, net, cut, &job, compute[i as usize] as usize) };
            }
        });
    }

    /// Does `work` and notes what its threads compute for it.
    fn timed<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let (begun, others) = (thread_time(), self.pool.computed_by_others());
        let done = work(self);
        let others = self.pool.computed_by_others().zip(others).map(|(now, before)| now.saturating_sub(before));
        self.cpu_time = since(begun).zip(others).map(|(own, others)| (own + others) / self.pool.threads() as u32);
        done
    }

    /// The next picture has nothing to do with those before.
    fn forget(&mut self) {
        self.static_skip.forget();
        self.previous_luma.forget();
    }

    /// A picture that nobody looks at any more, or a new one.
    fn picture(&mut self, size: Size) -> Arc<Rgba> {
        let free = self.pictures.iter_mut().position(|p| p.size == size && Arc::get_mut(p).is_some());
        match free {
            Some(i) => self.pictures.swap_remove(i),
            None => Arc::new(Rgba { size, data: vec![0; 4 * size.pixels()] }),
        }
    }

    fn keep(&mut self, picture: &Arc<Rgba>) {
        self.pictures.retain(|p| p.size == picture.size);
        if self.pictures.len() < KEPT_PICTURES {
            self.pictures.push(picture.clone());
        }
    }

    fn double(&mut self, plane: &Plane, how: Method, width: usize, height: usize) -> Result<Plane, UpscaleError> {
        let pool = &mut self.pool;
        let data = match how {
            Method::Bilinear => plane::double(pool, plane, &lanczos::BILINEAR_DOUBLE, width, height),
            Method::Bicubic | Method::Cnn => plane::double(pool, plane, &bicubic::DOUBLE, width, height),
            Method::Lanczos => plane::double(pool, plane, &lanczos::LANCZOS_DOUBLE, width, height),
        };
        Ok(Plane::from_vec(data, width, height, width).map_err(FrameError::from)?)
    }

    fn both(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        let (mut left, mut right) = (self.picture(size), self.picture(size));
        if self.net.follow(lr.weights_qp) {
            self.static_skip.forget();
        }
        self.static_skip.begin(&self.net, lr, 2);
        // Both were free or new, so that this copies nothing.
        let [l, r] = [&mut left, &mut right].map(|picture| Pieces::new(&mut Arc::make_mut(picture).data));
        let mut previous_luma = std::mem::take(&mut self.previous_luma);
        let hysteresis = previous_luma.begin(lr.y().width(), lr.y().height(), self.net.deadband());
        self.go(BandJob::Pair { lr, to_rgb: lr.colour.to_rgb(), hysteresis, left: l, right: r });
        self.previous_luma = previous_luma;
        self.keep(&left);
        self.keep(&right);
        self.static_skip.keep(lr, &[&left, &right]);
        Ok(Pair { stamp: lr.stamp, size, bicubic: Picture::Cpu(left), cnn: Picture::Cpu(right) })
    }

    fn bicubic_alone(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        let mut picture = self.picture(size);
        self.static_skip.begin(&self.net, lr, 1);
        let out = Pieces::new(&mut Arc::make_mut(&mut picture).data);
        self.go(BandJob::Bicubic { lr, to_rgb: lr.colour.to_rgb(), out });
        self.keep(&picture);
        self.static_skip.keep(lr, &[&picture]);
        let bicubic = Picture::Cpu(picture);
        Ok(Pair { stamp: lr.stamp, size, cnn: bicubic.clone(), bicubic })
    }

    fn network_luma(&mut self, luma: &Plane, qp: Option<f32>) -> Result<Plane, UpscaleError> {
        let (width, height) = (2 * luma.width(), 2 * luma.height());
        let mut data = vec![0; width * height];
        self.net.follow(qp);
        let mut previous_luma = std::mem::take(&mut self.previous_luma);
        let hysteresis = previous_luma.begin(luma.width(), luma.height(), self.net.deadband());
        self.compute(luma, BandJob::Luma { luma, hysteresis, out: Pieces::new(&mut data) });
        self.previous_luma = previous_luma;
        // What is kept does not belong to the picture before any more.
        self.static_skip.forget();
        Ok(Plane::from_vec(data, width, height, width).map_err(FrameError::from)?)
    }
}

impl Upscaler for CpuEngine {
    fn engine(&self) -> EngineKind {
        EngineKind::Cpu
    }

    fn describe(&self) -> String {
        let (isa, precision) = (self.isa, self.precision());
        match self.pool.threads() {
            1 => format!("CPU, 1 thread, {isa}, {precision}"),
            n => format!("CPU, {n} threads, {isa}, {precision}"),
        }
    }

    fn precision(&self) -> Precision {
        CpuEngine::precision(self)
    }

    fn cpu_time(&self) -> Option<Duration> {
        self.cpu_time
    }

    fn compare(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        self.timed(|engine| engine.both(lr))
    }

    fn bicubic(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        self.timed(|engine| engine.bicubic_alone(lr))
    }

    fn upscale(&mut self, lr: &Frame, how: Method) -> Result<Frame, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        let (width, height) = (size.width() as usize, size.height() as usize);
        let (cw, ch) = (size.chroma().width() as usize, size.chroma().height() as usize);
        let y = match how {
            Method::Cnn => self.network_luma(lr.y(), lr.weights_qp)?,
            _ => self.double(lr.y(), how, width, height)?,
        };
        let (u, v) = (self.double(lr.u(), how, cw, ch)?, self.double(lr.v(), how, cw, ch)?);
        Ok(Frame::new(y, u, v, lr.colour, lr.stamp)?)
    }

    fn set_model(&mut self, model: Arc<Model>) {
        self.forget();
        if !self.net.set_weights(&model) {
            self.net = Net::new(&model, self.precision);
        }
    }

    fn set_weights(&mut self, model: &Model) -> Result<(), UpscaleError> {
        self.forget();
        if self.net.set_weights(model) { Ok(()) } else { Err(UpscaleError::Shape(model.name().to_owned())) }
    }
}

#[cfg(test)]
mod tests;
