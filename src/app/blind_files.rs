//! The blind test on files: crops of two upscalers' pictures beside each other, and what is said of them.
//!
//! The pictures come from outside ([`Trial`]), made ahead of time, so that the next round follows at once. Nothing in the
//! window says which side is which before the last vote. [`VoteReport`] is what a test leaves behind, [`merge()`] counts
//! those of several people together.

mod merge;
mod plain_name;
mod report;

use std::{
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, TryRecvError},
    },
    time::{Duration, Instant},
};

use egui::{Rect, Ui};

pub use self::{
    merge::{BitrateCount, Count, MergeError, Merged, merge},
    plain_name::{NotPlain, PlainName},
    report::{Contestant, MAX_ROUNDS, Vote, VoteReport, VoteReportError},
};
use crate::{
    app::{
        compare::{
            blind_test::{Blind, Outcome},
            paint::Pictures,
            sides::SideChoice,
            textures::Textures,
        },
        pages::{
            blind_crops,
            blind_page::{self, Said},
        },
        settings::Settings,
        theme::style,
    },
    frame::{Rgba, Size},
    interrupt::Interrupt,
    pipeline::Slot,
    spotlight::Place,
    upscale::Picture,
};

/// How often it is looked whether pictures have come.
const LOOK: Duration = Duration::from_millis(50);
/// A and B as the window's textures know them.
const SIDES: [SideChoice; 2] = [SideChoice::Network(0), SideChoice::Network(1)];

/// The pictures of one round.
#[derive(Debug, Clone)]
pub struct Trial {
    /// The clip.
    pub clip: PlainName,
    /// Bits a second that it was coded at.
    pub bitrate_bps: u32,
    /// Which frame, from 0.
    pub frame: u64,
    /// The middle of what is to be seen of it.
    pub place: Place,
    /// Of both pictures.
    pub size: Size,
    /// What A and B made of the frame.
    pub sides: [Arc<Rgba>; 2],
}

/// What a test begins with.
pub struct Start {
    /// The names of A and B.
    pub contestants: [PlainName; 2],
    /// Who votes, if they say so.
    pub person: Option<PlainName>,
    /// How many rounds, up to [`MAX_ROUNDS`].
    pub rounds: usize,
    /// What the sides are shuffled from.
    pub seed: u64,
    /// A picture for each round, in their order. When there are no more, the test ends.
    pub trials: Receiver<Trial>,
    /// What is being done for the first of them, in words.
    pub progress: Slot<String>,
    /// The settings of the window, for its colours and size; without it as the system has them.
    pub settings: Option<PathBuf>,
    /// Closes the window when it is told.
    pub interrupt: Interrupt,
}

/// A round that is looked at.
struct Shown {
    trial: Trial,
    pictures: Option<Pictures>,
    /// The part that is seen, in shares of the picture, once it was drawn.
    seen: Option<(Rect, Instant)>,
}

/// The window of a test.
pub struct BlindWindow {
    blind: Blind,
    report: Arc<Mutex<VoteReport>>,
    trials: Receiver<Trial>,
    progress: Slot<String>,
    said: String,
    textures: Textures,
    shown: Option<Shown>,
    outcome: Option<Outcome>,
    interrupt: Interrupt,
}

impl BlindWindow {
    /// Sets the look of the window.
    pub fn new(cc: &eframe::CreationContext<'_>, start: Start) -> Self {
        let Start { contestants: [a, b], person, rounds, seed, trials, progress, settings, interrupt } = start;
        style::apply(&cc.egui_ctx);
        if let Some(settings) = settings.as_deref().map(Settings::read) {
            settings.theme.apply(&cc.egui_ctx);
            cc.egui_ctx.set_zoom_factor(settings.zoom);
        }
        let repaint = cc.egui_ctx.clone();
        interrupt.on_told(move || repaint.request_repaint());
        Self {
            blind: Blind::of_rounds(seed, rounds.min(MAX_ROUNDS)),
            report: Arc::new(Mutex::new(VoteReport { a, b, person, seed, votes: Vec::new() })),
            trials,
            progress,
            said: "Making the first pictures …".to_owned(),
            textures: Textures::new(cc.wgpu_render_state.clone()),
            shown: None,
            outcome: None,
            interrupt,
        }
    }

    /// What was said so far. It is the same one as long as the window is there.
    pub fn report(&self) -> Arc<Mutex<VoteReport>> {
        Arc::clone(&self.report)
    }

    /// Takes the pictures of the next round; without any to come the test ends.
    fn take_trial(&mut self, ui: &Ui) {
        if self.shown.is_some() || self.outcome.is_some() {
            return;
        }
        if let Some(said) = self.progress.try_take() {
            self.said = said;
        }
        match self.trials.try_recv() {
            Ok(trial) => {
                let sides = trial.sides.clone().map(Picture::Cpu);
                let named: Vec<_> = SIDES.into_iter().zip(&sides).collect();
                let pictures = self.textures.pictures(&named, trial.size, false);
                self.shown = Some(Shown { trial, pictures, seen: None });
            }
            Err(TryRecvError::Empty) => ui.ctx().request_repaint_after(LOOK),
            Err(TryRecvError::Disconnected) => self.end(ui),
        }
    }

    fn answered(&mut self, ui: &Ui, said: Said) {
        let Said::Answer(answer) = said else { return self.end(ui) };
        // What was not seen yet is not judged.
        let Some(Shown { trial, seen: Some((uv, since)), .. }) = &self.shown else { return };
        let pixels = |share: f32, side: u32| (share * side as f32).round() as u32;
        let (width, height) = (trial.size.width(), trial.size.height());
        let vote = Vote {
            clip: trial.clip.clone(),
            bitrate_bps: trial.bitrate_bps,
            frame: trial.frame,
            x: pixels(uv.left(), width),
            y: pixels(uv.top(), height),
            width: pixels(uv.width(), width),
            height: pixels(uv.height(), height),
            left: self.blind.left_and_right([Contestant::A, Contestant::B])[0],
            answer,
            ms: since.elapsed().as_millis().try_into().unwrap_or(u64::MAX),
        };
        self.report.lock().unwrap_or_else(PoisonError::into_inner).votes.push(vote);
        self.blind.answer(answer);
        self.shown = None;
        if self.blind.round().is_none() {
            self.end(ui);
        }
    }

    /// Shows what was found, or closes the window where nothing was.
    fn end(&mut self, ui: &Ui) {
        self.shown = None;
        let (a, b) = {
            let report = self.report.lock().unwrap_or_else(PoisonError::into_inner);
            (report.a.to_string(), report.b.to_string())
        };
        let outcome = self.blind.outcome(&a, &b);
        if outcome.rounds.is_empty() {
            ui.send_viewport_cmd(egui::ViewportCommand::Close);
        } else {
            self.outcome = Some(outcome);
        }
    }
}

impl eframe::App for BlindWindow {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        if self.interrupt.is_told() {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }

    fn ui(&mut self, ui: &mut Ui, _: &mut eframe::Frame) {
        if self.outcome.is_none()
            && let Some(said) = blind_page::keys(ui)
        {
            self.answered(ui, said);
        }
        self.take_trial(ui);
        let mut said = None;
        if self.outcome.is_none() {
            let bar = egui::Panel::bottom("blind").resizable(false).show_separator_line(false);
            bar.frame(style::bar(ui)).show(ui, |ui| said = blind_page::question(ui, &self.blind));
        }
        egui::CentralPanel::default().frame(egui::Frame::new().inner_margin(8.0)).show(ui, |ui| {
            match &mut self.shown {
                Some(Shown { trial, pictures: Some(pictures), seen }) => {
                    let sides = self.blind.left_and_right(SIDES);
                    let uv = blind_crops::show(ui, pictures, sides, trial.place);
                    let since = seen.map_or_else(Instant::now, |(_, since)| since);
                    *seen = Some((uv, since));
                }
                _ if self.outcome.is_some() => blind_crops::waiting(ui, ""),
                _ => blind_crops::waiting(ui, &self.said),
            }
        });
        if let Some(said) = said {
            self.answered(ui, said);
            ui.ctx().request_repaint();
        }
        if self.outcome.as_ref().is_some_and(|outcome| blind_page::result(ui, outcome)) {
            ui.send_viewport_cmd(egui::ViewportCommand::Close);
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        style::clear_colour(visuals).to_normalized_gamma_f32()
    }
}

impl Drop for BlindWindow {
    fn drop(&mut self) {
        // Whoever makes the pictures need not go on.
        self.progress.close();
    }
}
