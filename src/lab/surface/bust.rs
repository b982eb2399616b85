//! A bust: head, neck and shoulders, as an implicit surface, its triangles, and its area in equal parts.
//!
//! Three ellipsoids on one axis, melted into each other: F(p) = −log Σ exp(−β(qᵢ(p) − 1)) with qᵢ = |(p − cᵢ)/aᵢ|², and
//! F = 0 the surface (a soft minimum, as metaballs are; Blinn 1982). All qᵢ grow away from the axis, so that each ray
//! from it meets the surface once, and the surface is a generalised cylinder: a radius for each height and angle. It is
//! open below, which makes it a disk, as the plane of the code asks for.

use std::f64::consts::TAU;

use rand::Rng;

/// A place in space; z points up.
pub(crate) type Place = [f64; 3];

/// Centre's height, and half axes, of shoulders, neck and head.
const BLOBS: [(f64, Place); 3] = [(-0.72, [0.95, 0.42, 0.36]), (-0.12, [0.2, 0.2, 0.5]), (0.5, [0.36, 0.42, 0.5])];
const BETA: f64 = 5.0;
/// Where it is cut off.
const FLOOR: f64 = -0.85;
/// Above this lies the head.
pub(super) const CHIN: f64 = 0.02;

/// Below 0 inside.
pub(super) fn implicit(p: Place) -> f64 {
    let sum: f64 = BLOBS
        .iter()
        .map(|(height, axes)| {
            let q = (p[0] / axes[0]).powi(2) + (p[1] / axes[1]).powi(2) + ((p[2] - height) / axes[2]).powi(2);
            (-BETA * (q - 1.0)).exp()
        })
        .sum();
    -sum.max(f64::MIN_POSITIVE).ln()
}

/// The direction out of the surface, of length 1, and about how far `p` is from the surface.
pub(super) fn normal_and_distance(p: Place) -> (Place, f64) {
    const STEP: f64 = 1e-5;
    let slope = [0, 1, 2].map(|k| {
        let moved = |by: f64| {
            let mut q = p;
            q[k] += by;
            implicit(q)
        };
        (moved(STEP) - moved(-STEP)) / (2.0 * STEP)
    });
    let length = slope.iter().map(|s| s * s).sum::<f64>().sqrt().max(1e-9);
    (slope.map(|s| s / length), (implicit(p) / length).abs())
}

/// The surface in triangles.
#[derive(Debug, Clone)]
pub struct Bust {
    /// Corners.
    pub vertices: Vec<Place>,
    /// Each counterclockwise from outside.
    pub triangles: Vec<[usize; 3]>,
    /// Heights of the top and of all rings, which lie equally far from each other along the surface.
    rings: Vec<f64>,
    /// Of each triangle.
    areas: Vec<f64>,
    /// Running sums of `areas`.
    sums: Vec<f64>,
}

impl Bust {
    /// Of `rings` times `sectors` quads, about.
    pub fn new(rings: usize, sectors: usize) -> Self {
        let (rings, sectors) = (rings.clamp(4, 1000), sectors.clamp(6, 1000));
        let mut vertices = vec![[0.0, 0.0, top()]];
        let levels: Vec<f64> = std::iter::once(top()).chain(heights(rings)).collect();
        for &height in &levels[1..] {
            for k in 0..sectors {
                let angle = TAU * k as f64 / sectors as f64;
                let r = radius(height, angle);
                vertices.push([r * angle.cos(), r * angle.sin(), height]);
            }
        }
        let at = |ring: usize, k: usize| 1 + ring * sectors + k % sectors;
        let mut triangles: Vec<[usize; 3]> = (0..sectors).map(|k| [0, at(0, k), at(0, k + 1)]).collect();
        for ring in 1..rings {
            for k in 0..sectors {
                let [a, b, c, d] = [at(ring - 1, k), at(ring - 1, k + 1), at(ring, k), at(ring, k + 1)];
                triangles.extend([[a, c, b], [b, c, d]]);
            }
        }
        let areas: Vec<f64> = triangles.iter().map(|t| area(t.map(|i| vertices[i]))).collect();
        let sums = areas
            .iter()
            .scan(0.0, |sum, a| {
                *sum += a;
                Some(*sum)
            })
            .collect();
        Self { vertices, triangles, rings: levels, areas, sums }
    }

    /// Of each triangle.
    pub fn areas(&self) -> &[f64] {
        &self.areas
    }

    /// Of all.
    pub fn area(&self) -> f64 {
        self.sums.last().copied().unwrap_or(0.0)
    }

    /// The middle of each triangle.
    pub fn middles(&self) -> Vec<Place> {
        let middle = |t: &[usize; 3]| [0, 1, 2].map(|k| t.iter().map(|&i| self.vertices[i][k]).sum::<f64>() / 3.0);
        self.triangles.iter().map(middle).collect()
    }

    /// A random place, any as likely as another by area.
    pub fn sample(&self, rng: &mut impl Rng) -> Place {
        let at = rng.random::<f64>() * self.area();
        let t = self.triangles[self.sums.partition_point(|&s| s < at).min(self.triangles.len() - 1)];
        let (mut u, mut v): (f64, f64) = (rng.random(), rng.random());
        if u + v > 1.0 {
            (u, v) = (1.0 - u, 1.0 - v);
        }
        let [a, b, c] = t.map(|i| self.vertices[i]);
        [0, 1, 2].map(|k| a[k] + u * (b[k] - a[k]) + v * (c[k] - a[k]))
    }

    /// A chart without folds: distance from the top along the surface, and angle, as polar coordinates in the unit disk.
    pub fn chart(&self, p: Place) -> [f64; 2] {
        let below = self.rings.partition_point(|&z| z > p[2]).clamp(1, self.rings.len() - 1);
        let (upper, lower) = (self.rings[below - 1], self.rings[below]);
        let along = (below as f64 - (p[2] - lower) / (upper - lower)) / (self.rings.len() - 1) as f64;
        let angle = p[1].atan2(p[0]);
        [along * angle.cos(), along * angle.sin()]
    }

    /// Which of `bands`·`sectors` patches of nearly equal area each triangle belongs to: bands from the top down, each cut
    /// into sectors around the axis.
    pub fn patches(&self, bands: usize, sectors: usize) -> Vec<usize> {
        let middles = self.middles();
        let angle = |i: usize| middles[i][1].atan2(middles[i][0]);
        let mut order: Vec<usize> = (0..middles.len()).collect();
        // Rings lie level, so that a band may end within one.
        order.sort_by(|&a, &b| middles[b][2].total_cmp(&middles[a][2]).then(a.cmp(&b)));
        let mut patches = vec![0; middles.len()];
        for (band, mut members) in self.shares(&order, bands).into_iter().enumerate() {
            members.sort_by(|&a, &b| angle(a).total_cmp(&angle(b)).then(a.cmp(&b)));
            for (sector, members) in self.shares(&members, sectors).into_iter().enumerate() {
                members.into_iter().for_each(|i| patches[i] = band * sectors + sector);
            }
        }
        patches
    }

    /// Cuts a list of triangles into parts of about the same area.
    fn shares(&self, order: &[usize], parts: usize) -> Vec<Vec<usize>> {
        let all: f64 = order.iter().map(|&i| self.areas[i]).sum();
        let mut out = vec![Vec::new(); parts];
        let mut sum = 0.0;
        for &i in order {
            let middle = (sum + self.areas[i] / 2.0) / all;
            out[((middle * parts as f64) as usize).min(parts - 1)].push(i);
            sum += self.areas[i];
        }
        out
    }
}

fn area([a, b, c]: [Place; 3]) -> f64 {
    let (u, v) = ([0, 1, 2].map(|k| b[k] - a[k]), [0, 1, 2].map(|k| c[k] - a[k]));
    let n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
    0.5 * n.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Where F changes its sign between `inside` and `outside`.
fn bisect(mut inside: f64, mut outside: f64, f: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(inside, outside);
        if f(middle) < 0.0 { inside = middle } else { outside = middle }
    }
    inside
}

fn top() -> f64 {
    bisect(0.5, 2.0, |z| implicit([0.0, 0.0, z]))
}

/// The distance from the axis.
fn radius(height: f64, angle: f64) -> f64 {
    bisect(0.0, 2.0, |r| implicit([r * angle.cos(), r * angle.sin(), height]))
}

/// Heights of rings that are about as far from each other along the surface, from near the top to the floor.
fn heights(rings: usize) -> Vec<f64> {
    const FINE: usize = 4000;
    let top = top();
    // Near the top the radius grows as a root.
    let height = |k: usize| top - (top - FLOOR) * (k as f64 / FINE as f64).powi(2);
    let mut length = vec![0.0];
    let mut before = [0.0, 0.0, top];
    for k in 1..=FINE {
        let z = height(k);
        let now = [radius(z, 0.0), radius(z, TAU / 4.0), z];
        // Half way between the front's profile and the side's.
        let d2 = (0.5 * (now[0] - before[0])).powi(2) + (0.5 * (now[1] - before[1])).powi(2) + (z - before[2]).powi(2);
        length.push(length[k - 1] + d2.sqrt());
        before = now;
    }
    let all = length[FINE];
    (1..=rings)
        .map(|ring| {
            let wanted = all * ring as f64 / rings as f64;
            let k = length.partition_point(|&l| l < wanted).clamp(1, FINE);
            let t = (wanted - length[k - 1]) / (length[k] - length[k - 1]);
            height(k - 1) + t * (height(k) - height(k - 1))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn it_has_a_head_on_a_neck_on_shoulders() {
        let at = |z: f64| radius(z, 0.0);
        assert!(at(0.5) > 1.3 * at(CHIN) && at(-0.7) > 2.0 * at(0.5), "{} {} {}", at(0.5), at(CHIN), at(-0.7));
        let thinnest = (-40..40).map(|k| f64::from(k) / 100.0).min_by(|a, b| at(*a).total_cmp(&at(*b))).unwrap();
        assert!((-0.4..CHIN).contains(&thinnest) && at(CHIN) < 1.3 * at(thinnest), "{thinnest}");
        let bust = Bust::new(30, 40);
        assert!(bust.vertices.iter().all(|&p| implicit(p).abs() < 1e-6));
        // Corners run counterclockwise from outside.
        for (t, m) in bust.triangles.iter().zip(bust.middles()) {
            let [a, b, c] = t.map(|i| bust.vertices[i]);
            let (u, v) = ([0, 1, 2].map(|k| b[k] - a[k]), [0, 1, 2].map(|k| c[k] - a[k]));
            let n = [u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]];
            let out = normal_and_distance(m).0;
            assert!((0..3).map(|k| n[k] * out[k]).sum::<f64>() > 0.0, "{m:?}");
        }
    }

    #[test]
    fn the_area_converges_and_samples_are_even() {
        let areas = [20, 40, 80, 160].map(|n| Bust::new(n, n).area());
        let steps = [areas[1] - areas[0], areas[2] - areas[1], areas[3] - areas[2]].map(f64::abs);
        assert!(steps[1] < 0.4 * steps[0] && steps[2] < 0.4 * steps[1] && steps[2] < 3e-3 * areas[3], "{areas:?}");
        let bust = Bust::new(60, 72);
        for (k, &p) in bust.vertices.iter().enumerate() {
            let c = bust.chart(p);
            assert!((c[0].hypot(c[1]) - k.div_ceil(72) as f64 / 60.0).abs() < 1e-9, "{k} {p:?} {c:?}");
        }
        let patches = bust.patches(10, 8);
        let mut sizes = [0.0; 80];
        patches.iter().zip(bust.areas()).for_each(|(&p, a)| sizes[p] += a / bust.area());
        assert!(sizes.iter().all(|s| (s * 80.0 - 1.0).abs() < 0.2), "{sizes:?}");
        // Half of the area's samples lie in the upper half of the bands.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let middles = bust.middles();
        let line = patches.iter().zip(&middles).filter(|(p, _)| **p < 40).map(|(_, m)| m[2]).fold(f64::MAX, f64::min);
        let above = (0..10_000).filter(|_| bust.sample(&mut rng)[2] > line).count();
        assert!((4700..5300).contains(&above), "{above}");
    }
}
