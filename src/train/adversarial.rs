//! A step of vivid training: what each patch asks of the generator, and of the critic that judges it.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;

use super::{
    critic::{self, Critic, DETAIL},
    loss::Loss,
    net::{Net, gradients, run, tensors, values},
    pairs::{Patch, bicubic, shuffled, unshuffled},
    perceptual::Perceptual,
    terms::{self, Terms},
    texture,
};
use crate::{
    model::{Condition, Conv3x3},
    train::TrainError,
};

/// What is asked for, and how much of each.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Objective<'a> {
    pub(super) loss: Loss,
    pub(super) weights: Terms,
    /// The critic says what is truer than the other side's mean, not what is true.
    pub(super) relativistic: bool,
    /// For the perceptual term.
    pub(super) perceptual: Option<&'a Perceptual>,
}

/// What a step found.
#[derive(Debug, Clone)]
pub(super) struct Learnt {
    /// The terms, not weighted.
    pub(super) terms: Terms,
    /// What the critic pays.
    pub(super) critic: f32,
    /// By each of the generator's numbers.
    pub(super) by_net: Vec<f32>,
    /// By each of the critic's.
    pub(super) by_critic: Vec<f32>,
}

/// The mean losses of patches, and their gradients. The patches are tasks of their own, added in order.
pub(super) fn learn(
    net: &Net,
    critic: &Critic,
    batch: &[Patch],
    side: usize,
    objective: Objective<'_>,
) -> Result<Learnt, TrainError> {
    let folded = net.fold(&net.numbers);
    let one = |patch: &Patch| one(&folded.at(patch.qp), critic, patch, side, objective);
    let each: Vec<One> = batch.par_iter().map(one).collect::<Result<_, _>>()?;
    let share = 1.0 / batch.len().max(1) as f32;
    let mut of_critic: Vec<Conv3x3> = critic.layers.iter().map(Conv3x3::zeroed).collect();
    let (mut terms, mut paid) = (Terms::ZERO, 0.0);
    for one in &each {
        terms.add(share, one.terms);
        paid += share * one.critic;
        of_critic.iter_mut().zip(&one.by_critic).for_each(|(sum, by)| sum.add(share, by));
    }
    let by_net = each.into_iter().zip(batch).map(|(one, patch)| (Condition::of(Some(patch.qp)).at, one.by_net));
    let by_net = net.unfold(&folded, by_net, share);
    Ok(Learnt { terms, critic: paid, by_net, by_critic: critic.gradient(&of_critic) })
}

/// What one patch finds.
struct One {
    terms: Terms,
    critic: f32,
    by_net: Vec<Conv3x3>,
    by_critic: Vec<Conv3x3>,
}

fn one(
    layers: &[Conv3x3],
    critic: &Critic,
    patch: &Patch,
    side: usize,
    objective: Objective<'_>,
) -> Result<One, TrainError> {
    let Objective { loss, weights, relativistic, perceptual } = objective;
    let device = critic::device();
    let padded = side + 2 * layers.len();
    let parameters: Vec<_> = layers.iter().map(|l| tensors(l, &device)).collect();
    let made = run(&parameters, &patch.input, padded, &device);
    let detail = values(&made.clone().inner())?;
    let base = bicubic(&patch.input, side, side, layers.len());
    let mut terms = Terms::ZERO;
    let mut slopes = vec![0.0; detail.len()];
    let add = |slopes: &mut [f32], by: f32, other: &[f32]| slopes.iter_mut().zip(other).for_each(|(s, o)| *s += by * o);

    let error: Vec<f32> = detail.iter().zip(&patch.target).map(|(made, target)| made - target).collect();
    let (value, by) = loss.of(&error, side);
    terms.supervised = value;
    add(&mut slopes, weights.supervised, &by);

    if weights.flat > 0.0 {
        let of_true: Vec<f32> = patch.target.iter().zip(&base).map(|(target, base)| target + base).collect();
        let (value, by) = terms::flat(&error, &of_true, side);
        terms.flat = value;
        add(&mut slopes, weights.flat, &by);
    }

    let whole = |detail: &[f32]| {
        let sum: Vec<f32> = detail.iter().zip(&base).map(|(detail, base)| detail + base).collect();
        unshuffled(&sum, side)
    };
    if let Some(perceptual) = perceptual.filter(|_| weights.perceptual > 0.0) {
        let (value, by) = perceptual.distance(&whole(&detail), &whole(&patch.target), 2 * side);
        terms.perceptual = value;
        add(&mut slopes, weights.perceptual, &shuffled(&by, 2 * side));
    }
    if weights.energy > 0.0 {
        let (value, by) = texture::energy(&whole(&detail), &whole(&patch.target), 2 * side);
        terms.energy = value;
        add(&mut slopes, weights.energy, &shuffled(&by, 2 * side));
    }
    if weights.transport > 0.0 {
        let (value, by) = texture::transport(&whole(&detail), &whole(&patch.target), 2 * side);
        terms.transport = value;
        add(&mut slopes, weights.transport, &shuffled(&by, 2 * side));
    }

    let judged = match weights.ask_the_critic() {
        true => judge(critic, [&patch.target, &detail], &base, side, (weights, relativistic))?,
        false => Judged::silent(critic, detail.len()),
    };
    (terms.adversarial, terms.feature) = (judged.adversarial, judged.feature);
    add(&mut slopes, 1.0, &judged.by_detail);

    let mut all = (made.clone() * picture(slopes, side, &device)).sum();
    if weights.locality > 0.0 {
        let noisy = run(&parameters, &patch.noisy, padded, &device);
        let moved = bicubic(&patch.noisy, side, side, layers.len());
        let error = values(&noisy.clone().inner())?.into_iter().zip(moved).zip(patch.target.iter().zip(&base));
        let error: Vec<f32> = error.map(|((made, moved), (target, base))| made + moved - target - base).collect();
        let (value, by) = loss.of(&error, side);
        terms.locality = value;
        let by = by.into_iter().map(|by| weights.locality * by).collect();
        all = all + (noisy * picture(by, side, &device)).sum();
    }
    if let Some(way) = patch.moves.first().filter(|_| weights.tangent > 0.0) {
        let step = |(v, d): (&f32, &f32)| v + terms::STEP * d;
        let there: Vec<f32> = patch.input.iter().zip(&way.direction).map(step).collect();
        let moved = run(&parameters, &there, padded, &device);
        let whole = |detail: Vec<f32>, base: &[f32]| detail.iter().zip(base).map(|(d, b)| d + b).collect::<Vec<_>>();
        let at = whole(values(&moved.clone().inner())?, &bicubic(&there, side, side, layers.len()));
        let direction = inside(&way.direction, side, layers.len());
        let (value, by) = terms::tangent(&whole(detail, &base), &at, &direction, &way.of_true);
        terms.tangent = value;
        let by: Vec<f32> = by.into_iter().map(|by| weights.tangent * by).collect();
        // The output where the direction begins moves against it.
        let back = by.iter().map(|by| -by).collect();
        all = all + (moved * picture(by, side, &device)).sum() + (made * picture(back, side, &device)).sum();
    }
    let by_net = gradients(layers, &parameters, &all.backward())?;
    Ok(One { terms, critic: judged.critic, by_net, by_critic: judged.by_critic })
}

/// A square without its margin.
pub(super) fn inside(square: &[f32], side: usize, margin: usize) -> Vec<f32> {
    let rows = square.chunks_exact(side + 2 * margin).skip(margin).take(side);
    rows.flat_map(|row| &row[margin..][..side]).copied().collect()
}

fn picture(values: Vec<f32>, side: usize, device: &burn::tensor::Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values, [1, 4, side, side]), device)
}

/// The critic's part.
struct Judged {
    adversarial: f32,
    feature: f32,
    by_detail: Vec<f32>,
    critic: f32,
    by_critic: Vec<Conv3x3>,
}

impl Judged {
    /// A critic that is not asked, and learns nothing.
    fn silent(critic: &Critic, pixels: usize) -> Self {
        let by_critic = critic.layers.iter().map(Conv3x3::zeroed).collect();
        Self { adversarial: 0.0, feature: 0.0, by_detail: vec![0.0; pixels], critic: 0.0, by_critic }
    }
}

/// Both pictures through the critic: once for what it has to learn, once for what it teaches.
fn judge(
    critic: &Critic,
    [of_true, made]: [&[f32]; 2],
    base: &[f32],
    side: usize,
    (weights, relativistic): (Terms, bool),
) -> Result<Judged, TrainError> {
    let device = critic::device();
    let seen = |detail: &[f32]| detail.iter().map(|d| DETAIL * d).chain(base.iter().copied()).collect::<Vec<f32>>();
    let [of_true, made] = [of_true, made].map(seen);
    let pair = [&of_true[..], &made].concat();

    let parameters: Vec<_> = critic.layers.iter().map(|l| tensors(l, &device)).collect();
    let pair = Tensor::<4>::from_data(TensorData::new(pair, [2, 8, side, side]), &device);
    let (judged, features) = critic.judge(&parameters, pair);
    let judgement = values(&judged.clone().inner())?;
    let (on_true, on_made) = judgement.split_at(judgement.len() / 2);
    let pays = if relativistic { terms::relativistic_critic } else { terms::critic };
    let (paid, slopes) = pays(on_true, on_made);
    let slopes = TensorData::new(slopes.concat(), judged.shape());
    let features: Vec<Vec<f32>> = features.iter().map(|f| values(&f.clone().inner())).collect::<Result<_, _>>()?;
    let by_critic =
        gradients(&critic.layers, &parameters, &(judged * Tensor::from_data(slopes, &device)).sum().backward())?;

    let constant = critic.layers.iter().map(|l| tensors(l, &device)).map(|(w, b)| (w.detach(), b.detach()));
    let shown = Tensor::<4>::from_data(TensorData::new(made, [1, 8, side, side]), &device).require_grad();
    let (judged, made) = critic.judge(&constant.collect::<Vec<_>>(), shown.clone());
    let (adversarial, slopes) = match relativistic {
        true => terms::relativistic_adversarial(on_true, &values(&judged.clone().inner())?),
        false => terms::adversarial(&values(&judged.clone().inner())?),
    };
    let slopes = slopes.into_iter().map(|s| weights.adversarial * s).collect::<Vec<_>>();
    let mut all = (judged.clone() * Tensor::from_data(TensorData::new(slopes, judged.shape()), &device)).sum();
    let mut feature = 0.0;
    if weights.feature > 0.0 {
        let share = 1.0 / made.len().max(1) as f32;
        for (made, both) in made.into_iter().zip(&features) {
            let (value, slopes) = terms::feature(&values(&made.clone().inner())?, &both[..both.len() / 2]);
            feature += share * value;
            let slopes = slopes.into_iter().map(|s| weights.feature * share * s).collect::<Vec<_>>();
            all = all + (made.clone() * Tensor::from_data(TensorData::new(slopes, made.shape()), &device)).sum();
        }
    }
    let missing = || TrainError::Burn("the picture was given no gradient".to_owned());
    let by_picture = values(&shown.grad(&all.backward()).ok_or_else(missing)?)?;
    let by_detail = by_picture[..4 * side * side].iter().map(|by| DETAIL * by).collect();
    Ok(Judged { adversarial, feature, by_detail, critic: paid, by_critic })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::{block::BlockKind, critic::CriticNet, pairs::Move, perceptual};
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    const SIDE: usize = 16;

    fn patch(rng: &mut ChaCha8Rng, radius: usize) -> Patch {
        let padded = (SIDE + 2 * radius).pow(2);
        let mut numbers =
            |n: usize, scale: f32| (0..n).map(|_| scale * rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
        let (input, grain) = (numbers(padded, 0.5), numbers(padded, 0.01));
        let noisy = input.iter().zip(grain).map(|(v, g)| v + g).collect();
        let moves = vec![Move { direction: numbers(padded, 0.2), of_true: numbers(4 * SIDE * SIDE, 0.2) }];
        Patch { input, target: numbers(4 * SIDE * SIDE, 0.1), qp: 35.0, noisy, moves }
    }

    #[test]
    fn each_term_pulls_along_its_gradient_and_the_critic_along_its_own() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let net = Net::untrained(4, 1, BlockKind { wide: false, by_qp: true }, 2).unwrap();
        let batch = [patch(&mut rng, net.radius()), patch(&mut rng, net.radius())];
        let features = perceptual::tests::small(9);
        let loss = Loss { epsilon: 0.02, gradient: 0.0 };
        let alone = [
            Terms { adversarial: 1.0, ..Terms::ZERO },
            Terms { supervised: 1.0, ..Terms::ZERO },
            Terms { locality: 1.0, ..Terms::ZERO },
            Terms { tangent: 1.0, ..Terms::ZERO },
            Terms { feature: 1.0, ..Terms::ZERO },
            Terms { flat: 1.0, ..Terms::ZERO },
            Terms { perceptual: 1.0, ..Terms::ZERO },
            Terms { energy: 1.0, ..Terms::ZERO },
            Terms { transport: 1.0, ..Terms::ZERO },
        ];
        let check = |net_of_critic: CriticNet, relativistic: bool, weights: Terms| {
            let numbers = critic::untrained(net_of_critic, 8);
            let of = |numbers: &[f32]| Critic::new(net_of_critic, numbers);
            let objective = Objective { loss, weights, relativistic, perceptual: Some(&features) };
            let learnt = learn(&net, &of(&numbers), &batch, SIDE, objective).unwrap();
            // Along a gradient a loss rises by its square.
            let steep = |by: &[f32]| by.iter().map(|g| g * g).sum::<f32>();
            let moved = |numbers: &[f32], by: &[f32], step: f32| -> Vec<f32> {
                numbers.iter().zip(by).map(|(n, g)| n + step * g).collect()
            };
            let pays = |step: f32| {
                let mut net = net.clone();
                net.numbers = moved(&net.numbers, &learnt.by_net, step);
                learn(&net, &of(&numbers), &batch, SIDE, objective).unwrap().terms.sum(weights)
            };
            let judges = |step: f32| {
                let critic = of(&moved(&numbers, &learnt.by_critic, step));
                learn(&net, &critic, &batch, SIDE, objective).unwrap().critic
            };
            let rises = |at: &dyn Fn(f32) -> f32, steep: f32, step: f32| {
                let step = step / steep.sqrt();
                let measured = (at(step) - at(-step)) / (2.0 * step);
                let what = format!("{net_of_critic:?}, relativistic {relativistic}, {weights:?}: {measured} {steep}");
                assert!(steep > 0.0 && (measured - steep).abs() < 0.1 * steep, "{what}");
            };
            rises(&pays, steep(&learnt.by_net), 2e-3);
            if weights.ask_the_critic() {
                rises(&judges, steep(&learnt.by_critic), 1e-2);
            }
        };
        for weights in alone {
            check(CriticNet::Patch, false, weights);
        }
        for weights in [alone[0], alone[4]] {
            check(CriticNet::Patch, true, weights);
            check(CriticNet::Unet, false, weights);
            check(CriticNet::Unet, true, weights);
        }
    }

    #[test]
    fn supervised_alone_is_what_faithful_training_does() {
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let net = Net::untrained(4, 2, BlockKind { wide: true, by_qp: true }, 2).unwrap();
        let batch = [patch(&mut rng, net.radius())];
        let loss = Loss { epsilon: 0.02, gradient: 0.3 };
        let weights = Terms { supervised: 1.0, ..Terms::ZERO };
        let vivid = learn(
            &net,
            &Critic::new(CriticNet::Patch, &critic::untrained(CriticNet::Patch, 1)),
            &batch,
            SIDE,
            Objective { loss, weights, relativistic: false, perceptual: None },
        )
        .unwrap();
        let (value, gradient) = net.learn(&batch, SIDE, loss).unwrap();
        assert!((vivid.terms.supervised - value).abs() < 1e-6);
        assert!(vivid.by_net.iter().zip(&gradient).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
