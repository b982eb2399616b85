//! The help sheet and the command palette, over the page.

use egui::{Align, Id, Key, Layout, Modal, Modifiers, RichText, ScrollArea, Ui, vec2};

use crate::app::{
    commands::{Command, Group, TABLE},
    theme::style,
};

/// What lies over the page.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Overlay {
    /// Nothing.
    #[default]
    None,
    /// The keys.
    Help,
    /// Commands by name, and what was typed of it.
    Palette(String),
}

/// Draws the overlay, closes it when it is left, and says which command was chosen in it.
pub(crate) fn show(ui: &Ui, overlay: &mut Overlay) -> Option<Command> {
    match overlay {
        Overlay::None => None,
        Overlay::Help => {
            help(ui, overlay);
            None
        }
        Overlay::Palette(typed) => {
            let mut typed = std::mem::take(typed);
            let (close, chosen) = palette(ui, &mut typed);
            *overlay = if close || chosen.is_some() { Overlay::None } else { Overlay::Palette(typed) };
            chosen
        }
    }
}

fn help(ui: &Ui, overlay: &mut Overlay) {
    let room = ui.ctx().content_rect().size();
    let modal = Modal::new(Id::unique("clearcall help")).show(ui.ctx(), |ui| {
        ui.set_max_width((room.x - 60.0).min(760.0));
        let close = ui.horizontal(|ui| {
            ui.label(RichText::new("Keys").heading().strong());
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| ui.button("Close").clicked()).inner
        });
        if close.inner {
            ui.close();
        }
        ui.add_space(4.0);
        let height = room.y - 140.0;
        ScrollArea::vertical().max_height(height).min_scrolled_height(height).show(ui, |ui| {
            let columns = if room.x > 700.0 { 2 } else { 1 };
            ui.columns(columns, |uis| {
                for group in Group::ALL {
                    let left = matches!(group, Group::Compare | Group::Difference | Group::Call);
                    if let Some(ui) = uis.get_mut(if left { 0 } else { columns - 1 }) {
                        group_of_keys(ui, group);
                    }
                }
            });
            ui.add_space(6.0);
            style::quiet(
                ui,
                "Wheel: zoom at the pointer. Drag: look around, or move the divider. Shift in the wipe: the divider \
                 follows the pointer. Double click: one pixel to one pixel, and back. Click on an enlarged \
                 detail: it stays. Ctrl with + or -: all of it larger or smaller.",
            );
        });
    });
    if modal.should_close() {
        *overlay = Overlay::None;
    }
}

fn group_of_keys(ui: &mut Ui, group: Group) {
    ui.label(RichText::new(group.title()).strong().color(style::palette(ui).accent));
    ui.spacing_mut().interact_size.y = 18.0;
    ui.spacing_mut().item_spacing.y = 3.0;
    let mut last = "";
    for entry in TABLE.iter().filter(|e| e.group == group) {
        if entry.name == last {
            continue; // the same by another key
        }
        last = entry.name;
        ui.horizontal(|ui| {
            ui.allocate_ui_with_layout(vec2(66.0, 18.0), Layout::left_to_right(Align::Center), |ui| {
                ui.set_min_width(66.0);
                ui.label(RichText::new(entry.shown).monospace().strong());
            });
            ui.label(entry.name);
        });
    }
    ui.add_space(8.0);
}

/// Draws the palette; says whether it was left, and what was chosen.
fn palette(ui: &Ui, typed: &mut String) -> (bool, Option<Command>) {
    let mut chosen = None;
    let modal = Modal::new(Id::unique("clearcall palette")).show(ui.ctx(), |ui| {
        let room = ui.ctx().content_rect().size();
        ui.set_width((room.x - 60.0).min(420.0));
        // The arrows mark another one; the field keeps the focus.
        let marked = Id::unique("clearcall palette marked");
        let before: usize = ui.data(|data| data.get_temp(marked)).unwrap_or(0);
        let at = ui.input_mut(|i| {
            let (down, up) =
                [Key::ArrowDown, Key::ArrowUp].map(|key| i.count_and_consume_key(Modifiers::NONE, key)).into();
            (before + down).saturating_sub(up)
        });
        let moved = at != before;
        let field =
            ui.add(egui::TextEdit::singleline(typed).hint_text("What do you want to do?").desired_width(f32::INFINITY));
        let field = field.accessible_name("Command");
        let found = matching(typed);
        let at = if field.changed() { 0 } else { at.min(found.len().saturating_sub(1)) };
        ui.data_mut(|data| data.insert_temp(marked, at));
        if ui.input(|i| i.key_pressed(Key::Enter)) {
            chosen = found.get(at).map(|e| e.0);
        } else {
            field.request_focus();
        }
        ScrollArea::vertical().max_height((room.y - 110.0).min(300.0)).show(ui, |ui| {
            for (i, (command, name, key)) in found.into_iter().enumerate() {
                let button = egui::Button::new(name).right_text(RichText::new(key).monospace()).selected(i == at);
                // The bar that scrolls lies over what is at the edge.
                let size = vec2(ui.available_width() - 10.0, 26.0);
                let response = ui.add(button.frame_when_inactive(i == at).min_size(size));
                if moved && i == at {
                    response.scroll_to_me(None);
                }
                if response.clicked() {
                    chosen = Some(command);
                }
            }
        });
    });
    let close = modal.should_close();
    if close || chosen.is_some() {
        ui.data_mut(|data| data.remove_temp::<usize>(Id::unique("clearcall palette marked")));
    }
    (close, chosen)
}

/// The commands whose names have all words of `typed` in them.
fn matching(typed: &str) -> Vec<(Command, &'static str, &'static str)> {
    let typed = typed.to_lowercase();
    let mut out: Vec<(Command, &str, &str)> = Vec::new();
    for entry in TABLE {
        let name = entry.name.to_lowercase();
        let fits = typed.split_whitespace().all(|word| name.contains(word));
        if fits && entry.command != Command::Palette && !out.iter().any(|o| o.0 == entry.command) {
            out.push((entry.command, entry.name, entry.shown));
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_found_by_parts_of_their_names() {
        assert!(matching("").len() > 20);
        assert_eq!(matching("hang UP").first().map(|m| m.0), Some(Command::HangUp));
        assert!(matching("no such thing").is_empty());
    }
}
