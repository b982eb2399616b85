//! Pictures that the person wants to keep: what is asked of the worker, and what is said when it is done.

pub(crate) mod view_recorder;
mod worker;

use std::{path::PathBuf, sync::Arc};

use egui::{Context, Rect, ScreenshotCallback, ViewportCommand};

use crate::{
    app::{
        compare::{Shown, sides::SideChoice},
        controls::Keep,
        export::worker::{ExportDone, ExportJob, ExportWorker, Part},
    },
    frame::Rgba,
    pipeline::Wake,
    upscale::Picture,
};

/// A side as it is kept.
pub(crate) struct ExportedSide {
    pub(crate) side: SideChoice,
    /// For the file's name.
    pub(crate) word: String,
    pub(crate) picture: Picture,
}

/// What is exported from a call.
pub(crate) struct Exports {
    worker: Option<ExportWorker>,
    folder: PathBuf,
    /// The frame whose bytes are being read from the GPU.
    reading: Option<u64>,
    read: Vec<(SideChoice, Arc<Rgba>)>,
}

impl Exports {
    /// Files are written to `folder`.
    pub(crate) fn new(folder: PathBuf, wake: Wake) -> Self {
        let worker = ExportWorker::start(wake).map_err(|e| tracing::error!("{e}")).ok();
        Self { worker, folder, reading: None, read: Vec::new() }
    }

    /// Has a picture made of what is seen; says what is wrong if it cannot be.
    pub(crate) fn keep(
        &self,
        ctx: &Context,
        what: Keep,
        id: u64,
        sides: Vec<ExportedSide>,
        shown: Option<Shown>,
    ) -> Result<(), String> {
        let folder = |copy: bool| (!copy).then(|| self.folder.clone());
        let sides = || sides.into_iter().map(|k| (k.word, k.picture)).collect();
        let job = match what {
            Keep::Sides => ExportJob::Sides { id, sides: sides(), folder: self.folder.clone() },
            Keep::Crop { copy } => {
                let part = shown.map_or([0.0, 0.0, 1.0, 1.0], |s| corners(s.part));
                ExportJob::Crop { id, sides: sides(), part, folder: folder(copy) }
            }
            Keep::View { copy } => return self.view(ctx, shown, folder(copy)),
        };
        let taken = self.worker.as_ref().is_some_and(|worker| worker.give(job));
        if taken { Ok(()) } else { Err("Pictures are still being written; try again in a moment.".to_owned()) }
    }

    /// Writes a text beside the pictures.
    pub(crate) fn text(&self, name: &str, ending: &'static str, text: String) -> Result<(), String> {
        let job = ExportJob::Text { name: name.to_owned(), ending, text, folder: self.folder.clone() };
        let taken = self.worker.as_ref().is_some_and(|worker| worker.give(job));
        if taken { Ok(()) } else { Err("Files are still being written; try again in a moment.".to_owned()) }
    }

    /// Where the next recording goes.
    pub(crate) fn recording(&self) -> Result<PathBuf, String> {
        worker::place(&self.folder, "call", "mp4")
    }

    /// Where the next recording of the view goes, of these sides.
    pub(crate) fn view_recording(&self, sides: &str) -> Result<PathBuf, String> {
        worker::place(&self.folder, sides, "mp4")
    }

    fn view(&self, ctx: &Context, shown: Option<Shown>, folder: Option<PathBuf>) -> Result<(), String> {
        let (Some(shown), Some(door)) = (shown, self.worker.as_ref().map(ExportWorker::door)) else {
            return Err("There is no view to keep yet.".to_owned());
        };
        let window = ctx.content_rect();
        let share = |p: egui::Pos2| ((p - window.min) / window.size()).to_pos2();
        let part = corners(Rect::from_min_max(share(shown.area.min), share(shown.area.max)));
        let take = ScreenshotCallback::new(move |image| {
            // If there is too much to do, this picture is not made: the window must not wait.
            let _ = door.give(ExportJob::View { image, part, folder });
        });
        ctx.send_viewport_cmd(ViewportCommand::Screenshot(take));
        Ok(())
    }

    /// Asks for the bytes of sides that are in the GPU's memory; one frame at a time.
    pub(crate) fn read(&mut self, id: u64, sides: Vec<(SideChoice, Picture)>) {
        if self.reading.is_none()
            && self.worker.as_ref().is_some_and(|worker| worker.give(ExportJob::Read { id, sides }))
        {
            self.reading = Some(id);
        }
    }

    /// The bytes that were read last.
    pub(crate) fn bytes(&self) -> &[(SideChoice, Arc<Rgba>)] {
        &self.read
    }

    /// Takes what is done, puts pictures into the clipboard, and says what there is to say.
    pub(crate) fn collect(&mut self, ctx: &Context) -> Vec<String> {
        let done = self.worker.as_ref().map(ExportWorker::done).unwrap_or_default();
        let mut said = Vec::new();
        for done in done {
            match done {
                ExportDone::Saved(files) => {
                    let names: Vec<String> = files.iter().map(|f| f.display().to_string()).collect();
                    said.push(format!("Saved {}", names.join(" and ")));
                }
                ExportDone::Copied(image) => {
                    ctx.copy_image(image);
                    said.push("The picture is in the clipboard.".to_owned());
                }
                ExportDone::Read { id, sides } => {
                    if self.reading == Some(id) {
                        self.reading = None;
                        self.read = sides;
                    }
                }
                ExportDone::Failed(why) => {
                    self.reading = None;
                    said.push(why);
                }
            }
        }
        said
    }
}

fn corners(part: Rect) -> Part {
    [part.min.x, part.min.y, part.max.x, part.max.y]
}
