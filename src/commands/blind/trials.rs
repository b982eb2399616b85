//! Makes the rounds' pictures, as a call would have shown them, on a thread of its own.

use std::{
    sync::mpsc::SyncSender,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use clearcall::{
    app::{
        blind_files::{PlainName, Trial},
        compare::blind_test::places,
    },
    codec::{Decoder, Encoder, EncoderConfig, H264Profile},
    frame::{Frame, Size, Stamp},
    model::SteadyQp,
    pipeline::Slot,
    scale::{Kernel, Scaler},
    source::clip::ClipReader,
    spotlight::Saliency,
};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::{contestant::Contestant, plan::Planned};
use crate::commands::{Input as _, InputFault, bench::quality::clip::Clip};

/// What makes the pictures.
pub(super) struct Maker {
    pub(super) clips: Vec<Clip>,
    pub(super) contestants: [Contestant; 2],
    pub(super) seed: u64,
    /// What is being done goes here; when it is closed, no more is done.
    pub(super) progress: Slot<String>,
}

/// A frame as it arrived, and as it was.
struct Arrived {
    low: Frame,
    truth: Frame,
}

impl Maker {
    /// Makes a trial of each planned frame, until nobody takes any more.
    pub(super) fn make(mut self, planned: &[Planned], give: &SyncSender<Trial>) -> anyhow::Result<()> {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        // Another row of numbers than those that shuffle the sides and draw the frames.
        rng.set_stream(3);
        let mut before = None;
        for planned in planned {
            let clip = &self.clips[planned.clip];
            let Some(arrived) = arrive(clip, *planned, &self.progress)? else { break };
            let Arrived { low, truth } = &arrived;
            let [a, b] = &mut self.contestants;
            let sides = [a.picture(low, truth)?, b.picture(low, truth)?];
            let place = places::draw(&Saliency::of(&sides[0], &sides[1]), before, &mut rng);
            before = Some(place);
            let trial = Trial {
                clip: file_name(clip),
                bitrate_bps: planned.bitrate,
                frame: low.stamp.id,
                place,
                size: sides[0].size,
                sides,
            };
            if give.send(trial).is_err() {
                break;
            }
        }
        Ok(())
    }
}

fn file_name(clip: &Clip) -> PlainName {
    PlainName::of_file(&clip.path.file_name().unwrap_or_default().to_string_lossy())
}

/// Sends the planned part of a clip, and gives its last frame that arrived; none where nobody waits for it any more.
fn arrive(clip: &Clip, planned: Planned, progress: &Slot<String>) -> anyhow::Result<Option<Arrived>> {
    let Planned { bitrate, from, to, .. } = planned;
    let size = sent_size(clip)?;
    let mut reader = ClipReader::open(&clip.path).input()?;
    let (mut to_low, mut to_truth) = (Scaler::new(size, Kernel::SENDER), Scaler::new(clip.truth, Kernel::default()));
    // As a call has it: frames may be left out, and the last one that came is what is seen.
    let config = EncoderConfig {
        size,
        fps: clip.fps.clamp(1.0, 60.0) as f32,
        bitrate,
        keyframe_interval: None,
        skip_frames: true,
        profile: H264Profile::default(),
    };
    let (mut encoder, mut decoder) = (Encoder::new(config).input()?, Decoder::new()?);
    let (start, mut steady, mut last) = (Instant::now(), SteadyQp::default(), None);
    for at in 0..=to {
        if progress.is_closed() {
            return Ok(None);
        }
        let Some(picture) = reader.next().input()? else { break };
        if picture.frame.size() != clip.size {
            let message = format!("{} changes its size at frame {at}; cut it there", clip.path.display());
            return Err(InputFault(message).into());
        }
        progress.put(format!("Making the next pictures: {}, frame {at} of {to}", file_name(clip)));
        if at < from {
            continue;
        }
        let captured = start + Duration::from_secs_f64(at as f64 / clip.fps);
        let source = picture.frame.with_stamp(Stamp { id: at, captured });
        let Some(unit) = encoder.encode(&to_low.scale(&source)?)? else { continue };
        let decoded = decoder.decode(&unit.data, unit.stamp)?;
        let mut low =
            decoded.with_context(|| format!("frame {at} of {} did not come back", clip.path.display()))?.frame;
        low.weights_qp = steady.follow(low.qp);
        last = Some((low, source));
    }
    let nothing =
        || format!("{} at {} kbit/s: no frame was sent; give a higher bitrate", clip.path.display(), bitrate / 1000);
    let (low, source) = last.ok_or_else(|| InputFault(nothing()))?;
    Ok(Some(Arrived { low, truth: to_truth.scale(&source)? }))
}

/// Half of the truth's, which is how clips are opened here.
fn sent_size(clip: &Clip) -> anyhow::Result<Size> {
    let size = clip.sent.first().and_then(|sent| sent.size);
    size.with_context(|| format!("{} has no size to be sent at", clip.path.display()))
}
