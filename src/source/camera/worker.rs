//! The thread that a camera lives on, and what it shares with whoever reads.

use super::{About, Backend, CameraError, FormatRequest, convert};
use crate::frame::Frame;
use std::{
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// After so many pictures in a row that cannot be read the camera is taken for broken.
const MAX_BAD: u32 = 30;

/// What the two sides share.
pub(super) struct Handoff {
    state: Mutex<HandoffState>,
    changed: Condvar,
}

#[derive(Default)]
struct HandoffState {
    /// Whoever reads has gone.
    stop: bool,
    about: Option<About>,
    newest: Option<Frame>,
    ended: Option<Ended>,
    /// The thread has let go of the camera.
    finished: bool,
}

/// Why a thread ended.
#[derive(Clone)]
enum Ended {
    NotOpened(CameraError),
    Gone(String),
}

impl Handoff {
    fn lock(&self) -> MutexGuard<'_, HandoffState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, by: impl FnOnce(&mut HandoffState)) {
        by(&mut self.lock());
        self.changed.notify_all();
    }

    /// Waits until there is something, for at most `limit`.
    fn wait<T>(&self, limit: Duration, mut ready: impl FnMut(&mut HandoffState) -> Option<T>) -> Option<T> {
        let until = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(found) = ready(&mut state) {
                return Some(found);
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The thread is through with the camera.
    pub(super) fn finished(&self) -> bool {
        self.lock().finished
    }
}

/// What waiting for a picture brought.
pub(super) enum Wait {
    /// The newest picture, and the format of the camera.
    Picture(About, Box<Frame>),
    /// The thread has ended, and why.
    Ended(String),
    /// Nothing within the limit.
    Nothing,
}

/// The handle of the thread. Dropping it ends the thread and waits for it, but not for ever.
pub(super) struct Worker {
    shared: Arc<Handoff>,
    thread: Option<JoinHandle<()>>,
    number: u32,
    grace: Duration,
}

impl Worker {
    pub(super) fn start(
        backend: Arc<dyn Backend>,
        number: u32,
        wanted: FormatRequest,
        grace: Duration,
    ) -> Result<Self, CameraError> {
        let shared = Arc::new(Handoff { state: Mutex::default(), changed: Condvar::new() });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name(format!("camera {number}"))
            .spawn(move || {
                let finish = Finish(theirs);
                run(&*backend, number, &wanted, &finish.0);
            })
            .map_err(|e| CameraError::Refused { number, why: format!("no thread for it: {e}") })?;
        Ok(Self { shared, thread: Some(thread), number, grace })
    }

    /// Waits until the camera is open.
    pub(super) fn opened(&self, limit: Duration) -> Result<About, CameraError> {
        let number = self.number;
        let opened = self.shared.wait(limit, |state| match (&state.about, &state.ended) {
            (Some(about), _) => Some(Ok(about.clone())),
            (None, Some(Ended::NotOpened(e))) => Some(Err(e.clone())),
            (None, Some(Ended::Gone(why))) => Some(Err(CameraError::Refused { number, why: why.clone() })),
            (None, None) => None,
        });
        opened.unwrap_or(Err(CameraError::Silent { number, seconds: limit.as_secs() }))
    }

    /// Waits for the next picture. One that is there comes before the news that the camera is gone.
    pub(super) fn next(&self, limit: Duration) -> Wait {
        let found = self.shared.wait(limit, |state| {
            if let (Some(about), Some(frame)) = (&state.about, state.newest.take()) {
                return Some(Wait::Picture(about.clone(), Box::new(frame)));
            }
            state.ended.as_ref().map(|ended| {
                Wait::Ended(match ended {
                    Ended::NotOpened(e) => e.to_string(),
                    Ended::Gone(why) => why.clone(),
                })
            })
        });
        found.unwrap_or(Wait::Nothing)
    }

    /// Leaves a thread alone that hangs in the driver; it ends by itself should it ever come back.
    pub(super) fn abandon(mut self) -> Arc<Handoff> {
        self.thread = None;
        self.shared.change(|state| state.stop = true);
        Arc::clone(&self.shared)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.shared.change(|state| state.stop = true);
        let Some(thread) = self.thread.take() else { return };
        if self.shared.wait(self.grace, |state| state.finished.then_some(())).is_some() {
            // A panic in a driver has been told as the camera's end.
            let _ = thread.join();
        } else {
            tracing::warn!("camera {} hangs in its driver: its thread is left alone", self.number);
        }
    }
}

/// Says that the thread is through, however it ends.
struct Finish(Arc<Handoff>);

impl Drop for Finish {
    fn drop(&mut self) {
        self.0.change(|state| {
            state.ended.get_or_insert_with(|| Ended::Gone("its driver failed".to_owned()));
            state.finished = true;
        });
    }
}

/// The thread's life: open, read and convert until told to stop or the camera is gone.
fn run(backend: &dyn Backend, number: u32, wanted: &FormatRequest, shared: &Handoff) {
    let mut device = match backend.open(number, wanted) {
        Ok(device) => device,
        Err(e) => return shared.change(|state| state.ended = Some(Ended::NotOpened(e))),
    };
    let about = device.about();
    tracing::info!("camera {number} ({}) sends {}", about.name, about.format);
    shared.change(|state| state.about = Some(about));
    let mut bad = 0;
    while !shared.lock().stop {
        let end = match device.read().map(|raw| convert::frame(&raw)) {
            Ok(Ok(frame)) => {
                bad = 0;
                shared.change(|state| state.newest = Some(frame));
                None
            }
            Ok(Err(e)) => {
                // Now and then a USB packet is lost and a picture with it.
                tracing::debug!("camera {number}: {e}");
                bad += 1;
                (bad >= MAX_BAD).then(|| e.to_string())
            }
            Err(why) => Some(why),
        };
        if let Some(why) = end {
            return shared.change(|state| state.ended = Some(Ended::Gone(why)));
        }
    }
}
