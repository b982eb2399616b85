//! The map as a picture: the source's cells in the colours of their points, and beside them the points with the image
//! of a square grid.

use std::fmt::Write as _;

use super::{Point, Source, TransportMap, norm, sub};

/// The side of a panel, its distance to others, and the room for its title.
const PANEL: f64 = 460.0;
const GAP: f64 = 20.0;
const TITLE: f64 = 30.0;
/// Lines of the grid in each direction, and its places on each line.
const LINES: usize = 17;
const PLACES: usize = 129;
/// What is shown of the Gaussian, in standard deviations.
const SHOWN: f64 = 3.0;
/// A step of the map longer than this part of the points' half extent is a tear.
const TEAR: f64 = 0.3;

/// From coordinates to a panel.
struct View {
    left: f64,
    centre: Point,
    scale: f64,
}

impl View {
    fn place(&self, p: Point) -> Point {
        [
            self.left + PANEL / 2.0 + (p[0] - self.centre[0]) * self.scale,
            TITLE + PANEL / 2.0 - (p[1] - self.centre[1]) * self.scale,
        ]
    }
}

/// The picture as SVG; `title` stands over the points.
pub fn svg(map: &TransportMap, title: &str) -> String {
    let shown = map.source().half_side().min(SHOWN);
    let view = View { left: GAP, centre: [0.0, 0.0], scale: PANEL / 2.0 / (shown * 1.02) };
    let (width, height) = (2.0 * PANEL + 3.0 * GAP, PANEL + TITLE + GAP);
    let mut out = String::new();
    let _ = writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>"
    );
    let source = match map.source() {
        Source::Square => "the square",
        Source::Disk => "the disk",
        Source::Gaussian => "the Gaussian, to 3σ",
    };
    let text = |out: &mut String, left: f64, text: &str| {
        let _ = writeln!(out, "<text x=\"{}\" y=\"20\" text-anchor=\"middle\">{text}</text>", left + PANEL / 2.0);
    };
    text(&mut out, GAP, &format!("Source: {source}, in {} cells", map.points().len()));
    let right = View { left: 2.0 * GAP + PANEL, ..points_view(map) };
    text(&mut out, right.left, &format!("Target: {title}, and a grid's image"));
    source_panel(&mut out, map, &view, &right, shown);
    target_panel(&mut out, map, &right, shown);
    out.push_str("</svg>\n");
    out
}

fn source_panel(out: &mut String, map: &TransportMap, view: &View, colours: &View, shown: f64) {
    let centre = view.place([0.0, 0.0]);
    let _ = writeln!(
        out,
        "<clipPath id=\"disk\"><circle cx=\"{}\" cy=\"{}\" r=\"{}\"/></clipPath>",
        centre[0], centre[1], view.scale
    );
    let clip = if map.source() == Source::Disk { " clip-path=\"url(#disk)\"" } else { "" };
    let stroke = if map.points().len() > 2000 { 0.15 } else { 0.5 };
    let _ = writeln!(out, "<g stroke=\"#fff\" stroke-width=\"{stroke}\"{clip}>");
    for cell in map.cells(shown) {
        let first = cell.points[0];
        out.push_str("<path d=\"");
        path(out, &cell.polygon.iter().map(|&p| view.place(p)).collect::<Vec<_>>());
        let _ = writeln!(out, "Z\" fill=\"{}\"/>", colour(colours, map.points()[first], first));
    }
    out.push_str("</g>\n");
    for line in grid(map.source(), shown) {
        for piece in line.chunk_by(|a, b| a.is_some() == b.is_some()) {
            let piece: Vec<Point> = piece.iter().flatten().map(|&p| view.place(p)).collect();
            draw_line(out, &piece);
        }
    }
}

fn target_panel(out: &mut String, map: &TransportMap, view: &View, shown: f64) {
    let radius = (120.0 / (map.points().len() as f64).sqrt()).clamp(0.7, 5.0);
    for (i, &p) in map.points().iter().enumerate() {
        let at = view.place(p);
        let _ = writeln!(
            out,
            "<circle cx=\"{:.1}\" cy=\"{:.1}\" r=\"{radius:.1}\" fill=\"{}\"/>",
            at[0],
            at[1],
            colour(view, p, i)
        );
    }
    // T is constant on each cell. Its mean over a window is the gradient of the potential's mean over that window, which
    // is convex too: it shows where a grid would go without the steps. Where the map tears, nothing is drawn.
    let window = shown * 1.5 / (map.points().len() as f64).sqrt();
    for line in grid(map.source(), shown) {
        let line: Vec<Option<Point>> =
            line.into_iter().map(|p| mean_of_map(map, p?, window).map(|y| view.place(y))).collect();
        for piece in line.chunk_by(|a, b| a.is_some() == b.is_some()) {
            draw_line(out, &piece.iter().flatten().copied().collect::<Vec<_>>());
        }
    }
}

/// The mean of the map over a square around `at`; none where it tears there.
fn mean_of_map(map: &TransportMap, at: Point, window: f64) -> Option<Point> {
    const SIDE: i32 = 7;
    let torn = TEAR * super::frame(map.points()).1;
    let middle = map.apply(at);
    let mut mean = [0.0; 2];
    for k in 0..SIDE * SIDE {
        let offset = |k: i32| (f64::from(k) + 0.5) / f64::from(SIDE) * 2.0 - 1.0;
        let y = map.apply([at[0] + window * offset(k % SIDE), at[1] + window * offset(k / SIDE)]);
        if norm(sub(y, middle)) > torn {
            return None;
        }
        for (mean, y) in mean.iter_mut().zip(y) {
            *mean += y / f64::from(SIDE * SIDE);
        }
    }
    Some(mean)
}

/// Lines across the source, horizontal and vertical; None outside of it.
fn grid(source: Source, shown: f64) -> Vec<Vec<Option<Point>>> {
    let at = |k: usize, of: usize| (2.0 * k as f64 / (of - 1) as f64 - 1.0) * shown * 0.98;
    let inside = |p: Point| source != Source::Disk || norm(p) < 0.99;
    let line = |k: usize, turned: bool| {
        let point = move |i: usize| if turned { [at(k, LINES), at(i, PLACES)] } else { [at(i, PLACES), at(k, LINES)] };
        (0..PLACES).map(|i| Some(point(i)).filter(|&p| inside(p))).collect()
    };
    (0..LINES).flat_map(|k| [line(k, false), line(k, true)]).collect()
}

fn draw_line(out: &mut String, points: &[Point]) {
    if points.len() > 1 {
        out.push_str("<path d=\"");
        path(out, points);
        out.push_str("\" fill=\"none\" stroke=\"#000\" stroke-opacity=\"0.55\" stroke-width=\"0.7\"/>\n");
    }
}

fn path(out: &mut String, points: &[Point]) {
    for (k, p) in points.iter().enumerate() {
        let _ = write!(out, "{}{:.1} {:.1}", if k == 0 { "M" } else { "L" }, p[0], p[1]);
    }
}

/// The view that shows all points.
fn points_view(map: &TransportMap) -> View {
    let (centre, half) = super::frame(map.points());
    View { left: 0.0, centre, scale: PANEL / 2.0 / (half * 1.05) }
}

/// A colour for a place among the points, a little lighter or darker from one point to the next.
fn colour(view: &View, p: Point, index: usize) -> String {
    let half = PANEL / 2.0 / view.scale;
    let [u, v] = [0, 1].map(|k| ((p[k] - view.centre[k]) / half).clamp(-1.0, 1.0));
    let hue = v.atan2(u).to_degrees() + 360.0;
    let light = 52.0 + 16.0 * (1.0 - u.hypot(v).min(1.0)) + (index * 7 % 13) as f64 - 6.0;
    format!("hsl({:.0} 62% {light:.0}%)", hue % 360.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::transport::targets::TargetSet;

    #[test]
    fn each_cell_and_each_point_is_drawn() {
        for source in [Source::Square, Source::Disk, Source::Gaussian] {
            let map = TransportMap::solve(source, &TargetSet::TwoGaussians.points(60, 1), None).unwrap();
            let picture = svg(&map, "two Gaussians");
            assert_eq!(picture.matches("<circle").count(), 61, "60 points, and the disk's edge");
            let cells = picture.matches("Z\" fill=\"hsl").count();
            assert!(if source == Source::Gaussian { cells <= 60 && cells > 40 } else { cells == 60 }, "{cells}");
            assert!(picture.matches("stroke-opacity").count() > 2 * LINES, "{picture}");
            assert!(!picture.contains("NaN"));
        }
    }
}
