//! The pieces of a network on a plane through its inputs: counted exactly, and painted.
//!
//! A place (u, v) of the plane is the input `origin + u · first + v · second`. On a convex polygon of it on which no
//! unit of the layers so far switches, what the next layer's units add up is affine in (u, v), so that each cuts the
//! polygon along a straight line or not at all. The parts are followed one after another to the last layer.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use rayon::prelude::*;

use super::network::Network;

/// A part beyond a cut counts if its corners lie further than this behind it, in units of the plane.
const NEAR: f64 = 1e-12;

/// A plane through a network's inputs.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// Where u and v are 0.
    pub origin: Vec<f64>,
    /// One unit of u.
    pub first: Vec<f64>,
    /// One unit of v.
    pub second: Vec<f64>,
}

impl Slice {
    /// Through three inputs, at (0, 0), (1, 0) and (0, 1).
    pub fn through([a, b, c]: [&[f64]; 3]) -> Self {
        let way = |to: &[f64]| to.iter().zip(a).map(|(to, from)| to - from).collect();
        Self { origin: a.to_vec(), first: way(b), second: way(c) }
    }
}

/// A window of a slice: its lower corner, and its width and height.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Window {
    /// u and v of its corner.
    pub corner: [f64; 2],
    /// In both directions.
    pub side: f64,
}

/// A corner of a polygon, (u, v).
type Point = [f64; 2];

/// Counts the cells of a window on which no unit switches. None: they are more than `limit`.
pub fn cells(network: &Network, slice: &Slice, window: Window, limit: usize) -> Option<usize> {
    let Window { corner: [u, v], side } = window;
    let square = vec![[u, v], [u + side, v], [u + side, v + side], [u, v + side]];
    let columns: Vec<f64> =
        (0..slice.origin.len()).flat_map(|i| [slice.origin[i], slice.first[i], slice.second[i]]).collect();
    let mut left = limit;
    count(network, 0, square, &columns, &mut left)
}

/// The cells of a polygon behind the layers from `layer` on. `inputs` are `[input][constant, by u, by v]`.
fn count(network: &Network, layer: usize, polygon: Vec<Point>, inputs: &[f64], left: &mut usize) -> Option<usize> {
    if layer + 1 == network.layers().len() {
        *left = left.checked_sub(1)?;
        return Some(1);
    }
    let this = &network.layers()[layer];
    let mut sums = this.products(inputs, 3);
    for (unit, sum) in sums.chunks_exact_mut(3).enumerate() {
        sum[0] += this.bias(unit);
    }
    let mut parts = vec![polygon];
    for sum in sums.chunks_exact(3) {
        parts = parts.into_iter().flat_map(|part| cut(part, [sum[0], sum[1], sum[2]])).flatten().collect();
        if parts.len() > *left {
            return None;
        }
    }
    let mut cells = 0;
    for part in parts {
        let [u, v] = middle(&part);
        let behind = sums.chunks_exact(3).flat_map(|s| {
            let on = s[0] + u * s[1] + v * s[2] > 0.0;
            [s[0], s[1], s[2]].map(|x| if on { x } else { 0.0 })
        });
        let behind: Vec<f64> = behind.collect();
        cells += count(network, layer + 1, part, &behind, left)?;
    }
    Some(cells)
}

/// The two sides of a polygon where a + b·u + c·v changes its sign in it; else the polygon.
fn cut(polygon: Vec<Point>, [a, b, c]: [f64; 3]) -> [Option<Vec<Point>>; 2] {
    let length = b.hypot(c);
    let away: Vec<f64> = polygon.iter().map(|[u, v]| (a + b * u + c * v) / length).collect();
    let (most, least) = away.iter().fold((f64::MIN, f64::MAX), |(m, l), d| (m.max(*d), l.min(*d)));
    if length == 0.0 || !(most > NEAR && least < -NEAR) {
        return [Some(polygon), None];
    }
    let (mut above, mut below) = (Vec::new(), Vec::new());
    for i in 0..polygon.len() {
        let j = (i + 1) % polygon.len();
        if away[i] >= 0.0 {
            above.push(polygon[i]);
        }
        if away[i] <= 0.0 {
            below.push(polygon[i]);
        }
        if (away[i] > 0.0 && away[j] < 0.0) || (away[i] < 0.0 && away[j] > 0.0) {
            let share = away[i] / (away[i] - away[j]);
            let between = [0, 1].map(|k| polygon[i][k] + share * (polygon[j][k] - polygon[i][k]));
            above.push(between);
            below.push(between);
        }
    }
    [Some(above), Some(below)]
}

/// A point inside a convex polygon.
fn middle(polygon: &[Point]) -> Point {
    let n = polygon.len() as f64;
    [0, 1].map(|k| polygon.iter().map(|p| p[k]).sum::<f64>() / n)
}

/// A window as a picture of `side` × `side` points, row by row, v growing upwards: for each a number that says which
/// units are on there. Points of one cell have one number, those of others another.
pub fn patterns(network: &Network, slice: &Slice, window: Window, side: usize) -> Vec<u64> {
    let row = |row: usize| {
        let share = |i: usize| (i as f64 + 0.5) / side as f64;
        let v = window.corner[1] + window.side * share(side - 1 - row);
        let us: Vec<f64> = (0..side).map(|i| window.corner[0] + window.side * share(i)).collect();
        let mut values = Vec::with_capacity(slice.origin.len() * side);
        for ((origin, first), second) in slice.origin.iter().zip(&slice.first).zip(&slice.second) {
            values.extend(us.iter().map(|u| origin + u * first + v * second));
        }
        let (mut keys, mut unit) = (vec![0_u64; side], 0_u64);
        for layer in network.layers().iter().take(network.layers().len() - 1) {
            values = layer.sums(&values, side);
            for values in values.chunks_exact_mut(side) {
                let key = BuildHasherDefault::<DefaultHasher>::default().hash_one(unit);
                unit += 1;
                for (of, value) in keys.iter_mut().zip(values) {
                    if *value > 0.0 {
                        *of ^= key;
                    } else {
                        *value = 0.0;
                    }
                }
            }
        }
        keys
    };
    (0..side).into_par_iter().flat_map_iter(row).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{super::network::tests::random, *};
    use crate::{
        lab::complexity::line,
        model::{Model, Widths},
    };

    fn plain() -> Slice {
        Slice { origin: vec![0.0; 2], first: vec![1.0, 0.0], second: vec![0.0, 1.0] }
    }

    const LARGE: Window = Window { corner: [-1e4, -1e4], side: 2e4 };

    #[test]
    fn lines_cut_the_plane_by_hand() {
        // x = ¼, y = ¼, x = y + ½ cut the unit square into six; one of the plane's seven parts lies outside of it.
        let first = (2, 3, &[1.0, 0.0, 0.0, 1.0, 1.0, -1.0][..], &[-0.25, -0.25, -0.5][..]);
        let network = Network::dense([first, (3, 1, &[1.0; 3], &[0.0])]).unwrap();
        let unit = Window { corner: [0.0, 0.0], side: 1.0 };
        assert_eq!(cells(&network, &plain(), unit, 100), Some(6));
        assert_eq!(cells(&network, &plain(), LARGE, 100), Some(7));
        assert_eq!(cells(&network, &plain(), LARGE, 6), None, "more than that");
        assert_eq!(cells(&network, &plain(), Window { corner: [0.5, 0.9], side: 0.05 }, 100), Some(1));
        // Behind a layer that is off there is nothing to cut.
        let off = (2, 2, &[1.0, 0.0, 0.0, 1.0][..], &[-5.0, -5.0][..]);
        let network = Network::dense([off, (2, 2, &[1.0; 4], &[1.0, -1.0]), (2, 1, &[1.0; 2], &[0.0])]).unwrap();
        assert_eq!(cells(&network, &plain(), unit, 100), Some(1));
    }

    #[test]
    fn random_networks_have_no_more_cells_than_the_bounds() {
        // One layer of lines in general position reaches the bound.
        for seed in 0..4 {
            assert_eq!(cells(&random(&[2, 7, 1], seed), &plain(), LARGE, 1000), Some(1 + 7 + 21), "{seed}");
        }
        let mut most = 0.0_f64;
        for (seed, widths) in
            (0..40).zip([&[2, 3, 3, 1][..], &[2, 2, 5, 4, 1], &[2, 4, 4, 4, 2], &[2, 6, 1, 3, 1]].iter().cycle())
        {
            let network = random(widths, seed);
            let counted = cells(&network, &plain(), LARGE, 1 << 20).unwrap();
            let bound = network.widths().unwrap().log2_at_most();
            assert!((counted as f64).log2() <= bound + 1e-9, "{widths:?} {seed}: {counted}");
            most = most.max((counted as f64).log2() / bound);
            // And no line through it meets more pieces than there are cells.
            let across = line::pieces(&network, &[-1e4, -8e3], &[1e4, 9e3]);
            assert!(across.patterns <= counted, "{across:?} {counted}");
        }
        assert!(most > 0.5, "some come near: {most}");
    }

    #[test]
    fn a_painted_window_has_the_cells_that_are_counted() {
        let network = random(&[2, 5, 5, 1], 3);
        let window = Window { corner: [-2.0, -2.0], side: 4.0 };
        let counted = cells(&network, &plain(), window, 1000).unwrap();
        let painted: HashSet<u64> = patterns(&network, &plain(), window, 512).into_iter().collect();
        // Very small cells may lie between the points; two cells apart may have one pattern.
        assert!(painted.len() <= counted && painted.len() + 3 >= counted, "{} {counted}", painted.len());
        // The first row is the upper one.
        let network = Network::dense([(2, 1, &[0.0, 1.0][..], &[0.0][..]), (1, 1, &[1.0], &[0.0])]).unwrap();
        let rows = patterns(&network, &plain(), Window { corner: [-1.0, -1.0], side: 2.0 }, 2);
        assert!(rows[0] == rows[1] && rows[0] != 0 && rows[2..] == [0, 0], "{rows:?}");
    }

    #[test]
    fn a_plane_through_patches_of_a_convolution() {
        let network = Network::of_pixel(Model::untrained(2, 0, 3).unwrap().layers());
        let patch = |seed: usize| (0..25).map(|i| ((i * 7 + seed * 13) % 19) as f64 / 19.0).collect::<Vec<f64>>();
        let [a, b, c] = [1, 2, 5].map(patch);
        let slice = Slice::through([&a, &b, &c]);
        let counted = cells(&network, &slice, Window { corner: [0.0, 0.0], side: 1.0 }, 10_000).unwrap();
        let bound: Widths = network.widths().unwrap().sliced(2);
        assert!(counted > 1 && (counted as f64).log2() <= bound.log2_at_most(), "{counted}");
        // Along its lower edge lie the pieces of the line between the first two.
        assert!(line::pieces(&network, &a, &b).patterns <= counted);
    }
}
