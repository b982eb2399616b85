//! What is wrong gets its message, its exit code, and never a panic.

use std::{fs, net::TcpListener};

use crate::run::{Room, clearcall, noise, started, y4m};

const USAGE: i32 = 2;
const INPUT: i32 = 3;
const INCOMPLETE: i32 = 4;

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    for args in [
        &["dance"][..],
        &["encode"],
        &["encode", "in.mp4"],
        &["measure", "a.y4m"],
        &["join"],
        &["call", "--size", "480"],
        &["call", "--size", "0x360"],
        &["call", "--size", "99999x360"],
        &["call", "--size", "axb"],
        &["call", "--bitrate", "5"],
        &["call", "--bitrate", "fast"],
        &["call", "--fps", "0"],
        &["call", "--fps", "NaN"],
        &["call", "--seconds", "-1"],
        &["call", "--engine", "tpu"],
        &["call", "--no-such-option"],
        &["upscale", "in.mp4", "--upscaler", "magic"],
        &["host", "--listen", "nowhere"],
    ] {
        clearcall(args).fails(USAGE, &["error"]);
    }
    clearcall(&["call", "--size", "480"]).fails(USAGE, &["480", "size", "480x360"]);
}

#[test]
fn a_missing_file_is_named() {
    let room = Room::new();
    let (gone, out) = (room.at("gone.mp4"), room.at("out.y4m"));
    clearcall(&["encode", &gone, "-o", &room.at("out.264")]).fails(INPUT, &["gone.mp4"]);
    clearcall(&["upscale", &gone, "-o", &out]).fails(INPUT, &["gone.mp4"]);
    clearcall(&["measure", &gone, &gone]).fails(INPUT, &["gone.mp4"]);
    clearcall(&["call", "--headless", "--seconds", "1", "--source", &gone]).fails(INPUT, &["gone.mp4"]);
    assert!(!room.path("out.264").exists() && !room.path("out.y4m").exists(), "nothing was begun");
}

#[test]
fn bytes_that_are_no_video_are_refused() {
    let room = Room::new();
    let out = room.at("out.y4m");
    for extension in ["mp4", "264", "h264", "y4m"] {
        for (what, bytes) in [
            ("random", noise(20_000)),
            ("empty", Vec::new()),
            ("text", b"This is a letter to my grandmother.\n".repeat(20)),
            ("zeros", vec![0; 5000]),
        ] {
            let name = format!("{what}.{extension}");
            let file = room.holds(&name, &bytes);
            clearcall(&["upscale", &file, "-o", &out, "--engine", "cpu"]).fails(INPUT, &[&name]);
        }
    }
    fs::create_dir(room.path("folder.mp4")).unwrap();
    clearcall(&["upscale", &room.at("folder.mp4"), "-o", &out]).fails(INPUT, &["folder.mp4"]);
}

#[test]
fn hostile_headers_are_refused_without_setting_memory_aside() {
    let room = Room::new();
    for (n, header) in [
        "YUV4MPEG2 W4000000000 H4000000000 F30:1 C420jpeg\nFRAME\n",
        "YUV4MPEG2 W0 H0 F30:1 C420jpeg\nFRAME\n",
        "YUV4MPEG2 W64 F30:1 C420jpeg\nFRAME\n",
        "YUV4MPEG2 W64 H48 F0:0 C420jpeg\nFRAME\n",
        "YUV4MPEG2 W64 H48 F30:1 C444\nFRAME\n",
        "YUV4MPEG2 W64 H48 F30:1 C420p10\nFRAME\n",
        "YUV4MPEG2 W8192 H8192 F30:1 C420jpeg\nFRAME\n",
    ]
    .iter()
    .enumerate()
    {
        let name = format!("header{n}.y4m");
        let file = room.holds(&name, header.as_bytes());
        clearcall(&["upscale", &file, "-o", &room.at("out.y4m"), "--engine", "cpu"]).fails(INPUT, &[&name]);
    }
}

#[test]
fn a_cut_file_gives_what_is_left_or_says_so() {
    let room = Room::new();
    let whole = y4m(64, 48, 6);
    let clip = room.holds("whole.y4m", &whole);
    clearcall(&["encode", &clip, "-o", &room.at("whole.264"), "--size", "64x48"]).ok();
    let coded = fs::read(room.path("whole.264")).unwrap();
    for (extension, bytes) in [("y4m", &whole), ("264", &coded)] {
        for part in [1, 2, 3] {
            let name = format!("cut{part}.{extension}");
            let file = room.holds(&name, &bytes[..bytes.len() * part / 4]);
            let ran = clearcall(&["upscale", &file, "-o", &room.at("out.y4m"), "--engine", "cpu"]);
            if ran.code != 0 {
                // Of a byte stream nobody knows that more was to come: only its last picture is torn.
                let code = if ran.code == INCOMPLETE && extension == "264" { INCOMPLETE } else { INPUT };
                ran.fails(code, &[&name]);
            }
        }
    }
}

/// What is missing is told in words, in numbers, and by an exit code of its own; the rest is done.
#[test]
fn pictures_that_are_lost_or_damaged_are_told() {
    let room = Room::new();
    let clip = room.holds("whole.y4m", &y4m(64, 48, 8));
    clearcall(&["encode", &clip, "-o", &room.at("whole.264"), "--size", "64x48", "--bitrate", "2M"]).ok();
    let coded = fs::read(room.path("whole.264")).unwrap();
    // Of the fourth picture only the beginning is there, of the sixth nothing but its kind.
    let begins: Vec<usize> = (4..coded.len()).filter(|i| coded[i - 4..*i] == [0, 0, 0, 1]).collect();
    let slices: Vec<usize> = begins.iter().copied().filter(|i| matches!(coded[*i] & 31, 1 | 5)).collect();
    assert_eq!(slices.len(), 8, "one slice a picture");
    let ends = |n: usize| slices[n + 1] - 4;
    let half = slices[3] + (ends(3) - slices[3]) / 2;
    let torn = [&coded[..half], &coded[ends(3)..slices[5] + 1], &coded[ends(5)..]].concat();
    let torn = room.holds("torn.264", &torn);

    let high = room.at("high.y4m");
    let upscale = ["upscale", &torn, "-o", &high, "--engine", "cpu", "--upscaler", "bicubic"];
    let ran = clearcall(&[&upscale[..], &["--json"]].concat()).fails(INCOMPLETE, &["torn.264", "damaged"]);
    let report = ran.json();
    let [frames, damaged, lost] = ["frames", "damaged", "lost"].map(|n| report[n].as_u64().unwrap());
    assert!(damaged >= 1 && frames + lost == 8, "{report}");
    let said = clearcall(&upscale).fails(INCOMPLETE, &["torn.264", &format!("{damaged}")]);
    assert!(said.out.contains(&format!("{frames} frames")), "{said:#?}");
    assert_eq!(fs::read(&high).unwrap().windows(6).filter(|w| w == b"FRAME\n").count() as u64, frames);

    let encode = ["encode", &torn, "-o", &room.at("again.264"), "--size", "64x48", "--json"];
    let report = clearcall(&encode).fails(INCOMPLETE, &["torn.264", "damaged"]).json();
    assert_eq!([&report["frames"]["damaged"], &report["frames"]["lost"]], [damaged, lost], "{report}");
    clearcall(&["measure", &torn, &torn]).fails(INCOMPLETE, &["torn.264"]);

    // Without its only keyframe nothing can be made of the rest.
    let late = room.holds("late.264", &[&coded[..slices[0] + 1], &coded[ends(0)..]].concat());
    let report = clearcall(&["upscale", &late, "-o", &high, "--engine", "cpu", "--json"]);
    assert_ne!(report.code, 0, "{report:#?}");

    // And of a whole one nothing is missing.
    let report = clearcall(&["upscale", &room.at("whole.264"), "-o", &high, "--engine", "cpu", "--json"]).ok().json();
    assert_eq!([&report["damaged"], &report["lost"]], [0, 0], "{report}");
}

#[test]
fn videos_that_do_not_fit_together_are_refused() {
    let room = Room::new();
    let (small, large, short) =
        (room.clip("a.y4m", 32, 32, 3), room.clip("b.y4m", 64, 64, 3), room.clip("c.y4m", 32, 32, 2));
    clearcall(&["measure", &small, &large]).fails(INPUT, &["32x32", "64x64"]);
    clearcall(&["measure", &small, &short]).fails(INPUT, &["c.y4m"]);
    clearcall(&["upscale", &small, "--engine", "cpu", "--reference", &small]).fails(INPUT, &["32x32", "64x64"]);
}

#[test]
fn outputs_that_cannot_be_written_are_named() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 32, 32, 2);
    clearcall(&["encode", &clip, "-o", &room.at("no/such/folder/out.264")]).fails(INPUT, &["out.264"]);
    clearcall(&["upscale", &clip, "-o", &room.at("no/such/folder/out.y4m"), "--engine", "cpu"])
        .fails(INPUT, &["out.y4m"]);
    clearcall(&["upscale", &clip, "-o", &room.at("out.avi"), "--engine", "cpu"]).fails(INPUT, &["out.avi"]);
    clearcall(&["upscale", &clip, "--engine", "cpu"]).fails(INPUT, &["-o"]);
    let before = fs::read(&clip).unwrap();
    clearcall(&["encode", &clip, "-o", &clip]).fails(INPUT, &["clip.y4m"]);
    clearcall(&["upscale", &clip, "-o", &clip, "--engine", "cpu"]).fails(INPUT, &["clip.y4m"]);
    assert_eq!(fs::read(&clip).unwrap(), before, "the input is untouched");
}

#[test]
fn a_model_that_is_not_one_is_refused() {
    let room = Room::new();
    let clip = room.clip("clip.y4m", 32, 32, 1);
    let out = room.at("out.y4m");
    let mut huge = u64::MAX.to_le_bytes().to_vec();
    huge.extend_from_slice(b"{}");
    let lying = br#"{"conv0.weight":{"dtype":"F32","shape":[4000000000,1,3,3],"data_offsets":[0,144000000000]}}"#;
    let mut lies = (lying.len() as u64).to_le_bytes().to_vec();
    lies.extend_from_slice(lying);
    for (name, bytes) in [
        ("random.safetensors", noise(5000)),
        ("empty.safetensors", Vec::new()),
        ("text.safetensors", b"weights".to_vec()),
        ("huge.safetensors", huge),
        ("lies.safetensors", lies),
    ] {
        let file = room.holds(name, &bytes);
        clearcall(&["upscale", &clip, "-o", &out, "--engine", "cpu", "--model", &file]).fails(INPUT, &[name]);
    }
    clearcall(&["upscale", &clip, "-o", &out, "--model", &room.at("gone.safetensors")])
        .fails(INPUT, &["gone.safetensors"]);
    clearcall(&["upscale", &clip, "-o", &out, "--model", "gigantic"]).fails(INPUT, &["gigantic", "small"]);
    clearcall(&["call", "--headless", "--source", "scene", "--model", "gigantic"]).fails(INPUT, &["gigantic"]);
    let limited = ["call", "--headless", "--source", "scene", "--model", "nano", "--cpu-share", "30%"];
    clearcall(&limited).fails(INPUT, &["--cpu-share", "--model auto"]);
}

#[test]
fn a_missing_camera_is_named() {
    clearcall(&["call", "--headless", "--seconds", "1", "--source", "camera:97"]).fails(INPUT, &["camera", "97"]);
}

#[test]
fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    clearcall(&["host", "--headless", "--source", "scene", "--size", "64x48", "--listen", &address])
        .fails(INPUT, &[&address]);
}

#[test]
fn links_that_lead_nowhere_are_refused() {
    let join =
        |link: &str| clearcall(&["join", link, "--headless", "--source", "scene", "--size", "64x48", "--seconds", "1"]);
    // Bound and let go: nobody listens there.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    join(&format!("http://{address}/whip?token=abc")).fails(INPUT, &[&address]);
    for link in [
        "http://",
        "http://[",
        "https://",
        "hello",
        "clearcall-offer:",
        "clearcall-offer:!!!!",
        "clearcall-answer:AAAA",
    ] {
        join(link).fails(INPUT, &["error"]);
    }
    join(&format!("clearcall-offer:{}", "A".repeat(3000))).fails(INPUT, &["error"]);
}

#[test]
fn what_is_no_ice_server_and_no_token_is_refused_and_not_repeated() {
    let join = |extra: [&str; 2]| {
        clearcall(&[&["join", "http://127.0.0.1:1/whip", "--headless", "--source", "scene"][..], &extra].concat())
    };
    for (option, value, reason) in [
        ("--ice-server", "turns:somebody:geheim@192.0.2.1", "UDP only"),
        ("--ice-server", "turn:somebody:geheim@", "no HOST"),
        ("--token", "geheim geheim", "no blanks"),
    ] {
        let refused = join([option, value]).fails(INPUT, &[reason]);
        assert!(!refused.err.contains("geheim"), "{refused:#?}");
    }
}

#[test]
fn a_wrong_token_is_refused_and_the_host_goes_on() {
    let size = ["--headless", "--source", "scene", "--size", "64x48"];
    let host = started(&[&["host", "--listen", "127.0.0.1:0"][..], &size].concat());
    let line = host.line_with("http://");
    let link = line.split(['\'', ' ']).find(|word| word.starts_with("http://")).unwrap().to_owned();
    let token = link.split_once("token=").map(|(_, token)| token.to_owned()).unwrap();
    for wrong in [link.replace(&token, "0000"), link.split('#').next().unwrap().to_owned()] {
        clearcall(&[&["join", &wrong, "--seconds", "1"][..], &size].concat()).fails(INPUT, &["token"]);
    }
    clearcall(&[&["join", &link, "--seconds", "1"][..], &size].concat()).ok();
    host.kill();
}
