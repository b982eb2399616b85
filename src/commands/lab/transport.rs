//! `clearcall lab transport`: the optimal-mass-transport map, its error and its time.

use std::{path::Path, time::Instant};

use clearcall::{
    lab::{
        exponent,
        transport::{
            Source, TransportMap, figure,
            sampled::{Budget, MassCheck, SampledMap},
            targets::TargetSet,
        },
    },
    report::{self, Axes, Panel, PlotCurve},
};
use serde::Serialize;

use super::{figure_is, steps_bar};
use crate::{
    cli::TransportArgs,
    commands::{Input as _, InputFault},
};

/// The map in the plane.
#[derive(Serialize)]
struct Exact {
    source: Source,
    target: TargetSet,
    points: usize,
    seed: u64,
    /// The worst cell's mass is off by so much of the mean mass.
    error: f64,
    /// The mean squared distance that the mass moves, and that it would move to points drawn without looking.
    cost: f64,
    cost_of_chance: f64,
    newton_steps: usize,
    diagrams: usize,
    seconds: f64,
}

/// The map by samples.
#[derive(Serialize)]
struct Sampled {
    source: Source,
    target: TargetSet,
    dimension: usize,
    points: usize,
    seed: u64,
    samples: usize,
    /// Voronoi cells, where it starts.
    before: MassCheck,
    after: MassCheck,
    /// What is left of the total variation without the counting noise.
    excess: f64,
    seconds: f64,
}

#[derive(Serialize)]
struct Growth {
    rows: Vec<Exact>,
    /// The time grows as points to this power, by least squares from 1000 points on.
    exponent: Option<f64>,
}

pub(crate) fn run(args: &TransportArgs) -> anyhow::Result<()> {
    figure_is(args.output.output.as_deref(), "svg")?;
    if args.dimension == 2 && args.samples.is_some() {
        let message = "--samples are for more than two dimensions: in the plane the map is exact; leave it out";
        return Err(InputFault(message.to_owned()).into());
    }
    match (args.dimension, args.growth) {
        (2, false) => exact(args),
        (2, true) => growth(args),
        (_, false) => sampled(args),
        (_, true) => Err(InputFault("--growth is measured in the plane: leave --dimension out".to_owned()).into()),
    }
}

fn write(path: Option<&Path>, figure: impl FnOnce() -> String) -> anyhow::Result<()> {
    path.map_or(Ok(()), |path| report::write_text(path, &figure()).input())
}

fn exact(args: &TransportArgs) -> anyhow::Result<()> {
    let (map, found) = solve(args, args.points as usize)?;
    write(args.output.output.as_deref(), || figure::svg(&map, &name(args.target)))?;
    if args.output.json {
        out!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    out!("{} points, from the {} to {}", found.points, name(args.source), name(args.target));
    out!("worst cell off by       {:.1e} of the mean mass", found.error);
    out!("mean squared distance   {:.4} (to points drawn by chance {:.4})", found.cost, found.cost_of_chance);
    out!("Newton steps            {} ({} diagrams)", found.newton_steps, found.diagrams);
    out!("time                    {:.2} s", found.seconds);
    Ok(())
}

fn solve(args: &TransportArgs, n: usize) -> anyhow::Result<(TransportMap, Exact)> {
    let points = args.target.points(n, args.output.seed);
    let bar = steps_bar(None, "Newton");
    let start = Instant::now();
    let map = TransportMap::solve_with(args.source, &points, None, &mut |step, _| bar.set_position(step as u64));
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let map = map.input()?;
    let spread = points.iter().map(|p| p[0] * p[0] + p[1] * p[1]).sum::<f64>() / n as f64;
    let found = Exact {
        source: args.source,
        target: args.target,
        points: n,
        seed: args.output.seed,
        error: map.error(),
        cost: map.cost(),
        // The source's mean is 0.
        cost_of_chance: args.source.second_moment(2) + spread,
        newton_steps: map.steps(),
        diagrams: map.diagrams(),
        seconds,
    };
    Ok((map, found))
}

fn growth(args: &TransportArgs) -> anyhow::Result<()> {
    const SIZES: [usize; 9] = [100, 200, 500, 1000, 2000, 5000, 10_000, 30_000, 100_000];
    let one_core = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let mut rows = Vec::new();
    for n in SIZES.into_iter().filter(|&n| n <= args.points as usize) {
        rows.push(one_core.install(|| solve(args, n))?.1);
    }
    if rows.is_empty() {
        return Err(InputFault("--growth starts at 100 points: give --points 1000 or more".to_owned()).into());
    }
    let large = rows.iter().filter(|r| r.points >= 1000 && r.seconds > 0.0);
    let found = Growth { exponent: exponent(large.map(|r| (r.points as f64, r.seconds))), rows };
    write(args.output.output.as_deref(), || {
        let curve = |name: &str, of: &dyn Fn(&Exact) -> f64| PlotCurve {
            name: name.to_owned(),
            points: found.rows.iter().map(|r| (r.points as f64, of(r))).collect(),
        };
        let panel = |title: &str, curve| Panel { title: title.to_owned(), curves: vec![curve] };
        let axes = Axes { x: "points", y: "", log_x: true };
        let times = curve("time", &|r| 1000.0 * r.seconds / (r.points as f64 / 1000.0));
        report::svg(
            axes,
            &[panel("ms per 1000 points", times), panel("diagrams", curve("diagrams", &|r| r.diagrams as f64))],
        )
    })?;
    if args.output.json {
        out!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    out!("From the {} to {}, on one core", name(args.source), name(args.target));
    out!("{:>7} {:>9} {:>6} {:>9} {:>11}", "points", "time", "steps", "diagrams", "worst cell");
    for r in &found.rows {
        out!("{:>7} {:>7.2} s {:>6} {:>9} {:>11.1e}", r.points, r.seconds, r.newton_steps, r.diagrams, r.error);
    }
    if let Some(exponent) = found.exponent {
        out!("time grows as points^{exponent:.2}");
    }
    Ok(())
}

fn sampled(args: &TransportArgs) -> anyhow::Result<()> {
    const STEPS: usize = 200;
    const SAMPLES: u32 = 400_000;
    let (dimension, n, seed) = (usize::from(args.dimension), args.points as usize, args.output.seed);
    let Some(points) = args.target.points_in(dimension, n, seed) else {
        let names = "random, gaussian or two-gaussians";
        return Err(InputFault(format!("{} is a set of the plane: take --target {names}", name(args.target))).into());
    };
    let budget = Budget { steps: STEPS, batch: args.samples.unwrap_or(SAMPLES) as usize / STEPS, ..Budget::default() };
    // Some ten samples for each point tell how it stands; 20 at the end.
    let (seed_between, seed_before, seed_after) = (seed ^ 0x5eed, seed.wrapping_add(1), seed.wrapping_add(2));
    let bar = steps_bar(Some(STEPS as u64), "learning");
    let start = Instant::now();
    let mut curve = Vec::new();
    let mut before = None;
    let map = SampledMap::solve(args.source, dimension, &points, None, budget, seed, &mut |step, map| {
        bar.set_position(step as u64);
        if step == 0 {
            before = Some(map.check(20 * n, seed_before));
        } else if args.output.output.is_some() && step % 20 == 0 {
            curve.push(((step * budget.batch) as f64, map.check(5 * n, seed_between)));
        }
    })
    .input()?;
    let after = map.check(20 * n, seed_after);
    let seconds = start.elapsed().as_secs_f64();
    bar.finish_and_clear();
    let excess = |c: &MassCheck| (c.total_variation.powi(2) - c.counting_noise.powi(2)).max(0.0).sqrt();
    let Some(before) = before else { anyhow::bail!("no step was taken") };
    write(args.output.output.as_deref(), || {
        let points = std::iter::once((0.0, before)).chain(curve).map(|(x, check)| (x, excess(&check))).collect();
        let panel = Panel {
            title: "share of the mass that goes wrong".to_owned(),
            curves: vec![PlotCurve { name: name(args.target), points }],
        };
        report::svg(Axes { x: "samples", y: "total variation", log_x: false }, &[panel])
    })?;
    let found = Sampled {
        source: args.source,
        target: args.target,
        dimension,
        points: n,
        seed,
        samples: budget.batch * STEPS,
        before,
        after,
        excess: excess(&after),
        seconds,
    };
    if args.output.json {
        out!("{}", serde_json::to_string_pretty(&found)?);
        return Ok(());
    }
    out!("{n} points in {dimension} dimensions, from the {} to {}", name(args.source), name(args.target));
    for (what, check) in [("Voronoi cells", before), ("after learning", after)] {
        out!(
            "{what:<15} {:5.1} % of the mass goes wrong (counting {} samples makes {:.1} % of it), {} points unreached",
            100.0 * check.total_variation,
            check.samples,
            100.0 * check.counting_noise,
            check.unreached
        );
    }
    out!("without counting noise {:.1} %", 100.0 * found.excess);
    out!("mean squared distance  {:.2}", after.cost);
    out!("time                   {seconds:.1} s for {} samples", found.samples);
    Ok(())
}

fn name(value: impl clap::ValueEnum) -> String {
    value.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned())
}
