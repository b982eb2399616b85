//! The row of buttons above the pictures: how they are laid out and looked at.

use egui::{Button, Label, RichText, Ui, vec2};

use super::{
    commands::{Command, key_of},
    compare::{Layout, Zoom},
    paint::Pictures,
    stage::Compare,
    style,
};

/// Draws the row. What concerns the view is done where the pictures are placed, so it comes back as commands.
pub(crate) fn show(ui: &mut Ui, pictures: &Pictures, compare: &mut Compare) -> Vec<Command> {
    let mut todo = Vec::new();
    ui.horizontal_wrapped(|ui| {
        ui.spacing_mut().item_spacing = vec2(4.0, 4.0);
        ui.spacing_mut().button_padding.x = 9.0;
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
        view(ui, "−", false, "Zoom out", Command::ZoomOut, "Smaller");
        view(ui, "+", false, "Zoom in", Command::ZoomIn, "Larger; the wheel zooms at the pointer");
        let text = match zoom {
            Zoom::Fit => pictures.size().to_string(),
            Zoom::Times(times) => format!("{:.0} %", 100.0 * times),
        };
        let quiet = RichText::new(text).color(style::palette(ui).quiet);
        ui.add_sized(vec2(66.0, 28.0), Label::new(quiet).truncate());
        gap(ui);
        for (text, on, command, hint) in [
            ("Pixels", &mut compare.nearest, Command::Nearest, "Pixels as squares, or smooth"),
            ("Loupe", &mut compare.loupe, Command::Loupe, "A magnifying glass at the pointer"),
            ("Values", &mut compare.read_out, Command::ReadOut, "Numbers of the pixel under the pointer"),
        ] {
            let hint = format!("{hint} ({})", key_of(command));
            if ui.add(Button::new(text).selected(*on)).on_hover_text(hint).clicked() {
                *on = !*on;
            }
        }
        if ui.button("Swap").on_hover_text(format!("A becomes B ({})", key_of(Command::Swap))).clicked() {
            compare.swap();
        }
    });
    todo
}

fn gap(ui: &mut Ui) {
    ui.add_space(8.0);
}
