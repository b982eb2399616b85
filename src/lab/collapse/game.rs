//! The two games: what each player pays, with the slopes that it learns by.
//!
//! * **min-max** (Goodfellow et al., arXiv 1406.2661): min over G, max over D of V(D, G) = E log D(x) + E log(1 − D(G(z))).
//!   D = σ(logit). For a fixed G the best D is [`optimal`], and V is then −log 4 plus twice the Jensen-Shannon divergence.
//! * **WGAN with gradient penalty** (Gulrajani et al., arXiv 1704.00028): the critic maximises E D(x) − E D(G(z)), and
//!   its gradient is to have the length 1 between true and made samples.

use rand::Rng;

use crate::{
    lab::mlp::{Learner, Mlp},
    train::terms,
};

/// D*(x) = p(x) / (p(x) + q(x)), the best discriminator where true samples have the density p and made ones q; one half
/// where there are none (Goodfellow et al., proposition 1).
pub fn optimal(p: f64, q: f64) -> f64 {
    if p + q > 0.0 { p / (p + q) } else { 0.5 }
}

/// What the best discriminator reaches, from the two densities' masses in the cells of a grid: the largest V(D, G) for this
/// generator. −log 4 where both are the same, and 0 where no cell has both.
pub fn optimal_value(p: &[f64], q: &[f64]) -> f64 {
    let part = |mass: f64, d: f64| if mass > 0.0 { mass * d.ln() } else { 0.0 };
    p.iter().zip(q).map(|(&p, &q)| part(p, optimal(p, q)) + part(q, 1.0 - optimal(p, q))).sum()
}

/// V(D, G) of logits on true and on made samples, and its slopes by each.
pub fn value(on_true: &[f32], on_made: &[f32]) -> (f32, [Vec<f32>; 2]) {
    let mut value = 0.0;
    // log σ(l) with its slope 1 − σ(l); and log(1 − σ(l)) is log σ(−l).
    let mut side = |logits: &[f32], sign: f32| {
        let count = logits.len().max(1) as f32;
        let slopes = logits.iter().map(|logit| {
            let l = sign * logit;
            value += (l.min(0.0) - (-l.abs()).exp().ln_1p()) / count;
            sign * sigmoid(-l) / count
        });
        slopes.collect::<Vec<f32>>()
    };
    let slopes = [side(on_true, 1.0), side(on_made, -1.0)];
    (value, slopes)
}

/// From a logit to a probability.
pub fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

/// One of the two games.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Game {
    /// V(D, G) as it stands.
    MinMax,
    /// WGAN, with a gradient penalty of this weight.
    Wgan(f32),
}

impl Game {
    /// Steps of the discriminator or critic to one of the generator.
    pub(super) fn turns(self) -> usize {
        match self {
            Self::MinMax => 1,
            Self::Wgan(_) => 3,
        }
    }

    /// One step of the discriminator or critic, up its value, which it gives: V(D, G), or E D(x) − E D(G(z)).
    pub fn judge(self, critic: &mut Learner, of_true: &[f32], made: &[f32], rate: f32, rng: &mut impl Rng) -> f32 {
        let pass = critic.net.run(&[of_true, made].concat());
        let (on_true, on_made) = pass.output().split_at(of_true.len() / critic.net.inputs());
        let mut gradient = vec![0.0; critic.net.numbers().len()];
        let (value, slopes) = match self {
            Self::MinMax => value(on_true, on_made),
            Self::Wgan(_) => {
                // The generator pays −E D(made), and the critic's slopes on true samples are the same with another sign.
                let ((on_true, up), (on_made, down)) = (terms::adversarial(on_true), terms::adversarial(on_made));
                (on_made - on_true, [up.into_iter().map(|s| -s).collect(), down])
            }
        };
        let down: Vec<f32> = slopes.concat().into_iter().map(|s| -s).collect();
        critic.net.learn(&pass, &critic.net.backward(&pass, &down), &mut gradient);
        if let Self::Wgan(weight) = self {
            let width = critic.net.inputs();
            let mut between = Vec::with_capacity(of_true.len());
            for (t, m) in of_true.chunks_exact(width).zip(made.chunks_exact(width)) {
                let share: f32 = rng.random();
                between.extend(t.iter().zip(m).map(|(t, m)| share * t + (1.0 - share) * m));
            }
            penalty(&critic.net, &between, weight, &mut gradient);
        }
        critic.descend(&gradient, rate);
        value
    }

    /// What the generator pays for the judgement of what it made, with the slopes by the judgement.
    pub(super) fn pay(self, on_made: &[f32]) -> (f32, Vec<f32>) {
        match self {
            Self::MinMax => {
                let (value, [_, slopes]) = value(&[], on_made);
                (value, slopes)
            }
            Self::Wgan(_) => terms::adversarial(on_made),
        }
    }
}

/// The mean over rows of weight·(‖∇D‖ − 1)²; adds its slopes by the weights to `gradient`.
pub fn penalty(net: &Mlp, rows: &[f32], weight: f32, gradient: &mut [f32]) -> f32 {
    let pass = net.run(rows);
    let count = pass.output().len() / net.outputs().max(1);
    let slopes = net.backward(&pass, &vec![1.0; pass.output().len()]);
    let (mut paid, mut by_slopes) = (0.0, Vec::with_capacity(rows.len()));
    for g in slopes.by_input.chunks_exact(net.inputs()) {
        let length = g.iter().map(|g| g * g).sum::<f32>().sqrt();
        paid += weight * (length - 1.0).powi(2) / count as f32;
        let by = 2.0 * weight * (length - 1.0) / length.max(1e-6) / count as f32;
        by_slopes.extend(g.iter().map(|g| by * g));
    }
    net.learn_of_gradient(&pass, &slopes, &by_slopes, gradient);
    paid
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::lab::collapse::data::source;

    #[test]
    fn the_best_discriminator_by_hand() {
        assert_eq!([optimal(3.0, 1.0), optimal(0.0, 2.0), optimal(0.0, 0.0)], [0.75, 0.0, 0.5]);
        let same = optimal_value(&[0.25; 4], &[0.25; 4]);
        assert!((same + 4.0_f64.ln()).abs() < 1e-12, "−log 4 where nothing tells them apart");
        assert_eq!(optimal_value(&[1.0, 0.0], &[0.0, 1.0]), 0.0);
    }

    #[test]
    fn the_value_by_hand_and_its_slopes() {
        let (v, [by_true, by_made]) = value(&[0.0, 2.0], &[-1.0]);
        let (d0, d1, d2) = (0.5_f32, sigmoid(2.0), sigmoid(-1.0));
        assert!((v - (0.5 * (d0.ln() + d1.ln()) + (1.0 - d2).ln())).abs() < 1e-6);
        assert!((by_true[1] - 0.5 * (1.0 - d1)).abs() < 1e-6 && (by_made[0] + d2).abs() < 1e-6);
        let (far, slopes) = value(&[-200.0], &[200.0]);
        assert!((far + 400.0).abs() < 1e-3 && slopes == [[1.0], [-1.0]], "nothing overflows");
    }

    #[test]
    fn the_penalty_is_nothing_for_a_slope_of_one_and_has_its_derivative() {
        let flat = Mlp::from_numbers(2, &[], 1, vec![0.6, -0.8, 3.0]).unwrap();
        assert!(penalty(&flat, &[1.0, 2.0, 3.0, 4.0], 10.0, &mut [0.0; 3]) < 1e-10);
        let steep = Mlp::from_numbers(2, &[], 1, vec![1.2, -1.6, 3.0]).unwrap();
        let mut gradient = [0.0; 3];
        assert!((penalty(&steep, &[1.0, 2.0], 10.0, &mut gradient) - 10.0).abs() < 1e-4);
        // 2·10·(2 − 1)·w/‖w‖.
        assert!((gradient[0] - 12.0).abs() < 1e-3 && (gradient[1] + 16.0).abs() < 1e-3 && gradient[2] == 0.0);
    }

    #[test]
    fn a_trained_discriminator_comes_near_the_best_one() {
        // True: a normal density around (1, 0); made: one around (−1, 0), twice as wide.
        let normal = |x: f64, y: f64, s: f64| (-(x * x + y * y) / (2.0 * s * s)).exp() / (s * s);
        let grid: Vec<[f64; 2]> = (0..41 * 41).map(|i| [i % 41, i / 41].map(|v| f64::from(v) * 0.3 - 6.0)).collect();
        let p: Vec<f64> = grid.iter().map(|[x, y]| normal(x - 1.0, *y, 1.0)).collect();
        let q: Vec<f64> = grid.iter().map(|[x, y]| normal(x + 1.0, *y, 2.0)).collect();
        let sums = [&p, &q].map(|masses| masses.iter().sum::<f64>());
        let [p, q] = [(p, sums[0]), (q, sums[1])].map(|(m, sum)| m.iter().map(|m| m / sum).collect::<Vec<f64>>());
        let rows: Vec<f32> = grid.iter().flatten().map(|v| *v as f32).collect();
        let away = |net: &Mlp| -> f64 {
            let judged = net.forward(&rows);
            let each = judged.iter().zip(p.iter().zip(&q));
            each.map(|(l, (p, q))| 0.5 * (p + q) * (f64::from(sigmoid(*l)) - optimal(*p, *q)).abs()).sum()
        };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut critic = Learner::new(Mlp::random(2, &[32, 32], 1, &mut rng));
        let (before, mut reached) = (away(&critic.net), 0.0);
        for step in 0..400 {
            let moved = |rng: &mut ChaCha8Rng, x: f32, s: f32| -> Vec<f32> {
                source(2, 128, rng).chunks(2).flat_map(|v| [s * v[0] + x, s * v[1]]).collect()
            };
            let (of_true, made) = (moved(&mut rng, 1.0, 1.0), moved(&mut rng, -1.0, 2.0));
            let now = Game::MinMax.judge(&mut critic, &of_true, &made, 3e-3, &mut rng);
            reached += if step < 300 { 0.0 } else { now / 100.0 };
        }
        assert!(before > 0.1 && away(&critic.net) < 0.04, "{before} {}", away(&critic.net));
        assert!((f64::from(reached) - optimal_value(&p, &q)).abs() < 0.05, "{reached} {}", optimal_value(&p, &q));
    }
}
