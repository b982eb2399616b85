//! What is wanted of a call, as one value, and how its two sides find each other.

use std::{net::SocketAddr, path::Path, sync::Arc};

use super::{AudioSettings, Auto, SizeChoice};
use crate::{
    call::{
        IceServer, Impairment,
        signal::{Bearer, ServerIdentity},
    },
    frame::Size,
    model::{self, Model},
    source::{self, SourceSpec},
    upscale::EngineChoice,
};

/// What is sent and how what arrives is shown. A session has one such value; whatever runs reads it, so that a
/// new connection is given the whole of it and every change reaches all.
#[derive(Debug, Clone)]
pub struct CallSettings {
    /// Where the pictures come from. It is opened once, so a change has no effect on a running call.
    pub source: SourceSpec,
    /// How large pictures are sent; none is [`SizeChoice::usual`].
    pub size: Option<SizeChoice>,
    /// Frames a second, at most.
    pub fps: f32,
    /// Bits a second that the encoder holds, unless the network carries less.
    pub bitrate: u32,
    /// Black is sent instead of the source.
    pub muted: bool,
    /// The network of the right-hand picture.
    pub model: Arc<Model>,
    /// The program chooses the network by what the machine can do; `model` is then only what it begins with.
    pub auto: Option<Auto>,
    /// Where it runs.
    pub engine: EngineChoice,
    /// The sound.
    pub audio: AudioSettings,
    /// What is done to the packets that are sent; may be changed while the call runs.
    pub impairment: Arc<Impairment>,
    /// What arrives is recorded into this MP4. Each `Arc` is a recording of its own, even of the same path.
    pub recording: Option<Arc<Path>>,
    /// How the other side is reached.
    pub network: NetworkSettings,
}

/// How the other side is reached, and reaches this one.
#[derive(Debug, Clone, Default)]
pub struct NetworkSettings {
    /// Servers that help to find a way. A host names them to its callers.
    pub ice_servers: Vec<IceServer>,
    /// What a server that is joined or watched asks for, if the link does not say it.
    pub bearer: Option<Bearer>,
    /// With it a host speaks https.
    pub identity: Option<ServerIdentity>,
}

impl CallSettings {
    /// How large pictures are sent in such a call.
    pub fn size_in(&self, signaling: &Signaling) -> SizeChoice {
        self.size.unwrap_or_else(|| SizeChoice::usual(signaling))
    }

    /// What to ask the source for. The scene is drawn as it is for a call with oneself, whose truth is known: at the
    /// size that the pictures are upscaled to.
    pub(super) fn source_wish(&self, signaling: &Signaling) -> source::Wish {
        let size = match (self.size_in(signaling), signaling, &self.source) {
            (SizeChoice::Auto, ..) => Size::HD,
            (SizeChoice::Within(size), Signaling::Loopback, SourceSpec::Scene) => {
                let twice = size.times(model::SCALE).ok().filter(|s| s.width() <= 2560 && s.height() <= 1600);
                twice.unwrap_or(size)
            }
            (SizeChoice::Within(size), ..) => size,
        };
        source::Wish { size, fps: self.fps }
    }
}

/// How the two sides find each other.
#[derive(Debug, Clone)]
pub enum Signaling {
    /// Both sides in this process, over UDP on 127.0.0.1.
    Loopback,
    /// Wait for the other side at an HTTP endpoint.
    Host {
        /// Where to listen.
        listen: SocketAddr,
    },
    /// Go to the endpoint that the other side printed.
    Join {
        /// Its link, token included.
        url: String,
    },
    /// Look at what a server has (WHEP), and send nothing.
    Watch {
        /// Its endpoint.
        url: String,
    },
    /// Make an offer line for the other side and wait for its answer line.
    Offer,
    /// Answer an offer line.
    Answer {
        /// The line.
        offer: String,
    },
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A small call of the built-in scene.
    pub(in crate::pipeline) fn settings() -> CallSettings {
        CallSettings {
            source: SourceSpec::Scene,
            size: Some(SizeChoice::Within(Size::new(96, 64).unwrap())),
            fps: 30.0,
            bitrate: 100_000,
            muted: false,
            model: Arc::new(Model::untrained(4, 0, 7).unwrap()),
            auto: None,
            engine: EngineChoice::Cpu,
            audio: AudioSettings::default(),
            impairment: Arc::new(Impairment::new(7)),
            recording: None,
            network: NetworkSettings::default(),
        }
    }

    #[test]
    fn the_scene_is_drawn_as_large_as_it_is_shown_where_its_truth_is_known() {
        let wish = |signaling| settings().source_wish(&signaling).size.to_string();
        assert_eq!(wish(Signaling::Loopback), "192x128");
        assert_eq!(wish(Signaling::Offer), "96x64");
        let unsaid = |signaling| CallSettings { size: None, ..settings() }.source_wish(&signaling).size.to_string();
        assert_eq!((unsaid(Signaling::Loopback), unsaid(Signaling::Offer)), ("960x720".into(), "1280x720".into()));
    }
}
