//! How many pieces a smooth target needs: the task's side of the bound.
//!
//! On a piece of length h a straight line stays within ε of a curve whose second derivative is at least m only if
//! m·h²/16 ≤ ε: a chord is off by m·h²/8 in the middle, and moved half of that aside it is off by the same everywhere.
//! So the pieces' √m·h are 4√ε at most, and of a convex curve n pieces leave
//!
//! ```text
//! ε ≥ (∫ √f″ dx)² / (16 n²),
//! ```
//!
//! in the limit of many pieces, and for a parabola with any number of them. The best pieces reach it: chords of which
//! each is off by 2ε, all moved by ε. Of a surface a plane stays within ε of ½·xᵀHx on an area of 4πε/√det H (the disk
//! of radius 2√ε where H is one), so that n ≥ ∫ √det H dA / 4πε; pieces that leave no gaps are hexagons in such disks,
//! by a factor of 2π/√27 = 1.21 more (Kershner 1939, *The number of circles covering a set*).

use std::collections::HashSet;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::{line, network::Network};
use crate::lab::{
    self,
    mlp::{Learner, Mlp},
};

/// Halvings of an interval until f64 has no more digits.
const HALVINGS: usize = 52;
/// Points at which a network is trained and judged.
const POINTS: usize = 513;
/// The highest step of Adam.
const RATE: f32 = 0.01;

/// A convex curve: f on an interval, with its first and second derivative.
#[derive(Debug, Clone, Copy)]
pub struct Curve {
    /// What it is called.
    pub name: &'static str,
    ends: [f64; 2],
    value: fn(f64) -> f64,
    slope: fn(f64) -> f64,
    bend: fn(f64) -> f64,
}

/// A parabola, an exponential, most of a half circle.
pub const CURVES: [Curve; 3] = [
    Curve { name: "x²", ends: [0.0, 1.0], value: |x| x * x, slope: |x| 2.0 * x, bend: |_| 2.0 },
    Curve { name: "eˣ", ends: [0.0, 3.0], value: f64::exp, slope: f64::exp, bend: f64::exp },
    Curve {
        name: "half circle",
        ends: [-0.95, 0.95],
        value: |x| -(1.0 - x * x).sqrt(),
        slope: |x| x / (1.0 - x * x).sqrt(),
        bend: |x| (1.0 - x * x).powf(-1.5),
    },
];

/// The error that is left with so many pieces.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Fit {
    /// Linear pieces.
    pub pieces: usize,
    /// The largest difference anywhere.
    pub error: f64,
}

impl Curve {
    /// ∫ √f″ dx, by Simpson's rule.
    pub fn total(&self) -> f64 {
        let [a, b] = self.ends;
        let n = 2000;
        let h = (b - a) / n as f64;
        let term = |i: usize| {
            let weight = if i == 0 || i == n { 1.0 } else { [2.0, 4.0][i % 2] };
            weight * (self.bend)(a + i as f64 * h).sqrt()
        };
        (0..=n).map(term).sum::<f64>() * h / 3.0
    }

    /// What the formula says of so many pieces.
    pub fn predicted(&self, pieces: usize) -> f64 {
        (self.total() / (4.0 * pieces as f64)).powi(2)
    }

    /// How far the chord between two places lies above the curve.
    fn chord(&self, a: f64, b: f64) -> f64 {
        let (fa, fb) = ((self.value)(a), (self.value)(b));
        let slope = (fb - fa) / (b - a);
        let furthest = halved(a, b, |x| (self.slope)(x) < slope);
        fa + slope * (furthest - a) - (self.value)(furthest)
    }

    /// How many pieces stay within an error: each is taken as long as it can be.
    fn pieces(&self, error: f64, at_most: usize) -> usize {
        let (mut at, end) = (self.ends[0], self.ends[1]);
        let mut pieces = 0;
        while at < end && pieces <= at_most {
            let start = at;
            at = if self.chord(start, end) <= 2.0 * error {
                end
            } else {
                halved(start, end, |b| b <= start || self.chord(start, b) <= 2.0 * error)
            };
            pieces += 1;
        }
        pieces
    }

    /// The best that so many pieces reach.
    pub fn best(&self, pieces: usize) -> Fit {
        let high = self.chord(self.ends[0], self.ends[1]).ln();
        let error = halved(high - 40.0, high, |error| self.pieces(error.exp(), pieces) > pieces);
        Fit { pieces, error: error.exp() }
    }

    /// What a network with one hidden layer of `width` units learns of it in `steps` steps of Adam; its pieces are those
    /// that it has between the ends.
    pub fn learnt(&self, width: usize, steps: usize, seed: u64) -> Fit {
        let [a, b] = self.ends;
        let xs: Vec<f32> = (0..POINTS).map(|i| 2.0 * i as f32 / (POINTS - 1) as f32 - 1.0).collect();
        let of = |x: f32| (self.value)(f64::midpoint(a, b) + 0.5 * (b - a) * f64::from(x));
        let targets: Vec<f32> = xs.iter().map(|x| of(*x) as f32).collect();
        let net = trained(&[width], &xs, &targets, steps, seed);
        let error = net.forward(&xs).iter().zip(&xs).map(|(y, x)| (f64::from(*y) - of(*x)).abs()).fold(0.0, f64::max);
        Fit { pieces: pieces_of(&net), error }
    }
}

/// A network of one input that has learnt some values in steps over all of them.
pub(super) fn trained(hidden: &[usize], xs: &[f32], targets: &[f32], steps: usize, seed: u64) -> Mlp {
    let mut learner = Learner::new(Mlp::random(1, hidden, 1, &mut ChaCha8Rng::seed_from_u64(seed)));
    for step in 0..steps {
        // Down along a half cosine.
        let done = step as f32 / steps as f32;
        learner.fit(xs, targets, RATE * 0.5 * (1.0 + (std::f32::consts::PI * done).cos()) + 1e-5);
    }
    learner.net
}

/// The linear pieces of a network of one input between −1 and 1.
pub(super) fn pieces_of(net: &Mlp) -> usize {
    let network = Network::dense(net.layers().map(|l| (l.inputs, l.outputs, l.weights, l.bias)));
    network.map_or(0, |network| line::pieces(&network, &[-1.0], &[1.0]).linear)
}

/// The best of some seeds for each width.
pub fn learnt(curve: &Curve, widths: &[usize], steps: usize, seeds: &[u64]) -> Vec<Fit> {
    let best = |width: &usize| {
        let all = seeds.iter().map(|seed| curve.learnt(*width, steps, *seed));
        all.min_by(|a, b| a.error.total_cmp(&b.error))
    };
    widths.par_iter().filter_map(best).collect()
}

/// The surface ½(x² + y²) over the unit square, whose √det H is 1 everywhere, by hexagons with corners `radius` from their
/// middles: the largest of the tangent planes at the middles, moved by half of the largest error.
pub fn hexagons(radius: f64) -> Fit {
    let (across, up) = (3_f64.sqrt() * radius, 1.5 * radius);
    let points = (4.0 / radius).clamp(200.0, 1500.0) as usize;
    let (mut cells, mut furthest) = (HashSet::new(), 0.0_f64);
    for i in 0..=points {
        for j in 0..=points {
            let [x, y] = [i, j].map(|k| k as f64 / points as f64);
            // The nearest middle is in one of the rows around.
            let row = (y / up).round() as i64;
            let near = (row - 1..=row + 1).map(|row| {
                let aside = if row.rem_euclid(2) == 1 { 0.5 * across } else { 0.0 };
                let column = ((x - aside) / across).round();
                let away = (x - aside - column * across).powi(2) + (y - row as f64 * up).powi(2);
                (away, row, column as i64)
            });
            let Some((away, row, column)) = near.min_by(|a, b| a.0.total_cmp(&b.0)) else { continue };
            cells.insert((row, column));
            furthest = furthest.max(away);
        }
    }
    // A tangent plane is off by half the square of the distance to its middle.
    Fit { pieces: cells.len(), error: 0.25 * furthest }
}

/// No error less than this is left of that surface by so many pieces: ∫ √det H dA / 4πn.
pub fn surface_error(pieces: usize) -> f64 {
    1.0 / (4.0 * std::f64::consts::PI * pieces as f64)
}

/// The p of error ∝ piecesᵖ; none for fewer than two numbers of pieces.
pub fn exponent(fits: &[Fit]) -> Option<f64> {
    lab::exponent(fits.iter().map(|f| (f.pieces as f64, f.error)))
}

/// Where a condition that holds at `a` and not at `b` ends.
fn halved(mut a: f64, mut b: f64, holds: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(a, b);
        if holds(middle) { a = middle } else { b = middle }
    }
    f64::midpoint(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parabola_by_hand() {
        // Of x² on 0..1 each of n pieces has the length 1/n: its chord is 1/4n² off, the best line half of that.
        let [parabola, ..] = CURVES;
        assert!((parabola.total() - 2_f64.sqrt()).abs() < 1e-12);
        for pieces in [1, 2, 3, 7] {
            let expected = 1.0 / (8.0 * (pieces * pieces) as f64);
            assert!((parabola.predicted(pieces) - expected).abs() < 1e-12, "{pieces}");
            assert!((parabola.best(pieces).error / expected - 1.0).abs() < 1e-6, "{pieces}");
        }
    }

    #[test]
    fn the_best_error_falls_with_the_square_of_the_pieces_and_as_the_curvature_says() {
        for curve in &CURVES {
            let fits: Vec<Fit> = [16, 32, 64].into_iter().map(|n| curve.best(n)).collect();
            let p = exponent(&fits).unwrap();
            assert!((p + 2.0).abs() < 0.05, "{}: {p}", curve.name);
            let share = fits[2].error / curve.predicted(64);
            assert!((share - 1.0).abs() < 0.03, "{}: {share}", curve.name);
        }
    }

    #[test]
    fn hexagons_come_near_to_the_least_number_of_pieces() {
        let fit = hexagons(0.05);
        assert!((fit.error / (0.25 * 0.05 * 0.05) - 1.0).abs() < 0.05, "{fit:?}");
        // 1.21 times as many, and those that only reach in from outside.
        let over = fit.error / surface_error(fit.pieces);
        assert!((1.21..1.5).contains(&over), "{over}");
        assert!(hexagons(0.1).pieces * 3 < fit.pieces, "half the radius, four times the pieces");
    }

    #[test]
    fn a_network_learns_a_parabola_and_beats_no_bound() {
        let [parabola, ..] = CURVES;
        let fits = learnt(&parabola, &[2, 8], 400, &[0, 1]);
        assert_eq!(fits, learnt(&parabola, &[2, 8], 400, &[0, 1]), "the same seeds, the same numbers");
        for fit in &fits {
            // In f32, between points.
            assert!(fit.pieces >= 1 && fit.error > 0.95 * parabola.predicted(fit.pieces), "{fit:?}");
        }
        assert!(fits[0].pieces <= 3 && fits[1].pieces <= 9 && fits[1].error < 0.05, "{fits:?}");
    }
}
