//! In which order samples are decoded and which of their pictures are shown when: the edit list (§8.6.6).

use super::index::{Index, IndexError, MAX_SAMPLES, Sample};

/// One sample to be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) sample: u32,
    /// When its picture is shown, in the track's units from the beginning; [`None`]: others refer to it, but the edit
    /// list leaves it out.
    pub(super) show: Option<i64>,
    /// What was decoded before has nothing to do with it.
    pub(super) fresh: bool,
}

/// What there is to be decoded and shown.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) steps: Vec<Step>,
    /// How many pictures are shown.
    pub(super) shown: usize,
    /// When the last of them ends.
    pub(super) end: i64,
    /// The mean of the pictures' durations, in the track's units.
    pub(super) mean: f64,
    /// Their durations differ by more than rounding.
    pub(super) variable: bool,
}

/// A part of the track that is shown.
struct Shown {
    from: i64,
    /// Behind its end.
    to: i64,
    /// When it begins.
    at: i64,
}

impl Plan {
    pub(super) fn new(index: &Index) -> Result<Self, IndexError> {
        let edited = Planner::new(index).edited()?;
        let (steps, end) = match edited {
            Some(edited) => edited,
            // Without a list, or with one that shows nothing at all, everything is shown from its first picture on.
            None => {
                let start = index.samples.iter().map(|s| s.time).min().unwrap_or(0);
                let end = index.samples.iter().map(|s| s.time.saturating_add(s.duration.into())).max().unwrap_or(0);
                let steps = (0_u32..).zip(&index.samples);
                let steps =
                    steps.map(|(sample, s)| Step { sample, show: Some(s.time.saturating_sub(start)), fresh: false });
                (steps.collect(), end.saturating_sub(start))
            }
        };
        let mut times: Vec<i64> = steps.iter().filter_map(|step| step.show).collect();
        times.sort_unstable();
        let gaps = || times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
        let (least, most) = (gaps().min().unwrap_or(0), gaps().max().unwrap_or(0));
        // A clock of milliseconds makes 33 and 34 of thirtieths.
        let rounding = (f64::from(index.track.timescale) / 500.0).max(1.0);
        let first = times.first().copied().unwrap_or(0);
        let mean = end.saturating_sub(first) as f64 / times.len().max(1) as f64;
        Ok(Self { shown: times.len(), end, mean, variable: most.saturating_sub(least) as f64 > rounding, steps })
    }
}

struct Planner<'a> {
    index: &'a Index,
    /// The samples in the order in which they are shown.
    order: Vec<u32>,
    /// Those at which decoding can begin.
    syncs: Vec<u32>,
    steps: Vec<Step>,
    /// The sample that would be decoded next.
    next: u32,
}

impl<'a> Planner<'a> {
    fn new(index: &'a Index) -> Self {
        let edited = !index.track.edits.is_empty();
        let mut order: Vec<u32> = if edited { (0..index.samples.len() as u32).collect() } else { Vec::new() };
        order.sort_by_key(|&i| index.samples[i as usize].time);
        let syncs = (0_u32..).zip(&index.samples).filter(|(_, s)| edited && s.sync).map(|(i, _)| i).collect();
        Self { index, order, syncs, steps: Vec::new(), next: 0 }
    }

    fn sample(&self, i: u32) -> &Sample {
        &self.index.samples[i as usize]
    }

    /// Edits' durations count in the movie's units.
    fn in_track_units(&self, duration: u64) -> i64 {
        let track = &self.index.track;
        let ticks = u128::from(duration) * u128::from(track.timescale) / u128::from(track.movie_timescale);
        i64::try_from(ticks).unwrap_or(i64::MAX)
    }

    /// The steps that the edit list asks for, and when the last picture ends; [`None`] where it shows nothing.
    fn edited(mut self) -> Result<Option<(Vec<Step>, i64)>, IndexError> {
        let Some(last) = self.order.last().map(|&i| *self.sample(i)) else { return Ok(None) };
        let media_end = last.time.saturating_add(last.duration.into());
        let mut at = 0_i64;
        for edit in &self.index.track.edits {
            let length = self.in_track_units(edit.duration);
            if edit.media_time < 0 {
                at = at.saturating_add(length);
                continue;
            }
            // Whoever writes fragments knows no duration when the list is written.
            let open = edit.duration == 0 || self.index.fragmented;
            let length = if open { media_end.saturating_sub(edit.media_time).max(0) } else { length };
            let part = if edit.dwell {
                // The picture that stands there, wherever in it.
                let shown = self.order.partition_point(|&i| self.sample(i).time <= edit.media_time);
                let from = self.order[..shown].last().map_or(edit.media_time, |&i| self.sample(i).time);
                Shown { from, to: from.saturating_add(1), at }
            } else {
                Shown { from: edit.media_time, to: edit.media_time.saturating_add(length), at }
            };
            self.show(&part)?;
            at = at.saturating_add(length);
        }
        if self.steps.iter().all(|step| step.show.is_none()) {
            return Ok(None);
        }
        // Where more is asked for than there is, the last picture has its own length.
        let ends = self
            .steps
            .iter()
            .filter_map(|step| Some(step.show?.saturating_add(self.sample(step.sample).duration.into())));
        let end = ends.max().unwrap_or(at).min(at);
        Ok(Some((self.steps, end)))
    }

    /// Adds what it takes to show a part.
    fn show(&mut self, part: &Shown) -> Result<(), IndexError> {
        // A movie's clock is coarser than a track's: what rounding leaves of a picture is none.
        let track = &self.index.track;
        let rounding = i64::from(track.timescale.div_ceil(track.movie_timescale));
        let to = part.to.saturating_sub(rounding).max(part.from.saturating_add(1));
        let first = self.order.partition_point(|&i| self.sample(i).time < part.from);
        let behind = self.order.partition_point(|&i| self.sample(i).time < to).max(first);
        // One that begins before is shown where most of it lies inside, or enough to be seen.
        let before = first.checked_sub(1).map(|n| self.order[n]).filter(|&i| {
            let next = self.order.get(first).map_or(i64::MAX, |&n| self.sample(n).time);
            let sample = self.sample(i);
            let ends = sample.time.saturating_add(sample.duration.into()).min(next);
            let inside = ends.min(part.to).saturating_sub(part.from);
            inside.saturating_mul(2) > sample.duration.into() || inside > i64::from(track.timescale) / 10
        });
        let shown = before.iter().chain(&self.order[first..behind]);
        let (Some(&low), Some(&high)) = (shown.clone().min(), shown.max()) else { return Ok(()) };
        let sync = match self.syncs.partition_point(|&s| s <= low) {
            0 => 0,
            n => self.syncs[n - 1],
        };
        let goes_on = (sync..=low).contains(&self.next);
        let start = if goes_on { self.next } else { sync };
        let count = (high - start) as usize + 1;
        if count > (2 * MAX_SAMPLES).saturating_sub(self.steps.len()) {
            return Err(IndexError::TooMany);
        }
        self.steps.reserve(count);
        for i in start..=high {
            let time = self.sample(i).time;
            let inside = (part.from..to).contains(&time) || Some(i) == before;
            let show = inside.then(|| part.at.saturating_add(time.saturating_sub(part.from).max(0)));
            let fresh = i == start && !goes_on && !self.steps.is_empty();
            self.steps.push(Step { sample: i, show, fresh });
        }
        self.next = high + 1;
        Ok(())
    }
}
