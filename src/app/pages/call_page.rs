//! The page of a running call: both pictures, the controls and the numbers.
//!
//! It is a function of [`CallView`] (what there is to see) and [`Controls`] (what the person has set);
//! what the person does comes back as [`Action`]s.

use egui::{
    Align, Align2, Id, Label, Layout, RichText, Role, Sense, Stroke, Ui, UiBuilder, Vec2, WidgetInfo, pos2, vec2,
};

use crate::{
    app::{
        commands::{self, Command},
        compare::{
            Compare, MAX_GAIN,
            blind_test::{Blind, View},
            paint::Pictures,
            panes,
            sides::SideChoice,
        },
        controls::{Action, Controls, Keep, adopt},
        health::{self, Light},
        overlay::{self, Overlay},
        pages::{
            blind_crops,
            blind_page::{self, Said},
            call_view::CallView,
            comparison::{self, seen::Seen},
            control_bar, graphs, stats_panel, toolbar, waiting,
        },
        theme::style,
    },
    pipeline::{CallState, NetworkOff},
    upscale::EngineChoice,
};

const TOP: f32 = 48.0;
const GAP: f32 = 8.0;
/// A window that is smaller, in points, has its parts below each other.
const ROOMY: (f32, f32) = (780.0, 520.0);
/// What the graphs need.
const GRAPHS_HEIGHT: f32 = 470.0;

/// Draws the page.
pub fn show(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls) -> Vec<Action> {
    let mut actions = Vec::new();
    if let Some(said) = controls.blind.as_ref().and_then(|_| blind_page::keys(ui)) {
        answered(said, view, controls, &mut actions);
    }
    let mut todo = commands::pressed(ui);
    todo.extend(overlay::show(ui, &mut controls.overlay));
    todo.iter().for_each(|command| obey(*command, view, controls, &mut actions));
    let pictures =
        view.pictures.filter(|_| matches!(view.state, CallState::Connected { .. } | CallState::Reconnecting));
    let room = ui.ctx().content_rect().size();
    let small = room.x < ROOMY.0 || room.y < ROOMY.1;
    let mut parts = Parts { view, pictures, controls, actions: &mut actions, todo, stacked: small };
    if small {
        stacked(ui, &mut parts, room)
    } else {
        panels(ui, &mut parts)
    }
    settle(controls, &mut actions);
    if controls.outcome.as_ref().is_some_and(|outcome| blind_page::result(ui, outcome)) {
        controls.outcome = None;
    }
    notices(ui, view.notices);
    actions
}

/// What the page is made of, wherever each part stands.
struct Parts<'a, 'v> {
    view: &'a CallView<'v>,
    pictures: Option<&'v Pictures>,
    controls: &'a mut Controls,
    actions: &'a mut Vec<Action>,
    /// What was asked for by keys and buttons, for the pictures.
    todo: Vec<Command>,
    /// They stand below each other.
    stacked: bool,
}

impl Parts<'_, '_> {
    fn top(&mut self, ui: &mut Ui) {
        part(ui, "call bar", |ui| top(ui, self.view, self.controls, self.actions));
    }

    /// There is a question to be answered, and nothing else to be done.
    fn asks(&self) -> bool {
        self.controls.blind.is_some() && self.pictures.is_some()
    }

    fn question(&mut self, ui: &mut Ui) {
        let blind = self.controls.blind.as_ref();
        let said = part(ui, "blind", |ui| blind.and_then(|blind| blind_page::question(ui, blind)));
        said.into_iter().for_each(|said| answered(said, self.view, self.controls, self.actions));
    }

    fn tools(&mut self, ui: &mut Ui) {
        let Some(pictures) = self.pictures else { return };
        let chosen = part(ui, "tools", |ui| toolbar::show(ui, pictures, self.controls));
        chosen.iter().for_each(|command| obey(*command, self.view, self.controls, self.actions));
        self.todo.extend(chosen);
    }

    fn settings(&mut self, ui: &mut Ui) {
        part(ui, "call controls", |ui| control_bar::show(ui, self.view, self.controls, self.actions));
    }

    /// There is nothing to count while the other side is waited for.
    fn counts(&self) -> bool {
        let counting = matches!(
            self.view.state,
            CallState::Starting | CallState::Connected { .. } | CallState::Reconnecting | CallState::Ended { .. }
        );
        self.controls.stats && counting
    }

    fn numbers(&mut self, ui: &mut Ui) {
        if part(ui, "call stats", |ui| stats_panel::show(ui, self.view.stats, self.view.fps)) {
            self.actions.push(Action::CopyStats);
        }
    }

    fn draws(&self) -> bool {
        self.controls.graphs && self.pictures.is_some() && self.controls.blind.is_none()
    }

    fn graphs(&self, ui: &mut Ui) {
        let two = self.controls.compare.two(self.controls.model);
        part(ui, "graphs", |ui| graphs::show(ui, self.view.trace, two, self.view.models, self.view.truth));
    }

    /// The pictures, or what stands in their place.
    fn middle(&mut self, ui: &mut Ui) {
        part(ui, "middle", |ui| self.pictures_or_wait(ui));
    }

    fn pictures_or_wait(&mut self, ui: &mut Ui) {
        let (view, controls) = (self.view, &mut *self.controls);
        let Some(pictures) = self.pictures else {
            if !self.stacked {
                let area = ui.available_rect_before_wrap().expand(GAP);
                ui.painter().rect_filled(area, 0.0, style::palette(ui).ground);
            }
            return waiting::show(ui, view.state, view.again, !self.stacked, controls, self.actions);
        };
        let (models, model) = (view.models, controls.model);
        // Of a network that does not run there is no score.
        let known = |side| view.truth && !(view.off == Some(NetworkOff::TooSlow) && side == SideChoice::Network(model));
        let scores = |side| if known(side) { view.trace.newest(side) } else { None };
        let worth = |side| if known(side) && view.off.is_none() { view.trace.worth(side) } else { None };
        let why = controls.auto.then_some(view.stats.model_reason.as_str());
        let engine = view.stats.engine;
        let (scores, worth): (&dyn Fn(SideChoice) -> _, &dyn Fn(SideChoice) -> _) = (&scores, &worth);
        let (off, seen_for) = (view.off, view.seen_for);
        let seen = Seen { pictures, models, engine, model, why, off, masked: false, scores, worth, seen_for };
        let Some(blind) = &controls.blind else {
            let drawn = comparison::show(ui, &seen, &mut controls.compare, &mut controls.details, &self.todo);
            controls.shown = drawn.shown;
            if drawn.network_wanted
                && let Some((smallest, _)) = models.iter().enumerate().min_by_key(|(_, m)| m.mac_per_pixel)
            {
                controls.runs(smallest);
                controls.auto = false;
                self.actions.push(Action::Model);
            }
            return;
        };
        if blind.view() == View::Crops {
            let sides = blind.left_and_right([controls.compare.a, controls.compare.b]);
            match blind.place() {
                Some(place) => {
                    blind_crops::show(ui, pictures, sides, place);
                }
                None => blind_crops::waiting(ui, "Looking for a place with detail …"),
            }
            return;
        }
        let mut compare = Compare { layout: panes::Layout::SideBySide, ..controls.compare.clone() };
        if blind.swapped() {
            compare.swap();
        }
        (compare.loupe, compare.read_out) = (false, false);
        comparison::show(ui, &Seen { masked: true, ..seen }, &mut compare, &mut controls.details, &self.todo);
        controls.compare.view = compare.view;
    }
}

/// Draws a part of the page, with ids of its own. Without them egui's ids hang on how many parts were drawn before it:
/// a menu would close, and a click be lost, when another part comes or goes.
fn part<R>(ui: &mut Ui, name: &'static str, add: impl FnOnce(&mut Ui) -> R) -> R {
    ui.scope_builder(UiBuilder::new().scope_id(Id::unique(name).with("part")), add).inner
}

/// The parts along the edges of a window that has room for them.
fn panels(ui: &mut Ui, parts: &mut Parts<'_, '_>) {
    let panel = |p: egui::Panel| p.resizable(false).show_separator_line(false);
    let bar = style::bar(ui);
    panel(egui::Panel::top("call bar")).exact_size(TOP).frame(bar).show(ui, |ui| parts.top(ui));
    if !parts.asks() && parts.pictures.is_some() {
        let thin = bar.inner_margin(egui::Margin { top: 0, ..bar.inner_margin });
        panel(egui::Panel::top("tools")).frame(thin).show(ui, |ui| parts.tools(ui));
    }
    panel(egui::Panel::bottom("call controls")).frame(bar).show(ui, |ui| parts.settings(ui));
    if parts.counts() {
        let place = panel(egui::Panel::bottom("call stats")).exact_size(stats_panel::height(parts.view.stats));
        place.frame(bar).show(ui, |ui| parts.numbers(ui));
    }
    if parts.asks() {
        // Next to the pictures that it asks about.
        panel(egui::Panel::bottom("blind")).frame(bar).show(ui, |ui| parts.question(ui));
    }
    if parts.draws() {
        let place = panel(egui::Panel::right("graphs")).exact_size(graphs::WIDTH);
        place.frame(bar).show(ui, |ui| parts.graphs(ui));
    }
    let ground = egui::Frame::new().inner_margin(GAP);
    egui::CentralPanel::default().frame(ground).show(ui, |ui| parts.middle(ui));
}

/// The parts below each other, to be scrolled, where the window is small or the text large.
fn stacked(ui: &mut Ui, parts: &mut Parts<'_, '_>, room: Vec2) {
    let bar = style::bar(ui);
    egui::CentralPanel::default().frame(bar).show(ui, |ui| {
        egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
            // The bar that scrolls lies over what is at the edge.
            let width = ui.available_width() - 10.0;
            ui.set_max_width(width);
            ui.allocate_ui(vec2(width, TOP - 14.0), |ui| parts.top(ui));
            if parts.asks() {
                parts.question(ui);
            } else {
                parts.tools(ui);
            }
            // The ground of the pictures is a little larger than they are.
            ui.add_space(GAP);
            if let Some(pictures) = parts.pictures {
                let most = (0.8 * room.y).max(200.0);
                let (compare, dense) = (&parts.controls.compare, ui.ctx().pixels_per_point());
                let height = comparison::height(compare, pictures.size(), width, dense).clamp(120.0, most);
                ui.allocate_ui(vec2(width, height), |ui| parts.middle(ui));
            } else {
                parts.middle(ui);
            }
            ui.add_space(GAP);
            parts.settings(ui);
            if parts.counts() {
                parts.numbers(ui);
            }
            if parts.draws() {
                ui.allocate_ui(vec2(width, GRAPHS_HEIGHT), |ui| parts.graphs(ui));
            }
            style::follow_focus(ui);
        });
    });
}

/// Does what a key or the palette asks for; what concerns the view is done where the pictures are placed.
fn obey(command: Command, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    let during_test = matches!(
        command,
        Command::Freeze
            | Command::Nearest
            | Command::Stats
            | Command::Hide
            | Command::MuteSound
            | Command::HangUp
            | Command::Help
            | Command::Theme
    );
    if controls.blind.is_some() && !during_test {
        return; // sides and layout stay as they are
    }
    let networks = view.models.len();
    let now = &mut controls.compare;
    match command {
        Command::Layout(layout) => now.layout = layout,
        Command::Flip if now.layout == panes::Layout::Toggle => now.flipped = !now.flipped,
        Command::Flip | Command::Swap => now.swap(),
        Command::NextA => now.a = now.a.next(networks, false),
        Command::NextB => now.b = now.b.next(networks, false),
        Command::NextModel => {
            // The program's own choice comes before the first and after the last.
            (controls.auto, controls.model) = match (controls.auto, controls.model + 1) {
                (true, _) => (false, 0),
                (false, next) if next < networks => (false, next),
                (false, _) => (true, controls.model),
            };
            adopt(controls);
            actions.push(Action::Model);
        }
        Command::NextEngine => {
            let all = EngineChoice::ALL;
            let at = all.iter().position(|engine| *engine == controls.engine).unwrap_or(0);
            controls.engine = all[(at + 1) % all.len()];
            actions.push(Action::Engine);
        }
        Command::Nearest => now.nearest = !now.nearest,
        Command::Loupe => now.loupe = !now.loupe,
        Command::ReadOut => now.read_out = !now.read_out,
        Command::Spotlight => now.spotlight = !now.spotlight,
        Command::Signed => now.signed = !now.signed,
        Command::GainUp => now.gain = (now.gain * 2).min(MAX_GAIN),
        Command::GainDown => now.gain = (now.gain / 2).max(1),
        Command::Luma => now.luma = !now.luma,
        Command::Freeze => actions.push(Action::Freeze),
        Command::StepFrames(by) => actions.push(Action::StepFrames(by)),
        Command::SaveSides => actions.push(Action::Keep(Keep::Sides)),
        Command::SaveCrop => actions.push(Action::Keep(Keep::Crop { copy: false })),
        Command::SaveView => actions.push(Action::Keep(Keep::View { copy: false })),
        Command::CopyCrop => actions.push(Action::Keep(Keep::Crop { copy: true })),
        Command::CopyView => actions.push(Action::Keep(Keep::View { copy: true })),
        Command::Record => actions.push(Action::Record),
        Command::RecordView => actions.push(Action::RecordView),
        Command::Blind | Command::BlindCrops => {
            let new = if command == Command::Blind { Blind::new } else { Blind::crops };
            let mut blind = new(rand::random());
            if let Some(seen) = controls.details.seen() {
                blind.see(seen.clone());
            }
            (controls.blind, controls.outcome) = (Some(blind), None);
            actions.extend(controls.auto.then_some(Action::Model));
        }
        Command::Theme => actions.push(Action::Theme),
        Command::Graphs => controls.graphs = !controls.graphs,
        Command::Stats => controls.stats = !controls.stats,
        Command::Hide => {
            controls.hidden = !controls.hidden;
            actions.push(Action::Hide);
        }
        Command::MuteSound => {
            if let Some(sound) = controls.sound.as_mut().filter(|sound| sound.sends) {
                sound.muted = !sound.muted;
                actions.push(Action::MuteSound);
            }
        }
        Command::HangUp => actions.push(Action::HangUp),
        Command::Help => {
            controls.overlay = if controls.overlay == Overlay::Help { Overlay::None } else { Overlay::Help };
        }
        Command::Palette => controls.overlay = Overlay::Palette(String::new()),
        Command::Fit | Command::OneToOne | Command::ZoomIn | Command::ZoomOut | Command::Pan(..) => {}
    }
}

/// Takes an answer of the blind test; after the last one, or when it is stopped, says what was found.
fn answered(said: Said, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    let Some(blind) = &mut controls.blind else { return };
    if let Said::Answer(answer) = said {
        blind.answer(answer);
        if blind.round().is_some() {
            return;
        }
    }
    let [a, b] = [controls.compare.a, controls.compare.b].map(|side| side.name(view.models));
    let outcome = blind.outcome(&a, &b);
    controls.blind = None;
    actions.extend(controls.auto.then_some(Action::Model));
    if !outcome.rounds.is_empty() {
        controls.outcome = Some(outcome);
        actions.push(Action::Outcome);
    }
}

/// The call's network is one that is looked at, if any is.
fn settle(controls: &mut Controls, actions: &mut Vec<Action>) {
    let seen = [controls.compare.b, controls.compare.a].into_iter().filter_map(|side| match side {
        SideChoice::Network(i) => Some(i),
        _ => None,
    });
    let seen: Vec<usize> = seen.collect();
    if let Some(first) = seen.first().filter(|_| !seen.contains(&controls.model)) {
        // Who wants to look at a network has chosen one.
        (controls.model, controls.auto) = (*first, false);
        actions.push(Action::Model);
    }
}

fn top(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    let p = style::palette(ui);
    let (light, why) = health::light(view.stats, controls.bitrate, view.age_ms);
    let (colour, text) = match view.state {
        CallState::Starting => (p.warning, "starting".to_owned()),
        CallState::Waiting { .. } | CallState::Offered { .. } | CallState::Answered { .. } => {
            (p.warning, "waiting for the other side".to_owned())
        }
        CallState::Connected { with } => match light {
            Light::Green => (p.good, format!("connected with {with}")),
            Light::Amber => (p.warning, format!("connected with {with} · {why}")),
            Light::Red => (p.danger, format!("connected with {with} · {why}")),
        },
        CallState::Reconnecting => (p.warning, "reconnecting".to_owned()),
        CallState::Ended { .. } => (p.danger, "ended".to_owned()),
    };
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let ended = matches!(view.state, CallState::Ended { .. });
        let button = style::danger(ui, if ended { "Back" } else { "Hang up" }).min_size(vec2(86.0, 30.0));
        if ui.add(button).on_hover_text("Ctrl+E").clicked() {
            actions.push(Action::HangUp);
        }
        let stats = egui::Button::new("Stats").selected(controls.stats).min_size(vec2(0.0, 30.0));
        if ui.add(stats).on_hover_text("Show or hide the numbers (S)").clicked() {
            controls.stats = !controls.stats;
        }
        let help = egui::Button::new("?").selected(controls.overlay == Overlay::Help).min_size(vec2(30.0, 30.0));
        if ui.add(help).on_hover_text("All keys (?)").accessible_name("Help").clicked() {
            controls.overlay = Overlay::Help;
        }
        ui.add_space(8.0);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let (dot, response) = ui.allocate_exact_size(vec2(12.0, 12.0), Sense::hover());
            ui.painter().circle_filled(dot.center(), 6.0, colour);
            let spoken = format!("Network: {why}");
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
            response.on_hover_text(&spoken);
            ui.label(RichText::new(view.title).strong().size(16.0));
            ui.add(Label::new(RichText::new(text).color(p.quiet)).truncate());
        });
    });
}

fn notices(ui: &Ui, notices: &[String]) {
    if notices.is_empty() {
        return;
    }
    // Over the pictures: buttons must not be covered.
    let at = pos2(ui.ctx().content_rect().center().x, TOP + 82.0);
    egui::Area::new(Id::unique("clearcall notices"))
        .order(egui::Order::Foreground)
        .pivot(Align2::CENTER_TOP)
        .fixed_pos(at)
        .interactable(false)
        .show(ui.ctx(), |ui| {
            let p = style::palette(ui);
            for notice in notices {
                egui::Frame::new()
                    .fill(p.raised)
                    .stroke(Stroke::new(1.0, p.warning))
                    .corner_radius(8.0)
                    .inner_margin(egui::Margin::symmetric(14, 8))
                    .show(ui, |ui| {
                        ui.set_max_width((ui.ctx().content_rect().width() - 60.0).min(520.0));
                        ui.add(Label::new(RichText::new(notice).color(p.text)).wrap());
                    });
            }
        });
}
