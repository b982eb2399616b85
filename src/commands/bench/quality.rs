//! `clearcall bench quality`: clips × bitrates × upscalers.

mod clip;
mod contact_sheet;
mod contestants;
mod pass;
mod row;
mod summary;
mod table;
mod tally;
mod truth;

use std::{collections::BTreeMap, path::Path};

use clearcall::{
    codec::H264Profile,
    measure::Metric,
    report::{self, Axes, Panel, PlotCurve},
};
use serde::Serialize;

use self::{
    clip::{Clip, Sizes},
    contact_sheet::ContactSheet,
    contestants::Contestants,
    pass::PassSettings,
    row::Row,
    summary::{Curve, Mean},
    tally::MetricSchedule,
};
use crate::{
    cli::{Peer, QualityArgs},
    commands::{Input as _, InputFault},
};

/// What `bench quality --json` prints.
#[derive(Debug, Serialize)]
struct QualityReport {
    settings: Settings,
    rows: Vec<Row>,
    curves: Vec<Curve>,
    means: Vec<Mean>,
}

#[derive(Debug, Serialize)]
struct Settings {
    metrics: Vec<Metric>,
    /// Other scores than PSNR are of every Nth frame that was sent.
    every: u32,
    skip: bool,
    profile: H264Profile,
    engines: BTreeMap<String, String>,
}

pub(super) fn run(args: &QualityArgs) -> anyhow::Result<()> {
    let outputs = [&args.csv, &args.plot, &args.sheet];
    for (clip, output) in args.clips.iter().flat_map(|c| outputs.iter().copied().flatten().map(move |o| (c, o))) {
        crate::commands::not_onto_itself(clip, output)?;
    }
    let sizes = if args.sizes.is_empty() { Sizes::Half(args.size) } else { Sizes::Each(&args.sizes) };
    let clips = Clip::open_all(&args.clips, sizes, args.frames)?;
    let mut bitrates: Vec<u32> = args.bitrates.iter().map(|b| b.0).collect();
    bitrates.sort_unstable();
    bitrates.dedup();
    let metrics: Vec<Metric> =
        Metric::ALL.into_iter().filter(|m| args.metrics.iter().any(|s| s.metrics().contains(m))).collect();
    let mut peers = args.upscalers.clone();
    // The clip's own size is one of the sizes, then.
    peers.retain(|peer| *peer != Peer::Full || args.sizes.is_empty());
    let mut field = Contestants::new(&peers, &args.models, args.engine)?;
    let mut sheet =
        args.sheet.as_deref().map(|path| ContactSheet::new(path, args, &clips, bitrates.len(), &field)).transpose()?;
    let schedule = MetricSchedule { metrics: &metrics, every: args.every.into() };
    let settings = PassSettings { skip: args.skip, profile: args.profile, schedule };

    let frames = clips.iter().map(|c| c.frames * c.sent.len() as u64).sum::<u64>() * bitrates.len() as u64;
    let bar = crate::commands::bar(Some(frames), "measuring");
    let (mut rows, mut whole) = (Vec::new(), Ok(()));
    for clip in &clips {
        for (&bitrate, sent) in bitrates.iter().flat_map(|bitrate| clip.sent.iter().map(move |sent| (bitrate, sent))) {
            let (own, of_clip) = pass::run(clip, sent, bitrate, &settings, &mut field, sheet.as_mut(), &bar)?;
            rows.extend(own);
            whole = whole.and(of_clip);
        }
    }
    bar.finish_and_clear();

    let curves = summary::curves(&rows, &metrics);
    let means = summary::means(&rows, &curves);
    if let Some(path) = &args.csv {
        report::write_text(path, &table::csv(&rows, &metrics)).input()?;
    }
    if let Some(path) = &args.plot {
        write_plot(path, &rows, &metrics)?;
    }
    if let Some(sheet) = sheet {
        sheet.write()?;
    }
    if args.json {
        let settings = Settings {
            metrics,
            every: args.every,
            skip: args.skip,
            profile: args.profile,
            engines: field.engines().clone(),
        };
        out!("{}", serde_json::to_string_pretty(&QualityReport { settings, rows, curves, means })?);
    } else {
        out!("{}", table::text(&rows, &means, &curves, &metrics).trim_end());
    }
    whole
}

/// The first metric over the bitrate, a panel for each clip.
fn write_plot(path: &Path, rows: &[Row], metrics: &[Metric]) -> anyhow::Result<()> {
    let Some(metric) = metrics.first() else {
        return Err(InputFault("there is nothing to plot: give --metrics".into()).into());
    };
    let mut panels: Vec<Panel> = Vec::new();
    for row in rows {
        let Some(&quality) = row.scores.get(metric) else { continue };
        let point = (row.bitrate_bps.measured / 1e3, quality);
        if panels.last().is_none_or(|p| p.title != row.clip) {
            panels.push(Panel { title: row.clip.clone(), curves: Vec::new() });
        }
        let Some(panel) = panels.last_mut() else { continue };
        match panel.curves.iter_mut().find(|c| c.name == row.contestant()) {
            Some(curve) => curve.points.push(point),
            None => panel.curves.push(PlotCurve { name: row.contestant(), points: vec![point] }),
        }
    }
    let unit = if matches!(metric, Metric::PsnrY | Metric::PsnrU | Metric::PsnrV) { " in dB" } else { "" };
    let axes = Axes { x: "kbit/s", y: &format!("{metric}{unit}"), log_x: true };
    report::write_text(path, &report::svg(axes, &panels)).input()
}
