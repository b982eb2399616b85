//! The study as a picture: above the linear pieces of encoder and decoder, on the surface and in the plane; below uniform
//! codes and where they are decoded, without the map and with it.

use super::{
    SIDE, Study,
    bust::{Place, normal_and_distance},
    encode,
    learning::patterns,
    raster::{Raster, View},
    rows,
};
use crate::{
    frame::Rgba,
    lab::{mlp::Mlp, transport::Point},
    report::{
        ReportError,
        canvas::{Canvas, LINE},
        sheet_size,
    },
};

/// What is between panels.
const GAP: usize = 12;
const GROUND: [f64; 3] = [246.0, 246.0, 244.0];
const BARE: [f64; 3] = [206.0, 204.0, 200.0];
const DOT: [f64; 3] = [30.0, 80.0, 160.0];

/// A panel that is being drawn.
struct Panel {
    colours: Vec<[f64; 3]>,
}

/// The picture.
///
/// # Errors
/// When the font is broken.
pub fn picture(study: &Study) -> Result<Rgba, ReportError> {
    let view = View { side: SIDE };
    let bust = Raster::of_bust(&view, &study.bust);
    let chart = &study.domain.raster.places;
    let code_at = |i: usize| study.domain.code([(i % SIDE) as f64 + 0.5, (i / SIDE) as f64 + 0.5]);
    let codes: Vec<Option<Point>> = chart.iter().enumerate().map(|(i, p)| p.map(|_| code_at(i))).collect();
    let seen_codes: Vec<Option<Point>> = {
        let places: Vec<Place> = bust.places.iter().flatten().copied().collect();
        let mut codes = encode(&study.encoder, &places).into_iter();
        bust.places.iter().map(|p| p.and_then(|_| codes.next())).collect()
    };
    let report = &study.report;
    let share = |k: usize| {
        let e = report.generators[k].evenness;
        format!("variation {:.2}, {:.0} % at the head", e.variation, 100.0 * e.head)
    };
    let panels = [
        ("The encoder's pieces on the surface".to_owned(), Panel::pieces(&study.encoder, &bust.places).shaded(&bust)),
        ("the same in the plane of the code".to_owned(), Panel::pieces(&study.encoder, chart)),
        ("The decoder's pieces in the plane".to_owned(), Panel::pieces(&study.decoder, &codes)),
        ("the same on the surface".to_owned(), Panel::pieces(&study.decoder, &seen_codes).shaded(&bust)),
        ("Uniform codes".to_owned(), Panel::plain(chart).with_codes(study, &study.shown[0].0)),
        (
            format!("decoded: {}", share(1)),
            Panel::plain(&bust.places).shaded(&bust).with_places(&view, &study.shown[0].1),
        ),
        ("Noise moved by the map".to_owned(), Panel::plain(chart).with_codes(study, &study.shown[1].0)),
        (
            format!("decoded: {}", share(2)),
            Panel::plain(&bust.places).shaded(&bust).with_places(&view, &study.shown[1].1),
        ),
    ];
    let (width, height) = (4 * SIDE + 5 * GAP, 2 * (SIDE + LINE + GAP) + GAP);
    let mut canvas = Canvas::new(sheet_size(width, height)?)?;
    for (k, (title, panel)) in panels.into_iter().enumerate() {
        let (x, y) = (GAP + k % 4 * (SIDE + GAP), GAP / 2 + k / 4 * (SIDE + LINE + GAP));
        canvas.text(x, y, SIDE, &title);
        canvas.put(x, y + LINE, &panel.into_picture()?, 1);
    }
    Ok(canvas.into_picture())
}

impl Panel {
    fn plain<T>(shown: &[Option<T>]) -> Self {
        Self { colours: shown.iter().map(|s| if s.is_some() { BARE } else { GROUND }).collect() }
    }

    /// Each linear piece of a network in a colour of its own, with dark lines between.
    fn pieces<const N: usize>(net: &Mlp, inputs: &[Option<[f64; N]>]) -> Self {
        let given: Vec<[f64; N]> = inputs.iter().flatten().copied().collect();
        let mut found = patterns(net, &rows(&given)).into_iter();
        let pieces: Vec<Option<u64>> = inputs.iter().map(|p| p.as_ref().and_then(|_| found.next())).collect();
        let colour = |i: usize| {
            let Some(piece) = pieces[i] else { return GROUND };
            let differs = |back: usize| i >= back && pieces[i - back].is_some_and(|other| other != piece);
            let dim = if (!i.is_multiple_of(SIDE) && differs(1)) || differs(SIDE) { 0.45 } else { 1.0 };
            let mixed = piece.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            [16, 32, 48].map(|shift| dim * (95.0 + 150.0 * ((mixed >> shift) & 255) as f64 / 255.0))
        };
        Self { colours: (0..inputs.len()).map(colour).collect() }
    }

    /// Light from the upper left.
    fn shaded(mut self, raster: &Raster) -> Self {
        for (colour, place) in self.colours.iter_mut().zip(&raster.places) {
            let Some(place) = *place else { continue };
            let n = normal_and_distance(place).0;
            let light = 0.55 + 0.45 * (-0.5 * n[0] - 0.6 * n[1] + 0.62 * n[2]).max(0.0);
            *colour = colour.map(|c| c * light);
        }
        self
    }

    fn with_codes(mut self, study: &Study, codes: &[Point]) -> Self {
        codes.iter().for_each(|&c| self.dot(study.domain.pixel(c)));
        self
    }

    fn with_places(mut self, view: &View, places: &[Place]) -> Self {
        for &place in places.iter().filter(|&&p| view.faces(p)) {
            let [x, y, _] = view.place(place);
            self.dot([x, y]);
        }
        self
    }

    /// A disk of radius 1.3 with soft edges.
    fn dot(&mut self, at: Point) {
        let (x, y) = (at[0].floor() as i64, at[1].floor() as i64);
        for (px, py) in (-2..=2).flat_map(|dx| (-2..=2).map(move |dy| (x + dx, y + dy))) {
            if (0..SIDE as i64).contains(&px) && (0..SIDE as i64).contains(&py) {
                let away = (px as f64 + 0.5 - at[0]).hypot(py as f64 + 0.5 - at[1]);
                let cover = (1.8 - away).clamp(0.0, 1.0);
                let colour = &mut self.colours[py as usize * SIDE + px as usize];
                for k in 0..3 {
                    colour[k] += (DOT[k] - colour[k]) * cover;
                }
            }
        }
    }

    fn into_picture(self) -> Result<Rgba, ReportError> {
        let size = sheet_size(SIDE, SIDE)?;
        let data = self.colours.iter().flat_map(|c| [c[0] as u8, c[1] as u8, c[2] as u8, 255]).collect();
        Ok(Rgba { size, data })
    }
}
