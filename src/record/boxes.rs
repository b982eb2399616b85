//! The boxes of a fragmented file with an H.264 track (ISO/IEC 14496-12 §8, 14496-15 §5.3), and beside it one of Opus
//! (Encapsulation of Opus in ISO Base Media File Format 0.8.1, <https://opus-codec.org/docs/opus_in_isobmff.html>).

use super::{CLOCK, Fragment, sound};
use crate::frame::Size;

/// The pictures' track.
pub(super) const VIDEO: u32 = 1;
/// The sound's, where there is one.
pub(super) const SOUND: u32 = 2;
/// What libopus' encoder puts before the sound, in samples: 6.5 ms. It informs only (§4.3.2): no edit list takes it
/// away, since a recording begins in the middle of a stream.
const PRE_SKIP: u16 = 312;
/// Of a keyframe, and of sound: it depends on no other sample (§8.8.3.1).
const SYNC: u32 = 0x0200_0000;
/// Of any other: it depends on others, and decoding cannot begin with it.
const NO_SYNC: u32 = 0x0101_0000;

/// What a fragment says of one sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    /// In bytes.
    pub(super) size: u32,
    /// In ticks of its track.
    pub(super) duration: u32,
    pub(super) keyframe: bool,
}

/// The beginning of the file: `ftyp`, and `moov` without samples.
pub(super) fn head(size: Size, sps: &[u8], pps: &[u8], sound: Option<sound::Channels>) -> Vec<u8> {
    let video = Track {
        number: VIDEO,
        timescale: CLOCK,
        handler: b"vide",
        volume: 0,
        shown: (size.width() << 16, size.height() << 16),
        header: full(b"vmhd", 0, 1, &[&[0; 8]]),
        entry: avc1(size, sps, pps),
    };
    let sound = sound.map(|channels| Track {
        number: SOUND,
        timescale: sound::CLOCK,
        handler: b"soun",
        volume: 0x0100,
        shown: (0, 0),
        header: full(b"smhd", 0, 0, &[&[0; 4]]),
        entry: opus(channels),
    });
    let tracks: Vec<Track> = std::iter::once(video).chain(sound).collect();
    let mut out = boxed(b"ftyp", &[b"iso5", &[0, 0, 2, 0], b"iso5", b"iso6", b"avc1", b"mp41"]);
    out.extend(moov(&tracks));
    out
}

/// `moof` and `mdat`: fragment `number` with samples of these tracks; what has none is left out.
pub(super) fn fragment(number: u32, tracks: &[(u32, &Fragment)]) -> Vec<u8> {
    let tracks: Vec<_> = tracks.iter().filter(|(_, fragment)| !fragment.samples.is_empty()).collect();
    let moof = |data_at: u32| {
        let mut offset = data_at;
        let trafs = tracks.iter().flat_map(|(track, fragment)| {
            let traf = traf(*track, fragment, offset);
            offset = offset.saturating_add(fragment.data.len() as u32);
            traf
        });
        boxed(b"moof", &[&full(b"mfhd", 0, 0, &[&words(&[number])]), &trafs.collect::<Vec<u8>>()])
    };
    let mut out = moof(moof(0).len() as u32 + 8);
    let data: Vec<&[u8]> = tracks.iter().map(|(_, fragment)| &*fragment.data).collect();
    out.extend(boxed(b"mdat", &data));
    out
}

/// One track's part of a fragment; `offset` counts from the beginning of `moof` to its data.
fn traf(track: u32, Fragment { samples, begins, .. }: &Fragment, offset: u32) -> Vec<u8> {
    let entries = samples.iter().flat_map(|s| [s.duration, s.size, if s.keyframe { SYNC } else { NO_SYNC }]);
    let entries: Vec<u32> = entries.collect();
    let tfhd = full(b"tfhd", 0, 0x2_0000, &[&words(&[track])]);
    let tfdt = full(b"tfdt", 1, 0, &[&begins.to_be_bytes()]);
    // Each sample has a duration, a size and flags.
    let trun = full(b"trun", 0, 0x701, &[&words(&[samples.len() as u32, offset]), &words(&entries)]);
    boxed(b"traf", &[&tfhd, &tfdt, &trun])
}

/// What `moov` says of a track.
struct Track {
    number: u32,
    /// Ticks in a second.
    timescale: u32,
    handler: &'static [u8; 4],
    /// 8.8 bits.
    volume: u16,
    /// Width and height, 16.16 bits.
    shown: (u32, u32),
    /// `vmhd` or `smhd`.
    header: Vec<u8>,
    /// Its sample description.
    entry: Vec<u8>,
}

fn moov(tracks: &[Track]) -> Vec<u8> {
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
            &(tracks.len() as u32 + 1).to_be_bytes(), // the next track's number
        ],
    );
    let traks: Vec<u8> = tracks.iter().flat_map(trak).collect();
    // The first sample description, and of each sample what its fragment says.
    let trex = |track: &Track| full(b"trex", 0, 0, &[&words(&[track.number, 1, 0, 0, 0])]);
    let trexs: Vec<u8> = tracks.iter().flat_map(trex).collect();
    boxed(b"moov", &[&mvhd, &traks, &boxed(b"mvex", &[&trexs])])
}

fn trak(track: &Track) -> Vec<u8> {
    // No duration: the fragments have it.
    let tkhd = full(
        b"tkhd",
        0,
        3,
        &[
            &words(&[0, 0, track.number, 0, 0]),
            &[0; 12],
            &track.volume.to_be_bytes(),
            &[0; 2],
            &MATRIX,
            &track.shown.0.to_be_bytes(),
            &track.shown.1.to_be_bytes(),
        ],
    );
    // The language is "und", five bits for each letter.
    let mdhd = full(b"mdhd", 0, 0, &[&words(&[0, 0, track.timescale, 0]), &0x55c4_u16.to_be_bytes(), &[0; 2]]);
    let hdlr = full(b"hdlr", 0, 0, &[&[0; 4], track.handler, &[0; 12], b"clearcall\0"]);
    let dref = full(b"dref", 0, 0, &[&1_u32.to_be_bytes(), &full(b"url ", 0, 1, &[])]);
    let stbl = boxed(
        b"stbl",
        &[
            &full(b"stsd", 0, 0, &[&1_u32.to_be_bytes(), &track.entry]),
            &full(b"stts", 0, 0, &[&words(&[0])]),
            &full(b"stsc", 0, 0, &[&words(&[0])]),
            &full(b"stsz", 0, 0, &[&words(&[0, 0])]),
            &full(b"stco", 0, 0, &[&words(&[0])]),
        ],
    );
    let minf = boxed(b"minf", &[&track.header, &boxed(b"dinf", &[&dref]), &stbl]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
    boxed(b"trak", &[&tkhd, &mdia])
}

/// Opus in ISOBMFF §4.3.1 and §4.3.2.
fn opus(channels: sound::Channels) -> Vec<u8> {
    let count = channels.count();
    let dops = boxed(
        b"dOps",
        &[
            &[0, count], // version, channels
            &PRE_SKIP.to_be_bytes(),
            &sound::CLOCK.to_be_bytes(), // of the sound before it was encoded
            &[0; 2],                     // gain
            &[0],                        // one stream with one or two channels
        ],
    );
    boxed(
        b"Opus",
        &[
            &[0; 6],
            &1_u16.to_be_bytes(), // the data are in this file
            &[0; 8],
            &u16::from(count).to_be_bytes(),
            &16_u16.to_be_bytes(), // bits of a sample
            &[0; 4],
            &(sound::CLOCK << 16).to_be_bytes(), // 16.16 bits
            &dops,
        ],
    )
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

    /// By hand after the tables of Opus in ISOBMFF 0.8.1, §4.3.1 and §4.3.2.
    #[test]
    fn the_description_of_sound_is_that_of_the_specification() {
        for (channels, count) in [(sound::Channels::Mono, 1), (sound::Channels::Stereo, 2)] {
            let entry = [
                &[0, 0, 0, 55, b'O', b'p', b'u', b's', 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0][..],
                &[0, count, 0, 16, 0, 0, 0, 0, 0xbb, 0x80, 0, 0],
                &[0, 0, 0, 19, b'd', b'O', b'p', b's', 0, count, 1, 0x38, 0, 0, 0xbb, 0x80, 0, 0, 0],
            ];
            assert_eq!(opus(channels), entry.concat());
        }
    }

    #[test]
    fn a_fragment_points_at_the_data_of_each_track() {
        let run = |sizes: &[u32], data: &[u8], begins| Fragment {
            samples: sizes.iter().map(|&size| Sample { size, duration: 7, keyframe: size == 2 }).collect(),
            data: data.to_vec(),
            begins,
        };
        let (video, sound) = (run(&[2, 1], b"vvw", 5), run(&[3], b"sss", 6));
        // Each traf: its head, tfhd, tfdt, and trun with 12 bytes for a sample.
        let (head, first, second) = (8 + 16, 8 + 16 + 20 + 20 + 2 * 12, 8 + 16 + 20 + 20 + 12);
        let offset = |moof: &[u8], at: usize| u32::from_be_bytes(moof[at..at + 4].try_into().unwrap());
        let both = fragment(9, &[(VIDEO, &video), (SOUND, &sound)]);
        assert_eq!(
            &both[..24],
            [
                0,
                0,
                0,
                (head + first + second) as u8,
                b'm',
                b'o',
                b'o',
                b'f',
                0,
                0,
                0,
                16,
                b'm',
                b'f',
                b'h',
                b'd',
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                9
            ]
        );
        // Behind traf's head, tfhd, tfdt, and of trun its head, flags and count.
        let into = 8 + 16 + 20 + 16;
        let at = [offset(&both, head + into), offset(&both, head + first + into)].map(|at| at as usize);
        assert_eq!((&both[at[0]..at[0] + 3], &both[at[1]..]), (&b"vvw"[..], &b"sss"[..]));
        let alone = fragment(9, &[(VIDEO, &Fragment::default()), (SOUND, &sound)]);
        assert_eq!(alone.len(), head + second + 8 + 3);
        assert_eq!(&alone[offset(&alone, head + into) as usize..], b"sss");
    }
}
