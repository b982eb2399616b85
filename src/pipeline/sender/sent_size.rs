//! Which size is sent over the connection that is live.

use std::time::Instant;

use super::Outlet;
use crate::{
    frame::Size,
    pipeline::{
        auto_size::{AutoSize, Room},
        send_size::{Budget, SendSize},
        size_choice::SizeChoice,
        state_machine::Generation,
    },
};

/// What is wished for besides the size.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wished {
    pub(super) fps: f32,
    /// Bits a second.
    pub(super) bitrate: u32,
}

/// Decides over the size, for each connection anew.
#[derive(Debug, Default)]
pub(super) struct SentSize(Option<(Generation, Sizes)>);

/// What decides.
#[derive(Debug)]
enum Sizes {
    /// It was asked for, and is made smaller where the network carries too little.
    Asked(SendSize),
    /// Nobody asked for one.
    Auto(AutoSize),
}

impl SentSize {
    /// How large the next frame of a source of this size is sent.
    pub(super) fn next(&mut self, choice: SizeChoice, wished: Wished, outlet: Option<&Outlet>, source: Size) -> Size {
        let Some(outlet) = outlet else {
            return source.shrink_even(match choice {
                SizeChoice::Within(size) => size,
                SizeChoice::Auto => Size::USUAL,
            });
        };
        let (now, Wished { fps, bitrate }) = (Instant::now(), wished);
        let before = self.0.take().filter(|(generation, _)| *generation == outlet.generation).map(|(_, sizes)| sizes);
        let (size, sizes) = match choice {
            SizeChoice::Within(size) if !outlet.adapts_size => (source.shrink_even(size), None),
            SizeChoice::Within(size) => {
                let mut send_size = match before {
                    Some(Sizes::Asked(send_size)) => send_size,
                    _ => SendSize::default(),
                };
                let within = send_size.follow(&Budget { size, fps, wished: bitrate, allowed: outlet.allowed }, now);
                (source.shrink_even(within), Some(Sizes::Asked(send_size)))
            }
            SizeChoice::Auto => {
                let mut auto = match before {
                    Some(Sizes::Auto(auto)) => auto,
                    _ => AutoSize::new(&Room { source, fps, bitrate: bitrate.min(outlet.allowed) }),
                };
                (auto.follow(source, now), Some(Sizes::Auto(auto)))
            }
        };
        self.0 = sizes.map(|sizes| (outlet.generation, sizes));
        size
    }

    /// A frame was coded, with this QP where it can be told.
    pub(super) fn coded(&mut self, qp: Option<f32>) {
        if let (Some((_, Sizes::Auto(auto))), Some(qp)) = (&mut self.0, qp) {
            auto.coded(qp);
        }
    }

    /// A frame was left out to hold the bitrate.
    pub(super) fn skipped(&mut self) {
        if let Some((_, Sizes::Auto(auto))) = &mut self.0 {
            auto.skipped();
        }
    }
}
