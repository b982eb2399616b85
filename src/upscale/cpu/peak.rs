//! What the machine could do: the peak that shares are counted against.

use std::{hint::black_box, time::Instant};

use super::{
    pool::Pool,
    simd::{Isa, Simd, SimdKernel},
};
use crate::upscale::Precision;

/// Multiply-adds in registers, with as many independent sums as fit.
struct MultiplyAdds {
    precision: Precision,
    rounds: usize,
}

impl SimdKernel for MultiplyAdds {
    /// How many there were.
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u64 {
        match (self.precision, S::COLUMNS) {
            (Precision::Int8, 1) => byte_chains::<S, 4>(s, self.rounds),
            (Precision::Int8, 2) => byte_chains::<S, 10>(s, self.rounds),
            (Precision::Int8, _) => byte_chains::<S, 24>(s, self.rounds),
            (_, 1) => chains::<S, 4>(s, self.rounds),
            (_, 2) => chains::<S, 12>(s, self.rounds),
            _ => chains::<S, 24>(s, self.rounds),
        }
    }
}

#[inline(always)]
fn chains<S: Simd, const N: usize>(s: S, rounds: usize) -> u64 {
    let (factor, term) = (s.splat(black_box(0.5)), s.splat(black_box(0.25)));
    let mut sums = [s.splat(black_box(1.0)); N];
    for _ in 0..rounds {
        for _ in 0..4 {
            for sum in &mut sums {
                *sum = s.mul_add(*sum, factor, term);
            }
        }
    }
    let mut sum = term;
    for part in sums {
        sum = s.add(sum, part);
    }
    let mut lanes = [0.0; 16];
    // SAFETY: no vector is longer than sixteen.
    unsafe { s.store(lanes.as_mut_ptr(), sum) };
    black_box(lanes);
    (rounds * 4 * N * S::LANES) as u64
}

/// The same with bytes, four products for each place.
#[inline(always)]
fn byte_chains<S: Simd, const N: usize>(s: S, rounds: usize) -> u64 {
    let a = s.splat_bits(black_box(0x0102_0304));
    let mut sums = [s.splat_bits(black_box(0x01ff_02fe)); N];
    for _ in 0..rounds {
        for _ in 0..4 {
            for sum in &mut sums {
                // By the sum itself: by what stays the same the compiler would multiply once.
                *sum = s.dot(*sum, a, *sum);
            }
        }
    }
    let mut lanes = [0_u32; 16];
    for sum in sums {
        // SAFETY: no vector is longer than sixteen.
        unsafe { s.store_bits(lanes.as_mut_ptr(), sum) };
        black_box(lanes);
    }
    (rounds * 4 * N * S::LANES * 4) as u64
}

/// Multiply-adds a second in all threads at once: the best of several short runs.
pub(super) fn measure(pool: &mut Pool, isa: Isa, precision: Precision) -> f64 {
    let threads = pool.threads() as f64;
    let mut run = |rounds: usize| {
        let started = Instant::now();
        pool.run(&|_| {
            black_box(isa.run(MultiplyAdds { precision, rounds }));
        });
        started.elapsed().as_secs_f64()
    };
    let once = isa.run(MultiplyAdds { precision, rounds: 1 }) as f64 * threads;
    // About five milliseconds each, so that a scheduler's slice rarely falls into one.
    let rounds = (0.005 / (run(10_000).max(1e-6) / 10_000.0)).clamp(1_000.0, 1e8) as usize;
    let best = (0..12).map(|_| run(rounds)).fold(f64::INFINITY, f64::min);
    once * rounds as f64 / best
}
