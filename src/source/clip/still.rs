//! A picture as a clip of one frame.

use std::{
    io::{BufRead, Seek},
    path::Path,
};

use super::ClipError;
use crate::frame::{Frame, MAX_SIDE, Stamp};

/// Whether a file begins as a PNG or a JPEG does.
pub(super) fn looks_like(head: &[u8]) -> bool {
    head.starts_with(b"\x89PNG\r\n\x1a\n") || head.starts_with(&[0xff, 0xd8, 0xff])
}

/// The pixels of a PNG or JPEG that is no larger than a frame may be.
pub(crate) fn rgb(reader: impl BufRead + Seek) -> image::ImageResult<image::RgbImage> {
    let mut reader = image::ImageReader::new(reader).with_guessed_format()?;
    let mut limits = image::Limits::default();
    limits.max_image_width = Some(MAX_SIDE);
    limits.max_image_height = Some(MAX_SIDE);
    reader.limits(limits);
    Ok(reader.decode()?.into_rgb8())
}

/// Reads it whole, as BT.601 limited range with even sides.
pub(super) fn read(reader: impl BufRead + Seek, path: &Path) -> Result<Frame, ClipError> {
    let damaged = |e: &dyn std::fmt::Display| ClipError::damaged(path, e.to_string());
    let picture = rgb(reader).map_err(|e| damaged(&e))?;
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Frame::from_rgb8(picture.as_raw(), width, height, Stamp::now(0)).map_err(|e| damaged(&e))
}
