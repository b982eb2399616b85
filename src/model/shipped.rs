//! The models that are built into the program.

/// Name and file of each; the first is used when none is asked for.
pub(super) const MODELS: &[(&str, &[u8])] = &[
    ("small", include_bytes!("../../models/small.safetensors")),
    ("nano", include_bytes!("../../models/nano.safetensors")),
    ("medium", include_bytes!("../../models/medium.safetensors")),
    ("large", include_bytes!("../../models/large.safetensors")),
];

/// The vivid weights of those that have some.
pub(super) const VIVID: &[(&str, &[u8])] = &[
    ("small", include_bytes!("../../models/small.vivid.safetensors")),
    ("medium", include_bytes!("../../models/medium.vivid.safetensors")),
    ("large", include_bytes!("../../models/large.vivid.safetensors")),
];
