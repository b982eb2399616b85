//! `clearcall lab complexity curves`: the pieces that smooth targets need.

use clearcall::{
    lab::complexity::curves::{self, CURVES, Fit},
    report::{self, Axes, Panel, PlotCurve},
};
use serde::Serialize;

use crate::{cli::CurvesArgs, commands::Input as _};

/// Pieces of the best fits.
const PIECES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];
/// Units of the networks that are trained, and how many of each.
const WIDTHS: [usize; 6] = [2, 4, 8, 16, 32, 64];
const SEEDS: u64 = 3;
/// Radii of the surface's hexagons.
const RADII: [f64; 6] = [0.32, 0.16, 0.08, 0.04, 0.02, 0.01];

/// One target in `curves --json`.
#[derive(Debug, Serialize)]
struct Target {
    name: &'static str,
    /// ∫ √f″ dx, or ∫ √det H dA.
    total_curvature: f64,
    best: Vec<Fit>,
    /// The error falls with this power of the pieces.
    exponent: Option<f64>,
    /// What the formula says of as many pieces as `best` has.
    formula: Vec<Fit>,
    /// Networks with one hidden layer, the best of some seeds.
    learnt: Vec<Fit>,
}

pub(super) fn run(args: &CurvesArgs) -> anyhow::Result<()> {
    super::figure_is(args.to.output.as_deref(), "svg")?;
    let bar = super::steps_bar(Some((CURVES.len() + 1) as u64), "fitting");
    let mut targets = Vec::new();
    let seeds = super::seeds(args.to.seed, SEEDS);
    for curve in &CURVES {
        let best: Vec<Fit> = PIECES.into_iter().map(|pieces| curve.best(pieces)).collect();
        let formula = PIECES.into_iter().map(|pieces| Fit { pieces, error: curve.predicted(pieces) }).collect();
        let learnt = curves::learnt(curve, &WIDTHS, args.steps as usize, &seeds);
        let exponent = curves::exponent(&best[2..]);
        targets.push(Target { name: curve.name, total_curvature: curve.total(), best, exponent, formula, learnt });
        bar.inc(1);
    }
    targets.push(surface());
    bar.finish_and_clear();
    if let Some(path) = &args.to.output {
        report::write_text(path, &figure(&targets)).input()?;
    }
    if args.to.json {
        out!("{}", serde_json::to_string_pretty(&targets)?);
        return Ok(());
    }
    out!("The largest error of so many linear pieces; --json has those of fewer, too.");
    out!(
        "{:<20}{:>10}{:>8}{:>8}{:>12}{:>12}{:>17}{:>12}",
        "target",
        "curvature",
        "power",
        "pieces",
        "best error",
        "formula",
        "trained: pieces",
        "error"
    );
    for t in &targets {
        let (Some(best), Some(formula)) = (t.best.last(), t.formula.last()) else { continue };
        let power = t.exponent.map_or_else(String::new, |p| format!("{p:.2}"));
        let trained = t.learnt.last().map_or_else(String::new, |l| format!("{:>17}{:>12.3e}", l.pieces, l.error));
        let (curvature, name) = (t.total_curvature, t.name);
        out!(
            "{name:<20}{curvature:>10.4}{power:>8}{:>8}{:>12.3e}{:>12.3e}{trained}",
            best.pieces,
            best.error,
            formula.error
        );
    }
    Ok(())
}

/// ½(x² + y²) over the unit square.
fn surface() -> Target {
    let best: Vec<Fit> = RADII.into_iter().map(curves::hexagons).collect();
    let least = |fit: &Fit| Fit { pieces: fit.pieces, error: curves::surface_error(fit.pieces) };
    Target {
        name: "bowl, by hexagons",
        total_curvature: 1.0,
        exponent: curves::exponent(&best[2..]),
        formula: best.iter().map(least).collect(),
        best,
        learnt: Vec::new(),
    }
}

fn figure(targets: &[Target]) -> String {
    let line = |name: &str, fits: &[Fit]| {
        let points = fits.iter().map(|f| (f.pieces as f64, f.error.log10())).collect();
        PlotCurve { name: name.to_owned(), points }
    };
    let panel = |t: &Target| {
        let mut learnt = t.learnt.clone();
        learnt.sort_by_key(|fit| fit.pieces);
        let mut curves = vec![line("best pieces", &t.best), line("formula", &t.formula)];
        if !learnt.is_empty() {
            curves.push(line("trained network", &learnt));
        }
        Panel { title: t.name.to_owned(), curves }
    };
    let axes = Axes { x: "linear pieces", y: "log10 of the largest error", log_x: true };
    report::svg(axes, &targets.iter().map(panel).collect::<Vec<_>>())
}
