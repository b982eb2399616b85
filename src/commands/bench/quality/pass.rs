//! One clip at one bitrate, from the file to rows of scores.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clearcall::{
    codec::{Decoded, Decoder, Encoder, EncoderConfig, H264Profile},
    frame::{Frame, Size, Stamp},
    measure::{MeasureError, Metric},
    model::SteadyQp,
    scale::{Kernel, Scaler},
    source::clip::ClipReader,
};
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::{
    clip::{Clip, Sent},
    contact_sheet::ContactSheet,
    contestants::{BICUBIC, Contestant, ContestantKind, Contestants},
    row::{Bitrate, Frames, Row},
    tally::{MetricSchedule, Tally},
    truth::{SentTruth, Truth, TruthTally},
};
use crate::commands::{
    self, Input as _, InputFault,
    settled_size::{Rate, settled_size},
};

/// From this mean QP on pictures stick to where they were, since the encoder codes no coarser than with 42 or so.
const STICKS: f64 = 41.0;

/// What holds for all passes.
pub(super) struct PassSettings<'a> {
    /// Whether the encoder may skip frames.
    pub(super) skip: bool,
    pub(super) profile: H264Profile,
    /// Whether rows say the size that was asked for.
    pub(super) compares_sizes: bool,
    pub(super) schedule: MetricSchedule<'a>,
}

/// The rows of all upscalers, and whether the clip was whole.
pub(super) fn run(
    clip: &Clip,
    sent: &Sent,
    bitrate: u32,
    settings: &PassSettings<'_>,
    field: &mut Contestants,
    mut sheet: Option<&mut ContactSheet>,
    bar: &ProgressBar,
) -> anyhow::Result<(Vec<Row>, anyhow::Result<()>)> {
    let rate =
        Rate { fps: clip.fps as f32, bitrate, profile: settings.profile, skip: settings.skip, frames: clip.frames };
    let size = sent.size.map_or_else(|| settled_size(&clip.path, rate), Ok)?;
    let mut reader = ClipReader::open(&clip.path).input()?;
    let mut to_truth = Scaler::new(clip.truth, Kernel::default());
    let mut to_low = Scaler::new(size, Kernel::SENDER);
    let mut low = Stream::new(size, clip.fps, bitrate, settings)?;
    let mut full = field.wants_full().then(|| Stream::new(clip.truth, clip.fps, bitrate, settings)).transpose()?;
    let mut tallies: Vec<Tally> = field.list().iter().map(|_| Tally::default()).collect();
    let (start, mut read) = (Instant::now(), 0);
    field.begin()?;
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
        let low_frame = low.send(&to_low.scale(&source)?)?;
        let sent_full = full.as_mut().map(|f| f.send(&truth)).transpose()?.flatten();
        let mut outputs = field.outputs(low_frame.as_ref(), sent_full.as_ref(), clip.truth)?;
        for output in outputs.iter_mut().flatten().filter(|output| output.size() != clip.truth) {
            *output = to_truth.scale(output)?;
        }
        if let Some(sheet) = sheet.as_deref_mut() {
            sheet.take(clip, bitrate, &truth, field.list(), &outputs);
        }
        let refused = |error| refused(clip, &error);
        // What a network sees in the truth is worked out once, and only where an output is compared by it.
        let sent = [(low_frame.is_some(), Some(&low)), (sent_full.is_some(), full.as_ref())];
        let due =
            sent.iter().any(|(sent, stream)| *sent && stream.is_some_and(|s| settings.schedule.is_due(s.truth.sent())));
        let truth = Truth::of(&truth, settings.schedule.lpips.filter(|_| due)).map_err(refused)?;
        let add = |stream: &mut Stream| stream.truth.add(&truth).map_err(refused);
        let low_truth = low_frame.is_some().then(|| add(&mut low)).transpose()?;
        let full_truth = full.as_mut().filter(|_| sent_full.is_some()).map(add).transpose()?;
        let scored = |(contestant, output): (&Contestant, Option<Frame>)| {
            let truth: &Option<SentTruth<'_>> =
                if contestant.kind == ContestantKind::Full { &full_truth } else { &low_truth };
            truth.as_ref().zip(output)
        };
        let scored: Vec<_> = field.list().iter().zip(outputs).map(scored).collect();
        let work = tallies.par_iter_mut().zip(scored);
        work.try_for_each(|(tally, scored)| {
            scored.map_or(Ok(()), |(truth, output)| tally.add(truth, output, &settings.schedule))
        })
        .map_err(refused)?;
        read += 1;
        bar.inc(1);
    }
    let seconds = read as f64 / clip.fps;
    let mut rows = Vec::new();
    for (contestant, tally) in field.list().iter().zip(&tallies) {
        let stream = if contestant.kind == ContestantKind::Full { full.as_ref() } else { Some(&low) };
        let Some(stream) = stream else { continue };
        let who = || format!("{} at {} kbit/s, {}", clip.name, bitrate / 1000, contestant.name);
        if tally.sent() == 0 {
            return Err(InputFault(format!("{}: no frame was sent; give a higher bitrate", who())).into());
        }
        // Where they lie is the encoder's doing, then, and no upscaler's.
        if stream.qp().is_none_or(|qp| qp < STICKS) {
            tally.check().with_context(who)?;
        }
        let grain = tally.grain();
        rows.push(Row {
            clip: clip.name.clone(),
            size: clip.truth.to_string(),
            asked_size: sent.asked,
            compared_at: settings.compares_sizes.then_some(sent.asked),
            sent_size: stream.size.to_string(),
            qp: stream.qp(),
            upscaler: contestant.name.clone(),
            kind: contestant.kind,
            bitrate_bps: Bitrate { target: bitrate, measured: (stream.bytes * 8) as f64 / seconds },
            frames: Frames { read, sent: tally.sent(), skipped: read - tally.sent(), loss: reader.loss() },
            scores: tally.scores(),
            gain: BTreeMap::new(),
            flicker: tally.flicker(),
            flicker_truth: stream.truth.flicker(),
            still: stream.truth.still(),
            grain: grain.grain(),
            grain_truth: stream.truth.grain(),
            grid: grain.grid(),
            luma_shift: tally.luma_shift(),
        });
    }
    add_gains(&mut rows);
    Ok((rows, commands::whole(&reader)))
}

/// What is gained over bicubic. The encode at full size spends other bits, so that it would say nothing there.
fn add_gains(rows: &mut [Row]) {
    let Some(base) = rows.iter().find(|r| r.upscaler == BICUBIC).map(|r| r.scores.clone()) else { return };
    for row in rows.iter_mut().filter(|r| r.upscaler != BICUBIC && r.kind != ContestantKind::Full) {
        let gain = |(m, score): (&Metric, &f64)| Some((*m, m.gain(*score, *base.get(m)?)?));
        row.gain = row.scores.iter().filter_map(gain).collect();
    }
}

fn refused(clip: &Clip, error: &MeasureError) -> anyhow::Error {
    let hint = match error {
        MeasureError::TooSmall { score: "LPIPS", .. } => "; leave out --features",
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
    /// The sum of the frames' QPs, and of how many.
    qps: (f64, u64),
    /// Of the frames that were sent.
    truth: TruthTally,
}

impl Stream {
    fn new(size: Size, fps: f64, bitrate: u32, settings: &PassSettings<'_>) -> anyhow::Result<Self> {
        let (skip_frames, profile) = (settings.skip, settings.profile);
        let fps = fps.clamp(1.0, 60.0) as f32;
        let config = EncoderConfig { size, fps, bitrate, keyframe_interval: None, skip_frames, profile };
        let (encoder, decoder) = (Encoder::new(config).input()?, Decoder::new()?);
        Ok(Self {
            size,
            encoder,
            decoder,
            steady: SteadyQp::default(),
            bytes: 0,
            qps: (0.0, 0),
            truth: TruthTally::default(),
        })
    }

    /// The frame as it arrives; none when the encoder skipped it.
    fn send(&mut self, frame: &Frame) -> anyhow::Result<Option<Decoded>> {
        let Some(unit) = self.encoder.encode(frame)? else { return Ok(None) };
        self.bytes += unit.data.len() as u64;
        let decoded = self.decoder.decode(&unit.data, unit.stamp)?;
        let mut decoded =
            decoded.with_context(|| format!("frame {} of {} did not come back", frame.stamp.id, self.size))?;
        if let Some(qp) = decoded.frame.qp {
            self.qps = (self.qps.0 + f64::from(qp), self.qps.1 + 1);
        }
        decoded.frame.weights_qp = self.steady.follow(decoded.frame.qp);
        Ok(Some(decoded))
    }

    /// The mean over the frames that were sent.
    fn qp(&self) -> Option<f64> {
        (self.qps.1 > 0).then(|| self.qps.0 / self.qps.1 as f64)
    }
}
