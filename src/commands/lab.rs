//! `clearcall lab`: why such networks collapse, and how small they may be.

use crate::cli::LabCommand;

mod surface;
mod transport;

pub(crate) fn run(command: &LabCommand) -> anyhow::Result<()> {
    match command {
        LabCommand::Surface(args) => surface::run(args),
        LabCommand::Transport(args) => transport::run(args),
    }
}
