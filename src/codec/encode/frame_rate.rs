//! How many frames a second really come.

/// The rate is looked at this often, in milliseconds.
const WINDOW: u64 = 1000;

/// A longer pause says nothing about the rate after it.
const PAUSE: u64 = 1000;

/// Measures the rate of frames and tells when it has changed.
///
/// The encoder's rate control shares the bitrate out by the frame, so a camera that gives half as many
/// frames in the dark would otherwise be sent at half the bitrate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct FrameRateEstimator {
    /// The rate that was told last.
    fps: f32,
    /// When the window began and how many frames came in it.
    start: Option<u64>,
    last: u64,
    frames: u32,
}

impl FrameRateEstimator {
    pub(super) const fn new(fps: f32) -> Self {
        Self { fps, start: None, last: 0, frames: 0 }
    }

    /// Notes a frame at `time` milliseconds; answers with the rate where it is another by a tenth.
    pub(super) fn frame(&mut self, time: u64) -> Option<f32> {
        let pause = time.saturating_sub(self.last) > PAUSE;
        self.last = time;
        let Some(start) = self.start.filter(|_| !pause) else {
            (self.start, self.frames) = (Some(time), 0);
            return None;
        };
        self.frames += 1;
        let elapsed = time.saturating_sub(start);
        if elapsed < WINDOW {
            return None;
        }
        let fps = (1000.0 * self.frames as f32 / elapsed as f32).clamp(1.0, 60.0);
        (self.start, self.frames) = (Some(time), 0);
        if (fps / self.fps - 1.0).abs() < 0.1 {
            return None;
        }
        self.fps = fps;
        Some(fps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds frames `gap` milliseconds apart for a while; the rates that are told.
    fn run(estimator: &mut FrameRateEstimator, time: &mut u64, gap: f64, frames: u32) -> Vec<u32> {
        let start = *time;
        let told = (1..=frames).filter_map(|i| {
            *time = start + (f64::from(i) * gap) as u64;
            estimator.frame(*time).map(|fps| fps.round() as u32)
        });
        told.collect()
    }

    #[test]
    fn a_steady_rate_is_not_told() {
        let mut estimator = FrameRateEstimator::new(30.0);
        assert_eq!(run(&mut estimator, &mut 0, 1000.0 / 30.0, 300), [0_u32; 0]);
        assert_eq!(run(&mut FrameRateEstimator::new(29.97), &mut 7, 1000.0 / 29.97, 300), [0_u32; 0]);
    }

    #[test]
    fn a_slower_camera_is_told_once_and_its_recovery_too() {
        let (mut estimator, mut time) = (FrameRateEstimator::new(30.0), 0);
        assert_eq!(run(&mut estimator, &mut time, 1000.0 / 15.0, 90), [15]);
        assert_eq!(run(&mut estimator, &mut time, 1000.0 / 30.0, 300).last(), Some(&30));
    }

    #[test]
    fn a_pause_changes_nothing() {
        let (mut estimator, mut time) = (FrameRateEstimator::new(30.0), 0);
        assert_eq!(run(&mut estimator, &mut time, 1000.0 / 30.0, 20), [0_u32; 0]);
        time += 5000;
        assert_eq!(run(&mut estimator, &mut time, 1000.0 / 30.0, 90), [0_u32; 0]);
    }

    #[test]
    fn the_rate_stays_within_what_the_encoder_takes() {
        assert_eq!(run(&mut FrameRateEstimator::new(30.0), &mut 0, 2.0, 600), [60]);
        assert_eq!(run(&mut FrameRateEstimator::new(30.0), &mut 0, 990.0, 10), [1]);
    }
}
