//! The row of buttons above the pictures: how they are laid out and looked at.

use egui::{Button, Label, RichText, Ui, vec2};

use crate::app::{
    commands::{Command, key_of},
    compare::{geometry::Zoom, paint::Pictures, panes::Layout},
    controls::Controls,
    theme::style,
};
use crate::pipeline::RecorderState;

/// Draws the row. What concerns the view is done where the pictures are placed, so it comes back as commands.
pub(crate) fn show(ui: &mut Ui, pictures: &Pictures, controls: &mut Controls) -> Vec<Command> {
    let Controls { graphs, recording, view_recording, compare, .. } = controls;
    let mut todo = Vec::new();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        // In the narrowest windows it takes two rows even so.
        ui.spacing_mut().button_padding.x = if ui.available_width() < 520.0 { 7.0 } else { 9.0 };
        for layout in Layout::ALL {
            let hint = format!("{} ({})", layout.hint(), key_of(Command::Layout(layout)));
            let button = Button::new(layout.name()).selected(compare.layout == layout);
            if ui.add(button).on_hover_text(hint).clicked() {
                compare.layout = layout;
            }
        }
        gap(ui);
        let mut view = |ui: &mut Ui, text: &str, on: bool, name: &str, command: Command, hint: &str| {
            let hint = format!("{hint} ({})", key_of(command));
            if ui.add(Button::new(text).selected(on)).on_hover_text(hint).accessible_name(name).clicked() {
                todo.push(command);
            }
        };
        let zoom = compare.view.zoom;
        view(ui, "Fit", zoom == Zoom::Fit, "Fit", Command::Fit, "As large as fits");
        let hint = "A picture's pixel is a screen's pixel; drag to look around";
        view(ui, "1:1", zoom == Zoom::Times(1.0), "Zoom 1:1", Command::OneToOne, hint);
        let text = match zoom {
            Zoom::Fit => pictures.size().to_string(),
            Zoom::Times(times) => format!("{:.0} %", 100.0 * times),
        };
        let quiet = RichText::new(text).color(style::palette(ui).quiet);
        ui.add_sized(vec2(66.0, 28.0), Label::new(quiet).truncate());
        ui.menu_button("View", |ui| {
            for (text, on, command) in [
                ("Where they differ, enlarged", &mut compare.spotlight, Command::Spotlight),
                ("Pixels as squares", &mut compare.nearest, Command::Nearest),
                ("Loupe at the pointer", &mut compare.loupe, Command::Loupe),
                ("Pixel values", &mut compare.read_out, Command::ReadOut),
            ] {
                if item(ui, text, *on, command) {
                    *on = !*on;
                }
            }
            for (text, command) in [("Zoom in", Command::ZoomIn), ("Zoom out", Command::ZoomOut)] {
                if item(ui, text, false, command) {
                    todo.push(command);
                }
            }
            if item(ui, "Swap A and B", false, Command::Swap) {
                compare.swap();
            }
        });
        gap(ui);
        let frozen = pictures.frozen;
        let freeze = Button::new("Freeze").selected(frozen);
        let hint = format!("Hold this frame while the call goes on ({})", key_of(Command::Freeze));
        if ui.add(freeze).on_hover_text(hint).clicked() {
            todo.push(Command::Freeze);
        }
        for (text, name, by) in [("<", "One frame back", -1), (">", "One frame on", 1)] {
            let hint = format!("{name} ({})", key_of(Command::StepFrames(by)));
            let button = ui.add_enabled(frozen, Button::new(text)).on_hover_text(hint).accessible_name(name);
            if button.clicked() {
                todo.push(Command::StepFrames(by));
            }
        }
        ui.menu_button("Save", |ui| {
            for (text, command) in [
                ("Both sides as PNG", Command::SaveSides),
                ("The seen part of both as PNG", Command::SaveCrop),
                ("The view as PNG", Command::SaveView),
                ("Copy the seen part of both", Command::CopyCrop),
                ("Copy the view", Command::CopyView),
            ] {
                if item(ui, text, false, command) {
                    todo.push(command);
                }
            }
        });
        let graphs = Button::new("Graphs").selected(*graphs);
        let hint = format!("Scores and graphs of the last minute ({})", key_of(Command::Graphs));
        if ui.add(graphs).on_hover_text(hint).clicked() {
            todo.push(Command::Graphs);
        }
        let p = style::palette(ui);
        let text = recorder_label([recording, view_recording]);
        let text = text.map_or(RichText::new("More"), |text| RichText::new(text).color(p.danger));
        ui.menu_button(text, |ui| {
            ui.set_max_width(320.0);
            for state in [&*recording, &*view_recording] {
                if let RecorderState::Failed { why } = state {
                    // A menu would stretch the words over its width.
                    ui.with_layout(egui::Layout::top_down(egui::Align::Min), |ui| {
                        ui.add(Label::new(RichText::new(why.as_str()).color(p.danger)).wrap())
                    });
                }
            }
            let record = if recording.is_on() { "End the recording" } else { "Record what arrives as MP4" };
            let view =
                if view_recording.is_on() { "End the recording of the sides" } else { "Record both sides as MP4" };
            for (text, command) in [
                (record, Command::Record),
                (view, Command::RecordView),
                ("Blind test: whole pictures", Command::Blind),
                ("Blind test: 1:1 crops", Command::BlindCrops),
                ("Colours", Command::Theme),
            ] {
                if item(ui, text, false, command) {
                    todo.push(command);
                }
            }
        });
    });
    todo
}

/// What the menu of the recordings is called while there is one, or one has failed.
fn recorder_label(states: [&RecorderState; 2]) -> Option<&'static str> {
    let any = |wanted: fn(&RecorderState) -> bool| states.into_iter().any(wanted);
    if any(|state| matches!(state, RecorderState::Failed { .. })) {
        Some("Recording failed")
    } else if any(|state| *state == RecorderState::Recording) {
        Some("Recording")
    } else if any(RecorderState::is_on) {
        Some("Waiting to record")
    } else {
        None
    }
}

/// A line of a menu with its key.
fn item(ui: &mut Ui, text: &str, on: bool, command: Command) -> bool {
    let key = RichText::new(key_of(command)).monospace().color(style::palette(ui).quiet);
    ui.add(Button::new(text).right_text(key).selected(on).min_size(vec2(220.0, 24.0))).clicked()
}

fn gap(ui: &mut Ui) {
    ui.add_space(8.0);
}
