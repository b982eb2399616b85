//! Which size is sent where the program chooses: the one that looks best, upscaled or not, with the bits that there
//! are. Pure, time is an argument.
//!
//! How many bits a picture wants depends on what is in it, and the QP at which the encoder holds its bitrate tells: the
//! lower it is, the better a larger picture looks. At which QP one size overtakes the next ([`STEPS`]) comes from curves
//! of quality over bitrate at several sizes (`docs/experiments.md`, "Which size is sent").

use std::time::{Duration, Instant};

use crate::frame::Size;

/// A size that is sent: a share of the sides of the largest.
struct Step {
    /// Numerator and denominator.
    share: (u32, u32),
    /// The QP that this size must come to, or less, to look better than the next smaller one.
    fine: f32,
    /// The mean QP above which the next smaller one looks better. Apart from `fine`, so that nothing goes to and fro.
    coarse: f32,
    /// Where nothing has been coded yet: bits for each pixel of each frame at which pictures of people come to `fine`.
    first_bits: f64,
}

/// From the largest.
const STEPS: [Step; 4] = [
    Step { share: (1, 1), fine: 31.5, coarse: 33.5, first_bits: 0.04 },
    Step { share: (3, 4), fine: 38.5, coarse: 40.5, first_bits: 0.016 },
    Step { share: (1, 2), fine: 40.0, coarse: 43.0, first_bits: 0.01 },
    Step { share: (3, 8), fine: COARSEST, coarse: COARSEST, first_bits: 0.0 },
];
/// Nothing with fewer pixels is sent, unless the source has no more.
const FEWEST_PIXELS: usize = 320 * 180;
/// By how much the QP rises where a picture of twice the pixels is coded into the same bits.
const QP_A_DOUBLING: f32 = 3.3;
/// What is not sent, to hold the bitrate, counts as coded as coarsely as can be.
const COARSEST: f32 = 51.0;
/// A change costs a keyframe and is seen: two are at least this far apart.
pub(super) const AT_MOST_EVERY: Duration = Duration::from_secs(10);
/// How many frames are looked at before one is decided on, and how many the mean remembers.
const FRAMES: u32 = 60;

/// What there is to choose from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Room {
    /// The size of the source.
    pub source: Size,
    /// Frames a second.
    pub fps: f32,
    /// Bits a second that are to be had.
    pub bitrate: u32,
}

/// The size that is sent over one connection.
#[derive(Debug, Clone)]
pub struct AutoSize {
    source: Size,
    share: usize,
    changed: Option<Instant>,
    qp: RunningMean,
}

/// The mean QP of the last frames.
#[derive(Debug, Clone, Copy, Default)]
struct RunningMean {
    mean: f32,
    frames: u32,
}

impl RunningMean {
    fn add(&mut self, value: f32) {
        self.frames = (self.frames + 1).min(FRAMES);
        self.mean += (value - self.mean) / self.frames as f32;
    }
}

impl AutoSize {
    /// The QP as which a frame counts that was left out to hold the bitrate.
    pub const COARSEST: f32 = COARSEST;

    /// Begins with what pictures of people usually want.
    pub fn new(room: &Room) -> Self {
        let bits = |share: usize| {
            let pixels = share_of(room.source, share).pixels() as f64;
            f64::from(room.bitrate) / (pixels * f64::from(room.fps).max(1.0))
        };
        let shares = shares(room.source);
        let share = (0..shares).find(|&share| bits(share) >= STEPS[share].first_bits).unwrap_or(shares - 1);
        Self { source: room.source, share, changed: None, qp: RunningMean::default() }
    }

    /// A frame was coded with this QP.
    pub fn coded(&mut self, qp: f32) {
        self.qp.add(qp);
    }

    /// A frame was left out to hold the bitrate.
    pub fn skipped(&mut self) {
        self.qp.add(COARSEST);
    }

    /// The size of the next frame of a source of this size.
    pub fn follow(&mut self, source: Size, now: Instant) -> Size {
        if source != self.source {
            // Another camera, or the same one upright.
            (self.source, self.qp) = (source, RunningMean::default());
            self.share = self.share.min(shares(source) - 1);
        }
        let rests = self.changed.is_some_and(|changed| now.saturating_duration_since(changed) < AT_MOST_EVERY);
        let wanted = self.wanted();
        if !rests && wanted != self.share && self.qp.frames == FRAMES {
            (self.share, self.changed, self.qp) = (wanted, Some(now), RunningMean::default());
        }
        self.size()
    }

    /// What it comes to where nothing changes: `qp` says at which mean QP a size is coded into the bits that there are.
    ///
    /// # Errors
    /// That of `qp`.
    pub fn settled<E>(mut self, mut qp: impl FnMut(Size) -> Result<f32, E>) -> Result<Size, E> {
        let mut now = Instant::now();
        // It is within two steps of where it ends, unless it goes to and fro.
        for _ in 0..2 * STEPS.len() {
            let (before, qp) = (self.size(), qp(self.size())?);
            (0..FRAMES).for_each(|_| self.coded(qp));
            now += AT_MOST_EVERY;
            if self.follow(self.source, now) == before {
                break;
            }
        }
        Ok(self.size())
    }

    /// What is sent now.
    pub fn size(&self) -> Size {
        share_of(self.source, self.share)
    }

    /// Where the QPs lead: as many steps as they tell of at once.
    fn wanted(&self) -> usize {
        let mut share = self.share;
        while share + 1 < shares(self.source) && self.expected(share) > STEPS[share].coarse {
            share += 1;
        }
        while share > 0 && share <= self.share && self.expected(share - 1) <= STEPS[share - 1].fine {
            share -= 1;
        }
        share
    }

    /// The QP that a share would come to.
    fn expected(&self, share: usize) -> f32 {
        let pixels = |share| share_of(self.source, share).pixels() as f32;
        self.qp.mean + QP_A_DOUBLING * (pixels(share) / pixels(self.share)).log2()
    }
}

/// How many shares there are for a source.
fn shares(source: Size) -> usize {
    (1..STEPS.len()).find(|&share| share_of(source, share).pixels() < FEWEST_PIXELS).unwrap_or(STEPS.len())
}

/// The largest size at which a source is sent: its own within 1280x720, either way up, with even sides.
pub fn largest(source: Size) -> Size {
    let upright = source.height() > source.width();
    source.shrink_even(if upright { Size::HD.turned() } else { Size::HD })
}

fn share_of(source: Size, share: usize) -> Size {
    let largest = largest(source);
    let (numerator, denominator) = STEPS[share].share;
    let part = |side: u32| side * numerator / denominator;
    match Size::new(part(largest.width()).max(2), part(largest.height()).max(2)) {
        Ok(part) => largest.fit_even(part),
        Err(_) => largest,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn room(source: &str, bitrate: u32) -> Room {
        Room { source: source.parse().unwrap(), fps: 30.0, bitrate }
    }

    /// What a picture of so many pixels comes to: a QP that rises by 3.3 with twice the pixels and by 6 with half the
    /// bits, as rate control has it, within what the encoder does.
    fn qp(size: Size, bitrate: u32, hardness: f32) -> f32 {
        let bits = bitrate as f32 / (30.0 * size.pixels() as f32);
        (hardness - 6.0 * bits.log2() - 2.7 * (size.pixels() as f32).log2()).clamp(12.0, COARSEST)
    }

    #[test]
    fn the_first_size_goes_by_the_bits() {
        let first = |source, bitrate| AutoSize::new(&room(source, bitrate)).size().to_string();
        // 0.016 · 960 · 540 · 30 = 248,832, and 0.04 · 1280 · 720 · 30 = 1,105,920.
        assert_eq!(first("1280x720", 1_200_000), "1280x720");
        assert_eq!(first("1280x720", 1_000_000), "960x540");
        assert_eq!(first("1280x720", 200_000), "640x360");
        assert_eq!(first("1280x720", 40_000), "480x270");
        assert_eq!(first("1920x1080", 2_000_000), "1280x720", "no more is coded");
        assert_eq!(first("720x1280", 40_000), "270x480");
        assert_eq!(first("640x480", 20_000), "320x240");
        assert_eq!(first("160x120", 20_000), "160x120", "a small source is sent as it is");
    }

    #[test]
    fn a_low_qp_leads_up_and_a_high_one_down() {
        let (mut size, t) = (AutoSize::new(&room("1280x720", 300_000)), Instant::now());
        let source = size.source;
        let mut see = |qp: f32, frames, seconds: u64| {
            (0..frames).for_each(|_| size.coded(qp));
            size.follow(source, t + Duration::from_secs(seconds)).to_string()
        };
        assert_eq!(see(30.0, 1, 0), "960x540");
        // 28 + 3.3 · log2(16 / 9) = 30.7.
        assert_eq!(see(28.0, 58, 1), "960x540", "too few frames to tell");
        assert_eq!(see(28.0, 60, 2), "1280x720");
        assert_eq!(see(51.0, 200, 3), "1280x720", "one change in ten seconds");
        assert_eq!(see(51.0, 1, 11), "1280x720");
        // 51 is too coarse for each of them: 51 − 3.3 · log2(7.1) = 41.6.
        assert_eq!(see(51.0, 1, 12), "480x270", "as far as the QP leads, at once");
        assert_eq!(see(42.0, 60, 22), "480x270", "one size more is 44.7");
        assert_eq!(see(20.0, 300, 32), "1280x720");
    }

    #[test]
    fn frames_that_are_left_out_count() {
        let (mut size, now) = (AutoSize::new(&room("640x480", 200_000)), Instant::now());
        let source = size.source;
        (0..30).for_each(|_| {
            size.coded(36.0);
            size.skipped();
        });
        assert_eq!((size.qp.mean.round(), size.follow(source, now).to_string()), (44.0, "320x240".to_owned()));
    }

    #[test]
    fn another_camera_starts_anew() {
        let (mut size, now) = (AutoSize::new(&room("1280x720", 1_000_000)), Instant::now());
        (0..60).for_each(|_| size.coded(20.0));
        assert_eq!(size.follow("320x240".parse().unwrap(), now).to_string(), "320x240");
        assert_eq!(size.qp.frames, 0);
    }

    proptest! {
        /// Whatever is to be coded, it comes to rest; from wherever it began, near the same size.
        #[test]
        fn it_comes_to_rest(hardness in 40.0..75.0_f32, bitrate in 30_000..3_000_000_u32, begins in 30_000..3_000_000_u32) {
            let mut size = AutoSize::new(&room("1280x720", begins));
            let (source, mut now) = (size.source, Instant::now());
            let mut sizes = Vec::new();
            for _ in 0..8 {
                let qp = qp(size.size(), bitrate, hardness);
                (0..FRAMES).for_each(|_| size.coded(qp));
                now += AT_MOST_EVERY;
                sizes.push(size.follow(source, now));
            }
            prop_assert_eq!(sizes[6], sizes[7], "{:?}", sizes);
            let settled = AutoSize::new(&room("1280x720", begins)).settled(|size| Ok::<_, ()>(qp(size, bitrate, hardness)));
            prop_assert_eq!(settled, Ok(sizes[7]));
        }

        #[test]
        fn two_changes_are_ten_seconds_apart(steps in prop::collection::vec((0.0..52.0_f32, 0..3000_u64, any::<bool>()), 1..200)) {
            let mut size = AutoSize::new(&room("1280x720", 300_000));
            let (source, mut now) = (size.source, Instant::now());
            let mut last = (size.size(), None);
            for (qp, ms, skipped) in steps {
                now += Duration::from_millis(ms);
                (0..30).for_each(|_| if skipped { size.skipped() } else { size.coded(qp) });
                let sent = size.follow(source, now);
                prop_assert!((sent.width() | sent.height()).is_multiple_of(2) && sent.pixels() >= FEWEST_PIXELS);
                if sent != last.0 {
                    prop_assert!(last.1.is_none_or(|at| now - at >= AT_MOST_EVERY));
                    last = (sent, Some(now));
                }
            }
        }
    }
}
