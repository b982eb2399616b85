//! `clearcall bench speed`: how long a frame takes, on what there is.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use clearcall::{
    frame::{Colour, Frame, Plane, Size, Stamp},
    model::Model,
    upscale::{CpuEngine, EngineChoice, EngineKind, GpuContext, GpuEngine, Isa, Precision, UpscaleError, Upscaler},
};
use serde::Serialize;

use crate::{cli::SpeedArgs, commands};

/// Each row is measured for about this long, and over [`FRAMES`] at least.
const LONG_ENOUGH: Duration = Duration::from_millis(700);
const FRAMES: usize = 12;
/// A GPU's times are of one of the last frames: that many may be of another size.
const STALE: usize = 6;

/// What `bench speed --json` prints.
#[derive(Debug, Serialize)]
struct SpeedReport {
    cpu: Option<Cpu>,
    gpu: Option<String>,
    rows: Vec<SpeedRow>,
}

#[derive(Debug, Serialize)]
struct Cpu {
    simd: Isa,
    threads: usize,
    /// Billions of operations a second in all threads, a multiply-add being two.
    peak_f32_gflops: f64,
    /// The same in bytes that are summed up in 32 bits.
    peak_int8_gops: f64,
}

#[derive(Debug, Serialize)]
struct SpeedRow {
    engine: EngineKind,
    model: String,
    precision: Precision,
    size: String,
    complete_ms: f64,
    complete_p95_ms: f64,
    network_ms: Option<f64>,
    gflops: Option<f64>,
    share_of_peak: Option<f64>,
    /// The parts of `network_ms`, on a GPU.
    passes: Vec<PassRow>,
}

/// What `network_ms` of a GPU is made of.
#[derive(Debug, Serialize)]
struct PassRow {
    name: String,
    ms: f64,
}

pub(crate) fn run(args: &SpeedArgs) -> anyhow::Result<()> {
    let names: Vec<&str> = match args.model.is_empty() {
        true => Model::shipped().collect(),
        false => args.model.iter().map(String::as_str).collect(),
    };
    let mut models = names.into_iter().map(|name| commands::model(name, 0.0)).collect::<anyhow::Result<Vec<_>>>()?;
    models.sort_by_key(|m| m.mac_per_pixel());
    let frames = args.size.iter().map(|size| Ok([picture(*size, 0)?, picture(*size, 1)?]));
    let frames = frames.collect::<anyhow::Result<Vec<_>>>()?;
    let mut report = SpeedReport { cpu: None, gpu: None, rows: Vec::new() };
    if matches!(args.engine, EngineChoice::Auto | EngineChoice::Cpu | EngineChoice::CpuInt8) {
        cpu(&models, &frames, &mut report)?;
    }
    match (args.engine, GpuContext::headless()) {
        (EngineChoice::Cpu | EngineChoice::CpuInt8, _) => {}
        (EngineChoice::Auto, Ok(gpu)) if gpu.is_software() => {}
        (_, Ok(context)) => gpu(&context, &models, &frames, &mut report)?,
        (EngineChoice::Gpu | EngineChoice::GpuInt8, Err(error)) => return Err(error.into()),
        (EngineChoice::Auto, Err(_)) => {}
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(())
}

fn cpu(models: &[Arc<Model>], frames: &[[Frame; 2]], report: &mut SpeedReport) -> anyhow::Result<()> {
    let Some(first) = models.first() else { return Ok(()) };
    let both = [Precision::F32, Precision::Int8];
    let mut probe = CpuEngine::new(first, None)?;
    let mut measure = |peaks: &mut [f64; 2]| {
        for (peak, precision) in peaks.iter_mut().zip(both) {
            *peak = peak.max(probe.measure_peak(precision));
        }
    };
    let mut peaks = [0.0; 2];
    measure(&mut peaks);
    let (mut rows, mut simd, mut threads) = (Vec::new(), None, 0);
    for model in models {
        for precision in both {
            let mut engine = CpuEngine::new(model, None)?.in_precision(model, precision);
            if engine.precision() != precision {
                continue;
            }
            (simd, threads) = (Some(engine.isa()), engine.threads());
            for frames in frames {
                let (lr, mut turn) = (&frames[0], frames.iter().cycle());
                let complete = times(|| turn.next().map_or(Ok(()), |lr| engine.compare(lr).map(drop)))?;
                let mut channels = vec![0.0; 4 * lr.size().pixels()];
                let network = times(|| {
                    engine.network(lr.y(), &mut channels);
                    Ok(())
                })?;
                // The fastest of each is what the machine can do: beside it something else may have been busy.
                rows.push(SpeedRow { precision, ..row(EngineKind::Cpu, model, lr, complete, Some(network.best)) });
            }
        }
        // The clock changes with heat and load: the best that was seen is the peak.
        measure(&mut peaks);
    }
    let [peak_f32_gflops, peak_int8_gops] = peaks.map(|peak| 2e-9 * peak);
    for row in &mut rows {
        let peak = if row.precision == Precision::Int8 { peak_int8_gops } else { peak_f32_gflops };
        row.share_of_peak = row.gflops.map(|g| g / peak);
    }
    report.rows.append(&mut rows);
    report.cpu = simd.map(|simd| Cpu { simd, threads, peak_f32_gflops, peak_int8_gops });
    Ok(())
}

fn gpu(
    context: &GpuContext,
    models: &[Arc<Model>],
    frames: &[[Frame; 2]],
    report: &mut SpeedReport,
) -> anyhow::Result<()> {
    report.gpu = Some(context.adapter().name.clone());
    type Make = fn(GpuContext, Arc<Model>) -> Result<GpuEngine, UpscaleError>;
    let ways: [Make; 2] = [GpuEngine::new, GpuEngine::in_bytes];
    for (model, (way, make)) in models.iter().flat_map(|m| std::iter::repeat(m).zip(ways.into_iter().enumerate())) {
        let mut engine = make(context.clone(), Arc::clone(model))?;
        if way > 0 && engine.precision() != Precision::Int8 {
            continue;
        }
        for frames in frames {
            let (lr, mut turn) = (&frames[0], frames.iter().cycle());
            // Frames follow on each other as in a call: each waits until the one before it is done.
            let mut own = Vec::new();
            let complete = times(|| {
                turn.next().map_or(Ok(()), |lr| engine.compare(lr).map(drop))?;
                own.extend(engine.gpu_time());
                Ok(())
            })?;
            // A time may still be of the picture before.
            let best = own.into_iter().skip(STALE).min_by_key(|time| time.total);
            let mut row = row(EngineKind::Gpu, model, lr, complete, best.as_ref().map(|time| time.total));
            let passes = best.iter().flat_map(|time| time.passes.iter());
            row.precision = engine.precision();
            row.passes = passes.map(|p| PassRow { name: p.name.to_string(), ms: ms(p.time) }).collect();
            report.rows.push(row);
        }
    }
    Ok(())
}

fn row(engine: EngineKind, model: &Model, lr: &Frame, complete: Times, network: Option<Duration>) -> SpeedRow {
    let operations = 2.0 * model.mac_per_pixel() as f64 * lr.size().pixels() as f64;
    SpeedRow {
        engine,
        model: model.name().to_owned(),
        precision: Precision::F32,
        size: lr.size().to_string(),
        complete_ms: ms(complete.middle),
        complete_p95_ms: ms(complete.p95),
        network_ms: network.map(ms),
        gflops: network.map(|t| 1e-9 * operations / t.as_secs_f64()),
        share_of_peak: None,
        passes: Vec::new(),
    }
}

fn ms(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

struct Times {
    best: Duration,
    middle: Duration,
    p95: Duration,
}

impl Times {
    /// Of one time at least.
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |share: f64| times.get((share * (times.len() - 1) as f64) as usize).copied().unwrap_or_default();
        Self { best: at(0.0), middle: at(0.5), p95: at(0.95) }
    }
}

/// How long `f` takes, after two times that are not counted.
fn times(mut f: impl FnMut() -> Result<(), UpscaleError>) -> Result<Times, UpscaleError> {
    f()?;
    f()?;
    let (mut times, begun) = (Vec::new(), Instant::now());
    while times.len() < FRAMES || begun.elapsed() < LONG_ENOUGH {
        let started = Instant::now();
        f()?;
        times.push(started.elapsed());
    }
    Ok(Times::of(times))
}

/// A picture with something in it. What it shows does not matter for the time, but that nothing of it is as in the
/// other one: what stands still is not computed again.
fn picture(size: Size, other: usize) -> anyhow::Result<Frame> {
    let plane = |size: Size| {
        let (width, height) = (size.width() as usize, size.height() as usize);
        let data = (0..width * height).map(|i| (16 + (i % width * 7 + i / width * 13 + other) % 200) as u8).collect();
        Plane::from_vec(data, width, height, width)
    };
    let (y, u, v) = (plane(size)?, plane(size.chroma())?, plane(size.chroma())?);
    Ok(Frame::new(y, u, v, Colour::default(), Stamp::now(0))?)
}

fn print(report: &SpeedReport) {
    if let Some(cpu) = &report.cpu {
        let Cpu { simd, threads, peak_f32_gflops: floats, peak_int8_gops: bytes } = cpu;
        out!(
            "CPU: {simd}, {threads} threads, peak {floats:.0} GFLOPS in f32, {bytes:.0} GOPS in int8, measured in between"
        );
    }
    if let Some(gpu) = &report.gpu {
        out!("GPU: {gpu}");
    }
    out!(
        "{:6} {:12} {:9} {:9} {:>9} {:>9} {:>11} {:>7} {:>6}",
        "engine",
        "model",
        "precision",
        "size",
        "complete",
        "p95",
        "network",
        "GFLOPS",
        "peak"
    );
    for row in &report.rows {
        let network = row.network_ms.map_or_else(|| "–".into(), |t| format!("{t:.2} ms"));
        let gflops = row.gflops.map_or_else(|| "–".into(), |g| format!("{g:.0}"));
        let share = row.share_of_peak.map_or_else(|| "–".into(), |s| format!("{:.0}%", 100.0 * s));
        let (engine, model, size) = (row.engine.to_string(), &row.model, &row.size);
        let precision = row.precision.to_string();
        let (complete, p95) = (format!("{:.2} ms", row.complete_ms), format!("{:.2} ms", row.complete_p95_ms));
        out!(
            "{engine:6} {model:12} {precision:9} {size:9} {complete:>9} {p95:>9} {network:>11} {gflops:>7} {share:>6}"
        );
        if !row.passes.is_empty() {
            let passes: Vec<_> = row.passes.iter().map(|p| format!("{} {:.3}", p.name, p.ms)).collect();
            out!("       passes, ms: {}", passes.join(", "));
        }
    }
}
