//! The middle of the window: the sides of one frame, laid out, zoomed, and told apart.

use egui::{
    Align, Align2, Color32, CursorIcon, FontId, Id, Label, Layout as Flow, Pos2, Rect, Response, RichText, Role, Sense,
    Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use super::{
    call_page::ModelChoice,
    commands::{Command, key_of},
    compare::{Layout, Pane, Placed, Room, View, Zoom, around, panes},
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
/// Side of a loupe's square, and how much larger than the picture it shows.
const LOUPE: (f32, f32) = (132.0, 4.0);
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
}

/// Draws the sides and takes what the pointer does to them.
pub(crate) fn show(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, commands: &[Command]) {
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
        let name = heads.iter().map(|s| s.label(seen.models, seen.engine)).collect::<Vec<_>>().join(" | ");
        let response = ui.interact(place.rect, Id::unique(("picture", i)), Sense::click_and_drag());
        let spoken = format!("Picture: {name}");
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
        paint(ui, &mut brush, compare, &sides, i, place);
        if heads.iter().any(|s| !seen.pictures.has(*s)) {
            missing(ui, &heads, seen, place.rect);
        }
        if let Some(at) = response.hover_pos() {
            under = Some((at, *place));
        }
        pointer(ui, &response, &rooms[i], place, compare);
    }
    if compare.layout == Layout::Wipe
        && let Some(place) = placed.first()
    {
        divider(ui, place, compare);
    }
    let two = compare.two(seen.model);
    if let (true, Some((at, place))) = (compare.loupe, under) {
        loupe(ui, &mut brush, two, at, &place, area);
    }
    if compare.read_out {
        read_out::show(ui, foot, seen, two, under);
    }
    ui.advance_cursor_after_rect(area);
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
            Layout::SideBySide if i == 0 => choose(ui, seen, "Side A", &mut compare.a, rect.width()),
            Layout::SideBySide => choose(ui, seen, "Side B", &mut compare.b, rect.width()),
            Layout::Wipe => {
                choose(ui, seen, "Side A", &mut compare.a, rect.width() / 2.0);
                ui.with_layout(Flow::right_to_left(Align::Center), |ui| {
                    choose(ui, seen, "Side B", &mut compare.b, rect.width() / 2.0);
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
            }
            Layout::Difference => difference_line(ui, seen, compare, rect.width()),
            Layout::FourUp => {
                let side = compare.sides(seen.model)[i];
                let p = style::palette(ui);
                let colour = if matches!(side, SideChoice::Network(_)) { p.accent } else { p.text };
                let text = side.label(seen.models, seen.engine);
                ui.add(Label::new(RichText::new(text).color(colour).strong()).truncate());
            }
        }
    });
}

fn difference_line(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, width: f32) {
    let side = ((width - 330.0) / 2.0).max(84.0);
    choose(ui, seen, "Side B", &mut compare.b, side);
    ui.label("minus");
    choose(ui, seen, "Side A", &mut compare.a, side);
    let sign = egui::Button::new("±").selected(compare.signed);
    let hint = "Grey is equal, brighter is more (D); else black is equal";
    if ui.add(sign).on_hover_text(hint).accessible_name("Signed").clicked() {
        compare.signed = !compare.signed;
    }
    for gain in [1, 2, 4, 8, MAX_GAIN] {
        let button = egui::Button::new(format!("×{gain}")).selected(compare.gain == gain).frame_when_inactive(false);
        if ui.add(button).on_hover_text("How strongly it is shown (G)").clicked() {
            compare.gain = gain;
        }
    }
    let luma = egui::Button::new("Luma").selected(compare.luma);
    if ui.add(luma).on_hover_text("Brightness only (Y)").clicked() {
        compare.luma = !compare.luma;
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
    let text = side.label(seen.models, seen.engine);
    let font = egui::TextStyle::Button.resolve(ui.style());
    let wants = ui.painter().layout_no_wrap(text.clone(), font, colour).size().x + 44.0;
    egui::ComboBox::from_id_salt(("side", name))
        .selected_text(RichText::new(text).color(colour).strong())
        .width(wants.min(width).max(60.0) - 8.0)
        .truncate()
        .height(400.0)
        .show_ui(ui, |ui| {
            for choice in SideChoice::all(seen.models.len()) {
                ui.selectable_value(side, choice, choice.label(seen.models, None));
            }
        })
        .response
        .accessible_name(name);
}

/// What the pointer does to a picture.
fn pointer(ui: &Ui, response: &Response, room: &Room, place: &Placed, compare: &mut Compare) {
    if let Some(at) = response.hover_pos() {
        let (scroll, pinch) = ui.input(|i| (i.smooth_scroll_delta().y, i.zoom_delta()));
        let factor = (scroll / 240.0).exp() * pinch;
        if (factor - 1.0).abs() > 1e-4 {
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

/// The line between A and B, which can be dragged.
fn divider(ui: &Ui, place: &Placed, compare: &mut Compare) {
    let x = place.divider(compare.split);
    let rect = Rect::from_x_y_ranges(x - 7.0..=x + 7.0, place.rect.y_range());
    let response = ui.interact(rect, Id::unique("divider"), Sense::drag());
    if let (true, Some(at)) = (response.dragged(), response.interact_pointer_pos()) {
        compare.split = place.split(at.x);
    }
    if response.hovered() || response.dragged() {
        ui.ctx().set_cursor_icon(CursorIcon::ResizeHorizontal);
    }
    response.widget_info(|| WidgetInfo::slider(true, f64::from(compare.split), "Divider"));
    let painter = ui.painter().with_clip_rect(place.rect.expand(1.0));
    let middle = pos2(x, place.rect.center().y);
    let line = [pos2(x, place.rect.top()), pos2(x, place.rect.bottom())];
    painter.line_segment(line, Stroke::new(4.0, Color32::from_black_alpha(110)));
    painter.line_segment(line, Stroke::new(2.0, Color32::WHITE));
    painter.circle(middle, 9.0, Color32::WHITE, Stroke::new(1.5, Color32::from_black_alpha(140)));
    for way in [-1.0, 1.0] {
        let tip = middle + vec2(6.5 * way, 0.0);
        let back = middle.x + 2.0 * way;
        let points = vec![tip, pos2(back, middle.y - 4.0), pos2(back, middle.y + 4.0)];
        painter.add(egui::Shape::convex_polygon(points, Color32::from_gray(60), Stroke::NONE));
    }
}

/// Two squares beside the pointer that show what is under it on both sides.
fn loupe(ui: &Ui, brush: &mut Brush<'_>, two: [SideChoice; 2], at: Pos2, place: &Placed, area: Rect) {
    let (side, times) = LOUPE;
    let size = vec2(2.0 * side + 4.0, side);
    let below = at + vec2(-size.x / 2.0, 22.0);
    let min = if below.y + size.y > area.bottom() { at - vec2(size.x / 2.0, size.y + 22.0) } else { below };
    let min = pos2(min.x.clamp(area.left(), (area.right() - size.x).max(area.left())), min.y.max(area.top())).round();
    let uv = place.loupe(place.share(at), side, times);
    brush.magnify(Magnify::Nearest);
    for (i, of) in two.into_iter().enumerate() {
        let rect = Rect::from_min_size(min + vec2(i as f32 * (side + 4.0), 0.0), Vec2::splat(side));
        ui.painter().rect_filled(rect.expand(2.0), 3.0, Color32::WHITE);
        brush.side(ui, of, rect, uv);
        let pixel = Rect::from_center_size(rect.center(), Vec2::splat(6.0));
        ui.painter().rect_stroke(pixel, 0.0, Stroke::new(1.0, Color32::WHITE), StrokeKind::Outside);
        let letter = ["A", "B"][i];
        let corner = rect.left_top() + vec2(5.0, 3.0);
        ui.painter().text(
            corner + Vec2::splat(1.0),
            Align2::LEFT_TOP,
            letter,
            FontId::proportional(13.0),
            Color32::BLACK,
        );
        ui.painter().text(corner, Align2::LEFT_TOP, letter, FontId::proportional(13.0), Color32::WHITE);
    }
}

/// Said in the place of a picture that is not there.
fn missing(ui: &Ui, heads: &[SideChoice], seen: &Seen<'_>, rect: Rect) {
    let p = style::palette(ui);
    ui.painter().rect_filled(rect, 0.0, p.raised);
    let truth = heads.iter().any(|s| *s == SideChoice::Truth && !seen.pictures.has(*s));
    let text = if truth {
        "The truth is known in a loopback call only,\nfrom a source with more pixels than are sent."
    } else {
        "The next frame has it."
    };
    ui.painter().text(rect.center(), Align2::CENTER_CENTER, text, FontId::proportional(14.0), p.quiet);
}
