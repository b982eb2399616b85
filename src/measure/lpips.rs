//! LPIPS, after R. Zhang, P. Isola, A. A. Efros, E. Shechtman and O. Wang, "The Unreasonable Effectiveness of Deep
//! Features as a Perceptual Metric" (CVPR 2018), version 0.1: how far apart two pictures are to a network that learnt
//! to name what pictures show.
//!
//! At each stage of the network the features of each pixel are brought to length 1. The squares of their differences
//! are summed over the channels by linear weights, which were learnt from what people call alike, and averaged over
//! the pixels; the stages' sums are added.

use rayon::prelude::*;

use super::{
    MeasureError, Result,
    features::{Features, Layer, Pool, SCALE, SHIFT},
};
use crate::{
    frame::Frame,
    matrix::{Factor, add_product},
};

/// So many numbers are gathered for a matrix product, about: 8 MiB for each thread.
const BAND: usize = 1 << 21;
/// Keeps features that are all zero from being divided by zero, as in the authors' program.
const EPSILON: f32 = 1e-10;
/// The smallest pictures of every network are smaller than this.
const MAX_SMALLEST: usize = 256;

/// The metric: 0 for equal pictures, 0.1 to 0.5 for coded ones, less is better.
#[derive(Debug)]
pub struct Lpips {
    layers: Vec<Prepared>,
    /// For each stage.
    linear: Vec<Vec<f32>>,
    smallest: usize,
}

/// A layer with its weights as `[kernel][kernel][inputs][outputs]`, for products with gathered pixels.
#[derive(Debug)]
struct Prepared {
    layer: Layer,
    weights: Vec<f32>,
    bias: Vec<f32>,
}

/// What the network sees in a picture, to be compared with what it sees in another.
#[derive(Debug, Clone)]
pub struct Look {
    size: (usize, usize),
    stages: Vec<Map>,
}

/// Features of pixels, as `[height][width][channels]`.
#[derive(Debug, Clone, PartialEq)]
struct Map {
    data: Vec<f32>,
    width: usize,
    height: usize,
    channels: usize,
}

impl Lpips {
    /// Prepares the network.
    pub fn new(features: Features) -> Self {
        let shapes: Vec<Layer> = features.convolutions.iter().map(|c| c.layer).collect();
        let layers = features.convolutions.into_iter().map(|convolution| {
            let (layer, weights) = (convolution.layer, convolution.weights);
            let area = layer.kernel * layer.kernel;
            let turned = |i: usize| {
                let (output, i) = (i % layer.outputs, i / layer.outputs);
                let (input, place) = (i % layer.inputs, i / layer.inputs);
                weights[(output * layer.inputs + input) * area + place]
            };
            Prepared { layer, weights: (0..weights.len()).map(turned).collect(), bias: convolution.bias }
        });
        Self { layers: layers.collect(), linear: features.linear, smallest: smallest(&shapes) }
    }

    /// What the network sees. R′G′B′ is taken to be sRGB whatever the matrix, as for
    /// [`ssimulacra2`](super::ssimulacra2()).
    ///
    /// # Errors
    /// When the picture is smaller than the network's windows: 31×31 for AlexNet, 16×16 for VGG16.
    pub fn look(&self, picture: &Frame) -> Result<Look> {
        super::large_enough("LPIPS", self.smallest, picture.y())?;
        let size = (picture.y().width(), picture.y().height());
        let scaled = |rgb: [f32; 3]| [0, 1, 2].map(|i| (2.0 * rgb[i] - 1.0 - SHIFT[i]) / SCALE[i]);
        let data = picture.to_rgb().into_iter().flat_map(scaled).collect();
        Ok(Look { size, stages: self.stages(Map { data, width: size.0, height: size.1, channels: 3 }) })
    }

    /// What leaves each stage.
    fn stages(&self, input: Map) -> Vec<Map> {
        let (mut stages, mut last, mut is_stage) = (Vec::new(), input, false);
        for layer in &self.layers {
            let pooled = layer.layer.pool.map(|pool| largest(&last, pool));
            let next = layer.apply(pooled.as_ref().unwrap_or(&last));
            let before = std::mem::replace(&mut last, next);
            if is_stage {
                stages.push(before);
            }
            is_stage = layer.layer.stage;
        }
        if is_stage {
            stages.push(last);
        }
        stages
    }

    /// LPIPS between two pictures that this network has looked at.
    ///
    /// # Errors
    /// When the pictures differ in size.
    pub fn between(&self, reference: &Look, other: &Look) -> Result<f64> {
        if reference.size != other.size {
            let [reference, other] = [reference, other].map(|look| format!("{}x{}", look.size.0, look.size.1));
            return Err(MeasureError::Size { reference, other });
        }
        let stages = reference.stages.iter().zip(&other.stages).zip(&self.linear);
        Ok(stages.map(|((a, b), linear)| apart(a, b, linear)).sum())
    }
}

/// The mean over the pixels of the weighted squares between features of length 1.
fn apart(a: &Map, b: &Map, linear: &[f32]) -> f64 {
    let row = a.width * a.channels;
    let length = |features: &[f32]| features.iter().map(|f| f * f).sum::<f32>().sqrt() + EPSILON;
    let pixel = |(a, b): (&[f32], &[f32])| {
        let (to_one_a, to_one_b) = (length(a).recip(), length(b).recip());
        let squares = a.iter().zip(b).zip(linear).map(|((a, b), weight)| {
            let difference = a * to_one_a - b * to_one_b;
            difference * difference * weight
        });
        f64::from(squares.sum::<f32>())
    };
    // Row by row and then in order, so that the sum is the same on any number of cores.
    let rows = a.data.par_chunks_exact(row).zip(b.data.par_chunks_exact(row));
    let rows: Vec<f64> =
        rows.map(|(a, b)| a.chunks_exact(linear.len()).zip(b.chunks_exact(linear.len())).map(pixel).sum()).collect();
    rows.iter().sum::<f64>() / (a.width * a.height) as f64
}

impl Layer {
    /// How long the side of its output is; none where a window is larger than its input.
    fn output(&self, side: usize) -> Option<usize> {
        let side = self.pool.map_or(Some(side), |pool| steps(side, pool.side, pool.stride))?;
        steps(side + 2 * self.padding, self.kernel, self.stride)
    }
}

/// The side of the smallest picture in which all windows have room.
fn smallest(layers: &[Layer]) -> usize {
    let fits = |side: &usize| layers.iter().try_fold(*side, |side, layer| layer.output(side)).is_some();
    (1..MAX_SMALLEST).find(fits).unwrap_or(MAX_SMALLEST)
}

/// How many windows lie wholly in a side.
fn steps(side: usize, window: usize, stride: usize) -> Option<usize> {
    Some(side.checked_sub(window)? / stride + 1)
}

/// The largest values of windows.
fn largest(input: &Map, pool: Pool) -> Map {
    let channels = input.channels;
    let [width, height] = [input.width, input.height].map(|side| steps(side, pool.side, pool.stride).unwrap_or(0));
    let mut data = vec![f32::NEG_INFINITY; width * height * channels];
    let rows = data.par_chunks_exact_mut((width * channels).max(1));
    rows.enumerate().for_each(|(y, row)| {
        for (x, most) in row.chunks_exact_mut(channels).enumerate() {
            for (dx, dy) in (0..pool.side * pool.side).map(|i| (i % pool.side, i / pool.side)) {
                let pixel = input.pixels(pool.stride * x + dx, pool.stride * y + dy, 1);
                most.iter_mut().zip(pixel).for_each(|(most, value)| *most = most.max(*value));
            }
        }
    });
    Map { data, width, height, channels }
}

impl Map {
    /// The features of `count` pixels of a row from (x, y).
    fn pixels(&self, x: usize, y: usize, count: usize) -> &[f32] {
        let first = (y * self.width + x) * self.channels;
        &self.data[first..first + count * self.channels]
    }
}

impl Prepared {
    /// The convolution and its ReLU. The input is large enough.
    fn apply(&self, input: &Map) -> Map {
        let Layer { kernel, stride, padding, outputs, .. } = self.layer;
        let [width, height] =
            [input.width, input.height].map(|side| steps(side + 2 * padding, kernel, stride).unwrap_or(0));
        let depth = kernel * kernel * input.channels;
        let rows = (BAND / (width * depth).max(1)).max(1);
        let mut data = vec![0.0; width * height * outputs];
        let bands = data.par_chunks_mut((rows * width * outputs).max(1));
        bands.enumerate().for_each(|(band, out)| {
            let mut windows = vec![0.0; out.len() / outputs * depth];
            for (i, window) in windows.chunks_exact_mut(depth).enumerate() {
                self.gather(input, i % width, band * rows + i / width, window);
            }
            out.chunks_exact_mut(outputs).for_each(|pixel| pixel.copy_from_slice(&self.bias));
            add_product(Factor::of(&windows, depth), Factor::of(&self.weights, outputs), out);
            out.iter_mut().for_each(|value| *value = value.max(0.0));
        });
        Map { data, width, height, channels: outputs }
    }

    /// What the window of the output's pixel (x, y) covers, as `[kernel][kernel][inputs]`; `window` is all zeros.
    fn gather(&self, input: &Map, x: usize, y: usize, window: &mut [f32]) {
        let Layer { kernel, stride, padding, .. } = self.layer;
        let channels = input.channels;
        // The part of the window's columns that lies in the picture.
        let left = (stride * x).saturating_sub(padding);
        let begin = (left + padding).saturating_sub(stride * x);
        let end = kernel.min((input.width + padding).saturating_sub(stride * x));
        for (dy, row) in window.chunks_exact_mut(kernel * channels).enumerate() {
            let Some(y) = (stride * y + dy).checked_sub(padding).filter(|y| *y < input.height) else { continue };
            if begin < end {
                row[begin * channels..end * channels].copy_from_slice(input.pixels(left, y, end - begin));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng as _, SeedableRng as _};

    use super::*;
    use crate::{
        frame::{Colour, Size, Stamp},
        measure::{
            features::{Convolution, Network},
            tests::pattern,
        },
    };

    fn network(convolutions: Vec<Convolution>, linear: Vec<Vec<f32>>) -> Lpips {
        Lpips::new(Features { network: Network::AlexNet, convolutions, linear })
    }

    /// Three layers with every kind of window, and random weights.
    fn tiny() -> Vec<Convolution> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let first = Layer { pool: None, inputs: 3, outputs: 5, kernel: 5, stride: 2, padding: 2, stage: true };
        let second = Layer { pool: Some(Pool { side: 3, stride: 2 }), inputs: 5, outputs: 4, kernel: 3, ..first };
        let second = Layer { stride: 1, padding: 1, stage: false, ..second };
        let third = Layer { pool: None, inputs: 4, outputs: 6, stage: true, ..second };
        let mut random = |count| (0..count).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
        let mut convolution = |layer: Layer| {
            let weights = random(layer.outputs * layer.inputs * layer.kernel * layer.kernel);
            Convolution { layer, weights, bias: random(layer.outputs) }
        };
        vec![convolution(first), convolution(second), convolution(third)]
    }

    type Planes = Vec<Vec<Vec<f64>>>;

    /// The definition, loop by loop, of planes `[channel][y][x]`.
    fn defined(convolution: &Convolution, input: &Planes) -> Planes {
        let Layer { pool, kernel, stride, padding, inputs, .. } = convolution.layer;
        let pooled = |plane: &Vec<Vec<f64>>, pool: Pool| {
            let most = |x: usize, y: usize| {
                let window = plane[y..y + pool.side].iter().flat_map(|row| &row[x..x + pool.side]);
                window.copied().fold(f64::MIN, f64::max)
            };
            let starts = |side: usize| (0..=side - pool.side).step_by(pool.stride);
            starts(plane.len()).map(|y| starts(plane[0].len()).map(|x| most(x, y)).collect()).collect()
        };
        let input: Planes = input.iter().map(|p| pool.map_or_else(|| p.clone(), |pool| pooled(p, pool))).collect();
        let at = |channel: usize, x: usize, y: usize| {
            let (x, y) = (x.checked_sub(padding), y.checked_sub(padding));
            y.zip(x).and_then(|(y, x)| input[channel].get(y)?.get(x)).copied().unwrap_or(0.0)
        };
        let sum = |output: usize, x: usize, y: usize| {
            let mut sum = f64::from(convolution.bias[output]);
            for i in 0..inputs * kernel * kernel {
                let (channel, dy, dx) = (i / kernel / kernel, i / kernel % kernel, i % kernel);
                let weight = convolution.weights[output * inputs * kernel * kernel + i];
                sum += f64::from(weight) * at(channel, x * stride + dx, y * stride + dy);
            }
            sum.max(0.0)
        };
        let places = |side: usize| 0..(side + 2 * padding - kernel) / stride + 1;
        let (height, width) = (input[0].len(), input[0][0].len());
        let plane = |output| places(height).map(|y| places(width).map(|x| sum(output, x, y)).collect()).collect();
        (0..convolution.layer.outputs).map(plane).collect()
    }

    #[test]
    fn it_is_its_definition() {
        let (layers, mut rng) = (tiny(), rand_chacha::ChaCha8Rng::seed_from_u64(2));
        let linear: Vec<Vec<f32>> = [5, 6].map(|n| (0..n).map(|_| rng.random_range(0.0..1.0)).collect()).into();
        let lpips = network(layers.clone(), linear.clone());
        for (width, height) in [(23, 18), (31, 40)] {
            let pictures = [pattern(width, height), {
                let mut other = pattern(width, height);
                other.planes_mut()[0].row_mut(height / 2).fill(200);
                other
            }];
            let stages = pictures.each_ref().map(|picture| {
                let rgb = picture.to_rgb();
                let scaled =
                    |c: usize, i: usize| (f64::from(rgb[i][c]) * 2.0 - 1.0 - f64::from(SHIFT[c])) / f64::from(SCALE[c]);
                let plane = |c| (0..height).map(|y| (0..width).map(|x| scaled(c, y * width + x)).collect()).collect();
                let first = defined(&layers[0], &(0..3).map(plane).collect());
                let third = defined(&layers[2], &defined(&layers[1], &first));
                [first, third]
            });
            let looks = pictures.each_ref().map(|picture| lpips.look(picture).unwrap());
            let mut want = 0.0;
            for (stage, linear) in linear.iter().enumerate() {
                let (a, b) = (&stages[0][stage], &stages[1][stage]);
                let (height, width) = (a[0].len(), a[0][0].len());
                for (x, y) in (0..width * height).map(|i| (i % width, i / width)) {
                    let pixel = |planes: &Planes| planes.iter().map(|plane| plane[y][x]).collect::<Vec<f64>>();
                    let unit = |p: Vec<f64>| {
                        let length = p.iter().map(|v| v * v).sum::<f64>().sqrt() + 1e-10;
                        p.into_iter().map(move |v| v / length).collect::<Vec<f64>>()
                    };
                    let both = unit(pixel(a)).into_iter().zip(unit(pixel(b)));
                    let weighted = both.zip(linear).map(|((a, b), w)| (a - b) * (a - b) * f64::from(*w));
                    want += weighted.sum::<f64>() / (width * height) as f64;
                    let seen = looks[0].stages[stage].pixels(x, y, 1);
                    assert!(
                        seen.iter().zip(pixel(a)).all(|(is, want)| (f64::from(*is) - want).abs() < 1e-4 * (1.0 + want))
                    );
                }
            }
            let is = lpips.between(&looks[0], &looks[1]).unwrap();
            assert!(want > 0.01 && (is - want).abs() < 1e-4 * want, "{is} where {want} is wanted");
            assert_eq!(lpips.between(&looks[1], &looks[0]).unwrap(), is, "it is symmetric");
            assert_eq!(lpips.between(&looks[0], &looks[0]).unwrap(), 0.0);
        }
    }

    /// By hand: one channel for red above the middle and one for red below it, so that a red and a black picture have
    /// the features (1, 0) and (0, 1).
    #[test]
    fn opposite_features_are_the_sum_of_their_weights_apart() {
        let layer = Layer { pool: None, inputs: 3, outputs: 2, kernel: 1, stride: 1, padding: 0, stage: true };
        let weights = vec![1.0, 0.0, 0.0, -1.0, 0.0, 0.0];
        let lpips = network(vec![Convolution { layer, weights, bias: vec![0.0; 2] }], vec![vec![0.25, 0.5]]);
        let look = |yuv, size| lpips.look(&Frame::filled(size, yuv, Colour::default(), Stamp::now(0))).unwrap();
        let size = Size::new(4, 2).unwrap();
        let (red, black) = (look([81, 90, 240], size), look([16, 128, 128], size));
        assert!((lpips.between(&red, &black).unwrap() - 0.75).abs() < 1e-6);
        let other = look([81, 90, 240], Size::new(2, 4).unwrap());
        let error = lpips.between(&red, &other).unwrap_err().to_string();
        assert!(error.contains("4x2") && error.contains("2x4"), "{error}");
    }

    #[test]
    fn pictures_without_room_for_a_window_are_refused() {
        assert_eq!(smallest(Network::AlexNet.layers()), 31);
        assert_eq!(smallest(Network::Vgg16.layers()), 16);
        // A window of five behind two zeros, then one of three of the three pixels that are left of five.
        let lpips = network(tiny(), vec![vec![1.0; 5], vec![1.0; 6]]);
        assert!(lpips.look(&pattern(5, 5)).is_ok());
        let error = lpips.look(&pattern(40, 4)).unwrap_err().to_string();
        assert!(error.contains("LPIPS") && error.contains("5x5") && error.contains("40x4"), "{error}");
    }
}
