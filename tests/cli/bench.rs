//! `clearcall bench quality` on little clips.

use std::fs;

use safetensors::{Dtype, tensor::TensorView};

use crate::run::{Room, clearcall};

/// What a quick run needs: no networks, no slow scores.
const QUICK: [&str; 6] = ["--models", "none", "--upscalers", "bilinear,full", "--metrics", "psnr,ssim"];

fn bench(args: &[&str]) -> crate::run::Ran {
    clearcall(&[&["bench", "quality"], args].concat())
}

#[test]
fn every_upscaler_gets_a_row_for_each_clip_and_bitrate() {
    let room = Room::new();
    let clips = [room.clip("one.y4m", 128, 96, 8), room.clip("two.y4m", 96, 64, 6)];
    let (csv, plot, sheet) = (room.at("scores.csv"), room.at("scores.svg"), room.at("sheet.png"));
    let report = bench(&[
        &clips[0],
        &clips[1],
        "--bitrates",
        "60k,200k",
        "--metrics",
        "psnr,ssim,ssimulacra2",
        "--every",
        "4",
        "--engine",
        "cpu",
        "--json",
        "--csv",
        &csv,
        "--plot",
        &plot,
        "--sheet",
        &sheet,
    ])
    .ok()
    .json();
    let names = ["bilinear", "bicubic", "lanczos", "fsr1", "small", "nano", "medium", "large", "full"];
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2 * 2 * names.len());
    for row in rows {
        assert!(names.contains(&row["upscaler"].as_str().unwrap()), "{row}");
        assert_eq!(row["frames"]["read"], if row["clip"] == "one" { 8 } else { 6 });
        assert_eq!(row["frames"]["skipped"], 0);
        assert_eq!(row["size"], if row["clip"] == "one" { "128x96" } else { "96x64" });
        let small = if row["clip"] == "one" { "64x48" } else { "48x32" };
        let sent = if row["upscaler"] == "full" { row["size"].as_str().unwrap() } else { small };
        assert_eq!(row["sent_size"], sent);
        for score in ["psnr_y", "psnr_u", "psnr_v", "ssim", "ssimulacra2", "luma_shift"] {
            assert!(row[score].as_f64().is_some_and(f64::is_finite), "{score} in {row}");
        }
        assert!(row["bitrate_bps"]["measured"].as_f64().unwrap() > 1000.0, "{row}");
        let gain = &row["gain"]["psnr_y"];
        let without = row["upscaler"] == "bicubic" || row["upscaler"] == "full";
        assert_eq!(gain.is_null(), without, "{row}");
    }
    let find = |upscaler: &str, bitrate: u32| {
        let of = |r: &&serde_json::Value| r["upscaler"] == upscaler && r["bitrate_bps"]["target"] == bitrate;
        rows.iter().find(of).unwrap().clone()
    };
    let psnr = |upscaler: &str| find(upscaler, 200_000)["psnr_y"].as_f64().unwrap();
    assert!(
        (find("lanczos", 200_000)["gain"]["psnr_y"].as_f64().unwrap() - (psnr("lanczos") - psnr("bicubic"))).abs()
            < 1e-9
    );
    assert!(psnr("bilinear") < psnr("bicubic"));
    assert!(psnr("full") > find("full", 60_000)["psnr_y"].as_f64().unwrap(), "more bits, more quality");
    let means = report["means"].as_array().unwrap();
    assert_eq!(means.len(), names.len());
    let curves = report["curves"].as_array().unwrap();
    assert_eq!(curves.len(), 2 * names.len() * 5, "one for each clip, upscaler and score");

    let csv = fs::read_to_string(csv).unwrap();
    let lines: Vec<Vec<&str>> = csv.lines().map(|l| l.split(',').collect()).collect();
    assert_eq!(lines.len(), 1 + rows.len());
    assert!(lines.iter().all(|l| l.len() == lines[0].len()), "{csv}");
    let plot = fs::read_to_string(plot).unwrap();
    assert!(plot.starts_with("<svg") && names.iter().all(|n| plot.contains(&format!(">{n}<"))), "{plot}");
    let sheet = image::open(sheet).unwrap();
    assert!(sheet.width() >= 4 * 3 * 96, "truth, bicubic and two models: {}", sheet.width());
}

#[test]
fn the_table_says_what_the_json_says() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 96, 64, 4);
    let args = [&[clip.as_str(), "--bitrates", "100k,300k"], &QUICK[..]].concat();
    let table = bench(&args).ok().out;
    for word in
        ["clip", "PSNR-Y", "SSIM", "flicker", "grain", "grid", "bilinear", "bicubic", "full", "Mean gain", "BD-rate"]
    {
        assert!(table.contains(word), "'{word}' is missing in:\n{table}");
    }
    let report = bench(&[&args[..], &["--json"]].concat()).ok().json();
    for row in report["rows"].as_array().unwrap() {
        let psnr = format!("{:.2}", row["psnr_y"].as_f64().unwrap());
        let line = table.lines().find(|l| l.contains(&psnr) && l.contains(row["upscaler"].as_str().unwrap()));
        assert!(line.is_some(), "{psnr} of {row} is missing in:\n{table}");
    }
}

/// A network follows the picture before; what it made of another stream is no such picture.
#[test]
fn scores_do_not_depend_on_what_was_measured_before() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 96, 64, 3);
    let scores = |bitrates: &str| {
        let args = ["--bitrates", bitrates, "--models", "small", "--upscalers", "bicubic", "--metrics", "psnr"];
        let report = bench(&[&[clip.as_str(), "--engine", "cpu", "--json"], &args[..]].concat()).ok().json();
        let rows = report["rows"].as_array().unwrap().clone();
        let last = rows.into_iter().filter(|r| r["bitrate_bps"]["target"] == 400_000);
        last.map(|r| [r["psnr_y"].clone(), r["flicker"].clone()]).collect::<Vec<_>>()
    };
    let alone = scores("400k");
    assert!(alone.len() == 2 && alone == scores("60k,400k"), "{alone:?}");
}

/// All sizes are compared with the clip itself; what is sent at the clip's own is shown as it came.
#[test]
fn sizes_are_compared_with_the_clip_itself() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 640, 360, 6);
    let sizes = ["--sizes", "320x240,480x360,1280x720,auto", "--bitrates", "200k,2M"];
    let args = [&[clip.as_str()], &sizes[..], &QUICK[..], &["--json"]].concat();
    let report = bench(&args).ok().json();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 4 * 2 * 2, "sizes, bitrates, bilinear and bicubic");
    let of = |asked: &str, bitrate: u32, upscaler: &str| {
        let wanted = |r: &&serde_json::Value| {
            r["asked_size"] == asked && r["bitrate_bps"]["target"] == bitrate && r["upscaler"] == upscaler
        };
        rows.iter().find(wanted).unwrap().clone()
    };
    for (asked, sent) in [("320x240", "320x180"), ("480x360", "480x270"), ("1280x720", "640x360"), ("auto", "640x360")]
    {
        let row = of(asked, 2_000_000, "bicubic");
        assert_eq!((&row["sent_size"], &row["size"]), (&sent.into(), &"640x360".into()), "{row}");
        assert!(row["qp"].as_f64().is_some_and(|qp| (10.0..=51.0).contains(&qp)), "{row}");
    }
    let scores = |asked, upscaler| of(asked, 2_000_000, upscaler)["psnr_y"].as_f64().unwrap();
    assert_eq!(scores("1280x720", "bilinear"), scores("1280x720", "bicubic"), "nothing is upscaled");
    assert_eq!(scores("auto", "bicubic"), scores("1280x720", "bicubic"));
    assert!(scores("320x240", "bilinear") < scores("320x240", "bicubic"));
    let means = report["means"].as_array().unwrap();
    let anchored = |name: &str| means.iter().find(|m| m["upscaler"] == name).unwrap()["bd_rate_bicubic"].clone();
    assert_eq!(anchored("bicubic at 320x240"), serde_json::json!({}), "the first size is what others are measured by");
    assert!(means.iter().any(|m| m["upscaler"] == "bilinear at auto"), "{means:?}");
    let table = bench(&args[..args.len() - 1]).ok().out;
    assert!(table.contains("bicubic at 480x360") && table.contains("bicubic at auto"), "{table}");
}

/// A single one is named, too.
#[test]
fn one_size_of_several_is_said() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 128, 96, 3);
    let args = [&[clip.as_str(), "--sizes", "64x48", "--bitrates", "200k"], &QUICK[..]].concat();
    let table = bench(&args).ok().out;
    assert!(table.contains("bicubic at 64x48") && table.contains("bilinear at 64x48"), "{table}");
    assert!(!table.contains("Where the gain is least"), "of a single row there is no least:\n{table}");
}

/// AlexNet's file, where all numbers are 0 but that the first two channels of the first stage are the red of a pixel
/// and a half: the more red there is, the more does their direction turn.
fn features() -> Vec<u8> {
    let shapes = [(64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3)];
    let mut tensors: Vec<(String, Vec<usize>, Vec<f32>)> = Vec::new();
    for (i, (outputs, inputs, k)) in shapes.into_iter().enumerate() {
        tensors.push((format!("conv{i}.weight"), vec![outputs, inputs, k, k], vec![0.0; outputs * inputs * k * k]));
        tensors.push((format!("conv{i}.bias"), vec![outputs], vec![0.0; outputs]));
        tensors.push((format!("lin{i}.weight"), vec![outputs], vec![1.0; outputs]));
    }
    tensors[0].2[5 * 11 + 5] = 1.0;
    tensors[1].2[1] = 0.5;
    let bytes: Vec<Vec<u8>> = tensors.iter().map(|t| t.2.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes);
    let views = views.map(|((name, shape, _), b)| (name, TensorView::new(Dtype::F32, shape.clone(), b).unwrap()));
    safetensors::serialize(views, Some([("network".to_owned(), "alexnet".to_owned())].into())).unwrap()
}

#[test]
fn lpips_is_told_as_a_share_of_bicubics() {
    let room = Room::new();
    let clips = [room.clip("one.y4m", 128, 96, 4), room.clip("two.y4m", 96, 64, 4)];
    let file = room.holds("alexnet.safetensors", &features());
    let (csv, plot) = (room.at("scores.csv"), room.at("scores.svg"));
    let asked = ["--features", &file, "--every", "2", "--bitrates", "60k,200k"];
    let args = [&[clips[0].as_str(), &clips[1]], &asked[..], &QUICK[..]].concat();
    let report = bench(&[&args[..], &["--json", "--csv", &csv, "--plot", &plot]].concat()).ok().json();
    assert_eq!(report["settings"]["features"], "alexnet");
    assert_eq!(report["settings"]["metrics"].as_array().unwrap().last().unwrap(), "lpips");
    let rows = report["rows"].as_array().unwrap();
    let bicubic = |row: &serde_json::Value| {
        let same = |r: &&serde_json::Value| {
            r["upscaler"] == "bicubic"
                && r["clip"] == row["clip"]
                && r["bitrate_bps"]["target"] == row["bitrate_bps"]["target"]
        };
        rows.iter().find(same).unwrap()["lpips"].as_f64().unwrap()
    };
    let mut ratios = Vec::new();
    for row in rows {
        let lpips = row["lpips"].as_f64().unwrap();
        assert!(lpips > 0.0 && lpips < 2.0, "{row}");
        if row["upscaler"] == "bilinear" {
            let ratio = row["gain"]["lpips"].as_f64().unwrap();
            assert!((ratio - lpips / bicubic(row)).abs() < 1e-9, "{row}");
            ratios.push((ratio, row));
        } else {
            assert!(row["gain"]["lpips"].is_null(), "{row}");
        }
    }
    let mean = report["means"].as_array().unwrap().iter().find(|m| m["upscaler"] == "bilinear").unwrap();
    let mean_of = ratios.iter().map(|r| r.0).sum::<f64>() / 4.0;
    // The first of several.
    let (most, at) = ratios.into_iter().rev().max_by(|a, b| a.0.total_cmp(&b.0)).unwrap();
    assert!((mean["gain"]["lpips"].as_f64().unwrap() - mean_of).abs() < 1e-9, "{mean}");
    assert_eq!(mean["least_gain"]["lpips"], most, "{mean}");
    assert_eq!(mean["least_gain_at"]["lpips"]["clip"], at["clip"], "{mean}");
    assert_eq!(mean["least_gain_at"]["lpips"]["bitrate_bps"], at["bitrate_bps"]["target"], "{mean}");

    let head = fs::read_to_string(csv).unwrap().lines().next().unwrap().to_owned();
    assert!(head.contains(",lpips,") && head.contains(",gain_lpips,"), "{head}");
    let plot = fs::read_to_string(plot).unwrap();
    assert!(plot.contains("one: PSNR-Y in dB") && plot.contains("two: LPIPS"), "{plot}");
    let table = bench(&args).ok().out;
    let percent = |ratio: f64| format!("{:+.1}%", 100.0 * (ratio - 1.0));
    let gains = format!("{} ({})", percent(mean_of), percent(most));
    assert!(table.contains(&gains), "'{gains}' is missing in:\n{table}");
    let place = format!("{} {}", at["clip"].as_str().unwrap(), at["bitrate_bps"]["target"].as_u64().unwrap() / 1000);
    let least = table.split("Where the gain is least").nth(1).unwrap();
    assert!(
        least.lines().any(|l| l.starts_with("bilinear") && l.ends_with(&place)),
        "'{place}' is missing in:\n{table}"
    );
}

/// A folder is its clips by name; what is none is left out, and told.
#[test]
fn a_folder_is_the_set_of_its_clips() {
    let room = Room::new();
    let folder = room.path("set");
    fs::create_dir(&folder).unwrap();
    let clips = [room.clip("set/a.y4m", 96, 64, 3), room.clip("set/b.y4m", 64, 48, 3)];
    fs::write(folder.join("README.md"), "Where the clips are from.").unwrap();
    let asked = [&["--bitrates", "100k", "--json"], &QUICK[..]].concat();
    let judged = bench(&[&["--judge", folder.to_str().unwrap()], &asked[..]].concat()).ok();
    assert!(judged.err.contains("README.md"), "{judged:#?}");
    let named = bench(&[&[clips[0].as_str(), &clips[1]], &asked[..]].concat()).ok();
    assert_eq!(judged.json(), named.json());
    assert_eq!(judged.json()["rows"][0]["clip"], "a");
    bench(&["--judge", folder.to_str().unwrap(), &clips[0]]).fails(2, &["--judge"]);
    bench(&["--judge", &room.at("gone")]).fails(3, &["gone"]);
    fs::create_dir(room.path("empty")).unwrap();
    bench(&["--judge", &room.at("empty")]).fails(3, &["no video", "empty"]);
    fs::write(folder.join("c.y4m"), "YUV4MPEG2 F30:1\n").unwrap();
    bench(&["--judge", folder.to_str().unwrap()]).fails(3, &["c.y4m"]);
}

#[test]
fn frames_that_are_skipped_are_counted_and_not_scored() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 320, 240, 20);
    let args = [&[clip.as_str(), "--bitrates", "60k", "--skip", "--json"], &QUICK[..]].concat();
    let report = bench(&args).ok().json();
    let row = report["rows"].as_array().unwrap().iter().find(|r| r["upscaler"] == "bicubic").unwrap().clone();
    let [read, sent, skipped] = ["read", "sent", "skipped"].map(|f| row["frames"][f].as_u64().unwrap());
    assert!(skipped > 0 && sent > 0 && sent + skipped == read && read == 20, "{row}");
    assert!(row["psnr_y"].as_f64().unwrap() > 15.0, "each against its own truth: {row}");
    assert_eq!(report["curves"].as_array().map(Vec::len), Some(0), "one bitrate makes no curve");
}

/// A clip that lacks pictures is measured all the same, and that it does is told, by the exit code too.
#[test]
fn clips_that_lack_pictures_are_told() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 64, 48, 8);
    clearcall(&["encode", &clip, "-o", &room.at("whole.264"), "--size", "64x48", "--bitrate", "2M"]).ok();
    let coded = fs::read(room.path("whole.264")).unwrap();
    // Of the fifth picture only the first half is there.
    let begins: Vec<usize> = (4..coded.len()).filter(|i| coded[i - 4..*i] == [0, 0, 0, 1]).collect();
    let slices: Vec<usize> = begins.iter().copied().filter(|i| matches!(coded[*i] & 31, 1 | 5)).collect();
    let end = slices[5] - 4;
    let torn = room.holds("torn.264", &[&coded[..(slices[4] + end) / 2], &coded[end..]].concat());
    let args = [&[torn.as_str(), &clip, "--bitrates", "100k,300k"], &QUICK[..]].concat();
    let ran = bench(&args).fails(4, &["torn.264", "damaged"]);
    assert_eq!(ran.out.matches("what came of it was measured").count(), 1, "{ran:#?}");
    let csv = room.at("rows.csv");
    let report = bench(&[&args[..], &["--csv", &csv, "--json"]].concat()).fails(4, &["torn.264"]).json();
    for row in report["rows"].as_array().unwrap() {
        let [lost, damaged] = ["lost", "damaged"].map(|n| row["frames"][n].as_u64().unwrap());
        assert_eq!(lost + damaged > 0, row["clip"] == "torn", "{row}");
    }
    assert!(fs::read_to_string(csv).unwrap().contains(",lost,damaged,"));
}

#[test]
fn the_frames_and_the_detail_to_show_can_be_chosen() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 96, 64, 9);
    let sheet = room.at("sheet.png");
    let args = [&[clip.as_str(), "--bitrates", "200k", "--frames", "3", "--sheet", &sheet, "--frame", "1"], &QUICK[..]];
    let args = args.concat();
    let report = bench(&[&args[..], &["--crop", "10,20,30,25", "--crop", "0,0,8,8", "--json"]].concat()).ok().json();
    assert_eq!(report["rows"][0]["frames"]["read"], 3);
    let picture = image::open(&sheet).unwrap();
    // Truth and bicubic of 30 pixels each, three times as wide, and the gaps.
    assert_eq!(picture.width(), 2 * 90 + 3 * 6);
    bench(&[&args[..], &["--crop", "90,20,30,25"]].concat()).fails(3, &["outside", "96x64"]);
    bench(&[&args[..], &["--crop", "90,20"]].concat()).fails(2, &["90,20"]);
}

#[test]
fn wrong_input_is_told_before_any_work() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 96, 64, 2);
    bench(&[]).fails(2, &["CLIP"]);
    bench(&[&clip, &room.at("missing.mp4")]).fails(3, &["missing.mp4"]);
    bench(&[&clip, "--models", "nobody"]).fails(3, &["nobody"]);
    bench(&[&clip, "--models", "none,nano"]).fails(3, &["none"]);
    bench(&[&clip, "--bitrates", "fast"]).fails(2, &["bitrate"]);
    bench(&[&clip, "--upscalers", "magic"]).fails(2, &["magic"]);
    bench(&[&clip, "--models", "none", "--metrics", "ms-ssim"]).fails(3, &["176x176", "--metrics"]);
    bench(&[&clip, "--csv", &clip]).fails(3, &["is the input"]);
    bench(&[&clip, "--crop", "0,0,8,8"]).fails(2, &["--sheet"]);
    bench(&[&clip, "--metrics", "lpips"]).fails(3, &["--features"]);
    bench(&[&clip, "--features", &room.at("gone.safetensors")]).fails(3, &["gone.safetensors", "scripts/features.py"]);
    let text = room.holds("text.safetensors", b"no network is in this file, only words");
    bench(&[&clip, "--features", &text]).fails(3, &["text.safetensors", "cannot be used"]);
    let (small, file) = (room.clip("small.y4m", 24, 24, 2), room.holds("alexnet.safetensors", &features()));
    let quick = ["--sizes", "24x24", "--models", "none", "--features", &file];
    bench(&[&[small.as_str()], &quick[..]].concat()).fails(3, &["LPIPS", "31x31", "leave out --features"]);
    let tiny = room.clip("tiny.y4m", 1, 1, 2);
    bench(&[&tiny, "--models", "none"]).fails(3, &["1x1"]);
}
