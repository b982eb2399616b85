//! The page for phones, in a real browser: Chromium without a window, with a camera that it makes up.
//!
//! Where there is no Chromium the test says so and does nothing. CLEARCALL_CHROMIUM names one that is elsewhere.

#[path = "support/call.rs"]
mod support;

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clearcall::call::Media;
use clearcall::call::signal::ServerIdentity;
#[cfg(feature = "audio")]
use clearcall::pipeline::SoundSource;
use clearcall::pipeline::{AudioSettings, CallSettings, CallState, NetworkSettings, Session, Signaling, Taken};
use support::settings;

/// A browser takes its time to start on a machine that is busy.
const PATIENCE: Duration = Duration::from_secs(90);

/// A browser that is ended with the test.
struct Browser(Child);

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn chromium() -> Option<String> {
    let named = std::env::var("CLEARCALL_CHROMIUM").ok();
    let usual = ["chromium", "chromium-browser", "google-chrome"].map(str::to_owned);
    named.into_iter().chain(usual).find(|name| {
        Command::new(name)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|s| s.success())
    })
}

fn open(browser: &str, profile: &std::path::Path, link: &str) -> Browser {
    let child = Command::new(browser)
        .args(["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--remote-debugging-port=0"])
        .args(["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"])
        .args(["--allow-loopback-in-peer-connection", "--ignore-certificate-errors"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(link)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Browser(child)
}

/// The scene's tones are sent, and what comes is played to nobody.
#[cfg(feature = "audio")]
fn sound() -> AudioSettings {
    AudioSettings { on: true, source: SoundSource::OfPictures, ..AudioSettings::default() }
}

#[cfg(not(feature = "audio"))]
fn sound() -> AudioSettings {
    AudioSettings::default()
}

#[test]
fn a_browser_that_opens_the_link_is_the_other_side() {
    let Some(browser) = chromium() else {
        println!("skipped: there is no Chromium here");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let identity = Some(ServerIdentity::of_this_machine(folder.path()).unwrap());
    let settings = CallSettings {
        size: Some("320x240".parse().unwrap()),
        bitrate: 300_000,
        network: NetworkSettings { identity, ..NetworkSettings::default() },
        audio: sound(),
        ..settings()
    };
    let listen = "127.0.0.1:0".parse().unwrap();
    let host = Session::start(settings, Signaling::Host { listen }, None, Arc::new(|| {})).unwrap();
    let CallState::Waiting { link, fingerprint, .. } = host.state() else { panic!("{:?}", host.state()) };
    assert!(link.starts_with("https://127.0.0.1:") && link.contains("/#token=") && fingerprint.is_some(), "{link}");
    let begun = Instant::now();
    let page = open(&browser, &folder.path().join("profile"), &link.replace("/#", "/?begin#"));
    let mut shown = 0;
    while shown < 30 {
        assert!(begun.elapsed() < PATIENCE, "{shown} pictures, {:?}, {:?}", host.state(), host.notices());
        shown += i32::from(matches!(host.wait_frame(Duration::from_millis(100)), Taken::Value(_)));
    }
    println!("30 pictures of the browser's camera within {:.1} s of its start", begun.elapsed().as_secs_f64());
    // Both ways: the browser reports what it gets.
    while host.stats().network.loss_out.is_none() {
        assert!(begun.elapsed() < PATIENCE, "the browser reports nothing: {:?}", host.stats().network);
        host.wait_frame(Duration::from_millis(100));
    }
    assert_eq!(host.stats().direction, Some(Media::SendRecv));
    // The browser's microphone beeps once a second, and the scene does.
    #[cfg(feature = "audio")]
    {
        let mut loudest = f64::MIN;
        let both = |audio: &clearcall::stats::AudioStats| audio.packets_in > 50 && audio.loss_out.is_some();
        while loudest < -50.0 || !host.stats().audio.as_ref().is_some_and(both) {
            assert!(begun.elapsed() < PATIENCE, "no sound: {:?}, {:?}", host.stats().audio, host.notices());
            host.wait_frame(Duration::from_millis(50));
            loudest = loudest.max(host.stats().audio.map_or(f64::MIN, |audio| audio.level_in_dbfs));
        }
        println!("sound both ways: {:?}", host.stats().audio);
    }
    drop(page);
}
