//! The thread that takes pictures from the source.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use tokio::sync::{mpsc, watch};

use super::{Outlet, SourcePosition, TICK, source_pacer::SourcePacer};
use crate::{
    frame::{Frame, Stamp},
    pipeline::{CallSettings, notices::Notices, request::Request, slot::Slot},
    source::{Event, Source},
    stats::{Stage, Stats},
};

/// Takes pictures from the source at the call's pace.
pub(super) struct Reader {
    pub(super) source: Box<dyn Source>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) settings: watch::Receiver<CallSettings>,
    pub(super) outlet: watch::Receiver<Option<Outlet>>,
    pub(super) out: Slot<Frame>,
    pub(super) position: watch::Sender<Option<SourcePosition>>,
    pub(super) session: mpsc::Sender<Request>,
    pub(super) stats: Stats,
    pub(super) notices: Notices,
}

impl Reader {
    pub(super) fn run(mut self) {
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
            if let Some(position) = self.source.position() {
                self.position.send_replace(Some(SourcePosition { position, at: started }));
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
