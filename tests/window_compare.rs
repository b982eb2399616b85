//! Every layout of the comparison, drawn from fixed pictures, and what keys and pointer do to it.
#![cfg(feature = "app")]

#[path = "support/page.rs"]
mod page;

use clearcall::app::{
    compare::{
        blind_test::{Blind, ROUNDS},
        geometry::{PanZoom, Zoom},
        panes::Layout,
        sides::SideChoice,
    },
    controls::{Action, Controls, Keep},
    overlay::Overlay,
};
use clearcall::{frame::Size, pipeline::RecorderState, spotlight::Saliency};
use egui::{
    Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, Theme, TouchPhase, pos2, vec2,
};
use egui_kittest::{
    Harness, SnapshotError, SnapshotOptions,
    kittest::{NodeT as _, Queryable as _},
};
use page::Page;

fn page(set: impl FnOnce(&mut Controls)) -> Page {
    let mut page = Page::connected();
    page.controls.stats = false;
    set(&mut page.controls);
    page
}

fn laid_out(layout: Layout) -> Page {
    page(|c| c.compare.layout = layout)
}

/// The pictures of bicubic and the networks are in each other's place.
fn swapped() -> Page {
    let mut page = Page::connected();
    for (side, picture) in &mut page.sides {
        *picture = page::picture(match side {
            SideChoice::Bicubic => SideChoice::Network(1),
            SideChoice::Network(_) => SideChoice::Bicubic,
            other => *other,
        });
    }
    page
}

fn picture_at(harness: &Harness<'_, Page>) -> egui::Rect {
    harness.query_all_by_label_contains("Picture: ").next().unwrap().rect()
}

#[test]
fn side_by_side() {
    laid_out(Layout::SideBySide).open(Theme::Dark).snapshot("compare_side_by_side");
}

#[test]
fn wipe() {
    laid_out(Layout::Wipe).open(Theme::Dark).snapshot("compare_wipe");
}

#[test]
fn toggle() {
    laid_out(Layout::Toggle).open(Theme::Dark).snapshot("compare_toggle");
}

#[test]
fn difference() {
    laid_out(Layout::Difference).open(Theme::Dark).snapshot("compare_difference");
}

#[test]
fn spotlight_below_the_pictures() {
    page(|_| ()).with_person().open(Theme::Dark).snapshot("spotlight");
}

#[test]
fn spotlight_beside_the_pictures() {
    let wiped = page(|c| (c.compare.layout, c.stats) = (Layout::Wipe, true)).with_person();
    wiped.open_at(Theme::Light, [1300.0, 800.0]).snapshot("spotlight_wipe_light");
}

/// Pictures of which each point says where it is, in red and green.
fn charted(layout: Layout, a: SideChoice, view: PanZoom) -> Page {
    let mut page = page(|c| (c.compare.layout, c.compare.a, c.compare.view) = (layout, a, view));
    page.size = Size::new(960, 720).unwrap();
    for (side, picture) in &mut page.sides {
        let size = if *side == SideChoice::Low { Size::USUAL } else { page.size };
        let code = |v: u32, n: u32| (256.0 * (f64::from(v) + 0.5) / f64::from(n)) as u8;
        let pixels = (0..size.height()).flat_map(|y| (0..size.width()).map(move |x| (x, y)));
        let data = pixels.flat_map(|(x, y)| [code(x, size.width()), code(y, size.height()), 128, 255]).collect();
        *picture = clearcall::upscale::Picture::Cpu(std::sync::Arc::new(clearcall::frame::Rgba { size, data }));
    }
    page
}

fn details(harness: &Harness<'_, Page>) -> Vec<egui::Rect> {
    harness.query_all_by_label_contains("Detail ").map(|node| node.rect()).collect()
}

#[test]
fn a_detail_is_the_same_place_of_the_scene_on_all_sides() {
    let at = |zoom, x, y| PanZoom { zoom, centre: (x, y) };
    let views = [at(Zoom::Fit, 0.5, 0.5), at(Zoom::Times(1.0), 0.3, 0.8), at(Zoom::Times(1.7), 0.9, 0.2)];
    let bytes = |side| page::person(side).to_rgba().unwrap();
    let saliency = Saliency::of(&bytes(SideChoice::Bicubic), &bytes(SideChoice::Network(1)));
    for (layout, view) in Layout::ALL.into_iter().flat_map(|layout| views.map(|view| (layout, view))) {
        // The low-res side has half as many pixels.
        for a in [SideChoice::Low, SideChoice::Bicubic] {
            let what = format!("{layout:?}, {view:?}, {a:?}");
            let mut harness = charted(layout, a, view).open_at(Theme::Dark, [1100.0, 760.0]);
            harness.state_mut().controls.details.see(saliency.clone());
            harness.run();
            let (tiles, sides) = (details(&harness), if layout == Layout::FourUp { 4 } else { 2 });
            assert!(!tiles.is_empty() && tiles.len().is_multiple_of(sides), "{what}: {tiles:?}");
            let screen = harness.render().unwrap();
            let seen = |tile: &egui::Rect, at: (f32, f32)| {
                let at = tile.min + tile.size() * vec2(at.0, at.1);
                screen.get_pixel(at.x as u32, at.y as u32).0
            };
            for of_one in tiles.chunks(sides) {
                for at in [(0.5, 0.5), (0.2, 0.4), (0.9, 0.6)] {
                    let points: Vec<_> = of_one.iter().map(|tile| seen(tile, at)).collect();
                    for point in &points {
                        let off = [0, 1].map(|i| point[i].abs_diff(points[0][i]));
                        assert!(off[0] <= 1 && off[1] <= 1 && point[2] == 128, "{what}: {points:?}");
                    }
                }
                // Three screen pixels for a picture's.
                let wide = f32::from(seen(&of_one[0], (0.95, 0.5))[0]) - f32::from(seen(&of_one[0], (0.05, 0.5))[0]);
                let wanted = 0.9 * of_one[0].width() / 3.0 / 960.0 * 256.0;
                assert!((wide - wanted).abs() <= 2.0, "{what}: {wide} codes and not {wanted}");
            }
        }
    }
}

#[test]
fn a_click_pins_a_detail_a_key_hides_them_and_large_pictures_need_none() {
    let mut harness = page(|_| ()).with_person().open(Theme::Dark);
    let pinned = |harness: &Harness<'_, Page>| harness.query_all_by_label_contains("pinned").count();
    let before = picture_at(&harness);
    assert!(!details(&harness).is_empty());
    for wanted in [2, 0] {
        harness.get_by_label_contains("Detail 1: bicubic").click();
        harness.run();
        assert_eq!(pinned(&harness), wanted);
    }
    harness.key_press(Key::W);
    harness.run();
    assert!(details(&harness).is_empty() && !harness.state().controls.compare.spotlight);
    assert!(picture_at(&harness).width() >= before.width());
    harness.key_press(Key::W);
    harness.run();
    assert_eq!(picture_at(&harness), before);
    harness.state_mut().controls.compare.view.zoom = Zoom::Times(2.0);
    harness.run();
    assert!(details(&harness).is_empty());
}

#[test]
fn sides_that_do_not_differ_are_said_not_to() {
    let mut page = page(|_| ()).with_person();
    page.sides.iter_mut().for_each(|(_, picture)| *picture = page::person(SideChoice::Bicubic));
    let harness = page.open(Theme::Dark);
    assert!(details(&harness).is_empty());
}

#[test]
fn the_first_seconds_say_what_is_seen() {
    let said = |layout: Layout, seen_for: f64, truth: bool| {
        let mut page = laid_out(layout);
        (page.seen_for, page.truth) = (seen_for, truth);
        let harness = page.open(Theme::Dark);
        let nodes = harness.query_all_by_label_contains("CNN · small");
        let mut labels = nodes.filter_map(|n| n.accesskit_node().value().or_else(|| n.accesskit_node().label()));
        labels.find(|label| label.ends_with('.'))
    };
    let first = said(Layout::SideBySide, 1.0, true).unwrap();
    let worth = "0.7 dB nearer to the original, as good as ≈ 1.3 times the bitrate.";
    assert_eq!(first, format!("Left: bicubic. Right: CNN · small, {worth}"));
    assert_eq!(said(Layout::SideBySide, 1.0, false).unwrap(), "Left: bicubic. Right: CNN · small.");
    assert!(said(Layout::FourUp, 1.0, true).unwrap().starts_with("Beside bicubic, CNN · small is 0.7 dB nearer"));
    for layout in Layout::ALL {
        for truth in [false, true] {
            assert_eq!(
                [1.0, 60.0].map(|seen_for| said(layout, seen_for, truth).is_some()),
                [true, false],
                "{layout:?}"
            );
        }
    }
    let mut page = laid_out(Layout::SideBySide).with_person();
    page.seen_for = 2.0;
    page.open(Theme::Dark).snapshot("first_seconds");
}

#[test]
fn four_up() {
    laid_out(Layout::FourUp).open(Theme::Dark).snapshot("compare_four_up");
}

#[test]
fn light_and_small() {
    laid_out(Layout::FourUp).open_at(Theme::Light, [900.0, 600.0]).snapshot("compare_four_up_light_small");
}

#[test]
fn light_and_large() {
    let wide = page(|c| {
        c.compare.layout = Layout::Difference;
        (c.compare.signed, c.compare.gain, c.compare.luma) = (false, 16, true);
    });
    wide.open_at(Theme::Light, [1900.0, 1000.0]).snapshot("compare_difference_light_large");
}

#[test]
fn zoomed_in_with_loupe_and_values() {
    let zoomed = page(|c| {
        c.compare.view.zoom = Zoom::Times(8.0);
        (c.compare.nearest, c.compare.loupe, c.compare.read_out) = (true, true, true);
    });
    let mut harness = zoomed.open(Theme::Dark);
    let at = picture_at(&harness).center();
    harness.hover_at(at);
    harness.run();
    let spoken = harness.query_all_by_label_contains("x   80").next().map(|_| ());
    assert!(spoken.is_some(), "the middle of 160x120 is pixel 80, 60");
    harness.snapshot("compare_zoomed");
}

#[test]
fn the_help_sheet_and_the_palette() {
    let mut harness = laid_out(Layout::Wipe).open(Theme::Dark);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::Questionmark);
    harness.run();
    assert_eq!(harness.state().controls.overlay, Overlay::Help);
    harness.snapshot("help");
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(harness.state().controls.overlay, Overlay::None);

    harness.key_press_modifiers(Modifiers::CTRL, Key::K);
    harness.run();
    harness.get_by_label("Command").type_text("same place");
    harness.run();
    harness.snapshot("palette");
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().controls.compare.layout, Layout::Toggle);
    assert_eq!(harness.state().controls.overlay, Overlay::None);

    // The arrows go down the list.
    harness.key_press_modifiers(Modifiers::CTRL, Key::K);
    harness.run();
    for key in [Key::ArrowDown, Key::ArrowDown, Key::ArrowDown, Key::ArrowUp, Key::ArrowDown, Key::Enter] {
        harness.key_press(key);
        harness.run();
    }
    assert_eq!(harness.state().controls.compare.layout, Layout::Difference);
    assert_eq!(harness.state().controls.compare.view.centre, (0.5, 0.5), "the arrows are not for the picture");
}

#[test]
fn scores_and_graphs_of_the_last_minute() {
    let mut harness = page(|c| c.graphs = true).open(Theme::Dark);
    // B over A, and the scores beside the names.
    assert!(harness.query_all_by_label_contains("+0.70").next().is_some());
    assert!(harness.query_all_by_label_contains(" dB").count() >= 2);
    harness.snapshot("compare_graphs");
}

#[test]
fn graphs_light_without_the_truth() {
    let mut unknown = page(|c| c.graphs = true);
    unknown.truth = false;
    let mut harness = unknown.open_at(Theme::Light, [900.0, 600.0]);
    harness.get_by_label_contains("The truth is not known");
    assert!(harness.query_all_by_label_contains(" dB · ").next().is_none());
    harness.snapshot("compare_graphs_light_unknown");
}

#[test]
fn what_is_kept_and_stepped_comes_back_as_actions() {
    let mut harness = laid_out(Layout::Wipe).open(Theme::Dark);
    for key in [Key::F, Key::Comma, Key::Period, Key::P, Key::V, Key::C, Key::R] {
        harness.key_press(key);
        harness.run();
    }
    harness.key_press_modifiers(Modifiers::SHIFT, Key::P);
    harness.run();
    harness.get_by_label("Save").click();
    harness.run();
    harness.get_by_label_contains("Copy the view").click();
    harness.run();
    let wanted = [
        Action::Freeze,
        Action::StepFrames(-1),
        Action::StepFrames(1),
        Action::Keep(Keep::Sides),
        Action::Keep(Keep::View { copy: false }),
        Action::Keep(Keep::Crop { copy: true }),
        Action::Record,
        Action::Keep(Keep::Crop { copy: false }),
        Action::Keep(Keep::View { copy: true }),
    ];
    assert_eq!(*harness.state().actions.borrow(), wanted);
    assert!(harness.state().controls.shown.is_some());
}

#[test]
fn the_button_says_what_a_recording_does_and_why_it_has_failed() {
    let failed = RecorderState::Failed { why: "No space left on the disk".to_owned() };
    let states = [
        (RecorderState::Off, RecorderState::Off, "More"),
        (RecorderState::WaitingForKeyframe, RecorderState::Off, "Waiting to record"),
        (RecorderState::WaitingForKeyframe, RecorderState::Recording, "Recording"),
        (failed, RecorderState::Recording, "Recording failed"),
    ];
    for (recording, view_recording, label) in states {
        let page = page(|c| (c.recording, c.view_recording) = (recording.clone(), view_recording.clone()));
        let mut harness = page.open(Theme::Dark);
        harness.get_by_label(label).click();
        harness.run();
        let has = |text: &str| harness.query_by_label_contains(text).is_some();
        assert_eq!(has("No space left on the disk"), label == "Recording failed", "{label}");
        assert_eq!(has("Record what arrives as MP4"), !recording.is_on(), "{label}");
        assert_eq!(has("Record both sides as MP4"), !view_recording.is_on(), "{label}");
    }
}

#[test]
fn a_blind_test_hides_the_names_and_ends_with_an_interval() {
    let test = page(|c| c.blind = Some(Blind::new(4))).with_person();
    let mut harness = test.open(Theme::Dark);
    assert!(harness.query_all_by_label_contains("bicubic").next().is_none(), "the name gives it away");
    assert!(details(&harness).is_empty());
    let place = |name: &str, harness: &Harness<'_, Page>| harness.get_by_label(name).rect();
    let left = place("Picture: left", &harness);
    harness.snapshot("blind_question");
    for _ in 0..ROUNDS {
        let blind = harness.state().controls.blind.clone().unwrap();
        // The network is B: where A is swapped away, it stands on the left.
        let key = if blind.swapped() { Key::ArrowLeft } else { Key::ArrowRight };
        assert_eq!(place("Picture: left", &harness), left, "nothing moves between rounds");
        harness.key_press(key);
        harness.run();
    }
    let outcome = harness.state().controls.outcome.clone().unwrap();
    assert_eq!((outcome.b_better, outcome.a_better, outcome.rounds.len()), (ROUNDS, 0, ROUNDS));
    assert_eq!(*harness.state().actions.borrow(), [Action::Outcome]);
    harness.snapshot("blind_result");
    harness.get_by_label("Close").click();
    harness.run();
    assert!(harness.state().controls.outcome.is_none());
}

#[test]
fn during_a_blind_test_nothing_about_the_sides_can_be_changed() {
    let mut harness = page(|c| c.blind = Some(Blind::new(4))).open(Theme::Dark);
    let before = harness.state().controls.compare.clone();
    for (name, item) in [("Model", "nano · "), ("Engine", "CPU in bytes")] {
        harness.get_by_label(name).click();
        harness.run();
        assert!(harness.query_by_label_contains(item).is_none(), "the list of '{name}' opened");
    }
    for key in [Key::E, Key::M, Key::B, Key::X, Key::Num2] {
        harness.key_press(key);
        harness.run();
    }
    assert_eq!(harness.state().controls.compare, before);
    assert!(harness.state().actions.borrow().is_empty());
    // The question stands next to what it asks about.
    let (picture, answer) = (harness.get_by_label("Picture: left").rect(), harness.get_by_label("The left one").rect());
    let below = harness.get_by_label("Hide me").rect();
    assert!(picture.bottom() <= answer.top() && answer.bottom() <= below.top(), "{picture:?} {answer:?} {below:?}");
}

#[test]
fn shuffled_sides_of_a_blind_test_are_really_shuffled() {
    let draw = |seed| page(|c| c.blind = Some(Blind::new(seed))).open(Theme::Dark).render().unwrap();
    let seed = |swapped| (0..100).find(|s| Blind::new(*s).swapped() == swapped).unwrap();
    let (a, b) = (draw(seed(false)), draw(seed(true)));
    let differ = a.pixels().zip(b.pixels()).filter(|(a, b)| a != b).count();
    assert!(differ > 10_000, "only {differ} pixels differ");
}

#[test]
fn twice_as_large_text_leaves_room_for_the_pictures() {
    let mut harness = page(|_| ()).open_at(Theme::Dark, [1300.0, 800.0]);
    harness.ctx.set_zoom_factor(2.0);
    harness.run();
    harness.run();
    let window = harness.ctx.content_rect();
    for name in ["Hang up", "Side A", "Side B", "Hide me", "Save"] {
        harness.get_by_label(name).scroll_to_me();
        harness.run();
        let rect = harness.get_by_label(name).rect();
        assert!(window.contains_rect(rect), "{name} at {rect:?} in {window:?}");
    }
    assert!(picture_at(&harness).height() > 60.0);
}

#[test]
fn keys_lay_out_choose_and_look() {
    let mut harness = laid_out(Layout::SideBySide).open(Theme::Dark);
    let press = |harness: &mut Harness<'_, Page>, key| {
        harness.key_press(key);
        harness.run();
        harness.state().controls.compare.clone()
    };
    for (key, layout) in [Key::Num2, Key::Num4, Key::Num5, Key::Num3].into_iter().zip([
        Layout::Wipe,
        Layout::Difference,
        Layout::FourUp,
        Layout::Toggle,
    ]) {
        assert_eq!(press(&mut harness, key).layout, layout);
    }
    assert!(press(&mut harness, Key::Space).flipped);
    assert_eq!(press(&mut harness, Key::A).a, SideChoice::Lanczos);
    let swapped = press(&mut harness, Key::X);
    assert_eq!((swapped.a, swapped.b), (SideChoice::Network(1), SideChoice::Lanczos));
    assert!(press(&mut harness, Key::N).nearest && press(&mut harness, Key::L).loupe);
    assert_eq!(press(&mut harness, Key::G).gain, 8);
    assert!(!press(&mut harness, Key::D).signed && press(&mut harness, Key::Y).luma);
    assert_eq!(press(&mut harness, Key::Z).view.zoom, Zoom::Times(1.0));
    assert!(matches!(press(&mut harness, Key::Plus).view.zoom, Zoom::Times(t) if t > 1.2));
    assert_eq!(press(&mut harness, Key::Num0).view.zoom, Zoom::Fit);
}

#[test]
fn the_wheel_zooms_about_the_pointer() {
    let mut harness = laid_out(Layout::SideBySide).open(Theme::Dark);
    let rect = picture_at(&harness);
    let at = rect.min + rect.size() * vec2(0.25, 0.25);
    harness.hover_at(at);
    harness.run();
    for _ in 0..6 {
        let delta = vec2(0.0, 60.0);
        harness.event(Event::MouseWheel {
            unit: MouseWheelUnit::Point,
            delta,
            phase: TouchPhase::Move,
            modifiers: Modifiers::NONE,
            source: MouseWheelSource::Wheel,
        });
        harness.run();
    }
    let view = harness.state().controls.compare.view;
    assert!(matches!(view.zoom, Zoom::Times(_)), "{view:?}");
    // What was a quarter in from the corner is seen still, and is left and above of the middle.
    assert!(view.centre.0 < 0.45 && view.centre.1 < 0.45, "{view:?}");

    drag(&mut harness, at, at + vec2(40.0, 30.0));
    let moved = harness.state().controls.compare.view;
    assert!(moved.centre.0 < view.centre.0 && moved.centre.1 < view.centre.1, "{moved:?}");
}

fn drag(harness: &mut Harness<'_, Page>, from: Pos2, to: Pos2) {
    let button = |pos, pressed| Event::PointerButton {
        pos,
        button: PointerButton::Primary,
        pressed,
        modifiers: Modifiers::NONE,
    };
    harness.event(Event::PointerMoved(from));
    harness.event(button(from, true));
    harness.run();
    harness.event(Event::PointerMoved(from.lerp(to, 0.5)));
    harness.run();
    harness.event(Event::PointerMoved(to));
    harness.run();
    harness.event(button(to, false));
    harness.run();
}

#[test]
fn the_divider_is_dragged_and_snaps() {
    let mut harness = laid_out(Layout::Wipe).open(Theme::Dark);
    let rect = picture_at(&harness);
    drag(&mut harness, rect.center(), pos2(rect.left() + rect.width() * 0.8, rect.center().y));
    let split = harness.state().controls.compare.split;
    assert!((split - 0.8).abs() < 0.03, "{split}");
    let divider = pos2(rect.left() + rect.width() * split, rect.center().y);
    drag(&mut harness, divider, pos2(rect.right() - 4.0, rect.center().y));
    assert_eq!(harness.state().controls.compare.split, 1.0);
}

/// Whether the choice of a side is as wide as it is with all of this text.
fn shows(harness: &Harness<'_, Page>, choice: egui::Rect, text: &str) -> bool {
    (choice.width() - width_of(harness, text) - 44.0).abs() < 4.0
}

fn width_of(harness: &Harness<'_, Page>, text: &str) -> f32 {
    let font = egui::FontId::proportional(14.0);
    harness.ctx.fonts_mut(|fonts| fonts.layout_no_wrap(text.to_owned(), font, egui::Color32::WHITE).size().x)
}

#[test]
fn a_networks_name_is_whole_in_every_layout_at_every_width() {
    let why = "the machine is busy";
    // What may be said of a side: its name with the cost, the engine and the reason, or without some of them.
    let labels = |side: SideChoice| -> Vec<String> {
        let label = side.label(&page::models(), page::numbers().engine);
        let parts: Vec<&str> = label.split(" · ").chain([why]).collect();
        let name = side.name(&page::models()).split(" · ").count();
        (name..=parts.len()).map(|n| parts[..n].join(" · ")).collect()
    };
    for layout in Layout::ALL {
        let mut harness = laid_out(layout).open(Theme::Dark);
        let cases = [900.0, 1000.0, 1100.0, 1200.0, 1300.0].into_iter().flat_map(|width| {
            [(false, false), (true, false), (false, true), (true, true)].map(|(auto, graphs)| (width, auto, graphs))
        });
        for (width, auto, graphs) in cases {
            for a in [SideChoice::Bicubic, SideChoice::Network(0)] {
                let what = format!("{layout:?}, {width} wide, auto {auto}, graphs {graphs}, {a:?}");
                let page = harness.state_mut();
                (page.controls.auto, page.controls.graphs, page.why) = (auto, graphs, why);
                page.controls.compare.a = a;
                harness.set_size(vec2(width, 640.0));
                harness.run_steps(3);
                let window = harness.ctx.content_rect();
                if layout == Layout::FourUp {
                    // The graphs have the name too, in smaller letters.
                    let least = width_of(&harness, "CNN · small") - 1.0;
                    let mut labels = harness.get_all_by_label_contains("CNN · small");
                    assert!(labels.any(|label| (least..400.0).contains(&label.rect().width())), "{what}");
                    continue;
                }
                let [side_a, side_b] = ["Side A", "Side B"].map(|name| harness.get_by_label(name).rect());
                for (rect, side) in [(side_a, a), (side_b, SideChoice::Network(1))] {
                    assert!(window.contains_rect(rect), "{what}: {rect:?}");
                    let whole = labels(side).iter().any(|label| shows(&harness, rect, label));
                    assert!(whole, "{what}: none of {:?} fits into {rect:?}", labels(side));
                }
                assert!(!side_a.shrink(0.5).intersects(side_b), "{what}: {side_a:?} {side_b:?}");
                if layout == Layout::Difference {
                    let luma = harness.get_by_label("Luma").rect();
                    assert!(window.contains_rect(luma), "{what}: {luma:?}");
                    assert!(luma.left() >= side_a.right(), "{what}: {luma:?} {side_a:?}");
                }
            }
        }
    }
}

#[test]
fn in_a_usual_window_the_difference_tells_what_the_network_costs() {
    for width in [900.0, 1000.0, 1200.0] {
        let harness = laid_out(Layout::Difference).open_at(Theme::Dark, [width, 700.0]);
        let rect = harness.get_by_label("Side B").rect();
        let label = SideChoice::Network(1).label(&page::models(), page::numbers().engine);
        assert!(shows(&harness, rect, &label), "{width} wide: {rect:?}");
    }
}

#[test]
fn fine_stripes_that_are_made_small_become_grey() {
    for nearest in [false, true] {
        stripes(nearest);
    }
}

fn stripes(nearest: bool) {
    let size = clearcall::frame::Size::new(1280, 960).unwrap();
    let data = (0..size.width() * size.height()).flat_map(|i| if i % 2 == 0 { [0, 0, 0, 255] } else { [255; 4] });
    let stripes = std::sync::Arc::new(clearcall::frame::Rgba { size, data: data.collect() });
    let mut page = laid_out(Layout::FourUp);
    page.size = size;
    page.controls.compare.nearest = nearest;
    for (_, picture) in &mut page.sides {
        *picture = clearcall::upscale::Picture::Cpu(std::sync::Arc::clone(&stripes));
    }
    let mut harness = page.open_at(Theme::Dark, [900.0, 600.0]);
    let place = harness.get_by_label("Picture: bicubic").rect().shrink(4.0);
    assert!(place.width() < 320.0, "{place:?}: a fourth of the stripes' width");
    let screen = harness.render().unwrap();
    let (mut least, mut most) = (255, 0);
    for x in place.left() as u32..place.right() as u32 {
        let [level, ..] = screen.get_pixel(x, place.center().y as u32).0;
        (least, most) = (least.min(level), most.max(level));
    }
    assert!(least > 120 && most < 135, "from {least} to {most}, nearest {nearest}: stripes that are not there");
}

#[test]
fn swapped_sides_are_seen_in_every_layout() {
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        return; // every comparison "passes" then
    }
    let folder = tempfile::tempdir().unwrap();
    let options = SnapshotOptions::default().output_path(folder.path());
    for layout in Layout::ALL {
        let name = format!("{layout:?}");
        let draw = |mut page: Page| {
            page.controls.stats = false;
            page.controls.compare.layout = layout;
            page.open(Theme::Dark).render().unwrap()
        };
        draw(Page::connected()).save(folder.path().join(format!("{name}.png"))).unwrap();
        let compare = |image: &image::RgbaImage| egui_kittest::try_image_snapshot_options(image, &name, &options);
        compare(&draw(Page::connected())).unwrap();
        match compare(&draw(swapped())) {
            Err(SnapshotError::Diff { diff, .. }) => assert!(diff > 1000, "{name}: only {diff} pixels differ"),
            other => panic!("{name}: swapped sides went unseen: {other:?}"),
        }
    }
}
