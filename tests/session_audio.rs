//! Whole calls with sound, as the program runs them: the scene's tones or a microphone, Opus over UDP on 127.0.0.1, a
//! jitter buffer, and a speaker that keeps what it plays.
#![cfg(feature = "audio")]

#[path = "support/call.rs"]
mod support;

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use clearcall::{
    audio::{
        BLOCK, SAMPLE_RATE,
        device::{Clock, Devices, FakeDevices},
        level::level_of,
        sound_file::SoundFile,
    },
    call::Impairment,
    pipeline::{
        AudioProcessing, AudioSettings, CallSettings, CallState, RecorderState, Session, Signaling, SoundSource,
        SpeakerChoice, Taken,
    },
    source::SourceSpec,
};

/// Far longer than anything here takes; only a hanging call reaches it.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is measured over time is not measured beside each other.
static TURN: Mutex<()> = Mutex::new(());

fn devices() -> (FakeDevices, Devices) {
    let fake = FakeDevices::new(Clock::system());
    fake.set_microphones(&["a microphone"]);
    fake.set_speakers(&["a speaker"]);
    (fake.clone(), Devices::new(fake))
}

fn settings(source: SoundSource, devices: Devices) -> CallSettings {
    let nothing = AudioProcessing { echo_cancellation: false, noise_suppression: false, gain_control: false };
    CallSettings {
        size: Some("240x180".parse().unwrap()),
        audio: AudioSettings {
            on: true,
            source,
            speaker: SpeakerChoice::Default,
            processing: nothing,
            devices,
            ..AudioSettings::default()
        },
        ..support::settings()
    }
}

fn start(settings: CallSettings) -> Session {
    Session::start(settings, Signaling::Loopback, None, Arc::new(|| {})).unwrap()
}

/// Watches the call as a window would, until it is done.
fn watch(session: &Session, what: &str, mut done: impl FnMut() -> bool) {
    let started = Instant::now();
    while !done() {
        assert!(started.elapsed() < PATIENCE, "waited {PATIENCE:?} for {what}: {:?}", session.stats().audio);
        assert!(!matches!(session.state(), CallState::Ended { .. }), "{:?}", session.state());
        if let Taken::Value(frame) = session.wait_frame(Duration::from_millis(20)) {
            session.shown(&frame);
        }
    }
}

/// A sine of 440 Hz, so many seconds of it.
fn sine(seconds: f32) -> Vec<f32> {
    let samples = (seconds * SAMPLE_RATE as f32) as usize;
    (0..samples).map(|n| 0.3 * (std::f32::consts::TAU * 440.0 * n as f32 / SAMPLE_RATE as f32).sin()).collect()
}

fn turn() -> std::sync::MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn what_a_microphone_hears_is_played_at_the_other_side() {
    let _turn = turn();
    let (fake, devices) = devices();
    fake.say(&sine(60.0));
    let session = start(settings(SoundSource::Microphone(None), devices));
    let mut played = Vec::new();
    watch(&session, "a second of sound", || {
        played.extend(fake.played());
        let heard = played.chunks(480).filter(|block| level_of(block) > -25.0).count();
        heard > 100
    });
    let audio = session.stats().audio.unwrap();
    assert_eq!((audio.source.as_str(), audio.speaker.as_str()), ("a microphone", "a speaker"));
    assert!(audio.packets_in > 40 && audio.lost == 0, "{audio:?}");
    // A sine of a peak of 0.3: 20 · log10(0.3) − 3.01 dB.
    assert!((audio.level_out_dbfs + 13.5).abs() < 0.5, "{audio:?}");
    assert!((audio.level_in_dbfs + 13.5).abs() < 2.0, "{audio:?}");
}

#[test]
fn nothing_of_what_is_muted_is_sent() {
    let _turn = turn();
    let (fake, devices) = devices();
    fake.say(&sine(120.0));
    let mut settings = settings(SoundSource::Microphone(None), devices);
    settings.audio.muted = true;
    let session = start(settings);
    let mut played: Vec<f32> = Vec::new();
    let mut until = Instant::now() + Duration::from_secs(3);
    watch(&session, "three seconds of silence", || {
        played.extend(fake.played());
        if session.stats().audio.is_none_or(|audio| audio.packets_in == 0) {
            until = Instant::now() + Duration::from_secs(3);
        }
        Instant::now() > until
    });
    assert!(played.iter().all(|sample| sample.abs() < 1e-3), "muted from the beginning");
    assert!(session.stats().audio.unwrap().level_out_dbfs <= -89.9);

    session.mute_sound(false);
    watch(&session, "sound", || fake.played().chunks(480).any(|block| level_of(block) > -25.0));
    session.mute_sound(true);
    // What was on its way is heard, and nothing after it.
    let mut silent_since = Instant::now();
    watch(&session, "silence again", || {
        if fake.played().iter().any(|sample| sample.abs() > 1e-3) {
            silent_since = Instant::now();
        }
        silent_since.elapsed() > Duration::from_secs(2)
    });
}

#[test]
fn devices_that_go_come_back_and_the_call_goes_on() {
    let _turn = turn();
    let (fake, devices) = devices();
    fake.say(&sine(120.0));
    let session = start(settings(SoundSource::Microphone(None), devices));
    let sounds = |fake: &FakeDevices| fake.played().chunks(480).any(|block| level_of(block) > -25.0);
    watch(&session, "sound", || sounds(&fake));
    fake.set_microphones(&[]);
    fake.set_speakers(&[]);
    let mut notices = Vec::new();
    watch(&session, "two notices", || {
        notices.extend(session.notices());
        notices.len() >= 2
    });
    assert!(notices.iter().all(|n| n.contains("a microphone") || n.contains("a speaker")), "{notices:?}");
    fake.set_microphones(&["another"]);
    fake.set_speakers(&["another speaker"]);
    watch(&session, "other devices", || {
        fake.played();
        session.stats().audio.is_some_and(|a| a.source == "another" && a.speaker == "another speaker")
    });
    watch(&session, "sound by them", || sounds(&fake));
}

#[test]
fn a_call_without_any_device_is_one_without_sound_and_says_so() {
    let _turn = turn();
    let fake = FakeDevices::new(Clock::system());
    fake.set_microphones(&[]);
    fake.set_speakers(&[]);
    let session = start(settings(SoundSource::Microphone(None), Devices::new(fake)));
    let (mut notices, mut pictures) = (Vec::new(), 0);
    watch(&session, "pictures and notices", || {
        notices.extend(session.notices());
        pictures = session.stats().frames.shown;
        notices.len() >= 2 && pictures > 10
    });
    assert!(notices.iter().any(|n| n.contains("no microphone")), "{notices:?}");
}

#[test]
fn at_ten_percent_loss_hardly_anything_is_made_up() {
    let _turn = turn();
    let (fake, devices) = devices();
    let voice: Vec<f32> = sine(1.0).iter().enumerate().map(|(n, s)| s * (n as f32 / 4800.0).sin()).collect();
    for _ in 0..120 {
        fake.say(&voice);
    }
    let impairment = Arc::new(Impairment::new(5).with_loss(0.1));
    let session = start(CallSettings { impairment, ..settings(SoundSource::Microphone(None), devices) });
    watch(&session, "ten seconds of sound", || {
        fake.played();
        session.stats().audio.is_some_and(|audio| audio.packets_in > 500)
    });
    let audio = session.stats().audio.unwrap();
    assert!(audio.loss_in > 0.05 && audio.loss_in < 0.15, "{audio:?}");
    assert!(audio.recovered > 0.02, "by FEC: {audio:?}");
    // Some two per cent; a machine that is busy with other things has some more.
    assert!(audio.concealed < 0.08, "{audio:?}");
}

#[test]
fn a_file_that_cannot_be_written_is_said_before_the_call() {
    let (_, devices) = devices();
    let mut settings = settings(SoundSource::None, devices);
    let folder = tempfile::tempdir().unwrap();
    settings.audio.out = Some(folder.path().join("none/heard.wav"));
    let error = Session::start(settings, Signaling::Loopback, None, Arc::new(|| {})).err().unwrap();
    assert!(error.is_input() && error.to_string().contains("heard.wav"), "{error}");
}

/// The bits of the sound come first: the video takes what is left.
#[test]
fn over_a_narrow_line_sound_comes_whole_and_the_video_gives_way() {
    let _turn = turn();
    let (fake, devices) = devices();
    let voice: Vec<f32> = sine(1.0).iter().enumerate().map(|(n, s)| s * (n as f32 / 4800.0).sin()).collect();
    for _ in 0..120 {
        fake.say(&voice);
    }
    let impairment = Arc::new(Impairment::new(5));
    impairment.set_rate(Some(200_000));
    let settings = settings(SoundSource::Microphone(None), devices);
    let session = start(CallSettings { impairment, bitrate: 500_000, ..settings });
    watch(&session, "the video to give way", || {
        fake.played();
        session.stats().bitrate_bps.target < 160_000 && session.stats().audio.is_some()
    });
    let before = session.stats().audio.unwrap();
    watch(&session, "six seconds of sound", || {
        fake.played();
        session.stats().audio.is_some_and(|audio| audio.packets_in > before.packets_in + 300)
    });
    let after = session.stats().audio.unwrap();
    let (came, lost) = (after.packets_in - before.packets_in, after.lost.saturating_sub(before.lost));
    println!("{lost} packets of sound lost, {came} came; made up: {:.1} %", 100.0 * after.concealed);
    // A queue that is full drops whatever comes next; what the video probes for is a part of that.
    assert!(lost * 8 < came, "{lost} lost, {came} came");
}

/// The scene's lamp and tone begin at one moment. Watches until five in a row were seen and heard within 45 ms: at first
/// the clocks are not known, and steps are taken.
fn seen_and_heard_together(session: &Session, fake: &FakeDevices) {
    let (mut flashes, mut clicks): (Vec<Instant>, Vec<Instant>) = (Vec::new(), Vec::new());
    let (mut lit, mut silent) = (true, 0);
    let started = Instant::now();
    let mut together = 0;
    while together < 5 {
        assert!(started.elapsed() < PATIENCE, "{together} together, {:?}", session.stats().audio);
        if let Taken::Value(frame) = session.wait_frame(Duration::from_millis(2)) {
            session.shown(&frame);
            let now = Instant::now();
            // The lamp, 36 of 720 units from the corner.
            let picture = frame.pair.bicubic.to_rgba().unwrap();
            let at = picture.size.height() as usize * 36 / 720;
            let pixel = &picture.data[4 * (at * picture.size.width() as usize + at)..][..3];
            let bright = pixel[0] > 190 && pixel[1] > 180;
            if bright && !lit {
                flashes.push(now);
            }
            lit = bright;
        }
        let played = fake.played();
        let now = Instant::now();
        for (n, sample) in played.iter().enumerate() {
            if sample.abs() > 0.004 {
                if silent > SAMPLE_RATE / 2 {
                    clicks.push(now - Duration::from_secs_f64((played.len() - n) as f64 / f64::from(SAMPLE_RATE)));
                }
                silent = 0;
            } else {
                silent += 1;
            }
        }
        while let (Some(flash), Some(click)) = (flashes.first().copied(), clicks.first().copied()) {
            let later = click.saturating_duration_since(flash).as_secs_f64();
            let off = later - flash.saturating_duration_since(click).as_secs_f64();
            if off.abs() > 0.5 {
                // One of them was not noticed.
                _ = if off > 0.0 { flashes.remove(0) } else { clicks.remove(0) };
                continue;
            }
            flashes.remove(0);
            clicks.remove(0);
            println!("the tone is heard {:+.0} ms after the lamp is seen", off * 1e3);
            together = if off.abs() <= 0.045 { together + 1 } else { 0 };
        }
    }
}

#[test]
fn a_flash_and_a_click_of_one_moment_are_seen_and_heard_together() {
    let _turn = turn();
    let (fake, devices) = devices();
    let session = start(settings(SoundSource::OfPictures, devices));
    seen_and_heard_together(&session, &fake);
    let told = session.stats().audio.unwrap().lip_sync_ms.unwrap();
    println!("and by the reports {told:+.0} ms");
    assert!(told.abs() < 60.0, "{told}");
}

/// A recording is a clip with a sound track, and a clip's sound goes and loops with its pictures.
#[test]
fn what_was_recorded_is_seen_and_heard_together_when_it_is_sent() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("call.mp4");
    {
        let (fake, devices) = devices();
        let session = start(settings(SoundSource::OfPictures, devices));
        seen_and_heard_together(&session, &fake);
        session.record(&path);
        watch(&session, "a recording", || session.recorder_state() == RecorderState::Recording);
        let begun = Instant::now();
        watch(&session, "six seconds of it", || begun.elapsed() > Duration::from_secs(6));
        session.stop_recording();
        let mut recorded = Vec::new();
        watch(&session, "its end", || {
            recorded.extend(session.recorded());
            !recorded.is_empty()
        });
        let files = recorded.remove(0).unwrap();
        assert_eq!(files.len(), 1);
        let seconds = files[0].seconds;
        let mut sound = SoundFile::open(&path).unwrap();
        let (mut block, mut blocks, mut tones) = ([0.0; BLOCK], 0, 0);
        while sound.read(&mut block) > 0 {
            blocks += 1;
            tones += u32::from(level_of(&block) > -40.0);
        }
        assert!((f64::from(blocks) / 100.0 - seconds).abs() < 0.5, "{blocks} blocks for {seconds} s");
        // Five to seven tones of eight blocks.
        assert!((30..70).contains(&tones), "{tones}");
    }
    let (fake, devices) = devices();
    let settings = settings(SoundSource::OfPictures, devices);
    let session = start(CallSettings { source: SourceSpec::Clip(path), ..settings });
    seen_and_heard_together(&session, &fake);
    // It is six seconds long: five beats more are of its second time round.
    seen_and_heard_together(&session, &fake);
}
