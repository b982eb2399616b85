//! The network as data: layers, weights, and what is known about them; reading and checking a file.
//!
//! The architecture "plain" works on luma only, at the low resolution, and adds detail to bicubic:
//!
//! ```text
//! Y ─▶ conv3×3(1→C) ReLU ─▶ [conv3×3(C→C) ReLU]×N ─▶ conv3×3(C→4) ─▶ pixel shuffle ─▶ + bicubic(Y)
//! ```
//!
//! * Input is the luma code divided by 255; the sum is clamped to 0..1.
//! * Edges: the luma is first extended by [`Model::radius`] pixels on each side by repeating its edge, then
//!   every convolution is *valid*. So what a layer sees outside the picture was computed from the
//!   extended input, and is not zero.
//! * Pixel shuffle: output channel `2·dy + dx` at (x, y) is the pixel (2x+dx, 2y+dy).
//!
//! Training, both engines and the reference do exactly this.
//!
//! A model may hold a second set of numbers, by which the first changes with the quantiser (QP) that the stream of a
//! frame was coded with, see [`SteadyQp`]: weights = neutral + [`Condition::at`] · change. So a coarsely coded picture is smoothed and a
//! finely coded one sharpened by a network that costs the same for each pixel.
//!
//! And it may say how large the values of its hidden channels become: an engine that computes in bytes needs that.
//!
//! # The file
//!
//! A safetensors file with the tensors `conv0.weight` (outputs, inputs, 3, 3), `conv0.bias` (outputs),
//! `conv1.weight`, …; when they follow the quantiser, `conv0.weight_by_qp`, `conv0.bias_by_qp`, …; with the largest
//! values, `conv0.range` (outputs) and so on, for each layer but the last; all F32; and these metadata strings:
//!
//! | key | value | |
//! |---|---|---|
//! | `architecture` | `plain` | required |
//! | `scale` | `2` | required |
//! | `channels` | C | required |
//! | `layers` | number of convolutions, N + 2 | required |
//! | `trained_on` | words: which pictures, which codec at which bitrates | optional |
//! | `steps` | training steps | optional |
//! | `scores` | a JSON object of numbers, for example `{"psnr_y_gain_db":0.3}` | optional |
//! | `deadband_factor` | how many times as wide as is usual the deadband of its hysteresis is | optional, 1 |
//! | `version` | the version of this project that wrote the file | optional |

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

use rand::{Rng as _, SeedableRng as _};

mod condition;
pub(crate) mod file;
mod pieces;
mod shipped;
mod steady_qp;
mod vivid;

pub use condition::{Condition, NEUTRAL_QP, QP_SPAN, UNCODED};
pub use pieces::{Widths, WidthsError};
pub use steady_qp::SteadyQp;

/// The most channels that a layer may have.
pub const MAX_CHANNELS: usize = 64;
/// The most convolutions that a model may have.
pub const MAX_LAYERS: usize = 16;
/// The largest model file that is read, in bytes; the largest allowed model takes 4 MiB.
pub const MAX_FILE: usize = 5 << 20;
/// How many times larger the output is, on each side.
pub const SCALE: u32 = 2;
/// The name of the only architecture so far.
pub const ARCHITECTURE: &str = "plain";

/// One convolution of 3×3 without padding.
#[derive(Clone, PartialEq)]
pub struct Conv3x3 {
    /// Channels in.
    pub inputs: usize,
    /// Channels out.
    pub outputs: usize,
    /// `weights[((o · inputs + i) · 3 + ky) · 3 + kx]`; a correlation, as everywhere in this field: the
    /// factor at (kx, ky) meets the pixel at (x + kx − 1, y + ky − 1).
    pub weights: Vec<f32>,
    /// One for each output.
    pub bias: Vec<f32>,
}

impl fmt::Debug for Conv3x3 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Conv3x3({}→{})", self.inputs, self.outputs)
    }
}

impl Conv3x3 {
    /// The same shape, all numbers zero.
    #[cfg(feature = "train")]
    pub(crate) fn zeroed(&self) -> Self {
        Self { weights: vec![0.0; self.weights.len()], bias: vec![0.0; self.bias.len()], ..*self }
    }

    /// Multiplies what it gives.
    fn scale(&mut self, by: f32) {
        self.weights.iter_mut().chain(&mut self.bias).for_each(|w| *w *= by);
    }

    /// Adds `by` times another of the same shape.
    pub(crate) fn add(&mut self, by: f32, other: &Self) {
        let numbers = self.weights.iter_mut().chain(&mut self.bias);
        for (to, from) in numbers.zip(other.weights.iter().chain(&other.bias)) {
            *to += by * from;
        }
    }
}

/// Layers moved by `condition` along their change; `by_qp` may be empty.
pub(crate) fn at_condition(layers: &[Conv3x3], by_qp: &[Conv3x3], condition: f32) -> Vec<Conv3x3> {
    let mut layers = layers.to_vec();
    for (layer, change) in layers.iter_mut().zip(by_qp) {
        layer.add(condition, change);
    }
    layers
}

/// What a model says about itself.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct ModelInfo {
    /// [`ARCHITECTURE`].
    pub architecture: String,
    /// [`SCALE`].
    pub scale: u32,
    /// Channels of the hidden layers (C).
    pub channels: usize,
    /// Hidden layers from C to C (N).
    pub depth: usize,
    /// Its weights follow the stream's quantiser.
    pub follows_qp: bool,
    /// Which pictures, which codec at which bitrates.
    pub trained_on: String,
    /// Training steps.
    pub steps: u64,
    /// Scores by name, as the trainer measured them.
    pub scores: BTreeMap<String, f64>,
    /// The version of this project that wrote the file.
    pub version: String,
}

/// What a trainer knows about its work; the rest of [`ModelInfo`] follows from the layers.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Training {
    /// Which pictures, which codec at which bitrates.
    pub trained_on: String,
    /// Training steps.
    pub steps: u64,
    /// Scores by name.
    pub scores: BTreeMap<String, f64>,
}

/// A network that has been checked: its layers fit together and its numbers are finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Model {
    name: String,
    info: ModelInfo,
    layers: Vec<Conv3x3>,
    by_qp: Vec<Conv3x3>,
    ranges: Option<Vec<Vec<f32>>>,
    deadband_factor: f32,
}

/// A model that cannot be used. Names the file or the model, what is wrong with it and what to do.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The file cannot be read.
    #[error("cannot read the model file {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There are no such shipped model and no such file.
    #[error("there is no model '{name}': give a .safetensors file, or one of these: {}", list(known))]
    Unknown {
        /// What was asked for.
        name: String,
        /// The shipped models.
        known: Vec<&'static str>,
    },
    /// The file or the layers are not a model.
    #[error("the model {name} cannot be used: {why}. Use a shipped model (`clearcall models`) or train one anew")]
    Invalid {
        /// The file's or the model's name.
        name: String,
        /// What is wrong.
        why: String,
    },
}

fn list(names: &[&str]) -> String {
    if names.is_empty() { "(none is built in)".to_owned() } else { names.join(", ") }
}

impl Model {
    /// How far a call goes to vivid weights unless it is told otherwise: where most of what LPIPS gains is there and
    /// SSIMULACRA2 has lost next to nothing (docs/experiments.md, "The dose").
    pub const USUAL_VIVID: f32 = 0.5;

    /// Checks layers and joins them to a model.
    ///
    /// # Errors
    /// When the layers are none of this family, or a weight or score is not finite or too large.
    pub fn new(name: impl Into<String>, layers: Vec<Conv3x3>, training: Training) -> Result<Self, ModelError> {
        Self::with_qp(name, layers, Vec::new(), training)
    }

    /// Checks layers, and how they change with the quantiser, and joins them to a model. `by_qp` has the shapes
    /// of `layers` or is empty.
    ///
    /// # Errors
    /// As [`Model::new`], and when `by_qp` has other shapes than `layers`.
    pub fn with_qp(
        name: impl Into<String>,
        layers: Vec<Conv3x3>,
        by_qp: Vec<Conv3x3>,
        training: Training,
    ) -> Result<Self, ModelError> {
        let name = name.into();
        let checked = check_layers(&layers).and_then(|()| match by_qp.len() {
            0 => Ok(()),
            n if n == layers.len() => check_layers(&by_qp).map_err(|why| format!("in what follows the QP: {why}")),
            n => Err(format!("it has {} layers, and {n} that follow the QP", layers.len())),
        });
        let channels = |layers: &[Conv3x3]| layers.first().map(|l| l.outputs);
        let checked = checked.and_then(|()| {
            let alike = by_qp.is_empty() || channels(&by_qp) == channels(&layers);
            if alike { Ok(()) } else { Err("its layers have other channels than those that follow the QP".to_owned()) }
        });
        match checked.and_then(|()| check_scores(&training.scores)) {
            Ok(()) => {
                let info = ModelInfo {
                    architecture: ARCHITECTURE.to_owned(),
                    scale: SCALE,
                    channels: layers.first().map_or(0, |l| l.outputs),
                    depth: layers.len().saturating_sub(2),
                    follows_qp: !by_qp.is_empty(),
                    trained_on: training.trained_on,
                    steps: training.steps,
                    scores: training.scores,
                    version: env!("CARGO_PKG_VERSION").to_owned(),
                };
                Ok(Self { name, info, layers, by_qp, ranges: None, deadband_factor: 1.0 })
            }
            Err(why) => Err(ModelError::Invalid { name, why }),
        }
    }

    /// The same model, saying how large its values become: for each layer but the last, for each of its channels, the
    /// largest value after ReLU on pictures that it is made for, whatever the quantiser. All lie above zero.
    ///
    /// # Errors
    /// When a hidden channel has no range, or a range is out of bounds.
    pub fn with_ranges(mut self, ranges: Vec<Vec<f32>>) -> Result<Self, ModelError> {
        let hidden = self.layers.len() - 1;
        let fits = ranges.len() == hidden && ranges.iter().zip(&self.layers).all(|(r, l)| r.len() == l.outputs);
        let sane = |r: &f32| (MIN_RANGE..=MAX_RANGE).contains(r);
        let bad = ranges.iter().flatten().find(|r| !sane(r));
        let why = match (fits, bad) {
            (false, _) => format!("it does not say for each channel of {hidden} layers how large its values become"),
            (true, Some(bad)) => {
                format!("it says that values become {bad} at most, and {MIN_RANGE} to {MAX_RANGE} are allowed")
            }
            (true, None) => {
                self.ranges = Some(ranges);
                return Ok(self);
            }
        };
        Err(ModelError::Invalid { name: self.name, why })
    }

    /// The same model, whose deadband is so many times as wide as is usual, 0 to 4: one that sharpens more shows more of
    /// what an encoder touches up where nothing moves ([`hysteresis`](crate::upscale::hysteresis)).
    ///
    /// # Errors
    /// When it is another number.
    pub fn with_deadband_factor(mut self, factor: f32) -> Result<Self, ModelError> {
        if (0.0..=4.0).contains(&factor) {
            self.deadband_factor = factor;
            return Ok(self);
        }
        let why = format!("it asks for a deadband {factor} times as wide, and 0 to 4 are allowed");
        Err(ModelError::Invalid { name: self.name, why })
    }

    /// An untrained model: what training starts from, and what tests are made of. The same seed gives the
    /// same weights (He et al. 2015, uniform; biases small), except that the last layer is scaled down, so
    /// that the picture starts near bicubic.
    ///
    /// # Errors
    /// When there are no or too many channels, or too many layers.
    pub fn untrained(channels: usize, depth: usize, seed: u64) -> Result<Self, ModelError> {
        let name = format!("untrained-{channels}-{depth}");
        if !(1..=MAX_CHANNELS).contains(&channels) || depth + 2 > MAX_LAYERS {
            let why = format!("channels must be 1 to {MAX_CHANNELS} and hidden layers 0 to {}", MAX_LAYERS - 2);
            return Err(ModelError::Invalid { name, why });
        }
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut layer = |inputs: usize, outputs: usize, gain: f32| {
            let bound = gain * (6.0 / (9 * inputs) as f32).sqrt();
            let mut draw = |n, b: f32| (0..n).map(|_| rng.random_range(-b..=b)).collect::<Vec<_>>();
            let (weights, bias) = (draw(9 * inputs * outputs, bound), draw(outputs, 0.02 * gain));
            Conv3x3 { inputs, outputs, weights, bias }
        };
        let mut layers = vec![layer(1, channels, 1.0)];
        layers.extend((0..depth).map(|_| layer(channels, channels, 1.0)));
        layers.push(layer(channels, 4, 0.1));
        Self::new(name, layers, Training::default())
    }

    /// Reads a file. Its name without folder and ending becomes the model's name.
    ///
    /// # Errors
    /// When the file cannot be read, or holds no such model.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let failed = |source| ModelError::Read { path: path.to_owned(), source };
        let bytes = file::read(path, MAX_FILE).map_err(failed)?;
        let name = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        file::parse(&bytes, name).map_err(|why| ModelError::Invalid { name: path.display().to_string(), why })
    }

    /// Reads a file's bytes; `name` becomes the model's name.
    ///
    /// # Errors
    /// When the bytes hold no model of this family.
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, ModelError> {
        file::parse(bytes, name.to_owned()).map_err(|why| ModelError::Invalid { name: name.to_owned(), why })
    }

    /// The bytes of the file that [`Model::from_bytes`] reads.
    ///
    /// # Errors
    /// When the safetensors format cannot hold it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        file::serialise(self).map_err(|why| ModelError::Invalid { name: self.name.clone(), why })
    }

    /// The names of the models that are built in, the first being the one to use when none is asked for.
    pub fn shipped() -> impl Iterator<Item = &'static str> {
        shipped::MODELS.iter().map(|(name, _)| *name)
    }

    /// A shipped model by its name, or else a file by its path. `NAME.vivid` are the vivid weights of a shipped one.
    ///
    /// # Errors
    /// When no model is called so, or the file cannot be read or holds no model.
    pub fn find(name_or_path: &str) -> Result<Self, ModelError> {
        let built_in = shipped::MODELS.iter().chain(shipped::VIVID);
        if let Some((name, bytes)) = built_in.clone().find(|(name, _)| *name == name_or_path) {
            return Self::from_bytes(bytes, name);
        }
        let path = Path::new(name_or_path);
        let like_a_file = path.extension().is_some_and(|e| e != "vivid") || path.components().count() > 1;
        if like_a_file || path.is_file() {
            return Self::read(path);
        }
        Err(ModelError::Unknown { name: name_or_path.to_owned(), known: built_in.map(|(name, _)| *name).collect() })
    }

    /// What it is called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it says about itself.
    pub const fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// The convolutions from first to last, at [`NEUTRAL_QP`]; all but the last are followed by ReLU.
    pub fn layers(&self) -> &[Conv3x3] {
        &self.layers
    }

    /// What is added to the convolutions for each unit of [`Condition::at`]; empty when they follow no quantiser.
    pub fn by_qp(&self) -> &[Conv3x3] {
        &self.by_qp
    }

    /// How large the values of hidden channels become, see [`Model::with_ranges`]; [`None`]: it does not say, and is not
    /// computed in bytes.
    pub fn ranges(&self) -> Option<&[Vec<f32>]> {
        self.ranges.as_deref()
    }

    /// How many times as wide as is usual its deadband is, see [`Model::with_deadband_factor`].
    pub const fn deadband_factor(&self) -> f32 {
        self.deadband_factor
    }

    /// The convolutions for a frame that was coded with a quantiser; [`None`]: it is not known. They are always the
    /// same where the model does not follow it.
    pub fn at_qp(&self, qp: Option<f32>) -> Vec<Conv3x3> {
        let Condition { at, share } = Condition::of(qp);
        let mut layers = at_condition(&self.layers, &self.by_qp, at);
        if let Some(last) = layers.last_mut().filter(|_| self.info.follows_qp) {
            last.scale(share);
        }
        layers
    }

    /// Multiplications for one low-resolution pixel: 9C + 9C²N + 36C. Bicubic is not counted.
    pub fn mac_per_pixel(&self) -> usize {
        self.layers.iter().map(|l| 9 * l.inputs * l.outputs).sum()
    }

    /// How many low-resolution pixels around a pixel it looks at: one for each convolution.
    pub fn radius(&self) -> usize {
        self.layers.len()
    }
}

/// Says what is wrong with layers that do not make a plain network.
fn check_layers(layers: &[Conv3x3]) -> Result<(), String> {
    if !(2..=MAX_LAYERS).contains(&layers.len()) {
        return Err(format!("it has {} layers, and 2 to {MAX_LAYERS} are allowed", layers.len()));
    }
    let channels = layers[0].outputs;
    if !(1..=MAX_CHANNELS).contains(&channels) {
        return Err(format!("it has {channels} channels, and 1 to {MAX_CHANNELS} are allowed"));
    }
    for (i, layer) in layers.iter().enumerate() {
        let inputs = if i == 0 { 1 } else { channels };
        let outputs = if i + 1 == layers.len() { 4 } else { channels };
        if (layer.inputs, layer.outputs) != (inputs, outputs) {
            let is = format!("{}→{}", layer.inputs, layer.outputs);
            return Err(format!("layer conv{i} goes {is} channels where {inputs}→{outputs} is needed"));
        }
        if layer.weights.len() != 9 * inputs * outputs || layer.bias.len() != outputs {
            let is = format!("{} weights and {} biases", layer.weights.len(), layer.bias.len());
            return Err(format!("layer conv{i} has {is} where {} and {outputs} are needed", 9 * inputs * outputs));
        }
        // Trained weights are below 10; the bound keeps sums finite through any sixteen layers in practice
        // and turns bytes that only look like numbers away.
        if let Some(bad) = layer.weights.iter().chain(&layer.bias).find(|v| v.is_nan() || v.abs() > MAX_WEIGHT) {
            return Err(format!("layer conv{i} holds the number {bad}, and weights lie between ±{MAX_WEIGHT}"));
        }
    }
    Ok(())
}

/// No weight is larger than this.
const MAX_WEIGHT: f32 = 1000.0;
/// Between these lies how large values may become: bytes are made by dividing by it.
const MIN_RANGE: f32 = 1e-6;
const MAX_RANGE: f32 = 1e6;

fn check_scores(scores: &BTreeMap<String, f64>) -> Result<(), String> {
    match scores.iter().find(|(_, v)| !v.is_finite()) {
        Some((name, v)) => Err(format!("its score '{name}' is {v}, which is not a number")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cost_is_counted_as_in_the_design() {
        let cost = |c, n| Model::untrained(c, n, 0).unwrap().mac_per_pixel();
        assert_eq!([cost(8, 1), cost(8, 3), cost(12, 1), cost(16, 4)], [936, 2088, 1836, 9936]);
        assert_eq!(Model::untrained(8, 1, 0).unwrap().radius(), 3);
    }

    #[test]
    fn a_seed_gives_the_same_weights() {
        assert_eq!(Model::untrained(5, 2, 7).unwrap(), Model::untrained(5, 2, 7).unwrap());
        assert_ne!(Model::untrained(5, 2, 7).unwrap(), Model::untrained(5, 2, 8).unwrap());
    }

    #[test]
    fn layers_that_do_not_fit_are_refused() {
        let good = || Model::untrained(3, 1, 1).unwrap().layers;
        let why = |layers| Model::new("m", layers, Training::default()).unwrap_err().to_string();
        assert!(Model::new("m", good(), Training::default()).is_ok());
        assert!(why(vec![]).contains("0 layers"));
        assert!(why(good().into_iter().cycle().take(17).collect()).contains("17 layers"));
        assert!(why(good().into_iter().skip(1).collect()).contains("conv0 goes 3→3"));
        assert!(why(good().into_iter().rev().collect()).contains("conv0"));
        let mut short = good();
        short[1].weights.pop();
        assert!(why(short).contains("80 weights"));
        for bad in [f32::NAN, f32::INFINITY, 1e9] {
            let mut layers = good();
            layers[2].bias[3] = bad;
            assert!(why(layers).contains("conv2 holds the number"));
        }
        assert!(Model::untrained(65, 1, 0).is_err() && Model::untrained(0, 1, 0).is_err());
        assert!(Model::untrained(8, 15, 0).is_err() && Model::untrained(64, 14, 0).is_ok());
    }

    #[test]
    fn weights_follow_the_quantiser_and_stop_at_its_ends() {
        let [neutral, change] = [1, 2].map(|seed| Model::untrained(3, 1, seed).unwrap().layers);
        let model = Model::with_qp("m", neutral.clone(), change.clone(), Training::default()).unwrap();
        assert!(model.info().follows_qp && model.layers() == neutral);
        assert_eq!(model.at_qp(Some(30.0)), neutral);
        // What was not coded has the finest weights and less of what they add.
        let (uncoded, fine) = (model.at_qp(None), model.at_qp(Some(22.0)));
        assert_eq!(uncoded[..2], fine[..2]);
        assert!((uncoded[2].weights[5] - UNCODED * fine[2].weights[5]).abs() < 1e-6);
        assert!((uncoded[2].bias[3] - UNCODED * fine[2].bias[3]).abs() < 1e-6);
        let plain = Model::new("plain", neutral.clone(), Training::default()).unwrap();
        assert_eq!(plain.at_qp(None), neutral, "a model that follows nothing stays as it is");
        let at = model.at_qp(Some(34.0));
        assert!((at[1].weights[5] - (neutral[1].weights[5] + 0.5 * change[1].weights[5])).abs() < 1e-6);
        assert!((at[2].bias[3] - (neutral[2].bias[3] + 0.5 * change[2].bias[3])).abs() < 1e-6);
        let why = |by_qp| Model::with_qp("m", neutral.clone(), by_qp, Training::default()).unwrap_err().to_string();
        assert!(why(change[..2].to_vec()).contains("2 that follow the QP"));
        assert!(why(Model::untrained(4, 1, 1).unwrap().layers).contains("other channels"));
    }

    #[test]
    fn models_blend_by_their_weights() {
        let model = |seed, depth| {
            let layers = |seed| Model::untrained(3, depth, seed).unwrap().layers;
            Model::with_qp("m", layers(seed), layers(seed + 9), Training::default()).unwrap()
        };
        let (a, b) = (model(1, 1), model(2, 1));
        assert_eq!(a.blended(&b, 0.0).unwrap(), a);
        assert_eq!(a.blended(&b, f32::NAN).unwrap(), a);
        assert_eq!(a.blended(&b, -1.0).unwrap(), a);
        let close = |x: &[Conv3x3], y: &[Conv3x3]| {
            x.iter().zip(y).all(|(x, y)| x.weights.iter().zip(&y.weights).all(|(x, y)| (x - y).abs() < 1e-6))
        };
        let whole = a.blended(&b, 7.0).unwrap();
        assert!(close(&whole.layers, &b.layers) && close(&whole.by_qp, &b.by_qp));
        let quarter = a.blended(&b, 0.25).unwrap();
        assert_eq!([quarter.name(), whole.name()], ["m@0.25", "m@1"]);
        let by_hand = 0.75 * a.layers[1].weights[4] + 0.25 * b.layers[1].weights[4];
        assert!((quarter.layers[1].weights[4] - by_hand).abs() < 1e-6);
        let by_hand = 0.75 * a.by_qp[0].bias[2] + 0.25 * b.by_qp[0].bias[2];
        assert!((quarter.by_qp[0].bias[2] - by_hand).abs() < 1e-6);
        assert!(a.blended(&model(2, 0), 0.5).unwrap_err().to_string().contains("another shape"));
        assert!(a.blended(&Model::untrained(3, 1, 1).unwrap(), 0.5).is_err(), "one follows the QP, the other does not");
    }

    #[test]
    fn vivid_weights_lie_beside_the_faithful_ones() {
        for (name, _) in shipped::VIVID {
            let name = name.strip_suffix(".vivid").unwrap();
            let (faithful, vivid) = (Model::find(name).unwrap(), Model::find_vivid(name).unwrap().unwrap());
            assert!(faithful.blended(&vivid, 1.0).is_ok() && faithful.layers != vivid.layers, "{name}");
            let by_name = Model::find(&format!("{name}.vivid")).unwrap();
            assert_eq!((by_name.layers(), by_name.name()), (vivid.layers(), vivid.name()));
        }
        assert!(matches!(Model::find("nano.vivid"), Err(ModelError::Unknown { .. })), "there are none");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.safetensors");
        let find = || Model::find_vivid(path.to_str().unwrap());
        assert!(find().unwrap().is_none());
        let vivid = Model::untrained(2, 0, 3).unwrap();
        std::fs::write(folder.path().join("mine.vivid.safetensors"), vivid.to_bytes().unwrap()).unwrap();
        assert_eq!(find().unwrap().unwrap().layers, vivid.layers);
        std::fs::write(folder.path().join("mine.vivid.safetensors"), b"junk").unwrap();
        assert!(find().is_err());
    }

    #[test]
    fn scores_are_numbers() {
        let training = Training { scores: [("psnr".to_owned(), f64::NAN)].into(), ..Default::default() };
        assert!(Model::new("m", Model::untrained(1, 0, 1).unwrap().layers, training).is_err());
    }
}
