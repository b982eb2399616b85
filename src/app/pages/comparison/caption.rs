//! One line in the first seconds: which side is which, and what the better one is worth, in plain words.

use egui::{Align2, FontId, Rect, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

use crate::{
    app::{
        compare::{Compare, panes::Layout, sides::SideChoice},
        pages::comparison::seen::Seen,
        theme::style,
    },
    pipeline::NetworkOff,
};

/// Seconds that it is there, and how long before its end it begins to fade.
const LASTS: f64 = 12.0;
const FADES: f64 = 2.0;
const FONT: FontId = FontId::new(15.0, egui::FontFamily::Proportional);
/// Gains of fewer dB are none.
const NONE: f64 = 0.05;

/// Draws it over the lower part of the pictures.
pub(super) fn show(ui: &mut Ui, seen: &Seen<'_>, compare: &Compare, pictures: Rect) {
    let left = LASTS - seen.seen_for;
    if left <= 0.0 || seen.masked {
        return;
    }
    let p = style::palette(ui);
    let strength = (left / FADES).min(1.0) as f32;
    let forms = forms(seen, compare);
    let whole = forms[0].clone();
    let room = (pictures.width() - 48.0).max(80.0);
    let galley = ui.painter().layout(style::fitting(ui, forms, &FONT, room), FONT, p.text, room);
    let ground = galley.size() + vec2(28.0, 14.0);
    let at = pictures.center_bottom() - vec2(0.0, 14.0 + ground.y / 2.0);
    let rect = Align2::CENTER_CENTER.anchor_size(at, ground);
    let painter = ui.painter().with_clip_rect(pictures.intersect(ui.clip_rect()));
    painter.rect_filled(rect, 8.0, p.raised.gamma_multiply(0.92 * strength));
    painter.rect_stroke(rect, 8.0, Stroke::new(1.0, p.line.gamma_multiply(strength)), StrokeKind::Inside);
    painter.galley_with_override_text_color(rect.min + vec2(14.0, 7.0), galley, p.text.gamma_multiply(strength));
    // It is read, not pressed: what is under it is still clicked and dragged.
    let response = ui.interact(rect, egui::Id::unique("caption"), Sense::empty());
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &whole));
}

/// The line, and shorter and shorter for where there is no room for it.
fn forms(seen: &Seen<'_>, compare: &Compare) -> Vec<String> {
    let [a, b] = compare.two(seen.model);
    match seen.off {
        Some(NetworkOff::FullSize) => return vec!["Both sides: the picture as it came, at its full size.".to_owned()],
        Some(NetworkOff::TooSlow) if [a, b].contains(&SideChoice::Network(seen.model)) => {
            let short = "The network is off, bicubic stands in its place".to_owned();
            return vec![format!("{short}: this machine has no time for it."), format!("{short}.")];
        }
        _ => {}
    }
    let gains = gains(seen, [a, b]).into_iter().map(Some).chain([None]);
    let [a, b] = [a, b].map(|side| side.name(seen.models));
    let line = |gain: Option<String>| {
        let and = gain.as_ref().map_or_else(String::new, |gain| format!(", {gain}"));
        match compare.layout {
            Layout::SideBySide => format!("Left: {a}. Right: {b}{and}."),
            Layout::Wipe => format!("Left of the line: {a}. Right of it: {b}{and}."),
            Layout::Toggle => format!("Space flips between {a} and {b}{and}."),
            Layout::Difference => {
                let and = gain.map_or_else(String::new, |gain| format!("; it is {gain}"));
                format!("What {b} has that {a} has not{and}.")
            }
            Layout::FourUp => match gain {
                Some(gain) => format!("Beside {a}, {b} is {gain}."),
                None => format!("Low-res, {a}, {b}, and before it was sent."),
            },
        }
    };
    gains.map(line).collect()
}

/// What B has over A, where the truth is known: "0.6 dB nearer to the original, as good as ≈ 1.2 times the bitrate", and
/// shorter.
fn gains(seen: &Seen<'_>, [a, b]: [SideChoice; 2]) -> Vec<String> {
    let scores = (seen.scores)(b).zip((seen.scores)(a));
    let Some(gain) = scores.map(|(b, a)| b.psnr_y - a.psnr_y) else { return Vec::new() };
    let nearer = match gain {
        gain if gain.abs() < NONE => return vec!["as near to the original".to_owned()],
        gain if gain > 0.0 => format!("{gain:.1} dB nearer to the original"),
        gain => format!("{:.1} dB farther from the original", -gain),
    };
    let worth = (seen.worth)(b).filter(|_| a == SideChoice::Bicubic);
    let whole = worth.map(|worth| format!("{nearer}, as good as {}", worth.times()));
    whole.into_iter().chain([nearer]).collect()
}
