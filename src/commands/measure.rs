//! `clearcall measure`: two videos, frame by frame.

use clearcall::{
    measure::{Scores, Summary},
    source::clip::ClipReader,
};

use super::{Input as _, InputFault};
use crate::cli::MeasureArgs;

pub(crate) fn run(args: &MeasureArgs) -> anyhow::Result<()> {
    let mut video = ClipReader::open(&args.video).input()?;
    let mut reference = ClipReader::open(&args.reference).input()?;
    let bar = super::bar(video.frames_hint(), "measuring");
    let mut scores = Vec::new();
    loop {
        let (a, b) = (video.next().input()?, reference.next().input()?);
        match (a, b) {
            (Some(a), Some(b)) => scores.push(Scores::of(&b.frame, &a.frame).input()?),
            (None, None) => break,
            (a, _) => {
                let (shorter, n) =
                    if a.is_none() { (&args.video, scores.len()) } else { (&args.reference, scores.len()) };
                return Err(InputFault(format!(
                    "{} ends after {n} frames and the other video goes on; they are not the same frames",
                    shorter.display()
                ))
                .into());
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    if scores.is_empty() {
        return Err(InputFault(format!("{} has no pictures", args.video.display())).into());
    }
    let summary = Summary::new(scores)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        println!("{summary}");
    }
    Ok(())
}
