//! What stands in the place of the pictures when there are none: what is waited for, and what to do about it.

use egui::{Align, Key, Layout, Rect, RichText, Ui, vec2};

use crate::{
    app::{
        controls::{Action, Controls},
        theme::style,
    },
    pipeline::CallState,
    qr::QrCode,
};

/// What stands in the place of the pictures until there are some; it scrolls by itself, unless the page does.
pub(crate) fn show(
    ui: &mut Ui,
    state: &CallState,
    again: bool,
    scrolls: bool,
    controls: &mut Controls,
    actions: &mut Vec<Action>,
) {
    if !scrolls {
        ui.add_space(14.0);
        return words(ui, state, again, controls, actions);
    }
    let area = ui.available_rect_before_wrap();
    let width = area.width().min(680.0);
    let rect = Rect::from_center_size(area.center(), vec2(width, area.height()));
    let mut ui = ui.new_child(egui::UiBuilder::new().max_rect(rect).layout(Layout::top_down(Align::Min)));
    egui::ScrollArea::vertical().auto_shrink(false).show(&mut ui, |ui| {
        ui.add_space((area.height() * 0.14).floor());
        words(ui, state, again, controls, actions);
    });
}

fn words(ui: &mut Ui, state: &CallState, again: bool, controls: &mut Controls, actions: &mut Vec<Action>) {
    match state {
        CallState::Starting => headline(ui, "Starting…", "The source is opened and both ends get ready."),
        CallState::Connected { .. } => headline(ui, "Connected", "The first picture is on its way."),
        CallState::Reconnecting => {
            headline(ui, "Reconnecting…", "The other side is not heard; the call goes on as soon as it is.");
        }
        CallState::Ended { why, .. } => {
            headline(ui, "The call has ended", why);
            ui.horizontal(|ui| {
                if ui.add(style::primary(ui, "Back to the start")).clicked() {
                    actions.push(Action::HangUp);
                }
                if again && ui.button("Call again").clicked() {
                    actions.push(Action::Again);
                }
            });
        }
        CallState::Waiting { link, others, fingerprint } => {
            let what = "On the other machine, paste this link under 'Join a call':";
            headline(ui, "Waiting for the other side", what);
            line_to_copy(ui, "Link", "Copy link", link);
            style::quiet(ui, format!("or run there: clearcall join '{link}'"));
            for other in others {
                style::quiet(ui, format!("by another of this machine's addresses: {other}"));
            }
            if let Some(fingerprint) = fingerprint {
                ui.add_space(6.0);
                style::quiet(
                    ui,
                    format!(
                        "A phone can open the link, too. It warns that nobody vouches for this machine; its certificate \
                         has the SHA-256 {fingerprint}"
                    ),
                );
            }
            qr_code(ui, link);
        }
        CallState::Offered { line } => {
            headline(
                ui,
                "Two lines make the call",
                "1. Send this offer line to the other person, who pastes it under 'Copy and paste' \
                     and presses 'Answer'. Both lines together may take ten minutes:",
            );
            line_to_copy(ui, "Offer line", "Copy offer line", line);
            ui.add_space(10.0);
            style::quiet(ui, "2. They send an answer line back. Paste it here:");
            let field = ui
                .add(
                    egui::TextEdit::singleline(&mut controls.answer)
                        .hint_text("answer line")
                        .desired_width(f32::INFINITY),
                )
                .accessible_name("Answer line");
            let enter = field.lost_focus() && ui.input(|i| i.key_pressed(Key::Enter));
            if ui.add(style::primary(ui, "Connect")).clicked() || enter {
                actions.push(Action::Answer);
            }
            if let Some(error) = &controls.answer_error {
                style::error(ui, error);
            }
        }
        CallState::Answered { line } => {
            headline(
                ui,
                "Send this line back",
                "Send this answer line to the person who made the offer. They paste it into their window \
                     under '2.', within ten minutes, and the call begins:",
            );
            line_to_copy(ui, "Answer line", "Copy answer line", line);
        }
    }
}

/// The link for a phone's camera.
fn qr_code(ui: &mut Ui, link: &str) {
    let Some(code) = QrCode::of(link) else { return };
    ui.add_space(10.0);
    // Whole pixels, or a reader sees grey.
    let module = 4.0;
    let side = code.width() as f32 * module;
    let (rect, response) = ui.allocate_exact_size(vec2(side, side), egui::Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::Role::Image, true, "The link as a QR code"));
    ui.painter().rect_filled(rect, 0.0, egui::Color32::WHITE);
    for y in 0..code.width() {
        for x in (0..code.width()).filter(|x| code.is_dark(*x, y)) {
            let at = rect.min + vec2(x as f32, y as f32) * module;
            ui.painter().rect_filled(Rect::from_min_size(at, vec2(module, module)), 0.0, egui::Color32::BLACK);
        }
    }
}

fn headline(ui: &mut Ui, title: &str, text: &str) {
    ui.label(RichText::new(title).heading().strong());
    ui.add_space(2.0);
    style::quiet(ui, text);
    ui.add_space(6.0);
}

/// A line that is too long to read, and the button that copies it.
fn line_to_copy(ui: &mut Ui, name: &str, button: &str, line: &str) {
    let mut text = line;
    let field = egui::TextEdit::singleline(&mut text).font(egui::TextStyle::Monospace).desired_width(f32::INFINITY);
    ui.add(field).accessible_name(name);
    if ui.button(button).clicked() {
        ui.ctx().copy_text(line.to_owned());
    }
}
