//! Every layout of the comparison, drawn from fixed pictures, and what keys and pointer do to it.
#![cfg(feature = "app")]

#[path = "support/page.rs"]
mod page;

use clearcall::app::{
    call_page::Controls,
    compare::{Layout, Zoom},
    sheets::Sheet,
    sides::SideChoice,
};
use egui::{
    Event, Key, Modifiers, MouseWheelSource, MouseWheelUnit, PointerButton, Pos2, Theme, TouchPhase, pos2, vec2,
};
use egui_kittest::{Harness, SnapshotError, SnapshotOptions, kittest::Queryable as _};
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
    assert_eq!(harness.state().controls.sheet, Sheet::Help);
    harness.snapshot("help");
    harness.key_press(Key::Escape);
    harness.run();
    assert_eq!(harness.state().controls.sheet, Sheet::None);

    harness.key_press_modifiers(Modifiers::CTRL, Key::K);
    harness.run();
    harness.get_by_label("Command").type_text("same place");
    harness.run();
    harness.snapshot("palette");
    harness.key_press(Key::Enter);
    harness.run();
    assert_eq!(harness.state().controls.compare.layout, Layout::Toggle);
    assert_eq!(harness.state().controls.sheet, Sheet::None);
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
