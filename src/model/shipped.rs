//! The models that are built into the program.

/// Name and file of each; the first is used when none is asked for.
pub(super) const MODELS: &[(&str, &[u8])] = &[
    ("small", include_bytes!("../../models/small.safetensors")),
    ("nano", include_bytes!("../../models/nano.safetensors")),
    ("medium", include_bytes!("../../models/medium.safetensors")),
    ("large", include_bytes!("../../models/large.safetensors")),
];

/// The vivid weights of those that have some; `NAME.vivid` belongs to `NAME`.
pub(super) const VIVID: &[(&str, &[u8])] = &[
    ("small.vivid", include_bytes!("../../models/small.vivid.safetensors")),
    ("medium.vivid", include_bytes!("../../models/medium.vivid.safetensors")),
    ("large.vivid", include_bytes!("../../models/large.vivid.safetensors")),
];

#[cfg(test)]
mod tests {
    use crate::model::{Conv3x3, Model};

    /// What is added to bicubic's four pixels of an even picture.
    fn of_even(layers: &[Conv3x3], luma: f32) -> Vec<f32> {
        layers.iter().enumerate().fold(vec![luma], |input, (l, layer)| {
            let of = |o: usize| {
                let taps = layer.weights[o * layer.inputs * 9..].chunks_exact(9).zip(&input);
                let sum = layer.bias[o] + taps.map(|(taps, v)| taps.iter().sum::<f32>() * v).sum::<f32>();
                if l + 1 < layers.len() { sum.max(0.0) } else { sum }
            };
            (0..layer.outputs).map(of).collect()
        })
    }

    /// One that was not levelled (`src/train/level.rs`) draws one of a tenth of a code to a whole one.
    #[test]
    fn no_network_draws_a_grid_on_an_even_wall() {
        let each =
            Model::shipped().map(Model::find).chain(Model::shipped().filter_map(|n| Model::find_vivid(n).transpose()));
        for model in each.map(Result::unwrap) {
            for (qp, luma) in (16..=46).step_by(2).flat_map(|qp| (16..=235).map(move |luma| (qp, luma))) {
                let added = of_even(&model.at_qp(Some(qp as f32)), luma as f32 / 255.0);
                let (low, high) = added.iter().fold((f32::MAX, f32::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
                let grid = 255.0 * (high - low);
                assert!(grid < 0.002, "{}: {grid} codes at a quantiser of {qp} and a luma of {luma}", model.name());
            }
        }
    }
}
