//! The networks that LPIPS looks through, and their file.
//!
//! They are no part of this program: `scripts/features.py` makes the files. A file is safetensors, with the tensors
//! `conv0.weight` (outputs, inputs, k, k), `conv0.bias` (outputs), `conv1.weight`, … in the network's order, and
//! LPIPS' linear weights `lin0.weight` (channels) to `lin4.weight`, one for each stage; all F32. The metadata string
//! `network` is `alexnet` or `vgg16`.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::file::{clip, numbers, parts, read};

/// The most bytes that a file may have.
const MAX_FILE: usize = 64 << 20;

/// What is taken from R′G′B′ in −1..1 before the first convolution; then it is divided by [`SCALE`].
pub const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
/// See [`SHIFT`].
pub const SCALE: [f32; 3] = [0.458, 0.448, 0.450];

/// Which network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Network {
    /// The convolutions of AlexNet (Krizhevsky 2014): the one that LPIPS is usually told of.
    AlexNet,
    /// The convolutions of VGG16 (Simonyan and Zisserman 2014).
    Vgg16,
}

impl Network {
    const ALL: [Self; 2] = [Self::AlexNet, Self::Vgg16];

    /// Its name in files and JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AlexNet => "alexnet",
            Self::Vgg16 => "vgg16",
        }
    }

    /// Its layers in order.
    pub const fn layers(self) -> &'static [Layer] {
        match self {
            Self::AlexNet => &ALEXNET,
            Self::Vgg16 => &VGG16,
        }
    }
}

/// A convolution with zeros around the picture, and the ReLU behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layer {
    /// Of the largest of so many pixels, before the convolution.
    pub pool: Option<Pool>,
    /// Channels that it reads.
    pub inputs: usize,
    /// Channels that it writes.
    pub outputs: usize,
    /// Its window's side.
    pub kernel: usize,
    /// Its window's step.
    pub stride: usize,
    /// Rows and columns of zeros on each side.
    pub padding: usize,
    /// Whether what leaves it is one of the stages by which LPIPS compares.
    pub stage: bool,
}

/// The largest value in a window; windows that do not lie wholly in the picture are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pool {
    /// The window's side.
    pub side: usize,
    /// The window's step.
    pub stride: usize,
}

/// A layer from `inputs` to `outputs` channels that keeps the picture's size.
const fn layer(inputs: usize, outputs: usize, kernel: usize) -> Layer {
    Layer { pool: None, inputs, outputs, kernel, stride: 1, padding: kernel / 2, stage: false }
}

/// The last layer of a stage.
const fn stage(layer: Layer) -> Layer {
    Layer { stage: true, ..layer }
}

/// A layer behind the largest of `side`×`side`, taken at every second pixel.
const fn pooled(side: usize, layer: Layer) -> Layer {
    Layer { pool: Some(Pool { side, stride: 2 }), ..layer }
}

const ALEXNET: [Layer; 5] = [
    Layer { stride: 4, padding: 2, ..stage(layer(3, 64, 11)) },
    pooled(3, stage(layer(64, 192, 5))),
    pooled(3, stage(layer(192, 384, 3))),
    stage(layer(384, 256, 3)),
    stage(layer(256, 256, 3)),
];

const VGG16: [Layer; 13] = [
    layer(3, 64, 3),
    stage(layer(64, 64, 3)),
    pooled(2, layer(64, 128, 3)),
    stage(layer(128, 128, 3)),
    pooled(2, layer(128, 256, 3)),
    layer(256, 256, 3),
    stage(layer(256, 256, 3)),
    pooled(2, layer(256, 512, 3)),
    layer(512, 512, 3),
    stage(layer(512, 512, 3)),
    pooled(2, layer(512, 512, 3)),
    layer(512, 512, 3),
    stage(layer(512, 512, 3)),
];

/// A layer and its numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution {
    /// Its shape.
    pub layer: Layer,
    /// As `[outputs][inputs][kernel][kernel]`, rows before columns.
    pub weights: Vec<f32>,
    /// One for each output.
    pub bias: Vec<f32>,
}

/// A file that is none of a network's features.
#[derive(Debug, thiserror::Error)]
pub enum FeaturesError {
    /// The file cannot be read.
    #[error("cannot read the features file {}: {source}. scripts/features.py makes it", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It holds something else.
    #[error("the features file {} cannot be used: {why}. Make it anew with scripts/features.py", path.display())]
    Invalid {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// A network's convolutions and LPIPS' linear weights.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// Which network it is.
    pub network: Network,
    /// As in [`Network::layers`].
    pub convolutions: Vec<Convolution>,
    /// For each stage a weight for each channel.
    pub linear: Vec<Vec<f32>>,
}

impl Features {
    /// Reads a file and checks it.
    ///
    /// # Errors
    /// When it cannot be read, or is no network of these with finite numbers only.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, FeaturesError> {
        let path = path.as_ref();
        let bytes = read(path, MAX_FILE).map_err(|source| FeaturesError::Read { path: path.to_owned(), source })?;
        Self::parse(&bytes).map_err(|why| FeaturesError::Invalid { path: path.to_owned(), why })
    }

    /// The error says what is wrong, without the file's name.
    fn parse(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_FILE {
            return Err(format!("it is larger than the {} MiB that it may have", MAX_FILE >> 20));
        }
        let (metadata, tensors) = parts(bytes)?;
        let name = metadata.metadata().as_ref().and_then(|strings| strings.get("network"));
        let name = name.ok_or("its metadata lacks 'network'")?;
        let network = Network::ALL.into_iter().find(|n| n.name() == name);
        let network = network.ok_or_else(|| format!("its network is '{}', not alexnet or vgg16", clip(name)))?;
        let finite = |name: String, shape: &[usize]| {
            let numbers = numbers(&tensors, &name, shape)?;
            if numbers.iter().all(|v| v.is_finite()) {
                Ok(numbers)
            } else {
                Err(format!("its tensor {name} has numbers that are not finite"))
            }
        };
        let convolution = |(i, &layer): (usize, &Layer)| {
            let Layer { inputs, outputs, kernel, .. } = layer;
            let weights = finite(format!("conv{i}.weight"), &[outputs, inputs, kernel, kernel])?;
            Ok(Convolution { layer, weights, bias: finite(format!("conv{i}.bias"), &[outputs])? })
        };
        let convolutions = network.layers().iter().enumerate().map(convolution).collect::<Result<Vec<_>, String>>()?;
        let stages = network.layers().iter().filter(|layer| layer.stage).enumerate();
        let linear = stages.map(|(i, layer)| finite(format!("lin{i}.weight"), &[layer.outputs]));
        Ok(Self { network, linear: linear.collect::<Result<_, _>>()?, convolutions })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use safetensors::{Dtype, tensor::TensorView};

    /// A file of the network with all tensors, the numbers of which `of` gives by name and count.
    fn file(network: Network, said: &str, of: impl Fn(&str, usize) -> Vec<f32>) -> Vec<u8> {
        let mut tensors: Vec<(String, Vec<usize>)> = Vec::new();
        for (i, layer) in network.layers().iter().enumerate() {
            tensors.push((format!("conv{i}.weight"), vec![layer.outputs, layer.inputs, layer.kernel, layer.kernel]));
            tensors.push((format!("conv{i}.bias"), vec![layer.outputs]));
        }
        for (i, layer) in network.layers().iter().filter(|l| l.stage).enumerate() {
            tensors.push((format!("lin{i}.weight"), vec![layer.outputs]));
        }
        let data: Vec<Vec<u8>> = tensors
            .iter()
            .map(|(name, shape)| of(name, shape.iter().product()).iter().flat_map(|v| v.to_le_bytes()).collect())
            .collect();
        let views = tensors.iter().zip(&data).map(|((name, shape), data)| {
            let (count, wanted) = (data.len() / 4, shape.iter().product::<usize>());
            let shape = if count == wanted { shape.clone() } else { vec![count] };
            (name.as_str(), TensorView::new(Dtype::F32, shape, data).unwrap())
        });
        let metadata = [("network".to_owned(), said.to_owned())].into();
        safetensors::serialize(views, Some(metadata)).unwrap()
    }

    fn zeros(_: &str, count: usize) -> Vec<f32> {
        vec![0.0; count]
    }

    #[test]
    fn both_networks_are_read_and_every_number_is_where_it_belongs() {
        for network in Network::ALL {
            // The first number of each tensor is its name's last digit before the point, the last one 0.5 more.
            let of = |name: &str, count: usize| {
                let digit = name.split('.').next().unwrap().trim_start_matches(char::is_alphabetic).parse::<f32>();
                let mut numbers = vec![0.0; count];
                (numbers[0], numbers[count - 1]) = (digit.clone().unwrap(), digit.unwrap() + 0.5);
                numbers
            };
            let features = Features::parse(&file(network, network.name(), of)).unwrap();
            assert_eq!(features.network, network);
            assert_eq!(features.convolutions.len(), network.layers().len());
            for (i, (conv, layer)) in features.convolutions.iter().zip(network.layers()).enumerate() {
                assert_eq!(conv.layer, *layer);
                assert_eq!(conv.weights.len(), layer.outputs * layer.inputs * layer.kernel * layer.kernel);
                let ends = [&conv.weights, &conv.bias].map(|n| (n[0], n[n.len() - 1]));
                assert_eq!(ends, [(i as f32, i as f32 + 0.5); 2]);
            }
            let ends: Vec<_> = features.linear.iter().map(|n| n[0]).collect();
            assert_eq!(ends, [0.0, 1.0, 2.0, 3.0, 4.0]);
        }
    }

    /// One layer reads what the one before has written.
    #[test]
    fn layers_fit_onto_each_other() {
        for network in Network::ALL {
            let layers = network.layers();
            assert_eq!(layers[0].inputs, 3);
            assert!(layers.windows(2).all(|pair| pair[0].outputs == pair[1].inputs), "{network:?}");
            assert_eq!(layers.iter().filter(|l| l.stage).count(), 5);
            assert!(layers[layers.len() - 1].stage);
        }
    }

    #[test]
    fn what_is_no_such_file_is_told_why() {
        let why = |bytes: &[u8]| Features::parse(bytes).unwrap_err();
        assert!(why(b"short").contains("shorter than 8"));
        assert!(why(&[255; 32]).contains("header"));
        let good = file(Network::AlexNet, "alexnet", zeros);
        assert!(why(&good[..good.len() - 1]).contains("not a whole safetensors file"));
        assert!(why(&file(Network::AlexNet, "resnet\n", zeros)).contains("'resnet '"));
        assert!(why(&file(Network::AlexNet, "vgg16", zeros)).contains("conv0.weight"), "another's shapes");
        let one = |wrong: &'static str, numbers: Vec<f32>| {
            file(
                Network::AlexNet,
                "alexnet",
                move |name: &str, count: usize| {
                    if name == wrong { numbers.clone() } else { vec![0.0; count] }
                },
            )
        };
        assert!(why(&one("lin4.weight", vec![0.0; 255])).contains("lin4.weight has the shape [255]"));
        let mut bias = vec![0.0; 192];
        bias[7] = f32::NAN;
        assert!(why(&one("conv1.bias", bias)).contains("conv1.bias has numbers that are not finite"));
        let error = Features::read("/nowhere/features.safetensors").unwrap_err().to_string();
        assert!(error.contains("/nowhere/features.safetensors") && error.contains("scripts/features.py"), "{error}");
    }
}
