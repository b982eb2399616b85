//! A picture of a network's cells on a plane.

use crate::{
    frame::Rgba,
    report::{
        ReportError,
        canvas::{Canvas, LINE},
        sheet_size,
    },
};

/// Pixels around a panel.
const GAP: usize = 10;
/// Each point is so many pixels wide and high.
const TIMES: usize = 2;

/// Windows of one network, one below the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Lines above.
    pub title: Vec<String>,
    /// Squares of points by the cell they lie in, as [`patterns`](super::plane::patterns) gives them.
    pub windows: Vec<Vec<u64>>,
}

/// Columns side by side; each point has the colour of its cell. `side` is how many points a window has on a side.
///
/// # Errors
/// When the picture would be too large.
pub fn cells(columns: &[Column], side: usize) -> Result<Rgba, ReportError> {
    let lines = columns.iter().map(|c| c.title.len()).max().unwrap_or(0);
    let windows = columns.iter().map(|c| c.windows.len()).max().unwrap_or(0);
    let panel = TIMES * side;
    let (width, height) = (GAP + (panel + GAP) * columns.len(), GAP + LINE * lines + (panel + GAP) * windows);
    let (mut canvas, points) = (Canvas::new(sheet_size(width, height)?)?, sheet_size(side, side)?);
    for (i, column) in columns.iter().enumerate() {
        let x = GAP + i * (panel + GAP);
        for (line, text) in column.title.iter().enumerate() {
            canvas.text(x, GAP / 2 + LINE * line, panel, text);
        }
        for (j, window) in column.windows.iter().enumerate() {
            let data = window.iter().flat_map(|key| colour(*key)).collect();
            canvas.put(x, GAP + LINE * lines + j * (panel + GAP), &Rgba { size: points, data }, TIMES);
        }
    }
    Ok(canvas.into_picture())
}

/// Light enough for two neighbours to differ, whatever they are.
fn colour(key: u64) -> [u8; 4] {
    let [r, g, b, ..] = key.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes();
    let light = |v: u8| 70 + v / 3 * 2;
    [light(r), light(g), light(b), 255]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_one_colour() {
        let column = Column { title: vec!["nano".into(), "12 cells".into()], windows: vec![vec![7, 7, 9, 7]; 2] };
        let picture = cells(&[column.clone(), column], 2).unwrap();
        let at = |x: usize, y: usize| &picture.data[4 * (y * picture.size.width() as usize + x)..][..4];
        let top = GAP + 2 * LINE;
        assert_eq!(at(GAP, top), at(GAP + 3, top + 1));
        assert_ne!(at(GAP, top), at(GAP, top + 2));
        assert_eq!(at(GAP, top), at(GAP + 3, top + 3));
        assert_eq!(at(GAP, top), at(2 * GAP + 4, top), "the next column is alike");
        assert_eq!(picture.size.to_string(), "38x78");
    }
}
