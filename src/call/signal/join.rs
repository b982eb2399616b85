//! The side that calls: POST an offer, get the answer. A client of WHIP (RFC 9725), to send to a server, and of WHEP
//! (draft-ietf-wish-whep), to watch what it has.

use std::time::Duration;

use hyper::Method;
use url::Url;

use super::http::{Question, Reply};
use super::link::{Endpoint, origin};
use super::tls::Fingerprint;
use super::{Bearer, FRAGMENT, SDP, SERVER, SignalError, link_header};
use crate::call::IceServer;
use crate::call::ice_fragment::IceFragment;

/// Servers may send a caller on to others so often.
const MAX_REDIRECTS: usize = 5;
/// How long a server that is asked for its ICE servers is waited for: most have nothing to say.
const ASKING: Duration = Duration::from_secs(3);

/// What is wanted of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// A call with it: WHIP.
    Whip,
    /// To see what it has: WHEP.
    Whep,
}

/// A server to be called.
#[derive(Debug, Clone)]
pub struct Server {
    endpoint: Endpoint,
    protocol: Protocol,
}

/// A call that was taken.
#[derive(Debug)]
pub struct Joined {
    /// The far side's session description.
    pub answer: String,
    /// To hang up with.
    pub session: WhipSession,
}

/// What a server says to an offer.
#[derive(Debug)]
pub enum Response {
    /// It takes it.
    Answered(Joined),
    /// It has no answer to that one, and makes an offer of its own (WHEP, status 406).
    Offered {
        /// The server's session description, to be answered with [`WhipSession::answer`].
        offer: String,
        /// The call.
        session: WhipSession,
    },
}

/// A call at the far side's signalling.
#[derive(Debug, Clone)]
pub struct WhipSession {
    access: Access,
    /// The call's own address (RFC 9725 §4.2). Not every server gives one.
    resource: Option<Url>,
    /// Which ICE session it is, where the server lets it be changed.
    etag: Option<String>,
    /// A clearcall host: it takes a caller that has lost its connection back at the call's own address.
    resumable: bool,
    ice_servers: Vec<IceServer>,
}

/// What opens a server, and which one: neither goes to any other.
#[derive(Debug, Clone)]
struct Access {
    /// Where the token belongs.
    trusted: Url,
    bearer: Option<Bearer>,
    /// Whose certificate that is.
    pinned: Option<(String, Fingerprint)>,
}

impl Access {
    fn bearer_for(&self, url: &Url) -> Option<&Bearer> {
        self.bearer.as_ref().filter(|_| url.origin() == self.trusted.origin())
    }

    fn pinned_for(&self, url: &Url) -> Option<Fingerprint> {
        self.pinned.as_ref().filter(|(host, _)| Some(host.as_str()) == url.host_str()).map(|(_, pin)| *pin)
    }

    fn question<'a>(&'a self, method: Method, url: &'a Url) -> Question<'a> {
        Question { method, url, bearer: self.bearer_for(url), pinned: self.pinned_for(url), body: None, if_match: None }
    }

    /// Posts, following the server wherever it sends us. `self` is then what opens the last one.
    async fn post(&mut self, url: &Url, offer: &str) -> Result<(Url, Reply), SignalError> {
        let mut url = url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let question = Question { body: Some((SDP, offer.to_owned())), ..self.question(Method::POST, &url) };
            let reply = question.ask().await?;
            if !matches!(reply.status, 307 | 308) {
                return Ok((url, reply));
            }
            let host = origin(&url);
            let wrong = |why: &str| SignalError::NotClearcall { host: host.clone(), why: why.to_owned() };
            let target = reply.header("location").and_then(|to| web_address(&url, to));
            let target = target.ok_or_else(|| wrong("it sends callers on, and does not say where to"))?;
            if url.scheme() == "https" && target.scheme() != "https" {
                return Err(wrong("it sends callers on to an address that is not encrypted"));
            }
            // The server that the token is for may name another one for it, but not in clear text.
            if self.bearer_for(&url).is_some() && target.scheme() == "https" {
                self.trusted = target.clone();
            }
            url = target;
        }
        Err(SignalError::NotClearcall { host: origin(&url), why: "it sends callers round in a circle".to_owned() })
    }
}

/// Where a header leads to, if that is on the web.
pub(super) fn web_address(base: &Url, to: &str) -> Option<Url> {
    let mut url = base.join(to).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    url.set_fragment(None);
    hyper::Uri::try_from(url.as_str()).ok().map(|_| url)
}

impl Server {
    /// The server behind `link`: what [`Host::url`](super::Host::url) gave, or the endpoint of any other. `bearer` is
    /// what it asks for, if the link does not say that.
    ///
    /// # Errors
    ///
    /// If it is no link.
    pub fn new(protocol: Protocol, link: &str, bearer: Option<Bearer>) -> Result<Self, SignalError> {
        let page = match protocol {
            Protocol::Whip => "/whip",
            Protocol::Whep => "/whep",
        };
        let mut endpoint = Endpoint::parse(link, page)?;
        endpoint.bearer = bearer.or(endpoint.bearer);
        Ok(Self { endpoint, protocol })
    }

    fn access(&self) -> Access {
        let Endpoint { url, bearer, pinned } = &self.endpoint;
        let pinned = pinned.zip(url.host_str()).map(|(pin, host)| (host.to_owned(), pin));
        Access { trusted: url.clone(), bearer: bearer.clone(), pinned }
    }

    /// The ICE servers that the server names before a call (RFC 9725 §4.6). Most name none.
    pub async fn ice_servers(&self) -> Vec<IceServer> {
        let access = self.access();
        let question = access.question(Method::OPTIONS, &self.endpoint.url);
        match tokio::time::timeout(ASKING, question.ask()).await {
            Ok(Ok(reply)) if reply.status < 300 => link_header::ice_servers(&reply.headers),
            _ => Vec::new(),
        }
    }

    /// Sends the offer. A caller that has lost its connection names the call that it had with `resumes`, and is not
    /// refused because of it.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or does not take the call.
    pub async fn call(&self, offer: &str, resumes: Option<&WhipSession>) -> Result<Response, SignalError> {
        let mut access = self.access();
        let mut target = self.endpoint.url.clone();
        match resumes {
            Some(WhipSession { resource: Some(resource), resumable: true, access: before, .. }) => {
                (target, access) = (resource.clone(), before.clone());
            }
            // Any other server has to be told first that the call before is over.
            Some(session) => drop(session.clone().leave().await),
            None => {}
        }
        let (url, reply) = access.post(&target, offer).await?;
        self.judge(access, &url, reply)
    }

    fn judge(&self, access: Access, url: &Url, reply: Reply) -> Result<Response, SignalError> {
        let host = origin(url);
        let session = WhipSession {
            resource: reply.header("location").and_then(|to| web_address(url, to)),
            etag: reply.header("etag").map(str::to_owned),
            resumable: reply.header("server").is_some_and(|server| server.starts_with(SERVER)),
            ice_servers: link_header::ice_servers(&reply.headers),
            access,
        };
        let is_sdp = reply
            .header("content-type")
            .is_some_and(|kind| kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(SDP));
        let description = reply.body.clone().filter(|body| is_sdp && body.trim_start().starts_with("v=0"));
        match (reply.status, description) {
            (201, Some(answer)) => Ok(Response::Answered(Joined { answer, session })),
            (406, Some(offer)) if self.protocol == Protocol::Whep && session.resource.is_some() => {
                Ok(Response::Offered { offer, session })
            }
            (201, None) => {
                Err(SignalError::NotClearcall { host, why: "it sends something else than an answer".to_owned() })
            }
            (401, _) => Err(SignalError::WrongToken { host }),
            (403, _) => Err(forbidden(host, &reply)),
            (409 | 429 | 503, _) => Err(SignalError::Busy { host, why: said(&reply) }),
            (400 | 406 | 408 | 413 | 415 | 422 | 500, _) => Err(SignalError::Refused { host, why: said(&reply) }),
            (status, _) => {
                let words = Some(said(&reply)).filter(|words| !words.starts_with("status"));
                let why = words.map_or_else(|| format!("status {status}"), |words| format!("status {status}: {words}"));
                Err(SignalError::NotClearcall { host, why })
            }
        }
    }
}

/// The token is wrong, or the server does not allow the call for a reason of its own, which it then says.
fn forbidden(host: String, reply: &Reply) -> SignalError {
    let words = reply.words().to_ascii_lowercase();
    let says_nothing = words.is_empty() || words.starts_with('<') || words.starts_with("forbidden");
    if says_nothing || ["token", "authori"].iter().any(|word| words.contains(word)) {
        return SignalError::WrongToken { host };
    }
    SignalError::Refused { host, why: said(reply) }
}

/// A server's words, or its number where it has none.
fn said(reply: &Reply) -> String {
    let words = reply.words();
    let none = words.is_empty() || words.starts_with("v=0") || words.starts_with('<');
    if none { format!("status {}", reply.status) } else { words }
}

/// Sends the offer to the host behind `link` (what [`Host::url`](super::Host::url) gave). A caller that has lost its
/// connection names the call that it had with `resumes`, and is not refused because of it.
///
/// # Errors
///
/// If the link is none, or the host cannot be reached or does not take the call.
pub async fn join(link: &str, offer: &str, resumes: Option<&WhipSession>) -> Result<Joined, SignalError> {
    let server = Server::new(Protocol::Whip, link, None)?;
    match server.call(offer, resumes).await? {
        Response::Answered(joined) => Ok(joined),
        Response::Offered { .. } => {
            let host = origin(&server.endpoint.url);
            Err(SignalError::NotClearcall { host, why: "it sends something else than an answer".to_owned() })
        }
    }
}

impl WhipSession {
    /// The ICE servers that the server named with its answer.
    pub fn ice_servers(&self) -> &[IceServer] {
        &self.ice_servers
    }

    /// Whether the server said that ICE can be changed during the call.
    pub const fn takes_ice(&self) -> bool {
        self.etag.is_some() && self.resource.is_some()
    }

    /// Sends the answer to the server's own offer.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or does not take it.
    pub async fn answer(&self, answer: &str) -> Result<(), SignalError> {
        self.patch((SDP, answer.to_owned()), None).await.map(drop)
    }

    /// Begins ICE anew (RFC 9725 §4.3.3), as after a change of the network. `description` is the offer that
    /// `fragment` belongs to; what comes back is the server's half.
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or does not do that.
    pub async fn restart_ice(&mut self, fragment: &IceFragment, description: &str) -> Result<IceFragment, SignalError> {
        let reply = self.patch((FRAGMENT, fragment.to_text(description)), Some("*")).await?;
        let host = self.host();
        let wrong = |why: String| SignalError::NotClearcall { host: host.clone(), why };
        let theirs = IceFragment::parse(reply.body.as_deref().unwrap_or_default()).map_err(|e| wrong(e.to_string()))?;
        if reply.status != 200 || theirs.credentials.is_none() {
            return Err(wrong("it does not begin ICE anew".to_owned()));
        }
        self.etag = reply.header("etag").map(str::to_owned).or(self.etag.take());
        Ok(theirs)
    }

    /// Tells the server of more candidates (RFC 9725 §4.3.2).
    ///
    /// # Errors
    ///
    /// If the server cannot be reached or does not take them.
    pub async fn trickle(&self, fragment: &IceFragment, description: &str) -> Result<(), SignalError> {
        self.patch((FRAGMENT, fragment.to_text(description)), self.etag.as_deref()).await.map(drop)
    }

    async fn patch(&self, body: (&'static str, String), if_match: Option<&str>) -> Result<Reply, SignalError> {
        let Some(resource) = &self.resource else {
            return Err(SignalError::Refused { host: self.host(), why: "it gave the call no address".to_owned() });
        };
        let question = self.access.question(Method::PATCH, resource);
        let reply = Question { body: Some(body), if_match, ..question }.ask().await?;
        match reply.status {
            200..=299 => Ok(reply),
            401 => Err(SignalError::WrongToken { host: self.host() }),
            403 => Err(forbidden(self.host(), &reply)),
            _ => Err(SignalError::Refused { host: self.host(), why: said(&reply) }),
        }
    }

    /// Tells the far side that the call is over.
    ///
    /// # Errors
    ///
    /// If nobody there has understood it. The far side will notice by itself, only later.
    pub async fn leave(self) -> Result<(), SignalError> {
        let Some(resource) = &self.resource else { return Ok(()) };
        match self.access.question(Method::DELETE, resource).ask().await?.status {
            200..=299 | 404 | 410 => Ok(()),
            status => Err(SignalError::NotClearcall { host: origin(resource), why: format!("status {status}") }),
        }
    }

    fn host(&self) -> String {
        origin(self.resource.as_ref().unwrap_or(&self.access.trusted))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_forbids_is_quoted_unless_it_is_the_token() {
        let judged = |status, body: &str| {
            let server = Server::new(Protocol::Whip, "http://192.0.2.1/whip/a", None).unwrap();
            let reply = Reply { status, headers: hyper::HeaderMap::new(), body: Some(body.to_owned()) };
            let url = "http://192.0.2.1/whip/a".parse().unwrap();
            server.judge(server.access(), &url, reply).err().unwrap().to_string()
        };
        for body in ["", "Unauthorized", "invalid token", "<html>no</html>", "{\"error\":\"authorization failed\"}"] {
            assert!(judged(403, body).contains("refuses the token"), "{body}: {}", judged(403, body));
        }
        assert!(judged(403, "Endpoint ID already in use").contains("Endpoint ID already in use"));
        assert!(
            judged(404, "{\"status\":\"error\",\"error\":\"no stream is available\"}")
                .contains("404: no stream is available")
        );
        assert!(judged(404, "").contains("(status 404)"));
    }

    fn access(trusted: &str) -> Access {
        let bearer = Some("secret".parse().unwrap());
        Access { trusted: trusted.parse().unwrap(), bearer, pinned: None }
    }

    #[test]
    fn a_call_lives_where_the_server_says_and_the_token_stays_where_it_belongs() {
        let base = "http://192.0.2.1:80/whip?token=x".parse().unwrap();
        let access = access("http://192.0.2.1:80/whip");
        for (location, expected, trusted) in [
            ("/whip/a", "http://192.0.2.1/whip/a", true),
            ("http://192.0.2.1/whip/a?key=1#x", "http://192.0.2.1/whip/a?key=1", true),
            ("//192.0.2.2/whip/a", "http://192.0.2.2/whip/a", false),
            ("http://192.0.2.1:81/", "http://192.0.2.1:81/", false),
            ("https://192.0.2.1/a", "https://192.0.2.1/a", false),
        ] {
            let url = web_address(&base, location).unwrap();
            assert_eq!(url.as_str(), expected);
            assert_eq!(access.bearer_for(&url).is_some(), trusted, "{location}");
        }
        for elsewhere in ["file:///etc/passwd", "data:,x", "http://"] {
            assert_eq!(web_address(&base, elsewhere), None, "{elsewhere}");
        }
    }
}
