//! H.264 in Matroska, of which WebM is a part (RFC 9559). What a block is, the crate knows; it sets no memory aside
//! that the file does not have.

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use matroska_demuxer::{
    ContentCompAlgo, ContentEncodingValue, DemuxError, Frame, MatrixCoefficients, MatroskaFile, Range as MkvRange,
    TrackEntry, TrackType, Video,
};

use super::{ClipError, h264::Unit};
use crate::codec::nal::{AvcConfig, NalKind, ParameterSets, Sps, avcc_to_annex_b, is_keyframe, nal_units};
use crate::codec::{Assumed, DecodeError, MAX_UNIT_BYTES};
use crate::frame::{Aspect, Colour, Matrix, Range, Size};

/// So many pictures tell how fast they follow each other.
const LOOK_AT: usize = 600;

/// Whether a file with this beginning is one: an EBML header.
pub(super) fn looks_like(head: &[u8]) -> bool {
    head.starts_with(&[0x1a, 0x45, 0xdf, 0xa3])
}

/// A reader that can be read from its start again by another [`MatroskaFile`].
#[derive(Debug)]
struct Shared<R>(Arc<Mutex<Metered<R>>>);

/// A reader that ends where a file leads round in a circle: the crate follows its references again and again.
#[derive(Debug)]
struct Metered<R> {
    inner: R,
    /// The bytes of the file.
    length: u64,
    /// So many reads and seeks may still be made.
    left: u64,
}

impl<R: Seek> Metered<R> {
    fn new(mut inner: R) -> std::io::Result<Self> {
        let length = inner.seek(SeekFrom::End(0))?;
        Ok(Self { inner, length, left: 0 })
    }
}

impl<R> Metered<R> {
    /// For one pass over the structure: an element is some bytes long and costs some reads, and most bytes are those of
    /// pictures.
    fn allow(&mut self) {
        self.left = 100_000 + self.length / 4;
    }

    fn count(&mut self) -> std::io::Result<&mut R> {
        self.left = self.left.checked_sub(1).ok_or_else(|| std::io::Error::other("it leads round in a circle"))?;
        Ok(&mut self.inner)
    }
}

impl<R> Shared<R> {
    fn lock(&self) -> MutexGuard<'_, Metered<R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<R: Read> Read for Shared<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.lock().count()?.read(buffer)
    }
}

impl<R: Seek> Seek for Shared<R> {
    fn seek(&mut self, to: SeekFrom) -> std::io::Result<u64> {
        self.lock().count()?.seek(to)
    }
}

pub(super) struct MkvReader<R: Read + Seek> {
    reader: Arc<Mutex<Metered<R>>>,
    file: MatroskaFile<Shared<R>>,
    /// The track's number.
    track: u64,
    config: AvcConfig,
    /// Bytes that were left out at the beginning of each picture.
    stripped: Vec<u8>,
    assumed: Assumed,
    aspect: Option<Aspect>,
    /// Nanoseconds of a tick.
    scale: u64,
    /// When the first picture is shown, in ticks.
    start: u64,
    size: Size,
    fps: f32,
    variable: bool,
    /// Where all pictures were looked at.
    frames: Option<u64>,
    sets: ParameterSets,
    given: u64,
}

impl<R: Read + Seek> std::fmt::Debug for MkvReader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MkvReader").field("track", &self.track).field("size", &self.size).finish_non_exhaustive()
    }
}

impl<R: Read + Seek> MkvReader<R> {
    pub(super) fn open(reader: R, path: &Path) -> Result<Self, ClipError> {
        let reader = Arc::new(Mutex::new(Metered::new(reader).map_err(|e| ClipError::read(path, e))?));
        let file = begin(&reader, path, 0)?;
        let scale = file.info().timestamp_scale().get();
        let entry = h264_track(&file, path)?;
        let private = entry.codec_private().unwrap_or_default();
        let config = match private {
            // The sets come in the pictures.
            [] => AvcConfig { length_size: 4, parameter_sets: Vec::new() },
            _ => AvcConfig::parse(private)
                .ok_or_else(|| ClipError::damaged(path, "its decoder configuration (CodecPrivate) is malformed"))?,
        };
        let video = entry.video();
        let shape = video.and_then(shape);
        let mut this = Self {
            track: entry.track_number().get(),
            stripped: stripped(entry, path)?,
            assumed: Assumed { colour: colour(video), aspect: Aspect::SQUARE },
            // A shape that is none need not have been meant.
            aspect: shape.filter(|shape| *shape != Aspect::SQUARE),
            fps: entry.default_duration().map_or(0.0, |ns| (1e9 / ns.get() as f64) as f32),
            reader,
            file,
            config,
            scale,
            start: 0,
            size: Size::SMALLEST,
            variable: false,
            frames: None,
            sets: ParameterSets::default(),
            given: 0,
        };
        this.look(path)?;
        this.rewind(path)?;
        Ok(this)
    }

    pub(super) const fn size(&self) -> Size {
        self.size
    }

    pub(super) const fn fps(&self) -> f32 {
        self.fps
    }

    pub(super) const fn variable(&self) -> bool {
        self.variable
    }

    pub(super) const fn frames(&self) -> Option<u64> {
        self.frames
    }

    pub(super) fn rewind(&mut self, path: &Path) -> Result<(), ClipError> {
        self.file = begin(&self.reader, path, self.given)?;
        (self.sets, self.given) = (ParameterSets::default(), 0);
        Ok(())
    }

    /// Looks at the first pictures: their size, and how they follow each other.
    fn look(&mut self, path: &Path) -> Result<(), ClipError> {
        let (mut times, mut size, mut refused) = (Vec::new(), None, None);
        while times.len() < LOOK_AT {
            // What is wrong with a picture is told when it is read.
            let Ok(Some(frame)) = self.frame(path) else {
                self.frames = Some(times.len() as u64);
                break;
            };
            times.push(frame.timestamp);
            let unit = self.unit(&frame).unwrap_or_default();
            let sets = nal_units(&unit).filter(|nal| NalKind::of(nal) == Some(NalKind::Sps));
            for sps in sets.map(Sps::parse) {
                match sps {
                    Ok(sps) => size = size.or(Some(sps.size)),
                    Err(e) => refused = refused.or(Some(e)),
                }
            }
        }
        times.sort_unstable();
        self.size = match (size, refused) {
            (Some(size), _) => size,
            (None, Some(e)) => return Err(ClipError::decode(path, DecodeError::Unsupported(e))),
            (None, None) if times.is_empty() => return Err(ClipError::cut(path, "before its first picture", 0)),
            (None, None) => return Err(ClipError::damaged(path, "its pictures have no sequence parameter set")),
        };
        self.start = times.first().copied().unwrap_or(0);
        let gaps = || times.windows(2).map(|pair| (pair[1] - pair[0]).saturating_mul(self.scale));
        let (least, most) = (gaps().min().unwrap_or(0), gaps().max().unwrap_or(0));
        // A clock of milliseconds makes 33 and 34 of thirtieths.
        self.variable = most - least > 2_500_000;
        let whole = times.last().map_or(0, |last| (last - self.start).saturating_mul(self.scale));
        let mean = (times.len().saturating_sub(1)) as f64 * 1e9 / whole as f64;
        if self.variable || !(0.1..=1000.0).contains(&self.fps) {
            self.fps = if (0.1..=1000.0).contains(&mean) { mean as f32 } else { 30.0 };
        }
        Ok(())
    }

    /// The next picture of the track.
    fn frame(&mut self, path: &Path) -> Result<Option<Frame>, ClipError> {
        let mut frame = Frame::default();
        loop {
            self.reader.lock().unwrap_or_else(PoisonError::into_inner).allow();
            match self.file.next_frame(&mut frame) {
                Ok(true) if frame.track == self.track => return Ok(Some(frame)),
                Ok(true) => {}
                Ok(false) => return Ok(None),
                Err(e) => return Err(failed(&e, path, self.given)),
            }
        }
    }

    /// A picture as an access unit, with its parameter sets in front where decoding can begin.
    fn unit(&mut self, frame: &Frame) -> Option<Vec<u8>> {
        let data = [&self.stripped[..], &frame.data].concat();
        let mut unit = Vec::with_capacity(data.len() + 64);
        if data.len() > MAX_UNIT_BYTES {
            return None;
        }
        let whole = avcc_to_annex_b(&data, self.config.length_size, &mut unit);
        if unit.is_empty() && whole.is_err() {
            return None;
        }
        let first = self.given == 0;
        if first {
            self.config.parameter_sets.iter().for_each(|set| self.sets.update(set));
        }
        nal_units(&unit).for_each(|nal| self.sets.update(nal));
        self.given += 1;
        Some(if first || is_keyframe(&unit) { self.sets.in_front_of(&unit) } else { unit })
    }

    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Unit>, ClipError> {
        let Some(frame) = self.frame(path)? else { return Ok(None) };
        let data = self.unit(&frame);
        let ticks = frame.timestamp.saturating_sub(self.start);
        let time = Duration::from_nanos(ticks.saturating_mul(self.scale));
        Ok(Some(Unit {
            lost: data.is_none(),
            data: data.unwrap_or_default(),
            time: (!frame.is_invisible).then_some(time),
            fresh: false,
            assumed: self.assumed,
            aspect: self.aspect,
        }))
    }
}

/// Reads the head of the file.
fn begin<R: Read + Seek>(
    reader: &Arc<Mutex<Metered<R>>>,
    path: &Path,
    given: u64,
) -> Result<MatroskaFile<Shared<R>>, ClipError> {
    let mut reader = Shared(Arc::clone(reader));
    reader.lock().allow();
    reader.rewind().map_err(|e| ClipError::read(path, e))?;
    MatroskaFile::open(reader).map_err(|e| failed(&e, path, given))
}

fn failed(error: &DemuxError, path: &Path, given: u64) -> ClipError {
    match error {
        DemuxError::IoError(error) if error.kind() == std::io::ErrorKind::Other => {
            ClipError::damaged(path, format!("its Matroska structure is wrong: {error}"))
        }
        DemuxError::IoError(_) | DemuxError::ElementSizeExceedsStream { .. } | DemuxError::CantFindCluster => {
            ClipError::cut(path, "in its Matroska structure", given)
        }
        other => ClipError::damaged(path, format!("its Matroska structure is wrong: {other}")),
    }
}

/// The first video track with H.264.
fn h264_track<'a, R: Read + Seek>(file: &'a MatroskaFile<Shared<R>>, path: &Path) -> Result<&'a TrackEntry, ClipError> {
    let mut videos = file.tracks().iter().filter(|track| track.track_type() == TrackType::Video).peekable();
    let first = videos.peek().map(|track| track.codec_id().to_owned());
    videos.find(|track| track.codec_id() == "V_MPEG4/ISO/AVC").ok_or_else(|| {
        let container = if file.ebml_header().doc_type().starts_with("webm") { "WebM" } else { "Matroska" };
        let what = match first.as_deref() {
            None => "no video track".to_owned(),
            Some(id) => format!("{} video", codec(id)),
        };
        ClipError::Unsupported {
            path: path.to_owned(),
            what: format!("{what} in {container}"),
            instead: "H.264 (with ffmpeg: -c:v libx264 -pix_fmt yuv420p)",
        }
    })
}

/// What a codec is called.
fn codec(id: &str) -> String {
    let known = match id {
        "V_VP8" => "VP8",
        "V_VP9" => "VP9",
        "V_AV1" => "AV1",
        "V_MPEGH/ISO/HEVC" => "H.265 (HEVC)",
        "V_MPEGI/ISO/VVC" => "H.266 (VVC)",
        "V_MPEG4/ISO/ASP" | "V_MPEG4/ISO/SP" | "V_MPEG4/ISO/AP" | "V_MPEG4/MS/V3" => "MPEG-4 part 2",
        "V_MPEG1" | "V_MPEG2" => "MPEG-1 or MPEG-2",
        "V_THEORA" => "Theora",
        "V_MJPEG" => "Motion JPEG",
        "V_PRORES" => "ProRes",
        "V_FFV1" => "FFV1",
        other => return other.chars().take(32).collect::<String>().escape_default().to_string(),
    };
    known.to_owned()
}

/// What a track's compression leaves out of each picture.
fn stripped(track: &TrackEntry, path: &Path) -> Result<Vec<u8>, ClipError> {
    let refused = |what: &str| ClipError::Unsupported {
        path: path.to_owned(),
        what: format!("{what} video in Matroska"),
        instead: "H.264 (with ffmpeg: -c copy, into an .mp4)",
    };
    match track.content_encodings().unwrap_or_default() {
        [] => Ok(Vec::new()),
        [one] => match one.encoding() {
            ContentEncodingValue::Compression(c) if c.algo() == ContentCompAlgo::Stripping => {
                Ok(c.settings().unwrap_or_default().to_vec())
            }
            ContentEncodingValue::Compression(_) => Err(refused("compressed")),
            _ => Err(refused("encrypted")),
        },
        _ => Err(refused("compressed or encrypted")),
    }
}

/// The shape of a pixel, where the size at which the track is shown is another.
fn shape(video: &Video) -> Option<Aspect> {
    let (width, height) = (video.display_width()?.get() as f64, video.display_height()?.get() as f64);
    let crop = |a: Option<u64>, b: Option<u64>| (a.unwrap_or(0) as f64) + (b.unwrap_or(0) as f64);
    let own_width = video.pixel_width().get() as f64 - crop(video.pixel_crop_left(), video.pixel_crop_right());
    let own_height = video.pixel_height().get() as f64 - crop(video.pixel_crop_top(), video.pixel_crop_bottom());
    Aspect::from_ratio(width / height * own_height / own_width)
}

/// What the track says of its colours.
fn colour(video: Option<&Video>) -> Colour {
    let default = Colour::default();
    let Some(colour) = video.and_then(Video::colour) else { return default };
    let matrix = match colour.matrix_coefficients() {
        None | Some(MatrixCoefficients::Unknown) => default.matrix,
        Some(
            MatrixCoefficients::Bt709
            | MatrixCoefficients::Smpte240
            | MatrixCoefficients::Bt2020Ncl
            | MatrixCoefficients::Bt2020Cl,
        ) => Matrix::Bt709,
        Some(_) => Matrix::Bt601,
    };
    let range = match colour.range() {
        Some(MkvRange::Full) => Range::Full,
        Some(MkvRange::Broadcast) => Range::Limited,
        _ => default.range,
    };
    Colour { matrix, range }
}

#[cfg(test)]
pub(super) mod tests;
