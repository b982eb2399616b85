//! A run's course: its steps, and between them the validations, checkpoints, the log and its curves.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Instant,
};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{
    Progress, Scores, TrainConfig, TrainDevice, TrainError,
    adversarial::{self, Objective},
    batched,
    critic::{self, Critic},
    fit::{self, Progressed},
    health, make_folder,
    net::{self, Folded, Net},
    pairs::{self, Cut, Draw, Pair, Pairs},
    perceptual::Perceptual,
    terms::{self, Terms},
    write_whole,
};
use crate::report::{self, Axes, Panel, PlotCurve};

/// The critic learns so much faster than the generator (two time scales: Heusel et al., arXiv 1706.08500).
const CRITIC_RATE: f32 = 2.0;
/// Pairs that a validation during training looks at; the last one looks at all.
const GLANCE: usize = 24;

/// All steps, with validations and checkpoints between them.
pub(super) fn run(
    config: &TrainConfig,
    pairs: &Pairs,
    perceptual: Option<&Perceptual>,
    mut net: Net,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Progressed, Net), TrainError> {
    let gpu = match config.device {
        TrainDevice::Cpu => None,
        TrainDevice::Gpu => Some(batched::gpu()?),
    };
    let key = config.key(pairs);
    let files = config.checkpoint.as_ref().map(|folder| {
        let name = config.name();
        let of = |what: &str| folder.join(format!("{name}.{what}"));
        Files { net: of("checkpoint.safetensors"), critic: of("critic.safetensors"), log: of("csv"), curve: of("svg") }
    });
    let resumed = files.as_ref().filter(|files| config.resume && files.net.exists());
    let resume = |path: &dyn Fn(&Files) -> &Path, fresh: Vec<f32>| match resumed {
        Some(files) => Progressed::load(path(files), &key, fresh.len()),
        None => Ok(Progressed::start(fresh)),
    };
    let mut run = resume(&|files| &files.net, net.numbers.clone())?;
    let mut critic = match config.vivid {
        Some(weights) => {
            Some((weights, resume(&|files| &files.critic, critic::untrained(config.critic, config.seed))?))
        }
        None => None,
    };
    progress(Progress::Ready {
        training: pairs.train.len() + pairs.clips.len(),
        validation: pairs.validation.len(),
        step: run.step(),
    });
    let (first, radius) = (run.step(), net.radius());
    std::thread::scope(|scope| {
        // Patches are cut ahead of time on a thread of their own. Each step has its own random numbers, so a
        // resumed run sees the same patches.
        let (send, receive) = mpsc::sync_channel(2);
        let draw = Draw::new(pairs, config.clip_share);
        scope.spawn(move || {
            for step in first..config.steps {
                let mut rng = ChaCha8Rng::seed_from_u64(config.seed);
                rng.set_stream(step);
                let way = health::MOVES[step as usize % health::MOVES.len()];
                let (noise, moves) = (config.vivid.map(|_| terms::NOISE), [way]);
                let moves = if config.vivid.is_some() { &moves[..] } else { &[] };
                let cut = Cut { side: config.patch, radius, noise, moves };
                let mut batch = pairs::batch(&draw, config.batch, cut, &mut rng);
                batch.iter_mut().flat_map(|p| &mut p.target).for_each(|detail| *detail *= config.emphasis);
                if send.send(batch).is_err() {
                    break;
                }
            }
        });
        let (mut sum, mut count, mut clock) = (0.0, 0, Instant::now());
        let (mut detail, mut of_critic) = (Terms::ZERO, 0.0);
        for batch in receive {
            net.numbers.clone_from(&run.numbers);
            let rate = fit::learning_rate(config.learning_rate, run.step(), config.steps);
            let (loss, gradient) = match (&mut critic, &gpu) {
                (None, None) => net.learn(&batch, config.patch, config.loss)?,
                (None, Some(gpu)) => batched::learn(&net, &batch, config.patch, config.loss, gpu)?,
                (Some((weights, critic)), _) => {
                    let (weights, relativistic) = (*weights, config.relativistic);
                    let objective = Objective { loss: config.loss, weights, relativistic, perceptual };
                    let judge = Critic::new(config.critic, &critic.numbers);
                    let learnt = adversarial::learn(&net, &judge, &batch, config.patch, objective)?;
                    if learnt.by_critic.iter().any(|g| !g.is_finite()) {
                        return Err(TrainError::Diverged(run.step()));
                    }
                    critic.descend(&learnt.by_critic, CRITIC_RATE * rate);
                    detail.add(1.0, learnt.terms);
                    of_critic += learnt.critic;
                    (learnt.terms.sum(weights), learnt.by_net)
                }
            };
            if !loss.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
                return Err(TrainError::Diverged(run.step()));
            }
            run.descend(&gradient, rate);
            sum += loss;
            count += 1;
            let done = run.step() == config.steps;
            if run.step() % 100 != 0 && !run.step().is_multiple_of(config.validate_every) && !done {
                continue;
            }
            run.seconds += clock.elapsed().as_secs_f64();
            let loss = sum / count as f32;
            let mut terms = Terms::ZERO;
            terms.add(1.0 / count as f32, std::mem::replace(&mut detail, Terms::ZERO));
            let paid = of_critic / count as f32;
            (sum, count, of_critic) = (0.0, 0, 0.0);
            progress(Progress::Step { step: run.step(), steps: config.steps, loss, seconds: run.seconds });
            if run.step().is_multiple_of(config.validate_every) || done {
                let scores = judge(&net.fold(&run.average), glance(&pairs.validation));
                if let Some(scores) = scores {
                    progress(Progress::Validated { step: run.step(), scores });
                }
                if let Some(files) = &files {
                    make_folder(&files.net)?;
                    if let Some((_, critic)) = &critic {
                        critic.save(&files.critic, &key)?;
                    }
                    run.save(&files.net, &key)?;
                    log(&files.log, run.step(), run.seconds, loss, scores, critic.is_some().then_some((terms, paid)))?;
                    plot(&files.log, &files.curve)?;
                }
            }
            clock = Instant::now();
        }
        Ok(())
    })?;
    Ok((run, net))
}

/// Where a run is kept.
struct Files {
    net: PathBuf,
    critic: PathBuf,
    log: PathBuf,
    /// The log as a picture.
    curve: PathBuf,
}

/// A few pairs, spread over all.
fn glance(pairs: &[Pair]) -> impl Iterator<Item = &Pair> {
    pairs.iter().step_by(pairs.len().div_ceil(GLANCE).max(1))
}

/// The scores of a network on pairs; none without pairs.
pub(super) fn judge<'a>(net: &Folded, pairs: impl Iterator<Item = &'a Pair>) -> Option<Scores> {
    let pairs: Vec<&Pair> = pairs.collect();
    // A frame that is hit exactly counts 100 dB, as everywhere in the program.
    let decibels = |error: f64| if error > 0.0 { (10.0 * (255.0 * 255.0 / error).log10()).min(100.0) } else { 100.0 };
    let one = |pair: &&Pair| net::errors(&net.at(pair.seen.qp), pair).map(decibels);
    let each: Vec<[f64; 2]> = pairs.par_iter().map(one).collect();
    let mut scores = Scores { frames: 0, bicubic: 0.0, model: 0.0 };
    for [bicubic, model] in each {
        scores.frames += 1;
        scores.bicubic += bicubic;
        scores.model += model;
    }
    let mean = |sum: f64| sum / scores.frames as f64;
    (scores.frames > 0).then(|| Scores { bicubic: mean(scores.bicubic), model: mean(scores.model), ..scores })
}

/// A line of the log: step, seconds, loss, PSNR of bicubic and of the model; in vivid training also each term and
/// what the critic pays.
fn log(
    path: &Path,
    step: u64,
    seconds: f64,
    loss: f32,
    scores: Option<Scores>,
    terms: Option<(Terms, f32)>,
) -> Result<(), TrainError> {
    let write = || -> std::io::Result<()> {
        let new = !path.exists();
        let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
        if new {
            let names = terms
                .map_or_else(String::new, |(t, _)| t.named().map(|(name, _)| format!(",{name}")).concat() + ",critic");
            writeln!(file, "step,seconds,loss,psnr_y_bicubic,psnr_y,gain_db{names}")?;
        }
        let scores = match scores {
            Some(Scores { bicubic, model, .. }) => format!("{bicubic:.4},{model:.4},{:.4}", model - bicubic),
            None => ",,".to_owned(),
        };
        let each = |(terms, critic): (Terms, f32)| {
            terms.named().map(|(_, value)| format!(",{value:.6}")).concat() + &format!(",{critic:.6}")
        };
        let terms = terms.map_or_else(String::new, each);
        writeln!(file, "{step},{seconds:.1},{loss:.6},{scores}{terms}")
    };
    write().map_err(|source| TrainError::Write { path: path.to_owned(), source })
}

/// The log's curves as SVG: what the model gains and what it pays, over the steps.
fn plot(log: &Path, to: &Path) -> Result<(), TrainError> {
    let text = std::fs::read_to_string(log).map_err(|source| TrainError::Write { path: log.to_owned(), source })?;
    let curve = |name: &str, column: usize| {
        let point = |line: &str| {
            let mut cells = line.split(',');
            let step = cells.next()?.parse().ok()?;
            Some((step, cells.nth(column - 1)?.parse().ok()?))
        };
        PlotCurve { name: name.to_owned(), points: text.lines().skip(1).filter_map(point).collect() }
    };
    let panels = [
        Panel { title: "gain over bicubic, dB of PSNR-Y".to_owned(), curves: vec![curve("gain", 5)] },
        Panel { title: "loss on what is learnt from".to_owned(), curves: vec![curve("loss", 2)] },
    ];
    let svg = report::svg(Axes { x: "step", y: "", log_x: false }, &panels);
    write_whole(to, svg.as_bytes())
}
