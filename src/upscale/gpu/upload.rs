//! A frame's planes on their way to the GPU, through a small ring of buffers that are used again and again.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use super::GpuContext;
use crate::frame::{Frame, Size};

/// Two frames are under way at most; the third buffer is back by then.
const RING: usize = 3;

/// Where the planes lie in a buffer, and the buffers.
#[derive(Debug)]
pub(super) struct Uploads {
    planes: [Place; 3],
    bytes: u64,
    ring: Vec<Staging>,
    /// The one whose copy is being recorded.
    used: Option<usize>,
}

/// A plane in a buffer; rows begin where copies to textures can begin.
#[derive(Debug, Clone, Copy)]
struct Place {
    offset: usize,
    pitch: usize,
    size: Size,
}

/// A buffer, and whether it can be written.
#[derive(Debug)]
struct Staging {
    buffer: wgpu::Buffer,
    mapped: Arc<AtomicBool>,
}

impl Uploads {
    pub(super) fn new(size: Size) -> Self {
        let mut end = 0;
        let planes = [size, size.chroma(), size.chroma()].map(|size| {
            let pitch = (size.width() as usize).next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT as usize);
            let place = Place { offset: end, pitch, size };
            end += pitch * size.height() as usize;
            place
        });
        Self { planes, bytes: end as u64, ring: Vec::new(), used: None }
    }

    /// Writes the planes to a buffer that is free and records the copies from there to the textures. False
    /// where none is free.
    pub(super) fn record(
        &mut self,
        gpu: &GpuContext,
        lr: &Frame,
        textures: &[wgpu::Texture; 3],
        encoder: &mut wgpu::CommandEncoder,
    ) -> bool {
        let free = self.ring.iter().position(|s| s.mapped.load(Ordering::Acquire));
        let i = match free {
            Some(i) => i,
            None if self.ring.len() < RING => {
                self.ring.push(Staging::new(gpu.device(), self.bytes));
                self.ring.len() - 1
            }
            None => return false,
        };
        let Some(staging) = self.ring.get(i) else { return false };
        // It is not mapped where the device has been lost.
        let Ok(mut view) = staging.buffer.get_mapped_range_mut(..) else { return false };
        for (place, plane) in self.planes.iter().zip(lr.planes()) {
            for y in 0..plane.height() {
                let start = place.offset + y * place.pitch;
                view.slice(start..start + plane.width()).copy_from_slice(plane.row(y));
            }
        }
        drop(view);
        staging.buffer.unmap();
        staging.mapped.store(false, Ordering::Release);
        for (place, texture) in self.planes.iter().zip(textures) {
            let layout = wgpu::TexelCopyBufferLayout {
                offset: place.offset as u64,
                bytes_per_row: Some(place.pitch as u32),
                rows_per_image: Some(place.size.height()),
            };
            let from = wgpu::TexelCopyBufferInfo { buffer: &staging.buffer, layout };
            encoder.copy_buffer_to_texture(from, texture.as_image_copy(), texture.size());
        }
        self.used = Some(i);
        true
    }

    /// After the submission of what was recorded: asks for the buffer to be given back when it has been read.
    pub(super) fn submitted(&mut self) {
        let Some(staging) = self.used.take().and_then(|i| self.ring.get(i)) else { return };
        let mapped = Arc::clone(&staging.mapped);
        staging.buffer.map_async(wgpu::MapMode::Write, .., move |result| {
            mapped.store(result.is_ok(), Ordering::Release);
        });
    }
}

impl Staging {
    fn new(device: &wgpu::Device, size: u64) -> Self {
        let buffer = device.create_buffer(&wgpu::BufferDescriptor {
            label: Some("upload"),
            size,
            usage: wgpu::BufferUsages::MAP_WRITE | wgpu::BufferUsages::COPY_SRC,
            mapped_at_creation: true,
        });
        Self { buffer, mapped: Arc::new(AtomicBool::new(true)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_begin_where_copies_can() {
        let uploads = Uploads::new(Size::new(300, 5).unwrap());
        let places: Vec<_> = uploads.planes.iter().map(|p| (p.offset, p.pitch)).collect();
        assert_eq!(places, [(0, 512), (5 * 512, 256), (5 * 512 + 3 * 256, 256)]);
        assert_eq!(uploads.bytes, 5 * 512 + 6 * 256);
    }
}
