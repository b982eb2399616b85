//! Opens the window, or says why there is none.

use std::{
    ffi::OsString,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use crate::{
    app::{
        App, AppError, Start,
        blind_files::{self, BlindWindow, VoteReport},
        theme::style,
    },
    upscale::GpuContext,
};

/// Opens the window and returns when it is closed.
///
/// # Errors
/// When no window can be opened, the window fails, or the call or a file that was asked for does.
pub fn run(start: Start) -> Result<(), AppError> {
    let fault = Arc::new(Mutex::new(None));
    let told = Arc::clone(&fault);
    window(move |cc| {
        let mut app = App::new(cc, start);
        app.fault = told;
        app
    })?;
    let fault = fault.lock().unwrap_or_else(PoisonError::into_inner).take();
    fault.map_or(Ok(()), Err)
}

/// Opens the window of a blind test on files and returns, when it is closed, what was said in it; none where it was closed
/// before it was open.
///
/// # Errors
/// When no window can be opened, or the window fails.
pub fn run_blind(start: blind_files::Start) -> Result<Option<VoteReport>, AppError> {
    let report = Arc::new(Mutex::new(None));
    let told = Arc::clone(&report);
    window(move |cc| {
        let window = BlindWindow::new(cc, start);
        *told.lock().unwrap_or_else(PoisonError::into_inner) = Some(window.report());
        window
    })?;
    let report = report.lock().unwrap_or_else(PoisonError::into_inner).take();
    Ok(report.map(|report| report.lock().unwrap_or_else(PoisonError::into_inner).clone()))
}

/// Opens a window for what `make` makes.
fn window<A: eframe::App + 'static>(
    make: impl FnOnce(&eframe::CreationContext<'_>) -> A + 'static,
) -> Result<(), AppError> {
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
    let opened = catch_unwind(AssertUnwindSafe(|| {
        let app = |cc: &eframe::CreationContext<'_>| {
            open.store(true, Ordering::Relaxed);
            style::window_is_cleared(&cc.egui_ctx);
            Ok(Box::new(make(cc)) as Box<dyn eframe::App>)
        };
        eframe::run_native("clearcall", options, Box::new(app))
    }));
    let open = open.load(Ordering::Relaxed);
    match opened {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if open => Err(AppError::Window(error.to_string())),
        Ok(Err(error)) => Err(AppError::NoDisplay(why_not(&error))),
        // winit panics where a library of the display is missing; that is no reason to end the program.
        Err(panic) if !open => Err(AppError::NoDisplay(panic_text(panic.as_ref()))),
        Err(panic) => std::panic::resume_unwind(panic),
    }
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
