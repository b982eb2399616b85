//! Two windows that call each other, by a link and by lines of text.
#![cfg(feature = "app")]

#[path = "support/window.rs"]
mod window;

use clearcall::{app::App, pipeline::Signaling};
use egui_kittest::{Harness, kittest::Queryable as _};
use window::{has, open, settings, shows, start, texts, until};

type Window = Harness<'static, App>;

const DOOR: &str = "Both ends on this machine";

fn see_each_other(a: &mut Window, b: &mut Window) {
    until("pictures on both sides", || shows(a, "Picture: bicubic") & shows(b, "Picture: bicubic"));
}

/// The text of the field `name`, once it is there.
fn field(window: &Window, name: &str) -> Option<String> {
    window.query_by_label(name).and_then(|field| field.value()).filter(|text| !text.is_empty())
}

fn wait_for_field(window: &mut Window, name: &str) -> String {
    let mut text = None;
    until(name, || {
        window.step();
        text = field(window, name);
        text.is_some()
    });
    text.unwrap_or_default()
}

/// Puts `text` into the field in place of what is there, and clicks on `button`.
fn paste(window: &mut Window, name: &str, text: &str, button: &str) {
    window.get_by_label(name).focus();
    window.step();
    window.key_press_modifiers(egui::Modifiers::COMMAND, egui::Key::A);
    window.step();
    window.get_by_label(name).type_text(text);
    window.step();
    assert_eq!(field(window, name).as_deref(), Some(text));
    window.get_by_label(button).click();
    window.step();
}

#[test]
fn host_and_join() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let mut host = open(start(settings(), Some(Signaling::Host { listen })));
    let mut guest = open(start(settings(), None));
    guest.step();
    let link = wait_for_field(&mut host, "Link");
    assert!(has(&host, "Copy link"));
    paste(&mut guest, "Link to join", &link, "Join");
    see_each_other(&mut host, &mut guest);

    guest.get_by_label("Hang up").click();
    until("the guest's start page", || shows(&mut guest, DOOR));
    // The host waits for the next guest under the same link.
    assert_eq!(wait_for_field(&mut host, "Link"), link);
    assert!(!has(&host, "Picture: bicubic"));
    host.get_by_label("Hang up").click();
    until("the host's start page", || shows(&mut host, DOOR));
}

#[test]
fn a_call_that_the_other_side_ended_can_be_made_again() {
    let listen = "127.0.0.1:0".parse().unwrap();
    let mut host = open(start(settings(), Some(Signaling::Host { listen })));
    let link = wait_for_field(&mut host, "Link");
    let address: std::net::SocketAddr = link.split('/').nth(2).unwrap().parse().unwrap();
    let mut guest = open(start(settings(), None));
    guest.step();
    paste(&mut guest, "Link to join", &link, "Join");
    see_each_other(&mut host, &mut guest);
    host.get_by_label("Hang up").click();
    until("the guest's word of the end", || {
        host.step();
        shows(&mut guest, "The call has ended")
    });

    // Nobody answers at the link any more: that is said where a link is joined, and nothing has to be typed again.
    until("the host's end", || shows(&mut host, "Sent within"));
    guest.get_by_label("Call again").click();
    until("the start page", || shows(&mut guest, DOOR));
    until("why it was in vain", || {
        guest.step();
        texts(&guest, &address.to_string()).iter().any(|t| !t.starts_with("http"))
    });
    assert_eq!(field(&guest, "Link to join"), Some(link));
}

#[test]
fn a_link_that_leads_nowhere_is_said_where_it_was_pasted() {
    let url = "http://127.0.0.1:1/whip?token=none".to_owned();
    let mut guest = open(start(settings(), Some(Signaling::Join { url: url.clone() })));
    until("the start page", || shows(&mut guest, DOOR));
    assert_eq!(field(&guest, "Link to join"), Some(url));
    assert!(texts(&guest, "127.0.0.1:1").iter().any(|t| !t.starts_with("http")), "no error names the link");
}

#[test]
fn offer_and_answer_lines() {
    let mut caller = open(start(settings(), Some(Signaling::Offer)));
    let mut callee = open(start(settings(), None));
    callee.step();
    let offer = wait_for_field(&mut caller, "Offer line");
    paste(&mut callee, "Offer line to answer", &offer, "Answer");
    let answer = wait_for_field(&mut callee, "Answer line");

    // A line that is not the answer is refused, and the right one still works.
    paste(&mut caller, "Answer line", "clearcall-answer:nonsense", "Connect");
    caller.step();
    assert!(has(&caller, "Two lines make the call"));
    paste(&mut caller, "Answer line", &answer, "Connect");
    see_each_other(&mut caller, &mut callee);
}
