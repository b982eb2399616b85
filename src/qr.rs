//! A link as a QR code, for a phone's camera. Pure.

use qrcode::{Color, EcLevel};

/// Light modules around the code, which readers need (ISO/IEC 18004).
const QUIET: usize = 4;

/// A square of dark and light modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QrCode {
    width: usize,
    dark: Vec<bool>,
}

impl QrCode {
    /// The code of a text; none if it is too long for one.
    pub fn of(text: &str) -> Option<Self> {
        let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::L).ok()?;
        let width = code.width();
        Some(Self { width, dark: code.to_colors().into_iter().map(|c| c == Color::Dark).collect() })
    }

    /// Modules from side to side, with the light ones around.
    pub const fn width(&self) -> usize {
        self.width + 2 * QUIET
    }

    /// Whether the module is dark; `x` and `y` are smaller than the [width](Self::width).
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside = |v: usize| v.checked_sub(QUIET).filter(|v| *v < self.width);
        match (inside(x), inside(y)) {
            (Some(x), Some(y)) => self.dark.get(y * self.width + x).copied().unwrap_or(false),
            _ => false,
        }
    }

    /// Lines of half blocks, black on white whatever the terminal's colours are.
    pub fn for_terminal(&self) -> String {
        let mut text = String::new();
        for y in (0..self.width()).step_by(2) {
            // A terminal that is dark shows what it writes in light: say both.
            text.push_str("\u{1b}[30;107m");
            for x in 0..self.width() {
                let below = y + 1 < self.width() && self.is_dark(x, y + 1);
                text.push(match (self.is_dark(x, y), below) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            text.push_str("\u{1b}[0m\n");
        }
        text.pop();
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_eyes_and_a_light_border() {
        let code = QrCode::of("https://192.168.1.20:8080/#token=0123456789abcdef01234567&sha256=0123456789abcdef0123")
            .unwrap();
        let width = code.width();
        for (x, y) in [(0, 0), (width - 7 - 2 * QUIET, 0), (0, width - 7 - 2 * QUIET)] {
            for i in 0..7 {
                assert!(code.is_dark(QUIET + x + i, QUIET + y), "the top of an eye");
            }
        }
        assert!((0..width).all(|i| !code.is_dark(i, 0) && !code.is_dark(width - 1, i)));
        let lines: Vec<String> = code.for_terminal().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), width.div_ceil(2));
        assert!(lines.iter().all(|line| line.starts_with('\u{1b}') && line.ends_with("\u{1b}[0m")));
        assert_eq!(QrCode::of(&"a".repeat(5000)), None);
    }
}
