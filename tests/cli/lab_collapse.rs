//! `clearcall lab collapse` and `clearcall lab players` at small sizes.

use std::fs;

use crate::run::{Room, clearcall};

fn lab(experiment: &str, args: &[&str]) -> crate::run::Ran {
    clearcall(&[&["lab", experiment, "--steps", "3", "--seeds", "1"], args].concat())
}

#[test]
fn collapse_has_its_table_its_strip_and_its_film() {
    let room = Room::new();
    let [strip, raw, coded] = ["strip.png", "film.y4m", "film.mp4"].map(|name| room.at(name));
    let first = lab("collapse", &["-o", &strip, "--film", &raw, "--json"]).ok().json();
    let rows = first["rows"].as_array().unwrap();
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    assert!(row("optimal transport")["mean"]["good"].as_f64().unwrap() > 0.97, "{first}");
    assert!(row("WGAN-GP")["mean"]["rank"].as_f64().unwrap() >= 1.0, "{first}");
    assert_eq!(lab("collapse", &["--film", &coded, "--json"]).ok().json(), first, "the same seed, the same numbers");
    assert_ne!(lab("collapse", &["--seed", "2", "--json"]).ok().json(), first);
    assert!(fs::read(&strip).unwrap().starts_with(b"\x89PNG"));
    let film = fs::read(&raw).unwrap();
    assert!(film.starts_with(b"YUV4MPEG2 ") && fs::read(&coded).unwrap()[4..].starts_with(b"ftyp"));
    let words = lab("collapse", &["--data", "ring8"]).ok().out;
    assert!(words.contains("eight Gaussians") && words.contains("modes/8"), "{words}");
}

#[test]
fn players_have_their_table_and_their_figure() {
    let room = Room::new();
    let figure = room.at("players.png");
    let first = lab("players", &["-o", &figure, "--json"]).ok().json();
    assert_eq!(first[0]["player"], "exact");
    assert!(first[0]["mean"]["rms"].as_f64().unwrap() < 1e-4, "{first}");
    assert!(first[1]["mean"]["rms"].as_f64().unwrap() > 1.0, "three steps are too few: {first}");
    assert_eq!(lab("players", &["--json"]).ok().json(), first);
    assert!(fs::read(&figure).unwrap().starts_with(b"\x89PNG"));
    assert!(lab("players", &[]).ok().out.contains("critic alone"));
}

#[test]
fn what_makes_no_sense_is_refused() {
    lab("collapse", &["-o", "strip.svg"]).fails(3, &["strip.svg", ".png"]);
    lab("collapse", &["--film", "film.avi"]).fails(3, &["film.avi", ".y4m or .mp4"]);
    lab("collapse", &["-o", "nowhere/strip.png"]).fails(3, &["make the folder nowhere first"]);
    lab("collapse", &["--film", "nowhere/film.mp4"]).fails(3, &["make the folder nowhere first"]);
    lab("collapse", &["--data", "three"]).fails(2, &["three", "two", "ring8", "digits"]);
    lab("collapse", &["--tangent=-1"]).fails(2, &["tangent"]);
    lab("players", &["-o", "players.svg"]).fails(3, &["players.svg", ".png"]);
    clearcall(&["lab", "collapse", "--steps", "0"]).fails(2, &["steps", "1..=100000"]);
    clearcall(&["lab", "players", "--seeds", "0"]).fails(2, &["seeds"]);
}
