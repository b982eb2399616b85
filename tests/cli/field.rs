//! Files as the field writes them: what of them is kept, and what is said of the rest.

use std::fs;

use crate::run::{Room, clearcall, head, y4m};

const INPUT: i32 = 3;
const INCOMPLETE: i32 = 4;

/// The times in front of a `.y4m`'s pictures, in milliseconds.
fn times(room: &Room, name: &str) -> Vec<u64> {
    let data = fs::read(room.path(name)).unwrap();
    let begins = data.windows(12).enumerate().filter(|(_, w)| *w == b"FRAME XTIME=");
    let time = |at: usize| String::from_utf8_lossy(&data[at + 12..at + 20]).parse::<f64>().unwrap();
    begins.map(|(at, _)| (time(at) * 1000.0).round() as u64).collect()
}

#[test]
fn pictures_keep_their_own_times_from_file_to_file() {
    let room = Room::new();
    // 30, 15, then 24 a second, as the program itself writes it.
    let shown = [0, 33, 67, 100, 167, 233, 300, 342, 383, 425];
    let mut n = 0;
    let plain = y4m(64, 48, shown.len());
    let mut timed = Vec::new();
    for (i, part) in plain.split_inclusive(|&b| b == b'\n').enumerate() {
        if i == 0 {
            timed.extend_from_slice(&part[..part.len() - 1]);
            timed.extend_from_slice(b" XFRAMETIMES\n");
        } else if part.ends_with(b"FRAME\n") {
            timed.extend_from_slice(&part[..part.len() - 1]);
            timed.extend_from_slice(format!(" XTIME={:.3}\n", f64::from(shown[n]) / 1000.0).as_bytes());
            n += 1;
        } else {
            timed.extend_from_slice(part);
        }
    }
    assert_eq!(n, shown.len());
    let clip = room.holds("vfr.y4m", &timed);
    let (film, high) = (room.at("vfr.mp4"), room.at("high.y4m"));
    let args = ["encode", &clip, "-o", &film, "--size", "64x48", "--json"];
    let said = clearcall(&args).ok().json();
    assert_eq!((&said["variable_rate"], &said["frames"]["encoded"]), (&true.into(), &10.into()), "{said}");
    // A file that is there is written over.
    clearcall(&args).ok();
    let upscale = ["upscale", &film, "-o", &high, "--engine", "cpu", "--upscaler", "bicubic", "--json"];
    assert_eq!(clearcall(&upscale).ok().json()["variable_rate"], true);
    assert_eq!(times(&room, "high.y4m"), shown.map(|t| t as u64));
    // A byte stream has no place for them, and that is said.
    let ran = clearcall(&["encode", &clip, "-o", &room.at("vfr.264"), "--size", "64x48"]).ok();
    assert!(ran.err.contains("times of their own") && ran.err.contains(".mp4"), "{ran:#?}");
    // A lower rate goes by the times, not by numbers: of 24 a second every other one is left out.
    let half = ["encode", &clip, "-o", &film, "--size", "64x48", "--fps", "12", "--json"];
    assert_eq!(clearcall(&half).ok().json()["frames"]["encoded"], 6);
}

#[test]
fn pixels_that_are_not_square_are_kept_in_files_and_square_on_screens() {
    let room = Room::new();
    let data = y4m(96, 72, 2);
    let text = String::from_utf8_lossy(&data[..60]).replace("A1:1", "A4:3");
    let end = text.find('\n').unwrap();
    let clip = room.holds("wide.y4m", &[&text.as_bytes()[..end], &data[end..]].concat());
    let said = clearcall(&["encode", &clip, "-o", &room.at("low.264"), "--json"]).ok().json();
    assert_eq!(said["size"], "128x72", "{said}");
    let bicubic = ["--engine", "cpu", "--upscaler", "bicubic", "--json"];
    let upscale = |to: &str| clearcall(&[&["upscale", &clip, "-o", &room.at(to)][..], &bicubic].concat()).ok().json();
    assert_eq!(upscale("high.y4m")["pixel_aspect"], "4:3");
    assert!(head(&room.path("high.y4m")).starts_with("YUV4MPEG2 W192 H144 F30:1 Ip A4:3 "));
    upscale("pictures/");
    let picture = image::open(room.path("pictures/000000.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), (256, 144));
}

#[test]
fn where_the_size_changes_all_before_it_is_done_and_the_rest_is_told() {
    let room = Room::new();
    let mut both = Vec::new();
    for (name, w, h, frames) in [("a", 64, 48, 5), ("b", 48, 32, 4)] {
        let clip = room.clip("clip.y4m", w, h, frames);
        clearcall(&["encode", &clip, "-o", &room.at(name)]).ok();
        both.extend(fs::read(room.path(name)).unwrap());
    }
    let both = room.holds("both.264", &both);
    let high = room.at("high.y4m");
    let upscale = ["upscale", &both, "-o", &high, "--engine", "cpu", "--upscaler", "bicubic"];
    let words = ["both.264", "64x48", "48x32", "frame 5"];
    let ran = clearcall(&[&upscale[..], &["--json"]].concat()).fails(INCOMPLETE, &words);
    let said = ran.json();
    assert_eq!(said["frames"], 5, "{said}");
    assert!(said["stopped"].as_str().is_some_and(|why| why.contains("48x32")), "{said}");
    assert_eq!(fs::read(&high).unwrap().windows(6).filter(|w| w == b"FRAME\n").count(), 5);
    let ran = clearcall(&upscale).fails(INCOMPLETE, &words);
    assert!(ran.out.contains("5 frames") && ran.out.contains("not gone through"), "{ran:#?}");
    // A byte stream may change its size, an .mp4 that is written here does not.
    let encode = |to: &str| clearcall(&["encode", &both, "-o", &room.at(to), "--json"]);
    let said = encode("again.264").ok().json();
    assert_eq!((&said["frames"]["encoded"], &said["stopped"]), (&9.into(), &serde_json::Value::Null));
    let said = encode("again.mp4").fails(INCOMPLETE, &words).json();
    assert_eq!(said["frames"]["encoded"], 5, "{said}");
    clearcall(&["upscale", &room.at("again.mp4"), "-o", &high, "--engine", "cpu"]).ok();
}

#[test]
fn pictures_that_are_not_read_are_called_by_their_names() {
    let room = Room::new();
    let out = room.at("out.264");
    let encode = |file: &str| clearcall(&["encode", file, "-o", &out]);
    encode(&room.holds("a.heic", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic....")).fails(INPUT, &["a.heic", "HEIC", ".jpg"]);
    encode(&room.holds("a.avif", b"\0\0\0\x18ftypavif\0\0\0\0mif1miaf....")).fails(INPUT, &["a.avif", "AVIF"]);
    encode(&room.holds("a.webp", b"RIFF\0\0\0\0WEBPVP8 ")).fails(INPUT, &["a.webp", "WebP"]);
    image::GrayImage::new(20_000, 16).save(room.path("wide.png")).unwrap();
    let ran = encode(&room.at("wide.png")).fails(INPUT, &["wide.png", "20000x16", "8192"]);
    assert!(!ran.err.contains("damaged"), "{ran:#?}");
    image::GrayImage::new(1, 1).save(room.path("dot.png")).unwrap();
    encode(&room.at("dot.png")).fails(INPUT, &["dot.png", "1x1", "16x16"]);
    image::RgbImage::new(64, 48).save(room.path("whole.jpg")).unwrap();
    let bytes = fs::read(room.path("whole.jpg")).unwrap();
    encode(&room.holds("cut.jpg", &bytes[..bytes.len() - 9])).fails(INPUT, &["cut.jpg", "cut short"]);
}
