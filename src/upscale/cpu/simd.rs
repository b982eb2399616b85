//! Vectors of f32 and of bytes: one small trait, an implementation for each instruction set, and the choice at run time.
//!
//! The kernels are written once, against [`Simd`]. A value of an implementation is a token: it exists only
//! where the CPU has the instructions, so that its operations are safe to call. [`Simd::run`] is the door
//! into code that is compiled for them; what is called inside has to be `#[inline(always)]` or go through
//! the door again. Closures are not inlined as a rule: the kernels are written in loops.

use std::{fmt, str::FromStr};

use crate::upscale::UpscaleError;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;
mod portable;

/// The environment variable that forces an instruction set.
pub const SIMD_VARIABLE: &str = "CLEARCALL_SIMD";

/// The instruction set that the CPU engine uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Isa {
    /// Whatever the compiler makes of plain loops.
    Portable,
    /// 128 bit, aarch64.
    Neon,
    /// 256 bit with fused multiply-add.
    Avx2,
    /// 512 bit: F, BW, DQ and VL.
    Avx512,
    /// The same, and VNNI, which sums up products of bytes.
    Avx512Vnni,
    /// Plain loops with the numbers of NEON.
    #[cfg(test)]
    Narrow,
    /// Plain loops with the numbers of AVX-512.
    #[cfg(test)]
    Wide,
}

impl Isa {
    const ALL: [Self; 5] = [Self::Avx512Vnni, Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// Those that this machine has, the best first.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| isa.is_available())
    }

    /// Whether this machine has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(test)]
            Self::Narrow | Self::Wide => true,
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::Neon::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => avx2::Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => avx512::Avx512::<false>::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => avx512::Avx512::<true>::detect().is_some(),
            #[allow(unreachable_patterns, reason = "which arms are above depends on the target")]
            _ => false,
        }
    }

    /// The one that [`SIMD_VARIABLE`] asks for, or the best that this machine has.
    ///
    /// # Errors
    /// When the variable names no instruction set, or one that this machine does not have.
    pub fn from_env() -> Result<Self, UpscaleError> {
        match std::env::var(SIMD_VARIABLE) {
            Ok(word) if !word.is_empty() => word.parse::<Self>().and_then(Self::checked),
            _ => Ok(Self::available().next().unwrap_or(Self::Portable)),
        }
    }

    /// Itself, if this machine has it.
    ///
    /// # Errors
    /// When this machine does not have it.
    pub fn checked(self) -> Result<Self, UpscaleError> {
        if self.is_available() {
            return Ok(self);
        }
        let known: Vec<_> = Self::available().map(|isa| isa.to_string()).collect();
        Err(UpscaleError::Simd(format!("this machine has no {self}, only {}", known.join(", "))))
    }

    /// Runs `kernel` with it; with plain loops where the machine does not have it.
    pub(crate) fn run<K: SimdKernel>(self, kernel: K) -> K::Output {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512Vnni => {
                if let Some(simd) = avx512::Avx512::<true>::detect() {
                    return simd.run(kernel);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                if let Some(simd) = avx512::Avx512::<false>::detect() {
                    return simd.run(kernel);
                }
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => {
                if let Some(simd) = avx2::Avx2::detect() {
                    return simd.run(kernel);
                }
            }
            #[cfg(target_arch = "aarch64")]
            Self::Neon => {
                if let Some(simd) = neon::Neon::detect() {
                    return simd.run(kernel);
                }
            }
            #[cfg(test)]
            Self::Narrow => return portable::Portable::<4, 6>.run(kernel),
            #[cfg(test)]
            Self::Wide => return portable::Portable::<16, 6>.run(kernel),
            _ => {}
        }
        portable::Portable::<8, 1>.run(kernel)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Portable => "portable",
            Self::Neon => "neon",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
            Self::Avx512Vnni => "avx512vnni",
            #[cfg(test)]
            Self::Narrow => "narrow",
            #[cfg(test)]
            Self::Wide => "wide",
        })
    }
}

impl FromStr for Isa {
    type Err = UpscaleError;

    fn from_str(word: &str) -> Result<Self, UpscaleError> {
        let known = |isa: &Self| isa.to_string() == word;
        let unknown = || UpscaleError::Simd(format!("'{word}' is none of avx512vnni, avx512, avx2, neon, portable"));
        Self::ALL.into_iter().find(known).ok_or_else(unknown)
    }
}

/// Work that is compiled once for each instruction set. `run` has to be `#[inline(always)]`.
pub(crate) trait SimdKernel {
    /// What comes out.
    type Output;

    /// Does it.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// A vector of f32 and what the kernels do with it.
pub(crate) trait Simd: Copy + Send + Sync {
    /// The vector.
    type V: Copy;
    /// As many whole numbers of 32 bits, or as many times four bytes.
    type I: Copy;
    /// Values in a vector.
    const LANES: usize;
    /// Vectors that the convolution sums up at once for each of its four outputs: as many as the
    /// registers hold beside one vector of pixels for each and one weight.
    const COLUMNS: usize;

    /// Runs `kernel` compiled for this instruction set.
    fn run<K: SimdKernel>(self, kernel: K) -> K::Output;

    /// All values alike.
    fn splat(self, value: f32) -> Self::V;

    /// `LANES` values.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load(self, from: *const f32) -> Self::V;

    /// `LANES` values.
    ///
    /// # Safety
    /// They can be written.
    unsafe fn store(self, to: *mut f32, v: Self::V);

    /// a + b.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;

    /// a · b.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;

    /// a · b + c, rounded once or twice.
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// The smaller ones.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;

    /// The larger ones.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;

    /// a₀ b₀ a₁ b₁ …: the first half and the second.
    fn interleave(self, a: Self::V, b: Self::V) -> [Self::V; 2];

    /// The same four bytes, or the same number, in all places.
    fn splat_bits(self, bits: u32) -> Self::I;

    /// `LANES` times four bytes.
    ///
    /// # Safety
    /// They can be read.
    unsafe fn load_bits(self, from: *const u32) -> Self::I;

    /// `LANES` times four bytes.
    ///
    /// # Safety
    /// They can be written.
    unsafe fn store_bits(self, to: *mut u32, bits: Self::I);

    /// sum + a₀ b₀ + a₁ b₁ + a₂ b₂ + a₃ b₃, where the bytes of `a` lie between 0 and 127 (two products of larger
    /// ones would not fit into 16 bits, which is what AVX2 sums them in) and those of `b` are signed.
    fn dot(self, sum: Self::I, a: Self::I, b: Self::I) -> Self::I;

    /// Whole numbers as f32.
    fn to_float(self, numbers: Self::I) -> Self::V;

    /// The nearest whole numbers, held to 0..127: byte k of each place is `of[k]`'s. Halves go to the even number.
    fn pack(self, of: [Self::V; 4]) -> Self::I;

    /// Pixels of four bytes, in the bits of a vector: the nearest codes to r, g and b, held to 0..255, and 255.
    fn rgba(self, r: Self::V, g: Self::V, b: Self::V) -> Self::V;
}

/// `N` vectors, `step` values apart.
///
/// # Safety
/// They can be read.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd, const N: usize>(s: S, from: *const f32, step: usize) -> [S::V; N] {
    let mut vectors = [s.splat(0.0); N];
    for (t, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: the caller says so.
        *vector = unsafe { s.load(from.add(t * step)) };
    }
    vectors
}

#[cfg(test)]
mod tests;
