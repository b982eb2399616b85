//! Where the compared pictures lie: pure geometry, in points.
//!
//! All panes of a layout have the same size and show the same part of the picture, so that what is under the
//! pointer in one of them is the same point of the scene in the others. Places in a picture are shares of it:
//! (0, 0) is its top left corner, (1, 1) its bottom right one.

#[cfg(test)]
mod tests;

use egui::{Pos2, Rect, Vec2, pos2, vec2};
use serde::{Deserialize, Serialize};

/// The smallest zoom, in screen pixels for a picture's pixel.
pub const MIN_ZOOM: f32 = 0.5;
/// The largest.
pub const MAX_ZOOM: f32 = 16.0;
/// A divider that is let go this near to an end, in points, goes to the end.
const SNAP: f32 = 14.0;

/// How large a picture is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub enum Zoom {
    /// As large as fits.
    #[default]
    Fit,
    /// So many screen pixels for a picture's pixel; what does not fit is cut off and can be dragged into view.
    Times(f32),
}

/// Which part of the pictures is seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct PanZoom {
    /// How large.
    pub zoom: Zoom,
    /// The point of the picture that is wanted in the middle, in shares.
    pub centre: (f32, f32),
}

impl Default for PanZoom {
    fn default() -> Self {
        Self { zoom: Zoom::Fit, centre: (0.5, 0.5) }
    }
}

/// The room that a picture is shown in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// The place for it.
    pub rect: Rect,
    /// Where in the room a picture stands that is smaller: 0 is left or top, 1 right or bottom.
    pub align: Vec2,
    /// The picture's size in its own pixels.
    pub picture: Vec2,
    /// Screen pixels in a point.
    pub pixels_per_point: f32,
}

/// A picture in its place.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placed {
    /// Where it is drawn.
    pub rect: Rect,
    /// The part of the picture that is drawn there, in shares.
    pub uv: Rect,
    /// The whole picture's size in points at this zoom.
    pub whole: Vec2,
}

impl Room {
    /// Screen pixels for a picture's pixel at which the whole picture just fits.
    pub fn fit(&self) -> f32 {
        let share = self.rect.size().max(Vec2::splat(1.0)) / self.picture.max(Vec2::splat(1.0));
        share.x.min(share.y) * self.pixels_per_point
    }

    /// Screen pixels for a picture's pixel.
    pub fn times(&self, zoom: Zoom) -> f32 {
        match zoom {
            Zoom::Fit => self.fit(),
            Zoom::Times(times) => times,
        }
    }

    /// Places the picture. Its edges lie between screen pixels, so that 1:1 is exact.
    pub fn place(&self, view: &PanZoom) -> Placed {
        let pixel = 1.0 / self.pixels_per_point;
        let whole = (self.picture * self.times(view.zoom) * pixel).max(Vec2::splat(pixel));
        let size = self.seen(whole);
        let nearest = |v: f32| (v / pixel).round() * pixel;
        let start = |whole: f32, size: f32, centre: f32| {
            let most = (whole - size).max(0.0);
            nearest(centre * whole - size / 2.0).clamp(0.0, most)
        };
        let corner = vec2(start(whole.x, size.x, view.centre.0), start(whole.y, size.y, view.centre.1));
        let spare = self.rect.size() - size;
        let min = self.rect.min + spare.max(Vec2::ZERO) * self.align;
        let min = pos2(nearest(min.x), nearest(min.y));
        let uv = Rect::from_min_size((corner / whole).to_pos2(), size / whole);
        Placed { rect: Rect::from_min_size(min, size), uv, whole }
    }

    /// How much is seen of a picture that is so large: whole screen pixels where the room ends it.
    fn seen(&self, whole: Vec2) -> Vec2 {
        let pixel = 1.0 / self.pixels_per_point;
        let down = |v: f32| ((v + 1e-3) / pixel).floor().max(1.0) * pixel;
        whole.min(vec2(down(self.rect.width()), down(self.rect.height())))
    }

    /// The view after zooming by `factor` about the point `at`: what is there stays there, as far as the
    /// picture's edges allow.
    pub fn zoomed(&self, view: &PanZoom, at: Pos2, factor: f32) -> PanZoom {
        let placed = self.place(view);
        let share = placed.share(at);
        let times = (self.times(view.zoom) * factor).clamp(MIN_ZOOM, MAX_ZOOM);
        let zoom = Zoom::Times(times);
        let whole = self.picture * times / self.pixels_per_point;
        // Where the middle of the seen part has to be, so that `share` comes to lie under `at`.
        let size = self.seen(whole);
        let min = self.rect.min + (self.rect.size() - size).max(Vec2::ZERO) * self.align;
        let middle = min + size / 2.0;
        let centre = share + (middle - at) / whole;
        PanZoom { zoom, centre: (centre.x, centre.y) }.held(size / whole)
    }
}

impl PanZoom {
    /// The view after the picture was dragged by `delta` points.
    pub fn dragged(&self, placed: &Placed, delta: Vec2) -> Self {
        let centre = placed.uv.center() - delta / placed.whole;
        Self { zoom: self.zoom, centre: (centre.x, centre.y) }.held(placed.uv.size())
    }

    /// The centre held so that the part that is seen lies in the picture.
    fn held(self, seen: Vec2) -> Self {
        let hold = |c: f32, seen: f32| {
            let half = (seen / 2.0).min(0.5);
            c.clamp(half, 1.0 - half)
        };
        Self { centre: (hold(self.centre.0, seen.x), hold(self.centre.1, seen.y)), ..self }
    }
}

impl Placed {
    /// The point of the picture, in shares, under a point of the screen. Outside of the place it goes on.
    pub fn share(&self, at: Pos2) -> Pos2 {
        self.uv.min + (at - self.rect.min) / self.whole
    }

    /// Where a point of the picture is on the screen.
    pub fn point(&self, share: Pos2) -> Pos2 {
        self.rect.min + (share - self.uv.min) * self.whole
    }

    /// The pixel under a point of the screen, in a picture of `width` × `height` pixels.
    pub fn pixel(&self, at: Pos2, width: u32, height: u32) -> Option<(u32, u32)> {
        if !self.rect.contains(at) {
            return None;
        }
        let share = self.share(at);
        let index = |share: f32, n: u32| ((share * n as f32) as u32).min(n.saturating_sub(1));
        Some((index(share.x, width), index(share.y, height)))
    }

    /// The part of it that lies in `rect`, still at the same place.
    pub fn cut(&self, rect: Rect) -> Option<Self> {
        let rect = self.rect.intersect(rect);
        let uv = Rect::from_min_max(self.share(rect.min), self.share(rect.max));
        rect.is_positive().then_some(Self { rect, uv, whole: self.whole })
    }

    /// What is left and what is right of a divider at `split`, a share of the place's width.
    pub fn wiped(&self, split: f32) -> [Option<Self>; 2] {
        let x = self.divider(split);
        let Rect { min, max } = self.rect;
        [Rect::from_min_max(min, pos2(x, max.y)), Rect::from_min_max(pos2(x, min.y), max)].map(|r| self.cut(r))
    }

    /// Where the divider is, in points.
    pub fn divider(&self, split: f32) -> f32 {
        self.rect.left() + (self.rect.width() * split.clamp(0.0, 1.0)).round()
    }

    /// The divider's share for the pointer at `x`: near an end it is at the end.
    pub fn split(&self, x: f32) -> f32 {
        let (from, to) = (x - self.rect.left(), self.rect.right() - x);
        match (from <= SNAP, to <= SNAP) {
            (true, _) => 0.0,
            (_, true) => 1.0,
            _ => from / self.rect.width(),
        }
    }

    /// The part of the picture around `share` that a loupe of `side` points shows, `times` as large as here.
    pub fn loupe(&self, share: Pos2, side: f32, times: f32) -> Rect {
        Rect::from_center_size(share, Vec2::splat(side) / (self.whole * times))
    }
}
