//! `clearcall lab complexity`, each of it at a small size.

use std::fs;

use crate::run::{Room, clearcall};

const USAGE: i32 = 2;
const INPUT: i32 = 3;

/// Runs `lab complexity ARGS`.
fn lab(args: &[&str]) -> crate::run::Ran {
    clearcall(&[&["lab", "complexity"], args].concat())
}

#[test]
fn bounds_of_widths_and_of_models() {
    let rows = lab(&["bounds", "--widths", "2,5,1", "--widths", "1,3,4,1", "--model", "nano", "--json"]).ok().json();
    let log2 = |row: usize, key: &str| rows[row][key].as_f64().unwrap();
    assert_eq!(log2(0, "log2_at_most"), 4.0);
    assert!(
        (log2(1, "log2_at_most").exp2() - 20.0).abs() < 1e-6 && (log2(1, "log2_product").exp2() - 60.0).abs() < 1e-6
    );
    assert!((log2(1, "log2_reached").exp2() - 15.0).abs() < 1e-6);
    assert_eq!(rows[2]["network"], "nano");
    assert_eq!(rows[2]["inputs"], 49);
    let text = lab(&["bounds"]).ok().out;
    let models = clearcall(&["models", "--json"]).ok().json();
    for model in models.as_array().unwrap() {
        let name = model["name"].as_str().unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        let most = model["log2_pieces_at_most"].as_f64().unwrap();
        assert!(line.contains(&format!("{most:.1}")), "{line}: {most}");
    }
}

#[test]
fn pieces_are_counted_and_painted_and_follow_from_the_seed() {
    let room = Room::new();
    let figure = room.at("cells.png");
    let count = |seed: &str, more: &[&str]| {
        lab(&[&["count", "--model", "nano", "--frames", "2", "--lines", "2", "--json", "--seed", seed], more].concat())
    };
    let first = count("1", &["-o", &figure]).ok();
    assert_eq!(first.out, count("1", &[]).ok().out);
    assert_ne!(first.out, count("2", &[]).ok().out);
    let nano = &first.json()[0];
    let lines = nano["lines"].as_array().unwrap();
    let most = nano["log2_at_most_on_a_line"].as_f64().unwrap().exp2();
    for line in lines {
        let (patterns, linear) = (line["patterns"].as_f64().unwrap(), line["linear"].as_f64().unwrap());
        assert!(1.0 < linear && linear <= patterns && patterns <= most, "{nano}");
    }
    assert_eq!((lines.len(), nano["switching"].as_array().unwrap().len()), (2, 2));
    assert!(nano["cells_of_detail"].as_u64().is_some_and(|cells| cells >= 1), "{nano}");
    assert!(fs::read(&figure).unwrap().starts_with(b"\x89PNG"));
    // Of a clip as of the scene, and in words.
    let clip = room.clip("clip.y4m", 96, 72, 3);
    let said = lab(&["count", "--model", "nano", "--clip", &clip, "--lines", "1", "--frames", "3"]).ok().out;
    assert!(said.contains("nano") && said.contains("16 hidden channels"), "{said}");
}

#[test]
fn curves_and_turns_draw_what_they_say() {
    let room = Room::new();
    let figure = room.at("f.svg");
    let curves = lab(&["curves", "--steps", "20", "--json", "-o", &figure]).ok().json();
    for target in &curves.as_array().unwrap()[..3] {
        assert!((target["exponent"].as_f64().unwrap() + 2.0).abs() < 0.1, "{target}");
    }
    assert!((curves[3]["exponent"].as_f64().unwrap() + 1.0).abs() < 0.2, "a surface's falls as 1/pieces: {curves}");
    assert!(fs::read_to_string(&figure).unwrap().starts_with("<svg"));
    let turns = |args: &[&str]| {
        lab(&[&["turns", "--hidden", "2", "--sizes", "2", "--seeds", "2", "--steps", "300"], args].concat())
    };
    let json = turns(&["--json", "-o", &figure]).ok();
    assert_eq!(json.out, turns(&["--json"]).ok().out, "the same seeds, the same numbers");
    let json = json.json();
    assert_eq!(json["pieces"], 4);
    let errors = json["attempts"][0]["errors"].as_array().unwrap();
    assert!(errors.len() == 2 && errors.iter().all(|e| e.as_f64().unwrap() >= 0.5 - 1e-5), "{json}");
    let last = turns(&["--seed", &u64::MAX.to_string()]).ok().out;
    assert!(last.contains("A zigzag of 4 pieces") && last.contains("of 2"), "the last seed is one, too: {last}");
}

#[test]
fn a_ladder_is_trained_and_judged() {
    let room = Room::new();
    let (pictures, figure, kept) = (room.pictures(), room.at("ladder.svg"), room.at("kept"));
    let args = ["--steps", "2", "--batch", "2", "--patch", "16", "--lines", "1", "--budgets", "100", "--keep", &kept];
    let ladder = lab(&[&["ladder", "--pictures", &pictures, "-o", &figure, "--json"][..], &args].concat()).ok().json();
    let rungs = ladder["rungs"].as_array().unwrap();
    let shipped: Vec<&str> = rungs.iter().filter_map(|r| r["shipped"].as_str()).collect();
    assert_eq!(shipped, ["small", "nano", "medium", "large"]);
    assert!(rungs.len() > shipped.len(), "{ladder}");
    assert!(rungs.iter().all(|r| r["pieces"].as_f64().unwrap() > 1.0 && r["gain_db"].is_number()), "{ladder}");
    let doublings = ladder["doublings"].as_array().unwrap();
    assert_eq!(doublings.iter().filter_map(|d| d["to"].as_str()).collect::<Vec<_>>(), ["small", "medium", "large"]);
    assert!(doublings.iter().all(|d| d["by_pieces_db"].is_number() && d["by_mac_db"].is_number()), "{ladder}");
    assert!(fs::read_to_string(&figure).unwrap().contains("about 100 MAC"));
    assert!(room.path("kept").join("ladder-2-0.safetensors").exists());
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let room = Room::new();
    for args in [
        &["bounds", "--widths", "2,0,1"][..],
        &["bounds", "--widths", "two"],
        &["count", "--lines", "0"],
        &["turns", "--hidden", "0"],
        &["turns", "--hidden", "a"],
        &["ladder"],
        &["ladder", "--pictures", "x", "--budgets", "1"],
        &["dance"],
    ] {
        lab(args).fails(USAGE, &["error"]);
    }
    lab(&["bounds", "--widths", "2,0,1"]).fails(USAGE, &["2,16,16,1"]);
    lab(&["bounds", "--model", "huge"]).fails(INPUT, &["huge", "nano"]);
    lab(&["count", "--clip", &room.at("gone.mp4")]).fails(INPUT, &["gone.mp4"]);
    lab(&["count", "-o", "cells.svg"]).fails(INPUT, &["cells.svg", ".png"]);
    lab(&["count", "--model", "nano", "--clip", &room.clip("tiny.y4m", 16, 16, 2)]).ok();
    lab(&["count", "--model", "large", "--clip", &room.clip("tiny.y4m", 16, 16, 2)]).fails(INPUT, &["16x16", "27x27"]);
    lab(&["curves", "-o", "curves.png"]).fails(INPUT, &["curves.png", ".svg"]);
    lab(&["turns", "--hidden", "64,64,64"]).fails(INPUT, &["64", "narrower"]);
    lab(&["ladder", "--pictures", &room.at("nowhere")]).fails(INPUT, &["nowhere"]);
    lab(&["ladder", "--pictures", &room.at(""), "--budgets", "112"]).fails(INPUT, &["112", "--budgets"]);
    let layers = ["1"; 65].join(",");
    lab(&["turns", "--hidden", &layers]).fails(INPUT, &["up to 64"]);
}
