//! The shaders' sources, and how they include each other.

use super::plan::GpuDataType;

/// All files of `shaders/` and `shaders/include/`, by their names without folder.
pub const SHADERS: &[(&str, &str)] = &[
    ("first.wgsl", include_str!("../../../shaders/first.wgsl")),
    ("layer.wgsl", include_str!("../../../shaders/layer.wgsl")),
    ("fused_first_two.wgsl", include_str!("../../../shaders/fused_first_two.wgsl")),
    ("fused_two.wgsl", include_str!("../../../shaders/fused_two.wgsl")),
    ("last.wgsl", include_str!("../../../shaders/last.wgsl")),
    ("compose.wgsl", include_str!("../../../shaders/compose.wgsl")),
    ("present.wgsl", include_str!("../../../shaders/present.wgsl")),
    ("luma.wgsl", include_str!("../../../shaders/luma.wgsl")),
    ("double.wgsl", include_str!("../../../shaders/double.wgsl")),
    ("picture.wgsl", include_str!("../../../shaders/include/picture.wgsl")),
    ("bicubic.wgsl", include_str!("../../../shaders/include/bicubic.wgsl")),
    ("detail.wgsl", include_str!("../../../shaders/include/detail.wgsl")),
    ("words.wgsl", include_str!("../../../shaders/include/words.wgsl")),
    ("hysteresis.wgsl", include_str!("../../../shaders/include/hysteresis.wgsl")),
    ("planes.wgsl", include_str!("../../../shaders/include/planes.wgsl")),
    ("conv.wgsl", include_str!("../../../shaders/include/conv.wgsl")),
    ("start.wgsl", include_str!("../../../shaders/include/start.wgsl")),
    ("before.wgsl", include_str!("../../../shaders/include/before.wgsl")),
    ("after.wgsl", include_str!("../../../shaders/include/after.wgsl")),
    ("tile.wgsl", include_str!("../../../shaders/include/tile.wgsl")),
    ("pictures.wgsl", include_str!("../../../shaders/include/pictures.wgsl")),
    ("f32.wgsl", include_str!("../../../shaders/include/f32.wgsl")),
    ("f16.wgsl", include_str!("../../../shaders/include/f16.wgsl")),
    ("int8.wgsl", include_str!("../../../shaders/include/int8.wgsl")),
    ("floats.wgsl", include_str!("../../../shaders/include/floats.wgsl")),
    ("bytes.wgsl", include_str!("../../../shaders/include/bytes.wgsl")),
];

/// A shader that cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShaderError {
    /// There is no such file in [`SHADERS`].
    #[error("there is no shader '{0}'")]
    Missing(String),
    /// A line that begins like an include and does not go on like one.
    #[error("line {line} of {file} should read #include \"name.wgsl\"")]
    Syntax {
        /// Which file.
        file: String,
        /// Which line, from 1.
        line: usize,
    },
}

/// What shaders include for the numbers they compute with: `f32.wgsl`, `f16.wgsl` or `int8.wgsl`.
pub const DATA_TYPE: &str = "data_type.wgsl";
/// What they include for how these are multiplied: `floats.wgsl` or `bytes.wgsl`.
pub const TAPS: &str = "taps.wgsl";

/// A shader with its includes in their places, each of them once.
///
/// # Errors
/// When a file that is named does not exist, or an include is written wrongly.
pub fn source(name: &str, precision: GpuDataType) -> Result<String, ShaderError> {
    let (mut text, mut seen) = (String::new(), Vec::new());
    expand(name, precision, &mut seen, &mut text)?;
    Ok(text)
}

fn expand<'a>(
    name: &'a str,
    precision: GpuDataType,
    seen: &mut Vec<&'a str>,
    text: &mut String,
) -> Result<(), ShaderError> {
    let name = match (name, precision) {
        (DATA_TYPE, GpuDataType::F32) => "f32.wgsl",
        (DATA_TYPE, GpuDataType::F16) => "f16.wgsl",
        (DATA_TYPE, GpuDataType::Int8) => "int8.wgsl",
        (TAPS, GpuDataType::F32 | GpuDataType::F16) => "floats.wgsl",
        (TAPS, GpuDataType::Int8) => "bytes.wgsl",
        _ => name,
    };
    if seen.contains(&name) {
        return Ok(());
    }
    seen.push(name);
    let file = SHADERS.iter().find(|(known, _)| *known == name);
    let Some((_, file)) = file else { return Err(ShaderError::Missing(name.to_owned())) };
    for (i, line) in file.lines().enumerate() {
        match line.strip_prefix("#include") {
            Some(rest) => {
                let quoted = rest.trim().strip_prefix('"').and_then(|r| r.strip_suffix('"'));
                let syntax = || ShaderError::Syntax { file: name.to_owned(), line: i + 1 };
                expand(quoted.ok_or_else(syntax)?, precision, seen, text)?;
            }
            None => {
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn includes_come_once_and_in_place() {
        let text = source("present.wgsl", GpuDataType::F32).unwrap();
        assert!(!text.contains("#include"));
        assert_eq!(text.matches("struct Picture").count(), 1);
        assert!(text.find("fn double").unwrap() < text.find("fn main").unwrap());
        assert!(text.contains("vec4<f32>;") && !text.contains("f16"));
        let half = source("present.wgsl", GpuDataType::F16).unwrap();
        assert!(half.contains("\nenable f16;\n") && half.find("enable").unwrap() < half.find("alias").unwrap());
        assert_eq!(source("nothing.wgsl", GpuDataType::F32), Err(ShaderError::Missing("nothing.wgsl".to_owned())));
    }
}
