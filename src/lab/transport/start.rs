//! Where Newton's method starts: heights for which every cell has mass.
//!
//! For any strictly convex ψ the heights hᵢ = −ψ(yᵢ) give each plane a cell of its own around ∇ψ(yᵢ), since there
//! ψ(y) > ψ(yᵢ) + ⟨∇ψ(yᵢ), y − yᵢ⟩ puts it above all others. ψ(y) = ½|y|² is the Voronoi diagram. Here ψ is a sum over
//! the two coordinates whose derivatives carry each coordinate's distribution to about the source's own: clusters
//! that lie far apart start beside each other, with cells of their size.

use super::source::{Point, Source};

/// The heights to start with.
pub(super) fn heights(source: Source, sites: &[Point], masses: &[f64]) -> Vec<f64> {
    let [x, y] = [0, 1].map(|axis| potential(source, sites, masses, axis));
    x.iter().zip(&y).map(|(a, b)| -(a + b)).collect()
}

/// The potential of each site in one coordinate, whose derivative carries the masses to the source's marginal.
fn potential(source: Source, sites: &[Point], masses: &[f64], axis: usize) -> Vec<f64> {
    let mut order: Vec<usize> = (0..sites.len()).collect();
    order.sort_by(|&a, &b| sites[a][axis].total_cmp(&sites[b][axis]));
    let mut potentials = vec![0.0; sites.len()];
    let (mut below, mut sum) = (0.0, 0.0);
    let mut last: Option<(f64, f64)> = None;
    for group in order.chunk_by(|&a, &b| sites[a][axis] == sites[b][axis]) {
        let at = sites[group[0]][axis];
        let mass: f64 = group.iter().map(|&i| masses[i]).sum();
        let slope = quantile(source, below + 0.5 * mass);
        below += mass;
        // The trapezoidal rule keeps it strictly convex at the sites.
        if let Some((before, slope_before)) = last {
            sum += (at - before) * f64::midpoint(slope, slope_before);
        }
        last = Some((at, slope));
        for &i in group {
            potentials[i] = sum;
        }
    }
    potentials
}

/// About where the share `p` of a coordinate's distribution lies below, well within the source.
fn quantile(source: Source, p: f64) -> f64 {
    let p = 0.01 + 0.98 * p.clamp(0.0, 1.0);
    match source {
        Source::Square => 2.0 * p - 1.0,
        // The square that fits into the disk.
        Source::Disk => (2.0 * p - 1.0) * std::f64::consts::FRAC_1_SQRT_2,
        // The logistic distribution is near the normal one.
        Source::Gaussian => 0.6 * (p / (1.0 - p)).ln(),
    }
}
