//! Plain loops over some values, in a shape that compilers vectorise.

use super::{Job, Simd};

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
    const LANES: usize = LANES;
    const COLUMNS: usize = COLUMNS;

    #[inline(always)]
    fn run<J: Job>(self, job: J) -> J::Output {
        job.run(self)
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
    fn rgba(self, r: Self::V, g: Self::V, b: Self::V) -> Self::V {
        each(|i| f32::from_bits((code(r[i]) | code(g[i]) << 8 | code(b[i]) << 16 | 0xff00_0000).to_le()))
    }
}
