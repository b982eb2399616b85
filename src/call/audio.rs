//! The sound of a call: Opus in RTP (RFC 7587) beside the video, over the same transport.
//!
//! ```text
//! AudioSender ─▶ RTP in the shape of RTCP ─▶ webrtc ─▶ tap: RTP, reports ══ UDP ══ tap ─▶ PeerEvent::Audio
//! ```
//!
//! webrtc 0.21 is told of one section, the video's: with two it no longer finds where packets of a far side belong that
//! has not written its streams' numbers (SSRC) into its description, as FFmpeg and others do. So it knows nothing of
//! sound. Packets to be sent pass it as what it carries unseen, an RTCP packet of unknown kind, and the link of the chain
//! next to the wire (`stats_interceptor`) makes RTP of them; those that come are taken out of the chain there, and the
//! sender and receiver reports of RFC 3550 are written there as well.

mod reception;

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::rtcp;
use rtc::rtcp::raw_packet::RawPacket;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtp;
use rtc::shared::marshal::{Marshal, Unmarshal};
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use super::description::{AudioFormat, Negotiated};
use super::sender_clock::{RtpClock, SenderClocks, WallClock};
use super::{PeerEvent, SendError};
use reception::Reception;

/// RTP's clock of Opus (RFC 7587 §4.1), in Hz.
pub const AUDIO_CLOCK: u32 = 48_000;
/// Packets that may wait to be sent: a third of a second.
const QUEUE: usize = 16;
/// Opus packets are not longer (RFC 6716 §3.4: 1275 bytes a frame); what has more is none of ours to play.
const MAX_PACKET: usize = 1500;
/// How often reports are sent.
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// A packet of sound that is to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioPacket {
    /// Opus.
    pub payload: Vec<u8>,
    /// When its first sample was captured, in samples at 48 kHz from any origin; wraps.
    pub timestamp: u32,
    /// The same by this machine's clock.
    pub captured: Instant,
    /// It is the first one after a pause.
    pub begins: bool,
}

/// A packet of sound from the far side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedAudio {
    /// Opus.
    pub payload: Bytes,
    /// Which stream it belongs to: another one begins with other numbers.
    pub ssrc: u32,
    /// Counts up by one; wraps.
    pub sequence: u16,
    /// When its first sample was captured, in samples at 48 kHz from an origin that the sender chose; wraps.
    pub rtp_timestamp: u32,
    /// When it came.
    pub arrived: Instant,
    /// When its first sample was captured by the far side's clock, once it has said how that runs: only differences
    /// between such times mean something.
    pub sender_time: Option<Duration>,
}

/// What crossed the network of the sound, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct AudioNetStats {
    /// Packets sent.
    pub packets_out: u64,
    /// RTP sent, with headers, in bytes.
    pub bytes_out: u64,
    /// Packets received.
    pub packets_in: u64,
    /// RTP received, with headers, in bytes.
    pub bytes_in: u64,
    /// Packets that never came.
    pub lost_in: u64,
    /// The share of ours that the far side says it missed lately, 0 to 1.
    pub loss_out: Option<f32>,
    /// Packets thrown away because nobody took the events.
    pub overrun: u64,
}

/// What the tasks and the tap share about the sound.
#[derive(Debug, Default)]
pub(super) struct AudioState {
    /// The far side takes sound, and there is a connection.
    pub(super) open: AtomicBool,
    /// Our stream's number.
    pub(super) ssrc: u32,
    /// How our timestamps run.
    clock: Mutex<Option<RtpClock>>,
    packets_out: AtomicU64,
    bytes_out: AtomicU64,
    octets_out: AtomicU64,
    packets_in: AtomicU64,
    bytes_in: AtomicU64,
    lost_in: AtomicU64,
    /// In parts per million plus one; 0 when nothing was said.
    loss_out: AtomicU32,
    overrun: AtomicU64,
}

impl AudioState {
    pub(super) fn new(ssrc: u32) -> Self {
        Self { ssrc, ..Self::default() }
    }

    pub(super) fn stats(&self) -> AudioNetStats {
        let load = |a: &AtomicU64| a.load(Relaxed);
        AudioNetStats {
            packets_out: load(&self.packets_out),
            bytes_out: load(&self.bytes_out),
            packets_in: load(&self.packets_in),
            bytes_in: load(&self.bytes_in),
            lost_in: load(&self.lost_in),
            loss_out: Some(self.loss_out.load(Relaxed)).filter(|&l| l > 0).map(|l| (l - 1) as f32 / 1e6),
            overrun: load(&self.overrun),
        }
    }
}

/// Takes packets of sound to be sent, from any thread, without waiting.
#[derive(Debug, Clone)]
pub struct AudioSender {
    queue: Option<mpsc::Sender<AudioPacket>>,
    state: Arc<AudioState>,
}

impl AudioSender {
    /// Queues one packet.
    ///
    /// # Errors
    /// When the queue is full, the call is not connected yet, or the far side takes no sound; the packet is dropped.
    pub fn send(&self, packet: AudioPacket) -> Result<(), SendError> {
        match &self.queue {
            None => Err(SendError::Closed),
            Some(_) if !self.state.open.load(Relaxed) => Err(SendError::NotConnected),
            Some(queue) => queue.try_send(packet).map_err(|e| match e {
                mpsc::error::TrySendError::Full(_) => SendError::Full,
                mpsc::error::TrySendError::Closed(_) => SendError::Closed,
            }),
        }
    }

    /// What crossed the network so far.
    pub fn stats(&self) -> AudioNetStats {
        self.state.stats()
    }
}

/// What waits for the connection: the other end of an [`AudioSender`].
pub(super) struct AudioSending {
    track: Arc<TrackLocalStaticRTP>,
    state: Arc<AudioState>,
    packets: mpsc::Receiver<AudioPacket>,
}

/// A sender of sound beside `track`, or one that refuses everything.
pub(super) fn audio_sender(
    track: Option<Arc<TrackLocalStaticRTP>>,
    state: Arc<AudioState>,
) -> (AudioSender, Option<AudioSending>) {
    let Some(track) = track else { return (AudioSender { queue: None, state }, None) };
    let (queue, packets) = mpsc::channel(QUEUE);
    (AudioSender { queue: Some(queue), state: Arc::clone(&state) }, Some(AudioSending { track, state, packets }))
}

/// Sends packets until the connection ends.
pub(super) async fn send(sending: AudioSending, negotiated: watch::Receiver<Option<Negotiated>>) {
    let AudioSending { track, state, mut packets } = sending;
    let (origin, mut sequence): (u32, u16) = (rand::random(), rand::random());
    while let Some(AudioPacket { payload, timestamp, captured, begins }) = packets.recv().await {
        let format = negotiated.borrow().as_ref().and_then(|n| n.audio.clone());
        let Some(AudioFormat { payload_type, .. }) = format.filter(|audio| audio.direction.sends()) else { continue };
        let timestamp = origin.wrapping_add(timestamp);
        *state.clock.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(RtpClock { timestamp, at: captured, rate: AUDIO_CLOCK });
        let header = rtp::Header {
            version: 2,
            // RFC 3551 §4.1: the first of a talkspurt.
            marker: begins,
            payload_type,
            sequence_number: sequence,
            timestamp,
            ssrc: state.ssrc,
            ..Default::default()
        };
        sequence = sequence.wrapping_add(1);
        let packet = rtp::Packet { header, payload: payload.into() };
        let Ok(bytes) = packet.marshal() else { continue };
        if let Err(why) = track.write_rtcp(vec![Box::new(RawPacket(bytes.freeze()))]).await {
            tracing::debug!(%why, "sending sound has ended");
            return;
        }
    }
}

/// The packet of sound that passes webrtc in this shape.
pub(super) fn unwrap(packets: &[Box<dyn rtcp::Packet>]) -> Option<rtp::Packet> {
    let [packet] = packets else { return None };
    let RawPacket(bytes) = packet.as_any().downcast_ref()?;
    rtp::Packet::unmarshal(&mut bytes.clone()).ok()
}

/// The sound's half of the link next to the wire.
pub(super) struct AudioTap {
    state: Arc<AudioState>,
    negotiated: watch::Receiver<Option<Negotiated>>,
    events: mpsc::Sender<PeerEvent>,
    reception: Option<Reception>,
    next_report: Option<Instant>,
    wall: WallClock,
}

impl AudioTap {
    pub(super) fn new(
        state: Arc<AudioState>,
        negotiated: watch::Receiver<Option<Negotiated>>,
        events: mpsc::Sender<PeerEvent>,
    ) -> Self {
        Self { state, negotiated, events, reception: None, next_report: None, wall: WallClock::default() }
    }

    /// Takes what is sound; true when it was.
    pub(super) fn receive(&mut self, packet: &rtp::Packet, clocks: &SenderClocks, now: Instant) -> bool {
        let header = &packet.header;
        let direction = self.negotiated.borrow().as_ref().and_then(|negotiated| {
            let audio = negotiated.audio.as_ref().filter(|a| a.far_payload_types.contains(&header.payload_type))?;
            Some(audio.direction)
        });
        let Some(direction) = direction else { return false };
        if !direction.receives() || packet.payload.is_empty() || packet.payload.len() > MAX_PACKET {
            return true;
        }
        let reception = match &mut self.reception {
            Some(reception) if reception.ssrc() == header.ssrc => reception,
            // A far side that begins anew.
            other => other.insert(Reception::new(header.ssrc, header.sequence_number, AUDIO_CLOCK)),
        };
        reception.received(header.sequence_number, header.timestamp, now);
        self.state.packets_in.fetch_add(1, Relaxed);
        self.state.bytes_in.fetch_add((12 + packet.payload.len()) as u64, Relaxed);
        self.state.lost_in.store(reception.lost(), Relaxed);
        self.next_report.get_or_insert(now + REPORT_EVERY);
        let received = ReceivedAudio {
            payload: packet.payload.clone(),
            ssrc: header.ssrc,
            sequence: header.sequence_number,
            rtp_timestamp: header.timestamp,
            arrived: now,
            sender_time: clocks.sender_time(header.ssrc, header.timestamp, AUDIO_CLOCK),
        };
        if self.events.try_send(PeerEvent::Audio(received)).is_err() {
            self.state.overrun.fetch_add(1, Relaxed);
        }
        true
    }

    /// What the far side says of our sound.
    pub(super) fn hear_reports(&self, reports: &[ReceptionReport]) {
        for report in reports.iter().filter(|report| report.ssrc == self.state.ssrc) {
            let loss = u32::from(report.fraction_lost) * (1_000_000 / 256);
            self.state.loss_out.store(loss + 1, Relaxed);
        }
    }

    /// Hears a report of the far side's sender.
    pub(super) fn hear_sender(&mut self, report: &SenderReport, now: Instant) {
        if let Some(reception) = self.reception.as_mut().filter(|reception| reception.ssrc() == report.ssrc) {
            reception.sender_report(report.ntp_time, now);
        }
    }

    /// Counts a packet of sound on its way out.
    pub(super) fn sent(&mut self, packet: &rtp::Packet, now: Instant) {
        self.state.packets_out.fetch_add(1, Relaxed);
        self.state.octets_out.fetch_add(packet.payload.len() as u64, Relaxed);
        self.state.bytes_out.fetch_add((12 + packet.payload.len()) as u64, Relaxed);
        self.next_report.get_or_insert(now + REPORT_EVERY);
    }

    /// When [`reports`](Self::reports) has something to send next.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.next_report
    }

    /// The reports that are due (RFC 3550 §6.4).
    pub(super) fn reports(&mut self, now: Instant) -> Vec<Box<dyn rtcp::Packet>> {
        if self.next_report.is_none_or(|at| now < at) {
            return Vec::new();
        }
        self.next_report = Some(now + REPORT_EVERY);
        let reports: Vec<ReceptionReport> = self.reception.as_mut().map(|r| r.report(now)).into_iter().collect();
        let sent = self.state.packets_out.load(Relaxed);
        let clock = *self.state.clock.lock().unwrap_or_else(PoisonError::into_inner);
        match clock.filter(|_| sent > 0) {
            Some(clock) => vec![Box::new(SenderReport {
                ssrc: self.state.ssrc,
                ntp_time: self.wall.ntp(now),
                rtp_time: clock.timestamp_at(now),
                // Counters of 32 bits that wrap.
                packet_count: sent as u32,
                octet_count: self.state.octets_out.load(Relaxed) as u32,
                reports,
                ..Default::default()
            })],
            None if reports.is_empty() => Vec::new(),
            None => vec![Box::new(ReceiverReport { ssrc: self.state.ssrc, reports, ..Default::default() })],
        }
    }

    /// The clock of all our reports.
    pub(super) const fn wall(&self) -> &WallClock {
        &self.wall
    }
}

#[cfg(test)]
mod tests;
