//! A model as the shaders want it: pipelines and packed weights.

use std::sync::Arc;

use super::{GpuContext, source};
use crate::{
    model::{Conv3x3, Model},
    upscale::UpscaleError,
};

/// Channels lie in vectors of four.
const VECTOR: usize = 4;

/// A layer: a pipeline and its weights.
#[derive(Debug)]
pub(super) struct Layer {
    /// "layer 1" and so on.
    pub(super) name: Arc<str>,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) weights: wgpu::Buffer,
    /// Vectors out.
    pub(super) outputs: u32,
    /// How far its result reaches beyond the picture: one pixel for each layer that follows.
    pub(super) margin: u32,
}

/// The passes that are the same for every model.
#[derive(Debug)]
pub(super) struct Passes {
    pub(super) present: wgpu::ComputePipeline,
    pub(super) luma: wgpu::ComputePipeline,
    pub(super) double: wgpu::ComputePipeline,
}

impl Passes {
    pub(super) fn new(gpu: &GpuContext) -> Result<Self, UpscaleError> {
        Ok(Self {
            present: pipeline(gpu, "present.wgsl", &[])?,
            luma: pipeline(gpu, "luma.wgsl", &[])?,
            double: pipeline(gpu, "double.wgsl", &[])?,
        })
    }
}

/// What follows from the model alone, whatever the picture's size.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) layers: Vec<Layer>,
}

impl Network {
    pub(super) fn new(gpu: &GpuContext, model: &Model) -> Result<Self, UpscaleError> {
        let count = model.layers().len();
        let layer = |(i, conv): (usize, &Conv3x3)| -> Result<Layer, UpscaleError> {
            let outputs = conv.outputs.div_ceil(VECTOR) as u32;
            let margin = (count - 1 - i) as u32;
            let mut constants = vec![("OUTPUTS", f64::from(outputs)), ("MARGIN", f64::from(margin))];
            let (pipeline, packed) = if i == 0 {
                (pipeline(gpu, "first.wgsl", &constants)?, packed(conv, channels_read(i, conv)))
            } else {
                let inputs = conv.inputs.div_ceil(VECTOR);
                let relu = if i + 1 < count { 1.0 } else { 0.0 };
                constants.extend([("INPUTS", inputs as f64), ("RELU", relu)]);
                (pipeline(gpu, "layer.wgsl", &constants)?, packed(conv, channels_read(i, conv)))
            };
            let weights = gpu.buffer("weights", bytemuck::cast_slice(&packed), wgpu::BufferUsages::STORAGE);
            let name = format!("layer {}", i + 1).into();
            Ok(Layer { name, pipeline, weights, outputs, margin })
        };
        Ok(Self { layers: model.layers().iter().enumerate().map(layer).collect::<Result<_, _>>()? })
    }

    /// Writes the weights of layers of the same shape over those that are there.
    pub(super) fn set_weights(&self, gpu: &GpuContext, layers: &[Conv3x3]) {
        for (i, (layer, conv)) in self.layers.iter().zip(layers).enumerate() {
            let packed = packed(conv, channels_read(i, conv));
            gpu.queue().write_buffer(&layer.weights, 0, bytemuck::cast_slice(&packed));
        }
    }
}

/// Channels that the shader of layer `i` reads: one of the luma, whole vectors of features.
fn channels_read(i: usize, conv: &Conv3x3) -> usize {
    if i == 0 { 1 } else { conv.inputs.next_multiple_of(VECTOR) }
}

fn pipeline(gpu: &GpuContext, shader: &str, constants: &[(&str, f64)]) -> Result<wgpu::ComputePipeline, UpscaleError> {
    let text = source(shader).map_err(|e| UpscaleError::Gpu(e.to_string()))?;
    let module = gpu.device().create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(shader),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    Ok(gpu.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(shader),
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions { constants, ..Default::default() },
        cache: None,
    }))
}

/// The order in which the shaders read: vector of outputs, row of taps, vector of inputs, tap, input channel
/// and output channel within their vectors; then the biases. `inputs` are the channels that the shader reads: one of the luma, whole vectors
/// of features. What the layer lacks of them weighs nothing.
fn packed(layer: &Conv3x3, inputs: usize) -> Vec<f32> {
    let vectors = layer.outputs.div_ceil(VECTOR);
    let mut out = vec![0.0; (9 * inputs + 1) * vectors * VECTOR];
    for (n, w) in layer.weights.iter().enumerate() {
        let (o, i, tap) = (n / 9 / layer.inputs, n / 9 % layer.inputs, n % 9);
        let (group, channel) = (inputs.min(VECTOR), i % VECTOR);
        let row = (o / VECTOR * 3 + tap / 3) * (inputs / group) + i / VECTOR;
        out[((row * 3 + tap % 3) * group + channel) * VECTOR + o % VECTOR] = *w;
    }
    let biases = 9 * inputs * vectors * VECTOR;
    out[biases..][..layer.bias.len()].copy_from_slice(&layer.bias);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_lie_where_the_shaders_read_them() {
        let weights = (0..5 * 3 * 9).map(|n| n as f32).collect();
        let layer = Conv3x3 { inputs: 3, outputs: 5, weights, bias: vec![1.0, 2.0, 3.0, 4.0, 5.0] };
        let out = packed(&layer, 4);
        assert_eq!(out.len(), (9 * 4 + 1) * 8);
        let vector = |n: usize| &out[4 * n..][..4];
        // Output vector 1, tap 7, input 2: only output 4 is there.
        assert_eq!(vector((9 + 7) * 4 + 2), [((4 * 3 + 2) * 9 + 7) as f32, 0.0, 0.0, 0.0]);
        // With two vectors of inputs, the second one's taps follow the first one's, row by row.
        let weights = (0..8 * 9).map(|n| n as f32).collect();
        let wide = packed(&Conv3x3 { inputs: 8, outputs: 1, weights, bias: vec![0.0] }, 8);
        assert_eq!(wide[4 * ((2 * 3 + 1) * 4 + 3)], (3 * 9 + 3 + 1) as f32, "row 1, inputs 0 to 3, tap 1, input 3");
        assert_eq!(vector(3), [0.0; 4], "there is no input 3");
        assert_eq!([vector(2 * 9 * 4), vector(2 * 9 * 4 + 1)].concat(), [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
    }
}
