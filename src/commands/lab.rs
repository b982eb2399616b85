//! `clearcall lab`: why such networks collapse, and how small they may be.

mod collapse;
mod complexity;
mod players;
mod surface;
mod transport;

use std::path::Path;

use indicatif::{ProgressBar, ProgressStyle};

use super::{InputFault, has_extension};
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

/// Refuses a figure of another kind, or in a folder that is not there, before anything is computed.
fn figure_is(path: Option<&Path>, extension: &str) -> anyhow::Result<()> {
    let Some(path) = path else { return Ok(()) };
    if !has_extension(path, extension) {
        return Err(InputFault(format!("{} must end in .{extension}: this figure is one", path.display())).into());
    }
    has_folder(path)
}

/// Refuses a file in a folder that is not there.
fn has_folder(path: &Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder.filter(|folder| !folder.is_dir()) {
        None => Ok(()),
        Some(folder) => {
            let message = format!("cannot write {}: make the folder {} first", path.display(), folder.display());
            Err(InputFault(message).into())
        }
    }
}

/// A bar of steps on a terminal, nothing in a pipe.
fn steps_bar(length: Option<u64>, what: &'static str) -> ProgressBar {
    let bar = super::bar(length, what);
    let template =
        if length.is_some() { "{msg} {wide_bar} {pos}/{len} steps, {eta} left" } else { "{msg} {spinner} {pos} steps" };
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
