//! A traffic light for the network, decided from the numbers.

use crate::stats::Snapshot;

/// How the network does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Light {
    /// Nothing to complain of.
    Green,
    /// It is seen or felt.
    Amber,
    /// A call is hard to follow.
    Red,
}

/// The light and the reason for it. `wanted` is the bitrate that the person asked for, `age_ms` how old the
/// shown frames are now.
pub fn light(stats: &Snapshot, wanted: u32, age_ms: f64) -> (Light, String) {
    let n = &stats.network;
    let loss = 100.0 * n.loss_in.max(n.loss_out.unwrap_or(0.0));
    let share = f64::from(stats.bitrate_bps.target) / f64::from(wanted.max(1));
    let rtt = n.rtt_ms.unwrap_or(0.0);
    let of = |v: f64, amber: f64, red: f64| match v {
        v if v >= red => Light::Red,
        v if v >= amber => Light::Amber,
        _ => Light::Green,
    };
    let reasons = [
        (of(loss, 2.0, 8.0), format!("{loss:.1} % of the packets are lost")),
        (of(rtt, 200.0, 500.0), format!("a round trip takes {rtt:.0} ms")),
        (of(age_ms, 400.0, 1000.0), format!("pictures are {age_ms:.0} ms old")),
        (of(1.0 - share, 0.3, 0.7), format!("the network carries {:.0} % of the wanted bitrate", 100.0 * share)),
    ];
    let worst = reasons.into_iter().max_by_key(|(light, _)| *light);
    match worst {
        Some((light, why)) if light > Light::Green => (light, why),
        _ => (Light::Green, "good".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::{Bitrate, Network, Stats};

    fn with(network: Network, target: u32) -> Snapshot {
        let bitrate_bps = Bitrate { target, measured: 0.0 };
        Snapshot { network, bitrate_bps, ..Stats::default().snapshot() }
    }

    #[test]
    fn each_reason_has_its_light() {
        let good = Network { rtt_ms: Some(20.0), ..Network::default() };
        assert_eq!(light(&with(good, 300_000), 300_000, 90.0).0, Light::Green);
        let lossy = Network { loss_in: 0.03, ..good };
        let (amber, why) = light(&with(lossy, 300_000), 300_000, 90.0);
        assert!(amber == Light::Amber && why.contains("3.0 %"), "{why}");
        assert_eq!(light(&with(Network { loss_out: Some(0.2), ..good }, 300_000), 300_000, 90.0).0, Light::Red);
        assert_eq!(light(&with(good, 60_000), 300_000, 90.0).0, Light::Red);
        assert_eq!(light(&with(good, 300_000), 300_000, 450.0).0, Light::Amber);
        assert_eq!(light(&with(Network { rtt_ms: Some(700.0), ..good }, 300_000), 300_000, 90.0).0, Light::Red);
    }
}
