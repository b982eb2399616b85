//! The sides that can be compared, as the person chooses them.

use std::sync::Arc;

use crate::{
    app::{networks::ModelChoice, theme::style},
    model::Model,
    pipeline::Side,
    upscale::EngineKind,
};

/// A side of the comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SideChoice {
    /// As decoded.
    Low,
    /// Bilinear interpolation.
    Bilinear,
    /// The baseline.
    Bicubic,
    /// Lanczos with three lobes.
    Lanczos,
    /// The network with this number.
    Network(usize),
    /// As it was before it was sent.
    Truth,
}

impl SideChoice {
    /// All that there are with so many networks.
    pub fn all(networks: usize) -> impl Iterator<Item = Self> {
        let plain = [Self::Low, Self::Bilinear, Self::Bicubic, Self::Lanczos];
        plain.into_iter().chain((0..networks).map(Self::Network)).chain([Self::Truth])
    }

    /// The next one (or the one before) in that order.
    pub fn next(self, networks: usize, back: bool) -> Self {
        let all: Vec<Self> = Self::all(networks).collect();
        let at = all.iter().position(|s| *s == self).unwrap_or(0);
        let to = if back { at + all.len() - 1 } else { at + 1 };
        all[to % all.len()]
    }

    /// What the pipeline makes for it.
    pub fn side(self, models: &[Arc<Model>]) -> Option<Side> {
        Some(match self {
            Self::Low => Side::Low,
            Self::Bilinear => Side::Bilinear,
            Self::Bicubic => Side::Bicubic,
            Self::Lanczos => Side::Lanczos,
            Self::Network(i) => Side::Network(Arc::clone(models.get(i)?)),
            Self::Truth => Side::Truth,
        })
    }

    /// Its name: "bicubic", "CNN · small".
    pub fn name(self, models: &[ModelChoice]) -> String {
        match self {
            Self::Low => "low-res".to_owned(),
            Self::Bilinear => "bilinear".to_owned(),
            Self::Bicubic => "bicubic".to_owned(),
            Self::Lanczos => "Lanczos".to_owned(),
            Self::Network(i) => format!("CNN · {}", models.get(i).map_or("?", |m| m.name.as_str())),
            Self::Truth => "truth".to_owned(),
        }
    }

    /// Its name with what it costs: "CNN · small · 2,088 MAC/px · CPU".
    pub fn label(self, models: &[ModelChoice], engine: Option<EngineKind>) -> String {
        self.labels(models, engine).swap_remove(0)
    }

    /// The same, and shorter and shorter for where there is no room for it; the name is always whole.
    pub(crate) fn labels(self, models: &[ModelChoice], engine: Option<EngineKind>) -> Vec<String> {
        let more = match self {
            Self::Network(i) => {
                let cost = models.get(i).map(|m| format!("{} MAC/px", style::grouped(m.mac_per_pixel as u64)));
                cost.into_iter().chain(engine.map(|engine| engine.to_string().to_uppercase())).collect()
            }
            Self::Low => vec!["as decoded".to_owned()],
            Self::Truth => vec!["before it was sent".to_owned()],
            Self::Bilinear | Self::Bicubic | Self::Lanczos => Vec::new(),
        };
        let mut labels = vec![self.name(models)];
        for part in more {
            labels.push(format!("{} · {part}", labels[labels.len() - 1]));
        }
        labels.reverse();
        labels
    }

    /// A word for settings and file names: "low-res", "small".
    pub fn word(self, models: &[ModelChoice]) -> String {
        match self {
            Self::Network(i) => models.get(i).map_or_else(String::new, |m| m.name.clone()),
            _ => self.name(models).to_lowercase(),
        }
    }

    /// The side with this word; none where that network is not there.
    pub fn of_word(word: &str, models: &[ModelChoice]) -> Option<Self> {
        Self::all(models.len()).find(|s| s.word(models) == word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn models() -> Vec<ModelChoice> {
        ["nano", "small"].map(|name| ModelChoice { name: name.to_owned(), mac_per_pixel: 1234, vivid: false }).into()
    }

    #[test]
    fn every_side_can_be_reached_and_named() {
        let models = models();
        let mut side = SideChoice::Bicubic;
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..7 {
            seen.insert(side.word(&models));
            assert_eq!(SideChoice::of_word(&side.word(&models), &models), Some(side));
            assert_eq!(side.next(2, false).next(2, true), side);
            side = side.next(2, false);
        }
        assert_eq!((seen.len(), side), (7, SideChoice::Bicubic));
        assert_eq!(SideChoice::of_word("gone", &models), None);
    }

    #[test]
    fn labels_say_what_a_network_costs() {
        let label = SideChoice::Network(1).label(&models(), Some(EngineKind::Cpu));
        assert_eq!(label, "CNN · small · 1,234 MAC/px · CPU");
        assert_eq!(SideChoice::Bicubic.label(&models(), Some(EngineKind::Cpu)), "bicubic");
        let shorter = SideChoice::Network(0).labels(&models(), Some(EngineKind::Gpu));
        assert_eq!(shorter, ["CNN · nano · 1,234 MAC/px · GPU", "CNN · nano · 1,234 MAC/px", "CNN · nano"]);
    }
}
