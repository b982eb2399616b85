//! Access units of a file to its pictures, upright and with their own times.

use std::{
    collections::VecDeque,
    path::Path,
    time::{Duration, Instant},
};

use super::{ClipError, ClipFrame, annexb::AnnexBReader, frame_time, later, mkv::MkvReader, mp4::Mp4Reader};
use crate::{
    codec::{Assumed, DecodeError, Decoder},
    frame::{Aspect, Orientation, Stamp},
};
use std::{fs::File, io::BufReader};

/// So many units can wait for their pictures; a decoder holds back fewer.
const MAX_WAITING: usize = 64;

/// Where access units come from.
#[derive(Debug)]
pub(super) enum Units {
    Mp4(Box<Mp4Reader<BufReader<File>>>),
    Mkv(Box<MkvReader<BufReader<File>>>),
    AnnexB(AnnexBReader<BufReader<File>>),
}

/// One access unit of a file.
#[derive(Debug, Default)]
pub(super) struct Unit {
    pub(super) data: Vec<u8>,
    /// When its picture is shown, in the clip; [`None`]: never, others refer to it. Zero where the file has no times.
    pub(super) time: Option<Duration>,
    /// What came before has nothing to do with it.
    pub(super) fresh: bool,
    /// Nothing could be read of it.
    pub(super) lost: bool,
    /// What holds where the stream is silent.
    pub(super) assumed: Assumed,
    /// What the file says of the shape of a pixel, whatever the stream says.
    pub(super) aspect: Option<Aspect>,
}

/// A unit whose picture has not come out yet.
#[derive(Debug)]
struct Waiting {
    number: u64,
    time: Option<Duration>,
    aspect: Option<Aspect>,
}

/// Reads units and decodes them.
#[derive(Debug)]
pub(super) struct H264Reader {
    units: Units,
    decoder: Box<Decoder>,
    orientation: Orientation,
    waiting: VecDeque<Waiting>,
    /// Units so far.
    fed: u64,
    /// The next unit, for which a new decoder is due when this one has given all that it has.
    held: Option<Unit>,
    ended: bool,
    /// What decoders before this one did not give.
    lost_before: u64,
    /// Units of this decoder whose pictures are not shown, less those that came out.
    hidden: u64,
}

impl H264Reader {
    pub(super) fn new(units: Units, path: &Path) -> Result<Self, ClipError> {
        let orientation = match &units {
            Units::Mp4(mp4) => mp4.orientation(),
            Units::Mkv(_) | Units::AnnexB(_) => Orientation::default(),
        };
        Ok(Self {
            units,
            decoder: decoder(path)?,
            orientation,
            waiting: VecDeque::new(),
            fed: 0,
            held: None,
            ended: false,
            lost_before: 0,
            hidden: 0,
        })
    }

    pub(super) fn rewind(&mut self, path: &Path) -> Result<(), ClipError> {
        match &mut self.units {
            Units::Mp4(mp4) => mp4.rewind(),
            Units::Mkv(mkv) => mkv.rewind(path)?,
            Units::AnnexB(stream) => stream.rewind(path)?,
        }
        self.decoder = decoder(path)?;
        self.waiting.clear();
        (self.held, self.ended, self.lost_before, self.hidden) = (None, false, 0, 0);
        Ok(())
    }

    /// Pictures that should have been shown and were not, when all has been read.
    pub(super) fn lost(&self) -> u64 {
        self.lost_before.saturating_add(self.decoder.owed().saturating_sub(self.hidden))
    }

    /// Whether the pictures last for different times.
    pub(super) fn variable(&self) -> bool {
        match &self.units {
            Units::Mp4(mp4) => mp4.variable(),
            Units::Mkv(mkv) => mkv.variable(),
            Units::AnnexB(_) => false,
        }
    }

    /// When the last picture ends, where the file says.
    pub(super) fn end(&self) -> Option<Duration> {
        match &self.units {
            Units::Mp4(mp4) => Some(mp4.end()),
            Units::Mkv(_) | Units::AnnexB(_) => None,
        }
    }

    /// The next picture that is shown, as number `id` of a file opened then.
    pub(super) fn next(
        &mut self,
        id: u64,
        opened: Instant,
        fps: f32,
        path: &Path,
    ) -> Result<Option<ClipFrame>, ClipError> {
        loop {
            let Some(decoded) = self.decoded(opened, path)? else { return Ok(None) };
            let number = decoded.frame.stamp.id;
            let at = self.waiting.iter().position(|w| w.number == number);
            let waiting = at.and_then(|at| self.waiting.remove(at));
            let (time, aspect) = match waiting {
                Some(Waiting { time: None, .. }) => {
                    self.hidden = self.hidden.saturating_sub(1);
                    continue;
                }
                Some(Waiting { time: Some(time), aspect, .. }) => (time, aspect),
                // A unit with two pictures: they share its time.
                None => (decoded.frame.stamp.captured.saturating_duration_since(opened), None),
            };
            // A byte stream has no times, and its units may stand in another order than pictures.
            let time = if let Units::AnnexB(_) = self.units { frame_time(id, fps) } else { time };
            let stamp = Stamp { id, captured: later(opened, time) };
            let mut frame = decoded.frame.with_stamp(stamp);
            frame.aspect = aspect.unwrap_or(frame.aspect);
            return Ok(Some(ClipFrame { frame: frame.upright(self.orientation), damaged: decoded.damaged }));
        }
    }

    /// The next picture that comes out, with the number of its unit.
    fn decoded(&mut self, opened: Instant, path: &Path) -> Result<Option<crate::codec::Decoded>, ClipError> {
        loop {
            if self.ended || self.held.is_some() {
                let flushed = self.decoder.flush().map_err(|e| ClipError::decode(path, e))?;
                if flushed.is_some() || self.ended {
                    return Ok(flushed);
                }
                self.lost_before = self.lost();
                self.decoder = decoder(path)?;
                self.waiting.clear();
                self.hidden = 0;
            }
            let unit = match self.held.take() {
                Some(unit) => Some(Unit { fresh: false, ..unit }),
                None => self.units.next(path)?,
            };
            let Some(unit) = unit else {
                self.ended = true;
                continue;
            };
            if unit.fresh {
                self.held = Some(unit);
                continue;
            }
            if let Some(decoded) = self.feed(unit, opened, path)? {
                return Ok(Some(decoded));
            }
        }
    }

    fn feed(&mut self, unit: Unit, opened: Instant, path: &Path) -> Result<Option<crate::codec::Decoded>, ClipError> {
        let Unit { data, time, lost, assumed, aspect, .. } = unit;
        self.fed += 1;
        if lost {
            self.decoder.miss();
        }
        if lost || !data.is_empty() {
            // What is never shown is not missed.
            self.hidden += u64::from(time.is_none());
            if self.waiting.len() == MAX_WAITING {
                self.waiting.pop_front();
            }
            self.waiting.push_back(Waiting { number: self.fed, time, aspect });
        }
        let stamp = Stamp { id: self.fed, captured: later(opened, time.unwrap_or_default()) };
        self.decoder.assume(assumed);
        match self.decoder.decode(&data, stamp) {
            Ok(decoded) => Ok(decoded),
            Err(e @ (DecodeError::Broken { .. } | DecodeError::TooLong(_))) => {
                tracing::debug!("{}: {e}", path.display());
                Ok(None)
            }
            Err(e) => Err(ClipError::decode(path, e)),
        }
    }
}

fn decoder(path: &Path) -> Result<Box<Decoder>, ClipError> {
    Decoder::new().map(Box::new).map_err(|e| ClipError::decode(path, e))
}

impl Units {
    fn next(&mut self, path: &Path) -> Result<Option<Unit>, ClipError> {
        match self {
            Self::Mp4(mp4) => mp4.next(path),
            Self::Mkv(mkv) => mkv.next(path),
            Self::AnnexB(stream) => stream.next(path),
        }
    }
}
