//! Where each picture lies in the file, and when it is shown.

use super::boxes::{Fields, Malformed, boxes, find};
use crate::codec::nal::{AvcConfig, NalKind, Sps, SpsError};
use crate::frame::Size;

/// The most pictures that are read of a file: a day and a half at 30 a second.
const MAX_SAMPLES: usize = 4_000_000;

/// One coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) size: u32,
    /// When it is shown, in the track's units.
    pub(super) time: i64,
}

/// The pictures of the file's first video track.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) samples: Vec<Sample>,
    pub(super) timescale: u32,
    pub(super) config: AvcConfig,
    pub(super) size: Size,
    track: u32,
    /// Of a picture in a fragment that does not say: duration and size.
    defaults: (u32, u32),
    /// When the next picture is decoded.
    clock: i64,
    /// The sum of the pictures' durations.
    duration: u64,
    /// Bytes of the file that are left for pictures which have no entry of their own in a fragment.
    room: u64,
}

#[derive(Debug)]
pub(super) enum IndexError {
    Malformed(Malformed),
    TooMany,
    NoVideo,
    Codec(String),
    Sps(SpsError),
}

impl From<Malformed> for IndexError {
    fn from(e: Malformed) -> Self {
        Self::Malformed(e)
    }
}

impl Index {
    /// Reads a `moov` box of a file of `length` bytes.
    pub(super) fn from_moov(moov: &[u8], length: u64) -> Result<Self, IndexError> {
        let mut index = None;
        for found in boxes(moov) {
            let (kind, trak) = found?;
            if &kind == b"trak" && index.is_none() {
                index = read_track(trak, length)?;
            }
        }
        let mut index = index.ok_or(IndexError::NoVideo)?;
        if let Some(mvex) = find(moov, b"mvex")? {
            for found in boxes(mvex) {
                let (kind, trex) = found?;
                let mut f = Fields::new(trex, b"trex");
                if &kind == b"trex" && f.skip(4).is_ok() && f.u32()? == index.track {
                    let _description = f.u32()?;
                    index.defaults = (f.u32()?, f.u32()?);
                }
            }
        }
        Ok(index)
    }

    /// Adds the pictures of a fragment, whose `moof` box begins at byte `start`.
    pub(super) fn add_moof(&mut self, moof: &[u8], start: u64) -> Result<(), IndexError> {
        for found in boxes(moof) {
            let (kind, traf) = found?;
            if &kind == b"traf" {
                self.add_fragment(traf, start)?;
            }
        }
        Ok(())
    }

    fn add_fragment(&mut self, traf: &[u8], start: u64) -> Result<(), IndexError> {
        let tfhd = find(traf, b"tfhd")?.ok_or_else(|| Malformed::new(b"traf"))?;
        let mut f = Fields::new(tfhd, b"tfhd");
        let (_, flags) = f.version()?;
        if f.u32()? != self.track {
            return Ok(());
        }
        let (mut base, mut defaults) = (start, self.defaults);
        if flags & 1 != 0 {
            base = f.u64()?;
        }
        if flags & 2 != 0 {
            f.skip(4)?;
        }
        if flags & 8 != 0 {
            defaults.0 = f.u32()?;
        }
        if flags & 16 != 0 {
            defaults.1 = f.u32()?;
        }
        if let Some(tfdt) = find(traf, b"tfdt")? {
            let mut f = Fields::new(tfdt, b"tfdt");
            self.clock = if f.version()?.0 == 0 { f.u32()?.into() } else { f.u64()?.cast_signed() };
        }
        let mut offset = base;
        for found in boxes(traf) {
            let (kind, trun) = found?;
            if &kind == b"trun" {
                offset = self.add_run(trun, base, offset, defaults)?;
            }
        }
        Ok(())
    }

    fn add_run(&mut self, trun: &[u8], base: u64, next: u64, defaults: (u32, u32)) -> Result<u64, IndexError> {
        let mut f = Fields::new(trun, b"trun");
        let (_, flags) = f.version()?;
        let count = f.u32()? as usize;
        let mut offset = next;
        if flags & 1 != 0 {
            let delta = i64::from(f.u32()?.cast_signed());
            offset = base.checked_add_signed(delta).ok_or_else(|| f.malformed())?;
        }
        if flags & 4 != 0 {
            f.skip(4)?;
        }
        self.claim(count, 4 * (flags & 0xf00).count_ones() as usize, defaults.1, f.rest().len())?;
        for _ in 0..count {
            let duration = if flags & 0x100 != 0 { f.u32()? } else { defaults.0 };
            let size = if flags & 0x200 != 0 { f.u32()? } else { defaults.1 };
            if flags & 0x400 != 0 {
                f.skip(4)?;
            }
            let shift = if flags & 0x800 != 0 { f.u32()?.cast_signed() } else { 0 };
            self.push(offset, size, shift, duration);
            offset = offset.checked_add(size.into()).ok_or_else(|| f.malformed())?;
        }
        Ok(offset)
    }

    /// Whether a run may have so many pictures: each needs its entry in the box, of `entry` bytes, or where the
    /// box has no entries, its bytes in the file.
    fn claim(&mut self, count: usize, entry: usize, default_size: u32, rest: usize) -> Result<(), IndexError> {
        let fits = if let Some(entries) = rest.checked_div(entry) {
            count <= entries
        } else {
            let bytes = (count as u64).checked_mul(default_size.max(1).into());
            let room = bytes.and_then(|bytes| self.room.checked_sub(bytes));
            self.room = room.unwrap_or(0);
            room.is_some()
        };
        if fits && count <= MAX_SAMPLES - self.samples.len().min(MAX_SAMPLES) {
            Ok(())
        } else {
            Err(IndexError::TooMany)
        }
    }

    fn push(&mut self, offset: u64, size: u32, shift: i32, duration: u32) {
        let time = self.clock.saturating_add(shift.into());
        self.samples.push(Sample { offset, size, time });
        self.clock = self.clock.saturating_add(duration.into());
        self.duration = self.duration.saturating_add(duration.into());
    }

    /// When the first picture is shown: the clip's time 0, whatever the shifts are relative to.
    pub(super) fn start(&self) -> i64 {
        self.samples.iter().map(|s| s.time).min().unwrap_or(0)
    }

    /// The mean over the file.
    pub(super) fn fps(&self) -> f32 {
        let seconds = self.duration as f64 / f64::from(self.timescale);
        let fps = self.samples.len() as f64 / seconds;
        if (0.1..=1000.0).contains(&fps) { fps as f32 } else { 30.0 }
    }
}

fn must<'a>(data: &'a [u8], kind: &'static [u8; 4]) -> Result<&'a [u8], IndexError> {
    Ok(find(data, kind)?.ok_or_else(|| Malformed(format!("missing {}", kind.escape_ascii())))?)
}

/// Reads a `trak` box; [`None`]: it is not video.
fn read_track(trak: &[u8], length: u64) -> Result<Option<Index>, IndexError> {
    let mdia = must(trak, b"mdia")?;
    let mut hdlr = Fields::new(must(mdia, b"hdlr")?, b"hdlr");
    hdlr.skip(8)?;
    if hdlr.u32()?.to_be_bytes() != *b"vide" {
        return Ok(None);
    }
    let mut tkhd = Fields::new(must(trak, b"tkhd")?, b"tkhd");
    let (version, _) = tkhd.version()?;
    tkhd.skip(if version == 1 { 16 } else { 8 })?;
    let track = tkhd.u32()?;
    let mut mdhd = Fields::new(must(mdia, b"mdhd")?, b"mdhd");
    let (version, _) = mdhd.version()?;
    mdhd.skip(if version == 1 { 16 } else { 8 })?;
    let timescale = mdhd.u32()?;
    if timescale == 0 {
        return Err(mdhd.malformed().into());
    }
    let stbl = must(must(mdia, b"minf")?, b"stbl")?;
    let config = read_description(must(stbl, b"stsd")?)?;
    let sps = config.parameter_sets.iter().find(|set| NalKind::of(set) == Some(NalKind::Sps));
    let sps = Sps::parse(sps.ok_or_else(|| Malformed::new(b"avcC"))?).map_err(IndexError::Sps)?;
    let mut index = Index {
        samples: Vec::new(),
        timescale,
        config,
        size: sps.size,
        track,
        defaults: (0, 0),
        clock: 0,
        duration: 0,
        room: length,
    };
    read_samples(stbl, length, &mut index)?;
    Ok(Some(index))
}

/// The decoder's configuration, from the first sample description.
fn read_description(stsd: &[u8]) -> Result<AvcConfig, IndexError> {
    let mut f = Fields::new(stsd, b"stsd");
    f.skip(8)?;
    let (kind, entry) = boxes(f.rest()).next().ok_or_else(|| f.malformed())??;
    match &kind {
        b"avc1" | b"avc2" | b"avc3" | b"avc4" => {}
        b"hvc1" | b"hev1" => return Err(IndexError::Codec("H.265 (HEVC)".to_owned())),
        b"av01" => return Err(IndexError::Codec("AV1".to_owned())),
        b"vp08" | b"vp09" => return Err(IndexError::Codec("VP8 or VP9".to_owned())),
        b"encv" => return Err(IndexError::Codec("encrypted".to_owned())),
        other => return Err(IndexError::Codec(other.escape_ascii().to_string())),
    }
    // A visual sample entry has 78 bytes of its own in front of its boxes.
    let entry = entry.get(78..).ok_or_else(|| Malformed::new(&kind))?;
    let avcc = must(entry, b"avcC")?;
    Ok(AvcConfig::parse(avcc).ok_or_else(|| Malformed::new(b"avcC"))?)
}

/// A table of runs (how many, value), unrolled; [`None`] behind its end.
struct Runs<'a> {
    fields: Fields<'a>,
    left: u32,
    value: u32,
}

impl<'a> Runs<'a> {
    fn new(table: &'a [u8], kind: &'static [u8; 4]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(table, kind);
        fields.version()?;
        fields.count(8)?;
        Ok(Self { fields, left: 0, value: 0 })
    }

    fn next(&mut self) -> Option<u32> {
        while self.left == 0 {
            self.left = self.fields.u32().ok()?;
            self.value = self.fields.u32().ok()?;
        }
        self.left -= 1;
        Some(self.value)
    }
}

/// Joins the sample tables of 14496-12 §8.6 and §8.7.
fn read_samples(stbl: &[u8], length: u64, index: &mut Index) -> Result<(), IndexError> {
    let mut sizes = Fields::new(must(stbl, b"stsz")?, b"stsz");
    sizes.version()?;
    let same_size = sizes.u32()?;
    let count = if same_size == 0 { sizes.count(4)? } else { sizes.u32()? as usize };
    if count > MAX_SAMPLES || (same_size > 0 && count as u64 > length / u64::from(same_size)) {
        return Err(IndexError::TooMany);
    }
    if count == 0 {
        return Ok(());
    }
    let (mut chunks, wide) = match find(stbl, b"stco")? {
        Some(stco) => (Fields::new(stco, b"stco"), false),
        None => (Fields::new(must(stbl, b"co64")?, b"co64"), true),
    };
    chunks.version()?;
    let chunk_count = chunks.count(if wide { 8 } else { 4 })?;
    let mut runs = Fields::new(must(stbl, b"stsc")?, b"stsc");
    runs.version()?;
    let mut runs_left = runs.count(12)?;
    let mut durations = Runs::new(must(stbl, b"stts")?, b"stts")?;
    let mut shifts = find(stbl, b"ctts")?.map(|ctts| Runs::new(ctts, b"ctts")).transpose()?;

    index.samples.reserve(count);
    let (mut per_chunk, mut next_run) = (0, 1);
    for chunk in 1..=chunk_count {
        // A run of chunks ends where the next begins.
        while runs_left > 0 && chunk >= next_run {
            let _first = runs.u32()?;
            per_chunk = runs.u32()?;
            runs.skip(4)?;
            runs_left -= 1;
            next_run = match runs_left {
                0 => usize::MAX,
                _ => Fields::new(runs.rest(), b"stsc").u32()? as usize,
            };
        }
        let mut offset = if wide { chunks.u64()? } else { chunks.u32()?.into() };
        for _ in 0..per_chunk {
            if index.samples.len() == count {
                break;
            }
            let size = if same_size == 0 { sizes.u32()? } else { same_size };
            let shift = shifts.as_mut().and_then(Runs::next).unwrap_or(0).cast_signed();
            index.push(offset, size, shift, durations.next().unwrap_or(0));
            offset = offset.checked_add(size.into()).ok_or_else(|| chunks.malformed())?;
        }
    }
    if index.samples.len() < count {
        return Err(runs.malformed().into());
    }
    Ok(())
}
