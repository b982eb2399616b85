//! What is wanted of a call's sound.

use std::{convert::Infallible, fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};

#[cfg(feature = "audio")]
use crate::audio::device::Devices;

/// What is sent and played of sound; a part of [`CallSettings`](super::CallSettings).
#[derive(Debug, Clone, Default)]
pub struct AudioSettings {
    /// Sound is negotiated. It is decided when a call begins.
    pub on: bool,
    /// What is sent.
    pub source: SoundSource,
    /// Where what arrives is played.
    pub speaker: SpeakerChoice,
    /// Silence is sent instead of the source.
    pub muted: bool,
    /// What is done to a microphone's sound before it is sent.
    pub processing: AudioProcessing,
    /// What arrives is written into this WAV file; it is decided when a call begins.
    pub out: Option<PathBuf>,
    /// The machine's microphones and speakers.
    #[cfg(feature = "audio")]
    pub devices: Devices,
}

/// Where the sound that is sent comes from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SoundSource {
    /// Nowhere: nothing is sent.
    #[default]
    None,
    /// A microphone by its name, or the system's default.
    Microphone(Option<String>),
    /// That of the pictures' source: a clip's sound track, the scene's tones; a camera has none.
    OfPictures,
    /// A file's, from its beginning to its end and again.
    File(PathBuf),
}

impl FromStr for SoundSource {
    type Err = Infallible;

    /// ```
    /// # use clearcall::pipeline::SoundSource;
    /// let read = |text: &str| text.parse::<SoundSource>().unwrap();
    /// assert_eq!(read("microphone"), SoundSource::Microphone(None));
    /// assert_eq!(read("source"), SoundSource::OfPictures);
    /// assert_eq!(read("none"), SoundSource::None);
    /// assert_eq!(read("a.wav"), SoundSource::File("a.wav".into()));
    /// ```
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "none" => Self::None,
            "microphone" => Self::Microphone(None),
            "source" => Self::OfPictures,
            file => Self::File(file.into()),
        })
    }
}

impl fmt::Display for SoundSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Microphone(None) => f.write_str("microphone"),
            Self::Microphone(Some(name)) => write!(f, "microphone {name}"),
            Self::OfPictures => f.write_str("source"),
            Self::File(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Where sound is played.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SpeakerChoice {
    /// Nowhere.
    #[default]
    None,
    /// The system's default.
    Default,
    /// The one of this name.
    Named(String),
}

impl SpeakerChoice {
    /// The name to open; none where nothing is opened, and the inner none stands for the default.
    #[cfg(feature = "audio")]
    pub(super) fn wanted(&self) -> Option<Option<&str>> {
        match self {
            Self::None => None,
            Self::Default => Some(None),
            Self::Named(name) => Some(Some(name)),
        }
    }
}

/// What is done to a microphone's sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AudioProcessing {
    /// What the speaker plays is taken out of it.
    pub echo_cancellation: bool,
    /// So is steady noise.
    pub noise_suppression: bool,
    /// It is made louder or softer, as speech ought to be.
    pub gain_control: bool,
}

impl Default for AudioProcessing {
    fn default() -> Self {
        Self { echo_cancellation: true, noise_suppression: true, gain_control: true }
    }
}
