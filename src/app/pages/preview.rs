//! The chosen source before a call, small, on a thread of its own.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    app::{background_drop::BackgroundDrops, compare::textures::Textures, pages::start_page::StartPage},
    frame::{Frame, Size},
    pipeline::{Slot, Wake},
    scale::{Kernel, Scaler},
    source::devices::ListedCamera,
    source::{self, Event, Source, SourceSpec, Wish},
};

/// Pictures are brought down to this.
const BOUND: (u32, u32) = (320, 240);
/// Pictures a second.
const FPS: f32 = 12.0;

/// Keeps the start page's look at the source that is chosen there.
pub(crate) fn tend(
    ctx: &egui::Context,
    page: &mut StartPage,
    preview: &mut Option<Preview>,
    closing: &mut BackgroundDrops,
    cameras: &Mutex<Option<Vec<ListedCamera>>>,
    textures: &mut Textures,
) {
    if let Some(cameras) = cameras.lock().unwrap_or_else(PoisonError::into_inner).clone() {
        page.cameras_are_known(cameras);
    }
    // While a call is hanging up it may still have the camera.
    let wanted = if page.busy { None } else { page.preview_of() };
    if preview.as_ref().map(Preview::spec) != wanted.as_ref() {
        if let Some(old) = preview.take() {
            closing.hang_up(old);
        }
        page.preview = None;
        let repaint = ctx.clone();
        let wake: Wake = Arc::new(move || repaint.request_repaint());
        *preview = wanted.filter(|_| !closing.busy()).map(|spec| Preview::start(spec, wake));
    }
    if closing.busy() {
        ctx.request_repaint_after(Duration::from_millis(50));
    }
    page.preview_problem = preview.as_ref().and_then(Preview::problem);
    if let Some(frame) = preview.as_ref().and_then(Preview::frame) {
        page.preview = Some((textures.self_view(ctx, &frame), frame.size()));
    }
}

/// A source that is looked at. Dropping it ends the thread and waits for it, which may take a moment with a
/// camera: not in the window's thread.
pub(crate) struct Preview {
    spec: SourceSpec,
    state: Arc<PreviewState>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct PreviewState {
    stop: AtomicBool,
    frames: Slot<Frame>,
    problem: Mutex<Option<String>>,
}

impl Preview {
    /// Opens the source; `wake` is called for each picture.
    pub(crate) fn start(spec: SourceSpec, wake: Wake) -> Self {
        let state = Arc::new(PreviewState::default());
        let (of, to) = (spec.clone(), Arc::clone(&state));
        let run = move || {
            if let Err(why) = look(&of, &to, &wake) {
                *to.problem.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
                wake();
            }
        };
        let thread = std::thread::Builder::new().name("preview".into()).spawn(run);
        Self { spec, state, thread: thread.map_err(|e| tracing::error!("{e}")).ok() }
    }

    /// What is looked at.
    pub(crate) fn spec(&self) -> &SourceSpec {
        &self.spec
    }

    /// The newest picture that nobody has taken.
    pub(crate) fn frame(&self) -> Option<Frame> {
        self.state.frames.try_take()
    }

    /// Why there is no picture.
    pub(crate) fn problem(&self) -> Option<String> {
        self.state.problem.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Preview {
    fn drop(&mut self) {
        self.state.stop.store(true, Ordering::Relaxed);
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the preview's thread panicked");
        }
    }
}

fn look(spec: &SourceSpec, state: &PreviewState, wake: &Wake) -> Result<(), String> {
    let bound = Size::new(BOUND.0, BOUND.1).map_err(|e| e.to_string())?;
    let mut source = source::open(spec, Wish { size: bound, fps: FPS }).map_err(|e| e.to_string())?;
    let mut scaler: Option<Scaler> = None;
    let mut due = Instant::now();
    while !state.stop.load(Ordering::Relaxed) {
        if !source.live() {
            let wait = due.saturating_duration_since(Instant::now());
            if !wait.is_zero() {
                std::thread::sleep(wait.min(Duration::from_millis(50)));
                continue;
            }
        }
        let frame = match source.next().map_err(|e| e.to_string())? {
            Event::Frame(frame) => frame,
            Event::Lost(why) => return Err(why),
            Event::Ended => return Ok(()),
        };
        if Instant::now() < due {
            continue; // a camera gives more than is looked at
        }
        due = Instant::now() + Duration::from_secs_f32(1.0 / FPS);
        skip(source.as_mut(), state)?;
        let size = frame.size().fit_even(bound);
        let small = Scaler::kept(&mut scaler, size, Kernel::Bilinear).scale(&frame);
        state.frames.put(small.map_err(|e| e.to_string())?);
        wake();
    }
    Ok(())
}

/// Leaves out pictures of a file that is faster than the preview, so that it plays at its own pace.
fn skip(source: &mut dyn Source, state: &PreviewState) -> Result<(), String> {
    let extra = (source.fps() / FPS).round().clamp(1.0, 10.0) as usize - 1;
    for _ in 0..if source.live() { 0 } else { extra } {
        if state.stop.load(Ordering::Relaxed) || matches!(source.next(), Ok(Event::Ended)) {
            break;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use super::*;

    #[test]
    fn the_scene_is_seen_small_and_a_missing_file_is_said() {
        let (tell, told) = sync_channel(1);
        let wake: Wake = Arc::new(move || {
            let _ = tell.try_send(());
        });
        let preview = Preview::start(SourceSpec::Scene, Arc::clone(&wake));
        told.recv().unwrap();
        let frame = preview.frame().unwrap();
        assert!(frame.size().width() <= BOUND.0 && frame.size().height() <= BOUND.1);
        assert_eq!((preview.spec(), preview.problem()), (&SourceSpec::Scene, None));
        drop(preview);
        let _ = told.try_recv();
        let preview = Preview::start(SourceSpec::Clip("not/there.mp4".into()), wake);
        told.recv().unwrap();
        assert!(preview.problem().is_some_and(|why| why.contains("not/there.mp4")));
    }
}
