//! The CPU engine: everything of a row in one pass, in vectors, across threads.
//!
//! A thread goes down a stretch of columns row by row. Each row passes all layers while the last three rows
//! of each are in the cache, meets bicubic, chroma and colour, and is written once. See ARCHITECTURE.md for
//! the counts.
//!
//! | module | what |
//! |---|---|
//! | `simd` | vectors, one trait for all instruction sets |
//! | `net`, `quantised`, `conv`, `rows` | the network: packed weights, the same in bytes, the kernel, the rows that are kept |
//! | `pixels` | bicubic, chroma, colour |
//! | `kept` | what was shown last |
//! | `band` | a row's way through all of it |
//! | `still` | which rows are as in the picture before, and need no way |
//! | `pool`, `queue` | threads, and which rows each takes |

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::{EngineKind, Method, Pair, Picture, Precision, UpscaleError, Upscaler, bicubic, lanczos, play};
use crate::{
    frame::{Frame, FrameError, Plane, Rgba, Size},
    model::{Model, SCALE},
};

mod band;
mod conv;
mod kept;
mod memory;
mod net;
mod peak;
mod pixels;
mod plane;
mod pool;
mod quantised;
mod queue;
mod rows;
mod simd;
mod still;

use band::{Band, Wanted};
use kept::Kept;
use memory::Pieces;
use net::Net;
pub(super) use net::quantised;
use pool::Pool;
pub(super) use quantised::Quantised;
use queue::Queue;
pub use simd::{Isa, SIMD_VARIABLE};
use still::{Plan, Still};

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
    still: Still,
    kept: Kept,
    /// One for each thread.
    bands: Vec<Mutex<Band>>,
    pictures: Vec<Arc<Rgba>>,
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
            still: Still::default(),
            kept: Kept::default(),
            bands: (0..threads).map(|_| Mutex::default()).collect(),
            pictures: Vec::new(),
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
        if self.net.quantised.is_some() { Precision::Int8 } else { Precision::F32 }
    }

    /// How far what is shown may stay behind what is computed.
    fn play(&self) -> f32 {
        play::of(self.precision(), self.net.layers.len())
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
        self.compute(luma, Wanted::Channels { luma, out: Pieces::new(out) });
    }

    /// The machine's peak: multiply-adds a second in all threads at once, twice that being its FLOPS, or in bytes
    /// its integer operations.
    pub fn measure_peak(&mut self, precision: Precision) -> f64 {
        peak::measure(&mut self.pool, self.isa, precision)
    }

    /// All of a picture.
    fn compute(&mut self, luma: &Plane, wanted: Wanted<'_>) {
        self.still.whole(&self.net, luma);
        self.go(wanted);
    }

    /// What `still` says.
    fn go(&mut self, wanted: Wanted<'_>) {
        let (threads, isa) = (self.pool.threads(), self.isa);
        let Plan { cut, compute, copy } = self.still.plan();
        self.queue.fill(compute.len() as u32, threads, self.net.radius() as u32 + 2);
        let (net, queue, bands, made) = (&self.net, &self.queue, &self.bands, self.still.made());
        self.pool.run(&|thread| {
            let Some(band) = bands.get(thread) else { return };
            let mut band = band.lock().unwrap_or_else(PoisonError::into_inner);
            band.begin();
            for place in &copy[copy.len() * thread / threads..copy.len() * (thread + 1) / threads] {
                // SAFETY: each thread has places of its own, and none of them is in the queue.
                unsafe { wanted.copy(made, cut, *place as usize) };
            }
            while let Some(i) = queue.take(thread) {
                // SAFETY: the queue gives out each place once.
                unsafe { band.place(isa, net, cut, &wanted, compute[i as usize] as usize) };
            }
        });
    }

    /// The next picture has nothing to do with those before.
    fn forget(&mut self) {
        self.still.forget();
        self.kept.forget();
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

    fn network_luma(&mut self, luma: &Plane, qp: Option<f32>) -> Result<Plane, UpscaleError> {
        let (width, height) = (2 * luma.width(), 2 * luma.height());
        let mut data = vec![0; width * height];
        self.net.follow(qp);
        let mut kept = std::mem::take(&mut self.kept);
        let follow = kept.begin(luma.width(), luma.height(), self.play());
        self.compute(luma, Wanted::Luma { luma, follow, out: Pieces::new(&mut data) });
        self.kept = kept;
        // What is kept does not belong to the picture before any more.
        self.still.forget();
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

    fn compare(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        let (mut left, mut right) = (self.picture(size), self.picture(size));
        if self.net.follow(lr.qp) {
            self.still.forget();
        }
        self.still.begin(&self.net, lr, 2);
        // Both were free or new, so that this copies nothing.
        let [l, r] = [&mut left, &mut right].map(|picture| Pieces::new(&mut Arc::make_mut(picture).data));
        let mut kept = std::mem::take(&mut self.kept);
        let follow = kept.begin(lr.y().width(), lr.y().height(), self.play());
        self.go(Wanted::Pair { lr, to_rgb: lr.colour.to_rgb(), follow, left: l, right: r });
        self.kept = kept;
        self.keep(&left);
        self.keep(&right);
        self.still.keep(lr, &[&left, &right]);
        Ok(Pair { stamp: lr.stamp, size, bicubic: Picture::Cpu(left), cnn: Picture::Cpu(right) })
    }

    fn bicubic(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        let mut picture = self.picture(size);
        self.still.begin(&self.net, lr, 1);
        let out = Pieces::new(&mut Arc::make_mut(&mut picture).data);
        self.go(Wanted::Bicubic { lr, to_rgb: lr.colour.to_rgb(), out });
        self.keep(&picture);
        self.still.keep(lr, &[&picture]);
        let bicubic = Picture::Cpu(picture);
        Ok(Pair { stamp: lr.stamp, size, cnn: bicubic.clone(), bicubic })
    }

    fn upscale(&mut self, lr: &Frame, how: Method) -> Result<Frame, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        let (width, height) = (size.width() as usize, size.height() as usize);
        let (cw, ch) = (size.chroma().width() as usize, size.chroma().height() as usize);
        let y = match how {
            Method::Cnn => self.network_luma(lr.y(), lr.qp)?,
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
