//! The line above a picture: which side it is, to be chosen, and how it scores.
//!
//! Where there is little room the scores go first, then the reason, the engine and the cost: a network's name is
//! what people look for, and stays whole.

use egui::{Align, FontId, Label, Layout as Flow, Rect, RichText, Ui, pos2};

use crate::app::{
    commands::{Command, key_of},
    compare::{
        Compare, MAX_GAIN,
        geometry::Placed,
        panes::{Layout, Pane},
        sides::SideChoice,
    },
    pages::comparison::seen::Seen,
    theme::style,
};

/// Height of the line above a picture.
pub(super) const HEIGHT: f32 = 30.0;
/// What the choice of a side needs besides its text.
const CHOICE: f32 = 44.0;
/// Between two things in the line.
const SPACE: f32 = 6.0;
/// What A/B has in its line besides the choices: two letters and a button.
const FLIP: f32 = 110.0;
/// What the difference has besides the choices: a word and eight buttons, or four.
const GAINS: (f32, f32) = (400.0, 240.0);

/// Draws the line of pane `i`.
pub(super) fn show(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, pane: &Pane, place: &Placed, i: usize) {
    // Above the picture, and wider than it where it is smaller than what has to be said.
    let line = if seen.masked { 0.0 } else { wanted(ui, seen, compare, i) };
    let width = place.rect.width().max(line).min(pane.label.width());
    let left = place.rect.left() + (place.rect.width() - width) * pane.align.x;
    let left = left.clamp(pane.label.left(), (pane.label.right() - width).max(pane.label.left()));
    let (top, right) = (place.rect.top() - HEIGHT, left + width);
    let rect = Rect::from_min_max(pos2(left, top), pos2(right, place.rect.top()));
    ui.scope_builder(egui::UiBuilder::new().max_rect(rect).layout(Flow::left_to_right(Align::Center)), |ui| {
        ui.spacing_mut().item_spacing.x = SPACE;
        match compare.layout {
            _ if seen.masked => {
                ui.label(RichText::new(["Left", "Right"][i.min(1)]).strong());
            }
            Layout::SideBySide => {
                let (name, side) = if i == 0 { ("Side A", &mut compare.a) } else { ("Side B", &mut compare.b) };
                // What it is worth goes before what it costs, but not before its name.
                let told = worth(seen, *side).map_or(0.0, |told| style::width_of(ui, &told, &font(ui)) + 2.0 * SPACE);
                choose(ui, seen, name, side, (width - told).max(least(ui, seen, *side)).min(width));
                let score = scores(ui, seen, [*side], ui.available_width());
                scored(ui, &score[0]);
            }
            Layout::Wipe => wipe_line(ui, seen, compare, width),
            Layout::Toggle => toggle_line(ui, seen, compare, width),
            Layout::Difference => difference_line(ui, seen, compare, width),
            Layout::FourUp => fixed(ui, seen, compare.sides(seen.model)[i], width),
        }
    });
}

fn font(ui: &Ui) -> FontId {
    egui::TextStyle::Button.resolve(ui.style())
}

/// What the choice of a side takes with its whole label.
fn whole(ui: &Ui, seen: &Seen<'_>, side: SideChoice) -> f32 {
    style::width_of(ui, &seen.label(side), &font(ui)) + CHOICE
}

/// The least that it takes: with the name alone.
fn least(ui: &Ui, seen: &Seen<'_>, side: SideChoice) -> f32 {
    seen.labels(side).last().map_or(0.0, |name| style::width_of(ui, name, &font(ui))) + CHOICE
}

/// The width of the whole line.
fn wanted(ui: &Ui, seen: &Seen<'_>, compare: &Compare, i: usize) -> f32 {
    let both = whole(ui, seen, compare.a) + whole(ui, seen, compare.b);
    match compare.layout {
        Layout::SideBySide => whole(ui, seen, if i == 0 { compare.a } else { compare.b }).max(240.0),
        Layout::Wipe => (both + 2.0 * SPACE).max(420.0),
        Layout::Toggle => (both + FLIP).max(520.0),
        Layout::Difference => (both + GAINS.0).max(640.0),
        Layout::FourUp => {
            let side = compare.sides(seen.model)[i];
            let score = (seen.scores)(side).map(|s| style::width_of(ui, &s.in_words(), &font(ui)));
            (whole(ui, seen, side) - CHOICE + score.unwrap_or(0.0) + 3.0 * SPACE).max(240.0)
        }
    }
}

/// Parts `total` among two: who wants less than half of it gets that, the other one the rest.
fn shares(total: f32, [a, b]: [f32; 2]) -> [f32; 2] {
    let half = total / 2.0;
    if a + b <= total {
        [a, b]
    } else if a <= half {
        [a, total - a]
    } else if b <= half {
        [total - b, b]
    } else {
        [half, half]
    }
}

fn wipe_line(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, width: f32) {
    let sides = [compare.a, compare.b];
    let [a, b] = shares(width - 2.0 * SPACE, sides.map(|side| whole(ui, seen, side)));
    let taken = [(compare.a, a), (compare.b, b)].map(|(side, room)| form(ui, seen, side, room).1.min(room));
    let [score_a, score_b] = scores(ui, seen, sides, width - taken[0] - taken[1] - 4.0 * SPACE);
    choose(ui, seen, "Side A", &mut compare.a, a);
    scored(ui, &score_a);
    ui.with_layout(Flow::right_to_left(Align::Center), |ui| {
        choose(ui, seen, "Side B", &mut compare.b, b);
        scored(ui, &score_b);
    });
}

fn toggle_line(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, width: f32) {
    let [a, b] = shares(width - FLIP, [compare.a, compare.b].map(|side| whole(ui, seen, side)));
    mark(ui, "A", !compare.flipped);
    choose(ui, seen, "Side A", &mut compare.a, a);
    mark(ui, "B", compare.flipped);
    choose(ui, seen, "Side B", &mut compare.b, b);
    if ui.button("Flip").on_hover_text(key_of(Command::Flip)).clicked() {
        compare.flipped = !compare.flipped;
    }
    let shown = if compare.flipped { compare.b } else { compare.a };
    let score = scores(ui, seen, [shown], ui.available_width());
    scored(ui, &score[0]);
}

fn difference_line(ui: &mut Ui, seen: &Seen<'_>, compare: &mut Compare, width: f32) {
    let sides = [compare.b, compare.a];
    // One button for all strengths makes room for the names.
    let narrow = sides.map(|side| least(ui, seen, side)).iter().sum::<f32>() + GAINS.0 > width;
    let rest = width - if narrow { GAINS.1 } else { GAINS.0 };
    let [b, a] = shares(rest, sides.map(|side| whole(ui, seen, side)));
    choose(ui, seen, "Side B", &mut compare.b, b);
    ui.label("minus");
    choose(ui, seen, "Side A", &mut compare.a, a);
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

/// A side that is not to be chosen.
fn fixed(ui: &mut Ui, seen: &Seen<'_>, side: SideChoice, width: f32) {
    let colour = colour(ui, side);
    let name = least(ui, seen, side) - CHOICE;
    let [score] = scores(ui, seen, [side], width - name - 2.0 * SPACE);
    ui.with_layout(Flow::right_to_left(Align::Center), |ui| {
        scored(ui, &score);
        ui.with_layout(Flow::left_to_right(Align::Center), |ui| {
            let labels = seen.labels(side);
            let all = labels[0].clone();
            let text = style::fitting(ui, labels, &font(ui), ui.available_width());
            let shortened = text != all;
            let response = ui.add(Label::new(RichText::new(text).color(colour).strong()).truncate());
            if shortened {
                response.on_hover_text(all);
            }
        });
    });
}

/// The shortest words for how near a side is and what that is worth.
fn worth(seen: &Seen<'_>, side: SideChoice) -> Option<String> {
    let (scores, worth) = ((seen.scores)(side)?, (seen.worth)(side)?);
    Some(format!("{:.2} dB · {}", scores.psnr_y, worth.bitrate()))
}

/// The scores of all these sides in the longest form for which `room` is enough: all of them and what that is worth
/// in bits, the first and that, all, the first, or none, for half a number is none.
fn scores<const N: usize>(ui: &Ui, seen: &Seen<'_>, sides: [SideChoice; N], room: f32) -> [String; N] {
    let all = sides.map(|side| (seen.scores)(side).map(|s| s.in_words()).unwrap_or_default());
    let first = all.clone().map(|text| text.split(" · ").next().unwrap_or_default().to_owned());
    let with = |end: &str| {
        sides.map(|side| {
            let scores = (seen.scores)(side).map(|s| s.in_words()).unwrap_or_default();
            (seen.worth)(side).map_or(scores.clone(), |worth| format!("{scores} · {}{end}", worth.bitrate()))
        })
    };
    let mut short = first.clone();
    for (text, side) in short.iter_mut().zip(sides) {
        *text = worth(seen, side).unwrap_or_else(|| std::mem::take(text));
    }
    let fits = |texts: &[String; N]| {
        texts.iter().map(|text| style::width_of(ui, text, &font(ui)) + SPACE).sum::<f32>() <= room
    };
    [with(" with bicubic"), with(""), short, all, first].into_iter().find(fits).unwrap_or([const { String::new() }; N])
}

fn scored(ui: &mut Ui, text: &str) {
    if !text.is_empty() {
        let quiet = RichText::new(text).color(style::palette(ui).quiet);
        ui.add(Label::new(quiet)).on_hover_text(
            "PSNR-Y · SSIM · SSIMULACRA2, against the truth; what bicubic would need for as much PSNR-Y, estimated (≈)",
        );
    }
}

fn mark(ui: &mut Ui, letter: &str, on: bool) {
    let p = style::palette(ui);
    ui.label(RichText::new(letter).strong().color(if on { p.accent } else { p.quiet }));
}

fn colour(ui: &Ui, side: SideChoice) -> egui::Color32 {
    let p = style::palette(ui);
    if matches!(side, SideChoice::Network(_)) { p.accent } else { p.text }
}

/// The longest label for which the choice has room in `width`, and what it then takes.
fn form(ui: &Ui, seen: &Seen<'_>, side: SideChoice, width: f32) -> (String, f32) {
    let font = font(ui);
    // Widths are sums: what fits exactly must not fail for a rounding.
    let text = style::fitting(ui, seen.labels(side), &font, width - CHOICE + 0.5);
    let wants = style::width_of(ui, &text, &font) + CHOICE;
    (text, wants)
}

/// The choice of a side.
fn choose(ui: &mut Ui, seen: &Seen<'_>, name: &str, side: &mut SideChoice, width: f32) {
    let colour = colour(ui, *side);
    let (text, wants) = form(ui, seen, *side, width);
    let fits = wants <= width + 0.5;
    // What does not fit even so is cut off where the next control begins.
    let bound = if fits { ui.available_width() } else { width };
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
    let all = seen.label(*side);
    if !fits || text != all {
        response.on_hover_text(all);
    }
}

#[cfg(test)]
mod tests {
    use super::shares;

    #[test]
    fn who_wants_little_leaves_the_rest_to_the_other() {
        assert_eq!(shares(300.0, [80.0, 200.0]), [80.0, 200.0]);
        assert_eq!(shares(300.0, [80.0, 250.0]), [80.0, 220.0]);
        assert_eq!(shares(300.0, [250.0, 80.0]), [220.0, 80.0]);
        assert_eq!(shares(300.0, [250.0, 260.0]), [150.0, 150.0]);
    }
}
