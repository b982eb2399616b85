use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{
    sound_queue::MAX_WAITING,
    tests::{received, units},
    *,
};
use crate::{
    record::sound::{
        MAX_PACKET_BYTES,
        tests::{opus, sound_in},
    },
    source::clip::ClipReader,
};

/// From picture to picture, in milliseconds.
const FRAME: u64 = 40;

/// A call: pictures on their way for 200 ms, sound for 40 ms. All times in milliseconds.
struct Call {
    recorder: Recorder,
    start: Instant,
    folder: tempfile::TempDir,
    /// The sound that has come: packet `n` was captured at `n` × 20 ms.
    sound: u32,
    /// When the first picture was captured.
    first: u64,
}

impl Call {
    fn new(first: u64) -> Self {
        let (recorder, folder) = (Recorder::default(), tempfile::tempdir().unwrap());
        recorder.start(folder.path().join("r.mp4"));
        Self { recorder, start: Instant::now(), folder, sound: 0, first }
    }

    /// Sound comes up to that time.
    fn hear(&mut self, until: u64) {
        while u64::from(self.sound) * 20 + 40 <= until {
            self.recorder.audio(&self.packet(self.sound));
            self.sound += 1;
        }
    }

    fn packet(&self, n: u32) -> ReceivedAudio {
        let captured = u64::from(n) * 20;
        ReceivedAudio {
            payload: opus(n).into(),
            ssrc: 5,
            sequence: n as u16,
            rtp_timestamp: (960 * n).wrapping_sub(3000),
            arrived: self.start + Duration::from_millis(captured + 40),
            sender_time: Some(Duration::from_millis(1_000_000 + captured)),
        }
    }

    /// Picture `i` has come and waited for 50 ms, in which there was sound.
    fn see(&mut self, i: u64, unit: &crate::codec::AccessUnit, complete: bool) -> bool {
        let captured = self.first + FRAME * i;
        self.hear(captured + 250);
        let unit = ReceivedUnit {
            rtp_timestamp: 77 + 3600 * i as u32,
            arrived: self.start + Duration::from_millis(captured + 200),
            sender_time: Some(Duration::from_millis(1_000_000 + captured)),
            ..received(unit, complete)
        };
        self.recorder.unit(&unit).unwrap()
    }

    /// The packets in a file: when each is played, in milliseconds, and which it is.
    fn recorded(&self, name: &str) -> Vec<(u64, u32)> {
        let sound = sound_in(&std::fs::read(self.folder.path().join(name)).unwrap());
        let packets = sound.iter().filter(|(_, _, data)| data.len() == 5);
        packets.map(|(time, _, data)| (time / 48, u32::from_be_bytes(data[1..].try_into().unwrap()))).collect()
    }
}

#[test]
fn sound_is_played_when_it_was_captured() {
    let mut call = Call::new(100);
    // Sound is there before a picture is.
    call.hear(300);
    for (i, unit) in (0..).zip(&units("96x64", 12)) {
        assert!(!call.see(i, unit, true));
    }
    let heard = call.sound;
    assert_eq!(call.recorder.stop().unwrap()[0].frames, 12);
    // The fifth packet and the first picture are of one moment.
    let wanted: Vec<_> = (5..heard).map(|n| (20 * u64::from(n - 5), n)).collect();
    assert_eq!(call.recorded("r.mp4"), wanted);
}

#[test]
fn sound_goes_on_while_pictures_wait_for_a_keyframe() {
    let mut call = Call::new(0);
    let units = units("96x64", 8);
    assert!(!call.see(0, &units[0], true));
    assert!(call.see(1, &units[1], false));
    for i in 2..100 {
        assert!(call.see(i, &units[1], true));
    }
    // What is on the disk already, up to a second.
    assert!(call.recorded("r.mp4").len() > 100);
    assert!(!call.see(100, &units[4], true));
    call.hear(100 * FRAME + 500);
    call.recorder.pause().unwrap();
    let heard = call.sound;
    assert_eq!(call.recorder.stop().unwrap()[0].frames, 2);
    let wanted: Vec<_> = (0..heard).map(|n| (20 * u64::from(n), n)).collect();
    assert_eq!(call.recorded("r.mp4"), wanted);
}

#[test]
fn at_another_size_sound_goes_on_in_another_file() {
    let mut call = Call::new(0);
    let (small, large) = (units("96x64", 2), units("128x96", 2));
    for (i, unit) in (0..).zip(small.iter().chain(&large)) {
        assert!(!call.see(i, unit, true));
    }
    let heard = call.sound;
    call.recorder.stop().unwrap();
    // What was captured before the third picture, at 80 ms, is in the first file.
    assert_eq!(call.recorded("r.mp4"), [(0, 0), (20, 1), (40, 2), (60, 3)]);
    let wanted: Vec<_> = (4..heard).map(|n| (20 * u64::from(n) - 80, n)).collect();
    assert_eq!(call.recorded("r-2.mp4"), wanted);
}

#[test]
fn sound_of_another_connection_waits_for_its_file() {
    let mut call = Call::new(0);
    let units = units("96x64", 1);
    assert!(!call.see(0, &units[0], true));
    call.recorder.pause().unwrap();
    let before = call.sound;
    call.first = 1000;
    call.hear(1100);
    assert!(call.recorder.new_stream().unwrap());
    assert!(!call.see(0, &units[0], true));
    let heard = call.sound;
    call.recorder.stop().unwrap();
    assert_eq!(call.recorded("r.mp4").len(), before as usize);
    let wanted: Vec<_> = (50..heard).map(|n| (20 * u64::from(n - 50), n)).collect();
    assert_eq!(call.recorded("r-2.mp4"), wanted);
}

#[test]
fn a_file_has_a_track_for_sound_where_there_is_any() {
    let unit = units("96x64", 1).remove(0);
    let track = |prepare: &dyn Fn(&Call)| {
        let mut call = Call::new(0);
        call.sound = u32::MAX / 20;
        prepare(&call);
        call.see(0, &unit, true);
        call.recorder.stop().unwrap();
        let file = std::fs::read(call.folder.path().join("r.mp4")).unwrap();
        let dops = file.windows(4).position(|name| name == b"dOps");
        dops.map(|at| file[at + 5])
    };
    assert_eq!(track(&|_| {}), None);
    assert_eq!(track(&|call| call.recorder.expects_audio(true)), Some(1));
    assert_eq!(track(&|call| call.recorder.audio(&call.packet(0))), Some(1));
    let stereo = |call: &Call| ReceivedAudio { payload: vec![0xfc, 1, 2].into(), ..call.packet(0) };
    assert_eq!(track(&|call| call.recorder.audio(&stereo(call))), Some(2));
    // What came while nothing was recorded is none of this recording's.
    let earlier = |call: &Call| {
        call.recorder.stop().unwrap();
        call.recorder.audio(&call.packet(0));
        call.recorder.start(call.folder.path().join("r.mp4"));
    };
    assert_eq!(track(&earlier), None);
}

#[test]
fn only_so_much_sound_waits() {
    let call = Call::new(0);
    let queue = SoundQueue::default();
    queue.put(ReceivedAudio { payload: vec![0xf8; MAX_PACKET_BYTES + 1].into(), ..call.packet(0) });
    assert!(queue.take(None).is_empty());
    (0..MAX_WAITING as u32 + 5).for_each(|n| queue.put(call.packet(n)));
    let kept = queue.take(None);
    assert_eq!((kept.len(), &kept[0]), (MAX_WAITING, &call.packet(5)));
}

#[derive(Debug, Clone)]
enum Op {
    Audio { payload: Vec<u8>, ssrc: u32, timestamp: u32, arrived: u64, sender_time: Option<u64> },
    Unit { timestamp: u32, arrived: u64, sender_time: Option<u64> },
    Pause,
    Gap,
}

fn op() -> impl Strategy<Value = Op> {
    let payload = prop_oneof![Just(opus(3)), prop::collection::vec(any::<u8>(), 0..8)];
    let time = || prop_oneof![0_u64..2000, any::<u64>()];
    let arrived = 0_u64..100_000;
    prop_oneof![
        4 => (payload, 0_u32..3, any::<u32>(), arrived.clone(), prop::option::of(time())).prop_map(
            |(payload, ssrc, timestamp, arrived, sender_time)| Op::Audio { payload, ssrc, timestamp, arrived, sender_time }
        ),
        3 => (any::<u32>(), arrived, prop::option::of(time()))
            .prop_map(|(timestamp, arrived, sender_time)| Op::Unit { timestamp, arrived, sender_time }),
        1 => Just(Op::Pause),
        1 => Just(Op::Gap),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    /// Whatever the far side sends, the pictures that were recorded are read again.
    #[test]
    fn wild_times_spoil_no_recording(ops in prop::collection::vec(op(), 0..40)) {
        let key = units("96x64", 1).remove(0);
        let call = Call::new(0);
        call.recorder.expects_audio(true);
        let at = |ms: u64| call.start + Duration::from_millis(ms);
        for op in ops {
            match op {
                Op::Audio { payload, ssrc, timestamp, arrived, sender_time } => call.recorder.audio(&ReceivedAudio {
                    payload: payload.into(),
                    ssrc,
                    sequence: 0,
                    rtp_timestamp: timestamp,
                    arrived: at(arrived),
                    sender_time: sender_time.map(Duration::from_millis),
                }),
                Op::Unit { timestamp, arrived, sender_time } => {
                    let unit = ReceivedUnit {
                        rtp_timestamp: timestamp,
                        arrived: at(arrived),
                        sender_time: sender_time.map(Duration::from_millis),
                        ..received(&key, true)
                    };
                    prop_assert!(!call.recorder.unit(&unit).unwrap());
                }
                Op::Pause => drop(call.recorder.pause().unwrap()),
                Op::Gap => call.recorder.gap(),
            }
        }
        for file in call.recorder.stop().unwrap() {
            let mut clip = ClipReader::open(&file.path).unwrap();
            prop_assert_eq!(std::iter::from_fn(|| clip.next().unwrap()).count(), file.frames);
            let sound = sound_in(&std::fs::read(&file.path).unwrap());
            prop_assert!(sound.windows(2).all(|pair| pair[0].0 + u64::from(pair[0].1) <= pair[1].0));
        }
    }
}
