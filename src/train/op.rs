//! The kernels of [`super::conv`] as an operation that burn can differentiate.

use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::{Tensor, TensorData},
};

use super::conv::{self, Shape};

/// A valid 3×3 convolution of `[image, channel, row, column]`, with a bias, cut at zero when `relu`.
pub(super) fn conv3x3(x: Tensor<4>, weight: Tensor<4>, bias: Tensor<1>, relu: bool) -> Tensor<4> {
    Tensor::from_dispatch(Dispatch::conv3x3(x.into_dispatch(), weight.into_dispatch(), bias.into_dispatch(), relu))
}

/// What a backend has to offer for [`conv3x3`].
#[backend_extension(Flex, Autodiff)]
trait Conv3x3: Backend {
    /// See [`conv3x3`].
    fn conv3x3(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;
}

impl Conv3x3 for Flex {
    fn conv3x3(x: FlexTensor, weight: FlexTensor, bias: FlexTensor, relu: bool) -> FlexTensor {
        let (x, weight, bias) = (x.to_contiguous(), weight.to_contiguous(), bias.to_contiguous());
        let shape = shape(&x, &weight);
        let out = conv::forward(x.storage(), weight.storage(), bias.storage(), shape, relu);
        tensor(out, [shape.images, shape.outputs, shape.height - 2, shape.width - 2])
    }
}

fn shape(x: &FlexTensor, weight: &FlexTensor) -> Shape {
    let [images, inputs, height, width] = x.layout().shape().dims();
    let [outputs, _, _, _] = weight.layout().shape().dims::<4>();
    Shape { images, inputs, outputs, height, width }
}

fn tensor<const D: usize>(data: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(data, shape))
}

/// What the backward pass has to remember.
#[derive(Debug, Clone)]
struct Saved {
    x: FlexTensor,
    weight: FlexTensor,
    /// The output, where it says which sums were cut to zero.
    cut: Option<FlexTensor>,
}

#[derive(Debug)]
struct Conv3x3Backward;

impl Backward<Flex, 3> for Conv3x3Backward {
    type State = Saved;

    fn backward(self, ops: Ops<Saved, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let dy = grads.consume::<Flex>(&ops.node).to_contiguous();
        let Saved { x, weight, cut } = ops.state;
        let shape = shape(&x, &weight);
        let dy: Vec<f32> = match &cut {
            Some(y) => dy
                .storage::<f32>()
                .iter()
                .zip(y.storage::<f32>())
                .map(|(dy, y)| if *y > 0.0 { *dy } else { 0.0 })
                .collect(),
            None => dy.storage::<f32>().to_vec(),
        };
        let [x_node, weight_node, bias_node] = ops.parents;
        if let Some(node) = x_node {
            let dx = conv::input_gradient(&dy, weight.storage(), shape);
            grads.register::<Flex>(node.id, tensor(dx, [shape.images, shape.inputs, shape.height, shape.width]));
        }
        if weight_node.is_none() && bias_node.is_none() {
            return;
        }
        let (dw, db) = conv::weight_gradient(x.storage(), &dy, shape);
        if let Some(node) = weight_node {
            grads.register::<Flex>(node.id, tensor(dw, [shape.outputs, shape.inputs, 3, 3]));
        }
        if let Some(node) = bias_node {
            grads.register::<Flex>(node.id, tensor(db, [shape.outputs]));
        }
    }
}

impl<C: CheckpointStrategy> Conv3x3 for Autodiff<Flex, C> {
    fn conv3x3(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        bias: FloatTensor<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let (bias, bias_node) = bias.into_parts();
        let (x, weight) = (x.to_contiguous(), weight.to_contiguous());
        let y = Flex::conv3x3(x.clone(), weight.clone(), bias, relu);
        match Conv3x3Backward.prepare::<C>([x_node, weight_node, bias_node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(Saved { x, weight, cut: relu.then(|| y.clone()) }, y),
            OpsKind::UnTracked(prep) => prep.finish(y),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{Device, Distribution, module::conv2d, ops::ConvOptions};

    fn largest_difference<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
        (a - b).abs().max().into_scalar()
    }

    #[test]
    fn agrees_with_burns_own_convolution_and_its_gradients() {
        let device = Device::flex().autodiff();
        device.seed(7);
        let random = |shape| Tensor::<4>::random(shape, Distribution::Uniform(-1.0, 1.0), &device);
        let x = random([2, 3, 11, 19]).require_grad();
        let weight = random([5, 3, 3, 3]).require_grad();
        let bias = Tensor::<1>::random([5], Distribution::Uniform(-1.0, 1.0), &device).require_grad();
        let dy = random([2, 5, 9, 17]);

        let ours = conv3x3(x.clone(), weight.clone(), bias.clone(), true);
        let options = ConvOptions::new([1, 1], [0, 0], [1, 1], 1);
        let burns = conv2d(x.clone(), weight.clone(), Some(bias.clone()), options).clamp_min(0.0);
        assert!(largest_difference(ours.clone().inner(), burns.clone().inner()) < 1e-4);

        let ours = (ours * dy.clone()).sum().backward();
        let burns = (burns * dy).sum().backward();
        let grads = |t: &Tensor<4>| (t.grad(&ours), t.grad(&burns));
        for (ours, burns) in [grads(&x), grads(&weight)] {
            assert!(largest_difference(ours.unwrap(), burns.unwrap()) < 1e-3);
        }
        assert!(largest_difference(bias.grad(&ours).unwrap(), bias.grad(&burns).unwrap()) < 1e-3);
    }
}
