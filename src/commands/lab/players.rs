//! `clearcall lab players`: a generator out of a critic, and a critic out of a generator.

use std::sync::atomic::{AtomicU64, Ordering};

use clearcall::{
    lab::players::{Distance, PlayerRow, figure, run as play, work},
    report::write_png,
};

use super::{super::Input as _, collapse::with_deviation, figure_is, steps_bar};
use crate::cli::PlayersArgs;

pub(super) fn run(args: &PlayersArgs) -> anyhow::Result<()> {
    figure_is(args.output.output.as_deref(), "png")?;
    let (steps, seeds) = (args.steps.into(), args.seeds.into());
    let (bar, counted) = (steps_bar(Some(work(steps, seeds)), "training"), AtomicU64::new(0));
    let rows = play(steps, seeds, args.output.seed, &|more| {
        bar.set_position(counted.fetch_add(more, Ordering::Relaxed) + more);
    })
    .input()?;
    bar.finish_and_clear();
    if let Some(path) = &args.output.output {
        write_png(path, &figure::figure(&rows)?).input()?;
    }
    if args.output.json {
        out!("{}", serde_json::to_string_pretty(&rows)?);
    } else {
        print(&rows, steps);
    }
    Ok(())
}

fn print(rows: &[PlayerRow], steps: u64) {
    out!("two Gaussians at (0, 0) and (40, 40), {steps} steps, mean ± deviation over the seeds; distances in σ");
    out!(
        "{:<30} {:>12} {:>10} {:>12} {:>8} {:>6} {:>12} {:>12}",
        "player",
        "rms",
        "median",
        "right %",
        "cosine",
        "cost",
        "good %",
        "lost %"
    );
    for row in rows {
        let (m, d): (&Distance, &Distance) = (&row.mean, &row.deviation);
        out!(
            "{:<30} {:>12} {:>10.2} {:>12} {:>8.3} {:>6.2} {:>12} {:>12}",
            row.player.name(),
            with_deviation(m.rms, d.rms, 2),
            m.median,
            with_deviation(100.0 * m.right, 100.0 * d.right, 1),
            m.cosine,
            m.cost,
            with_deviation(100.0 * m.good, 100.0 * d.good, 1),
            with_deviation(100.0 * m.lost, 100.0 * d.lost, 1)
        );
    }
}
