//! Pairs of a point of the source and what is to become of it, by chance and by optimal transport.

use rand::Rng;

use super::data::{Data, Target, source};
use crate::lab::transport::{
    Point, Source, TransportError, TransportMap,
    sampled::{Budget, SampledMap},
};

/// Samples that the optimal map goes to, and pairs that are fixed in advance.
const SAMPLES: usize = 1000;
const PAIRS: usize = 512;
/// Rounds of the power method for each component.
const ROUNDS: usize = 30;

/// How the source's points got their targets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// By chance.
    Chance,
    /// By optimal transport.
    Transport,
}

/// Points of the source and what is to become of each, in the networks' units.
#[derive(Debug, Clone, PartialEq)]
pub struct Pairs {
    /// `[pair][value]`.
    pub from: Vec<f32>,
    /// `[pair][value]`.
    pub to: Vec<f32>,
}

impl Pairs {
    /// Pairs fixed in advance.
    pub fn new(target: &Target, pairing: Pairing, map: &Transport, rng: &mut impl Rng) -> Self {
        let from = source(target.source_values(), PAIRS, rng);
        let to = match pairing {
            Pairing::Chance => target.draw(PAIRS, rng),
            Pairing::Transport => map.apply(&from),
        };
        Self { to: target.inward(&to), from }
    }
}

/// The optimal map from the source to true samples, for the quadratic cost.
///
/// In the plane it is exact. Digits have 144 values and their source 16, so there the map goes to the digits' codes, the
/// first 16 of their principal components, and each code stands for its digit (as in AE-OT, An et al., ICLR 2020, with
/// a linear encoder).
#[derive(Debug, Clone)]
pub struct Transport {
    values: usize,
    /// In the data's units.
    samples: Vec<f32>,
    map: Map,
}

#[derive(Debug, Clone)]
enum Map {
    Plane(TransportMap),
    Codes(SampledMap),
}

impl Transport {
    /// The map to samples that it draws.
    ///
    /// # Errors
    /// Where there is none.
    pub fn new(target: &Target, rng: &mut impl Rng) -> Result<Self, TransportError> {
        let samples = target.draw(SAMPLES, rng);
        let map = if target.data == Data::Digits {
            let codes = codes(&samples, target.values(), target.source_values());
            let dimension = target.source_values();
            let seed = rng.random();
            Map::Codes(SampledMap::solve(
                Source::Gaussian,
                dimension,
                &codes,
                None,
                Budget::default(),
                seed,
                &mut |_, _| (),
            )?)
        } else {
            let points: Vec<Point> =
                samples.as_chunks().0.iter().map(|&[x, y]: &[f32; 2]| [x.into(), y.into()]).collect();
            Map::Plane(TransportMap::solve(Source::Gaussian, &points, None)?)
        };
        Ok(Self { values: target.values(), samples, map })
    }

    /// Where points of the source go, in the data's units.
    pub fn apply(&self, from: &[f32]) -> Vec<f32> {
        let wide: Vec<f64> = from.iter().copied().map(f64::from).collect();
        let indices: Vec<usize> = match &self.map {
            Map::Plane(map) => wide.as_chunks().0.iter().map(|&point| map.index(point)).collect(),
            Map::Codes(map) => map.indices(&wide),
        };
        indices.into_iter().flat_map(|i| &self.samples[i * self.values..][..self.values]).copied().collect()
    }
}

/// The first `count` principal components of samples `[sample][value]`, each scaled to the variance 1, as the source has
/// it: `[sample][component]`.
fn codes(samples: &[f32], values: usize, count: usize) -> Vec<f64> {
    let n = samples.len() / values;
    let mean: Vec<f64> =
        (0..values).map(|v| (0..n).map(|i| f64::from(samples[i * values + v])).sum::<f64>() / n as f64).collect();
    let mut rows: Vec<Vec<f64>> = samples
        .chunks_exact(values)
        .map(|row| row.iter().zip(&mean).map(|(v, m)| f64::from(*v) - m).collect())
        .collect();
    let mut codes = vec![0.0; n * count];
    for component in 0..count {
        let mut axis: Vec<f64> = (0..values).map(|v| 1.0 + (v as f64).sin()).collect();
        for _ in 0..ROUNDS {
            let mut next = vec![0.0; values];
            for row in &rows {
                let along = dot(row, &axis);
                next.iter_mut().zip(row).for_each(|(n, r)| *n += along * r);
            }
            let length = dot(&next, &next).sqrt().max(1e-12);
            axis = next.into_iter().map(|v| v / length).collect();
        }
        let along: Vec<f64> = rows.iter().map(|row| dot(row, &axis)).collect();
        let deviation = (dot(&along, &along) / n as f64).sqrt().max(1e-12);
        for ((i, row), along) in rows.iter_mut().enumerate().zip(along) {
            codes[i * count + component] = along / deviation;
            row.iter_mut().zip(&axis).for_each(|(r, a)| *r -= along * a);
        }
    }
    codes
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn codes_are_uncorrelated_and_in_the_order_of_their_variance() {
        // A long and a short direction: (1, 1, 0) by 3 and (1, −1, 0) by 1; the third value says nothing.
        let steps = source(2, 400, &mut ChaCha8Rng::seed_from_u64(1));
        let samples: Vec<f32> = steps.chunks(2).flat_map(|s| [3.0 * s[0] + s[1], 3.0 * s[0] - s[1], 5.0]).collect();
        let codes = codes(&samples, 3, 2);
        let along = |component: usize, value: usize| -> f64 {
            (0..400).map(|i| codes[2 * i + component] * f64::from(steps[2 * i + value])).sum::<f64>() / 400.0
        };
        assert!(along(0, 0).abs() > 0.9 && along(0, 1).abs() < 0.2 && along(1, 1).abs() > 0.9);
        let both: f64 = codes.chunks(2).map(|c| c[0] * c[1]).sum::<f64>() / 400.0;
        let variance: f64 = codes.chunks(2).map(|c| c[1] * c[1]).sum::<f64>() / 400.0;
        assert!(both.abs() < 0.02 && (variance - 1.0).abs() < 1e-6);
    }

    #[test]
    fn transport_sends_one_side_to_each_mode_and_chance_does_not() {
        let target = Target::new(Data::Two);
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let map = Transport::new(&target, &mut rng).unwrap();
        let right = |pairs: &Pairs| {
            let both = pairs.from.chunks(2).zip(pairs.to.chunks(2));
            both.filter(|(from, to)| (from[0] + from[1] > 0.0) == (to[0] + to[1] > 0.0)).count()
        };
        assert!(right(&Pairs::new(&target, Pairing::Transport, &map, &mut rng)) > 490);
        assert!((200..312).contains(&right(&Pairs::new(&target, Pairing::Chance, &map, &mut rng))));
    }
}
