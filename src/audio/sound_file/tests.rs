use std::fs;

use hound::{SampleFormat, WavSpec};
use tempfile::TempDir;

use super::*;

/// A second of 440 Hz, on the left channel twice as loud as the mean of both.
fn wav(folder: &TempDir, rate: u32, channels: u16, bits: u16, format: SampleFormat) -> PathBuf {
    let path = folder.path().join(format!("{rate}-{channels}-{bits}.wav"));
    let spec = WavSpec { channels, sample_rate: rate, bits_per_sample: bits, sample_format: format };
    let mut writer = hound::WavWriter::create(&path, spec).unwrap();
    for n in 0..rate {
        let sample = 0.25 * (std::f32::consts::TAU * 440.0 * n as f32 / rate as f32).sin();
        for channel in 0..channels {
            let sample = if channels == 1 { sample } else { sample * 2.0 * f32::from(u8::from(channel == 0)) };
            match format {
                SampleFormat::Float => writer.write_sample(sample).unwrap(),
                SampleFormat::Int => {
                    writer.write_sample((sample * ((1_i64 << (bits - 1)) - 1) as f32) as i32).unwrap();
                }
            }
        }
    }
    writer.finalize().unwrap();
    path
}

fn whole(file: &mut SoundFile) -> Vec<f32> {
    let mut sound = Vec::new();
    loop {
        let mut block = [9.0; BLOCK];
        let count = file.read(&mut block);
        assert!(block[count..].iter().all(|sample| *sample == 0.0));
        sound.extend_from_slice(&block[..count]);
        if count < BLOCK {
            return sound;
        }
    }
}

#[test]
fn wav_of_any_kind_is_a_mono_tone_at_48_khz() {
    let folder = tempfile::tempdir().unwrap();
    for (rate, channels, bits, format) in [
        (48_000, 1, 16, SampleFormat::Int),
        (44_100, 2, 16, SampleFormat::Int),
        (16_000, 1, 24, SampleFormat::Int),
        (96_000, 2, 32, SampleFormat::Float),
        (8_000, 1, 8, SampleFormat::Int),
    ] {
        let path = wav(&folder, rate, channels, bits, format);
        let mut file = SoundFile::open(&path).unwrap();
        assert_eq!(file.duration(), Some(Duration::from_secs(1)), "{}", path.display());
        let sound = whole(&mut file);
        assert!(sound.len().abs_diff(48_000) <= 1, "{}: {} samples", path.display(), sound.len());
        // As the tone would be at 48 kHz, from its first moment on: the resampler's delay is not in it, but for a
        // sample (0.0144 of the tone at its steepest). 8 bits are 0.008 coarse.
        for (n, sample) in sound.iter().enumerate().take(47_000).skip(1000) {
            let tone = 0.25 * (std::f32::consts::TAU * 440.0 * n as f32 / 48_000.0).sin();
            assert!((sample - tone).abs() < 0.025, "{}: {sample} is not {tone} at {n}", path.display());
        }
    }
}

#[test]
fn it_can_be_played_again() {
    fn goes_to_another_thread<T: Send>() {}
    goes_to_another_thread::<SoundFile>();
    let folder = tempfile::tempdir().unwrap();
    let path = wav(&folder, 44_100, 1, 16, SampleFormat::Int);
    let mut file = SoundFile::open(&path).unwrap();
    let first = whole(&mut file);
    assert_eq!(file.read(&mut [0.0; BLOCK]), 0);
    file.rewind().unwrap();
    assert_eq!(whole(&mut file), first);
    fs::remove_file(&path).unwrap();
    assert!(matches!(file.rewind(), Err(SoundFileError::Read { .. })));
}

/// Ogg (RFC 3533) with Opus (RFC 7845), a page to a packet.
fn ogg_opus(sound: &[f32], pre_skip: u16) -> Vec<u8> {
    let mut opus = ::opus::Encoder::new(SAMPLE_RATE, ::opus::Channels::Mono, ::opus::Application::Audio).unwrap();
    let mut packets = vec![
        [&b"OpusHead\x01\x01"[..], &pre_skip.to_le_bytes(), &SAMPLE_RATE.to_le_bytes(), &[0; 3]].concat(),
        b"OpusTags\0\0\0\0\0\0\0\0".to_vec(),
    ];
    packets.extend(sound.chunks_exact(960).map(|frame| opus.encode_vec_float(frame, 1000).unwrap()));
    let count = packets.len();
    let mut out = Vec::new();
    for (n, packet) in packets.iter().enumerate() {
        let flags = if n == 0 {
            2
        } else if n + 1 == count {
            4
        } else {
            0
        };
        let granule = n.saturating_sub(1) as u64 * 960;
        let mut page = [&b"OggS\0"[..], &[flags], &granule.to_le_bytes(), &7_u32.to_le_bytes()].concat();
        page.extend_from_slice(&(n as u32).to_le_bytes());
        page.extend_from_slice(&[0; 4]);
        page.push((packet.len() / 255 + 1) as u8);
        page.extend(std::iter::repeat_n(255, packet.len() / 255));
        page.push((packet.len() % 255) as u8);
        page.extend_from_slice(packet);
        let crc = ogg_crc(&page);
        page[22..26].copy_from_slice(&crc.to_le_bytes());
        out.extend_from_slice(&page);
    }
    out
}

/// RFC 3533 §6: generator 0x04c11db7, nothing reflected, begun with 0.
fn ogg_crc(page: &[u8]) -> u32 {
    page.iter().fold(0, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte) << 24,
            |crc, _| {
                if crc & 1 << 31 == 0 { crc << 1 } else { crc << 1 ^ 0x04c1_1db7 }
            },
        )
    })
}

fn tone(seconds: usize) -> Vec<f32> {
    (0..seconds * 48_000).map(|n| 0.25 * (std::f32::consts::TAU * 440.0 * n as f32 / 48_000.0).sin()).collect()
}

#[test]
fn opus_in_ogg_is_decoded_and_its_start_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.ogg");
    fs::write(&path, ogg_opus(&tone(2), 312)).unwrap();
    let sound = whole(&mut SoundFile::open(&path).unwrap());
    assert_eq!(sound.len(), 96_000 - 312);
    // libopus' encoder is late by 312 samples (opus: OPUS_GET_LOOKAHEAD), which have been skipped.
    let error: f32 = sound[48_000..90_000].iter().zip(&tone(2)[48_000..]).map(|(a, b)| (a - b).powi(2)).sum();
    assert!(error / 42_000.0 < 1e-3, "{}", error / 42_000.0);
}

#[test]
fn a_damaged_packet_is_left_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tone.ogg");
    let mut bytes = ogg_opus(&tone(2), 312);
    // A page's checksum is wrong then, and the page is left out.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x55;
    fs::write(&path, &bytes).unwrap();
    let sound = whole(&mut SoundFile::open(&path).unwrap());
    assert!((90_000..96_000).contains(&sound.len()), "{}", sound.len());
    // Cut off, it ends early.
    fs::write(&path, &bytes[..middle]).unwrap();
    let sound = whole(&mut SoundFile::open(&path).unwrap());
    assert!((40_000..50_000).contains(&sound.len()), "{}", sound.len());
}

#[test]
fn what_has_no_sound_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it.wav");
    let message = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        SoundFile::open(&path).unwrap_err().to_string()
    };
    for bytes in [&b""[..], b"no sound at all", b"RIFF\xff\xff\xff\xffWAVE", &[0; 100_000]] {
        let message = message(bytes);
        assert!(message.contains("it.wav") && message.contains("convert"), "{message}");
    }
    // A header without any sound, and one that claims four gigabytes of it, a rate, and channels that nobody has.
    let fmt = |channels: u16, rate: u32| {
        let frame = u32::from(channels) * 2;
        [
            &b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x01\0"[..],
            &channels.to_le_bytes(),
            &rate.to_le_bytes(),
            &rate.wrapping_mul(frame).to_le_bytes(),
            &(frame as u16).to_le_bytes(),
            &16_u16.to_le_bytes(),
            b"data\xf0\xff\xff\xff",
        ]
        .concat()
    };
    assert!(message(&fmt(1, 48_000)).contains("no sound"));
    assert!(message(&[fmt(1, 3), vec![1; 10_000]].concat()).contains("it.wav"));
    assert!(message(&[fmt(3000, 48_000), vec![1; 10_000]].concat()).contains("it.wav"));
    fs::write(&path, [fmt(1, 48_000), vec![1; 9600]].concat()).unwrap();
    assert_eq!(whole(&mut SoundFile::open(&path).unwrap()).len(), 4800, "what is there is played");
    let missing = SoundFile::open(&folder.path().join("none.wav")).unwrap_err().to_string();
    assert!(missing.contains("none.wav"), "{missing}");
    let ogg = ogg_opus(&tone(1), 0);
    let mut surround = ogg.clone();
    surround[28 + 9] = 6;
    let crc = {
        surround[22..26].fill(0);
        ogg_crc(&surround[..28 + 19])
    };
    surround[22..26].copy_from_slice(&crc.to_le_bytes());
    assert!(message(&surround).contains("it.wav"));
}

#[test]
fn damage_anywhere_does_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("it");
    let ogg = ogg_opus(&tone(1)[..9600], 312);
    let wav = fs::read(wav(&folder, 8000, 1, 16, SampleFormat::Int)).unwrap();
    for bytes in [&ogg, &wav[..1000].to_vec()] {
        // symphonia 0.6 multiplies WAV's count of channels (bytes 22 and 23) unchecked, which stops debug builds.
        let channels = if bytes.starts_with(b"RIFF") { 22..24 } else { 0..0 };
        for at in (0..bytes.len().min(400)).step_by(3).filter(|at| !channels.contains(at)) {
            let mut damaged = bytes.clone();
            damaged[at] = damaged[at].wrapping_add((1 + at * 7 % 255) as u8);
            fs::write(&path, &damaged).unwrap();
            if let Ok(mut file) = SoundFile::open(&path) {
                assert!(whole(&mut file).len() < 1_000_000);
            }
        }
    }
}

#[test]
fn the_header_of_opus_says_what_to_skip() {
    // RFC 7845 §5.1, little endian; dOps, big endian.
    assert_eq!(opus_pre_skip(b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0"), Ok(312));
    assert_eq!(opus_pre_skip(b"OpusHead\x00\x01\x01\x38\0\0\xbb\x80\0\0\0"), Ok(312));
    assert!(opus_pre_skip(b"OpusHead\x01\x06\x38\x01").unwrap_err().contains('6'));
    assert!(opus_pre_skip(b"OpusHead\x01").is_err());
    assert!(opus_pre_skip(b"").is_err());
}
