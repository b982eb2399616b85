//! The sound as the window has it: what is chosen of it, and the devices that there are to choose from.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

use crate::pipeline::{AudioProcessing, AudioSettings, SoundSource, SpeakerChoice, Wake};

/// What is chosen of the sound, before a call and in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SoundChoice {
    /// What is sent.
    pub source: SoundSource,
    /// Where what arrives is played.
    pub speaker: SpeakerChoice,
    /// What is done to a microphone's sound.
    pub processing: AudioProcessing,
}

impl SoundChoice {
    pub(crate) fn of(audio: &AudioSettings) -> Self {
        let AudioSettings { source, speaker, processing, .. } = audio.clone();
        Self { source, speaker, processing }
    }

    pub(crate) fn put(&self, audio: &mut AudioSettings) {
        let Self { source, speaker, processing } = self.clone();
        (audio.source, audio.speaker, audio.processing) = (source, speaker, processing);
    }
}

/// The sound of a running call as the person has set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SoundControls {
    /// Silence is sent.
    pub muted: bool,
    /// Something is sent at all: who only watches has nothing to mute.
    pub sends: bool,
    /// What is chosen.
    pub choice: SoundChoice,
}

/// The names of the machine's microphones and speakers, the default first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeviceNames {
    /// What hears.
    pub microphones: Vec<String>,
    /// What plays.
    pub speakers: Vec<String>,
}

/// Finds the devices on a thread of its own, because the system may take a while. A clone finds the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct DeviceLookup(Arc<Mutex<Found>>);

#[derive(Debug, Default)]
struct Found {
    names: Option<Arc<DeviceNames>>,
    looking: bool,
}

impl DeviceLookup {
    /// What was found last.
    pub(crate) fn names(&self) -> Option<Arc<DeviceNames>> {
        self.lock().names.clone()
    }

    /// Looks what there is now, and then calls `wake`.
    pub(crate) fn look(&self, audio: &AudioSettings, wake: Wake) {
        if std::mem::replace(&mut self.lock().looking, true) {
            return;
        }
        let (audio, found) = (audio.clone(), self.clone());
        let look = std::thread::Builder::new().name("sound devices".to_owned()).spawn(move || {
            let names = Some(Arc::new(names(&audio)));
            *found.lock() = Found { names, looking: false };
            wake();
        });
        if let Err(error) = look {
            tracing::error!("{error}");
            self.lock().looking = false;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Found> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(feature = "audio")]
fn names(audio: &AudioSettings) -> DeviceNames {
    DeviceNames { microphones: audio.devices.microphones(), speakers: audio.devices.speakers() }
}

#[cfg(not(feature = "audio"))]
fn names(_: &AudioSettings) -> DeviceNames {
    DeviceNames::default()
}

#[cfg(all(test, feature = "audio"))]
mod tests {
    use super::*;
    use crate::audio::device::{Clock, Devices, FakeDevices};

    #[test]
    fn devices_are_found_each_time_they_are_looked_for() {
        let fake = FakeDevices::new(Clock::system());
        let audio = AudioSettings { devices: Devices::new(fake.clone()), ..AudioSettings::default() };
        let lookup = DeviceLookup::default();
        assert_eq!(lookup.names(), None);
        for microphones in [&["Desk", "Headset"][..], &["Desk"]] {
            fake.set_microphones(microphones);
            let (tell, told) = std::sync::mpsc::channel();
            lookup.look(&audio, Arc::new(move || tell.send(()).unwrap()));
            told.recv().unwrap();
            let names = lookup.names().unwrap();
            assert_eq!(
                (&names.microphones[..], names.speakers.len()),
                (&microphones.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..], 1)
            );
        }
    }

    #[test]
    fn what_is_chosen_is_put_beside_what_is_not_chosen_here() {
        let choice = SoundChoice {
            source: SoundSource::Microphone(Some("Desk".to_owned())),
            speaker: SpeakerChoice::Default,
            processing: AudioProcessing { gain_control: false, ..AudioProcessing::default() },
        };
        let mut audio = AudioSettings { muted: true, on: true, ..AudioSettings::default() };
        choice.put(&mut audio);
        assert_eq!(SoundChoice::of(&audio), choice);
        assert!(audio.muted && audio.on);
    }
}
