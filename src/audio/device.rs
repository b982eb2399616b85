//! Microphones and speakers: the machine's ([`CpalDevices`]), none ([`NullDevices`]), and a test's ([`FakeDevices`]).
//!
//! One audio thread polls them every few milliseconds and never waits: what a device's own thread brings or fetches
//! goes through ring buffers of bounded size. What does not fit is dropped, what is missing is silence, and both are
//! counted.

mod clock;
mod cpal_devices;
mod fake;
mod null;
mod pace;

pub use clock::{Clock, ManualClock};
pub use cpal_devices::CpalDevices;
pub use fake::FakeDevices;
pub use null::NullDevices;

use super::{BLOCK, Block, SAMPLE_RATE};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use thiserror::Error;

/// Samples (48 kHz) that fit between a device and its reader or writer: 250 ms. Nobody who is later than that catches
/// up again.
const ROOM: usize = SAMPLE_RATE as usize / 4;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// What hears.
    Microphone,
    /// What plays.
    Speaker,
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Microphone => "microphone",
            Self::Speaker => "speaker",
        })
    }
}

/// Why there is no sound from or to a device.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DeviceError {
    /// The system has none.
    #[error("there is no {0}: plug one in, or call without sound (--no-audio)")]
    NoDevice(Direction),
    /// There is none of that name.
    #[error("there is no {direction} {name:?}: {}", those(known))]
    Unknown {
        /// Which of the two.
        direction: Direction,
        /// The name that was asked for.
        name: String,
        /// The names that there are.
        known: Vec<String>,
    },
    /// It has been unplugged, or the system's sound server has ended.
    #[error("the {direction} {name:?} has gone: plug it in again, or choose another")]
    Gone {
        /// Which of the two.
        direction: Direction,
        /// Its name.
        name: String,
    },
    /// It must be opened again: its rate has changed, or the system has another default.
    #[error("the {direction} {name:?} has changed: open it again")]
    Changed {
        /// Which of the two.
        direction: Direction,
        /// Its name.
        name: String,
    },
    /// It is there, but cannot be used.
    #[error("cannot use the {direction} {name:?}: {reason}")]
    Refused {
        /// Which of the two.
        direction: Direction,
        /// Its name.
        name: String,
        /// What the system says, and what to do.
        reason: String,
    },
}

fn those(known: &[String]) -> String {
    if known.is_empty() { "there is none at all".to_owned() } else { format!("choose one of {}", known.join(", ")) }
}

/// The machine's microphones and speakers.
pub trait AudioDevices: Send + Sync {
    /// The microphones' names, each once; the default comes first.
    fn microphones(&self) -> Vec<String>;

    /// The speakers' names, each once; the default comes first.
    fn speakers(&self) -> Vec<String>;

    /// Opens the microphone of that name, or the default. This may take a while, though never for ever: an audio thread
    /// lets another thread do it.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none (of that name), or it cannot be opened.
    fn open_microphone(&self, name: Option<&str>) -> Result<Box<dyn Microphone>, DeviceError>;

    /// Opens the speaker of that name, or the default. This may take a while, though never for ever: an audio thread
    /// lets another thread do it.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none (of that name), or it cannot be opened.
    fn open_speaker(&self, name: Option<&str>) -> Result<Box<dyn Speaker>, DeviceError>;
}

/// A handle of [`AudioDevices`] that a call carries: the machine's, unless told otherwise.
#[derive(Clone)]
pub struct Devices(Arc<dyn AudioDevices>);

impl Devices {
    /// These devices.
    pub fn new(devices: impl AudioDevices + 'static) -> Self {
        Self(Arc::new(devices))
    }
}

impl Default for Devices {
    fn default() -> Self {
        Self::new(CpalDevices::new())
    }
}

impl fmt::Debug for Devices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Devices")
    }
}

impl std::ops::Deref for Devices {
    type Target = dyn AudioDevices;

    fn deref(&self) -> &Self::Target {
        self.0.as_ref()
    }
}

/// An open microphone. Dropping it closes it; no call waits.
pub trait Microphone: Send {
    /// Its name, as [`AudioDevices::microphones`] has it.
    fn name(&self) -> &str;

    /// Takes the next 10 ms if they are there, with the moment when their first sample was at the microphone.
    fn read(&mut self) -> Option<(Block, Instant)>;

    /// How many samples (48 kHz) were lost so far because nobody read them in time.
    fn dropped(&self) -> u64;

    /// Why it has ended, once it has: open another. The same is said each time.
    fn failed(&mut self) -> Option<DeviceError>;
}

/// An open speaker. Dropping it closes it; no call waits.
pub trait Speaker: Send {
    /// Its name, as [`AudioDevices::speakers`] has it.
    fn name(&self) -> &str;

    /// How many samples (48 kHz) wait to be played. The writer keeps this at [`Self::wanted`].
    fn queued(&self) -> usize;

    /// How many samples (48 kHz) ought to wait, so that the device finds some whenever it fetches: 20 ms, more where it
    /// takes many at once.
    fn wanted(&self) -> usize {
        2 * BLOCK
    }

    /// Takes 10 ms to be played after what waits; false where there is no room, then nothing is taken.
    fn write(&mut self, block: &Block) -> bool;

    /// How long after a `write` now its first sample will be heard: what waits, plus the device's own delay.
    fn latency(&self) -> Duration;

    /// How many samples (48 kHz) of silence were played so far, since the first `write`, because nothing waited.
    fn missed(&self) -> u64;

    /// Why it has ended, once it has: open another. The same is said each time.
    fn failed(&mut self) -> Option<DeviceError>;
}

/// The name of `names` that is meant by `wanted`: itself, or the first.
fn choose<'a>(direction: Direction, names: &'a [String], wanted: Option<&str>) -> Result<&'a str, DeviceError> {
    match wanted {
        None => names.first().map(String::as_str).ok_or(DeviceError::NoDevice(direction)),
        Some(wanted) => names
            .iter()
            .find(|name| *name == wanted)
            .map(String::as_str)
            .ok_or_else(|| DeviceError::Unknown { direction, name: wanted.to_owned(), known: names.to_vec() }),
    }
}

/// How long so many samples last at 48 kHz.
fn duration_of(samples: u64) -> Duration {
    duration_at(samples, SAMPLE_RATE)
}

/// How long so many samples last at so many a second.
fn duration_at(samples: u64, rate: u32) -> Duration {
    let rate = u64::from(rate.max(1));
    // The rest is below a rate of 32 bits, so that a billion times that fits.
    Duration::from_secs(samples / rate) + Duration::from_nanos(samples % rate * 1_000_000_000 / rate)
}
