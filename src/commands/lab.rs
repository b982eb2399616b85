//! `clearcall lab`: why such networks collapse, and how small they may be.

mod complexity;

use crate::cli::LabCommand;

pub(crate) fn run(command: &LabCommand) -> anyhow::Result<()> {
    match command {
        LabCommand::Complexity(command) => complexity::run(command),
    }
}
