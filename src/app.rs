//! The window: a start page, and a call with bicubic and the network side by side.
//!
//! The [`pages`] are functions of plain data, so that they are drawn and tested without a call. [`App`] stands
//! between them and a [`Session`](crate::pipeline::Session): it takes the newest pair, gives its pictures to egui as
//! textures, reads the numbers ten times a second, and passes on what the person does. It waits for nothing: opening
//! a source and hanging up happen on threads of their own. What is compared, and how, is in [`compare`].

mod background_drop;
pub mod blind_files;
mod call;
pub mod commands;
pub mod compare;
pub mod controls;
mod export;
pub mod health;
pub mod networks;
pub mod open;
pub mod overlay;
pub mod pages;
pub mod settings;
pub mod sound;
pub mod theme;
mod throttle;

use std::{
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use self::{
    background_drop::BackgroundDrops,
    call::{Call, Leave},
    compare::textures::Textures,
    controls::Began,
    networks::Networks,
    pages::{
        preview::{self, Preview},
        start_page::{Begin, Card, SoundPart, StartPage},
    },
    settings::Settings,
    sound::{DeviceLookup, SoundChoice},
    theme::style,
};
use crate::{
    frame::Size,
    interrupt::Interrupt,
    model::Model,
    pipeline::{Auto, CallSettings, NetworkSettings, SessionError, Signaling, SizeChoice, SoundSource},
    report::{self, ReportError},
    source::{self, SourceSpec, devices::ListedCamera},
    upscale::GpuContext,
};

/// What the window begins with.
#[derive(Debug, Clone)]
pub struct Start {
    /// What is sent and how what arrives is shown.
    pub call_settings: CallSettings,
    /// The settings' network is meant, whatever was chosen last time.
    pub chosen: bool,
    /// The settings' engine is meant, likewise.
    pub engine_chosen: bool,
    /// The settings' size, frame rate and bitrate are meant, likewise.
    pub sending_chosen: bool,
    /// The settings' devices and what is done to the sound are meant, likewise.
    pub sound_chosen: bool,
    /// No call has sound, whatever is chosen in the window.
    pub no_sound: bool,
    /// The vivid weights of the settings' network where it is none of the shipped ones.
    pub weights: Option<Model>,
    /// How far networks that have vivid weights go to them, 0 to 1; without it as far as last time.
    pub vivid: Option<f32>,
    /// Begin this call at once; without it there is a start page.
    pub signaling: Option<Signaling>,
    /// Close after this many seconds.
    pub seconds: Option<f64>,
    /// Write the last call's numbers here.
    pub report: Option<PathBuf>,
    /// Write the last call's two pictures here.
    pub snapshot: Option<PathBuf>,
    /// Where settings are remembered; without it they are forgotten.
    pub settings: Option<PathBuf>,
    /// The folder for pictures that the person keeps; without it the one of the system, see [`pictures_folder`].
    pub pictures: Option<PathBuf>,
    /// Closes the window when it is told.
    pub interrupt: Interrupt,
}

/// Where pictures are kept unless told otherwise: `clearcall` in the person's folder of pictures, whatever their
/// desktop calls it, if there is one, else in the folder that the program was started in.
pub fn pictures_folder() -> PathBuf {
    let plain = dirs::home_dir().map(|home| home.join("Pictures"));
    let found = dirs::picture_dir().into_iter().chain(plain).find(|folder| folder.is_dir());
    found.unwrap_or_default().join("clearcall")
}

/// Why there is no window, or what went wrong with what was asked for beside it.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// There is nothing to open a window on.
    #[error("no window can be opened: {0}")]
    NoDisplay(String),
    /// The call that was asked for could not be started.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The report or the pictures could not be written.
    #[error(transparent)]
    Report(#[from] ReportError),
    /// No frame came, so there is no picture to write.
    #[error("no frame arrived, so {} was not written", .0.display())]
    NoPicture(PathBuf),
    /// The window broke while it was open.
    #[error("the window failed: {0}")]
    Window(String),
}

enum Page {
    Start(Box<StartPage>),
    Call(Box<Call>),
}

/// What the window shows.
pub struct App {
    call_settings: CallSettings,
    networks: Networks,
    /// What the last call began with; only what differs from it is remembered.
    began: Option<Began>,
    gpu: Option<GpuContext>,
    textures: Textures,
    page: Page,
    hanging_up: BackgroundDrops,
    /// When the window closes by itself.
    closes: Option<Instant>,
    report: Option<PathBuf>,
    snapshot: Option<PathBuf>,
    /// A call that the command line asked for must not fail in silence.
    asked_for: bool,
    /// A call to be made once the last one has ended entirely.
    again: Option<Signaling>,
    pictures: PathBuf,
    fault: Arc<Mutex<Option<AppError>>>,
    preview: Option<Preview>,
    /// Previews that are closing; a camera takes its time.
    closing: BackgroundDrops,
    cameras: Arc<Mutex<Option<Vec<ListedCamera>>>>,
    devices: DeviceLookup,
    /// No call has sound.
    no_sound: bool,
    /// Calls from the start page begin muted.
    mute: bool,
    settings: Settings,
    settings_path: Option<PathBuf>,
    interrupt: Interrupt,
}

impl App {
    /// Sets the look, takes the window's GPU and begins the call that was asked for.
    pub fn new(cc: &eframe::CreationContext<'_>, start: Start) -> Self {
        style::apply(&cc.egui_ctx);
        let Start { mut call_settings, chosen, engine_chosen, sending_chosen, weights, vivid, signaling, .. } = start;
        let Start { seconds, report, snapshot, pictures, settings, interrupt, sound_chosen, no_sound, .. } = start;
        let repaint = cc.egui_ctx.clone();
        interrupt.on_told(move || repaint.request_repaint());
        let settings_path = settings;
        let settings = settings_path.as_deref().map(Settings::read).unwrap_or_default();
        settings.theme.apply(&cc.egui_ctx);
        cc.egui_ctx.set_zoom_factor(settings.zoom);
        let gpu = cc
            .wgpu_render_state
            .as_ref()
            .map(|r| GpuContext::from_parts(&r.adapter, r.device.clone(), r.queue.clone()));
        let mut networks = Networks::new(&call_settings.model, weights);
        if !chosen {
            settings.choose(&mut call_settings, &networks);
        }
        if !engine_chosen {
            call_settings.engine = settings.engine;
        }
        if !sending_chosen {
            settings.send(&mut call_settings);
        }
        if matches!(signaling, Some(Signaling::Watch { .. })) {
            // Nothing is sent in this call; one that follows is like any other.
            call_settings.audio.source = SoundSource::Microphone(None);
        }
        if !sound_chosen {
            settings.hear(&mut call_settings.audio);
        }
        networks.blend(vivid.unwrap_or(settings.vivid));
        let page = Page::Start(Box::new(StartPage::new(&call_settings.source, summary(&call_settings))));
        let mut app = Self {
            mute: call_settings.audio.muted,
            no_sound,
            call_settings,
            networks,
            began: None,
            gpu,
            textures: Textures::new(cc.wgpu_render_state.clone()),
            page,
            hanging_up: BackgroundDrops::default(),
            // A time that is too long to add is as good as none.
            closes: seconds
                .and_then(|s| Duration::try_from_secs_f64(s).ok())
                .and_then(|s| Instant::now().checked_add(s)),
            report,
            snapshot,
            asked_for: signaling.is_some(),
            again: None,
            pictures: pictures.unwrap_or_else(pictures_folder),
            fault: Arc::default(),
            preview: None,
            closing: BackgroundDrops::default(),
            cameras: Arc::default(),
            devices: DeviceLookup::default(),
            settings,
            settings_path,
            interrupt,
        };
        match signaling {
            Some(signaling) => app.begin(&cc.egui_ctx, signaling),
            None => app.page = app.start_page(&cc.egui_ctx),
        }
        app
    }

    fn begin(&mut self, ctx: &egui::Context, signaling: Signaling) {
        let repaint = ctx.clone();
        let wake = Arc::new(move || repaint.request_repaint());
        if let Signaling::Join { url } | Signaling::Watch { url } = &signaling {
            Settings::remember(&mut self.settings.links, url);
        }
        if let Signaling::Host { listen } = &signaling {
            self.settings.listen = Some(listen.to_string());
        }
        if let SourceSpec::Clip(path) = &self.call_settings.source {
            Settings::remember(&mut self.settings.clips, &path.display().to_string());
        }
        let before = self.preview.take();
        self.textures.clear();
        let folder = self.pictures.clone();
        // The call's network is the one in the list, so that it is known to be the same.
        if let Some(i) = self.networks.position(&self.call_settings.model) {
            self.call_settings.model = Arc::clone(&self.networks.models()[i]);
        }
        if let Some(auto) = self.call_settings.auto.take() {
            self.call_settings.auto = Some(Auto { models: self.networks.shipped(), ..auto });
        }
        let mut call =
            Call::begin(self.call_settings.clone(), signaling, self.gpu.clone(), wake, &self.networks, folder, before);
        call.devices = self.devices.clone();
        self.settings.give(&mut call.controls, self.networks.choices());
        self.began = Some(call.controls.began());
        self.page = Page::Call(Box::new(call));
    }

    /// Goes back to the start page; says there what went wrong, if something did.
    fn leave(&mut self, ctx: &egui::Context, leave: Leave) {
        let page = self.start_page(ctx);
        let Page::Call(call) = std::mem::replace(&mut self.page, page) else { return };
        self.remember(&call);
        let error = match leave {
            Leave::HungUp => None,
            Leave::Again => {
                self.again = Some(call.signaling().clone());
                None
            }
            Leave::NotStarted(error) if self.asked_for => {
                self.fail(AppError::Session(error));
                ctx.send_viewport_cmd(egui::ViewportCommand::Close);
                None
            }
            Leave::NotStarted(error) => {
                let card = if matches!(error, SessionError::Source(_)) { Card::Source } else { call.card() };
                Some((card, error.to_string()))
            }
            Leave::NotConnected(why) => Some((call.card(), why)),
        };
        self.asked_for = false;
        if let Page::Start(page) = &mut self.page {
            page.remember(call.signaling());
            if let (Some(sound), Signaling::Loopback) = (&mut page.sound, call.signaling()) {
                sound.in_loopback = self.call_settings.audio.on;
            }
            page.error = error;
        }
        self.end(*call);
        self.textures.clear();
    }

    fn start_page(&self, ctx: &egui::Context) -> Page {
        // Cameras are asked for their formats, which takes a moment.
        let (found, repaint) = (Arc::clone(&self.cameras), ctx.clone());
        let look = std::thread::Builder::new().name("cameras".to_owned()).spawn(move || {
            let cameras = source::cameras().unwrap_or_default();
            *found.lock().unwrap_or_else(PoisonError::into_inner) = Some(cameras);
            repaint.request_repaint();
        });
        if let Err(error) = look {
            tracing::error!("{error}");
        }
        let mut page = StartPage::new(&self.call_settings.source, summary(&self.call_settings));
        (page.links, page.clips) = (self.settings.links.clone(), self.settings.clips.clone());
        page.formats.clone_from(&self.settings.formats);
        if let Some(listen) = &self.settings.listen {
            page.listen.clone_from(listen);
        }
        if cfg!(feature = "audio") && !self.no_sound {
            let choice = SoundChoice::of(&self.call_settings.audio);
            page.sound = Some(SoundPart { choice, names: None, look_wanted: true, in_loopback: false });
        }
        page.tls = self.call_settings.network.identity.is_some();
        page.theme = self.settings.theme.name();
        Page::Start(Box::new(page))
    }

    /// Remembers what was set during a call.
    fn remember(&mut self, call: &Call) {
        self.settings.take(&call.controls, self.networks.choices());
        self.settings.take_changes(self.began.as_ref(), call.controls.began(), &self.networks);
        self.write_settings();
    }

    fn write_settings(&self) {
        if let Some(path) = &self.settings_path
            && let Err(error) = self.settings.write(path)
        {
            tracing::warn!("{}: {error}", path.display());
        }
    }

    fn next_theme(&mut self, ctx: &egui::Context) {
        self.settings.theme = self.settings.theme.next();
        self.settings.theme.apply(ctx);
        if let Page::Start(page) = &mut self.page {
            page.theme = self.settings.theme.name();
        }
        self.write_settings();
    }

    /// Writes what was asked for about a call and hangs up.
    fn end(&mut self, call: Call) {
        if let Some(session) = call.session() {
            if let Some(path) = &self.report {
                let written = report::write_json(path, &session.stats());
                written.unwrap_or_else(|e| self.fail(e.into()));
            }
            if let Some(path) = &self.snapshot {
                let written = match call.pair() {
                    Some(pair) => report::write_pair(path, pair).map_err(AppError::from),
                    None => Err(AppError::NoPicture(path.clone())),
                };
                written.unwrap_or_else(|e| self.fail(e));
            }
        }
        self.hanging_up.hang_up(call);
    }

    /// Keeps the first thing that went wrong for the end of the program.
    fn fail(&self, error: AppError) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Ends what runs, writes what was asked for and waits until the threads are gone.
    pub fn finish(&mut self) {
        if let Some(preview) = self.preview.take() {
            self.closing.hang_up(preview);
        }
        let page = Page::Start(Box::new(StartPage::new(&self.call_settings.source, summary(&self.call_settings))));
        if let Page::Call(call) = std::mem::replace(&mut self.page, page) {
            self.remember(&call);
            self.end(*call);
        }
        self.hanging_up.wait();
        self.closing.wait();
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
        if self.interrupt.is_told() {
            ctx.send_viewport_cmd(egui::ViewportCommand::Close);
        }
        if let Some(at) = self.closes {
            let left = at.saturating_duration_since(Instant::now());
            if left.is_zero() {
                self.closes = None;
                ctx.send_viewport_cmd(egui::ViewportCommand::Close);
            } else {
                ctx.request_repaint_after(left);
            }
        }
    }

    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        let ctx = ui.ctx().clone();
        self.settings.zoom = ctx.zoom_factor();
        match &mut self.page {
            Page::Start(page) => {
                page.busy = self.hanging_up.busy();
                if page.busy {
                    ctx.request_repaint_after(Duration::from_millis(50));
                }
                let again = self.again.take_if(|_| !page.busy);
                let mut changed = false;
                let mut begin = page.show(ui);
                if begin.is_some() {
                    self.call_settings.audio.muted = self.mute;
                }
                if let Some(sound) = &mut page.sound {
                    if std::mem::take(&mut sound.look_wanted) {
                        let repaint = ctx.clone();
                        self.devices.look(&self.call_settings.audio, Arc::new(move || repaint.request_repaint()));
                    }
                    sound.names = self.devices.names();
                    if sound.choice != SoundChoice::of(&self.call_settings.audio) {
                        sound.choice.put(&mut self.call_settings.audio);
                        self.settings.sound = Some(sound.choice.clone());
                        changed = true;
                    }
                }
                begin = begin.or(again.map(|signaling| {
                    let CallSettings { source, network, audio, .. } = self.call_settings.clone();
                    Begin { source, signaling, network, sound: audio.on }
                }));
                let theme_wanted = std::mem::take(&mut page.theme_wanted);
                let formats = (page.formats != self.settings.formats).then(|| page.formats.clone());
                if let Some(Begin { source, signaling, network, sound }) = begin {
                    self.call_settings.audio.on = sound;
                    let NetworkSettings { ice_servers, bearer, .. } = self.call_settings.network.clone();
                    // What the command line says stays where the page says nothing.
                    let servers = if network.ice_servers.is_empty() { ice_servers } else { network.ice_servers };
                    self.call_settings.network =
                        NetworkSettings { ice_servers: servers, bearer, identity: network.identity };
                    self.call_settings.source = source;
                    self.begin(&ctx, signaling);
                } else {
                    let closing = &mut self.closing;
                    preview::tend(&ctx, page, &mut self.preview, closing, &self.cameras, &mut self.textures);
                }
                if let Some(formats) = formats {
                    self.settings.formats = formats;
                    changed = true;
                }
                if changed {
                    self.write_settings();
                }
                if theme_wanted {
                    self.next_theme(&ctx);
                }
            }
            Page::Call(call) => {
                let leave = call.show(ui, &mut self.textures, &self.networks);
                if call.controls.vivid != self.networks.vivid() {
                    self.networks.blend(call.controls.vivid);
                    call.choose(&self.networks);
                }
                let theme_wanted = std::mem::take(&mut call.theme_wanted);
                if let Some(leave) = leave {
                    self.call_settings = call.settings(&self.call_settings, &self.networks);
                    self.leave(&ctx, leave);
                }
                if theme_wanted {
                    self.next_theme(&ctx);
                }
            }
        }
    }

    fn clear_color(&self, visuals: &egui::Visuals) -> [f32; 4] {
        style::clear_colour(visuals).to_normalized_gamma_f32()
    }

    fn on_exit(&mut self) {
        self.finish();
    }
}

impl Drop for App {
    fn drop(&mut self) {
        self.finish();
    }
}

/// How the picture will be sent, in a line.
fn summary(settings: &CallSettings) -> String {
    format!(
        "Sent {} at up to {} frames and {} a second.",
        match settings.size {
            Some(SizeChoice::Within(size)) => format!("within {size}"),
            Some(SizeChoice::Auto) => "as large as the bits suffice for,".to_owned(),
            None => format!("within {} (between two machines as large as the bits suffice for),", Size::USUAL),
        },
        settings.fps,
        style::bitrate(settings.bitrate.into()).trim_end_matches("/s")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A German desktop. The environment is the whole process's, so another one is asked.
    #[test]
    #[cfg(target_os = "linux")]
    fn pictures_go_to_the_folder_that_the_desktop_names() {
        const ASKED: &str = "CLEARCALL_TEST_PICTURES";
        if let Some(expected) = std::env::var_os(ASKED) {
            assert_eq!(pictures_folder(), PathBuf::from(expected));
            return;
        }
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("user-dirs.dirs"), "XDG_PICTURES_DIR=\"$HOME/Bilder\"\n").unwrap();
        for folder in ["Pictures", "Bilder"] {
            std::fs::create_dir(home.path().join(folder)).unwrap();
            let asked = std::process::Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "app::tests::pictures_go_to_the_folder_that_the_desktop_names"])
                .env("HOME", home.path())
                .env("XDG_CONFIG_HOME", home.path())
                .env(ASKED, home.path().join(folder).join("clearcall"))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&asked.stdout);
            assert!(asked.status.success() && said.contains("1 passed"), "{said}");
        }
    }
}
