use super::*;
use crate::codec::Decoder;
use crate::codec::nal::{Parameters, Pps, Sps};
use crate::frame::{Matrix, Range, Stamp};
use crate::source::scene::Scene;

const PROFILES: [H264Profile; 3] = [H264Profile::ConstrainedBaseline, H264Profile::Main, H264Profile::High];

fn config(profile: H264Profile) -> EncoderConfig {
    let size = Size::new(320, 240).unwrap();
    EncoderConfig { size, fps: 30.0, bitrate: 200_000, keyframe_interval: None, skip_frames: false, profile }
}

fn frames(count: u64) -> impl Iterator<Item = Frame> {
    let (scene, begin) = (Scene::new(Size::new(320, 240).unwrap(), 30.0).unwrap(), Instant::now());
    (0..count).map(move |id| {
        let captured = begin + std::time::Duration::from_millis(33 * id);
        scene.draw(id).with_stamp(Stamp { id, captured })
    })
}

fn sets(unit: &[u8]) -> (Sps, Pps) {
    let find = |kind| nal_units(unit).find(|nal| NalKind::of(nal) == Some(kind)).unwrap();
    (Sps::parse(find(NalKind::Sps)).unwrap(), Pps::parse(find(NalKind::Pps)).unwrap())
}

#[test]
fn parameter_sets_say_the_profile_that_was_asked_for() {
    // Constraint flags 0 and 1 for constrained baseline; 1 for main; 4 and 5, no fields and no B pictures, for both.
    for (profile, idc, constraints, cabac) in [
        (H264Profile::ConstrainedBaseline, 66, 0b1100_0000, false),
        (H264Profile::Main, 77, 0b0100_1100, true),
        (H264Profile::High, 100, 0b0000_1100, true),
    ] {
        for longest in [None, Some(1000)] {
            let mut encoder = Encoder::new(config(profile)).unwrap().with_longest_nal_unit(longest);
            let unit = encoder.encode(&frames(1).next().unwrap()).unwrap().unwrap();
            let (sps, pps) = sets(&unit.data);
            assert_eq!((sps.profile, sps.constraints, pps.cabac), (idc, constraints, cabac), "{profile:?}");
            assert_eq!((sps.matrix, sps.range), (Some(Matrix::Bt601), Some(Range::Limited)), "{profile:?}");
            assert_eq!(sps.siting, crate::frame::Siting::Centre);
        }
    }
}

#[test]
fn what_is_coded_by_cabac_is_smaller_and_decodes_like_the_rest() {
    for longest in [None, Some(700)] {
        let mut bytes = Vec::new();
        for profile in PROFILES {
            let mut encoder = Encoder::new(config(profile)).unwrap().with_longest_nal_unit(longest);
            let (mut decoder, mut parameters) = (Decoder::new().unwrap(), Parameters::default());
            let mut sum = 0;
            for frame in frames(30) {
                if frame.stamp.id == 20 {
                    encoder.request_keyframe();
                }
                let unit = encoder.encode(&frame).unwrap().unwrap();
                assert_eq!(unit.keyframe, matches!(frame.stamp.id, 0 | 20));
                for nal in nal_units(&unit.data) {
                    parameters.update(nal).unwrap();
                    assert!(longest.is_none_or(|longest| nal.len() <= longest as usize), "{} bytes", nal.len());
                }
                let decoded = decoder.decode(&unit.data, frame.stamp).unwrap().unwrap();
                assert!(!decoded.damaged, "{profile:?}");
                assert!(decoded.frame.qp.is_some_and(|qp| (10.0..=51.0).contains(&qp)), "{:?}", decoded.frame.qp);
                let far = |a: &[u8], b: &[u8]| {
                    let squares: f64 = a.iter().zip(b).map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum();
                    squares / a.len() as f64
                };
                let error = far(decoded.frame.planes()[0].data(), frame.planes()[0].data());
                assert!(error < 200.0, "{profile:?}: frame {} is {error} off", frame.stamp.id);
                sum += unit.data.len();
            }
            bytes.push(sum);
        }
        println!("{longest:?}: {bytes:?} bytes");
        // Both spend what they may; the first picture, at its fixed quantiser, tells them apart.
        assert!(bytes[1].abs_diff(bytes[2]) <= 100, "{bytes:?}");
    }
}
