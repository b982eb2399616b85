//! `clearcall bench quality`: clips × bitrates × upscalers.

pub(in crate::commands) mod clip;
mod contact_sheet;
pub(in crate::commands) mod contestants;
mod pass;
mod row;
mod summary;
mod table;
mod tally;
mod truth;

use std::{collections::BTreeMap, path::Path};

use clearcall::{
    codec::H264Profile,
    measure::{
        Lpips, Metric,
        features::{Features, Network},
    },
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
    /// By which LPIPS is measured.
    features: Option<Network>,
    /// Other scores than PSNR are of every Nth frame that was sent.
    every: u32,
    skip: bool,
    profile: H264Profile,
    engines: BTreeMap<String, String>,
}

pub(super) fn run(args: &QualityArgs) -> anyhow::Result<()> {
    let outputs = [&args.csv, &args.plot, &args.sheet];
    let paths = args.judge.as_deref().map_or_else(|| Ok(args.clips.clone()), clip::in_folder)?;
    for (clip, output) in paths.iter().flat_map(|c| outputs.iter().copied().flatten().map(move |o| (c, o))) {
        crate::commands::not_onto_itself(clip, output)?;
    }
    let sizes = if args.sizes.is_empty() { Sizes::Half(args.size) } else { Sizes::Each(&args.sizes) };
    let clips = Clip::open_all(&paths, sizes, args.frames)?;
    let mut bitrates: Vec<u32> = args.bitrates.iter().map(|b| b.0).collect();
    bitrates.sort_unstable();
    bitrates.dedup();
    let features = args.features.as_ref().map(|file| Features::read(file).input()).transpose()?;
    let network = features.as_ref().map(|features| features.network);
    let metrics = wanted(args, network)?;
    let lpips = features.map(Lpips::new);
    let mut peers = args.upscalers.clone();
    // The clip's own size is one of the sizes, then.
    peers.retain(|peer| *peer != Peer::Full || args.sizes.is_empty());
    let mut field = Contestants::new(&peers, &args.models, args.engine)?;
    let mut sheet =
        args.sheet.as_deref().map(|path| ContactSheet::new(path, args, &clips, bitrates.len(), &field)).transpose()?;
    let schedule = MetricSchedule { metrics: &metrics, lpips: lpips.as_ref(), every: args.every.into() };
    let compares_sizes = !args.sizes.is_empty();
    let settings = PassSettings { skip: args.skip, profile: args.profile, compares_sizes, schedule };

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
            features: network,
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

/// The scores that are measured, in the order in which they are shown.
fn wanted(args: &QualityArgs, network: Option<Network>) -> anyhow::Result<Vec<Metric>> {
    let asked = |metric: &Metric| args.metrics.iter().any(|score| score.metrics().contains(metric));
    if network.is_none() && asked(&Metric::Lpips) {
        let message = "LPIPS is measured by a network: give --features FILE, which scripts/features.py makes";
        return Err(InputFault(message.into()).into());
    }
    let with_network = |metric: &Metric| *metric == Metric::Lpips && network.is_some();
    Ok(Metric::ALL.into_iter().filter(|metric| asked(metric) || with_network(metric)).collect())
}

/// The first metric over the bitrate, a panel for each clip; and a panel for LPIPS where it was measured.
fn write_plot(path: &Path, rows: &[Row], metrics: &[Metric]) -> anyhow::Result<()> {
    let Some(first) = metrics.first() else {
        return Err(InputFault("there is nothing to plot: give --metrics".into()).into());
    };
    let mut plotted = vec![*first];
    plotted.extend(metrics.iter().skip(1).filter(|metric| **metric == Metric::Lpips));
    let label = |metric: &Metric| {
        let decibels = matches!(metric, Metric::PsnrY | Metric::PsnrU | Metric::PsnrV);
        format!("{metric}{}", if decibels { " in dB" } else { "" })
    };
    let mut panels: Vec<Panel> = Vec::new();
    for (row, metric) in rows.iter().flat_map(|row| plotted.iter().map(move |metric| (row, metric))) {
        let Some(&quality) = row.scores.get(metric) else { continue };
        let point = (row.bitrate_bps.measured / 1e3, quality);
        let title = if plotted.len() > 1 { format!("{}: {}", row.clip, label(metric)) } else { row.clip.clone() };
        let at = panels.iter().position(|panel| panel.title == title).unwrap_or_else(|| {
            panels.push(Panel { title, curves: Vec::new() });
            panels.len() - 1
        });
        let panel = &mut panels[at];
        match panel.curves.iter_mut().find(|c| c.name == row.contestant()) {
            Some(curve) => curve.points.push(point),
            None => panel.curves.push(PlotCurve { name: row.contestant(), points: vec![point] }),
        }
    }
    let y = if let [metric] = &plotted[..] { label(metric) } else { "score".to_owned() };
    let axes = Axes { x: "kbit/s", y: &y, log_x: true };
    report::write_text(path, &report::svg(axes, &panels)).input()
}
