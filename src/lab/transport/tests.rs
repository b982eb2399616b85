use std::f64::consts::TAU;

use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::{
    targets::{LINEAR, TargetSet, draw},
    *,
};

const SOURCES: [Source; 3] = [Source::Square, Source::Disk, Source::Gaussian];
const SETS: [TargetSet; 7] = [
    TargetSet::Random,
    TargetSet::Ring,
    TargetSet::TwoGaussians,
    TargetSet::EightGaussians,
    TargetSet::Spiral,
    TargetSet::Gaussian,
    TargetSet::Line,
];

fn drawn(source: Source, rng: &mut ChaCha8Rng) -> Point {
    let mut x = [0.0; 2];
    draw(source, rng, &mut x);
    x
}

#[test]
fn masses_are_what_was_asked_for() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for source in SOURCES {
        for set in SETS {
            let points = set.points(200, 5);
            let weights: Vec<f64> = points.iter().map(|_| rng.random_range(0.1..2.0)).collect();
            let sum: f64 = weights.iter().sum();
            let map = TransportMap::solve(source, &points, Some(&weights)).unwrap();
            for (mass, weight) in map.masses().iter().zip(&weights) {
                assert!((mass - weight / sum).abs() < 1e-6 / 200.0, "{source:?} {set:?} {mass} {}", weight / sum);
            }
            // Counted with random points: 20,000 in 8 parts of the points, so with deviations of 0.0023.
            let mut counts = [0.0; 8];
            for _ in 0..20_000 {
                counts[map.index(drawn(source, &mut rng)) % 8] += 1.0 / 20_000.0;
            }
            for (k, count) in counts.iter().enumerate() {
                let wanted = weights.iter().skip(k).step_by(8).sum::<f64>() / sum;
                assert!((count - wanted).abs() < 0.012, "{source:?} {set:?} {count} {wanted}");
            }
        }
    }
}

/// The sum of ⟨xₖ, T(x_σ(k))⟩ over the cycle must not exceed that of ⟨xₖ, T(xₖ)⟩.
fn cyclically_monotone(xs: &[Point], ys: &[Point]) -> bool {
    let straight: f64 = xs.iter().zip(ys).map(|(&x, &y)| dot(x, y)).sum();
    let turned: f64 = xs.iter().enumerate().map(|(k, &x)| dot(x, ys[(k + 1) % ys.len()])).sum();
    turned <= straight + 1e-9
}

#[test]
fn the_map_is_the_gradient_of_a_convex_function() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for source in SOURCES {
        let map = TransportMap::solve(source, &TargetSet::Spiral.points(300, 1), None).unwrap();
        let mut broken = 0;
        for _ in 0..3000 {
            for count in [2, 3] {
                let xs: Vec<Point> = (0..count).map(|_| drawn(source, &mut rng)).collect();
                let mut ys: Vec<Point> = xs.iter().map(|&x| map.apply(x)).collect();
                assert!(cyclically_monotone(&xs, &ys));
                // The same points the wrong way round are seen to be wrong.
                ys.reverse();
                broken += usize::from(!cyclically_monotone(&xs, &ys));
            }
            let x = drawn(source, &mut rng);
            let d = [rng.random_range(-1e-3..1e-3), rng.random_range(-1e-3..1e-3)];
            let (here, there) = (map.potential(x), map.potential([x[0] + d[0], x[1] + d[1]]));
            assert!(there >= here + dot(map.apply(x), d) - 1e-9, "a supporting plane");
        }
        assert!(broken > 2000, "{broken}");
    }
}

#[test]
fn between_two_gaussians_it_is_nearly_the_linear_map() {
    // 3000 random points stand for the target. Their own distance from it is about √(log n / n) = 0.05 times its
    // extent of 2, and the map shows about as much, far out more; a wrong matrix is off by far more.
    let map = TransportMap::solve(Source::Gaussian, &TargetSet::Gaussian.points(3000, 7), None).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let (mut square, mut against_identity) = (0.0, 0.0);
    for _ in 0..4000 {
        let x = drawn(Source::Gaussian, &mut rng);
        let known = [0, 1].map(|k| dot(LINEAR[k], x));
        square += norm(sub(map.apply(x), known)).powi(2) / 4000.0;
        against_identity += norm(sub(map.apply(x), x)).powi(2) / 4000.0;
    }
    assert!(square.sqrt() < 0.15, "{}", square.sqrt());
    // W₂² between N(0, 1) and N(0, A²) is tr (A − 1)² (Dowson and Landau 1982).
    let known = (LINEAR[0][0] - 1.0).powi(2) + (LINEAR[1][1] - 1.0).powi(2) + 2.0 * LINEAR[0][1].powi(2);
    assert!((map.cost() - known).abs() < 0.06 * known, "{} {known}", map.cost());
    assert!((map.cost() - against_identity).abs() < 0.05 * known, "{} {against_identity}", map.cost());
}

#[test]
fn between_the_points_it_is_continuous() {
    // Points on a grid under a linear map: between barycentres the map is that map again.
    let known = |x: Point| [0, 1].map(|k| dot(LINEAR[k], x) + 5.0);
    let grid: Vec<Point> = (0..900).map(|k| [k % 30, k / 30].map(|c| (f64::from(c) + 0.5) / 15.0 - 1.0)).collect();
    let points: Vec<Point> = grid.iter().map(|&x| [1.5 * x[0] + 4.0, 0.7 * x[1]]).collect();
    let map = TransportMap::solve(Source::Square, &points, None).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    for _ in 0..300 {
        let x = [rng.random_range(-0.9..0.9), rng.random_range(-0.9..0.9)];
        assert!(norm(sub(map.interpolate(x), [1.5 * x[0] + 4.0, 0.7 * x[1]])) < 1e-5);
    }
    let points: Vec<Point> = (0..400).map(|_| known(drawn(Source::Gaussian, &mut rng))).collect();
    let map = TransportMap::solve(Source::Gaussian, &points, None).unwrap();
    for _ in 0..300 {
        let x = [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)];
        let moved = sub(map.interpolate([x[0] + 1e-9, x[1]]), map.interpolate(x));
        assert!(norm(moved) < 1e-5, "{x:?} {moved:?}");
    }
}

#[test]
fn on_a_line_it_sorts() {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let values: Vec<f64> = (0..40).map(|_| rng.random_range(-50.0..50.0)).collect();
    let weights: Vec<f64> = (0..40).map(|_| rng.random_range(0.5..1.5)).collect();
    let points: Vec<Point> = values.iter().map(|&v| [v, 3.0]).collect();
    let map = TransportMap::solve(Source::Square, &points, Some(&weights)).unwrap();
    let mut order: Vec<usize> = (0..40).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let sum: f64 = weights.iter().sum();
    let mut at = -1.0;
    for i in order {
        // Strips from the left, as wide as they are heavy.
        let width = 2.0 * weights[i] / sum;
        for share in [1e-5, 0.5, 1.0 - 1e-5] {
            assert_eq!(map.index([at + share * width, rng.random_range(-1.0..1.0)]), i);
        }
        at += width;
    }
    // Askew, from the Gaussian: between four of the same mass lie the quartiles.
    let points = [3.0, -1.0, 0.0, 7.0].map(|t| [0.6 * t, 0.8 * t]);
    let map = TransportMap::solve(Source::Gaussian, &points, None).unwrap();
    let quartile = 0.674_489_750_196_082;
    for (t, i) in [(-9.0, 1), (-quartile - 1e-6, 1), (-quartile + 1e-6, 2), (-1e-6, 2), (1e-6, 0), (quartile + 1e-6, 3)]
    {
        assert_eq!(map.index([0.6 * t - 0.8, 0.8 * t + 0.6]), i, "{t}");
    }
}

/// The largest Σ ⟨xₖ, y_σ(k)⟩ over all permutations, by Heap's algorithm.
fn best_assignment(xs: &[Point], ys: &mut [Point], k: usize) -> f64 {
    if k <= 1 {
        return xs.iter().zip(&*ys).map(|(&x, &y)| dot(x, y)).sum();
    }
    let mut best = f64::MIN;
    for i in 0..k {
        best = best.max(best_assignment(xs, ys, k - 1));
        ys.swap(if k.is_multiple_of(2) { i } else { 0 }, k - 1);
    }
    best
}

/// The least sum of squared distances when so many blocks may go to each point, over all assignments of blocks to points.
/// `spent` is the sum for those before `at`.
fn cheapest(blocks: &[Point], points: &[Point], room: &mut [usize], at: usize, spent: f64, best: &mut f64) {
    if spent >= *best {
        return;
    }
    let Some(&block) = blocks.get(at) else {
        *best = spent;
        return;
    };
    for i in 0..points.len() {
        if room[i] > 0 {
            room[i] -= 1;
            cheapest(blocks, points, room, at + 1, spent + norm(sub(block, points[i])).powi(2), best);
            room[i] += 1;
        }
    }
}

#[test]
fn it_costs_what_the_best_of_all_assignments_costs() {
    // The square in equal blocks, as many for each point. Each assignment of whole blocks carries the right masses, so
    // that the map must not cost more: what the middles cost, and the blocks' own spread. And it cannot cost much less,
    // since from the square to its blocks' middles it is not far: by the triangle inequality of W₂, √spread.
    let mut told = 0;
    for (n, [across, up]) in [(2, [4, 4]), (3, [4, 3]), (4, [4, 3]), (5, [5, 2]), (6, [4, 3]), (7, [7, 1]), (8, [4, 2])]
    {
        let points: Vec<Point> =
            TargetSet::Random.points(n, 20 + n as u64).iter().map(|p| p.map(|c| 3.0 * c)).collect();
        let middle = |k: usize, of: usize| (2 * k + 1) as f64 / of as f64 - 1.0;
        let blocks: Vec<Point> =
            (0..across * up).map(|k| [middle(k % across, across), middle(k / across, up)]).collect();
        let spread = [across, up].iter().map(|of| (2.0 / *of as f64).powi(2) / 12.0).sum::<f64>();
        let mut best = f64::MAX;
        cheapest(&blocks, &points, &mut vec![blocks.len() / n; n], 0, 0.0, &mut best);
        let best = best / blocks.len() as f64;
        let cost = TransportMap::solve(Source::Square, &points, None).unwrap().cost();
        assert!(cost <= best + spread + 1e-9, "{n}: {cost} {best} {spread}");
        assert!(cost.sqrt() >= best.sqrt() - spread.sqrt() - 1e-9, "{n}: {cost} {best} {spread}");
        // To send each block to its nearest point, whatever the masses, is seen to be too cheap.
        let nearest = |b: &Point| points.iter().map(|&y| norm(sub(*b, y)).powi(2)).fold(f64::MAX, f64::min);
        let careless = blocks.iter().map(nearest).sum::<f64>() / blocks.len() as f64;
        told += usize::from(careless.sqrt() < best.sqrt() - spread.sqrt());
    }
    assert!(told >= 4, "wrong masses are seen in {told} of 7");
}

#[test]
fn no_permutation_of_what_goes_where_is_better() {
    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for n in 2..=8 {
        let points = TargetSet::Random.points(n, 10 + n as u64);
        let map = TransportMap::solve(Source::Disk, &points, None).unwrap();
        // One random place of each cell: what is optimal as a whole is so for any part of it. Any heights pass this, since
        // any make the gradient of a convex function; that the masses are right is tested above.
        let mut xs = vec![None; n];
        while xs.iter().any(Option::is_none) {
            let x = drawn(Source::Disk, &mut rng);
            xs[map.index(x)] = Some(x);
        }
        let xs: Vec<Point> = xs.into_iter().flatten().collect();
        let own: f64 = xs.iter().zip(&points).map(|(&x, &y)| dot(x, y)).sum();
        let best = best_assignment(&xs, &mut points.clone(), n);
        assert!((own - best).abs() < 1e-12, "{n}: {own} {best}");
    }
}

#[test]
fn the_cost_is_the_mean_squared_distance() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for source in SOURCES {
        let map = TransportMap::solve(source, &TargetSet::Ring.points(100, 2), None).unwrap();
        let n = 40_000;
        let mean = (0..n)
            .map(|_| {
                let x = drawn(source, &mut rng);
                norm(sub(map.apply(x), x)).powi(2) / f64::from(n)
            })
            .sum::<f64>();
        assert!((mean / map.cost() - 1.0).abs() < 0.02, "{source:?} {mean} {}", map.cost());
        let heaviest = map.cells(10.0).iter().map(|c| c.mass).sum::<f64>();
        assert!((heaviest - 1.0).abs() < 1e-9);
    }
}

#[test]
fn the_map_does_not_mind_where_the_points_lie() {
    let points = TargetSet::EightGaussians.points(64, 3);
    let moved: Vec<Point> = points.iter().map(|p| [1e6 + 1e-3 * p[0], -4e5 + 1e-3 * p[1]]).collect();
    let (a, b) = (
        TransportMap::solve(Source::Gaussian, &points, None).unwrap(),
        TransportMap::solve(Source::Gaussian, &moved, None).unwrap(),
    );
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let same = (0..1000).filter(|_| {
        let x = drawn(Source::Gaussian, &mut rng);
        a.index(x) == b.index(x)
    });
    assert!(same.count() > 995);
}

#[test]
fn what_has_no_map_is_refused() {
    let solve = |points: &[Point], weights: Option<&[f64]>| TransportMap::solve(Source::Square, points, weights).err();
    assert_eq!(solve(&[], None), Some(TransportError::NoPoints));
    assert_eq!(solve(&[[0.0, 1.0], [f64::NAN, 0.0]], None), Some(TransportError::Coordinate(1)));
    assert_eq!(solve(&[[1e200, 0.0]], None), Some(TransportError::Coordinate(0)));
    assert_eq!(solve(&[[0.0; 2]], Some(&[1.0, 2.0])), Some(TransportError::Weights { points: 1, weights: 2 }));
    for weight in [0.0, -1.0, 1e-9, f64::INFINITY] {
        assert_eq!(
            solve(&[[0.0; 2], [1.0; 2]], Some(&[1.0, weight])),
            Some(TransportError::Weight { index: 1, weight })
        );
    }
    assert_eq!(solve(&vec![[0.0; 2]; MAX_POINTS + 1], None), Some(TransportError::TooMany(MAX_POINTS + 1)));
}

fn any_point() -> impl Strategy<Value = Point> {
    let coordinate = prop_oneof![
        4 => -1.0..1.0,
        2 => (-3..3_i32).prop_map(f64::from),
        1 => -1e6..1e6,
        1 => (0..5_i32).prop_map(|k| f64::from(k) * 1e-9),
    ];
    [coordinate.clone(), coordinate]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn mass_is_conserved_whatever_the_points(
        points in prop::collection::vec((any_point(), 0.05..1.0), 1..40),
        on_a_line: bool,
        repeats in 1..4_usize,
        source in prop::sample::select(SOURCES.to_vec()),
    ) {
        let (mut points, weights): (Vec<Point>, Vec<f64>) = points.into_iter().cycle().take(20 * repeats).unzip();
        if on_a_line {
            points.iter_mut().for_each(|p| p[1] = 2.0 * p[0]);
        }
        let map = TransportMap::solve(source, &points, Some(&weights)).unwrap();
        let (masses, sum) = (map.masses(), weights.iter().sum::<f64>());
        prop_assert!((masses.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        for (mass, weight) in masses.iter().zip(&weights) {
            prop_assert!((mass - weight / sum).abs() < 1e-6);
        }
        // Far outside the source the map still goes somewhere.
        for k in 0..8 {
            let angle = f64::from(k) / 8.0 * TAU;
            prop_assert!(map.index([1e3 * angle.cos(), 1e3 * angle.sin()]) < points.len());
        }
    }
}
