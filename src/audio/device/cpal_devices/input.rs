//! From a microphone's thread to its reader.

use super::super::ROOM;
use super::at_48k;
use super::format::{self, Reading, to_mono};
use crate::audio::resampler::{RateError, Resampler};
use crate::audio::{BLOCK, Block, SAMPLE_RATE};
use cpal::{Data, FromSample, SizedSample};
use rtrb::{Consumer, Producer, RingBuffer};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// How many times the device may bring something before the reader looks; where it is more, times are less exact.
const MARKS: usize = 512;

/// When a sample was at the microphone.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// Which: so many lie before it.
    position: u64,
    at: Instant,
}

/// The half that the device's thread has. It never waits, and sets no memory aside.
pub(super) struct Ear {
    channels: usize,
    samples: Producer<f32>,
    marks: Producer<Mark>,
    position: u64,
    dropped: Arc<AtomicU64>,
}

/// The half that the reader has.
pub(super) struct Listener {
    rate: u32,
    samples: Consumer<f32>,
    marks: Consumer<Mark>,
    last: Option<Mark>,
    resampler: Resampler,
    /// At 48 kHz, from `start` on.
    ready: Vec<f32>,
    start: usize,
    /// Samples at 48 kHz that were given away.
    given: u64,
    dropped: Arc<AtomicU64>,
}

pub(super) fn new(channels: u16, rate: u32) -> Result<(Ear, Listener), RateError> {
    let resampler = Resampler::new(rate, SAMPLE_RATE)?;
    let room = super::output::room(rate);
    let (samples_in, samples) = RingBuffer::new(room);
    let (marks_in, marks) = RingBuffer::new(MARKS);
    let dropped = Arc::new(AtomicU64::new(0));
    let ear = Ear {
        channels: usize::from(channels).max(1),
        samples: samples_in,
        marks: marks_in,
        position: 0,
        dropped: dropped.clone(),
    };
    let listener = Listener {
        rate,
        samples,
        marks,
        last: None,
        resampler,
        ready: Vec::with_capacity(2 * ROOM),
        start: 0,
        given: 0,
        dropped,
    };
    Ok((ear, listener))
}

impl Ear {
    /// Takes what the device brings; `first` is when its first sample was at the microphone.
    pub(super) fn hear(&mut self, data: &Data, first: Instant) {
        format::read(data, &mut Hearing { ear: self, first });
    }

    fn take<T: SizedSample>(&mut self, samples: &[T], first: Instant)
    where
        f32: FromSample<T>,
    {
        let frames = samples.chunks_exact(self.channels);
        let here = frames.len();
        let fit = here.min(self.samples.slots());
        self.dropped.fetch_add((here - fit) as u64, Ordering::Relaxed);
        // The mark goes first, so that no sample is seen without one.
        if fit > 0
            && let Ok(chunk) = self.samples.write_chunk_uninit(fit)
        {
            let _ = self.marks.push(Mark { position: self.position, at: first });
            self.position += chunk.fill_from_iter(frames.map(to_mono)) as u64;
        }
    }
}

struct Hearing<'a> {
    ear: &'a mut Ear,
    first: Instant,
}

impl Reading for Hearing<'_> {
    fn read<T: SizedSample>(&mut self, samples: &[T])
    where
        f32: FromSample<T>,
    {
        self.ear.take(samples, self.first);
    }
}

impl Listener {
    /// The next 10 ms, with the moment when their first sample was at the microphone.
    pub(super) fn read(&mut self) -> Option<(Block, Instant)> {
        if self.ready.len() - self.start < BLOCK {
            self.fetch();
        }
        let block: Block = *self.ready.get(self.start..)?.first_chunk()?;
        let at = self.time();
        self.start += BLOCK;
        self.given += BLOCK as u64;
        at.map(|at| (block, at))
    }

    /// Takes over what the device has brought.
    fn fetch(&mut self) {
        self.ready.drain(..self.start);
        self.start = 0;
        let count = self.samples.slots();
        if let Ok(chunk) = self.samples.read_chunk(count) {
            let (head, tail) = chunk.as_slices();
            self.resampler.push(head, &mut self.ready);
            self.resampler.push(tail, &mut self.ready);
            chunk.commit_all();
        }
    }

    /// When the next sample to be given was at the microphone, by the last mark before it.
    fn time(&mut self) -> Option<Instant> {
        let delay = self.resampler.delay() as f64;
        let position = (self.given as f64 - delay) * f64::from(self.rate) / f64::from(SAMPLE_RATE);
        while let Ok(mark) = self.marks.peek() {
            // What lies before the first sample, by the filter's delay, goes by the first mark.
            if self.last.is_some() && mark.position as f64 > position {
                break;
            }
            self.last = self.marks.pop().ok();
        }
        let mark = self.last?;
        let off = (position - mark.position as f64) / f64::from(self.rate);
        let away = Duration::try_from_secs_f64(off.abs()).unwrap_or_default();
        if off < 0.0 { mark.at.checked_sub(away) } else { mark.at.checked_add(away) }
    }

    pub(super) fn dropped(&self) -> u64 {
        at_48k(self.dropped.load(Ordering::Relaxed), self.rate)
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::duration_of;
    use super::*;
    use proptest::prelude::*;

    const TEN: Duration = Duration::from_millis(10);

    fn near(a: Instant, b: Instant) -> bool {
        a.max(b) - a.min(b) < Duration::from_micros(1)
    }

    #[test]
    fn stereo_becomes_mono_with_its_time() {
        let start = Instant::now();
        let (mut ear, mut listener) = new(2, 48_000).unwrap();
        assert_eq!(listener.read(), None);
        let stereo: Vec<i16> = (0..600).flat_map(|n| [n * 16, n * 48]).collect();
        ear.take(&stereo, start);
        let (block, at) = listener.read().unwrap();
        assert_eq!((block, at), (std::array::from_fn(|n| n as f32 / 1024.0), start));
        assert_eq!(listener.read(), None, "120 are no block");
        ear.take(&stereo, start + Duration::from_micros(12_500));
        let (block, at) = listener.read().unwrap();
        assert_eq!((block[0], block[120]), (480.0 / 1024.0, 0.0));
        assert!(near(at, start + TEN));
    }

    /// The device pauses for a second: the times jump with it, not before.
    #[test]
    fn a_gap_shows_in_the_times() {
        let start = Instant::now();
        let (mut ear, mut listener) = new(1, 48_000).unwrap();
        ear.take(&[0.0_f32; 960], start);
        ear.take(&[0.0_f32; 960], start + TEN * 100);
        let times: Vec<_> = std::iter::from_fn(|| listener.read()).map(|(_, at)| at).collect();
        let expected = [start, start + TEN, start + TEN * 100, start + TEN * 101];
        assert!(times.len() == 4 && times.iter().zip(expected).all(|(&at, expected)| near(at, expected)), "{times:?}");
    }

    #[test]
    fn what_nobody_reads_in_time_is_dropped_and_counted() {
        let start = Instant::now();
        let (mut ear, mut listener) = new(1, 96_000).unwrap();
        for n in 0..100 {
            ear.take(&[0.5_f32; 960], start + TEN * n);
        }
        // 96,000 came, 24,001 fit: half of the rest at 48 kHz.
        assert_eq!(listener.dropped(), 35_999);
        let old = std::iter::from_fn(|| listener.read()).count();
        assert!((23..=25).contains(&old), "{old}");
        ear.take(&[0.5_f32; 9600], start + TEN * 100);
        let (_, at) = std::iter::from_fn(|| listener.read()).last().unwrap();
        assert!(at > start + TEN * 100, "the newest are there again, with their own time");
    }

    /// A click 20 ms after the start is there by its block's time, whatever the resampler's delay.
    #[test]
    fn another_rate_keeps_the_times() {
        for rate in [16_000, 44_100, 96_000] {
            let start = Instant::now();
            let (mut ear, mut listener) = new(1, rate).unwrap();
            let ten = rate as usize / 100;
            let mut sound = vec![0.0_f32; ten * 10];
            sound[ten * 2] = 1.0;
            let mut click = None;
            for (n, piece) in sound.chunks(ten).enumerate() {
                ear.take(piece, start + TEN * n as u32);
                while let Some((block, at)) = listener.read() {
                    let peak = (0..BLOCK).max_by(|&a, &b| block[a].total_cmp(&block[b])).unwrap();
                    if block[peak] > 0.25 {
                        click = Some(at + Duration::from_secs_f64(peak as f64 / 48_000.0));
                    }
                }
            }
            let off = click.unwrap().saturating_duration_since(start).as_secs_f64() - 0.020;
            assert!(off.abs() < 40e-6, "{rate} Hz: off by {off} s");
        }
    }

    proptest! {
        /// However the device and the reader take turns: every sample comes once, in order, at its time, or is counted as
        /// dropped.
        #[test]
        fn no_sample_is_lost_in_silence(turns in prop::collection::vec((1_usize..3000, 0_usize..12), 1..60)) {
            let start = Instant::now();
            let (mut ear, mut listener) = new(1, 48_000).unwrap();
            let (mut heard, mut read) = (0_usize, 0_usize);
            // Each sample has its own number, as exact as f32 has it.
            let number = |n: usize| n as f32 / 1_048_576.0;
            for (brought, reads) in turns {
                let samples: Vec<f32> = (heard..heard + brought).map(number).collect();
                ear.take(&samples, start + duration_of(heard as u64));
                heard += brought;
                for _ in 0..reads {
                    let Some((block, at)) = listener.read() else { break };
                    read += BLOCK;
                    prop_assert!(block.windows(2).all(|pair| pair[0] < pair[1]), "in order");
                    let first = (f64::from(block[0]) * 1_048_576.0).round() as u64;
                    prop_assert!(near(at, start + duration_of(first)), "sample {} has the time {:?}", first, at - start);
                }
            }
            read += std::iter::from_fn(|| listener.read()).count() * BLOCK;
            let lost = heard - read;
            prop_assert!(lost as u64 >= listener.dropped());
            prop_assert!((lost as u64 - listener.dropped()) < BLOCK as u64, "{} lost, {} told", lost, listener.dropped());
        }
    }
}
