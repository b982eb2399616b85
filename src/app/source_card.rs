//! The choice of the source on the start page, with a look at it.

use std::path::Path;

use egui::{Align, Align2, FontId, Label, Layout, RichText, Role, Sense, Stroke, StrokeKind, Ui, WidgetInfo, vec2};

use super::{
    start_page::{Card, SourceKind, StartPage, recent},
    style,
};
use crate::source::SourceSpec;

/// The look at the source.
const PREVIEW: (f32, f32) = (152.0, 114.0);

impl StartPage {
    pub(super) fn source_card(&mut self, ui: &mut Ui) {
        style::card(ui).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal_top(|ui| {
                let width = ui.available_width() - PREVIEW.0 - 12.0;
                ui.vertical(|ui| {
                    ui.set_width(width);
                    ui.set_min_height(PREVIEW.1);
                    self.kinds(ui);
                    self.details(ui);
                    // In place of a line that is there anyway, so that nothing moves.
                    style::quiet(ui, if self.busy { "The last call is hanging up…" } else { self.summary.as_str() });
                    self.error_at(ui, Card::Source);
                });
                ui.with_layout(Layout::right_to_left(Align::Min), |ui| self.look_at_it(ui));
            });
        });
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
        ui.horizontal(|ui| match self.source {
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

    /// The cameras by name, with what they can do; by number where there is no list.
    fn camera(&mut self, ui: &mut Ui) {
        let Some(cameras) = self.cameras.as_ref().filter(|c| !c.is_empty()) else {
            let label = ui.label("number");
            ui.add(egui::DragValue::new(&mut self.camera).range(0..=63)).labelled_by(label.id);
            style::quiet(ui, if self.cameras.is_none() { "looking for cameras…" } else { "no camera was found" });
            return;
        };
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
        if let Some(camera) = chosen {
            let formats: Vec<String> = camera.formats.iter().map(ToString::to_string).collect();
            let text = camera.problem.clone().or(formats.first().cloned()).unwrap_or_default();
            let quiet = RichText::new(text).color(style::palette(ui).quiet);
            let hint = format!("The format nearest to what is sent is taken, of:\n{}", formats.join("\n"));
            ui.add(Label::new(quiet).truncate()).on_hover_text(hint);
        }
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
    pub(super) fn preview_of(&self) -> Option<SourceSpec> {
        self.chosen().ok()
    }

    /// The chosen source, or what is wrong with it.
    pub(super) fn chosen(&self) -> Result<SourceSpec, String> {
        match self.source {
            SourceKind::Scene => Ok(SourceSpec::Scene),
            SourceKind::Camera => Ok(SourceSpec::Camera(self.camera)),
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
