use std::{
    io::{BufRead as _, BufReader, Read as _},
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use super::*;
use crate::{
    codec::{AccessUnit, Decoder, Encoder, EncoderConfig, H264Profile},
    frame::{Frame, Stamp},
    source::{
        clip::{ClipError, ClipReader},
        scene::Scene,
    },
};

/// Ticks from frame to frame at 25 a second.
pub(super) const FRAME_TICKS: u32 = CLOCK / 25;
/// Frames from keyframe to keyframe.
pub(super) const GOP: usize = 5;

/// Units of the scene, 25 a second.
fn units(size: &str, count: u64, keyframe_interval: Option<u32>) -> Vec<AccessUnit> {
    let size = size.parse().unwrap();
    let scene = Scene::new(size, 25.0).unwrap();
    let config = EncoderConfig {
        size,
        fps: 25.0,
        bitrate: 200_000,
        keyframe_interval,
        skip_frames: false,
        profile: H264Profile::High,
    };
    let mut encoder = Encoder::new(config).unwrap();
    let start = Instant::now();
    let frame = |n: u64| {
        let captured = start + Duration::from_millis(40 * n);
        encoder.encode(&scene.draw(n).with_stamp(Stamp { id: n, captured })).unwrap()
    };
    (0..count).filter_map(frame).collect()
}

pub(super) fn gops(count: u64) -> Vec<AccessUnit> {
    units("96x64", count, Some(GOP as u32))
}

pub(super) fn decoded(units: &[AccessUnit]) -> Vec<Frame> {
    let mut decoder = Decoder::new().unwrap();
    units.iter().filter_map(|u| decoder.decode(&u.data, u.stamp).unwrap()).map(|d| d.frame).collect()
}

/// The frames that a player gets, and what it meets behind them.
pub(super) fn played(path: &Path) -> (Vec<Frame>, Option<ClipError>) {
    let mut clip = match ClipReader::open(path) {
        Ok(clip) => clip,
        Err(error) => return (Vec::new(), Some(error)),
    };
    let mut frames = Vec::new();
    loop {
        match clip.next() {
            Ok(Some(frame)) => frames.push(frame.frame),
            Ok(None) => return (frames, None),
            Err(error) => return (frames, Some(error)),
        }
    }
}

/// A disk with room for as many bytes as the file's name says.
#[derive(Debug)]
struct SmallDisk {
    file: File,
    room: usize,
}

pub(crate) fn open_on_small_disk(path: &Path) -> io::Result<Box<dyn Sink>> {
    let room = path.file_stem().unwrap().to_str().unwrap().parse().unwrap();
    Ok(Box::new(SmallDisk { file: File::create_new(path)?, room }))
}

impl Write for SmallDisk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.saturating_sub(self.file.stream_position()? as usize);
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file.write(&bytes[..bytes.len().min(room)])
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for SmallDisk {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.file.seek(to)
    }
}

/// Records all units; the first error ends it, as in a call.
fn record(open: OpenSink, path: &Path, units: &[AccessUnit]) -> Result<Recorded, RecordError> {
    let mut recording = Recording::create_with(open, path.to_owned(), &units[0].data, 0, None)?;
    for (i, unit) in units.iter().enumerate().skip(1) {
        recording.unit(&unit.data, unit.keyframe, FRAME_TICKS * i as u32)?;
    }
    recording.finish()
}

/// The boxes of a file: their names and where they end. The last may be cut.
pub(super) fn boxes_of(data: &[u8]) -> Vec<([u8; 4], usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(head) = data.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        at += u32::from_be_bytes(*head.first_chunk().unwrap()) as usize;
        found.push((*head.last_chunk().unwrap(), at));
    }
    found
}

#[test]
fn what_is_recorded_plays_as_it_was_received() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.mp4");
    let units = gops(12);
    // The clock may wrap.
    let start = u32::MAX - 4 * FRAME_TICKS;
    let time = |i: usize| start.wrapping_add(FRAME_TICKS * i as u32);
    let mut recording = Recording::create(&path, &units[0].data, time(0)).unwrap();
    for (i, unit) in units.iter().enumerate().skip(1) {
        assert_eq!(recording.unit(&unit.data, unit.keyframe, time(i)).unwrap(), Written::Frame);
    }
    let done = recording.finish().unwrap();
    assert_eq!((done.frames, done.size), (12, "96x64".parse().unwrap()));
    assert!((done.seconds - 12.0 / 25.0).abs() < 1e-9, "{}", done.seconds);

    let clip = ClipReader::open(&path).unwrap();
    assert!((clip.fps() - 25.0).abs() < 0.1, "{}", clip.fps());
    let (frames, error) = played(&path);
    assert!(error.is_none(), "{error:?}");
    let wanted = decoded(&units);
    assert_eq!(frames.len(), wanted.len());
    for (frame, want) in frames.iter().zip(&wanted) {
        assert_eq!(frame.planes(), want.planes());
    }
    let times: Vec<_> = frames.iter().map(|f| f.stamp.captured - frames[0].stamp.captured).collect();
    assert!(times.iter().zip(0..).all(|(t, i)| t.abs_diff(Duration::from_millis(40 * i)) < Duration::from_millis(1)));
}

#[test]
fn a_fragment_is_a_gop_or_two_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let fragments = |name: &str, units: &[AccessUnit]| {
        let path = folder.path().join(name);
        record(open_new, &path, units).unwrap();
        let boxes = boxes_of(&std::fs::read(path).unwrap());
        boxes.into_iter().map(|(kind, _)| String::from_utf8(kind.to_vec()).unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(fragments("gop.mp4", &gops(12)), "ftyp moov moof mdat moof mdat moof mdat");
    // 50 frames, 50 frames, one frame.
    assert_eq!(fragments("seconds.mp4", &units("96x64", 101, None)), "ftyp moov moof mdat moof mdat moof mdat");
}

#[test]
fn a_fragment_is_bounded_whatever_the_clock_says() {
    let mut fragment = Fragment::default();
    assert!(!fragment.is_full(0, MAX_FRAGMENT_BYTES));
    assert!(fragment.is_full(0, MAX_FRAGMENT_BYTES + 1));
    fragment.samples = vec![boxes::Sample { size: 5, duration: 0, keyframe: false }; MAX_FRAGMENT_SAMPLES];
    assert!(fragment.is_full(0, 5));
}

#[test]
fn a_full_disk_is_said_and_what_fitted_plays() {
    let folder = tempfile::tempdir().unwrap();
    let units = gops(3 * GOP as u64);
    let wanted = decoded(&units);
    let whole = folder.path().join("whole.mp4");
    record(open_new, &whole, &units).unwrap();
    let whole = std::fs::read(whole).unwrap();
    let ends: Vec<usize> =
        boxes_of(&whole).into_iter().filter(|(kind, _)| kind == b"mdat").map(|(_, end)| end).collect();
    assert_eq!(ends.len(), 3);

    // All over the file, and around each end of a fragment.
    let around = ends.iter().flat_map(|end| end - 9..end + 9);
    for room in (0..whole.len()).step_by(61).chain(around).filter(|room| *room < whole.len()) {
        let path = folder.path().join(format!("{room}.mp4"));
        let error = record(open_on_small_disk, &path, &units).unwrap_err();
        let kept = GOP * ends.iter().filter(|end| **end <= room).count();
        let RecordError::Write { kept_seconds, source, .. } = &error else { panic!("{room}: {error}") };
        assert_eq!(source.kind(), io::ErrorKind::StorageFull);
        assert!((kept_seconds - kept as f64 / 25.0).abs() < 1e-9, "{room}: {error}");

        let data = std::fs::read(&path).unwrap();
        assert_eq!(data.len(), room);
        // ffmpeg reads no file that ends in the middle of one.
        assert!(boxes_of(&data).iter().all(|(kind, end)| kind != b"moof" || *end <= room), "{room}");
        let (frames, error) = played(&path);
        assert_eq!(frames.len(), kept, "{room}: {error:?}");
        // Less than the name of the next box is all that a player may stumble over, behind the pictures.
        assert!(kept == 0 || matches!(error, None | Some(ClipError::CutShort { .. })), "{room}: {error:?}");
        for (frame, want) in frames.iter().zip(&wanted) {
            assert_eq!(frame.planes(), want.planes(), "{room}");
        }
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn the_error_says_what_is_kept_and_nothing_is_written_behind_half_a_fragment() {
    let folder = tempfile::tempdir().unwrap();
    let units = gops(3 * GOP as u64);
    let whole = record(open_new, &folder.path().join("whole.mp4"), &units).unwrap();
    let length = std::fs::metadata(whole.path).unwrap().len();
    let path = folder.path().join(format!("{}.mp4", length - 1));
    let mut recording = Recording::create_with(open_on_small_disk, path.clone(), &units[0].data, 0, None).unwrap();
    for (i, unit) in units.iter().enumerate().skip(1) {
        recording.unit(&unit.data, unit.keyframe, FRAME_TICKS * i as u32).unwrap();
    }
    let error = recording.flush().unwrap_err().to_string();
    let wanted = [path.to_str().unwrap(), "first 0.4 s are kept and play", "make room"];
    assert!(wanted.iter().all(|part| error.contains(part)), "{error}");
    recording.unit(&units[0].data, true, 60 * CLOCK).unwrap();
    assert!(recording.finish().is_err());
    assert_eq!(std::fs::metadata(path).unwrap().len(), length - 1);
}

#[test]
fn a_pause_makes_safe_what_has_come() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pause.mp4");
    let units = gops(4);
    let time = |i: usize| FRAME_TICKS * i as u32;
    let mut recording = Recording::create(&path, &units[0].data, time(0)).unwrap();
    recording.unit(&units[1].data, false, time(1)).unwrap();
    recording.flush().unwrap();
    assert_eq!(played(&path).0.len(), 2);
    // Ten frames later it goes on, at that time.
    recording.unit(&units[2].data, false, time(11)).unwrap();
    recording.unit(&units[3].data, false, time(12)).unwrap();
    let done = recording.finish().unwrap();
    assert!((done.seconds - 13.0 / 25.0).abs() < 1e-9, "{}", done.seconds);
    let frames = played(&path).0;
    let times: Vec<_> = frames.iter().map(|f| (f.stamp.captured - frames[0].stamp.captured).as_millis()).collect();
    assert_eq!(times, [0, 40, 440, 480]);
}

#[test]
fn a_killed_program_leaves_what_it_has_recorded() {
    const CHILD: &str = "CLEARCALL_TEST_RECORDS_INTO";
    const RECORDED: &str = "all is recorded";
    let units = gops(4 * GOP as u64);
    if let Some(path) = std::env::var_os(CHILD) {
        let mut recording = Recording::create(path, &units[0].data, 0).unwrap();
        for (i, unit) in units.iter().enumerate().skip(1) {
            recording.unit(&unit.data, unit.keyframe, FRAME_TICKS * i as u32).unwrap();
        }
        println!("{RECORDED}");
        // Until it is killed, or nobody is there any more to do it.
        let _ = io::stdin().read(&mut [0]);
        std::process::exit(1);
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("killed.mp4");
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "record::tests::a_killed_program_leaves_what_it_has_recorded", "--nocapture"])
        .env(CHILD, &path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().contains(RECORDED)), "the child has ended before");
    child.kill().unwrap();
    assert!(!child.wait().unwrap().success());
    // The last GOP was still waiting for its end.
    let (frames, error) = played(&path);
    assert!(error.is_none(), "{error:?}");
    assert_eq!(frames.len(), 3 * GOP);
    for (frame, want) in frames.iter().zip(decoded(&units)) {
        assert_eq!(frame.planes(), want.planes());
    }
}

#[test]
fn another_size_asks_for_another_file_and_no_keyframe_is_no_beginning() {
    let folder = tempfile::tempdir().unwrap();
    let (small, large) = (gops(2), units("128x96", 1, None));
    let mut recording = Recording::create(folder.path().join("a.mp4"), &small[0].data, 0).unwrap();
    assert_eq!(recording.unit(&large[0].data, true, 3600).unwrap(), Written::Changed);
    assert_eq!(recording.finish().unwrap().frames, 1);
    let none = Recording::create(folder.path().join("b.mp4"), &small[1].data, 0);
    assert!(matches!(none, Err(RecordError::NoParameters)));
}

#[test]
fn places_that_cannot_be_written_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let unit = gops(1).remove(0);
    let path = folder.path().join("a.mp4");
    Recording::create(&path, &unit.data, 0).unwrap().finish().unwrap();
    let before = std::fs::read(&path).unwrap();
    let there = Recording::create(&path, &unit.data, 0).unwrap_err();
    assert!(there.to_string().contains("a.mp4"), "{there}");
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let nowhere = Recording::create(folder.path().join("no/c.mp4"), &unit.data, 0).unwrap_err();
    assert!(nowhere.to_string().contains("c.mp4"), "{nowhere}");
}

#[cfg(unix)]
#[test]
fn a_folder_that_goes_away_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gone/a.mp4");
    std::fs::create_dir(path.parent().unwrap()).unwrap();
    let unit = gops(1).remove(0);
    let mut recording = Recording::create(&path, &unit.data, 0).unwrap();
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    let error = recording.flush().unwrap_err();
    assert!(matches!(&error, RecordError::Gone(gone) if *gone == path), "{error}");
}
