//! Servers that help two machines to find a way to each other. Pure.

use std::fmt;
use std::str::FromStr;

/// A STUN server, which tells a machine how it is seen from outside, or a TURN server, which relays its packets
/// (RFC 7064, RFC 7065). Its name and password are never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct IceServer {
    turn: bool,
    /// Host and port, with brackets around an IPv6 address.
    address: String,
    username: String,
    password: String,
}

/// Why a text names no server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; write stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT, with %3A for a ':' and %40 for an '@' in the name or password"
)]
pub struct NoIceServer(&'static str);

/// The port of STUN and TURN (RFC 8489 §8.1).
const PORT: u16 = 3478;

impl IceServer {
    /// A server as a `Link` header or a configuration names it: without name and password in its URL.
    ///
    /// # Errors
    ///
    /// If the URL is none that can be used here, or a TURN server comes without name or password.
    pub fn new(url: &str, username: &str, password: &str) -> Result<Self, NoIceServer> {
        let (scheme, rest) = url.split_once(':').ok_or(NoIceServer("that is no URL"))?;
        let turn = match scheme.to_ascii_lowercase().as_str() {
            "stun" => false,
            "turn" => true,
            "stuns" | "turns" => return Err(NoIceServer("servers are reached over UDP only, without TLS")),
            _ => return Err(NoIceServer("it begins with neither stun: nor turn:")),
        };
        let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("transport", "udp")) if turn => {}
                Some(("transport", _)) if turn => {
                    return Err(NoIceServer("servers are reached over UDP only, not over TCP"));
                }
                _ => return Err(NoIceServer("nothing but ?transport=udp may follow, and that for turn: only")),
            }
        }
        let address = with_port(address).ok_or(NoIceServer("there is no HOST or HOST:PORT in it"))?;
        if turn && (username.is_empty() || password.is_empty()) {
            return Err(NoIceServer("a TURN server needs a name and a password"));
        }
        let long = [username, password].iter().any(|text| text.len() > 512 || text.contains(char::is_control));
        if long {
            return Err(NoIceServer("its name or password is too long or not printable"));
        }
        let (username, password) = if turn { (username, password) } else { ("", "") };
        Ok(Self { turn, address, username: username.to_owned(), password: password.to_owned() })
    }

    /// Its URL, without name and password.
    pub fn url(&self) -> String {
        if self.turn { format!("turn:{}?transport=udp", self.address) } else { format!("stun:{}", self.address) }
    }

    /// Whether it relays.
    pub const fn relays(&self) -> bool {
        self.turn
    }

    /// For webrtc.
    pub(super) fn credentials(&self) -> (&str, &str) {
        (&self.username, &self.password)
    }
}

impl FromStr for IceServer {
    type Err = NoIceServer;

    fn from_str(text: &str) -> Result<Self, NoIceServer> {
        let text = text.trim();
        let Some((before, address)) = text.rsplit_once('@') else { return Self::new(text, "", "") };
        let (scheme, user) = before.split_once(':').ok_or(NoIceServer("that is no URL"))?;
        let (user, password) = user.split_once(':').ok_or(NoIceServer("a TURN server needs a name and a password"))?;
        let decoded = |text: &str| percent_decoded(text).ok_or(NoIceServer("a % in it is not followed by two digits"));
        Self::new(&format!("{scheme}:{address}"), &decoded(user)?, &decoded(password)?)
    }
}

impl fmt::Display for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url())
    }
}

impl fmt::Debug for IceServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IceServer({self})")
    }
}

/// `HOST` or `HOST:PORT` with the port in any case.
fn with_port(address: &str) -> Option<String> {
    let host_end =
        if address.starts_with('[') { address.find(']')? + 1 } else { address.find(':').unwrap_or(address.len()) };
    let (host, port) = address.split_at(host_end);
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port != 0)?,
        None if port.is_empty() => PORT,
        None => return None,
    };
    let name = |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-' || b == b'_');
    let valid = match host.strip_prefix('[').and_then(|h| h.strip_suffix(']')) {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => (1..=253).contains(&host.len()) && name(host),
    };
    valid.then(|| format!("{host}:{port}"))
}

fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        decoded.push(if byte == b'%' {
            let mut digit = || char::from(bytes.next()?).to_digit(16);
            u8::try_from(digit()? * 16 + digit()?).ok()?
        } else {
            byte
        });
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_as_people_write_them() {
        let of = |text: &str| {
            let server: IceServer = text.parse().unwrap_or_else(|e| panic!("{text}: {e}"));
            (server.url(), server.username.clone(), server.password.clone())
        };
        let expect = |url: &str, user: &str, password: &str| (url.to_owned(), user.to_owned(), password.to_owned());
        assert_eq!(of("stun:stun.example.net"), expect("stun:stun.example.net:3478", "", ""));
        assert_eq!(of(" STUN:192.0.2.1:19302 "), expect("stun:192.0.2.1:19302", "", ""));
        assert_eq!(of("turn:u:p@h:1"), expect("turn:h:1?transport=udp", "u", "p"));
        assert_eq!(
            of("turn:u:p@[2001:db8::1]?transport=udp"),
            expect("turn:[2001:db8::1]:3478?transport=udp", "u", "p")
        );
        // As the REST scheme makes them, and a password with everything in it.
        assert_eq!(
            of("turn:1700000000%3Auser:a:b%40@c@h"),
            expect("turn:h:3478?transport=udp", "1700000000:user", "a:b@@c")
        );
    }

    #[test]
    fn what_names_no_server_is_refused_and_no_password_is_printed() {
        for (text, reason) in [
            ("", "no URL"),
            ("http://h", "neither stun: nor turn:"),
            ("turn:h:1", "name and a password"),
            ("turn:user@h", "name and a password"),
            ("turn:user:@h", "name and a password"),
            ("turns:u:geheim@h", "UDP only"),
            ("turn:u:geheim@h?transport=tcp", "not over TCP"),
            ("stun:h?transport=udp", "for turn: only"),
            ("stun:", "no HOST"),
            ("stun:h:0", "no HOST"),
            ("stun:h:99999", "no HOST"),
            ("stun:[::1", "no HOST"),
            ("stun:2001:db8::1", "no HOST"),
            ("stun:a b", "no HOST"),
            ("turn:u:geheim%zz@h", "two digits"),
        ] {
            let error = text.parse::<IceServer>().unwrap_err().to_string();
            assert!(error.contains(reason) && !error.contains("geheim"), "{text}: {error}");
        }
        let server: IceServer = "turn:name:geheim@h".parse().unwrap();
        let printed = format!("{server} {server:?}");
        assert!(!printed.contains("geheim") && !printed.contains("name"), "{printed}");
    }
}
