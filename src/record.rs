//! H.264 into a file as it comes, without decoding it: MP4 (ISO/IEC 14496-12 and -15).
//!
//! ```text
//! ftyp │ mdat: sample, sample, … │ moov: the index, written when the recording ends
//! ```
//!
//! Parameter sets are taken out of the samples and stand in `avcC`; a stream that changes them goes on in a
//! new file, since players expect one set.

mod boxes;

use std::{
    fs::File,
    io::{BufWriter, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use crate::{
    codec::nal::{NalKind, Sps, nal_units},
    frame::Size,
};

/// Ticks in a second of the timestamps.
const CLOCK: u32 = 90_000;
/// The longest recording: ten hours at 30 frames a second.
const MAX_SAMPLES: usize = 1_080_000;
/// A step between two timestamps that is longer than this many ticks is a jump of the clock and no time.
const MAX_STEP: u32 = 60 * CLOCK;
/// What a frame lasts when nothing says so.
const STEP: u32 = CLOCK / 30;

/// A recording that cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file system said no.
    #[error("cannot write the recording {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// It began with something else than a keyframe that carries its parameter sets.
    #[error("a recording begins with a keyframe and its parameter sets")]
    NoParameters,
    /// It is as long as it may get.
    #[error("the recording is as long as it may get ({MAX_SAMPLES} frames)")]
    TooLong,
}

/// What [`Recording::unit`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It is in the file.
    Frame,
    /// Its parameter sets are others: end this file, and begin a new one with this unit.
    Changed,
}

/// A file that is being written. It can be played once [`finish`](Self::finish) has been called.
#[derive(Debug)]
pub struct Recording {
    path: PathBuf,
    file: BufWriter<File>,
    sps: Vec<u8>,
    pps: Vec<u8>,
    size: Size,
    bytes: u64,
    last: u32,
    samples: boxes::Samples,
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
    pub fn create(path: impl Into<PathBuf>, keyframe: &[u8], timestamp: u32) -> Result<Self, RecordError> {
        let path = path.into();
        let (sps, pps) = sets(keyframe);
        let (Some(sps), Some(pps)) = (sps, pps) else { return Err(RecordError::NoParameters) };
        let Ok(parsed) = Sps::parse(sps) else { return Err(RecordError::NoParameters) };
        let failed = |source| RecordError::Write { path: path.clone(), source };
        let mut file = BufWriter::new(File::create(&path).map_err(failed)?);
        file.write_all(&boxes::head()).map_err(failed)?;
        let mut recording = Self {
            sps: sps.to_vec(),
            pps: pps.to_vec(),
            size: parsed.size,
            file,
            bytes: 0,
            last: timestamp,
            samples: boxes::Samples::default(),
            path,
        };
        recording.unit(keyframe, true, timestamp)?;
        Ok(recording)
    }

    /// Adds an access unit.
    pub fn unit(&mut self, data: &[u8], keyframe: bool, timestamp: u32) -> Result<Written, RecordError> {
        let (sps, pps) = sets(data);
        if sps.is_some_and(|s| s != self.sps) || pps.is_some_and(|p| p != self.pps) {
            return Ok(Written::Changed);
        }
        if self.samples.len() >= MAX_SAMPLES {
            return Err(RecordError::TooLong);
        }
        let mut sample = Vec::with_capacity(data.len());
        for nal in nal_units(data) {
            if matches!(NalKind::of(nal), Some(NalKind::Sps | NalKind::Pps | NalKind::Delimiter) | None) {
                continue;
            }
            sample.extend_from_slice(&(nal.len() as u32).to_be_bytes());
            sample.extend_from_slice(nal);
        }
        let path = &self.path;
        self.file.write_all(&sample).map_err(|source| RecordError::Write { path: path.clone(), source })?;
        self.bytes += sample.len() as u64;
        let step = timestamp.wrapping_sub(self.last);
        self.last = timestamp;
        self.samples.add(sample.len() as u32, keyframe, if step > MAX_STEP { STEP } else { step });
        Ok(Written::Frame)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes the index; only now the file can be played.
    pub fn finish(mut self) -> Result<Recorded, RecordError> {
        let index = boxes::index(&self.samples, self.size, &self.sps, &self.pps);
        let length = boxes::data_length(self.bytes);
        let written = self.file.write_all(&index).and_then(|()| {
            self.file.seek(SeekFrom::Start(boxes::DATA_LENGTH_AT))?;
            self.file.write_all(&length.to_be_bytes())?;
            self.file.flush()
        });
        written.map_err(|source| RecordError::Write { path: self.path.clone(), source })?;
        Ok(Recorded {
            frames: self.samples.len(),
            seconds: self.samples.ticks() as f64 / f64::from(CLOCK),
            size: self.size,
            path: self.path,
        })
    }
}

/// The parameter sets in a unit.
fn sets(unit: &[u8]) -> (Option<&[u8]>, Option<&[u8]>) {
    let find = |kind| nal_units(unit).find(|nal| NalKind::of(nal) == Some(kind));
    (find(NalKind::Sps), find(NalKind::Pps))
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;
    use crate::{
        codec::{AccessUnit, Decoder, Encoder, EncoderConfig},
        frame::{Frame, Stamp},
        source::{Event, Source as _, clip::Clip, scene::Scene},
    };

    /// Units of the scene, 25 a second.
    fn units(size: &str, count: u64) -> Vec<AccessUnit> {
        let size = size.parse().unwrap();
        let scene = Scene::new(size, 25.0).unwrap();
        let config =
            EncoderConfig { size, fps: 25.0, bitrate: 200_000, keyframe_interval: Some(5), skip_frames: false };
        let mut encoder = Encoder::new(config).unwrap();
        let start = Instant::now();
        let frame = |n: u64| {
            let captured = start + Duration::from_millis(40 * n);
            encoder.encode(&scene.draw(n).with_stamp(Stamp { id: n, captured })).unwrap()
        };
        (0..count).filter_map(frame).collect()
    }

    fn decoded(units: &[AccessUnit]) -> Vec<Frame> {
        let mut decoder = Decoder::new().unwrap();
        units.iter().filter_map(|u| decoder.decode(&u.data, u.stamp).unwrap()).map(|d| d.frame).collect()
    }

    #[test]
    fn what_is_recorded_plays_as_it_was_received() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("call.mp4");
        let units = units("96x64", 12);
        // The clock may wrap.
        let start = u32::MAX - 4 * 3600;
        let time = |i: usize| start.wrapping_add(3600 * i as u32);
        let mut recording = Recording::create(&path, &units[0].data, time(0)).unwrap();
        for (i, unit) in units.iter().enumerate().skip(1) {
            assert_eq!(recording.unit(&unit.data, unit.keyframe, time(i)).unwrap(), Written::Frame);
        }
        let done = recording.finish().unwrap();
        assert_eq!((done.frames, done.size), (12, "96x64".parse().unwrap()));
        assert!((done.seconds - 12.0 / 25.0).abs() < 0.01, "{}", done.seconds);

        let mut clip = Clip::open(&path).unwrap();
        assert!((clip.fps() - 25.0).abs() < 0.1, "{}", clip.fps());
        for want in decoded(&units) {
            let Event::Frame(frame) = clip.next().unwrap() else { panic!("the recording is too short") };
            assert_eq!(frame.planes(), want.planes());
        }
    }

    #[test]
    fn another_size_asks_for_another_file_and_no_keyframe_is_no_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let (small, large) = (units("96x64", 2), units("128x96", 1));
        let mut recording = Recording::create(folder.path().join("a.mp4"), &small[0].data, 0).unwrap();
        assert_eq!(recording.unit(&large[0].data, true, 3600).unwrap(), Written::Changed);
        assert_eq!(recording.finish().unwrap().frames, 1);
        let none = Recording::create(folder.path().join("b.mp4"), &small[1].data, 0);
        assert!(matches!(none, Err(RecordError::NoParameters)));
        let nowhere = Recording::create(folder.path().join("no/c.mp4"), &small[0].data, 0).unwrap_err();
        assert!(nowhere.to_string().contains("c.mp4"), "{nowhere}");
    }
}
