//! How many linear pieces a network with ReLUs can have, counted from its widths alone.
//!
//! Such a network is piecewise affine: where no unit switches on or off, its output is an affine function of its input.
//! [`Widths`] bounds the number of pieces; all numbers are logarithms to the base 2, since the numbers themselves have
//! hundreds of digits. What a network makes of its weights is another question: with all weights zero it has one piece,
//! which is the least; `clearcall lab complexity count` counts what is there.

use std::{f64::consts::LN_2, fmt, str::FromStr};

use super::Model;

/// The most inputs that are counted with.
const MAX_INPUTS: usize = 2048;
/// The most units of a layer.
const MAX_UNITS: usize = 1_000_000;
/// The most layers.
const MAX_LAYERS: usize = 64;

/// How wide a network is: its inputs, and the units of each hidden layer, each with a ReLU. Outputs have none and bend
/// nothing, so that they do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Widths {
    inputs: usize,
    hidden: Vec<usize>,
}

/// Widths that no network has, or that are not counted with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{0}' are not the widths of a network: write inputs, hidden layers and outputs as in 2,16,16,1, with up to \
     {MAX_INPUTS} inputs and {MAX_LAYERS} hidden layers of up to {MAX_UNITS} units"
)]
pub struct WidthsError(String);

impl fmt::Display for Widths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.inputs)?;
        self.hidden.iter().try_for_each(|n| write!(f, ",{n}"))
    }
}

impl FromStr for Widths {
    type Err = WidthsError;

    /// Inputs, hidden layers, outputs.
    ///
    /// ```
    /// # use clearcall::model::Widths;
    /// let widths: Widths = "2,16,16,1".parse().unwrap();
    /// assert_eq!(widths.hidden(), [16, 16]);
    /// assert!("2,0,1".parse::<Widths>().is_err());
    /// ```
    fn from_str(s: &str) -> Result<Self, WidthsError> {
        let wrong = || WidthsError(s.chars().take(60).collect());
        let all: Vec<usize> = s.split(',').map(|n| n.trim().parse()).collect::<Result<_, _>>().map_err(|_| wrong())?;
        match &all[..] {
            [inputs, hidden @ .., 1..=MAX_UNITS] => Self::new(*inputs, hidden.to_vec()).ok_or_else(wrong),
            _ => Err(wrong()),
        }
    }
}

impl Widths {
    /// None where a layer has no units, or there is more of something than is counted with.
    pub fn new(inputs: usize, hidden: Vec<usize>) -> Option<Self> {
        let sane = (1..=MAX_INPUTS).contains(&inputs)
            && hidden.len() <= MAX_LAYERS
            && hidden.iter().all(|n| (1..=MAX_UNITS).contains(n));
        sane.then_some(Self { inputs, hidden })
    }

    /// Numbers that go in.
    pub const fn inputs(&self) -> usize {
        self.inputs
    }

    /// The units of each hidden layer.
    pub fn hidden(&self) -> &[usize] {
        &self.hidden
    }

    /// All hidden units.
    pub fn units(&self) -> usize {
        self.hidden.iter().sum()
    }

    /// The same network seen on a line (1), a plane (2) or in a space of so many dimensions through its inputs.
    pub fn sliced(&self, dimensions: usize) -> Self {
        Self { inputs: self.inputs.min(dimensions.max(1)), hidden: self.hidden.clone() }
    }

    /// No network of these widths has more pieces, the plain bound: ∏ C(wᵢ₋₁, wᵢ) over the hidden layers, with C(d, n)
    /// the most parts into which n hyperplanes cut a space of d dimensions, Σ_{j≤d} binom(n, j) (Lei, Luo, Yau, Gu,
    /// arXiv 1805.10451; the count of parts is Schläfli's and Zaslavsky's).
    pub fn log2_product(&self) -> f64 {
        let binomials = Binomials::up_to(self.widest());
        let before = std::iter::once(&self.inputs).chain(&self.hidden);
        before.zip(&self.hidden).map(|(d, n)| binomials.ln_parts(*d, *n)).sum::<f64>() / LN_2
    }

    /// No network of these widths has more pieces, the tighter bound: Σ ∏ binom(n_l, j_l) over all j with
    /// j_l ≤ min(n₀, n₁ − j₁, …, n_{l−1} − j_{l−1}, n_l) (Serra, Tjandraatmadja, Ramalingam 2018, arXiv 1711.02114,
    /// Theorem 1). It knows that a piece on which j units are off reaches the next layer in n − j dimensions at most.
    ///
    /// The minimum is all that the later layers see of the earlier ones, so that the sum is taken layer by layer over
    /// its values, and no list of j is made.
    pub fn log2_at_most(&self) -> f64 {
        let binomials = Binomials::up_to(self.widest());
        // The logarithm of the number of pieces that reach the next layer in d dimensions.
        let mut in_dimensions = vec![f64::NEG_INFINITY; self.inputs + 1];
        in_dimensions[self.inputs] = 0.0;
        for &n in &self.hidden {
            let mut next = vec![f64::NEG_INFINITY; self.inputs + 1];
            for (d, pieces) in in_dimensions.iter().enumerate().filter(|(_, p)| p.is_finite()) {
                for j in 0..=d.min(n) {
                    let to = &mut next[d.min(n - j)];
                    *to = ln_sum(*to, pieces + binomials.ln(n, j));
                }
            }
            in_dimensions = next;
        }
        in_dimensions.into_iter().fold(f64::NEG_INFINITY, ln_sum) / LN_2
    }

    /// With the right weights a dense network of these widths has so many pieces, or more:
    /// ∏_{i<L} ⌊nᵢ/n₀⌋^n₀ · Σ_{j≤n₀} binom(n_L, j) (Montúfar, Pascanu, Cho, Bengio 2014, arXiv 1402.1869).
    /// That wants layers that are wider than the input; as weights of some inputs may be zero, the best number of
    /// inputs is taken.
    pub fn log2_reached(&self) -> f64 {
        let Some((last, before)) = self.hidden.split_last() else { return 0.0 };
        let binomials = Binomials::up_to(*last);
        let narrowest = self.hidden.iter().copied().min().unwrap_or(0);
        let of = |inputs: usize| {
            let folds: f64 = before.iter().map(|n| ((n / inputs) as f64).ln()).sum();
            (inputs as f64 * folds + binomials.ln_parts(inputs, *last)) / LN_2
        };
        (1..=self.inputs.min(narrowest)).map(of).fold(0.0, f64::max)
    }

    fn widest(&self) -> usize {
        self.hidden.iter().copied().max().unwrap_or(0)
    }
}

impl Model {
    /// The network of one low-resolution pixel, which is the 2×2 pixels that are made of it: the input is the square of
    /// low-resolution pixels that they depend on, and each layer has a unit for each of its channels at each place that
    /// they depend on.
    ///
    /// The places share their weights, and yet each counts: the same filter at another place is another hyperplane in
    /// the space of inputs. What is proven of dense networks from above holds here, as a convolution is a dense layer
    /// whose weights are tied or zero; what is proven from below does not.
    pub fn pixel_widths(&self) -> Widths {
        let hidden = self.layers().len() - 1;
        let square = |side: usize| side * side;
        let channels = self.info().channels;
        // Behind the last hidden layer lies one convolution, so that 3×3 places of it are seen.
        let hidden_units = (0..hidden).map(|layer| channels * square(2 * (hidden - layer) + 1));
        Widths { inputs: square(2 * hidden + 3), hidden: hidden_units.collect() }
    }

    /// With the right weights a network of this shape has so many pieces for a pixel, or more, and with tied weights:
    /// 9·log₂(C^(H−1)·(C+1)) for H hidden layers of C channels.
    ///
    /// All but the last convolution use their middle tap only, so that each of the nine places that the last one sees
    /// is a network of one input, folded as Montúfar et al. do it, and the last one adds the nine with weights of its
    /// own: the pieces multiply.
    pub fn log2_pieces_reached(&self) -> f64 {
        let of_one = Widths { inputs: 1, hidden: vec![self.info().channels; self.layers().len() - 1] };
        9.0 * of_one.log2_reached()
    }
}

/// Logarithms of binomial coefficients, from a table of those of factorials.
struct Binomials(Vec<f64>);

impl Binomials {
    fn up_to(n: usize) -> Self {
        let mut ln = 0.0;
        let factorials = (1..=n).map(|i| {
            ln += (i as f64).ln();
            ln
        });
        Self(std::iter::once(0.0).chain(factorials).collect())
    }

    /// ln binom(n, j), for j ≤ n.
    fn ln(&self, n: usize, j: usize) -> f64 {
        self.0[n] - self.0[j] - self.0[n - j]
    }

    /// ln C(d, n).
    fn ln_parts(&self, d: usize, n: usize) -> f64 {
        (0..=d.min(n)).map(|j| self.ln(n, j)).fold(f64::NEG_INFINITY, ln_sum)
    }
}

/// ln(eᵃ + eᵇ).
fn ln_sum(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn widths(text: &str) -> Widths {
        text.parse().unwrap()
    }

    /// A logarithm as the number that it is of.
    fn number(log2: f64) -> f64 {
        (log2.exp2() * 1e6).round() / 1e6
    }

    #[test]
    fn small_networks_by_hand() {
        // Five lines cut the plane into 1 + 5 + 10 parts.
        let one = widths("2,5,1");
        assert_eq!([one.log2_product(), one.log2_at_most(), one.log2_reached()].map(number), [16.0; 3]);
        // On a line each layer of n units multiplies by 1 + n; Montúfar's folds give n, and 1 + n at the end.
        let line = widths("1,3,4,1");
        assert_eq!([line.log2_product(), line.log2_at_most()].map(number), [4.0 * 15.0, 20.0]);
        assert_eq!(number(line.log2_reached()), 3.0 * 5.0);
        // Two units on a plane: j₁ = 0, 1, 2 leave 2, 1, 0 dimensions, for which the second layer has 4, 3, 1 parts of
        // binom(2, j₁) = 1, 2, 1.
        let narrow = widths("2,2,2,1");
        assert_eq!(number(narrow.log2_at_most()), 4.0 + 2.0 * 3.0 + 1.0);
        assert_eq!(number(narrow.log2_product()), 16.0);
        // More inputs than units: all 2³ patterns; and each may leave other dimensions to the one unit behind.
        assert_eq!(number(widths("9,3,1").log2_at_most()), 8.0);
        assert_eq!(number(widths("9,3,1,1").log2_at_most()), 2.0 * 7.0 + 1.0);
        // Without a hidden layer there is one piece.
        let affine = widths("7,2");
        assert_eq!([affine.log2_product(), affine.log2_at_most(), affine.log2_reached()], [0.0; 3]);
    }

    #[test]
    fn the_bounds_agree_with_their_sums_written_out() {
        let binom = |n: usize, j: usize| (0..j).fold(1.0, |b, i| b * (n - i) as f64 / (i + 1) as f64);
        for (n0, n1, n2, n3) in [(3, 4, 2, 5), (2, 6, 6, 6), (5, 3, 4, 2), (1, 7, 5, 3)] {
            let mut sum = 0.0;
            for j1 in 0..=n0.min(n1) {
                for j2 in 0..=n0.min(n1 - j1).min(n2) {
                    for j3 in 0..=n0.min(n1 - j1).min(n2 - j2).min(n3) {
                        sum += binom(n1, j1) * binom(n2, j2) * binom(n3, j3);
                    }
                }
            }
            let widths = Widths::new(n0, vec![n1, n2, n3]).unwrap();
            assert_eq!(number(widths.log2_at_most()), sum);
            assert!(widths.log2_reached() <= widths.log2_at_most() + 1e-9);
            assert!(widths.log2_at_most() <= widths.log2_product() + 1e-9);
        }
    }

    #[test]
    fn thousands_of_units_do_not_overflow() {
        let wide = Widths::new(MAX_INPUTS, vec![5000; 3]).unwrap();
        let bounds = [wide.log2_reached(), wide.log2_at_most(), wide.log2_product()];
        assert!(bounds.iter().all(|b| b.is_finite()) && bounds.is_sorted(), "{bounds:?}");
        assert!(bounds[1] < 15000.0, "two for each unit is the most there can be: {bounds:?}");
        assert!((widths("1,1000000,1").log2_at_most() - 1_000_001_f64.log2()).abs() < 1e-6);
    }

    #[test]
    fn on_a_line_the_tighter_bound_is_the_product_of_units_and_one() {
        let line = widths("30,7,9,4,1").sliced(1);
        assert_eq!((line.inputs(), number(line.log2_at_most())), (1, 8.0 * 10.0 * 5.0));
        assert_eq!(widths("2,3,1").sliced(0), widths("1,3,1"));
    }

    #[test]
    fn what_no_network_has_is_refused() {
        for text in ["", "2", "2,x,1", "2,0,1", "0,3,1", "2,3,0", "2,-3,1", "9999,3,1", "2,1000001,1", "1,,1"] {
            let error = text.parse::<Widths>().unwrap_err().to_string();
            assert!(error.contains("2,16,16,1"), "{error}");
        }
        assert!(["1"; MAX_LAYERS + 3].join(",").parse::<Widths>().is_err());
        assert_eq!(widths("2, 3 ,1").to_string(), "2,3");
    }

    #[test]
    fn a_pixel_of_a_model_sees_what_its_convolutions_reach() {
        // Two convolutions: 5×5 pixels, and 3×3 places of four channels.
        let model = Model::untrained(4, 0, 1).unwrap();
        assert_eq!(model.pixel_widths(), Widths { inputs: 25, hidden: vec![36] });
        assert_eq!(number(model.pixel_widths().log2_product()), number(Binomials::up_to(36).ln_parts(25, 36) / LN_2));
        assert!((model.log2_pieces_reached() - 9.0 * 5_f64.log2()).abs() < 1e-9);
        let model = Model::untrained(3, 2, 1).unwrap();
        assert_eq!(model.pixel_widths(), Widths { inputs: 81, hidden: vec![147, 75, 27] });
        assert!((model.log2_pieces_reached() - 9.0 * 36_f64.log2()).abs() < 1e-9);
        for model in Model::shipped().map(Model::find).map(Result::unwrap) {
            let widths = model.pixel_widths();
            let bounds = [model.log2_pieces_reached(), widths.log2_at_most(), widths.log2_product()];
            assert!(bounds.is_sorted() && bounds[2] <= widths.units() as f64 + 1e-6, "{}: {bounds:?}", model.name());
        }
    }
}
