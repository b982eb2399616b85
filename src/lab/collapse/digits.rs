//! Digits as a pen would write them: strokes with jitter, on a square of a few pixels.

use std::f32::consts::{PI, TAU};

use rand::Rng;

use crate::lab::transport::targets::normal;

/// Pixels on a side.
pub(super) const SIDE: usize = 12;
/// The ten classes.
pub(super) const CLASSES: usize = 10;
/// Half the width of a stroke, in parts of the square.
const PEN: f32 = 0.045;
/// From ink to paper, in parts of the square.
const SOFT: f32 = 0.06;

type Stroke = Vec<[f32; 2]>;

/// An arc of an ellipse around (x, y), from one angle to another, clockwise on the paper from the right.
fn arc([x, y]: [f32; 2], [rx, ry]: [f32; 2], from: f32, to: f32) -> Stroke {
    let points = (0..=12).map(|i| from + (to - from) * i as f32 / 12.0);
    points.map(|a| [x + rx * a.cos(), y + ry * a.sin()]).collect()
}

/// A digit's strokes in the unit square, y downwards.
fn strokes(class: usize) -> Vec<Stroke> {
    let join = |a: Stroke, b: &[[f32; 2]]| [a, b.to_vec()].concat();
    match class {
        0 => vec![arc([0.5, 0.5], [0.22, 0.34], 0.0, TAU)],
        1 => vec![vec![[0.38, 0.28], [0.52, 0.16], [0.52, 0.84]]],
        2 => vec![join(arc([0.5, 0.34], [0.2, 0.18], -PI, 0.25 * PI), &[[0.3, 0.84], [0.72, 0.84]])],
        3 => vec![
            arc([0.48, 0.33], [0.19, 0.17], -0.8 * PI, 0.5 * PI),
            arc([0.48, 0.67], [0.22, 0.17], -0.5 * PI, 0.8 * PI),
        ],
        4 => vec![vec![[0.58, 0.16], [0.28, 0.62], [0.74, 0.62]], vec![[0.6, 0.42], [0.6, 0.84]]],
        5 => vec![join(
            vec![[0.68, 0.16], [0.36, 0.16], [0.33, 0.46]],
            &arc([0.47, 0.63], [0.22, 0.21], -0.6 * PI, 0.8 * PI),
        )],
        6 => vec![join(vec![[0.62, 0.16], [0.4, 0.38]], &arc([0.5, 0.65], [0.2, 0.19], -PI, PI))],
        7 => vec![vec![[0.29, 0.16], [0.71, 0.16], [0.43, 0.84]]],
        8 => vec![arc([0.5, 0.33], [0.17, 0.17], 0.0, TAU), arc([0.5, 0.67], [0.2, 0.17], 0.0, TAU)],
        _ => vec![join(arc([0.5, 0.35], [0.19, 0.19], 0.0, TAU), &[[0.69, 0.4], [0.6, 0.84]])],
    }
}

/// Appends a digit of this class: `SIDE`² values from 0 (paper) to 1 (ink), row by row.
pub(super) fn draw(class: usize, rng: &mut impl Rng, out: &mut Vec<f32>) {
    let mut jitter = |deviation: f64| (deviation * normal(rng).clamp(-2.5, 2.5)) as f32;
    let (turn, slant, size) = (jitter(0.07), jitter(0.1), [1.0 + jitter(0.07), 1.0 + jitter(0.06)]);
    let (shift, pen) = ([jitter(0.025), jitter(0.025)], PEN * (1.0 + jitter(0.15)));
    let (sin, cos) = turn.sin_cos();
    let moved = |[x, y]: [f32; 2], by: [f32; 2]| {
        let (x, y) = ((x - 0.5) * size[0], (y - 0.5) * size[1]);
        let x = x - slant * y;
        [0.5 + cos * x - sin * y + shift[0] + by[0], 0.5 + sin * x + cos * y + shift[1] + by[1]]
    };
    let lines: Vec<Stroke> = strokes(class)
        .into_iter()
        .map(|stroke| stroke.into_iter().map(|p| moved(p, [jitter(0.006), jitter(0.006)])).collect())
        .collect();
    for i in 0..SIDE * SIDE {
        let at = [(i % SIDE) as f32 + 0.5, (i / SIDE) as f32 + 0.5].map(|v| v / SIDE as f32);
        let near = lines.iter().flat_map(|line| line.windows(2)).map(|pair| distance(at, pair[0], pair[1]));
        let near = near.fold(f32::INFINITY, f32::min);
        out.push((1.0 - (near - pen) / SOFT).clamp(0.0, 1.0));
    }
}

/// From a point to the line between two others.
fn distance(p: [f32; 2], a: [f32; 2], b: [f32; 2]) -> f32 {
    let (ab, ap) = ([b[0] - a[0], b[1] - a[1]], [p[0] - a[0], p[1] - a[1]]);
    let along = (ap[0] * ab[0] + ap[1] * ab[1]) / (ab[0] * ab[0] + ab[1] * ab[1]).max(1e-12);
    let along = along.clamp(0.0, 1.0);
    (ap[0] - along * ab[0]).hypot(ap[1] - along * ab[1])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_one_is_ink_on_a_line_and_an_eight_has_two_holes() {
        let mut digits = Vec::new();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        (0..CLASSES).for_each(|class| draw(class, &mut rng, &mut digits));
        assert!(digits.iter().all(|v| (0.0..=1.0).contains(v)));
        let ink = |class: usize| digits[class * SIDE * SIDE..][..SIDE * SIDE].iter().sum::<f32>();
        assert!((0..CLASSES).all(|class| ink(class) >= ink(1) && ink(class) > 5.0 && ink(class) < 70.0));
        // Paper that paper does not reach from the edge is a hole.
        let holes = |class: usize| {
            let paper: Vec<bool> = digits[class * SIDE * SIDE..][..SIDE * SIDE].iter().map(|v| *v < 0.55).collect();
            let mut seen = [false; SIDE * SIDE];
            let mut count = 0;
            for start in 0..SIDE * SIDE {
                if !paper[start] || seen[start] {
                    continue;
                }
                let (mut todo, mut edge) = (vec![start], false);
                seen[start] = true;
                while let Some(i) = todo.pop() {
                    let (x, y) = (i % SIDE, i / SIDE);
                    edge |= x == 0 || y == 0 || x + 1 == SIDE || y + 1 == SIDE;
                    let next = [(x > 0, i.wrapping_sub(1)), (x + 1 < SIDE, i + 1)];
                    let next = next.into_iter().chain([(y > 0, i.wrapping_sub(SIDE)), (y + 1 < SIDE, i + SIDE)]);
                    for (_, j) in next.filter(|&(inside, _)| inside) {
                        if paper[j] && !seen[j] {
                            seen[j] = true;
                            todo.push(j);
                        }
                    }
                }
                count += usize::from(!edge);
            }
            count
        };
        assert_eq!([0, 1, 7, 8].map(holes), [1, 0, 0, 2]);
    }
}
