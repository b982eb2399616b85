//! `clearcall lab`: why such networks collapse, and how small they may be.

mod collapse;
mod complexity;
mod players;
mod surface;
mod transport;

use crate::cli::LabCommand;

pub(crate) fn run(command: &LabCommand) -> anyhow::Result<()> {
    match command {
        LabCommand::Collapse(args) => collapse::run(args),
        LabCommand::Players(args) => players::run(args),
        LabCommand::Surface(args) => surface::run(args),
        LabCommand::Transport(args) => transport::run(args),
        LabCommand::Complexity(command) => complexity::run(command),
    }
}
