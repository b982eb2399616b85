//! Sound out of files: WAV, Ogg (Vorbis, Opus), and the sound track of MP4, MOV, Matroska and WebM (AAC, Opus, Vorbis,
//! PCM). Read piece by piece, however long the file is.
//!
//! `symphonia` takes the files apart and decodes all but Opus, which libopus does.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use symphonia::core::{
    codecs::{
        CodecParameters,
        audio::{
            AudioCodecParameters, AudioDecoder, AudioDecoderOptions,
            well_known::{CODEC_ID_AAC, CODEC_ID_OPUS},
        },
    },
    errors::Error,
    formats::{FormatOptions, FormatReader, Track, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
    packet::Packet,
    units::TimeBase,
};
use thiserror::Error;

use super::{
    BLOCK, Block, SAMPLE_RATE,
    opus::{Decoder, OpusError},
    resampler::{RateError, Resampler},
};

/// A file with so many damaged packets in a row is at its end.
const MAX_DAMAGED: usize = 100;
/// More channels than any file has that means it.
const MAX_CHANNELS: usize = 64;
/// An AAC decoder's first frame is only the overlap of the second. How much exactly an encoder has put in front stands
/// in MP4's edit list, which symphonia 0.6 does not give out; ffmpeg's is one frame, Apple's two.
const AAC_PRIMING: usize = 1024;
/// Opus: where a decoder's mono and stereo end, and where the samples to be skipped stand (RFC 7845 §5.1).
const OPUS_MAX_CHANNELS: u8 = 2;
/// Silence that is pushed behind the end, so that the resampler gives out what it holds: more than its filter is long.
const FLUSH: usize = 4096;

/// A file has no sound that can be played.
#[derive(Debug, Error)]
pub enum SoundFileError {
    /// It cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is none of the formats.
    #[error("{}: is no WAV, Ogg, MP4, MOV, Matroska or WebM file, or is damaged: {source}; convert it to WAV", path.display())]
    Format {
        /// Which.
        path: PathBuf,
        /// What the demuxer says.
        source: Error,
    },
    /// It has no sound track.
    #[error("{}: has no sound; choose another file", path.display())]
    NoSound {
        /// Which.
        path: PathBuf,
    },
    /// It has sound, of a kind that cannot be decoded.
    #[error("{}: its sound cannot be decoded ({what}): AAC-LC, Opus, Vorbis and PCM can; convert it to WAV", path.display())]
    Codec {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// libopus does not start.
    #[error("{}: {source}", path.display())]
    Opus {
        /// Which.
        path: PathBuf,
        /// Why.
        source: OpusError,
    },
    /// Its rate is none of sound.
    #[error("{}: {source}; convert it to WAV at 48 kHz", path.display())]
    Rate {
        /// Which.
        path: PathBuf,
        /// Why.
        source: RateError,
    },
}

/// A file's sound: mono at 48 kHz.
pub struct SoundFile {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    track: u32,
    codec: Codec,
    duration: Option<Duration>,
    /// Samples of the file, at its rate, that are left out at the start still.
    skip: usize,
    conversion: Option<Conversion>,
    /// Decoded and converted, not yet read.
    ready: Vec<f32>,
    ended: bool,
    interleaved: Vec<f32>,
    mono: Vec<f32>,
}

enum Codec {
    Opus(Decoder),
    Other(Box<dyn AudioDecoder>),
}

/// From the file's rate to 48 kHz, without the resampler's delay.
struct Conversion {
    rate: u32,
    resampler: Resampler,
    /// Samples of the output that are the filter's running up.
    skip: usize,
    taken: u64,
    given: u64,
}

impl std::fmt::Debug for SoundFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SoundFile").field("path", &self.path).field("duration", &self.duration).finish_non_exhaustive()
    }
}

impl SoundFile {
    /// Opens a file and decodes its first sound.
    ///
    /// # Errors
    ///
    /// It cannot be read, is none of the formats, or has no sound that can be decoded.
    pub fn open(path: &Path) -> Result<Self, SoundFileError> {
        let file = File::open(path).map_err(|source| SoundFileError::Read { path: path.to_owned(), source })?;
        let mut hint = Hint::new();
        if let Some(extension) = path.extension().and_then(|extension| extension.to_str()) {
            hint.with_extension(extension);
        }
        let stream = MediaSourceStream::new(Box::new(file), Default::default());
        let format = symphonia::default::get_probe()
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|source| SoundFileError::Format { path: path.to_owned(), source })?;
        let (track, codec, skip, duration) = choose(path, format.as_ref())?;
        let mut file = Self {
            path: path.to_owned(),
            format,
            track,
            codec,
            duration,
            skip,
            conversion: None,
            ready: Vec::new(),
            ended: false,
            interleaved: Vec::new(),
            mono: Vec::new(),
        };
        while file.ready.is_empty() && !file.ended {
            file.decode()?;
        }
        if file.ready.is_empty() {
            return Err(SoundFileError::NoSound { path: path.to_owned() });
        }
        Ok(file)
    }

    /// The next 10 ms, and how many samples of them are the file's: fewer than [`BLOCK`] only at its end. The rest is
    /// silence.
    pub fn read(&mut self, block: &mut Block) -> usize {
        while self.ready.len() < BLOCK && !self.ended {
            if let Err(error) = self.decode() {
                tracing::warn!(%error, "the sound ends here");
                self.ended = true;
            }
        }
        let count = self.ready.len().min(BLOCK);
        block[..count].copy_from_slice(&self.ready[..count]);
        block[count..].fill(0.0);
        self.ready.drain(..count);
        count
    }

    /// Goes back to the start.
    ///
    /// # Errors
    ///
    /// As [`SoundFile::open`]: the file may have changed.
    pub fn rewind(&mut self) -> Result<(), SoundFileError> {
        // Opening it again is as good with every format; seeking is not exact in all of them.
        *self = Self::open(&self.path)?;
        Ok(())
    }

    /// How long it says it is; Matroska says only how long the whole file is. None: it does not say.
    #[must_use]
    pub const fn duration(&self) -> Option<Duration> {
        self.duration
    }

    /// Decodes some packets' sound into `ready`, or sets `ended`. What is damaged is left out.
    fn decode(&mut self) -> Result<(), SoundFileError> {
        for _ in 0..MAX_DAMAGED {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) | Err(Error::ResetRequired) => return self.end(),
                Err(Error::IoError(error)) => {
                    // A file that is cut off ends so, too.
                    tracing::debug!(%error, path = %self.path.display(), "the sound ends early");
                    return self.end();
                }
                Err(error) => {
                    tracing::debug!(%error, path = %self.path.display(), "a damaged piece of sound is left out");
                    continue;
                }
            };
            if packet.track_id != self.track {
                // Pictures are not damaged: they do not count.
                return Ok(());
            }
            if let Some(rate) = self.decode_packet(&packet) {
                return self.convert(rate);
            }
        }
        self.end()
    }

    /// Decodes into `mono` and says at which rate. None: damaged.
    fn decode_packet(&mut self, packet: &Packet) -> Option<u32> {
        self.mono.clear();
        let rate = match &mut self.codec {
            Codec::Opus(decoder) => {
                decoder.decode(&packet.data, &mut self.mono).ok()?;
                let over = usize::try_from(packet.trim_end.get()).unwrap_or(usize::MAX);
                self.mono.truncate(self.mono.len().saturating_sub(over));
                SAMPLE_RATE
            }
            Codec::Other(decoder) => {
                let decoded = decoder.decode(packet).ok()?;
                let (rate, channels) = (decoded.spec().rate(), decoded.num_planes());
                if channels == 0 || channels > MAX_CHANNELS {
                    return None;
                }
                decoded.copy_to_vec_interleaved(&mut self.interleaved);
                let frames = self.interleaved.chunks_exact(channels);
                self.mono.extend(frames.map(|frame| frame.iter().sum::<f32>() / channels as f32));
                rate
            }
        };
        for sample in &mut self.mono {
            *sample = if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 };
        }
        let skip = self.skip.min(self.mono.len());
        self.mono.drain(..skip);
        self.skip -= skip;
        Some(rate)
    }

    fn convert(&mut self, rate: u32) -> Result<(), SoundFileError> {
        if self.conversion.as_ref().is_none_or(|conversion| conversion.rate != rate) {
            self.conversion =
                Some(Conversion::new(rate).map_err(|source| SoundFileError::Rate { path: self.path.clone(), source })?);
        }
        if let Some(conversion) = &mut self.conversion {
            conversion.push(&self.mono, &mut self.ready);
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), SoundFileError> {
        if let Some(conversion) = &mut self.conversion {
            conversion.end(&mut self.ready);
        }
        self.ended = true;
        Ok(())
    }
}

impl Conversion {
    fn new(rate: u32) -> Result<Self, RateError> {
        let resampler = Resampler::new(rate, SAMPLE_RATE)?;
        Ok(Self { rate, skip: resampler.delay(), resampler, taken: 0, given: 0 })
    }

    fn push(&mut self, sound: &[f32], out: &mut Vec<f32>) {
        self.taken += sound.len() as u64;
        let before = out.len();
        self.resampler.push(sound, out);
        let skip = self.skip.min(out.len() - before);
        out.drain(before..before + skip);
        self.skip -= skip;
        self.given += (out.len() - before) as u64;
    }

    /// Gives out what the resampler holds, so that the sound is as long as it was.
    fn end(&mut self, out: &mut Vec<f32>) {
        let whole = self.taken * u64::from(SAMPLE_RATE) / u64::from(self.rate);
        let missing = usize::try_from(whole.saturating_sub(self.given)).unwrap_or(0);
        let before = out.len();
        self.push(&[0.0; FLUSH], out);
        out.truncate(before + missing);
    }
}

/// The first sound track that can be decoded, the default one before others; with the samples to be skipped at its
/// start, and how long it says it is.
fn choose(path: &Path, format: &dyn FormatReader) -> Result<(u32, Codec, usize, Option<Duration>), SoundFileError> {
    let default = format.default_track(TrackType::Audio).map(|track| track.id);
    let mut tracks: Vec<&Track> = format.tracks().iter().collect();
    tracks.sort_by_key(|track| Some(track.id) != default);
    let mut wrong = None;
    for track in tracks {
        let Some(CodecParameters::Audio(parameters)) = &track.codec_params else { continue };
        match codec(path, parameters) {
            Ok((codec, skip)) => return Ok((track.id, codec, skip, duration(format, track))),
            Err(error) => wrong = wrong.or(Some(error)),
        }
    }
    Err(wrong.unwrap_or_else(|| SoundFileError::NoSound { path: path.to_owned() }))
}

fn codec(path: &Path, parameters: &AudioCodecParameters) -> Result<(Codec, usize), SoundFileError> {
    let wrong = |what: String| SoundFileError::Codec { path: path.to_owned(), what };
    if parameters.codec == CODEC_ID_OPUS {
        let header = parameters.extra_data.as_deref().unwrap_or_default();
        let pre_skip = opus_pre_skip(header).map_err(wrong)?;
        let decoder = Decoder::new().map_err(|source| SoundFileError::Opus { path: path.to_owned(), source })?;
        return Ok((Codec::Opus(decoder), pre_skip));
    }
    let decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(|error| wrong(format!("codec {}: {error}", parameters.codec)))?;
    let skip = if parameters.codec == CODEC_ID_AAC { AAC_PRIMING } else { 0 };
    Ok((Codec::Other(decoder), skip))
}

/// The samples to be skipped, out of an `OpusHead` (RFC 7845 §5.1), or MP4's `dOps` behind the same magic, which
/// differs in its version, 0, and in the order of its bytes.
fn opus_pre_skip(header: &[u8]) -> Result<usize, String> {
    let [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', version, channels, low, high, ..] = header else {
        return Err("Opus without a header".into());
    };
    if *channels > OPUS_MAX_CHANNELS {
        return Err(format!("Opus with {channels} channels"));
    }
    let pre_skip = if *version == 0 { u16::from_be_bytes([*low, *high]) } else { u16::from_le_bytes([*low, *high]) };
    Ok(pre_skip.into())
}

fn duration(format: &dyn FormatReader, track: &Track) -> Option<Duration> {
    // Matroska says it of the whole file.
    let whole = format.media_info();
    let of = |base: Option<TimeBase>, duration: Option<symphonia::core::units::Duration>| {
        let seconds = base?.calc_duration(duration?)?.as_secs_f64();
        // A file that was written as it was made does not know.
        Duration::try_from_secs_f64(seconds).ok().filter(|duration| !duration.is_zero())
    };
    of(track.time_base, track.duration).or_else(|| of(whole.time_base, whole.duration))
}

#[cfg(test)]
mod tests;
