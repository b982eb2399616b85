//! The page of a running call: both pictures, the controls and the numbers.
//!
//! It is a function of [`CallView`] (what there is to see) and [`Controls`] (what the person has set);
//! what the person does comes back as [`Action`]s.

use egui::{
    Align, Align2, FontId, Label, Layout, RichText, Role, Sense, Stroke, StrokeKind, TextureId, Ui, Vec2, WidgetInfo,
    pos2, vec2,
};

use super::{
    commands::{self, Command},
    paint::Pictures,
    sheets::{self, Sheet},
    sides::SideChoice,
    stage::{self, Compare, MAX_GAIN, Seen},
    stats_panel, style, toolbar, waiting,
};
use crate::{frame::Size, pipeline::State, stats::Snapshot};

const TOP: f32 = 48.0;
const CONTROLS: f32 = 82.0;
const GAP: f32 = 8.0;

/// A network that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    /// Its name.
    pub name: String,
    /// Multiplications for a low-resolution pixel.
    pub mac_per_pixel: usize,
}

/// What there is to see.
#[derive(Debug)]
pub struct CallView<'a> {
    /// What kind of call it is, in a few words.
    pub title: &'a str,
    /// Whether both ends are here, so that packets can be lost on purpose.
    pub loopback: bool,
    /// Where it stands.
    pub state: &'a State,
    /// The newest frame.
    pub pictures: Option<&'a Pictures>,
    /// What this side sends.
    pub self_view: Option<(TextureId, Size)>,
    /// The numbers.
    pub stats: &'a Snapshot,
    /// Frames shown in the last second.
    pub fps: f64,
    /// The networks to choose from.
    pub models: &'a [ModelChoice],
    /// What has happened just now.
    pub notices: &'a [String],
}

/// What the person has set.
#[derive(Debug, Clone)]
pub struct Controls {
    /// Bits per second.
    pub bitrate: u32,
    /// Which of the models.
    pub model: usize,
    /// Black is sent.
    pub hidden: bool,
    /// Packets lost on purpose, in per cent.
    pub loss: f32,
    /// Milliseconds that each packet is held back.
    pub delay_ms: u32,
    /// Whether the numbers are shown.
    pub stats: bool,
    /// How the sides are compared.
    pub compare: Compare,
    /// What lies over the page.
    pub sheet: Sheet,
    /// The answer line that is being pasted.
    pub answer: String,
    /// What was wrong with it.
    pub answer_error: Option<String>,
}

/// What the person did.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// End the call, or leave the page of one that has ended.
    HangUp,
    /// The bitrate was changed.
    Bitrate,
    /// The model was changed.
    Model,
    /// Hide or show the own picture.
    Hide,
    /// Loss or delay were changed.
    Impair,
    /// The answer line is complete.
    Answer,
    /// The numbers go to the clipboard.
    CopyStats,
}

/// Draws the page.
pub fn show(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls) -> Vec<Action> {
    let mut actions = Vec::new();
    let mut todo = commands::pressed(ui);
    todo.extend(sheets::show(ui, &mut controls.sheet));
    todo.iter().for_each(|command| obey(*command, view, controls, &mut actions));
    let panel = |p: egui::Panel| p.resizable(false).show_separator_line(false);

    let bar = style::bar(ui);
    panel(egui::Panel::top("call bar")).exact_size(TOP).frame(bar).show(ui, |ui| top(ui, view, controls, &mut actions));
    let pictures = view.pictures.filter(|_| matches!(view.state, State::Connected { .. }));
    if let Some(pictures) = pictures {
        let thin = bar.inner_margin(egui::Margin { top: 0, ..bar.inner_margin });
        let tools = panel(egui::Panel::top("tools")).frame(thin);
        todo.extend(tools.show(ui, |ui| toolbar::show(ui, pictures, &mut controls.compare)).inner);
    }
    panel(egui::Panel::bottom("call controls"))
        .exact_size(CONTROLS)
        .frame(bar)
        .show(ui, |ui| bottom(ui, view, controls, &mut actions));
    // There is nothing to count while the other side is waited for.
    let counting = matches!(view.state, State::Starting | State::Connected { .. } | State::Ended { .. });
    if controls.stats && counting {
        panel(egui::Panel::bottom("call stats")).exact_size(stats_panel::HEIGHT).frame(bar).show(ui, |ui| {
            if stats_panel::show(ui, view.stats, view.fps) {
                actions.push(Action::CopyStats);
            }
        });
    }
    let ground = egui::Frame::new().inner_margin(GAP);
    egui::CentralPanel::default().frame(ground).show(ui, |ui| match pictures {
        Some(pictures) => {
            let (models, model) = (view.models, controls.model);
            let seen = Seen { pictures, models, engine: view.stats.engine, model };
            stage::show(ui, &seen, &mut controls.compare, &todo);
        }
        None => {
            let area = ui.available_rect_before_wrap().expand(GAP);
            ui.painter().rect_filled(area, 0.0, style::palette(ui).ground);
            waiting::show(ui, view.state, controls, &mut actions);
        }
    });
    settle(controls, &mut actions);
    notices(ui, view.notices);
    actions
}

/// Does what a key or the palette asks for; what concerns the view is done where the pictures are placed.
fn obey(command: Command, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    let networks = view.models.len();
    let compare = &mut controls.compare;
    match command {
        Command::Layout(layout) => compare.layout = layout,
        Command::Flip if compare.layout == super::compare::Layout::Toggle => compare.flipped = !compare.flipped,
        Command::Flip | Command::Swap => compare.swap(),
        Command::NextA => compare.a = compare.a.next(networks, false),
        Command::NextB => compare.b = compare.b.next(networks, false),
        Command::NextModel => {
            controls.model = (controls.model + 1) % networks.max(1);
            adopt(controls);
            actions.push(Action::Model);
        }
        Command::Nearest => compare.nearest = !compare.nearest,
        Command::Loupe => compare.loupe = !compare.loupe,
        Command::ReadOut => compare.read_out = !compare.read_out,
        Command::Signed => compare.signed = !compare.signed,
        Command::GainUp => compare.gain = (compare.gain * 2).min(MAX_GAIN),
        Command::GainDown => compare.gain = (compare.gain / 2).max(1),
        Command::Luma => compare.luma = !compare.luma,
        Command::Stats => controls.stats = !controls.stats,
        Command::Hide => {
            controls.hidden = !controls.hidden;
            actions.push(Action::Hide);
        }
        Command::HangUp => actions.push(Action::HangUp),
        Command::Help => {
            controls.sheet = if controls.sheet == Sheet::Help { Sheet::None } else { Sheet::Help };
        }
        Command::Palette => controls.sheet = Sheet::Palette(String::new()),
        Command::Fit | Command::OneToOne | Command::ZoomIn | Command::ZoomOut | Command::Pan(..) => {}
    }
}

/// The side that shows a network shows the one that was chosen for the call.
fn adopt(controls: &mut Controls) {
    let compare = &mut controls.compare;
    let network = SideChoice::Network(controls.model);
    let side = if matches!(compare.b, SideChoice::Network(_)) { &mut compare.b } else { &mut compare.a };
    if matches!(side, SideChoice::Network(_)) {
        *side = network;
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
        controls.model = *first;
        actions.push(Action::Model);
    }
}

fn top(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    let p = style::palette(ui);
    let (colour, text) = match view.state {
        State::Starting => (p.warning, "starting".to_owned()),
        State::Waiting { .. } | State::Offered { .. } | State::Answered { .. } => {
            (p.warning, "waiting for the other side".to_owned())
        }
        State::Connected { with } => (p.good, format!("connected with {with}")),
        State::Ended { .. } => (p.danger, "ended".to_owned()),
    };
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        let ended = matches!(view.state, State::Ended { .. });
        let button = style::danger(ui, if ended { "Back" } else { "Hang up" }).min_size(vec2(86.0, 30.0));
        if ui.add(button).on_hover_text("Ctrl+E").clicked() {
            actions.push(Action::HangUp);
        }
        let stats = egui::Button::new("Stats").selected(controls.stats).min_size(vec2(0.0, 30.0));
        if ui.add(stats).on_hover_text("Show or hide the numbers (S)").clicked() {
            controls.stats = !controls.stats;
        }
        let help = egui::Button::new("?").selected(controls.sheet == Sheet::Help).min_size(vec2(30.0, 30.0));
        if ui.add(help).on_hover_text("All keys (?)").accessible_name("Help").clicked() {
            controls.sheet = Sheet::Help;
        }
        ui.add_space(8.0);
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let (dot, _) = ui.allocate_exact_size(vec2(10.0, 10.0), Sense::hover());
            ui.painter().circle_filled(dot.center(), 5.0, colour);
            ui.label(RichText::new(view.title).strong().size(16.0));
            ui.add(Label::new(RichText::new(text).color(p.quiet)).truncate());
        });
    });
}

fn bottom(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        self_view(ui, view, controls.hidden);
        ui.with_layout(Layout::top_down(Align::Min), |ui| {
            ui.spacing_mut().slider_width = 150.0;
            ui.add_space(if view.loopback { 2.0 } else { 19.0 });
            ui.horizontal(|ui| {
                cell(ui, 306.0, |ui| bitrate(ui, controls, actions));
                cell(ui, 196.0, |ui| model(ui, view, controls, actions));
                let text = if controls.hidden { "Show my picture" } else { "Hide my picture" };
                let button = egui::Button::new(text).selected(controls.hidden).min_size(vec2(128.0, 28.0));
                if ui.add(button).on_hover_text("Send black instead (H)").clicked() {
                    controls.hidden = !controls.hidden;
                    actions.push(Action::Hide);
                }
            });
            if view.loopback {
                ui.horizontal(|ui| {
                    cell(ui, 306.0, |ui| {
                        let slider = egui::Slider::new(&mut controls.loss, 0.0..=30.0).step_by(0.5).suffix(" %");
                        if named(ui, "Loss", slider).on_hover_text("Packets that are lost on purpose").changed() {
                            actions.push(Action::Impair);
                        }
                    });
                    cell(ui, 306.0, |ui| {
                        let slider = egui::Slider::new(&mut controls.delay_ms, 0..=500).suffix(" ms");
                        if named(ui, "Delay", slider).on_hover_text("How long each packet is held back").changed() {
                            actions.push(Action::Impair);
                        }
                    });
                });
            }
        });
    });
}

/// A place of fixed width, so that what stands beside it does not move when a number grows.
fn cell(ui: &mut Ui, width: f32, add: impl FnOnce(&mut Ui)) {
    ui.allocate_ui_with_layout(vec2(width, 28.0), Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_width(width);
        add(ui);
    });
}

/// A slider with its name to the left of it, at the same place in each row.
fn named(ui: &mut Ui, name: &str, slider: egui::Slider<'_>) -> egui::Response {
    let label = text_in(ui, vec2(50.0, 28.0), name.into());
    ui.add(slider).labelled_by(label.id)
}

/// Text at the left of a place of fixed size; what does not fit is cut off.
fn text_in(ui: &mut Ui, size: Vec2, text: RichText) -> egui::Response {
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_size(size);
        ui.add(Label::new(text).truncate())
    })
    .inner
}

fn bitrate(ui: &mut Ui, controls: &mut Controls, actions: &mut Vec<Action>) {
    let mut kbit = controls.bitrate / 1000;
    let slider = egui::Slider::new(&mut kbit, 50..=4000)
        .logarithmic(true)
        .clamping(egui::SliderClamping::Edits)
        .suffix(" kbit/s");
    if named(ui, "Bitrate", slider).changed() && kbit != controls.bitrate / 1000 {
        controls.bitrate = kbit * 1000;
        actions.push(Action::Bitrate);
    }
}

fn model(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    let label = text_in(ui, vec2(50.0, 28.0), "Model".into());
    let chosen = view.models.get(controls.model).map_or("", |m| m.name.as_str());
    let before = controls.model;
    egui::ComboBox::from_id_salt("model")
        .selected_text(chosen)
        .width(130.0)
        .truncate()
        .show_ui(ui, |ui| {
            for (i, m) in view.models.iter().enumerate() {
                let text = format!("{} · {} MAC/px", m.name, style::grouped(m.mac_per_pixel as u64));
                ui.selectable_value(&mut controls.model, i, text);
            }
        })
        .response
        .labelled_by(label.id);
    if controls.model != before {
        adopt(controls);
        actions.push(Action::Model);
    }
}

fn self_view(ui: &mut Ui, view: &CallView<'_>, hidden: bool) {
    let height = ui.available_height();
    let aspect = view.self_view.map_or(4.0 / 3.0, |(_, s)| s.width() as f32 / s.height() as f32).clamp(0.5, 1.8);
    let (rect, response) = ui.allocate_exact_size(vec2((height * aspect).round(), height), Sense::hover());
    let p = style::palette(ui);
    ui.painter().rect_filled(rect, 4.0, p.ground);
    match view.self_view {
        Some((texture, _)) if !hidden => {
            egui::Image::from_texture((texture, rect.size())).corner_radius(4.0).alt_text("You").paint_at(ui, rect);
        }
        _ => {
            let text = if hidden { "hidden" } else { "you" };
            ui.painter().text(rect.center(), Align2::CENTER_CENTER, text, FontId::proportional(13.0), p.quiet);
        }
    }
    ui.painter().rect_stroke(rect, 4.0, Stroke::new(1.0, p.line), StrokeKind::Outside);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Your picture, as it is sent"));
    response.on_hover_text("Your picture, as it is sent");
}

fn notices(ui: &Ui, notices: &[String]) {
    if notices.is_empty() {
        return;
    }
    let at = pos2(ui.ctx().content_rect().center().x, TOP + 12.0);
    egui::Area::new(egui::Id::unique("clearcall notices"))
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
                        ui.set_max_width(520.0);
                        ui.add(Label::new(RichText::new(notice).color(p.text)).wrap());
                    });
            }
        });
}
