//! Training a model: `clearcall train`, behind the feature `train`.
//!
//! ```text
//! pictures ─▶ moving clips ─▶ scale ─▶ encode ─▶ decode ─▶ pairs ─▶ patches ─▶ fit ─▶ model file
//! ```
//!
//! Still pictures are filmed by a virtual camera that pans, zooms and turns (`photo`, `clip`), and the clips go
//! through the program's own scaler, encoder and decoder, so that the network sees what a receiver will see.
//! The decoded luma and the luma before it was scaled down are kept as pairs (`pairs`, `synthesis`); patches of
//! them feed the network (`net`), whose gradients come from burn with its own convolution (`op`, `conv`), and
//! Adam with a cosine schedule (`fit`) minimises the loss (`loss`) between bicubic plus network and the
//! original. While it learns, a convolution has more numbers than it needs (`block`); the model is what they fold
//! to. A run is a function of its pictures and its settings: the same seed gives the same weights, also
//! when the run was cut off and resumed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::mpsc,
    time::Instant,
};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::{
    model::{Model, ModelError, Training},
    report::{self, Axes, Panel, PlotCurve},
};

mod adversarial;
mod block;
mod clip;
mod conv;
mod critic;
mod fit;
mod grow;
mod health;
mod loss;
mod net;
mod op;
mod pairs;
mod photo;
mod synthesis;
mod terms;

use adversarial::Wanted;
use block::Kind;
use critic::Critic;
use fit::Progressed;
pub use health::Health;
pub use loss::Loss;
use net::{Folded, Net};
use pairs::{Cut, Draw, Pair, Pairs};
pub use terms::Terms;

/// The critic learns so much faster than the generator (two time scales: Heusel et al., arXiv 1706.08500).
const CRITIC_RATE: f32 = 2.0;
/// Pairs that a validation during training looks at; the last one looks at all.
const GLANCE: usize = 24;

/// What to train, on what, for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// The folder of pictures (PNG and JPEG).
    pub pictures: PathBuf,
    /// The model file to write. Its name without folder and ending becomes the model's name.
    pub out: PathBuf,
    /// Channels of the hidden layers (C).
    pub channels: usize,
    /// Hidden layers from C to C (N).
    pub layers: usize,
    /// Steps of the optimiser.
    pub steps: u64,
    /// Start from what this model computes instead of from chance; it has no more channels or layers.
    pub from: Option<PathBuf>,
    /// Decides everything that is left to chance.
    pub seed: u64,
    /// Patches in a step.
    pub batch: usize,
    /// Side of a patch in low-resolution pixels.
    pub patch: usize,
    /// The highest learning rate of the run.
    pub learning_rate: f32,
    /// What is minimised; in vivid training, what its supervised terms are.
    pub loss: Loss,
    /// Vivid training: also against a critic, with these weights.
    pub vivid: Option<Terms>,
    /// How much of what the truth has beyond bicubic is asked for. What the codec left uncertain comes out as its
    /// mean, which has less contrast; more than 1 gives some of it back, at a cost in PSNR (Real-ESRGAN's sharpened
    /// truth, Wang et al., arXiv 2107.10833, section 3.4).
    pub emphasis: f32,
    /// Give each convolution more numbers than it needs while it learns; they fold together at the end.
    pub wide: bool,
    /// Let the weights follow the decoder's quantiser.
    pub by_qp: bool,
    /// Clips made of each picture.
    pub clips: u32,
    /// Frames kept of each clip.
    pub frames: u32,
    /// Where to keep the pairs made of the pictures; without it they are made anew for each run.
    pub cache: Option<PathBuf>,
    /// Where to keep a checkpoint and a log of the run.
    pub checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint if there is one.
    pub resume: bool,
    /// Steps between two validations, and between two checkpoints.
    pub validate_every: u64,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            pictures: PathBuf::new(),
            out: PathBuf::from("model.safetensors"),
            channels: 8,
            layers: 1,
            steps: 20_000,
            from: None,
            seed: 1,
            batch: 16,
            patch: 56,
            learning_rate: 2e-3,
            loss: Loss { epsilon: 0.02, gradient: 0.0 },
            vivid: None,
            emphasis: 1.0,
            wide: true,
            by_qp: true,
            clips: 8,
            frames: 3,
            cache: None,
            checkpoint: None,
            resume: false,
            validate_every: 1000,
        }
    }
}

/// What a run has to tell while it goes on.
#[derive(Debug, Clone, PartialEq)]
pub enum Progress {
    /// Clips of so many pictures have been made.
    Filming {
        /// Pictures that are done.
        done: usize,
        /// Pictures in all.
        pictures: usize,
    },
    /// The pairs are there.
    Ready {
        /// Frames to learn from.
        training: usize,
        /// Frames to judge by.
        validation: usize,
        /// The step at which a resumed run goes on, otherwise 0.
        step: u64,
    },
    /// Steps were made.
    Step {
        /// Steps done.
        step: u64,
        /// Steps in all.
        steps: u64,
        /// Mean loss since the last report.
        loss: f32,
        /// Seconds spent in steps, over all parts of the run.
        seconds: f64,
    },
    /// The trained network was looked at for signs of collapse: its health, bicubic's and the truth's.
    Examined([Health; 3]),
    /// The network was judged on pictures that it does not learn from.
    Validated {
        /// Steps done.
        step: u64,
        /// How it fared.
        scores: Scores,
    },
}

/// Mean luma PSNR over frames, in dB.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores {
    /// Frames judged.
    pub frames: usize,
    /// Of bicubic alone.
    pub bicubic: f64,
    /// Of bicubic and the network.
    pub model: f64,
}

/// A training that came to nothing. Names the file and says what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting that cannot be.
    #[error("cannot train with {0}")]
    Config(String),
    /// The folder of pictures cannot be read.
    #[error("cannot read the folder of pictures {}: {source}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is nothing in it.
    #[error("there are no pictures in {}: give a folder of .png, .jpg or .jpeg files", .0.display())]
    NoPictures(PathBuf),
    /// A picture cannot be used.
    #[error("cannot use the picture {}: {why}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A clip of a picture could not be made.
    #[error("cannot make a clip of {}: {why}", path.display())]
    Clip {
        /// The picture.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The encoder gave nothing to learn from.
    #[error("the encoder skipped every frame that was to be learnt from: give larger or more pictures")]
    NoPairs,
    /// More pictures than memory is set aside for.
    #[error("the clips take more than {0} GiB: give fewer pictures, clips or frames")]
    TooMuch(u64),
    /// The cache of pairs is damaged.
    #[error("cannot use the cached pairs {}: {why}. Delete the file, and they are made anew", path.display())]
    Cache {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// The checkpoint cannot be used.
    #[error("cannot use the checkpoint {}: {why}. Train without resuming to start afresh", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The loss is no longer a number.
    #[error("training diverged at step {0}: lower the learning rate")]
    Diverged(u64),
    /// The tensor library failed.
    #[error("burn failed: {0}")]
    Burn(String),
    /// The numbers do not make a model.
    #[error(transparent)]
    Model(#[from] ModelError),
}

impl TrainConfig {
    fn check(&self) -> Result<(), TrainError> {
        let wrong = |why: &str| Err(TrainError::Config(why.to_owned()));
        if !(1..=1024).contains(&self.batch) || !(8..=256).contains(&self.patch) {
            return wrong("such patches: a batch has 1 to 1024 of them, each with 8 to 256 pixels on a side");
        }
        if !(1..=1000).contains(&self.clips) || !(1..=1000).contains(&self.frames) {
            return wrong("so many clips: 1 to 1000 of each picture, with 1 to 1000 frames, are possible");
        }
        if !(self.learning_rate > 0.0 && self.learning_rate <= 1.0) {
            return wrong("this learning rate: it lies between 0 and 1");
        }
        if !(1e-6..=1.0).contains(&self.loss.epsilon) || !(0.0..=100.0).contains(&self.loss.gradient) {
            return wrong(
                "this loss: its epsilon lies between 0.000001 and 1, the weight of its edges between 0 and 100",
            );
        }
        let sane = |weight: f32| (0.0..=1000.0).contains(&weight);
        if self.vivid.is_some_and(|terms| !terms.named().iter().all(|(_, weight)| sane(*weight))) {
            return wrong("these terms: the weight of each lies between 0 and 1000");
        }
        if !(0.1..=4.0).contains(&self.emphasis) {
            return wrong("this emphasis: it lies between 0.1 and 4");
        }
        if self.vivid.is_some() && self.patch <= 2 * critic::RADIUS {
            return wrong("such small patches: the critic needs more than 8 pixels on a side");
        }
        if self.steps == 0 || self.validate_every == 0 {
            return wrong("zero steps");
        }
        if self.resume && self.checkpoint.is_none() {
            return wrong("resuming but no checkpoint: say where it is");
        }
        if self.out.file_stem().is_none() {
            return wrong("an output that is not a file: give a name that ends in .safetensors");
        }
        Ok(())
    }

    fn name(&self) -> String {
        self.out.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned())
    }

    /// What makes two runs the same run.
    fn key(&self, pairs: &Pairs) -> String {
        format!(
            "{} channels, {} layers{}{}{}, {} steps, seed {}, {} patches of {}, rate {}, epsilon {}, edges {}, \
             {} clips of {} frames, {} pairs{}",
            self.channels,
            self.layers,
            if self.wide { ", wide" } else { "" },
            if self.by_qp { ", by QP" } else { "" },
            self.from.as_ref().map_or_else(String::new, |path| format!(", from {}", path.display())),
            self.steps,
            self.seed,
            self.batch,
            self.patch,
            self.learning_rate,
            self.loss.epsilon,
            self.loss.gradient,
            self.clips,
            self.frames,
            pairs.train.len(),
            self.vivid.map_or_else(String::new, |terms| format!(", {}", in_words(terms)))
                + &(if self.emphasis == 1.0 { String::new() } else { format!(", emphasis {}", self.emphasis) }),
        )
    }
}

/// Terms and their weights.
fn in_words(terms: Terms) -> String {
    let counts = terms.named().map(|(name, weight)| format!("{name} {weight}"));
    format!("vivid: {}", counts.join(", "))
}

/// Trains a model and writes its file. `progress` is called now and then, from this thread.
pub fn run(config: &TrainConfig, progress: &mut dyn FnMut(Progress)) -> Result<Model, TrainError> {
    config.check()?;
    let kind = Kind { wide: config.wide, by_qp: config.by_qp };
    let untrained = match &config.from {
        Some(path) => {
            let model = Model::read(path)?;
            let (channels, layers) = (model.info().channels, model.info().depth);
            if channels > config.channels || layers > config.layers {
                let why = format!("{}: it has {channels} channels and {layers} layers", path.display());
                return Err(TrainError::Config(format!("a start that is larger than what is to be trained, {why}")));
            }
            Net::from_model(&grow::grown(&model, config.channels, config.layers, config.seed)?, kind, config.seed)
        }
        None => Net::untrained(config.channels, config.layers, kind, config.seed)?,
    };
    make_folder(&config.out)?;
    let (pairs, pictures) = synthesis::pairs(config, progress)?;
    let smallest = pairs.train.iter().map(|p| p.width().min(p.height())).min().unwrap_or(0);
    if smallest < config.patch {
        let why = format!("patches of {} pixels: the smallest clip has {smallest} pixels on a side", config.patch);
        return Err(TrainError::Config(why));
    }
    let (run, net) = fit_all(config, &pairs, untrained, progress)?;
    let folded = net.fold(&run.average);
    let scores = judge(&folded, pairs.validation.iter());
    if let Some(scores) = scores {
        progress(Progress::Validated { step: run.step, scores });
    }
    let health = health::measure(&folded, &pairs.validation, config.seed);
    if let Some(health) = health {
        progress(Progress::Examined(health));
    }
    let mut named = scores.map(Scores::named).unwrap_or_default();
    named.extend(health.map(named_health).unwrap_or_default());
    let training = Training {
        trained_on: format!(
            "{pictures} pictures as {} frames of moving clips through the project's scaler and H.264 encoder at \
             80 to 1500 kbit/s for 480x360; Charbonnier loss ({}, edges {}){}, {} patches of {} a step, Adam, seed {}, \
             {:.0} s",
            pairs.train.len(),
            config.loss.epsilon,
            config.loss.gradient,
            config.vivid.map_or_else(String::new, |terms| {
                format!(", details times {}, {}", config.emphasis, in_words(terms))
            }),
            config.batch,
            config.patch,
            config.seed,
            run.seconds
        ),
        steps: run.step,
        scores: named,
    };
    let model = Model::with_qp(config.name(), folded.layers, folded.by_qp, training)?;
    write_whole(&config.out, &model.to_bytes()?)?;
    Ok(model)
}

impl Scores {
    /// As they stand in a model file.
    fn named(self) -> std::collections::BTreeMap<String, f64> {
        let round = |v: f64| (v * 1000.0).round() / 1000.0;
        [
            ("validation_frames", self.frames as f64),
            ("validation_psnr_y", round(self.model)),
            ("validation_psnr_y_bicubic", round(self.bicubic)),
            ("validation_psnr_y_gain_db", round(self.model - self.bicubic)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }
}

/// As they stand in a model file: the network's, and what they are without one.
fn named_health([model, bicubic, truth]: [Health; 3]) -> std::collections::BTreeMap<String, f64> {
    let round = |v: f64| (v * 1000.0).round() / 1000.0;
    let mut named = std::collections::BTreeMap::new();
    for (who, health) in [("", model), ("_bicubic", bicubic), ("_truth", truth)] {
        named.insert(format!("validation_rank{who}"), round(health.rank));
        named.insert(format!("validation_condition{who}"), round(health.condition));
    }
    named.insert("validation_spread".to_owned(), round(model.spread));
    for (band, (model, bicubic)) in model.sharpness.into_iter().zip(bicubic.sharpness).enumerate() {
        named.insert(format!("validation_sharpness_{band}_db"), round(model));
        named.insert(format!("validation_sharpness_{band}_db_bicubic"), round(bicubic));
    }
    named
}

/// All steps, with validations and checkpoints between them.
fn fit_all(
    config: &TrainConfig,
    pairs: &Pairs,
    mut net: Net,
    progress: &mut dyn FnMut(Progress),
) -> Result<(Progressed, Net), TrainError> {
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
        Some(weights) => Some((weights, resume(&|files| &files.critic, critic::untrained(config.seed))?)),
        None => None,
    };
    progress(Progress::Ready { training: pairs.train.len(), validation: pairs.validation.len(), step: run.step });
    let (first, radius) = (run.step, net.radius());
    std::thread::scope(|scope| {
        // Patches are cut ahead of time on a thread of their own. Each step has its own random numbers, so a
        // resumed run sees the same patches.
        let (send, receive) = mpsc::sync_channel(2);
        let draw = Draw::new(&pairs.train);
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
            let rate = fit::learning_rate(config.learning_rate, run.step, config.steps);
            let (loss, gradient) = match &mut critic {
                None => net.learn(&batch, config.patch, config.loss)?,
                Some((weights, critic)) => {
                    let wanted = Wanted { loss: config.loss, weights: *weights };
                    let learnt = adversarial::learn(&net, &Critic::new(&critic.numbers), &batch, config.patch, wanted)?;
                    if learnt.by_critic.iter().any(|g| !g.is_finite()) {
                        return Err(TrainError::Diverged(run.step));
                    }
                    critic.descend(&learnt.by_critic, CRITIC_RATE * rate);
                    detail.add(1.0, learnt.terms);
                    of_critic += learnt.critic;
                    (learnt.terms.sum(*weights), learnt.by_net)
                }
            };
            if !loss.is_finite() || gradient.iter().any(|g| !g.is_finite()) {
                return Err(TrainError::Diverged(run.step));
            }
            run.descend(&gradient, rate);
            sum += loss;
            count += 1;
            let done = run.step == config.steps;
            if run.step % 100 != 0 && !run.step.is_multiple_of(config.validate_every) && !done {
                continue;
            }
            run.seconds += clock.elapsed().as_secs_f64();
            let loss = sum / count as f32;
            let mut terms = Terms::ZERO;
            terms.add(1.0 / count as f32, std::mem::replace(&mut detail, Terms::ZERO));
            let paid = of_critic / count as f32;
            (sum, count, of_critic) = (0.0, 0, 0.0);
            progress(Progress::Step { step: run.step, steps: config.steps, loss, seconds: run.seconds });
            if run.step.is_multiple_of(config.validate_every) || done {
                let scores = judge(&net.fold(&run.average), glance(&pairs.validation));
                if let Some(scores) = scores {
                    progress(Progress::Validated { step: run.step, scores });
                }
                if let Some(files) = &files {
                    make_folder(&files.net)?;
                    if let Some((_, critic)) = &critic {
                        critic.save(&files.critic, &key)?;
                    }
                    run.save(&files.net, &key)?;
                    log(&files.log, run.step, run.seconds, loss, scores, critic.is_some().then_some((terms, paid)))?;
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
fn judge<'a>(net: &Folded, pairs: impl Iterator<Item = &'a Pair>) -> Option<Scores> {
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

/// Makes the folder that a file is to lie in.
fn make_folder(file: &Path) -> Result<(), TrainError> {
    match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => {
            std::fs::create_dir_all(folder).map_err(|source| TrainError::Write { path: folder.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Writes a file so that it is there either whole or not at all.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), TrainError> {
    let part = path.with_extension("part");
    std::fs::write(&part, bytes)
        .and_then(|()| std::fs::rename(&part, path))
        .map_err(|source| TrainError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
