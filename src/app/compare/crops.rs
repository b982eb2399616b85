//! Where the two crops of a blind test lie: pure geometry, in points.
//!
//! Both show the same part of the picture, beside each other so that the eye finds from one to the other at once, and
//! a pixel of the picture is a whole number of screen pixels: one, or two and more on a screen so dense that two are as
//! large as one usually is.

use egui::{Rect, Vec2, pos2, vec2};

use crate::{
    app::compare::panes::{Layout, panes},
    spotlight::Place,
};

/// The longest side of a crop, in pixels of the picture: what can be taken in at a glance.
const SIDE: f32 = 360.0;
/// And no more than this share of the picture, so that there are places to choose from.
const SHARE: f32 = 0.5;

/// What the crops are drawn on.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Screen {
    /// The place for all of it.
    pub area: Rect,
    /// Height of the line above a crop.
    pub label: f32,
    /// Between the crops.
    pub gap: f32,
    /// Screen pixels in a point.
    pub pixels_per_point: f32,
    /// The same before the person made everything larger or smaller: how dense the screen is.
    pub density: f32,
}

/// A crop and the line above it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Crop {
    /// The line.
    pub label: Rect,
    /// Where it is drawn.
    pub rect: Rect,
    /// The part of the picture that is drawn there, in shares.
    pub uv: Rect,
}

impl Screen {
    /// Screen pixels for a pixel of the picture.
    pub fn factor(&self) -> f32 {
        self.density.floor().max(1.0)
    }

    /// The left and the right crop of a picture of so many pixels around `place`, as far as its edges allow. Both show
    /// whole pixels only.
    pub fn crops(&self, picture: Vec2, place: Place) -> [Crop; 2] {
        // Points for a pixel of the picture.
        let pixel = self.factor() / self.pixels_per_point;
        let most = (picture * SHARE).floor().min(Vec2::splat(SIDE)).max(Vec2::splat(1.0));
        let wanted = most * pixel + vec2(0.0, self.label);
        let all = vec2(2.0 * wanted.x + self.gap, wanted.y).min(self.area.size());
        let panes = panes(Layout::SideBySide, Rect::from_center_size(self.area.center(), all), self.label, self.gap);
        let room = panes[0].room.size();
        let seen = (room / pixel + Vec2::splat(1e-2)).floor().min(most).max(Vec2::splat(1.0));
        let corner = (vec2(place.x, place.y) * picture - seen / 2.0).round().max(Vec2::ZERO).min(picture - seen);
        let uv = Rect::from_min_size((corner / picture).to_pos2(), seen / picture);
        let on_pixel = |v: f32| (v * self.pixels_per_point).round() / self.pixels_per_point;
        [0, 1].map(|i| {
            let pane = panes[i];
            let min = pane.room.min + (pane.room.size() - seen * pixel).max(Vec2::ZERO) * pane.align;
            let rect = Rect::from_min_size(pos2(on_pixel(min.x), on_pixel(min.y)), seen * pixel);
            Crop { label: pane.label, rect, uv }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn screen(width: f32, height: f32, zoom: f32, density: f32) -> Screen {
        let area = Rect::from_min_size(pos2(8.0, 56.0), vec2(width, height));
        Screen { area, label: 30.0, gap: 8.0, pixels_per_point: zoom * density, density }
    }

    #[test]
    fn a_pixel_is_a_whole_number_of_screen_pixels_by_the_screens_density() {
        let middle = Place { x: 0.5, y: 0.5 };
        for (density, factor) in [(0.75, 1.0), (1.0, 1.0), (1.5, 1.0), (2.0, 2.0), (3.25, 3.0)] {
            // Text that is twice as large makes no larger crops.
            for zoom in [1.0, 2.0] {
                let [left, _] = screen(2000.0, 1500.0, zoom, density).crops(vec2(960.0, 720.0), middle);
                let seen = left.uv.size() * vec2(960.0, 720.0);
                let shown = left.rect.size() * zoom * density;
                assert!((shown / seen - Vec2::splat(factor)).abs().max_elem() < 1e-3, "{shown:?} for {seen:?}");
                assert!((seen - vec2(360.0, 360.0)).abs().max_elem() < 1e-3, "{seen:?} at {zoom}, {density}");
            }
        }
        let [left, _] = screen(1000.0, 700.0, 1.0, 1.0).crops(vec2(320.0, 240.0), Place { x: 0.0, y: 1.0 });
        assert_eq!(left.uv, Rect::from_min_max(pos2(0.0, 0.5), pos2(0.5, 1.0)), "half of a small picture");
    }

    proptest! {
        #[test]
        fn both_crops_show_the_same_whole_pixels_and_lie_in_the_area(
            (width, height) in (120.0..4000.0_f32, 90.0..2200.0_f32),
            (pw, ph) in (2..2000_u16, 2..2000_u16),
            (zoom, density) in (0.5..3.0_f32, 0.75..4.0_f32),
            (x, y) in (-0.2..1.2_f32, -0.2..1.2_f32),
        ) {
            let screen = screen(width, height, zoom, density);
            let picture = vec2(pw.into(), ph.into());
            let [left, right] = screen.crops(picture, Place { x, y });
            prop_assert_eq!(left.uv, right.uv);
            let off = left.rect.size() - right.rect.size();
            prop_assert!(off.abs().max_elem() < 1e-2 && (left.rect.top() - right.rect.top()).abs() < 1e-3);
            for edge in [left.uv.min, left.uv.max] {
                let at = edge.to_vec2() * picture;
                prop_assert!((at - at.round()).abs().max_elem() < 0.01, "{:?}", at);
                prop_assert!(at.min_elem() > -0.01 && (picture - at).min_elem() > -0.01, "{:?}", at);
            }
            let pixel = 1.02 / screen.pixels_per_point;
            for crop in [left, right] {
                let corner = crop.rect.min.to_vec2() * screen.pixels_per_point;
                prop_assert!((corner - corner.round()).abs().max_elem() < 0.02, "{:?}", corner);
                prop_assert!(screen.area.expand(pixel).contains_rect(crop.rect), "{:?}", crop.rect);
            }
            prop_assert!(left.rect.right() <= right.rect.left() + pixel);
        }
    }
}
