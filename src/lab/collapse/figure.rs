//! What the generators made, as pictures: a strip over the steps, and a film's pictures.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::{
    FILM, Row, STRIP, Shot, Study,
    data::{Data, Target},
    digits,
};
use crate::{
    frame::{Rgba, Size},
    report::{
        ReportError,
        canvas::{Canvas, LINE},
        sheet_size,
    },
};

/// The side of a tile, the gap beside it and the room for a name, in pixels.
const TILE: usize = 132;
const GAP: usize = 6;
const NAMES: usize = 262;
/// Tiles in a row of a film's picture.
const COLUMNS: usize = 4;
/// Digits on a side of a tile.
const DIGITS: usize = 5;
/// Half the side of what a tile shows of the plane, in the networks' units.
const HALF_SIDE: f32 = 1.6;
/// Within 3σ of a mode, between, and in no man's land (Okabe and Ito's palette); true samples lie below.
const COLOURS: [[u8; 3]; 3] = [[86, 180, 233], [230, 159, 0], [213, 94, 0]];
const TRUE: [u8; 3] = [74, 76, 82];

/// The strip: a row for each recipe, a column for each look at it.
///
/// # Errors
/// When the built-in font cannot be read.
pub fn strip(study: &Study) -> Result<Rgba, ReportError> {
    let columns = STRIP.len();
    let size = pixels(NAMES + columns * (TILE + GAP), 2 * GAP + LINE + study.rows.len() * (TILE + GAP))?;
    let (mut canvas, target) = (Canvas::new(size)?, Target::new(study.data));
    let ground = ground(&target);
    if study.data != Data::Digits {
        canvas.text(GAP, GAP, NAMES - GAP, "blue: good, yellow: near, red: lost");
    }
    for (column, part) in STRIP.iter().enumerate() {
        let step = (part * study.steps as f64) as u64;
        canvas.text(NAMES + column * (TILE + GAP), GAP, TILE, &format!("step {step}"));
        for (r, row) in study.rows.iter().enumerate() {
            let (x, y) = (NAMES + column * (TILE + GAP), 2 * GAP + LINE + r * (TILE + GAP));
            // What was not trained has no steps, and stands once, at the end.
            let shot = row.shots.iter().find(|s| s.step == step);
            let Some(shot) = shot.filter(|_| row.value.is_some() || column + 1 == columns) else { continue };
            draw(&mut canvas, [x, y], &target, &ground, shot);
        }
    }
    for (r, row) in study.rows.iter().enumerate() {
        let y = 2 * GAP + LINE + r * (TILE + GAP) + TILE / 2 - 3 * LINE / 2;
        canvas.text(GAP, y, NAMES - GAP, row.name);
        for (line, text) in words(study, row).iter().enumerate() {
            canvas.text(2 * GAP, y + (line + 1) * LINE, NAMES - 2 * GAP, text);
        }
    }
    Ok(canvas.into_picture())
}

/// What a row came to, in two lines.
fn words(study: &Study, row: &Row) -> [String; 2] {
    let m = &row.mean;
    let lost = format!("{:.0} % good, {:.1} % lost", 100.0 * m.good, 100.0 * m.lost);
    [format!("{:.1} of {} modes, KL {:.2}", m.modes, study.modes, m.kl), lost]
}

/// How many pictures the film has.
pub fn film_length(study: &Study) -> u64 {
    FILM.min(study.steps) + 1
}

/// Picture `i` of the film: each recipe as it stands then, and at the end what needs no training.
///
/// # Errors
/// When the built-in font cannot be read.
pub fn film(study: &Study, i: u64) -> Result<Rgba, ReportError> {
    let rows = study.rows.len().div_ceil(COLUMNS);
    let step_x = 260;
    let size = pixels(COLUMNS * step_x, LINE + 2 * GAP + rows * (TILE + LINE + GAP))?;
    let (mut canvas, target) = (Canvas::new(size)?, Target::new(study.data));
    let ground = ground(&target);
    let step = i * study.steps / FILM.min(study.steps).max(1);
    canvas.text(GAP, GAP, size.width() as usize, &format!("step {step} of {}", study.steps));
    for (n, row) in study.rows.iter().enumerate() {
        let (x, y) = (GAP + n % COLUMNS * step_x, LINE + 2 * GAP + n / COLUMNS * (TILE + LINE + GAP));
        canvas.text(x, y, step_x - GAP, row.name);
        if let Some(shot) = row.shots.iter().rev().find(|s| s.step <= step).or(row.shots.first()) {
            draw(&mut canvas, [x, y + LINE], &target, &ground, shot);
        }
    }
    Ok(canvas.into_picture())
}

fn pixels(width: usize, height: usize) -> Result<Size, ReportError> {
    // Sides are even, as a video has them.
    sheet_size(width.next_multiple_of(2), height.next_multiple_of(2))
}

/// True samples to lie below what was made; of digits none.
fn ground(target: &Target) -> Vec<f32> {
    if target.data == Data::Digits { Vec::new() } else { target.draw(300, &mut ChaCha8Rng::seed_from_u64(0)) }
}

/// A tile with its upper left corner there.
fn draw(canvas: &mut Canvas, [x, y]: [usize; 2], target: &Target, ground: &[f32], shot: &Shot) {
    canvas.tile([x, y], TILE);
    if target.data == Data::Digits {
        let step = TILE / DIGITS;
        for (i, digit) in shot.samples.chunks_exact(target.values()).take(DIGITS * DIGITS).enumerate() {
            let Ok(size) = pixels(digits::SIDE, digits::SIDE) else { return };
            let grey = |v: &f32| [((v.clamp(0.0, 1.0) * 255.0) as u8); 3];
            let data = digit
                .iter()
                .flat_map(|v| {
                    let [r, g, b] = grey(v);
                    [r, g, b, 255]
                })
                .collect();
            canvas.put(x + 2 + i % DIGITS * step, y + 2 + i / DIGITS * step, &Rgba { size, data }, step / digits::SIDE);
        }
        return;
    }
    let mut points = |samples: &[f32], radius: f32, colour: &dyn Fn(&[f32]) -> [u8; 3]| {
        for (inward, sample) in target.inward(samples).chunks_exact(2).zip(samples.chunks_exact(2)) {
            let [px, py] = [inward[0], -inward[1]].map(|v| (v / HALF_SIDE + 1.0) / 2.0 * TILE as f32);
            let inside = |v: f32| (radius..TILE as f32 - radius).contains(&v);
            if inside(px) && inside(py) {
                canvas.dot([x as f32 + px, y as f32 + py], radius, colour(sample));
            }
        }
    };
    points(ground, 0.9, &|_| TRUE);
    points(&shot.samples, 1.2, &|sample| {
        let sigmas = target.place(sample).sigmas;
        COLOURS[usize::from(sigmas > 3.0) + usize::from(sigmas > 6.0)]
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::collapse::{Config, run};

    #[test]
    fn dots_have_the_colour_of_where_they_lie() {
        let target = Target::new(Data::Two);
        let colours = |sample: [f32; 2]| {
            let mut canvas = Canvas::new(pixels(TILE, TILE).unwrap()).unwrap();
            draw(&mut canvas, [0, 0], &target, &[], &Shot { step: 0, samples: sample.repeat(3) });
            let picture = canvas.into_picture();
            let seen = |c: &[u8; 3]| picture.data.chunks(4).any(|p| p[..3] == *c);
            COLOURS.map(|c| seen(&c))
        };
        assert_eq!(colours([0.0, 0.0]), [true, false, false]);
        assert_eq!(colours([44.0, 40.0]), [false, true, false]);
        assert_eq!(colours([20.0, 20.0]), [false, false, true]);
        assert_eq!(colours([900.0, f32::NAN]), [false; 3], "far outside nothing is drawn");
    }

    #[test]
    fn strip_and_film_show_every_recipe() {
        for data in [Data::Ring, Data::Digits] {
            let config = Config { data, steps: 3, seeds: 1, seed: 1, tangent: 1e-7, film: true };
            let study = run(&config, &|_| ()).unwrap();
            let strip = strip(&study).unwrap();
            assert_eq!(strip.size.height() as usize, 2 * GAP + LINE + study.rows.len() * (TILE + GAP));
            assert_eq!(film_length(&study), 4);
            let (first, last) = (film(&study, 0).unwrap(), film(&study, 3).unwrap());
            assert!(first.size == last.size && first.data != last.data);
        }
    }
}
