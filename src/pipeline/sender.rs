//! The sending half: source → scale → encode → the connection that is live, on two threads.
//!
//! It lives as long as the session. Connections come and go; the source is opened once and never twice.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use super::{
    CallSettings,
    auto_size::{AutoSize, Room, largest},
    history::GroundTruthBuffer,
    lock,
    notices::Notices,
    request::Request,
    send_size::{Budget, SendSize},
    size_choice::SizeChoice,
    slot::{Slot, Taken},
    state_machine::Generation,
};
use crate::{
    call::{SendError, UnitSender},
    codec::{AccessUnit, EncodeError, Encoder, EncoderConfig, H264Profile, nal::QpReader},
    frame::{Frame, Range, Size, Stamp},
    scale::{Kernel, ScaleError, Scaler},
    source::{Event, Source},
    stats::{Stage, Stats},
};

/// How often a waiting thread looks whether it should end.
const TICK: Duration = Duration::from_millis(100);

/// Two keyframes that were asked for are at least this far apart: each costs many frames' bits.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(400);

/// Where units go: the connection that is live, and what it has asked for.
#[derive(Debug, Clone)]
pub(super) struct Outlet {
    pub(super) generation: Generation,
    pub(super) units: UnitSender,
    /// What the network carries, in bit/s; no more is sent.
    pub(super) allowed: u32,
    /// Keyframes that were asked for so far.
    pub(super) keyframes_asked: u64,
    /// Smaller pictures are sent where the network carries less than is wished for.
    pub(super) adapts_size: bool,
    /// The longest NAL unit that the other side takes, where it takes none in parts.
    pub(super) longest_nal_unit: Option<u32>,
    /// What the other side decodes.
    pub(super) profile: H264Profile,
}

/// What the threads of the sending half share with the session.
pub(super) struct SendContext {
    pub(super) settings: watch::Receiver<CallSettings>,
    /// Nothing is sent where there is none.
    pub(super) outlet: watch::Receiver<Option<Outlet>>,
    /// Where the source's pictures are kept, if somebody can know that they are the truth.
    pub(super) ground_truth: Option<Arc<GroundTruthBuffer>>,
    pub(super) session: mpsc::Sender<Request>,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
}

/// The running half; dropping it ends and joins its threads.
pub(super) struct SendHalf {
    stop: Arc<AtomicBool>,
    self_view: Arc<Mutex<Option<Arc<Frame>>>>,
    pictures: Slot<Frame>,
    threads: Vec<JoinHandle<()>>,
}

impl SendHalf {
    pub(super) fn start(source: Box<dyn Source>, context: SendContext) -> std::io::Result<Self> {
        context.stats.source(&source.name());
        context.stats.target(context.settings.borrow().bitrate);
        let mut half =
            Self { stop: Arc::default(), self_view: Arc::default(), pictures: Slot::default(), threads: Vec::new() };
        let reader = Reader {
            source,
            stop: Arc::clone(&half.stop),
            settings: context.settings.clone(),
            outlet: context.outlet.clone(),
            out: half.pictures.clone(),
            session: context.session.clone(),
            stats: context.stats.clone(),
            notices: context.notices.clone(),
        };
        half.threads.push(std::thread::Builder::new().name("source".into()).spawn(move || reader.run())?);
        let coder = Coder {
            context,
            stop: Arc::clone(&half.stop),
            pictures: half.pictures.clone(),
            self_view: Arc::clone(&half.self_view),
            scaler: None,
            sizes: None,
            encoding: None,
        };
        half.threads.push(std::thread::Builder::new().name("encode".into()).spawn(move || coder.run())?);
        Ok(half)
    }

    /// The newest picture that was encoded.
    pub(super) fn self_view(&self) -> Option<Arc<Frame>> {
        lock(&self.self_view).clone()
    }
}

impl Drop for SendHalf {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
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
    stop: Arc<AtomicBool>,
    settings: watch::Receiver<CallSettings>,
    outlet: watch::Receiver<Option<Outlet>>,
    out: Slot<Frame>,
    session: mpsc::Sender<Request>,
    stats: Stats,
    notices: Notices,
}

impl Reader {
    fn run(mut self) {
        if let Err(why) = self.read() {
            // A session that is ending need not know.
            let _ = self.session.blocking_send(Request::SourceGone { why });
        }
        self.out.close();
    }

    /// Reads until the half ends; why the source does is the error.
    fn read(&mut self) -> Result<(), String> {
        let mut fps = self.settings.borrow().fps;
        let mut pacer = SourcePacer::new(self.source.fps(), fps);
        let mut last: Option<Frame> = None;
        let mut id = 0;
        while !self.stop.load(Ordering::Relaxed) {
            if fps != self.settings.borrow().fps {
                fps = self.settings.borrow().fps;
                pacer = SourcePacer::new(self.source.fps(), fps);
            }
            if !self.source.live() {
                // A file waits for somebody to see it; its first picture is enough for the person who sends it.
                let waits = last.is_some() && self.outlet.borrow().is_none();
                // It is read as if it were a camera: one picture at each tick of its clock.
                let wait = if waits { TICK } else { pacer.wait(Instant::now()) };
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
                Ok(Event::Ended) => return Err(format!("{} has ended", self.source.name())),
                Err(error) => return Err(error.to_string()),
            };
            self.stats.input(Stage::Source);
            if let Some(notice) = self.source.notice() {
                self.notices.say(notice);
            }
            pacer.lasts(self.source.shown_for());
            if !pacer.keep() {
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
        Ok(())
    }
}

/// When the next picture of a file is due, and which pictures a slower call leaves out.
struct SourcePacer {
    interval: Duration,
    call_fps: f64,
    due: Option<Instant>,
    /// Call frames per source frame, at most 1.
    share: f64,
    credit: f64,
    /// By how much less than a frame the credit may be: times of their own are rounded.
    slack: f64,
}

impl SourcePacer {
    fn new(source_fps: f32, call_fps: f32) -> Self {
        let source_fps = f64::from(source_fps).clamp(1.0, 240.0);
        Self {
            interval: Duration::from_secs_f64(1.0 / source_fps),
            call_fps: call_fps.into(),
            due: None,
            // A source that says 29.97 is not thinned out for a call at 30 or 29.9.
            share: (f64::from(call_fps) * 1.01 / source_fps).min(1.0),
            credit: 1.0,
            slack: 1e-9,
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

    /// The picture whose tick was taken lasts so long; [`None`]: as long as all do.
    fn lasts(&mut self, shown_for: Option<Duration>) {
        let Some(shown_for) = shown_for else { return };
        if let Some(due) = &mut self.due {
            *due = due.checked_sub(self.interval).unwrap_or(*due) + shown_for;
        }
        self.slack = 0.25;
        self.share = (self.call_fps * 1.01 * shown_for.as_secs_f64()).min(1.0);
    }

    /// Whether the call takes this picture.
    fn keep(&mut self) -> bool {
        let keep = self.credit >= 1.0 - self.slack;
        self.credit += self.share - f64::from(u8::from(keep));
        keep
    }
}

/// Scales and encodes, and hands units to the peer.
struct Coder {
    context: SendContext,
    stop: Arc<AtomicBool>,
    pictures: Slot<Frame>,
    self_view: Arc<Mutex<Option<Arc<Frame>>>>,
    scaler: Option<(Size, Scaler)>,
    /// Of the connection that they are for.
    sizes: Option<(Generation, Sizes)>,
    encoding: Option<Encoding>,
}

/// What decides over the size.
enum Sizes {
    /// It was asked for, and is made smaller where the network carries too little.
    Asked(SendSize),
    /// Nobody asked for one.
    Auto(AutoSize),
}

/// One connection's encoder: what it makes refers to what that connection has got.
struct Encoding {
    generation: Generation,
    encoder: Encoder,
    last_keyframe: Option<Instant>,
    /// Of the keyframes that were asked for, those that have been made.
    keyframes_made: u64,
    qps: QpReader,
}

impl Encoding {
    fn serves(&self, outlet: &Outlet, fps: f32) -> bool {
        let config = self.encoder.config();
        self.generation == outlet.generation && config.fps == fps && config.profile == outlet.profile
    }
}

impl Coder {
    fn run(mut self) {
        while !self.stop.load(Ordering::Relaxed) {
            match self.pictures.take(TICK) {
                Taken::Value(frame) => self.frame(frame),
                Taken::Timeout => {}
                Taken::Closed => break,
            }
        }
    }

    fn frame(&mut self, frame: Frame) {
        // Read once for each frame: what is hidden is hidden from the encoder, the window and the truth alike.
        let muted = self.context.settings.borrow().muted;
        let outlet = self.context.outlet.borrow().clone();
        let target = self.sent_size(outlet.as_ref(), frame.size());
        let low = match self.scale(&frame, target, muted) {
            Ok(low) => low,
            Err(error) => {
                self.context.stats.dropped(Stage::Scale, "failed");
                self.context.notices.say(error.to_string());
                return;
            }
        };
        *lock(&self.self_view) = Some(Arc::clone(&low));
        let Some(outlet) = outlet else {
            self.context.stats.dropped(Stage::Encode, "nobody takes it");
            return;
        };
        if let Some(ground_truth) = self.context.ground_truth.as_ref().filter(|_| !muted) {
            ground_truth.keep(frame);
        }
        if let Err(error) = self.encode(&low, &outlet, muted) {
            self.context.stats.dropped(Stage::Encode, "failed");
            self.context.notices.say(error.to_string());
            // A new encoder may do better than one in an unknown state.
            self.encoding = None;
        }
    }

    /// How large the next frame of a source of this size is sent.
    fn sent_size(&mut self, outlet: Option<&Outlet>, source: Size) -> Size {
        let (choice, fps, wished) = {
            let settings = self.context.settings.borrow();
            (settings.size.unwrap_or_default(), settings.fps, settings.bitrate)
        };
        let Some(outlet) = outlet else {
            return source.shrink_even(match choice {
                SizeChoice::Within(size) => size,
                SizeChoice::Auto => Size::USUAL,
            });
        };
        let now = Instant::now();
        let sizes =
            self.sizes.take().filter(|(generation, _)| *generation == outlet.generation).map(|(_, sizes)| sizes);
        let (size, sizes) = match choice {
            SizeChoice::Within(size) if !outlet.adapts_size => (source.shrink_even(size), None),
            SizeChoice::Within(size) => {
                let mut send_size = match sizes {
                    Some(Sizes::Asked(send_size)) => send_size,
                    _ => SendSize::default(),
                };
                let within = send_size.follow(&Budget { size, fps, wished, allowed: outlet.allowed }, now);
                (source.shrink_even(within), Some(Sizes::Asked(send_size)))
            }
            SizeChoice::Auto => {
                let mut auto = match sizes {
                    Some(Sizes::Auto(auto)) => auto,
                    _ => AutoSize::new(&Room { source, fps, bitrate: wished.min(outlet.allowed) }),
                };
                (auto.follow(source, now), Some(Sizes::Auto(auto)))
            }
        };
        self.sizes = sizes.map(|sizes| (outlet.generation, sizes));
        size
    }

    /// Tells who chooses the size what became of a frame; none: it was skipped.
    fn coded(&mut self, unit: Option<&AccessUnit>) {
        let Some((_, Sizes::Auto(auto))) = &mut self.sizes else { return };
        let Some(unit) = unit else { return auto.skipped() };
        if let Some(qp) = self.encoding.as_mut().and_then(|encoding| encoding.qps.read(&unit.data)) {
            auto.coded(qp);
        }
    }

    fn scale(&mut self, frame: &Frame, target: Size, muted: bool) -> Result<Arc<Frame>, ScaleError> {
        let started = Instant::now();
        let scaler = match &mut self.scaler {
            Some((size, scaler)) if *size == target => scaler,
            other => &mut other.insert((target, Scaler::new(target, Kernel::default()))).1,
        };
        let mut low = scaler.scale(frame)?;
        if muted {
            low = black(&low);
        }
        if self.context.settings.borrow().size.unwrap_or_default() == SizeChoice::Auto {
            // So that nothing is doubled that is all that there is. A size that was asked for is there to be doubled.
            low.source_size = Some(largest(frame.size()));
        }
        self.context.stats.output(Stage::Scale, started.elapsed());
        Ok(Arc::new(low))
    }

    fn encode(&mut self, low: &Frame, outlet: &Outlet, muted: bool) -> Result<(), EncodeError> {
        let stats = &self.context.stats;
        stats.sent_size(low.size());
        stats.input(Stage::Encode);
        let started = Instant::now();
        let (fps, bitrate) = {
            let settings = self.context.settings.borrow();
            (settings.fps, settings.bitrate.min(outlet.allowed))
        };
        let encoding = match &mut self.encoding {
            Some(encoding) if encoding.serves(outlet, fps) => encoding,
            none => none.insert(Encoding {
                generation: outlet.generation,
                encoder: Encoder::new(EncoderConfig {
                    size: low.size(),
                    fps,
                    bitrate,
                    keyframe_interval: None,
                    skip_frames: true,
                    profile: outlet.profile,
                })?
                .with_longest_nal_unit(outlet.longest_nal_unit),
                last_keyframe: None,
                // The first unit of an encoder is one.
                keyframes_made: outlet.keyframes_asked,
                qps: QpReader::default(),
            }),
        };
        if encoding.encoder.config().bitrate != bitrate {
            encoding.encoder.set_bitrate(bitrate)?;
        }
        stats.target(bitrate);
        if encoding.keyframes_made < outlet.keyframes_asked
            && encoding.last_keyframe.is_none_or(|t| t.elapsed() >= KEYFRAME_PAUSE)
        {
            encoding.keyframes_made = outlet.keyframes_asked;
            encoding.encoder.request_keyframe();
        }
        let unit = encoding.encoder.encode(low)?;
        if !muted {
            // Black says nothing of what comes after it.
            self.coded(unit.as_ref());
        }
        let stats = &self.context.stats;
        let Some((unit, encoding)) = unit.zip(self.encoding.as_mut()) else {
            stats.dropped(Stage::Encode, "skipped to hold the bitrate");
            return Ok(());
        };
        if unit.keyframe {
            encoding.last_keyframe = Some(Instant::now());
        }
        stats.output(Stage::Encode, started.elapsed());
        stats.input(Stage::Send);
        let (bytes, captured, counted) = (unit.data.len(), unit.stamp.captured, stats.clone());
        let sent = move |took| {
            counted.sent(bytes, captured);
            counted.output(Stage::Send, took);
        };
        if let Err(error) = outlet.units.send_then(unit, sent) {
            let why = match error {
                SendError::Full => "the network is behind",
                _ => "the call has ended",
            };
            stats.dropped(Stage::Send, why);
            // What follows refers to the unit that is missing now.
            encoding.encoder.request_keyframe();
        }
        Ok(())
    }
}

/// What is sent while the source is hidden: no pixel of it.
fn black(frame: &Frame) -> Frame {
    let black = if frame.colour.range == Range::Full { 0 } else { 16 };
    Frame::filled(frame.size(), [black, 128, 128], frame.colour, frame.stamp)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        codec::{AccessUnit, Decoder},
        frame::Colour,
    };

    fn kept(source: f32, call: f32, frames: usize) -> usize {
        let mut pace = SourcePacer::new(source, call);
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
        let mut pace = SourcePacer::new(10.0, 10.0);
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

    #[test]
    fn pictures_with_times_of_their_own_keep_them() {
        let mut pace = SourcePacer::new(20.0, 30.0);
        let t = Instant::now();
        let ms = Duration::from_millis;
        let mut due = Duration::ZERO;
        for lasts in [33, 33, 67, 67, 42, 500, 33] {
            assert_eq!(pace.wait(t + due), Duration::ZERO);
            pace.lasts(Some(ms(lasts)));
            assert!(pace.keep());
            due += ms(lasts);
            assert_eq!(pace.wait(t + due - ms(10)), ms(10));
        }
    }

    /// The state machine's connections, as an encoder sees them.
    #[derive(Debug, Clone)]
    enum EncoderStep {
        Attach,
        Detach,
        Mute(bool),
        Size(u32),
        Bitrate(u32),
        Allow(u32),
        Frame,
    }

    fn steps() -> impl Strategy<Value = Vec<EncoderStep>> {
        let step = prop_oneof![
            1 => Just(EncoderStep::Attach),
            1 => Just(EncoderStep::Detach),
            2 => any::<bool>().prop_map(EncoderStep::Mute),
            1 => (8..24_u32).prop_map(EncoderStep::Size),
            1 => (60..300_u32).prop_map(|k| EncoderStep::Bitrate(1000 * k)),
            1 => (60..300_u32).prop_map(|k| EncoderStep::Allow(1000 * k)),
            6 => Just(EncoderStep::Frame),
        ];
        proptest::collection::vec(step, 1..40)
    }

    /// What is received over one connection.
    struct Far {
        next: Box<dyn FnMut() -> Option<AccessUnit>>,
        decoder: Decoder,
        seen: usize,
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Nothing but black is sent while muted, and every wish reaches every connection.
        #[test]
        fn every_connection_gets_what_is_wanted_and_nothing_that_is_hidden(steps in steps()) {
            let (settings, wanted) = watch::channel(crate::pipeline::settings::tests::settings());
            let (outlet, outlet_now) = watch::channel(None);
            let (session, _requests) = mpsc::channel(1);
            let stats = Stats::default();
            let mut coder = Coder {
                context: SendContext {
                    settings: wanted,
                    outlet: outlet_now,
                    ground_truth: None,
                    session,
                    stats: stats.clone(),
                    notices: Notices::default(),
                },
                stop: Arc::default(),
                pictures: Slot::default(),
                self_view: Arc::default(),
                sizes: None,
                scaler: None,
                encoding: None,
            };
            let mut far: Option<Far> = None;
            let (mut generation, mut id) = (0, 0);
            for step in steps {
                match step {
                    EncoderStep::Attach => {
                        let (sender, next) = UnitSender::queued();
                        generation += 1;
                        let generation = Generation::numbered(generation);
                        let new = Outlet {
                            generation,
                            units: sender,
                            allowed: u32::MAX,
                            keyframes_asked: 0,
                            longest_nal_unit: None,
                            profile: H264Profile::High,
                            adapts_size: false,
                        };
                        outlet.send_replace(Some(new));
                        far = Some(Far { next, decoder: Decoder::new().unwrap(), seen: 0 });
                    }
                    EncoderStep::Detach => {
                        outlet.send_replace(None);
                        far = None;
                    }
                    EncoderStep::Mute(muted) => settings.send_modify(|s| s.muted = muted),
                    EncoderStep::Size(n) => settings.send_modify(|s| s.size = Some(SizeChoice::Within(Size::new(8 * n, 6 * n).unwrap()))),
                    EncoderStep::Bitrate(bitrate) => settings.send_modify(|s| s.bitrate = bitrate),
                    EncoderStep::Allow(bits) => outlet.send_modify(|o| {
                        o.iter_mut().for_each(|o| o.allowed = bits);
                    }),
                    EncoderStep::Frame => {
                        let bright = Frame::filled(Size::new(240, 180).unwrap(), [200, 90, 170], Colour::default(), Stamp::now(id));
                        id += 1;
                        coder.frame(bright);
                        let now = settings.borrow().clone();
                        let Some(SizeChoice::Within(within)) = now.size else { unreachable!() };
                        let Some(far) = &mut far else { continue };
                        let allowed = outlet.borrow().as_ref().map_or(u32::MAX, |o| o.allowed);
                        prop_assert_eq!(stats.snapshot().bitrate_bps.target, now.bitrate.min(allowed));
                        while let Some(unit) = (far.next)() {
                            prop_assert!(far.seen > 0 || unit.keyframe, "a connection begins with a keyframe");
                            far.seen += 1;
                            let decoded = far.decoder.decode(&unit.data, unit.stamp).unwrap().unwrap().frame;
                            prop_assert!(decoded.size() == decoded.size().shrink_even(within));
                            let luma = |level: u8| decoded.planes()[0].data().iter().any(|p| p.abs_diff(level) <= 24);
                            prop_assert_eq!(luma(200), !now.muted, "the picture is sent if it is not hidden");
                            prop_assert_eq!(luma(16), now.muted, "black is sent if it is");
                        }
                    }
                }
            }
        }
    }
}
