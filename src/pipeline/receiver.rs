//! The receiving half: access units → their time → decode → upscale → the screen's slot, on two threads.

mod decoding;
mod upscaling;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{SyncSender, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use self::{decoding::Decoding, upscaling::Upscaling};
use super::{
    CallSettings, Wake, display_frame::DisplayFrame, governed::Auto, lip_sync::LipSync, notices::Notices,
    recorder::Recorder, request::Request, side_renderer::SideRenderer, slot::Slot, state_machine::Generation,
};
use crate::{
    call::ReceivedUnit,
    frame::{Frame, Stamp},
    model::Model,
    stats::{Stage, Stats},
    upscale::{self, EngineChoice},
};

const TICK: Duration = Duration::from_millis(100);

/// So many access units may wait for the decoder's thread, and as many there for their time: two seconds at 30 fps.
/// Beyond that a gap is made on purpose.
const UNITS: usize = 64;

/// What the receiving half shows with: the part of the settings that it follows.
#[derive(Clone)]
pub(super) struct Engine {
    pub(super) choice: EngineChoice,
    pub(super) model: Arc<Model>,
    /// The governor chooses another model than that one, for so many frames a second.
    pub(super) auto: Option<(Auto, f32)>,
}

impl Engine {
    fn wanted(settings: &watch::Receiver<CallSettings>) -> Self {
        let settings = settings.borrow();
        let auto = settings.auto.clone().map(|auto| (auto, settings.fps));
        Self { choice: settings.engine, model: Arc::clone(&settings.model), auto }
    }
}

impl PartialEq for Engine {
    /// Networks are the same if they are the same in memory: comparing their weights would take its time.
    fn eq(&self, other: &Self) -> bool {
        self.choice == other.choice && Arc::ptr_eq(&self.model, &other.model) && self.auto == other.auto
    }
}

/// A unit that has come.
struct Arrived {
    /// Over this connection.
    generation: Generation,
    unit: ReceivedUnit,
    /// When its picture was captured, or when it arrived.
    stamp: Stamp,
    /// When it was whole and in its turn.
    at: Instant,
}

/// Where units from the network go.
#[derive(Clone)]
pub(super) struct UnitQueue {
    units: SyncSender<Arrived>,
    gap: Arc<AtomicBool>,
    stats: Stats,
}

impl UnitQueue {
    /// A unit that came over this connection; `stamp` says when its picture was captured, or when it arrived.
    pub(super) fn put(&self, generation: Generation, unit: ReceivedUnit, stamp: Stamp) {
        self.stats.input(Stage::Assemble);
        match self.units.try_send(Arrived { generation, unit, stamp, at: Instant::now() }) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                self.stats.dropped(Stage::Assemble, "the decoder is behind");
                self.gap();
            }
            Err(TrySendError::Disconnected(_)) => self.stats.dropped(Stage::Assemble, "the call has ended"),
        }
    }

    /// Something is missing before the next unit.
    pub(super) fn gap(&self) {
        self.gap.store(true, Ordering::Relaxed);
    }
}

/// What the threads of the receiving half share with the session.
pub(super) struct ReceiveContext {
    pub(super) settings: watch::Receiver<CallSettings>,
    pub(super) side_renderer: SideRenderer,
    pub(super) frames: Slot<Arc<DisplayFrame>>,
    pub(super) recorder: Arc<Recorder>,
    pub(super) session: mpsc::Sender<Request>,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
    pub(super) lip_sync: Arc<Mutex<LipSync>>,
    pub(super) wake: Wake,
}

/// The running half; dropping it ends and joins its threads. It lives as long as the session: engines stay warm and
/// a frame that is held stays held while connections come and go.
pub(super) struct ReceiveHalf {
    pictures: Slot<Frame>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl ReceiveHalf {
    pub(super) fn start(context: ReceiveContext) -> std::io::Result<(Self, UnitQueue)> {
        let (units, queue) = sync_channel(UNITS);
        let units = UnitQueue { units, gap: Arc::default(), stats: context.stats.clone() };
        let mut half = Self { pictures: Slot::default(), stop: Arc::default(), threads: Vec::new() };
        let decoding = Decoding {
            queue,
            gap: Arc::clone(&units.gap),
            out: half.pictures.clone(),
            stop: Arc::clone(&half.stop),
            session: context.session,
            recorder: context.recorder,
            settings: context.settings.clone(),
            wake: Arc::clone(&context.wake),
            lip_sync: context.lip_sync,
            stats: context.stats.clone(),
            notices: context.notices.clone(),
        };
        half.threads.push(std::thread::Builder::new().name("decode".into()).spawn(move || decoding.run())?);
        let wanted = Engine::wanted(&context.settings);
        let upscaling = Upscaling {
            pictures: half.pictures.clone(),
            out: context.frames,
            settings: context.settings,
            stop: Arc::clone(&half.stop),
            side_renderer: context.side_renderer,
            governed: None,
            engine: wanted,
            stats: context.stats,
            notices: context.notices,
            wake: context.wake,
            choose: upscale::choose_for_call,
            lost: false,
        };
        half.threads.push(std::thread::Builder::new().name("upscale".into()).spawn(move || upscaling.run())?);
        Ok((half, units))
    }
}

impl Drop for ReceiveHalf {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.pictures.close();
        for thread in self.threads.drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the receiving half panicked");
            }
        }
    }
}
