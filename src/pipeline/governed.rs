//! The governor in a call: the shipped models, a clock, and the battery.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    model::Model,
    upscale::{
        Precision, cpu,
        governor::{Budget, FrameTime, Governor, Level},
    },
};

/// How often the battery is looked at.
const BATTERY_INTERVAL: Duration = Duration::from_secs(10);

/// The program chooses the network, within these limits.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Auto {
    /// From these; from the shipped ones where it is empty.
    pub models: Vec<Arc<Model>>,
    /// The share of the machine that upscaling may take, 0 to 1; a half of each frame's time without it.
    pub cpu_share: Option<f64>,
    /// Takes less while the machine runs on its battery.
    pub spare_battery: bool,
}

pub(super) struct Governed {
    auto: Auto,
    fps: f32,
    /// The smallest first.
    models: Vec<Arc<Model>>,
    governor: Governor,
    begun: Instant,
    looked: Instant,
}

impl Governed {
    pub(super) fn new(auto: Auto, fps: f32) -> Self {
        let models = family(&auto);
        let costs: Vec<usize> = models.iter().map(|m| m.mac_per_pixel()).collect();
        let now = Instant::now();
        let governor = Governor::new(&costs, budget(&auto, fps), Duration::ZERO);
        Self { auto, fps, models, governor, begun: now, looked: now }
    }

    /// Goes on within other limits, and with models that cost the same; false where they do not.
    pub(super) fn adopt(&mut self, auto: &Auto, fps: f32) -> bool {
        let models = family(auto);
        if !models.iter().map(|m| m.mac_per_pixel()).eq(self.models.iter().map(|m| m.mac_per_pixel())) {
            return false;
        }
        (self.models, self.auto, self.fps) = (models, auto.clone(), fps);
        self.governor.set_budget(budget(&self.auto, fps), self.begun.elapsed());
        true
    }

    /// The engine computes in this.
    pub(super) fn set_precision(&mut self, precision: Precision) {
        self.governor.set_precision(precision);
    }

    /// The network that ran last where none runs now: the smallest.
    pub(super) fn smallest(&self) -> Option<&Arc<Model>> {
        self.models.first()
    }

    /// The network to use; none is for bicubic alone.
    pub(super) fn model(&self) -> Option<&Arc<Model>> {
        match self.governor.at() {
            Level::Off => None,
            Level::Model(i) => self.models.get(i),
        }
    }

    /// Its name, and why it is that one.
    pub(super) fn why(&self) -> (&str, String) {
        (self.model().map_or("off", |m| m.name()), self.governor.why().to_string())
    }

    /// A frame took so long; true when something changes.
    pub(super) fn frame(&mut self, took: FrameTime) -> bool {
        let now = self.begun.elapsed();
        if self.looked.elapsed() > BATTERY_INTERVAL {
            self.looked = Instant::now();
            self.governor.set_budget(budget(&self.auto, self.fps), now);
        }
        self.governor.frame(now, took).is_some()
    }
}

/// What is chosen from, the smallest first.
fn family(auto: &Auto) -> Vec<Arc<Model>> {
    let shipped = || Model::shipped().filter_map(|n| Model::find(n).ok()).map(Arc::new).collect();
    let mut models = if auto.models.is_empty() { shipped() } else { auto.models.clone() };
    // Of models that cost the same the one that is named first is meant for everyone.
    models.sort_by_key(|m| m.mac_per_pixel());
    models.dedup_by_key(|m| m.mac_per_pixel());
    models
}

fn budget(auto: &Auto, fps: f32) -> Budget {
    // A share of the machine is a larger share of a few threads' time.
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let share = auto.cpu_share.map(|share| share * cores as f64 / cpu::default_threads() as f64);
    Budget::new(fps, share, auto.spare_battery && on_battery())
}

impl Auto {
    /// Whether this system tells that it runs on its battery; elsewhere [`Auto::spare_battery`] has no effect and is
    /// not offered.
    pub const KNOWS_BATTERY: bool = cfg!(target_os = "linux");
}

/// Whether a battery is being emptied; where that cannot be told, no.
fn on_battery() -> bool {
    let Ok(supplies) = std::fs::read_dir("/sys/class/power_supply") else { return false };
    supplies.flatten().any(|supply| {
        let is = |file: &str, word: &str| {
            std::fs::read_to_string(supply.path().join(file)).is_ok_and(|text| text.trim() == word)
        };
        is("type", "Battery") && is("status", "Discharging") && !is("scope", "Device")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_comes_first_and_slow_frames_end_in_bicubic() {
        let mut governed = Governed::new(Auto::default(), 30.0);
        let costs: Vec<_> = governed.models.iter().map(|m| m.mac_per_pixel()).collect();
        assert!(!costs.is_empty() && costs.windows(2).all(|w| w[0] < w[1]), "{costs:?}");
        assert_eq!(governed.model().map(|m| m.name()), Some("nano"));
        // As if the call had begun a while ago.
        let Some(begun) = governed.begun.checked_sub(Duration::from_secs(1)) else { return };
        governed.begun = begun;
        let changed = (0..20).filter(|_| governed.frame(Duration::from_millis(500).into())).count();
        assert_eq!((changed, governed.why()), (1, ("off", "no model is fast enough".to_owned())));
        assert!(governed.model().is_none());
    }

    #[test]
    fn it_goes_on_with_other_limits_and_weights_but_not_with_other_costs() {
        let of = |depths: [usize; 2], seed| Auto {
            models: depths.map(|n| Arc::new(Model::untrained(4, n, seed).unwrap())).into(),
            ..Auto::default()
        };
        let first = of([1, 0], 1);
        let mut governed = Governed::new(first.clone(), 30.0);
        assert!(governed.model().is_some_and(|m| Arc::ptr_eq(m, &first.models[1])), "the smallest");
        let vivid = Auto { cpu_share: Some(0.1), ..of([1, 0], 2) };
        assert!(governed.adopt(&vivid, 15.0));
        assert!(governed.model().is_some_and(|m| Arc::ptr_eq(m, &vivid.models[1])));
        assert!(!governed.adopt(&of([2, 0], 1), 15.0));
        assert!(governed.smallest().is_some_and(|m| Arc::ptr_eq(m, &vivid.models[1])));
    }
}
