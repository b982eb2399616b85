//! A model, ready to run: its layers, in f32 or in bytes, for the quantiser of the frame.

use super::{
    layer::{GROUP, Layer, Numbers},
    quantised::Quantised,
};
use crate::{
    model::{Condition, Conv3x3, Model},
    upscale::{Precision, hysteresis},
};

/// A model, ready to run.
#[derive(Debug)]
pub(super) struct Net {
    pub(super) layers: Vec<Layer>,
    channels: usize,
    /// Where the numbers follow the quantiser: those at the neutral one, and how they change.
    by_qp: Vec<[Numbers; 2]>,
    /// What the layers' numbers were made for.
    condition: Condition,
    /// How many times as wide as is usual its deadband is.
    deadband_factor: f32,
    /// What it was asked to run in.
    precision: Precision,
    /// The same in bytes, if it runs in them.
    pub(super) quantised: Option<Quantised>,
}

impl Net {
    /// In bytes if they are asked for and the model says how large its values become; at the neutral quantiser.
    pub(super) fn new(model: &Model, precision: Precision) -> Self {
        Self::at(model, precision, Condition::NEUTRAL)
    }

    /// The same for pictures of another quantiser.
    fn at(model: &Model, precision: Precision, condition: Condition) -> Self {
        let last = model.layers().len() - 1;
        let layer = |(i, conv): (usize, &Conv3x3)| {
            let floor = if i == last { f32::NEG_INFINITY } else { 0.0 };
            Layer { inputs: conv.inputs, numbers: Numbers::zero(conv), floor }
        };
        let layers: Vec<Layer> = model.layers().iter().enumerate().map(layer).collect();
        let by_qp = model.by_qp().iter().map(|conv| [Numbers::zero(conv), Numbers::zero(conv)]).collect();
        let ranges = model.ranges().filter(|_| precision == Precision::Int8);
        let quantised = ranges.map(|ranges| Quantised::new(&layers, ranges));
        let mut net = Self {
            layers,
            channels: model.info().channels,
            by_qp,
            condition: Condition::NEUTRAL,
            deadband_factor: model.deadband_factor(),
            precision,
            quantised,
        };
        net.pack(model, condition);
        net
    }

    /// How far what is shown may stay behind what is computed.
    pub(super) fn deadband(&self) -> f32 {
        hysteresis::deadband(self.precision(), self.layers.len(), self.deadband_factor)
    }

    /// In what it computes.
    pub(super) fn precision(&self) -> Precision {
        if self.quantised.is_some() { Precision::Int8 } else { Precision::F32 }
    }

    /// Takes the weights of a model of the same shape; says whether it has it. In bytes, a model that does not say
    /// how large its values become has another.
    pub(super) fn set_weights(&mut self, model: &Model) -> bool {
        let same = model.layers().len() == self.layers.len()
            && model.info().channels == self.channels
            && model.by_qp().len() == self.by_qp.len()
            && (self.precision != Precision::Int8 || self.quantised.is_some() == model.ranges().is_some());
        if same {
            self.deadband_factor = model.deadband_factor();
            if let (Some(quantised), Some(ranges)) = (&mut self.quantised, model.ranges()) {
                quantised.set_ranges(ranges);
            }
            self.pack(model, self.condition);
        }
        same
    }

    fn pack(&mut self, model: &Model, condition: Condition) {
        for (layer, conv) in self.layers.iter_mut().zip(model.layers()) {
            layer.numbers.pack(conv);
        }
        self.condition = Condition::NEUTRAL;
        for ([neutral, change], (conv, by_qp)) in self.by_qp.iter_mut().zip(model.layers().iter().zip(model.by_qp())) {
            neutral.pack(conv);
            change.pack(by_qp);
        }
        if !self.turn_to(condition) {
            self.quantise();
        }
    }

    fn quantise(&mut self) {
        if let Some(quantised) = &mut self.quantised {
            quantised.take(&self.layers);
        }
    }

    /// Follows the quantiser of a frame; says whether that changed anything.
    pub(super) fn follow(&mut self, qp: Option<f32>) -> bool {
        self.turn_to(Condition::of(qp))
    }

    fn turn_to(&mut self, condition: Condition) -> bool {
        let moved = condition != self.condition && !self.by_qp.is_empty();
        if moved {
            self.condition = condition;
            for (layer, [neutral, change]) in self.layers.iter_mut().zip(&self.by_qp) {
                layer.numbers.sum(neutral, condition.at, change);
            }
            if let Some(last) = self.layers.last_mut() {
                last.numbers.scale(condition.share);
            }
            self.quantise();
        }
        moved
    }

    /// How far it looks around a pixel.
    pub(super) fn radius(&self) -> usize {
        self.layers.len()
    }

    /// Multiply-adds for a pixel, those with padding included.
    pub(super) fn multiplications(&self) -> usize {
        self.layers.iter().map(|layer| 9 * layer.inputs * layer.outputs()).sum()
    }

    /// Values of four bytes that are kept of each pixel: before the first layer, and after each.
    pub(super) fn values(&self) -> impl Iterator<Item = usize> {
        let last = self.layers.len().saturating_sub(1);
        let bytes = self.quantised.is_some();
        let of = move |(l, layer): (usize, &Layer)| layer.outputs() / if bytes && l < last { GROUP } else { 1 };
        std::iter::once(1).chain(self.layers.iter().enumerate().map(of))
    }
}

/// A model in bytes for pictures of a quantiser; none where the model does not say how large its values become.
pub(in crate::upscale) fn quantised(model: &Model, condition: Condition) -> Option<Quantised> {
    Net::at(model, Precision::Int8, condition).quantised
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_for_a_quantiser_are_made_once() {
        let model = Model::find("nano").unwrap();
        let (fine, coarse) = (Condition::of(Some(24.0)), Condition::of(Some(36.0)));
        let made = quantised(&model, coarse).unwrap();
        assert_eq!(made.packs, 1);
        // What follows a quantiser back and forth comes to the same.
        let mut net = Net::at(&model, Precision::Int8, fine);
        assert!(net.follow(Some(36.0)) && !net.follow(Some(36.0)));
        let followed = net.quantised.as_ref().unwrap();
        assert_eq!((followed.packs, &followed.first.weights), (2, &made.first.weights));
        assert!(followed.rest.iter().zip(&made.rest).all(|(a, b)| a.weights == b.weights && a.scale == b.scale));
        // Other weights are made once, too, for the quantiser that is there.
        assert!(net.set_weights(&model) && !net.follow(Some(36.0)));
        assert_eq!(net.quantised.unwrap().packs, 3);
    }
}
