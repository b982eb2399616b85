//! One HTTP request to a server, and its answer.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{self, pki_types::ServerName};
use url::Url;

use super::link::origin;
use super::tls::{self, Fingerprint};
use super::{Bearer, SignalError};

/// Until something listens.
const CONNECT: Duration = Duration::from_secs(5);
/// Until the answer is here.
const ANSWER: Duration = Duration::from_secs(20);
/// A longer answer is not one.
const MAX_ANSWER: usize = 64 << 10;

/// What is asked.
#[derive(Debug, Clone)]
pub(super) struct Question<'a> {
    pub(super) method: Method,
    pub(super) url: &'a Url,
    pub(super) bearer: Option<&'a Bearer>,
    pub(super) pinned: Option<Fingerprint>,
    /// The body and its type.
    pub(super) body: Option<(&'static str, String)>,
    pub(super) if_match: Option<&'a str>,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(super) struct Reply {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    /// Nothing if it is too long or no text.
    pub(super) body: Option<String>,
}

impl Reply {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The first line of what it says, or what its JSON gives as the error.
    pub(super) fn words(&self) -> String {
        let body = self.body.as_deref().unwrap_or_default();
        let json = serde_json::from_str::<serde_json::Value>(body).ok();
        let error =
            json.as_ref().and_then(|json| ["error", "message", "detail"].iter().find_map(|key| json[*key].as_str()));
        let words = error.unwrap_or(body);
        words.trim().lines().next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(200).collect()
    }
}

impl Question<'_> {
    /// Asks, in a connection of its own.
    pub(super) async fn ask(&self) -> Result<Reply, SignalError> {
        let timed_out = || SignalError::Timeout { host: origin(self.url), limit: ANSWER };
        tokio::time::timeout(ANSWER, self.ask_patiently()).await.unwrap_or_else(|_| Err(timed_out()))
    }

    async fn ask_patiently(&self) -> Result<Reply, SignalError> {
        let host = origin(self.url);
        let timed_out = |_| SignalError::Timeout { host: host.clone(), limit: CONNECT };
        let stream = tokio::time::timeout(CONNECT, connect(self.url)).await.map_err(timed_out)??;
        if self.url.scheme() != "https" {
            return self.speak(stream).await;
        }
        let wrong = |why: String| SignalError::Certificate { host: host.clone(), why };
        let config = tls::client(self.pinned).map_err(|e| wrong(e.to_string()))?;
        let name = ServerName::try_from(self.url.host_str().unwrap_or_default().trim_matches(['[', ']']).to_owned());
        let name = name.map_err(|e| wrong(e.to_string()))?;
        let stream = TlsConnector::from(config).connect(name, stream).await.map_err(|e| self.not_trusted(&e))?;
        self.speak(stream).await
    }

    async fn speak(&self, stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) -> Result<Reply, SignalError> {
        let host = origin(self.url);
        let failed = |why: &hyper::Error| speech_failed(host.clone(), why);
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|e| failed(&e))?;
        // It ends with what it carries, or with this.
        let mut connection = std::pin::pin!(connection);
        let request = self.request().map_err(|why| SignalError::Network { host: host.clone(), why })?;
        let work = async {
            let response = sender.send_request(request).await.map_err(|e| failed(&e))?;
            let (parts, body) = response.into_parts();
            let body = match Limited::new(body, MAX_ANSWER).collect().await {
                Ok(body) => String::from_utf8(body.to_bytes().into()).ok(),
                Err(_) => None,
            };
            Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        let mut work = std::pin::pin!(work);
        tokio::select! {
            biased;
            reply = work.as_mut() => reply,
            // The last of the body may be there all the same.
            _ = connection.as_mut() => work.await,
        }
    }

    fn request(&self) -> Result<Request<Full<Bytes>>, String> {
        let target = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let authority = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(target)
            .header(header::HOST, authority)
            .header(header::USER_AGENT, concat!("clearcall/", env!("CARGO_PKG_VERSION")))
            .header(header::CONNECTION, "close");
        if let Some(bearer) = self.bearer {
            let mut value = HeaderValue::try_from(format!("Bearer {}", bearer.secret())).map_err(|e| e.to_string())?;
            value.set_sensitive(true);
            request = request.header(header::AUTHORIZATION, value);
        }
        if let Some(tag) = self.if_match {
            request = request.header(header::IF_MATCH, tag);
        }
        let body = match &self.body {
            Some((kind, body)) => {
                request = request.header(header::CONTENT_TYPE, *kind).header(header::ACCEPT, *kind);
                body.clone()
            }
            None => String::new(),
        };
        request.body(Full::new(body.into())).map_err(|e| e.to_string())
    }

    fn not_trusted(&self, why: &io::Error) -> SignalError {
        let host = origin(self.url);
        let cause = why.get_ref().and_then(|e| e.downcast_ref::<rustls::Error>());
        let why = match cause {
            None => return connect_failed(host, why),
            Some(rustls::Error::InvalidMessage(_)) => {
                return SignalError::NotClearcall { host, why: "it does not speak https".to_owned() };
            }
            Some(rustls::Error::InvalidCertificate(_)) if self.pinned.is_some() => {
                "it is not the one that the link names: copy the whole link again, and if that does not help, somebody \
                 stands between"
                    .to_owned()
            }
            Some(rustls::Error::InvalidCertificate(why)) => {
                format!("{why:?}; of a clearcall host the whole link is needed, with what stands behind #")
            }
            Some(other) => other.to_string(),
        };
        SignalError::Certificate { host, why }
    }
}

/// A connection to the first address that takes it.
async fn connect(url: &Url) -> Result<TcpStream, SignalError> {
    let host = origin(url);
    let port = url.port_or_known_default().unwrap_or(80);
    let found: Vec<_> = match url.host() {
        Some(url::Host::Ipv4(ip)) => vec![(ip, port).into()],
        Some(url::Host::Ipv6(ip)) => vec![(ip, port).into()],
        Some(url::Host::Domain(name)) => match tokio::net::lookup_host((name, port)).await {
            Ok(found) => found.take(8).collect(),
            Err(_) => return Err(SignalError::UnknownHost { host }),
        },
        None => vec![],
    };
    let mut failure = SignalError::UnknownHost { host: host.clone() };
    for (left, address) in (1..=found.len() as u32).rev().zip(found) {
        // An address that says nothing leaves time for the next one.
        match tokio::time::timeout(CONNECT / left.min(2), TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(why)) => failure = connect_failed(host.clone(), &why),
            Err(_) => failure = SignalError::Timeout { host: host.clone(), limit: CONNECT },
        }
    }
    Err(failure)
}

fn connect_failed(host: String, why: &io::Error) -> SignalError {
    match why.kind() {
        io::ErrorKind::ConnectionRefused => SignalError::NobodyThere { host },
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            SignalError::Unreachable { host }
        }
        io::ErrorKind::TimedOut => SignalError::Timeout { host, limit: CONNECT },
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            SignalError::NotClearcall { host, why: "it hung up".to_owned() }
        }
        _ => SignalError::Network { host, why: why.to_string() },
    }
}

fn speech_failed(host: String, why: &hyper::Error) -> SignalError {
    use std::error::Error as _;
    let cause = why.source().and_then(|e| e.downcast_ref::<io::Error>());
    match cause {
        Some(cause) => connect_failed(host, cause),
        None if why.is_parse() => {
            SignalError::NotClearcall { host, why: "it does not speak HTTP as expected".to_owned() }
        }
        None if why.is_incomplete_message() || why.is_closed() || why.is_canceled() => {
            SignalError::NotClearcall { host, why: "it hung up".to_owned() }
        }
        None => SignalError::Network { host, why: why.to_string() },
    }
}
