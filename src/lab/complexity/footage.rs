//! Real inputs: patches of decoded low-resolution pictures.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use rand::Rng;

use crate::{
    codec::{DecodeError, Decoder, EncodeError, Encoder, EncoderConfig, H264Profile},
    frame::{Frame, Size, SizeError, Stamp},
    model::SteadyQp,
    scale::{Kernel, ScaleError, Scaler},
    source::clip::{ClipError, ClipReader},
};

/// Frames a second that the encoder counts with.
const FPS: f32 = 30.0;
/// What is sent fits into this, and takes so many bits a second.
const SENT: [u32; 2] = [480, 360];
const BITRATE: u32 = 300_000;
/// One decoded frame in so many is kept: its neighbours look alike.
const KEPT: u32 = 6;

/// A video that gives no decoded pictures.
#[derive(Debug, thiserror::Error)]
pub enum FootageError {
    /// The clip cannot be read.
    #[error(transparent)]
    Clip(#[from] ClipError),
    /// A size that cannot be.
    #[error(transparent)]
    Size(#[from] SizeError),
    /// A picture cannot be scaled.
    #[error(transparent)]
    Scale(#[from] ScaleError),
    /// A picture cannot be encoded.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A picture cannot be decoded.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Not one came out.
    #[error("there are no pictures to cut patches of: give a clip that the encoder takes")]
    NoPictures,
    /// Its pictures are smaller than what a network looks at.
    #[error("pictures of {0} are too small for a network that looks at {1}x{1} pixels: give a larger clip")]
    Small(Size, usize),
}

/// Low-resolution pictures as a receiver decodes them, one in six of the first `frames` of a clip, which may be `scene`:
/// scaled into 480×360 and coded with 300 kbit/s. Each says in `weights_qp` which weights a call would show it
/// with.
///
/// # Errors
/// When the clip cannot be read or coded, or ends before its first picture.
pub fn decoded(clip: &Path, frames: u32) -> Result<Vec<Frame>, FootageError> {
    let mut reader = ClipReader::open(clip)?;
    let (mut line, mut kept, mut steady) = (None, Vec::new(), SteadyQp::default());
    let start = Instant::now();
    for n in 0..frames {
        let Some(picture) = reader.next()? else { break };
        let captured = start + Duration::from_secs_f64(f64::from(n) / f64::from(FPS));
        let frame = picture.frame.centred().with_stamp(Stamp { id: n.into(), captured });
        if line.is_none() {
            let size = frame.size().shrink_even(Size::new(SENT[0], SENT[1])?);
            let config = EncoderConfig {
                size,
                fps: FPS,
                bitrate: BITRATE,
                keyframe_interval: None,
                skip_frames: false,
                profile: H264Profile::default(),
            };
            line = Some((Scaler::new(size, Kernel::SENDER), Encoder::new(config)?, Decoder::new()?));
        }
        let Some((scaler, encoder, decoder)) = &mut line else { break };
        let Some(unit) = encoder.encode(&scaler.scale(&frame)?)? else { continue };
        let Some(mut decoded) = decoder.decode(&unit.data, unit.stamp)? else { continue };
        decoded.frame.weights_qp = steady.follow(decoded.frame.qp);
        if n % KEPT == 0 {
            kept.push(decoded.frame);
        }
    }
    Ok(kept)
}

/// A square of luma somewhere in one of some pictures, as a network takes it: 0 to 1, row by row.
///
/// # Errors
/// When there are no pictures, or one is smaller than the square.
pub fn patch(frames: &[Frame], side: usize, rng: &mut impl Rng) -> Result<Vec<f64>, FootageError> {
    if frames.is_empty() {
        return Err(FootageError::NoPictures);
    }
    let frame = &frames[rng.random_range(0..frames.len())];
    let luma = frame.y();
    if luma.width() < side || luma.height() < side {
        return Err(FootageError::Small(frame.size(), side));
    }
    let (left, top) = (rng.random_range(0..=luma.width() - side), rng.random_range(0..=luma.height() - side));
    let rows = (top..top + side).flat_map(|y| &luma.row(y)[left..left + side]);
    Ok(rows.map(|v| f64::from(*v) / 255.0).collect())
}

/// The quantiser whose weights the last of some pictures is shown with.
pub fn weights_qp(frames: &[Frame]) -> Option<f32> {
    frames.last().and_then(|frame| frame.weights_qp)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn the_scene_is_decoded_and_cut_into_patches() {
        let frames = decoded(Path::new("scene"), 7).unwrap();
        assert_eq!(frames.iter().map(|f| f.size().to_string()).collect::<Vec<_>>(), ["480x360"; 2]);
        assert!(weights_qp(&frames).is_some_and(|qp| (10.0..50.0).contains(&qp)));
        let cut = |seed| patch(&frames, 9, &mut ChaCha8Rng::seed_from_u64(seed)).unwrap();
        let a = cut(1);
        assert!(a.len() == 81 && a.iter().all(|v| (0.0..=1.0).contains(v)));
        assert!(cut(1) == a && cut(2) != a, "where it lies follows from the seed");
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        assert!(matches!(patch(&frames, 400, &mut rng), Err(FootageError::Small(_, 400))));
        assert!(matches!(patch(&[], 4, &mut rng), Err(FootageError::NoPictures)));
        assert!(matches!(decoded(Path::new("no such clip.mp4"), 3), Err(FootageError::Clip(_))));
    }
}
