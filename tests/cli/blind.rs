//! `clearcall blind` without a display: what it refuses, and how reports are merged.

use std::fs;

use serde_json::{Value, json};

use crate::run::{Room, clearcall};

const FAILED: i32 = 1;
const USAGE: i32 = 2;
const INPUT: i32 = 3;

/// A report with so many votes for A, for B and for none at a bitrate.
fn report(room: &Room, name: &str, person: Option<&str>, bitrate: u32, counts: [usize; 3]) -> String {
    let votes: Vec<Value> = ["left", "right", "same"]
        .iter()
        .zip(counts)
        .flat_map(|(answer, n)| (0..n).map(move |i| (answer, i)))
        .map(|(answer, i)| {
            json!({
                "clip": "face.mp4", "bitrate_bps": bitrate, "frame": 90 + i, "x": 0, "y": 8, "width": 360,
                "height": 300, "left": "a", "answer": answer, "ms": 1500,
            })
        })
        .collect();
    let all = json!({ "a": "bicubic", "b": "medium@0.5", "person": person, "seed": 7, "votes": votes });
    room.holds(name, all.to_string().as_bytes())
}

#[test]
fn reports_of_several_people_are_counted_together() {
    let room = Room::new();
    let ana = report(&room, "ana.json", Some("Ana"), 150_000, [2, 8, 0]);
    let bo = report(&room, "bo.json", None, 150_000, [3, 7, 1]);
    let cy = report(&room, "cy.json", Some("Cy"), 600_000, [9, 1, 2]);
    let said = clearcall(&["blind", "merge", &ana, &bo, &cy, "--json"]).ok().json();
    assert_eq!((&said["a"], &said["b"], &said["reports"]), (&"bicubic".into(), &"medium@0.5".into(), &3.into()));
    let low = &said["bitrates"][0];
    assert_eq!((&low["bitrate_bps"], &low["people"], &low["b_better"]), (&150_000.into(), &2.into(), &15.into()));
    // 15 of 20 by Wilson, as R's prop.test has it.
    assert!((low["b_share"]["low"].as_f64().unwrap() - 0.5313).abs() < 1e-4, "{low}");
    assert!(low["b_share_over_people"].is_null(), "{low}");
    let all = &said["all"];
    assert_eq!((&all["people"], &all["same"]), (&3.into(), &3.into()));
    // The shares are 0.8, 0.7 and 0.1.
    assert!((all["b_share_over_people"]["share"].as_f64().unwrap() - 1.6 / 3.0).abs() < 1e-9, "{all}");
    let text = clearcall(&["blind", "merge", &ana, &bo, &cy]).ok().out;
    for words in ["A is bicubic, B is medium@0.5: 33 votes of 3 people", "53 to 89 %", "Student's t"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn what_cannot_be_merged_is_refused() {
    let room = Room::new();
    let ana = report(&room, "ana.json", Some("Ana"), 150_000, [2, 8, 0]);
    let merge = |args: &[&str]| clearcall(&[&["blind", "merge"], args].concat());
    let other = fs::read_to_string(&ana).unwrap().replace("medium@0.5", "small");
    let other = room.holds("other.json", other.as_bytes());
    merge(&[&ana, &other]).fails(INPUT, &["ana.json", "other.json", "medium@0.5", "small", "same two"]);
    merge(&[&ana, &ana]).fails(INPUT, &["same votes"]);
    merge(&[&ana, &room.at("gone.json")]).fails(INPUT, &["gone.json"]);
    merge(&[&room.holds("cut.json", &fs::read(&ana).unwrap()[..90])]).fails(INPUT, &["cut.json", "no report"]);
    merge(&[&room.holds("large.json", &vec![b' '; 2 << 20])]).fails(INPUT, &["large.json", "bytes"]);
    let escape = fs::read_to_string(&ana).unwrap().replace("face.mp4", "\\u001b[2J");
    merge(&[&room.holds("escape.json", escape.as_bytes())]).fails(INPUT, &["escape.json", "control"]);
    merge(&[]).fails(USAGE, &["REPORT.json"]);
}

#[test]
fn a_test_that_cannot_be_held_says_why() {
    let room = Room::new();
    clearcall(&["blind"]).fails(USAGE, &["--clips"]);
    clearcall(&["blind", "--clips", "x", "--rounds", "0"]).fails(USAGE, &["rounds"]);
    clearcall(&["blind", "--clips", "x", "--person", "a\nb"]).fails(USAGE, &["control characters"]);
    clearcall(&["blind", "--clips", &room.at("gone")]).fails(INPUT, &["gone"]);
    let folder = room.at("");
    clearcall(&["blind", "--clips", &folder]).fails(INPUT, &["no video"]);
    room.clip("waves.y4m", 320, 240, 12);
    let blind = |args: &[&str]| clearcall(&[&["blind", "--clips", &folder, "--engine", "cpu"], args].concat());
    blind(&["--a", "small", "--b", "small"]).fails(INPUT, &["both sides are small"]);
    blind(&["--b", "nobody"]).fails(INPUT, &["nobody"]);
    blind(&["--report", &room.at("no/folder/r.json")]).fails(INPUT, &["r.json", "--report"]);
    // There is no display here: it ends at once, with the pictures that were being made.
    blind(&["--b", "nano", "--report", &room.at("r.json")]).fails(FAILED, &["blind test needs a window"]);
    assert!(!room.path("r.json").exists());
}
