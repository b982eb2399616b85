//! What the window remembers from one time to the next, in a small JSON file.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{
    app::{
        compare::{MAX_GAIN, geometry::PanZoom, panes::Layout, sides::SideChoice},
        controls::{Began, Chosen, Controls, Sending},
        networks::{ModelChoice, Networks},
        sound::SoundChoice,
        theme::Theme,
    },
    atomic_file,
    codec::{MAX_BITRATE, MIN_BITRATE},
    model::Model,
    pipeline::{AudioSettings, Auto, CallSettings, SoundSource},
    upscale::EngineChoice,
};

/// Links, clips and addresses that are remembered, of each kind.
const MAX_RECENT: usize = 6;
/// Cameras whose formats are remembered.
pub const MAX_CAMERA_FORMATS: usize = 8;
/// A file that is longer is not ours.
const MAX_BYTES: u64 = 1 << 20;

/// Everything that is remembered. What is missing in a file has its default value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    /// Light or dark.
    #[serde(alias = "look")]
    pub theme: Theme,
    /// How large everything is, 1 as the system has it.
    pub zoom: f32,
    /// The numbers of each stage are shown.
    pub stats: bool,
    /// The graphs are shown.
    pub graphs: bool,
    /// How the sides are laid out.
    pub layout: Layout,
    /// Sides A and B, by their words.
    pub sides: Option<[String; 2]>,
    /// Pixels are squares.
    pub nearest: bool,
    /// The difference has a sign.
    pub signed: bool,
    /// What the difference is multiplied with.
    pub gain: u32,
    /// The difference of luma only.
    pub luma: bool,
    /// Details in which the sides differ are shown enlarged.
    pub spotlight: bool,
    /// The network by its name; without it the program chooses.
    pub model: Option<String>,
    /// When the program chooses: at most so many per cent of all cores.
    pub cpu_share: u32,
    /// And less while the machine runs on its battery.
    pub spare_battery: bool,
    /// What is sent; without it the default.
    pub sending: Option<Sending>,
    /// The devices and what is done to the sound; without it the default. Whether one was muted is not remembered.
    pub sound: Option<SoundChoice>,
    /// Where a host waits; without it the default.
    pub listen: Option<String>,
    /// Where the network runs.
    pub engine: EngineChoice,
    /// How far networks go to their vivid weights, 0 to 1.
    pub vivid: f32,
    /// Links that were joined, newest first.
    pub links: Vec<String>,
    /// Clips that were sent, newest first.
    pub clips: Vec<String>,
    /// The formats that were chosen for cameras, by their names.
    pub formats: Vec<(String, String)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            theme: Theme::System,
            zoom: 1.0,
            stats: true,
            graphs: false,
            layout: Layout::SideBySide,
            sides: None,
            nearest: false,
            signed: true,
            gain: 4,
            luma: false,
            spotlight: true,
            model: None,
            cpu_share: 100,
            spare_battery: true,
            sending: None,
            sound: None,
            listen: None,
            engine: EngineChoice::Auto,
            vivid: Model::USUAL_VIVID,
            links: Vec::new(),
            clips: Vec::new(),
            formats: Vec::new(),
        }
    }
}

impl Settings {
    /// Where the file is: `clearcall/settings.json` in the system's folder for such files.
    pub fn default_path() -> Option<PathBuf> {
        Some(dirs::config_dir()?.join("clearcall").join("settings.json"))
    }

    /// Reads the file. One that is missing or damaged gives the default values.
    pub fn read(path: &Path) -> Self {
        let small = std::fs::metadata(path).is_ok_and(|m| m.len() <= MAX_BYTES);
        let text = if small { std::fs::read(path).ok() } else { None };
        let read = text
            .and_then(|text| serde_json::from_slice(&text).map_err(|e| tracing::warn!("{}: {e}", path.display())).ok());
        let mut settings: Self = read.unwrap_or_default();
        settings.gain = settings.gain.clamp(1, MAX_GAIN);
        settings.zoom = if settings.zoom.is_finite() { settings.zoom.clamp(0.5, 4.0) } else { 1.0 };
        settings.cpu_share = settings.cpu_share.clamp(5, 100);
        settings.vivid = if settings.vivid.is_finite() { settings.vivid.clamp(0.0, 1.0) } else { Model::USUAL_VIVID };
        settings.links.truncate(MAX_RECENT);
        settings.clips.truncate(MAX_RECENT);
        settings.formats.truncate(MAX_CAMERA_FORMATS);
        settings
    }

    /// Writes the file, whole or not at all, as other windows may do at the same time.
    ///
    /// # Errors
    /// When the folder or the file cannot be written.
    pub fn write(&self, path: &Path) -> std::io::Result<()> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let text = serde_json::to_vec_pretty(self)?;
        atomic_file::write(path, |file| file.write_all(&text))
    }

    /// Puts a link or a clip in front.
    pub fn remember(list: &mut Vec<String>, what: &str) {
        list.retain(|old| old != what);
        list.insert(0, what.to_owned());
        list.truncate(MAX_RECENT);
    }

    /// The network that was chosen last, or that none was.
    pub(crate) fn choose(&self, settings: &mut CallSettings, networks: &Networks) {
        let model = self.model.as_deref().and_then(|name| networks.named(name));
        settings.auto = model.is_none().then(|| Auto {
            cpu_share: Some(f64::from(self.cpu_share) / 100.0).filter(|share| *share < 1.0),
            spare_battery: self.spare_battery,
            models: networks.shipped(),
        });
        if let Some(model) = model {
            settings.model = model.clone();
        }
    }

    /// What was sent last: its size, frame rate and bitrate, as far as they are such.
    pub(crate) fn send(&self, settings: &mut CallSettings) {
        let Some(Sending { size, fps, bitrate }) = &self.sending else { return };
        if let Ok(size) = size.parse() {
            settings.size = Some(size);
        }
        if (1..=60).contains(fps) {
            settings.fps = *fps as f32;
        }
        if (MIN_BITRATE..=MAX_BITRATE).contains(bitrate) {
            settings.bitrate = *bitrate;
        }
    }

    /// The sound that was chosen last. A clip or the scene that the command line names has its own.
    pub(crate) fn hear(&self, audio: &mut AudioSettings) {
        let Some(sound) = &self.sound else { return };
        let own = (audio.source == SoundSource::OfPictures).then_some(SoundSource::OfPictures);
        sound.put(audio);
        audio.source = own.unwrap_or_else(|| sound.source.clone());
    }

    /// Takes over what is not as it was when the call began: the rest may be of the command line, for this time only.
    pub(crate) fn take_changes(&mut self, began: Option<&Began>, now: Began, networks: &Networks) {
        if began.is_none_or(|b| b.network != now.network) {
            self.take_chosen(now.network, networks);
        }
        if began.is_none_or(|b| b.engine != now.engine) {
            self.engine = now.engine;
        }
        if began.is_none_or(|b| b.sending != now.sending) {
            // A size that nobody chose is another in another kind of call.
            let kept = began.is_some_and(|b| b.sending.size == now.sending.size);
            let before = self.sending.take().map(|sending| sending.size).filter(|_| kept);
            let size = if kept { before.unwrap_or_default() } else { now.sending.size };
            self.sending = Some(Sending { size, ..now.sending });
        }
        if now.sound.is_some() && began.is_none_or(|b| b.sound != now.sound) {
            self.sound = now.sound;
        }
    }

    /// Takes over what the person has chosen about the network.
    fn take_chosen(&mut self, chosen: Chosen, networks: &Networks) {
        self.model = chosen.model.and_then(|i| networks.name(i)).map(str::to_owned);
        (self.cpu_share, self.spare_battery, self.vivid) = (chosen.cpu_share, chosen.spare_battery, chosen.vivid);
    }

    /// What a call begins with.
    pub(crate) fn give(&self, controls: &mut Controls, models: &[ModelChoice]) {
        (controls.stats, controls.graphs) = (self.stats, self.graphs);
        let compare = &mut controls.compare;
        (compare.layout, compare.nearest) = (self.layout, self.nearest);
        (compare.signed, compare.gain, compare.luma) = (self.signed, self.gain, self.luma);
        compare.spotlight = self.spotlight;
        compare.view = PanZoom::default();
        if let Some([a, b]) = &self.sides {
            // The network that was asked for stands where a network stood.
            let side = |word: &str| match SideChoice::of_word(word, models) {
                Some(SideChoice::Network(_)) | None => SideChoice::Network(controls.model),
                Some(other) => other,
            };
            let (a, b) = (side(a), side(b));
            if a != b {
                (compare.a, compare.b) = (a, b);
            }
        }
    }

    /// Takes over what the person has set during a call.
    pub(crate) fn take(&mut self, controls: &Controls, models: &[ModelChoice]) {
        (self.stats, self.graphs) = (controls.stats, controls.graphs);
        let compare = &controls.compare;
        (self.layout, self.nearest) = (compare.layout, compare.nearest);
        (self.signed, self.gain, self.luma) = (compare.signed, compare.gain, compare.luma);
        self.spotlight = compare.spotlight;
        self.sides = Some([compare.a, compare.b].map(|side| side.word(models)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{AudioProcessing, SpeakerChoice};

    #[test]
    fn what_is_written_is_read_and_damage_is_no_trouble() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/settings.json");
        assert_eq!(Settings::read(&path), Settings::default());
        let mut settings = Settings {
            theme: Theme::Light,
            layout: Layout::Wipe,
            gain: 8,
            spotlight: false,
            engine: EngineChoice::CpuInt8,
            listen: Some("0.0.0.0:4481".to_owned()),
            ..Settings::default()
        };
        for i in 0..9 {
            Settings::remember(&mut settings.links, &format!("http://{i}"));
        }
        Settings::remember(&mut settings.links, "http://5");
        assert_eq!((settings.links[0].as_str(), settings.links.len()), ("http://5", MAX_RECENT));
        settings.write(&path).unwrap();
        assert_eq!(Settings::read(&path), settings);
        std::fs::write(&path, "{\"theme\": 7").unwrap();
        assert_eq!(Settings::read(&path), Settings::default());
        std::fs::write(&path, "{\"gain\": 4000, \"unknown\": 1}").unwrap();
        assert_eq!(Settings::read(&path).gain, 16);
    }

    #[test]
    fn the_chosen_sound_is_read_again_and_files_without_it_are_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        std::fs::write(&path, "{\"zoom\": 2.0}").unwrap();
        let mut settings = Settings::read(&path);
        assert_eq!((settings.zoom, &settings.sound), (2.0, &None));
        let before = AudioSettings { source: SoundSource::Microphone(None), ..AudioSettings::default() };
        let mut audio = before.clone();
        settings.hear(&mut audio);
        assert_eq!(SoundChoice::of(&audio), SoundChoice::of(&before));

        let sound = SoundChoice {
            source: SoundSource::Microphone(Some("Desk".to_owned())),
            speaker: SpeakerChoice::Named("Hall".to_owned()),
            processing: AudioProcessing { echo_cancellation: false, ..AudioProcessing::default() },
        };
        settings.sound = Some(sound.clone());
        settings.write(&path).unwrap();
        let settings = Settings::read(&path);
        settings.hear(&mut audio);
        assert_eq!((SoundChoice::of(&audio), audio.on, audio.muted), (sound.clone(), false, false));
        // The sound of the clip that the command line names stays.
        audio.source = SoundSource::OfPictures;
        settings.hear(&mut audio);
        assert_eq!(SoundChoice::of(&audio), SoundChoice { source: SoundSource::OfPictures, ..sound });
    }

    #[test]
    fn what_was_called_look_is_still_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        std::fs::write(&path, "{\"look\": \"dark\"}").unwrap();
        assert_eq!(Settings::read(&path).theme, Theme::Dark);
    }

    #[test]
    fn as_many_cameras_formats_are_read_as_the_start_page_keeps() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let formats = (0..MAX_CAMERA_FORMATS).map(|i| (format!("camera {i}"), "640x480@30:YUYV".to_owned()));
        let settings = Settings { formats: formats.collect(), ..Settings::default() };
        settings.write(&path).unwrap();
        assert_eq!(Settings::read(&path).formats, settings.formats);
    }

    #[test]
    fn two_windows_that_write_at_once_leave_one_whole_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("settings.json");
        let of = |n: usize| Settings { links: vec!["http://x".repeat(n); MAX_RECENT], ..Settings::default() };
        let both = [of(1), of(1000)];
        both[0].write(&path).unwrap();
        std::thread::scope(|scope| {
            for settings in &both {
                scope.spawn(|| (0..200).for_each(|_| settings.write(&path).unwrap()));
            }
            for _ in 0..200 {
                let read = Settings::read(&path);
                assert!(both.contains(&read), "a file that nobody wrote");
            }
        });
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
