//! From a speaker's writer to its thread.

use super::super::{ROOM, duration_at, duration_of};
use super::at_48k;
use super::format::{self, Writing, from_mono};
use crate::audio::resampler::{RateError, Resampler};
use crate::audio::{BLOCK, Block, SAMPLE_RATE};
use cpal::{Data, FromSample, SizedSample};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// No device is later than that; who says so has its clocks confused.
pub(super) const LONGEST_DELAY: Duration = Duration::from_secs(2);

/// Samples of a device that fit between it and its reader or writer.
pub(super) fn room(rate: u32) -> usize {
    (ROOM as u64 * u64::from(rate) / u64::from(SAMPLE_RATE)) as usize + 1
}

/// What the device's thread tells.
#[derive(Debug, Default)]
struct Told {
    started: AtomicBool,
    /// Samples of silence for want of others.
    missed: AtomicU64,
    /// The most samples fetched at once.
    bite: AtomicUsize,
    /// When the next sample to be fetched will be heard, in nanoseconds from the epoch.
    next_heard: AtomicU64,
}

/// The half that the device's thread has. It never waits, and sets no memory aside.
pub(super) struct Mouth {
    channels: usize,
    rate: u32,
    epoch: Instant,
    samples: Consumer<f32>,
    told: Arc<Told>,
}

/// The half that the writer has.
pub(super) struct Feeder {
    rate: u32,
    epoch: Instant,
    samples: Producer<f32>,
    resampler: Resampler,
    converted: Vec<f32>,
    told: Arc<Told>,
}

pub(super) fn new(channels: u16, rate: u32, now: Instant) -> Result<(Mouth, Feeder), RateError> {
    let resampler = Resampler::new(SAMPLE_RATE, rate)?;
    let (writer, reader) = RingBuffer::new(room(rate));
    let told = Arc::new(Told::default());
    let mouth = Mouth { channels: usize::from(channels).max(1), rate, epoch: now, samples: reader, told: told.clone() };
    Ok((mouth, Feeder { rate, epoch: now, samples: writer, resampler, converted: Vec::new(), told }))
}

impl Mouth {
    /// Fills what the device fetches; `heard` is when the first sample of it will be heard.
    pub(super) fn fill(&mut self, data: &mut Data, heard: Instant) {
        format::write(data, &mut Filling { mouth: self, heard });
    }

    fn give<T: SizedSample + FromSample<f32>>(&mut self, samples: &mut [T], heard: Instant) {
        let wanted = samples.len() / self.channels;
        let there = wanted.min(self.samples.slots());
        let (spoken, silent) = samples.split_at_mut(there * self.channels);
        if let Ok(chunk) = self.samples.read_chunk(there) {
            for (frame, sample) in spoken.chunks_exact_mut(self.channels).zip(chunk) {
                from_mono(sample, frame);
            }
        }
        silent.fill(T::EQUILIBRIUM);
        if self.told.started.load(Ordering::Relaxed) {
            self.told.missed.fetch_add((wanted - there) as u64, Ordering::Relaxed);
        }
        self.told.bite.fetch_max(wanted, Ordering::Relaxed);
        let next = (heard + duration_at(wanted as u64, self.rate)).saturating_duration_since(self.epoch);
        self.told.next_heard.store(u64::try_from(next.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }
}

struct Filling<'a> {
    mouth: &'a mut Mouth,
    heard: Instant,
}

impl Writing for Filling<'_> {
    fn write<T: SizedSample + FromSample<f32>>(&mut self, samples: &mut [T]) {
        self.mouth.give(samples, self.heard);
    }
}

impl Feeder {
    /// Samples of the device that wait.
    fn waiting(&self) -> u64 {
        (self.samples.buffer().capacity() - self.samples.slots()) as u64
    }

    /// Samples at 48 kHz that wait.
    pub(super) fn queued(&self) -> usize {
        let waiting = at_48k(self.waiting(), self.rate) + self.resampler.waiting() as u64;
        usize::try_from(waiting).unwrap_or(usize::MAX)
    }

    /// So many as the device fetches at once, and a block more.
    pub(super) fn wanted(&self) -> usize {
        let bite = at_48k(self.told.bite.load(Ordering::Relaxed) as u64, self.rate);
        let wanted = usize::try_from(bite).unwrap_or(ROOM).saturating_add(BLOCK);
        wanted.clamp(2 * BLOCK, ROOM - 2 * BLOCK)
    }

    pub(super) fn write(&mut self, block: &Block) -> bool {
        // A block is never more than this at the device's rate, whatever waits in the resampler.
        if self.samples.slots() < room(self.rate) * 2 * BLOCK / ROOM {
            return false;
        }
        self.converted.clear();
        self.resampler.push(block, &mut self.converted);
        let (_, left) = self.samples.push_partial_slice(&self.converted);
        debug_assert!(left.is_empty(), "{} samples of a block without room", left.len());
        self.told.started.store(true, Ordering::Relaxed);
        true
    }

    /// How long after `now` the first sample of a block written now is heard.
    pub(super) fn latency(&self, now: Instant) -> Duration {
        let waiting = duration_at(self.waiting() + self.resampler.delay() as u64, self.rate)
            + duration_of(self.resampler.waiting() as u64);
        let next_heard = self.epoch + Duration::from_nanos(self.told.next_heard.load(Ordering::Relaxed));
        next_heard.saturating_duration_since(now) + waiting
    }

    pub(super) fn missed(&self) -> u64 {
        at_48k(self.told.missed.load(Ordering::Relaxed), self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEN: Duration = Duration::from_millis(10);

    #[test]
    fn what_is_written_is_played_in_all_channels_and_silence_after() {
        let epoch = Instant::now();
        let (mut mouth, mut feeder) = new(2, 48_000, epoch).unwrap();
        let mut fetched = [7_i16; 2 * 600];
        mouth.give(&mut fetched, epoch);
        assert_eq!((fetched, feeder.missed()), ([0; 1200], 0), "nothing is missed before something was written");
        assert!(feeder.write(&std::array::from_fn(|n| n as f32 / 1024.0)));
        assert_eq!(feeder.queued(), 480);
        mouth.give(&mut fetched, epoch);
        for (n, frame) in fetched.chunks(2).enumerate() {
            let expected = if n < 480 { n as i16 * 32 } else { 0 };
            assert_eq!(frame, [expected; 2], "frame {n}");
        }
        assert_eq!((feeder.queued(), feeder.missed()), (0, 120));
    }

    #[test]
    fn silence_of_unsigned_samples_is_their_middle() {
        let (mut mouth, _feeder) = new(1, 48_000, Instant::now()).unwrap();
        let mut fetched = [0_u8; 4];
        mouth.give(&mut fetched, Instant::now());
        assert_eq!(fetched, [128; 4]);
    }

    /// Fetched at 0 ms: 10 ms, heard from 30 ms on. So the next is heard at 40 ms, and what comes behind 20 ms at 60.
    #[test]
    fn latency_is_what_waits_and_what_the_device_takes() {
        let epoch = Instant::now();
        let (mut mouth, mut feeder) = new(1, 48_000, epoch).unwrap();
        mouth.give(&mut [0.0_f32; 480], epoch + TEN * 3);
        assert!(feeder.write(&[0.0; BLOCK]) && feeder.write(&[0.0; BLOCK]));
        assert_eq!(feeder.latency(epoch), TEN * 6);
        assert_eq!(feeder.latency(epoch + TEN), TEN * 5);
        // A device that stands still does not make it less than what waits.
        assert_eq!(feeder.latency(epoch + TEN * 100), TEN * 2);
    }

    #[test]
    fn more_waits_for_a_device_that_takes_more_at_once() {
        let (mut mouth, feeder) = new(1, 96_000, Instant::now()).unwrap();
        assert_eq!(feeder.wanted(), 960);
        mouth.give(&mut [0.0_f32; 4000], Instant::now());
        mouth.give(&mut [0.0_f32; 500], Instant::now());
        assert_eq!(feeder.wanted(), 2480);
        mouth.give(&mut vec![0.0_f32; 1_000_000], Instant::now());
        assert_eq!(feeder.wanted(), ROOM - 960);
    }

    /// At any rate blocks are taken whole, to at least what may be wanted, and then refused whole.
    #[test]
    fn a_full_one_takes_nothing() {
        for rate in [8_000, 44_100, 48_000, 192_000, 384_000] {
            let (mut mouth, mut feeder) = new(1, rate, Instant::now()).unwrap();
            let written = std::iter::from_fn(|| feeder.write(&[0.1; BLOCK]).then_some(())).count();
            assert!((23..=25).contains(&written), "{written} blocks at {rate} Hz");
            assert!(feeder.queued() >= ROOM - 2 * BLOCK, "{} at {rate} Hz", feeder.queued());
            let queued = feeder.queued();
            assert!(!feeder.write(&[0.1; BLOCK]));
            assert_eq!(feeder.queued(), queued);
            mouth.give(&mut vec![0.0_f32; rate as usize / 25], Instant::now());
            assert!(feeder.write(&[0.1; BLOCK]));
        }
    }

    /// A second of 1 kHz at 44.1 kHz keeps its level.
    #[test]
    fn another_rate_is_converted() {
        let (mut mouth, mut feeder) = new(1, 44_100, Instant::now()).unwrap();
        let mut played = Vec::new();
        for block in 0..100 {
            let tone = |n| (std::f32::consts::TAU * (block * BLOCK + n) as f32 / 48.0).sin() / 2.0;
            assert!(feeder.write(&std::array::from_fn(tone)));
            if block > 1 {
                let mut fetched = [0.0_f32; 441];
                mouth.give(&mut fetched, Instant::now());
                played.extend(fetched);
            }
        }
        assert_eq!(feeder.missed(), 0);
        let level = crate::audio::level::level_of(&played[441..]);
        assert!((level + 9.0309).abs() < 0.02, "{level}");
    }

    proptest! {
        /// However the writer and the device take turns: what was written is played in order, each once, and the rest of
        /// what is fetched is silence that is counted.
        #[test]
        fn what_is_played_is_what_was_written(turns in prop::collection::vec((0_usize..4, 1_usize..3000), 1..60)) {
            let (mut mouth, mut feeder) = new(1, 48_000, Instant::now()).unwrap();
            let (mut written, mut silent) = (0_usize, 0_usize);
            let mut played = Vec::new();
            for (blocks, fetched) in turns {
                for _ in 0..blocks {
                    let block = std::array::from_fn(|n| (written + n + 1) as f32 / 1_048_576.0);
                    if feeder.write(&block) {
                        written += BLOCK;
                    }
                }
                let mut samples = vec![7.0_f32; fetched];
                mouth.give(&mut samples, Instant::now());
                silent += if written > 0 { samples.iter().filter(|&&sample| sample == 0.0).count() } else { 0 };
                played.extend(samples.into_iter().filter(|&sample| sample != 0.0));
            }
            let expected: Vec<f32> = (1..=played.len()).map(|n| n as f32 / 1_048_576.0).collect();
            prop_assert_eq!(&played, &expected);
            prop_assert_eq!(written, played.len() + feeder.queued());
            prop_assert_eq!(feeder.missed(), silent as u64);
        }
    }
}
