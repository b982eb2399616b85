//! Between Y′CbCr and R′G′B′: all of the program's conversions but those that are a part of upscaling.
//!
//! To Y′CbCr it goes with the `yuv` crate, which is 17 times as fast as plain loops were and agrees with them within a
//! code. From Y′CbCr it goes by the matrix of [`Colour::to_rgb`](super::Colour::to_rgb): what that crate has for
//! this places chroma elsewhere, and by codes below black its colours are off by up to 19.

use yuv::{
    BufferStoreMut, YuvConversionMode, YuvPlanarImageMut, YuvRange, YuvStandardMatrix, bgr_to_yuv420, rgb_to_yuv420,
};

use super::{Colour, Frame, FrameError, Matrix, Plane, PlaneError, Range, Rgba, Siting, Size, Stamp};

/// In which order the three bytes of a pixel come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Rgb,
    #[cfg_attr(not(feature = "camera"), expect(dead_code, reason = "some cameras give it"))]
    Bgr,
}

impl Matrix {
    /// Luma of an R′G′B′ pixel, in full range.
    pub fn luma(self, rgb: [u8; 3]) -> u8 {
        let (kr, kb) = self.kr_kb();
        let [r, g, b] = rgb.map(f32::from);
        (kr * r + (1.0 - kr - kb) * g + kb * b).round() as u8
    }
}

impl Frame {
    /// R′G′B′ in 0..1, row after row, without padding.
    pub fn to_rgb(&self) -> Vec<[f32; 3]> {
        rgb(self)
    }

    /// The same as bytes.
    pub fn to_rgba(&self) -> Rgba {
        let byte = |v: f32| (v * 255.0 + 0.5) as u8;
        let data = self.to_rgb().into_iter().flat_map(|[r, g, b]| [byte(r), byte(g), byte(b), 255]).collect();
        Rgba { size: self.size(), data }
    }

    /// A BT.601 limited range frame of `width · height` pixels of three bytes, R′G′B′, rows without padding; an odd
    /// last row or column is left out, unless it is the only one.
    ///
    /// Luma is that of each pixel, chroma that of the mean of the four pixels that it lies between (BT.601-7 §2.5.1).
    ///
    /// # Errors
    ///
    /// When `rgb` is too short, or no picture can have this size.
    pub fn from_rgb8(rgb: &[u8], width: usize, height: usize, stamp: Stamp) -> Result<Self, FrameError> {
        let even = [width, height].map(|side| if side > 1 { side & !1 } else { side });
        // No memory is set aside for a picture that cannot be.
        Size::try_from_wide(even[0], even[1])?;
        let [y, u, v] = planes(rgb, 3 * width, even, ByteOrder::Rgb)?;
        Self::new(y, u, v, Colour { matrix: Matrix::Bt601, range: Range::Limited }, stamp)
    }
}

/// The planes Y, Cb, Cr (BT.601, limited range) of pixels of three bytes, rows `stride` bytes apart. Chroma is that
/// of the mean of up to four pixels: fewer at an odd end.
///
/// # Errors
///
/// When the bytes do not hold such a picture.
pub(crate) fn planes(
    bytes: &[u8],
    stride: usize,
    [width, height]: [usize; 2],
    order: ByteOrder,
) -> Result<[Plane; 3], PlaneError> {
    let wrong = || PlaneError { bytes: bytes.len(), width: width.saturating_mul(3), height, stride };
    let number = |n: usize| u32::try_from(n).map_err(|_| wrong());
    let (cw, ch) = (width.div_ceil(2), height.div_ceil(2));
    let [mut y, mut u, mut v] = [(width, height), (cw, ch), (cw, ch)].map(|(w, h)| Plane::filled(w, h, 0));
    let mut image = YuvPlanarImageMut {
        y_plane: BufferStoreMut::Borrowed(&mut y.data),
        y_stride: number(width)?,
        u_plane: BufferStoreMut::Borrowed(&mut u.data),
        u_stride: number(cw)?,
        v_plane: BufferStoreMut::Borrowed(&mut v.data),
        v_stride: number(cw)?,
        width: number(width)?,
        height: number(height)?,
    };
    let convert = match order {
        ByteOrder::Rgb => rgb_to_yuv420,
        ByteOrder::Bgr => bgr_to_yuv420,
    };
    // The most exact of its modes.
    let (range, matrix, mode) = (YuvRange::Limited, YuvStandardMatrix::Bt601, YuvConversionMode::Professional);
    convert(&mut image, bytes, number(stride)?, range, matrix, mode).map_err(|_| wrong())?;
    Ok([y, u, v])
}

/// R′G′B′ in 0..1, with chroma between its samples interpolated linearly.
fn rgb(frame: &Frame) -> Vec<[f32; 3]> {
    let m = frame.colour.to_rgb().map(|row| [row[0] / 255.0, row[1] / 255.0, row[2] / 255.0, row[3]]);
    let (width, height) = (frame.y().width(), frame.y().height());
    let mut out = Vec::with_capacity(width * height);
    let (mut u, mut v) = (vec![0.0; width], vec![0.0; width]);
    for (y, luma) in frame.y().rows().enumerate() {
        chroma_row(frame.u(), frame.siting, y, &mut u);
        chroma_row(frame.v(), frame.siting, y, &mut v);
        out.extend(luma.iter().zip(u.iter().zip(&v)).map(|(&y, (&u, &v))| {
            let y = f32::from(y);
            m.map(|k| (k[0] * y + k[1] * u + k[2] * v + k[3]).clamp(0.0, 1.0))
        }));
    }
    out
}

/// One luma row's worth of chroma: three parts of the nearest sample, one of the next, along each axis along which it
/// lies in the middle; where it lies at the left, the sample itself and then the mean of two.
fn chroma_row(plane: &Plane, siting: Siting, y: usize, out: &mut [f32]) {
    let beside = |i: usize, n: usize| {
        let near = i / 2;
        (near, if i.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(n - 1) })
    };
    let (near, next) = beside(y, plane.height());
    let (near, next) = (plane.row(near), plane.row(next));
    let at = |x: usize| 3.0 * f32::from(near[x]) + f32::from(next[x]);
    for (x, o) in out.iter_mut().enumerate() {
        *o = match siting {
            Siting::Centre => {
                let (i, j) = beside(x, plane.width());
                (3.0 * at(i) + at(j)) / 16.0
            }
            Siting::Left => (at(x / 2) + at(x.div_ceil(2).min(plane.width() - 1))) / 8.0,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rgb_and_back() {
        // Red, by hand: Y = 16 + 219 · 0.299 = 81, Cb = 128 − 224 · 0.299 / 1.772 = 90, Cr = 128 + 224 · 0.5 = 240.
        let red = Frame::from_rgb8(&[255, 0, 0].repeat(5 * 3), 5, 3, Stamp::now(0)).unwrap();
        assert_eq!(red.size(), Size::new(4, 2).unwrap(), "odd ends are left out");
        assert_eq!([red.y().row(1)[3], red.u().row(0)[1], red.v().row(0)[1]], [81, 90, 240]);
        let back = red.to_rgba().data[..3].to_vec();
        assert!(back[0] >= 253 && back[1] <= 2 && back[2] <= 2, "{back:?}");
        assert!(Frame::from_rgb8(&[], 1, 9, Stamp::now(0)).is_err());
        assert!(Frame::from_rgb8(&[0; 5 * 3 * 3 - 1], 5, 3, Stamp::now(0)).is_ok(), "what is left out may be missing");
        assert!(Frame::from_rgb8(&[0; 5 * 3 * 2 - 4], 5, 2, Stamp::now(0)).is_err());
    }

    /// BT.601-7 §2.5.1 in plain numbers, C′b = (B′ − Y′) / 1.772 and C′r = (R′ − Y′) / 1.402 of the mean of up to four.
    #[test]
    fn any_colours_of_any_size_are_within_a_code_of_the_formula() {
        let mut state = 1_u32;
        let mut byte = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        for (w, h) in [(1, 1), (2, 1), (1, 2), (3, 3), (31, 5), (64, 4), (97, 7), (130, 2)] {
            let (stride, order) = (3 * w + 5, if w % 2 == 0 { ByteOrder::Rgb } else { ByteOrder::Bgr });
            let bytes: Vec<u8> = (0..stride * h).map(|_| byte()).collect();
            let [y, u, v] = planes(&bytes, stride, [w, h], order).unwrap();
            let rgb = |i: usize, j: usize| {
                let [a, b, c] = [0, 1, 2].map(|k| f64::from(bytes[j * stride + 3 * i + k]) / 255.0);
                if order == ByteOrder::Rgb { [a, b, c] } else { [c, b, a] }
            };
            let luma = |[r, g, b]: [f64; 3]| 0.299 * r + 0.587 * g + 0.114 * b;
            let near = |is: u8, want: f64| (f64::from(is) - want).abs() < 1.01;
            for (i, j) in (0..w * h).map(|n| (n % w, n / w)) {
                assert!(near(y.row(j)[i], 16.0 + 219.0 * luma(rgb(i, j))), "{w}x{h} at {i},{j}");
            }
            for (i, j) in (0..u.width() * u.height()).map(|n| (n % u.width(), n / u.width())) {
                let (columns, rows) = (2 * i..(2 * i + 2).min(w), 2 * j..(2 * j + 2).min(h));
                let four: Vec<_> = rows.flat_map(|y| columns.clone().map(move |x| (x, y))).collect();
                let mean = [0, 1, 2].map(|k| four.iter().map(|p| rgb(p.0, p.1)[k]).sum::<f64>() / four.len() as f64);
                assert!(near(u.row(j)[i], 128.0 + 224.0 * (mean[2] - luma(mean)) / 1.772), "{w}x{h} at {i},{j}");
                assert!(near(v.row(j)[i], 128.0 + 224.0 * (mean[0] - luma(mean)) / 1.402), "{w}x{h} at {i},{j}");
            }
        }
    }

    #[test]
    fn luma_of_known_colours() {
        let luma = |rgb| [Matrix::Bt601, Matrix::Bt709].map(|m| m.luma(rgb));
        assert_eq!([[0; 3], [255; 3], [255, 0, 0]].map(luma), [[0; 2], [255; 2], [76, 54]]);
        assert_eq!([[0, 255, 0], [0, 0, 255]].map(luma), [[150, 182], [29, 18]]);
    }

    #[test]
    fn known_colours_become_rgb() {
        let rgb = |colour, yuv| Frame::filled(Size::new(3, 3).unwrap(), yuv, colour, Stamp::now(0)).to_rgb()[4];
        let near = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 0.006);
        let limited = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        assert!(near(rgb(limited, [81, 90, 240]), [1.0, 0.0, 0.0]));
        let full = Colour { matrix: Matrix::Bt709, range: Range::Full };
        assert!(near(rgb(full, [18, 255, 116]), [0.0, 0.0, 1.0]));
        assert_eq!(rgb(limited, [255, 128, 128]), [1.0; 3], "above white is cut");
    }

    #[test]
    fn chroma_is_interpolated_about_the_middle_of_four_pixels() {
        let mut row = [0.0; 5];
        let plane = Plane::from_vec(vec![0, 160, 80], 3, 1, 3).unwrap();
        chroma_row(&plane, Siting::Centre, 0, &mut row);
        assert_eq!(row, [0.0, 40.0, 120.0, 140.0, 100.0]);
        chroma_row(&plane, Siting::Left, 0, &mut row);
        assert_eq!(row, [0.0, 80.0, 160.0, 120.0, 80.0]);
        let mut column = [0.0; 1];
        let plane = Plane::from_vec(vec![0, 160], 1, 2, 1).unwrap();
        for (y, want) in [(0, 0.0), (1, 40.0), (2, 120.0), (3, 160.0)] {
            chroma_row(&plane, Siting::Centre, y, &mut column);
            assert_eq!(column, [want]);
        }
    }

    #[test]
    fn bytes_are_rounded_and_opaque() {
        let grey = Colour { range: Range::Full, ..Colour::default() };
        let frame = Frame::filled(Size::new(2, 1).unwrap(), [77, 128, 128], grey, Stamp::now(0));
        assert_eq!(frame.to_rgba().data, [77, 77, 77, 255, 77, 77, 77, 255]);
    }
}
