//! What the session is asked for, from outside and from its own threads.

use tokio::sync::{mpsc, oneshot};

use super::{SessionError, state_machine::Generation};
use crate::call::signal::{CallHandler, IceUpdate, IceUpdated, IncomingCall, Refusal};

/// Requests that may wait for the session.
pub(super) const REQUESTS: usize = 64;

/// Where a caller waits for the answer to its offer.
pub(super) type Reply = oneshot::Sender<Result<String, Refusal>>;

/// What the session is asked for.
pub(super) enum Request {
    /// Somebody offers a call to this host.
    Offer { call: IncomingCall, reply: Reply },
    /// The caller of a call has left through the signalling; the reply says whether there is such a call.
    HungUp { id: String, reply: oneshot::Sender<bool> },
    /// A caller has more candidates, or begins ICE anew.
    UpdateIce { update: IceUpdate, reply: oneshot::Sender<Result<IceUpdated, Refusal>> },
    /// The answer to the offer that was carried by people.
    AcceptAnswer { answer: String, reply: oneshot::Sender<Result<(), SessionError>> },
    /// The picture is broken: the other side is to send a keyframe over this connection.
    Keyframe(Generation),
    /// The source gives no more pictures.
    SourceGone { why: String },
}

/// Hands calls from the HTTP endpoint to the session.
pub(super) struct Endpoint(pub(super) mpsc::Sender<Request>);

#[async_trait::async_trait]
impl CallHandler for Endpoint {
    async fn answer(&self, call: IncomingCall) -> Result<String, Refusal> {
        let (reply, answer) = oneshot::channel();
        let ended = Refusal::Busy("the call was ended before it was answered; try again");
        if self.0.send(Request::Offer { call, reply }).await.is_err() {
            return Err(ended);
        }
        answer.await.unwrap_or(Err(ended))
    }

    async fn hung_up(&self, id: &str) -> bool {
        let (reply, known) = oneshot::channel();
        let request = Request::HungUp { id: id.to_owned(), reply };
        self.0.send(request).await.is_ok() && known.await.unwrap_or(false)
    }
    async fn update_ice(&self, update: IceUpdate) -> Result<IceUpdated, Refusal> {
        let (reply, updated) = oneshot::channel();
        if self.0.send(Request::UpdateIce { update, reply }).await.is_err() {
            return Err(Refusal::NoSuchCall);
        }
        updated.await.unwrap_or(Err(Refusal::NoSuchCall))
    }
}
