//! The pages of the window, drawn from fixed data and compared with pictures.
#![cfg(feature = "app")]

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use clearcall::{
    app::{
        Pictures, Textures,
        call_page::{self, Action, CallView, Controls, ModelChoice},
        compare::Zoom,
        start_page::{Begin, Card, StartPage},
        style,
    },
    frame::{Rgba, Size, Stamp},
    pipeline::{Cause, Link, State},
    source::SourceSpec,
    stats::{Bitrate, Frames, Network, Percentiles, Snapshot, Stage, StageSnapshot},
    upscale::{EngineKind, Method, Pair, Picture},
};
use egui::{Color32, ColorImage, TextureHandle, TextureOptions, Theme, vec2};
use egui_kittest::{Harness, HarnessBuilder, SnapshotError, SnapshotOptions, kittest::Queryable as _};

const SIZE: [f32; 2] = [1000.0, 700.0];

fn window<State>(theme: Theme) -> HarnessBuilder<State> {
    Harness::builder().with_size(SIZE).with_theme(theme).with_context_setup(style::apply).wgpu()
}

/// Numbers as a call has them after some seconds.
fn numbers() -> Snapshot {
    let stage =
        |input, out, p50, p95| StageSnapshot { input, out, dropped: BTreeMap::new(), ms: Percentiles { p50, p95 } };
    let mut stages: BTreeMap<&'static str, StageSnapshot> =
        Stage::ALL.iter().map(|s| (s.name(), stage(1234, 1234, 1.2, 2.3))).collect();
    let mut upscale = stage(1234, 1200, 24.8, 31.0);
    upscale.dropped.insert("a newer frame came", 34);
    stages.insert(Stage::Upscale.name(), upscale);
    Snapshot {
        frames: Frames { sent: 1234, shown: 1200, damaged: 2 },
        bitrate_bps: Bitrate { target: 300_000, measured: 297_431.0 },
        age_ms: Percentiles { p50: 84.0, p95: 121.0 },
        engine: Some(EngineKind::Cpu),
        engine_reason: "CPU: the only adapter is a software one".to_owned(),
        model: "small".to_owned(),
        upscaler: Method::Cnn,
        source: "scene".to_owned(),
        size: "480x360".to_owned(),
        qp: 31.4,
        gpu_ms: None,
        network: Network {
            rtt_ms: Some(0.4),
            loss_in: 0.021,
            loss_out: None,
            out_bps: 322_000.0,
            in_bps: 319_000.0,
            packets_out: 5210,
            packets_in: 5101,
            nacks: 12,
            repaired: 11,
            lost: 1,
            plis: 1,
        },
        stages,
    }
}

fn models() -> Vec<ModelChoice> {
    [("nano", 936), ("small", 2088)]
        .map(|(name, mac_per_pixel)| ModelChoice { name: name.to_owned(), mac_per_pixel })
        .into()
}

fn controls() -> Controls {
    Controls {
        bitrate: 300_000,
        model: 1,
        hidden: false,
        loss: 2.0,
        delay_ms: 40,
        stats: true,
        zoom: Zoom::Fit,
        centre: vec2(0.5, 0.5),
        answer: String::new(),
        answer_error: None,
    }
}

/// Two pictures of the same thing that differ as two upscalers do: soft squares, and sharp ones.
fn picture(sharp: bool) -> Picture {
    let pixels = (0..120_u32).flat_map(|y| (0..160_u32).map(move |x| (x, y)));
    let pixels = pixels.flat_map(|(x, y)| {
        let inside = (x / 20 + y / 20) % 2 == 0;
        let edge = [x % 20, y % 20].into_iter().any(|v| !(2..=17).contains(&v));
        let level = match (inside, edge && !sharp) {
            (_, true) => 128,
            (true, false) => 200,
            (false, false) => 60,
        };
        [level, (x as u8).wrapping_add(40), (2 * y) as u8, 255]
    });
    Picture::Cpu(Arc::new(Rgba { size: picture_size(), data: pixels.collect() }))
}

fn picture_size() -> Size {
    Size::new(160, 120).unwrap()
}

struct Page {
    state: State,
    pair: Option<Pair>,
    notices: Vec<String>,
    controls: Controls,
    pictures: Option<Pictures>,
    own: Option<TextureHandle>,
    actions: Rc<RefCell<Vec<Action>>>,
}

impl Page {
    fn new(state: State) -> Self {
        let pair = Pair {
            stamp: Stamp::now(0),
            size: picture_size(),
            bicubic: picture(false),
            cnn: picture(true),
            gpu_time: None,
        };
        Self {
            pair: matches!(state, State::Connected { .. }).then_some(pair),
            state,
            notices: Vec::new(),
            controls: controls(),
            pictures: None,
            own: None,
            actions: Rc::default(),
        }
    }

    fn connected() -> Self {
        Self::new(State::Connected { with: "127.0.0.1:50123".to_owned() })
    }

    /// The same, but the two sides are in each other's place.
    fn swapped() -> Self {
        let mut page = Self::connected();
        page.pair = page.pair.map(|p| Pair { bicubic: p.cnn, cnn: p.bicubic, ..p });
        page
    }

    fn show(&mut self, ui: &mut egui::Ui) {
        let own = self.own.get_or_insert_with(|| {
            let grey = ColorImage::filled([16, 12], Color32::from_rgb(70, 90, 120));
            ui.ctx().load_texture("own", grey, TextureOptions::LINEAR)
        });
        let own = (own.id(), picture_size());
        let stats = numbers();
        let loopback = !matches!(self.state, State::Offered { .. } | State::Waiting { .. });
        let view = CallView {
            title: if loopback { "Loopback call" } else { "Call" },
            loopback,
            state: &self.state,
            pictures: self.pictures.as_ref(),
            self_view: self.pictures.is_some().then_some(own),
            stats: &stats,
            fps: 29.7,
            models: &models(),
            notices: &self.notices,
        };
        let actions = call_page::show(ui, &view, &mut self.controls);
        self.actions.borrow_mut().extend(actions);
    }

    fn open(self, theme: Theme) -> Harness<'static, Self> {
        self.open_at(theme, SIZE)
    }

    fn open_at(mut self, theme: Theme, size: [f32; 2]) -> Harness<'static, Self> {
        let mut harness = window(theme).with_size(size).build_eframe(|cc| {
            let mut textures = Textures::new(cc.wgpu_render_state.clone());
            self.pictures = self.pair.as_ref().and_then(|pair| textures.pair(pair));
            self
        });
        harness.run();
        harness
    }
}

impl eframe::App for Page {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        self.show(ui);
    }
}

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
    StartPage::new(&SourceSpec::Scene, "Sent within 480x360 at up to 30 frames and 300 kbit a second.".to_owned())
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
fn call_page_with_an_offer_line() {
    let line = format!("clearcall-offer:{}", "0123456789abcdef".repeat(80));
    Page::new(State::Offered { line }).open(Theme::Dark).snapshot("call_offered");
}

#[test]
fn call_page_of_a_host() {
    let link = "http://192.168.1.20:4480/whip?token=0123456789abcdef".to_owned();
    Page::new(State::Waiting { link }).open(Theme::Dark).snapshot("call_waiting");
}

#[test]
fn swapped_sides_are_seen() {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        return; // every comparison "passes" then
    }
    let folder = tempfile::tempdir().unwrap();
    let options = SnapshotOptions::default().output_path(folder.path());
    let right = Page::connected().open(Theme::Dark).render().unwrap();
    right.save(folder.path().join("sides.png")).unwrap();
    let compare = |image: &image::RgbaImage| egui_kittest::try_image_snapshot_options(image, "sides", &options);
    compare(&Page::connected().open(Theme::Dark).render().unwrap()).unwrap();

    let swapped = Page::swapped().open(Theme::Dark).render().unwrap();
    match compare(&swapped) {
        Err(SnapshotError::Diff { diff, .. }) => assert!(diff > 1000, "only {diff} pixels differ"),
        other => panic!("swapped sides went unseen: {other:?}"),
    }
}

#[test]
fn both_pictures_are_equal_in_size_and_named() {
    let harness = Page::connected().open(Theme::Dark);
    let left = harness.get_by_label("Picture: bicubic").rect();
    let right = harness.get_by_label("Picture: CNN · small · 2,088 MAC/px · CPU").rect();
    assert_eq!(left.size(), right.size());
    assert_eq!(left.top(), right.top());
    assert!(left.right() < right.left());
    assert!((left.width() / left.height() - 4.0 / 3.0).abs() < 0.01);
    // The labels stand above them, at the same place as the pictures.
    assert_eq!(harness.get_by_label("bicubic").rect().left(), left.left());
}

#[test]
fn at_one_to_one_the_screen_has_the_pictures_bytes() {
    let mut page = Page::connected();
    page.controls.zoom = Zoom::Actual;
    let (left, right) = page.pair.as_ref().map(|p| (p.bicubic.clone(), p.cnn.clone())).unwrap();
    let mut harness = page.open(Theme::Dark);
    let screen = harness.render().unwrap();
    let mut compared = 0;
    for (name, picture) in [("Picture: bicubic", left), ("Picture: CNN", right)] {
        let place = harness.query_all_by_label_contains(name).next().unwrap().rect();
        assert_eq!(place.size(), vec2(160.0, 120.0), "{name}");
        let Picture::Cpu(picture) = picture else { panic!("{name} is not in memory") };
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
    harness.get_by_label("Hide my picture").click();
    harness.run();
    assert!(harness.state().controls.hidden);
    harness.get_by_label("Model").click();
    harness.run();
    harness.get_by_label("nano · 936 MAC/px").click();
    harness.run();
    assert_eq!(harness.state().controls.model, 0);
    harness.get_by_label("Copy as JSON").click();
    harness.run();
    harness.get_by_label("Hang up").click();
    harness.run();
    assert_eq!(*actions.borrow(), [Action::Hide, Action::Model, Action::CopyStats, Action::HangUp]);
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
    assert_eq!(harness.state().controls.zoom, Zoom::Actual);
    harness.key_press_modifiers(egui::Modifiers::CTRL, egui::Key::E);
    harness.run();
    assert_eq!(*actions.borrow(), [Action::HangUp]);
}

#[test]
fn every_control_is_reached_with_tab() {
    let mut harness = Page::connected().open(Theme::Dark);
    let names = ["Hang up", "Stats", "Zoom 1:1", "Hide my picture", "Copy as JSON", "Model"];
    let mut reached = std::collections::BTreeSet::new();
    for _ in 0..24 {
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
    for name in ["Hang up", "Hide my picture", "Copy as JSON", "Your picture, as it is sent", "Picture: bicubic"] {
        let rect = harness.get_by_label(name).rect();
        assert!(window.contains_rect(rect), "{name} at {rect:?}");
    }
    assert!(harness.get_by_label("Picture: bicubic").rect().height() > 200.0);
    harness.snapshot("call_smallest");
}

#[test]
fn an_answer_line_is_pasted_and_an_ended_call_says_why() {
    let mut harness = Page::new(State::Offered { line: "clearcall-offer:abc".to_owned() }).open(Theme::Dark);
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
    let mut harness = Page::new(State::Ended { why, cause: Cause::Finished }).open(Theme::Dark);
    harness.get_by_label("The other side hung up.");
    harness.get_by_label("Back to the start").click();
    harness.run();
    assert_eq!(*harness.state().actions.borrow(), [Action::HangUp]);
}

#[test]
fn the_start_page_begins_what_was_chosen() {
    let mut harness = start_page(Theme::Dark, fresh_start_page());
    harness.get_by_label("Loopback call").click();
    harness.run();
    let begun = harness.state_mut().begun.take().unwrap();
    assert!(matches!(begun, Begin { source: SourceSpec::Scene, link: Link::Loopback }), "{begun:?}");

    harness.get_by_label("Join").click();
    harness.run();
    assert!(harness.state().begun.is_none());
    harness.get_by_label_contains("Paste the link first");
    let field = harness.get_by_label("Link to join");
    field.focus();
    field.type_text("http://127.0.0.1:4480/whip?token=a");
    harness.run();
    harness.key_press(egui::Key::Enter);
    harness.run();
    let begun = harness.state_mut().begun.take().unwrap();
    assert!(matches!(begun.link, Link::Join { ref url } if url.ends_with("token=a")), "{begun:?}");

    harness.get_by_label("Clip").click();
    harness.run();
    harness.get_by_label("Make an offer line").click();
    harness.run();
    assert!(harness.state().begun.is_none());
    harness.get_by_label_contains("No clip is chosen");
}
