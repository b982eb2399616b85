//! The clock of a source that has none of its own.

use std::time::{Duration, Instant};

/// When the next picture of a file is due, and which pictures a slower call leaves out.
pub(super) struct SourcePacer {
    interval: Duration,
    call_fps: f64,
    due: Option<Instant>,
    /// Call frames per source frame, at most 1.
    share: f64,
    credit: f64,
    /// By how much less than a frame the credit may be: times of their own are rounded.
    slack: f64,
}

impl SourcePacer {
    pub(super) fn new(source_fps: f32, call_fps: f32) -> Self {
        let source_fps = f64::from(source_fps).clamp(1.0, 240.0);
        Self {
            interval: Duration::from_secs_f64(1.0 / source_fps),
            call_fps: call_fps.into(),
            due: None,
            // A source that says 29.97 is not thinned out for a call at 30 or 29.9.
            share: (f64::from(call_fps) * 1.01 / source_fps).min(1.0),
            credit: 1.0,
            slack: 1e-9,
        }
    }

    /// How long to wait until the next picture; zero takes the tick. Lateness of up to four pictures is made up for.
    pub(super) fn wait(&mut self, now: Instant) -> Duration {
        let due = *self.due.get_or_insert(now);
        if now < due {
            return due - now;
        }
        let next = due + self.interval;
        self.due = Some(if now > next + self.interval * 4 { now } else { next });
        Duration::ZERO
    }

    /// The picture whose tick was taken lasts so long; [`None`]: as long as all do.
    pub(super) fn lasts(&mut self, shown_for: Option<Duration>) {
        let Some(shown_for) = shown_for else { return };
        if let Some(due) = &mut self.due {
            *due = due.checked_sub(self.interval).unwrap_or(*due) + shown_for;
        }
        self.slack = 0.25;
        self.share = (self.call_fps * 1.01 * shown_for.as_secs_f64()).min(1.0);
    }

    /// Whether the call takes this picture.
    pub(super) fn keep(&mut self) -> bool {
        let keep = self.credit >= 1.0 - self.slack;
        self.credit += self.share - f64::from(u8::from(keep));
        keep
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(source: f32, call: f32, frames: usize) -> usize {
        let mut pace = SourcePacer::new(source, call);
        (0..frames).filter(|_| pace.keep()).count()
    }

    #[test]
    fn a_slower_call_takes_its_share_of_the_pictures() {
        assert_eq!(kept(30.0, 30.0, 300), 300);
        assert_eq!(kept(29.97, 30.0, 300), 300);
        assert_eq!(kept(25.0, 30.0, 300), 300);
        assert!((148..=154).contains(&kept(30.0, 15.0, 300)));
        assert!((119..=124).contains(&kept(60.0, 24.0, 300)));
    }

    #[test]
    fn a_file_is_paced_and_a_stall_is_not_made_up_for() {
        let mut pace = SourcePacer::new(10.0, 10.0);
        let t = Instant::now();
        let ms = Duration::from_millis;
        assert_eq!(pace.wait(t), Duration::ZERO);
        assert_eq!(pace.wait(t + ms(30)), ms(70));
        assert_eq!(pace.wait(t + ms(130)), Duration::ZERO);
        assert_eq!(pace.wait(t + ms(150)), ms(50), "a little lateness does not shift the clock");
        assert_eq!(pace.wait(t + ms(5000)), Duration::ZERO);
        assert_eq!(pace.wait(t + ms(5000)), Duration::ZERO);
        assert_eq!(pace.wait(t + ms(5000)), ms(100), "after a stall the clock starts again");
    }

    #[test]
    fn pictures_with_times_of_their_own_keep_them() {
        let mut pace = SourcePacer::new(20.0, 30.0);
        let t = Instant::now();
        let ms = Duration::from_millis;
        let mut due = Duration::ZERO;
        for lasts in [33, 33, 67, 67, 42, 500, 33] {
            assert_eq!(pace.wait(t + due), Duration::ZERO);
            pace.lasts(Some(ms(lasts)));
            assert!(pace.keep());
            due += ms(lasts);
            assert_eq!(pace.wait(t + due - ms(10)), ms(10));
        }
    }
}
