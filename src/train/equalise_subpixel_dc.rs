//! Takes from a network the grid that it would draw on an even picture.
//!
//! Where a picture is even, each hidden channel has one value, and what the last layer gives is that value times the
//! sum of its nine weights: an output pixel's own sum, for each of the four. They differ a little, and by the rounding
//! to bytes a tenth of a code becomes a grid of whole ones: the checkerboard of sub-pixel convolutions. Aitken et al.,
//! arXiv 1707.02937, start from four equal kernels; here the four sums are made equal at the end, by the least change
//! of the weights that does it.

use super::net::Folded;
use crate::model::Conv3x3;

impl Folded {
    /// The nearest network that adds the same to all four pixels wherever the picture is even, at every quantiser.
    pub(super) fn equalise_subpixel_dc(mut self) -> Self {
        for layers in [&mut self.layers, &mut self.by_qp] {
            if let Some(last) = layers.last_mut() {
                equalise_subpixel_dc(last);
            }
        }
        self
    }
}

/// Makes the sums of the kernels of an input, and the biases, the same for all outputs: their mean.
fn equalise_subpixel_dc(layer: &mut Conv3x3) {
    let Conv3x3 { inputs, outputs, .. } = *layer;
    let share = 1.0 / outputs as f32;
    for input in 0..inputs {
        let kernel = |output: usize| (output * inputs + input) * 9..(output * inputs + input + 1) * 9;
        let sums: Vec<f32> = (0..outputs).map(|o| layer.weights[kernel(o)].iter().sum()).collect();
        let mean = share * sums.iter().sum::<f32>();
        for (output, sum) in sums.into_iter().enumerate() {
            layer.weights[kernel(output)].iter_mut().for_each(|w| *w += (mean - sum) / 9.0);
        }
    }
    let mean = share * layer.bias.iter().sum::<f32>();
    layer.bias.fill(mean);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equalised_by_hand() {
        // Two inputs, two outputs. The first input's kernels sum to 9 and 0, the second's to 18 and 18.
        let weights = [[1.0; 9], [2.0; 9], [0.0; 9], [2.0; 9]].concat();
        let mut layer = Conv3x3 { inputs: 2, outputs: 2, weights, bias: vec![0.25, 0.75] };
        equalise_subpixel_dc(&mut layer);
        assert_eq!(layer.weights, [[0.5; 9], [2.0; 9], [0.5; 9], [2.0; 9]].concat());
        assert_eq!(layer.bias, [0.5; 2]);
    }

    #[test]
    fn what_is_not_even_stays() {
        // A kernel that only finds edges sums to nothing, and is not touched.
        let edge = [-1.0, 0.0, 1.0, -2.0, 0.0, 2.0, -1.0, 0.0, 1.0];
        let layer = Conv3x3 { inputs: 1, outputs: 2, weights: [edge, edge.map(|w| -w)].concat(), bias: vec![0.5; 2] };
        let mut equalised = layer.clone();
        equalise_subpixel_dc(&mut equalised);
        assert_eq!(equalised, layer);
    }
}
