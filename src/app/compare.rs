//! Where the two pictures lie: pure geometry, in points.
//!
//! Both sides always have the same size and show the same part of the picture.

use egui::{Pos2, Rect, Vec2, pos2, vec2};

/// How large a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Zoom {
    /// As large as fits.
    #[default]
    Fit,
    /// A picture's pixel is a screen's pixel; what does not fit is cut off and can be dragged into view.
    Actual,
}

/// Where one side lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Place {
    /// The line of text above the picture.
    pub label: Rect,
    /// The picture.
    pub picture: Rect,
}

/// Two equal places beside each other, and the part of the picture that both of them show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SideBySide {
    /// Left, then right.
    pub places: [Place; 2],
    /// In shares of the picture: (0, 0) is its top left corner, (1, 1) its bottom right one.
    pub uv: Rect,
    /// The whole picture's size in points at this zoom.
    pub whole: Vec2,
}

/// What the places are made from.
#[derive(Debug, Clone, Copy)]
pub struct Space {
    /// The place for both, labels included.
    pub area: Rect,
    /// The picture's size in its own pixels.
    pub picture: Vec2,
    /// Height of the labels.
    pub label: f32,
    /// Between the two.
    pub gap: f32,
    /// Screen pixels in a point.
    pub pixels_per_point: f32,
}

impl Space {
    /// Lays both sides out about the middle of the area. `centre` is the point of the picture (0 to 1)
    /// that is wanted in the middle.
    pub fn side_by_side(&self, zoom: Zoom, centre: Vec2) -> SideBySide {
        let Self { area, picture, label, gap, pixels_per_point } = *self;
        let picture = picture.max(Vec2::splat(1.0));
        let cell = vec2((area.width() - gap) / 2.0, area.height() - label).max(Vec2::splat(1.0));
        let whole = match zoom {
            Zoom::Fit => picture * (cell.x / picture.x).min(cell.y / picture.y),
            Zoom::Actual => picture / pixels_per_point,
        };
        let seen = whole.min(cell);
        let half = seen / whole / 2.0;
        let centre = pos2(centre.x.clamp(half.x, 1.0 - half.x), centre.y.clamp(half.y, 1.0 - half.y));
        let uv = Rect::from_min_max(centre - half, centre + half);

        let snap = |v: f32| (v * pixels_per_point).round() / pixels_per_point;
        let top = snap(area.top() + (area.height() - label - seen.y) / 2.0);
        let place = |left: f32| {
            let min = pos2(snap(left), top);
            Place {
                label: Rect::from_min_size(min, vec2(seen.x, label)),
                picture: Rect::from_min_size(min + vec2(0.0, label), seen),
            }
        };
        let middle = area.center().x;
        SideBySide { places: [place(middle - gap / 2.0 - seen.x), place(middle + gap / 2.0)], uv, whole }
    }
}

impl SideBySide {
    /// The wanted centre after both pictures were dragged by `delta` points.
    pub fn dragged(&self, delta: Vec2) -> Vec2 {
        (self.uv.center() - delta / self.whole).to_vec2()
    }

    /// The point of the picture (0 to 1) under a point of the screen, if one of the sides is there.
    pub fn under(&self, at: Pos2) -> Option<Pos2> {
        let place = self.places.iter().find(|p| p.picture.contains(at))?;
        let share = (at - place.picture.min) / place.picture.size();
        Some(self.uv.min + share * self.uv.size())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    prop_compose! {
        fn space()(w in 300.0..4000.0_f32, h in 120.0..2200.0_f32, pw in 1..4000_u16, ph in 1..4000_u16,
            scale in 0.75..3.0_f32) -> Space
        {
            Space {
                area: Rect::from_min_size(pos2(7.0, 50.0), vec2(w, h)),
                picture: vec2(pw.into(), ph.into()),
                label: 28.0,
                gap: 12.0,
                pixels_per_point: scale,
            }
        }
    }

    proptest! {
        #[test]
        fn both_sides_are_equal_and_inside(s in space(), actual: bool, cx in -1.0..2.0_f32, cy in -1.0..2.0_f32) {
            let zoom = if actual { Zoom::Actual } else { Zoom::Fit };
            let out = s.side_by_side(zoom, vec2(cx, cy));
            let [a, b] = out.places;
            let pixel = 1.0 / s.pixels_per_point;
            prop_assert!((a.picture.size() - b.picture.size()).length() < 0.01);
            prop_assert!((a.picture.top() - b.picture.top()).abs() < 0.01);
            let area = s.area.expand(pixel);
            prop_assert!(area.contains_rect(a.picture) && area.contains_rect(b.picture));
            prop_assert!(a.picture.right() <= b.picture.left());
            prop_assert!(a.label.bottom() <= a.picture.top() + 0.01);
            // The aspect is kept: what is seen of the picture has the shape of its place.
            let shown = out.uv.size() * s.picture;
            let (x, y) = (a.picture.width() / shown.x, a.picture.height() / shown.y);
            prop_assert!((x / y - 1.0).abs() < 0.01, "{x} {y}");
            prop_assert!(out.uv.min.x >= -1e-4 && out.uv.max.x <= 1.0001);
        }

        #[test]
        fn the_same_place_on_both_sides_is_the_same_point(s in space(), x in 0.01..0.99_f32, y in 0.01..0.99_f32) {
            let out = s.side_by_side(Zoom::Actual, vec2(0.4, 0.6));
            let [a, b] = out.places.map(|p| p.picture);
            let (l, r) = (a.min + vec2(x, y) * a.size(), b.min + vec2(x, y) * b.size());
            if let (Some(l), Some(r)) = (out.under(l), out.under(r)) {
                prop_assert!((l - r).length() < 1e-3);
            }
        }
    }

    #[test]
    fn a_picture_that_fits_is_shown_whole_and_as_large_as_possible() {
        let s = Space {
            area: Rect::from_min_size(Pos2::ZERO, vec2(1292.0, 668.0)),
            picture: vec2(960.0, 720.0),
            label: 28.0,
            gap: 12.0,
            pixels_per_point: 1.0,
        };
        let out = s.side_by_side(Zoom::Fit, vec2(0.5, 0.5));
        assert_eq!(out.places[0].picture.size(), vec2(640.0, 480.0));
        assert_eq!(out.uv, Rect::from_min_max(pos2(0.0, 0.0), pos2(1.0, 1.0)));
        let out = s.side_by_side(Zoom::Actual, vec2(0.5, 0.5));
        assert_eq!(out.places[1].picture.size(), vec2(640.0, 640.0));
        assert!((out.uv.width() - 640.0 / 960.0).abs() < 1e-5);
    }

    #[test]
    fn dragging_moves_the_picture_with_the_pointer() {
        let s = Space {
            area: Rect::from_min_size(Pos2::ZERO, vec2(412.0, 228.0)),
            picture: vec2(800.0, 800.0),
            label: 28.0,
            gap: 12.0,
            pixels_per_point: 1.0,
        };
        let before = s.side_by_side(Zoom::Actual, vec2(0.5, 0.5));
        let after = s.side_by_side(Zoom::Actual, before.dragged(vec2(80.0, 0.0)));
        assert!((before.uv.min.x - after.uv.min.x - 0.1).abs() < 1e-5);
    }
}
