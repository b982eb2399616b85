//! A network with more channels and layers that computes what a smaller one does: where a larger one can start.
//!
//! After Net2Net (Chen, Goodfellow and Shlens, ICLR 2016, arXiv 1511.05641), with new features that nobody reads
//! yet instead of copies: they start from chance, and what reads them starts with zero. A new layer hands its
//! input on; ReLU leaves that alone, since it was cut at zero before.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::model::{Conv3x3, Model, ModelError, Training};

/// `small` with `channels` and `depth` hidden layers, neither of them fewer than it has.
pub(super) fn grown(small: &Model, channels: usize, depth: usize, seed: u64) -> Result<Model, ModelError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let grow = |layers: &[Conv3x3], random: &mut dyn FnMut(usize) -> f32, pass: f32| {
        let (last, hidden) = (depth + 1, layers.len() - 1);
        let layer = |i: usize| {
            let (inputs, outputs) = (if i == 0 { 1 } else { channels }, if i == last { 4 } else { channels });
            let old = if i == last { layers.last() } else { layers[..hidden].get(i) };
            let mut new =
                Conv3x3 { inputs, outputs, weights: vec![0.0; 9 * inputs * outputs], bias: vec![0.0; outputs] };
            let kept = match old {
                Some(old) => {
                    for (n, w) in old.weights.iter().enumerate() {
                        let (o, input, tap) = (n / 9 / old.inputs, n / 9 % old.inputs, n % 9);
                        new.weights[(o * inputs + input) * 9 + tap] = *w;
                    }
                    new.bias[..old.outputs].copy_from_slice(&old.bias);
                    old.outputs
                }
                None => {
                    let kept = layers[0].outputs;
                    for channel in 0..kept {
                        new.weights[(channel * inputs + channel) * 9 + 4] = pass;
                    }
                    kept
                }
            };
            for weight in &mut new.weights[9 * inputs * kept..] {
                *weight = random(inputs);
            }
            new
        };
        (0..=last).map(layer).collect::<Vec<_>>()
    };
    // He et al. 2015, uniform.
    let mut he = |inputs: usize| {
        let bound = (6.0 / (9 * inputs) as f32).sqrt();
        rng.random_range(-bound..=bound)
    };
    let layers = grow(small.layers(), &mut he, 1.0);
    let by_qp = match small.by_qp() {
        [] => Vec::new(),
        by_qp => grow(by_qp, &mut |_| 0.0, 0.0),
    };
    Model::with_qp(small.name(), layers, by_qp, Training::default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::net::forward;

    #[test]
    fn a_grown_network_computes_the_same() {
        let [neutral, change] = [1, 2].map(|seed| Model::untrained(3, 1, seed).unwrap().layers().to_vec());
        let small = Model::with_qp("m", neutral, change, Training::default()).unwrap();
        let large = grown(&small, 5, 3, 4).unwrap();
        assert_eq!((large.info().channels, large.info().depth), (5, 3));
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let plane: Vec<f32> = (0..16 * 16).map(|_| rng.random()).collect();
        // The larger one looks two pixels further, so it needs a margin that the smaller one does not.
        let inside = |side: usize, cut: usize| {
            let plane = &plane;
            (0..side * side).map(move |i| plane[(i / side + cut) * 16 + i % side + cut]).collect::<Vec<f32>>()
        };
        for qp in [24.0, 41.0] {
            let [small, large] = [(&small, 2, 12), (&large, 0, 16)]
                .map(|(model, cut, side)| forward(&model.at_qp(Some(qp)), &inside(side, cut), side, side));
            assert_eq!(small.len(), large.len());
            assert!(small.iter().zip(&large).all(|(a, b)| (a - b).abs() < 1e-5));
        }
        assert_eq!(grown(&small, 3, 1, 9).unwrap().layers(), small.layers(), "nothing to add");
    }
}
