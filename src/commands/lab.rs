//! `clearcall lab`: why such networks collapse, and how small they may be.

use crate::cli::LabCommand;

mod transport;

pub(crate) fn run(command: &LabCommand) -> anyhow::Result<()> {
    match command {
        LabCommand::Transport(args) => transport::run(args),
    }
}
