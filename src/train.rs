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
//! Adam with a cosine schedule (`fit`, `course`) minimises the loss (`loss`) between bicubic plus network and the
//! original. While it learns, a convolution has more numbers than it needs (`block`); the model is what they fold
//! to. A run is a function of its pictures and its settings: the same seed gives the same weights, also
//! when the run was cut off and resumed.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use crate::{
    atomic_file,
    measure::features::{Features, FeaturesError},
    model::{Model, ModelError, Training},
};

mod adversarial;
mod batched;
mod block;
mod clip;
pub(crate) mod conv;
mod course;
mod critic;
mod elastic;
mod equalise_subpixel_dc;
pub(crate) mod fit;
mod footage;
mod grow;
pub(crate) mod health;
mod loss;
mod net;
mod op;
mod pairs;
mod perceptual;
mod photo;
mod ranges;
mod start;
mod synthesis;
pub(crate) mod terms;
mod texture;
mod transmission;

pub use critic::CriticNet;
pub use health::Health;
pub use loss::Loss;
use pairs::Pairs;
use perceptual::Perceptual;
use start::Start;
pub use terms::Terms;

/// Where the steps of a training are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum TrainDevice {
    /// The CPU, patch by patch, with this program's own convolution
    #[default]
    Cpu,
    /// A GPU, with burn's wgpu backend; only where the program was built with the feature train-gpu, and not with --vivid
    Gpu,
}

/// What to train, on what, for how long.
#[derive(Debug, Clone, PartialEq)]
pub struct TrainConfig {
    /// The folder of pictures (PNG and JPEG).
    pub pictures: PathBuf,
    /// A folder of clips of real cameras, to learn from as well.
    pub clips: Option<PathBuf>,
    /// How many of all patches are cut from these, from 0 to 1.
    pub clip_share: f32,
    /// The model file to write. Its name without folder and ending becomes the model's name.
    pub out: PathBuf,
    /// Channels of the hidden layers (C).
    pub channels: usize,
    /// Hidden layers from C to C (N).
    pub layers: usize,
    /// Steps of the optimiser; none with [`TrainConfig::from`]: the model stays what it is and says what its scores and
    /// ranges are.
    pub steps: u64,
    /// Start from what this model computes instead of from chance; it has no more channels or layers.
    pub from: Option<PathBuf>,
    /// Start so much of the way, from 0 to 1, from [`TrainConfig::from`] to its vivid weights
    /// ([`Model::find_vivid`]).
    pub from_vivid: f32,
    /// What the start adds to bicubic is multiplied by this ([`Model::with_residual_gain`]).
    pub residual_gain: f32,
    /// How many times as wide as is usual the model's deadband is ([`Model::with_deadband_factor`]); without it as the
    /// start has it.
    pub deadband_factor: Option<f32>,
    /// Decides everything that is left to chance but the pairs.
    pub seed: u64,
    /// Decides what is left to chance in the pairs: which pictures are kept to judge by, and how each is filmed. Runs
    /// with other seeds on the same pairs differ by the training alone, and share the [`TrainConfig::cache`].
    pub pairs_seed: u64,
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
    /// How the critic of vivid training is built.
    pub critic: CriticNet,
    /// The critic says what is truer than the other side's mean, not what is true (relativistic average).
    pub relativistic: bool,
    /// The features of VGG16 that [`Terms::perceptual`] needs: a file that `scripts/features.py` makes.
    pub features: Option<PathBuf>,
    /// How much of what the truth has beyond bicubic is asked for. What the codec left uncertain comes out as its
    /// mean, which has less contrast; more than 1 gives some of it back, at a cost in PSNR (Real-ESRGAN's sharpened
    /// truth, Wang et al., arXiv 2107.10833, section 3.4).
    pub emphasis: f32,
    /// Where the steps are computed.
    pub device: TrainDevice,
    /// Give each convolution more numbers than it needs while it learns; they fold together at the end.
    pub wide: bool,
    /// Let the weights follow the decoder's quantiser.
    pub by_qp: bool,
    /// Clips made of each picture.
    pub takes: u32,
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
            clips: None,
            clip_share: 0.3,
            out: PathBuf::from("model.safetensors"),
            channels: 8,
            layers: 1,
            steps: 20_000,
            from: None,
            from_vivid: 0.0,
            residual_gain: 1.0,
            deadband_factor: None,
            seed: 1,
            pairs_seed: 1,
            batch: 16,
            patch: 56,
            learning_rate: 2e-3,
            loss: Loss { epsilon: 0.02, gradient: 0.0 },
            vivid: None,
            critic: CriticNet::Patch,
            relativistic: false,
            features: None,
            emphasis: 1.0,
            device: TrainDevice::Cpu,
            wide: true,
            by_qp: true,
            takes: 8,
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
    /// There are no clips in it.
    #[error("there are no clips in {}: give a folder of .mp4, .mkv, .264 or .y4m files", .0.display())]
    NoClips(PathBuf),
    /// A picture cannot be used.
    #[error("cannot use the picture {}: {why}", path.display())]
    Picture {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Pairs of a picture or a clip could not be made.
    #[error("cannot make training pairs of {}: {why}", path.display())]
    Clip {
        /// The picture or clip.
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
    /// The features for the perceptual term cannot be used.
    #[error(transparent)]
    Features(#[from] FeaturesError),
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
        if !(1..=1000).contains(&self.takes) || !(1..=1000).contains(&self.frames) {
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
        if !(0.0..=1.0).contains(&self.clip_share) {
            return wrong("this share of clips: it lies between 0 and 1");
        }
        if !(0.1..=4.0).contains(&self.emphasis) {
            return wrong("this emphasis: it lies between 0.1 and 4");
        }
        if !(0.0..=1.0).contains(&self.from_vivid) || !(0.1..=4.0).contains(&self.residual_gain) {
            return wrong("this start: --from-vivid lies between 0 and 1, --residual-gain between 0.1 and 4");
        }
        if self.deadband_factor.is_some_and(|factor| !(0.0..=4.0).contains(&factor)) {
            return wrong("this deadband: --deadband-factor lies between 0 and 4");
        }
        if self.from.is_none() && (self.from_vivid != 0.0 || self.residual_gain != 1.0) {
            return wrong("a start that is changed but not given: give it with --from");
        }
        let least = self.critic.least_side();
        if self.vivid.is_some() && self.patch < least {
            return Err(TrainError::Config(format!(
                "such small patches: the critic needs a --patch of {least} or more"
            )));
        }
        let perceptual = self.vivid.is_some_and(|terms| terms.perceptual > 0.0);
        if perceptual != self.features.is_some() {
            return wrong("features or a perceptual term alone: the one needs the other, and both vivid training");
        }
        if self.vivid.is_some() && self.device == TrainDevice::Gpu {
            return wrong("a critic on a GPU: vivid training runs on the CPU");
        }
        if self.validate_every == 0 || self.steps == 0 && self.from.is_none() {
            return wrong("zero steps, unless they start from a model, which is then judged and measured anew");
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
             {} clips of {} frames with seed {}, {} pairs, {} of clips counting {}{}",
            self.channels,
            self.layers,
            if self.wide { ", wide" } else { "" },
            if self.by_qp { ", by QP" } else { "" },
            self.start(),
            self.steps,
            self.seed,
            self.batch,
            self.patch,
            self.learning_rate,
            self.loss.epsilon,
            self.loss.gradient,
            self.takes,
            self.frames,
            self.pairs_seed,
            pairs.train.len(),
            pairs.clips.len(),
            self.clip_share,
            self.aims(),
        )
    }

    /// Where it starts, as a part of a list.
    fn start(&self) -> String {
        let vivid = if self.from_vivid == 0.0 { String::new() } else { format!("@{}", self.from_vivid) };
        let gain = if self.residual_gain == 1.0 { String::new() } else { format!(" times {}", self.residual_gain) };
        self.from.as_ref().map_or_else(String::new, |path| format!(", from {}{vivid}{gain}", path.display()))
    }

    /// What is asked for beside the right values, as the end of a list.
    fn aims(&self) -> String {
        let emphasis = if self.emphasis == 1.0 { String::new() } else { format!(", emphasis {}", self.emphasis) };
        let device = if self.device == TrainDevice::Gpu { ", on a GPU" } else { "" };
        let critic = if self.critic == CriticNet::Unet { ", a U-net as critic" } else { "" };
        let relativistic = if self.relativistic { ", relativistic" } else { "" };
        let vivid = |terms| format!(", {}{critic}{relativistic}", in_words(terms));
        emphasis + device + &self.vivid.map_or_else(String::new, vivid)
    }
}

/// Terms and their weights.
fn in_words(terms: Terms) -> String {
    let counts = terms.named().map(|(name, weight)| format!("{name} {weight}"));
    format!("vivid: {}", counts.join(", "))
}

/// Trains a model and writes its file. `progress` is called now and then, from this thread.
///
/// # Errors
/// When the settings contradict each other, pictures or the model to start from cannot be used, or a file cannot be
/// written.
pub fn run(config: &TrainConfig, progress: &mut dyn FnMut(Progress)) -> Result<Model, TrainError> {
    config.check()?;
    let Start { net: untrained, deadband_factor, from } = Start::new(config)?;
    make_folder(&config.out)?;
    // Filming may take half an hour: what is wrong is told before.
    let features = config.features.as_ref().map(|path| Perceptual::new(&Features::read(path)?)).transpose()?;
    let (pairs, made_from) = synthesis::pairs(config, progress)?;
    let smallest = pairs.train.iter().chain(&pairs.clips).map(|p| p.width().min(p.height())).min().unwrap_or(0);
    if smallest < config.patch {
        let why = format!("patches of {} pixels: the smallest clip has {smallest} pixels on a side", config.patch);
        return Err(TrainError::Config(why));
    }
    let (run, net) = course::run(config, &pairs, features.as_ref(), untrained, progress)?;
    let folded = net.fold(&run.average).equalise_subpixel_dc();
    let scores = course::judge(&folded, pairs.validation.iter());
    if let Some(scores) = scores {
        progress(Progress::Validated { step: run.step(), scores });
    }
    let health = health::measure(&folded, &pairs.validation, config.seed);
    if let Some(health) = health {
        progress(Progress::Examined(health));
    }
    let mut named = scores.map(Scores::named).unwrap_or_default();
    named.extend(health.map(named_health).unwrap_or_default());
    let from = from.filter(|_| config.steps == 0);
    let steps = from.as_ref().map_or(run.step(), |from| from.steps);
    let trained_on = match from {
        Some(from) => from.trained_on,
        None => format!(
            "{made_from} as {} frames{} of moving clips through the project's scaler and H.264 encoder at \
             80 to 1500 kbit/s for 480x360; Charbonnier loss ({}, edges {}){}, {} patches of {} a step, Adam, seed {}, \
             pairs' seed {}, {:.0} s",
            pairs.train.len() + pairs.clips.len(),
            if pairs.clips.is_empty() {
                String::new()
            } else {
                format!(", {} of them from real clips for {} of the patches,", pairs.clips.len(), config.clip_share)
            },
            config.loss.epsilon,
            config.loss.gradient,
            config.aims(),
            config.batch,
            config.patch,
            config.seed,
            config.pairs_seed,
            run.seconds
        ),
    };
    let ranges = ranges::measure(&folded, &pairs.train, config.seed);
    let training = Training { trained_on, steps, scores: named };
    let mut model = Model::with_qp(config.name(), folded.layers, folded.by_qp, training)?
        .with_deadband_factor(config.deadband_factor.unwrap_or(deadband_factor))?;
    if let Some(ranges) = ranges {
        model = model.with_ranges(ranges)?;
    }
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
    atomic_file::write(path, |file| file.write_all(bytes))
        .map_err(|source| TrainError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
