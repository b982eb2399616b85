//! The thread that holds units until their time has come, and decodes them.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use super::{Arrived, TICK, UNITS};

use crate::{
    call::{ReceivedUnit, playout::PlayoutDelay},
    codec::Decoder,
    frame::{Frame, Stamp},
    model::SteadyQp,
    pipeline::{
        CallSettings, Wake, lip_sync::LipSync, lock, notices::Notices, recorder::Recorder, request::Request,
        slot::Slot, state_machine::Generation,
    },
    record::RecordError,
    stats::{Stage, Stats},
};

pub(super) struct Decoding {
    pub(super) queue: Receiver<Arrived>,
    pub(super) gap: Arc<AtomicBool>,
    pub(super) out: Slot<Frame>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) session: mpsc::Sender<Request>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) settings: watch::Receiver<CallSettings>,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
    pub(super) lip_sync: Arc<Mutex<LipSync>>,
    pub(super) wake: Wake,
}

/// Units that wait for their time. They wait undecoded, which takes a hundredth of the memory.
#[derive(Default)]
struct Held {
    units: VecDeque<HeldUnit>,
    playout: Option<(Generation, PlayoutDelay)>,
    /// Something is missing before the next unit that comes.
    gap: bool,
}

struct HeldUnit {
    arrived: Arrived,
    due: Instant,
    after_gap: bool,
}

impl Held {
    /// `longer`: how much longer it waits than the network asks for.
    fn put(&mut self, arrived: Arrived, longer: Duration) {
        let playout = match &mut self.playout {
            Some((generation, playout)) if *generation == arrived.generation => playout,
            other => &mut other.insert((arrived.generation, PlayoutDelay::default())).1,
        };
        let due = playout.due(arrived.unit.rtp_timestamp, arrived.at) + longer;
        self.units.push_back(HeldUnit { arrived, due, after_gap: std::mem::take(&mut self.gap) });
    }

    fn is_full(&self) -> bool {
        self.units.len() >= UNITS
    }

    /// How long nothing will be due.
    fn wait(&self, now: Instant) -> Duration {
        self.units.front().map_or(TICK, |unit| unit.due.saturating_duration_since(now)).min(TICK)
    }

    /// Whether a keyframe has come already, so that none needs to be asked for.
    fn has_keyframe(&self) -> bool {
        self.units.iter().any(|held| held.arrived.unit.keyframe && held.arrived.unit.complete)
    }

    /// The next unit whose time has come.
    fn due(&mut self, now: Instant) -> Option<HeldUnit> {
        self.units.pop_front_if(|unit| unit.due <= now)
    }
}

/// A decoder for each connection: what it has seen says nothing of another one's units, nor does the quantiser.
type Stream = (Generation, Decoder, SteadyQp);

impl Decoding {
    pub(super) fn run(self) {
        let mut held = Held::default();
        let mut stream: Option<Stream> = None;
        while !self.stop.load(Ordering::Relaxed) {
            let wait = held.wait(Instant::now());
            let next = if held.is_full() {
                std::thread::sleep(wait);
                Err(RecvTimeoutError::Timeout)
            } else {
                self.queue.recv_timeout(wait)
            };
            if self.recorder.follow(self.settings.borrow().recording.as_ref()) {
                (self.wake)();
            }
            if self.gap.swap(false, Ordering::Relaxed) {
                held.gap = true;
                self.ask_for_keyframe(stream.as_ref());
            }
            match next {
                Ok(arrived) => {
                    self.hold(&mut held, arrived);
                    while !held.is_full()
                        && let Ok(arrived) = self.queue.try_recv()
                    {
                        self.hold(&mut held, arrived);
                    }
                }
                Err(RecvTimeoutError::Timeout) if held.units.is_empty() => {
                    self.recorded(self.recorder.pause());
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            while let Some(unit) = held.due(Instant::now()) {
                if !self.play(&mut stream, unit) && !held.has_keyframe() {
                    self.ask_for_keyframe(stream.as_ref());
                }
            }
        }
        self.out.close();
    }

    fn hold(&self, held: &mut Held, arrived: Arrived) {
        self.stats.output(Stage::Assemble, arrived.at.saturating_duration_since(arrived.unit.arrived));
        self.stats.input(Stage::Playout);
        held.put(arrived, self.waits_for_sound());
    }

    /// How long pictures wait for their sound.
    fn waits_for_sound(&self) -> Duration {
        lock(&self.lip_sync).picture_delay()
    }

    /// The peer asks, and asks again until a keyframe has come. Where the session is behind, the next broken picture
    /// asks.
    fn ask_for_keyframe(&self, stream: Option<&Stream>) {
        if let Some((generation, ..)) = stream {
            let _ = self.session.try_send(Request::Keyframe(*generation));
        }
    }

    /// False where a keyframe is needed: the picture is broken and stays so, or the recording cannot go on.
    fn play(&self, stream: &mut Option<Stream>, unit: HeldUnit) -> bool {
        let HeldUnit { arrived: Arrived { generation, unit, stamp, at }, after_gap, .. } = unit;
        self.stats.output(Stage::Playout, at.elapsed());
        if after_gap {
            self.recorder.gap();
        }
        let (_, decoder, steady) = match stream {
            Some(same) if same.0 == generation => same,
            other => match Decoder::new() {
                Ok(decoder) => {
                    self.recorded(self.recorder.new_stream());
                    other.insert((generation, decoder, SteadyQp::default()))
                }
                Err(error) => {
                    self.stats.dropped(Stage::Decode, "no decoder");
                    self.notices.say(error.to_string());
                    return true;
                }
            },
        };
        let recording_waits = self.recorded(self.recorder.unit(&unit));
        self.decode(decoder, steady, &unit, stamp) && !recording_waits
    }

    /// True when the recording needs a keyframe to go on.
    fn recorded(&self, done: Result<bool, RecordError>) -> bool {
        done.unwrap_or_else(|error| {
            self.notices.say(error.to_string());
            false
        })
    }

    /// False when the picture is broken and stays so until a keyframe.
    fn decode(&self, decoder: &mut Decoder, steady: &mut SteadyQp, unit: &ReceivedUnit, stamp: Stamp) -> bool {
        let started = Instant::now();
        self.stats.input(Stage::Decode);
        let mut decoded = match decoder.decode(&unit.data, stamp) {
            Ok(Some(decoded)) => decoded,
            Ok(None) => {
                self.stats.dropped(Stage::Decode, "nothing to show");
                return false;
            }
            Err(error) => {
                tracing::debug!("{error}");
                self.stats.dropped(Stage::Decode, "not decodable");
                return false;
            }
        };
        let whole = unit.complete && !decoded.damaged;
        let frame = &mut decoded.frame;
        frame.weights_qp = steady.follow(frame.qp);
        self.stats.decoded(frame.qp, !whole);
        self.stats.received_size(frame.size());
        self.stats.output(Stage::Decode, started.elapsed());
        self.stats.input(Stage::Upscale);
        if self.out.put(decoded.frame).is_some() {
            self.stats.dropped(Stage::Upscale, "a newer picture came");
        }
        whole
    }
}
