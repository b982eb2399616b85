//! A model as the shaders want it: pipelines and packed weights.

use std::{ops::Range, sync::Arc};

use super::{
    GpuContext,
    plan::{self, GpuDataType, PassKind, Variant},
    source,
    tuning_cache::TuningCache,
    weights::{VECTOR, Weights, words},
};
use crate::{
    model::Model,
    upscale::{UpscaleError, hysteresis},
};

/// Pixels below each other that an invocation computes.
const ROWS: u32 = 4;

/// A pass: a pipeline, and the weights of its layers.
#[derive(Debug)]
pub(super) struct NetworkPass {
    /// "layer 1", "layers 1–2", "layer 3, pictures".
    pub(super) name: Arc<str>,
    pub(super) kind: PassKind,
    pub(super) pipeline: wgpu::ComputePipeline,
    pub(super) weights: wgpu::Buffer,
    /// Vectors out.
    pub(super) outputs: u32,
    /// How far its result reaches beyond the picture: one pixel for each layer that follows.
    pub(super) margin: u32,
    layers: Range<usize>,
    group: [u32; 2],
}

impl NetworkPass {
    /// Runs it for a picture of this size.
    pub(super) fn dispatch(&self, pass: &mut wgpu::ComputePass<'_>, width: u32, height: u32) {
        let side = |n: u32| n + 2 * self.margin;
        // Passes of two layers make all vectors of outputs in one group, which have a tile in common.
        let vectors =
            if matches!(self.kind, PassKind::First | PassKind::Layer | PassKind::Last) { self.outputs } else { 1 };
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
    /// How far what is shown may stay behind what is computed.
    pub(super) deadband: f32,
    /// All layers but the last.
    pub(super) body: Vec<NetworkPass>,
    /// The last layer as a pass of its own. Where it has the pictures in it, this is made when files want it.
    pub(super) last: Option<NetworkPass>,
    /// The last layer and the pictures.
    pub(super) compose: Option<NetworkPass>,
}

impl Network {
    pub(super) fn new(gpu: &GpuContext, model: &Model, variant: Variant) -> Result<Self, UpscaleError> {
        let (layers, channels) = (model.layers(), model.info().channels);
        let memory = gpu.device().limits().max_compute_workgroup_storage_size;
        let passes = plan::passes(variant, layers.len(), channels.div_ceil(VECTOR), memory.into());
        let weights = Weights::neutral(model, variant.precision)?;
        let deadband = hysteresis::of_model(model, variant.precision.into());
        let mut network = Self { variant, deadband, body: Vec::new(), last: None, compose: None };
        let mut next = 0;
        for kind in passes {
            let pass = network_pass(gpu, kind, model, next..next + kind.layers(), variant, &weights)?;
            next += kind.layers();
            match kind {
                PassKind::Compose => network.compose = Some(pass),
                PassKind::Last => network.last = Some(pass),
                _ => network.body.push(pass),
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
        let weights = Weights::neutral(model, self.variant.precision)?;
        self.last = Some(network_pass(gpu, PassKind::Last, model, count - 1..count, self.variant, &weights)?);
        Ok(true)
    }

    /// All passes that there are.
    pub(super) fn all_passes(&self) -> impl Iterator<Item = &NetworkPass> {
        self.body.iter().chain(&self.last).chain(&self.compose)
    }

    /// Writes weights of the same shape over those that are there.
    pub(super) fn set_weights(&self, gpu: &GpuContext, weights: &Weights<'_>) {
        for pass in self.all_passes() {
            gpu.queue().write_buffer(&pass.weights, 0, &weights.bytes(pass.layers.clone()));
        }
    }
}

fn network_pass(
    gpu: &GpuContext,
    kind: PassKind,
    model: &Model,
    which: Range<usize>,
    variant: Variant,
    weights: &Weights<'_>,
) -> Result<NetworkPass, UpscaleError> {
    let layers = model.layers();
    let of_pass = layers.get(which.clone()).unwrap_or_default();
    let (Some(first), Some(last)) = (of_pass.first(), of_pass.last()) else {
        return Err(UpscaleError::Gpu(format!("the network has no layers {which:?}")));
    };
    let vectors = |channels: usize| channels.div_ceil(VECTOR);
    let (inputs, middle, outputs) = (vectors(first.inputs), vectors(first.outputs), vectors(last.outputs));
    let margin = layers.len() - which.end;
    let mut constants = group_constants(variant.group);
    let mut constant = |name, value: usize| constants.push((name, value as f64));
    if !matches!(kind, PassKind::First | PassKind::FusedFirstTwo) {
        constant("INPUTS", inputs);
    }
    if !matches!(kind, PassKind::Compose | PassKind::Last) {
        constant("OUTPUTS", outputs);
        constant("MARGIN", margin);
    }
    if matches!(kind, PassKind::FusedFirstTwo | PassKind::FusedTwo) {
        constant("MIDDLE", middle);
        constant("TILE", plan::tile(variant.group, middle) as usize);
        constant("SECOND", words(first, which.start == 0, variant.precision));
    }
    let pipeline = pipeline(gpu, kind.shader(), variant.precision, &constants)?;
    let mut name = match kind.layers() {
        1 => format!("layer {}", which.end),
        _ => format!("layers {}–{}", which.start + 1, which.end),
    };
    if kind == PassKind::Compose {
        name += ", pictures";
    }
    Ok(NetworkPass {
        name: name.into(),
        kind,
        pipeline,
        weights: gpu.buffer("weights", &weights.bytes(which.clone()), wgpu::BufferUsages::STORAGE),
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
    precision: GpuDataType,
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
        cache: gpu.tuning_cache().and_then(TuningCache::pipelines),
    }))
}
