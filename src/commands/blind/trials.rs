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

/// So many clips are held open, to be read on from; what is read of others begins at their beginning each time.
const OPEN_CLIPS: usize = 8;

/// What makes the pictures.
pub(super) struct Maker {
    pub(super) clips: Vec<Clip>,
    pub(super) contestants: [Contestant; 2],
    pub(super) seed: u64,
    /// What is being done goes here; when it is closed, no more is done.
    pub(super) progress: Slot<String>,
}

/// A clip that is being read.
struct Opened {
    clip: usize,
    reader: ClipReader,
    /// The frame that it reads next.
    next: u64,
}

/// The clips that are open.
#[derive(Default)]
struct OpenClips(Vec<Opened>);

impl OpenClips {
    /// The clip, to be read from frame `from` or before.
    fn at(&mut self, clips: &[Clip], clip: usize, from: u64) -> anyhow::Result<&mut Opened> {
        self.0.retain(|opened| opened.clip != clip || opened.next <= from);
        let there = match self.0.iter().position(|opened| opened.clip == clip) {
            Some(there) => there,
            None => {
                self.0.truncate(OPEN_CLIPS - 1);
                self.0.push(Opened { clip, reader: ClipReader::open(&clips[clip].path).input()?, next: 0 });
                self.0.len() - 1
            }
        };
        Ok(&mut self.0[there])
    }
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
        let (mut before, mut open) = (None, OpenClips::default());
        for planned in planned {
            let clip = &self.clips[planned.clip];
            let opened = open.at(&self.clips, planned.clip, planned.from)?;
            let Some(arrived) = arrive(clip, opened, *planned, &self.progress)? else { break };
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
fn arrive(
    clip: &Clip,
    opened: &mut Opened,
    planned: Planned,
    progress: &Slot<String>,
) -> anyhow::Result<Option<Arrived>> {
    let Planned { bitrate, from, to, .. } = planned;
    let size = sent_size(clip)?;
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
    for at in opened.next..=to {
        if progress.is_closed() {
            return Ok(None);
        }
        let Some(picture) = opened.reader.next().input()? else { break };
        opened.next = at + 1;
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

#[cfg(test)]
mod tests {
    use std::{path::Path, sync::mpsc::sync_channel};

    use clearcall::{
        source::{clip::Y4mWriter, scene::Scene},
        upscale::EngineChoice,
    };

    use super::*;
    use crate::commands::{bench::quality::clip::Sizes, blind::plan};

    fn clips(folder: &Path) -> Vec<Clip> {
        let path = folder.join("scene.y4m");
        let scene = Scene::new(Size::new(320, 240).unwrap(), 30.0).unwrap();
        let mut writer = Y4mWriter::create(&path, scene.draw(0).size(), 30.0, scene.draw(0).colour).unwrap();
        (0..75).for_each(|n| writer.write(&scene.draw(n)).unwrap());
        writer.finish().unwrap();
        Clip::open_all(&[path], Sizes::Half(Size::USUAL), None).unwrap()
    }

    fn maker(clips: Vec<Clip>, [a, b]: [&str; 2], progress: &Slot<String>) -> Maker {
        let side = |name: &str| Contestant::new(name, EngineChoice::Cpu).unwrap().0;
        Maker { clips, contestants: [side(a), side(b)], seed: 5, progress: progress.clone() }
    }

    fn planned(clips: &[Clip], rounds: usize) -> Vec<Planned> {
        let lengths: Vec<_> = clips.iter().map(|c| plan::ClipLength { frames: c.frames, fps: c.fps }).collect();
        plan::plan(&lengths, &[150_000], rounds, 5)
    }

    #[test]
    fn trials_are_as_planned_and_the_same_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let make = |names: [&str; 2]| -> Vec<Trial> {
            let (give, trials) = sync_channel(3);
            let (clips, progress) = (clips(folder.path()), Slot::default());
            let planned = planned(&clips, 3);
            maker(clips, names, &progress).make(&planned, &give).unwrap();
            drop(give);
            let trials: Vec<Trial> = trials.into_iter().collect();
            assert_eq!(trials.len(), 3);
            for (trial, planned) in trials.iter().zip(&planned) {
                assert_eq!((trial.clip.as_str(), trial.bitrate_bps), ("scene.y4m", 150_000));
                // The encoder may have left out the last ones.
                assert!((planned.from..=planned.to).contains(&trial.frame), "{planned:?}: {}", trial.frame);
                assert!(trial.frame + 8 > planned.to, "{planned:?}: {}", trial.frame);
                assert_eq!(trial.size.to_string(), "320x240");
                assert!(trial.sides.iter().all(|side| side.size == trial.size));
            }
            let said = progress.try_take().unwrap();
            assert!(said.contains("scene.y4m") && !said.contains(folder.path().to_str().unwrap()), "{said}");
            trials
        };
        let (first, again) = (make(["bicubic", "truth"]), make(["bicubic", "truth"]));
        for (a, b) in first.iter().zip(&again) {
            assert_eq!((a.frame, a.place), (b.frame, b.place));
            assert!(a.sides == b.sides);
        }
        assert!(first.windows(2).all(|pair| pair[0].place != pair[1].place));
        // The truth is the clip itself, and what was scaled and coded is near to it.
        let scene = Scene::new(Size::new(320, 240).unwrap(), 30.0).unwrap();
        for Trial { sides: [coded, truth], frame, .. } in &first {
            assert!(truth.data == scene.draw(*frame).to_rgba().data);
            let off = |(a, b): (&u8, &u8)| u64::from(a.abs_diff(*b));
            let mean = coded.data.iter().zip(&truth.data).map(off).sum::<u64>() as f64 / truth.data.len() as f64;
            assert!((0.1..20.0).contains(&mean), "{mean} codes");
        }
    }

    #[test]
    fn a_clip_is_read_on_where_it_can_be_and_begun_anew_where_it_must_be() {
        let folder = tempfile::tempdir().unwrap();
        let clips = clips(folder.path());
        let mut open = OpenClips::default();
        let mut arrived = |from: u64, to: u64| {
            let opened = open.at(&clips, 0, from).unwrap();
            let begins_at = opened.next;
            let planned = Planned { clip: 0, bitrate: 150_000, from, to };
            let Arrived { low, truth } = arrive(&clips[0], opened, planned, &Slot::default()).unwrap().unwrap();
            (begins_at, low.stamp.id, truth.to_rgba().data)
        };
        let (begins, id, later) = arrived(40, 50);
        assert_eq!(begins, 0);
        assert!((45..=50).contains(&id));
        assert_eq!(arrived(51, 60).0, 51, "what comes after is read on");
        assert_eq!(arrived(60, 70).0, 0, "frame 60 is behind");
        // Wherever the reader stood, the same pictures come.
        let (begins, again, same) = arrived(40, 50);
        assert_eq!((begins, again), (0, id));
        assert!(same == later);
    }

    #[test]
    fn clips_beyond_a_few_are_closed_again() {
        let folder = tempfile::tempdir().unwrap();
        let one = clips(folder.path());
        let many: Vec<Clip> = (0..OPEN_CLIPS + 3).flat_map(|_| clips(folder.path())).collect();
        let mut open = OpenClips::default();
        for clip in 0..many.len() {
            assert_eq!(open.at(&many, clip, 0).unwrap().clip, clip);
            assert!(open.0.len() <= OPEN_CLIPS);
        }
        assert_eq!(open.at(&one, 0, 0).unwrap().next, 0);
    }

    #[test]
    fn nothing_is_made_for_nobody() {
        let folder = tempfile::tempdir().unwrap();
        let make = |give: &SyncSender<Trial>, progress: &Slot<String>| {
            let clips = clips(folder.path());
            let planned = planned(&clips, 3);
            maker(clips, ["bicubic", "bilinear"], progress).make(&planned, give).unwrap();
        };
        let ((give, trials), progress) = (sync_channel(3), Slot::default());
        progress.close();
        make(&give, &progress);
        assert!(trials.try_recv().is_err(), "the window is closed");
        drop(trials);
        make(&give, &Slot::default());
    }
}
