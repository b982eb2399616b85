//! The middle of the window: the sides of one frame, laid out, zoomed, and told apart.

mod caption;
mod details;
mod labels;
mod marks;
mod read_out;
pub(crate) mod seen;

use egui::{CursorIcon, Id, Pos2, Rect, Response, Role, Sense, Ui, WidgetInfo, vec2};

use crate::{
    app::{
        commands::Command,
        compare::{
            Compare, Shown,
            geometry::{PanZoom, Placed, Room, Zoom},
            paint::{Brush, Difference, Magnify},
            panes::{Layout, Pane, around, panes},
            sides::SideChoice,
            strip::{Around, Strip},
        },
        pages::comparison::seen::Seen,
        theme::style,
    },
    frame::Size,
    pipeline::NetworkOff,
    spotlight::Chooser,
};

const GAP: f32 = 8.0;
/// Height of the line of pixel values.
const READ_OUT: f32 = 24.0;
/// What the spotlight has below pictures that are as wide as they can.
const STRIP: f32 = 130.0;
/// Pictures that are shown so large, in screen pixels for a pixel, need no spotlight.
const LARGE: f32 = 2.0;

/// What came of drawing the sides.
pub(crate) struct Drawn {
    /// What was seen.
    pub(crate) shown: Option<Shown>,
    /// A network is to run, whatever it takes.
    pub(crate) network_wanted: bool,
}

/// As high as all of it has to be where the pictures are as wide as they can.
pub(crate) fn height(compare: &Compare, picture: Size, width: f32, pixels_per_point: f32) -> f32 {
    let Zoom::Fit = compare.view.zoom else { return f32::INFINITY };
    let (columns, rows) = compare.layout.columns_and_rows();
    let (columns, rows) = (columns as f32, rows as f32);
    let wide = (width - GAP * (columns - 1.0)) / columns;
    let high = wide * picture.height() as f32 / picture.width() as f32;
    let small = wide * pixels_per_point < LARGE * picture.width() as f32;
    let more = [(compare.read_out, READ_OUT), (compare.spotlight && small, STRIP + GAP)];
    let more: f32 = more.iter().filter(|(on, _)| *on).map(|(_, height)| height).sum();
    rows * (labels::HEIGHT + high) + GAP * (rows - 1.0) + more
}

/// The spotlight's place, where there is to be one.
fn strip(ui: &Ui, seen: &Seen<'_>, compare: &Compare, area: Rect) -> Option<Strip> {
    let size = seen.pictures.size();
    let around = Around {
        layout: compare.layout,
        picture: vec2(size.width() as f32, size.height() as f32),
        label: labels::HEIGHT,
        gap: GAP,
        pixels_per_point: ui.ctx().pixels_per_point(),
    };
    // Whether it is there must not depend on the room that it takes itself.
    let large = match compare.view.zoom {
        Zoom::Fit => around.fit(area),
        Zoom::Times(times) => times,
    };
    let wanted = compare.spotlight && !seen.masked && large < LARGE;
    wanted.then(|| around.strip(area, compare.sides(seen.model).len())).flatten()
}

/// Draws the sides and takes what the pointer does to them.
pub(crate) fn show(
    ui: &mut Ui,
    seen: &Seen<'_>,
    compare: &mut Compare,
    chooser: &mut Chooser,
    commands: &[Command],
) -> Drawn {
    let area = ui.available_rect_before_wrap();
    let line = if compare.read_out { READ_OUT } else { 0.0 };
    let (above, foot) = area.split_top_bottom_at_y(area.bottom() - line);
    let strip = strip(ui, seen, compare, above);
    let desk = strip.as_ref().map_or(above, |strip| strip.desk);
    let size = seen.pictures.size();
    let panes = panes(compare.layout, desk, labels::HEIGHT, GAP);
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
        if seen.off == Some(NetworkOff::TooSlow) && !seen.masked && heads.contains(&SideChoice::Network(seen.model)) {
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
    if let Some(strip) = &strip {
        details::show(ui, seen, &mut brush, chooser, strip, &sides, &placed);
    }
    let pictures = covered.iter().fold(Rect::NOTHING, |all, rect| all.union(*rect));
    caption::show(ui, seen, compare, pictures);
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
        Command::Fit => compare.view = PanZoom::default(),
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
        Zoom::Times(1.0) => PanZoom::default(),
        zoom => {
            let view = room.zoomed(&compare.view, at, 1.0 / room.times(zoom));
            // Exactly, whatever the division left.
            PanZoom { zoom: Zoom::Times(1.0), ..view }
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
