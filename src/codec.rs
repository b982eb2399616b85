//! H.264, both ways: the only module that names `openh264` and `openh264_sys2`.
//!
//! [`Encoder`] turns pictures into access units and holds a bitrate, [`Decoder`] turns access units,
//! whole or torn, back into pictures. [`nal`] reads the little of the byte stream that both need.

pub mod nal;

mod decode;
mod encode;
mod gaps;
mod opening;

pub use decode::{Assumed, DecodeError, Decoded, Decoder};
pub use encode::{EncodeError, Encoder, EncoderConfig, H264Profile, MAX_BITRATE, MIN_BITRATE};

use crate::frame::Stamp;

/// The longest access unit that is handled, in bytes.
///
/// More than an uncompressed 4:2:0 picture of H.264's level 5.2 has; anything longer is an attack or
/// not H.264.
pub const MAX_UNIT_BYTES: usize = 16 << 20;

/// One coded picture: all NAL units of one access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// Annex B, each NAL unit after a start code of four bytes.
    pub data: Vec<u8>,
    /// Decoding can start here: an IDR picture with its parameter sets.
    pub keyframe: bool,
    /// Of the frame that was encoded.
    pub stamp: Stamp,
}
