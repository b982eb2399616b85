//! How large the values of a network's hidden channels become: what an engine that computes in bytes needs.
//!
//! A few values of a channel are far larger than all others. To let the bytes reach up to them would make their
//! steps coarse for everything else, so that the range is where all but one value in two thousand lie below, and a
//! quarter more, for pictures with harder edges than photographs have.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use super::{
    conv::{self, Shape},
    net::Folded,
    pairs::{Cut, Draw, Pair, Patch, batch},
};

/// The side of a patch that is looked at, and how many there are.
const SIDE: usize = 48;
const PATCHES: usize = 128;
/// The share of a channel's values that lies inside its range.
const INSIDE: f64 = 0.9995;
/// And so much more.
const MARGIN: f32 = 1.25;
/// The range of a channel that is never above zero.
const LEAST: f32 = 1e-3;

/// For each layer but the last, for each channel; none without pictures that are large enough.
pub(super) fn measure(net: &Folded, pairs: &[Pair], seed: u64) -> Option<Vec<Vec<f32>>> {
    if pairs.is_empty() || pairs.iter().any(|p| p.width().min(p.height()) < SIDE) {
        return None;
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let cut = Cut { side: SIDE, radius: net.layers.len(), noise: None, moves: &[] };
    let patches = batch(&Draw::of(pairs), PATCHES, cut, &mut rng);
    let seen: Vec<Vec<Vec<f32>>> = patches.par_iter().map(|patch| hidden(net, patch)).collect();
    let range = |l: usize, c: usize| {
        let mut values: Vec<f32> = Vec::new();
        for layers in &seen {
            let size = layers[l].len() / net.layers[l].outputs;
            values.extend(&layers[l][c * size..][..size]);
        }
        let at = ((values.len() - 1) as f64 * INSIDE) as usize;
        let (_, value, _) = values.select_nth_unstable_by(at, f32::total_cmp);
        (MARGIN * *value).max(LEAST)
    };
    let layers = net.layers.iter().take(net.layers.len() - 1).enumerate();
    Some(layers.map(|(l, layer)| (0..layer.outputs).map(|c| range(l, c)).collect()).collect())
}

/// What each layer but the last makes of a patch, `[channel][row][column]`.
fn hidden(net: &Folded, patch: &Patch) -> Vec<Vec<f32>> {
    let mut side = SIDE + 2 * net.layers.len();
    let (mut x, mut all) = (patch.input.clone(), Vec::new());
    for layer in net.at(patch.qp).iter().take(net.layers.len() - 1) {
        let shape = Shape { images: 1, inputs: layer.inputs, outputs: layer.outputs, height: side, width: side };
        x = conv::forward(&x, &layer.weights, &layer.bias, shape, true);
        side -= 2;
        all.push(x.clone());
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frame::Plane, model::Conv3x3, train::pairs::Seen};

    /// One channel that is the luma itself, one that is never above zero: of a ramp from 0 to 250 codes the first
    /// reaches its end.
    #[test]
    fn the_range_of_a_ramp_is_its_end_and_a_quarter_more() {
        let (width, height) = (64, 48);
        let plane = |w: usize, h: usize| {
            let data = (0..w * h).map(|i| (i % w * 250 / (w - 1)) as u8).collect();
            Plane::from_vec(data, w, h, w).unwrap()
        };
        let seen = Seen { qp: 30.0, age: 0, interest: 1.0 };
        let pair = Pair::new(&plane(width, height), &plane(2 * width, 2 * height), seen).unwrap();
        let mut weights = vec![0.0; 18];
        (weights[4], weights[13]) = (1.0, -1.0);
        let first = Conv3x3 { inputs: 1, outputs: 2, weights, bias: vec![0.0; 2] };
        let last = Conv3x3 { inputs: 2, outputs: 4, weights: vec![0.0; 72], bias: vec![0.0; 4] };
        let net = Folded { layers: vec![first, last], by_qp: Vec::new() };
        let ranges = measure(&net, &[pair], 1).unwrap();
        assert_eq!((ranges.len(), ranges[0].len(), ranges[0][1]), (1, 2, LEAST));
        assert!((ranges[0][0] - 1.25 * 250.0 / 255.0).abs() < 1e-6, "{ranges:?}");
        assert_eq!(measure(&net, &[], 1), None);
    }
}
