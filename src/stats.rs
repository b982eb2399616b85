//! What each stage did: frames in, out and dropped (and why), and how long it took.
//!
//! A [`Stats`] is shared by all threads of a call. A stage counts into its own counters, behind a
//! short lock; the window, the report and the log read the same [`Snapshot`].

mod audio;

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use serde::Serialize;

pub use audio::AudioStats;

use crate::{
    call::Media,
    frame::Size,
    upscale::{EngineKind, GpuTime},
};

/// How many of the last durations of a stage the percentiles are taken over: a minute at 30 fps.
const WINDOW: usize = 1800;

/// A stage of the line from source to screen, in the order in which a frame meets them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Camera, clip or scene.
    Source,
    /// From the source's size to the size that is sent.
    Scale,
    /// H.264, sending side.
    Encode,
    /// From the peer's queue to the connection, packet by packet at the pacer's rate.
    Send,
    /// Packets to access units.
    Assemble,
    /// The wait until a picture's time has come, which evens out a network that delivers in bunches.
    Playout,
    /// H.264, receiving side.
    Decode,
    /// Bicubic and CNN.
    Upscale,
    /// From both pictures being ready to the screen, or to the headless program that takes them.
    Show,
}

impl Stage {
    /// All, in order.
    pub const ALL: [Self; 9] = [
        Self::Source,
        Self::Scale,
        Self::Encode,
        Self::Send,
        Self::Assemble,
        Self::Playout,
        Self::Decode,
        Self::Upscale,
        Self::Show,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Scale => "scale",
            Self::Encode => "encode",
            Self::Send => "send",
            Self::Assemble => "assemble",
            Self::Playout => "playout",
            Self::Decode => "decode",
            Self::Upscale => "upscale",
            Self::Show => "show",
        }
    }
}

/// Median and 95th percentile of something.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Percentiles {
    /// The median.
    pub p50: f64,
    /// 95 % were at most this.
    pub p95: f64,
}

/// The last values of something, for percentiles.
#[derive(Debug, Default, Clone)]
pub struct Recent {
    values: VecDeque<f64>,
}

impl Recent {
    /// Adds a value and forgets the oldest of more than a minute's.
    pub fn push(&mut self, value: f64) {
        if self.values.len() == WINDOW {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    /// Nearest-rank percentiles; zero when there is nothing yet.
    pub fn percentiles(&self) -> Percentiles {
        if self.values.is_empty() {
            return Percentiles::default();
        }
        let mut sorted: Vec<f64> = self.values.iter().copied().collect();
        sorted.sort_by(f64::total_cmp);
        let rank = |p: f64| sorted[((p * sorted.len() as f64).ceil() as usize).clamp(1, sorted.len()) - 1];
        Percentiles { p50: rank(0.5), p95: rank(0.95) }
    }

    /// The mean; zero when there is nothing yet.
    pub fn mean(&self) -> f64 {
        self.values.iter().sum::<f64>() / self.values.len().max(1) as f64
    }
}

#[derive(Debug, Default)]
struct StageStats {
    input: u64,
    output: u64,
    dropped: BTreeMap<&'static str, u64>,
    milliseconds: Recent,
}

/// The network's side of a call, as the peer reports it. In a loopback call packets that left belong to the
/// sending peer and packets that arrived to the receiving one.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Network {
    /// Round trip in milliseconds, once it has been measured.
    pub rtt_ms: Option<f64>,
    /// Share of the packets to this side that were missed, 0 to 1, before repair.
    pub loss_in: f64,
    /// The same for the packets from this side, as the other reports it.
    pub loss_out: Option<f64>,
    /// Bits per second that left this side, headers and repairs included.
    pub out_bps: f64,
    /// Bits per second that arrived here.
    pub in_bps: f64,
    /// Packets that left.
    pub packets_out: u64,
    /// Packets that arrived.
    pub packets_in: u64,
    /// Packets that this side asked for again.
    pub nacks: u64,
    /// Packets that came because of that.
    pub repaired: u64,
    /// Packets that were given up.
    pub lost: u64,
    /// Keyframes that this side asked for.
    pub plis: u64,
}

impl Network {
    /// The same with another connection's counts added to it.
    fn with_counts(self, other: &Self) -> Self {
        Self {
            packets_out: self.packets_out + other.packets_out,
            packets_in: self.packets_in + other.packets_in,
            nacks: self.nacks + other.nacks,
            repaired: self.repaired + other.repaired,
            lost: self.lost + other.lost,
            plis: self.plis + other.plis,
            ..self
        }
    }
}

/// Which half of a peer's numbers means something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkSide {
    /// A peer that sends and receives.
    Both,
    /// The sending end of a loopback call.
    Out,
    /// Its receiving end.
    In,
}

#[derive(Debug, Default)]
struct Inner {
    stages: BTreeMap<Stage, StageStats>,
    sent_bytes: u64,
    target_bps: u32,
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
    age: Recent,
    qp: Recent,
    direction: Option<Media>,
    gpu: Recent,
    /// By the passes' names, in the order in which they run.
    gpu_passes: Vec<(Arc<str>, Recent)>,
    damaged: u64,
    bicubic_only: u64,
    full_size: u64,
    network: Network,
    audio: Option<AudioStats>,
    /// What connections that are over had counted.
    network_before: Network,
    engine: Option<EngineKind>,
    reason: String,
    model: String,
    model_reason: String,
    source: String,
    sent_size: Option<Size>,
    received_size: Option<Size>,
}

/// The counters of one call.
#[derive(Debug, Clone, Default)]
pub struct Stats {
    inner: Arc<Mutex<Inner>>,
}

/// One stage in a [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StageSnapshot {
    /// Frames that came in.
    #[serde(rename = "in")]
    pub input: u64,
    /// Frames that went on.
    pub out: u64,
    /// Frames that did not, by reason.
    pub dropped: BTreeMap<&'static str, u64>,
    /// Milliseconds that the stage took for a frame.
    pub ms: Percentiles,
}

/// One pass of the GPU in a [`Snapshot`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassSnapshot {
    /// What it computes.
    pub name: String,
    /// Milliseconds of the GPU's own clock for a frame.
    #[serde(flatten)]
    pub ms: Percentiles,
}

/// Frames of a call.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Frames {
    /// Given to the network.
    pub sent: u64,
    /// Seen on the screen (headless: taken by the program).
    pub shown: u64,
    /// Shown though a part of it had been lost and was concealed.
    pub damaged: u64,
    /// Shown while no network was fast enough: both pictures were bicubic.
    pub bicubic_only: u64,
    /// Shown as they came, at their source's size.
    pub full_size: u64,
}

/// What stood beside bicubic in the frames that were shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ShownUpscaler {
    /// The network's picture.
    Cnn,
    /// Bicubic once more, since no network was fast enough.
    Bicubic,
    /// Nothing but the frame itself, twice, since it came at its source's size.
    None,
    /// Now this, now that: the network's but in [`Frames::bicubic_only`] and [`Frames::full_size`].
    Mixed,
}

impl Frames {
    /// What stood beside bicubic; nothing before the first frame.
    fn upscaler(&self) -> Option<ShownUpscaler> {
        match (self.shown, self.bicubic_only, self.full_size) {
            (0, ..) => None,
            (_, 0, 0) => Some(ShownUpscaler::Cnn),
            (shown, only, _) if only >= shown => Some(ShownUpscaler::Bicubic),
            (shown, _, full) if full >= shown => Some(ShownUpscaler::None),
            _ => Some(ShownUpscaler::Mixed),
        }
    }
}

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize)]
pub struct Bitrate {
    /// What the encoder was asked to hold.
    pub target: u32,
    /// What it made: the bytes of the access units over the time they were for.
    pub measured: f64,
}

/// All numbers of a call at one moment; the JSON of `--report` and of the window's copy button.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Snapshot {
    /// Frames sent and shown.
    pub frames: Frames,
    /// The encoder's bitrate.
    pub bitrate_bps: Bitrate,
    /// Milliseconds from capture to screen; from arrival to screen where the other machine's clock is unknown.
    pub age_ms: Percentiles,
    /// `gpu` or `cpu`; none before the first frame.
    pub engine: Option<EngineKind>,
    /// Why that engine.
    pub engine_reason: String,
    /// The model's name; "off" where no model was fast enough.
    pub model: String,
    /// Why that one.
    pub model_reason: String,
    /// What stood beside bicubic; none before the first frame.
    pub upscaler: Option<ShownUpscaler>,
    /// Which way video goes, seen from here; none before the sides have agreed. A call with yourself sends and
    /// receives.
    pub direction: Option<Media>,
    /// The source's name.
    pub source: String,
    /// The size of the frames that were received, which is the size that is judged; of those that were sent where
    /// nothing was received.
    pub size: String,
    /// The size of the frames that were sent; none where nothing was.
    pub sent_size: Option<String>,
    /// The size of the frames that were received; none where nothing was.
    pub received_size: Option<String>,
    /// Mean QP of the decoded frames (0 to 51); none before the first.
    pub qp: Option<f64>,
    /// GPU time of the upscaling in milliseconds, where the adapter measures it.
    pub gpu_ms: Option<Percentiles>,
    /// The same for each of its passes, in the order in which they run; those of the network that runs.
    pub gpu_passes: Vec<PassSnapshot>,
    /// The network, as far as video goes over it.
    pub network: Network,
    /// The sound; none in a call without any.
    pub audio: Option<AudioStats>,
    /// Every stage by its name.
    pub stages: BTreeMap<&'static str, StageSnapshot>,
}

impl Stats {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A frame reached `stage`.
    pub fn input(&self, stage: Stage) {
        self.lock().stages.entry(stage).or_default().input += 1;
    }

    /// A frame left `stage`, which took `time` for it.
    pub fn output(&self, stage: Stage, time: Duration) {
        let mut inner = self.lock();
        let s = inner.stages.entry(stage).or_default();
        s.output += 1;
        s.milliseconds.push(time.as_secs_f64() * 1e3);
    }

    /// A frame ended at `stage`, because of `why`.
    pub fn dropped(&self, stage: Stage, why: &'static str) {
        *self.lock().stages.entry(stage).or_default().dropped.entry(why).or_default() += 1;
    }

    /// An access unit of `bytes`, for the moment `captured`, was given to the network.
    pub fn sent(&self, bytes: usize, captured: Instant) {
        let mut inner = self.lock();
        inner.sent_bytes += bytes as u64;
        inner.first_sent.get_or_insert(captured);
        inner.last_sent = Some(captured);
    }

    /// The encoder was asked to hold this.
    pub fn target(&self, bits_per_second: u32) {
        self.lock().target_bps = bits_per_second;
    }

    /// What the decoder knows of a frame.
    pub fn decoded(&self, qp: Option<f32>, damaged: bool) {
        let mut inner = self.lock();
        if let Some(qp) = qp {
            inner.qp.push(qp.into());
        }
        inner.damaged += u64::from(damaged);
    }

    /// GPU time of one frame.
    pub fn gpu_time(&self, time: &GpuTime) {
        let mut inner = self.lock();
        inner.gpu.push(time.total.as_secs_f64() * 1e3);
        if !time.passes.iter().map(|p| &p.name).eq(inner.gpu_passes.iter().map(|(name, _)| name)) {
            inner.gpu_passes = time.passes.iter().map(|p| (Arc::clone(&p.name), Recent::default())).collect();
        }
        for ((_, recent), pass) in inner.gpu_passes.iter_mut().zip(time.passes.iter()) {
            recent.push(pass.time.as_secs_f64() * 1e3);
        }
    }

    /// A frame is on the screen, this long after it was captured, with this beside it.
    pub fn shown(&self, age: Duration, upscaler: ShownUpscaler) {
        let mut inner = self.lock();
        inner.age.push(age.as_secs_f64() * 1e3);
        inner.bicubic_only += u64::from(upscaler == ShownUpscaler::Bicubic);
        inner.full_size += u64::from(upscaler == ShownUpscaler::None);
    }

    /// A peer's newest numbers; `side` says which of its two halves count.
    pub fn network(&self, side: NetworkSide, new: Network) {
        let mut inner = self.lock();
        let old = inner.network;
        inner.network = match side {
            NetworkSide::Both => new,
            NetworkSide::Out => Network {
                rtt_ms: new.rtt_ms.or(old.rtt_ms),
                loss_out: new.loss_out,
                out_bps: new.out_bps,
                packets_out: new.packets_out,
                ..old
            },
            NetworkSide::In => Network {
                rtt_ms: old.rtt_ms,
                loss_out: old.loss_out,
                out_bps: old.out_bps,
                packets_out: old.packets_out,
                ..new
            },
        };
    }

    /// A connection is over: its counts stay, and the next one counts from zero.
    pub fn connection_ended(&self) {
        let mut inner = self.lock();
        inner.network_before = inner.network_before.with_counts(&inner.network);
        inner.network = Network { rtt_ms: inner.network.rtt_ms, ..Network::default() };
    }

    /// The sound's newest numbers.
    pub fn audio(&self, new: AudioStats) {
        self.lock().audio = Some(new);
    }

    /// Which engine runs, and why.
    pub fn engine(&self, engine: EngineKind, reason: &str) {
        let mut inner = self.lock();
        inner.engine = Some(engine);
        reason.clone_into(&mut inner.reason);
    }

    /// Which model runs on the engine, and why that one.
    pub fn model(&self, name: &str, reason: &str) {
        let mut inner = self.lock();
        name.clone_into(&mut inner.model);
        reason.clone_into(&mut inner.model_reason);
    }

    /// What is sent.
    pub fn source(&self, name: &str) {
        name.clone_into(&mut self.lock().source);
    }

    /// Which way video goes, seen from here.
    pub fn direction(&self, direction: Media) {
        self.lock().direction = Some(direction);
    }

    /// At which size it is sent.
    pub fn sent_size(&self, size: Size) {
        self.lock().sent_size = Some(size);
    }

    /// At which size the other side's pictures come.
    pub fn received_size(&self, size: Size) {
        self.lock().received_size = Some(size);
    }

    /// All numbers as they are now.
    pub fn snapshot(&self) -> Snapshot {
        let inner = self.lock();
        let stage = |s: Stage| inner.stages.get(&s);
        let frames = Frames {
            sent: stage(Stage::Send).map_or(0, |s| s.output),
            shown: stage(Stage::Show).map_or(0, |s| s.output),
            damaged: inner.damaged,
            bicubic_only: inner.bicubic_only,
            full_size: inner.full_size,
        };
        // The last unit is for a frame interval that has not passed yet: n units span n − 1 intervals.
        let span = match (inner.first_sent, inner.last_sent, frames.sent) {
            (Some(a), Some(b), n) if n > 1 => (b - a).as_secs_f64() * n as f64 / (n - 1) as f64,
            _ => 0.0,
        };
        Snapshot {
            frames,
            bitrate_bps: Bitrate {
                target: inner.target_bps,
                measured: if span > 0.0 { (inner.sent_bytes * 8) as f64 / span } else { 0.0 },
            },
            age_ms: inner.age.percentiles(),
            engine: inner.engine,
            engine_reason: inner.reason.clone(),
            model: inner.model.clone(),
            model_reason: inner.model_reason.clone(),
            upscaler: frames.upscaler(),
            direction: inner.direction,
            source: inner.source.clone(),
            size: inner.received_size.or(inner.sent_size).map(|size| size.to_string()).unwrap_or_default(),
            sent_size: inner.sent_size.map(|size| size.to_string()),
            received_size: inner.received_size.map(|size| size.to_string()),
            qp: (!inner.qp.values.is_empty()).then(|| inner.qp.mean()),
            gpu_ms: (!inner.gpu.values.is_empty()).then(|| inner.gpu.percentiles()),
            gpu_passes: inner
                .gpu_passes
                .iter()
                .map(|(name, recent)| PassSnapshot { name: name.to_string(), ms: recent.percentiles() })
                .collect(),
            network: inner.network.with_counts(&inner.network_before),
            audio: inner.audio.clone(),
            stages: Stage::ALL
                .iter()
                .filter_map(|&s| {
                    stage(s).map(|x| {
                        let ms = x.milliseconds.percentiles();
                        (s.name(), StageSnapshot { input: x.input, out: x.output, dropped: x.dropped.clone(), ms })
                    })
                })
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests;
