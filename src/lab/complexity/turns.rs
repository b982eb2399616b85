//! What a network cannot learn, however it is trained: a curve with more turns than it has pieces.
//!
//! The zigzag of n pieces goes up and down between 0 and 1 n times. Whoever stays nearer to it than ½ at its n + 1 turns
//! crosses ½ between each two of them, and one piece crosses it once at most (Telgarsky 2016, arXiv 1602.04485). So a
//! network whose widths allow fewer than n pieces is off by ½ or more at some turn, whatever its weights are: as far as
//! the constant ½.

use rayon::prelude::*;
use serde::Serialize;

use super::curves;
use crate::{lab::mlp::Mlp, model::Widths};

/// Points to learn from in each piece of the curve.
const POINTS: usize = 24;
/// A curve counts as learnt where nothing is off by more than this: half of what can always be had.
pub const LEARNT: f64 = 0.25;

/// The zigzag of some pieces over 0..1.
pub fn zigzag(pieces: usize, x: f64) -> f64 {
    let at = (x.clamp(0.0, 1.0) * pieces as f64).rem_euclid(2.0);
    if at <= 1.0 { at } else { 2.0 - at }
}

/// What networks of one shape made of the zigzag.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Attempt {
    /// Units of each hidden layer.
    pub hidden: Vec<usize>,
    /// The most pieces that its widths allow.
    pub pieces_at_most: f64,
    /// For each seed the largest error at any place.
    pub errors: Vec<f64>,
    /// For each seed the linear pieces that it has.
    pub pieces: Vec<usize>,
    /// What the best of them draws, from 0 to 1.
    #[serde(skip)]
    pub drawn: Vec<(f64, f64)>,
}

impl Attempt {
    /// The smallest of the errors.
    pub fn best(&self) -> f64 {
        self.errors.iter().copied().fold(f64::INFINITY, f64::min)
    }
}

/// The most pieces that a network of one input and these hidden layers has. None where there is no such network.
pub fn allowed(hidden: &[usize]) -> Option<f64> {
    Some(Widths::new(1, hidden.to_vec())?.log2_at_most().exp2())
}

/// Trains networks of one shape on the zigzag of some pieces, one for each seed. None where the shape is none.
pub fn attempt(hidden: &[usize], pieces: usize, steps: usize, seeds: &[u64]) -> Option<Attempt> {
    let pieces_at_most = allowed(hidden)?;
    // Every turn is one of the points.
    let count = POINTS * pieces;
    let places: Vec<f64> = (0..=count).map(|i| i as f64 / count as f64).collect();
    let xs: Vec<f32> = places.iter().map(|x| (2.0 * x - 1.0) as f32).collect();
    let targets: Vec<f32> = places.iter().map(|x| zigzag(pieces, *x) as f32).collect();
    let of = |net: &Mlp| {
        let made = net.forward(&xs);
        let error = made.iter().zip(&places).map(|(y, x)| (f64::from(*y) - zigzag(pieces, *x)).abs());
        (error.fold(0.0, f64::max), made)
    };
    let tried: Vec<_> = seeds
        .par_iter()
        .map(|&seed| {
            let net = curves::trained(hidden, &xs, &targets, steps, seed);
            let (error, made) = of(&net);
            (error, curves::pieces_of(&net), made)
        })
        .collect();
    let best = tried.iter().min_by(|a, b| a.0.total_cmp(&b.0))?;
    Some(Attempt {
        hidden: hidden.to_vec(),
        pieces_at_most,
        errors: tried.iter().map(|t| t.0).collect(),
        pieces: tried.iter().map(|t| t.1).collect(),
        drawn: places.iter().copied().zip(best.2.iter().copied().map(f64::from)).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zigzag_turns_where_it_should() {
        assert_eq!(
            [0.0, 0.1, 0.2, 0.3, 0.4, 1.0].map(|x| (zigzag(5, x) * 1e9).round() / 1e9),
            [0.0, 0.5, 1.0, 0.5, 0.0, 1.0]
        );
        assert_eq!(zigzag(4, 1.0), 0.0);
    }

    #[test]
    fn a_network_with_too_few_pieces_fails_with_every_seed_and_a_larger_one_learns() {
        let small = attempt(&[3], 5, 1500, &[0, 1, 2]).unwrap();
        assert!((small.pieces_at_most - 4.0).abs() < 1e-9);
        assert!(small.errors.iter().all(|e| *e >= 0.5 - 1e-5), "{small:?}");
        assert!(small.pieces.iter().all(|p| *p <= 4), "{small:?}");
        let large = attempt(&[24], 5, 1500, &[0, 1, 2]).unwrap();
        assert!(large.pieces_at_most > 24.0 && large.best() < LEARNT, "{large:?}");
        assert_eq!(attempt(&[3], 5, 50, &[0, 1]), attempt(&[3], 5, 50, &[0, 1]));
        assert_eq!(attempt(&[0], 5, 1, &[0]), None);
        assert_eq!(attempt(&[2], 5, 1, &[]), None);
    }
}
