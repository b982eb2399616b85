//! How much to send: a small controller over loss and queueing delay, pure, time is an argument.
//!
//! It hears of every packet through the transport-wide feedback (when it left, when it arrived on the
//! far side's clock, or that it did not) and intervals at half a second at a time:
//!
//! | seen | does |
//! |---|---|
//! | a standing queue: even the fastest packets are 80 ms slower than the fastest of the last 10 s | down to 85 % of what arrives |
//! | more than 15 % lost (smoothed over a few intervals) | down by half of that share |
//! | no queue worth naming (under 40 ms), less than 5 % lost | up by 5 %, plus 8 kbit/s |
//! | the same, less than 12 % lost | up by 1 % |
//! | between | stays |
//!
//! At first, and after the user has raised the maximum, it *probes*: up by 30 % an interval until there is a queue or
//! loss, or the maximum is reached. Two bad intervals in a row bring it down, one if it is very bad or probing.
//!
//! The target never leaves `min..=max` and never rises above 1.5 times what arrives. The minimum of the
//! delay is what counts, so that a late thread on either machine is not taken for a full network.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// What became of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketFate {
    /// When it left here.
    pub left: Instant,
    /// When it arrived, on the far side's clock; `None` if it is lost (or the time is unknown).
    pub arrived: Option<Duration>,
    /// Whether the far side has it.
    pub received: bool,
    /// Bytes.
    pub size: usize,
}

/// The bounds and the start, in bit/s.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Never less.
    pub min: u32,
    /// At first.
    pub start: u32,
    /// Never more.
    pub max: u32,
}

/// One interval at the network takes this long.
const INTERVAL: Duration = Duration::from_millis(500);
/// Looks after which the base delay is forgotten (10 s): clocks drift and routes change.
const BASE_INTERVALS: usize = 20;
const QUEUE_HIGH: Duration = Duration::from_millis(80);
const QUEUE_LOW: Duration = Duration::from_millis(40);
const LOSS_HIGH: f64 = 0.15;
const LOSS_FAIR: f64 = 0.12;
const LOSS_LOW: f64 = 0.05;
/// How much the newest interval counts against those before.
const LOSS_WEIGHT: f64 = 0.3;

/// A call to another machine starts with this much at most, in bit/s, and probes for more.
pub const START_BITRATE: u32 = 300_000;
/// How fast it probes.
const PROBE: f64 = 1.3;

#[derive(Debug, Default)]
struct Interval {
    since: Option<Instant>,
    received: u32,
    lost: u32,
    bytes: usize,
    fastest: Option<i64>,
    /// In its second half: what a queue that builds up has come to.
    fastest_late: Option<i64>,
}

/// The controller.
#[derive(Debug)]
pub struct RateControl {
    bounds: Bounds,
    target: f64,
    epoch: Option<Instant>,
    interval: Interval,
    /// The fastest way (µs, on two clocks) of each recent interval.
    base: VecDeque<i64>,
    loss: Option<f64>,
    smooth_loss: f64,
    delivered: Option<f64>,
    queue: Duration,
    congested_intervals: u32,
    probing: bool,
}

impl RateControl {
    /// Starts at `bounds.start`.
    pub fn new(bounds: Bounds) -> Self {
        let bounds = Bounds { max: bounds.max.max(bounds.min), ..bounds };
        let target = f64::from(bounds.start.clamp(bounds.min, bounds.max));
        Self {
            bounds,
            target,
            epoch: None,
            interval: Interval::default(),
            base: VecDeque::new(),
            loss: None,
            smooth_loss: 0.0,
            delivered: None,
            queue: Duration::ZERO,
            congested_intervals: 0,
            probing: true,
        }
    }

    /// The bitrate to encode at.
    pub fn target(&self) -> u32 {
        self.target as u32
    }

    /// The share of packets lost in the last interval, 0 to 1.
    pub const fn loss(&self) -> Option<f64> {
        self.loss
    }

    /// What arrived in the last interval, in bit/s.
    pub fn delivered(&self) -> Option<u32> {
        self.delivered.map(|d| d as u32)
    }

    /// The standing queue found in the last interval.
    pub const fn queue(&self) -> Duration {
        self.queue
    }

    /// Another maximum, chosen by the user. The target stays as far as it may; with more room it probes.
    pub fn set_max(&mut self, max: u32) {
        let min = self.bounds.min.min(max);
        self.probing |= max > self.bounds.max;
        self.bounds = Bounds { min, max, ..self.bounds };
        self.target = self.target.clamp(f64::from(min), f64::from(max));
    }

    /// News of packets, in any order; a change shows in [`target`](Self::target).
    pub fn report(&mut self, now: Instant, fates: &[PacketFate]) {
        let since = *self.interval.since.get_or_insert(now);
        let span = now.saturating_duration_since(since);
        for fate in fates {
            let epoch = *self.epoch.get_or_insert(fate.left);
            if fate.received {
                self.interval.received += 1;
                self.interval.bytes += fate.size;
            } else {
                self.interval.lost += 1;
            }
            if let Some(arrived) = fate.arrived.filter(|_| fate.received) {
                let left = fate.left.saturating_duration_since(epoch).as_micros() as i64;
                let way = (arrived.as_micros() as i64).saturating_sub(left);
                let least = |fastest: Option<i64>| Some(fastest.map_or(way, |f| f.min(way)));
                self.interval.fastest = least(self.interval.fastest);
                if span >= INTERVAL / 2 {
                    self.interval.fastest_late = least(self.interval.fastest_late);
                }
            }
        }
        if span >= INTERVAL && self.interval.received + self.interval.lost >= 10 {
            let interval = std::mem::replace(&mut self.interval, Interval { since: Some(now), ..Interval::default() });
            self.decide(&interval, span);
        }
    }

    fn decide(&mut self, interval: &Interval, span: Duration) {
        let total = f64::from(interval.received + interval.lost);
        let loss = f64::from(interval.lost) / total;
        let delivered = interval.bytes as f64 * 8.0 / span.as_secs_f64();
        if let Some(fastest) = interval.fastest {
            self.base.push_back(fastest);
            if self.base.len() > BASE_INTERVALS {
                self.base.pop_front();
            }
            let base = self.base.iter().copied().min().unwrap_or(fastest);
            let late = interval.fastest_late.unwrap_or(fastest);
            self.queue = Duration::from_micros(late.saturating_sub(base).max(0) as u64);
        }
        self.loss = Some(loss);
        self.smooth_loss += LOSS_WEIGHT * (loss - self.smooth_loss);
        let loss = self.smooth_loss;
        self.delivered = Some(delivered);
        if self.probing {
            self.probe(delivered);
            self.target = self.target.clamp(f64::from(self.bounds.min), f64::from(self.bounds.max));
            return;
        }
        // A single bad interval may be a hiccup; two in a row are the network.
        let congested = self.queue > QUEUE_HIGH || loss > LOSS_HIGH;
        self.congested_intervals = if congested { self.congested_intervals + 1 } else { 0 };
        if self.congested_intervals >= 2 || self.queue > 2 * QUEUE_HIGH {
            self.congested_intervals = 0;
            if self.queue > QUEUE_HIGH {
                self.target = self.target.min(0.85 * delivered);
            } else {
                self.target *= 1.0 - 0.5 * loss;
            }
        } else if !congested && loss < LOSS_FAIR && self.queue < QUEUE_LOW {
            let up = if loss < LOSS_LOW { self.target * 1.05 + 8000.0 } else { self.target * 1.01 };
            self.target = up.min(self.target.max(1.5 * delivered));
        }
        self.target = self.target.clamp(f64::from(self.bounds.min), f64::from(self.bounds.max));
    }
}

impl RateControl {
    /// Nothing is known of the network yet: up fast, and down to what has arrived at the first sign that it is full.
    fn probe(&mut self, delivered: f64) {
        if self.queue > QUEUE_LOW || self.smooth_loss > LOSS_FAIR {
            self.probing = false;
            if self.queue > QUEUE_HIGH || self.smooth_loss > LOSS_HIGH {
                self.target = self.target.min(0.85 * delivered);
            }
            return;
        }
        self.target = (PROBE * self.target).min(self.target.max(1.5 * delivered));
        self.probing = self.target < f64::from(self.bounds.max);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A link with a deep queue, and a far side that reports what has arrived ten times a second.
    struct SimulatedLink {
        start: Instant,
        now: Instant,
        /// When the link will have sent what it has, in seconds since the start.
        busy: f64,
        count: u32,
        /// With the second at which the far side knows.
        under_way: VecDeque<(f64, PacketFate)>,
    }

    impl SimulatedLink {
        fn new() -> Self {
            let start = Instant::now();
            Self { start, now: start, busy: 0.0, count: 0, under_way: VecDeque::new() }
        }

        /// Sends at the target for `seconds` over `capacity` bit/s, losing `loss` of 100 packets;
        /// gives the target at the end of each second.
        fn drive(&mut self, rate: &mut RateControl, capacity: f64, loss: u32, seconds: u32) -> Vec<u32> {
            (0..seconds * 10)
                .filter_map(|tenth| {
                    for i in 0..10 {
                        let size = f64::from(rate.target()) / 8.0 / 100.0;
                        let left = self.now + Duration::from_millis(10 * i);
                        let at = left.duration_since(self.start).as_secs_f64();
                        self.busy = self.busy.max(at) + size * 8.0 / capacity;
                        self.count += 1;
                        // Knuth's multiplier: as good as random, and the same each time.
                        let received = (self.count.wrapping_mul(2_654_435_761) >> 16) % 100 >= loss;
                        // The far side's clock is five seconds ahead.
                        let arrived = received.then(|| Duration::from_secs_f64(self.busy + 5.02));
                        self.under_way
                            .push_back((self.busy + 0.02, PacketFate { left, arrived, received, size: size as usize }));
                    }
                    self.now += Duration::from_millis(100);
                    let at = self.now.duration_since(self.start).as_secs_f64();
                    let known = self.under_way.iter().take_while(|(known, _)| *known <= at).count();
                    let fates: Vec<PacketFate> = self.under_way.drain(..known).map(|(_, fate)| fate).collect();
                    rate.report(self.now, &fates);
                    (tenth % 10 == 9).then(|| rate.target())
                })
                .collect()
        }
    }

    const BOUNDS: Bounds = Bounds { min: 50_000, start: 300_000, max: 300_000 };

    #[test]
    fn a_good_network_gets_the_whole_bitrate() {
        let mut rate = RateControl::new(BOUNDS);
        let targets = SimulatedLink::new().drive(&mut rate, 10e6, 2, 30);
        assert!(targets.iter().all(|&t| t == 300_000), "{targets:?}");
    }

    #[test]
    fn a_narrow_network_is_not_flooded_and_used_again_when_it_widens() {
        let mut rate = RateControl::new(BOUNDS);
        let mut link = SimulatedLink::new();
        let narrow = link.drive(&mut rate, 150e3, 0, 40);
        let end = &narrow[20..];
        assert!(end.iter().all(|&t| (70_000..220_000).contains(&t)), "{narrow:?}");
        let wide = link.drive(&mut rate, 10e6, 0, 60);
        assert_eq!(wide.last(), Some(&300_000), "{wide:?}");
    }

    #[test]
    fn a_wish_beyond_a_narrow_network_is_probed_for_and_given_up_in_time() {
        let mut rate = RateControl::new(Bounds { min: 50_000, start: START_BITRATE, max: 2_000_000 });
        let mut link = SimulatedLink::new();
        let targets = link.drive(&mut rate, 500e3, 0, 20);
        assert!(targets.iter().all(|&t| t < 700_000), "{targets:?}");
        assert!(targets[4..].iter().all(|&t| (300_000..=650_000).contains(&t)), "{targets:?}");
        // And where there is room, it is found within five seconds.
        let mut rate = RateControl::new(Bounds { min: 50_000, start: START_BITRATE, max: 2_000_000 });
        let mut wide = SimulatedLink::new();
        let targets = wide.drive(&mut rate, 10e6, 0, 5);
        assert_eq!(targets.last(), Some(&2_000_000), "{targets:?}");
        // A user who wants more is a reason to probe, one who wants less is obeyed at once.
        rate.set_max(500_000);
        assert_eq!(rate.target(), 500_000);
        rate.set_max(1_000_000);
        let targets = wide.drive(&mut rate, 10e6, 0, 3);
        assert_eq!(targets.last(), Some(&1_000_000), "{targets:?}");
    }

    #[test]
    fn heavy_loss_brings_the_target_down_to_its_floor_at_most() {
        let mut rate = RateControl::new(BOUNDS);
        let targets = SimulatedLink::new().drive(&mut rate, 10e6, 30, 60);
        assert!(targets.windows(2).all(|w| w[1] <= w[0]), "{targets:?}");
        assert_eq!(targets.last(), Some(&50_000));
        assert!(rate.loss().is_some_and(|l| (0.2..0.4).contains(&l)));
    }

    #[test]
    fn moderate_loss_costs_little() {
        let mut rate = RateControl::new(BOUNDS);
        let targets = SimulatedLink::new().drive(&mut rate, 10e6, 10, 120);
        assert!(targets.iter().all(|&t| t >= 270_000), "{targets:?}");
    }

    #[test]
    fn an_idle_sender_does_not_talk_itself_up() {
        let mut rate = RateControl::new(Bounds { max: 5_000_000, ..BOUNDS });
        let start = Instant::now();
        for i in 0..100_u32 {
            let now = start + Duration::from_millis(100) * i;
            // 10 packets of 100 bytes in 100 ms: 80 kbit/s arrive.
            let fate = PacketFate { left: now, arrived: Some(now - start), received: true, size: 100 };
            rate.report(now, &[fate; 10]);
        }
        assert!(rate.target() <= 300_000, "{}", rate.target());
    }
}
