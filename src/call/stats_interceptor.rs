//! Our own link in webrtc's chain of interceptors: it counts what crosses the wire, measures the round
//! trip, takes retransmissions out of their envelope, spaces the asking for them, and hears the far
//! side ask for keyframes.
//!
//! Two of these are needed because of how rtc 0.21 is built. It opens RTX packets only after the chain,
//! so that its NACK generator never learns that a lost packet has come after all and asks for it every
//! 20 ms until it is forgotten; and it asks for the same packet again without waiting for a round trip.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rtc::interceptor::{
    Attribute, AttributedPacket, BandwidthEstimator, Interceptor, Packet, PacketReport, StreamInfo, TaggedPacket,
};
use rtc::rtcp::goodbye::Goodbye;
use rtc::rtcp::payload_feedbacks::full_intra_request::FullIntraRequest;
use rtc::rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication;
use rtc::rtcp::receiver_report::ReceiverReport;
use rtc::rtcp::reception_report::ReceptionReport;
use rtc::rtcp::sender_report::SenderReport;
use rtc::rtcp::transport_feedbacks::transport_layer_nack::{TransportLayerNack, nack_pairs_from_sequence_numbers};
use rtc::sansio::Protocol;
use rtc::shared::TransportContext;
use rtc::shared::error::Error;
use rtc::shared::marshal::MarshalSize;
use tokio::sync::Notify;

use super::audio::{self, AudioTap};
use super::nack_filter::{HEAVY_LOSS, NackFilter, RecentLoss};
use super::rate::{Bounds, PacketFate, RateControl};
use super::retransmit_budget::RetransmitBudget;
use super::sender_clock::{RtpClock, SenderClocks};

/// What the interceptor and the tasks count; read by the statistics.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    pub(crate) packets_in: AtomicU64,
    pub(crate) packets_out: AtomicU64,
    pub(crate) repaired_in: AtomicU64,
    pub(crate) repeated_out: AtomicU64,
    /// When the last datagram came, of any kind.
    pub(crate) heard: Mutex<Option<Instant>>,
    /// Datagrams that the system could not send.
    pub(crate) unsent: AtomicU64,
    /// Packets that the far side asked for again.
    pub(crate) nacks_in: AtomicU64,
    /// Packets that we asked for again.
    pub(crate) nacks_out: AtomicU64,
    /// Different packets among those.
    pub(crate) missed: AtomicU64,
    pub(crate) plis_in: AtomicU64,
    pub(crate) plis_out: AtomicU64,
    /// Round trip in µs; 0 when unknown.
    pub(crate) rtt_us: AtomicU32,
    /// What the far side says it lost, in parts per million plus one; 0 when it says nothing.
    pub(crate) far_loss: AtomicU32,
    /// What the rate control wants, bit/s.
    pub(crate) target: AtomicU32,
    /// What the user wants, bit/s.
    pub(crate) wish: AtomicU32,
    /// The payload types of the far side's retransmissions.
    pub(crate) rtx_in: PayloadTypes,
    /// The payload type of our own; more than 255 where there are none.
    pub(crate) rtx_out: AtomicU32,
    pub(crate) keyframe_asked: AtomicBool,
    /// How the timestamps of our video run.
    pub(super) video_clock: Mutex<Option<RtpClock>>,
    /// What the far side says of its streams' timestamps.
    pub(super) sender_clocks: Mutex<SenderClocks>,
    /// The far side has said goodbye.
    pub(crate) far_left: AtomicBool,
    /// Something of this has changed that the control task acts on.
    pub(crate) changed: Notify,
    /// Our own goodbye is on its way.
    pub(crate) said_goodbye: Notify,
}

/// A set of RTP payload types, which are below 128.
#[derive(Debug, Default)]
pub(crate) struct PayloadTypes([AtomicU64; 2]);

impl PayloadTypes {
    /// These and no others.
    pub(crate) fn set(&self, types: &[u8]) {
        for (half, bits) in self.0.iter().enumerate() {
            let of_half = types.iter().filter(|&&t| usize::from(t / 64) == half);
            bits.store(of_half.fold(0, |bits, t| bits | 1 << (t % 64)), Relaxed);
        }
    }

    fn contains(&self, payload_type: u8) -> bool {
        self.0
            .get(usize::from(payload_type / 64))
            .is_some_and(|bits| bits.load(Relaxed) >> (payload_type % 64) & 1 == 1)
    }
}

impl Counters {
    pub(crate) fn rtt(&self) -> Option<Duration> {
        Some(self.rtt_us.load(Relaxed)).filter(|&us| us > 0).map(|us| Duration::from_micros(us.into()))
    }

    /// How long nothing has come; none before the first datagram.
    pub(crate) fn unheard_for(&self) -> Option<Duration> {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map(|at| at.elapsed())
    }

    pub(crate) fn set_rtt(&self, rtt: Duration) {
        self.rtt_us.store(u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX).max(1), Relaxed);
    }

    fn ask_keyframe(&self) {
        self.keyframe_asked.store(true, Relaxed);
        self.changed.notify_one();
    }
}

fn add(counter: &AtomicU64, n: usize) {
    counter.fetch_add(n as u64, Relaxed);
}

/// The interceptor; its place is next to the wire.
pub(crate) struct StatsInterceptor {
    counters: Arc<Counters>,
    /// RTX stream → the stream that it repairs, with its payload type.
    repairs: HashMap<u32, (u32, u8)>,
    /// The stream that comes in, with its payload type.
    primary: Option<(u32, u8)>,
    /// Our own RTX stream.
    own_rtx: Option<u32>,
    nacks: HashMap<u32, NackFilter>,
    budget: RetransmitBudget,
    loss: RecentLoss,
    /// What is sound.
    audio: AudioTap,
    /// Our video's number.
    video_ssrc: u32,
    /// The middle of the NTP time of our last sender reports, and when they left.
    reports: VecDeque<(u32, Instant)>,
    inbound: VecDeque<TaggedPacket>,
    outbound: VecDeque<TaggedPacket>,
}

impl StatsInterceptor {
    pub(super) fn new(counters: Arc<Counters>, video_ssrc: u32, audio: AudioTap) -> Self {
        Self {
            counters,
            audio,
            video_ssrc,
            repairs: HashMap::new(),
            primary: None,
            own_rtx: None,
            nacks: HashMap::new(),
            budget: RetransmitBudget::default(),
            loss: RecentLoss::default(),
            reports: VecDeque::new(),
            inbound: VecDeque::new(),
            outbound: VecDeque::new(),
        }
    }

    /// RFC 4588 §4: an RTX payload is the original sequence number and the original payload.
    fn open_rtx(&self, packet: &mut rtc::rtp::Packet) {
        let declared = self.repairs.get(&packet.header.ssrc);
        // Who does not say which stream repairs which has but one.
        let by_type = || {
            let is_rtx = self.counters.rtx_in.contains(packet.header.payload_type);
            self.primary.as_ref().filter(|_| is_rtx)
        };
        let Some(&(ssrc, payload_type)) = declared.or_else(by_type) else { return };
        let Some((&number, _)) = packet.payload.split_first_chunk::<2>() else { return };
        packet.header.ssrc = ssrc;
        packet.header.payload_type = payload_type;
        packet.header.sequence_number = u16::from_be_bytes(number);
        packet.payload = packet.payload.slice(2..);
        add(&self.counters.repaired_in, 1);
    }

    fn hear(&mut self, packet: &dyn rtc::rtcp::Packet, now: Instant) {
        let packet = packet.as_any();
        if packet.is::<PictureLossIndication>() || packet.is::<FullIntraRequest>() {
            add(&self.counters.plis_in, 1);
            self.counters.ask_keyframe();
        } else if let Some(nack) = packet.downcast_ref::<TransportLayerNack>() {
            add(&self.counters.nacks_in, nack.nacks.iter().map(|p| 1 + p.lost_packets.count_ones() as usize).sum());
        } else if let Some(report) = packet.downcast_ref::<ReceiverReport>() {
            self.hear_reports(&report.reports, now);
        } else if let Some(report) = packet.downcast_ref::<SenderReport>() {
            self.hear_reports(&report.reports, now);
            self.audio.hear_sender(report, now);
            lock(&self.counters.sender_clocks).hear(report.ssrc, report.ntp_time, report.rtp_time);
        } else if packet.is::<Goodbye>() {
            self.counters.far_left.store(true, Relaxed);
            self.counters.changed.notify_one();
        }
    }

    /// Takes what cannot be afforded out of a request before webrtc answers it.
    fn cap_retransmissions(&mut self, packet: &mut Box<dyn rtc::rtcp::Packet>, now: Instant) {
        let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() else { return };
        let asked: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
        let Counters { target, far_loss, .. } = &*self.counters;
        // One more than it is; none where it is not known.
        let heavy = f64::from(far_loss.load(Relaxed)) > HEAVY_LOSS * 1e6;
        let granted = self.budget.granted(&asked, target.load(Relaxed), self.counters.rtt(), now);
        let mut nacks = nack_pairs_from_sequence_numbers(&granted);
        if heavy {
            // webrtc answers what is named twice with two packets.
            let twice = self.budget.spared(&granted);
            nacks.extend(nack_pairs_from_sequence_numbers(&twice));
        }
        let (sender_ssrc, media_ssrc) = (nack.sender_ssrc, nack.media_ssrc);
        *packet = Box::new(TransportLayerNack { sender_ssrc, media_ssrc, nacks });
    }

    /// RFC 3550 §6.4.1: now, minus when our report left, minus how long the far side kept it.
    fn hear_reports(&self, reports: &[ReceptionReport], now: Instant) {
        self.audio.hear_reports(reports);
        for report in reports.iter().filter(|r| r.last_sender_report != 0) {
            let Some((_, sent)) = self.reports.iter().find(|(ntp, _)| *ntp == report.last_sender_report) else {
                continue;
            };
            let kept = Duration::from_secs_f64(f64::from(report.delay) / 65536.0);
            let rtt = now.saturating_duration_since(*sent).saturating_sub(kept);
            self.counters.set_rtt(rtt);
        }
    }

    /// Counts RTCP on its way out; false when nothing of it is left to send.
    fn tell(&mut self, packets: &mut Vec<Box<dyn rtc::rtcp::Packet>>, now: Instant) -> bool {
        let rtt = self.counters.rtt();
        let (missed, came) = (self.counters.missed.load(Relaxed), self.counters.packets_in.load(Relaxed));
        let loss = self.loss.share(missed, came, now);
        packets.retain_mut(|packet| {
            if let Some(nack) = packet.as_any().downcast_ref::<TransportLayerNack>() {
                if self.repairs.contains_key(&nack.media_ssrc) {
                    // The numbers of the RTX stream itself: those that we opened look like holes in it.
                    return false;
                }
                let missing: Vec<u16> = nack.nacks.iter().flat_map(|pair| pair.packet_list()).collect();
                let (due, new) = self.nacks.entry(nack.media_ssrc).or_default().due(&missing, rtt, loss, now);
                add(&self.counters.missed, new);
                add(&self.counters.nacks_out, due.len());
                if due.is_empty() {
                    return false;
                }
                *packet = Box::new(TransportLayerNack {
                    sender_ssrc: nack.sender_ssrc,
                    media_ssrc: nack.media_ssrc,
                    nacks: nack_pairs_from_sequence_numbers(&due),
                });
            } else if packet.as_any().is::<PictureLossIndication>() {
                add(&self.counters.plis_out, 1);
            } else if packet.as_any().is::<Goodbye>() {
                self.counters.said_goodbye.notify_one();
            } else if let Some(report) = packet.as_any().downcast_ref::<SenderReport>() {
                let report = on_our_clock(report, self.video_ssrc, &self.counters, &self.audio, now);
                self.reports.push_back(((report.ntp_time >> 16) as u32, now));
                if self.reports.len() > 8 {
                    self.reports.pop_front();
                }
                *packet = Box::new(report);
            }
            true
        });
        !packets.is_empty()
    }
}

impl Protocol<TaggedPacket, TaggedPacket, ()> for StatsInterceptor {
    type Rout = TaggedPacket;
    type Wout = TaggedPacket;
    type Eout = ();
    type Error = Error;
    type Time = Instant;

    fn handle_read(&mut self, mut msg: TaggedPacket) -> Result<(), Error> {
        match &mut msg.message.packet {
            Packet::Rtp(packet) if self.audio.receive(packet, &lock(&self.counters.sender_clocks), msg.now) => {
                // webrtc has never heard of it.
                return Ok(());
            }
            Packet::Rtp(packet) => {
                add(&self.counters.packets_in, 1);
                add(&self.counters.bytes_in, packet.marshal_size());
                self.open_rtx(packet);
            }
            Packet::Rtcp(packets) => {
                for packet in packets.iter_mut() {
                    self.hear(packet.as_ref(), msg.now);
                    self.cap_retransmissions(packet, msg.now);
                }
            }
            _ => {}
        }
        self.inbound.push_back(msg);
        Ok(())
    }

    fn poll_read(&mut self) -> Option<TaggedPacket> {
        self.inbound.pop_front()
    }

    fn handle_write(&mut self, mut msg: TaggedPacket) -> Result<(), Error> {
        let repeated = msg.message.has(&Attribute::Retransmission);
        let now = msg.now;
        let sound = match &msg.message.packet {
            Packet::Rtcp(packets) => audio::unwrap(packets),
            _ => None,
        };
        if let Some(packet) = sound {
            self.audio.sent(&packet, now);
            msg.message.packet = Packet::Rtp(packet);
            self.outbound.push_back(msg);
            return Ok(());
        }
        let goes_on = match &mut msg.message.packet {
            Packet::Rtp(packet) => {
                // webrtc takes the type of the format that it was told first.
                if Some(packet.header.ssrc) == self.own_rtx
                    && let Ok(payload_type) = u8::try_from(self.counters.rtx_out.load(Relaxed))
                {
                    packet.header.payload_type = payload_type;
                }
                add(&self.counters.packets_out, 1);
                add(&self.counters.bytes_out, packet.marshal_size());
                add(&self.counters.repeated_out, usize::from(repeated));
                if !repeated {
                    self.budget.sent(packet.header.sequence_number, packet.marshal_size());
                }
                true
            }
            // An empty compound carries attributes for webrtc itself and is passed on.
            Packet::Rtcp(packets) => packets.is_empty() || self.tell(packets, now),
            _ => true,
        };
        if goes_on {
            self.outbound.push_back(msg);
        }
        Ok(())
    }

    fn poll_write(&mut self) -> Option<TaggedPacket> {
        self.outbound.pop_front()
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), Error> {
        let mut reports = self.audio.reports(now);
        if !reports.is_empty() && self.tell(&mut reports, now) {
            let message = AttributedPacket::new(Packet::Rtcp(reports));
            self.outbound.push_back(TaggedPacket { now, transport: TransportContext::default(), message });
        }
        Ok(())
    }

    fn poll_timeout(&mut self) -> Option<Instant> {
        self.audio.deadline()
    }
}

/// A report of ours says of the video when it was captured, where webrtc says when it left, and goes by the same clock as
/// that of the sound.
fn on_our_clock(
    report: &SenderReport,
    video_ssrc: u32,
    counters: &Counters,
    audio: &AudioTap,
    now: Instant,
) -> SenderReport {
    let mut report = report.clone();
    if report.ssrc == video_ssrc
        && let Some(clock) = *lock(&counters.video_clock)
    {
        report.ntp_time = audio.wall().ntp(now);
        report.rtp_time = clock.timestamp_at(now);
    }
    report
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Interceptor for StatsInterceptor {
    fn bind_local_stream(&mut self, info: &StreamInfo) {
        self.own_rtx = info.ssrc_rtx.or(self.own_rtx);
    }

    fn unbind_local_stream(&mut self, _: &StreamInfo) {}

    fn bind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.repairs.insert(rtx, (info.ssrc, info.payload_type));
        }
        if !self.repairs.contains_key(&info.ssrc) {
            self.primary = Some((info.ssrc, info.payload_type));
        }
    }

    fn unbind_remote_stream(&mut self, info: &StreamInfo) {
        if let Some(rtx) = info.ssrc_rtx {
            self.repairs.remove(&rtx);
        }
        self.nacks.remove(&info.ssrc);
        self.primary = self.primary.filter(|(ssrc, _)| *ssrc != info.ssrc);
    }
}

/// [`RateControl`] in webrtc's place for a bandwidth estimator.
pub(crate) struct Estimator {
    rate: RateControl,
    wish: u32,
    counters: Arc<Counters>,
}

impl Estimator {
    pub(crate) fn new(bounds: Bounds, counters: Arc<Counters>) -> Self {
        let rate = RateControl::new(bounds);
        counters.wish.store(bounds.max, Relaxed);
        counters.target.store(rate.target(), Relaxed);
        Self { rate, wish: bounds.max, counters }
    }
}

impl BandwidthEstimator for Estimator {
    fn on_reports(&mut self, now: Instant, reports: &[PacketReport]) {
        let wish = self.counters.wish.load(Relaxed);
        if wish != self.wish {
            self.wish = wish;
            self.rate.set_max(wish);
        }
        let fates: Vec<PacketFate> = reports
            .iter()
            .map(|r| PacketFate { left: r.departure, arrived: r.arrival, received: r.arrived, size: r.size })
            .collect();
        self.rate.report(now, &fates);
        if let Some(loss) = self.rate.loss() {
            self.counters.far_loss.store((loss * 1e6) as u32 + 1, Relaxed);
        }
        let target = self.rate.target();
        if self.counters.target.swap(target, Relaxed) != target {
            self.counters.changed.notify_one();
        }
    }

    fn target_bitrate(&self) -> f64 {
        self.rate.target().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payload_types_are_those_that_were_set_last() {
        let types = PayloadTypes::default();
        types.set(&[103, 0, 63, 64, 127]);
        types.set(&[97, 63, 64, 127, 200]);
        let all: Vec<u8> = (0..=255).filter(|&t| types.contains(t)).collect();
        assert_eq!(all, [63, 64, 97, 127]);
    }
}
