"""Trained teachers and students, as the evaluation uses them."""

import functools
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import keras
import numpy as np

from nn.attention import attention_weights
from nn.prediction import predict
from nn.teacher import load_teacher
from utils.data_processing import GraphCreator
from utils.event_layout import N_SLOTS
from utils.formats.first_look import first_look, memory_limited
from utils.formats.model_file import check_model_file
from utils.predictions import Model
from utils.runtime.paths import missing_error, unreadable_error
from utils.training.records import MODEL_FILE, STUDENT, Training

MOST_METADATA = 10_000  # bytes
LOADING_BYTES = 1 << 30  # limit of the memory to load a model, whatever its configuration
LARGEST_OUTPUT = 1 << 17  # numbers per event, of a layer

Attention = Callable[[np.ndarray], list[np.ndarray]]


@dataclass(frozen=True)
class Loaded:
    """A trained model.

    Attributes
    ----------
    network : keras.Model
        The network itself.
    model : Model
        Its predictions.
    attention : callable or None
        Attention weights of each layer from features; None for a student.
    """

    network: keras.Model
    model: Model
    attention: Attention | None


def load_trained(training: Training) -> Loaded:
    """Load the model of a training; a :class:`UserError` says which file cannot be read."""
    path = training.folder / MODEL_FILE
    if not path.is_file():
        raise missing_error(path)
    first_look(check_model_file, [path])
    try:
        with memory_limited(LOADING_BYTES):
            network = _load_student(path) if training.kind == STUDENT else _load_teacher(path, training.creator)
            _refuse_large_outputs(network)
    except Exception as error:  # a damaged file fails in many ways
        raise unreadable_error(path, error, _loading_problem(path, error)) from None
    if training.student_inputs is None:
        model = replace(
            teacher_model(network, training.creator), calibration=training.calibration, floor=training.floor
        )
        return Loaded(network, model, functools.partial(attention_weights, network))
    from nn.student import student_model

    model = replace(
        student_model(network, training.student_inputs),
        calibration=training.calibration,
        target_scale=training.creator.target_scale,
    )
    return Loaded(network, model, None)


def teacher_model(network: keras.Model, creator: GraphCreator) -> Model:
    """Return the model of a teacher for the evaluation; it gives corrections, to float32 the same on each processor."""
    return Model(
        functools.partial(creator.features, log_type=np.float64),
        functools.partial(predict, network),
        target_scale=creator.target_scale,
    )


def _loading_problem(path: Path, error: Exception) -> str:
    """Return why a model cannot be loaded: another version of Keras that wrote it, or the error."""
    text = " ".join(str(error).split())[:300]
    written_by = _keras_version(path)
    if written_by in (None, keras.__version__):
        return f"not a readable model ({text})"
    return (
        f"written by Keras {written_by}, which the Keras {keras.__version__} here does not understand: "
        f"install that version, or train again ({text})"
    )


def _keras_version(path: Path) -> str | None:
    """Return the version of Keras that wrote a model; None if the file has none."""
    try:
        with zipfile.ZipFile(path) as file, file.open("metadata.json") as metadata:
            version = json.loads(metadata.read(MOST_METADATA))["keras_version"]
    except Exception:  # the file may hold any bytes
        return None
    return version[:40] if isinstance(version, str) and version.isprintable() else None


def _refuse_large_outputs(network: keras.Model) -> None:
    """Refuse a network with an output of a layer that would not fit into memory for a batch."""
    for layer in network.layers:
        for output in keras.tree.flatten(layer.output):
            size = math.prod(length or N_SLOTS for length in output.shape[1:])
            if size > LARGEST_OUTPUT:
                raise ValueError(
                    f"layer '{layer.name}' gives {size} numbers an event, expected {LARGEST_OUTPUT} at most"
                )


def _event_features(network: keras.Model) -> keras.KerasTensor:
    """Return the input of the last dense layer of a teacher."""
    return [layer for layer in network.layers if isinstance(layer, keras.layers.Dense)][-1].input


def n_event_features(network: keras.Model) -> int:
    """Return the number of features of an event that `with_event_features` gives."""
    return int(_event_features(network).shape[-1])


def with_event_features(teacher: Loaded) -> Model:
    """Return a model of corrections and event features, shape (n_events, 1 + n_features), of a teacher."""
    network = teacher.network
    output = keras.layers.Concatenate()([network.output, _event_features(network)])
    return Model(teacher.model.inputs, functools.partial(predict, keras.Model(network.input, output)))


def _load_student(path: Path) -> keras.Model:
    """Load a student. Its libraries take seconds to import, and teachers do not need them."""
    from nn.student import load_student

    return load_student(path)


def _load_teacher(path: Path, creator: GraphCreator) -> keras.Model:
    """Load a teacher, and check that its input and output fit the graphs of a creator."""
    network = load_teacher(path)
    expected = (None, None, len(creator.feature_names)), (None, 1)
    if (network.input_shape, network.output_shape) != expected:
        raise ValueError(f"expected shapes {expected}, found {network.input_shape} and {network.output_shape}")
    return network
