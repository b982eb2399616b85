//! Triangles to pixels: the bust seen from in front, and its chart in the plane of the code.

use rand::Rng;

use super::{
    Bust,
    bust::{Place, normal_and_distance},
};
use crate::lab::transport::Point;

/// A square picture that knows for each pixel which place of the surface it shows.
#[derive(Debug, Clone)]
pub(crate) struct Raster {
    /// Pixels a side.
    pub(crate) side: usize,
    /// Row by row from the top.
    pub(crate) places: Vec<Option<Place>>,
}

impl Raster {
    /// Draws the triangles with their corners at `at`, in pixels, the third number being the nearness.
    fn new(side: usize, bust: &Bust, at: &[Place]) -> Self {
        let mut nearness = vec![f64::MIN; side * side];
        let mut places = vec![None; side * side];
        for t in &bust.triangles {
            let [a, b, c] = t.map(|i| at[i]);
            let area = (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]);
            if area == 0.0 {
                continue;
            }
            let range = |k: usize| {
                let (lo, hi) = (a[k].min(b[k]).min(c[k]), a[k].max(b[k]).max(c[k]));
                (lo.floor().max(0.0) as usize)..((hi.ceil() + 1.0).clamp(0.0, side as f64) as usize)
            };
            for y in range(1) {
                for x in range(0) {
                    let (px, py) = (x as f64 + 0.5, y as f64 + 0.5);
                    let v = ((px - a[0]) * (c[1] - a[1]) - (py - a[1]) * (c[0] - a[0])) / area;
                    let w = ((b[0] - a[0]) * (py - a[1]) - (b[1] - a[1]) * (px - a[0])) / area;
                    let shares = [1.0 - v - w, v, w];
                    if shares.iter().any(|s| *s < -1e-9) {
                        continue;
                    }
                    let near = shares[0] * a[2] + shares[1] * b[2] + shares[2] * c[2];
                    if near > nearness[y * side + x] {
                        nearness[y * side + x] = near;
                        let mix = |k: usize| (0..3).map(|s| shares[s] * bust.vertices[t[s]][k]).sum();
                        places[y * side + x] = Some([0, 1, 2].map(mix));
                    }
                }
            }
        }
        Self { side, places }
    }

    /// The bust as the [`View`] shows it.
    pub(crate) fn of_bust(view: &View, bust: &Bust) -> Self {
        Self::new(view.side, bust, &bust.vertices.iter().map(|&p| view.place(p)).collect::<Vec<_>>())
    }
}

/// How the bust is looked at.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View {
    /// Pixels a side.
    pub(crate) side: usize,
}

impl View {
    /// Pixel coordinates, and how near it is.
    pub(crate) fn place(&self, p: Place) -> Place {
        // Turned a little to the side, and seen a little from above.
        let (turn, tilt) = (0.45_f64, 0.3_f64);
        let (x, y) = (turn.cos() * p[0] - turn.sin() * p[1], turn.sin() * p[0] + turn.cos() * p[1]);
        let (y, z) = (tilt.cos() * y - tilt.sin() * p[2], tilt.sin() * y + tilt.cos() * p[2]);
        let scale = self.side as f64 / 2.1;
        let middle = self.side as f64 / 2.0;
        [middle + scale * x, middle - scale * (z - 0.05), -y]
    }

    /// Whether the surface faces the viewer there.
    pub(crate) fn faces(&self, p: Place) -> bool {
        let n = normal_and_distance(p).0;
        let moved = [0, 1, 2].map(|k| p[k] + 1e-3 * n[k]);
        self.place(moved)[2] > self.place(p)[2]
    }
}

/// The part of the plane that the surface's codes cover, as a picture.
#[derive(Debug, Clone)]
pub(crate) struct Domain {
    pub(crate) raster: Raster,
    centre: Point,
    half: f64,
    /// The pixels that are covered.
    covered: Vec<usize>,
}

impl Domain {
    /// From the codes of the bust's corners; none where they cover nothing.
    pub(super) fn new(bust: &Bust, codes: &[Point], side: usize) -> Option<Self> {
        let bounds = |k: usize| {
            let (lo, hi) = codes.iter().fold((f64::MAX, f64::MIN), |(lo, hi), c| (lo.min(c[k]), hi.max(c[k])));
            (f64::midpoint(lo, hi), (hi - lo) / 2.0)
        };
        let ((x, wide), (y, high)) = (bounds(0), bounds(1));
        let half = wide.max(high) * 1.02;
        if !half.is_normal() {
            return None;
        }
        let mut domain =
            Self { raster: Raster { side, places: Vec::new() }, centre: [x, y], half, covered: Vec::new() };
        let at: Vec<Place> = codes
            .iter()
            .map(|&c| {
                let [x, y] = domain.pixel(c);
                [x, y, 0.0]
            })
            .collect();
        domain.raster = Raster::new(side, bust, &at);
        domain.covered = (0..side * side).filter(|&i| domain.raster.places[i].is_some()).collect();
        // A line covers hardly more pixels than the picture has rows.
        (domain.covered.len() > 3 * side).then_some(domain)
    }

    /// Where a code lies in the picture, in pixels.
    pub(crate) fn pixel(&self, code: Point) -> Point {
        let side = self.raster.side as f64;
        [
            (0.5 + 0.5 * (code[0] - self.centre[0]) / self.half) * side,
            (0.5 - 0.5 * (code[1] - self.centre[1]) / self.half) * side,
        ]
    }

    /// The code at a place of the picture, in pixels.
    pub(crate) fn code(&self, pixel: Point) -> Point {
        let side = self.raster.side as f64;
        [
            self.centre[0] + (pixel[0] / side - 0.5) * 2.0 * self.half,
            self.centre[1] - (pixel[1] / side - 0.5) * 2.0 * self.half,
        ]
    }

    /// A random code that is covered, any as likely as another.
    pub(super) fn sample(&self, rng: &mut impl Rng) -> Point {
        let i = self.covered[rng.random_range(0..self.covered.len())];
        let side = self.raster.side;
        self.code([(i % side) as f64 + rng.random::<f64>(), (i / side) as f64 + rng.random::<f64>()])
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn a_pixel_knows_its_place() {
        let bust = Bust::new(30, 45);
        let view = View { side: 120 };
        let raster = Raster::of_bust(&view, &bust);
        let mut seen = 0;
        for (i, place) in raster.places.iter().enumerate() {
            let Some(place) = *place else { continue };
            seen += 1;
            let at = view.place(place);
            assert!((at[0] - (i % 120) as f64 - 0.5).abs() < 1e-6 && (at[1] - (i / 120) as f64 - 0.5).abs() < 1e-6);
        }
        assert!((2000..12_000).contains(&seen), "{seen}");
        let corner = |k: usize| raster.places[k].is_none();
        assert!(corner(0) && corner(119) && raster.places[60 * 120 + 60].is_some());
    }

    #[test]
    fn a_domain_is_what_codes_cover() {
        let bust = Bust::new(20, 30);
        // The shadow on the floor.
        let codes: Vec<Point> = bust.vertices.iter().map(|p| [p[0], p[1]]).collect();
        let domain = Domain::new(&bust, &codes, 64).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for _ in 0..500 {
            let code = domain.sample(&mut rng);
            assert!((code[0] / 0.97).powi(2) + (code[1] / 0.5).powi(2) < 1.15, "{code:?}");
            let back = domain.code(domain.pixel(code));
            assert!((back[0] - code[0]).abs() < 1e-9 && (back[1] - code[1]).abs() < 1e-9);
        }
        let line: Vec<Point> = bust.vertices.iter().map(|p| [p[2], p[2]]).collect();
        assert!(Domain::new(&bust, &line, 64).is_none());
        assert!(Domain::new(&bust, &vec![[1.0, 2.0]; codes.len()], 64).is_none());
    }
}
