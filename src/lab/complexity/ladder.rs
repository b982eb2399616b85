//! What upscalers of some sizes gain, against the pieces that they have: the size guide.
//!
//! Networks of some widths and depths, at equal multiplications for a pixel, are trained alike by the project's own
//! trainer, and judged with the shipped ones on the same pictures.

use std::path::PathBuf;

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::{
    footage::{self, FootageError},
    line,
    network::Network,
};
use crate::{
    frame::Frame,
    model::{MAX_CHANNELS, Model, ModelError},
    train::{self, Progress, TrainConfig, TrainError},
};

/// Multiplications for a low-resolution pixel at which widths and depths are compared.
pub const BUDGETS: [usize; 4] = [500, 1000, 2000, 5000];
/// Hidden layers from C to C.
const DEPTHS: [usize; 7] = [0, 1, 2, 3, 4, 6, 8];
/// How far from its budget a network may be.
const NEAR: f64 = 0.12;

/// How they are trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Course {
    /// The folder of pictures.
    pub pictures: PathBuf,
    /// Steps of each.
    pub steps: u64,
    /// Patches in a step, and the side of each.
    pub batch: usize,
    /// See there.
    pub patch: usize,
    /// Clips made of each picture.
    pub takes: u32,
    /// Where pairs are kept, and the models.
    pub folder: PathBuf,
    /// Decides everything that is left to chance.
    pub seed: u64,
}

/// A network of the ladder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rung {
    /// A shipped model's name; none of those that were trained here.
    pub shipped: Option<String>,
    /// Hidden channels.
    pub channels: usize,
    /// Hidden layers from C to C.
    pub depth: usize,
    /// Multiplications for a low-resolution pixel.
    pub mac_per_pixel: usize,
    /// PSNR-Y over bicubic on pictures that were not learnt from, in dB.
    pub gain_db: f64,
    /// Linear pieces along a line between two decoded patches, the mean of some.
    pub pieces: f64,
    /// Bound of the pieces over all inputs of a pixel, as a logarithm to the base 2.
    pub log2_at_most: f64,
}

/// A ladder that came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum LadderError {
    /// The trainer failed.
    #[error(transparent)]
    Train(#[from] TrainError),
    /// A model cannot be used.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// There are no decoded pictures.
    #[error(transparent)]
    Footage(#[from] FootageError),
    /// A file cannot be written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The trainer kept no pictures to judge by.
    #[error("there are too few pictures to judge by: give two or more of at least 64x64 pixels")]
    Unjudged,
}

/// Channels and hidden layers that cost about `budget` multiplications for a pixel.
pub fn shapes(budget: usize) -> Vec<(usize, usize)> {
    let cost = |c: usize, n: usize| 45 * c + 9 * c * c * n;
    let off = |c: usize, n: usize| (cost(c, n) as f64 / budget as f64 - 1.0).abs();
    let best = |n: usize| (2..=MAX_CHANNELS).min_by(|a, b| off(*a, n).total_cmp(&off(*b, n))).map(|c| (c, n));
    DEPTHS.into_iter().filter_map(best).filter(|(c, n)| off(*c, *n) <= NEAR).collect()
}

impl Course {
    /// Trains a network and judges it.
    ///
    /// # Errors
    /// As [`train::run`].
    pub fn trained(
        &self,
        (channels, depth): (usize, usize),
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Model, LadderError> {
        let out = self.folder.join(format!("ladder-{channels}-{depth}.safetensors"));
        let config = TrainConfig { channels, layers: depth, steps: self.steps, out, ..self.config() };
        Ok(train::run(&config, progress)?)
    }

    /// A shipped network, judged on the same pictures.
    ///
    /// # Errors
    /// As [`train::run`], and when there is no such model.
    pub fn judged(&self, name: &str, progress: &mut dyn FnMut(Progress)) -> Result<Model, LadderError> {
        let model = Model::find(name)?;
        let from = self.folder.join(format!("{name}.shipped.safetensors"));
        std::fs::write(&from, model.to_bytes()?).map_err(|source| LadderError::Write { path: from.clone(), source })?;
        let out = self.folder.join(format!("{name}.judged.safetensors"));
        let (channels, layers) = (model.info().channels, model.info().depth);
        let config = TrainConfig { channels, layers, steps: 0, from: Some(from), out, ..self.config() };
        Ok(train::run(&config, progress)?)
    }

    fn config(&self) -> TrainConfig {
        TrainConfig {
            pictures: self.pictures.clone(),
            batch: self.batch,
            patch: self.patch,
            takes: self.takes,
            seed: self.seed,
            pairs_seed: self.seed,
            cache: Some(self.folder.clone()),
            // Once, at the end.
            validate_every: self.steps.max(1),
            ..TrainConfig::default()
        }
    }
}

/// Counts a judged model's pieces along `lines` lines between patches of decoded pictures.
///
/// # Errors
/// When the model says no gain, or the pictures are smaller than what it looks at.
pub fn rung(
    model: &Model,
    shipped: Option<&str>,
    frames: &[Frame],
    lines: usize,
    seed: u64,
) -> Result<Rung, LadderError> {
    let gain = model.info().scores.get("validation_psnr_y_gain_db").copied().ok_or(LadderError::Unjudged)?;
    let counts = along_lines(model, frames, lines, seed)?;
    let pieces = counts.iter().map(|c| c.linear as f64).sum::<f64>() / counts.len().max(1) as f64;
    Ok(Rung {
        shipped: shipped.map(str::to_owned),
        channels: model.info().channels,
        depth: model.info().depth,
        mac_per_pixel: model.mac_per_pixel(),
        gain_db: gain,
        pieces,
        log2_at_most: model.pixel_widths().log2_at_most(),
    })
}

/// The pieces along lines between patches of decoded pictures, with the weights of the last of them.
///
/// # Errors
/// When there are no pictures, or they are smaller than what the model looks at.
pub fn along_lines(
    model: &Model,
    frames: &[Frame],
    lines: usize,
    seed: u64,
) -> Result<Vec<line::Pieces>, FootageError> {
    let network = Network::of_pixel(&model.at_qp(footage::weights_qp(frames)));
    let side = 2 * model.radius() + 1;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut counts = Vec::new();
    for _ in 0..lines {
        let (from, to) = (footage::patch(frames, side, &mut rng)?, footage::patch(frames, side, &mut rng)?);
        counts.push(line::pieces(&network, &from, &to));
    }
    Ok(counts)
}

/// The rungs that gain more than all with fewer pieces, by their pieces.
pub fn best_so_far(rungs: &[Rung]) -> Vec<&Rung> {
    let mut sorted: Vec<&Rung> = rungs.iter().collect();
    sorted.sort_by(|a, b| a.pieces.total_cmp(&b.pieces));
    let mut most = f64::NEG_INFINITY;
    sorted.retain(|rung| {
        let better = rung.gain_db > most;
        most = most.max(rung.gain_db);
        better
    });
    sorted
}

/// What a larger network gains over the next smaller one, for each doubling of what it has.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Doubling {
    /// The smaller one.
    pub from: String,
    /// The larger one.
    pub to: String,
    /// In dB, for each doubling of the pieces.
    pub by_pieces_db: f64,
    /// In dB, for each doubling of the multiplications.
    pub by_mac_db: f64,
}

/// From each shipped network to the next one with more multiplications and more pieces.
///
/// This tells where more stops paying, and no single network is named: which one is furthest from a straight line
/// depends on where the axes end, and of networks that learnt for a few steps, on the steps.
pub fn doublings(rungs: &[Rung]) -> Vec<Doubling> {
    let mut shipped: Vec<(&String, &Rung)> = rungs.iter().filter_map(|r| Some((r.shipped.as_ref()?, r))).collect();
    shipped.sort_by_key(|(_, rung)| rung.mac_per_pixel);
    let step = |pair: &[(&String, &Rung)]| {
        let ((from, small), (to, large)) = (pair[0], pair[1]);
        let (pieces, mac) =
            ((large.pieces / small.pieces).log2(), (large.mac_per_pixel as f64 / small.mac_per_pixel as f64).log2());
        let gained = large.gain_db - small.gain_db;
        let (from, to) = (from.clone(), to.clone());
        let step = Doubling { from, to, by_pieces_db: gained / pieces, by_mac_db: gained / mac };
        (pieces > 0.0 && mac > 0.0).then_some(step)
    };
    shipped.windows(2).filter_map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes_cost_what_they_may() {
        let all: Vec<_> = BUDGETS.into_iter().flat_map(|b| shapes(b).into_iter().map(move |s| (b, s))).collect();
        assert!((18..=26).contains(&all.len()), "some twenty: {all:?}");
        for (budget, (channels, depth)) in all {
            let cost = Model::untrained(channels, depth, 1).unwrap().mac_per_pixel() as f64;
            assert!((cost / budget as f64 - 1.0).abs() <= NEAR, "{budget}: {channels}, {depth}");
        }
        assert!(shapes(1).is_empty());
    }

    fn made(pieces: f64, gain_db: f64) -> Rung {
        let (channels, depth, mac_per_pixel) = (1, 0, 45);
        Rung { shipped: None, channels, depth, mac_per_pixel, gain_db, pieces, log2_at_most: 9.0 }
    }

    #[test]
    fn the_best_so_far_are_those_that_no_smaller_one_beats() {
        let rungs = [(1000.0, 0.52), (10.0, 0.0), (30.0, 0.1), (100.0, 0.45), (120.0, 0.2), (300.0, 0.5)];
        let rungs = rungs.map(|(pieces, gain)| made(pieces, gain));
        assert_eq!(best_so_far(&rungs).len(), 5, "one is worse than one with fewer pieces");
        assert!(best_so_far(&[]).is_empty());
    }

    #[test]
    fn a_doubling_by_hand() {
        // Four times the pieces and twice the multiplications for 0.2 dB.
        let shipped =
            |name: &str, mac_per_pixel, rung: Rung| Rung { shipped: Some(name.into()), mac_per_pixel, ..rung };
        let (small, large) = (shipped("a", 100, made(50.0, 0.1)), shipped("b", 200, made(200.0, 0.3)));
        let steps = doublings(&[large.clone(), made(80.0, 0.9), small.clone()]);
        assert_eq!((steps.len(), steps[0].from.as_str(), steps[0].to.as_str()), (1, "a", "b"));
        assert!((steps[0].by_pieces_db - 0.1).abs() < 1e-12 && (steps[0].by_mac_db - 0.2).abs() < 1e-12, "{steps:?}");
        assert!(doublings(&[small, Rung { pieces: 40.0, ..large }]).is_empty(), "fewer pieces are no doubling");
    }

    #[test]
    fn networks_are_trained_judged_and_counted() {
        let room = tempfile::tempdir().unwrap();
        let pictures = room.path().join("pictures");
        std::fs::create_dir(&pictures).unwrap();
        for picture in 0..2_u32 {
            let pixel = |x: u32, y: u32| {
                image::Rgb([(x * 3 + picture * 50) as u8, (x * y / 7) as u8, ((x / 9 + y / 5) % 2 * 200) as u8])
            };
            image::RgbImage::from_fn(400, 320, pixel).save(pictures.join(format!("{picture}.png"))).unwrap();
        }
        let course = Course { pictures, steps: 2, batch: 2, patch: 24, takes: 1, folder: room.path().into(), seed: 1 };
        let model = course.trained((3, 1), &mut |_| {}).unwrap();
        let frames = footage::decoded(std::path::Path::new("scene"), 1).unwrap();
        let small = rung(&model, None, &frames, 2, 1).unwrap();
        assert_eq!((small.channels, small.depth, small.mac_per_pixel), (3, 1, model.mac_per_pixel()));
        assert!(small.pieces > 1.0 && small.pieces.log2() <= model.pixel_widths().sliced(1).log2_at_most());
        assert_eq!(rung(&model, None, &frames, 2, 1).unwrap(), small);
        let nano = course.judged("nano", &mut |_| {}).unwrap();
        let nano = rung(&nano, Some("nano"), &frames, 1, 1).unwrap();
        assert!(nano.gain_db.is_finite() && nano.pieces > small.pieces, "{nano:?} {small:?}");
        assert!(matches!(rung(&Model::untrained(3, 1, 1).unwrap(), None, &frames, 1, 1), Err(LadderError::Unjudged)));
        let nowhere = Course { pictures: room.path().join("none"), ..course };
        assert!(matches!(nowhere.trained((3, 1), &mut |_| {}), Err(LadderError::Train(TrainError::Folder { .. }))));
    }
}
