//! `clearcall train`: arguments.

use std::path::PathBuf;

use clap::Args;

use super::Amount;

/// Training on the CPU; can be stopped and resumed.
#[derive(Debug, Args)]
pub(crate) struct TrainArgs {
    /// A folder with .png and .jpg pictures
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: PathBuf,
    /// A folder with clips of real cameras to learn from as well; the first two words of a name tell who is in it, and
    /// no person is both learnt from and judged by
    #[arg(long, value_name = "DIR")]
    pub(crate) clips: Option<PathBuf>,
    /// With --clips: so many of all patches are cut from clips, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.3, requires = "clips")]
    pub(crate) clip_share: f32,
    /// The model file to write; its stem is the model's name
    #[arg(short, long, value_name = "M.safetensors")]
    pub(crate) output: PathBuf,
    /// Channels of the body
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) channels: u32,
    /// Layers of the body between the first and the last
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(0..=14))]
    pub(crate) layers: u32,
    /// Steps of the optimiser; small networks still gain after 100,000; 0 with --from only judges and measures anew
    #[arg(long, default_value_t = 20_000)]
    pub(crate) steps: u32,
    /// Start from what this model computes instead of from chance; it has no more channels or layers
    #[arg(long, value_name = "M.safetensors")]
    pub(crate) from: Option<PathBuf>,
    /// With --from: start so much of the way, from 0 to 1, to the vivid weights beside it, M.vivid.safetensors
    #[arg(long, value_name = "AMOUNT", default_value = "0", requires = "from")]
    pub(crate) from_vivid: Amount,
    /// With --from: what that model adds to bicubic is multiplied by this; above 1 for contrast where it is timid
    #[arg(long, value_name = "G", default_value_t = 1.0, requires = "from")]
    pub(crate) residual_gain: f32,
    /// How many times as wide as is usual the model's deadband is, which keeps still what stands still; without it as the
    /// model has it that --from names
    #[arg(long, value_name = "N")]
    pub(crate) deadband_factor: Option<f32>,
    /// Patches in a step
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) batch: u32,
    /// Side of a patch in low-resolution pixels
    #[arg(long, default_value_t = 56, value_parser = clap::value_parser!(u32).range(8..=256))]
    pub(crate) patch: u32,
    /// The highest learning rate; it rises to it and falls along a cosine
    #[arg(long, value_name = "RATE", default_value_t = 2e-3)]
    pub(crate) learning_rate: f32,
    /// Clips filmed of each picture; four times as many are taken of a real one
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) takes: u32,
    /// The ε of the Charbonnier loss, for luma from 0 to 1: a larger one counts as PSNR does
    #[arg(long, value_name = "E", default_value_t = 0.02)]
    pub(crate) epsilon: f32,
    /// The weight of the loss of neighbouring differences, which asks for edges
    #[arg(long, value_name = "W", default_value_t = 0.0)]
    pub(crate) edges: f32,
    /// Ask for so much of what the truth has beyond bicubic: above 1 for contrast where the codec left doubt
    #[arg(long, value_name = "X", default_value_t = 1.0)]
    pub(crate) emphasis: f32,
    /// Fine-tune also against a critic, for pictures that look sharp: with --from, a low --learning-rate, and
    /// the critic and the weights below
    #[arg(long)]
    pub(crate) vivid: bool,
    /// With --vivid: the weight of pictures that the critic takes for true ones
    #[arg(long, value_name = "W", default_value_t = 0.003, requires = "vivid")]
    pub(crate) adversarial: f32,
    /// With --vivid: how the critic is built
    #[arg(long, value_name = "NET", value_enum, default_value_t, requires = "vivid")]
    pub(crate) critic: clearcall::train::CriticNet,
    /// With --vivid: the critic says what is truer than the other side's mean, not what is true (relativistic average)
    #[arg(long, requires = "vivid")]
    pub(crate) relativistic: bool,
    /// With --vivid: the weight of the right values
    #[arg(long, value_name = "W", default_value_t = 1.0, requires = "vivid")]
    pub(crate) supervised: f32,
    /// With --vivid: the weight of the right values from a noisy input
    #[arg(long, value_name = "W", default_value_t = 0.5, requires = "vivid")]
    pub(crate) locality: f32,
    /// With --vivid: the weight of a tangent space of full rank
    #[arg(long, value_name = "W", default_value_t = 0.0002, requires = "vivid")]
    pub(crate) tangent: f32,
    /// With --vivid: the weight of the critic's features of the true picture
    #[arg(long, value_name = "W", default_value_t = 0.01, requires = "vivid")]
    pub(crate) feature: f32,
    /// With --vivid: the weight of nothing where the true picture is flat, as skin and walls are
    #[arg(long, value_name = "W", default_value_t = 0.1, requires = "vivid")]
    pub(crate) flat: f32,
    /// With --vivid: VGG16's features for the perceptual term; scripts/features.py makes the file
    #[arg(long, value_name = "VGG16.safetensors", requires = "vivid")]
    pub(crate) features: Option<PathBuf>,
    /// With --features: the weight of the features of the true picture
    #[arg(long, value_name = "W", default_value_t = 1.0, requires = "features")]
    pub(crate) perceptual: f32,
    /// With --vivid: the weight of as much of each wavelet band as the true picture has there
    #[arg(long, value_name = "W", default_value_t = 0.0, requires = "vivid")]
    pub(crate) energy: f32,
    /// With --vivid: the weight of the true picture's distribution of small patches (sliced optimal transport)
    #[arg(long, value_name = "W", default_value_t = 0.0, requires = "vivid")]
    pub(crate) transport: f32,
    /// Where to compute the steps: gpu needs a program built with the feature train-gpu, and does not train --vivid
    #[arg(long, value_enum, default_value_t)]
    pub(crate) device: clearcall::train::TrainDevice,
    /// Train the convolutions as they are, without the extra numbers that fold away
    #[arg(long)]
    pub(crate) plain_blocks: bool,
    /// One set of weights for every quantiser
    #[arg(long)]
    pub(crate) ignore_qp: bool,
    /// Decides everything that is left to chance, but for the training pairs
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Decides how the training pairs are filmed, and which are kept to judge by; runs that differ in --seed alone learn
    /// from the same pairs
    #[arg(long, value_name = "SEED", default_value_t = 1)]
    pub(crate) pairs_seed: u64,
    /// Keep the training pairs here, to use them again
    #[arg(long, value_name = "DIR")]
    pub(crate) cache: Option<PathBuf>,
    /// Keep a checkpoint and the validation curve (CSV) here
    #[arg(long, value_name = "DIR")]
    pub(crate) checkpoint: Option<PathBuf>,
    /// Go on from the checkpoint, if there is one
    #[arg(long, requires = "checkpoint")]
    pub(crate) resume: bool,
}
