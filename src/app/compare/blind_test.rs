//! A blind test: which of two sides is better, without knowing which is which. Pure; the pages draw it.

use rand::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

/// Rounds of a test.
pub const ROUNDS: usize = 20;

/// What the person says in a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// The left one is better.
    Left,
    /// The right one is better.
    Right,
    /// No difference is seen.
    Same,
}

/// A test that is under way.
#[derive(Debug, Clone, PartialEq)]
pub struct Blind {
    seed: u64,
    /// In each round, whether A stands on the right.
    swapped: Vec<bool>,
    answers: Vec<Answer>,
}

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

/// One round in the result.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Round {
    /// What stood on the left.
    pub left: String,
    /// What stood on the right.
    pub right: String,
    /// What the person said.
    pub answer: Answer,
}

/// What came of a test, as it is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Side A.
    pub a: String,
    /// Side B.
    pub b: String,
    /// What the sides were shuffled from.
    pub seed: u64,
    /// Rounds in which A was better.
    pub a_better: usize,
    /// Rounds in which B was better.
    pub b_better: usize,
    /// Rounds in which no difference was seen.
    pub same: usize,
    /// The share of B in the rounds with a preference, with 95 % confidence (Wilson); none without such a round.
    pub b_share: Option<ConfidenceInterval>,
    /// Each round.
    pub rounds: Vec<Round>,
}

impl Blind {
    /// A test whose sides are shuffled from `seed`: each side stands on the left in half of the rounds.
    pub fn new(seed: u64) -> Self {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut swapped: Vec<bool> = (0..ROUNDS).map(|i| i % 2 == 0).collect();
        // Fisher and Yates.
        for i in (1..ROUNDS).rev() {
            swapped.swap(i, rng.random_range(0..=i));
        }
        Self { seed, swapped, answers: Vec::new() }
    }

    /// The round that is to be answered, from 1; none when all are.
    pub fn round(&self) -> Option<usize> {
        (self.answers.len() < ROUNDS).then_some(self.answers.len() + 1)
    }

    /// Whether A stands on the right in this round.
    pub fn swapped(&self) -> bool {
        self.swapped.get(self.answers.len()).copied().unwrap_or(false)
    }

    /// Takes an answer; one after the last round is not counted.
    pub fn answer(&mut self, answer: Answer) {
        if self.round().is_some() {
            self.answers.push(answer);
        }
    }

    /// What was found so far about sides of these names.
    pub fn outcome(&self, a: &str, b: &str) -> Outcome {
        let rounds: Vec<Round> = self
            .answers
            .iter()
            .zip(&self.swapped)
            .map(|(&answer, &swapped)| {
                let (left, right) = if swapped { (b, a) } else { (a, b) };
                Round { left: left.to_owned(), right: right.to_owned(), answer }
            })
            .collect();
        let prefers_a = |(answer, swapped): (&Answer, &bool)| match answer {
            Answer::Same => None,
            Answer::Left => Some(!swapped),
            Answer::Right => Some(*swapped),
        };
        let preferences: Vec<bool> = self.answers.iter().zip(&self.swapped).filter_map(prefers_a).collect();
        let a_better = preferences.iter().filter(|a| **a).count();
        let b_better = preferences.len() - a_better;
        Outcome {
            a: a.to_owned(),
            b: b.to_owned(),
            seed: self.seed,
            a_better,
            b_better,
            same: self.answers.len() - preferences.len(),
            b_share: wilson(b_better, preferences.len()),
            rounds,
        }
    }
}

impl Outcome {
    /// The result in a sentence or two.
    pub fn in_words(&self) -> String {
        let percent = |v: f64| format!("{:.0} %", 100.0 * v);
        let Some(share) = self.b_share else { return "You saw no difference in any round.".to_owned() };
        let meaning = match (share.low > 0.5, share.high < 0.5) {
            (true, _) => format!("You prefer {}: chance alone hardly explains this.", self.b),
            (_, true) => format!("You prefer {}: chance alone hardly explains this.", self.a),
            _ => "This could be chance: 50 % lies within the interval.".to_owned(),
        };
        format!(
            "{} was better in {} of {} rounds with a preference: {}, and with 95 % confidence between {} and {}. {}",
            self.b,
            self.b_better,
            self.a_better + self.b_better,
            percent(share.share),
            percent(share.low),
            percent(share.high),
            meaning
        )
    }
}

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
    }

    #[test]
    fn one_seed_shuffles_one_way_and_each_side_is_left_in_half_of_the_rounds() {
        let order = |seed| Blind::new(seed).swapped;
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        for seed in 0..50 {
            assert_eq!(order(seed).iter().filter(|s| **s).count(), ROUNDS / 2);
        }
    }

    #[test]
    fn preferring_what_is_truly_there_is_counted_wherever_it_stands() {
        let mut test = Blind::new(3);
        for i in 0..ROUNDS {
            assert_eq!(test.round(), Some(i + 1));
            // B is better, except in two rounds; two more look the same.
            let b = if test.swapped() { Answer::Left } else { Answer::Right };
            let a = if test.swapped() { Answer::Right } else { Answer::Left };
            test.answer(match i {
                0 | 1 => a,
                2 | 3 => Answer::Same,
                _ => b,
            });
        }
        test.answer(Answer::Left);
        assert_eq!(test.round(), None);
        let out = test.outcome("bicubic", "CNN");
        assert_eq!((out.a_better, out.b_better, out.same, out.rounds.len()), (2, 16, 2, ROUNDS));
        assert!(out.in_words().contains("You prefer CNN"), "{}", out.in_words());
        let json = serde_json::to_string(&out).unwrap();
        let back: Outcome = serde_json::from_str(&json).unwrap();
        assert_eq!((back.rounds, back.b_better, back.seed), (out.rounds.clone(), 16, 3));
        assert!((back.b_share.unwrap().low - out.b_share.unwrap().low).abs() < 1e-9);
        let undecided = Blind::new(1).outcome("a", "b");
        assert!(undecided.in_words().contains("no difference"));
    }
}
