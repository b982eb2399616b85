//! Signalling as two machines use it: the happy path, and everything that a user can get wrong.

mod call_support;

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use call_support::{PATIENCE, unit, wait_for, wait_unit};
use clearcall::call::signal::{
    CallHandler, Host, IncomingCall, Refusal, SdpType, SignalError, from_line, join, to_line,
};
use clearcall::call::{EndReason, Media, Peer, PeerConfig, PeerEvent, media_addresses};
use tokio::runtime::Handle;
use tokio::sync::mpsc;

/// The called side: a fresh peer for each call.
struct Desk {
    events: mpsc::Sender<PeerEvent>,
    peer: Mutex<Option<Peer>>,
    /// The name of its call.
    id: Mutex<Option<String>>,
    hung_up: mpsc::Sender<()>,
}

#[async_trait::async_trait]
impl CallHandler for Desk {
    async fn answer(&self, call: IncomingCall) -> Result<String, Refusal> {
        let same_caller = call.resumes.is_some() && call.resumes == *self.id.lock().unwrap();
        if self.peer.lock().unwrap().is_some() && !same_caller {
            return Err(Refusal::Busy("another call is going on"));
        }
        let peer = Peer::new(PeerConfig::default(), &Handle::current(), self.events.clone()).await?;
        let answer = peer.answer(&call.offer).await?;
        *self.id.lock().unwrap() = Some(call.id);
        *self.peer.lock().unwrap() = Some(peer);
        Ok(answer)
    }

    async fn hung_up(&self, id: &str) -> bool {
        if self.id.lock().unwrap().as_deref() != Some(id) {
            return false;
        }
        let peer = self.peer.lock().unwrap().take();
        let known = peer.is_some();
        if let Some(peer) = peer {
            peer.close().await;
            let _ = self.hung_up.send(()).await;
        }
        known
    }
}

struct Called {
    host: Host,
    desk: Arc<Desk>,
    events: mpsc::Receiver<PeerEvent>,
    hung_up: mpsc::Receiver<()>,
}

async fn called() -> Called {
    let (events, received) = mpsc::channel(256);
    let (hang_up, hung_up) = mpsc::channel(4);
    let desk = Arc::new(Desk { events, peer: Mutex::default(), id: Mutex::default(), hung_up: hang_up });
    let host = Host::start("127.0.0.1:0".parse().unwrap(), Arc::clone(&desk) as Arc<dyn CallHandler>).await.unwrap();
    Called { host, desk, events: received, hung_up }
}

async fn caller() -> (Peer, mpsc::Receiver<PeerEvent>) {
    let (events, received) = mpsc::channel(256);
    let config = PeerConfig { bind: media_addresses("127.0.0.1:1".parse().unwrap()), ..PeerConfig::default() };
    (Peer::new(config, &Handle::current(), events).await.unwrap(), received)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_by_link_works_both_ways_and_ends_by_hanging_up() {
    let mut called = called().await;
    let (peer, mut events) = caller().await;
    let joined = join(&called.host.url(), &peer.offer().await.unwrap(), None).await.unwrap();
    peer.accept_answer(&joined.answer).await.unwrap();
    for events in [&mut events, &mut called.events] {
        wait_for(events, "wish for a first keyframe", |e| call_support::is_keyframe_wanted(&e)).await;
    }
    peer.sender().send(unit(1, true, 2000)).unwrap();
    assert_eq!(wait_unit(&mut called.events).await.data, unit(1, true, 2000).data);
    let back = called.desk.peer.lock().unwrap().as_ref().map(Peer::sender).unwrap();
    back.send(unit(2, true, 2000)).unwrap();
    assert_eq!(wait_unit(&mut events).await.data, unit(2, true, 2000).data);

    // One call at a time.
    let (second, _second_events) = caller().await;
    let offer = second.offer().await.unwrap();
    let busy = join(&called.host.url(), &offer, None).await.unwrap_err();
    assert!(matches!(&busy, SignalError::Busy { why, .. } if why.contains("another call")), "{busy}");

    // A caller that has lost its connection is not another one.
    let (again, _again_events) = caller().await;
    let offered = again.offer().await.unwrap();
    let resumed = join(&called.host.url(), &offered, Some(&joined.session)).await.unwrap();
    // What it had is not the call any more.
    joined.session.leave().await.unwrap();
    assert!(called.hung_up.try_recv().is_err());

    resumed.session.clone().leave().await.unwrap();
    called.hung_up.recv().await.unwrap();
    let why = wait_for(&mut events, "end of the call", |e| match e {
        PeerEvent::Ended(reason) => Some(reason),
        _ => None,
    })
    .await;
    assert_eq!(why, EndReason::HungUp);
    // Leaving twice does no harm, and the next call is taken.
    resumed.session.leave().await.unwrap();
    join(&called.host.url(), &offer, None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_by_copy_and_paste_works() {
    let (a, mut a_events) = caller().await;
    let (b, _b_events) = caller().await;
    let offer = to_line(SdpType::Offer, &a.offer().await.unwrap()).unwrap();
    let answer = b.answer(&from_line(SdpType::Offer, &offer).unwrap()).await.unwrap();
    let answer = to_line(SdpType::Answer, &answer).unwrap();
    println!("lines of {} and {} characters", offer.len(), answer.len());
    assert!(from_line(SdpType::Answer, &offer).unwrap_err().to_string().contains("this is an offer"));
    a.accept_answer(&from_line(SdpType::Answer, &answer).unwrap()).await.unwrap();
    wait_for(&mut a_events, "connection", |e| matches!(e, PeerEvent::Connected { .. }).then_some(())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_or_missing_token_is_refused() {
    let called = called().await;
    let url = called.host.url();
    let wrong = url.replace(called.host.token(), "wrong");
    assert!(called.host.token().len() >= 22, "at least 128 bits");
    let error = join(&wrong, "v=0\r\nm=video", None).await.unwrap_err();
    assert!(matches!(error, SignalError::WrongToken { .. }), "{error}");
    let bare = raw(called.host.address(), "POST /whip HTTP/1.1\r\nhost: x\r\ncontent-type: application/sdp\r\ncontent-length: 3\r\nconnection: close\r\n\r\nv=0").await;
    assert!(bare.starts_with("HTTP/1.1 401") && bare.contains("token is missing or wrong"), "{bare}");
    let end = raw(called.host.address(), "DELETE /whip/x HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(end.starts_with("HTTP/1.1 401"), "{end}");
    assert!(called.desk.peer.lock().unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_is_refused_and_the_next_call_is_taken() {
    let called = called().await;
    for offer in ["", "garbage", "v=0\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=rtpmap:96 VP8/90000\r\n"] {
        let error = join(&called.host.url(), offer, None).await.unwrap_err();
        assert!(matches!(&error, SignalError::Refused { .. }), "{offer}: {error}");
    }
    let huge = "v=0\r\n".repeat(20_000);
    let error = join(&called.host.url(), &huge, None).await.unwrap_err();
    assert!(!matches!(error, SignalError::Busy { .. }), "{error}");
    let token = called.host.token();
    let plain = raw(
        called.host.address(),
        &format!("POST /whip?token={token} HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 3\r\nconnection: close\r\n\r\nv=0"),
    )
    .await;
    assert!(plain.starts_with("HTTP/1.1 415"), "{plain}");
    let preflight = raw(
        called.host.address(),
        "OPTIONS /whip HTTP/1.1\r\nhost: x\r\norigin: http://page\r\nconnection: close\r\n\r\n",
    )
    .await;
    assert!(
        preflight.starts_with("HTTP/1.1 204") && preflight.contains("access-control-allow-origin: *"),
        "{preflight}"
    );
    let (peer, _events) = caller().await;
    join(&called.host.url(), &peer.offer().await.unwrap(), None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named() {
    let called = called().await;
    let error = Host::start(called.host.address(), Arc::clone(&called.desk) as Arc<dyn CallHandler>).await.unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains(&called.host.address().to_string()) && text.contains("in use") && text.contains("--listen"),
        "{text}"
    );
    // Dropping a host gives its port back.
    let address = called.host.address();
    drop(called);
    let begun = std::time::Instant::now();
    while TcpListener::bind(address).is_err() {
        assert!(begun.elapsed() < PATIENCE);
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_a_host_is_found_out() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let link = |address: SocketAddr| format!("http://{address}/whip?token=x");
    let error = join(&link(address), "v=0", None).await.unwrap_err();
    assert!(matches!(error, SignalError::NobodyThere { .. }), "{error}");
    for answer in [
        "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 201 Created\r\ncontent-type: text/html\r\ncontent-length: 5\r\n\r\nhello",
        "HTTP/1.1 302 Found\r\nlocation: http://192.0.2.1/\r\ncontent-length: 0\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serve = tokio::task::spawn_blocking(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer);
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let error = join(&link(address), "v=0", None).await.unwrap_err();
        assert!(matches!(error, SignalError::NotClearcall { .. }), "{answer:?}: {error:?}");
        serve.await.unwrap();
    }
    assert!(matches!(join("not a link", "v=0", None).await, Err(SignalError::Link { .. })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browsers_offer_gets_its_h264_and_nothing_else() {
    for media in [Media::RecvOnly, Media::SendRecv] {
        let (events, _received) = mpsc::channel(16);
        let peer = Peer::new(PeerConfig::new(media, 300_000), &Handle::current(), events).await.unwrap();
        let answer = peer.answer(&browser_offer()).await.unwrap();
        let sections: Vec<&str> = answer.split("\r\nm=").skip(1).collect();
        assert!(
            sections[0].starts_with("audio 9 ") && sections[0].contains("a=inactive"),
            "audio is not used: {answer}"
        );
        let video = sections[1];
        // Payload types of the offer: 109 is constrained baseline in mode 1, 114 repeats it.
        assert!(video.starts_with("video 9 UDP/TLS/RTP/SAVPF "), "{video}");
        assert!(video.contains("a=rtpmap:109 H264/90000") && video.contains("profile-level-id=42e01f"), "{video}");
        assert!(video.contains("a=rtpmap:114 rtx/90000"), "{video}");
        assert!(!video.contains("VP8") && !video.contains("packetization-mode=0"), "{video}");
        assert!(video.contains("a=candidate:") && video.contains("127.0.0.1"), "{answer}");
        assert!(video.contains("a=recvonly"), "{media:?}: {video}");
        assert!(video.contains("a=rtcp-fb:109 nack pli") && video.contains("a=rtcp-fb:109 transport-cc"), "{video}");
    }
}

/// Sends bytes, gives back everything that comes.
async fn raw(to: SocketAddr, request: &str) -> String {
    let request = request.to_owned();
    let exchange = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(to).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    });
    exchange.await.unwrap()
}

/// What a Chromium that sends its camera and microphone offers, shortened to what matters here.
fn browser_offer() -> String {
    let mut sdp: Vec<String> = [
        "v=0",
        "o=- 4611731400430051336 2 IN IP4 127.0.0.1",
        "s=-",
        "t=0 0",
        "a=group:BUNDLE 0 1",
        "a=extmap-allow-mixed",
        "a=msid-semantic: WMS stream",
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 63 9 0 8 13 110 126",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "@transport",
        "a=mid:0",
        "a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=sendonly",
        "a=msid:stream audio",
        "a=rtcp-mux",
        "a=rtpmap:111 opus/48000/2",
        "a=rtcp-fb:111 transport-cc",
        "a=fmtp:111 minptime=10;useinbandfec=1",
        "a=rtpmap:63 red/48000/2",
        "a=fmtp:63 111/111",
        "a=rtpmap:9 G722/8000",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:8 PCMA/8000",
        "a=rtpmap:13 CN/8000",
        "a=rtpmap:110 telephone-event/48000",
        "a=rtpmap:126 telephone-event/8000",
        "a=ssrc:1111 cname:c",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97 103 104 107 108 109 114 115 116 45 46 118",
        "c=IN IP4 0.0.0.0",
        "a=rtcp:9 IN IP4 0.0.0.0",
        "@transport",
        "a=mid:1",
        "a=extmap:14 urn:ietf:params:rtp-hdrext:toffset",
        "a=extmap:2 http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
        "a=extmap:13 urn:3gpp:video-orientation",
        "a=extmap:3 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=extmap:10 urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
        "a=extmap:11 urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
        "a=sendonly",
        "a=msid:stream video",
        "a=rtcp-mux",
        "a=rtcp-rsize",
    ]
    .map(str::to_owned)
    .into();
    let h264 = "level-asymmetry-allowed=1;packetization-mode";
    for (pt, name, fmtp) in [
        (96, "VP8", String::new()),
        (97, "rtx", "apt=96".into()),
        (103, "H264", format!("{h264}=1;profile-level-id=42001f")),
        (104, "rtx", "apt=103".into()),
        (107, "H264", format!("{h264}=0;profile-level-id=42001f")),
        (108, "rtx", "apt=107".into()),
        (109, "H264", format!("{h264}=1;profile-level-id=42e01f")),
        (114, "rtx", "apt=109".into()),
        (115, "H264", format!("{h264}=0;profile-level-id=42e01f")),
        (116, "rtx", "apt=115".into()),
        (45, "AV1", "level-idx=5;profile=0;tier=0".into()),
        (46, "rtx", "apt=45".into()),
        (118, "ulpfec", String::new()),
    ] {
        sdp.push(format!("a=rtpmap:{pt} {name}/90000"));
        if !matches!(name, "rtx" | "ulpfec") {
            for feedback in ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"] {
                sdp.push(format!("a=rtcp-fb:{pt} {feedback}"));
            }
        }
        if !fmtp.is_empty() {
            sdp.push(format!("a=fmtp:{pt} {fmtp}"));
        }
    }
    sdp.push("a=ssrc-group:FID 2222 3333".into());
    for ssrc in [2222, 3333] {
        sdp.push(format!("a=ssrc:{ssrc} cname:c"));
        sdp.push(format!("a=ssrc:{ssrc} msid:stream video"));
    }
    let fingerprint = (0..32).map(|i| format!("{:02X}", i * 7)).collect::<Vec<_>>().join(":");
    let transport = format!(
        "a=candidate:1 1 udp 2113937151 127.0.0.1 9 typ host generation 0\r\na=ice-ufrag:Yh8r\r\n\
         a=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=ice-options:trickle\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass"
    );
    sdp.join("\r\n").replace("@transport", &transport) + "\r\n"
}
