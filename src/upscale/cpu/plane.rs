//! One plane, doubled, by any filter.

use std::sync::Mutex;

use super::pool::Pool;
use crate::{
    frame::Plane,
    upscale::{
        colour::code,
        filter::{Phases, REACH, Rows, extend, weighted},
    },
};

/// `plane` at twice the size, cut to `width` and `height`.
pub(super) fn double<const T: usize>(
    pool: &mut Pool,
    plane: &Plane,
    phases: &Phases<2, T>,
    width: usize,
    height: usize,
) -> Vec<u8> {
    let mut out = vec![0; width * height];
    let share = height.div_ceil(pool.threads());
    let bands: Vec<_> = out.chunks_mut(share * width).map(Mutex::new).collect();
    pool.run(&|thread| {
        let Some(mut band) = bands.get(thread).and_then(|band| band.lock().ok()) else { return };
        let mut rows = Rows::default();
        let (mut extended, mut sums) = (vec![0.0; plane.width() + 2 * REACH], vec![0.0; 2 * plane.width()]);
        rows.start(2 * plane.width());
        for (y, out) in band.chunks_exact_mut(width).enumerate() {
            let (first, taps) = phases.down(thread * share + y);
            rows.fetch(first, T, |row, out| across(plane, phases, row, &mut extended, out));
            weighted(taps, rows.get(first), &mut sums);
            let (even, odd) = sums.split_at(plane.width());
            for (out, (even, odd)) in out.chunks_mut(2).zip(even.iter().zip(odd)) {
                for (out, v) in out.iter_mut().zip([even, odd]) {
                    *out = code(*v);
                }
            }
        }
    });
    out
}

/// A row of a plane at twice its width: first all even columns, then all odd ones.
fn across<const T: usize>(plane: &Plane, phases: &Phases<2, T>, row: isize, extended: &mut [f32], out: &mut [f32]) {
    let codes = plane.row(row.clamp(0, plane.height() as isize - 1) as usize);
    extend(codes, REACH, extended);
    let (even, odd) = out.split_at_mut(codes.len());
    phases.across(0, extended, even);
    phases.across(1, extended, odd);
}
