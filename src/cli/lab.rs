//! `clearcall lab`: arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};

mod complexity;

pub(crate) use complexity::{BoundsArgs, ComplexityCommand, CountArgs, CurvesArgs, LadderArgs, TurnsArgs};

/// The experiments.
#[derive(Debug, Subcommand)]
pub(crate) enum LabCommand {
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
