//! The thread that scales and encodes the newest picture, and hands it to the connection that is live.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use super::{
    Outlet, SendContext, TICK,
    sent_size::{SentSize, Wished},
};
use crate::{
    call::SendError,
    codec::{EncodeError, Encoder, EncoderConfig, nal::QpReader},
    frame::{Frame, Range, Size},
    pipeline::{
        auto_size::largest,
        lock,
        size_choice::SizeChoice,
        slot::{Slot, Taken},
        state_machine::Generation,
    },
    scale::{Kernel, ScaleError, Scaler},
    stats::Stage,
};

/// Two keyframes that were asked for are at least this far apart: each costs many frames' bits.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(400);

/// Scales and encodes, and hands units to the peer.
pub(super) struct Coder {
    context: SendContext,
    stop: Arc<AtomicBool>,
    pictures: Slot<Frame>,
    self_view: Arc<Mutex<Option<Arc<Frame>>>>,
    scaler: Option<Scaler>,
    sent_size: SentSize,
    encoding: Option<Encoding>,
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
    pub(super) fn new(
        context: SendContext,
        stop: Arc<AtomicBool>,
        pictures: Slot<Frame>,
        self_view: Arc<Mutex<Option<Arc<Frame>>>>,
    ) -> Self {
        Self { context, stop, pictures, self_view, scaler: None, sent_size: SentSize::default(), encoding: None }
    }

    pub(super) fn run(mut self) {
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
        let (choice, wished) = {
            let settings = self.context.settings.borrow();
            let (fps, bitrate) = (settings.fps, settings.bitrate);
            (settings.size.unwrap_or_default(), Wished { fps, bitrate })
        };
        let target = self.sent_size.next(choice, wished, outlet.as_ref(), frame.size());
        let low = match self.scale(&frame, target, choice, muted) {
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

    fn scale(
        &mut self,
        frame: &Frame,
        target: Size,
        choice: SizeChoice,
        muted: bool,
    ) -> Result<Arc<Frame>, ScaleError> {
        let started = Instant::now();
        let mut low = Scaler::kept(&mut self.scaler, target, Kernel::SENDER).scale(frame)?;
        if muted {
            low = black(&low);
        }
        if choice == SizeChoice::Auto {
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
            match &unit {
                Some(unit) => self.sent_size.coded(encoding.qps.read(&unit.data)),
                None => self.sent_size.skipped(),
            }
        }
        let Some(unit) = unit else {
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
    use tokio::sync::{mpsc, watch};

    use super::*;
    use crate::{
        call::UnitSender,
        codec::{AccessUnit, Decoder, H264Profile},
        frame::{Colour, Stamp},
        pipeline::notices::Notices,
        stats::Stats,
    };

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
            let context = SendContext {
                settings: wanted,
                outlet: outlet_now,
                ground_truth: None,
                position: watch::Sender::new(None),
                session,
                stats: stats.clone(),
                notices: Notices::default(),
            };
            let mut coder = Coder::new(context, Arc::default(), Slot::default(), Arc::default());
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
