//! The sound's numbers.

use serde::Serialize;

/// The sound of a call at one moment; counts are from the start. The fields in the report's `audio` block.
#[derive(Debug, Clone, PartialEq, Default, Serialize)]
pub struct AudioStats {
    /// What is sent: a microphone's name, a file, `source`; empty where nothing is.
    pub source: String,
    /// What it is played by; empty where it is played by nothing.
    pub speaker: String,
    /// Silence is sent instead.
    pub muted: bool,
    /// Packets sent.
    pub packets_out: u64,
    /// Bytes of Opus in them.
    pub payload_bytes_out: u64,
    /// Packets that could not be sent.
    pub unsent: u64,
    /// Packets received.
    pub packets_in: u64,
    /// Packets that never came.
    pub lost: u64,
    /// The share of all that were to come, 0 to 1.
    pub loss_in: f64,
    /// The share of ours that the far side misses, 0 to 1, as it says.
    pub loss_out: Option<f64>,
    /// The share of what was played that was made up without any data, 0 to 1.
    pub concealed: f64,
    /// The share that came out of the next packet's redundancy (FEC), 0 to 1.
    pub recovered: f64,
    /// Interarrival jitter (RFC 3550 §6.4.1) in milliseconds.
    pub jitter_ms: Option<f64>,
    /// From a packet's earliest arrival to the speaker, in milliseconds.
    pub delay_ms: Option<f64>,
    /// By how many millionths the sender's clock is faster than ours, once half a minute is known.
    pub drift_ppm: Option<f64>,
    /// How many milliseconds the sound is later than its picture; negative where it is earlier. None until the far side
    /// has said how its clocks run.
    pub lip_sync_ms: Option<f64>,
    /// How loud what is sent is, in dBFS (-90: silence).
    pub level_out_dbfs: f64,
    /// How loud what is heard is, likewise.
    pub level_in_dbfs: f64,
    /// By how many decibels the echo canceller makes the echo quieter, as far as it can tell.
    pub echo_return_loss_enhancement_db: Option<f64>,
    /// Samples (48 kHz) of silence that the speaker played because nothing was there for it.
    pub missed_samples: u64,
    /// Blocks of 10 ms that the disk was too slow for.
    pub dropped_blocks: u64,
}
