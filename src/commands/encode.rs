//! `clearcall encode`: the sender's half without a network.

use std::time::{Duration, Instant};

use clearcall::{
    codec::{EncodeError, Encoder, EncoderConfig, H264Profile},
    frame::{Size, Stamp},
    pipeline::SizeChoice,
    scale::{Kernel, Scaler},
    source::clip::{ClipReader, Loss},
};
use serde::Serialize;

use super::{
    Input as _, InputFault, Stopped,
    settled_size::{Rate, settled_size},
};
use crate::cli::EncodeArgs;
use output::Output;

pub(super) mod output;

/// How many frames --size auto looks at.
const LOOKED_AT: u64 = 150;

/// What `encode --json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    frames: Frames,
    bitrate_bps: Bitrate,
    bytes: u64,
    profile: H264Profile,
    size: String,
    fps: f64,
    /// The pictures last for different times.
    variable_rate: bool,
    /// Why it ended before the video did.
    stopped: Option<Stopped>,
}

#[derive(Debug, Serialize)]
struct Frames {
    read: u64,
    encoded: u64,
    skipped: u64,
    /// Of the input.
    #[serde(flatten)]
    loss: Loss,
}

#[derive(Debug, Serialize)]
struct Bitrate {
    target: u32,
    measured: f64,
}

/// Which pictures a lower rate takes: the first at or behind each tick of its clock.
struct Thinning {
    step: Duration,
    due: Duration,
}

impl Thinning {
    fn new(fps: f32) -> Self {
        Self { step: Duration::from_secs_f64(1.0 / f64::from(fps)), due: Duration::ZERO }
    }

    fn takes(&mut self, time: Duration) -> bool {
        // Files round their times, some to thousandths.
        if time + self.step / 4 < self.due {
            return false;
        }
        // Behind a gap the clock starts anew.
        self.due = if time > self.due + self.step { time } else { self.due } + self.step;
        true
    }
}

pub(crate) fn run(args: &EncodeArgs) -> anyhow::Result<()> {
    super::not_onto_itself(&args.input, &args.output)?;
    let mut clip = ClipReader::open(&args.input).input()?;
    let source_fps = clip.fps().clamp(1.0, 240.0);
    let fps = args.fps.map_or(source_fps, |f| f.0.min(source_fps));
    let within = match args.size {
        SizeChoice::Within(size) => size,
        SizeChoice::Auto => {
            let (bitrate, profile, skip) = (args.bitrate.0, args.profile, args.skip);
            settled_size(&args.input, Rate { fps, bitrate, profile, skip, frames: LOOKED_AT })?
        }
    };
    let mut out = Output::create(&args.output)?;
    if clip.variable_rate() && !out.has_times() {
        eprintln!(
            "note: the pictures of {} have times of their own, which a byte stream does not keep: for them give -o OUT.mp4",
            args.input.display()
        );
    }
    let bar = super::bar(clip.frames_hint(), "encoding");
    // Pictures are left out only where a lower rate is asked for.
    let mut thinning = args.fps.filter(|f| f.0 < source_fps).map(|_| Thinning::new(fps));
    let start = Instant::now();
    let mut first = None;
    let mut work: Option<(Size, Scaler, Encoder)> = None;
    let (mut read, mut encoded, mut skipped) = (0_u64, 0_u64, 0_u64);
    let (mut stopped, mut last, mut sizes) = (None, Duration::ZERO, None);
    while let Some(picture) = super::next_picture(&mut clip, read, &mut stopped)? {
        let (n, size) = (read, picture.frame.square_size());
        if let Some(from) = sizes.filter(|&from| from != size && out.has_one_size()) {
            stopped = Some(Stopped::Size { at: n, from, to: size });
            break;
        }
        sizes = Some(size);
        read += 1;
        bar.inc(1);
        let captured = picture.frame.stamp.captured;
        let time = captured.saturating_duration_since(*first.get_or_insert(captured));
        last = time;
        if thinning.as_mut().is_some_and(|thinning| !thinning.takes(time)) {
            continue;
        }
        let target = size.shrink_even(within);
        if work.as_ref().is_none_or(|w| w.0 != target) {
            let config = EncoderConfig {
                size: target,
                fps: fps.min(60.0),
                bitrate: args.bitrate.0,
                keyframe_interval: None,
                skip_frames: args.skip,
                profile: args.profile,
            };
            let encoder = Encoder::new(config).map_err(|e| refused(args, size, &e))?;
            work = Some((target, Scaler::new(target, Kernel::SENDER), encoder));
        }
        let Some((_, scaler, encoder)) = &mut work else { continue };
        // The encoder's rate control sees the clip's own clock, not how fast this machine is.
        let low = scaler.scale(&picture.frame.with_stamp(Stamp { id: n, captured: start + time }))?;
        match encoder.encode(&low)? {
            Some(unit) => {
                out.unit(&unit, time)?;
                encoded += 1;
            }
            None => skipped += 1,
        }
    }
    let end = clip.end().zip(first).map(|(end, first)| end.saturating_duration_since(first));
    let end = end.filter(|&end| end > last).unwrap_or(last + Duration::from_secs_f64(1.0 / f64::from(source_fps)));
    let bytes = out.finish(end)?;
    bar.finish_and_clear();
    let Some((size, ..)) = work else {
        return Err(InputFault(format!("{} has no pictures", args.input.display())).into());
    };
    let summary = Summary {
        frames: Frames { read, encoded, skipped, loss: clip.loss() },
        bitrate_bps: Bitrate { target: args.bitrate.0, measured: (bytes * 8) as f64 / end.as_secs_f64() },
        bytes,
        profile: args.profile,
        size: size.to_string(),
        fps: f64::from(fps),
        variable_rate: clip.variable_rate(),
        stopped,
    };
    if args.json {
        out!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        out!(
            "{}: {encoded} frames of {size} at {fps} fps, {skipped} skipped to hold the bitrate, {:.0} kbit/s of {:.0} kbit/s{}",
            args.output.display(),
            summary.bitrate_bps.measured / 1e3,
            f64::from(args.bitrate.0) / 1e3,
            super::shortfall(&clip, summary.stopped.as_ref()),
        );
    }
    super::ended(&clip, summary.stopped)
}

/// A size that is not encoded is the input's, by its own name.
fn refused(args: &EncodeArgs, size: Size, error: &EncodeError) -> anyhow::Error {
    let message = match error {
        EncodeError::Size(_) => EncodeError::Size(size).to_string(),
        other => other.to_string(),
    };
    InputFault(format!("{}: {message}", args.input.display())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lower_rate_takes_pictures_by_their_times() {
        let taken = |fps, times: &mut dyn Iterator<Item = f64>| {
            let mut thinning = Thinning::new(fps);
            times.filter(|&t| thinning.takes(Duration::from_secs_f64(t))).count()
        };
        assert_eq!(taken(15.0, &mut (0..12).map(|n| f64::from(n) / 30.0)), 6);
        assert_eq!(taken(15.0, &mut (0..300).map(|n| (f64::from(n) / 0.03).round() / 1000.0)), 150, "in thousandths");
        assert_eq!(taken(20.0, &mut (0..300).map(|n| f64::from(n) / 30.0)), 200);
        // Behind a gap it does not make up for what was not there.
        assert_eq!(taken(10.0, &mut [0.0, 5.0, 5.01, 5.02, 5.1].into_iter()), 3);
    }
}
