//! Where each coded picture lies in the file, and when it would be shown if there were no edit list.

use super::boxes::{Fields, Malformed, boxes, find};
use super::track::{Description, Track, read_track};

/// The most pictures that are read of a file: a day and a half at 30 a second.
pub(super) const MAX_SAMPLES: usize = 4_000_000;

/// One coded picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) offset: u64,
    pub(super) size: u32,
    /// When it is shown, in the track's units.
    pub(super) time: i64,
    /// For how long, if no other comes before.
    pub(super) duration: u32,
    /// Which of the track's descriptions it has, from 0.
    pub(super) description: u16,
    /// Decoding can begin here.
    pub(super) sync: bool,
}

/// What a fragment says of all its pictures, where they do not say it themselves.
#[derive(Debug, Clone, Copy, Default)]
struct Defaults {
    /// From 1, as the file counts.
    description: u32,
    duration: u32,
    size: u32,
    flags: u32,
}

/// The pictures of the file's first H.264 track.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) samples: Vec<Sample>,
    pub(super) track: Track,
    /// The file goes on in fragments.
    pub(super) fragmented: bool,
    defaults: Defaults,
    /// When the next picture is decoded.
    clock: i64,
    /// Bytes of the file that are left for pictures which have no entry of their own in a fragment.
    room: u64,
}

#[derive(Debug)]
pub(super) enum IndexError {
    Malformed(Malformed),
    TooMany,
    NoVideo,
    Codec(String),
}

impl From<Malformed> for IndexError {
    fn from(e: Malformed) -> Self {
        Self::Malformed(e)
    }
}

impl Index {
    /// Reads a `moov` box of a file of `length` bytes: the first track with H.264, whatever stands before it.
    pub(super) fn from_moov(moov: &[u8], length: u64) -> Result<Self, IndexError> {
        let movie = find(moov, b"mvhd")?;
        let mut found_track = None;
        let mut refused = None;
        for found in boxes(moov) {
            let (kind, trak) = found?;
            if &kind != b"trak" || found_track.is_some() {
                continue;
            }
            match read_track(trak, movie) {
                Ok(Some((track, stbl))) => found_track = Some((track, stbl)),
                Ok(None) => {}
                // Another track may do.
                Err(e) => refused = refused.or(Some(e)),
            }
        }
        let (track, stbl) = found_track.ok_or_else(|| refused.unwrap_or(IndexError::NoVideo))?;
        let mut index = Self {
            samples: Vec::new(),
            track,
            fragmented: false,
            defaults: Defaults { description: 1, ..Defaults::default() },
            clock: 0,
            room: length,
        };
        index.read_tables(stbl, length)?;
        if let Some(mvex) = find(moov, b"mvex")? {
            index.fragmented = true;
            for found in boxes(mvex) {
                let (kind, trex) = found?;
                let mut f = Fields::new(trex, b"trex");
                if &kind == b"trex" && f.skip(4).is_ok() && f.u32()? == index.track.id {
                    let (description, duration) = (f.u32()?, f.u32()?);
                    // Some leave the flags out.
                    index.defaults =
                        Defaults { description, duration, size: f.u32()?, flags: f.u32().unwrap_or_default() };
                }
            }
        }
        Ok(index)
    }

    /// The description of a sample; one that the track does not have is taken for the first.
    pub(super) fn description(&self, sample: &Sample) -> Option<&Description> {
        self.track.descriptions.get(usize::from(sample.description)).or(self.track.descriptions.first())
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
        if f.u32()? != self.track.id {
            return Ok(());
        }
        let (mut base, mut defaults) = (start, self.defaults);
        if flags & 1 != 0 {
            base = f.u64()?;
        }
        for (flag, value) in [
            (2, &mut defaults.description),
            (8, &mut defaults.duration),
            (16, &mut defaults.size),
            (32, &mut defaults.flags),
        ] {
            if flags & flag != 0 {
                *value = f.u32()?;
            }
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

    fn add_run(&mut self, trun: &[u8], base: u64, next: u64, defaults: Defaults) -> Result<u64, IndexError> {
        let mut f = Fields::new(trun, b"trun");
        let (_, flags) = f.version()?;
        let count = f.u32()? as usize;
        let mut offset = next;
        if flags & 1 != 0 {
            let delta = i64::from(f.u32()?.cast_signed());
            offset = base.checked_add_signed(delta).ok_or_else(|| f.malformed())?;
        }
        let mut first_flags = if flags & 4 != 0 { Some(f.u32()?) } else { None };
        self.claim(count, 4 * (flags & 0xf00).count_ones() as usize, defaults.size, f.rest().len())?;
        for _ in 0..count {
            let duration = if flags & 0x100 != 0 { f.u32()? } else { defaults.duration };
            let size = if flags & 0x200 != 0 { f.u32()? } else { defaults.size };
            let own_flags = if flags & 0x400 != 0 { f.u32()? } else { defaults.flags };
            let own_flags = first_flags.take().unwrap_or(own_flags);
            let shift = if flags & 0x800 != 0 { f.u32()?.cast_signed() } else { 0 };
            // sample_is_non_sync_sample, §8.8.3.1
            let sync = own_flags & 0x1_0000 == 0;
            self.push(offset, size, shift, duration, defaults.description, sync);
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

    fn push(&mut self, offset: u64, size: u32, shift: i32, duration: u32, description: u32, sync: bool) {
        let time = self.clock.saturating_add(shift.into());
        let description = u16::try_from(description.saturating_sub(1)).unwrap_or(0);
        self.samples.push(Sample { offset, size, time, duration, description, sync });
        self.clock = self.clock.saturating_add(duration.into());
    }

    /// Joins the sample tables of 14496-12 §8.6 and §8.7.
    fn read_tables(&mut self, stbl: &[u8], length: u64) -> Result<(), IndexError> {
        let mut sizes = Sizes::read(stbl, length)?;
        if sizes.count == 0 {
            return Ok(());
        }
        let (mut chunks, wide) = match find(stbl, b"stco")? {
            Some(stco) => (Fields::new(stco, b"stco"), false),
            None => (Fields::new(super::track::must(stbl, b"co64")?, b"co64"), true),
        };
        chunks.version()?;
        let chunk_count = chunks.count(if wide { 8 } else { 4 })?;
        let mut runs = Fields::new(super::track::must(stbl, b"stsc")?, b"stsc");
        runs.version()?;
        let mut runs_left = runs.count(12)?;
        let mut durations = Runs::new(super::track::must(stbl, b"stts")?, b"stts")?;
        let mut shifts = find(stbl, b"ctts")?.map(|ctts| Runs::new(ctts, b"ctts")).transpose()?;
        let mut syncs = find(stbl, b"stss")?.map(Syncs::new).transpose()?;

        self.samples.reserve(sizes.count);
        let (mut per_chunk, mut description, mut next_run) = (0, 1, 1);
        for chunk in 1..=chunk_count {
            // A run of chunks ends where the next begins.
            while runs_left > 0 && chunk >= next_run {
                let _first = runs.u32()?;
                (per_chunk, description) = (runs.u32()?, runs.u32()?);
                runs_left -= 1;
                next_run = match runs_left {
                    0 => usize::MAX,
                    _ => Fields::new(runs.rest(), b"stsc").u32()? as usize,
                };
            }
            let mut offset = if wide { chunks.u64()? } else { chunks.u32()?.into() };
            for _ in 0..per_chunk {
                if self.samples.len() == sizes.count {
                    break;
                }
                let size = sizes.next()?;
                let shift = shifts.as_mut().and_then(Runs::next).unwrap_or(0).cast_signed();
                let sync = syncs.as_mut().is_none_or(|syncs| syncs.has(self.samples.len() as u64 + 1));
                self.push(offset, size, shift, durations.next().unwrap_or(0), description, sync);
                offset = offset.checked_add(size.into()).ok_or_else(|| chunks.malformed())?;
            }
        }
        if self.samples.len() < sizes.count {
            return Err(runs.malformed().into());
        }
        Ok(())
    }
}

/// The samples' sizes: `stsz`, or `stz2` with entries of 4, 8 or 16 bits (§8.7.3).
struct Sizes<'a> {
    fields: Fields<'a>,
    count: usize,
    /// In bytes; 0 where each has its own.
    same: u32,
    /// Of an entry.
    bits: u32,
    /// The second of two entries that share a byte.
    half: Option<u32>,
}

impl<'a> Sizes<'a> {
    fn read(stbl: &'a [u8], length: u64) -> Result<Self, IndexError> {
        let (mut fields, same, bits) = match find(stbl, b"stsz")? {
            Some(stsz) => {
                let mut fields = Fields::new(stsz, b"stsz");
                fields.version()?;
                let same = fields.u32()?;
                (fields, same, 32)
            }
            None => {
                let stz2 = find(stbl, b"stz2")?.ok_or_else(|| Malformed("missing stsz".to_owned()))?;
                let mut fields = Fields::new(stz2, b"stz2");
                fields.version()?;
                let bits = fields.u32()? & 0xff;
                if !matches!(bits, 4 | 8 | 16) {
                    return Err(fields.malformed().into());
                }
                (fields, 0, bits)
            }
        };
        let count = fields.u32()? as usize;
        let fits = match same {
            0 => (count as u64).saturating_mul(bits.into()).div_ceil(8) <= fields.rest().len() as u64,
            _ => true,
        };
        if !fits {
            return Err(fields.malformed().into());
        }
        if count > MAX_SAMPLES || (same > 0 && count as u64 > length / u64::from(same)) {
            return Err(IndexError::TooMany);
        }
        Ok(Self { fields, count, same, bits, half: None })
    }

    fn next(&mut self) -> Result<u32, Malformed> {
        if self.same > 0 {
            return Ok(self.same);
        }
        match self.bits {
            4 => match self.half.take() {
                Some(half) => Ok(half),
                None => {
                    let byte = u32::from(self.fields.u8()?);
                    self.half = Some(byte & 15);
                    Ok(byte >> 4)
                }
            },
            8 => self.fields.u8().map(u32::from),
            16 => self.fields.u16().map(u32::from),
            _ => self.fields.u32(),
        }
    }
}

/// The numbers of the samples at which decoding can begin, going up (`stss`).
struct Syncs<'a> {
    fields: Fields<'a>,
    next: u64,
}

impl<'a> Syncs<'a> {
    fn new(stss: &'a [u8]) -> Result<Self, Malformed> {
        let mut fields = Fields::new(stss, b"stss");
        fields.version()?;
        fields.count(4)?;
        Ok(Self { fields, next: 0 })
    }

    /// Whether this sample is one; asked with numbers that go up.
    fn has(&mut self, number: u64) -> bool {
        while self.next < number {
            self.next = self.fields.u32().map_or(u64::MAX, u64::from);
        }
        self.next == number
    }
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
