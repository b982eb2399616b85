//! Two small MP4 files, by the book (ISO/IEC 14496-12): with one index, and in fragments.

use clearcall::codec::{
    AccessUnit,
    nal::{NalKind, nal_units},
};

fn boxed(kind: &[u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let payload = parts.concat();
    [&(payload.len() as u32 + 8).to_be_bytes()[..], kind, &payload].concat()
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|v| v.to_be_bytes()).collect()
}

/// The slices of a unit, with their lengths in front.
pub fn sample(unit: &AccessUnit) -> Vec<u8> {
    let slices = nal_units(&unit.data).filter(|nal| NalKind::of(nal).is_some_and(NalKind::is_slice));
    slices.flat_map(|nal| [&(nal.len() as u32).to_be_bytes()[..], nal].concat()).collect()
}

/// The decoder's configuration; `sets` are the two parameter sets.
pub fn avcc(sets: &[&[u8]]) -> Vec<u8> {
    let mut out = vec![1, 66, 0xc0, 30, 0xff];
    for (set, count) in sets.iter().zip([0xe1, 1]) {
        out.push(count);
        out.extend((set.len() as u16).to_be_bytes());
        out.extend_from_slice(set);
    }
    out
}

/// A `moov` box of 3000 ticks a second.
fn moov(sets: &[&[u8]], tables: &[Vec<u8>], more: &[u8]) -> Vec<u8> {
    let avc1 = boxed(b"avc1", &[&[0; 78], &boxed(b"avcC", &[&avcc(sets)])]);
    let stsd = boxed(b"stsd", &[&words(&[0, 1]), &avc1]);
    let minf = boxed(b"minf", &[&boxed(b"stbl", &[&stsd, &tables.concat()])]);
    let hdlr = boxed(b"hdlr", &[&words(&[0, 0]), b"vide", &[0; 13]]);
    let mdhd = boxed(b"mdhd", &[&words(&[0, 0, 0, 3000, 0, 0])]);
    let tkhd = boxed(b"tkhd", &[&words(&[0, 0, 0, 1, 0, 0])]);
    boxed(b"moov", &[&boxed(b"trak", &[&tkhd, &boxed(b"mdia", &[&mdhd, &hdlr, &minf])]), more])
}

fn ftyp() -> Vec<u8> {
    boxed(b"ftyp", &[b"isom", &[0; 4]])
}

/// `ftyp`, `mdat`, `moov`: two samples a chunk, and times of display that are not those of decoding.
pub fn indexed(sets: &[&[u8]], samples: &[Vec<u8>]) -> Vec<u8> {
    let sizes: Vec<u32> = samples.iter().map(|sample| sample.len() as u32).collect();
    let start = ftyp().len() as u32 + 8;
    let offsets: Vec<u32> = (0..sizes.len()).step_by(2).map(|i| start + sizes[..i].iter().sum::<u32>()).collect();
    let n = sizes.len() as u32;
    let tables = [
        boxed(b"stts", &[&words(&[0, 2, 2, 100, n - 2, 101])]),
        boxed(b"ctts", &[&words(&[0, 2, 1, 0, n - 1, 200])]),
        boxed(b"stsc", &[&words(&[0, 1, 1, 2, 1])]),
        boxed(b"stsz", &[&words(&[0, 0, n]), &words(&sizes)]),
        boxed(b"stco", &[&words(&[0, offsets.len() as u32]), &words(&offsets)]),
    ];
    [ftyp(), boxed(b"mdat", &[&samples.concat()]), moov(sets, &tables, &[])].concat()
}

/// `ftyp`, `moov`, then a `moof` and an `mdat` for each two samples.
pub fn fragmented(sets: &[&[u8]], samples: &[Vec<u8>]) -> Vec<u8> {
    let tables = [
        boxed(b"stts", &[&words(&[0, 0])]),
        boxed(b"stsc", &[&words(&[0, 0])]),
        boxed(b"stsz", &[&words(&[0, 0, 0])]),
        boxed(b"stco", &[&words(&[0, 0])]),
    ];
    let mvex = boxed(b"mvex", &[&boxed(b"trex", &[&words(&[0, 1, 1, 100, 0, 0])])]);
    let mut out = [ftyp(), moov(sets, &tables, &mvex)].concat();
    for (i, samples) in samples.chunks(2).enumerate() {
        let moof = |offset| {
            let tfhd = boxed(b"tfhd", &[&words(&[0x2_0000, 1])]);
            let tfdt = boxed(b"tfdt", &[&words(&[0, 200 * i as u32])]);
            let sizes: Vec<u32> = samples.iter().map(|sample| sample.len() as u32).collect();
            let trun = boxed(b"trun", &[&words(&[0x201, sizes.len() as u32, offset]), &words(&sizes)]);
            boxed(b"moof", &[&boxed(b"traf", &[&tfhd, &tfdt, &trun])])
        };
        out.extend(moof(moof(0).len() as u32 + 8));
        out.extend(boxed(b"mdat", &[&samples.concat()]));
    }
    out
}
