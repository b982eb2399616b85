//! From the GPU's memory to ours.

use std::sync::mpsc;

use super::GpuContext;
use crate::{
    frame::{Rgba, Size},
    upscale::UpscaleError,
};

/// Copies what `record` writes into a buffer of `bytes` bytes, and hands it to `take` once it is there.
pub(super) fn read<T>(
    gpu: &GpuContext,
    bytes: u64,
    record: impl FnOnce(&mut wgpu::CommandEncoder, &wgpu::Buffer),
    take: impl FnOnce(&[u8]) -> T,
) -> Result<T, UpscaleError> {
    let buffer = gpu.device().create_buffer(&wgpu::BufferDescriptor {
        label: Some("read back"),
        size: bytes,
        usage: wgpu::BufferUsages::COPY_DST | wgpu::BufferUsages::MAP_READ,
        mapped_at_creation: false,
    });
    let mut encoder = gpu.device().create_command_encoder(&Default::default());
    record(&mut encoder, &buffer);
    let submission = gpu.queue().submit([encoder.finish()]);
    let (sender, receiver) = mpsc::channel();
    buffer.map_async(wgpu::MapMode::Read, .., move |result| {
        let _ = sender.send(result);
    });
    gpu.wait(submission)?;
    let failed = |why: String| UpscaleError::Gpu(format!("a picture cannot be read back ({why})"));
    match receiver.try_recv() {
        Ok(Ok(())) => {}
        Ok(Err(e)) => return Err(failed(e.to_string())),
        Err(e) => return Err(failed(e.to_string())),
    }
    let view = buffer.get_mapped_range(..).map_err(|e| failed(e.to_string()))?;
    Ok(take(&view))
}

/// A whole RGBA texture.
pub(super) fn texture(gpu: &GpuContext, texture: &wgpu::Texture, size: Size) -> Result<Rgba, UpscaleError> {
    let (row, height) = (4 * size.width(), size.height());
    let pitch = row.next_multiple_of(wgpu::COPY_BYTES_PER_ROW_ALIGNMENT);
    let record = |encoder: &mut wgpu::CommandEncoder, buffer: &wgpu::Buffer| {
        let layout = wgpu::TexelCopyBufferLayout { offset: 0, bytes_per_row: Some(pitch), rows_per_image: None };
        encoder.copy_texture_to_buffer(
            texture.as_image_copy(),
            wgpu::TexelCopyBufferInfo { buffer, layout },
            texture.size(),
        );
    };
    read(gpu, u64::from(pitch) * u64::from(height), record, |bytes| {
        let rows = bytes.chunks(pitch as usize).flat_map(|r| &r[..row as usize]);
        Rgba { size, data: rows.copied().collect() }
    })
}
