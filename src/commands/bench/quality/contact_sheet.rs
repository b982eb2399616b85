//! The contact sheet: details of one frame of each clip at each bitrate.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use clearcall::{
    frame::{Frame, Size},
    report::{self, Crop, SheetRow},
};

use super::{
    clip::Clip,
    contestants::{BICUBIC, Contestant, ContestantKind, Contestants},
};
use crate::{
    cli::QualityArgs,
    commands::{Input as _, InputFault},
};

/// The size of details that are chosen by themselves.
const DETAIL: (u32, u32) = (96, 72);
/// Details of a clip, at most.
const DETAILS: usize = 3;

/// Collects details while the clips go by.
pub(super) struct ContactSheet {
    path: PathBuf,
    frame: Option<u64>,
    given: Vec<Crop>,
    /// How many are chosen where none was given.
    count: usize,
    /// Chosen at a clip's first bitrate, and kept for the others.
    chosen: BTreeMap<String, Vec<Crop>>,
    /// Clip and bitrate of the last that were taken.
    done: Option<(String, u32)>,
    rows: Vec<SheetRow>,
}

impl ContactSheet {
    /// Refuses what would not fit on a sheet before any work is done.
    pub(super) fn new(
        path: &Path,
        args: &QualityArgs,
        clips: &[Clip],
        bitrates: usize,
        field: &Contestants,
    ) -> anyhow::Result<Self> {
        let outside = |crop: &&Crop| clips.iter().any(|clip| !crop.fits(clip.truth));
        if let Some(crop) = args.crop.iter().find(outside) {
            let sizes: Vec<String> = clips.iter().map(|c| format!("{} is {}", c.name, c.truth)).collect();
            let message = format!("--crop {},{},{} lies outside: {}", crop.x, crop.y, crop.size, sizes.join(", "));
            return Err(InputFault(message).into());
        }
        let largest = |side: fn(Size) -> u32, own: u32| args.crop.iter().map(|c| side(c.size)).max().unwrap_or(own);
        let detail = Size::new(largest(Size::width, DETAIL.0), largest(Size::height, DETAIL.1)).input()?;
        let columns = 1 + field.list().iter().filter(|c| shown(c)).count();
        let room = report::rows_that_fit(detail, columns) / (clips.len() * bitrates);
        let wanted = if args.crop.is_empty() { 1 } else { args.crop.len() };
        if room < wanted {
            let message = "so many details do not fit on one sheet: give fewer clips, bitrates, models or crops";
            return Err(InputFault(message.into()).into());
        }
        Ok(Self {
            path: path.to_owned(),
            frame: args.frame.map(u64::from),
            given: args.crop.clone(),
            count: room.min(DETAILS),
            chosen: BTreeMap::new(),
            done: None,
            rows: Vec::new(),
        })
    }

    /// Looks at a frame; takes it if it is the one to show, or the first that was sent after it.
    pub(super) fn take(
        &mut self,
        clip: &Clip,
        bitrate: u32,
        truth: &Frame,
        contestants: &[Contestant],
        outputs: &[Option<Frame>],
    ) {
        let wanted = self.frame.unwrap_or(clip.frames / 2).min(clip.frames.saturating_sub(1));
        let done = self.done.as_ref().is_some_and(|d| d.0 == clip.name && d.1 == bitrate);
        if done || truth.stamp.id < wanted {
            return;
        }
        let shown: Vec<(&Contestant, &Frame)> = contestants
            .iter()
            .zip(outputs)
            .filter(|(c, _)| shown(c))
            .filter_map(|(c, output)| Some((c, output.as_ref()?)))
            .collect();
        if shown.is_empty() {
            return;
        }
        self.done = Some((clip.name.clone(), bitrate));
        let crops = self.crops(clip, truth, &shown);
        let truth_rgba = truth.to_rgba();
        let pictures: Vec<_> = shown.iter().map(|(c, frame)| (c.name.clone(), frame.to_rgba())).collect();
        for crop in crops {
            let title = format!(
                "{}, {} kbit/s, frame {}, {} at {},{}",
                clip.name,
                bitrate / 1000,
                truth.stamp.id,
                crop.size,
                crop.x,
                crop.y
            );
            let mut details = vec![("truth".to_owned(), crop.of(&truth_rgba))];
            details.extend(pictures.iter().map(|(name, picture)| (name.clone(), crop.of(picture))));
            self.rows.push(SheetRow { title, details });
        }
    }

    fn crops(&mut self, clip: &Clip, truth: &Frame, shown: &[(&Contestant, &Frame)]) -> Vec<Crop> {
        if !self.given.is_empty() {
            return self.given.clone();
        }
        if let Some(crops) = self.chosen.get(&clip.name) {
            return crops.clone();
        }
        let small = |wanted: u32, side: u32| wanted.min(side);
        let size = Size::new(small(DETAIL.0, clip.truth.width()), small(DETAIL.1, clip.truth.height()));
        let outputs: Vec<&Frame> = shown.iter().map(|(_, frame)| *frame).collect();
        let crops = size.map_or_else(|_| Vec::new(), |s| report::most_different(truth, &outputs, s, self.count));
        self.chosen.insert(clip.name.clone(), crops.clone());
        crops
    }

    /// Draws the sheet and writes it.
    pub(super) fn write(self) -> anyhow::Result<()> {
        let picture = report::sheet(&self.rows)?;
        report::write_png(&self.path, &picture).input()
    }
}

/// Bicubic and the networks; other filters would only take room.
fn shown(contestant: &Contestant) -> bool {
    contestant.kind == ContestantKind::Model || contestant.name == BICUBIC
}
