//! The boxes of a file with one H.264 track and one chunk (ISO/IEC 14496-12 §8, 14496-15 §5.3).

use super::{CLOCK, STEP};
use crate::frame::Size;

/// `ftyp` (24 bytes), and `mdat` with a length of 64 bits (16 bytes).
const DATA_AT: u64 = 40;
/// Where the length of `mdat` stands.
pub(super) const DATA_LENGTH_AT: u64 = 32;

/// Sizes, times and keyframes of all samples.
#[derive(Debug, Default)]
pub(super) struct Samples {
    sizes: Vec<u32>,
    keyframes: Vec<u32>,
    /// Runs of equal durations: how many samples, and how many ticks each.
    durations: Vec<(u32, u32)>,
    total: u64,
}

impl Samples {
    /// A sample that comes `step` ticks after the one before, which is what that one lasts.
    pub(super) fn add(&mut self, size: u32, keyframe: bool, step: u32) {
        if !self.sizes.is_empty() {
            self.total += u64::from(step);
            match self.durations.last_mut() {
                Some((count, ticks)) if *ticks == step => *count += 1,
                _ => self.durations.push((1, step)),
            }
        }
        self.sizes.push(size);
        if keyframe {
            self.keyframes.push(self.sizes.len() as u32);
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sizes.len()
    }

    /// The last sample lasts as long as the one before it.
    fn last_duration(&self) -> u32 {
        self.durations.last().map_or(STEP, |(_, ticks)| *ticks)
    }

    pub(super) fn ticks(&self) -> u64 {
        self.total + u64::from(self.last_duration())
    }
}

/// The beginning of the file, with the length of `mdat` left open.
pub(super) fn head() -> Vec<u8> {
    let mut out = boxed(b"ftyp", &[b"isom", &[0, 0, 2, 0], b"isom", b"avc1"]);
    out.extend_from_slice(&1_u32.to_be_bytes()); // the length follows in 64 bits
    out.extend_from_slice(b"mdat");
    out.extend_from_slice(&0_u64.to_be_bytes());
    out
}

/// The length of `mdat` with so many bytes in it.
pub(super) fn data_length(bytes: u64) -> u64 {
    bytes + 16
}

/// `moov`.
pub(super) fn index(samples: &Samples, size: Size, sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let duration = samples.ticks();
    let tkhd = full(
        b"tkhd",
        1,
        3,
        &[
            &[0; 16],
            &1_u32.to_be_bytes(),
            &[0; 4],
            &duration.to_be_bytes(),
            &[0; 16],
            &MATRIX,
            &(size.width() << 16).to_be_bytes(),
            &(size.height() << 16).to_be_bytes(),
        ],
    );
    let mdhd = full(
        b"mdhd",
        1,
        0,
        // The language is "und", five bits for each letter.
        &[&[0; 16], &CLOCK.to_be_bytes(), &duration.to_be_bytes(), &0x55c4_u16.to_be_bytes(), &[0; 2]],
    );
    let hdlr = full(b"hdlr", 0, 0, &[&[0; 4], b"vide", &[0; 12], b"clearcall\0"]);
    let dref = full(b"dref", 0, 0, &[&1_u32.to_be_bytes(), &full(b"url ", 0, 1, &[])]);
    let minf =
        boxed(b"minf", &[&full(b"vmhd", 0, 1, &[&[0; 8]]), &boxed(b"dinf", &[&dref]), &table(samples, size, sps, pps)]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
    let trak = boxed(b"trak", &[&tkhd, &mdia]);
    let mvhd = full(
        b"mvhd",
        1,
        0,
        &[
            &[0; 16],
            &CLOCK.to_be_bytes(),
            &duration.to_be_bytes(),
            &0x0001_0000_u32.to_be_bytes(), // rate 1
            &0x0100_u16.to_be_bytes(),      // volume 1
            &[0; 10],
            &MATRIX,
            &[0; 24],
            &2_u32.to_be_bytes(), // the next track's number
        ],
    );
    boxed(b"moov", &[&mvhd, &trak])
}

/// `stbl`: what the samples are, how long, where.
fn table(samples: &Samples, size: Size, sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let mut durations = samples.durations.clone();
    match durations.last_mut() {
        Some((count, _)) => *count += 1,
        None => durations.push((samples.len() as u32, STEP)),
    }
    let stts: Vec<u32> = durations.iter().flat_map(|&(count, ticks)| [count, ticks]).collect();
    let count = samples.len() as u32;
    let stsd = full(b"stsd", 0, 0, &[&1_u32.to_be_bytes(), &avc1(size, sps, pps)]);
    boxed(
        b"stbl",
        &[
            &stsd,
            &full(b"stts", 0, 0, &[&(durations.len() as u32).to_be_bytes(), &words(&stts)]),
            &full(b"stss", 0, 0, &[&(samples.keyframes.len() as u32).to_be_bytes(), &words(&samples.keyframes)]),
            // One chunk holds all samples, and all are of the first kind.
            &full(b"stsc", 0, 0, &[&words(&[1, 1, count, 1])]),
            &full(b"stsz", 0, 0, &[&words(&[0, count]), &words(&samples.sizes)]),
            &full(b"co64", 0, 0, &[&1_u32.to_be_bytes(), &DATA_AT.to_be_bytes()]),
        ],
    )
}

fn avc1(size: Size, sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let short = |n: usize| (n as u16).to_be_bytes();
    let avcc = boxed(
        b"avcC",
        &[
            // Version, then profile, constraints and level as in the parameter set; lengths have four bytes.
            &[1],
            sps.get(1..4).unwrap_or(&[66, 0xc0, 30]),
            &[0xff, 0xe1],
            &short(sps.len()),
            sps,
            &[1],
            &short(pps.len()),
            pps,
        ],
    );
    boxed(
        b"avc1",
        &[
            &[0; 6],
            &1_u16.to_be_bytes(), // the data are in this file
            &[0; 16],
            &short(size.width() as usize),
            &short(size.height() as usize),
            &0x0048_0000_u32.to_be_bytes(), // 72 dots an inch, twice
            &0x0048_0000_u32.to_be_bytes(),
            &[0; 4],
            &1_u16.to_be_bytes(), // one picture in a sample
            &[0; 32],             // the encoder has no name
            &0x0018_u16.to_be_bytes(),
            &0xffff_u16.to_be_bytes(),
            &avcc,
        ],
    )
}

/// No turning, no stretching.
const MATRIX: [u8; 36] = {
    let mut m = [0; 36];
    (m[1], m[17], m[32]) = (1, 1, 0x40);
    m
};

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|p| p.len()).sum();
    let mut out = Vec::with_capacity(length + 8);
    out.extend_from_slice(&(length as u32 + 8).to_be_bytes());
    out.extend_from_slice(kind);
    parts.iter().for_each(|part| out.extend_from_slice(part));
    out
}

/// A box with a version and flags.
fn full(kind: &[u8; 4], version: u8, flags: u32, parts: &[&[u8]]) -> Vec<u8> {
    let head = (u32::from(version) << 24 | flags).to_be_bytes();
    let all: Vec<&[u8]> = std::iter::once(&head[..]).chain(parts.iter().copied()).collect();
    boxed(kind, &all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_is_as_long_as_is_said_elsewhere() {
        let head = head();
        assert_eq!(head.len() as u64, DATA_AT);
        assert_eq!(&head[DATA_LENGTH_AT as usize - 4..DATA_LENGTH_AT as usize], b"mdat");
    }

    #[test]
    fn durations_are_runs() {
        let mut samples = Samples::default();
        for step in [0, 3000, 3000, 3003] {
            samples.add(10, false, step);
        }
        assert_eq!(samples.durations, [(2, 3000), (1, 3003)]);
        assert_eq!(samples.ticks(), 3000 + 3000 + 2 * 3003);
    }
}
