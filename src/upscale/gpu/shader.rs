//! The shaders' sources, and how they include each other.

/// All files of `shaders/` and `shaders/include/`, by their names without folder.
pub const SHADERS: &[(&str, &str)] = &[
    ("first.wgsl", include_str!("../../../shaders/first.wgsl")),
    ("layer.wgsl", include_str!("../../../shaders/layer.wgsl")),
    ("present.wgsl", include_str!("../../../shaders/present.wgsl")),
    ("luma.wgsl", include_str!("../../../shaders/luma.wgsl")),
    ("double.wgsl", include_str!("../../../shaders/double.wgsl")),
    ("picture.wgsl", include_str!("../../../shaders/include/picture.wgsl")),
    ("bicubic.wgsl", include_str!("../../../shaders/include/bicubic.wgsl")),
    ("detail.wgsl", include_str!("../../../shaders/include/detail.wgsl")),
    ("words.wgsl", include_str!("../../../shaders/include/words.wgsl")),
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

/// A shader with its includes in their places, each of them once.
pub fn source(name: &str) -> Result<String, ShaderError> {
    let (mut text, mut seen) = (String::new(), Vec::new());
    expand(name, &mut seen, &mut text)?;
    Ok(text)
}

fn expand<'a>(name: &'a str, seen: &mut Vec<&'a str>, text: &mut String) -> Result<(), ShaderError> {
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
                expand(quoted.ok_or_else(syntax)?, seen, text)?;
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
        let text = source("present.wgsl").unwrap();
        assert!(!text.contains("#include"));
        assert_eq!(text.matches("struct Picture").count(), 1);
        assert!(text.find("fn double").unwrap() < text.find("fn main").unwrap());
        assert_eq!(source("nothing.wgsl"), Err(ShaderError::Missing("nothing.wgsl".to_owned())));
    }
}
