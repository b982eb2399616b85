//! The sending half of a peer: units in, paced RTP packets out.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::rtp;
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;

use super::description::Negotiated;
use super::packetize::{MAX_PAYLOAD, packetize, packetize_single};
use super::sender_clock::RtpClock;
use super::stats_interceptor::Counters;
use crate::codec::AccessUnit;
use crate::frame::Stamp;

/// Units that may wait to be sent: a second at 30 fps.
const QUEUE: usize = 32;
/// Frames whose stamps are remembered.
const LOG: usize = 1024;
/// Packets go out at ten times the target, and at 4 Mbit/s at least: a keyframe neither waits long nor
/// hits the network as one blow.
const PACE_FACTOR: f64 = 10.0;
const PACE_FLOOR: f64 = 4e6;
/// RTP's clock of video (RFC 6184 §8.1), in Hz.
pub(super) const VIDEO_CLOCK: u32 = 90_000;
/// Packets that may go out without a pause.
const BURST: Duration = Duration::from_millis(8);

/// Why a unit was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The network takes less than the encoder gives; a keyframe will be wanted next.
    #[error("the network is slower than the encoder: {QUEUE} units are waiting already")]
    Full,
    /// There is no connection yet.
    #[error("not connected yet")]
    NotConnected,
    /// This end only receives, or the call is over.
    #[error("this end of the call does not send")]
    Closed,
}

/// What the sending half shares with the peer.
#[derive(Debug, Default)]
pub(super) struct SendState {
    pub(super) open: AtomicBool,
    pub(super) units: AtomicU64,
    pub(super) refused: AtomicU64,
}

/// A unit that waits to be sent.
pub(super) struct Queued {
    unit: AccessUnit,
    since: Instant,
    sent: Box<dyn FnOnce(Duration) + Send>,
}

/// Takes units to be sent, from any thread, without waiting.
#[derive(Debug, Clone)]
pub struct UnitSender {
    queue: Option<mpsc::Sender<Queued>>,
    state: Arc<SendState>,
    counters: Arc<Counters>,
    log: Arc<CaptureLog>,
}

impl UnitSender {
    /// Queues one unit. Its RTP timestamp is its capture time.
    ///
    /// # Errors
    /// When the queue is full, the call is not connected yet, or this end does not send; the unit is dropped.
    pub fn send(&self, unit: AccessUnit) -> Result<(), SendError> {
        self.send_then(unit, |_| {})
    }

    /// The same; `sent` is told, on the peer's thread, how long the unit waited for its turn and for the pacer until its
    /// last packet was handed to the connection. It is not called for a unit that never is.
    ///
    /// # Errors
    /// As [`UnitSender::send`]; `sent` is not called then.
    pub fn send_then(&self, unit: AccessUnit, sent: impl FnOnce(Duration) + Send + 'static) -> Result<(), SendError> {
        let result = match &self.queue {
            None => Err(SendError::Closed),
            Some(_) if !self.state.open.load(Relaxed) => Err(SendError::NotConnected),
            Some(queue) => {
                queue.try_send(Queued { unit, since: Instant::now(), sent: Box::new(sent) }).map_err(|e| match e {
                    mpsc::error::TrySendError::Full(_) => SendError::Full,
                    mpsc::error::TrySendError::Closed(_) => SendError::Closed,
                })
            }
        };
        if let Err(error) = result {
            self.state.refused.fetch_add(1, Relaxed);
            if error == SendError::Full {
                // The chain of predictions is broken at the far side.
                self.counters.keyframe_asked.store(true, Relaxed);
                self.counters.changed.notify_one();
            }
        }
        result
    }

    /// Which stamp each RTP timestamp stands for, for a receiver in the same process.
    pub fn capture_log(&self) -> Arc<CaptureLog> {
        Arc::clone(&self.log)
    }
}

#[cfg(test)]
impl UnitSender {
    /// One whose units go nowhere but to who takes them: the next one, if there is one.
    pub(crate) fn queued() -> (Self, Box<dyn FnMut() -> Option<AccessUnit>>) {
        let state = Arc::new(SendState { open: true.into(), ..SendState::default() });
        let (queue, mut units) = mpsc::channel(QUEUE);
        let next = move || units.try_recv().ok().map(|queued: Queued| queued.unit);
        (Self { queue: Some(queue), state, counters: Arc::default(), log: Arc::default() }, Box::new(next))
    }
}

/// RTP timestamps of the last frames that were sent, and their stamps.
///
/// In a loopback call the receiver looks up here when a frame was captured, and so how old it is.
#[derive(Debug, Default)]
pub struct CaptureLog {
    entries: Mutex<VecDeque<(u32, Stamp)>>,
}

impl CaptureLog {
    fn add(&self, rtp_timestamp: u32, stamp: Stamp) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == LOG {
            entries.pop_front();
        }
        entries.push_back((rtp_timestamp, stamp));
    }

    /// The stamp of the frame that was sent with this timestamp, if it is not long ago.
    pub fn stamp(&self, rtp_timestamp: u32) -> Option<Stamp> {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.iter().rev().find(|(t, _)| *t == rtp_timestamp).map(|(_, s)| *s)
    }
}

/// Capture times in 1/90000 s that never repeat, from a random origin (RFC 3550 §5.1).
#[derive(Debug)]
pub(super) struct Timestamps {
    origin: u32,
    epoch: Option<Instant>,
    last: Option<i64>,
}

impl Timestamps {
    pub(super) const fn new(origin: u32) -> Self {
        Self { origin, epoch: None, last: None }
    }

    pub(super) fn of(&mut self, captured: Instant) -> u32 {
        let epoch = *self.epoch.get_or_insert(captured);
        let ticks = |d: Duration| i64::try_from(d.as_micros() * 9 / 100).unwrap_or(i64::MAX);
        let wanted = match captured.checked_duration_since(epoch) {
            Some(after) => ticks(after),
            None => -ticks(epoch.saturating_duration_since(captured)),
        };
        // Two frames with one timestamp would be one unit to the receiver.
        let offset = self.last.map_or(wanted, |last| wanted.max(last + 1));
        self.last = Some(offset);
        self.origin.wrapping_add(offset as u32)
    }
}

/// The two ends of the queue to the sending task.
pub(super) struct Sending {
    pub(super) track: Arc<TrackLocalStaticRTP>,
    pub(super) ssrc: u32,
    pub(super) units: mpsc::Receiver<Queued>,
}

/// A sender for `track`, or one that refuses everything.
pub(super) fn unit_sender(
    track: Option<(Arc<TrackLocalStaticRTP>, u32)>,
    state: Arc<SendState>,
    counters: Arc<Counters>,
) -> (UnitSender, Option<Sending>) {
    let log = Arc::default();
    match track {
        None => (UnitSender { queue: None, state, counters, log }, None),
        Some((track, ssrc)) => {
            let (queue, units) = mpsc::channel(QUEUE);
            (UnitSender { queue: Some(queue), state, counters, log }, Some(Sending { track, ssrc, units }))
        }
    }
}

/// Sends units until the queue closes or the connection does.
pub(super) async fn run(sending: Sending, negotiated: watch::Receiver<Option<Negotiated>>, sender: UnitSender) {
    let Sending { track, ssrc, mut units } = sending;
    let UnitSender { state, counters, log, queue } = sender;
    drop(queue);
    let mut timestamps = Timestamps::new(rand::random());
    let mut sequence: u16 = rand::random();
    let mut pace = Instant::now();
    let mut primed = false;
    while let Some(Queued { unit, since, sent }) = units.recv().await {
        if !primed && !unit.keyframe {
            // The far side can do nothing with it.
            state.refused.fetch_add(1, Relaxed);
            counters.keyframe_asked.store(true, Relaxed);
            counters.changed.notify_one();
            continue;
        }
        primed = true;
        let timestamp = timestamps.of(unit.stamp.captured);
        log.add(timestamp, unit.stamp);
        *counters.video_clock.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(RtpClock { timestamp, at: unit.stamp.captured, rate: VIDEO_CLOCK });
        let agreed = negotiated.borrow().as_ref().map(|n| (n.payload_type, n.single_nal_units));
        let Some((payload_type, single)) = agreed else { continue };
        let payloads = if single { packetize_single(&unit.data) } else { packetize(&unit.data, MAX_PAYLOAD) };
        let last = payloads.len().saturating_sub(1);
        for (i, payload) in payloads.into_iter().enumerate() {
            pace = wait_for_turn(pace, payload.len(), &counters).await;
            let header = header(payload_type, sequence, timestamp, ssrc, i == last);
            sequence = sequence.wrapping_add(1);
            if let Err(why) = track.write_rtp(packet(header, payload)).await {
                tracing::debug!(%why, "sending has ended");
                return;
            }
        }
        state.units.fetch_add(1, Relaxed);
        sent(since.elapsed());
    }
}

async fn wait_for_turn(pace: Instant, bytes: usize, counters: &Counters) -> Instant {
    let now = Instant::now();
    let rate = (f64::from(counters.target.load(Relaxed)) * PACE_FACTOR).max(PACE_FLOOR);
    if pace > now + BURST {
        tokio::time::sleep_until((pace - BURST / 2).into()).await;
    }
    pace.max(now) + Duration::from_secs_f64(bytes as f64 * 8.0 / rate)
}

fn header(payload_type: u8, sequence_number: u16, timestamp: u32, ssrc: u32, marker: bool) -> rtp::Header {
    rtp::Header { version: 2, marker, payload_type, sequence_number, timestamp, ssrc, ..Default::default() }
}

fn packet(header: rtp::Header, payload: Bytes) -> rtp::Packet {
    rtp::Packet { header, payload }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps_are_capture_times_and_never_repeat() {
        let mut t = Timestamps::new(u32::MAX - 100);
        let start = Instant::now();
        let at = |us| start + Duration::from_micros(us);
        let first = t.of(start);
        assert_eq!(t.of(at(33_333)).wrapping_sub(first), 2999);
        assert_eq!(t.of(at(33_333)).wrapping_sub(first), 3000, "the same instant again");
        assert_eq!(t.of(at(10_000)).wrapping_sub(first), 3001, "a capture time that goes back");
        assert_eq!(t.of(at(1_000_000)).wrapping_sub(first), 90_000);
        let hour = at(3_600_000_000 * 20);
        assert_eq!(t.of(hour).wrapping_sub(first), (3600_u64 * 20 * 90_000) as u32);
    }

    #[test]
    fn the_log_remembers_the_newest_frames() {
        let log = CaptureLog::default();
        for i in 0..2000 {
            log.add(i as u32 * 3000, Stamp::now(i));
        }
        assert_eq!(log.stamp(1999 * 3000).map(|s| s.id), Some(1999));
        assert_eq!(log.stamp(0), None);
    }
}
