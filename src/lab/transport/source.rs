//! Where mass comes from: three densities in the plane, and their integrals over the edges of a polygon.
//!
//! Mass and moments of a convex polygon become sums over its edges by the divergence theorem, so that nothing is ever
//! integrated over an area. Each density ρ is radial where it is not zero; with div F = ρ and ∇ψ = −xρ, the mass of a
//! polygon is ∮ F·n ds, and its first moment −∮ ψn ds.

use std::f64::consts::{PI, TAU};

use clap::ValueEnum;
use serde::Serialize;

/// A point or a vector in the plane.
pub type Point = [f64; 2];

/// A probability density in the plane.
///
/// The quadratic cost does not mind where it lies and how large it is: the map of `centre + scale·x` with x from one of
/// these is the map of x, taken at `(x − centre) / scale`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Uniform on [−1, 1]²; in d dimensions on [−1, 1]ᵈ.
    Square,
    /// Uniform on the disk of radius 1 around 0, with its arcs and not as a polygon; in d dimensions on the ball.
    Disk,
    /// The normal distribution with mean 0 and covariance 1.
    Gaussian,
}

/// Nodes and weights of the Gauss-Legendre rule with six points on [−1, 1], one half.
const GAUSS: [(f64, f64); 3] = [
    (0.238_619_186_083_196_9, 0.467_913_934_572_691),
    (0.661_209_386_466_264_5, 0.360_761_573_048_138_6),
    (0.932_469_514_203_152, 0.171_324_492_379_170_4),
];

/// Integrals along an edge, which runs counterclockwise around its polygon.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct EdgeIntegrals {
    /// ∫ F·n ds, the edge's part of the mass.
    pub(super) flux: f64,
    /// ∫ ρ ds.
    pub(super) density: f64,
    /// ∫ ψ ds.
    pub(super) slope: f64,
}

impl Source {
    /// Half the side of a square around 0 that holds all mass. Of the Gaussian 3e-23 lie outside.
    pub(super) fn half_side(self) -> f64 {
        match self {
            Self::Square | Self::Disk => 1.0,
            Self::Gaussian => 10.0,
        }
    }

    /// The integrals from `a` to `b`.
    ///
    /// Closed forms for square and disk; for the Gaussian a quadrature on pieces no longer than 1, whose error is below
    /// 1e-11 of the edge's own integral.
    pub(super) fn edge(self, a: Point, b: Point) -> EdgeIntegrals {
        let length = norm(sub(b, a));
        if length == 0.0 {
            return EdgeIntegrals::default();
        }
        match self {
            Self::Square => EdgeIntegrals {
                flux: cross(a, b) / 8.0,
                density: length / 4.0,
                slope: -length * mean_square(a, b) / 8.0,
            },
            Self::Disk => disk_edge(a, b),
            Self::Gaussian => gaussian_edge(a, b, length),
        }
    }

    /// The mean of |x|² in `dimension` dimensions.
    pub fn second_moment(self, dimension: usize) -> f64 {
        let d = dimension as f64;
        match self {
            Self::Square => d / 3.0,
            Self::Disk => d / (d + 2.0),
            Self::Gaussian => d,
        }
    }
}

fn disk_edge(a: Point, b: Point) -> EdgeIntegrals {
    let e = sub(b, a);
    // Where |a + t·e| = 1.
    let (ee, ae, c) = (dot(e, e), dot(a, e), dot(a, a) - 1.0);
    let root = ae * ae - ee * c;
    let (enter, leave) = if root > 0.0 {
        let root = root.sqrt();
        (((-ae - root) / ee).clamp(0.0, 1.0), ((-ae + root) / ee).clamp(0.0, 1.0))
    } else {
        (0.0, 0.0)
    };
    let at = |t: f64| [a[0] + t * e[0], a[1] + t * e[1]];
    // Outside, F = x / (2π|x|²), and its flux is the angle under which 0 sees the edge.
    let angle = |p: Point, q: Point| cross(p, q).atan2(dot(p, q)) / TAU;
    if enter >= leave {
        return EdgeIntegrals { flux: angle(a, b), ..Default::default() };
    }
    let (p, q) = (at(enter), at(leave));
    let length = (leave - enter) * ee.sqrt();
    let outside = if enter > 0.0 { angle(a, p) } else { 0.0 } + if leave < 1.0 { angle(q, b) } else { 0.0 };
    EdgeIntegrals {
        flux: cross(p, q) / TAU + outside,
        density: length / PI,
        slope: length * (1.0 - mean_square(p, q)) / TAU,
    }
}

fn gaussian_edge(a: Point, b: Point, length: f64) -> EdgeIntegrals {
    let distance = cross(a, b) / length;
    let pieces = length.ceil().max(1.0);
    let half = 0.5 / pieces;
    let mut sums = (0.0, 0.0);
    for piece in 0..pieces as usize {
        let middle = (2 * piece + 1) as f64 * half;
        for (node, weight) in GAUSS {
            for t in [middle - node * half, middle + node * half] {
                let (x, y) = (a[0] + t * (b[0] - a[0]), a[1] + t * (b[1] - a[1]));
                let s = x * x + y * y;
                // F = x·(1 − exp(−|x|²/2)) / (2π|x|²), and ψ = ρ.
                let e = (-0.5 * s).exp_m1();
                sums.0 += weight * if s > 1e-30 { -e / s } else { 0.5 };
                sums.1 += weight * (1.0 + e);
            }
        }
    }
    let scale = length * half / TAU;
    EdgeIntegrals { flux: distance * sums.0 * scale, density: sums.1 * scale, slope: sums.1 * scale }
}

/// The mean of |x|² between two points.
fn mean_square(a: Point, b: Point) -> f64 {
    (dot(a, a) + dot(a, b) + dot(b, b)) / 3.0
}

pub(super) fn sub(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

pub(super) fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

pub(super) fn cross(a: Point, b: Point) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

pub(super) fn norm(a: Point) -> f64 {
    a[0].hypot(a[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Mass and first moment of a polygon.
    fn integrate(source: Source, polygon: &[Point]) -> (f64, Point) {
        let mut sum = (0.0, [0.0, 0.0]);
        for (k, &a) in polygon.iter().enumerate() {
            let b = polygon[(k + 1) % polygon.len()];
            let (edge, e) = (source.edge(a, b), sub(b, a));
            sum.0 += edge.flux;
            sum.1[0] -= edge.slope * e[1] / norm(e);
            sum.1[1] += edge.slope * e[0] / norm(e);
        }
        sum
    }

    #[test]
    fn edges_give_mass_and_moment() {
        for source in [Source::Square, Source::Disk, Source::Gaussian] {
            let b = source.half_side();
            let all = [[-b, -b], [b, -b], [b, b], [-b, b]];
            let (mass, moment) = integrate(source, &all);
            assert!((mass - 1.0).abs() < 1e-12, "{source:?} {mass}");
            assert!(norm(moment) < 1e-12, "{source:?} {moment:?}");
            // A quarter, whose moments are known.
            let (mass, moment) = integrate(source, &[[0.0, 0.0], [b, 0.0], [b, b], [0.0, b]]);
            let known = match source {
                Source::Square => 0.125,
                Source::Disk => 1.0 / (3.0 * PI),
                Source::Gaussian => 0.5 / TAU.sqrt(),
            };
            assert!((mass - 0.25).abs() < 1e-12, "{source:?} {mass}");
            assert!((moment[0] - known).abs() < 1e-11 && (moment[1] - known).abs() < 1e-11, "{source:?} {moment:?}");
        }
    }

    #[test]
    fn integrals_agree_with_a_fine_grid() {
        // A triangle that is cut by the circle and lies askew.
        let triangle: [Point; 3] = [[-0.3, -0.9], [0.95, 0.2], [-0.6, 0.8]];
        let inside =
            |p: Point| (0..3).all(|k| cross(sub(triangle[(k + 1) % 3], triangle[k]), sub(p, triangle[k])) > 0.0);
        let n = 2000;
        for source in [Source::Square, Source::Disk, Source::Gaussian] {
            let (mass, moment) = integrate(source, &triangle);
            let (mut sum, mut first) = (0.0, [0.0, 0.0]);
            for i in 0..n * n {
                let p = [((i % n) as f64 + 0.5) / n as f64 * 2.0 - 1.0, ((i / n) as f64 + 0.5) / n as f64 * 2.0 - 1.0];
                if !inside(p) {
                    continue;
                }
                let density = match source {
                    Source::Square => 0.25,
                    Source::Disk => f64::from(u8::from(dot(p, p) < 1.0)) / PI,
                    Source::Gaussian => (-0.5 * dot(p, p)).exp() / TAU,
                } * 4.0
                    / (n * n) as f64;
                sum += density;
                first[0] += density * p[0];
                first[1] += density * p[1];
            }
            assert!((mass - sum).abs() < 1e-4, "{source:?} {mass} {sum}");
            assert!(norm(sub(moment, first)) < 1e-4, "{source:?} {moment:?} {first:?}");
        }
    }
}
