//! A part of the scene as planes, and how a moving camera reads it.

use super::{SceneError, paint::Canvas};
use crate::frame::{ByteOrder, Plane, Size, planes_of_rgb};
use std::ops::Range;

/// Layers have this many samples per pixel of the finished picture along each axis: reading between them
/// linearly then stays sharp.
pub(super) const OVERSAMPLE: f32 = 2.0;
/// Places in a layer are fixed-point numbers of this many binary digits after the point.
const POINT: u32 = 16;
const ONE: f64 = (1 << POINT) as f64;

/// Samples to read between.
struct Texture {
    data: Vec<u8>,
    width: usize,
    height: usize,
}

impl Texture {
    /// The value at a fixed-point place, where whole numbers are the samples' middles; edges clamp.
    #[inline(always)]
    fn at(&self, x: i32, y: i32) -> i32 {
        let x = x.clamp(0, ((self.width - 1) << POINT) as i32 - 1);
        let y = y.clamp(0, ((self.height - 1) << POINT) as i32 - 1);
        let (fx, fy) = ((x >> (POINT - 8)) & 255, (y >> (POINT - 8)) & 255);
        let i = (y >> POINT) as usize * self.width + (x >> POINT) as usize;
        let four = &self.data[i..i + self.width + 2];
        let along = |a: u8, b: u8| (i32::from(a) << 8) + (i32::from(b) - i32::from(a)) * fx;
        let top = along(four[0], four[1]);
        let bottom = along(four[self.width], four[self.width + 1]);
        ((top << 8) + (bottom - top) * fy + (1 << 15)) >> 16
    }
}

/// Which of a frame's planes is drawn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    Y,
    U,
    V,
}

impl Which {
    pub(super) const ALL: [Self; 3] = [Self::Y, Self::U, Self::V];

    /// Luma pixels per sample along each axis.
    pub(super) const fn step(self) -> f32 {
        match self {
            Self::Y => 1.0,
            Self::U | Self::V => 2.0,
        }
    }
}

/// What part of the plane of units the picture shows when the camera is at rest.
#[derive(Clone, Copy)]
pub(super) struct Viewport {
    /// Luma pixels per unit.
    pub(super) scale: f32,
    /// The unit at the left edge; that at the top is 0.
    pub(super) left: f32,
    /// Units from left to right.
    pub(super) width: f32,
    /// Units from top to bottom.
    pub(super) height: f32,
}

/// How the camera stands: shifted, turned and drawn nearer.
#[derive(Clone, Copy)]
pub(super) struct Camera {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) angle: f32,
    pub(super) zoom: f32,
}

/// The affine way from a sample of a plane to a place in a layer.
#[derive(Clone, Copy)]
pub(super) struct Map {
    x: [f64; 3],
    y: [f64; 3],
}

impl Map {
    fn at(&self, i: usize, j: usize) -> (f64, f64) {
        let (i, j) = (i as f64, j as f64);
        (self.x[0] * i + self.x[1] * j + self.x[2], self.y[0] * i + self.y[1] * j + self.y[2])
    }

    /// The fixed-point place of the row's first sample, and the step from one to the next.
    fn row(&self, first: usize, j: usize) -> [i32; 4] {
        let (x, y) = self.at(first, j);
        [x, y, self.x[0], self.y[0]].map(|v| (v * ONE).round() as i32)
    }
}

/// A gentle bulge of the picture: what lies at its middle is shifted by `shift` units, less and less around it.
#[derive(Clone, Copy)]
pub(super) struct Bulge {
    pub(super) middle: (f32, f32),
    pub(super) reach: (f32, f32),
    pub(super) shift: (f32, f32),
}

/// A part of a sheet, in units of its own plane.
#[derive(Clone, Copy)]
pub(super) struct Rect {
    pub(super) left: f32,
    pub(super) top: f32,
    pub(super) right: f32,
    pub(super) bottom: f32,
}

/// One column of hanging cloth: how far aside it reads, in 1024ths of a unit, and its light in 256ths.
#[derive(Clone, Copy, Default)]
pub(super) struct Fold {
    pub(super) aside: i32,
    pub(super) light: i32,
}

/// A still picture in planes, larger than what is seen of it.
pub(super) struct Layer {
    y: Texture,
    u: Texture,
    v: Texture,
    density: f32,
    left: f32,
    top: f32,
}

impl Layer {
    /// A canvas in BT.601, limited range; its sides are even.
    pub(super) fn new(canvas: Canvas) -> Result<Self, SceneError> {
        let (w, h) = (canvas.width, canvas.height);
        let planes = planes_of_rgb(canvas.data.as_flattened(), 3 * w, [w, h], ByteOrder::Rgb);
        let planes = planes.map_err(|e| SceneError::Asset(format!("a part of the scene cannot be drawn: {e}")))?;
        let [y, u, v] =
            planes.map(|plane| Texture { width: plane.width(), height: plane.height(), data: plane.into_data() });
        Ok(Self { y, u, v, density: canvas.density, left: canvas.left, top: canvas.top })
    }

    fn texture(&self, which: Which) -> &Texture {
        match which {
            Which::Y => &self.y,
            Which::U => &self.u,
            Which::V => &self.v,
        }
    }

    /// Samples of the layer per unit.
    pub(super) fn density(&self, which: Which) -> f32 {
        self.density / which.step()
    }

    /// How a plane's samples lie on this layer. Nearer things (`parallax` above 1) move more.
    pub(super) fn map(&self, which: Which, view: &Viewport, camera: &Camera, parallax: f32) -> Map {
        let (sin, cos) = f64::from(camera.angle).sin_cos();
        let zoom = f64::from(camera.zoom);
        let per_sample = f64::from(which.step() / view.scale);
        let density = f64::from(self.density(which));
        let (middle_x, middle_y) = (f64::from(view.left + view.width / 2.0), f64::from(view.height / 2.0));
        // Sample i lies at (i + ½)·per_sample + left; turned about the middle, drawn nearer, shifted.
        let first = (f64::from(view.left) + 0.5 * per_sample - middle_x, 0.5 * per_sample - middle_y);
        let (c, s) = (cos / zoom, sin / zoom);
        let place = |ci: f64, cj: f64, middle: f64, shift: f32, origin: f32| {
            let constant = ci * first.0 + cj * first.1 + middle + f64::from(shift * parallax) - f64::from(origin);
            [ci * per_sample * density, cj * per_sample * density, constant * density - 0.5]
        };
        Map { x: place(c, -s, middle_x, camera.x, self.left), y: place(s, c, middle_y, camera.y, self.top) }
    }

    /// Fills a plane with this layer, bulging, but for what the `hidden` rectangle's inside will cover.
    pub(super) fn fill(
        &self,
        which: Which,
        plane: &mut Plane,
        view: &Viewport,
        map: &Map,
        bulges: &[Bulge; 2],
        hidden: &[Hidden],
    ) {
        let texture = self.texture(which);
        let (width, step) = (plane.width(), which.step() / view.scale);
        // How much of a bulge reaches a column, in 4096ths. A bulge of the picture reads the other way.
        let columns = bulges.map(|b| {
            let at = |i: usize| view.left + (i as f32 + 0.5) * step - b.middle.0;
            (0..width).map(|i| (4096.0 * (-(at(i) / b.reach.0).powi(2)).exp()) as i32).collect::<Vec<_>>()
        });
        for j in 0..plane.height() {
            let y = (j as f32 + 0.5) * step;
            let shifts = bulges.map(|b| {
                let amount = -(-((y - b.middle.1) / b.reach.1).powi(2)).exp() * self.density(which) * 1024.0;
                ((b.shift.0 * amount) as i32, (b.shift.1 * amount) as i32)
            });
            let [x0, y0, dx, dy] = map.row(0, j);
            let mut from = 0;
            let gaps = hidden.iter().filter(|h| h.rows.contains(&j)).map(|h| h.columns.clone());
            for gap in gaps.chain(std::iter::once(width..width)) {
                let gap = gap.start.min(width)..gap.end.min(width);
                let run = from..gap.start.max(from);
                let (mut x, mut y) = (x0 + dx * from as i32, y0 + dy * from as i32);
                let bulge = columns[0][run.clone()].iter().zip(&columns[1][run.clone()]);
                for (sample, (&a, &b)) in plane.row_mut(j)[run].iter_mut().zip(bulge) {
                    let aside = (a * shifts[0].0 + b * shifts[1].0) >> 6;
                    let down = (a * shifts[0].1 + b * shifts[1].1) >> 6;
                    *sample = texture.at(x + aside, y + down) as u8;
                    x += dx;
                    y += dy;
                }
                from = from.max(gap.end);
            }
        }
    }

    /// Lays the part `rect` of this layer, moved by `scroll` units within it, over a plane. Edges are antialiased.
    /// What the `hidden` part of it will cover is left out.
    pub(super) fn lay(&self, which: Which, plane: &mut Plane, map: &Map, rect: &Rect, scroll: f32, hidden: &[Hidden]) {
        let texture = self.texture(which);
        let [left, top, right, bottom] = self.places(which, rect);
        let scroll = (f64::from(scroll * self.density(which)) * ONE) as i32;
        let [l, t, r, b] = [left, top, right, bottom].map(|v| (v * ONE) as i32);
        let reach = 2.0 * f64::from(OVERSAMPLE);
        let width = plane.width();
        for j in 0..plane.height() {
            let (x, y) = map.at(0, j);
            let end = map.at(width, j).1;
            if y.max(end) < top - reach || y.min(end) > bottom + reach {
                continue;
            }
            let column = |x1: f64| ((x1 - x) / map.x[0]).clamp(0.0, width as f64) as usize;
            let (mut from, to) = (column(left - reach), column(right + reach));
            let gaps = hidden.iter().filter(|h| h.rows.contains(&j)).map(|h| h.columns.clone());
            for gap in gaps.chain(std::iter::once(to..to)) {
                let run = from..gap.start.clamp(from, to.max(from));
                let [mut x, mut y, dx, dy] = map.row(from, j);
                for sample in &mut plane.row_mut(j)[run] {
                    // The distance to the nearest edge, inwards; two samples of the layer are one of the plane.
                    let inside = (x - l).min(r - x).min(y - t).min(b - y);
                    let alpha = ((inside >> 9) + 128).clamp(0, 256);
                    if alpha > 0 {
                        let old = i32::from(*sample);
                        let new = texture.at(x, y.saturating_add(scroll));
                        *sample = (old + (((new - old) * alpha + 128) >> 8)) as u8;
                    }
                    x += dx;
                    y += dy;
                }
                from = from.max(gap.end).min(width);
            }
        }
    }

    /// Left, top, right and bottom of a rectangle as places in a plane's texture.
    fn places(&self, which: Which, rect: &Rect) -> [f64; 4] {
        let place = |u: f32, origin: f32| f64::from((u - origin) * self.density(which) - 0.5);
        [
            place(rect.left, self.left),
            place(rect.top, self.top),
            place(rect.right, self.left),
            place(rect.bottom, self.top),
        ]
    }

    /// The samples of a plane of `size` that a rectangle of this layer covers wholly wherever it is a little turned.
    pub(super) fn hides(&self, which: Which, map: &Map, rect: &Rect, size: (usize, usize)) -> Hidden {
        let [left, top, right, bottom] = self.places(which, rect);
        // Turned by at most a few hundredths, a side moves by less than that share of the other side.
        let lean = (map.x[1] / map.x[0]).abs().max((map.y[0] / map.y[1]).abs());
        let spare = 3.0 + lean * ((right - left).max(bottom - top)) / map.x[0];
        let (wide, high) = (size.0 as f64, size.1 as f64);
        // The place of the middle of the rectangle in the plane, from the inverse of the map.
        let det = map.x[0] * map.y[1] - map.x[1] * map.y[0];
        let (mx, my) = ((left + right) / 2.0 - map.x[2], (top + bottom) / 2.0 - map.y[2]);
        let (i, j) = ((mx * map.y[1] - my * map.x[1]) / det, (my * map.x[0] - mx * map.y[0]) / det);
        let (half_w, half_h) = ((right - left) / map.x[0] / 2.0 - spare, (bottom - top) / map.y[1] / 2.0 - spare);
        if half_w <= 0.0 || half_h <= 0.0 {
            return Hidden { rows: 0..0, columns: 0..0 };
        }
        let span = |middle: f64, half: f64, end: f64| {
            (middle - half).clamp(0.0, end).ceil() as usize..(middle + half).clamp(0.0, end) as usize
        };
        Hidden { rows: span(j, half_h, high), columns: span(i, half_w, wide) }
    }

    /// Hangs this layer as cloth over a plane.
    pub(super) fn hang(&self, which: Which, plane: &mut Plane, map: &Map, hang: &Hang<'_>) {
        let texture = self.texture(which);
        let density = self.density(which);
        let edge = f64::from((hang.edge - self.left) * density);
        let dark = if which == Which::Y { 16 } else { 128 };
        // From a fixed-point place to a fold, with places cut to 8 binary digits.
        let per_sample = (hang.per_unit / density * 4096.0) as i64;
        let aside: Vec<i32> = hang.folds.iter().map(|f| (f.aside as f32 * density * 64.0) as i32).collect();
        let last = hang.folds.len().saturating_sub(1);
        let width = plane.width();
        for j in 0..plane.height() {
            let (x0, y0) = map.at(0, j);
            let slant = f64::from(hang.slant) * y0;
            let column = |x1: f64| ((x1 - x0) / map.x[0]).clamp(0.0, width as f64) as usize;
            let edge = edge + slant;
            let (from, to) = if hang.to_right { (column(edge - 3.0), width) } else { (0, column(edge + 3.0)) };
            let [mut x, mut y, dx, dy] = map.row(from, j);
            let (slant, edge) = ((slant * ONE) as i32, (edge * ONE) as i32);
            for sample in &mut plane.row_mut(j)[from..to] {
                let inside = if hang.to_right { x - edge } else { edge - x };
                let alpha = ((inside >> 9) + 128).clamp(0, 256);
                let fold = ((i64::from(x - slant) * per_sample) >> 28).clamp(0, last as i64) as usize;
                let woven = texture.at(x + aside[fold], y) - dark;
                let new = (dark + ((woven * hang.folds[fold].light + 128) >> 8)).clamp(16, 235);
                let old = i32::from(*sample);
                *sample = (old + (((new - old) * alpha + 128) >> 8)) as u8;
                x += dx;
                y += dy;
            }
        }
    }

    /// The samples of a plane of `size` that the cloth covers for sure.
    pub(super) fn hidden_by_cloth(&self, which: Which, map: &Map, hang: &Hang<'_>, size: (usize, usize)) -> Hidden {
        let edge = f64::from((hang.edge - self.left) * self.density(which));
        let crossing = |j: usize| {
            let (x, y) = map.at(0, j);
            ((edge + f64::from(hang.slant) * y - x) / map.x[0]).clamp(0.0, size.0 as f64)
        };
        let (a, b) = (crossing(0), crossing(size.1));
        let columns = if hang.to_right {
            ((a.max(b) + 4.0) as usize).min(size.0)..size.0
        } else {
            0..((a.min(b) - 4.0).max(0.0) as usize)
        };
        Hidden { rows: 0..size.1, columns }
    }
}

/// Samples that need not be drawn since something in front covers them.
pub(super) struct Hidden {
    pub(super) rows: Range<usize>,
    pub(super) columns: Range<usize>,
}

/// How a cloth hangs.
pub(super) struct Hang<'a> {
    /// Where it begins, in units.
    pub(super) edge: f32,
    /// It covers what lies to the right of the edge, or to the left.
    pub(super) to_right: bool,
    /// The columns of the cloth.
    pub(super) folds: &'a [Fold],
    /// Columns per unit.
    pub(super) per_unit: f32,
    /// How far folds and edge lean.
    pub(super) slant: f32,
}

impl Viewport {
    /// A picture of `size` shows 720 units from top to bottom. A narrow one shows the middle of the person.
    pub(super) fn new(size: Size) -> Self {
        let height = 720.0;
        let scale = size.height() as f32 / height;
        let width = size.width() as f32 / scale;
        let left = if width < super::stage::FULL_WIDTH { (super::stage::PERSON - width / 2.0).max(0.0) } else { 0.0 };
        Self { scale, left, width, height }
    }
}
