//! The built-in source: a moving picture drawn by the program around a photograph of a face.
//!
//! It has what upscalers are judged on: skin and hair, fine text, thin lines, cloth and strokes as thin as hairs, all
//! in slow motion, as before a camera held by hand. Frame `n` is always the same picture, drawn at full resolution: it
//! is the truth that a scaled, coded and upscaled copy can be compared with.

pub mod lamp;
mod layer;
mod paint;
mod stage;
mod strokes;
mod text;

use std::time::Duration;

use super::{Event, Source, SourceError};
use crate::frame::{Colour, Frame, Plane, Size, Stamp};
use layer::{Bulge, Camera, Fold, Hang, Layer, Map, Viewport, Which};
use stage::{Curtain, Stage};

/// A scene that cannot be drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SceneError {
    /// Too many pixels, or a side too long.
    #[error("the scene is drawn at up to 2560x1600 pixels with sides up to 4096, not at {0}: ask for a smaller size")]
    TooLarge(Size),
    /// Frames per second that are none.
    #[error("the scene runs at 1 to 240 frames a second, not at {0}")]
    FrameRate(String),
    /// A part that is built into the program cannot be read.
    #[error("{0}")]
    Asset(String),
}

/// The scene, ready to be drawn at one size.
pub struct Scene {
    size: Size,
    fps: f32,
    view: Viewport,
    stage: Stage,
    next: u64,
}

impl std::fmt::Debug for Scene {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Not its layers, which are pictures.
        f.debug_struct("Scene").field("size", &self.size).field("fps", &self.fps).finish_non_exhaustive()
    }
}

impl Scene {
    /// Draws all that only has to move later; this takes some tenths of a second.
    ///
    /// # Errors
    /// When the size or the frame rate is beyond what is drawn, or the built-in portrait cannot be read.
    pub fn new(size: Size, fps: f32) -> Result<Self, SceneError> {
        if size.pixels() > 2560 * 1600 || size.width().max(size.height()) > 4096 {
            return Err(SceneError::TooLarge(size));
        }
        if !(1.0..=240.0).contains(&fps) {
            return Err(SceneError::FrameRate(fps.to_string()));
        }
        let view = Viewport::new(size);
        let stage = Stage::new(&view)?;
        Ok(Self { size, fps, view, stage, next: 0 })
    }

    /// Frame `n`: BT.601, limited range, stamped with `n` and the time of the call.
    pub fn draw(&self, n: u64) -> Frame {
        let mut frame = Frame::filled(self.size, [16, 128, 128], Colour::default(), Stamp::now(n));
        let seconds = (n as f64 / f64::from(self.fps)) as f32;
        let camera = camera(seconds);
        let bulges = self.bulges(seconds);
        let folds: Vec<(&Curtain, Vec<Fold>)> = self.stage.curtains.iter().map(|c| (c, folds(c, seconds))).collect();
        for (which, plane) in Which::ALL.into_iter().zip(frame.planes_mut()) {
            self.draw_plane(which, plane, seconds, &camera, &bulges, &folds);
        }
        frame
    }

    /// One plane, from the back to the front; what will be covered is left out.
    fn draw_plane(
        &self,
        which: Which,
        plane: &mut Plane,
        seconds: f32,
        camera: &Camera,
        bulges: &[Bulge; 2],
        folds: &[(&Curtain, Vec<Fold>)],
    ) {
        let map = |layer: &Layer, parallax| layer.map(which, &self.view, camera, parallax);
        let size = (plane.width(), plane.height());
        let slant = 0.012 * (seconds * 0.7).sin();
        let hangs = folds.iter().map(|(curtain, folds)| {
            let Curtain { edge, to_right, .. } = **curtain;
            let hang = Hang { edge, to_right, folds, per_unit: FOLDS_PER_UNIT, slant };
            (&curtain.cloth, map(&curtain.cloth, 1.0), hang)
        });
        let hangs: Vec<(&Layer, Map, Hang<'_>)> = hangs.collect();
        let board = self.stage.board.as_ref().map(|b| (b, map(&b.sheet, 1.12), map(&b.text, 1.12)));

        let mut hidden: Vec<_> = hangs.iter().map(|(c, map, hang)| c.hidden_by_cloth(which, map, hang, size)).collect();
        hidden.extend(board.iter().map(|(b, map, _)| b.sheet.hides(which, map, &b.rect, size)));
        hidden.sort_by_key(|h| h.columns.start);
        self.stage.back.fill(which, plane, &self.view, &map(&self.stage.back, 1.0), bulges, &hidden);
        for (cloth, map, hang) in &hangs {
            cloth.hang(which, plane, map, hang);
        }
        if let Some((board, sheet, text)) = board {
            let covered = [board.text.hides(which, &text, &board.window, size)];
            board.sheet.lay(which, plane, &sheet, &board.rect, 0.0, &covered);
            board.text.lay(which, plane, &text, &board.window, (seconds * 9.0) % board.period, &[]);
        }
        self.stage.grass.draw(which, plane, &self.view, camera, seconds);
        lamp::draw(which, plane, &self.view, seconds);
    }

    /// The head sways and nods; the chest rises and falls.
    fn bulges(&self, t: f32) -> [Bulge; 2] {
        let (x, y) = Stage::face(&self.view);
        let head = (4.5 * wave(t, 4.7, 0.0) + 2.0 * wave(t, 2.9, 1.0), 2.5 * wave(t, 3.7, 2.0));
        let chest = (0.8 * wave(t, 5.9, 0.5), 2.2 * wave(t, 4.1, 0.3));
        [
            Bulge { middle: (x, y), reach: (150.0, 170.0), shift: head },
            Bulge { middle: (x - 20.0, y + 330.0), reach: (230.0, 190.0), shift: chest },
        ]
    }
}

impl Source for Scene {
    fn name(&self) -> String {
        "built-in scene".to_owned()
    }

    fn size(&self) -> Size {
        self.size
    }

    fn fps(&self) -> f32 {
        self.fps
    }

    fn live(&self) -> bool {
        false
    }

    fn position(&self) -> Option<Duration> {
        let seconds = self.next.saturating_sub(1) as f64 / f64::from(self.fps);
        Duration::try_from_secs_f64(seconds).ok()
    }

    fn next(&mut self) -> Result<Event, SourceError> {
        let frame = self.draw(self.next);
        self.next += 1;
        Ok(Event::Frame(frame))
    }
}

/// A sine of the given period in seconds.
fn wave(t: f32, period: f32, phase: f32) -> f32 {
    (std::f32::consts::TAU * t / period + phase).sin()
}

/// A hand holds the camera: no part of the picture moves faster than about a third of a unit in a thirtieth of a second.
fn camera(t: f32) -> Camera {
    Camera {
        x: 4.0 * wave(t, 7.3, 0.0) + 1.8 * wave(t, 3.1, 1.0),
        y: 3.0 * wave(t, 6.1, 0.7) + 1.4 * wave(t, 2.7, 2.0),
        angle: 0.005 * wave(t, 9.7, 0.3) + 0.0015 * wave(t, 4.3, 1.3),
        zoom: 1.0 + 0.010 * wave(t, 13.0, 0.0),
    }
}

const FOLDS_PER_UNIT: f32 = 2.0;

/// How the curtain's folds stand.
fn folds(curtain: &Curtain, t: f32) -> Vec<Fold> {
    let fold = |i: usize| {
        let x = i as f32 / FOLDS_PER_UNIT;
        let phase = std::f32::consts::TAU * x / 62.0 + 0.9 * (x / 27.0 + 1.0).sin() + 0.3 * wave(t, 7.9, x / 60.0);
        let light = 0.80 + 0.26 * (phase + 0.7).cos() + 0.07 * (2.0 * phase).cos();
        Fold { aside: (3.6 * 1024.0 * phase.sin()) as i32, light: (light * 256.0) as i32 }
    };
    (0..(curtain.width * FOLDS_PER_UNIT) as usize).map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scene(size: &str) -> Scene {
        Scene::new(size.parse().unwrap(), 30.0).unwrap()
    }

    /// The mean difference of two planes, in codes.
    fn difference(a: &Plane, b: &Plane) -> f64 {
        let sum: u64 = a.data().iter().zip(b.data()).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
        sum as f64 / a.data().len() as f64
    }

    #[test]
    fn a_frame_is_the_same_whenever_and_by_whomever_it_is_drawn() {
        let (a, mut b) = (scene("322x242"), scene("322x242"));
        let third = a.draw(2);
        let mut next = || match b.next() {
            Ok(Event::Frame(frame)) => frame,
            other => panic!("{other:?}"),
        };
        let frames: Vec<Frame> = (0..3).map(|_| next()).collect();
        for (p, q) in third.planes().into_iter().zip(frames[2].planes()) {
            assert_eq!(p, q);
        }
        assert_eq!(frames.iter().map(|f| f.stamp.id).collect::<Vec<_>>(), [0, 1, 2]);
    }

    #[test]
    fn any_shape_and_size_can_be_drawn() {
        for size in ["1x1", "2x2", "16x16", "17x33", "321x239", "270x480", "640x360", "2000x60", "30x2000"] {
            let s = scene(size);
            for n in [0, 1, 100_000] {
                assert_eq!(s.draw(n).size().to_string(), size);
            }
        }
        assert_eq!(scene("1920x1080").draw(9).size().to_string(), "1920x1080");
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let new = |w, h, fps| Scene::new(Size::new(w, h).unwrap(), fps).map(|_| ()).unwrap_err().to_string();
        assert!(new(8192, 16, 30.0).contains("8192x16"));
        assert!(new(4000, 4000, 30.0).contains("2560x1600"));
        assert!(new(480, 360, 0.0).contains("frames a second"));
        assert!(new(480, 360, f32::NAN).contains("frames a second"));
    }

    #[test]
    fn it_moves_slowly_but_always() {
        let s = scene("480x360");
        for n in [0, 50, 1000, 54_000] {
            let (a, b, later) = (s.draw(n), s.draw(n + 1), s.draw(n + 45));
            let (step, far) = (difference(a.y(), b.y()), difference(a.y(), later.y()));
            assert!(step > 0.1 && step < 4.0, "frame {n}: {step}");
            assert!(far > 1.5 * step, "frame {n}: {step} then {far}");
        }
    }

    #[test]
    fn codes_stay_in_the_limited_range_and_all_is_there() {
        let f = scene("960x720").draw(30);
        assert!(f.y().data().iter().all(|v| (16..=235).contains(v)));
        assert!(f.u().data().iter().chain(f.v().data()).all(|v| (16..=240).contains(v)));
        // The suit is orange; the board is light; the curtain is dark and greenish.
        let at = |x: usize, y: usize| [f.y().row(y)[x], f.u().row(y / 2)[x / 2], f.v().row(y / 2)[x / 2]];
        let [_, u, v] = at(110, 580);
        assert!(u < 100 && v > 160, "{u} {v}");
        let bright = (600..880).filter(|&x| at(x, 300)[0] > 180).count();
        assert!(bright > 150, "{bright}");
    }
}
