//! One generator, trained by one recipe from one seed.

use rand::{Rng, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    data::{Target, source},
    game::Game,
    pairs::{Pairing, Pairs},
};
use crate::{
    lab::mlp::{Learner, Mlp, Pass, squared_error},
    train::{
        Terms, fit,
        terms::{self, STEP},
    },
};

/// The hidden layers of generator and critic. With its last layer the generator has ten.
const GENERATOR: [usize; 9] = [48; 9];
const CRITIC: [usize; 3] = [64; 3];
/// Points in a step.
const BATCH: usize = 128;
/// Pairs in a step.
const PAIRS: usize = 64;
/// The highest learning rates of the generator and of its judge.
const RATES: [f32; 2] = [1e-3, 2e-3];
/// Adam's decays, as for WGAN-GP.
const BETA: [f32; 2] = [0.5, 0.9];
/// The deviation of the noise of `locality`, beside a source of deviation 1.
const NOISE: f32 = 0.1;

/// What a generator is trained by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// What it is called.
    pub name: &'static str,
    /// Against whom.
    pub game: Game,
    /// How much each term counts; of these adversarial, supervised, locality and tangent do.
    pub terms: Terms,
    /// How the pairs of its supervised terms are made.
    pub pairing: Pairing,
}

/// The networks when they have been trained.
#[derive(Debug, Clone)]
pub struct Trained {
    /// From the source to the networks' units.
    pub generator: Mlp,
    /// The value of the game over the last tenth.
    pub value: f32,
}

/// Trains for so many steps of the generator; `watch` sees it before each and at the end.
pub fn train(
    target: &Target,
    recipe: &Recipe,
    pairs: &Pairs,
    steps: u64,
    seed: u64,
    watch: &mut dyn FnMut(u64, &Mlp),
) -> Trained {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (inputs, outputs) = (target.source_values(), target.values());
    let mut generator = Learner::with_decay(Mlp::random(inputs, &GENERATOR, outputs, &mut rng), BETA);
    let mut critic = Learner::with_decay(Mlp::random(outputs, &CRITIC, 1, &mut rng), BETA);
    let (mut value, mut last) = (0.0, 0);
    for step in 0..steps {
        watch(step, &generator.net);
        let [rate, of_critic] = RATES.map(|peak| fit::learning_rate(peak, step, steps));
        for _ in 0..recipe.game.turns() {
            let of_true = target.inward(&target.draw(BATCH, &mut rng));
            let made = generator.net.forward(&source(inputs, BATCH, &mut rng));
            let now = recipe.game.judge(&mut critic, &of_true, &made, of_critic, &mut rng);
            if step >= steps - steps.div_ceil(10) {
                (value, last) = (value + now, last + 1);
            }
        }
        let gradient = learn(target, recipe, pairs, [&generator.net, &critic.net], &mut rng);
        generator.descend(&gradient, rate);
    }
    watch(steps, &generator.net);
    Trained { generator: generator.net, value: value / last.max(1) as f32 }
}

/// The gradient of the sum of all terms by the generator's numbers.
fn learn(target: &Target, recipe: &Recipe, pairs: &Pairs, [net, critic]: [&Mlp; 2], rng: &mut impl Rng) -> Vec<f32> {
    let mut gradient = vec![0.0; net.numbers().len()];
    let weights = recipe.terms;
    let scaled = |slopes: Vec<f32>, by: f32| slopes.into_iter().map(|s| by * s).collect::<Vec<f32>>();

    let from = source(net.inputs(), BATCH, rng);
    let here = net.run(&from);
    let judged = critic.run(here.output());
    let slopes = scaled(recipe.game.pay(judged.output()).1, weights.adversarial);
    let mut by_made = critic.backward(&judged, &slopes).by_input;

    if weights.tangent > 0.0 {
        let (there, by_there) = tangents(target, net, &from, here.output(), rng);
        let by_there = scaled(by_there, weights.tangent);
        // The output where a direction begins moves against it.
        by_made.iter_mut().zip(&by_there).for_each(|(made, there)| *made -= there);
        net.learn(&there, &net.backward(&there, &by_there), &mut gradient);
    }
    net.learn(&here, &net.backward(&here, &by_made), &mut gradient);

    if weights.supervised > 0.0 || weights.locality > 0.0 {
        let (mut from, mut to) = (Vec::new(), Vec::new());
        for _ in 0..PAIRS {
            let i = rng.random_range(0..pairs.from.len() / net.inputs());
            from.extend(&pairs.from[i * net.inputs()..][..net.inputs()]);
            to.extend(&pairs.to[i * net.outputs()..][..net.outputs()]);
        }
        let noise = source(net.inputs(), PAIRS, rng);
        let noisy: Vec<f32> = from.iter().zip(noise).map(|(v, n)| v + NOISE * n).collect();
        for (weight, from) in [(weights.supervised, from), (weights.locality, noisy)] {
            if weight > 0.0 {
                let pass = net.run(&from);
                let slopes = scaled(squared_error(pass.output(), &to).1, weight);
                net.learn(&pass, &net.backward(&pass, &slopes), &mut gradient);
            }
        }
    }
    gradient
}

/// The trainer's tangent term in a random direction from each point: ‖J·v‖²/‖v‖² is to be 1, in the data's units. Gives
/// what the network makes at the directions' ends, and the slopes by it.
fn tangents(target: &Target, net: &Mlp, from: &[f32], made: &[f32], rng: &mut impl Rng) -> (Pass, Vec<f32>) {
    let (inputs, outputs) = (net.inputs(), net.outputs());
    let mut ways = source(inputs, from.len() / inputs, rng);
    for way in ways.chunks_exact_mut(inputs) {
        let length = way.iter().map(|v| v * v).sum::<f32>().sqrt().max(1e-6);
        way.iter_mut().for_each(|v| *v /= length);
    }
    let there: Vec<f32> = from.iter().zip(&ways).map(|(v, way)| v + STEP * way).collect();
    let there = net.run(&there);
    let [here, moved] = [made, there.output()].map(|made| target.outward(made));
    let by = target.scale() * inputs as f32 / from.len() as f32;
    let rows = here.chunks_exact(outputs).zip(moved.chunks_exact(outputs)).zip(ways.chunks_exact(inputs));
    let slopes = rows.flat_map(|((here, moved), way)| terms::tangent(here, moved, way, way).1);
    let slopes = slopes.map(|s| by * s).collect();
    (there, slopes)
}
