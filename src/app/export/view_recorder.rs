//! The compared view as a film: both sides of each frame that is shown, at their full size, through the program's
//! own encoder into an `.mp4`, on a thread of its own.
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
        mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel},
    },
    thread::JoinHandle,
    time::Instant,
};

use crate::{
    app::compare::{Compare, Shown, panes::Layout, sides::SideChoice},
    call::ReceivedUnit,
    codec::{Encoder, EncoderConfig, MAX_BITRATE},
    frame::{Frame, Rgba, Size, Stamp},
    pipeline::{Recorder, Wake},
    record::Recorded,
    scale::{Kernel, Scaler},
    upscale::Picture,
};

/// Frames that may wait for the encoder.
const WAITING: usize = 3;
/// What is larger is scaled down: the encoder takes no more.
const LARGEST: (u32, u32) = (3840, 2160);
/// Bits for a pixel and second, at 30 frames a second: a film for comparing must not blur what is compared.
const BITS: f64 = 0.25 * 30.0;
/// A small picture gets as many bits a second all the same.
const LEAST_BITRATE: f64 = 500_000.0;
/// Frames from one keyframe to the next, so that players can seek.
const KEYFRAMES: u32 = 60;

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

/// What of the comparison is filmed.
pub(crate) fn filmed(compare: &Compare, model: usize, shown: Option<Shown>) -> (Vec<SideChoice>, Arrangement) {
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

/// One frame of the film.
pub(crate) struct Still {
    /// The frame's number.
    pub(crate) id: u64,
    /// When it was shown.
    pub(crate) at: Instant,
    /// The size of each picture in the film; others are brought to it.
    pub(crate) size: Size,
    /// In their order; one that is not there stays black.
    pub(crate) pictures: Vec<Option<Picture>>,
    pub(crate) how: Arrangement,
}

/// The film that is being made, and those that are still being finished.
pub(crate) struct Filming {
    wake: Wake,
    running: Option<Film>,
    ending: Vec<Film>,
}

impl Filming {
    /// `wake` is called when there is something to say.
    pub(crate) fn new(wake: Wake) -> Self {
        Self { wake, running: None, ending: Vec::new() }
    }

    /// Whether one is being made.
    pub(crate) fn running(&self) -> bool {
        self.running.is_some()
    }

    /// Begins one.
    pub(crate) fn start(&mut self, path: PathBuf) -> Result<(), String> {
        self.stop();
        let film = Film::start(path, Arc::clone(&self.wake));
        self.running = Some(film.map_err(|e| format!("The view cannot be recorded: {e}."))?);
        Ok(())
    }

    /// Adds a frame, or leaves it out.
    pub(crate) fn add(&mut self, still: Still) {
        if let Some(film) = &mut self.running {
            film.add(still);
        }
    }

    /// Ends it; what is waiting is still written, and then there is something to say.
    pub(crate) fn stop(&mut self) {
        if let Some(mut film) = self.running.take() {
            film.stills = None;
            self.ending.push(film);
        }
    }

    /// What there is to say about those that have ended.
    pub(crate) fn said(&mut self) -> Vec<String> {
        // One that failed ends by itself.
        let failed = self.running.take_if(|film| film.done());
        let mut said: Vec<String> = failed.and_then(Film::outcome).into_iter().collect();
        for mut film in std::mem::take(&mut self.ending) {
            if film.done() {
                said.extend(film.outcome());
            } else {
                self.ending.push(film);
            }
        }
        said
    }
}

/// The thread of one film. Dropping it finishes the file and joins it.
struct Film {
    stills: Option<SyncSender<Still>>,
    told: Receiver<Result<Option<Recorded>, String>>,
    outcome: Option<Result<Option<Recorded>, String>>,
    left_out: u64,
    thread: Option<JoinHandle<()>>,
}

impl Film {
    fn start(path: PathBuf, wake: Wake) -> std::io::Result<Self> {
        let (stills, todo) = sync_channel(WAITING);
        let (tell, told) = sync_channel(1);
        let run = move || {
            let outcome = Projector::new(path).run(&todo);
            // There is one place and one word; nobody may be listening any more.
            let _ = tell.try_send(outcome);
            wake();
        };
        let thread = Some(std::thread::Builder::new().name("film".into()).spawn(run)?);
        Ok(Self { stills: Some(stills), told, outcome: None, left_out: 0, thread })
    }

    fn add(&mut self, still: Still) {
        if let Some(stills) = &self.stills
            && let Err(TrySendError::Full(_)) = stills.try_send(still)
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

    fn outcome(mut self) -> Option<String> {
        Some(match self.outcome.take()? {
            Ok(Some(done)) => {
                let left_out = match self.left_out {
                    0 => String::new(),
                    n => format!(" ({n} frames were left out: there was no time for them)"),
                };
                format!("Recorded {:.1} s of the view into {}{left_out}", done.seconds, done.path.display())
            }
            Ok(None) => "Nothing of the view was recorded: no frame came.".to_owned(),
            Err(why) => why,
        })
    }
}

impl Drop for Film {
    fn drop(&mut self) {
        self.stills = None;
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the thread that records the view panicked");
        }
    }
}

/// Makes the film, on its thread.
struct Projector {
    recorder: Recorder,
    encoder: Option<Encoder>,
    scaler: Option<Scaler>,
    begun: Option<Instant>,
}

impl Projector {
    fn new(path: PathBuf) -> Self {
        let recorder = Recorder::default();
        recorder.start(path);
        Self { recorder, encoder: None, scaler: None, begun: None }
    }

    fn run(mut self, stills: &Receiver<Still>) -> Result<Option<Recorded>, String> {
        for still in stills {
            self.add(still)?;
        }
        self.recorder.stop().map_err(|e| e.to_string())
    }

    fn add(&mut self, still: Still) -> Result<(), String> {
        let stamp = Stamp { id: still.id, captured: still.at };
        let frame = self.frame(&still, stamp)?;
        let size = frame.size();
        let bitrate = (size.pixels() as f64 * BITS).clamp(LEAST_BITRATE, MAX_BITRATE.into()) as u32;
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => {
                let keyframe_interval = Some(KEYFRAMES);
                let config = EncoderConfig { size, fps: 30.0, bitrate, keyframe_interval, skip_frames: false };
                none.insert(Encoder::new(config).map_err(|e| e.to_string())?)
            }
        };
        // Another layout has another size.
        encoder.set_bitrate(bitrate).map_err(|e| e.to_string())?;
        let Some(unit) = encoder.encode(&frame).map_err(|e| e.to_string())? else { return Ok(()) };
        let begun = *self.begun.get_or_insert(still.at);
        // The clock of a file is that of RTP, which wraps.
        let ticks = still.at.saturating_duration_since(begun).as_nanos() * 9 / 100_000;
        let unit = ReceivedUnit {
            data: unit.data,
            keyframe: unit.keyframe,
            rtp_timestamp: ticks as u32,
            arrived: still.at,
            complete: true,
        };
        self.recorder.unit(&unit).map(|_| ()).map_err(|e| e.to_string())
    }

    fn frame(&mut self, still: &Still, stamp: Stamp) -> Result<Frame, String> {
        let bytes = |picture: &Option<Picture>| picture.as_ref().map(Picture::to_rgba).transpose();
        let pictures: Result<Vec<_>, _> = still.pictures.iter().map(bytes).collect();
        let (rgb, width, height) = composed(still.size, &pictures.map_err(|e| e.to_string())?, still.how);
        let frame = Frame::from_rgb8(&rgb, width, height, stamp).map_err(|e| e.to_string())?;
        let largest = Size::new(LARGEST.0, LARGEST.1).map_err(|e| e.to_string())?;
        let size = frame.size();
        if size.width() <= largest.width() && size.height() <= largest.height() {
            return Ok(frame);
        }
        let fit = size.fit_even(largest);
        let kept = self.scaler.take().filter(|s| s.size() == fit);
        let scaler = self.scaler.insert(kept.unwrap_or_else(|| Scaler::new(fit, Kernel::default())));
        scaler.scale(&frame).map_err(|e| e.to_string())
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

    fn still(n: u64, begun: Instant, how: Arrangement) -> Still {
        let picture = |level| Some(Picture::Cpu(grey(64, 48, level)));
        let at = begun + Duration::from_millis(40 * n);
        Still { id: n, at, size: Size::new(64, 48).unwrap(), pictures: vec![picture(60), picture(200)], how }
    }

    /// Makes a film of these and reads it back.
    fn shown(stills: Vec<Still>) -> (Recorded, Vec<Frame>) {
        let folder = tempfile::tempdir().unwrap();
        let (tx, stills_in) = sync_channel(stills.len());
        stills.into_iter().for_each(|still| tx.send(still).unwrap());
        drop(tx);
        let done = Projector::new(folder.path().join("v.mp4")).run(&stills_in).unwrap().unwrap();
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
        let (done, frames) = shown((0..6).map(|n| still(n, begun, Arrangement::Row)).collect());
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
        let (_, frames) = shown(vec![still(0, begun, Arrangement::Wipe(0.25))]);
        let (a, b) = (luma(&frames[0], 0..16), luma(&frames[0], 16..64));
        assert!((a - 67.5).abs() < 4.0 && (b - 187.8).abs() < 4.0, "{a} {b}");
        let mixed = vec![still(0, begun, Arrangement::Wipe(0.5)), still(1, begun, Arrangement::Row)];
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
    fn what_is_filmed_is_what_is_looked_at() {
        let mut compare = Compare::new(1);
        let [a, b] = [SideChoice::Bicubic, SideChoice::Network(1)];
        assert_eq!(filmed(&compare, 1, None), (vec![a, b], Arrangement::Row));
        compare.layout = Layout::Toggle;
        compare.flipped = true;
        assert_eq!(filmed(&compare, 1, None), (vec![b], Arrangement::Row));
        compare.layout = Layout::Wipe;
        let part = Rect::from_min_max(pos2(0.5, 0.0), pos2(1.0, 0.5));
        let shown = Shown { area: Rect::ZERO, part };
        assert_eq!(filmed(&compare, 1, Some(shown)), (vec![a, b], Arrangement::Wipe(0.75)));
        compare.layout = Layout::FourUp;
        assert_eq!(filmed(&compare, 1, None).0.len(), 4);
    }

    #[test]
    fn the_window_hears_of_the_end_and_of_what_went_wrong() {
        let folder = tempfile::tempdir().unwrap();
        let (tell, told) = sync_channel(4);
        let mut filming = Filming::new(Arc::new(move || {
            let _ = tell.try_send(());
        }));
        filming.start(folder.path().join("v.mp4")).unwrap();
        filming.add(still(0, Instant::now(), Arrangement::Row));
        filming.stop();
        told.recv().unwrap();
        let said = filming.said();
        assert!(said.len() == 1 && said[0].contains("v.mp4") && !filming.running(), "{said:?}");
        assert_eq!(Clip::open(folder.path().join("v.mp4")).unwrap().size(), Size::new(128, 48).unwrap());

        filming.start(folder.path().join("none/v.mp4")).unwrap();
        filming.add(still(0, Instant::now(), Arrangement::Row));
        told.recv().unwrap();
        let said = filming.said();
        assert!(said[0].contains("v.mp4") && !filming.running(), "{said:?}");
        // Whoever closes the window has the file too.
        filming.start(folder.path().join("w.mp4")).unwrap();
        filming.add(still(0, Instant::now(), Arrangement::Row));
        drop(filming);
        assert!(Clip::open(folder.path().join("w.mp4")).is_ok());
    }
}
