//! From luma and chroma in 0..1 to bytes.

use crate::frame::Colour;

/// The nearest code of a value in 0..1; values outside give the nearest end.
///
/// Adding 2²³ leaves no room for a fraction, so that the sum's low bits are the rounded number: that is
/// one instruction for four or eight pixels, where a checked conversion is ten for each.
#[inline(always)]
pub(crate) fn code(value: f32) -> u8 {
    bits(255.0 * value) as u8
}

#[inline(always)]
fn bits(value: f32) -> u32 {
    // Plain comparisons: f32::clamp keeps NaN and takes more instructions.
    let v = if value > 0.0 { value } else { 0.0 };
    let v = if v < 255.0 { v } else { 255.0 };
    (v + 8_388_608.0).to_bits() & 0xff
}

/// Chroma's part in the three colours, for a row of pixels, times 255.
#[derive(Debug, Default)]
pub(crate) struct ChromaRow {
    r: Vec<f32>,
    g: Vec<f32>,
    b: Vec<f32>,
}

/// The twelve numbers of [`Colour::to_rgb`], times 255.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ToRgb([[f32; 4]; 3]);

impl ToRgb {
    pub(crate) fn new(colour: Colour) -> Self {
        Self(colour.to_rgb().map(|row| row.map(|k| 255.0 * k)))
    }

    /// What the chroma of a row adds to its colours, with chroma held to 0..1.
    pub(crate) fn chroma(&self, u: &[f32], v: &[f32], out: &mut ChromaRow) {
        let n = u.len();
        for row in [&mut out.r, &mut out.g, &mut out.b] {
            row.resize(n, 0.0);
        }
        let (v, r, g, b) = (&v[..n], &mut out.r[..n], &mut out.g[..n], &mut out.b[..n]);
        let [kr, kg, kb] = self.0;
        for x in 0..n {
            let (cu, cv) = (held(u[x]), held(v[x]));
            r[x] = kr[1] * cu + kr[2] * cv + kr[3];
            g[x] = kg[1] * cu + kg[2] * cv + kg[3];
            b[x] = kb[1] * cu + kb[2] * cv + kb[3];
        }
    }

    /// Joins luma to it: `even` and `odd` are the columns 0, 2, 4… and 1, 3, 5… of luma, and `chroma` holds
    /// all even columns and then all odd ones, `stride` apart. `out` takes eight bytes for each pair.
    pub(crate) fn pixels(&self, even: &[f32], odd: &[f32], chroma: &ChromaRow, stride: usize, out: &mut [u8]) {
        let n = even.len();
        let odd = &odd[..n];
        let k = self.0.map(|row| row[0]);
        let [re, ge, be] = [&chroma.r, &chroma.g, &chroma.b].map(|row| &row[..n]);
        let [ro, go, bo] = [&chroma.r, &chroma.g, &chroma.b].map(|row| &row[stride..][..n]);
        let pixel = |y: f32, r: f32, g: f32, b: f32| {
            let y = held(y);
            bits(k[0] * y + r) | bits(k[1] * y + g) << 8 | bits(k[2] * y + b) << 16 | 0xff00_0000
        };
        let (pairs, _) = out.as_chunks_mut::<8>();
        let pairs = &mut pairs[..n];
        for x in 0..n {
            let left = pixel(even[x], re[x], ge[x], be[x]);
            let right = pixel(odd[x], ro[x], go[x], bo[x]);
            pairs[x] = (u64::from(left) | u64::from(right) << 32).to_le_bytes();
        }
    }
}

/// A value held to 0..1.
#[inline(always)]
fn held(value: f32) -> f32 {
    let v = if value > 0.0 { value } else { 0.0 };
    if v < 1.0 { v } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Matrix, Range};

    #[test]
    fn codes_are_rounded_to_the_nearest_and_held() {
        for i in 0..=255_u8 {
            let v = f32::from(i) / 255.0;
            assert_eq!([code(v - 0.4 / 255.0), code(v), code(v + 0.4 / 255.0)], [i; 3]);
        }
        assert_eq!([code(-7.0), code(7.0), code(f32::NAN)], [0, 255, 0]);
    }

    #[test]
    fn rows_and_single_pixels_agree() {
        let colour = Colour { matrix: Matrix::Bt709, range: Range::Full };
        let to_rgb = ToRgb::new(colour);
        let at = |x: usize, k: usize| ((x * k) % 23) as f32 / 20.0 - 0.1;
        let row = |k| (0..6).map(|x| at(x, k)).collect::<Vec<f32>>();
        let (y, u, v) = (row(5), row(7), row(11));
        let (mut chroma, mut out) = (ChromaRow::default(), [0; 24]);
        to_rgb.chroma(&u, &v, &mut chroma);
        to_rgb.pixels(&y[..3], &y[3..], &chroma, 3, &mut out);
        for x in 0..6 {
            let i = if x % 2 == 0 { x / 2 } else { 3 + x / 2 };
            let want = colour.to_rgb().map(|k| k[0] * held(y[i]) + k[1] * held(u[i]) + k[2] * held(v[i]) + k[3]);
            assert_eq!(out[4 * x..][..4], [code(want[0]), code(want[1]), code(want[2]), 255], "pixel {x}");
        }
    }
}
