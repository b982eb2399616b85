//! The whole window with a real call in it: scene, codec, UDP, upscaling, textures.
#![cfg(feature = "app")]

#[path = "support/window.rs"]
mod window;

use std::sync::Arc;

use clearcall::{
    app::{App, Start},
    frame::Size,
    model::Model,
    pipeline::{CallSettings, Signaling, SizeChoice},
    upscale::EngineChoice,
};
use egui::{Key, Modifiers};
use egui_kittest::{Harness, kittest::Queryable as _};
use window::{has, open, settings, shows, start, texts, until};

#[cfg(feature = "audio")]
use clearcall::{
    audio::device::{Clock, Devices, FakeDevices},
    pipeline::{AudioSettings, SoundSource, SpeakerChoice},
};

#[test]
fn a_loopback_call_from_the_start_page_and_back() {
    let mut harness = open(start(settings(), None));
    harness.step();
    harness.get_by_label("Loopback call").click();
    until("a pair on the screen", || shows(&mut harness, "Picture: bicubic"));
    assert!(has(&harness, "Picture: CNN"));
    assert!(has(&harness, "connected with "));

    let mut names = Model::shipped();
    if let (Some(first), Some(second)) = (names.next(), names.next()) {
        assert!(has(&harness, &format!("Picture: CNN · {first} · ")));
        harness.get_by_label("Model").click();
        harness.step();
        harness.step();
        harness.get_by_label_contains(&format!("{second} · ")).click();
        until("the other model", || shows(&mut harness, &format!("Picture: CNN · {second} · ")));
        until("the engine with the other model", || shows(&mut harness, &format!("{second} on CPU")));
    }

    until("numbers", || {
        harness.step();
        texts(&harness, "show: ").iter().any(|t| !t.starts_with("show: 0 in"))
    });
    harness.get_by_label("Hang up").click();
    until("the start page", || shows(&mut harness, "Both ends on this machine"));
    until("the end of the call's threads", || shows(&mut harness, "Sent within"));
}

#[test]
fn a_call_from_the_command_line_leaves_its_report_and_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let (report, snapshot) = (folder.path().join("r.json"), folder.path().join("p.png"));
    let wanted = Start {
        report: Some(report.clone()),
        snapshot: Some(snapshot.clone()),
        ..start(settings(), Some(Signaling::Loopback))
    };
    let mut harness = open(wanted);
    until("a pair on the screen", || shows(&mut harness, "Picture: bicubic"));
    harness.state_mut().finish();
    let json: serde_json::Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
    assert!(json.pointer("/frames/shown").and_then(serde_json::Value::as_u64).unwrap() >= 1, "{json}");
    let picture = image::open(snapshot).unwrap();
    // The details in which they differ stand below.
    assert!(picture.width() == 640 && picture.height() > 240, "{}x{}", picture.width(), picture.height());
}

/// Presses a key and steps until `what` is true of the window.
fn press(
    harness: &mut Harness<'_, App>,
    modifiers: Modifiers,
    key: Key,
    what: &str,
    mut done: impl FnMut(&mut Harness<'_, App>) -> bool,
) {
    harness.key_press_modifiers(modifiers, key);
    until(what, || {
        harness.step();
        done(harness)
    });
}

/// A frame is held as soon as others come and none of them goes on.
fn hold_a_frame(harness: &mut Harness<'_, App>) {
    let counts = |harness: &Harness<'_, App>| {
        let text = texts(harness, "upscale: ").first().cloned().unwrap_or_default();
        let mut numbers = text.split([' ', ',']).filter_map(|word| word.parse::<u64>().ok());
        numbers.next().zip(numbers.next())
    };
    let mut before: Option<(u64, u64)> = None;
    press(harness, Modifiers::NONE, Key::F, "a held frame", |harness| {
        let Some((came, went)) = counts(harness) else { return false };
        match before {
            Some((came_before, went_before)) if went_before == went => came >= came_before + 5,
            _ => {
                before = Some((came, went));
                false
            }
        }
    });
}

#[test]
fn freezing_keeping_recording_and_a_bad_network() {
    let folder = tempfile::tempdir().unwrap();
    let wanted = Start { pictures: Some(folder.path().to_owned()), ..start(settings(), Some(Signaling::Loopback)) };
    let mut harness = open(wanted);
    until("a pair on the screen", || shows(&mut harness, "Picture: bicubic"));
    let files = |ending: &str| {
        let files = std::fs::read_dir(folder.path()).unwrap().map(|f| f.unwrap().path());
        files.filter(|f| f.to_string_lossy().ends_with(ending)).collect::<Vec<_>>()
    };
    let plain = Modifiers::NONE;
    press(&mut harness, plain, Key::R, "a recording", |_| !files(".mp4").is_empty());

    // A frame is held while the call goes on.
    hold_a_frame(&mut harness);
    press(&mut harness, plain, Key::P, "both sides in files", |_| {
        !files("-bicubic.png").is_empty() && !files(&format!("-{}.png", settings().model.name())).is_empty()
    });
    let sides = image::open(&files("-bicubic.png")[0]).unwrap();
    assert_eq!((sides.width(), sides.height()), (320, 240));
    press(&mut harness, Modifiers::SHIFT, Key::P, "the crop in a file", |_| files(".png").len() == 3);
    press(&mut harness, plain, Key::V, "the view in a file", |_| !files("-view.png").is_empty());
    let view = image::open(&files("-view.png")[0]).unwrap().to_rgb8();
    let bright = view.pixels().filter(|p| p.0.iter().any(|v| *v > 60)).count();
    assert!(bright > view.pixels().len() / 8, "the view is dark");
    press(&mut harness, plain, Key::Comma, "the frame before", |h| has(h, "Picture: bicubic"));
    press(&mut harness, plain, Key::F, "the call's pictures again", |h| has(h, "Picture: bicubic"));

    // What was received plays.
    press(&mut harness, plain, Key::R, "the end of the recording", |h| has(h, "Recorded "));
    let clip = clearcall::source::clip::Clip::open(&files(".mp4")[0]).unwrap();
    assert_eq!(clearcall::source::Source::size(&clip), Size::new(160, 120).unwrap());

    // What was compared plays: A on the left, B on the right, each at its full size.
    let _ = files(".mp4").into_iter().map(std::fs::remove_file).collect::<Vec<_>>();
    press(&mut harness, Modifiers::SHIFT, Key::R, "a film", |_| !files(".mp4").is_empty());
    press(&mut harness, Modifiers::SHIFT, Key::R, "the end of the film", |h| has(h, "of the view into"));
    let film = clearcall::source::clip::Clip::open(&files(".mp4")[0]).unwrap();
    assert_eq!(clearcall::source::Source::size(&film), Size::new(640, 240).unwrap());

    // The network becomes bad: the light says so, and the call's numbers as well.
    harness.get_all_by_label("Loss").next().unwrap().focus();
    harness.step();
    for _ in 0..40 {
        harness.key_press(Key::ArrowRight);
        harness.step();
    }
    until("a word about the loss", || shows(&mut harness, "of the packets are lost"));
}

#[test]
fn the_truth_of_a_loopback_call_is_scored_and_shown() {
    let mut harness = open(start(settings(), Some(Signaling::Loopback)));
    until("a pair on the screen", || shows(&mut harness, "Picture: bicubic"));
    until("scores beside the names", || shows(&mut harness, " dB · "));
    harness.key_press(Key::Num5);
    until("the truth", || shows(&mut harness, "Picture: truth") && !has(&harness, "The truth is known in a loopback"));
    harness.key_press(Key::Num1);
    until("two sides", || shows(&mut harness, "Picture: bicubic"));
    harness.step();
    for name in ["low-res", "bilinear", "Lanczos"] {
        harness.get_by_label("Side A").click();
        harness.step();
        harness.step();
        harness.get_by_label_contains(name).click();
        until(name, || shows(&mut harness, &format!("Picture: {name}")));
    }
}

#[test]
fn settings_are_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let begin = || Start { settings: Some(path.clone()), ..start(settings(), Some(Signaling::Loopback)) };
    let mut harness = open(begin());
    until("a pair on the screen", || shows(&mut harness, "Picture: bicubic"));
    harness.key_press(Key::Num2);
    harness.key_press(Key::S);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::L);
    harness.step();
    harness.state_mut().finish();
    drop(harness);
    let mut harness = open(begin());
    until("a wipe", || shows(&mut harness, "Picture: bicubic | CNN"));
    assert!(!has(&harness, "Copy as JSON"));
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("\"dark\""), "{text}");
}

#[test]
fn the_program_chooses_the_network_until_the_person_does_and_that_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let begin =
        || Start { chosen: false, settings: Some(path.clone()), ..start(settings(), Some(Signaling::Loopback)) };
    let Some(last) = Model::shipped().last() else { return };
    let mut harness = open(begin());
    until("what runs", || shows(&mut harness, "Picture: CNN") || has(&harness, "network off: "));
    until("why it runs", || {
        harness.step();
        let said = texts(&harness, "; runs on CPU");
        said.iter().any(|text| text.contains(": "))
    });
    assert!(has(&harness, "Limits"));
    harness.get_by_label("Model").click();
    harness.step();
    harness.step();
    harness.get_by_label_contains(&format!("{last} · ")).click();
    until("the chosen one", || shows(&mut harness, &format!("Picture: CNN · {last} · ")));
    assert!(!has(&harness, "Limits"));
    harness.state_mut().finish();
    drop(harness);
    assert!(std::fs::read_to_string(&path).unwrap().contains(&format!("\"model\": \"{last}\"")));

    let mut harness = open(begin());
    until("the chosen one again", || shows(&mut harness, &format!("Picture: CNN · {last} · ")));
    harness.state_mut().finish();
    drop(harness);
    // What the command line names is for this time only.
    let mut harness = open(Start { chosen: true, ..begin() });
    until("the named one", || shows(&mut harness, &format!("Picture: CNN · {} · ", settings().model.name())));
    harness.state_mut().finish();
    assert!(std::fs::read_to_string(&path).unwrap().contains(&format!("\"model\": \"{last}\"")));
}

#[test]
fn another_engine_takes_over_in_the_running_call_and_is_remembered() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let begin =
        || Start { engine_chosen: false, settings: Some(path.clone()), ..start(settings(), Some(Signaling::Loopback)) };
    let mut harness = open(begin());
    until("a pair on the screen", || shows(&mut harness, "Picture: bicubic"));
    for (choice, runs) in [("GPU · ", " on GPU: "), ("CPU in bytes", " on CPU in bytes: as asked")] {
        harness.get_by_label("Engine").click();
        harness.step();
        harness.step();
        harness.get_by_label_contains(choice).click();
        until(runs, || shows(&mut harness, runs));
        let shown = |h: &Harness<'_, App>| {
            let said = texts(h, "upscale: ").remove(0);
            said.split(" in, ").nth(1).and_then(|s| s.split(' ').next()?.replace(',', "").parse::<u64>().ok())
        };
        let before = shown(&harness);
        until("frames of it", || {
            harness.step();
            shown(&harness) > before
        });
    }
    harness.state_mut().finish();
    drop(harness);
    let mut harness = open(begin());
    until("the same engine again", || shows(&mut harness, " on CPU in bytes: as asked"));
    harness.state_mut().finish();
    drop(harness);
    // What the command line names is for this time only.
    let mut harness = open(Start { engine_chosen: true, ..begin() });
    until("the named one", || shows(&mut harness, " on CPU: as asked"));
    harness.state_mut().finish();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("\"engine\": \"cpu-int8\""), "{text}");
}

#[test]
fn what_is_sent_is_remembered_unless_the_command_line_says_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("settings.json");
    let saved = Some(path.clone());
    let begin =
        || Start { sending_chosen: false, settings: saved.clone(), ..start(settings(), Some(Signaling::Loopback)) };
    let mut harness = open(begin());
    until("the settings's size", || shows(&mut harness, "size: 160x120"));
    harness.get_by_label("Size").click();
    harness.step();
    harness.step();
    harness.get_by_label("240x180").click();
    until("another size", || shows(&mut harness, "size: 240x180"));
    harness.state_mut().finish();
    drop(harness);
    let mut harness = open(begin());
    until("the same size again", || shows(&mut harness, "size: 240x180"));
    harness.state_mut().finish();
    drop(harness);
    let mut harness = open(Start { sending_chosen: true, ..begin() });
    until("the named one", || shows(&mut harness, "size: 160x120"));
    harness.state_mut().finish();
    let text = std::fs::read_to_string(path).unwrap();
    assert!(text.contains("240x180") && text.contains("200000"), "{text}");
}

/// The picture in the file whose name ends so, once it is whole.
fn kept(folder: &std::path::Path, ending: &str) -> Option<image::RgbImage> {
    let mut files = std::fs::read_dir(folder).unwrap().map(|f| f.unwrap().path());
    let file = files.find(|f| f.to_string_lossy().ends_with(ending))?;
    Some(image::open(file).ok()?.to_rgb8())
}

#[test]
fn the_vivid_slider_changes_the_networks_side_of_the_same_frame() {
    let folder = tempfile::tempdir().unwrap();
    let model = |seed| Model::untrained(4, 1, seed).unwrap();
    let of_a_file = CallSettings { model: std::sync::Arc::new(model(1)), ..settings() };
    let pictures = Some(folder.path().to_owned());
    let wanted = Start { weights: Some(model(2)), pictures, ..start(of_a_file, Some(Signaling::Loopback)) };
    let mut harness = open(wanted.clone());
    until("a pair on the screen", || shows(&mut harness, "Picture: CNN · untrained-4-1 · "));
    let plain = Modifiers::NONE;
    hold_a_frame(&mut harness);
    let both = |network: &str| Some([kept(folder.path(), "-bicubic.png")?, kept(folder.path(), network)?]);
    press(&mut harness, plain, Key::P, "both sides in files", |_| both("-untrained-4-1.png").is_some());
    let [baseline, faithful] = both("-untrained-4-1.png").unwrap();
    for file in std::fs::read_dir(folder.path()).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }

    harness.get_all_by_label("Vivid").next().unwrap().focus();
    harness.step();
    for _ in 0..10 {
        harness.key_press(Key::ArrowRight);
        harness.step();
    }
    until("the blended network", || shows(&mut harness, "Picture: CNN · untrained-4-1@0."));
    let label = texts(&harness, "Picture: CNN · ").remove(0);
    let blended = label.split(" · ").nth(1).unwrap().to_owned();
    until("that network on the engine", || shows(&mut harness, &format!("{blended} on CPU")));
    let file = format!("-{blended}.png");
    // A button leaves the letters to the window.
    harness.get_by_role_and_label(egui::Role::Button, "Freeze").focus();
    harness.step();
    // The frame is made again by it, perhaps only after the first picture has been kept.
    let mut steps = 0;
    until("both sides again", || {
        if steps % 100 == 0 {
            harness.key_press(Key::P);
        }
        steps += 1;
        harness.step();
        both(&file).is_some()
    });
    let [again, vivid] = both(&file).unwrap();
    assert!(again == baseline, "it is another frame");
    assert!(vivid != faithful, "the slider did nothing");
    drop(harness);

    // And so it is without --vivid.
    let mut harness = open(Start { vivid: None, ..wanted });
    until("the blended network", || shows(&mut harness, "Picture: CNN · untrained-4-1@0.5 · "));
    assert!(has(&harness, "Vivid"));
}

/// Nothing gets through any more: that is said, and once the network is there again one press makes the call again.
#[test]
fn a_call_whose_network_was_lost_is_made_again() {
    let settings = settings();
    let network = Arc::clone(&settings.impairment);
    let mut harness = open(start(settings, Some(Signaling::Loopback)));
    until("pictures", || shows(&mut harness, "Picture: bicubic"));
    assert!(!has(&harness, "Call again"));
    network.set_outage(true);
    // As long as the timers of ICE take, a dozen seconds.
    until("the word of the end", || shows(&mut harness, "Call again"));
    network.set_outage(false);
    harness.get_by_label("Call again").click();
    until("pictures of another call", || shows(&mut harness, "Picture: bicubic") && !has(&harness, "Call again"));
    harness.get_by_label("Hang up").click();
    until("the start page", || shows(&mut harness, "Both ends on this machine"));
}

#[test]
fn what_goes_wrong_is_said_on_the_start_page() {
    let mut harness = open(start(settings(), None));
    harness.step();
    let field = harness.get_by_label("Offer line to answer");
    field.focus();
    field.type_text("this is no offer");
    harness.step();
    harness.get_by_label("Answer").click();
    harness.step();
    until("the start page again", || shows(&mut harness, "Both ends on this machine"));
    // The field has the text, the button and the title have theirs, and a sentence says what is wrong with it.
    until("the error", || {
        harness.step();
        texts(&harness, "offer").iter().any(|t| t.len() > 30)
    });
}

#[test]
fn pictures_of_the_gpu_engine_are_shown_from_its_textures() {
    let size = Size::new(64, 48).unwrap();
    let settings =
        CallSettings { engine: EngineChoice::Gpu, size: Some(SizeChoice::Within(size)), fps: 5.0, ..settings() };
    let folder = tempfile::tempdir().unwrap();
    let snapshot = folder.path().join("p.png");
    let wanted = Start { snapshot: Some(snapshot.clone()), ..start(settings, Some(Signaling::Loopback)) };
    let mut harness = open(wanted);
    until("a pair on the screen", || shows(&mut harness, "Picture: bicubic"));
    until("the engine", || shows(&mut harness, " · GPU"));
    let left = harness.get_by_label("Picture: bicubic").rect();
    let seen = harness.render().unwrap();
    harness.state_mut().finish();

    // What is on the screen is what was written: the mean colour of the left picture, by and large.
    let written = image::open(snapshot).unwrap().to_rgba8();
    let (w, h) = (written.width() / 2, 96);
    assert!(w == 128 && written.height() >= h, "{}x{}", written.width(), written.height());
    let written = mean(&image::imageops::crop_imm(&written, 0, 0, w, h).to_image());
    let [x, y, w, h] = [left.left(), left.top(), left.width(), left.height()].map(|v| v as u32);
    let seen = mean(&image::imageops::crop_imm(&seen, x, y, w, h).to_image());
    let far = seen.iter().zip(written).any(|(a, b)| (a - b).abs() > 12.0);
    assert!(!far, "{seen:?} on the screen, {written:?} in the file");
    assert!(written.iter().any(|v| *v > 20.0), "a black picture: {written:?}");
}

fn mean(picture: &image::RgbaImage) -> [f64; 3] {
    let n = f64::from(picture.width() * picture.height());
    [0, 1, 2].map(|c| picture.pixels().map(|p| f64::from(p[c])).sum::<f64>() / n)
}

/// A call with oneself on devices with these names.
#[cfg(feature = "audio")]
fn with_sound() -> CallSettings {
    let devices = FakeDevices::new(Clock::system());
    devices.set_microphones(&["Desk", "Headset"]);
    devices.set_speakers(&["Hall", "Headphones"]);
    let (source, speaker) = (SoundSource::Microphone(None), SpeakerChoice::Default);
    let audio = AudioSettings { source, speaker, devices: Devices::new(devices), ..AudioSettings::default() };
    CallSettings { audio, ..settings() }
}

/// What the report says of the sound.
#[cfg(feature = "audio")]
fn reported(path: &std::path::Path) -> serde_json::Value {
    let report: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    report["audio"].clone()
}

#[cfg(feature = "audio")]
#[test]
fn the_sound_is_chosen_before_a_call_muted_in_it_and_remembered_without_the_mute() {
    let folder = tempfile::tempdir().unwrap();
    let (path, report) = (folder.path().join("settings.json"), folder.path().join("r.json"));
    let begin = |signaling| Start {
        sound_chosen: false,
        settings: Some(path.clone()),
        report: Some(report.clone()),
        ..start(with_sound(), signaling)
    };
    let mut harness = open(begin(None));
    until("the choice of the sound", || shows(&mut harness, "Your sound: System's microphone"));
    harness.get_by_label_contains("Your sound: ").click();
    until("the devices", || shows(&mut harness, "Headset"));
    harness.get_by_label("Headset").click();
    until("another microphone", || shows(&mut harness, "Your sound: Headset · System's speaker"));
    harness.key_press(Key::Escape);
    harness.step();
    harness.get_by_label("With sound").click();
    harness.step();
    harness.get_by_label("Loopback call").click();
    until("the sound's numbers", || shows(&mut harness, "sound: lost "));
    assert!(!has(&harness, "muted"));
    harness.get_by_label("Mute").click();
    // So says the thread that sends it.
    until("silence", || {
        harness.step();
        texts(&harness, "sound: lost ").iter().any(|text| text.contains(" · muted · "))
    });
    harness.get_by_label("Sound").click();
    until("the speakers", || shows(&mut harness, "Headphones"));
    harness.get_by_label("Headphones").click();
    harness.step();
    harness.get_by_label("Noise suppression").click();
    harness.step();
    until("the other speaker", || shows(&mut harness, " · from Headset · to Headphones"));
    harness.state_mut().finish();
    drop(harness);
    let audio = reported(&report);
    assert_eq!((&audio["source"], &audio["speaker"]), (&"Headset".into(), &"Headphones".into()), "{audio}");
    assert_eq!(audio["muted"], true, "{audio}");

    // The next call begins with these, and with one's own voice.
    let mut again = begin(Some(Signaling::Loopback));
    again.call_settings.audio.on = true;
    let mut harness = open(again);
    until("the sound's numbers", || shows(&mut harness, "sound: lost "));
    assert!(!has(&harness, "muted"));
    harness.get_by_label("Sound").click();
    until("the menu", || shows(&mut harness, "Noise suppression"));
    harness.state_mut().finish();
    drop(harness);
    let audio = reported(&report);
    assert_eq!((&audio["source"], &audio["muted"]), (&"Headset".into(), &false.into()), "{audio}");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"noise_suppression\": false") && !text.contains("mute"), "{text}");

    // What the command line names is for this time only.
    let mut named = begin(Some(Signaling::Loopback));
    (named.sound_chosen, named.call_settings.audio.on) = (true, true);
    named.call_settings.audio.source = SoundSource::Microphone(Some("Desk".to_owned()));
    let mut harness = open(named);
    until("the sound's numbers", || shows(&mut harness, "sound: lost "));
    harness.state_mut().finish();
    assert_eq!(reported(&report)["source"], "Desk");
    assert!(std::fs::read_to_string(&path).unwrap().contains("Headset"));
}

#[cfg(feature = "audio")]
#[test]
fn a_call_with_oneself_is_silent_unless_asked_and_no_call_has_sound_where_none_is_wanted() {
    let mut harness = open(start(with_sound(), None));
    until("the choice", || shows(&mut harness, "With sound"));
    harness.get_by_label("Loopback call").click();
    until("numbers", || shows(&mut harness, "Picture: bicubic"));
    assert!(!has(&harness, "sound: ") && harness.query_by_label("Mute").is_none());
    harness.state_mut().finish();
    drop(harness);

    let mut harness = open(Start { no_sound: true, ..start(with_sound(), None) });
    until("the start page", || shows(&mut harness, "Your picture"));
    assert!(!has(&harness, "With sound") && !has(&harness, "Your sound"));
}
