//! The size that a call would come to with a clip, if it went on for long enough.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use clearcall::{
    codec::{Encoder, EncoderConfig, H264Profile, nal::QpReader},
    frame::{Size, Stamp},
    pipeline::{AutoSize, Room},
    scale::{Kernel, Scaler},
    source::clip::ClipReader,
};

use super::Input as _;

/// What the clip is coded into.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rate {
    pub(super) fps: f32,
    /// Bits a second.
    pub(super) bitrate: u32,
    pub(super) profile: H264Profile,
    /// Whether the encoder may skip frames.
    pub(super) skip: bool,
    /// How many frames are looked at, at most.
    pub(super) frames: u64,
}

/// Codes the beginning of the clip at the size that is tried, until none is better.
pub(super) fn settled_size(path: &Path, rate: Rate) -> anyhow::Result<Size> {
    let mut reader = ClipReader::open(path).input()?;
    let source = reader.next().input()?.map_or_else(|| reader.size(), |picture| picture.frame.square_size());
    let fps = rate.fps.clamp(1.0, 60.0);
    AutoSize::new(&Room { source, fps, bitrate: rate.bitrate }).settled(|size| mean_qp(path, size, rate))
}

/// At which QP it is coded at that size; a frame that is left out counts as coded as coarsely as can be.
fn mean_qp(path: &Path, size: Size, rate: Rate) -> anyhow::Result<f32> {
    let Rate { bitrate, profile, skip, .. } = rate;
    let fps = rate.fps.clamp(1.0, 60.0);
    let config = EncoderConfig { size, fps, bitrate, keyframe_interval: None, skip_frames: skip, profile };
    let (mut encoder, mut scaler, mut qps) =
        (Encoder::new(config).input()?, Scaler::new(size, Kernel::SENDER), QpReader::default());
    let mut reader = ClipReader::open(path).input()?;
    let (start, mut sum, mut read) = (Instant::now(), 0.0, 0_u64);
    while read < rate.frames {
        let Some(picture) = reader.next().input()? else { break };
        let captured = start + Duration::from_secs_f64(read as f64 / f64::from(fps));
        let low = scaler.scale(&picture.frame.with_stamp(Stamp { id: read, captured }))?;
        let qp = match encoder.encode(&low)? {
            Some(unit) => qps.read(&unit.data).unwrap_or(AutoSize::COARSEST),
            None => AutoSize::COARSEST,
        };
        sum += f64::from(qp);
        read += 1;
    }
    Ok(if read > 0 { (sum / read as f64) as f32 } else { AutoSize::COARSEST })
}
