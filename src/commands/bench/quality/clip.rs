//! The clips: what they are called, and at which sizes they are compared.

use std::path::{Path, PathBuf};

use clearcall::{frame::Size, source::clip::ClipReader};

use crate::commands::{Input as _, InputFault};

/// A clip and what becomes of it.
#[derive(Debug)]
pub(super) struct Clip {
    pub(super) path: PathBuf,
    /// Its file's name without the ending, or its whole path where another is called the same.
    pub(super) name: String,
    pub(super) size: Size,
    pub(super) fps: f64,
    /// How many are read.
    pub(super) frames: u64,
    /// What is sent.
    pub(super) low: Size,
    /// What outputs are compared with: twice of it.
    pub(super) truth: Size,
}

impl Clip {
    /// Opens all of them once, so that a wrong one is told before hours of work.
    pub(super) fn open_all(paths: &[PathBuf], bound: Size, limit: Option<u32>) -> anyhow::Result<Vec<Self>> {
        let mut clips = paths.iter().map(|p| Self::open(p, bound, limit)).collect::<anyhow::Result<Vec<_>>>()?;
        for i in 0..clips.len() {
            if clips.iter().filter(|c| c.name == clips[i].name).count() > 1 {
                clips[i].name = clips[i].path.display().to_string();
            }
        }
        Ok(clips)
    }

    fn open(path: &Path, bound: Size, limit: Option<u32>) -> anyhow::Result<Self> {
        let mut reader = ClipReader::open(path).input()?;
        let size = reader.size();
        let half = |side: u32, bound: u32| (side / 2).min(bound);
        let small = |_| InputFault(format!("{} is {size}, too small to be sent at half its size", path.display()));
        let bound = Size::new(half(size.width(), bound.width()), half(size.height(), bound.height())).map_err(small)?;
        let low = size.fit_even(bound);
        let truth = low.times(2).input()?;
        let limit = limit.map_or(u64::MAX, u64::from);
        let frames = match reader.frames_hint() {
            Some(frames) => frames.min(limit),
            None => count(&mut reader, limit)?,
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { path: path.to_owned(), name, size, fps: f64::from(reader.fps()), frames, low, truth })
    }
}

fn count(reader: &mut ClipReader, limit: u64) -> anyhow::Result<u64> {
    let mut frames = 0;
    while frames < limit && reader.next().input()?.is_some() {
        frames += 1;
    }
    Ok(frames)
}
