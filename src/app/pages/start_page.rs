//! The start page: which picture to send, and to whom.

mod source_card;

use std::{net::SocketAddr, sync::Arc};

use egui::{RichText, TextureId, Ui, vec2};

use crate::{
    app::{
        sound::{DeviceNames, SoundChoice},
        theme::{Theme, style},
    },
    call::{
        IceServer,
        signal::{DEFAULT_PORT, ServerIdentity},
    },
    frame::Size,
    pipeline::{NetworkSettings, Signaling},
    source::SourceSpec,
    source::devices::{Format, ListedCamera},
};

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
    /// The servers that help to find a way.
    Network,
}

impl Card {
    /// The card that a link is started from.
    pub fn of(signaling: &Signaling) -> Self {
        match signaling {
            Signaling::Loopback => Self::Loopback,
            Signaling::Host { .. } => Self::Host,
            Signaling::Join { .. } | Signaling::Watch { .. } => Self::Join,
            Signaling::Offer | Signaling::Answer { .. } => Self::Lines,
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
    /// In which format; none takes the nearest to what is sent.
    pub format: Option<Format>,
    /// The formats that were chosen before, by the cameras' names.
    pub formats: Vec<(String, String)>,
    /// Which file.
    pub clip: String,
    /// Where `host` listens.
    pub listen: String,
    /// The host speaks https.
    pub tls: bool,
    /// ICE servers, with blanks between them.
    pub ice_servers: String,
    /// The link to join.
    pub join: String,
    /// The offer line to answer.
    pub offer: String,
    /// What went wrong, and where.
    pub error: Option<(Card, String)>,
    /// The call before this page is still ending; a new one has to wait for it.
    pub busy: bool,
    /// The sound; none where no call has any.
    pub sound: Option<SoundPart>,
    /// What the rest of the settings says, in one line.
    pub summary: String,
    /// The cameras, once they are known.
    pub cameras: Option<Vec<ListedCamera>>,
    /// The chosen source, small.
    pub preview: Option<(TextureId, Size)>,
    /// Why it is not seen.
    pub preview_problem: Option<String>,
    /// Links that were joined lately.
    pub links: Vec<String>,
    /// Clips that were sent lately.
    pub clips: Vec<String>,
    /// Light or dark, by name.
    pub theme: &'static str,
    /// Another theme is wanted.
    pub theme_wanted: bool,
}

/// What is chosen of the sound.
#[derive(Debug, Clone)]
pub struct SoundPart {
    /// What is sent, and where what arrives is played.
    pub choice: SoundChoice,
    /// Microphones and speakers, once they are known.
    pub names: Option<Arc<DeviceNames>>,
    /// They are to be looked for again.
    pub look_wanted: bool,
    /// A call with oneself has sound as well.
    pub in_loopback: bool,
}

/// What the person asked for.
#[derive(Debug, Clone)]
pub struct Begin {
    /// What to send.
    pub source: SourceSpec,
    /// To whom.
    pub signaling: Signaling,
    /// How the other side is reached; of the token the page knows nothing.
    pub network: NetworkSettings,
    /// The call has sound.
    pub sound: bool,
}

impl StartPage {
    /// The page with `source` chosen; `summary` says how it will be sent.
    pub fn new(source: &SourceSpec, summary: String) -> Self {
        let mut page = Self {
            source: SourceKind::Scene,
            camera: 0,
            format: None,
            formats: Vec::new(),
            clip: String::new(),
            listen: format!("127.0.0.1:{DEFAULT_PORT}"),
            tls: false,
            ice_servers: String::new(),
            join: String::new(),
            offer: String::new(),
            error: None,
            busy: false,
            sound: None,
            summary,
            cameras: None,
            preview: None,
            preview_problem: None,
            links: Vec::new(),
            clips: Vec::new(),
            theme: Theme::System.name(),
            theme_wanted: false,
        };
        match source {
            SourceSpec::Scene => {}
            SourceSpec::Camera(n, format) => {
                (page.source, page.camera, page.format) = (SourceKind::Camera, *n, *format);
            }
            SourceSpec::Clip(path) => (page.source, page.clip) = (SourceKind::Clip, path.display().to_string()),
        }
        page
    }

    /// Puts what a call was begun with back into its field.
    pub fn remember(&mut self, signaling: &Signaling) {
        match signaling {
            Signaling::Host { listen } => self.listen = listen.to_string(),
            Signaling::Join { url } | Signaling::Watch { url } => self.join.clone_from(url),
            Signaling::Answer { offer } => self.offer.clone_from(offer),
            Signaling::Loopback | Signaling::Offer => {}
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
                ui.add_space(((ui.available_height() - 540.0) * 0.4).clamp(12.0, 400.0).floor());
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
                style::follow_focus(ui);
            });
        });
        let (card, signaling) = wanted?;
        self.error = None;
        let begin = self.chosen().map_err(|e| (Card::Source, e)).and_then(|source| {
            let signaling = signaling.map_err(|e| (card, e))?;
            let identity = self.identity(&signaling).map_err(|e| (card, e))?;
            let ice_servers = ice_servers(&self.ice_servers).map_err(|e| (Card::Network, e))?;
            let network = NetworkSettings { ice_servers, identity, bearer: None };
            // A microphone beside its own speaker howls, so a call with oneself is silent unless sound is asked for.
            let loopback = matches!(signaling, Signaling::Loopback);
            let sound = self.sound.as_ref().is_some_and(|sound| sound.in_loopback || !loopback);
            Ok(Begin { source, signaling, network, sound })
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

    fn heading(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            ui.label(RichText::new("clearcall").size(32.0).strong());
            ui.with_layout(egui::Layout::right_to_left(egui::Align::Center), |ui| {
                self.theme_wanted |= ui.button(self.theme).on_hover_text("Dark, light, or as the system").clicked();
            });
        });
        style::quiet(
            ui,
            "A video call that is sent small and made sharp where it is watched: \
             bicubic and a neural network, side by side, from the same frame.",
        );
    }

    fn call_cards(&mut self, ui: &mut Ui) -> Option<(Card, Result<Signaling, String>)> {
        let mut wanted = None;
        ui.add_enabled_ui(!self.busy, |ui| {
            // Two beside each other where there is room.
            let n = if ui.available_width() < 600.0 { 1 } else { 2 };
            for row in [Card::Loopback, Card::Join, Card::Host, Card::Lines].chunks(n) {
                ui.columns(n, |columns| {
                    for (ui, card) in columns.iter_mut().zip(row.iter().copied()) {
                        style::card(ui).show(ui, |ui| {
                            ui.set_width(ui.available_width());
                            ui.set_min_height(118.0);
                            let signaling = match card {
                                Card::Host => self.host(ui),
                                Card::Join => self.join(ui),
                                Card::Lines => self.lines(ui),
                                Card::Source | Card::Loopback | Card::Network => self.loopback(ui),
                            };
                            if let Some(signaling) = signaling {
                                wanted = Some((card, signaling));
                            }
                            self.error_at(ui, card);
                        });
                    }
                });
                ui.add_space(4.0);
            }
            self.network(ui);
        });
        wanted
    }

    fn network(&mut self, ui: &mut Ui) {
        ui.horizontal(|ui| {
            let label = ui.label("ICE servers");
            ui.add(
                egui::TextEdit::singleline(&mut self.ice_servers)
                    .hint_text("none; where no way is found: stun:HOST:PORT turn:USER:PASSWORD@HOST:PORT")
                    .desired_width(f32::INFINITY),
            )
            .labelled_by(label.id);
        });
        self.error_at(ui, Card::Network);
    }

    /// The certificate of a host that speaks https.
    fn identity(&self, signaling: &Signaling) -> Result<Option<ServerIdentity>, String> {
        if !self.tls || !matches!(signaling, Signaling::Host { .. }) {
            return Ok(None);
        }
        let folder = ServerIdentity::default_folder().ok_or("The system names no folder for the certificate.")?;
        ServerIdentity::of_this_machine(&folder).map(Some).map_err(|e| e.to_string())
    }

    fn error_at(&self, ui: &mut Ui, card: Card) {
        if let Some((_, text)) = self.error.as_ref().filter(|(at, _)| *at == card) {
            style::error(ui, text);
        }
    }

    fn host(&mut self, ui: &mut Ui) -> Option<Result<Signaling, String>> {
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
        .or_else(|| {
            ui.checkbox(&mut self.tls, "https, so that a phone may be the camera").on_hover_text(
                "Browsers give a camera to secure pages only. They warn once about this machine's certificate.",
            );
            None
        })
    }

    fn loopback(&mut self, ui: &mut Ui) -> Option<Result<Signaling, String>> {
        title(ui, "Loopback", "Both ends on this machine, over real packets. Nothing leaves it.");
        let button = style::primary(ui, "Loopback call").min_size(vec2(140.0, 32.0));
        let clicked = ui.horizontal(|ui| ui.add(button).clicked()).inner;
        if let Some(sound) = &mut self.sound {
            ui.checkbox(&mut sound.in_loopback, "With sound").on_hover_text(
                "You hear yourself as the other side would: take headphones, or the microphone hears its own speaker.",
            );
        }
        clicked.then_some(Ok(Signaling::Loopback))
    }

    fn join(&mut self, ui: &mut Ui) -> Option<Result<Signaling, String>> {
        title(ui, "Join a call", "Paste the link that the host was given.");
        let recent = if self.links.is_empty() { None } else { recent(ui, "Recent links", &self.links) };
        if let Some(link) = recent {
            self.join = link;
        }
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
        .or_else(|| {
            let watch = ui.button("Only watch").on_hover_text("See what a server sends by WHEP, and send nothing");
            let only = |signaling| match signaling {
                Signaling::Join { url } => Signaling::Watch { url },
                other => other,
            };
            watch.clicked().then(|| join_link(&self.join).map(only))
        })
    }

    fn lines(&mut self, ui: &mut Ui) -> Option<Result<Signaling, String>> {
        title(ui, "Copy and paste", "No server: one line of text each way, by chat or mail.");
        let mut wanted =
            ui.horizontal(|ui| ui.button("Make an offer line").clicked().then_some(Ok(Signaling::Offer))).inner;
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
}

fn title(ui: &mut Ui, name: &str, what: &str) {
    ui.label(RichText::new(name).strong().size(16.0));
    style::quiet(ui, what);
    ui.add_space(4.0);
}

/// A menu of what was used lately.
fn recent(ui: &mut Ui, name: &str, list: &[String]) -> Option<String> {
    let choose = |ui: &mut Ui| {
        ui.set_max_width((ui.ctx().content_rect().width() - 60.0).min(460.0));
        let chosen = list.iter().find(|what| ui.add(egui::Button::new(what.as_str()).truncate()).clicked());
        chosen.cloned()
    };
    ui.menu_button(name, choose).inner.flatten()
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

fn listen_address(text: &str) -> Result<Signaling, String> {
    text.trim().parse::<SocketAddr>().map(|listen| Signaling::Host { listen }).map_err(|_| {
        format!(
            "'{}' is not an address to listen on: write it as ADDRESS:PORT, for example 0.0.0.0:{DEFAULT_PORT}.",
            text.trim()
        )
    })
}

fn join_link(text: &str) -> Result<Signaling, String> {
    let url = text.trim();
    if url.starts_with("http://") || url.starts_with("https://") {
        Ok(Signaling::Join { url: url.to_owned() })
    } else if url.is_empty() {
        Err("Paste the link first: the host's window shows it.".to_owned())
    } else {
        Err("That is not a link: it begins with http:// or https:// and is shown in the host's window.".to_owned())
    }
}

/// Servers with blanks or commas between them.
fn ice_servers(text: &str) -> Result<Vec<IceServer>, String> {
    let words = text.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty());
    words.map(|word| word.parse::<IceServer>().map_err(|e| e.to_string())).collect()
}

fn offer_line(text: &str) -> Result<Signaling, String> {
    let offer = text.trim();
    if offer.is_empty() {
        Err("Paste the offer line first: the other person makes it with 'Make an offer line'.".to_owned())
    } else {
        Ok(Signaling::Answer { offer: offer.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_typed_is_checked_where_it_is_typed() {
        assert!(matches!(listen_address(" 0.0.0.0:80 "), Ok(Signaling::Host { listen }) if listen.port() == 80));
        assert!(listen_address("here").is_err());
        assert!(
            matches!(join_link(" http://127.0.0.1:1/whip?token=a\n"), Ok(Signaling::Join { url }) if !url.ends_with('\n'))
        );
        assert!(join_link("").is_err() && join_link("clearcall-offer:abc").is_err());
        assert_eq!(ice_servers(" stun:a, turn:u:p@b:1\n").map(|s| s.len()), Ok(2));
        assert!(ice_servers("").is_ok_and(|s| s.is_empty()) && ice_servers("stun:a b").is_err());
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
