//! Keeps repeated handshake messages from a DTLS that stops repeating its own when it gets them.
//!
//! rtc-dtls 0.21 cancels the timer that repeats its flight whenever a handshake message comes, and sets it again only if
//! the message takes it further. A client whose last flight was lost, and that hears its server repeat the flight
//! before, never repeats its own: at 10 % loss one call in 13 did not come about. A repeated message says nothing new,
//! so it is left out before DTLS sees it, and the timer runs on. Pure.

use std::{collections::VecDeque, net::SocketAddr};

/// Far sides whose messages are remembered; the oldest goes.
const MAX_ADDRESSES: usize = 8;
/// Fragments that are remembered of each; a handshake has some ten.
const MAX_FRAGMENTS: usize = 64;

const RECORD_HEADER: usize = 13;
const MESSAGE_HEADER: usize = 12;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
/// Of a `ClientHello`'s random, after its version.
const RANDOM: std::ops::Range<usize> = 2..34;

/// What one far side has sent so far.
#[derive(Debug)]
struct Seen {
    from: SocketAddr,
    /// The handshake's first random: with another one, another handshake begins.
    random: Option<[u8; 32]>,
    fragments: Vec<(u16, u32)>,
}

/// Remembers the handshake messages that have come.
#[derive(Debug, Default)]
pub(super) struct HandshakeFilter {
    seen: VecDeque<Seen>,
}

/// A plaintext handshake message, or a fragment of one (RFC 6347 §4.2.2).
struct Fragment<'a> {
    kind: u8,
    sequence: u16,
    offset: u32,
    body: &'a [u8],
}

impl HandshakeFilter {
    /// Whether DTLS is to have this datagram: true for all but those that hold repeated handshake messages only.
    pub(super) fn lets_through(&mut self, from: SocketAddr, datagram: &[u8]) -> bool {
        if datagram.first() != Some(&HANDSHAKE) {
            return true;
        }
        let Some(fragments) = fragments(datagram) else { return true };
        let seen = self.seen_from(from);
        let mut anything_new = false;
        for fragment in fragments {
            // The first hello may be repeated: what answers it is not.
            if fragment.kind == CLIENT_HELLO && fragment.sequence == 0 {
                let random = fragment.body.get(RANDOM).and_then(|random| random.try_into().ok());
                if random != seen.random {
                    seen.random = random;
                    seen.fragments.clear();
                }
                anything_new = true;
                continue;
            }
            let place = (fragment.sequence, fragment.offset);
            if !seen.fragments.contains(&place) {
                anything_new = true;
                if seen.fragments.len() < MAX_FRAGMENTS {
                    seen.fragments.push(place);
                }
            }
        }
        anything_new
    }

    fn seen_from(&mut self, from: SocketAddr) -> &mut Seen {
        let at = self.seen.iter().position(|seen| seen.from == from).unwrap_or_else(|| {
            self.seen.truncate(MAX_ADDRESSES - 1);
            self.seen.push_front(Seen { from, random: None, fragments: Vec::new() });
            0
        });
        &mut self.seen[at]
    }
}

/// The datagram's messages, if it holds plaintext handshake messages and nothing else.
fn fragments(mut datagram: &[u8]) -> Option<Vec<Fragment<'_>>> {
    let mut fragments = Vec::new();
    while !datagram.is_empty() {
        let (header, rest) = datagram.split_at_checked(RECORD_HEADER)?;
        let epoch = u16::from_be_bytes([header[3], header[4]]);
        let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (mut record, rest) = rest.split_at_checked(length)?;
        if header[0] != HANDSHAKE || epoch != 0 || record.is_empty() {
            return None;
        }
        while !record.is_empty() {
            let (message, rest) = record.split_at_checked(MESSAGE_HEADER)?;
            let length = u32::from_be_bytes([0, message[9], message[10], message[11]]) as usize;
            let (body, rest) = rest.split_at_checked(length)?;
            fragments.push(Fragment {
                kind: message[0],
                sequence: u16::from_be_bytes([message[4], message[5]]),
                offset: u32::from_be_bytes([0, message[6], message[7], message[8]]),
                body,
            });
            record = rest;
        }
        datagram = rest;
    }
    Some(fragments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A record with one message of this kind, number and first byte.
    fn record(content: u8, epoch: u16, record_number: u8, kind: u8, sequence: u16, fill: u8) -> Vec<u8> {
        let body = [fill; 40];
        let mut message = vec![kind, 0, 0, 40];
        message.extend(sequence.to_be_bytes());
        message.extend([0, 0, 0, 0, 0, 40]);
        message.extend(body);
        let mut record = vec![content, 0xfe, 0xfd];
        record.extend(epoch.to_be_bytes());
        record.extend([0, 0, 0, 0, 0, record_number]);
        record.extend((message.len() as u16).to_be_bytes());
        record.extend(message);
        record
    }

    fn address(port: u16) -> SocketAddr {
        ([192, 0, 2, 1], port).into()
    }

    #[test]
    fn what_is_repeated_is_left_out_and_what_is_new_beside_it_is_not() {
        let mut filter = HandshakeFilter::default();
        let hello = record(22, 0, 0, 2, 1, 7);
        let certificate = record(22, 0, 1, 11, 2, 7);
        assert!(filter.lets_through(address(1), &hello));
        // The record's number is another one, the message is the same.
        assert!(!filter.lets_through(address(1), &record(22, 0, 9, 2, 1, 7)));
        assert!(filter.lets_through(address(2), &hello), "somebody else's");
        let both = [hello.clone(), certificate.clone()].concat();
        assert!(filter.lets_through(address(1), &both), "the certificate is new");
        assert!(!filter.lets_through(address(1), &both) && !filter.lets_through(address(1), &certificate));
        // Nothing but plaintext handshake messages is looked into.
        for other in [record(20, 0, 0, 2, 1, 7), record(22, 1, 0, 2, 1, 7), [both, record(20, 0, 0, 2, 1, 7)].concat()]
        {
            assert!(filter.lets_through(address(1), &other));
        }
    }

    #[test]
    fn a_first_hello_may_come_again_and_another_one_begins_anew() {
        let mut filter = HandshakeFilter::default();
        let (first, second) = (record(22, 0, 0, 1, 0, 7), record(22, 0, 1, 1, 1, 7));
        assert!(filter.lets_through(address(1), &first) && filter.lets_through(address(1), &first));
        assert!(filter.lets_through(address(1), &second) && !filter.lets_through(address(1), &second));
        assert!(filter.lets_through(address(1), &record(22, 0, 0, 1, 0, 8)));
        assert!(filter.lets_through(address(1), &second), "it belongs to another handshake");
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_and_little_is_remembered(
            datagrams in prop::collection::vec((1..20_u16, prop::collection::vec(prop_oneof![Just(22_u8), any::<u8>()], 0..80)), 0..60)
        ) {
            let mut filter = HandshakeFilter::default();
            for (port, bytes) in datagrams {
                filter.lets_through(address(port), &bytes);
            }
            prop_assert!(filter.seen.len() <= MAX_ADDRESSES);
            prop_assert!(filter.seen.iter().all(|seen| seen.fragments.len() <= MAX_FRAGMENTS));
        }
    }
}
