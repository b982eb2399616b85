//! The two players and the closed form between them.
//!
//! For the cost ½|x − y|² the optimal map from the source to the data is T(x) = x − ∇φ(x) with Kantorovich's potential φ
//! (Brenier; Lei, Su, Cui, Yau and Gu, arXiv 1710.05488). A critic is a potential: so the generator can be computed from
//! it, and need not be trained; and a generator tells what the critic would say, where it is a gradient at all.
//!
//! On the two Gaussians of [`super::collapse`], where the map is known in closed form ([`exact()`]), from the same source.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::{
    collapse::{
        Data, PENALTY, Target,
        data::source,
        deviation,
        game::Game,
        mean,
        pairs::{Pairing, Pairs, Transport},
        train::{Recipe, train},
    },
    mlp::{Learner, Mlp},
    transport::TransportError,
};
use crate::train::{Terms, fit};

mod exact;
pub mod figure;

pub use exact::exact;

/// Points at which maps are compared.
const POINTS: usize = 4000;
/// A critic's hidden layers.
const CRITIC: [usize; 3] = [64; 3];
/// Points in a step of a critic.
const BATCH: usize = 512;
const RATE: f32 = 3e-3;
/// The weight of WGAN's gradient penalty where the critic stands alone, as its paper has it: there its slope is what counts.
const PENALTY_ALONE: f32 = 10.0;

/// Every player, in the order in which they are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Player {
    /// The exact map.
    Exact,
    /// A critic trained alone for the cost ½|x − y|²; the generator is x − ∇φ(x).
    QuadraticCritic,
    /// A critic trained alone as WGAN-GP's is, which is for the cost |x − y|; the generator by the same formula.
    WganCritic,
    /// WGAN-GP's generator.
    Wgan,
    /// A critic whose ∇φ(x) is as near as may be to x − G(x) of that generator; the generator by the formula.
    OfWgan,
    /// A generator that was also given pairs by optimal transport.
    Paired,
    /// As [`Player::OfWgan`].
    OfPaired,
}

impl Player {
    /// All.
    pub const ALL: [Self; 7] =
        [Self::Exact, Self::QuadraticCritic, Self::WganCritic, Self::Wgan, Self::OfWgan, Self::Paired, Self::OfPaired];

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Exact => "exact map",
            Self::QuadraticCritic => "critic alone, cost |x-y|^2/2",
            Self::WganCritic => "critic alone, WGAN-GP",
            Self::Wgan => "generator, WGAN-GP",
            Self::OfWgan => "critic of WGAN-GP's generator",
            Self::Paired => "generator, WGAN-GP, pairs",
            Self::OfPaired => "critic of the paired one",
        }
    }
}

/// How far a map is from the exact one.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Distance {
    /// The root of the mean squared distance, in σ of a mode.
    pub rms: f64,
    /// The median distance, in σ.
    pub median: f64,
    /// The share of points that come to within 3σ of where they should.
    pub right: f64,
    /// The mean cosine between the way that a point goes and the way that it should, where the source is as wide as the
    /// distance of the modes.
    pub cosine: f64,
    /// The mean squared length of the ways, in parts of the least that there is. Less is a map that does not arrive.
    pub cost: f64,
    /// The share within 3σ of a mode, wherever they should be.
    pub good: f64,
    /// The share beyond 6σ from both.
    pub lost: f64,
}

/// One player over all seeds.
#[derive(Debug, Clone, Serialize)]
pub struct PlayerRow {
    /// Who.
    pub player: Player,
    /// The mean over the seeds.
    pub mean: Distance,
    /// The standard deviation over the seeds.
    pub deviation: Distance,
    /// Where the first seed's map sends points: the source's, and the data's, `[point][value]`.
    #[serde(skip)]
    pub shown: [Vec<f32>; 2],
}

/// Networks that are trained for each seed.
const NETWORKS: u64 = 6;

/// Steps of all networks together, which `progress` of [`run`] counts up to.
pub fn work(steps: u64, seeds: u64) -> u64 {
    NETWORKS * steps * seeds
}

/// Trains all players for so many steps from so many seeds, on all cores. `progress` hears of steps that were done.
///
/// # Errors
/// Where there is no optimal map for the pairs.
pub fn run(
    steps: u64,
    seeds: u64,
    seed: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<PlayerRow>, TransportError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let each: Vec<u64> = (0..seeds.max(1)).map(|_| rng.random()).collect();
    let from = source(2, POINTS, &mut rng);
    let target = Target::new(Data::Two);
    let played: Vec<Vec<Vec<f32>>> =
        each.par_iter().map(|&seed| play(&target, &from, steps.max(1), seed, progress)).collect::<Result<_, _>>()?;
    let rows = Player::ALL.into_iter().enumerate().map(|(i, player)| {
        let all: Vec<Distance> = played.iter().map(|maps| Distance::of(&target, &from, &maps[i])).collect();
        let shown = [from.clone(), played[0][i].clone()];
        PlayerRow { player, mean: Distance::over(&all, mean), deviation: Distance::over(&all, deviation), shown }
    });
    Ok(rows.collect())
}

/// Where every player sends the points `from`, in the data's units, in the order of [`Player::ALL`].
fn play(
    target: &Target,
    from: &[f32],
    steps: u64,
    seed: u64,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<Vec<Vec<f32>>, TransportError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let map = Transport::new(target, &mut rng)?;
    let pairs = Pairs::new(target, Pairing::Transport, &map, &mut rng);
    let recipe = |supervised| Recipe {
        name: "",
        game: Game::Wgan(PENALTY),
        terms: Terms { adversarial: 1.0, supervised, ..Terms::ZERO },
        pairing: Pairing::Transport,
    };
    let seeds: [u64; 4] = [rng.random(), rng.random(), rng.random(), rng.random()];
    let generated = |supervised: f32, seed: u64| {
        let made =
            train(target, &recipe(supervised), &pairs, steps, seed, &mut |step, _| progress(u64::from(step > 0)));
        let critic = critic_of(&made.generator, steps, seed, progress);
        [made.generator.forward(from), gradients(&critic, from)]
    };
    let critics = || {
        let potential = quadratic_critic(target, steps, seeds[0], progress);
        let wgan = wgan_critic(target, steps, seeds[1], progress);
        // Its φ is −D: what the critic values, mass goes to.
        let up: Vec<f32> = gradients(&wgan, from).iter().zip(from).map(|(slope, x)| x + slope).collect();
        [gradients(&potential, from), up]
    };
    let generators = || rayon::join(|| generated(0.0, seeds[2]), || generated(1.0, seeds[3]));
    let ([quadratic, wgan], (free, paired)) = rayon::join(critics, generators);
    let truth = from.as_chunks().0.iter().flat_map(|&[x, y]: &[f32; 2]| exact([x.into(), y.into()]).map(|v| v as f32));
    let made = [quadratic, wgan].into_iter().chain(free).chain(paired);
    Ok(std::iter::once(truth.collect()).chain(made.map(|made| target.outward(&made))).collect())
}

/// The gradient of a network with one output at each row.
fn gradients(net: &Mlp, rows: &[f32]) -> Vec<f32> {
    let pass = net.run(rows);
    net.backward(&pass, &vec![1.0; pass.output().len()]).by_input
}

/// Brenier's potential u(x) = ½|x|² − φ(x), trained alone by the dual problem: the least E u(x) + E u*(y), where
/// u*(y) = max ⟨x, y⟩ − u(x) is taken over the batch's points of the source. Then ∇u(x) = x − ∇φ(x).
fn quadratic_critic(target: &Target, steps: u64, seed: u64, progress: &(dyn Fn(u64) + Sync)) -> Mlp {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut critic = Learner::new(Mlp::random(2, &CRITIC, 1, &mut rng));
    let share = 1.0 / BATCH as f32;
    for step in 0..steps {
        let from = source(2, BATCH, &mut rng);
        let to = target.inward(&target.draw(BATCH, &mut rng));
        let pass = critic.net.run(&from);
        let mut slopes = vec![share; BATCH];
        for y in to.as_chunks::<2>().0 {
            let rows = from.as_chunks::<2>().0.iter().zip(pass.output());
            let values = rows.map(|(x, u)| x[0] * y[0] + x[1] * y[1] - u);
            let best = values.enumerate().fold((0, f32::MIN), |best, (i, v)| if v > best.1 { (i, v) } else { best });
            slopes[best.0] -= share;
        }
        let mut gradient = vec![0.0; critic.net.numbers().len()];
        critic.net.learn(&pass, &critic.net.backward(&pass, &slopes), &mut gradient);
        critic.descend(&gradient, fit::learning_rate(RATE, step, steps));
        progress(1);
    }
    critic.net
}

/// WGAN-GP's critic between the source itself and the data.
fn wgan_critic(target: &Target, steps: u64, seed: u64, progress: &(dyn Fn(u64) + Sync)) -> Mlp {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut critic = Learner::new(Mlp::random(2, &CRITIC, 1, &mut rng));
    for step in 0..steps {
        let from = source(2, BATCH, &mut rng);
        let to = target.inward(&target.draw(BATCH, &mut rng));
        Game::Wgan(PENALTY_ALONE).judge(&mut critic, &to, &from, fit::learning_rate(RATE, step, steps), &mut rng);
        progress(1);
    }
    critic.net
}

/// The potential whose gradient is as near as may be to a generator, by the mean squared distance over the source.
fn critic_of(generator: &Mlp, steps: u64, seed: u64, progress: &(dyn Fn(u64) + Sync)) -> Mlp {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut critic = Learner::new(Mlp::random(2, &CRITIC, 1, &mut rng));
    for step in 0..steps {
        let from = source(2, BATCH, &mut rng);
        let wanted = generator.forward(&from);
        let pass = critic.net.run(&from);
        let slopes = critic.net.backward(&pass, &[1.0; BATCH]);
        let (_, by_slopes) = super::mlp::squared_error(&slopes.by_input, &wanted);
        let mut gradient = vec![0.0; critic.net.numbers().len()];
        critic.net.learn_of_gradient(&pass, &slopes, &by_slopes, &mut gradient);
        critic.descend(&gradient, fit::learning_rate(RATE, step, steps));
        progress(1);
    }
    critic.net
}

impl Distance {
    /// Of a map that sends points of the source to points of the data.
    fn of(target: &Target, from: &[f32], made: &[f32]) -> Self {
        let scale = f64::from(target.scale());
        let count = (made.len() / 2).max(1) as f64;
        let mut distances = Vec::with_capacity(made.len() / 2);
        let (mut cosine, mut costs, mut good, mut lost) = (0.0, [0.0; 2], 0.0, 0.0);
        for (z, made) in from.as_chunks::<2>().0.iter().zip(made.as_chunks::<2>().0) {
            let truth = exact(z.map(f64::from));
            let made = made.map(f64::from);
            distances.push((made[0] - truth[0]).hypot(made[1] - truth[1]));
            let middle = f64::from(target.middle());
            let way = |to: [f64; 2]| [0, 1].map(|k| (to[k] - middle) / scale - f64::from(z[k]));
            let (is, should) = (way(made), way(truth));
            let dot = |a: [f64; 2], b: [f64; 2]| a[0] * b[0] + a[1] * b[1];
            cosine += dot(is, should) / (dot(is, is) * dot(should, should)).sqrt().max(1e-12) / count;
            costs[0] += dot(is, is);
            costs[1] += dot(should, should);
            let sigmas = target.place(&made.map(|v| v as f32)).sigmas;
            good += f64::from(u8::from(sigmas <= 3.0)) / count;
            lost += f64::from(u8::from(sigmas > 6.0)) / count;
        }
        distances.sort_by(f64::total_cmp);
        Self {
            rms: (distances.iter().map(|d| d * d).sum::<f64>() / count).sqrt(),
            median: distances.get(distances.len() / 2).copied().unwrap_or(0.0),
            right: distances.iter().filter(|d| **d <= 3.0).count() as f64 / count,
            cosine,
            cost: costs[0] / costs[1],
            good,
            lost,
        }
    }

    fn over(all: &[Self], statistic: impl Fn(&[f64]) -> f64) -> Self {
        let of = |get: fn(&Self) -> f64| statistic(&all.iter().map(get).collect::<Vec<_>>());
        Self {
            rms: of(|d| d.rms),
            median: of(|d| d.median),
            right: of(|d| d.right),
            cosine: of(|d| d.cosine),
            cost: of(|d| d.cost),
            good: of(|d| d.good),
            lost: of(|d| d.lost),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_by_hand() {
        let target = Target::new(Data::Two);
        let from = [-0.5, -0.3, 0.4, 0.6];
        let truth: Vec<f32> =
            from.chunks(2).flat_map(|z| exact([z[0].into(), z[1].into()])).map(|v| v as f32).collect();
        let none = Distance::of(&target, &from, &truth);
        assert!(none.rms < 1e-5 && none.right == 1.0 && none.good == 1.0, "{none:?}");
        assert!((none.cosine - 1.0).abs() < 1e-6 && (none.cost - 1.0).abs() < 1e-6, "{none:?}");
        // The one that should go up goes to the other mode, and both are 2σ off.
        let wrong = Distance::of(&target, &from, &[truth[0], truth[1] + 2.0, truth[2] - 40.0, truth[3] - 40.0]);
        assert!((wrong.rms - (0.5_f64 * (4.0 + 3200.0)).sqrt()).abs() < 1e-3 && wrong.right == 0.5, "{wrong:?}");
        assert!(wrong.cosine < 0.5 && wrong.lost == 0.0);
    }

    #[test]
    fn a_generator_that_is_a_gradient_gives_its_critic() {
        // G(x, y) = (2x, y) is the gradient of x² + ½y².
        let generator = Mlp::from_numbers(2, &[], 2, vec![2.0, 0.0, 0.0, 1.0, 0.0, 0.0]).unwrap();
        let from = source(2, 500, &mut ChaCha8Rng::seed_from_u64(1));
        let away = |critic: &Mlp| {
            let both = gradients(critic, &from).into_iter().zip(generator.forward(&from));
            (both.map(|(a, b)| (a - b).powi(2)).sum::<f32>() / 500.0).sqrt()
        };
        let critic = critic_of(&generator, 400, 2, &|_| ());
        assert!(away(&critic) < 0.8, "{} of {}", away(&critic), 5.0_f32.sqrt());
        // A turn by 90° is none, and no critic comes near it.
        let turn = Mlp::from_numbers(2, &[], 2, vec![0.0, -1.0, 1.0, 0.0, 0.0, 0.0]).unwrap();
        let critic = critic_of(&turn, 400, 2, &|_| ());
        let made = gradients(&critic, &from);
        assert!(made.iter().map(|v| v * v).sum::<f32>() / 500.0 < 0.5, "the nearest gradient is none");
    }

    #[test]
    fn the_same_seed_gives_the_same_players_and_the_critic_comes_near() {
        let text = |seed| serde_json::to_string(&run(150, 1, seed, &|_| ()).unwrap()).unwrap();
        assert_eq!(text(1), text(1));
        assert_ne!(text(1), text(2));
        let target = Target::new(Data::Two);
        let critic = quadratic_critic(&target, 300, 3, &|_| ());
        let from = source(2, 1000, &mut ChaCha8Rng::seed_from_u64(4));
        let distance = Distance::of(&target, &from, &target.outward(&gradients(&critic, &from)));
        assert!(distance.cosine > 0.9 && (0.8..1.2).contains(&distance.cost), "{distance:?}");
    }

    #[test]
    fn the_figure_shows_every_player() {
        let rows = run(2, 1, 1, &|_| ()).unwrap();
        let picture = figure::figure(&rows).unwrap();
        // Blue and yellow of the exact map, red of networks that have learnt nothing.
        for colour in [[86, 180, 233], [230, 159, 0], [213, 94, 0]] {
            assert!(picture.data.chunks(4).any(|pixel| pixel[..3] == colour), "{colour:?}");
        }
        assert!(rows[0].mean.rms < 1e-4, "the exact map, but for its f32");
    }
}
