//! H.264 in MP4 (ISO/IEC 14496-12), with one index or in fragments.
//!
//! Read here and not by a crate, because the boxes of a hostile file must neither panic nor ask for
//! memory that the file does not have.

mod boxes;
mod edits;
mod index;
mod track;

use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

use boxes::{Header, Malformed};
use edits::{Plan, Step};
use index::{Index, IndexError, Sample};

use super::{ClipError, h264::Unit};
use crate::codec::nal::{NalKind, ParameterSets, Sps, SpsError, avcc_to_annex_b, is_keyframe, nal_units};
use crate::codec::{Assumed, DecodeError, MAX_UNIT_BYTES};
use crate::frame::{Aspect, Colour, Orientation, Size};

/// The longest index (`moov` or `moof`) that is read: hours of video have a few megabytes.
const MAX_INDEX_BYTES: u64 = 64 << 20;

/// Where parameter sets come in the samples, so many samples are looked at for the first.
const SEARCH_SAMPLES: usize = 64;

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
    plan: Plan,
    size: Size,
    /// The next of the plan's steps.
    next: usize,
    /// The sets that are in force, and whose description they are.
    sets: ParameterSets,
    description: Option<u16>,
    /// The step behind the last whose bytes are in the file.
    inside: usize,
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
        let plan = Plan::new(&index).map_err(|e| index_error(e, path))?;
        let fits = |sample: &Sample| sample.offset.checked_add(sample.size.into()).is_some_and(|end| end <= length);
        let inside = plan.steps.iter().rposition(|step| fits(&index.samples[step.sample as usize]));
        let mut this = Self {
            reader,
            length,
            index,
            plan,
            size: Size::SMALLEST,
            next: 0,
            sets: ParameterSets::default(),
            description: None,
            inside: inside.map_or(0, |last| last + 1),
            cut,
        };
        this.size = this.find_size(path)?;
        Ok(this)
    }

    /// The pictures' size, upright and with the shape of their pixels as it is.
    pub(super) fn size(&self) -> Size {
        self.orientation().size(self.size)
    }

    pub(super) fn orientation(&self) -> Orientation {
        self.index.track.orientation
    }

    /// The pictures that are shown.
    pub(super) fn frames(&self) -> u64 {
        self.plan.shown as u64
    }

    pub(super) fn fps(&self) -> f32 {
        let fps = f64::from(self.index.track.timescale) / self.plan.mean;
        if (0.1..=1000.0).contains(&fps) { fps as f32 } else { 30.0 }
    }

    /// Whether its pictures last for different times.
    pub(super) const fn variable(&self) -> bool {
        self.plan.variable
    }

    /// When its last picture ends.
    pub(super) fn end(&self) -> Duration {
        self.time(self.plan.end)
    }

    pub(super) fn rewind(&mut self) {
        (self.next, self.description) = (0, None);
    }

    fn time(&self, ticks: i64) -> Duration {
        let ticks = ticks.max(0) as f64;
        Duration::try_from_secs_f64(ticks / f64::from(self.index.track.timescale)).unwrap_or_default()
    }

    /// From the first parameter set: of the sample that is shown first, or in front of it, or in the description.
    fn find_size(&mut self, path: &Path) -> Result<Size, ClipError> {
        let first = self.plan.steps.first().map_or(0, |step| step.sample as usize);
        let mut refused = None;
        let mut sps_in = |sets: &mut dyn Iterator<Item = &[u8]>| {
            sets.filter(|nal| NalKind::of(nal) == Some(NalKind::Sps)).map(Sps::parse).find_map(|sps| match sps {
                Ok(sps) => Some(sps.size),
                Err(e) => {
                    refused.get_or_insert(e);
                    None
                }
            })
        };
        let samples: Vec<Sample> = self.index.samples.iter().skip(first).take(SEARCH_SAMPLES).copied().collect();
        for sample in samples {
            let Some(config) = self.index.description(&sample).and_then(|d| d.config.as_ref()) else { continue };
            let (length_size, described) = (config.length_size, config.parameter_sets.clone());
            let mut unit = Vec::new();
            // What cannot be read is told when its turn comes.
            if let Ok(data) = self.sample(&sample, path) {
                let _ = avcc_to_annex_b(&data, length_size, &mut unit);
            }
            let size = sps_in(&mut nal_units(&unit)).or_else(|| sps_in(&mut described.iter().map(Vec::as_slice)));
            if let Some(size) = size {
                return Ok(size);
            }
        }
        Err(match refused {
            Some(SpsError::Damaged) => ClipError::damaged(path, SpsError::Damaged.to_string()),
            Some(e) => ClipError::decode(path, DecodeError::Unsupported(e)),
            None if self.inside == 0 => ClipError::cut(path, "before its first picture", 0),
            None => {
                ClipError::damaged(path, "neither its avcC box nor its first pictures have a sequence parameter set")
            }
        })
    }

    /// The bytes of a sample.
    fn sample(&mut self, sample: &Sample, path: &Path) -> Result<Vec<u8>, SampleError> {
        if sample.offset.checked_add(u64::from(sample.size)).is_none_or(|end| end > self.length) {
            return Err(SampleError::Broken("it lies past the file's end".to_owned()));
        }
        if sample.size as usize > MAX_UNIT_BYTES {
            return Err(SampleError::Broken(format!("it has {} bytes", sample.size)));
        }
        let mut data = vec![0; sample.size as usize];
        self.reader
            .seek(SeekFrom::Start(sample.offset))
            .and_then(|_| self.reader.read_exact(&mut data))
            .map_err(|e| SampleError::Clip(ClipError::read(path, e)))?;
        Ok(data)
    }

    pub(super) fn next(&mut self, path: &Path) -> Result<Option<Unit>, ClipError> {
        let number = self.next;
        let Some(&step) = self.plan.steps.get(number) else {
            if self.cut {
                return Err(ClipError::cut(path, "in the middle of a fragment", self.given(number)));
            }
            return Ok(None);
        };
        self.next += 1;
        if number >= self.inside {
            return Err(ClipError::cut(path, format!("frame {number} lies past its end"), self.given(number)));
        }
        let Some(&sample) = self.index.samples.get(step.sample as usize) else { return Ok(None) };
        let data = match self.unit(&step, &sample, path) {
            Ok(data) => data,
            Err(SampleError::Broken(why)) => {
                tracing::warn!("{}: nothing can be made of frame {number}: {why}", path.display());
                Vec::new()
            }
            Err(SampleError::Clip(e)) => return Err(e),
        };
        Ok(Some(Unit {
            lost: data.is_empty() && sample.size > 0,
            data,
            time: step.show.map(|ticks| self.time(ticks)),
            fresh: step.fresh,
            assumed: self.assumed(&sample),
            aspect: self.index.description(&sample).and_then(|d| d.aspect),
        }))
    }

    /// How many pictures the steps before this one have shown.
    fn given(&self, step: usize) -> u64 {
        self.plan.steps.iter().take(step).filter(|step| step.show.is_some()).count() as u64
    }

    /// The sample as an access unit, with its parameter sets in front where decoding can begin.
    fn unit(&mut self, step: &Step, sample: &Sample, path: &Path) -> Result<Vec<u8>, SampleError> {
        let data = self.sample(sample, path)?;
        let not_h264 = || SampleError::Broken("its description is not of H.264".to_owned());
        let described = self.index.track.descriptions.get(usize::from(sample.description));
        let config = described.and_then(|d| d.config.as_ref()).ok_or_else(not_h264)?;
        let mut unit = Vec::with_capacity(data.len() + 64);
        match avcc_to_annex_b(&data, config.length_size, &mut unit) {
            Ok(()) => {}
            // What stands before the damage may be a part of the picture.
            Err(e) if unit.is_empty() => return Err(SampleError::Broken(e.to_string())),
            Err(e) => tracing::warn!("{}: in frame {}, {e}", path.display(), step.sample),
        }
        let changed = self.description != Some(sample.description);
        if changed || step.fresh {
            self.description = Some(sample.description);
            self.sets = ParameterSets::default();
            config.parameter_sets.iter().for_each(|set| self.sets.update(set));
        }
        nal_units(&unit).for_each(|nal| self.sets.update(nal));
        if changed || step.fresh || is_keyframe(&unit) { Ok(self.sets.in_front_of(&unit)) } else { Ok(unit) }
    }

    /// What holds of a sample's picture where its own parameter set is silent.
    fn assumed(&self, sample: &Sample) -> Assumed {
        let described = self.index.description(sample);
        let default = Colour::default();
        let colour = Colour {
            matrix: described.and_then(|d| d.matrix).unwrap_or(default.matrix),
            range: described.and_then(|d| d.range).unwrap_or(default.range),
        };
        let track = &self.index.track;
        // What the track is shown in, less the picture's own shape. Some write the size of the picture when it has
        // been turned.
        let own = f64::from(self.size.width()) / f64::from(self.size.height());
        let turned = |w: f64, h: f64| track.orientation.transposed && (h / w / own - 1.0).abs() < 0.02;
        let shape = track.shown.filter(|&(w, h)| !turned(w, h)).map(|(w, h)| w / h / own);
        let ratio = shape.unwrap_or(1.0) * track.stretch;
        Assumed { colour, aspect: Aspect::from_ratio(ratio).unwrap_or_default() }
    }
}

/// Why there is no sample.
enum SampleError {
    /// It costs its picture.
    Broken(String),
    /// It costs the file.
    Clip(ClipError),
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
    }
}

#[cfg(test)]
pub(super) mod tests;
