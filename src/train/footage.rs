//! Real clips to learn from: cut at scene changes, shrunk to be sharp, and sent as a call does it.

use std::{
    ops::Range,
    path::{Path, PathBuf},
};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::{
    TrainError,
    pairs::Pair,
    photo::{self, Pose},
    transmission::{AnyError, Manner, Transmission, WINDOW, log_uniform},
};
use crate::{
    frame::{Frame, Plane, Size},
    scale::{Kernel, Scaler, Squarer},
    source::clip::ClipReader,
};

/// Files that are taken for clips.
const ENDINGS: [&str; 8] = ["mp4", "m4v", "mov", "mkv", "264", "h264", "avc", "y4m"];
/// A clip is shrunk by this much before a window is taken of it: few are sharp at their own size.
const SHRINK: Range<f32> = 1.4..2.0;
/// The lowest window.
const LOWEST: f32 = 240.0;
/// Codes of luma by which two frames differ in the mean when another scene begins, and by so many times as much as the
/// frames before.
const CUT: f32 = 12.0;
const CUT_RISE: f32 = 4.0;
/// Luma of the bars at the sides of a picture, at most.
const BAR: u8 = 24;

/// The clips of a folder, in the order of their names.
pub(super) fn find(folder: &Path) -> Result<Vec<PathBuf>, TrainError> {
    let found = photo::files(folder, &ENDINGS)?;
    if found.is_empty() { Err(TrainError::NoClips(folder.to_owned())) } else { Ok(found) }
}

/// Who is in a clip, as its name says it: the first two words, so that `desk_man_a.mp4` and `desk_man_b.mp4` are one
/// person's.
pub(super) fn person(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy().to_lowercase();
    stem.split(['_', '-', ' ']).filter(|word| !word.is_empty()).take(2).collect::<Vec<_>>().join("_")
}

/// Takes `takes` of a clip and returns `kept` pairs of each, fewer where it is short or the encoder skipped frames.
/// Everything follows from the clip, `seed` and `number`.
pub(super) fn film(path: &Path, seed: u64, number: u64, takes: u32, kept: usize) -> Result<Vec<Pair>, AnyError> {
    let mut reader = ClipReader::open(path)?;
    let scenes = scenes(&mut reader)?;
    let bars = bars(&mut reader)?;
    let mut takes: Vec<Take> = (0..takes)
        .filter_map(|take| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(number + u64::from(take));
            Take::draw(&mut rng, &scenes, [bars[0].len(), bars[1].len()], kept)
        })
        .collect();
    reader.rewind()?;
    let mut squarer = Squarer::default();
    let corner = bars.map(|bar| bar.start);
    let mut at = 0;
    while let Some(next) = reader.next()? {
        let frame = squarer.square(next.frame)?;
        for take in takes.iter_mut().filter(|take| take.frames.contains(&at)) {
            take.push(at, &frame, corner, kept)?;
        }
        at += 1;
    }
    Ok(takes.into_iter().filter_map(|take| take.transmission).flat_map(Transmission::pairs).collect())
}

/// A part of a clip, seen through a window that stands still.
struct Take {
    frames: Range<usize>,
    shrink: f32,
    window: [u32; 2],
    /// Where the window lies in the room that it has, from 0 to 1.
    place: [f32; 2],
    manner: Manner,
    scaler: Option<Scaler>,
    transmission: Option<Transmission>,
}

impl Take {
    /// One of those that there is room for; none where the clip has no scene or is too small.
    fn draw(rng: &mut ChaCha8Rng, scenes: &[Range<usize>], [width, height]: [usize; 2], kept: usize) -> Option<Self> {
        // A scene counts by its length.
        let mut at = rng.random_range(0..scenes.iter().map(Range::len).sum::<usize>().max(1));
        let scene = scenes.iter().find(|scene| {
            let found = at < scene.len();
            at = at.saturating_sub(scene.len());
            found
        })?;
        let most = (height as f32 / LOWEST).min(width as f32 * 0.75 / LOWEST);
        let shrink = log_uniform(rng, SHRINK).min(most);
        if shrink < 1.0 {
            return None;
        }
        let (width, height) = (width as f32 / shrink, height as f32 / shrink);
        let across = width.min(height * 4.0 / 3.0).min(WINDOW[0] as f32) as u32 / 16 * 16;
        let manner = Manner::draw(rng, scene.len().saturating_sub(Manner::span(kept)));
        let frames = manner.frames(kept).min(scene.len());
        let start = scene.start + rng.random_range(0..=scene.len() - frames);
        Some(Self {
            frames: start..start + frames,
            shrink,
            window: [across, across / 4 * 3],
            place: [rng.random_range(0.0..=1.0), rng.random_range(0.0..=1.0)],
            manner,
            scaler: None,
            transmission: None,
        })
    }

    fn push(&mut self, at: usize, frame: &Frame, corner: [usize; 2], kept: usize) -> Result<(), AnyError> {
        let (size, by) = (frame.size(), self.shrink);
        let to = Size::new((size.width() as f32 / by) as u32 / 2 * 2, (size.height() as f32 / by) as u32 / 2 * 2)?;
        let small = Scaler::kept(&mut self.scaler, to, Kernel::default()).scale(frame)?;
        let window = Size::new(self.window[0], self.window[1])?;
        let mut seen = Frame::filled(window, [16, 128, 128], small.colour, small.stamp);
        let centre = std::array::from_fn(|i| {
            let (side, window) = ([to.width(), to.height()][i] as f32, self.window[i] as f32);
            let bar = (corner[i] as f32 / by).ceil();
            // Even, so that chroma is cut as well.
            let left = bar + self.place[i] * (side - 2.0 * bar - window).max(0.0);
            (left / 2.0).floor() * 2.0 + (window - 1.0) / 2.0
        });
        photo::look(&small, &mut seen, Pose { centre, scale: 1.0, turn: 0.0 }, None, None);
        let transmission = match &mut self.transmission {
            Some(transmission) => transmission,
            none => none.insert(Transmission::new(window, self.manner, kept, photo::interest(&seen))?),
        };
        transmission.push(at - self.frames.start, &seen)
    }
}

/// The scenes of a clip, as ranges of its frames.
fn scenes(reader: &mut ClipReader) -> Result<Vec<Range<usize>>, AnyError> {
    let mut scenes = Vec::new();
    let (mut first, mut at, mut usual) = (0, 0, 0.0_f32);
    let mut before: Option<Vec<u8>> = None;
    while let Some(next) = reader.next()? {
        let small = thumbnail(next.frame.y());
        if let Some(before) = before.filter(|before| before.len() == small.len()) {
            let apart: u64 = before.iter().zip(&small).map(|(a, b)| u64::from(a.abs_diff(*b))).sum();
            let apart = apart as f32 / small.len().max(1) as f32;
            if apart > CUT && apart > CUT_RISE * usual {
                scenes.push(first..at);
                first = at;
            } else {
                usual += (apart - usual) / 8.0;
            }
        }
        before = Some(small);
        at += 1;
    }
    scenes.push(first..at);
    Ok(scenes)
}

/// Every eighth pixel of every eighth row.
fn thumbnail(luma: &Plane) -> Vec<u8> {
    luma.rows().step_by(8).flat_map(|row| row.iter().step_by(8)).copied().collect()
}

/// The columns and rows of a clip's first frame that are not black bars: as much is taken off on one side as on the
/// other.
fn bars(reader: &mut ClipReader) -> Result<[Range<usize>; 2], AnyError> {
    reader.rewind()?;
    let Some(first) = reader.next()? else { return Ok([0..0, 0..0]) };
    let frame = Squarer::default().square(first.frame)?;
    let luma = frame.y();
    let (width, height) = (luma.width(), luma.height());
    let dark_column = |x: usize| (0..height).all(|y| luma.row(y)[x] <= BAR);
    let dark_row = |y: usize| luma.row(y)[..width].iter().all(|v| *v <= BAR);
    let bar = |length: usize, dark: &dyn Fn(usize) -> bool| {
        let bar = (0..length / 2).take_while(|at| dark(*at) || dark(length - 1 - at)).count();
        // All of it is dark: a night, and no bar.
        if bar < length / 2 { bar..length - bar } else { 0..length }
    };
    Ok([bar(width, &dark_column), bar(height, &dark_row)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    /// A clip of 320×272 pixels that shows one noise, then another, between bars of 32 columns.
    fn two_scenes(path: &Path) {
        let mut file = std::fs::File::create(path).unwrap();
        file.write_all(b"YUV4MPEG2 W384 H272 F30:1 Ip A1:1 C420\n").unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let scenes: [Vec<u8>; 2] = [0, 1].map(|scene: u8| {
            let light = |x: usize| if (32..352).contains(&x) { rng.random_range(40..=90) + 110 * scene } else { 16 };
            (0..384 * 272).map(|at| at % 384).map(light).collect()
        });
        for t in 0..40 {
            file.write_all(b"FRAME\n").unwrap();
            file.write_all(&scenes[usize::from(t >= 25)]).unwrap();
            file.write_all(&[128; 384 * 272 / 2]).unwrap();
        }
    }

    #[test]
    fn a_clip_is_cut_into_scenes_and_its_bars_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one_person_a.y4m");
        two_scenes(&path);
        let mut reader = ClipReader::open(&path).unwrap();
        assert_eq!(scenes(&mut reader).unwrap(), [0..25, 25..40]);
        assert_eq!(bars(&mut reader).unwrap(), [32..352, 0..272]);
        // Whatever is drawn lies in one scene, and nothing of a bar is seen.
        for seed in 0..6 {
            let pairs = film(&path, seed, 0, 3, 2).unwrap();
            assert!(!pairs.is_empty() && pairs.len() <= 6, "{}", pairs.len());
            for pair in pairs {
                let (dark, light) = (pair.hr().iter().min().unwrap(), pair.hr().iter().max().unwrap());
                assert!(*dark > 30 && (*light < 120 || *dark > 120), "{dark} {light}");
            }
        }
        let all = |seed| film(&path, seed, 7, 2, 2).unwrap();
        assert_eq!(all(1), all(1), "everything follows from the seed");
        assert_ne!(all(1), all(2));
    }

    #[test]
    fn a_person_is_told_by_the_first_two_words() {
        let of = |name: &str| person(Path::new(name));
        assert_eq!(of("clips/desk_man_green_a.mp4"), of("desk_man_green_b.mkv"));
        assert_eq!(of("selfie-man-eyes.mp4"), "selfie_man");
        assert_ne!(of("hands_cups.mp4"), of("hands_letters.mp4"));
    }

    #[test]
    fn a_folder_without_clips_is_told() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.txt"), "").unwrap();
        assert!(matches!(find(folder.path()), Err(TrainError::NoClips(_))));
        std::fs::write(folder.path().join("b.MP4"), "").unwrap();
        assert_eq!(find(folder.path()).unwrap(), [folder.path().join("b.MP4")]);
    }
}
