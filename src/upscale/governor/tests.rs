use super::*;

/// Nano, small, medium and something large.
const COSTS: [usize; 4] = [936, 2088, 9936, 40_000];

fn seconds(s: f64) -> Duration {
    Duration::from_secs_f64(s)
}

/// Milliseconds of each model on a machine that needs 2.4 ms for nano.
fn usual(level: Level) -> f64 {
    match level {
        Level::Off => 0.5,
        Level::Model(i) => [2.4, 4.7, 20.0, 80.0][i],
    }
}

/// 30 frames a second for so long; `took` says what the frame at a time takes with a model, in milliseconds.
fn run(governor: &mut Governor, from: f64, to: f64, took: impl Fn(f64, Level) -> f64) -> Vec<(f64, LevelChange)> {
    run_shared(governor, from, to, 1.0, took)
}

/// The same on a machine that others use, too, so that everything takes `slower` times as long by the clock.
fn run_shared(
    governor: &mut Governor,
    from: f64,
    to: f64,
    slower: f64,
    took: impl Fn(f64, Level) -> f64,
) -> Vec<(f64, LevelChange)> {
    let mut steps = Vec::new();
    let frames = ((to - from) * 30.0) as usize;
    for i in 0..frames {
        let now = from + i as f64 / 30.0;
        let own = took(now, governor.at()) / 1e3;
        let time = FrameTime { own: seconds(own), clock: seconds(own * slower) };
        steps.extend(governor.frame(seconds(now), time).map(|step| (now, step)));
    }
    steps
}

fn governor(share: Option<f64>) -> Governor {
    Governor::new(&COSTS, Budget::new(30.0, share, false), Duration::ZERO)
}

#[test]
fn it_climbs_to_the_largest_that_fits_and_stays() {
    let mut g = governor(None);
    assert_eq!((g.at(), g.why()), (Level::Model(0), Why::Beginning));
    // 16.7 ms are there: small fits, medium does not.
    let steps = run(&mut g, 0.0, 600.0, |_, level| usual(level));
    assert_eq!(steps.iter().map(|s| s.1.to).collect::<Vec<_>>(), [Level::Model(1)], "{steps:?}");
    assert!(steps[0].0 < 5.0);
    assert_eq!((g.at(), g.why()), (Level::Model(1), Why::Fits(None)));
    // Ten times as fast, everything does.
    let mut g = governor(None);
    run(&mut g, 0.0, 30.0, |_, level| usual(level) / 10.0);
    assert_eq!((g.at(), g.why().to_string()), (Level::Model(3), "the machine is fast enough for the largest".into()));
}

#[test]
fn it_steps_down_within_a_second_and_comes_back_slowly() {
    let mut g = governor(None);
    run(&mut g, 0.0, 30.0, |_, level| usual(level));
    // The machine slows down to a fifth.
    let steps = run(&mut g, 30.0, 60.0, |_, level| 5.0 * usual(level));
    assert_eq!(steps[0].1, LevelChange { to: Level::Model(0), why: Why::Busy(None) });
    assert!(steps[0].0 < 31.0, "{steps:?}");
    assert_eq!(g.at(), Level::Model(0));
    assert_eq!(format!("nano: {}", steps[0].1.why), "nano: the machine is busy");
    let steps = run(&mut g, 60.0, 100.0, |_, level| usual(level));
    assert_eq!(steps[0].1.to, Level::Model(1));
    assert!((61.0..75.0).contains(&steps[0].0), "{steps:?}");
}

#[test]
fn it_goes_several_steps_at_once() {
    let mut g = governor(None);
    run(&mut g, 0.0, 60.0, |_, level| usual(level) / 10.0);
    assert_eq!(g.at(), Level::Model(3));
    let steps = run(&mut g, 60.0, 61.0, |_, level| usual(level));
    assert_eq!(steps.iter().map(|s| s.1.to).collect::<Vec<_>>(), [Level::Model(1)]);
}

#[test]
fn it_does_not_flap_where_a_model_seems_to_fit_and_does_not() {
    // Small takes three times of what its cost says.
    let mut g = governor(None);
    let steps = run(&mut g, 0.0, 1800.0, |_, level| if level == Level::Model(1) { 18.0 } else { usual(level) });
    let trials: Vec<f64> = steps.iter().filter(|s| s.1.to == Level::Model(1)).map(|s| s.0).collect();
    assert!((5..=12).contains(&trials.len()), "{trials:?}");
    let waits: Vec<f64> = trials.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(waits.windows(2).all(|w| w[1] > w[0] - 3.0) && *waits.last().unwrap() > 300.0, "{waits:?}");
}

#[test]
fn single_late_frames_change_nothing_but_one_in_ten_does() {
    let late = |every: usize| {
        move |now: f64, level| if ((now * 30.0).round() as usize).is_multiple_of(every) { 40.0 } else { usual(level) }
    };
    let mut g = governor(None);
    run(&mut g, 0.0, 30.0, |_, level| usual(level));
    assert!(run(&mut g, 30.0, 300.0, late(40)).is_empty());
    assert_eq!(g.at(), Level::Model(1));
    let steps = run(&mut g, 300.0, 310.0, late(10));
    assert_eq!(steps[0].1.to, Level::Model(0));
}

#[test]
fn nothing_runs_where_nothing_fits_and_it_is_tried_again() {
    let mut g = governor(None);
    let steps = run(&mut g, 0.0, 60.0, |_, level| 10.0 * usual(level));
    assert_eq!(steps[0].1, LevelChange { to: Level::Off, why: Why::NothingFits(None) });
    assert!(steps[0].0 < 1.0);
    assert!(steps.len() <= 8, "{steps:?}");
    run(&mut g, 60.0, 200.0, |_, level| usual(level));
    assert_eq!(g.at(), Level::Model(1));
    let mut none = Governor::new(&[], Budget::new(30.0, None, false), Duration::ZERO);
    assert!(run(&mut none, 0.0, 60.0, |_, _| 100.0).is_empty());
    assert_eq!(none.at(), Level::Off);
}

#[test]
fn limits_are_held_and_named() {
    // A twentieth of 33 ms are 1.7 ms: not even nano.
    let mut g = governor(Some(0.05));
    run(&mut g, 0.0, 5.0, |_, level| usual(level));
    assert_eq!((g.at(), g.why().to_string()), (Level::Off, "the CPU share is limited".into()));
    let mut g = governor(Some(0.1));
    run(&mut g, 0.0, 30.0, |_, level| usual(level));
    assert_eq!((g.at(), g.why().to_string()), (Level::Model(0), "the CPU share is limited".into()));
    // On battery 6.7 ms are there.
    g.set_budget(Budget::new(30.0, None, true), seconds(30.0));
    run(&mut g, 30.0, 60.0, |_, level| usual(level));
    assert_eq!((g.at(), g.why().to_string()), (Level::Model(1), "on battery".into()));
    g.set_budget(Budget::new(60.0, Some(0.9), true), seconds(60.0));
    let steps = run(&mut g, 60.0, 62.0, |_, level| usual(level));
    assert_eq!(steps[0].1.to, Level::Model(0), "60 frames a second leave half of that");
    assert!(steps[0].0 < 61.0);
    assert_eq!(Budget::new(30.0, Some(0.9), false).share, Budget::HALF);
    assert_eq!(Budget::new(30.0, Some(0.1), true).limit, Some("the CPU share is limited"));
}

/// Small takes 3.5 of the 16.7 ms that there are. By multiplications in f32 medium would then take 14.8, and more than
/// 13.3 are not tried; in bytes it takes 3.4 times as long, not 4.2.
#[test]
fn in_bytes_larger_models_cost_less_more() {
    let climbed = |precision: Precision| {
        let mut g = Governor::new(&[936, 2088, 9612, 58_104], Budget::new(30.0, None, false), Duration::ZERO);
        g.set_precision(precision);
        run(&mut g, 0.0, 30.0, |_, level| match level {
            Level::Off => 0.5,
            Level::Model(i) => [1.8, 3.5, 12.1, 70.0][i],
        });
        (g.at(), g.why())
    };
    assert_eq!(climbed(Precision::F32), (Level::Model(1), Why::Fits(None)));
    assert_eq!(climbed(Precision::Int8), (Level::Model(2), Why::Fits(None)));
}

#[test]
fn a_busy_machine_keeps_its_network() {
    // Frames take ten times as long by the clock: nano 24 ms, small would take 47.
    let mut g = governor(None);
    let steps = run_shared(&mut g, 0.0, 60.0, 10.0, |_, level| usual(level));
    assert_eq!((g.at(), g.why()), (Level::Model(0), Why::Busy(None)), "{steps:?}");
    // Even where no frame is done in time: going without would save 2.4 ms of 33.
    let mut g = governor(None);
    let steps = run_shared(&mut g, 0.0, 600.0, 40.0, |_, level| usual(level));
    assert!(steps.iter().all(|s| s.1.to == Level::Model(0)) && g.at() == Level::Model(0), "{steps:?}");
    // As soon as the others are through it climbs.
    run_shared(&mut g, 600.0, 605.0, 1.0, |_, level| usual(level));
    run_shared(&mut g, 605.0, 620.0, 1.0, |_, level| usual(level));
    assert_eq!(g.at(), Level::Model(1));
}

#[test]
fn a_busy_machine_gets_back_what_is_worth_it() {
    // A machine on which medium takes 10 ms and, while others compute, 40 by the clock.
    let fast = |_: f64, level| usual(level) / 2.0;
    let mut g = governor(None);
    run_shared(&mut g, 0.0, 30.0, 1.0, fast);
    assert_eq!(g.at(), Level::Model(2));
    let steps = run_shared(&mut g, 30.0, 90.0, 4.0, fast);
    assert_eq!(steps[0].1, LevelChange { to: Level::Model(1), why: Why::Busy(None) });
    assert!(steps[0].0 < 31.0 && steps.len() == 1, "{steps:?}");
    // Small takes 29 ms where nano would take 14, and saves 1.2 ms of the processors' 33: not worth it.
    let steps = run_shared(&mut g, 90.0, 150.0, 12.5, fast);
    assert!(steps.is_empty(), "{steps:?}");
}

#[test]
fn what_others_compute_does_not_count_against_a_limit() {
    let mut g = governor(Some(0.1));
    run_shared(&mut g, 0.0, 60.0, 5.0, |_, level| usual(level));
    assert_eq!((g.at(), g.why().to_string()), (Level::Model(0), "the CPU share is limited".into()));
    let mut g = governor(Some(0.05));
    run_shared(&mut g, 0.0, 5.0, 5.0, |_, level| usual(level));
    assert_eq!(g.at(), Level::Off, "its own time does not fit");
}
