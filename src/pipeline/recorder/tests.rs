use std::time::Instant;

use super::*;
use crate::{
    codec::{AccessUnit, Encoder, EncoderConfig, H264Profile},
    record::tests::open_on_small_disk,
    source::{clip::ClipReader, scene::Scene},
};

pub(super) fn units(size: &str, count: u64) -> Vec<AccessUnit> {
    let size = size.parse().unwrap();
    let scene = Scene::new(size, 30.0).unwrap();
    let config = EncoderConfig {
        size,
        fps: 30.0,
        bitrate: 200_000,
        keyframe_interval: Some(4),
        skip_frames: false,
        profile: H264Profile::High,
    };
    let mut encoder = Encoder::new(config).unwrap();
    (0..count).filter_map(|n| encoder.encode(&scene.draw(n)).unwrap()).collect()
}

pub(super) fn received(unit: &AccessUnit, complete: bool) -> ReceivedUnit {
    let (data, keyframe) = (unit.data.clone(), unit.keyframe);
    ReceivedUnit {
        data,
        keyframe,
        rtp_timestamp: 3000 * unit.stamp.id as u32,
        arrived: Instant::now(),
        complete,
        sender_time: None,
    }
}

#[test]
fn it_begins_at_a_keyframe_skips_what_is_torn_and_starts_anew_at_another_size() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.mp4");
    let (units, others) = (units("96x64", 12), units("128x96", 1));
    let recorder = Recorder::default();
    assert_eq!(recorder.stop().unwrap(), []);
    recorder.start(path.clone());
    assert_eq!(recorder.state(), RecorderState::WaitingForKeyframe);
    let give = |i: usize, complete| recorder.unit(&received(&units[i], complete)).unwrap();
    assert!(give(1, true), "a keyframe is wanted");
    assert!(!give(4, true) && !give(5, true));
    assert_eq!(recorder.state(), RecorderState::Recording);
    assert!(give(6, false), "and again when something is missing");
    assert_eq!(recorder.state(), RecorderState::WaitingForKeyframe);
    assert!(give(7, true), "what follows refers to it");
    assert!(!give(8, true));
    recorder.gap();
    assert_eq!(recorder.state(), RecorderState::WaitingForKeyframe);
    assert!(give(9, true) && give(10, true));
    assert!(!recorder.unit(&received(&others[0], true)).unwrap());
    let done = recorder.stop().unwrap();
    assert_eq!(recorder.state(), RecorderState::Off);
    let done: Vec<_> = done.iter().map(|file| (file.frames, file.size.to_string(), file.path.clone())).collect();
    let second = folder.path().join("r-2.mp4");
    assert_eq!(done, [(3, "96x64".to_owned(), path), (1, "128x96".to_owned(), second)]);
    for (frames, size, path) in done {
        let mut clip = ClipReader::open(path).unwrap();
        assert_eq!(clip.size().to_string(), size);
        assert_eq!(std::iter::from_fn(|| clip.next().unwrap()).count(), frames);
    }
}

#[test]
fn a_full_disk_is_a_state_that_lasts_until_the_next_recording() {
    let folder = tempfile::tempdir().unwrap();
    let units = units("96x64", 12);
    let recorder = Recorder::default();
    // Room for the first GOP, not for the second.
    recorder.start(folder.path().join("whole.mp4"));
    units.iter().take(5).for_each(|unit| assert!(!recorder.unit(&received(unit, true)).unwrap()));
    recorder.pause().unwrap();
    let room = std::fs::metadata(folder.path().join("whole.mp4")).unwrap().len();
    let path = folder.path().join(format!("{room}.mp4"));
    recorder.start_with(open_on_small_disk, path.clone());

    let told: Vec<_> =
        units.iter().map(|unit| recorder.unit(&received(unit, true)).map_err(|e| e.to_string())).collect();
    // The second GOP is complete when the third begins; it is said once, and the call asks for no keyframes.
    let why = told[8].clone().unwrap_err();
    assert_eq!(told.iter().filter(|told| **told == Ok(false)).count(), units.len() - 1);
    assert!(why.contains("0.1 s are kept") && why.contains(path.to_str().unwrap()), "{why}");
    assert_eq!(recorder.state(), RecorderState::Failed { why: why.clone() });
    assert_eq!(recorder.stop().unwrap(), []);
    assert_eq!(recorder.state(), RecorderState::Failed { why });
    let mut clip = ClipReader::open(path).unwrap();
    assert_eq!(std::iter::from_fn(|| clip.next().unwrap()).count(), 4);

    recorder.start(folder.path().join("next.mp4"));
    assert_eq!(recorder.state(), RecorderState::WaitingForKeyframe);
}

#[test]
fn the_last_fragment_that_cannot_be_written_is_told_too() {
    let folder = tempfile::tempdir().unwrap();
    let unit = units("96x64", 1).remove(0);
    let recorder = Recorder::default();
    recorder.start(folder.path().join("whole.mp4"));
    recorder.unit(&received(&unit, true)).unwrap();
    recorder.stop().unwrap();
    let room = std::fs::metadata(folder.path().join("whole.mp4")).unwrap().len() - 1;
    recorder.start_with(open_on_small_disk, folder.path().join(format!("{room}.mp4")));
    recorder.unit(&received(&unit, true)).unwrap();
    let error = recorder.stop().unwrap_err();
    assert_eq!(recorder.state(), RecorderState::Failed { why: error.to_string() });
}

#[test]
fn what_fails_for_another_reason_than_the_disk_still_writes_what_waits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("r.mp4");
    let units = units("96x64", 2);
    let recorder = Recorder::default();
    recorder.start(path.clone());
    units.iter().for_each(|unit| assert!(!recorder.unit(&received(unit, true)).unwrap()));
    let huge = [&[0, 0, 1, 0x41][..], &vec![1; crate::codec::MAX_UNIT_BYTES]].concat();
    let huge = ReceivedUnit { data: huge, keyframe: false, ..received(&units[1], true) };
    assert!(matches!(recorder.unit(&huge), Err(RecordError::UnitTooLong(_))));
    let mut clip = ClipReader::open(path).unwrap();
    assert_eq!(std::iter::from_fn(|| clip.next().unwrap()).count(), 2);
}

#[test]
fn an_earlier_recording_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let unit = units("96x64", 1).remove(0);
    let record = || {
        let recorder = Recorder::default();
        recorder.start(folder.path().join("r.mp4"));
        recorder.unit(&received(&unit, true)).unwrap();
        recorder.stop().unwrap().remove(0).path
    };
    let names = [record(), record(), record()];
    assert_eq!(names, ["r.mp4", "r-2.mp4", "r-3.mp4"].map(|name| folder.path().join(name)));
    assert!(names.iter().all(|path| ClipReader::open(path).is_ok()));
}

#[test]
fn another_connection_goes_on_in_another_file() {
    let folder = tempfile::tempdir().unwrap();
    let units = units("96x64", 5);
    let recorder = Recorder::default();
    assert!(!recorder.new_stream().unwrap(), "nothing is recorded");
    recorder.start(folder.path().join("r.mp4"));
    assert!(recorder.new_stream().unwrap());
    units.iter().take(2).for_each(|unit| assert!(!recorder.unit(&received(unit, true)).unwrap()));
    assert!(recorder.new_stream().unwrap());
    assert_eq!(recorder.state(), RecorderState::WaitingForKeyframe);
    assert!(recorder.unit(&received(&units[2], true)).unwrap(), "it refers to what the other connection brought");
    assert!(!recorder.unit(&received(&units[4], true)).unwrap());
    let done = recorder.stop().unwrap();
    let names: Vec<_> =
        done.iter().map(|file| (file.path.file_name().unwrap().to_str().unwrap(), file.frames)).collect();
    assert_eq!(names, [("r.mp4", 2), ("r-2.mp4", 1)]);
}

#[test]
fn it_follows_wishes_and_says_what_became_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> Arc<Path> { folder.path().join(name).into() };
    let units = units("96x64", 8);
    let recorder = Recorder::default();
    let give = |range: std::ops::Range<usize>| {
        range.for_each(|i| assert!(!recorder.unit(&received(&units[i], true)).unwrap()))
    };
    let (first, second) = (path("first.mp4"), path("second.mp4"));
    // What was wished for a moment ago is a state at once.
    assert_eq!(recorder.state_of(Some(&first)), RecorderState::WaitingForKeyframe);
    assert!(!recorder.follow(Some(&first)));
    give(0..2);
    assert!(!recorder.follow(Some(&first)), "nothing is new");
    assert_eq!(recorder.state_of(Some(&first)), RecorderState::Recording);
    assert_eq!(recorder.state_of(None), RecorderState::Off);

    assert!(recorder.follow(Some(&second)), "the first has ended");
    give(4..7);
    assert!(recorder.follow(None));
    assert!(!recorder.follow(None));
    let recorded: Vec<_> = recorder.take_recorded().into_iter().flat_map(Result::unwrap).collect();
    assert_eq!(
        recorded.iter().map(|file| (&*file.path, file.frames)).collect::<Vec<_>>(),
        [(&*first, 2), (&*second, 3)]
    );
    assert!(recorder.take_recorded().is_empty());

    // The same path is a wish anew: one that has failed can be tried again.
    let missing = path("none/r.mp4");
    assert!(!recorder.follow(Some(&missing)));
    assert!(recorder.unit(&received(&units[0], true)).is_err());
    assert!(!recorder.follow(Some(&Arc::from(&*missing))), "it had ended and was told");
    assert_eq!(recorder.state(), RecorderState::WaitingForKeyframe);
    assert!(recorder.take_recorded().is_empty());
}
