//! NEON: four values, 32 registers.

use std::arch::aarch64::*;

use super::{Simd, SimdKernel};

/// Exists only where the CPU has NEON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Neon(());

impl Neon {
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        std::arch::is_aarch64_feature_detected!("neon").then_some(Self(()))
    }
}

/// Operations on registers only.
macro_rules! operations {
    ($($name:ident($($arg:ident),*) = $instruction:ident($($with:expr),*);)*) => {$(
        #[inline(always)]
        fn $name(self, $($arg: Self::V),*) -> Self::V {
            // SAFETY: the token says that the CPU has the instruction.
            unsafe { $instruction($($with),*) }
        }
    )*};
}

impl Simd for Neon {
    type V = float32x4_t;
    type I = int32x4_t;
    const LANES: usize = 4;
    // 24 sums, six vectors of pixels, one weight.
    const COLUMNS: usize = 6;

    operations! {
        add(a, b) = vaddq_f32(a, b);
        mul(a, b) = vmulq_f32(a, b);
        mul_add(a, b, c) = vfmaq_f32(c, a, b);
        min(a, b) = vminq_f32(a, b);
        max(a, b) = vmaxq_f32(a, b);
    }

    #[inline(always)]
    fn run<K: SimdKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "neon")]
        fn inner<K: SimdKernel>(simd: Neon, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token says that the CPU has NEON.
        unsafe { inner(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { vdupq_n_f32(value) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the token, and the caller says that these values can be read.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the token, and the caller says that these values can be written.
        unsafe { vst1q_f32(to, v) }
    }

    #[inline(always)]
    fn interleave(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe { [vzip1q_f32(a, b), vzip2q_f32(a, b)] }
    }

    #[inline(always)]
    fn splat_bits(self, bits: u32) -> Self::I {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { vdupq_n_s32(bits.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn load_bits(self, from: *const u32) -> Self::I {
        // SAFETY: the token, and the caller says that these values can be read.
        unsafe { vld1q_s32(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_bits(self, to: *mut u32, bits: Self::I) {
        // SAFETY: the token, and the caller says that these values can be written.
        unsafe { vst1q_s32(to.cast(), bits) }
    }

    #[inline(always)]
    fn dot(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            // Bytes up to 127 are the same with and without sign.
            let (a, b) = (vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b));
            let (low, high) = (vmull_s8(vget_low_s8(a), vget_low_s8(b)), vmull_high_s8(a, b));
            vpadalq_s16(sum, vpaddq_s16(low, high))
        }
    }

    #[inline(always)]
    fn to_float(self, numbers: Self::I) -> Self::V {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { vcvtq_f32_s32(numbers) }
    }

    #[inline(always)]
    fn pack(self, of: [Self::V; 4]) -> Self::I {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe { vreinterpretq_s32_u32(bytes(of.map(|v| held(v, 127)))) }
    }

    #[inline(always)]
    fn rgba(self, r: Self::V, g: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            let [r, g, b] = [r, g, b].map(|v| held(v, 255));
            vreinterpretq_f32_u32(bytes([r, g, b, vdupq_n_u32(255)]))
        }
    }
}

/// The nearest whole numbers from 0 to `most`: the conversion takes what is below zero to zero.
#[inline]
#[target_feature(enable = "neon")]
fn held(v: float32x4_t, most: u32) -> uint32x4_t {
    vminq_u32(vcvtnq_u32_f32(v), vdupq_n_u32(most))
}

/// Four numbers below 256 in each place, the first lowest.
#[inline]
#[target_feature(enable = "neon")]
fn bytes([a, b, c, d]: [uint32x4_t; 4]) -> uint32x4_t {
    let (low, high) = (vorrq_u32(a, vshlq_n_u32::<8>(b)), vorrq_u32(c, vshlq_n_u32::<8>(d)));
    vorrq_u32(low, vshlq_n_u32::<16>(high))
}
