//! Records the compared view: both sides of each frame that is shown, at their full size, through the program's own
//! encoder into an `.mp4`, on a thread of its own.
//!
//! ```text
//! side by side, difference   A | B            wipe   A up to the divider, B after it
//! A/B                        the shown one    four   low-res | bicubic over network | truth
//! ```
//!
//! Zoom, loupe and marks are not in it. A frame for which there is no time is left out, so that the call never
//! waits; while a frame is held nothing is added, so that it lasts. A change of the layout goes on in a new file.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    app::compare::{Compare, Shown, panes::Layout, sides::SideChoice},
    call::ReceivedUnit,
    codec::{Encoder, EncoderConfig, H264Profile, MAX_BITRATE},
    frame::{Frame, Rgba, Size, Stamp},
    pipeline::{Recorder, RecorderState, Wake},
    record::Recorded,
    scale::{Kernel, Scaler},
    upscale::Picture,
};

/// Frames that may wait for the encoder.
const MAX_WAITING: usize = 3;
/// What is larger is scaled down: the encoder takes no more.
const MAX_SIZE: (u32, u32) = (3840, 2160);
/// Bits for a pixel and second, at 30 frames a second: a recording for comparing must not blur what is compared.
const BITS_PER_PIXEL_SECOND: f64 = 0.25 * 30.0;
/// A small picture gets as many bits a second all the same.
const LEAST_BITRATE: f64 = 500_000.0;
/// Frames from one keyframe to the next, so that players can seek.
const KEYFRAME_INTERVAL: u32 = 60;
/// What is recorded is written, too, when nothing has been shown for so long.
const PAUSE: Duration = Duration::from_secs(1);

/// How the pictures of a frame are put together.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Arrangement {
    /// In a row.
    Row,
    /// In rows of two.
    Grid,
    /// In the same place: the first up to this share of the width, then the second.
    Wipe(f32),
}

/// What of the comparison is recorded.
pub(crate) fn recorded_view(compare: &Compare, model: usize, shown: Option<Shown>) -> (Vec<SideChoice>, Arrangement) {
    let [a, b] = compare.two(model);
    match compare.layout {
        Layout::SideBySide | Layout::Difference => (vec![a, b], Arrangement::Row),
        Layout::Toggle => (vec![if compare.flipped { b } else { a }], Arrangement::Row),
        Layout::FourUp => (compare.sides(model), Arrangement::Grid),
        Layout::Wipe => {
            // The divider stands at a share of what is seen, which may be a part of the picture.
            let (from, width) = shown.map_or((0.0, 1.0), |s| (s.part.left(), s.part.width()));
            (vec![a, b], Arrangement::Wipe(from + compare.split * width))
        }
    }
}

/// One frame of the recording.
pub(crate) struct ViewFrame {
    /// The frame's number.
    pub(crate) id: u64,
    /// When it was shown.
    pub(crate) at: Instant,
    /// The size of each picture in the recording; others are brought to it.
    pub(crate) size: Size,
    /// In their order; one that is not there stays black.
    pub(crate) pictures: Vec<Option<Picture>>,
    pub(crate) how: Arrangement,
}

/// The recording that is being made, and those that are still being finished.
pub(crate) struct ViewRecorder {
    wake: Wake,
    running: Option<ViewRecording>,
    ending: Vec<ViewRecording>,
    /// Why the last one has ended by itself.
    failed: Option<String>,
}

impl ViewRecorder {
    /// `wake` is called when there is something to say.
    pub(crate) fn new(wake: Wake) -> Self {
        Self { wake, running: None, ending: Vec::new(), failed: None }
    }

    /// What it is doing.
    pub(crate) fn state(&self) -> RecorderState {
        match (&self.running, &self.failed) {
            (Some(recording), _) => recording.recorder.state(),
            (None, Some(why)) => RecorderState::Failed { why: why.clone() },
            (None, None) => RecorderState::Off,
        }
    }

    /// Begins one.
    pub(crate) fn start(&mut self, path: PathBuf) -> Result<(), String> {
        self.stop();
        self.failed = None;
        let recording = ViewRecording::start(path, Arc::clone(&self.wake));
        self.running = Some(recording.map_err(|e| format!("The view cannot be recorded: {e}."))?);
        Ok(())
    }

    /// Adds a frame, or leaves it out.
    pub(crate) fn add(&mut self, view: ViewFrame) {
        if let Some(recording) = &mut self.running {
            recording.add(view);
        }
    }

    /// Ends it; what is waiting is still written, and then there is something to say.
    pub(crate) fn stop(&mut self) {
        if let Some(mut recording) = self.running.take() {
            recording.frames = None;
            self.ending.push(recording);
        }
    }

    /// What there is to say about those that have ended.
    pub(crate) fn said(&mut self) -> Vec<String> {
        // One that failed ends by itself.
        self.ending.extend(self.running.take_if(|recording| recording.done()));
        let mut said = Vec::new();
        for mut recording in std::mem::take(&mut self.ending) {
            if !recording.done() {
                self.ending.push(recording);
                continue;
            }
            let text = recording.outcome();
            self.failed = text.as_ref().err().cloned();
            said.push(text.unwrap_or_else(|why| why));
        }
        said
    }
}

/// What to say of a recording that has ended well; `of_what` names it, like " of the view".
pub(crate) fn recorded_text(files: &[Recorded], of_what: &str) -> String {
    let seconds: f64 = files.iter().map(|file| file.seconds).sum();
    let Some(first) = files.first() else { return format!("Nothing{of_what} was recorded: no whole picture came.") };
    let others = match files.len() - 1 {
        0 => String::new(),
        n => format!(" and {n} more beside it, one for each size and connection"),
    };
    format!("Recorded {seconds:.1} s{of_what} into {}{others}", first.path.display())
}

/// The thread of one recording. Dropping it finishes the file and joins it.
struct ViewRecording {
    recorder: Arc<Recorder>,
    frames: Option<SyncSender<ViewFrame>>,
    told: Receiver<Result<Vec<Recorded>, String>>,
    outcome: Option<Result<Vec<Recorded>, String>>,
    left_out: u64,
    thread: Option<JoinHandle<()>>,
}

impl ViewRecording {
    fn start(path: PathBuf, wake: Wake) -> std::io::Result<Self> {
        let recorder = Arc::new(Recorder::default());
        recorder.start(path);
        let (frames, todo) = sync_channel(MAX_WAITING);
        let (tell, told) = sync_channel(1);
        let encoder = ViewEncoder::new(Arc::clone(&recorder));
        let run = move || {
            let outcome = encoder.run(&todo);
            // There is one place and one word; nobody may be listening any more.
            let _ = tell.try_send(outcome);
            wake();
        };
        let thread = Some(std::thread::Builder::new().name("view-recorder".into()).spawn(run)?);
        Ok(Self { recorder, frames: Some(frames), told, outcome: None, left_out: 0, thread })
    }

    fn add(&mut self, view: ViewFrame) {
        if let Some(frames) = &self.frames
            && let Err(TrySendError::Full(_)) = frames.try_send(view)
        {
            self.left_out += 1;
        }
    }

    fn done(&mut self) -> bool {
        if self.outcome.is_none() {
            self.outcome = match self.told.try_recv() {
                Ok(outcome) => Some(outcome),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(Err("The thread that records the view ended.".to_owned())),
            };
        }
        self.outcome.is_some()
    }

    /// What to say of it once it is [done](Self::done); an error says why it has failed.
    fn outcome(mut self) -> Result<String, String> {
        let files = self.outcome.take().unwrap_or_else(|| Ok(Vec::new()))?;
        let left_out = match self.left_out {
            0 => String::new(),
            n => format!(" ({n} frames were left out: there was no time for them)"),
        };
        Ok(recorded_text(&files, " of the view") + &left_out)
    }
}

impl Drop for ViewRecording {
    fn drop(&mut self) {
        self.frames = None;
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the thread that records the view panicked");
        }
    }
}

/// Composes and encodes the frames, on its thread.
struct ViewEncoder {
    recorder: Arc<Recorder>,
    encoder: Option<Encoder>,
    scaler: Option<Scaler>,
    begun: Option<Instant>,
}

impl ViewEncoder {
    /// For a recorder that has been started.
    fn new(recorder: Arc<Recorder>) -> Self {
        Self { recorder, encoder: None, scaler: None, begun: None }
    }

    fn run(mut self, frames: &Receiver<ViewFrame>) -> Result<Vec<Recorded>, String> {
        let recorded = self.record_all(frames);
        // What has been recorded before an error is still written.
        let ended = self.recorder.stop().map_err(|e| e.to_string());
        recorded.and(ended)
    }

    /// Until nobody sends frames any more.
    fn record_all(&mut self, frames: &Receiver<ViewFrame>) -> Result<(), String> {
        loop {
            match frames.recv_timeout(PAUSE) {
                Ok(view) => self.add(view)?,
                Err(RecvTimeoutError::Timeout) => drop(self.recorder.pause().map_err(|e| e.to_string())?),
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
    }

    fn add(&mut self, view: ViewFrame) -> Result<(), String> {
        let stamp = Stamp { id: view.id, captured: view.at };
        let frame = self.frame(&view, stamp)?;
        let size = frame.size();
        let bitrate = (size.pixels() as f64 * BITS_PER_PIXEL_SECOND).clamp(LEAST_BITRATE, MAX_BITRATE.into()) as u32;
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => {
                let keyframe_interval = Some(KEYFRAME_INTERVAL);
                let config = EncoderConfig {
                    size,
                    fps: 30.0,
                    bitrate,
                    keyframe_interval,
                    skip_frames: false,
                    profile: H264Profile::default(),
                };
                none.insert(Encoder::new(config).map_err(|e| e.to_string())?)
            }
        };
        // Another layout has another size.
        encoder.set_bitrate(bitrate).map_err(|e| e.to_string())?;
        let Some(unit) = encoder.encode(&frame).map_err(|e| e.to_string())? else { return Ok(()) };
        let begun = *self.begun.get_or_insert(view.at);
        // The clock of a file is that of RTP, which wraps.
        let ticks = view.at.saturating_duration_since(begun).as_nanos() * 9 / 100_000;
        let unit = ReceivedUnit {
            data: unit.data,
            keyframe: unit.keyframe,
            rtp_timestamp: ticks as u32,
            arrived: view.at,
            complete: true,
            sender_time: None,
        };
        self.recorder.unit(&unit).map(|_| ()).map_err(|e| e.to_string())
    }

    fn frame(&mut self, view: &ViewFrame, stamp: Stamp) -> Result<Frame, String> {
        let bytes = |picture: &Option<Picture>| picture.as_ref().map(Picture::to_rgba).transpose();
        let pictures: Result<Vec<_>, _> = view.pictures.iter().map(bytes).collect();
        let (rgb, width, height) = composed(view.size, &pictures.map_err(|e| e.to_string())?, view.how);
        let frame = Frame::from_rgb8(&rgb, width, height, stamp).map_err(|e| e.to_string())?;
        let largest = Size::new(MAX_SIZE.0, MAX_SIZE.1).map_err(|e| e.to_string())?;
        let size = frame.size();
        if size.width() <= largest.width() && size.height() <= largest.height() {
            return Ok(frame);
        }
        let fit = size.fit_even(largest);
        Scaler::kept(&mut self.scaler, fit, Kernel::default()).scale(&frame).map_err(|e| e.to_string())
    }
}

/// The pictures put together: rows of R, G, B, and how wide and high it is.
fn composed(size: Size, pictures: &[Option<Arc<Rgba>>], how: Arrangement) -> (Vec<u8>, usize, usize) {
    let (w, h) = (size.width() as usize, size.height() as usize);
    let (columns, rows) = match how {
        Arrangement::Row => (pictures.len().max(1), 1),
        Arrangement::Grid => (2, pictures.len().div_ceil(2).max(1)),
        Arrangement::Wipe(_) => (1, 1),
    };
    let (width, height) = (w * columns, h * rows);
    let mut rgb = vec![0; 3 * width * height];
    for (i, picture) in pictures.iter().enumerate() {
        let Some(picture) = picture else { continue };
        let ((left, top), part) = match how {
            Arrangement::Wipe(at) => {
                let divider = ((at.clamp(0.0, 1.0) * w as f32).round() as usize).min(w);
                ((0, 0), if i == 0 { 0..divider } else { divider..w })
            }
            Arrangement::Row | Arrangement::Grid => ((i % columns * w, i / columns * h), 0..w),
        };
        let (from_w, from_h) = (picture.size.width() as usize, picture.size.height() as usize);
        for y in 0..h {
            let row = &picture.data[4 * from_w * (y * from_h / h)..];
            let to = &mut rgb[3 * width * (top + y)..];
            for x in part.clone() {
                let from = 4 * (x * from_w / w);
                to[3 * (left + x)..3 * (left + x) + 3].copy_from_slice(&row[from..from + 3]);
            }
        }
    }
    (rgb, width, height)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use egui::{Rect, pos2};

    use super::*;
    use crate::source::{Event, Source as _, clip::Clip};

    fn grey(w: u32, h: u32, level: u8) -> Arc<Rgba> {
        let size = Size::new(w, h).unwrap();
        Arc::new(Rgba { size, data: [level, level, level, 255].repeat(size.pixels()) })
    }

    fn view(n: u64, begun: Instant, how: Arrangement) -> ViewFrame {
        let picture = |level| Some(Picture::Cpu(grey(64, 48, level)));
        let at = begun + Duration::from_millis(40 * n);
        ViewFrame { id: n, at, size: Size::new(64, 48).unwrap(), pictures: vec![picture(60), picture(200)], how }
    }

    /// Records these and reads the last file back.
    fn shown(frames: Vec<ViewFrame>) -> (Recorded, Vec<Frame>) {
        let folder = tempfile::tempdir().unwrap();
        let (tx, frames_in) = sync_channel(frames.len());
        frames.into_iter().for_each(|view| tx.send(view).unwrap());
        drop(tx);
        let recorder = Arc::new(Recorder::default());
        recorder.start(folder.path().join("v.mp4"));
        let done = ViewEncoder::new(recorder).run(&frames_in).unwrap().pop().unwrap();
        let mut clip = Clip::open(&done.path).unwrap();
        let frames = (0..done.frames).map(|_| match clip.next().unwrap() {
            Event::Frame(frame) => frame,
            other => panic!("{other:?}"),
        });
        let frames = frames.collect();
        (done, frames)
    }

    /// Mean luma of columns.
    fn luma(frame: &Frame, columns: std::ops::Range<usize>) -> f64 {
        let n = (columns.len() * frame.y().height()) as f64;
        frame.y().rows().flat_map(|row| &row[columns.clone()]).map(|v| f64::from(*v)).sum::<f64>() / n
    }

    #[test]
    fn the_left_half_is_a_and_the_right_half_is_b_at_the_frames_own_times() {
        let begun = Instant::now();
        let (done, frames) = shown((0..6).map(|n| view(n, begun, Arrangement::Row)).collect());
        assert_eq!((done.frames, done.size), (6, Size::new(128, 48).unwrap()));
        assert!((done.seconds - 0.24).abs() < 0.02, "{}", done.seconds);
        for frame in &frames {
            // 16 + 219 / 255 of 60 and of 200.
            let (a, b) = (luma(frame, 0..64), luma(frame, 64..128));
            assert!((a - 67.5).abs() < 2.0 && (b - 187.8).abs() < 2.0, "{a} {b}");
        }
    }

    #[test]
    fn a_wipe_parts_one_picture_and_another_layout_goes_on_in_another_file() {
        let begun = Instant::now();
        let (_, frames) = shown(vec![view(0, begun, Arrangement::Wipe(0.25))]);
        let (a, b) = (luma(&frames[0], 0..16), luma(&frames[0], 16..64));
        assert!((a - 67.5).abs() < 4.0 && (b - 187.8).abs() < 4.0, "{a} {b}");
        let mixed = vec![view(0, begun, Arrangement::Wipe(0.5)), view(1, begun, Arrangement::Row)];
        let (done, frames) = shown(mixed);
        assert_eq!((done.frames, frames[0].size()), (1, Size::new(128, 48).unwrap()));
        assert!(done.path.ends_with("v-2.mp4"), "{:?}", done.path);
    }

    #[test]
    fn four_pictures_stand_in_rows_of_two_and_smaller_ones_are_brought_to_size() {
        let size = Size::new(4, 2).unwrap();
        let pictures = [Some(grey(2, 1, 1)), Some(grey(4, 2, 2)), Some(grey(4, 2, 3)), None];
        let (rgb, width, height) = composed(size, &pictures, Arrangement::Grid);
        assert_eq!((width, height, rgb.len()), (8, 4, 96));
        let at = |x: usize, y: usize| rgb[3 * (8 * y + x)];
        assert_eq!([at(0, 0), at(3, 1), at(4, 0), at(7, 1), at(0, 2), at(3, 3), at(4, 2)], [1, 1, 2, 2, 3, 3, 0]);
    }

    #[test]
    fn what_is_recorded_is_what_is_looked_at() {
        let mut compare = Compare::new(1);
        let [a, b] = [SideChoice::Bicubic, SideChoice::Network(1)];
        assert_eq!(recorded_view(&compare, 1, None), (vec![a, b], Arrangement::Row));
        compare.layout = Layout::Toggle;
        compare.flipped = true;
        assert_eq!(recorded_view(&compare, 1, None), (vec![b], Arrangement::Row));
        compare.layout = Layout::Wipe;
        let part = Rect::from_min_max(pos2(0.5, 0.0), pos2(1.0, 0.5));
        let shown = Shown { area: Rect::ZERO, part };
        assert_eq!(recorded_view(&compare, 1, Some(shown)), (vec![a, b], Arrangement::Wipe(0.75)));
        compare.layout = Layout::FourUp;
        assert_eq!(recorded_view(&compare, 1, None).0.len(), 4);
    }

    #[test]
    fn the_window_hears_of_the_end_and_of_what_went_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, told) = sync_channel(4);
        let mut recorder = ViewRecorder::new(Arc::new(move || {
            let _ = tell.try_send(());
        }));
        recorder.start(folder.path().join("v.mp4")).unwrap();
        assert!(recorder.state().is_on());
        recorder.add(view(0, Instant::now(), Arrangement::Row));
        recorder.stop();
        told.recv().unwrap();
        let said = recorder.said();
        assert!(said.len() == 1 && said[0].contains("v.mp4"), "{said:?}");
        assert_eq!(recorder.state(), RecorderState::Off);
        assert_eq!(Clip::open(folder.path().join("v.mp4")).unwrap().size(), Size::new(128, 48).unwrap());

        recorder.start(folder.path().join("none/v.mp4")).unwrap();
        recorder.add(view(0, Instant::now(), Arrangement::Row));
        told.recv().unwrap();
        let said = recorder.said();
        assert!(said[0].contains("v.mp4"), "{said:?}");
        assert_eq!(recorder.state(), RecorderState::Failed { why: said[0].clone() });
        // Whoever closes the window has the file too.
        recorder.start(folder.path().join("w.mp4")).unwrap();
        recorder.add(view(0, Instant::now(), Arrangement::Row));
        drop(recorder);
        assert!(Clip::open(folder.path().join("w.mp4")).is_ok());
    }
}
