//! A frame at its own size in R′G′B′, for looking at and for scores.

use super::{Frame, Plane, Rgba};

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
