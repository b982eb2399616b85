//! The task that watches over a peer.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rtc::peer_connection::transport::RTCDtlsTransportState;
use rtc::statistics::stats::ice_candidate_pair::RTCIceCandidatePairStats;
use webrtc::peer_connection::transport::DtlsTransport;
use webrtc::peer_connection::{PeerConnection, RTCIceCandidate, RTCStatsReport, RTCStatsReportEntry, StatsSelector};

use super::audio::{self, AudioSending};
use super::engine::SILENT;
use super::peer_state::{Life, PeerShared};
use super::recover::Throttle;
use super::send::{self, Sending, UnitSender};
use super::stats_interceptor::Counters;
use super::{EndReason, NetStats};

const STATS_EVERY: Duration = Duration::from_millis(500);
/// The encoder is asked for at most five keyframes a second.
const KEYFRAME_SPACING: Duration = Duration::from_millis(200);

/// State, statistics, keyframe requests, the target.
pub(super) struct PeerMonitor {
    pub(super) pc: Arc<dyn PeerConnection>,
    pub(super) shared: Arc<PeerShared>,
    pub(super) sending: Option<Sending>,
    pub(super) audio_sending: Option<AudioSending>,
    pub(super) sender: UnitSender,
}

impl PeerMonitor {
    pub(super) async fn run(mut self) {
        let shared = Arc::clone(&self.shared);
        let mut life = shared.life.subscribe();
        let mut negotiated = shared.negotiated.subscribe();
        let mut tick = tokio::time::interval(STATS_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut keyframes = Throttle::new(KEYFRAME_SPACING);
        let mut announced = shared.counters.target.load(Relaxed);
        let mut before = Totals::default();
        let mut connected = false;
        let mut silent = false;
        loop {
            let due = keyframes.due(Instant::now()).filter(|_| connected);
            let timer = async {
                match due {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = shared.counters.changed.notified() => {}
                () = timer => {}
                Ok(()) = negotiated.changed() => {
                    if connected {
                        self.follow_direction();
                    }
                }
                _ = tick.tick(), if connected => {
                    if self.closed_by_far_side().await {
                        shared.end(EndReason::HungUp);
                        continue;
                    }
                    // While ICE begins anew it says nothing of a far side that is gone.
                    let unheard = shared.counters.unheard_for();
                    if unheard.is_some_and(|unheard| (unheard > SILENT) != silent) {
                        silent = !silent;
                        shared.mailbox.put(|l| l.heard = Some(!silent));
                    }
                    let totals = Totals::of(&shared.counters);
                    let stats = self.stats(before, totals).await;
                    before = totals;
                    shared.mailbox.put(|l| l.stats = Some(stats));
                }
                changed = life.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    let now = life.borrow_and_update().clone();
                    match now {
                        Life::New => {}
                        Life::Connected if connected => shared.mailbox.put(|l| l.heard = Some(true)),
                        Life::Connected => {
                            connected = true;
                            self.connected().await;
                            tick.reset();
                        }
                        Life::Silent => shared.mailbox.put(|l| l.heard = Some(false)),
                        Life::Over(reason) => {
                            shared.sending.open.store(false, Relaxed);
                            shared.audio.open.store(false, Relaxed);
                            shared.mailbox.put(|l| l.over = Some(reason));
                            return;
                        }
                    }
                }
            }
            if shared.counters.far_left.load(Relaxed) {
                shared.end(EndReason::HungUp);
            }
            if shared.counters.keyframe_asked.swap(false, Relaxed) {
                keyframes.ask();
            }
            if connected && keyframes.poll(Instant::now()) {
                shared.mailbox.put(|l| l.keyframe = true);
            }
            let target = shared.counters.target.load(Relaxed);
            if worth_telling(announced, target) {
                announced = target;
                shared.mailbox.put(|l| l.target = Some(target));
            }
        }
    }

    async fn connected(&mut self) {
        let (local, remote) = self.ends().await;
        if let Some(rtt) = self.keepalive_rtt().await {
            self.shared.counters.set_rtt(rtt);
        }
        self.follow_direction();
        self.shared.mailbox.put(|l| l.connected = Some((local, remote)));
    }

    /// Sends sound if the far side takes it, and not if it does not.
    fn follow_audio(&mut self) {
        let sends = self.shared.negotiated.borrow().as_ref().is_some_and(|negotiated| negotiated.sends_sound());
        if sends && let Some(sending) = self.audio_sending.take() {
            let negotiated = self.shared.negotiated.subscribe();
            self.shared.keep(tokio::spawn(audio::send(sending, negotiated)));
        }
        self.shared.audio.open.store(sends && self.audio_sending.is_none(), Relaxed);
    }

    /// Sends if the far side takes video, and not if it does not.
    fn follow_direction(&mut self) {
        self.follow_audio();
        let sends = self.shared.negotiated.borrow().as_ref().is_some_and(|negotiated| negotiated.direction.sends());
        if sends && let Some(sending) = self.sending.take() {
            let negotiated = self.shared.negotiated.subscribe();
            self.shared.keep(tokio::spawn(send::run(sending, negotiated, self.sender.clone())));
        }
        let opened = sends && self.sending.is_none() && !self.shared.sending.open.swap(true, Relaxed);
        if opened {
            self.shared.mailbox.put(|l| l.keyframe = true);
        } else if !sends {
            self.shared.sending.open.store(false, Relaxed);
        }
    }

    async fn transports(&self) -> Vec<Arc<dyn DtlsTransport>> {
        let mut transports = Vec::new();
        for sender in self.pc.get_senders().await {
            transports.extend(sender.transport().await.ok().flatten());
        }
        for receiver in self.pc.get_receivers().await {
            transports.extend(receiver.transport().await.ok().flatten());
        }
        transports
    }

    /// Whether the far side has closed the connection with an alert (`close_notify`, RFC 5246 §7.2.1), as a browser does
    /// whose page is closed. webrtc has no event for it.
    async fn closed_by_far_side(&self) -> bool {
        for transport in self.transports().await {
            if matches!(transport.state().await, Ok(RTCDtlsTransportState::Closed)) {
                return true;
            }
        }
        false
    }

    /// Both ends of the path that was chosen. An end that has neither sent nor received knows only its own.
    async fn ends(&self) -> (Option<SocketAddr>, Option<SocketAddr>) {
        for transport in self.transports().await {
            let pair = transport.ice_transport().get_selected_candidate_pair().await;
            if let Ok(Some(pair)) = pair {
                let end = |c: &RTCIceCandidate| Some(SocketAddr::new(c.address.parse().ok()?, c.port));
                return (end(pair.local()), end(pair.remote()));
            }
        }
        let report = self.pc.get_stats(Instant::now(), StatsSelector::None).await;
        let local = best_pair(&report).and_then(|pair| {
            let id = &pair.local_candidate_id;
            // The entries' ids carry a prefix that the pair's do not.
            report.iter().filter(|entry| !id.is_empty() && entry.id().ends_with(id)).find_map(|entry| match entry {
                RTCStatsReportEntry::LocalCandidate(c) => {
                    Some(SocketAddr::new(c.address.as_deref()?.parse().ok()?, c.port))
                }
                _ => None,
            })
        });
        (local, None)
    }

    /// The round trip of the keepalives.
    async fn keepalive_rtt(&self) -> Option<Duration> {
        let report = self.pc.get_stats(Instant::now(), StatsSelector::None).await;
        let rtt = best_pair(&report)?.current_round_trip_time;
        Some(rtt).filter(|s| s.is_finite() && *s > 0.0 && *s < 60.0).map(Duration::from_secs_f64)
    }

    async fn stats(&self, before: Totals, now: Totals) -> NetStats {
        let (counters, sending, receiving) = (&self.shared.counters, &self.shared.sending, &self.shared.receiving);
        if !sending.open.load(Relaxed) || counters.rtt().is_none() {
            // Without sender reports the keepalives know the round trip.
            if let Some(rtt) = self.keepalive_rtt().await {
                counters.set_rtt(rtt);
            }
        }
        let load = |a: &AtomicU64| a.load(Relaxed);
        let (missed_in, repaired_in) = (load(&counters.missed), load(&counters.repaired_in));
        let came = (now.packets_in - before.packets_in).saturating_sub(repaired_in.saturating_sub(before.repaired_in));
        let missed = missed_in.saturating_sub(before.missed);
        let span = now.at.saturating_duration_since(before.at).as_secs_f64().max(1e-3);
        let rate = |bytes: u64| (bytes as f64 * 8.0 / span) as u32;
        NetStats {
            rtt: counters.rtt(),
            loss_out: Some(counters.far_loss.load(Relaxed)).filter(|&l| l > 0).map(|l| (l - 1) as f32 / 1e6),
            loss_in: missed as f32 / (missed + came).max(1) as f32,
            bitrate_out: rate(now.bytes_out - before.bytes_out),
            bitrate_in: rate(now.bytes_in - before.bytes_in),
            target: counters.target.load(Relaxed),
            packets_out: load(&counters.packets_out),
            packets_in: now.packets_in,
            repeated_out: load(&counters.repeated_out),
            repaired_in,
            missed_in,
            lost_in: load(&receiving.lost),
            nacks_in: load(&counters.nacks_in),
            nacks_out: load(&counters.nacks_out),
            plis_in: load(&counters.plis_in),
            plis_out: load(&counters.plis_out),
            units_out: load(&sending.units),
            units_refused: load(&sending.refused),
            units_in: load(&receiving.units),
            units_damaged: load(&receiving.damaged),
            units_overrun: load(&receiving.overrun),
            audio: self.shared.audio.stats(),
        }
    }
}

fn best_pair(report: &RTCStatsReport) -> Option<&RTCIceCandidatePairStats> {
    let pairs = report.iter().filter_map(|entry| match entry {
        RTCStatsReportEntry::IceCandidatePair(pair) => Some(pair),
        _ => None,
    });
    pairs.max_by_key(|p| (p.nominated, p.packets_sent + p.packets_received, p.responses_received))
}

/// Counters at one time, to see how fast they grow.
#[derive(Clone, Copy)]
struct Totals {
    at: Instant,
    bytes_in: u64,
    bytes_out: u64,
    packets_in: u64,
    repaired_in: u64,
    missed: u64,
}

impl Default for Totals {
    fn default() -> Self {
        Self { at: Instant::now(), bytes_in: 0, bytes_out: 0, packets_in: 0, repaired_in: 0, missed: 0 }
    }
}

impl Totals {
    fn of(counters: &Counters) -> Self {
        Self {
            at: Instant::now(),
            bytes_in: counters.bytes_in.load(Relaxed),
            bytes_out: counters.bytes_out.load(Relaxed),
            packets_in: counters.packets_in.load(Relaxed),
            repaired_in: counters.repaired_in.load(Relaxed),
            missed: counters.missed.load(Relaxed),
        }
    }
}

/// An encoder is not bothered with every small step.
fn worth_telling(announced: u32, target: u32) -> bool {
    let step = announced.abs_diff(target);
    step > announced / 25 || (step > 0 && target > announced && step > 4000)
}
