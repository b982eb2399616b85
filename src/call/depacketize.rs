//! RTP packets of H.264 (RFC 6184) back into access units: pure, bounded, and made for packets that
//! were lost, doubled, put in another order or written by an enemy.
//!
//! ```text
//!  push(packet, now) ─▶ [ buffer, by sequence number ] ─▶ poll(now) ─▶ Unit | Gap
//!                          next ▲       hole ▲
//! ```
//!
//! Packets wait in the buffer until the unit at its head is whole: it ends at a marker bit or where the
//! timestamp changes. A hole is waited for (a retransmission may fill it) until the hold time has
//! passed; then it is given up, which is a [`Output::Gap`], and what is left of the units beside it comes
//! out as incomplete. Only NAL units that arrived whole are handed on.
//!
//! Understood are single NAL units, STAP-A and FU-A, which is all that packetization mode 1 allows.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::assembly::{Assembly, is_left_out, starts_a_picture};
use super::unwrap::Unwrapper;

/// What the depacketizer may use.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Packets between the oldest that is waited for and the newest; further away means a new stream.
    pub window: usize,
    /// Payload bytes that may wait in the buffer, which also bounds the size of a unit.
    pub bytes: usize,
    /// How long a hole is waited for.
    pub hold: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { window: 1024, bytes: 4 << 20, hold: Duration::from_millis(120) }
    }
}

/// One RTP packet, without what the transport needed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RtpPayload {
    /// Counts packets, wraps at 2¹⁶.
    pub sequence: u16,
    /// Capture time in 1/90000 s, the same in all packets of a unit.
    pub timestamp: u32,
    /// Set in the last packet of a unit.
    pub marker: bool,
    /// What RFC 6184 describes.
    pub payload: Bytes,
}

/// One access unit as it came out of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// Annex B with four-byte start codes.
    pub data: Vec<u8>,
    /// It contains an IDR slice.
    pub keyframe: bool,
    /// The RTP timestamp.
    pub timestamp: u32,
    /// Nothing of it is known to be missing.
    pub complete: bool,
    /// When its last packet arrived.
    pub arrived: Instant,
}

/// What the depacketizer has to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A unit, in sending order.
    Unit(Unit),
    /// This many packets were given up before the next unit.
    Gap {
        /// How many.
        packets: u64,
    },
}

/// How many packets met which fate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Came twice.
    pub duplicate: u64,
    /// Came after they had been given up.
    pub late: u64,
    /// Were given up.
    pub lost: u64,
    /// Were far from everything before, or did not fit into the buffer.
    pub refused: u64,
    /// Carried something that RFC 6184's packetization mode 1 does not allow.
    pub malformed: u64,
}

#[derive(Debug)]
struct PacketSlot {
    timestamp: u32,
    marker: bool,
    payload: Bytes,
    arrived: Instant,
}

/// The state machine; time comes in as an argument.
#[derive(Debug)]
pub struct Depacketizer {
    limits: Limits,
    /// `buffer[i]` is the packet `next + i`; the last place is never empty.
    buffer: VecDeque<Option<PacketSlot>>,
    bytes: usize,
    next: u64,
    unwrapper: Unwrapper,
    started: bool,
    /// A sequence number far away from the window: the next one after it starts the stream anew.
    probation: Option<u16>,
    /// The head of the buffer may lack its first packets.
    damaged: bool,
    out: VecDeque<Output>,
    counts: Counts,
}

impl Depacketizer {
    /// An empty one.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            buffer: VecDeque::new(),
            bytes: 0,
            next: 0,
            unwrapper: Unwrapper::default(),
            started: false,
            probation: None,
            damaged: false,
            out: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Changes how long a hole is waited for, for example when the round trip time is known.
    pub fn set_hold(&mut self, hold: Duration) {
        self.limits.hold = hold;
    }

    /// The counters so far.
    pub const fn counts(&self) -> Counts {
        self.counts
    }

    /// Payload bytes in the buffer, never more than [`Limits::bytes`].
    pub const fn buffered(&self) -> usize {
        self.bytes
    }

    /// Takes a packet in. Call [`poll`](Self::poll) until it is empty afterwards.
    pub fn push(&mut self, packet: RtpPayload, now: Instant) {
        let Some(sequence) = self.place(packet.sequence) else { return };
        let Some(ahead) = sequence.checked_sub(self.next) else {
            if !self.adopt_earlier(sequence) {
                self.counts.late += 1;
                return;
            }
            return self.insert(0, packet, now);
        };
        match usize::try_from(ahead) {
            Ok(index) if index < self.limits.window => self.insert(index, packet, now),
            _ => self.counts.refused += 1,
        }
    }

    /// The full sequence number of a packet that belongs to this stream.
    fn place(&mut self, sequence: u16) -> Option<u64> {
        if !self.started {
            self.start_at(sequence);
            return Some(self.next);
        }
        let full = self.unwrapper.peek(sequence);
        let window = self.limits.window as u64;
        let near = full.is_some_and(|f| f + window > self.next && f < self.next + window);
        if near {
            self.probation = None;
            return full.inspect(|f| self.unwrapper.advance(*f));
        }
        // RFC 3550 A.1: two packets in a row from a far place mean that the sender started anew.
        if self.probation == Some(sequence) {
            self.flush_all();
            self.out.push_back(Output::Gap { packets: 1 });
            self.start_at(sequence);
            self.damaged = true;
            return Some(self.next);
        }
        self.probation = Some(sequence.wrapping_add(1));
        self.counts.refused += 1;
        None
    }

    fn start_at(&mut self, sequence: u16) {
        self.unwrapper = Unwrapper::starting_at(sequence);
        self.next = self.unwrapper.newest();
        self.started = true;
        self.probation = None;
    }

    /// Before anything has come out, the first packet to arrive need not be the first that was sent.
    fn adopt_earlier(&mut self, sequence: u64) -> bool {
        let back = (self.next - sequence) as usize;
        let untouched = self.unwrapper.is_first_window(self.next);
        if !untouched || back + self.buffer.len() > self.limits.window.min(EARLY) {
            return false;
        }
        for _ in 0..back {
            self.buffer.push_front(None);
        }
        self.next = sequence;
        self.unwrapper.set_first(sequence);
        true
    }

    fn insert(&mut self, index: usize, packet: RtpPayload, now: Instant) {
        if self.buffer.get(index).is_some_and(Option::is_some) {
            self.counts.duplicate += 1;
            return;
        }
        let size = packet.payload.len();
        if size > self.limits.bytes {
            self.counts.refused += 1;
            return;
        }
        // A buffer that is full of one unit, or of what waits behind a hole, gives up its head.
        let mut index = index;
        while self.bytes + size > self.limits.bytes {
            let before = self.next;
            self.give_up_head();
            let moved = (self.next - before) as usize;
            if moved == 0 || moved > index {
                self.counts.refused += 1;
                return;
            }
            index -= moved;
        }
        while self.buffer.len() <= index {
            self.buffer.push_back(None);
        }
        self.bytes += size;
        self.buffer[index] = Some(PacketSlot {
            timestamp: packet.timestamp,
            marker: packet.marker,
            payload: packet.payload,
            arrived: now,
        });
    }

    /// The next unit or gap, if one is due at `now`.
    pub fn poll(&mut self, now: Instant) -> Option<Output> {
        while self.out.is_empty() {
            match self.head() {
                Head::Whole(len) => self.emit(len, true),
                Head::Open => break,
                Head::Hole { at, .. } => {
                    if self.hole_deadline(at).is_none_or(|due| due > now) {
                        break;
                    }
                    self.give_up(at);
                }
            }
        }
        self.out.pop_front()
    }

    /// When [`poll`](Self::poll) has to be called even if no packet comes.
    pub fn deadline(&self) -> Option<Instant> {
        match self.head() {
            Head::Hole { at } => self.hole_deadline(at),
            _ => None,
        }
    }

    fn hole_deadline(&self, at: usize) -> Option<Instant> {
        // The hole has been known since the first packet behind it arrived.
        let known = self.buffer.iter().skip(at).flatten().map(|s| s.arrived).min()?;
        known.checked_add(self.limits.hold)
    }

    /// Looks for the end of the unit at the head of the buffer.
    fn head(&self) -> Head {
        let mut timestamp = None;
        for (i, slot) in self.buffer.iter().enumerate() {
            let Some(slot) = slot else { return Head::Hole { at: i } };
            if *timestamp.get_or_insert(slot.timestamp) != slot.timestamp {
                return Head::Whole(i);
            }
            if slot.marker {
                return Head::Whole(i + 1);
            }
        }
        Head::Open
    }

    /// Gives up the packets that are missing from buffer place `at` on.
    fn give_up(&mut self, at: usize) {
        let gap = self.buffer.iter().skip(at).take_while(|s| s.is_none()).count();
        // What stands before the hole and what stands behind it may be one unit or two.
        let left = self.buffer.iter().take(at).flatten().next().map(|s| s.timestamp);
        let right = self.buffer.get(at + gap).and_then(Option::as_ref).map(|s| s.timestamp);
        if left.is_some() && left == right {
            return self.emit_around(at);
        }
        self.report_lost(gap);
        if at > 0 {
            self.emit(at, false);
        }
        self.drop_front(gap);
        self.damaged = true;
    }

    /// One unit with holes in it: everything up to its end, as far as it has arrived.
    fn emit_around(&mut self, at: usize) {
        let timestamp = self.buffer.front().and_then(Option::as_ref).map(|s| s.timestamp);
        let mut len = at;
        let mut ended = false;
        for (i, slot) in self.buffer.iter().enumerate().skip(at) {
            let Some(slot) = slot else { continue };
            ended = slot.marker || Some(slot.timestamp) != timestamp;
            if Some(slot.timestamp) == timestamp {
                len = i + 1;
            }
            if ended {
                break;
            }
        }
        let missing = self.buffer.iter().take(len).filter(|s| s.is_none()).count();
        self.report_lost(missing);
        // Packets of the same unit that are still to come start in its middle; and a hole right behind it
        // may have been its end or the next unit's start.
        let open_end = !ended || self.buffer.get(len).is_some_and(Option::is_none);
        self.emit(len, false);
        self.damaged = open_end;
    }

    fn report_lost(&mut self, packets: usize) {
        self.counts.lost += packets as u64;
        self.out.push_back(Output::Gap { packets: packets as u64 });
    }

    /// Makes room: the unit at the head, or the hole at the head, has to go.
    fn give_up_head(&mut self) {
        match self.head() {
            Head::Whole(len) => self.emit(len, true),
            Head::Hole { at } => self.give_up(at),
            Head::Open => {
                let len = self.buffer.len();
                self.counts.refused += len as u64;
                self.out.push_back(Output::Gap { packets: len as u64 });
                self.drop_front(len);
                self.damaged = true;
            }
        }
    }

    fn flush_all(&mut self) {
        // Each round takes at least one place out of the buffer.
        while !self.buffer.is_empty() {
            match self.head() {
                Head::Whole(len) => self.emit(len, true),
                Head::Hole { at } => self.give_up(at),
                Head::Open => self.emit(self.buffer.len(), false),
            }
        }
    }

    fn drop_front(&mut self, n: usize) {
        for slot in self.buffer.drain(..n).flatten() {
            self.bytes -= slot.payload.len();
        }
        self.next += n as u64;
    }

    /// Takes the first `n` places out as one unit.
    fn emit(&mut self, n: usize, whole: bool) {
        let mut head = self.buffer.iter().map_while(Option::as_ref).map(|slot| &slot.payload);
        let head_is_start = head.find(|payload| !is_left_out(payload)).is_some_and(|payload| starts_a_picture(payload));
        let complete = whole && (!self.damaged || head_is_start);
        self.damaged = false;
        let mut assembly = Assembly::default();
        let (mut timestamp, mut arrived) = (None, None);
        for slot in self.buffer.drain(..n) {
            let Some(slot) = slot else {
                assembly.hole();
                continue;
            };
            self.bytes -= slot.payload.len();
            timestamp.get_or_insert(slot.timestamp);
            arrived = arrived.max(Some(slot.arrived));
            if !assembly.add(&slot.payload) {
                self.counts.malformed += 1;
            }
        }
        self.next += n as u64;
        let (Some(timestamp), Some(arrived)) = (timestamp, arrived) else { return };
        let (data, keyframe, sound) = assembly.finish();
        if !data.is_empty() {
            let complete = complete && sound;
            self.out.push_back(Output::Unit(Unit { data, keyframe, timestamp, complete, arrived }));
        } else if !sound {
            // Nothing of the unit is left, and nobody has said so yet.
            if !matches!(self.out.back(), Some(Output::Gap { .. })) {
                self.out.push_back(Output::Gap { packets: 0 });
            }
        }
    }
}

/// Packets that may turn out to be older than the first that arrived.
const EARLY: usize = 32;

enum Head {
    /// The first so many places are a unit.
    Whole(usize),
    /// Place `at` is empty.
    Hole { at: usize },
    /// Its end has not come yet.
    Open,
}
