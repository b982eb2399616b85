//! One end of a call, over webrtc.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use rtc::peer_connection::configuration::RTCOfferOptions;
use rtc::rtcp::goodbye::Goodbye;
use rtc::rtp_transceiver::rtp_sender::RtpCodecKind;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, watch};
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceCandidateInit, RTCIceGatheringState,
    RTCPeerConnectionState, RTCSessionDescription,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};

use super::audio::{AudioSender, AudioState, AudioTap, audio_sender};
use super::description::{Answer, AudioPlace, Format, Negotiated, Offer, OwnAudio, Wishes, own_formats, own_offer};
use super::monitor::PeerMonitor;
use super::packetize::MAX_PAYLOAD;
use super::peer_state::{Life, PeerShared};
use super::rate::Bounds;
use super::receive::{self, Receiving};
use super::send::{self, UnitSender};
use super::sockets::CallRuntime;
use super::{CallError, EndReason, IceFragment, Media, PeerConfig, PeerEvent, engine};
use crate::codec::H264Profile;

/// How long ICE servers may take to answer. One that says nothing does not keep a call that has other addresses.
const SERVERS: Duration = Duration::from_secs(3);
/// How long the addresses of this machine may take to be found.
const GATHERING: Duration = Duration::from_secs(5);
/// How long [`Peer`]'s drop waits for its tasks.
const CLOSING: Duration = Duration::from_secs(2);
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_millis(200);

/// One end of a call. Dropping it closes the connection and waits for its tasks.
///
/// One end makes an [`offer`](Self::offer), the other [`answer`](Self::answer)s it, and the first takes
/// the answer with [`accept_answer`](Self::accept_answer). The texts are whole session descriptions (SDP)
/// with all candidates inside: nothing else has to be carried.
pub struct Peer {
    pc: Arc<dyn PeerConnection>,
    shared: Arc<PeerShared>,
    runtime: Handle,
    media: Media,
    audio: Media,
    track: Option<Arc<TrackLocalStaticRTP>>,
    sender: UnitSender,
    audio_sender: AudioSender,
    /// webrtc has been given what this side sends and receives.
    described: Arc<AtomicBool>,
    closed: AtomicBool,
    /// What this side offers: all that it can, or what it has answered to the far side.
    formats: Mutex<Vec<Format>>,
    /// Where the sound's section stands.
    audio_place: Mutex<AudioPlace>,
    /// One of the ICE servers is a relay.
    has_relay: bool,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").field("media", &self.media).field("life", &*self.shared.life.borrow()).finish()
    }
}

struct Handler(Arc<PeerShared>);

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.0.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        tracing::debug!(%state, "connection");
        match state {
            RTCPeerConnectionState::Connected => self.0.live_on(Life::Connected),
            RTCPeerConnectionState::Disconnected => self.0.live_on(Life::Silent),
            RTCPeerConnectionState::Failed => {
                let was = self.0.life.borrow().clone();
                self.0.end(if was == Life::New { EndReason::Unreachable } else { EndReason::Silent });
            }
            RTCPeerConnectionState::Closed => {
                let was = self.0.life.borrow().clone();
                self.0.end(if was == Life::New { EndReason::Handshake } else { EndReason::HungUp });
            }
            _ => {}
        }
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let shared = &self.0;
        let first = {
            let mut incoming = shared.incoming.lock().unwrap_or_else(PoisonError::into_inner);
            let first = shared.receives && incoming.is_none();
            if first {
                *incoming = Some(Arc::clone(&track));
            }
            first
        };
        if !first {
            // Nobody looks at it, but its queue has to be emptied.
            shared.keep(tokio::spawn(async move { while track.poll().await.is_some() {} }));
            return;
        }
        let receiving = Receiving {
            track,
            state: Arc::clone(&shared.receiving),
            counters: Arc::clone(&shared.counters),
            mailbox: Arc::clone(&shared.mailbox),
            events: shared.events.clone(),
            negotiated: shared.negotiated.subscribe(),
        };
        shared.keep(tokio::spawn(receive::run(receiving)));
    }
}

fn internal(doing: &'static str) -> impl Fn(webrtc::error::Error) -> CallError {
    move |why| CallError::Internal { doing, why: why.to_string() }
}

impl Peer {
    /// Binds the sockets. What the peer has to say goes to `events`; if nobody takes the events, units
    /// are thrown away (and counted) and everything else waits, one of each kind.
    ///
    /// # Errors
    /// When a socket cannot be bound, or webrtc cannot be set up.
    pub async fn new(config: PeerConfig, runtime: &Handle, events: mpsc::Sender<PeerEvent>) -> Result<Self, CallError> {
        let handle = runtime.clone();
        let build = async move { Self::build(config, handle, events).await };
        runtime.spawn(build).await.unwrap_or_else(|why| Err(crashed("setting up", &why)))
    }

    async fn build(config: PeerConfig, runtime: Handle, events: mpsc::Sender<PeerEvent>) -> Result<Self, CallError> {
        let set_up = |why: webrtc::error::Error| CallError::SetUp {
            bind: config.bind.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "),
            why: why.to_string(),
        };
        let (ssrc, rtx) = (rand::random::<u32>(), rand::random::<u32>());
        let shared = Arc::new(PeerShared {
            ssrc,
            counters: Arc::default(),
            sending: Arc::default(),
            receiving: Arc::default(),
            audio: Arc::new(AudioState::new(rand::random())),
            mailbox: Arc::default(),
            events: events.clone(),
            life: watch::Sender::new(Life::New),
            gathered: watch::Sender::new(false),
            receives: config.media.receives(),
            negotiated: watch::Sender::new(None),
            incoming: Mutex::default(),
            tasks: Mutex::default(),
        });
        let bounds = Bounds { min: config.min_bitrate, start: config.bitrate, max: config.max_bitrate };
        let mut codecs = engine::media_engine().map_err(set_up)?;
        let tap = AudioTap::new(Arc::clone(&shared.audio), shared.negotiated.subscribe(), events.clone());
        let interceptors = engine::interceptors(&mut codecs, bounds, &shared.counters, ssrc, tap).map_err(set_up)?;
        let network = CallRuntime { impairment: config.impairment.clone(), counters: Arc::clone(&shared.counters) };
        let pc = PeerConnectionBuilder::new()
            .with_media_engine(codecs)
            .with_setting_engine(engine::settings(config.unreachable_limit))
            .with_interceptor_registry(interceptors)
            .with_handler(Arc::new(Handler(Arc::clone(&shared))))
            .with_runtime(Arc::new(network))
            .with_udp_addrs(config.bind.clone())
            .with_configuration(engine::configuration(&config.ice_servers))
            .build()
            .await
            .map_err(set_up)?;
        let pc: Arc<dyn PeerConnection> = Arc::new(pc);
        // What carries packets of sound is the video's track, even where no video is sent.
        let has_track = config.media.sends() || config.audio.sends();
        let track = has_track.then(|| Arc::new(TrackLocalStaticRTP::new(engine::track(ssrc, rtx))));
        let (audio_sender, audio_sending) =
            audio_sender(track.clone().filter(|_| config.audio.sends()), Arc::clone(&shared.audio));
        let (sender, sending) = send::unit_sender(
            track.clone().filter(|_| config.media.sends()).map(|t| (t, ssrc)),
            Arc::clone(&shared.sending),
            Arc::clone(&shared.counters),
        );
        shared.keep(tokio::spawn(Arc::clone(&shared.mailbox).deliver(events)));
        let monitor = PeerMonitor {
            pc: Arc::clone(&pc),
            shared: Arc::clone(&shared),
            sending,
            audio_sending,
            sender: sender.clone(),
        };
        shared.keep(tokio::spawn(monitor.run()));
        Ok(Self {
            pc,
            shared,
            runtime,
            media: config.media,
            audio: config.audio,
            track,
            sender,
            audio_sender,
            described: Arc::default(),
            closed: AtomicBool::new(false),
            formats: Mutex::new(own_formats()),
            audio_place: Mutex::default(),
            has_relay: config.ice_servers.iter().any(super::IceServer::relays),
        })
    }

    /// Makes the offer; the far side has to answer it. A later offer negotiates the same call anew.
    ///
    /// # Errors
    /// When webrtc makes no offer, or no network address is found in time.
    pub async fn offer(&self) -> Result<String, CallError> {
        let (pc, track) = (Arc::clone(&self.pc), self.track.clone());
        // A track for sound is bound by being sent.
        let ways = Media::of(track.is_some(), self.media.receives());
        let described = self.described.swap(true, Relaxed);
        let make = async move {
            let direction = match ways {
                Media::SendOnly => RTCRtpTransceiverDirection::Sendonly,
                Media::RecvOnly => RTCRtpTransceiverDirection::Recvonly,
                Media::SendRecv => RTCRtpTransceiverDirection::Sendrecv,
                Media::Inactive => RTCRtpTransceiverDirection::Inactive,
            };
            let init = Some(RTCRtpTransceiverInit { direction, streams: vec![], send_encodings: vec![] });
            if !described {
                match track {
                    Some(track) => pc.add_transceiver_from_track(track, init).await,
                    None => pc.add_transceiver_from_kind(RtpCodecKind::Video, init).await,
                }
                .map_err(internal("adding video to the offer"))?;
            }
            let offer = pc.create_offer(None).await.map_err(internal("making the offer"))?;
            pc.set_local_description(offer).await.map_err(internal("using the offer"))
        };
        self.run("making the offer", make).await?;
        let audio = (self.audio != Media::Inactive).then(|| OwnAudio {
            direction: self.audio,
            ssrc: self.shared.audio.ssrc,
            place: self.audio_place.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        });
        Ok(own_offer(&self.local_description().await?, self.media, &self.formats(), audio.as_ref()))
    }

    const fn wishes(&self) -> Wishes {
        Wishes { video: self.media, audio: self.audio }
    }

    /// Answers the far side's offer. A later offer negotiates the same call anew.
    ///
    /// # Errors
    /// When the offer cannot be used or has no H.264 that is spoken here, or no network address is found in time.
    pub async fn answer(&self, offer: &str) -> Result<String, CallError> {
        let wrong = |why: String| CallError::Description { what: "offer", why };
        let offer = Offer::read(offer, self.wishes())?;
        let description = RTCSessionDescription::offer(offer.for_webrtc.clone()).map_err(|e| wrong(e.to_string()))?;
        // A track that nobody takes would be sent all the same; but sound goes with it.
        let sends = offer.negotiated.direction.sends() || offer.negotiated.sends_sound();
        let track = self.track.clone().filter(|_| sends);
        let (pc, described) = (Arc::clone(&self.pc), Arc::clone(&self.described));
        let make = async move {
            if let Some(track) = track
                && !described.swap(true, Relaxed)
            {
                pc.add_track(track).await.map_err(internal("adding video to the answer"))?;
            }
            pc.set_remote_description(description).await.map_err(|e| wrong(e.to_string()))?;
            let answer = pc.create_answer(None).await.map_err(|e| wrong(e.to_string()))?;
            pc.set_local_description(answer).await.map_err(internal("using the answer"))
        };
        self.run("answering the offer", make).await?;
        if let Some(place) = offer.audio_place() {
            *self.audio_place.lock().unwrap_or_else(PoisonError::into_inner) = place;
        }
        let answer = offer.answer(&self.local_description().await?, self.shared.audio.ssrc);
        *self.formats.lock().unwrap_or_else(PoisonError::into_inner) = vec![offer.format().clone()];
        self.agree(offer.negotiated);
        Ok(answer)
    }

    /// Takes the far side's answer to our offer; the connection follows.
    ///
    /// # Errors
    /// When the answer cannot be used or takes no video.
    pub async fn accept_answer(&self, answer: &str) -> Result<(), CallError> {
        let wrong = |why: String| CallError::Description { what: "answer", why };
        let answer = Answer::read(answer, self.wishes(), &self.formats())?;
        let description = RTCSessionDescription::answer(answer.for_webrtc).map_err(|e| wrong(e.to_string()))?;
        // What comes first of the far side must find it agreed.
        let before = self.shared.negotiated.borrow().clone();
        self.agree(answer.negotiated);
        let pc = Arc::clone(&self.pc);
        let take = async move { pc.set_remote_description(description).await.map_err(|e| wrong(e.to_string())) };
        let taken = self.run("using the answer", take).await;
        if taken.is_err() {
            self.shared.negotiated.send_replace(before);
        }
        taken
    }

    fn formats(&self) -> Vec<Format> {
        self.formats.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn agree(&self, negotiated: Negotiated) {
        tracing::debug!(?negotiated, "agreed");
        self.shared.counters.rtx_in.set(&negotiated.far_rtx);
        self.shared.counters.rtx_out.store(negotiated.rtx.map_or(u32::MAX, u32::from), Relaxed);
        self.shared.negotiated.send_replace(Some(negotiated));
    }

    /// Which way video goes, as the two sides have agreed; [`None`] before they have.
    pub fn direction(&self) -> Option<Media> {
        self.shared.negotiated.borrow().as_ref().map(|negotiated| negotiated.direction)
    }

    /// Which way sound goes, as the two sides have agreed; [`None`] before they have.
    pub fn audio_direction(&self) -> Option<Media> {
        let negotiated = self.shared.negotiated.borrow();
        let audio = negotiated.as_ref()?.audio.as_ref();
        Some(audio.map_or(Media::Inactive, |audio| audio.direction))
    }

    /// The profile that may be sent, as the two sides have agreed.
    pub fn profile(&self) -> H264Profile {
        let agreed = self.shared.negotiated.borrow().as_ref().map(|negotiated| negotiated.profile);
        agreed.unwrap_or(H264Profile::ConstrainedBaseline)
    }

    /// The longest NAL unit that may be sent, for a far side that takes each in one packet only (packetization mode
    /// 0); [`None`] for others, which take them in parts.
    pub fn longest_nal_unit(&self) -> Option<u32> {
        let single = self.shared.negotiated.borrow().as_ref().is_some_and(|negotiated| negotiated.single_nal_units);
        single.then_some(MAX_PAYLOAD as u32)
    }

    /// The name of this end's ICE session (`ice-ufrag`), once it has one.
    pub async fn ice_session(&self) -> Option<String> {
        let description = self.pc.local_description().await?;
        IceFragment::ufrag_of(&description.sdp).map(str::to_owned)
    }

    /// What the far side's ICE session is opened with (`ice-ufrag` and `ice-pwd`), once it is known.
    pub async fn far_ice_credentials(&self) -> Option<(String, String)> {
        let description = self.pc.remote_description().await?;
        IceFragment::parse(&description.sdp).ok()?.credentials
    }

    /// More of the far side's candidates (RFC 8838).
    ///
    /// # Errors
    /// When none of them can be read.
    pub async fn add_candidates(&self, fragment: &IceFragment) -> Result<(), CallError> {
        let (pc, candidates) = (Arc::clone(&self.pc), fragment.candidates.clone());
        let add = async move {
            let (mut taken, mut refused) = (0, None);
            for candidate in candidates {
                match pc.add_ice_candidate(RTCIceCandidateInit { candidate, ..Default::default() }).await {
                    Ok(()) => taken += 1,
                    // One of a kind that is not known here does not spoil the others.
                    Err(why) => refused = Some(why.to_string()),
                }
            }
            match refused {
                Some(why) if taken == 0 => Err(CallError::Description { what: "candidates", why }),
                _ => Ok(()),
            }
        };
        self.run("adding candidates", add).await
    }

    /// The far side, which made the offer, begins ICE anew; gives our half of it and the whole of our description.
    ///
    /// # Errors
    /// When no call has been answered, or the fragment cannot be used.
    pub async fn answer_restart(&self, fragment: &IceFragment) -> Result<(IceFragment, String), CallError> {
        let wrong = |why: String| CallError::Description { what: "ICE restart", why };
        let before = self.pc.remote_description().await.ok_or_else(|| wrong("there is no call yet".to_owned()))?;
        let offer = RTCSessionDescription::offer(fragment.put_into(&before.sdp)).map_err(|e| wrong(e.to_string()))?;
        self.shared.gathered.send_replace(false);
        let pc = Arc::clone(&self.pc);
        let restart = async move {
            pc.set_remote_description(offer).await.map_err(|e| wrong(e.to_string()))?;
            let answer = pc.create_answer(None).await.map_err(|e| wrong(e.to_string()))?;
            pc.set_local_description(answer).await.map_err(internal("using the new answer"))
        };
        self.run("beginning ICE anew", restart).await?;
        let description = self.local_description().await?;
        Ok((ours(&description)?, description))
    }

    /// This side, which made the offer, begins ICE anew; gives our half of it and the whole of our description.
    ///
    /// # Errors
    /// When no call has been offered.
    pub async fn offer_restart(&self) -> Result<(IceFragment, String), CallError> {
        self.shared.gathered.send_replace(false);
        let pc = Arc::clone(&self.pc);
        let restart = async move {
            let options = RTCOfferOptions { ice_restart: true };
            let offer = pc.create_offer(Some(options)).await.map_err(internal("making the new offer"))?;
            pc.set_local_description(offer).await.map_err(internal("using the new offer"))
        };
        self.run("beginning ICE anew", restart).await?;
        let description = self.local_description().await?;
        Ok((ours(&description)?, description))
    }

    /// Takes the far side's half of the ICE session that [`offer_restart`](Self::offer_restart) began.
    ///
    /// # Errors
    /// When it cannot be used.
    pub async fn accept_restart(&self, fragment: &IceFragment) -> Result<(), CallError> {
        let wrong = |why: String| CallError::Description { what: "ICE restart", why };
        let before = self.pc.remote_description().await.ok_or_else(|| wrong("there is no call yet".to_owned()))?;
        let answer = RTCSessionDescription::answer(fragment.put_into(&before.sdp)).map_err(|e| wrong(e.to_string()))?;
        let pc = Arc::clone(&self.pc);
        let take = async move { pc.set_remote_description(answer).await.map_err(|e| wrong(e.to_string())) };
        self.run("beginning ICE anew", take).await
    }

    /// Runs a negotiation as its own task: whatever a description does to webrtc stays in there.
    async fn run<T: Send + 'static>(
        &self,
        doing: &'static str,
        work: impl Future<Output = Result<T, CallError>> + Send + 'static,
    ) -> Result<T, CallError> {
        self.runtime.spawn(work).await.unwrap_or_else(|why| Err(crashed(doing, &why)))
    }

    async fn local_description(&self) -> Result<String, CallError> {
        let mut gathered = self.shared.gathered.subscribe();
        for limit in [SERVERS, GATHERING - SERVERS] {
            let done = matches!(tokio::time::timeout(limit, gathered.wait_for(|g| *g)).await, Ok(Ok(_)));
            let description = self.pc.local_description().await.map(|d| d.sdp).unwrap_or_default();
            if description.contains("a=candidate:") {
                if !done {
                    tracing::warn!("an ICE server does not answer: the call goes on without it");
                } else if self.has_relay && !description.contains(" typ relay") {
                    tracing::warn!(
                        "the TURN server gave no relay address: it is not reached, or refuses the user name or password"
                    );
                }
                return Ok(description);
            }
        }
        Err(CallError::NoAddress(GATHERING))
    }

    /// Waits until packets can flow.
    ///
    /// # Errors
    /// When `limit` passes, or the call ends before.
    pub async fn connected(&self, limit: Duration) -> Result<(), CallError> {
        let mut life = self.shared.life.subscribe();
        let waiting = life.wait_for(|life| *life != Life::New);
        match tokio::time::timeout(limit, waiting).await {
            Err(_) => Err(CallError::NotConnected(limit)),
            Ok(Ok(life)) => match &*life {
                Life::Over(reason) => Err(CallError::Ended(*reason)),
                _ => Ok(()),
            },
            Ok(Err(_)) => Err(CallError::Ended(EndReason::ClosedHere)),
        }
    }

    /// Where units to be sent go.
    pub fn sender(&self) -> UnitSender {
        self.sender.clone()
    }

    /// Where packets of sound to be sent go.
    pub fn audio_sender(&self) -> AudioSender {
        self.audio_sender.clone()
    }

    /// The picture is broken: asks the far side for a keyframe, again and again (less and less often)
    /// until one arrives.
    pub fn request_keyframe(&self) {
        self.shared.receiving.keyframe_request.store(true, Relaxed);
        self.shared.receiving.wake.notify_one();
    }

    /// What the network carries as far as is known, in bit/s; changes come as [`PeerEvent::TargetBitrate`].
    pub fn target_bitrate(&self) -> u32 {
        self.shared.counters.target.load(Relaxed)
    }

    /// When anything came from the network, media or keepalive.
    pub fn last_heard(&self) -> Option<Instant> {
        *self.shared.counters.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another bitrate, chosen by the user; [`PeerEvent::TargetBitrate`] follows.
    pub fn set_bitrate(&self, bitrate: u32) {
        self.shared.counters.wish.store(bitrate, Relaxed);
    }

    /// Hangs up and waits until everything has ended; `drop` does the same.
    pub async fn close(&self) {
        if !self.closed.swap(true, Relaxed) {
            shut_down(Arc::clone(&self.pc), Arc::clone(&self.shared), self.track.clone()).await;
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.closed.swap(true, Relaxed) {
            return;
        }
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        let (pc, shared, track) = (Arc::clone(&self.pc), Arc::clone(&self.shared), self.track.clone());
        self.runtime.spawn(async move {
            shut_down(pc, shared, track).await;
            let _ = done.send(());
        });
        // A thread that runs this very runtime must not be blocked by waiting for it.
        let wait = move || {
            let _ = wait.recv_timeout(CLOSING);
        };
        match Handle::try_current().map(|h| h.runtime_flavor()) {
            Err(_) => wait(),
            Ok(RuntimeFlavor::CurrentThread) => {}
            Ok(_) => tokio::task::block_in_place(wait),
        }
    }
}

async fn shut_down(pc: Arc<dyn PeerConnection>, shared: Arc<PeerShared>, track: Option<Arc<TrackLocalStaticRTP>>) {
    shared.sending.open.store(false, Relaxed);
    shared.audio.open.store(false, Relaxed);
    if matches!(*shared.life.borrow(), Life::Connected | Life::Silent) {
        say_goodbye(&shared, track).await;
    }
    shared.end(EndReason::ClosedHere);
    if let Err(why) = pc.close().await {
        tracing::debug!(%why, "closing");
    }
    let tasks = std::mem::take(&mut *shared.tasks.lock().unwrap_or_else(PoisonError::into_inner));
    for task in &tasks {
        task.abort();
    }
    for task in tasks {
        let _ = task.await;
    }
}

/// Tells the far side that we leave (RFC 3550 §6.6). webrtc 0.21 stops before its own alert is sent, and
/// the far side would only notice after twelve seconds of silence.
async fn say_goodbye(shared: &PeerShared, track: Option<Arc<TrackLocalStaticRTP>>) {
    let goodbye = || -> Vec<Box<dyn rtc::rtcp::Packet>> {
        vec![Box::new(Goodbye { sources: vec![shared.ssrc], reason: Bytes::new() })]
    };
    let incoming = shared.incoming.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let leave = async {
        // A few, for some may be lost.
        for _ in 0..3 {
            let written = match (&track, &incoming) {
                (Some(track), _) => track.write_rtcp(goodbye()).await,
                (None, Some(track)) => track.write_rtcp(goodbye()).await,
                (None, None) => return,
            };
            if written.is_err() {
                return;
            }
            shared.counters.said_goodbye.notified().await;
        }
        // What has passed the chain still has to be encrypted and sent.
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    let _ = tokio::time::timeout(GOODBYE, leave).await;
}

/// The ICE half of our own description.
fn ours(description: &str) -> Result<IceFragment, CallError> {
    let no = |why: String| CallError::Internal { doing: "beginning ICE anew", why };
    let fragment = IceFragment::parse(description).map_err(|e| no(e.to_string()))?;
    if fragment.credentials.is_none() {
        return Err(no("the description has no ICE in it".to_owned()));
    }
    Ok(fragment)
}

fn crashed(doing: &'static str, why: &tokio::task::JoinError) -> CallError {
    CallError::Internal { doing, why: format!("webrtc gave up ({why})") }
}
