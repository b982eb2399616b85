//! From a camera's bytes to a frame. Bytes behind the picture are ignored: on Linux the buffer is a whole mapping.
//!
//! YUYV is taken apart here: the `yuv` crate would be three times as fast, and leave out each second row of chroma.

use super::{Raw, jpeg};
use crate::{
    frame::{ByteOrder, Colour, Frame, FrameError, Matrix, Plane, PlaneError, Range, Size, Stamp, planes_of_rgb},
    source::devices::Pixels,
};

/// Bytes that are no picture.
#[derive(Debug, thiserror::Error)]
pub(super) enum ConvertError {
    #[error("{have} bytes are too few for a {pixels} picture of {size}, which has {need}")]
    Short { have: usize, need: usize, size: Size, pixels: Pixels },
    #[error("a JPEG picture that cannot be read: {0}")]
    Jpeg(String),
    #[error("a picture of {have} came instead of one of {want}")]
    Size { have: String, want: Size },
    #[error(transparent)]
    Plane(#[from] PlaneError),
    #[error(transparent)]
    Frame(#[from] FrameError),
}

type Result<T> = std::result::Result<T, ConvertError>;

/// Webcams send BT.601, limited range; JPEG and plain grey are full range.
pub(super) fn frame(raw: &Raw) -> Result<Frame> {
    let stamp = Stamp { id: 0, captured: raw.captured };
    let size = raw.size;
    let colour = |range| Colour { matrix: Matrix::Bt601, range };
    let bytes = |need: usize| {
        let error = ConvertError::Short { have: raw.bytes.len(), need, size, pixels: raw.pixels };
        raw.bytes.get(..need).ok_or(error)
    };
    let (w, h) = (size.width() as usize, size.height() as usize);
    let (cw, ch) = (w.div_ceil(2), h.div_ceil(2));
    match raw.pixels {
        Pixels::Yuyv => yuyv(bytes(4 * cw * h)?, size, colour(Range::Limited), stamp),
        Pixels::Nv12 => {
            let (luma, chroma) = bytes(w * h + 2 * cw * ch)?.split_at(w * h);
            let part = |k: usize| chroma.as_chunks::<2>().0.iter().map(|pair| pair[k]).collect::<Vec<u8>>();
            let plane = |data| Plane::from_vec(data, cw, ch, cw);
            let y = Plane::copy_from(luma, w, h, w)?;
            Ok(Frame::new(y, plane(part(0))?, plane(part(1))?, colour(Range::Limited), stamp)?)
        }
        Pixels::Mjpeg => ycbcr(&jpeg::decode(&raw.bytes, size)?, size, colour(Range::Full), stamp),
        Pixels::Grey => {
            let y = Plane::copy_from(bytes(w * h)?, w, h, w)?;
            let grey = || Plane::filled(cw, ch, 128);
            Ok(Frame::new(y, grey(), grey(), colour(Range::Full), stamp)?)
        }
        Pixels::Rgb | Pixels::Bgr => {
            let order = if raw.pixels == Pixels::Rgb { ByteOrder::Rgb } else { ByteOrder::Bgr };
            let [y, u, v] = planes_of_rgb(bytes(3 * w * h)?, 3 * w, [w, h], order)?;
            Ok(Frame::new(y, u, v, colour(Range::Limited), stamp)?)
        }
    }
}

/// Y U Y V: chroma has half the columns already; two rows are averaged.
fn yuyv(bytes: &[u8], size: Size, colour: Colour, stamp: Stamp) -> Result<Frame> {
    let mut frame = Frame::filled(size, [16, 128, 128], colour, stamp);
    let (w, h) = (size.width() as usize, size.height() as usize);
    let stride = 4 * w.div_ceil(2);
    let [y, u, v] = frame.planes_mut();
    for (j, row) in bytes.chunks_exact(stride).enumerate() {
        for (luma, pair) in y.row_mut(j).iter_mut().zip(row.chunks_exact(2)) {
            *luma = pair[0];
        }
    }
    for j in 0..u.height() {
        let top = &bytes[2 * j * stride..][..stride];
        let bottom = &bytes[(2 * j + 1).min(h - 1) * stride..][..stride];
        let chroma = u.row_mut(j).iter_mut().zip(v.row_mut(j));
        for ((u, v), (t, b)) in chroma.zip(top.chunks_exact(4).zip(bottom.chunks_exact(4))) {
            *u = t[1].midpoint(b[1]);
            *v = t[3].midpoint(b[3]);
        }
    }
    Ok(frame)
}

/// Y, Cb, Cr of each pixel; the chroma that is kept is the mean of up to four.
fn ycbcr(bytes: &[u8], size: Size, colour: Colour, stamp: Stamp) -> Result<Frame> {
    let (w, h) = (size.width() as usize, size.height() as usize);
    let need = 3 * w * h;
    if bytes.len() < need {
        return Err(ConvertError::Short { have: bytes.len(), need, size, pixels: Pixels::Mjpeg });
    }
    let mut frame = Frame::filled(size, [16, 128, 128], colour, stamp);
    let [y, u, v] = frame.planes_mut();
    let mut sums = vec![[0_u16; 2]; w.div_ceil(2)];
    for (j, row) in bytes[..need].chunks_exact(3 * w).enumerate() {
        for (i, (luma, pixel)) in y.row_mut(j).iter_mut().zip(row.as_chunks::<3>().0).enumerate() {
            *luma = pixel[0];
            sums[i / 2][0] += u16::from(pixel[1]);
            sums[i / 2][1] += u16::from(pixel[2]);
        }
        if j % 2 == 1 || j + 1 == h {
            let rows = (j % 2 + 1) as u16;
            let chroma = u.row_mut(j / 2).iter_mut().zip(v.row_mut(j / 2));
            for (i, ((u, v), sum)) in chroma.zip(&mut sums).enumerate() {
                let n = rows * if 2 * i + 1 < w { 2 } else { 1 };
                *u = ((sum[0] + n / 2) / n) as u8;
                *v = ((sum[1] + n / 2) / n) as u8;
                *sum = [0; 2];
            }
        }
    }
    Ok(frame)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Instant;

    fn raw(bytes: Vec<u8>, width: u32, height: u32, pixels: Pixels) -> Raw {
        Raw { bytes: bytes.into(), size: Size::new(width, height).unwrap(), pixels, captured: Instant::now() }
    }

    fn planes(bytes: Vec<u8>, width: u32, height: u32, pixels: Pixels) -> [Vec<u8>; 3] {
        frame(&raw(bytes, width, height, pixels)).unwrap().into_planes().map(|p| p.to_packed())
    }

    #[test]
    fn yuyv_with_odd_sides() {
        // Three columns are two pairs; the last luma of a row is not seen. Three rows are two rows of chroma.
        #[rustfmt::skip]
        let bytes = vec![
            1, 10, 2, 20, 3, 30, 99, 40,
            4, 12, 5, 22, 6, 34, 99, 44,
            7, 50, 8, 60, 9, 70, 99, 80,
            77, 77, 77,
        ];
        let [y, u, v] = planes(bytes, 3, 3, Pixels::Yuyv);
        assert_eq!(y, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(u, [11, 32, 50, 70]);
        assert_eq!(v, [21, 42, 60, 80]);
    }

    #[test]
    fn nv12_with_odd_sides() {
        let bytes = vec![1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 20, 11, 21, 12, 22, 13, 23, 77];
        let [y, u, v] = planes(bytes, 3, 3, Pixels::Nv12);
        assert_eq!(y, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!((u, v), (vec![10, 11, 12, 13], vec![20, 21, 22, 23]));
    }

    #[test]
    fn rgb_and_bgr_of_known_colours() {
        // Red and blue of BT.601, limited range.
        assert_eq!(planes([255, 0, 0].repeat(6), 3, 2, Pixels::Rgb), [vec![81; 6], vec![90; 2], vec![240; 2]]);
        assert_eq!(planes(vec![255, 0, 0], 1, 1, Pixels::Bgr), [vec![41], vec![240], vec![110]]);
        assert_eq!(planes([255, 255, 255].repeat(4), 2, 2, Pixels::Bgr), [vec![235; 4], vec![128], vec![128]]);
        // Chroma is the mean of red and blue.
        let [_, u, v] = planes(vec![255, 0, 0, 0, 0, 255], 2, 1, Pixels::Rgb);
        assert_eq!((u, v), (vec![165], vec![175]));
    }

    #[test]
    fn grey_is_full_range_without_colour() {
        let f = frame(&raw(vec![0, 255, 7], 2, 1, Pixels::Grey)).unwrap();
        assert_eq!(f.colour.range, Range::Full);
        assert_eq!(f.into_planes().map(|p| p.to_packed()), [vec![0, 255], vec![128], vec![128]]);
    }

    #[test]
    fn one_byte_too_few_is_refused() {
        for (pixels, need) in
            [(Pixels::Yuyv, 60), (Pixels::Nv12, 43), (Pixels::Grey, 25), (Pixels::Rgb, 75), (Pixels::Bgr, 75)]
        {
            assert!(frame(&raw(vec![0; need], 5, 5, pixels)).is_ok(), "{pixels}");
            let e = frame(&raw(vec![0; need - 1], 5, 5, pixels)).unwrap_err().to_string();
            assert!(e.contains("5x5") && e.contains(&need.to_string()), "{e}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_pass(bytes in prop::collection::vec(any::<u8>(), 0..300), w in 1_u32..12, h in 1_u32..12) {
            use Pixels::*;
            for pixels in [Yuyv, Nv12, Mjpeg, Grey, Rgb, Bgr] {
                let _ = frame(&raw(bytes.clone(), w, h, pixels));
            }
        }
    }
}
