//! AVX2 with FMA: eight values, sixteen registers.

use std::arch::x86_64::*;

use super::{Job, Simd};

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
    fn run<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx2,fma")]
        fn inner<J: Job>(simd: Avx2, job: J) -> J::Output {
            job.run(simd)
        }
        // SAFETY: the token says that the CPU has these features.
        unsafe { inner(self, job) }
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
    fn rgba(self, r: Self::V, g: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            // Packing holds to the range. In each half of the register: r₀r₁r₂r₃ g₀… b₀… a₀…, in bytes.
            let (r, g, b) = (_mm256_cvtps_epi32(r), _mm256_cvtps_epi32(g), _mm256_cvtps_epi32(b));
            let (rg, ba) = (_mm256_packus_epi32(r, g), _mm256_packus_epi32(b, _mm256_set1_epi32(255)));
            let order =
                _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
            _mm256_castsi256_ps(_mm256_shuffle_epi8(_mm256_packus_epi16(rg, ba), order))
        }
    }
}
