//! What people said, as a table.

use std::fmt::Write as _;

use clearcall::app::{
    blind_files::{Count, Merged},
    compare::blind_test::interval::{ConfidenceInterval, LEAST_PEOPLE},
};

/// A line for each bitrate and one for all.
pub(super) fn text(merged: &Merged) -> String {
    let Merged { a, b, bitrates, all, .. } = merged;
    let votes = all.a_better + all.b_better + all.same;
    let many = |n: usize, what: &str, whats: &str| format!("{n} {}", if n == 1 { what } else { whats });
    let people = many(all.people, "person", "people");
    let mut out = format!("A is {a}, B is {b}: {} of {people}\n", many(votes, "vote", "votes"));
    let _ = writeln!(
        out,
        "{:<10}{:>6}{:>6}{:>6}{:>10}{:>16}{:>20}",
        "kbit/s", "A", "B", "none", "B's share", "95 % over votes", "95 % over people"
    );
    let named = bitrates.iter().map(|row| ((row.bitrate_bps / 1000).to_string(), &row.count));
    let rows = named.chain([("all".to_owned(), all)]);
    for (name, Count { a_better, b_better, same, b_share, b_share_over_people, .. }) in rows {
        let range = |i: &ConfidenceInterval| format!("{:.0} to {:.0} %", 100.0 * i.low, 100.0 * i.high);
        let share = b_share.as_ref().map_or_else(|| "-".to_owned(), |i| format!("{:.0} %", 100.0 * i.share));
        let [votes, people] = [b_share, b_share_over_people].map(|i| i.as_ref().map_or_else(|| "-".to_owned(), range));
        let _ = writeln!(out, "{name:<10}{a_better:>6}{b_better:>6}{same:>6}{share:>10}{votes:>16}{people:>20}");
    }
    let _ = writeln!(
        out,
        "Over votes: Wilson, as if they did not hang together. Over people: Student's t of their shares, from {LEAST_PEOPLE} \
         people on."
    );
    out
}
