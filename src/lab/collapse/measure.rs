//! How much of a target a generator makes.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{
    data::{Target, source},
    game,
};
use crate::{lab::mlp::Mlp, train::health};

/// Samples that are judged.
pub const SAMPLES: usize = 2000;
/// Points at which the Jacobian is looked at.
const JACOBIANS: usize = 200;
/// A mode is found when its good samples are this part of its fair share.
const FOUND: f64 = 0.2;
/// Good samples lie within so many σ of a mode, and those in no man's land beyond so many.
const GOOD: f32 = 3.0;
const LOST: f32 = 6.0;
/// Cells on a side of the grid that the best discriminator is computed on; the grid's sides are ±1.5 in the networks' units.
const CELLS: usize = 30;
const HALF_SIDE: f32 = 1.5;

/// What was measured of some samples and of the map that made them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Measured {
    /// Modes of which at least a fifth of the fair share was made, well.
    pub modes: f64,
    /// The share of samples within 3σ of a mode.
    pub good: f64,
    /// The share in no man's land: beyond 6σ from every mode.
    pub lost: f64,
    /// The Kullback-Leibler divergence of the samples' nearest modes from the even ones, in nats.
    pub kl: f64,
    /// The effective rank of the Jacobian, a mean; none for a map that is no network.
    pub rank: Option<f64>,
    /// Its condition, a geometric mean.
    pub condition: Option<f64>,
    /// V(D*, G) on a grid: −1.386 where nothing tells made from true, 0 where everything does. In the plane only.
    pub best_value: Option<f64>,
}

impl Measured {
    /// Some statistic of each number over several.
    pub(super) fn over(all: &[Self], statistic: impl Fn(&[f64]) -> f64) -> Self {
        let of = |get: fn(&Self) -> f64| statistic(&all.iter().map(get).collect::<Vec<_>>());
        let maybe = |get: fn(&Self) -> Option<f64>| {
            let there: Option<Vec<f64>> = all.iter().map(get).collect();
            there.map(|values| statistic(&values))
        };
        Self {
            modes: of(|m| m.modes),
            good: of(|m| m.good),
            lost: of(|m| m.lost),
            kl: of(|m| m.kl),
            rank: maybe(|m| m.rank),
            condition: maybe(|m| m.condition),
            best_value: maybe(|m| m.best_value),
        }
    }
}

/// Judges samples in the data's units. Beside it the share of samples that each mode is the nearest to.
pub(super) fn samples(target: &Target, made: &[f32], seed: u64) -> (Measured, Vec<f64>) {
    let places: Vec<_> = made.chunks_exact(target.values()).map(|sample| target.place(sample)).collect();
    let (count, fair) = (places.len().max(1) as f64, places.len() as f64 / target.modes() as f64);
    let (mut good, mut near) = (vec![0.0_f64; target.modes()], vec![0.0_f64; target.modes()]);
    for place in &places {
        near[place.mode] += 1.0;
        good[place.mode] += f64::from(u8::from(place.sigmas <= GOOD));
    }
    let shares: Vec<f64> = near.iter().map(|near| near / count).collect();
    let part = |share: f64| if share > 0.0 { share * (share * target.modes() as f64).ln() } else { 0.0 };
    let measured = Measured {
        modes: good.iter().filter(|good| **good >= FOUND * fair).count() as f64,
        good: good.iter().sum::<f64>() / count,
        lost: places.iter().filter(|place| place.sigmas > LOST).count() as f64 / count,
        kl: shares.iter().copied().map(part).sum(),
        rank: None,
        condition: None,
        best_value: (target.values() == 2).then(|| {
            let truth = target.draw(50 * SAMPLES, &mut ChaCha8Rng::seed_from_u64(seed));
            game::optimal_value(&masses(&target.inward(&truth)), &masses(&target.inward(made)))
        }),
    };
    (measured, shares)
}

/// Judges a generator.
pub(super) fn generator(target: &Target, net: &Mlp, seed: u64) -> (Measured, Vec<f64>) {
    let from = source(net.inputs(), SAMPLES, &mut ChaCha8Rng::seed_from_u64(seed));
    let made = target.outward(&net.forward(&from));
    let looked_at = &from[..JACOBIANS * net.inputs()];
    let columns = net.jacobian(&net.run(looked_at));
    let (mut rank, mut condition) = (0.0, 0.0);
    for row in 0..JACOBIANS {
        let of_row = |column: &Vec<f32>| column[row * net.outputs()..][..net.outputs()].to_vec();
        let squares = health::singular_squares(&columns.iter().map(of_row).collect::<Vec<_>>());
        rank += health::effective_rank(&squares) / JACOBIANS as f64;
        condition += health::log_condition(&squares) / JACOBIANS as f64;
    }
    let (measured, shares) = samples(target, &made, seed);
    (Measured { rank: Some(rank), condition: Some(condition.exp()), ..measured }, shares)
}

/// The shares of samples in the networks' units that lie in each cell of the grid; those beyond it in its outermost cells.
fn masses(samples: &[f32]) -> Vec<f64> {
    let mut masses = vec![0.0; CELLS * CELLS];
    let cell = |v: f32| (((v + HALF_SIDE) / (2.0 * HALF_SIDE) * CELLS as f32) as usize).min(CELLS - 1);
    let each = 2.0 / samples.len().max(1) as f64;
    samples.chunks_exact(2).for_each(|s| masses[cell(s[1]) * CELLS + cell(s[0])] += each);
    masses
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::collapse::Data;

    #[test]
    fn samples_by_hand() {
        let two = Target::new(Data::Two);
        // Eight at one mode, of which two are 5σ away; one at the other; one half way.
        let made = [[0.0, 0.0]; 6].into_iter().chain([[5.0, 0.0]; 2]).chain([[40.0, 40.0], [19.0, 19.0]]);
        let (measured, shares) = samples(&two, &made.flatten().collect::<Vec<f32>>(), 1);
        assert_eq!(shares, [0.9, 0.1]);
        assert_eq!((measured.modes, measured.good, measured.lost), (2.0, 0.7, 0.1));
        let kl = 0.9 * (0.9 * 2.0_f64).ln() + 0.1 * (0.1 * 2.0_f64).ln();
        assert!((measured.kl - kl).abs() < 1e-9);
        let (none, _) = samples(&two, &[f32::NAN; 8], 1);
        assert_eq!((none.modes, none.good, none.lost), (0.0, 0.0, 1.0));
    }

    #[test]
    fn the_jacobian_of_a_linear_map_is_the_map() {
        // diag(2, 1): squares 4 and 1, shares 0.8 and 0.2.
        let net = Mlp::from_numbers(2, &[], 2, vec![2.0, 0.0, 0.0, 1.0, 0.0, 0.0]).unwrap();
        let (measured, _) = generator(&Target::new(Data::Ring8), &net, 1);
        let rank = (-0.8 * 0.8_f64.ln() - 0.2 * 0.2_f64.ln()).exp();
        assert!((measured.rank.unwrap() - rank).abs() < 1e-6 && (measured.condition.unwrap() - 2.0).abs() < 1e-6);
    }
}
