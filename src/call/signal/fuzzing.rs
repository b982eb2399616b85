//! What fuzz targets try on the signalling.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
};
use tokio::runtime::{Builder, Runtime};

use super::{
    CallHandler,
    host::{MAX_BODY, SignalingState, ended, offered},
    join::Link,
};
use crate::call::CallError;

/// Takes a link apart: what is accepted can be written into a request.
pub fn join_link(text: &str) {
    let Ok(link) = Link::parse(text) else { return };
    assert!(!link.host.is_empty() && link.path.starts_with('/') && !link.token.is_empty());
    assert!([link.path, link.token].iter().all(|part| part.bytes().all(|b| b.is_ascii_graphic())));
}

/// Random ones are longer; this one can be guessed.
const TOKEN: &str = "token";

/// Notes the offers, and takes those that begin as a session description does.
#[derive(Default)]
struct Noting(Mutex<Vec<String>>);

#[async_trait::async_trait]
impl CallHandler for Noting {
    async fn answer(&self, offer: String) -> Result<String, CallError> {
        let taken = offer.starts_with("v=0");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(offer);
        if taken { Ok("v=0".to_owned()) } else { Err(CallError::NoH264) }
    }

    async fn hung_up(&self) {}
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime starts");
}

/// POSTs an offer to the host, then hangs up. The data are `Authorization`, `Content-Type`, the query and the body,
/// with a zero byte between each two.
pub fn whip_request(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == 0);
    let [authorization, kind, query, body] = [(); 4].map(|()| parts.next().unwrap_or_default());
    let request = || {
        let mut request = Request::new(Body::from(body.to_vec()));
        *request.uri_mut() = Uri::try_from([b"/whip?", query].concat().as_slice()).ok()?;
        for (name, value) in [(header::AUTHORIZATION, authorization), (header::CONTENT_TYPE, kind)] {
            request.headers_mut().insert(name, HeaderValue::from_bytes(value).ok()?);
        }
        Some(request)
    };
    let (Some(offer), Some(other), Some(bye)) = (request(), request(), request()) else { return };
    let handler = Arc::new(Noting::default());
    let signaling = Arc::new(SignalingState {
        token: TOKEN.to_owned(),
        session: Mutex::new(None),
        handler: Arc::clone(&handler) as Arc<dyn CallHandler>,
    });
    let has_token = [authorization, query].iter().any(|part| part.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes()));
    RUNTIME.with(|runtime| {
        let state = || State(Arc::clone(&signaling));
        let status = runtime.block_on(offered(state(), offer)).status();
        let session = signaling.session().clone();
        let offers = handler.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        assert!(has_token || (status == StatusCode::UNAUTHORIZED && offers.is_empty()), "{status} without the token");
        assert!(body.len() <= MAX_BODY || offers.is_empty());
        assert!(offers.iter().all(|offer| offer.as_bytes() == body));
        assert_eq!(session.is_some(), status == StatusCode::CREATED, "a call that was not taken holds the line");
        let Some(id) = session else { return };
        assert_eq!(runtime.block_on(offered(state(), other)).status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(runtime.block_on(ended(state(), Path(id), bye)).status(), StatusCode::OK);
        assert!(signaling.session().is_none());
    });
}
