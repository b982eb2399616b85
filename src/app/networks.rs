//! The networks that can be chosen, and how vivid they are.

use std::sync::Arc;

use crate::model::Model;

/// A network that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelChoice {
    /// Whether it has vivid weights to be blended with.
    pub vivid: bool,
    /// Its name.
    pub name: String,
    /// Multiplications for a low-resolution pixel.
    pub mac_per_pixel: usize,
}

/// The shipped networks, and the one that was asked for if it is another.
pub(crate) struct Networks {
    /// As they are blended now.
    models: Vec<Arc<Model>>,
    choices: Vec<ModelChoice>,
    twins: Vec<Option<Twin>>,
    vivid: f32,
    /// Where the shipped ones begin.
    shipped: usize,
}

/// A network as it was trained for the right values, and its vivid weights.
struct Twin {
    faithful: Arc<Model>,
    vivid: Model,
}

impl Networks {
    /// With `asked`, whose vivid weights are `weights` if it is none of the shipped ones.
    pub(crate) fn new(asked: &Arc<Model>, weights: Option<Model>) -> Self {
        let found = |name| Model::find(name).map_err(|error| tracing::warn!("{error}")).ok();
        let mut models: Vec<Arc<Model>> = Model::shipped().filter_map(found).map(Arc::new).collect();
        let mut twins: Vec<Option<Twin>> = models.iter().map(Twin::of_shipped).collect();
        let shipped = usize::from(!models.iter().any(|m| **m == **asked));
        if shipped > 0 {
            models.insert(0, Arc::clone(asked));
            twins.insert(0, weights.and_then(|vivid| Twin::new(asked, vivid)));
        }
        let choice = |(model, twin): (&Arc<Model>, &Option<Twin>)| ModelChoice {
            name: model.name().to_owned(),
            mac_per_pixel: model.mac_per_pixel(),
            vivid: twin.is_some(),
        };
        let choices = models.iter().zip(&twins).map(choice).collect();
        Self { models, choices, twins, vivid: 0.0, shipped }
    }

    /// All of them.
    pub(crate) fn models(&self) -> &[Arc<Model>] {
        &self.models
    }

    /// All of them, for people.
    pub(crate) fn choices(&self) -> &[ModelChoice] {
        &self.choices
    }

    /// What the program chooses from by itself.
    pub(crate) fn shipped(&self) -> Vec<Arc<Model>> {
        self.models[self.shipped..].to_vec()
    }

    /// Its place, blended or not.
    pub(crate) fn position(&self, model: &Arc<Model>) -> Option<usize> {
        let is = |m: &Arc<Model>| Arc::ptr_eq(m, model) || **m == **model;
        let faithful = |i: usize| self.twins[i].as_ref().map(|twin| &twin.faithful);
        (0..self.models.len()).find(|i| is(&self.models[*i]) || faithful(*i).is_some_and(is))
    }

    /// The name of one as it is without being blended.
    pub(crate) fn name(&self, i: usize) -> Option<&str> {
        let twin = self.twins.get(i)?.as_ref().map(|twin| &twin.faithful);
        Some(twin.unwrap_or(&self.models[i]).name())
    }

    /// The one with this name.
    pub(crate) fn named(&self, name: &str) -> Option<&Arc<Model>> {
        (0..self.models.len()).find(|i| self.name(*i) == Some(name)).map(|i| &self.models[i])
    }

    /// How far they are blended to their vivid weights.
    pub(crate) fn vivid(&self) -> f32 {
        self.vivid
    }

    /// Puts networks that are so vivid in the place of those that there are.
    pub(crate) fn blend(&mut self, vivid: f32) {
        self.vivid = vivid;
        for ((model, choice), twin) in self.models.iter_mut().zip(&mut self.choices).zip(&self.twins) {
            let Some(Twin { faithful, vivid: weights }) = twin else { continue };
            if vivid <= 0.0 {
                *model = Arc::clone(faithful);
            } else if let Ok(blended) = faithful.blended(weights, vivid) {
                *model = Arc::new(blended);
            }
            choice.name = model.name().to_owned();
        }
    }
}

impl Twin {
    /// None where the weights do not fit.
    fn new(faithful: &Arc<Model>, vivid: Model) -> Option<Self> {
        let fits = faithful.blended(&vivid, 1.0).map_err(|error| tracing::warn!("{error}"));
        fits.is_ok().then(|| Self { faithful: Arc::clone(faithful), vivid })
    }

    fn of_shipped(model: &Arc<Model>) -> Option<Self> {
        let vivid = Model::find_vivid(model.name()).map_err(|error| tracing::warn!("{error}")).ok()??;
        Self::new(model, vivid)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blending_changes_those_that_have_a_twin_and_goes_back() {
        let faithful = Arc::new(Model::untrained(4, 1, 1).unwrap());
        let vivid = Model::untrained(4, 1, 2).unwrap();
        let mut networks = Networks::new(&faithful, Some(vivid));
        assert_eq!(networks.models().len(), Model::shipped().count() + 1);
        assert_eq!(networks.shipped().len(), Model::shipped().count());
        assert!(networks.choices()[0].vivid);
        let before: Vec<_> = networks.models().to_vec();
        networks.blend(0.5);
        assert_eq!((networks.choices()[0].name.as_str(), networks.vivid()), ("untrained-4-1@0.5", 0.5));
        assert_eq!(networks.name(0), Some("untrained-4-1"));
        assert_eq!(networks.position(&faithful), Some(0), "it is known blended as well");
        for (i, choice) in networks.choices().iter().enumerate() {
            assert_eq!(*networks.models()[i] != *before[i], choice.vivid, "{}", choice.name);
        }
        networks.blend(0.0);
        assert!(networks.models().iter().zip(&before).all(|(a, b)| Arc::ptr_eq(a, b)));
    }

    #[test]
    fn a_shipped_network_stands_in_the_list_once_and_weights_of_another_shape_are_left_out() {
        let Some(first) = Model::shipped().next() else { return };
        let asked = Arc::new(Model::find(first).unwrap());
        let networks = Networks::new(&asked, None);
        assert_eq!(networks.models().len(), Model::shipped().count());
        assert_eq!(networks.position(&asked), Some(0));
        assert!(networks.named(first).is_some_and(|m| **m == *asked) && networks.named("gone").is_none());
        // As `call --model medium --vivid 0.6` asks, whose model is not the one that lies in the list.
        for (i, name) in Model::shipped().enumerate() {
            let asked = Arc::new(Model::find(name).unwrap());
            let mut networks = Networks::new(&asked, None);
            networks.blend(0.6);
            assert_eq!(networks.position(&asked), Some(i), "{name}, blended");
        }
        let own = Arc::new(Model::untrained(4, 1, 1).unwrap());
        let networks = Networks::new(&own, Some(Model::untrained(4, 2, 1).unwrap()));
        assert!(!networks.choices()[0].vivid);
    }
}
