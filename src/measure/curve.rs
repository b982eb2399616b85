//! Curves of quality over rate, and what one saves against another.
//!
//! BD-rate: G. Bjøntegaard, "Calculation of average PSNR differences between RD-curves", ITU-T SG16 document
//! VCEG-M33 (2001): the mean difference of log rate over the qualities that both curves reach. The curve between
//! the points is not his polynomial of third order, which overshoots, but the piecewise cubic that has been usual
//! since and that ITU-T's HSTP-VID-WPOM (2020) describes: F. N. Fritsch and R. E. Carlson, "Monotone piecewise cubic
//! interpolation", SIAM Journal on Numerical Analysis 17 (1980), with the slopes of F. N. Fritsch and J. Butland
//! (SIAM J. Sci. Stat. Comput. 5, 1984), as in MATLAB's `pchip` and SciPy's `PchipInterpolator`.

/// One measured point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RatePoint {
    /// Bits per second that were really spent.
    pub rate: f64,
    /// Any score of which more is better.
    pub quality: f64,
}

/// Curves that cannot be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CurveError {
    /// A line needs two points.
    #[error("a curve needs at least two bitrates")]
    TooFew,
    /// A rate that has no logarithm, or a score that is no number.
    #[error("a point is not a rate above 0 with a finite score")]
    NotFinite,
    /// More bits did not give more quality, or the same rate came twice.
    #[error("quality does not rise with the rate from point to point")]
    NotRising,
    /// There is no quality, or no rate, that both curves reach.
    #[error("the curves do not overlap")]
    NoOverlap,
}

/// Rates and qualities as a curve of log rate over quality, by rising rate.
fn rising(points: &[RatePoint]) -> Result<Vec<(f64, f64)>, CurveError> {
    if points.iter().any(|p| p.rate.is_nan() || p.rate <= 0.0 || !p.rate.is_finite() || !p.quality.is_finite()) {
        return Err(CurveError::NotFinite);
    }
    if points.len() < 2 {
        return Err(CurveError::TooFew);
    }
    let mut curve: Vec<_> = points.iter().map(|p| (p.rate.ln(), p.quality)).collect();
    curve.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rises = curve.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1);
    if rises { Ok(curve) } else { Err(CurveError::NotRising) }
}

/// The mean change of rate in percent that `test` needs for the same quality as `anchor`; negative: it saves.
///
/// The mean is taken over the qualities that both reach. Four points or more are the custom; two are enough.
///
/// # Errors
/// When a curve has fewer than two points, a point without meaning, or does not rise, or the two do not overlap.
pub fn bd_rate(anchor: &[RatePoint], test: &[RatePoint]) -> Result<f64, CurveError> {
    let log_rate_of_quality = |points| {
        rising(points).map(|curve| Pchip::new(curve.into_iter().map(|(rate, quality)| (quality, rate)).collect()))
    };
    let (anchor, test) = (log_rate_of_quality(anchor)?, log_rate_of_quality(test)?);
    let (low, high) = anchor.common(&test)?;
    let difference = (test.integral(low, high) - anchor.integral(low, high)) / (high - low);
    Ok(100.0 * (difference.exp() - 1.0))
}

/// Where one curve overtakes another as the rate rises.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Overtaking {
    /// At this rate, in bits per second: the last one at which the first curve was not below.
    At(f64),
    /// The first curve is above at all rates that both have.
    Never,
    /// The second curve is above at all rates that both have.
    Already,
}

/// Where `second` overtakes `first`: from which rate on its quality is higher.
///
/// # Errors
/// As [`bd_rate`].
pub fn overtaking(first: &[RatePoint], second: &[RatePoint]) -> Result<Overtaking, CurveError> {
    /// The curves are compared at so many places; between two of them the crossing is halved in.
    const PLACES: usize = 256;
    let (first, second) = (Pchip::new(rising(first)?), Pchip::new(rising(second)?));
    let (low, high) = first.common(&second)?;
    let lead = |rate: f64| first.at(rate) - second.at(rate);
    let place = |i: usize| low + (high - low) * i as f64 / PLACES as f64;
    let Some(last) = (0..=PLACES).rev().find(|&i| lead(place(i)) >= 0.0) else { return Ok(Overtaking::Already) };
    if last == PLACES {
        return Ok(Overtaking::Never);
    }
    let (mut ahead, mut behind) = (place(last), place(last + 1));
    for _ in 0..60 {
        let middle = f64::midpoint(ahead, behind);
        *(if lead(middle) >= 0.0 { &mut ahead } else { &mut behind }) = middle;
    }
    Ok(Overtaking::At(ahead.exp()))
}

/// A piecewise cubic through points of rising x that neither overshoots nor turns between them.
struct Pchip {
    points: Vec<(f64, f64)>,
    slopes: Vec<f64>,
}

impl Pchip {
    /// At least two points.
    fn new(points: Vec<(f64, f64)>) -> Self {
        let steps: Vec<f64> = points.windows(2).map(|w| w[1].0 - w[0].0).collect();
        let secants: Vec<f64> = points.windows(2).zip(&steps).map(|(w, h)| (w[1].1 - w[0].1) / h).collect();
        let last = secants.len() - 1;
        let inner = |i: usize| {
            let (h0, h1, s0, s1) = (steps[i - 1], steps[i], secants[i - 1], secants[i]);
            if s0 * s1 <= 0.0 {
                return 0.0;
            }
            let (w0, w1) = (2.0 * h1 + h0, h1 + 2.0 * h0);
            (w0 + w1) / (w0 / s0 + w1 / s1)
        };
        let mut slopes = Vec::with_capacity(points.len());
        if last == 0 {
            slopes.extend([secants[0]; 2]);
        } else {
            slopes.push(end([steps[0], steps[1]], [secants[0], secants[1]]));
            slopes.extend((1..=last).map(inner));
            slopes.push(end([steps[last], steps[last - 1]], [secants[last], secants[last - 1]]));
        }
        Self { points, slopes }
    }

    /// The x that both cover.
    fn common(&self, other: &Self) -> Result<(f64, f64), CurveError> {
        let ends = |c: &Self| (c.points[0].0, c.points[c.points.len() - 1].0);
        let (a, b) = (ends(self), ends(other));
        let (low, high) = (a.0.max(b.0), a.1.min(b.1));
        if low < high { Ok((low, high)) } else { Err(CurveError::NoOverlap) }
    }

    /// The cubic of piece `i` about its left end, from the constant upwards.
    fn cubic(&self, i: usize) -> [f64; 4] {
        let ((x0, y0), (x1, y1)) = (self.points[i], self.points[i + 1]);
        let (h, d0, d1) = (x1 - x0, self.slopes[i], self.slopes[i + 1]);
        let secant = (y1 - y0) / h;
        [y0, d0, (3.0 * secant - 2.0 * d0 - d1) / h, (d0 + d1 - 2.0 * secant) / (h * h)]
    }

    /// Its value at an x that it covers.
    fn at(&self, x: f64) -> f64 {
        let i = self.points.partition_point(|p| p.0 <= x).clamp(1, self.points.len() - 1) - 1;
        let (t, [a, b, c, d]) = (x - self.points[i].0, self.cubic(i));
        ((d * t + c) * t + b) * t + a
    }

    /// The area under it between two x that it covers.
    fn integral(&self, low: f64, high: f64) -> f64 {
        let piece = |i: usize| {
            let x0 = self.points[i].0;
            let (from, to) = (low.max(x0) - x0, high.min(self.points[i + 1].0) - x0);
            let [a, b, c, d] = self.cubic(i);
            let area = |t: f64| (((d / 4.0 * t + c / 3.0) * t + b / 2.0) * t + a) * t;
            if from < to { area(to) - area(from) } else { 0.0 }
        };
        (0..self.points.len() - 1).map(piece).sum()
    }
}

/// The slope at an end by the parabola through three points, kept from turning the curve round.
fn end(steps: [f64; 2], secants: [f64; 2]) -> f64 {
    let [h0, h1] = steps;
    let [s0, s1] = secants;
    let slope = ((2.0 * h0 + h1) * s0 - h0 * s1) / (h0 + h1);
    if slope * s0 <= 0.0 {
        0.0
    } else if s0 * s1 <= 0.0 && slope.abs() > 3.0 * s0.abs() {
        3.0 * s0
    } else {
        slope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(list: &[(f64, f64)]) -> Vec<RatePoint> {
        list.iter().map(|&(kbit, quality)| RatePoint { rate: 1000.0 * kbit, quality }).collect()
    }

    fn scaled(curve: &[RatePoint], rate: f64, quality: f64) -> Vec<RatePoint> {
        curve.iter().map(|p| RatePoint { rate: rate * p.rate, quality: quality + p.quality }).collect()
    }

    #[test]
    fn a_curve_at_eight_tenths_of_the_rate_saves_a_fifth() {
        let anchor = points(&[(100.0, 30.0), (200.0, 33.0), (400.0, 35.5), (800.0, 37.0)]);
        assert!((bd_rate(&anchor, &scaled(&anchor, 0.8, 0.0)).unwrap() + 20.0).abs() < 1e-9);
        assert!((bd_rate(&anchor, &scaled(&anchor, 1.25, 0.0)).unwrap() - 25.0).abs() < 1e-9);
        assert!(bd_rate(&anchor, &anchor).unwrap().abs() < 1e-12);
        let mut shuffled = anchor.clone();
        shuffled.swap(0, 3);
        assert_eq!(bd_rate(&anchor, &shuffled).unwrap(), 0.0, "the order does not matter");
    }

    #[test]
    fn two_straight_lines_by_hand() {
        // 3 dB for each doubling. One dB more at the same rate is 2^(−1/3) of the rate at the same quality.
        let anchor = points(&[(100.0, 30.0), (200.0, 33.0), (400.0, 36.0)]);
        let saved = bd_rate(&anchor, &scaled(&anchor, 1.0, 1.0)).unwrap();
        assert!((saved - 100.0 * (2_f64.powf(-1.0 / 3.0) - 1.0)).abs() < 1e-9, "{saved}");
        // Lines of two points that meet at the top of the overlap: the log ratio falls from ln ½ to 0, its mean
        // is half of that.
        let (a, b) = (points(&[(200.0, 30.0), (400.0, 33.0)]), points(&[(100.0, 30.0), (400.0, 33.0)]));
        let saved = bd_rate(&a, &b).unwrap();
        assert!((saved - 100.0 * (0.5_f64.sqrt() - 1.0)).abs() < 1e-9, "{saved}");
    }

    #[test]
    fn agrees_with_scipy() {
        // PchipInterpolator(quality, ln(rate)).integrate(30.9, 37.2) of SciPy 1.17 for each curve.
        let anchor = points(&[(104.0, 30.1), (211.0, 33.4), (395.0, 35.2), (810.0, 37.2)]);
        let test = points(&[(98.0, 30.9), (189.0, 33.9), (402.0, 36.4), (777.0, 37.9)]);
        let saved = bd_rate(&anchor, &test).unwrap();
        assert!((saved - SCIPY).abs() < 1e-6, "{saved}");
    }

    const SCIPY: f64 = -25.501_563_6;

    #[test]
    fn the_interpolation_neither_overshoots_nor_turns() {
        let curve = Pchip::new(vec![(0.0, 0.0), (1.0, 0.01), (2.0, 5.0), (3.0, 5.01)]);
        let values: Vec<f64> = (0..=300).map(|i| curve.at(f64::from(i) / 100.0)).collect();
        assert!(values.windows(2).all(|w| w[0] <= w[1] + 1e-12));
        assert!(values.iter().all(|v| (-1e-12..=5.01 + 1e-12).contains(v)));
        let whole = curve.integral(0.0, 3.0);
        let parts = curve.integral(0.0, 0.7) + curve.integral(0.7, 2.2) + curve.integral(2.2, 3.0);
        let sum: f64 = values.windows(2).map(|w| (w[0] + w[1]) / 200.0).sum();
        assert!((whole - parts).abs() < 1e-12 && (whole - sum).abs() < 1e-3, "{whole} {parts} {sum}");
    }

    #[test]
    fn curves_cross_where_they_do() {
        // Straight in log rate: 30 + 2·log₂(r/100) against 28 + 4·log₂(r/100) meet at 200 kbit/s.
        let low = points(&[(100.0, 30.0), (400.0, 34.0)]);
        let full = points(&[(100.0, 28.0), (400.0, 36.0)]);
        let Ok(Overtaking::At(rate)) = overtaking(&low, &full) else { panic!("they cross") };
        assert!((rate - 200_000.0).abs() < 1.0, "{rate}");
        assert_eq!(overtaking(&scaled(&low, 1.0, 9.0), &full), Ok(Overtaking::Never));
        assert_eq!(overtaking(&scaled(&low, 1.0, -9.0), &full), Ok(Overtaking::Already));
        assert_eq!(overtaking(&full, &low), Ok(Overtaking::Never), "above again at the end");
    }

    #[test]
    fn what_is_no_curve_is_refused() {
        let good = points(&[(100.0, 30.0), (200.0, 33.0)]);
        let with = |bad: &[(f64, f64)]| bd_rate(&good, &points(bad));
        assert_eq!(with(&[(100.0, 30.0)]), Err(CurveError::TooFew));
        assert_eq!(with(&[(100.0, 30.0), (200.0, 29.0)]), Err(CurveError::NotRising));
        assert_eq!(with(&[(100.0, 30.0), (100.0, 31.0)]), Err(CurveError::NotRising));
        assert_eq!(with(&[(0.0, 30.0), (100.0, 31.0)]), Err(CurveError::NotFinite));
        assert_eq!(with(&[(100.0, 30.0), (200.0, f64::NAN)]), Err(CurveError::NotFinite));
        assert_eq!(with(&[(100.0, 40.0), (200.0, 41.0)]), Err(CurveError::NoOverlap));
        assert_eq!(overtaking(&good, &points(&[(300.0, 30.0), (400.0, 31.0)])), Err(CurveError::NoOverlap));
    }
}
