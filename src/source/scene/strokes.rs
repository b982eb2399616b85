//! Dry grass in a pot: many thin, curved strokes that sway, drawn anew for each frame.

use super::layer::{Camera, Viewport, Which};
use crate::frame::Plane;

/// How much nearer than the wall the grass stands.
const PARALLAX: f32 = 1.5;
const BLADES: u32 = 170;

/// A number between 0 and 1 that depends on `i` only.
pub(super) fn chance(i: u32) -> f32 {
    let mut h = i.wrapping_add(0x9E37_79B9).wrapping_mul(0x85EB_CA6B);
    h = (h ^ (h >> 15)).wrapping_mul(0xC2B2_AE35);
    h = (h ^ (h >> 13)).wrapping_mul(0x27D4_EB2F);
    ((h ^ (h >> 16)) >> 8) as f32 / (1 << 24) as f32
}

/// A blade of grass: from its root upwards, leaning more and more.
struct Blade {
    root: f32,
    length: f32,
    lean: f32,
    width: f32,
    phase: f32,
    /// Y, Cb, Cr.
    colour: [u8; 3],
}

/// A bunch of blades, those in front last.
pub(super) struct Strokes {
    blades: Vec<Blade>,
    ground: f32,
}

impl Strokes {
    /// Rooted about `x` on the ground at `y`.
    pub(super) fn new(x: f32, y: f32) -> Self {
        // Straw, olive, dark brown, pale gold: codes of BT.601, limited range.
        const COLOURS: [[u8; 3]; 5] =
            [[150, 100, 142], [104, 108, 130], [62, 120, 138], [186, 104, 136], [84, 110, 124]];
        let blade = |i: u32| {
            let c = |k: u32| chance(i * 8 + k);
            let lean = (c(0) + c(1) - 1.0) * 0.9;
            Blade {
                root: x + (c(2) + c(3) - 1.0) * 44.0 + lean * 16.0,
                length: 130.0 + 150.0 * c(4) * (1.0 - 0.4 * lean.abs()),
                lean,
                width: 0.9 + 1.5 * c(5) * c(5),
                phase: 6.3 * c(6),
                colour: COLOURS[(c(7) * 5.0) as usize % 5],
            }
        };
        Self { blades: (0..BLADES).map(blade).collect(), ground: y }
    }

    /// Draws them into one plane as they stand `seconds` after the start.
    pub(super) fn draw(&self, which: Which, plane: &mut Plane, view: &Viewport, camera: &Camera, seconds: f32) {
        let per_unit = view.scale / which.step();
        let channel = which as usize;
        let (dx, dy) = (-camera.x * PARALLAX - view.left, -camera.y * PARALLAX);
        let ground = (self.ground + dy) * per_unit;
        for blade in &self.blades {
            let length = blade.length * per_unit;
            let sway = 7.0 * (seconds * 0.9 + blade.phase * 0.35).sin() + 2.5 * (seconds * 2.1 + blade.phase).sin();
            let bend = blade.lean * blade.length;
            let root = (blade.root + dx) * per_unit;
            let first = (ground - length).max(0.0) as usize;
            let last = (ground.max(0.0) as usize).min(plane.height());
            for j in first..last {
                // 0 at the root, 1 at the tip.
                let s = (ground - (j as f32 + 0.5)) / length;
                if s > 1.0 {
                    continue;
                }
                let x = root + (bend * s * s + sway * s * s) * per_unit;
                let slope = 2.0 * s * (bend + sway) * per_unit / length;
                let width = blade.width * per_unit * (1.0 - 0.8 * s) * (1.0 + slope * slope).sqrt();
                // Light falls on the tips; the foot of the bunch is dark.
                let light = if which == Which::Y { 0.45 + 0.65 * s.sqrt() } else { 1.0 };
                let value = f32::from(blade.colour[channel]) * light;
                cover(plane.row_mut(j), x - width / 2.0, x + width / 2.0, value);
            }
        }
    }
}

/// Mixes `value` into the samples between two places, by how much of each they cover.
fn cover(row: &mut [u8], from: f32, to: f32, value: f32) {
    if to <= 0.0 {
        return;
    }
    let first = from.max(0.0) as usize;
    let last = (to.ceil() as usize).min(row.len());
    for (i, sample) in row.iter_mut().enumerate().take(last).skip(first) {
        let share = (to.min(i as f32 + 1.0) - from.max(i as f32)).clamp(0.0, 1.0);
        let old = f32::from(*sample);
        *sample = (old + (value - old) * share + 0.5) as u8;
    }
}
