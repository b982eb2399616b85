//! Video calls in low resolution, upscaled where they are watched.
//!
//! The modules stand in the order in which a frame meets them:
//!
//! ```text
//! source ─▶ scale ─▶ codec ─▶ call ══ network ══ call ─▶ codec ─▶ upscale ─▶ measure ─▶ app | report
//! ```
//!
//! [`frame`] is what travels, [`model`] the network as data, [`pipeline`] the threads and the slots
//! between them. `ARCHITECTURE.md` follows one frame through all of it.

mod atomic_file;
mod matrix;
pub mod interrupt;
#[cfg(fuzzing)]
pub mod fuzzing;
pub mod frame;
pub mod source;
pub mod scale;
#[cfg(feature = "audio")]
pub mod audio;
pub mod codec;
pub mod call;
pub mod model;
pub mod upscale;
pub mod measure;
pub mod record;
pub mod pipeline;
pub mod stats;
pub mod spotlight;
pub mod report;
pub mod qr;
#[cfg(feature = "app")]
pub mod app;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "train")]
pub mod lab;
