//! The pages of the window, drawn from fixed data and compared with pictures.
#![cfg(feature = "app")]

#[path = "support/page.rs"]
mod page;

use std::{rc::Rc, sync::Arc};

use clearcall::{
    app::{
        compare::{geometry::Zoom, sides::SideChoice},
        controls::Action,
        pages::start_page::{Begin, Card, SoundPart, StartPage},
    },
    pipeline::{CallState, Cause, NetworkOff, Signaling, SoundSource, SpeakerChoice},
    source::SourceSpec,
    upscale::{EngineChoice, Picture},
};
use egui::{Theme, vec2};
use egui_kittest::{Harness, kittest::Queryable as _};
use page::{Page, device_names, sound_choice, window};

/// The start page alone, and what was begun from it.
struct Door {
    page: StartPage,
    begun: Option<Begin>,
}

impl eframe::App for Door {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        if let Some(begin) = self.page.show(ui) {
            self.begun = Some(begin);
        }
    }
}

fn start_page(theme: Theme, page: StartPage) -> Harness<'static, Door> {
    let mut harness = window(theme).build_eframe(|_| Door { page, begun: None });
    harness.run();
    harness
}

fn fresh_start_page() -> StartPage {
    let sent = "Sent within 480x360 at up to 30 frames and 300 kbit a second.".to_owned();
    let names = Some(Arc::new(device_names()));
    let sound = SoundPart { choice: sound_choice(), names, look_wanted: false, in_loopback: false };
    StartPage { sound: Some(sound), ..StartPage::new(&SourceSpec::Scene, sent) }
}

#[test]
fn start_page_dark() {
    start_page(Theme::Dark, fresh_start_page()).snapshot("start_dark");
}

#[test]
fn start_page_light_with_an_error() {
    let mut page = fresh_start_page();
    page.error = Some((Card::Join, "The host says: wrong token. Ask for the whole link.".to_owned()));
    start_page(Theme::Light, page).snapshot("start_light_error");
}

#[test]
fn call_page_dark() {
    Page::connected().open(Theme::Dark).snapshot("call_dark");
}

#[test]
fn call_page_light_without_numbers_and_with_a_notice() {
    let mut page = Page::connected();
    page.notices = vec!["The camera is gone; a still picture is sent until it is back.".to_owned()];
    page.controls.stats = false;
    page.open(Theme::Light).snapshot("call_light_notice");
}

#[test]
fn call_page_with_sound_dark() {
    Page::connected().with_sound().open(Theme::Dark).snapshot("call_sound");
}

#[test]
fn call_page_with_sound_muted_and_its_menu_light_and_wide() {
    let mut page = Page::connected().with_sound();
    if let (Some(sound), Some(audio)) = (&mut page.controls.sound, &mut page.audio) {
        (sound.muted, audio.muted, audio.level_out_dbfs) = (true, true, -90.0);
    }
    let mut harness = page.open_at(Theme::Light, [1300.0, 800.0]);
    harness.get_by_label("Sound").click();
    harness.run();
    harness.snapshot("call_sound_muted_light");
}

#[test]
fn call_page_with_an_offer_line() {
    let line = format!("clearcall-offer:{}", "0123456789abcdef".repeat(80));
    Page::new(CallState::Offered { line }).open(Theme::Dark).snapshot("call_offered");
}

#[test]
fn call_page_of_a_host() {
    let link = "http://192.168.1.20:8080/whip?token=0123456789abcdef".to_owned();
    Page::new(CallState::Waiting { link, others: Vec::new(), fingerprint: None })
        .open(Theme::Dark)
        .snapshot("call_waiting");
}

#[test]
fn both_pictures_are_equal_in_size_and_named() {
    let harness = Page::connected().open(Theme::Dark);
    let left = harness.get_by_label("Picture: bicubic").rect();
    let right = harness.get_by_label("Picture: CNN · small · 2,088 MAC/px · CPU").rect();
    assert!((left.size() - right.size()).length() < 0.01, "{left:?} {right:?}");
    assert_eq!(left.top(), right.top());
    assert!(left.right() < right.left());
    assert!((left.width() / left.height() - 4.0 / 3.0).abs() < 0.01);
    // The choices of the sides stand above them, at the same place as the pictures.
    for (name, picture) in [("Side A", left), ("Side B", right)] {
        let off = harness.get_by_label(name).rect().left() - picture.left();
        assert!(off.abs() < 1.0, "{name} is {off} off");
    }
}

#[test]
fn at_one_to_one_the_screen_has_the_pictures_bytes() {
    let mut page = Page::connected();
    page.controls.compare.view.zoom = Zoom::Times(1.0);
    // Which marks in the pictures where its details come from.
    page.controls.compare.spotlight = false;
    let mut harness = page.open(Theme::Dark);
    let screen = harness.render().unwrap();
    let mut compared = 0;
    for (name, side) in [("Picture: bicubic", SideChoice::Bicubic), ("Picture: CNN", SideChoice::Network(1))] {
        let place = harness.query_all_by_label_contains(name).next().unwrap().rect();
        assert_eq!(place.size(), vec2(160.0, 120.0), "{name}");
        let Picture::Cpu(picture) = page::picture(side) else { panic!("{name} is not in memory") };
        for (i, pixel) in picture.data.chunks_exact(4).enumerate() {
            let (x, y) = (place.left() as u32 + i as u32 % 160, place.top() as u32 + i as u32 / 160);
            let shown = screen.get_pixel(x, y).0;
            let near = pixel.iter().zip(shown).all(|(a, b)| a.abs_diff(b) <= 1);
            assert!(near, "{name} at {x}, {y}: {pixel:?} is shown as {shown:?}");
            compared += 1;
        }
    }
    assert_eq!(compared, 2 * 160 * 120);
}

#[test]
fn what_is_done_comes_back_as_actions() {
    let page = Page::connected();
    let actions = Rc::clone(&page.actions);
    let mut harness = page.open(Theme::Dark);
    harness.get_by_label("Hide me").click();
    harness.run();
    assert!(harness.state().controls.hidden);
    harness.get_by_label("Model").click();
    harness.run();
    harness.get_by_label("nano · 936 MAC/px").click();
    harness.run();
    assert_eq!(harness.state().controls.model, 0);
    assert_eq!(harness.state().controls.compare.b, SideChoice::Network(0));
    harness.get_by_label("Copy as JSON").click();
    harness.run();
    harness.get_by_label("Hang up").click();
    harness.run();
    assert_eq!(*actions.borrow(), [Action::Hide, Action::Model, Action::CopyStats, Action::HangUp]);
}

#[test]
fn the_sound_is_muted_and_chosen_in_a_call() {
    let page = Page::connected().with_sound();
    let actions = Rc::clone(&page.actions);
    let mut harness = page.open(Theme::Dark);
    let sound = |harness: &Harness<'_, Page>| harness.state().controls.sound.clone().unwrap();
    harness.get_by_label("Mute").click();
    harness.run();
    assert!(sound(&harness).muted);
    harness.get_by_label("Your level: muted");
    #[cfg(feature = "audio")]
    {
        harness.key_press_modifiers(egui::Modifiers::SHIFT, egui::Key::M);
        harness.run();
        assert!(!sound(&harness).muted);
        assert_eq!(actions.borrow_mut().pop(), Some(Action::MuteSound));
    }
    // The key of the next network is another one.
    assert_eq!(harness.state().controls.model, 1);

    harness.get_by_label("Sound").click();
    harness.run();
    harness.get_by_label("Headset").click();
    harness.run();
    harness.get_by_label("Headphones").click();
    harness.run();
    harness.get_by_label("Echo cancellation").click();
    harness.run();
    let chosen = sound(&harness).choice;
    assert_eq!(chosen.source, SoundSource::Microphone(Some("Headset".to_owned())));
    assert_eq!(chosen.speaker, SpeakerChoice::Named("Headphones".to_owned()));
    assert!(!chosen.processing.echo_cancellation && chosen.processing.noise_suppression);
    let chosen = [Action::Sound, Action::Sound, Action::Sound];
    assert_eq!(actions.borrow()[..2], [Action::MuteSound, Action::LookForDevices]);
    assert_eq!(actions.borrow()[2..], chosen);
}

#[test]
fn a_menu_stays_open_and_a_click_is_kept_when_another_part_of_the_page_comes_or_goes() {
    let mut harness = Page::connected().with_sound().open(Theme::Dark);
    harness.get_by_label("Sound").click();
    harness.run();
    let changes: [fn(&mut Page); 4] = [
        |page| page.state = CallState::Starting, // without pictures there are no tools above them
        |page| page.controls.graphs = true,
        |page| page.state = CallState::Connected { with: "127.0.0.1:50123".to_owned() },
        |page| page.controls.stats = false,
    ];
    for (i, change) in changes.iter().enumerate() {
        change(harness.state_mut());
        harness.run();
        assert!(harness.query_by_label("Noise suppression").is_some(), "change {i}");
    }
    harness.key_press(egui::Key::Escape);
    harness.run();
    assert!(harness.query_by_label("Noise suppression").is_none());

    // Pressed before, released after.
    let at = harness.get_by_label("Sound").rect().center();
    harness.drag_at(at);
    harness.step();
    harness.state_mut().state = CallState::Starting;
    harness.step();
    harness.drop_at(at);
    harness.run();
    harness.get_by_label("Noise suppression");
}

#[test]
fn who_only_watches_chooses_the_speaker_and_a_call_without_sound_has_none_of_it() {
    let mut page = Page::connected().with_sound();
    if let Some(sound) = &mut page.controls.sound {
        sound.sends = false;
    }
    let mut harness = page.open(Theme::Dark);
    harness.get_by_label("Sound").click();
    harness.run();
    harness.get_by_label("Their level");
    harness.get_by_label("Hall");
    for name in ["Mute", "Your level", "Desk", "Echo cancellation"] {
        assert!(harness.query_by_label(name).is_none(), "{name}");
    }

    let page = Page::connected();
    let actions = Rc::clone(&page.actions);
    let mut harness = page.open(Theme::Dark);
    for name in ["Mute", "Sound", "Their level"] {
        assert!(harness.query_by_label(name).is_none(), "{name}");
    }
    harness.key_press_modifiers(egui::Modifiers::SHIFT, egui::Key::M);
    harness.run();
    assert!(actions.borrow().iter().all(|action| *action != Action::MuteSound), "{actions:?}");
}

#[test]
fn the_automatic_choice_says_what_runs_and_why_and_ends_by_hand() {
    let mut page = Page::connected();
    (page.controls.auto, page.why) = (true, "the machine is busy");
    let actions = Rc::clone(&page.actions);
    let mut harness = page.open(Theme::Dark);
    harness.get_by_label("Picture: CNN · small · 2,088 MAC/px · CPU · the machine is busy");
    harness.snapshot("call_auto");

    // What it may take acts at once.
    harness.get_by_label("Limits").click();
    harness.run();
    harness.get_by_label("Less while it runs on its battery").click();
    harness.run();
    assert!(!harness.state().controls.spare_battery);
    harness.get_by_role_and_label(egui::Role::Slider, "Upscaling takes of all cores at most").focus();
    harness.key_press(egui::Key::ArrowLeft);
    harness.run();
    assert!(harness.state().controls.cpu_share < 100);
    harness.key_press(egui::Key::Escape);
    harness.run();
    assert_eq!(*actions.borrow(), [Action::Model, Action::Model]);

    harness.state_mut().off = Some(NetworkOff::TooSlow);
    harness.run();
    // Bicubic on both sides is told in the place of the network's name, and there is a way back to a network.
    harness.get_by_label("Picture: network off: the machine is busy, bicubic shown");
    harness.get_by_label("Use nano all the same").click();
    harness.run();
    let controls = &harness.state().controls;
    assert_eq!((controls.auto, controls.model, controls.compare.b), (false, 0, SideChoice::Network(0)));
    assert_eq!(actions.borrow().len(), 3);
    harness.state_mut().off = None;
    harness.run();
    assert!(harness.query_by_label("Use nano all the same").is_none());

    // After the last one comes the automatic choice again.
    for _ in 0..2 {
        harness.key_press(egui::Key::M);
        harness.run();
    }
    assert!(harness.state().controls.auto);
}

#[test]
fn the_engine_is_chosen_from_its_list_or_by_a_key() {
    let page = Page::connected();
    let actions = Rc::clone(&page.actions);
    let mut harness = page.open(Theme::Dark);
    harness.get_by_label("Engine").click();
    harness.run();
    harness.get_by_label_contains("CPU in bytes").click();
    harness.run();
    assert_eq!(harness.state().controls.engine, EngineChoice::CpuInt8);
    for engine in [EngineChoice::Auto, EngineChoice::Gpu, EngineChoice::GpuInt8, EngineChoice::Cpu] {
        harness.key_press(egui::Key::E);
        harness.run();
        assert_eq!(harness.state().controls.engine, engine);
    }
    assert_eq!(*actions.borrow(), vec![Action::Engine; 5]);
    harness.key_press_modifiers(egui::Modifiers::CTRL, egui::Key::K);
    harness.run();
    harness.get_by_label("Command").type_text("engine");
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    assert_eq!(harness.state().controls.engine, EngineChoice::CpuInt8);
}

#[test]
fn looking_at_another_network_chooses_it() {
    let mut page = Page::connected();
    page.controls.auto = true;
    let mut harness = page.open(Theme::Dark);
    harness.get_by_label("Side B").click();
    harness.run();
    harness.get_by_label("CNN · nano · 936 MAC/px").click();
    harness.run();
    let controls = &harness.state().controls;
    assert_eq!((controls.auto, controls.model), (false, 0));
}

#[test]
fn keys_do_what_the_buttons_do() {
    let page = Page::connected();
    let actions = Rc::clone(&page.actions);
    let mut harness = page.open(Theme::Dark);
    harness.key_press(egui::Key::S);
    harness.run();
    assert!(!harness.state().controls.stats);
    assert!(harness.query_by_label("Copy as JSON").is_none());
    harness.key_press(egui::Key::Z);
    harness.run();
    assert_eq!(harness.state().controls.compare.view.zoom, Zoom::Times(1.0));
    harness.key_press_modifiers(egui::Modifiers::CTRL, egui::Key::E);
    harness.run();
    assert_eq!(*actions.borrow(), [Action::HangUp]);
}

#[test]
fn every_control_is_reached_with_tab() {
    let mut harness = Page::connected().with_sound().open(Theme::Dark);
    let names = [
        "Mute",
        "Sound",
        "Hang up",
        "Stats",
        "Help",
        "Wipe",
        "Zoom 1:1",
        "Side A",
        "Side B",
        "Hide me",
        "Copy as JSON",
        "Model",
        "Engine",
    ];
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..60 {
        harness.key_press(egui::Key::Tab);
        harness.run();
        for name in names {
            if harness.get_all_by_label(name).any(|node| node.is_focused()) {
                reached.insert(name);
            }
        }
    }
    assert_eq!(reached.len(), names.len(), "{reached:?}");
}

#[test]
fn the_smallest_window_holds_everything() {
    let mut harness = Page::connected().open_at(Theme::Dark, [900.0, 600.0]);
    let window = egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(900.0, 600.0));
    for name in ["Hang up", "Hide me", "Copy as JSON", "Your picture, as it is sent", "Picture: bicubic"] {
        let rect = harness.get_by_label(name).rect();
        assert!(window.contains_rect(rect), "{name} at {rect:?}");
    }
    assert!(harness.get_by_label("Picture: bicubic").rect().height() > 180.0);
    harness.snapshot("call_smallest");
}

#[test]
fn the_smallest_window_holds_the_sound_as_well() {
    let window = egui::Rect::from_min_size(egui::Pos2::ZERO, vec2(900.0, 600.0));
    let mut harness = Page::connected().with_sound().open_at(Theme::Dark, [900.0, 600.0]);
    for name in ["Mute", "Your level", "Their level", "Sound", "Copy as JSON", "Your picture, as it is sent"] {
        let rect = harness.get_by_label(name).rect();
        assert!(window.contains_rect(rect), "{name} at {rect:?}");
    }
    harness.snapshot("call_smallest_sound");
}

#[test]
fn an_answer_line_is_pasted_and_an_ended_call_says_why() {
    let mut harness = Page::new(CallState::Offered { line: "clearcall-offer:abc".to_owned() }).open(Theme::Dark);
    let field = harness.get_by_label("Answer line");
    field.focus();
    field.type_text("clearcall-answer:xyz s");
    harness.run();
    assert!(harness.state().controls.stats, "a letter in a field is no key of the window");
    harness.get_by_label("Connect").click();
    harness.run();
    assert_eq!(harness.state().controls.answer, "clearcall-answer:xyz s");
    assert_eq!(*harness.state().actions.borrow(), [Action::Answer]);

    let why = "The other side hung up.".to_owned();
    let mut harness = Page::new(CallState::Ended { why, cause: Cause::Finished }).open(Theme::Dark);
    harness.get_by_label("The other side hung up.");
    harness.get_by_label("Call again").click();
    harness.run();
    harness.get_by_label("Back to the start").click();
    harness.run();
    assert_eq!(*harness.state().actions.borrow(), [Action::Again, Action::HangUp]);
}

#[test]
fn the_start_page_begins_what_was_chosen() {
    let mut harness = start_page(Theme::Dark, fresh_start_page());
    harness.get_by_label("Loopback call").click();
    harness.run();
    let begun = harness.state_mut().begun.take().unwrap();
    assert!(matches!(begun, Begin { source: SourceSpec::Scene, signaling: Signaling::Loopback, .. }), "{begun:?}");

    harness.get_by_label("Join").click();
    harness.run();
    assert!(harness.state().begun.is_none());
    harness.get_by_label_contains("Paste the link first");
    let field = harness.get_by_label("Link to join");
    field.focus();
    field.type_text("http://127.0.0.1:8080/whip?token=a");
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    let begun = harness.state_mut().begun.take().unwrap();
    assert!(matches!(begun.signaling, Signaling::Join { ref url } if url.ends_with("token=a")), "{begun:?}");

    harness.get_by_label("Clip").click();
    harness.run();
    harness.get_by_label("Make an offer line").click();
    harness.run();
    assert!(harness.state().begun.is_none());
    harness.get_by_label_contains("No clip is chosen");
}

#[test]
fn the_start_page_has_the_sound_chosen_and_a_call_with_oneself_has_none_unless_asked_for() {
    let mut harness = start_page(Theme::Dark, fresh_start_page());
    let begun = |harness: &mut Harness<'_, Door>| {
        harness.get_by_label("Loopback call").click();
        harness.run();
        harness.state_mut().begun.take().unwrap().sound
    };
    assert!(!begun(&mut harness));
    harness.get_by_label("With sound").click();
    harness.run();
    assert!(begun(&mut harness));
    harness.get_by_label("With sound").click();
    harness.run();
    harness.get_by_label("Make an offer line").click();
    harness.run();
    assert!(harness.state_mut().begun.take().unwrap().sound);

    harness.get_by_label("Your sound: System's microphone · System's speaker").click();
    harness.run();
    assert!(harness.state().page.sound.as_ref().unwrap().look_wanted);
    harness.get_by_label("The picture's own sound").click();
    harness.run();
    harness.get_by_label("Hall").click();
    harness.run();
    harness.get_by_label("Gain control").click();
    harness.run();
    harness.snapshot("start_sound");
    let choice = &harness.state().page.sound.as_ref().unwrap().choice;
    assert_eq!(choice.source, SoundSource::OfPictures);
    assert_eq!(choice.speaker, SpeakerChoice::Named("Hall".to_owned()));
    assert!(!choice.processing.gain_control && choice.processing.echo_cancellation);

    // Where no call has sound there is nothing of it.
    let harness = start_page(Theme::Dark, StartPage { sound: None, ..fresh_start_page() });
    assert!(harness.query_by_label("With sound").is_none() && harness.query_by_label_contains("Your sound").is_none());
}
