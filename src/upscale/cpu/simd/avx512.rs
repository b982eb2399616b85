//! AVX-512: sixteen values, 32 registers. F for the arithmetic, BW for the packing of bytes.

use std::arch::x86_64::*;

use super::{Job, Simd};

/// Exists only where the CPU has AVX-512 F, BW, DQ and VL, as every CPU since 2017 that has any of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        all.then_some(Self(()))
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

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;
    // 24 sums, six vectors of pixels, one weight.
    const COLUMNS: usize = 6;

    operations! {
        add(a, b) = _mm512_add_ps(a, b);
        mul(a, b) = _mm512_mul_ps(a, b);
        mul_add(a, b, c) = _mm512_fmadd_ps(a, b, c);
        min(a, b) = _mm512_min_ps(a, b);
        max(a, b) = _mm512_max_ps(a, b);
    }

    #[inline(always)]
    fn run<J: Job>(self, job: J) -> J::Output {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        fn inner<J: Job>(simd: Avx512, job: J) -> J::Output {
            job.run(simd)
        }
        // SAFETY: the token says that the CPU has these features; AVX-512 F includes AVX2 and FMA.
        unsafe { inner(self, job) }
    }

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { _mm512_set1_ps(value) }
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the token, and the caller says that these values can be read.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: Self::V) {
        // SAFETY: the token, and the caller says that these values can be written.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    fn interleave(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            // Numbers from 16 on are places in b.
            let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
            let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
            [_mm512_permutex2var_ps(a, low, b), _mm512_permutex2var_ps(a, high, b)]
        }
    }

    #[inline(always)]
    fn rgba(self, r: Self::V, g: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            // Packing holds to the range. In each quarter of the register: r₀r₁r₂r₃ g₀… b₀… a₀…, in bytes.
            let (r, g, b) = (_mm512_cvtps_epi32(r), _mm512_cvtps_epi32(g), _mm512_cvtps_epi32(b));
            let (rg, ba) = (_mm512_packus_epi32(r, g), _mm512_packus_epi32(b, _mm512_set1_epi32(255)));
            let order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
            _mm512_castsi512_ps(_mm512_shuffle_epi8(_mm512_packus_epi16(rg, ba), order))
        }
    }
}
