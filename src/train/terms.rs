//! The terms of vivid training, each with its derivative: what a generator is asked for beside the right values.
//!
//! The loss is their weighted sum:
//!
//! | term | asks for | after |
//! |---|---|---|
//! | `adversarial` | pictures that a critic takes for true ones (hinge) | Lim and Ye, arXiv 1705.02894 |
//! | `supervised` | the right values: [`Loss`](super::Loss) | |
//! | `locality` | the right values from an input with noise too | |
//! | `tangent` | a tangent space of full rank: (‖J·v‖²/‖v‖² − c)² | LGAN, Qi et al., arXiv 1711.06020 |
//! | `feature` | the critic's features of the true picture | Salimans et al., arXiv 1606.03498 |
//!
//! The last two and locality keep the generator from collapsing onto a few textures that please the critic.

/// How much each term counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// See the module.
    pub adversarial: f32,
    /// See the module.
    pub supervised: f32,
    /// See the module.
    pub locality: f32,
    /// See the module.
    pub tangent: f32,
    /// See the module.
    pub feature: f32,
}

impl Terms {
    /// The terms by name, in the order in which they are written.
    pub fn named(self) -> [(&'static str, f32); 5] {
        [
            ("adversarial", self.adversarial),
            ("supervised", self.supervised),
            ("locality", self.locality),
            ("tangent", self.tangent),
            ("feature", self.feature),
        ]
    }

    pub(super) fn sum(self, weights: Self) -> f32 {
        self.named().iter().zip(weights.named()).map(|((_, value), (_, weight))| value * weight).sum()
    }

    pub(super) fn add(&mut self, by: f32, other: Self) {
        self.adversarial += by * other.adversarial;
        self.supervised += by * other.supervised;
        self.locality += by * other.locality;
        self.tangent += by * other.tangent;
        self.feature += by * other.feature;
    }

    pub(super) const ZERO: Self = Self { adversarial: 0.0, supervised: 0.0, locality: 0.0, tangent: 0.0, feature: 0.0 };
}

/// Noise on the input for `locality`: its standard deviation, for luma from 0 to 1.
pub(super) const NOISE: f32 = 2.0 / 255.0;
/// The step along a direction by which J·v is measured.
pub(super) const STEP: f32 = 0.5;
/// What ‖J·v‖²/‖v‖² is for a change that a larger picture shows in full: 2×2 pixels for each.
pub(super) const GAIN: f32 = 4.0;
/// Directions that change a pixel by less than this are flat pictures, and say nothing.
const LEAST_CHANGE: f32 = 0.5 / 255.0;

/// What the critic pays for its judgement of true and of made pictures, and the slopes: E max(0, 1 − D(true)) +
/// E max(0, 1 + D(made)).
pub(super) fn critic(on_true: &[f32], on_made: &[f32]) -> (f32, [Vec<f32>; 2]) {
    let mut value = 0.0;
    let mut side = |judged: &[f32], sign: f32| {
        let count = judged.len().max(1) as f32;
        let slopes = judged.iter().map(|d| {
            let margin = 1.0 + sign * d;
            value += margin.max(0.0) / count;
            if margin > 0.0 { sign / count } else { 0.0 }
        });
        slopes.collect::<Vec<_>>()
    };
    let slopes = [side(on_true, -1.0), side(on_made, 1.0)];
    (value, slopes)
}

/// What the generator pays for the critic's judgement, and the slopes: −E D(made).
pub(super) fn adversarial(on_made: &[f32]) -> (f32, Vec<f32>) {
    let count = on_made.len().max(1) as f32;
    (-on_made.iter().sum::<f32>() / count, vec![-1.0 / count; on_made.len()])
}

/// The mean distance of the features of a made picture from those of the true one, and the slopes.
pub(super) fn feature(made: &[f32], of_true: &[f32]) -> (f32, Vec<f32>) {
    let count = made.len().max(1) as f32;
    let mut value = 0.0;
    let slopes = made.iter().zip(of_true).map(|(made, of_true)| {
        let away = made - of_true;
        value += away.abs() / count;
        if away == 0.0 { 0.0 } else { away.signum() / count }
    });
    let slopes = slopes.collect();
    (value, slopes)
}

/// (‖J·v‖²/‖v‖² − c)² with J·v = (moved − output) / [`STEP`], and the slope by `moved`; that by `output` is its
/// negative. Nothing for a flat direction.
pub(super) fn tangent(output: &[f32], moved: &[f32], direction: &[f32]) -> (f32, Vec<f32>) {
    let Some(gain) = gain(output, moved, direction) else { return (0.0, vec![0.0; moved.len()]) };
    let by = 4.0 * (gain - GAIN) / (STEP * STEP * square(direction));
    ((gain - GAIN).powi(2), moved.iter().zip(output).map(|(moved, output)| by * (moved - output)).collect())
}

/// ‖J·v‖²/‖v‖²; [`None`] for a flat direction.
pub(super) fn gain(output: &[f32], moved: &[f32], direction: &[f32]) -> Option<f32> {
    let length = square(direction);
    let apart: f32 = moved.iter().zip(output).map(|(moved, output)| (moved - output).powi(2)).sum();
    (length > LEAST_CHANGE * LEAST_CHANGE * direction.len() as f32).then(|| apart / (STEP * STEP * length))
}

fn square(v: &[f32]) -> f32 {
    v.iter().map(|v| v * v).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hinge_by_hand() {
        // Sure of one true picture, not of the other; taken in by one made picture.
        let (value, [on_true, on_made]) = critic(&[2.0, 0.5], &[-3.0, 1.0]);
        assert_eq!(value, (0.0 + 0.5) / 2.0 + (0.0 + 2.0) / 2.0);
        assert_eq!((on_true, on_made), (vec![0.0, -0.5], vec![0.0, 0.5]));
        assert_eq!(adversarial(&[3.0, -1.0]), (-1.0, vec![-0.5, -0.5]));
    }

    #[test]
    fn feature_by_hand() {
        let (value, slopes) = feature(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 2.0, 4.0]);
        assert_eq!((value, slopes), ((2.0 + 1.0) / 4.0, vec![0.0, -0.25, 0.25, 0.0]));
    }

    #[test]
    fn tangent_by_hand() {
        // ‖v‖² = 1; the output moves by 0.5·(2, 1): ‖J·v‖² = 5, so (5 − 4)² = 1. Its slope by the first moved
        // value: 2·(5 − 4) · 2·1.0 / (0.5²·1) = 16.
        let (value, slopes) = tangent(&[1.0, 1.0], &[2.0, 1.5], &[0.6, 0.8]);
        assert!((value - 1.0).abs() < 1e-5 && (slopes[0] - 16.0).abs() < 1e-3 && (slopes[1] - 8.0).abs() < 1e-3);
        // Where the picture is shown in full nothing pulls, and a flat direction says nothing.
        assert!(tangent(&[0.0, 0.0], &[0.5, 0.5 * 3.0_f32.sqrt()], &[0.6, 0.8]).0 < 1e-9);
        assert_eq!(tangent(&[0.0], &[1.0], &[0.001]), (0.0, vec![0.0]));
    }

    #[test]
    fn slopes_are_derivatives() {
        let numbers = |k: usize, n: usize| (0..n).map(|i| ((i * 31 + k * 17) % 23) as f32 / 11.0 - 1.0).collect();
        let [a, b]: [Vec<f32>; 2] = [numbers(1, 7), numbers(2, 7)];
        let direction: Vec<f32> = numbers(3, 5);
        type Term<'a> = &'a dyn Fn(&[f32]) -> (f32, Vec<f32>);
        let check = |f: Term<'_>| {
            let slopes = f(&a).1;
            for i in 0..a.len() {
                let at = |by: f32| {
                    let mut moved = a.clone();
                    moved[i] += by;
                    f(&moved).0
                };
                let measured = (at(1e-3) - at(-1e-3)) / 2e-3;
                assert!((measured - slopes[i]).abs() < 0.02 * (1.0 + measured.abs()), "{measured} {}", slopes[i]);
            }
        };
        check(&|a| adversarial(a));
        check(&|a| feature(a, &b));
        check(&|a| tangent(&b, a, &direction));
        check(&|a| {
            let (value, [slopes, _]) = critic(a, &b);
            (value, slopes)
        });
        check(&|a| {
            let (value, [_, slopes]) = critic(&b, a);
            (value, slopes)
        });
    }

    #[test]
    fn the_sum_is_weighted() {
        let mut sum = Terms::ZERO;
        sum.add(0.5, Terms { adversarial: 2.0, supervised: 4.0, locality: 6.0, tangent: 8.0, feature: 10.0 });
        let weights = Terms { adversarial: 1.0, supervised: 10.0, locality: 100.0, tangent: 1000.0, feature: 0.1 };
        assert_eq!(sum.sum(weights), 1.0 + 20.0 + 300.0 + 4000.0 + 0.5);
    }
}
