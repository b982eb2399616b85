//! `clearcall devices` and `clearcall models`: what there is.

use clearcall::{
    model::Model,
    source::{self, devices::ListedCamera},
    upscale::gpu::{AdapterSummary as Adapter, adapters},
};
use serde::Serialize;

use super::Input as _;
use crate::cli::ListArgs;

/// What `devices --json` prints.
#[derive(Debug, Serialize)]
struct Devices {
    cameras: Vec<ListedCamera>,
    /// Why there is no list of cameras.
    camera_note: Option<String>,
    /// The default comes first; empty in a build without sound.
    microphones: Vec<String>,
    speakers: Vec<String>,
    adapters: Vec<Adapter>,
    engines: Vec<EngineRow>,
}

#[derive(Debug, Serialize)]
struct EngineRow {
    engine: &'static str,
    available: bool,
    what: String,
}

pub(crate) fn devices(args: &ListArgs) -> anyhow::Result<()> {
    let (cameras, camera_note) = match source::cameras() {
        Ok(cameras) => (cameras, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let adapters = adapters();
    let real = adapters.iter().find(|a| !a.software);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let engines = vec![
        EngineRow {
            engine: "gpu",
            available: !adapters.is_empty(),
            what: match (real, adapters.first()) {
                (Some(a), _) => format!("{}, taken by --engine auto", a.name),
                (None, Some(a)) => format!("{}, a software adapter: only with --engine gpu", a.name),
                (None, None) => "no Vulkan, Metal or DirectX 12 adapter".into(),
            },
        },
        EngineRow {
            engine: "cpu",
            available: true,
            what: format!("{threads} threads{}", if real.is_none() { ", taken by --engine auto" } else { "" }),
        },
    ];
    let (microphones, speakers) = sound_devices();
    let all = Devices { cameras, camera_note, microphones, speakers, adapters, engines };
    if args.json {
        out!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    out!("Cameras");
    for camera in &all.cameras {
        out!("  camera:{}  {}", camera.index, camera.name);
        for format in &camera.formats {
            out!("    {format}");
        }
    }
    if all.cameras.is_empty() {
        out!("  none{}", all.camera_note.as_deref().map(|n| format!(" ({n})")).unwrap_or_default());
    }
    for (what, names) in [("Microphones", &all.microphones), ("Speakers", &all.speakers)] {
        out!("{what}");
        for (n, name) in names.iter().enumerate() {
            out!("  {name}{}", if n == 0 { " (the default)" } else { "" });
        }
        if names.is_empty() {
            let why = if cfg!(feature = "audio") { "" } else { " (built without sound: cargo feature `audio`)" };
            out!("  none{why}");
        }
    }
    out!("GPU adapters");
    for a in &all.adapters {
        out!("  {} ({}, {}{})", a.name, a.backend, a.driver, if a.software { ", software" } else { "" });
    }
    if all.adapters.is_empty() {
        out!("  none");
    }
    out!("Engines");
    for e in &all.engines {
        out!("  {}  {}{}", e.engine, if e.available { "" } else { "not available: " }, e.what);
    }
    Ok(())
}

/// The names of the machine's microphones and of its speakers.
#[cfg(feature = "audio")]
fn sound_devices() -> (Vec<String>, Vec<String>) {
    use clearcall::audio::device::Devices;
    let devices = Devices::default();
    (devices.microphones(), devices.speakers())
}

#[cfg(not(feature = "audio"))]
fn sound_devices() -> (Vec<String>, Vec<String>) {
    (Vec::new(), Vec::new())
}

/// One model in `models --json`.
#[derive(Debug, Serialize)]
struct ModelRow<'a> {
    name: &'a str,
    mac_per_pixel: usize,
    bytes: usize,
    /// A logarithm: no more linear pieces than 2 to this power, for one pixel.
    log2_pieces_at_most: f64,
    vivid: bool,
    #[serde(flatten)]
    info: &'a clearcall::model::ModelInfo,
}

pub(crate) fn models(args: &ListArgs) -> anyhow::Result<()> {
    let models: Vec<Model> = Model::shipped().map(Model::find).collect::<Result<_, _>>().input()?;
    let mut rows = Vec::new();
    for m in &models {
        let bytes = m.to_bytes()?.len();
        let vivid = Model::find_vivid(m.name()).input()?.is_some();
        let (name, mac_per_pixel, info) = (m.name(), m.mac_per_pixel(), m.info());
        let log2_pieces_at_most = m.pixel_widths().log2_at_most();
        rows.push(ModelRow { name, mac_per_pixel, bytes, log2_pieces_at_most, vivid, info });
    }
    if args.json {
        out!("{}", serde_json::to_string_pretty(&rows)?);
        return Ok(());
    }
    out!(
        "{:<8}{:>18}{:>11}{:>9}{:>10}{:>19}  vivid set",
        "model",
        "channels, layers",
        "MAC/LR px",
        "bytes",
        "pieces",
        "over bicubic"
    );
    for ModelRow { name, mac_per_pixel, bytes, log2_pieces_at_most, vivid, info } in rows {
        let shape = format!("{}, {}", info.channels, info.depth);
        let gain =
            info.scores.get("validation_psnr_y_gain_db").map_or_else(String::new, |gain| format!("{gain:+.3} dB"));
        let vivid = if vivid { format!("{name}.vivid") } else { "none".to_owned() };
        let pieces = format!("<2^{:.0}", log2_pieces_at_most.ceil());
        out!("{name:<8}{shape:>18}{mac_per_pixel:>11}{bytes:>9}{pieces:>10}{gain:>19}  {vivid}");
    }
    out!("Pieces: what the shape allows at most (docs/theory.md); that is no measure of quality.");
    out!("Gains are of PSNR-Y, on pictures that the trainer kept for judging; --json has all its scores.");
    Ok(())
}
