//! `clearcall bench`: how good and how fast.

pub(super) mod quality;
mod speed;

use crate::cli::BenchCommand;

pub(crate) fn run(command: &BenchCommand) -> anyhow::Result<()> {
    match command {
        BenchCommand::Quality(args) => quality::run(args),
        BenchCommand::Speed(args) => speed::run(args),
    }
}
