//! Draws a picture's texture into its place in the window, with a shader that does nothing else.

use egui::{Rect, Ui};
use egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};

use crate::frame::Size;

/// The shader's text.
const SHADER: &str = include_str!("../../shaders/window/show.wgsl");

/// The two pictures of one frame, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Pictures {
    /// Bicubic on the left, the network on the right.
    pub(crate) views: [wgpu::TextureView; 2],
    /// The size of each.
    pub(crate) size: Size,
    /// The window's pixels.
    pub(crate) target: wgpu::TextureFormat,
}

impl Pictures {
    /// Draws the part `uv` (in shares of the picture) of one side, 0 or 1, over `place`.
    pub(crate) fn draw(&self, ui: &Ui, side: usize, place: Rect, uv: Rect) {
        let show = Show {
            view: self.views[side].clone(),
            target: self.target,
            side,
            part: [uv.min.x, uv.min.y, uv.width(), uv.height()],
        };
        ui.painter().add(egui_wgpu::Callback::new_paint_callback(place, show));
    }
}

/// One side as egui passes it to the renderer.
struct Show {
    view: wgpu::TextureView,
    target: wgpu::TextureFormat,
    side: usize,
    part: [f32; 4],
}

impl CallbackTrait for Show {
    fn prepare(
        &self,
        device: &wgpu::Device,
        queue: &wgpu::Queue,
        _: &ScreenDescriptor,
        _: &mut wgpu::CommandEncoder,
        resources: &mut CallbackResources,
    ) -> Vec<wgpu::CommandBuffer> {
        let painter = resources.entry::<Painter>().or_insert_with(|| Painter::new(device, self.target));
        painter.prepare(device, queue, self);
        Vec::new()
    }

    fn paint(&self, _: egui::PaintCallbackInfo, pass: &mut wgpu::RenderPass<'static>, resources: &CallbackResources) {
        let Some(painter) = resources.get::<Painter>() else { return };
        let Some(side) = painter.sides[self.side].as_ref() else { return };
        pass.set_pipeline(&painter.pipeline);
        pass.set_bind_group(0, &side.bindings, &[]);
        pass.draw(0..4, 0..1);
    }
}

/// What is made once and used for every picture.
struct Painter {
    pipeline: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    sampler: wgpu::Sampler,
    sides: [Option<Side>; 2],
}

struct Side {
    part: wgpu::Buffer,
    view: wgpu::TextureView,
    bindings: wgpu::BindGroup,
}

impl Painter {
    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let label = Some("show a picture");
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label,
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let entry = |binding, visibility, ty| wgpu::BindGroupLayoutEntry { binding, visibility, ty, count: None };
        let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
            label,
            entries: &[
                entry(
                    0,
                    wgpu::ShaderStages::VERTEX,
                    wgpu::BindingType::Buffer {
                        ty: wgpu::BufferBindingType::Uniform,
                        has_dynamic_offset: false,
                        min_binding_size: None,
                    },
                ),
                entry(
                    1,
                    wgpu::ShaderStages::FRAGMENT,
                    wgpu::BindingType::Texture {
                        sample_type: wgpu::TextureSampleType::Float { filterable: true },
                        view_dimension: wgpu::TextureViewDimension::D2,
                        multisampled: false,
                    },
                ),
                entry(2, wgpu::ShaderStages::FRAGMENT, wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering)),
            ],
        });
        let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label,
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let pipeline = device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
            label,
            layout: Some(&pipeline_layout),
            vertex: wgpu::VertexState {
                module: &module,
                entry_point: Some("corners"),
                compilation_options: Default::default(),
                buffers: &[],
            },
            primitive: wgpu::PrimitiveState { topology: wgpu::PrimitiveTopology::TriangleStrip, ..Default::default() },
            depth_stencil: None,
            multisample: Default::default(),
            fragment: Some(wgpu::FragmentState {
                module: &module,
                entry_point: Some(if target.is_srgb() { "as_light" } else { "as_it_is" }),
                compilation_options: Default::default(),
                targets: &[Some(target.into())],
            }),
            multiview_mask: None,
            cache: None,
        });
        let sampler = device.create_sampler(&wgpu::SamplerDescriptor {
            label,
            mag_filter: wgpu::FilterMode::Linear,
            min_filter: wgpu::FilterMode::Linear,
            ..Default::default()
        });
        Self { pipeline, layout, sampler, sides: [None, None] }
    }

    fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, show: &Show) {
        let place = &mut self.sides[show.side];
        if place.as_ref().is_none_or(|side| side.view != show.view) {
            let part = place.take().map_or_else(|| part_buffer(device), |side| side.part);
            let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("show a picture"),
                layout: &self.layout,
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: part.as_entire_binding() },
                    wgpu::BindGroupEntry { binding: 1, resource: wgpu::BindingResource::TextureView(&show.view) },
                    wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Sampler(&self.sampler) },
                ],
            });
            *place = Some(Side { part, view: show.view.clone(), bindings });
        }
        if let Some(side) = place {
            queue.write_buffer(&side.part, 0, bytemuck::bytes_of(&show.part));
        }
    }
}

fn part_buffer(device: &wgpu::Device) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("the part of a picture"),
        size: 16,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shader_is_valid() {
        let module = naga::front::wgsl::parse_str(SHADER).map_err(|e| e.emit_to_string(SHADER)).unwrap();
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        validator.validate(&module).map_err(|e| e.emit_to_string(SHADER)).unwrap();
        let names: Vec<_> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["corners", "as_it_is", "as_light"]);
    }
}
