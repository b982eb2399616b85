//! Sound on its way from the network to the thread that writes recordings.

use std::{
    collections::VecDeque,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::{
    call::ReceivedAudio,
    pipeline::lock,
    record::sound::{Channels, MAX_PACKET_BYTES, Moment},
};

/// Packets that may wait: twenty seconds of the usual 20 ms. The oldest is left out where there are more.
pub(super) const MAX_WAITING: usize = 1000;

/// Nothing in here takes long, so that nobody is held up who brings packets.
#[derive(Debug, Default)]
pub(super) struct SoundQueue {
    packets: Mutex<VecDeque<ReceivedAudio>>,
    /// Sound belongs to what is received.
    expected: AtomicBool,
}

impl SoundQueue {
    pub(super) fn expect(&self, expected: bool) {
        self.expected.store(expected, Relaxed);
    }

    pub(super) fn put(&self, packet: ReceivedAudio) {
        if packet.payload.len() > MAX_PACKET_BYTES {
            return;
        }
        let mut packets = lock(&self.packets);
        if packets.len() >= MAX_WAITING {
            packets.pop_front();
        }
        packets.push_back(packet);
    }

    /// What was captured before a moment, or all.
    pub(super) fn take(&self, before: Option<Moment>) -> Vec<ReceivedAudio> {
        let mut packets = lock(&self.packets);
        let later = |packet: &ReceivedAudio, moment: Moment| {
            let own = Moment { arrived: packet.arrived, sender_time: packet.sender_time };
            own.since(moment).ticks >= 0
        };
        let count = before.and_then(|moment| packets.iter().position(|packet| later(packet, moment)));
        let count = count.unwrap_or(packets.len());
        packets.drain(..count).collect()
    }

    pub(super) fn clear(&self) {
        lock(&self.packets).clear();
    }

    /// What a file that begins now has a track for; [`None`]: no sound.
    pub(super) fn channels(&self) -> Option<Channels> {
        let packets = lock(&self.packets);
        let heard = || packets.iter().map(|packet| Channels::of(&packet.payload));
        if heard().any(|channels| channels == Channels::Stereo) {
            Some(Channels::Stereo)
        } else if self.expected.load(Relaxed) || !packets.is_empty() {
            Some(Channels::Mono)
        } else {
            None
        }
    }
}
