//! Pictures to access units.

mod frame_rate;
mod raw;

use std::borrow::Cow;
use std::time::Instant;

use clap::ValueEnum;
use frame_rate::FrameRateEstimator;
use raw::{Coded, Planes, RawEncoder};

use super::nal::{NalKind, nal_units, push_nal, with_centred_chroma, with_source_size};
use super::{AccessUnit, MAX_UNIT_BYTES};
use crate::frame::{Colour, Frame, Plane, Size};

/// The least that a video may be encoded into, in bit/s, and so the least that can be asked for.
pub const MIN_BITRATE: u32 = 20_000;
/// The most that a video may be encoded into, in bit/s, and so the most that can be asked for.
pub const MAX_BITRATE: u32 = 50_000_000;

/// What of H.264 a stream may use (annex A.2): the encoder never writes more than its profile has. What the values say
/// is the command line's help, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum H264Profile {
    /// Constrained baseline: what every decoder takes
    #[serde(rename = "baseline")]
    #[value(name = "baseline")]
    ConstrainedBaseline,
    /// CABAC instead of CAVLC: the same picture in fewer bits
    Main,
    /// The same, and what else decoders of this profile take; without fields and B pictures
    #[default]
    High,
}

impl H264Profile {
    /// Whether its streams are coded by CABAC.
    pub const fn has_cabac(self) -> bool {
        !matches!(self, Self::ConstrainedBaseline)
    }
}

/// What to encode and into how many bits.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderConfig {
    /// The size that is expected; a frame of another size starts a new sequence.
    pub size: Size,
    /// Frames per second, 1 to 60, that are expected. Rate control begins with it and then goes by the
    /// frames' own times.
    pub fps: f32,
    /// Bits per second, [`MIN_BITRATE`] to [`MAX_BITRATE`].
    pub bitrate: u32,
    /// Frames from one keyframe to the next; [`None`]: only the first and on request.
    pub keyframe_interval: Option<u32>,
    /// Whether frames may be skipped to hold the bitrate, as a call needs it. Without it every frame comes out,
    /// so that files can be compared frame by frame, and the first ones may cost more than their share.
    pub skip_frames: bool,
    /// What the decoder takes.
    pub profile: H264Profile,
}

/// A picture that could not be encoded, or a setting that cannot be.
#[derive(Debug, thiserror::Error)]
pub enum EncodeError {
    /// Out of what the encoder takes.
    #[error("{0}")]
    Setting(String),
    /// Out of what the encoder takes.
    #[error("a picture of {0} cannot be encoded: the encoder takes 16x16 to 3840x2160 (or upright)")]
    Size(Size),
    /// The encoder said no.
    #[error("the H.264 encoder failed on frame {frame} ({size}): {why}")]
    Failed {
        /// The frame's number.
        frame: u64,
        /// Its size.
        size: Size,
        /// In the encoder's words.
        why: String,
    },
}

/// An H.264 encoder: no frame waits for another.
///
/// It holds its bitrate by coarser pictures and, where that is not enough, by skipping frames. Rate
/// control goes by the frames' own times of capture.
pub struct Encoder {
    config: EncoderConfig,
    longest_nal_unit: Option<u32>,
    sequence: Option<Sequence>,
    keyframe_wanted: bool,
}

/// An encoder at work on one coded video sequence, whose parameters come from its first frame.
struct Sequence {
    encoder: RawEncoder,
    size: Size,
    colour: Colour,
    first: Instant,
    /// Milliseconds since `first`; they only go up.
    time: u64,
    /// Bits per second, as the encoder was told last.
    bitrate: u32,
    frame_rate: FrameRateEstimator,
}

impl std::fmt::Debug for Encoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encoder").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Encoder {
    /// Checks the settings. The first unit that comes out is a keyframe.
    ///
    /// # Errors
    /// When the bitrate, the frame rate, the keyframe interval or the size is beyond what is encoded.
    pub fn new(config: EncoderConfig) -> Result<Self, EncodeError> {
        check_bitrate(config.bitrate)?;
        if !(1.0..=60.0).contains(&config.fps) {
            return Err(EncodeError::Setting(format!(
                "{} frames per second cannot be encoded: give a rate from 1 to 60",
                config.fps
            )));
        }
        if config.keyframe_interval == Some(0) {
            return Err(EncodeError::Setting("a keyframe every 0 frames cannot be: give at least 1".to_owned()));
        }
        check_size(config.size)?;
        Ok(Self { config, longest_nal_unit: None, sequence: None, keyframe_wanted: false })
    }

    /// Cuts pictures into slices, so that no NAL unit has more bytes, header included: for a far side that takes each
    /// in one packet. Not below 500, which a slice of a few macroblocks may need.
    #[must_use]
    pub fn with_longest_nal_unit(mut self, bytes: Option<u32>) -> Self {
        self.longest_nal_unit = bytes.map(|bytes| bytes.max(500));
        self
    }

    /// Encodes one frame; [`None`]: it was skipped to hold the bitrate, and nothing must be sent for it.
    ///
    /// Chroma is taken to lie in the middle, see [`Frame::centred`], and the stream says so; keyframes say which size
    /// the source has, where the frame does. A frame of another size or colour than the one before starts anew with a
    /// keyframe. H.264 in 4:2:0 knows even sides only: an odd picture grows by one column or row, a copy of its last.
    ///
    /// # Errors
    /// When the picture's size cannot be encoded, or OpenH264 fails.
    pub fn encode(&mut self, frame: &Frame) -> Result<Option<AccessUnit>, EncodeError> {
        let picture = Picture::new(frame);
        let size = picture.size(frame)?;
        check_size(size)?;
        let mut sequence = match self.sequence.take() {
            Some(r) if r.size == size && r.colour == frame.colour => r,
            _ => Sequence::start(&self.config, self.longest_nal_unit, size, frame)?,
        };
        let unit = sequence
            .tell_bitrate(self.config.bitrate)
            .and_then(|()| sequence.encode(frame, &picture, self.keyframe_wanted));
        self.sequence = Some(sequence);
        let unit = unit.map_err(|why| EncodeError::Failed { frame: frame.stamp.id, size, why })?;
        if unit.as_ref().is_some_and(|u| u.keyframe) {
            self.keyframe_wanted = false;
        }
        Ok(unit)
    }

    /// The next unit that comes out is a keyframe.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Changes the bitrate, from the next frame on and without a keyframe.
    ///
    /// # Errors
    /// When the bitrate is beyond what is encoded; the old one stays.
    pub fn set_bitrate(&mut self, bitrate: u32) -> Result<(), EncodeError> {
        check_bitrate(bitrate)?;
        self.config.bitrate = bitrate;
        Ok(())
    }

    /// The settings, with the bitrate that is in force.
    pub const fn config(&self) -> &EncoderConfig {
        &self.config
    }
}

fn check_bitrate(bitrate: u32) -> Result<(), EncodeError> {
    if (MIN_BITRATE..=MAX_BITRATE).contains(&bitrate) {
        return Ok(());
    }
    Err(EncodeError::Setting(format!(
        "{bitrate} bit/s cannot be encoded: give a bitrate from {MIN_BITRATE} to {MAX_BITRATE}"
    )))
}

fn check_size(size: Size) -> Result<(), EncodeError> {
    let (long, short) = (size.width().max(size.height()), size.width().min(size.height()));
    // A side of 15 grows to 16.
    if long <= 3840 && (15..=2160).contains(&short) { Ok(()) } else { Err(EncodeError::Size(size)) }
}

impl Sequence {
    fn start(
        config: &EncoderConfig,
        longest_nal_unit: Option<u32>,
        size: Size,
        frame: &Frame,
    ) -> Result<Self, EncodeError> {
        let encoder = RawEncoder::new(config, longest_nal_unit, size, frame.colour)
            .map_err(|why| EncodeError::Failed { frame: frame.stamp.id, size, why })?;
        Ok(Self {
            encoder,
            size,
            colour: frame.colour,
            first: frame.stamp.captured,
            time: 0,
            bitrate: config.bitrate,
            frame_rate: FrameRateEstimator::new(config.fps),
        })
    }

    fn encode(&mut self, frame: &Frame, picture: &Picture<'_>, keyframe: bool) -> Result<Option<AccessUnit>, String> {
        let elapsed = frame.stamp.captured.saturating_duration_since(self.first).as_millis();
        self.time = u64::try_from(elapsed).unwrap_or(u64::MAX).clamp(self.time + 1, i64::MAX as u64);
        if let Some(fps) = self.frame_rate.frame(self.time) {
            self.encoder.set_frame_rate(fps)?;
        }
        // A skipped frame would swallow the wish, so it is repeated until an IDR picture has come out.
        let coded = self.encoder.encode(picture.planes(self.size), self.time.cast_signed(), keyframe)?;
        let Coded::Unit { mut data, idr: keyframe } = coded else { return Ok(None) };
        if data.is_empty() {
            return Ok(None);
        }
        if keyframe {
            data = with_siting(&data);
            if let Some(size) = frame.source_size {
                data = with_source_size(&data, size);
            }
        }
        if data.len() > MAX_UNIT_BYTES {
            return Err(format!("{} bytes for one picture", data.len()));
        }
        Ok(Some(AccessUnit { data, keyframe, stamp: frame.stamp }))
    }

    fn tell_bitrate(&mut self, bitrate: u32) -> Result<(), String> {
        if bitrate != self.bitrate {
            self.encoder.set_bitrate(self.bitrate, bitrate)?;
            self.bitrate = bitrate;
        }
        Ok(())
    }
}

/// A keyframe whose parameter set says where chroma lies: in the middle, and not at the left, as H.264 has it else.
fn with_siting(unit: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(unit.len() + 8);
    for nal in nal_units(unit) {
        let told = (NalKind::of(nal) == Some(NalKind::Sps)).then(|| with_centred_chroma(nal)).flatten();
        push_nal(&mut out, told.as_deref().unwrap_or(nal));
    }
    out
}

/// The planes in the shape in which the encoder takes them.
struct Picture<'a> {
    y: Cow<'a, Plane>,
    u: &'a Plane,
    v: Cow<'a, Plane>,
}

impl<'a> Picture<'a> {
    fn new(frame: &'a Frame) -> Self {
        let [y, u, v] = frame.planes();
        let y = if y.width() % 2 + y.height() % 2 == 0 { Cow::Borrowed(y) } else { Cow::Owned(grown_to_even(y)) };
        // The encoder takes one stride for both chroma planes.
        let v = if v.stride() == u.stride() { Cow::Borrowed(v) } else { Cow::Owned(with_stride(v, u.stride())) };
        Self { y, u, v }
    }

    fn size(&self, frame: &Frame) -> Result<Size, EncodeError> {
        Size::try_from_wide(self.y.width(), self.y.height()).map_err(|_| EncodeError::Size(frame.size()))
    }

    fn planes(&self, size: Size) -> Planes<'_> {
        let planes = [&*self.y, self.u, &*self.v];
        Planes { size, data: planes.map(Plane::data), strides: planes.map(Plane::stride) }
    }
}

fn grown_to_even(plane: &Plane) -> Plane {
    let (w, h) = (plane.width(), plane.height());
    let mut grown = Plane::filled(w.next_multiple_of(2), h.next_multiple_of(2), 0);
    for y in 0..grown.height() {
        let from = plane.row(y.min(h - 1));
        let to = grown.row_mut(y);
        to[..w].copy_from_slice(from);
        to[w..].fill(from[w - 1]);
    }
    grown
}

fn with_stride(plane: &Plane, stride: usize) -> Plane {
    let mut data = vec![0; stride * plane.height()];
    for (to, from) in data.chunks_mut(stride).zip(plane.rows()) {
        to[..from.len()].copy_from_slice(from);
    }
    // The sizes fit by construction; the plane itself is right in any case.
    Plane::from_vec(data, plane.width(), plane.height(), stride).unwrap_or_else(|_| plane.clone())
}

#[cfg(test)]
mod tests;
