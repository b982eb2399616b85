//! `clearcall train` from the command line, a few steps of the smallest network.

use std::fs;

use crate::run::{Room, clearcall};

/// Runs that differ in their seed learn from the pairs of one cache, on as many threads as they were told.
#[test]
fn seeds_share_pairs_and_threads_are_bounded() {
    let room = Room::new();
    let (pictures, cache) = (room.pictures(), room.at("cache"));
    let train = |seeds: &[&str], out: &str| {
        let small =
            ["--channels", "2", "--layers", "1", "--steps", "2", "--batch", "2", "--patch", "16", "--takes", "1"];
        let files = ["train", "--threads", "1", "--pictures", &pictures, "--cache", &cache, "-o", out];
        clearcall(&[&files[..], &small, seeds].concat()).ok().out
    };
    let kept = || fs::read_dir(room.path("cache")).unwrap().count();
    let outs = ["one", "two", "three"].map(|name| room.at(&format!("{name}.safetensors")));
    let said = train(&["--seed", "1"], &outs[0]);
    assert!(said.contains("threads: 1\n"), "{said}");
    train(&["--seed", "2"], &outs[1]);
    assert_eq!(kept(), 1, "both seeds learnt from the same pairs");
    assert_ne!(fs::read(&outs[0]).unwrap(), fs::read(&outs[1]).unwrap(), "and came to other networks");
    train(&["--pairs-seed", "2"], &outs[2]);
    assert_eq!(kept(), 2, "other pairs have a file of their own");
}

/// A critic is built as it is asked for, the file says how, and a patch that it cannot judge is refused.
#[test]
fn the_critic_of_vivid_training_is_chosen() {
    let room = Room::new();
    let (pictures, cache, out) = (room.pictures(), room.at("cache"), room.at("vivid.safetensors"));
    let vivid = |more: &[&str]| {
        let small = ["--channels", "2", "--layers", "1", "--steps", "2", "--batch", "2", "--takes", "1", "--vivid"];
        let files = ["train", "--pictures", &pictures, "--cache", &cache, "-o", &out];
        clearcall(&[&files[..], &small, more].concat())
    };
    let card = || String::from_utf8_lossy(&fs::read(&out).unwrap()).into_owned();
    vivid(&["--patch", "16"]).ok();
    assert!(!card().contains("U-net") && !card().contains("relativistic"));
    vivid(&["--patch", "16", "--critic", "unet", "--relativistic"]).ok();
    assert!(card().contains("transport 0, a U-net as critic, relativistic, 2 patches of 16"), "{}", card());
    assert!(card().contains("seed 1, pairs' seed 1"), "{}", card());
    let refused = vivid(&["--patch", "15", "--critic", "unet"]);
    assert!(refused.err.contains("the critic needs a --patch of 16 or more"), "{}", refused.err);
}
