//! Blind tests on crops, in a call and on files: what is seen, what is said of it, and what must not be told before.
#![cfg(feature = "app")]

#[path = "support/page.rs"]
mod page;

use std::sync::{
    Arc,
    mpsc::{SyncSender, sync_channel},
};

use clearcall::{
    app::{
        blind_files::{BlindWindow, Contestant, Start, Trial, VoteReport},
        compare::{
            blind_test::{Answer, Blind, ROUNDS, View},
            sides::SideChoice,
        },
    },
    frame::{Rgba, Size},
    interrupt::Interrupt,
    pipeline::Slot,
    spotlight::{Place, Saliency},
    upscale::Picture,
};
use egui::{Event, Key, Modifiers, Theme, vec2};
use egui_kittest::{
    Harness,
    kittest::{NodeT as _, Queryable as _},
};
use page::{Page, window};

const BICUBIC: SideChoice = SideChoice::Bicubic;
const NETWORK: SideChoice = SideChoice::Network(1);

fn rgba(side: SideChoice) -> Arc<Rgba> {
    page::person(side).to_rgba().unwrap()
}

fn saliency() -> Saliency {
    Saliency::of(&rgba(BICUBIC), &rgba(NETWORK))
}

/// A call in which the test has begun and knows where to look.
fn in_call(seed: u64) -> Page {
    let mut page = Page::connected().with_person();
    page.controls.stats = false;
    let mut blind = Blind::crops(seed);
    blind.see(saliency());
    page.controls.blind = Some(blind);
    page
}

/// The first seed whose first round has A on the right, or not.
fn seed(swapped: bool) -> u64 {
    (0..100).find(|seed| Blind::new(*seed).swapped() == swapped).unwrap()
}

/// A picture of which each pixel says where it is, and on which side.
fn chart(side: u8) -> Arc<Rgba> {
    let size = Size::new(960, 720).unwrap();
    let pixels = (0..720_u32).flat_map(|y| (0..960_u32).map(move |x| (x, y)));
    let data = pixels.flat_map(|(x, y)| [(x % 256) as u8, (y % 256) as u8, side + 20 * (x / 256) as u8, 255]);
    Arc::new(Rgba { size, data: data.collect() })
}

/// Everything that can be read in a window by program or eye, and where it stands.
fn told<S>(harness: &Harness<'_, S>) -> Vec<String> {
    let nodes = harness.get_all_by(|node| !node.is_hidden());
    nodes
        .map(|node| {
            let n = node.accesskit_node();
            format!("{:?} {:?} {:?} {:?} {:?}", n.role(), n.label(), n.value(), n.description(), n.bounding_box())
        })
        .collect()
}

/// The same after the pointer has rested on each picture.
fn told_with_tooltips<S>(harness: &mut Harness<'_, S>) -> Vec<String> {
    let mut all = told(harness);
    for name in ["Picture: left", "Picture: right"] {
        let at = harness.get_by_label(name).rect().center();
        harness.hover_at(at);
        harness.run_steps(60);
        all.extend(told(harness));
    }
    all
}

#[test]
fn crops_are_begun_by_a_key_and_shown_beside_each_other_until_all_is_said() {
    let mut page = Page::connected().with_person();
    page.controls.stats = false;
    let mut harness = page.open(Theme::Dark);
    harness.key_press_modifiers(Modifiers::SHIFT, Key::T);
    harness.run_steps(2);
    let blind = |harness: &Harness<'_, Page>| harness.state().controls.blind.clone();
    assert_eq!(blind(&harness).map(|b| b.view()), Some(View::Crops));
    let mut seen: Vec<Place> = Vec::new();
    for round in 1..=ROUNDS {
        let now = blind(&harness).unwrap();
        let place = now.place().expect("what differs was known already");
        assert!(!seen.contains(&place), "round {round} shows what was shown");
        seen.push(place);
        assert!(harness.query_by_label_contains(&format!("Round {round} of {ROUNDS}")).is_some());
        // B is better, wherever it stands.
        harness.key_press(if now.swapped() { Key::ArrowLeft } else { Key::ArrowRight });
        harness.run_steps(2);
    }
    let outcome = harness.state().controls.outcome.clone().unwrap();
    assert_eq!((outcome.view, outcome.b_better, outcome.rounds.len()), (View::Crops, ROUNDS, ROUNDS));
    assert!(harness.query_by_label_contains("95 % confidence between").is_some());
}

#[test]
fn crops_in_a_call() {
    in_call(4).open(Theme::Dark).snapshot("blind_crops");
}

#[test]
fn crops_in_a_larger_window_with_light_colours() {
    in_call(4).open_at(Theme::Light, [1300.0, 800.0]).snapshot("blind_crops_light_large");
}

#[test]
fn before_a_frame_was_looked_at_nothing_is_asked_in_vain() {
    let mut page = Page::connected().with_person();
    page.controls.blind = Some(Blind::crops(4));
    let mut harness = page.open(Theme::Dark);
    assert!(harness.query_by_label_contains("Looking for a place").is_some());
    harness.key_press(Key::ArrowLeft);
    harness.run_steps(2);
    let blind = harness.state_mut().controls.blind.as_mut().unwrap();
    assert_eq!(blind.round(), Some(1));
    blind.see(saliency());
    harness.run_steps(2);
    assert!(harness.query_by_label("Picture: left").is_some());
}

#[test]
fn each_pixel_of_both_crops_is_the_same_scene_point_and_a_whole_number_of_screen_pixels() {
    for (density, size) in [(1, [1000.0, 700.0]), (2, [900.0, 650.0])] {
        let mut page = in_call(seed(false));
        for (side, picture) in &mut page.sides {
            *picture = Picture::Cpu(chart(if *side == BICUBIC { 10 } else { 110 }));
        }
        let mut harness =
            if density == 1 { page.open_at(Theme::Dark, size) } else { page.open_large(Theme::Dark, size) };
        for round in 0..3 {
            let rects = ["Picture: left", "Picture: right"].map(|name| harness.get_by_label(name).rect());
            let screen = harness.render().unwrap();
            let swapped = harness.state().controls.blind.as_ref().unwrap().swapped();
            let pixel = |i: usize, dx: u32, dy: u32| {
                let corner = rects[i].min * density as f32;
                screen.get_pixel(corner.x.round() as u32 + dx, corner.y.round() as u32 + dy).0
            };
            let size = (rects[0].size() * density as f32).round();
            assert!(size.x >= 300.0 && size.y >= 300.0, "{size:?} in round {round}, density {density}");
            let [x0, y0] = [0, 1].map(|c| u32::from(pixel(0, 0, 0)[c]));
            for (dx, dy) in
                (0..size.x as u32).step_by(7).flat_map(|x| (0..size.y as u32).step_by(11).map(move |y| (x, y)))
            {
                let [left, right] = [pixel(0, dx, dy), pixel(1, dx, dy)];
                let what = format!("round {round}, density {density}, {dx},{dy}: {left:?} {right:?}");
                let wanted = [(x0 + dx / density) % 256, (y0 + dy / density) % 256];
                for c in 0..2 {
                    assert!(left[c].abs_diff(right[c]) <= 1, "{what}");
                    assert!(left[c].abs_diff(wanted[c] as u8) <= 1, "{what}: not {wanted:?}");
                }
                // The side with the higher mark is B.
                assert_eq!(left[2] > right[2], swapped, "{what}");
                assert_eq!(left[2].abs_diff(right[2]), 100, "{what}");
            }
            harness.key_press(Key::ArrowDown);
            harness.run_steps(2);
        }
    }
}

#[test]
fn nothing_in_a_call_tells_which_side_is_which() {
    for crops in [true, false] {
        let told = |swapped: bool| {
            let mut page = in_call(seed(swapped));
            if !crops {
                page.controls.blind = Some(Blind::new(seed(swapped)));
            }
            told_with_tooltips(&mut page.open(Theme::Dark))
        };
        let (straight, swapped) = (told(false), told(true));
        assert_eq!(straight, swapped, "crops {crops}");
        assert!(!straight.iter().any(|text| text.contains("bicubic") || text.contains("CNN")), "{straight:#?}");
    }
}

#[test]
fn a_key_that_is_held_answers_one_round() {
    let mut harness = in_call(4).open(Theme::Dark);
    let key = |pressed| Event::Key {
        key: Key::ArrowLeft,
        physical_key: None,
        pressed,
        repeat: false,
        modifiers: Modifiers::NONE,
    };
    let round = |harness: &Harness<'_, Page>| harness.state().controls.blind.as_ref().unwrap().round();
    for _ in 0..5 {
        harness.event(key(true));
        harness.run_steps(2);
        assert_eq!(round(&harness), Some(2));
    }
    harness.event(key(false));
    harness.event(key(true));
    harness.run_steps(2);
    assert_eq!(round(&harness), Some(3));
}

fn trial(place: Place) -> Trial {
    let sides = [BICUBIC, NETWORK].map(rgba);
    Trial {
        clip: "face.mp4".parse().unwrap(),
        bitrate_bps: 150_000,
        frame: 71,
        place,
        size: Size::new(960, 720).unwrap(),
        sides,
    }
}

const FACE: Place = Place { x: 0.5, y: 0.45 };

/// The window of a test on files, what gives it pictures, and what is being done for them.
fn on_files(
    seed: u64,
    rounds: usize,
    theme: Theme,
    size: [f32; 2],
) -> (Harness<'static, BlindWindow>, SyncSender<Trial>, Slot<String>) {
    let (give, trials) = sync_channel(rounds + 1);
    let progress = Slot::default();
    let start = Start {
        contestants: ["bicubic", "medium@0.5"].map(|name| name.parse().unwrap()),
        person: Some("Ana".parse().unwrap()),
        rounds,
        seed,
        trials,
        progress: progress.clone(),
        settings: None,
        interrupt: Interrupt::default(),
    };
    let harness = window(theme).with_size(size).build_eframe(|cc| BlindWindow::new(cc, start));
    (harness, give, progress)
}

fn report(harness: &Harness<'_, BlindWindow>) -> VoteReport {
    harness.state().report().lock().unwrap().clone()
}

#[test]
fn a_test_on_files_waits_asks_counts_and_tells_at_the_end() {
    let (mut harness, give, progress) = on_files(4, 5, Theme::Dark, [1000.0, 700.0]);
    progress.put("Making the next pictures: face.mp4, frame 12 of 71".to_owned());
    harness.step();
    assert!(harness.query_by_label_contains("frame 12 of 71").is_some());
    harness.key_press(Key::ArrowLeft);
    harness.step();
    assert!(report(&harness).votes.is_empty(), "nothing was shown yet");

    let blind = Blind::of_rounds(4, 5);
    let answers = [Key::ArrowLeft, Key::ArrowRight, Key::ArrowDown, Key::ArrowLeft, Key::ArrowRight];
    for (round, key) in answers.into_iter().enumerate() {
        give.send(trial(Place { x: 0.3 + 0.1 * round as f32, ..FACE })).unwrap();
        // The pictures are drawn before they are judged.
        harness.run_steps(4);
        if round == 1 {
            harness.snapshot("blind_files");
        }
        harness.key_press(key);
        harness.run_steps(2);
        assert_eq!(report(&harness).votes.len(), round + 1);
    }
    let said = report(&harness);
    let left: Vec<bool> = {
        let mut blind = blind;
        said.votes.iter().map(|vote| (blind.swapped(), blind.answer(vote.answer)).0).collect()
    };
    let wanted = [Answer::Left, Answer::Right, Answer::Same, Answer::Left, Answer::Right];
    for (i, vote) in said.votes.iter().enumerate() {
        assert_eq!(vote.left, if left[i] { Contestant::B } else { Contestant::A }, "vote {i}");
        assert_eq!((vote.answer, vote.frame, vote.bitrate_bps), (wanted[i], 71, 150_000));
        assert_eq!((vote.width, vote.height), (360, 360), "vote {i}");
        let middle = (0.3 + 0.1 * i as f32) * 960.0;
        assert!((vote.x as f32 + 180.0 - middle.clamp(180.0, 780.0)).abs() < 2.0, "vote {i}: {vote:?}");
    }
    assert_eq!((said.a.as_str(), said.b.as_str(), said.seed), ("bicubic", "medium@0.5", 4));
    for text in ["bicubic", "medium@0.5", "What you saw"] {
        assert!(harness.query_all_by_label_contains(text).next().is_some(), "{text}");
    }
    // The votes are counted as the report counts them.
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.json");
    clearcall::report::write_json(&path, &said).unwrap();
    assert_eq!(VoteReport::read(&path).unwrap(), said);
    harness.get_by_label("Close").click();
    harness.run_steps(2);
}

#[test]
fn nothing_in_a_test_on_files_tells_which_side_is_which() {
    let told = |swapped: bool| {
        let (mut harness, give, _progress) = on_files(seed(swapped), ROUNDS, Theme::Dark, [1000.0, 700.0]);
        give.send(trial(FACE)).unwrap();
        harness.run_steps(4);
        told_with_tooltips(&mut harness)
    };
    let (straight, swapped) = (told(false), told(true));
    assert_eq!(straight, swapped);
    assert!(!straight.iter().any(|text| text.contains("bicubic") || text.contains("medium")), "{straight:#?}");
    // What is seen differs all the same.
    let seen = |swapped: bool| {
        let (mut harness, give, _progress) = on_files(seed(swapped), ROUNDS, Theme::Dark, [1000.0, 700.0]);
        give.send(trial(FACE)).unwrap();
        harness.run_steps(4);
        harness.render().unwrap()
    };
    let (a, b) = (seen(false), seen(true));
    let differ = a.pixels().zip(b.pixels()).filter(|(a, b)| a != b).count();
    assert!(differ > 5000, "only {differ} pixels differ");
}

#[test]
fn where_no_more_pictures_come_the_test_ends_with_what_was_said() {
    let (mut harness, give, progress) = on_files(4, ROUNDS, Theme::Light, [1300.0, 800.0]);
    give.send(trial(FACE)).unwrap();
    harness.run_steps(4);
    harness.snapshot("blind_files_light_large");
    drop(give);
    harness.get_by_label("The right one").click();
    harness.run_steps(4);
    assert_eq!(report(&harness).votes.len(), 1);
    assert!(harness.query_by_label_contains("What you saw").is_some());
    assert!(!progress.is_closed());
    drop(harness);
    assert!(progress.is_closed(), "whoever makes the pictures is told to end");
}

#[test]
fn in_a_small_window_with_large_text_the_crops_are_there_and_can_be_judged() {
    let mut page = in_call(4);
    page.controls.stats = false;
    let mut harness = page.open_large(Theme::Dark, [450.0, 300.0]);
    for name in ["Picture: left", "Picture: right", "The right one"] {
        harness.get_by_label(name).scroll_to_me();
        harness.run_steps(3);
        let rect = harness.get_by_label(name).rect();
        assert!(rect.width() > 60.0 && harness.ctx.content_rect().expand(1.0).contains_rect(rect), "{name}: {rect:?}");
    }
    harness.get_by_label("The right one").click();
    harness.run_steps(2);
    assert_eq!(harness.state().controls.blind.as_ref().unwrap().round(), Some(2));
    assert_eq!(harness.ctx.content_rect().size(), vec2(450.0, 300.0));
}
