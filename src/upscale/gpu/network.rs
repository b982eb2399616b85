//! A model as the shaders want it: pipelines and packed weights.

use wgpu::util::DeviceExt as _;

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
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) weights: wgpu::Buffer,
    /// Vectors out.
    pub(super) outputs: u32,
    /// How far its result reaches beyond the picture: one pixel for each layer that follows.
    pub(super) margin: u32,
}

/// What follows from the model alone, whatever the picture's size.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) first: Layer,
    pub(super) hidden: Vec<Layer>,
    /// The last layer's weights, which the passes at the end use.
    pub(super) last: wgpu::Buffer,
    pub(super) present: wgpu::ComputePipeline,
    pub(super) luma: wgpu::ComputePipeline,
}

impl Network {
    pub(super) fn new(gpu: &GpuContext, model: &Model) -> Result<Self, UpscaleError> {
        let layers = model.layers();
        let features = model.info().channels.next_multiple_of(VECTOR);
        let vectors = (features / VECTOR) as u32;
        let layer = |i: usize, shader| -> Result<Layer, UpscaleError> {
            let margin = (layers.len() - 1 - i) as u32;
            let mut constants = vec![("OUTPUTS", f64::from(vectors)), ("MARGIN", f64::from(margin))];
            if i > 0 {
                constants.push(("INPUTS", f64::from(vectors)));
            }
            let pipeline = pipeline(gpu, shader, &constants)?;
            let inputs = if i == 0 { 1 } else { features };
            Ok(Layer { pipeline, weights: weights(gpu, &layers[i], inputs), outputs: vectors, margin })
        };
        let inputs = [("INPUTS", f64::from(vectors))];
        Ok(Self {
            first: layer(0, "first.wgsl")?,
            hidden: (1..layers.len() - 1).map(|i| layer(i, "hidden.wgsl")).collect::<Result<_, _>>()?,
            last: weights(gpu, &layers[layers.len() - 1], features),
            present: pipeline(gpu, "present.wgsl", &inputs)?,
            luma: pipeline(gpu, "luma.wgsl", &inputs)?,
        })
    }
}

pub(super) fn pipeline(
    gpu: &GpuContext,
    shader: &str,
    constants: &[(&str, f64)],
) -> Result<wgpu::ComputePipeline, UpscaleError> {
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

fn weights(gpu: &GpuContext, layer: &Conv3x3, inputs: usize) -> wgpu::Buffer {
    gpu.device().create_buffer_init(&wgpu::util::BufferInitDescriptor {
        label: Some("weights"),
        contents: bytemuck::cast_slice(&packed(layer, inputs)),
        usage: wgpu::BufferUsages::STORAGE,
    })
}

/// The order in which the shaders read: vector of outputs, tap, input channel, output channel within the
/// vector; then the biases. `inputs` are the channels that the shader reads: one of the luma, whole vectors
/// of features. What the layer lacks of them weighs nothing.
fn packed(layer: &Conv3x3, inputs: usize) -> Vec<f32> {
    let vectors = layer.outputs.div_ceil(VECTOR);
    let mut out = vec![0.0; (9 * inputs + 1) * vectors * VECTOR];
    for (n, w) in layer.weights.iter().enumerate() {
        let (o, i, tap) = (n / 9 / layer.inputs, n / 9 % layer.inputs, n % 9);
        out[(((o / VECTOR) * 9 + tap) * inputs + i) * VECTOR + o % VECTOR] = *w;
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
        assert_eq!(vector(3), [0.0; 4], "there is no input 3");
        assert_eq!([vector(2 * 9 * 4), vector(2 * 9 * 4 + 1)].concat(), [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
    }
}
