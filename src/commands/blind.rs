//! `clearcall blind`: a blind test on files, and what several people said in one.

mod contestant;
mod plan;
mod table;
mod trials;

use std::{path::PathBuf, sync::mpsc::sync_channel};

use anyhow::{Context as _, anyhow, bail};
use clearcall::{
    app::{
        self,
        blind_files::{self, Merged, Start, VoteReport},
        settings::Settings,
    },
    interrupt::Interrupt,
    pipeline::Slot,
    report,
};

use self::{
    contestant::Contestant,
    plan::{ClipLength, plan},
    trials::Maker,
};
use super::{
    Input as _, InputFault,
    bench::quality::clip::{Clip, Sizes, in_folder},
};
use crate::cli::{BlindArgs, BlindCommand, MergeArgs, TestArgs};

/// So many rounds are made ahead.
const AHEAD: usize = 4;

pub(crate) fn run(args: BlindArgs) -> anyhow::Result<()> {
    match args.command {
        Some(BlindCommand::Merge(args)) => merge(&args),
        None => test(args.test),
    }
}

fn test(args: TestArgs) -> anyhow::Result<()> {
    let Some(folder) = &args.clips else { bail!("the command line has no --clips") };
    let (a, a_name) = Contestant::new(&args.a, args.engine)?;
    let (b, b_name) = Contestant::new(&args.b, args.engine)?;
    if a_name == b_name {
        return Err(InputFault(format!("both sides are {a_name}: give --a and --b different ones")).into());
    }
    if let Some(path) = &args.report {
        can_be_written(path)?;
    }
    let clips = Clip::open_all(&in_folder(folder)?, Sizes::Half(args.size), None)?;
    let bitrates: Vec<u32> = args.bitrates.iter().map(|rate| rate.0).collect();
    let (rounds, seed) = (usize::from(args.rounds), args.seed.unwrap_or_else(rand::random));
    let lengths: Vec<ClipLength> = clips.iter().map(|clip| ClipLength { frames: clip.frames, fps: clip.fps }).collect();
    let planned = plan(&lengths, &bitrates, rounds, seed);

    let interrupt = Interrupt::of_process().context("signals of the system cannot be heard")?;
    let (give, trials) = sync_channel(AHEAD);
    let progress = Slot::default();
    let maker = Maker { clips, contestants: [a, b], seed, progress: progress.clone() };
    let making = std::thread::Builder::new().name("trials".to_owned()).spawn(move || maker.make(&planned, &give))?;
    let start = Start {
        contestants: [a_name, b_name],
        person: args.person,
        rounds,
        seed,
        trials,
        progress: progress.clone(),
        settings: Settings::default_path(),
        interrupt,
    };
    let voted = app::open::run_blind(start);
    progress.close();
    let made = making.join().map_err(|_| anyhow!("the thread that makes the pictures panicked"))?;
    let voted = voted.context("a blind test needs a window")?;
    let voted = voted.filter(|report| !report.votes.is_empty());
    if let Some(voted) = &voted {
        tell(voted, args.report.as_deref())?;
    }
    made?;
    if voted.is_none() {
        eprintln!("Nothing was said, so nothing is written.");
    }
    Ok(())
}

/// Writes what was said, and counts it.
fn tell(voted: &VoteReport, path: Option<&std::path::Path>) -> anyhow::Result<()> {
    if let Some(path) = path {
        let written = report::write_json(path, voted);
        if written.is_err() {
            // Minutes of somebody's attention are in it.
            out!("{}", serde_json::to_string(voted)?);
        }
        written.input()?;
    }
    let merged = blind_files::merge(&[(String::new(), voted.clone())]).input()?;
    out!("{}", table::text(&merged).trim_end());
    Ok(())
}

/// Whether there is a folder for the file: told before somebody votes.
fn can_be_written(path: &std::path::Path) -> anyhow::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    if path.is_dir() || folder.is_some_and(|folder| !folder.is_dir()) {
        return Err(InputFault(format!(
            "{} cannot be written: give --report a file in a folder that is there",
            path.display()
        ))
        .into());
    }
    Ok(())
}

fn merge(args: &MergeArgs) -> anyhow::Result<()> {
    let read = |path: &PathBuf| Ok((path.display().to_string(), VoteReport::read(path)?));
    let reports = args.reports.iter().map(read).collect::<Result<Vec<_>, blind_files::VoteReportError>>().input()?;
    let merged: Merged = blind_files::merge(&reports).input()?;
    if args.json {
        out!("{}", serde_json::to_string_pretty(&merged)?);
    } else {
        out!("{}", table::text(&merged).trim_end());
    }
    Ok(())
}
