//! The side that is called: one HTTP endpoint in the shape of WHIP.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use subtle::ConstantTimeEq as _;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{SDP, SignalError, query_value, secret};
use crate::call::CallError;

/// A longer body is not an offer.
pub(super) const MAX_BODY: usize = 64 << 10;
/// A body that takes longer to come is not waited for.
const BODY_TIME: Duration = Duration::from_secs(10);
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

/// Why a call is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Not now.
    #[error("{0}")]
    Busy(&'static str),
    /// Its offer cannot be answered.
    #[error(transparent)]
    Call(#[from] CallError),
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
}

/// The endpoint; it is closed when this is dropped. A call that it brought about goes on.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    signaling: Arc<SignalingState>,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

pub(super) struct SignalingState {
    pub(super) token: String,
    pub(super) handler: Arc<dyn CallHandler>,
}

impl std::fmt::Debug for SignalingState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SignalingState").finish_non_exhaustive()
    }
}

impl SignalingState {
    fn authorised(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let bearer = headers
            .get(header::AUTHORIZATION)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim());
        let query = uri.query().and_then(|q| query_value(q, "token"));
        bearer.or(query).is_some_and(|given| same(given, &self.token))
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
        let failed = |why: io::Error| SignalError::Listen { address: listen, why: explain(&why, listen) };
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let signaling = Arc::new(SignalingState { token: secret::<18>(), handler });
        let app = Router::new()
            .route("/", get(hello))
            .route("/whip", post(offered).options(preflight))
            .route("/whip/{session}", delete(ended).post(offered_again).options(preflight))
            .with_state(Arc::clone(&signaling))
            .layer(map_response(with_cors));
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let served = axum::serve(listener, app).with_graceful_shutdown(async move {
                let _ = stopped.await;
            });
            if let Err(why) = served.await {
                tracing::warn!(%why, "the signalling has ended");
            }
        });
        Ok(Self { address, signaling, stop: Some(stop), task })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The secret that a caller has to have.
    pub fn token(&self) -> &str {
        &self.signaling.token
    }

    /// The link to join with, token included. Listening everywhere, it names the address by which this
    /// machine reaches others.
    pub fn url(&self) -> String {
        let mut address = self.address;
        if address.ip().is_unspecified() {
            let outward_ip = outward(address.ip());
            // Whoever listens on every IPv6 address listens on every IPv4 address as well.
            let alone = address.is_ipv6() && outward_ip.is_loopback();
            address.set_ip(if alone { outward(Ipv4Addr::UNSPECIFIED.into()) } else { outward_ip });
        }
        format!("http://{address}/whip?token={}", self.signaling.token)
    }

    /// Ends what is being said to callers, and gives the port back.
    pub async fn close(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        // A caller who keeps the line open does not keep the host.
        let _ = tokio::time::timeout(CLOSING, &mut self.task).await;
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The address that packets to the outside leave from. Connecting a UDP socket sends nothing.
fn outward(like: IpAddr) -> IpAddr {
    let (any, far): (IpAddr, IpAddr) = match like {
        IpAddr::V4(_) => (Ipv4Addr::UNSPECIFIED.into(), Ipv4Addr::new(192, 0, 2, 1).into()),
        IpAddr::V6(_) => (Ipv6Addr::UNSPECIFIED.into(), Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1).into()),
    };
    let found = UdpSocket::bind((any, 0)).and_then(|s| s.connect((far, 9)).and_then(|()| s.local_addr()));
    match (found, like) {
        (Ok(address), _) if !address.ip().is_unspecified() => address.ip(),
        (_, IpAddr::V4(_)) => Ipv4Addr::LOCALHOST.into(),
        (_, IpAddr::V6(_)) => Ipv6Addr::LOCALHOST.into(),
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

async fn hello() -> &'static str {
    "This is a clearcall host. Join with: clearcall join LINK, where LINK is the one that the host printed.\n"
}

/// A page in a browser may call, too, if it has the token.
async fn with_cors(mut response: Response) -> Response {
    let set = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, DELETE, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "location"),
    ];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

async fn preflight() -> Response {
    (StatusCode::NO_CONTENT, [("accept-post", SDP)]).into_response()
}

fn refusal(status: StatusCode, why: impl Into<String>) -> Response {
    (status, why.into() + "\n").into_response()
}

fn unauthorised() -> Response {
    let mut response =
        refusal(StatusCode::UNAUTHORIZED, "the token is missing or wrong: use the whole link that the host printed");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

pub(super) async fn offered(State(signaling): State<Arc<SignalingState>>, request: Request) -> Response {
    take_offer(signaling, None, request).await
}

/// A caller that has lost its connection names the call that it had.
pub(super) async fn offered_again(
    State(signaling): State<Arc<SignalingState>>,
    Path(before): Path<String>,
    request: Request,
) -> Response {
    take_offer(signaling, Some(before), request).await
}

async fn take_offer(signaling: Arc<SignalingState>, resumes: Option<String>, request: Request) -> Response {
    if !signaling.authorised(request.headers(), request.uri()) {
        return unauthorised();
    }
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SDP) {
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send an offer as {SDP}"));
    }
    let body = tokio::time::timeout(BODY_TIME, to_bytes(request.into_body(), MAX_BODY)).await;
    let offer = match body {
        Err(_) => return refusal(StatusCode::REQUEST_TIMEOUT, "the offer took too long to arrive"),
        Ok(Err(_)) => {
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("an offer has at most {MAX_BODY} bytes"));
        }
        Ok(Ok(bytes)) => match String::from_utf8(bytes.into()) {
            Ok(offer) => offer,
            Err(_) => return refusal(StatusCode::BAD_REQUEST, "the offer is not text"),
        },
    };
    let id = secret::<12>();
    let location = format!("/whip/{id}");
    // In a task of its own: a caller who goes away in the middle must not leave a call half taken.
    let answered = tokio::spawn(async move { signaling.handler.answer(IncomingCall { id, offer, resumes }).await });
    match answered.await {
        Ok(Ok(answer)) => {
            let headers = [(header::CONTENT_TYPE, SDP.to_owned()), (header::LOCATION, location)];
            (StatusCode::CREATED, headers, answer).into_response()
        }
        Ok(Err(Refusal::Busy(why))) => {
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, why);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            response
        }
        Ok(Err(Refusal::Call(error))) => {
            let status = match &error {
                CallError::Description { .. } => StatusCode::BAD_REQUEST,
                CallError::NoH264(_) => StatusCode::NOT_ACCEPTABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refusal(status, error.to_string())
        }
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the host failed while it answered"),
    }
}

pub(super) async fn ended(
    State(signaling): State<Arc<SignalingState>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    if !signaling.authorised(request.headers(), request.uri()) {
        return unauthorised();
    }
    if signaling.handler.hung_up(&id).await {
        StatusCode::OK.into_response()
    } else {
        refusal(StatusCode::NOT_FOUND, "there is no such call")
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

    #[test]
    fn a_link_names_an_address_that_can_be_dialled() {
        for any in [IpAddr::from(Ipv4Addr::UNSPECIFIED), Ipv6Addr::UNSPECIFIED.into()] {
            let ip = outward(any);
            assert!(!ip.is_unspecified() && ip.is_ipv4() == any.is_ipv4(), "{ip}");
        }
    }
}
