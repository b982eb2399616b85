//! Which size is sent over a network that carries less than what is wished for. Pure, time is an argument.

use std::time::{Duration, Instant};

use crate::frame::Size;

/// Shares of the wished size's sides that are sent, from the largest.
const SHARES: [(u32, u32); 5] = [(1, 1), (3, 4), (1, 2), (3, 8), (1, 4)];
/// Bits for each pixel of each frame below which a smaller picture is the better one, ...
const TOO_FEW_BITS: f64 = 0.025;
/// ... and above which a larger one is.
const ENOUGH_BITS: f64 = 0.04;
/// A larger picture costs a keyframe, and perhaps a smaller one soon after: it is not tried more often.
const GROW_AFTER: Duration = Duration::from_secs(4);
/// Nothing narrower is sent, unless it was wished for.
const MIN_WIDTH: u32 = 160;

/// What is wished for, and what the network carries of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// What is sent fits into this.
    pub(super) size: Size,
    pub(super) fps: f32,
    /// Bits a second that are wished for.
    pub(super) wished: u32,
    /// Bits a second that the network carries.
    pub(super) allowed: u32,
}

/// The size that is sent over one connection.
#[derive(Debug, Default)]
pub(super) struct SendSize {
    chosen: Option<Chosen>,
}

#[derive(Debug)]
struct Chosen {
    share: usize,
    since: Instant,
    wish: Size,
}

impl SendSize {
    /// What the next frame is to fit into: smaller at once where the bits do not suffice, larger one step at a time.
    pub(super) fn follow(&mut self, budget: &Budget, now: Instant) -> Size {
        let fits = |share: usize, bits: f64| budget.carries_all() || budget.bits_a_pixel(share) >= bits;
        let chosen = match &mut self.chosen {
            Some(chosen) if chosen.wish == budget.size => chosen,
            other => {
                let share = (0..SHARES.len()).find(|share| fits(*share, ENOUGH_BITS)).unwrap_or(SHARES.len() - 1);
                other.insert(Chosen { share, since: now, wish: budget.size })
            }
        };
        let before = chosen.share;
        while chosen.share + 1 < SHARES.len() && !fits(chosen.share, TOO_FEW_BITS) {
            chosen.share += 1;
        }
        let may_grow = chosen.share == before && now.saturating_duration_since(chosen.since) >= GROW_AFTER;
        if may_grow && chosen.share > 0 && fits(chosen.share - 1, ENOUGH_BITS) {
            chosen.share -= 1;
        }
        while chosen.share > 0 && share_of(budget.size, chosen.share).width() < MIN_WIDTH {
            chosen.share -= 1;
        }
        if chosen.share != before {
            chosen.since = now;
        }
        share_of(budget.size, chosen.share)
    }
}

impl Budget {
    fn carries_all(&self) -> bool {
        self.allowed >= self.wished
    }

    fn bits_a_pixel(&self, share: usize) -> f64 {
        let size = share_of(self.size, share);
        let pixels = f64::from(size.width()) * f64::from(size.height());
        f64::from(self.allowed.min(self.wished)) / (pixels * f64::from(self.fps).max(1.0))
    }
}

/// Both sides even, as the codec wants them.
fn share_of(size: Size, share: usize) -> Size {
    let (numerator, denominator) = SHARES[share];
    let part = |side: u32| (side * numerator / denominator).max(2) & !1;
    Size::new(part(size.width()), part(size.height())).unwrap_or(size)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn budget(size: &str, wished: u32, allowed: u32) -> Budget {
        Budget { size: size.parse().unwrap(), fps: 30.0, wished, allowed }
    }

    #[test]
    fn what_the_network_carries_is_sent_as_wished() {
        let mut size = SendSize::default();
        for bits in [30_000, 300_000] {
            assert_eq!(size.follow(&budget("480x360", bits, u32::MAX), Instant::now()).to_string(), "480x360");
        }
    }

    #[test]
    fn it_shrinks_at_once_and_grows_step_by_step() {
        let (mut size, t) = (SendSize::default(), Instant::now());
        let mut sent = |allowed, seconds| {
            let at = t + Duration::from_secs_f64(seconds);
            size.follow(&budget("1280x720", 2_000_000, allowed), at).to_string()
        };
        assert_eq!(sent(300_000, 0.0), "640x360", "300,000 / (640 · 360 · 30) = 0.043, the next smaller has 0.077");
        assert_eq!(sent(2_000_000, 0.0), "640x360", "at the same instant it is no other call");
        assert_eq!(sent(100_000, 1.0), "480x270");
        assert_eq!(sent(2_000_000, 2.0), "480x270", "not yet");
        assert_eq!(sent(2_000_000, 5.0), "640x360");
        assert_eq!(sent(2_000_000, 6.0), "640x360");
        assert_eq!(sent(2_000_000, 9.0), "960x540");
        assert_eq!(sent(2_000_000, 13.0), "1280x720");
        assert_eq!(sent(20_000, 14.0), "320x180");
    }

    proptest! {
        #[test]
        fn it_is_never_larger_than_wished_nor_odd_and_never_grows_twice_in_a_row(
            width in 16..1921_u32, height in 16..1081_u32, wished in 20_000..4_000_000_u32,
            steps in prop::collection::vec((0..5_000_000_u32, 0..3000_u64), 1..60)
        ) {
            let wish = Size::new(width & !1, height & !1).unwrap();
            let (mut size, mut now) = (SendSize::default(), Instant::now());
            let mut last: Option<(Size, Instant)> = None;
            for (allowed, ms) in steps {
                now += Duration::from_millis(ms);
                let sent = size.follow(&Budget { size: wish, fps: 30.0, wished, allowed }, now);
                prop_assert!(sent.width() <= wish.width() && sent.height() <= wish.height());
                prop_assert!(sent.width() % 2 == 0 && sent.height() % 2 == 0);
                match last {
                    Some((before, at)) if sent.width() > before.width() => {
                        prop_assert!(now - at >= GROW_AFTER);
                        last = Some((sent, now));
                    }
                    Some((before, _)) if sent == before => {}
                    _ => last = Some((sent, now)),
                }
            }
        }
    }
}
