//! AVX2 with FMA: eight values, sixteen registers.

use std::arch::x86_64::*;

use super::{Simd, SimdKernel};

/// Exists only where the CPU has AVX2 and FMA.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        (is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma")).then_some(Self(()))
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

impl Simd for Avx2 {
    type V = __m256;
    type I = __m256i;
    const LANES: usize = 8;
    // Eight sums are as many as two units with a latency of four need. With three columns the registers are
    // just enough, and the compiler spills some.
    const COLUMNS: usize = 2;

    operations! {
        add(a, b) = _mm256_add_ps(a, b);
        mul(a, b) = _mm256_mul_ps(a, b);
        mul_add(a, b, c) = _mm256_fmadd_ps(a, b, c);
        min(a, b) = _mm256_min_ps(a, b);
        max(a, b) = _mm256_max_ps(a, b);
    }

    #[inline(always)]
    fn run<K: SimdKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma")]
        fn inner<K: SimdKernel>(simd: Avx2, kernel: K) -> K::Output {
            kernel.run(simd)
        }
        // SAFETY: the token says that the CPU has these features.
        unsafe { inner(self, kernel) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { _mm256_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the token, and the caller says that these values can be read.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the token, and the caller says that these values can be written.
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    fn interleave(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            // a₀b₀a₁b₁ a₄b₄a₅b₅ and a₂b₂a₃b₃ a₆b₆a₇b₇.
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            [_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high)]
        }
    }

    #[inline(always)]
    fn splat_bits(self, bits: u32) -> Self::I {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { _mm256_set1_epi32(bits.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn load_bits(self, from: *const u32) -> Self::I {
        // SAFETY: the token, and the caller says that these values can be read.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_bits(self, to: *mut u32, bits: Self::I) {
        // SAFETY: the token, and the caller says that these values can be written.
        unsafe { _mm256_storeu_si256(to.cast(), bits) }
    }

    #[inline(always)]
    fn dot(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            let pairs = _mm256_maddubs_epi16(a, b);
            _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)))
        }
    }

    #[inline(always)]
    fn to_float(self, numbers: Self::I) -> Self::V {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { _mm256_cvtepi32_ps(numbers) }
    }

    #[inline(always)]
    fn pack(self, of: [Self::V; 4]) -> Self::I {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            let [a, b, c, d] = of.map(|v| _mm256_cvtps_epi32(v));
            in_order(_mm256_min_epu8(bytes(a, b, c, d), _mm256_set1_epi8(127)))
        }
    }

    #[inline(always)]
    fn rgba(self, r: Self::V, g: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            let (r, g, b) = (_mm256_cvtps_epi32(r), _mm256_cvtps_epi32(g), _mm256_cvtps_epi32(b));
            _mm256_castsi256_ps(in_order(bytes(r, g, b, _mm256_set1_epi32(255))))
        }
    }
}

/// Numbers held to 0..255. In each half of the register: a₀a₁a₂a₃ b₀… c₀… d₀…, in bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn bytes(a: __m256i, b: __m256i, c: __m256i, d: __m256i) -> __m256i {
    _mm256_packus_epi16(_mm256_packus_epi32(a, b), _mm256_packus_epi32(c, d))
}

/// In each half of the register a₀b₀c₀d₀ a₁… from a₀a₁a₂a₃ b₀….
#[inline]
#[target_feature(enable = "avx2")]
fn in_order(bytes: __m256i) -> __m256i {
    let order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm256_shuffle_epi8(bytes, _mm256_broadcastsi128_si256(order))
}
