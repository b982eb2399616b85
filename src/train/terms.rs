//! The terms of vivid training, each with its derivative: what a generator is asked for beside the right values.
//!
//! The loss is their weighted sum:
//!
//! | term | asks for | after |
//! |---|---|---|
//! | `adversarial` | pictures that a critic takes for true ones (hinge), or for truer than the true ones' mean (relativistic average) | Lim and Ye, arXiv 1705.02894; Jolicoeur-Martineau, arXiv 1807.00734 |
//! | `supervised` | the right values: [`Loss`](super::Loss) | |
//! | `locality` | the right values from an input with noise too | |
//! | `tangent` | a tangent space of full rank: (‖J·v‖²/‖v‖² − c)², c being the truth's | LGAN, Qi et al., arXiv 1711.06020 |
//! | `feature` | the critic's features of the true picture | Salimans et al., arXiv 1606.03498 |
//! | `flat` | nothing where the true picture has next to nothing: skin, walls | |
//! | `perceptual` | VGG16's features of the true picture: [`perceptual`](super::perceptual) | LPIPS, arXiv 1801.03924 |
//! | `energy` | as much of each wavelet band as the true picture has there: [`texture`](super::texture) | |
//! | `transport` | the true picture's distribution of small patches: [`texture`](super::texture) | Heitz et al., arXiv 2006.07229 |
//!
//! Locality, tangent and feature keep the generator from collapsing onto a few textures that please the critic.

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
    /// See the module.
    pub flat: f32,
    /// See the module. Needs the features of [`TrainConfig::features`](super::TrainConfig::features).
    pub perceptual: f32,
    /// See the module.
    pub energy: f32,
    /// See the module.
    pub transport: f32,
}

impl Terms {
    /// The terms by name, in the order in which they are written.
    pub fn named(self) -> [(&'static str, f32); 9] {
        [
            ("adversarial", self.adversarial),
            ("supervised", self.supervised),
            ("locality", self.locality),
            ("tangent", self.tangent),
            ("feature", self.feature),
            ("flat", self.flat),
            ("perceptual", self.perceptual),
            ("energy", self.energy),
            ("transport", self.transport),
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
        self.flat += by * other.flat;
        self.perceptual += by * other.perceptual;
        self.energy += by * other.energy;
        self.transport += by * other.transport;
    }

    pub(crate) const ZERO: Self = Self {
        adversarial: 0.0,
        supervised: 0.0,
        locality: 0.0,
        tangent: 0.0,
        feature: 0.0,
        flat: 0.0,
        perceptual: 0.0,
        energy: 0.0,
        transport: 0.0,
    };

    /// Whether the critic has a say.
    pub(super) fn ask_the_critic(self) -> bool {
        self.adversarial > 0.0 || self.feature > 0.0
    }
}

/// Noise on the input for `locality`: its standard deviation, for luma from 0 to 1.
pub(super) const NOISE: f32 = 2.0 / 255.0;
/// The step along a direction by which J·v is measured.
pub(crate) const STEP: f32 = 0.5;
/// Between these is the constant of `tangent`; a direction may hardly change the true picture, or nothing else.
const CONSTANT: std::ops::RangeInclusive<f32> = 0.5..=16.0;
/// Directions that change a pixel by less than this are flat pictures, and say nothing.
const LEAST_CHANGE: f32 = 0.5 / 255.0;

/// The range of 6×6 pixels at which they count half as flat, for luma from 0 to 1.
const FLAT: f32 = 6.0 / 255.0;
/// The ε of what a flat place costs: a quarter of a code.
const FLAT_EPSILON: f32 = 0.25 / 255.0;

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
pub(crate) fn adversarial(on_made: &[f32]) -> (f32, Vec<f32>) {
    let count = on_made.len().max(1) as f32;
    (-on_made.iter().sum::<f32>() / count, vec![-1.0 / count; on_made.len()])
}

/// What the critic pays where it is asked whether a picture is truer than the other side's mean (relativistic average,
/// Jolicoeur-Martineau, arXiv 1807.00734), and the slopes: E max(0, 1 − (D(true) − E D(made))) +
/// E max(0, 1 + (D(made) − E D(true))). The means are those of one patch and its true picture, not of a batch.
pub(super) fn relativistic_critic(on_true: &[f32], on_made: &[f32]) -> (f32, [Vec<f32>; 2]) {
    let (of_true, of_made) = (mean(on_true), mean(on_made));
    let apart = |judged: &[f32], other: f32| judged.iter().map(|d| d - other).collect::<Vec<_>>();
    let (value, [mut by_true, mut by_made]) = critic(&apart(on_true, of_made), &apart(on_made, of_true));
    // Each mean moves what it is taken from the other way.
    let [sum_true, sum_made] = [&by_true, &by_made].map(|by| by.iter().sum::<f32>());
    by_true.iter_mut().for_each(|by| *by -= sum_made / on_true.len().max(1) as f32);
    by_made.iter_mut().for_each(|by| *by -= sum_true / on_made.len().max(1) as f32);
    (value, [by_true, by_made])
}

/// What the generator pays for that judgement, and the slopes by `on_made`: what the critic would pay with the two sides
/// exchanged.
pub(super) fn relativistic_adversarial(on_true: &[f32], on_made: &[f32]) -> (f32, Vec<f32>) {
    let (value, [by_made, _]) = relativistic_critic(on_made, on_true);
    (value, by_made)
}

fn mean(judged: &[f32]) -> f32 {
    judged.iter().sum::<f32>() / judged.len().max(1) as f32
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
///
/// c is what the true picture does when the small one changes along v: ‖of_true‖²/‖v‖², within [`CONSTANT`]. A picture
/// that is merely scaled changes by 4, 2×2 pixels for each; one that is sharp by more, and asking it for 4 blurs it.
pub(crate) fn tangent(output: &[f32], moved: &[f32], direction: &[f32], of_true: &[f32]) -> (f32, Vec<f32>) {
    let Some(gain) = gain(output, moved, direction) else { return (0.0, vec![0.0; moved.len()]) };
    let length = square(direction);
    let c = (square(of_true) / length).clamp(*CONSTANT.start(), *CONSTANT.end());
    let by = 4.0 * (gain - c) / (STEP * STEP * length);
    ((gain - c).powi(2), moved.iter().zip(output).map(|(moved, output)| by * (moved - output)).collect())
}

/// ‖J·v‖²/‖v‖²; [`None`] for a flat direction.
pub(super) fn gain(output: &[f32], moved: &[f32], direction: &[f32]) -> Option<f32> {
    let length = square(direction);
    let apart: f32 = moved.iter().zip(output).map(|(moved, output)| (moved - output).powi(2)).sum();
    (length > LEAST_CHANGE * LEAST_CHANGE * direction.len() as f32).then(|| apart / (STEP * STEP * length))
}

/// The Charbonnier cost of the differences between neighbouring errors, across and down, where the true picture is
/// flat, divided by the number of pixels; and the slopes. A difference counts 1 / (1 + (r / [`FLAT`])²), where r is
/// the range (largest less smallest) of the true picture's 6×6 pixels around the 2×2 that its second pixel is in.
///
/// The charge of a right value hardly feels an error of half a code, and yet a grid of such errors shows on a wall.
/// `error` and `of_true` lie as a pixel shuffle, `[2·dy + dx][row][column]` of `side²`.
pub(super) fn flat(error: &[f32], of_true: &[f32], side: usize) -> (f32, Vec<f32>) {
    let mut slopes = vec![0.0; error.len()];
    let count = error.len().max(1) as f32;
    let at = |x: usize, y: usize| ((y % 2 * 2 + x % 2) * side + y / 2) * side + x / 2;
    let around = |cell: usize| cell.saturating_sub(1)..(cell + 2).min(side);
    let mut value = 0.0_f64;
    for row in 0..side {
        for column in 0..side {
            let cells = around(row).flat_map(|y| around(column).map(move |x| y * side + x));
            let seen = cells.flat_map(|cell| (0..4).map(move |channel| of_true[channel * side * side + cell]));
            let (low, high) = seen.fold((f32::MAX, f32::MIN), |(low, high), v| (low.min(v), high.max(v)));
            let weight = 1.0 / (1.0 + ((high - low) / FLAT).powi(2));
            for (x, y) in [0, 1, 2, 3].map(|n| (2 * column + n % 2, 2 * row + n / 2)) {
                let to = at(x, y);
                let before = [(x > 0).then(|| at(x - 1, y)), (y > 0).then(|| at(x, y - 1))];
                for from in before.into_iter().flatten() {
                    let step = error[to] - error[from];
                    let cost = (step * step + FLAT_EPSILON * FLAT_EPSILON).sqrt();
                    let by = weight * step / cost / count;
                    value += f64::from(weight * cost);
                    slopes[to] += by;
                    slopes[from] -= by;
                }
            }
        }
    }
    (value as f32 / count, slopes)
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
    fn relativistic_hinge_by_hand() {
        // True ones at 2 and 0, mean 1; made ones at −1 and 0.5, mean −0.25. The true ones stand 2.25 and 0.25 above the
        // made mean: 0 and 0.75. The made ones stand −2 and −0.5 above the true mean: 0 and 0.5.
        let (value, [by_true, by_made]) = relativistic_critic(&[2.0, 0.0], &[-1.0, 0.5]);
        assert_eq!(value, 0.75 / 2.0 + 0.5 / 2.0);
        // The second true one by −1/2, both by −1/4 through the mean that the second made one is held against.
        assert_eq!((by_true, by_made), (vec![-0.25, -0.75], vec![0.25, 0.75]));
        // Exchanged: the made ones ought to stand above: 1 + 2, 1 + 0.5; the true ones below: 1 + 2.25, 1 + 0.25.
        let (value, slopes) = relativistic_adversarial(&[2.0, 0.0], &[-1.0, 0.5]);
        assert_eq!((value, slopes), ((3.0 + 1.5) / 2.0 + (3.25 + 1.25) / 2.0, vec![-1.0, -1.0]));
    }

    #[test]
    fn feature_by_hand() {
        let (value, slopes) = feature(&[1.0, 2.0, 3.0, 4.0], &[1.0, 4.0, 2.0, 4.0]);
        assert_eq!((value, slopes), ((2.0 + 1.0) / 4.0, vec![0.0, -0.25, 0.25, 0.0]));
    }

    #[test]
    fn tangent_by_hand() {
        // ‖v‖² = 1; the output moves by 0.5·(2, 1): ‖J·v‖² = 5. The true picture changes by (2, 0): c = 4, and
        // (5 − 4)² = 1. The slope by the first moved value: 2·(5 − 4) · 2·1.0 / (0.5²·1) = 16.
        let way = [0.6, 0.8];
        let (value, slopes) = tangent(&[1.0, 1.0], &[2.0, 1.5], &way, &[2.0, 0.0]);
        assert!((value - 1.0).abs() < 1e-5 && (slopes[0] - 16.0).abs() < 1e-3 && (slopes[1] - 8.0).abs() < 1e-3);
        // Where it changes as the true one does nothing pulls, and a flat direction says nothing.
        assert!(tangent(&[0.0, 0.0], &[0.5, 1.0], &way, &[1.0, 2.0]).0 < 1e-9);
        assert_eq!(tangent(&[0.0], &[1.0], &[0.001], &[1.0]), (0.0, vec![0.0]));
        // A true picture that changes by a hundred times as much is not believed: c = 16.
        assert!((tangent(&[1.0, 1.0], &[2.0, 1.5], &way, &[10.0, 0.0]).0 - 121.0).abs() < 1e-3);
    }

    #[test]
    fn flat_by_hand() {
        // Four pixels 0 e / 0 e with e a code, where the true picture is flat: two steps across of 1, two down of 0.
        let e = 1.0 / 255.0;
        let error = [0.0, e, 0.0, e];
        let (value, slopes) = flat(&error, &[0.5; 4], 1);
        let (step, rest) = ((e * e + FLAT_EPSILON * FLAT_EPSILON).sqrt(), FLAT_EPSILON);
        assert!((value - (2.0 * step + 2.0 * rest) / 4.0).abs() < 1e-7, "{value}");
        assert!((slopes[1] - e / step / 4.0).abs() < 1e-6 && (slopes[0] + e / step / 4.0).abs() < 1e-6);
        // With a range of 6 codes it counts half; with one of 60 a hundredth; an even error costs ε alone.
        let half = flat(&error, &[0.5, 0.5 + FLAT, 0.5, 0.5], 1).0;
        let little = flat(&error, &[0.5, 0.5 + 10.0 * FLAT, 0.5, 0.5], 1).0;
        assert!((half / value - 0.5).abs() < 1e-4 && (little / value - 1.0 / 101.0).abs() < 1e-4);
        assert!((flat(&[e; 4], &[0.5; 4], 1).0 - FLAT_EPSILON).abs() < 1e-7);
        // Of 4×4 pixels the right half is a code too bright: 4 of the 24 differences are steps.
        let (value, _) = flat(&[0.0, e].repeat(8), &[0.5; 16], 2);
        assert!((value - (4.0 * step + 20.0 * rest) / 16.0).abs() < 1e-7, "{value}");
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
        check(&|a| tangent(&b, a, &direction, &b));
        check(&|a| flat(a, &[0.5, 0.51, 0.5, 0.505], 1));
        check(&|a| relativistic_adversarial(&b, a));
        check(&|a| {
            let (value, [slopes, _]) = relativistic_critic(a, &b);
            (value, slopes)
        });
        check(&|a| {
            let (value, [_, slopes]) = relativistic_critic(&b, a);
            (value, slopes)
        });
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
        let terms = |v: [f32; 9]| {
            let [adversarial, supervised, locality, tangent, feature, flat, perceptual, energy, transport] = v;
            Terms { adversarial, supervised, locality, tangent, feature, flat, perceptual, energy, transport }
        };
        let mut sum = Terms::ZERO;
        sum.add(0.5, terms([2.0, 4.0, 6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0]));
        let weights = terms([1.0, 10.0, 100.0, 1000.0, 0.1, 2.0, 3.0, 0.5, 4.0]);
        assert_eq!(sum.sum(weights), 1.0 + 20.0 + 300.0 + 4000.0 + 0.5 + 12.0 + 21.0 + 4.0 + 36.0);
    }
}
