//! From rows to curves and means.

use std::collections::BTreeMap;

use clearcall::measure::{CurveError, Metric, Overtaking, RatePoint, bd_rate, overtaking};
use serde::Serialize;

use super::{
    contestants::{BICUBIC, ContestantKind, FULL},
    row::Row,
};

/// One upscaler's curve of one score on one clip, against the two anchors.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Curve {
    pub(super) clip: String,
    pub(super) upscaler: String,
    pub(super) metric: Metric,
    /// In percent of bicubic's rate, negative where it needs less.
    pub(super) bd_rate_bicubic: Option<f64>,
    /// In percent of the rate of the encode at full size.
    pub(super) bd_rate_full: Option<f64>,
    /// Where the encode at full size becomes better: `at`, `never`, `already`.
    pub(super) full_overtakes: Option<&'static str>,
    /// For `at`: bits per second.
    pub(super) full_overtakes_bps: Option<f64>,
    /// Why one of these is missing.
    pub(super) notes: Vec<String>,
}

/// One upscaler over all clips and bitrates.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Mean {
    pub(super) upscaler: String,
    pub(super) kind: ContestantKind,
    /// Rows that it is the mean of.
    pub(super) rows: usize,
    #[serde(flatten)]
    pub(super) scores: BTreeMap<Metric, f64>,
    /// Mean gains over bicubic.
    pub(super) gain: BTreeMap<Metric, f64>,
    /// The worst of the gains; of LPIPS, the largest ratio.
    pub(super) least_gain: BTreeMap<Metric, f64>,
    /// Where that is.
    pub(super) least_gain_at: BTreeMap<Metric, Place>,
    pub(super) flicker: Option<f64>,
    pub(super) flicker_truth: Option<f64>,
    pub(super) grain: Option<f64>,
    pub(super) grain_truth: Option<f64>,
    pub(super) grid: Option<f64>,
    /// The largest, up or down.
    pub(super) luma_shift: f64,
    /// Means over the clips that have one.
    pub(super) bd_rate_bicubic: BTreeMap<Metric, f64>,
    pub(super) bd_rate_full: BTreeMap<Metric, f64>,
}

/// A clip at a bitrate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Place {
    pub(super) clip: String,
    /// The one that was asked for.
    pub(super) bitrate_bps: u32,
}

impl Place {
    fn of(row: &Row) -> Self {
        Self { clip: row.clip.clone(), bitrate_bps: row.bitrate_bps.target }
    }
}

/// Clips and upscalers in the order in which they come.
fn names(rows: &[Row], of: impl Fn(&Row) -> String) -> Vec<String> {
    let mut names = Vec::new();
    for name in rows.iter().map(of) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    names
}

/// The curves; none where there is a single bitrate.
pub(super) fn curves(rows: &[Row], metrics: &[Metric]) -> Vec<Curve> {
    let points = |clip: &str, upscaler: &str, metric: Metric| -> Vec<RatePoint> {
        let own = rows.iter().filter(|r| r.clip == clip && r.contestant() == upscaler);
        let point = |r: &Row| {
            Some(RatePoint { rate: r.bitrate_bps.measured, quality: metric.quality(*r.scores.get(&metric)?) })
        };
        own.filter_map(point).collect()
    };
    let mut curves = Vec::new();
    let bicubic = rows.iter().find(|r| r.upscaler == BICUBIC).map_or_else(|| BICUBIC.to_owned(), Row::contestant);
    for clip in &names(rows, |r| r.clip.clone()) {
        for upscaler in &names(rows, Row::contestant) {
            for &metric in metrics {
                let own = points(clip, upscaler, metric);
                if own.len() > 1 {
                    let against = |anchor: &str| points(clip, anchor, metric);
                    let anchors = [against(&bicubic), against(FULL)];
                    let anchor = *upscaler == bicubic;
                    curves.push(curve(clip, upscaler, anchor, metric, &own, &anchors));
                }
            }
        }
    }
    curves
}

fn curve(
    clip: &str,
    upscaler: &str,
    anchor: bool,
    metric: Metric,
    own: &[RatePoint],
    [bicubic, full]: &[Vec<RatePoint>; 2],
) -> Curve {
    let mut notes = Vec::new();
    let mut noted = |what: &str, result: Result<f64, CurveError>| match result {
        Ok(value) => Some(value),
        Err(why) => {
            notes.push(format!("no {what}, as {why}"));
            None
        }
    };
    let bd_rate_bicubic = (!anchor).then(|| noted("BD-rate against bicubic", bd_rate(bicubic, own))).flatten();
    let has_full = upscaler != FULL && !full.is_empty();
    let bd_rate_full = has_full.then(|| noted("BD-rate against full size", bd_rate(full, own))).flatten();
    let (full_overtakes, full_overtakes_bps) = match has_full.then(|| overtaking(own, full)) {
        Some(Ok(Overtaking::At(rate))) => (Some("at"), Some(rate)),
        Some(Ok(Overtaking::Never)) => (Some("never"), None),
        Some(Ok(Overtaking::Already)) => (Some("already"), None),
        Some(Err(_)) | None => (None, None),
    };
    Curve {
        clip: clip.to_owned(),
        upscaler: upscaler.to_owned(),
        metric,
        bd_rate_bicubic,
        bd_rate_full,
        full_overtakes,
        full_overtakes_bps,
        notes,
    }
}

/// One line for each upscaler.
pub(super) fn means(rows: &[Row], curves: &[Curve]) -> Vec<Mean> {
    let mut means = Vec::new();
    for upscaler in names(rows, Row::contestant) {
        let own: Vec<&Row> = rows.iter().filter(|r| r.contestant() == upscaler).collect();
        let Some(first) = own.first() else { continue };
        let gains = own.iter().flat_map(|r| r.gain.iter().map(|(m, v)| (*m, *v)));
        let gain = by_metric(gains, mean);
        let of = |metric: Metric| own.iter().filter_map(move |r| Some((*r.gain.get(&metric)?, *r)));
        let least: Vec<_> = gain.keys().filter_map(|&metric| Some((metric, metric.worst(of(metric))?))).collect();
        let bd = |of: fn(&Curve) -> Option<f64>| {
            let curves = curves.iter().filter(|c| c.upscaler == upscaler);
            by_metric(curves.filter_map(|c| Some((c.metric, of(c)?))), mean)
        };
        means.push(Mean {
            upscaler: upscaler.clone(),
            kind: first.kind,
            rows: own.len(),
            scores: by_metric(own.iter().flat_map(|r| r.scores.iter().map(|(m, v)| (*m, *v))), mean),
            gain,
            least_gain: least.iter().map(|(metric, (gain, _))| (*metric, *gain)).collect(),
            least_gain_at: least.iter().map(|(metric, (_, row))| (*metric, Place::of(row))).collect(),
            flicker: present(own.iter().map(|r| r.flicker)),
            flicker_truth: present(own.iter().map(|r| r.flicker_truth)),
            grain: present(own.iter().map(|r| r.grain)),
            grain_truth: present(own.iter().map(|r| r.grain_truth)),
            grid: present(own.iter().map(|r| r.grid)),
            luma_shift: own.iter().map(|r| r.luma_shift).fold(0.0, |a, b| if b.abs() > f64::abs(a) { b } else { a }),
            bd_rate_bicubic: bd(|c| c.bd_rate_bicubic),
            bd_rate_full: bd(|c| c.bd_rate_full),
        });
    }
    means
}

/// Values that belong to one metric, folded to one.
fn by_metric(values: impl Iterator<Item = (Metric, f64)>, fold: fn(&[f64]) -> f64) -> BTreeMap<Metric, f64> {
    let mut lists: BTreeMap<Metric, Vec<f64>> = BTreeMap::new();
    for (metric, value) in values {
        lists.entry(metric).or_default().push(value);
    }
    lists.into_iter().map(|(metric, list)| (metric, fold(&list))).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// The mean of those that are there.
fn present(values: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    let values: Vec<f64> = values.flatten().collect();
    (!values.is_empty()).then(|| mean(&values))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::commands::bench::quality::row::{Bitrate, Frames};
    use clearcall::pipeline::SizeChoice;
    use clearcall::source::clip::Loss;

    /// A row at a bitrate with a PSNR.
    pub(in super::super) fn row(clip: &str, upscaler: &str, rate: f64, psnr: f64) -> Row {
        let kind = if upscaler == FULL { ContestantKind::Full } else { ContestantKind::Filter };
        Row {
            clip: clip.to_owned(),
            size: "96x64".to_owned(),
            asked_size: SizeChoice::Auto,
            sent_size: "48x32".to_owned(),
            upscaler: upscaler.to_owned(),
            kind,
            bitrate_bps: Bitrate { target: rate as u32, measured: rate },
            frames: Frames { read: 10, sent: 10, skipped: 0, loss: Loss::default() },
            scores: [(Metric::PsnrY, psnr)].into(),
            gain: BTreeMap::new(),
            flicker: Some(psnr / 100.0),
            flicker_truth: None,
            still: 0.5,
            grain: Some(0.25),
            grain_truth: None,
            grid: Some(psnr / 1000.0),
            luma_shift: 0.0,
            qp: None,
            compared_at: None,
        }
    }

    /// A curve of three points at a share of the rate.
    pub(in super::super) fn rows(clip: &str, upscaler: &str, share: f64) -> Vec<Row> {
        let points = [(100e3, 30.0), (200e3, 33.0), (400e3, 35.0)];
        points.map(|(rate, psnr)| row(clip, upscaler, share * rate, psnr)).into()
    }

    #[test]
    fn known_savings_come_out_for_each_clip_and_in_the_mean() {
        let all = [
            rows("a", BICUBIC, 1.0),
            rows("a", "net", 0.8),
            rows("b", BICUBIC, 1.0),
            rows("b", "net", 0.6),
            rows("b", FULL, 0.5),
        ]
        .concat();
        let curves = curves(&all, &[Metric::PsnrY]);
        let near = |a: Option<f64>, b: f64| a.is_some_and(|a| (a - b).abs() < 1e-9);
        let of = |clip: &str, upscaler: &str| curves.iter().find(|c| c.clip == clip && c.upscaler == upscaler).unwrap();
        assert!(near(of("a", "net").bd_rate_bicubic, -20.0) && near(of("b", "net").bd_rate_bicubic, -40.0));
        assert!(near(of("b", "net").bd_rate_full, 20.0) && near(of("b", FULL).bd_rate_bicubic, -50.0));
        assert_eq!((of("b", "net").full_overtakes, of("a", "net").full_overtakes), (Some("already"), None));
        assert_eq!((of("a", BICUBIC).bd_rate_bicubic, of("b", FULL).bd_rate_full), (None, None));
        let means = means(&all, &curves);
        let net = means.iter().find(|m| m.upscaler == "net").unwrap();
        assert!(near(net.bd_rate_bicubic.get(&Metric::PsnrY).copied(), -30.0));
        assert!(near(net.bd_rate_full.get(&Metric::PsnrY).copied(), 20.0), "of the one clip that has it");
        assert_eq!((net.rows, net.flicker_truth), (6, None));
        assert!(near(net.flicker, 98.0 / 300.0) && near(net.grid, 98.0 / 3000.0) && net.grain_truth.is_none());
    }

    #[test]
    fn the_bitrate_at_which_full_size_wins_is_found() {
        let mut all = vec![row("a", BICUBIC, 100e3, 30.0), row("a", BICUBIC, 400e3, 34.0)];
        all.extend([row("a", FULL, 100e3, 28.0), row("a", FULL, 400e3, 36.0)]);
        let curves = curves(&all, &[Metric::PsnrY]);
        assert_eq!(curves[0].full_overtakes, Some("at"));
        assert!((curves[0].full_overtakes_bps.unwrap() - 200e3).abs() < 1.0);
    }

    #[test]
    fn a_missing_number_has_a_reason() {
        let all = [rows("a", BICUBIC, 1.0), vec![row("a", "x", 1e5, 50.0), row("a", "x", 2e5, 51.0)]].concat();
        let curves = curves(&all, &[Metric::PsnrY]);
        let x = curves.iter().find(|c| c.upscaler == "x").unwrap();
        assert!(x.bd_rate_bicubic.is_none() && x.notes[0].contains("do not overlap"), "{:?}", x.notes);
        assert!(super::curves(&all[..1], &[Metric::PsnrY]).is_empty(), "one point is no curve");
    }

    #[test]
    fn the_worst_shift_and_the_least_gain_are_kept() {
        let mut all = rows("a", "x", 1.0);
        for (row, (gain, shift)) in all.iter_mut().zip([(0.5, 0.1), (-0.25, -0.4), (0.8, 0.3)]) {
            row.gain = [(Metric::PsnrY, gain), (Metric::Lpips, 1.0 + gain)].into();
            row.luma_shift = shift;
        }
        let mean = &means(&all, &[])[0];
        assert_eq!((mean.least_gain[&Metric::PsnrY], mean.luma_shift), (-0.25, -0.4));
        assert!((mean.gain[&Metric::PsnrY] - 0.35).abs() < 1e-12);
        assert_eq!(mean.least_gain[&Metric::Lpips], 1.8, "the largest ratio");
        let at = |bitrate_bps| Place { clip: "a".to_owned(), bitrate_bps };
        let places = [(Metric::PsnrY, at(200_000)), (Metric::Lpips, at(400_000))];
        assert_eq!(mean.least_gain_at, places.into());
    }
}
