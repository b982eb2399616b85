//! The values of the pixel under the pointer, for both sides.

use egui::{Align2, Color32, FontId, Pos2, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::{
    app::{
        compare::{geometry::Placed, sides::SideChoice},
        pages::comparison::seen::Seen,
        theme::style,
    },
    frame::Matrix,
};

/// One side in words: "Y 120  R 118  G 121  B 120".
fn values(rgb: [u8; 3]) -> String {
    let [r, g, b] = rgb;
    format!("Y {:3}  R {r:3}  G {g:3}  B {b:3}", Matrix::Bt601.luma(rgb))
}

/// Draws the line.
pub(crate) fn show(ui: &mut Ui, rect: Rect, seen: &Seen<'_>, two: [SideChoice; 2], under: Option<(Pos2, Placed)>) {
    let p = style::palette(ui);
    let size = seen.pictures.size();
    let found = under.and_then(|(at, place)| place.pixel(at, size.width(), size.height()));
    let mut spoken = match found {
        Some((x, y)) => format!("x {x:4}  y {y:4}"),
        None => "Point at a picture to read its values.".to_owned(),
    };
    let font = FontId::monospace(12.5);
    let y = rect.center().y;
    let painter = ui.painter().with_clip_rect(rect);
    let mut x = painter.text(pos2(rect.left(), y), Align2::LEFT_CENTER, &spoken, font.clone(), p.quiet).right() + 18.0;
    if let Some(at) = found {
        for side in two {
            let Some(rgb) = seen.pictures.pixel(side, at) else { continue };
            let chip = Rect::from_center_size(pos2(x + 7.0, y), vec2(14.0, 14.0));
            painter.rect_filled(chip, 3.0, Color32::from_rgb(rgb[0], rgb[1], rgb[2]));
            let text = format!("{}  {}", side.name(seen.models), values(rgb));
            spoken += &format!("; {text}");
            x = painter.text(pos2(x + 20.0, y), Align2::LEFT_CENTER, text, font.clone(), p.text).right() + 18.0;
        }
    }
    let response = ui.allocate_rect(rect, Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_in_words() {
        assert_eq!(values([1, 20, 255]), "Y  41  R   1  G  20  B 255");
    }
}
