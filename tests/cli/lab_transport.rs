//! `clearcall lab transport` at small sizes.

use std::fs;

use crate::run::{Room, clearcall};

fn transport(args: &[&str]) -> crate::run::Ran {
    clearcall(&[&["lab", "transport", "--points", "200"], args].concat())
}

#[test]
fn the_map_in_the_plane_is_exact_drawn_and_decided_by_the_seed() {
    let room = Room::new();
    let figure = room.at("map.svg");
    let numbers = |args: &[&str]| {
        let mut found = transport(args).ok().json();
        found["seconds"].take();
        found
    };
    let first = numbers(&["--source", "disk", "--target", "spiral", "-o", &figure, "--json"]);
    assert!(first["error"].as_f64().unwrap() < 1e-8, "{first}");
    let cost = |name: &str| first[name].as_f64().unwrap();
    assert!(cost("cost") > 0.0 && cost("cost") < cost("cost_of_chance"), "{first}");
    assert!(fs::read_to_string(&figure).unwrap().matches("<circle").count() > 200);
    assert_eq!(numbers(&["--source", "disk", "--target", "spiral", "--json"]), first);
    assert_ne!(numbers(&["--source", "disk", "--target", "spiral", "--seed", "2", "--json"]), first);
    let words = transport(&[]).ok().out;
    assert!(words.contains("200 points, from the gaussian to two-gaussians"), "{words}");
}

#[test]
fn growth_and_many_dimensions_have_their_tables() {
    let room = Room::new();
    let figure = room.at("growth.svg");
    let growth = transport(&["--growth", "-o", &figure, "--json"]).ok().json();
    assert_eq!(growth["rows"].as_array().unwrap().len(), 2, "{growth}");
    assert!(fs::read_to_string(&figure).unwrap().contains("ms per 1000 points"));
    let sampled = transport(&["--dimension", "16", "--samples", "40000", "--json"]).ok().json();
    let wrong = |when: &str| sampled[when]["total_variation"].as_f64().unwrap();
    assert!(wrong("after") < 0.5 * wrong("before"), "{sampled}");
}

#[test]
fn what_makes_no_sense_is_refused() {
    transport(&["--dimension", "3", "--target", "ring"]).fails(3, &["ring", "random, gaussian"]);
    transport(&["--dimension", "3", "--growth"]).fails(3, &["--growth", "--dimension"]);
    transport(&["-o", "map.png"]).fails(3, &["map.png", ".svg"]);
    transport(&["--samples", "20000"]).fails(3, &["--samples", "more than two dimensions"]);
    transport(&["--dimension", "1"]).fails(2, &["dimension", "2..=256"]);
    transport(&["--target", "cube"]).fails(2, &["cube", "two-gaussians"]);
    clearcall(&["lab", "transport", "--points", "50", "--growth"]).fails(3, &["100 points"]);
}
