//! The players side by side: above where each sends the source's points from, below where to.

use super::{Player, PlayerRow, exact};
use crate::{
    frame::Rgba,
    lab::collapse::{Data, Target},
    report::{
        ReportError,
        canvas::{Canvas, LINE},
        sheet_size,
    },
};

/// The side of a tile and the gap beside it, in pixels.
const TILE: usize = 216;
const GAP: usize = 8;
/// Tiles in a row.
const COLUMNS: usize = 4;
/// Points that are drawn.
const SHOWN: usize = 1200;
/// Half the side of what is shown, of the source and, in the networks' units, of the data.
const HALF_SIDES: [f32; 2] = [3.0, 1.6];
/// What goes to the mode at (0, 0), to the other, and to between (Okabe and Ito's palette).
const COLOURS: [[u8; 3]; 3] = [[86, 180, 233], [230, 159, 0], [213, 94, 0]];

/// The figure.
///
/// # Errors
/// When the built-in font cannot be read.
pub fn figure(rows: &[PlayerRow]) -> Result<Rgba, ReportError> {
    let height = 3 * LINE + 2 * (TILE + GAP);
    let (width, all) = (GAP + COLUMNS.min(rows.len()) * (TILE + GAP), GAP + rows.len().div_ceil(COLUMNS) * height);
    let (mut canvas, target) = (Canvas::new(sheet_size(width, all)?)?, Target::new(Data::Two));
    for (i, row) in rows.iter().enumerate() {
        let (x, y) = (GAP + i % COLUMNS * (TILE + GAP), GAP + i / COLUMNS * height);
        canvas.text(x, y, TILE, row.player.name());
        let words = if row.player == Player::Exact {
            "from (above) and to (below)".to_owned()
        } else {
            format!("{:.0} % right, off by {:.1} sigma", 100.0 * row.mean.right, row.mean.rms)
        };
        canvas.text(x, y + LINE, TILE, &words);
        let [from, to] = &row.shown;
        let places = [(y + 2 * LINE + GAP / 2, from.clone()), (y + 2 * LINE + GAP + TILE, target.inward(to))];
        for ((top, points), half_side) in places.into_iter().zip(HALF_SIDES) {
            canvas.tile([x, top], TILE);
            for (i, point) in points.chunks_exact(2).enumerate().take(SHOWN) {
                // Above in the colour of where it goes to; below in that of where it should.
                let truth = exact([from[2 * i].into(), from[2 * i + 1].into()]).map(|v| v as f32);
                let place = target.place(if top < y + height / 2 { &to[2 * i..2 * i + 2] } else { &truth });
                let colour = COLOURS[if place.sigmas > 6.0 { 2 } else { place.mode }];
                let [px, py] = [point[0], -point[1]].map(|v| (v / half_side + 1.0) / 2.0 * TILE as f32);
                if [px, py].iter().all(|v| (2.0..TILE as f32 - 2.0).contains(v)) {
                    canvas.dot([x as f32 + px, top as f32 + py], 1.3, colour);
                }
            }
        }
    }
    Ok(canvas.into_picture())
}
