//! Mode collapse, made and mended: generators trained by a game, alone and with the terms that the trainer of vivid
//! networks has, beside the optimal transport map.
//!
//! A network is continuous and the source is one connected cloud, so what it makes is connected too. Where the data is
//! not, it must leave a thread of samples between the modes, or lose one; a map that may jump has neither
//! (Lei et al., arXiv 1902.02934).

use std::sync::atomic::{AtomicU64, Ordering};

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use serde::Serialize;

use super::transport::TransportError;
use crate::train::Terms;

pub mod data;
mod digits;
pub mod figure;
pub mod game;
mod measure;
pub mod pairs;
pub mod train;

pub use data::{Data, Target};
pub use measure::{Measured, SAMPLES};

use data::source;
use game::Game;
use pairs::{Pairing, Pairs, Transport};
use train::Recipe;

/// Samples of a generator that are kept to be drawn.
const SHOWN: usize = 400;
/// The parts of a run at which the strip looks.
const STRIP: [f64; 6] = [0.0, 0.02, 0.1, 0.25, 0.5, 1.0];
/// The film's pictures, but for the first.
const FILM: u64 = 120;

/// What to run.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Config {
    /// What the generators are to make.
    pub data: Data,
    /// Steps of each generator, at least 1.
    pub steps: u64,
    /// How often each recipe is tried, at least once.
    pub seeds: u64,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// How much the tangent term counts where it is used.
    pub tangent: f32,
    /// Keep the samples of a film, too.
    pub film: bool,
}

impl Data {
    /// How much the tangent term counts if nobody says otherwise. It is large where a network jumps between modes.
    pub fn usual_tangent(self) -> f32 {
        if self == Self::Digits { 1e-3 } else { 1e-7 }
    }
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Study {
    /// What the generators were to make.
    pub data: Data,
    /// How many modes that has.
    pub modes: usize,
    /// Steps of each generator.
    pub steps: u64,
    /// How much the tangent term counted where it was used.
    pub tangent: f32,
    /// The recipes in turn, then optimal transport, then the data itself.
    pub rows: Vec<Row>,
}

/// What came of one recipe.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The recipe.
    pub name: &'static str,
    /// The mean over the seeds.
    pub mean: Measured,
    /// The standard deviation over the seeds.
    pub deviation: Measured,
    /// Each seed.
    pub seeds: Vec<Measured>,
    /// The share of samples that each mode is the nearest to, a mean over the seeds.
    pub shares: Vec<f64>,
    /// The value of the game over the last tenth of the steps, a mean over the seeds; none where there is no game.
    pub value: Option<f64>,
    /// What the first seed made on the way: for the strip, or for the film.
    #[serde(skip)]
    pub shots: Vec<Shot>,
}

/// Some of what a generator made.
#[derive(Debug, Clone, PartialEq)]
pub struct Shot {
    /// After so many steps.
    pub step: u64,
    /// In the data's units: `[sample][value]`.
    pub samples: Vec<f32>,
}

/// The weight of WGAN's gradient penalty. Its paper has 10 for pictures and 0.1 for points in the plane; with 10 the critic
/// cannot get steep enough for modes that are narrow beside their distance.
pub(super) const PENALTY: f32 = 1.0;

/// All recipes, in the order in which they are told.
fn recipes(tangent: f32) -> Vec<Recipe> {
    use {
        Game::MinMax,
        Pairing::{Chance, Transport},
    };
    let wgan = Game::Wgan(PENALTY);
    let recipe = |name, game, pairing, [supervised, locality, tangent]: [f32; 3]| Recipe {
        name,
        game,
        pairing,
        terms: Terms { adversarial: 1.0, supervised, locality, tangent, ..Terms::ZERO },
    };
    vec![
        recipe("min-max", MinMax, Chance, [0.0; 3]),
        recipe("min-max, tangent", MinMax, Chance, [0.0, 0.0, tangent]),
        recipe("min-max, random pairs", MinMax, Chance, [1.0, 0.0, 0.0]),
        recipe("min-max, pairs", MinMax, Transport, [1.0, 0.0, 0.0]),
        recipe("min-max, pairs, locality", MinMax, Transport, [1.0, 1.0, 0.0]),
        recipe("min-max, pairs, locality, tangent", MinMax, Transport, [1.0, 1.0, tangent]),
        recipe("WGAN-GP", wgan, Chance, [0.0; 3]),
        recipe("WGAN-GP, pairs", wgan, Transport, [1.0, 0.0, 0.0]),
        recipe("WGAN-GP, pairs, locality", wgan, Transport, [1.0, 1.0, 0.0]),
        recipe("WGAN-GP, pairs, locality, tangent", wgan, Transport, [1.0, 1.0, tangent]),
    ]
}

/// Steps of all generators together, which `progress` of [`run`] counts up to.
pub fn work(config: &Config) -> u64 {
    recipes(0.0).len() as u64 * config.seeds.max(1) * config.steps.max(1)
}

/// One run of one recipe.
struct Done {
    /// With the share of samples that each mode is the nearest to.
    measured: (Measured, Vec<f64>),
    value: Option<f32>,
    shots: Vec<Shot>,
}

/// Trains every recipe from every seed, on all cores; each run depends on its seed only. `progress` hears how many steps
/// are done.
///
/// # Errors
/// Where there is no optimal map.
pub fn run(config: &Config, progress: &(dyn Fn(u64) + Sync)) -> Result<Study, TransportError> {
    let target = Target::new(config.data);
    let recipes = recipes(config.tangent);
    let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
    let seeds: Vec<u64> = (0..config.seeds.max(1)).map(|_| rng.random()).collect();
    let judge: u64 = rng.random();
    let maps: Vec<(Transport, [Pairs; 2])> = seeds
        .par_iter()
        .map(|&seed| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let map = Transport::new(&target, &mut rng)?;
            let pairs = [Pairing::Chance, Pairing::Transport].map(|p| Pairs::new(&target, p, &map, &mut rng));
            Ok((map, pairs))
        })
        .collect::<Result<_, _>>()?;

    let counted = AtomicU64::new(0);
    let one = |recipe: &Recipe, i: usize| {
        let pairs = &maps[i].1[usize::from(recipe.pairing == Pairing::Transport)];
        let mut shots = Vec::new();
        let watched = train::train(&target, recipe, pairs, config.steps.max(1), seeds[i], &mut |step, net| {
            if i == 0 && is_shown(config, step) {
                let from = source(target.source_values(), SHOWN, &mut ChaCha8Rng::seed_from_u64(judge));
                shots.push(Shot { step, samples: target.outward(&net.forward(&from)) });
            }
            if step > 0 {
                progress(counted.fetch_add(1, Ordering::Relaxed) + 1);
            }
        });
        let measured = measure::generator(&target, &watched.generator, judge);
        Done { measured, value: Some(watched.value), shots }
    };
    let jobs: Vec<(usize, usize)> = (0..seeds.len()).flat_map(|i| (0..recipes.len()).map(move |r| (i, r))).collect();
    let done: Vec<Done> = jobs.par_iter().map(|&(i, r)| one(&recipes[r], i)).collect();

    let of_recipe = |(r, recipe): (usize, &Recipe)| Row::new(recipe.name, done.iter().skip(r).step_by(recipes.len()));
    let mut rows: Vec<Row> = recipes.iter().enumerate().map(of_recipe).collect();
    let last = |samples: Vec<f32>| vec![Shot { step: config.steps, samples }];
    let mapped = |(i, (map, _)): (usize, &(Transport, _))| {
        let made = |count| map.apply(&source(target.source_values(), count, &mut ChaCha8Rng::seed_from_u64(judge)));
        let shots = if i == 0 { last(made(SHOWN)) } else { Vec::new() };
        Done { measured: measure::samples(&target, &made(SAMPLES), judge), value: None, shots }
    };
    rows.push(Row::new("optimal transport", maps.iter().enumerate().map(mapped).collect::<Vec<_>>().iter()));
    let of_truth = |(i, seed): (usize, &u64)| {
        let truth = |count| target.draw(count, &mut ChaCha8Rng::seed_from_u64(seed.wrapping_add(1)));
        let shots = if i == 0 { last(truth(SHOWN)) } else { Vec::new() };
        Done { measured: measure::samples(&target, &truth(SAMPLES), judge), value: None, shots }
    };
    rows.push(Row::new("the data itself", seeds.iter().enumerate().map(of_truth).collect::<Vec<_>>().iter()));
    Ok(Study { data: config.data, modes: target.modes(), steps: config.steps, tangent: config.tangent, rows })
}

/// Whether what is made after so many steps is kept.
fn is_shown(config: &Config, step: u64) -> bool {
    let steps = config.steps.max(1);
    if config.film && (0..=FILM).any(|i| i * steps / FILM == step) {
        return true;
    }
    STRIP.iter().any(|part| (part * steps as f64) as u64 == step)
}

impl Row {
    fn new<'a>(name: &'static str, done: impl Iterator<Item = &'a Done> + Clone) -> Self {
        let seeds: Vec<Measured> = done.clone().map(|d| d.measured.0).collect();
        let values: Option<Vec<f64>> = done.clone().map(|d| d.value.map(f64::from)).collect();
        let mut shares = vec![0.0; done.clone().next().map_or(0, |d| d.measured.1.len())];
        for one in done.clone() {
            shares.iter_mut().zip(&one.measured.1).for_each(|(sum, share)| *sum += share / seeds.len() as f64);
        }
        Self {
            name,
            mean: Measured::over(&seeds, mean),
            deviation: Measured::over(&seeds, deviation),
            shares,
            value: values.map(|values| mean(&values)),
            shots: done.clone().next().map(|d| d.shots.clone()).unwrap_or_default(),
            seeds,
        }
    }
}

pub(super) fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The standard deviation of all that there is; 0 of one value.
pub(super) fn deviation(values: &[f64]) -> f64 {
    let middle = mean(values);
    let squares: f64 = values.iter().map(|v| (v - middle).powi(2)).sum();
    (squares / values.len().saturating_sub(1).max(1) as f64).sqrt()
}

#[cfg(test)]
mod tests;
