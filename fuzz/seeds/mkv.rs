//! A Matroska file of a few pictures, 33 ms apart.

/// An element with its length in eight bytes.
fn element(id: &[u8], payload: &[u8]) -> Vec<u8> {
    [id, &(payload.len() as u64 | 1 << 56).to_be_bytes(), payload].concat()
}

/// `samples` have the lengths of their NAL units in front.
pub(crate) fn film(sets: &[&[u8]], samples: &[Vec<u8>]) -> Vec<u8> {
    let head = [element(&[0x42, 0x82], b"matroska"), element(&[0x42, 0x87], &[4]), element(&[0x42, 0x85], &[2])];
    let info = [element(&[0x4d, 0x80], b"t"), element(&[0x57, 0x41], b"t")].concat();
    let video = [element(&[0xb0], &[64]), element(&[0xba], &[48])].concat();
    let track = [
        element(&[0xd7], &[1]),
        element(&[0x73, 0xc5], &[1]),
        element(&[0x83], &[1]),
        element(&[0x86], b"V_MPEG4/ISO/AVC"),
        element(&[0x63, 0xa2], &super::mp4::avcc(sets)),
        element(&[0xe0], &video),
    ]
    .concat();
    let mut cluster = element(&[0xe7], &[0]);
    for (n, sample) in (0_u16..).zip(samples) {
        cluster.extend(element(&[0xa3], &[&[0x81][..], &(33 * n).to_be_bytes(), &[0], sample].concat()));
    }
    let segment = [
        element(&[0x15, 0x49, 0xa9, 0x66], &info),
        element(&[0x16, 0x54, 0xae, 0x6b], &element(&[0xae], &track)),
        element(&[0x1f, 0x43, 0xb6, 0x75], &cluster),
    ]
    .concat();
    [element(&[0x1a, 0x45, 0xdf, 0xa3], &head.concat()), element(&[0x18, 0x53, 0x80, 0x67], &segment)].concat()
}
