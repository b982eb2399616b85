use super::*;
use crate::audio::BLOCK;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::f32::consts::TAU;

const RATE: f32 = SAMPLE_RATE as f32;

/// Two poles at a frequency: a resonance of the mouth (J. D. Markel, A. H. Gray, Linear Prediction of Speech, 1976).
struct Resonator {
    a: f32,
    b: f32,
    last: [f32; 2],
}

impl Resonator {
    fn new(hz: f32, width: f32) -> Self {
        let radius = (-TAU / 2.0 * width / RATE).exp();
        Self { a: 2.0 * radius * (TAU * hz / RATE).cos(), b: -radius * radius, last: [0.0; 2] }
    }

    fn push(&mut self, x: f32) -> f32 {
        let y = (1.0 - self.a - self.b) * x + self.a * self.last[0] + self.b * self.last[1];
        self.last = [y, self.last[0]];
        y
    }
}

/// Syllables of a voice at `pitch` Hz: pulses of the glottis or noise, through the resonances of a vowel, with pauses
/// between them; -26 dBFS while it speaks.
fn speech(seed: u64, pitch: f32, seconds: f32) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let vowels = [[730.0, 1090.0, 2440.0], [270.0, 2290.0, 3010.0], [300.0, 870.0, 2240.0], [530.0, 1840.0, 2480.0]];
    let length = (seconds * RATE) as usize;
    let mut sound = Vec::with_capacity(length);
    while sound.len() < length {
        let samples = (random.random_range(0.10..0.26) * RATE) as usize;
        let voiced = random.random_bool(0.75);
        let vowel = vowels[random.random_range(0..vowels.len())];
        let hertz = if voiced { vowel } else { [2500.0, 4200.0, 6500.0] };
        let mut mouth = hertz.map(|hz| Resonator::new(hz, if voiced { 90.0 } else { 900.0 }));
        let (mut phase, glide) = (0.0_f32, random.random_range(-0.2..0.2));
        let mut syllable: Vec<f32> = (0..samples)
            .map(|n| {
                let through = n as f32 / samples as f32;
                phase += pitch * (1.0 + glide * through) / RATE;
                let pulse = if phase >= 1.0 { 30.0 } else { 0.0 };
                phase = phase.fract();
                let source =
                    if voiced { pulse } else { 0.0 } + random.random_range(-1.0..1.0) * if voiced { 0.1 } else { 1.0 };
                let envelope = (TAU / 2.0 * through).sin().powf(0.7);
                envelope * mouth.iter_mut().map(|resonator| resonator.push(source)).sum::<f32>()
            })
            .collect();
        let loudness = 0.05 * random.random_range(0.6..1.4) / power(&syllable).sqrt().max(1e-9);
        syllable.iter_mut().for_each(|sample| *sample *= loudness);
        sound.extend(syllable);
        let pause = if random.random_bool(0.15) { 0.4 } else { random.random_range(0.02..0.12) };
        sound.extend(std::iter::repeat_n(0.0, (pause * RATE) as usize));
    }
    sound.truncate(length);
    sound
}

fn power(sound: &[f32]) -> f32 {
    sound.iter().map(|s| s * s).sum::<f32>() / sound.len().max(1) as f32
}

fn decibels(ratio: f32) -> f32 {
    10.0 * ratio.log10()
}

/// What comes back of `sound` from a room: the direct way after `delay` seconds, and 300 reflections that fall by 60 dB
/// in a quarter of a second, of a random sign each; in all 10 dB quieter than it was.
fn echo(sound: &[f32], delay: f32, seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut paths = vec![(0.0, 1.0)];
    paths.extend((0..300).map(|_| {
        let later = random.random_range(0.001..0.15_f32);
        (later, 0.35 * 10_f32.powf(-3.0 * later / 0.25) * random.random_range(-1.0..1.0))
    }));
    let mut heard = vec![0.0; sound.len()];
    for (later, gain) in paths {
        let lag = ((delay + later) * RATE) as usize;
        for (to, from) in heard[lag..].iter_mut().zip(sound) {
            *to += gain * from;
        }
    }
    let scale = (0.1 * power(sound) / power(&heard)).sqrt();
    heard.iter_mut().for_each(|sample| *sample *= scale);
    heard
}

fn blocks(sound: &[f32]) -> impl Iterator<Item = Block> {
    sound.chunks_exact(BLOCK).map(|chunk| std::array::from_fn(|n| chunk[n]))
}

fn process(processor: &mut Processor, far: &[f32], heard: &[f32]) -> Vec<f32> {
    let mut out = Vec::with_capacity(heard.len());
    for (far, mut block) in blocks(far).zip(blocks(heard)) {
        processor.played(&far);
        processor.capture(&mut block);
        out.extend(block);
    }
    out
}

fn noise(seed: u64, level_db: f32, samples: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    // Even from -1 to 1 has a power of 1/3.
    let scale = (3.0 * 10_f32.powf(level_db / 10.0)).sqrt();
    (0..samples).map(|_| scale * random.random_range(-1.0..1.0)).collect()
}

fn sum(a: &[f32], b: &[f32]) -> Vec<f32> {
    a.iter().zip(b).map(|(a, b)| a + b).collect()
}

/// By how many samples `out` is later than `sound`, and their correlation there, in the second that begins at `start`.
fn alignment(sound: &[f32], out: &[f32], start: usize) -> (usize, f32) {
    let sound = &sound[start..start + SAMPLE_RATE as usize];
    let correlation = |lag: usize| {
        let later = &out[start + lag..][..sound.len()];
        let product = sound.iter().zip(later).map(|(a, b)| a * b).sum::<f32>() / sound.len() as f32;
        product / (power(sound) * power(later)).sqrt()
    };
    (0..1000).map(|lag| (lag, correlation(lag))).max_by(|a, b| a.1.total_cmp(&b.1)).unwrap()
}

/// How much louder `out` is than `sound` after three seconds, in dB.
fn louder(sound: &[f32], out: &[f32]) -> f32 {
    decibels(power(&out[AFTER..]) / power(&sound[AFTER..]))
}

const ECHO: ProcessorSettings = ProcessorSettings { echo: true, ..ProcessorSettings::NOTHING };
const NOISE: ProcessorSettings = ProcessorSettings { noise: true, ..ProcessorSettings::NOTHING };
const GAIN: ProcessorSettings = ProcessorSettings { gain: true, ..ProcessorSettings::NOTHING };

/// Three seconds, in samples.
const AFTER: usize = 3 * SAMPLE_RATE as usize;

/// The far end alone, 10 dB quieter in the microphone: what is left of it after three seconds.
#[test]
fn echo_is_taken_out_by_20_db() {
    let far = speech(1, 120.0, 7.0);
    for (delay, settings) in [(0.06, ECHO), (0.15, ECHO), (0.1, ProcessorSettings::default())] {
        let heard = sum(&echo(&far, delay, 2), &noise(3, -70.0, far.len()));
        let mut processor = Processor::new(settings);
        let out = process(&mut processor, &far, &heard);
        let enhancement = -louder(&heard, &out);
        let stats = processor.stats().unwrap();
        println!("{delay} s, {settings:?}: {enhancement:.1} dB; {stats:?}");
        assert!(enhancement >= 20.0, "{enhancement} dB at {delay} s with {settings:?}");
        assert!((f64::from(stats.delay_ms) - f64::from(delay) * 1e3).abs() <= 12.0, "{stats:?} at {delay} s");
    }
}

#[test]
fn echo_stays_where_it_is_not_to_be_taken_out() {
    let far = speech(1, 120.0, 5.0);
    let heard = echo(&far, 0.1, 2);
    let mut processor = Processor::new(NOISE);
    let change = louder(&heard, &process(&mut processor, &far, &heard));
    assert!(change.abs() < 1.5, "{change} dB");
    assert_eq!(processor.stats(), None);
}

/// Switched off, the echo is back; on again, it is gone after three seconds.
#[test]
fn settings_change_while_it_runs() {
    let far = speech(1, 120.0, 5.0);
    let heard = echo(&far, 0.1, 2);
    let mut processor = Processor::new(ProcessorSettings::default());
    process(&mut processor, &far, &heard);
    processor.set(ProcessorSettings::NOTHING);
    assert_eq!(process(&mut processor, &far, &heard), heard);
    processor.set(ECHO);
    assert_eq!(processor.settings(), ECHO);
    let change = louder(&heard, &process(&mut processor, &far, &heard));
    assert!(change < -20.0, "{change} dB");
}

/// The near end alone, in a quiet room: its level, its delay, its shape. (Splitting into three bands and joining them
/// again turns the phase, which costs some correlation and is not heard.)
#[test]
fn near_speech_alone_passes_unharmed() {
    let near = sum(&speech(5, 210.0, 6.0), &noise(6, -75.0, 6 * SAMPLE_RATE as usize));
    let silence = vec![0.0; near.len()];
    let both = ProcessorSettings { gain: false, ..ProcessorSettings::default() };
    for (settings, most_decibels, least_correlation) in
        [(ECHO, 1.0, 0.93), (NOISE, 1.0, 0.93), (both, 1.0, 0.93), (GAIN, 3.0, 0.99)]
    {
        let out = process(&mut Processor::new(settings), &silence, &near);
        let (late, correlation) = alignment(&near, &out, AFTER);
        let change = louder(&near, &out);
        println!("{settings:?}: {change:+.2} dB, {late} samples late, correlation {correlation:.3}");
        assert!(change.abs() < most_decibels, "{change} dB with {settings:?}");
        assert!(correlation > least_correlation, "correlation {correlation} with {settings:?}");
        assert!(late <= 16 * SAMPLE_RATE as usize / 1000, "{late} samples late with {settings:?}");
    }
}

/// Both speak at once, the near end 6 dB louder: a second after it began it is still itself. (AEC3 would rather lose some
/// of the near end than let echo through.)
#[test]
fn near_speech_survives_both_speaking() {
    let far = speech(1, 120.0, 7.0);
    let echo = echo(&far, 0.1, 2);
    let mut near = speech(5, 210.0, 7.0);
    near[..AFTER].fill(0.0);
    let loudness = (4.0 * power(&echo[AFTER..]) / power(&near[AFTER..])).sqrt();
    near.iter_mut().for_each(|sample| *sample *= loudness);
    let out = process(&mut Processor::new(ECHO), &far, &sum(&near, &echo));
    let (_, correlation) = alignment(&near, &out, 4 * SAMPLE_RATE as usize);
    let change = louder(&near, &out);
    println!("both: {change:+.2} dB, correlation {correlation:.3}");
    assert!((-6.0..0.0).contains(&change), "{change} dB");
    assert!(correlation > 0.6, "correlation {correlation}");
}

/// Hiss at -50 dBFS, without and with suppression.
#[test]
fn noise_is_suppressed_where_it_is_to_be() {
    let hiss = noise(6, -50.0, 5 * SAMPLE_RATE as usize);
    let silence = vec![0.0; hiss.len()];
    let change = |settings| louder(&hiss, &process(&mut Processor::new(settings), &silence, &hiss));
    assert!((-14.0..-10.0).contains(&change(NOISE)), "{} dB", change(NOISE));
    assert_eq!(change(ProcessorSettings::NOTHING), 0.0);
}

/// What is quiet becomes louder, what is loud stays.
#[test]
fn gain_brings_speech_to_one_level() {
    let loud: Vec<f32> = speech(5, 210.0, 6.0).iter().map(|sample| 4.0 * sample).collect();
    let quiet: Vec<f32> = loud.iter().map(|sample| sample / 64.0).collect();
    let silence = vec![0.0; loud.len()];
    let change = |sound: &[f32]| louder(sound, &process(&mut Processor::new(GAIN), &silence, sound));
    println!("gain: {:+.1} dB loud, {:+.1} dB quiet", change(&loud), change(&quiet));
    assert!(change(&loud).abs() < 1.5, "{} dB", change(&loud));
    assert!((8.0..30.0).contains(&change(&quiet)), "{} dB", change(&quiet));
}

/// Nothing that comes from a broken device makes it fail, or be another afterwards.
#[test]
fn nonsense_is_survived() {
    let near = speech(5, 210.0, 10.0);
    let silence = vec![0.0; near.len()];
    let mut processor = Processor::new(ProcessorSettings::default());
    for value in [f32::NAN, f32::INFINITY, f32::MIN, 1e30] {
        processor.played(&[value; BLOCK]);
        processor.capture(&mut [value; BLOCK]);
    }
    let out = process(&mut processor, &silence, &near);
    let fresh = process(&mut Processor::new(ProcessorSettings::default()), &silence, &near);
    // Four blocks at full scale keep the gain from settling for some five seconds.
    let settled = 7 * SAMPLE_RATE as usize;
    let change = decibels(power(&out[settled..]) / power(&fresh[settled..]));
    assert!(change.abs() < 1.5, "{change} dB");
}
