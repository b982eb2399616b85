//! The window: a start page, and a call with bicubic and the network side by side.
//!
//! The pages ([`start_page`], [`call_page`]) are functions of plain data, so that they are drawn and tested
//! without a call. [`App`] stands between them and a [`Session`](crate::pipeline::Session): it takes the newest pair, gives its pictures
//! to egui as textures, reads the numbers ten times a second, and passes on what the person does. It waits for
//! nothing: opening a source and hanging up happen on threads of their own.

mod call;
pub mod call_page;
pub mod commands;
pub mod compare;
mod ending;
mod paint;
mod read_out;
pub mod sheets;
pub mod sides;
pub mod stage;
pub mod start_page;
mod stats_panel;
pub mod style;
mod textures;
mod toolbar;
mod waiting;

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use self::{
    call::{Call, Leave},
    call_page::ModelChoice,
    ending::Endings,
    start_page::{Begin, Card, StartPage},
};
pub use self::{paint::Pictures, textures::Textures};
use crate::{
    model::Model,
    pipeline::{Link, Plan, SessionError},
    report::{self, ReportError},
    upscale::GpuContext,
};

/// What the window begins with.
#[derive(Debug, Clone)]
pub struct Start {
    /// What is sent and how what arrives is shown.
    pub plan: Plan,
    /// Begin this call at once; without it there is a start page.
    pub link: Option<Link>,
    /// Close after this many seconds.
    pub seconds: Option<f64>,
    /// Write the last call's numbers here.
    pub report: Option<PathBuf>,
    /// Write the last call's two pictures here.
    pub snapshot: Option<PathBuf>,
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

/// Opens the window and returns when it is closed.
pub fn run(start: Start) -> Result<(), AppError> {
    if let Some(why) = no_display(|name| std::env::var_os(name)) {
        return Err(AppError::NoDisplay(why));
    }
    let options = eframe::NativeOptions {
        viewport: egui::ViewportBuilder::default()
            .with_title("clearcall")
            .with_app_id("clearcall")
            .with_icon(style::icon())
            .with_inner_size([1300.0, 800.0])
            .with_min_inner_size([900.0, 600.0]),
        renderer: eframe::Renderer::Wgpu,
        wgpu_options: egui_wgpu::WgpuConfiguration {
            wgpu_setup: wgpu_setup().into(),
            ..eframe::NativeOptions::default().wgpu_options
        },
        persist_window: false,
        // Video is dithered by the camera; noise of our own would differ between the two sides.
        dithering: false,
        ..Default::default()
    };
    let open = AtomicBool::new(false);
    let fault = Arc::new(Mutex::new(None));
    let window = catch_unwind(AssertUnwindSafe(|| {
        let app = |cc: &eframe::CreationContext<'_>| {
            open.store(true, Ordering::Relaxed);
            style::window_is_cleared(&cc.egui_ctx);
            let mut app = App::new(cc, start);
            app.fault = Arc::clone(&fault);
            Ok(Box::new(app) as Box<dyn eframe::App>)
        };
        eframe::run_native("clearcall", options, Box::new(app))
    }));
    let opened = open.load(Ordering::Relaxed);
    match window {
        Ok(Ok(())) => {}
        Ok(Err(error)) if opened => return Err(AppError::Window(error.to_string())),
        Ok(Err(error)) => return Err(AppError::NoDisplay(why_not(&error))),
        // winit panics where a library of the display is missing; that is no reason to end the program.
        Err(panic) if !opened => return Err(AppError::NoDisplay(panic_text(panic.as_ref()))),
        Err(panic) => std::panic::resume_unwind(panic),
    }
    let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
    fault.map_or(Ok(()), Err)
}

/// Says why a window cannot be opened, where that can be known beforehand from the environment.
fn no_display(variable: impl Fn(&str) -> Option<OsString>) -> Option<String> {
    let unix = cfg!(all(unix, not(target_os = "macos")));
    let set = |name: &str| variable(name).is_some_and(|v| !v.is_empty());
    let none = unix && !["DISPLAY", "WAYLAND_DISPLAY", "WAYLAND_SOCKET"].into_iter().any(set);
    none.then(|| "neither DISPLAY nor WAYLAND_DISPLAY is set".to_owned())
}

/// What went wrong, without the place in winit's source that its errors begin with.
fn why_not(error: &eframe::Error) -> String {
    let text = error.to_string();
    match error {
        eframe::Error::Winit(_) | eframe::Error::WinitEventLoop(_) => {
            text.rsplit_once(": ").map_or(text.as_str(), |(_, last)| last).to_owned()
        }
        _ => text,
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("the display's libraries are missing").to_owned()
}

/// The window's GPU, with all that the engine can use of it.
///
/// The default device has neither f16 nor timestamps, and limits of 2015.
pub fn wgpu_setup() -> egui_wgpu::WgpuSetupCreateNew {
    let mut setup = egui_wgpu::WgpuSetupCreateNew::without_display_handle();
    setup.device_descriptor = Arc::new(GpuContext::device_descriptor);
    setup
}

enum Page {
    Start(Box<StartPage>),
    Call(Box<Call>),
}

/// What the window shows.
pub struct App {
    plan: Plan,
    models: Vec<Arc<Model>>,
    choices: Vec<ModelChoice>,
    gpu: Option<GpuContext>,
    textures: Textures,
    page: Page,
    endings: Endings,
    /// When the window closes by itself.
    closes: Option<Instant>,
    report: Option<PathBuf>,
    snapshot: Option<PathBuf>,
    /// A call that the command line asked for must not fail in silence.
    asked_for: bool,
    fault: Arc<Mutex<Option<AppError>>>,
    stats_shown: bool,
}

impl App {
    /// Sets the look, takes the window's GPU and begins the call that was asked for.
    pub fn new(cc: &eframe::CreationContext<'_>, start: Start) -> Self {
        style::apply(&cc.egui_ctx);
        let Start { plan, link, seconds, report, snapshot } = start;
        let gpu = cc
            .wgpu_render_state
            .as_ref()
            .map(|r| GpuContext::from_parts(&r.adapter, r.device.clone(), r.queue.clone()));
        let models = models(&plan);
        let choices = models
            .iter()
            .map(|m| ModelChoice { name: m.name().to_owned(), mac_per_pixel: m.mac_per_pixel() })
            .collect();
        let page = Page::Start(Box::new(StartPage::new(&plan.source, summary(&plan))));
        let mut app = Self {
            plan,
            models,
            choices,
            gpu,
            textures: Textures::new(cc.wgpu_render_state.clone()),
            page,
            endings: Endings::default(),
            // A time that is too long to add is as good as none.
            closes: seconds
                .and_then(|s| Duration::try_from_secs_f64(s).ok())
                .and_then(|s| Instant::now().checked_add(s)),
            report,
            snapshot,
            asked_for: link.is_some(),
            fault: Arc::default(),
            stats_shown: true,
        };
        if let Some(link) = link {
            app.begin(&cc.egui_ctx, link);
        }
        app
    }

    fn begin(&mut self, ctx: &egui::Context, link: Link) {
        let repaint = ctx.clone();
        let wake = Arc::new(move || repaint.request_repaint());
        let mut call = Call::begin(self.plan.clone(), link, self.gpu.clone(), wake, &self.models);
        call.controls.stats = self.stats_shown;
        self.page = Page::Call(Box::new(call));
    }

    /// Goes back to the start page; says there what went wrong, if something did.
    fn leave(&mut self, ctx: &egui::Context, leave: Leave) {
        let page = self.start_page();
        let Page::Call(call) = std::mem::replace(&mut self.page, page) else { return };
        self.stats_shown = call.controls.stats;
        let error = match leave {
            Leave::HungUp => None,
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
            page.remember(call.link());
            page.error = error;
        }
        self.end(*call);
        self.textures.clear();
    }

    fn start_page(&self) -> Page {
        Page::Start(Box::new(StartPage::new(&self.plan.source, summary(&self.plan))))
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
        self.endings.hang_up(call);
    }

    /// Keeps the first thing that went wrong for the end of the program.
    fn fail(&self, error: AppError) {
        self.fault.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
    }

    /// Whether the last call has ended entirely.
    pub fn idle(&mut self) -> bool {
        matches!(self.page, Page::Start(_)) && !self.endings.busy()
    }

    /// Ends what runs, writes what was asked for and waits until the threads are gone.
    pub fn finish(&mut self) {
        let page = self.start_page();
        if let Page::Call(call) = std::mem::replace(&mut self.page, page) {
            self.end(*call);
        }
        self.endings.wait();
    }
}

impl eframe::App for App {
    fn logic(&mut self, ctx: &egui::Context, _: &mut eframe::Frame) {
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
        match &mut self.page {
            Page::Start(page) => {
                page.busy = self.endings.busy();
                if page.busy {
                    ctx.request_repaint_after(Duration::from_millis(50));
                }
                if let Some(Begin { source, link }) = page.show(ui) {
                    self.plan.source = source;
                    self.begin(&ctx, link);
                }
            }
            Page::Call(call) => {
                if let Some(leave) = call.show(ui, &mut self.textures, &self.models, &self.choices) {
                    self.plan = call.plan(&self.plan, &self.models);
                    self.leave(&ctx, leave);
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

/// The shipped networks, and the one that was asked for if it is a file.
fn models(plan: &Plan) -> Vec<Arc<Model>> {
    let mut models: Vec<Arc<Model>> = Model::shipped()
        .filter_map(|name| match Model::find(name) {
            Ok(model) => Some(Arc::new(model)),
            Err(error) => {
                tracing::warn!("{error}");
                None
            }
        })
        .collect();
    if !models.iter().any(|m| **m == *plan.model) {
        models.insert(0, Arc::clone(&plan.model));
    }
    models
}

/// How the picture will be sent, in a line.
fn summary(plan: &Plan) -> String {
    format!(
        "Sent within {} at up to {} frames and {} a second.",
        plan.size,
        plan.fps,
        style::bitrate(plan.bitrate.into()).trim_end_matches("/s")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(all(unix, not(target_os = "macos")))]
    fn a_machine_without_a_display_is_known_beforehand() {
        assert!(no_display(|_| None).is_some());
        assert!(no_display(|name| (name == "DISPLAY").then(OsString::new)).is_some());
        assert!(no_display(|name| (name == "DISPLAY").then(|| ":0".into())).is_none());
        assert!(no_display(|name| (name == "WAYLAND_DISPLAY").then(|| "wayland-0".into())).is_none());
    }

    #[test]
    fn a_panic_of_the_display_is_told_in_its_own_words() {
        let told = |message: &'static str| {
            catch_unwind(|| std::panic::panic_any(message)).map_err(|panic| panic_text(panic.as_ref()))
        };
        assert_eq!(told("no library"), Err::<(), _>("no library".to_owned()));
    }
}
