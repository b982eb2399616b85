//! One clip at one bitrate, from the file to rows of scores.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clearcall::{
    codec::{Decoded, Decoder, Encoder, EncoderConfig},
    frame::{Frame, Size, Stamp},
    measure::{MeasureError, Metric},
    model::SteadyQp,
    scale::{Kernel, Scaler},
    source::clip::ClipReader,
};
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::{
    Bitrate, Frames, Row,
    clip::Clip,
    contestants::{BICUBIC, Contestants, Kind},
    shots::Shots,
    tally::Tally,
};
use crate::commands::{Input as _, InputFault};

/// What holds for all passes.
pub(super) struct Plan<'a> {
    pub(super) skip: bool,
    pub(super) metrics: &'a [Metric],
    /// Other scores than PSNR, which are slow, of every Nth frame that was sent.
    pub(super) every: u64,
}

pub(super) fn run(
    clip: &Clip,
    bitrate: u32,
    plan: &Plan<'_>,
    field: &mut Contestants,
    mut shots: Option<&mut Shots>,
    bar: &ProgressBar,
) -> anyhow::Result<Vec<Row>> {
    let mut reader = ClipReader::open(&clip.path).input()?;
    let [mut to_truth, mut to_low] = [clip.truth, clip.low].map(|size| Scaler::new(size, Kernel::default()));
    let mut low = Stream::new(clip.low, clip.fps, bitrate, plan.skip)?;
    let mut full = field.wants_full().then(|| Stream::new(clip.truth, clip.fps, bitrate, plan.skip)).transpose()?;
    let mut tallies: Vec<Tally> = field.list().iter().map(|_| Tally::default()).collect();
    let (start, mut read) = (Instant::now(), 0);
    while read < clip.frames {
        let Some(picture) = reader.next().input()? else { break };
        if picture.frame.size() != clip.size {
            let message = format!("{} changes its size at frame {read}; cut it there", clip.path.display());
            return Err(InputFault(message).into());
        }
        // The encoder's rate control sees the clip's own clock, not how fast this machine is.
        let captured = start + Duration::from_secs_f64(read as f64 / clip.fps);
        let source = picture.frame.with_stamp(Stamp { id: read, captured });
        let truth = Arc::new(to_truth.scale(&source)?);
        let sent = low.send(&to_low.scale(&source)?)?;
        let sent_full = full.as_mut().map(|f| f.send(&truth)).transpose()?.flatten();
        let outputs = field.outputs(sent.as_ref(), sent_full.as_ref())?;
        if let Some(shots) = shots.as_deref_mut() {
            shots.take(clip, bitrate, &truth, field.list(), &outputs);
        }
        let work = tallies.par_iter_mut().zip(outputs);
        work.try_for_each(|(tally, output)| output.map_or(Ok(()), |o| tally.add(&truth, o, plan)))
            .map_err(|error| refused(clip, &error))?;
        read += 1;
        bar.inc(1);
    }
    let seconds = read as f64 / clip.fps;
    let mut rows = Vec::new();
    for (contestant, tally) in field.list().iter().zip(&tallies) {
        let stream = if contestant.kind == Kind::Full { full.as_ref() } else { Some(&low) };
        let Some(stream) = stream else { continue };
        let who = || format!("{} at {} kbit/s, {}", clip.name, bitrate / 1000, contestant.name);
        if tally.sent() == 0 {
            return Err(InputFault(format!("{}: no frame was sent; give a higher bitrate", who())).into());
        }
        tally.check().with_context(who)?;
        let (flicker, flicker_truth) = tally.flicker();
        let (grain, grain_truth) = tally.grain();
        rows.push(Row {
            clip: clip.name.clone(),
            size: clip.truth.to_string(),
            sent_size: stream.size.to_string(),
            upscaler: contestant.name.clone(),
            kind: contestant.kind,
            bitrate_bps: Bitrate { target: bitrate, measured: (stream.bytes * 8) as f64 / seconds },
            frames: Frames { read, sent: tally.sent(), skipped: read - tally.sent() },
            scores: tally.scores(),
            gain: BTreeMap::new(),
            flicker,
            flicker_truth,
            still: tally.still(),
            grain: grain.grain(),
            grain_truth: grain_truth.grain(),
            grid: grain.grid(),
            luma_shift: tally.luma_shift(),
        });
    }
    add_gains(&mut rows);
    Ok(rows)
}

/// What is left after taking bicubic's score away. The encode at full size spends other bits, so that the difference
/// would say nothing.
fn add_gains(rows: &mut [Row]) {
    let Some(base) = rows.iter().find(|r| r.upscaler == BICUBIC).map(|r| r.scores.clone()) else { return };
    for row in rows.iter_mut().filter(|r| r.upscaler != BICUBIC && r.kind != Kind::Full) {
        row.gain = row.scores.iter().filter_map(|(m, score)| Some((*m, score - base.get(m)?))).collect();
    }
}

fn refused(clip: &Clip, error: &MeasureError) -> anyhow::Error {
    let hint = match error {
        MeasureError::TooSmall { .. } => "; leave it out with --metrics",
        _ => "",
    };
    InputFault(format!("{}: {error}{hint}", clip.path.display())).into()
}

/// An encoder and its decoder.
struct Stream {
    size: Size,
    encoder: Encoder,
    decoder: Decoder,
    steady: SteadyQp,
    bytes: u64,
}

impl Stream {
    fn new(size: Size, fps: f64, bitrate: u32, skip_frames: bool) -> anyhow::Result<Self> {
        let fps = fps.clamp(1.0, 60.0) as f32;
        let config = EncoderConfig { size, fps, bitrate, keyframe_interval: None, skip_frames };
        let (encoder, decoder) = (Encoder::new(config).input()?, Decoder::new()?);
        Ok(Self { size, encoder, decoder, steady: SteadyQp::default(), bytes: 0 })
    }

    /// The frame as it arrives; none when the encoder skipped it.
    fn send(&mut self, frame: &Frame) -> anyhow::Result<Option<Decoded>> {
        let Some(unit) = self.encoder.encode(frame)? else { return Ok(None) };
        self.bytes += unit.data.len() as u64;
        let decoded = self.decoder.decode(&unit.data, unit.stamp)?;
        let mut decoded =
            decoded.with_context(|| format!("frame {} of {} did not come back", frame.stamp.id, self.size))?;
        decoded.frame.weights_qp = self.steady.follow(decoded.frame.qp);
        Ok(Some(decoded))
    }
}
