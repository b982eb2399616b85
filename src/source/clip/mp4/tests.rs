use std::io::Cursor;

use proptest::prelude::*;

use super::*;

pub(in crate::source::clip) fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    [&(payload.len() as u32 + 8).to_be_bytes()[..], kind, &payload].concat()
}

pub(in crate::source::clip) fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// A baseline parameter set of 32×32 pixels, as written by hand.
const SPS: [u8; 7] = [0x67, 66, 0xc0, 30, 0xda, 0x25, 0x90];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

fn avc1(sps: &[u8], pps: &[u8]) -> Vec<u8> {
    entry(b"avc1", &[&avcc(sps, pps)])
}

pub(in crate::source::clip) fn avcc(sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let len = |d: &[u8]| (d.len() as u16).to_be_bytes();
    boxed(b"avcC", &[&[1, 66, 0xc0, 30, 0xff, 0xe1], &len(sps), sps, &[1], &len(pps), pps])
}

/// A sample description with boxes in it.
pub(in crate::source::clip) fn entry(kind: &[u8; 4], boxes: &[&[u8]]) -> Vec<u8> {
    boxed(kind, &[&[0; 78], &boxes.concat()])
}

/// A film with all that the field does to films.
pub(in crate::source::clip) struct Film {
    /// Sample descriptions.
    pub(in crate::source::clip) entries: Vec<Vec<u8>>,
    /// Each with its description, from 1.
    pub(in crate::source::clip) samples: Vec<(Vec<u8>, u32)>,
    /// In 1/3000 s.
    pub(in crate::source::clip) durations: Vec<u32>,
    /// Numbers from 1.
    pub(in crate::source::clip) syncs: Vec<u32>,
    /// a, b, c, d.
    pub(in crate::source::clip) matrix: [i32; 4],
    /// Duration in 1/1000 s, time in 1/3000 s, rate.
    pub(in crate::source::clip) edits: Vec<(u32, i32, u32)>,
    /// Bits of a size in `stz2`.
    pub(in crate::source::clip) compact: Option<u32>,
    /// Tracks in front.
    pub(in crate::source::clip) before: Vec<u8>,
    /// Of the track, in pixels.
    pub(in crate::source::clip) shown: (u32, u32),
}

impl Film {
    /// 30 pictures a second, the first of four a keyframe.
    pub(in crate::source::clip) fn new(entries: Vec<Vec<u8>>, samples: Vec<Vec<u8>>) -> Self {
        let durations = vec![100; samples.len()];
        let syncs = (1..=samples.len() as u32).step_by(4).collect();
        let samples = samples.into_iter().map(|data| (data, 1)).collect();
        let (matrix, shown) = ([0x1_0000, 0, 0, 0x1_0000], (0, 0));
        Self { entries, samples, durations, syncs, matrix, edits: Vec::new(), compact: None, before: Vec::new(), shown }
    }

    pub(in crate::source::clip) fn bytes(&self) -> Vec<u8> {
        let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4]]);
        let list = |of: &mut dyn Iterator<Item = Vec<u32>>| {
            let entries: Vec<Vec<u32>> = of.collect();
            words(&[&[0, entries.len() as u32][..], &entries.concat()].concat())
        };
        let mut at = ftyp.len() as u32 + 8;
        let mut offsets = Vec::new();
        for (data, _) in &self.samples {
            offsets.push(at);
            at += data.len() as u32;
        }
        let sizes: Vec<u32> = self.samples.iter().map(|(data, _)| data.len() as u32).collect();
        let count = sizes.len() as u32;
        let sizes = match self.compact {
            None => boxed(b"stsz", &[&words(&[0, 0, count]), &words(&sizes)]),
            Some(bits) => {
                let packed: Vec<u8> = match bits {
                    4 => sizes.chunks(2).map(|p| (p[0] << 4 | p.get(1).unwrap_or(&0)) as u8).collect(),
                    8 => sizes.iter().map(|&size| size as u8).collect(),
                    _ => sizes.iter().flat_map(|&size| (size as u16).to_be_bytes()).collect(),
                };
                boxed(b"stz2", &[&words(&[0, bits, count]), &packed])
            }
        };
        let chunks = (1_u32..).zip(&self.samples).map(|(chunk, (_, description))| vec![chunk, 1, *description]);
        let stbl = [
            boxed(b"stsd", &[&words(&[0, self.entries.len() as u32]), &self.entries.concat()]),
            boxed(b"stts", &[&list(&mut self.durations.iter().map(|&duration| vec![1, duration]))]),
            boxed(b"stss", &[&list(&mut self.syncs.iter().map(|&number| vec![number]))]),
            boxed(b"stsc", &[&list(&mut chunks.into_iter())]),
            sizes,
            boxed(b"stco", &[&list(&mut offsets.iter().map(|&offset| vec![offset]))]),
        ];
        let stbl = boxed(b"stbl", &[&stbl.concat()]);
        let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"vide", &[0; 13]]);
        let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 3000, 0, 0])]);
        let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &boxed(b"minf", &[&stbl])]);
        let [a, b, c, d] = self.matrix.map(i32::cast_unsigned);
        let matrix = words(&[a, b, 0, c, d, 0, 0, 0, 0x4000_0000]);
        let shown = words(&[self.shown.0 << 16, self.shown.1 << 16]);
        let tkhd = boxed(b"tkhd", &[&words(&[0, 0, 0, 1, 0, 0]), &[0; 16], &matrix, &shown]);
        let edits = self.edits.iter().map(|&(duration, time, rate)| vec![duration, time.cast_unsigned(), rate << 16]);
        let edts = match self.edits.len() {
            0 => Vec::new(),
            _ => boxed(b"edts", &[&boxed(b"elst", &[&list(&mut edits.into_iter())])]),
        };
        let mvhd = boxed(b"mvhd", &[&words(&[0, 0, 0, 1000, 0])]);
        let moov = boxed(b"moov", &[&mvhd, &self.before, &boxed(b"trak", &[&tkhd, &edts, &mdia])]);
        let data: Vec<u8> = self.samples.iter().flat_map(|(data, _)| data.clone()).collect();
        [ftyp, boxed(b"mdat", &[&data]), moov].concat()
    }
}

fn trak(entry: &[u8], tables: &[u8]) -> Vec<u8> {
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), entry]);
    let stbl = boxed(b"stbl", &[&stsd, tables]);
    let minf = boxed(b"minf", &[&stbl]);
    let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"vide", &[0; 13]]);
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 3000, 0, 0])]);
    let mdia = boxed(b"mdia", &[&mdhd, &hdlr, &minf]);
    boxed(b"trak", &[&boxed(b"tkhd", &[&words(&[0, 0, 0, 1, 0, 0])]), &mdia])
}

/// A file of these samples, with sets that fit them in length only.
fn file(samples: &[Vec<u8>]) -> Vec<u8> {
    mux(&SPS, &PPS, samples)
}

/// A file of 30 frames per second: `ftyp`, `mdat`, `moov`; two samples a chunk.
pub(in crate::source::clip) fn mux(sps: &[u8], pps: &[u8], samples: &[Vec<u8>]) -> Vec<u8> {
    let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4]]);
    let mut offsets = Vec::new();
    let mut at = ftyp.len() as u32 + 8;
    for (i, sample) in samples.iter().enumerate() {
        if i % 2 == 0 {
            offsets.push(at);
        }
        at += sample.len() as u32;
    }
    let sizes: Vec<u32> = samples.iter().map(|s| s.len() as u32).collect();
    let n = samples.len() as u32;
    let tables = [
        boxed(b"stts", &[&words(&[0, 1, n, 100])]),
        boxed(b"stsc", &[&words(&[0, 1, 1, 2, 1])]),
        boxed(b"stsz", &[&words(&[0, 0, n]), &words(&sizes)]),
        boxed(b"stco", &[&words(&[0, offsets.len() as u32]), &words(&offsets)]),
    ];
    let moov = boxed(b"moov", &[&trak(&avc1(sps, pps), &tables.concat())]);
    [ftyp, boxed(b"mdat", &[&samples.concat()]), moov].concat()
}

fn sample(header: u8, length: usize) -> Vec<u8> {
    [&(length as u32).to_be_bytes()[..], &vec![header; length]].concat()
}

fn open(data: &[u8]) -> Result<Mp4Reader<Cursor<&[u8]>>, ClipError> {
    Mp4Reader::open(Cursor::new(data), data.len() as u64, Path::new("t.mp4"))
}

fn read_all(data: &[u8]) -> Result<Vec<Unit>, ClipError> {
    let mut mp4 = open(data)?;
    std::iter::from_fn(|| mp4.next(Path::new("t.mp4")).transpose()).take(10_000).collect()
}

#[test]
fn samples_are_found_and_timed() {
    let data = file(&[sample(0x65, 9), sample(0x41, 4), sample(0x41, 7)]);
    let mp4 = open(&data).unwrap();
    assert_eq!((mp4.size().to_string().as_str(), mp4.fps(), mp4.frames()), ("32x32", 30.0, 3));
    let units = read_all(&data).unwrap();
    let sets = [&[0, 0, 0, 1][..], &SPS, &[0, 0, 0, 1], &PPS].concat();
    assert_eq!(units[0].data, [&sets[..], &[0, 0, 0, 1], &[0x65; 9]].concat());
    assert_eq!(units[2].data, [&[0, 0, 0, 1][..], &[0x41; 7]].concat());
    assert_eq!(units[2].time, Some(Duration::from_secs_f64(2.0 / 30.0)));
}

/// `ftyp` and `moov` of a file in fragments.
fn fragmented() -> Vec<u8> {
    let tables = [
        boxed(b"stts", &[&words(&[0, 0])]),
        boxed(b"stsc", &[&words(&[0, 0])]),
        boxed(b"stsz", &[&words(&[0, 0, 0])]),
        boxed(b"stco", &[&words(&[0, 0])]),
    ];
    let mvex = boxed(b"mvex", &[&boxed(b"trex", &[&words(&[0, 1, 1, 100, 0, 0])])]);
    let ftyp = boxed(b"ftyp", &[b"isom", &[0; 4]]);
    [ftyp, boxed(b"moov", &[&trak(&avc1(&SPS, &PPS), &tables.concat()), &mvex])].concat()
}

/// Two fragments of two samples each.
fn two_fragments() -> Vec<u8> {
    let mut data = fragmented();
    for n in 0..2_u32 {
        let samples = [sample(0x65, 9), sample(0x41, 4)];
        let moof = |offset| {
            let tfhd = boxed(b"tfhd", &[&words(&[0x2_0000, 1])]);
            let tfdt = boxed(b"tfdt", &[&words(&[0, 6000 + 200 * n])]);
            let trun = boxed(b"trun", &[&words(&[0x201, 2, offset, 13, 8])]);
            boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &tfdt, &trun])])
        };
        let length = moof(0).len() as u32;
        data.extend(moof(length + 8));
        data.extend(boxed(b"mdat", &[&samples.concat()]));
    }
    data
}

#[test]
fn fragments_are_read() {
    let data = two_fragments();
    let units = read_all(&data).unwrap();
    assert_eq!(units.len(), 4);
    assert!(units[2].data.ends_with(&[0x65; 9]) && units[3].data.ends_with(&[0x41; 4]));
    assert_eq!(units[3].time, Some(Duration::from_millis(100)));
    assert_eq!(open(&data).unwrap().fps(), 30.0);
}

#[test]
fn cut_files_say_so() {
    let data = file(&[sample(0x65, 9), sample(0x41, 4)]);
    for length in 8..data.len() {
        let error = read_all(&data[..length]).err().unwrap();
        assert!(matches!(error, ClipError::CutShort { .. }), "{length}: {error}");
    }
    // With the index in front, what is there is read.
    let mut mp4 = open(&data).unwrap();
    (mp4.length, mp4.inside) = (16 + 8 + 13 + 2, 1);
    assert!(mp4.next(Path::new("t.mp4")).unwrap().is_some());
    let error = mp4.next(Path::new("t.mp4")).err().unwrap();
    assert!(matches!(error, ClipError::CutShort { frames: 1, .. }), "{error}");
}

#[test]
fn of_cut_fragments_what_is_whole_is_read() {
    let data = two_fragments();
    let begins = fragmented().len();
    let fragment = (data.len() - begins) / 2;
    for length in begins..data.len() {
        let mut units = 0;
        let error = open(&data[..length]).and_then(|mut mp4| {
            while mp4.next(Path::new("t.mp4"))?.is_some() {
                units += 1;
            }
            Ok(())
        });
        let whole = (length - begins) / fragment;
        assert!((2 * whole..2 * whole + 2).contains(&units), "{length}: {units}");
        match error {
            // Between two fragments it is a shorter file, and a size begins with zeros, as padding does.
            Ok(()) => assert!((length - begins) % fragment < 4, "{length}"),
            Err(ClipError::CutShort { frames, .. }) => assert_eq!(frames, units as u64),
            Err(error) => assert!(length - begins < 4, "{length}: {error}"),
        }
    }
    // Up to seven zeros behind the last box are padding.
    assert_eq!(read_all(&[&data[..], &[0; 7]].concat()).unwrap().len(), 4);
}

#[test]
fn a_fragment_claims_no_more_samples_than_the_file_has_room_for() {
    let claim = |tfhd: &[u32], trun: &[&[u32]]| {
        let tfhd = boxed(b"tfhd", &[&words(tfhd)]);
        let runs: Vec<u8> = trun.iter().flat_map(|run| boxed(b"trun", &[&words(run)])).collect();
        let moof = boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &runs])]);
        open(&[fragmented(), moof].concat()).map(|mp4| mp4.frames())
    };
    let refused = |result: Result<u64, ClipError>| {
        assert!(
            matches!(&result, Err(ClipError::Damaged { what, .. }) if what.contains("more pictures")),
            "{result:?}"
        );
    };
    // No entries in the box: by default each sample has no byte, or one.
    refused(claim(&[0x2_0000, 1], &[&[0, 4_000_000]]));
    refused(claim(&[0x2_0010, 1, 1], &[&[0, 4_000_000]]));
    // A run alone fits into the file, but not many that name the same bytes.
    refused(claim(&[0x2_0010, 1, 1], &[&[0, 200][..]; 10]));
    // Entries that are not there.
    for flags in [0x100, 0x200, 0x400, 0x800, 0xf00] {
        refused(claim(&[0x2_0000, 1], &[&[flags, 4_000_000, 1, 1, 1, 1]]));
        refused(claim(&[0x2_0000, 1], &[&[flags, u32::MAX, 1, 1, 1, 1]]));
    }
    assert_eq!(claim(&[0x2_0010, 1, 1], &[&[0, 200]]).unwrap(), 200);
}

#[test]
fn other_codecs_are_named() {
    let data = [boxed(b"ftyp", &[b"isom"]), boxed(b"moov", &[&trak(&boxed(b"hvc1", &[&[0; 90]]), &[])])].concat();
    let error = open(&data).err().unwrap().to_string();
    assert!(error.contains("H.265 (HEVC) video") && error.contains("libx264"), "{error}");
}

#[test]
fn counts_beyond_the_file_are_refused_before_memory_is_taken() {
    for sizes in [[0, 1000, u32::MAX], [0, 1, u32::MAX], [0, 0, u32::MAX]] {
        let tables = [boxed(b"stsz", &[&words(&sizes)]), boxed(b"stco", &[&words(&[0, 0])])].concat();
        let data = [boxed(b"ftyp", &[b"isom"]), boxed(b"moov", &[&trak(&avc1(&SPS, &PPS), &tables)])].concat();
        assert!(matches!(open(&data), Err(ClipError::Damaged { .. })), "{sizes:?}");
    }
}

#[test]
fn compact_sizes_are_read_like_the_others() {
    let samples = [sample(0x65, 11), sample(0x41, 5), sample(0x41, 6)];
    let film = Film::new(vec![avc1(&SPS, &PPS)], samples.to_vec());
    let want: Vec<_> = read_all(&film.bytes()).unwrap().into_iter().map(|unit| unit.data).collect();
    assert_eq!(want.len(), 3);
    for bits in [4, 8, 16] {
        let film = Film {
            compact: Some(bits),
            samples: film.samples.clone(),
            ..Film::new(film.entries.clone(), samples.to_vec())
        };
        let got: Vec<_> = read_all(&film.bytes()).unwrap().into_iter().map(|unit| unit.data).collect();
        assert_eq!(got, want, "{bits} bits");
    }
}

#[test]
fn a_list_of_edits_cannot_ask_for_more_than_there_is_room_for() {
    let mut film = Film::new(vec![avc1(&SPS, &PPS)], vec![sample(0x65, 9), sample(0x41, 4)]);
    film.edits = vec![(67, 0, 1); 5000];
    assert_eq!(open(&film.bytes()).unwrap().frames(), 10_000);
    film.edits = vec![(u32::MAX, i32::MAX, 1), (0, -1, 0), (u32::MAX, -5, 7)];
    assert_eq!(open(&film.bytes()).unwrap().frames(), 2, "one that shows nothing is passed over");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_pass(changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(255), Just(1)]), 1..12)) {
        let mut film = Film::new(vec![avc1(&SPS, &PPS); 2], vec![sample(0x65, 9), sample(0x41, 4), sample(0x41, 7)]);
        (film.edits, film.compact) = (vec![(20, -1, 1), (40, 100, 1), (30, 0, 1), (50, 200, 0)], Some(8));
        for mut data in [file(&[sample(0x65, 9), sample(0x41, 4), sample(0x41, 7)]), two_fragments(), film.bytes()] {
            for (at, value) in &changes {
                let at = at.index(data.len());
                data[at] = *value;
            }
            let _ = read_all(&data);
        }
    }

    #[test]
    fn any_bytes_pass(data in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = read_all(&[&boxed(b"ftyp", &[b"isom"]), &data[..]].concat());
        let _ = read_all(&boxed(b"moov", &[&data]));
    }
}
