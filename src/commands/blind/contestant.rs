//! One side of the test: what makes a picture of what arrived.

use std::{path::Path, sync::Arc};

use clap::ValueEnum as _;
use clearcall::{
    app::blind_files::PlainName,
    frame::{Frame, Rgba},
    model::Model,
    upscale::{self, EngineChoice, Method, Upscaler},
};

use crate::commands::{self, Input as _, bench::quality::contestants::vivid};

/// The name of the clip itself.
const TRUTH: &str = "truth";

/// A side.
pub(super) enum Contestant {
    /// The picture before it was scaled and coded.
    Truth,
    /// An upscaler.
    Upscaler(Box<dyn Upscaler>, Method),
}

impl Contestant {
    /// The side that `given` means, and its name without any folder.
    pub(super) fn new(given: &str, choice: EngineChoice) -> anyhow::Result<(Self, PlainName)> {
        if given == TRUTH {
            return Ok((Self::Truth, TRUTH.parse().input()?));
        }
        let filter = Method::from_str(given, false).ok().filter(|method| *method != Method::Cnn);
        if let Some(method) = filter {
            // An engine wants a model, though a filter needs none.
            let nothing = Arc::new(Model::untrained(1, 0, 0)?);
            let (engine, _) = upscale::choose(EngineChoice::Cpu, None, nothing)?;
            return Ok((Self::Upscaler(engine, method), given.parse().input()?));
        }
        let (name, amount) = vivid(given)?;
        let model = commands::model(name, amount)?;
        let called = Path::new(model.name()).file_name().unwrap_or_default().to_string_lossy().into_owned();
        let (engine, _) = upscale::choose(choice, None, model)?;
        Ok((Self::Upscaler(engine, Method::Cnn), PlainName::of_file(&called)))
    }

    /// Its picture of a frame that arrived as `low` and was `truth`.
    pub(super) fn picture(&mut self, low: &Frame, truth: &Frame) -> anyhow::Result<Arc<Rgba>> {
        Ok(Arc::new(match self {
            Self::Truth => truth.to_rgba(),
            Self::Upscaler(upscaler, method) => upscaler.upscale(low, *method)?.to_rgba(),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_are_named_as_elsewhere_and_without_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mine.safetensors");
        std::fs::write(&path, Model::find("nano").unwrap().to_bytes().unwrap()).unwrap();
        let name = |given: &str| Contestant::new(given, EngineChoice::Cpu).map(|(_, name)| name.to_string());
        for given in ["bilinear", "bicubic", "lanczos", "truth", "nano", "small@0.6"] {
            assert_eq!(name(given).unwrap(), given);
        }
        assert_eq!(name(path.to_str().unwrap()).unwrap(), "mine");
        for (wrong, word) in [("cnn", "cnn"), ("small@2", "amount"), ("nobody", "nobody"), ("mine@0.5", "mine")] {
            let said = name(wrong).unwrap_err().to_string();
            assert!(said.contains(word), "{wrong}: {said}");
        }
    }
}
