"""A trained teacher as an ONNX model: from the L1 objects of events to their corrected sums, without Python.

The model does all that :class:`nn.correction.Correction` does: energy sums, features, network, uncorrected events,
floor and calibration. So its outputs are columns of :class:`utils.predictions.CorrectedSums`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import onnx
import onnxruntime
import tensorflow as tf

from nn.compat.tf2onnx import onnx_model
from nn.correction import Correction
from nn.tensors import Tensor
from nn.trained import load_trained
from utils.event_layout import JETS, PHI, PID_EMPTY, PID_JET, PT, SLOT_PIDS
from utils.runtime.threads import n_threads
from utils.training.records import Training
from utils.training.rising_tables import RisingTable
from utils.variables import reconstructed

EVENTS, OBJECTS = "events", "objects"  # names of the axes
INPUTS: dict[str, dict[str, Any]] = {
    "objects": {
        "type": "float32",
        "shape": [EVENTS, OBJECTS, 3],
        "content": "pT [GeV], eta, phi [rad] of the L1 objects, in any order; a slot is empty where pT is not above 0",
    },
    "kinds": {
        "type": "int32",
        "shape": [EVENTS, OBJECTS],
        "content": "kind of each object: 1 muon, 2 e/g, 3 jet; a slot of any other kind is empty",
    },
}
OUTPUTS: dict[str, dict[str, Any]] = {
    "l1_sum": {"type": "float32", "shape": [EVENTS], "content": "MET or HT of the L1 objects [GeV]"},
    "correction": {"type": "float32", "shape": [EVENTS], "content": "correction factor, 1 for uncorrected events"},
    "corrected_sum": {"type": "float32", "shape": [EVENTS], "content": "L1 sum times correction [GeV]"},
    "calibrated_sum": {"type": "float32", "shape": [EVENTS], "content": "corrected sum on the calibrated scale [GeV]"},
    "uncorrected": {"type": "bool", "shape": [EVENTS], "content": "no jet at L1, or an L1 sum of 0"},
}


@dataclass(frozen=True)
class _CorrectedSums:
    """The corrected sums of events as a function of TensorFlow."""

    network: keras.Model
    training: Training

    def __call__(self, objects: Tensor, kinds: Tensor) -> list[Tensor]:
        """Return the `OUTPUTS` for the `INPUTS`."""
        # another empty slot, since sizes cannot be inferred from arrays without objects
        objects = tf.pad(objects, [[0, 0], [0, 1], [0, 0]])
        kinds = tf.pad(kinds, [[0, 0], [0, 1]])
        creator = self.training.creator
        real = (objects[:, :, PT] > 0) & (kinds > PID_EMPTY) & (kinds <= PID_JET)
        objects = tf.where(real[:, :, None], objects, 0)
        jets = real & (kinds == PID_JET)
        sums = {"met": _met(objects), "ht": _ht(objects, jets)}
        l1_sum = sums[reconstructed(creator.variable).removeprefix("smeared_")]
        nodes = jets if creator.slots == JETS else real
        factor = self.network(self._features(objects, kinds, sums, nodes), training=False)[:, 0]
        if self.training.floor:
            factor = tf.maximum(factor, _values(self.training.floor, l1_sum) / l1_sum)
        predicted = tf.reduce_any(jets, axis=1) & (l1_sum > 0)
        correction = tf.where(predicted, factor, 1)
        corrected = l1_sum * correction
        calibration = self.training.calibration
        calibrated = _values(calibration, corrected) if calibration else tf.identity(corrected)
        return [l1_sum, correction, corrected, calibrated, ~predicted]

    def _features(self, objects: Tensor, kinds: Tensor, sums: Mapping[str, Tensor], nodes: Tensor) -> Tensor:
        """Return the features of the nodes as the creator computes them, zero where empty."""
        columns = dict(zip(("pt", "eta", "phi"), tf.unstack(objects, axis=-1), strict=True))
        columns |= {name: tf.where(nodes, value[:, None], 0) for name, value in sums.items()}
        columns["pid"] = tf.cast(kinds, tf.float32)
        for name in self.training.creator.log_features:
            columns[name] = tf.cast(tf.math.log1p(tf.cast(columns[name], tf.float64)), tf.float32)
        features = tf.stack([columns[name] for name in self.training.creator.feature_names], axis=-1)
        return tf.where(nodes[:, :, None], features, 0)


def _values(table: RisingTable, sums: Tensor) -> Tensor:
    """Return the values of sums in a table, as a sum of ramps that begin at its points."""
    points, values = vars(table).values()
    slopes = np.diff(values) / np.diff(points)
    ramps = tf.nn.relu(tf.cast(sums, tf.float64)[:, None] - points)
    return tf.cast(values[0] + tf.linalg.matvec(ramps, np.diff(slopes, prepend=0, append=0)), tf.float32)


def _met(objects: Tensor) -> Tensor:
    """Return the MET of events as :func:`utils.l1_events.event_vector` does: cosine and sine have single precision."""
    pt, phi = (tf.cast(objects[:, :, i], tf.float64) for i in (PT, PHI))
    px, py = (tf.reduce_sum(pt * _single(function(phi)), axis=1) for function in (tf.cos, tf.sin))
    return tf.cast(tf.sqrt(px**2 + py**2), tf.float32)


def _single(x: Tensor) -> Tensor:
    return tf.cast(tf.cast(x, tf.float32), tf.float64)


def _ht(objects: Tensor, jets: Tensor) -> Tensor:
    return tf.cast(tf.reduce_sum(tf.where(jets, tf.cast(objects[:, :, PT], tf.float64), 0), axis=1), tf.float32)


def slot_kinds(n_events: int) -> np.ndarray:
    """Return the input `kinds` of events in the slots of an L1 regression file, shape (n_events, 18), int32."""
    return np.tile(SLOT_PIDS.astype(np.int32), (n_events, 1))


def export_onnx(training: Training, record: Mapping[str, Any]) -> tuple[onnx.ModelProto, Correction]:
    """Convert the teacher of a training.

    Parameters
    ----------
    training : Training
    record : mapping of str to object
        Metadata of the model; values that are no text become JSON.

    Returns
    -------
    model : onnx.ModelProto
    correction : Correction
        The same correction with Keras.
    """
    loaded = load_trained(training)
    specs = [
        tf.TensorSpec([n if isinstance(n, int) else None for n in found["shape"]], found["type"], name)
        for name, found in INPUTS.items()
    ]
    function = _CorrectedSums(loaded.network, training)
    model = onnx_model(function, specs, list(OUTPUTS))
    _name_axes(model)
    model.producer_name, model.producer_version = "l1-regression", ""
    model.doc_string = f"Correction of {training.creator.variable}: L1 objects of events in, corrected sums out"
    onnx.helper.set_model_props(
        model,
        {key: value if isinstance(value, str) else json.dumps(value) for key, value in record.items()},
    )
    return model, Correction(training, loaded.model)


def _name_axes(model: onnx.ModelProto) -> None:
    """Give the axes of inputs and outputs their names, in the place of the unknown ones of the converter."""
    for tensor in (*model.graph.input, *model.graph.output):
        for axis, name in zip(
            tensor.type.tensor_type.shape.dim, {**INPUTS, **OUTPUTS}[tensor.name]["shape"], strict=True
        ):
            if isinstance(name, str):
                axis.dim_param = name


class OnnxCorrection:
    """An exported model in onnxruntime.

    Parameters
    ----------
    model : bytes
        Content of the file.
    """

    def __init__(self, model: bytes):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = n_threads()
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads take no CPU time
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def __call__(self, objects: np.ndarray, kinds: np.ndarray) -> dict[str, np.ndarray]:
        """Return the `OUTPUTS` for the `INPUTS`, all events in one batch."""
        found = self._session.run(list(OUTPUTS), {"objects": objects, "kinds": kinds})
        return dict(zip(OUTPUTS, found, strict=True))
