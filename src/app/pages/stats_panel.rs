//! The numbers of a call: what each stage did, and what the network does.

use egui::{Align2, FontId, Rect, Role, Sense, Ui, WidgetInfo, pos2, vec2};

use crate::{
    app::theme::style,
    stats::{AudioStats, PassSnapshot, Snapshot, Stage, StageSnapshot},
};

const ROW: f32 = 15.0;
/// A row for each stage below the head.
const TABLE: f32 = ROW * (Stage::ALL.len() + 1) as f32;
const FONT: FontId = FontId::new(12.5, egui::FontFamily::Proportional);

/// Right edges of the columns of numbers.
const COLUMNS: [(&str, f32); 5] =
    [("in", 120.0), ("out", 180.0), ("dropped", 245.0), ("p50 ms", 310.0), ("p95 ms", 375.0)];
const WHY: f32 = 387.0;
/// In a place that is narrower the figures stand below the table.
const NARROW: f32 = 760.0;
/// The figure that tells its passes under the pointer.
const GPU: &str = "GPU";

/// Height of the whole panel; in a call with sound it has a line more.
pub(crate) fn height(stats: &Snapshot) -> f32 {
    TABLE + 20.0 + if stats.audio.is_some() { ROW } else { 0.0 }
}

/// Draws the panel; says whether the numbers are to be copied.
pub(crate) fn show(ui: &mut Ui, stats: &Snapshot, fps: f64) -> bool {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let width = ui.available_width();
        let copy = if width < NARROW {
            below_each_other(ui, stats, fps, width)
        } else {
            beside_each_other(ui, stats, fps, width)
        };
        if let Some(audio) = &stats.audio {
            sound(ui, audio, width);
        }
        copy
    })
    .inner
}

fn beside_each_other(ui: &mut Ui, stats: &Snapshot, fps: f64, width: f32) -> bool {
    let why = (width - 870.0).clamp(0.0, 230.0);
    let table = WHY + why;
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
        ui.allocate_ui(vec2(table, TABLE), |ui| stages(ui, stats, table, why));
        ui.add_space(20.0);
        ui.vertical(|ui| {
            lists(ui, stats, fps, ((width - table - 20.0) / 2.0).floor().min(280.0));
            engine(ui, stats)
        })
        .inner
    })
    .inner
}

/// The sound's numbers in a line; what does not fit is told under the pointer.
fn sound(ui: &mut Ui, audio: &AudioStats, width: f32) {
    let p = style::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
    let text = sound_text(audio);
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.text(rect.left_center(), Align2::LEFT_CENTER, "sound", FONT, p.text);
    painter.text(rect.left_center() + vec2(72.0, 0.0), Align2::LEFT_CENTER, &text, FONT, p.text);
    let spoken = format!("sound: {text}");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    response.on_hover_text(text);
}

/// What is known of the sound.
fn sound_text(audio: &AudioStats) -> String {
    let share = |v: f64| format!("{:.1} %", 100.0 * v);
    let loss = match audio.loss_out {
        Some(out) => format!("lost {} in, {} out", share(audio.loss_in), share(out)),
        None => format!("lost {}", share(audio.loss_in)),
    };
    let mut parts = vec![loss, format!("concealed {}", share(audio.concealed))];
    parts.extend(audio.jitter_ms.map(|ms| format!("jitter {ms:.1} ms")));
    parts.extend(audio.delay_ms.map(|ms| format!("delay {ms:.0} ms")));
    parts.extend(audio.lip_sync_ms.map(|ms| {
        let when = if ms < 0.0 { "before" } else { "after" };
        format!("{:.0} ms {when} the picture", ms.abs())
    }));
    parts.extend(audio.drift_ppm.map(|ppm| format!("drift {ppm:+.0} ppm")));
    parts.push(if audio.muted { "muted".to_owned() } else { format!("out {:.0} dBFS", audio.level_out_dbfs) });
    parts.push(format!("in {:.0} dBFS", audio.level_in_dbfs));
    let device = |way: &str, name: &str| (!name.is_empty()).then(|| format!("{way} {name}"));
    parts.extend(device("from", &audio.source));
    parts.extend(device("to", &audio.speaker));
    parts.join(" · ")
}

/// The same where the table and the figures have no room side by side.
fn below_each_other(ui: &mut Ui, stats: &Snapshot, fps: f64, width: f32) -> bool {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing = vec2(0.0, 0.0);
        ui.allocate_ui(vec2(WHY, TABLE), |ui| stages(ui, stats, WHY, 0.0));
        ui.add_space(6.0);
        lists(ui, stats, fps, (width / 2.0).floor());
        engine(ui, stats)
    })
    .inner
}

/// The figures in two columns.
fn lists(ui: &mut Ui, stats: &Snapshot, fps: f64, column: f32) {
    ui.horizontal_top(|ui| {
        for list in figures(stats, fps) {
            ui.vertical(|ui| {
                ui.set_width(column);
                ui.set_height(TABLE - ROW);
                for (name, value) in list {
                    let response = figure(ui, name, &value, column);
                    if name == GPU {
                        response.on_hover_text(passes(stats));
                    }
                }
            });
        }
    });
}

/// Which engine runs and why, and the button that copies all of it.
fn engine(ui: &mut Ui, stats: &Snapshot) -> bool {
    let text = match stats.engine {
        None => "no engine yet".to_owned(),
        Some(engine) => {
            let engine = engine.to_string().to_uppercase();
            let why = match stats.engine_reason.as_str() {
                why if why.starts_with(&engine) => why.to_owned(),
                why => format!("{engine}: {why}"),
            };
            let model = match stats.model_reason.as_str() {
                "as asked" => stats.model.clone(),
                because => format!("{}: {because}; runs", stats.model),
            };
            format!("{model} on {why}")
        }
    };
    let layout = egui::Layout::right_to_left(egui::Align::Center);
    let width = ui.available_width().min(700.0);
    ui.allocate_ui_with_layout(vec2(width, ROW), layout, |ui| {
        ui.spacing_mut().button_padding.y = 0.0;
        ui.spacing_mut().interact_size.y = ROW;
        let copy = ui.add(egui::Button::new(egui::RichText::new("Copy as JSON").font(FONT))).clicked();
        ui.add_space(8.0);
        ui.with_layout(egui::Layout::left_to_right(egui::Align::Center), |ui| {
            // Without the adapter's name where there is no room for it.
            let short = text.split_once(" (").map(|(before, _)| before.to_owned());
            let forms = std::iter::once(text.clone()).chain(short).collect();
            let form = style::fitting(ui, forms, &FONT, ui.available_width());
            let quiet = egui::RichText::new(form).font(FONT).color(style::palette(ui).quiet);
            ui.add(egui::Label::new(quiet).truncate()).on_hover_text(text);
        });
        copy
    })
    .inner
}

/// One row for each stage. Columns stand still whatever the numbers are.
fn stages(ui: &mut Ui, stats: &Snapshot, width: f32, why: f32) {
    ui.vertical(|ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        let p = style::palette(ui);
        let (header, _) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
        let paint = |rect: Rect, right: f32, text: &str, colour| {
            let at = pos2(rect.left() + right, rect.center().y);
            ui.painter().text(at, Align2::RIGHT_CENTER, text, FONT, colour);
        };
        for (name, right) in COLUMNS {
            paint(header, right, name, p.quiet);
        }
        if why > 60.0 {
            ui.painter().text(header.left_center() + vec2(WHY, 0.0), Align2::LEFT_CENTER, "why", FONT, p.quiet);
        }
        for stage in Stage::ALL {
            let row = stats.stages.get(stage.name());
            let (rect, response) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
            let painter = ui.painter();
            painter.text(rect.left_center(), Align2::LEFT_CENTER, stage.name(), FONT, p.text);
            let Some(row) = row else { continue };
            let dropped: u64 = row.dropped.values().sum();
            let numbers = [
                style::grouped(row.input),
                style::grouped(row.out),
                style::grouped(dropped),
                format!("{:.1}", row.ms.p50),
                format!("{:.1}", row.ms.p95),
            ];
            for (i, ((_, right), text)) in COLUMNS.iter().zip(&numbers).enumerate() {
                let colour = if i == 2 && dropped > 0 { p.warning } else { p.text };
                let at = pos2(rect.left() + right, rect.center().y);
                painter.text(at, Align2::RIGHT_CENTER, text, FONT, colour);
            }
            let reasons = reasons(row);
            if why > 60.0 {
                let clip = Rect::from_min_max(rect.left_top() + vec2(WHY, 0.0), rect.max);
                painter.with_clip_rect(clip.intersect(painter.clip_rect())).text(
                    clip.left_center(),
                    Align2::LEFT_CENTER,
                    &reasons,
                    FONT,
                    p.quiet,
                );
            }
            let [input, out, lost, p50, p95] = numbers;
            let spoken =
                format!("{}: {input} in, {out} out, {lost} dropped, {p50} ms, 95 % within {p95} ms", stage.name());
            response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
            if !reasons.is_empty() {
                response.on_hover_text(reasons);
            }
        }
    });
}

/// "3 late, 1 skipped".
fn reasons(stage: &StageSnapshot) -> String {
    let parts: Vec<String> = stage.dropped.iter().map(|(why, n)| format!("{} {why}", style::grouped(*n))).collect();
    parts.join(", ")
}

fn figures(stats: &Snapshot, fps: f64) -> [Vec<(&'static str, String)>; 2] {
    let n = &stats.network;
    let ms = |v: Option<f64>| v.map_or_else(|| "–".to_owned(), |v| format!("{v:.1} ms"));
    let mut picture = vec![
        ("shown", format!("{fps:.1} fps")),
        ("frames", format!("{} sent, {} shown", style::grouped(stats.frames.sent), style::grouped(stats.frames.shown))),
        ("damaged", style::grouped(stats.frames.damaged)),
        ("age", format!("{:.0} ms, p95 {:.0} ms", stats.age_ms.p50, stats.age_ms.p95)),
        ("QP", stats.qp.map_or_else(|| "–".to_owned(), |qp| format!("{qp:.1}"))),
        ("size", stats.size.clone()),
        ("source", stats.source.clone()),
    ];
    if stats.frames.bicubic_only > 0 {
        picture.push(("network off", format!("in {} frames", style::grouped(stats.frames.bicubic_only))));
    }
    if stats.frames.full_size > 0 {
        picture.push(("full size", format!("in {} frames", style::grouped(stats.frames.full_size))));
    }
    if let Some(gpu) = stats.gpu_ms {
        picture.push((GPU, format!("{:.2} ms, p95 {:.2} ms", gpu.p50, gpu.p95)));
    }
    let share = |v: f64| format!("{:.1} %", v * 100.0);
    let loss = match n.loss_out {
        Some(out) => format!("{} in, {} out", share(n.loss_in), share(out)),
        None => share(n.loss_in),
    };
    let network = vec![
        ("target", style::bitrate(stats.bitrate_bps.target.into())),
        ("encoder", style::bitrate(stats.bitrate_bps.measured)),
        ("sent", style::bitrate(n.out_bps)),
        ("received", style::bitrate(n.in_bps)),
        ("round trip", ms(n.rtt_ms)),
        ("loss", loss),
        ("repairs", format!("{} asked, {} came", style::grouped(n.nacks), style::grouped(n.repaired))),
        ("keyframes", format!("{} asked", style::grouped(n.plis))),
    ];
    [picture, network]
}

/// The GPU's passes, one a line.
fn passes(stats: &Snapshot) -> String {
    let line = |p: &PassSnapshot| format!("{}: {:.2} ms, p95 {:.2} ms", p.name, p.ms.p50, p.ms.p95);
    stats.gpu_passes.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn figure(ui: &mut Ui, name: &str, value: &str, width: f32) -> egui::Response {
    let p = style::palette(ui);
    let (rect, response) = ui.allocate_exact_size(vec2(width, ROW), Sense::hover());
    let painter = ui.painter().with_clip_rect(rect.intersect(ui.clip_rect()));
    painter.text(rect.left_center(), Align2::LEFT_CENTER, name, FONT, p.quiet);
    painter.text(rect.left_center() + vec2(72.0, 0.0), Align2::LEFT_CENTER, value, FONT, p.text);
    let spoken = format!("{name}: {value}");
    response.widget_info(|| WidgetInfo::labeled(Role::Label, true, &spoken));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sounds_line_says_what_is_known() {
        let mut audio = AudioStats { level_out_dbfs: -90.0, level_in_dbfs: -23.4, ..AudioStats::default() };
        assert_eq!(sound_text(&audio), "lost 0.0 % · concealed 0.0 % · out -90 dBFS · in -23 dBFS");
        (audio.loss_in, audio.loss_out, audio.concealed, audio.muted) = (0.105, Some(0.02), 0.0125, true);
        (audio.jitter_ms, audio.delay_ms) = (Some(2.06), Some(61.4));
        (audio.lip_sync_ms, audio.drift_ppm) = (Some(-12.2), Some(200.4));
        (audio.source, audio.speaker) = ("Desk".to_owned(), "Hall".to_owned());
        let all = "lost 10.5 % in, 2.0 % out · concealed 1.2 % · jitter 2.1 ms · delay 61 ms · \
                   12 ms before the picture · drift +200 ppm · muted · in -23 dBFS · from Desk · to Hall";
        assert_eq!(sound_text(&audio), all);
    }
}
