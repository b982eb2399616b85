//! Doors for the fuzz targets in `fuzz/` to parsers that are private to their modules.
//!
//! Each takes any bytes and panics where a promise is broken. Only there in a build with `--cfg fuzzing`.

#[cfg(feature = "camera")]
pub use crate::source::camera::fuzzing::camera_picture;
pub use crate::{
    call::{
        fuzzing::description,
        signal::fuzzing::{join_link, whip_request},
    },
    source::clip::fuzzing::{byte_stream, mkv, mp4, still, y4m},
};
