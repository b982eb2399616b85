//! Packets of sound that come unevenly, played evenly. Pure: packets with their arrivals in, blocks of 10 ms out.
//!
//! Sound is played with a delay behind the earliest that it could be, with which all but a few packets of the last ten
//! seconds would have come in time (`arrivals`): NetEQ's way. Where the delay is longer than it must be, or shorter than
//! it should be, sound is played a little faster or slower until it is right (`time_stretch`); thereby it follows a
//! sender's clock that runs differently, too.
//!
//! What is missing is taken from the next packet's FEC if that is here, and made up by Opus if not. While nothing at all
//! is here, the stream's clock stands still, so that packets that come late are played late, not thrown away. Where
//! timestamps jump and sequence numbers don't, the sender was silent (DTX), and nothing was lost.

use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;

use super::{
    BLOCK, Block, SAMPLE_RATE,
    opus::{Decoder, MAX_PACKET_SAMPLES, MIN_FRAME_SAMPLES, OpusError, fec_samples, samples, says_silence},
    time_stretch::{LENGTHEN_NEEDS, MAX_LAG, SHORTEN_NEEDS, lengthen, shorten},
};

mod arrivals;

use arrivals::Arrivals;

/// The delay lies within, in seconds; [`JitterBuffer::set_min_delay`] may ask for up to a second.
const MIN_DELAY: f64 = 0.02;
const MAX_DELAY: f64 = 0.5;
const MAX_MIN_DELAY: f64 = 1.0;
/// Until so many packets have come, nothing is known, and the delay is at least so long.
const KNOWN_AFTER: usize = 25;
const START_DELAY: f64 = 0.04;
/// The delay may be off by so much before sound is stretched. A period of most voices fits in between, so that no step
/// goes past the other end.
const TOO_SHORT: f64 = -0.0025;
const TOO_LONG: f64 = 0.010;
/// So much is the delay longer than it must be, lest the lower end and the clocks' drift within the window are too late.
const MARGIN: f64 = 0.005;
/// From so much on, stretching may be heard.
const HASTE: f64 = 0.1;
/// Blocks between two steps, and where there is haste (NetEQ: 5).
const STEP_PAUSE: u32 = 5;
const STEP_PAUSE_IN_HASTE: u32 = 2;
/// Sound that is so much too late is left out.
const SKIP: f64 = 1.0;
/// The most favourable of so many pulls tells when sound is taken: a device takes several blocks at once.
const PULLS: usize = 32;
/// A stream whose clock jumps by more (seconds), or whose sequence numbers do, has begun anew.
const MAX_JUMP: f64 = 2.0;
const MAX_SEQUENCE_JUMP: i64 = 3000;
/// Two seconds of the shortest packets.
const MAX_PACKETS: usize = 800;
const MAX_PAYLOAD: usize = 8192;
/// Packets all together: two seconds at Opus' highest rate, 510 kbit/s.
const MAX_BYTES: usize = 128 * 1024;
/// Made up sound fades from so many samples on (60 ms), and is gone after as many more (100 ms).
const FADE_AFTER: usize = 2880;
const FADE_OUT: f32 = 4800.0;
/// What follows comes back within 5 ms.
const FADE_IN: f32 = 240.0;
/// From this share of lost packets on it is worth waiting for the next packet and its FEC.
const FEC_FROM_LOSS: f64 = 0.005;
const RATE: f64 = SAMPLE_RATE as f64;
const BLOCK_SECONDS: f64 = BLOCK as f64 / RATE;

/// An RTP packet of Opus, as it came.
#[derive(Clone, Debug)]
pub struct SoundPacket {
    /// RTP's sequence number.
    pub sequence: u16,
    /// In samples at 48 kHz (RFC 7587 §4.1).
    pub rtp_timestamp: u32,
    /// One Opus packet.
    pub payload: Bytes,
    /// When it came, by the clock of [`JitterBuffer::pull`].
    pub arrived: Instant,
}

/// What became of a stream. Counts are from the beginning, the rest is as of now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct JitterStats {
    /// Packets that came, each once.
    pub packets: u64,
    /// Packets that did not come (RFC 3550 A.3: expected less received).
    pub lost: u64,
    /// Packets that came after the sound behind them had been played.
    pub late: u64,
    /// Packets that came again.
    pub duplicates: u64,
    /// Packets that came after one that was sent later.
    pub reordered: u64,
    /// Packets that are no Opus, or belong nowhere in the stream.
    pub damaged: u64,
    /// Times that the stream began anew: its clock or its sequence numbers jumped.
    pub restarts: u64,
    /// Samples that were made up without any data; 960 are a frame of 20 ms.
    pub concealed_samples: u64,
    /// Samples out of the next packet's FEC.
    pub recovered_samples: u64,
    /// Samples of silence that the sender did not send (DTX).
    pub silent_samples: u64,
    /// Samples that were played since the first packet was, of all kinds.
    pub played_samples: u64,
    /// Samples that stretching took out.
    pub removed_samples: u64,
    /// Samples that stretching put in.
    pub inserted_samples: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// How long after the earliest packet's arrival sound should be played.
    pub target_delay: Duration,
    /// And how long after it is.
    pub delay: Duration,
    /// Sound that is here and has not been played.
    pub buffered: Duration,
    /// By how many millionths the sender's clock is faster than the one of the arrivals; none until half a minute is
    /// known.
    pub drift_ppm: Option<f64>,
}

impl JitterStats {
    /// Frames of 20 ms that were made up without any data.
    #[must_use]
    pub const fn concealed_frames(&self) -> u64 {
        self.concealed_samples / super::FRAME as u64
    }

    /// Frames of 20 ms out of FEC.
    #[must_use]
    pub const fn recovered_frames(&self) -> u64 {
        self.recovered_samples / super::FRAME as u64
    }

    /// The share of what was played that was made up without any data, 0 to 1.
    #[must_use]
    pub fn concealed_share(&self) -> f64 {
        self.concealed_samples as f64 / self.played_samples.max(1) as f64
    }
}

/// The jitter buffer of one stream (SSRC), with its decoder.
#[derive(Debug)]
pub struct JitterBuffer {
    decoder: Decoder,
    /// Times are seconds since then.
    epoch: Option<Instant>,
    stream: Option<Stream>,
    arrivals: Arrivals,
    /// A packet that does not fit the stream: if the next one goes on from there, the stream has begun anew.
    stray: Option<(u16, u32)>,
    packets: BTreeMap<i64, Stored>,
    bytes: usize,
    /// The timestamp up to which sound is in `sound`; none before the first packet is played.
    next: Option<i64>,
    /// The last packet that was decoded.
    last_sequence: Option<i64>,
    /// The sender has said that it is silent.
    silent: bool,
    /// Sound that was played, at least [`MAX_LAG`], and from `at` on what will be.
    sound: Vec<f32>,
    at: usize,
    /// Samples at the end of `sound` and before that were made up while nothing was here and the stream's clock stood.
    held: usize,
    /// Samples made up since the last that were not.
    made_up: usize,
    gain: f32,
    pulls: u64,
    /// When each of the last blocks was taken, less the time of the blocks before it.
    calls: VecDeque<f64>,
    blocks_since_step: u32,
    min_delay: f64,
    playing: Option<u32>,
    /// The share of packets that were missing when they were to be played, of about the last hundred.
    missing: f64,
    fec_seen: bool,
    counted: JitterStats,
    /// Packets expected of streams before the last restart.
    expected_before: u64,
}

/// Where the newest packet stands. Sequence numbers and timestamps are counted on through their wraps, timestamps from
/// the first one.
#[derive(Debug)]
struct Stream {
    first_timestamp: u32,
    first_sequence: i64,
    newest_sequence: i64,
    newest_timestamp: i64,
    /// Which of the last 128 packets came: bit 0 is the newest.
    received: u128,
}

#[derive(Debug)]
struct Stored {
    timestamp: i64,
    samples: usize,
    payload: Bytes,
}

impl JitterBuffer {
    /// An empty buffer.
    ///
    /// # Errors
    ///
    /// libopus cannot start.
    pub fn new() -> Result<Self, OpusError> {
        Ok(Self {
            decoder: Decoder::new()?,
            epoch: None,
            stream: None,
            arrivals: Arrivals::default(),
            stray: None,
            packets: BTreeMap::new(),
            bytes: 0,
            next: None,
            last_sequence: None,
            silent: false,
            sound: vec![0.0; MAX_LAG],
            at: MAX_LAG,
            held: 0,
            made_up: 0,
            gain: 1.0,
            pulls: 0,
            calls: VecDeque::new(),
            blocks_since_step: 0,
            min_delay: 0.0,
            playing: None,
            missing: 0.0,
            fec_seen: false,
            counted: JitterStats::default(),
            expected_before: 0,
        })
    }

    /// Takes a packet in, in whatever order they come.
    pub fn push(&mut self, packet: SoundPacket) {
        let Ok(samples) = samples(&packet.payload) else {
            self.counted.damaged += 1;
            return;
        };
        if packet.payload.len() > MAX_PAYLOAD {
            self.counted.damaged += 1;
            return;
        }
        let at = self.seconds(packet.arrived);
        let Some((sequence, timestamp)) = self.place(&packet, at) else {
            self.counted.damaged += 1;
            return;
        };
        let late = at - timestamp as f64 / RATE;
        let Some(stream) = &mut self.stream else { return };
        let newer = sequence - stream.newest_sequence;
        if newer > 0 {
            stream.received = stream.received.checked_shl(newer as u32).unwrap_or(0) | 1;
            (stream.newest_sequence, stream.newest_timestamp) = (sequence, timestamp);
        } else {
            let bit = 1_u128.checked_shl((-newer) as u32).unwrap_or(0);
            if stream.received & bit != 0 {
                self.counted.duplicates += 1;
                return;
            }
            stream.received |= bit;
            if newer < 0 {
                self.counted.reordered += 1;
            }
        }
        stream.first_sequence = stream.first_sequence.min(sequence);
        self.counted.packets += 1;
        self.arrivals.push(at, late);
        let over = self.next.is_some_and(|next| timestamp + samples as i64 <= next);
        if over || self.last_sequence.is_some_and(|last| sequence <= last) {
            self.counted.late += 1;
            return;
        }
        self.fec_seen |= fec_samples(&packet.payload) > 0;
        self.bytes += packet.payload.len();
        if let Some(before) = self.packets.insert(sequence, Stored { timestamp, samples, payload: packet.payload }) {
            self.bytes -= before.payload.len();
        }
        while self.packets.len() > MAX_PACKETS || self.bytes > MAX_BYTES {
            self.take_first();
        }
    }

    /// The next 10 ms. `now` is the time of the call, by the clock of [`SoundPacket::arrived`]; what a device takes until
    /// it is heard comes on top of that.
    pub fn pull(&mut self, now: Instant) -> Block {
        let now = self.seconds(now);
        self.calls.push_back(now - self.pulls as f64 * BLOCK_SECONDS);
        if self.calls.len() > PULLS {
            self.calls.pop_front();
        }
        self.blocks_since_step = self.blocks_since_step.saturating_add(1);
        if self.next.is_none() {
            self.begin(now);
        }
        if self.next.is_some() {
            self.follow_target();
            while self.ready() < BLOCK {
                self.produce();
            }
            self.counted.played_samples += BLOCK as u64;
        } else if self.counted.played_samples > 0 {
            self.make_up(BLOCK, false);
        } else {
            self.sound.resize(self.at + BLOCK, 0.0);
        }
        self.playing = match (self.position(), &self.stream) {
            (Some(position), Some(stream)) if self.held == 0 => {
                Some(stream.first_timestamp.wrapping_add(position as u32))
            }
            _ => None,
        };
        let mut block = [0.0; BLOCK];
        block.copy_from_slice(&self.sound[self.at..self.at + BLOCK]);
        self.at += BLOCK;
        // What was played is kept only as far back as stretching reaches.
        self.sound.drain(..self.at - MAX_LAG);
        self.at = MAX_LAG;
        self.pulls += 1;
        block
    }

    /// The RTP timestamp of the first sample of the block that was pulled last. None: it is not from the stream.
    #[must_use]
    pub const fn playing(&self) -> Option<u32> {
        self.playing
    }

    /// Plays with at least so much delay (at most a second): the picture is later, say.
    pub fn set_min_delay(&mut self, delay: Duration) {
        self.min_delay = delay.as_secs_f64().min(MAX_MIN_DELAY);
    }

    /// What became of the stream so far.
    #[must_use]
    pub fn stats(&self) -> JitterStats {
        let seconds = |seconds: f64| Duration::from_secs_f64(seconds.clamp(0.0, 1e6));
        let expected = self.stream.as_ref().map_or(0, Stream::expected) + self.expected_before;
        let waiting: usize = self.packets.values().map(|packet| packet.samples).sum();
        JitterStats {
            lost: expected.saturating_sub(self.counted.packets),
            jitter: seconds(self.arrivals.jitter()),
            target_delay: seconds(self.target()),
            delay: seconds(self.delay().unwrap_or(0.0)),
            buffered: seconds((waiting + self.ready()) as f64 / RATE),
            drift_ppm: self.arrivals.drift_ppm(),
            ..self.counted
        }
    }

    /// Where in the stream a packet belongs. None: nowhere.
    fn place(&mut self, packet: &SoundPacket, at: f64) -> Option<(i64, i64)> {
        let Some(stream) = &self.stream else {
            self.start(packet);
            return Some((packet.sequence.into(), 0));
        };
        // The nearer way around a wrap is the one that was meant.
        let step = packet.sequence.wrapping_sub(stream.newest_sequence as u16).cast_signed();
        let newest = stream.first_timestamp.wrapping_add(stream.newest_timestamp as u32);
        let leap = packet.rtp_timestamp.wrapping_sub(newest).cast_signed();
        let place = (stream.newest_sequence + i64::from(step), stream.newest_timestamp + i64::from(leap));
        let late = at - place.1 as f64 / RATE;
        let fits = self.arrivals.last().is_none_or(|last| (late - last).abs() < MAX_JUMP);
        if fits && i64::from(step).abs() < MAX_SEQUENCE_JUMP {
            self.stray = None;
            return Some(place);
        }
        // As RFC 3550 A.1: two packets in a row that go on from one another are a sender that began anew.
        let before = self.stray.replace((packet.sequence, packet.rtp_timestamp));
        let goes_on = before.is_some_and(|(sequence, timestamp)| {
            let leap = packet.rtp_timestamp.wrapping_sub(timestamp);
            packet.sequence == sequence.wrapping_add(1) && leap < SAMPLE_RATE
        });
        if !goes_on {
            return None;
        }
        self.restart();
        self.start(packet);
        Some((packet.sequence.into(), 0))
    }

    fn start(&mut self, packet: &SoundPacket) {
        let sequence = i64::from(packet.sequence);
        self.stream = Some(Stream {
            first_timestamp: packet.rtp_timestamp,
            first_sequence: sequence,
            newest_sequence: sequence,
            newest_timestamp: 0,
            received: 0,
        });
    }

    /// Forgets the stream, not what was counted. What is in `sound` is played still.
    fn restart(&mut self) {
        self.expected_before += self.stream.take().map_or(0, |stream| stream.expected());
        self.counted.restarts += 1;
        self.arrivals = Arrivals::default();
        self.stray = None;
        self.packets.clear();
        self.bytes = 0;
        self.next = None;
        self.last_sequence = None;
        self.silent = false;
        self.held = 0;
    }

    /// Begins to play once the first packet has waited for the delay.
    fn begin(&mut self, now: f64) {
        let Some(first) = self.packets.first_key_value().map(|(_, packet)| packet.timestamp) else { return };
        if now - first as f64 / RATE >= self.arrivals.earliest() + self.target() {
            self.next = Some(first);
        }
    }

    /// The delay that is wanted, in seconds behind the earliest arrival.
    fn target(&self) -> f64 {
        let floor = if self.arrivals.len() < KNOWN_AFTER { START_DELAY } else { MIN_DELAY };
        // FEC is in the packet that comes next.
        let next = if self.fec_seen && self.missing > FEC_FROM_LOSS { 2.0 * BLOCK_SECONDS } else { 0.0 };
        // A block may end within the packet that comes next, which must be here a block earlier then.
        let needed = self.arrivals.spread() + BLOCK_SECONDS + MARGIN;
        (needed + next).clamp(floor, MAX_DELAY).max(self.min_delay)
    }

    /// The delay with which the next block is played, in seconds behind the earliest arrival.
    fn delay(&self) -> Option<f64> {
        let call = self.calls.iter().copied().fold(f64::INFINITY, f64::min);
        let played = self.pulls as f64 * BLOCK_SECONDS;
        let position = self.position()? as f64 / RATE;
        Some(call + played - position - self.arrivals.earliest())
    }

    /// The timestamp of the next sample to be played.
    fn position(&self) -> Option<i64> {
        self.next.map(|next| next + self.held as i64 - self.ready() as i64)
    }

    fn ready(&self) -> usize {
        self.sound.len() - self.at
    }

    /// Makes sound shorter or longer where the delay is not what it should be.
    fn follow_target(&mut self) {
        let Some(error) = self.error() else { return };
        if error > SKIP {
            return self.skip(error);
        }
        if self.held > 0 || (TOO_SHORT..=TOO_LONG).contains(&error) {
            return;
        }
        let haste = error.abs() > HASTE;
        if self.blocks_since_step < if haste { STEP_PAUSE_IN_HASTE } else { STEP_PAUSE } {
            return;
        }
        let most = ((error - if error > 0.0 { TOO_SHORT } else { TOO_LONG }).abs() * RATE) as usize;
        let changed = if error > 0.0 {
            while self.ready() < SHORTEN_NEEDS && self.next_is_here() {
                self.produce();
            }
            let removed = shorten(&mut self.sound, self.at, most, haste);
            self.counted.removed_samples += removed as u64;
            removed
        } else {
            while self.ready() < LENGTHEN_NEEDS && self.next_is_here() {
                self.produce();
            }
            let inserted = lengthen(&mut self.sound, self.at, most, haste);
            self.counted.inserted_samples += inserted as u64;
            inserted
        };
        if changed > 0 {
            self.blocks_since_step = 0;
        }
    }

    /// By how many seconds the delay is longer than it should be.
    fn error(&self) -> Option<f64> {
        self.delay().map(|delay| delay - self.target())
    }

    /// Leaves out what is too late by far, whole packets of it.
    fn skip(&mut self, error: f64) {
        let Some(next) = self.next else { return };
        let to = next + (error * RATE) as i64;
        while self.packets.len() > 1 && self.packets.first_key_value().is_some_and(|(_, first)| first.timestamp < to) {
            self.take_first();
        }
        let Some((sequence, first)) = self.packets.first_key_value() else { return };
        if first.timestamp > next {
            self.counted.removed_samples += first.timestamp.abs_diff(next);
            (self.next, self.last_sequence) = (Some(first.timestamp), Some(sequence - 1));
            self.held = 0;
            self.gain = 0.0;
        }
    }

    /// Whether the sound that comes next need not be made up.
    fn next_is_here(&self) -> bool {
        let next = self.next.unwrap_or_default();
        self.packets.first_key_value().is_some_and(|(_, first)| first.timestamp <= next)
    }

    fn take_first(&mut self) -> Option<(i64, Stored)> {
        let (sequence, packet) = self.packets.pop_first()?;
        self.bytes -= packet.payload.len();
        Some((sequence, packet))
    }

    /// Appends some sound to what is ready: at least a sample, at most a packet.
    fn produce(&mut self) {
        let Some(next) = self.next else { return };
        while self.packets.first_key_value().is_some_and(|(_, first)| first.timestamp + first.samples as i64 <= next) {
            self.take_first();
            self.counted.late += 1;
        }
        let Some((sequence, first)) = self.packets.first_key_value() else {
            self.make_up(BLOCK, self.silent);
            self.held += BLOCK;
            return;
        };
        let was_silence = self.last_sequence.is_none_or(|last| *sequence == last + 1);
        let mut gap = usize::try_from(first.timestamp - next).unwrap_or(0);
        // What was made up while nothing was here stands for what is missing.
        let covered = gap.min(std::mem::take(&mut self.held));
        if covered > 0 {
            self.next = Some(next + covered as i64);
            gap -= covered;
            if was_silence && !self.silent {
                self.counted.concealed_samples = self.counted.concealed_samples.saturating_sub(covered as u64);
                self.counted.silent_samples += covered as u64;
            }
        }
        if gap == 0 {
            self.decode();
        } else if was_silence {
            self.be_silent(gap);
        } else {
            self.fill(gap);
        }
    }

    /// A part of the silence before the next packet: as long as it is good for the delay.
    fn be_silent(&mut self, gap: usize) {
        let error = self.error().unwrap_or(0.0);
        let part = gap.min(BLOCK);
        let mut passed = part;
        if error > TOO_LONG {
            let left_out = (gap - part).min((error * RATE) as usize);
            passed += left_out;
            self.counted.removed_samples += left_out as u64;
        } else if error < TOO_SHORT {
            passed = 0;
            self.counted.inserted_samples += part as u64;
        }
        self.next = self.next.map(|next| next + passed as i64);
        self.make_up(part, true);
    }

    /// A part of a gap that packets have left which were lost.
    fn fill(&mut self, gap: usize) {
        let Some((_, packet)) = self.packets.first_key_value() else { return };
        let fec = fec_samples(&packet.payload);
        let before = self.sound.len();
        let recovered = fec > 0 && gap <= fec && {
            self.decoder.decode_fec(&packet.payload, fec, &mut self.sound).is_ok() && self.sound.len() > before
        };
        if recovered {
            // Where a part had been made up before it came, the whole is played all the same: the delay grows by that.
            self.next = self.next.map(|next| next + gap as i64);
            self.counted.recovered_samples += (self.sound.len() - before) as u64;
            self.made_up = 0;
            self.fade_in(before);
        } else {
            let part = if gap > fec { (gap - fec).min(BLOCK) } else { gap.min(BLOCK) };
            self.next = self.next.map(|next| next + part as i64);
            self.make_up(part, false);
        }
    }

    fn decode(&mut self) {
        let (Some(next), Some((sequence, packet))) = (self.next, self.take_first()) else { return };
        let before = self.sound.len();
        match self.decoder.decode(&packet.payload, &mut self.sound) {
            Ok(()) => {
                let over = usize::try_from(next - packet.timestamp).unwrap_or(0);
                self.sound.drain(before..(before + over).min(self.sound.len()));
                self.made_up = 0;
                self.fade_in(before);
                self.silent = says_silence(&packet.payload);
                if self.silent {
                    self.counted.silent_samples += (self.sound.len() - before) as u64;
                }
            }
            Err(_) => {
                self.counted.damaged += 1;
                self.make_up(packet.samples, false);
            }
        }
        self.next = Some(packet.timestamp + packet.samples as i64);
        let missing = self.last_sequence.map_or(0, |last| (sequence - last - 1).clamp(0, 50));
        for _ in 0..missing {
            self.missing += (1.0 - self.missing) / 100.0;
        }
        self.missing -= self.missing / 100.0;
        self.last_sequence = Some(sequence);
    }

    /// Appends made up sound: the silence's noise where the sender is silent, else what Opus thinks up, which fades.
    fn make_up(&mut self, wanted: usize, silence: bool) {
        let before = self.sound.len();
        // Opus makes up whole multiples of its shortest frame.
        let whole = wanted.next_multiple_of(MIN_FRAME_SAMPLES).clamp(MIN_FRAME_SAMPLES, MAX_PACKET_SAMPLES);
        let gone = !silence && self.gain == 0.0;
        if !gone && let Err(error) = self.decoder.conceal(whole, &mut self.sound) {
            tracing::debug!(%error, "sound could not be made up");
        }
        self.sound.resize(before + wanted, 0.0);
        if silence {
            self.counted.silent_samples += wanted as u64;
            self.fade_in(before);
            return;
        }
        if self.next.is_some() {
            self.counted.concealed_samples += wanted as u64;
        }
        for sample in &mut self.sound[before..] {
            self.made_up += 1;
            if self.made_up > FADE_AFTER {
                self.gain = (self.gain - 1.0 / FADE_OUT).max(0.0);
            }
            *sample *= self.gain;
        }
    }

    /// What follows made up sound that has faded comes back softly.
    fn fade_in(&mut self, from: usize) {
        for sample in &mut self.sound[from..] {
            if self.gain >= 1.0 {
                return;
            }
            self.gain = (self.gain + 1.0 / FADE_IN).min(1.0);
            *sample *= self.gain;
        }
    }

    fn seconds(&mut self, at: Instant) -> f64 {
        let epoch = *self.epoch.get_or_insert(at);
        match at.checked_duration_since(epoch) {
            Some(after) => after.as_secs_f64(),
            None => -epoch.saturating_duration_since(at).as_secs_f64(),
        }
    }
}

impl Stream {
    fn expected(&self) -> u64 {
        (self.newest_sequence - self.first_sequence).unsigned_abs() + 1
    }
}

#[cfg(test)]
mod tests;
