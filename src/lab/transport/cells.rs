//! The upper envelope of planes u(x) = max ⟨x, yᵢ⟩ + hᵢ over the source's square, and its cells.
//!
//! Projected to the plane the envelope is a power diagram (Aurenhammer 1987). Each cell is cut out of the square by
//! itself: a vertex at which some other plane is higher is cut off by the highest of them, until none is. The highest
//! plane at a point is found in a kd-tree over the y, so that a cell costs about log n, whatever the heights are, and no
//! case is a special one: duplicates, points on a line and hidden planes cut as any other.

use rayon::prelude::*;

use super::source::{Point, Source, cross, dot, norm, sub};

/// How far a plane must lie above another to be higher; sites lie in [−1, 1]², so this is about 50 roundings.
const CLEARLY: f64 = 1e-14;
/// Planes in a leaf of the tree, at most.
const LEAF: usize = 8;

/// An edge of the square, where a neighbour's index would stand.
const BORDER: u32 = u32::MAX;

/// Planes ⟨x, y⟩ + h in the order of a kd-tree over the y.
#[derive(Debug, Clone)]
pub(super) struct Planes {
    sites: Vec<Point>,
    heights: Vec<f64>,
    /// In preorder: the left child stands behind its parent.
    nodes: Vec<Node>,
}

#[derive(Debug, Clone)]
struct Node {
    start: usize,
    end: usize,
    /// 0 for a leaf.
    right: usize,
    lo: Point,
    hi: Point,
    /// Below ⟨y, −slope⟩ + top lie all heights of this node: heights are nearly linear in y where y are near each other,
    /// which makes this a tight bound.
    slope: Point,
    top: f64,
}

/// What is known of a cell.
#[derive(Debug, Clone, Default)]
pub(super) struct Cell {
    /// The source's mass in it.
    pub(super) mass: f64,
    /// ∫ x over it.
    pub(super) moment: Point,
    /// Neighbours, and the integral of the density over the edge between.
    pub(super) walls: Vec<(u32, f64)>,
}

#[derive(Debug, Clone, Copy)]
struct Vertex {
    at: Point,
    /// Which plane lies beyond the edge from here to the next vertex.
    beyond: u32,
    /// No plane is higher here.
    settled: bool,
}

impl Planes {
    /// Puts sites in order, with all heights 0; also says which of `points` went to each place.
    pub(super) fn new(points: &[Point]) -> (Self, Vec<usize>) {
        let mut order: Vec<usize> = (0..points.len()).collect();
        let mut nodes = Vec::new();
        build(points, &mut order, 0, &mut nodes);
        let sites: Vec<Point> = order.iter().map(|&i| points[i]).collect();
        let mut planes = Self { heights: vec![0.0; sites.len()], sites, nodes };
        planes.set_heights(&vec![0.0; order.len()]);
        (planes, order)
    }

    pub(super) fn sites(&self) -> &[Point] {
        &self.sites
    }

    pub(super) fn heights(&self) -> &[f64] {
        &self.heights
    }

    pub(super) fn set_heights(&mut self, heights: &[f64]) {
        self.heights.copy_from_slice(heights);
        for node in &mut self.nodes {
            let (sites, heights) = (&self.sites[node.start..node.end], &self.heights[node.start..node.end]);
            node.slope = slope(sites, heights);
            node.top = sites.iter().zip(heights).map(|(&y, h)| h + dot(node.slope, y)).fold(f64::MIN, f64::max);
        }
    }

    /// The height of plane `i` over `x`.
    pub(super) fn value(&self, i: usize, x: Point) -> f64 {
        dot(x, self.sites[i]) + self.heights[i]
    }

    /// The highest plane over `x`.
    pub(super) fn highest(&self, x: Point) -> usize {
        self.higher(x, f64::MIN).unwrap_or(0)
    }

    /// The highest plane over `x` if it is above `floor`.
    fn higher(&self, x: Point, floor: f64) -> Option<usize> {
        let mut best = (floor, None);
        self.descend(0, x, &mut best);
        best.1
    }

    fn descend(&self, at: usize, x: Point, best: &mut (f64, Option<usize>)) {
        let node = &self.nodes[at];
        if node.right == 0 {
            for i in node.start..node.end {
                let value = self.value(i, x);
                if value > best.0 {
                    *best = (value, Some(i));
                }
            }
            return;
        }
        let mut children = [at + 1, node.right].map(|child| (self.nodes[child].bound(x), child));
        if children[1].0 > children[0].0 {
            children.swap(0, 1);
        }
        for (bound, child) in children {
            if bound > best.0 {
                self.descend(child, x, best);
            }
        }
    }

    /// The corners of cell `i`, counterclockwise; none if it is hidden. `hints` are likely neighbours, which are cut
    /// with first.
    fn cut(&self, i: usize, half_side: f64, hints: impl Iterator<Item = u32>) -> Vec<Vertex> {
        let b = half_side;
        let corner = |at| Vertex { at, beyond: BORDER, settled: false };
        let mut polygon = [[-b, -b], [b, -b], [b, b], [-b, b]].map(corner).to_vec();
        let mut next = Vec::with_capacity(16);
        for j in hints {
            self.clip(i, j as usize, &mut polygon, &mut next);
        }
        while let Some(k) = polygon.iter().position(|v| !v.settled) {
            let at = polygon[k].at;
            match self.higher(at, self.value(i, at) + CLEARLY * (1.0 + half_side)) {
                // Rounding may leave a corner a little above a plane that has cut already.
                Some(j) if polygon.iter().all(|v| v.beyond != j as u32) => self.clip(i, j, &mut polygon, &mut next),
                _ => polygon[k].settled = true,
            }
        }
        polygon
    }

    /// Keeps of a polygon where plane `i` is not below plane `j`.
    fn clip(&self, i: usize, j: usize, polygon: &mut Vec<Vertex>, next: &mut Vec<Vertex>) {
        let (y, h) = (sub(self.sites[i], self.sites[j]), self.heights[i] - self.heights[j]);
        let above = |p: Point| dot(p, y) + h;
        next.clear();
        for (k, vertex) in polygon.iter().enumerate() {
            let end = polygon[(k + 1) % polygon.len()].at;
            let (here, there) = (above(vertex.at), above(end));
            if here >= 0.0 {
                next.push(*vertex);
            }
            if (here >= 0.0) != (there >= 0.0) {
                let t = here / (here - there);
                let at = [vertex.at[0] + t * (end[0] - vertex.at[0]), vertex.at[1] + t * (end[1] - vertex.at[1])];
                let beyond = if here >= 0.0 { j as u32 } else { vertex.beyond };
                next.push(Vertex { at, beyond, settled: false });
            }
        }
        std::mem::swap(polygon, next);
    }

    /// All cells. `before` are those of similar heights.
    pub(super) fn cells(&self, source: Source, before: Option<&[Cell]>) -> Vec<Cell> {
        let cell = |i: usize| {
            let hints = before.into_iter().flat_map(move |cells| cells[i].walls.iter().map(|w| w.0));
            let polygon = self.cut(i, source.half_side(), hints);
            let mut cell = Cell::default();
            for (k, vertex) in polygon.iter().enumerate() {
                let (a, b) = (vertex.at, polygon[(k + 1) % polygon.len()].at);
                let (edge, e) = (source.edge(a, b), sub(b, a));
                let length = norm(e);
                if length > 0.0 {
                    cell.mass += edge.flux;
                    cell.moment[0] -= edge.slope * e[1] / length;
                    cell.moment[1] += edge.slope * e[0] / length;
                    if vertex.beyond != BORDER {
                        cell.walls.push((vertex.beyond, edge.density));
                    }
                }
            }
            cell
        };
        (0..self.sites.len()).into_par_iter().map(cell).collect()
    }

    /// The neighbours of each cell in their order around it; None where the border stands between two.
    pub(super) fn neighbours(&self, half_side: f64) -> Vec<Vec<Option<usize>>> {
        let around = |i| {
            let polygon = self.cut(i, half_side, std::iter::empty());
            polygon.iter().map(|v| Some(v.beyond as usize).filter(|_| v.beyond != BORDER)).collect()
        };
        (0..self.sites.len()).into_par_iter().map(around).collect()
    }

    /// The corners of cell `i` within the square of this half side, counterclockwise; none if it has no area there.
    pub(super) fn polygon(&self, i: usize, half_side: f64) -> Vec<Point> {
        let polygon: Vec<Point> = self.cut(i, half_side, std::iter::empty()).iter().map(|v| v.at).collect();
        let area: f64 = (0..polygon.len()).map(|k| cross(polygon[k], polygon[(k + 1) % polygon.len()])).sum();
        if area > 0.0 { polygon } else { Vec::new() }
    }
}

impl Node {
    /// No plane of this node is higher over `x`.
    fn bound(&self, x: Point) -> f64 {
        let d = sub(x, self.slope);
        self.top + (d[0] * self.lo[0]).max(d[0] * self.hi[0]) + (d[1] * self.lo[1]).max(d[1] * self.hi[1])
    }
}

fn build(points: &[Point], order: &mut [usize], start: usize, nodes: &mut Vec<Node>) {
    let (mut lo, mut hi) = ([f64::MAX; 2], [f64::MIN; 2]);
    for &i in &*order {
        for k in 0..2 {
            lo[k] = lo[k].min(points[i][k]);
            hi[k] = hi[k].max(points[i][k]);
        }
    }
    let at = nodes.len();
    nodes.push(Node { start, end: start + order.len(), right: 0, lo, hi, slope: [0.0; 2], top: 0.0 });
    if order.len() > LEAF {
        let axis = usize::from(hi[1] - lo[1] > hi[0] - lo[0]);
        let half = order.len() / 2;
        order.select_nth_unstable_by(half, |&a, &b| points[a][axis].total_cmp(&points[b][axis]).then(a.cmp(&b)));
        let (left, right) = order.split_at_mut(half);
        build(points, left, start, nodes);
        nodes[at].right = nodes.len();
        build(points, right, start + half, nodes);
    }
}

/// The g that makes h + ⟨g, y⟩ vary least.
fn slope(sites: &[Point], heights: &[f64]) -> Point {
    let n = sites.len() as f64;
    let mean = sites.iter().fold([0.0; 2], |m, y| [m[0] + y[0] / n, m[1] + y[1] / n]);
    let mean_height = heights.iter().sum::<f64>() / n;
    let (mut xx, mut xy, mut yy, mut xh, mut yh) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (&y, h) in sites.iter().zip(heights) {
        let (d, h) = (sub(y, mean), h - mean_height);
        xx += d[0] * d[0];
        xy += d[0] * d[1];
        yy += d[1] * d[1];
        xh += d[0] * h;
        yh += d[1] * h;
    }
    // So that points on a line, or one point, have an answer too.
    let ridge = 1e-9 * (xx + yy) + f64::MIN_POSITIVE;
    (xx, yy) = (xx + ridge, yy + ridge);
    let det = xx * yy - xy * xy;
    let g = [(xy * yh - yy * xh) / det, (xy * xh - xx * yh) / det];
    if g[0].is_finite() && g[1].is_finite() { g } else { [0.0; 2] }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_tree_finds_the_highest_plane_and_cells_fill_the_source() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        for n in [1, 2, 9, 300] {
            let points: Vec<Point> =
                (0..n).map(|_| [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)]).collect();
            let (mut planes, order) = Planes::new(&points);
            assert!(order.iter().zip(planes.sites()).all(|(&i, &y)| points[i] == y));
            let heights: Vec<f64> =
                planes.sites().iter().map(|&y| -0.5 * dot(y, y) + rng.random_range(0.0..0.02)).collect();
            planes.set_heights(&heights);
            for _ in 0..200 {
                let x = [rng.random_range(-3.0..3.0), rng.random_range(-3.0..3.0)];
                let highest = (0..n).max_by(|&a, &b| planes.value(a, x).total_cmp(&planes.value(b, x))).unwrap();
                assert_eq!(planes.highest(x), highest);
            }
            for source in [Source::Square, Source::Disk, Source::Gaussian] {
                let cells = planes.cells(source, None);
                let mass: f64 = cells.iter().map(|c| c.mass).sum();
                assert!((mass - 1.0).abs() < 1e-10, "{n} {source:?} {mass}");
                // A wall is the same from both sides.
                for (i, cell) in cells.iter().enumerate() {
                    for &(j, length) in cell.walls.iter().filter(|w| w.1 > 1e-6) {
                        let back = cells[j as usize].walls.iter().find(|w| w.0 == i as u32);
                        assert!(back.is_some_and(|w| (w.1 - length).abs() < 1e-9), "{i} {j} {length} {back:?}");
                    }
                }
                // With all neighbours known at once it is the same diagram.
                let again = planes.cells(source, Some(&cells));
                assert!(cells.iter().zip(&again).all(|(a, b)| (a.mass - b.mass).abs() < 1e-12));
            }
        }
    }
}
