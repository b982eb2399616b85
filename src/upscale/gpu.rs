//! The GPU engine: WGSL compute through wgpu, on the window's device or one of its own.
//!
//! | pass | reads | writes |
//! |---|---|---|
//! | `first`, or `fused_first_two` with the second layer | luma | features |
//! | `layer`, or `fused_two` | features | features |
//! | `compose`: the last layer | features, luma, chroma | both pictures, RGB |
//! | `last`: the last layer alone | features | what is added to bicubic |
//! | `present` after that | what is added to bicubic, luma, chroma | both pictures, RGB |
//! | `luma` and `double` instead | that and luma; a plane | planes in bytes, for files |
//!
//! Which of them run is a [`Variant`]. Features lie in storage buffers as planes of vectors of four channels;
//! between the two layers of a pass they stay in the workgroup's memory. Buffers and textures are made once for
//! a size and a model. The pictures are textures of a small ring: one that is still held by a
//! [`Pair`](super::Pair) is not written.

mod adapter;
mod context;
mod engine;
mod network;
mod plan;
mod readback;
mod shader;
mod surface;
mod timer;
mod tune;
mod tuning_cache;
mod upload;
mod weights;

pub use adapter::AdapterSummary;
pub use context::{GpuContext, adapters};
pub use engine::GpuEngine;
pub use plan::{Fusion, GpuDataType, Variant};
pub use shader::{DATA_TYPE, SHADERS, ShaderError, TAPS, source};
pub use surface::GpuPicture;
pub use tuning_cache::{default_folder, remember_in};
