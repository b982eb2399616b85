//! `Link` headers (RFC 8288) with ICE servers, as RFC 9725 §4.6 has them. Pure.

use hyper::header::{HeaderMap, HeaderValue, LINK};

use crate::call::IceServer;

/// More servers than that help nobody.
const MAX_SERVERS: usize = 8;

/// The servers that can be used; others, as those over TCP, are passed over.
pub(super) fn ice_servers(headers: &HeaderMap) -> Vec<IceServer> {
    let mut servers: Vec<IceServer> = Vec::new();
    for header in headers.get_all(LINK).iter().filter_map(|v| v.to_str().ok()) {
        for link in split(header, ',') {
            if let Some(server) = ice_server(link)
                && servers.len() < MAX_SERVERS
                && !servers.contains(&server)
            {
                servers.push(server);
            }
        }
    }
    servers
}

/// `<turn:h?transport=udp>; rel="ice-server"; username="u"; credential="p"; credential-type="password"`.
fn ice_server(link: &str) -> Option<IceServer> {
    let mut parts = split(link, ';').into_iter();
    let url = parts.next()?.trim().strip_prefix('<')?.strip_suffix('>')?;
    let mut values = [("rel", String::new()), ("username", String::new()), ("credential", String::new())];
    for part in parts {
        let Some((name, value)) = part.split_once('=') else { continue };
        if let Some((_, slot)) = values.iter_mut().find(|(known, _)| name.trim().eq_ignore_ascii_case(known)) {
            *slot = unquoted(value.trim());
        }
    }
    let [(_, rel), (_, username), (_, credential)] = values;
    if !rel.split_whitespace().any(|rel| rel.eq_ignore_ascii_case("ice-server")) {
        return None;
    }
    IceServer::new(url, &username, &credential)
        .map_err(|why| tracing::debug!("an ICE server is passed over: {why}"))
        .ok()
}

/// The header that names a server to a caller.
pub(super) fn write(server: &IceServer) -> Option<HeaderValue> {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"");
    let mut text = format!("<{}>; rel=\"ice-server\"", server.url());
    if server.relays() {
        let (username, password) = server.credentials();
        text += &format!(
            "; username=\"{}\"; credential=\"{}\"; credential-type=\"password\"",
            quoted(username),
            quoted(password)
        );
    }
    let mut value = HeaderValue::try_from(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Splits where `at` stands, but not within quotes or `<>`.
fn split(text: &str, at: char) -> Vec<&str> {
    let (mut parts, mut begin) = (Vec::new(), 0);
    let (mut quoted, mut escaped, mut inside) = (false, false, false);
    for (i, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => inside = true,
            '>' if !quoted => inside = false,
            c if c == at && !quoted && !inside => {
                parts.push(&text[begin..i]);
                begin = i + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[begin..]);
    parts
}

fn unquoted(text: &str) -> String {
    let Some(inner) = text.strip_prefix('"').and_then(|t| t.strip_suffix('"')) else { return text.to_owned() };
    let mut escaped = false;
    inner
        .chars()
        .filter(|c| {
            let keep = escaped || *c != '\\';
            escaped = !keep;
            keep
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_of_link_headers_are_found() {
        let mut headers = HeaderMap::new();
        // RFC 9725, figure 7, the first two in one line.
        headers.append(
            LINK,
            "<stun:stun.example.net>; rel=\"ice-server\", <turn:turn.example.net?transport=udp>; rel=\"ice-server\"; \
             username=\"us,er\"; credential=\"my\\\"Password;\"; credential-type=\"password\""
                .parse()
                .unwrap(),
        );
        let others = [
            "<turn:turn.example.net?transport=tcp>; rel=\"ice-server\"; username=\"user\"; credential=\"p\"",
            "<turns:turn.example.net?transport=tcp>; rel=\"ice-server\"; username=\"user\"; credential=\"p\"",
            "<https://example.net/sse>; rel=\"urn:ietf:params:whep:ext:core:server-sent-events\"",
            "<stun:stun.example.net>; rel=ice-server",
            "garbage",
            "<",
            "\"",
        ];
        for other in others {
            headers.append(LINK, other.parse().unwrap());
        }
        let servers = ice_servers(&headers);
        let turn = IceServer::new("turn:turn.example.net", "us,er", "my\"Password;").unwrap();
        assert_eq!(servers, ["stun:stun.example.net".parse().unwrap(), turn]);
        // What is written is read again.
        let mut own = HeaderMap::new();
        for server in &servers {
            own.append(LINK, write(server).unwrap());
        }
        assert_eq!(ice_servers(&own), servers);
        assert!(!format!("{own:?}").contains("Password"));
    }
}
