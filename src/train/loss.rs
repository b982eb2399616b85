//! What a picture's error costs, and by how much each of its pixels makes it dearer.
//!
//! Terms are sums over the pixels of an error e = output − target in the layout of a pixel shuffle,
//! `[2·dy + dx][row][column]`, divided by their number. Each comes with its derivative, so that the tensor
//! library has to differentiate the network only.

/// The weights of the terms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Loss {
    /// The ε of the Charbonnier term √(e² + ε²) (Charbonnier et al., ICIP 1994): a small one asks for the
    /// median of what may be right, a large one for the mean, which is what PSNR counts.
    pub epsilon: f32,
    /// The weight of the gradient term: the Charbonnier cost of the differences between neighbouring errors,
    /// across and down. It asks for the right edges where it cannot have the right brightness.
    pub gradient: f32,
}

impl Default for Loss {
    fn default() -> Self {
        Self { epsilon: 1e-3, gradient: 0.0 }
    }
}

impl Loss {
    /// The loss of an error of `4 · side²` pixels and its derivative by each.
    pub(super) fn of(self, error: &[f32], side: usize) -> (f32, Vec<f32>) {
        let count = error.len().max(1) as f32;
        let mut value = 0.0_f64;
        let mut slope = Vec::with_capacity(error.len());
        for e in error {
            let (cost, by) = self.charbonnier(*e);
            value += f64::from(cost);
            slope.push(by / count);
        }
        if self.gradient > 0.0 {
            let (width, weight) = (2 * side, self.gradient / count);
            let at = |x: usize, y: usize| ((y % 2 * 2 + x % 2) * side + y / 2) * side + x / 2;
            let mut pull = |from: usize, to: usize| {
                let (cost, by) = self.charbonnier(error[to] - error[from]);
                value += f64::from(self.gradient * cost);
                slope[to] += weight * by;
                slope[from] -= weight * by;
            };
            for y in 0..width {
                for x in 1..width {
                    pull(at(x - 1, y), at(x, y));
                    pull(at(y, x - 1), at(y, x));
                }
            }
        }
        (value as f32 / count, slope)
    }

    fn charbonnier(self, e: f32) -> (f32, f32) {
        let cost = (e * e + self.epsilon * self.epsilon).sqrt();
        (cost, e / cost)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn charbonnier_by_hand() {
        // √(0.3² + 0.4²) = 0.5, slope 0.3 / 0.5; and the ε itself where there is no error.
        let loss = Loss { epsilon: 0.4, gradient: 0.0 };
        let (value, slope) = loss.of(&[0.3, 0.0, -0.3, 0.0], 1);
        assert!((value - (0.5 + 0.4 + 0.5 + 0.4) / 4.0).abs() < 1e-6);
        assert_eq!(slope.iter().map(|s| (s * 1000.0).round()).collect::<Vec<_>>(), [150.0, 0.0, -150.0, 0.0]);
    }

    #[test]
    fn the_gradient_term_by_hand() {
        // Four pixels a b / c d with the errors 0 1 / 0 1: two steps across of 1, two down of 0. ε → 0.
        let loss = Loss { epsilon: 1e-6, gradient: 0.5 };
        let (value, slope) = loss.of(&[0.0, 1.0, 0.0, 1.0], 1);
        assert!((value - (2.0 + 0.5 * 2.0) / 4.0).abs() < 1e-4, "{value}");
        // The right column is pulled down by its own error and by the step, the left one up by the step.
        let near = |a: f32, b: f32| (a - b).abs() < 1e-4;
        assert!(near(slope[1], (1.0 + 0.5) / 4.0) && near(slope[0], -0.5 / 4.0), "{slope:?}");
    }

    #[test]
    fn the_slope_is_the_derivative() {
        let side = 3;
        let error: Vec<f32> = (0..4 * side * side).map(|i| ((i * 7919) % 13) as f32 / 13.0 - 0.4).collect();
        let loss = Loss { epsilon: 0.05, gradient: 0.7 };
        let (_, slope) = loss.of(&error, side);
        for i in 0..error.len() {
            let at = |by: f32| {
                let mut moved = error.clone();
                moved[i] += by;
                loss.of(&moved, side).0
            };
            let measured = (at(1e-2) - at(-1e-2)) / 2e-2;
            assert!((measured - slope[i]).abs() < 3e-3, "{i}: {measured} {}", slope[i]);
        }
    }
}
