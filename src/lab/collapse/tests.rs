use super::*;

const TINY: Config = Config { data: Data::Two, steps: 12, seeds: 2, seed: 4, tangent: 1e-7, film: false };

fn text(study: &Study) -> String {
    serde_json::to_string(study).unwrap()
}

#[test]
fn the_same_seed_gives_the_same_numbers_whatever_the_threads() {
    let run = |config: &Config| run(config, &|_| ()).unwrap();
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let first = text(&run(&TINY));
    assert_eq!(first, one.install(|| text(&run(&TINY))));
    assert_ne!(first, text(&run(&Config { seed: 5, ..TINY })));
}

#[test]
fn every_row_is_there_and_the_map_that_may_jump_is_as_good_as_the_data() {
    let counted = AtomicU64::new(0);
    let study = run(&TINY, &|_| {
        counted.fetch_add(1, Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(counted.into_inner(), work(&TINY));
    assert_eq!(study.rows.len(), recipes(0.0).len() + 2);
    let row = |name: &str| study.rows.iter().find(|r| r.name == name).unwrap();
    let (map, data) = (row("optimal transport").mean, row("the data itself").mean);
    assert!(map.modes == 2.0 && data.modes == 2.0 && map.good > 0.97 && map.lost < 0.002 && map.kl < 0.01, "{map:?}");
    assert!(map.rank.is_none() && data.best_value.unwrap() < -1.3);
    let untrained = row("min-max").mean;
    assert!(untrained.good < 0.5 && (1.0..=2.0).contains(&untrained.rank.unwrap()), "{untrained:?}");
    assert!(study.rows.iter().all(|row| row.seeds.len() == 2));
    let steps: Vec<u64> = row("WGAN-GP").shots.iter().map(|s| s.step).collect();
    assert_eq!(steps, [0, 1, 3, 6, 12]);
}

#[test]
fn digits_run_too_and_a_film_has_more_pictures() {
    let config = Config { data: Data::Digits, steps: 2, seeds: 1, film: true, ..TINY };
    let study = run(&config, &|_| ()).unwrap();
    assert_eq!((study.modes, study.rows[0].shots.len()), (10, 3));
    let map = study.rows.iter().find(|r| r.name == "optimal transport").unwrap().mean;
    assert!(map.modes == 10.0 && map.good > 0.95 && map.best_value.is_none(), "{map:?}");
}

#[test]
fn mean_and_deviation_by_hand() {
    assert_eq!((mean(&[1.0, 3.0]), deviation(&[1.0, 3.0])), (2.0, 2.0_f64.sqrt()));
    assert_eq!((mean(&[]), deviation(&[5.0])), (0.0, 0.0));
}
