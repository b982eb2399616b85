//! The page of a call, drawn from fixed data.

use std::{cell::RefCell, collections::BTreeMap, rc::Rc, sync::Arc};

use clearcall::{
    app::{
        compare::{Compare, paint::Pictures, scorer::SideScores, sides::SideChoice, textures::Textures},
        controls::{Action, Controls},
        networks::ModelChoice,
        overlay::Overlay,
        pages::{
            call_page,
            call_view::CallView,
            graphs::{Sample, Scored, Trace},
        },
        sound::{DeviceNames, SoundChoice, SoundControls},
        theme::style,
    },
    frame::{Rgba, Size},
    pipeline::{AudioProcessing, CallState, NetworkOff, RecorderState, SoundSource, SpeakerChoice},
    spotlight::{Chooser, Saliency},
    stats::{AudioStats, Bitrate, Frames, Network, Percentiles, ShownUpscaler, Snapshot, Stage, StageSnapshot},
    upscale::{EngineChoice, EngineKind, Picture},
};
use egui::{Color32, ColorImage, TextureHandle, TextureOptions, Theme};
use egui_kittest::{Harness, HarnessBuilder};

pub(crate) const SIZE: [f32; 2] = [1000.0, 700.0];

pub(crate) fn window<CallState>(theme: Theme) -> HarnessBuilder<CallState> {
    Harness::builder().with_size(SIZE).with_theme(theme).with_context_setup(style::apply).wgpu()
}

/// Numbers as a call has them after some seconds.
pub(crate) fn numbers() -> Snapshot {
    let stage =
        |input, out, p50, p95| StageSnapshot { input, out, dropped: BTreeMap::new(), ms: Percentiles { p50, p95 } };
    let mut stages: BTreeMap<&'static str, StageSnapshot> =
        Stage::ALL.iter().map(|s| (s.name(), stage(1234, 1234, 1.2, 2.3))).collect();
    let mut upscale = stage(1234, 1200, 24.8, 31.0);
    upscale.dropped.insert("a newer frame came", 34);
    stages.insert(Stage::Upscale.name(), upscale);
    Snapshot {
        frames: Frames { sent: 1234, shown: 1200, damaged: 2, bicubic_only: 0, full_size: 0 },
        bitrate_bps: Bitrate { target: 300_000, measured: 297_431.0 },
        age_ms: Percentiles { p50: 84.0, p95: 121.0 },
        engine: Some(EngineKind::Cpu),
        engine_reason: "CPU: the only adapter is a software one".to_owned(),
        model: "small".to_owned(),
        model_reason: "as asked".to_owned(),
        upscaler: Some(ShownUpscaler::Cnn),
        source: "scene".to_owned(),
        size: "480x360".to_owned(),
        sent_size: Some("480x360".to_owned()),
        received_size: Some("480x360".to_owned()),
        qp: Some(31.4),
        direction: Some(clearcall::call::Media::SendRecv),
        gpu_ms: None,
        gpu_passes: Vec::new(),
        network: Network {
            rtt_ms: Some(0.4),
            loss_in: 0.021,
            loss_out: None,
            out_bps: 322_000.0,
            in_bps: 319_000.0,
            packets_out: 5210,
            packets_in: 5101,
            nacks: 12,
            repaired: 11,
            lost: 1,
            plis: 1,
        },
        stages,
        audio: None,
    }
}

pub(crate) fn models() -> Vec<ModelChoice> {
    [("nano", 936), ("small", 2088)]
        .map(|(name, mac_per_pixel)| ModelChoice { name: name.to_owned(), mac_per_pixel, vivid: false })
        .into()
}

pub(crate) fn device_names() -> DeviceNames {
    let names = |names: [&str; 2]| names.map(str::to_owned).to_vec();
    DeviceNames { microphones: names(["Desk", "Headset"]), speakers: names(["Hall", "Headphones"]) }
}

pub(crate) fn sound_choice() -> SoundChoice {
    SoundChoice {
        source: SoundSource::Microphone(None),
        speaker: SpeakerChoice::Default,
        processing: AudioProcessing::default(),
    }
}

pub(crate) fn controls() -> Controls {
    Controls {
        bitrate: 300_000,
        model: 1,
        auto: false,
        cpu_share: 100,
        spare_battery: true,
        engine: EngineChoice::Auto,
        hidden: false,
        sound: None,
        loss: 2.0,
        delay_ms: 40,
        jitter_ms: 0,
        rate_kbit: 0,
        vivid: 0.0,
        size: "480x360".parse().unwrap(),
        fps: 30,
        graphs: false,
        shown: None,
        recording: RecorderState::Off,
        view_recording: RecorderState::Off,
        blind: None,
        outcome: None,
        stats: true,
        compare: Compare::new(1),
        details: Chooser::default(),
        overlay: Overlay::None,
        answer: String::new(),
        answer_error: None,
    }
}

/// Pictures of the same thing that differ as upscalers do: the truth has the sharpest squares, and noise.
pub(crate) fn picture(side: SideChoice) -> Picture {
    let (blur, noise, scale) = match side {
        SideChoice::Low => (1, 0, 1),
        SideChoice::Truth => (0, 9, 2),
        SideChoice::Network(_) => (1, 0, 2),
        _ => (3, 0, 2),
    };
    let size = Size::new(80 * scale, 60 * scale).unwrap();
    let pixels = (0..size.height()).flat_map(|y| (0..size.width()).map(move |x| (x, y)));
    let pixels = pixels.flat_map(|(x, y)| {
        let side = 10 * scale;
        let inside = (x / side + y / side) % 2 == 0;
        let edge = [x % side, y % side].into_iter().any(|v| v < blur || v + blur >= side);
        let grain = (x * 7 + y * 13) % 5 * noise;
        let level = match (inside, edge) {
            (_, true) => 128,
            (true, false) => 200,
            (false, false) => 60,
        } + grain;
        [level as u8, (x * 2 / scale).wrapping_add(40) as u8, (4 * y / scale) as u8, 255]
    });
    Picture::Cpu(Arc::new(Rgba { size, data: pixels.collect() }))
}

/// A head before a wall with a note on it, as large as people are sent, softer or sharper as upscalers do.
pub(crate) fn person(side: SideChoice) -> Picture {
    let (soft, scale) = match side {
        SideChoice::Low => (3.0, 1),
        SideChoice::Truth => (0.7, 2),
        SideChoice::Network(_) => (2.0, 2),
        _ => (6.0, 2),
    };
    let size = Size::new(480 * scale, 360 * scale).unwrap();
    let (width, height) = (size.width() as f32, size.height() as f32);
    // In pixels of the larger size, from the middle; from 0 to 1 over `soft` of them.
    let within = |distance: f32| (0.5 - distance / soft).clamp(0.0, 1.0);
    let stripes = |at: f32, wide: f32| {
        0.5 + 0.5 * (1.0 - soft / wide).clamp(0.1, 1.0) * (at * std::f32::consts::TAU / wide).sin()
    };
    let level = |x: f32, y: f32| {
        let disc = |cx: f32, cy: f32, r: f32, tall: f32| within((x - cx).hypot((y - cy) / tall) - r);
        let mix = |a: f32, b: f32, share: f32| a + (b - a) * share;
        let mut v = 150.0 + 20.0 * y / 360.0;
        v = mix(v, 90.0, disc(0.0, 420.0, 300.0, 0.7));
        v = mix(v, 40.0 + 50.0 * stripes(x + y / 3.0, 9.0), disc(0.0, -60.0, 175.0, 1.1));
        v = mix(v, 205.0, disc(0.0, 30.0, 140.0, 1.25));
        for eye in [-55.0, 55.0] {
            v = mix(v, 240.0, disc(eye, 10.0, 26.0, 0.55));
            v = mix(v, 30.0, disc(eye, 10.0, 11.0, 1.0));
            v = mix(v, 70.0 + 60.0 * stripes(x, 6.0), disc(eye, -22.0, 30.0, 0.2));
        }
        v = mix(v, 130.0, disc(0.0, 110.0, 45.0, 0.25));
        let note = within((x - 330.0).abs() - 80.0) * within((y + 180.0).abs() - 60.0);
        mix(v, 70.0 + 150.0 * stripes(y, 14.0).max(stripes(x, 11.0)), note)
    };
    let rgba = |x: u32, y: u32| {
        let v = level(((x as f32 + 0.5) / width - 0.5) * 960.0, ((y as f32 + 0.5) / height - 0.5) * 720.0);
        [v as u8, (0.92 * v) as u8, (0.84 * v) as u8, 255]
    };
    let pixels = (0..size.height()).flat_map(|y| (0..size.width()).map(move |x| (x, y)));
    Picture::Cpu(Arc::new(Rgba { size, data: pixels.flat_map(|(x, y)| rgba(x, y)).collect() }))
}

pub(crate) fn picture_size() -> Size {
    Size::new(160, 120).unwrap()
}

/// A minute as a call has it: one side better than the other, and a dip in the middle.
fn trace() -> Trace {
    let mut trace = Trace::default();
    for i in 0..600 {
        let at = f64::from(i) / 10.0;
        let dip = if (250..300).contains(&i) { 0.4 } else { 1.0 };
        let wave = (at / 5.0).sin();
        trace.sample(Sample {
            at,
            fps: 30.0 * dip,
            received: 3e5 * dip,
            target: 3e5,
            age: 90.0 / dip,
            rtt: 12.0,
            loss: 2.0 - 2.0 * dip,
        });
        if i % 5 == 0 {
            let scores = |more: f64| SideScores {
                psnr_y: 31.0 + more + wave,
                ssim: 0.9 + more / 50.0,
                ssimulacra2: Some(55.0 + 4.0 * more),
            };
            let sides = [(SideChoice::Bicubic, 0.0), (SideChoice::Network(0), 0.4), (SideChoice::Network(1), 0.7)];
            let sides = sides.map(|(side, more)| (side, scores(more))).into();
            trace.score(Scored { at, sides, uncoded: Some(35.0) });
        }
    }
    trace
}

pub(crate) struct Page {
    pub(crate) state: CallState,
    pub(crate) notices: Vec<String>,
    pub(crate) controls: Controls,
    pub(crate) trace: Trace,
    pub(crate) truth: bool,
    pub(crate) seen_for: f64,
    pub(crate) off: Option<NetworkOff>,
    pub(crate) why: &'static str,
    /// The sound's numbers, in a call with sound.
    pub(crate) audio: Option<AudioStats>,
    pub(crate) sides: Vec<(SideChoice, Picture)>,
    /// The size of the upscaled ones.
    pub(crate) size: Size,
    pictures: Option<Pictures>,
    own: Option<TextureHandle>,
    pub(crate) actions: Rc<RefCell<Vec<Action>>>,
}

#[allow(dead_code)] // each test that shares this file opens it in its own way
impl Page {
    pub(crate) fn new(state: CallState) -> Self {
        let all = SideChoice::all(models().len()).map(|side| (side, picture(side)));
        Self {
            sides: if matches!(state, CallState::Connected { .. }) { all.collect() } else { Vec::new() },
            state,
            notices: Vec::new(),
            trace: trace(),
            truth: true,
            seen_for: 60.0,
            off: None,
            why: "as asked",
            audio: None,
            controls: controls(),
            size: picture_size(),
            pictures: None,
            own: None,
            actions: Rc::default(),
        }
    }

    pub(crate) fn connected() -> Self {
        Self::new(CallState::Connected { with: "127.0.0.1:50123".to_owned() })
    }

    /// The same with sound: one is heard, the other side more softly.
    pub(crate) fn with_sound(mut self) -> Self {
        self.controls.sound = Some(SoundControls { muted: false, sends: true, choice: sound_choice() });
        let audio = AudioStats {
            source: "Desk".to_owned(),
            loss_in: 0.005,
            concealed: 0.012,
            jitter_ms: Some(2.1),
            delay_ms: Some(61.0),
            drift_ppm: Some(-8.0),
            lip_sync_ms: Some(12.0),
            level_out_dbfs: -15.0,
            level_in_dbfs: -30.0,
            ..AudioStats::default()
        };
        Self { audio: Some(audio), ..self }
    }

    /// The same with pictures of a person, of a usual size.
    pub(crate) fn with_person(mut self) -> Self {
        for (side, picture) in &mut self.sides {
            *picture = person(*side);
        }
        Self { size: Size::new(960, 720).unwrap(), ..self }
    }

    fn show(&mut self, ui: &mut egui::Ui) {
        let own = self.own.get_or_insert_with(|| {
            let grey = ColorImage::filled([16, 12], Color32::from_rgb(70, 90, 120));
            ui.ctx().load_texture("own", grey, TextureOptions::LINEAR)
        });
        let own = (own.id(), picture_size());
        let mut stats = numbers();
        self.why.clone_into(&mut stats.model_reason);
        stats.audio.clone_from(&self.audio);
        let loopback = !matches!(self.state, CallState::Offered { .. } | CallState::Waiting { .. });
        let view = CallView {
            title: if loopback { "Loopback call" } else { "Call" },
            loopback,
            state: &self.state,
            pictures: self.pictures.as_ref(),
            self_view: self.pictures.is_some().then_some(own),
            stats: &stats,
            fps: 29.7,
            models: &models(),
            devices: Some(&device_names()),
            off: self.off,
            notices: &self.notices,
            trace: &self.trace,
            age_ms: 84.0,
            again: true,
            truth: loopback && self.truth,
            seen_for: self.seen_for,
        };
        let actions = call_page::show(ui, &view, &mut self.controls);
        self.actions.borrow_mut().extend(actions);
    }

    pub(crate) fn open(self, theme: Theme) -> Harness<'static, Self> {
        self.open_at(theme, SIZE)
    }

    pub(crate) fn open_at(self, theme: Theme, size: [f32; 2]) -> Harness<'static, Self> {
        self.open_in(window(theme).with_size(size))
    }

    /// With two pixels for a point each way.
    pub(crate) fn open_large(self, theme: Theme, size: [f32; 2]) -> Harness<'static, Self> {
        self.open_in(window(theme).with_size(size).with_pixels_per_point(2.0))
    }

    fn open_in(mut self, builder: HarnessBuilder<Self>) -> Harness<'static, Self> {
        let mut harness = builder.build_eframe(|cc| {
            let mut textures = Textures::new(cc.wgpu_render_state.clone());
            if !self.sides.is_empty() {
                let bytes = |side: SideChoice| {
                    self.sides.iter().find(|(s, _)| *s == side).and_then(|(_, picture)| picture.to_rgba().ok())
                };
                let [a, b] = [self.controls.compare.a, self.controls.compare.b];
                if let Some((a, b)) = bytes(a).zip(bytes(b)) {
                    self.controls.details.see(Saliency::of(&a, &b));
                }
                let there: Vec<_> = self.sides.iter().map(|(side, picture)| (*side, picture)).collect();
                self.pictures = textures.pictures(&there, self.size, false);
            }
            self
        });
        harness.run();
        harness
    }
}

impl eframe::App for Page {
    fn ui(&mut self, ui: &mut egui::Ui, _: &mut eframe::Frame) {
        self.show(ui);
    }
}
