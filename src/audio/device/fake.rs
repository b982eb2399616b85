//! Devices for tests: what is heard is told, what is played is kept, time stands still until it is moved.

use super::pace::{PacedInput, PacedOutput};
use super::{AudioDevices, Clock, DeviceError, Direction, Microphone, Speaker, choose};
use crate::audio::{BLOCK, Block};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Microphones and speakers for tests. A clone is the same devices.
///
/// One microphone and one speaker are open at a time, the ones opened last; an older one says that it has gone.
#[derive(Clone, Debug)]
pub struct FakeDevices(Arc<Mutex<Room>>);

#[derive(Debug)]
struct Room {
    clock: Clock,
    microphones: Vec<String>,
    speakers: Vec<String>,
    refusal: Option<String>,
    microphone_ppm: i32,
    speaker_ppm: i32,
    speaker_delay: Duration,
    /// What will be heard, from the next sample on.
    said: VecDeque<f32>,
    played: Vec<f32>,
    opened: u64,
    microphone: Option<Hearing>,
    speaker: Option<Playing>,
}

#[derive(Debug)]
struct Hearing {
    id: u64,
    input: PacedInput,
    heard: VecDeque<f32>,
}

#[derive(Debug)]
struct Playing {
    id: u64,
    output: PacedOutput,
    queue: VecDeque<f32>,
}

impl FakeDevices {
    /// A microphone and a speaker, named `microphone` and `speaker`, whose samples pass by this clock.
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Mutex::new(Room {
            clock,
            microphones: vec!["microphone".to_owned()],
            speakers: vec!["speaker".to_owned()],
            refusal: None,
            microphone_ppm: 0,
            speaker_ppm: 0,
            speaker_delay: Duration::ZERO,
            said: VecDeque::new(),
            played: Vec::new(),
            opened: 0,
            microphone: None,
            speaker: None,
        })))
    }

    /// Adds to what the microphone will hear. It hears silence after it; while none is open, it waits.
    pub fn say(&self, samples: &[f32]) {
        self.room().said.extend(samples);
    }

    /// Takes what an open speaker has played since the last call, with the silence where nothing waited.
    pub fn played(&self) -> Vec<f32> {
        std::mem::take(&mut self.room().played)
    }

    /// What there is to be heard with, the default first. One that is open and not among them has been unplugged.
    pub fn set_microphones(&self, names: &[&str]) {
        self.room().microphones = names.iter().map(|&name| name.to_owned()).collect();
    }

    /// What there is to play with, the default first. One that is open and not among them has been unplugged.
    pub fn set_speakers(&self, names: &[&str]) {
        self.room().speakers = names.iter().map(|&name| name.to_owned()).collect();
    }

    /// Whatever is opened from here on is refused for this reason; with None no more.
    pub fn refuse(&self, reason: Option<&str>) {
        self.room().refusal = reason.map(str::to_owned);
    }

    /// How much faster than 48 kHz the devices run, in millionths, from here on.
    pub fn set_drift(&self, microphone_ppm: i32, speaker_ppm: i32) {
        let mut room = self.room();
        (room.microphone_ppm, room.speaker_ppm) = (microphone_ppm, speaker_ppm);
        if let Some(hearing) = &mut room.microphone {
            hearing.input.pace.set_ppm(microphone_ppm);
        }
        if let Some(playing) = &mut room.speaker {
            playing.output.pace.set_ppm(speaker_ppm);
        }
    }

    /// How long the speaker takes from fetching a sample until it is heard. It is told only: [`Self::played`] has samples
    /// when they are fetched.
    pub fn set_speaker_delay(&self, delay: Duration) {
        self.room().speaker_delay = delay;
    }

    /// The devices as they are now.
    fn room(&self) -> MutexGuard<'_, Room> {
        let mut room = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        room.pass();
        room
    }
}

impl Room {
    /// Lets everything happen that is due by the clock.
    fn pass(&mut self) {
        let now = self.clock.now();
        if let Some(hearing) = &mut self.microphone {
            let (heard, dropped) = hearing.input.hear(now);
            hearing.heard.extend((0..heard).map(|_| self.said.pop_front().unwrap_or(0.0)));
            hearing.heard.drain(..usize::try_from(dropped).map_or(0, |dropped| dropped.min(hearing.heard.len())));
        }
        if let Some(playing) = &mut self.speaker {
            let (played, silent) = playing.output.play(now);
            self.played.extend((0..played).map(|_| playing.queue.pop_front().unwrap_or(0.0)));
            self.played.extend((0..silent).map(|_| 0.0));
        }
    }

    fn open(&mut self, direction: Direction, name: Option<&str>) -> Result<(u64, String), DeviceError> {
        let names = match direction {
            Direction::Microphone => &self.microphones,
            Direction::Speaker => &self.speakers,
        };
        let name = choose(direction, names, name)?.to_owned();
        if let Some(reason) = self.refusal.clone() {
            return Err(DeviceError::Refused { direction, name, reason });
        }
        self.opened += 1;
        Ok((self.opened, name))
    }

    fn hearing(&mut self, id: u64, name: &str) -> Option<&mut Hearing> {
        let there = self.microphones.iter().any(|known| known == name);
        self.microphone.as_mut().filter(|hearing| there && hearing.id == id)
    }

    fn playing(&mut self, id: u64, name: &str) -> Option<&mut Playing> {
        let there = self.speakers.iter().any(|known| known == name);
        self.speaker.as_mut().filter(|playing| there && playing.id == id)
    }
}

impl AudioDevices for FakeDevices {
    fn microphones(&self) -> Vec<String> {
        self.room().microphones.clone()
    }

    fn speakers(&self) -> Vec<String> {
        self.room().speakers.clone()
    }

    fn open_microphone(&self, name: Option<&str>) -> Result<Box<dyn Microphone>, DeviceError> {
        let mut room = self.room();
        let (id, name) = room.open(Direction::Microphone, name)?;
        let input = PacedInput::new(room.clock.now(), room.microphone_ppm);
        room.microphone = Some(Hearing { id, input, heard: VecDeque::new() });
        Ok(Box::new(Handle { devices: self.clone(), id, name }))
    }

    fn open_speaker(&self, name: Option<&str>) -> Result<Box<dyn Speaker>, DeviceError> {
        let mut room = self.room();
        let (id, name) = room.open(Direction::Speaker, name)?;
        let output = PacedOutput::new(room.clock.now(), room.speaker_ppm);
        room.speaker = Some(Playing { id, output, queue: VecDeque::new() });
        Ok(Box::new(Handle { devices: self.clone(), id, name }))
    }
}

/// An open one of either kind.
struct Handle {
    devices: FakeDevices,
    id: u64,
    name: String,
}

impl Microphone for Handle {
    fn name(&self) -> &str {
        &self.name
    }

    fn read(&mut self) -> Option<(Block, Instant)> {
        let mut room = self.devices.room();
        let now = room.clock.now();
        let hearing = room.hearing(self.id, &self.name)?;
        let first = hearing.input.take(now)?;
        let mut block = [0.0; BLOCK];
        for (sample, heard) in block.iter_mut().zip(hearing.heard.drain(..BLOCK)) {
            *sample = heard;
        }
        Some((block, first))
    }

    fn dropped(&self) -> u64 {
        self.devices.room().hearing(self.id, &self.name).map_or(0, |hearing| hearing.input.dropped)
    }

    fn failed(&mut self) -> Option<DeviceError> {
        let gone = self.devices.room().hearing(self.id, &self.name).is_none();
        gone.then(|| DeviceError::Gone { direction: Direction::Microphone, name: self.name.clone() })
    }
}

impl Speaker for Handle {
    fn name(&self) -> &str {
        &self.name
    }

    fn queued(&self) -> usize {
        self.devices.room().playing(self.id, &self.name).map_or(0, |playing| playing.output.queued())
    }

    fn write(&mut self, block: &Block) -> bool {
        let mut room = self.devices.room();
        let Some(playing) = room.playing(self.id, &self.name) else { return false };
        let fits = playing.output.add();
        if fits {
            playing.queue.extend(block);
        }
        fits
    }

    fn latency(&self) -> Duration {
        let mut room = self.devices.room();
        let delay = room.speaker_delay;
        delay + room.playing(self.id, &self.name).map_or(Duration::ZERO, |playing| playing.output.latency())
    }

    fn missed(&self) -> u64 {
        self.devices.room().playing(self.id, &self.name).map_or(0, |playing| playing.output.missed)
    }

    fn failed(&mut self) -> Option<DeviceError> {
        let gone = self.devices.room().playing(self.id, &self.name).is_none();
        gone.then(|| DeviceError::Gone { direction: Direction::Speaker, name: self.name.clone() })
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        let mut room = self.devices.room();
        if room.microphone.as_ref().is_some_and(|hearing| hearing.id == self.id) {
            room.microphone = None;
        }
        if room.speaker.as_ref().is_some_and(|playing| playing.id == self.id) {
            room.speaker = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::ManualClock;
    use super::*;

    const TEN: Duration = Duration::from_millis(10);

    fn ramp(length: usize) -> Vec<f32> {
        (0..length).map(|n| n as f32 / 1024.0).collect()
    }

    #[test]
    fn what_is_said_is_heard_and_then_silence() {
        let clock = ManualClock::new();
        let devices = FakeDevices::new(clock.clock());
        devices.say(&ramp(600));
        clock.advance(TEN);
        let start = clock.now();
        let mut microphone = devices.open_microphone(None).unwrap();
        clock.advance(TEN * 2);
        let (first, at) = microphone.read().unwrap();
        assert_eq!((first.as_slice(), at), (&ramp(480)[..], start));
        let (second, at) = microphone.read().unwrap();
        assert_eq!((&second[..120], at), (&ramp(600)[480..], start + TEN));
        assert_eq!(second[120..], [0.0; 360]);
        assert_eq!(microphone.read(), None);
    }

    #[test]
    fn what_is_played_is_kept_with_its_gaps() {
        let clock = ManualClock::new();
        let devices = FakeDevices::new(clock.clock());
        let mut speaker = devices.open_speaker(Some("speaker")).unwrap();
        devices.set_speaker_delay(Duration::from_millis(7));
        assert!(speaker.write(&[0.25; BLOCK]));
        assert_eq!((speaker.queued(), speaker.latency()), (480, Duration::from_millis(17)));
        clock.advance(Duration::from_millis(15));
        assert_eq!(speaker.missed(), 240);
        assert!(speaker.write(&[0.5; BLOCK]));
        clock.advance(Duration::from_millis(5));
        let played = devices.played();
        assert_eq!(
            (&played[..480], &played[480..720], &played[720..]),
            (&[0.25; 480][..], &[0.0; 240][..], &[0.5; 240][..])
        );
        assert!(devices.played().is_empty());
    }

    #[test]
    fn an_unplugged_one_has_gone_and_another_can_be_opened() {
        let clock = ManualClock::new();
        let devices = FakeDevices::new(clock.clock());
        devices.set_microphones(&["headset", "built-in"]);
        let mut microphone = devices.open_microphone(None).unwrap();
        let mut speaker = devices.open_speaker(None).unwrap();
        assert_eq!(microphone.name(), "headset");
        assert_eq!((microphone.failed(), speaker.failed()), (None, None));
        devices.set_microphones(&["built-in"]);
        devices.set_speakers(&[]);
        clock.advance(TEN);
        assert_eq!((microphone.read(), speaker.write(&[0.0; BLOCK])), (None, false));
        let error = microphone.failed().unwrap().to_string();
        assert_eq!(error, r#"the microphone "headset" has gone: plug it in again, or choose another"#);
        assert!(matches!(speaker.failed(), Some(DeviceError::Gone { direction: Direction::Speaker, .. })));
        let mut other = devices.open_microphone(None).unwrap();
        drop(microphone);
        clock.advance(TEN);
        assert_eq!(other.name(), "built-in");
        assert_eq!((other.failed(), other.read().is_some()), (None, true));
        assert_eq!(devices.open_speaker(None).err(), Some(DeviceError::NoDevice(Direction::Speaker)));
    }

    #[test]
    fn a_refusal_is_told_with_its_reason() {
        let devices = FakeDevices::new(Clock::system());
        devices.refuse(Some("another program has it"));
        let error = devices.open_microphone(None).err().unwrap();
        assert_eq!(error.to_string(), r#"cannot use the microphone "microphone": another program has it"#);
        devices.refuse(None);
        assert!(devices.open_microphone(None).is_ok());
    }

    /// 200 ppm fast for 100 s: 960 samples more than by the clock.
    #[test]
    fn devices_drift_as_told() {
        let clock = ManualClock::new();
        let devices = FakeDevices::new(clock.clock());
        devices.set_drift(0, 200);
        let _speaker = devices.open_speaker(None).unwrap();
        let mut played = 0;
        for _ in 0..1000 {
            clock.advance(Duration::from_millis(100));
            played += devices.played().len();
        }
        assert_eq!(played, 4_800_960);
    }
}
