//! `clearcall lab`: why such networks collapse, and how small they may be.

mod complexity;
mod surface;
mod transport;

use crate::cli::LabCommand;

pub(crate) fn run(command: &LabCommand) -> anyhow::Result<()> {
    match command {
        LabCommand::Surface(args) => surface::run(args),
        LabCommand::Transport(args) => transport::run(args),
        LabCommand::Complexity(command) => complexity::run(command),
    }
}
