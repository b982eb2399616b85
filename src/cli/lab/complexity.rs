//! `clearcall lab complexity`: arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clearcall::model::Widths;

use super::LabOutput;

/// What can be asked about linear pieces.
#[derive(Debug, Subcommand)]
pub(crate) enum ComplexityCommand {
    /// How many pieces a network can have, by its widths
    Bounds(BoundsArgs),
    /// How many the networks have on real pictures, counted exactly, and what never switches there
    ///
    /// The figure is a .png: the cells of a plane through three patches, a colour for each.
    Count(CountArgs),
    /// How many pieces smooth curves and a surface need for an error, and what trained networks reach
    ///
    /// The figure is an .svg.
    Curves(CurvesArgs),
    /// What upscalers of some sizes gain, trained alike, against the pieces that they have
    ///
    /// Trains about twenty networks, and judges the shipped ones on the same pictures. The figure is an .svg.
    Ladder(LadderArgs),
    /// A curve that a network cannot learn, whatever its weights, and larger ones that learn it
    ///
    /// The figure is an .svg.
    Turns(TurnsArgs),
}

#[derive(Debug, Args)]
pub(crate) struct BoundsArgs {
    /// Inputs, hidden layers and outputs of a dense network, as in 2,16,16,1; may be repeated
    #[arg(long, value_name = "N,N,…")]
    pub(crate) widths: Vec<Widths>,
    /// A model's name or a .safetensors file, for one pixel of its picture; may be repeated. Without it and --widths all
    /// shipped models
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) model: Vec<String>,
    /// Print JSON on stdout instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CountArgs {
    /// A model's name or a .safetensors file; may be repeated. Without it all shipped models
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) model: Vec<String>,
    /// Where patches come from: a video, or `scene`; scaled into 480x360, coded with 300 kbit/s and decoded
    #[arg(long, value_name = "FILE", default_value = "scene")]
    pub(crate) clip: PathBuf,
    /// So many frames of it are coded; one in six is looked at
    #[arg(long, value_name = "N", default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) frames: u32,
    /// Lines between two patches
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) lines: u32,
    #[command(flatten)]
    pub(crate) to: LabOutput,
}

#[derive(Debug, Args)]
pub(crate) struct CurvesArgs {
    /// Steps of each network's training
    #[arg(long, value_name = "N", default_value_t = 4000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) steps: u32,
    #[command(flatten)]
    pub(crate) to: LabOutput,
}

#[derive(Debug, Args)]
pub(crate) struct LadderArgs {
    /// A folder of pictures (.png, .jpg) to learn from and to judge by
    #[arg(long, value_name = "DIR")]
    pub(crate) pictures: PathBuf,
    /// Steps of each network's training
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) steps: u32,
    /// Patches in a step
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) batch: u16,
    /// Side of a patch, in low-resolution pixels
    #[arg(long, value_name = "N", default_value_t = 40, value_parser = clap::value_parser!(u16).range(8..=256))]
    pub(crate) patch: u16,
    /// Clips made of each picture
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) takes: u16,
    /// Multiplications for a low-resolution pixel at which widths and depths are compared
    #[arg(long, value_name = "MAC,…", value_delimiter = ',', default_value = "500,1000,2000,5000",
        value_parser = clap::value_parser!(u32).range(90..=100_000))]
    pub(crate) budgets: Vec<u32>,
    /// Where the patches come from between which pieces are counted, as `count` has it
    #[arg(long, value_name = "FILE", default_value = "scene")]
    pub(crate) clip: PathBuf,
    /// Lines between two patches
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) lines: u32,
    /// Keep the trained models and the training pairs in this folder; without it they are thrown away
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) to: LabOutput,
}

#[derive(Debug, Args)]
pub(crate) struct TurnsArgs {
    /// Units of the small network's hidden layers; each next one has twice as many
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "6",
        value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) hidden: Vec<u32>,
    /// How many networks are tried, each twice as wide as the one before
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=6))]
    pub(crate) sizes: u32,
    /// Trainings of each, with other random weights
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) seeds: u32,
    /// Steps of each training
    #[arg(long, value_name = "N", default_value_t = 8000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) steps: u32,
    #[command(flatten)]
    pub(crate) to: LabOutput,
}
