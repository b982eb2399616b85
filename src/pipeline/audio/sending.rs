//! The sending half: a source's sound in 10 ms, cleaned if it is a microphone's, as Opus to the connection.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use tokio::sync::watch;

use super::{
    AudioOutlet,
    opener::{Opener, Wanted},
    sound_reader::{Read, SoundReader},
};
use crate::{
    audio::{
        BLOCK, Block, FRAME, SAMPLE_RATE,
        device::{DeviceError, Microphone},
        level::LevelMeter,
        opus::{Encoder, OpusError},
        processor::{Processor, ProcessorSettings},
        tones,
    },
    call::AudioPacket,
    pipeline::{AudioProcessing, AudioSettings, SoundSource, sender::SourcePosition, state_machine::Generation},
    source::SourceSpec,
    stats::AudioStats,
};

/// What is sent, in bit/s, without headers: within the 24 to 32 kbit/s that are good for speech (RFC 7587 §3.1.1).
pub(super) const BITRATE: u32 = 32_000;
/// The length of a block.
const TEN_MS: Duration = Duration::from_millis(10);
/// Sound that is so far from its picture jumps to it.
const MAX_OFF: Duration = Duration::from_millis(60);
/// Blocks at once at most; who was held up for longer goes on from where it is.
const AT_ONCE: usize = 20;
/// Blocks that are skipped at once on the way to another place of a file.
const SKIP_AT_ONCE: usize = 200;
/// A microphone's blocks that are so far apart have others missing between them.
const GAP: Duration = Duration::from_millis(60);

/// What the processor does, of what is wished.
pub(super) fn processing(wished: AudioProcessing) -> ProcessorSettings {
    let AudioProcessing { echo_cancellation: echo, noise_suppression: noise, gain_control: gain } = wished;
    ProcessorSettings { echo, noise, gain }
}

/// Where the sound comes from, as it is now.
enum Origin {
    Nothing,
    /// It is being opened, or has gone.
    NoMicrophone,
    Microphone(Box<dyn Microphone>),
    /// A file for its own sake, and when its next block is due.
    File(SoundReader, Option<Instant>),
    /// The sound of the pictures.
    OfPictures(OfPictures),
}

/// Sound that goes along with the pictures' source.
struct OfPictures {
    sound: PictureSound,
    /// Where its next block belongs, from the source's beginning.
    at: Duration,
}

enum PictureSound {
    /// The scene's.
    Tones,
    /// A clip's track; it has ended, and waits until the clip begins again.
    Track { reader: SoundReader, ended: bool },
}

pub(super) struct Sending {
    position: watch::Receiver<Option<SourcePosition>>,
    wanted: SoundSource,
    pictures: Option<SourceSpec>,
    muted: bool,
    origin: Origin,
    encoder: Encoder,
    meter: LevelMeter,
    /// The first half of the next packet, and when it was captured.
    half: Option<(Block, Instant)>,
    /// The timestamp of the next packet, in samples.
    timestamp: u32,
    /// When the block after the last one should have been captured.
    next_captured: Option<Instant>,
    /// The connection that the last packet went over.
    generation: Option<Generation>,
    paused: bool,
    packets: u64,
    bytes: u64,
    dropped: u64,
    /// A notice that waits to be told.
    trouble: Option<String>,
}

impl Sending {
    pub(super) fn new(position: watch::Receiver<Option<SourcePosition>>) -> Result<Self, OpusError> {
        Ok(Self {
            position,
            wanted: SoundSource::None,
            pictures: None,
            muted: false,
            origin: Origin::Nothing,
            encoder: Encoder::new(BITRATE)?,
            meter: LevelMeter::new(),
            half: None,
            timestamp: 0,
            next_captured: None,
            generation: None,
            paused: true,
            packets: 0,
            bytes: 0,
            dropped: 0,
            trouble: None,
        })
    }

    /// Takes another source, if another is wished for.
    pub(super) fn follow(&mut self, audio: &AudioSettings, pictures: &SourceSpec, opener: &mut Opener) {
        self.muted = audio.muted;
        if audio.source == self.wanted && self.pictures.as_ref() == Some(pictures) {
            return;
        }
        self.wanted = audio.source.clone();
        self.pictures = Some(pictures.clone());
        self.half = None;
        self.next_captured = None;
        let of_pictures = |sound| Origin::OfPictures(OfPictures { sound, at: Duration::ZERO });
        self.origin = match (&audio.source, pictures) {
            (SoundSource::None, _) | (SoundSource::OfPictures, SourceSpec::Camera(..)) => Origin::Nothing,
            (SoundSource::Microphone(name), _) => {
                opener.open(Wanted::Microphone(name.clone()));
                Origin::NoMicrophone
            }
            (SoundSource::OfPictures, SourceSpec::Scene) => of_pictures(PictureSound::Tones),
            (SoundSource::OfPictures, SourceSpec::Clip(path)) => {
                let reader = self.read(path.clone(), true);
                reader.map_or(Origin::Nothing, |reader| of_pictures(PictureSound::Track { reader, ended: false }))
            }
            (SoundSource::File(path), _) => {
                self.read(path.clone(), false).map_or(Origin::Nothing, |reader| Origin::File(reader, None))
            }
        };
    }

    fn read(&mut self, path: PathBuf, may_be_silent: bool) -> Option<SoundReader> {
        match SoundReader::start(path, may_be_silent) {
            Ok(reader) => Some(reader),
            Err(error) => {
                self.trouble = Some(error.to_string());
                None
            }
        }
    }

    /// Whether the microphone of that name is still wanted.
    pub(super) fn wants(&self, name: &Option<String>) -> bool {
        matches!(self.origin, Origin::NoMicrophone)
            && matches!(&self.wanted, SoundSource::Microphone(wanted) if wanted == name)
    }

    pub(super) fn use_microphone(&mut self, microphone: Box<dyn Microphone>) {
        self.origin = Origin::Microphone(microphone);
        self.next_captured = None;
    }

    /// Why the microphone has ended, once.
    pub(super) fn failed(&mut self) -> Option<(Option<String>, DeviceError)> {
        let Origin::Microphone(microphone) = &mut self.origin else { return None };
        let error = microphone.failed()?;
        self.origin = Origin::NoMicrophone;
        match &self.wanted {
            SoundSource::Microphone(name) => Some((name.clone(), error)),
            _ => None,
        }
    }

    /// What has gone wrong since the last call of this.
    pub(super) fn trouble(&mut self) -> Option<String> {
        self.trouble.take()
    }

    /// How much the far side misses.
    pub(super) fn expect_loss(&mut self, share: Option<f32>) {
        // A refusal leaves it as it is.
        let _ = self.encoder.set_expected_loss(share.unwrap_or_default().into());
    }

    /// Sends what has been captured since.
    pub(super) fn step(&mut self, processor: &mut Processor, outlet: Option<&AudioOutlet>, now: Instant) {
        for _ in 0..AT_ONCE {
            let Some((mut block, captured)) = self.next(now) else { return };
            if matches!(self.origin, Origin::Microphone(_)) {
                processor.capture(&mut block);
            }
            if self.muted {
                // Nothing of it leaves this thread.
                block.fill(0.0);
            }
            self.meter.push(&block);
            self.send(block, captured, outlet);
        }
    }

    /// The next 10 ms that are there.
    fn next(&mut self, now: Instant) -> Option<(Block, Instant)> {
        let (read, trouble) = match &mut self.origin {
            Origin::Nothing | Origin::NoMicrophone => (None, None),
            Origin::Microphone(microphone) => (microphone.read(), None),
            Origin::File(reader, due) => next_of_file(reader, due, now),
            Origin::OfPictures(of) => {
                let position = *self.position.borrow();
                position.map_or((None, None), |position| of.next(position, now))
            }
        };
        if let Some(trouble) = trouble {
            self.origin = Origin::Nothing;
            self.trouble = trouble.0;
        }
        read
    }

    fn send(&mut self, block: Block, captured: Instant, outlet: Option<&AudioOutlet>) {
        if let Some(next) = self.next_captured {
            let gap = captured.saturating_duration_since(next);
            if gap > GAP {
                // What was not captured has no packets, but its time has passed.
                let samples = gap.as_secs_f64() * f64::from(SAMPLE_RATE);
                self.timestamp = self.timestamp.wrapping_add(samples as u64 as u32);
                self.half = None;
            }
        }
        self.next_captured = Some(captured + TEN_MS);
        let Some((first, captured)) = self.half.take() else {
            self.half = Some((block, captured));
            return;
        };
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(FRAME as u32);
        let Some((generation, sender)) = outlet.and_then(|o| Some((o.generation, o.sender.as_ref()?))) else {
            self.paused = true;
            return;
        };
        if self.generation != Some(generation) {
            self.generation = Some(generation);
            self.paused = true;
        }
        let mut frame = [0.0; FRAME];
        frame[..BLOCK].copy_from_slice(&first);
        frame[BLOCK..].copy_from_slice(&block);
        match self.encoder.encode(&frame) {
            Ok(Some(payload)) => {
                let begins = std::mem::take(&mut self.paused);
                self.bytes += payload.len() as u64;
                match sender.send(AudioPacket { payload, timestamp, captured, begins }) {
                    Ok(()) => self.packets += 1,
                    Err(error) => {
                        tracing::debug!("{error}");
                        self.dropped += 1;
                    }
                }
            }
            // The far side knows silence by what is not sent.
            Ok(None) => self.paused = true,
            Err(error) => self.trouble = Some(error.to_string()),
        }
    }

    pub(super) fn tell(&self, stats: &mut AudioStats) {
        stats.packets_out = self.packets;
        stats.payload_bytes_out = self.bytes;
        stats.unsent = self.dropped;
        stats.level_out_dbfs = self.meter.level().into();
        stats.muted = self.muted;
        stats.source = match &self.origin {
            Origin::Microphone(microphone) => microphone.name().to_owned(),
            Origin::Nothing | Origin::NoMicrophone => String::new(),
            Origin::File(..) | Origin::OfPictures(_) => self.wanted.to_string(),
        };
    }
}

/// There is no more sound of a file, and why, where that is to be told.
struct Trouble(Option<String>);

fn next_of_file(
    reader: &SoundReader,
    due: &mut Option<Instant>,
    now: Instant,
) -> (Option<(Block, Instant)>, Option<Trouble>) {
    let at = *due.get_or_insert(now);
    if now < at + TEN_MS {
        return (None, None);
    }
    for _ in 0..2 {
        match reader.next() {
            Read::Block(block) => {
                let late = now.saturating_duration_since(at + TEN_MS) > TEN_MS * AT_ONCE as u32;
                *due = Some(if late { now } else { at + TEN_MS });
                return (Some((*block, at)), None);
            }
            // Its beginning comes next.
            Read::End => {}
            Read::Later => return (None, None),
            Read::Over(why) => return (None, Some(Trouble(why))),
        }
    }
    (None, None)
}

impl OfPictures {
    /// The block that belongs to the time that has passed, where the pictures' source stands there.
    fn next(&mut self, source: SourcePosition, now: Instant) -> (Option<(Block, Instant)>, Option<Trouble>) {
        let there = source.position + now.saturating_duration_since(source.at);
        if there + MAX_OFF < self.at {
            // It has begun again.
            match &mut self.sound {
                PictureSound::Tones => self.at = there.saturating_sub(TEN_MS),
                PictureSound::Track { reader, ended } => {
                    match skip_to_end(reader, ended) {
                        Ok(true) => {}
                        Ok(false) => return (None, None),
                        Err(trouble) => return (None, Some(trouble)),
                    }
                    (*ended, self.at) = (false, Duration::ZERO);
                }
            }
        }
        if there < self.at + TEN_MS {
            return (None, None);
        }
        let behind = there - self.at;
        if behind > MAX_OFF + TEN_MS {
            let skipped = ((behind.as_millis() / 10) as usize).min(SKIP_AT_ONCE);
            for _ in 0..skipped.saturating_sub(1) {
                if let Some(trouble) = self.sound.skip() {
                    return (None, Some(trouble));
                }
                self.at += TEN_MS;
            }
        }
        let captured = source.at + self.at.saturating_sub(source.position);
        let captured = captured.checked_sub(source.position.saturating_sub(self.at)).unwrap_or(captured);
        match self.sound.take(self.at) {
            Ok(Some(block)) => {
                self.at += TEN_MS;
                (Some((block, captured)), None)
            }
            Ok(None) => (None, None),
            Err(trouble) => (None, Some(trouble)),
        }
    }
}

/// Reads on to the file's end; false where it has to be gone on with later.
fn skip_to_end(reader: &SoundReader, ended: &mut bool) -> Result<bool, Trouble> {
    for _ in 0..SKIP_AT_ONCE {
        if *ended {
            return Ok(true);
        }
        match reader.next() {
            Read::Block(_) => {}
            Read::End => *ended = true,
            Read::Later => return Ok(false),
            Read::Over(why) => return Err(Trouble(why)),
        }
    }
    Ok(*ended)
}

impl PictureSound {
    /// The block that belongs at this place; none where it has not been read yet.
    fn take(&mut self, at: Duration) -> Result<Option<Block>, Trouble> {
        match self {
            Self::Tones => Ok(Some(tones::block_at(at.as_secs_f64()))),
            // The picture goes on longer than its sound.
            Self::Track { ended: true, .. } => Ok(Some([0.0; BLOCK])),
            Self::Track { reader, ended } => match reader.next() {
                Read::Block(block) => Ok(Some(*block)),
                Read::End => {
                    *ended = true;
                    Ok(Some([0.0; BLOCK]))
                }
                Read::Later => Ok(None),
                Read::Over(why) => Err(Trouble(why)),
            },
        }
    }

    /// Leaves a block out.
    fn skip(&mut self) -> Option<Trouble> {
        if let Self::Track { reader, ended: ended @ false } = self {
            match reader.next() {
                Read::End => *ended = true,
                Read::Over(why) => return Some(Trouble(why)),
                Read::Block(_) | Read::Later => {}
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// The places of the blocks that come up to a moment, and when each was captured, in ms from `start`.
    fn take(of: &mut OfPictures, source: SourcePosition, start: Instant, now: u64) -> Vec<(u64, u64)> {
        let next = || {
            let (block, trouble) = of.next(source, start + ms(now));
            assert!(trouble.is_none());
            let (_, captured) = block?;
            let at = of.at.saturating_sub(TEN_MS).as_millis() as u64;
            Some((at, captured.saturating_duration_since(start).as_millis() as u64))
        };
        std::iter::from_fn(next).collect()
    }

    #[test]
    fn sound_goes_along_with_its_pictures_and_jumps_with_them() {
        let start = Instant::now();
        let at = |position, moment| SourcePosition { position: ms(position), at: start + ms(moment) };
        let mut of = OfPictures { sound: PictureSound::Tones, at: Duration::ZERO };
        assert_eq!(take(&mut of, at(0, 100), start, 105), []);
        assert_eq!(take(&mut of, at(0, 100), start, 125), [(0, 100), (10, 110)]);
        // Another picture, 3 ms late: the sound goes on from where it is.
        assert_eq!(take(&mut of, at(33, 136), start, 140), [(20, 123)]);
        // A source that was held up, or has jumped.
        let blocks = take(&mut of, at(800, 1020), start, 1020);
        assert_eq!(blocks.last(), Some(&(790, 1010)), "{blocks:?}");
        assert!(blocks.len() < 12, "{blocks:?}");
        // The file begins again.
        assert_eq!(take(&mut of, at(0, 5000), start, 5012), [(2, 5002)]);
    }

    #[test]
    fn a_file_is_played_at_the_pace_of_time_and_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wav");
        let mut writer = crate::audio::wav::WavWriter::create(&path).unwrap();
        for n in 0..3 {
            writer.write(&[0.1 * (n + 1) as f32; BLOCK]).unwrap();
        }
        writer.finish().unwrap();
        let reader = SoundReader::start(path, false).unwrap();
        let (start, mut due, mut heard) = (Instant::now(), None, Vec::new());
        let mut now = start;
        while heard.len() < 7 {
            let (block, trouble) = next_of_file(&reader, &mut due, now);
            assert!(trouble.is_none());
            match block {
                Some((block, _)) => heard.push((block[7] * 10.0).round() as i32),
                // Its thread may be behind; time passes in this test as it likes.
                None => (now += ms(1), std::thread::yield_now()).1,
            }
        }
        assert_eq!(heard, [1, 2, 3, 1, 2, 3, 1]);
    }

    #[test]
    fn a_file_that_is_not_there_is_trouble_and_a_silent_video_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let silent = folder.path().join("a.264");
        std::fs::write(&silent, [0, 0, 0, 1, 0x67, 0x42, 0xe0, 0x1f]).unwrap();
        let told = |path: PathBuf, may_be_silent| {
            let reader = SoundReader::start(path, may_be_silent).unwrap();
            loop {
                match reader.next() {
                    Read::Over(why) => return why,
                    Read::Later => std::thread::yield_now(),
                    Read::Block(_) | Read::End => panic!("there is no sound"),
                }
            }
        };
        assert!(told(folder.path().join("none.wav"), false).unwrap().contains("none.wav"));
        assert!(told(silent.clone(), false).unwrap().contains("a.264"));
        assert_eq!(told(silent, true), None);
    }
}
