//! The choice of the source on the start page, with a look at it.

use std::path::Path;

use egui::{Align, Align2, FontId, Label, Layout, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

use crate::{
    app::{
        pages::{
            sound_controls,
            start_page::{Card, SourceKind, StartPage, recent},
        },
        settings::MAX_CAMERA_FORMATS,
        theme::style,
    },
    source::SourceSpec,
    source::devices::{Format, ListedCamera},
};

/// Formats that are offered: some cameras list hundreds.
const OFFERED: usize = 200;

/// The look at the source.
const PREVIEW: (f32, f32) = (152.0, 114.0);
/// In a card that is narrower the look stands below the choice, which may take two lines.
const NARROW: f32 = 480.0;

impl StartPage {
    pub(super) fn source_card(&mut self, ui: &mut Ui) {
        style::card(ui).show(ui, |ui| {
            ui.set_width(ui.available_width());
            if ui.available_width() < NARROW {
                self.choice(ui);
                self.look_at_it(ui);
                return;
            }
            ui.horizontal_top(|ui| {
                let width = ui.available_width() - PREVIEW.0 - 12.0;
                ui.vertical(|ui| {
                    ui.set_width(width);
                    ui.set_min_height(PREVIEW.1);
                    self.choice(ui);
                });
                ui.with_layout(Layout::right_to_left(Align::Min), |ui| self.look_at_it(ui));
            });
        });
    }

    fn choice(&mut self, ui: &mut Ui) {
        self.kinds(ui);
        self.details(ui);
        self.sound(ui);
        // In place of a line that is there anyway, so that nothing moves.
        style::quiet(ui, if self.busy { "The last call is hanging up…" } else { self.summary.as_str() });
        self.error_at(ui, Card::Source);
    }

    fn kinds(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.label(RichText::new("Your picture").strong());
            ui.add_space(8.0);
            for (kind, name) in
                [(SourceKind::Camera, "Camera"), (SourceKind::Scene, "Scene"), (SourceKind::Clip, "Clip")]
            {
                if ui.add(egui::Button::new(name).selected(self.source == kind)).clicked() {
                    self.source = kind;
                }
            }
        });
    }

    fn details(&mut self, ui: &mut Ui) {
        let row = if ui.available_width() < NARROW {
            Layout::left_to_right(Align::Center).with_main_wrap(true)
        } else {
            Layout::left_to_right(Align::Center)
        };
        let size = vec2(ui.available_width(), ui.spacing().interact_size.y);
        ui.allocate_ui_with_layout(size, row, |ui| match self.source {
            SourceKind::Scene => {
                style::quiet(ui, "A moving picture drawn by the program; what it loses on its way is known.");
            }
            SourceKind::Camera => self.camera(ui),
            SourceKind::Clip => {
                if let Some(clip) = (!self.clips.is_empty()).then(|| recent(ui, "Recent", &self.clips)).flatten() {
                    self.clip = clip;
                }
                let field = egui::TextEdit::singleline(&mut self.clip)
                    .hint_text("an .mp4, .264 or .y4m file; or drop it here")
                    .desired_width(ui.available_width());
                ui.add(field).accessible_name("Clip file");
            }
        });
    }

    /// What is sent and heard of sound, in a menu that says it.
    fn sound(&mut self, ui: &mut Ui) {
        let Some(sound) = &mut self.sound else { return };
        ui.horizontal(|ui| {
            ui.label(RichText::new("Your sound").strong());
            ui.add_space(8.0);
            let text = sound_controls::summary(&sound.choice);
            let button = egui::Button::new(&text).truncate();
            let response = sound_controls::menu(ui, button, &mut sound.choice, sound.names.as_deref(), true);
            let response = response.accessible_name(format!("Your sound: {text}"));
            sound.look_wanted |=
                response.on_hover_text("Microphone, speaker, and what is done to your voice").clicked();
        });
    }

    /// The cameras by name, with what they can do; by number where there is no list.
    fn camera(&mut self, ui: &mut Ui) {
        let Some(cameras) = self.cameras.as_ref().filter(|c| !c.is_empty()) else {
            let label = ui.label("number");
            ui.add(egui::DragValue::new(&mut self.camera).range(0..=63)).labelled_by(label.id);
            style::quiet(ui, if self.cameras.is_none() { "looking for cameras…" } else { "no camera was found" });
            return;
        };
        let before = self.camera;
        let chosen = cameras.iter().find(|c| c.index == self.camera);
        egui::ComboBox::from_id_salt("camera")
            .selected_text(chosen.map_or("choose one", |c| c.name.as_str()))
            .width(200.0)
            .truncate()
            .show_ui(ui, |ui| {
                for camera in cameras {
                    ui.selectable_value(&mut self.camera, camera.index, &camera.name);
                }
            })
            .response
            .accessible_name("Camera");
        if self.camera != before {
            let now = cameras.iter().find(|c| c.index == self.camera);
            self.format = now.and_then(|camera| remembered(&self.formats, camera));
        } else if let Some(camera) = chosen {
            choose_format(ui, camera, &mut self.format, &mut self.formats);
        }
    }

    /// Takes the format that was chosen for the camera before, when the cameras have just become known.
    pub(in crate::app) fn cameras_are_known(&mut self, cameras: Vec<ListedCamera>) {
        if self.cameras.is_none() && self.format.is_none() {
            let camera = cameras.iter().find(|c| c.index == self.camera);
            self.format = camera.and_then(|camera| remembered(&self.formats, camera));
        }
        self.cameras = Some(cameras);
    }

    fn look_at_it(&self, ui: &mut Ui) {
        let (rect, response) = ui.allocate_exact_size(vec2(PREVIEW.0, PREVIEW.1), Sense::hover());
        let p = style::palette(ui);
        ui.painter().rect_filled(rect, 6.0, p.ground);
        let spoken = match (&self.preview_problem, self.preview) {
            (Some(why), _) => {
                let text = ui.painter().layout(why.clone(), FontId::proportional(12.0), p.quiet, PREVIEW.0 - 12.0);
                let at = rect.center() - text.size() / 2.0;
                ui.painter().with_clip_rect(rect).galley(at, text, p.quiet);
                format!("No preview: {why}")
            }
            (None, Some((texture, size))) => {
                let (w, h) = (size.width() as f32, size.height() as f32);
                let whole = vec2(w, h) * (rect.width() / w).min(rect.height() / h);
                let place = egui::Rect::from_center_size(rect.center(), whole);
                egui::Image::from_texture((texture, whole)).corner_radius(6.0).alt_text("Preview").paint_at(ui, place);
                "Preview of your picture".to_owned()
            }
            (None, None) => {
                let font = FontId::proportional(13.0);
                ui.painter().text(rect.center(), Align2::CENTER_CENTER, "preview", font, p.quiet);
                "Preview of your picture".to_owned()
            }
        };
        ui.painter().rect_stroke(rect, 6.0, Stroke::new(1.0, p.line), StrokeKind::Inside);
        response.widget_info(|| WidgetInfo::labeled(Role::Image, true, &spoken));
    }

    /// The source to look at, if it can be opened.
    pub(in crate::app) fn preview_of(&self) -> Option<SourceSpec> {
        self.chosen().ok()
    }

    /// The chosen source, or what is wrong with it.
    pub(super) fn chosen(&self) -> Result<SourceSpec, String> {
        match self.source {
            SourceKind::Scene => Ok(SourceSpec::Scene),
            SourceKind::Camera => Ok(SourceSpec::Camera(self.camera, self.format)),
            SourceKind::Clip => {
                let path = self.clip.trim();
                if path.is_empty() {
                    Err("No clip is chosen: type the path of a file or drop it on the window.".to_owned())
                } else if Path::new(path).is_file() {
                    Ok(SourceSpec::Clip(path.into()))
                } else {
                    Err(format!("There is no file {path}: check the path, or drop the file on the window."))
                }
            }
        }
    }
}

/// The formats of a camera, or why they are not known.
fn choose_format(ui: &mut Ui, camera: &ListedCamera, format: &mut Option<Format>, chosen: &mut Vec<(String, String)>) {
    if camera.formats.is_empty() {
        let text = camera.problem.clone().unwrap_or_default();
        let quiet = RichText::new(&text).color(style::palette(ui).quiet);
        ui.add(Label::new(quiet).truncate()).on_hover_text(text);
        return;
    }
    let before = *format;
    egui::ComboBox::from_id_salt("camera format")
        .selected_text(format.map_or("Automatic".to_owned(), |f| f.to_string()))
        .width(ui.available_width().clamp(80.0, 240.0))
        .truncate()
        .show_ui(ui, |ui| {
            ui.selectable_value(format, None, "Automatic: the nearest to what is sent");
            for one in camera.formats.iter().take(OFFERED) {
                ui.selectable_value(format, Some(*one), one.to_string());
            }
        })
        .response
        .on_hover_text("How the camera sends: size, frames a second, and how pixels are packed")
        .accessible_name("Camera format");
    if *format != before {
        chosen.retain(|(name, _)| *name != camera.name);
        if let Some(format) = format {
            chosen.insert(0, (camera.name.clone(), format.word()));
        }
        chosen.truncate(MAX_CAMERA_FORMATS);
    }
}

/// The format that was chosen for a camera with this name, if it still has it.
fn remembered(chosen: &[(String, String)], camera: &ListedCamera) -> Option<Format> {
    let (_, word) = chosen.iter().find(|(name, _)| *name == camera.name)?;
    word.parse().ok().filter(|format| camera.formats.contains(format))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remembered_format_is_taken_by_the_camera_that_has_it() {
        let formats: Vec<Format> = ["1280x720@30:MJPEG", "640x480@30:YUYV"].map(|f| f.parse().unwrap()).into();
        let camera = |index, name: &str, formats: &[Format]| ListedCamera {
            index,
            name: name.to_owned(),
            formats: formats.to_vec(),
            problem: None,
        };
        let known = vec![camera(0, "HD", &formats), camera(1, "Old", &formats[1..])];
        let mut page = StartPage::new(&SourceSpec::Camera(0, None), String::new());
        page.formats =
            vec![("Old".to_owned(), "1280x720@30:MJPEG".to_owned()), ("HD".to_owned(), "640x480@30:YUYV".to_owned())];
        page.cameras_are_known(known.clone());
        assert_eq!(page.chosen(), Ok(SourceSpec::Camera(0, Some(formats[1]))));
        assert_eq!(remembered(&page.formats, &known[1]), None, "it has no such format");
        // What the command line says comes first.
        let mut page = StartPage { format: Some(formats[0]), ..page };
        page.cameras = None;
        page.cameras_are_known(known);
        assert_eq!(page.format, Some(formats[0]));
    }
}
