//! The votes of one person, as they are kept and read again.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::plain_name::PlainName;
use crate::{
    app::compare::blind_test::Answer,
    codec::{MAX_BITRATE, MIN_BITRATE},
    frame::MAX_SIDE,
};

/// Rounds of a test, at most.
pub const MAX_ROUNDS: usize = 1000;
/// A file that is longer is none of ours: a vote takes some 300 bytes.
const MAX_BYTES: u64 = 1 << 20;

/// A contestant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Contestant {
    /// The first.
    A,
    /// The second.
    B,
}

impl Contestant {
    /// The other one.
    pub const fn other(self) -> Self {
        match self {
            Self::A => Self::B,
            Self::B => Self::A,
        }
    }
}

/// What was seen in one round, and what was said of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Vote {
    /// The clip's file name, without its folder.
    pub clip: PlainName,
    /// Bits a second that the clip was coded at.
    pub bitrate_bps: u32,
    /// The frame's number in the clip, from 0.
    pub frame: u64,
    /// The crop's left edge, in pixels of the upscaled picture.
    pub x: u32,
    /// Its upper edge.
    pub y: u32,
    /// Its width.
    pub width: u32,
    /// Its height.
    pub height: u32,
    /// Who stood on the left.
    pub left: Contestant,
    /// Which side is better.
    pub answer: Answer,
    /// Milliseconds from when it was shown.
    pub ms: u64,
}

impl Vote {
    /// Who is better; none where no difference was seen.
    pub const fn preferred(&self) -> Option<Contestant> {
        match self.answer {
            Answer::Left => Some(self.left),
            Answer::Right => Some(self.left.other()),
            Answer::Same => None,
        }
    }

    fn check(&self) -> Result<(), String> {
        if !(MIN_BITRATE..=MAX_BITRATE).contains(&self.bitrate_bps) {
            return Err(format!("{} is no bitrate", self.bitrate_bps));
        }
        let inside = |from: u32, length: u32| length > 0 && from.checked_add(length).is_some_and(|end| end <= MAX_SIDE);
        if inside(self.x, self.width) && inside(self.y, self.height) {
            Ok(())
        } else {
            let Self { x, y, width, height, .. } = self;
            Err(format!("{width}x{height} pixels at {x},{y} are no part of a picture"))
        }
    }
}

/// All that a test leaves behind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct VoteReport {
    /// The first contestant's name.
    pub a: PlainName,
    /// The second one's.
    pub b: PlainName,
    /// Who voted, if they said so.
    pub person: Option<PlainName>,
    /// What clips, moments, places and sides were drawn from.
    pub seed: u64,
    /// The votes, in the order in which they were given.
    pub votes: Vec<Vote>,
}

/// A report that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum VoteReportError {
    /// The file system said no.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What it said.
        source: std::io::Error,
    },
    /// Longer than any report.
    #[error("{} has more than {MAX_BYTES} bytes: it is no report of clearcall blind", .0.display())]
    TooLong(PathBuf),
    /// Something else than a report.
    #[error("{} is no report of clearcall blind: {why}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong in it.
        why: String,
    },
}

impl VoteReport {
    /// Reads a report and checks all that is in it.
    ///
    /// # Errors
    /// When the file cannot be read, is too long, or is no such report.
    pub fn read(path: &Path) -> Result<Self, VoteReportError> {
        let unreadable = |source| VoteReportError::Read { path: path.to_owned(), source };
        let mut bytes = Vec::new();
        File::open(path).map_err(unreadable)?.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_BYTES {
            return Err(VoteReportError::TooLong(path.to_owned()));
        }
        Self::parse(&bytes).map_err(|why| VoteReportError::Wrong { path: path.to_owned(), why })
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let report: Self = serde_json::from_slice(bytes).map_err(|e| e.to_string())?;
        if report.a == report.b {
            return Err(format!("{} is compared with itself", report.a));
        }
        if report.votes.len() > MAX_ROUNDS {
            return Err(format!("it has more than {MAX_ROUNDS} votes"));
        }
        for (i, vote) in report.votes.iter().enumerate() {
            vote.check().map_err(|why| format!("vote {}: {why}", i + 1))?;
        }
        Ok(report)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) fn vote(bitrate_bps: u32, left: Contestant, answer: Answer) -> Vote {
        let clip = "face.mp4".parse().unwrap();
        Vote { clip, bitrate_bps, frame: 93, x: 120, y: 0, width: 360, height: 300, left, answer, ms: 2100 }
    }

    pub(in super::super) fn report(person: Option<&str>, votes: Vec<Vote>) -> VoteReport {
        let [a, b] = ["bicubic", "medium@0.5"].map(|name| name.parse().unwrap());
        VoteReport { a, b, person: person.map(|name| name.parse().unwrap()), seed: u64::MAX, votes }
    }

    #[test]
    fn a_report_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let answers = [Answer::Left, Answer::Right, Answer::Same];
        let votes = answers.map(|answer| vote(150_000, Contestant::B, answer)).to_vec();
        for written in [report(Some("Ana"), votes), report(None, Vec::new())] {
            crate::report::write_json(&path, &written).unwrap();
            assert_eq!(VoteReport::read(&path).unwrap(), written);
        }
        let preferred = answers.map(|answer| vote(1, Contestant::B, answer).preferred());
        assert_eq!(preferred, [Some(Contestant::B), Some(Contestant::A), None]);
    }

    #[test]
    fn what_is_no_report_is_refused_with_the_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("r.json");
        let good = serde_json::to_value(report(Some("Ana"), vec![vote(150_000, Contestant::A, Answer::Left)])).unwrap();
        let refused = |name: &str, value: serde_json::Value, words: &[&str]| {
            let mut json = good.clone();
            *json.pointer_mut(name).unwrap() = value;
            std::fs::write(&path, json.to_string()).unwrap();
            let said = VoteReport::read(&path).unwrap_err().to_string();
            assert!(said.contains("r.json") && words.iter().all(|word| said.contains(word)), "{name}: {said}");
        };
        refused("/b", "bicubic".into(), &["bicubic is compared with itself"]);
        refused("/a", "\u{1b}[2J".into(), &["control characters"]);
        refused("/person", "x".repeat(500).into(), &["letters"]);
        refused("/votes/0/bitrate_bps", 3.into(), &["vote 1", "3 is no bitrate"]);
        refused("/votes/0/x", u32::MAX.into(), &["vote 1", "no part of a picture"]);
        refused("/votes/0/height", 0.into(), &["no part of a picture"]);
        refused("/votes/0/frame", (-1).into(), &["-1"]);
        refused("/votes/0/answer", "both".into(), &["both"]);
        refused("/votes/0/left", "c".into(), &["`c`"]);
        refused("/votes", vec![good["votes"][0].clone(); MAX_ROUNDS + 1].into(), &["more than 1000 votes"]);
        for (bytes, word) in [(&b"[1, 2"[..], "no report"), (&vec![b' '; 1 << 21][..], "1048576 bytes")] {
            std::fs::write(&path, bytes).unwrap();
            let said = VoteReport::read(&path).unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        }
        let gone = VoteReport::read(&folder.path().join("gone.json")).unwrap_err().to_string();
        assert!(gone.contains("gone.json"), "{gone}");
    }
}
