//! Still pictures: finding them, reading them, and looking at them through a moving camera.

use std::path::{Path, PathBuf};

use super::elastic::Warp;
use crate::{
    frame::{Frame, Plane, Stamp},
    source::clip::still,
    train::TrainError,
};

/// The smallest side that a training picture may have.
const MIN_SIDE: u32 = 160;

/// The pictures of a folder (PNG and JPEG), in the order of their names.
pub(super) fn find(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let found = files(folder, &["png", "jpg", "jpeg"])?;
    if found.is_empty() { Err(TrainError::NoPictures(folder.to_owned())) } else { Ok(found) }
}

/// The files of a folder that end in one of `endings`, in the order of their names.
pub(super) fn files(folder: &Path, endings: &[&str]) -> Result<Vec<PathBuf>, TrainError> {
    let failed = |source| TrainError::Folder { path: folder.to_owned(), source };
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let ending = path.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
        if path.is_file() && ending.is_some_and(|ending| endings.contains(&&*ending)) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Reads a picture as a BT.601 limited range frame with even sides.
pub(super) fn read(path: &Path, stamp: Stamp) -> Result<Frame, TrainError> {
    let failed = |why: String| TrainError::Picture { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(|e| failed(e.to_string()))?;
    let picture = still::rgb(std::io::BufReader::new(file)).map_err(|e| failed(e.to_string()))?;
    if picture.width() < MIN_SIDE || picture.height() < MIN_SIDE {
        let is = format!("it is {}x{}", picture.width(), picture.height());
        return Err(failed(format!("{is}, and a training picture needs {MIN_SIDE} pixels on each side")));
    }
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Frame::from_rgb8(picture.as_raw(), width, height, stamp).map_err(|e| failed(e.to_string()))
}

/// Where a pixel of the window lies in the picture: a turn, a zoom and a shift.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Pose {
    /// Pixel in the picture's luma plane that the window's middle looks at.
    pub(super) centre: [f32; 2],
    /// Picture pixels for each window pixel.
    pub(super) scale: f32,
    /// Radians.
    pub(super) turn: f32,
}

/// An ellipse with a soft rim, in pixels of the window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ellipse {
    pub(super) centre: [f32; 2],
    pub(super) radius: [f32; 2],
}

impl Ellipse {
    /// How far a pixel belongs to it: 1 inside, 0 outside, over about three pixels.
    fn cover(&self, x: f32, y: f32) -> f32 {
        let (dx, dy) = ((x - self.centre[0]) / self.radius[0], (y - self.centre[1]) / self.radius[1]);
        let inside = 1.0 - (dx * dx + dy * dy).sqrt();
        (0.5 + inside * self.radius[0].min(self.radius[1]) / 3.0).clamp(0.0, 1.0)
    }
}

/// Whether a colour is skin's (Chai and Ngan, IEEE TCSVT 9(4), 1999).
fn is_skin(cb: u8, cr: u8) -> bool {
    (77..=127).contains(&cb) && (133..=173).contains(&cr)
}

/// The places of a picture that are of the colour of skin, in luma pixels.
pub(super) fn skin(frame: &Frame) -> Vec<[f32; 2]> {
    let [_, cb, cr] = frame.planes();
    let rows = cb.rows().zip(cr.rows()).enumerate();
    let places = rows.flat_map(|(y, (cb, cr))| {
        let found = cb.iter().zip(cr).enumerate().filter(|(_, (cb, cr))| is_skin(**cb, **cr));
        found.map(move |(x, _)| [2.0 * x as f32 + 0.5, 2.0 * y as f32 + 0.5])
    });
    places.collect()
}

/// How much a picture has of what calls are about, 1 to 4: a share of skin, and of edges as text has them.
///
/// Skin is told by its chroma, an edge by a step of 40 codes between neighbours.
pub(super) fn interest(frame: &Frame) -> f32 {
    let [luma, cb, cr] = frame.planes();
    let share = |count: usize, plane: &Plane| count as f32 / (plane.width() * plane.height()).max(1) as f32;
    let skin = cb.rows().zip(cr.rows()).flat_map(|(cb, cr)| cb.iter().zip(cr));
    let skin = skin.filter(|(cb, cr)| is_skin(**cb, **cr)).count();
    let edges = luma.rows().flat_map(<[u8]>::array_windows).filter(|[a, b]| a.abs_diff(*b) > 40).count();
    1.0 + (4.0 * share(skin, cb)).min(1.5) + (20.0 * share(edges, luma)).min(1.5)
}

/// Draws what `view` sees of `picture`, warped, into `window`, everywhere or in an ellipse only.
pub(super) fn look(picture: &Frame, window: &mut Frame, view: Pose, within: Option<Ellipse>, warp: Option<&Warp>) {
    let middle = [(window.y().width() as f32 - 1.0) / 2.0, (window.y().height() as f32 - 1.0) / 2.0];
    let from = picture.planes();
    for (c, (from, to)) in from.into_iter().zip(window.planes_mut()).enumerate() {
        // Chroma pixel k lies at luma 2k + ½, in the window and in the picture.
        let (step, first) = if c == 0 { (1.0, 0.0) } else { (2.0, 0.5) };
        let (sin, cos) = (view.turn.sin() * view.scale, view.turn.cos() * view.scale);
        let (width, height) = (to.width(), to.height());
        let rows = match within {
            Some(e) => {
                let row = |y: f32| ((y - first) / step).clamp(0.0, height as f32) as usize;
                row(e.centre[1] - e.radius[1] - 3.0)..row(e.centre[1] + e.radius[1] + 4.0)
            }
            None => 0..height,
        };
        for y in rows {
            let wy = y as f32 * step + first;
            let row = &mut to.row_mut(y)[..width];
            for (x, to) in row.iter_mut().enumerate() {
                let wx = x as f32 * step + first;
                let cover = within.map_or(1.0, |e| e.cover(wx, wy));
                if cover > 0.0 {
                    let [sx, sy] = warp.map_or([0.0; 2], |warp| warp.at(wx, wy));
                    let (dx, dy) = (wx + sx - middle[0], wy + sy - middle[1]);
                    let px = view.centre[0] + cos * dx - sin * dy;
                    let py = view.centre[1] + sin * dx + cos * dy;
                    let value = cubic(from, (px - first) / step, (py - first) / step);
                    *to = (f32::from(*to) + cover * (value - f32::from(*to)) + 0.5) as u8;
                }
            }
        }
    }
}

/// Keys' cubic with a = −½ at a place between pixels; the picture is mirrored at its edges.
fn cubic(plane: &Plane, x: f32, y: f32) -> f32 {
    let (left, top) = (x.floor(), y.floor());
    let (wx, wy) = (weights(x - left), weights(y - top));
    let (left, top) = (left as isize - 1, top as isize - 1);
    let (width, height) = (plane.width() as isize, plane.height() as isize);
    let mut sum = 0.0;
    if left >= 0 && top >= 0 && left + 4 <= width && top + 4 <= height {
        for (k, wy) in wy.into_iter().enumerate() {
            let row = &plane.row(top as usize + k)[left as usize..][..4];
            sum += wy * row.iter().zip(wx).map(|(v, w)| f32::from(*v) * w).sum::<f32>();
        }
    } else {
        let mirror = |v: isize, n: isize| {
            let v = v.rem_euclid(2 * n);
            if v < n { v } else { 2 * n - 1 - v }
        };
        for (ky, wy) in wy.into_iter().enumerate() {
            let row = plane.row(mirror(top + ky as isize, height) as usize);
            for (kx, wx) in wx.into_iter().enumerate() {
                sum += wy * wx * f32::from(row[mirror(left + kx as isize, width) as usize]);
            }
        }
    }
    sum.clamp(0.0, 255.0)
}

fn weights(t: f32) -> [f32; 4] {
    let (t2, t3) = (t * t, t * t * t);
    [-0.5 * t3 + t2 - 0.5 * t, 1.5 * t3 - 2.5 * t2 + 1.0, -1.5 * t3 + 2.0 * t2 + 0.5 * t, 0.5 * t3 - 0.5 * t2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Colour;

    fn ramp(width: usize, height: usize) -> Frame {
        let mut frame = Frame::filled(
            crate::frame::Size::new(width as u32, height as u32).unwrap(),
            [0, 128, 128],
            Colour::default(),
            Stamp::now(0),
        );
        let [y, ..] = frame.planes_mut();
        for j in 0..height {
            for (i, v) in y.row_mut(j).iter_mut().enumerate() {
                *v = (2 * i + j) as u8;
            }
        }
        frame
    }

    #[test]
    fn a_straight_look_copies_and_a_shifted_one_interpolates() {
        let picture = ramp(40, 30);
        let mut window = ramp(20, 10);
        let straight = Pose { centre: [9.5 + 4.0, 4.5 + 6.0], scale: 1.0, turn: 0.0 };
        look(&picture, &mut window, straight, None, None);
        assert_eq!(window.y().row(0)[0], picture.y().row(6)[4]);
        assert_eq!(window.y().row(9)[19], picture.y().row(15)[23]);
        look(&picture, &mut window, Pose { centre: [14.0, 10.5], ..straight }, None, None);
        assert_eq!(window.y().row(3)[7], picture.y().row(9)[11] + 1, "half a pixel of a ramp of two");
    }

    #[test]
    fn an_ellipse_leaves_the_rest_alone() {
        let picture = ramp(64, 64);
        let mut window = Frame::filled(picture.size(), [255, 128, 128], Colour::default(), Stamp::now(0));
        let view = Pose { centre: [31.5, 31.5], scale: 1.0, turn: 0.3 };
        look(&picture, &mut window, view, Some(Ellipse { centre: [32.0, 32.0], radius: [10.0, 20.0] }), None);
        assert_eq!(window.y().row(32)[2], 255);
        assert_eq!(window.y().row(2)[32], 255);
        assert!(window.y().row(32)[32] < 255);
    }

    #[test]
    fn looking_past_the_edge_mirrors() {
        let picture = ramp(16, 16);
        let mut window = ramp(64, 64);
        look(&picture, &mut window, Pose { centre: [-500.0, 900.0], scale: 3.0, turn: 1.0 }, None, None);
        assert!(window.y().rows().flatten().all(|v| *v <= 46));
    }
}
