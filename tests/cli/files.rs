//! What works without a network: the help, the lists, and files from one command to the next.

use std::fs;

use crate::run::{Room, clearcall, head};

#[test]
fn the_help_names_every_command_and_the_exit_codes() {
    let help = clearcall(&["--help"]).ok().out;
    for word in
        ["call", "host", "join", "encode", "upscale", "measure", "bench", "devices", "models", "Exit codes", "Examples"]
    {
        assert!(help.contains(word), "'{word}' is missing in:\n{help}");
    }
    for command in ["call", "host", "join", "encode", "upscale", "measure", "bench", "devices", "models"] {
        let page = clearcall(&[command, "--help"]).ok().out;
        assert!(page.contains("Usage:") && page.contains(command), "{page}");
        assert_eq!(clearcall(&["help", command]).ok().out, page);
    }
    let call = clearcall(&["call", "--help"]).ok().out;
    for option in [
        "--source",
        "--size",
        "--fps",
        "--bitrate",
        "--model",
        "--engine",
        "--headless",
        "--seconds",
        "--report",
        "--snapshot",
        "480x360",
        "300k",
    ] {
        assert!(call.contains(option), "'{option}' is missing in:\n{call}");
    }
}

#[test]
fn the_version_is_the_packages() {
    assert_eq!(clearcall(&["--version"]).ok().out, format!("clearcall {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn devices_always_lists_the_cpu() {
    let devices = clearcall(&["devices", "--json"]).ok().json();
    assert!(devices["cameras"].is_array() && devices["adapters"].is_array(), "{devices}");
    let engines = devices["engines"].as_array().unwrap();
    assert!(engines.iter().any(|e| e["engine"] == "cpu" && e["available"] == true), "{devices}");
    let text = clearcall(&["devices"]).ok().out;
    assert!(text.contains("Cameras") && text.contains("GPU") && text.contains("Engines"), "{text}");
}

#[test]
fn models_lists_all_that_are_shipped() {
    let models = clearcall(&["models", "--json"]).ok().json();
    let text = clearcall(&["models"]).ok().out;
    for name in ["nano", "small", "medium", "large"] {
        let model = models.as_array().unwrap().iter().find(|m| m["name"] == name);
        let model = model.unwrap_or_else(|| panic!("{name} is missing in {models}"));
        assert_eq!(model["scale"], 2);
        assert!(model["mac_per_pixel"].as_u64().is_some_and(|mac| mac > 0), "{model}");
        let gain = model["scores"]["validation_psnr_y_gain_db"].as_f64().unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_else(|| panic!("{name}: {text}"));
        assert!(line.contains(&format!("{gain:+.3} dB")), "{line}");
        let vivid = format!("{name}.vivid");
        assert_eq!(line.ends_with(&vivid), model["vivid"].as_bool().unwrap(), "{line}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
}

#[test]
fn a_still_picture_is_a_clip_of_one_frame() {
    let room = Room::new();
    for name in ["still.png", "still.jpg"] {
        let (still, low) = (room.at(name), room.at("low.264"));
        let picture = image::RgbImage::from_fn(96, 64, |x, y| image::Rgb([2 * x as u8, 3 * y as u8, (x ^ y) as u8]));
        picture.save(&still).unwrap();
        let encoded = clearcall(&["encode", &still, "-o", &low, "--size", "48x32", "--json"]).ok().json();
        assert_eq!(encoded["frames"]["encoded"], 1);
        let scores = clearcall(&["upscale", &low, "--reference", &still, "--engine", "cpu", "--json"]).ok().json();
        assert_eq!(scores["frames"], 1);
        assert!(scores["psnr_y"].as_f64().is_some_and(|psnr| psnr > 20.0), "{scores}");
    }
    // A size whose half is odd is sent a little smaller, and the truth is scaled to what comes back.
    let odd = room.at("odd.png");
    image::RgbImage::from_fn(402, 200, |x, y| image::Rgb([x as u8, y as u8, 9])).save(&odd).unwrap();
    clearcall(&["encode", &odd, "-o", &room.at("odd.264"), "--size", "200x100"]).ok();
    let scored = clearcall(&["upscale", &room.at("odd.264"), "--reference", &odd, "--engine", "cpu"]).ok();
    assert!(scored.err.contains("scaled from 402x200 to 400x"), "{}", scored.err);
    // Cut in the middle it is an error that names the file.
    let bytes = fs::read(room.at("still.png")).unwrap();
    let cut = room.holds("cut.png", &bytes[..bytes.len() / 3]);
    clearcall(&["encode", &cut, "-o", &room.at("cut.264")]).fails(3, &["cut.png"]);
}

#[test]
fn a_file_goes_through_encode_upscale_and_measure() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 128, 96, 12);
    let low = room.at("low.264");
    let encoded =
        clearcall(&["encode", &clip, "-o", &low, "--size", "64x48", "--bitrate", "300k", "--json"]).ok().json();
    assert_eq!(encoded["frames"]["read"], 12);
    assert_eq!(encoded["frames"]["encoded"], 12, "300 kbit/s is plenty: {encoded}");
    assert_eq!(encoded["size"], "64x48");
    assert_eq!(encoded["profile"], "high");
    for (profile, idc) in [("baseline", 66), ("main", 77), ("high", 100)] {
        let out = room.at("profile.264");
        clearcall(&["encode", &clip, "-o", &out, "--size", "64x48", "--profile", profile]).ok();
        // Behind the start code and the NAL unit's header.
        assert_eq!(fs::read(&out).unwrap()[5], idc, "{profile}");
    }

    let mut psnr = Vec::new();
    for upscaler in ["bilinear", "bicubic", "lanczos", "cnn"] {
        let high = room.at(&format!("{upscaler}.y4m"));
        let scores = clearcall(&[
            "upscale",
            &low,
            "-o",
            &high,
            "--upscaler",
            upscaler,
            "--engine",
            "cpu",
            "--reference",
            &clip,
            "--json",
        ])
        .ok()
        .json();
        assert_eq!(scores["frames"], 12);
        assert_eq!(scores["upscaler"], upscaler);
        assert_eq!(scores["per_frame"].as_array().map(Vec::len), Some(12));
        assert!(head(&room.path(&format!("{upscaler}.y4m"))).starts_with("YUV4MPEG2 W128 H96 F30:1"));
        let measured = clearcall(&["measure", &high, &clip, "--json"]).ok().json();
        for score in ["psnr_y", "ssim", "ssimulacra2"] {
            let (a, b) = (scores[score].as_f64().unwrap(), measured[score].as_f64().unwrap());
            assert!((a - b).abs() < 1e-6, "{upscaler}: {score} is {a} while upscaling and {b} afterwards");
        }
        psnr.push(scores["psnr_y"].as_f64().unwrap());
    }
    assert!(psnr.iter().all(|db| (18.0..60.0).contains(db)), "{psnr:?}");
    assert!(psnr[0] < psnr[1], "bicubic beats bilinear: {psnr:?}");
}

#[test]
fn without_json_the_same_is_said_in_words() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 64, 48, 3);
    let low = room.at("low.264");
    let said = clearcall(&["encode", &clip, "-o", &low, "--size", "32x24"]).ok().out;
    assert!(said.contains("low.264") && said.contains("32x24"), "{said}");
    let said = clearcall(&["upscale", &low, "--engine", "cpu", "--reference", &clip]).ok().out;
    assert!(said.contains("64x48") && said.contains("PSNR"), "{said}");
    let said = clearcall(&["measure", &clip, &clip]).ok().out;
    assert!(said.contains("PSNR") && said.contains("SSIM"), "{said}");
}

#[test]
fn pictures_go_into_a_folder() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 33, 21, 3);
    let ran = clearcall(&["upscale", &clip, "-o", &room.at("pictures"), "--engine", "cpu"]).ok();
    // A name without an ending may have been meant as a video's.
    assert!(ran.err.contains("pictures/") && ran.err.contains("pictures.y4m"), "{ran:#?}");
    for folder in ["pictures", "others/"] {
        let ran = clearcall(&["upscale", &clip, "-o", &room.at(folder), "--engine", "cpu"]).ok();
        assert_eq!(ran.err, "", "{folder} is plainly a folder");
    }
    let mut names: Vec<_> =
        fs::read_dir(room.path("pictures")).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["000000.png", "000001.png", "000002.png"]);
    let picture = image::open(room.path("pictures").join(&names[0])).unwrap();
    assert_eq!((picture.width(), picture.height()), (66, 42));
}

#[test]
fn a_clip_equals_itself() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 48, 32, 2);
    let same = clearcall(&["measure", &clip, &clip, "--json"]).ok().json();
    assert_eq!(
        (same["frames"].as_u64(), same["psnr_y"].as_f64(), same["ssim"].as_f64()),
        (Some(2), Some(100.0), Some(1.0))
    );
    assert!((same["ssimulacra2"].as_f64().unwrap() - 100.0).abs() < 1e-6, "{same}");
}

#[test]
fn both_engines_give_the_same_picture() {
    let devices = clearcall(&["devices", "--json"]).ok().json();
    if devices["adapters"].as_array().is_none_or(Vec::is_empty) {
        eprintln!("there is no GPU adapter here, not even a software one: nothing to compare");
        return;
    }
    let room = Room::new();
    let clip = room.clip("clip.y4m", 70, 50, 2);
    for engine in ["cpu", "gpu"] {
        clearcall(&["upscale", &clip, "-o", &room.at(&format!("{engine}.y4m")), "--engine", engine, "--no-tune"]).ok();
    }
    let scores = clearcall(&["measure", &room.at("gpu.y4m"), &room.at("cpu.y4m"), "--json"]).ok().json();
    // Every sample off by one would be 48.1 dB.
    assert!(scores["psnr_y"].as_f64().unwrap() > 48.2, "{scores}");
}

#[test]
fn frames_are_left_out_for_a_lower_rate() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 64, 48, 12);
    let args = ["encode", &clip, "-o", &room.at("low.264"), "--size", "64x48", "--fps", "15", "--json"];
    let encoded = clearcall(&args).ok().json();
    let sum = encoded["frames"]["encoded"].as_u64().unwrap() + encoded["frames"]["skipped"].as_u64().unwrap();
    assert_eq!((encoded["frames"]["read"].as_u64(), sum), (Some(12), 6), "{encoded}");
}

#[test]
fn the_speed_is_measured_beside_the_peak() {
    let ran =
        clearcall(&["bench", "speed", "--engine", "cpu", "--size", "64x48,31x17", "--threads", "1", "--json"]).ok();
    let r: serde_json::Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(r["cpu"]["threads"], 1);
    for peak in ["peak_f32_gflops", "peak_int8_gops"] {
        assert!(r["cpu"][peak].as_f64().is_some_and(|g| g > 0.0), "{peak} in {r}");
    }
    let rows = r["rows"].as_array().unwrap();
    assert!(rows.len() >= 4 && rows.len().is_multiple_of(2), "{r}");
    for row in rows {
        for number in ["complete_ms", "complete_p95_ms", "network_ms", "gflops", "share_of_peak"] {
            assert!(row[number].as_f64().is_some_and(|v| v > 0.0), "{number} in {row}");
        }
        assert_eq!(row["engine"], "cpu");
    }
    let count = |precision: &str| rows.iter().filter(|row| row["precision"] == precision).count();
    assert_eq!([count("f32"), count("int8")], [rows.len() / 2; 2], "{r}");
    assert!(rows.iter().any(|row| row["model"] == "nano" && row["size"] == "31x17"), "{r}");
    clearcall(&["bench", "speed", "--model", "gigantic"]).fails(3, &["gigantic"]);
}

#[test]
fn vivid_goes_from_the_faithful_picture_to_another() {
    let room = Room::new();
    let clip = room.clip("v.y4m", 64, 48, 3);
    let out = |name: &str| room.path(name).display().to_string();
    // Amounts lie between 0 and 1, and a model without vivid weights says so.
    let one = out("one.y4m");
    clearcall(&["upscale", &clip, "-o", &one, "--vivid", "1.5"]).fails(2, &["amount"]);
    clearcall(&["upscale", &clip, "-o", &one, "--model", "nano", "--vivid", "0.5"]).fails(3, &["vivid", "nano"]);
    let picture = |vivid: &str| {
        let to = out(&format!("{vivid}.y4m"));
        clearcall(&["upscale", &clip, "-o", &to, "--engine", "cpu", "--upscaler", "cnn", "--vivid", vivid]).ok();
        fs::read(to).unwrap()
    };
    let [none, half, whole] = ["0", "0.5", "1"].map(picture);
    assert!(none != half && half != whole && none.len() == whole.len());
}

#[test]
fn a_size_that_is_left_open_goes_by_the_bits() {
    let room = Room::new();
    let (clip, out) = (room.clip("clip.y4m", 640, 360, 12), room.at("out.264"));
    let size = |bitrate: &str| {
        let args = ["encode", &clip, "-o", &out, "--size", "auto", "--bitrate", bitrate, "--json"];
        clearcall(&args).ok().json()["size"].as_str().unwrap().to_owned()
    };
    assert_eq!((size("4M").as_str(), size("20k").as_str()), ("640x360", "320x180"));
    clearcall(&["encode", &clip, "-o", &out, "--size", "large"]).fails(2, &["'large' is not a size", "or as auto"]);
}
