//! Files written here and read back: the same pictures, and clear words where there are none.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::codec::nal::{NalKind, nal_units};
use crate::codec::{AccessUnit, Encoder, EncoderConfig, H264Profile};
use crate::frame::{Colour, Matrix, Range};
use crate::source::{Event, Source as _};

pub(super) const FRAMES: u64 = 8;

pub(super) fn size() -> Size {
    Size::new(64, 48).unwrap()
}

/// A picture whose brightness tells its number.
pub(super) fn picture(id: u64) -> Frame {
    let colour = Colour { matrix: Matrix::Bt709, range: Range::Full };
    let stamp = Stamp { id, captured: Instant::now() };
    let mut frame = Frame::filled(size(), [20 + 25 * id as u8, 100, 150], colour, stamp);
    frame.planes_mut()[0].row_mut(5).iter_mut().enumerate().for_each(|(x, v)| *v = 3 * x as u8);
    frame
}

pub(super) fn number(frame: &Frame) -> u64 {
    u64::from((frame.y().row(30)[30].saturating_sub(8)) / 25)
}

pub(super) fn encoder() -> Encoder {
    let config = EncoderConfig {
        size: size(),
        fps: 30.0,
        bitrate: 5_000_000,
        keyframe_interval: Some(4),
        skip_frames: true,
        profile: H264Profile::High,
    };
    Encoder::new(config).unwrap()
}

pub(super) fn units() -> Vec<AccessUnit> {
    let mut encoder = encoder();
    (0..FRAMES).map(|id| encoder.encode(&picture(id)).unwrap().unwrap()).collect()
}

/// The same pictures as each kind of file.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let units = units();
    let stream = units.iter().flat_map(|u| u.data.clone()).collect();
    let of_kind = |kind| nal_units(&units[0].data).find(|n| NalKind::of(n) == Some(kind)).unwrap();
    let samples: Vec<Vec<u8>> = units
        .iter()
        .map(|u| {
            let slices = nal_units(&u.data).filter(|n| NalKind::of(n).unwrap().is_slice());
            slices.flat_map(|n| [&(n.len() as u32).to_be_bytes()[..], n].concat()).collect()
        })
        .collect();
    let mp4 = mp4::tests::mux(of_kind(NalKind::Sps), of_kind(NalKind::Pps), &samples);
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("t.y4m");
    let mut writer = Y4mWriter::create(&path, size(), 30.0, picture(0).colour).unwrap();
    (0..FRAMES).for_each(|id| writer.write(&picture(id)).unwrap());
    writer.finish().unwrap();
    vec![("t.264", stream), ("t.mp4", mp4), ("t.y4m", fs::read(path).unwrap())]
}

pub(super) fn put(dir: &TempDir, name: &str, data: &[u8]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, data).unwrap();
    path
}

/// The numbers of the pictures that come out, and the error at the end if there is one.
pub(super) fn read_all(reader: &mut ClipReader) -> (Vec<u64>, Option<ClipError>) {
    let mut numbers = Vec::new();
    loop {
        match reader.next() {
            Ok(Some(frame)) => numbers.push(number(&frame.frame)),
            Ok(None) => return (numbers, None),
            Err(e) => return (numbers, Some(e)),
        }
    }
}

/// Without any file there is a clip, and a file of that name comes before it.
#[test]
fn the_scene_is_a_clip() {
    let mut reader = ClipReader::open("scene").unwrap();
    assert_eq!((reader.size().to_string(), reader.fps(), reader.frames_hint()), ("960x720".into(), 30.0, Some(300)));
    let drawn = Scene::new(reader.size(), 30.0).unwrap();
    for _ in 0..2 {
        let [first, second] = [0, 1].map(|_| reader.next().unwrap().unwrap().frame);
        assert_eq!([first.stamp.id, second.stamp.id], [0, 1]);
        let apart = second.stamp.captured - first.stamp.captured;
        assert!((apart.as_secs_f64() - 1.0 / 30.0).abs() < 1e-6);
        assert_eq!(second.y(), drawn.draw(1).y());
        reader.rewind().unwrap();
    }
    let dir = TempDir::new().unwrap();
    assert!(ClipReader::open(dir.path().join("scene")).is_err(), "a path to it is a file");
}

#[test]
fn every_kind_of_file_gives_all_its_pictures_twice() {
    let dir = TempDir::new().unwrap();
    for (name, data) in files() {
        // The name's ending does not matter.
        for name in [name, "no_ending"] {
            let mut reader = ClipReader::open(put(&dir, name, &data)).unwrap();
            assert_eq!((reader.size(), reader.fps()), (size(), 30.0), "{name}");
            assert!(reader.frames_hint().is_none_or(|n| n == FRAMES), "{name}");
            for _ in 0..2 {
                assert_eq!(read_all(&mut reader).0, (0..FRAMES).collect::<Vec<_>>(), "{name}");
                assert!(reader.next().unwrap().is_none());
                reader.rewind().unwrap();
            }
        }
    }
}

#[test]
fn pictures_are_numbered_and_timed_by_the_clip() {
    let dir = TempDir::new().unwrap();
    for (name, data) in files() {
        let mut reader = ClipReader::open(put(&dir, name, &data)).unwrap();
        let frames: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).collect();
        let start = frames[0].frame.stamp.captured;
        for (i, frame) in frames.iter().enumerate() {
            let stamp = frame.frame.stamp;
            assert_eq!(stamp.id, i as u64);
            let off = (stamp.captured - start).as_secs_f64() - i as f64 / 30.0;
            assert!(off.abs() < 1e-6, "{name}: frame {i} is off by {off} s");
            assert_eq!(frame.frame.colour, picture(0).colour, "{name}");
            assert_eq!((frame.damaged, frame.frame.qp.is_some()), (false, name != "t.y4m"));
        }
    }
}

#[test]
fn cut_files_give_what_they_have() {
    let dir = TempDir::new().unwrap();
    for (name, data) in files() {
        for part in 0..20 {
            let data = &data[..data.len() * part / 20];
            match ClipReader::open(put(&dir, name, data)) {
                Ok(mut reader) => {
                    let (numbers, error) = read_all(&mut reader);
                    assert!(numbers.iter().enumerate().all(|(i, &n)| i as u64 == n), "{name}, {part}/20: {numbers:?}");
                    if numbers.is_empty() || name == "t.y4m" {
                        assert!(error.is_some_and(|e| e.to_string().contains(name)), "{name}, {part}/20");
                    }
                }
                Err(e) => assert!(e.to_string().contains(name), "{e}"),
            }
        }
    }
}

#[test]
fn what_is_no_video_is_told_apart() {
    let dir = TempDir::new().unwrap();
    let error = |path: PathBuf| ClipReader::open(path).err().unwrap().to_string();
    assert!(error(dir.path().join("none.mp4")).starts_with("there is no file"));
    assert!(error(dir.path().to_owned()).contains("not a file"));
    assert!(error(put(&dir, "empty.264", b"")).contains("it is empty"));
    assert!(error(put(&dir, "text.mp4", b"hello, this is no video at all")).contains("not a video"));
    assert!(error(put(&dir, "noise.264", &[&[0, 0, 1, 0x65][..], &[0x5a; 999]].concat())).contains("parameter set"));
    assert!(error(put(&dir, "short.y4m", b"YUV4MPEG2 W64")).contains("cut short"));
}

#[test]
fn the_writer_refuses_other_sizes_and_names_what_it_cannot_write() {
    let dir = TempDir::new().unwrap();
    let error = Y4mWriter::create(dir.path().join("no/such/dir.y4m"), size(), 30.0, Colour::default()).unwrap_err();
    assert!(error.to_string().contains("dir.y4m"), "{error}");
    let mut writer =
        Y4mWriter::create(dir.path().join("t.y4m"), Size::new(3, 3).unwrap(), 30.0, Colour::default()).unwrap();
    assert!(writer.write(&picture(0)).unwrap_err().to_string().contains("64x48"));
}

#[test]
fn a_clip_is_looped_and_counts_on() {
    let dir = TempDir::new().unwrap();
    for (name, data) in files() {
        let mut clip = Clip::open(put(&dir, name, &data)).unwrap();
        assert_eq!((clip.name().as_str(), clip.size(), clip.live()), (name, size(), false));
        for id in 0..3 * FRAMES {
            let Event::Frame(frame) = clip.next().unwrap() else { panic!("{name} ended") };
            assert_eq!((frame.stamp.id, number(&frame)), (id, id % FRAMES), "{name}");
        }
    }
    // A cut one too, as far as it goes.
    let (name, data) = files().pop().unwrap();
    let mut clip = Clip::open(put(&dir, name, &data[..data.len() / 2])).unwrap();
    let numbers: Vec<_> = (0..6)
        .map(|_| match clip.next().unwrap() {
            Event::Frame(frame) => number(&frame),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(numbers, [0, 1, 2, 0, 1, 2]);
}
