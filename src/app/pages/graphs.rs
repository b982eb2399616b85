//! The last minute in graphs: scores of both sides where the truth is known, and what the call does.

use std::collections::VecDeque;

use egui::{Color32, Label, RichText, Ui, vec2};
use egui_plot::{Line, Plot, PlotPoints};

use crate::app::{
    compare::{
        scorer::SideScores,
        sides::SideChoice,
        worth::{Errors, Worth},
    },
    networks::ModelChoice,
    theme::style,
};

/// Seconds that are kept and shown.
const SPAN: f64 = 60.0;
/// Seconds over which it is told what a side is worth.
const LATELY: f64 = 20.0;
/// Width of the panel.
pub(crate) const WIDTH: f32 = 300.0;

/// Numbers of the call at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Sample {
    /// Seconds since the call began.
    pub at: f64,
    /// Frames shown in the last second.
    pub fps: f64,
    /// Bits per second that arrived.
    pub received: f64,
    /// Bits per second that the encoder is asked for.
    pub target: f64,
    /// Milliseconds from capture to screen of the newest frame.
    pub age: f64,
    /// Round trip in milliseconds.
    pub rtt: f64,
    /// Share of the packets that were missed, in per cent.
    pub loss: f64,
}

/// The scores of the two sides at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Seconds since the call began.
    pub at: f64,
    /// Each side that was scored.
    pub sides: Vec<(SideChoice, SideScores)>,
    /// PSNR of luma in dB that bicubic would have without a codec, where that was measured.
    pub uncoded: Option<f64>,
}

/// What is remembered of the last minute.
#[derive(Debug, Clone, Default)]
pub struct Trace {
    samples: VecDeque<Sample>,
    scores: VecDeque<Scored>,
}

impl Trace {
    /// Adds numbers and forgets those of more than a minute ago.
    pub fn sample(&mut self, sample: Sample) {
        self.samples.push_back(sample);
        while self.samples.front().is_some_and(|s| sample.at - s.at > SPAN) {
            self.samples.pop_front();
        }
    }

    /// Adds scores likewise.
    pub fn score(&mut self, scored: Scored) {
        let now = scored.at;
        self.scores.push_back(scored);
        while self.scores.front().is_some_and(|s| now - s.at > SPAN) {
            self.scores.pop_front();
        }
    }

    /// The newest scores of a side, if they are not old.
    pub fn newest(&self, side: SideChoice) -> Option<SideScores> {
        let of_side = || {
            let lately = self.scores.iter().rev().take(6);
            lately.flat_map(|s| &s.sides).filter(|(s, _)| *s == side).map(|(_, scores)| *scores)
        };
        let newest = of_side().next()?;
        Some(SideScores { ssimulacra2: of_side().find_map(|s| s.ssimulacra2), ..newest })
    }

    /// What a side was worth in bits of bicubic in the last seconds; none where they were not scored together.
    pub fn worth(&self, side: SideChoice) -> Option<Worth> {
        if side == SideChoice::Bicubic {
            return None;
        }
        let lately = |at: f64| self.end() - at <= LATELY;
        let errors = self.scores.iter().filter(|s| lately(s.at)).filter_map(|scored| {
            let error = |psnr: f64| 10_f64.powf(-psnr / 10.0);
            let of = |wanted| scored.sides.iter().find(|(side, _)| *side == wanted).map(|(_, s)| error(s.psnr_y));
            let (bicubic, side) = (of(SideChoice::Bicubic)?, of(side)?);
            Some(Errors { bicubic, side, scaling: error(scored.uncoded?) })
        });
        let sum = errors.reduce(|a, b| Errors {
            bicubic: a.bicubic + b.bicubic,
            side: a.side + b.side,
            scaling: a.scaling + b.scaling,
        });
        // Before the first packets are counted there is no rate.
        let rates = self.samples.iter().filter(|s| lately(s.at) && s.received > 0.0).map(|s| s.received);
        let (rates, samples) = rates.fold((0.0, 0), |(sum, n), rate| (sum + rate, n + 1));
        if samples == 0 { None } else { Worth::of(sum?, rates / f64::from(samples)) }
    }

    fn scores_of(&self, side: SideChoice, of: fn(&SideScores) -> Option<f64>) -> Vec<[f64; 2]> {
        let at =
            |s: &Scored| s.sides.iter().find(|(x, _)| *x == side).and_then(|(_, scores)| Some([s.at, of(scores)?]));
        self.scores.iter().filter_map(at).collect()
    }

    fn samples_of(&self, of: fn(&Sample) -> f64) -> Vec<[f64; 2]> {
        self.samples.iter().map(|s| [s.at, of(s)]).collect()
    }

    fn end(&self) -> f64 {
        let scored = self.scores.back().map_or(0.0, |s| s.at);
        self.samples.back().map_or(0.0, |s| s.at).max(scored)
    }
}

/// A line of a graph.
struct Curve<'a> {
    name: &'a str,
    colour: Color32,
    points: Vec<[f64; 2]>,
}

/// Draws the panel. `truth` says whether the call's truth is known.
pub(crate) fn show(ui: &mut Ui, trace: &Trace, two: [SideChoice; 2], models: &[ModelChoice], truth: bool) {
    let p = style::palette(ui);
    let names = two.map(|side| side.name(models));
    let colours = [p.warning, p.accent];
    egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 3.0;
        let plots = if truth { 5.0 } else { 3.0 };
        let words = if truth { 140.0 } else { 60.0 };
        let height = ((ui.available_height() - words) / plots - 24.0).clamp(30.0, 150.0);
        if truth {
            table(ui, trace, two, &names, colours);
            for (side, name) in two.iter().zip(&names) {
                if let Some(worth) = trace.worth(*side) {
                    style::quiet(ui, format!("{name} equals {} with bicubic.", worth.bitrate()));
                }
            }
            let of = |of: fn(&SideScores) -> Option<f64>| {
                let curve =
                    |i: usize| Curve { name: &names[i], colour: colours[i], points: trace.scores_of(two[i], of) };
                [curve(0), curve(1)]
            };
            graph(ui, trace, "PSNR-Y, dB", height, of(|s| Some(s.psnr_y)), None);
            graph(ui, trace, "SSIMULACRA2", height, of(|s| s.ssimulacra2), None);
        } else {
            style::quiet(ui, "The truth is not known in this call, so there are no scores; look at the difference.");
        }
        let line = |name, colour, of| Curve { name, colour, points: trace.samples_of(of) };
        graph(ui, trace, "frames per second", height, [line("shown", p.good, |s| s.fps)], Some(0.0));
        let kbit = [line("target", p.quiet, |s| s.target / 1e3), line("received", p.accent, |s| s.received / 1e3)];
        graph(ui, trace, "kbit/s: target, received", height, kbit, Some(0.0));
        let ms = [
            line("age", p.accent, |s| s.age),
            line("round trip", p.good, |s| s.rtt),
            line("loss in 0.1 %", p.danger, |s| 10.0 * s.loss),
        ];
        graph(ui, trace, "ms: age, round trip; loss in 0.1 %", height, ms, Some(0.0));
    });
}

fn table(ui: &mut Ui, trace: &Trace, two: [SideChoice; 2], names: &[String; 2], colours: [Color32; 2]) {
    let p = style::palette(ui);
    ui.spacing_mut().interact_size.y = 16.0;
    egui::Grid::new("scores").num_columns(4).spacing(vec2(8.0, 2.0)).show(ui, |ui| {
        for head in ["", "PSNR-Y", "SSIM", "SSIMULACRA2"] {
            ui.label(RichText::new(head).small().color(p.quiet));
        }
        ui.end_row();
        let found = two.map(|side| trace.newest(side));
        for i in 0..2 {
            ui.scope(|ui| {
                ui.set_max_width(70.0);
                ui.add(Label::new(RichText::new(&names[i]).small().color(colours[i]).strong()).truncate());
            });
            numbers(ui, found[i].map(|s| [Some(s.psnr_y), Some(s.ssim), s.ssimulacra2]), "");
            ui.end_row();
        }
        ui.label(RichText::new("B over A").small().color(p.quiet));
        let more = found[0].zip(found[1]).map(|(a, b)| {
            let ssimulacra2 = b.ssimulacra2.zip(a.ssimulacra2).map(|(b, a)| b - a);
            [Some(b.psnr_y - a.psnr_y), Some(b.ssim - a.ssim), ssimulacra2]
        });
        numbers(ui, more, "+");
        ui.end_row();
    });
}

fn numbers(ui: &mut Ui, values: Option<[Option<f64>; 3]>, sign: &str) {
    for (i, digits) in [2, 4, 1].into_iter().enumerate() {
        let text = match (values.and_then(|v| v[i]), sign) {
            (Some(v), "+") => format!("{v:+.digits$}"),
            (Some(v), _) => format!("{v:.digits$}"),
            (None, _) => "–".to_owned(),
        };
        ui.label(RichText::new(text).monospace().size(12.0));
    }
}

fn graph<'a>(
    ui: &mut Ui,
    trace: &Trace,
    title: &str,
    height: f32,
    curves: impl IntoIterator<Item = Curve<'a>>,
    from: Option<f64>,
) {
    let p = style::palette(ui);
    ui.label(RichText::new(title).small().color(p.quiet));
    let end = trace.end();
    let mut plot = Plot::new(title)
        .height(height)
        .include_x(end - SPAN)
        .include_x(end)
        .show_axes([false, true])
        .show_grid([false, true])
        .y_axis_min_width(34.0)
        .show_background(false)
        .show_x(false)
        .allow_zoom(false)
        .allow_drag(false)
        .allow_scroll(false)
        .allow_boxed_zoom(false)
        .allow_double_click_reset(false)
        .sense(egui::Sense::hover());
    if let Some(from) = from {
        plot = plot.include_y(from);
    }
    plot.show(ui, |plot| {
        for Curve { name, colour, points } in curves {
            plot.line(Line::new(name, PlotPoints::from(points)).color(colour).width(1.5));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_side_is_worth_what_the_last_seconds_say() {
        let network = SideChoice::Network(0);
        let mut trace = Trace::default();
        let add = |trace: &mut Trace, at: f64, gain: f64, uncoded: Option<f64>| {
            let scores = |psnr_y| SideScores { psnr_y, ssim: 0.9, ssimulacra2: None };
            let sides = vec![(SideChoice::Bicubic, scores(30.0)), (network, scores(30.0 + gain))];
            trace.score(Scored { at, sides, uncoded });
            trace.sample(Sample { at, received: 2e5 + 1e4 * at, ..Sample::default() });
        };
        add(&mut trace, 0.5, 2.0, None);
        assert_eq!(trace.worth(network), None, "too little was scored");
        add(&mut trace, 1.0, 2.0, Some(36.0));
        for second in 25..35 {
            add(&mut trace, f64::from(second), 0.5, Some(36.0));
        }
        // 450 to 540 kbit/s, and half a dB more: not the one that there was before.
        let Errors { bicubic, side, scaling } =
            Errors { bicubic: 1.0, side: 10_f64.powf(-0.05), scaling: 10_f64.powf(-0.6) };
        assert_eq!(
            trace.worth(network).map(|w| w.times()),
            Worth::of(Errors { bicubic, side, scaling }, 1.0).map(|w| w.times())
        );
        assert_eq!(trace.worth(network).map(|w| w.bitrate()), Some("≈ 560 kbit/s".to_owned()));
        assert_eq!(trace.worth(SideChoice::Bicubic), None);
    }

    #[test]
    fn a_minute_is_kept() {
        let mut trace = Trace::default();
        (0..2000).for_each(|i| trace.sample(Sample { at: f64::from(i) / 10.0, ..Sample::default() }));
        assert_eq!(trace.samples.len(), 601);
        let scores = SideScores { psnr_y: 30.0, ssim: 0.9, ssimulacra2: Some(60.0) };
        trace.score(Scored { at: 1.0, sides: vec![(SideChoice::Bicubic, scores)], uncoded: None });
        trace.score(Scored { at: 62.0, sides: vec![(SideChoice::Lanczos, scores)], uncoded: None });
        assert_eq!(trace.scores.len(), 1);
        assert!(trace.newest(SideChoice::Bicubic).is_none() && trace.newest(SideChoice::Lanczos).is_some());
        assert_eq!(scores.in_words(), "30.00 dB · 0.900 · 60.0");
    }
}
