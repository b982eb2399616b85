//! What several people said of the same two contestants, counted together.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    plain_name::PlainName,
    report::{Contestant, Vote, VoteReport},
};
use crate::app::compare::blind_test::interval::{ConfidenceInterval, over_people, wilson};

/// All votes, by bitrate and together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Merged {
    /// The first contestant.
    pub a: PlainName,
    /// The second one.
    pub b: PlainName,
    /// How many reports.
    pub reports: usize,
    /// For each bitrate, the lowest first.
    pub bitrates: Vec<BitrateCount>,
    /// All of them.
    pub all: Count,
}

/// The votes on one bitrate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BitrateCount {
    /// Bits a second.
    pub bitrate_bps: u32,
    /// What was said.
    #[serde(flatten)]
    pub count: Count,
}

/// What was said, in numbers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Count {
    /// People who voted.
    pub people: usize,
    /// Votes for A.
    pub a_better: usize,
    /// Votes for B.
    pub b_better: usize,
    /// Votes of those who saw no difference.
    pub same: usize,
    /// The share of B among votes with a preference, with 95 % confidence over votes (Wilson), as if they did not hang
    /// together.
    pub b_share: Option<ConfidenceInterval>,
    /// The mean of the people's shares of B, with 95 % confidence over people (Student); of three people and more.
    pub b_share_over_people: Option<ConfidenceInterval>,
}

/// Reports that do not belong together.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// There is none.
    #[error("there is no report to merge")]
    Nothing,
    /// They are about others.
    #[error("{first} compares {first_names} with each other, but {other} {other_names}: merge reports of the same two")]
    Contestants {
        /// The first file.
        first: String,
        /// Its contestants, "bicubic and small".
        first_names: String,
        /// The one that differs.
        other: String,
        /// Its contestants.
        other_names: String,
    },
    /// The same votes twice.
    #[error("{first} and {again} hold the same votes, which would count twice: leave one of them out")]
    Twice {
        /// A file.
        first: String,
        /// Another one.
        again: String,
    },
}

/// Who gave a report: those without a name are taken for people of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Person<'a> {
    Named(&'a str),
    OfReport(usize),
}

/// Counts the reports, each with its file's name, together.
///
/// # Errors
/// When there is none, they are of different contestants, or one is there twice.
pub fn merge(reports: &[(String, VoteReport)]) -> Result<Merged, MergeError> {
    let Some((first_file, first)) = reports.first() else { return Err(MergeError::Nothing) };
    let mut votes: Vec<(Person<'_>, u32, Option<Contestant>)> = Vec::new();
    for (i, (file, report)) in reports.iter().enumerate() {
        // Who was given as A in one may be B in another.
        let turned = (&report.a, &report.b) == (&first.b, &first.a);
        if !turned && (&report.a, &report.b) != (&first.a, &first.b) {
            let names = |report: &VoteReport| format!("{} and {}", report.a, report.b);
            return Err(MergeError::Contestants {
                first: first_file.clone(),
                first_names: names(first),
                other: file.clone(),
                other_names: names(report),
            });
        }
        let earlier =
            reports[..i].iter().find(|(_, earlier)| earlier.votes == report.votes && !report.votes.is_empty());
        if let Some((earlier, _)) = earlier {
            return Err(MergeError::Twice { first: earlier.clone(), again: file.clone() });
        }
        let person = report.person.as_ref().map_or(Person::OfReport(i), |name| Person::Named(name.as_str()));
        let said = |vote: &Vote| vote.preferred().map(|who| if turned { who.other() } else { who });
        votes.extend(report.votes.iter().map(|vote| (person, vote.bitrate_bps, said(vote))));
    }
    let rates: BTreeSet<u32> = votes.iter().map(|vote| vote.1).collect();
    let of = |rate: Option<u32>| {
        count(votes.iter().filter(|vote| rate.is_none_or(|r| r == vote.1)).map(|&(person, _, said)| (person, said)))
    };
    let bitrates = rates.iter().map(|&rate| BitrateCount { bitrate_bps: rate, count: of(Some(rate)) }).collect();
    Ok(Merged { a: first.a.clone(), b: first.b.clone(), reports: reports.len(), bitrates, all: of(None) })
}

fn count<'a>(votes: impl Iterator<Item = (Person<'a>, Option<Contestant>)>) -> Count {
    // Of each person the votes for A, for B, and for none.
    let mut people: BTreeMap<Person<'_>, [usize; 3]> = BTreeMap::new();
    for (person, said) in votes {
        let at = match said {
            Some(Contestant::A) => 0,
            Some(Contestant::B) => 1,
            None => 2,
        };
        people.entry(person).or_default()[at] += 1;
    }
    let [a_better, b_better, same] = [0, 1, 2].map(|i| people.values().map(|counts| counts[i]).sum::<usize>());
    let share = |&[a, b, _]: &[usize; 3]| (a + b > 0).then(|| b as f64 / (a + b) as f64);
    let shares: Vec<f64> = people.values().filter_map(share).collect();
    Count {
        people: people.len(),
        a_better,
        b_better,
        same,
        b_share: wilson(b_better, a_better + b_better),
        b_share_over_people: over_people(&shares),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::{
        blind_files::report::tests::{report, vote},
        compare::blind_test::Answer,
    };

    /// So many votes for A, for B and for none; B stands on the left in every other one.
    fn votes(rate: u32, counts: [usize; 3]) -> Vec<Vote> {
        let said = [Some(Contestant::A), Some(Contestant::B), None];
        let all = said.iter().zip(counts).flat_map(|(who, n)| std::iter::repeat_n(*who, n));
        let vote = |(i, who): (usize, Option<Contestant>)| {
            let left = if i % 2 == 0 { Contestant::A } else { Contestant::B };
            let answer = match who {
                None => Answer::Same,
                Some(who) if who == left => Answer::Left,
                Some(_) => Answer::Right,
            };
            vote(rate, left, answer)
        };
        all.enumerate().map(vote).collect()
    }

    fn named(reports: Vec<VoteReport>) -> Vec<(String, VoteReport)> {
        reports.into_iter().enumerate().map(|(i, report)| (format!("{i}.json"), report)).collect()
    }

    #[test]
    fn votes_are_counted_by_bitrate_and_together() {
        let both = |low, high| [votes(150_000, low), votes(600_000, high)].concat();
        let reports = named(vec![
            report(Some("Ana"), both([2, 8, 0], [4, 4, 2])),
            report(None, both([3, 7, 0], [5, 2, 3])),
            report(None, votes(150_000, [1, 9, 5])),
        ]);
        let merged = merge(&reports).unwrap();
        assert_eq!((merged.reports, merged.bitrates.len()), (3, 2));
        let low = &merged.bitrates[0];
        assert_eq!((low.bitrate_bps, low.count.people), (150_000, 3));
        assert_eq!((low.count.a_better, low.count.b_better, low.count.same), (6, 24, 5));
        assert_eq!(low.count.b_share, wilson(24, 30));
        // The shares are 0.8, 0.7 and 0.9: 4.303 · 0.1 / √3 to either side.
        let people = low.count.b_share_over_people.unwrap();
        assert!((people.share - 0.8).abs() < 1e-9 && (people.low - 0.5516).abs() < 1e-4, "{people:?}");
        let high = &merged.bitrates[1].count;
        assert_eq!((high.people, high.a_better, high.b_better, high.same), (2, 9, 6, 5));
        assert_eq!(high.b_share_over_people, None, "two people tell nothing of people");
        let all = &merged.all;
        assert_eq!((all.people, all.a_better, all.b_better, all.same), (3, 15, 30, 10));
    }

    #[test]
    fn reports_of_one_person_are_one_person_and_contestants_may_be_turned() {
        let straight = report(Some("Ana"), votes(150_000, [1, 5, 0]));
        let mut turned = report(Some("Ana"), votes(150_000, [4, 2, 1]));
        std::mem::swap(&mut turned.a, &mut turned.b);
        let merged = merge(&named(vec![straight, turned])).unwrap();
        assert_eq!(merged.a.as_str(), "bicubic");
        let all = merged.all;
        assert_eq!((all.people, all.a_better, all.b_better, all.same), (1, 1 + 2, 5 + 4, 1));
    }

    #[test]
    fn what_does_not_belong_together_is_refused() {
        let one = report(Some("Ana"), votes(150_000, [1, 5, 0]));
        let mut other = report(Some("Bo"), votes(150_000, [2, 2, 0]));
        other.b = "small".parse().unwrap();
        let said = merge(&named(vec![one.clone(), other])).unwrap_err().to_string();
        for word in ["0.json", "bicubic", "medium@0.5", "1.json", "small", "merge reports of the same two"] {
            assert!(said.contains(word), "{said}");
        }
        // The same file under another name, even with another person in it.
        let copied = VoteReport { person: None, ..one.clone() };
        let said = merge(&named(vec![one, copied])).unwrap_err().to_string();
        assert!(said.contains("0.json and 1.json hold the same votes"), "{said}");
        assert!(matches!(merge(&[]), Err(MergeError::Nothing)));
        let empty = merge(&named(vec![report(None, Vec::new()), report(None, Vec::new())])).unwrap();
        assert_eq!((empty.bitrates.len(), empty.all.people, empty.all.b_share), (0, 0, None));
    }
}
