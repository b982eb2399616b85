//! How evenly places lie on the surface.

use rayon::prelude::*;
use serde::Serialize;

use super::bust::{Bust, CHIN, Place, normal_and_distance};

const BANDS: usize = 12;
const SECTORS: usize = 12;

/// How evenly samples lie, and how near to the surface.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Evenness {
    /// Standard deviation over mean of samples per area, over 144 patches of about equal area.
    pub variation: f64,
    /// What it is for as many independent samples that are uniform by area: counting alone makes it.
    pub chance: f64,
    /// The largest distance from a place of the surface to the nearest sample, in parts of the root of area per sample.
    pub largest_hole: f64,
    /// Share of the samples whose nearest place lies above the chin.
    pub head: f64,
    /// The head's share of the area.
    pub head_area: f64,
    /// Mean distance of the samples from the surface.
    pub off_surface: f64,
}

/// The surface's patches, to hold samples against.
pub(super) struct Judge {
    middles: Vec<Place>,
    patches: Vec<usize>,
    /// Of each patch, as parts of 1.
    shares: Vec<f64>,
    area: f64,
    head_area: f64,
}

impl Judge {
    pub(super) fn new(bust: &Bust) -> Self {
        let (middles, patches) = (bust.middles(), bust.patches(BANDS, SECTORS));
        let mut shares = vec![0.0; BANDS * SECTORS];
        patches.iter().zip(bust.areas()).for_each(|(&p, a)| shares[p] += a / bust.area());
        let head_area =
            middles.iter().zip(bust.areas()).filter(|(m, _)| m[2] > CHIN).map(|(_, a)| a / bust.area()).sum();
        Self { middles, patches, shares, area: bust.area(), head_area }
    }

    pub(super) fn judge(&self, places: &[Place]) -> Evenness {
        let n = places.len() as f64;
        let nearest: Vec<usize> = places.par_iter().map(|p| nearest(p, &self.middles).0).collect();
        let mut counts = vec![0.0; self.shares.len()];
        nearest.iter().for_each(|&i| counts[self.patches[i]] += 1.0 / n);
        // Samples per area, of which the mean is 1; patches of no area, on a coarse bust, have no say.
        let density: Vec<f64> =
            counts.iter().zip(&self.shares).filter(|(_, s)| **s > 0.0).map(|(c, s)| c / s).collect();
        let patches = density.len() as f64;
        let variance = |of: &dyn Fn(f64) -> f64| density.iter().map(|&d| of(d)).sum::<f64>() / patches;
        let chance = self.shares.iter().filter(|s| **s > 0.0).map(|s| (1.0 - s) / (n * s)).sum::<f64>() / patches;
        let hole = self.middles.par_iter().map(|m| nearest_distance(m, places)).reduce(|| 0.0, f64::max);
        Evenness {
            variation: variance(&|d| (d - 1.0).powi(2)).sqrt(),
            chance: chance.sqrt(),
            largest_hole: hole / (self.area / n).sqrt(),
            head: nearest.iter().filter(|&&i| self.middles[i][2] > CHIN).count() as f64 / n,
            head_area: self.head_area,
            off_surface: places.iter().map(|&p| normal_and_distance(p).1).sum::<f64>() / n,
        }
    }
}

fn square(a: &Place, b: &Place) -> f64 {
    (a[0] - b[0]).powi(2) + (a[1] - b[1]).powi(2) + (a[2] - b[2]).powi(2)
}

/// Which of the places is nearest, and its squared distance.
fn nearest(p: &Place, places: &[Place]) -> (usize, f64) {
    let mut best = (0, f64::MAX);
    for (i, q) in places.iter().enumerate() {
        let d = square(p, q);
        if d < best.1 {
            best = (i, d);
        }
    }
    best
}

fn nearest_distance(p: &Place, places: &[Place]) -> f64 {
    nearest(p, places).1.sqrt()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn samples_by_area_are_even_and_others_are_not() {
        let bust = Bust::new(30, 45);
        let judge = Judge::new(&bust);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let places: Vec<Place> = (0..6000).map(|_| bust.sample(&mut rng)).collect();
        let even = judge.judge(&places);
        assert!((even.variation / even.chance - 1.0).abs() < 0.25, "{even:?}");
        assert!((even.head - even.head_area).abs() < 0.025 && even.off_surface < 0.01, "{even:?}");
        assert!(even.largest_hole < 4.0, "{even:?}");
        // Half of the head's samples are put elsewhere.
        let mut thinned: Vec<Place> =
            places.iter().enumerate().filter(|(i, p)| p[2] < CHIN || i.is_multiple_of(2)).map(|(_, p)| *p).collect();
        let thin = judge.judge(&thinned);
        assert!(thin.variation > 2.0 * thin.chance && thin.head < even.head - 0.05, "{thin:?}");
        // A bare half has a large hole.
        thinned.retain(|p| p[0] < 0.0);
        assert!(judge.judge(&thinned).largest_hole > 20.0);
    }
}
