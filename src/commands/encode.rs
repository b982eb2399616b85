//! `clearcall encode`: the sender's half without a network.

use std::{
    fs::File,
    io::{BufWriter, Write as _},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clearcall::{
    codec::{Encoder, EncoderConfig},
    frame::{Size, Stamp},
    scale::{Kernel, Scaler},
    source::clip::{ClipReader, Loss},
};
use serde::Serialize;

use super::Input as _;
use crate::cli::EncodeArgs;

/// What `encode --json` prints.
#[derive(Debug, Serialize)]
struct Summary {
    frames: Frames,
    bitrate_bps: Bitrate,
    bytes: u64,
    size: String,
    fps: f64,
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

pub(crate) fn run(args: &EncodeArgs) -> anyhow::Result<()> {
    super::not_onto_itself(&args.input, &args.output)?;
    let mut clip = ClipReader::open(&args.input).input()?;
    let source_fps = clip.fps().clamp(1.0, 240.0);
    let fps = args.fps.map_or(source_fps, |f| f.0.min(source_fps));
    let file = File::create(&args.output)
        .with_context(|| format!("cannot write {}; is the folder there and writable?", args.output.display()))
        .input()?;
    let mut out = BufWriter::new(file);
    let bar = super::bar(clip.frames_hint(), "encoding");
    let (start, step) = (Instant::now(), f64::from(fps) / f64::from(source_fps));
    let mut work: Option<(Size, Scaler, Encoder)> = None;
    let (mut read, mut encoded, mut skipped, mut bytes) = (0_u64, 0_u64, 0_u64, 0_u64);
    while let Some(picture) = clip.next().input()? {
        let n = read;
        read += 1;
        bar.inc(1);
        // Picture n is taken when it begins a new interval of the output's clock.
        if n > 0 && (n as f64 * step).floor() == ((n - 1) as f64 * step).floor() {
            continue;
        }
        let size = picture.frame.size();
        let target = size.shrink_even(args.size);
        if work.as_ref().is_none_or(|w| w.0 != target) {
            let config = EncoderConfig {
                size: target,
                fps,
                bitrate: args.bitrate.0,
                keyframe_interval: None,
                skip_frames: args.skip,
            };
            work = Some((target, Scaler::new(target, Kernel::default()), Encoder::new(config)?));
        }
        let Some((_, scaler, encoder)) = &mut work else { continue };
        // The encoder's rate control sees the clip's own clock, not how fast this machine is.
        let captured = start + Duration::from_secs_f64(n as f64 / f64::from(source_fps));
        let low = scaler.scale(&picture.frame.with_stamp(Stamp { id: n, captured }))?;
        match encoder.encode(&low)? {
            Some(unit) => {
                out.write_all(&unit.data).with_context(|| format!("cannot write {}", args.output.display()))?;
                encoded += 1;
                bytes += unit.data.len() as u64;
            }
            None => skipped += 1,
        }
    }
    out.flush().with_context(|| format!("cannot write {}", args.output.display()))?;
    bar.finish_and_clear();
    let Some((size, ..)) = work else {
        return Err(super::InputFault(format!("{} has no pictures", args.input.display())).into());
    };
    let seconds = (encoded + skipped) as f64 / f64::from(fps);
    let summary = Summary {
        frames: Frames { read, encoded, skipped, loss: clip.loss() },
        bitrate_bps: Bitrate { target: args.bitrate.0, measured: (bytes * 8) as f64 / seconds },
        bytes,
        size: size.to_string(),
        fps: f64::from(fps),
    };
    if args.json {
        out!("{}", serde_json::to_string_pretty(&summary)?);
    } else {
        out!(
            "{}: {encoded} frames of {size} at {fps} fps, {skipped} skipped to hold the bitrate, {:.0} kbit/s of {:.0} kbit/s",
            args.output.display(),
            summary.bitrate_bps.measured / 1e3,
            f64::from(args.bitrate.0) / 1e3,
        );
    }
    super::whole(&clip)
}
