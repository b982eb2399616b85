//! Records access units and sound as they come: what arrives, or the view that was encoded anew.

mod sound_queue;

use std::{
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

use self::sound_queue::SoundQueue;
use super::lock;
use crate::{
    call::{ReceivedAudio, ReceivedUnit},
    record::{
        OpenSink, RecordError, Recorded, Recording, Written, open_new,
        sound::{Moment, SoundPacket},
    },
};

/// A stream that changes its parameter sets more often than that is no stream to record.
const MAX_FILES: u32 = 1000;

/// What a recording is doing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum RecorderState {
    /// Nothing is recorded.
    #[default]
    Off,
    /// It begins, or goes on after a gap, with the next keyframe.
    WaitingForKeyframe,
    /// Pictures are written.
    Recording,
    /// It has ended by itself. What was written before is kept.
    Failed {
        /// In a sentence.
        why: String,
    },
}

impl RecorderState {
    /// Whether it goes on until it is ended.
    pub const fn is_on(&self) -> bool {
        matches!(self, Self::WaitingForKeyframe | Self::Recording)
    }
}

/// Whether something is recorded, and where to.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    files: Mutex<Option<Files>>,
    /// Beside the files, so that who looks at it never waits for the disk.
    state: Mutex<RecorderState>,
    /// Likewise, for who brings it.
    sound: SoundQueue,
    /// The wish that it follows.
    followed: Mutex<Option<Arc<Path>>>,
    recorded: Mutex<Vec<Result<Vec<Recorded>, RecordError>>>,
}

/// The files of one recording: the stream may change its size.
#[derive(Debug)]
struct Files {
    path: PathBuf,
    open: OpenSink,
    /// The number of the next one, from 1.
    next: u32,
    done: Vec<Recorded>,
    current: Option<Current>,
    waiting: bool,
}

/// The file that is being written.
#[derive(Debug)]
struct Current {
    recording: Recording,
    /// When its newest picture was captured.
    newest: Moment,
}

impl Recorder {
    /// Records into `path` from the next keyframe on. Where that file exists, and at another size, the name gets
    /// a number.
    pub(crate) fn start(&self, path: PathBuf) {
        self.start_with(open_new, path);
    }

    /// Like [`start`](Self::start), into what `open` makes of the path.
    pub(crate) fn start_with(&self, open: OpenSink, path: PathBuf) {
        self.end();
        let mut files = lock(&self.files);
        self.sound.clear();
        *files = Some(Files { path, open, next: 1, done: Vec::new(), current: None, waiting: true });
        self.say(RecorderState::WaitingForKeyframe);
    }

    /// What it is doing.
    pub(crate) fn state(&self) -> RecorderState {
        lock(&self.state).clone()
    }

    /// Does what is wished for, if that is another recording than the one before, or none. True when a recording has
    /// ended by it: its outcome can be [taken](Self::take_recorded).
    pub(crate) fn follow(&self, wish: Option<&Arc<Path>>) -> bool {
        let mut followed = lock(&self.followed);
        if same(followed.as_ref(), wish) {
            return false;
        }
        // One that has failed has been told.
        let ended = self.state().is_on();
        let outcome = self.stop();
        if ended {
            lock(&self.recorded).push(outcome);
        }
        if let Some(path) = wish {
            self.start(path.to_path_buf());
        }
        *followed = wish.cloned();
        ended
    }

    /// What it is doing, or will be doing as soon as it follows the wish.
    pub(crate) fn state_of(&self, wish: Option<&Arc<Path>>) -> RecorderState {
        let followed = lock(&self.followed).clone();
        match wish {
            _ if same(followed.as_ref(), wish) => self.state(),
            Some(_) => RecorderState::WaitingForKeyframe,
            None => RecorderState::Off,
        }
    }

    /// What recordings have become that a wish has ended.
    pub(crate) fn take_recorded(&self) -> Vec<Result<Vec<Recorded>, RecordError>> {
        std::mem::take(&mut *lock(&self.recorded))
    }

    /// Ends the recording; its files, none if nothing has been recorded.
    pub(crate) fn stop(&self) -> Result<Vec<Recorded>, RecordError> {
        let mut files = lock(&self.files);
        let Some(mut files) = files.take() else { return Ok(Vec::new()) };
        self.say(RecorderState::Off);
        files.take_sound(&self.sound, None).and_then(|()| files.finish()).inspect_err(|error| self.say(failed(error)))
    }

    /// Units are missing before the next one.
    pub(crate) fn gap(&self) {
        if let Some(files) = &mut *lock(&self.files) {
            files.waiting = true;
            self.say(RecorderState::WaitingForKeyframe);
        }
    }

    /// Takes a unit; true, as from the others, when a keyframe would help.
    pub(crate) fn unit(&self, unit: &ReceivedUnit) -> Result<bool, RecordError> {
        self.with_files(|files| files.unit(unit, &self.sound))
    }

    /// Whether sound belongs to what comes. A file that begins while it does has a track for it; so has one that
    /// begins when sound has come.
    pub(crate) fn expects_audio(&self, expected: bool) {
        self.sound.expect(expected);
    }

    /// Takes a packet of sound, which is written with the next unit or [`pause`](Self::pause). Waits for no disk.
    pub(crate) fn audio(&self, packet: &ReceivedAudio) {
        if self.state().is_on() {
            self.sound.put(packet.clone());
        }
    }

    /// What comes next belongs to another connection, whose clock and pictures are others: a new file. Sound that
    /// waits may be that connection's already.
    pub(crate) fn new_stream(&self) -> Result<bool, RecordError> {
        self.with_files(|files| {
            files.waiting = true;
            files.end_file()
        })
    }

    /// Nothing has come for a while: what has is written, so that it is safe.
    pub(crate) fn pause(&self) -> Result<bool, RecordError> {
        self.with_files(|files| files.pause(&self.sound))
    }

    /// Does something to the files; true when they wait for a keyframe. What fails ends the recording.
    fn with_files(&self, what: impl FnOnce(&mut Files) -> Result<(), RecordError>) -> Result<bool, RecordError> {
        let mut guard = lock(&self.files);
        let Some(files) = &mut *guard else { return Ok(false) };
        match what(files) {
            Ok(()) => {
                let waiting = files.waiting;
                self.say(if waiting { RecorderState::WaitingForKeyframe } else { RecorderState::Recording });
                Ok(waiting)
            }
            Err(error) => {
                // What waits is written if it can be; why it has ended is known already.
                let _ = guard.take().map(Files::finish);
                self.say(failed(&error));
                Err(error)
            }
        }
    }

    /// Ends what may be running, where nobody asks for the outcome.
    fn end(&self) {
        if let Err(error) = self.stop() {
            tracing::error!("{error}");
        }
    }

    fn say(&self, state: RecorderState) {
        *lock(&self.state) = state;
    }
}

/// Each wish is a recording of its own, even of the same path.
fn same(a: Option<&Arc<Path>>, b: Option<&Arc<Path>>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => Arc::ptr_eq(a, b),
        (None, None) => true,
        _ => false,
    }
}

fn failed(error: &RecordError) -> RecorderState {
    RecorderState::Failed { why: error.to_string() }
}

impl Files {
    fn unit(&mut self, unit: &ReceivedUnit, sound: &SoundQueue) -> Result<(), RecordError> {
        let begins = unit.keyframe && unit.complete;
        let moment = Moment { arrived: unit.arrived, sender_time: unit.sender_time };
        self.take_sound(sound, Some(moment))?;
        self.waiting |= !unit.complete;
        if self.waiting && !begins {
            return self.current.as_mut().map_or(Ok(()), |current| current.recording.pause_pictures());
        }
        let written = match &mut self.current {
            Some(Current { recording, newest }) => {
                let written = recording.unit(&unit.data, unit.keyframe, unit.rtp_timestamp)?;
                if written == Written::Frame {
                    *newest = moment;
                }
                written
            }
            None => Written::Changed,
        };
        self.waiting = match written {
            Written::Frame => false,
            Written::Changed if begins => {
                self.end_file()?;
                self.current = Some(Current { recording: self.next_file(unit, sound)?, newest: moment });
                false
            }
            Written::Changed => true,
        };
        Ok(())
    }

    /// Adds the sound that was captured before a picture, or all that has come. What was before the first one is left
    /// out.
    fn take_sound(&mut self, sound: &SoundQueue, before: Option<Moment>) -> Result<(), RecordError> {
        if self.current.is_none() && before.is_none() {
            return Ok(());
        }
        for packet in sound.take(before) {
            if let Some(Current { recording, newest }) = &mut self.current {
                let moment = Moment { arrived: packet.arrived, sender_time: packet.sender_time };
                recording.sound(&SoundPacket {
                    data: &packet.payload,
                    ssrc: packet.ssrc,
                    timestamp: packet.rtp_timestamp,
                    since_picture: moment.since(*newest),
                })?;
            }
        }
        Ok(())
    }

    fn pause(&mut self, sound: &SoundQueue) -> Result<(), RecordError> {
        self.take_sound(sound, None)?;
        self.current.as_mut().map_or(Ok(()), |current| current.recording.pause())
    }

    fn end_file(&mut self) -> Result<(), RecordError> {
        if let Some(Current { recording, .. }) = self.current.take() {
            self.done.push(recording.finish()?);
        }
        Ok(())
    }

    /// Begins the next file; those after the first have their number in their name.
    fn next_file(&mut self, unit: &ReceivedUnit, sound: &SoundQueue) -> Result<Recording, RecordError> {
        let channels = sound.channels();
        while self.next <= MAX_FILES {
            let path = numbered(&self.path, self.next);
            self.next += 1;
            match Recording::create_with(self.open, path, &unit.data, unit.rtp_timestamp, channels) {
                // An earlier recording's: it must not be lost.
                Err(RecordError::Write { source, .. }) if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                begun => return begun,
            }
        }
        Err(RecordError::TooManyFiles(MAX_FILES))
    }

    fn finish(mut self) -> Result<Vec<Recorded>, RecordError> {
        self.end_file()?;
        Ok(self.done)
    }
}

fn numbered(path: &Path, n: u32) -> PathBuf {
    if n == 1 {
        return path.to_owned();
    }
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!("{stem}-{n}.mp4"))
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod sound_tests;
#[cfg(test)]
mod tests;
