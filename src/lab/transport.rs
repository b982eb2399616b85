//! The optimal-mass-transport map from a density to points.
//!
//! Of all maps that carry a source density μ to weighted points (yᵢ, νᵢ), one moves the mass by the least sum of squared
//! distances. By Brenier's theorem it is the gradient of a convex function, here of the upper envelope of planes
//! u(x) = max ⟨x, yᵢ⟩ + hᵢ: all of a cell, where plane i is the highest, goes to yᵢ (Gu, Luo, Sun and Yau, "Variational
//! principles for Minkowski type problems, discrete optimal transport, and discrete Monge-Ampère equations", arXiv
//! 1302.5472; Lei et al., arXiv 1710.05488). The heights hᵢ are found by minimising a convex energy.
//!
//! In the plane this is exact, [`TransportMap`]; in more dimensions [`sampled`] has it by random samples.

use std::collections::HashMap;

mod cells;
pub mod figure;
mod newton;
pub mod sampled;
mod source;
mod start;
pub mod targets;

pub use source::{Point, Source};

use cells::Planes;
use source::{cross, dot, norm, sub};

/// Points that a map can be made for, at most.
pub const MAX_POINTS: usize = 100_000;
/// The smallest part of the mean weight that a point may have.
pub const LEAST_WEIGHT: f64 = 1e-6;
/// Points nearer to each other than this part of half their extent are taken as one.
const SAME: f64 = 1e-6;
const MAX_COORDINATE: f64 = 1e100;

/// Why there is no map.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// Nothing to go to.
    #[error("there are no points that the mass could go to: give at least one")]
    NoPoints,
    /// More than [`MAX_POINTS`].
    #[error("{0} points are too many: at most {MAX_POINTS}")]
    TooMany(usize),
    /// A coordinate is no number, or too large.
    #[error("point {0} has a coordinate that is not finite or beyond 1e100: leave it out")]
    Coordinate(usize),
    /// As many weights as points are needed.
    #[error("{points} points have {weights} weights: give each one its own")]
    Weights {
        /// Points given.
        points: usize,
        /// Weights given.
        weights: usize,
    },
    /// A weight is no number, or below [`LEAST_WEIGHT`].
    #[error("the weight of point {index} is {weight}: it must be at least a millionth of the mean, or left out")]
    Weight {
        /// Which point.
        index: usize,
        /// Its weight.
        weight: f64,
    },
    /// Newton's method got stuck.
    #[error(
        "after {steps} steps a cell's mass is still off by {error:.1e} of the mean mass: give other points or weights"
    )]
    NotConverged {
        /// Steps that were taken.
        steps: usize,
        /// The worst cell's error in parts of the mean mass.
        error: f64,
    },
    /// The sampled map's sizes are out of bounds.
    #[error("{what} is {value}: it must be {range}")]
    Size {
        /// Of what.
        what: &'static str,
        /// What was given.
        value: usize,
        /// What may be given.
        range: &'static str,
    },
}

/// The map T = ∇u, exact in the plane.
///
/// ```
/// use clearcall::lab::transport::{Source, TransportMap};
///
/// let map = TransportMap::solve(Source::Gaussian, &[[0.0, 0.0], [40.0, 40.0]], None)?;
/// assert_eq!(map.apply([-1.0, 0.5]), [0.0, 0.0]);
/// assert_eq!(map.apply([-0.4, 0.5]), [40.0, 40.0]);
/// # Ok::<(), clearcall::lab::transport::TransportError>(())
/// ```
#[derive(Debug, Clone)]
pub struct TransportMap {
    source: Source,
    points: Vec<Point>,
    /// Parts of 1.
    weights: Vec<f64>,
    /// Sites (y − centre) / scale: the map is the same, and rounding does not depend on where the points lie.
    planes: Planes,
    centre: Point,
    scale: f64,
    /// The points that each plane stands for; more than one only where they coincide.
    groups: Vec<Vec<usize>>,
    /// The source's mass in each plane's cell, and its integral of x.
    masses: Vec<(f64, Point)>,
    /// Which cells lie around each.
    neighbours: Vec<Vec<Option<usize>>>,
    steps: usize,
    diagrams: usize,
}

/// The part of the source that goes to one point, or to points that coincide.
#[derive(Debug, Clone, PartialEq)]
pub struct TransportCell {
    /// The points.
    pub points: Vec<usize>,
    /// Its mass.
    pub mass: f64,
    /// Its barycentre.
    pub barycentre: Point,
    /// Its corners counterclockwise, within the square that was asked for.
    pub polygon: Vec<Point>,
}

impl TransportMap {
    /// The map to `points` of these `weights`, which need not sum to 1; equal ones without them. All masses are right
    /// to 1e-8 of the mean mass. Points closer than a millionth of half their extent are taken as one.
    ///
    /// # Errors
    /// For no points, too many, coordinates or weights that are not finite, weights that are too small, and where
    /// Newton's method does not converge.
    pub fn solve(source: Source, points: &[Point], weights: Option<&[f64]>) -> Result<Self, TransportError> {
        Self::solve_with(source, points, weights, &mut |_, _| ())
    }

    /// The same; `progress` hears before each step its number, and the worst cell's error in parts of the mean mass.
    ///
    /// # Errors
    /// As [`Self::solve`].
    pub fn solve_with(
        source: Source,
        points: &[Point],
        weights: Option<&[f64]>,
        progress: &mut dyn FnMut(usize, f64),
    ) -> Result<Self, TransportError> {
        let weights = checked_weights(points.len(), weights)?;
        if let Some(bad) = points.iter().position(|p| p.iter().any(|c| c.is_nan() || c.abs() > MAX_COORDINATE)) {
            return Err(TransportError::Coordinate(bad));
        }
        let (centre, scale) = frame(points);
        let sites: Vec<Point> =
            points.iter().map(|p| [(p[0] - centre[0]) / scale, (p[1] - centre[1]) / scale]).collect();
        let merged = merge(&sites);
        let (mut planes, order) = Planes::new(&merged.iter().map(|group| sites[group[0]]).collect::<Vec<_>>());
        let groups: Vec<Vec<usize>> = order.iter().map(|&g| merged[g].clone()).collect();
        let wanted: Vec<f64> = groups.iter().map(|group| group.iter().map(|&i| weights[i]).sum()).collect();
        planes.set_heights(&start::heights(source, planes.sites(), &wanted));
        let (cells, solved) = newton::solve(&mut planes, source, &wanted, progress)?;
        Ok(Self {
            source,
            points: points.to_vec(),
            weights,
            neighbours: planes.neighbours(source.half_side()),
            planes,
            centre,
            scale,
            groups,
            masses: cells.into_iter().map(|c| (c.mass, c.moment)).collect(),
            steps: solved.steps,
            diagrams: solved.diagrams,
        })
    }

    /// The point that the mass at `x` goes to, T(x); the first of those that coincide.
    pub fn apply(&self, x: Point) -> Point {
        self.points[self.index(x)]
    }

    /// Which point that is.
    pub fn index(&self, x: Point) -> usize {
        self.groups[self.planes.highest(x)][0]
    }

    /// The map made continuous: linear on the triangles whose corners are the barycentres of three cells that meet, each of
    /// which goes to its point, as An et al. (ICLR 2020) extend it. Near the source's border, where there is no such
    /// triangle, it is T(x).
    ///
    /// Where the map tears, this goes across the gap.
    pub fn interpolate(&self, x: Point) -> Point {
        let barycentre = |i: usize| [self.masses[i].1[0] / self.masses[i].0, self.masses[i].1[1] / self.masses[i].0];
        let own = self.planes.highest(x);
        // The triangle may be one of a neighbour's.
        for i in std::iter::once(own).chain(self.neighbours[own].iter().copied().flatten()) {
            let ring = &self.neighbours[i];
            for k in 0..ring.len() {
                let (Some(j), Some(l)) = (ring[k], ring[(k + 1) % ring.len()]) else { continue };
                let corners = [i, j, l];
                let Some(shares) = barycentric(x, corners.map(barycentre)) else { continue };
                let points = corners.map(|c| self.points[self.groups[c][0]]);
                return [0, 1].map(|d| (0..3).map(|c| shares[c] * points[c][d]).sum());
            }
        }
        self.points[self.groups[own][0]]
    }

    /// Brenier's potential u(x), whose gradient is the map; up to a constant. Kantorovich's, for the cost ½|x − y|², is
    /// φ(x) = ½|x|² − u(x), so that T(x) = x − ∇φ(x).
    pub fn potential(&self, x: Point) -> f64 {
        self.scale * self.planes.value(self.planes.highest(x), x) + dot(x, self.centre)
    }

    /// Each point's hᵢ, up to one constant for all, so that u(x) = max ⟨x, yᵢ⟩ + hᵢ.
    pub fn heights(&self) -> Vec<f64> {
        let mut heights = vec![0.0; self.points.len()];
        for (group, h) in self.groups.iter().zip(self.planes.heights()) {
            for &i in group {
                heights[i] = self.scale * h;
            }
        }
        heights
    }

    /// The source's mass that goes to each point, as it is and not as it should be. Points that coincide share theirs
    /// by their weights.
    pub fn masses(&self) -> Vec<f64> {
        let mut masses = vec![0.0; self.points.len()];
        for (group, (mass, _)) in self.groups.iter().zip(&self.masses) {
            let all: f64 = group.iter().map(|&i| self.weights[i]).sum();
            for &i in group {
                masses[i] = mass * self.weights[i] / all;
            }
        }
        masses
    }

    /// How far the worst point's mass is off, in parts of the mean mass.
    pub fn error(&self) -> f64 {
        let off = self.masses().iter().zip(&self.weights).map(|(m, w)| (m - w).abs()).fold(0.0, f64::max);
        off * self.points.len() as f64
    }

    /// The mean squared distance that the mass moves, W₂²; and it is the least of all maps.
    pub fn cost(&self) -> f64 {
        // In the scaled frame: |x − T|² = |x|² − 2⟨x, T⟩ + |T|², cell by cell.
        let mut cost = self.source.second_moment(2);
        for (group, (mass, moment)) in self.groups.iter().zip(&self.masses) {
            let y = self.points[group[0]];
            cost += mass * dot(y, y) - 2.0 * dot(*moment, y);
        }
        cost
    }

    /// All cells, as far as they lie in the square [−half_side, half_side]²; one without area there is left out.
    pub fn cells(&self, half_side: f64) -> Vec<TransportCell> {
        let half_side = half_side.abs().min(self.source.half_side());
        let cell = |i: usize| {
            let (mass, moment) = self.masses[i];
            TransportCell {
                points: self.groups[i].clone(),
                mass,
                barycentre: [moment[0] / mass, moment[1] / mass],
                polygon: self.planes.polygon(i, half_side),
            }
        };
        (0..self.groups.len()).map(cell).filter(|c| !c.polygon.is_empty()).collect()
    }

    /// Where the mass comes from.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Where it goes.
    pub fn points(&self) -> &[Point] {
        &self.points
    }

    /// Newton steps taken.
    pub fn steps(&self) -> usize {
        self.steps
    }

    /// Diagrams that were built for them.
    pub fn diagrams(&self) -> usize {
        self.diagrams
    }
}

/// The parts of three corners that make `x`; none if it lies outside of their triangle.
fn barycentric(x: Point, [a, b, c]: [Point; 3]) -> Option<[f64; 3]> {
    let (u, v, w) = (sub(b, a), sub(c, a), sub(x, a));
    let area = cross(u, v);
    let (s, t) = (cross(w, v) / area, cross(u, w) / area);
    let inside = |part: f64| (-1e-12..=1.0 + 1e-12).contains(&part);
    (inside(s) && inside(t) && inside(1.0 - s - t)).then_some([1.0 - s - t, s, t])
}

/// Weights that sum to 1.
fn checked_weights(points: usize, weights: Option<&[f64]>) -> Result<Vec<f64>, TransportError> {
    if points == 0 {
        return Err(TransportError::NoPoints);
    }
    if points > MAX_POINTS {
        return Err(TransportError::TooMany(points));
    }
    let Some(weights) = weights else { return Ok(vec![1.0 / points as f64; points]) };
    if weights.len() != points {
        return Err(TransportError::Weights { points, weights: weights.len() });
    }
    let wrong = |index: usize| TransportError::Weight { index, weight: weights[index] };
    let good = |w: f64| w > 0.0 && w <= MAX_COORDINATE;
    if let Some(bad) = weights.iter().position(|&w| !good(w)) {
        return Err(wrong(bad));
    }
    let sum: f64 = weights.iter().sum();
    if let Some(bad) = weights.iter().position(|&w| w * (points as f64) < LEAST_WEIGHT * sum) {
        return Err(wrong(bad));
    }
    Ok(weights.iter().map(|w| w / sum).collect())
}

/// The middle of the points' box, and half its longer side (1 for a box without sides).
fn frame(points: &[Point]) -> (Point, f64) {
    let (mut lo, mut hi) = (points[0], points[0]);
    for p in points {
        for k in 0..2 {
            lo[k] = lo[k].min(p[k]);
            hi[k] = hi[k].max(p[k]);
        }
    }
    let half = ((hi[0] - lo[0]).max(hi[1] - lo[1])) / 2.0;
    let centre = [f64::midpoint(lo[0], hi[0]), f64::midpoint(lo[1], hi[1])];
    (centre, if half > 0.0 && half.is_normal() { half } else { 1.0 })
}

/// Groups of points that are one, by a grid whose squares are as wide as one may be from another.
fn merge(sites: &[Point]) -> Vec<Vec<usize>> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut grid: HashMap<(i64, i64), Vec<usize>> = HashMap::new();
    for (i, &site) in sites.iter().enumerate() {
        let (x, y) = ((site[0] / SAME).floor() as i64, (site[1] / SAME).floor() as i64);
        let around = (-1..=1).flat_map(|dx| (-1..=1).map(move |dy| (x + dx, y + dy)));
        let same = around
            .filter_map(|square| grid.get(&square))
            .flatten()
            .copied()
            .find(|&g| norm(sub(sites[groups[g][0]], site)) < SAME);
        if let Some(group) = same {
            groups[group].push(i);
        } else {
            grid.entry((x, y)).or_default().push(groups.len());
            groups.push(vec![i]);
        }
    }
    groups
}

#[cfg(test)]
mod tests;
