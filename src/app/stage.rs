//! The middle of the window: the sides of one frame, laid out, zoomed, and told apart.

mod labels;
mod marks;

use egui::{CursorIcon, Id, Pos2, Rect, Response, Role, Sense, Ui, WidgetInfo, vec2};

use super::{
    call_page::ModelChoice,
    commands::Command,
    compare::{Layout, Pane, Placed, Room, View, Zoom, around, panes},
    judge::SideScores,
    paint::{Brush, Difference, Magnify, Pictures},
    read_out,
    sides::SideChoice,
    style,
};
use crate::{frame::Size, upscale::EngineKind};

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
        self.labels(side).swap_remove(0)
    }

    /// The same, and shorter and shorter; the name is always whole.
    fn labels(&self, side: SideChoice) -> Vec<String> {
        let mut labels = side.labels(self.models, self.engine);
        match self.why.filter(|_| side == SideChoice::Network(self.model)) {
            Some(why) if self.off => {
                let said = [format!("network off: {why}, bicubic shown"), "network off, bicubic shown".to_owned()];
                return said.into_iter().chain(["network off".to_owned()]).collect();
            }
            Some(why) => labels.insert(0, format!("{} · {why}", labels[0])),
            None => {}
        }
        labels
    }
}

/// What came of drawing the sides.
pub(crate) struct Drawn {
    /// What was seen.
    pub(crate) shown: Option<Shown>,
    /// A network is to run, whatever it takes.
    pub(crate) network_wanted: bool,
}

/// What was seen, for pictures of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shown {
    /// The place of all of it in the window, in points.
    pub area: Rect,
    /// The part of the pictures, in shares of them.
    pub part: Rect,
}

/// As high as all of it has to be where the pictures are as wide as they can.
pub(crate) fn height(compare: &Compare, picture: Size, width: f32) -> f32 {
    let Zoom::Fit = compare.view.zoom else { return f32::INFINITY };
    let (columns, rows) = match compare.layout {
        Layout::SideBySide => (2.0, 1.0),
        Layout::Wipe | Layout::Toggle | Layout::Difference => (1.0, 1.0),
        Layout::FourUp => (2.0, 2.0),
    };
    let wide = (width - GAP * (columns - 1.0)) / columns;
    let high = wide * picture.height() as f32 / picture.width() as f32;
    rows * (LABEL + high) + GAP * (rows - 1.0) + if compare.read_out { READ_OUT } else { 0.0 }
}

/// Draws the sides and takes what the pointer does to them.
pub(crate) fn show(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, commands: &[Command]) -> Drawn {
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
    let (mut under, mut network_wanted) = (None, false);
    let sides = compare.sides(seen.model);
    for (i, (pane, place)) in panes.iter().zip(&placed).enumerate() {
        let heads = heads(compare, &sides, i);
        labels::show(ui, seen, compare, pane, place, i);
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
        if seen.off && !seen.masked && heads.contains(&SideChoice::Network(seen.model)) {
            network_wanted |= marks::offer(ui, seen, place.rect.intersect(area));
        }
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
    Drawn { shown: placed.first().map(|p| Shown { area, part: p.uv }), network_wanted }
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
