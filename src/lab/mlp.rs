//! A dense network with ReLUs, for points and small pictures: forward, backward, and what a gradient penalty needs.
//!
//! Every list of points is rows of `f32`, one point after another. Its networks are so small that the bookkeeping of
//! a tensor library would cost more than the products do; and burn has no derivative of a derivative, which
//! WGAN-GP's penalty is. Here it is a product of weights and of the ReLUs' masks that is written out:
//! [`Mlp::backward`] gives the gradient by the input with the slopes at every layer, [`Mlp::along`] carries
//! directions forward through the same masks, and `Mlp::accumulate` makes the weights' gradient of the two.
//!
//! One network is computed on one thread, in one order: a run depends on its seed only.

use rand::Rng;

use crate::{
    matrix::{Factor, add_product},
    train::fit::Adam,
};

/// Adam's decays. As in the trainer, the square is forgotten faster than usual: what a generator is asked changes.
const BETA: [f32; 2] = [0.9, 0.99];

/// A network of dense layers with a ReLU between each two of them; the last layer has none.
#[derive(Debug, Clone, PartialEq)]
pub struct Mlp {
    /// Inputs, hidden widths, outputs: never fewer than two.
    widths: Vec<usize>,
    /// For each layer in turn its weights `[outputs][inputs]` and its biases `[outputs]`.
    numbers: Vec<f32>,
}

/// One dense layer of an [`Mlp`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Dense<'a> {
    /// Values in.
    pub inputs: usize,
    /// Values out.
    pub outputs: usize,
    /// `[outputs][inputs]`.
    pub weights: &'a [f32],
    /// `[outputs]`.
    pub bias: &'a [f32],
}

/// What a network computed of some rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    rows: usize,
    /// The input, and what each layer gave, behind its ReLU where it has one: `[layer][row][value]`.
    values: Vec<Vec<f32>>,
}

impl Pass {
    /// `[row][output]`.
    pub fn output(&self) -> &[f32] {
        self.values.last().map_or(&[], Vec::as_slice)
    }

    /// What each hidden layer gave, behind its ReLU: `[row][width]`. A unit is on in a row where it is above 0.
    pub fn hidden(&self) -> &[Vec<f32>] {
        self.values.get(1..self.values.len() - 1).unwrap_or(&[])
    }
}

/// How a sum over the outputs changes with what each layer adds up.
#[derive(Debug, Clone, PartialEq)]
pub struct Slopes {
    /// By the sums of each layer, before its ReLU: `[layer][row][output]`.
    by_sums: Vec<Vec<f32>>,
    /// By the input: `[row][input]`.
    pub by_input: Vec<f32>,
}

impl Mlp {
    /// A network with random weights: uniform with the variance 2/inputs (He et al., arXiv 1502.01852), so that what
    /// passes neither grows nor dies with the depth; the last layer's with half of that, as no ReLU follows. The biases are
    /// uniform within ±1/√inputs, so that the ReLUs of a few inputs do not all bend at the origin.
    pub fn random(inputs: usize, hidden: &[usize], outputs: usize, rng: &mut impl Rng) -> Self {
        let widths: Vec<usize> = [&[inputs], hidden, &[outputs]].concat();
        let mut numbers = Vec::with_capacity(count(&widths));
        for (i, pair) in widths.windows(2).enumerate() {
            let fan_in = pair[0].max(1) as f32;
            let bound = ((if i < hidden.len() { 6.0 } else { 3.0 }) / fan_in).sqrt();
            numbers.extend((0..pair[0] * pair[1]).map(|_| rng.random_range(-bound..=bound)));
            let bound = 1.0 / fan_in.sqrt();
            numbers.extend((0..pair[1]).map(|_| rng.random_range(-bound..=bound)));
        }
        Self { widths, numbers }
    }

    /// A network with these weights and biases, as [`Mlp::numbers`] has them; none where their count is another.
    pub fn from_numbers(inputs: usize, hidden: &[usize], outputs: usize, numbers: Vec<f32>) -> Option<Self> {
        let widths: Vec<usize> = [&[inputs], hidden, &[outputs]].concat();
        (numbers.len() == count(&widths)).then_some(Self { widths, numbers })
    }

    /// Values in.
    pub fn inputs(&self) -> usize {
        self.widths[0]
    }

    /// Values out.
    pub fn outputs(&self) -> usize {
        self.widths[self.widths.len() - 1]
    }

    /// Inputs, hidden widths, outputs.
    pub fn widths(&self) -> &[usize] {
        &self.widths
    }

    /// All weights and biases: for each layer in turn `[outputs][inputs]` and `[outputs]`.
    pub fn numbers(&self) -> &[f32] {
        &self.numbers
    }

    /// The same, to be changed.
    pub fn numbers_mut(&mut self) -> &mut [f32] {
        &mut self.numbers
    }

    /// The layers, first to last.
    pub fn layers(&self) -> impl Iterator<Item = Dense<'_>> {
        let mut rest = &self.numbers[..];
        self.widths.windows(2).map(move |pair| {
            let (inputs, outputs) = (pair[0], pair[1]);
            let (weights, after) = rest.split_at(inputs * outputs);
            let (bias, after) = after.split_at(outputs);
            rest = after;
            Dense { inputs, outputs, weights, bias }
        })
    }

    /// Computes rows `[row][input]`, and keeps what [`Mlp::backward`] needs. What is no whole row is left out.
    pub fn run(&self, rows: &[f32]) -> Pass {
        let count = rows.len() / self.inputs().max(1);
        let mut values = vec![rows[..count * self.inputs()].to_vec()];
        for (i, layer) in self.layers().enumerate() {
            let mut out = layer.bias.repeat(count);
            add_product(Factor::of(&values[i], layer.inputs), Factor::turned(layer.weights, layer.inputs), &mut out);
            if i + 2 < self.widths.len() {
                out.iter_mut().for_each(|v| *v = v.max(0.0));
            }
            values.push(out);
        }
        Pass { rows: count, values }
    }

    /// The outputs alone: `[row][output]`.
    pub fn forward(&self, rows: &[f32]) -> Vec<f32> {
        self.run(rows).values.pop().unwrap_or_default()
    }

    /// Carries slopes by the outputs, `[row][output]`, back through the network to its input.
    pub fn backward(&self, pass: &Pass, by_output: &[f32]) -> Slopes {
        let layers: Vec<Dense<'_>> = self.layers().collect();
        let mut by_sums = vec![Vec::new(); layers.len()];
        let mut slopes = by_output.to_vec();
        for (i, layer) in layers.iter().enumerate().rev() {
            if i + 1 < layers.len() {
                mask(&mut slopes, &pass.values[i + 1]);
            }
            let mut before = vec![0.0; pass.rows * layer.inputs];
            add_product(Factor::of(&slopes, layer.outputs), Factor::of(layer.weights, layer.inputs), &mut before);
            by_sums[i] = std::mem::replace(&mut slopes, before);
        }
        Slopes { by_sums, by_input: slopes }
    }

    /// Adds what the slopes of a [`Mlp::backward`] say of the weights and biases to a gradient, laid out as
    /// [`Mlp::numbers`].
    pub fn learn(&self, pass: &Pass, slopes: &Slopes, gradient: &mut [f32]) {
        self.accumulate(&pass.values, slopes, gradient, true);
    }

    /// Carries a direction for each row, `[row][input]`, forward: J·v for each layer's output, with the ReLUs of
    /// `pass`, the direction itself in front. The last of them is J·v of the network.
    pub fn along(&self, pass: &Pass, directions: &[f32]) -> Vec<Vec<f32>> {
        let mut moved = vec![directions.to_vec()];
        for (i, layer) in self.layers().enumerate() {
            let mut out = vec![0.0; pass.rows * layer.outputs];
            add_product(Factor::of(&moved[i], layer.inputs), Factor::turned(layer.weights, layer.inputs), &mut out);
            if i + 2 < self.widths.len() {
                mask(&mut out, &pass.values[i + 1]);
            }
            moved.push(out);
        }
        moved
    }

    /// The Jacobian at each row: `[input][row][output]`.
    pub fn jacobian(&self, pass: &Pass) -> Vec<Vec<f32>> {
        let along = |input| {
            let mut direction = vec![0.0; pass.rows * self.inputs()];
            direction.iter_mut().skip(input).step_by(self.inputs()).for_each(|v| *v = 1.0);
            self.along(pass, &direction).pop().unwrap_or_default()
        };
        (0..self.inputs()).map(along).collect()
    }

    /// The gradient's gradient. With g the `by_input` of `slopes`, and s the slopes of some cost by g, this adds that
    /// cost's slopes by the weights: the ReLUs' masks are constants, so g = W₁ᵀM₁W₂ᵀM₂…, and each W meets the slopes
    /// behind it and s carried forward to it.
    pub fn learn_of_gradient(&self, pass: &Pass, slopes: &Slopes, s: &[f32], gradient: &mut [f32]) {
        self.accumulate(&self.along(pass, s), slopes, gradient, false);
    }

    fn accumulate(&self, values: &[Vec<f32>], slopes: &Slopes, gradient: &mut [f32], with_bias: bool) {
        let mut rest = gradient;
        for ((layer, values), slopes) in self.layers().zip(values).zip(&slopes.by_sums) {
            let (weights, after) = rest.split_at_mut(layer.inputs * layer.outputs);
            let (bias, after) = after.split_at_mut(layer.outputs);
            rest = after;
            add_product(Factor::turned(slopes, layer.outputs), Factor::of(values, layer.inputs), weights);
            if with_bias {
                for row in slopes.chunks_exact(layer.outputs.max(1)) {
                    bias.iter_mut().zip(row).for_each(|(b, s)| *b += s);
                }
            }
        }
    }
}

/// A network and the optimiser that trains it.
#[derive(Debug, Clone, PartialEq)]
pub struct Learner {
    /// The network.
    pub net: Mlp,
    adam: Adam,
}

impl Learner {
    /// A network at the start of its training.
    pub fn new(net: Mlp) -> Self {
        Self::with_decay(net, BETA)
    }

    /// The same with other decays of Adam's mean and mean square.
    pub fn with_decay(net: Mlp, beta: [f32; 2]) -> Self {
        let adam = Adam::new(net.numbers.len(), beta);
        Self { net, adam }
    }

    /// One step of Adam down a gradient laid out as [`Mlp::numbers`]; one longer than 1 is shortened to it.
    pub fn descend(&mut self, gradient: &[f32], rate: f32) {
        self.adam.descend(&mut self.net.numbers, gradient, rate);
    }

    /// One step towards `targets` `[row][output]`, by the mean over all values of the squared error, which it gives.
    pub fn fit(&mut self, rows: &[f32], targets: &[f32], rate: f32) -> f32 {
        let pass = self.net.run(rows);
        let (error, slopes) = squared_error(pass.output(), targets);
        let mut gradient = vec![0.0; self.net.numbers.len()];
        self.net.learn(&pass, &self.net.backward(&pass, &slopes), &mut gradient);
        self.descend(&gradient, rate);
        error
    }
}

/// The mean of the squared differences, and its slopes by `made`.
pub fn squared_error(made: &[f32], targets: &[f32]) -> (f32, Vec<f32>) {
    let count = made.len().max(1) as f32;
    let away = made.iter().zip(targets).map(|(m, t)| m - t);
    let error = away.clone().map(|d| d * d).sum::<f32>() / count;
    (error, away.map(|d| 2.0 * d / count).collect())
}

/// How many numbers a network of these widths has.
fn count(widths: &[usize]) -> usize {
    widths.windows(2).map(|pair| (pair[0] + 1) * pair[1]).sum()
}

/// Zero where the ReLU gave zero.
fn mask(slopes: &mut [f32], behind: &[f32]) {
    slopes.iter_mut().zip(behind).for_each(|(s, v)| *s = if *v > 0.0 { *s } else { 0.0 });
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;
    use rand_chacha::ChaCha8Rng;

    use super::*;

    fn random(count: usize, seed: u64) -> Vec<f32> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        (0..count).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn net(seed: u64) -> Mlp {
        Mlp::random(3, &[7, 5], 2, &mut ChaCha8Rng::seed_from_u64(seed))
    }

    /// Holds slopes against differences of `f`, at up to 40 of the numbers.
    fn check(at: &[f32], slopes: &[f32], f: &dyn Fn(&[f32]) -> f32) {
        for i in (0..at.len()).step_by(at.len().div_ceil(40)) {
            let moved = |by: f32| {
                let mut moved = at.to_vec();
                moved[i] += by;
                f(&moved)
            };
            let measured = (moved(1e-3) - moved(-1e-3)) / 2e-3;
            assert!((measured - slopes[i]).abs() < 0.01 * (1.0 + measured.abs()), "{i}: {measured} {}", slopes[i]);
        }
    }

    #[test]
    fn a_network_by_hand() {
        // ReLU(x − y) and ReLU(y − x + 1), then 2·first − second + 0.5.
        let numbers = vec![1.0, -1.0, -1.0, 1.0, 0.0, 1.0, 2.0, -1.0, 0.5];
        let net = Mlp::from_numbers(2, &[2], 1, numbers.clone()).unwrap();
        assert_eq!(net.forward(&[3.0, 1.0, 0.0, 0.25, 1.0, 1.0]), [4.5, -0.75, -0.5]);
        let pass = net.run(&[3.0, 1.0, 0.0, 0.25]);
        assert_eq!(pass.hidden(), [[2.0, 0.0, 0.0, 1.25]]);
        assert_eq!(net.jacobian(&pass), [[2.0, 1.0], [-2.0, -1.0]], "by x, by y, in both rows");
        assert_eq!(net.backward(&pass, &[1.0, 1.0]).by_input, [2.0, -2.0, 1.0, -1.0]);
        assert_eq!(net.layers().map(|l| (l.inputs, l.outputs, l.bias)).last(), Some((2, 1, &[0.5][..])));
        assert_eq!(net.numbers(), numbers);
        assert_eq!(Mlp::from_numbers(2, &[3], 1, numbers), None);
        assert!(net.forward(&[1.0]).is_empty(), "half a row is none");
    }

    #[test]
    fn slopes_by_weights_and_input_are_derivatives() {
        let (net, rows, by_output) = (net(1), random(12, 2), random(8, 3));
        let cost = |net: &Mlp, rows: &[f32]| net.forward(rows).iter().zip(&by_output).map(|(y, by)| y * by).sum();
        let pass = net.run(&rows);
        let slopes = net.backward(&pass, &by_output);
        let mut gradient = vec![0.0; net.numbers().len()];
        net.learn(&pass, &slopes, &mut gradient);
        check(net.numbers(), &gradient, &|n| cost(&Mlp { numbers: n.to_vec(), ..net.clone() }, &rows));
        check(&rows, &slopes.by_input, &|rows| cost(&net, rows));
    }

    #[test]
    fn the_gradients_gradient_is_the_derivative_of_a_penalty() {
        // Σ over rows of (‖∂y/∂x‖² − 1)², as WGAN-GP has it but without the root.
        let net = Mlp::random(3, &[9, 6, 5], 1, &mut ChaCha8Rng::seed_from_u64(4));
        let rows = random(15, 5);
        let by_input = |net: &Mlp| net.backward(&net.run(&rows), &[1.0; 5]).by_input;
        let excess = |g: &[f32]| g.iter().map(|g| g * g).sum::<f32>() - 1.0;
        let cost = |net: &Mlp| by_input(net).chunks(3).map(|g| excess(g).powi(2)).sum();
        let pass = net.run(&rows);
        let slopes = net.backward(&pass, &[1.0; 5]);
        let s: Vec<f32> = slopes.by_input.chunks(3).flat_map(|g| g.iter().map(move |v| 4.0 * excess(g) * v)).collect();
        let mut gradient = vec![0.0; net.numbers().len()];
        net.learn_of_gradient(&pass, &slopes, &s, &mut gradient);
        check(net.numbers(), &gradient, &|n| cost(&Mlp { numbers: n.to_vec(), ..net.clone() }));
    }

    #[test]
    fn directions_forward_and_slopes_backward_meet() {
        // ⟨by, J·v⟩ is one number, whichever way it is computed.
        let (net, rows, directions, by) = (net(6), random(30, 7), random(30, 8), random(20, 9));
        let pass = net.run(&rows);
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
        let forward = dot(&by, net.along(&pass, &directions).last().unwrap());
        assert!((forward - dot(&net.backward(&pass, &by).by_input, &directions)).abs() < 1e-4);
        let columns = net.jacobian(&pass);
        let row = |o: usize| (0..3).map(|i| columns[i][2 * 4 + o] * directions[3 * 4 + i]).sum::<f32>();
        let whole = net.along(&pass, &directions);
        assert!((row(0) - whole[3][8]).abs() < 1e-5 && (row(1) - whole[3][9]).abs() < 1e-5, "the fifth row");
    }

    #[test]
    fn what_passes_a_deep_network_neither_grows_nor_dies() {
        let net = Mlp::random(16, &[64; 9], 16, &mut ChaCha8Rng::seed_from_u64(10));
        let out = net.forward(&random(16 * 100, 11));
        let square = out.iter().map(|v| v * v).sum::<f32>() / out.len() as f32;
        assert!((0.05..5.0).contains(&square), "{square}");
    }

    #[test]
    fn it_learns_a_bend_and_the_seed_decides_it() {
        let learnt = |seed: u64| {
            let mut learner = Learner::new(Mlp::random(1, &[16], 1, &mut ChaCha8Rng::seed_from_u64(seed)));
            let rows: Vec<f32> = (0..64).map(|i| i as f32 / 32.0 - 1.0).collect();
            let targets: Vec<f32> = rows.iter().map(|x| (x - 0.2).abs()).collect();
            let errors: Vec<f32> = (0..400).map(|_| learner.fit(&rows, &targets, 1e-2)).collect();
            (errors, learner)
        };
        let (errors, learner) = learnt(12);
        assert!(errors[399] < 1e-3 && errors[0] > 0.05, "{} {}", errors[0], errors[399]);
        assert_eq!(learnt(12).1, learner);
        assert_ne!(learnt(13).1, learner);
        assert_eq!(squared_error(&[1.0, 2.0], &[0.0, 4.0]), (2.5, vec![1.0, -2.0]));
    }
}
