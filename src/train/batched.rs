//! A step as a GPU wants it: all patches of a batch at once, by burn's own operations.

use burn::tensor::{Device, Tensor, TensorData, activation::relu, module::conv2d, ops::ConvOptions};

use super::{
    TrainError,
    loss::Loss,
    net::{self, Net},
    pairs::Patch,
};
use crate::model::{Condition, Conv3x3};

/// A GPU to train on, the best one that burn finds.
#[cfg(feature = "train-gpu")]
pub(super) fn gpu() -> Result<Device, TrainError> {
    Device::wgpu_options()
        .init()
        .map(Device::autodiff)
        .map_err(|e| TrainError::Burn(format!("no GPU to train on: {e}")))
}

/// A GPU to train on: none in this build.
#[cfg(not(feature = "train-gpu"))]
pub(super) fn gpu() -> Result<Device, TrainError> {
    Err(TrainError::Config(
        "a GPU: this program was built without it. cargo build --release --features train-gpu builds one that can"
            .into(),
    ))
}

/// What [`Net::learn`] gives, up to rounding.
///
/// A layer's weights are plain + condition · by_qp, and each patch has a condition of its own; so that the whole
/// batch can go through the same weights, both parts are applied to it and what the second gives is scaled patch by
/// patch.
pub(super) fn learn(
    net: &Net,
    batch: &[Patch],
    side: usize,
    loss: Loss,
    device: &Device,
) -> Result<(f32, Vec<f32>), TrainError> {
    let folded = net.fold(&net.numbers);
    let count = folded.layers.len();
    let of = |layers: &[Conv3x3]| layers.iter().map(|l| net::tensors(l, device)).collect::<Vec<_>>();
    let (plain, by_qp) = (of(&folded.layers), of(&folded.by_qp));

    let (patches, padded) = (batch.len(), side + 2 * count);
    let conditions: Vec<f32> = batch.iter().map(|patch| Condition::of(Some(patch.qp)).at).collect();
    let conditions = Tensor::<4>::from_data(TensorData::new(conditions, [patches, 1, 1, 1]), device);
    let input: Vec<f32> = batch.iter().flat_map(|patch| &patch.input).copied().collect();
    let mut x = Tensor::<4>::from_data(TensorData::new(input, [patches, 1, padded, padded]), device);
    for (i, (weight, bias)) in plain.iter().enumerate() {
        let valid = || ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let mut sums = conv2d(x.clone(), weight.clone(), Some(bias.clone()), valid());
        if let Some((weight, bias)) = by_qp.get(i) {
            sums = sums + conv2d(x, weight.clone(), Some(bias.clone()), valid()) * conditions.clone();
        }
        x = if i + 1 < count { relu(sums) } else { sums };
    }

    let output = net::values(&x.clone().inner())?;
    let (share, each) = (1.0 / patches.max(1) as f32, 4 * side * side);
    let (mut value, mut slopes) = (0.0, Vec::with_capacity(output.len()));
    for (patch, output) in batch.iter().zip(output.chunks_exact(each)) {
        let error: Vec<f32> = output.iter().zip(&patch.target).map(|(output, target)| output - target).collect();
        let (of_patch, slope) = loss.of(&error, side);
        value += share * of_patch;
        slopes.extend(slope.iter().map(|s| share * s));
    }
    // A sum whose derivative by the output is the loss's.
    let slopes = Tensor::<4>::from_data(TensorData::new(slopes, [patches, 4, side, side]), device);
    let gradients = (x * slopes).sum().backward();
    let plain = net::gradients(&folded.layers, &plain, &gradients)?;
    let by_qp = net::gradients(&folded.by_qp, &by_qp, &gradients)?;
    Ok((value, net.unfold_sums(&plain, &by_qp)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::block::BlockKind;

    /// Both ways give the same, on the CPU, where there always is a device.
    fn agrees(kind: BlockKind, device: &Device) {
        let net = Net::untrained(5, 2, kind, 3).unwrap();
        let (side, padded) = (9, 9 + 2 * net.radius());
        let number = |i: usize, scale: f32| scale * ((i * 7919 % 101) as f32 / 50.0 - 1.0);
        let patch = |p: usize| Patch {
            input: (0..padded * padded).map(|i| number(i + 31 * p, 0.5)).collect(),
            target: (0..4 * side * side).map(|i| number(i + 17 * p, 0.1)).collect(),
            qp: 24.0 + 7.0 * p as f32,
            noisy: Vec::new(),
            moves: Vec::new(),
        };
        let batch: Vec<Patch> = (0..3).map(patch).collect();
        let loss = Loss { epsilon: 0.02, gradient: 0.5 };
        let (expected, wanted) = net.learn(&batch, side, loss).unwrap();
        let (value, gradient) = learn(&net, &batch, side, loss, device).unwrap();
        assert!((value - expected).abs() < 1e-5 * expected, "{value} {expected}");
        assert_eq!(gradient.len(), wanted.len());
        let largest = wanted.iter().fold(0.0_f32, |m, g| m.max(g.abs()));
        for (i, (ours, wanted)) in gradient.iter().zip(&wanted).enumerate() {
            assert!((ours - wanted).abs() < 1e-4 * largest, "number {i}: {ours} {wanted}");
        }
    }

    #[test]
    fn a_batch_at_once_teaches_what_its_patches_do_one_by_one() {
        for by_qp in [false, true] {
            agrees(BlockKind { wide: true, by_qp }, &Device::flex().autodiff());
        }
    }

    /// Needs a Vulkan, Metal or DirectX device; lavapipe is one.
    #[cfg(feature = "train-gpu")]
    #[test]
    fn a_gpu_teaches_the_same() {
        agrees(BlockKind { wide: true, by_qp: true }, &gpu().unwrap());
    }
}
