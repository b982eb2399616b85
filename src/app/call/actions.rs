//! Does what the person asked for during a call.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use egui::Ui;

use crate::{
    app::{
        call::{Call, Leave, SessionSlot},
        compare::sides::SideChoice,
        controls::{Action, Keep},
        export::{ExportedSide, Exports},
        networks::Networks,
        sound::SoundControls,
    },
    pipeline::Session,
};

impl Call {
    /// Has a picture made of what is seen.
    fn keep(&self, ui: &Ui, what: Keep, networks: &Networks) -> Result<(), String> {
        let (off, running) = (self.off(), SideChoice::Network(self.controls.model));
        let display_frame = self.display_frame.as_ref().ok_or("There is no picture yet.")?;
        let sides = match what {
            Keep::Sides => self.controls.compare.sides(self.controls.model),
            _ => self.controls.compare.two(self.controls.model).to_vec(),
        };
        let kept = |side: SideChoice| {
            let picture = display_frame.picture(&side.side(networks.models())?)?.clone();
            let word =
                if off.is_some() && side == running { "cnn-off".to_owned() } else { side.word(networks.choices()) };
            Some(ExportedSide { side, word, picture })
        };
        let mut sides: Vec<ExportedSide> = sides.into_iter().filter_map(kept).collect();
        // Low-res is the smaller one, and a crop takes its size from the first.
        if what != Keep::Sides && sides.first().is_some_and(|k| k.side == SideChoice::Low) && sides.len() > 1 {
            sides.rotate_left(1);
        }
        self.exports.keep(ui.ctx(), what, display_frame.pair.stamp.id, sides, self.controls.shown)
    }

    /// Begins a recording of what is compared, or ends it.
    fn record_view_or_end(&mut self, networks: &Networks) -> Result<(), String> {
        if self.view_recorder.state().is_on() {
            self.view_recorder.stop();
        } else {
            let words = self.controls.compare.two(self.controls.model).map(|side| side.word(networks.choices()));
            self.view_recorder.start(self.exports.view_recording(&words.join("-"))?)?;
        }
        self.controls.view_recording = self.view_recorder.state();
        Ok(())
    }

    /// Keeps what came of a blind test, and of which call.
    fn write_outcome(&self) -> Result<(), String> {
        let Some(outcome) = &self.controls.outcome else { return Ok(()) };
        let mut json = serde_json::to_value(outcome).map_err(|e| e.to_string())?;
        if let Some(map) = json.as_object_mut() {
            map.insert("source".to_owned(), self.stats.source.clone().into());
            map.insert("size".to_owned(), self.stats.size.clone().into());
            map.insert("bitrate_bps".to_owned(), self.stats.bitrate_bps.target.into());
        }
        let text = serde_json::to_string_pretty(&json).map_err(|e| e.to_string())? + "\n";
        self.exports.text("blind-test", "json", text)
    }

    /// Passes on what the person did; says how the page is to be left, if it is.
    pub(super) fn act(&mut self, ui: &Ui, actions: Vec<Action>, networks: &Networks) -> Option<Leave> {
        self.pending.extend(actions);
        if self.pending.contains(&Action::HangUp) {
            return Some(Leave::HungUp);
        }
        if self.pending.contains(&Action::Again) {
            return Some(Leave::Again);
        }
        if !matches!(self.session, SessionSlot::Open(_)) {
            return None;
        }
        for action in std::mem::take(&mut self.pending) {
            if let Action::Keep(what) = action {
                if let Err(why) = self.keep(ui, what, networks) {
                    self.notices.push_back((Instant::now(), why));
                }
                continue;
            }
            if action == Action::RecordView {
                if let Err(why) = self.record_view_or_end(networks) {
                    self.notices.push_back((Instant::now(), why));
                }
                continue;
            }
            let SessionSlot::Open(session) = &self.session else { return None };
            match action {
                Action::HangUp | Action::Again | Action::Keep(_) | Action::RecordView => {}
                Action::Size => session.set_size(self.controls.size),
                Action::Fps => session.set_fps(self.controls.fps as f32),
                Action::Freeze => {
                    let id = self
                        .display_frame
                        .as_ref()
                        .map(|display_frame| display_frame.pair.stamp.id)
                        .filter(|_| !self.frozen);
                    self.frozen = id.is_some();
                    session.freeze(id);
                }
                Action::StepFrames(by) => session.step(by.into()),
                Action::Theme => self.theme_wanted = true,
                Action::Record => {
                    let done = record(session, &self.exports);
                    self.controls.recording = session.recorder_state();
                    self.notices.extend(done.err().map(|text| (Instant::now(), text)));
                }
                Action::Outcome => {
                    if let Err(why) = self.write_outcome() {
                        self.notices.push_back((Instant::now(), why));
                    }
                }
                Action::Bitrate => session.set_bitrate(self.controls.bitrate),
                Action::Model => self.choose(networks),
                Action::Engine => session.set_engine(self.controls.engine),
                Action::Hide => session.mute(self.controls.hidden),
                Action::MuteSound => {
                    if let Some(sound) = &self.controls.sound {
                        session.mute_sound(sound.muted);
                    }
                }
                Action::Sound => {
                    if let Some(SoundControls { sends, choice, .. }) = &self.controls.sound {
                        // Who sends nothing needs no open microphone.
                        if *sends {
                            session.set_sound_source(choice.source.clone());
                        }
                        session.set_speaker(choice.speaker.clone());
                        session.set_audio_processing(choice.processing);
                    }
                }
                Action::LookForDevices => {
                    let repaint = ui.ctx().clone();
                    self.devices.look(&session.settings().audio, Arc::new(move || repaint.request_repaint()));
                }
                Action::Impair => {
                    // The sockets of the call look here for every packet.
                    let ms = |n: u32| Duration::from_millis(n.into());
                    self.impairment.set_loss(f64::from(self.controls.loss) / 100.0);
                    self.impairment.set_delay(ms(self.controls.delay_ms), ms(self.controls.jitter_ms));
                    let limit = Some(1000 * self.controls.rate_kbit).filter(|bits| *bits > 0);
                    self.impairment.set_rate(limit);
                }
                Action::Answer => {
                    let answer = session.accept_answer(self.controls.answer.trim());
                    self.controls.answer_error = answer.err().map(|e| e.to_string());
                }
                Action::CopyStats => {
                    if let Ok(json) = serde_json::to_string_pretty(&self.stats) {
                        ui.ctx().copy_text(json);
                    }
                }
            }
        }
        None
    }
}

/// Begins a recording, or ends it; an error says what to say.
fn record(session: &Session, exports: &Exports) -> Result<(), String> {
    if session.recorder_state().is_on() {
        session.stop_recording();
    } else {
        session.record(&exports.recording()?);
    }
    Ok(())
}
