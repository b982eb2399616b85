//! The two crops of a blind test, beside each other.

use egui::{Id, Label, Rect, RichText, Role, Sense, Ui, UiBuilder, WidgetInfo, vec2};

use crate::{
    app::{
        compare::{
            crops::Screen,
            paint::{Brush, Magnify, Pictures},
            panes::around,
            sides::SideChoice,
        },
        theme::style,
    },
    spotlight::Place,
};

const LABEL: f32 = 30.0;
const GAP: f32 = 8.0;

/// Draws the part of both sides around `place`, and gives it in shares of the picture. Nothing says which side is which.
pub(crate) fn show(ui: &mut Ui, pictures: &Pictures, left_and_right: [SideChoice; 2], place: Place) -> Rect {
    let area = ui.available_rect_before_wrap();
    let pixels_per_point = ui.ctx().pixels_per_point();
    let density = ui.ctx().native_pixels_per_point().unwrap_or(pixels_per_point);
    let screen = Screen { area, label: LABEL, gap: GAP, pixels_per_point, density };
    let size = pictures.size();
    let crops = screen.crops(vec2(size.width() as f32, size.height() as f32), place);
    let ground = style::palette(ui).ground;
    for rest in around(area.expand(GAP), &crops.map(|crop| crop.rect)) {
        ui.painter().rect_filled(rest, 0.0, ground);
    }
    // A pixel is a square of whole pixels, so that nothing lies between two.
    let mut brush = Brush::new(pictures, Magnify::Nearest);
    for (i, (side, crop)) in left_and_right.into_iter().zip(crops).enumerate() {
        let name = ["left", "right"][i];
        let rect = crop.rect;
        let line = crop.label.with_min_x(rect.left()).with_max_x(rect.right()).with_max_y(rect.top());
        ui.scope_builder(UiBuilder::new().max_rect(line), |ui| {
            ui.add(Label::new(RichText::new(["Left", "Right"][i]).strong()));
        });
        let response = ui.interact(rect, Id::unique(("crop", i)), Sense::hover());
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, format!("Picture: {name}")));
        brush.side(ui, side, rect, crop.uv);
    }
    ui.advance_cursor_after_rect(area);
    crops[0].uv
}

/// Says what is waited for where the crops will be.
pub(crate) fn waiting(ui: &mut Ui, what: &str) {
    let area = ui.available_rect_before_wrap();
    ui.painter().rect_filled(area.expand(GAP), 0.0, style::palette(ui).ground);
    ui.centered_and_justified(|ui| style::quiet(ui, what));
}
