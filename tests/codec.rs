//! Encoder and decoder together: what goes in comes out, at the bitrate that was asked for, and losses
//! heal.

use std::time::{Duration, Instant};

use clearcall::codec::nal::{NalKind, Sps, UnitSplitter, nal_units};
use clearcall::codec::{AccessUnit, DecodeError, Decoder, EncodeError, Encoder, EncoderConfig, H264Profile};
use clearcall::frame::{Colour, Frame, Matrix, Plane, Range, Size, Stamp};
use proptest::prelude::*;

const FPS: f32 = 30.0;

fn size(w: u32, h: u32) -> Size {
    Size::new(w, h).unwrap()
}

fn config(size: Size, bitrate: u32) -> EncoderConfig {
    EncoderConfig { size, fps: FPS, bitrate, keyframe_interval: None, skip_frames: true, profile: H264Profile::High }
}

/// Frames of a moving pattern with noise on it, a thirtieth of a second apart.
struct Film {
    size: Size,
    colour: Colour,
    noise: i32,
    /// Frames per second by their stamps.
    fps: f32,
    started: Instant,
    id: u64,
    random: u64,
    /// A turn of the sine in 1024 steps: drawing must not take longer than coding.
    sine: Vec<f32>,
}

impl Film {
    fn new(size: Size, noise: i32) -> Self {
        Self {
            size,
            colour: Colour::default(),
            noise,
            fps: FPS,
            started: Instant::now(),
            id: 0,
            random: 0x1234_5678_9abc_def1,
            sine: (0..1024).map(|i| (i as f32 * std::f32::consts::TAU / 1024.0).sin()).collect(),
        }
    }

    fn draw(&mut self) -> Frame {
        let id = self.id;
        self.id += 1;
        let captured = self.started + Duration::from_secs_f64(id as f64 / f64::from(self.fps));
        let mut frame = Frame::filled(self.size, [0; 3], self.colour, Stamp { id, captured });
        let t = id as f32;
        let sine = |turns: f32| self.sine[(turns * 1024.0) as usize % 1024];
        for (n, plane) in frame.planes_mut().into_iter().enumerate() {
            let step = if n == 0 { 1.0 } else { 2.0 };
            for y in 0..plane.height() {
                let py = y as f32 * step + 1.1 * t;
                let column = sine(py * 0.011);
                for (x, v) in plane.row_mut(y).iter_mut().enumerate() {
                    let px = x as f32 * step + 2.3 * t;
                    let wave = sine(px * 0.0175) * column + sine(px * 0.005 + py * 0.008);
                    let base = if n == 0 { 126.0 + 45.0 * wave } else { 128.0 + 20.0 * wave * (1.5 - n as f32) };
                    self.random ^= self.random << 13;
                    self.random ^= self.random >> 7;
                    self.random ^= self.random << 17;
                    let noise = (self.random >> 40) as i32 % (2 * self.noise + 1) - self.noise;
                    *v = (base as i32 + if n == 0 { noise } else { noise / 4 }).clamp(16, 235) as u8;
                }
            }
        }
        frame
    }
}

fn psnr(a: &Plane, b: &Plane) -> f64 {
    assert_eq!((a.width(), a.height()), (b.width(), b.height()));
    let sum: f64 = a.rows().flatten().zip(b.rows().flatten()).map(|(&a, &b)| f64::from(a.abs_diff(b)).powi(2)).sum();
    10.0 * (255.0_f64.powi(2) * (a.width() * a.height()) as f64 / sum.max(1e-9)).log10()
}

fn must(unit: Option<AccessUnit>) -> AccessUnit {
    unit.expect("the frame was skipped")
}

#[test]
fn pictures_come_back() {
    let mut film = Film::new(size(320, 240), 3);
    let mut encoder = Encoder::new(config(film.size, 2_000_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    for i in 0..30 {
        let frame = film.draw();
        let unit = must(encoder.encode(&frame).unwrap());
        assert_eq!((unit.keyframe, unit.stamp), (i == 0, frame.stamp));
        let got = decoder.decode(&unit.data, unit.stamp).unwrap().expect("each unit gives its picture at once");
        assert_eq!((got.frame.stamp, got.keyframe, got.damaged), (frame.stamp, i == 0, false));
        for (a, b) in frame.planes().into_iter().zip(got.frame.planes()) {
            assert!(psnr(a, b) > 36.0, "frame {i}: {}", psnr(a, b));
        }
        assert!((1.0..45.0).contains(&got.frame.qp.unwrap()), "{:?}", got.frame.qp);
    }
    assert!(decoder.flush().unwrap().is_none());
}

#[test]
fn units_are_annex_b_and_of_their_profile() {
    let mut film = Film::new(size(320, 240), 3);
    let mut encoder = Encoder::new(config(film.size, 500_000)).unwrap();
    let key = must(encoder.encode(&film.draw()).unwrap());
    let kinds: Vec<_> = nal_units(&key.data).map(|n| NalKind::of(n).unwrap()).collect();
    assert_eq!(kinds, [NalKind::Sps, NalKind::Pps, NalKind::Idr]);
    let joined: Vec<u8> = nal_units(&key.data).flat_map(|n| [&[0, 0, 0, 1], n].concat()).collect();
    assert_eq!(key.data, joined, "start codes have four bytes");
    let sps = Sps::parse(nal_units(&key.data).next().unwrap()).unwrap();
    assert_eq!((sps.profile, sps.constraints), (100, 0x0c), "constrained high");
}

#[test]
fn colour_comes_back_for_both_matrices_and_ranges() {
    let mut film = Film::new(size(64, 48), 0);
    let mut encoder = Encoder::new(config(film.size, 500_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    for matrix in [Matrix::Bt601, Matrix::Bt709] {
        for range in [Range::Limited, Range::Full] {
            film.colour = Colour { matrix, range };
            for i in 0..3 {
                let unit = must(encoder.encode(&film.draw()).unwrap());
                assert_eq!(unit.keyframe, i == 0, "another colour starts anew");
                let got = decoder.decode(&unit.data, unit.stamp).unwrap().unwrap();
                assert_eq!((got.frame.colour, got.damaged), (film.colour, false));
            }
        }
    }
}

#[test]
fn odd_and_small_sizes_grow_to_even_ones() {
    for (w, h) in [(17, 33), (16, 16), (15, 16), (175, 99), (202, 360), (639, 358)] {
        let mut film = Film::new(size(w, h), 0);
        let mut encoder = Encoder::new(config(film.size, 1_000_000)).unwrap();
        let mut decoder = Decoder::new().unwrap();
        for _ in 0..3 {
            let frame = film.draw();
            let unit = must(encoder.encode(&frame).unwrap());
            let got = decoder.decode(&unit.data, unit.stamp).unwrap().unwrap().frame;
            assert_eq!(got.size(), size(w.next_multiple_of(2), h.next_multiple_of(2)));
            let (w, h) = (w as usize, h as usize);
            let cut = Plane::copy_from(got.y().data(), w, h, got.y().stride()).unwrap();
            assert!(psnr(frame.y(), &cut) > 32.0, "{w}x{h}: {}", psnr(frame.y(), &cut));
        }
    }
}

#[test]
fn what_cannot_be_encoded_is_refused() {
    let new = |config| Encoder::new(config).err().map(|e| e.to_string()).unwrap_or_default();
    assert!(new(config(size(8, 8), 100_000)).contains("8x8"));
    assert!(new(config(size(4096, 4096), 100_000)).contains("4096x4096"));
    assert!(new(config(size(64, 64), 0)).contains("bit/s"));
    assert!(new(EncoderConfig { fps: f32::NAN, ..config(size(64, 64), 100_000) }).contains("frames per second"));
    assert!(new(EncoderConfig { keyframe_interval: Some(0), ..config(size(64, 64), 100_000) }).contains("keyframe"));
    let mut encoder = Encoder::new(config(size(64, 64), 100_000)).unwrap();
    assert!(matches!(encoder.set_bitrate(1), Err(EncodeError::Setting(_))));
    let tiny = Frame::filled(size(4, 4), [0; 3], Colour::default(), Stamp::now(0));
    assert!(matches!(encoder.encode(&tiny), Err(EncodeError::Size(_))));
}

#[test]
fn another_size_starts_anew() {
    let mut encoder = Encoder::new(config(size(64, 64), 500_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    for (w, h) in [(64, 64), (128, 96), (64, 64)] {
        let mut film = Film::new(size(w, h), 0);
        for i in 0..3 {
            let unit = must(encoder.encode(&film.draw()).unwrap());
            assert_eq!(unit.keyframe, i == 0);
            let got = decoder.decode(&unit.data, unit.stamp).unwrap().unwrap();
            assert_eq!((got.frame.size(), got.damaged), (film.size, false));
        }
    }
}

#[test]
fn keyframes_come_when_asked_for_and_periodically() {
    let mut film = Film::new(size(160, 120), 2);
    let mut encoder = Encoder::new(config(film.size, 400_000)).unwrap();
    let mut keys = Vec::new();
    for i in 0..40 {
        if i == 20 {
            encoder.request_keyframe();
        }
        if encoder.encode(&film.draw()).unwrap().is_some_and(|u| u.keyframe) {
            keys.push(i);
        }
    }
    assert_eq!(keys.len(), 2, "{keys:?}");
    assert!((20..23).contains(&keys[1]), "{keys:?}");

    let periodic = EncoderConfig { keyframe_interval: Some(10), ..config(film.size, 1_000_000) };
    let mut encoder = Encoder::new(periodic).unwrap();
    let keys: Vec<_> = (0..40).filter(|_| must(encoder.encode(&film.draw()).unwrap()).keyframe).collect();
    assert_eq!(keys, [0, 10, 20, 30]);
}

/// Bits per second over these frames, and how many were skipped.
fn bitrate(encoder: &mut Encoder, film: &mut Film, frames: usize) -> (f64, usize) {
    let (mut bytes, mut skipped) = (0, 0);
    for _ in 0..frames {
        match encoder.encode(&film.draw()).unwrap() {
            Some(unit) => {
                assert!(!unit.data.is_empty());
                bytes += unit.data.len();
            }
            None => skipped += 1,
        }
    }
    (bytes as f64 * 8.0 * f64::from(film.fps) / frames as f64, skipped)
}

#[test]
fn the_bitrate_holds_within_15_percent_over_10_seconds() {
    for (target, noises) in [(150_000, &[2, 12][..]), (300_000, &[12]), (600_000, &[2]), (1_000_000, &[12])] {
        for &noise in noises {
            let mut film = Film::new(size(480, 360), noise);
            let mut encoder = Encoder::new(config(film.size, target)).unwrap();
            let (got, skipped) = bitrate(&mut encoder, &mut film, 300);
            let off = got / f64::from(target) - 1.0;
            println!("{target} bit/s, noise {noise}: {got:.0} ({:+.1} %), {skipped} of 300 skipped", 100.0 * off);
            assert!(off.abs() < 0.15, "{target} bit/s, noise {noise}: {got:.0}, {skipped} skipped");
        }
    }
}

#[test]
fn the_bitrate_changes_without_a_keyframe() {
    let mut film = Film::new(size(480, 360), 4);
    let mut encoder = Encoder::new(config(film.size, 300_000)).unwrap();
    bitrate(&mut encoder, &mut film, 90);
    for target in [900_000, 200_000, 500_000] {
        encoder.set_bitrate(target).unwrap();
        assert_eq!(encoder.config().bitrate, target);
        let first = encoder.encode(&film.draw()).unwrap();
        assert!(!first.is_some_and(|u| u.keyframe));
        // Two seconds to settle, five to measure.
        bitrate(&mut encoder, &mut film, 60);
        let (got, _) = bitrate(&mut encoder, &mut film, 150);
        println!("{target} bit/s: {got:.0}");
        assert!((got / f64::from(target) - 1.0).abs() < 0.15, "{target} bit/s: {got:.0}");
    }
}

#[test]
fn the_bitrate_goes_by_the_frames_own_times() {
    // Thirty frames a second are announced, fifteen come, as from a webcam in the dark.
    let mut film = Film::new(size(480, 360), 4);
    film.fps = 15.0;
    let mut encoder = Encoder::new(config(film.size, 300_000)).unwrap();
    bitrate(&mut encoder, &mut film, 45);
    let (got, _) = bitrate(&mut encoder, &mut film, 150);
    assert!((got / 300_000.0 - 1.0).abs() < 0.15, "{got:.0}");
}

#[test]
fn skipped_frames_are_none_and_the_rest_decodes() {
    let mut film = Film::new(size(480, 360), 60);
    let mut encoder = Encoder::new(config(film.size, 60_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut skipped = 0;
    for _ in 0..90 {
        match encoder.encode(&film.draw()).unwrap() {
            None => skipped += 1,
            Some(unit) => {
                let got = decoder.decode(&unit.data, unit.stamp).unwrap().expect("a unit that was sent is a picture");
                assert!(!got.damaged && got.frame.stamp == unit.stamp);
            }
        }
    }
    assert!(skipped > 10, "noise at 60 kbit/s cannot be sent whole: {skipped}");
}

#[test]
fn a_lost_unit_damages_until_the_next_keyframe() {
    let mut film = Film::new(size(320, 240), 3);
    let mut encoder = Encoder::new(config(film.size, 800_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let mut damaged = Vec::new();
    let mut healed = Vec::new();
    for i in 0..60 {
        let frame = film.draw();
        if i == 40 {
            encoder.request_keyframe();
        }
        let Some(unit) = encoder.encode(&frame).unwrap() else { continue };
        if i == 20 {
            continue;
        }
        match decoder.decode(&unit.data, unit.stamp) {
            Ok(Some(got)) if got.damaged => damaged.push(i),
            Ok(Some(got)) => {
                assert!(psnr(frame.y(), got.frame.y()) > 30.0, "frame {i} is not what it claims to be");
                healed.push(i);
            }
            Ok(None) => {}
            Err(e) => assert!(matches!(e, DecodeError::Broken { .. }), "{e}"),
        }
    }
    println!("damaged: {damaged:?}");
    assert!(healed.iter().all(|i| !(20..40).contains(i)) && damaged.iter().all(|i| (20..43).contains(i)));
    assert!(damaged.len() >= 15, "pictures are shown all the same: {damaged:?}");
    assert!(healed.len() >= 35, "{healed:?}");
}

/// Two pictures with one time: the decoder gives one when it sees where the second begins and the other at the end.
#[test]
fn no_picture_of_a_unit_with_two_is_dropped() {
    let mut film = Film::new(size(160, 120), 3);
    let mut encoder = Encoder::new(config(film.size, 1_000_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let frames: Vec<_> = (0..4).map(|_| film.draw()).collect();
    let units: Vec<_> = frames.iter().map(|frame| must(encoder.encode(frame).unwrap())).collect();
    let two = [&units[1].data[..], &units[2].data[..]].concat();
    let mut got = Vec::new();
    for data in [&units[0].data, &two, &units[3].data] {
        got.extend(decoder.decode(data, Stamp::now(got.len() as u64)).unwrap());
    }
    assert_eq!(decoder.owed(), 1);
    got.extend(decoder.flush().unwrap());
    assert_eq!((got.len(), decoder.owed()), (4, 0));
    for (frame, got) in frames.iter().zip(&got) {
        assert!(psnr(frame.y(), got.frame.y()) > 33.0 && !got.damaged, "{}", psnr(frame.y(), got.frame.y()));
    }
    assert!(decoder.flush().unwrap().is_none());
}

/// Weights follow the running mean, but the frame says what it was coded with.
#[test]
fn a_frame_has_the_quantiser_of_its_own_slices() {
    let mut film = Film::new(size(160, 120), 3);
    let mut encoder = Encoder::new(config(film.size, 300_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    let (mut parameters, mut seen) = (clearcall::codec::nal::Parameters::default(), Vec::new());
    for _ in 0..30 {
        let Some(unit) = encoder.encode(&film.draw()).unwrap() else { continue };
        let mut qps = Vec::new();
        for nal in nal_units(&unit.data) {
            parameters.update(nal).unwrap();
            qps.extend(parameters.slice(nal).map(|header| header.qp as f32));
        }
        let frame = decoder.decode(&unit.data, unit.stamp).unwrap().unwrap().frame;
        assert_eq!(frame.qp, Some(qps.iter().sum::<f32>() / qps.len() as f32));
        assert_eq!(frame.weights_qp, None, "the codec knows no network");
        seen.extend(frame.qp);
    }
    seen.dedup();
    assert!(seen.len() > 2, "the rate control moves it: {seen:?}");
}

#[test]
fn a_decoder_that_comes_late_waits_for_a_keyframe() {
    let mut film = Film::new(size(160, 120), 3);
    let mut encoder = Encoder::new(config(film.size, 500_000)).unwrap();
    let mut decoder = Decoder::new().unwrap();
    for i in 0..20 {
        if i == 10 {
            encoder.request_keyframe();
        }
        let Some(unit) = encoder.encode(&film.draw()).unwrap() else { continue };
        if i > 0 {
            let got = decoder.decode(&unit.data, unit.stamp);
            let clean = matches!(&got, Ok(Some(d)) if !d.damaged);
            assert_eq!(clean, i >= 10, "unit {i}: {:?}", got.map(|d| d.map(|d| d.damaged)));
        }
    }
}

#[test]
fn absurd_sizes_never_reach_the_decoder() {
    // A baseline sequence parameter set of 1,048,576 by 1,048,576 macroblocks.
    let mut bits = "010000101100000000011110".to_owned() + "1" + "1" + "011" + "010" + "0";
    let side = "0".repeat(20) + "1" + &"0".repeat(20);
    bits += &(side.clone() + &side + "1" + "1" + "0" + "0" + "1");
    let mut nal = vec![0, 0, 0, 1, 0x67];
    for byte in bits.as_bytes().chunks(8) {
        nal.push(byte.iter().enumerate().fold(0, |n, (i, &b)| n | (b - b'0') << (7 - i)));
    }
    // Emulation prevention, so that the zeros are not taken for a start code.
    let mut escaped = nal[..5].to_vec();
    for &b in &nal[5..] {
        if escaped.ends_with(&[0, 0]) && b <= 3 {
            escaped.push(3);
        }
        escaped.push(b);
    }
    let error = Decoder::new().unwrap().decode(&escaped, Stamp::now(0)).unwrap_err();
    assert!(matches!(error, DecodeError::Unsupported(_)), "{error}");
}

/// A few units of real H.264, to be mangled.
fn units(count: usize) -> Vec<AccessUnit> {
    let mut film = Film::new(size(64, 48), 4);
    let mut encoder = Encoder::new(config(film.size, 300_000)).unwrap();
    std::iter::from_fn(|| Some(encoder.encode(&film.draw()).unwrap())).flatten().take(count).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_decoder_survives_changed_units(
        changes in prop::collection::vec((0_usize..6, any::<prop::sample::Index>(), any::<u8>()), 0..20),
        cuts in prop::collection::vec((0_usize..6, any::<prop::sample::Index>()), 0..3),
    ) {
        let mut units: Vec<_> = units(6).into_iter().map(|u| u.data).collect();
        for (n, at, value) in changes {
            let at = at.index(units[n].len());
            units[n][at] = value;
        }
        for (n, at) in cuts {
            let at = at.index(units[n].len());
            units[n].truncate(at.max(1));
        }
        let mut decoder = Decoder::new().unwrap();
        for (i, unit) in units.iter().enumerate() {
            let _ = decoder.decode(unit, Stamp::now(i as u64));
        }
        let _ = decoder.flush();
        // And it is not broken for good.
        let clean = &crate::units(1)[0];
        let mut healed = false;
        for _ in 0..2 {
            healed |= matches!(decoder.decode(&clean.data, clean.stamp), Ok(Some(_)));
        }
        prop_assert!(healed);
    }

    #[test]
    fn the_decoder_survives_any_bytes(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..200), 0..5)) {
        let mut decoder = Decoder::new().unwrap();
        for piece in pieces {
            let _ = decoder.decode(&piece, Stamp::now(0));
            let _ = decoder.decode(&[&[0, 0, 0, 1, 0x67][..], &piece].concat(), Stamp::now(0));
            let _ = decoder.decode(&[&[0, 0, 0, 1, 0x65][..], &piece].concat(), Stamp::now(0));
        }
    }
}

/// Found by fuzzing: a stream of our own encoder with some bytes changed.
#[test]
fn a_decoder_that_bytes_have_stuck_is_mended_by_the_next_keyframe() {
    let mut splitter = UnitSplitter::default();
    splitter.push(include_bytes!("data/stuck_decoder.264")).unwrap();
    let mut units: Vec<Vec<u8>> = std::iter::from_fn(|| splitter.next_unit()).collect();
    units.extend(splitter.finish());
    let mut decoder = Decoder::new().unwrap();
    for unit in &units {
        let _ = decoder.decode(unit, Stamp::now(0));
    }
    let _ = decoder.flush();
    let size = size(32, 32);
    let frame = Frame::filled(size, [90, 100, 150], Colour::default(), Stamp::now(1));
    let keyframe = Encoder::new(config(size, 100_000)).unwrap().encode(&frame).unwrap().unwrap();
    let decoded = decoder.decode(&keyframe.data, keyframe.stamp).unwrap().expect("a picture");
    assert!(!decoded.damaged && decoded.frame.size() == size);
}

/// Units that the fuzz target `decoder` made of this encoder's: after them OpenH264's decoder takes in keyframes and
/// gives no picture, without an error.
#[test]
fn a_silenced_decoder_starts_anew_at_a_keyframe() {
    let mut splitter = UnitSplitter::default();
    splitter.push(include_bytes!("data/silenced_decoder.264")).unwrap();
    let mut units: Vec<_> = std::iter::from_fn(|| splitter.next_unit()).collect();
    units.extend(splitter.finish());
    let mut decoder = Decoder::new().unwrap();
    for unit in &units {
        let _ = decoder.decode(unit, Stamp::now(0));
    }
    let size = size(32, 32);
    let frame = Frame::filled(size, [90, 100, 150], Colour::default(), Stamp::now(0));
    let keyframe = must(Encoder::new(config(size, 100_000)).unwrap().encode(&frame).unwrap());
    let given: Vec<_> = (0..18).map(|_| decoder.decode(&keyframe.data, keyframe.stamp)).collect();
    assert!(matches!(given[17], Ok(Some(_))), "{:?}", given[17]);
}

/// For a far side that takes each NAL unit in one packet.
#[test]
fn no_nal_unit_is_longer_than_asked_for() {
    let mut film = Film::new(size(320, 240), 12);
    let encoder = Encoder::new(config(film.size, 4_000_000)).unwrap();
    let mut encoder = encoder.with_longest_nal_unit(Some(1150));
    let mut decoder = Decoder::new().unwrap();
    let mut slices = 0;
    for _ in 0..20 {
        let frame = film.draw();
        let Some(unit) = encoder.encode(&frame).unwrap() else { continue };
        for nal in nal_units(&unit.data) {
            assert!(nal.len() <= 1150, "{} bytes", nal.len());
            slices += 1;
        }
        let got = decoder.decode(&unit.data, unit.stamp).unwrap().unwrap();
        assert!(!got.damaged && psnr(got.frame.planes()[0], frame.planes()[0]) > 28.0);
    }
    assert!(slices > 60, "{slices}");
}
