//! Video files: H.264 in MP4 or as a byte stream, raw pictures in Y4M, and a still picture as a clip of one frame.

mod annexb;
mod error;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod mp4;
pub(crate) mod still;
mod y4m;

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::ClipError;
pub use y4m::Y4mWriter;

use super::{Event, Source, SourceError};
use crate::codec::{DecodeError, Decoder};
use crate::frame::{Frame, Size, Stamp};

/// Frames a second of a still picture that is repeated.
const STILL_FPS: f32 = 30.0;

/// One picture of a file.
#[derive(Debug, Clone)]
pub struct ClipFrame {
    /// The picture. Its number counts from 0; its time of capture is the time at which the file was
    /// opened plus the picture's own time in the clip, so that distances in time are the clip's.
    pub frame: Frame,
    /// The decoder had to fill something in.
    pub damaged: bool,
}

/// What a video lacks, see [`ClipReader::loss`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Loss {
    /// Coded pictures of which nothing could be made.
    pub lost: u64,
    /// Pictures that were given though the decoder had to fill something in.
    pub damaged: u64,
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |n: u64| if n == 1 { "1 picture is".to_owned() } else { format!("{n} pictures are") };
        match self {
            Self { lost, damaged: 0 } => write!(f, "{} missing", of(*lost)),
            Self { lost: 0, damaged } => write!(f, "{} damaged", of(*damaged)),
            Self { lost, damaged } => write!(f, "{} missing and {} damaged", of(*lost), of(*damaged)),
        }
    }
}

/// Reads a video file from its first frame to its last.
///
/// The kind of file is told by its content, not by its name.
#[derive(Debug)]
pub struct ClipReader {
    path: PathBuf,
    content: Content,
    size: Size,
    fps: f32,
    frames: Option<u64>,
    opened: Instant,
    next_id: u64,
    damaged: u64,
    ended: bool,
}

#[derive(Debug)]
enum Content {
    Y4m(y4m::Y4mReader<BufReader<File>>),
    Still(Box<Frame>),
    H264 { units: Units, decoder: Box<Decoder>, flushing: bool },
}

/// Where access units come from.
#[derive(Debug)]
enum Units {
    Mp4(mp4::Mp4Reader<BufReader<File>>),
    AnnexB(annexb::AnnexBReader<BufReader<File>>),
}

/// One access unit of a file and its time in the clip.
struct Unit {
    data: Vec<u8>,
    /// Zero where the file does not say.
    time: Duration,
}

impl ClipReader {
    /// Opens a file and reads as much of it as tells what it is.
    ///
    /// # Errors
    /// When the file is missing or cannot be read, or is no video or picture that is read here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ClipError> {
        let path = path.as_ref().to_owned();
        let mut file = File::open(&path).map_err(|e| ClipError::open(&path, e))?;
        let meta = file.metadata().map_err(|e| ClipError::read(&path, e))?;
        if !meta.is_file() {
            return Err(ClipError::unknown(&path, "it is not a file"));
        }
        let mut head = Vec::new();
        file.by_ref().take(16).read_to_end(&mut head).map_err(|e| ClipError::read(&path, e))?;
        file.rewind().map_err(|e| ClipError::read(&path, e))?;
        let reader = BufReader::with_capacity(1 << 16, file);
        let (content, size, fps, frames);
        if head.starts_with(y4m::MAGIC) {
            let y4m = y4m::Y4mReader::open(reader, &path)?;
            (size, fps, frames) = (y4m.size(), y4m.fps(), Some(y4m.frames_in(meta.len())));
            content = Content::Y4m(y4m);
        } else if mp4::looks_like(&head) {
            let mp4 = mp4::Mp4Reader::open(reader, meta.len(), &path)?;
            (size, fps, frames) = (mp4.size(), mp4.fps(), Some(mp4.frames()));
            content = Content::h264(Units::Mp4(mp4), &path)?;
        } else if still::looks_like(&head) {
            let frame = still::read(reader, &path)?;
            (size, fps, frames) = (frame.size(), STILL_FPS, Some(1));
            content = Content::Still(Box::new(frame));
        } else if annexb::looks_like(&head) {
            let stream = annexb::AnnexBReader::open(reader, &path)?;
            (size, fps, frames) = (stream.size(), stream.fps(), None);
            content = Content::h264(Units::AnnexB(stream), &path)?;
        } else {
            let what = if head.is_empty() { "it is empty" } else { "it begins like none of them" };
            return Err(ClipError::unknown(&path, what));
        }
        Ok(Self { path, content, size, fps, frames, opened: Instant::now(), next_id: 0, damaged: 0, ended: false })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The size of its pictures, as its header says.
    pub const fn size(&self) -> Size {
        self.size
    }

    /// Frames per second: from the file's timing, the mean; 30 where it does not say.
    pub const fn fps(&self) -> f32 {
        self.fps
    }

    /// How many pictures there should be, where the file says. Good for a progress bar.
    pub const fn frames_hint(&self) -> Option<u64> {
        self.frames
    }

    /// The next picture; [`None`] after the last.
    ///
    /// A file that is cut short gives its whole pictures, then [`ClipError::CutShort`] once.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, cut short, or holds no picture.
    #[expect(clippy::should_implement_trait, reason = "an iterator's end and an error do not mix well")]
    pub fn next(&mut self) -> Result<Option<ClipFrame>, ClipError> {
        if self.ended {
            return Ok(None);
        }
        let next = self.read();
        match &next {
            Ok(Some(frame)) => {
                self.next_id += 1;
                self.damaged += u64::from(frame.damaged);
            }
            Ok(None) | Err(_) => self.ended = true,
        }
        if let Ok(None) = next
            && self.next_id == 0
        {
            return Err(ClipError::no_pictures(&self.path));
        }
        next
    }

    /// What has been missing since the first picture. Pictures count as lost when the end has been reached: before,
    /// the decoder may only be holding them back.
    pub fn loss(&self) -> Loss {
        let lost = match &self.content {
            Content::H264 { decoder, .. } if self.ended => decoder.owed(),
            _ => 0,
        };
        Loss { lost, damaged: self.damaged }
    }

    /// Goes back to the first picture; numbers, times and losses start again.
    ///
    /// # Errors
    /// When the file cannot be read again, or no decoder starts.
    pub fn rewind(&mut self) -> Result<(), ClipError> {
        match &mut self.content {
            Content::Y4m(y4m) => y4m.rewind(&self.path)?,
            Content::Still(_) => {}
            Content::H264 { units, decoder, flushing } => {
                match units {
                    Units::Mp4(mp4) => mp4.rewind(),
                    Units::AnnexB(stream) => stream.rewind(&self.path)?,
                }
                **decoder = Decoder::new().map_err(|e| ClipError::decode(&self.path, e))?;
                *flushing = false;
            }
        }
        (self.next_id, self.damaged, self.ended) = (0, 0, false);
        Ok(())
    }

    fn read(&mut self) -> Result<Option<ClipFrame>, ClipError> {
        let (id, opened) = (self.next_id, self.opened);
        match &mut self.content {
            Content::Y4m(y4m) => {
                let stamp = Stamp { id, captured: later(opened, frame_time(id, self.fps)) };
                let frame = y4m.next(stamp, &self.path)?;
                Ok(frame.map(|frame| ClipFrame { frame, damaged: false }))
            }
            Content::Still(frame) => {
                let stamp = Stamp { id, captured: opened };
                let frame = (id == 0).then(|| frame.as_ref().clone().with_stamp(stamp));
                Ok(frame.map(|frame| ClipFrame { frame, damaged: false }))
            }
            Content::H264 { units, decoder, flushing } => {
                let decoded = loop {
                    let unit = if *flushing { None } else { units.next(&self.path)? };
                    let Some(unit) = unit else {
                        *flushing = true;
                        break decoder.flush().map_err(|e| ClipError::decode(&self.path, e))?;
                    };
                    match decoder.decode(&unit.data, Stamp { id, captured: later(opened, unit.time) }) {
                        Ok(Some(decoded)) => break Some(decoded),
                        Ok(None) => {}
                        Err(e @ (DecodeError::Broken { .. } | DecodeError::TooLong(_))) => {
                            tracing::debug!("{}: {e}", self.path.display());
                        }
                        Err(e) => return Err(ClipError::decode(&self.path, e)),
                    }
                };
                Ok(decoded.map(|d| {
                    let mut stamp = Stamp { id, ..d.frame.stamp };
                    if let Units::AnnexB(_) = units {
                        // A byte stream has no times, and its units may stand in another order than pictures.
                        stamp.captured = later(opened, frame_time(id, self.fps));
                    }
                    ClipFrame { frame: d.frame.with_stamp(stamp), damaged: d.damaged }
                }))
            }
        }
    }
}

/// When the frame with this number is shown.
fn frame_time(id: u64, fps: f32) -> Duration {
    Duration::try_from_secs_f64(id as f64 / f64::from(fps)).unwrap_or_default()
}

/// A point in time; one that a broken file puts out of all bounds is not moved.
fn later(start: Instant, time: Duration) -> Instant {
    start.checked_add(time).unwrap_or(start)
}

impl Content {
    fn h264(units: Units, path: &Path) -> Result<Self, ClipError> {
        let decoder = Decoder::new().map_err(|e| ClipError::decode(path, e))?;
        Ok(Self::H264 { units, decoder: Box::new(decoder), flushing: false })
    }
}

impl Units {
    fn next(&mut self, path: &Path) -> Result<Option<Unit>, ClipError> {
        match self {
            Self::Mp4(mp4) => mp4.next(path),
            Self::AnnexB(stream) => stream.next(path),
        }
    }
}

/// A file as the source of a call: it starts again when it ends.
///
/// Frames are numbered on across the loops and stamped with the time at which they were read.
#[derive(Debug)]
pub struct Clip {
    reader: ClipReader,
    next_id: u64,
}

impl Clip {
    /// Opens the file.
    ///
    /// # Errors
    /// When the file is missing or cannot be read, or is no video or picture that is read here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ClipError> {
        Ok(Self { reader: ClipReader::open(path)?, next_id: 0 })
    }
}

impl Source for Clip {
    fn name(&self) -> String {
        let name = self.reader.path().file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn size(&self) -> Size {
        self.reader.size()
    }

    fn fps(&self) -> f32 {
        self.reader.fps()
    }

    fn live(&self) -> bool {
        false
    }

    fn next(&mut self) -> Result<Event, SourceError> {
        let started = self.reader.next_id > 0;
        let mut next = self.reader.next();
        // What there is of a cut file is looped too.
        if matches!(next, Ok(None)) || (started && matches!(next, Err(ClipError::CutShort { .. }))) {
            self.reader.rewind()?;
            next = self.reader.next();
        }
        let Some(frame) = next? else { return Ok(Event::Ended) };
        let stamp = Stamp::now(self.next_id);
        self.next_id += 1;
        Ok(Event::Frame(frame.frame.with_stamp(stamp)))
    }
}

#[cfg(test)]
mod tests;
