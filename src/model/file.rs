//! The file of a model: bytes from anywhere to a checked [`Model`], and back.

use std::{
    collections::{BTreeMap, HashMap},
    io::Read as _,
    path::Path,
};

use safetensors::{
    Dtype, SafeTensors,
    tensor::{Metadata, TensorView},
};

use super::{ARCHITECTURE, Conv3x3, MAX_CHANNELS, MAX_FILE, MAX_LAYERS, Model, SCALE, Training};

/// What the names of the tensors end in that follow the quantiser.
const BY_QP: &str = "_by_qp";

/// The name of the tensor that says how large a layer's values become.
fn range(layer: usize) -> String {
    format!("conv{layer}.range")
}

/// The longest header that is parsed: names, shapes and metadata of sixteen layers take two kilobytes.
const MAX_HEADER: u64 = 64 << 10;

/// Reads and checks everything; the error says what is wrong, without the file's name.
pub(super) fn parse(bytes: &[u8], name: String) -> Result<Model, String> {
    if bytes.len() > MAX_FILE {
        return Err(format!("it is larger than the {} MiB that a model may have", MAX_FILE >> 20));
    }
    let (metadata, tensors) = parts(bytes)?;
    let about = About::read(&metadata)?;
    let has = |name: &str| tensors.tensor(name).is_ok();
    let (follows_qp, has_ranges) = (has(&format!("conv0.weight{BY_QP}")), has(&range(0)));
    let sets = if follows_qp { 4 } else { 2 };
    let wants = sets * about.layers + if has_ranges { about.layers - 1 } else { 0 };
    if tensors.len() != wants {
        let (has, layers) = (tensors.len(), about.layers);
        return Err(format!("it holds {has} tensors where {layers} layers of its kind need {wants}"));
    }
    let set = |suffix: &str| {
        let layer = |i: usize| {
            let inputs = if i == 0 { 1 } else { about.channels };
            let outputs = if i + 1 == about.layers { 4 } else { about.channels };
            let weights = numbers(&tensors, &format!("conv{i}.weight{suffix}"), &[outputs, inputs, 3, 3])?;
            let bias = numbers(&tensors, &format!("conv{i}.bias{suffix}"), &[outputs])?;
            Ok(Conv3x3 { inputs, outputs, weights, bias })
        };
        (0..about.layers).map(layer).collect::<Result<Vec<_>, String>>()
    };
    let layers = set("")?;
    let by_qp = if follows_qp { set(BY_QP)? } else { Vec::new() };
    let why = |e| match e {
        super::ModelError::Invalid { why, .. } => why,
        other => other.to_string(),
    };
    let mut model = Model::with_qp(name, layers, by_qp, about.training).map_err(why)?;
    model = model.with_deadband_factor(about.deadband_factor).map_err(why)?;
    if has_ranges {
        let hidden = (0..about.layers - 1).map(|i| numbers(&tensors, &range(i), &[about.channels]));
        model = model.with_ranges(hidden.collect::<Result<_, _>>()?).map_err(why)?;
    }
    model.info.version = about.version;
    Ok(model)
}

/// At most `limit` bytes and one more, so that a file that is too long is told from one that fits; what the file
/// system says about its length is not believed (pipes, devices).
pub(crate) fn read(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::fs::File::open(path)?.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The two parts of a safetensors file.
pub(crate) fn parts(bytes: &[u8]) -> Result<(Metadata, SafeTensors<'_>), String> {
    // The length of the header comes from the file: it is checked before a parser believes it.
    let header = bytes.first_chunk::<8>().map(|b| u64::from_le_bytes(*b));
    let Some(header) = header else { return Err("it is not a safetensors file: it is shorter than 8 bytes".into()) };
    if header > MAX_HEADER {
        return Err(format!("it is not a model in safetensors: its header would take {header} bytes"));
    }
    let unreadable = |e| format!("it is not a whole safetensors file ({e})");
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(unreadable)?;
    Ok((metadata, SafeTensors::deserialize(bytes).map_err(unreadable)?))
}

/// The metadata, checked.
struct About {
    channels: usize,
    layers: usize,
    training: Training,
    version: String,
    deadband_factor: f32,
}

impl About {
    fn read(metadata: &Metadata) -> Result<Self, String> {
        let empty = HashMap::new();
        let strings = metadata.metadata().as_ref().unwrap_or(&empty);
        let required = |key: &str| {
            strings.get(key).ok_or_else(|| format!("its metadata lacks '{key}', so it was not made for this program"))
        };
        let number = |key: &str, max: usize| match required(key)?.parse::<usize>() {
            Ok(n) if (1..=max).contains(&n) => Ok(n),
            _ => Err(format!("its metadata says {key} = '{}', and 1 to {max} are allowed", clip(required(key)?))),
        };
        let architecture = required("architecture")?;
        if architecture != ARCHITECTURE {
            let is = clip(architecture);
            return Err(format!("its architecture is '{is}', and this version knows only '{ARCHITECTURE}'"));
        }
        let scale = required("scale")?;
        if *scale != SCALE.to_string() {
            return Err(format!("it scales by '{}', and this version scales by {SCALE}", clip(scale)));
        }
        let (channels, layers) = (number("channels", MAX_CHANNELS)?, number("layers", MAX_LAYERS)?);
        if layers < 2 {
            return Err("its metadata says layers = 1, and the first and the last are two".to_owned());
        }
        let text = |key| strings.get(key).cloned().unwrap_or_default();
        let steps = match strings.get("steps") {
            Some(s) => s.parse().map_err(|_| format!("its metadata says steps = '{}', not a number", clip(s)))?,
            None => 0,
        };
        let scores: BTreeMap<String, f64> = match strings.get("scores") {
            Some(s) => {
                serde_json::from_str(s).map_err(|e| format!("its scores are no JSON object of numbers ({e})"))?
            }
            None => BTreeMap::new(),
        };
        let deadband_factor = match strings.get("deadband_factor") {
            Some(s) => {
                s.parse().map_err(|_| format!("its metadata says deadband_factor = '{}', not a number", clip(s)))?
            }
            None => 1.0,
        };
        let training = Training { trained_on: text("trained_on"), steps, scores };
        Ok(Self { channels, layers, training, version: text("version"), deadband_factor })
    }
}

/// The start of a string from a file, fit for a message.
pub(crate) fn clip(s: &str) -> String {
    s.chars().take(40).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A tensor's numbers, where it has this shape.
pub(crate) fn numbers(tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<Vec<f32>, String> {
    let tensor = tensors.tensor(name).map_err(|_| format!("it lacks the tensor {name}"))?;
    if tensor.dtype() != Dtype::F32 {
        return Err(format!("its tensor {name} holds {:?}, and only F32 is read", tensor.dtype()));
    }
    if tensor.shape() != shape {
        let is = tensor.shape().iter().take(8).collect::<Vec<_>>();
        return Err(format!("its tensor {name} has the shape {is:?} where {shape:?} is needed"));
    }
    Ok(tensor.data().as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// The reverse of [`parse`].
pub(super) fn serialise(model: &Model) -> Result<Vec<u8>, String> {
    let info = &model.info;
    let scores = serde_json::to_string(&info.scores).map_err(|e| e.to_string())?;
    let metadata = [
        ("architecture", info.architecture.clone()),
        ("scale", info.scale.to_string()),
        ("channels", info.channels.to_string()),
        ("layers", model.layers.len().to_string()),
        ("trained_on", info.trained_on.clone()),
        ("steps", info.steps.to_string()),
        ("scores", scores),
        ("version", info.version.clone()),
    ];
    let bytes = |v: &[f32]| v.iter().flat_map(|f| f.to_le_bytes()).collect::<Vec<_>>();
    let sets = [(&model.layers, ""), (&model.by_qp, BY_QP)];
    let layers =
        sets.into_iter().flat_map(|(layers, suffix)| layers.iter().enumerate().map(move |(i, l)| (i, suffix, l)));
    let data: Vec<_> = layers.map(|(i, suffix, l)| (i, suffix, l, bytes(&l.weights), bytes(&l.bias))).collect();
    let mut views = Vec::with_capacity(2 * data.len());
    for (i, suffix, layer, weights, bias) in &data {
        let view = |shape, data| TensorView::new(Dtype::F32, shape, data).map_err(|e| e.to_string());
        views.push((format!("conv{i}.weight{suffix}"), view(vec![layer.outputs, layer.inputs, 3, 3], weights)?));
        views.push((format!("conv{i}.bias{suffix}"), view(vec![layer.outputs], bias)?));
    }
    let ranges: Vec<_> = model.ranges.iter().flatten().map(|r| (r.len(), bytes(r))).collect();
    for (i, (channels, data)) in ranges.iter().enumerate() {
        let view = TensorView::new(Dtype::F32, vec![*channels], data).map_err(|e| e.to_string())?;
        views.push((range(i), view));
    }
    let mut metadata = metadata.into_iter().map(|(k, v)| (k.to_owned(), v)).collect::<HashMap<_, _>>();
    if model.deadband_factor != 1.0 {
        metadata.insert("deadband_factor".to_owned(), model.deadband_factor.to_string());
    }
    let bytes = safetensors::serialize(views, Some(metadata)).map_err(|e| e.to_string())?;
    let header = bytes.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
    if header > MAX_HEADER || bytes.len() > MAX_FILE {
        return Err("its metadata is too long to be read back: shorten trained_on and scores".to_owned());
    }
    Ok(bytes)
}
