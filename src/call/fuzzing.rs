//! What a fuzz target tries on session descriptions.

use webrtc::peer_connection::RTCSessionDescription;

use super::Media;
use super::description::{Answer, MAX_DESCRIPTION, Offer, Wishes, own_formats};

/// Takes a session description as far as it goes without sockets: what webrtc gets to read stays small and makes it
/// not panic, and the answer has as many sections as the offer.
pub fn description(text: &str) {
    let sections = |text: &str| text.lines().filter(|line| line.starts_with("m=")).count();
    let wishes = Wishes { video: Media::SendRecv, audio: Media::SendRecv };
    if let Ok(offer) = Offer::read(text, wishes) {
        assert!(offer.for_webrtc.len() <= 2 * MAX_DESCRIPTION);
        let again = Offer::read(&offer.for_webrtc, wishes);
        // Of several streams one was chosen.
        let plain = |text: &str| -> Vec<String> {
            text.lines().filter(|line| !line.starts_with("a=ssrc")).map(str::to_owned).collect()
        };
        assert_eq!(plain(&again.expect("it is plain").for_webrtc), plain(&offer.for_webrtc));
        assert_eq!(sections(&offer.answer(&offer.for_webrtc, 7)), sections(text));
        let _ = RTCSessionDescription::offer(offer.for_webrtc);
    }
    if let Ok(answer) = Answer::read(text, wishes, &own_formats()) {
        let _ = RTCSessionDescription::answer(answer.for_webrtc);
    }
}
