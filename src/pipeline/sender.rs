//! The sending half: source → scale → encode → peer, on two threads.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use super::{
    history::GroundTruthBuffer,
    lock,
    notices::Notices,
    slot::{Slot, Taken},
};
use crate::{
    call::{SendError, UnitSender},
    codec::{EncodeError, Encoder, EncoderConfig},
    frame::{Frame, Range, Size, Stamp},
    scale::{Kernel, ScaleError, Scaler},
    source::{Event, Source},
    stats::{Stage, Stats},
};

/// How often a waiting thread looks whether it should end.
const TICK: Duration = Duration::from_millis(100);

/// Two keyframes that were asked for are at least this far apart: each costs many frames' bits.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(400);

/// What the sending half is told while it runs.
#[derive(Debug)]
pub(super) struct Control {
    stop: AtomicBool,
    muted: AtomicBool,
    connected: AtomicBool,
    keyframe: AtomicBool,
    /// What the user wants.
    bitrate: AtomicU32,
    /// What the network carries; no more is sent.
    allowed: AtomicU32,
    /// What is sent fits into this.
    bound: Mutex<Size>,
    /// Frames a second, as the bits of an f32.
    fps: AtomicU32,
}

impl Control {
    pub(super) fn connected(&self) {
        self.keyframe.store(true, Ordering::Relaxed);
        self.connected.store(true, Ordering::Release);
    }

    pub(super) fn disconnected(&self) {
        self.connected.store(false, Ordering::Release);
    }

    pub(super) fn keyframe(&self) {
        self.keyframe.store(true, Ordering::Relaxed);
    }

    pub(super) fn mute(&self, muted: bool) {
        self.muted.store(muted, Ordering::Relaxed);
    }

    pub(super) fn set_bitrate(&self, bits_per_second: u32) {
        self.bitrate.store(bits_per_second, Ordering::Relaxed);
    }

    pub(super) fn set_size(&self, bound: Size) {
        *lock(&self.bound) = bound;
    }

    pub(super) fn set_fps(&self, fps: f32) {
        self.fps.store(fps.to_bits(), Ordering::Relaxed);
    }

    fn fps(&self) -> f32 {
        f32::from_bits(self.fps.load(Ordering::Relaxed))
    }

    pub(super) fn allow(&self, bits_per_second: u32) {
        self.allowed.store(bits_per_second, Ordering::Relaxed);
    }

    fn target(&self) -> u32 {
        self.bitrate.load(Ordering::Relaxed).min(self.allowed.load(Ordering::Relaxed))
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

/// The running half; dropping it ends and joins its threads.
pub(super) struct SendHalf {
    pub(super) control: Arc<Control>,
    self_view: Arc<Mutex<Option<Arc<Frame>>>>,
    pictures: Slot<Frame>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) struct SendPlan {
    pub(super) bound: Size,
    pub(super) fps: f32,
    pub(super) bitrate: u32,
    /// Where the source's pictures are kept, if somebody can know that they are the truth.
    pub(super) ground_truth: Option<Arc<GroundTruthBuffer>>,
}

impl SendHalf {
    pub(super) fn start(
        source: Box<dyn Source>,
        plan: SendPlan,
        out: UnitSender,
        stats: Stats,
        notices: Notices,
    ) -> std::io::Result<Self> {
        let control = Arc::new(Control {
            stop: AtomicBool::new(false),
            muted: AtomicBool::new(false),
            connected: AtomicBool::new(false),
            keyframe: AtomicBool::new(false),
            bitrate: AtomicU32::new(plan.bitrate),
            allowed: AtomicU32::new(u32::MAX),
            bound: Mutex::new(plan.bound),
            fps: AtomicU32::new(plan.fps.to_bits()),
        });
        let pictures = Slot::default();
        let self_view = Arc::new(Mutex::new(None));
        stats.source(&source.name());
        stats.target(plan.bitrate);
        let mut half = Self { control, self_view, pictures, threads: Vec::new() };
        let reader = Reader {
            source,
            control: Arc::clone(&half.control),
            out: half.pictures.clone(),
            stats: stats.clone(),
            notices: notices.clone(),
        };
        half.threads.push(std::thread::Builder::new().name("source".into()).spawn(move || reader.run())?);
        let coder = Coder {
            ground_truth: plan.ground_truth,
            control: Arc::clone(&half.control),
            pictures: half.pictures.clone(),
            self_view: Arc::clone(&half.self_view),
            out,
            stats,
            notices,
        };
        half.threads.push(std::thread::Builder::new().name("encode".into()).spawn(move || coder.run())?);
        Ok(half)
    }

    /// The newest picture that was encoded.
    pub(super) fn self_view(&self) -> Option<Arc<Frame>> {
        self.self_view.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        self.control.stop.store(true, Ordering::Relaxed);
        self.pictures.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the sending half panicked");
            }
        }
    }
}

/// Takes pictures from the source at the call's pace.
struct Reader {
    source: Box<dyn Source>,
    control: Arc<Control>,
    out: Slot<Frame>,
    stats: Stats,
    notices: Notices,
}

impl Reader {
    fn run(mut self) {
        let mut fps = self.control.fps();
        let mut pace = Pace::new(self.source.fps(), fps);
        let mut last: Option<Frame> = None;
        let mut id = 0;
        while !self.control.stopped() {
            if fps != self.control.fps() {
                fps = self.control.fps();
                pace = Pace::new(self.source.fps(), fps);
            }
            if !self.source.live() {
                // A file is read as if it were a camera: one picture at each tick of its clock.
                let wait = pace.wait(Instant::now());
                if !wait.is_zero() {
                    std::thread::sleep(wait.min(TICK));
                    continue;
                }
            }
            let started = Instant::now();
            let frame = match self.source.next() {
                Ok(Event::Frame(frame)) => frame,
                Ok(Event::Lost(why)) => {
                    self.notices.say(why);
                    // The call goes on with a still picture.
                    match &last {
                        Some(still) => still.clone().with_stamp(Stamp::now(id)),
                        None => continue,
                    }
                }
                Ok(Event::Ended) => {
                    self.notices.say(format!("{} has ended", self.source.name()));
                    break;
                }
                Err(error) => {
                    self.notices.say(error.to_string());
                    break;
                }
            };
            self.stats.input(Stage::Source);
            if !pace.keep() {
                self.stats.dropped(Stage::Source, "above the call's frame rate");
                continue;
            }
            let captured = if self.source.live() { frame.stamp.captured } else { started };
            let frame = frame.with_stamp(Stamp { id, captured });
            id += 1;
            self.stats.output(Stage::Source, started.elapsed());
            last = Some(frame.clone());
            self.stats.input(Stage::Scale);
            if self.out.put(frame).is_some() {
                self.stats.dropped(Stage::Scale, "a newer picture came");
            }
        }
        self.out.close();
    }
}

/// When the next picture of a file is due, and which pictures a slower call leaves out.
struct Pace {
    interval: Duration,
    due: Option<Instant>,
    /// Call frames per source frame, at most 1.
    share: f64,
    credit: f64,
}

impl Pace {
    fn new(source_fps: f32, call_fps: f32) -> Self {
        let source_fps = f64::from(source_fps).clamp(1.0, 240.0);
        Self {
            interval: Duration::from_secs_f64(1.0 / source_fps),
            due: None,
            // A source that says 29.97 is not thinned out for a call at 30 or 29.9.
            share: (f64::from(call_fps) * 1.01 / source_fps).min(1.0),
            credit: 1.0,
        }
    }

    /// How long to wait until the next picture; zero takes the tick. Lateness of up to four pictures is made up for.
    fn wait(&mut self, now: Instant) -> Duration {
        let due = *self.due.get_or_insert(now);
        if now < due {
            return due - now;
        }
        let next = due + self.interval;
        self.due = Some(if now > next + self.interval * 4 { now } else { next });
        Duration::ZERO
    }

    /// Whether the call takes this picture.
    fn keep(&mut self) -> bool {
        let keep = self.credit >= 1.0 - 1e-9;
        self.credit += self.share - f64::from(u8::from(keep));
        keep
    }
}

/// Scales and encodes, and hands units to the peer.
struct Coder {
    ground_truth: Option<Arc<GroundTruthBuffer>>,
    control: Arc<Control>,
    pictures: Slot<Frame>,
    self_view: Arc<Mutex<Option<Arc<Frame>>>>,
    out: UnitSender,
    stats: Stats,
    notices: Notices,
}

impl Coder {
    fn run(self) {
        let mut scaler: Option<(Size, Scaler)> = None;
        let mut encoder: Option<Encoder> = None;
        let mut last_keyframe: Option<Instant> = None;
        while !self.control.stopped() {
            let frame = match self.pictures.take(TICK) {
                Taken::Value(frame) => frame,
                Taken::Timeout => continue,
                Taken::Closed => break,
            };
            let low = match self.scale(&frame, &mut scaler) {
                Ok(low) => low,
                Err(error) => {
                    self.stats.dropped(Stage::Scale, "failed");
                    self.notices.say(error.to_string());
                    continue;
                }
            };
            *self.self_view.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&low));
            if !self.control.connected.load(Ordering::Acquire) {
                self.stats.dropped(Stage::Encode, "nobody is connected");
                continue;
            }
            if let Some(ground_truth) =
                self.ground_truth.as_ref().filter(|_| !self.control.muted.load(Ordering::Relaxed))
            {
                ground_truth.keep(frame);
            }
            if let Err(error) = self.encode(&low, &mut encoder, &mut last_keyframe) {
                self.stats.dropped(Stage::Encode, "failed");
                self.notices.say(error.to_string());
                // A new encoder may do better than one in an unknown state.
                encoder = None;
            }
        }
    }

    fn scale(&self, frame: &Frame, scaler: &mut Option<(Size, Scaler)>) -> Result<Arc<Frame>, ScaleError> {
        let started = Instant::now();
        let target = frame.size().shrink_even(*lock(&self.control.bound));
        let scaler = match scaler {
            Some((size, scaler)) if *size == target => scaler,
            other => &mut other.insert((target, Scaler::new(target, Kernel::default()))).1,
        };
        let mut low = scaler.scale(frame)?;
        if self.control.muted.load(Ordering::Relaxed) {
            let black = if low.colour.range == Range::Full { 0 } else { 16 };
            low = Frame::filled(low.size(), [black, 128, 128], low.colour, low.stamp);
        }
        self.stats.size(low.size());
        self.stats.output(Stage::Scale, started.elapsed());
        Ok(Arc::new(low))
    }

    fn encode(
        &self,
        low: &Frame,
        encoder: &mut Option<Encoder>,
        last_keyframe: &mut Option<Instant>,
    ) -> Result<(), EncodeError> {
        self.stats.input(Stage::Encode);
        let started = Instant::now();
        let target = self.control.target();
        let fps = self.control.fps();
        let encoder = match encoder {
            Some(encoder) if encoder.config().fps == fps => encoder,
            none => none.insert(Encoder::new(EncoderConfig {
                size: low.size(),
                fps,
                bitrate: target,
                keyframe_interval: None,
                skip_frames: true,
            })?),
        };
        if encoder.config().bitrate != target {
            encoder.set_bitrate(target)?;
            self.stats.target(target);
        }
        if self.control.keyframe.load(Ordering::Relaxed) && last_keyframe.is_none_or(|t| t.elapsed() >= KEYFRAME_PAUSE)
        {
            self.control.keyframe.store(false, Ordering::Relaxed);
            encoder.request_keyframe();
        }
        let Some(unit) = encoder.encode(low)? else {
            self.stats.dropped(Stage::Encode, "skipped to hold the bitrate");
            return Ok(());
        };
        if unit.keyframe {
            *last_keyframe = Some(Instant::now());
        }
        self.stats.output(Stage::Encode, started.elapsed());
        self.stats.input(Stage::Send);
        let (bytes, captured, started) = (unit.data.len(), unit.stamp.captured, Instant::now());
        match self.out.send(unit) {
            Ok(()) => {
                self.stats.sent(bytes, captured);
                self.stats.output(Stage::Send, started.elapsed());
            }
            Err(error) => {
                let why = match error {
                    SendError::Full => "the network is behind",
                    _ => "the call has ended",
                };
                self.stats.dropped(Stage::Send, why);
                // What follows refers to the unit that is missing now.
                self.control.keyframe();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(source: f32, call: f32, frames: usize) -> usize {
        let mut pace = Pace::new(source, call);
        (0..frames).filter(|_| pace.keep()).count()
    }

    #[test]
    fn a_slower_call_takes_its_share_of_the_pictures() {
        assert_eq!(kept(30.0, 30.0, 300), 300);
        assert_eq!(kept(29.97, 30.0, 300), 300);
        assert_eq!(kept(25.0, 30.0, 300), 300);
        assert!((148..=154).contains(&kept(30.0, 15.0, 300)));
        assert!((119..=124).contains(&kept(60.0, 24.0, 300)));
    }

    #[test]
    fn a_file_is_paced_and_a_stall_is_not_made_up_for() {
        let mut pace = Pace::new(10.0, 10.0);
        let t = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(pace.wait(t), Duration::ZERO);
        assert_eq!(pace.wait(t + ms(30)), ms(70));
        assert_eq!(pace.wait(t + ms(130)), Duration::ZERO);
        assert_eq!(pace.wait(t + ms(150)), ms(50), "a little lateness does not shift the clock");
        assert_eq!(pace.wait(t + ms(5000)), Duration::ZERO);
        assert_eq!(pace.wait(t + ms(5000)), Duration::ZERO);
        assert_eq!(pace.wait(t + ms(5000)), ms(100), "after a stall the clock starts again");
    }
}
