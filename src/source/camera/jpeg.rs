//! Motion JPEG: finding where a picture ends, and decoding it.

use super::convert::ConvertError;
use crate::frame::Size;
use std::borrow::Cow;
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// An application segment that says that the Huffman tables are left out and the usual ones meant, as AVI files do.
const DEFAULT_TABLES: [u8; 18] = [0xff, 0xe0, 0, 16, b'A', b'V', b'I', b'1', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

/// The pixels of one JPEG picture as Y, Cb, Cr, three bytes each. The picture must have the size that the camera said.
pub(super) fn decode(bytes: &[u8], size: Size) -> Result<Vec<u8>, ConvertError> {
    let Extent { end, tables } = extent(bytes).ok_or_else(|| ConvertError::Jpeg("its end is missing".into()))?;
    // Many cameras leave out the tables without saying so.
    let picture = if tables {
        Cow::Borrowed(&bytes[..end])
    } else {
        Cow::Owned([&bytes[..2], &DEFAULT_TABLES, &bytes[2..end]].concat())
    };
    let (w, h) = (size.width() as usize, size.height() as usize);
    let options = DecoderOptions::default()
        .set_max_width(w)
        .set_max_height(h)
        .set_strict_mode(false)
        .jpeg_set_out_colorspace(ColorSpace::YCbCr);
    let failed = |e: &dyn std::fmt::Display| ConvertError::Jpeg(e.to_string());
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&*picture), options);
    decoder.decode_headers().map_err(|e| failed(&e))?;
    let info = decoder.info().ok_or_else(|| failed(&"no header"))?;
    let have = (usize::from(info.width), usize::from(info.height));
    if have != (w, h) {
        return Err(ConvertError::Size { have: format!("{}x{}", have.0, have.1), want: size });
    }
    match decoder.input_colorspace() {
        Some(ColorSpace::YCbCr) => decoder.decode().map_err(|e| failed(&e)),
        Some(ColorSpace::Luma) => {
            decoder.set_options(options.jpeg_set_out_colorspace(ColorSpace::Luma));
            let luma = decoder.decode().map_err(|e| failed(&e))?;
            Ok(luma.into_iter().flat_map(|y| [y, 128, 128]).collect())
        }
        other => Err(failed(&format!("its colours are {other:?}, not YCbCr"))),
    }
}

/// Where a JPEG picture ends, and what it has.
#[derive(Debug, PartialEq, Eq)]
struct Extent {
    /// Just behind its end marker.
    end: usize,
    /// It brings its own Huffman tables.
    tables: bool,
}

/// Walks from marker to marker (ITU-T T.81 annex B), so that an end marker in a thumbnail is not taken for the end.
fn extent(bytes: &[u8]) -> Option<Extent> {
    if bytes.get(..2)? != [0xff, 0xd8] {
        return None;
    }
    let mut at = 2;
    let mut tables = false;
    loop {
        if *bytes.get(at)? != 0xff {
            // Coded data: on to the next marker.
            at += bytes.get(at..)?.iter().position(|&b| b == 0xff)?;
            continue;
        }
        match *bytes.get(at + 1)? {
            // A byte of 0xff in coded data, a restart, or fill.
            0x00 | 0x01 | 0xd0..=0xd8 => at += 2,
            0xff => at += 1,
            0xd9 => return Some(Extent { end: at + 2, tables }),
            marker => {
                tables |= marker == 0xc4;
                let length = u16::from_be_bytes([*bytes.get(at + 2)?, *bytes.get(at + 3)?]);
                at += 2 + usize::from(length.max(2));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::{Frame, Range},
        source::camera::{Raw, convert},
        source::devices::Pixels,
    };
    use image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
    use proptest::prelude::*;
    use std::time::Instant;

    /// A picture of one colour.
    fn jpeg(width: u32, height: u32, rgb: [u8; 3]) -> Vec<u8> {
        let mut out = Vec::new();
        let pixels = rgb.repeat((width * height) as usize);
        JpegEncoder::new_with_quality(&mut out, 95).encode(&pixels, width, height, ExtendedColorType::Rgb8).unwrap();
        out
    }

    fn frame(bytes: &[u8], width: u32, height: u32) -> Result<Frame, ConvertError> {
        let size = Size::new(width, height).unwrap();
        let bytes = bytes::Bytes::copy_from_slice(bytes);
        convert::frame(&Raw { bytes, size, pixels: Pixels::Mjpeg, captured: Instant::now() })
    }

    #[test]
    fn a_known_colour_comes_out_in_full_range_whatever_lies_behind_the_picture() {
        for (w, h) in [(16, 16), (17, 9), (1, 1)] {
            let mut bytes = jpeg(w, h, [255, 0, 0]);
            bytes.extend([0xff, 0xd8, 0xff, 0xd9, 1, 2, 3].repeat(50));
            let f = frame(&bytes, w, h).unwrap();
            assert_eq!(f.colour.range, Range::Full);
            let [y, u, v] = f.into_planes();
            // BT.601, full range: 76.2, 85, 255.
            assert!(y.data().iter().all(|v| v.abs_diff(76) <= 2), "{:?}", &y.data()[..1]);
            assert!(u.data().iter().all(|v| v.abs_diff(85) <= 2), "{:?}", &u.data()[..1]);
            assert!(v.data().iter().all(|v| v.abs_diff(255) <= 2), "{:?}", &v.data()[..1]);
        }
    }

    #[test]
    fn missing_huffman_tables_are_the_usual_ones() {
        let bytes = jpeg(32, 16, [10, 200, 60]);
        let whole = frame(&bytes, 32, 16).unwrap();
        let mut without = bytes[..2].to_vec();
        let mut at = 2;
        while bytes[at + 1] != 0xda {
            let length = 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
            if bytes[at + 1] != 0xc4 {
                without.extend(&bytes[at..at + length]);
            }
            at += length;
        }
        without.extend(&bytes[at..]);
        assert!(without.len() < bytes.len() - 100 && !extent(&without).unwrap().tables);
        assert_eq!(frame(&without, 32, 16).unwrap().planes(), whole.planes());
    }

    #[test]
    fn an_end_marker_in_a_thumbnail_is_not_the_end() {
        let bytes = jpeg(8, 8, [9, 9, 9]);
        let thumbnail = [0xff, 0xe1, 0, 8, 0xff, 0xd8, 0xff, 0xd9, 0xff, 0xd9];
        let with = [&bytes[..2], &thumbnail, &bytes[2..]].concat();
        assert_eq!(extent(&with), Some(Extent { end: with.len(), tables: true }));
        assert!(frame(&with, 8, 8).is_ok());
    }

    #[test]
    fn grey_jpeg_has_no_colour() {
        let mut out = Vec::new();
        JpegEncoder::new(&mut out).encode(&[50; 64], 8, 8, ExtendedColorType::L8).unwrap();
        let [y, u, _] = frame(&out, 8, 8).unwrap().into_planes();
        assert!(y.data()[0].abs_diff(50) <= 1 && u.data()[0] == 128);
    }

    #[test]
    fn cut_and_wrong_pictures_are_refused() {
        let bytes = jpeg(64, 48, [1, 2, 3]);
        for n in 0..bytes.len() {
            assert!(frame(&bytes[..n], 64, 48).is_err(), "{n}");
        }
        let e = frame(&bytes, 32, 48).unwrap_err().to_string();
        assert!(!e.is_empty());
        let e = frame(&bytes, 640, 480).unwrap_err().to_string();
        assert!(e.contains("64x48") && e.contains("640x480"), "{e}");
    }

    proptest! {
        #[test]
        fn any_changes_pass(places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8)) {
            let mut bytes = jpeg(24, 16, [90, 30, 200]);
            for (place, value) in places {
                let i = place.index(bytes.len());
                bytes[i] = value;
            }
            let _ = frame(&bytes, 24, 16);
        }
    }
}
