//! What depends on the picture's size: planes, features, and the textures that are shown.

use std::{fmt, sync::Arc};

use super::{
    GpuContext,
    network::{self, FilePasses, Network, NetworkPass, Passes},
    plan::PassKind,
    readback,
    timer::{self, Timer},
    upload::Uploads,
};
use crate::{
    frame::{Colour, Frame, Rgba, Size},
    upscale::UpscaleError,
};

/// One of the two pictures of a pair, in the GPU's memory.
///
/// The texture is `Rgba8Unorm` and can be shown as it is. It is not written again while this or a clone of
/// it lives. Textures come from a small ring: register each with the window once, by [`GpuPicture::texture`],
/// which can be the key of a map.
#[derive(Clone)]
pub struct GpuPicture {
    pub(super) gpu: GpuContext,
    pub(super) textures: Arc<TexturePair>,
    pub(super) side: usize,
}

impl GpuPicture {
    /// The texture.
    pub fn texture(&self) -> &wgpu::Texture {
        &self.textures.textures[self.side]
    }

    /// A view of all of it.
    pub fn view(&self) -> &wgpu::TextureView {
        &self.textures.views[self.side]
    }

    /// Its size.
    pub fn size(&self) -> Size {
        self.textures.size
    }

    /// Its bytes; waits until the picture is done.
    ///
    /// # Errors
    /// When the device is lost, or refuses to copy.
    pub fn read_back(&self) -> Result<Rgba, UpscaleError> {
        self.gpu.guarded(|| readback::texture(&self.gpu, self.texture(), self.textures.size))
    }
}

impl fmt::Debug for GpuPicture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GpuPicture {}", self.textures.size)
    }
}

/// The two textures of a pair.
#[derive(Debug)]
pub(super) struct TexturePair {
    size: Size,
    textures: [wgpu::Texture; 2],
    views: [wgpu::TextureView; 2],
    present: wgpu::BindGroup,
    /// Where the network's last pass writes the pictures.
    compose: Option<wgpu::BindGroup>,
}

/// Texture pairs that are kept when nobody holds them: one is shown, one is about to be, one waits, one is written.
const RING: usize = 4;

/// The uniform of `include/picture.wgsl`.
#[repr(C)]
#[derive(Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
struct PictureUniform {
    size: [u32; 2],
    deadband: f32,
    unused: u32,
    rgb: [[f32; 4]; 3],
}

/// Everything for pictures of one size and one model.
#[derive(Debug)]
pub(super) struct Surface {
    pub(super) size: Size,
    doubled: Size,
    /// What the uniform says: colour and deadband.
    told: Option<(Colour, f32)>,
    uniform: wgpu::Buffer,
    /// Y, Cb, Cr.
    textures: [wgpu::Texture; 3],
    views: [wgpu::TextureView; 3],
    uploads: Uploads,
    /// Two buffers that layers read and write in turns.
    features: [wgpu::Buffer; 2],
    previous_luma: PreviousLuma,
    /// For the network's passes before the last one, and for the last layer where it is a pass of its own.
    body: Vec<wgpu::BindGroup>,
    last: Option<wgpu::BindGroup>,
    texture_pairs: Vec<Arc<TexturePair>>,
    /// Where planes are written for files; made when first asked for.
    outs: Option<[PlaneOut; 3]>,
}

/// The network's luma that was shown last.
#[derive(Debug)]
pub(super) struct PreviousLuma {
    size: Size,
    values: wgpu::Buffer,
    /// There is something to follow.
    holds: bool,
}

impl PreviousLuma {
    /// Its bytes for pictures of this size.
    fn bytes(size: Size) -> u64 {
        size_of::<[f32; 4]>() as u64 * size.pixels() as u64
    }
}

impl Surface {
    /// `previous` is what was shown by the surface that this one takes the place of; it is followed if it has the
    /// same size.
    pub(super) fn new(
        gpu: &GpuContext,
        network: &Network,
        size: Size,
        previous: Option<PreviousLuma>,
    ) -> Result<Self, UpscaleError> {
        let doubled = size.times(crate::model::SCALE)?;
        let limits = gpu.device().limits();
        let features = feature_bytes(network, size);
        let luma = PreviousLuma::bytes(size);
        let too_large = |what, is: u64, limit: u64| {
            UpscaleError::Gpu(format!("{what} for {size} takes {is}, and its limit is {limit}: use --engine cpu"))
        };
        let side = doubled.width().max(doubled.height());
        if side > limits.max_texture_dimension_2d {
            return Err(too_large("a side of the picture", side.into(), limits.max_texture_dimension_2d.into()));
        }
        let limit = limits.max_storage_buffer_binding_size.min(limits.max_buffer_size);
        for (what, bytes) in [("a layer of the network", features), ("the picture that was shown last", luma)] {
            if bytes > limit {
                return Err(too_large(what, bytes, limit));
            }
        }
        let device = gpu.device();
        let plane = |size: Size| {
            device.create_texture(&wgpu::TextureDescriptor {
                label: Some("plane"),
                size: extent(size),
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::R8Unorm,
                usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
                view_formats: &[],
            })
        };
        let buffer = |label, size, usage| {
            device.create_buffer(&wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false })
        };
        let textures = [plane(size), plane(size.chroma()), plane(size.chroma())];
        let mut surface = Self {
            size,
            doubled,
            told: None,
            uniform: buffer(
                "picture",
                size_of::<PictureUniform>() as u64,
                wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST,
            ),
            views: textures.each_ref().map(|p| p.create_view(&Default::default())),
            textures,
            uploads: Uploads::new(size),
            features: [(); 2].map(|()| buffer("features", features, wgpu::BufferUsages::STORAGE)),
            previous_luma: previous.filter(|previous| previous.size == size).unwrap_or_else(|| PreviousLuma {
                size,
                values: buffer("previous luma", luma, wgpu::BufferUsages::STORAGE),
                holds: false,
            }),
            body: Vec::new(),
            last: None,
            texture_pairs: Vec::new(),
            outs: None,
        };
        surface.body =
            network.body.iter().enumerate().map(|(i, network_pass)| surface.bind_pass(gpu, i, network_pass)).collect();
        surface.last =
            network.last.as_ref().map(|network_pass| surface.bind_pass(gpu, network.body.len(), network_pass));
        Ok(surface)
    }

    /// Pass `i` of the network writes one of the two buffers, and reads what the pass before it wrote.
    fn bind_pass(&self, gpu: &GpuContext, i: usize, network_pass: &NetworkPass) -> wgpu::BindGroup {
        let input = match network_pass.kind {
            PassKind::First | PassKind::FusedFirstTwo => (1, wgpu::BindingResource::TextureView(&self.views[0])),
            PassKind::Layer | PassKind::FusedTwo | PassKind::Last | PassKind::Compose => {
                (5, self.features[(i + 1) % 2].as_entire_binding())
            }
        };
        let output = (6, self.features[i % 2].as_entire_binding());
        let (picture, weights) = (self.uniform.as_entire_binding(), network_pass.weights.as_entire_binding());
        self.bind(gpu, &network_pass.pipeline, &[(0, picture), (4, weights), input, output])
    }

    /// What the network adds to bicubic, once its last layer has run as a pass of its own.
    fn detail(&self) -> &wgpu::Buffer {
        &self.features[self.body.len() % 2]
    }

    fn bind(
        &self,
        gpu: &GpuContext,
        pipeline: &wgpu::ComputePipeline,
        resources: &[(u32, wgpu::BindingResource<'_>)],
    ) -> wgpu::BindGroup {
        let entries = resources
            .iter()
            .map(|(binding, resource)| wgpu::BindGroupEntry { binding: *binding, resource: resource.clone() })
            .collect::<Vec<_>>();
        gpu.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        })
    }

    /// Sends a frame's planes and colours to the GPU, before what is recorded next. What is shown may stay `deadband`
    /// behind what is computed.
    pub(super) fn upload(&mut self, gpu: &GpuContext, lr: &Frame, deadband: f32, encoder: &mut wgpu::CommandEncoder) {
        let recorded = self.uploads.record(gpu, lr, &self.textures, encoder);
        // Where no buffer is free wgpu makes one.
        for (texture, plane) in self.textures.iter().zip(lr.planes()).filter(|_| !recorded) {
            let layout = wgpu::TexelCopyBufferLayout {
                offset: 0,
                bytes_per_row: Some(plane.stride() as u32),
                rows_per_image: None,
            };
            gpu.queue().write_texture(texture.as_image_copy(), plane.data(), layout, texture.size());
        }
        let (colour, deadband) = (lr.colour, if self.previous_luma.holds { deadband } else { 0.0 });
        if self.told != Some((colour, deadband)) {
            let size = [self.size.width(), self.size.height()];
            let uniform = PictureUniform { size, deadband, unused: 0, rgb: colour.to_rgb() };
            gpu.queue().write_buffer(&self.uniform, 0, bytemuck::bytes_of(&uniform));
            self.told = Some((colour, deadband));
        }
    }

    /// The next picture has nothing to do with those before.
    pub(super) fn forget(&mut self) {
        self.previous_luma.holds = false;
    }

    /// What was shown last, for the surface that takes the place of this one.
    pub(super) fn into_previous(self) -> PreviousLuma {
        self.previous_luma
    }

    /// The network's layers; the last one only as a pass of its own.
    fn run_layers(
        &self,
        network: &Network,
        last: bool,
        encoder: &mut wgpu::CommandEncoder,
        mut timer: Option<&mut Timer>,
    ) {
        let body = network.body.iter().zip(&self.body);
        let last = network.last.as_ref().zip(self.last.as_ref()).filter(|_| last);
        for (network_pass, group) in body.chain(last) {
            let mut pass = timer::pass(encoder, timer.as_deref_mut(), &network_pass.name);
            pass.set_pipeline(&network_pass.pipeline);
            pass.set_bind_group(0, group, &[]);
            network_pass.dispatch(&mut pass, self.size.width(), self.size.height());
        }
    }

    /// After the submission of what was recorded.
    pub(super) fn submitted(&mut self) {
        self.uploads.submitted();
    }

    /// Everything, into textures that nobody holds. Without a network the second picture is not to be looked at.
    pub(super) fn run(
        &mut self,
        gpu: &GpuContext,
        network: Option<&Network>,
        passes: &Passes,
        encoder: &mut wgpu::CommandEncoder,
        mut timer: Option<&mut Timer>,
    ) -> Arc<TexturePair> {
        let pair = self.free_textures(gpu, network, passes);
        self.previous_luma.holds = network.is_some();
        let (width, height) = (self.size.width(), self.size.height());
        let compose = network.and_then(|n| n.compose.as_ref()).zip(pair.compose.as_ref());
        if let Some(network) = network {
            self.run_layers(network, compose.is_none(), encoder, timer.as_deref_mut());
        }
        match compose {
            Some((network_pass, group)) => {
                let mut pass = timer::pass(encoder, timer, &network_pass.name);
                pass.set_pipeline(&network_pass.pipeline);
                pass.set_bind_group(0, group, &[]);
                network_pass.dispatch(&mut pass, width, height);
            }
            None => {
                let mut pass = timer::pass(encoder, timer, &"pictures".into());
                pass.set_pipeline(&passes.present);
                pass.set_bind_group(0, &pair.present, &[]);
                let [x, y] = network::groups(passes.group, width, height);
                pass.dispatch_workgroups(x, y, 1);
            }
        }
        pair
    }

    fn free_textures(&mut self, gpu: &GpuContext, network: Option<&Network>, passes: &Passes) -> Arc<TexturePair> {
        // The ring turns, so that the pair written longest ago comes first.
        let compose = network.and_then(|n| n.compose.as_ref());
        let fits = |s: &TexturePair| s.compose.is_some() || compose.is_none();
        if let Some(i) = self.texture_pairs.iter().position(|s| Arc::strong_count(s) == 1 && fits(s)) {
            let pair = self.texture_pairs.remove(i);
            self.texture_pairs.push(pair.clone());
            return pair;
        }
        let pair = Arc::new(self.new_textures(gpu, compose, passes));
        if self.texture_pairs.len() >= RING {
            // Someone keeps old pictures; they live as long as they are held, outside of the ring.
            self.texture_pairs.remove(0);
        }
        self.texture_pairs.push(pair.clone());
        pair
    }

    fn new_textures(&self, gpu: &GpuContext, compose: Option<&NetworkPass>, passes: &Passes) -> TexturePair {
        let textures = ["bicubic", "cnn"].map(|label| {
            gpu.device().create_texture(&wgpu::TextureDescriptor {
                label: Some(label),
                size: extent(self.doubled),
                mip_level_count: 1,
                sample_count: 1,
                dimension: wgpu::TextureDimension::D2,
                format: wgpu::TextureFormat::Rgba8Unorm,
                usage: wgpu::TextureUsages::STORAGE_BINDING
                    | wgpu::TextureUsages::TEXTURE_BINDING
                    | wgpu::TextureUsages::COPY_SRC,
                view_formats: &[],
            })
        });
        let views = textures.each_ref().map(|t| t.create_view(&Default::default()));
        let view = |v| wgpu::BindingResource::TextureView(v);
        let planes = [
            (0, self.uniform.as_entire_binding()),
            (1, view(&self.views[0])),
            (2, view(&self.views[1])),
            (3, view(&self.views[2])),
            (6, view(&views[0])),
            (7, view(&views[1])),
            (8, self.previous_luma.values.as_entire_binding()),
        ];
        let with = |more: &[(u32, wgpu::BindingResource<'_>)], pipeline| {
            self.bind(gpu, pipeline, &planes.iter().chain(more).cloned().collect::<Vec<_>>())
        };
        let present = with(&[(5, self.detail().as_entire_binding())], &passes.present);
        let compose = compose.map(|network_pass| {
            let before = self.features[(self.body.len() + 1) % 2].as_entire_binding();
            with(&[(4, network_pass.weights.as_entire_binding()), (5, before)], &network_pass.pipeline)
        });
        TexturePair { size: self.doubled, textures, views, present, compose }
    }
}

impl Surface {
    /// Y, Cb and Cr of the frame that was uploaded last, at twice the size, in rows of whole words; luma by
    /// the network or by bicubic.
    pub(super) fn planes(
        &mut self,
        gpu: &GpuContext,
        lr: &Frame,
        network: &Network,
        passes: &FilePasses,
        timer: &mut Option<Timer>,
        cnn: bool,
    ) -> Result<[Vec<u8>; 3], UpscaleError> {
        if self.outs.is_none() {
            self.outs = Some(self.new_outs(gpu, passes));
        }
        let mut uploading = gpu.device().create_command_encoder(&Default::default());
        self.upload(gpu, lr, network.deadband, &mut uploading);
        gpu.queue().submit([uploading.finish()]);
        self.submitted();
        self.previous_luma.holds |= cnn;
        let this = &*self;
        let outs = this.outs.as_ref().map_or(&[][..], |outs| outs);
        let record = |encoder: &mut wgpu::CommandEncoder, buffer: &wgpu::Buffer| {
            timer::begin(timer);
            if cnn {
                this.run_layers(network, true, encoder, timer.as_mut());
            }
            let mut pass = timer::pass(encoder, timer.as_mut(), &"planes".into());
            for (i, out) in outs.iter().enumerate() {
                let by_network = out.luma.as_ref().filter(|_| cnn && i == 0);
                match by_network {
                    Some(group) => {
                        pass.set_pipeline(&passes.luma);
                        pass.set_bind_group(0, group, &[]);
                    }
                    None => {
                        pass.set_pipeline(&passes.double);
                        pass.set_bind_group(0, &out.double, &[]);
                    }
                }
                let (words, pairs) = (out.size.width().div_ceil(4), out.size.height().div_ceil(2));
                pass.dispatch_workgroups(words.div_ceil(8), pairs.div_ceil(8), 1);
            }
            drop(pass);
            timer::end(timer, encoder);
            let mut offset = 0;
            for out in outs {
                encoder.copy_buffer_to_buffer(&out.words, 0, buffer, offset, out.words.size());
                offset += out.words.size();
            }
        };
        let total = outs.iter().map(|o| o.words.size()).sum();
        let planes = readback::read(gpu, total, record, |bytes| {
            let mut rest = bytes;
            let mut next = outs.iter().map(|out| {
                let (plane, after) = rest.split_at(out.words.size() as usize);
                rest = after;
                plane.to_vec()
            });
            std::array::from_fn(|_| next.next().unwrap_or_default())
        });
        timer::collect(timer);
        planes
    }

    fn new_outs(&self, gpu: &GpuContext, passes: &FilePasses) -> [PlaneOut; 3] {
        let chroma = self.doubled.chroma();
        [(0, self.doubled), (1, chroma), (2, chroma)].map(|(i, size)| {
            let plane = [size.width(), size.height(), 0, 0];
            let uniform = gpu.buffer("plane", bytemuck::cast_slice(&plane), wgpu::BufferUsages::UNIFORM);
            let words = gpu.device().create_buffer(&wgpu::BufferDescriptor {
                label: Some("plane"),
                size: u64::from(size.width().next_multiple_of(4)) * u64::from(size.height()),
                usage: wgpu::BufferUsages::STORAGE | wgpu::BufferUsages::COPY_SRC,
                mapped_at_creation: false,
            });
            let plane = || (1, wgpu::BindingResource::TextureView(&self.views[i]));
            let double = self.bind(
                gpu,
                &passes.double,
                &[plane(), (6, uniform.as_entire_binding()), (7, words.as_entire_binding())],
            );
            let luma = (i == 0).then(|| {
                self.bind(
                    gpu,
                    &passes.luma,
                    &[
                        (0, self.uniform.as_entire_binding()),
                        plane(),
                        (5, self.detail().as_entire_binding()),
                        (6, uniform.as_entire_binding()),
                        (7, words.as_entire_binding()),
                        (8, self.previous_luma.values.as_entire_binding()),
                    ],
                )
            });
            PlaneOut { size, words, double, luma }
        })
    }
}

/// A plane at twice the size, as bytes in a buffer, and what its passes are bound to.
#[derive(Debug)]
struct PlaneOut {
    size: Size,
    words: wgpu::Buffer,
    double: wgpu::BindGroup,
    luma: Option<wgpu::BindGroup>,
}

/// What the pass that writes most writes.
fn feature_bytes(network: &Network, size: Size) -> u64 {
    let precision = network.variant.precision;
    let bytes = network.all_passes().map(|network_pass| {
        let side = |n: u32| u64::from(n + 2 * network_pass.margin);
        let vector =
            if network_pass.kind == PassKind::Last { precision.detail_bytes() } else { precision.vector_bytes() };
        side(size.width()) * side(size.height()) * u64::from(network_pass.outputs) * vector
    });
    bytes.max().unwrap_or(0)
}

fn extent(size: Size) -> wgpu::Extent3d {
    wgpu::Extent3d { width: size.width(), height: size.height(), depth_or_array_layers: 1 }
}
