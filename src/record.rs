//! H.264 and Opus into a file as they come, without decoding them: fragmented MP4 (ISO/IEC 14496-12 and -15).
//!
//! ```text
//! ftyp │ moov: what the tracks are │ moof mdat │ moof mdat │ …   each pair a fragment: a GOP, or two seconds of it
//! ```
//!
//! Whatever ends the program or fills the disk costs the last fragment only; all before it plays. There is no index
//! at the end that could be missing, and nothing grows with the length. While a fragment is being written its first
//! box is called `free`, which players skip, and `moof` once all of it is with the system: half a `moof` at the end
//! would make some of them refuse the whole file.
//!
//! Parameter sets are taken out of the samples and stand in `avcC`. A stream that changes them, and with them its
//! size, goes on in a new file: fragments can only point at sample descriptions that `moov` has listed before. For the
//! same reason it is decided at the beginning whether a file has a track for sound. One that is never fed is filled
//! with silence.

mod boxes;
pub(crate) mod sound;

use std::{
    fmt::Debug,
    fs::File,
    io::{self, Seek, SeekFrom, Write},
    path::{Path, PathBuf},
};

use self::sound::{Channels, SoundPacket, SoundTrack};
use crate::{
    codec::{
        MAX_UNIT_BYTES,
        nal::{NalKind, Sps, nal_units},
    },
    frame::Size,
};

/// Ticks in a second of the timestamps.
const CLOCK: u32 = 90_000;
/// The longest fragment: what a kill may cost.
const MAX_FRAGMENT_TICKS: u64 = 2 * CLOCK as u64;
/// A fragment is not begun with, or continued beyond, so many bytes; one sample may have more.
const MAX_FRAGMENT_BYTES: usize = 8 << 20;
/// Nor so many samples. Both hold for each track.
const MAX_FRAGMENT_SAMPLES: usize = 1000;
/// A step between two timestamps that is longer than this many ticks is a jump of the clock and no time.
const MAX_STEP: u32 = 60 * CLOCK;
/// What a frame lasts when nothing says so.
const DEFAULT_STEP: u32 = CLOCK / 30;

/// A recording that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system said no.
    #[error("cannot write the recording {}: {source}; {}", path.display(), advice(*kept_seconds))]
    Write {
        /// The file.
        path: PathBuf,
        /// How much of it is in the file, and plays.
        kept_seconds: f64,
        /// What it said.
        source: io::Error,
    },
    /// The file was moved or deleted under the program's hands.
    #[error(
        "the recording {} has ended: the file was moved or deleted while it was being written; record again",
        .0.display()
    )]
    Gone(PathBuf),
    /// It began with something else than a keyframe that carries its parameter sets.
    #[error("a recording begins with a keyframe and its parameter sets, and this stream's keyframe has none")]
    NoParameters,
    /// No picture has so many bytes.
    #[error("the recording has ended: a picture of {0} bytes is more than the {MAX_UNIT_BYTES} that it can have")]
    UnitTooLong(usize),
    /// The stream changes its parameter sets all the time.
    #[error("the recording has ended: the stream has changed its size or format {0} times; record again")]
    TooManyFiles(u32),
}

fn advice(kept_seconds: f64) -> String {
    let kept =
        if kept_seconds > 0.0 { format!("its first {kept_seconds:.1} s are kept and play; ") } else { String::new() };
    format!("{kept}make room on the disk or look after the folder, and record again")
}

/// What [`Recording::unit`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is in the file, or in the fragment that is written next.
    Frame,
    /// Its parameter sets are others: end this file, and begin a new one with the next keyframe.
    Changed,
}

/// Where the bytes of a recording go. What is written is with the system when `write_all` and `flush` return.
pub(crate) trait Sink: Write + Seek + Send + Debug {}

impl<T: Write + Seek + Send + Debug> Sink for T {}

/// A file that is being written. What it holds can be played at any time; [`finish`](Self::finish) adds the last
/// fragment, of two seconds at most.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    /// None after an error: behind half a fragment nothing can be read.
    sink: Option<Box<dyn Sink>>,
    sps: Vec<u8>,
    pps: Vec<u8>,
    size: Size,
    fragment: Fragment,
    sound: Option<Box<SoundTrack>>,
    /// The timestamp of the newest picture.
    last: u32,
    /// When it is decoded, in ticks from the first.
    clock: u64,
    /// How long the one before it lasted.
    step: u32,
    kept: Kept,
}

/// Samples of a track that are not in the file yet.
#[derive(Debug, Default)]
struct Fragment {
    samples: Vec<boxes::Sample>,
    data: Vec<u8>,
    /// When the first of them is decoded, in the track's ticks.
    begins: u64,
}

/// What is in the file.
#[derive(Debug, Default)]
struct Kept {
    fragments: u32,
    frames: usize,
    /// When the last picture ends.
    ticks: u64,
}

/// A finished recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// The file.
    pub path: PathBuf,
    /// Frames in it.
    pub frames: usize,
    /// How long it plays.
    pub seconds: f64,
    /// The pictures' size.
    pub size: Size,
}

impl Recording {
    /// Begins a file with a keyframe, in Annex B with its parameter sets; `timestamp` counts 1/90000 s.
    ///
    /// # Errors
    /// [`RecordError::NoParameters`] for what is no such keyframe, [`RecordError::Write`] when the file exists
    /// already or cannot be written.
    pub fn create(path: impl Into<PathBuf>, keyframe: &[u8], timestamp: u32) -> Result<Self, RecordError> {
        Self::create_with(open_new, path.into(), keyframe, timestamp, None)
    }

    /// Like [`create`](Self::create), into what `open` makes of the path, and with a track for `sound`.
    pub(crate) fn create_with(
        open: OpenSink,
        path: PathBuf,
        keyframe: &[u8],
        timestamp: u32,
        sound: Option<Channels>,
    ) -> Result<Self, RecordError> {
        let short = |set: &&[u8]| set.len() <= usize::from(u16::MAX);
        let (sps, pps) = parameter_sets(keyframe);
        let (Some(sps), Some(pps)) = (sps.filter(short), pps.filter(short)) else {
            return Err(RecordError::NoParameters);
        };
        let Ok(Sps { size, .. }) = Sps::parse(sps) else { return Err(RecordError::NoParameters) };
        let (sps, pps) = (sps.to_vec(), pps.to_vec());
        let sink = match open(&path) {
            Ok(sink) => sink,
            Err(source) => return Err(RecordError::Write { path, kept_seconds: 0.0, source }),
        };
        let head = boxes::head(size, &sps, &pps, sound);
        let mut recording = Self {
            path,
            sink: Some(sink),
            sps,
            pps,
            size,
            fragment: Fragment::default(),
            sound: sound.map(|_| Box::new(SoundTrack::new())),
            last: timestamp,
            clock: 0,
            step: DEFAULT_STEP,
            kept: Kept::default(),
        };
        recording.write(|sink| sink.write_all(&head))?;
        recording.unit(keyframe, true, timestamp)?;
        Ok(recording)
    }

    /// Adds an access unit. A keyframe, or one that would make the fragment too long, has what waits written first.
    ///
    /// # Errors
    /// [`RecordError::Write`] and [`RecordError::Gone`] when the fragment cannot be written: the recording has
    /// ended, and every further call fails. [`RecordError::UnitTooLong`] for what can be no picture.
    pub fn unit(&mut self, data: &[u8], keyframe: bool, timestamp: u32) -> Result<Written, RecordError> {
        let (sps, pps) = parameter_sets(data);
        if sps.is_some_and(|s| s != self.sps) || pps.is_some_and(|p| p != self.pps) {
            return Ok(Written::Changed);
        }
        let sample = lengths_in_front(data)?;
        if sample.is_empty() {
            return Ok(Written::Frame);
        }
        self.tick(timestamp);
        if keyframe || self.fragment.is_full(self.clock, sample.len()) {
            self.flush()?;
        }
        if self.fragment.samples.is_empty() {
            self.fragment.begins = self.clock;
        }
        self.fragment.samples.push(boxes::Sample { size: sample.len() as u32, duration: self.step, keyframe });
        self.fragment.data.extend_from_slice(&sample);
        Ok(Written::Frame)
    }

    /// Goes on to the time of the next sample, up to which the newest one lasts.
    fn tick(&mut self, timestamp: u32) {
        let step = timestamp.wrapping_sub(self.last);
        self.last = timestamp;
        if self.kept.frames == 0 && self.fragment.samples.is_empty() {
            return;
        }
        // Two samples of one time would not be told apart.
        self.step = if step > MAX_STEP { self.jump() } else { step.max(1) };
        self.clock = self.clock.saturating_add(self.step.into());
        if let Some(newest) = self.fragment.samples.last_mut() {
            newest.duration = self.step;
        }
    }

    /// How long a step of unknown length was: the sound may tell, which went on.
    fn jump(&self) -> u32 {
        let heard = self.sound.as_ref().map_or(0, |sound| rescaled(sound.end(), sound::CLOCK, CLOCK));
        u32::try_from(heard.saturating_sub(self.clock)).unwrap_or(u32::MAX).max(DEFAULT_STEP)
    }

    /// Adds a packet of sound, where the file has a track for it. One that has no place there is left out.
    ///
    /// # Errors
    /// As [`unit`](Self::unit).
    pub(crate) fn sound(&mut self, packet: &SoundPacket<'_>) -> Result<(), RecordError> {
        let picture = rescaled(self.clock, CLOCK, sound::CLOCK);
        while let Some(track) = &mut self.sound
            && let Some(place) = track.place(packet, picture)
        {
            if track.fill(place.time) {
                track.add(packet, place);
                break;
            }
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what waits when no picture has come for a while.
    ///
    /// # Errors
    /// As [`unit`](Self::unit).
    pub(crate) fn pause(&mut self) -> Result<(), RecordError> {
        if self.fragment.samples.is_empty() { self.pause_pictures() } else { self.flush() }
    }

    /// Writes what waits when no picture will be added for a while: not each packet of sound by itself, but a second
    /// of it.
    ///
    /// # Errors
    /// As [`unit`](Self::unit).
    pub(crate) fn pause_pictures(&mut self) -> Result<(), RecordError> {
        let waits = self.sound.as_ref().map_or(0, |track| track.waits());
        if waits < u64::from(sound::CLOCK) { Ok(()) } else { self.flush() }
    }

    /// The newest sample lasts until then; good for the last, which has nothing behind it.
    pub fn lasts_until(&mut self, timestamp: u32) {
        let step = timestamp.wrapping_sub(self.last);
        if let Some(newest) = self.fragment.samples.last_mut()
            && (1..=MAX_STEP).contains(&step)
        {
            newest.duration = step;
        }
    }

    /// Writes what waits for the fragment to be complete. Good for a pause in the stream.
    ///
    /// # Errors
    /// As [`unit`](Self::unit).
    pub fn flush(&mut self) -> Result<(), RecordError> {
        let pictures = std::mem::take(&mut self.fragment);
        let picture = rescaled(self.clock, CLOCK, sound::CLOCK);
        let sound = self.sound.as_mut().map(|track| {
            track.give_up(picture);
            track.take()
        });
        let sound = sound.unwrap_or_default();
        if pictures.samples.is_empty() && sound.samples.is_empty() {
            return Ok(());
        }
        let number = self.kept.fragments.saturating_add(1);
        let mut fragment = boxes::fragment(number, &[(boxes::VIDEO, &pictures), (boxes::SOUND, &sound)]);
        fragment[4..8].copy_from_slice(b"free");
        self.write(|sink| {
            let at = sink.stream_position()?;
            sink.write_all(&fragment)?;
            sink.seek(SeekFrom::Start(at + 4))?;
            sink.write_all(b"moof")?;
            sink.seek(SeekFrom::End(0)).map(|_| ())
        })?;
        self.kept.fragments = number;
        self.kept.frames = self.kept.frames.saturating_add(pictures.samples.len());
        if !pictures.samples.is_empty() {
            let ticks: u64 = pictures.samples.iter().map(|s| u64::from(s.duration)).sum();
            self.kept.ticks = pictures.begins.saturating_add(ticks);
        }
        Ok(())
    }

    fn write(&mut self, what: impl FnOnce(&mut dyn Sink) -> io::Result<()>) -> Result<(), RecordError> {
        let written = match &mut self.sink {
            Some(sink) => what(sink.as_mut()).and_then(|()| sink.flush()),
            None => Err(io::Error::other("it has ended with an error before")),
        };
        written.map_err(|source| {
            self.sink = None;
            match source.kind() {
                io::ErrorKind::NotFound => RecordError::Gone(self.path.clone()),
                _ => RecordError::Write { path: self.path.clone(), kept_seconds: self.seconds(), source },
            }
        })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much of it is in the file.
    fn seconds(&self) -> f64 {
        self.kept.ticks as f64 / f64::from(CLOCK)
    }

    /// Writes the last fragment, with silence up to the last picture where sound ends before it.
    ///
    /// # Errors
    /// As [`unit`](Self::unit).
    pub fn finish(mut self) -> Result<Recorded, RecordError> {
        let picture = rescaled(self.clock, CLOCK, sound::CLOCK);
        if let Some(track) = &mut self.sound {
            track.end_at(picture);
        }
        self.flush()?;
        Ok(Recorded { frames: self.kept.frames, seconds: self.seconds(), size: self.size, path: self.path })
    }
}

impl Fragment {
    /// Whether it has no room for so many bytes more, that come at this time.
    fn is_full(&self, time: u64, bytes: usize) -> bool {
        time.saturating_sub(self.begins) >= MAX_FRAGMENT_TICKS
            || self.data.len().saturating_add(bytes) > MAX_FRAGMENT_BYTES
            || self.samples.len() >= MAX_FRAGMENT_SAMPLES
    }
}

/// Ticks of one clock in those of another.
fn rescaled(ticks: u64, from: u32, to: u32) -> u64 {
    u64::try_from(u128::from(ticks) * u128::from(to) / u128::from(from)).unwrap_or(u64::MAX)
}

/// Opens what a recording is written to.
pub(crate) type OpenSink = fn(&Path) -> io::Result<Box<dyn Sink>>;

/// Makes the file; one that is there already stays as it is.
pub(crate) fn open_new(path: &Path) -> io::Result<Box<dyn Sink>> {
    Ok(Box::new(RecordingFile { file: File::create_new(path)?, path: path.to_owned() }))
}

/// A file that notices when it is taken away: the system goes on taking bytes for a file that nobody can find.
#[derive(Debug)]
struct RecordingFile {
    file: File,
    path: PathBuf,
}

impl Write for RecordingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.path.metadata().map(|_| ())
    }
}

impl Seek for RecordingFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// The parameter sets in a unit.
fn parameter_sets(unit: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let find = |kind| nal_units(unit).find(|nal| NalKind::of(nal) == Some(kind));
    (find(NalKind::Sps), find(NalKind::Pps))
}

/// A unit as a sample: its NAL units with their lengths in front, without those that `avcC` has.
fn lengths_in_front(unit: &[u8]) -> Result<Vec<u8>, RecordError> {
    let mut sample = Vec::with_capacity(unit.len());
    for nal in nal_units(unit) {
        if !matches!(NalKind::of(nal), Some(NalKind::Sps | NalKind::Pps | NalKind::Delimiter) | None) {
            sample.extend_from_slice(&(nal.len() as u32).to_be_bytes());
            sample.extend_from_slice(nal);
        }
    }
    if sample.len() > MAX_UNIT_BYTES { Err(RecordError::UnitTooLong(sample.len())) } else { Ok(sample) }
}

#[cfg(test)]
pub(crate) mod tests;
