//! Which [`Variant`] is the fastest, by a short measurement on the device itself.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Fusion, GpuContext, GpuDataType, GpuEngine, Variant};
use crate::{
    frame::{Colour, Frame, Size, Stamp},
    model::Model,
    upscale::Upscaler as _,
};

/// Nothing more is measured after this. To compile a variant may take longer, and cannot be broken off.
const LONG_ENOUGH: Duration = Duration::from_millis(400);
/// Frames of a variant; the fastest counts.
const FRAMES: usize = 6;

/// Groups that are tried with what has proved the best otherwise.
const GROUPS: [[u32; 2]; 5] = [[16, 4], [8, 8], [32, 2], [32, 4], [16, 8]];

/// Whether it is one of those that are ever chosen.
pub(super) fn is_known(variant: Variant) -> bool {
    GROUPS.contains(&variant.group) && variant.precision != GpuDataType::Int8
}

/// The fastest variant for a network. The usual one is measured first, so that a slow device, which has no time
/// for more, keeps it.
pub(super) fn fastest(gpu: &GpuContext, model: &Arc<Model>) -> Variant {
    // A software adapter would take all the time for a single picture of a call's size.
    let (width, height) = if gpu.is_software() { (96, 72) } else { (480, 360) };
    let Ok(size) = Size::new(width, height) else { return Variant::default() };
    let lr = Frame::filled(size, [120, 128, 128], Colour::default(), Stamp::now(0));
    let f16 = gpu.device().features().contains(wgpu::Features::SHADER_F16);
    let begun = Instant::now();
    let over = || begun.elapsed() > LONG_ENOUGH;
    let time = |variant| {
        let time = measure(gpu, model, variant, &lr, over);
        tracing::debug!("{} with {variant:?}: {time:?}", model.name());
        time
    };
    let best = search(f16, time, over);
    tracing::info!("{}: {} is fastest with {best:?}, after {:?}", gpu.adapter().name, model.name(), begun.elapsed());
    best
}

/// First what is computed with and what shares a pass, then the groups. A variant without a time is none.
fn search(f16: bool, mut time: impl FnMut(Variant) -> Option<Duration>, mut over: impl FnMut() -> bool) -> Variant {
    let mut best = Variant::default();
    let mut shortest = time(best).unwrap_or(Duration::MAX);
    let mut attempt = |variant: Variant, best: &mut Variant| {
        if variant == *best || over() {
            return;
        }
        if let Some(took) = time(variant).filter(|took| *took < shortest) {
            (shortest, *best) = (took, variant);
        }
    };
    if f16 {
        attempt(Variant { precision: GpuDataType::F16, ..best }, &mut best);
    }
    for fusion in [Fusion::Pairs, Fusion::Each] {
        attempt(Variant { fusion, ..best }, &mut best);
    }
    for group in GROUPS {
        attempt(Variant { group, ..best }, &mut best);
    }
    best
}

/// None where it cannot be run, or where the time was over once it was compiled.
fn measure(
    gpu: &GpuContext,
    model: &Arc<Model>,
    variant: Variant,
    lr: &Frame,
    over: impl Fn() -> bool,
) -> Option<Duration> {
    let [x, y] = variant.group;
    if x * y > gpu.device().limits().max_compute_invocations_per_workgroup {
        return None;
    }
    let mut engine = GpuEngine::on(gpu.clone(), Arc::clone(model), variant).ok()?;
    let frame = |engine: &mut GpuEngine| {
        let begun = Instant::now();
        engine.compare(lr).ok()?;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fastest_is_found_one_choice_after_another() {
        let mut tried = Vec::new();
        let mut time = |v: Variant| {
            tried.push(v);
            let fusion = if v.fusion == Fusion::Pairs { 0 } else { 10 };
            let precision = if v.precision == GpuDataType::F16 { 0 } else { 5 };
            let group = if v.group == [8, 8] { 0 } else { 2 };
            Some(Duration::from_millis(1 + fusion + precision + group))
        };
        let best = search(true, &mut time, || false);
        assert_eq!(best, Variant { fusion: Fusion::Pairs, precision: GpuDataType::F16, group: [8, 8] });
        assert!(is_known(best) && is_known(Variant::default()));
        let best = search(false, &mut time, || false);
        assert_eq!(best.precision, GpuDataType::F32);
        let all: std::collections::HashSet<_> = tried[..8].iter().collect();
        assert_eq!(all.len(), 8, "nothing is measured twice: {tried:?}");
    }

    #[test]
    fn without_time_or_without_success_it_is_the_usual_one() {
        let mut count = 0;
        let slow = |_| {
            count += 1;
            Some(Duration::from_secs(1))
        };
        assert_eq!(search(true, slow, || true), Variant::default());
        assert_eq!(count, 1);
        assert_eq!(search(true, |_| None, || false), Variant::default());
    }
}
