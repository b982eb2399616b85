//! The program: reads arguments, picks a command, prints errors.

mod cli;
mod commands;

use std::{io::IsTerminal as _, process::ExitCode};

use clap::Parser as _;
use clearcall::upscale;
use cli::{Cli, Command};
use commands::{Incomplete, InputFault};

fn main() -> ExitCode {
    leave_out_device_select();
    let cli = Cli::parse();
    log_to_stderr(cli.verbose);
    if let Some(threads) = cli.threads {
        upscale::cpu::limit_threads(threads.into());
        #[cfg(feature = "train")]
        if matches!(cli.command, Some(Command::Train(_) | Command::Lab(_))) {
            commands::train::limit_threads(threads.into());
        }
    }
    if !cli.no_tune {
        upscale::gpu::remember_in(upscale::gpu::default_folder());
    }
    let done = match cli.command {
        None => commands::call::default(),
        Some(Command::Call(args)) => commands::call::call(args),
        Some(Command::Host(args)) => commands::call::host(args),
        Some(Command::Join(args)) => commands::call::join(args),
        Some(Command::Watch(args)) => commands::call::watch(args),
        Some(Command::Encode(args)) => commands::encode::run(&args),
        Some(Command::Upscale(args)) => commands::upscale::run(&args),
        Some(Command::Measure(args)) => commands::measure::run(&args),
        Some(Command::Bench(command)) => commands::bench::run(&command),
        #[cfg(feature = "app")]
        Some(Command::Blind(args)) => commands::blind::run(args),
        Some(Command::Devices(args)) => commands::list::devices(&args),
        Some(Command::Models(args)) => commands::list::models(&args),
        #[cfg(feature = "train")]
        Some(Command::Train(args)) => commands::train::run(&args),
        #[cfg(feature = "train")]
        Some(Command::Lab(command)) => commands::lab::run(&command),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(match () {
                () if error.is::<InputFault>() => 3,
                () if error.is::<Incomplete>() => 4,
                () => 1,
            })
        }
    }
}

/// Warnings by default; the libraries below speak up only when asked through RUST_LOG.
fn log_to_stderr(verbose: u8) {
    let own = ["warn", "info", "debug"][usize::from(verbose.min(2))];
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new(format!("error,webrtc=off,rtc=off,clearcall={own}")));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .without_time()
        .init();
}

/// Mesa's Vulkan layer that puts the GPU of the Wayland server first writes errors to stderr where XDG_RUNTIME_DIR
/// names no folder, and so no such server can be found. There it is left out, unless somebody gives it orders;
/// adapters are put in order here all the same. wgpu has no way to open Vulkan without asking for Wayland.
fn leave_out_device_select() {
    let absolute = |name| std::env::var_os(name).is_some_and(|path| std::path::Path::new(&path).is_absolute());
    let reachable = absolute("XDG_RUNTIME_DIR") || absolute("WAYLAND_DISPLAY");
    let ordered = ["DRI_PRIME", "MESA_VK_DEVICE_SELECT"].iter().any(|name| std::env::var_os(name).is_some());
    if cfg!(unix) && !reachable && !ordered {
        // SAFETY: nothing else runs yet that could read or write the environment.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
