//! Video files: H.264 in MP4, in Matroska or as a byte stream, raw pictures in Y4M, and a still picture as a clip of one frame.

mod annexb;
mod error;
mod foreign;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod h264;
mod looped;
mod mkv;
mod mp4;
pub(crate) mod still;
mod y4m;

use std::fmt;
use std::fs::File;
use std::io::{BufReader, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use error::ClipError;
use h264::{H264Reader, Units};
pub use looped::Clip;
pub use y4m::Y4mWriter;

use super::scene::{Scene, SceneError};
use crate::frame::{Frame, Size, Stamp};

/// The name under which [`ClipReader::open`] knows the built-in scene.
const SCENE: &str = "scene";
const SCENE_FPS: f32 = 30.0;
const SCENE_FRAMES: u64 = 300;

/// Frames a second of a still picture that is repeated.
const STILL_FPS: f32 = 30.0;

/// So many bytes tell what a file is.
const HEAD: u64 = 1024;

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
/// The kind of file is told by its content, not by its name. Where no file is called `scene` this name means ten
/// seconds of the built-in scene, so that there is a clip without any file.
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
    Scene(Box<Scene>),
    H264(Box<H264Reader>),
}

impl ClipReader {
    /// Opens a file and reads as much of it as tells what it is.
    ///
    /// # Errors
    /// When the file is missing or cannot be read, or is no video or picture that is read here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ClipError> {
        let path = path.as_ref().to_owned();
        if path == Path::new(SCENE) && !path.exists() {
            return Ok(Self::scene()?);
        }
        let mut file = File::open(&path).map_err(|e| ClipError::open(&path, e))?;
        let meta = file.metadata().map_err(|e| ClipError::read(&path, e))?;
        if !meta.is_file() {
            return Err(ClipError::unknown(&path, "it is not a file"));
        }
        let mut head = Vec::new();
        file.by_ref().take(HEAD).read_to_end(&mut head).map_err(|e| ClipError::read(&path, e))?;
        file.rewind().map_err(|e| ClipError::read(&path, e))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let (content, size, fps, frames);
        if let Some((what, instead)) = foreign::name(&head) {
            return Err(ClipError::Unsupported { path, what: what.to_owned(), instead });
        } else if head.starts_with(y4m::MAGIC) {
            let y4m = y4m::Y4mReader::open(reader, &path)?;
            (size, fps, frames) = (y4m.size(), y4m.fps(), Some(y4m.frames_in(meta.len())));
            content = Content::Y4m(y4m);
        } else if mp4::looks_like(&head) {
            let mp4 = mp4::Mp4Reader::open(reader, meta.len(), &path)?;
            (size, fps, frames) = (mp4.size(), mp4.fps(), Some(mp4.frames()));
            content = Content::H264(Box::new(H264Reader::new(Units::Mp4(Box::new(mp4)), &path)?));
        } else if mkv::looks_like(&head) {
            let mkv = mkv::MkvReader::open(reader, &path)?;
            (size, fps, frames) = (mkv.size(), mkv.fps(), mkv.frames());
            content = Content::H264(Box::new(H264Reader::new(Units::Mkv(Box::new(mkv)), &path)?));
        } else if still::looks_like(&head) {
            let frame = still::read(reader, &path)?;
            (size, fps, frames) = (frame.size(), STILL_FPS, Some(1));
            content = Content::Still(Box::new(frame));
        } else if annexb::looks_like(&head) || annexb::found(reader.get_mut(), &path)? {
            let stream = annexb::AnnexBReader::open(reader, &path)?;
            (size, fps, frames) = (stream.size(), stream.fps(), None);
            content = Content::H264(Box::new(H264Reader::new(Units::AnnexB(stream), &path)?));
        } else {
            let what = if head.is_empty() { "it is empty" } else { "it begins like none of them" };
            return Err(ClipError::unknown(&path, what));
        }
        Ok(Self::of(path, content, size, fps, frames))
    }

    fn scene() -> Result<Self, SceneError> {
        // Twice what is sent in a call with oneself.
        let size = Size::USUAL.times(2).map_err(|error| SceneError::Asset(error.to_string()))?;
        let content = Content::Scene(Box::new(Scene::new(size, SCENE_FPS)?));
        Ok(Self::of(SCENE.into(), content, size, SCENE_FPS, Some(SCENE_FRAMES)))
    }

    fn of(path: PathBuf, content: Content, size: Size, fps: f32, frames: Option<u64>) -> Self {
        Self { path, content, size, fps, frames, opened: Instant::now(), next_id: 0, damaged: 0, ended: false }
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

    /// Whether its pictures last for different times, so that [`fps`](Self::fps) is no more than their mean.
    pub fn variable_rate(&self) -> bool {
        match &self.content {
            Content::H264(h264) => h264.variable(),
            Content::Y4m(y4m) => y4m.timed(),
            Content::Still(_) | Content::Scene(_) => false,
        }
    }

    /// When the last picture ends, where the file says; counted as the pictures' times are.
    pub fn end(&self) -> Option<Instant> {
        let end = match &self.content {
            Content::H264(h264) => h264.end()?,
            _ => return None,
        };
        Some(later(self.opened, end))
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
            Content::H264(h264) if self.ended => h264.lost(),
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
            Content::Still(_) | Content::Scene(_) => {}
            Content::H264(h264) => h264.rewind(&self.path)?,
        }
        (self.next_id, self.damaged, self.ended) = (0, 0, false);
        Ok(())
    }

    fn read(&mut self) -> Result<Option<ClipFrame>, ClipError> {
        let (id, opened) = (self.next_id, self.opened);
        match &mut self.content {
            Content::Y4m(y4m) => {
                let stamp = Stamp { id, captured: later(opened, frame_time(id, self.fps)) };
                let next = y4m.next(stamp, &self.path)?;
                Ok(next.map(|(frame, time)| {
                    let captured = time.map_or(stamp.captured, |time| later(opened, time));
                    ClipFrame { frame: frame.with_stamp(Stamp { id, captured }), damaged: false }
                }))
            }
            Content::Still(frame) => {
                let stamp = Stamp { id, captured: opened };
                let frame = (id == 0).then(|| frame.as_ref().clone().with_stamp(stamp));
                Ok(frame.map(|frame| ClipFrame { frame, damaged: false }))
            }
            Content::Scene(scene) => {
                let stamp = Stamp { id, captured: later(opened, frame_time(id, self.fps)) };
                let frame = (id < SCENE_FRAMES).then(|| scene.draw(id).with_stamp(stamp));
                Ok(frame.map(|frame| ClipFrame { frame, damaged: false }))
            }
            Content::H264(h264) => h264.next(id, opened, self.fps, &self.path),
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

#[cfg(test)]
mod tests;

#[cfg(test)]
mod field_tests;
