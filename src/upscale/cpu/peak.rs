//! What the machine could do: the peak that shares are counted against.

use std::{hint::black_box, time::Instant};

use super::{
    pool::Pool,
    simd::{Isa, Job, Simd},
};

/// Multiply-adds in registers, with as many independent sums as fit.
struct MultiplyAdds {
    rounds: usize,
}

impl Job for MultiplyAdds {
    /// How many there were.
    type Output = u64;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> u64 {
        match S::COLUMNS {
            1 => chains::<S, 4>(s, self.rounds),
            2 => chains::<S, 12>(s, self.rounds),
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

/// Multiply-adds a second in all threads at once: the best of several short runs.
pub(super) fn measure(pool: &mut Pool, isa: Isa) -> f64 {
    let threads = pool.threads() as f64;
    let mut run = |rounds: usize| {
        let started = Instant::now();
        pool.run(&|_| {
            black_box(isa.run(MultiplyAdds { rounds }));
        });
        started.elapsed().as_secs_f64()
    };
    let once = isa.run(MultiplyAdds { rounds: 1 }) as f64 * threads;
    // About five milliseconds each, so that a scheduler's slice rarely falls into one.
    let rounds = (0.005 / (run(10_000).max(1e-6) / 10_000.0)).clamp(1_000.0, 1e8) as usize;
    let best = (0..12).map(|_| run(rounds)).fold(f64::INFINITY, f64::min);
    once * rounds as f64 / best
}
