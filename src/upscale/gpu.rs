//! The GPU engine: WGSL compute through wgpu, on the window's device or one of its own.
//!
//! | pass | reads | writes |
//! |---|---|---|
//! | `first` | luma | features |
//! | `layer`, for each other layer | features | features, or what is added to bicubic |
//! | `present` | that, luma, chroma | both pictures, RGB |
//! | `luma` and `double` instead of it | that and luma; a plane | planes in bytes, for files |
//!
//! Features lie in storage buffers, pixel by pixel, their channels in vectors of four. Buffers and textures
//! are made once for a size and a model. The pictures are textures of a small ring: one that is still held
//! by a [`Pair`](super::Pair) is not written.

mod context;
mod engine;
mod network;
mod readback;
mod shader;
mod surface;
mod timer;

pub use context::{AdapterSummary, GpuContext, adapters};
pub use engine::GpuEngine;
pub use shader::{SHADERS, ShaderError, source};
pub use surface::GpuPicture;
