//! `clearcall lab complexity count`: the pieces that networks have on real pictures.

use clearcall::{
    frame::Frame,
    lab::complexity::{
        Network, footage, ladder,
        line::Pieces,
        painting::{self, Column},
        plane::{self, Slice, Window},
        switching::{self, Switching},
    },
    model::Model,
    report,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use crate::{cli::CountArgs, commands::Input as _};

/// What is painted of the plane, where its three patches lie at (0, 0), (1, 0) and (0, 1): much of it, and a detail.
const WHOLE: Window = Window { corner: [0.0, 0.0], side: 0.5 };
const DETAIL: Window = Window { corner: [0.3, 0.3], side: 1.0 / 64.0 };
/// Points on a side of a painted window.
const SIDE: usize = 160;
/// Cells are counted in the detail; of networks with more units than this, whose cells are smaller and cost more, in a
/// corner of it of this part of its side.
const UNITS_IN_DETAIL: usize = 20_000;
const CORNER: f64 = 1.0 / 16.0;
/// Up to so many are counted.
const MOST_CELLS: usize = 200_000;

/// One network in `count --json`.
#[derive(Debug, Serialize)]
struct Count {
    model: String,
    units: usize,
    /// Along each line.
    lines: Vec<Pieces>,
    mean_linear: f64,
    /// What the widths allow on a line.
    log2_at_most_on_a_line: f64,
    /// What they allow over all inputs.
    log2_at_most: f64,
    /// Of a window of the plane, and its side; null where they are more than are counted.
    cells_of_detail: Option<usize>,
    detail_side: f64,
    /// For each hidden layer.
    switching: Vec<Switching>,
    /// Multiplications for a low-resolution pixel, and those that its dead channels would not need.
    mac_per_pixel: usize,
    mac_without_dead: usize,
    /// How many channels the model could have less and compute the same on these pictures.
    removable_channels: usize,
}

pub(super) fn run(args: &CountArgs) -> anyhow::Result<()> {
    super::figure_is(args.to.output.as_deref(), "png")?;
    let models = super::models(&args.model)?;
    let frames = footage::decoded(&args.clip, args.frames).input()?;
    let bar = super::steps_bar(Some((models.len() * 4) as u64), "counting");
    let (mut counts, mut columns) = (Vec::new(), Vec::new());
    for model in &models {
        let lines = ladder::along_lines(model, &frames, args.lines as usize, args.to.seed).input()?;
        bar.inc(1);
        let layers = switching::on(model, &frames);
        bar.inc(1);
        let (network, slice) = slice(model, &frames, args.to.seed)?;
        let widths = model.pixel_widths();
        let part = if widths.units() <= UNITS_IN_DETAIL { 1.0 } else { CORNER };
        let window = Window { side: part * DETAIL.side, ..DETAIL };
        let cells = plane::cells(&network, &slice, window, MOST_CELLS);
        bar.inc(1);
        let linear: usize = lines.iter().map(|l| l.linear).sum();
        let count = Count {
            model: model.name().to_owned(),
            units: widths.units(),
            mean_linear: linear as f64 / lines.len().max(1) as f64,
            lines,
            log2_at_most_on_a_line: widths.sliced(1).log2_at_most(),
            log2_at_most: widths.log2_at_most(),
            cells_of_detail: cells,
            detail_side: window.side,
            mac_per_pixel: model.mac_per_pixel(),
            mac_without_dead: switching::mac_without_dead(&layers),
            removable_channels: switching::removable(&layers),
            switching: layers,
        };
        if args.to.output.is_some() {
            let windows = [WHOLE, DETAIL].map(|window| plane::patterns(&network, &slice, window, SIDE)).into();
            let cells = format!("cells below: {}", counted(&count));
            let title = vec![count.model.clone(), format!("{:.0} pieces on a line", count.mean_linear), cells];
            columns.push(Column { title, windows });
        }
        bar.inc(1);
        counts.push(count);
    }
    bar.finish_and_clear();
    if let Some(path) = &args.to.output {
        report::write_png(path, &painting::cells(&columns, SIDE)?).input()?;
    }
    if args.to.json {
        out!("{}", serde_json::to_string_pretty(&counts)?);
    } else {
        print(&counts, frames.len());
    }
    Ok(())
}

/// What a model computes of a pixel, and a plane through three patches.
fn slice(model: &Model, frames: &[Frame], seed: u64) -> anyhow::Result<(Network, Slice)> {
    let network = Network::of_pixel(&model.at_qp(footage::weights_qp(frames)));
    let side = 2 * model.radius() + 1;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut patch = || footage::patch(frames, side, &mut rng).input();
    let (a, b, c) = (patch()?, patch()?, patch()?);
    Ok((network, Slice::through([&a, &b, &c])))
}

/// How many cells the detail has, or a part of it.
fn counted(count: &Count) -> String {
    let part = (DETAIL.side / count.detail_side).powi(2);
    match count.cells_of_detail {
        None => format!("over {MOST_CELLS}"),
        Some(cells) if part > 1.0 => format!("{cells} in 1/{part:.0}"),
        Some(cells) => cells.to_string(),
    }
}

fn print(counts: &[Count], frames: usize) {
    out!("On lines between two patches of {frames} decoded pictures; bounds as logarithms to the base 2.");
    out!(
        "{:<14}{:>7}{:>21}{:>13}{:>12}{:>14}",
        "model",
        "units",
        "pieces, mean (most)",
        "on a line at",
        "everywhere",
        "cells of"
    );
    out!("{:<14}{:>7}{:>21}{:>13}{:>12}{:>14}", "", "", "", "most", "at most", "a detail");
    for c in counts {
        let most = c.lines.iter().map(|l| l.linear).max().unwrap_or(0);
        let pieces = format!("{:.0} ({most})", c.mean_linear);
        let cells = counted(c);
        let (line, all) = (c.log2_at_most_on_a_line, c.log2_at_most);
        out!("{:<14}{:>7}{pieces:>21}{line:>13.1}{all:>12.1}{cells:>14}", c.model, c.units);
    }
    for c in counts {
        let sum = |of: &dyn Fn(&Switching) -> usize| c.switching.iter().map(of).sum::<usize>();
        let (dead, on) = (sum(&|s| s.dead.len()), sum(&|s| s.always_on.len()));
        out!(
            "{}: of {} hidden channels {dead} are dead and {on} always on; {} could be left out of every layer",
            c.model,
            sum(&|s| s.channels),
            c.removable_channels
        );
        out!("{:>7} without the dead ones {} of {} MAC", "", c.mac_without_dead, c.mac_per_pixel);
    }
}
