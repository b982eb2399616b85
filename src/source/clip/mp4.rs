//! H.264 in MP4 (ISO/IEC 14496-12), with one index or in fragments.
//!
//! Read here and not by a crate, because the boxes of a hostile file must neither panic nor ask for
//! memory that the file does not have.

mod boxes;
mod index;

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use boxes::{Header, Malformed};
use index::{Index, IndexError};

use super::{ClipError, Unit};
use crate::codec::nal::{SpsError, avcc_to_annex_b, is_keyframe, push_nal};
use crate::codec::{DecodeError, MAX_UNIT_BYTES};
use crate::frame::Size;

/// The longest index (`moov` or `moof`) that is read: hours of video have a few megabytes.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// Whether a file with this beginning is an MP4: its first box is one of those that may stand there.
pub(super) fn looks_like(head: &[u8]) -> bool {
    let first = head.get(4..8).unwrap_or_default();
    [b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"styp"].iter().any(|kind| first == *kind)
}

#[derive(Debug)]
pub(super) struct Mp4Reader<R> {
    reader: R,
    length: u64,
    index: Index,
    /// When the first picture is shown.
    start: i64,
    next: usize,
    /// The file ends in the middle of a fragment that could not be read any more.
    cut: bool,
}

impl<R: Read + Seek> Mp4Reader<R> {
    pub(super) fn open(mut reader: R, length: u64, path: &Path) -> Result<Self, ClipError> {
        let (index, cut) = read_index(&mut reader, length, path)?;
        if index.samples.is_empty() && cut {
            return Err(ClipError::cut(path, "before its first picture", 0));
        }
        if index.samples.is_empty() {
            return Err(ClipError::damaged(path, "its index lists no pictures"));
        }
        let start = index.start();
        Ok(Self { reader, length, index, start, next: 0, cut })
    }

    pub(super) fn size(&self) -> Size {
        self.index.size
    }

    pub(super) fn frames(&self) -> u64 {
        self.index.samples.len() as u64
    }

    pub(super) fn fps(&self) -> f32 {
        self.index.fps()
    }

    pub(super) fn rewind(&mut self) {
        self.next = 0;
    }

    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Unit>, ClipError> {
        let number = self.next;
        let Some(&sample) = self.index.samples.get(number) else {
            if self.cut {
                return Err(ClipError::cut(path, "in the middle of a fragment", number as u64));
            }
            return Ok(None);
        };
        self.next += 1;
        let cut = || ClipError::cut(path, format!("frame {number} lies past its end"), number as u64);
        if sample.offset.checked_add(u64::from(sample.size)).is_none_or(|end| end > self.length) {
            return Err(cut());
        }
        if sample.size as usize > MAX_UNIT_BYTES {
            return Err(ClipError::damaged(path, format!("frame {number} has {} bytes", sample.size)));
        }
        let mut data = vec![0; sample.size as usize];
        self.reader.seek(SeekFrom::Start(sample.offset)).map_err(|e| ClipError::read(path, e))?;
        self.reader.read_exact(&mut data).map_err(|e| ClipError::read(path, e))?;
        let config = &self.index.config;
        let mut unit = Vec::with_capacity(data.len() + 64);
        avcc_to_annex_b(&data, config.length_size, &mut unit)
            .map_err(|e| ClipError::damaged(path, format!("in frame {number}, {e}")))?;
        if number == 0 || is_keyframe(&unit) {
            let mut with_sets = Vec::with_capacity(unit.len() + 64);
            for set in &config.parameter_sets {
                push_nal(&mut with_sets, set);
            }
            with_sets.append(&mut unit);
            unit = with_sets;
        }
        let ticks = sample.time.saturating_sub(self.start).max(0);
        let time = Duration::try_from_secs_f64(ticks as f64 / f64::from(self.index.timescale)).unwrap_or_default();
        Ok(Some(Unit { data: unit, time }))
    }
}

/// Walks over the file's boxes and reads those that say where the pictures are. True when it ends in the middle
/// of one that should have brought more.
fn read_index<R: Read + Seek>(reader: &mut R, length: u64, path: &Path) -> Result<(Index, bool), ClipError> {
    let mut index = None;
    let mut cut = false;
    let mut at = 0;
    while at < length {
        let mut head = Vec::new();
        reader.seek(SeekFrom::Start(at)).map_err(|e| ClipError::read(path, e))?;
        reader.by_ref().take(16).read_to_end(&mut head).map_err(|e| ClipError::read(path, e))?;
        let Some(header) = Header::parse(&head, length - at) else {
            // Zeros are padding.
            cut = head.iter().any(|&byte| byte != 0);
            break;
        };
        let Ok(Header { kind, payload, size }) = header else {
            return Err(ClipError::damaged(path, format!("at byte {at} there is no box")));
        };
        let whole = at.checked_add(size).filter(|&end| end <= length);
        cut = whole.is_none() && &kind == b"moof";
        if &kind == b"moov" || &kind == b"moof" {
            if whole.is_none() {
                break;
            }
            if size > MAX_INDEX_BYTES {
                return Err(ClipError::damaged(path, format!("its index has {size} bytes")));
            }
            let mut data = vec![0; (size - payload) as usize];
            reader.seek(SeekFrom::Start(at + payload)).map_err(|e| ClipError::read(path, e))?;
            reader.read_exact(&mut data).map_err(|e| ClipError::read(path, e))?;
            let failed = |e: IndexError| index_error(e, path);
            match (&kind, &mut index) {
                (b"moov", None) => index = Some(Index::from_moov(&data, length).map_err(failed)?),
                (b"moof", Some(index)) => index.add_moof(&data, at).map_err(failed)?,
                _ => {}
            }
        }
        let Some(end) = whole else {
            break;
        };
        at = end;
    }
    // A file that was broken off while it was written may have its pictures but no index.
    let index = index.ok_or_else(|| ClipError::cut(path, "before its index, the moov box", 0))?;
    Ok((index, cut))
}

fn index_error(error: IndexError, path: &Path) -> ClipError {
    let unsupported = |what| ClipError::Unsupported {
        path: path.to_owned(),
        what,
        instead: "H.264 (with ffmpeg: -c:v libx264 -pix_fmt yuv420p)",
    };
    match error {
        IndexError::Malformed(Malformed(what)) => ClipError::damaged(path, format!("its {what} box is malformed")),
        IndexError::TooMany => ClipError::damaged(path, "its index lists more pictures than the file can hold"),
        IndexError::NoVideo => unsupported("no video track".to_owned()),
        IndexError::Codec(what) => unsupported(format!("{what} video")),
        IndexError::Sps(SpsError::Damaged) => ClipError::damaged(path, SpsError::Damaged.to_string()),
        IndexError::Sps(e) => ClipError::decode(path, DecodeError::Unsupported(e)),
    }
}

#[cfg(test)]
pub(super) mod tests;
