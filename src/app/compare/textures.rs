//! Pictures on their way to the screen: each becomes a texture that egui can draw.

use std::sync::Arc;

use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions};

use crate::{
    app::compare::{paint::Pictures, sides::SideChoice},
    frame::{Frame, Rgba, Size},
    upscale::Picture,
};

/// The textures of the sides and of the self-view.
///
/// Pictures of the GPU engine are textures of the window's device already; those of the CPU are written to
/// textures that are kept as long as their side is looked at and the size stays.
pub struct Textures {
    render: Option<egui_wgpu::RenderState>,
    uploaded: Vec<Uploaded>,
    own: Option<TextureHandle>,
}

/// A side's texture and what is in it.
struct Uploaded {
    side: SideChoice,
    texture: wgpu::Texture,
    view: wgpu::TextureView,
    /// Held, so that an engine does not write another picture to the same place unnoticed.
    holds: Option<Arc<Rgba>>,
}

impl Textures {
    /// `render` is the window's renderer.
    pub fn new(render: Option<egui_wgpu::RenderState>) -> Self {
        Self { render, uploaded: Vec::new(), own: None }
    }

    /// The pictures of one frame; `size` is that of the upscaled ones. They must be kept as long as they are
    /// drawn: the GPU engine writes to its textures again when nobody holds them.
    pub fn pictures(&mut self, sides: &[(SideChoice, &Picture)], size: Size, frozen: bool) -> Option<Pictures> {
        let render = self.render.as_ref()?;
        self.uploaded.retain(|u| sides.iter().any(|(side, _)| *side == u.side));
        let (mut views, mut bytes) = (Vec::new(), Vec::new());
        for (side, picture) in sides {
            if views.iter().any(|(s, _)| s == side) {
                continue;
            }
            let view = match picture {
                Picture::Gpu(gpu) => gpu.view().clone(),
                Picture::Cpu(rgba) => {
                    bytes.push((*side, Arc::clone(rgba)));
                    upload_side(render, &mut self.uploaded, *side, rgba)
                }
            };
            views.push((*side, view));
        }
        Some(Pictures { views, bytes, size, frozen, target: render.target_format })
    }

    /// What this side sends, small.
    pub(crate) fn self_view(&mut self, ctx: &Context, frame: &Frame) -> TextureId {
        upload(ctx, &mut self.own, "self-view", thumbnail(frame))
    }

    /// Lets all pictures of a call go.
    pub(crate) fn clear(&mut self) {
        self.uploaded.clear();
        self.own = None;
    }
}

/// Writes a picture to its side's texture, unless it is there already.
fn upload_side(
    render: &egui_wgpu::RenderState,
    uploaded: &mut Vec<Uploaded>,
    side: SideChoice,
    rgba: &Arc<Rgba>,
) -> wgpu::TextureView {
    let (width, height) = (rgba.size.width(), rgba.size.height());
    let size = wgpu::Extent3d { width, height, depth_or_array_layers: 1 };
    uploaded.retain(|u| u.side != side || u.texture.size() == size);
    let at = uploaded.iter().position(|u| u.side == side).unwrap_or_else(|| {
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
        uploaded.push(Uploaded { side, texture, view, holds: None });
        uploaded.len() - 1
    });
    let place = &mut uploaded[at];
    if !place.holds.as_ref().is_some_and(|held| Arc::ptr_eq(held, rgba)) {
        render.queue.write_texture(
            place.texture.as_image_copy(),
            &rgba.data,
            wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(4 * width), rows_per_image: Some(height) },
            size,
        );
        place.holds = Some(Arc::clone(rgba));
    }
    place.view.clone()
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
