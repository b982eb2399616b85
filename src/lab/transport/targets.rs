//! Named sets of points to go to, and random numbers for them.

use std::f64::consts::TAU;

use clap::ValueEnum;
use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::source::{Point, Source};

/// Points that the program makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum TargetSet {
    /// Uniform on [−1, 1]².
    Random,
    /// A circle of radius 10 with noise of 0.3.
    Ring,
    /// Half around (0, 0), half around (40, 40), each with standard deviation 1.
    TwoGaussians,
    /// Eight of standard deviation 0.3 on a circle of radius 10.
    EightGaussians,
    /// One and a half turns, out to radius 10, with noise of 0.2.
    Spiral,
    /// One Gaussian, longer in one direction than in the other, which is the image of the Gaussian source by the linear
    /// map [`LINEAR`].
    Gaussian,
    /// Evenly spaced on a line.
    Line,
}

/// The symmetric matrix that makes [`TargetSet::Gaussian`] of the Gaussian source, and so is the map between.
pub const LINEAR: [[f64; 2]; 2] = [[2.0, 0.6], [0.6, 0.8]];

/// A normal number, by Box and Muller.
pub fn normal(rng: &mut impl Rng) -> f64 {
    let u: f64 = 1.0 - rng.random::<f64>();
    (-2.0 * u.ln()).sqrt() * (TAU * rng.random::<f64>()).cos()
}

/// A point of a source, in as many dimensions as `x` has room for.
pub fn draw(source: Source, rng: &mut impl Rng, x: &mut [f64]) {
    match source {
        Source::Square => x.iter_mut().for_each(|x| *x = rng.random_range(-1.0..1.0)),
        Source::Gaussian => x.iter_mut().for_each(|x| *x = normal(rng)),
        Source::Disk => {
            x.iter_mut().for_each(|x| *x = normal(rng));
            let length = x.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
            let radius = rng.random::<f64>().powf(1.0 / x.len() as f64);
            x.iter_mut().for_each(|x| *x *= radius / length);
        }
    }
}

impl TargetSet {
    /// `n` points in the plane.
    pub fn points(self, n: usize, seed: u64) -> Vec<Point> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..n).map(|i| self.point(i, n, &mut rng)).collect()
    }

    fn point(self, i: usize, n: usize, rng: &mut ChaCha8Rng) -> Point {
        let around = |centre: Point, sd: f64, rng: &mut ChaCha8Rng| {
            let (x, y) = (normal(rng), normal(rng));
            [centre[0] + sd * x, centre[1] + sd * y]
        };
        let on_circle = |angle: f64, radius: f64| [radius * angle.cos(), radius * angle.sin()];
        match self {
            Self::Random => [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)],
            Self::Ring => {
                let angle = rng.random_range(0.0..TAU);
                around(on_circle(angle, 10.0), 0.3, rng)
            }
            Self::TwoGaussians => around(if i.is_multiple_of(2) { [0.0; 2] } else { [40.0; 2] }, 1.0, rng),
            Self::EightGaussians => around(on_circle((i % 8) as f64 / 8.0 * TAU, 10.0), 0.3, rng),
            Self::Spiral => {
                // As many points on each part of its length.
                let t = rng.random::<f64>().sqrt();
                around(on_circle(1.5 * TAU * t, 10.0 * t), 0.2, rng)
            }
            Self::Gaussian => {
                let (x, y) = (normal(rng), normal(rng));
                [LINEAR[0][0] * x + LINEAR[0][1] * y, LINEAR[1][0] * x + LINEAR[1][1] * y]
            }
            Self::Line => [(2.0 * i as f64 + 1.0) / n as f64 - 1.0, 0.0],
        }
    }

    /// `n` points in `dimension` dimensions, one after the other; none where the set is of the plane only.
    pub fn points_in(self, dimension: usize, n: usize, seed: u64) -> Option<Vec<f64>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut out = Vec::with_capacity(n * dimension);
        for i in 0..n {
            for _ in 0..dimension {
                out.push(match self {
                    Self::Random => rng.random_range(-1.0..1.0),
                    Self::Gaussian => normal(&mut rng),
                    Self::TwoGaussians => normal(&mut rng) + if i.is_multiple_of(2) { 0.0 } else { 40.0 },
                    _ => return None,
                });
            }
        }
        Some(out)
    }
}
