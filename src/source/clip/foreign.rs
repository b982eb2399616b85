//! Files that are known by their beginning and not read, so that they are called by their names.

/// What to do with a picture of another kind.
const AS_PICTURE: &str = "a .jpg or .png";
/// What to do with a video of another kind.
const AS_VIDEO: &str = "an .mp4 with H.264 (with ffmpeg: -c:v libx264 -pix_fmt yuv420p)";

/// What a file with this beginning holds, and what to convert it to.
pub(super) fn name(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let at = |from: usize, bytes: &[u8]| head.get(from..).is_some_and(|rest| rest.starts_with(bytes));
    if at(4, b"ftyp") {
        return brand(head);
    }
    let riff = |kind: &[u8]| at(0, b"RIFF") && at(8, kind);
    let transport = |first: usize| (0..3).all(|n| head.get(first + n * 188) == Some(&0x47));
    Some(match () {
        () if riff(b"WEBP") => ("a WebP picture", AS_PICTURE),
        () if at(0, b"GIF8") => ("a GIF", AS_PICTURE),
        () if at(0, b"BM") && at(6, &[0; 4]) => ("a BMP picture", AS_PICTURE),
        () if at(0, b"II*\0") || at(0, b"MM\0*") => ("a TIFF or raw picture", AS_PICTURE),
        () if at(0, b"\0\0\0\x0cJXL ") || at(0, &[0xff, 0x0a]) => ("a JPEG XL picture", AS_PICTURE),
        () if at(0, b"\0\0\0\x0cjP  ") => ("a JPEG 2000 picture", AS_PICTURE),
        () if riff(b"AVI ") => ("an AVI video", AS_VIDEO),
        () if at(0, b"FLV\x01") => ("a Flash video", AS_VIDEO),
        () if at(0, b"OggS") => ("an Ogg video or sound", AS_VIDEO),
        () if at(0, &[0x30, 0x26, 0xb2, 0x75]) => ("a Windows Media video", AS_VIDEO),
        () if at(0, &[0, 0, 1, 0xba]) => ("an MPEG program stream", AS_VIDEO),
        () if at(0, &[0, 0, 1, 0xb3]) => ("an MPEG-1 or MPEG-2 video", AS_VIDEO),
        () if transport(0) || transport(4) => ("an MPEG transport stream", AS_VIDEO),
        () if at(0, b"DKIF") => ("an IVF video (VP8, VP9 or AV1)", AS_VIDEO),
        () if hevc(head) => ("an H.265 (HEVC) byte stream", AS_VIDEO),
        () => return None,
    })
}

/// Pictures that are kept like an MP4, by the kinds that their first box lists.
fn brand(head: &[u8]) -> Option<(&'static str, &'static str)> {
    let end = u32::from_be_bytes(*head.first_chunk()?) as usize;
    let brands = head.get(8..end.min(head.len()))?;
    // The second word is a version.
    let mut kinds = brands.chunks_exact(4).enumerate().filter(|(i, _)| *i != 1).map(|(_, kind)| kind);
    // A film says that it is one too; its first kind decides.
    let first = kinds.next()?;
    match first {
        b"avif" | b"avis" => return Some(("an AVIF picture (AV1)", AS_PICTURE)),
        b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"hevx" => {
            return Some(("a HEIC picture (H.265)", AS_PICTURE));
        }
        b"crx " => return Some(("a raw picture", AS_PICTURE)),
        b"mif1" | b"msf1" | b"miaf" | b"mif2" => {}
        _ => return None,
    }
    let rest: Vec<&[u8]> = kinds.collect();
    let has = |kind: &[u8; 4]| rest.iter().any(|k| k == kind);
    Some(match () {
        () if has(b"avif") || has(b"avis") => ("an AVIF picture (AV1)", AS_PICTURE),
        () if has(b"heic") || has(b"heix") => ("a HEIC picture (H.265)", AS_PICTURE),
        () => ("a HEIF picture", AS_PICTURE),
    })
}

/// A byte stream that begins with H.265's video parameter set, or its delimiter and then that.
fn hevc(head: &[u8]) -> bool {
    let zeros = head.iter().take_while(|&&b| b == 0).count();
    let nal = head.get(zeros + 1..).unwrap_or_default();
    let video_set = [0x40, 0x01];
    zeros >= 2
        && head.get(zeros) == Some(&1)
        && (nal.starts_with(&video_set)
            || (nal.starts_with(&[0x46, 0x01]) && nal.windows(5).take(16).any(|w| w == [0, 0, 1, 0x40, 0x01])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_called_by_their_names() {
        let ftyp = |brands: &[u8]| {
            let length = (8 + brands.len() as u32).to_be_bytes();
            [&length[..], b"ftyp", brands, b"    more"].concat()
        };
        for (head, word) in [
            (ftyp(b"heic\0\0\0\0mif1heic"), "HEIC"),
            (ftyp(b"mif1\0\0\0\0mif1heic"), "HEIC"),
            (ftyp(b"mif1\0\0\0\0mif1avif"), "AVIF"),
            (ftyp(b"avif\0\0\0\0mif1miaf"), "AVIF"),
            (ftyp(b"mif1\0\0\0\0unif"), "HEIF"),
            (b"RIFF\x10\0\0\0WEBPVP8 ".to_vec(), "WebP"),
            (b"GIF89a".to_vec(), "GIF"),
            ([&[0x47][..], &[0; 187]].concat().repeat(3), "transport stream"),
            (vec![0, 0, 1, 0xba, 0x44], "program stream"),
            (vec![0, 0, 0, 1, 0x40, 1, 12], "HEVC"),
            (vec![0, 0, 0, 1, 0x46, 1, 0x50, 0, 0, 0, 1, 0x40, 1], "HEVC"),
        ] {
            assert!(name(&head).unwrap().0.contains(word), "{word}");
        }
        for film in [&ftyp(b"isom\0\0\0\0isommif1")[..], &ftyp(b"qt  \0\0\0\0qt  "), &[0, 0, 0, 1, 0x67], b"", b"ftyp"]
        {
            assert_eq!(name(film), None, "{film:?}");
        }
    }
}
