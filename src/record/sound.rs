//! The Opus track of a recording: when each packet is played. Pure.
//!
//! Pictures and sound count time from origins of their own. What joins them are the sender's reports, which give both
//! a time on one clock, and until these have come the moments of arrival. Packets follow each other by their own
//! timestamps; where the reports say that these have run ahead or behind, as a sound card's clock does, the track
//! follows in steps that nobody hears.
//!
//! The track has no holes: what was lost or never sent is silence. Readers that play one packet after the other,
//! whatever its time, stay in step too.

use std::time::{Duration, Instant};

use super::{Fragment, boxes};

/// Ticks in a second of the sound's timestamps (RFC 7587 §4.1).
pub(super) const CLOCK: u32 = 48_000;
/// The longest packet that is recorded, in bytes: more does not come in one datagram.
pub(crate) const MAX_PACKET_BYTES: usize = 1500;
/// The encoder is silent with packets of this length: they need not be sent (`opus_encode` in libopus' `opus.h`).
const MAX_SILENT_BYTES: usize = 2;
/// Opus has no longer packets than 120 ms (RFC 6716 §3.2.5).
const MAX_DURATION: u32 = CLOCK * 120 / 1000;
/// A packet that holds 20 ms of silence: CELT, full band, mono, with its silence flag (RFC 6716 §3.1 and §4.3).
const SILENCE: [u8; 3] = [0xf8, 0xff, 0xfe];
const SILENCE_TICKS: u32 = CLOCK / 50;
/// A hole is filled with no more silence than this, in ticks; a longer one, which only a stopped picture or a wild
/// clock makes, begins with a sample that lasts for the rest.
const MAX_SILENCE: u64 = 3 * CLOCK as u64;
/// Sound that is further than this from its place is put there at once.
const REPLACE: u64 = CLOCK as u64 * 40 / 1000;
/// Otherwise it goes there by a part of the way with each packet,
const SLEW_PART: i64 = 32;
/// and by no more ticks than these: half a millisecond.
const MAX_SLEW: i64 = CLOCK as i64 / 2000;
/// Arrival and the sender's reports differ by less than this, or the reports are not believed.
const MAX_SKEW: u64 = 5 * CLOCK as u64;
/// A step between two timestamps that is longer than this is a jump of the clock and no time.
const MAX_STEP: i32 = 60 * CLOCK as i32;
/// A packet that is older than another by no more than this has come late, or again.
const MAX_LATE: i32 = 2 * CLOCK as i32;
/// So far behind the pictures sound may still come, in ticks. What is missing before is silence.
const PATIENCE: u64 = CLOCK as u64;

/// When something was captured, as far as this is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// When it came.
    pub(crate) arrived: Instant,
    /// When it was captured by the sender's clock.
    pub(crate) sender_time: Option<Duration>,
}

/// From one moment to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Offset {
    /// In 1/48000 s.
    pub(crate) ticks: i64,
    /// By the sender's clock, and not by when they came.
    pub(crate) exact: bool,
}

impl Moment {
    /// How much later it is than another.
    pub(crate) fn since(self, other: Self) -> Offset {
        let came = match self.arrived.checked_duration_since(other.arrived) {
            Some(later) => ticks(later),
            None => -ticks(other.arrived.saturating_duration_since(self.arrived)),
        };
        let sent = self.sender_time.zip(other.sender_time).map(|(own, other)| match own.checked_sub(other) {
            Some(later) => ticks(later),
            None => -ticks(other.saturating_sub(own)),
        });
        match sent {
            Some(sent) if sent.abs_diff(came) <= MAX_SKEW => Offset { ticks: sent, exact: true },
            _ => Offset { ticks: came, exact: false },
        }
    }
}

fn ticks(time: Duration) -> i64 {
    i64::try_from(time.as_nanos().saturating_mul(CLOCK.into()) / 1_000_000_000).unwrap_or(i64::MAX)
}

/// A packet of sound.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoundPacket<'a> {
    /// Opus.
    pub(crate) data: &'a [u8],
    /// Which stream it belongs to: another one begins with other timestamps.
    pub(crate) ssrc: u32,
    /// In 1/48000 s from any origin; wraps.
    pub(crate) timestamp: u32,
    /// How much later it was captured than the newest picture of the recording.
    pub(crate) since_picture: Offset,
}

/// What a player makes of the sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channels {
    Mono,
    Stereo,
}

impl Channels {
    /// Of a packet (RFC 6716 §3.1).
    pub(crate) fn of(packet: &[u8]) -> Self {
        if packet.first().is_some_and(|toc| toc & 4 != 0) { Self::Stereo } else { Self::Mono }
    }

    pub(super) const fn count(self) -> u8 {
        match self {
            Self::Mono => 1,
            Self::Stereo => 2,
        }
    }
}

/// How many samples of 48 kHz a packet has (RFC 6716 §3.1 and §3.2.5); [`None`]: it is no Opus.
fn duration(packet: &[u8]) -> Option<u32> {
    let &toc = packet.first()?;
    let frame = match (toc >> 3, toc >> 3 & 3) {
        (0..12, size) => [480, 960, 1920, 2880][usize::from(size)],
        (12..16, size) => [480, 960][usize::from(size & 1)],
        (_, size) => [120, 240, 480, 960][usize::from(size)],
    };
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(packet.get(1)? & 0x3f),
    };
    Some(frame * frames).filter(|samples| (1..=MAX_DURATION).contains(samples))
}

/// The track, with what of it is not in the file yet. Times count its ticks from the first picture.
#[derive(Debug)]
pub(super) struct SoundTrack {
    fragment: Fragment,
    /// When the newest sample ends: its duration is its own until another one follows.
    end: u64,
    newest: Option<Placed>,
}

/// The newest packet that has a place.
#[derive(Debug, Clone, Copy)]
struct Placed {
    ssrc: u32,
    timestamp: u32,
    time: i64,
}

/// Where a packet follows the newest one.
enum Follows {
    At(i64),
    /// It should have come before.
    Late,
    /// By its timestamp alone this cannot be said.
    Unknown,
}

impl SoundTrack {
    pub(super) fn new() -> Self {
        Self { fragment: Fragment::default(), end: 0, newest: None }
    }

    /// Gives a packet its time, while the newest picture is shown at `picture`; [`None`] for one that is left out: it
    /// has come too late or again, holds nothing, or was captured before the first picture.
    pub(super) fn place(&self, packet: &SoundPacket<'_>, picture: u64) -> Option<Place> {
        let duration = duration(packet.data)?;
        if packet.data.len() <= MAX_SILENT_BYTES || packet.data.len() > MAX_PACKET_BYTES {
            return None;
        }
        let picture = i64::try_from(picture).unwrap_or(i64::MAX);
        let Offset { ticks, exact } = packet.since_picture;
        let wanted = picture.saturating_add(ticks);
        let time = match self.newest.map_or(Follows::Unknown, |newest| newest.followed_by(packet)) {
            Follows::Late => return None,
            Follows::Unknown => wanted,
            Follows::At(time) => {
                let error = wanted.saturating_sub(time);
                if error.unsigned_abs() > if exact { REPLACE } else { MAX_SKEW } {
                    wanted
                } else if exact {
                    time.saturating_add((error / SLEW_PART).clamp(-MAX_SLEW, MAX_SLEW))
                } else {
                    time
                }
            }
        };
        Some(Place { time: self.after_others(time, duration)?, duration })
    }

    /// The time, or the earliest one near it at which no other sample is played.
    fn after_others(&self, time: i64, duration: u32) -> Option<u64> {
        let time = u64::try_from(time).ok()?;
        // One that is in the file keeps its duration.
        let give = if self.fragment.samples.is_empty() { 0 } else { MAX_SLEW.unsigned_abs() };
        let earliest = self.end.saturating_sub(give);
        // Less than half of it in the wrong place is no reason to leave it out.
        (time.saturating_add(u64::from(duration / 2)) >= earliest).then_some(time.max(earliest))
    }

    /// Puts silence before a time where there is nothing yet; false when the fragment is full before.
    pub(super) fn fill(&mut self, time: u64) -> bool {
        while self.end.saturating_add(SILENCE_TICKS.into()) <= time {
            if self.is_full() {
                return false;
            }
            let rest = (time - self.end).saturating_sub(MAX_SILENCE);
            let duration = u32::try_from(rest).unwrap_or(u32::MAX).max(SILENCE_TICKS);
            self.push(&SILENCE, Place { time: self.end, duration });
        }
        !self.is_full()
    }

    /// Puts silence where sound would have come by now, if there was any. What a full fragment has no room for comes
    /// into the next one.
    pub(super) fn give_up(&mut self, picture: u64) {
        let _ = self.fill(picture.saturating_sub(PATIENCE));
    }

    /// No more sound comes, and the last picture is shown then: a track that is too short or empty puzzles players.
    pub(super) fn end_at(&mut self, picture: u64) {
        let _ = self.fill(picture);
    }

    /// Adds a packet in its [place](Self::place), once what is before that is [filled](Self::fill).
    pub(super) fn add(&mut self, packet: &SoundPacket<'_>, place: Place) {
        self.push(packet.data, place);
        self.newest = Some(Placed {
            ssrc: packet.ssrc,
            timestamp: packet.timestamp,
            time: i64::try_from(place.time).unwrap_or(i64::MAX),
        });
    }

    fn push(&mut self, data: &[u8], Place { time, duration }: Place) {
        match self.fragment.samples.last_mut() {
            Some(last) if time < self.end => {
                last.duration = last.duration.saturating_sub((self.end - time) as u32).max(1);
            }
            Some(last) => {
                let gap = u32::try_from(time - self.end).unwrap_or(u32::MAX);
                last.duration = last.duration.saturating_add(gap);
            }
            None => self.fragment.begins = time,
        }
        self.fragment.samples.push(boxes::Sample { size: data.len() as u32, duration, keyframe: true });
        self.fragment.data.extend_from_slice(data);
        self.end = time.saturating_add(duration.into());
    }

    fn is_full(&self) -> bool {
        // Pictures, or their absence, say when it is long enough.
        self.fragment.is_full(self.fragment.begins, MAX_PACKET_BYTES)
    }

    /// How much waits to be written, in ticks.
    pub(super) fn waits(&self) -> u64 {
        if self.fragment.samples.is_empty() { 0 } else { self.end.saturating_sub(self.fragment.begins) }
    }

    /// When the newest sample ends.
    pub(super) const fn end(&self) -> u64 {
        self.end
    }

    /// What is to be written.
    pub(super) fn take(&mut self) -> Fragment {
        std::mem::take(&mut self.fragment)
    }
}

/// When a packet is played, in ticks, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) time: u64,
    pub(super) duration: u32,
}

impl Placed {
    fn followed_by(&self, packet: &SoundPacket<'_>) -> Follows {
        if packet.ssrc != self.ssrc {
            return Follows::Unknown;
        }
        match packet.timestamp.wrapping_sub(self.timestamp).cast_signed() {
            step @ 1..=MAX_STEP => Follows::At(self.time.saturating_add(step.into())),
            step if (-MAX_LATE..=0).contains(&step) => Follows::Late,
            _ => Follows::Unknown,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
