//! Who takes part.

use std::{collections::BTreeMap, sync::Arc};

use clearcall::{
    codec::Decoded,
    frame::{Frame, Size},
    model::Model,
    upscale::{self, CpuEngine, EngineChoice, GpuContext, Method, Upscaler, fsr1},
};
use serde::Serialize;

use crate::{
    cli::{Amount, Peer},
    commands::{self, InputFault},
};

/// The baseline's name.
pub(super) const BICUBIC: &str = "bicubic";
/// The name of the encode at full size.
pub(super) const FULL: &str = "full";

/// What sort of contestant it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ContestantKind {
    /// An upscaler without weights.
    Filter,
    /// A network.
    Model,
    /// The encode at full size.
    Full,
}

/// One of them.
pub(super) struct Contestant {
    pub(super) name: String,
    pub(super) kind: ContestantKind,
    how: How,
}

enum How {
    Filter(Method),
    Fsr1,
    Model(Box<dyn Upscaler>, Arc<Model>),
    Full,
}

/// All of them, bicubic among them.
pub(super) struct Contestants {
    list: Vec<Contestant>,
    filters: CpuEngine,
    engines: BTreeMap<String, String>,
}

impl Contestants {
    /// Filters in the order of the enum, models as given, and the encode at full size last.
    pub(super) fn new(peers: &[Peer], models: &[String], choice: EngineChoice) -> anyhow::Result<Self> {
        let mut list = Vec::new();
        let filters = [Peer::Bilinear, Peer::Bicubic, Peer::Lanczos, Peer::Fsr1];
        for peer in filters.into_iter().filter(|p| *p == Peer::Bicubic || peers.contains(p)) {
            let (name, how) = match peer {
                Peer::Bilinear => ("bilinear", How::Filter(Method::Bilinear)),
                Peer::Bicubic => (BICUBIC, How::Filter(Method::Bicubic)),
                Peer::Lanczos => ("lanczos", How::Filter(Method::Lanczos)),
                Peer::Fsr1 => ("fsr1", How::Fsr1),
                Peer::Full => continue,
            };
            list.push(Contestant { name: name.to_owned(), kind: ContestantKind::Filter, how });
        }
        let mut engines = BTreeMap::new();
        let gpu = if choice.is_cpu() { None } else { GpuContext::headless().ok() };
        for given in named(models)? {
            let (name, vivid) = vivid(&given)?;
            let model = commands::model(name, vivid)?;
            let taken = |name: &str| list.iter().any(|c: &Contestant| c.name == name) || name == FULL;
            let name = if taken(model.name()) { given } else { model.name().to_owned() };
            if taken(&name) {
                continue;
            }
            let (upscaler, why) = upscale::choose(choice, gpu.clone(), model.clone())?;
            engines.insert(name.clone(), why);
            list.push(Contestant { name, kind: ContestantKind::Model, how: How::Model(upscaler, model) });
        }
        if peers.contains(&Peer::Full) {
            list.push(Contestant { name: FULL.to_owned(), kind: ContestantKind::Full, how: How::Full });
        }
        // An engine wants a model, though filters need none.
        let filters = CpuEngine::new(&Model::untrained(1, 0, 0)?, None)?;
        Ok(Self { list, filters, engines })
    }

    pub(super) fn list(&self) -> &[Contestant] {
        &self.list
    }

    /// The model's engines, and why those.
    pub(super) const fn engines(&self) -> &BTreeMap<String, String> {
        &self.engines
    }

    /// Whether the clip is to be encoded at full size, too.
    pub(super) fn wants_full(&self) -> bool {
        self.list.iter().any(|c| c.kind == ContestantKind::Full)
    }

    /// The next frame is the first of a stream: nothing of the one before is followed.
    pub(super) fn begin(&mut self) -> anyhow::Result<()> {
        for contestant in &mut self.list {
            if let How::Model(upscaler, model) = &mut contestant.how {
                // Weights that are given anew follow no picture, though they are the same.
                upscaler.set_weights(model)?;
            }
        }
        Ok(())
    }

    /// What each makes of a frame that is shown at the size `shown`; none where it did not get one. What comes at that
    /// size already is shown as it came.
    pub(super) fn outputs(
        &mut self,
        low: Option<&Decoded>,
        full: Option<&Decoded>,
        shown: Size,
    ) -> anyhow::Result<Vec<Option<Frame>>> {
        let filters = &mut self.filters;
        let mut output = |contestant: &mut Contestant| -> anyhow::Result<Option<Frame>> {
            if let How::Full = contestant.how {
                return Ok(full.map(|f| f.frame.clone()));
            }
            let Some(low) = low else { return Ok(None) };
            if low.frame.size() == shown {
                return Ok(Some(low.frame.clone()));
            }
            Ok(Some(match &mut contestant.how {
                How::Filter(method) => filters.upscale(&low.frame, *method)?,
                How::Fsr1 => {
                    let [_, u, v] = filters.upscale(&low.frame, Method::Bicubic)?.into_planes();
                    Frame::new(fsr1::luma(low.frame.y())?, u, v, low.frame.colour, low.frame.stamp)?
                }
                How::Model(upscaler, _) => upscaler.upscale(&low.frame, Method::Cnn)?,
                How::Full => return Ok(None),
            }))
        };
        self.list.iter_mut().map(&mut output).collect()
    }
}

/// `NAME@AMOUNT`: a model and how far it goes to its vivid weights.
pub(in crate::commands) fn vivid(given: &str) -> anyhow::Result<(&str, f32)> {
    let Some((name, amount)) = given.rsplit_once('@') else { return Ok((given, 0.0)) };
    let amount: Amount = amount.parse().map_err(InputFault)?;
    Ok((name, amount.0))
}

/// `all` and `none` become what they stand for.
fn named(models: &[String]) -> anyhow::Result<Vec<String>> {
    let mut names = Vec::new();
    for given in models {
        match given.as_str() {
            "all" => names.extend(Model::shipped().map(str::to_owned)),
            "none" if models.len() == 1 => {}
            "none" => return Err(InputFault("--models none goes with no other model".into()).into()),
            _ => names.push(given.clone()),
        }
    }
    Ok(names)
}
