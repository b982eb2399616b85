//! What a run says about itself: the report as JSON, a summary in words, pictures as PNG, curves as SVG.

pub(crate) mod canvas;
mod pair;
mod plot;
mod sheet;

pub use pair::write_pair;
pub use plot::{Axes, Panel, PlotCurve, svg};
pub use sheet::{Crop, ENLARGED, SheetRow, most_different, rows_that_fit, sheet};

use std::{
    fmt::Write as _,
    io::Write as _,
    path::{Path, PathBuf},
};

use image::{ImageEncoder as _, codecs::png::PngEncoder};
use serde::Serialize;

use crate::{
    atomic_file,
    call::Media,
    frame::{Rgba, Size},
    stats::{AudioStats, Snapshot},
    upscale::UpscaleError,
};

/// A report or picture that could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The file system said no.
    #[error("cannot write {}: {source}; is the folder there and writable?", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// The picture could not be made into a PNG.
    #[error("cannot write {} as PNG: {source}", path.display())]
    Png {
        /// The file.
        path: PathBuf,
        /// What the encoder said.
        source: image::ImageError,
    },
    /// The numbers could not be made into JSON.
    #[error("cannot write {} as JSON: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What the writer said.
        source: serde_json::Error,
    },
    /// The built-in font cannot be read.
    #[error("cannot read the built-in font: {0}")]
    Font(String),
    /// More details than a picture holds.
    #[error("a contact sheet of {width}x{height} pixels is too large: show fewer or smaller details")]
    SheetSize {
        /// Columns.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The picture could not be read back from the GPU.
    #[error(transparent)]
    ReadBack(#[from] UpscaleError),
}

/// The size of a picture that is made of others.
pub(crate) fn sheet_size(width: usize, height: usize) -> Result<Size, ReportError> {
    Size::try_from_wide(width, height).map_err(|_| ReportError::SheetSize { width, height })
}

/// Writes `value` as indented JSON with a line end.
///
/// # Errors
/// When the value has no JSON, or the file cannot be written.
pub fn write_json(path: &Path, value: &impl Serialize) -> Result<(), ReportError> {
    let mut text =
        serde_json::to_string_pretty(value).map_err(|source| ReportError::Json { path: path.to_owned(), source })?;
    text.push('\n');
    write_text(path, &text)
}

/// Writes text as it is.
///
/// # Errors
/// When the file cannot be written.
pub fn write_text(path: &Path, text: &str) -> Result<(), ReportError> {
    std::fs::write(path, text).map_err(|source| ReportError::Write { path: path.to_owned(), source })
}

/// Writes one picture as PNG, whole or not at all.
///
/// # Errors
/// When the picture cannot be encoded, or the file cannot be written.
pub fn write_png(path: &Path, picture: &Rgba) -> Result<(), ReportError> {
    write_rgba(path, (picture.size.width(), picture.size.height()), &picture.data)
}

/// The same of bytes as in [`Rgba`], of a picture that may be larger than `Size` allows.
fn write_rgba(path: &Path, (width, height): (u32, u32), data: &[u8]) -> Result<(), ReportError> {
    let mut bytes = Vec::new();
    PngEncoder::new(&mut bytes)
        .write_image(data, width, height, image::ExtendedColorType::Rgba8)
        .map_err(|source| ReportError::Png { path: path.to_owned(), source })?;
    atomic_file::write(path, |file| file.write_all(&bytes))
        .map_err(|source| ReportError::Write { path: path.to_owned(), source })
}

/// The numbers of a call for people, a few lines. `loopback`: what is shown is what was sent.
pub fn summary(s: &Snapshot, loopback: bool) -> String {
    let mut out = String::new();
    let (sent, shown) = (s.frames.sent, s.frames.shown);
    let frames = match s.direction.unwrap_or_default() {
        _ if loopback => format!("{sent} sent, {shown} shown ({:.1} %)", 100.0 * shown as f64 / sent.max(1) as f64),
        Media::SendRecv => format!("{sent} sent, {shown} shown of the other side's"),
        Media::SendOnly => format!("{sent} sent; the other side sends none"),
        Media::RecvOnly => format!("{shown} shown of the other side's; none is sent"),
        Media::Inactive => "none: no side sends to the other".to_owned(),
    };
    let _ = writeln!(out, "source   {} at {}", s.source, s.size);
    let _ = writeln!(out, "frames   {frames}");
    let qp = s.qp.map(|qp| format!("mean QP {qp:.1}"));
    let bitrate = (sent > 0 || loopback).then(|| {
        let kilo = |bits: f64| bits / 1e3;
        format!("{:.0} kbit/s of {:.0} kbit/s", kilo(s.bitrate_bps.measured), kilo(s.bitrate_bps.target.into()))
    });
    let line: Vec<String> = bitrate.into_iter().chain(qp).collect();
    if !line.is_empty() {
        let _ = writeln!(out, "bitrate  {}", line.join(", "));
    }
    if shown > 0 {
        let _ = writeln!(out, "age      p50 {:.1} ms, p95 {:.1} ms", s.age_ms.p50, s.age_ms.p95);
    }
    if let Some(engine) = s.engine {
        let _ = writeln!(out, "upscaler {} ({}) on the {engine} ({})", s.model, s.model_reason, s.engine_reason);
    }
    if s.frames.bicubic_only > 0 {
        let _ =
            writeln!(out, "         off in {} of the frames shown: both pictures were bicubic", s.frames.bicubic_only);
    }
    if s.frames.full_size > 0 {
        let _ =
            writeln!(out, "         {} of the frames shown came at full size, with nothing to add", s.frames.full_size);
    }
    if let Some(gpu) = s.gpu_ms {
        let passes: Vec<_> = s.gpu_passes.iter().map(|p| format!("{} {:.2}", p.name, p.ms.p50)).collect();
        let _ = writeln!(out, "GPU      p50 {:.2} ms, p95 {:.2} ms: {}", gpu.p50, gpu.p95, passes.join(", "));
    }
    if let Some(audio) = &s.audio {
        let _ = writeln!(out, "sound    {}", sound(audio));
    }
    let _ = writeln!(out, "{:<9}{:>7}{:>7}{:>9}{:>9}  dropped", "stage", "in", "out", "p50 ms", "p95 ms");
    for stage in crate::stats::Stage::ALL {
        let Some(x) = s.stages.get(stage.name()) else { continue };
        let dropped: Vec<String> = x.dropped.iter().map(|(why, n)| format!("{n} ({why})")).collect();
        let line = format!(
            "{:<9}{:>7}{:>7}{:>9.1}{:>9.1}  {}",
            stage.name(),
            x.input,
            x.out,
            x.ms.p50,
            x.ms.p95,
            dropped.join(", ")
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    out
}

/// What became of the sound, in a line.
fn sound(audio: &AudioStats) -> String {
    let share = |share: f64| format!("{:.1} %", 100.0 * share);
    let mut parts = vec![format!("{} packets sent, {} came", audio.packets_out, audio.packets_in)];
    if audio.packets_in > 0 {
        parts.push(format!("{} lost, {} made up", share(audio.loss_in), share(audio.concealed)));
    }
    parts.extend(audio.delay_ms.map(|ms| format!("{ms:.0} ms to the speaker")));
    parts.extend(audio.lip_sync_ms.map(|ms| {
        let when = if ms < 0.0 { "before" } else { "after" };
        format!("{:.0} ms {when} its picture", ms.abs())
    }));
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sound_s_line_says_what_is_known() {
        let mut audio = AudioStats { packets_out: 50, ..AudioStats::default() };
        assert_eq!(sound(&audio), "50 packets sent, 0 came");
        (audio.packets_in, audio.loss_in, audio.concealed) = (45, 0.1, 0.021);
        (audio.delay_ms, audio.lip_sync_ms) = (Some(51.6), Some(-6.4));
        assert_eq!(
            sound(&audio),
            "50 packets sent, 45 came, 10.0 % lost, 2.1 % made up, 52 ms to the speaker, 6 ms before its picture"
        );
    }
}
