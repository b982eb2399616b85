//! The side that calls: POST an offer, get the answer.

use std::io;
use std::time::Duration;

use super::{SDP, SignalError, query_value};

/// Until something listens.
const CONNECT: Duration = Duration::from_secs(5);
/// Until the answer is here.
const ANSWER: Duration = Duration::from_secs(20);
/// A longer answer is not one.
const MAX_ANSWER: u64 = 64 << 10;

/// A call that was taken.
#[derive(Debug)]
pub struct Joined {
    /// The far side's session description.
    pub answer: String,
    /// To hang up with.
    pub session: WhipSession,
}

/// A call at the far side's signalling.
#[derive(Debug, Clone)]
pub struct WhipSession {
    link: Link,
    path: String,
}

impl WhipSession {
    /// Tells the far side that the call is over.
    pub async fn leave(self) -> Result<(), SignalError> {
        let host = self.link.host.clone();
        let work = move || {
            let url = format!("http://{}{}", self.link.host, self.path);
            let response = agent()
                .delete(&url)
                .header("authorization", format!("Bearer {}", self.link.token))
                .call()
                .map_err(|e| failed(&self.link.host, e))?;
            match response.status().as_u16() {
                200..=299 | 404 => Ok(()),
                status => Err(SignalError::NotClearcall { host: self.link.host, why: format!("status {status}") }),
            }
        };
        blocking(host, work).await
    }
}

/// Sends the offer to the host behind `link` (what [`Host::url`](super::Host::url) gave).
pub async fn join(link: &str, offer: &str) -> Result<Joined, SignalError> {
    let link = Link::parse(link)?;
    let offer = offer.to_owned();
    blocking(link.host.clone(), move || post(link, &offer)).await
}

async fn blocking<T: Send + 'static>(
    host: String,
    work: impl FnOnce() -> Result<T, SignalError> + Send + 'static,
) -> Result<T, SignalError> {
    let crashed = |why: tokio::task::JoinError| SignalError::Network { host, why: why.to_string() };
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|why| Err(crashed(why)))
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(ANSWER))
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        // The machine next door is not behind the proxy.
        .proxy(None)
        .build()
        .into()
}

fn post(link: Link, offer: &str) -> Result<Joined, SignalError> {
    let host = link.host.clone();
    let mut response = agent()
        .post(format!("http://{}{}", link.host, link.path))
        .header("content-type", SDP)
        .header("authorization", format!("Bearer {}", link.token))
        .send(offer)
        .map_err(|e| failed(&host, e))?;
    let header = |name: &str| response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned);
    let (status, kind, location) = (response.status().as_u16(), header("content-type"), header("location"));
    let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_string();
    let words = |body: Result<String, ureq::Error>| {
        let words = body.unwrap_or_default();
        words.lines().next().unwrap_or_default().chars().take(200).collect::<String>()
    };
    match status {
        201 => {
            let answer = body.map_err(|e| failed(&host, e))?;
            let right = kind.is_some_and(|k| k.starts_with(SDP)) && answer.trim_start().starts_with("v=0");
            let path = location.filter(|l| l.starts_with('/') && !l.starts_with("//"));
            match path {
                Some(path) if right => Ok(Joined { answer, session: WhipSession { link, path } }),
                _ => Err(SignalError::NotClearcall { host, why: "it sends something else than an answer".to_owned() }),
            }
        }
        401 | 403 => Err(SignalError::WrongToken { host }),
        409 | 503 => Err(SignalError::Busy { host, why: words(body) }),
        400 | 406 | 408 | 413 | 415 | 500 => Err(SignalError::Refused { host, why: words(body) }),
        _ => Err(SignalError::NotClearcall { host, why: format!("status {status}") }),
    }
}

fn failed(host: &str, error: ureq::Error) -> SignalError {
    let host = host.to_owned();
    let by_kind = |host: String, e: &io::Error| match e.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => {
            SignalError::NobodyThere { host }
        }
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => SignalError::Timeout { host, limit: CONNECT },
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => {
            SignalError::NotClearcall { host, why: "it hung up".to_owned() }
        }
        _ => SignalError::Network { host, why: e.to_string() },
    };
    match error {
        ureq::Error::Io(e) => by_kind(host, &e),
        ureq::Error::Timeout(ureq::Timeout::Connect) => SignalError::Timeout { host, limit: CONNECT },
        ureq::Error::Timeout(_) => SignalError::Timeout { host, limit: ANSWER },
        ureq::Error::HostNotFound => SignalError::UnknownHost { host },
        ureq::Error::ConnectionFailed => SignalError::NobodyThere { host },
        ureq::Error::BodyExceedsLimit(_) | ureq::Error::Protocol(_) | ureq::Error::Http(_) => {
            SignalError::NotClearcall { host, why: "it does not speak HTTP as expected".to_owned() }
        }
        e => SignalError::Network { host, why: e.to_string() },
    }
}

/// A link, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Link {
    pub(super) host: String,
    pub(super) path: String,
    pub(super) token: String,
}

impl Link {
    pub(super) fn parse(text: &str) -> Result<Self, SignalError> {
        let text = text.trim();
        let wrong = |why| SignalError::Link { link: text.chars().take(120).collect(), why };
        if text.starts_with("https://") {
            return Err(wrong("it starts with https, and clearcall speaks plain http"));
        }
        let rest = text.strip_prefix("http://").ok_or_else(|| wrong("it does not start with http://"))?;
        let (host, rest) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control() || c == '@') {
            return Err(wrong("no machine is named in it"));
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let token = query_value(query, "token").filter(|t| !t.is_empty());
        let token = token.ok_or_else(|| wrong("its token is missing"))?;
        let plain = |s: &str| s.bytes().all(|b| b.is_ascii_graphic());
        if !plain(path) || !plain(token) {
            return Err(wrong("there are characters in it that do not belong into a link"));
        }
        let path = if path.is_empty() { "/whip" } else { path };
        Ok(Self { host: host.to_owned(), path: path.to_owned(), token: token.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_taken_apart_or_refused_with_a_reason() {
        let link = Link::parse(" http://[::1]:7800/whip?a=b&token=x-_1 ").unwrap();
        assert_eq!((link.host.as_str(), link.path.as_str(), link.token.as_str()), ("[::1]:7800", "/whip", "x-_1"));
        for (text, reason) in [
            ("", "http://"),
            ("192.0.2.1:80/whip?token=a", "http://"),
            ("https://192.0.2.1/whip?token=a", "plain http"),
            ("http:///whip?token=a", "no machine"),
            ("http://192.0.2.1:80/whip", "token is missing"),
            ("http://192.0.2.1:80/whip?token=", "token is missing"),
            ("http://192.0.2.1/a\r\nb?token=x", "characters"),
        ] {
            let error = Link::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
