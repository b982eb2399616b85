//! Encoder, decoder, and the map between: a bust is encoded to the plane by a ReLU network and decoded again, and the
//! transport map makes samples of it even.
//!
//! The picture is that of Lei et al. ("A geometric view of optimal transportation and generative model", arXiv
//! 1710.05488; "Geometric understanding of deep learning", arXiv 1805.10451). An autoencoder learns a chart of the
//! surface and does not care how it stretches areas: uniform samples of the code, decoded, are dense here and sparse
//! there. The map from uniform noise to the codes' distribution repairs that, and takes nothing else.

use std::time::Instant;

use rand::{Rng as _, RngCore as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

mod bust;
mod evenness;
pub mod figure;
mod learning;
mod raster;

pub use bust::Bust;
pub use evenness::Evenness;

use super::{
    mlp::Mlp,
    transport::{Point, Source, TransportError, TransportMap},
};
use bust::Place;
use raster::Domain;

/// Sides of the figure's panels, and of the picture of the code in which its domain is found; in pixels.
pub(crate) const SIDE: usize = 380;

/// How large to make it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// Units of each of the two hidden layers of encoder and decoder.
    pub width: usize,
    /// Steps of training, for each network.
    pub steps: usize,
    /// Rows of a step.
    pub batch: usize,
    /// Rings of the bust's triangles; sectors are half as many again. Each triangle's code is a point of the map.
    pub rings: usize,
    /// Samples that evenness is measured with.
    pub samples: usize,
    /// Whether the encoder starts from a chart without folds.
    pub guided: bool,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { width: 48, steps: 12_000, batch: 256, rings: 40, samples: 20_000, guided: true }
    }
}

/// What is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The autoencoder learns.
    Autoencoder,
    /// The map is solved.
    Map,
    /// A network learns decoder and map at once.
    AtOnce,
}

/// All that was made and measured.
#[derive(Debug)]
pub struct Study {
    /// The surface.
    pub bust: Bust,
    /// From space to the plane.
    pub encoder: Mlp,
    /// Back.
    pub decoder: Mlp,
    /// From the uniform square to the codes.
    pub map: TransportMap,
    /// The part of the plane that the surface's codes cover.
    pub(crate) domain: Domain,
    /// Samples to draw: codes and the places that they are decoded to, without the map and with it.
    pub(crate) shown: [(Vec<Point>, Vec<Place>); 2],
    /// The numbers.
    pub report: SurfaceReport,
}

/// The numbers.
#[derive(Debug, Clone, Serialize)]
pub struct SurfaceReport {
    /// Of the surface, in units of its own.
    pub area: f64,
    /// Triangles, which are the map's points.
    pub triangles: usize,
    /// The root of the mean squared distance from a place to its decoded code.
    pub autoencoder_error: f64,
    /// Share of the area that the chart turns over, against the rest of it: 0 for one without folds.
    pub folded: f64,
    /// The largest and the smallest area that a triangle of area 1 has in the code, leaving out 1 % at each end.
    pub stretch: (f64, f64),
    /// Linear pieces that the surface meets: patterns of active units over its triangles.
    pub encoder_pieces: usize,
    /// The same of the decoder.
    pub decoder_pieces: usize,
    /// How even samples of each kind are.
    pub generators: Vec<Generator>,
}

/// A way to make places on the surface.
#[derive(Debug, Clone, Serialize)]
pub struct Generator {
    /// What it is.
    pub name: String,
    /// How its samples lie.
    pub evenness: Evenness,
    /// Numbers that it consists of.
    pub numbers: usize,
    /// The root of the mean squared distance to what decoder and map make of the same noise.
    pub error: Option<f64>,
    /// Time to make it, and to make a million samples with it, in seconds.
    pub seconds: Seconds,
}

/// Wall time, which is no matter of the seed.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Seconds {
    /// To train it, or to solve the map.
    pub made: f64,
    /// For a million samples.
    pub million: f64,
}

/// Why there is no study.
#[derive(Debug, thiserror::Error)]
pub enum SurfaceError {
    /// A size is out of bounds.
    #[error("{what} is {value}: it must be {least} to {most}")]
    Size {
        /// Of what.
        what: &'static str,
        /// What was given.
        value: usize,
        /// At least.
        least: usize,
        /// At most.
        most: usize,
    },
    /// The encoder put the surface on a line or a point.
    #[error("the encoder learnt no chart: all codes lie on a line; give more --steps or another --seed")]
    NoChart,
    /// There is no map to these codes.
    #[error("the map to the codes: {0}")]
    Map(#[from] TransportError),
}

/// Makes everything and measures it. `progress` hears of each stage how many of its steps are done.
///
/// # Errors
/// For sizes out of bounds, and for an encoder that learnt nothing.
pub fn study(sizes: Sizes, seed: u64, progress: &mut dyn FnMut(Stage, usize)) -> Result<Study, SurfaceError> {
    for (what, value, least, most) in [
        ("the width", sizes.width, 2, 512),
        ("the number of steps", sizes.steps, 1, 1_000_000),
        ("the batch", sizes.batch, 1, 100_000),
        ("the number of rings", sizes.rings, 8, 200),
        ("the number of samples", sizes.samples, 1000, 1_000_000),
    ] {
        if !(least..=most).contains(&value) {
            return Err(SurfaceError::Size { what, value, least, most });
        }
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let bust = Bust::new(sizes.rings, sizes.rings * 3 / 2);
    let start = Instant::now();
    let (encoder, decoder) =
        learning::autoencoder(&bust, sizes, &mut rng, &mut |step| progress(Stage::Autoencoder, step));
    let decoder_made = start.elapsed().as_secs_f64();

    let codes = encode(&encoder, &bust.middles());
    let corner_codes = encode(&encoder, &bust.vertices);
    let domain = Domain::new(&bust, &corner_codes, SIDE).ok_or(SurfaceError::NoChart)?;
    let start = Instant::now();
    let map = TransportMap::solve_with(Source::Square, &codes, Some(bust.areas()), &mut |step, _| {
        progress(Stage::Map, step)
    })?;
    let map_made = start.elapsed().as_secs_f64();

    let n = sizes.samples;
    let noise = |rng: &mut ChaCha8Rng| -> Vec<Point> {
        (0..n).map(|_| [rng.random_range(-1.0..1.0), rng.random_range(-1.0..1.0)]).collect()
    };
    let judge = evenness::Judge::new(&bust);
    let generator = |name: &str, places: &[Place], numbers, made, million| Generator {
        name: name.to_owned(),
        evenness: judge.judge(places),
        numbers,
        error: None,
        seconds: Seconds { made, million },
    };
    let million = |start: Instant| start.elapsed().as_secs_f64() / n as f64 * 1e6;
    let mut generators = Vec::new();

    let places: Vec<Place> = (0..n).map(|_| bust.sample(&mut rng)).collect();
    generators.push(generator("places by area, as they should be", &places, 0, 0.0, 0.0));

    let start = Instant::now();
    let plain_codes: Vec<Point> = (0..n).map(|_| domain.sample(&mut rng)).collect();
    let plain = decode(&decoder, &plain_codes);
    let own = decoder.numbers().len();
    generators.push(generator("uniform codes, decoded (G)", &plain, own, decoder_made, million(start)));

    let noises = noise(&mut rng);
    let start = Instant::now();
    let moved_codes: Vec<Point> = noises.iter().map(|&x| map.interpolate(x)).collect();
    let moved = decode(&decoder, &moved_codes);
    let all = own + 3 * codes.len();
    generators.push(generator("moved by the map, decoded (G∘T)", &moved, all, decoder_made + map_made, million(start)));

    for (name, width) in [("one network of G's size", sizes.width), ("one network twice as wide", 2 * sizes.width)] {
        let start = Instant::now();
        let mut seeds = ChaCha8Rng::seed_from_u64(rng.next_u64());
        let net =
            learning::at_once(&map, &decoder, width, sizes, &mut seeds, &mut |step| progress(Stage::AtOnce, step));
        let made = start.elapsed().as_secs_f64();
        let start = Instant::now();
        let places = decode(&net, &noises);
        let mut made = generator(name, &places, net.numbers().len(), decoder_made + map_made + made, million(start));
        made.error = Some(rms(&places, &moved));
        generators.push(made);
    }

    let places = bust.middles();
    let again = decode(&decoder, &codes);
    let (folded, stretch) = chart(&bust, &corner_codes);
    let report = SurfaceReport {
        area: bust.area(),
        triangles: bust.triangles.len(),
        autoencoder_error: rms(&again, &places),
        folded,
        stretch,
        encoder_pieces: pieces(&learning::patterns(&encoder, &rows(&places))),
        decoder_pieces: pieces(&learning::patterns(&decoder, &rows(&codes))),
        generators,
    };
    const SHOWN: usize = 4000;
    let first = |codes: Vec<Point>, places: Vec<Place>| {
        (codes.into_iter().take(SHOWN).collect(), places.into_iter().take(SHOWN).collect())
    };
    let shown = [first(plain_codes, plain), first(moved_codes, moved)];
    Ok(Study { bust, encoder, decoder, map, domain, shown, report })
}

/// Points or places as rows of a network.
pub(crate) fn rows<const N: usize>(points: &[[f64; N]]) -> Vec<f32> {
    points.iter().flatten().map(|&c| c as f32).collect()
}

fn unrows<const N: usize>(rows: &[f32]) -> Vec<[f64; N]> {
    rows.as_chunks::<N>().0.iter().map(|row| row.map(f64::from)).collect()
}

pub(crate) fn encode(encoder: &Mlp, places: &[Place]) -> Vec<Point> {
    unrows(&encoder.forward(&rows(places)))
}

pub(crate) fn decode(decoder: &Mlp, codes: &[Point]) -> Vec<Place> {
    unrows(&decoder.forward(&rows(codes)))
}

fn rms(a: &[Place], b: &[Place]) -> f64 {
    let square = |(a, b): (&Place, &Place)| (0..3).map(|k| (a[k] - b[k]).powi(2)).sum::<f64>();
    (a.iter().zip(b).map(square).sum::<f64>() / a.len().max(1) as f64).sqrt()
}

/// How many different patterns there are.
fn pieces(patterns: &[u64]) -> usize {
    patterns.iter().collect::<std::collections::HashSet<_>>().len()
}

/// The share of the area that the chart turns over, and how much it stretches areas.
fn chart(bust: &Bust, codes: &[Point]) -> (f64, (f64, f64)) {
    let signed: Vec<f64> = bust
        .triangles
        .iter()
        .map(|t| {
            let [a, b, c] = t.map(|i| codes[i]);
            0.5 * ((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
        })
        .collect();
    let negative: f64 = signed.iter().zip(bust.areas()).filter(|(s, _)| **s < 0.0).map(|(_, a)| a / bust.area()).sum();
    let mut stretch: Vec<f64> = signed.iter().zip(bust.areas()).map(|(s, a)| s.abs() / a).collect();
    stretch.sort_by(f64::total_cmp);
    let end = stretch.len() / 100;
    (negative.min(1.0 - negative).abs(), (stretch[stretch.len() - 1 - end], stretch[end]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_makes_samples_even_and_the_seed_decides_it() {
        let sizes = Sizes { width: 24, steps: 1500, batch: 128, rings: 20, samples: 3000, guided: true };
        let run = || study(sizes, 1, &mut |_, _| ()).unwrap();
        let first = run();
        let report = &first.report;
        let cv = |k: usize| report.generators[k].evenness.variation;
        assert!(report.autoencoder_error < 0.15, "{report:?}");
        assert!(cv(2) < 0.75 * cv(1) && cv(0) < 1.3 * report.generators[0].evenness.chance, "{report:?}");
        let numbers = |study: &Study| study.report.generators.iter().map(|g| g.evenness).collect::<Vec<_>>();
        assert_eq!(numbers(&first), numbers(&run()));
        let picture = figure::picture(&first).unwrap();
        let different = picture.data.chunks_exact(4).collect::<std::collections::HashSet<_>>();
        assert!(different.len() > 500, "{}", different.len());
    }

    #[test]
    fn sizes_are_bounded() {
        for sizes in [
            Sizes { width: 1, ..Sizes::default() },
            Sizes { steps: 0, ..Sizes::default() },
            Sizes { rings: 1000, ..Sizes::default() },
            Sizes { samples: 10, ..Sizes::default() },
        ] {
            assert!(matches!(study(sizes, 1, &mut |_, _| ()), Err(SurfaceError::Size { .. })));
        }
    }
}
