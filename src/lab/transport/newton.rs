//! Damped Newton steps on the convex energy E(h) = ∫u dμ − Σ νᵢhᵢ.
//!
//! Its gradient is mass minus wanted mass, its Hessian the weighted Laplacian of the graph of neighbouring cells, each
//! edge weighing (density over the wall) / |yᵢ − yⱼ|. Steps are halved until every cell keeps mass and the gradient
//! falls, as Kitagawa, Mérigot and Thibert (J. Eur. Math. Soc. 2019, arXiv 1603.05579, algorithm 1) do, who prove that
//! it converges, at the end quadratically.

use super::{
    TransportError,
    cells::{Cell, Planes},
    source::{Source, norm, sub},
};

/// Done when no cell's mass is off by more than this part of the mean mass.
const TOLERANCE: f64 = 1e-8;
const MAX_STEPS: usize = 300;
const MAX_HALVINGS: usize = 40;
/// To which part of the right side the linear systems are solved.
const LINEAR_TOLERANCE: f64 = 1e-3;

/// How it went.
#[derive(Debug, Clone, Copy)]
pub(super) struct Solved {
    pub(super) steps: usize,
    /// Diagrams that were built, those of steps that were halved included.
    pub(super) diagrams: usize,
}

/// Raises the planes until each cell has its mass; gives the cells. `progress` hears of each step how far the worst
/// cell is off, in parts of the mean mass.
pub(super) fn solve(
    planes: &mut Planes,
    source: Source,
    wanted: &[f64],
    progress: &mut dyn FnMut(usize, f64),
) -> Result<(Vec<Cell>, Solved), TransportError> {
    let n = wanted.len();
    let least_wanted = wanted.iter().copied().fold(f64::MAX, f64::min);
    let mut cells = planes.cells(source, None);
    let mut solved = Solved { steps: 0, diagrams: 1 };
    let (mut least, mut scale) = (0.0_f64, 1.0_f64);
    loop {
        let missing: Vec<f64> = wanted.iter().zip(&cells).map(|(w, c)| w - c.mass).collect();
        let worst = missing.iter().fold(0.0, |m: f64, d| m.max(d.abs())) * n as f64;
        progress(solved.steps, worst);
        if worst <= TOLERANCE {
            return Ok((cells, solved));
        }
        let gone = TransportError::NotConverged { steps: solved.steps, error: worst };
        if solved.steps == MAX_STEPS {
            return Err(gone);
        }
        let smallest = cells.iter().map(|c| c.mass).fold(f64::MAX, f64::min);
        least = least.max(0.5 * smallest.min(least_wanted));
        let step = Laplacian::new(planes, &cells).solve(&missing);
        let before = planes.heights().to_vec();
        let size = missing.iter().map(|d| d * d).sum::<f64>().sqrt();
        scale = (4.0 * scale).min(1.0);
        let mut halvings = 0;
        cells = loop {
            let heights: Vec<f64> = before.iter().zip(&step).map(|(h, d)| h + scale * d).collect();
            planes.set_heights(&heights);
            let trial = planes.cells(source, Some(&cells));
            solved.diagrams += 1;
            let left = wanted.iter().zip(&trial).map(|(w, c)| (w - c.mass).powi(2)).sum::<f64>().sqrt();
            if trial.iter().all(|c| c.mass >= least) && left <= (1.0 - 0.5 * scale) * size {
                break trial;
            }
            scale *= 0.5;
            halvings += 1;
            if halvings == MAX_HALVINGS {
                return Err(gone);
            }
        };
        solved.steps += 1;
    }
}

/// The Hessian by rows.
struct Laplacian {
    diagonal: Vec<f64>,
    /// Where each row's entries end.
    ends: Vec<usize>,
    /// Columns, and what stands there without its sign.
    entries: Vec<(u32, f64)>,
}

impl Laplacian {
    fn new(planes: &Planes, cells: &[Cell]) -> Self {
        let sites = planes.sites();
        let mut rows: Vec<Vec<(u32, f64)>> = vec![Vec::with_capacity(14); sites.len()];
        for (i, cell) in cells.iter().enumerate() {
            for &(j, density) in &cell.walls {
                // Half from each side, so that rounding leaves the matrix symmetric.
                let weight = 0.5 * density / norm(sub(sites[i], sites[j as usize]));
                rows[i].push((j, weight));
                rows[j as usize].push((i as u32, weight));
            }
        }
        let mut matrix = Self { diagonal: Vec::new(), ends: Vec::new(), entries: Vec::new() };
        for row in &mut rows {
            row.sort_by_key(|e| e.0);
            for same in row.chunk_by(|a, b| a.0 == b.0) {
                matrix.entries.push((same[0].0, same.iter().map(|e| e.1).sum()));
            }
            matrix.ends.push(matrix.entries.len());
            matrix.diagonal.push(row.iter().map(|e| e.1).sum::<f64>().max(f64::MIN_POSITIVE));
        }
        matrix
    }

    fn row(&self, i: usize) -> &[(u32, f64)] {
        &self.entries[if i == 0 { 0 } else { self.ends[i - 1] }..self.ends[i]]
    }

    fn times(&self, x: &[f64]) -> Vec<f64> {
        (0..x.len())
            .map(|i| self.diagonal[i] * x[i] - self.row(i).iter().map(|&(j, w)| w * x[j as usize]).sum::<f64>())
            .collect()
    }

    /// Symmetric Gauss-Seidel: a forward and a backward sweep from 0.
    fn precondition(&self, r: &[f64]) -> Vec<f64> {
        let mut z = vec![0.0; r.len()];
        for i in 0..r.len() {
            let sum: f64 = self.row(i).iter().take_while(|e| (e.0 as usize) < i).map(|&(j, w)| w * z[j as usize]).sum();
            z[i] = (r[i] + sum) / self.diagonal[i];
        }
        for i in (0..r.len()).rev() {
            let sum: f64 =
                self.row(i).iter().rev().take_while(|e| e.0 as usize > i).map(|&(j, w)| w * z[j as usize]).sum();
            z[i] += sum / self.diagonal[i];
        }
        z
    }

    /// Conjugate gradients; both sides sum to 0, where the matrix has an inverse.
    fn solve(&self, right: &[f64]) -> Vec<f64> {
        let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let mut x = vec![0.0; right.len()];
        let mut r = right.to_vec();
        centre(&mut r);
        let target = LINEAR_TOLERANCE * product(&r, &r).sqrt();
        let mut z = self.precondition(&r);
        let mut p = z.clone();
        let mut rz = product(&r, &z);
        for _ in 0..10 * right.len() {
            if product(&r, &r).sqrt() <= target || rz <= 0.0 {
                break;
            }
            let q = self.times(&p);
            let a = rz / product(&p, &q);
            if !a.is_finite() || a <= 0.0 {
                break;
            }
            for i in 0..x.len() {
                x[i] += a * p[i];
                r[i] -= a * q[i];
            }
            z = self.precondition(&r);
            let next = product(&r, &z);
            for (p, z) in p.iter_mut().zip(&z) {
                *p = z + next / rz * *p;
            }
            rz = next;
        }
        centre(&mut x);
        x
    }
}

fn centre(x: &mut [f64]) {
    let mean = x.iter().sum::<f64>() / x.len() as f64;
    x.iter_mut().for_each(|x| *x -= mean);
}
