//! Pictures on their way to the screen: each becomes a texture that egui can draw.

use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions};

use super::paint::Pictures;
use crate::{
    frame::Frame,
    upscale::{Pair, Picture},
};

/// The textures of the two sides and of the self-view.
///
/// Pictures of the GPU engine are textures of the window's device already; those of the CPU are written to two
/// textures that are kept as long as the size stays.
pub struct Textures {
    render: Option<egui_wgpu::RenderState>,
    uploaded: [Option<(wgpu::Texture, wgpu::TextureView)>; 2],
    own: Option<TextureHandle>,
}

impl Textures {
    /// `render` is the window's renderer.
    pub fn new(render: Option<egui_wgpu::RenderState>) -> Self {
        Self { render, uploaded: [None, None], own: None }
    }

    /// Both pictures of `pair`. The pair must be kept as long as they are drawn: the GPU engine writes to its
    /// textures again when nobody holds them.
    pub fn pair(&mut self, pair: &Pair) -> Option<Pictures> {
        let render = self.render.as_ref()?;
        let [left, right] = &mut self.uploaded;
        let views = [view(render, left, &pair.bicubic), view(render, right, &pair.cnn)];
        Some(Pictures { views, size: pair.size, target: render.target_format })
    }

    /// What this side sends, small.
    pub(crate) fn self_view(&mut self, ctx: &Context, frame: &Frame) -> TextureId {
        upload(ctx, &mut self.own, "self-view", thumbnail(frame))
    }

    /// Lets all pictures of a call go.
    pub(crate) fn clear(&mut self) {
        self.uploaded = [None, None];
        self.own = None;
    }
}

/// The picture as a texture of the window's device.
fn view(
    render: &egui_wgpu::RenderState,
    place: &mut Option<(wgpu::Texture, wgpu::TextureView)>,
    picture: &Picture,
) -> wgpu::TextureView {
    let rgba = match picture {
        Picture::Gpu(gpu) => return gpu.view().clone(),
        Picture::Cpu(rgba) => rgba,
    };
    let (width, height) = (rgba.size.width(), rgba.size.height());
    let size = wgpu::Extent3d { width, height, depth_or_array_layers: 1 };
    let kept = place.take().filter(|(texture, _)| texture.size() == size);
    let (texture, view) = place.insert(kept.unwrap_or_else(|| {
        let texture = render.device.create_texture(&wgpu::TextureDescriptor {
            label: Some("a picture of the CPU"),
            size,
            mip_level_count: 1,
            sample_count: 1,
            dimension: wgpu::TextureDimension::D2,
            format: wgpu::TextureFormat::Rgba8Unorm,
            usage: wgpu::TextureUsages::TEXTURE_BINDING | wgpu::TextureUsages::COPY_DST,
            view_formats: &[],
        });
        let view = texture.create_view(&Default::default());
        (texture, view)
    }));
    render.queue.write_texture(
        texture.as_image_copy(),
        &rgba.data,
        wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * width), rows_per_image: Some(height) },
        size,
    );
    view.clone()
}

/// Writes `image` to the texture of `place`, which is made anew only when the size changes.
fn upload(ctx: &Context, place: &mut Option<TextureHandle>, name: &str, image: ColorImage) -> TextureId {
    match place {
        Some(texture) if texture.size() == image.size => {
            texture.set_partial([0, 0], image, TextureOptions::LINEAR);
            texture.id()
        }
        _ => place.insert(ctx.load_texture(name, image, TextureOptions::LINEAR)).id(),
    }
}

/// The frame at half its size: one pixel for each chroma sample, of the mean of its luma.
fn thumbnail(frame: &Frame) -> ColorImage {
    let (y, u, v) = (frame.y(), frame.u(), frame.v());
    let rows = frame.colour.to_rgb();
    let mut pixels = Vec::with_capacity(u.width() * u.height());
    for j in 0..u.height() {
        let (top, bottom) = (y.row(2 * j), y.row((2 * j + 1).min(y.height() - 1)));
        for ((i, &cb), &cr) in u.row(j).iter().enumerate().zip(v.row(j)) {
            let (a, b) = (2 * i, (2 * i + 1).min(y.width() - 1));
            let luma = [top[a], top[b], bottom[a], bottom[b]].map(f32::from).iter().sum::<f32>() / 4.0;
            let [r, g, b] = rows.map(|k| {
                let share = k[0] * luma + k[1] * f32::from(cb) + k[2] * f32::from(cr) + 255.0 * k[3];
                share.round().clamp(0.0, 255.0) as u8
            });
            pixels.push(egui::Color32::from_rgb(r, g, b));
        }
    }
    ColorImage::new([u.width(), u.height()], pixels)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{Colour, Matrix, Range, Size, Stamp};

    #[test]
    fn the_self_view_has_the_right_colours_at_any_size() {
        let colour = Colour { matrix: Matrix::Bt601, range: Range::Limited };
        for (w, h) in [(1, 1), (3, 5), (480, 360)] {
            let size = Size::new(w, h).unwrap();
            let image = thumbnail(&Frame::filled(size, [81, 90, 240], colour, Stamp::now(0)));
            assert_eq!(image.size, [w.div_ceil(2) as usize, h.div_ceil(2) as usize]);
            assert!(image.pixels.iter().all(|p| *p == egui::Color32::from_rgb(254, 0, 0)), "{:?}", image.pixels[0]);
        }
    }

    #[test]
    fn a_texture_is_made_anew_only_for_a_new_size() {
        let ctx = Context::default();
        let mut place = None;
        let mut show = |w: usize, grey: u8| {
            upload(&ctx, &mut place, "x", ColorImage::filled([w, 4], egui::Color32::from_gray(grey)))
        };
        let first = show(8, 1);
        assert_eq!(first, show(8, 2));
        assert_ne!(first, show(9, 3));
    }
}
