use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::audio::{
    FRAME,
    opus::{Encoder, tests::speech},
};

const FRAME_TIME: Duration = Duration::from_millis(20);

/// Packets of 20 ms; none is silence.
fn encoded(sound: &[f32]) -> Vec<Bytes> {
    let mut encoder = Encoder::new(32_000).unwrap();
    encoder.set_expected_loss(0.1).unwrap();
    let frames = sound.as_chunks::<FRAME>().0.iter();
    frames.map(|frame| encoder.encode(frame).unwrap().expect("speech").into()).collect()
}

/// A packet and when it comes, counted from the start.
fn packet(n: u32, payload: &Bytes) -> SoundPacket {
    SoundPacket {
        sequence: (n as u16).wrapping_add(65_500),
        rtp_timestamp: n.wrapping_mul(FRAME as u32).wrapping_add(u32::MAX - 48_000),
        payload: payload.clone(),
        arrived: Instant::now(),
    }
}

struct Played {
    sound: Vec<f32>,
    /// Of each block: RTP timestamp, and the delay in seconds from sending to playing.
    delays: Vec<Option<f64>>,
    stats: JitterStats,
}

/// Sends `count` packets, repeating `payloads`: the n-th leaves at n · 20 ms by the sender's clock, which is faster by
/// `ppm`, and takes `transit(n)`, or does not come. All times are virtual.
fn play(
    buffer: &mut JitterBuffer,
    payloads: &[Bytes],
    count: u32,
    ppm: f64,
    mut transit: impl FnMut(u32) -> Option<Duration>,
) -> Played {
    let start = Instant::now();
    let sent = |n: u32| Duration::from_secs_f64(f64::from(n) * 0.02 / (1.0 + ppm * 1e-6));
    let mut coming: Vec<SoundPacket> = (0..count)
        .filter_map(|n| {
            let arrived = start + sent(n) + transit(n)?;
            Some(SoundPacket { arrived, ..packet(n, &payloads[n as usize % payloads.len()]) })
        })
        .collect();
    coming.sort_by_key(|packet| packet.arrived);
    let mut coming = coming.into_iter().peekable();
    let mut played = Played { sound: Vec::new(), delays: Vec::new(), stats: JitterStats::default() };
    for n in 0..2 * count {
        let now = start + Duration::from_millis(10) * n;
        while let Some(packet) = coming.next_if(|packet| packet.arrived <= now) {
            buffer.push(packet);
        }
        played.sound.extend(buffer.pull(now));
        played.delays.push(buffer.playing().map(|timestamp| {
            let samples = timestamp.wrapping_sub(packet(0, &payloads[0]).rtp_timestamp);
            let left = f64::from(samples.cast_signed()) / RATE / (1.0 + ppm * 1e-6);
            (now - start).as_secs_f64() - left
        }));
    }
    played.stats = buffer.stats();
    played
}

fn steady(_: u32) -> Option<Duration> {
    Some(Duration::from_millis(30))
}

fn decoded(payloads: &[Bytes]) -> Vec<f32> {
    let (mut decoder, mut out) = (Decoder::new().unwrap(), Vec::new());
    for payload in payloads {
        decoder.decode(payload, &mut out).unwrap();
    }
    out
}

fn largest_step(sound: &[f32]) -> f32 {
    sound.windows(2).map(|two| (two[1] - two[0]).abs()).fold(0.0, f32::max)
}

/// Delays of the blocks from `from` on that were of the stream: the least and the greatest.
fn band(played: &Played, from: usize) -> (f64, f64) {
    let known = played.delays[from..].iter().flatten();
    known.fold((f64::INFINITY, 0.0_f64), |band, delay| (band.0.min(*delay), band.1.max(*delay)))
}

#[test]
fn it_may_be_pulled_by_a_thread_of_its_own() {
    fn goes_to_another_thread<T: Send>() {}
    goes_to_another_thread::<JitterBuffer>();
    goes_to_another_thread::<Encoder>();
}

#[test]
fn a_good_network_plays_what_was_decoded() {
    let payloads = encoded(&speech(4));
    let mut buffer = JitterBuffer::new().unwrap();
    let played = play(&mut buffer, &payloads, 200, 0.0, steady);
    let clean = decoded(&payloads);
    let stats = played.stats;
    // The last one is under way when all is over.
    assert_eq!((stats.packets, stats.lost, stats.late, stats.damaged, stats.restarts), (199, 0, 0, 0, 0));
    assert_eq!(stats.concealed_samples, 0, "{stats:?}");
    // Before it is known that the network is good it is played 40 ms late; afterwards 20 ms would do.
    let (least, most) = band(&played, 10);
    assert!(least >= 0.03 + 0.015 && most <= 0.03 + 0.051, "{least} to {most}");
    // The start is played as it was decoded.
    let begun = played.delays.iter().position(Option::is_some).unwrap() * BLOCK;
    let same = played.sound[begun..].iter().zip(&clean).take_while(|(a, b)| a == b).count();
    assert!(same > 12_000, "{same} samples are the same");
    assert!(largest_step(&played.sound) < 1.2 * largest_step(&clean));
}

#[test]
fn jitter_is_waited_for_and_no_longer_than_that() {
    let payloads = encoded(&speech(2));
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut buffer = JitterBuffer::new().unwrap();
    let jitter = |_| Some(Duration::from_secs_f64(random.random_range(0.03..0.08)));
    let played = play(&mut buffer, &payloads, 3000, 0.0, jitter);
    let stats = played.stats;
    assert!(stats.reordered > 300, "{stats:?}");
    assert!(stats.concealed_share() < 0.02, "{stats:?}");
    let (least, most) = band(&played, 1000);
    assert!(least > 0.06 && most < 0.12, "{least} to {most}: {stats:?}");
    // The mean of |a - b|, uniform over 50 ms, is 16.7 ms; timestamps are in their order, so that some more is seen.
    assert!((0.010..0.025).contains(&stats.jitter.as_secs_f64()), "{:?}", stats.jitter);
}

#[test]
fn of_ten_percent_loss_two_are_heard() {
    let payloads = encoded(&speech(4));
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut buffer = JitterBuffer::new().unwrap();
    let mut lost = 0;
    let loss = |_| {
        let gone = random.random_bool(0.1);
        lost += u64::from(gone);
        (!gone).then(|| Duration::from_secs_f64(random.random_range(0.03..0.04)))
    };
    let stats = play(&mut buffer, &payloads, 3000, 0.0, loss).stats;
    assert!(stats.lost.abs_diff(lost) <= 1, "{lost}: {stats:?}");
    // A packet is concealed where the next one is lost as well: 1 % of all, and some while nothing is known yet.
    assert!(stats.concealed_share() < 0.02, "{} concealed: {stats:?}", stats.concealed_share());
    assert!(stats.recovered_frames() > 200, "{stats:?}");
}

/// Segmental SNR (Deller, Hansen and Proakis, "Discrete-Time Processing of Speech Signals", §9.3.2): the mean over the
/// frames with sound in them of the ratio to the error, each cut to -10 to 35 dB.
fn segmental_snr(clean: &[f32], sound: &[f32]) -> f64 {
    let power = |sound: &mut dyn Iterator<Item = f32>| sound.map(|sample| f64::from(sample).powi(2)).sum::<f64>();
    let frames = clean.chunks_exact(FRAME).zip(sound.chunks_exact(FRAME)).filter_map(|(clean, sound)| {
        let signal = power(&mut clean.iter().copied());
        let error = power(&mut clean.iter().zip(sound).map(|(a, b)| a - b));
        (signal / FRAME as f64 > 1e-5).then(|| (10.0 * (signal / (error + 1e-12)).log10()).clamp(-10.0, 35.0))
    });
    let (count, sum) = frames.fold((0, 0.0), |(count, sum), ratio| (count + 1, sum + ratio));
    sum / f64::from(count)
}

#[test]
fn losses_are_hardly_heard() {
    let payloads = encoded(&speech(20));
    let clean = decoded(&payloads);
    let hear = |lost: &dyn Fn(u32) -> bool| {
        let mut buffer = JitterBuffer::new().unwrap();
        // Longer than is needed: nothing is stretched, and all can be compared sample by sample.
        buffer.set_min_delay(Duration::from_millis(80));
        let played = play(&mut buffer, &payloads, 1000, 0.0, |n| steady(n).filter(|_| !lost(n)));
        assert_eq!((played.stats.removed_samples, played.stats.inserted_samples), (0, 0));
        let begun = played.delays.iter().position(Option::is_some).unwrap() * BLOCK;
        (segmental_snr(&clean, &played.sound[begun..]), played.stats)
    };
    let (whole, _) = hear(&|_| false);
    assert!(whole > 34.0, "{whole} dB without a loss");
    // One in ten, of which the next one is there: all out of FEC, which is coarser.
    let (snr, stats) = hear(&|n| n % 10 == 5);
    assert!(snr > 25.0, "{snr} dB with single losses");
    assert!(stats.concealed_share() < 0.03 && stats.recovered_frames() > 70, "{stats:?}");
    // Three in a row, two of which nobody has.
    let (worse, stats) = hear(&|n| (10..13).contains(&(n % 30)));
    assert!(worse < snr && worse > 15.0, "{worse} dB with three in a row");
    assert!((0.05..0.09).contains(&stats.concealed_share()), "{stats:?}");
}

#[test]
fn who_does_not_listen_for_a_while_hears_the_present() {
    let payloads = encoded(&speech(2));
    let (mut buffer, start) = (JitterBuffer::new().unwrap(), Instant::now());
    for n in 0..1000_u32 {
        let now = start + FRAME_TIME * n;
        buffer.push(SoundPacket { arrived: now, ..packet(n, &payloads[n as usize % payloads.len()]) });
        if !(200..500).contains(&n) {
            buffer.pull(now);
            buffer.pull(now + FRAME_TIME / 2);
        }
        if n == 600 {
            assert!(buffer.stats().delay < Duration::from_millis(100), "{:?}", buffer.stats());
        }
    }
}

#[test]
fn a_stall_is_played_late_and_made_up_for() {
    let payloads = encoded(&speech(2));
    let mut buffer = JitterBuffer::new().unwrap();
    let played = play(&mut buffer, &payloads, 1500, 0.0, |n| {
        // Nothing comes for 300 ms, then all of it at once.
        let held = if (500..515).contains(&n) { FRAME_TIME * (515 - n) } else { Duration::ZERO };
        Some(Duration::from_millis(30) + held)
    });
    let stats = played.stats;
    assert_eq!((stats.lost, stats.late), (0, 0));
    assert!((10..=16).contains(&stats.concealed_frames()), "{stats:?}");
    assert!(band(&played, 1040).1 > 0.25, "it is played late");
    assert!(band(&played, 1600).1 < 0.1, "and caught up with: {stats:?}");
}

/// Half an hour of virtual time, with 10 ms of jitter.
fn half_an_hour(ppm: f64) {
    let payloads = encoded(&speech(2));
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut buffer = JitterBuffer::new().unwrap();
    let jitter = |_| Some(Duration::from_secs_f64(random.random_range(0.03..0.04)));
    let played = play(&mut buffer, &payloads, 30 * 60 * 50, ppm, jitter);
    let (least, most) = band(&played, 200);
    assert!(most - least < 0.06, "{ppm}: {least} to {most} s");
    assert!(least > 0.03 && most < 0.1, "{ppm}: {least} to {most} s");
    let stats = played.stats;
    assert!(stats.concealed_share() < 0.002, "{ppm}: {stats:?}");
    let drift = stats.drift_ppm.unwrap();
    assert!((drift - ppm).abs() < 10.0, "{drift} is not {ppm}");
    // 360 ms of half an hour had to go, or to come.
    let change = stats.removed_samples as f64 - stats.inserted_samples as f64;
    assert!((change - ppm.signum() * 0.36 * RATE).abs() < 0.06 * RATE, "{ppm}: {change} {stats:?}");
    println!("{ppm} ppm: {:.1} to {:.1} ms, {stats:?}", least * 1e3, most * 1e3);
}

#[test]
fn half_an_hour_with_a_clock_200_ppm_too_fast_does_not_drift() {
    half_an_hour(200.0);
}

#[test]
fn half_an_hour_with_a_clock_200_ppm_too_slow_does_not_drift() {
    half_an_hour(-200.0);
}

#[test]
fn silence_that_was_not_sent_is_not_missing() {
    // A second of speech, three of silence, again and again.
    let mut encoder = Encoder::new(32_000).unwrap();
    let voice = speech(1);
    let (mut buffer, start) = (JitterBuffer::new().unwrap(), Instant::now());
    let (mut sequence, mut sent) = (0_u16, 0);
    for n in 0..1000_u32 {
        let silent = n / 50 % 4 != 0;
        let mut frame = [0.0; FRAME];
        if !silent {
            frame.copy_from_slice(&voice[n as usize % 50 * FRAME..][..FRAME]);
        }
        let now = start + FRAME_TIME * n;
        if let Some(payload) = encoder.encode(&frame).unwrap() {
            let rtp_timestamp = n * FRAME as u32;
            buffer.push(SoundPacket { sequence, rtp_timestamp, payload: payload.into(), arrived: now });
            sequence += 1;
            sent += 1;
        }
        buffer.pull(now);
        buffer.pull(now + FRAME_TIME / 2);
    }
    let stats = buffer.stats();
    assert!(sent < 500, "{sent} packets");
    assert_eq!((stats.packets, stats.lost, stats.late), (sent, 0, 0));
    assert!(stats.concealed_frames() <= 2, "{stats:?}");
    assert!(stats.silent_samples > 10 * u64::from(SAMPLE_RATE), "{stats:?}");
    assert!(stats.delay < Duration::from_millis(60), "{stats:?}");
}

#[test]
fn packets_that_come_again_are_not_played_again() {
    let payloads = encoded(&speech(1));
    let (mut buffer, start) = (JitterBuffer::new().unwrap(), Instant::now());
    for n in 0..50_u32 {
        let now = start + FRAME_TIME * n;
        for _ in 0..2 {
            buffer.push(SoundPacket { arrived: now, ..packet(n, &payloads[n as usize]) });
        }
        buffer.pull(now);
        buffer.pull(now + FRAME_TIME / 2);
    }
    // One that was played long ago.
    buffer.push(SoundPacket { arrived: start + FRAME_TIME * 50, ..packet(3, &payloads[3]) });
    let stats = buffer.stats();
    assert_eq!((stats.packets, stats.duplicates, stats.lost), (50, 51, 0));
}

#[test]
fn a_sender_that_begins_anew_is_heard_again() {
    let payloads = encoded(&speech(1));
    let (mut buffer, start) = (JitterBuffer::new().unwrap(), Instant::now());
    let run = |buffer: &mut JitterBuffer, from: u32, sequence: u16, timestamp: u32| {
        let mut heard = 0.0_f32;
        for n in 0..50_u32 {
            let now = start + FRAME_TIME * (from + n);
            buffer.push(SoundPacket {
                sequence: sequence.wrapping_add(n as u16),
                rtp_timestamp: timestamp.wrapping_add(n * FRAME as u32),
                payload: payloads[n as usize].clone(),
                arrived: now,
            });
            for half in 0..2 {
                let block = buffer.pull(now + FRAME_TIME / 2 * half);
                heard = heard.max(block.iter().fold(0.0, |most, sample| most.max(sample.abs())));
            }
        }
        heard
    };
    assert!(run(&mut buffer, 0, 17, 1000) > 0.1);
    assert!(run(&mut buffer, 50, 40_000, 3_000_000_000) > 0.1);
    // The sequence goes on, the clock does not.
    assert!(run(&mut buffer, 100, 40_050, 77) > 0.1);
    let stats = buffer.stats();
    assert_eq!((stats.restarts, stats.damaged), (2, 2), "{stats:?}");
    assert!(stats.delay < Duration::from_millis(80), "{stats:?}");
    // One packet from elsewhere changes nothing.
    let stray = SoundPacket { sequence: 9, rtp_timestamp: 1 << 31, ..packet(0, &payloads[0]) };
    buffer.push(SoundPacket { arrived: start + FRAME_TIME * 150, ..stray });
    assert_eq!(buffer.stats().restarts, 2);
}

#[test]
fn a_longer_delay_is_taken_and_left_without_a_gap() {
    let payloads = encoded(&speech(2));
    let (mut buffer, start) = (JitterBuffer::new().unwrap(), Instant::now());
    let mut step = 0.0_f32;
    let mut before = 0.0_f32;
    for n in 0..2000_u32 {
        let now = start + FRAME_TIME * n;
        match n {
            300 => buffer.set_min_delay(Duration::from_millis(250)),
            1000 => {
                let delay = buffer.stats().delay.as_secs_f64();
                assert!((0.24..0.265).contains(&delay), "{delay}");
                buffer.set_min_delay(Duration::ZERO);
            }
            _ => {}
        }
        buffer.push(SoundPacket { arrived: now, ..packet(n, &payloads[n as usize % payloads.len()]) });
        for half in 0..2 {
            for sample in buffer.pull(now + FRAME_TIME / 2 * half) {
                step = step.max((sample - before).abs());
                before = sample;
            }
        }
    }
    let stats = buffer.stats();
    assert_eq!(stats.concealed_samples, 0, "{stats:?}");
    assert!(stats.delay < Duration::from_millis(35), "{stats:?}");
    assert!(step < 1.5 * largest_step(&decoded(&payloads)), "a click of {step}");
}

#[test]
fn a_device_that_takes_four_blocks_at_once_does_not_run_dry() {
    let payloads = encoded(&speech(2));
    let (mut buffer, start) = (JitterBuffer::new().unwrap(), Instant::now());
    for n in 0..1000_u32 {
        let now = start + FRAME_TIME * n;
        buffer.push(SoundPacket { arrived: now, ..packet(n, &payloads[n as usize % payloads.len()]) });
        if n % 2 == 1 {
            for _ in 0..4 {
                buffer.pull(now);
            }
        }
    }
    let stats = buffer.stats();
    assert!(stats.concealed_frames() <= 2, "{stats:?}");
}

#[test]
fn other_durations_are_played() {
    for length in [120, 480, 1920, 2880, 5760] {
        let mut opus = ::opus::Encoder::new(SAMPLE_RATE, ::opus::Channels::Stereo, ::opus::Application::Audio).unwrap();
        let (mut buffer, start) = (JitterBuffer::new().unwrap(), Instant::now());
        let count = 5 * SAMPLE_RATE as usize / length;
        let mut pulled = 0;
        for n in 0..count {
            let sound: Vec<f32> = (0..length * 2).map(|n| (n as f32 / 20.0).sin() * 0.2).collect();
            let payload = opus.encode_vec_float(&sound, 4000).unwrap().into();
            let now = start + Duration::from_secs_f64((n * length) as f64 / RATE);
            let rtp_timestamp = (n * length) as u32;
            buffer.push(SoundPacket { sequence: n as u16, rtp_timestamp, payload, arrived: now });
            while start + Duration::from_millis(10) * pulled <= now {
                buffer.pull(start + Duration::from_millis(10) * pulled);
                pulled += 1;
            }
        }
        let stats = buffer.stats();
        assert_eq!((stats.packets, stats.lost, stats.late), (count as u64, 0, 0), "{length}");
        // A packet of 120 ms must wait as long for the next as any other.
        assert!(stats.concealed_share() < 0.05, "{length}: {stats:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn nothing_a_remote_sends_does_harm(
        packets in proptest::collection::vec(
            (any::<u16>(), any::<u32>(), proptest::collection::vec(any::<u8>(), 0..40), 0_u64..300, 0_u8..4),
            1..200,
        ),
    ) {
        let (mut buffer, mut now) = (JitterBuffer::new().unwrap(), Instant::now());
        let (mut sequence, mut timestamp) = (0_u16, 0_u32);
        for (odd_sequence, odd_timestamp, payload, pause, kind) in packets {
            now += Duration::from_millis(pause);
            // Streams that are a little wrong, and others that are only noise.
            (sequence, timestamp) = match kind {
                0 => (odd_sequence, odd_timestamp),
                1 => (sequence.wrapping_add(1), timestamp.wrapping_add(odd_timestamp % 96_000)),
                2 => (sequence.wrapping_add(odd_sequence % 8), timestamp.wrapping_add(odd_timestamp % 1000)),
                _ => (sequence.wrapping_sub(odd_sequence % 8), timestamp.wrapping_sub(odd_timestamp % 10_000)),
            };
            let payload = payload.into();
            buffer.push(SoundPacket { sequence, rtp_timestamp: timestamp, payload, arrived: now });
            for _ in 0..pause / 10 {
                let block = buffer.pull(now);
                prop_assert!(block.iter().all(|sample| (-1.0..=1.0).contains(sample)));
                now += Duration::from_millis(10);
            }
            let stats = buffer.stats();
            prop_assert!(buffer.packets.len() <= MAX_PACKETS && buffer.bytes <= MAX_BYTES);
            prop_assert_eq!(buffer.bytes, buffer.packets.values().map(|packet| packet.payload.len()).sum::<usize>());
            prop_assert!(buffer.sound.len() < 4 * MAX_PACKET_SAMPLES, "{}", buffer.sound.len());
            prop_assert!(stats.target_delay <= Duration::from_secs(1));
        }
    }
}
