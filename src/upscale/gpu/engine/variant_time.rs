//! How long a frame takes with a variant, measured on the device itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::GpuEngine;
use crate::{
    frame::{Colour, Frame, Size, Stamp},
    model::Model,
    upscale::{
        Upscaler as _,
        gpu::{GpuContext, Variant},
    },
};

/// So many frames are made; the fastest counts.
const FRAMES: usize = 6;

/// None where the variant cannot be run, or where the time was over once it was compiled.
pub(super) fn measure(
    gpu: &GpuContext,
    model: &Arc<Model>,
    variant: Variant,
    over: &dyn Fn() -> bool,
) -> Option<Duration> {
    let [x, y] = variant.group;
    if x * y > gpu.device().limits().max_compute_invocations_per_workgroup {
        return None;
    }
    // A software adapter would take all the time for a single picture of a call's size.
    let (width, height) = if gpu.is_software() { (96, 72) } else { (480, 360) };
    let lr = Frame::filled(Size::new(width, height).ok()?, [120, 128, 128], Colour::default(), Stamp::now(0));
    let mut engine = GpuEngine::on(gpu.clone(), Arc::clone(model), variant).ok()?;
    let frame = |engine: &mut GpuEngine| {
        let begun = Instant::now();
        engine.compare(&lr).ok()?;
        engine.hold_back().ok()?;
        let by_clock = begun.elapsed();
        Some(engine.gpu_time().map_or(by_clock, |time| time.total))
    };
    // The first one may compile, and fills the caches.
    frame(&mut engine)?;
    if over() {
        return None;
    }
    (0..FRAMES).map(|_| frame(&mut engine)).collect::<Option<Vec<_>>>()?.into_iter().min()
}
