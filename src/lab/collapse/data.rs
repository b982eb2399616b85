//! What the generators are to make, and how what they make is judged.

use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::digits;
use crate::lab::transport::targets::normal;

/// What is to be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Data {
    /// Two Gaussians at (0, 0) and (40, 40)
    #[default]
    Two,
    /// Eight Gaussians on a ring
    Ring8,
    /// A ring, evenly filled
    Ring,
    /// Handwritten-like digits of ten classes
    Digits,
}

/// The deviation of every Gaussian, and of the ring across: that of the source, so that a map need not stretch.
const SIGMA: f32 = 1.0;
/// The radius of the rings.
const RADIUS: f32 = 20.0;
/// The modes that the even ring is cut into.
const SECTORS: usize = 16;
/// Values of the source of digits.
const DIGITS_SOURCE: usize = 16;
/// Digits of each class that are learnt from, and that what is made is compared with.
const LEARNT: usize = 300;
const TEMPLATES: usize = 60;
/// The part of true samples that lie within 3σ of a mode of digits, whatever their σ is: as in one dimension.
const WITHIN: f32 = 0.997;

/// Where something that was made lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The nearest mode.
    pub mode: usize,
    /// How far from it, in its σ.
    pub sigmas: f32,
}

/// One kind of [`Data`], ready to be drawn from.
#[derive(Debug, Clone)]
pub struct Target {
    /// Its kind.
    pub data: Data,
    /// The middle of each mode, where it is a point: two values each.
    centres: Vec<[f32; 2]>,
    /// Digits to learn from and to compare with, class by class.
    learnt: Vec<f32>,
    templates: Vec<f32>,
    /// The distance from a digit to its nearest template that counts as one σ.
    sigma: f32,
}

impl Target {
    /// Of digits it draws those to learn from and the templates, always the same.
    pub fn new(data: Data) -> Self {
        let around = |i: usize, of: usize| {
            let angle = std::f32::consts::TAU * i as f32 / of as f32;
            [RADIUS * angle.cos(), RADIUS * angle.sin()]
        };
        let centres = match data {
            Data::Two => vec![[0.0, 0.0], [40.0, 40.0]],
            Data::Ring8 => (0..8).map(|i| around(i, 8)).collect(),
            Data::Ring => (0..SECTORS).map(|i| around(i, SECTORS)).collect(),
            Data::Digits => Vec::new(),
        };
        let mut target = Self { data, centres, learnt: Vec::new(), templates: Vec::new(), sigma: SIGMA };
        if data == Data::Digits {
            let mut rng = ChaCha8Rng::seed_from_u64(0);
            for class in 0..digits::CLASSES {
                (0..LEARNT).for_each(|_| digits::draw(class, &mut rng, &mut target.learnt));
                (0..TEMPLATES).for_each(|_| digits::draw(class, &mut rng, &mut target.templates));
            }
            let others = target.draw(1000, &mut rng);
            let mut away: Vec<f32> =
                others.chunks_exact(target.values()).map(|digit| target.nearest(digit).sigmas).collect();
            away.sort_by(f32::total_cmp);
            target.sigma = away[(WITHIN * away.len() as f32) as usize] / 3.0;
        }
        target
    }

    /// Values of a sample.
    pub fn values(&self) -> usize {
        if self.data == Data::Digits { digits::SIDE * digits::SIDE } else { 2 }
    }

    /// Values of a point of the source, which is the normal distribution.
    pub fn source_values(&self) -> usize {
        if self.data == Data::Digits { DIGITS_SOURCE } else { 2 }
    }

    /// How many modes it has, all equally likely.
    pub fn modes(&self) -> usize {
        if self.data == Data::Digits { digits::CLASSES } else { self.centres.len() }
    }

    /// How much wider the data is than what networks like to see.
    pub fn scale(&self) -> f32 {
        if self.data == Data::Digits { 0.5 } else { 20.0 }
    }

    /// Its middle, in each value.
    pub fn middle(&self) -> f32 {
        match self.data {
            Data::Two => 20.0,
            Data::Ring8 | Data::Ring => 0.0,
            Data::Digits => 0.5,
        }
    }

    /// From the data's units to the networks'.
    pub fn inward(&self, samples: &[f32]) -> Vec<f32> {
        samples.iter().map(|v| (v - self.middle()) / self.scale()).collect()
    }

    /// From the networks' units to the data's.
    pub fn outward(&self, samples: &[f32]) -> Vec<f32> {
        samples.iter().map(|v| v * self.scale() + self.middle()).collect()
    }

    /// True samples: `[sample][value]`.
    pub fn draw(&self, count: usize, rng: &mut impl Rng) -> Vec<f32> {
        let mut samples = Vec::with_capacity(count * self.values());
        for _ in 0..count {
            match self.data {
                Data::Two | Data::Ring8 => {
                    let [x, y] = self.centres[rng.random_range(0..self.centres.len())];
                    samples.extend([x + SIGMA * normal(rng) as f32, y + SIGMA * normal(rng) as f32]);
                }
                Data::Ring => {
                    let angle = rng.random_range(0.0..std::f32::consts::TAU);
                    let radius = RADIUS + SIGMA * normal(rng) as f32;
                    samples.extend([radius * angle.cos(), radius * angle.sin()]);
                }
                Data::Digits => {
                    let digit = rng.random_range(0..digits::CLASSES * LEARNT);
                    samples.extend(&self.learnt[digit * self.values()..][..self.values()]);
                }
            }
        }
        samples
    }

    /// Where a sample lies.
    pub fn place(&self, sample: &[f32]) -> Place {
        match self.data {
            Data::Digits => self.nearest(sample),
            _ => {
                let away = |c: &[f32; 2]| (sample[0] - c[0]).hypot(sample[1] - c[1]);
                let (mode, nearest) = least(self.centres.iter().map(away));
                let ring = (sample[0].hypot(sample[1]) - RADIUS).abs();
                let away = if self.data == Data::Ring { ring } else { nearest };
                // What is no number lies nowhere, and is as far away as can be.
                Place { mode, sigmas: f32::INFINITY.min(away / SIGMA) }
            }
        }
    }

    fn nearest(&self, digit: &[f32]) -> Place {
        let away = |t: &[f32]| t.iter().zip(digit).map(|(t, d)| (t - d).powi(2)).sum::<f32>();
        let (nearest, square) = least(self.templates.chunks_exact(self.values()).map(away));
        Place { mode: nearest / TEMPLATES, sigmas: square.sqrt() / self.sigma }
    }
}

/// The least number and where it stands.
fn least(numbers: impl Iterator<Item = f32>) -> (usize, f32) {
    numbers.enumerate().fold((0, f32::INFINITY), |best, (i, v)| if v < best.1 { (i, v) } else { best })
}

/// Points of the source: `[point][value]`, from the normal distribution.
pub fn source(values: usize, count: usize, rng: &mut impl Rng) -> Vec<f32> {
    (0..values * count).map(|_| normal(rng) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn true_samples_are_judged_good_and_spread_over_all_modes() {
        for data in [Data::Two, Data::Ring8, Data::Ring, Data::Digits] {
            let target = Target::new(data);
            let samples = target.draw(1000, &mut ChaCha8Rng::seed_from_u64(1));
            assert_eq!(samples.len(), 1000 * target.values());
            let places: Vec<Place> = samples.chunks_exact(target.values()).map(|s| target.place(s)).collect();
            let good = places.iter().filter(|p| p.sigmas <= 3.0).count();
            assert!(good > 970, "{data:?}: {good}");
            let fair = 1000 / target.modes();
            for mode in 0..target.modes() {
                let there = places.iter().filter(|p| p.mode == mode).count();
                assert!((fair / 2..fair * 2).contains(&there), "{data:?} {mode}: {there}");
            }
            let inward = target.inward(&samples);
            assert!(inward.iter().all(|v| v.abs() < 1.5));
            assert!(target.outward(&inward).iter().zip(&samples).all(|(a, b)| (a - b).abs() < 1e-4));
        }
    }

    #[test]
    fn places_by_hand() {
        let two = Target::new(Data::Two);
        assert_eq!(two.place(&[3.0, 4.0]), Place { mode: 0, sigmas: 5.0 });
        assert_eq!(two.place(&[40.0, 38.0]), Place { mode: 1, sigmas: 2.0 });
        assert!(two.place(&[20.0, 20.0]).sigmas > 28.0);
        let ring = Target::new(Data::Ring);
        assert_eq!(ring.place(&[0.0, 22.5]), Place { mode: SECTORS / 4, sigmas: 2.5 });
        assert!(Target::new(Data::Digits).place(&[0.5; digits::SIDE * digits::SIDE]).sigmas > 3.0, "grey is no digit");
        assert!([two, ring].iter().all(|target| target.place(&[f32::NAN, 0.0]).sigmas > 1e9));
    }
}
