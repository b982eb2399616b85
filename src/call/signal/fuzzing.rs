//! What fuzz targets try on the signalling.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    body::Body,
    extract::{Path, Request, State},
    http::{HeaderValue, StatusCode, Uri, header},
};
use tokio::runtime::{Builder, Runtime};

use super::{
    CallHandler, IncomingCall, Refusal,
    handlers::{MAX_BODY, ended, offered, offered_again},
    host::SignalingState,
    join::web_address,
    link::Endpoint,
};
use crate::call::CallError;

/// Takes a link apart, in the first line: what is accepted can be dialled, and what the machine there calls the call
/// (the rest) leads to no other machine.
pub fn join_link(text: &str) {
    let (link, location) = text.split_once('\n').unwrap_or((text, "/whip/a"));
    let Ok(endpoint) = Endpoint::parse(link, "/whip") else { return };
    let url = &endpoint.url;
    assert!(matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty());
    if let Some(bearer) = &endpoint.bearer {
        assert!(!bearer.secret().is_empty() && bearer.secret().bytes().all(|b| b.is_ascii_graphic()));
    }
    assert!(Uri::try_from(url.as_str()).is_ok(), "{url} cannot be dialled");
    if let Some(resource) = web_address(url, location) {
        assert!(matches!(resource.scheme(), "http" | "https") && resource.has_host());
        assert!(Uri::try_from(resource.as_str()).is_ok(), "{resource} cannot be dialled");
    }
}

/// Random ones are longer; this one can be guessed.
const TOKEN: &str = "token";

/// Notes the offers, and takes those that begin as a session description does.
#[derive(Default)]
struct Noting(Mutex<Vec<IncomingCall>>);

impl Noting {
    fn calls(&self) -> Vec<IncomingCall> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait::async_trait]
impl CallHandler for Noting {
    async fn answer(&self, call: IncomingCall) -> Result<String, Refusal> {
        let taken = call.offer.starts_with("v=0");
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
        if taken { Ok("v=0".to_owned()) } else { Err(CallError::NoH264(String::new()).into()) }
    }

    async fn hung_up(&self, id: &str) -> bool {
        self.calls().iter().any(|call| call.id == id)
    }
}

thread_local! {
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime starts");
}

/// POSTs an offer to the host, and once more as one that lost its connection, and hangs up. The data are
/// `Authorization`, `Content-Type`, the query and the body, with a zero byte between each two.
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
    let (Some(offer), Some(again), Some(bye)) = (request(), request(), request()) else { return };
    let handler = Arc::new(Noting::default());
    let signaling = Arc::new(SignalingState {
        token: TOKEN.to_owned(),
        handler: Arc::clone(&handler) as Arc<dyn CallHandler>,
        ice_servers: Vec::new(),
    });
    let has_token = [authorization, query].iter().any(|part| part.windows(TOKEN.len()).any(|w| w == TOKEN.as_bytes()));
    RUNTIME.with(|runtime| {
        let state = || State(Arc::clone(&signaling));
        let status = runtime.block_on(offered(state(), offer)).status();
        let calls = handler.calls();
        assert!(has_token || (status == StatusCode::UNAUTHORIZED && calls.is_empty()), "{status} without the token");
        assert!(body.len() <= MAX_BODY || calls.is_empty());
        assert!(calls.iter().all(|call| call.offer.as_bytes() == body && call.resumes.is_none()));
        let Some(call) = calls.first() else { return };
        let before = call.id.clone();
        assert_eq!(runtime.block_on(offered_again(state(), Path(before.clone()), again)).status(), status);
        assert_eq!(handler.calls().last().and_then(|call| call.resumes.clone()), Some(before.clone()));
        assert_eq!(runtime.block_on(ended(state(), Path(before), bye)).status(), StatusCode::OK);
    });
}
