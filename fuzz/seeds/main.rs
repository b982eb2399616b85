//! Writes what the fuzz targets start from, made by the program itself: `seeds FOLDER`, a folder in it for each target.

mod mkv;
mod mp4;

use std::{fs, io::Cursor, path::Path};

use anyhow::{Context, Result};
use clearcall::{
    call::{Media, Peer, PeerConfig, packetize, signal},
    codec::{
        AccessUnit, Encoder, EncoderConfig, H264Profile,
        nal::{NalKind, nal_units},
    },
    frame::{Colour, Size},
    model::{Model, Training},
    source::{clip::Y4mWriter, scene::Scene},
};
use image::{ImageFormat, RgbImage};

/// Units of a few moving pictures of 64×48.
fn units() -> Result<Vec<AccessUnit>> {
    let size = Size::new(64, 48)?;
    let scene = Scene::new(size, 30.0)?;
    let config = EncoderConfig {
        size,
        fps: 30.0,
        bitrate: 50_000,
        keyframe_interval: Some(3),
        skip_frames: false,
        profile: H264Profile::High,
    };
    let mut encoder = Encoder::new(config)?;
    let units = (0..5).filter_map(|n| encoder.encode(&scene.draw(6 * n)).transpose());
    Ok(units.collect::<Result<_, _>>()?)
}

fn nals(units: &[AccessUnit]) -> impl Iterator<Item = &[u8]> {
    units.iter().flat_map(|unit| nal_units(&unit.data))
}

/// Small files of models: plain, following the quantiser, and with ranges.
fn models() -> Result<Vec<Vec<u8>>> {
    let layers = |seed| Ok::<_, anyhow::Error>(Model::untrained(2, 1, seed)?.layers().to_vec());
    let training = Training { trained_on: "nothing".into(), steps: 7, scores: [("psnr".to_owned(), 30.5)].into() };
    let plain = Model::new("plain", layers(1)?, training.clone())?;
    let following = Model::with_qp("following", layers(1)?, layers(2)?, training)?;
    let ranged = following.clone().with_ranges(vec![vec![1.0; 2]; plain.layers().len() - 1])?;
    Ok([plain, following, ranged].iter().map(Model::to_bytes).collect::<Result<_, _>>()?)
}

/// An offer and the answer to it.
async fn descriptions() -> Result<[String; 2]> {
    let runtime = tokio::runtime::Handle::current();
    let (events, _taken) = tokio::sync::mpsc::channel(64);
    let peer = async |media| Peer::new(PeerConfig::new(media, 100_000), &runtime, events.clone()).await;
    let (near, far) = (peer(Media::SendRecv).await?, peer(Media::RecvOnly).await?);
    let offer = near.offer().await?;
    let answer = far.answer(&offer).await?;
    Ok([offer, answer])
}

/// Packets as the target `depacketize` takes them.
fn packets(units: &[AccessUnit]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut sequence = 0_u16;
    for (timestamp, unit) in units.iter().enumerate() {
        let payloads = packetize::packetize_nals(nal_units(&unit.data), 100);
        for (i, payload) in payloads.iter().enumerate() {
            let marker = u8::from(i + 1 == payloads.len()) << 7;
            out.extend(sequence.to_be_bytes());
            out.extend([timestamp as u8, marker | payload.len() as u8, 5]);
            out.extend_from_slice(payload);
            sequence += 1;
        }
    }
    out
}

fn pictures() -> Result<Vec<Vec<u8>>> {
    let picture = RgbImage::from_fn(17, 9, |x, y| image::Rgb([10 * x as u8, 20 * y as u8, (x * y) as u8]));
    let write = |format| {
        let mut out = Cursor::new(Vec::new());
        picture.write_to(&mut out, format).map(|()| out.into_inner())
    };
    Ok(vec![write(ImageFormat::Jpeg)?, write(ImageFormat::Png)?])
}

fn y4m(folder: &Path) -> Result<Vec<u8>> {
    let path = folder.join("seed.y4m");
    let size = Size::new(6, 4)?;
    let mut writer = Y4mWriter::create(&path, size, 29.97, Colour::default())?;
    let scene = Scene::new(size, 30.0)?;
    (0..3).try_for_each(|n| writer.write(&scene.draw(n)))?;
    writer.finish()?;
    let data = fs::read(&path)?;
    fs::remove_file(path)?;
    Ok(data)
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("give the folder to write to")?;
    let folder = Path::new(&folder);
    let write = |target: &str, seeds: Vec<Vec<u8>>| {
        let folder = folder.join(target);
        fs::create_dir_all(&folder)?;
        seeds.iter().enumerate().try_for_each(|(i, seed)| fs::write(folder.join(format!("seed-{i}")), seed))
    };
    let text = |seeds: &[&str]| seeds.iter().map(|seed| seed.as_bytes().to_vec()).collect::<Vec<_>>();
    fs::create_dir_all(folder)?;

    let units = units()?;
    let stream: Vec<u8> = units.iter().flat_map(|unit| unit.data.clone()).collect();
    let sets: Vec<&[u8]> =
        nals(&units[..1]).filter(|nal| matches!(NalKind::of(nal), Some(NalKind::Sps | NalKind::Pps))).collect();
    let samples: Vec<Vec<u8>> = units.iter().map(mp4::sample).collect();
    write(
        "annex_b",
        vec![[&[7], &*stream].concat(), [&[0], &*samples[1]].concat(), [&[0], &*mp4::avcc(&sets)].concat()],
    )?;
    write("parameter_sets", sets.iter().map(|set| set.to_vec()).collect())?;
    for target in ["byte_stream", "slice_header", "decoder"] {
        write(target, vec![stream.clone(), units[0].data.clone(), [&*units[0].data, &units[2].data].concat()])?;
    }
    write("mp4", vec![mp4::indexed(&sets, &samples), mp4::fragmented(&sets, &samples)])?;
    write("mkv", vec![mkv::film(&sets, &samples)])?;
    write("y4m", vec![y4m(folder)?])?;

    let pictures = pictures()?;
    // 17 columns and 9 rows, in JPEG and in each of the other formats.
    let camera = |format: u8, data: &[u8]| [&[format, 0x24], data].concat();
    let raw = vec![90; 3 * 17 * 9];
    write("mjpeg", (0..6).map(|format| camera(format, &raw)).chain([camera(6, &pictures[0])]).collect())?;
    write("still", pictures)?;
    write("model", models()?)?;

    write("depacketize", vec![packets(&units)])?;
    let joined = nals(&units).map(|nal| nal.split(|byte| *byte == 0).next().unwrap_or_default());
    write("roundtrip", vec![[&[100, 3, 5], &*joined.collect::<Vec<_>>().join(&0)].concat()])?;

    let descriptions = tokio::runtime::Runtime::new()?.block_on(descriptions())?;
    let [offer, answer] = &descriptions;
    let lines = [signal::to_line(signal::SdpType::Offer, offer)?, signal::to_line(signal::SdpType::Answer, answer)?];
    write("call_line", text(&[&lines[0], &lines[1], "v=0\r\n"]))?;
    let refused = answer.replacen(
        "m=video",
        "m=audio 0 UDP/TLS/RTP/SAVPF 0\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\nm=video",
        1,
    );
    write("sdp", text(&[offer, answer, &refused]))?;
    write(
        "join_link",
        text(&["http://192.0.2.7:7800/whip?token=abc_-1", "http://[::1]:80/a?b=c&token=d#e", "https://a/"]),
    )?;
    write(
        "whip",
        text(&[
            &format!("Bearer token\0application/sdp\0a=b\0{offer}"),
            "\0Application/SDP; charset=utf-8\0token=token\0v=0",
            "Bearer other\0text/plain\0\0",
        ]),
    )?;
    Ok(())
}
