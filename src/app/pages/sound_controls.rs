//! Where the sound is chosen, muted, and seen to be heard.

use egui::{
    Align, Align2, Button, FontId, Layout, Rect, Response, RichText, Role, ScrollArea, Sense, TextWrapMode, Ui,
    WidgetInfo,
    containers::menu::{MenuButton, MenuConfig},
    pos2, vec2,
};

use crate::{
    app::{
        commands::{Command, key_of},
        controls::Action,
        sound::{DeviceNames, SoundChoice, SoundControls},
        theme::style,
    },
    pipeline::{SoundSource, SpeakerChoice},
    stats::AudioStats,
};

/// The meters' left end in dBFS; their right end is full scale.
const QUIETEST: f64 = -60.0;
/// Above this a sound is about to be clipped.
const LOUD: f64 = -3.0;
/// Height of a row of controls.
const ROW: f32 = 28.0;
const METER: f32 = 104.0;
/// Where the bar begins, after its name.
const BAR: f32 = 34.0;
const MENU: f32 = 270.0;
/// Height of its lines.
const LINE: f32 = 22.0;

/// The sound's part of a call's controls.
pub(crate) fn show(
    ui: &mut Ui,
    now: &AudioStats,
    sound: &mut SoundControls,
    names: Option<&DeviceNames>,
    actions: &mut Vec<Action>,
) {
    if sound.sends {
        let mute = Button::new("Mute").selected(sound.muted).min_size(vec2(60.0, ROW));
        let hint = format!("Send silence instead of your sound ({})", key_of(Command::MuteSound));
        if ui.add(mute).on_hover_text(hint).clicked() {
            sound.muted = !sound.muted;
            actions.push(Action::MuteSound);
        }
    }
    ui.allocate_ui_with_layout(vec2(METER, ROW), Layout::top_down(Align::Min), |ui| {
        ui.set_min_size(vec2(METER, ROW));
        ui.spacing_mut().item_spacing.y = 0.0;
        let height = if sound.sends { ROW / 2.0 } else { ROW };
        if sound.sends {
            let level = if sound.muted { None } else { Some(now.level_out_dbfs) };
            meter(ui, height, "you", "Your level", level).on_hover_text("How loud you are sent");
        }
        meter(ui, height, "they", "Their level", Some(now.level_in_dbfs)).on_hover_text("How loud the other side is");
    });
    let before = sound.choice.clone();
    let button = Button::new("Sound").min_size(vec2(0.0, ROW));
    let response = menu(ui, button, &mut sound.choice, names, sound.sends);
    if response.on_hover_text("Microphone, speaker, and what is done to your voice").clicked() {
        actions.push(Action::LookForDevices);
    }
    if sound.choice != before {
        actions.push(Action::Sound);
    }
}

/// A bar that is as long as a sound is loud; grey and empty where there is no level.
fn meter(ui: &mut Ui, height: f32, short: &str, name: &str, level: Option<f64>) -> Response {
    let (rect, response) = ui.allocate_exact_size(vec2(METER, height), Sense::hover());
    let p = style::palette(ui);
    let painter = ui.painter();
    painter.text(rect.left_center(), Align2::LEFT_CENTER, short, FontId::proportional(11.5), p.quiet);
    let middle = rect.center().y;
    let bar = Rect::from_min_max(pos2(rect.left() + BAR, middle - 3.0), pos2(rect.right(), middle + 3.0));
    painter.rect_filled(bar, 3.0, p.line);
    let share = level.map_or(0.0, share);
    if share > 0.0 {
        let colour = if level.is_some_and(|level| level > LOUD) { p.warning } else { p.good };
        let lit = Rect::from_min_size(bar.min, vec2(bar.width() * share, bar.height()));
        painter.rect_filled(lit, 3.0, colour);
    }
    let spoken = if level.is_some() { name.to_owned() } else { format!("{name}: muted") };
    response.widget_info(|| WidgetInfo {
        value: Some(level.unwrap_or(QUIETEST).max(QUIETEST).round()),
        ..WidgetInfo::labeled(Role::Meter, true, &spoken)
    });
    response
}

/// How much of a meter is lit.
fn share(level: f64) -> f32 {
    (1.0 - level / QUIETEST).clamp(0.0, 1.0) as f32
}

/// A button that opens the choice of the sound; `sends` says whether there is anything to choose of what is sent.
pub(crate) fn menu(
    ui: &mut Ui,
    button: Button<'_>,
    choice: &mut SoundChoice,
    names: Option<&DeviceNames>,
    sends: bool,
) -> Response {
    let stay = MenuConfig::new().close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
    let (response, _) = MenuButton::from_button(button).config(stay).ui(ui, |ui| {
        ui.set_width(MENU);
        ui.style_mut().wrap_mode = Some(TextWrapMode::Truncate);
        ui.spacing_mut().item_spacing.y = 0.0;
        ui.spacing_mut().interact_size.y = LINE;
        let most = (ui.ctx().content_rect().height() - 90.0).max(100.0);
        ScrollArea::vertical().max_height(most).show(ui, |ui| {
            // The bar that scrolls lies over what is at the edge.
            ui.set_width(MENU - 10.0);
            if sends {
                sources(ui, &mut choice.source, names);
            }
            speakers(ui, &mut choice.speaker, names);
            if sends {
                heading(ui, "What is done to the microphone's sound");
                let processing = &mut choice.processing;
                for (on, text, hint) in [
                    (&mut processing.echo_cancellation, "Echo cancellation", "Takes out what your speaker plays"),
                    (&mut processing.noise_suppression, "Noise suppression", "Takes out steady noise"),
                    (&mut processing.gain_control, "Gain control", "Makes you as loud as speech ought to be"),
                ] {
                    ui.checkbox(on, text).on_hover_text(hint);
                }
            }
            style::follow_focus(ui);
        });
    });
    response
}

fn sources(ui: &mut Ui, source: &mut SoundSource, names: Option<&DeviceNames>) {
    heading(ui, if names.is_some() { "Microphone" } else { "Microphone (looking for others…)" });
    let named = names.iter().flat_map(|n| &n.microphones).map(|name| SoundSource::Microphone(Some(name.clone())));
    let mut all = vec![SoundSource::Microphone(None)];
    all.extend(named);
    all.extend([SoundSource::OfPictures, SoundSource::None]);
    // A device that has gone, or the file of the command line.
    if !all.contains(source) {
        all.push(source.clone());
    }
    for one in all {
        let text = source_name(&one);
        ui.radio_value(source, one, text);
    }
}

fn speakers(ui: &mut Ui, speaker: &mut SpeakerChoice, names: Option<&DeviceNames>) {
    heading(ui, "Speaker");
    let mut all = vec![SpeakerChoice::Default];
    all.extend(names.iter().flat_map(|n| &n.speakers).map(|name| SpeakerChoice::Named(name.clone())));
    all.push(SpeakerChoice::None);
    if !all.contains(speaker) {
        all.push(speaker.clone());
    }
    for one in all {
        let text = speaker_name(&one);
        ui.radio_value(speaker, one, text);
    }
}

fn heading(ui: &mut Ui, text: &str) {
    ui.add_space(4.0);
    ui.label(RichText::new(text).strong());
}

/// What is chosen, in a few words.
pub(crate) fn summary(choice: &SoundChoice) -> String {
    format!("{} · {}", source_name(&choice.source), speaker_name(&choice.speaker))
}

fn source_name(source: &SoundSource) -> String {
    match source {
        SoundSource::Microphone(None) => "System's microphone".to_owned(),
        SoundSource::Microphone(Some(name)) => name.clone(),
        SoundSource::OfPictures => "The picture's own sound".to_owned(),
        SoundSource::File(path) => path.display().to_string(),
        SoundSource::None => "No microphone".to_owned(),
    }
}

fn speaker_name(speaker: &SpeakerChoice) -> String {
    match speaker {
        SpeakerChoice::Default => "System's speaker".to_owned(),
        SpeakerChoice::Named(name) => name.clone(),
        SpeakerChoice::None => "No speaker".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_meter_reaches_from_sixty_below_full_scale_to_full_scale() {
        assert_eq!([-90.0, -60.0, -45.0, -30.0, 0.0, 3.0].map(share), [0.0, 0.0, 0.25, 0.5, 1.0, 1.0]);
    }
}
