//! A band of rows, from codes to pixels.

use super::{
    net::{Net, NetRows},
    plane,
};
use crate::{
    frame::{Frame, Plane},
    upscale::{
        bicubic::{DOUBLE, FOURFOLD},
        colour::{ChromaRow, ToRgb, code},
        filter::{REACH, Rows, extend, weighted},
    },
};

/// What a thread needs to compute a band; kept from frame to frame.
///
/// Rows at twice the width hold all even columns and then all odd ones: so the network's channels, which
/// are the four places of a 2×2 block, are added as they come.
#[derive(Debug, Default)]
pub(super) struct Band {
    net: NetRows,
    luma: Rows,
    chroma: [Rows; 2],
    extended: Vec<f32>,
    bicubic: Vec<f32>,
    sum: Vec<f32>,
    uv: [Vec<f32>; 2],
    colours: ChromaRow,
}

impl Band {
    /// Both pictures of the rows from `first` on; the outputs' lengths say how many.
    pub(super) fn compare(&mut self, net: &Net, lr: &Frame, first: usize, left: &mut [u8], right: &mut [u8]) {
        let width = lr.y().width();
        self.start(net, width, first);
        // Two luma pixels share a chroma pixel; where the width is odd, one column is computed for nothing.
        let stride = 2 * lr.u().width();
        for rows in &mut self.chroma {
            rows.start(2 * stride);
        }
        for uv in &mut self.uv {
            uv.resize(2 * stride, 0.0);
        }
        let to_rgb = ToRgb::new(lr.colour);
        let pairs = left.chunks_exact_mut(16 * width).zip(right.chunks_exact_mut(16 * width));
        for (i, (left, right)) in pairs.enumerate() {
            let detail = self.net.row(net, lr.y());
            let both = left.chunks_exact_mut(8 * width).zip(right.chunks_exact_mut(8 * width));
            for (dy, (left, right)) in both.enumerate() {
                let y = 2 * (first + i) + dy;
                bicubic_row(&mut self.luma, lr.y(), y, &mut self.extended, &mut self.bicubic);
                chroma_rows(&mut self.chroma, lr, y, &mut self.extended, &mut self.uv);
                to_rgb.chroma(&self.uv[0], &self.uv[1], &mut self.colours);

                let (even, odd) = self.bicubic.split_at(width);
                to_rgb.pixels(even, odd, &self.colours, stride, left);
                add(&self.bicubic, [detail[2 * dy], detail[2 * dy + 1]], &mut self.sum);
                let (even, odd) = self.sum.split_at(width);
                to_rgb.pixels(even, odd, &self.colours, stride, right);
            }
        }
    }

    /// The network's luma of the rows from `first` on.
    pub(super) fn luma(&mut self, net: &Net, lr: &Plane, first: usize, out: &mut [u8]) {
        let width = lr.width();
        self.start(net, width, first);
        for (i, out) in out.chunks_exact_mut(4 * width).enumerate() {
            let detail = self.net.row(net, lr);
            for (dy, out) in out.chunks_exact_mut(2 * width).enumerate() {
                bicubic_row(&mut self.luma, lr, 2 * (first + i) + dy, &mut self.extended, &mut self.bicubic);
                add(&self.bicubic, [detail[2 * dy], detail[2 * dy + 1]], &mut self.sum);
                let (even, odd) = self.sum.split_at(width);
                for (out, (even, odd)) in out.as_chunks_mut::<2>().0.iter_mut().zip(even.iter().zip(odd)) {
                    *out = [code(*even), code(*odd)];
                }
            }
        }
    }

    fn start(&mut self, net: &Net, width: usize, first: usize) {
        self.net.start(net, width, first);
        self.luma.start(2 * width);
        self.bicubic.resize(2 * width, 0.0);
        self.sum.resize(2 * width, 0.0);
    }
}

/// Row `y` of the output's luma by bicubic.
fn bicubic_row(rows: &mut Rows, luma: &Plane, y: usize, extended: &mut Vec<f32>, out: &mut [f32]) {
    let (first, taps) = DOUBLE.down(y);
    extended.resize(luma.width() + 2 * REACH, 0.0);
    rows.fetch(first, taps.len(), |row, out| plane::across(luma, &DOUBLE, row, extended, out));
    weighted(taps, rows.get(first), out);
}

/// Row `y` of Cb and Cr at the output's pixels.
fn chroma_rows(rows: &mut [Rows; 2], lr: &Frame, y: usize, extended: &mut Vec<f32>, out: &mut [Vec<f32>; 2]) {
    let (first, taps) = FOURFOLD.down(y);
    for ((rows, plane), out) in rows.iter_mut().zip([lr.u(), lr.v()]).zip(out) {
        let width = plane.width();
        extended.resize(width + 2 * REACH, 0.0);
        rows.fetch(first, taps.len(), |row, out| {
            extend(plane.row(row.clamp(0, plane.height() as isize - 1) as usize), REACH, extended);
            let (even, odd) = out.split_at_mut(2 * width);
            for (half, phase) in [(even, 0), (odd, 1)] {
                // Columns 4k and 4k+2, or 4k+1 and 4k+3: two phases take turns.
                interleave(phase, extended, half);
            }
        });
        weighted(taps, rows.get(first), out);
    }
}

/// `out[2k]` by phase `phase` of [`FOURFOLD`], `out[2k+1]` by phase `phase + 2`.
fn interleave(phase: usize, row: &[f32], out: &mut [f32]) {
    let (a, b) = (FOURFOLD.taps[phase], FOURFOLD.taps[phase + 2]);
    // Both start from the same extended row; the later phases' first tap is one pixel further right.
    let start = REACH - 2;
    let n = out.len() / 2;
    let [r0, r1, r2, r3, r4] = std::array::from_fn(|t| &row[start + t..][..n]);
    for (k, out) in out.as_chunks_mut::<2>().0.iter_mut().enumerate().take(n) {
        *out = [
            a[0] * r0[k] + a[1] * r1[k] + a[2] * r2[k] + a[3] * r3[k],
            b[0] * r1[k] + b[1] * r2[k] + b[2] * r3[k] + b[3] * r4[k],
        ];
    }
}

/// The network's two channels of a row onto bicubic's even and odd columns.
fn add(bicubic: &[f32], detail: [&[f32]; 2], out: &mut [f32]) {
    let width = detail[0].len();
    for (half, detail) in detail.into_iter().enumerate() {
        let (base, out) = (&bicubic[half * width..][..width], &mut out[half * width..][..width]);
        for ((out, base), detail) in out.iter_mut().zip(base).zip(detail) {
            *out = base + detail;
        }
    }
}
