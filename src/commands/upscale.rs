//! `clearcall upscale`: the receiver's half without a network.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clearcall::{
    frame::{Aspect, Frame, Size},
    measure::Summary,
    model::SteadyQp,
    report,
    scale::{Kernel, Scaler, Squarer},
    source::clip::{ClipReader, Loss, Y4mWriter},
    stats::{self, PassSnapshot, Percentiles, Stats},
    upscale::{self, EngineChoice, EngineKind, GpuContext, Method, UpscaleError},
};
use serde::Serialize;

use super::{Input as _, InputFault, Scoring, Stopped};
use crate::cli::UpscaleArgs;

/// What `upscale --json` prints.
#[derive(Debug, Serialize)]
struct UpscaleReport {
    upscaler: Method,
    model: Option<String>,
    engine: EngineKind,
    engine_reason: String,
    gpu_ms: Option<Percentiles>,
    gpu_passes: Vec<PassSnapshot>,
    size: String,
    #[serde(flatten)]
    scores: Option<Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    frames: Option<usize>,
    mean_qp: Option<f64>,
    /// The shape of a pixel, of the video and of what was made of it.
    pixel_aspect: String,
    /// The pictures last for different times.
    variable_rate: bool,
    #[serde(flatten)]
    loss: Loss,
    /// Why it ended before the video did.
    stopped: Option<Stopped>,
}

pub(crate) fn run(args: &UpscaleArgs) -> anyhow::Result<()> {
    if args.output.is_none() && args.reference.is_none() {
        return Err(InputFault("there is nothing to do: give -o OUT.y4m, -o DIR or --reference HR".into()).into());
    }
    if let Some(output) = &args.output {
        super::not_onto_itself(&args.input, output)?;
    }
    let mut clip = ClipReader::open(&args.input).input()?;
    let mut reference = args.reference.as_deref().map(ClipReader::open).transpose().input()?;
    let method = args.upscaler;
    let model = super::model(&args.model, args.vivid.0)?;
    let choice = args.engine;
    let gpu = if choice.is_cpu() { None } else { GpuContext::headless().ok() };
    let (mut upscaler, mut why) = upscale::choose(choice, gpu, model.clone())?;
    let mut sink: Option<Sink> = None;
    let stats = Stats::default();
    let mut scoring = Scoring::default();
    let (mut frames, mut qps, mut steady) = (0_usize, Vec::new(), SteadyQp::default());
    let (mut size, mut scaled): (Option<Size>, Option<Size>) = (None, None);
    let mut scaler: Option<Scaler> = None;
    let bar = super::bar(clip.frames_hint(), "upscaling");
    let mut stopped = None;
    let mut aspect = Aspect::SQUARE;
    let mut low_size: Option<Size> = None;
    while let Some(picture) = super::next_picture(&mut clip, frames as u64, &mut stopped)? {
        let (size_now, at) = (picture.frame.size(), frames as u64);
        if let Some(from) = low_size.filter(|&from| from != size_now) {
            stopped = Some(Stopped::Size { at, from, to: size_now });
            break;
        }
        low_size = Some(size_now);
        aspect = picture.frame.aspect;
        let mut low = picture.frame.centred();
        low.weights_qp = steady.follow(low.qp);
        let mut high = upscaler.upscale(&low, method);
        if let Err(UpscaleError::Lost(_)) = &high {
            (upscaler, why) = upscale::choose(EngineChoice::Cpu, None, model.clone())?;
            why = why.replace("as asked", "the GPU was lost");
            high = upscaler.upscale(&low, method);
        }
        let mut high = high.with_context(|| format!("frame {frames}"))?;
        (high.aspect, high.stamp) = (low.aspect, low.stamp);
        if let Some(notice) = upscaler.notice() {
            bar.suspend(|| eprintln!("note: {notice}"));
        }
        if let Some(time) = upscaler.gpu_time() {
            stats.gpu_time(&time);
        }
        let size_now = high.size();
        size = Some(size_now);
        if let Some(path) = &args.output {
            let sink = match &mut sink {
                Some(sink) => sink,
                none => none.insert(Sink::create(path, &high, &clip)?),
            };
            sink.write(&high)?;
        }
        if let Some(reference) = &mut reference {
            let truth = reference.next().input()?.ok_or_else(|| {
                InputFault(format!(
                    "the reference has only {frames} frames, {} has more; were frames left out when it was encoded?",
                    args.input.display()
                ))
            })?;
            let truth = if nearly(truth.frame.size(), size_now) {
                scaled = Some(truth.frame.size());
                scaler.get_or_insert_with(|| Scaler::new(size_now, Kernel::default())).scale(&truth.frame)?
            } else {
                truth.frame
            };
            scoring.push(truth, high)?;
        }
        qps.extend(low.qp.map(f64::from));
        frames += 1;
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Some(size) = size else {
        return Err(InputFault(format!("{} has no pictures", args.input.display())).into());
    };
    if let Some(sink) = sink {
        sink.finish()?;
    }
    if stopped.is_none() && reference.as_mut().map(ClipReader::next).transpose().input()?.flatten().is_some() {
        eprintln!("note: the reference has more frames than {}; the rest was not compared", args.input.display());
    }
    if let Some(from) = scaled {
        eprintln!("note: the reference was scaled from {from} to {size}");
    }
    let scores = scoring.finish()?;
    let stats::Snapshot { gpu_ms, gpu_passes, .. } = stats.snapshot();
    let report = UpscaleReport {
        upscaler: method,
        model: matches!(method, Method::Cnn).then(|| model.name().to_owned()),
        engine: upscaler.engine(),
        engine_reason: why,
        gpu_ms,
        gpu_passes,
        size: size.to_string(),
        frames: scores.is_none().then_some(frames),
        scores,
        mean_qp: (!qps.is_empty()).then(|| qps.iter().sum::<f64>() / qps.len() as f64),
        pixel_aspect: aspect.to_string(),
        variable_rate: clip.variable_rate(),
        loss: clip.loss(),
        stopped,
    };
    if args.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        let short = super::shortfall(&clip, report.stopped.as_ref());
        out!("{frames} frames to {size} with {} ({}){short}", report.upscaler, report.engine_reason);
        if let Some(scores) = &report.scores {
            out!("{scores}");
        }
    }
    super::ended(&clip, report.stopped)?;
    reference.as_ref().map_or(Ok(()), super::whole)
}

/// Whether two sizes differ, but by no more than a sender's rounding to even sides makes of them: one in a hundred.
fn nearly(a: Size, b: Size) -> bool {
    let near = |a: u32, b: u32| a.abs_diff(b) * 100 <= a;
    a != b && near(a.width(), b.width()) && near(a.height(), b.height())
}

/// Where the pictures go.
enum Sink {
    Video(Y4mWriter),
    Folder { path: PathBuf, next: usize, squarer: Squarer },
}

impl Sink {
    fn create(path: &Path, first: &Frame, clip: &ClipReader) -> anyhow::Result<Self> {
        if super::has_extension(path, "y4m") {
            return Ok(Self::Video(Y4mWriter::create_like(path, first, clip.fps(), clip.variable_rate()).input()?));
        }
        if path.extension().is_some() && !path.is_dir() {
            return Err(InputFault(format!(
                "{} is neither a .y4m file nor a folder; give -o OUT.y4m, or a folder for PNG pictures",
                path.display()
            ))
            .into());
        }
        if !path.is_dir() && !path.to_string_lossy().ends_with(std::path::is_separator) {
            let name = path.display();
            eprintln!("note: PNG pictures go into a new folder, {name}/; for a video give -o {name}.y4m");
        }
        std::fs::create_dir_all(path).with_context(|| format!("cannot make the folder {}", path.display())).input()?;
        Ok(Self::Folder { path: path.to_owned(), next: 0, squarer: Squarer::default() })
    }

    fn write(&mut self, frame: &Frame) -> anyhow::Result<()> {
        match self {
            Self::Video(writer) => writer.write(frame)?,
            Self::Folder { path, next, squarer } => {
                // A PNG is shown with square pixels.
                let frame = squarer.square(frame.clone())?;
                report::write_png(&path.join(format!("{next:06}.png")), &frame.to_rgba())?;
                *next += 1;
            }
        }
        Ok(())
    }

    fn finish(self) -> anyhow::Result<()> {
        if let Self::Video(writer) = self {
            writer.finish()?;
        }
        Ok(())
    }
}
