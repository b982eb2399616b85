//! The controls of a running call, each of which acts at once.

use egui::{
    Align, Align2, FontId, Label, Layout, RichText, Role, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
    containers::menu::{MenuButton, MenuConfig},
    vec2,
};

use crate::{
    app::{
        controls::{Action, Controls, adopt},
        networks::ModelChoice,
        pages::{call_view::CallView, sound_controls},
        theme::style,
    },
    codec::{MAX_BITRATE, MIN_BITRATE},
    frame::Size,
    pipeline::{Auto, SizeChoice},
    upscale::EngineChoice,
};

/// Height of a row.
const ROW: f32 = 28.0;
const SELF_VIEW: f32 = 62.0;
/// Sizes that can be chosen, besides the one that the call began with.
const SIZES: [(u32, u32); 5] = [(240, 180), (320, 240), (480, 360), (640, 480), (960, 720)];
/// Widths of the choice of the engine, and of the slider to the vivid weights.
const ENGINE: f32 = 172.0;
const VIVID: f32 = 188.0;
const RATES: [u32; 6] = [5, 10, 15, 24, 30, 60];

/// Draws the controls and the own picture.
pub(crate) fn show(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    ui.horizontal_top(|ui| {
        let width = (ui.available_width() - 1.5 * SELF_VIEW).max(200.0);
        ui.vertical(|ui| {
            ui.set_width(width);
            ui.spacing_mut().slider_width = 80.0;
            ui.horizontal_wrapped(|ui| {
                bitrate(ui, controls, actions);
                size(ui, controls, actions);
                rate(ui, controls, actions);
                let button = egui::Button::new("Hide me").selected(controls.hidden).min_size(vec2(76.0, ROW));
                if ui.add(button).on_hover_text("Send black instead of your picture (H)").clicked() {
                    controls.hidden = !controls.hidden;
                    actions.push(Action::Hide);
                }
                if let (Some(sound), Some(now)) = (&mut controls.sound, &view.stats.audio) {
                    sound_controls::show(ui, now, sound, view.devices, actions);
                }
                // What is sent, and what is made of what comes: in one row, or in one each.
                if ui.available_size_before_wrap().x < made_of_it(view, controls) {
                    ui.end_row();
                }
                // The sides of a blind test stay what they are.
                if controls.blind.is_some() {
                    ui.disable();
                }
                model(ui, view, controls, actions);
                engine(ui, view, controls, actions);
                vivid(ui, view, controls);
            });
            if view.loopback {
                ui.horizontal_wrapped(|ui| network(ui, controls, actions));
            }
        });
        ui.with_layout(Layout::right_to_left(Align::Min), |ui| self_view(ui, view, controls.hidden));
    });
}

/// The width of what is set about the upscaling. It does not change with the network that the program chooses, or
/// everything would move when it chooses another.
fn made_of_it(view: &CallView<'_>, controls: &Controls) -> f32 {
    let chosen = view.models.get(controls.model);
    let vivid = if controls.auto { view.models.iter().any(|m| m.vivid) } else { chosen.is_some_and(|m| m.vivid) };
    let limits = if controls.auto { 78.0 } else { 0.0 };
    model_width(controls) + limits + ENGINE + 16.0 + if vivid { VIVID } else { 0.0 }
}

/// The bad network on purpose.
fn network(ui: &mut Ui, controls: &mut Controls, actions: &mut Vec<Action>) {
    let mut changed = false;
    cell(ui, 228.0, |ui| {
        let slider = egui::Slider::new(&mut controls.loss, 0.0..=30.0).step_by(0.5).suffix(" %");
        changed |= named(ui, "Loss", slider).on_hover_text("Packets that are lost on purpose").changed();
    });
    cell(ui, 228.0, |ui| {
        let slider = egui::Slider::new(&mut controls.delay_ms, 0..=500).suffix(" ms");
        changed |= named(ui, "Delay", slider).on_hover_text("How long each packet is held back").changed();
    });
    cell(ui, 122.0, |ui| {
        let label = text_in(ui, vec2(42.0, ROW), "Jitter");
        let value = egui::DragValue::new(&mut controls.jitter_ms).range(0..=500).suffix(" ms");
        let value = ui.add_sized(vec2(68.0, ROW), value).labelled_by(label.id);
        changed |= value.on_hover_text("And up to so much longer, by chance").changed();
    });
    cell(ui, 156.0, |ui| {
        let label = text_in(ui, vec2(42.0, ROW), "Limit");
        let value = egui::DragValue::new(&mut controls.rate_kbit)
            .range(0..=5000)
            .speed(10.0)
            .custom_formatter(|v, _| if v < 1.0 { "none".to_owned() } else { format!("{v:.0} kbit/s") })
            .custom_parser(|text| if text.trim() == "none" { Some(0.0) } else { leading(text) });
        let value = ui.add_sized(vec2(102.0, ROW), value).labelled_by(label.id);
        changed |= value.on_hover_text("Bits a second that the network carries").changed();
    });
    if changed {
        actions.push(Action::Impair);
    }
}

/// A place of fixed width, so that what stands beside it does not move when a number grows.
fn cell(ui: &mut Ui, width: f32, add: impl FnOnce(&mut Ui)) {
    ui.allocate_ui_with_layout(vec2(width, ROW), Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_width(width);
        add(ui);
    });
}

/// A slider with its name to the left of it, at the same place in each row.
fn named(ui: &mut Ui, name: &str, slider: egui::Slider<'_>) -> egui::Response {
    let label = text_in(ui, vec2(46.0, ROW), name);
    ui.add(slider).labelled_by(label.id)
}

/// Text at the left of a place of fixed size; what does not fit is cut off.
fn text_in(ui: &mut Ui, size: Vec2, text: &str) -> egui::Response {
    ui.allocate_ui_with_layout(size, Layout::left_to_right(Align::Center), |ui| {
        ui.set_min_size(size);
        ui.add(Label::new(text).truncate())
    })
    .inner
}

fn bitrate(ui: &mut Ui, controls: &mut Controls, actions: &mut Vec<Action>) {
    cell(ui, 236.0, |ui| {
        let mut kbit = controls.bitrate / 1000;
        let slider = egui::Slider::new(&mut kbit, MIN_BITRATE / 1000..=MAX_BITRATE / 1000)
            .logarithmic(true)
            .clamping(egui::SliderClamping::Edits)
            .suffix(" kbit/s");
        if named(ui, "Bitrate", slider).changed() && kbit != controls.bitrate / 1000 {
            controls.bitrate = kbit * 1000;
            actions.push(Action::Bitrate);
        }
    });
}

fn model_width(controls: &Controls) -> f32 {
    if controls.auto { 190.0 } else { 162.0 }
}

/// A network's name without how vivid it is, which the slider says. One that has no slider may have an @ of its own.
fn plain_name(model: &ModelChoice) -> &str {
    match model.name.rsplit_once('@') {
        Some((name, _)) if model.vivid => name,
        _ => &model.name,
    }
}

fn model(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    let before = (controls.auto, controls.model);
    let whole = model_width(controls);
    cell(ui, whole, |ui| {
        let label = text_in(ui, vec2(46.0, ROW), "Model");
        let name = view.models.get(controls.model).map_or("", plain_name);
        let runs = if view.off.is_some() { "off" } else { name };
        let text = if controls.auto { format!("auto · {runs}") } else { name.to_owned() };
        let response = egui::ComboBox::from_id_salt("model")
            .selected_text(text)
            .width(whole - 58.0)
            .truncate()
            .show_ui(ui, |ui| {
                if ui.selectable_label(controls.auto, "auto · as large as the machine can").clicked() {
                    controls.auto = true;
                }
                for (i, m) in view.models.iter().enumerate() {
                    let text = format!("{} · {} MAC/px", plain_name(m), style::grouped(m.mac_per_pixel as u64));
                    if ui.selectable_label(!controls.auto && controls.model == i, text).clicked() {
                        (controls.auto, controls.model) = (false, i);
                    }
                }
            })
            .response
            .labelled_by(label.id);
        if controls.auto {
            response.on_hover_text(format!("{runs}: {}", view.stats.model_reason));
        }
    });
    if controls.auto {
        limits(ui, controls, actions);
    }
    if (controls.auto, controls.model) != before {
        adopt(controls);
        actions.push(Action::Model);
    }
}

/// Where the network runs.
fn engine(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls, actions: &mut Vec<Action>) {
    let before = controls.engine;
    cell(ui, ENGINE, |ui| {
        let label = text_in(ui, vec2(46.0, ROW), "Engine");
        let text = match (before, view.stats.engine) {
            (EngineChoice::Auto, Some(runs)) => format!("auto · {}", runs.to_string().to_uppercase()),
            (EngineChoice::Auto, None) => "auto".to_owned(),
            (EngineChoice::Gpu, _) => "GPU".to_owned(),
            (EngineChoice::GpuInt8, _) => "GPU, bytes".to_owned(),
            (EngineChoice::Cpu, _) => "CPU".to_owned(),
            (EngineChoice::CpuInt8, _) => "CPU, bytes".to_owned(),
        };
        let response = egui::ComboBox::from_id_salt("engine")
            .selected_text(text)
            .width(ENGINE - 58.0)
            .truncate()
            .show_ui(ui, |ui| {
                for choice in EngineChoice::ALL {
                    let text = match choice {
                        EngineChoice::Auto => "auto · the GPU if it is a real one, else the CPU",
                        EngineChoice::Gpu => "GPU · even one that is a program",
                        EngineChoice::GpuInt8 => "GPU in bytes · where it multiplies four at once",
                        EngineChoice::Cpu => "CPU",
                        EngineChoice::CpuInt8 => "CPU in bytes · faster, above all large networks",
                    };
                    ui.selectable_value(&mut controls.engine, choice, text);
                }
            })
            .response
            .labelled_by(label.id);
        response.on_hover_text(view.stats.engine_reason.as_str());
    });
    if controls.engine != before {
        actions.push(Action::Engine);
    }
}

/// What the program may use of the machine when it chooses the network.
fn limits(ui: &mut Ui, controls: &mut Controls, actions: &mut Vec<Action>) {
    let stay = MenuConfig::new().close_behavior(egui::PopupCloseBehavior::CloseOnClickOutside);
    let button = egui::Button::new("Limits").min_size(vec2(0.0, ROW));
    let (response, changed) = MenuButton::from_button(button).config(stay).ui(ui, |ui| {
        ui.set_min_width(250.0);
        let label = ui.label("Upscaling takes of all cores at most");
        let slider = egui::Slider::new(&mut controls.cpu_share, 5..=100)
            .custom_formatter(|v, _| if v >= 100.0 { "no limit".to_owned() } else { format!("{v:.0} %") })
            .custom_parser(|text| if text.trim() == "no limit" { Some(100.0) } else { leading(text) });
        let slider = ui.add(slider).labelled_by(label.id);
        let hint = "Whatever this says, a frame never takes more than half of the time to the next";
        let moved = slider.on_hover_text(hint).changed();
        let spared = Auto::KNOWS_BATTERY
            && ui.checkbox(&mut controls.spare_battery, "Less while it runs on its battery").changed();
        spared || moved
    });
    response.on_hover_text("What the automatic choice may use of this machine");
    if changed.is_some_and(|changed| changed.inner) {
        actions.push(Action::Model);
    }
}

/// The number that a text begins with.
fn leading(text: &str) -> Option<f64> {
    let digits: String = text.trim().chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// From the faithful picture to the vivid one; the window itself blends the networks.
fn vivid(ui: &mut Ui, view: &CallView<'_>, controls: &mut Controls) {
    if view.models.get(controls.model).is_some_and(|m| m.vivid) {
        cell(ui, VIVID, |ui| {
            let slider = egui::Slider::new(&mut controls.vivid, 0.0..=1.0).step_by(0.05).fixed_decimals(2);
            let slider = named(ui, "Vivid", slider);
            slider.on_hover_text("From the most faithful picture to one that looks sharper and invents detail");
        });
    }
}

fn size(ui: &mut Ui, controls: &mut Controls, actions: &mut Vec<Action>) {
    let before = controls.size;
    let fixed = SIZES.iter().filter_map(|&(w, h)| Size::new(w, h).ok()).map(SizeChoice::Within);
    let mut sizes: Vec<SizeChoice> = std::iter::once(SizeChoice::Auto).chain(fixed).collect();
    if !sizes.contains(&before) {
        sizes.push(before);
    }
    egui::ComboBox::from_id_salt("size")
        .selected_text(before.to_string())
        .width(88.0)
        .show_ui(ui, |ui| {
            for size in sizes {
                ui.selectable_value(&mut controls.size, size, size.to_string());
            }
        })
        .response
        .on_hover_text(
            "What is sent fits into this size; auto takes the size that looks best with the bits that there are",
        )
        .accessible_name("Size");
    if controls.size != before {
        actions.push(Action::Size);
    }
}

fn rate(ui: &mut Ui, controls: &mut Controls, actions: &mut Vec<Action>) {
    let before = controls.fps;
    egui::ComboBox::from_id_salt("fps")
        .selected_text(format!("{before} fps"))
        .width(68.0)
        .show_ui(ui, |ui| {
            for fps in RATES {
                ui.selectable_value(&mut controls.fps, fps, format!("{fps} fps"));
            }
        })
        .response
        .on_hover_text("Frames a second that are sent at most")
        .accessible_name("Frame rate");
    if controls.fps != before {
        actions.push(Action::Fps);
    }
}

fn self_view(ui: &mut Ui, view: &CallView<'_>, hidden: bool) {
    let aspect = view.self_view.map_or(4.0 / 3.0, |(_, s)| s.width() as f32 / s.height() as f32).clamp(0.5, 1.8);
    let (rect, response) = ui.allocate_exact_size(vec2((SELF_VIEW * aspect).round(), SELF_VIEW), Sense::hover());
    let p = style::palette(ui);
    ui.painter().rect_filled(rect, 4.0, p.ground);
    match view.self_view {
        Some((texture, _)) if !hidden => {
            egui::Image::from_texture((texture, rect.size())).corner_radius(4.0).alt_text("You").paint_at(ui, rect);
        }
        _ => {
            let text = if hidden { "hidden" } else { "you" };
            ui.painter().text(rect.center(), Align2::CENTER_CENTER, text, FontId::proportional(13.0), p.quiet);
        }
    }
    ui.painter().rect_stroke(rect, 4.0, Stroke::new(1.0, p.line), StrokeKind::Outside);
    response.widget_info(|| WidgetInfo::labeled(Role::Image, true, "Your picture, as it is sent"));
    response.on_hover_text(RichText::new("Your picture, as it is sent"));
}
