//! `clearcall lab collapse` and `clearcall lab players`: arguments.

use std::path::PathBuf;

use clap::Args;
use clearcall::lab::collapse::Data;

use super::LabOutput;

/// `clearcall lab collapse`.
#[derive(Debug, Args)]
pub(crate) struct CollapseArgs {
    /// What the generators are to make
    #[arg(long, default_value = "two")]
    pub(crate) data: Data,
    /// Steps of each generator
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) steps: u32,
    /// How often each recipe is tried, each time from another seed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) seeds: u32,
    /// How much the tangent term counts where it is used; without it 1e-7, and 1e-3 for digits
    #[arg(long, value_name = "WEIGHT", value_parser = weight)]
    pub(crate) tangent: Option<f32>,
    /// Write the training as a video, .y4m or .mp4
    #[arg(long, value_name = "FILE")]
    pub(crate) film: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) output: LabOutput,
}

/// `clearcall lab players`.
#[derive(Debug, Args)]
pub(crate) struct PlayersArgs {
    /// Steps of each network
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) steps: u32,
    /// How often each is trained, each time from another seed
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) seeds: u32,
    #[command(flatten)]
    pub(crate) output: LabOutput,
}

fn weight(text: &str) -> Result<f32, String> {
    let weight: f32 = text.parse().map_err(|_| "give a number, such as 1e-6".to_owned())?;
    if (0.0..=1e6).contains(&weight) { Ok(weight) } else { Err("give a number from 0 to 1e6".to_owned()) }
}
