//! The call: peers, packets, signalling.
//!
//! ```text
//! AccessUnit ─▶ UnitSender ─▶ packetize ─▶ RTP ══ UDP ══ RTP ─▶ depacketize ─▶ PeerEvent::Unit
//!                    ▲                      │ NACK, RTX, PLI, TWCC │        │
//!        TargetBitrate, KeyframeWanted ◀─ rate ◀───── stats_interceptor ─▶ recover ◀──┘ Gap
//! ```
//!
//! [`Peer`] is one end: it makes and takes session descriptions, sends [`AccessUnit`]s and turns packets
//! back into them. Everything it has to say comes as a [`PeerEvent`] through one bounded channel.
//! [`signal`] carries the descriptions from one machine to another, and [`netem`] makes a network bad on
//! purpose. [`depacketize`], [`packetize`], [`recover`] and [`rate`] are pure: no clock, no socket.
//!
//! This is the only module that names types of `webrtc` and `rtc`.

mod assembly;
mod audio;
mod monitor;
pub mod depacketize;
mod description;
mod engine;
mod handshake_filter;
#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod ice_fragment;
mod ice_server;
pub mod netem;
mod mailbox;
pub mod packetize;
mod nack_filter;
mod peer;
mod peer_state;
pub(crate) mod playout;
pub mod rate;
mod receive;
mod retransmit_budget;
pub mod recover;
mod send;
mod sender_clock;
mod sockets;
pub mod signal;
mod stats_interceptor;
mod unwrap;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rtc::shared::ifaces::ifaces;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

pub use audio::{AUDIO_CLOCK, AudioNetStats, AudioPacket, AudioSender, ReceivedAudio};
pub use ice_fragment::{FragmentError, IceFragment};
pub use ice_server::{IceServer, NoIceServer};
pub use netem::Impairment;
pub use peer::Peer;
pub use send::{CaptureLog, SendError, UnitSender};

#[cfg(doc)]
use crate::codec::AccessUnit;

/// Which way video goes, or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Media {
    /// From here to there.
    SendOnly,
    /// From there to here.
    RecvOnly,
    /// Both.
    #[default]
    SendRecv,
    /// Neither: the two are connected, and nothing is shown.
    Inactive,
}

impl Media {
    /// Whether this end sends.
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendOnly | Self::SendRecv)
    }

    /// Whether this end receives.
    pub const fn receives(self) -> bool {
        matches!(self, Self::RecvOnly | Self::SendRecv)
    }

    /// With these ways.
    const fn of(sends: bool, receives: bool) -> Self {
        match (sends, receives) {
            (true, true) => Self::SendRecv,
            (true, false) => Self::SendOnly,
            (false, true) => Self::RecvOnly,
            (false, false) => Self::Inactive,
        }
    }

    /// The attribute's name in a session description.
    const fn in_sdp(self) -> &'static str {
        match self {
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::SendRecv => "sendrecv",
            Self::Inactive => "inactive",
        }
    }

    /// The way of that name.
    fn from_sdp(name: &str) -> Option<Self> {
        [Self::SendOnly, Self::RecvOnly, Self::SendRecv, Self::Inactive].into_iter().find(|m| m.in_sdp() == name)
    }
}

/// What a call sends unless something else is asked for, in bit/s.
pub const DEFAULT_BITRATE: u32 = 300_000;
/// The rate control goes no lower by itself, in bit/s; where the user asks for less, it stays at that.
pub const RATE_CONTROL_FLOOR: u32 = 60_000;

/// How long a far side may be unreachable unless told otherwise. A session gives up earlier.
const UNREACHABLE_LIMIT: Duration = Duration::from_secs(45);

/// How one end of a call is set up.
#[derive(Debug, Clone)]
pub struct PeerConfig {
    /// UDP addresses to bind; see [`media_addresses`]. Port 0 takes a free one.
    pub bind: Vec<SocketAddr>,
    /// Servers that help to find a way.
    pub ice_servers: Vec<IceServer>,
    /// Which way video goes.
    pub media: Media,
    /// Which way sound goes.
    pub audio: Media,
    /// What to send at first, in bit/s.
    pub bitrate: u32,
    /// The least that the rate control may go down to, in bit/s.
    pub min_bitrate: u32,
    /// The most that it may go up to, in bit/s.
    pub max_bitrate: u32,
    /// A bad network on purpose.
    pub impairment: Option<Arc<Impairment>>,
    /// How long the far side may be unreachable, at first or later, until the peer gives up.
    pub unreachable_limit: Duration,
}

impl Default for PeerConfig {
    fn default() -> Self {
        Self {
            bind: vec![(Ipv4Addr::LOCALHOST, 0).into()],
            ice_servers: Vec::new(),
            media: Media::default(),
            audio: Media::Inactive,
            bitrate: DEFAULT_BITRATE,
            min_bitrate: RATE_CONTROL_FLOOR,
            max_bitrate: DEFAULT_BITRATE,
            impairment: None,
            unreachable_limit: UNREACHABLE_LIMIT,
        }
    }
}

impl PeerConfig {
    /// A loopback end with this bitrate, which is also the highest that it goes to.
    pub fn new(media: Media, bitrate: u32) -> Self {
        Self { media, bitrate, max_bitrate: bitrate, min_bitrate: RATE_CONTROL_FLOOR.min(bitrate), ..Self::default() }
    }
}

/// What a peer has to say.
#[derive(Debug)]
pub enum PeerEvent {
    /// Packets flow.
    Connected {
        /// Our address on the path that was chosen.
        local: Option<SocketAddr>,
        /// The far side's.
        remote: Option<SocketAddr>,
    },
    /// The far side (or our own sending end, after it had to drop something) needs a keyframe now.
    KeyframeWanted,
    /// A unit has arrived.
    Unit(ReceivedUnit),
    /// A packet of sound has arrived, in the order of the network.
    Audio(ReceivedAudio),
    /// Packets are lost for good; a keyframe has been asked for.
    Gap {
        /// How many, since the last such event.
        packets: u64,
    },
    /// Encode at this many bit/s from now on.
    TargetBitrate(u32),
    /// Numbers, twice a second.
    Stats(NetStats),
    /// Nothing has been heard of the far side for some seconds. It may come back.
    Silent,
    /// It is heard again.
    Heard,
    /// The connection is over.
    Ended(EndReason),
}

/// Why a connection is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndReason {
    /// The far side said that it leaves.
    #[error("the far side has hung up")]
    HungUp,
    /// It was reached, but the two could not agree on the encryption.
    #[error("the far side was reached, but its certificate or encryption (DTLS) does not work with ours")]
    Handshake,
    /// It could never be reached.
    #[error("the far side could not be reached over UDP")]
    Unreachable,
    /// It has not been heard for so long that it is given up.
    #[error("the far side is not heard any more")]
    Silent,
    /// The peer was closed on this side.
    #[error("it was closed here")]
    ClosedHere,
}

/// An access unit from the far side.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedUnit {
    /// Annex B with four-byte start codes.
    pub data: Vec<u8>,
    /// It contains an IDR slice.
    pub keyframe: bool,
    /// Capture time in 1/90000 s from an origin that the sender chose; wraps.
    pub rtp_timestamp: u32,
    /// When its last packet arrived.
    pub arrived: Instant,
    /// Nothing of it is known to be missing.
    pub complete: bool,
    /// When it was captured by the far side's clock, once it has said how that runs; see
    /// [`ReceivedAudio::sender_time`].
    pub sender_time: Option<Duration>,
}

/// What crossed the network. Rates are over the last half second, counts since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct NetStats {
    /// The round trip, once it has been measured.
    pub rtt: Option<Duration>,
    /// The share of our packets that the far side says it missed, 0 to 1, before repair.
    pub loss_out: Option<f32>,
    /// The share of its packets that we missed, 0 to 1, before repair.
    pub loss_in: f32,
    /// RTP sent, bit/s, with headers and retransmissions.
    pub bitrate_out: u32,
    /// RTP received, bit/s, with headers and retransmissions.
    pub bitrate_in: u32,
    /// What the rate control wants us to send, bit/s.
    pub target: u32,
    /// RTP packets sent.
    pub packets_out: u64,
    /// RTP packets received.
    pub packets_in: u64,
    /// Of those, sent again because the far side asked.
    pub repeated_out: u64,
    /// Of those, received because we asked again.
    pub repaired_in: u64,
    /// Different packets that we missed.
    pub missed_in: u64,
    /// Packets that we gave up.
    pub lost_in: u64,
    /// Packets that the far side asked for again.
    pub nacks_in: u64,
    /// Packets that we asked for again.
    pub nacks_out: u64,
    /// Keyframes that the far side asked for.
    pub plis_in: u64,
    /// Keyframes that we asked for.
    pub plis_out: u64,
    /// Units sent.
    pub units_out: u64,
    /// Units that were not sent because the queue was full or the far side had to wait for a keyframe.
    pub units_refused: u64,
    /// Units received.
    pub units_in: u64,
    /// Of those, not complete.
    pub units_damaged: u64,
    /// Units thrown away because nobody took the events.
    pub units_overrun: u64,
    /// The sound, which is in none of the numbers above.
    pub audio: AudioNetStats,
}

/// A call that did not work.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// No socket could be bound, or webrtc refused its set-up.
    #[error("the call could not be set up on {bind}: {why}; is the address one of this machine's?")]
    SetUp {
        /// The addresses that were asked for.
        bind: String,
        /// What webrtc said.
        why: String,
    },
    /// A session description that is not one, or that does not fit.
    #[error("the {what} from the far side cannot be used: {why}")]
    Description {
        /// "offer" or "answer".
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The far side's video cannot be used: it has no H.264 that is spoken here, or no video at all and no sound either.
    #[error("the far side's video cannot be used: {0}; this program speaks H.264 of baseline, main and high profile")]
    NoH264(String),
    /// Addresses could not be gathered.
    #[error("no network address was found to offer to the far side within {} seconds", .0.as_secs())]
    NoAddress(Duration),
    /// It took too long to connect.
    #[error(
        "no connection within {} seconds: the two machines cannot reach each other's UDP ports (a firewall?)",
        .0.as_secs()
    )]
    NotConnected(Duration),
    /// The call ended while something waited for it.
    #[error("the call has ended: {0}")]
    Ended(EndReason),
    /// webrtc failed in the middle of something.
    #[error("{doing} failed: {why}")]
    Internal {
        /// What was being done.
        doing: &'static str,
        /// What webrtc said.
        why: String,
    },
}

/// Where a call's UDP sockets should be bound when its signalling is at `listen`: a loopback call stays
/// on loopback; any other uses all addresses of this machine, and loopback as well, so that both ends
/// may also be on one machine.
pub fn media_addresses(listen: SocketAddr) -> Vec<SocketAddr> {
    // Where the interfaces cannot be listed, IPv4 alone is a good guess.
    let interfaces = ifaces().unwrap_or_default();
    let own: Vec<IpAddr> = interfaces.iter().filter_map(|i| i.addr).map(|a| a.ip()).collect();
    media_addresses_among(listen.ip().to_canonical(), &own)
}

/// The same for a machine that has the addresses `own`.
fn media_addresses_among(listen: IpAddr, own: &[IpAddr]) -> Vec<SocketAddr> {
    let (v4, v6): (IpAddr, IpAddr) = (Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into());
    // Of all addresses those are left out, which may be all that a machine without a router has.
    let link_local = own.iter().filter(|ip| matches!(ip, IpAddr::V4(ip) if ip.is_link_local()));
    let addresses = match listen {
        ip if ip.is_loopback() => vec![ip],
        IpAddr::V4(ip) if ip.is_unspecified() => [ip.into(), v4].into_iter().chain(link_local.copied()).collect(),
        IpAddr::V4(ip) => vec![ip.into(), v4],
        IpAddr::V6(ip) if !ip.is_unspecified() => vec![ip.into(), v6],
        IpAddr::V6(_) => {
            // Both families. A machine without IPv6 would bind `::` itself, which nobody can reach.
            let reachable =
                |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if !ip.is_loopback() && !ip.is_unicast_link_local());
            let mut all = vec![Ipv4Addr::UNSPECIFIED.into(), v4];
            all.extend(own.iter().any(reachable).then_some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
            all.extend(own.contains(&v6).then_some(v6));
            all.extend(link_local);
            all
        }
    };
    addresses.into_iter().map(|ip| SocketAddr::new(ip, 0)).collect()
}

/// Two peers in this process, connected over real UDP on 127.0.0.1: what `near` offers, `far` answers.
///
/// # Errors
/// What setting up, describing or connecting either peer fails with.
pub async fn loopback(
    near: PeerConfig,
    far: PeerConfig,
    runtime: &Handle,
    near_events: mpsc::Sender<PeerEvent>,
    far_events: mpsc::Sender<PeerEvent>,
) -> Result<(Peer, Peer), CallError> {
    let near = Peer::new(near, runtime, near_events).await?;
    let far = Peer::new(far, runtime, far_events).await?;
    let offer = near.offer().await?;
    let answer = far.answer(&offer).await?;
    near.accept_answer(&answer).await?;
    let limit = Duration::from_secs(15);
    near.connected(limit).await?;
    far.connected(limit).await?;
    Ok((near, far))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_stays_where_the_signalling_is() {
        let of = |listen: &str, own: &[&str]| -> Vec<String> {
            let own: Vec<IpAddr> = own.iter().map(|ip| ip.parse().unwrap()).collect();
            media_addresses_among(listen.parse().unwrap(), &own).iter().map(ToString::to_string).collect()
        };
        assert_eq!(of("127.0.0.1", &[]), ["127.0.0.1:0"]);
        assert_eq!(of("::1", &[]), ["[::1]:0"]);
        assert_eq!(of("0.0.0.0", &["2001:db8::7"]), ["0.0.0.0:0", "127.0.0.1:0"]);
        assert_eq!(of("0.0.0.0", &["169.254.7.1"]), ["0.0.0.0:0", "127.0.0.1:0", "169.254.7.1:0"]);
        assert_eq!(of("::", &["169.254.7.1"]), ["0.0.0.0:0", "127.0.0.1:0", "169.254.7.1:0"]);
        assert_eq!(of("192.0.2.7", &[]), ["192.0.2.7:0", "127.0.0.1:0"]);
        assert_eq!(of("2001:db8::7", &[]), ["[2001:db8::7]:0", "[::1]:0"]);
        assert_eq!(of("::", &["192.0.2.7"]), ["0.0.0.0:0", "127.0.0.1:0"]);
        assert_eq!(of("::", &["::1", "fe80::1"]), ["0.0.0.0:0", "127.0.0.1:0", "[::1]:0"]);
        assert_eq!(of("::", &["2001:db8::7", "::1"]), ["0.0.0.0:0", "127.0.0.1:0", "[::]:0", "[::1]:0"]);
    }
}
