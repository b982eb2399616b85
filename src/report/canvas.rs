//! A picture to put other pictures and short texts on.

use ab_glyph::{Font, FontRef, ScaleFont};

use super::ReportError;
use crate::frame::{Rgba, Size};

/// The height of a line of text, in pixels.
pub(crate) const LINE: usize = 20;
const TEXT_SIZE: f32 = 15.0;
const TEXT: [u8; 3] = [225, 225, 228];
const GROUND: [u8; 3] = [30, 31, 34];

/// An RGBA picture, dark at first.
pub(crate) struct Canvas {
    font: FontRef<'static>,
    picture: Rgba,
}

impl Canvas {
    pub(crate) fn new(size: Size) -> Result<Self, ReportError> {
        let font = FontRef::try_from_slice(include_bytes!("../../assets/DejaVuSans-ascii.ttf"))
            .map_err(|e| ReportError::Font(e.to_string()))?;
        let data = [GROUND[0], GROUND[1], GROUND[2], 255].repeat(size.pixels());
        Ok(Self { font, picture: Rgba { size, data } })
    }

    pub(crate) fn into_picture(self) -> Rgba {
        self.picture
    }

    /// Puts a picture with its upper left corner at (x, y), each pixel `times` as wide and high; what does not fit
    /// is cut off.
    pub(crate) fn put(&mut self, x: usize, y: usize, picture: &Rgba, times: usize) {
        let (width, height) = self.sides();
        let (w, h) = (picture.size.width() as usize, picture.size.height() as usize);
        for py in 0..(h * times).min(height.saturating_sub(y)) {
            let row = &picture.data[py / times * w * 4..][..w * 4];
            for px in 0..(w * times).min(width.saturating_sub(x)) {
                let to = ((y + py) * width + x + px) * 4;
                self.picture.data[to..to + 4].copy_from_slice(&row[px / times * 4..][..4]);
            }
        }
    }

    /// Fills a square with its upper left corner at (x, y) with the dark that points are drawn on; what does not fit is
    /// cut off.
    #[cfg(feature = "train")]
    pub(crate) fn tile(&mut self, [x, y]: [usize; 2], side: usize) {
        const TILE: [u8; 3] = [16, 17, 19];
        let (width, height) = self.sides();
        for py in y..(y + side).min(height) {
            for px in x..(x + side).min(width) {
                self.blend(px, py, TILE, 1.0);
            }
        }
    }

    /// Puts a disk with its centre at (x, y), in pixels, smooth at its edge; what does not fit is cut off.
    #[cfg(feature = "train")]
    pub(crate) fn dot(&mut self, [x, y]: [f32; 2], radius: f32, colour: [u8; 3]) {
        let (width, height) = self.sides();
        let reach = |at: f32, end: usize| {
            ((at - radius - 1.0).max(0.0) as usize, ((at + radius + 2.0).max(0.0) as usize).min(end))
        };
        let ((left, right), (top, bottom)) = (reach(x, width), reach(y, height));
        for py in top..bottom {
            for px in left..right {
                let away = (px as f32 + 0.5 - x).hypot(py as f32 + 0.5 - y);
                self.blend(px, py, colour, radius + 0.5 - away);
            }
        }
    }

    /// Mixes a colour into a pixel that is there.
    fn blend(&mut self, x: usize, y: usize, colour: [u8; 3], cover: f32) {
        let at = (y * self.picture.size.width() as usize + x) * 4;
        for (to, ink) in self.picture.data[at..at + 3].iter_mut().zip(colour) {
            let old = f32::from(*to);
            *to = (old + (f32::from(ink) - old) * cover.clamp(0.0, 1.0)).round() as u8;
        }
    }

    /// Writes a line whose upper left corner is (x, y), cut off `room` pixels further right.
    pub(crate) fn text(&mut self, x: usize, y: usize, room: usize, text: &str) {
        let (width, height) = self.sides();
        let right = (x + room).min(width);
        let font = self.font.clone();
        let scaled = font.as_scaled(TEXT_SIZE);
        let (mut pen, base) = (x as f32, y as f32 + (LINE as f32 + scaled.ascent() + scaled.descent()) / 2.0);
        for c in text.chars() {
            let id = scaled.glyph_id(c);
            let glyph = id.with_scale_and_position(TEXT_SIZE, ab_glyph::point(pen, base));
            if let Some(outline) = font.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                outline.draw(|gx, gy, cover| {
                    let (px, py) = (bounds.min.x + gx as f32, bounds.min.y + gy as f32);
                    if px >= 0.0 && py >= 0.0 && (px as usize) < right && (py as usize) < height {
                        self.blend(px as usize, py as usize, TEXT, cover);
                    }
                });
            }
            pen += scaled.h_advance(id);
        }
    }

    fn sides(&self) -> (usize, usize) {
        (self.picture.size.width() as usize, self.picture.size.height() as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(w: u32, h: u32) -> Size {
        Size::new(w, h).unwrap()
    }

    #[test]
    fn pictures_are_enlarged_and_cut_at_the_edge() {
        let mut canvas = Canvas::new(size(5, 4)).unwrap();
        let two = Rgba { size: size(2, 1), data: vec![9, 9, 9, 255, 200, 200, 200, 255] };
        canvas.put(1, 2, &two, 3);
        let picture = canvas.into_picture();
        let reds: Vec<u8> = picture.data.iter().step_by(4).copied().collect();
        assert_eq!(reds[10..], [30, 9, 9, 9, 200, 30, 9, 9, 9, 200]);
        assert!(reds[..10].iter().all(|&v| v == 30));
    }

    #[cfg(feature = "train")]
    #[test]
    fn a_dot_is_round_and_may_hang_over_the_edge() {
        let mut canvas = Canvas::new(size(20, 10)).unwrap();
        canvas.dot([10.0, 5.0], 3.0, [255, 0, 0]);
        canvas.dot([0.0, 0.0], 2.0, [0, 255, 0]);
        canvas.dot([f32::NAN, 5.0], 2.0, [0, 0, 255]);
        canvas.dot([-50.0, 900.0], 2.0, [0, 0, 255]);
        let picture = canvas.into_picture();
        let of = |x: usize, y: usize| &picture.data[(y * 20 + x) * 4..][..3];
        assert_eq!((of(10, 5), of(7, 2), of(15, 5)), (&[255, 0, 0][..], &GROUND[..], &GROUND[..]));
        assert_eq!(of(0, 0), [0, 255, 0]);
        assert!(picture.data.chunks(4).all(|p| p[2] <= GROUND[2]), "what lies outside leaves nothing");
    }

    #[test]
    fn text_stays_in_its_room() {
        let mut canvas = Canvas::new(size(200, 40)).unwrap();
        canvas.text(10, 10, 40, "truth and more than fits");
        let picture = canvas.into_picture();
        let inked = |i: usize| picture.data[4 * i] > 100;
        let columns: Vec<usize> = (0..200 * 40).filter(|&i| inked(i)).map(|i| i % 200).collect();
        let rows: Vec<usize> = (0..200 * 40).filter(|&i| inked(i)).map(|i| i / 200).collect();
        assert!(columns.len() > 30, "there are letters");
        assert!(columns.iter().all(|x| (9..50).contains(x)));
        assert!(rows.iter().all(|y| (10..10 + LINE).contains(y)));
    }
}
