//! Records access units as they come: what arrives, or the film of what is seen.

use std::{path::PathBuf, sync::Mutex};

use super::lock;
use crate::{
    call::ReceivedUnit,
    record::{RecordError, Recorded, Recording, Written},
};

/// Whether something is recorded, and where to.
#[derive(Debug, Default)]
pub(crate) struct Recorder(Mutex<RecorderState>);

#[derive(Debug, Default)]
enum RecorderState {
    #[default]
    Off,
    /// To be begun at the next keyframe; the number of the file, from 1.
    Waiting(PathBuf, u32),
    Running(Recording, PathBuf, u32),
    /// Pictures are missing: it goes on at the next keyframe.
    Torn(Recording, PathBuf, u32),
}

impl Recorder {
    /// Records into `path` from the next keyframe on.
    pub(crate) fn start(&self, path: PathBuf) {
        *lock(&self.0) = RecorderState::Waiting(path, 1);
    }

    /// Ends the recording; none if nothing has been recorded.
    pub(crate) fn stop(&self) -> Result<Option<Recorded>, RecordError> {
        match std::mem::take(&mut *lock(&self.0)) {
            RecorderState::Off | RecorderState::Waiting(..) => Ok(None),
            RecorderState::Running(recording, ..) | RecorderState::Torn(recording, ..) => recording.finish().map(Some),
        }
    }

    /// What comes next belongs to another connection, whose clock and pictures are others: a new file.
    pub(crate) fn new_stream(&self) {
        let mut state = lock(&self.0);
        *state = match std::mem::take(&mut *state) {
            RecorderState::Running(recording, path, n) | RecorderState::Torn(recording, path, n) => {
                if let Err(error) = recording.finish() {
                    tracing::error!("{error}");
                }
                RecorderState::Waiting(path, n + 1)
            }
            other => other,
        };
    }

    /// Units are missing before the next one.
    pub(crate) fn gap(&self) {
        let mut state = lock(&self.0);
        *state = match std::mem::take(&mut *state) {
            RecorderState::Running(recording, path, n) => RecorderState::Torn(recording, path, n),
            other => other,
        };
    }

    /// Takes a unit; true when a keyframe would help.
    pub(crate) fn unit(&self, unit: &ReceivedUnit) -> Result<bool, RecordError> {
        let mut state = lock(&self.0);
        let taken = std::mem::take(&mut *state);
        // What fails leaves the recorder off.
        *state = match taken {
            RecorderState::Off => return Ok(false),
            RecorderState::Waiting(path, n) if unit.keyframe && unit.complete => begin(path, n, unit)?,
            RecorderState::Torn(recording, path, n) if !(unit.keyframe && unit.complete) => {
                RecorderState::Torn(recording, path, n)
            }
            RecorderState::Running(recording, path, n) if !unit.complete => RecorderState::Torn(recording, path, n),
            RecorderState::Running(mut recording, path, n) | RecorderState::Torn(mut recording, path, n) => {
                match recording.unit(&unit.data, unit.keyframe, unit.rtp_timestamp)? {
                    Written::Frame => RecorderState::Running(recording, path, n),
                    Written::Changed => {
                        recording.finish()?;
                        begin(path, n + 1, unit)?
                    }
                }
            }
            waiting @ RecorderState::Waiting(..) => waiting,
        };
        Ok(matches!(*state, RecorderState::Waiting(..) | RecorderState::Torn(..)))
    }
}

/// Begins file number `n`; those after the first have their number in their name.
fn begin(path: PathBuf, n: u32, unit: &ReceivedUnit) -> Result<RecorderState, RecordError> {
    let file = if n == 1 {
        path.clone()
    } else {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        path.with_file_name(format!("{stem}-{n}.mp4"))
    };
    let recording = Recording::create(file, &unit.data, unit.rtp_timestamp)?;
    Ok(RecorderState::Running(recording, path, n))
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!("{error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::{
        codec::{AccessUnit, Encoder, EncoderConfig},
        source::scene::Scene,
    };

    fn units(size: &str, count: u64) -> Vec<AccessUnit> {
        let size = size.parse().unwrap();
        let scene = Scene::new(size, 30.0).unwrap();
        let config =
            EncoderConfig { size, fps: 30.0, bitrate: 200_000, keyframe_interval: Some(4), skip_frames: false };
        let mut encoder = Encoder::new(config).unwrap();
        (0..count).filter_map(|n| encoder.encode(&scene.draw(n)).unwrap()).collect()
    }

    fn received(unit: &AccessUnit, complete: bool) -> ReceivedUnit {
        let (data, keyframe) = (unit.data.clone(), unit.keyframe);
        ReceivedUnit { data, keyframe, rtp_timestamp: 3000 * unit.stamp.id as u32, arrived: Instant::now(), complete }
    }

    #[test]
    fn it_begins_at_a_keyframe_skips_what_is_torn_and_starts_anew_at_another_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.mp4");
        let (units, others) = (units("96x64", 12), units("128x96", 1));
        let recorder = Recorder::default();
        assert_eq!(recorder.stop().unwrap(), None);
        recorder.start(path.clone());
        let give = |i: usize, complete| recorder.unit(&received(&units[i], complete)).unwrap();
        assert!(give(1, true), "a keyframe is wanted");
        assert!(!give(4, true) && !give(5, true));
        assert!(give(6, false), "and again when something is missing");
        assert!(give(7, true), "what follows refers to it");
        assert!(!give(8, true));
        recorder.gap();
        assert!(give(9, true) && give(10, true));
        assert!(!recorder.unit(&received(&others[0], true)).unwrap());
        let last = recorder.stop().unwrap().unwrap();
        assert_eq!((last.frames, last.path), (1, folder.path().join("r-2.mp4")));
        let first = crate::source::clip::Clip::open(&path).unwrap();
        assert_eq!(crate::source::Source::size(&first), "96x64".parse().unwrap());
    }
}
