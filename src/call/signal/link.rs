//! Links that people give to `join` and `watch`. Pure.

use std::fmt;

use url::Url;

use super::{Bearer, SignalError, tls::Fingerprint};

/// Where a call is offered: a link, taken apart.
///
/// A link of [`Host`](super::Host) is its page with the token behind `#`, which browsers send to nobody:
/// `http://192.0.2.7:8080/#token=…`, and with TLS the fingerprint of its certificate. Any other link is the
/// endpoint of some server, and is dialled as it is.
#[derive(Clone)]
pub(super) struct Endpoint {
    /// Where the offer goes, query and all, without the fragment.
    pub(super) url: Url,
    pub(super) bearer: Option<Bearer>,
    /// The certificate that the link vouches for.
    pub(super) pinned: Option<Fingerprint>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("at", &origin(&self.url)).finish_non_exhaustive()
    }
}

impl Endpoint {
    /// `page`: what stands for a link without a path.
    pub(super) fn parse(text: &str, page: &str) -> Result<Self, SignalError> {
        let text = text.trim();
        let wrong = |why| SignalError::Link { link: without_secrets(text), why };
        let after = |scheme: &str| text.get(..scheme.len()).filter(|s| s.eq_ignore_ascii_case(scheme));
        let rest = after("http://").or_else(|| after("https://")).map(|scheme| &text[scheme.len()..]);
        let rest = rest.ok_or_else(|| wrong("it does not start with http:// or https://"))?;
        // The parser would take what follows more slashes for the machine's name.
        if rest.starts_with(['/', '\\']) {
            return Err(wrong("no machine is named in it"));
        }
        // The parser would also take line breaks out of the middle.
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(wrong("there are characters in it that do not belong into a link"));
        }
        let mut url = Url::parse(text).map_err(|_| wrong("no machine is named in it"))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("no machine is named in it"));
        }
        let fragment = url.fragment().unwrap_or_default().to_owned();
        url.set_fragment(None);
        let of_fragment = |key| value(&fragment, key).filter(|v| !v.is_empty());
        let of_query = || url.query_pairs().find(|(key, _)| key == "token").map(|(_, token)| token.into_owned());
        let token = of_fragment("token").or_else(of_query);
        let bearer = match token {
            Some(token) => Some(token.parse().map_err(|_| wrong("its token is missing or is none"))?),
            None => None,
        };
        let pinned = match of_fragment("sha256") {
            Some(text) => Some(Fingerprint::from_link(&text).ok_or_else(|| wrong("its fingerprint is cut off"))?),
            None => None,
        };
        if url.path() == "/" {
            url.set_path(page);
        }
        // Url takes names that HTTP's parser does not.
        if hyper::Uri::try_from(url.as_str()).is_err() {
            return Err(wrong("there are characters in it that do not belong into a link"));
        }
        Ok(Self { url, bearer, pinned })
    }
}

/// What stands after `key` in `a=1&b=2`, decoded.
fn value(pairs: &str, key: &str) -> Option<String> {
    url::form_urlencoded::parse(pairs.as_bytes()).find(|(k, _)| k == key).map(|(_, v)| v.into_owned())
}

/// Scheme, host and port, for people.
pub(super) fn origin(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// The start of a link, for a message: what may be a secret is left out.
fn without_secrets(text: &str) -> String {
    text.split(['?', '#']).next().unwrap_or_default().chars().take(120).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Endpoint, SignalError> {
        Endpoint::parse(text, "/whip")
    }

    #[test]
    fn links_are_taken_apart() {
        let of = |text| {
            let link = parse(text).unwrap();
            (link.url.to_string(), link.bearer.map(|b| b.secret().to_owned()).unwrap_or_default())
        };
        let expect = |url: &str, token: &str| (url.to_owned(), token.to_owned());
        assert_eq!(of(" http://[::1]:8080/#token=x-_1 "), expect("http://[::1]:8080/whip", "x-_1"));
        assert_eq!(of("http://host/#token=a"), expect("http://host/whip", "a"));
        // The links of before, and any server's: the query stays what it is.
        assert_eq!(of("http://h:1/whip?token=a"), expect("http://h:1/whip?token=a", "a"));
        assert_eq!(of("https://h/a/b?room=1&x=%20"), expect("https://h/a/b?room=1&x=%20", ""));
        assert_eq!(of("HTTPS://h/whip/endpoint/abc"), expect("https://h/whip/endpoint/abc", ""));
    }

    #[test]
    fn what_is_no_link_is_refused_with_a_reason_and_no_secret() {
        for (text, reason) in [
            ("", "http://"),
            ("192.0.2.1:80/whip?token=a", "http://"),
            ("ftp://192.0.2.1/whip?token=a", "http://"),
            ("http:///whip?token=secret", "no machine"),
            ("http://a@192.0.2.1/?token=secret", "no machine"),
            ("http://192.0.2.1/?token=", "token is missing"),
            ("http://192.0.2.1/a\r\nb?token=secret", "characters"),
            ("http://19`.http/?token=secret", "characters"),
            ("https://192.0.2.1/#token=secret&sha256=00ff", "fingerprint"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("secret"), "{text}: {error}");
        }
        let link = parse("http://192.0.2.1/#token=secret").unwrap();
        assert!(!format!("{link:?}").contains("secret"));
    }
}
