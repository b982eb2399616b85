//! A frame at its own size from and in R′G′B′, for pictures that come as such, for looking at and for scores.

use super::{Colour, Frame, FrameError, Plane, Rgba, Stamp};

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

    /// A BT.601 limited range frame of `width · height` pixels of three bytes, rows without padding; an odd last
    /// row or column is left out. What is missing in `rgb` stays black.
    ///
    /// Luma is rounded for each pixel, chroma is that of the mean of the four pixels that it lies between
    /// (BT.601-7 §2.5.1: C′b = (B′ − Y′) / 1.772, C′r = (R′ − Y′) / 1.402, in 224 steps about 128).
    ///
    /// # Errors
    /// When a side is below 2 or above [`MAX_SIDE`](super::MAX_SIDE).
    pub fn from_rgb8(rgb: &[u8], width: usize, height: usize, stamp: Stamp) -> Result<Self, FrameError> {
        let stride = 3 * width;
        let (width, height) = (width & !1, height & !1);
        let chroma = || Plane::filled(width / 2, height / 2, 128);
        let mut frame = Self::new(Plane::filled(width, height, 16), chroma(), chroma(), Colour::default(), stamp)?;
        let [luma, cb, cr] = frame.planes_mut();
        for (cy, rows) in rgb.chunks_exact(2 * stride).take(height / 2).enumerate() {
            for cx in 0..width / 2 {
                let mut mean = [0.0_f32; 3];
                for (dy, row) in rows.chunks_exact(stride).enumerate() {
                    for dx in 0..2 {
                        let x = 2 * cx + dx;
                        let rgb: [f32; 3] = std::array::from_fn(|c| f32::from(row[3 * x + c]));
                        luma.row_mut(2 * cy + dy)[x] = (16.0 + 219.0 / 255.0 * grey(rgb)).round() as u8;
                        for (mean, v) in mean.iter_mut().zip(rgb) {
                            *mean += 0.25 * v;
                        }
                    }
                }
                let y = grey(mean);
                let code = |v: f32| (128.0 + 224.0 / 255.0 * v).round().clamp(16.0, 240.0) as u8;
                cb.row_mut(cy)[cx] = code((mean[2] - y) / 1.772);
                cr.row_mut(cy)[cx] = code((mean[0] - y) / 1.402);
            }
        }
        Ok(frame)
    }
}

/// Luma of R′G′B′ by BT.601.
fn grey([r, g, b]: [f32; 3]) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// R′G′B′ in 0..1, with chroma between its samples interpolated linearly (they lie in the middle of four pixels).
fn rgb(frame: &Frame) -> Vec<[f32; 3]> {
    let m = frame.colour.to_rgb().map(|row| [row[0] / 255.0, row[1] / 255.0, row[2] / 255.0, row[3]]);
    let (width, height) = (frame.y().width(), frame.y().height());
    let mut out = Vec::with_capacity(width * height);
    let (mut u, mut v) = (vec![0.0; width], vec![0.0; width]);
    for (y, luma) in frame.y().rows().enumerate() {
        chroma_row(frame.u(), y, &mut u);
        chroma_row(frame.v(), y, &mut v);
        out.extend(luma.iter().zip(u.iter().zip(&v)).map(|(&y, (&u, &v))| {
            let y = f32::from(y);
            m.map(|k| (k[0] * y + k[1] * u + k[2] * v + k[3]).clamp(0.0, 1.0))
        }));
    }
    out
}

/// One luma row's worth of chroma: three parts of the nearest sample, one of the next, along each axis.
fn chroma_row(plane: &Plane, y: usize, out: &mut [f32]) {
    let beside = |i: usize, n: usize| {
        let near = i / 2;
        (near, if i.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(n - 1) })
    };
    let (near, next) = beside(y, plane.height());
    let (near, next) = (plane.row(near), plane.row(next));
    let at = |x: usize| 3.0 * f32::from(near[x]) + f32::from(next[x]);
    for (x, o) in out.iter_mut().enumerate() {
        let (i, j) = beside(x, plane.width());
        *o = (3.0 * at(i) + at(j)) / 16.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, Range, Size, Stamp};

    #[test]
    fn rgb_and_back() {
        // Red, by hand: Y = 16 + 219 · 0.299 = 81, Cb = 128 − 224 · 0.299 / 1.772 = 90, Cr = 128 + 224 · 0.5 = 240.
        let red = Frame::from_rgb8(&[255, 0, 0].repeat(5 * 3), 5, 3, Stamp::now(0)).unwrap();
        assert_eq!(red.size(), Size::new(4, 2).unwrap(), "odd ends are left out");
        assert_eq!([red.y().row(1)[3], red.u().row(0)[1], red.v().row(0)[1]], [81, 90, 240]);
        let back = red.to_rgba().data[..3].to_vec();
        assert!(back[0] >= 253 && back[1] <= 2 && back[2] <= 2, "{back:?}");
        assert!(Frame::from_rgb8(&[], 1, 9, Stamp::now(0)).is_err());
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
        chroma_row(&Plane::from_vec(vec![0, 160, 80], 3, 1, 3).unwrap(), 0, &mut row);
        assert_eq!(row, [0.0, 40.0, 120.0, 140.0, 100.0]);
        let mut column = [0.0; 1];
        let plane = Plane::from_vec(vec![0, 160], 1, 2, 1).unwrap();
        for (y, want) in [(0, 0.0), (1, 40.0), (2, 120.0), (3, 160.0)] {
            chroma_row(&plane, y, &mut column);
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
