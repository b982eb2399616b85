//! One connection of a call: its peers, and the ways in which they come together.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use tokio::{runtime::Handle, sync::mpsc};

use super::{CallSettings, SessionError, state_machine::PASTE_LIMIT};
use crate::{
    call::{
        self, CallError, CaptureLog, IceServer, Media, Peer, PeerConfig, PeerEvent,
        rate::START_BITRATE,
        signal::{
            self, IceUpdate, IceUpdated, Joined, Protocol, Refusal, Response, SdpType, Server, SignalError, WhipSession,
        },
    },
    stats::NetworkSide,
};

/// Events that may wait between a peer and the session.
const EVENTS: usize = 256;
/// How long the far side's signalling may take to hear that the call is over. It notices by itself too, only later.
const LEAVING: Duration = Duration::from_secs(1);
/// How often a host that says it is busy is asked, and how long is waited in between.
const BUSY_TRIES: u32 = 5;
const BUSY_PAUSE: Duration = Duration::from_secs(1);
/// Where media leaves from.
#[derive(Debug, Clone, Copy)]
struct MediaSide {
    listen: SocketAddr,
    /// The far side is on this machine, and reached over loopback whatever servers there are.
    far_side_is_here: bool,
}

impl MediaSide {
    const ANYWHERE: Self = Self { listen: ANYWHERE, far_side_is_here: false };
}

/// Every address of this machine, of both families.
const ANYWHERE: SocketAddr = SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), 0);

/// The peers of one connection.
pub(super) struct Connection {
    near: Arc<Peer>,
    /// The other end of a loopback call, which receives.
    far: Option<Arc<Peer>>,
    /// The call at the far side's endpoint, if this side has joined one.
    pub(super) whip: Option<WhipSession>,
    /// The other side's address, for people.
    pub(super) with: String,
}

/// What a peer has to say, and which of its numbers mean something.
pub(super) type Inbox = (NetworkSide, mpsc::Receiver<PeerEvent>);

/// A connection whose descriptions are made; packets flow as soon as the other side has them.
pub(super) struct Opened {
    pub(super) connection: Connection,
    pub(super) inboxes: Vec<Inbox>,
    /// What the other side has to get: an answer, or a line to be carried by people.
    pub(super) description: Option<String>,
}

impl Connection {
    /// The peer that sends.
    pub(super) const fn sending(&self) -> &Arc<Peer> {
        &self.near
    }

    /// The peer that receives.
    pub(super) fn receiving(&self) -> &Arc<Peer> {
        self.far.as_ref().unwrap_or(&self.near)
    }

    /// Which way video goes. In a loopback call both ends are here.
    pub(super) fn direction(&self) -> Media {
        if self.far.is_some() { Media::SendRecv } else { self.near.direction().unwrap_or_default() }
    }

    /// Whether sound comes over it.
    pub(super) fn hears(&self) -> bool {
        self.receiving().audio_direction().is_some_and(Media::receives)
    }

    /// Whether sound is sent over it.
    pub(super) fn talks(&self) -> bool {
        self.near.audio_direction().is_some_and(Media::sends)
    }

    /// Where sound to be sent goes, if the far side takes it.
    #[cfg(feature = "audio")]
    pub(super) fn audio_sender(&self) -> Option<call::AudioSender> {
        self.talks().then(|| self.near.audio_sender())
    }

    /// When each frame was captured, where that can be known.
    pub(super) fn captured(&self) -> Option<Arc<CaptureLog>> {
        self.far.is_some().then(|| self.near.sender().capture_log())
    }

    /// Says goodbye on all ways, and waits until everything has ended.
    pub(super) async fn close(self) {
        let leave = async {
            if let Some(session) = self.whip {
                let left = tokio::time::timeout(LEAVING, session.leave()).await;
                tracing::debug!("left the call: {left:?}");
            }
        };
        let far = async {
            if let Some(far) = &self.far {
                far.close().await;
            }
        };
        tokio::join!(leave, self.near.close(), far);
    }
}

/// Both ends in this process, connected.
pub(super) async fn loopback(settings: CallSettings, runtime: Handle) -> Result<Opened, SessionError> {
    let config = |media| PeerConfig {
        audio: audio(&settings, media),
        impairment: Some(Arc::clone(&settings.impairment)),
        ..PeerConfig::new(media, settings.bitrate)
    };
    let (near_events, near_inbox) = mpsc::channel(EVENTS);
    let (far_events, far_inbox) = mpsc::channel(EVENTS);
    let (near, far) =
        call::loopback(config(Media::SendOnly), config(Media::RecvOnly), &runtime, near_events, far_events).await?;
    let with = "this machine (loopback)".to_owned();
    Ok(Opened {
        connection: Connection { near: Arc::new(near), far: Some(Arc::new(far)), whip: None, with },
        inboxes: vec![(NetworkSide::Out, near_inbox), (NetworkSide::In, far_inbox)],
        description: None,
    })
}

/// Which way sound goes in a call whose video goes so.
fn audio(settings: &CallSettings, media: Media) -> Media {
    if settings.audio.on { media } else { Media::Inactive }
}

/// To the server behind `url`. `resumes`: the call that was lost there.
pub(super) async fn join(
    settings: CallSettings,
    runtime: Handle,
    url: String,
    resumes: Option<WhipSession>,
) -> Result<Opened, SessionError> {
    let server = Server::new(Protocol::Whip, &url, settings.network.bearer.clone())?;
    call(settings, runtime, &url, Media::SendRecv, &server, resumes).await
}

/// To the server behind `url`, to see what it has.
pub(super) async fn watch(settings: CallSettings, runtime: Handle, url: String) -> Result<Opened, SessionError> {
    let server = Server::new(Protocol::Whep, &url, settings.network.bearer.clone())?;
    call(settings, runtime, &url, Media::RecvOnly, &server, None).await
}

async fn call(
    mut settings: CallSettings,
    runtime: Handle,
    url: &str,
    media: Media,
    server: &Server,
    mut resumes: Option<WhipSession>,
) -> Result<Opened, SessionError> {
    let side = MediaSide { listen: ANYWHERE, far_side_is_here: is_here(url) };
    let named = server.ice_servers().await;
    learn(&mut settings.network.ice_servers, &named);
    learn(&mut settings.network.ice_servers, resumes.as_ref().map_or(&[], WhipSession::ice_servers));
    // A server that names its ICE servers only with its answer is asked a second time, with an offer that knows them.
    for last in [false, true] {
        let opened = Opened::new(&settings, &runtime, side, media, None).await?;
        let near = &opened.connection.near;
        let session = match patiently(server, &near.offer().await?, resumes.as_ref()).await? {
            Response::Answered(Joined { answer, session }) => {
                if !last && learn(&mut settings.network.ice_servers, session.ice_servers()) {
                    resumes = Some(session);
                    near.close().await;
                    continue;
                }
                if let Err(error) = near.accept_answer(&answer).await {
                    return Err(given_up(session, error.into()).await);
                }
                session
            }
            Response::Offered { offer, session } => {
                near.close().await;
                return answer_server(&settings, &runtime, side, media, &offer, session).await;
            }
        };
        return Ok(Opened { connection: Connection { whip: Some(session), ..opened.connection }, ..opened });
    }
    Err(CallError::NotConnected(Duration::ZERO).into())
}

/// Perhaps a host is busy with this side's own call, before it crashed: it finds that out in some seconds.
async fn patiently(server: &Server, offer: &str, resumes: Option<&WhipSession>) -> Result<Response, SignalError> {
    let mut tries = 1;
    loop {
        match server.call(offer, resumes).await {
            Err(SignalError::Busy { .. }) if tries < BUSY_TRIES => {
                tries += 1;
                tokio::time::sleep(BUSY_PAUSE).await;
            }
            response => return response,
        }
    }
}

/// The call that the server has is of no use: it is told so.
async fn given_up(session: WhipSession, error: SessionError) -> SessionError {
    let _ = tokio::time::timeout(LEAVING, session.leave()).await;
    error
}

/// A server has an offer of its own.
async fn answer_server(
    settings: &CallSettings,
    runtime: &Handle,
    side: MediaSide,
    media: Media,
    offer: &str,
    session: WhipSession,
) -> Result<Opened, SessionError> {
    let mut settings = settings.clone();
    learn(&mut settings.network.ice_servers, session.ice_servers());
    let answering = async {
        let opened = Opened::new(&settings, runtime, side, media, None).await?;
        let answer = opened.connection.near.answer(offer).await?;
        session.answer(&answer).await?;
        Ok(opened)
    };
    match answering.await {
        Ok(opened) => Ok(Opened { connection: Connection { whip: Some(session), ..opened.connection }, ..opened }),
        Err(error) => Err(given_up(session, error).await),
    }
}

/// Adds the servers that are new; says whether there were some.
fn learn(known: &mut Vec<IceServer>, named: &[IceServer]) -> bool {
    let before = known.len();
    for server in named {
        if !known.contains(server) {
            known.push(server.clone());
        }
    }
    known.len() > before
}

/// A caller has more candidates, or begins ICE anew.
pub(super) async fn update_ice(peer: &Peer, update: IceUpdate) -> Result<IceUpdated, Refusal> {
    if let Some(sessions) = &update.sessions {
        let present = peer.ice_session().await;
        if !sessions.iter().any(|session| present.as_ref() == Some(session)) {
            return Err(Refusal::OtherIceSession);
        }
    }
    match &update.fragment.credentials {
        None if update.sessions.is_none() => Err(Refusal::NoIceCredentials),
        // Some name any session with each of their candidates.
        Some(theirs) if peer.far_ice_credentials().await.as_ref() != Some(theirs) => {
            let (fragment, description) = peer.answer_restart(&update.fragment).await?;
            Ok(IceUpdated::Restarted { fragment, description })
        }
        _ => {
            peer.add_candidates(&update.fragment).await?;
            Ok(IceUpdated::Taken)
        }
    }
}

/// Answers a caller's offer; the description is the answer.
pub(super) async fn answer(
    settings: CallSettings,
    runtime: Handle,
    listen: SocketAddr,
    offer: String,
) -> Result<Opened, CallError> {
    let side = MediaSide { listen, far_side_is_here: false };
    let opened = Opened::new(&settings, &runtime, side, Media::SendRecv, None).await?;
    let answer = opened.connection.near.answer(&offer).await?;
    Ok(Opened { description: Some(answer), ..opened })
}

/// The description is the line for the other person.
pub(super) async fn offer_line(settings: CallSettings, runtime: Handle) -> Result<Opened, SessionError> {
    let opened = Opened::new(&settings, &runtime, MediaSide::ANYWHERE, Media::SendRecv, Some(PASTE_LIMIT)).await?;
    let line = signal::to_line(SdpType::Offer, &opened.connection.near.offer().await?)?;
    Ok(Opened { description: Some(line), ..opened })
}

/// The description is the line to send back.
pub(super) async fn answer_line(
    settings: CallSettings,
    runtime: Handle,
    offer: String,
) -> Result<Opened, SessionError> {
    let offer = signal::from_line(SdpType::Offer, &offer)?;
    let opened = Opened::new(&settings, &runtime, MediaSide::ANYWHERE, Media::SendRecv, Some(PASTE_LIMIT)).await?;
    let line = signal::to_line(SdpType::Answer, &opened.connection.near.answer(&offer).await?)?;
    Ok(Opened { description: Some(line), ..opened })
}

impl Opened {
    /// A peer where signalling at `side` could reach it. `patience`: how long it tries to reach the other side, if
    /// that is longer than usual.
    async fn new(
        settings: &CallSettings,
        runtime: &Handle,
        side: MediaSide,
        media: Media,
        patience: Option<Duration>,
    ) -> Result<Self, CallError> {
        let (events, inbox) = mpsc::channel(EVENTS);
        let mut bind = call::media_addresses(side.listen);
        let servers = !settings.network.ice_servers.is_empty();
        if servers && !side.far_side_is_here && bind.iter().any(|address| !address.ip().is_loopback()) {
            // From loopback no server is reached, and each would be waited for.
            bind.retain(|address| !address.ip().is_loopback());
        }
        let usual = PeerConfig::new(media, settings.bitrate);
        let config = PeerConfig {
            bind,
            ice_servers: settings.network.ice_servers.clone(),
            audio: audio(settings, media),
            bitrate: usual.bitrate.min(START_BITRATE),
            impairment: Some(Arc::clone(&settings.impairment)),
            unreachable_limit: patience.unwrap_or(usual.unreachable_limit),
            ..usual
        };
        let near = Arc::new(Peer::new(config, runtime, events).await?);
        let with = "the other side".to_owned();
        Ok(Self {
            connection: Connection { near, far: None, whip: None, with },
            inboxes: vec![(NetworkSide::Both, inbox)],
            description: None,
        })
    }
}

/// Whether the server behind `url` is on this machine. It may have other addresses than the one that it is called by,
/// and give media only those, so all of this machine's are offered to it.
fn is_here(url: &str) -> bool {
    let url = url::Url::parse(url.trim()).ok();
    match url.as_ref().and_then(url::Url::host) {
        Some(url::Host::Ipv4(ip)) => ip.is_loopback(),
        Some(url::Host::Ipv6(ip)) => ip.is_loopback(),
        Some(url::Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_on_this_machine_is_known_by_its_address() {
        for (url, here) in [
            ("http://127.0.0.1:8080/whip?token=a", true),
            ("http://localhost:8080/whip?token=a", true),
            ("http://[::1]:8080/whip?token=a", true),
            ("http://192.0.2.1:8080/whip?token=a", false),
            ("http://[2001:db8::1]/whip?token=a", false),
            ("no link", false),
        ] {
            assert_eq!(is_here(url), here, "{url}");
        }
    }
}
