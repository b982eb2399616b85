//! A model as the shaders want it: pipelines and packed weights.

use std::{ops::Range, sync::Arc};

use super::{
    GpuContext,
    memory::Memory,
    plan::{self, Kind, Real, Variant},
    source,
};
use crate::{
    model::{Conv3x3, Model},
    upscale::UpscaleError,
};

/// Channels lie in vectors of four.
const VECTOR: usize = 4;
/// Pixels below each other that an invocation computes.
const ROWS: u32 = 4;

/// A pass: a pipeline, and the weights of its layers.
#[derive(Debug)]
pub(super) struct Step {
    /// "layer 1", "layers 1–2", "layer 3, pictures".
    pub(super) name: Arc<str>,
    pub(super) kind: Kind,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) weights: wgpu::Buffer,
    /// Vectors out.
    pub(super) outputs: u32,
    /// How far its result reaches beyond the picture: one pixel for each layer that follows.
    pub(super) margin: u32,
    layers: Range<usize>,
    group: [u32; 2],
}

impl Step {
    /// Runs it for a picture of this size.
    pub(super) fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, width: u32, height: u32) {
        let side = |n: u32| n + 2 * self.margin;
        // Passes of two layers make all vectors of outputs in one group, which have a tile in common.
        let vectors = if matches!(self.kind, Kind::First | Kind::Layer) { self.outputs } else { 1 };
        let [x, y] = groups(self.group, side(width), side(height));
        pass.dispatch_workgroups(x, y, vectors);
    }
}

/// Workgroups for so many pixels, four to an invocation.
pub(super) fn groups([x, y]: [u32; 2], width: u32, height: u32) -> [u32; 2] {
    [width.div_ceil(x), height.div_ceil(ROWS * y)]
}

/// The passes that are the same for every model.
#[derive(Debug)]
pub(super) struct Passes {
    pub(super) present: wgpu::ComputePipeline,
    pub(super) group: [u32; 2],
}

/// The passes for files.
#[derive(Debug)]
pub(super) struct FilePasses {
    pub(super) luma: wgpu::ComputePipeline,
    pub(super) double: wgpu::ComputePipeline,
}

impl FilePasses {
    pub(super) fn new(gpu: &GpuContext, variant: Variant) -> Result<Self, UpscaleError> {
        let pipeline = |shader| pipeline(gpu, shader, variant.precision, &[]);
        Ok(Self { luma: pipeline("luma.wgsl")?, double: pipeline("double.wgsl")? })
    }
}

impl Passes {
    pub(super) fn new(gpu: &GpuContext, variant: Variant) -> Result<Self, UpscaleError> {
        let Variant { precision, group, .. } = variant;
        Ok(Self { present: pipeline(gpu, "present.wgsl", precision, &group_constants(group))?, group })
    }
}

/// What follows from the model alone, whatever the picture's size.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) variant: Variant,
    /// All layers but the last.
    pub(super) body: Vec<Step>,
    /// The last layer as a pass of its own. Where it has the pictures in it, this is made when files want it.
    pub(super) last: Option<Step>,
    /// The last layer and the pictures.
    pub(super) finish: Option<Step>,
}

impl Network {
    pub(super) fn new(gpu: &GpuContext, model: &Model, variant: Variant) -> Result<Self, UpscaleError> {
        let (layers, channels) = (model.layers(), model.info().channels);
        let memory = gpu.device().limits().max_compute_workgroup_storage_size;
        let passes = plan::passes(variant, layers.len(), channels.div_ceil(VECTOR), memory.into());
        let mut network = Self { variant, body: Vec::new(), last: None, finish: None };
        let mut next = 0;
        for kind in passes {
            let step = step(gpu, kind, layers, next..next + kind.layers(), variant)?;
            next += kind.layers();
            match kind {
                Kind::Finish => network.finish = Some(step),
                Kind::Layer if next == layers.len() => network.last = Some(step),
                _ => network.body.push(step),
            }
        }
        Ok(network)
    }

    /// Makes the last layer as a pass of its own, unless it is there; true when it was made. Its weights are
    /// the model's own.
    pub(super) fn need_last(&mut self, gpu: &GpuContext, model: &Model) -> Result<bool, UpscaleError> {
        if self.last.is_some() {
            return Ok(false);
        }
        let count = model.layers().len();
        self.last = Some(step(gpu, Kind::Layer, model.layers(), count - 1..count, self.variant)?);
        Ok(true)
    }

    /// All passes that there are.
    pub(super) fn steps(&self) -> impl Iterator<Item = &Step> {
        self.body.iter().chain(&self.last).chain(&self.finish)
    }

    /// Writes the weights of layers of the same shape over those that are there.
    pub(super) fn set_weights(&self, gpu: &GpuContext, layers: &[Conv3x3]) {
        for step in self.steps() {
            if let Some(of_step) = layers.get(step.layers.clone()) {
                let bytes = packed_layers(of_step, step.layers.start == 0, self.variant.precision);
                gpu.queue().write_buffer(&step.weights, 0, &bytes);
            }
        }
    }
}

fn step(
    gpu: &GpuContext,
    kind: Kind,
    layers: &[Conv3x3],
    which: Range<usize>,
    variant: Variant,
) -> Result<Step, UpscaleError> {
    let of_step = layers.get(which.clone()).unwrap_or_default();
    let (Some(first), Some(last)) = (of_step.first(), of_step.last()) else {
        return Err(UpscaleError::Gpu(format!("the network has no layers {which:?}")));
    };
    let vectors = |channels: usize| channels.div_ceil(VECTOR);
    let (inputs, middle, outputs) = (vectors(first.inputs), vectors(first.outputs), vectors(last.outputs));
    let margin = layers.len() - which.end;
    let mut constants = group_constants(variant.group);
    let mut constant = |name, value: usize| constants.push((name, value as f64));
    if !matches!(kind, Kind::First | Kind::Head) {
        constant("INPUTS", inputs);
    }
    if kind != Kind::Finish {
        constant("OUTPUTS", outputs);
        constant("MARGIN", margin);
    }
    if kind == Kind::Layer {
        constant("RELU", usize::from(which.end < layers.len()));
    }
    if matches!(kind, Kind::Head | Kind::Pair) {
        constant("MIDDLE", middle);
        constant("TILE", plan::tile(variant.group, middle) as usize);
        constant("SECOND", (9 * channels_read(first, which.start == 0) + 1) * middle);
    }
    let pipeline = pipeline(gpu, kind.shader(), variant.precision, &constants)?;
    let bytes = packed_layers(of_step, which.start == 0, variant.precision);
    let mut name = match kind.layers() {
        1 => format!("layer {}", which.end),
        _ => format!("layers {}–{}", which.start + 1, which.end),
    };
    if kind == Kind::Finish {
        name += ", pictures";
    }
    Ok(Step {
        name: name.into(),
        kind,
        pipeline,
        weights: gpu.buffer("weights", &bytes, wgpu::BufferUsages::STORAGE),
        outputs: outputs as u32,
        margin: margin as u32,
        layers: which,
        group: variant.group,
    })
}

type Constants = Vec<(&'static str, f64)>;

fn group_constants([x, y]: [u32; 2]) -> Constants {
    vec![("GROUP_X", x.into()), ("GROUP_Y", y.into())]
}

fn pipeline(
    gpu: &GpuContext,
    shader: &str,
    precision: Real,
    constants: &[(&str, f64)],
) -> Result<wgpu::ComputePipeline, UpscaleError> {
    let text = source(shader, precision).map_err(|e| UpscaleError::Gpu(e.to_string()))?;
    let module = gpu.device().create_shader_module(wgpu::ShaderModuleDescriptor {
        label: Some(shader),
        source: wgpu::ShaderSource::Wgsl(text.into()),
    });
    Ok(gpu.device().create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(shader),
        layout: None,
        module: &module,
        entry_point: None,
        compilation_options: wgpu::PipelineCompilationOptions {
            constants,
            // Tiles are written before they are read.
            zero_initialize_workgroup_memory: false,
        },
        cache: gpu.memory().and_then(Memory::pipelines),
    }))
}

/// Channels that a shader reads: one of the luma, whole vectors of features.
fn channels_read(layer: &Conv3x3, from_luma: bool) -> usize {
    if from_luma { 1 } else { layer.inputs.next_multiple_of(VECTOR) }
}

/// The weights of a pass's layers, one after the other, as bytes.
fn packed_layers(layers: &[Conv3x3], from_luma: bool, precision: Real) -> Vec<u8> {
    let numbers =
        layers.iter().enumerate().flat_map(|(i, layer)| packed(layer, channels_read(layer, from_luma && i == 0)));
    match precision {
        Real::F32 => numbers.flat_map(f32::to_le_bytes).collect(),
        Real::F16 => numbers.flat_map(|n| half(n).to_le_bytes()).collect(),
    }
}

/// The order in which the shaders read: vector of outputs, column of taps, vector of inputs, tap from top to
/// bottom, input channel and output channel within their vectors; then the biases. `inputs` are the channels
/// that the shader reads: one of the luma, whole vectors of features. What the layer lacks of them weighs
/// nothing.
fn packed(layer: &Conv3x3, inputs: usize) -> Vec<f32> {
    let vectors = layer.outputs.div_ceil(VECTOR);
    let mut out = vec![0.0; (9 * inputs + 1) * vectors * VECTOR];
    for (n, w) in layer.weights.iter().enumerate() {
        let (o, i, tap) = (n / 9 / layer.inputs, n / 9 % layer.inputs, n % 9);
        let (group, channel) = (inputs.min(VECTOR), i % VECTOR);
        let column = (o / VECTOR * 3 + tap % 3) * (inputs / group) + i / VECTOR;
        out[((column * 3 + tap / 3) * group + channel) * VECTOR + o % VECTOR] = *w;
    }
    let biases = 9 * inputs * vectors * VECTOR;
    out[biases..][..layer.bias.len()].copy_from_slice(&layer.bias);
    out
}

/// The nearest number of IEEE 754's binary16, ties to even; its bits.
fn half(value: f32) -> u16 {
    let bits = value.to_bits();
    let sign = ((bits >> 16) & 0x8000) as u16;
    let size = f32::from_bits(bits & 0x7fff_ffff);
    let rounded = if size >= 65520.0 || size.is_nan() {
        if size.is_nan() { 0x7e00 } else { 0x7c00 }
    } else if size < 6.103_515_6e-5 {
        // Subnormal: steps of 2⁻²⁴. Adding 0.5, whose steps are those, rounds.
        (size + 0.5).to_bits() - 0.5_f32.to_bits()
    } else {
        // 13 bits too many; the exponent's bias is 112 too large.
        let bits = size.to_bits();
        let even = (bits >> 13) & 1;
        ((bits + 0xfff + even) >> 13) - (112 << 10)
    };
    sign | rounded as u16
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
        // Output vector 1, tap 7 (the lowest of the middle column), input 2: only output 4 is there.
        assert_eq!(vector((9 + 5) * 4 + 2), [((4 * 3 + 2) * 9 + 7) as f32, 0.0, 0.0, 0.0]);
        // With two vectors of inputs, the second one's taps follow the first one's, column by column.
        let weights = (0..8 * 9).map(|n| n as f32).collect();
        let wide = packed(&Conv3x3 { inputs: 8, outputs: 1, weights, bias: vec![0.0] }, 8);
        assert_eq!(wide[4 * ((2 * 3 + 1) * 4 + 3)], (3 * 9 + 3 + 1) as f32, "column 1, inputs 0 to 3, row 1, input 3");
        assert_eq!(vector(3), [0.0; 4], "there is no input 3");
        assert_eq!([vector(2 * 9 * 4), vector(2 * 9 * 4 + 1)].concat(), [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
    }

    /// Each number of 16 bits, what lies between it and the next, and what is beyond.
    #[test]
    fn halves_are_the_nearest() {
        let value = |bits: u16| {
            let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
            let size =
                if exponent == 0 { fraction * 2f64.powi(-24) } else { (1024.0 + fraction) * 2f64.powi(exponent - 25) };
            if bits & 0x8000 == 0 { size } else { -size }
        };
        for bits in (0..0x7bff).chain(0x8000..0xfbff) {
            let (low, high) = (value(bits), value(bits + 1));
            assert_eq!(half(low as f32), bits);
            assert_eq!(half((low + 0.49 * (high - low)) as f32), bits);
            assert_eq!(half((low + 0.51 * (high - low)) as f32), bits + 1);
            assert_eq!(half(((low + high) / 2.0) as f32), bits + (bits & 1), "ties to even");
        }
        assert_eq!([65504.0, 65519.0, 65520.0, -1e9].map(half), [0x7bff, 0x7bff, 0x7c00, 0xfc00]);
        assert_eq!(half(f32::NAN) & 0x7fff, 0x7e00);
    }
}
