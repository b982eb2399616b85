//! `clearcall lab complexity turns`: a curve that a network cannot learn.

use clearcall::{
    lab::complexity::turns::{self, Attempt, LEARNT},
    report::{self, Axes, Panel, PlotCurve},
};
use serde::Serialize;

use crate::{
    cli::TurnsArgs,
    commands::{Input as _, InputFault},
};

/// The largest zigzag that is tried.
const MOST_PIECES: f64 = 500.0;

/// What `turns --json` prints.
#[derive(Debug, Serialize)]
struct Turns {
    /// Of the zigzag: one more than the smallest network can have.
    pieces: usize,
    attempts: Vec<Attempt>,
}

pub(super) fn run(args: &TurnsArgs) -> anyhow::Result<()> {
    super::figure_is(args.to.output.as_deref(), "svg")?;
    let hidden: Vec<usize> = args.hidden.iter().map(|n| *n as usize).collect();
    let seeds = super::seeds(args.to.seed, args.seeds.into());
    let none = || InputFault(format!("hidden layers of {hidden:?} units are too many: give up to 64"));
    // Bounded from the widths alone, before anything is trained.
    let allowed = turns::allowed(&hidden).ok_or_else(none)?;
    if allowed > MOST_PIECES {
        let message = format!(
            "hidden layers of {hidden:?} units allow {allowed:.0} pieces, and a zigzag of more than {MOST_PIECES} is not \
             tried: give fewer or narrower layers"
        );
        return Err(InputFault(message).into());
    }
    let pieces = allowed.round() as usize + 1;
    let bar = super::steps_bar(Some(args.sizes.into()), "training");
    let mut attempts = Vec::new();
    for size in 0..args.sizes {
        let hidden: Vec<usize> = hidden.iter().map(|n| n << size).collect();
        attempts.push(turns::attempt(&hidden, pieces, args.steps as usize, &seeds).ok_or_else(none).input()?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let turns = Turns { pieces, attempts };
    if let Some(path) = &args.to.output {
        report::write_text(path, &figure(&turns)).input()?;
    }
    if args.to.json {
        out!("{}", serde_json::to_string_pretty(&turns)?);
        return Ok(());
    }
    out!("A zigzag of {pieces} pieces between 0 and 1, trained with {} seeds each.", args.seeds);
    out!("{:<16}{:>15}{:>15}{:>15}{:>10}", "hidden units", "pieces at most", "pieces, most", "error, least", "learnt");
    for a in &turns.attempts {
        let most = a.pieces.iter().max().copied().unwrap_or(0);
        let learnt = a.errors.iter().filter(|e| **e < LEARNT).count();
        let hidden = format!("{:?}", a.hidden);
        let (allowed, seeds, error) = (a.pieces_at_most, a.errors.len(), a.best());
        out!("{hidden:<16}{allowed:>15.0}{most:>15}{error:>15.3}{:>10}", format!("{learnt} of {seeds}"));
    }
    out!("With fewer pieces than the zigzag has, the error is 1/2 or more, whatever the weights.");
    Ok(())
}

fn figure(turns: &Turns) -> String {
    let panel = |a: &Attempt| {
        let target = a.drawn.iter().map(|(x, _)| (*x, turns::zigzag(turns.pieces, *x))).collect();
        let target = PlotCurve { name: "to be learnt".to_owned(), points: target };
        let best = PlotCurve { name: "best network".to_owned(), points: a.drawn.clone() };
        let title = format!("{:?} units, {:.0} pieces at most: error {:.2}", a.hidden, a.pieces_at_most, a.best());
        Panel { title, curves: vec![target, best] }
    };
    let axes = Axes { x: "input", y: "output", log_x: false };
    report::svg(axes, &turns.attempts.iter().map(panel).collect::<Vec<_>>())
}
