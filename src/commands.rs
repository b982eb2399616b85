//! One file a command: from arguments to the library and back to words and exit codes.

/// A line on stdout. Whoever closed the other end of the pipe wants no more of it, and that is no failure.
macro_rules! out {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        let _ = writeln!(std::io::stdout(), $($text)*);
    }};
}

pub(crate) mod bench;
#[cfg(feature = "app")]
pub(crate) mod blind;
pub(crate) mod call;
pub(crate) mod encode;
#[cfg(feature = "train")]
pub(crate) mod lab;
pub(crate) mod list;
pub(crate) mod measure;
mod settled_size;
#[cfg(feature = "train")]
pub(crate) mod train;
pub(crate) mod upscale;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use clearcall::{
    frame::{Frame, Size},
    measure::{Scores, Summary},
    model::Model,
    source::clip::{ClipFrame, ClipReader, Loss},
};
use indicatif::{ProgressBar, ProgressStyle};
use rayon::prelude::*;
use serde::Serialize;

/// Marks an error whose cause is what the user gave: exit code 3.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InputFault(pub(crate) String);

/// Marks work that was done on a video of which pictures are missing or damaged: exit code 4.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Incomplete {
    /// Of the pictures.
    #[error("{}: {loss}. The rest is done; if there is a whole copy of it, take that", path.display())]
    Loss { path: PathBuf, loss: Loss },
    /// From a place on.
    #[error("{}: {stopped}", path.display())]
    Stopped { path: PathBuf, stopped: Stopped },
}

/// Why a video was not gone through to its end, though there were pictures before.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// What is written has one size.
    #[error(
        "its pictures change from {from} to {to} at frame {at}, where this stops: the {at} frames before are done; \
         cut it there for the rest"
    )]
    Size { at: u64, from: Size, to: Size },
    /// It cannot be read on.
    #[error("{0}")]
    Unreadable(String),
}

impl Serialize for Stopped {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The next picture. What goes wrong behind the first one ends the video there; before, it is an error.
pub(crate) fn next_picture(
    video: &mut ClipReader,
    read: u64,
    stopped: &mut Option<Stopped>,
) -> anyhow::Result<Option<ClipFrame>> {
    match video.next() {
        Err(error) if read > 0 => {
            *stopped = Some(Stopped::Unreadable(error.to_string()));
            Ok(None)
        }
        next => next.input(),
    }
}

/// How a command ends that has written and said all there is of a video.
pub(crate) fn ended(video: &ClipReader, stopped: Option<Stopped>) -> anyhow::Result<()> {
    match stopped {
        None => whole(video),
        Some(Stopped::Unreadable(why)) => Err(InputFault(why).into()),
        Some(stopped) => Err(Incomplete::Stopped { path: video.path().to_owned(), stopped }.into()),
    }
}

/// What a summary in words adds of a video that was not whole.
pub(crate) fn shortfall(video: &ClipReader, stopped: Option<&Stopped>) -> String {
    let loss = Some(video.loss()).filter(|loss| *loss != Loss::default()).map(|loss| format!("; {loss}"));
    let stopped = stopped.map(|_| "; it was not gone through to its end");
    format!("{}{}", loss.unwrap_or_default(), stopped.unwrap_or_default())
}

/// Says what a video that was read to its end lacked. To be asked when all that there is has been written and said.
pub(crate) fn whole(video: &ClipReader) -> anyhow::Result<()> {
    match video.loss() {
        Loss { lost: 0, damaged: 0 } => Ok(()),
        loss => Err(Incomplete::Loss { path: video.path().to_owned(), loss }.into()),
    }
}

/// Turns an error into an [`InputFault`], message unchanged.
pub(crate) trait Input<T> {
    fn input(self) -> anyhow::Result<T>;
}

impl<T, E: std::fmt::Display> Input<T> for Result<T, E> {
    fn input(self) -> anyhow::Result<T> {
        self.map_err(|error| InputFault(error.to_string()).into())
    }
}

/// A bar on a terminal, nothing in a pipe.
pub(crate) fn bar(length: Option<u64>, what: &'static str) -> ProgressBar {
    let bar = length.map_or_else(ProgressBar::no_length, ProgressBar::new);
    let template = if length.is_some() {
        "{msg} {wide_bar} {pos}/{len} frames, {per_sec}, {eta} left"
    } else {
        "{msg} {spinner} {pos} frames, {per_sec}"
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.with_message(what)
}

/// Scores frames as they come, some at a time on all cores: SSIMULACRA2 takes most of a second for a frame.
#[derive(Default)]
pub(crate) struct Scoring {
    waiting: Vec<(Frame, Frame)>,
    done: Vec<Scores>,
}

impl Scoring {
    /// Takes a frame and what it is held against.
    pub(crate) fn push(&mut self, reference: Frame, frame: Frame) -> anyhow::Result<()> {
        self.waiting.push((reference, frame));
        if self.waiting.len() >= rayon::current_num_threads() { self.work() } else { Ok(()) }
    }

    fn work(&mut self) -> anyhow::Result<()> {
        let scores: Result<Vec<Scores>, _> =
            self.waiting.par_iter().map(|(reference, frame)| Scores::of(reference, frame)).collect();
        self.done.extend(scores.input()?);
        self.waiting.clear();
        Ok(())
    }

    /// Frames taken so far.
    pub(crate) fn frames(&self) -> usize {
        self.done.len() + self.waiting.len()
    }

    /// The summary; none without frames.
    pub(crate) fn finish(mut self) -> anyhow::Result<Option<Summary>> {
        self.work()?;
        if self.done.is_empty() { Ok(None) } else { Ok(Some(Summary::new(self.done)?)) }
    }
}

/// The model that `name` means, by name or by file, `vivid` (0 to 1) of the way to its vivid weights.
pub(crate) fn model(name: &str, vivid: f32) -> anyhow::Result<Arc<Model>> {
    blend(name, vivid_weights(name, vivid)?, vivid)
}

/// The same, but a model without vivid weights stays what it is.
pub(crate) fn blended(name: &str, vivid: f32) -> anyhow::Result<Arc<Model>> {
    blend(name, Model::find_vivid(name).input()?, vivid)
}

fn blend(name: &str, weights: Option<Model>, vivid: f32) -> anyhow::Result<Arc<Model>> {
    let model = Model::find(name).input()?;
    match weights {
        Some(weights) => model.blended(&weights, vivid).map(Arc::new).input(),
        None => Ok(Arc::new(model)),
    }
}

/// The vivid weights of a model, if there are some; there must be where `vivid` is more than nothing.
pub(crate) fn vivid_weights(name: &str, vivid: f32) -> anyhow::Result<Option<Model>> {
    let weights = Model::find_vivid(name).input()?;
    if weights.is_none() && vivid > 0.0 {
        return Err(InputFault(format!("there are no vivid weights for the model {name}: leave --vivid out")).into());
    }
    Ok(weights)
}

/// Whether `path` ends in `.extension`, in any case.
pub(crate) fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(extension))
}

/// Refuses to write over the file that is being read.
pub(crate) fn not_onto_itself(input: &Path, output: &Path) -> anyhow::Result<()> {
    match (input.canonicalize(), output.canonicalize()) {
        (Ok(a), Ok(b)) if a == b => {
            Err(InputFault(format!("{} is the input; give -o another name", output.display())).into())
        }
        _ => Ok(()),
    }
}
