//! Scores of both sides while the call runs, on a thread of their own and as often as it can.
//!
//! The frames that are scored are made anew by the CPU engine in I420, by the same code as `clearcall upscale`,
//! so that the numbers are the ones that `clearcall measure` gives. After each frame the thread rests, so that
//! it takes a quarter of one core at most.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use crate::{
    frame::{Frame, Size},
    measure,
    model::Model,
    pipeline::{DisplayFrame, NetworkOff, Side, Slot, Taken, Wake},
    scale::{Kernel, Scaler},
    upscale::{CpuEngine, Method, Upscaler as _},
};

/// What the thread rests after a frame, as a multiple of the time that the frame took.
const REST: u32 = 3;
const TICK: Duration = Duration::from_millis(100);

/// The scores of one side of one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SideScores {
    /// PSNR of luma in dB.
    pub psnr_y: f64,
    /// SSIM of luma.
    pub ssim: f64,
    /// SSIMULACRA2, which looks at colours too and takes many times as long as the others.
    pub ssimulacra2: Option<f64>,
}

impl SideScores {
    /// The scores in a few words: "31.42 dB · 0.913 · 64.0".
    pub(crate) fn in_words(&self) -> String {
        let mut text = format!("{:.2} dB · {:.3}", self.psnr_y, self.ssim);
        if let Some(score) = self.ssimulacra2 {
            text += &format!(" · {score:.1}");
        }
        text
    }
}

/// What was found about one frame.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FrameScores {
    /// The frame's number.
    pub(crate) id: u64,
    /// Each side that was asked for; none where it has no score, as low-res has not.
    pub(crate) sides: Vec<(Side, Option<SideScores>)>,
    /// PSNR of luma in dB of bicubic from the truth that was scaled as the sender does, but not coded; with the quick
    /// scores only.
    pub(crate) uncoded: Option<f64>,
}

struct ScoreJob {
    display_frame: Arc<DisplayFrame>,
    sides: Vec<Side>,
}

/// The thread; dropping it ends and joins it.
pub(crate) struct Scorer {
    jobs: Slot<ScoreJob>,
    results: Receiver<FrameScores>,
    thread: Option<JoinHandle<()>>,
}

impl Scorer {
    /// `wake` is called when there is a result.
    pub(crate) fn start(wake: Wake) -> std::io::Result<Self> {
        let (tell, results) = sync_channel(4);
        let jobs = Slot::default();
        let todo = jobs.clone();
        let run = move || work(&todo, &tell, &wake);
        let thread = Some(std::thread::Builder::new().name("scorer".into()).spawn(run)?);
        Ok(Self { jobs, results, thread })
    }

    /// Offers a frame, which takes the place of one that is still waiting.
    pub(crate) fn offer(&self, display_frame: &Arc<DisplayFrame>, sides: Vec<Side>) {
        if display_frame.truth.is_some() {
            self.jobs.put(ScoreJob { display_frame: Arc::clone(display_frame), sides });
        }
    }

    /// The newest result.
    pub(crate) fn result(&self) -> Option<FrameScores> {
        self.results.try_iter().last()
    }
}

impl Drop for Scorer {
    fn drop(&mut self) {
        self.jobs.close();
        if self.thread.take().is_some_and(|t| t.join().is_err()) {
            tracing::error!("the thread that scores panicked");
        }
    }
}

fn work(jobs: &Slot<ScoreJob>, tell: &SyncSender<FrameScores>, wake: &Wake) {
    let mut bench = Bench::default();
    while !jobs.is_closed() {
        let job = match jobs.take(TICK) {
            Taken::Value(job) => job,
            Taken::Timeout => continue,
            Taken::Closed => break,
        };
        let started = Instant::now();
        // The quick scores first: the slow one may take a second on a busy machine.
        for thorough in [false, true] {
            if !jobs.is_closed()
                && let Some(result) = bench.score(&job.display_frame, &job.sides, thorough)
                && tell.try_send(result).is_ok()
            {
                wake();
            }
        }
        let rest = started.elapsed() * REST;
        let until = Instant::now() + rest;
        while !jobs.is_closed() && Instant::now() < until {
            std::thread::sleep(TICK.min(until.saturating_duration_since(Instant::now())));
        }
    }
}

/// What is kept from frame to frame.
#[derive(Default)]
struct Bench {
    scaler: Option<Scaler>,
    /// For sides that are larger than the truth.
    shrinker: Option<Scaler>,
    /// To the size that is sent.
    sender: Option<Scaler>,
    /// One engine for each network that was scored lately.
    engines: Vec<(Arc<Model>, CpuEngine)>,
}

impl Bench {
    /// None where the truth is not known.
    fn score(&mut self, display_frame: &DisplayFrame, sides: &[Side], thorough: bool) -> Option<FrameScores> {
        let truth = display_frame.judged_truth(&mut self.scaler)?;
        let mut out = Vec::with_capacity(sides.len());
        for side in sides {
            let frame = self.frame(display_frame, side).and_then(|frame| self.shrunk(frame, truth.size()));
            let scores = frame.and_then(|frame| scores(&truth, &frame, thorough));
            out.push((side.clone(), scores));
        }
        let uncoded = if thorough { None } else { self.uncoded(display_frame, &truth) };
        Some(FrameScores { id: display_frame.pair.stamp.id, sides: out, uncoded })
    }

    /// PSNR of bicubic without a codec.
    fn uncoded(&mut self, display_frame: &DisplayFrame, truth: &Frame) -> Option<f64> {
        if display_frame.off == Some(NetworkOff::FullSize) {
            return None;
        }
        let low = Scaler::kept(&mut self.sender, display_frame.low.size(), Kernel::SENDER)
            .scale(display_frame.truth.as_deref()?)
            .ok()?;
        let frame = self.engine(&display_frame.model)?.upscale(&low, Method::Bicubic).ok()?;
        psnr_y(truth, &self.shrunk(frame, truth.size())?)
    }

    fn frame(&mut self, display_frame: &DisplayFrame, side: &Side) -> Option<Frame> {
        let (model, how) = match side {
            Side::Low | Side::Truth => return None,
            Side::Bilinear => (&display_frame.model, Method::Bilinear),
            Side::Bicubic => (&display_frame.model, Method::Bicubic),
            Side::Lanczos => (&display_frame.model, Method::Lanczos),
            Side::Network(model) => (model, Method::Cnn),
        };
        if display_frame.off == Some(NetworkOff::FullSize) {
            return Some(Frame::clone(&display_frame.low));
        }
        self.engine(model)?.upscale(&display_frame.low, how).map_err(|e| tracing::debug!("{e}")).ok()
    }

    fn shrunk(&mut self, frame: Frame, size: Size) -> Option<Frame> {
        if frame.size() == size {
            return Some(frame);
        }
        Scaler::kept(&mut self.shrinker, size, Kernel::default()).scale(&frame).ok()
    }

    fn engine(&mut self, model: &Arc<Model>) -> Option<&mut CpuEngine> {
        let at = self.engines.iter().position(|(m, _)| Arc::ptr_eq(m, model));
        let at = match at {
            Some(at) => at,
            None => {
                if self.engines.len() >= 2 {
                    self.engines.remove(0);
                }
                let engine = CpuEngine::new(model, Some(1)).map_err(|e| tracing::debug!("{e}")).ok()?;
                self.engines.push((Arc::clone(model), engine));
                self.engines.len() - 1
            }
        };
        self.engines.get_mut(at).map(|(_, engine)| engine)
    }
}

fn scores(truth: &Frame, frame: &Frame, thorough: bool) -> Option<SideScores> {
    Some(SideScores {
        psnr_y: psnr_y(truth, frame)?,
        ssim: measure::ssim(truth.y(), frame.y()).ok()?,
        ssimulacra2: if thorough { measure::ssimulacra2(truth, frame).ok() } else { None },
    })
}

fn psnr_y(truth: &Frame, frame: &Frame) -> Option<f64> {
    if truth.colour.range != frame.colour.range {
        return None; // luma codes mean other things
    }
    Some(measure::psnr(truth.y(), frame.y()).ok()?.min(measure::PSNR_CAP))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        source::{Event, Source as _, scene::Scene},
        upscale::Pair,
    };

    /// A frame of the scene that was scaled down, and what it was before.
    fn display_frame(model: &Arc<Model>) -> DisplayFrame {
        let size = Size::new(160, 120).unwrap();
        let Ok(Event::Frame(truth)) = Scene::new(size.times(2).unwrap(), 30.0).unwrap().next() else { panic!() };
        let low = Scaler::new(size, Kernel::SENDER).scale(&truth).unwrap();
        let pair: Pair = CpuEngine::new(model, Some(1)).unwrap().compare(&low).unwrap();
        DisplayFrame::new(pair, Arc::clone(model), Arc::new(low), Some(Arc::new(truth)))
    }

    #[test]
    fn better_pictures_have_better_scores_and_low_res_has_none() {
        let model = Arc::new(Model::untrained(4, 0, 1).unwrap());
        let display_frame = display_frame(&model);
        let sides = [Side::Bilinear, Side::Bicubic, Side::Low, Side::Network(Arc::clone(&model))];
        let result = Bench::default().score(&display_frame, &sides, true).unwrap();
        let of = |i: usize| result.sides[i].1;
        assert!(of(2).is_none());
        let (bilinear, bicubic) = (of(0).unwrap(), of(1).unwrap());
        assert!(bicubic.psnr_y > bilinear.psnr_y && bicubic.ssim > bilinear.ssim, "{result:?}");
        assert!(bicubic.ssimulacra2 > bilinear.ssimulacra2, "{result:?}");
        assert!(of(3).is_some());
        let quick = Bench::default().score(&display_frame, &sides[..1], false).unwrap();
        assert_eq!(quick.sides[0].1, Some(SideScores { ssimulacra2: None, ..bilinear }));
        // The frame was not coded here.
        assert_eq!((quick.uncoded, result.uncoded), (Some(bicubic.psnr_y), None));
    }

    #[test]
    fn without_the_truth_there_is_no_verdict() {
        let model = Arc::new(Model::untrained(4, 0, 1).unwrap());
        let mut unknown = display_frame(&model);
        unknown.truth = None;
        assert!(Bench::default().score(&unknown, &[Side::Bicubic], false).is_none());
    }

    #[test]
    fn the_thread_answers_and_ends() {
        let model = Arc::new(Model::untrained(4, 0, 1).unwrap());
        let (tell, told) = sync_channel(1);
        let scorer = Scorer::start(Arc::new(move || {
            let _ = tell.try_send(());
        }))
        .unwrap();
        scorer.offer(&Arc::new(display_frame(&model)), vec![Side::Bicubic]);
        told.recv().unwrap();
        assert_eq!(scorer.result().map(|v| v.sides.len()), Some(1));
    }
}
