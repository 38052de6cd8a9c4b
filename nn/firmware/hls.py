"""A project of hls4ml, for Vitis HLS, of a student's network."""

import contextlib
import io
import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import hls4ml
import keras
import numpy as np
from hls4ml.model.graph import ModelGraph

from utils.hardware.verilog import TOP_MODULE

# Of what has no quantiser of its own; hls4ml derives all other types from those of HGQ2.
SETTINGS = {"Model": {"Precision": "fixed<16,6>", "ReuseFactor": 1, "Strategy": "latency"}}
# hls4ml names the library of a project by random digits; equal projects shall have equal files.
NOT_RANDOM = SimpleNamespace(uuid4=lambda: TOP_MODULE)


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
    with (
        contextlib.redirect_stdout(io.StringIO()),
        mock.patch("hls4ml.model.optimizer.passes.stamp.uuid", NOT_RANDOM),
    ):
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
        except Exception as error:  # hls4ml has no type of its own for what it does not support
            raise ValueError(f"hls4ml: {' '.join(str(error).split()) or type(error).__name__}") from error
    return project


def simulate_hls(project: ModelGraph, inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Compile a project with g++, and run events through it.

    Parameters
    ----------
    project : ModelGraph
    inputs : sequence of np.ndarray
        Of the network, in its order, float32.

    Returns
    -------
    np.ndarray, shape (n_events, 1), float32

    Raises
    ------
    RuntimeError
        If it does not compile.
    """
    with (
        contextlib.redirect_stdout(io.StringIO()),
        mock.patch("hls4ml.model.optimizer.passes.stamp.uuid", NOT_RANDOM),
    ):
        project.compile()
    return project.predict([np.ascontiguousarray(part) for part in inputs]).reshape(-1, 1)


def remove_time_of_saving(path: Path) -> None:
    """Write a Keras model file without the times that Keras puts into it, so that equal networks make equal files."""
    with zipfile.ZipFile(path) as file:
        content = {name: file.read(name) for name in file.namelist()}
    metadata = json.loads(content["metadata.json"])
    del metadata["date_saved"]
    content["metadata.json"] = json.dumps(metadata).encode()
    with zipfile.ZipFile(path, "w") as file:
        for name, member in content.items():
            file.writestr(zipfile.ZipInfo(name), member)  # of 1980
