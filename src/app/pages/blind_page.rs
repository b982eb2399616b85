//! The blind test as it is seen: the question under the pictures, and the result over them.

use egui::{Align, Event, Id, InputState, Key, Label, Layout, Modal, Modifiers, RichText, Ui, vec2};

use crate::app::{
    compare::blind_test::{Answer, Blind, Outcome},
    theme::style,
};

/// What the person did with the question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Said {
    /// An answer.
    Answer(Answer),
    /// No more questions.
    Stop,
}

/// Draws the question.
pub(crate) fn question(ui: &mut Ui, blind: &Blind) -> Option<Said> {
    let mut said = None;
    let rounds = blind.rounds();
    let round = blind.round().unwrap_or(rounds);
    ui.horizontal_wrapped(|ui| {
        ui.label(RichText::new(format!("Round {round} of {rounds}")).strong());
        ui.add(Label::new("Which picture is better?"));
        ui.add_space(10.0);
        for (text, hint, answer) in [
            ("The left one", "Left arrow", Answer::Left),
            ("I see no difference", "Down arrow", Answer::Same),
            ("The right one", "Right arrow", Answer::Right),
        ] {
            if ui.add(egui::Button::new(text).min_size(vec2(110.0, 30.0))).on_hover_text(hint).clicked() {
                said = Some(Said::Answer(answer));
            }
        }
        let stop = |ui: &mut Ui| ui.button("Stop the test").on_hover_text("Escape").clicked();
        let stopped = match ui.ctx().content_rect().width() < 780.0 {
            true => stop(ui),
            false => ui.with_layout(Layout::right_to_left(Align::Center), stop).inner,
        };
        if stopped {
            said = Some(Said::Stop);
        }
    });
    said
}

/// What was answered with a key; to be asked before the keys that look around. A key that is held answers once.
pub(crate) fn keys(ui: &Ui) -> Option<Said> {
    if ui.ctx().memory(|m| m.focused().is_some()) {
        return None;
    }
    let keys = [
        (Key::ArrowLeft, Said::Answer(Answer::Left)),
        (Key::ArrowRight, Said::Answer(Answer::Right)),
        (Key::ArrowDown, Said::Answer(Answer::Same)),
        (Key::Escape, Said::Stop),
    ];
    ui.input_mut(|i| {
        let held = |i: &InputState, wanted: Key| {
            i.events.iter().any(|event| matches!(event, Event::Key { key, repeat: true, .. } if *key == wanted))
        };
        let pressed = keys.into_iter().find(|(key, _)| !held(i, *key) & i.consume_key(Modifiers::NONE, *key));
        pressed.map(|(_, said)| said)
    })
}

/// Draws the result over the page; true when it was read.
pub(crate) fn result(ui: &Ui, outcome: &Outcome) -> bool {
    let modal = Modal::new(Id::unique("clearcall blind test")).show(ui.ctx(), |ui| {
        let room = ui.ctx().content_rect().size();
        ui.set_max_width((room.x - 60.0).min(520.0));
        let (name_width, whole) = if room.x < 520.0 { (120.0, 160.0) } else { (150.0, 240.0) };
        ui.label(RichText::new("What you saw").heading().strong());
        ui.add_space(6.0);
        let p = style::palette(ui);
        for (name, count, colour) in [
            (outcome.b.as_str(), outcome.b_better, p.accent),
            (outcome.a.as_str(), outcome.a_better, p.warning),
            ("no difference", outcome.same, p.quiet),
        ] {
            ui.horizontal(|ui| {
                ui.allocate_ui_with_layout(vec2(name_width, 20.0), Layout::left_to_right(Align::Center), |ui| {
                    ui.set_min_width(name_width);
                    ui.add(Label::new(RichText::new(name).color(colour).strong()).truncate());
                });
                let (rect, _) = ui.allocate_exact_size(vec2(whole, 14.0), egui::Sense::hover());
                ui.painter().rect_filled(rect, 4.0, p.ground);
                let share = count as f32 / outcome.rounds.len().max(1) as f32;
                let bar = rect.with_max_x(rect.left() + whole * share);
                ui.painter().rect_filled(bar, 4.0, colour);
                ui.label(count.to_string());
            });
        }
        ui.add_space(8.0);
        ui.add(Label::new(outcome.in_words()).wrap());
        ui.add_space(8.0);
        ui.horizontal(|ui| ui.add(style::primary(ui, "Close")).clicked()).inner
    });
    modal.inner || modal.should_close()
}
