//! A contact sheet: the same detail of several pictures, side by side and enlarged.

use std::str::FromStr;

use super::{
    ReportError,
    canvas::{Canvas, LINE},
    sheet_size,
};
use crate::frame::{Frame, Plane, Rgba, Size};

/// How many times larger details are shown.
pub const ENLARGED: usize = crate::spotlight::ENLARGED as usize;
/// Pixels between details.
const GAP: usize = 6;

/// A part of a picture, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Crop {
    /// From the left.
    pub x: u32,
    /// From the top.
    pub y: u32,
    /// Columns and rows.
    pub size: Size,
}

impl FromStr for Crop {
    type Err = String;

    /// ```
    /// # use clearcall::report::Crop;
    /// let crop: Crop = "312,200,96,72".parse().unwrap();
    /// assert_eq!((crop.x, crop.y, crop.size.to_string()), (312, 200, "96x72".to_owned()));
    /// assert!("312,200,0,72".parse::<Crop>().is_err());
    /// ```
    fn from_str(s: &str) -> Result<Self, String> {
        let numbers: Vec<u32> = s.split(',').map_while(|n| n.trim().parse().ok()).collect();
        match (&numbers[..], s.split(',').count()) {
            (&[x, y, width, height], 4) => {
                let size = Size::new(width, height).map_err(|e| e.to_string())?;
                Ok(Self { x, y, size })
            }
            _ => Err(format!("'{s}' is not a part of a picture: write it as X,Y,WIDTH,HEIGHT in pixels")),
        }
    }
}

impl Crop {
    /// Whether it lies in a picture of this size.
    pub fn fits(&self, size: Size) -> bool {
        let inside = |from: u32, length: u32, all: u32| from.checked_add(length).is_some_and(|end| end <= all);
        inside(self.x, self.size.width(), size.width()) && inside(self.y, self.size.height(), size.height())
    }

    /// The part of a picture; black where it lies outside.
    pub fn of(&self, picture: &Rgba) -> Rgba {
        let (w, h) = (picture.size.width() as usize, picture.size.height() as usize);
        let (x, y) = (self.x as usize, self.y as usize);
        let mut data = Vec::with_capacity(4 * self.size.pixels());
        for row in y..y + self.size.height() as usize {
            for column in x..x + self.size.width() as usize {
                let inside = row < h && column < w;
                let pixel = if inside { &picture.data[(row * w + column) * 4..][..4] } else { &[0, 0, 0, 255] };
                data.extend_from_slice(pixel);
            }
        }
        Rgba { size: self.size, data }
    }
}

/// The parts of this size, at most `count` and none over another, where the outputs lack or invent most detail.
///
/// Detail is what a picture has beyond its mean over 3×3 pixels. A part's weight is the sum, over its pixels and
/// over the outputs, of `|detail(output − truth)|` in codes of luma. Fewer come out where the picture is too small.
pub fn most_different(truth: &Frame, outputs: &[&Frame], size: Size, count: usize) -> Vec<Crop> {
    let (w, h) = (truth.y().width(), truth.y().height());
    let (cw, ch) = (size.width() as usize, size.height() as usize);
    if cw > w || ch > h {
        return Vec::new();
    }
    let mut weight = vec![0_u32; w * h];
    for output in outputs.iter().filter(|o| o.size() == truth.size()) {
        add_lost_detail(truth.y(), output.y(), &mut weight);
    }
    let sums = Integral::new(&weight, w);
    let step = |length: usize| (length / 4).max(1);
    let places = (0..=h - ch).step_by(step(ch)).flat_map(|y| (0..=w - cw).step_by(step(cw)).map(move |x| (x, y)));
    let mut ranked: Vec<_> = places.map(|(x, y)| (sums.over(x, y, cw, ch), x, y)).collect();
    // The heaviest first; of equals the upper left one.
    ranked.sort_by_key(|&(sum, x, y)| (std::cmp::Reverse(sum), y, x));
    let mut chosen: Vec<(usize, usize)> = Vec::new();
    for (_, x, y) in ranked {
        if chosen.len() == count {
            break;
        }
        if chosen.iter().all(|&(cx, cy)| x.abs_diff(cx) >= cw || y.abs_diff(cy) >= ch) {
            chosen.push((x, y));
        }
    }
    chosen.into_iter().map(|(x, y)| Crop { x: x as u32, y: y as u32, size }).collect()
}

/// Adds `|detail(output − truth)|` of each inner pixel, times nine.
fn add_lost_detail(truth: &Plane, output: &Plane, weight: &mut [u32]) {
    let (w, h) = (truth.width(), truth.height());
    let error: Vec<i32> = truth
        .rows()
        .zip(output.rows())
        .flat_map(|(t, o)| t.iter().zip(o))
        .map(|(t, o)| i32::from(*o) - i32::from(*t))
        .collect();
    for y in 1..h.saturating_sub(1) {
        for x in 1..w.saturating_sub(1) {
            let around: i32 = (y - 1..=y + 1).map(|y| error[y * w + x - 1..=y * w + x + 1].iter().sum::<i32>()).sum();
            weight[y * w + x] += (9 * error[y * w + x] - around).unsigned_abs();
        }
    }
}

/// Sums over all rectangles from the upper left corner.
struct Integral {
    sums: Vec<u64>,
    stride: usize,
}

impl Integral {
    fn new(values: &[u32], width: usize) -> Self {
        let stride = width + 1;
        let mut sums = vec![0; stride];
        for row in values.chunks_exact(width) {
            let above = sums.len() - stride;
            let mut along = 0;
            sums.push(0);
            for (x, value) in row.iter().enumerate() {
                along += u64::from(*value);
                sums.push(sums[above + x + 1] + along);
            }
        }
        Self { sums, stride }
    }

    fn over(&self, x: usize, y: usize, width: usize, height: usize) -> u64 {
        let at = |x: usize, y: usize| self.sums[y * self.stride + x];
        at(x + width, y + height) + at(x, y) - at(x + width, y) - at(x, y + height)
    }
}

/// One row of a sheet.
#[derive(Debug, Clone)]
pub struct SheetRow {
    /// What it shows, over the row.
    pub title: String,
    /// Details of one size, each with what it is.
    pub details: Vec<(String, Rgba)>,
}

/// How many rows of details of this size, `columns` of them side by side, a sheet can hold.
pub fn rows_that_fit(detail: Size, columns: usize) -> usize {
    let max = crate::frame::MAX_SIDE as usize;
    let width = GAP + columns * (detail.width() as usize * ENLARGED + GAP);
    if width > max { 0 } else { (max - GAP) / row_height(detail.height() as usize) }
}

fn row_height(detail: usize) -> usize {
    2 * LINE + detail * ENLARGED + GAP
}

/// The sheet: rows one below the other, each with its title, the details enlarged, their names over them.
///
/// # Errors
/// When the sheet is too large for a picture, or the built-in font cannot be read.
pub fn sheet(rows: &[SheetRow]) -> Result<Rgba, ReportError> {
    let side =
        |row: &SheetRow, of: fn(Size) -> u32| row.details.iter().map(|d| of(d.1.size) as usize).max().unwrap_or(0);
    let widths = rows.iter().map(|r| GAP + r.details.len() * (side(r, Size::width) * ENLARGED + GAP));
    let (width, height) =
        (widths.max().unwrap_or(0), rows.iter().map(|r| row_height(side(r, Size::height))).sum::<usize>());
    let mut canvas = Canvas::new(sheet_size(width, height + GAP)?)?;
    let mut y = GAP;
    for row in rows {
        let step = side(row, Size::width) * ENLARGED;
        canvas.text(GAP, y, width - GAP, &row.title);
        for (i, (name, detail)) in row.details.iter().enumerate() {
            let x = GAP + i * (step + GAP);
            canvas.text(x, y + LINE, step, name);
            canvas.put(x, y + 2 * LINE, detail, ENLARGED);
        }
        y += row_height(side(row, Size::height));
    }
    Ok(canvas.into_picture())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Stamp};

    fn size(w: u32, h: u32) -> Size {
        Size::new(w, h).unwrap()
    }

    fn grey(w: u32, h: u32) -> Frame {
        Frame::filled(size(w, h), [100, 128, 128], Colour::default(), Stamp::now(0))
    }

    #[test]
    fn the_lost_detail_is_found_and_a_shift_of_light_is_not() {
        let truth = grey(160, 120);
        let (mut fine, mut bright) = (truth.clone(), truth.clone());
        for y in 60..80 {
            fine.planes_mut()[0].row_mut(y)[100..130].iter_mut().step_by(2).for_each(|v| *v += 20);
        }
        for y in 0..40 {
            bright.planes_mut()[0].row_mut(y)[..40].fill(180);
        }
        let crops = most_different(&truth, &[&fine, &bright], size(32, 24), 1);
        let Crop { x, y, .. } = crops[0];
        assert!((96..=104).contains(&x) && (56..=64).contains(&y), "{crops:?}");
    }

    #[test]
    fn crops_do_not_overlap_and_lie_inside() {
        let truth = grey(100, 70);
        let mut other = truth.clone();
        for y in 0..70 {
            other.planes_mut()[0].row_mut(y).iter_mut().enumerate().for_each(|(x, v)| *v = (x * 37 + y * 11) as u8);
        }
        let crops = most_different(&truth, &[&other], size(30, 30), 50);
        assert!((2..=6).contains(&crops.len()), "{crops:?}");
        for (i, a) in crops.iter().enumerate() {
            assert!(a.fits(truth.size()));
            assert!(crops[..i].iter().all(|b| a.x.abs_diff(b.x) >= 30 || a.y.abs_diff(b.y) >= 30));
        }
        assert!(most_different(&truth, &[&other], size(101, 30), 3).is_empty());
    }

    #[test]
    fn a_crop_is_the_part_it_says() {
        let data = (0..12_u8).flat_map(|v| [v, v, v, 255]).collect();
        let picture = Rgba { size: size(4, 3), data };
        let crop: Crop = "1,1,2,2".parse().unwrap();
        assert_eq!(crop.of(&picture).data.iter().step_by(4).copied().collect::<Vec<_>>(), [5, 6, 9, 10]);
        assert!(crop.fits(size(3, 3)) && !crop.fits(size(3, 2)));
        for bad in ["", "1,2,3", "1,2,3,4,5", "1,2,0,4", "-1,2,3,4", "a,b,c,d", "1,2,3,x"] {
            assert!(bad.parse::<Crop>().is_err(), "{bad}");
        }
        assert!(!Crop { x: u32::MAX, ..crop }.fits(size(4, 4)));
    }

    #[test]
    fn details_stand_side_by_side_at_three_times_their_size() {
        let flat = |v: u8| Rgba { size: size(20, 10), data: [v, v, v, 255].repeat(200) };
        let row = |a, b| SheetRow {
            title: "clip".into(),
            details: vec![("truth".into(), flat(a)), ("bicubic".into(), flat(b))],
        };
        let sheet = sheet(&[row(1, 2), row(3, 4)]).unwrap();
        let (w, h) = (sheet.size.width() as usize, sheet.size.height() as usize);
        assert_eq!((w, h), (2 * 60 + 3 * GAP, 2 * row_height(10) + GAP));
        let at = |x: usize, y: usize| sheet.data[(y * w + x) * 4];
        let first = GAP + 2 * LINE;
        assert_eq!([at(GAP, first), at(GAP + 59, first + 29), at(2 * GAP + 60, first)], [1, 1, 2]);
        assert_eq!([at(GAP, first + row_height(10)), at(2 * GAP + 119, first + row_height(10) + 29)], [3, 4]);
        assert!(sheet.data[..w * 4 * (GAP + LINE)].iter().step_by(4).any(|&v| v > 150), "the title is there");
    }

    #[test]
    fn what_fits_can_be_drawn() {
        let rows = rows_that_fit(size(96, 72), 4);
        assert!((20..60).contains(&rows));
        assert!((rows + 1) * row_height(72) + GAP > 8192 && rows * row_height(72) + GAP <= 8192);
        assert_eq!(rows_that_fit(size(960, 72), 4), 0);
    }
}
