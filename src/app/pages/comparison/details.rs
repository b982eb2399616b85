//! The spotlight: details in which the sides differ, enlarged, the sides beside each other.

use egui::{
    Align2, Color32, CursorIcon, FontId, Id, Rect, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, vec2,
};

use crate::{
    app::{
        compare::{
            geometry::Placed,
            paint::Brush,
            sides::SideChoice,
            strip::{Strip, extent, part},
        },
        pages::comparison::seen::Seen,
        theme::style,
    },
    spotlight::Chooser,
};

const SMALL: FontId = FontId::new(12.0, egui::FontFamily::Proportional);
/// Between a word and the end of its ground.
const MARGIN: Vec2 = vec2(6.0, 2.0);
const HINT: &str = "Where the sides differ most. Click: it stays here; click again: the program chooses (W hides it)";

/// Draws the details, and in the pictures where they come from; takes clicks on them.
pub(super) fn show(
    ui: &mut Ui,
    seen: &Seen<'_>,
    brush: &mut Brush<'_>,
    chooser: &mut Chooser,
    strip: &Strip,
    sides: &[SideChoice],
    placed: &[Placed],
) {
    let p = style::palette(ui);
    let now = ui.input(|i| i.time);
    let size = seen.pictures.size();
    let picture = vec2(size.width() as f32, size.height() as f32);
    let Some(tile) = strip.details.first().and_then(|tiles| tiles.first()) else { return };
    let extent = extent(tile.size(), picture, ui.ctx().pixels_per_point());
    let details = chooser.details(now, extent, strip.details.len());
    if chooser.moves(now) {
        ui.ctx().request_repaint();
    }
    if details.is_empty() {
        let first = strip.details.iter().flatten().fold(Rect::NOTHING, |all, tile| all.union(*tile));
        let text = "The sides do not differ.";
        let text = ui.painter().layout(text.to_owned(), SMALL, p.quiet, first.width());
        ui.painter().galley(first.center() - text.size() / 2.0, text, p.quiet);
    }
    for (i, (detail, tiles)) in details.iter().zip(&strip.details).enumerate() {
        let uv = part(detail.place, extent, picture);
        let number = (details.len() > 1).then(|| (i + 1).to_string());
        for place in placed {
            source(ui, place, uv, detail.pinned.then_some(p.accent), number.as_deref());
        }
        let mut clicked = false;
        for (side, tile) in sides.iter().zip(tiles) {
            let name = seen.labels(*side).pop().unwrap_or_default();
            let response = ui.interact(*tile, Id::unique(("detail", i, *side)), Sense::click());
            let spoken = format!("Detail {}: {name}{}", i + 1, if detail.pinned { ", pinned" } else { "" });
            response.widget_info(|| WidgetInfo::labeled(Role::Button, true, &spoken));
            if seen.pictures.has(*side) {
                brush.side(ui, *side, *tile, uv);
            } else {
                ui.painter().rect_filled(*tile, 0.0, p.raised);
            }
            let colour = if matches!(side, SideChoice::Network(_)) { p.accent } else { p.text };
            word(ui, *tile, Align2::LEFT_BOTTOM, &name, colour);
            if response.has_focus() {
                ui.painter().rect_stroke(*tile, 0.0, Stroke::new(2.0, p.accent), StrokeKind::Inside);
            }
            clicked |= response.clicked();
            if response.hovered() {
                ui.ctx().set_cursor_icon(CursorIcon::PointingHand);
            }
            response.on_hover_text(HINT);
        }
        if let Some(first) = tiles.first() {
            let words = [number, detail.pinned.then(|| "pinned".to_owned())];
            let words: Vec<String> = words.into_iter().flatten().collect();
            if !words.is_empty() {
                word(ui, *first, Align2::LEFT_TOP, &words.join(" · "), p.text);
            }
        }
        if clicked {
            chooser.pin(i, now);
        }
    }
}

/// A word in the corner of a tile; what does not fit is cut off.
fn word(ui: &Ui, tile: Rect, corner: Align2, text: &str, colour: Color32) {
    let galley = ui.painter().layout_no_wrap(text.to_owned(), SMALL, colour);
    let ground = corner.align_size_within_rect(galley.size() + 2.0 * MARGIN, tile);
    let painter = ui.painter().with_clip_rect(tile.intersect(ui.clip_rect()));
    painter.rect_filled(ground, 0.0, style::palette(ui).ground.gamma_multiply(0.82));
    painter.galley(ground.min + MARGIN, galley, colour);
}

/// Where in a picture a detail comes from.
fn source(ui: &Ui, place: &Placed, uv: Rect, pinned: Option<Color32>, number: Option<&str>) {
    let rect = Rect::from_min_max(place.point(uv.min), place.point(uv.max));
    let painter = ui.painter().with_clip_rect(place.rect.intersect(ui.clip_rect()));
    let line = pinned.unwrap_or(Color32::from_white_alpha(230));
    // To be seen on white and on black.
    painter.rect_stroke(rect, 2.0, Stroke::new(3.5, Color32::from_black_alpha(110)), StrokeKind::Middle);
    painter.rect_stroke(rect, 2.0, Stroke::new(1.5, line), StrokeKind::Middle);
    if let Some(number) = number {
        let at = rect.left_top() + vec2(4.0, 2.0);
        painter.text(at + Vec2::splat(1.0), Align2::LEFT_TOP, number, SMALL, Color32::from_black_alpha(170));
        painter.text(at, Align2::LEFT_TOP, number, SMALL, line);
    }
}
