//! Echo cancellation, noise suppression and gain control: WebRTC's AEC3, NS and AGC2, in the Rust port `sonora`.

use super::{Block, SAMPLE_RATE};
use sonora::config::{AdaptiveDigital, EchoCanceller, GainController2, MaxProcessingRate, NoiseSuppression, Pipeline};
use sonora::{AudioProcessing, Config, StreamConfig};

/// What is done to a microphone's sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProcessorSettings {
    /// What the speaker plays is taken out again.
    pub echo: bool,
    /// Steady noise is made quieter, by some 12 dB.
    pub noise: bool,
    /// Speech is brought to a level that is comfortable to hear.
    pub gain: bool,
}

impl Default for ProcessorSettings {
    /// All of it.
    fn default() -> Self {
        Self { echo: true, noise: true, gain: true }
    }
}

impl ProcessorSettings {
    /// The sound as the microphone has it.
    pub const NOTHING: Self = Self { echo: false, noise: false, gain: false };

    fn config(self) -> Config {
        Config {
            // Up to 24 kHz, as Opus carries it; by default all above 16 kHz is lost.
            pipeline: Pipeline {
                maximum_internal_processing_rate: MaxProcessingRate::Rate48kHz,
                ..Pipeline::default()
            },
            echo_canceller: self.echo.then(EchoCanceller::default),
            noise_suppression: self.noise.then(NoiseSuppression::default),
            gain_controller2: self.gain.then(|| GainController2 {
                adaptive_digital: Some(AdaptiveDigital::default()),
                ..GainController2::default()
            }),
            ..Config::default()
        }
    }
}

/// What the echo canceller has found out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EchoStats {
    /// How much quieter than it was played a sound comes back, in dB.
    pub return_loss_db: f32,
    /// How much quieter still it is after cancellation, in dB, as far as the canceller can tell.
    pub enhancement_db: f32,
    /// How much later than it was played it comes back, in milliseconds.
    pub delay_ms: u32,
}

/// Cleans what a microphone hears. Its sound comes out about 10 ms later than it went in (not with everything off).
pub struct Processor {
    settings: ProcessorSettings,
    processing: AudioProcessing,
}

impl Processor {
    /// A processor that has heard nothing yet.
    pub fn new(settings: ProcessorSettings) -> Self {
        let mono = StreamConfig::new(SAMPLE_RATE, 1);
        let processing =
            AudioProcessing::builder().config(settings.config()).capture_config(mono).render_config(mono).build();
        Self { settings, processing }
    }

    /// What is done now.
    pub fn settings(&self) -> ProcessorSettings {
        self.settings
    }

    /// Does something else from here on. What was learnt of the echo and the noise is learnt anew, in a second or two.
    pub fn set(&mut self, settings: ProcessorSettings) {
        if settings != self.settings {
            self.settings = settings;
            self.processing.apply_config(settings.config());
        }
    }

    /// Hears what goes to the speaker. Each block is to be told when it is written there, before the capture that may
    /// hear it.
    pub fn played(&mut self, block: &Block) {
        if self.settings.echo {
            let far = in_range(block);
            let mut unchanged = far;
            let done = self.processing.process_render_f32(&[&far], &mut [&mut unchanged]);
            debug_assert!(done.is_ok(), "{done:?}");
        }
    }

    /// Cleans the microphone's next block.
    pub fn capture(&mut self, block: &mut Block) {
        if self.settings != ProcessorSettings::NOTHING {
            let heard = in_range(block);
            let done = self.processing.process_capture_f32(&[&heard], &mut [block]);
            // It refuses other rates and lengths only, of which a block has none; the sound then passes as it is.
            debug_assert!(done.is_ok(), "{done:?}");
        }
    }

    /// What is known of the echo, once something is.
    pub fn stats(&self) -> Option<EchoStats> {
        let stats = self.processing.statistics();
        Some(EchoStats {
            return_loss_db: stats.echo_return_loss? as f32,
            enhancement_db: stats.echo_return_loss_enhancement? as f32,
            delay_ms: u32::try_from(stats.delay_ms?).ok()?,
        })
    }
}

/// Cut at full scale; what is no number is silent. (NS panics in debug builds where its spectra are no numbers, and
/// learns nothing any more in others.)
fn in_range(block: &Block) -> Block {
    block.map(|sample| if sample.is_finite() { sample.clamp(-1.0, 1.0) } else { 0.0 })
}

#[cfg(test)]
mod tests;
