//! The clips: what they are called, and at which sizes they are compared.

use std::path::{Path, PathBuf};

use clearcall::{
    frame::Size,
    pipeline::{SizeChoice, largest},
    source::clip::{ClipError, ClipReader},
};

use crate::commands::{Input as _, InputFault};

/// All that can be opened in a folder, by name. A video that is damaged is an error: a set is not to shrink unseen.
pub(in crate::commands) fn in_folder(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unreadable = |error| InputFault(format!("the folder {} cannot be read: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>).map_err(unreadable)?;
    let mut paths: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    paths.sort_unstable();
    let mut clips = Vec::new();
    for path in paths {
        match ClipReader::open(&path) {
            Err(error @ (ClipError::Unknown { .. } | ClipError::Unsupported { .. })) => {
                eprintln!("note: left out: {error}");
            }
            opened => {
                opened.input()?;
                clips.push(path);
            }
        }
    }
    if clips.is_empty() {
        return Err(InputFault(format!("there is no video in the folder {}", folder.display())).into());
    }
    Ok(clips)
}

/// A clip and what becomes of it.
#[derive(Debug)]
pub(in crate::commands) struct Clip {
    pub(in crate::commands) path: PathBuf,
    /// Its file's name without the ending, or its whole path where another is called the same.
    pub(in crate::commands) name: String,
    pub(in crate::commands) size: Size,
    pub(in crate::commands) fps: f64,
    /// How many are read.
    pub(in crate::commands) frames: u64,
    /// What is sent.
    pub(in crate::commands) sent: Vec<Sent>,
    /// What outputs are compared with: twice of what is sent, or the largest size at which a call sends it where several are.
    pub(in crate::commands) truth: Size,
}

/// A size that is sent.
#[derive(Debug, Clone)]
pub(in crate::commands) struct Sent {
    pub(in crate::commands) asked: SizeChoice,
    /// With the clip's shape; none where it depends on the bitrate.
    pub(in crate::commands) size: Option<Size>,
}

/// At which sizes clips are sent.
#[derive(Debug, Clone, Copy)]
pub(in crate::commands) enum Sizes<'a> {
    /// Within one, and at half of the clip's own at most.
    Half(Size),
    /// Within each of these.
    Each(&'a [SizeChoice]),
}

impl Clip {
    /// Opens all of them once, so that a wrong one is told before hours of work.
    pub(in crate::commands) fn open_all(
        paths: &[PathBuf],
        sizes: Sizes<'_>,
        limit: Option<u32>,
    ) -> anyhow::Result<Vec<Self>> {
        let mut clips = paths.iter().map(|p| Self::open(p, sizes, limit)).collect::<anyhow::Result<Vec<_>>>()?;
        for i in 0..clips.len() {
            if clips.iter().filter(|c| c.name == clips[i].name).count() > 1 {
                clips[i].name = clips[i].path.display().to_string();
            }
        }
        Ok(clips)
    }

    fn open(path: &Path, sizes: Sizes<'_>, limit: Option<u32>) -> anyhow::Result<Self> {
        let mut reader = ClipReader::open(path).input()?;
        let size = reader.size();
        let (sent, truth) = match sizes {
            Sizes::Half(asked) => {
                let half = |side: u32, bound: u32| (side / 2).min(bound);
                let half = Size::new(half(size.width(), asked.width()), half(size.height(), asked.height()));
                let small =
                    |_| InputFault(format!("{} is {size}, too small to be sent at half its size", path.display()));
                let low = size.fit_even(half.map_err(small)?);
                (vec![Sent { asked: SizeChoice::Within(asked), size: Some(low) }], low.times(2).input()?)
            }
            Sizes::Each(asked) => {
                let own = largest(size);
                let sent = |&asked: &SizeChoice| match asked {
                    SizeChoice::Auto => Sent { asked, size: None },
                    SizeChoice::Within(size) => Sent { asked, size: Some(own.shrink_even(size)) },
                };
                (asked.iter().map(sent).collect(), own)
            }
        };
        let limit = limit.map_or(u64::MAX, u64::from);
        let frames = match reader.frames_hint() {
            Some(frames) => frames.min(limit),
            None => count(&mut reader, limit)?,
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { path: path.to_owned(), name, size, fps: f64::from(reader.fps()), frames, sent, truth })
    }
}

fn count(reader: &mut ClipReader, limit: u64) -> anyhow::Result<u64> {
    let mut frames = 0;
    while frames < limit && reader.next().input()?.is_some() {
        frames += 1;
    }
    Ok(frames)
}
