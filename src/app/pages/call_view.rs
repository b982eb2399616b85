//! What a call shows.

use egui::TextureId;

use crate::{
    app::{compare::paint::Pictures, networks::ModelChoice, pages::graphs::Trace, sound::DeviceNames},
    frame::Size,
    pipeline::{CallState, NetworkOff},
    stats::Snapshot,
};

/// What there is to see.
#[derive(Debug)]
pub struct CallView<'a> {
    /// What kind of call it is, in a few words.
    pub title: &'a str,
    /// Whether both ends are here, so that packets can be lost on purpose.
    pub loopback: bool,
    /// Where it stands.
    pub state: &'a CallState,
    /// The newest frame.
    pub pictures: Option<&'a Pictures>,
    /// What this side sends.
    pub self_view: Option<(TextureId, Size)>,
    /// The numbers.
    pub stats: &'a Snapshot,
    /// Frames shown in the last second.
    pub fps: f64,
    /// The networks to choose from.
    pub models: &'a [ModelChoice],
    /// Microphones and speakers, once they are known.
    pub devices: Option<&'a DeviceNames>,
    /// Why no network ran, where none did.
    pub off: Option<NetworkOff>,
    /// What has happened just now.
    pub notices: &'a [String],
    /// The last minute.
    pub trace: &'a Trace,
    /// How old the newest shown frame was, in milliseconds.
    pub age_ms: f64,
    /// Seconds since the first picture was shown.
    pub seen_for: f64,
    /// Whether what was sent is known here.
    pub truth: bool,
    /// Whether the same call can be made again once it has ended.
    pub again: bool,
}
