//! The boxes of a fragmented file with one H.264 track (ISO/IEC 14496-12 §8, 14496-15 §5.3).

use super::CLOCK;
use crate::frame::Size;

/// The track's number.
const TRACK: u32 = 1;
/// Of a keyframe: it depends on no other sample (§8.8.3.1).
const SYNC: u32 = 0x0200_0000;
/// Of any other: it depends on others, and decoding cannot begin with it.
const NO_SYNC: u32 = 0x0101_0000;

/// What a fragment says of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// In bytes.
    pub(super) size: u32,
    /// In ticks of [`CLOCK`].
    pub(super) duration: u32,
    pub(super) keyframe: bool,
}

/// The beginning of the file: `ftyp`, and `moov` without samples.
pub(super) fn head(size: Size, sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let mut out = boxed(b"ftyp", &[b"iso5", &[0, 0, 2, 0], b"iso5", b"iso6", b"avc1", b"mp41"]);
    out.extend(moov(size, sps, pps));
    out
}

/// `moof` and `mdat`: fragment `number`, whose first sample is decoded at `time`, in ticks.
pub(super) fn fragment(number: u32, time: u64, samples: &[Sample], data: &[u8]) -> Vec<u8> {
    let entries = samples.iter().flat_map(|s| [s.duration, s.size, if s.keyframe { SYNC } else { NO_SYNC }]);
    let entries: Vec<u32> = entries.collect();
    let moof = |offset: u32| {
        // Offsets count from the beginning of moof.
        let tfhd = full(b"tfhd", 0, 0x2_0000, &[&words(&[TRACK])]);
        let tfdt = full(b"tfdt", 1, 0, &[&time.to_be_bytes()]);
        // Each sample has a duration, a size and flags.
        let trun = full(b"trun", 0, 0x701, &[&words(&[samples.len() as u32, offset]), &words(&entries)]);
        boxed(b"moof", &[&full(b"mfhd", 0, 0, &[&words(&[number])]), &boxed(b"traf", &[&tfhd, &tfdt, &trun])])
    };
    let mut out = moof(moof(0).len() as u32 + 8);
    out.extend(boxed(b"mdat", &[data]));
    out
}

fn moov(size: Size, sps: &[u8], pps: &[u8]) -> Vec<u8> {
    // No duration: the fragments have it.
    let tkhd = full(
        b"tkhd",
        0,
        3,
        &[
            &words(&[0, 0, TRACK, 0, 0]),
            &[0; 16],
            &MATRIX,
            &(size.width() << 16).to_be_bytes(),
            &(size.height() << 16).to_be_bytes(),
        ],
    );
    // The language is "und", five bits for each letter.
    let mdhd = full(b"mdhd", 0, 0, &[&words(&[0, 0, CLOCK, 0]), &0x55c4_u16.to_be_bytes(), &[0; 2]]);
    let hdlr = full(b"hdlr", 0, 0, &[&[0; 4], b"vide", &[0; 12], b"clearcall\0"]);
    let dref = full(b"dref", 0, 0, &[&1_u32.to_be_bytes(), &full(b"url ", 0, 1, &[])]);
    let stbl = boxed(
        b"stbl",
        &[
            &full(b"stsd", 0, 0, &[&1_u32.to_be_bytes(), &avc1(size, sps, pps)]),
            &full(b"stts", 0, 0, &[&words(&[0])]),
            &full(b"stsc", 0, 0, &[&words(&[0])]),
            &full(b"stsz", 0, 0, &[&words(&[0, 0])]),
            &full(b"stco", 0, 0, &[&words(&[0])]),
        ],
    );
    let minf = boxed(b"minf", &[&full(b"vmhd", 0, 1, &[&[0; 8]]), &boxed(b"dinf", &[&dref]), &stbl]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
    let trak = boxed(b"trak", &[&tkhd, &mdia]);
    let mvhd = full(
        b"mvhd",
        0,
        0,
        &[
            &words(&[0, 0, CLOCK, 0]),
            &0x0001_0000_u32.to_be_bytes(), // rate 1
            &0x0100_u16.to_be_bytes(),      // volume 1
            &[0; 10],
            &MATRIX,
            &[0; 24],
            &(TRACK + 1).to_be_bytes(), // the next track's number
        ],
    );
    // The first sample description, and of each sample what its fragment says.
    let trex = full(b"trex", 0, 0, &[&words(&[TRACK, 1, 0, 0, 0])]);
    boxed(b"moov", &[&mvhd, &trak, &boxed(b"mvex", &[&trex])])
}

fn avc1(size: Size, sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let short = |n: usize| (n as u16).to_be_bytes();
    // Of the high profiles: 4:2:0, 8 bits of luma and of chroma, no extensions of the parameter set.
    let chroma: &[u8] = if matches!(sps.get(1), Some(100 | 110 | 122 | 144)) { &[0xfd, 0xf8, 0xf8, 0] } else { &[] };
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
            chroma,
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
    fn the_configuration_of_high_says_its_chroma_and_that_of_others_does_not() {
        let size = Size::new(64, 48).unwrap();
        for (profile, behind) in [(66, &[][..]), (77, &[]), (100, &[0xfd, 0xf8, 0xf8, 0])] {
            let entry = avc1(size, &[0x67, profile, 0, 30, 5], &[0x68, 9]);
            let at = entry.windows(4).position(|name| name == b"avcC").unwrap();
            let length = u32::from_be_bytes(entry[at - 4..at].try_into().unwrap()) as usize;
            let own =
                [&[1, profile, 0, 30, 0xff, 0xe1, 0, 5, 0x67, profile, 0, 30, 5, 1, 0, 2, 0x68, 9], behind].concat();
            assert_eq!(entry[at + 4..at - 4 + length], own, "profile {profile}");
            let read = crate::codec::nal::AvcConfig::parse(&own).unwrap();
            assert_eq!(read.parameter_sets, [vec![0x67, profile, 0, 30, 5], vec![0x68, 9]]);
        }
    }
}
