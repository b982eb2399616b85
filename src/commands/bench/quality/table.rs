//! Rows as words and as CSV.

use std::fmt::Write as _;

use clearcall::{measure::Metric, source::clip::Loss};

use super::{
    contestants::{BICUBIC, FULL},
    row::Row,
    summary::{Curve, Mean},
};

/// The width of a score's column.
const COLUMN: usize = 12;

/// All of it, for people.
pub(super) fn text(rows: &[Row], means: &[Mean], curves: &[Curve], metrics: &[Metric]) -> String {
    let mut out = String::new();
    let widest = rows.iter().map(|r| r.contestant().chars().count()).max().unwrap_or(0).max(10);
    let clips = rows.iter().map(|r| r.clip.chars().count()).max().unwrap_or(0).max(4);
    let _ = write!(out, "{:<clips$} {:>6} {:>6} {:>6}  {:<widest$}", "clip", "kbit/s", "real", "frames", "upscaler");
    for metric in metrics {
        let _ = write!(out, "{metric:>COLUMN$}");
    }
    let _ = writeln!(out, "{}{:>8}", in_codes_head(), "luma");
    for row in rows {
        let f = row.frames;
        let sent = if f.skipped == 0 { f.sent.to_string() } else { format!("{}/{}", f.sent, f.read) };
        let _ = write!(
            out,
            "{:<clips$} {:>6} {:>6.0} {sent:>6}  {:<widest$}",
            row.clip,
            row.bitrate_bps.target / 1000,
            row.bitrate_bps.measured / 1e3,
            row.contestant()
        );
        for metric in metrics {
            let score = row.scores.get(metric).map(|s| format!("{s:.*}", metric.digits()));
            let _ = write!(out, "{:>COLUMN$}", score.unwrap_or_default());
        }
        let codes = [row.flicker, row.flicker_truth, row.grain, row.grain_truth, row.grid];
        let _ = writeln!(out, "{}{:>+8.2}", in_codes(codes), row.luma_shift);
    }
    if rows.iter().any(|r| r.frames.skipped > 0) {
        out.push_str(
            "frames: sent of those read. Only frames that were sent are scored, each against its own truth.\n",
        );
    }
    lacking(&mut out, rows);
    gains(&mut out, means, metrics, widest);
    if rows.iter().filter(|row| row.contestant() == rows[0].contestant()).count() > 1 {
        least_gains(&mut out, means, metrics, widest);
    }
    rates(&mut out, means, curves, metrics, widest);
    out
}

/// Which clips lack pictures, each once.
fn lacking(out: &mut String, rows: &[Row]) {
    let mut told: Vec<&str> = Vec::new();
    for row in rows.iter().filter(|row| row.frames.loss != Loss::default()) {
        if !told.contains(&row.clip.as_str()) {
            told.push(&row.clip);
            let _ = writeln!(out, "{}: {}; what came of it was measured.", row.clip, row.frames.loss);
        }
    }
}

fn in_codes_head() -> String {
    format!("{:>9}{:>9}{:>7}{:>9}{:>7}", "flicker", "truth's", "grain", "truth's", "grid")
}

/// Flicker and grain, each with the truth's, and the grid.
fn in_codes(codes: [Option<f64>; 5]) -> String {
    let [flicker, flicker_truth, grain, grain_truth, grid] =
        codes.map(|v| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.3}")));
    format!("{flicker:>9}{flicker_truth:>9}{grain:>7}{grain_truth:>9}{grid:>7}")
}

/// What each gains over bicubic.
fn gains(out: &mut String, means: &[Mean], metrics: &[Metric], widest: usize) {
    let rows = means.iter().map(|m| m.rows).max().unwrap_or(0);
    let lpips = if metrics.contains(&Metric::Lpips) { "; LPIPS: change of bicubic's, less is better" } else { "" };
    let _ = writeln!(out, "\nMean gain over bicubic, and the least, over {rows} clips and bitrates{lpips}");
    let _ = write!(out, "{:<widest$}", "upscaler");
    for metric in metrics {
        let _ = write!(out, "{metric:>20}");
    }
    let _ = writeln!(out, "{}{:>11}", in_codes_head(), "luma worst");
    for mean in means {
        let _ = write!(out, "{:<widest$}", mean.upscaler);
        for metric in metrics {
            let cell = match (mean.gain.get(metric), mean.least_gain.get(metric)) {
                (Some(&gain), Some(&least)) => format!("{} ({})", gained(*metric, gain), gained(*metric, least)),
                _ => mean.scores.get(metric).map(|s| format!("{s:.*}", metric.digits())).unwrap_or_default(),
            };
            let _ = write!(out, "{cell:>20}");
        }
        let codes = [mean.flicker, mean.flicker_truth, mean.grain, mean.grain_truth, mean.grid];
        let _ = writeln!(out, "{}{:>+11.2}", in_codes(codes), mean.luma_shift);
    }
}

/// A gain; that of LPIPS in percent of bicubic's.
fn gained(metric: Metric, gain: f64) -> String {
    let digits = metric.digits() + 1;
    match metric {
        Metric::Lpips => format!("{:+.1}%", 100.0 * (gain - 1.0)),
        _ => format!("{gain:+.digits$}"),
    }
}

/// On which clip and at which bitrate each gains least.
fn least_gains(out: &mut String, means: &[Mean], metrics: &[Metric], widest: usize) {
    let place = |mean: &Mean, metric: &Metric| {
        mean.least_gain_at.get(metric).map(|at| format!("{} {}", at.clip, at.bitrate_bps / 1000)).unwrap_or_default()
    };
    let cells = means.iter().flat_map(|mean| metrics.iter().map(|metric| place(mean, metric).chars().count()));
    let width = 2 + cells.max().unwrap_or(0).max(COLUMN);
    let mut line = |name: &str, cells: Vec<String>| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>width$}")).collect();
        let _ = writeln!(out, "{}", format!("{name:<widest$}{cells}").trim_end());
    };
    line("\nWhere the gain is least: clip and kbit/s", Vec::new());
    line("upscaler", metrics.iter().map(Metric::to_string).collect());
    for mean in means.iter().filter(|mean| !mean.least_gain_at.is_empty()) {
        line(&mean.upscaler, metrics.iter().map(|metric| place(mean, metric)).collect());
    }
}

/// BD-rates, and where the encode at full size becomes better.
fn rates(out: &mut String, means: &[Mean], curves: &[Curve], metrics: &[Metric], widest: usize) {
    let Some(&metric) = metrics.first() else { return };
    if curves.is_empty() {
        return;
    }
    let _ = writeln!(out, "\nBD-rate by {metric}: percent of the rate for the same quality, mean over the clips");
    let _ = writeln!(
        out,
        "{:<widest$}{:>16}{:>16}  full size is better from (kbit/s)",
        "upscaler", "against bicubic", "against full"
    );
    for mean in means {
        let percent = |v: Option<&f64>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:+.1}"));
        let overtaken = |c: &Curve| {
            let from = match (c.full_overtakes?, c.full_overtakes_bps) {
                (_, Some(bps)) => format!("{:.0}", bps / 1e3),
                ("already", _) => "the first bitrate".to_owned(),
                (word, _) => word.to_owned(),
            };
            Some(format!("{} {from}", c.clip))
        };
        let own = curves.iter().filter(|c| c.upscaler == mean.upscaler && c.metric == metric);
        let places: Vec<String> = own.filter_map(overtaken).collect();
        let line = format!(
            "{:<widest$}{:>16}{:>16}  {}",
            mean.upscaler,
            if mean.upscaler == BICUBIC { String::new() } else { percent(mean.bd_rate_bicubic.get(&metric)) },
            if mean.upscaler == FULL { String::new() } else { percent(mean.bd_rate_full.get(&metric)) },
            places.join(", ")
        );
        let _ = writeln!(out, "{}", line.trim_end());
    }
    for (note, whom) in notes(curves, metric) {
        let _ = writeln!(out, "{note}: {}", whom.join(", "));
    }
}

/// Why numbers are missing, each reason once with those whom it concerns.
fn notes(curves: &[Curve], metric: Metric) -> Vec<(String, Vec<&str>)> {
    let mut notes: Vec<(String, Vec<&str>)> = Vec::new();
    for curve in curves.iter().filter(|c| c.metric == metric) {
        for note in &curve.notes {
            let note = format!("{}: {note}", curve.clip);
            match notes.iter_mut().find(|n| n.0 == note) {
                Some((_, whom)) => whom.push(&curve.upscaler),
                None => notes.push((note, vec![&curve.upscaler])),
            }
        }
    }
    notes
}

/// One line for each row, with a head; fields that were not measured are empty.
pub(super) fn csv(rows: &[Row], metrics: &[Metric]) -> String {
    let mut head: Vec<String> = [
        "clip",
        "size",
        "sent_size",
        "upscaler",
        "kind",
        "bitrate_target",
        "bitrate_measured",
        "read",
        "sent",
        "skipped",
        "lost",
        "damaged",
    ]
    .map(str::to_owned)
    .into();
    head.extend(metrics.iter().map(|m| m.key().to_owned()));
    head.extend(metrics.iter().map(|m| format!("gain_{}", m.key())));
    head.extend(["flicker", "flicker_truth", "still", "grain", "grain_truth", "grid", "luma_shift"].map(str::to_owned));
    let mut out = head.join(",") + "\n";
    for row in rows {
        let kind = serde_json::to_value(row.kind).ok().and_then(|k| Some(k.as_str()?.to_owned())).unwrap_or_default();
        let mut fields = vec![
            quoted(&row.clip),
            row.size.clone(),
            row.sent_size.clone(),
            quoted(&row.upscaler),
            kind,
            row.bitrate_bps.target.to_string(),
            format!("{:.0}", row.bitrate_bps.measured),
            row.frames.read.to_string(),
            row.frames.sent.to_string(),
            row.frames.skipped.to_string(),
            row.frames.loss.lost.to_string(),
            row.frames.loss.damaged.to_string(),
        ];
        let number = |v: Option<f64>| v.map(|v| format!("{v:.6}")).unwrap_or_default();
        fields.extend(metrics.iter().map(|m| number(row.scores.get(m).copied())));
        fields.extend(metrics.iter().map(|m| number(row.gain.get(m).copied())));
        let still = [row.flicker, row.flicker_truth, Some(row.still)];
        let flat = [row.grain, row.grain_truth, row.grid];
        fields.extend(still.into_iter().chain(flat).chain([Some(row.luma_shift)]).map(number));
        out += &(fields.join(",") + "\n");
    }
    out
}

/// A field after RFC 4180.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::bench::quality::summary::{curves, means, tests};

    #[test]
    fn names_with_commas_and_quotes_stay_one_field() {
        assert_eq!(quoted("plain"), "plain");
        assert_eq!(quoted("a,b"), "\"a,b\"");
        assert_eq!(quoted("5\" x"), "\"5\"\" x\"");
        let rows = tests::rows("one, two", BICUBIC, 1.0);
        let csv = csv(&rows, &[Metric::PsnrY, Metric::Ssim]);
        let lines: Vec<&str> = csv.lines().collect();
        assert_eq!(lines.len(), 4);
        assert!(lines[1].starts_with("\"one, two\",96x64,48x32,bicubic,filter,100000,100000,10,10,0,0,0,30.000000,,"));
        assert!(lines[1].ends_with(",0.300000,,0.500000,0.250000,,0.030000,0.000000"), "{}", lines[1]);
    }

    #[test]
    fn each_reason_stands_once_and_frames_are_explained_where_some_are_missing() {
        let metrics = [Metric::PsnrY];
        let mut rows = [tests::rows("a", BICUBIC, 1.0), tests::rows("a", "net", 0.8)].concat();
        for upscaler in ["high", "higher"] {
            rows.extend([tests::row("a", upscaler, 1e5, 50.0), tests::row("a", upscaler, 2e5, 51.0)]);
        }
        let table = |rows: &[Row]| {
            let curves = curves(rows, &metrics);
            text(rows, &means(rows, &curves), &curves, &metrics)
        };
        let all = table(&rows);
        assert!(all.contains("-20.0"), "{all}");
        assert_eq!(all.matches("do not overlap").count(), 1, "{all}");
        assert!(all.contains(": high, higher") && !all.contains("each against its own truth"), "{all}");
        assert!(!all.contains("missing"), "{all}");
        rows[0].frames.skipped = 3;
        rows.iter_mut().for_each(|row| row.frames.loss.lost = 2);
        let all = table(&rows);
        assert!(all.contains("each against its own truth"), "{all}");
        assert_eq!(all.matches("a: 2 pictures are missing").count(), 1, "{all}");
    }
}
