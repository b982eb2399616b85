//! A file as the source of a call.

use std::{path::Path, time::Duration};

use super::{ClipError, ClipReader, Loss};
use crate::{
    frame::{Aspect, Frame, Size, Stamp},
    scale::Squarer,
    source::{Event, Source, SourceError},
};

/// A picture that stands longer is given again, as a camera would: a call without pictures looks like one that is lost.
const LONGEST: Duration = Duration::from_millis(500);

/// A file as the source of a call: it starts again when it ends.
///
/// Frames are numbered on across the loops and stamped with the time at which they were read. Where the file has times
/// of its own, [`shown_for`](Source::shown_for) has them. Pixels are made square.
#[derive(Debug)]
pub struct Clip {
    reader: ClipReader,
    next_id: u64,
    squarer: Squarer,
    size: Size,
    /// Read already, to know for how long the one before it is shown.
    ahead: Option<Result<Frame, ClipError>>,
    /// The picture that was given last.
    last: Option<Frame>,
    shown_for: Duration,
    /// Where in the file that picture is.
    position: Duration,
    /// For how long the last picture is shown beyond that.
    left: Duration,
    /// Of the first time through.
    loss: Option<Loss>,
    loops: u64,
}

impl Clip {
    /// Opens the file.
    ///
    /// # Errors
    /// When the file is missing or cannot be read, or is no video or picture that is read here.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ClipError> {
        let reader = ClipReader::open(path)?;
        Ok(Self {
            size: reader.size(),
            shown_for: usual(&reader),
            reader,
            next_id: 0,
            position: Duration::ZERO,
            squarer: Squarer::default(),
            ahead: None,
            last: None,
            left: Duration::ZERO,
            loss: None,
            loops: 0,
        })
    }

    /// The next picture of the file, of its beginning after its end, and for how long the one before it is shown in the
    /// latter case.
    fn read(&mut self) -> (Result<Option<Frame>, ClipError>, Option<Duration>) {
        let started = self.reader.next_id > 0;
        let mut next = self.reader.next();
        let mut until_end = None;
        // What there is of a cut file is looped too.
        if matches!(next, Ok(None)) || (started && matches!(next, Err(ClipError::CutShort { .. }))) {
            if self.loops == 0 {
                self.loss = Some(self.reader.loss()).filter(|loss| *loss != Loss::default());
            }
            self.loops += 1;
            let end = self.reader.end().zip(self.last.as_ref());
            until_end = end.map(|(end, last)| end.saturating_duration_since(last.stamp.captured));
            next = self.reader.rewind().and_then(|()| self.reader.next());
        }
        (next.map(|frame| frame.map(|f| f.frame)), until_end)
    }

    fn give(&mut self, frame: Frame) -> Event {
        let stamp = Stamp::now(self.next_id);
        self.next_id += 1;
        Event::Frame(frame.with_stamp(stamp))
    }
}

/// How long a picture is shown where nothing else is said.
fn usual(reader: &ClipReader) -> Duration {
    Duration::try_from_secs_f32(1.0 / reader.fps()).unwrap_or(Duration::from_millis(33))
}

impl Source for Clip {
    fn name(&self) -> String {
        let name = self.reader.path().file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    fn size(&self) -> Size {
        self.last.as_ref().map_or(self.size, Frame::size)
    }

    fn fps(&self) -> f32 {
        self.reader.fps()
    }

    fn live(&self) -> bool {
        false
    }

    fn shown_for(&self) -> Option<Duration> {
        self.reader.variable_rate().then_some(self.shown_for)
    }

    fn position(&self) -> Option<Duration> {
        Some(self.position)
    }

    fn notice(&mut self) -> Option<String> {
        let loss = self.loss.take()?;
        Some(format!("of {} {loss}; if there is a whole copy of it, take that", self.name()))
    }

    fn next(&mut self) -> Result<Event, SourceError> {
        if let Some(last) = self.last.clone().filter(|_| !self.left.is_zero()) {
            self.position += self.shown_for;
            self.shown_for = self.left.min(LONGEST);
            self.left -= self.shown_for;
            return Ok(self.give(last));
        }
        let current = match self.ahead.take() {
            Some(ahead) => Some(ahead?),
            None => self.read().0?,
        };
        let Some(current) = current else { return Ok(Event::Ended) };
        let captured = current.stamp.captured;
        self.position = captured.saturating_duration_since(self.reader.opened);
        let current = if current.aspect == Aspect::SQUARE {
            current
        } else {
            self.squarer.square(current).map_err(|e| ClipError::damaged(self.reader.path(), e.to_string()))?
        };
        self.last = Some(current.clone());
        if self.reader.variable_rate() {
            let (next, until_end) = self.read();
            let lasts = match &next {
                Ok(Some(next)) if until_end.is_none() => next.stamp.captured.saturating_duration_since(captured),
                _ => until_end.unwrap_or_default(),
            };
            let lasts = if lasts.is_zero() { usual(&self.reader) } else { lasts };
            self.shown_for = lasts.min(LONGEST);
            self.left = lasts - self.shown_for;
            self.ahead = next.transpose();
        }
        Ok(self.give(current))
    }
}
