"""An hls4ml project of a student's network, for Vitis HLS."""

import contextlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hls4ml
import keras
import numpy as np
from hls4ml.model.graph import ModelGraph

from nn.compat.hls4ml import fixed_stamp
from utils.hardware.verilog import TOP_MODULE

# The precision concerns layers without a quantiser; hls4ml derives all other types from the quantisers of HGQ2.
SETTINGS = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "latency"}}


def hls_project(network: keras.Model, folder: Path, clock_period: float) -> ModelGraph:
    """Write the project of a network, with an initiation interval of 1, into a folder.

    Parameters
    ----------
    network : keras.Model
        Quantised.
    folder : Path
    clock_period : float
        In ns.

    Returns
    -------
    ModelGraph

    Raises
    ------
    ValueError
        If hls4ml does not support a layer; with its message.
    """
    with contextlib.redirect_stdout(io.StringIO()), fixed_stamp(TOP_MODULE):
        try:
            project = hls4ml.converters.convert_from_keras_model(
                network,
                hls_config=SETTINGS,
                backend="Vitis",
                output_dir=str(folder),
                project_name=TOP_MODULE,
                io_type="io_parallel",
                clock_period=clock_period,
            )
            project.write()
        except Exception as error:  # hls4ml has no error class of its own for unsupported layers
            raise ValueError(f"hls4ml: {' '.join(str(error).split()) or type(error).__name__}") from error
    return project


def simulate_hls(project: ModelGraph, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Compile a project with g++, and run events through it.

    Parameters
    ----------
    project : ModelGraph
    inputs : sequence of np.ndarray
        Inputs of the network, in its order, float32.

    Returns
    -------
    np.ndarray, shape (n_events, 1), float32

    Raises
    ------
    RuntimeError
        If it does not compile.
    """
    with contextlib.redirect_stdout(io.StringIO()), fixed_stamp(TOP_MODULE):
        project.compile()
    return project.predict([np.ascontiguousarray(part) for part in inputs]).reshape(-1, 1)


def write_test_data(folder: Path, inputs: Sequence[np.ndarray], outputs: np.ndarray) -> None:
    """Write the inputs of a network, float32, and its outputs, shape (n_events, 1), for the test bench of a project."""
    rows = np.concatenate([part.reshape(len(part), -1) for part in inputs], axis=1)
    for name, values in (("tb_input_features", rows), ("tb_output_predictions", outputs)):
        np.savetxt(folder / "tb_data" / f"{name}.dat", values, fmt="%.17g")


def make_reproducible(path: Path) -> None:
    """Remove the times and addresses from a Keras model file, so that equal networks give equal files."""
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    metadata = json.loads(content["metadata.json"])
    del metadata["date_saved"]
    content["metadata.json"] = json.dumps(metadata).encode()
    content["config.json"] = _numbered_objects(content["config.json"])
    with zipfile.ZipFile(path, "w") as file:
        for name, member in content.items():
            file.writestr(zipfile.ZipInfo(name), member)  # ZipInfo dates members to 1980


def _numbered_objects(config: bytes) -> bytes:
    """Replace the memory addresses by which Keras names shared parts of a network, by numbers in their order."""
    numbers: dict[int, int] = {}

    def numbered(part: dict[str, Any]) -> dict[str, Any]:
        if "shared_object_id" in part:
            part["shared_object_id"] = numbers.setdefault(part["shared_object_id"], len(numbers))
        return part

    return json.dumps(json.loads(config, object_hook=numbered)).encode()
