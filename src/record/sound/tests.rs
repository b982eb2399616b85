use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::record::{
    MAX_FRAGMENT_SAMPLES, OpenSink, RecordError, Recorded, Recording, open_new,
    tests::{FRAME_TICKS, GOP, boxes_of, decoded, gops, open_on_small_disk, played},
};

/// Twenty milliseconds that can be told from others.
pub(crate) fn opus(n: u32) -> Vec<u8> {
    [&[0xf8][..], &n.to_be_bytes()].concat()
}

fn packet(data: &[u8], timestamp: u32, ticks: i64, exact: bool) -> SoundPacket<'_> {
    SoundPacket { data, ssrc: 7, timestamp, since_picture: Offset { ticks, exact } }
}

/// Gives the track a packet, as a recording does; when it is played.
fn give(track: &mut SoundTrack, packet: &SoundPacket<'_>, picture: u64) -> Option<u64> {
    let place = track.place(packet, picture)?;
    assert!(track.fill(place.time), "a fragment of a test is short");
    track.add(packet, place);
    Some(place.time)
}

/// The times of samples, and for how long each is played.
fn times(Fragment { samples, begins, .. }: &Fragment) -> Vec<(u64, u32)> {
    let mut time = *begins;
    let place = |sample: &boxes::Sample| {
        let place = (time, sample.duration);
        time += u64::from(sample.duration);
        place
    };
    samples.iter().map(place).collect()
}

/// RFC 6716 §3.1, table 2, and §3.2.
#[test]
fn a_packet_says_how_long_it_is() {
    let silk = [480, 960, 1920, 2880];
    let celt = [120, 240, 480, 960];
    let sizes = [&silk[..], &silk, &silk, &[480, 960, 480, 960], &celt, &celt, &celt, &celt].concat();
    for (config, &size) in (0_u8..).zip(&sizes) {
        assert_eq!(duration(&[config << 3, 1]), Some(size), "{config}");
        let two = Some(2 * size).filter(|&all| all <= 5760);
        assert_eq!((duration(&[config << 3 | 1, 1]), duration(&[config << 3 | 2, 1])), (two, two), "{config}");
        assert_eq!(duration(&[config << 3 | 3, 2 | 0xc0]), two, "{config}");
    }
    // Six times 20 ms are allowed and seven are not, nor none.
    assert_eq!([6, 7, 0].map(|count| duration(&[0xfb, count])), [Some(5760), None, None]);
    assert_eq!((duration(&[]), duration(&[0xfb])), (None, None));
}

#[cfg(feature = "audio")]
proptest! {
    #[test]
    fn libopus_says_so_too(packet in prop::collection::vec(any::<u8>(), 0..4)) {
        let theirs = opus::packet::get_nb_samples(&packet, CLOCK).ok().filter(|&samples| samples > 0);
        prop_assert_eq!(duration(&packet), theirs.map(|samples| samples as u32));
    }
}

#[test]
fn the_senders_clock_goes_before_arrival_unless_it_is_wild() {
    let start = Instant::now() + Duration::from_secs(10);
    let moment = |came: u64, sent: Option<u64>| Moment {
        arrived: start + Duration::from_millis(came),
        sender_time: sent.map(Duration::from_millis),
    };
    let picture = moment(100, Some(7000));
    let since = |other: Moment| [other.since(picture).ticks, picture.since(other).ticks];
    // 25 ms are 1200 ticks.
    assert_eq!(since(moment(125, None)), [1200, -1200]);
    assert_eq!(since(moment(500, Some(7025))), [1200, -1200]);
    assert!(moment(500, Some(7025)).since(picture).exact && !moment(125, None).since(picture).exact);
    // What would be 6.9 s before what came at the same time.
    assert_eq!(moment(100, Some(100)).since(picture), Offset { ticks: 0, exact: false });
}

#[test]
fn packets_follow_each_other_and_holes_are_silence() {
    let mut track = SoundTrack::new();
    let data = opus(0);
    assert_eq!(give(&mut track, &packet(&data, 0, -1, true), 0), None, "before the first picture");
    assert_eq!(give(&mut track, &packet(&data, 1000, 100, false), 0), Some(100));
    assert_eq!(give(&mut track, &packet(&data, 1960, 4000, false), 0), Some(1060), "arrival jitters");
    assert_eq!(give(&mut track, &packet(&data, 1960, 1060, false), 0), None, "again");
    assert_eq!(give(&mut track, &packet(&data, 1000, 1060, false), 0), None, "late");
    for nothing in [&[][..], &[0xf8], &[0xf8, 0], &[0xfb, 0, 1], &[0xf8; MAX_PACKET_BYTES + 1]] {
        assert_eq!(give(&mut track, &packet(nothing, 2920, 2020, true), 0), None);
    }
    // Two are lost, and another tenth of one.
    assert_eq!(give(&mut track, &packet(&data, 1960 + 3 * 960 + 96, 0, false), 0), Some(1060 + 3 * 960 + 96));
    let taken = track.take();
    assert_eq!(times(&taken), [(100, 960), (1060, 960), (2020, 960), (2980, 960 + 96), (4036, 960)]);
    assert_eq!(taken.data, [&data[..], &data, &SILENCE, &SILENCE, &data].concat());
}

#[test]
fn sound_in_the_wrong_place_is_put_right() {
    let data = opus(0);
    let mut track = SoundTrack::new();
    let mut at = |timestamp: u32, wanted: i64, exact| give(&mut track, &packet(&data, timestamp, wanted, exact), 0);
    assert_eq!(at(0, 960, true), Some(960));
    // By 4 ms: it goes there by parts of 1/32.
    assert_eq!(at(960, 1920 + 192, true), Some(1920 + 6));
    // By 30 ms: in steps of half a millisecond.
    assert_eq!(at(1920, 2886 + 1440, true), Some(2886 + 24));
    assert_eq!(at(2880, 3870 - 1440, true), Some(3870 - 24));
    // By 50 ms: at once, forwards,
    assert_eq!(at(3840, 4806 + 2400, true), Some(4806 + 2400));
    // and backwards as soon as there is room.
    assert_eq!(at(4800, 8166 - 2400, true), None);
    assert_eq!(at(5760, 9126 - 2400, true), None);
    assert_eq!(at(6720, 10086 - 2400, true), Some(8166 - 24), "9 ms late");
    // What only came late stays where its timestamp puts it, within reason.
    assert_eq!(at(7680, 9102 + 200_000, false), Some(9102));
    assert_eq!(at(8640, 10062 + 300_000, false), Some(10062 + 300_000));
}

#[test]
fn another_stream_goes_on_in_the_same_track() {
    let mut track = SoundTrack::new();
    let data = opus(0);
    give(&mut track, &packet(&data, 5, 0, false), 0);
    let other = SoundPacket { ssrc: 8, ..packet(&data, 4_000_000_000, 1000, false) };
    assert_eq!(give(&mut track, &other, 0), Some(1000));
    // One that begins anew with its timestamps.
    let again = SoundPacket { timestamp: 17, ..packet(&data, 0, 2000, false) };
    assert_eq!(give(&mut track, &again, 0), Some(2000));
}

/// A sound card that is fast or slow by 200 ppm, pictures that come later than sound, and reports from the sixth
/// second on.
#[test]
fn half_an_hour_with_clocks_that_drift_stays_in_step() {
    for drift in [2e-4, -2e-4] {
        let start = Instant::now();
        let mut random = 1_u32;
        let mut jitter = || {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            f64::from(random >> 8) / f64::from(1 << 24) * 0.03
        };
        let mut moment = |captured: f64, delay: f64| Moment {
            arrived: start + Duration::from_secs_f64(captured + delay + jitter()),
            sender_time: (captured > 6.0).then(|| Duration::from_secs_f64(1e6 + captured)),
        };
        let mut track = SoundTrack::new();
        let (mut newest, mut frame, mut left_out, mut worst) = (moment(0.0, 0.15), 0_u32, 0, 0_u64);
        let mut silent = 0;
        for n in 0_u32..30 * 60 * 50 {
            let captured = f64::from(n) * 0.02 / (1.0 + drift);
            while f64::from(frame + 1) / 30.0 <= captured {
                frame += 1;
                newest = moment(f64::from(frame) / 30.0, 0.15);
                if frame % 60 == 0 {
                    let fragment = track.take();
                    silent += fragment.samples.iter().filter(|sample| sample.size == 3).count();
                }
            }
            let since_picture = moment(captured, 0.03).since(newest);
            let data = opus(n);
            let sound = SoundPacket { data: &data, ssrc: 1, timestamp: n.wrapping_mul(960), since_picture };
            let picture = u64::from(frame) * 1600;
            let Some(time) = give(&mut track, &sound, picture) else {
                left_out += 1;
                continue;
            };
            let right = (captured * 48_000.0) as u64;
            if captured > 8.0 {
                worst = worst.max(time.abs_diff(right));
            }
        }
        // 20 ms are 960 ticks; it keeps within one.
        assert!(worst < 48, "{drift}: {worst} ticks");
        // Those of the beginning, until the first reports; the difference of the delays is six of them.
        assert!(left_out <= 8 && silent <= 8, "{drift}: {left_out} left out, {silent} silent");
    }
}

#[derive(Debug, Clone)]
enum Op {
    Packet { data: Vec<u8>, ssrc: u32, timestamp: u32, offset: i64, exact: bool },
    Picture(u64),
    Write,
}

fn op() -> impl Strategy<Value = Op> {
    let data = prop_oneof![Just(opus(1)), prop::collection::vec(any::<u8>(), 0..8)];
    let timestamp = prop_oneof![(0_u32..400).prop_map(|n| n * 480), any::<u32>()];
    let offset = prop_oneof![-5000_i64..5000, -300_000_i64..300_000, -(1_i64 << 36)..1 << 36];
    prop_oneof![
        6 => (data, 0_u32..3, timestamp, offset, any::<bool>())
            .prop_map(|(data, ssrc, timestamp, offset, exact)| Op::Packet { data, ssrc, timestamp, offset, exact }),
        2 => prop_oneof![0_u64..5000, 0_u64..1 << 34].prop_map(Op::Picture),
        1 => Just(Op::Write),
    ]
}

proptest! {
    /// Whatever comes: one sample ends before the next begins, and fragments are bounded.
    #[test]
    fn samples_never_overlap(ops in prop::collection::vec(op(), 0..60)) {
        let mut track = SoundTrack::new();
        let (mut picture, mut written) = (0_u64, 0_u64);
        let mut write = |track: &mut SoundTrack, picture| {
            track.give_up(picture);
            let fragment = track.take();
            let sizes: usize = fragment.samples.iter().map(|sample| sample.size as usize).sum();
            prop_assert_eq!(sizes, fragment.data.len());
            prop_assert!(fragment.samples.len() <= MAX_FRAGMENT_SAMPLES);
            prop_assert!(fragment.samples.iter().all(|sample| sample.duration > 0));
            if let Some(&(last, duration)) = times(&fragment).last() {
                prop_assert!(fragment.begins >= written, "{} before {written}", fragment.begins);
                written = last + u64::from(duration);
                prop_assert_eq!(written, track.end());
            }
            Ok(())
        };
        for op in ops {
            match op {
                Op::Packet { data, ssrc, timestamp, offset, exact } => {
                    let since_picture = Offset { ticks: offset, exact };
                    let packet = SoundPacket { data: &data, ssrc, timestamp, since_picture };
                    while let Some(place) = track.place(&packet, picture) {
                        if track.fill(place.time) {
                            track.add(&packet, place);
                            break;
                        }
                        write(&mut track, picture)?;
                    }
                }
                Op::Picture(later) => picture += later,
                Op::Write => write(&mut track, picture)?,
            }
        }
        write(&mut track, picture)?;
    }
}

/// A sample of a track: when, for how long, what.
pub(crate) type Read = (u64, u32, Vec<u8>);

/// The sound in a file, after what our own fragments say.
pub(crate) fn sound_in(file: &[u8]) -> Vec<Read> {
    samples_of(file, boxes::SOUND)
}

fn samples_of(file: &[u8], track: u32) -> Vec<Read> {
    let word = |data: &[u8], at: usize| u32::from_be_bytes(data[at..at + 4].try_into().unwrap());
    let mut samples = Vec::new();
    let mut moof_at = 0;
    for (kind, end) in boxes_of(file) {
        if &kind == b"moof" && end <= file.len() {
            let mut at = moof_at + 8;
            while at < end {
                let traf = &file[at..at + word(file, at) as usize];
                at += traf.len();
                // Of tfhd the track, of tfdt the time, of trun the count and the offset.
                if &traf[4..8] != b"traf" || word(traf, 20) != track {
                    continue;
                }
                let mut time = u64::from(word(traf, 36)) << 32 | u64::from(word(traf, 40));
                let mut from = moof_at + word(traf, 60) as usize;
                for n in 0..word(traf, 56) as usize {
                    let [duration, size] = [64, 68].map(|field| word(traf, field + 12 * n));
                    samples.push((time, duration, file[from..from + size as usize].to_vec()));
                    (time, from) = (time + u64::from(duration), from + size as usize);
                }
            }
        }
        moof_at = end;
    }
    samples
}

/// Records pictures, 25 a second, and sound, of which packet `n` is given with the time `n` × 20 ms: those of a
/// picture before it.
fn record(open: OpenSink, path: &Path, pictures: u64, sound: std::ops::Range<u32>) -> Result<Recorded, RecordError> {
    let units = gops(pictures);
    let mut recording = Recording::create_with(open, path.to_owned(), &units[0].data, 0, Some(Channels::Mono))?;
    for (i, unit) in (0_u32..).zip(&units) {
        for n in [2 * i, 2 * i + 1].into_iter().filter(|n| sound.contains(n)) {
            let newest = i64::from(i.saturating_sub(1));
            recording.sound(&packet(&opus(n), 960 * n, i64::from(n) * 960 - newest * 1920, true))?;
        }
        if i > 0 {
            recording.unit(&unit.data, unit.keyframe, FRAME_TICKS * i)?;
        }
    }
    recording.finish()
}

#[test]
fn pictures_and_sound_lie_in_the_same_fragments() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.mp4");
    let done = record(open_new, &path, 3 * GOP as u64, 4..30).unwrap();
    assert_eq!(done.frames, 3 * GOP);
    let file = std::fs::read(&path).unwrap();
    let kinds: Vec<_> = boxes_of(&file).iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds.concat(), b"ftypmoovmoofmdatmoofmdatmoofmdat");
    // Silence until the fifth packet, and then one after the other.
    let sound: Vec<Read> =
        (0..30).map(|n| (960 * u64::from(n), 960, if n < 4 { SILENCE.to_vec() } else { opus(n) })).collect();
    assert_eq!(samples_of(&file, boxes::SOUND), sound);
    let pictures = samples_of(&file, boxes::VIDEO);
    assert!(pictures.iter().zip(0..).all(|((time, duration, _), i)| (*time, *duration) == (3600 * i, 3600)));
    // As a clip it is read as if there were no sound.
    let (frames, error) = played(&path);
    assert!(error.is_none(), "{error:?}");
    let wanted = decoded(&gops(3 * GOP as u64));
    assert_eq!(frames.len(), wanted.len());
    assert!(frames.iter().zip(&wanted).all(|(frame, want)| frame.planes() == want.planes()));
}

#[test]
fn sound_that_never_comes_is_silence() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("silent.mp4");
    record(open_new, &path, 75, 0..0).unwrap();
    let sound = samples_of(&std::fs::read(&path).unwrap(), boxes::SOUND);
    // Until the last of 75 pictures begins, at 2.96 s.
    let wanted: Vec<Read> = (0..sound.len() as u64).map(|n| (960 * n, 960, SILENCE.to_vec())).collect();
    assert_eq!(sound, wanted);
    assert_eq!(sound.len(), 148);
}

#[test]
fn what_is_cut_off_leaves_both_tracks() {
    let folder = tempfile::tempdir().unwrap();
    let pictures = 3 * GOP as u64;
    let whole = folder.path().join("whole.mp4");
    record(open_new, &whole, pictures, 0..30).unwrap();
    let whole = std::fs::read(whole).unwrap();
    let ends: Vec<usize> =
        boxes_of(&whole).into_iter().filter(|(kind, _)| kind == b"mdat").map(|(_, end)| end).collect();
    let around = ends.iter().flat_map(|end| end - 9..end + 9);
    for room in (0..whole.len()).step_by(211).chain(around).filter(|room| *room < whole.len()) {
        let path = folder.path().join(format!("{room}.mp4"));
        assert!(record(open_on_small_disk, &path, pictures, 0..30).is_err());
        let fragments = ends.iter().filter(|end| **end <= room).count();
        let data = std::fs::read(&path).unwrap();
        assert!(boxes_of(&data).iter().all(|(kind, end)| kind != b"moof" || *end <= room), "{room}");
        assert_eq!(played(&path).0.len(), fragments * GOP, "{room}");
        // Ten packets for each GOP, and those that came with the keyframe behind it.
        let sound = samples_of(&data[..ends[..fragments].last().map_or(0, |end| *end)], boxes::SOUND);
        let wanted: Vec<Read> = (0..sound.len() as u32).map(|n| (960 * u64::from(n), 960, opus(n))).collect();
        assert_eq!(sound, wanted, "{room}");
        assert!(sound.len() + 2 >= fragments * 2 * GOP, "{room}: {}", sound.len());
        std::fs::remove_file(path).unwrap();
    }
}

/// A picture's clock that jumps says nothing of how long it was; the sound, which went on, does.
#[test]
fn pictures_go_on_where_the_sound_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("jump.mp4");
    let units = gops(1);
    let mut recording =
        Recording::create_with(open_new, path.clone(), &units[0].data, 0, Some(Channels::Mono)).unwrap();
    for n in 0..100 * 50 {
        recording.sound(&packet(&opus(n), 960 * n, i64::from(n) * 960, true)).unwrap();
        recording.pause_pictures().unwrap();
    }
    recording.unit(&units[0].data, true, 100 * 90_000).unwrap();
    recording.finish().unwrap();
    let file = std::fs::read(&path).unwrap();
    assert_eq!(samples_of(&file, boxes::VIDEO)[1].0, 100 * 90_000);
    assert_eq!(samples_of(&file, boxes::SOUND).len(), 100 * 50);
    let fragments = boxes_of(&file).iter().filter(|(kind, _)| kind == b"moof").count();
    assert!((100..=110).contains(&fragments), "a second of sound in each: {fragments}");
}

#[test]
fn a_long_hole_is_one_sample_and_three_seconds_of_silence() {
    let mut track = SoundTrack::new();
    let data = opus(0);
    give(&mut track, &packet(&data, 0, 0, true), 0);
    give(&mut track, &packet(&data, 0x8000_0000, 48_000 * 60, true), 0);
    let taken = track.take();
    assert_eq!(taken.samples.len(), 1 + 1 + 150 + 1);
    assert_eq!(times(&taken)[1], (960, 57 * 48_000 - 960));
    assert_eq!(times(&taken)[152], (48_000 * 60, 960));
}
