//! Which of the devices that a system names a person would know.

use std::collections::HashSet;

/// A device as the system names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Found {
    /// What is shown.
    pub(super) name: String,
    /// What the system calls it.
    pub(super) id: String,
    /// Where it stands in the system's list.
    pub(super) index: usize,
}

/// What to show of what was found, in its order, each with a name of its own. The first is the default.
///
/// ALSA has dozens of names for one card, of which two are of use: `sysdefault`, that shares it with others, and for its
/// further sockets `plughw`, that converts. Its `pulse` leads to a server that was asked before and did not answer.
pub(super) fn listed(found: Vec<Found>) -> Vec<Found> {
    let mut shown: Vec<Found> = Vec::new();
    let mut ids = HashSet::new();
    let mut seen = HashSet::new();
    let alsa = found.iter().any(|device| device.id == "default" || card(&device.id).is_some());
    let mut ranked: Vec<(u8, Found)> =
        found.into_iter().enumerate().map(|(place, device)| (rank(&device.id, alsa, place == 0), device)).collect();
    // The sort is stable: within a rank the system's order stays.
    ranked.sort_by_key(|(rank, _)| *rank);
    let cards = ranked.iter().any(|(rank, _)| (SHARED..HIDDEN).contains(rank));
    for (rank, mut device) in ranked {
        // ALSA's default is there even where nothing is behind it: a server's plug or a card must be there too.
        if rank == HIDDEN || (alsa && rank == DEFAULT && !cards) || !ids.insert(device.id.clone()) {
            continue;
        }
        // A card by number is one that was there by name.
        let card = if rank == NUMBERED { None } else { card(&device.id).map(str::to_owned) };
        let known = match &card {
            Some(_) => !seen.insert((card, device.name.clone())),
            None => alsa && shown.iter().any(|other| other.name == device.name),
        };
        if known {
            continue;
        }
        let name = device.name.clone();
        let mut number = 2;
        while shown.iter().any(|other| other.name == device.name) {
            device.name = format!("{name} ({number})");
            number += 1;
        }
        shown.push(device);
    }
    shown
}

const DEFAULT: u8 = 0;
const OTHER: u8 = 1;
const SHARED: u8 = 2;
const CONVERTED: u8 = 3;
const NUMBERED: u8 = 4;
const HIDDEN: u8 = 5;

fn rank(id: &str, alsa: bool, first: bool) -> u8 {
    if first {
        return DEFAULT;
    }
    if !alsa {
        // PulseAudio's name for what a speaker plays: no microphone.
        return if id.ends_with(".monitor") { HIDDEN } else { OTHER };
    }
    match id.split_once(':').unwrap_or((id, "")).0 {
        "pipewire" | "sysdefault" => SHARED,
        "plughw" if card(id).is_some_and(|card| card.bytes().all(|byte| byte.is_ascii_digit())) => NUMBERED,
        "plughw" => CONVERTED,
        _ => HIDDEN,
    }
}

/// The card in one of ALSA's ids, such as `plughw:CARD=PCH,DEV=0`.
fn card(id: &str) -> Option<&str> {
    let (_, rest) = id.split_once(":CARD=")?;
    rest.split(',').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(found: &[(&str, &str)]) -> Vec<(String, String)> {
        let found = found.iter().enumerate().map(|(index, (id, name))| Found {
            name: (*name).to_owned(),
            id: (*id).to_owned(),
            index,
        });
        listed(found.collect()).into_iter().map(|device| (device.id, device.name)).collect()
    }

    fn pairs(expected: &[(&str, &str)]) -> Vec<(String, String)> {
        expected.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect()
    }

    /// A laptop's list for playing, as `aplay -L` has it and cpal adds to it, with a headset of the same make twice.
    #[test]
    fn alsas_names_for_a_card_become_one_for_each_socket() {
        let analog = "HDA Intel PCH, ALC257 Analog";
        let hdmi = "HDA Intel PCH, HDMI 0";
        let headset = "Headset, USB Audio";
        let list = [
            ("default", "Default Audio Device"),
            ("null", "Discard all samples (playback) or generate zero samples (capture)"),
            ("samplerate", "Rate Converter Plugin Using Samplerate Library"),
            ("default", "Default ALSA Output"),
            ("hw:CARD=PCH,DEV=0", analog),
            ("plughw:CARD=PCH,DEV=0", analog),
            ("sysdefault:CARD=PCH", analog),
            ("front:CARD=PCH,DEV=0", analog),
            ("dmix:CARD=PCH,DEV=0", analog),
            ("hdmi:CARD=PCH,DEV=0", hdmi),
            ("plughw:CARD=PCH,DEV=3", hdmi),
            ("sysdefault:CARD=Headset", headset),
            ("sysdefault:CARD=Headset_1", headset),
            ("hw:CARD=0,DEV=0", analog),
            ("plughw:CARD=0,DEV=0", analog),
            ("plughw:CARD=3,DEV=0", "Piano, USB MIDI"),
        ];
        let expected = [
            ("default", "Default Audio Device"),
            ("sysdefault:CARD=PCH", analog),
            ("sysdefault:CARD=Headset", headset),
            ("sysdefault:CARD=Headset_1", "Headset, USB Audio (2)"),
            ("plughw:CARD=PCH,DEV=3", hdmi),
            ("plughw:CARD=3,DEV=0", "Piano, USB MIDI"),
        ];
        assert_eq!(shown(&list), pairs(&expected));
    }

    #[test]
    fn alsas_default_with_nothing_behind_it_is_none() {
        assert_eq!(
            shown(&[("default", "Default Audio Device"), ("null", "Discard all samples"), ("default", "x")]),
            []
        );
        assert_eq!(shown(&[("default", "Default Audio Device"), ("pulse", "PulseAudio Sound Server")]), []);
        let with_server = [("default", "Default Audio Device"), ("pipewire", "PipeWire Sound Server")];
        assert_eq!(shown(&with_server), pairs(&with_server));
    }

    #[test]
    fn a_sound_servers_names_stay_but_for_monitors() {
        let list = [
            ("alsa_input.usb", "Webcam Mono"),
            ("alsa_output.pci.monitor", "Monitor of Built-in Audio"),
            ("alsa_input.pci", "Built-in Audio"),
            ("alsa_input.usb", "Webcam Mono"),
            ("alsa_input.usb2", "Webcam Mono"),
        ];
        let expected = [
            ("alsa_input.usb", "Webcam Mono"),
            ("alsa_input.pci", "Built-in Audio"),
            ("alsa_input.usb2", "Webcam Mono (2)"),
        ];
        assert_eq!(shown(&list), pairs(&expected));
        assert_eq!(shown(&[]), []);
    }
}
