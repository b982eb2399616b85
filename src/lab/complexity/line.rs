//! The pieces of a network along a straight line between two inputs, all of them.
//!
//! Layer by layer: between two breakpoints all that goes into a layer is affine in the place t on the line, and so is
//! what each of its units adds up. Where that changes its sign the unit switches, and a new breakpoint lies there; it
//! is found by the straight line between the values at both ends, which is exact but for f64's rounding. Nothing is
//! sampled, so no piece is too short to be found, down to 1e-13 of the line.

use rayon::prelude::*;

use super::network::{Layer, Network};

/// The line is cut into so many parts, each on its own: fewer values at a time, and more cores.
const PARTS: usize = 64;
/// Breakpoints that are nearer to each other, of the line's length, are one.
const NEAR: f64 = 1e-13;

/// Pieces along a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Pieces {
    /// Stretches on which no unit switches.
    pub patterns: usize,
    /// Stretches on which the output is affine: fewer, where a unit switches and no output depends on it. A stretch so
    /// short that its slope drowns in rounding may be missed.
    pub linear: usize,
}

/// A part of the line: its breakpoints, ends included, and the values there.
struct Part {
    at: Vec<f64>,
    /// `[unit][breakpoint]`.
    values: Vec<f64>,
}

/// Counts the pieces between two inputs.
///
/// # Panics
/// When the inputs are not as many numbers as the network takes.
pub fn pieces(network: &Network, from: &[f64], to: &[f64]) -> Pieces {
    let parts = (0..PARTS).into_par_iter().map(|part| {
        // No round numbers: a breakpoint that lies on the end of a part would not be seen.
        let end = |i: usize| {
            if i == 0 || i == PARTS {
                (i / PARTS) as f64
            } else {
                (i as f64 - std::f64::consts::FRAC_1_PI) / PARTS as f64
            }
        };
        let part = walk(network, from, to, [end(part), end(part + 1)]);
        (part.at.len() - 2, bends(&part))
    });
    let (patterns, linear) = parts.reduce(|| (0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    Pieces { patterns: 1 + patterns, linear: 1 + linear }
}

/// The outputs along a stretch of the line, from 0 to 1, at its ends and at all breakpoints between.
fn walk(network: &Network, from: &[f64], to: &[f64], ends: [f64; 2]) -> Part {
    let mut part = Part { at: ends.to_vec(), values: Vec::with_capacity(2 * from.len()) };
    assert_eq!((from.len(), to.len()), (network.inputs(), network.inputs()), "an input is as the network takes it");
    for (a, b) in from.iter().zip(to) {
        part.values.extend(ends.map(|t| a + t * (b - a)));
    }
    let layers = network.layers();
    for (i, layer) in layers.iter().enumerate() {
        if i + 1 < layers.len() {
            part = switched(layer, &part);
        } else {
            part.values = layer.sums(&part.values, part.at.len());
        }
    }
    part
}

/// Behind a layer and its ReLUs, with the breakpoints that come with them.
fn switched(layer: &Layer, part: &Part) -> Part {
    let columns = part.at.len();
    let sums = layer.sums(&part.values, columns);
    // Each place as the stretch in which it lies, and its share of it.
    let mut places: Vec<(usize, f64)> = Vec::new();
    for sums in sums.chunks_exact(columns) {
        for (k, pair) in sums.windows(2).enumerate() {
            if (pair[0] < 0.0) != (pair[1] < 0.0) && pair[0] != 0.0 && pair[1] != 0.0 {
                places.push((k, pair[0] / (pair[0] - pair[1])));
            }
        }
    }
    places.extend((0..columns - 1).map(|k| (k, 0.0)));
    places.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
    places.push((columns - 2, 1.0));
    let place = |(k, share): (usize, f64)| part.at[k] + share * (part.at[k + 1] - part.at[k]);
    let mut kept: Vec<(usize, f64)> = Vec::with_capacity(places.len());
    for &(k, share) in &places {
        let old = share == 0.0 || share == 1.0;
        let near = |from: f64, to: f64| to - from <= NEAR;
        let t = place((k, share));
        let beside = kept.last().is_some_and(|last| near(place(*last), t)) || near(t, part.at[k + 1]);
        if old || !beside {
            kept.push((k, share));
        }
    }
    let mut values = Vec::with_capacity(layer.units() * kept.len());
    for sums in sums.chunks_exact(columns) {
        values.extend(kept.iter().map(|&(k, share)| (sums[k] + share * (sums[k + 1] - sums[k])).max(0.0)));
    }
    Part { at: kept.into_iter().map(place).collect(), values }
}

/// At how many breakpoints an output bends.
fn bends(part: &Part) -> usize {
    let columns = part.at.len();
    let slope = |values: &[f64], k: usize| (values[k + 1] - values[k]) / (part.at[k + 1] - part.at[k]);
    let bend = |k: usize| {
        part.values.chunks_exact(columns).any(|values| {
            let [before, after] = [slope(values, k - 1), slope(values, k)];
            // Differences of values that are known to some 1e-15 of themselves.
            let short = (part.at[k] - part.at[k - 1]).min(part.at[k + 1] - part.at[k]);
            let unsure = 1e-14 * (1.0 + values[k].abs()) / short + 1e-10 * before.abs().max(after.abs());
            (before - after).abs() > unsure
        })
    };
    (1..columns - 1).filter(|k| bend(*k)).count()
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::{super::network::tests::random, *};
    use crate::model::Model;

    /// Points so far out that few breakpoints lie beyond.
    fn ends(inputs: usize, seed: u64) -> [Vec<f64>; 2] {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        [(); 2].map(|()| (0..inputs).map(|_| rng.random_range(-30.0..30.0)).collect())
    }

    #[test]
    fn a_zigzag_by_hand() {
        // |x − ½| folded again: ReLU(x), ReLU(x − ½) make a tent; ReLU of it the same way makes two.
        let fold: (usize, usize, &[f32], &[f32]) = (1, 2, &[1.0, 1.0], &[0.0, -0.5]);
        let again = (2, 2, &[2.0, -4.0, 2.0, -4.0][..], &[0.0, -0.5][..]);
        let network = Network::dense([fold, again, (2, 1, &[2.0, -4.0], &[0.0])]).unwrap();
        assert_eq!([0.0, 0.25, 0.5, 0.75, 1.0].map(|x| network.output(&[x])[0]), [0.0, 1.0, 0.0, 1.0, 0.0]);
        assert_eq!(pieces(&network, &[0.001], &[0.999]), Pieces { patterns: 4, linear: 4 });
        // To the left of 0 all units are off, to the right of 1 those of the second layer.
        assert_eq!(pieces(&network, &[-1.0], &[2.0]), Pieces { patterns: 6, linear: 6 });
        assert_eq!(pieces(&network, &[0.3], &[0.3]), Pieces { patterns: 1, linear: 1 });
        assert!(network.widths().unwrap().log2_at_most() >= 6_f64.log2(), "9 pieces at most");
    }

    #[test]
    fn a_unit_that_no_output_depends_on_bends_nothing() {
        let first: (usize, usize, &[f32], &[f32]) = (1, 2, &[1.0, 1.0], &[-0.25, -0.5]);
        let network = Network::dense([first, (2, 1, &[0.0, 1.0], &[0.0])]).unwrap();
        assert_eq!(pieces(&network, &[0.0], &[1.0]), Pieces { patterns: 3, linear: 2 });
    }

    #[test]
    fn random_networks_have_no_more_pieces_than_the_bounds() {
        let mut most = 0.0_f64;
        for (seed, widths) in
            (0..60).zip([&[1, 2, 2, 1][..], &[1, 3, 3, 3, 1], &[2, 4, 3, 2], &[3, 5, 5, 1]].iter().cycle())
        {
            let network = random(widths, seed);
            let [from, to] = ends(network.inputs(), seed);
            let counted = pieces(&network, &from, &to);
            let on_a_line = network.widths().unwrap().sliced(1).log2_at_most();
            assert!((counted.patterns as f64).log2() <= on_a_line + 1e-9, "{widths:?} {seed}: {counted:?}");
            assert!(counted.linear <= counted.patterns);
            most = most.max((counted.patterns as f64).log2() / on_a_line);
        }
        assert!(most > 0.5, "some come near: {most}");
    }

    #[test]
    fn nothing_is_missed_that_samples_find() {
        // At 20,000 points the pattern of units is read off; no two stretches may have been taken for one.
        let network = Network::of_pixel(Model::untrained(3, 1, 5).unwrap().layers());
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let [from, to] = [(); 2].map(|()| (0..49).map(|_| rng.random_range(0.0..1.0)).collect::<Vec<f64>>());
        let pattern = |t: f64| {
            let mut values: Vec<f64> = from.iter().zip(&to).map(|(a, b)| a + t * (b - a)).collect();
            let mut on = Vec::new();
            for layer in &network.layers()[..2] {
                values = layer.sums(&values, 1);
                on.extend(values.iter().map(|v| *v > 0.0));
                values.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            on
        };
        let mut patterns: Vec<Vec<bool>> = (0..=20_000).map(|i| pattern(f64::from(i) / 20_000.0)).collect();
        patterns.dedup();
        let counted = pieces(&network, &from, &to);
        let (found, all) = (patterns.len(), counted.patterns);
        assert!(found > 10 && found <= all && all <= found + 2, "{found} by samples, {all} in all");
        assert_eq!(counted.linear, all);
        // The line is the same from the other end.
        assert_eq!(pieces(&network, &to, &from), counted);
    }
}
