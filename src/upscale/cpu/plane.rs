//! One plane, doubled.

use rayon::prelude::*;

use crate::{
    frame::Plane,
    upscale::{
        colour::code,
        filter::{Phases, REACH, Rows, extend, weighted},
    },
};

/// Rows of the output that one thread makes at a time.
const ROWS: usize = 64;

/// `plane` at twice the size, cut to `width` and `height`, in the threads of the pool around.
pub(super) fn double<const T: usize>(plane: &Plane, phases: &Phases<2, T>, width: usize, height: usize) -> Vec<u8> {
    let mut out = vec![0; width * height];
    out.par_chunks_mut(ROWS * width).enumerate().for_each_init(
        || (Rows::default(), vec![0.0; plane.width() + 2 * REACH], vec![0.0; 2 * plane.width()]),
        |(rows, extended, sums), (i, out)| {
            rows.start(2 * plane.width());
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                let (first, taps) = phases.down(i * ROWS + y);
                rows.fetch(first, T, |row, out| across(plane, phases, row, extended, out));
                weighted(taps, rows.get(first), sums);
                let (even, odd) = sums.split_at(plane.width());
                for (out, (even, odd)) in out.chunks_mut(2).zip(even.iter().zip(odd)) {
                    for (out, v) in out.iter_mut().zip([even, odd]) {
                        *out = code(*v);
                    }
                }
            }
        },
    );
    out
}

/// A row of a plane at twice its width: first all even columns, then all odd ones.
pub(super) fn across<const T: usize>(
    plane: &Plane,
    phases: &Phases<2, T>,
    row: isize,
    extended: &mut [f32],
    out: &mut [f32],
) {
    let codes = plane.row(row.clamp(0, plane.height() as isize - 1) as usize);
    extend(codes, REACH, extended);
    let (even, odd) = out.split_at_mut(codes.len());
    phases.across(0, extended, even);
    phases.across(1, extended, odd);
}
