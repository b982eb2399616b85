//! Separable filters that make a fixed number of pixels from each, row by row.

/// `P` output pixels for each input pixel, `T` weights for each of them.
///
/// Output `P·k + p` is the sum of `taps[p][t]` times input `k + first[p] + t`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Phases<const P: usize, const T: usize> {
    pub(crate) first: [isize; P],
    pub(crate) taps: [[f32; T]; P],
}

/// How many pixels any filter of the program looks beyond an edge.
pub(crate) const REACH: usize = 3;

impl<const P: usize, const T: usize> Phases<P, T> {
    /// One phase of a row: `out[k]` from `row[k + REACH + first ..]`, where `row` begins [`REACH`] pixels
    /// left of the picture and is at least `2·REACH` longer than `out`.
    pub(crate) fn across(&self, p: usize, row: &[f32], out: &mut [f32]) {
        let start = REACH.saturating_add_signed(self.first[p]);
        let taps = self.taps[p];
        weighted(taps, std::array::from_fn(|t| &row[start + t..]), out);
    }

    /// The first of the rows that output row `y` is made of (it may lie outside), and their weights.
    pub(crate) fn down(&self, y: usize) -> (isize, [f32; T]) {
        let p = y % P;
        ((y / P) as isize + self.first[p], self.taps[p])
    }
}

/// `out[x]` is the sum of `taps[t]` times `rows[t][x]`.
pub(crate) fn weighted<const T: usize>(taps: [f32; T], rows: [&[f32]; T], out: &mut [f32]) {
    let n = out.len();
    let rows = rows.map(|r| &r[..n]);
    for x in 0..n {
        let mut sum = 0.0;
        for t in 0..T {
            sum += taps[t] * rows[t][x];
        }
        out[x] = sum;
    }
}

/// A row's codes divided by 255, with the edge pixels repeated `reach` times on each side; what is left of
/// `out` repeats the right edge too.
pub(crate) fn extend(codes: &[u8], reach: usize, out: &mut [f32]) {
    let value = |code: u8| f32::from(code) * (1.0 / 255.0);
    let (left, rest) = out.split_at_mut(reach);
    let (middle, right) = rest.split_at_mut(codes.len());
    for (v, &code) in middle.iter_mut().zip(codes) {
        *v = value(code);
    }
    left.fill(codes.first().map_or(0.0, |&c| value(c)));
    right.fill(codes.last().map_or(0.0, |&c| value(c)));
}

/// The rows of a plane after a filter across, kept while the filter down needs them.
///
/// Rows are asked for by their number in the picture, which may lie outside: then it is the edge row.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    data: Vec<f32>,
    length: usize,
    /// Which row each place holds.
    held: [Option<isize>; Self::KEPT],
}

impl Rows {
    /// The tallest filter takes six rows.
    const KEPT: usize = 8;

    /// Forgets everything; rows will be `length` long.
    pub(crate) fn start(&mut self, length: usize) {
        self.length = length;
        self.data.resize(length * Self::KEPT, 0.0);
        self.held = [None; Self::KEPT];
    }

    /// Makes sure that `count` rows from `first` on are there; `make` fills in one that is not.
    pub(crate) fn fetch(&mut self, first: isize, count: usize, mut make: impl FnMut(isize, &mut [f32])) {
        for row in first..first + count as isize {
            let place = Self::place(row);
            if self.held[place] != Some(row) {
                make(row, &mut self.data[place * self.length..][..self.length]);
                self.held[place] = Some(row);
            }
        }
    }

    /// `T` rows from `first` on, which [`fetch`](Self::fetch) has been asked for last.
    pub(crate) fn get<const T: usize>(&self, first: isize) -> [&[f32]; T] {
        std::array::from_fn(|t| &self.data[Self::place(first + t as isize) * self.length..][..self.length])
    }

    fn place(row: isize) -> usize {
        row.rem_euclid(Self::KEPT as isize) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_made_once_and_then_kept() {
        let mut rows = Rows::default();
        rows.start(1);
        let mut made = Vec::new();
        for first in -2..4 {
            rows.fetch(first, 4, |row, out| {
                made.push(row);
                out[0] = row as f32;
            });
            assert_eq!(rows.get::<4>(first).map(|r| r[0] as isize), [0, 1, 2, 3].map(|t| first + t));
        }
        assert_eq!(made, (-2..7).collect::<Vec<_>>());
    }

    #[test]
    fn edges_are_repeated() {
        let mut out = [9.0; 7];
        extend(&[0, 255], 2, &mut out);
        assert_eq!(out, [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    }
}
