//! Where the samples of Cb and Cr lie among those of luma.

use super::{Frame, Plane};

/// Where a sample of Cb or Cr lies along the row, among the four luma samples that it belongs to. Down the column it
/// lies in the middle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Siting {
    /// In the middle, as JPEG and the program itself have it.
    #[default]
    Centre,
    /// With the left two, as MPEG-2 has it, and H.264 where it does not say.
    Left,
}

/// Keys' cubic a quarter of a sample right of the second of four, in 1024ths: as in the upscaler's baseline.
const QUARTER: [i32; 4] = [-72, 888, 232, -24];

impl Frame {
    /// The picture with its chroma in the middle, where the upscalers and the encoder take it to be.
    #[must_use]
    pub fn centred(self) -> Self {
        match self.siting {
            Siting::Centre => self,
            Siting::Left => {
                let (u, v) = (from_left(&self.u), from_left(&self.v));
                Self { u, v, siting: Siting::Centre, ..self }
            }
        }
    }
}

/// Samples that lie at the left brought to the middle: half a luma sample, a quarter of one of chroma, to the right.
pub(crate) fn from_left(plane: &Plane) -> Plane {
    let mut out = Plane::filled(plane.width, plane.height, 0);
    let last = plane.width - 1;
    for y in 0..plane.height {
        let row = plane.row(y);
        for (x, out) in out.row_mut(y).iter_mut().enumerate() {
            let four = [row[x.saturating_sub(1)], row[x], row[(x + 1).min(last)], row[(x + 2).min(last)]];
            let sum: i32 = four.iter().zip(QUARTER).map(|(&v, weight)| i32::from(v) * weight).sum();
            *out = ((sum + 512) >> 10).clamp(0, 255) as u8;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Size, Stamp};

    #[test]
    fn a_slope_stays_where_it_was() {
        // Cb rises by 8 for each luma column. Samples at the left say so of columns 0, 2, 4, those in the middle of ½, 2½.
        let size = Size::new(24, 4).unwrap();
        let mut frame = Frame::filled(size, [90, 100, 100], Colour::default(), Stamp::now(0));
        (0..2).for_each(|y| frame.u.row_mut(y).iter_mut().enumerate().for_each(|(x, v)| *v = 20 + 16 * x as u8));
        frame.siting = Siting::Left;
        let left = frame.to_rgb();
        let centred = frame.clone().centred();
        assert_eq!(centred.siting, Siting::Centre);
        assert!(centred.u.row(0)[2..9].iter().enumerate().all(|(x, &v)| v == 24 + 16 * (x as u8 + 2)));
        assert_eq!((centred.v.to_packed(), centred.y.to_packed()), (frame.v.to_packed(), frame.y.to_packed()));
        // Both look alike, and not like what the left samples would be in the middle.
        let middle = centred.to_rgb();
        let blue = |pixels: &[[f32; 3]]| pixels[34..44].iter().map(|p| p[2]).collect::<Vec<_>>();
        assert!(blue(&left).iter().zip(blue(&middle)).all(|(a, b)| (a - b).abs() < 0.003));
        let wrong = Frame { siting: Siting::Centre, ..frame }.to_rgb();
        assert!(blue(&left).iter().zip(blue(&wrong)).all(|(a, b)| a - b > 0.02));
    }

    #[test]
    fn planes_of_any_width_are_taken() {
        for width in 1..5 {
            let plane = Plane::filled(width, 2, 200);
            assert_eq!(from_left(&plane), plane);
        }
    }
}
