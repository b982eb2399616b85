use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    [&(payload.len() as u32 + 8).to_be_bytes()[..], kind, &payload].concat()
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// A baseline parameter set of 32×32 pixels, as written by hand.
const SPS: [u8; 7] = [0x67, 66, 0xc0, 30, 0xda, 0x25, 0x90];
const PPS: [u8; 4] = [0x68, 0xce, 0x3c, 0x80];

fn avc1(sps: &[u8], pps: &[u8]) -> Vec<u8> {
    let len = |d: &[u8]| (d.len() as u16).to_be_bytes();
    let avcc = boxed(b"avcC", &[&[1, 66, 0xc0, 30, 0xff, 0xe1], &len(sps), sps, &[1], &len(pps), pps]);
    boxed(b"avc1", &[&[0; 78], &avcc])
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
    mp4.length = 16 + 8 + 13 + 2;
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

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_pass(changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(255), Just(1)]), 1..12)) {
        for mut data in [file(&[sample(0x65, 9), sample(0x41, 4), sample(0x41, 7)]), two_fragments()] {
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
