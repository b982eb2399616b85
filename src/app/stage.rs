//! The middle of the window: the sides of one frame, laid out, zoomed, and told apart.

mod marks;

use egui::{
    Align, CursorIcon, Id, Label, Layout as Flow, Pos2, Rect, Response, RichText, Role, Sense, Ui, WidgetInfo, pos2,
    vec2,
};

use super::{
    call_page::ModelChoice,
    commands::{Command, key_of},
    compare::{Layout, Pane, Placed, Room, View, Zoom, around, panes},
    graphs,
    judge::SideScores,
    paint::{Brush, Difference, Magnify, Pictures},
    read_out,
    sides::SideChoice,
    style,
};
use crate::upscale::EngineKind;

/// Height of the line above a picture.
const LABEL: f32 = 30.0;
const GAP: f32 = 8.0;
/// Height of the line of pixel values.
const READ_OUT: f32 = 24.0;
/// The strongest amplification of a difference.
pub const MAX_GAIN: u32 = 16;

/// What the person has set about the comparison.
#[derive(Debug, Clone, PartialEq)]
pub struct Compare {
    /// How the sides are laid out.
    pub layout: Layout,
    /// Side A.
    pub a: SideChoice,
    /// Side B.
    pub b: SideChoice,
    /// Which part is seen, and how large.
    pub view: View,
    /// Where the divider is, as a share of the picture's place.
    pub split: f32,
    /// B is shown where only one of them is.
    pub flipped: bool,
    /// The difference has a sign.
    pub signed: bool,
    /// What the difference is multiplied with.
    pub gain: u32,
    /// The difference of luma only.
    pub luma: bool,
    /// Pixels are squares.
    pub nearest: bool,
    /// There is a loupe at the pointer.
    pub loupe: bool,
    /// The values under the pointer are shown.
    pub read_out: bool,
}

impl Compare {
    /// Bicubic against the network with this number.
    pub fn new(model: usize) -> Self {
        Self {
            layout: Layout::SideBySide,
            a: SideChoice::Bicubic,
            b: SideChoice::Network(model),
            view: View::default(),
            split: 0.5,
            flipped: false,
            signed: true,
            gain: 4,
            luma: false,
            nearest: false,
            loupe: false,
            read_out: false,
        }
    }

    /// What each pane of the layout shows; `model` is the call's network.
    pub fn sides(&self, model: usize) -> Vec<SideChoice> {
        match self.layout {
            Layout::FourUp => {
                vec![SideChoice::Low, SideChoice::Bicubic, SideChoice::Network(model), SideChoice::Truth]
            }
            _ => vec![self.a, self.b],
        }
    }

    /// The two sides that a loupe and the read-out are about.
    pub(crate) fn two(&self, model: usize) -> [SideChoice; 2] {
        match self.layout {
            Layout::FourUp => [SideChoice::Bicubic, SideChoice::Network(model)],
            _ => [self.a, self.b],
        }
    }

    /// A becomes B and B becomes A.
    pub fn swap(&mut self) {
        std::mem::swap(&mut self.a, &mut self.b);
    }
}

/// What there is to see.
pub(crate) struct Seen<'a> {
    pub(crate) pictures: &'a Pictures,
    pub(crate) models: &'a [ModelChoice],
    pub(crate) engine: Option<EngineKind>,
    /// The call's network.
    pub(crate) model: usize,
    /// Why the program chose it, where it did.
    pub(crate) why: Option<&'a str>,
    /// It chose none.
    pub(crate) off: bool,
    /// Sides have no names: a blind test is under way.
    pub(crate) masked: bool,
    /// The newest scores of a side, where the truth is known.
    pub(crate) scores: &'a dyn Fn(SideChoice) -> Option<SideScores>,
}

impl Seen<'_> {
    /// The name of a side with what it costs and, of the network that the program chose, why it is that one.
    pub(crate) fn label(&self, side: SideChoice) -> String {
        let label = side.label(self.models, self.engine);
        match self.why.filter(|_| side == SideChoice::Network(self.model)) {
            Some(why) if self.off => format!("bicubic · CNN off: {why}"),
            Some(why) => format!("{label} · {why}"),
            None => label,
        }
    }
}

/// What was seen, for pictures of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The place of all of it in the window, in points.
    pub area: Rect,
    /// The part of the pictures, in shares of them.
    pub part: Rect,
}

/// Draws the sides and takes what the pointer does to them.
pub(crate) fn show(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, commands: &[Command]) -> Option<Shown> {
    let area = ui.available_rect_before_wrap();
    let strip = if compare.read_out { READ_OUT } else { 0.0 };
    let (desk, foot) = area.split_top_bottom_at_y(area.bottom() - strip);
    let size = seen.pictures.size();
    let panes = panes(compare.layout, desk, LABEL, GAP);
    let room = |pane: &Pane| Room {
        rect: pane.room,
        align: pane.align,
        picture: vec2(size.width() as f32, size.height() as f32),
        pixels_per_point: ui.ctx().pixels_per_point(),
    };
    let rooms: Vec<Room> = panes.iter().map(room).collect();
    if let Some(room) = rooms.first() {
        commands.iter().for_each(|c| moved(*c, room, compare));
    }
    let view = compare.view;
    let placed: Vec<Placed> = rooms.iter().map(|r| r.place(&view)).collect();
    let ground = style::palette(ui).ground;
    let covered: Vec<Rect> = placed.iter().map(|p| p.rect).collect();
    for rest in around(area.expand(GAP), &covered) {
        ui.painter().rect_filled(rest, 0.0, ground);
    }

    let magnify = if compare.nearest { Magnify::Nearest } else { Magnify::Linear };
    let mut brush = Brush::new(seen.pictures, magnify);
    let mut under = None;
    let sides = compare.sides(seen.model);
    for (i, (pane, place)) in panes.iter().zip(&placed).enumerate() {
        let heads = heads(compare, &sides, i);
        labels(ui, seen, compare, pane, place, i);
        let name = match seen.masked {
            true => ["left", "right"][i.min(1)].to_owned(),
            false => heads.iter().map(|s| seen.label(*s)).collect::<Vec<_>>().join(" | "),
        };
        let response = ui.interact(place.rect, Id::unique(("picture", i)), Sense::click_and_drag());
        let spoken = format!("Picture: {name}");
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
        paint(ui, &mut brush, compare, &sides, i, place);
        if heads.iter().any(|s| !seen.pictures.has(*s)) {
            marks::missing(ui, &heads, seen, place.rect);
        }
        if let Some(at) = response.hover_pos() {
            under = Some((at, *place));
        }
        pointer(ui, &response, &rooms[i], place, compare);
    }
    if compare.layout == Layout::Wipe
        && let Some(place) = placed.first()
    {
        marks::divider(ui, place, compare);
    }
    if seen.pictures.frozen
        && let Some(place) = placed.first()
    {
        marks::frozen_mark(ui, place.rect);
    }
    let two = compare.two(seen.model);
    if let (true, Some((at, place))) = (compare.loupe, under) {
        marks::loupe(ui, &mut brush, two, at, &place, area);
    }
    if compare.read_out {
        read_out::show(ui, foot, seen, two, under);
    }
    ui.advance_cursor_after_rect(area);
    placed.first().map(|p| Shown { area, part: p.uv })
}

/// What a key does to the view.
fn moved(command: Command, room: &Room, compare: &mut Compare) {
    let middle = room.place(&compare.view).rect.center();
    match command {
        Command::Fit => compare.view = View::default(),
        Command::OneToOne => one_to_one(room, compare, middle),
        Command::ZoomIn => compare.view = room.zoomed(&compare.view, middle, 1.25),
        Command::ZoomOut => compare.view = room.zoomed(&compare.view, middle, 0.8),
        Command::Pan(x, 0) if compare.layout == Layout::Wipe && compare.view.zoom == Zoom::Fit => {
            compare.split = (compare.split + 0.02 * f32::from(x)).clamp(0.0, 1.0);
        }
        Command::Pan(x, y) => {
            let step = vec2(f32::from(x), f32::from(y)) * room.rect.size() * 0.1;
            compare.view = compare.view.dragged(&room.place(&compare.view), -step);
        }
        _ => {}
    }
}

fn one_to_one(room: &Room, compare: &mut Compare, at: Pos2) {
    compare.view = match compare.view.zoom {
        Zoom::Times(1.0) => View::default(),
        zoom => {
            let view = room.zoomed(&compare.view, at, 1.0 / room.times(zoom));
            // Exactly, whatever the division left.
            View { zoom: Zoom::Times(1.0), ..view }
        }
    };
}

/// The sides that pane `i` shows.
fn heads(compare: &Compare, sides: &[SideChoice], i: usize) -> Vec<SideChoice> {
    match compare.layout {
        Layout::SideBySide | Layout::FourUp => sides.get(i).copied().into_iter().collect(),
        Layout::Wipe | Layout::Difference => sides.to_vec(),
        Layout::Toggle => sides.get(usize::from(compare.flipped)).copied().into_iter().collect(),
    }
}

fn paint(ui: &Ui, brush: &mut Brush<'_>, compare: &Compare, sides: &[SideChoice], i: usize, place: &Placed) {
    match (compare.layout, sides) {
        (Layout::Wipe, [a, b, ..]) => {
            for (side, part) in [*a, *b].into_iter().zip(place.wiped(compare.split)) {
                if let Some(part) = part {
                    brush.side(ui, side, part.rect, part.uv);
                }
            }
        }
        (Layout::Difference, [a, b, ..]) => {
            let how = Difference { gain: compare.gain as f32, signed: compare.signed, luma: compare.luma };
            brush.difference(ui, [*a, *b], how, place.rect, place.uv);
        }
        _ => {
            for side in heads(compare, sides, i) {
                brush.side(ui, side, place.rect, place.uv);
            }
        }
    }
}

/// The line above a picture: which side it is, to be chosen.
fn labels(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, pane: &Pane, place: &Placed, i: usize) {
    // Above the picture, and wider than it where it is smaller than what has to be said.
    let least: f32 = match compare.layout {
        Layout::SideBySide | Layout::FourUp => 240.0,
        Layout::Wipe => 420.0,
        Layout::Toggle => 520.0,
        Layout::Difference => 640.0,
    };
    let width = place.rect.width().max(least).min(pane.label.width());
    let left = place.rect.left() + (place.rect.width() - width) * pane.align.x;
    let left = left.clamp(pane.label.left(), (pane.label.right() - width).max(pane.label.left()));
    let (top, right) = (place.rect.top() - LABEL, left + width);
    let rect = Rect::from_min_max(pos2(left, top), pos2(right, place.rect.top()));
    ui.scope_builder(egui::UiBuilder::new().max_rect(rect).layout(Flow::left_to_right(Align::Center)), |ui| {
        ui.spacing_mut().item_spacing.x = 6.0;
        match compare.layout {
            _ if seen.masked => {
                ui.label(RichText::new(["Left", "Right"][i.min(1)]).strong());
            }
            Layout::SideBySide => {
                let (name, side) = if i == 0 { ("Side A", &mut compare.a) } else { ("Side B", &mut compare.b) };
                choose(ui, seen, name, side, rect.width());
                scored(ui, seen, *side);
            }
            Layout::Wipe => {
                choose(ui, seen, "Side A", &mut compare.a, rect.width() / 2.0);
                if rect.width() > 700.0 {
                    scored(ui, seen, compare.a);
                }
                ui.with_layout(Flow::right_to_left(Align::Center), |ui| {
                    choose(ui, seen, "Side B", &mut compare.b, rect.width() / 2.0);
                    if rect.width() > 700.0 {
                        scored(ui, seen, compare.b);
                    }
                });
            }
            Layout::Toggle => {
                let width = (rect.width() - 80.0) / 2.0;
                mark(ui, "A", !compare.flipped);
                choose(ui, seen, "Side A", &mut compare.a, width - 20.0);
                mark(ui, "B", compare.flipped);
                choose(ui, seen, "Side B", &mut compare.b, width - 20.0);
                if ui.button("Flip").on_hover_text(key_of(Command::Flip)).clicked() {
                    compare.flipped = !compare.flipped;
                }
                scored(ui, seen, if compare.flipped { compare.b } else { compare.a });
            }
            Layout::Difference => difference_line(ui, seen, compare, rect.width()),
            Layout::FourUp => {
                let side = compare.sides(seen.model)[i];
                let p = style::palette(ui);
                let colour = if matches!(side, SideChoice::Network(_)) { p.accent } else { p.text };
                let text = seen.label(side);
                let scores = (seen.scores)(side).map(|s| graphs::in_words(&s)).unwrap_or_default();
                ui.with_layout(Flow::right_to_left(Align::Center), |ui| {
                    ui.label(RichText::new(scores).color(p.quiet));
                    ui.with_layout(Flow::left_to_right(Align::Center), |ui| {
                        ui.add(Label::new(RichText::new(text).color(colour).strong()).truncate());
                    });
                });
            }
        }
    });
}

fn difference_line(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, width: f32) {
    let narrow = width < 500.0;
    let side = ((width - if narrow { 226.0 } else { 330.0 }) / 2.0).max(84.0);
    choose(ui, seen, "Side B", &mut compare.b, side);
    ui.label("minus");
    choose(ui, seen, "Side A", &mut compare.a, side);
    let sign = egui::Button::new("±").selected(compare.signed);
    let hint = "Grey is equal, brighter is more (D); else black is equal";
    if ui.add(sign).on_hover_text(hint).accessible_name("Signed").clicked() {
        compare.signed = !compare.signed;
    }
    if narrow {
        let button = egui::Button::new(format!("×{}", compare.gain));
        if ui.add(button).on_hover_text("How strongly it is shown (G)").accessible_name("Gain").clicked() {
            compare.gain = if compare.gain >= MAX_GAIN { 1 } else { 2 * compare.gain };
        }
    }
    for gain in [1, 2, 4, 8, MAX_GAIN].into_iter().filter(|_| !narrow) {
        let button = egui::Button::new(format!("×{gain}"))
            .selected(compare.gain == gain)
            .frame_when_inactive(compare.gain == gain);
        if ui.add(button).on_hover_text("How strongly it is shown (G)").clicked() {
            compare.gain = gain;
        }
    }
    let luma = egui::Button::new("Luma").selected(compare.luma);
    if ui.add(luma).on_hover_text("Brightness only (Y)").clicked() {
        compare.luma = !compare.luma;
    }
}

/// A side's scores beside its name, as far as there is room.
fn scored(ui: &mut Ui, seen: &Seen<'_>, side: SideChoice) {
    if let Some(scores) = (seen.scores)(side) {
        let colour = style::palette(ui).quiet;
        let font = egui::TextStyle::Body.resolve(ui.style());
        let fits = |text: &str| {
            ui.painter().layout_no_wrap(text.to_owned(), font.clone(), colour).size().x < ui.available_width()
        };
        // All of it, or the first score, or nothing: half a number is none.
        let all = graphs::in_words(&scores);
        let first = all.split(" · ").next().unwrap_or_default().to_owned();
        let Some(text) = [all, first].into_iter().find(|text| fits(text)) else { return };
        let hint = "PSNR-Y · SSIM · SSIMULACRA2, against the truth";
        ui.add(Label::new(RichText::new(text).color(colour))).on_hover_text(hint);
    }
}

fn mark(ui: &mut Ui, letter: &str, on: bool) {
    let p = style::palette(ui);
    ui.label(RichText::new(letter).strong().color(if on { p.accent } else { p.quiet }));
}

/// The choice of a side.
fn choose(ui: &mut Ui, seen: &Seen<'_>, name: &str, side: &mut SideChoice, width: f32) {
    let p = style::palette(ui);
    let colour = if matches!(side, SideChoice::Network(_)) { p.accent } else { p.text };
    let text = seen.label(*side);
    let font = egui::TextStyle::Button.resolve(ui.style());
    let wants = ui.painter().layout_no_wrap(text.clone(), font, colour).size().x + 44.0;
    // What does not fit is cut off where the next control begins.
    let bound = if wants > width { width } else { ui.available_width() };
    let response = ui
        .scope(|ui| {
            ui.set_max_width(bound);
            egui::ComboBox::from_id_salt(("side", name))
                .selected_text(RichText::new(&text).color(colour).strong())
                .width(wants.min(width).max(60.0) - 8.0)
                .truncate()
                .height((ui.ctx().content_rect().height() - 60.0).min(400.0))
                .show_ui(ui, |ui| {
                    for choice in SideChoice::all(seen.models.len()) {
                        ui.selectable_value(side, choice, choice.label(seen.models, None));
                    }
                })
                .response
                .accessible_name(name)
        })
        .inner;
    if wants > width {
        response.on_hover_text(text);
    }
}

/// What the pointer does to a picture.
fn pointer(ui: &Ui, response: &Response, room: &Room, place: &Placed, compare: &mut Compare) {
    if let Some(at) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
        let factor = (scroll / 240.0).exp() * pinch;
        if (factor - 1.0).abs() > 1e-4 {
            // The page, which may be one that scrolls, stays.
            ui.input_mut(|i| i.smooth_scroll_delta = egui::Vec2::ZERO);
            compare.view = room.zoomed(&compare.view, at, factor);
        }
        if compare.layout == Layout::Wipe && ui.input(|i| i.modifiers.shift) {
            compare.split = place.split(at.x);
        }
    }
    let zoomed_in = place.uv.width() < 0.999 || place.uv.height() < 0.999;
    if response.dragged() && zoomed_in {
        compare.view = compare.view.dragged(place, response.drag_delta());
    } else if response.dragged()
        && compare.layout == Layout::Wipe
        && let Some(at) = response.interact_pointer_pos()
    {
        compare.split = place.split(at.x);
    }
    if let (true, Some(at)) = (response.double_clicked(), response.interact_pointer_pos()) {
        one_to_one(room, compare, at);
    }
    if zoomed_in && response.hovered() {
        ui.ctx().set_cursor_icon(if response.dragged() { CursorIcon::Grabbing } else { CursorIcon::Grab });
    }
}
