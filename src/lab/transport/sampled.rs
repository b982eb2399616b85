//! The map in more than two dimensions, by random samples.
//!
//! There the cells cannot be cut out any more; but the energy's gradient, mass minus wanted mass, is an expectation, and
//! Adam goes down it on batches of samples, as An et al. do ("AE-OT: a new generative model based on extended
//! semi-discrete optimal transport", ICLR 2020). What is left is noise, and its size is part of the answer:
//! [`SampledMap::check`] counts fresh samples.

use rand::{RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::{Source, TransportError, checked_weights, targets::draw};
use crate::matrix::{Factor, add_product};

/// Dimensions, at most.
pub const MAX_DIMENSION: usize = 256;
/// Samples that are multiplied with the points at once.
const CHUNK: usize = 256;
/// Points that they are multiplied with at once; the product stays in the cache.
const BLOCK: usize = 512;
const BETA: [f64; 2] = [0.9, 0.999];

/// How long to learn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// Steps of Adam.
    pub steps: usize,
    /// Samples a step.
    pub batch: usize,
    /// Adam's first step size, in a frame where the points have the source's variance; it falls to 0 as a half cosine.
    pub rate: f64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { steps: 400, batch: 2048, rate: 0.1 }
    }
}

/// The map T(x) = yᵢ with the i of the highest ⟨x, yᵢ⟩ + hᵢ, in d dimensions.
#[derive(Debug, Clone)]
pub struct SampledMap {
    source: Source,
    dimension: usize,
    weights: Vec<f64>,
    /// (y − mean) · scale, so that they have the source's variance: `[point][dimension]`.
    sites: Vec<f64>,
    heights: Vec<f64>,
    mean: Vec<f64>,
    scale: f64,
}

/// How far the masses are off, by fresh samples.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MassCheck {
    /// Samples that were counted.
    pub samples: usize,
    /// The total variation ½Σ|mᵢ − νᵢ|: the share of the mass that goes to a wrong point.
    pub total_variation: f64,
    /// What it would be for the exact map, from counting this many samples only: about 0.4·√(n / samples).
    pub counting_noise: f64,
    /// Points to which not one sample went.
    pub unreached: usize,
    /// Mean squared distance that the samples moved.
    pub cost: f64,
}

impl SampledMap {
    /// Learns the map to `points`, `[point][dimension]`. `progress` hears of each step its number.
    ///
    /// # Errors
    /// For sizes, coordinates and weights that [`super::TransportMap::solve`] refuses too, for a dimension of 0 or
    /// above [`MAX_DIMENSION`], and for steps or batches of 0.
    pub fn solve(
        source: Source,
        dimension: usize,
        points: &[f64],
        weights: Option<&[f64]>,
        budget: Budget,
        seed: u64,
        progress: &mut dyn FnMut(usize, &Self),
    ) -> Result<Self, TransportError> {
        let mut map = Self::start(source, dimension, points, weights)?;
        let wrong = |what, value| TransportError::Size { what, value, range: "1 to 1000000" };
        for (what, value) in [("the number of steps", budget.steps), ("the batch", budget.batch)] {
            if !(1..=1_000_000).contains(&value) {
                return Err(wrong(what, value));
            }
        }
        let n = map.weights.len();
        let (mut mean, mut square) = (vec![0.0; n], vec![0.0; n]);
        let mut seeds = ChaCha8Rng::seed_from_u64(seed);
        for step in 0..budget.steps {
            progress(step, &map);
            let (counts, _) = map.count(budget.batch, seeds.next_u64());
            let rate = budget.rate * 0.5 * (1.0 + (std::f64::consts::PI * step as f64 / budget.steps as f64).cos());
            let corrected = BETA.map(|b| 1.0 - b.powi(step as i32 + 1));
            for i in 0..n {
                let gradient = f64::from(counts[i]) / budget.batch as f64 - map.weights[i];
                mean[i] += (1.0 - BETA[0]) * (gradient - mean[i]);
                square[i] += (1.0 - BETA[1]) * (gradient * gradient - square[i]);
                map.heights[i] -= rate * (mean[i] / corrected[0]) / ((square[i] / corrected[1]).sqrt() + 1e-12);
            }
        }
        progress(budget.steps, &map);
        Ok(map)
    }

    /// Voronoi cells of the points, moved and scaled to the source's mean and variance.
    fn start(
        source: Source,
        dimension: usize,
        points: &[f64],
        weights: Option<&[f64]>,
    ) -> Result<Self, TransportError> {
        if !(1..=MAX_DIMENSION).contains(&dimension) {
            return Err(TransportError::Size { what: "the dimension", value: dimension, range: "1 to 256" });
        }
        let n = points.len() / dimension;
        let weights = checked_weights(n, weights)?;
        if let Some(bad) = points.iter().position(|c| c.is_nan() || c.abs() > super::MAX_COORDINATE) {
            return Err(TransportError::Coordinate(bad / dimension));
        }
        let rows = || points.chunks_exact(dimension).zip(&weights);
        let mut mean = vec![0.0; dimension];
        rows().for_each(|(row, w)| mean.iter_mut().zip(row).for_each(|(m, c)| *m += w * c));
        let spread: f64 =
            rows().map(|(row, w)| w * row.iter().zip(&mean).map(|(c, m)| (c - m).powi(2)).sum::<f64>()).sum();
        let scale = (source.second_moment(dimension) / spread).sqrt();
        let scale = if scale.is_normal() { scale } else { 1.0 };
        let sites: Vec<f64> = rows()
            .flat_map(|(row, _)| row.iter().zip(&mean).map(|(c, m)| (c - m) * scale).collect::<Vec<_>>())
            .collect();
        let heights = sites.chunks_exact(dimension).map(|y| -0.5 * y.iter().map(|c| c * c).sum::<f64>()).collect();
        Ok(Self { source, dimension, weights, sites, heights, mean, scale })
    }

    /// Which point each row of `x`, `[row][dimension]`, goes to.
    pub fn indices(&self, x: &[f64]) -> Vec<usize> {
        let d = self.dimension;
        let rows = x.len() / d;
        let mut best = vec![(f64::MIN, 0); rows];
        let mut values = vec![0.0; rows * BLOCK];
        for (block, (sites, heights)) in self.sites.chunks(BLOCK * d).zip(self.heights.chunks(BLOCK)).enumerate() {
            let columns = heights.len();
            let values = &mut values[..rows * columns];
            values.chunks_exact_mut(columns).for_each(|row| row.copy_from_slice(heights));
            add_product(Factor::of(&x[..rows * d], d), Factor::turned(sites, d), values);
            for (best, row) in best.iter_mut().zip(values.chunks_exact(columns)) {
                let top = row.iter().copied().fold(f64::MIN, f64::max);
                if top > best.0 {
                    *best = (top, block * BLOCK + row.iter().position(|&v| v == top).unwrap_or(0));
                }
            }
        }
        best.into_iter().map(|b| b.1).collect()
    }

    /// Point `i`.
    pub fn point(&self, i: usize) -> Vec<f64> {
        let site = &self.sites[i * self.dimension..][..self.dimension];
        site.iter().zip(&self.mean).map(|(c, m)| c / self.scale + m).collect()
    }

    /// How many of `samples` random ones go to each point, and how far they move: the sum of squares.
    fn count(&self, samples: usize, seed: u64) -> (Vec<u32>, f64) {
        let chunk = |chunk: usize| {
            // Each chunk has its own numbers, so that it does not matter which thread does it.
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(chunk as u64);
            let rows = CHUNK.min(samples - chunk * CHUNK);
            let mut x = vec![0.0; rows * self.dimension];
            x.chunks_exact_mut(self.dimension).for_each(|x| draw(self.source, &mut rng, x));
            let indices = self.indices(&x);
            let moved = |(x, &i): (&[f64], &usize)| {
                let site = &self.sites[i * self.dimension..][..self.dimension];
                let y = site.iter().zip(&self.mean).map(|(c, m)| c / self.scale + m);
                x.iter().zip(y).map(|(x, y)| (x - y).powi(2)).sum::<f64>()
            };
            let cost: f64 = x.chunks_exact(self.dimension).zip(&indices).map(moved).sum();
            (indices, cost)
        };
        let chunks: Vec<(Vec<usize>, f64)> = (0..samples.div_ceil(CHUNK)).into_par_iter().map(chunk).collect();
        let mut counts = vec![0; self.weights.len()];
        let mut cost = 0.0;
        for (indices, part) in chunks {
            indices.into_iter().for_each(|i| counts[i] += 1);
            cost += part;
        }
        (counts, cost)
    }

    /// Counts where `samples` fresh ones go.
    pub fn check(&self, samples: usize, seed: u64) -> MassCheck {
        let samples = samples.max(1);
        let (counts, cost) = self.count(samples, seed);
        let off = |(&c, w): (&u32, &f64)| (f64::from(c) / samples as f64 - w).abs();
        // E|mᵢ − νᵢ| is that of a normal number with variance ν(1 − ν) / samples.
        let noise = |w: &f64| (2.0 / std::f64::consts::PI * w * (1.0 - w) / samples as f64).sqrt();
        MassCheck {
            samples,
            total_variation: 0.5 * counts.iter().zip(&self.weights).map(off).sum::<f64>(),
            counting_noise: 0.5 * self.weights.iter().map(noise).sum::<f64>(),
            unreached: counts.iter().filter(|c| **c == 0).count(),
            cost: cost / samples as f64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::transport::{TransportMap, targets::TargetSet};

    const SHORT: Budget = Budget { steps: 150, batch: 1024, rate: 0.1 };

    fn learnt(dimension: usize, points: &[f64], seed: u64) -> SampledMap {
        SampledMap::solve(Source::Gaussian, dimension, points, None, SHORT, seed, &mut |_, _| ()).unwrap()
    }

    #[test]
    fn in_the_plane_it_comes_near_the_exact_map() {
        let points = TargetSet::EightGaussians.points(40, 1);
        let exact = TransportMap::solve(Source::Gaussian, &points, None).unwrap();
        let map = learnt(2, &points.concat(), 2);
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut x = vec![0.0; 2 * 4000];
        x.chunks_exact_mut(2).for_each(|x| draw(Source::Gaussian, &mut rng, x));
        let agree = |(&i, x): (&usize, &[f64])| i == exact.index([x[0], x[1]]);
        let same = map.indices(&x).iter().zip(x.chunks_exact(2)).filter(|p| agree(*p)).count();
        // Where two points of a cluster are near each other, a little of height moves the line between far.
        assert!(same > 3700, "{same} of 4000");
        let check = map.check(40_000, 4);
        assert!(check.total_variation < 0.05 && check.unreached == 0, "{check:?}");
        assert!((check.cost / exact.cost() - 1.0).abs() < 0.01, "{check:?} {}", exact.cost());
        assert_eq!(map.point(7).len(), 2);
        assert!((map.point(7)[1] - points[7][1]).abs() < 1e-9);
    }

    #[test]
    fn in_many_dimensions_the_masses_come_near_and_the_seed_decides() {
        // More points than a block holds, so that blocks are put together.
        let points = TargetSet::TwoGaussians.points_in(12, 600, 1).unwrap();
        let start = SampledMap::start(Source::Gaussian, 12, &points, None).unwrap().check(20_000, 5);
        let map = learnt(12, &points, 2);
        let check = map.check(20_000, 5);
        // Counting 20,000 for 600 points makes 0.07 by itself.
        assert!((0.06..0.08).contains(&check.counting_noise), "{check:?}");
        assert!(check.total_variation < 0.12 && start.total_variation > 0.4, "{start:?} {check:?}");
        assert_eq!(learnt(12, &points, 2).check(1000, 6), map.check(1000, 6));
        assert_ne!(learnt(12, &points, 3).check(1000, 6), map.check(1000, 6));
        assert_eq!(TargetSet::Ring.points_in(12, 10, 1), None);
    }

    #[test]
    fn what_is_highest_is_found_block_by_block() {
        let points = TargetSet::Random.points_in(3, 1100, 1).unwrap();
        let map = SampledMap::start(Source::Square, 3, &points, None).unwrap();
        let x = TargetSet::Random.points_in(3, 50, 2).unwrap();
        for (row, index) in x.chunks_exact(3).zip(map.indices(&x)) {
            let value = |i: usize| map.heights[i] + (0..3).map(|k| row[k] * map.sites[3 * i + k]).sum::<f64>();
            assert!((0..1100).all(|i| value(i) <= value(index) + 1e-12));
        }
    }

    #[test]
    fn wrong_sizes_are_refused() {
        let solve = |dimension, points: &[f64], steps| {
            let budget = Budget { steps, ..SHORT };
            SampledMap::solve(Source::Disk, dimension, points, None, budget, 1, &mut |_, _| ()).err()
        };
        assert_eq!(solve(3, &[0.0, 1.0], 1), Some(TransportError::NoPoints));
        for (dimension, steps) in [(0, 1), (300, 1), (1, 0)] {
            assert!(matches!(solve(dimension, &[0.0, 1.0], steps), Some(TransportError::Size { .. })));
        }
        assert_eq!(solve(2, &[0.0, f64::INFINITY], 1), Some(TransportError::Coordinate(0)));
        assert_eq!(solve(2, &[0.5, 0.5], 1), None, "one point without extent");
    }
}
