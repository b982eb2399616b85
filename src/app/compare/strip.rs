//! Where the spotlight stands: beside the pictures or below them, whichever costs them less of their size. Pure.

#[cfg(test)]
mod tests;

use egui::{Pos2, Rect, Vec2, pos2, vec2};

use crate::{
    app::compare::{
        geometry::Room,
        panes::{Layout, panes},
    },
    spotlight::{ENLARGED, Extent, Place},
};

/// Between two tiles of a detail, which are compared, and between two details.
const SEAM: f32 = 2.0;
const GAP: f32 = 10.0;
/// What the pictures may lose of their width for it, tried in this order.
const LOSSES: [f32; 4] = [0.0, 0.05, 0.1, 0.15];
/// A strip takes no more of the area, and a detail no more of the picture's width and height.
const MOST: f32 = 0.42;
const PART: f32 = 0.25;
/// Tiles of such a size, the mean of their sides in points, are large enough that the pictures lose no more for them;
/// two details are shown where theirs are as large as this, or nearly as large as one's; and smaller ones than the last
/// show nothing worth their room.
const ENOUGH: f32 = 165.0;
const TWO: f32 = 150.0;
const NEARLY: f32 = 0.9;
const LEAST: f32 = 72.0;

/// How an area is parted into the pictures' room and the spotlight's.
#[derive(Debug, Clone, PartialEq)]
pub struct Strip {
    /// For the pictures and the lines above them.
    pub desk: Rect,
    /// All of the spotlight.
    pub rect: Rect,
    /// For each detail the places of its sides.
    pub details: Vec<Vec<Rect>>,
}

/// What stands in the area besides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Around {
    /// How the pictures are laid out.
    pub layout: Layout,
    /// A picture's size in its own pixels.
    pub picture: Vec2,
    /// Height of the line above a picture.
    pub label: f32,
    /// Between pictures, and between them and the spotlight.
    pub gap: f32,
    /// Screen pixels in a point.
    pub pixels_per_point: f32,
}

/// Which way the details follow each other.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Beside,
    Below,
}

impl Around {
    /// Screen pixels for a picture's pixel where all of `area` is the pictures'.
    pub fn fit(&self, area: Rect) -> f32 {
        let room = panes(self.layout, area, self.label, self.gap).first().map_or(area, |pane| pane.room);
        let Self { picture, pixels_per_point, .. } = *self;
        Room { rect: room, align: Vec2::splat(0.5), picture, pixels_per_point }.fit()
    }

    /// Parts `area`; none where it is too small for a spotlight on so many sides.
    pub fn strip(&self, area: Rect, sides: usize) -> Option<Strip> {
        let mut best: Option<(f32, Strip)> = None;
        for loss in LOSSES {
            let wide = self.fit(area) * (1.0 - loss) / self.pixels_per_point;
            for way in [Way::Beside, Way::Below] {
                let Some((size, strip)) = self.parted(area, way, wide, sides) else { continue };
                if size >= LEAST && best.as_ref().is_none_or(|(before, _)| size > *before) {
                    best = Some((size, strip));
                }
            }
            if best.as_ref().is_some_and(|(size, _)| *size >= ENOUGH) {
                break;
            }
        }
        best.map(|(_, strip)| self.on_pixels(strip))
    }

    /// Tiles between screen pixels, all of one size still.
    fn on_pixels(&self, strip: Strip) -> Strip {
        let pixel = 1.0 / self.pixels_per_point;
        let tile = |tile: Rect| {
            let on = |v: f32, round: fn(f32) -> f32| round(v / pixel + 1e-3) * pixel;
            let min = pos2(on(tile.left(), f32::round), on(tile.top(), f32::round));
            Rect::from_min_size(min, vec2(on(tile.width(), f32::floor), on(tile.height(), f32::floor)))
        };
        let details = strip.details.into_iter().map(|sides| sides.into_iter().map(tile).collect()).collect();
        Strip { details, ..strip }
    }

    /// The area parted so that a pixel of a picture is so many points wide, and how large the tiles are.
    fn parted(&self, area: Rect, way: Way, wide: f32, sides: usize) -> Option<(f32, Strip)> {
        let (columns, rows) = self.layout.columns_and_rows();
        let taken = |n: usize, one: f32| n as f32 * one + (n - 1) as f32 * self.gap;
        let pictures = vec2(taken(columns, wide * self.picture.x), taken(rows, self.label + wide * self.picture.y));
        let spare = (area.size() - pictures - Vec2::splat(self.gap)).min(area.size() * MOST).floor();
        // Beside the pictures themselves: their line stands above.
        let below_line = area.with_min_y(area.top() + self.label);
        let room = match way {
            Way::Beside => vec2(spare.x, below_line.height()),
            Way::Below => vec2(area.width(), spare.y),
        };
        let most = self.picture * PART * ENLARGED as f32 / self.pixels_per_point;
        let one = Tiles::fit(room, way, 1, sides, most)?;
        let two = Tiles::fit(room, way, 2, sides, most).filter(|two| two.size() >= TWO.min(NEARLY * one.size()));
        let tiles = two.unwrap_or(one);
        let (all, middle) = (tiles.all(), below_line.center());
        let (desk, rect) = match way {
            Way::Beside => {
                let x = area.right() - all.x;
                let y = if rows == 1 { middle.y - all.y / 2.0 } else { below_line.top() };
                (area.with_max_x(x - self.gap), Rect::from_min_size(pos2(x, y), all))
            }
            Way::Below => {
                let y = area.bottom() - all.y;
                (area.with_max_y(y - self.gap), Rect::from_min_size(pos2(middle.x - all.x / 2.0, y), all))
            }
        };
        Some((tiles.size(), Strip { desk, rect, details: tiles.at(rect.min) }))
    }
}

/// Details of one size in a row or a column, and the tiles of each in a grid.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    way: Way,
    details: usize,
    columns: usize,
    rows: usize,
    tile: Vec2,
}

impl Tiles {
    /// As large as `room` lets them be, within `most`.
    fn fit(room: Vec2, way: Way, details: usize, sides: usize, most: Vec2) -> Option<Self> {
        let part = |n: usize, all: f32, gap: f32| (all - gap * (n - 1) as f32) / n as f32;
        let room = match way {
            Way::Beside => vec2(room.x, part(details, room.y, GAP)),
            Way::Below => vec2(part(details, room.x, GAP), room.y),
        };
        let grids = (1..=sides).filter(|columns| sides.is_multiple_of(*columns));
        let fitted = grids.map(|columns| {
            let rows = sides / columns;
            let room = vec2(part(columns, room.x, SEAM), part(rows, room.y, SEAM)).min(most);
            // Not much wider than high, nor higher than wide.
            let tile = vec2(room.x.min(1.5 * room.y), room.y.min(room.x)).floor();
            Self { way, details, columns, rows, tile }
        });
        fitted.filter(|tiles| tiles.tile.min_elem() >= 1.0).max_by(|a, b| a.size().total_cmp(&b.size()))
    }

    /// The mean of a tile's sides.
    fn size(&self) -> f32 {
        (self.tile.x * self.tile.y).sqrt()
    }

    /// One detail.
    fn block(&self) -> Vec2 {
        let (columns, rows) = (self.columns as f32, self.rows as f32);
        self.tile * vec2(columns, rows) + vec2(columns - 1.0, rows - 1.0) * SEAM
    }

    /// From one detail to the next.
    fn step(&self) -> Vec2 {
        match self.way {
            Way::Beside => vec2(0.0, self.block().y + GAP),
            Way::Below => vec2(self.block().x + GAP, 0.0),
        }
    }

    fn all(&self) -> Vec2 {
        self.block() + self.step() * (self.details - 1) as f32
    }

    fn at(&self, corner: Pos2) -> Vec<Vec<Rect>> {
        let tile = |i: usize, j: usize| {
            let cell = vec2((j % self.columns) as f32, (j / self.columns) as f32);
            let corner = corner + self.step() * i as f32 + cell * (self.tile + Vec2::splat(SEAM));
            Rect::from_min_size(corner, self.tile)
        };
        let detail = |i: usize| (0..self.columns * self.rows).map(|j| tile(i, j)).collect();
        (0..self.details).map(detail).collect()
    }
}

/// How much of a picture is seen in a tile, where a pixel of it is [`ENLARGED`] screen pixels wide.
pub fn extent(tile: Vec2, picture: Vec2, pixels_per_point: f32) -> Extent {
    let share = tile * pixels_per_point / ENLARGED as f32 / picture.max(Vec2::splat(1.0));
    Extent { width: share.x, height: share.y }
}

/// The part of the picture that a tile shows around `place`, in shares of it. Its corner lies between screen pixels.
pub fn part(place: Place, extent: Extent, picture: Vec2) -> Rect {
    let place = place.within(extent);
    let size = vec2(extent.width, extent.height);
    let pixels = picture * ENLARGED as f32;
    let corner = ((vec2(place.x, place.y) - size / 2.0) * pixels).round() / pixels;
    Rect::from_min_size(corner.to_pos2(), size)
}
