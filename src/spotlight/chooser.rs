//! Which details are shown from one moment to the next: held, moved smoothly, pinned.

use super::{Extent, Place, Saliency};

/// Seconds that a detail stays at least.
const HOLD: f64 = 5.0;
/// Seconds between the moves of two details: only one at a time is to draw the eye.
const APART: f64 = 2.0;
/// Seconds that a move takes.
const GLIDE: f64 = 0.7;
/// Another place must have so much more to see before a detail leaves for it.
const BETTER: f64 = 1.25;
/// What a new frame counts among those before it.
const SHARE: f64 = 0.3;

/// Chooses the details. Time is in seconds, from any beginning.
#[derive(Debug, Clone, Default)]
pub struct Chooser {
    seen: Option<Saliency>,
    /// There is something new in `seen`.
    fresh: bool,
    spots: Vec<Spot>,
}

/// A detail on its way from one place to another, or at it.
#[derive(Debug, Clone, Copy)]
struct Spot {
    from: Place,
    to: Place,
    left: f64,
    pinned: bool,
}

/// A detail as it is shown.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detail {
    /// Where.
    pub place: Place,
    /// It stays there until it is let go.
    pub pinned: bool,
}

impl Chooser {
    /// Takes in what there is to see in a frame.
    pub fn see(&mut self, saliency: Saliency) {
        match &mut self.seen {
            Some(seen) => seen.follow(&saliency, SHARE),
            None => self.seen = Some(saliency),
        }
        self.fresh = true;
    }

    /// What there was to see lately.
    pub fn seen(&self) -> Option<&Saliency> {
        self.seen.as_ref()
    }

    /// The details at the time `now`, `count` at most, each of which shows so much of the picture.
    pub fn details(&mut self, now: f64, extent: Extent, count: usize) -> Vec<Detail> {
        if let Some(seen) = &self.seen
            && (self.fresh || self.spots.len() < count)
        {
            self.fresh = false;
            decide(seen, &mut self.spots, now, extent, count);
        }
        let shown = self.spots.iter().take(count);
        shown.map(|spot| Detail { place: spot.at(now).within(extent), pinned: spot.pinned }).collect()
    }

    /// Whether a detail is on its way.
    pub fn moves(&self, now: f64) -> bool {
        self.spots.iter().any(|spot| spot.from != spot.to && now - spot.left < GLIDE)
    }

    /// Holds detail `i` where it is at the time `now`, or lets it go.
    pub fn pin(&mut self, i: usize, now: f64) {
        if let Some(spot) = self.spots.get_mut(i) {
            *spot = Spot { pinned: !spot.pinned, ..Spot::new(spot.at(now), now) };
        }
    }
}

fn decide(seen: &Saliency, spots: &mut Vec<Spot>, now: f64, extent: Extent, count: usize) {
    let targets = |spots: &[Spot], but: usize| -> Vec<Place> {
        let others = spots.iter().enumerate().filter(|(i, _)| *i != but && *i < count);
        others.map(|(_, spot)| spot.to.within(extent)).collect()
    };
    for i in 0..spots.len().min(count) {
        let moved = spots.iter().map(|spot| spot.left).fold(f64::NEG_INFINITY, f64::max);
        let spot = spots[i];
        if spot.pinned || now - spot.left < HOLD || now - moved < APART {
            continue;
        }
        let others = targets(spots, i);
        let Some(best) = seen.best(extent, &others) else { continue };
        // One that has come to lie over another, in a window of another size, shows nothing new.
        let covered = i > 0 && others[..i].iter().any(|other| spot.to.within(extent).overlaps(*other, extent));
        if covered || seen.at(best, extent) > BETTER * seen.at(spot.to, extent) {
            spots[i] = Spot { from: spot.at(now), to: best, left: now, pinned: false };
        }
    }
    while spots.len() < count {
        let Some(best) = seen.best(extent, &targets(spots, spots.len())) else { break };
        spots.push(Spot::new(best, now));
    }
}

impl Spot {
    fn new(at: Place, now: f64) -> Self {
        Self { from: at, to: at, left: now, pinned: false }
    }

    /// Slow, fast and slow again.
    fn at(&self, now: f64) -> Place {
        let t = ((now - self.left) / GLIDE).clamp(0.0, 1.0) as f32;
        let share = t * t * (3.0 - 2.0 * t);
        let between = |a: f32, b: f32| a + (b - a) * share;
        // Once there, exactly there.
        if t >= 1.0 {
            self.to
        } else {
            Place { x: between(self.from.x, self.to.x), y: between(self.from.y, self.to.y) }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::frame::{Rgba, Size};

    const EXTENT: Extent = Extent { width: 0.1, height: 0.1 };

    /// Something to see around each of these places, by so much.
    fn saliency(patches: &[(f32, f32, f32)]) -> Saliency {
        let size = Size::new(320, 240).unwrap();
        let draw = |strength: f32| Rgba {
            size,
            data: (0..size.pixels())
                .flat_map(|i| {
                    let (x, y) = (i % 320, i / 320);
                    let near = |&(px, py, _): &&(f32, f32, f32)| {
                        (x as f32 / 320.0 - px).abs() < 0.05 && (y as f32 / 240.0 - py).abs() < 0.05
                    };
                    let by = patches.iter().find(near).map_or(0.0, |patch| 20.0 + strength * patch.2);
                    let v = (128.0 + if (x + y).is_multiple_of(2) { by } else { -by }) as u8;
                    [v, v, v, 255]
                })
                .collect(),
        };
        Saliency::of(&draw(0.0), &draw(1.0))
    }

    fn near(detail: Detail, x: f32, y: f32) -> bool {
        (detail.place.x - x).abs() < 0.03 && (detail.place.y - y).abs() < 0.03
    }

    #[test]
    fn a_detail_is_held_then_glides_to_where_there_is_more_to_see() {
        let mut chooser = Chooser::default();
        assert!(chooser.details(0.0, EXTENT, 2).is_empty());
        chooser.see(saliency(&[(0.3, 0.5, 9.0)]));
        assert!(near(chooser.details(0.0, EXTENT, 1)[0], 0.3, 0.5));
        let mut last = chooser.details(0.0, EXTENT, 1)[0];
        let (mut left, mut there) = (None, None);
        for step in 1..200 {
            let now = f64::from(step) * 0.05;
            if step % 6 == 0 {
                chooser.see(saliency(&[(0.7, 0.5, 9.0)]));
            }
            let detail = chooser.details(now, EXTENT, 1)[0];
            let way = (detail.place.x - last.place.x).abs();
            assert!(way < 0.06, "a jump of {way} at {now}");
            assert!(detail.place.x >= last.place.x, "back and forth at {now}");
            left = left.or((way > 0.0).then_some(now));
            there = there.or(near(detail, 0.7, 0.5).then_some(now));
            last = detail;
        }
        let (left, there) = (left.unwrap(), there.unwrap());
        assert!((HOLD..HOLD + 0.5).contains(&left) && there <= left + GLIDE, "from {left} to {there}");
    }

    #[test]
    fn two_details_never_move_at_once_nor_show_the_same() {
        let mut chooser = Chooser::default();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let mut last: Vec<Detail> = Vec::new();
        let mut moves = 0;
        for step in 0..1200 {
            let now = f64::from(step) * 0.05;
            if step % 10 == 0 {
                // What there is to see goes elsewhere every few seconds, with noise.
                let at = |n: i32| 0.15 + 0.1 * ((step / 120 * n) % 8) as f32;
                let noise = rng.random_range(0.8..1.2);
                chooser.see(saliency(&[(at(1), 0.3, 9.0 * noise), (at(3), 0.7, 8.0 / noise)]));
            }
            let details = chooser.details(now, EXTENT, 2);
            assert!(!details[0].place.overlaps(details[1].place, EXTENT) || chooser.moves(now), "{details:?} at {now}");
            let moved = last.iter().zip(&details).filter(|(a, b)| a.place != b.place).count();
            assert!(moved <= 1, "{moved} at {now}");
            moves += moved;
            last = details;
        }
        assert!(moves > 0, "what there is to see is followed");
    }

    #[test]
    fn noise_moves_nothing() {
        let mut chooser = Chooser::default();
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let mut first = None;
        for step in 0..600 {
            let mut strength = || 9.0 * rng.random_range(0.9..1.1);
            chooser.see(saliency(&[(0.3, 0.4, strength()), (0.7, 0.6, strength())]));
            let place = chooser.details(f64::from(step) * 0.3, EXTENT, 1)[0].place;
            assert_eq!(*first.get_or_insert(place), place, "step {step}");
        }
    }

    #[test]
    fn what_is_pinned_stays_until_it_is_let_go() {
        let mut chooser = Chooser::default();
        chooser.see(saliency(&[(0.3, 0.5, 9.0)]));
        chooser.details(0.0, EXTENT, 1);
        chooser.pin(0, 1.0);
        chooser.pin(7, 1.0);
        for step in 0..100 {
            chooser.see(saliency(&[(0.7, 0.5, 9.0)]));
            let detail = chooser.details(1.0 + f64::from(step), EXTENT, 1)[0];
            assert!(detail.pinned && near(detail, 0.3, 0.5), "{detail:?}");
        }
        chooser.pin(0, 100.0);
        chooser.see(saliency(&[(0.7, 0.5, 9.0)]));
        assert!(near(chooser.details(100.5, EXTENT, 1)[0], 0.3, 0.5), "held a while even so");
        chooser.see(saliency(&[(0.7, 0.5, 9.0)]));
        chooser.details(106.0, EXTENT, 1);
        assert!(near(chooser.details(108.0, EXTENT, 1)[0], 0.7, 0.5));
    }
}
