//! What a call does to a picture: shrunk, encoded and decoded, as training pairs keep it.

use std::ops::Range;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use super::pairs::{Pair, Seen};
use crate::{
    codec::{Decoder, Encoder, EncoderConfig, H264Profile, MIN_BITRATE},
    frame::{Frame, Size},
    model::NEUTRAL_QP,
    scale::{Kernel, Scaler},
};

pub(super) type AnyError = Box<dyn std::error::Error + Send + Sync>;

/// Frames a second of a training clip.
pub(super) const FPS: f32 = 30.0;
/// The window that most pictures are filmed through; half of it is sent.
pub(super) const WINDOW: [u32; 2] = [960, 720];
/// Bit/s for half a [`WINDOW`]; smaller ones get less. Log-uniform: from a poor connection to one that loses
/// little, since what reaches a small window in a call is the upper end.
const BITRATES: Range<f32> = 80e3..1500e3;
/// How many frames after the keyframe the first one is kept: a call shows the keyframe itself, the coarse
/// pictures while the rate control finds its quantiser, and the ones that have settled, whose still parts were
/// touched up many times.
const SETTLING: [usize; 8] = [0, 1, 3, 6, 12, 20, 32, 50];
/// Of those after it, one in so many is kept.
const SPACING: usize = 3;
/// How other senders scale, and how many of the clips are theirs; the rest are scaled as this program does. With
/// two fifths, a small network lost 0.02 dB on this program's own pictures.
const OTHER_KERNELS: [Kernel; 5] =
    [Kernel::Box, Kernel::Bilinear, Kernel::CatmullRom, Kernel::Mitchell, Kernel::Lanczos3];
const OTHERS: f64 = 0.16;

/// How a clip is sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Manner {
    /// How the sender scales.
    kernel: Kernel,
    /// The first frame that is kept.
    settling: usize,
    /// Bit/s at half a full window.
    bitrate: f32,
}

impl Manner {
    /// One of those that a clip of `frames` has room for.
    pub(super) fn draw(rng: &mut ChaCha8Rng, frames: usize) -> Self {
        let kernel = match rng.random_bool(OTHERS) {
            true => OTHER_KERNELS[rng.random_range(0..OTHER_KERNELS.len())],
            false => Kernel::SENDER,
        };
        let fitting = SETTLING.into_iter().take_while(|settling| *settling < frames.max(1)).count();
        Self { kernel, settling: SETTLING[rng.random_range(0..fitting)], bitrate: log_uniform(rng, BITRATES) }
    }

    /// How many frames it takes until `kept` of them are kept.
    pub(super) const fn frames(self, kept: usize) -> usize {
        self.settling + Self::span(kept)
    }

    /// Of these, those from the first that is kept.
    pub(super) const fn span(kept: usize) -> usize {
        1 + SPACING * kept.saturating_sub(1)
    }
}

/// An encoder for a size; `bitrate` is meant for half a [`WINDOW`].
pub(super) fn encoder(size: Size, sent: Size, bitrate: f32) -> Result<Encoder, AnyError> {
    let share = sent.pixels() as f32 / (WINDOW[0] * WINDOW[1] / 4) as f32;
    Ok(Encoder::new(EncoderConfig {
        size,
        fps: FPS,
        bitrate: (bitrate * share).max(MIN_BITRATE as f32) as u32,
        keyframe_interval: None,
        skip_frames: true,
        profile: H264Profile::default(),
    })?)
}

/// A clip on its way.
pub(super) struct Transmission {
    scaler: Scaler,
    encoder: Encoder,
    decoder: Decoder,
    interest: f32,
    /// The next frame that is kept, and how many there may be.
    due: usize,
    kept: usize,
    keyframe: usize,
    pairs: Vec<Pair>,
}

impl Transmission {
    /// Of pictures of a size, of which half the sides are sent; `interest` is [`Seen::interest`].
    pub(super) fn new(window: Size, manner: Manner, kept: usize, interest: f32) -> Result<Self, AnyError> {
        let sent = Size::new(window.width() / 2, window.height() / 2)?;
        Ok(Self {
            scaler: Scaler::new(sent, manner.kernel),
            encoder: encoder(sent, sent, manner.bitrate)?,
            decoder: Decoder::new()?,
            interest,
            due: manner.settling,
            kept,
            keyframe: 0,
            pairs: Vec::with_capacity(kept),
        })
    }

    /// Sends frame number `t` of the clip. A frame that the encoder skips is not kept.
    pub(super) fn push(&mut self, t: usize, frame: &Frame) -> Result<(), AnyError> {
        let small = self.scaler.scale(frame)?;
        let Some(unit) = self.encoder.encode(&small)? else { return Ok(()) };
        let Some(decoded) = self.decoder.decode(&unit.data, frame.stamp)? else { return Ok(()) };
        if unit.keyframe {
            self.keyframe = t;
        }
        if t >= self.due && self.pairs.len() < self.kept {
            self.due = t + SPACING;
            let qp = decoded.frame.qp.unwrap_or(NEUTRAL_QP);
            let seen = Seen { qp, age: (t - self.keyframe) as u16, interest: self.interest };
            self.pairs.push(Pair::new(decoded.frame.y(), frame.y(), seen)?);
        }
        Ok(())
    }

    /// What was kept.
    pub(super) fn pairs(self) -> Vec<Pair> {
        self.pairs
    }
}

pub(super) fn log_uniform(rng: &mut ChaCha8Rng, range: Range<f32>) -> f32 {
    (range.start.ln() + rng.random_range(0.0..1.0) * (range.end / range.start).ln()).exp()
}
