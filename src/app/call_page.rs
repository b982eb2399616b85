//! The page of a running call: both pictures, the controls and the numbers.
//!
//! It is a function of [`CallView`] (what there is to see) and [`Controls`] (what the person has set);
//! what the person does comes back as [`Action`]s.

use egui::{
    Align, Align2, FontId, Key, Label, Layout, Modifiers, Rect, RichText, Role, Sense, Stroke, StrokeKind, TextureId,
    Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::{
    compare::{Place, Space, Zoom},
    paint::Pictures,
    stats_panel, style, waiting,
};
use crate::{frame::Size, pipeline::State, stats::Snapshot};

const TOP: f32 = 48.0;
const CONTROLS: f32 = 82.0;
const LABEL: f32 = 28.0;
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
    /// How large the pictures are.
    pub zoom: Zoom,
    /// The point of the pictures that is wanted in the middle, 0 to 1.
    pub centre: Vec2,
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
    keys(ui, controls, &mut actions);
    let panel = |p: egui::Panel, size: f32| p.exact_size(size).resizable(false).show_separator_line(false);

    let bar = style::bar(ui);
    panel(egui::Panel::top("call bar"), TOP).frame(bar).show(ui, |ui| top(ui, view, controls, &mut actions));
    panel(egui::Panel::bottom("call controls"), CONTROLS)
        .frame(bar)
        .show(ui, |ui| bottom(ui, view, controls, &mut actions));
    // There is nothing to count while the other side is waited for.
    let counting = matches!(view.state, State::Starting | State::Connected { .. } | State::Ended { .. });
    if controls.stats && counting {
        panel(egui::Panel::bottom("call stats"), stats_panel::HEIGHT).frame(bar).show(ui, |ui| {
            if stats_panel::show(ui, view.stats, view.fps) {
                actions.push(Action::CopyStats);
            }
        });
    }
    let ground = egui::Frame::new().inner_margin(GAP);
    egui::CentralPanel::default().frame(ground).show(ui, |ui| match (view.state, view.pictures) {
        (State::Connected { .. }, Some(pictures)) => compare(ui, view, pictures, controls),
        (state, _) => {
            fill_around(ui, &[]);
            waiting::show(ui, state, controls, &mut actions);
        }
    });
    notices(ui, view.notices);
    actions
}

fn keys(ui: &Ui, controls: &mut Controls, actions: &mut Vec<Action>) {
    if ui.ctx().text_edit_focused() {
        return;
    }
    let pressed = |modifiers, key| ui.input_mut(|i| i.consume_key(modifiers, key));
    if pressed(Modifiers::NONE, Key::S) {
        controls.stats = !controls.stats;
    }
    if pressed(Modifiers::NONE, Key::Z) {
        toggle(&mut controls.zoom);
    }
    if pressed(Modifiers::NONE, Key::H) {
        controls.hidden = !controls.hidden;
        actions.push(Action::Hide);
    }
    if pressed(Modifiers::CTRL, Key::E) {
        actions.push(Action::HangUp);
    }
}

fn toggle(zoom: &mut Zoom) {
    *zoom = if *zoom == Zoom::Fit { Zoom::Actual } else { Zoom::Fit };
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
        let actual = egui::Button::new("1:1").selected(controls.zoom == Zoom::Actual).min_size(vec2(0.0, 30.0));
        let hint = "A picture's pixel is a screen's pixel; drag to look around (Z)";
        if ui.add(actual).on_hover_text(hint).accessible_name("Zoom 1:1").clicked() {
            toggle(&mut controls.zoom);
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

/// Both sides of one frame.
fn compare(ui: &mut Ui, view: &CallView<'_>, pictures: &Pictures, controls: &mut Controls) {
    let area = ui.available_rect_before_wrap();
    let space = Space {
        area,
        picture: vec2(pictures.size.width() as f32, pictures.size.height() as f32),
        label: LABEL,
        gap: GAP,
        pixels_per_point: ui.ctx().pixels_per_point(),
    };
    let sides = space.side_by_side(controls.zoom, controls.centre);
    let network = network_label(view, controls);
    fill_around(ui, &sides.places.map(|p| p.picture));
    let p = style::palette(ui);
    for (side, (name, colour)) in [("bicubic", p.text), (network.as_str(), p.accent)].into_iter().enumerate() {
        let place = sides.places[side];
        label(ui, &place, name, colour);
        let sense = if controls.zoom == Zoom::Actual { Sense::drag() } else { Sense::hover() };
        let response = ui.allocate_rect(place.picture, sense);
        pictures.draw(ui, side, place.picture, sides.uv);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Picture: {name}")));
        if response.dragged() {
            controls.centre = sides.dragged(response.drag_delta());
        }
    }
    ui.advance_cursor_after_rect(area);
}

/// Fills the middle of the window, but not the pictures' places: what is drawn twice costs twice.
///
/// The pictures stand in a row from left to right at the same height.
fn fill_around(ui: &Ui, pictures: &[Rect]) {
    let colour = style::palette(ui).ground;
    let area = ui.available_rect_before_wrap().expand(GAP);
    let fill = |rect: Rect| {
        if rect.is_positive() {
            ui.painter().rect_filled(rect, 0.0, colour);
        }
    };
    let Some((first, last)) = pictures.first().zip(pictures.last()) else { return fill(area) };
    fill(area.with_max_y(first.top()));
    fill(area.with_min_y(first.bottom()));
    let row = area.with_min_y(first.top()).with_max_y(first.bottom());
    fill(row.with_max_x(first.left()));
    fill(row.with_min_x(last.right()));
    for beside in pictures.windows(2) {
        fill(row.with_min_x(beside[0].right()).with_max_x(beside[1].left()));
    }
}

fn label(ui: &mut Ui, place: &Place, name: &str, colour: egui::Color32) {
    let layout = Layout::left_to_right(Align::Center);
    ui.scope_builder(egui::UiBuilder::new().max_rect(place.label).layout(layout), |ui| {
        ui.add(Label::new(RichText::new(name).color(colour).strong()).truncate());
    });
}

/// "CNN · small · 2,088 MAC/px · CPU".
fn network_label(view: &CallView<'_>, controls: &Controls) -> String {
    let mut text = "CNN".to_owned();
    if let Some(m) = view.models.get(controls.model) {
        text += &format!(" · {} · {} MAC/px", m.name, style::grouped(m.mac_per_pixel as u64));
    }
    if let Some(engine) = view.stats.engine {
        text += &format!(" · {}", engine.to_string().to_uppercase());
    }
    text
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
