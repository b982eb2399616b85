//! What is drawn over the pictures: the divider, the loupe, and words.

use egui::{
    Align2, Color32, CursorIcon, FontId, Id, Pos2, Rect, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo, pos2, vec2,
};

use crate::app::{
    compare::{
        Compare,
        geometry::Placed,
        paint::{Brush, Magnify},
        sides::SideChoice,
    },
    pages::comparison::seen::Seen,
    theme::style,
};

/// Side of a loupe's square, and how much larger than the picture it shows.
const LOUPE: (f32, f32) = (132.0, 4.0);

/// The line between A and B, which can be dragged.
pub(super) fn divider(ui: &Ui, place: &Placed, compare: &mut Compare) {
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

/// Offers the smallest network where bicubic stands in its place; true when it is taken.
pub(super) fn offer(ui: &mut Ui, seen: &Seen<'_>, rect: Rect) -> bool {
    let Some(smallest) = seen.models.iter().min_by_key(|m| m.mac_per_pixel) else { return false };
    let button = egui::Button::new(format!("Use {} all the same", smallest.name));
    let at = Rect::from_center_size(rect.center_bottom() - vec2(0.0, 26.0), vec2(200.0, 30.0));
    ui.put(at, button).on_hover_text("However late its pictures come").clicked()
}

/// Two squares beside the pointer that show what is under it on both sides.
pub(super) fn loupe(ui: &Ui, brush: &mut Brush<'_>, two: [SideChoice; 2], at: Pos2, place: &Placed, area: Rect) {
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

/// That the picture stands still on purpose is said in it.
pub(super) fn frozen_mark(ui: &Ui, rect: Rect) {
    let p = style::palette(ui);
    let font = FontId::proportional(13.0);
    let text = ui.painter().layout_no_wrap("frozen".to_owned(), font, p.on_accent);
    let place = Rect::from_min_size(rect.left_top() + vec2(8.0, 8.0), text.size() + vec2(16.0, 6.0));
    ui.painter().rect_filled(place, 6.0, p.accent);
    ui.painter().galley(place.min + vec2(8.0, 3.0), text, p.on_accent);
}

/// Said in the place of a picture that is not there.
pub(super) fn missing(ui: &Ui, heads: &[SideChoice], seen: &Seen<'_>, rect: Rect) {
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
