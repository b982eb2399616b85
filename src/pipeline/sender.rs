//! The sending half: source → scale → encode → the connection that is live, on two threads.
//!
//! It lives as long as the session. Connections come and go; the source is opened once and never twice.

mod coding;
mod reading;
mod sent_size;
mod source_pacer;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc, watch};

use self::{coding::Coder, reading::Reader};
use super::{
    CallSettings, history::GroundTruthBuffer, lock, notices::Notices, request::Request, slot::Slot,
    state_machine::Generation,
};
use crate::{call::UnitSender, codec::H264Profile, frame::Frame, source::Source, stats::Stats};

/// How often a waiting thread looks whether it should end.
const TICK: Duration = Duration::from_millis(100);

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

/// Where the source of the pictures is.
#[derive(Debug, Clone, Copy)]
#[cfg_attr(not(feature = "audio"), expect(dead_code, reason = "sound goes by it"))]
pub(super) struct SourcePosition {
    /// So far from its beginning
    pub(super) position: Duration,
    /// it was at this moment.
    pub(super) at: Instant,
}

/// What the threads of the sending half share with the session.
pub(super) struct SendContext {
    pub(super) settings: watch::Receiver<CallSettings>,
    /// Nothing is sent where there is none.
    pub(super) outlet: watch::Receiver<Option<Outlet>>,
    /// Where the source's pictures are kept, if somebody can know that they are the truth.
    pub(super) ground_truth: Option<Arc<GroundTruthBuffer>>,
    /// Told of each picture of a source that has places.
    pub(super) position: watch::Sender<Option<SourcePosition>>,
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
            position: context.position.clone(),
            session: context.session.clone(),
            stats: context.stats.clone(),
            notices: context.notices.clone(),
        };
        half.threads.push(std::thread::Builder::new().name("source".into()).spawn(move || reader.run())?);
        let coder = Coder::new(context, Arc::clone(&half.stop), half.pictures.clone(), Arc::clone(&half.self_view));
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
