//! The start page: which picture to send, and to whom.

use std::{net::SocketAddr, path::Path};

use egui::{RichText, Ui, vec2};

use super::style;
use crate::{pipeline::Link, source::SourceSpec};

/// The width of the buttons at the right end of a row.
const SIDE_BUTTON: f32 = 80.0;

/// The parts of the page that something can be started from, and at which it can go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Card {
    /// The choice of the source.
    Source,
    /// Both ends on this machine.
    Loopback,
    /// Wait for another machine.
    Host,
    /// Call another machine.
    Join,
    /// Make or answer a line of text.
    Lines,
}

impl Card {
    /// The card that a link is started from.
    pub fn of(link: &Link) -> Self {
        match link {
            Link::Loopback => Self::Loopback,
            Link::Host { .. } => Self::Host,
            Link::Join { .. } => Self::Join,
            Link::Offer | Link::Answer { .. } => Self::Lines,
        }
    }
}

/// Which kind of source is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SourceKind {
    /// The picture that the program draws.
    Scene,
    /// A camera.
    Camera,
    /// A file.
    Clip,
}

/// What stands in the fields.
#[derive(Debug, Clone)]
pub struct StartPage {
    /// The chosen source.
    pub source: SourceKind,
    /// Which camera.
    pub camera: u32,
    /// Which file.
    pub clip: String,
    /// Where `host` listens.
    pub listen: String,
    /// The link to join.
    pub join: String,
    /// The offer line to answer.
    pub offer: String,
    /// What went wrong, and where.
    pub error: Option<(Card, String)>,
    /// The call before this page is still ending; a new one has to wait for it.
    pub busy: bool,
    /// What the rest of the plan says, in one line.
    pub summary: String,
}

/// What the person asked for.
#[derive(Debug, Clone)]
pub struct Begin {
    /// What to send.
    pub source: SourceSpec,
    /// To whom.
    pub link: Link,
}

impl StartPage {
    /// The page with `source` chosen; `summary` says how it will be sent.
    pub fn new(source: &SourceSpec, summary: String) -> Self {
        let mut page = Self {
            source: SourceKind::Scene,
            camera: 0,
            clip: String::new(),
            listen: "127.0.0.1:4480".to_owned(),
            join: String::new(),
            offer: String::new(),
            error: None,
            busy: false,
            summary,
        };
        match source {
            SourceSpec::Scene => {}
            SourceSpec::Camera(n) => (page.source, page.camera) = (SourceKind::Camera, *n),
            SourceSpec::Clip(path) => (page.source, page.clip) = (SourceKind::Clip, path.display().to_string()),
        }
        page
    }

    /// Puts what a call was begun with back into its field.
    pub fn remember(&mut self, link: &Link) {
        match link {
            Link::Host { listen } => self.listen = listen.to_string(),
            Link::Join { url } => self.join.clone_from(url),
            Link::Answer { offer } => self.offer.clone_from(offer),
            Link::Loopback | Link::Offer => {}
        }
    }

    /// Draws the page.
    pub fn show(&mut self, ui: &mut Ui) -> Option<Begin> {
        self.take_dropped_file(ui);
        let mut wanted = None;
        egui::CentralPanel::default().frame(egui::Frame::new().fill(style::palette(ui).ground)).show(ui, |ui| {
            egui::ScrollArea::vertical().auto_shrink(false).show(ui, |ui| {
                let width = (ui.available_width() - 48.0).clamp(320.0, 880.0);
                let side = ((ui.available_width() - width) / 2.0).floor();
                // A little above the middle, as far as the window is higher than the page.
                ui.add_space(((ui.available_height() - 540.0) * 0.4).clamp(12.0, 160.0).floor());
                ui.horizontal_top(|ui| {
                    ui.add_space(side);
                    ui.vertical(|ui| {
                        ui.set_width(width);
                        self.heading(ui);
                        ui.add_space(16.0);
                        self.source_card(ui);
                        ui.add_space(10.0);
                        wanted = self.call_cards(ui);
                        ui.add_space(16.0);
                    });
                });
            });
        });
        let (card, link) = wanted?;
        self.error = None;
        let begin = self.chosen().map_err(|e| (Card::Source, e)).and_then(|source| {
            let link = link.map_err(|e| (card, e))?;
            Ok(Begin { source, link })
        });
        begin.map_err(|e| self.error = Some(e)).ok()
    }

    /// A file that is dropped on the window becomes the clip.
    fn take_dropped_file(&mut self, ui: &Ui) {
        let dropped = ui.input(|i| {
            i.raw.dropped_files.iter().find_map(|f| {
                let p = f.path();
                (!p.as_os_str().is_empty()).then(|| p.to_owned())
            })
        });
        if let Some(path) = dropped {
            (self.source, self.clip) = (SourceKind::Clip, path.display().to_string());
        }
    }

    fn heading(&self, ui: &mut Ui) {
        ui.label(RichText::new("clearcall").size(32.0).strong());
        style::quiet(
            ui,
            "A video call that is sent small and made sharp where it is watched: \
             bicubic and a neural network, side by side, from the same frame.",
        );
    }

    fn source_card(&mut self, ui: &mut Ui) {
        style::card(ui).show(ui, |ui| {
            ui.set_width(ui.available_width());
            ui.horizontal(|ui| {
                ui.label(RichText::new("Your picture").strong());
                ui.add_space(8.0);
                for (kind, name) in
                    [(SourceKind::Camera, "Camera"), (SourceKind::Scene, "Scene"), (SourceKind::Clip, "Clip")]
                {
                    if ui.add(egui::Button::new(name).selected(self.source == kind)).clicked() {
                        self.source = kind;
                    }
                }
                ui.add_space(8.0);
                match self.source {
                    SourceKind::Scene => {
                        style::quiet(ui, "a moving picture drawn by the program");
                    }
                    SourceKind::Camera => {
                        let label = ui.label("number");
                        ui.add(egui::DragValue::new(&mut self.camera).range(0..=63)).labelled_by(label.id);
                    }
                    SourceKind::Clip => {
                        ui.add(
                            egui::TextEdit::singleline(&mut self.clip)
                                .hint_text("an .mp4, .264 or .y4m file; or drop it here")
                                .desired_width(ui.available_width()),
                        )
                        .accessible_name("Clip file");
                    }
                }
            });
            // In place of a line that is there anyway, so that nothing moves.
            style::quiet(ui, if self.busy { "The last call is hanging up…" } else { self.summary.as_str() });
            self.error_at(ui, Card::Source);
        });
    }

    fn call_cards(&mut self, ui: &mut Ui) -> Option<(Card, Result<Link, String>)> {
        let mut wanted = None;
        ui.add_enabled_ui(!self.busy, |ui| {
            for row in [[Card::Loopback, Card::Join], [Card::Host, Card::Lines]] {
                ui.columns(2, |columns| {
                    for (ui, card) in columns.iter_mut().zip(row) {
                        style::card(ui).show(ui, |ui| {
                            ui.set_width(ui.available_width());
                            ui.set_min_height(118.0);
                            let link = match card {
                                Card::Host => self.host(ui),
                                Card::Join => self.join(ui),
                                Card::Lines => self.lines(ui),
                                Card::Source | Card::Loopback => loopback(ui),
                            };
                            if let Some(link) = link {
                                wanted = Some((card, link));
                            }
                            self.error_at(ui, card);
                        });
                    }
                });
                ui.add_space(4.0);
            }
        });
        wanted
    }

    fn error_at(&self, ui: &mut Ui, card: Card) {
        if let Some((_, text)) = self.error.as_ref().filter(|(at, _)| *at == card) {
            style::error(ui, text);
        }
    }

    fn host(&mut self, ui: &mut Ui) -> Option<Result<Link, String>> {
        title(ui, "Host", "Wait for another machine; you get a link for it.");
        ui.horizontal(|ui| {
            let label = ui.label("Listen on");
            let field = ui
                .add(egui::TextEdit::singleline(&mut self.listen).desired_width(150.0))
                .labelled_by(label.id)
                .on_hover_text("127.0.0.1 reaches this machine only; 0.0.0.0 lets others in");
            let clicked = ui.button("Host a call").clicked();
            (clicked || entered(ui, &field)).then(|| listen_address(&self.listen))
        })
        .inner
    }

    fn join(&mut self, ui: &mut Ui) -> Option<Result<Link, String>> {
        title(ui, "Join a call", "Paste the link that the host was given.");
        ui.horizontal(|ui| {
            let field = ui
                .add(
                    egui::TextEdit::singleline(&mut self.join)
                        .hint_text("http://…")
                        .desired_width(field_beside_button(ui)),
                )
                .accessible_name("Link to join");
            let clicked = ui.add(side_button("Join")).clicked();
            (clicked || entered(ui, &field)).then(|| join_link(&self.join))
        })
        .inner
    }

    fn lines(&mut self, ui: &mut Ui) -> Option<Result<Link, String>> {
        title(ui, "Copy and paste", "No server: one line of text each way, by chat or mail.");
        let mut wanted = ui.horizontal(|ui| ui.button("Make an offer line").clicked().then_some(Ok(Link::Offer))).inner;
        ui.horizontal(|ui| {
            let field = ui
                .add(
                    egui::TextEdit::singleline(&mut self.offer)
                        .hint_text("or paste an offer line")
                        .desired_width(field_beside_button(ui)),
                )
                .accessible_name("Offer line to answer");
            if ui.add(side_button("Answer")).clicked() || entered(ui, &field) {
                wanted = Some(offer_line(&self.offer));
            }
        });
        wanted
    }

    /// The chosen source, or what is wrong with it.
    fn chosen(&self) -> Result<SourceSpec, String> {
        match self.source {
            SourceKind::Scene => Ok(SourceSpec::Scene),
            SourceKind::Camera => Ok(SourceSpec::Camera(self.camera)),
            SourceKind::Clip => {
                let path = self.clip.trim();
                if path.is_empty() {
                    Err("No clip is chosen: type the path of a file or drop it on the window.".to_owned())
                } else if Path::new(path).is_file() {
                    Ok(SourceSpec::Clip(path.into()))
                } else {
                    Err(format!("There is no file {path}: check the path, or drop the file on the window."))
                }
            }
        }
    }
}

fn title(ui: &mut Ui, name: &str, what: &str) {
    ui.label(RichText::new(name).strong().size(16.0));
    style::quiet(ui, what);
    ui.add_space(4.0);
}

fn loopback(ui: &mut Ui) -> Option<Result<Link, String>> {
    title(ui, "Loopback", "Both ends on this machine, over real packets. Nothing leaves it.");
    let button = style::primary(ui, "Loopback call").min_size(vec2(140.0, 32.0));
    ui.horizontal(|ui| ui.add(button).clicked().then_some(Ok(Link::Loopback))).inner
}

/// The button at the right end of a row.
fn side_button(text: &str) -> egui::Button<'_> {
    egui::Button::new(text).min_size(vec2(SIDE_BUTTON, 28.0))
}

/// The width of the field to the left of it; egui adds the field's margin.
fn field_beside_button(ui: &Ui) -> f32 {
    ui.available_width() - SIDE_BUTTON - ui.spacing().item_spacing.x
}

/// Enter in a field does what the button beside it does.
fn entered(ui: &Ui, field: &egui::Response) -> bool {
    field.lost_focus() && ui.input(|i| i.key_pressed(egui::Key::Enter))
}

fn listen_address(text: &str) -> Result<Link, String> {
    text.trim().parse::<SocketAddr>().map(|listen| Link::Host { listen }).map_err(|_| {
        format!("'{}' is not an address to listen on: write it as ADDRESS:PORT, for example 0.0.0.0:4480.", text.trim())
    })
}

fn join_link(text: &str) -> Result<Link, String> {
    let url = text.trim();
    if url.starts_with("http://") || url.starts_with("https://") {
        Ok(Link::Join { url: url.to_owned() })
    } else if url.is_empty() {
        Err("Paste the link first: the host's window shows it.".to_owned())
    } else {
        Err("That is not a link: it begins with http:// and is shown in the host's window.".to_owned())
    }
}

fn offer_line(text: &str) -> Result<Link, String> {
    let offer = text.trim();
    if offer.is_empty() {
        Err("Paste the offer line first: the other person makes it with 'Make an offer line'.".to_owned())
    } else {
        Ok(Link::Answer { offer: offer.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_checked_where_it_is_typed() {
        assert!(matches!(listen_address(" 0.0.0.0:80 "), Ok(Link::Host { listen }) if listen.port() == 80));
        assert!(listen_address("here").is_err());
        assert!(
            matches!(join_link(" http://127.0.0.1:1/whip?token=a\n"), Ok(Link::Join { url }) if !url.ends_with('\n'))
        );
        assert!(join_link("").is_err() && join_link("clearcall-offer:abc").is_err());
        assert!(offer_line("  ").is_err() && offer_line("clearcall-offer:abc").is_ok());
    }

    #[test]
    fn a_clip_that_is_not_there_is_said_before_the_call() {
        let mut page = StartPage::new(&SourceSpec::Clip("no such clip.mp4".into()), String::new());
        assert!(page.chosen().is_err_and(|e| e.contains("no such clip.mp4")));
        page.source = SourceKind::Scene;
        assert!(page.chosen().is_ok());
    }
}
