//! The optimiser, what it remembers, and the checkpoint that lets a run go on.

use std::{collections::HashMap, io::Read as _, path::Path};

use safetensors::{Dtype, SafeTensors, tensor::TensorView};

use super::TrainError;

/// Adam's decay of the mean and of the mean square, and the ε of its denominator.
const BETA: [f32; 2] = [0.9, 0.99];
const ADAM_EPSILON: f32 = 1e-8;
/// Decay of the average of the weights, which is what becomes the model.
const AVERAGE: f32 = 0.998;
/// Longest gradient; a longer one is shortened to it.
const MAX_GRADIENT: f32 = 1.0;
/// The part of the run in which the learning rate rises, and what it ends at as a part of its peak.
const WARM_UP: f32 = 0.03;
const LAST_RATE: f32 = 0.005;
/// The largest checkpoint that is read, in bytes; four lists of the numbers of the largest model.
const MAX_CHECKPOINT: u64 = 64 << 20;
/// The lists in a checkpoint, by name.
const LISTS: [&str; 4] = ["numbers", "mean", "square", "average"];

/// One cycle: a straight rise, then half a cosine down.
pub(crate) fn learning_rate(peak: f32, step: u64, steps: u64) -> f32 {
    let at = step as f32 / steps.max(1) as f32;
    if at < WARM_UP {
        return peak * (at / WARM_UP).max(0.01);
    }
    let down = ((at - WARM_UP) / (1.0 - WARM_UP)).min(1.0);
    peak * (LAST_RATE + (1.0 - LAST_RATE) * 0.5 * (1.0 + (std::f32::consts::PI * down).cos()))
}

/// Adam (Kingma and Ba 2015) on a list of numbers; a long gradient is shortened first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Adam {
    /// Decay of the mean and of the mean square.
    beta: [f32; 2],
    steps: u64,
    mean: Vec<f32>,
    square: Vec<f32>,
}

impl Adam {
    pub(crate) fn new(count: usize, beta: [f32; 2]) -> Self {
        Self { beta, steps: 0, mean: vec![0.0; count], square: vec![0.0; count] }
    }

    /// One step of `numbers` down `gradient`.
    pub(crate) fn descend(&mut self, numbers: &mut [f32], gradient: &[f32], rate: f32) {
        self.steps += 1;
        let length = gradient.iter().map(|g| g * g).sum::<f32>().sqrt();
        let shorten = if length > MAX_GRADIENT { MAX_GRADIENT / length } else { 1.0 };
        let t = self.steps.min(100_000) as i32;
        let beta = self.beta;
        let unbias = beta.map(|b| 1.0 / (1.0 - b.powi(t)));
        let remembered = self.mean.iter_mut().zip(&mut self.square);
        for ((number, g), (mean, square)) in numbers.iter_mut().zip(gradient).zip(remembered) {
            let g = g * shorten;
            *mean = beta[0] * *mean + (1.0 - beta[0]) * g;
            *square = beta[1] * *square + (1.0 - beta[1]) * g * g;
            *number -= rate * (*mean * unbias[0] / ((*square * unbias[1]).sqrt() + ADAM_EPSILON));
        }
    }
}

/// Where a run stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Progressed {
    /// Seconds spent in them, over all parts of the run.
    pub(super) seconds: f64,
    pub(super) numbers: Vec<f32>,
    adam: Adam,
    pub(super) average: Vec<f32>,
}

impl Progressed {
    pub(super) fn start(numbers: Vec<f32>) -> Self {
        Self { seconds: 0.0, adam: Adam::new(numbers.len(), BETA), average: numbers.clone(), numbers }
    }

    /// Steps done.
    pub(super) const fn step(&self) -> u64 {
        self.adam.steps
    }

    /// One step of Adam down `gradient`.
    pub(super) fn descend(&mut self, gradient: &[f32], rate: f32) {
        self.adam.descend(&mut self.numbers, gradient, rate);
        // The average starts as a plain mean, so that it does not remember the untrained weights.
        let keep = AVERAGE.min(1.0 - 1.0 / (self.step() as f32 + 1.0));
        for (average, number) in self.average.iter_mut().zip(&self.numbers) {
            *average = keep * *average + (1.0 - keep) * number;
        }
    }

    /// Writes everything to a file; `key` says which run it belongs to.
    pub(super) fn save(&self, path: &Path, key: &str) -> Result<(), TrainError> {
        let lists = [&self.numbers, &self.adam.mean, &self.adam.square, &self.average];
        let bytes = lists.map(|list| list.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>());
        let mut views = Vec::with_capacity(LISTS.len());
        let unwritable = |why: String| TrainError::Checkpoint { path: path.to_owned(), why };
        for (name, bytes) in LISTS.into_iter().zip(&bytes) {
            let view = TensorView::new(Dtype::F32, vec![self.numbers.len()], bytes);
            views.push((name, view.map_err(|e| unwritable(e.to_string()))?));
        }
        let about = HashMap::from([
            ("run".to_owned(), key.to_owned()),
            ("step".to_owned(), self.step().to_string()),
            ("seconds".to_owned(), self.seconds.to_string()),
        ]);
        let file = safetensors::serialize(views, Some(about)).map_err(|e| unwritable(e.to_string()))?;
        super::write_whole(path, &file)
    }

    /// Reads what [`Progressed::save`] wrote for the same run.
    pub(super) fn load(path: &Path, key: &str, count: usize) -> Result<Self, TrainError> {
        let bad = |why: String| TrainError::Checkpoint { path: path.to_owned(), why };
        let file = std::fs::File::open(path).map_err(|e| bad(e.to_string()))?;
        let mut bytes = Vec::new();
        file.take(MAX_CHECKPOINT + 1).read_to_end(&mut bytes).map_err(|e| bad(e.to_string()))?;
        if bytes.len() as u64 > MAX_CHECKPOINT {
            return Err(bad(format!("it is larger than the {} MiB of any checkpoint", MAX_CHECKPOINT >> 20)));
        }
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|e| bad(e.to_string()))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|e| bad(e.to_string()))?;
        let empty = HashMap::new();
        let about = metadata.metadata().as_ref().unwrap_or(&empty);
        let text = |name: &str| about.get(name).map_or("", String::as_str);
        if text("run") != key {
            return Err(bad(format!("it belongs to another run ({}), and this one is {key}", text("run"))));
        }
        let mut lists = Vec::with_capacity(LISTS.len());
        for name in LISTS {
            let tensor = tensors.tensor(name).map_err(|e| bad(e.to_string()))?;
            if tensor.dtype() != Dtype::F32 || tensor.shape() != [count] {
                return Err(bad(format!("its list '{name}' does not fit the network")));
            }
            let list: Vec<f32> = tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect();
            if list.iter().any(|v| !v.is_finite()) {
                return Err(bad(format!("its list '{name}' holds something that is not a number")));
            }
            lists.push(list);
        }
        let steps = text("step").parse().map_err(|_| bad("it does not say at which step it was written".into()))?;
        let seconds = text("seconds").parse().unwrap_or(0.0);
        let mut lists = lists.into_iter();
        let mut next = || lists.next().unwrap_or_default();
        let numbers = next();
        let adam = Adam { beta: BETA, steps, mean: next(), square: next() };
        Ok(Self { seconds, numbers, adam, average: next() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_and_falls() {
        let rate = |step| learning_rate(2e-3, step, 10_000);
        assert!(rate(0) < 1e-4 && rate(100) < rate(200));
        assert!((rate(300) - 2e-3).abs() < 1e-6);
        assert!(rate(5000) < 1.2e-3 && rate(5000) > 0.8e-3);
        assert!((rate(10_000) - 1e-5).abs() < 1e-6);
        assert!(learning_rate(1.0, 0, 0).is_finite());
    }

    #[test]
    fn adam_finds_the_bottom_of_a_bowl() {
        let bottom = [1.0, -2.0, 0.5];
        let mut at = Progressed::start(vec![0.0; 3]);
        for step in 0..2000 {
            let gradient: Vec<f32> = at.numbers.iter().zip(bottom).map(|(v, b)| v - b).collect();
            at.descend(&gradient, learning_rate(0.05, step, 2000));
        }
        assert!(at.numbers.iter().zip(bottom).all(|(v, b)| (v - b).abs() < 1e-3));
        assert!(at.average.iter().zip(bottom).all(|(v, b)| (v - b).abs() < 1e-2));
    }

    #[test]
    fn a_checkpoint_gives_back_everything_and_refuses_what_does_not_fit() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("run.safetensors");
        let mut run = Progressed::start(vec![0.25, -1.0, 3.0]);
        run.descend(&[1.0, 0.5, -0.1], 0.1);
        run.seconds = 12.5;
        run.save(&path, "a run").unwrap();
        assert_eq!(Progressed::load(&path, "a run", 3).unwrap(), run);
        assert!(Progressed::load(&path, "another", 3).unwrap_err().to_string().contains("another run"));
        assert!(Progressed::load(&path, "a run", 4).is_err());
        assert!(Progressed::load(&folder.path().join("none"), "a run", 3).is_err());
        let bytes = std::fs::read(&path).unwrap();
        for cut in 0..bytes.len() {
            std::fs::write(&path, &bytes[..cut]).unwrap();
            assert!(Progressed::load(&path, "a run", 3).is_err(), "cut to {cut}");
        }
    }
}
