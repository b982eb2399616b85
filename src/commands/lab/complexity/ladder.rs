//! `clearcall lab complexity ladder`: gain against pieces.

use clearcall::{
    lab::complexity::{
        footage,
        ladder::{self, Course, Doubling, LadderError, Rung},
    },
    model::Model,
    report::{self, Axes, Panel, PlotCurve},
    train::{Progress, TrainError},
};
use serde::Serialize;

use crate::{
    cli::LadderArgs,
    commands::{Input as _, InputFault},
};

/// Frames of the clip of which patches are taken.
const FRAMES: u32 = 60;

/// What `ladder --json` prints.
#[derive(Debug, Serialize)]
struct Ladder {
    steps: u32,
    rungs: Vec<Rung>,
    /// From each shipped network to the next.
    doublings: Vec<Doubling>,
}

/// A network of the ladder.
enum Which {
    /// To be trained: channels, and hidden layers from C to C.
    Trained((usize, usize)),
    /// To be judged.
    Shipped(&'static str),
}

pub(super) fn run(args: &LadderArgs) -> anyhow::Result<()> {
    super::figure_is(args.to.output.as_deref(), "svg")?;
    let shapes: Vec<(u32, (usize, usize))> = args
        .budgets
        .iter()
        .flat_map(|b| ladder::shapes(*b as usize).into_iter().map(move |shape| (*b, shape)))
        .collect();
    if shapes.is_empty() {
        return Err(InputFault(format!(
            "no network costs about {:?} multiplications a pixel: give other --budgets, such as 500,1000",
            args.budgets
        ))
        .into());
    }
    let thrown_away = tempfile::tempdir()?;
    if let Some(folder) = &args.keep {
        std::fs::create_dir_all(folder)
            .map_err(|e| InputFault(format!("cannot make the folder {}: {e}", folder.display())))?;
    }
    let course = Course {
        pictures: args.pictures.clone(),
        steps: args.steps.into(),
        batch: args.batch.into(),
        patch: args.patch.into(),
        takes: args.takes.into(),
        folder: args.keep.clone().unwrap_or_else(|| thrown_away.path().to_owned()),
        seed: args.to.seed,
    };
    let frames = footage::decoded(&args.clip, FRAMES).input()?;
    let trained = shapes.iter().map(|(_, shape)| Which::Trained(*shape));
    let all: Vec<Which> = trained.chain(Model::shipped().map(Which::Shipped)).collect();
    let bar = super::steps_bar(Some(all.len() as u64 * u64::from(args.steps)), "filming");
    let mut rungs = Vec::new();
    for (i, which) in (0..).zip(&all) {
        let before = i * u64::from(args.steps);
        let mut told = |progress| {
            if let Progress::Step { step, .. } = progress {
                bar.set_message("training");
                bar.set_position(before + step);
            }
        };
        let (model, shipped) = match which {
            Which::Trained(shape) => (course.trained(*shape, &mut told), None),
            Which::Shipped(name) => (course.judged(name, &mut told), Some(*name)),
        };
        let rung = model.and_then(|m| ladder::rung(&m, shipped, &frames, args.lines as usize, args.to.seed));
        rungs.push(refused(rung)?);
        bar.set_position(before + u64::from(args.steps));
    }
    bar.finish_and_clear();
    if let Some(path) = &args.to.output {
        let budget = |i: usize| shapes.get(i).map(|(budget, _)| *budget);
        report::write_text(path, &figure(&rungs, budget)).input()?;
    }
    let ladder = Ladder { steps: args.steps, doublings: ladder::doublings(&rungs), rungs };
    if args.to.json {
        out!("{}", serde_json::to_string_pretty(&ladder)?);
        return Ok(());
    }
    out!("{:<18}{:>9}{:>12}{:>10}{:>14}", "channels, layers", "MAC", "gain", "pieces", "log2 at most");
    for r in &ladder.rungs {
        let shape = format!(
            "{}, {}{}",
            r.channels,
            r.depth,
            r.shipped.as_ref().map_or_else(String::new, |n| format!(" ({n})"))
        );
        let (gain, pieces, most) = (r.gain_db, r.pieces, r.log2_at_most);
        out!("{shape:<18}{:>9}{:>12}{pieces:>10.0}{most:>14.1}", r.mac_per_pixel, format!("{gain:+.3} dB"));
    }
    out!("For each doubling of the pieces, and of the MAC:");
    for Doubling { from, to, by_pieces_db, by_mac_db } in &ladder.doublings {
        out!("{:<18}{by_pieces_db:>+9.3} dB{by_mac_db:>+9.3} dB", format!("{from} to {to}"));
    }
    Ok(())
}

/// What the user gave, and what went wrong on the way.
fn refused(rung: Result<Rung, LadderError>) -> anyhow::Result<Rung> {
    match rung {
        Err(
            error @ (LadderError::Unjudged
            | LadderError::Train(
                TrainError::Config(_)
                | TrainError::Folder { .. }
                | TrainError::NoPictures(_)
                | TrainError::Picture { .. }
                | TrainError::NoPairs,
            )),
        ) => Err::<Rung, _>(error).input(),
        other => Ok(other?),
    }
}

/// `budget` says what rung `i` was meant to cost; none of a shipped one.
fn figure(rungs: &[Rung], budget: impl Fn(usize) -> Option<u32>) -> String {
    let mut curves: Vec<PlotCurve> = Vec::new();
    for (i, rung) in rungs.iter().enumerate() {
        let name = budget(i).map_or_else(|| "shipped".to_owned(), |budget| format!("about {budget} MAC"));
        let point = (rung.pieces, rung.gain_db);
        match curves.iter_mut().find(|c| c.name == name) {
            Some(curve) => curve.points.push(point),
            None => curves.push(PlotCurve { name, points: vec![point] }),
        }
    }
    for curve in &mut curves {
        curve.points.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    let here: Vec<Rung> = rungs.iter().filter(|r| r.shipped.is_none()).cloned().collect();
    let most = ladder::best_so_far(&here).into_iter().map(|r| (r.pieces, r.gain_db)).collect();
    curves.push(PlotCurve { name: "most with so many".to_owned(), points: most });
    let axes = Axes { x: "linear pieces on a line", y: "gain over bicubic, dB", log_x: true };
    report::svg(axes, &[Panel { title: "Gain against pieces".to_owned(), curves }])
}
