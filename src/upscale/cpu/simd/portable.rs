//! Plain loops over some values, in a shape that compilers vectorise.

use super::{Simd, SimdKernel};

/// Every machine has it. With eight values four outputs of one column fill half of the sixteen registers of
/// SSE2; tests take the numbers of other instruction sets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable<const LANES: usize = 8, const COLUMNS: usize = 1>;

#[inline(always)]
fn each<const LANES: usize>(f: impl Fn(usize) -> f32) -> [f32; LANES] {
    std::array::from_fn(f)
}

/// The nearest code. Adding 2²³ leaves no room for a fraction: the sum's low bits are the rounded number.
#[inline(always)]
fn code(value: f32) -> u32 {
    // Plain comparisons: f32::clamp keeps NaN and takes more instructions.
    let v = if value > 0.0 { value } else { 0.0 };
    let v = if v < 255.0 { v } else { 255.0 };
    (v + 8_388_608.0).to_bits() & 0xff
}

impl<const LANES: usize, const COLUMNS: usize> Simd for Portable<LANES, COLUMNS> {
    type V = [f32; LANES];
    type I = [i32; LANES];
    const LANES: usize = LANES;
    const COLUMNS: usize = COLUMNS;

    #[inline(always)]
    fn run<K: SimdKernel>(self, kernel: K) -> K::Output {
        kernel.run(self)
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller says that these values can be read.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the caller says that these values can be written.
        unsafe { to.cast::<Self::V>().write_unaligned(v) }
    }

    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        // Not f32::mul_add: without the instruction that is a call for each value.
        each(|i| a[i] * b[i] + c[i])
    }

    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| if a[i] < b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        each(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn interleave(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        [0, LANES / 2].map(|half| each(|i| if i % 2 == 0 { a[half + i / 2] } else { b[half + i / 2] }))
    }

    #[inline(always)]
    fn splat_bits(self, bits: u32) -> Self::I {
        [bits.cast_signed(); LANES]
    }

    #[inline(always)]
    unsafe fn load_bits(self, from: *const u32) -> Self::I {
        // SAFETY: the caller says that these values can be read.
        unsafe { from.cast::<Self::I>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store_bits(self, to: *mut u32, bits: Self::I) {
        // SAFETY: the caller says that these values can be written.
        unsafe { to.cast::<Self::I>().write_unaligned(bits) }
    }

    #[inline(always)]
    fn dot(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // Byte k, with its sign, as a number: shifted up and down again.
        let byte = |v: i32, k: u32| v << (24 - 8 * k) >> 24;
        let products = |i: usize, k: u32| byte(a[i], k) * byte(b[i], k);
        std::array::from_fn(|i| {
            sum[i].wrapping_add((products(i, 0) + products(i, 1)) + (products(i, 2) + products(i, 3)))
        })
    }

    #[inline(always)]
    fn to_float(self, numbers: Self::I) -> Self::V {
        each(|i| numbers[i] as f32)
    }

    #[inline(always)]
    fn pack(self, of: [Self::V; 4]) -> Self::I {
        // A code of 127 at most has no eighth bit.
        let held = |v: f32| code(if v < 127.0 { v } else { 127.0 });
        std::array::from_fn(|i| {
            let [a, b, c, d] = of.map(|v| held(v[i]));
            (a | b << 8 | c << 16 | d << 24).cast_signed()
        })
    }

    #[inline(always)]
    fn rgba(self, r: Self::V, g: Self::V, b: Self::V) -> Self::V {
        each(|i| f32::from_bits((code(r[i]) | code(g[i]) << 8 | code(b[i]) << 16 | 0xff00_0000).to_le()))
    }
}
