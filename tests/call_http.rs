//! The signalling as other programs speak it: PATCH, redirects, tokens, Link headers, TLS, WHEP.

mod call_support;
#[path = "support/call.rs"]
mod support;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use call_support::{PATIENCE, wait_for, wait_unit};
use clearcall::call::signal::{CallHandler, IncomingCall, Refusal};
use clearcall::call::signal::{Host, HostOptions, Protocol, Response as Said, Server, ServerIdentity, SignalError};
use clearcall::call::{IceFragment, Media, Peer, PeerConfig, PeerEvent};
use clearcall::pipeline::{CallSettings, CallState, NetworkSettings, Session, Signaling, Taken};
use support::settings;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

fn session(settings: CallSettings, signaling: Signaling) -> Session {
    Session::start(settings, signaling, None, Arc::new(|| {})).unwrap()
}

/// A host that sends the scene, and its link.
fn host(network: NetworkSettings) -> (Session, String) {
    let listen = "127.0.0.1:0".parse().unwrap();
    let host = session(CallSettings { network, ..settings() }, Signaling::Host { listen });
    let CallState::Waiting { link, .. } = host.state() else { panic!("{:?}", host.state()) };
    (host, link)
}

async fn peer(media: Media) -> (Peer, mpsc::Receiver<PeerEvent>) {
    let (events, received) = mpsc::channel(256);
    (Peer::new(PeerConfig::new(media, 300_000), &Handle::current(), events).await.unwrap(), received)
}

/// Waits for a state of a session.
fn until(session: &Session, what: &str, right: impl Fn(&CallState) -> bool) {
    let begun = Instant::now();
    while !right(&session.state()) {
        assert!(begun.elapsed() < PATIENCE, "no {what}: {:?}", session.state());
        session.wait_change(Duration::from_millis(50));
    }
}

/// A session is dropped by a thread that may wait.
async fn end(session: Session) {
    tokio::task::spawn_blocking(move || drop(session)).await.unwrap();
}

/// One request by hand; status line, headers and body.
async fn ask(to: &str, method: &str, path: &str, headers: &str, body: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = tokio::net::TcpStream::connect(to).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(PATIENCE, stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

fn header<'a>(answer: &'a str, name: &str) -> Option<&'a str> {
    answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

const FRAGMENT: &str = "content-type: application/trickle-ice-sdpfrag\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ice_begins_anew_by_patch_while_the_call_goes_on() {
    let (host, link) = tokio::task::spawn_blocking(|| host(NetworkSettings::default())).await.unwrap();
    let (near, mut events) = peer(Media::RecvOnly).await;
    let server = Server::new(Protocol::Whip, &link, None).unwrap();
    let Said::Answered(mut joined) = server.call(&near.offer().await.unwrap(), None).await.unwrap() else { panic!() };
    assert!(joined.session.takes_ice());
    let candidates: Vec<&str> = joined.answer.lines().filter(|line| line.starts_with("a=candidate:")).collect();
    let addresses: std::collections::HashSet<_> =
        candidates.iter().map(|line| line.split(' ').skip(4).take(2).collect::<Vec<_>>()).collect();
    assert_eq!(candidates.len(), addresses.len(), "each is listed once: {}", joined.answer);
    near.accept_answer(&joined.answer).await.unwrap();
    wait_unit(&mut events).await;

    let before = IceFragment::ufrag_of(&joined.answer).unwrap().to_owned();
    let (ours, description) = near.offer_restart().await.unwrap();
    let theirs = joined.session.restart_ice(&ours, &description).await.unwrap();
    assert_ne!(theirs.credentials.as_ref().unwrap().0, before);
    assert!(!theirs.candidates.is_empty());
    near.accept_restart(&theirs).await.unwrap();
    // What is on its way of before is passed over; then pictures come by the new ICE session.
    for _ in 0..60 {
        wait_unit(&mut events).await;
    }
    // The tag of before means another ICE session by now; that of now is right.
    joined.session.trickle(&ours, &description).await.unwrap();
    near.close().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn patch_is_answered_as_the_rfc_says() {
    let (host, link) = tokio::task::spawn_blocking(|| host(NetworkSettings::default())).await.unwrap();
    let (address, token) = link.strip_prefix("http://").unwrap().split_once("/#token=").unwrap();
    let authorised = format!("authorization: Bearer {token}\r\n");
    let (near, mut events) = peer(Media::RecvOnly).await;
    // A trickling client offers before it has any candidates.
    let offer = near.offer().await.unwrap();
    let fragment = IceFragment::parse(&offer).unwrap();
    let bare: String =
        offer.lines().filter(|line| !line.contains("candidate")).flat_map(|line| [line, "\r\n"]).collect();
    let answer = ask(address, "POST", "/whip", &format!("{authorised}content-type: application/sdp\r\n"), &bare).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let (location, tag) = (header(&answer, "location").unwrap(), header(&answer, "etag").unwrap());
    near.accept_answer(answer.split_once("\r\n\r\n").unwrap().1).await.unwrap();

    let text = fragment.to_text(&offer);
    let bare_text = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n";
    for (path, headers, body, status) in [
        (location, format!("{FRAGMENT}if-match: {tag}\r\n"), text.as_str(), 401),
        (location, format!("{authorised}{FRAGMENT}"), &text, 428),
        (location, format!("{authorised}{FRAGMENT}if-match: \"other\"\r\n"), &text, 412),
        (location, format!("{authorised}content-type: application/sdp\r\nif-match: {tag}\r\n"), &text, 415),
        (location, format!("{authorised}{FRAGMENT}if-match: {tag}\r\n"), "nonsense", 400),
        (location, format!("{authorised}{FRAGMENT}if-match: *\r\n"), "a=mid:0\r\n", 400),
        (location, format!("{authorised}{FRAGMENT}if-match: {tag}\r\n"), &"a=x\r\n".repeat(9000), 413),
        ("/whip/nobody", format!("{authorised}{FRAGMENT}if-match: *\r\n"), bare_text, 404),
        ("/whip", format!("{authorised}{FRAGMENT}if-match: *\r\n"), bare_text, 405),
        (location, format!("{authorised}{FRAGMENT}if-match: {tag}\r\n"), &text, 204),
    ] {
        let said = ask(address, "PATCH", path, &headers, body).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{path} {headers}: {said}");
    }
    wait_unit(&mut events).await;

    let preflight =
        ask(address, "OPTIONS", location, "origin: http://page\r\naccess-control-request-method: PATCH\r\n", "").await;
    assert!(preflight.starts_with("HTTP/1.1 204"), "{preflight}");
    assert!(header(&preflight, "access-control-allow-methods").unwrap().contains("PATCH"), "{preflight}");
    assert!(header(&preflight, "access-control-allow-headers").unwrap().contains("if-match"), "{preflight}");
    assert!(header(&preflight, "access-control-expose-headers").unwrap().contains("etag"), "{preflight}");
    assert_eq!(header(&preflight, "accept-patch"), Some("application/trickle-ice-sdpfrag"));
    near.close().await;
    end(host).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_names_its_ice_servers_to_those_who_have_its_link() {
    let ice_servers = vec!["turn:somebody:geheim@192.0.2.1".parse().unwrap(), "stun:192.0.2.1".parse().unwrap()];
    let nobody = Arc::new(Nobody);
    let options =
        HostOptions { listen: "127.0.0.1:0".parse().unwrap(), identity: None, ice_servers: ice_servers.clone() };
    let host = Host::serve(options, nobody).await.unwrap();
    let server = Server::new(Protocol::Whip, &host.url(), None).unwrap();
    assert_eq!(server.ice_servers().await, ice_servers);
    let stranger = Server::new(Protocol::Whip, &host.url(), Some("wrong".parse().unwrap())).unwrap();
    assert_eq!(stranger.ice_servers().await, []);
}

struct Nobody;

#[async_trait::async_trait]
impl CallHandler for Nobody {
    async fn answer(&self, _: IncomingCall) -> Result<String, Refusal> {
        Err(Refusal::Busy("nobody is here"))
    }

    async fn hung_up(&self, _: &str) -> bool {
        false
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_with_tls_is_known_by_its_link_and_sends_plain_http_on() {
    let folder = tempfile::tempdir().unwrap();
    let identity = ServerIdentity::of_this_machine(folder.path()).unwrap();
    let options =
        HostOptions { listen: "127.0.0.1:0".parse().unwrap(), identity: Some(identity.clone()), ice_servers: vec![] };
    let host = Host::serve(options, Arc::new(Nobody)).await.unwrap();
    let call = async |link: &str| Server::new(Protocol::Whip, link, None).unwrap().call("v=0", None).await.unwrap_err();
    assert_eq!(host.fingerprint(), Some(identity.fingerprint()));
    // It has understood the caller, who is known by the token: the link is right.
    let busy = call(&host.url()).await;
    assert!(matches!(&busy, SignalError::Busy { why, .. } if why == "nobody is here"), "{busy}");
    let plain = call(&host.url().replace("https://", "http://")).await;
    assert!(matches!(plain, SignalError::Busy { .. }), "{plain}");
    let said = ask(&host.address().to_string(), "GET", "/x?y=1", "", "").await.replace("host: x", "");
    assert!(said.starts_with("HTTP/1.1 308") && header(&said, "location") == Some("https://x/x?y=1"), "{said}");
    // Another machine's certificate, and none that anybody vouches for.
    let other = ServerIdentity::of_this_machine(&folder.path().join("other")).unwrap();
    let options = HostOptions { listen: host.address(), identity: Some(other), ice_servers: vec![] };
    let link = host.url();
    host.close().await;
    let impostor = Host::serve(options, Arc::new(Nobody)).await.unwrap();
    let wrong = call(&link).await;
    assert!(matches!(&wrong, SignalError::Certificate { why, .. } if why.contains("not the one")), "{wrong}");
    let cut = impostor.url();
    let unknown = call(cut.split("&sha256").next().unwrap()).await;
    assert!(matches!(&unknown, SignalError::Certificate { why, .. } if why.contains("whole link")), "{unknown}");
}

/// A server of WHIP and WHEP that does what the RFCs allow and this program's own host does not.
struct Foreign {
    peer: Mutex<Option<Arc<Peer>>>,
    seen: Mutex<Vec<String>>,
    events: mpsc::Sender<PeerEvent>,
    /// Where it sends callers on to.
    onward: Mutex<String>,
}

impl Foreign {
    async fn start() -> (SocketAddr, Arc<Self>, mpsc::Receiver<PeerEvent>) {
        let (events, received) = mpsc::channel(256);
        let foreign =
            Arc::new(Self { peer: Mutex::default(), seen: Mutex::default(), events, onward: Mutex::default() });
        let app = Router::new().fallback(foreign_answer).with_state(Arc::clone(&foreign));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        (address, foreign, received)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    async fn answering(&self, media: Media) -> Arc<Peer> {
        let peer = Peer::new(PeerConfig::new(media, 300_000), &Handle::current(), self.events.clone()).await.unwrap();
        let peer = Arc::new(peer);
        *self.peer.lock().unwrap() = Some(Arc::clone(&peer));
        peer
    }
}

async fn foreign_answer(
    State(foreign): State<Arc<Foreign>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let token = headers.get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("-").to_owned();
    foreign.seen.lock().unwrap().push(format!("{method} {uri} {token}"));
    let body = String::from_utf8(body.to_vec()).unwrap();
    let own = format!("http://{}", headers["host"].to_str().unwrap());
    let created = |answer: String| {
        let headers = [
            ("content-type", "application/sdp; charset=utf-8".to_owned()),
            ("location", format!("{own}/resource/7?key=1")),
            ("link", "<stun:127.0.0.1:9>; rel=\"ice-server\"".to_owned()),
        ];
        (StatusCode::CREATED, headers, answer).into_response()
    };
    match (method.as_str(), uri.path()) {
        ("POST", "/moved") => {
            let onward = foreign.onward.lock().unwrap().clone();
            (StatusCode::TEMPORARY_REDIRECT, [("location", onward)]).into_response()
        }
        ("POST", "/room/a") if token == "Bearer open" => {
            let peer = foreign.answering(Media::RecvOnly).await;
            created(peer.answer(&body).await.unwrap())
        }
        ("POST", "/free") => {
            let peer = foreign.answering(Media::RecvOnly).await;
            created(peer.answer(&body).await.unwrap())
        }
        ("POST", "/whep") => {
            let peer = foreign.answering(Media::SendOnly).await;
            let offer = peer.offer().await.unwrap();
            let headers = [("content-type", "application/sdp"), ("location", "resource/8")];
            (StatusCode::NOT_ACCEPTABLE, headers, offer).into_response()
        }
        ("PATCH", "/resource/8") => {
            let peer = foreign.peer.lock().unwrap().clone().unwrap();
            peer.accept_answer(&body).await.unwrap();
            StatusCode::NO_CONTENT.into_response()
        }
        ("DELETE", _) => StatusCode::OK.into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn join_publishes_to_a_foreign_whip_server() {
    let (address, foreign, mut received) = Foreign::start().await;
    *foreign.onward.lock().unwrap() = "/room/a?x=%20y&token=other".to_owned();
    let network = NetworkSettings { bearer: Some("open".parse().unwrap()), ..NetworkSettings::default() };
    let url = format!("http://{address}/moved?stream=1&name=a%2Fb");
    let settings = CallSettings { network, ..settings() };
    let join = tokio::task::spawn_blocking(move || {
        let join = session(settings, Signaling::Join { url });
        until(&join, "connection", |state| matches!(state, CallState::Connected { .. }));
        join
    });
    let join = join.await.unwrap();
    wait_for(&mut received, "whole keyframe", |e| match e {
        PeerEvent::Unit(unit) if unit.keyframe && unit.complete => Some(()),
        _ => None,
    })
    .await;
    end(join).await;
    // Asked for ICE servers, sent on with the query, asked again since the answer named a server, and hung up.
    assert_eq!(
        foreign.seen(),
        [
            "OPTIONS /moved?stream=1&name=a%2Fb Bearer open",
            "POST /moved?stream=1&name=a%2Fb Bearer open",
            "POST /room/a?x=%20y&token=other Bearer open",
            "DELETE /resource/7?key=1 Bearer open",
            "POST /moved?stream=1&name=a%2Fb Bearer open",
            "POST /room/a?x=%20y&token=other Bearer open",
            "DELETE /resource/7?key=1 Bearer open",
        ]
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_goes_to_the_server_that_it_is_for_and_to_no_other() {
    let (address, foreign, _events) = Foreign::start().await;
    let (elsewhere, stranger, _others) = Foreign::start().await;
    *foreign.onward.lock().unwrap() = format!("http://{elsewhere}/room/a");
    let (near, _near_events) = peer(Media::SendOnly).await;
    let offer = near.offer().await.unwrap();
    let server = |path: &str, token: Option<&str>| {
        let token = token.map(|token| token.parse().unwrap());
        Server::new(Protocol::Whip, &format!("http://{address}{path}"), token).unwrap()
    };
    let refused = server("/moved", Some("open")).call(&offer, None).await.unwrap_err();
    assert!(matches!(refused, SignalError::WrongToken { .. }), "{refused}");
    assert_eq!(foreign.seen(), ["POST /moved Bearer open"]);
    assert_eq!(stranger.seen(), ["POST /room/a -"]);
    // Who asks for none gets none.
    let Said::Answered(joined) = server("/free", None).call(&offer, None).await.unwrap() else { panic!() };
    joined.session.leave().await.unwrap();
    assert_eq!(foreign.seen()[1..], ["POST /free -", "DELETE /resource/7?key=1 -"]);
    // Round in a circle.
    *foreign.onward.lock().unwrap() = "/moved".to_owned();
    let lost = server("/moved", None).call(&offer, None).await.unwrap_err();
    assert!(matches!(&lost, SignalError::NotClearcall { why, .. } if why.contains("circle")), "{lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watching_answers_a_server_that_makes_the_offer() {
    let (address, foreign, mut events) = Foreign::start().await;
    let watch = tokio::task::spawn_blocking(move || {
        let watch = session(settings(), Signaling::Watch { url: format!("http://{address}/") });
        until(&watch, "connection", |state| matches!(state, CallState::Connected { .. }));
        watch
    });
    let watch = watch.await.unwrap();
    wait_for(&mut events, "wish for a keyframe", |e| call_support::is_keyframe_wanted(&e)).await;
    end(watch).await;
    assert_eq!(foreign.seen(), ["OPTIONS /whep -", "POST /whep -", "PATCH /resource/8 -", "DELETE /resource/8 -"]);
}

#[test]
fn watching_a_host_shows_its_pictures_and_sends_none() {
    let (host, link) = host(NetworkSettings::default());
    let watch = session(settings(), Signaling::Watch { url: link });
    let mut shown = 0;
    let begun = Instant::now();
    while shown < 10 {
        assert!(begun.elapsed() < PATIENCE, "{:?}", watch.state());
        shown += i32::from(matches!(watch.wait_frame(Duration::from_millis(100)), Taken::Value(_)));
    }
    assert!(host.take_frame().is_none(), "a viewer sends nothing");
    drop(watch);
    until(&host, "end", |state| matches!(state, CallState::Waiting { .. }));
}
