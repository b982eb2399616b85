//! The CPU engine: bands of rows across threads, everything of a band in one pass.
//!
//! A band goes through all layers row by row and keeps only the last rows of each, so that what the
//! next layer needs is still in the nearest cache; each row is finished down to its RGB bytes before
//! the next begins. The loops work on slices and small arrays in a shape that the compiler vectorises.

use std::{sync::Arc, thread};

use rayon::prelude::*;

use super::{EngineKind, Method, Pair, Picture, UpscaleError, Upscaler, bicubic, lanczos};
use crate::{
    frame::{Frame, FrameError, Plane, Rgba, Size},
    model::{Model, SCALE},
};

mod band;
mod net;
mod plane;

use band::Band;
use net::Net;

/// More threads than this gain nothing on pictures of a call.
const MAX_THREADS: usize = 16;
/// Rows of a band at least: a band computes a few rows of its neighbours anew.
const MIN_ROWS: usize = 16;
/// How many finished pictures are kept to be written again.
const KEPT_PICTURES: usize = 8;

/// Upscales with threads and vectorised loops.
#[derive(Debug)]
pub struct CpuEngine {
    pool: rayon::ThreadPool,
    net: Net,
    bands: Vec<Band>,
    pictures: Vec<Arc<Rgba>>,
}

impl CpuEngine {
    /// Starts its threads: as many as the machine has cores, or as given.
    pub fn new(model: &Model, threads: Option<usize>) -> Result<Self, UpscaleError> {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(cores).clamp(1, MAX_THREADS);
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .thread_name(|i| format!("upscale-{i}"))
            .build()
            .map_err(|e| UpscaleError::Threads(e.to_string()))?;
        Ok(Self { pool, net: Net::new(model), bands: Vec::new(), pictures: Vec::new() })
    }

    /// Rows of a band for a picture of this height: several bands for each thread, so that one that is
    /// held up leaves work to the others.
    fn rows(&self, height: usize) -> usize {
        height.div_ceil(4 * self.pool.current_num_threads()).max(MIN_ROWS)
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

    fn double(&self, plane: &Plane, how: Method, width: usize, height: usize) -> Result<Plane, UpscaleError> {
        let data = self.pool.install(|| match how {
            Method::Bilinear => plane::double(plane, &lanczos::BILINEAR_DOUBLE, width, height),
            Method::Bicubic | Method::Cnn => plane::double(plane, &bicubic::DOUBLE, width, height),
            Method::Lanczos => plane::double(plane, &lanczos::LANCZOS_DOUBLE, width, height),
        });
        Ok(Plane::from_vec(data, width, height, width).map_err(FrameError::from)?)
    }

    fn network_luma(&mut self, lr: &Plane) -> Result<Plane, UpscaleError> {
        let (width, height) = (2 * lr.width(), 2 * lr.height());
        let mut data = vec![0; width * height];
        let rows = self.rows(lr.height());
        self.bands.resize_with(lr.height().div_ceil(rows), Band::default);
        let (net, bands) = (&self.net, &mut self.bands);
        self.pool.install(|| {
            let work = bands.par_iter_mut().zip(data.par_chunks_mut(2 * rows * width)).enumerate();
            work.for_each(|(i, (band, out))| band.luma(net, lr, i * rows, out));
        });
        Ok(Plane::from_vec(data, width, height, width).map_err(FrameError::from)?)
    }
}

impl Upscaler for CpuEngine {
    fn engine(&self) -> EngineKind {
        EngineKind::Cpu
    }

    fn describe(&self) -> String {
        match self.pool.current_num_threads() {
            1 => "CPU, 1 thread".to_owned(),
            n => format!("CPU, {n} threads"),
        }
    }

    fn compare(&mut self, lr: &Frame) -> Result<Pair, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        let (mut left, mut right) = (self.picture(size), self.picture(size));
        let height = lr.size().height() as usize;
        let rows = self.rows(height);
        self.bands.resize_with(height.div_ceil(rows), Band::default);
        let bytes = 2 * rows * 4 * size.width() as usize;
        let (net, bands) = (&self.net, &mut self.bands);
        // Both were free or new, so that this copies nothing.
        let (l, r) = (Arc::make_mut(&mut left), Arc::make_mut(&mut right));
        self.pool.install(|| {
            let outs = l.data.par_chunks_mut(bytes).zip(r.data.par_chunks_mut(bytes));
            let work = bands.par_iter_mut().zip(outs).enumerate();
            work.for_each(|(i, (band, (left, right)))| band.compare(net, lr, i * rows, left, right));
        });
        self.keep(&left);
        self.keep(&right);
        Ok(Pair { stamp: lr.stamp, size, bicubic: Picture::Cpu(left), cnn: Picture::Cpu(right), gpu_time: None })
    }

    fn upscale(&mut self, lr: &Frame, how: Method) -> Result<Frame, UpscaleError> {
        let size = lr.size().times(SCALE)?;
        let (width, height) = (size.width() as usize, size.height() as usize);
        let (cw, ch) = (size.chroma().width() as usize, size.chroma().height() as usize);
        let y = match how {
            Method::Cnn => self.network_luma(lr.y())?,
            _ => self.double(lr.y(), how, width, height)?,
        };
        let (u, v) = (self.double(lr.u(), how, cw, ch)?, self.double(lr.v(), how, cw, ch)?);
        Ok(Frame::new(y, u, v, lr.colour, lr.stamp)?)
    }

    fn set_model(&mut self, model: Arc<Model>) {
        self.net = Net::new(&model);
    }
}
