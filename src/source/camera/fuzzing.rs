//! What a fuzz target tries on a camera's bytes.

use std::time::Instant;

use super::{Raw, convert};
use crate::{frame::Size, source::devices::Pixels};

/// Converts a camera's bytes, of which the first two say how they are packed and how large the picture is: it
/// comes out in that size or not at all.
pub fn camera_picture(data: &[u8]) {
    let [format, side, bytes @ ..] = data else { return };
    // Half of all are motion JPEG: the rest is counting bytes.
    let pixels = Pixels::ALL.get(usize::from(format % 12)).copied().unwrap_or(Pixels::Mjpeg);
    let (width, height) = (4 * u32::from(side & 15) + 1, 4 * u32::from(side >> 4) + 1);
    let Ok(size) = Size::new(width + u32::from(format >> 7), height + u32::from(format >> 7)) else { return };
    let raw = Raw { bytes: bytes::Bytes::copy_from_slice(bytes), size, pixels, captured: Instant::now() };
    if let Ok(frame) = convert::frame(&raw) {
        assert_eq!(frame.size(), size);
    }
}
