//! `clearcall measure`: two videos, frame by frame.

use clearcall::source::clip::ClipReader;

use super::{Input as _, InputFault, Scoring};
use crate::cli::MeasureArgs;

pub(crate) fn run(args: &MeasureArgs) -> anyhow::Result<()> {
    let mut video = ClipReader::open(&args.video).input()?;
    let mut reference = ClipReader::open(&args.reference).input()?;
    let bar = super::bar(video.frames_hint(), "measuring");
    let mut scoring = Scoring::default();
    loop {
        let (a, b) = (video.next().input()?, reference.next().input()?);
        match (a, b) {
            (Some(a), Some(b)) => scoring.push(b.frame, a.frame)?,
            (None, None) => break,
            (a, _) => {
                let shorter = if a.is_none() { &args.video } else { &args.reference };
                return Err(InputFault(format!(
                    "{} ends after {} frames and the other video goes on; they are not the same frames",
                    shorter.display(),
                    scoring.frames()
                ))
                .into());
            }
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let Some(summary) = scoring.finish()? else {
        return Err(InputFault(format!("{} has no pictures", args.video.display())).into());
    };
    if args.json {
        out!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        out!("{summary}");
    }
    super::whole(&video)?;
    super::whole(&reference)
}
