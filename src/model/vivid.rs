//! Vivid weights: those that belong to a model, what lies between, and how much is added to bicubic.

use std::path::Path;

use super::{Model, ModelError, check_layers, shipped};

impl Model {
    /// Between two models of one shape: this one's weights, and `amount` (0 to 1) of the way to the other's. It is
    /// called after this one and the amount, `small@0.6`.
    ///
    /// # Errors
    /// When the two have other shapes.
    pub fn blended(&self, with: &Self, amount: f32) -> Result<Self, ModelError> {
        let shape = |m: &Self| (m.info.channels, m.info.depth, m.by_qp.len());
        if shape(self) != shape(with) {
            let why = format!("it cannot be blended with {}, whose layers have another shape", with.name);
            return Err(ModelError::Invalid { name: self.name.clone(), why });
        }
        let mut blended = self.clone();
        if amount.is_nan() || amount <= 0.0 {
            return Ok(blended);
        }
        let amount = amount.min(1.0);
        blended.name = format!("{}@{}", self.name, (amount * 100.0).round() / 100.0);
        let ours = blended.layers.iter_mut().chain(&mut blended.by_qp);
        for (ours, theirs) in ours.zip(with.layers.iter().chain(&with.by_qp)) {
            let numbers = ours.weights.iter_mut().chain(&mut ours.bias);
            for (ours, theirs) in numbers.zip(theirs.weights.iter().chain(&theirs.bias)) {
                *ours += amount * (theirs - *ours);
            }
        }
        blended.deadband_factor += amount * (with.deadband_factor - self.deadband_factor);
        // What lies between becomes hardly larger than the larger of both.
        blended.ranges = match (&self.ranges, &with.ranges) {
            (Some(ours), Some(theirs)) => {
                let larger = |(a, b): (&Vec<f32>, &Vec<f32>)| a.iter().zip(b).map(|(a, b)| a.max(*b)).collect();
                Some(ours.iter().zip(theirs).map(larger).collect())
            }
            _ => None,
        };
        Ok(blended)
    }

    /// The same model with what it adds to bicubic multiplied by `gain`. A loss on pixels makes networks timid: what they
    /// cannot know comes out as its mean, which has less contrast than any of what it is the mean of. Above 1 gives
    /// contrast back, at a cost in PSNR (docs/experiments.md, "Contrast").
    ///
    /// # Errors
    ///
    /// When weights become too large.
    pub fn with_residual_gain(&self, gain: f32) -> Result<Self, ModelError> {
        let (mut layers, mut by_qp) = (self.layers.clone(), self.by_qp.clone());
        layers.last_mut().into_iter().chain(by_qp.last_mut()).for_each(|last| last.scale(gain));
        let checked = check_layers(&layers).and_then(|()| if by_qp.is_empty() { Ok(()) } else { check_layers(&by_qp) });
        checked.map_err(|why| ModelError::Invalid { name: self.name.clone(), why })?;
        Ok(Self { layers, by_qp, ..self.clone() })
    }

    /// The vivid weights of the model that [`Model::find`] finds: of a shipped one those that are built in, of a file
    /// `NAME.safetensors` the file `NAME.vivid.safetensors` beside it. [`None`]: there are none.
    ///
    /// # Errors
    /// When the file beside it cannot be read or holds no model.
    pub fn find_vivid(name_or_path: &str) -> Result<Option<Self>, ModelError> {
        if Self::shipped().any(|name| name == name_or_path) {
            let vivid = format!("{name_or_path}.vivid");
            let vivid = shipped::VIVID.iter().find(|(name, _)| *name == vivid);
            return vivid.map(|(name, bytes)| Self::from_bytes(bytes, name)).transpose();
        }
        let beside = Path::new(name_or_path).with_extension("vivid.safetensors");
        if beside.is_file() { Self::read(beside).map(Some) } else { Ok(None) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Conv3x3, Training};

    #[test]
    fn a_gain_multiplies_what_is_added_at_each_quantiser() {
        let [layers, change] = [1, 2].map(|seed| Model::untrained(3, 1, seed).unwrap().layers);
        let model = Model::with_qp("m", layers, change, Training::default()).unwrap();
        let more = model.with_residual_gain(1.5).unwrap();
        for qp in [None, Some(22.0), Some(41.0)] {
            let (before, after) = (model.at_qp(qp), more.at_qp(qp));
            assert_eq!(before[..2], after[..2], "only the last layer");
            let numbers = |layer: &Conv3x3| [&layer.weights[..], &layer.bias].concat();
            let near = |(a, b): (&f32, &f32)| (1.5 * a - b).abs() < 1e-6;
            assert!(numbers(&before[2]).iter().zip(&numbers(&after[2])).all(near), "{qp:?}");
        }
        assert!(model.with_residual_gain(f32::INFINITY).is_err());
    }
}
