//! `clearcall lab`: arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clearcall::lab::transport::{Source, targets::TargetSet};

mod collapse;
mod complexity;

pub(crate) use collapse::{CollapseArgs, PlayersArgs};
pub(crate) use complexity::{BoundsArgs, ComplexityCommand, CountArgs, CurvesArgs, LadderArgs, TurnsArgs};

/// The experiments.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
    /// Mode collapse, made and mended: generators trained by a game, alone and with more terms, beside optimal transport
    ///
    /// Each recipe trains the same generator from the same seeds. The figure (.png) has a row for each and shows what it
    /// makes over the steps.
    Collapse(CollapseArgs),
    /// A generator out of a critic by a formula, without training one, and the other way round
    ///
    /// For the cost ½|x − y|² the optimal map is T(x) = x − ∇φ(x). On two Gaussians, beside trained generators and the
    /// exact map; the figure is a .png.
    Players(PlayersArgs),
    /// The optimal-mass-transport map from a density to points: of all maps, the one that moves the mass least
    ///
    /// In the plane it is exact: the source is cut into one convex cell for each point, and the figure shows them. In
    /// more dimensions it is learnt from random samples, and the figure shows how its error falls.
    Transport(TransportArgs),
    /// A bust, encoded to the plane and decoded again: uneven samples, and the map that makes them even
    ///
    /// An autoencoder (3-2-3, ReLU) learns a bust; uniform samples of its code are decoded without and with the transport
    /// map; and networks learn decoder and map at once. The figure, a .png, shows samples and linear pieces.
    Surface(SurfaceArgs),
    /// How small may the network be? Linear pieces: bounded, counted, and what a task needs
    #[command(subcommand)]
    Complexity(ComplexityCommand),
}

/// What every experiment takes.
#[derive(Debug, Args)]
pub(crate) struct LabOutput {
    /// Decides everything that is left to chance; the same seed gives the same numbers
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// The figure to write, an .svg or .png as the experiment says; none without it
    #[arg(short, long, value_name = "FIGURE")]
    pub(crate) output: Option<PathBuf>,
    /// Print JSON on stdout instead of a table
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TransportArgs {
    /// Points that the mass goes to, at equal parts
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) points: u32,
    /// Where the mass comes from
    #[arg(long, value_enum, default_value_t = Source::Gaussian)]
    pub(crate) source: Source,
    /// Which points; in more than two dimensions there are random, gaussian and two-gaussians
    #[arg(long, value_enum, default_value_t = TargetSet::TwoGaussians)]
    pub(crate) target: TargetSet,
    /// Dimensions; above 2 by random samples
    #[arg(long, value_name = "D", default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=256))]
    pub(crate) dimension: u16,
    /// Random samples to learn from, in more than two dimensions; 400,000 without it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(10_000..=100_000_000))]
    pub(crate) samples: Option<u32>,
    /// Measure on one core how the time grows with the points, up to --points
    #[arg(long)]
    pub(crate) growth: bool,
    #[command(flatten)]
    pub(crate) output: LabOutput,
}

#[derive(Debug, Args)]
pub(crate) struct SurfaceArgs {
    /// Units of each of the two hidden layers of encoder and decoder
    #[arg(long, value_name = "N", default_value_t = 48, value_parser = clap::value_parser!(u16).range(2..=512))]
    pub(crate) width: u16,
    /// Steps of training for each network, of 256 places each
    #[arg(long, value_name = "N", default_value_t = 12_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub(crate) steps: u32,
    /// Samples that are held against the surface
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1000..=1_000_000))]
    pub(crate) samples: u32,
    /// Let the encoder find its chart alone, without being told one at first that has no folds
    #[arg(long)]
    pub(crate) unguided: bool,
    #[command(flatten)]
    pub(crate) output: LabOutput,
}
