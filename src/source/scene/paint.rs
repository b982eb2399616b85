//! Drawing into a picture in memory: what the scene's layers are made of before they move.

use super::SceneError;
use ab_glyph::{Font, FontRef, ScaleFont};

/// A colour in R′G′B′, 0 to 255.
pub(super) type Colour = [f32; 3];

/// An R′G′B′ picture of `density` pixels per unit, drawn in units from its top left corner at `left`, `top`.
pub(super) struct Canvas {
    pub(super) data: Vec<[u8; 3]>,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) density: f32,
    pub(super) left: f32,
    pub(super) top: f32,
}

impl Canvas {
    /// Of one colour. The sides in pixels are even, so that chroma is half of them.
    pub(super) fn new(left: f32, top: f32, width: f32, height: f32, density: f32, colour: Colour) -> Self {
        let even = |units: f32| (((units * density / 2.0).ceil() as usize) * 2).max(4);
        let (w, h) = (even(width), even(height));
        Self { data: vec![colour.map(|c| c as u8); w * h], width: w, height: h, density, left, top }
    }

    /// Sets each pixel from its place in units, as the mean of enough points that nothing finer than a pixel aliases.
    pub(super) fn fill_with(&mut self, finest: f32, colour: impl Fn(f32, f32) -> Colour) {
        let points = (2.0 / (self.density * finest)).ceil().clamp(1.0, 12.0) as usize;
        let step = 1.0 / (points as f32 * self.density);
        for (y, row) in self.data.chunks_mut(self.width).enumerate() {
            let y = self.top + y as f32 / self.density;
            for (x, pixel) in row.iter_mut().enumerate() {
                let x = self.left + x as f32 / self.density;
                let mut sum = [0.0; 3];
                for i in 0..points * points {
                    let at = |k: usize| (k as f32 + 0.5) * step;
                    let c = colour(x + at(i % points), y + at(i / points));
                    sum.iter_mut().zip(c).for_each(|(s, c)| *s += c);
                }
                *pixel = sum.map(|s| (s / (points * points) as f32 + 0.5) as u8);
            }
        }
    }

    /// Mixes `colour` into a pixel by `cover` between 0 and 1.
    fn blend(&mut self, x: usize, y: usize, colour: Colour, cover: f32) {
        if x < self.width && y < self.height {
            let pixel = &mut self.data[y * self.width + x];
            for (p, c) in pixel.iter_mut().zip(colour) {
                *p = (f32::from(*p) + (c - f32::from(*p)) * cover + 0.5) as u8;
            }
        }
    }

    /// A filled rectangle with sharp, antialiased edges.
    pub(super) fn rect(&mut self, x: f32, y: f32, width: f32, height: f32, colour: Colour) {
        let d = self.density;
        let (x0, y0) = ((x - self.left) * d, (y - self.top) * d);
        let (x1, y1) = (x0 + width * d, y0 + height * d);
        let cover = |p: usize, from: f32, to: f32| ((p as f32 + 1.0).min(to) - (p as f32).max(from)).clamp(0.0, 1.0);
        for py in y0.max(0.0) as usize..(y1.max(0.0).ceil() as usize).min(self.height) {
            for px in x0.max(0.0) as usize..(x1.max(0.0).ceil() as usize).min(self.width) {
                self.blend(px, py, colour, cover(px, x0, x1) * cover(py, y0, y1));
            }
        }
    }

    /// A straight line with round ends. One thinner than a pixel is a pixel wide and paler.
    pub(super) fn line(&mut self, from: (f32, f32), to: (f32, f32), width: f32, colour: Colour) {
        let d = self.density;
        let place = |(x, y): (f32, f32)| ((x - self.left) * d, (y - self.top) * d);
        let (a, b) = (place(from), place(to));
        let (strength, radius) = ((width * d).min(1.0), (width * d).max(1.0) / 2.0);
        let (dx, dy) = (b.0 - a.0, b.1 - a.1);
        let length = (dx * dx + dy * dy).max(1e-6);
        let reach = radius + 1.0;
        let span = |p: f32, q: f32, n: usize| {
            ((p.min(q) - reach).max(0.0) as usize)..((p.max(q) + reach).max(0.0).ceil() as usize).min(n)
        };
        for py in span(a.1, b.1, self.height) {
            for px in span(a.0, b.0, self.width) {
                let (x, y) = (px as f32 + 0.5 - a.0, py as f32 + 0.5 - a.1);
                let along = ((x * dx + y * dy) / length).clamp(0.0, 1.0);
                let distance = (x - along * dx).hypot(y - along * dy);
                let cover = (radius + 0.5 - distance).clamp(0.0, 1.0);
                if cover > 0.0 {
                    self.blend(px, py, colour, cover * strength);
                }
            }
        }
    }

    /// One line of text on the base line `y`; gives the place where it ends.
    pub(super) fn text(&mut self, face: &Face, size: f32, x: f32, y: f32, text: &str, colour: Colour) -> f32 {
        let d = self.density;
        let font = face.0.as_scaled(size * d);
        let (mut pen, base) = ((x - self.left) * d, (y - self.top) * d);
        for c in text.chars() {
            let id = font.glyph_id(c);
            let glyph = id.with_scale_and_position(size * d, ab_glyph::point(pen, base));
            if let Some(outline) = face.0.outline_glyph(glyph) {
                let bounds = outline.px_bounds();
                outline.draw(|gx, gy, cover| {
                    let (px, py) = (bounds.min.x + gx as f32, bounds.min.y + gy as f32);
                    if px >= 0.0 && py >= 0.0 {
                        self.blend(px as usize, py as usize, colour, cover.clamp(0.0, 1.0));
                    }
                });
            }
            pen += font.h_advance(id);
        }
        self.left + pen / d
    }
}

/// The face that the scene writes with.
pub(super) struct Face(FontRef<'static>);

impl Face {
    pub(super) fn new() -> Result<Self, SceneError> {
        let font = FontRef::try_from_slice(include_bytes!("../../../assets/DejaVuSans-ascii.ttf"));
        font.map(Self).map_err(|e| SceneError::Asset(format!("the font: {e}")))
    }

    /// How wide a line of text is, in units.
    pub(super) fn width(&self, size: f32, text: &str) -> f32 {
        let font = self.0.as_scaled(size);
        text.chars().map(|c| font.h_advance(font.glyph_id(c))).sum()
    }
}
