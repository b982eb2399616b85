//! What can be wrong with a file.

use std::io;
use std::path::{Path, PathBuf};

use crate::codec::DecodeError;
use crate::frame::SizeError;
use crate::source::scene::SceneError;

/// A file that cannot be read as video, or not written.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The built-in scene.
    #[error(transparent)]
    Scene(#[from] SceneError),
    /// There is no such file.
    #[error("there is no file {}: check the path", .0.display())]
    Missing(PathBuf),
    /// The system does not give it.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// None of the kinds that are read.
    #[error(
        "{} is not a video that clearcall reads ({why}): give an .mp4 or .mkv with H.264, a raw H.264 byte stream \
         (.264, .h264), a .y4m, or a still .png or .jpg",
        path.display()
    )]
    Unknown {
        /// The file.
        path: PathBuf,
        /// What speaks against it.
        why: String,
    },
    /// The kind is known, but not this sort of it.
    #[error("{} holds {what}, which clearcall does not read: convert it to {instead}", path.display())]
    Unsupported {
        /// The file.
        path: PathBuf,
        /// What is in it.
        what: String,
        /// What to convert it to.
        instead: &'static str,
    },
    /// Larger than a picture may be.
    #[error(
        "{} is {width}x{height}, and pictures are read up to a side of {}: scale it down first",
        path.display(), crate::frame::MAX_SIDE
    )]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its columns.
        width: u64,
        /// Its rows.
        height: u64,
    },
    /// It ends in the middle.
    #[error("{} is cut short ({what}); {frames} whole frames were read: copy or download it again", path.display())]
    CutShort {
        /// The file.
        path: PathBuf,
        /// Where.
        what: String,
        /// Frames before the cut.
        frames: u64,
    },
    /// Its structure contradicts itself.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The H.264 in it.
    #[error("{}: {source}", path.display())]
    Decode {
        /// The file.
        path: PathBuf,
        /// The decoder's reason.
        source: DecodeError,
    },
    /// The file cannot be written.
    #[error("{} cannot be written: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A frame that does not belong into this file.
    #[error("{}: a frame of {got} does not fit into a file of {want}", path.display())]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// The frame's size.
        got: crate::frame::Size,
        /// The file's size.
        want: crate::frame::Size,
    },
}

impl ClipError {
    pub(super) fn open(path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::NotFound => Self::Missing(path.to_owned()),
            _ => Self::read(path, source),
        }
    }

    pub(super) fn read(path: &Path, source: io::Error) -> Self {
        Self::Read { path: path.to_owned(), source }
    }

    pub(super) fn write(path: &Path, source: io::Error) -> Self {
        Self::Write { path: path.to_owned(), source }
    }

    pub(super) fn unknown(path: &Path, why: impl Into<String>) -> Self {
        Self::Unknown { path: path.to_owned(), why: why.into() }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    pub(super) fn cut(path: &Path, what: impl Into<String>, frames: u64) -> Self {
        Self::CutShort { path: path.to_owned(), what: what.into(), frames }
    }

    pub(super) fn decode(path: &Path, source: DecodeError) -> Self {
        Self::Decode { path: path.to_owned(), source }
    }

    /// A size that no picture can have.
    pub(super) fn size(path: &Path, error: &SizeError) -> Self {
        match *error {
            SizeError::OutOfRange { width, height } if width > 0 && height > 0 => {
                Self::TooLarge { path: path.to_owned(), width, height }
            }
            _ => Self::damaged(path, error.to_string()),
        }
    }

    pub(super) fn no_pictures(path: &Path) -> Self {
        Self::damaged(path, "no picture can be decoded from it")
    }
}
