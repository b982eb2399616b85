use super::*;
use crate::upscale::PassTime;

#[test]
fn percentiles_are_nearest_rank() {
    let mut r = Recent::default();
    assert_eq!(r.percentiles(), Percentiles::default());
    (1..=100).for_each(|v| r.push(f64::from(v)));
    assert_eq!(r.percentiles(), Percentiles { p50: 50.0, p95: 95.0 });
    (0..WINDOW).for_each(|_| r.push(7.0));
    assert_eq!(r.percentiles(), Percentiles { p50: 7.0, p95: 7.0 }, "old values are forgotten");
}

#[test]
fn the_bitrate_is_bytes_over_the_time_they_were_for() {
    let (stats, start) = (Stats::default(), Instant::now());
    for n in 0..30_u32 {
        stats.sent(1250, start + Duration::from_secs(1) * n / 30);
        stats.output(Stage::Send, Duration::ZERO);
    }
    let measured = stats.snapshot().bitrate_bps.measured;
    assert!((measured - 300_000.0).abs() < 1.0, "{measured}");
}

fn gpu_time(passes: &[(&str, u64)]) -> GpuTime {
    let pass = |&(name, ms): &(&str, u64)| PassTime { name: name.into(), time: Duration::from_millis(ms) };
    let passes: Arc<[_]> = passes.iter().map(pass).collect();
    GpuTime { total: passes.iter().map(|p| p.time).sum(), passes }
}

#[test]
fn passes_are_those_of_the_network_that_runs() {
    let stats = Stats::default();
    assert_eq!((stats.snapshot().gpu_ms, stats.snapshot().gpu_passes), (None, Vec::new()));
    stats.gpu_time(&gpu_time(&[("layer 1", 3), ("pictures", 1)]));
    stats.gpu_time(&gpu_time(&[("layer 1", 5), ("pictures", 1)]));
    let now = stats.snapshot();
    assert_eq!(now.gpu_ms, Some(Percentiles { p50: 4.0, p95: 6.0 }));
    let passes: Vec<_> = now.gpu_passes.iter().map(|p| (&*p.name, p.ms.p95)).collect();
    assert_eq!(passes, [("layer 1", 5.0), ("pictures", 1.0)]);
    stats.gpu_time(&gpu_time(&[("pictures", 2)]));
    let passes: Vec<_> = stats.snapshot().gpu_passes.iter().map(|p| (p.name.to_string(), p.ms.p50)).collect();
    assert_eq!(passes, [("pictures".to_owned(), 2.0)]);
}

#[test]
fn the_upscaler_is_what_was_really_shown() {
    let stats = Stats::default();
    let show = |upscaler| {
        stats.shown(Duration::from_millis(80), upscaler);
        stats.output(Stage::Show, Duration::from_millis(3));
    };
    let said = || {
        let json = serde_json::to_value(stats.snapshot()).unwrap();
        (json["upscaler"].clone(), json["frames"]["bicubic_only"].clone())
    };
    assert_eq!(said(), (serde_json::Value::Null, 0.into()));
    show(ShownUpscaler::Bicubic);
    assert_eq!(said(), ("bicubic".into(), 1.into()));
    show(ShownUpscaler::Cnn);
    assert_eq!(said(), ("mixed".into(), 1.into()));
    for (one, name) in [(ShownUpscaler::Cnn, "cnn"), (ShownUpscaler::None, "none")] {
        let only = Stats::default();
        only.shown(Duration::from_millis(80), one);
        only.output(Stage::Show, Duration::from_millis(3));
        let json = serde_json::to_value(only.snapshot()).unwrap();
        assert_eq!(
            (&json["upscaler"], &json["frames"]["full_size"]),
            (&name.into(), &u64::from(name == "none").into())
        );
    }
}

#[test]
fn the_report_has_the_documented_names() {
    let stats = Stats::default();
    stats.input(Stage::Decode);
    stats.dropped(Stage::Decode, "nothing decodable yet");
    stats.gpu_time(&gpu_time(&[("layer 1", 3), ("pictures", 1)]));
    let json = serde_json::to_value(stats.snapshot()).unwrap();
    for path in [
        "/frames/sent",
        "/frames/shown",
        "/frames/bicubic_only",
        "/frames/full_size",
        "/bitrate_bps/target",
        "/bitrate_bps/measured",
        "/age_ms/p50",
        "/age_ms/p95",
        "/engine",
        "/model",
        "/model_reason",
        "/upscaler",
        "/gpu_ms",
        "/gpu_passes/0/name",
        "/gpu_passes/1/p95",
        "/stages/decode/in",
        "/stages/decode/ms/p95",
    ] {
        assert!(json.pointer(path).is_some(), "{path} is missing in {json}");
    }
    let documented = include_str!("../../docs/json.md");
    let (_, documented) = documented.split_once("## `call --report`").unwrap();
    let (documented, _) = documented.split_once("\n## ").unwrap();
    let fields = json.as_object().unwrap().keys().chain(json["network"].as_object().unwrap().keys());
    for field in fields {
        assert!(documented.contains(&format!("`{field}`")), "{field} is not in docs/json.md");
    }
}

#[test]
fn sizes_are_told_apart_and_the_received_one_is_judged() {
    let stats = Stats::default();
    let size = |text: &str| text.parse().unwrap();
    stats.received_size(size("160x120"));
    stats.sent_size(size("240x180"));
    // Whoever writes last.
    for _ in 0..2 {
        let now = stats.snapshot();
        assert_eq!((now.sent_size.as_deref(), now.received_size.as_deref()), (Some("240x180"), Some("160x120")));
        assert_eq!(now.size, "160x120");
        stats.received_size(size("160x120"));
    }
}

#[test]
fn counts_go_on_when_a_connection_is_followed_by_another() {
    let stats = Stats::default();
    let counted = |packets_in| Network { packets_in, plis: 1, rtt_ms: Some(7.0), ..Network::default() };
    stats.network(NetworkSide::Both, counted(100));
    stats.connection_ended();
    assert_eq!(stats.snapshot().network.packets_in, 100, "what was counted stays");
    stats.network(NetworkSide::Both, counted(5));
    let now = stats.snapshot().network;
    assert_eq!((now.packets_in, now.plis, now.rtt_ms), (105, 2, Some(7.0)));
}
