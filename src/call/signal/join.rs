//! The side that calls: POST an offer, get the answer.

use std::io;
use std::time::Duration;

use url::Url;

use super::{SDP, SignalError};

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
    endpoint: Endpoint,
    /// The call's own address (RFC 9725 §4.2).
    resource: Url,
}

impl WhipSession {
    /// Tells the far side that the call is over.
    ///
    /// # Errors
    ///
    /// If nobody there has understood it. The far side will notice by itself, only later.
    pub async fn leave(self) -> Result<(), SignalError> {
        let host = self.endpoint.host();
        let work = move || {
            let host = self.endpoint.host();
            let request = agent().delete(self.resource.as_str()).header("authorization", self.endpoint.bearer());
            let response = request.call().map_err(|e| failed(&host, e))?;
            match response.status().as_u16() {
                200..=299 | 404 => Ok(()),
                status => Err(SignalError::NotClearcall { host, why: format!("status {status}") }),
            }
        };
        blocking(host, work).await
    }
}

/// Sends the offer to the host behind `link` (what [`Host::url`](super::Host::url) gave). A caller that has lost its
/// connection names the call that it had with `resumes`, and is not refused because of it.
///
/// # Errors
///
/// If the link is none, or the host cannot be reached or does not take the call.
pub async fn join(link: &str, offer: &str, resumes: Option<&WhipSession>) -> Result<Joined, SignalError> {
    let endpoint = Endpoint::parse(link)?;
    let target = resumes.map_or(&endpoint.url, |session| &session.resource).clone();
    let offer = offer.to_owned();
    blocking(endpoint.host(), move || post(endpoint, &target, &offer)).await
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

fn post(endpoint: Endpoint, target: &Url, offer: &str) -> Result<Joined, SignalError> {
    let host = endpoint.host();
    let mut response = agent()
        .post(target.as_str())
        .header("content-type", SDP)
        .header("authorization", endpoint.bearer())
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
            let resource = location.and_then(|l| endpoint.resource(&l));
            match resource {
                Some(resource) if right => Ok(Joined { answer, session: WhipSession { endpoint, resource } }),
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
        io::ErrorKind::ConnectionRefused => SignalError::NobodyThere { host },
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable | io::ErrorKind::NetworkDown => {
            SignalError::Unreachable { host }
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

/// Where a call is offered: a link, taken apart.
#[derive(Debug, Clone)]
pub(super) struct Endpoint {
    /// Without the token, which goes into a header.
    pub(super) url: Url,
    pub(super) token: String,
}

impl Endpoint {
    pub(super) fn parse(text: &str) -> Result<Self, SignalError> {
        let text = text.trim();
        let wrong = |why| SignalError::Link { link: text.chars().take(120).collect(), why };
        if text.starts_with("https://") {
            return Err(wrong("it starts with https, and clearcall speaks plain http"));
        }
        let rest = text.strip_prefix("http://").ok_or_else(|| wrong("it does not start with http://"))?;
        // The parser would take what follows more slashes for the machine's name.
        if rest.starts_with(['/', '\\']) {
            return Err(wrong("no machine is named in it"));
        }
        // The parser would take line breaks out of the middle.
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("there are characters in it that do not belong into a link"));
        }
        let mut url = Url::parse(text).map_err(|_| wrong("no machine is named in it"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("no machine is named in it"));
        }
        let token = url.query_pairs().find(|(key, _)| key == "token").map(|(_, token)| token.into_owned());
        let token = token.filter(|t| !t.is_empty() && t.bytes().all(|b| b.is_ascii_graphic()));
        let token = token.ok_or_else(|| wrong("its token is missing"))?;
        url.set_query(None);
        url.set_fragment(None);
        if url.path() == "/" {
            url.set_path("/whip");
        }
        // Url takes names that HTTP's parser does not, and only then would it be said that nobody understands HTTP there.
        if ureq::http::Uri::try_from(url.as_str()).is_err() {
            return Err(wrong("there are characters in it that do not belong into a link"));
        }
        Ok(Self { url, token })
    }

    /// Host and port, as in the link.
    fn host(&self) -> String {
        let host = self.url.host_str().unwrap_or_default();
        self.url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
    }

    fn bearer(&self) -> String {
        format!("Bearer {}", self.token)
    }

    /// What `Location` names. The token goes to the machine in the link and to no other.
    pub(super) fn resource(&self, location: &str) -> Option<Url> {
        self.url.join(location).ok().filter(|url| url.origin() == self.url.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_taken_apart_or_refused_with_a_reason() {
        let link = Endpoint::parse(" http://[::1]:8080/whip?a=b&token=x-_1 ").unwrap();
        assert_eq!((link.host().as_str(), link.url.path(), link.token.as_str()), ("[::1]:8080", "/whip", "x-_1"));
        assert_eq!(Endpoint::parse("http://host?token=a").unwrap().url.as_str(), "http://host/whip");
        for (text, reason) in [
            ("", "http://"),
            ("192.0.2.1:80/whip?token=a", "http://"),
            ("https://192.0.2.1/whip?token=a", "plain http"),
            ("http:///whip?token=a", "no machine"),
            ("http://192.0.2.1:80/whip", "token is missing"),
            ("http://192.0.2.1:80/whip?token=", "token is missing"),
            ("http://a@192.0.2.1/?token=x", "no machine"),
            ("http://192.0.2.1/a\r\nb?token=x", "characters"),
            ("http://19`.http/?token=x", "characters"),
        ] {
            let error = Endpoint::parse(text).unwrap_err().to_string();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
    #[test]
    fn a_call_lives_where_it_was_offered() {
        let endpoint = Endpoint::parse("http://192.0.2.1:80/whip?token=x").unwrap();
        let resource = |location| endpoint.resource(location).map(String::from);
        assert_eq!(resource("/whip/a").as_deref(), Some("http://192.0.2.1/whip/a"));
        assert_eq!(resource("http://192.0.2.1/whip/a").as_deref(), Some("http://192.0.2.1/whip/a"));
        for elsewhere in ["//192.0.2.2/whip/a", "http://192.0.2.1:81/", "file:///etc/passwd"] {
            assert_eq!(resource(elsewhere), None, "{elsewhere}");
        }
    }
}
