//! A picture as a clip of one frame.

use std::{
    io::{BufRead, Cursor, Read, Seek},
    path::Path,
};

use image::{DynamicImage, ImageDecoder as _, ImageReader, ImageResult, Limits, metadata::Orientation};

use super::ClipError;
use crate::frame::{Frame, MAX_SIDE, Size, SizeError, Stamp};

/// The longest file that is read. The largest picture has 192 MiB without any compression.
const MAX_BYTES: u64 = 1 << 29;

/// How a PNG begins.
const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Whether a file begins as a PNG or a JPEG does.
pub(super) fn looks_like(head: &[u8]) -> bool {
    head.starts_with(PNG) || head.starts_with(&[0xff, 0xd8, 0xff])
}

/// The pixels of a PNG or JPEG that is no larger than a frame may be, upright as its Exif data say.
#[cfg(any(test, feature = "train"))]
pub(crate) fn rgb(mut reader: impl BufRead + Seek) -> ImageResult<image::RgbImage> {
    let mut data = Vec::new();
    reader.by_ref().take(MAX_BYTES).read_to_end(&mut data)?;
    pixels(&data)
}

fn pixels(data: &[u8]) -> ImageResult<image::RgbImage> {
    let mut reader = ImageReader::new(Cursor::new(data)).with_guessed_format()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    let mut decoder = reader.into_decoder()?;
    let orientation = match exif_of_png(data) {
        Some(exif) => Orientation::from_exif_chunk(exif),
        // What cannot be read says nothing.
        None => decoder.orientation().ok(),
    };
    let mut picture = DynamicImage::from_decoder(decoder)?;
    picture.apply_orientation(orientation.unwrap_or(Orientation::NoTransforms));
    Ok(picture.into_rgb8())
}

/// Reads it whole, as BT.601 limited range with even sides.
pub(super) fn read(mut reader: impl BufRead + Seek, path: &Path) -> Result<Frame, ClipError> {
    let mut data = Vec::new();
    reader.by_ref().take(MAX_BYTES).read_to_end(&mut data).map_err(|e| ClipError::read(path, e))?;
    if let Some((width, height)) = dimensions(&data)
        && let Err(error @ SizeError::OutOfRange { .. }) = Size::new(width, height)
    {
        return Err(ClipError::size(path, &error));
    }
    let cut = || ClipError::cut(path, "in the middle of the picture", 0);
    // Of a JPEG that is cut short the rest would be made up, in grey.
    if is_cut(&data) {
        return Err(cut());
    }
    let damaged = |e: &dyn std::fmt::Display| ClipError::damaged(path, e.to_string());
    let picture = pixels(&data).map_err(|e| damaged(&e))?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Frame::from_rgb8(picture.as_raw(), width, height, Stamp::now(0)).map_err(|e| damaged(&e))
}

/// What the header says, without a bound.
fn dimensions(data: &[u8]) -> Option<(u32, u32)> {
    let mut reader = ImageReader::new(Cursor::new(data)).with_guessed_format().ok()?;
    reader.no_limits();
    reader.into_dimensions().ok()
}

/// Whether a file ends before its picture does.
fn is_cut(data: &[u8]) -> bool {
    if data.starts_with(PNG) {
        // Its end is a chunk of its own, and what cannot be read is the last.
        chunks(data).last().flatten().is_none_or(|(kind, _)| kind != *b"IEND")
    } else {
        jpeg_is_cut(data)
    }
}

/// The chunks of a PNG up to its end; [`None`] for one that the file does not hold whole.
fn chunks(data: &[u8]) -> impl Iterator<Item = Option<([u8; 4], &[u8])>> {
    let mut rest = data.get(PNG.len()..).unwrap_or_default();
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let chunk = (|| {
            let length = u32::from_be_bytes(*rest.first_chunk()?) as usize;
            let kind = *rest.get(4..)?.first_chunk()?;
            let payload = rest.get(8..)?.get(..length)?;
            // A checksum follows.
            rest = rest.get(8..)?.get(length..)?.get(4..)?;
            Some((kind, payload))
        })();
        if chunk.is_none_or(|(kind, _)| kind == *b"IEND") {
            rest = &[];
        }
        Some(chunk)
    })
}

/// A PNG's Exif data, wherever among its chunks.
fn exif_of_png(data: &[u8]) -> Option<&[u8]> {
    let mut found = data.starts_with(PNG).then(|| chunks(data))?.flatten();
    found.find(|(kind, _)| kind == b"eXIf").map(|(_, exif)| exif)
}

/// Walks over a JPEG's segments and scans to its end marker (ITU-T T.81, annex B).
fn jpeg_is_cut(data: &[u8]) -> bool {
    let mut at = 2;
    loop {
        let Some(&byte) = data.get(at) else { return true };
        if byte != 0xff {
            // No marker where one must be: damaged perhaps, but not cut.
            return false;
        }
        let Some(&marker) = data.get(at + 1) else { return true };
        match marker {
            0xd9 => return false,
            // A fill byte.
            0xff => at += 1,
            0x01 | 0xd0..=0xd8 => at += 2,
            _ => {
                let Some(length) = data.get(at + 2..).and_then(|d| d.first_chunk()) else { return true };
                at += 2 + usize::from(u16::from_be_bytes(*length));
                if marker == 0xda {
                    // Coded data go on to a marker that is neither a stuffed byte nor a restart.
                    let coded = data.get(at..).unwrap_or_default();
                    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0 | 0xd0..=0xd7 | 0xff);
                    let Some(end) = coded.windows(2).position(ends) else { return true };
                    at += end;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red, green, blue, white over black, yellow: three columns, two rows, in blocks of 16 pixels.
    fn blocks() -> image::RgbImage {
        let colours = [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255], [0, 0, 0], [255, 255, 0]];
        image::RgbImage::from_fn(48, 32, |x, y| image::Rgb(colours[(y / 16 * 3 + x / 16) as usize]))
    }

    fn encoded(format: image::ImageFormat) -> Vec<u8> {
        let mut out = Cursor::new(Vec::new());
        blocks().write_to(&mut out, format).unwrap();
        out.into_inner()
    }

    /// Exif data that say nothing but the orientation.
    fn exif(orientation: u8) -> Vec<u8> {
        let mut out = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
        out.extend([orientation, 0, 0, 0, 0, 0, 0]);
        out
    }

    fn jpeg(orientation: u8) -> Vec<u8> {
        let plain = encoded(image::ImageFormat::Jpeg);
        let payload = [&b"Exif\0\0"[..], &exif(orientation)].concat();
        let length = (payload.len() as u16 + 2).to_be_bytes();
        [&plain[..2], &[0xff, 0xe1], &length, &payload, &plain[2..]].concat()
    }

    /// With the chunk in front of the picture, or behind it.
    fn png(orientation: u8, behind: bool) -> Vec<u8> {
        let plain = encoded(image::ImageFormat::Png);
        let exif = exif(orientation);
        let mut chunk = [&(exif.len() as u32).to_be_bytes()[..], b"eXIf", &exif].concat();
        let mut crc = u32::MAX;
        for byte in &chunk[4..] {
            crc ^= u32::from(*byte);
            (0..8).for_each(|_| crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 });
        }
        chunk.extend((!crc).to_be_bytes());
        let at = if behind { plain.len() - 12 } else { 8 + 25 };
        [&plain[..at], &chunk, &plain[at..]].concat()
    }

    #[test]
    fn all_eight_orientations_stand_upright() {
        // Where the stored picture's first row and first column lie, by the Exif standard.
        let stored = blocks();
        for orientation in 1..=8_u8 {
            let (w, h) = (stored.width(), stored.height());
            let (out_w, out_h) = if orientation > 4 { (h, w) } else { (w, h) };
            let want = image::RgbImage::from_fn(out_w, out_h, |x, y| {
                let (right, down) = (out_w - 1 - x, out_h - 1 - y);
                let (i, j) = match orientation {
                    1 => (x, y),
                    2 => (right, y),
                    3 => (right, down),
                    4 => (x, down),
                    5 => (y, x),
                    6 => (y, right),
                    7 => (down, right),
                    _ => (down, x),
                };
                *stored.get_pixel(i, j)
            });
            for (name, data) in
                [("jpeg", jpeg(orientation)), ("png", png(orientation, false)), ("png, behind", png(orientation, true))]
            {
                let got = rgb(Cursor::new(data.clone())).unwrap();
                assert_eq!(got.dimensions(), want.dimensions(), "{name} {orientation}");
                let off = got.iter().zip(want.iter()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
                assert!(off < 4 * got.len() as u64, "{name} {orientation}: {off}");
                let frame = read(Cursor::new(data), Path::new("t")).unwrap();
                assert_eq!((frame.size().width(), frame.size().height()), (out_w, out_h));
            }
        }
    }

    #[test]
    fn what_is_cut_is_said_to_be() {
        for data in [encoded(image::ImageFormat::Jpeg), encoded(image::ImageFormat::Png), jpeg(6), png(6, true)] {
            assert!(read(Cursor::new(&data), Path::new("t")).is_ok());
            assert!(
                read(Cursor::new([&data[..], b"more"].concat()), Path::new("t")).is_ok(),
                "what follows is not read"
            );
            for length in 12..data.len() {
                let error = read(Cursor::new(&data[..length]), Path::new("t")).unwrap_err();
                assert!(matches!(error, ClipError::CutShort { .. }), "{length} of {}: {error}", data.len());
            }
        }
    }

    #[test]
    fn sizes_are_named() {
        let of = |w, h| {
            let mut out = Cursor::new(Vec::new());
            image::GrayImage::new(w, h).write_to(&mut out, image::ImageFormat::Png).unwrap();
            read(Cursor::new(out.into_inner()), Path::new("t"))
        };
        let error = of(20_000, 16).unwrap_err().to_string();
        assert!(error.contains("20000x16") && error.contains("8192"), "{error}");
        assert_eq!(of(1, 1).unwrap().size().to_string(), "1x1");
        assert_eq!(of(1, 7).unwrap().size().to_string(), "1x6");
    }
}
