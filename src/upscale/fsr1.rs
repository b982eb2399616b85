//! A peer to compare with: edge-adaptive upsampling and sharpening in the manner of AMD's FidelityFX Super
//! Resolution 1.0, on luma, for twice the size. It is for benchmarks, and no [`Method`](super::Method) of a call.
//!
//! After T. Lottes, "FidelityFX Super Resolution 1.0" (AMD GPUOpen, 2021), whose text and MIT-licensed shader say:
//!
//! * **EASU**: each output pixel sums twelve pixels around it (4×4 without the corners). Where the four nearest lie
//!   on an edge, the window is turned along it and stretched, and becomes sharper: an approximation of Lanczos with
//!   two lobes on edges, something softer elsewhere. The result is held between the least and the greatest of the
//!   four nearest.
//! * **RCAS**: a cross of five pixels sharpens by the strongest negative lobe that leaves no value outside what the
//!   cross allows, at most 3/16, less a fifth of a stop.
//!
//! The shader works on R′G′B′ and takes its direction from a rough luma; here luma is all there is.

use rayon::prelude::*;

use super::UpscaleError;
use crate::frame::{FrameError, Plane};

/// RCAS's strongest lobe.
const LOBE_LIMIT: f32 = 0.25 - 1.0 / 16.0;
/// How far RCAS stays below its strongest, as a power of two; what AMD's samples begin with.
const STOPS: f32 = 0.2;

/// Luma at twice the size: EASU, then RCAS.
///
/// # Errors
/// Never for a plane that has pixels.
pub fn luma(lr: &Plane) -> Result<Plane, UpscaleError> {
    let (width, height) = (2 * lr.width(), 2 * lr.height());
    let upsampled = easu(lr);
    let mut data = vec![0; width * height];
    data.par_chunks_exact_mut(width).enumerate().for_each(|(y, row)| {
        for (x, out) in row.iter_mut().enumerate() {
            let at = |dx: isize, dy: isize| {
                let x = x.saturating_add_signed(dx).min(width - 1);
                upsampled[y.saturating_add_signed(dy).min(height - 1) * width + x]
            };
            let sharp = rcas(at(0, 0), [at(0, -1), at(-1, 0), at(1, 0), at(0, 1)]);
            *out = (sharp.clamp(0.0, 1.0) * 255.0).round() as u8;
        }
    });
    Ok(Plane::from_vec(data, width, height, width).map_err(FrameError::from)?)
}

/// The places of the twelve pixels around (0, 0), the upper left of the four nearest.
const TAPS: [(isize, isize); 12] =
    [(0, -1), (1, -1), (-1, 0), (0, 0), (1, 0), (2, 0), (-1, 1), (0, 1), (1, 1), (2, 1), (0, 2), (1, 2)];
/// The four nearest, as numbers of [`TAPS`].
const NEAREST: [usize; 4] = [3, 4, 7, 8];
/// For each of them, the numbers of its upper, left, right and lower neighbours.
const CROSSES: [[usize; 4]; 4] = [[0, 2, 4, 7], [1, 3, 5, 8], [3, 6, 8, 10], [4, 7, 9, 11]];

/// Values in 0..1, row after row.
fn easu(lr: &Plane) -> Vec<f32> {
    let (width, height) = (2 * lr.width(), 2 * lr.height());
    let mut out = vec![0.0; width * height];
    out.par_chunks_exact_mut(width).enumerate().for_each(|(y, row)| {
        for (x, out) in row.iter_mut().enumerate() {
            // Output pixel 2i lies at i − ¼ and 2i + 1 at i + ¼.
            let left = (x as isize - 1).div_euclid(2);
            let top = (y as isize - 1).div_euclid(2);
            let between = |i: usize| if i.is_multiple_of(2) { 0.75 } else { 0.25 };
            let pixels = TAPS.map(|(dx, dy)| f32::from(lr.clamped(left + dx, top + dy)) / 255.0);
            *out = easu_pixel(&pixels, between(x), between(y));
        }
    });
    out
}

/// One output pixel, which lies (px, py) to the right of and below the first of the four nearest.
fn easu_pixel(pixels: &[f32; 12], px: f32, py: f32) -> f32 {
    let shares = [(1.0 - px) * (1.0 - py), px * (1.0 - py), (1.0 - px) * py, px * py];
    let (mut dx, mut dy, mut edge) = (0.0, 0.0, 0.0);
    for ((centre, cross), share) in NEAREST.iter().zip(CROSSES).zip(shares) {
        let [up, left, right, down] = cross.map(|i| pixels[i]);
        let (gx, ex) = slope(left, pixels[*centre], right);
        let (gy, ey) = slope(up, pixels[*centre], down);
        dx += share * gx;
        dy += share * gy;
        edge += share * (ex + ey);
    }
    let length = dx * dx + dy * dy;
    let (dx, dy) = if length < 1.0 / 32768.0 { (1.0, 0.0) } else { (dx / length.sqrt(), dy / length.sqrt()) };
    let edge = (edge / 2.0) * (edge / 2.0);
    // Along a diagonal the window is √2 longer; across an edge it is up to half as wide.
    let stretch = (dx * dx + dy * dy) / dx.abs().max(dy.abs());
    let (along, across) = (1.0 + (stretch - 1.0) * edge, 1.0 - 0.5 * edge);
    // The window ends at √2 where nothing is, slightly beyond 2 on an edge.
    let lobe = 0.5 + (0.25 - 0.04 - 0.5) * edge;
    let (mut sum, mut weights) = (0.0, 0.0);
    for (pixel, (tx, ty)) in pixels.iter().zip(TAPS) {
        let (x, y) = (tx as f32 - px, ty as f32 - py);
        let (u, v) = ((x * dx + y * dy) * along, (y * dx - x * dy) * across);
        let weight = window((u * u + v * v).min(1.0 / lobe), lobe);
        sum += weight * pixel;
        weights += weight;
    }
    let nearest = NEAREST.map(|i| pixels[i]);
    let least = nearest.into_iter().fold(f32::INFINITY, f32::min);
    let greatest = nearest.into_iter().fold(f32::NEG_INFINITY, f32::max);
    (sum / weights).max(least).min(greatest)
}

/// The slope through three pixels, and how much of an edge they are: 1 where they rise or fall evenly, 0 at a peak.
fn slope(before: f32, here: f32, after: f32) -> (f32, f32) {
    let steepest = (after - here).abs().max((here - before).abs());
    let slope = after - before;
    let even = if steepest > 0.0 { (slope.abs() / steepest).min(1.0) } else { 0.0 };
    (slope, even * even)
}

/// Near Lanczos with two lobes at a squared distance, without sine or root.
fn window(square: f32, lobe: f32) -> f32 {
    let base = 0.4 * square - 1.0;
    let fade = lobe * square - 1.0;
    (25.0 / 16.0 * base * base - 9.0 / 16.0) * fade * fade
}

/// A pixel sharpened against its four neighbours.
fn rcas(here: f32, around: [f32; 4]) -> f32 {
    let least = around.into_iter().fold(f32::INFINITY, f32::min);
    let greatest = around.into_iter().fold(f32::NEG_INFINITY, f32::max);
    // The lobes at which the darkest and the brightest possible pixel would leave 0..1.
    let to_black = if greatest > 0.0 { least.min(here) / (4.0 * greatest) } else { 0.0 };
    let to_white = if least < 1.0 { (1.0 - greatest.max(here)) / (4.0 - 4.0 * least) } else { 0.0 };
    let lobe = -to_black.min(to_white).clamp(0.0, LOBE_LIMIT) * (-STOPS).exp2();
    (lobe * around.into_iter().sum::<f32>() + here) / (4.0 * lobe + 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plane(width: usize, height: usize, of: impl Fn(usize, usize) -> u8) -> Plane {
        Plane::from_vec((0..width * height).map(|i| of(i % width, i / width)).collect(), width, height, width).unwrap()
    }

    #[test]
    fn flat_pictures_stay_flat_whatever_their_size() {
        for (w, h) in [(1, 1), (1, 9), (9, 1), (12, 7)] {
            for value in [0, 16, 100, 255] {
                let out = luma(&Plane::filled(w, h, value)).unwrap();
                assert_eq!((out.width(), out.height()), (2 * w, 2 * h));
                assert!(out.rows().flatten().all(|&v| v == value), "{w}x{h} {value}");
            }
        }
    }

    #[test]
    fn a_ramp_keeps_its_place() {
        // Away from the edges, output pixel x of a ramp of 4 a pixel has the value of its place: 4·(x/2 − ¼).
        let out = luma(&plane(40, 12, |x, _| (20 + 4 * x) as u8)).unwrap();
        for (x, &v) in out.row(12).iter().enumerate().take(70).skip(10) {
            let want = 20.0 + 4.0 * (x as f32 / 2.0 - 0.25);
            assert!((f32::from(v) - want).abs() <= 1.0, "{x}: {v} {want}");
        }
    }

    #[test]
    fn a_mirrored_picture_gives_the_mirrored_result() {
        let of = |x: usize, y: usize| ((x * 37 + y * 91 + x * y * 13) % 256) as u8;
        let straight = luma(&plane(10, 8, of)).unwrap();
        let mirrored = luma(&plane(10, 8, |x, y| of(9 - x, y))).unwrap();
        for (a, b) in straight.rows().zip(mirrored.rows()) {
            assert!(a.iter().zip(b.iter().rev()).all(|(a, b)| a.abs_diff(*b) <= 1));
        }
    }

    #[test]
    fn an_edge_becomes_steeper_than_bicubic_without_ringing() {
        let out = luma(&plane(16, 16, |x, y| if 2 * x > y + 8 { 200 } else { 50 })).unwrap();
        // EASU stays between its neighbours, and RCAS inside 0..1 only: overshoot is small.
        assert!(out.rows().flatten().all(|&v| (20..=230).contains(&v)));
        let middle = |row: &[u8]| row.iter().filter(|&&v| (80..170).contains(&v)).count();
        assert!(out.rows().skip(4).take(24).map(middle).max().unwrap() <= 4);
    }

    #[test]
    fn sharpening_by_hand() {
        // Around all ½, here ¾: black allows ½/(4·½) = 0.25, white allows ¼/2 = 0.125; the lobe is −0.125·2^−0.2.
        let lobe = -0.125 * (-0.2_f32).exp2();
        let want = (lobe * 2.0 + 0.75) / (4.0 * lobe + 1.0);
        assert!((rcas(0.75, [0.5; 4]) - want).abs() < 1e-6);
        assert_eq!(rcas(1.0, [1.0; 4]), 1.0);
        assert_eq!(rcas(0.0, [0.0; 4]), 0.0);
        assert_eq!(window(0.0, 0.5), 1.0);
        assert!(window(2.0, 0.5).abs() < 1e-6, "it ends where it is cut");
    }
}
