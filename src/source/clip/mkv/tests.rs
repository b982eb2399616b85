use std::io::Cursor;

use proptest::prelude::*;

use super::*;

/// An element with its length in eight bytes.
fn element(id: &[u8], payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u64 | 1 << 56).to_be_bytes();
    [id, &length, payload].concat()
}

fn number(id: &[u8], value: u32) -> Vec<u8> {
    element(id, &value.to_be_bytes())
}

/// A film of these pictures at these times in milliseconds, a cluster for each two.
pub(in crate::source::clip) fn mux(codec: &str, private: &[u8], samples: &[(u16, Vec<u8>)], video: &[u8]) -> Vec<u8> {
    let doc_type = if codec.starts_with("V_VP") { &b"webm"[..] } else { b"matroska" };
    let head = [element(&[0x42, 0x82], doc_type), number(&[0x42, 0x87], 4), number(&[0x42, 0x85], 2)].concat();
    let info =
        [number(&[0x2a, 0xd7, 0xb1], 1_000_000), element(&[0x4d, 0x80], b"t"), element(&[0x57, 0x41], b"t")].concat();
    let video = [number(&[0xb0], 64), number(&[0xba], 48), video.to_vec()].concat();
    let track = [
        number(&[0xd7], 1),
        number(&[0x73, 0xc5], 1),
        number(&[0x83], 1),
        element(&[0x86], codec.as_bytes()),
        element(&[0x63, 0xa2], private),
        element(&[0xe0], &video),
    ]
    .concat();
    let sound =
        [number(&[0xd7], 2), number(&[0x73, 0xc5], 2), number(&[0x83], 2), element(&[0x86], b"A_OPUS")].concat();
    let mut segment = [
        element(&[0x15, 0x49, 0xa9, 0x66], &info),
        element(&[0x16, 0x54, 0xae, 0x6b], &[element(&[0xae], &sound), element(&[0xae], &track)].concat()),
    ]
    .concat();
    for pair in samples.chunks(2) {
        let begin = pair[0].0;
        let mut cluster = number(&[0xe7], begin.into());
        for (time, data) in pair {
            cluster.extend(element(&[0xa3], &[&[0x82, 0, 0, 0][..], b"sound"].concat()));
            let header = [&[0x81][..], &(time - begin).to_be_bytes(), &[0]].concat();
            cluster.extend(element(&[0xa3], &[&header[..], data].concat()));
        }
        segment.extend(element(&[0x1f, 0x43, 0xb6, 0x75], &cluster));
    }
    [element(&[0x1a, 0x45, 0xdf, 0xa3], &head), element(&[0x18, 0x53, 0x80, 0x67], &segment)].concat()
}

fn read_all(data: &[u8]) -> Result<Vec<Unit>, ClipError> {
    let path = Path::new("t.mkv");
    let mut mkv = MkvReader::open(Cursor::new(data), path)?;
    std::iter::from_fn(|| mkv.next(path).transpose()).take(1000).collect()
}

/// Found by the fuzz target: the crate went round for ever.
#[test]
fn a_structure_that_leads_round_in_a_circle_ends() {
    let head = element(&[0x42, 0x82], b"matroska");
    let seek_to_itself = [element(&[0x53, 0xab], &[0x11, 0x4d, 0x9b, 0x74]), number(&[0x53, 0xac], 0)].concat();
    for first in [number(&[0xbf], 7), element(&[0x11, 0x4d, 0x9b, 0x74], &element(&[0x4d, 0xbb], &seek_to_itself))] {
        let film = [element(&[0x1a, 0x45, 0xdf, 0xa3], &head), element(&[0x18, 0x53, 0x80, 0x67], &first)].concat();
        assert!(read_all(&film).unwrap_err().to_string().contains("Matroska"));
    }
}

#[test]
fn other_codecs_are_named_with_their_container() {
    for (id, words) in [("V_VP8", ["VP8", "WebM"]), ("V_VP9", ["VP9", "WebM"]), ("V_AV1", ["AV1", "Matroska"])] {
        let error = read_all(&mux(id, &[], &[(0, vec![1; 9])], &[])).err().unwrap().to_string();
        assert!(words.iter().all(|word| error.contains(word)) && error.contains("t.mkv"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_changes_pass(changes in prop::collection::vec((any::<prop::sample::Index>(), prop_oneof![any::<u8>(), Just(0), Just(255), Just(1)]), 1..12), cut in any::<prop::sample::Index>()) {
        let samples: Vec<_> = (0..5).map(|n| (33 * n, vec![0, 0, 0, 5, 0x65, 0x88, 1, 2, 3])).collect();
        let mut data = mux("V_MPEG4/ISO/AVC", &[1, 66, 0xc0, 30, 0xff, 0xe0, 0], &samples, &[]);
        for (at, value) in &changes {
            let at = at.index(data.len());
            data[at] = *value;
        }
        let _ = read_all(&data);
        let _ = read_all(&data[..cut.index(data.len())]);
    }
}
