//! Opus (RFC 6716), by libopus, as WebRTC uses it (RFC 7587).

use opus::{Application, Bitrate, Channels, Signal, packet};
use thiserror::Error;

use super::{FRAME, SAMPLE_RATE};

/// Samples of the longest packet, 120 ms (RFC 6716 §3.1).
pub const MAX_PACKET_SAMPLES: usize = 5760;
/// Samples of the shortest frame, 2.5 ms. What is made up for a loss is a multiple of it (opus.h, `opus_decode`).
pub const MIN_FRAME_SAMPLES: usize = 120;
/// No packet from an encoder is longer: 1275 bytes are the most that one frame may have (RFC 6716 §3.4).
const MAX_ENCODED: usize = 1275;
/// A payload that is no longer says that the sender has fallen silent (opus.h, `opus_encode`).
const DTX_BYTES: usize = 2;
/// Fewer bits make speech dull, more are not heard.
const BITRATES: std::ops::RangeInclusive<u32> = 6_000..=128_000;
/// FEC is made only where loss is expected, so some always is: the first lost packet comes before any report of it.
const MIN_EXPECTED_LOSS: f64 = 0.05;
/// What libopus computes for: WebRTC's choice for computers is 9 of 10.
const COMPLEXITY: i32 = 9;

/// What goes wrong with Opus.
#[derive(Debug, Error)]
pub enum OpusError {
    /// libopus refuses to begin.
    #[error("Opus cannot start ({what}): {source}; calls go on without sound")]
    Start {
        /// Encoder or decoder.
        what: &'static str,
        /// What libopus says.
        source: opus::Error,
    },
    /// A setting was refused.
    #[error("the Opus encoder refuses {what}: {source}")]
    Setting {
        /// Which.
        what: &'static str,
        /// What libopus says.
        source: opus::Error,
    },
    /// A frame could not be encoded.
    #[error("a frame of sound cannot be encoded: {0}; it is left out")]
    Encode(opus::Error),
    /// Bytes that are no Opus packet.
    #[error("a packet of {bytes} bytes is not Opus: {source}; it is left out")]
    Packet {
        /// Its length.
        bytes: usize,
        /// What libopus says.
        source: opus::Error,
    },
    /// Sound of a length that Opus does not have.
    #[error("Opus makes up 120 to 5760 samples in steps of 120, not {0}")]
    Length(usize),
}

/// Sound to packets of 20 ms: mono, for speech, with FEC and DTX.
#[derive(Debug)]
pub struct Encoder {
    opus: opus::Encoder,
    /// The packet before said that there is silence.
    silent: bool,
}

impl Encoder {
    /// An encoder that makes about `bits_per_second`, and less in pauses. 24,000 to 32,000 are good for speech.
    ///
    /// # Errors
    ///
    /// libopus cannot start.
    pub fn new(bits_per_second: u32) -> Result<Self, OpusError> {
        let start = |source| OpusError::Start { what: "encoder", source };
        let mut opus = opus::Encoder::new(SAMPLE_RATE, Channels::Mono, Application::Voip).map_err(start)?;
        opus.set_signal(Signal::Voice).map_err(start)?;
        opus.set_complexity(COMPLEXITY).map_err(start)?;
        opus.set_inband_fec(true).map_err(start)?;
        opus.set_dtx(true).map_err(start)?;
        let mut encoder = Self { opus, silent: false };
        encoder.set_bitrate(bits_per_second)?;
        encoder.set_expected_loss(0.0)?;
        Ok(encoder)
    }

    /// From the next frame on; between 6 and 128 kbit/s. RTP, SRTP, UDP and IP headers are not in it.
    ///
    /// # Errors
    ///
    /// libopus refuses.
    pub fn set_bitrate(&mut self, bits_per_second: u32) -> Result<(), OpusError> {
        let bits = bits_per_second.clamp(*BITRATES.start(), *BITRATES.end()) as i32;
        self.opus.set_bitrate(Bitrate::Bits(bits)).map_err(|source| OpusError::Setting { what: "the bitrate", source })
    }

    /// The share of packets, 0 to 1, that gets lost: the more, the more bits go into FEC. At least 5 % are taken.
    ///
    /// # Errors
    ///
    /// libopus refuses.
    pub fn set_expected_loss(&mut self, share: f64) -> Result<(), OpusError> {
        let percent = (share.clamp(MIN_EXPECTED_LOSS, 1.0) * 100.0).round() as i32;
        let percent = if share.is_nan() { 5 } else { percent };
        self.opus
            .set_packet_loss_perc(percent)
            .map_err(|source| OpusError::Setting { what: "the expected loss", source })
    }

    /// The packet of 20 ms of sound. None: nothing has to be sent, since there is silence (DTX): the RTP timestamp goes
    /// on by [`FRAME`] all the same, the sequence number does not. The first packet of a silence is given out, a byte
    /// or two, as WebRTC does: the receiver then knows that nothing is missing.
    ///
    /// # Errors
    ///
    /// libopus cannot encode it.
    pub fn encode(&mut self, frame: &[f32; FRAME]) -> Result<Option<Vec<u8>>, OpusError> {
        let clean = frame.map(|sample| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 });
        let packet = self.opus.encode_vec_float(&clean, MAX_ENCODED).map_err(OpusError::Encode)?;
        let was_silent = std::mem::replace(&mut self.silent, says_silence(&packet));
        Ok((!(self.silent && was_silent)).then_some(packet))
    }
}

/// Packets to sound: those of any duration that Opus has, mono or stereo, come out mono at 48 kHz.
#[derive(Debug)]
pub struct Decoder {
    opus: opus::Decoder,
}

impl Decoder {
    /// A decoder that has heard nothing yet.
    ///
    /// # Errors
    ///
    /// libopus cannot start.
    pub fn new() -> Result<Self, OpusError> {
        let opus = opus::Decoder::new(SAMPLE_RATE, Channels::Mono)
            .map_err(|source| OpusError::Start { what: "decoder", source })?;
        Ok(Self { opus })
    }

    /// Appends the sound of `packet`, at most [`MAX_PACKET_SAMPLES`].
    ///
    /// # Errors
    ///
    /// It is not Opus. Nothing has been appended then.
    pub fn decode(&mut self, packet: &[u8], out: &mut Vec<f32>) -> Result<(), OpusError> {
        let samples = samples(packet)?;
        self.append(packet, samples, false, out)
    }

    /// Appends `missing` samples of sound that went before `next_packet`, out of that packet's FEC where
    /// [`fec_samples`] says that it has so many, made up where not.
    ///
    /// # Errors
    ///
    /// The packet is not Opus, or `missing` is no length that Opus has.
    pub fn decode_fec(&mut self, next_packet: &[u8], missing: usize, out: &mut Vec<f32>) -> Result<(), OpusError> {
        samples(next_packet)?;
        self.append(next_packet, made_up(missing)?, true, out)
    }

    /// Appends `missing` samples that go on where the sound before ended: a fading voice, or the silence's noise.
    ///
    /// # Errors
    ///
    /// `missing` is no length that Opus has.
    pub fn conceal(&mut self, missing: usize, out: &mut Vec<f32>) -> Result<(), OpusError> {
        self.append(&[], made_up(missing)?, false, out)
    }

    /// Forgets what it has heard.
    pub fn reset(&mut self) {
        if let Err(error) = self.opus.reset_state() {
            tracing::debug!(%error, "an Opus decoder could not be reset");
        }
    }

    fn append(&mut self, packet: &[u8], samples: usize, fec: bool, out: &mut Vec<f32>) -> Result<(), OpusError> {
        let before = out.len();
        out.resize(before + samples, 0.0);
        let decoded = self.opus.decode_float(packet, &mut out[before..], fec);
        out.truncate(before + decoded.as_ref().map_or(0, |decoded| *decoded));
        // A damaged packet may decode to anything; the sound stays within bounds.
        for sample in &mut out[before..] {
            *sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        }
        decoded.map(|_| ()).map_err(|source| OpusError::Packet { bytes: packet.len(), source })
    }
}

/// How many samples (48 kHz) a packet has.
///
/// # Errors
///
/// It is not Opus.
pub fn samples(packet: &[u8]) -> Result<usize, OpusError> {
    packet::get_nb_samples(packet, SAMPLE_RATE).map_err(|source| OpusError::Packet { bytes: packet.len(), source })
}

/// Whether a packet only says that its sender has fallen silent (DTX).
#[must_use]
pub const fn says_silence(packet: &[u8]) -> bool {
    packet.len() <= DTX_BYTES
}

/// How many samples in front of `packet` its FEC holds: its first frame's length, or none.
///
/// In SILK's header a bit for each 20 ms says that there is voice, and the next that there is FEC: RFC 6716 §4.2.3 and
/// §4.2.4. (`opus_packet_has_lbrr` of libopus does the same.)
#[must_use]
pub fn fec_samples(packet: &[u8]) -> usize {
    // The configurations from 16 on are CELT's alone, which has no FEC (RFC 6716 §3.1).
    if packet.first().is_none_or(|toc| toc >> 3 >= 16) {
        return 0;
    }
    let (Ok(parsed), Ok(samples), Ok(channels)) =
        (packet::parse(packet), packet::get_samples_per_frame(packet, SAMPLE_RATE), packet::get_nb_channels(packet))
    else {
        return 0;
    };
    let Some(header) = parsed.frames.first().and_then(|frame| frame.first()) else { return 0 };
    let frames = (samples / FRAME).clamp(1, 3);
    let mono = (header >> (7 - frames)) & 1 == 1;
    let side = channels == Channels::Stereo && (header >> (6 - 2 * frames)) & 1 == 1;
    if mono || side { samples } else { 0 }
}

fn made_up(samples: usize) -> Result<usize, OpusError> {
    let known =
        samples.is_multiple_of(MIN_FRAME_SAMPLES) && (MIN_FRAME_SAMPLES..=MAX_PACKET_SAMPLES).contains(&samples);
    known.then_some(samples).ok_or(OpusError::Length(samples))
}

#[cfg(test)]
pub(super) mod tests;
