//! What fuzz targets try on the readers of files. Each takes the bytes of a file.

use std::{io::Cursor, path::Path};

use super::{annexb::AnnexBReader, mkv::MkvReader, mp4::Mp4Reader, still, y4m::Y4mReader};
use crate::{codec::MAX_UNIT_BYTES, frame::Stamp};

/// Samples may overlap, so that a small file can have many large ones: so many are read.
const SAMPLES: usize = 200;

/// All parameter sets that can be in force, in bytes.
const SETS: usize = (32 + 256) * ((1 << 16) + 4);

fn path() -> &'static Path {
    Path::new("fuzzed")
}

/// Reads an MP4: it lists no more pictures than it can have, and no picture is longer than allowed.
pub fn mp4(data: &[u8]) {
    let Ok(mut mp4) = Mp4Reader::open(Cursor::new(data), data.len() as u64, path()) else { return };
    // Edits may show a picture again and again, up to a bound.
    assert!(mp4.frames() <= 8_000_000);
    assert!((0.1..=1000.0).contains(&mp4.fps()));
    for _ in 0..SAMPLES {
        let Ok(Some(unit)) = mp4.next(path()) else { return };
        // One byte after a length of one byte is written with a start code of four; the sets come in front.
        assert!(unit.data.len() <= 4 * data.len().min(MAX_UNIT_BYTES) + SETS);
    }
}

/// Reads a Matroska file: no picture is longer than allowed.
pub fn mkv(data: &[u8]) {
    let Ok(mut mkv) = MkvReader::open(Cursor::new(data), path()) else { return };
    assert!((0.1..=1000.0).contains(&mkv.fps()));
    for _ in 0..SAMPLES {
        let Ok(Some(unit)) = mkv.next(path()) else { return };
        assert!(unit.data.len() <= 4 * MAX_UNIT_BYTES + SETS);
    }
}

/// Reads a Y4M: each picture has the header's size, and its bytes are the file's.
pub fn y4m(data: &[u8]) {
    let Ok(mut y4m) = Y4mReader::open(Cursor::new(data), path()) else { return };
    assert!((0.1..=1000.0).contains(&y4m.fps()));
    let at_most = y4m.frames_in(data.len() as u64);
    let mut frames = 0;
    while let Ok(Some((frame, _))) = y4m.next(Stamp::now(frames), path()) {
        assert_eq!(frame.size(), y4m.size());
        frames += 1;
    }
    assert!(frames <= at_most, "{frames} of {at_most}");
}

/// Reads a byte stream: its units, joined, are the stream.
pub fn byte_stream(data: &[u8]) {
    let Ok(mut stream) = AnnexBReader::open(Cursor::new(data), path()) else { return };
    assert!((1.0..=240.0).contains(&stream.fps()));
    let mut joined = Vec::new();
    while let Ok(Some(unit)) = stream.next(path()) {
        joined.extend(unit.data);
    }
    assert!(data.starts_with(&joined));
}

/// Reads a PNG or a JPEG.
pub fn still(data: &[u8]) {
    let Ok(frame) = still::read(Cursor::new(data), path()) else { return };
    let even = |side: u32| side % 2 == 0 || side == 1;
    assert!(even(frame.size().width()) && even(frame.size().height()));
}
