//! From rows to pixels: bicubic across and down, the network's part, chroma, colours.
//!
//! A row at twice the width is kept as two: its even columns and its odd ones. So the network's four channels,
//! which are the four places of a 2×2 block, are added as they come, and columns are put side by side only
//! in the last step.

use super::{
    memory::LINE,
    simd::{Simd, SimdKernel, load},
};
use crate::upscale::bicubic::{DOUBLE, FOURFOLD};

/// Length of a half row for `width` pixels, with room for a whole vector at the end.
pub(super) const fn half(width: usize) -> usize {
    width.next_multiple_of(LINE)
}

/// Luma across: `row` begins two pixels left of the stretch; `out` takes even columns, then odd ones.
pub(super) struct LumaAcross<'a> {
    pub(super) row: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl SimdKernel for LumaAcross<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (even, odd) = self.out.split_at_mut(self.out.len() / 2);
        let row = &self.row[..even.len() + 4];
        for x in (0..even.len() / S::LANES * S::LANES).step_by(S::LANES) {
            // SAFETY: x + LANES + 4 is at most the row's length, and both halves have x + LANES values.
            unsafe {
                let five = load::<S, 5>(s, row.as_ptr().add(x), 1);
                s.store(even.as_mut_ptr().add(x), weighted(s, DOUBLE.taps[0], [five[0], five[1], five[2], five[3]]));
                s.store(odd.as_mut_ptr().add(x), weighted(s, DOUBLE.taps[1], [five[1], five[2], five[3], five[4]]));
            }
        }
    }
}

/// Chroma across, at the output's columns: `row` begins two pixels left of the stretch.
pub(super) struct ChromaAcross<'a> {
    pub(super) row: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl SimdKernel for ChromaAcross<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (even, odd) = self.out.split_at_mut(self.out.len() / 2);
        let row = &self.row[..even.len() / 2 + 4];
        for x in (0..even.len() / 2 / S::LANES * S::LANES).step_by(S::LANES) {
            // SAFETY: x + LANES + 4 is at most the row's length, and both halves have 2·(x + LANES) values.
            unsafe {
                let five = load::<S, 5>(s, row.as_ptr().add(x), 1);
                // Columns 4k, 4k+1, 4k+2, 4k+3: the later two begin one pixel further right.
                let (first, second) = ([five[0], five[1], five[2], five[3]], [five[1], five[2], five[3], five[4]]);
                let (a, b) = (weighted(s, FOURFOLD.taps[0], first), weighted(s, FOURFOLD.taps[1], first));
                let (c, d) = (weighted(s, FOURFOLD.taps[2], second), weighted(s, FOURFOLD.taps[3], second));
                let (evens, odds) = (s.interleave(a, c), s.interleave(b, d));
                s.store(even.as_mut_ptr().add(2 * x), evens[0]);
                s.store(even.as_mut_ptr().add(2 * x + S::LANES), evens[1]);
                s.store(odd.as_mut_ptr().add(2 * x), odds[0]);
                s.store(odd.as_mut_ptr().add(2 * x + S::LANES), odds[1]);
            }
        }
    }
}

#[inline(always)]
fn weighted<S: Simd>(s: S, taps: [f32; 4], rows: [S::V; 4]) -> S::V {
    let mut sum = s.mul(s.splat(taps[0]), rows[0]);
    for t in 1..4 {
        sum = s.mul_add(s.splat(taps[t]), rows[t], sum);
    }
    sum
}

#[inline(always)]
fn held<S: Simd>(s: S, v: S::V) -> S::V {
    s.min(s.max(v, s.splat(0.0)), s.splat(1.0))
}

/// Moves what was shown as far as [`hysteresis::follow`](crate::upscale::hysteresis::follow) says.
///
/// # Safety
/// At `previous` is a vector that nobody else touches.
#[inline(always)]
unsafe fn follow<S: Simd>(s: S, previous: *mut f32, computed: S::V, deadband: S::V) -> S::V {
    // SAFETY: the caller says so.
    unsafe {
        let least = s.add(computed, s.mul(deadband, s.splat(-1.0)));
        let now = s.max(s.min(s.load(previous), s.add(computed, deadband)), least);
        s.store(previous, now);
        now
    }
}

/// The vector at `at` of each row.
///
/// # Safety
/// From `at` on each row has a vector.
#[inline(always)]
unsafe fn gather<S: Simd, const N: usize>(s: S, rows: &[&[f32]; N], at: usize) -> [S::V; N] {
    let mut vectors = [s.splat(0.0); N];
    for (vector, row) in vectors.iter_mut().zip(rows) {
        // SAFETY: the caller says so.
        *vector = unsafe { s.load(row.as_ptr().add(at)) };
    }
    vectors
}

/// The rows of luma around one of low resolution, each even columns and odd ones.
pub(super) type Luma<'a> = [&'a [f32]; 5];

/// Columns of one parity of two output rows, by bicubic.
///
/// # Safety
/// From `at` on each row has a vector.
#[inline(always)]
unsafe fn down<S: Simd>(s: S, rows: &Luma<'_>, at: usize) -> [S::V; 2] {
    // SAFETY: the caller says so.
    let [a, b, c, d, e] = unsafe { gather(s, rows, at) };
    [weighted(s, DOUBLE.taps[0], [a, b, c, d]), weighted(s, DOUBLE.taps[1], [b, c, d, e])]
}

/// Two rows of the pictures, from one row of low resolution: of bicubic, and of the network's where there is
/// a second.
pub(super) struct Pixels<'a, const SIDES: usize> {
    pub(super) luma: Luma<'a>,
    /// The network's four channels.
    pub(super) detail: [&'a [f32]; 4],
    /// The luma that was shown last, as these channels lie, which is followed with a deadband.
    pub(super) previous: [&'a mut [f32]; 4],
    pub(super) deadband: f32,
    /// Four rows of Cb and of Cr, each even columns and odd ones.
    pub(super) chroma: [[&'a [f32]; 4]; 2],
    /// Their weights in the two rows.
    pub(super) taps: [[f32; 4]; 2],
    /// See [`Colour::to_rgb`](crate::frame::Colour::to_rgb).
    pub(super) to_rgb: [[f32; 4]; 3],
    /// Bicubic's two rows and the network's, eight bytes for each pixel of low resolution.
    pub(super) out: [[&'a mut [u8]; 2]; SIDES],
    /// Pixels of low resolution.
    pub(super) width: usize,
}

impl<const SIDES: usize> SimdKernel for Pixels<'_, SIDES> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { luma, detail, previous, deadband, chroma, taps, to_rgb, out, width } = self;
        let all = width.next_multiple_of(S::LANES);
        // All that is touched below, checked once.
        let (odd_luma, odd_chroma) = (luma[0].len() / 2, chroma[0][0].len() / 2);
        let luma = luma.map(|row| &row[..odd_luma + all]);
        let chroma = chroma.map(|rows| rows.map(|row| &row[..odd_chroma + all]));
        let detail = if SIDES > 1 { detail.map(|row| &row[..all]) } else { detail };
        let previous = previous.map(|row| if SIDES > 1 { row[..all].as_mut_ptr() } else { row.as_mut_ptr() });
        let deadband = s.splat(deadband);
        let out = out.map(|rows| rows.map(|row| row[..8 * width].as_mut_ptr()));
        // R takes nothing of Cb, B nothing of Cr.
        let mut k = [[s.splat(0.0); 4]; 3];
        for (k, row) in k.iter_mut().zip(to_rgb) {
            for (k, v) in k.iter_mut().zip(row) {
                *k = s.splat(255.0 * v);
            }
        }
        for x in (0..width).step_by(S::LANES) {
            // For each picture and row the even columns' pixels and the odd ones'.
            let mut pixels = [[[s.splat(0.0); 2]; 2]; SIDES];
            for parity in 0..2 {
                // SAFETY: x + LANES is at most `all`, which was checked.
                let (base, u, v) = unsafe {
                    let at = parity * odd_chroma + x;
                    (down(s, &luma, parity * odd_luma + x), gather(s, &chroma[0], at), gather(s, &chroma[1], at))
                };
                for dy in 0..2 {
                    let (cb, cr) = (held(s, weighted(s, taps[dy], u)), held(s, weighted(s, taps[dy], v)));
                    let r = s.mul_add(k[0][2], cr, k[0][3]);
                    let g = s.mul_add(k[1][1], cb, s.mul_add(k[1][2], cr, k[1][3]));
                    let b = s.mul_add(k[2][1], cb, k[2][3]);
                    for (side, pixels) in pixels.iter_mut().enumerate() {
                        let mut y = held(s, base[dy]);
                        if side == 1 {
                            let channel = 2 * dy + parity;
                            // SAFETY: likewise.
                            y = unsafe {
                                let y = s.add(base[dy], s.load(detail[channel].as_ptr().add(x)));
                                follow(s, previous[channel].add(x), held(s, y), deadband)
                            };
                        }
                        let (r, g, b) = (s.mul_add(k[0][0], y, r), s.mul_add(k[1][0], y, g), s.mul_add(k[2][0], y, b));
                        pixels[dy][parity] = s.rgba(r, g, b);
                    }
                }
            }
            for side in 0..SIDES {
                for dy in 0..2 {
                    let [even, odd] = pixels[side][dy];
                    let pair = s.interleave(even, odd);
                    // SAFETY: the row has 8·width bytes; whole vectors are written where they fit, and else
                    // through a buffer that holds two of the longest.
                    unsafe {
                        let to = out[side][dy].add(8 * x);
                        if x + S::LANES <= width {
                            s.store(to.cast(), pair[0]);
                            s.store(to.cast::<f32>().add(S::LANES), pair[1]);
                        } else {
                            let mut last = [0.0_f32; 2 * LINE];
                            s.store(last.as_mut_ptr(), pair[0]);
                            s.store(last.as_mut_ptr().add(S::LANES), pair[1]);
                            std::ptr::copy_nonoverlapping(last.as_ptr().cast(), to, 8 * (width - x));
                        }
                    }
                }
            }
        }
    }
}

/// Two rows of the network's luma, from one row of low resolution: even columns, then odd ones.
pub(super) struct LumaDown<'a> {
    pub(super) luma: Luma<'a>,
    pub(super) detail: [&'a [f32]; 4],
    /// See [`Pixels`].
    pub(super) previous: [&'a mut [f32]; 4],
    pub(super) deadband: f32,
    pub(super) out: [&'a mut [f32]; 2],
}

impl SimdKernel for LumaDown<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { luma, detail, previous, deadband, out: [top, bottom] } = self;
        let half = luma[0].len() / 2;
        let (luma, detail) = (luma.map(|row| &row[..2 * half]), detail.map(|row| &row[..half]));
        let (top, bottom) = (&mut top[..2 * half], &mut bottom[..2 * half]);
        let (previous, deadband) = (previous.map(|row| row[..half].as_mut_ptr()), s.splat(deadband));
        for parity in 0..2 {
            for x in (0..half / S::LANES * S::LANES).step_by(S::LANES) {
                let at = parity * half + x;
                // SAFETY: x + LANES is at most half of each row and all of each channel, and of what was shown.
                unsafe {
                    let base = down(s, &luma, at);
                    for (dy, out) in [&mut *top, &mut *bottom].into_iter().enumerate() {
                        let channel = 2 * dy + parity;
                        let y = held(s, s.add(base[dy], s.load(detail[channel].as_ptr().add(x))));
                        s.store(out.as_mut_ptr().add(at), follow(s, previous[channel].add(x), y, deadband));
                    }
                }
            }
        }
    }
}
