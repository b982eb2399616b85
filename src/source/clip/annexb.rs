//! H.264 as a byte stream.

use std::collections::VecDeque;
use std::io::{Read, Seek};
use std::path::Path;
use std::time::Duration;

use super::{ClipError, h264::Unit};
use crate::codec::DecodeError;
use crate::codec::nal::{NalKind, Parameters, Sps, SpsError, UnitSplitter, nal_units};
use crate::frame::Size;

/// How far into the stream the first parameter set may lie.
const SEARCH: u64 = 1 << 20;

/// Whether a file with this beginning can be a byte stream: it starts with a start code and a NAL unit
/// header that is allowed.
pub(super) fn looks_like(head: &[u8]) -> bool {
    let zeros = head.iter().take_while(|&&b| b == 0).count();
    zeros >= 2 && head.get(zeros) == Some(&1) && head.get(zeros + 1).is_some_and(|h| h & 0x80 == 0 && h & 31 != 0)
}

/// Whether a stream begins somewhere near the start of a file, behind bytes of another kind: a sequence and a picture
/// parameter set and a slice that belong together. The reader stands at the start again.
pub(super) fn found(reader: &mut (impl Read + Seek), path: &Path) -> Result<bool, ClipError> {
    let start = beginning(reader, path)?;
    reader.rewind().map_err(|e| ClipError::read(path, e))?;
    let mut parameters = Parameters::default();
    Ok(nal_units(&start).any(|nal| {
        let known =
            nal.get(1).is_some_and(|profile| PROFILES.contains(profile)) || NalKind::of(nal) != Some(NalKind::Sps);
        if known {
            let _ = parameters.update(nal);
        }
        parameters.slice(nal).is_some()
    }))
}

/// Those of table A.2 and annexes G and H.
const PROFILES: [u8; 11] = [66, 77, 88, 100, 110, 122, 244, 44, 83, 86, 118];

fn beginning(reader: &mut impl Read, path: &Path) -> Result<Vec<u8>, ClipError> {
    let mut start = Vec::new();
    reader.by_ref().take(SEARCH).read_to_end(&mut start).map_err(|e| ClipError::read(path, e))?;
    Ok(start)
}

#[derive(Debug)]
pub(super) struct AnnexBReader<R> {
    reader: R,
    splitter: UnitSplitter,
    units: VecDeque<Vec<u8>>,
    size: Size,
    fps: f32,
    ended: bool,
}

impl<R: Read + Seek> AnnexBReader<R> {
    pub(super) fn open(mut reader: R, path: &Path) -> Result<Self, ClipError> {
        let start = beginning(&mut reader, path)?;
        let mut sets = nal_units(&start).filter(|nal| NalKind::of(nal) == Some(NalKind::Sps)).map(Sps::parse);
        let sps = loop {
            match sets.next() {
                Some(Ok(sps)) => break sps,
                Some(Err(SpsError::Damaged)) => {}
                Some(Err(e)) => return Err(ClipError::decode(path, DecodeError::Unsupported(e))),
                None => {
                    return Err(ClipError::unknown(path, "no H.264 sequence parameter set near its start"));
                }
            }
        };
        let mut this = Self {
            reader,
            splitter: UnitSplitter::default(),
            units: VecDeque::new(),
            size: sps.size,
            fps: sps.fps.unwrap_or(30.0),
            ended: false,
        };
        this.rewind(path)?;
        Ok(this)
    }

    pub(super) const fn size(&self) -> Size {
        self.size
    }

    pub(super) const fn fps(&self) -> f32 {
        self.fps
    }

    pub(super) fn rewind(&mut self, path: &Path) -> Result<(), ClipError> {
        self.reader.rewind().map_err(|e| ClipError::read(path, e))?;
        self.splitter = UnitSplitter::default();
        self.units.clear();
        self.ended = false;
        Ok(())
    }

    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Unit>, ClipError> {
        let mut piece = [0; 1 << 14];
        while self.units.is_empty() && !self.ended {
            let n = self.reader.read(&mut piece).map_err(|e| ClipError::read(path, e))?;
            if n == 0 {
                self.ended = true;
                self.units.extend(self.splitter.finish());
            } else {
                self.splitter.push(&piece[..n]).map_err(|e| ClipError::damaged(path, e.to_string()))?;
                while let Some(unit) = self.splitter.next_unit() {
                    self.units.push_back(unit);
                }
            }
        }
        Ok(self.units.pop_front().map(|data| Unit { data, time: Some(Duration::ZERO), ..Unit::default() }))
    }
}
