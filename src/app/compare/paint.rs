//! Draws pictures' textures into their places in the window, with shaders that do nothing else.

use std::sync::Arc;

use egui::{Rect, Ui};
use egui_wgpu::{CallbackResources, CallbackTrait, ScreenDescriptor};

use crate::{
    app::compare::sides::SideChoice,
    frame::{Rgba, Size},
};

/// The shaders' text.
const SHADER: &str = include_str!("../../../shaders/window/show.wgsl");

/// The pictures of one frame, ready to be drawn.
#[derive(Debug, Clone)]
pub struct Pictures {
    /// Each side that is there.
    pub(crate) views: Vec<(SideChoice, wgpu::TextureView)>,
    /// The bytes of those that are in memory.
    pub(crate) bytes: Vec<(SideChoice, Arc<Rgba>)>,
    /// The size of the upscaled ones; the low-res one is half of it.
    pub(crate) size: Size,
    /// Whether the frame is held on purpose.
    pub(crate) frozen: bool,
    /// The window's pixels.
    pub(crate) target: wgpu::TextureFormat,
}

/// How pictures between pixels are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Magnify {
    /// The nearest pixel: what is there, in squares.
    Nearest,
    /// Between the four nearest.
    Linear,
}

/// How a difference is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Difference {
    /// What it is multiplied with.
    pub(crate) gain: f32,
    /// Grey stands for none; without it black does, and brightness for its size.
    pub(crate) signed: bool,
    /// Luma only.
    pub(crate) luma: bool,
}

impl Pictures {
    /// Whether this side is there.
    pub(crate) fn has(&self, side: SideChoice) -> bool {
        self.view(side).is_some()
    }

    /// The size of the upscaled pictures.
    pub(crate) fn size(&self) -> Size {
        self.size
    }

    /// Adds bytes that were read from the GPU.
    pub(crate) fn add_bytes(&mut self, bytes: &[(SideChoice, Arc<Rgba>)]) {
        let new = bytes.iter().filter(|(side, _)| !self.bytes.iter().any(|(s, _)| s == side));
        let new: Vec<_> = new.cloned().collect();
        self.bytes.extend(new);
    }

    /// R′G′B′ of a side at a pixel of the upscaled size, if the side is in memory.
    pub(crate) fn pixel(&self, side: SideChoice, (x, y): (u32, u32)) -> Option<[u8; 3]> {
        let (_, rgba) = self.bytes.iter().find(|(s, _)| *s == side)?;
        let scaled = |v: u32, n: u32, whole: u32| (u64::from(v) * u64::from(n) / u64::from(whole)) as usize;
        let (width, height) = (rgba.size.width(), rgba.size.height());
        let (x, y) = (scaled(x, width, self.size.width()), scaled(y, height, self.size.height()));
        let at = 4 * (y * width as usize + x);
        rgba.data.get(at..at + 3)?.try_into().ok()
    }

    fn view(&self, side: SideChoice) -> Option<&wgpu::TextureView> {
        self.views.iter().find(|(s, _)| *s == side).map(|(_, view)| view)
    }
}

/// Draws pictures; what it draws in one frame of the window has numbers of its own.
pub(crate) struct Brush<'a> {
    pictures: &'a Pictures,
    magnify: Magnify,
    drawn: usize,
}

impl<'a> Brush<'a> {
    pub(crate) fn new(pictures: &'a Pictures, magnify: Magnify) -> Self {
        Self { pictures, magnify, drawn: 0 }
    }

    /// Draws the part `uv` (in shares of the picture) of a side over `place`.
    pub(crate) fn side(&mut self, ui: &Ui, side: SideChoice, place: Rect, uv: Rect) {
        if let Some(view) = self.pictures.view(side) {
            self.add(ui, [view, view], None, place, uv);
        }
    }

    /// Draws what `b` has that `a` has not.
    pub(crate) fn difference(&mut self, ui: &Ui, [a, b]: [SideChoice; 2], how: Difference, place: Rect, uv: Rect) {
        if let (Some(a), Some(b)) = (self.pictures.view(a), self.pictures.view(b)) {
            self.add(ui, [a, b], Some(how), place, uv);
        }
    }

    /// Draws with another magnification from here on.
    pub(crate) fn magnify(&mut self, magnify: Magnify) {
        self.magnify = magnify;
    }

    fn add(&mut self, ui: &Ui, views: [&wgpu::TextureView; 2], how: Option<Difference>, place: Rect, uv: Rect) {
        // What reaches out of the window, as on a page that is scrolled, egui would squeeze into it.
        let Some((place, uv)) = visible(place, uv, ui.ctx().content_rect()) else { return };
        let on = |yes: bool| if yes { 1.0 } else { 0.0 };
        let show = Show {
            views: views.map(Clone::clone),
            target: self.pictures.target,
            number: self.drawn,
            magnify: self.magnify,
            difference: how.is_some(),
            part: Part {
                corner: uv.min.into(),
                size: uv.size().into(),
                gain: how.map_or(1.0, |d| d.gain),
                zero: how.map_or(0.0, |d| 0.5 * on(d.signed)),
                luma: how.map_or(0.0, |d| on(d.luma)),
                unused: 0.0,
            },
        };
        self.drawn += 1;
        ui.painter().add(egui_wgpu::Callback::new_paint_callback(place, show));
    }
}

/// The part of `place` that lies in the window, and of `uv` that belongs there.
fn visible(place: Rect, uv: Rect, window: Rect) -> Option<(Rect, Rect)> {
    if window.contains_rect(place) {
        return Some((place, uv));
    }
    let seen = place.intersect(window);
    let share = |at: egui::Pos2| uv.min + (at - place.min) / place.size() * uv.size();
    seen.is_positive().then(|| (seen, Rect::from_min_max(share(seen.min), share(seen.max))))
}

/// The uniform of the shader.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct Part {
    corner: [f32; 2],
    size: [f32; 2],
    gain: f32,
    zero: f32,
    luma: f32,
    unused: f32,
}

/// One picture as egui passes it to the renderer.
struct Show {
    views: [wgpu::TextureView; 2],
    target: wgpu::TextureFormat,
    number: usize,
    magnify: Magnify,
    difference: bool,
    part: Part,
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
        let Some(Some(place)) = painter.places.get(self.number) else { return };
        pass.set_pipeline(if self.difference { &painter.difference } else { &painter.picture });
        pass.set_bind_group(0, &place.bindings, &[]);
        pass.draw(0..4, 0..1);
    }
}

/// What is made once and used for every picture.
struct Painter {
    picture: wgpu::RenderPipeline,
    difference: wgpu::RenderPipeline,
    layout: wgpu::BindGroupLayout,
    nearest: wgpu::Sampler,
    linear: wgpu::Sampler,
    places: Vec<Option<Place>>,
}

struct Place {
    part: wgpu::Buffer,
    views: [wgpu::TextureView; 2],
    magnify: Magnify,
    bindings: wgpu::BindGroup,
}

impl Painter {
    fn new(device: &wgpu::Device, target: wgpu::TextureFormat) -> Self {
        let module = device.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some("show a picture"),
            source: wgpu::ShaderSource::Wgsl(SHADER.into()),
        });
        let layout = layout(device);
        let [picture, difference] = match target.is_srgb() {
            false => ["as_it_is", "difference_as_it_is"],
            true => ["as_light", "difference_as_light"],
        }
        .map(|entry| pipeline(device, &module, &layout, target, entry));
        let sampler = |filter| {
            device.create_sampler(&wgpu::SamplerDescriptor {
                label: Some("show a picture"),
                mag_filter: filter,
                min_filter: wgpu::FilterMode::Linear,
                ..Default::default()
            })
        };
        let (nearest, linear) = (sampler(wgpu::FilterMode::Nearest), sampler(wgpu::FilterMode::Linear));
        Self { picture, difference, layout, nearest, linear, places: Vec::new() }
    }

    fn prepare(&mut self, device: &wgpu::Device, queue: &wgpu::Queue, show: &Show) {
        if self.places.len() <= show.number {
            self.places.resize_with(show.number + 1, || None);
        }
        let place = &mut self.places[show.number];
        let same = |p: &Place| p.views == show.views && p.magnify == show.magnify;
        if !place.as_ref().is_some_and(same) {
            let part = place.take().map_or_else(|| part_buffer(device), |place| place.part);
            let sampler = if show.magnify == Magnify::Nearest { &self.nearest } else { &self.linear };
            let view =
                |binding, view| wgpu::BindGroupEntry { binding, resource: wgpu::BindingResource::TextureView(view) };
            let bindings = device.create_bind_group(&wgpu::BindGroupDescriptor {
                label: Some("show a picture"),
                layout: &self.layout,
                entries: &[
                    wgpu::BindGroupEntry { binding: 0, resource: part.as_entire_binding() },
                    view(1, &show.views[0]),
                    wgpu::BindGroupEntry { binding: 2, resource: wgpu::BindingResource::Sampler(sampler) },
                    view(3, &show.views[1]),
                ],
            });
            *place = Some(Place { part, views: show.views.clone(), magnify: show.magnify, bindings });
        }
        if let Some(place) = place {
            queue.write_buffer(&place.part, 0, bytemuck::bytes_of(&show.part));
        }
    }
}

fn layout(device: &wgpu::Device) -> wgpu::BindGroupLayout {
    let entry = |binding, visibility, ty| wgpu::BindGroupLayoutEntry { binding, visibility, ty, count: None };
    let texture = |binding| {
        let ty = wgpu::BindingType::Texture {
            sample_type: wgpu::TextureSampleType::Float { filterable: true },
            view_dimension: wgpu::TextureViewDimension::D2,
            multisampled: false,
        };
        entry(binding, wgpu::ShaderStages::FRAGMENT, ty)
    };
    let uniform = wgpu::BindingType::Buffer {
        ty: wgpu::BufferBindingType::Uniform,
        has_dynamic_offset: false,
        min_binding_size: None,
    };
    let sampler = wgpu::BindingType::Sampler(wgpu::SamplerBindingType::Filtering);
    device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some("show a picture"),
        entries: &[
            entry(0, wgpu::ShaderStages::VERTEX_FRAGMENT, uniform),
            texture(1),
            entry(2, wgpu::ShaderStages::FRAGMENT, sampler),
            texture(3),
        ],
    })
}

fn pipeline(
    device: &wgpu::Device,
    module: &wgpu::ShaderModule,
    layout: &wgpu::BindGroupLayout,
    target: wgpu::TextureFormat,
    entry: &str,
) -> wgpu::RenderPipeline {
    let layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(entry),
        bind_group_layouts: &[Some(layout)],
        immediate_size: 0,
    });
    device.create_render_pipeline(&wgpu::RenderPipelineDescriptor {
        label: Some(entry),
        layout: Some(&layout),
        vertex: wgpu::VertexState {
            module,
            entry_point: Some("corners"),
            compilation_options: Default::default(),
            buffers: &[],
        },
        primitive: wgpu::PrimitiveState { topology: wgpu::PrimitiveTopology::TriangleStrip, ..Default::default() },
        depth_stencil: None,
        multisample: Default::default(),
        fragment: Some(wgpu::FragmentState {
            module,
            entry_point: Some(entry),
            compilation_options: Default::default(),
            targets: &[Some(target.into())],
        }),
        multiview_mask: None,
        cache: None,
    })
}

fn part_buffer(device: &wgpu::Device) -> wgpu::Buffer {
    device.create_buffer(&wgpu::BufferDescriptor {
        label: Some("the part of a picture"),
        size: size_of::<Part>() as u64,
        usage: wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
        mapped_at_creation: false,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_reaches_out_of_the_window_is_cut() {
        let rect = |x0, y0, x1, y1| Rect::from_min_max(egui::pos2(x0, y0), egui::pos2(x1, y1));
        let (window, uv) = (rect(0.0, 0.0, 100.0, 100.0), rect(0.0, 0.5, 1.0, 1.0));
        assert_eq!(visible(rect(10.0, 0.0, 50.0, 20.0), uv, window), Some((rect(10.0, 0.0, 50.0, 20.0), uv)));
        let cut = visible(rect(0.0, -100.0, 100.0, 100.0), uv, window);
        assert_eq!(cut, Some((window, rect(0.0, 0.75, 1.0, 1.0))));
        assert_eq!(visible(rect(0.0, 200.0, 50.0, 300.0), uv, window), None);
    }

    #[test]
    fn the_shader_is_valid() {
        let module = naga::front::wgsl::parse_str(SHADER).map_err(|e| e.emit_to_string(SHADER)).unwrap();
        let mut validator =
            naga::valid::Validator::new(naga::valid::ValidationFlags::all(), naga::valid::Capabilities::empty());
        validator.validate(&module).map_err(|e| e.emit_to_string(SHADER)).unwrap();
        let names: Vec<_> = module.entry_points.iter().map(|e| e.name.as_str()).collect();
        assert_eq!(names, ["corners", "as_it_is", "as_light", "difference_as_it_is", "difference_as_light"]);
    }
}
