//! A bad network on purpose: loss, delay, jitter and a rate limit, decided from a seed, on the sending
//! side of a real UDP socket. The knobs may be turned while the call runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use webrtc::runtime::{AsyncUdpSocket, RecvMeta, Transmit};

/// The knobs, shared between a window's sliders and the socket. All of them may be zero: a good network.
///
/// Loss meets media and its feedback only (the handshake and the keepalives pass), so that a slider
/// damages pictures and not the connection, unless [all](Self::with_all_lost) is to be lost; an outage meets everything. The n-th media packet's fate depends on
/// the seed and n alone.
#[derive(Debug, Default)]
pub struct Impairment {
    seed: u64,
    loss_ppm: AtomicU32,
    delay_us: AtomicU32,
    jitter_us: AtomicU32,
    rate_bps: AtomicU32,
    outage: AtomicBool,
    lose_control: bool,
    media: AtomicU64,
    feedback: AtomicU64,
    control: AtomicU64,
    passed: AtomicU64,
    lost: AtomicU64,
    overflowed: AtomicU64,
}

/// What the impaired sockets did so far.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ImpairmentCounts {
    /// Datagrams that went out.
    pub passed: u64,
    /// Lost on purpose.
    pub lost: u64,
    /// Dropped because the rate limit's queue was full.
    pub overflowed: u64,
}

/// Bytes wait for a rate limit at most this long; what comes later is dropped, as a router does.
const QUEUE: Duration = Duration::from_millis(400);
/// Datagrams that may be on their way at once.
const IN_FLIGHT: usize = 4096;

impl Impairment {
    /// A good network, to be made worse.
    pub fn new(seed: u64) -> Self {
        Self { seed, ..Self::default() }
    }

    /// The same with a share of packets lost, 0 to 1.
    pub fn with_loss(self, share: f64) -> Self {
        self.set_loss(share);
        self
    }

    /// The same, and the handshake and the keepalives are lost as often as media.
    pub fn with_all_lost(self) -> Self {
        Self { lose_control: true, ..self }
    }

    /// The same with a delay, each way that uses it.
    pub fn with_delay(self, delay: Duration, jitter: Duration) -> Self {
        self.set_delay(delay, jitter);
        self
    }

    /// Loses this share of packets, 0 to 1.
    pub fn set_loss(&self, share: f64) {
        self.loss_ppm.store((share.clamp(0.0, 1.0) * 1e6) as u32, Relaxed);
    }

    /// Lets nothing through at all, as a cable that was pulled, or everything again that the other knobs let.
    pub fn set_outage(&self, outage: bool) {
        self.outage.store(outage, Relaxed);
    }

    /// Delays each packet by `delay` plus something between 0 and `jitter`, which changes their order.
    pub fn set_delay(&self, delay: Duration, jitter: Duration) {
        let us = |d: Duration| u32::try_from(d.as_micros()).unwrap_or(u32::MAX).min(10_000_000);
        self.delay_us.store(us(delay), Relaxed);
        self.jitter_us.store(us(jitter), Relaxed);
    }

    /// Lets through this many bit/s, with a queue of 400 ms; `None` lifts the limit.
    pub fn set_rate(&self, rate: Option<u32>) {
        self.rate_bps.store(rate.map_or(0, |r| r.max(8_000)), Relaxed);
    }

    /// The share of packets that is lost.
    pub fn loss(&self) -> f64 {
        f64::from(self.loss_ppm.load(Relaxed)) / 1e6
    }

    /// Delay and jitter.
    pub fn delay(&self) -> (Duration, Duration) {
        let get = |a: &AtomicU32| Duration::from_micros(a.load(Relaxed).into());
        (get(&self.delay_us), get(&self.jitter_us))
    }

    /// The rate limit.
    pub fn rate(&self) -> Option<u32> {
        Some(self.rate_bps.load(Relaxed)).filter(|&r| r > 0)
    }

    /// What happened so far.
    pub fn counts(&self) -> ImpairmentCounts {
        ImpairmentCounts {
            passed: self.passed.load(Relaxed),
            lost: self.lost.load(Relaxed),
            overflowed: self.overflowed.load(Relaxed),
        }
    }

    /// Decides about one datagram at `now`: when it is to go out, or never. `free` is when the rate
    /// limited line is free again.
    fn decide(&self, datagram: &[u8], now: Instant, free: &mut Instant) -> Option<Instant> {
        if self.outage.load(Relaxed) {
            self.lost.fetch_add(1, Relaxed);
            return None;
        }
        let (class, counter) = match Class::of(datagram) {
            Class::Media => (1, &self.media),
            Class::Feedback => (2, &self.feedback),
            Class::Control => (3, &self.control),
        };
        let spared = class == 3 && !self.lose_control;
        let n = if spared { 0 } else { counter.fetch_add(1, Relaxed) };
        let chance = mix(self.seed ^ (class << 56) ^ n);
        if !spared && chance % 1_000_000 < u64::from(self.loss_ppm.load(Relaxed)) {
            self.lost.fetch_add(1, Relaxed);
            return None;
        }
        let mut at = now;
        if let Some(rate) = self.rate() {
            let start = (*free).max(now);
            if start.saturating_duration_since(now) > QUEUE && class != 3 {
                self.overflowed.fetch_add(1, Relaxed);
                return None;
            }
            at = start + Duration::from_secs_f64(datagram.len() as f64 * 8.0 / f64::from(rate));
            *free = at;
        }
        let (delay, jitter) = self.delay();
        let share = (mix(chance) >> 40) as f64 / (1_u64 << 24) as f64;
        self.passed.fetch_add(1, Relaxed);
        Some(at + delay + jitter.mul_f64(share))
    }
}

enum Class {
    Media,
    Feedback,
    Control,
}

impl Class {
    /// RFC 7983 and RFC 5761: the first two bytes say what a datagram is.
    fn of(datagram: &[u8]) -> Self {
        match datagram {
            [128..=191, 192..=223, ..] => Self::Feedback,
            [128..=191, ..] => Self::Media,
            _ => Self::Control,
        }
    }
}

/// SplitMix64's mixing function: one number in, one well-stirred number out.
const fn mix(n: u64) -> u64 {
    let z = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[derive(Debug)]
struct Waiting {
    at: Instant,
    to: SocketAddr,
    datagram: Vec<u8>,
}

/// A UDP socket with a bad network behind it.
#[derive(Debug)]
pub(super) struct ImpairedSocket {
    inner: Arc<dyn AsyncUdpSocket>,
    impairment: Arc<Impairment>,
    /// When the rate limited line is free again.
    line: std::sync::Mutex<Instant>,
    queue: mpsc::Sender<Waiting>,
}

impl ImpairedSocket {
    /// Sends through `inner` what the impairment lets through, when it does, from a task of its own.
    pub(super) fn new(inner: Arc<dyn AsyncUdpSocket>, impairment: Arc<Impairment>) -> Self {
        let (queue, waiting) = mpsc::channel(IN_FLIGHT);
        tokio::spawn(deliver(Arc::clone(&inner), waiting));
        Self { inner, impairment, line: std::sync::Mutex::new(Instant::now()), queue }
    }
}

impl AsyncUdpSocket for ImpairedSocket {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.inner.local_addr()
    }

    fn poll_send(&self, cx: &mut Context<'_>, transmit: &Transmit<'_>) -> Poll<io::Result<usize>> {
        let now = Instant::now();
        let sent = Poll::Ready(Ok(transmit.contents.len()));
        let at = {
            let mut line = self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            self.impairment.decide(transmit.contents, now, &mut line)
        };
        match at {
            None => sent,
            Some(at) if at <= now => self.inner.poll_send(cx, transmit),
            Some(at) => {
                let waiting = Waiting { at, to: transmit.destination, datagram: transmit.contents.to_vec() };
                if self.queue.try_send(waiting).is_err() {
                    self.impairment.overflowed.fetch_add(1, Relaxed);
                }
                sent
            }
        }
    }

    fn poll_recv(
        &self,
        cx: &mut Context<'_>,
        bufs: &mut [IoSliceMut<'_>],
        meta: &mut [RecvMeta],
    ) -> Poll<io::Result<usize>> {
        self.inner.poll_recv(cx, bufs, meta)
    }

    fn max_gro_segments(&self) -> usize {
        self.inner.max_gro_segments()
    }
}

/// A datagram on its way: when it goes out, its number, to whom, its bytes.
type Queued = (Instant, u64, SocketAddr, Vec<u8>);

/// Sends what waits when its time has come; ends with its socket.
async fn deliver(socket: Arc<dyn AsyncUdpSocket>, mut queue: mpsc::Receiver<Waiting>) {
    let mut heap: BinaryHeap<Reverse<Queued>> = BinaryHeap::new();
    let mut order = 0;
    loop {
        let due = heap.peek().map(|Reverse(w)| w.0);
        let next = async {
            match due {
                Some(at) => tokio::time::sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            waiting = queue.recv() => {
                let Some(w) = waiting else { return };
                if heap.len() < IN_FLIGHT {
                    order += 1;
                    heap.push(Reverse((w.at, order, w.to, w.datagram)));
                }
            }
            () = next => {
                if let Some(Reverse((_, _, to, datagram))) = heap.pop() {
                    // A datagram that the system refuses is a lost one.
                    let _ = socket.send_to(&datagram, to).await;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTP: [u8; 1000] = {
        let mut packet = [0; 1000];
        packet[0] = 0x80;
        packet[1] = 102;
        packet
    };

    fn fates(impairment: &Impairment, n: usize) -> Vec<bool> {
        let now = Instant::now();
        (0..n).map(|_| impairment.decide(&RTP, now, &mut now.clone()).is_some()).collect()
    }

    #[test]
    fn the_same_seed_loses_the_same_packets() {
        let new = |seed| Impairment::new(seed).with_loss(0.1);
        let a = fates(&new(7), 10_000);
        assert_eq!(a, fates(&new(7), 10_000));
        assert_ne!(a, fates(&new(8), 10_000));
        let lost = a.iter().filter(|&&passed| !passed).count();
        assert!((900..1100).contains(&lost), "{lost}");
    }

    #[test]
    fn handshakes_pass_whatever_is_lost() {
        let all = Impairment::new(1).with_loss(1.0);
        let now = Instant::now();
        assert_eq!(all.decide(&RTP, now, &mut now.clone()), None);
        for control in [&[0, 1, 0, 0][..], &[22, 254, 253], &[]] {
            assert_eq!(all.decide(control, now, &mut now.clone()), Some(now));
        }
        assert_eq!(all.counts(), ImpairmentCounts { passed: 3, lost: 1, overflowed: 0 });
        all.set_outage(true);
        assert_eq!(all.decide(&[0, 1, 0, 0], now, &mut now.clone()), None, "but in an outage");
    }

    #[test]
    fn a_limited_line_spaces_packets_and_drops_what_waits_too_long() {
        let slow = Impairment::new(1);
        slow.set_rate(Some(80_000)); // 1000 bytes take 100 ms
        let now = Instant::now();
        let mut line = now;
        let at: Vec<_> = (0..8).map(|_| slow.decide(&RTP, now, &mut line).map(|t| (t - now).as_millis())).collect();
        assert_eq!(at, [Some(100), Some(200), Some(300), Some(400), Some(500), None, None, None]);
        assert_eq!(slow.counts().overflowed, 3);
    }

    #[test]
    fn delay_and_jitter_stay_in_their_bounds() {
        let far = Impairment::new(3).with_delay(Duration::from_millis(50), Duration::from_millis(20));
        let now = Instant::now();
        let ways: Vec<_> =
            (0..500).filter_map(|_| far.decide(&RTP, now, &mut now.clone())).map(|t| (t - now).as_millis()).collect();
        assert!(ways.iter().all(|w| (50..=70).contains(w)));
        assert!(ways.iter().any(|&w| w < 54) && ways.iter().any(|&w| w > 66));
    }
}
