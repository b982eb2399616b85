//! The arithmetic of a valid 3×3 convolution and of its gradients, for few channels.
//!
//! Burn's CPU convolution unfolds the picture into a matrix and multiplies. With eight channels the unfolding
//! costs more than the arithmetic, so the three kernels that training needs are written out here: blocks of
//! four output channels, two vectors wide, sums in registers. SIMD comes through `pulp`, which picks the
//! instruction set when the program runs and needs no unsafe code here.
//!
//! All tensors are dense `[image, channel, row, column]`; weights are `[output, input, 3, 3]`.

use pulp::{Arch, Simd, WithSimd};

/// Output channels whose sums are kept in registers at the same time.
const BLOCK: usize = 4;
/// Rows whose gradients are summed before the sums go back to memory.
const ROWS: usize = 8;
/// A multiple of the length of every instruction set's vectors.
const LANES: usize = 16;

/// Sizes of one convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// Pictures in the batch.
    pub(crate) images: usize,
    /// Channels that go in.
    pub(crate) inputs: usize,
    /// Channels that come out.
    pub(crate) outputs: usize,
    /// Rows that go in; two fewer come out.
    pub(crate) height: usize,
    /// Columns that go in; two fewer come out.
    pub(crate) width: usize,
}

impl Shape {
    const fn out_height(self) -> usize {
        self.height - 2
    }

    const fn out_width(self) -> usize {
        self.width - 2
    }

    const fn in_image(self) -> usize {
        self.inputs * self.height * self.width
    }

    const fn out_image(self) -> usize {
        self.outputs * self.out_height() * self.out_width()
    }
}

/// `x ∗ weight + bias`, negative sums cut to zero when `relu`.
pub(crate) fn forward(x: &[f32], weight: &[f32], bias: &[f32], shape: Shape, relu: bool) -> Vec<f32> {
    let packed = pack(shape.outputs, shape.inputs, |o, i, k| weight[(o * shape.inputs + i) * 9 + k]);
    let mut planes = Planes::new(shape.inputs, shape.height, shape.width, 0);
    let mut out = vec![0.0; shape.images * shape.out_image()];
    for (x, out) in x.chunks_exact(shape.in_image()).zip(out.chunks_exact_mut(shape.out_image())) {
        planes.fill(x);
        dispatch(Correlate {
            planes: &planes,
            packed: &packed,
            bias,
            relu,
            out,
            height: shape.out_height(),
            width: shape.out_width(),
        });
    }
    out
}

/// The gradient that reaches the input, from the gradient `dy` of the output.
pub(super) fn input_gradient(dy: &[f32], weight: &[f32], shape: Shape) -> Vec<f32> {
    // The transpose of a valid convolution: the kernel turned by 180° over a picture with two zeros all around.
    let packed = pack(shape.inputs, shape.outputs, |o, i, k| weight[(i * shape.inputs + o) * 9 + 8 - k]);
    let bias = vec![0.0; shape.inputs];
    let mut planes = Planes::new(shape.outputs, shape.out_height(), shape.out_width(), 2);
    let mut dx = vec![0.0; shape.images * shape.in_image()];
    for (dy, dx) in dy.chunks_exact(shape.out_image()).zip(dx.chunks_exact_mut(shape.in_image())) {
        planes.fill(dy);
        dispatch(Correlate {
            planes: &planes,
            packed: &packed,
            bias: &bias,
            relu: false,
            out: dx,
            height: shape.height,
            width: shape.width,
        });
    }
    dx
}

/// The gradients of weights and bias.
pub(super) fn weight_gradient(x: &[f32], dy: &[f32], shape: Shape) -> (Vec<f32>, Vec<f32>) {
    dispatch(WeightGradient { x, dy, shape })
}

/// Runs `op` with the widest vectors that this machine has.
fn dispatch<Op: WithSimd>(op: Op) -> Op::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(avx2) = pulp::x86::V3::try_new() {
        return Simd::vectorize(avx2, op);
    }
    Arch::new().dispatch(op)
}

/// Weights in the order in which [`Correlate`] reads them: `[block][input][tap][output in block]`, with zeros
/// for the outputs that fill up the last block.
fn pack(outputs: usize, inputs: usize, weight: impl Fn(usize, usize, usize) -> f32) -> Vec<f32> {
    let mut packed = vec![0.0; outputs.div_ceil(BLOCK) * inputs * 9 * BLOCK];
    for o in 0..outputs {
        for i in 0..inputs {
            for k in 0..9 {
                packed[(((o / BLOCK) * inputs + i) * 9 + k) * BLOCK + o % BLOCK] = weight(o, i, k);
            }
        }
    }
    packed
}

/// The planes of one image with rows long enough to be read by whole vectors, zeros in between.
struct Planes {
    data: Vec<f32>,
    channels: usize,
    /// Rows and columns of the image itself.
    height: usize,
    width: usize,
    /// Zeros around it.
    border: usize,
    stride: usize,
}

impl Planes {
    fn new(channels: usize, height: usize, width: usize, border: usize) -> Self {
        Self::with_stride(channels, height, width, border, (width + 2 * border).next_multiple_of(2 * LANES))
    }

    fn with_stride(channels: usize, height: usize, width: usize, border: usize, stride: usize) -> Self {
        // Two more for the second and third tap of the last vector.
        let data = vec![0.0; channels * (height + 2 * border) * stride + 2];
        Self { data, channels, height, width, border, stride }
    }

    fn rows(&self) -> usize {
        self.height + 2 * self.border
    }

    fn fill(&mut self, image: &[f32]) {
        let (rows, stride, border) = (self.rows(), self.stride, self.border);
        for c in 0..self.channels {
            for y in 0..self.height {
                let from = &image[(c * self.height + y) * self.width..][..self.width];
                self.data[(c * rows + y + border) * stride + border..][..self.width].copy_from_slice(from);
            }
        }
    }

    /// A row and the first two samples of what follows it.
    fn row(&self, channel: usize, y: usize) -> &[f32] {
        &self.data[(channel * self.rows() + y) * self.stride..][..self.stride + 2]
    }
}

/// One image through one convolution.
struct Correlate<'a> {
    planes: &'a Planes,
    packed: &'a [f32],
    bias: &'a [f32],
    relu: bool,
    out: &'a mut [f32],
    height: usize,
    width: usize,
}

#[inline(always)]
fn load<S: Simd>(from: &[f32]) -> S::f32s {
    S::as_simd_f32s(&from[..S::F32_LANES]).0[0]
}

#[inline(always)]
fn store<S: Simd>(to: &mut [f32], value: S::f32s) {
    S::as_mut_simd_f32s(&mut to[..S::F32_LANES]).0[0] = value;
}

impl WithSimd for Correlate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let lanes = S::F32_LANES;
        let (inputs, outputs) = (self.planes.channels, self.bias.len());
        let plane = self.height * self.width;
        let mut line = [0.0_f32; 2 * LANES];
        for y in 0..self.height {
            for x in (0..self.width).step_by(2 * lanes) {
                let used = (self.width - x).min(2 * lanes);
                for (block, packed) in self.packed.chunks_exact(inputs * 9 * BLOCK).enumerate() {
                    let mut sums = [[simd.splat_f32s(0.0); 2]; BLOCK];
                    for (i, taps) in packed.chunks_exact(9 * BLOCK).enumerate() {
                        for (ky, taps) in taps.chunks_exact(3 * BLOCK).enumerate() {
                            let row = &self.planes.row(i, y + ky)[x..][..2 * lanes + 2];
                            for kx in 0..3 {
                                let a = load::<S>(&row[kx..]);
                                let b = load::<S>(&row[kx + lanes..]);
                                for c in 0..BLOCK {
                                    let w = simd.splat_f32s(taps[kx * BLOCK + c]);
                                    sums[c][0] = simd.mul_add_e_f32s(a, w, sums[c][0]);
                                    sums[c][1] = simd.mul_add_e_f32s(b, w, sums[c][1]);
                                }
                            }
                        }
                    }
                    for (c, sums) in sums.iter().enumerate().take(outputs - block * BLOCK) {
                        let o = block * BLOCK + c;
                        let bias = simd.splat_f32s(self.bias[o]);
                        for (half, sum) in sums.iter().enumerate() {
                            let mut value = simd.add_f32s(*sum, bias);
                            if self.relu {
                                value = simd.max_f32s(value, simd.splat_f32s(0.0));
                            }
                            store::<S>(&mut line[half * lanes..], value);
                        }
                        self.out[o * plane + y * self.width + x..][..used].copy_from_slice(&line[..used]);
                    }
                }
            }
        }
    }
}

/// All images; the sums of a block stay in registers for [`ROWS`] rows.
struct WeightGradient<'a> {
    x: &'a [f32],
    dy: &'a [f32],
    shape: Shape,
}

impl WithSimd for WeightGradient<'_> {
    type Output = (Vec<f32>, Vec<f32>);

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Self::Output {
        let Shape { inputs, outputs, height, width, .. } = self.shape;
        let (out_height, out_width) = (self.shape.out_height(), self.shape.out_width());
        let (stride, blocks) = (width.next_multiple_of(LANES), outputs.div_ceil(BLOCK));
        let mut xs = Planes::with_stride(inputs, height, width, 0, stride);
        let mut dys = Planes::with_stride(blocks * BLOCK, out_height, out_width, 0, stride);
        let mut padded = vec![0.0; blocks * BLOCK * out_height * out_width];
        let mut sums = vec![simd.splat_f32s(0.0); inputs * 3 * blocks * BLOCK * 3];
        let mut bias = vec![0.0; outputs];
        let images = self.x.chunks_exact(self.shape.in_image()).zip(self.dy.chunks_exact(self.shape.out_image()));
        for (x, dy) in images {
            xs.fill(x);
            padded[..dy.len()].copy_from_slice(dy);
            dys.fill(&padded);
            for (sum, plane) in bias.iter_mut().zip(dy.chunks_exact(out_height * out_width)) {
                *sum += plane.iter().sum::<f32>();
            }
            for first in (0..out_height).step_by(ROWS) {
                let last = (first + ROWS).min(out_height);
                for (at, sums) in sums.chunks_exact_mut(3 * BLOCK).enumerate() {
                    let (i, ky, block) = (at / (3 * blocks), at / blocks % 3, at % blocks);
                    let mut acc = [[simd.splat_f32s(0.0); 3]; BLOCK];
                    // Rows follow one another, and dy is zero between them: the block is one long row.
                    let long = (last - first) * stride;
                    let v: [&[S::f32s]; 3] = std::array::from_fn(|kx| {
                        S::as_simd_f32s(&xs.data[(i * height + first + ky) * stride + kx..][..long]).0
                    });
                    let d: [&[S::f32s]; BLOCK] = std::array::from_fn(|c| {
                        S::as_simd_f32s(&dys.data[((block * BLOCK + c) * out_height + first) * stride..][..long]).0
                    });
                    for at in 0..long / S::F32_LANES {
                        let v = [v[0][at], v[1][at], v[2][at]];
                        for c in 0..BLOCK {
                            let d = d[c][at];
                            for kx in 0..3 {
                                acc[c][kx] = simd.mul_add_e_f32s(v[kx], d, acc[c][kx]);
                            }
                        }
                    }
                    for (sum, acc) in sums.iter_mut().zip(acc.as_flattened()) {
                        *sum = simd.add_f32s(*sum, *acc);
                    }
                }
            }
        }
        let mut weight = vec![0.0; outputs * inputs * 9];
        for (at, sums) in sums.chunks_exact(3 * BLOCK).enumerate() {
            let (i, ky, block) = (at / (3 * blocks), at / blocks % 3, at % blocks);
            for (k, sum) in sums.iter().enumerate() {
                let (o, kx) = (block * BLOCK + k / 3, k % 3);
                if o < outputs {
                    weight[(o * inputs + i) * 9 + ky * 3 + kx] = simd.reduce_sum_f32s(*sum);
                }
            }
        }
        (weight, bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    fn noise(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    /// The definition, loop by loop.
    fn slow(x: &[f32], w: &[f32], b: &[f32], s: Shape) -> Vec<f32> {
        let (oh, ow) = (s.out_height(), s.out_width());
        let mut out = vec![0.0; s.images * s.out_image()];
        for n in 0..s.images {
            for o in 0..s.outputs {
                for y in 0..oh {
                    for xx in 0..ow {
                        let mut sum = b[o];
                        for i in 0..s.inputs {
                            for k in 0..9 {
                                let at = ((n * s.inputs + i) * s.height + y + k / 3) * s.width + xx + k % 3;
                                sum += x[at] * w[(o * s.inputs + i) * 9 + k];
                            }
                        }
                        out[((n * s.outputs + o) * oh + y) * ow + xx] = sum;
                    }
                }
            }
        }
        out
    }

    fn dot(a: &[f32], b: &[f32]) -> f64 {
        a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
    }

    const SHAPES: [Shape; 4] = [
        Shape { images: 2, inputs: 1, outputs: 8, height: 9, width: 21 },
        Shape { images: 1, inputs: 8, outputs: 4, height: 3, width: 3 },
        Shape { images: 3, inputs: 5, outputs: 6, height: 20, width: 35 },
        Shape { images: 1, inputs: 2, outputs: 1, height: 4, width: 66 },
    ];

    #[test]
    fn forward_is_the_definition() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for s in SHAPES {
            let (x, w) = (noise(&mut rng, s.images * s.in_image()), noise(&mut rng, s.outputs * s.inputs * 9));
            let b = noise(&mut rng, s.outputs);
            let (fast, slow) = (forward(&x, &w, &b, s, false), slow(&x, &w, &b, s));
            assert!(fast.iter().zip(&slow).all(|(a, b)| (a - b).abs() < 1e-4), "{s:?}");
            let cut = forward(&x, &w, &b, s, true);
            assert!(cut.iter().zip(&fast).all(|(a, b)| *a == b.max(0.0)), "{s:?}");
        }
    }

    #[test]
    fn gradients_are_the_transpose_of_forward() {
        // For a linear f and any dy: ⟨dy, f(x)⟩ = ⟨fᵀ(dy), x⟩, in x as well as in the weights and the bias.
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for s in SHAPES {
            let (x, w) = (noise(&mut rng, s.images * s.in_image()), noise(&mut rng, s.outputs * s.inputs * 9));
            let (b, dy) = (noise(&mut rng, s.outputs), noise(&mut rng, s.images * s.out_image()));
            let y0 = forward(&x, &w, &vec![0.0; s.outputs], s, false);
            let y = forward(&x, &w, &b, s, false);
            let (dw, db) = weight_gradient(&x, &dy, s);
            let want = dot(&dy, &y0);
            assert!((dot(&input_gradient(&dy, &w, s), &x) - want).abs() < 1e-2, "{s:?}");
            assert!((dot(&dw, &w) - want).abs() < 1e-2, "{s:?}");
            assert!((dot(&db, &b) - (dot(&dy, &y) - want)).abs() < 1e-2, "{s:?}");
        }
    }
}
