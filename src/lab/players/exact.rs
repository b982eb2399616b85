//! The optimal map from a normal density to two of them, in closed form.
//!
//! Turned by 45°, source and target are both products: across the line through the two modes both are the same normal
//! density, which stays where it is; along it the map is the one of one dimension, t = F⁻¹(Φ(u)) with the distribution
//! functions of the two densities (Villani, Topics in Optimal Transportation, theorem 2.18).

use std::f64::consts::SQRT_2;

/// From one mode to the other, in σ: from (0, 0) to (40, 40).
const APART: f64 = 40.0 * SQRT_2;

/// Where a point of the source goes, in the data's units.
pub fn exact([x, y]: [f64; 2]) -> [f64; 2] {
    let (along, across) = ((x + y) / SQRT_2, (y - x) / SQRT_2);
    // The other half is the mirror image; so no distribution function comes near 1, where digits are lost.
    let t = if along < 0.0 { one_dimension(along) } else { APART - one_dimension(-along) };
    [(t - across) / SQRT_2, (t + across) / SQRT_2]
}

/// The map along the line, for u ≤ 0: where ½Φ(t) + ½Φ(t − apart) = Φ(u).
fn one_dimension(u: f64) -> f64 {
    let wanted = distribution(u);
    let (mut low, mut high) = (-40.0, 0.5 * APART);
    for _ in 0..60 {
        let t = f64::midpoint(low, high);
        let below = 0.5 * (distribution(t) + distribution(t - APART)) < wanted;
        (low, high) = if below { (t, high) } else { (low, t) };
    }
    f64::midpoint(low, high)
}

/// Φ, the normal distribution function; a relative error below 2e-7 everywhere (the erfc of Press et al., Numerical Recipes
/// in C, 6.2).
fn distribution(x: f64) -> f64 {
    const C: [f64; 10] = [
        -1.265_512_23,
        1.000_023_68,
        0.374_091_96,
        0.096_784_18,
        -0.186_288_06,
        0.278_868_07,
        -1.135_203_98,
        1.488_515_87,
        -0.822_152_23,
        0.170_872_77,
    ];
    let z = (x / SQRT_2).abs();
    let t = 1.0 / (1.0 + 0.5 * z);
    let sum = C.iter().rev().fold(0.0, |sum, c| sum * t + c);
    let tail = 0.5 * t * (-z * z + sum).exp();
    if x < 0.0 { tail } else { 1.0 - tail }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::lab::{
        collapse::{Data, Target},
        transport::{Point, Source, TransportMap},
    };

    #[test]
    fn the_distribution_function_has_its_known_values() {
        for (x, known) in [(0.0, 0.5), (1.0, 0.841_344_746), (-1.959_963_985, 0.025), (-5.0, 2.866_515_7e-7)] {
            assert!((distribution(x) / known - 1.0).abs() < 3e-7, "{x}: {}", distribution(x));
        }
    }

    #[test]
    fn quantiles_go_to_quantiles_and_the_middle_is_torn() {
        // Of the source a quarter lies below −0.674 along the line: that is half of the first mode.
        let at = |along: f64| exact([along / SQRT_2, along / SQRT_2]);
        let [x, y] = at(-0.674_489_75);
        assert!(x.abs() < 1e-5 && (x - y).abs() < 1e-12, "{x}");
        let [x, _] = at(0.674_489_75);
        assert!((x - 40.0).abs() < 1e-5, "{x}");
        assert!(at(1e-4)[0] - at(-1e-4)[0] > 30.0);
        let [x, y] = exact([-2.0, 1.0]);
        assert!((y - x - 3.0).abs() < 1e-9, "across nothing moves");
    }

    #[test]
    fn it_agrees_with_the_exact_map_to_many_samples() {
        let target = Target::new(Data::Two);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let samples = target.draw(2000, &mut rng);
        let points: Vec<Point> = samples.chunks(2).map(|p| [p[0].into(), p[1].into()]).collect();
        let map = TransportMap::solve(Source::Gaussian, &points, None).unwrap();
        let away: Vec<f64> = (-8..=8)
            .flat_map(|i| (-8..=8).map(move |j| [f64::from(i) * 0.2 + 0.1, f64::from(j) * 0.2 + 0.07]))
            .filter(|[x, y]| (x + y).abs() > 0.2)
            .map(|z| {
                let (a, b) = (exact(z), map.apply(z));
                (a[0] - b[0]).hypot(a[1] - b[1])
            })
            .collect();
        let mean = away.iter().sum::<f64>() / away.len() as f64;
        assert!(mean < 0.3, "{mean}");
    }
}
