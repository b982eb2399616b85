//! What the comparison shows, and what its sides are called.

use crate::{
    app::{
        compare::{paint::Pictures, scorer::SideScores, sides::SideChoice, worth::Worth},
        networks::ModelChoice,
    },
    pipeline::NetworkOff,
    upscale::EngineKind,
};

/// What there is to see.
pub(crate) struct Seen<'a> {
    pub(crate) pictures: &'a Pictures,
    pub(crate) models: &'a [ModelChoice],
    pub(crate) engine: Option<EngineKind>,
    /// The call's network.
    pub(crate) model: usize,
    /// Why the program chose it, where it did.
    pub(crate) why: Option<&'a str>,
    /// Why none ran.
    pub(crate) off: Option<NetworkOff>,
    /// Sides have no names: a blind test is under way.
    pub(crate) masked: bool,
    /// The newest scores of a side, where the truth is known.
    pub(crate) scores: &'a dyn Fn(SideChoice) -> Option<SideScores>,
    /// What a side is worth in bits of bicubic, likewise.
    pub(crate) worth: &'a dyn Fn(SideChoice) -> Option<Worth>,
    /// Seconds since the first picture was shown.
    pub(crate) seen_for: f64,
}

impl Seen<'_> {
    /// The name of a side with what it costs and, of the network that the program chose, why it is that one.
    pub(crate) fn label(&self, side: SideChoice) -> String {
        self.labels(side).swap_remove(0)
    }

    /// The same, and shorter and shorter; the name is always whole.
    pub(super) fn labels(&self, side: SideChoice) -> Vec<String> {
        let mut labels = side.labels(self.models, self.engine);
        match self.why.filter(|_| side == SideChoice::Network(self.model)) {
            _ if self.off == Some(NetworkOff::FullSize) && side != SideChoice::Truth => {
                return ["as it came: at its full size", "full size"].map(str::to_owned).into();
            }
            Some(why) if self.off == Some(NetworkOff::TooSlow) => {
                let said = [format!("network off: {why}, bicubic shown"), "network off, bicubic shown".to_owned()];
                return said.into_iter().chain(["network off".to_owned()]).collect();
            }
            Some(why) => labels.insert(0, format!("{} · {why}", labels[0])),
            None => {}
        }
        labels
    }
}
