//! Which [`Variant`] is the fastest, by a short measurement on the device itself.

use std::time::{Duration, Instant};

use super::{
    context::GpuContext,
    plan::{Fusion, GpuDataType, Variant},
};
use crate::model::Model;

/// Nothing more is measured after this. To compile a variant may take longer, and cannot be broken off.
const LONG_ENOUGH: Duration = Duration::from_millis(400);
/// Groups that are tried with what has proved the best otherwise.
const GROUPS: [[u32; 2]; 5] = [[16, 4], [8, 8], [32, 2], [32, 4], [16, 8]];

/// Whether it is one of those that are ever chosen, and can be run.
fn is_usable(variant: Variant, f16: bool) -> bool {
    GROUPS.contains(&variant.group)
        && match variant.precision {
            GpuDataType::F32 => true,
            GpuDataType::F16 => f16,
            GpuDataType::Int8 => false,
        }
}

/// The fastest variant for a network: remembered, or else measured, where the GPU remembers at all. `time` says how
/// long a frame takes with a variant; none where it cannot be run, or once the time for measuring is over.
pub(super) fn fastest(
    gpu: &GpuContext,
    model: &Model,
    time: impl Fn(Variant, &dyn Fn() -> bool) -> Option<Duration>,
) -> Variant {
    let Some(cache) = gpu.tuning_cache() else { return Variant::default() };
    let f16 = gpu.device().features().contains(wgpu::Features::SHADER_F16);
    let (adapter, shape) = (gpu.adapter(), model.info());
    if let Some(known) = cache.variant(adapter, shape).filter(|variant| is_usable(*variant, f16)) {
        return known;
    }
    let begun = Instant::now();
    let over = || begun.elapsed() > LONG_ENOUGH;
    let timed = |variant| {
        let time = time(variant, &over);
        tracing::debug!("{} with {variant:?}: {time:?}", model.name());
        time
    };
    let best = search(f16, timed, over);
    tracing::info!("{}: {} is fastest with {best:?}, after {:?}", adapter.name, model.name(), begun.elapsed());
    cache.keep_variant(adapter, shape, best);
    best
}

/// The usual one is measured first, so that a slow device, which has no time for more, keeps it. Then what is
/// computed with and what shares a pass, then the groups. A variant without a time is none.
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
        assert!(is_usable(best, true) && !is_usable(best, false) && is_usable(Variant::default(), false));
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
