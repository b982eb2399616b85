//! Pictures on their way to the screen: each becomes a texture that egui can draw.

use egui::{ColorImage, Context, TextureHandle, TextureId, TextureOptions};

use crate::{
    frame::{Frame, Rgba},
    upscale::{GpuPicture, Pair, Picture},
};

/// A texture of the engine that is no part of the newest pictures for this many pairs is let go.
///
/// The engine uses a small ring of textures again and again; after a change of size it makes new ones.
const FORGET_AFTER: u64 = 16;

/// A texture that the GPU engine wrote, and the name that egui knows it by.
struct Native {
    texture: wgpu::Texture,
    id: TextureId,
    used: u64,
}

/// The textures of the two sides and of the self-view.
pub(crate) struct Textures {
    render: Option<egui_wgpu::RenderState>,
    native: Vec<Native>,
    uploaded: [Option<TextureHandle>; 2],
    own: Option<TextureHandle>,
    pairs: u64,
}

impl Textures {
    /// `render` is the window's renderer, which GPU pictures are registered with.
    pub(crate) fn new(render: Option<egui_wgpu::RenderState>) -> Self {
        Self { render, native: Vec::new(), uploaded: [None, None], own: None, pairs: 0 }
    }

    /// Both pictures of `pair`, left and right, or nothing if they are on a GPU that is not the window's.
    pub(crate) fn pair(&mut self, ctx: &Context, pair: &Pair) -> Option<[TextureId; 2]> {
        self.pairs += 1;
        let left = self.picture(ctx, 0, &pair.bicubic)?;
        let right = self.picture(ctx, 1, &pair.cnn)?;
        self.forget_old();
        Some([left, right])
    }

    fn picture(&mut self, ctx: &Context, side: usize, picture: &Picture) -> Option<TextureId> {
        match picture {
            Picture::Cpu(rgba) => {
                let name = ["bicubic", "cnn"][side];
                Some(upload(ctx, &mut self.uploaded[side], name, image(rgba)))
            }
            Picture::Gpu(gpu) => self.register(gpu),
        }
    }

    fn register(&mut self, picture: &GpuPicture) -> Option<TextureId> {
        let used = self.pairs;
        if let Some(known) = self.native.iter_mut().find(|n| n.texture == *picture.texture()) {
            known.used = used;
            return Some(known.id);
        }
        let render = self.render.as_ref()?;
        let id = render.renderer.write().register_native_texture(
            &render.device,
            picture.view(),
            wgpu::FilterMode::Linear,
        );
        self.native.push(Native { texture: picture.texture().clone(), id, used });
        Some(id)
    }

    fn forget_old(&mut self) {
        let Some(render) = &self.render else { return };
        let newest = self.pairs;
        self.native.retain(|n| {
            let keep = newest - n.used <= FORGET_AFTER;
            if !keep {
                render.renderer.write().free_texture(&n.id);
            }
            keep
        });
    }

    /// What this side sends, small.
    pub(crate) fn self_view(&mut self, ctx: &Context, frame: &Frame) -> TextureId {
        upload(ctx, &mut self.own, "self-view", thumbnail(frame))
    }

    /// Lets all pictures of a call go.
    pub(crate) fn clear(&mut self) {
        self.pairs += FORGET_AFTER + 1;
        self.forget_old();
        self.uploaded = [None, None];
        self.own = None;
    }
}

impl Drop for Textures {
    fn drop(&mut self) {
        self.clear();
    }
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

/// Alpha is 255 everywhere, so premultiplied and not is the same.
fn image(rgba: &Rgba) -> ColorImage {
    ColorImage::from_rgba_premultiplied([rgba.size.width() as usize, rgba.size.height() as usize], &rgba.data)
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
            let Ok(size) = Size::new(w, h) else { unreachable!() };
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
