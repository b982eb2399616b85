//! Two terms of vivid training that ask for the right texture without asking where it lies: after coding nobody knows
//! where a hair was, but how much there is to see of hair the surroundings tell.
//!
//! Both take the difference of two whole pictures of `side²` pixels, row by row, luma from 0 to 1.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

/// A filter of `width²` taps, row by row.
struct Filter {
    taps: Vec<f32>,
    width: usize,
}

impl Filter {
    /// The side of what comes of a picture of this side: only where all taps lie inside.
    fn side(&self, side: usize) -> usize {
        (side + 1).saturating_sub(self.width)
    }

    fn places(&self, side: usize) -> impl Iterator<Item = (usize, f32)> + '_ {
        let offset = move |n: usize| n / self.width * side + n % self.width;
        self.taps.iter().enumerate().map(move |(n, tap)| (offset(n), *tap))
    }

    fn apply(&self, picture: &[f32], side: usize) -> Vec<f32> {
        let inner = self.side(side);
        let mut out = vec![0.0; inner * inner];
        for (offset, tap) in self.places(side) {
            for (y, row) in out.chunks_exact_mut(inner.max(1)).enumerate() {
                let seen = &picture[offset + y * side..][..inner];
                row.iter_mut().zip(seen).for_each(|(sum, v)| *sum += tap * v);
            }
        }
        out
    }

    /// Adds to `slopes` what the slopes by the filter's output say about its input.
    fn turn_back(&self, by: &[f32], side: usize, slopes: &mut [f32]) {
        let inner = self.side(side);
        for (offset, tap) in self.places(side) {
            for (y, row) in by.chunks_exact(inner.max(1)).enumerate() {
                let seen = &mut slopes[offset + y * side..][..inner];
                seen.iter_mut().zip(row).for_each(|(slope, by)| *slope += tap * by);
            }
        }
    }
}

/// Side of the squares in which energies are compared.
const SQUARE: usize = 8;
/// What counts as no texture: half a code.
const QUIET: f32 = 0.5 / 255.0;

/// Haar's three details at two scales, not decimated: of neighbouring pixels, and of neighbouring means of 2×2.
fn haar() -> Vec<Filter> {
    let details = [[0.5, 0.5, -0.5, -0.5], [0.5, -0.5, 0.5, -0.5], [0.5, -0.5, -0.5, 0.5]];
    let fine = details.map(|taps| Filter { taps: taps.to_vec(), width: 2 });
    let coarse = details.map(|taps| {
        let tap = |n: usize| taps[n / 8 * 2 + n % 4 / 2] / 4.0;
        Filter { taps: (0..16).map(tap).collect(), width: 4 }
    });
    fine.into_iter().chain(coarse).collect()
}

/// How far the energies of wavelet bands are from the true picture's, and the slopes by `made`: the mean of
/// |r(made) − r(true)|, where r is the root of the mean square of one of Haar's bands in a square of 8×8.
pub(super) fn energy(made: &[f32], of_true: &[f32], side: usize) -> (f32, Vec<f32>) {
    let mut value = 0.0_f64;
    let mut slopes = vec![0.0; made.len()];
    let filters = haar();
    for filter in &filters {
        let inner = filter.side(side);
        let squares = inner.div_ceil(SQUARE);
        let [band, wanted] = [made, of_true].map(|picture| filter.apply(picture, side));
        let share = 1.0 / (filters.len() * squares * squares).max(1) as f32;
        let mut by = vec![0.0; band.len()];
        for (top, left) in (0..squares).flat_map(|y| (0..squares).map(move |x| (y * SQUARE, x * SQUARE))) {
            let rows = top..(top + SQUARE).min(inner);
            let columns = left..(left + SQUARE).min(inner);
            let count = (rows.len() * columns.len()) as f32;
            let root = |band: &[f32]| {
                let squared =
                    rows.clone().flat_map(|y| &band[y * inner..][columns.clone()]).map(|v| v * v).sum::<f32>();
                (squared / count + QUIET * QUIET).sqrt()
            };
            let [has, ought] = [&band, &wanted].map(|band| root(band));
            value += f64::from(share * (has - ought).abs());
            let pull = share * if has == ought { 0.0 } else { (has - ought).signum() } / (has * count);
            for y in rows.clone() {
                let at = y * inner + columns.start..y * inner + columns.end;
                by[at.clone()].iter_mut().zip(&band[at]).for_each(|(by, v)| *by = pull * v);
            }
        }
        filter.turn_back(&by, side, &mut slopes);
    }
    (value as f32, slopes)
}

/// Side of the patches whose distribution is compared.
const PATCH: usize = 5;
/// Directions in which it is.
const DIRECTIONS: usize = 24;

/// Unit vectors in the space of patches, none of which sees a patch's mean; always the same.
fn directions() -> Vec<Filter> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let direction = |_| {
        let mut taps: Vec<f32> =
            (0..PATCH * PATCH).map(|_| (0..4).map(|_| rng.random_range(-1.0..1.0)).sum()).collect();
        let mean = taps.iter().sum::<f32>() / taps.len() as f32;
        taps.iter_mut().for_each(|tap| *tap -= mean);
        let length = taps.iter().map(|tap| tap * tap).sum::<f32>().sqrt().max(f32::MIN_POSITIVE);
        taps.iter_mut().for_each(|tap| *tap /= length);
        Filter { taps, width: PATCH }
    };
    (0..DIRECTIONS).map(direction).collect()
}

/// How much there is to carry from the patches of the made picture to those of the true one, and the slopes by `made`:
/// the sliced 1-Wasserstein distance of their 5×5 patches without the mean (Rabin et al., SSVM 2011; as a loss for
/// textures Heitz et al., CVPR 2021, arXiv 2006.07229). In one direction transport is sorting: the mean of
/// |a₍ₖ₎ − b₍ₖ₎| over the ranks k.
pub(super) fn transport(made: &[f32], of_true: &[f32], side: usize) -> (f32, Vec<f32>) {
    let mut value = 0.0_f64;
    let mut slopes = vec![0.0; made.len()];
    for filter in directions() {
        let [seen, wanted] = [made, of_true].map(|picture| filter.apply(picture, side));
        let [order, of_wanted] = [&seen, &wanted].map(|values| ranked(values));
        let share = 1.0 / (DIRECTIONS * seen.len()).max(1) as f32;
        let mut by = vec![0.0; seen.len()];
        for (from, to) in order.into_iter().zip(of_wanted) {
            let away = seen[from] - wanted[to];
            value += f64::from(share * away.abs());
            by[from] = if away == 0.0 { 0.0 } else { share * away.signum() };
        }
        filter.turn_back(&by, side, &mut slopes);
    }
    (value as f32, slopes)
}

/// The places of values, the smallest first.
fn ranked(values: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(seed: u64, side: usize, scale: f32) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..side * side).map(|_| 0.5 + scale * rng.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn haar_by_hand() {
        // a b / c d = 1 2 / 3 5: rows −2.5, columns −1.5, diagonal 0.5.
        let bands: Vec<f32> = haar()[..3].iter().map(|f| f.apply(&[1.0, 2.0, 3.0, 5.0], 2)[0]).collect();
        assert_eq!(bands, [-2.5, -1.5, 0.5]);
        // Of a picture whose right half is brighter by 1 the coarse column band sees all at its middle.
        let step: Vec<f32> = [0.0, 0.0, 1.0, 1.0].repeat(4);
        let bands: Vec<f32> = haar()[3..].iter().map(|f| f.apply(&step, 4)[0]).collect();
        assert_eq!(bands, [0.0, -1.0, 0.0]);
    }

    #[test]
    fn texture_that_lies_elsewhere_costs_next_to_nothing_and_none_costs() {
        let side = 32;
        let of_true = noise(1, side, 0.1);
        for term in [energy, transport] {
            let none = term(&vec![0.5; side * side], &of_true, side).0;
            let elsewhere = term(&noise(2, side, 0.1), &of_true, side).0;
            let twice = term(&noise(1, side, 0.2), &of_true, side).0;
            assert_eq!(term(&of_true, &of_true, side).0, 0.0);
            assert!(elsewhere < 0.2 * none, "{elsewhere} {none}");
            assert!((0.8..1.2).contains(&(twice / none)), "twice as much is as wrong as none: {twice} {none}");
            // The mean is somebody else's business.
            let brighter: Vec<f32> = of_true.iter().map(|v| v + 0.25).collect();
            assert!(term(&brighter, &of_true, side).0 < 1e-4 * none);
        }
    }

    /// In one direction optimal transport joins equal ranks: no other pairing is cheaper.
    #[test]
    fn sorting_is_the_cheapest_way() {
        let (a, b) = ([3.0_f32, -1.0, 2.0, 0.5], [0.0_f32, 4.0, 1.0, -2.0]);
        let cost = |to: [usize; 4]| (0..4).map(|i| (a[i] - b[to[i]]).abs()).sum::<f32>();
        let (from, to) = (ranked(&a), ranked(&b));
        let mut pairs = [0; 4];
        from.iter().zip(&to).for_each(|(from, to)| pairs[*from] = *to);
        let all = (0..256).map(|n| [n % 4, n / 4 % 4, n / 16 % 4, n / 64]);
        let least = all.filter(|to| (0..4).all(|v| to.contains(&v))).map(cost).fold(f32::MAX, f32::min);
        assert_eq!(cost(pairs), least);
    }

    #[test]
    fn slopes_are_derivatives() {
        let side = 12;
        let (made, of_true) = (noise(3, side, 0.1), noise(4, side, 0.2));
        for term in [energy, transport] {
            let slopes = term(&made, &of_true, side).1;
            let way = noise(5, side, 1.0);
            let at = |by: f32| {
                let moved: Vec<f32> = made.iter().zip(&way).map(|(v, w)| v + by * (w - 0.5)).collect();
                term(&moved, &of_true, side).0
            };
            let measured = (at(1e-4) - at(-1e-4)) / 2e-4;
            let told: f32 = slopes.iter().zip(&way).map(|(s, w)| s * (w - 0.5)).sum();
            assert!((measured - told).abs() < 0.05 * measured.abs().max(told.abs()), "{measured} {told}");
        }
    }

    #[test]
    fn a_picture_that_is_too_small_has_no_texture() {
        for side in [0, 1, 2, 3] {
            let picture = vec![0.5; side * side];
            assert_eq!(transport(&picture, &picture, side).0, 0.0);
            assert_eq!(energy(&picture, &picture, side).0, 0.0);
        }
    }
}
