//! `clearcall lab surface` at a small size.

use std::fs;

use crate::run::{Room, clearcall};

const SMALL: [&str; 8] = ["lab", "surface", "--width", "16", "--steps", "600", "--samples", "2000"];

#[test]
fn the_map_makes_samples_even() {
    let room = Room::new();
    let figure = room.at("bust.png");
    let report = clearcall(&[&SMALL[..], &["-o", &figure, "--json"]].concat()).ok().json();
    let variation = |k: usize| report["generators"][k]["evenness"]["variation"].as_f64().unwrap();
    assert_eq!(report["generators"].as_array().unwrap().len(), 5, "{report}");
    assert!(variation(2) < 0.8 * variation(1), "{report}");
    assert!(fs::read(&figure).unwrap().starts_with(b"\x89PNG"));
    let words = clearcall(&[&SMALL[..], &["--unguided", "--seed", "2"]].concat()).ok().out;
    assert!(words.contains("linear pieces") && words.contains("one network twice as wide"), "{words}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    clearcall(&["lab", "surface", "-o", "bust.svg"]).fails(3, &["bust.svg", ".png"]);
    clearcall(&["lab", "surface", "--steps", "0"]).fails(2, &["steps", "1..=1000000"]);
}
