//! Whether a generator has collapsed: what a trained network keeps of the ways in which pictures differ.
//!
//! Four measures, of the network, of bicubic and of the truth, over patches that are not learnt from:
//!
//! * **rank**: content moves in eight ways (by half a pixel and a whole one); the changes J·v of the output are
//!   the columns of a matrix. Its effective rank is the exponential of the entropy of its squared singular values
//!   (Roy and Vetterli, EUSIPCO 2007): 8 when all ways show equally, 1 when all look alike.
//! * **condition**: its largest singular value by its smallest.
//! * **spread**: how far the details of patches are from their mean, as a part of how far the true ones are.
//! * **sharpness**: the energy in four bands of a 16×16 DCT, from coarse to fine, in dB of the truth's.

use super::{
    net::{Folded, forward},
    pairs::{Cut, Draw, Pair, Patch, batch, bicubic},
    terms::STEP,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// The side of a patch that is looked at, and how many there are.
const SIDE: usize = 48;
const PATCHES: usize = 48;
/// The moves of a patch's content, in pixels of the large picture.
pub(super) const MOVES: [[isize; 2]; 8] = [[1, 0], [0, 1], [1, 1], [1, -1], [2, 0], [0, 2], [2, 2], [2, -2]];
/// The side of a block of the DCT.
const BLOCK: usize = 16;
const BANDS: usize = 4;

/// What the module says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Health {
    /// 1 to 8.
    pub rank: f64,
    /// 1 or more.
    pub condition: f64,
    /// 1 where details differ as much as the true ones.
    pub spread: f64,
    /// In dB, from coarse to fine; 0 is the truth.
    pub sharpness: [f64; BANDS],
}

/// The health of a network, of bicubic, and of the truth; none without pictures.
pub(super) fn measure(net: &Folded, pairs: &[Pair], seed: u64) -> Option<[Health; 3]> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    if pairs.is_empty() || pairs.iter().any(|p| p.width().min(p.height()) < SIDE) {
        return None;
    }
    let radius = net.layers.len();
    let patches = batch(&Draw::of(pairs), PATCHES, Cut { side: SIDE, radius, moves: &MOVES, noise: None }, &mut rng);
    let seen: Vec<[Seen; 3]> = patches.iter().map(|patch| see(net, patch, radius)).collect();
    let truth = Sums::of(seen.iter().map(|s| &s[2]));
    Some([0, 1, 2].map(|who| {
        let sums = Sums::of(seen.iter().map(|s| &s[who]));
        let sharpness = std::array::from_fn(|b| 10.0 * (sums.bands[b] / truth.bands[b].max(1e-12)).max(1e-12).log10());
        Health { rank: sums.rank, condition: sums.condition, spread: sums.spread / truth.spread.max(1e-12), sharpness }
    }))
}

/// One picture of a patch: what was added to bicubic, all of it, and how it changes with each move.
struct Seen {
    detail: Vec<f32>,
    whole: Vec<f32>,
    changes: Vec<Vec<f32>>,
}

fn see(net: &Folded, patch: &Patch, radius: usize) -> [Seen; 3] {
    let layers = net.at(patch.qp);
    let padded = SIDE + 2 * radius;
    let base = |plane: &[f32]| bicubic(plane, SIDE, SIDE, radius);
    let sum = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a + b).collect::<Vec<f32>>();
    let made = |plane: &[f32]| sum(&forward(&layers, plane, padded, padded), &base(plane));
    let apart = |there: &[f32], here: &[f32]| there.iter().zip(here).map(|(t, h)| (t - h) / STEP).collect::<Vec<f32>>();
    let zero = base(&patch.input);
    let whole = made(&patch.input);
    let of_true = sum(&patch.target, &zero);
    let there = |direction: &[f32]| patch.input.iter().zip(direction).map(|(v, d)| v + STEP * d).collect::<Vec<f32>>();
    let moved: Vec<Vec<f32>> = patch.moves.iter().map(|m| there(&m.direction)).collect();
    [
        Seen {
            detail: forward(&layers, &patch.input, padded, padded),
            changes: moved.iter().map(|plane| apart(&made(plane), &whole)).collect(),
            whole,
        },
        Seen {
            detail: vec![0.0; zero.len()],
            changes: moved.iter().map(|plane| apart(&base(plane), &zero)).collect(),
            whole: zero,
        },
        Seen {
            detail: patch.target.clone(),
            changes: patch.moves.iter().map(|m| m.of_true.clone()).collect(),
            whole: of_true,
        },
    ]
}

struct Sums {
    rank: f64,
    condition: f64,
    spread: f64,
    bands: [f64; BANDS],
}

impl Sums {
    fn of<'a>(seen: impl Iterator<Item = &'a Seen> + Clone) -> Self {
        let count = seen.clone().count().max(1) as f64;
        let mut sums = Self { rank: 0.0, condition: 0.0, spread: 0.0, bands: [0.0; BANDS] };
        let mut mean = vec![0.0_f32; 4 * SIDE * SIDE];
        for seen in seen.clone() {
            let squares = singular_squares(&seen.changes);
            sums.rank += effective_rank(&squares) / count;
            // In the logarithm, so that one flat patch does not decide.
            sums.condition += log_condition(&squares) / count;
            for (sum, band) in sums.bands.iter_mut().zip(bands(&seen.whole)) {
                *sum += band;
            }
            mean.iter_mut().zip(&seen.detail).for_each(|(m, d)| *m += d / count as f32);
        }
        sums.condition = sums.condition.exp();
        for seen in seen {
            sums.spread += seen.detail.iter().zip(&mean).map(|(d, m)| f64::from((d - m).powi(2))).sum::<f64>();
        }
        sums
    }
}

/// The squared singular values of a matrix with these columns: the eigenvalues of their products, by Jacobi's
/// rotations (Golub and Van Loan, Matrix Computations, 8.5).
pub(crate) fn singular_squares(columns: &[Vec<f32>]) -> Vec<f64> {
    let n = columns.len();
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
    let mut m: Vec<Vec<f64>> = columns.iter().map(|a| columns.iter().map(|b| dot(a, b)).collect()).collect();
    for _ in 0..12 {
        for p in 0..n {
            for q in p + 1..n {
                if m[p][q].abs() < 1e-15 * (m[p][p] * m[q][q]).abs().sqrt() {
                    continue;
                }
                let theta = (m[q][q] - m[p][p]) / (2.0 * m[p][q]);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                let s = t * c;
                for row in &mut m {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                let (above, below) = m.split_at_mut(q);
                for (p, q) in above[p].iter_mut().zip(&mut below[0]) {
                    (*p, *q) = (c * *p - s * *q, s * *p + c * *q);
                }
            }
        }
    }
    (0..n).map(|i| m[i][i].max(0.0)).collect()
}

/// The exponential of the entropy of squared singular values: how many of them count.
pub(crate) fn effective_rank(squares: &[f64]) -> f64 {
    let sum: f64 = squares.iter().sum();
    let shares = squares.iter().map(|s| s / sum.max(1e-30)).filter(|p| *p > 0.0);
    shares.map(|p| -p * p.ln()).sum::<f64>().exp()
}

/// The logarithm of the condition: the largest singular value by the smallest, from their squares.
pub(crate) fn log_condition(squares: &[f64]) -> f64 {
    let (largest, least) = squares.iter().fold((0.0, f64::MAX), |(l, s), v| (v.max(l), v.min(s)));
    0.5 * (largest.max(1e-12) / least.max(1e-9 * largest.max(1e-12))).ln()
}

/// The energy of four bands of a picture in the layout of a pixel shuffle.
fn bands(shuffled: &[f32]) -> [f64; BANDS] {
    let side = 2 * SIDE;
    let at = |x: usize, y: usize| shuffled[((y % 2 * 2 + x % 2) * SIDE + y / 2) * SIDE + x / 2];
    let cosine = |k: usize, i: usize| (std::f32::consts::PI * (i as f32 + 0.5) * k as f32 / BLOCK as f32).cos();
    let table: Vec<f32> = (0..BLOCK * BLOCK).map(|n| cosine(n / BLOCK, n % BLOCK)).collect();
    let mut energy = [0.0; BANDS];
    for (top, left) in (0..side / BLOCK).flat_map(|y| (0..side / BLOCK).map(move |x| (y * BLOCK, x * BLOCK))) {
        let across = |y: usize, u: usize| (0..BLOCK).map(|x| table[u * BLOCK + x] * at(left + x, top + y)).sum::<f32>();
        let rows: Vec<f32> = (0..BLOCK * BLOCK).map(|n| across(n / BLOCK, n % BLOCK)).collect();
        for (v, u) in (0..BLOCK).flat_map(|v| (0..BLOCK).map(move |u| (v, u))).skip(1) {
            let value: f32 = (0..BLOCK).map(|y| table[v * BLOCK + y] * rows[y * BLOCK + u]).sum();
            let both = if u == 0 || v == 0 { 0.5 } else { 1.0 };
            energy[((u + v) * BANDS / (2 * BLOCK - 1)).min(BANDS - 1)] += both * f64::from(value * value);
        }
    }
    energy
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame::Plane, model::Model, train::pairs::Seen as OfPair};
    use rand::Rng as _;

    #[test]
    fn rank_by_hand() {
        let rank = |columns: &[Vec<f32>]| effective_rank(&singular_squares(columns));
        let axes = [vec![2.0, 0.0, 0.0], vec![0.0, 2.0, 0.0], vec![0.0, 0.0, 2.0]];
        assert!((rank(&axes) - 3.0).abs() < 1e-9);
        assert!((rank(&[vec![1.0, 2.0], vec![2.0, 4.0], vec![-1.0, -2.0]]) - 1.0).abs() < 1e-6, "all alike");
        // Products 5, 4, 5: squares 9 and 1, shares 0.9 and 0.1.
        let squares = singular_squares(&[vec![2.0, 1.0], vec![1.0, 2.0]]);
        let (a, b) = (squares[0].max(squares[1]), squares[0].min(squares[1]));
        assert!((a - 9.0).abs() < 1e-9 && (b - 1.0).abs() < 1e-9);
        assert!((effective_rank(&squares) - (-0.9 * 0.9_f64.ln() - 0.1 * 0.1_f64.ln()).exp()).abs() < 1e-9);
    }

    #[test]
    fn bands_hold_what_they_are_for() {
        let picture = |value: &dyn Fn(usize, usize) -> f32| {
            let mut shuffled = vec![0.0; 4 * SIDE * SIDE];
            for (y, x) in (0..2 * SIDE).flat_map(|y| (0..2 * SIDE).map(move |x| (y, x))) {
                shuffled[((y % 2 * 2 + x % 2) * SIDE + y / 2) * SIDE + x / 2] = value(x, y);
            }
            bands(&shuffled)
        };
        assert!(picture(&|_, _| 0.7).iter().all(|e| *e < 1e-3), "flat");
        let ramp = picture(&|x, _| x as f32 / 96.0);
        assert!(ramp[0] > 10.0 * ramp[1..].iter().sum::<f64>(), "{ramp:?}");
        let chess = picture(&|x, y| ((x + y) % 2) as f32);
        assert!(chess[3] > 2.0 * chess[..3].iter().sum::<f64>(), "{chess:?}");
    }

    #[test]
    fn truth_is_healthy_and_a_network_that_says_one_thing_is_not() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let (w, h) = (64, 56);
        let data: Vec<u8> = (0..4 * w * h).map(|i| (100 + 60 * (i / 9 % 2) + rng.random_range(0..40)) as u8).collect();
        let hr = Plane::from_vec(data, 2 * w, 2 * h, 2 * w).unwrap();
        let lr = (0..w * h).map(|i| hr.row(2 * (i / w))[2 * (i % w)]).collect();
        let lr = Plane::from_vec(lr, w, h, w).unwrap();
        let pairs = [Pair::new(&lr, &hr, OfPair { qp: 30.0, age: 1, interest: 1.0 }).unwrap()];
        let mut layers = Model::untrained(3, 0, 4).unwrap().layers().to_vec();
        layers[1].weights.fill(0.0);
        layers[1].bias = vec![0.1, -0.1, 0.1, -0.1];
        let [net, plain, truth] = measure(&Folded { layers, by_qp: Vec::new() }, &pairs, 1).unwrap();
        assert!((truth.spread - 1.0).abs() < 1e-9 && truth.sharpness == [0.0; 4]);
        assert!(net.spread < 1e-6, "the same detail everywhere");
        assert!((net.rank - plain.rank).abs() < 1e-3 && truth.rank > plain.rank, "{net:?} {plain:?} {truth:?}");
        assert!(plain.sharpness[3] < -3.0, "{plain:?}");
        assert!(measure(&Folded { layers: Vec::new(), by_qp: Vec::new() }, &[], 1).is_none());
    }
}
