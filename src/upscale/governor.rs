//! Which model a machine can afford: decided from what frames took, and from nothing else.
//!
//! What counts is the engine's own time ([`FrameTime::own`]): it may be half the time from one frame to the next, or
//! less where the user limits it. When frames take longer than that, a smaller model is used within a second; when there
//! has been room for a larger one for some time, that is tried. A trial that fails makes the next one wait twice as
//! long, so that nothing flaps. Bicubic alone is for machines on which the smallest model's own time does not fit.
//!
//! By the clock ([`FrameTime::clock`]) a frame takes longer while others use the machine, too. Only when frames come
//! too late for the next one is a smaller model used for that, and only if it saves something: giving up the network for
//! a few percent of a core would help nobody.
//!
//! Time is an argument: there is no clock in here.

use std::{collections::VecDeque, fmt, time::Duration};

use super::{Precision, REST};

/// What is looked at to step down.
const SHORT: Duration = Duration::from_millis(600);
/// So many frames of it at least.
const MIN_LATELY: usize = 5;
/// What is looked at otherwise.
const LONG: Duration = Duration::from_secs(5);
/// A p95 of fewer frames says little.
const MIN_FRAMES: usize = 60;
/// After a change frames are not counted for this long: caches and buffers are new.
const SETTLE: Duration = Duration::from_millis(150);
/// The first trial of a larger model.
const FIRST_TRIAL: Duration = Duration::from_secs(2);
/// Later ones, unless they fail.
const TRIAL: Duration = Duration::from_secs(10);
/// The longest wait after trials that failed.
const MAX_WAIT: Duration = Duration::from_secs(320);
/// A larger model has to fit with room to spare.
const ROOM: f64 = 0.8;
/// A smaller model saves something where it gives back this share of the time from one frame to the next.
const WORTHWHILE: f64 = 0.05;

/// What a frame took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameTime {
    /// What the engine computed for it: a CPU's time of each of its threads, on the mean, or a GPU's own time.
    pub own: Duration,
    /// From its beginning to its end, by the clock; the same as [`FrameTime::own`] where only one of them is known.
    pub clock: Duration,
}

impl From<Duration> for FrameTime {
    /// Where only one time is known.
    fn from(took: Duration) -> Self {
        Self { own: took, clock: took }
    }
}

/// What may be used of the machine.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Budget {
    /// From one frame to the next.
    pub interval: Duration,
    /// The share of it that upscaling may take, 0 to 1: of the whole machine, since all cores work at once.
    pub share: f64,
    /// Why it is less than a half, for people.
    pub limit: Option<&'static str>,
}

impl Budget {
    /// The share of the interval that is taken when nobody limits it.
    pub const HALF: f64 = 0.5;
    /// What is taken while the machine runs on its battery.
    pub const ON_BATTERY: f64 = 0.2;

    /// The least of the half, the user's limit, and what a battery allows.
    pub fn new(fps: f32, cpu_share: Option<f64>, on_battery: bool) -> Self {
        let interval = Duration::from_secs_f64(1.0 / f64::from(fps.max(1.0)));
        let mut budget = Self { interval, share: Self::HALF, limit: None };
        let limits = [(cpu_share, "the CPU share is limited"), (on_battery.then_some(Self::ON_BATTERY), "on battery")];
        for (share, why) in limits {
            if let Some(share) = share.filter(|s| *s < budget.share) {
                budget.share = share.max(0.0);
                budget.limit = Some(why);
            }
        }
        budget
    }

    /// What a frame may take of the engine's own time, in seconds.
    fn own(&self) -> f64 {
        self.clock() * self.share
    }

    /// What it may take by the clock: then the next one comes.
    fn clock(&self) -> f64 {
        self.interval.as_secs_f64()
    }
}

/// What runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Bicubic only.
    Off,
    /// A model by its place among those that are known, the smallest first.
    Model(usize),
}

/// What runs from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LevelChange {
    /// What.
    pub to: Level,
    /// Why, for people.
    pub why: Why,
}

/// Why it runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Nothing is known yet.
    Beginning,
    /// It is the largest.
    Largest,
    /// The next larger one would take too long.
    Fits(Option<&'static str>),
    /// A larger one was too slow just now.
    Busy(Option<&'static str>),
    /// Not even the smallest is fast enough.
    NothingFits(Option<&'static str>),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (words, limit) = match self {
            Self::Beginning => ("the machine is being measured", None),
            Self::Largest => ("the machine is fast enough for the largest", None),
            Self::Fits(limit) => ("a larger one would take too long", *limit),
            Self::Busy(limit) => ("the machine is busy", *limit),
            Self::NothingFits(limit) => ("no model is fast enough", *limit),
        };
        match limit {
            // Then it is no wonder.
            Some(limit) => f.write_str(limit),
            None => f.write_str(words),
        }
    }
}

/// Decides.
#[derive(Debug, Clone)]
pub struct Governor {
    multiplications: Vec<usize>,
    costs: Vec<f64>,
    budget: Budget,
    at: Level,
    why: Why,
    /// When frames were done and what they took, in the long window.
    frames: VecDeque<(Duration, FrameTime)>,
    changed: Duration,
    /// When a larger one may be tried.
    trial: Duration,
    /// How long to wait for that after the next failure.
    wait: Duration,
    /// It went up last, not down.
    rose: bool,
}

impl Governor {
    /// `multiplications` are the models' for each pixel, the smallest first. Begins at `now` with the smallest, in f32.
    pub fn new(multiplications: &[usize], budget: Budget, now: Duration) -> Self {
        let at = if multiplications.is_empty() { Level::Off } else { Level::Model(0) };
        let mut governor = Self {
            multiplications: multiplications.to_vec(),
            costs: Vec::new(),
            budget,
            at,
            why: if multiplications.len() == 1 { Why::Largest } else { Why::Beginning },
            frames: VecDeque::new(),
            changed: now,
            trial: now + FIRST_TRIAL,
            wait: TRIAL,
            rose: false,
        };
        governor.set_precision(Precision::F32);
        governor
    }

    /// What runs.
    pub fn at(&self) -> Level {
        self.at
    }

    /// Why.
    pub fn why(&self) -> Why {
        self.why
    }

    /// The engine computes in this: in bytes a larger model takes longer by less, since only the network is faster.
    pub fn set_precision(&mut self, precision: Precision) {
        self.costs = self.multiplications.iter().map(|m| precision.cost(*m) + REST).collect();
    }

    /// Another budget from now on. A larger one is tried at once, a smaller one is held at the next frames.
    pub fn set_budget(&mut self, budget: Budget, now: Duration) {
        if budget != self.budget {
            if budget.own() > self.budget.own() {
                self.trial = self.trial.min(now + FIRST_TRIAL);
            }
            self.budget = budget;
        }
    }

    /// A frame was done at `now` and took `took`. Says what changes, if something does.
    pub fn frame(&mut self, now: Duration, took: FrameTime) -> Option<LevelChange> {
        if now.saturating_sub(self.changed) < SETTLE {
            return None;
        }
        self.frames.push_back((now, took));
        while self.frames.front().is_some_and(|(t, _)| now.saturating_sub(*t) > LONG) {
            self.frames.pop_front();
        }
        if let Some(to) = self.smaller(now) {
            return Some(self.down(now, to));
        }
        if now >= self.trial {
            return self.up(now);
        }
        None
    }

    /// The smaller one that has to be used instead, if one has.
    fn smaller(&self, now: Duration) -> Option<Level> {
        let Level::Model(i) = self.at else { return None };
        let fits = |took: f64, limit: f64| (0..i).rev().find(|j| took * self.cost_beside(*j, i) <= limit);
        if let Some(own) = self.over(now, own, self.budget.own()) {
            // One is always tried before nothing: what was measured may be of a moment only.
            let smaller = fits(own, self.budget.own()).or((i > 0).then_some(0));
            return Some(smaller.map_or(Level::Off, Level::Model));
        }
        let late = self.over(now, clock, self.budget.clock())?;
        let to = fits(late, self.budget.clock()).or((i > 0).then_some(0))?;
        let lately = self.lately(now, own);
        let saved = lately.get(lately.len() / 2)? * (1.0 - self.cost_beside(to, i));
        (saved >= WORTHWHILE * self.budget.clock()).then_some(Level::Model(to))
    }

    /// What frames take lately, if too many are over the limit: a third of the last ones, or one in twenty for some time.
    fn over(&self, now: Duration, of: fn(&FrameTime) -> f64, limit: f64) -> Option<f64> {
        let lately = self.lately(now, of);
        let late = lately.iter().filter(|took| **took > limit).count();
        let now_slow = lately.len() >= MIN_LATELY && 3 * late > lately.len();
        let long_slow = self.frames.len() >= MIN_FRAMES && self.p95(of).is_some_and(|took| took > limit);
        // The fast ones among them may be from before the machine slowed down.
        (now_slow || long_slow).then(|| lately.get(lately.len() * 4 / 5).copied()).flatten()
    }

    /// What a frame takes with the one model, as a multiple of what it takes with the other.
    fn cost_beside(&self, one: usize, other: usize) -> f64 {
        self.costs[one] / self.costs[other]
    }

    /// The times of the last frames, in order of length.
    fn lately(&self, now: Duration, of: fn(&FrameTime) -> f64) -> Vec<f64> {
        let lately = self.frames.iter().rev().take_while(|(t, _)| now.saturating_sub(*t) <= SHORT);
        sorted(lately.map(|(_, took)| of(took)).collect())
    }

    fn p95(&self, of: fn(&FrameTime) -> f64) -> Option<f64> {
        let times = sorted(self.frames.iter().map(|(_, took)| of(took)).collect());
        times.get(times.len() * 95 / 100).copied()
    }

    fn down(&mut self, now: Duration, to: Level) -> LevelChange {
        if self.rose && now.saturating_sub(self.changed) < TRIAL {
            self.wait = (2 * self.wait).min(MAX_WAIT);
        } else {
            self.wait = TRIAL;
        }
        let limit = self.budget.limit;
        let why = if to == Level::Off { Why::NothingFits(limit) } else { Why::Busy(limit) };
        self.go(now, to, why, false)
    }

    /// To the next larger model, if what is known says that it fits.
    fn up(&mut self, now: Duration) -> Option<LevelChange> {
        let limit = self.budget.limit;
        let next = match self.at {
            // Nothing is known of models while none runs.
            Level::Off if self.costs.is_empty() => return None,
            Level::Off => return Some(self.go(now, Level::Model(0), Why::Busy(limit), true)),
            Level::Model(i) => i + 1,
        };
        self.trial = now + FIRST_TRIAL;
        let Level::Model(i) = self.at else { return None };
        if next == self.costs.len() {
            return self.explain(Why::Largest);
        }
        if self.frames.len() < MIN_FRAMES / 2 {
            return None;
        }
        let fits = |of, limit| self.p95(of).is_some_and(|took| took * self.cost_beside(next, i) <= ROOM * limit);
        if !fits(own, self.budget.own()) {
            return self.explain(Why::Fits(limit));
        }
        if !fits(clock, self.budget.clock()) {
            return self.explain(Why::Busy(limit));
        }
        let why = if next + 1 == self.costs.len() { Why::Largest } else { Why::Fits(limit) };
        Some(self.go(now, Level::Model(next), why, true))
    }

    /// Another reason for what runs already.
    fn explain(&mut self, why: Why) -> Option<LevelChange> {
        if self.why == why {
            return None;
        }
        self.why = why;
        Some(LevelChange { to: self.at, why })
    }

    fn go(&mut self, now: Duration, to: Level, why: Why, rose: bool) -> LevelChange {
        self.frames.clear();
        (self.at, self.why, self.rose, self.changed) = (to, why, rose, now);
        self.trial = now + if rose { FIRST_TRIAL } else { self.wait };
        LevelChange { to, why }
    }
}

fn own(took: &FrameTime) -> f64 {
    took.own.as_secs_f64()
}

fn clock(took: &FrameTime) -> f64 {
    took.clock.as_secs_f64()
}

fn sorted(mut times: Vec<f64>) -> Vec<f64> {
    times.sort_by(f64::total_cmp);
    times
}

#[cfg(test)]
mod tests;
