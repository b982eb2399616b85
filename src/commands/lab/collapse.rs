//! `clearcall lab collapse`: mode collapse, made and mended.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use clearcall::{
    codec::{Encoder, EncoderConfig, H264Profile},
    frame::{Frame, Rgba, Stamp},
    lab::collapse::{Config, Data, Measured, Study, figure, run as train, work},
    report::write_png,
    source::clip::Y4mWriter,
};

use super::{
    super::{Input as _, InputFault, encode::output::Output, has_extension},
    figure_is, has_folder, steps_bar,
};
use crate::cli::CollapseArgs;

/// Pictures of the film in a second, how often the last is shown, and its bits.
const FPS: f32 = 15.0;
const HELD: u64 = 30;
const BITRATE: u32 = 2_000_000;

pub(super) fn run(args: &CollapseArgs) -> anyhow::Result<()> {
    figure_is(args.output.output.as_deref(), "png")?;
    if let Some(path) = &args.film {
        if !["y4m", "mp4"].iter().any(|e| has_extension(path, e)) {
            return Err(InputFault(format!("{} must end in .y4m or .mp4", path.display())).into());
        }
        has_folder(path)?;
    }
    let config = Config {
        data: args.data,
        steps: args.steps.into(),
        seeds: args.seeds.into(),
        seed: args.output.seed,
        tangent: args.tangent.unwrap_or_else(|| args.data.usual_tangent()),
        film: args.film.is_some(),
    };
    let bar = steps_bar(Some(work(&config)), "training");
    let study = train(&config, &|done| bar.set_position(done)).input()?;
    bar.finish_and_clear();
    if let Some(path) = &args.output.output {
        write_png(path, &figure::strip(&study)?).input()?;
    }
    if let Some(path) = &args.film {
        film(path, &study)?;
    }
    if args.output.json {
        out!("{}", serde_json::to_string_pretty(&study)?);
    } else {
        print(&study);
    }
    Ok(())
}

/// A number and its deviation, with so many digits.
pub(super) fn with_deviation(mean: f64, deviation: f64, digits: usize) -> String {
    format!("{mean:.digits$} ±{deviation:.digits$}")
}

fn print(study: &Study) {
    let (steps, modes) = (study.steps, study.modes);
    let what = match study.data {
        Data::Two => "two Gaussians at (0, 0) and (40, 40)",
        Data::Ring8 => "eight Gaussians on a ring",
        Data::Ring => "a ring in 16 sectors",
        Data::Digits => "digits of ten classes",
    };
    out!("{what}, {steps} steps, mean ± deviation over the seeds; tangent counts {:e}", study.tangent);
    out!(
        "{:<33} {:>10} {:>12} {:>12} {:>12} {:>5} {:>9} {:>6}",
        "recipe",
        format!("modes/{modes}"),
        "good %",
        "lost %",
        "KL",
        "rank",
        "condition",
        "V(D*)"
    );
    let or_dash = |value: Option<f64>, digits: usize| value.map_or_else(|| "-".to_owned(), |v| format!("{v:.digits$}"));
    for row in &study.rows {
        let (m, d): (&Measured, &Measured) = (&row.mean, &row.deviation);
        out!(
            "{:<33} {:>10} {:>12} {:>12} {:>12} {:>5} {:>9} {:>6}",
            row.name,
            with_deviation(m.modes, d.modes, 1),
            with_deviation(100.0 * m.good, 100.0 * d.good, 1),
            with_deviation(100.0 * m.lost, 100.0 * d.lost, 1),
            with_deviation(m.kl, d.kl, 3),
            or_dash(m.rank, 2),
            or_dash(m.condition, 1),
            or_dash(m.best_value, 2)
        );
    }
}

fn film(path: &Path, study: &Study) -> anyhow::Result<()> {
    let start = Instant::now();
    let last = figure::film_length(study) - 1;
    let frame = |i: u64| -> anyhow::Result<Frame> {
        let picture = figure::film(study, i.min(last))?;
        let captured = start + Duration::from_secs_f32(i as f32 / FPS);
        Ok(as_frame(&picture, Stamp { id: i, captured })?)
    };
    let count = last + 1 + HELD;
    if has_extension(path, "y4m") {
        let first = frame(0)?;
        let mut video = Y4mWriter::create(path, first.size(), FPS, first.colour).input()?;
        for i in 0..count {
            video.write(&frame(i)?)?;
        }
        return Ok(video.finish()?);
    }
    let mut video = Output::create(path)?;
    let size = frame(0)?.size();
    let mut encoder = Encoder::new(EncoderConfig {
        size,
        fps: FPS,
        bitrate: BITRATE,
        keyframe_interval: None,
        skip_frames: false,
        profile: H264Profile::High,
    })?;
    for i in 0..count {
        let frame = frame(i)?;
        let time = frame.stamp.captured - start;
        if let Some(unit) = encoder.encode(&frame)? {
            video.unit(&unit, time)?;
        }
    }
    video.finish(Duration::from_secs_f32(count as f32 / FPS))?;
    Ok(())
}

fn as_frame(picture: &Rgba, stamp: Stamp) -> Result<Frame, clearcall::frame::FrameError> {
    let rgb: Vec<u8> = picture.data.as_chunks::<4>().0.iter().flat_map(|[r, g, b, _]| [*r, *g, *b]).collect();
    Frame::from_rgb8(&rgb, picture.size.width() as usize, picture.size.height() as usize, stamp)
}
