use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

fn tone(hz: f32, from: usize) -> [f32; FRAME] {
    std::array::from_fn(|n| 0.3 * (std::f32::consts::TAU * hz * (from + n) as f32 / SAMPLE_RATE as f32).sin())
}

/// Something like speech: a gliding voice in syllables, with a short pause after each and a hiss in front.
pub(in crate::audio) fn speech(seconds: usize) -> Vec<f32> {
    let mut noise = ChaCha8Rng::seed_from_u64(1);
    let mut phase = 0.0_f32;
    (0..seconds * SAMPLE_RATE as usize)
        .map(|n| {
            let time = n as f32 / SAMPLE_RATE as f32;
            let syllable = (time * 4.0).fract();
            let pitch = 110.0 + 40.0 * (time * 1.7).sin();
            phase = (phase + pitch / SAMPLE_RATE as f32).fract();
            let voice: f32 =
                (1..20).map(|k| (std::f32::consts::TAU * phase * k as f32).sin() / (1.0 + k as f32)).sum::<f32>() * 0.2;
            let open = (syllable * std::f32::consts::PI / 0.85).sin().max(0.0);
            let hiss = if syllable < 0.1 { noise.random_range(-0.05..0.05) } else { noise.random_range(-3e-4..3e-4) };
            if syllable < 0.85 { voice * open + hiss } else { hiss }
        })
        .collect()
}

fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|sample| sample * sample).sum::<f32>() / sound.len() as f32
}

#[test]
fn a_tone_comes_through_at_its_level_and_within_its_bits() {
    let (mut encoder, mut decoder, mut out) = (Encoder::new(32_000).unwrap(), Decoder::new().unwrap(), Vec::new());
    let mut bytes = 0;
    for n in 0..100 {
        let packet = encoder.encode(&tone(440.0, n * FRAME)).unwrap().expect("a tone is not silence");
        assert_eq!(samples(&packet).unwrap(), FRAME);
        bytes += packet.len();
        decoder.decode(&packet, &mut out).unwrap();
    }
    assert_eq!(out.len(), 100 * FRAME);
    // 0.3² / 2
    let level = power(&out[24_000..]);
    assert!((0.038..0.052).contains(&level), "{level}");
    // Two seconds; the bitrate is a mean.
    assert!(bytes * 8 / 2 < 40_000, "{} bit/s", bytes * 4);
}

#[test]
fn silence_is_not_sent() {
    let mut encoder = Encoder::new(24_000).unwrap();
    for n in 0..50 {
        assert!(encoder.encode(&tone(300.0, n * FRAME)).unwrap().is_some());
    }
    let sent: Vec<_> = (0..250).map(|_| encoder.encode(&[0.0; FRAME]).unwrap()).collect();
    // Some 200 ms go on (opus: NB_SPEECH_FRAMES_BEFORE_DTX), then come a refresh and a marker now and then.
    let later = sent[50..].iter().flatten().count();
    assert!(later < 30, "{later} of 200 packets of silence");
    let first = sent.iter().flatten().find(|packet| says_silence(packet));
    assert!(first.is_some(), "the silence's first packet is sent");
    assert!(encoder.encode(&tone(300.0, 0)).unwrap().is_some_and(|packet| !says_silence(&packet)));
}

#[test]
fn a_lost_packet_is_in_the_next_one() {
    let mut encoder = Encoder::new(32_000).unwrap();
    encoder.set_expected_loss(0.1).unwrap();
    let voice = speech(2);
    let frames = voice.as_chunks::<FRAME>().0.iter();
    let packets: Vec<_> = frames.map(|frame| encoder.encode(frame).unwrap().expect("no silence")).collect();
    assert_eq!(fec_samples(&packets[56]), FRAME);
    let (mut whole, mut clean) = (Decoder::new().unwrap(), Vec::new());
    for packet in &packets[..56] {
        whole.decode(packet, &mut clean).unwrap();
    }
    let (mut lossy, mut out) = (Decoder::new().unwrap(), Vec::new());
    for packet in &packets[..55] {
        lossy.decode(packet, &mut out).unwrap();
    }
    lossy.decode_fec(&packets[56], FRAME, &mut out).unwrap();
    assert_eq!(out.len(), clean.len());
    let error: Vec<f32> = clean[55 * FRAME..].iter().zip(&out[55 * FRAME..]).map(|(a, b)| a - b).collect();
    let ratio = power(&clean[55 * FRAME..]) / power(&error);
    assert!(ratio > 10.0, "signal to error {ratio}");
}

#[test]
fn what_is_made_up_goes_on_and_fades() {
    let (mut encoder, mut decoder, mut out) = (Encoder::new(32_000).unwrap(), Decoder::new().unwrap(), Vec::new());
    // It ends within a syllable.
    for frame in &speech(2).as_chunks::<FRAME>().0[..58] {
        decoder.decode(&encoder.encode(frame).unwrap().unwrap(), &mut out).unwrap();
    }
    let mut made_up = Vec::new();
    for _ in 0..50 {
        decoder.conceal(FRAME, &mut made_up).unwrap();
    }
    assert!(power(&made_up[..480]) > 0.2 * power(&out[out.len() - 480..]), "it goes on");
    assert!(power(&made_up[made_up.len() - FRAME..]) < 0.01 * power(&out[24_000..]), "it fades");
    for wrong in [0, 1, 100, 121, MAX_PACKET_SAMPLES + MIN_FRAME_SAMPLES] {
        assert!(matches!(decoder.conceal(wrong, &mut made_up), Err(OpusError::Length(_))), "{wrong}");
    }
}

#[test]
fn samples_that_are_no_numbers_are_silence() {
    let (mut encoder, mut decoder, mut out) = (Encoder::new(32_000).unwrap(), Decoder::new().unwrap(), Vec::new());
    for odd in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
        if let Some(packet) = encoder.encode(&[odd; FRAME]).unwrap() {
            decoder.decode(&packet, &mut out).unwrap();
        }
    }
    assert!(out.iter().all(|sample| (-1.0..=1.0).contains(sample)));
    encoder.set_bitrate(0).unwrap();
    encoder.set_bitrate(u32::MAX).unwrap();
    for share in [f64::NAN, -1.0, 2.0] {
        encoder.set_expected_loss(share).unwrap();
    }
}

#[test]
fn packets_of_any_duration_and_stereo_come_out_mono() {
    // 2.5, 5, 10, 20, 40 and 60 ms; longer ones are several frames in a packet.
    for (length, channels) in [120, 240, 480, 960, 1920, 2880]
        .into_iter()
        .flat_map(|length| [(length, Channels::Mono), (length, Channels::Stereo)])
    {
        let mut opus = opus::Encoder::new(SAMPLE_RATE, channels, Application::Audio).unwrap();
        let (mut decoder, mut out) = (Decoder::new().unwrap(), Vec::new());
        for _ in 0..4 {
            let sound = vec![0.1; length * channels as usize];
            let packet = opus.encode_vec_float(&sound, 4000).unwrap();
            assert_eq!(samples(&packet).unwrap(), length);
            decoder.decode(&packet, &mut out).unwrap();
        }
        assert_eq!(out.len(), 4 * length);
    }
}

proptest! {
    #[test]
    fn no_bytes_do_harm(packets in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..20)) {
        let mut decoder = Decoder::new().unwrap();
        for packet in &packets {
            let mut out = Vec::new();
            let fec = fec_samples(packet);
            prop_assert!(fec <= MAX_PACKET_SAMPLES);
            match decoder.decode(packet, &mut out) {
                Ok(()) => prop_assert!((1..=MAX_PACKET_SAMPLES).contains(&out.len())),
                Err(_) => prop_assert!(out.is_empty()),
            }
            out.clear();
            let _ = decoder.decode_fec(packet, FRAME, &mut out);
            prop_assert!(out.len() <= FRAME);
            prop_assert!(out.iter().all(|sample| (-1.0..=1.0).contains(sample)));
        }
    }
}
