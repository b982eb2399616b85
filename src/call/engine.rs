//! How webrtc is set up: codecs, interceptors, timers.

use std::sync::Arc;
use std::time::Duration;

use rtc::ice::mdns::MulticastDnsMode;
use rtc::interceptor::{
    CongestionControlBuilder, NackGeneratorBuilder, NackResponderBuilder, Registry, Slot, TwccReceiverBuilder,
    TwccSenderBuilder,
};
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_nack, configure_rtcp_reports, configure_simulcast_extension_headers, configure_twcc,
};
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_H264, MIME_TYPE_RTX, MediaEngine};
use rtc::peer_connection::configuration::setting_engine::SettingEngineBuilder;
use rtc::peer_connection::configuration::{RTCConfiguration, RTCConfigurationBuilder, RTCIceServer};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
    RTCRtpRtxParameters, RtpCodecKind,
};
use rtc::shared::error::Result;
use webrtc::peer_connection::SettingEngine;

use super::IceServer;
use super::audio::AudioTap;
use super::description::{canonical, own_formats};
use super::rate::Bounds;
use super::stats_interceptor::{Counters, Estimator, StatsInterceptor};
use crate::codec::H264Profile;

/// A place in the chain next to the wire, below all of webrtc's own.
const TAP: usize = 500;

fn h264(profile: H264Profile) -> RTCRtpCodec {
    let feedback = |typ: &str, parameter: &str| RTCPFeedback { typ: typ.into(), parameter: parameter.into() };
    RTCRtpCodec {
        mime_type: MIME_TYPE_H264.into(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: canonical(profile),
        rtcp_feedback: vec![
            feedback("nack", ""),
            feedback("nack", "pli"),
            feedback("ccm", "fir"),
            feedback("transport-cc", ""),
        ],
    }
}

/// The codecs: H.264 in the profiles that are offered, and retransmissions, nothing else.
pub(super) fn media_engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    for format in own_formats() {
        let rtx = RTCRtpCodec {
            mime_type: MIME_TYPE_RTX.into(),
            clock_rate: 90_000,
            channels: 0,
            sdp_fmtp_line: format!("apt={}", format.payload_type),
            rtcp_feedback: vec![],
        };
        let codecs = [(h264(format.profile), Some(format.payload_type)), (rtx, format.rtx)];
        for (rtp_codec, payload_type) in codecs.into_iter().filter_map(|(codec, t)| Some((codec, t?))) {
            engine.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, RtpCodecKind::Video)?;
        }
    }
    Ok(engine)
}

/// NACK, reports, TWCC both ways, our rate control and our stats_interceptor. There is no pacer here: the sending task
/// spaces packets itself.
pub(super) fn interceptors(
    engine: &mut MediaEngine,
    bounds: Bounds,
    counters: &Arc<Counters>,
    video_ssrc: u32,
    audio: AudioTap,
) -> Result<Registry> {
    let registry = configure_nack(Registry::new(), engine);
    configure_simulcast_extension_headers(engine)?;
    let registry = configure_twcc(registry, engine)?;
    let registry = configure_rtcp_reports(registry);
    let generator = NackGeneratorBuilder::new().with_size(1024).with_interval(Duration::from_millis(20)).build();
    let estimator = Estimator::new(bounds, Arc::clone(counters));
    // What stands at a slot is replaced.
    Ok(registry
        .with(Slot::NackGenerator, generator)
        .with(Slot::NackResponder, NackResponderBuilder::new().with_size(1024).build())
        .with(Slot::TwccSender, TwccSenderBuilder::new().build())
        .with(Slot::TwccReceiver, TwccReceiverBuilder::new().with_interval(Duration::from_millis(100)).build())
        .with(Slot::CongestionControl, CongestionControlBuilder::new(estimator).build())
        .with(Slot::from(TAP), StatsInterceptor::new(Arc::clone(counters), video_ssrc, audio)))
}

/// Without a sign of life for so long a connection is silent.
pub(super) const SILENT: Duration = Duration::from_secs(5);

/// Timers and windows. A connection that is silent may come back until the limit.
pub(super) fn settings(unreachable_limit: Duration) -> SettingEngine {
    SettingEngineBuilder::new()
        // Retransmissions and reordering need more than the default 64.
        .with_srtp_replay_protection_window(1024)
        .with_srtcp_replay_protection_window(1024)
        .with_multicast_dns_mode(MulticastDnsMode::Disabled)
        .with_ice_timeouts(Some(SILENT), Some(unreachable_limit.saturating_sub(SILENT)), Some(Duration::from_secs(1)))
        .build()
}

/// The servers that help to find a way.
pub(super) fn configuration(servers: &[IceServer]) -> RTCConfiguration {
    let server = |server: &IceServer| {
        let (username, credential) = server.credentials();
        RTCIceServer { urls: vec![server.url()], username: username.to_owned(), credential: credential.to_owned() }
    };
    RTCConfigurationBuilder::new().with_ice_servers(servers.iter().map(server).collect()).build()
}

/// The track that we send.
pub(super) fn track(ssrc: u32, rtx_ssrc: u32) -> MediaStreamTrack {
    let coding = RTCRtpCodingParameters {
        ssrc: Some(ssrc),
        rtx: Some(RTCRtpRtxParameters { ssrc: rtx_ssrc }),
        ..Default::default()
    };
    MediaStreamTrack::new(
        "clearcall".into(),
        "video".into(),
        "video".into(),
        RtpCodecKind::Video,
        vec![RTCRtpEncodingParameters {
            rtp_coding_parameters: coding,
            codec: h264(H264Profile::default()),
            ..Default::default()
        }],
    )
}
