//! How far a share that was counted may be from the truth.

use serde::{Deserialize, Serialize};

/// A share and the interval in which the truth about it lies.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ConfidenceInterval {
    /// What was counted.
    pub share: f64,
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

/// Of fewer people nothing is said about people.
pub const LEAST_PEOPLE: usize = 3;

/// Student's t with 2, 3, … degrees of freedom, below which 97.5 % lie.
const STUDENT: [f64; 29] = [
    4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110,
    2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

/// Wilson's score interval for `hits` of `n` at 95 % (E. B. Wilson, "Probable inference", 1927).
pub fn wilson(hits: usize, n: usize) -> Option<ConfidenceInterval> {
    const Z: f64 = 1.959_963_985;
    if n == 0 {
        return None;
    }
    let (n, share) = (n as f64, hits as f64 / n as f64);
    let z2 = Z * Z;
    let middle = (share + z2 / (2.0 * n)) / (1.0 + z2 / n);
    let half = Z / (1.0 + z2 / n) * (share * (1.0 - share) / n + z2 / (4.0 * n * n)).sqrt();
    Some(ConfidenceInterval { share, low: (middle - half).max(0.0), high: (middle + half).min(1.0) })
}

/// The mean of what is each person's share, with Student's t interval at 95 %; none of fewer than [`LEAST_PEOPLE`].
///
/// Votes of one person hang together, so that many votes of few people tell less than [`wilson`] says.
pub fn over_people(shares: &[f64]) -> Option<ConfidenceInterval> {
    if shares.len() < LEAST_PEOPLE {
        return None;
    }
    let n = shares.len() as f64;
    let mean = shares.iter().sum::<f64>() / n;
    let variance = shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / (n - 1.0);
    // Of more people than the table has, the last value is a little too wide.
    let t = STUDENT[(shares.len() - LEAST_PEOPLE).min(STUDENT.len() - 1)];
    let half = t * (variance / n).sqrt();
    Some(ConfidenceInterval { share: mean, low: (mean - half).max(0.0), high: (mean + half).min(1.0) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_wilsons() {
        // 15 of 20: 0.5313 to 0.8881; 0 of 10: 0 to 0.2775 (R: prop.test without correction).
        let i = wilson(15, 20).unwrap();
        assert!((i.low - 0.5313).abs() < 1e-4 && (i.high - 0.8881).abs() < 1e-4, "{i:?}");
        let none = wilson(0, 10).unwrap();
        assert!(none.low.abs() < 1e-12 && (none.high - 0.2775).abs() < 1e-4, "{none:?}");
        assert_eq!(wilson(0, 0), None);
        // By hand, 1 of 2: the middle is 0.5, and half of it 1.96 / (1 + 3.8415/2) · √(1/8 + 3.8415/16) = 0.4055.
        let half = wilson(1, 2).unwrap();
        assert!((half.low - 0.0945).abs() < 1e-4 && (half.high - 0.9055).abs() < 1e-4, "{half:?}");
    }

    #[test]
    fn the_interval_over_people_is_students() {
        // By hand: the mean is 0.7, the deviation 0.1, and 4.303 · 0.1 / √3 = 0.2484.
        let three = over_people(&[0.6, 0.7, 0.8]).unwrap();
        assert!((three.share - 0.7).abs() < 1e-12 && (three.low - 0.4516).abs() < 1e-4, "{three:?}");
        assert!((three.high - 0.9484).abs() < 1e-4, "{three:?}");
        // Four: mean 0.75, deviation 0.2041, 3.182 · 0.2041 / 2 = 0.3248, which ends at 1.
        let four = over_people(&[0.5, 0.75, 0.75, 1.0]).unwrap();
        assert!((four.low - 0.4252).abs() < 1e-4, "{four:?}");
        assert_eq!(four.high, 1.0);
        assert_eq!([over_people(&[]), over_people(&[0.1, 0.9])], [None; 2]);
        let many = over_people(&[0.5; 200]).unwrap();
        assert_eq!((many.low, many.high), (0.5, 0.5));
    }
}
