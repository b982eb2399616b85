//! What an eye would notice, on a coarse grid.

use super::{Extent, Place};
use crate::frame::Rgba;

/// Cells of the grid.
const COLUMNS: usize = 64;
const ROWS: usize = 48;
/// Of larger pictures every second pixel is looked at, or every third …
const LOOKED_AT: (usize, usize) = (480, 360);
/// Codes of luma by which a cell's pixels spread where differences are seen best: on less it is flat, and more hides
/// them.
const FLAT: f32 = 8.0;
/// Codes of difference that nobody sees.
const UNSEEN: f32 = 0.4;
/// Where heads are in a call, in shares of the picture, how far they reach, and what counts far away from there.
const HEADS: (f32, f32) = (0.5, 0.33);
const REACH: f32 = 0.22;
const FAR: f32 = 0.3;
/// A detail of less weight shows no difference.
const NOTHING: f64 = 0.01;

/// Details that are so many times their size apart show different things.
const APART: f32 = 1.5;

/// How much there is to see in the difference of two pictures, place by place.
///
/// A cell's weight is `√(d · s) / (s + 8)`: d is the standard deviation of the difference of luma in codes, so that a
/// shift of brightness counts nothing, beyond what nobody sees; s is that of the pictures themselves, so that noise on a
/// flat wall counts little, and a hard edge no more than hair or an eye. Where heads are in a call counts more.
#[derive(Debug, Clone)]
pub struct Saliency {
    /// Sums over all rectangles from the upper left corner: one row and one column more than there are cells.
    sums: Vec<f64>,
}

/// Sums over the pixels of a cell.
#[derive(Clone, Copy, Default)]
struct Cell {
    pixels: f32,
    difference: f32,
    difference_squared: f32,
    luma: f32,
    luma_squared: f32,
}

impl Saliency {
    /// Weighs two pictures of the same frame, which may have different sizes.
    pub fn of(a: &Rgba, b: &Rgba) -> Self {
        let (large, small) = if a.size.pixels() >= b.size.pixels() { (a, b) } else { (b, a) };
        let sides = |p: &Rgba| (p.size.width() as usize, p.size.height() as usize);
        let ((width, height), (small_width, small_height)) = (sides(large), sides(small));
        let steps = (width.div_ceil(LOOKED_AT.0), height.div_ceil(LOOKED_AT.1));
        let mut cells = vec![Cell::default(); COLUMNS * ROWS];
        for y in (0..height).step_by(steps.1) {
            let row = &large.data[4 * y * width..][..4 * width];
            let other = &small.data[4 * (y * small_height / height) * small_width..][..4 * small_width];
            let cells = &mut cells[y * ROWS / height * COLUMNS..][..COLUMNS];
            for x in (0..width).step_by(steps.0) {
                let [p, q] = [luma(&row[4 * x..]), luma(&other[4 * (x * small_width / width)..])];
                cells[x * COLUMNS / width].add(p - q, (p + q) / 2.0);
            }
        }
        Self::from_weights(|column, row| {
            let cell = &cells[row * COLUMNS + column];
            f64::from(cell.weight() * towards_heads(column, row))
        })
    }

    fn from_weights(weight: impl Fn(usize, usize) -> f64) -> Self {
        let stride = COLUMNS + 1;
        let mut sums = vec![0.0; stride];
        for row in 0..ROWS {
            let (above, mut along) = (sums.len() - stride, 0.0);
            sums.push(0.0);
            for column in 0..COLUMNS {
                along += weight(column, row);
                sums.push(sums[above + column + 1] + along);
            }
        }
        Self { sums }
    }

    /// Takes so much of a newer frame in.
    pub(super) fn follow(&mut self, newer: &Self, share: f64) {
        // Sums of sums: what is linear in the weights is so in these.
        for (old, new) in self.sums.iter_mut().zip(&newer.sums) {
            *old += (new - *old) * share;
        }
    }

    /// The mean weight of a detail.
    pub(super) fn at(&self, place: Place, extent: Extent) -> f64 {
        let place = place.within(extent);
        let range = |middle: f32, share: f32, cells: usize| {
            let edge = |share: f32| ((share * cells as f32).round().max(0.0) as usize).min(cells);
            let from = edge(middle - share / 2.0).min(cells - 1);
            (from, edge(middle + share / 2.0).max(from + 1))
        };
        let (left, right) = range(place.x, extent.width, COLUMNS);
        let (top, bottom) = range(place.y, extent.height, ROWS);
        let sum = |column: usize, row: usize| self.sums[row * (COLUMNS + 1) + column];
        let all = sum(right, bottom) + sum(left, top) - sum(left, bottom) - sum(right, top);
        all / ((right - left) * (bottom - top)) as f64
    }

    /// The place with most to see that is apart from `others`; none where there is no difference.
    pub fn best(&self, extent: Extent, others: &[Place]) -> Option<Place> {
        let middle = |i: usize, cells: usize| (i as f32 + 0.5) / cells as f32;
        let cells = (0..ROWS).flat_map(|row| (0..COLUMNS).map(move |column| (column, row)));
        let places =
            cells.map(|(column, row)| Place { x: middle(column, COLUMNS), y: middle(row, ROWS) }.within(extent));
        let free = places.filter(|place| !others.iter().any(|other| place.near(*other, extent, APART)));
        let (weight, best) = free.map(|p| (self.at(p, extent), p)).max_by(|a, b| a.0.total_cmp(&b.0))?;
        (weight > NOTHING).then_some(best)
    }

    /// Up to so many places that are apart from each other, the best one first.
    pub fn places(&self, extent: Extent, count: usize) -> Vec<Place> {
        let mut places = Vec::new();
        while places.len() < count
            && let Some(place) = self.best(extent, &places)
        {
            places.push(place);
        }
        places
    }
}

impl Cell {
    fn add(&mut self, difference: f32, luma: f32) {
        self.pixels += 1.0;
        self.difference += difference;
        self.difference_squared += difference * difference;
        self.luma += luma;
        self.luma_squared += luma * luma;
    }

    fn weight(&self) -> f32 {
        let deviation = |sum: f32, squares: f32| {
            let mean = sum / self.pixels.max(1.0);
            (squares / self.pixels.max(1.0) - mean * mean).max(0.0).sqrt()
        };
        let seen = (deviation(self.difference, self.difference_squared) - UNSEEN).max(0.0);
        let spread = deviation(self.luma, self.luma_squared);
        (seen * spread).sqrt() / (spread + FLAT)
    }
}

fn towards_heads(column: usize, row: usize) -> f32 {
    let off = |i: usize, cells: usize, at: f32| ((i as f32 + 0.5) / cells as f32 - at) / REACH;
    let (x, y) = (off(column, COLUMNS, HEADS.0), off(row, ROWS, HEADS.1));
    FAR + (1.0 - FAR) * (-(x * x + y * y) / 2.0).exp()
}

/// Luma of an R′G′B′ pixel by the weights of BT.601, in 256ths.
fn luma(pixel: &[u8]) -> f32 {
    let [r, g, b] = [pixel[0], pixel[1], pixel[2]].map(u32::from);
    ((77 * r + 150 * g + 29 * b) >> 8) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Size;

    const EXTENT: Extent = Extent { width: 0.15, height: 0.2 };

    fn picture(width: u32, height: u32, level: impl Fn(f32, f32) -> u8) -> Rgba {
        let size = Size::new(width, height).unwrap();
        let pixels = (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
        let share = |v: u32, n: u32| (v as f32 + 0.5) / n as f32;
        let data = pixels.flat_map(|(x, y)| {
            let v = level(share(x, width), share(y, height));
            [v, v, v, 255]
        });
        Rgba { size, data: data.collect() }
    }

    /// Fine stripes in two patches and flat elsewhere; `flat` and `text` say how strong they are.
    fn patches(width: u32, height: u32, flat: f32, text: f32) -> Rgba {
        picture(width, height, |x, y| {
            let near = |at: f32| (x - at).abs() < 0.06 && (y - 0.5).abs() < 0.08;
            let fine = if ((x * 160.0) as u32).is_multiple_of(2) { 1.0 } else { -1.0 };
            let coarse = if ((x * 40.0) as u32).is_multiple_of(2) { 60.0 } else { -60.0 };
            let value = if near(0.3) {
                flat * fine
            } else if near(0.7) {
                coarse + text * fine
            } else {
                0.0
            };
            (128.0 + value) as u8
        })
    }

    #[test]
    fn detail_is_looked_at_before_noise_on_a_flat_wall() {
        let (a, b) = (patches(960, 720, 0.0, 0.0), patches(960, 720, 2.0, 6.0));
        let places = Saliency::of(&a, &b).places(EXTENT, 2);
        assert!((places[0].x - 0.7).abs() < 0.08 && (places[1].x - 0.3).abs() < 0.08, "{places:?}");
        assert!(places.iter().all(|p| (p.y - 0.5).abs() < 0.1), "{places:?}");
    }

    #[test]
    fn places_are_the_same_whatever_the_sizes_and_whichever_side_is_first() {
        let find = |a: &Rgba, b: &Rgba| Saliency::of(a, b).best(EXTENT, &[]).unwrap();
        let (plain, fine) = (patches(960, 720, 0.0, 0.0), patches(960, 720, 0.0, 20.0));
        let wanted = find(&plain, &fine);
        assert_eq!(find(&fine, &plain), wanted);
        for (w, h) in [(480, 360), (1280, 720), (320, 240)] {
            let found = find(&patches(w, h, 0.0, 0.0), &fine);
            assert!((found.x - wanted.x).abs() < 0.05 && (found.y - wanted.y).abs() < 0.05, "{w}x{h}: {found:?}");
        }
    }

    #[test]
    fn a_shift_of_brightness_and_equal_pictures_are_nothing_to_look_at() {
        let a = patches(320, 240, 3.0, 9.0);
        let brighter = Rgba { data: a.data.iter().map(|v| v.saturating_add(4)).collect(), ..a.clone() };
        for b in [&a, &brighter] {
            assert_eq!(Saliency::of(&a, b).best(EXTENT, &[]), None);
        }
    }

    #[test]
    fn pictures_of_any_size_are_weighed_and_details_lie_inside() {
        for (w, h) in [(1, 1), (1, 700), (3, 2), (63, 47), (2000, 9)] {
            let (a, b) = (picture(w, h, |x, _| (255.0 * x) as u8), picture(w, h, |x, y| (255.0 * x * y) as u8));
            for extent in [EXTENT, Extent { width: 1.0, height: 1.0 }, Extent { width: 9.0, height: 0.0 }] {
                for place in Saliency::of(&a, &b).places(extent, 2) {
                    assert_eq!(place.within(extent), place, "{w}x{h}");
                    assert!((0.0..=1.0).contains(&place.x) && (0.0..=1.0).contains(&place.y), "{w}x{h}: {place:?}");
                }
            }
        }
    }
}
