//! The side that is called: one HTTP endpoint in the shape of WHIP, and a page for browsers.

use std::io;
use std::net::SocketAddr;
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
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::server::{self, Limits};
use super::tls::{Fingerprint, ServerIdentity};
use super::{FRAGMENT, SDP, SERVER, SignalError, addresses, link_header, query_value, secret};
use crate::call::ice_fragment::{IceFragment, MAX_FRAGMENT};
use crate::call::{CallError, IceServer};

/// A longer body is not an offer.
pub(super) const MAX_BODY: usize = 64 << 10;
/// A body that takes longer to come is not waited for.
const BODY_TIME: Duration = Duration::from_secs(10);
/// How long [`Host::close`] waits for what is being said.
const CLOSING: Duration = Duration::from_secs(1);
/// The page with which a browser calls.
const PAGE: &str = include_str!("../../../assets/call.html");
/// It needs nothing from anywhere else, and nobody else gets anything from it.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           connect-src 'self'; media-src 'self' blob: mediastream:; base-uri 'none'; \
                           form-action 'none'; frame-ancestors 'none'";

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

    fn name_ice_servers(&self, response: &mut Response) {
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

/// The page with which a browser calls: the token is in the part of the link that the browser keeps to itself.
async fn page() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    (headers, PAGE).into_response()
}

/// A page from elsewhere may call, too, if it has the token.
async fn with_cors(mut response: Response) -> Response {
    let set = [
        (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (header::ACCESS_CONTROL_ALLOW_METHODS, "POST, PATCH, DELETE, OPTIONS"),
        (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, if-match"),
        (header::ACCESS_CONTROL_EXPOSE_HEADERS, "location, etag, link, accept-patch, retry-after"),
        (header::SERVER, SERVER),
    ];
    for (name, value) in set {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// What can be done here, and for whoever has the token the ICE servers (RFC 9725 §4.6).
pub(super) async fn options_of_endpoint(State(signaling): State<Arc<SignalingState>>, request: Request) -> Response {
    let known = signaling.authorised(request.headers(), request.uri());
    let headers = [("accept-post", SDP), ("accept-patch", FRAGMENT), ("access-control-max-age", "600")];
    let mut response = (StatusCode::NO_CONTENT, headers).into_response();
    if known {
        signaling.name_ice_servers(&mut response);
    }
    response
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
    let offer = match body(request, SDP, MAX_BODY).await {
        Ok(offer) => offer,
        Err(response) => return response,
    };
    let id = secret::<12>();
    let location = format!("/whip/{id}");
    // In a task of its own: a caller who goes away in the middle must not leave a call half taken.
    let handler = Arc::clone(&signaling.handler);
    let answered = tokio::spawn(async move { handler.answer(IncomingCall { id, offer, resumes }).await });
    match answered.await {
        Ok(Ok(answer)) => {
            let headers = [(header::CONTENT_TYPE, SDP.to_owned()), (header::LOCATION, location)];
            let ufrag = IceFragment::ufrag_of(&answer).map(str::to_owned);
            let mut response = (StatusCode::CREATED, headers, answer).into_response();
            response.headers_mut().insert("accept-patch", HeaderValue::from_static(FRAGMENT));
            set_tag(&mut response, ufrag.as_deref());
            signaling.name_ice_servers(&mut response);
            response
        }
        Ok(Err(why)) => refused(why),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the host failed while it answered"),
    }
}

/// A call's tag is the name of the host's half of its ICE session.
fn set_tag(response: &mut Response, ufrag: Option<&str>) {
    if let Some(tag) = ufrag.and_then(|ufrag| HeaderValue::try_from(format!("\"{ufrag}\"")).ok()) {
        response.headers_mut().insert(header::ETAG, tag);
    }
}

fn refused(why: Refusal) -> Response {
    match why {
        Refusal::Busy(why) => {
            let mut response = refusal(StatusCode::SERVICE_UNAVAILABLE, why);
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
            response
        }
        Refusal::NoSuchCall => refusal(StatusCode::NOT_FOUND, why.to_string()),
        Refusal::NoIceCredentials => refusal(StatusCode::BAD_REQUEST, why.to_string()),
        Refusal::OtherIceSession => refusal(StatusCode::PRECONDITION_FAILED, why.to_string()),
        Refusal::NoIceUpdates => refusal(StatusCode::METHOD_NOT_ALLOWED, why.to_string()),
        Refusal::Call(error) => {
            let status = match &error {
                CallError::Description { .. } => StatusCode::BAD_REQUEST,
                CallError::NoH264(_) => StatusCode::NOT_ACCEPTABLE,
                _ => StatusCode::INTERNAL_SERVER_ERROR,
            };
            refusal(status, error.to_string())
        }
    }
}

/// The body of a request that has come with the type `kind`, or what to answer if it has not.
async fn body(request: Request, kind: &str, limit: usize) -> Result<String, Response> {
    let given = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if !given.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(kind) {
        return Err(refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, format!("send it as {kind}")));
    }
    match tokio::time::timeout(BODY_TIME, to_bytes(request.into_body(), limit)).await {
        Err(_) => Err(refusal(StatusCode::REQUEST_TIMEOUT, "it took too long to arrive")),
        Ok(Err(_)) => Err(refusal(StatusCode::PAYLOAD_TOO_LARGE, format!("it may have at most {limit} bytes"))),
        Ok(Ok(bytes)) => {
            String::from_utf8(bytes.into()).map_err(|_| refusal(StatusCode::BAD_REQUEST, "it is not text"))
        }
    }
}

/// More candidates, or a new start of ICE (RFC 9725 §4.3).
pub(super) async fn ice_updated(
    State(signaling): State<Arc<SignalingState>>,
    Path(id): Path<String>,
    request: Request,
) -> Response {
    if !signaling.authorised(request.headers(), request.uri()) {
        return unauthorised();
    }
    let Some(condition) = request.headers().get(header::IF_MATCH).and_then(|v| v.to_str().ok()).map(str::to_owned)
    else {
        return refusal(
            StatusCode::PRECONDITION_REQUIRED,
            "If-Match has to name the call's ETag, or * to begin ICE anew",
        );
    };
    let text = match body(request, FRAGMENT, MAX_FRAGMENT).await {
        Ok(text) => text,
        Err(mut response) => {
            response.headers_mut().insert("accept-patch", HeaderValue::from_static(FRAGMENT));
            return response;
        }
    };
    let fragment = match IceFragment::parse(&text) {
        Ok(fragment) => fragment,
        Err(why) => return refusal(StatusCode::BAD_REQUEST, why.to_string()),
    };
    let handler = Arc::clone(&signaling.handler);
    let update = IceUpdate { id, sessions: tags(&condition), fragment };
    match tokio::spawn(async move { handler.update_ice(update).await }).await {
        Ok(Ok(IceUpdated::Taken)) => StatusCode::NO_CONTENT.into_response(),
        Ok(Ok(IceUpdated::Restarted { fragment, description })) => {
            let headers = [(header::CONTENT_TYPE, FRAGMENT)];
            let mut response = (headers, fragment.to_text(&description)).into_response();
            set_tag(&mut response, fragment.credentials.as_ref().map(|(ufrag, _)| ufrag.as_str()));
            response
        }
        Ok(Err(why)) => refused(why),
        Err(_) => refusal(StatusCode::INTERNAL_SERVER_ERROR, "the host failed while it began ICE anew"),
    }
}

/// The ICE sessions that an If-Match names (RFC 9110 §13.1.1); none where it takes any. Some put the star in quotes.
fn tags(condition: &str) -> Option<Vec<String>> {
    let tags: Vec<&str> =
        condition.split(',').map(|tag| tag.trim().trim_start_matches("W/").trim_matches('"')).collect();
    (!tags.contains(&"*")).then(|| tags.into_iter().take(16).map(str::to_owned).collect())
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
    fn a_condition_names_sessions_or_takes_any() {
        let named = |tags_: &[&str]| Some(tags_.iter().map(|tag| (*tag).to_owned()).collect());
        assert_eq!(tags("\"abc\""), named(&["abc"]));
        assert_eq!(tags(" W/\"abc\" , \"d/e\""), named(&["abc", "d/e"]));
        assert_eq!(tags("*"), None);
        assert_eq!(tags("\"*\""), None);
        assert_eq!(tags(""), named(&[""]));
    }

    #[test]
    fn only_the_whole_token_is_the_token() {
        assert!(same("abc", "abc"));
        for wrong in ["", "ab", "abcd", "abd", "ABC", "abc\0"] {
            assert!(!same(wrong, "abc"), "{wrong}");
        }
    }
}
