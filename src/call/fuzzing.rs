//! What a fuzz target tries on session descriptions.

use webrtc::peer_connection::RTCSessionDescription;

use super::description::{candidates_in_place, check, has_video};

/// Takes a session description as far as it goes without sockets: no candidate stays in a refused section, and
/// webrtc's parser does not panic.
pub fn description(text: &str) {
    let moved = candidates_in_place(text);
    assert_eq!(candidates_in_place(&moved), moved);
    assert_eq!(has_video(&moved), has_video(text));
    if check(text).is_ok() {
        let _ = RTCSessionDescription::offer(text.to_owned());
        let _ = RTCSessionDescription::answer(moved);
    }
}
