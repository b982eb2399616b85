//! What phones, recorders and cameras really write, built here byte by byte around the same eight pictures.

use tempfile::TempDir;

use super::mp4::tests::{Film, avcc, boxed, entry, words};
use super::tests::{FRAMES, encoder, number, picture, put, read_all, size, units};
use super::*;
use crate::codec::nal::tests::{without_idr, without_vui};
use crate::codec::nal::{NalKind, nal_units, push_nal};
use crate::codec::{Encoder, EncoderConfig, H264Profile};
use crate::frame::{Aspect, Colour, Matrix, Range, Siting};
use crate::source::{Event, Source as _};

fn sets(unit: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let of = |kind| nal_units(unit).find(|n| NalKind::of(n) == Some(kind)).unwrap().to_vec();
    (of(NalKind::Sps), of(NalKind::Pps))
}

/// A unit with lengths in front; without its parameter sets unless they are wanted.
fn sample(unit: &[u8], with_sets: bool) -> Vec<u8> {
    let wanted = |nal: &&[u8]| with_sets || NalKind::of(nal).unwrap().is_slice();
    nal_units(unit).filter(wanted).flat_map(|n| [&(n.len() as u32).to_be_bytes()[..], n].concat()).collect()
}

/// The eight pictures, all with a keyframe each fourth.
fn film() -> Film {
    let units = units();
    let (sps, pps) = sets(&units[0].data);
    let entry = entry(b"avc1", &[&avcc(&sps, &pps)]);
    Film::new(vec![entry], units.iter().map(|u| sample(&u.data, false)).collect())
}

fn open(data: &[u8]) -> (TempDir, ClipReader) {
    let dir = TempDir::new().unwrap();
    let reader = ClipReader::open(put(&dir, "t", data)).unwrap();
    (dir, reader)
}

/// The numbers of the pictures, and when each is shown in milliseconds.
fn shown(film: &Film) -> Vec<(u64, u64)> {
    let (_dir, mut reader) = open(&film.bytes());
    let opened = reader.opened;
    let hint = reader.frames_hint().unwrap();
    let frames: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).collect();
    assert_eq!((frames.len() as u64, reader.loss()), (hint, Loss::default()));
    let ms = |f: &ClipFrame| (f.frame.stamp.captured - opened).as_secs_f64() * 1000.0;
    frames.iter().map(|f| (number(&f.frame), ms(f).round() as u64)).collect()
}

#[test]
fn only_what_the_edit_list_shows_is_given() {
    let with = |edits: &[(u32, i32, u32)]| shown(&Film { edits: edits.to_vec(), ..film() });
    let run = |numbers: std::ops::Range<u64>, from: u64| -> Vec<(u64, u64)> {
        let first = numbers.start;
        numbers.map(|n| (n, from + ((n - first) as f64 * 1000.0 / 30.0).round() as u64)).collect()
    };
    assert_eq!(with(&[]), run(0..8, 0));
    assert_eq!(with(&[(0, 0, 1)]), run(0..8, 0), "0 is to the end");
    assert_eq!(with(&[(200, 200, 1)]), run(2..8, 0), "a lead-in");
    assert_eq!(with(&[(100, 0, 1)]), run(0..3, 0), "a trim at the end");
    assert_eq!(with(&[(167, 100, 1)]), run(1..6, 0), "rounded up to thousandths it shows no more");
    assert_eq!(with(&[(500, -1, 1), (267, 0, 1)]), run(0..8, 500), "nothing at first");
    // A hole, from one group of pictures into the next.
    assert_eq!(with(&[(67, 100, 1), (100, 500, 1)]), [run(1..3, 0), run(5..8, 67)].concat());
    // Twice the same, and back to before.
    assert_eq!(with(&[(67, 500, 1), (67, 500, 1), (34, 0, 1)]), [run(5..7, 0), run(5..7, 67), run(0..1, 134)].concat());
    // One that stands still, and one of which a little is left.
    assert_eq!(with(&[(1000, 450, 0), (67, 600, 1)]), [run(4..5, 0), run(6..8, 1000)].concat());
    assert_eq!(with(&[(40, 140, 1), (67, 600, 1)]), [(1, 0), (2, 20), (6, 40), (7, 73)], "most of the second is left");
    assert_eq!(with(&[(40, 260, 1)]), [(3, 13)], "and of the third less than half");
    assert_eq!(with(&[(67, 9000, 1)]), run(0..8, 0), "a list that shows nothing is passed over");
}

/// A picture whose corners tell where it is up: dark at the top left, middling at the top right, bright below.
fn corners() -> Frame {
    let mut frame = Frame::filled(size(), [210, 128, 128], picture(0).colour, picture(0).stamp);
    let (w, h) = (64, 48);
    let [y, u, _] = frame.planes_mut();
    (0..h / 2).for_each(|row| {
        y.row_mut(row)[..w / 2].fill(40);
        y.row_mut(row)[w / 2..].fill(120);
    });
    (0..h / 4).for_each(|row| u.row_mut(row)[..w / 4].fill(80));
    frame
}

#[test]
fn turned_and_mirrored_films_stand_upright() {
    let config = EncoderConfig {
        size: size(),
        fps: 30.0,
        bitrate: 2_000_000,
        keyframe_interval: None,
        skip_frames: false,
        profile: H264Profile::High,
    };
    let unit = Encoder::new(config).unwrap().encode(&corners()).unwrap().unwrap().data;
    let (sps, pps) = sets(&unit);
    let one = 0x1_0000;
    // Where the dark and the middling corner come to lie.
    for (matrix, dark, middling) in [
        ([one, 0, 0, one], (0, 0), (1, 0)),
        ([-one, 0, 0, -one], (1, 1), (0, 1)),
        ([-one, 0, 0, one], (1, 0), (0, 0)),
        ([one, 0, 0, -one], (0, 1), (1, 1)),
        ([0, one, -one, 0], (1, 0), (1, 1)),
        ([0, -one, one, 0], (0, 1), (0, 0)),
        ([0, one, one, 0], (0, 0), (0, 1)),
        ([0, -one, -one, 0], (1, 1), (1, 0)),
    ] {
        let mut film = Film::new(vec![entry(b"avc1", &[&avcc(&sps, &pps)])], vec![sample(&unit, false)]);
        (film.matrix, film.shown) = (matrix, (64, 48));
        let (_dir, mut reader) = open(&film.bytes());
        let frame = reader.next().unwrap().unwrap().frame;
        assert_eq!((frame.size(), frame.aspect), (reader.size(), Aspect::SQUARE));
        let upright = Size::new(48, 64).unwrap();
        assert_eq!(frame.size(), if matrix[0] == 0 { upright } else { size() }, "{matrix:?}");
        let at = |plane: &crate::frame::Plane, (x, y): (usize, usize)| {
            plane.row(plane.height() * (1 + 2 * y) / 4)[plane.width() * (1 + 2 * x) / 4]
        };
        assert!(at(frame.y(), dark) < 60 && at(frame.u(), dark) < 100, "{matrix:?}");
        assert!(at(frame.y(), middling).abs_diff(120) < 20 && at(frame.u(), middling) > 110, "{matrix:?}");
    }
}

#[test]
fn pictures_keep_their_own_times() {
    let dir = TempDir::new().unwrap();
    let durations = vec![100, 100, 200, 200, 100, 1950, 50, 125];
    let film = Film { durations: durations.clone(), ..film() };
    let path = put(&dir, "t.mp4", &film.bytes());
    let mut reader = ClipReader::open(&path).unwrap();
    let times = |reader: &mut ClipReader| {
        let frames: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).map(|f| f.frame).collect();
        let gaps = frames.windows(2).map(|w| w[1].stamp.captured - w[0].stamp.captured);
        let gaps: Vec<u64> = gaps.map(|d| (d.as_secs_f64() * 3000.0).round() as u64).collect();
        (frames, gaps)
    };
    let want: Vec<u64> = durations[..7].iter().map(|&d| u64::from(d)).collect();
    assert!(reader.variable_rate() && (reader.fps() - 8.0 * 3000.0 / 2825.0).abs() < 0.01, "{}", reader.fps());
    let (frames, gaps) = times(&mut reader);
    assert_eq!(gaps, want);
    // In a file that is written, too.
    let y4m = dir.path().join("t.y4m");
    let mut writer = Y4mWriter::create_like(&y4m, &frames[0], reader.fps(), true).unwrap();
    frames.iter().for_each(|frame| writer.write(frame).unwrap());
    writer.finish().unwrap();
    let mut written = ClipReader::open(&y4m).unwrap();
    assert!(written.variable_rate());
    assert_eq!(times(&mut written).1, want);
    // As a source each says how long it is shown; what stands long is given again, and the last has its own time.
    let mut clip = Clip::open(&path).unwrap();
    let mut lasts = vec![(0_u64, 0.0); 0];
    while lasts.len() < 12 {
        let Event::Frame(frame) = clip.next().unwrap() else { panic!("it is looped") };
        lasts.push((number(&frame), (clip.shown_for().unwrap().as_secs_f64() * 3000.0).round()));
    }
    let want = [(0, 100), (1, 100), (2, 200), (3, 200), (4, 100), (5, 1500), (5, 450), (6, 50), (7, 125), (0, 100)];
    assert_eq!(lasts[..10], want.map(|(n, t)| (n, f64::from(t))));
    // Rounding to thousandths is no other rate.
    let (_dir, reader) = open(&Film { durations: vec![99, 102, 99, 99, 102, 99, 99, 102], ..self::film() }.bytes());
    assert!(!reader.variable_rate());
}

#[test]
fn the_shape_of_pixels_is_known_and_made_square_for_the_screen() {
    let units = units();
    let (sps, pps) = sets(&units[0].data);
    let of = |boxes: &[&[u8]], shown| {
        let sets = avcc(&sps, &pps);
        let all = [&[&sets[..]][..], boxes].concat();
        Film { entries: vec![entry(b"avc1", &all)], shown, ..film() }.bytes()
    };
    let pasp = boxed(b"pasp", &[&words(&[4, 3])]);
    let wide = Aspect::new(4, 3).unwrap();
    for (data, want) in [
        (of(&[&pasp], (64, 48)), wide),
        (of(&[], (0, 0)), Aspect::SQUARE),
        (of(&[], (64, 48)), Aspect::SQUARE),
        (of(&[&boxed(b"pasp", &[&words(&[0, 0])])], (64, 48)), Aspect::SQUARE),
        // Of QuickTime's films the track says how wide it is shown.
        (of(&[], (96, 48)), Aspect::new(3, 2).unwrap()),
    ] {
        let (dir, mut reader) = open(&data);
        assert_eq!(reader.next().unwrap().unwrap().frame.aspect, want);
        let mut clip = Clip::open(dir.path().join("t")).unwrap();
        let Event::Frame(frame) = clip.next().unwrap() else { panic!("it has pictures") };
        assert_eq!((frame.size(), frame.aspect), (want.square_size(size()), Aspect::SQUARE));
    }
    // In a .y4m, there and back.
    let dir = TempDir::new().unwrap();
    let mut frame = picture(3);
    frame.aspect = wide;
    let path = dir.path().join("t.y4m");
    let mut writer = Y4mWriter::create_like(&path, &frame, 25.0, false).unwrap();
    writer.write(&frame).unwrap();
    writer.finish().unwrap();
    assert!(std::fs::read(&path).unwrap().starts_with(b"YUV4MPEG2 W64 H48 F25:1 Ip A4:3 "));
    assert_eq!(ClipReader::open(&path).unwrap().next().unwrap().unwrap().frame.aspect, wide);
}

#[test]
fn the_files_colours_count_where_the_stream_is_silent() {
    let units = units();
    let (sps, pps) = sets(&units[0].data);
    let short = |v: u16| v.to_be_bytes();
    let nclx = |matrix, full| boxed(b"colr", &[b"nclx", &short(1), &short(1), &short(matrix), &[full]]);
    let nclc = |matrix| boxed(b"colr", &[b"nclc", &short(1), &short(1), &short(matrix)]);
    let icc = boxed(b"colr", &[b"prof", &[0; 40]]);
    let of = |sps: &[u8], colr: &[u8]| {
        let film = Film { entries: vec![entry(b"avc1", &[&avcc(sps, &pps), colr])], ..film() };
        open(&film.bytes()).1.next().unwrap().unwrap().frame.colour
    };
    let silent = without_vui(&sps);
    let colour = |matrix, range| Colour { matrix, range };
    let (limited, full) = (Range::Limited, Range::Full);
    assert_eq!(of(&silent, &[]), colour(Matrix::Bt601, limited));
    assert_eq!(of(&silent, &nclx(1, 0)), colour(Matrix::Bt709, limited));
    assert_eq!(of(&silent, &nclx(6, 0x80)), colour(Matrix::Bt601, full));
    assert_eq!(of(&silent, &nclx(2, 0)), colour(Matrix::Bt601, limited), "2 says nothing");
    assert_eq!(of(&silent, &nclc(1)), colour(Matrix::Bt709, limited));
    assert_eq!(of(&silent, &icc), colour(Matrix::Bt601, limited));
    assert_eq!(of(&silent, &[icc, nclc(1)].concat()), colour(Matrix::Bt709, limited));
    assert_eq!(of(&sps, &nclx(6, 0)), picture(0).colour, "the stream knows better");
}

#[test]
fn chroma_lies_where_the_stream_says() {
    let units = units();
    let (sps, pps) = sets(&units[0].data);
    let siting = |sps: &[u8]| {
        let film = Film { entries: vec![entry(b"avc1", &[&avcc(sps, &pps)])], ..film() };
        open(&film.bytes()).1.next().unwrap().unwrap().frame.siting
    };
    assert_eq!(siting(&sps), Siting::Centre, "what is encoded here says so");
    assert_eq!(siting(&without_vui(&sps)), Siting::Left, "H.264's rule");
    let y4m = |c: &str| {
        let data = [format!("YUV4MPEG2 W4 H2 F30:1 {c}\nFRAME\n").as_bytes(), &[90; 12]].concat();
        open(&data).1.next().unwrap().unwrap().frame.siting
    };
    let (centre, left) = (Siting::Centre, Siting::Left);
    assert_eq!(["", "C420", "C420jpeg", "C420mpeg2"].map(y4m), [centre, centre, centre, left]);
    // Turned by a quarter it would lie above.
    let mut frame = picture(1);
    frame.siting = left;
    assert_eq!(frame.upright(crate::frame::Orientation::from_matrix([0, 1, -1, 0])).siting, centre);
}

#[test]
fn each_sample_is_read_by_its_own_description() {
    let first = units();
    // The same pictures in other colours, and so with another parameter set of the same number.
    let mut encoder = encoder();
    let other = Colour { matrix: Matrix::Bt601, range: Range::Limited };
    let second: Vec<_> = (0..FRAMES)
        .map(|id| {
            let mut frame = picture(id);
            frame.colour = other;
            encoder.encode(&frame).unwrap().unwrap()
        })
        .collect();
    let of = |unit: &[u8]| {
        let (sps, pps) = sets(unit);
        entry(b"avc1", &[&avcc(&sps, &pps)])
    };
    let mut film = film();
    film.entries = vec![of(&first[0].data), of(&second[0].data), entry(b"mp4v", &[])];
    for (i, unit) in second.iter().enumerate().skip(4) {
        film.samples[i] = (sample(&unit.data, false), 2);
    }
    let frames = |film: &Film| {
        let (_dir, mut reader) = open(&film.bytes());
        let frames: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).map(|f| f.frame).collect();
        (frames.iter().map(|f| (number(f), f.colour == other)).collect::<Vec<_>>(), reader.loss())
    };
    let want: Vec<_> = (0..FRAMES).map(|n| (n, n >= 4)).collect();
    assert_eq!(frames(&film), (want.clone(), Loss::default()));
    // What is of another codec costs its pictures.
    film.samples[7].1 = 3;
    assert_eq!(frames(&film), (want[..7].to_vec(), Loss { lost: 1, damaged: 0 }));
}

#[test]
fn parameter_sets_may_come_in_the_samples() {
    let units = units();
    let empty = boxed(b"avcC", &[&[1, 66, 0xc0, 30, 0xff, 0xe0, 0]]);
    for entry in [entry(b"avc3", &[&empty]), entry(b"avc1", &[&empty]), entry(b"avc3", &[])] {
        let film = Film::new(vec![entry], units.iter().map(|u| sample(&u.data, true)).collect());
        let (_dir, mut reader) = open(&film.bytes());
        assert_eq!(reader.size(), size());
        assert_eq!(read_all(&mut reader).0, (0..FRAMES).collect::<Vec<_>>());
    }
    let film = Film::new(vec![entry(b"avc3", &[&empty])], units.iter().map(|u| sample(&u.data, false)).collect());
    let dir = TempDir::new().unwrap();
    let error = ClipReader::open(put(&dir, "t.mp4", &film.bytes())).unwrap_err().to_string();
    assert!(error.contains("parameter set") && error.contains("t.mp4"), "{error}");
}

#[test]
fn the_first_h264_track_is_taken_whatever_stands_before_it() {
    let mut film = film();
    let hdlr = |kind: &[u8]| boxed(b"hdlr", &[&words(&[0, 0]), kind, &[0; 13]]);
    let stsd = |kind: &[u8; 4]| boxed(b"stsd", &[&words(&[0, 1]), &entry(kind, &[])]);
    let track = |handler: &[u8], stsd: &[u8]| {
        let minf = boxed(b"minf", &[&boxed(b"stbl", &[stsd])]);
        boxed(b"trak", &[&boxed(b"mdia", &[&hdlr(handler), &minf])])
    };
    let sound = track(b"soun", &stsd(b"mp4a"));
    let cover = track(b"vide", &stsd(b"jpeg"));
    film.before = [sound.clone(), cover.clone(), track(b"vide", &[]), boxed(b"trak", &[])].concat();
    assert_eq!(shown(&film).len() as u64, FRAMES);
    let moov = boxed(b"moov", &[&sound, &cover]);
    let dir = TempDir::new().unwrap();
    let data = [boxed(b"ftyp", &[b"isom"]), moov].concat();
    let error = ClipReader::open(put(&dir, "t.mov", &data)).unwrap_err().to_string();
    assert!(error.contains("Motion JPEG"), "{error}");
}

#[test]
fn one_bad_sample_costs_its_picture() {
    for spoil in [
        (|film: &mut Film| film.samples[5].0[..4].fill(0xff)) as fn(&mut Film),
        |film| film.samples[5].0.truncate(2),
        |film| film.samples[7].0[..4].fill(0xff),
        // The keyframe in the middle.
        |film| film.samples[4].0[..4].fill(0xff),
    ] {
        let mut film = film();
        spoil(&mut film);
        let (_dir, mut reader) = open(&film.bytes());
        let (numbers, error) = read_all(&mut reader);
        assert!(error.is_none(), "{error:?}");
        assert_eq!((numbers.len(), reader.loss().lost), (7, 1), "{numbers:?}");
    }
    // In what is not shown it costs nothing but that.
    let mut film = Film { edits: vec![(0, 400, 1)], ..film() };
    film.samples[1].0[..4].fill(0xff);
    assert_eq!(shown(&film).len(), 4);
}

#[test]
fn a_stream_that_changes_its_size_gives_all_pictures() {
    let small = Size::new(48, 32).unwrap();
    let config = EncoderConfig {
        size: small,
        fps: 30.0,
        bitrate: 500_000,
        keyframe_interval: None,
        skip_frames: false,
        profile: H264Profile::High,
    };
    let mut encoder = Encoder::new(config).unwrap();
    let mut film = film();
    film.samples.iter_mut().zip(units()).for_each(|(s, unit)| s.0 = sample(&unit.data, true));
    for id in 0..3 {
        let frame = Frame::filled(small, [50, 90, 90], Colour::default(), Stamp::now(id));
        film.samples.push((sample(&encoder.encode(&frame).unwrap().unwrap().data, true), 1));
        film.durations.push(100);
    }
    film.syncs.push(9);
    let (_dir, mut reader) = open(&film.bytes());
    let sizes: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).map(|f| f.frame.size()).collect();
    assert_eq!(sizes, [vec![size(); 8], vec![small; 3]].concat());
    assert_eq!(reader.loss(), Loss::default());
}

#[test]
fn what_stands_in_a_byte_stream_and_is_no_picture_is_skipped() {
    let units = units();
    let stream: Vec<u8> = units.iter().flat_map(|u| u.data.clone()).collect();
    let mut layered = Vec::new();
    for nal in units.iter().flat_map(|u| nal_units(&u.data)) {
        if NalKind::of(nal).unwrap().is_slice() {
            // A prefix, with or without its payload, and a slice of another layer behind.
            let prefix: &[u8] = if layered.len() % 2 == 0 { &[0x6e] } else { &[0x6e, 0x40, 0x80, 0x07] };
            push_nal(&mut layered, prefix);
            push_nal(&mut layered, nal);
            push_nal(&mut layered, &[0x74, 0x40, 0x80, 0x07, 0x88, 0x84]);
        } else {
            push_nal(&mut layered, nal);
            if NalKind::of(nal) == Some(NalKind::Sps) {
                push_nal(&mut layered, &[&[0x6f, 83], &nal[2..]].concat());
            }
        }
    }
    let header = b"HTTP/1.1 200 OK\r\nContent-Type: video/h264\r\n\r\n";
    let cut: Vec<u8> = without_idr(&units.iter().take(4).map(|u| u.data.clone()).collect::<Vec<_>>()).concat();
    for (name, data, pictures) in [
        ("zeros", [&[0; 3000], &stream[..], &[0; 3000]].concat(), 8),
        ("a header", [header, &stream[..]].concat(), 8),
        ("zeros and others", [&[0, 0, 9, 9], &header[..], &[0; 9], &stream].concat(), 8),
        ("layers", layered, 8),
        ("no IDR picture", cut, 4),
    ] {
        let (_dir, mut reader) = open(&data);
        let (numbers, error) = read_all(&mut reader);
        assert!(error.is_none(), "{name}: {error:?}");
        assert_eq!(numbers, (0..pictures).collect::<Vec<_>>(), "{name}");
        assert_eq!(reader.loss(), Loss::default(), "{name}");
        reader.rewind().unwrap();
        assert_eq!(read_all(&mut reader).0.len() as u64, pictures, "{name}");
    }
    // Bytes that hold no stream do not become one.
    let dir = TempDir::new().unwrap();
    for (name, data) in [("header", header.repeat(99)), ("half", [header, &stream[..20]].concat())] {
        assert!(ClipReader::open(put(&dir, name, &data)).is_err(), "{name}");
    }
}

#[test]
fn matroska_is_read_like_mp4() {
    let units = units();
    let (sps, pps) = sets(&units[0].data);
    let private = avcc(&sps, &pps)[8..].to_vec();
    let with = |times: [u16; 8], video: &[u8]| {
        let samples: Vec<_> = times.into_iter().zip(units.iter().map(|u| sample(&u.data, false))).collect();
        super::mkv::tests::mux("V_MPEG4/ISO/AVC", &private, &samples, video)
    };
    let even = [1000, 1033, 1067, 1100, 1133, 1167, 1200, 1233];
    let (_dir, mut reader) = open(&with(even, &[]));
    assert_eq!((reader.size(), reader.frames_hint(), reader.variable_rate()), (size(), Some(8), false));
    assert!((reader.fps() - 30.0).abs() < 0.1, "{}", reader.fps());
    for _ in 0..2 {
        assert_eq!(read_all(&mut reader).0, (0..FRAMES).collect::<Vec<_>>());
        assert_eq!(reader.loss(), Loss::default());
        reader.rewind().unwrap();
    }
    // Shown 96 wide, and with times of its own.
    let (_dir, mut reader) =
        open(&with([0, 33, 67, 133, 200, 242, 1000, 1042], &[0x54, 0xb0, 0x81, 96, 0x54, 0xba, 0x81, 48]));
    assert!(reader.variable_rate());
    let frames: Vec<_> = std::iter::from_fn(|| reader.next().unwrap()).map(|f| f.frame).collect();
    assert_eq!(frames[0].aspect, Aspect::new(3, 2).unwrap());
    let time = |n: usize| (frames[n].stamp.captured - frames[0].stamp.captured).as_millis();
    assert_eq!([time(3), time(6), time(7)], [133, 1000, 1042]);
    // A cut is told, and what is before it read.
    let data = with(even, &[]);
    let (_dir, mut reader) = open(&data[..data.len() - 30]);
    let (numbers, error) = read_all(&mut reader);
    assert_eq!(numbers, (0..7).collect::<Vec<_>>());
    assert!(matches!(error, Some(ClipError::CutShort { .. })), "{error:?}");
}

#[test]
fn a_source_says_what_its_file_lacks() {
    let mut film = film();
    film.samples[6].0[..4].fill(0xff);
    let dir = TempDir::new().unwrap();
    let mut clip = Clip::open(put(&dir, "t.mp4", &film.bytes())).unwrap();
    let mut notices = Vec::new();
    for _ in 0..30 {
        assert!(matches!(clip.next().unwrap(), Event::Frame(_)));
        notices.extend(clip.notice());
    }
    assert!(notices.len() == 1 && notices[0].contains("t.mp4") && notices[0].contains("1 picture"), "{notices:?}");
    assert!(Clip::open(dir.path().join("t.mp4")).unwrap().shown_for().is_none(), "it has one rate");
}
