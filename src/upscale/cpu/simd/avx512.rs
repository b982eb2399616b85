//! AVX-512: sixteen values, 32 registers. F for the arithmetic, BW for the packing of bytes; VNNI, where it is there,
//! for the products of bytes.

use std::arch::x86_64::*;

use super::{Simd, SimdKernel};

/// Exists only where the CPU has AVX-512 F, BW, DQ and VL, as every CPU since 2017 that has any of it, and VNNI if
/// that is asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512<const VNNI: bool>(());

impl<const VNNI: bool> Avx512<VNNI> {
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        let all = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
            && (!VNNI || is_x86_feature_detected!("avx512vnni"));
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

impl<const VNNI: bool> Simd for Avx512<VNNI> {
    type V = __m512;
    type I = __m512i;
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
    fn run<K: SimdKernel>(self, kernel: K) -> K::Output {
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl")]
        fn plain<K: SimdKernel>(kernel: K) -> K::Output {
            kernel.run(Avx512::<false>(()))
        }
        #[target_feature(enable = "avx2,fma,avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")]
        fn vnni<K: SimdKernel>(kernel: K) -> K::Output {
            kernel.run(Avx512::<true>(()))
        }
        // SAFETY: the token says that the CPU has these features; AVX-512 F includes AVX2 and FMA.
        unsafe { if VNNI { vnni(kernel) } else { plain(kernel) } }
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
    fn splat_bits(self, bits: u32) -> Self::I {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { _mm512_set1_epi32(bits.cast_signed()) }
    }

    #[inline(always)]
    unsafe fn load_bits(self, from: *const u32) -> Self::I {
        // SAFETY: the token, and the caller says that these values can be read.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn store_bits(self, to: *mut u32, bits: Self::I) {
        // SAFETY: the token, and the caller says that these values can be written.
        unsafe { _mm512_storeu_si512(to.cast(), bits) }
    }

    #[inline(always)]
    fn dot(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            if VNNI {
                return _mm512_dpbusd_epi32(sum, a, b);
            }
            let pairs = _mm512_maddubs_epi16(a, b);
            _mm512_add_epi32(sum, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)))
        }
    }

    #[inline(always)]
    fn to_float(self, numbers: Self::I) -> Self::V {
        // SAFETY: the token says that the CPU has the instruction.
        unsafe { _mm512_cvtepi32_ps(numbers) }
    }

    #[inline(always)]
    fn pack(self, of: [Self::V; 4]) -> Self::I {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            let [a, b, c, d] = of.map(|v| _mm512_cvtps_epi32(v));
            in_order(_mm512_min_epu8(bytes(a, b, c, d), _mm512_set1_epi8(127)))
        }
    }

    #[inline(always)]
    fn rgba(self, r: Self::V, g: Self::V, b: Self::V) -> Self::V {
        // SAFETY: the token says that the CPU has the instructions.
        unsafe {
            let (r, g, b) = (_mm512_cvtps_epi32(r), _mm512_cvtps_epi32(g), _mm512_cvtps_epi32(b));
            _mm512_castsi512_ps(in_order(bytes(r, g, b, _mm512_set1_epi32(255))))
        }
    }
}

/// Numbers held to 0..255. In each quarter of the register: a₀a₁a₂a₃ b₀… c₀… d₀…, in bytes.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn bytes(a: __m512i, b: __m512i, c: __m512i, d: __m512i) -> __m512i {
    _mm512_packus_epi16(_mm512_packus_epi32(a, b), _mm512_packus_epi32(c, d))
}

/// In each quarter of the register a₀b₀c₀d₀ a₁… from a₀a₁a₂a₃ b₀….
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
fn in_order(bytes: __m512i) -> __m512i {
    let order = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    _mm512_shuffle_epi8(bytes, _mm512_broadcast_i32x4(order))
}
