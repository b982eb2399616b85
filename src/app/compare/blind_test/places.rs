//! Where a blind test of crops looks: at places with detail, drawn by lot, another one in each round.

use rand::{Rng, SeedableRng as _, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;

use crate::spotlight::{Extent, Place, Saliency};

/// What counts as one detail. A crop shows more, with the detail in its middle.
const DETAIL: Extent = Extent { width: 0.12, height: 0.16 };
/// A lot is drawn among so many at most, those with most to see.
const PLACES: usize = 12;

/// Draws a place, and not the one `before`. Where nothing is to be seen it is any place.
pub fn draw(saliency: &Saliency, before: Option<Place>, rng: &mut impl Rng) -> Place {
    let places = saliency.places(DETAIL, PLACES);
    let others: Vec<Place> =
        places.iter().filter(|place| !before.is_some_and(|b| place.overlaps(b, DETAIL))).copied().collect();
    let drawn = others.choose(rng).or_else(|| places.choose(rng)).copied();
    let mut near = |middle: f32, share: f32| match drawn {
        Some(_) => middle + share * rng.random_range(-0.5..=0.5),
        None => rng.random(),
    };
    let Place { x, y } = drawn.unwrap_or(Place { x: 0.5, y: 0.5 });
    Place { x: near(x, DETAIL.width), y: near(y, DETAIL.height) }.within(DETAIL)
}

/// The places of the rounds so far.
#[derive(Debug, Clone)]
pub(super) struct Spots {
    rng: ChaCha8Rng,
    /// The newest frame's.
    seen: Option<Saliency>,
    places: Vec<Place>,
}

impl Spots {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        // Another row of numbers than the one that shuffles the sides.
        rng.set_stream(1);
        Self { rng, seen: None, places: Vec::new() }
    }

    pub(super) fn see(&mut self, saliency: Saliency) {
        self.seen = Some(saliency);
    }

    /// Draws a place for round `round`, from 0, if it has none and a frame was seen.
    pub(super) fn fill(&mut self, round: usize) {
        if let Some(seen) = &self.seen
            && self.places.len() <= round
        {
            let place = draw(seen, self.places.last().copied(), &mut self.rng);
            self.places.push(place);
        }
    }

    pub(super) fn place(&self, round: usize) -> Option<Place> {
        self.places.get(round).copied()
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::frame::{Rgba, Size};

    /// Fine stripes at four places, which two pictures show more or less strongly, and flat elsewhere.
    pub(in super::super) const DETAILS: [(f32, f32); 4] = [(0.2, 0.3), (0.5, 0.4), (0.8, 0.3), (0.4, 0.8)];

    pub(in super::super) fn saliency() -> Saliency {
        let size = Size::new(640, 480).unwrap();
        let draw = |by: f32| {
            let level = |x: u32, y: u32| {
                let (sx, sy) = (x as f32 / 640.0, y as f32 / 480.0);
                let near = DETAILS.iter().any(|(dx, dy)| (sx - dx).abs() < 0.05 && (sy - dy).abs() < 0.06);
                let sign = if (x + y).is_multiple_of(2) { 1.0 } else { -1.0 };
                (128.0 + if near { by * sign } else { 0.0 }) as u8
            };
            let pixels = (0..480).flat_map(|y| (0..640).map(move |x| (x, y)));
            Rgba { size, data: pixels.flat_map(|(x, y)| [level(x, y), level(x, y), level(x, y), 255]).collect() }
        };
        Saliency::of(&draw(20.0), &draw(40.0))
    }

    fn near_a_detail(place: Place) -> bool {
        DETAILS.iter().any(|(x, y)| (place.x - x).abs() < 0.15 && (place.y - y).abs() < 0.2)
    }

    #[test]
    fn places_have_detail_and_change_from_round_to_round() {
        let seen = saliency();
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let mut before = None;
        let mut all = Vec::new();
        for round in 0..60 {
            let place = draw(&seen, before, &mut rng);
            assert!(near_a_detail(place), "round {round}: {place:?}");
            assert!(before.is_none_or(|b: Place| (b.x - place.x).abs() > 0.01 || (b.y - place.y).abs() > 0.01));
            all.push(place);
            before = Some(place);
        }
        for (x, y) in DETAILS {
            assert!(all.iter().any(|p| (p.x - x).abs() < 0.15 && (p.y - y).abs() < 0.2), "({x}, {y}) is never drawn");
        }
    }

    #[test]
    fn where_nothing_differs_any_place_is_drawn() {
        let size = Size::new(64, 48).unwrap();
        let flat = Rgba { size, data: vec![128; 4 * size.pixels()] };
        let seen = Saliency::of(&flat, &flat);
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (a, b) = (draw(&seen, None, &mut rng), draw(&seen, None, &mut rng));
        assert_ne!(a, b);
        assert_eq!([a, b].map(|place| place.within(DETAIL)), [a, b]);
    }

    #[test]
    fn one_seed_draws_one_row_of_places() {
        let row = |seed| {
            let mut spots = Spots::new(seed);
            spots.fill(0);
            assert_eq!(spots.place(0), None, "nothing was seen yet");
            spots.see(saliency());
            (0..5).map(|round| (spots.fill(round), spots.place(round).unwrap()).1).collect::<Vec<_>>()
        };
        assert_eq!(row(3), row(3));
        assert_ne!(row(3), row(4));
    }
}
