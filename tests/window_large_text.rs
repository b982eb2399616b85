//! Every page at twice the text's size in the smallest window: all controls are there, and can be reached.
#![cfg(feature = "app")]

#[path = "support/page.rs"]
mod page;

use clearcall::{
    app::{
        compare::{blind_test::Blind, panes::Layout, sides::SideChoice},
        controls::Action,
        overlay::Overlay,
        pages::start_page::{SoundPart, StartPage},
    },
    pipeline::{CallState, Cause},
    source::SourceSpec,
    source::devices::{Format, ListedCamera, Pixels},
    upscale::Picture,
};
use egui::{Key, Modifiers, Rect, Role, Theme, pos2, vec2};
use egui_kittest::{
    Harness,
    kittest::{NodeT as _, Queryable as _},
};
use page::{Page, device_names, sound_choice, window};

/// 900 by 600 pixels of which each point takes two by two.
const ROOM: [f32; 2] = [450.0, 300.0];

fn is_control(role: Role) -> bool {
    matches!(
        role,
        Role::Button
            | Role::CheckBox
            | Role::ComboBox
            | Role::RadioButton
            | Role::Slider
            | Role::SpinButton
            | Role::TextInput
    )
}

/// The controls in their order, by their names.
fn controls<S>(harness: &Harness<'_, S>) -> Vec<String> {
    let nodes = harness.get_all_by(|node| is_control(node.role()) && !node.is_hidden());
    nodes.map(|n| n.accesskit_node().label().or_else(|| n.accesskit_node().value()).unwrap_or_default()).collect()
}

/// Scrolls to each control and looks whether all of it lies in the window.
fn all_can_be_reached<S>(what: &str, harness: &mut Harness<'_, S>) {
    let window = Rect::from_min_size(pos2(0.0, 0.0), vec2(ROOM[0], ROOM[1]));
    let names = controls(harness);
    assert!(names.len() > 1, "{what}: {names:?}");
    for (i, name) in names.iter().enumerate() {
        let find = |harness: &Harness<'_, S>, act: &dyn Fn(&egui_kittest::Node<'_>)| {
            let node = harness.get_all_by(|node| is_control(node.role()) && !node.is_hidden()).nth(i);
            if let Some(node) = node {
                act(&node);
            }
        };
        find(harness, &|node| node.scroll_to_me());
        harness.run_steps(3);
        find(harness, &|node| {
            let rect = node.rect();
            assert!(window.expand(1.0).contains_rect(rect), "{what}: '{name}' is at {rect:?}");
            assert!(rect.width() > 4.0 && rect.height() > 4.0, "{what}: '{name}' is {:?}", rect.size());
        });
    }
}

fn open(page: Page) -> Harness<'static, Page> {
    let mut harness = page.open_large(Theme::Dark, ROOM);
    harness.run_steps(2);
    harness
}

#[test]
fn a_call_in_each_layout() {
    for layout in Layout::ALL {
        let mut page = Page::connected();
        page.controls.compare.layout = layout;
        (page.controls.auto, page.controls.graphs) = (true, true);
        let mut harness = open(page);
        all_can_be_reached(layout.name(), &mut harness);
        let picture = harness.query_all_by_label_contains("Picture: ").next().map(|n| n.rect());
        assert!(picture.is_some_and(|rect| rect.height() > 60.0), "{layout:?}: {picture:?}");
    }
}

#[test]
fn a_call_with_sound_and_its_menu() {
    let mut harness = open(Page::connected().with_sound());
    all_can_be_reached("a call with sound", &mut harness);
    harness.get_by_label("Sound").scroll_to_me();
    harness.run_steps(4);
    harness.get_by_label("Sound").click();
    harness.run_steps(4);
    harness.get_by_label("Gain control").scroll_to_me();
    harness.run_steps(4);
    let window = Rect::from_min_size(pos2(0.0, 0.0), vec2(ROOM[0], ROOM[1]));
    let rect = harness.get_by_label("Gain control").rect();
    assert!(window.contains_rect(rect), "{rect:?}");
}

#[test]
fn a_picture_that_is_scrolled_out_of_the_window_is_cut_and_not_squeezed() {
    let mut harness = open(Page::connected());
    harness.get_by_label("Hide me").scroll_to_me();
    harness.run_steps(4);
    let place = harness.get_by_label("Picture: bicubic").rect();
    assert!(place.top() < -20.0 && place.bottom() > 20.0, "{place:?}");
    let screen = harness.render().unwrap();
    let Picture::Cpu(picture) = page::picture(SideChoice::Bicubic) else { panic!("it is not in memory") };
    let mut compared = 0;
    for cell in 0..48 {
        // The middles of the picture's squares.
        let share = vec2((cell % 8) as f32 + 0.5, (cell / 8) as f32 + 0.5) / vec2(8.0, 6.0);
        let at = place.min + share * place.size();
        // What is scrolled fades at the edges.
        if !(32.0..ROOM[1] - 32.0).contains(&at.y) {
            continue;
        }
        let wanted = 4 * ((share.y * 120.0) as usize * 160 + (share.x * 160.0) as usize);
        let seen = screen.get_pixel((2.0 * at.x) as u32, (2.0 * at.y) as u32).0;
        let near = picture.data[wanted..wanted + 4].iter().zip(seen).all(|(a, b)| a.abs_diff(b) <= 6);
        assert!(near, "{cell} at {at:?}: {:?} is shown as {seen:?}", &picture.data[wanted..wanted + 4]);
        compared += 1;
    }
    assert!(compared >= 8, "only {compared} squares are seen");
}

#[test]
fn the_other_states_of_a_call() {
    let states = [
        CallState::Starting,
        CallState::Waiting {
            link: "http://192.168.1.20:8080/whip?token=0123456789abcdef".to_owned(),
            others: Vec::new(),
            fingerprint: None,
        },
        CallState::Offered { line: format!("clearcall-offer:{}", "0123456789abcdef".repeat(80)) },
        CallState::Answered { line: format!("clearcall-answer:{}", "0123456789abcdef".repeat(80)) },
        CallState::Ended { why: "The other side hung up.".to_owned(), cause: Cause::Finished },
    ];
    for state in states {
        let what = format!("{state:?}").chars().take(12).collect::<String>();
        all_can_be_reached(&what, &mut open(Page::new(state)));
    }
}

#[test]
fn the_blind_test_help_and_palette() {
    let mut page = Page::connected();
    page.controls.blind = Some(Blind::new(7));
    let mut harness = open(page);
    all_can_be_reached("blind test", &mut harness);
    for _ in 0..20 {
        harness.key_press(Key::ArrowLeft);
        harness.run_steps(2);
    }
    all_can_be_reached("what the blind test found", &mut harness);

    for (what, sheet) in [("help", Overlay::Help), ("palette", Overlay::Palette("record".to_owned()))] {
        let mut page = Page::connected();
        page.controls.overlay = sheet;
        all_can_be_reached(what, &mut open(page));
    }
}

#[test]
fn the_start_page() {
    struct Door(StartPage);
    impl eframe::App for Door {
        fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
            self.0.show(ui);
        }
    }
    let clip = SourceSpec::Clip("a.mp4".into());
    for source in [SourceSpec::Scene, SourceSpec::Camera(0, None), clip] {
        let mut page = StartPage::new(&source, "Sent within 480x360 at up to 30 frames a second.".to_owned());
        let format = Format { width: 1280, height: 720, fps: 30, pixels: Pixels::Mjpeg };
        let name = "Integrated camera: high definition".to_owned();
        page.cameras = Some(vec![ListedCamera { index: 0, name, formats: vec![format], problem: None }]);
        page.clips = vec!["a.mp4".to_owned()];
        let names = Some(std::sync::Arc::new(device_names()));
        page.sound = Some(SoundPart { choice: sound_choice(), names, look_wanted: false, in_loopback: false });
        page.links = vec!["http://127.0.0.1:8080/whip?token=a".to_owned()];
        let mut harness = window(Theme::Dark).with_size(ROOM).with_pixels_per_point(2.0).build_eframe(|_| Door(page));
        harness.run();
        all_can_be_reached(&source.to_string(), &mut harness);
        if source == SourceSpec::Scene {
            harness.get_by_label("Loopback call").scroll_to_me();
            harness.run();
            harness.snapshot("start_large_text");
        }
    }
}

#[test]
fn what_gets_the_focus_by_a_key_scrolls_into_view() {
    let mut harness = open(Page::connected());
    let window = Rect::from_min_size(pos2(0.0, 0.0), vec2(ROOM[0], ROOM[1]));
    let mut hang_up_again = false;
    for _ in 0..60 {
        harness.key_press(Key::Tab);
        harness.run_steps(4);
        let focused = harness.query_all_by(|node| node.is_focused() && is_control(node.role())).next();
        let Some(node) = focused else { continue };
        let rect = node.rect();
        let name = node.accesskit_node().label();
        assert!(window.expand(1.0).contains_rect(rect), "{name:?} at {rect:?}");
        hang_up_again |= name.as_deref() == Some("Hide me");
    }
    assert!(hang_up_again, "the last of the settings was never reached");
    harness.key_press_modifiers(Modifiers::CTRL, Key::E);
    harness.run();
    assert!(harness.state().actions.borrow().contains(&Action::HangUp));
    harness.snapshot("call_large_text");
}
