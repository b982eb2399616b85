//! The receiving half: packets into the jitter buffer, and sound out of it as the speaker takes it.

use std::{
    sync::Mutex,
    time::{Duration, Instant},
};

use super::{
    opener::{Opener, Wanted},
    wav_out::WavOut,
};
use crate::{
    audio::{
        device::{Clock, DeviceError, NullDevices, Speaker},
        jitter_buffer::{JitterBuffer, SoundPacket},
        level::LevelMeter,
        opus::OpusError,
        processor::Processor,
    },
    call::{AUDIO_CLOCK, ReceivedAudio},
    pipeline::{AudioSettings, lip_sync::LipSync, state_machine::Generation},
    stats::AudioStats,
};

/// Blocks that are made at once at most: 200 ms, after which a thread that was held up goes on from where it is.
const AT_ONCE: usize = 20;

pub(super) struct Playing {
    stream: Option<Stream>,
    /// Of streams that are over.
    before: Counted,
    speaker: Box<dyn Speaker>,
    /// The speaker is none, and sound goes nowhere.
    is_null: bool,
    /// What is to be opened, as [`SpeakerChoice::wanted`](crate::pipeline::SpeakerChoice) has it.
    wanted: Option<Option<String>>,
    meter: LevelMeter,
    out: Option<WavOut>,
}

#[derive(Default)]
struct Counted {
    received: u64,
    lost: u64,
    concealed: u64,
    recovered: u64,
    played: u64,
}

/// A stream of the far side's.
struct Stream {
    generation: Generation,
    ssrc: u32,
    buffer: JitterBuffer,
    /// A timestamp, and when it was by the sender's clock.
    clock: Option<(u32, Duration)>,
}

impl Stream {
    /// When what is being played was captured, by the sender's clock.
    fn sender_time(&self) -> Option<Duration> {
        let (timestamp, at) = self.clock?;
        let ticks = self.buffer.playing()?.wrapping_sub(timestamp).cast_signed();
        let away = Duration::from_secs_f64(f64::from(ticks.unsigned_abs()) / f64::from(AUDIO_CLOCK));
        if ticks < 0 { at.checked_sub(away) } else { at.checked_add(away) }
    }
}

impl Playing {
    /// `out`: the file that takes what arrives.
    pub(super) fn new(out: Option<WavOut>) -> Self {
        Self {
            stream: None,
            before: Counted::default(),
            speaker: nowhere(),
            is_null: true,
            wanted: None,
            meter: LevelMeter::new(),
            out,
        }
    }

    pub(super) fn follow(&mut self, audio: &AudioSettings, opener: &mut Opener) {
        let wanted = audio.speaker.wanted().map(|name| name.map(str::to_owned));
        if wanted == self.wanted {
            return;
        }
        self.wanted.clone_from(&wanted);
        self.play_nowhere();
        if let Some(name) = wanted {
            opener.open(Wanted::Speaker(name));
        }
    }

    /// Whether the speaker of that name is still wanted.
    pub(super) fn wants(&self, name: &Option<String>) -> bool {
        self.is_null && self.wanted.as_ref() == Some(name)
    }

    pub(super) fn use_speaker(&mut self, speaker: Box<dyn Speaker>) {
        self.speaker = speaker;
        self.is_null = false;
    }

    /// Why the speaker has ended, once; sound goes nowhere from then on.
    pub(super) fn failed(&mut self) -> Option<(Option<String>, DeviceError)> {
        let error = self.speaker.failed()?;
        self.play_nowhere();
        Some((self.wanted.clone()?, error))
    }

    fn play_nowhere(&mut self) {
        self.speaker = nowhere();
        self.is_null = true;
    }

    /// Takes a packet. A stream of another number, or over another connection, begins anew.
    pub(super) fn packet(&mut self, generation: Generation, audio: ReceivedAudio) -> Result<(), OpusError> {
        let same = |stream: &Stream| stream.generation == generation && stream.ssrc == audio.ssrc;
        if !self.stream.as_ref().is_some_and(same) {
            self.forget();
            let buffer = JitterBuffer::new()?;
            self.stream = Some(Stream { generation, ssrc: audio.ssrc, buffer, clock: None });
        }
        let Some(stream) = &mut self.stream else { return Ok(()) };
        if let Some(sender_time) = audio.sender_time {
            stream.clock = Some((audio.rtp_timestamp, sender_time));
        }
        stream.buffer.push(SoundPacket {
            sequence: audio.sequence,
            rtp_timestamp: audio.rtp_timestamp,
            payload: audio.payload,
            arrived: audio.arrived,
        });
        Ok(())
    }

    /// A stream is over with its connection: nothing is made up for it any more.
    pub(super) fn over(&mut self, live: Option<Generation>) {
        if self.stream.as_ref().is_some_and(|stream| Some(stream.generation) != live) {
            self.forget();
        }
    }

    /// The stream is over; what it counted stays.
    fn forget(&mut self) {
        let counted = self.counted();
        self.before = counted;
        self.stream = None;
    }

    fn counted(&self) -> Counted {
        let now = self.stream.as_ref().map(|stream| stream.buffer.stats()).unwrap_or_default();
        Counted {
            received: self.before.received + now.packets,
            lost: self.before.lost + now.lost,
            concealed: self.before.concealed + now.concealed_samples,
            recovered: self.before.recovered + now.recovered_samples,
            played: self.before.played + now.played_samples,
        }
    }

    /// Gives the speaker what it has room for; the error is that of the file.
    pub(super) fn step(
        &mut self,
        processor: &mut Processor,
        lip_sync: &Mutex<LipSync>,
        now: Instant,
    ) -> Result<(), String> {
        let mut written = Ok(());
        for _ in 0..AT_ONCE {
            if self.speaker.queued() >= self.speaker.wanted() {
                break;
            }
            let Some(stream) = &mut self.stream else {
                // Nothing has come yet: the speaker is given silence, so that its clock is known.
                if !self.speaker.write(&[0.0; crate::audio::BLOCK]) {
                    break;
                }
                continue;
            };
            let heard = now + self.speaker.latency();
            let block = stream.buffer.pull(now);
            processor.played(&block);
            self.meter.push(&block);
            if let Some(out) = &mut self.out
                && written.is_ok()
            {
                written = out.put(&block);
            }
            // Who waits for a lock is not in time; another block comes.
            if let Some(sender_time) = stream.sender_time()
                && let Ok(mut sync) = lip_sync.try_lock()
            {
                sync.heard(sender_time, heard);
            }
            if !self.speaker.write(&block) {
                break;
            }
        }
        written
    }

    /// Waits for the pictures as long as they are late.
    pub(super) fn follow_pictures(&mut self, lip_sync: &Mutex<LipSync>, now: Instant) {
        let (Some(stream), Ok(mut sync)) = (&mut self.stream, lip_sync.try_lock()) else { return };
        let stats = stream.buffer.stats();
        sync.step(stats.delay, stats.target_delay, now);
        stream.buffer.set_min_delay(sync.sound_delay());
    }

    pub(super) fn tell(&self, stats: &mut AudioStats) {
        let counted = self.counted();
        let share = |part: u64, whole: u64| part as f64 / whole.max(1) as f64;
        stats.packets_in = counted.received;
        stats.lost = counted.lost;
        stats.loss_in = share(counted.lost, counted.lost + counted.received);
        stats.concealed = share(counted.concealed, counted.played);
        stats.recovered = share(counted.recovered, counted.played);
        stats.level_in_dbfs = self.meter.level().into();
        stats.speaker = if self.is_null { String::new() } else { self.speaker.name().to_owned() };
        stats.missed_samples = self.speaker.missed();
        stats.dropped_blocks = self.out.as_ref().map_or(0, |out| out.dropped);
        if let Some(stream) = &self.stream {
            let buffer = stream.buffer.stats();
            let ms = |d: Duration| d.as_secs_f64() * 1e3;
            stats.jitter_ms = Some(ms(buffer.jitter));
            stats.delay_ms = Some(ms(buffer.delay + self.speaker.latency()));
            stats.drift_ppm = buffer.drift_ppm;
        }
    }

    /// Ends the file.
    pub(super) fn finish(&mut self) -> Result<(), String> {
        self.out.as_mut().map_or(Ok(()), WavOut::finish)
    }
}

/// A speaker that plays to nobody, at the pace of one that does.
fn nowhere() -> Box<dyn Speaker> {
    NullDevices::new(Clock::system()).speaker()
}
