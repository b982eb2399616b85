//! What the host answers to each request.

use std::sync::Arc;
use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::host::{IceUpdate, IceUpdated, IncomingCall, Refusal, SignalingState};
use super::{FRAGMENT, SDP, SERVER, secret};
use crate::call::CallError;
use crate::call::ice_fragment::{IceFragment, MAX_FRAGMENT};

/// A longer body is not an offer.
pub(super) const MAX_BODY: usize = 64 << 10;
/// A body that takes longer to come is not waited for.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The page with which a browser calls.
const PAGE: &str = include_str!("../../../assets/call.html");
/// It needs nothing from anywhere else, and nobody else gets anything from it.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; \
                           connect-src 'self'; media-src 'self' blob: mediastream:; base-uri 'none'; \
                           form-action 'none'; frame-ancestors 'none'";

/// The page with which a browser calls: the token is in the part of the link that the browser keeps to itself.
pub(super) async fn page() -> Response {
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
pub(super) async fn with_cors(mut response: Response) -> Response {
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
}
