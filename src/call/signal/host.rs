//! The side that is called: one HTTP endpoint in the shape of WHIP, and a page for browsers.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, HeaderValue, Uri, header};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{delete, get, post};
use subtle::ConstantTimeEq as _;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::handlers::{ended, ice_updated, offered, offered_again, options_of_endpoint, page, with_cors};
use super::server::{self, Limits};
use super::tls::{Fingerprint, ServerIdentity};
use super::{SignalError, addresses, link_header, query_value, secret};
use crate::call::ice_fragment::IceFragment;
use crate::call::{CallError, IceServer};

/// How long [`Host::close`] waits for what is being said.
const CLOSING: Duration = Duration::from_secs(1);
/// A call that somebody offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IncomingCall {
    /// Its name at this endpoint, which [`CallHandler::hung_up`] is given.
    pub id: String,
    /// The caller's session description.
    pub offer: String,
    /// The call that the caller had before and has lost, if it names one.
    pub resumes: Option<String>,
}

/// A change of a call's ICE (RFC 9725 §4.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceUpdate {
    /// The call's name.
    pub id: String,
    /// The ICE sessions that it may be meant for; [`None`]: whichever there is.
    pub sessions: Option<Vec<String>>,
    /// What has changed. Credentials that are not the caller's present ones begin ICE anew.
    pub fragment: IceFragment,
}

/// What a change of ICE came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IceUpdated {
    /// The candidates are taken.
    Taken,
    /// A new ICE session has begun.
    Restarted {
        /// The host's half.
        fragment: IceFragment,
        /// The host's session description, which the fragment belongs to.
        description: String,
    },
}

/// Why a call is not taken, or not changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not now.
    #[error("{0}")]
    Busy(&'static str),
    /// Its offer cannot be answered.
    #[error(transparent)]
    Call(#[from] CallError),
    /// There is none of that name.
    #[error("there is no such call")]
    NoSuchCall,
    /// It has another ICE session by now.
    #[error("the call has another ICE session by now")]
    OtherIceSession,
    /// It names no session, and does not begin one either.
    #[error("to begin ICE anew a=ice-ufrag and a=ice-pwd are needed")]
    NoIceCredentials,
    /// The handler cannot do that.
    #[error("ICE cannot be changed during a call here")]
    NoIceUpdates,
}

/// What the host does with calls: implemented by the program.
#[async_trait::async_trait]
pub trait CallHandler: Send + Sync + 'static {
    /// Takes a call: gives the answer to its offer.
    ///
    /// # Errors
    ///
    /// If the call is not taken.
    async fn answer(&self, call: IncomingCall) -> Result<String, Refusal>;

    /// The caller of the call `id` has hung up through the signalling; false if there is no such call.
    async fn hung_up(&self, id: &str) -> bool;

    /// The caller has more candidates, or begins ICE anew.
    ///
    /// # Errors
    ///
    /// If there is no such call, or it cannot be changed so.
    async fn update_ice(&self, _update: IceUpdate) -> Result<IceUpdated, Refusal> {
        Err(Refusal::NoIceUpdates)
    }
}

/// How a host is reached.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,
    /// With a certificate it speaks https, and sends those on who come with http.
    pub identity: Option<ServerIdentity>,
    /// The servers that callers are told to find their way with.
    pub ice_servers: Vec<IceServer>,
}

/// The endpoint; it is closed when this is dropped. A call that it brought about goes on.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    identity: Option<ServerIdentity>,
    signaling: Arc<SignalingState>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

pub(super) struct SignalingState {
    pub(super) token: String,
    pub(super) handler: Arc<dyn CallHandler>,
    /// As `Link` headers say them.
    pub(super) ice_servers: Vec<HeaderValue>,
}

impl std::fmt::Debug for SignalingState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignalingState").finish_non_exhaustive()
    }
}

impl SignalingState {
    pub(super) fn authorised(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let query = uri.query().and_then(|q| query_value(q, "token"));
        bearer.or(query).is_some_and(|given| same(given, &self.token))
    }

    pub(super) fn name_ice_servers(&self, response: &mut Response) {
        for server in &self.ice_servers {
            response.headers_mut().append(header::LINK, server.clone());
        }
    }
}

/// Compares in a time that does not tell how much is right.
fn same(given: &str, token: &str) -> bool {
    given.as_bytes().ct_eq(token.as_bytes()).into()
}

impl Host {
    /// Listens at `listen` (port 0: a free one) and hands calls to `handler`, which decides how many it takes.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn start(listen: SocketAddr, handler: Arc<dyn CallHandler>) -> Result<Self, SignalError> {
        Self::serve(HostOptions { listen, identity: None, ice_servers: Vec::new() }, handler).await
    }

    /// The same with everything that may be chosen.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub async fn serve(options: HostOptions, handler: Arc<dyn CallHandler>) -> Result<Self, SignalError> {
        let HostOptions { listen, identity, ice_servers } = options;
        let failed = |why: io::Error| SignalError::Listen { address: listen, why: explain(&why, listen) };
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let ice_servers = ice_servers.iter().filter_map(link_header::write).collect();
        let signaling = Arc::new(SignalingState { token: secret::<18>(), handler, ice_servers });
        let app = Router::new()
            .route("/", get(page))
            .route("/whip", post(offered).options(options_of_endpoint))
            // Whoever offers to receive only is a viewer: WHEP is the same from here.
            .route("/whep", post(offered).options(options_of_endpoint))
            .route("/whip/{session}", delete(ended).post(offered_again).patch(ice_updated).options(options_of_endpoint))
            .with_state(Arc::clone(&signaling))
            .layer(map_response(with_cors));
        let tls = identity.as_ref().map(|identity| TlsAcceptor::from(Arc::clone(&identity.config)));
        let (stop, stopped) = watch::channel(false);
        let task = tokio::spawn(server::serve(listener, app, tls, Limits::default(), stopped));
        Ok(Self { address, identity, signaling, stop, task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The secret that a caller has to have.
    pub fn token(&self) -> &str {
        &self.signaling.token
    }

    /// The fingerprint of its certificate, if it has one.
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.identity.as_ref().map(ServerIdentity::fingerprint)
    }

    /// The link to join with, and to open in a browser: the likeliest of [`urls`](Self::urls).
    pub fn url(&self) -> String {
        self.urls().into_iter().next().unwrap_or_default()
    }

    /// A link for each address by which this machine can be reached, the likeliest first. The token stands behind
    /// `#`, where browsers keep it to themselves.
    pub fn urls(&self) -> Vec<String> {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        let pin = self.identity.as_ref().and_then(ServerIdentity::pin);
        let pin = pin.map(|pin| format!("&sha256={}", pin.to_link())).unwrap_or_default();
        let token = &self.signaling.token;
        let at = addresses::reachable(self.address);
        at.iter().map(|address| format!("{scheme}://{address}/#token={token}{pin}")).collect()
    }

    /// Ends what is being said to callers, and gives the port back.
    pub async fn close(mut self) {
        self.stop.send_replace(true);
        // A caller who keeps the line open does not keep the host.
        let _ = tokio::time::timeout(CLOSING, &mut self.task).await;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn explain(why: &io::Error, address: SocketAddr) -> String {
    match why.kind() {
        io::ErrorKind::AddrInUse => format!(
            "port {} is in use; end the program that uses it, or choose another port (--listen {}; port 0 takes a \
             free one)",
            address.port(),
            SocketAddr::new(address.ip(), address.port().wrapping_add(1).max(1024))
        ),
        io::ErrorKind::AddrNotAvailable => {
            "this machine does not have that address; 127.0.0.1 is for this machine alone, 0.0.0.0 for all of its \
             addresses"
                .to_owned()
        }
        io::ErrorKind::PermissionDenied => {
            "the system does not allow it; ports below 1024 need special rights, take a higher one".to_owned()
        }
        _ => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(same("abc", "abc"));
        for wrong in ["", "ab", "abcd", "abd", "ABC", "abc\0"] {
            assert!(!same(wrong, "abc"), "{wrong}");
        }
    }
}
