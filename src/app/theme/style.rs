//! How the window looks: colours for dark and light, spacing, the icon, and a few shared pieces.

use egui::{Color32, CornerRadius, FontFamily, FontId, Margin, Stroke, TextStyle, Theme, Ui, Visuals, vec2};

/// The colours that egui's own palette has no name for.
#[derive(Clone, Copy)]
pub(crate) struct Palette {
    /// Behind the pictures.
    pub(crate) ground: Color32,
    /// Bars and cards.
    pub(crate) raised: Color32,
    /// Hair lines between them.
    pub(crate) line: Color32,
    /// Text.
    pub(crate) text: Color32,
    /// Text that explains.
    pub(crate) quiet: Color32,
    /// What matters: the network's side, the main button.
    pub(crate) accent: Color32,
    /// Text on the accent and on danger.
    pub(crate) on_accent: Color32,
    /// The call runs.
    pub(crate) good: Color32,
    /// Something is amiss, or is waited for.
    pub(crate) warning: Color32,
    /// What ends a call, and errors.
    pub(crate) danger: Color32,
}

const DARK: Palette = Palette {
    ground: Color32::from_rgb(13, 15, 19),
    raised: Color32::from_rgb(24, 28, 35),
    line: Color32::from_rgb(45, 52, 63),
    text: Color32::from_rgb(224, 230, 238),
    quiet: Color32::from_rgb(146, 157, 172),
    accent: Color32::from_rgb(92, 176, 255),
    on_accent: Color32::from_rgb(8, 18, 30),
    good: Color32::from_rgb(84, 201, 140),
    warning: Color32::from_rgb(240, 180, 84),
    danger: Color32::from_rgb(240, 112, 104),
};

const LIGHT: Palette = Palette {
    ground: Color32::from_rgb(236, 239, 243),
    raised: Color32::from_rgb(252, 253, 254),
    line: Color32::from_rgb(208, 214, 222),
    text: Color32::from_rgb(26, 33, 43),
    quiet: Color32::from_rgb(84, 96, 112),
    accent: Color32::from_rgb(20, 98, 190),
    on_accent: Color32::WHITE,
    good: Color32::from_rgb(18, 118, 66),
    warning: Color32::from_rgb(144, 84, 0),
    danger: Color32::from_rgb(190, 44, 38),
};

/// The palette of the theme that `ui` is drawn in.
pub(crate) fn palette(ui: &Ui) -> Palette {
    if ui.visuals().dark_mode { DARK } else { LIGHT }
}

/// Sets both themes; which of them is used follows the system.
pub fn apply(ctx: &egui::Context) {
    for (theme, p) in [(Theme::Dark, DARK), (Theme::Light, LIGHT)] {
        ctx.set_visuals_of(theme, visuals(theme, p));
    }
    ctx.all_styles_mut(|style| {
        style.text_styles = [
            (TextStyle::Small, 12.0, FontFamily::Proportional),
            (TextStyle::Body, 14.0, FontFamily::Proportional),
            (TextStyle::Button, 14.0, FontFamily::Proportional),
            (TextStyle::Heading, 22.0, FontFamily::Proportional),
            (TextStyle::Monospace, 12.5, FontFamily::Monospace),
        ]
        .map(|(name, size, family)| (name, FontId::new(size, family)))
        .into();
        style.spacing.item_spacing = vec2(8.0, 6.0);
        style.spacing.button_padding = vec2(12.0, 5.0);
        style.spacing.interact_size = vec2(32.0, 28.0);
        style.spacing.slider_rail_height = 4.0;
        style.spacing.window_margin = Margin::same(12);
        style.spacing.menu_margin = Margin::same(8);
        // Labels are read, not selected: dragging over a picture must not mark the text beside it.
        style.interaction.selectable_labels = false;
        style.animation_time = 0.0;
    });
}

fn visuals(theme: Theme, p: Palette) -> Visuals {
    let mut v = theme.default_visuals();
    let radius = CornerRadius::same(6);
    v.panel_fill = p.ground;
    v.window_fill = p.raised;
    v.window_stroke = Stroke::new(1.0, p.line);
    v.extreme_bg_color = p.ground;
    v.text_edit_bg_color = Some(p.ground);
    v.weak_text_color = Some(p.quiet);
    v.hyperlink_color = p.accent;
    v.warn_fg_color = p.warning;
    v.error_fg_color = p.danger;
    v.selection.bg_fill = p.accent.gamma_multiply(0.35);
    v.selection.stroke = Stroke::new(1.0, p.text);
    v.slider_trailing_fill = true;
    v.handle_shape = egui::style::HandleShape::Circle;
    let fills = [
        (&mut v.widgets.noninteractive, p.raised, p.line, p.text),
        (&mut v.widgets.inactive, mix(p.raised, p.quiet, 0.16), p.line, p.text),
        (&mut v.widgets.hovered, mix(p.raised, p.quiet, 0.28), p.quiet, p.text),
        (&mut v.widgets.active, mix(p.raised, p.accent, 0.4), p.accent, p.text),
        (&mut v.widgets.open, mix(p.raised, p.quiet, 0.28), p.quiet, p.text),
    ];
    for (w, fill, edge, text) in fills {
        w.weak_bg_fill = fill;
        w.bg_fill = fill;
        w.bg_stroke = Stroke::new(1.0, edge);
        w.fg_stroke = Stroke::new(1.0, text);
        w.corner_radius = radius;
        w.expansion = 0.0;
    }
    v
}

/// `a` with `share` of `b` in it.
fn mix(a: Color32, b: Color32, share: f32) -> Color32 {
    let m = |x: u8, y: u8| (f32::from(x) + (f32::from(y) - f32::from(x)) * share).round() as u8;
    Color32::from_rgb(m(a.r(), b.r()), m(a.g(), b.g()), m(a.b(), b.b()))
}

/// Where it is kept that the window is cleared to the colour of the bars.
fn cleared_id() -> egui::Id {
    egui::Id::unique("clearcall window is cleared")
}

/// Says that the window is cleared to [`clear_colour`] before anything is drawn, so that bars need no fill.
///
/// egui's shader is slow on a software adapter (most of a frame's time), and the bars are a third of the window.
pub(crate) fn window_is_cleared(ctx: &egui::Context) {
    ctx.data_mut(|d| d.insert_temp(cleared_id(), true));
}

/// The colour of the bars.
pub(crate) fn clear_colour(visuals: &Visuals) -> Color32 {
    if visuals.dark_mode { DARK.raised } else { LIGHT.raised }
}

/// A bar along an edge of the window.
pub(crate) fn bar(ui: &Ui) -> egui::Frame {
    let cleared = ui.data(|d| d.get_temp(cleared_id()).unwrap_or(false));
    let fill = if cleared { Color32::TRANSPARENT } else { palette(ui).raised };
    egui::Frame::new().fill(fill).inner_margin(Margin::symmetric(14, 8))
}

/// Scrolls what has just been given the focus, by a key for example, into view.
pub(crate) fn follow_focus(ui: &Ui) {
    let (key, focused) = (egui::Id::unique("clearcall last focus"), ui.memory(|m| m.focused()));
    let last: Option<egui::Id> = ui.data(|d| d.get_temp(key)).flatten();
    if last == focused {
        return;
    }
    ui.data_mut(|d| d.insert_temp(key, focused));
    let rect = focused.and_then(|id| ui.ctx().read_response(id)).filter(|r| r.layer_id == ui.layer_id());
    if let Some(response) = rect {
        ui.scroll_to_rect(response.rect, None);
    }
}

/// A card: something that belongs together.
pub(crate) fn card(ui: &Ui) -> egui::Frame {
    let p = palette(ui);
    egui::Frame::new()
        .fill(p.raised)
        .stroke(Stroke::new(1.0, p.line))
        .corner_radius(CornerRadius::same(10))
        .inner_margin(Margin::same(16))
}

/// The button for what most people want here.
pub(crate) fn primary(ui: &Ui, text: &str) -> egui::Button<'static> {
    let p = palette(ui);
    egui::Button::new(egui::RichText::new(text).color(p.on_accent)).fill(p.accent).stroke(Stroke::NONE)
}

/// The button that ends something.
pub(crate) fn danger(ui: &Ui, text: &str) -> egui::Button<'static> {
    let p = palette(ui);
    egui::Button::new(egui::RichText::new(text).color(p.on_accent)).fill(p.danger).stroke(Stroke::NONE)
}

/// Text that explains, in the quiet colour.
pub(crate) fn quiet(ui: &mut Ui, text: impl Into<String>) -> egui::Response {
    let colour = palette(ui).quiet;
    ui.add(egui::Label::new(egui::RichText::new(text).color(colour)).wrap())
}

/// An error where it belongs; the text says what to do.
pub(crate) fn error(ui: &mut Ui, text: &str) -> egui::Response {
    let colour = palette(ui).danger;
    ui.add(egui::Label::new(egui::RichText::new(text).color(colour)).wrap())
}

/// How wide a text is in one line.
pub(crate) fn width_of(ui: &Ui, text: &str, font: &FontId) -> f32 {
    ui.painter().layout_no_wrap(text.to_owned(), font.clone(), Color32::PLACEHOLDER).size().x
}

/// The first of the texts for which `width` is enough, or else the last.
pub(crate) fn fitting(ui: &Ui, texts: Vec<String>, font: &FontId, width: f32) -> String {
    let mut last = String::new();
    for text in texts {
        last = text;
        if width_of(ui, &last, font) <= width {
            break;
        }
    }
    last
}

/// `1234567` as `1,234,567`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, d) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(d);
    }
    out
}

/// Bits per second as people say it.
pub(crate) fn bitrate(bps: f64) -> String {
    if bps >= 1e6 { format!("{:.2} Mbit/s", bps / 1e6) } else { format!("{:.0} kbit/s", bps / 1e3) }
}

/// The window's icon: a disc, in few pixels on the left and smooth on the right.
pub(crate) fn icon() -> egui::IconData {
    const SIDE: u32 = 64;
    const BLOCK: u32 = 8;
    let coverage = |x: f32, y: f32| {
        let distance = (x - 32.0).hypot(y - 32.0);
        (24.5 - distance).clamp(0.0, 1.0)
    };
    let mut rgba = Vec::with_capacity((SIDE * SIDE * 4) as usize);
    for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
        let middle = |v: u32, side: u32| (v / side * side) as f32 + side as f32 / 2.0;
        let left = x < SIDE / 2;
        let side = if left { BLOCK } else { 1 };
        let c =
            mix(DARK.raised, if left { DARK.quiet } else { DARK.accent }, coverage(middle(x, side), middle(y, side)));
        rgba.extend_from_slice(&c.to_array());
    }
    egui::IconData { rgba, width: SIDE, height: SIDE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_people_read_them() {
        assert_eq!([0, 999, 2088, 1_234_567].map(grouped), ["0", "999", "2,088", "1,234,567"]);
        assert_eq!(bitrate(299_600.0), "300 kbit/s");
        assert_eq!(bitrate(1_250_000.0), "1.25 Mbit/s");
    }

    #[test]
    fn text_can_be_read_on_its_ground() {
        // WCAG 2.1 relative luminance and contrast: 4.5 is asked of text.
        fn luminance(c: Color32) -> f32 {
            let linear = |v: u8| {
                let v = f32::from(v) / 255.0;
                if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
            };
            0.2126 * linear(c.r()) + 0.7152 * linear(c.g()) + 0.0722 * linear(c.b())
        }
        for p in [DARK, LIGHT] {
            for ground in [p.ground, p.raised] {
                for text in [p.text, p.quiet, p.accent, p.good, p.warning, p.danger] {
                    let (a, b) = (luminance(text), luminance(ground));
                    let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
                    assert!(contrast >= 4.5, "{text:?} on {ground:?}: {contrast}");
                }
            }
        }
    }

    #[test]
    fn the_icon_is_a_square() {
        let icon = icon();
        assert_eq!(icon.rgba.len(), (icon.width * icon.height * 4) as usize);
    }
}
