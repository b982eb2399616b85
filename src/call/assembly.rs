//! The payloads of one access unit, joined into its NAL units (RFC 6184 §5.6 to §5.8). Pure.

/// The first bytes of a picture, so that nothing that matters can be missing before them: parameter sets,
/// a delimiter, or the slice with the first macroblock (`first_mb_in_slice` is 0, one bit `1`).
pub(crate) fn starts_a_picture(payload: &[u8]) -> bool {
    let slice = |kind: u8, first: Option<&u8>| match kind {
        1 | 5 => first.is_some_and(|b| b & 0x80 != 0),
        6 | 7 | 9 => true,
        _ => false,
    };
    match payload {
        [h, rest @ ..] if matches!(h & 0x1f, 1..=23) => slice(h & 0x1f, rest.first()),
        [h, rest @ ..] if h & 0x1f == STAP_A => {
            let first = aggregated(rest).map_while(Result::ok).find(|nal| !is_left_out(nal));
            first.is_some_and(|nal| slice(nal[0] & 0x1f, nal.get(1)))
        }
        [h, fu, rest @ ..] if h & 0x1f == FU_A => fu & FU_START != 0 && slice(fu & 0x1f, rest.first()),
        _ => false,
    }
}

/// Prefix NAL units (14), and the sets (15) and slices (20, 21) of scalable and multiview streams: the base picture,
/// which is what is decoded, does without them, and the decoder stumbles over some.
pub(crate) fn is_left_out(nal: &[u8]) -> bool {
    nal.first().is_some_and(|header| matches!(header & 0x1f, 14 | 15 | 20 | 21))
}

/// The NAL units behind a STAP-A's header, each after its length; an error where it is cut or empty.
fn aggregated(mut rest: &[u8]) -> impl Iterator<Item = Result<&[u8], ()>> {
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let cut = rest.split_first_chunk::<2>().and_then(|(size, tail)| {
            tail.split_at_checked(u16::from_be_bytes(*size).into()).filter(|(nal, _)| !nal.is_empty())
        });
        let Some((nal, tail)) = cut else {
            rest = &[];
            return Some(Err(()));
        };
        rest = tail;
        Some(Ok(nal))
    })
}

pub(crate) const STAP_A: u8 = 24;
pub(crate) const FU_A: u8 = 28;
pub(crate) const FU_START: u8 = 0x80;
pub(crate) const FU_END: u8 = 0x40;
const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Joins the payloads of one unit.
#[derive(Default)]
pub(crate) struct Assembly {
    data: Vec<u8>,
    keyframe: bool,
    /// Where the NAL unit that FU-A packets are filling starts, and its header.
    open: Option<(usize, u8)>,
    unsound: bool,
}

impl Assembly {
    fn nal(&mut self, nal: &[u8]) {
        if is_left_out(nal) {
            return;
        }
        self.data.extend_from_slice(&START_CODE);
        self.data.extend_from_slice(nal);
        self.keyframe |= nal.first().is_some_and(|h| h & 0x1f == 5);
    }

    /// Forgets a NAL unit whose end never came.
    fn close(&mut self) {
        if let Some((start, _)) = self.open.take() {
            self.data.truncate(start);
            self.unsound = true;
        }
    }

    /// Packets are missing here.
    pub(crate) fn hole(&mut self) {
        self.close();
        self.unsound = true;
    }

    /// False for a payload that is not allowed.
    pub(crate) fn add(&mut self, payload: &[u8]) -> bool {
        let Some(&header) = payload.first() else {
            return true; // padding that probes the network
        };
        let kind = header & 0x1f;
        if kind != FU_A {
            self.close();
        }
        let fine = header & 0x80 == 0
            && match kind {
                1..=23 => {
                    self.nal(payload);
                    true
                }
                STAP_A => self.stap(&payload[1..]),
                FU_A => self.fu(header, &payload[1..]),
                _ => false,
            };
        self.unsound |= !fine;
        fine
    }

    fn stap(&mut self, rest: &[u8]) -> bool {
        for nal in aggregated(rest) {
            match nal {
                Ok(nal) if nal[0] & 0x80 == 0 && matches!(nal[0] & 0x1f, 1..=23) => self.nal(nal),
                _ => return false,
            }
        }
        !rest.is_empty()
    }

    fn fu(&mut self, indicator: u8, rest: &[u8]) -> bool {
        let [fu, body @ ..] = rest else {
            self.close();
            return false;
        };
        let header = (indicator & 0xe0) | (fu & 0x1f);
        let (start, end) = (fu & FU_START != 0, fu & FU_END != 0);
        if start {
            self.close();
            if !matches!(fu & 0x1f, 1..=23) {
                return false;
            }
            self.open = Some((self.data.len(), header));
            self.data.extend_from_slice(&START_CODE);
            self.data.push(header);
        } else if self.open.is_none_or(|(_, h)| h != header) {
            // A tail whose start is not here, or another unit's.
            self.close();
            return false;
        }
        self.data.extend_from_slice(body);
        // RFC 6184 §5.8 forbids a start that is the end as well, and some senders make it.
        if end && let Some((start, _)) = self.open.take() {
            if is_left_out(&[header]) {
                self.data.truncate(start);
            }
            self.keyframe |= header & 0x1f == 5;
        }
        true
    }

    /// The bytes, whether there is an IDR slice among them, and whether all was in order.
    pub(crate) fn finish(mut self) -> (Vec<u8>, bool, bool) {
        self.close();
        (self.data, self.keyframe, !self.unsound)
    }
}
