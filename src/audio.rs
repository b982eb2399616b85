//! Sound: from a microphone or a file to Opus, and from Opus to a speaker or a file.
//!
//! ```text
//! microphone, file, tones ─▶ Processor ─▶ OpusEncoder ─▶ the call
//!                               ▲ what is played
//! speaker, WAV ◀────────────────┴──── JitterBuffer (Opus decoder, concealment, time stretching) ◀─ the call
//! ```
//!
//! In here all sound is mono, 48,000 samples a second, `f32` from -1 to 1, and goes in [`Block`]s of 10 ms. Devices and
//! files of another rate or with more channels are brought there at their edge. Nothing here knows a call or a window.

pub mod device;
pub mod jitter_buffer;
pub mod level;
pub mod opus;
pub mod processor;
pub mod resampler;
pub mod sound_file;
pub mod tones;
pub mod wav;

mod time_stretch;

/// Samples in a second.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples of a [`Block`]: 10 ms.
pub const BLOCK: usize = 480;
/// Samples of a packet that is sent: 20 ms.
pub const FRAME: usize = 2 * BLOCK;

/// Ten milliseconds of sound.
pub type Block = [f32; BLOCK];
