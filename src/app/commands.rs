//! Everything that can be done during a call, with its key: the keyboard, the help sheet and the palette read
//! the same table.

use egui::{Key, Modifiers, Ui};

use crate::app::compare::panes::Layout;

/// Something to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Lay the sides out so.
    Layout(Layout),
    /// Show the other of A and B.
    Flip,
    /// A becomes B and B becomes A.
    Swap,
    /// The next choice for A.
    NextA,
    /// The next choice for B.
    NextB,
    /// The next network for the call.
    NextModel,
    /// The next engine for it.
    NextEngine,
    /// As large as fits.
    Fit,
    /// One pixel to one pixel, and back.
    OneToOne,
    /// Larger.
    ZoomIn,
    /// Smaller.
    ZoomOut,
    /// Look further left, right, up, down; in the wipe, move the divider.
    Pan(i8, i8),
    /// Pixels in squares, or smooth.
    Nearest,
    /// A magnifying glass at the pointer.
    Loupe,
    /// What is under the pointer, in numbers.
    ReadOut,
    /// Details in which the sides differ, enlarged.
    Spotlight,
    /// The difference with its sign, or its size.
    Signed,
    /// The difference stronger.
    GainUp,
    /// The difference weaker.
    GainDown,
    /// The difference of luma only.
    Luma,
    /// Hold the frame that is shown, or go on.
    Freeze,
    /// One frame back or on from the one that is held.
    StepFrames(i8),
    /// Both sides as PNG.
    SaveSides,
    /// The seen part of both sides beside each other as PNG.
    SaveCrop,
    /// The comparison as it is seen as PNG.
    SaveView,
    /// The seen part of both sides to the clipboard.
    CopyCrop,
    /// The comparison as it is seen to the clipboard.
    CopyView,
    /// Record what arrives, or end the recording.
    Record,
    /// Record what is compared, or end the recording.
    RecordView,
    /// Begin the blind test on whole pictures.
    Blind,
    /// Begin the blind test on crops, one pixel to one pixel.
    BlindCrops,
    /// Dark, light, or as the system has it.
    Theme,
    /// Scores and graphs of the last minute.
    Graphs,
    /// Show the numbers.
    Stats,
    /// Hide the own picture.
    Hide,
    /// Send silence instead of the own sound.
    MuteSound,
    /// End the call.
    HangUp,
    /// What keys there are.
    Help,
    /// All of this by name.
    Palette,
}

/// A row of the table.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// What it does.
    pub command: Command,
    /// In words.
    pub name: &'static str,
    /// Its key as people read it.
    pub shown: &'static str,
    /// Its key.
    pub key: Key,
    /// What is held with it.
    pub modifiers: Modifiers,
    /// Where it stands in the help sheet.
    pub group: Group,
}

/// The parts of the help sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// Layouts and sides.
    Compare,
    /// Zoom, pan, magnify.
    Look,
    /// The difference.
    Difference,
    /// Hold, step, save.
    Keep,
    /// The call and the window.
    Call,
}

impl Group {
    /// All, in order.
    pub const ALL: [Self; 5] = [Self::Compare, Self::Look, Self::Difference, Self::Keep, Self::Call];

    /// Its title.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Compare => "Compare",
            Self::Look => "Look closer",
            Self::Difference => "Difference",
            Self::Keep => "Freeze and save",
            Self::Call => "Call and window",
        }
    }
}

const fn plain(command: Command, group: Group, key: Key, shown: &'static str, name: &'static str) -> Entry {
    Entry { command, name, shown, key, modifiers: Modifiers::NONE, group }
}

const fn with(modifiers: Modifiers, entry: Entry) -> Entry {
    Entry { modifiers, ..entry }
}

/// The table.
pub const TABLE: &[Entry] = {
    use Command as C;
    use Group as G;
    use Layout::{Difference, FourUp, SideBySide, Toggle, Wipe};
    &[
        plain(C::Layout(SideBySide), G::Compare, Key::Num1, "1", "Side by side"),
        plain(C::Layout(Wipe), G::Compare, Key::Num2, "2", "Wipe with a divider"),
        plain(C::Layout(Toggle), G::Compare, Key::Num3, "3", "A and B in the same place"),
        plain(C::Layout(Difference), G::Compare, Key::Num4, "4", "Difference"),
        plain(C::Layout(FourUp), G::Compare, Key::Num5, "5", "Low-res, bicubic, network, truth"),
        plain(C::Flip, G::Compare, Key::Space, "Space", "Flip between A and B"),
        plain(C::Swap, G::Compare, Key::X, "X", "Swap A and B"),
        plain(C::NextA, G::Compare, Key::A, "A", "Next choice for side A"),
        plain(C::NextB, G::Compare, Key::B, "B", "Next choice for side B"),
        plain(C::NextModel, G::Compare, Key::M, "M", "Next network"),
        plain(C::NextEngine, G::Compare, Key::E, "E", "Next engine: GPU, CPU, CPU in bytes"),
        plain(C::Fit, G::Look, Key::Num0, "0", "Fit the window"),
        plain(C::OneToOne, G::Look, Key::Z, "Z", "One pixel to one pixel, and back"),
        plain(C::ZoomIn, G::Look, Key::Plus, "+", "Zoom in"),
        plain(C::ZoomIn, G::Look, Key::Equals, "=", "Zoom in"),
        plain(C::ZoomOut, G::Look, Key::Minus, "-", "Zoom out"),
        plain(C::Pan(-1, 0), G::Look, Key::ArrowLeft, "Left", "Look further left, or move the divider"),
        plain(C::Pan(1, 0), G::Look, Key::ArrowRight, "Right", "Look further right, or move the divider"),
        plain(C::Pan(0, -1), G::Look, Key::ArrowUp, "Up", "Look further up"),
        plain(C::Pan(0, 1), G::Look, Key::ArrowDown, "Down", "Look further down"),
        plain(C::Nearest, G::Look, Key::N, "N", "Pixels as squares, or smooth"),
        plain(C::Loupe, G::Look, Key::L, "L", "Loupe at the pointer"),
        plain(C::ReadOut, G::Look, Key::I, "I", "Pixel values at the pointer"),
        plain(C::Spotlight, G::Look, Key::W, "W", "Where the sides differ, enlarged"),
        plain(C::Signed, G::Difference, Key::D, "D", "With sign, or absolute"),
        plain(C::GainUp, G::Difference, Key::G, "G", "Twice as strong"),
        with(Modifiers::SHIFT, plain(C::GainDown, G::Difference, Key::G, "Shift+G", "Half as strong")),
        plain(C::Luma, G::Difference, Key::Y, "Y", "Luma only"),
        plain(C::Freeze, G::Keep, Key::F, "F", "Freeze the frame; the call goes on"),
        plain(C::StepFrames(-1), G::Keep, Key::Comma, ",", "One frame back"),
        plain(C::StepFrames(1), G::Keep, Key::Period, ".", "One frame on"),
        plain(C::SaveSides, G::Keep, Key::P, "P", "Save both sides as PNG"),
        with(Modifiers::SHIFT, plain(C::SaveCrop, G::Keep, Key::P, "Shift+P", "Save the seen part of both")),
        plain(C::SaveView, G::Keep, Key::V, "V", "Save the view"),
        plain(C::CopyCrop, G::Keep, Key::C, "C", "Copy the seen part of both"),
        with(Modifiers::SHIFT, plain(C::CopyView, G::Keep, Key::C, "Shift+C", "Copy the view")),
        plain(C::Record, G::Keep, Key::R, "R", "Record what arrives as MP4, or end it"),
        with(Modifiers::SHIFT, plain(C::RecordView, G::Keep, Key::R, "Shift+R", "Record both sides as MP4, or end it")),
        plain(C::Blind, G::Compare, Key::T, "T", "Blind test of A against B"),
        with(Modifiers::SHIFT, plain(C::BlindCrops, G::Compare, Key::T, "Shift+T", "Blind test of crops at 1:1")),
        with(Modifiers::SHIFT, plain(C::Theme, G::Call, Key::L, "Shift+L", "Dark, light, or as the system")),
        plain(C::Graphs, G::Call, Key::Q, "Q", "Scores and graphs of the last minute"),
        plain(C::Stats, G::Call, Key::S, "S", "Numbers of each stage"),
        plain(C::Hide, G::Call, Key::H, "H", "Hide my picture"),
        #[cfg(feature = "audio")]
        with(Modifiers::SHIFT, plain(C::MuteSound, G::Call, Key::M, "Shift+M", "Mute my sound")),
        with(Modifiers::CTRL, plain(C::HangUp, G::Call, Key::E, "Ctrl+E", "Hang up")),
        with(Modifiers::CTRL, plain(C::Palette, G::Call, Key::K, "Ctrl+K", "Everything by name")),
        plain(C::Help, G::Call, Key::Questionmark, "?", "This sheet"),
        plain(C::Help, G::Call, Key::F1, "F1", "This sheet"),
    ]
};

/// The key of a command as people read it.
pub fn key_of(command: Command) -> &'static str {
    TABLE.iter().find(|e| e.command == command).map_or("", |e| e.shown)
}

/// What was pressed, taken from the input. A field that is written in keeps its letters, and a control that has
/// the focus keeps what moves and presses it.
pub(crate) fn pressed(ui: &Ui) -> Vec<Command> {
    let ctx = ui.ctx();
    let (writing, focused) = (ctx.text_edit_focused(), ctx.memory(|m| m.focused().is_some()));
    let moves = [Key::Space, Key::ArrowLeft, Key::ArrowRight, Key::ArrowUp, Key::ArrowDown];
    let mut out = Vec::new();
    ui.input_mut(|input| {
        // Those with more keys held come first: G would take Shift+G else.
        let mut table: Vec<&Entry> = TABLE.iter().collect();
        table.sort_by_key(|e| e.modifiers == Modifiers::NONE);
        for entry in table {
            let bare = !entry.modifiers.ctrl;
            if (writing && bare) || (focused && moves.contains(&entry.key)) {
                continue;
            }
            if input.consume_key(entry.modifiers, entry.key) {
                out.push(entry.command);
            }
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_means_two_things() {
        let mut keys: Vec<String> = TABLE.iter().map(|e| format!("{:?} {:?}", e.modifiers, e.key)).collect();
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), TABLE.len());
    }

    #[test]
    fn every_group_has_something() {
        assert!(Group::ALL.iter().all(|g| TABLE.iter().any(|e| e.group == *g)));
        assert_eq!(key_of(Command::HangUp), "Ctrl+E");
    }
}
