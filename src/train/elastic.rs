//! Elastic motion: a face in a call is never rigid. Mouth, eyes and turns of the head as smooth local warps.

use std::f32::consts::TAU;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::{photo, transmission::log_uniform};
use crate::frame::Frame;

/// The least share of skin that a picture of a person has.
const LEAST_SKIN: f32 = 0.03;
/// Luma pixels between two places at which a warp is worked out.
const GRID: usize = 8;

/// Places that sway, each about its own centre.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Elastic {
    bumps: Vec<Bump>,
}

/// A place of the window that sways: exp(−d²/2r²) of `sway` at a distance d from its centre.
#[derive(Debug, Clone, PartialEq)]
struct Bump {
    centre: [f32; 2],
    radius: f32,
    /// How far, in pixels.
    sway: [f32; 2],
    /// Frames of a period, and phase.
    period: f32,
    phase: f32,
}

impl Bump {
    /// A turn of the head.
    fn head(rng: &mut ChaCha8Rng, centre: [f32; 2], width: f32) -> Self {
        let radius = width * rng.random_range(0.08..0.18);
        Self::draw(rng, centre, radius, 0.1, 25.0..120.0)
    }

    /// A mouth or an eye.
    fn feature(rng: &mut ChaCha8Rng, centre: [f32; 2], width: f32) -> Self {
        let radius = width * rng.random_range(0.012..0.04);
        Self::draw(rng, centre, radius, 0.25, 5.0..24.0)
    }

    /// It sways by `most` of its radius at most, so that nothing folds over.
    fn draw(rng: &mut ChaCha8Rng, centre: [f32; 2], radius: f32, most: f32, periods: std::ops::Range<f32>) -> Self {
        let (length, heading) = (radius * rng.random_range(0.1..1.0) * most, rng.random_range(0.0..TAU));
        Self {
            centre,
            radius,
            sway: [length * heading.cos(), length * heading.sin()],
            period: log_uniform(rng, periods),
            phase: rng.random_range(0.0..TAU),
        }
    }
}

impl Elastic {
    /// A person's motion where the window shows enough skin: a turn of the head and two to five features, at places
    /// where there is skin.
    pub(super) fn draw(rng: &mut ChaCha8Rng, window: &Frame) -> Option<Self> {
        let skin = photo::skin(window);
        let [_, cb, _] = window.planes();
        if (skin.len() as f32) < LEAST_SKIN * (cb.width() * cb.height()) as f32 {
            return None;
        }
        let place = |rng: &mut ChaCha8Rng| skin[rng.random_range(0..skin.len())];
        let width = window.y().width() as f32;
        let mut bumps = Vec::new();
        let centre = place(rng);
        bumps.push(Bump::head(rng, centre, width));
        for _ in 0..rng.random_range(2..=5) {
            let centre = place(rng);
            bumps.push(Bump::feature(rng, centre, width));
        }
        Some(Self { bumps })
    }

    /// The warp of a window at frame `t`.
    pub(super) fn at(&self, t: usize, [width, height]: [usize; 2]) -> Warp {
        let (columns, rows) = (width.div_ceil(GRID) + 1, height.div_ceil(GRID) + 1);
        let mut data = Vec::with_capacity(columns * rows);
        for y in 0..rows {
            for x in 0..columns {
                let mut sum = [0.0; 2];
                for bump in &self.bumps {
                    let (dx, dy) = ((x * GRID) as f32 - bump.centre[0], (y * GRID) as f32 - bump.centre[1]);
                    let near = (-(dx * dx + dy * dy) / (2.0 * bump.radius * bump.radius)).exp();
                    let swing = (bump.phase + TAU * t as f32 / bump.period).sin();
                    sum[0] += near * swing * bump.sway[0];
                    sum[1] += near * swing * bump.sway[1];
                }
                data.push(sum);
            }
        }
        Warp { columns, data }
    }
}

/// By how much what a pixel of a window shows is moved.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Warp {
    columns: usize,
    /// `[row][column]`, every [`GRID`] pixels.
    data: Vec<[f32; 2]>,
}

impl Warp {
    /// At a place of the window, bilinear between the grid's.
    pub(super) fn at(&self, x: f32, y: f32) -> [f32; 2] {
        let (x, y) = (x.max(0.0) / GRID as f32, y.max(0.0) / GRID as f32);
        let (left, top) = ((x as usize).min(self.columns - 2), (y as usize).min(self.data.len() / self.columns - 2));
        let (wx, wy) = ((x - left as f32).min(1.0), (y - top as f32).min(1.0));
        let row = |y: usize| &self.data[y * self.columns + left..][..2];
        let (above, below) = (row(top), row(top + 1));
        std::array::from_fn(|i| {
            let across = |row: &[[f32; 2]]| row[0][i] + wx * (row[1][i] - row[0][i]);
            across(above) + wy * (across(below) - across(above))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Size, Stamp};
    use rand::SeedableRng as _;

    fn bump() -> Bump {
        Bump { centre: [40.0, 24.0], radius: 16.0, sway: [3.0, -1.0], period: 8.0, phase: 0.0 }
    }

    #[test]
    fn a_bump_sways_about_its_centre_and_leaves_the_rest_alone() {
        let elastic = Elastic { bumps: vec![bump()] };
        let at = |t, x, y| elastic.at(t, [160, 96]).at(x, y);
        // A quarter of a period: all of it at the centre, exp(−½) of it at the radius, nothing far away.
        assert_eq!(at(2, 40.0, 24.0), [3.0, -1.0]);
        assert!((at(2, 56.0, 24.0)[0] - 3.0 * (-0.5_f32).exp()).abs() < 1e-5);
        assert!(at(2, 159.0, 95.0)[0].abs() < 1e-4);
        assert_eq!(at(0, 40.0, 24.0), [0.0, 0.0]);
        assert!((at(6, 40.0, 24.0)[0] + 3.0).abs() < 1e-5, "half a period later the other way");
        // Between the grid's places it is the mean of them.
        let [a, b, between] = [40.0, 48.0, 44.0].map(|x| at(2, x, 24.0)[0]);
        assert!((between - (a + b) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn only_people_move_and_nothing_folds_over() {
        let window = |cb, cr| {
            let size = Size::new(320, 240).unwrap();
            Frame::filled(size, [120, cb, cr], Colour::default(), Stamp::now(0))
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert_eq!(Elastic::draw(&mut rng, &window(128, 128)), None, "a grey wall");
        for _ in 0..50 {
            let elastic = Elastic::draw(&mut rng, &window(100, 150)).unwrap();
            let warp = elastic.at(rng.random_range(0..100), [320, 240]);
            for y in 0..240 {
                let place = |x: usize| x as f32 + warp.at(x as f32, y as f32)[0];
                assert!((1..320).all(|x| place(x) > place(x - 1)), "what is to the right stays there");
            }
        }
    }
}
