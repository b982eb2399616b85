//! Carrying session descriptions from one machine to the other.
//!
//! [`Host`] serves one HTTP endpoint in the shape of WHIP (RFC 9725): an offer is POSTed to it, the answer
//! comes back with 201 and a Location, a PATCH of that changes its ICE, and a DELETE ends the call. It also
//! serves the page with which a browser calls. The link that [`Host::url`] gives carries a random token; who
//! has no token gets no answer. [`Server`] is the other side, for a host and for any other server of WHIP or
//! WHEP, and [`join()`] the short way to a host.
//!
//! Where no HTTP gets through, [`to_line`] and [`from_line`] make one line of text out of a description, to
//! be copied and pasted.

#[cfg(fuzzing)]
pub(crate) mod fuzzing;
mod addresses;
mod bearer;
mod handlers;
mod host;
mod http;
mod join;
mod link;
mod link_header;
mod server;
mod text;
mod tls;

use std::net::SocketAddr;
use std::time::Duration;

pub use bearer::{Bearer, NoToken};
pub use host::{CallHandler, Host, HostOptions, IceUpdate, IceUpdated, IncomingCall, Refusal};
pub use join::{Joined, Protocol, Response, Server, WhipSession, join};
pub use text::{MAX_LINE, SdpType, TextError, from_line, to_line};
pub use tls::{Fingerprint, ServerIdentity, TlsError};

/// The port that a host listens on unless another one is asked for.
pub const DEFAULT_PORT: u16 = 8080;

/// The media type of session descriptions.
const SDP: &str = "application/sdp";
/// That of their ICE half alone (RFC 8840 §9).
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// What a host calls itself; callers tell it from other servers by that.
const SERVER: &str = "clearcall";

/// Signalling that did not work.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {why}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What is the matter with it, and what to do.
        why: String,
    },
    /// The link is not one.
    #[error("'{link}' is not a link to a call: {why}; it looks like http://192.0.2.7:{DEFAULT_PORT}/#token=…")]
    Link {
        /// What was given.
        link: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The machine cannot be reached.
    #[error("{host} cannot be reached from here: is the network up, and is the link's address right?")]
    Unreachable {
        /// Host and port.
        host: String,
    },
    /// The machine is there, and nobody listens.
    #[error(
        "nobody listens at {host}: is `clearcall host` running there, on an address that this machine can reach \
         (--listen), and is no firewall between?"
    )]
    NobodyThere {
        /// Host and port.
        host: String,
    },
    /// The name in the link is unknown.
    #[error("no machine is called '{host}': check the link")]
    UnknownHost {
        /// Host and port.
        host: String,
    },
    /// No answer in time.
    #[error("{host} did not answer within {} seconds", .limit.as_secs())]
    Timeout {
        /// Host and port.
        host: String,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The token is wrong or missing.
    #[error(
        "{host} refuses the token, or wants one: copy the whole link again (a clearcall host makes a new one each time \
         it starts), or give the server's with --token"
    )]
    WrongToken {
        /// Host and port.
        host: String,
    },
    /// Another call is going on there.
    #[error("{host} is busy: {why}")]
    Busy {
        /// Host and port.
        host: String,
        /// Its words.
        why: String,
    },
    /// It is there and understands, but says no.
    #[error("{host} cannot take the call: {why}")]
    Refused {
        /// Host and port.
        host: String,
        /// Its words.
        why: String,
    },
    /// Something else answers there.
    #[error("what answers at {host} takes no calls there ({why}): check the whole link, also its end")]
    NotClearcall {
        /// Host and port.
        host: String,
        /// What it did.
        why: String,
    },
    /// It is not known who answers there.
    #[error("{host} cannot show that it is the right machine: {why}")]
    Certificate {
        /// Host and port.
        host: String,
        /// What is wrong with its certificate.
        why: String,
    },
    /// The network failed in some other way.
    #[error("talking to {host} failed: {why}")]
    Network {
        /// Host and port.
        host: String,
        /// What the system said.
        why: String,
    },
}

impl SignalError {
    /// Whether a caller who had a call there need not try again: the host has ended or refuses.
    pub const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Link { .. }
                | Self::NobodyThere { .. }
                | Self::WrongToken { .. }
                | Self::Refused { .. }
                | Self::Certificate { .. }
        )
    }
}

/// `bytes` random bytes as text that fits into a link.
fn secret<const BYTES: usize>() -> String {
    use base64::Engine as _;
    use rand::RngCore as _;
    let mut bytes = [0; BYTES];
    rand::rng().fill_bytes(&mut bytes);
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}

/// What stands after `key` in `a=1&b=2`.
fn query_value<'a>(query: &'a str, key: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.split_once('=').filter(|(k, _)| *k == key).map(|(_, v)| v))
}
