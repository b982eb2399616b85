//! The convolution: one row of a layer from the three rows before it.
//!
//! A block of the result, four output channels by [`Simd::COLUMNS`] vectors of pixels, is summed up in
//! registers. For each input channel and tap it takes a vector of pixels for each column and a weight for
//! each output, and makes a product of each pair: with two columns six loads for eight multiply-adds, where
//! the CPU does two of each at once. With bytes (`quantised`) it is the same, four input channels at a time.

use super::{
    layer::{GROUP, Numbers},
    quantised::ByteNumbers,
    simd::{Simd, SimdKernel, load},
};

/// One row of a layer.
pub(super) struct Convolve<'a> {
    pub(super) input: Input<'a>,
    pub(super) output: Output<'a>,
    /// Values from one channel, or four of them as bytes, to the next.
    pub(super) stride: usize,
    /// Pixels that are wanted. Up to a vector more are written, and two more than that are read.
    pub(super) width: usize,
}

/// What is summed up: three rows, each with all channels, and the numbers that they are multiplied by.
pub(super) enum Input<'a> {
    Floats { rows: [&'a [f32]; 3], inputs: usize, numbers: &'a Numbers },
    Bytes { rows: [&'a [u32]; 3], numbers: &'a ByteNumbers },
}

/// Where the row goes.
pub(super) enum Output<'a> {
    /// Held above `floor`: 0 is ReLU.
    Floats { out: &'a mut [f32], floor: f32 },
    /// As bytes from 0 to 127, so that ReLU comes with it; four channels side by side.
    Bytes(&'a mut [u32]),
}

impl SimdKernel for Convolve<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { input, output, stride, width } = self;
        let vectors = width.div_ceil(S::LANES);
        let written = vectors * S::LANES;
        // All that is touched below, checked once.
        let read = |planes: usize| (planes - 1) * stride + written + 2;
        let (from, bias) = match input {
            Input::Floats { rows, inputs, numbers } => {
                let weights = numbers.weights[..numbers.bias.len() * inputs * 9].as_ptr();
                (From::Floats { rows: rows.map(|row| row[..read(inputs)].as_ptr()), weights, inputs }, &numbers.bias)
            }
            Input::Bytes { rows, numbers } => {
                let ByteNumbers { inputs, weights, scale, bias } = numbers;
                let (weights, scale) = (weights[..bias.len() * inputs * 9].as_ptr(), scale[..bias.len()].as_ptr());
                let rows = rows.map(|row| row[..read(*inputs)].as_ptr());
                (From::Bytes { rows, weights, scale, inputs: *inputs }, bias)
            }
        };
        let outputs = bias.len();
        let to = match output {
            Output::Floats { out, floor } => {
                To::Floats { out: out[..(outputs - 1) * stride + written].as_mut_ptr(), floor }
            }
            Output::Bytes(out) => To::Bytes(out[..(outputs / GROUP - 1) * stride + written].as_mut_ptr()),
        };
        // Blocks as wide as the registers allow, and all about as wide: a narrow one leaves units idle.
        let blocks = vectors.div_ceil(S::COLUMNS);
        let (least, wider) = (vectors / blocks, vectors % blocks);
        let mut x = 0;
        for block in 0..blocks {
            let columns = least + usize::from(block < wider);
            for (group, bias) in bias.as_chunks::<GROUP>().0.iter().enumerate() {
                // SAFETY: the pixels from x on and the group's numbers and outputs lie inside what was checked.
                unsafe {
                    let block = Block { from: from.at(x, group), to: to.at(x, group, stride), bias, stride };
                    match columns {
                        6 if S::COLUMNS >= 6 => block.make::<S, 6>(s),
                        5 if S::COLUMNS >= 5 => block.make::<S, 5>(s),
                        4 if S::COLUMNS >= 4 => block.make::<S, 4>(s),
                        3 if S::COLUMNS >= 3 => block.make::<S, 3>(s),
                        2 if S::COLUMNS >= 2 => block.make::<S, 2>(s),
                        _ => block.make::<S, 1>(s),
                    }
                }
            }
            x += columns * S::LANES;
        }
    }
}

/// Where a block's pixels and numbers begin.
#[derive(Clone, Copy)]
enum From {
    Floats { rows: [*const f32; 3], weights: *const f32, inputs: usize },
    Bytes { rows: [*const u32; 3], weights: *const u32, scale: *const f32, inputs: usize },
}

impl From {
    /// For the pixels from `x` on and a group of outputs.
    ///
    /// # Safety
    /// Both are there.
    #[inline(always)]
    unsafe fn at(self, x: usize, group: usize) -> Self {
        // SAFETY: the caller says so.
        unsafe {
            match self {
                Self::Floats { rows, weights, inputs } => Self::Floats {
                    rows: rows.map(|row| row.add(x)),
                    weights: weights.add(group * inputs * 9 * GROUP),
                    inputs,
                },
                Self::Bytes { rows, weights, scale, inputs } => Self::Bytes {
                    rows: rows.map(|row| row.add(x)),
                    weights: weights.add(group * inputs * 9 * GROUP),
                    scale: scale.add(group * GROUP),
                    inputs,
                },
            }
        }
    }
}

/// Where a block's results begin.
#[derive(Clone, Copy)]
enum To {
    Floats { out: *mut f32, floor: f32 },
    Bytes(*mut u32),
}

impl To {
    /// For the pixels from `x` on and a group of outputs.
    ///
    /// # Safety
    /// Both are there.
    #[inline(always)]
    unsafe fn at(self, x: usize, group: usize, stride: usize) -> Self {
        // SAFETY: the caller says so.
        unsafe {
            match self {
                Self::Floats { out, floor } => Self::Floats { out: out.add(group * GROUP * stride + x), floor },
                Self::Bytes(out) => Self::Bytes(out.add(group * stride + x)),
            }
        }
    }
}

struct Block<'a> {
    from: From,
    to: To,
    bias: &'a [f32; GROUP],
    stride: usize,
}

impl Block<'_> {
    /// # Safety
    /// For every input channel, or four of them as bytes, `N` vectors and two more pixels can be read from each
    /// row, nine groups of weights and a group of scales from where they begin; `N` vectors can be written for
    /// each of four output channels, or once for all as bytes.
    #[inline(always)]
    unsafe fn make<S: Simd, const N: usize>(self, s: S) {
        // SAFETY: as the caller says.
        unsafe {
            match self.from {
                From::Floats { rows, weights, inputs } => {
                    let mut sums = [[s.splat(0.0); N]; GROUP];
                    for (sums, bias) in sums.iter_mut().zip(self.bias) {
                        *sums = [s.splat(*bias); N];
                    }
                    let sums = floats(s, rows, weights, inputs, self.stride, sums);
                    self.put(s, sums);
                }
                From::Bytes { rows, weights, scale, inputs } => {
                    let sums = bytes::<S, N>(s, rows, weights, inputs, self.stride);
                    let mut scaled = [[s.splat(0.0); N]; GROUP];
                    for (o, (scaled, sums)) in scaled.iter_mut().zip(sums).enumerate() {
                        let (scale, bias) = (s.splat(*scale.add(o)), s.splat(self.bias[o]));
                        for (scaled, sum) in scaled.iter_mut().zip(sums) {
                            *scaled = s.mul_add(s.to_float(sum), scale, bias);
                        }
                    }
                    self.put(s, scaled);
                }
            }
        }
    }

    /// # Safety
    /// As above.
    #[inline(always)]
    unsafe fn put<S: Simd, const N: usize>(self, s: S, results: [[S::V; N]; GROUP]) {
        match self.to {
            To::Floats { out, floor } => {
                let floor = s.splat(floor);
                for (o, results) in results.into_iter().enumerate() {
                    for (i, result) in results.into_iter().enumerate() {
                        // SAFETY: see above.
                        unsafe { s.store(out.add(o * self.stride + i * S::LANES), s.max(result, floor)) };
                    }
                }
            }
            To::Bytes(out) => {
                let [a, b, c, d] = results;
                for i in 0..N {
                    // SAFETY: see above.
                    unsafe { s.store_bits(out.add(i * S::LANES), s.pack([a[i], b[i], c[i], d[i]])) };
                }
            }
        }
    }
}

/// # Safety
/// As [`Block::make`] says.
#[inline(always)]
unsafe fn floats<S: Simd, const N: usize>(
    s: S,
    mut rows: [*const f32; 3],
    mut weights: *const f32,
    inputs: usize,
    stride: usize,
    mut sums: [[S::V; N]; GROUP],
) -> [[S::V; N]; GROUP] {
    for _ in 0..inputs {
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
            *row = row.wrapping_add(stride);
        }
    }
    sums
}

/// # Safety
/// As [`Block::make`] says.
#[inline(always)]
unsafe fn bytes<S: Simd, const N: usize>(
    s: S,
    mut rows: [*const u32; 3],
    mut weights: *const u32,
    inputs: usize,
    stride: usize,
) -> [[S::I; N]; GROUP] {
    let mut sums = [[s.splat_bits(0); N]; GROUP];
    for _ in 0..inputs {
        for row in &mut rows {
            for kx in 0..3 {
                let mut pixels = [s.splat_bits(0); N];
                for (i, pixels) in pixels.iter_mut().enumerate() {
                    // SAFETY: see above; kx is at most two.
                    *pixels = unsafe { s.load_bits(row.add(kx + i * S::LANES)) };
                }
                for (o, sums) in sums.iter_mut().enumerate() {
                    // SAFETY: four times four weights for each tap.
                    let weight = s.splat_bits(unsafe { *weights.add(o) });
                    for (sum, pixels) in sums.iter_mut().zip(pixels) {
                        *sum = s.dot(*sum, pixels, weight);
                    }
                }
                weights = weights.wrapping_add(GROUP);
            }
            *row = row.wrapping_add(stride);
        }
    }
    sums
}
