//! What the person sets and does during a call.

use serde::{Deserialize, Serialize};

use crate::{
    app::{
        compare::{
            Compare, Shown,
            blind_test::{Blind, Outcome},
            sides::SideChoice,
        },
        overlay::Overlay,
        sound::{SoundChoice, SoundControls},
    },
    pipeline::{RecorderState, SizeChoice},
    spotlight::Chooser,
    upscale::EngineChoice,
};

/// What the person has set.
#[derive(Debug, Clone)]
pub struct Controls {
    /// Bits per second.
    pub bitrate: u32,
    /// Which of the models; the one that runs while the program chooses.
    pub model: usize,
    /// The program chooses.
    pub auto: bool,
    /// It takes at most so many per cent of all cores; 100 is no limit.
    pub cpu_share: u32,
    /// And less while the machine runs on its battery.
    pub spare_battery: bool,
    /// Where they run.
    pub engine: EngineChoice,
    /// How far models that have vivid weights go to them, 0 to 1.
    pub vivid: f32,
    /// Black is sent.
    pub hidden: bool,
    /// The sound; none in a call without any.
    pub sound: Option<SoundControls>,
    /// Packets lost on purpose, in per cent.
    pub loss: f32,
    /// Milliseconds that each packet is held back.
    pub delay_ms: u32,
    /// And up to so many more, by chance.
    pub jitter_ms: u32,
    /// Kilobits a second that are let through; 0 lets all through.
    pub rate_kbit: u32,
    /// What is sent fits into this.
    pub size: SizeChoice,
    /// Frames a second, at most.
    pub fps: u32,
    /// Whether scores and graphs are shown.
    pub graphs: bool,
    /// What was seen last.
    pub shown: Option<Shown>,
    /// What arrives is recorded.
    pub recording: RecorderState,
    /// The compared view is recorded.
    pub view_recording: RecorderState,
    /// The blind test that is under way.
    pub blind: Option<Blind>,
    /// What came of the last one, until it was read.
    pub outcome: Option<Outcome>,
    /// Whether the numbers are shown.
    pub stats: bool,
    /// How the sides are compared.
    pub compare: Compare,
    /// Chooses the details that are shown enlarged.
    pub details: Chooser,
    /// What lies over the page.
    pub overlay: Overlay,
    /// The answer line that is being pasted.
    pub answer: String,
    /// What was wrong with it.
    pub answer_error: Option<String>,
}

/// What the person has chosen about the network.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Chosen {
    /// Which; none leaves it to the program.
    pub(crate) model: Option<usize>,
    /// Within these limits, as in [`Controls`].
    pub(crate) cpu_share: u32,
    pub(crate) spare_battery: bool,
    /// As in [`Controls`].
    pub(crate) vivid: f32,
}

/// What the person has chosen about what is sent, as in [`Controls`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Sending {
    /// It fits into this size, as in "480x360".
    pub size: String,
    /// Frames a second, at most.
    pub fps: u32,
    /// Bits per second.
    pub bitrate: u32,
}

/// What a call began with; only what differs from it is remembered.
pub(crate) struct Began {
    pub(crate) network: Chosen,
    pub(crate) engine: EngineChoice,
    pub(crate) sending: Sending,
    pub(crate) sound: Option<SoundChoice>,
}

/// What the person did.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// End the call, or leave the page of one that has ended.
    HangUp,
    /// Make the call that has ended again.
    Again,
    /// The bitrate was changed.
    Bitrate,
    /// The model was changed, or who chooses it.
    Model,
    /// It is to run elsewhere.
    Engine,
    /// Hide or show the own picture.
    Hide,
    /// Mute the own sound, or let it be heard again.
    MuteSound,
    /// Something else is chosen of the sound.
    Sound,
    /// Microphones and speakers are to be chosen from.
    LookForDevices,
    /// Loss or delay were changed.
    Impair,
    /// The size was changed.
    Size,
    /// The frame rate was changed.
    Fps,
    /// Hold the frame, or go on.
    Freeze,
    /// Go so many frames on from the one that is held.
    StepFrames(i8),
    /// A picture of what is seen.
    Keep(Keep),
    /// Record what arrives, or end it.
    Record,
    /// Record what is compared, or end it.
    RecordView,
    /// A blind test has come to its end.
    Outcome,
    /// Dark, light, or as the system has it: the next of them.
    Theme,
    /// The answer line is complete.
    Answer,
    /// The numbers go to the clipboard.
    CopyStats,
}

impl Controls {
    /// The sides that have to be there.
    pub fn sides(&self) -> Vec<SideChoice> {
        match self.blind {
            Some(_) => vec![self.compare.a, self.compare.b],
            None => self.compare.sides(self.model),
        }
    }

    /// The network with this number runs. While the program chooses, the side that shows what runs follows it.
    pub(crate) fn runs(&mut self, model: usize) {
        if !self.auto || self.blind.is_some() || self.model == model {
            return;
        }
        let [was, is] = [self.model, model].map(SideChoice::Network);
        self.model = model;
        let Compare { a, b, .. } = &mut self.compare;
        if *a == is || *b == is {
            return; // it is seen already
        }
        if let Some(side) = [b, a].into_iter().find(|side| **side == was) {
            *side = is;
        }
    }

    pub(crate) fn began(&self) -> Began {
        let sending = Sending { size: self.size.to_string(), fps: self.fps, bitrate: self.bitrate };
        let sound = self.sound.as_ref().map(|sound| sound.choice.clone());
        Began { network: self.chosen(), engine: self.engine, sending, sound }
    }

    fn chosen(&self) -> Chosen {
        let model = (!self.auto).then_some(self.model);
        Chosen { model, cpu_share: self.cpu_share, spare_battery: self.spare_battery, vivid: self.vivid }
    }
}

/// A picture to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Each side at its full size, into files.
    Sides,
    /// The seen part of both sides beside each other: into a file, or to the clipboard.
    Crop {
        /// To the clipboard.
        copy: bool,
    },
    /// The comparison as it is seen, likewise.
    View {
        /// To the clipboard.
        copy: bool,
    },
}

/// The side that shows a network shows the one that was chosen for the call.
pub(crate) fn adopt(controls: &mut Controls) {
    let compare = &mut controls.compare;
    let network = SideChoice::Network(controls.model);
    let side = if matches!(compare.b, SideChoice::Network(_)) { &mut compare.b } else { &mut compare.a };
    if matches!(side, SideChoice::Network(_)) {
        *side = network;
    }
}
