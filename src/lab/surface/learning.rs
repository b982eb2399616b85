//! The networks' training.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

use super::{Bust, Sizes, decode, rows};
use crate::{
    lab::{
        mlp::{Learner, Mlp, squared_error},
        transport::TransportMap,
    },
    train::fit::learning_rate,
};

const PEAK_RATE: f32 = 4e-3;
/// The part of the steps in which a guided encoder is told a chart without folds.
const GUIDED: f64 = 0.2;

/// An encoder to the plane and a decoder that learn together to give each place back. A guided one is told at first which
/// code each place may have, and then left alone: by itself it may turn a part of the surface over, or tear it.
pub(super) fn autoencoder(
    bust: &Bust,
    sizes: Sizes,
    rng: &mut ChaCha8Rng,
    progress: &mut dyn FnMut(usize),
) -> (Mlp, Mlp) {
    let hidden = [sizes.width; 2];
    let mut encoder = Learner::new(Mlp::random(3, &hidden, 2, rng));
    let mut decoder = Learner::new(Mlp::random(2, &hidden, 3, rng));
    let mut gradients = [&encoder, &decoder].map(|l| vec![0.0; l.net.numbers().len()]);
    for step in 0..sizes.steps {
        progress(step);
        let sampled: Vec<_> = (0..sizes.batch).map(|_| bust.sample(rng)).collect();
        let places = rows(&sampled);
        let code = encoder.net.run(&places);
        let back = decoder.net.run(code.output());
        let (_, slopes) = squared_error(back.output(), &places);
        gradients.iter_mut().for_each(|g| g.fill(0.0));
        let slopes = decoder.net.backward(&back, &slopes);
        decoder.net.learn(&back, &slopes, &mut gradients[1]);
        let mut by_code = slopes.by_input;
        if sizes.guided && (step as f64) < GUIDED * sizes.steps as f64 {
            let chart: Vec<_> = sampled.iter().map(|&p| bust.chart(p)).collect();
            let (_, slopes) = squared_error(code.output(), &rows(&chart));
            by_code.iter_mut().zip(slopes).for_each(|(by, slope)| *by += slope);
        }
        let slopes = encoder.net.backward(&code, &by_code);
        encoder.net.learn(&code, &slopes, &mut gradients[0]);
        let rate = learning_rate(PEAK_RATE, step as u64, sizes.steps as u64);
        encoder.descend(&gradients[0], rate);
        decoder.descend(&gradients[1], rate);
    }
    (encoder.net, decoder.net)
}

/// One network that learns what the decoder makes of the map.
pub(super) fn at_once(
    map: &TransportMap,
    decoder: &Mlp,
    width: usize,
    sizes: Sizes,
    rng: &mut ChaCha8Rng,
    progress: &mut dyn FnMut(usize),
) -> Mlp {
    // The map takes longer than a step of training: some thousand pairs are made once, and used again.
    let pairs = (sizes.batch * sizes.steps / 4).clamp(1, 50_000);
    let noise: Vec<[f64; 2]> = (0..pairs).map(|_| [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)]).collect();
    let codes: Vec<[f64; 2]> = noise.iter().map(|&x| map.interpolate(x)).collect();
    let (noise, places) = (rows(&noise), rows(&decode(decoder, &codes)));
    let mut learner = Learner::new(Mlp::random(2, &[width; 2], 3, rng));
    for step in 0..sizes.steps {
        progress(step);
        let picks: Vec<usize> = (0..sizes.batch).map(|_| rng.random_range(0..pairs)).collect();
        let of = |all: &[f32], wide: usize| -> Vec<f32> {
            picks.iter().flat_map(|&i| all[i * wide..][..wide].iter().copied()).collect()
        };
        let rate = learning_rate(PEAK_RATE, step as u64, sizes.steps as u64);
        learner.fit(&of(&noise, 2), &of(&places, 3), rate);
    }
    learner.net
}

/// For each row a hash of which units are active: rows of one linear piece have the same.
pub(super) fn patterns(net: &Mlp, rows: &[f32]) -> Vec<u64> {
    let pass = net.run(rows);
    let count = rows.len() / net.inputs();
    let mut hashes = vec![0xcbf2_9ce4_8422_2325_u64; count];
    for layer in pass.hidden() {
        for (hash, units) in hashes.iter_mut().zip(layer.chunks_exact(layer.len() / count.max(1))) {
            for unit in units {
                // FNV-1a (Fowler, Noll and Vo).
                *hash = (*hash ^ u64::from(*unit > 0.0)).wrapping_mul(0x0100_0000_01b3);
            }
        }
    }
    hashes
}
