//! The perceptual term: how far a made picture is from the true one in the features of VGG16, which was trained to
//! tell objects apart (Simonyan and Zisserman, arXiv 1409.1556), weighted as people judge it (LPIPS: Zhang et al.,
//! CVPR 2018, arXiv 1801.03924, with its linear weights for VGG16).
//!
//! Of five stages the first three count: a patch of a call's picture has hardly anything to say to the deeper ones,
//! and they cost most. Pictures are grey, since a network learns luma only.

use super::conv::{self, Shape};
use crate::{
    measure::features::{Features, Network, SCALE, SHIFT},
    model::Conv3x3,
    train::TrainError,
};

/// Stages that count.
const STAGES: usize = 3;
/// The convolutions of each of VGG16's stages; between two stages a 2×2 maximum halves the picture.
const CONVS: [usize; STAGES] = [2, 2, 3];
/// Added to the squared length of a pixel's features before they are divided by its root.
const EPSILON: f32 = 1e-10;

/// The convolutions of VGG16 that the term needs, and LPIPS' weights.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Perceptual {
    stages: Vec<Stage>,
}

#[derive(Debug, Clone, PartialEq)]
struct Stage {
    convs: Vec<Conv3x3>,
    /// For each channel of the last convolution.
    linear: Vec<f32>,
}

/// Square planes, `[channel][row][column]`.
#[derive(Debug, Clone, PartialEq)]
struct Planes {
    side: usize,
    data: Vec<f32>,
}

impl Planes {
    fn area(&self) -> usize {
        self.side * self.side
    }

    /// With a rim of zeros, as VGG16's convolutions see them.
    fn padded(&self) -> Self {
        let side = self.side + 2;
        let mut data = vec![0.0; self.data.len() / self.area().max(1) * side * side];
        for (from, to) in self.data.chunks_exact(self.area()).zip(data.chunks_exact_mut(side * side)) {
            for (from, to) in from.chunks_exact(self.side).zip(to.chunks_exact_mut(side).skip(1)) {
                to[1..=self.side].copy_from_slice(from);
            }
        }
        Self { side, data }
    }

    /// Without the rim.
    fn inner(&self) -> Self {
        let side = self.side - 2;
        let rows =
            self.data.chunks_exact(self.area()).flat_map(|plane| plane.chunks_exact(self.side).skip(1).take(side));
        Self { side, data: rows.flat_map(|row| &row[1..=side]).copied().collect() }
    }

    /// The largest of each 2×2 pixels. An odd last row and column are left out.
    fn halved(&self) -> Self {
        let (side, width) = (self.side / 2, self.side);
        let mut data = Vec::with_capacity(self.data.len() / 4);
        for plane in self.data.chunks_exact(self.area()) {
            for rows in plane.chunks_exact(2 * width) {
                let (above, below) = rows.split_at(width);
                let pairs = above.as_chunks::<2>().0.iter().zip(below.as_chunks::<2>().0);
                data.extend(pairs.map(|(a, b)| a[0].max(a[1]).max(b[0].max(b[1]))));
            }
        }
        Self { side, data }
    }

    /// Brings the slopes of [`Self::halved`] to the first of each 2×2 pixels that is the largest.
    fn spread(&self, slopes: &Self) -> Self {
        let mut to = vec![0.0; self.data.len()];
        let (width, side) = (self.side, slopes.side);
        for (at, slope) in slopes.data.iter().enumerate() {
            let (plane, y, x) = (at / (side * side), at / side % side, at % side);
            let corner = plane * self.area() + 2 * y * width + 2 * x;
            let four = [corner, corner + 1, corner + width, corner + width + 1];
            let largest = four.into_iter().reduce(|a, b| if self.data[b] > self.data[a] { b } else { a });
            to[largest.unwrap_or(corner)] = *slope;
        }
        Self { side: width, data: to }
    }
}

/// What a convolution made of what it was given: both are needed on the way back.
type Steps = Vec<Planes>;

impl Perceptual {
    /// Takes what the term needs from a file of features.
    ///
    /// # Errors
    ///
    /// When they are another network's.
    pub(super) fn new(features: &Features) -> Result<Self, TrainError> {
        if features.network != Network::Vgg16 {
            let why = format!("the features of {}: the perceptual term looks through vgg16", features.network.name());
            return Err(TrainError::Config(why));
        }
        let mut convs = features.convolutions.iter().map(|conv| Conv3x3 {
            inputs: conv.layer.inputs,
            outputs: conv.layer.outputs,
            weights: conv.weights.clone(),
            bias: conv.bias.clone(),
        });
        let stages = CONVS.iter().zip(&features.linear);
        let stages = stages
            .map(|(count, linear)| Stage { convs: convs.by_ref().take(*count).collect(), linear: linear.clone() });
        Ok(Self { stages: stages.collect() })
    }

    /// The distance of two pictures of `side²` luma pixels, codes of limited range over 255, and its slope by each pixel
    /// of the first.
    pub(super) fn distance(&self, made: &[f32], of_true: &[f32], side: usize) -> (f32, Vec<f32>) {
        let (steps, target) = (self.forward(made, side), self.forward(of_true, side));
        let mut value = 0.0;
        // From the last stage to the first: what reaches a stage's end from the next one joins its own slope.
        let mut from_next: Option<Planes> = None;
        for (stage, (steps, target)) in self.stages.iter().zip(steps.iter().zip(&target)).rev() {
            let (Some(made), Some(of_true)) = (steps.last(), target.last()) else { continue };
            let (part, mut slope) = apart(made, of_true, &stage.linear);
            value += part;
            if let Some(next) = from_next.take() {
                slope.data.iter_mut().zip(&made.spread(&next).data).for_each(|(slope, next)| *slope += next);
            }
            for (conv, step) in stage.convs.iter().zip(steps.iter().skip(1)).rev() {
                slope
                    .data
                    .iter_mut()
                    .zip(&step.data)
                    .filter(|(_, out)| **out <= 0.0)
                    .for_each(|(slope, _)| *slope = 0.0);
                let data = conv::input_gradient(&slope.data, &conv.weights, shape(conv, slope.side));
                slope = Planes { side: slope.side + 2, data }.inner();
            }
            from_next = Some(slope);
        }
        let area = side * side;
        let by_rgb = from_next.map_or_else(|| vec![0.0; 3 * area], |slope| slope.data);
        let by_luma = (0..area).map(|at| (0..3).map(|c| by_rgb[c * area + at] * TO_SIGNED / SCALE[c]).sum());
        (value, by_luma.collect())
    }

    /// For each stage its input and what each of its convolutions made, cut at zero.
    fn forward(&self, luma: &[f32], side: usize) -> Vec<Steps> {
        let signed = |v: f32| (v - BLACK) * TO_SIGNED - 1.0;
        let rgb = (0..3).flat_map(|c| luma.iter().map(move |v| (signed(*v) - SHIFT[c]) / SCALE[c]));
        let mut planes = Planes { side, data: rgb.collect() };
        let mut all: Vec<Steps> = Vec::with_capacity(self.stages.len());
        for stage in &self.stages {
            if let Some(before) = all.last().and_then(|steps| steps.last()) {
                planes = before.halved();
            }
            let mut steps = vec![planes.clone()];
            for conv in &stage.convs {
                let data =
                    conv::forward(&planes.padded().data, &conv.weights, &conv.bias, shape(conv, planes.side), true);
                planes = Planes { side: planes.side, data };
                steps.push(planes.clone());
            }
            all.push(steps);
        }
        all
    }
}

/// Black, and from a code over 255 to −1…1.
const BLACK: f32 = 16.0 / 255.0;
const TO_SIGNED: f32 = 2.0 * 255.0 / 219.0;

/// A convolution over a padded picture that is `side` pixels wide without its rim.
fn shape(conv: &Conv3x3, side: usize) -> Shape {
    Shape { images: 1, inputs: conv.inputs, outputs: conv.outputs, height: side + 2, width: side + 2 }
}

/// LPIPS of one stage: Σ over channels of weight · (m̂ − t̂)², in the mean over pixels, where a hat is a pixel's features
/// divided by their length; and the slopes by `made`.
fn apart(made: &Planes, of_true: &Planes, linear: &[f32]) -> (f32, Planes) {
    let area = made.area();
    let length = |planes: &Planes| {
        let mut square = vec![EPSILON; area];
        for plane in planes.data.chunks_exact(area) {
            square.iter_mut().zip(plane).for_each(|(sum, v)| *sum += v * v);
        }
        square.into_iter().map(f32::sqrt).collect::<Vec<f32>>()
    };
    let (of_made, of_target) = (length(made), length(of_true));
    let mut value = 0.0_f64;
    let mut slopes = vec![0.0; made.data.len()];
    // ∂/∂m = (s − m̂·⟨s, m̂⟩)/‖m‖ with s the slope by m̂.
    let mut along = vec![0.0; area];
    let planes = made.data.chunks_exact(area).zip(of_true.data.chunks_exact(area)).zip(linear);
    for (((made, of_true), weight), slopes) in planes.clone().zip(slopes.chunks_exact_mut(area)) {
        for at in 0..area {
            let (m, t) = (made[at] / of_made[at], of_true[at] / of_target[at]);
            value += f64::from(weight * (m - t) * (m - t));
            slopes[at] = 2.0 * weight * (m - t) / area as f32;
            along[at] += slopes[at] * m;
        }
    }
    for (((made, _), _), slopes) in planes.zip(slopes.chunks_exact_mut(area)) {
        for at in 0..area {
            slopes[at] = (slopes[at] - made[at] / of_made[at] * along[at]) / of_made[at];
        }
    }
    ((value / area as f64) as f32, Planes { side: made.side, data: slopes })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

    fn numbers(rng: &mut ChaCha8Rng, n: usize) -> Vec<f32> {
        (0..n).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    /// VGG16's shape with few channels. Their biases keep most of them above zero: a pixel without any feature has no
    /// direction, and no slope that could be measured.
    pub(in crate::train) fn small(seed: u64) -> Perceptual {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut inputs = 3;
        let stages = CONVS.iter().enumerate().map(|(stage, count)| {
            let outputs = 4 + stage;
            let convs = (0..*count).map(|_| {
                let weights = numbers(&mut rng, 9 * inputs * outputs).iter().map(|w| 0.4 * w / inputs as f32).collect();
                let bias = numbers(&mut rng, outputs).iter().map(|b| 1.0 + 0.5 * b).collect();
                let conv = Conv3x3 { inputs, outputs, weights, bias };
                inputs = outputs;
                conv
            });
            let convs = convs.collect();
            Stage { convs, linear: numbers(&mut rng, outputs).into_iter().map(f32::abs).collect() }
        });
        Perceptual { stages: stages.collect() }
    }

    #[test]
    fn a_picture_is_no_distance_from_itself() {
        let picture = numbers(&mut ChaCha8Rng::seed_from_u64(1), 12 * 12);
        let (value, slopes) = small(2).distance(&picture, &picture, 12);
        assert_eq!(value, 0.0);
        assert!(slopes.iter().all(|slope| *slope == 0.0));
        assert!(small(2).distance(&numbers(&mut ChaCha8Rng::seed_from_u64(3), 144), &picture, 12).0 > 0.0);
    }

    #[test]
    fn the_slopes_are_those_of_the_distance() {
        // 13 pixels: a row and a column are left out when the picture is halved.
        for side in [12, 13] {
            let mut rng = ChaCha8Rng::seed_from_u64(4);
            let perceptual = small(5);
            let [made, of_true] = [0, 1].map(|_| numbers(&mut rng, side * side));
            let (_, slopes) = perceptual.distance(&made, &of_true, side);
            let way = numbers(&mut rng, side * side);
            let at = |by: f32| {
                let moved: Vec<f32> = made.iter().zip(&way).map(|(v, w)| v + by * w).collect();
                f64::from(perceptual.distance(&moved, &of_true, side).0)
            };
            let measured = (at(1e-3) - at(-1e-3)) / 2e-3;
            let said: f64 = slopes.iter().zip(&way).map(|(s, w)| f64::from(s * w)).sum();
            assert!((measured - said).abs() < 0.02 * said.abs().max(1e-3), "{side}: {measured} {said}");
        }
    }

    #[test]
    fn one_stage_by_hand() {
        // Two channels of one pixel: (3, 4) has the direction (0.6, 0.8), (0, 2) has (0, 1).
        let plane = |data: [f32; 2]| Planes { side: 1, data: data.to_vec() };
        let (value, slopes) = apart(&plane([3.0, 4.0]), &plane([0.0, 2.0]), &[1.0, 0.5]);
        assert!((value - (0.36 + 0.5 * 0.04)).abs() < 1e-6, "{value}");
        // s = (1.2, −0.2), ⟨s, m̂⟩ = 0.56; (s − m̂ · 0.56) / 5.
        let by_hand = [(1.2 - 0.6 * 0.56) / 5.0, (-0.2 - 0.8 * 0.56) / 5.0];
        assert!(slopes.data.iter().zip(by_hand).all(|(a, b)| (a - b).abs() < 1e-6), "{slopes:?}");
        // Brightness alone is no distance.
        assert!(apart(&plane([3.0, 4.0]), &plane([6.0, 8.0]), &[1.0, 1.0]).0 < 1e-10);
    }

    #[test]
    fn the_largest_of_four_is_kept_and_takes_the_slope() {
        let planes = Planes { side: 3, data: vec![1.0, 5.0, 9.0, 2.0, 5.0, 9.0, 9.0, 9.0, 9.0] };
        let halved = planes.halved();
        assert_eq!((halved.side, &halved.data[..]), (1, &[5.0][..]));
        let back = planes.spread(&Planes { side: 1, data: vec![2.0] });
        assert_eq!(back.data, [0.0, 2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn a_rim_comes_and_goes() {
        let planes = Planes { side: 2, data: (1..=8).map(|v| v as f32).collect() };
        let padded = planes.padded();
        assert_eq!(padded.data[..16], [0., 0., 0., 0., 0., 1., 2., 0., 0., 3., 4., 0., 0., 0., 0., 0.]);
        assert_eq!(padded.inner(), planes);
    }
}
