//! The laboratory: the theory behind the small network, as experiments that anyone can run.
//!
//! Each is a module here, a command of `clearcall lab`, and a section of `docs/theory.md`. They train small
//! networks ([`mlp`]) on points and curves; nothing here runs in a call.

pub mod collapse;
pub mod complexity;
pub mod mlp;
pub mod players;
pub mod surface;
pub mod transport;

/// The p of y ∝ xᵖ, by least squares in logarithms; none for fewer than two values of x. All numbers are above 0.
pub fn exponent(points: impl IntoIterator<Item = (f64, f64)>) -> Option<f64> {
    let points: Vec<(f64, f64)> = points.into_iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean = |of: &dyn Fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / points.len() as f64;
    let (x, y) = (mean(&|p| p.0), mean(&|p| p.1));
    let spread = mean(&|p| (p.0 - x).powi(2));
    (spread > 0.0).then(|| mean(&|p| (p.0 - x) * (p.1 - y)) / spread)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_power_is_found() {
        let found = super::exponent([1.0, 2.0, 5.0].map(|x: f64| (x, 3.0 * x.powf(-1.5)))).unwrap();
        assert!((found + 1.5).abs() < 1e-12, "{found}");
        assert_eq!(super::exponent([(2.0, 1.0), (2.0, 3.0)]), None);
        assert_eq!(super::exponent([]), None);
    }
}
