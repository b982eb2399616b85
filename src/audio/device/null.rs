//! Devices for a machine without any: the microphone is silent and the speaker throws away, at the pace of a real one.

use super::pace::{PacedInput, PacedOutput};
use super::{AudioDevices, Clock, DeviceError, Direction, Microphone, Speaker, choose};
use crate::audio::{BLOCK, Block};
use std::cell::RefCell;
use std::time::{Duration, Instant};

const MICROPHONE: &str = "silence";
const SPEAKER: &str = "nowhere";

/// A microphone that hears nothing and a speaker that nobody hears. A call with them runs as with real ones.
#[derive(Clone, Debug)]
pub struct NullDevices {
    clock: Clock,
}

impl NullDevices {
    /// Devices whose samples pass by this clock.
    pub fn new(clock: Clock) -> Self {
        Self { clock }
    }

    /// The speaker that nobody hears.
    pub fn speaker(&self) -> Box<dyn Speaker> {
        let output = RefCell::new(PacedOutput::new(self.clock.now(), 0));
        Box::new(NullSpeaker { clock: self.clock.clone(), output })
    }
}

impl AudioDevices for NullDevices {
    fn microphones(&self) -> Vec<String> {
        vec![MICROPHONE.to_owned()]
    }

    fn speakers(&self) -> Vec<String> {
        vec![SPEAKER.to_owned()]
    }

    fn open_microphone(&self, name: Option<&str>) -> Result<Box<dyn Microphone>, DeviceError> {
        choose(Direction::Microphone, &self.microphones(), name)?;
        let input = PacedInput::new(self.clock.now(), 0);
        Ok(Box::new(NullMicrophone { clock: self.clock.clone(), input }))
    }

    fn open_speaker(&self, name: Option<&str>) -> Result<Box<dyn Speaker>, DeviceError> {
        choose(Direction::Speaker, &self.speakers(), name)?;
        Ok(self.speaker())
    }
}

struct NullMicrophone {
    clock: Clock,
    input: PacedInput,
}

impl Microphone for NullMicrophone {
    fn name(&self) -> &str {
        MICROPHONE
    }

    fn read(&mut self) -> Option<(Block, Instant)> {
        let now = self.clock.now();
        self.input.hear(now);
        self.input.take(now).map(|first| ([0.0; BLOCK], first))
    }

    fn dropped(&self) -> u64 {
        self.input.dropped
    }

    fn failed(&mut self) -> Option<DeviceError> {
        None
    }
}

struct NullSpeaker {
    clock: Clock,
    /// In a cell, since it plays while it is only looked at.
    output: RefCell<PacedOutput>,
}

impl NullSpeaker {
    /// What waits at this moment.
    fn now<T>(&self, look: impl FnOnce(&mut PacedOutput) -> T) -> T {
        let mut output = self.output.borrow_mut();
        output.play(self.clock.now());
        look(&mut output)
    }
}

impl Speaker for NullSpeaker {
    fn name(&self) -> &str {
        SPEAKER
    }

    fn queued(&self) -> usize {
        self.now(|output| output.queued())
    }

    fn write(&mut self, _: &Block) -> bool {
        self.now(PacedOutput::add)
    }

    fn latency(&self) -> Duration {
        self.now(|output| output.latency())
    }

    fn missed(&self) -> u64 {
        self.now(|output| output.missed)
    }

    fn failed(&mut self) -> Option<DeviceError> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ManualClock, ROOM};
    use super::*;

    fn blocks(microphone: &mut Box<dyn Microphone>) -> Vec<Instant> {
        std::iter::from_fn(|| microphone.read().map(|(_, first)| first)).collect()
    }

    #[test]
    fn silence_comes_at_the_pace_of_a_microphone() {
        let clock = ManualClock::new();
        let start = clock.now();
        let mut microphone = NullDevices::new(clock.clock()).open_microphone(None).unwrap();
        assert_eq!(microphone.read(), None);
        clock.advance(Duration::from_millis(25));
        assert_eq!(blocks(&mut microphone), [start, start + Duration::from_millis(10)]);
        clock.advance(Duration::from_millis(5));
        assert_eq!(blocks(&mut microphone), [start + Duration::from_millis(20)]);
    }

    #[test]
    fn who_reads_too_late_loses_the_oldest_and_is_told() {
        let clock = ManualClock::new();
        let start = clock.now();
        let mut microphone = NullDevices::new(clock.clock()).open_microphone(Some("silence")).unwrap();
        clock.advance(Duration::from_secs(1));
        let times = blocks(&mut microphone);
        assert_eq!(times.len(), ROOM / BLOCK);
        assert_eq!(times[0], start + Duration::from_millis(750));
        assert_eq!(microphone.dropped(), 36_000);
    }

    #[test]
    fn what_is_thrown_away_waits_as_long_as_what_is_played() {
        let clock = ManualClock::new();
        let mut speaker = NullDevices::new(clock.clock()).open_speaker(None).unwrap();
        clock.advance(Duration::from_secs(1));
        assert_eq!((speaker.queued(), speaker.missed()), (0, 0), "nothing is missed before something was written");
        assert!(speaker.write(&[0.5; BLOCK]) && speaker.write(&[0.5; BLOCK]));
        assert_eq!((speaker.queued(), speaker.latency()), (960, Duration::from_millis(20)));
        clock.advance(Duration::from_millis(15));
        assert_eq!((speaker.queued(), speaker.latency()), (240, Duration::from_millis(5)));
        clock.advance(Duration::from_millis(15));
        assert_eq!((speaker.queued(), speaker.missed()), (0, 480));
        let written = std::iter::from_fn(|| speaker.write(&[0.0; BLOCK]).then_some(())).count();
        assert_eq!(written, ROOM / BLOCK);
    }

    #[test]
    fn an_unknown_name_is_told_with_those_there_are() {
        let devices = NullDevices::new(Clock::system());
        let error = devices.open_speaker(Some("kitchen")).err().unwrap();
        assert_eq!(error.to_string(), r#"there is no speaker "kitchen": choose one of nowhere"#);
    }
}
