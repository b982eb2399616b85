//! `clearcall blind`: arguments.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clearcall::{
    app::{blind_files::PlainName, compare::blind_test::ROUNDS},
    frame::Size,
    upscale::EngineChoice,
};

use super::BitsPerSecond;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct BlindArgs {
    #[command(subcommand)]
    pub(crate) command: Option<BlindCommand>,
    #[command(flatten)]
    pub(crate) test: TestArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BlindCommand {
    /// Count the reports of several people together
    ///
    /// For each bitrate and in all: votes for A, for B and for none, and the share of B among those with a preference, with
    /// an interval of 95 % over votes (Wilson) and, from three people on, over people (Student's t of their shares): votes
    /// of one person hang together.
    Merge(MergeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// A folder of videos that were little compressed: .mp4 with H.264, .264/.h264, .y4m; of each the first minute is used
    #[arg(long, value_name = "DIR", required = true)]
    pub(crate) clips: Option<PathBuf>,
    /// One side: bilinear, bicubic, lanczos, truth (the clip itself), or a model's name or file, NAME@0.6 with so much of
    /// its vivid weights
    #[arg(long, value_name = "NAME", default_value = "bicubic")]
    pub(crate) a: String,
    /// The other side, likewise
    #[arg(long, value_name = "NAME", default_value = "medium@0.5")]
    pub(crate) b: String,
    /// Bits a second for the video
    #[arg(long, value_name = "RATES", value_delimiter = ',', default_value = "150k,300k,600k")]
    pub(crate) bitrates: Vec<BitsPerSecond>,
    /// The picture that is sent fits into this size; a clip smaller than twice of it is sent at half its own
    #[arg(long, default_value = "480x360")]
    pub(crate) size: Size,
    /// How many rounds
    #[arg(long, value_name = "N", default_value_t = ROUNDS as u16, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub(crate) rounds: u16,
    /// Decides everything that is left to chance; another one each time without it
    #[arg(long, value_name = "S")]
    pub(crate) seed: Option<u64>,
    /// Write the votes to this file as JSON
    #[arg(long, value_name = "FILE.json")]
    pub(crate) report: Option<PathBuf>,
    /// A name or number for who votes, for the report; there is none in it without this
    #[arg(long, value_name = "NAME")]
    pub(crate) person: Option<PlainName>,
    /// Where the CNN runs; auto takes the GPU if there is a real one
    #[arg(long, value_enum, default_value_t)]
    pub(crate) engine: EngineChoice,
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Reports that `clearcall blind --report` wrote, of the same two sides
    #[arg(value_name = "REPORT.json", required = true)]
    pub(crate) reports: Vec<PathBuf>,
    /// Print JSON on stdout
    #[arg(long)]
    pub(crate) json: bool,
}
