//! Where a training starts: from chance, or from what a model computes.

use super::{TrainConfig, TrainError, block::BlockKind, grow, net::Net};
use crate::model::Model;

/// The network before the first step, and what is known of the model it comes from.
pub(super) struct Start {
    pub(super) net: Net,
    /// See [`Model::with_deadband_factor`].
    pub(super) deadband_factor: f32,
    /// [`None`]: it starts from chance.
    pub(super) from: Option<Origin>,
}

/// What a model says of itself that still holds where no step is made.
pub(super) struct Origin {
    pub(super) trained_on: String,
    pub(super) steps: u64,
}

impl Start {
    /// Makes the network that [`TrainConfig::from`] and what belongs to it tell of.
    ///
    /// # Errors
    ///
    /// When a file cannot be read or holds no model, when there are no vivid weights beside it but some are asked for,
    /// and when it is larger than what is to be trained.
    pub(super) fn new(config: &TrainConfig) -> Result<Self, TrainError> {
        let kind = BlockKind { wide: config.wide, by_qp: config.by_qp };
        let Some(path) = &config.from else {
            let net = Net::untrained(config.channels, config.layers, kind, config.seed)?;
            return Ok(Self { net, deadband_factor: 1.0, from: None });
        };
        let faithful = Model::read(path)?;
        let mut from = Origin { trained_on: faithful.info().trained_on.clone(), steps: faithful.info().steps };
        let mut model = faithful;
        if config.from_vivid > 0.0 {
            let Some(vivid) = Model::find_vivid(&path.to_string_lossy())? else {
                let beside = path.with_extension("vivid.safetensors");
                let why = format!("a start on the way to vivid weights that are not there: {}", beside.display());
                return Err(TrainError::Config(why));
            };
            let on_the_way = format!("; {} of the way to it from {}", config.from_vivid, model.name());
            from = Origin { trained_on: vivid.info().trained_on.clone() + &on_the_way, steps: vivid.info().steps };
            model = model.blended(&vivid, config.from_vivid)?;
        }
        if config.residual_gain != 1.0 {
            model = model.with_residual_gain(config.residual_gain)?;
            from.trained_on += &format!("; what it adds to bicubic {} times", config.residual_gain);
        }
        let (channels, layers) = (model.info().channels, model.info().depth);
        if channels > config.channels || layers > config.layers {
            let why = format!("{}: it has {channels} channels and {layers} layers", path.display());
            return Err(TrainError::Config(format!("a start that is larger than what is to be trained, {why}")));
        }
        let grown = grow::grown(&model, config.channels, config.layers, config.seed)?;
        let net = Net::from_model(&grown, kind, config.seed);
        Ok(Self { net, deadband_factor: model.deadband_factor(), from: Some(from) })
    }
}
