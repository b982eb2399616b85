//! Serving HTTP to whoever comes: connections, their number and their time.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::Request;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// What one caller, and all of them, may take.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// Connections at once.
    pub(super) connections: usize,
    /// Of those, from one address; an IPv6 network of 64 bits counts as one.
    pub(super) per_address: usize,
    /// Until TLS is agreed on, and until the headers of a request are here.
    pub(super) headers: Duration,
    /// A connection is ended then, after the request that it is at; a caller makes another one.
    pub(super) lifetime: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 128, per_address: 16, headers: Duration::from_secs(10), lifetime: Duration::from_secs(60) }
    }
}

/// How long the last request of a connection may take when the connection has to end.
const LAST_REQUEST: Duration = Duration::from_secs(30);
/// Where no connection can be taken, as for want of files, it is tried again then.
const BACK_OFF: Duration = Duration::from_millis(200);

/// Serves `app` until `stopped`, and lets what is being said then be said.
pub(super) async fn serve(
    listener: TcpListener,
    app: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let places = Arc::new(Places { limits, taken: Mutex::default() });
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
            _ = stopped.wait_for(|stopped| *stopped) => break,
        };
        match accepted {
            Ok((stream, from)) => {
                // Who gets no place is hung up on: an answer would cost a task.
                if let Some(place) = Places::take(&places, from.ip()) {
                    connections.spawn(connection(stream, place, app.clone(), tls.clone(), limits, stopped.clone()));
                }
            }
            Err(why) => {
                tracing::debug!(%why, "a caller could not be let in");
                tokio::time::sleep(BACK_OFF).await;
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn connection(
    stream: TcpStream,
    _place: Place,
    app: Router,
    tls: Option<TlsAcceptor>,
    limits: Limits,
    stopped: watch::Receiver<bool>,
) {
    let Some(tls) = tls else {
        return speak(stream, app, limits, stopped).await;
    };
    let mut first = [0];
    // The first byte of a TLS handshake (RFC 8446 §5.1); no HTTP request begins with it.
    match tokio::time::timeout(limits.headers, stream.peek(&mut first)).await {
        Ok(Ok(1)) if first == [0x16] => {
            if let Ok(Ok(stream)) = tokio::time::timeout(limits.headers, tls.accept(stream)).await {
                speak(stream, app, limits, stopped).await;
            }
        }
        Ok(Ok(1)) => speak(stream, Router::new().fallback(to_https), limits, stopped).await,
        _ => {}
    }
}

/// HTTP over a connection, for as long as it may last.
async fn speak(
    stream: impl AsyncRead + AsyncWrite + Unpin,
    app: Router,
    limits: Limits,
    mut stopped: watch::Receiver<bool>,
) {
    let service = TowerToHyperService::new(app);
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(limits.headers).max_headers(64).max_buf_size(32 << 10);
    let mut serving = std::pin::pin!(builder.serve_connection(TokioIo::new(stream), service));
    let end = async {
        tokio::select! {
            () = tokio::time::sleep(limits.lifetime) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    };
    tokio::select! {
        _ = serving.as_mut() => return,
        () = end => {}
    }
    serving.as_mut().graceful_shutdown();
    let _ = tokio::time::timeout(LAST_REQUEST, serving).await;
}

/// The same address by https.
async fn to_https(request: Request) -> Response {
    let host = request.headers().get(header::HOST).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    let target = format!("https://{host}{path}");
    let good = !host.is_empty() && target.parse::<Uri>().is_ok();
    if !good {
        return (StatusCode::BAD_REQUEST, "this host speaks https\n").into_response();
    }
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, target), (header::CONNECTION, "close".to_owned())])
        .into_response()
}

/// Who has how many connections.
#[derive(Debug)]
struct Places {
    limits: Limits,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A connection's place; it is free again when this is dropped.
#[derive(Debug)]
struct Place {
    places: Arc<Places>,
    of: IpAddr,
}

impl Places {
    fn take(places: &Arc<Self>, from: IpAddr) -> Option<Place> {
        let of = caller(from);
        let mut taken = places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = taken.values().sum();
        let own = taken.get(&of).copied().unwrap_or_default();
        if all >= places.limits.connections || own >= places.limits.per_address {
            return None;
        }
        taken.insert(of, own + 1);
        Some(Place { places: Arc::clone(places), of })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken.lock().unwrap_or_else(PoisonError::into_inner);
        match taken.get_mut(&self.of) {
            Some(n) if *n > 1 => *n -= 1,
            _ => {
                taken.remove(&self.of);
            }
        }
    }
}

/// Whose connection it is: an IPv6 machine has 64 bits of addresses to choose from.
fn caller(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((ip.to_bits() & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn served(limits: Limits) -> (SocketAddr, watch::Sender<bool>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = watch::channel(false);
        let app = Router::new().route("/", get(|| async { "hello" }));
        tokio::spawn(serve(listener, app, None, limits, stopped));
        (address, stop)
    }

    /// Everything that comes until the far side hangs up.
    async fn rest(mut stream: TcpStream) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(40), stream.read_to_end(&mut bytes)).await;
        // Being hung up on hard is an end, too.
        let _ = read.expect("the connection is held for ever");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    async fn ask(address: SocketAddr) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        rest(stream).await
    }

    #[tokio::test]
    async fn half_a_request_is_not_waited_for_long() {
        let limits = Limits { headers: Duration::from_millis(200), ..Limits::default() };
        let (address, _stop) = served(limits).await;
        for begun in ["", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nhost: x\r\nx-slow: "] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(begun.as_bytes()).await.unwrap();
            let said = rest(stream).await;
            assert!(!said.contains("hello"), "{begun:?}: {said}");
        }
        assert!(ask(address).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn a_connection_that_is_kept_open_ends_as_well() {
        let limits = Limits { lifetime: Duration::from_millis(100), ..Limits::default() };
        let (address, _stop) = served(limits).await;
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(rest(stream).await.ends_with("hello"));
    }

    #[tokio::test]
    async fn one_address_takes_its_share_of_the_connections_and_others_are_served() {
        let (address, _stop) = served(Limits::default()).await;
        // Slow-loris, all from 127.0.0.1.
        let mut open = Vec::new();
        for _ in 0..400 {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let _ = stream.write_all(b"GET / HTTP/1.1\r\n").await;
            open.push(stream);
        }
        let over = open.split_off(Limits::default().per_address);
        for stream in over {
            assert_eq!(rest(stream).await, "");
        }
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
        let mut other = socket.connect(address).await.unwrap();
        other.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(rest(other).await.ends_with("hello"));
        drop(open);
        // The places are given back as the host notices, one after the other.
        while !ask(address).await.ends_with("hello") {}
    }

    #[test]
    fn places_are_counted_by_caller_and_given_back() {
        let limits = Limits { connections: 3, per_address: 2, ..Limits::default() };
        let places = Arc::new(Places { limits, taken: Mutex::default() });
        let take = |ip: &str| Places::take(&places, ip.parse().unwrap());
        let (a, b) = (take("2001:db8::1"), take("2001:db8::2"));
        assert!(a.is_some() && b.is_some() && take("2001:db8::3").is_none(), "one network");
        let c = take("::ffff:192.0.2.1");
        assert!(c.is_some() && take("192.0.2.2").is_none(), "full");
        drop((a, b, c));
        assert!(places.taken.lock().unwrap().is_empty());
    }
}
