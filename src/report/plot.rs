//! Curves as SVG: small panels side by side, one legend.
//!
//! Drawn here and not by the `plotters` crate, which was tried: its axis of equal ratios labels powers of ten only, so
//! that between 150 and 1200 kbit/s stands one number, and its files are twice as large.

use std::fmt::Write as _;

/// The picture's kinds of line, in turn; after Okabe and Ito's palette, which colour-blind eyes tell apart.
const COLOURS: [&str; 8] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999"];
const PANEL: (f64, f64) = (420.0, 300.0);
/// Left, top, right and bottom of a panel, for its labels.
const EDGE: (f64, f64, f64, f64) = (62.0, 30.0, 14.0, 44.0);
/// Panels in a row, at most.
const COLUMNS: usize = 3;
const LEGEND_STEP: f64 = 150.0;

/// Some curves over one pair of axes.
#[derive(Debug, Clone, PartialEq)]
pub struct Panel {
    /// What stands over it.
    pub title: String,
    /// The curves; those of the same name look alike in all panels.
    pub curves: Vec<PlotCurve>,
}

/// Points joined by straight lines.
#[derive(Debug, Clone, PartialEq)]
pub struct PlotCurve {
    /// Its name in the legend.
    pub name: String,
    /// From left to right; those that are not finite are left out.
    pub points: Vec<(f64, f64)>,
}

/// What the axes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Axes<'a> {
    /// Below the horizontal one.
    pub x: &'a str,
    /// Beside the vertical one.
    pub y: &'a str,
    /// Equal distances to the right are equal ratios; only values above 0 are drawn then.
    pub log_x: bool,
}

/// The panels as one SVG document.
pub fn svg(axes: Axes<'_>, panels: &[Panel]) -> String {
    let mut names: Vec<&str> = Vec::new();
    for curve in panels.iter().flat_map(|p| &p.curves) {
        if !names.contains(&curve.name.as_str()) {
            names.push(&curve.name);
        }
    }
    let columns = panels.len().clamp(1, COLUMNS);
    let width = PANEL.0 * columns as f64;
    let per_line = ((width - 20.0) / LEGEND_STEP).max(1.0) as usize;
    let legend = 12.0 + 20.0 * names.len().div_ceil(per_line) as f64;
    let height = legend + PANEL.1 * panels.len().div_ceil(columns) as f64;
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    );
    for (i, name) in names.iter().enumerate() {
        let (x, y) = (14.0 + LEGEND_STEP * (i % per_line) as f64, 18.0 + 20.0 * (i / per_line) as f64);
        let (colour, dash) = look(i);
        let _ = writeln!(
            out,
            "<path d=\"M{x} {y}h24\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/><text x=\"{}\" y=\"{}\">{}</text>",
            x + 30.0,
            y + 4.0,
            escaped(name)
        );
    }
    for (i, panel) in panels.iter().enumerate() {
        let (x, y) = (PANEL.0 * (i % columns) as f64, legend + PANEL.1 * (i / columns) as f64);
        let _ = writeln!(out, "<g transform=\"translate({x} {y})\">");
        draw(&mut out, axes, panel, &names);
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

/// Colour and dashes of curve `i`.
fn look(i: usize) -> (&'static str, &'static str) {
    let dash = ["", " stroke-dasharray=\"6 3\"", " stroke-dasharray=\"2 3\""][i / COLOURS.len() % 3];
    (COLOURS[i % COLOURS.len()], dash)
}

fn draw(out: &mut String, axes: Axes<'_>, panel: &Panel, names: &[&str]) {
    let (left, top, right, bottom) = (EDGE.0, EDGE.1, PANEL.0 - EDGE.2, PANEL.1 - EDGE.3);
    let (middle, title) = (f64::midpoint(left, right), escaped(&panel.title));
    let _ = writeln!(out, "<text x=\"{middle}\" y=\"20\" text-anchor=\"middle\" font-weight=\"bold\">{title}</text>");
    let drawn = |p: &(f64, f64)| p.0.is_finite() && p.1.is_finite() && (!axes.log_x || p.0 > 0.0);
    let all = || panel.curves.iter().flat_map(|c| &c.points).copied().filter(|p| drawn(p));
    let x = Axis::new(all().map(|p| p.0), axes.log_x, left, right);
    let y = Axis::new(all().map(|p| p.1), false, bottom, top);
    for tick in x.ticks() {
        let at = x.place(tick);
        let _ = writeln!(
            out,
            "<path d=\"M{at:.1} {top}V{bottom}\" stroke=\"#ddd\"/><text x=\"{at:.1}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            bottom + 16.0,
            number(tick)
        );
    }
    for tick in y.ticks() {
        let at = y.place(tick);
        let _ = writeln!(
            out,
            "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            left - 6.0,
            at + 4.0,
            number(tick)
        );
    }
    let _ = writeln!(out, "<path d=\"M{left} {top}V{bottom}H{right}\" fill=\"none\" stroke=\"#444\"/>");
    let _ = writeln!(
        out,
        "<text x=\"{middle}\" y=\"{}\" text-anchor=\"middle\">{}</text>\
         <text transform=\"translate(14 {}) rotate(-90)\" text-anchor=\"middle\">{}</text>",
        bottom + 34.0,
        escaped(axes.x),
        f64::midpoint(top, bottom),
        escaped(axes.y)
    );
    for curve in &panel.curves {
        let (colour, dash) = look(names.iter().position(|n| *n == curve.name).unwrap_or(0));
        let places: Vec<_> = curve.points.iter().filter(|p| drawn(p)).map(|p| (x.place(p.0), y.place(p.1))).collect();
        let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
        if path.is_empty() {
            continue;
        }
        let _ = writeln!(
            out,
            "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"{dash}/>",
            path.join("L")
        );
        // A long curve is told by its line; marks would only hide it.
        if places.len() <= 20 {
            for (x, y) in places {
                let _ = writeln!(out, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
            }
        }
    }
}

/// From values to places.
struct Axis {
    low: f64,
    high: f64,
    log: bool,
    from: f64,
    to: f64,
}

impl Axis {
    fn new(values: impl Iterator<Item = f64>, log: bool, from: f64, to: f64) -> Self {
        let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
        let (low, high) = if low <= high { (low, high) } else { (1.0, 10.0) };
        let (low, high) = if log {
            let room = (high / low).powf(0.06).max(1.1);
            (low / room, high * room)
        } else {
            let room = ((high - low) * 0.06).max(high.abs().max(1.0) * 1e-3);
            (low - room, high + room)
        };
        Self { low, high, log, from, to }
    }

    fn place(&self, value: f64) -> f64 {
        let scale = |v: f64| if self.log { v.ln() } else { v };
        let share = (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low));
        self.from + share * (self.to - self.from)
    }

    /// Round values; at most twelve.
    fn ticks(&self) -> Vec<f64> {
        let inside = |v: &f64| (self.low..=self.high).contains(v);
        if self.log {
            let first = self.low.log10().floor() as i32;
            let last = self.high.log10().ceil() as i32;
            let steps: &[f64] = match self.high / self.low {
                r if r > 2000.0 => &[1.0],
                r if r > 8.0 => &[1.0, 2.0, 5.0],
                _ => &[1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0],
            };
            let ticks = (first..=last).flat_map(|e| steps.iter().map(move |s| s * 10_f64.powi(e)));
            return ticks.filter(inside).take(12).collect();
        }
        let rough = (self.high - self.low) / 5.0;
        let power = 10_f64.powf(rough.log10().floor());
        let step = power * [1.0, 2.0, 5.0, 10.0].into_iter().find(|s| s * power >= rough).unwrap_or(10.0);
        let first = (self.low / step).ceil();
        (0..12).map(|i| (first + f64::from(i)) * step).filter(inside).collect()
    }
}

/// Without digits that say nothing.
fn number(value: f64) -> String {
    let text = format!("{value:.6}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    if text == "-0" { "0".to_owned() } else { text.to_owned() }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    const AXES: Axes<'_> = Axes { x: "kbit/s", y: "dB", log_x: true };

    fn panel(title: &str, curves: &[(&str, &[(f64, f64)])]) -> Panel {
        let curve =
            |(name, points): &(&str, &[(f64, f64)])| PlotCurve { name: (*name).into(), points: points.to_vec() };
        Panel { title: title.into(), curves: curves.iter().map(curve).collect() }
    }

    #[test]
    fn values_land_where_they_belong() {
        let axis = Axis { low: 100.0, high: 400.0, log: true, from: 0.0, to: 200.0 };
        assert!((axis.place(200.0) - 100.0).abs() < 1e-9, "half way by ratio");
        let axis = Axis { low: 30.0, high: 40.0, log: false, from: 100.0, to: 0.0 };
        assert!((axis.place(32.5) - 75.0).abs() < 1e-9, "upwards");
    }

    #[test]
    fn ticks_are_round_and_few() {
        let ticks = Axis::new([150.0, 600.0].into_iter(), true, 0.0, 1.0).ticks();
        assert_eq!(ticks, [150.0, 200.0, 300.0, 400.0, 500.0, 600.0]);
        // The axis begins a little below its first value.
        let ticks = Axis::new([60.0, 3000.0].into_iter(), true, 0.0, 1.0).ticks();
        assert_eq!(ticks, [50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0]);
        let ticks = Axis::new([33.1, 38.9].into_iter(), false, 0.0, 1.0).ticks();
        assert_eq!(ticks.iter().map(|t| number(*t)).collect::<Vec<_>>(), ["34", "36", "38"]);
        let flat = Axis::new([5.0].into_iter(), false, 0.0, 1.0);
        assert!(flat.low < 5.0 && flat.high > 5.0 && (0.4..0.6).contains(&flat.place(5.0)));
        for values in [vec![], vec![0.0, 1e9], vec![1e-9, 1e9]] {
            for log in [false, true] {
                assert!(Axis::new(values.iter().copied().filter(|v| *v > 0.0), log, 0.0, 1.0).ticks().len() <= 12);
            }
        }
    }

    #[test]
    fn a_name_looks_the_same_in_each_panel_and_stands_once_in_the_legend() {
        let points: &[(f64, f64)] = &[(100.0, 30.0), (200.0, 33.0)];
        let text = svg(AXES, &[panel("a", &[("x", points), ("y", points)]), panel("b", &[("y", points)])]);
        assert_eq!(text.matches(">y</text>").count(), 1);
        assert_eq!(text.matches("stroke=\"#d55e00\"").count(), 3, "legend and two panels:\n{text}");
        assert_eq!(text.matches("<circle").count(), 6);
        assert_eq!(text.matches("<g ").count(), text.matches("</g>").count());
    }

    #[test]
    fn odd_input_gives_a_whole_document() {
        let text = svg(AXES, &[panel("<&\">", &[("n<a>n", &[(0.0, 1.0), (f64::NAN, 2.0), (10.0, f64::INFINITY)])])]);
        assert!(text.contains("&lt;&amp;&quot;&gt;") && text.contains("n&lt;a&gt;n"), "{text}");
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        assert!(svg(AXES, &[]).ends_with("</svg>\n"));
    }
}
