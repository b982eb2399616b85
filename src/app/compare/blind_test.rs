//! A blind test: which of two sides is better, without knowing which is which. Pure; the pages draw it.

pub mod interval;
pub mod places;

use rand::{Rng as _, SeedableRng as _};
use serde::{Deserialize, Serialize};

use self::{
    interval::{ConfidenceInterval, wilson},
    places::Spots,
};
use crate::spotlight::{Place, Saliency};

/// Rounds of a test, unless another number is asked for.
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

/// What is seen of the pictures in a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum View {
    /// All of them.
    Whole,
    /// A part of them, one pixel to one pixel, elsewhere in each round.
    Crops,
}

/// A test that is under way.
#[derive(Debug, Clone)]
pub struct Blind {
    seed: u64,
    /// In each round, whether A stands on the right.
    swapped: Vec<bool>,
    answers: Vec<Answer>,
    /// Where the crops are; none where whole pictures are seen.
    spots: Option<Spots>,
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
    /// The middle of the crop that was seen, in shares of the picture; none where all of it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
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
    /// What was seen of the pictures.
    pub view: View,
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
    /// A test on whole pictures, whose sides are shuffled from `seed`: each side stands on the left in half of the rounds.
    pub fn new(seed: u64) -> Self {
        Self::of_rounds(seed, ROUNDS)
    }

    /// The same with so many rounds; of an odd number A stands on the right once more.
    pub fn of_rounds(seed: u64, rounds: usize) -> Self {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut swapped: Vec<bool> = (0..rounds).map(|i| i % 2 == 0).collect();
        // Fisher and Yates.
        for i in (1..rounds).rev() {
            swapped.swap(i, rng.random_range(0..=i));
        }
        Self { seed, swapped, answers: Vec::new(), spots: None }
    }

    /// A test on crops, at places that are drawn from `seed`, too, among those with detail in what it [sees](Self::see).
    pub fn crops(seed: u64) -> Self {
        Self { spots: Some(Spots::new(seed)), ..Self::new(seed) }
    }

    /// What is seen of the pictures.
    pub fn view(&self) -> View {
        if self.spots.is_some() { View::Crops } else { View::Whole }
    }

    /// Takes in where the sides of a frame differ, which the places of crops are drawn from.
    pub fn see(&mut self, saliency: Saliency) {
        if let Some(spots) = &mut self.spots {
            spots.see(saliency);
            spots.fill(self.answers.len());
        }
    }

    /// The middle of this round's crop; none before a frame was seen, and in a test on whole pictures.
    pub fn place(&self) -> Option<Place> {
        self.round()?;
        self.spots.as_ref()?.place(self.answers.len())
    }

    /// How many rounds there are.
    pub fn rounds(&self) -> usize {
        self.swapped.len()
    }

    /// The round that is to be answered, from 1; none when all are.
    pub fn round(&self) -> Option<usize> {
        (self.answers.len() < self.rounds()).then_some(self.answers.len() + 1)
    }

    /// Whether A stands on the right in this round.
    pub fn swapped(&self) -> bool {
        self.swapped.get(self.answers.len()).copied().unwrap_or(false)
    }

    /// A and B as they stand in this round, from left to right.
    pub fn left_and_right<T>(&self, [a, b]: [T; 2]) -> [T; 2] {
        if self.swapped() { [b, a] } else { [a, b] }
    }

    /// Takes an answer; one after the last round is not counted, nor one to a crop that was not there yet.
    pub fn answer(&mut self, answer: Answer) {
        if self.round().is_none() || (self.spots.is_some() && self.place().is_none()) {
            return;
        }
        self.answers.push(answer);
        if let Some(spots) = &mut self.spots {
            spots.fill(self.answers.len());
        }
    }

    /// What was found so far about sides of these names.
    pub fn outcome(&self, a: &str, b: &str) -> Outcome {
        let rounds: Vec<Round> = self
            .answers
            .iter()
            .zip(&self.swapped)
            .enumerate()
            .map(|(i, (&answer, &swapped))| {
                let (left, right) = if swapped { (b, a) } else { (a, b) };
                let place = self.spots.as_ref().and_then(|spots| spots.place(i));
                Round { left: left.to_owned(), right: right.to_owned(), answer, place }
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
            view: self.view(),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_shuffles_one_way_and_each_side_is_left_in_half_of_the_rounds() {
        let order = |seed| Blind::new(seed).swapped;
        assert_eq!(order(7), order(7));
        assert_ne!(order(7), order(8));
        for seed in 0..50 {
            assert_eq!(order(seed).iter().filter(|s| **s).count(), ROUNDS / 2);
        }
        assert_eq!(Blind::of_rounds(1, 7).swapped.iter().filter(|s| **s).count(), 4);
        assert_eq!(Blind::of_rounds(1, 0).round(), None);
    }

    #[test]
    fn each_round_of_crops_has_a_place_of_its_own_and_none_is_answered_unseen() {
        let mut test = Blind::crops(9);
        test.answer(Answer::Left);
        assert_eq!((test.round(), test.place()), (Some(1), None));
        test.see(places::tests::saliency());
        let mut seen: Vec<Place> = Vec::new();
        for _ in 0..ROUNDS {
            let place = test.place().unwrap();
            assert!(!seen.contains(&place), "{place:?} was there before");
            // What is seen meanwhile does not move the crop that is looked at.
            test.see(places::tests::saliency());
            assert_eq!(test.place(), Some(place));
            assert_eq!(test.left_and_right(["a", "b"]), if test.swapped() { ["b", "a"] } else { ["a", "b"] });
            test.answer(Answer::Right);
            seen.push(place);
        }
        assert_eq!((test.round(), test.place()), (None, None));
        let out = test.outcome("a", "b");
        assert_eq!(out.rounds.iter().filter_map(|round| round.place).collect::<Vec<_>>(), seen);
        assert_eq!((out.view, Blind::new(9).view()), (View::Crops, View::Whole));
        // Both kinds shuffle the sides alike.
        assert_eq!(test.swapped, Blind::new(9).swapped);
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
