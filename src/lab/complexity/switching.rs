//! Which channels of a network never switch on a video: those bend nothing there.
//!
//! A dead channel gives zero everywhere: it may be left out, and nothing changes. A channel that is always on is affine
//! there: its ReLU does nothing. It cannot be left out all the same, since two convolutions of 3×3 without a ReLU
//! between them are one of 5×5, which this network has no place for.

use rayon::prelude::*;
use serde::Serialize;

use crate::{
    frame::{Frame, Plane},
    model::{Conv3x3, Model},
    train::conv::{self, Shape},
};

/// Channels of a hidden layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Switching {
    /// All of them.
    pub channels: usize,
    /// Those that are never above zero, counted from 0.
    pub dead: Vec<usize>,
    /// Those that are never below.
    pub always_on: Vec<usize>,
}

/// For each hidden layer of a model: what its channels do on some pictures, each with the weights that a call would
/// show it with. Every pixel of every picture is looked at, edges included.
pub fn on(model: &Model, frames: &[Frame]) -> Vec<Switching> {
    let of_frame = |frame: &Frame| ranges(&model.at_qp(frame.weights_qp), frame.y());
    let none = || vec![vec![(f32::MAX, f32::MIN); model.info().channels]; model.layers().len() - 1];
    let all = frames.par_iter().map(of_frame).reduce(none, |mut a, b| {
        for (a, b) in a.iter_mut().flatten().zip(b.into_iter().flatten()) {
            *a = (a.0.min(b.0), a.1.max(b.1));
        }
        a
    });
    let which = |layer: &[(f32, f32)], is: &dyn Fn((f32, f32)) -> bool| {
        layer.iter().enumerate().filter(|(_, range)| is(**range)).map(|(channel, _)| channel).collect()
    };
    let layer = |layer: Vec<(f32, f32)>| Switching {
        channels: layer.len(),
        dead: which(&layer, &|(_, most)| most <= 0.0),
        always_on: which(&layer, &|(least, _)| least >= 0.0),
    };
    all.into_iter().map(layer).collect()
}

/// The least and the most that each channel of each hidden layer adds up, before its ReLU.
fn ranges(layers: &[Conv3x3], luma: &Plane) -> Vec<Vec<(f32, f32)>> {
    let reach = layers.len();
    let (mut width, mut height) = (luma.width() + 2 * reach, luma.height() + 2 * reach);
    let place = |i: usize| i as isize - reach as isize;
    let mut values: Vec<f32> =
        (0..width * height).map(|i| f32::from(luma.clamped(place(i % width), place(i / width))) / 255.0).collect();
    let mut all = Vec::new();
    for layer in layers.iter().take(layers.len() - 1) {
        let shape = Shape { images: 1, inputs: layer.inputs, outputs: layer.outputs, height, width };
        values = conv::forward(&values, &layer.weights, &layer.bias, shape, false);
        (width, height) = (width - 2, height - 2);
        let range = |channel: &[f32]| channel.iter().fold((f32::MAX, f32::MIN), |(l, m), v| (l.min(*v), m.max(*v)));
        all.push(values.chunks_exact(width * height).map(range).collect());
        values.iter_mut().for_each(|v| *v = v.max(0.0));
    }
    all
}

/// Multiplications for a low-resolution pixel that would be left if each layer were without its dead channels, which no
/// model of this family can be: all its layers have as many.
pub fn mac_without_dead(layers: &[Switching]) -> usize {
    let alive: Vec<usize> = layers.iter().map(|layer| layer.channels - layer.dead.len()).collect();
    let widths = [&[1], &alive[..], &[4]].concat();
    widths.windows(2).map(|pair| 9 * pair[0] * pair[1]).sum()
}

/// How many channels a model of this family could have less, and compute the same on what [`on`] looked at: all its
/// layers have as many channels, so that it is the fewest dead ones of a layer.
pub fn removable(layers: &[Switching]) -> usize {
    layers.iter().map(|layer| layer.dead.len()).min().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        frame::{Colour, Size, Stamp},
        model::Training,
    };

    #[test]
    fn what_never_switches_is_found() {
        // Channel 0 is the luma less ½, which switches; 1 is never on; 2 always is. Behind it: 1 sees the dead one and
        // a negative bias, 2 the sum, 0 a constant.
        let mut first = vec![0.0; 27];
        (first[4], first[13], first[22]) = (1.0, -1.0, 1.0);
        let first = Conv3x3 { inputs: 1, outputs: 3, weights: first, bias: vec![-0.5, -0.1, 0.1] };
        let mut second = vec![0.0; 81];
        second[27 + 9 + 4] = 1.0;
        (second[54 + 4], second[54 + 18 + 4]) = (1.0, -1.0);
        let second = Conv3x3 { inputs: 3, outputs: 3, weights: second, bias: vec![0.5, -0.1, 0.3] };
        let last = Conv3x3 { inputs: 3, outputs: 4, weights: vec![0.01; 108], bias: vec![0.0; 4] };
        let model = Model::new("m", vec![first, second, last], Training::default()).unwrap();
        let mut frame = Frame::filled(Size::new(16, 8).unwrap(), [0; 3], Colour::default(), Stamp::now(0));
        let [luma, ..] = frame.planes_mut();
        (0..8).for_each(|y| luma.row_mut(y).iter_mut().enumerate().for_each(|(x, v)| *v = (17 * x) as u8));
        let found = on(&model, std::slice::from_ref(&frame));
        let layer = |dead: &[usize], on: &[usize]| Switching { channels: 3, dead: dead.into(), always_on: on.into() };
        assert_eq!(found, [layer(&[1], &[2]), layer(&[1], &[0])]);
        assert_eq!(removable(&found), 1);
        assert_eq!(mac_without_dead(&found), 9 * (2 + 4 + 8));
        // On a dark picture more is dead.
        let dark = Frame::filled(Size::new(16, 8).unwrap(), [20, 128, 128], Colour::default(), Stamp::now(0));
        assert_eq!(on(&model, std::slice::from_ref(&dark))[0], layer(&[0, 1], &[2]));
        assert_eq!(on(&model, &[dark, frame]), found, "what switches on one of the pictures switches");
    }
}
