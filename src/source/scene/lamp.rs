//! A lamp that lights up once a second, at the same moment as the scene's tone: whether sound and picture belong
//! together can be seen and heard.

use std::time::Duration;

use super::layer::{Viewport, Which};
use crate::frame::Plane;

/// How long it is lit.
pub const LIT: Duration = Duration::from_millis(80);
/// When in each second it lights up.
const AT: f64 = 0.5;

/// Where it hangs, and how large it is, in units from the top left corner.
const MIDDLE: (f32, f32) = (36.0, 36.0);
const RADIUS: f32 = 14.0;
/// A warm white, in codes of limited range.
const LIGHT: [f32; 3] = [225.0, 104.0, 144.0];

/// Which second's beat there is at a moment of the scene, and how far it is through, from 0 to 1; none in between.
pub fn beat_at(seconds: f64) -> Option<(i64, f64)> {
    if !seconds.is_finite() {
        return None;
    }
    let since = seconds - AT;
    let share = since.rem_euclid(1.0) / LIT.as_secs_f64();
    (share < 1.0).then_some((since.floor() as i64, share))
}

/// Draws it into one plane, if it is lit.
pub(super) fn draw(which: Which, plane: &mut Plane, view: &Viewport, seconds: f32) {
    if beat_at(seconds.into()).is_none() {
        return;
    }
    let scale = view.scale / which.step();
    let (x, y, radius) = (MIDDLE.0 * scale, MIDDLE.1 * scale, RADIUS * scale);
    let light = LIGHT[match which {
        Which::Y => 0,
        Which::U => 1,
        Which::V => 2,
    }];
    let (width, height) = (plane.width(), plane.height());
    let bounds = |middle: f32, most: usize| {
        let from = (middle - radius - 1.0).max(0.0) as usize;
        from.min(most)..((middle + radius + 2.0) as usize).min(most)
    };
    for row in bounds(y, height) {
        for column in bounds(x, width) {
            let (dx, dy) = (column as f32 + 0.5 - x, row as f32 + 0.5 - y);
            // The edge takes a pixel.
            let share = (radius - dx.hypot(dy) + 0.5).clamp(0.0, 1.0);
            let sample = &mut plane.row_mut(row)[column];
            *sample = (f32::from(*sample) * (1.0 - share) + light * share).round() as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_lit_for_its_time_in_each_second() {
        assert_eq!(beat_at(0.5), Some((0, 0.0)));
        let (second, share) = beat_at(6.54).unwrap();
        assert!(second == 6 && (share - 0.5).abs() < 1e-9);
        for dark in [0.0, 0.49, 0.5801, 1.0, f64::NAN, f64::INFINITY] {
            assert_eq!(beat_at(dark), None, "{dark}");
        }
        assert_eq!(beat_at(-0.5).unwrap().0, -1);
    }

    #[test]
    fn what_is_lit_is_bright_and_nothing_else_changes() {
        let view = Viewport::new("480x360".parse().unwrap());
        let dark = Plane::filled(480, 360, 60);
        let mut lit = dark.clone();
        draw(Which::Y, &mut lit, &view, 0.3);
        assert_eq!(lit, dark);
        draw(Which::Y, &mut lit, &view, 2.55);
        assert_eq!((lit.row(18)[18], lit.row(18)[60], lit.row(60)[18]), (225, 60, 60));
        // π · 7² pixels of a picture at half the units.
        let bright = lit.data().iter().filter(|v| **v > 200).count();
        assert!((140..160).contains(&bright), "{bright}");
    }

    #[test]
    fn it_fits_into_pictures_of_any_size() {
        for (width, height) in [(1, 1), (3, 200), (200, 3), (16, 16)] {
            let view = Viewport::new(crate::frame::Size::new(width, height).unwrap());
            let mut plane = Plane::filled(width as usize, height as usize, 60);
            draw(Which::Y, &mut plane, &view, 0.5);
        }
    }
}
