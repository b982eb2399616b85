//! The convolution: one row of a layer from the three rows before it.
//!
//! A block of the result, four output channels by [`Simd::COLUMNS`] vectors of pixels, is summed up in
//! registers. For each input channel and tap it takes a vector of pixels for each column and a weight for
//! each output, and makes a product of each pair: with two columns six loads for eight multiply-adds, where
//! the CPU does two of each at once.

use super::{
    net::{GROUP, Layer},
    simd::{Job, Simd, load},
};

/// One row of a layer.
pub(super) struct Convolve<'a> {
    pub(super) layer: &'a Layer,
    /// Each with all channels, `stride` apart.
    pub(super) rows: [&'a [f32]; 3],
    /// The row that is written, likewise.
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
    /// Pixels that are wanted. Up to a vector more are written, and two more than that are read.
    pub(super) width: usize,
}

impl Job for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { layer, rows, out, stride, width } = self;
        let vectors = width.div_ceil(S::LANES);
        let (written, inputs, outputs) = (vectors * S::LANES, layer.inputs, layer.outputs());
        // All that is touched below, checked once.
        let rows = rows.map(|row| row[..(inputs - 1) * stride + written + 2].as_ptr());
        let out = out[..(outputs - 1) * stride + written].as_mut_ptr();
        let weights = layer.numbers.weights[..outputs * inputs * 9].as_ptr();
        // Blocks as wide as the registers allow, and all about as wide: a narrow one leaves units idle.
        let blocks = vectors.div_ceil(S::COLUMNS);
        let (least, wider) = (vectors / blocks, vectors % blocks);
        let mut x = 0;
        for block in 0..blocks {
            let columns = least + usize::from(block < wider);
            for group in 0..outputs / GROUP {
                // SAFETY: the pixels from x on and the group's weights and outputs lie inside what was checked.
                unsafe {
                    let block = Block {
                        inputs,
                        rows: rows.map(|row| row.add(x)),
                        weights: weights.add(group * inputs * 9 * GROUP),
                        bias: &layer.numbers.bias[group * GROUP..][..GROUP],
                        floor: layer.floor,
                        out: out.add(group * GROUP * stride + x),
                        stride,
                    };
                    match columns {
                        6 if S::COLUMNS >= 6 => block.sum::<S, 6>(s),
                        5 if S::COLUMNS >= 5 => block.sum::<S, 5>(s),
                        4 if S::COLUMNS >= 4 => block.sum::<S, 4>(s),
                        3 if S::COLUMNS >= 3 => block.sum::<S, 3>(s),
                        2 if S::COLUMNS >= 2 => block.sum::<S, 2>(s),
                        _ => block.sum::<S, 1>(s),
                    }
                }
            }
            x += columns * S::LANES;
        }
    }
}

struct Block<'a> {
    inputs: usize,
    rows: [*const f32; 3],
    weights: *const f32,
    bias: &'a [f32],
    floor: f32,
    out: *mut f32,
    stride: usize,
}

impl Block<'_> {
    /// # Safety
    /// For every input channel `N` vectors and two more pixels can be read from each row, nine groups of
    /// weights from `weights`; `N` vectors can be written for each of four output channels.
    #[inline(always)]
    unsafe fn sum<S: Simd, const N: usize>(self, s: S) {
        let mut sums = [[s.splat(0.0); N]; GROUP];
        for (sums, bias) in sums.iter_mut().zip(self.bias) {
            *sums = [s.splat(*bias); N];
        }
        let mut weights = self.weights;
        let mut rows = self.rows;
        for _ in 0..self.inputs {
            for row in &mut rows {
                for kx in 0..3 {
                    // SAFETY: see above; kx is at most two.
                    let pixels = unsafe { load::<S, N>(s, row.add(kx), S::LANES) };
                    for (o, sums) in sums.iter_mut().enumerate() {
                        // SAFETY: four weights for each tap.
                        let weight = s.splat(unsafe { *weights.add(o) });
                        for (sum, pixels) in sums.iter_mut().zip(pixels) {
                            *sum = s.mul_add(weight, pixels, *sum);
                        }
                    }
                    weights = weights.wrapping_add(GROUP);
                }
                *row = row.wrapping_add(self.stride);
            }
        }
        let floor = s.splat(self.floor);
        for (o, sums) in sums.into_iter().enumerate() {
            for (i, sum) in sums.into_iter().enumerate() {
                // SAFETY: see above.
                unsafe { s.store(self.out.add(o * self.stride + i * S::LANES), s.max(sum, floor)) };
            }
        }
    }
}
