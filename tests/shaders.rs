//! Every shader, with what it includes, is parsed and validated.

use std::{collections::BTreeSet, fs, path::Path};

use clearcall::upscale::gpu::{DATA_TYPE, GpuDataType, SHADERS, TAPS, source};
use naga::valid::{Capabilities, ValidationFlags, Validator};

fn files(folder: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let names = fs::read_dir(path).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap());
    names.filter(|n| n.ends_with(".wgsl")).collect()
}

#[test]
fn every_shader_is_valid() {
    let passes = files("shaders");
    assert!(passes.len() >= 5, "the shaders are not where this test looks");
    for (name, precision) in
        passes.iter().flat_map(|n| [(n, GpuDataType::F32), (n, GpuDataType::F16), (n, GpuDataType::Int8)])
    {
        let text = source(name, precision).unwrap();
        let module = naga::front::wgsl::parse_str(&text)
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string_with_path(&text, name.as_str())));
        assert_eq!(module.entry_points.len(), 1, "{name} is one pass");
        // No capability beyond what WebGPU promises everywhere, but for the numbers of 16 bits where they are.
        let capabilities = match precision {
            GpuDataType::F32 | GpuDataType::Int8 => Capabilities::empty(),
            GpuDataType::F16 => Capabilities::SHADER_FLOAT16,
        };
        Validator::new(ValidationFlags::all(), capabilities)
            .validate(&module)
            .unwrap_or_else(|e| panic!("{name}: {}", e.emit_to_string(&text)));
        let group: u32 = module.entry_points[0].workgroup_size.iter().product();
        assert!(group <= 256, "{name} has {group} invocations in a group, and 256 is what every adapter has");
    }
}

#[test]
fn every_file_is_built_in_and_every_include_is_used() {
    let (passes, parts) = (files("shaders"), files("shaders/include"));
    let known: BTreeSet<_> = SHADERS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(known, &passes | &parts);
    for part in parts {
        // One of them is there under another name.
        let name = match part.as_str() {
            "f32.wgsl" | "f16.wgsl" | "int8.wgsl" => DATA_TYPE,
            "floats.wgsl" | "bytes.wgsl" => TAPS,
            other => other,
        };
        let line = format!("#include \"{name}\"");
        assert!(SHADERS.iter().any(|(_, text)| text.contains(&line)), "nothing includes {part}");
    }
}
