"""The student: a small quantised network of fixed slots that fits into an FPGA, and its training with a teacher."""

import dataclasses
import functools
import itertools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import hgq.utils
import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfig, QuantizerConfigScope
from hgq.layers import QDense, QEinsum
from hgq.utils.sugar import BetaScheduler, FreeEBOPs, PieceWiseSchedule
from keras import ops

from nn.data import Batches
from nn.layers import PACKAGE, TARGETS, Correction
from nn.losses import find_loss
from utils.evaluation import Model
from utils.student_inputs import StudentInputs
from utils.unfinished import read_state, write_state

POOL = "bnc,bn->bc"
BATCHES_AT_A_TIME = 32  # of those that a network is calibrated with
HOTTER = (1, 4)
STEPS_WORTH_COMPILING = 2000  # XLA makes a step two to four times as fast, after up to a minute


@dataclasses.dataclass(frozen=True)
class StudentHyperparameters:
    """Shape of a student.

    Attributes
    ----------
    object_units : int
        Width of the dense layers that each object passes, the same for all objects.
    event_units : sequence of int
        Widths of the dense layers after the sum over the objects.
    target : {"sum", "factor"}
        What the network gives: the corrected MET or HT, or the factor that corrects it.
    quantised : bool
        Whether weights and activations have learned bit widths; without, they are floats.
    output_integer_bits, output_fraction_bits : int
        Of the output, an unsigned fixed-point number that saturates. It is in the energy unit of the inputs where the
        target is a sum.
    """

    object_units: int = 32
    event_units: Sequence[int] = (32, 16)
    target: str = "sum"
    quantised: bool = True
    output_integer_bits: int = 4
    output_fraction_bits: int = 7

    def __post_init__(self) -> None:
        """Check each value; a ValueError names the one that cannot be."""
        if self.object_units < 1 or not self.event_units or min(self.event_units) < 1:
            raise ValueError(f"object_units, event_units: expected numbers of at least 1, received: {self}")
        if self.target not in TARGETS:
            raise ValueError(f"target: expected {' or '.join(TARGETS)}, received: target={self.target!r}")


@keras.saving.register_keras_serializable(package=PACKAGE)
class PooledObjects(keras.layers.Layer):
    """Sum over the real objects, in floats; the quantised student has HGQ's QEinsum in its place."""

    def call(self, inputs):
        """Sum objects, shape (batch, n_objects, channels), where real, shape (batch, n_objects), is 1."""
        return ops.einsum(POOL, *inputs)


def _lane(homogeneous_axis: tuple[int, ...]) -> QuantizerConfigScope:
    """Activations: signed fixed point of learned width, the same for all indices of `homogeneous_axis`."""
    return QuantizerConfigScope(
        place="datalane",
        default_q_type="kif",
        overflow_mode="WRAP",
        homogeneous_axis=homogeneous_axis,
        i0=4,
        f0=5,
    )


def _unsigned(integer_bits: int, fraction_bits: int) -> QuantizerConfig:
    """Unsigned fixed point of fixed width that saturates."""
    return QuantizerConfig(
        "kif",
        "datalane",
        k0=0,
        i0=integer_bits,
        f0=fraction_bits,
        overflow_mode="SAT",
        trainable=False,
        homogeneous_axis=None,
        heterogeneous_axis=(),
    )


class _Floats:
    """Layers of a student of floats."""

    def dense(self, units: int, activation: str | None = None, **kwargs: Any) -> keras.layers.Layer:
        return keras.layers.Dense(units, activation, **kwargs)

    def output(self, hyperparameters: StudentHyperparameters, **kwargs: Any) -> keras.layers.Layer:
        return keras.layers.Dense(1, "relu", **kwargs)

    def pool(self, name: str) -> keras.layers.Layer:
        return PooledObjects(name=name)

    def objects(self) -> Any:
        return LayerConfigScope()

    event = objects


class _Quantised(_Floats):
    """Layers of a student of fixed-point numbers."""

    def dense(self, units: int, activation: str | None = None, **kwargs: Any) -> keras.layers.Layer:
        return QDense(units, activation=activation, **kwargs)

    def output(self, hyperparameters: StudentHyperparameters, **kwargs: Any) -> keras.layers.Layer:
        quantiser = _unsigned(hyperparameters.output_integer_bits, hyperparameters.output_fraction_bits)
        return QDense(1, activation="relu", enable_oq=True, oq_conf=quantiser, **kwargs)

    def pool(self, name: str) -> keras.layers.Layer:
        with _lane((0, 1)):
            quantisers = [QuantizerConfig("default", "datalane"), _unsigned(1, 0)]
        return QEinsum(POOL, iq_confs=quantisers, name=name)

    def objects(self) -> Any:
        return _lane((0, 1))

    def event(self) -> Any:
        return _lane((0,))


def build_student(
    hyperparameters: StudentHyperparameters, n_slots: int, n_object_features: int, n_sums: int
) -> keras.Model:
    """Build a student, not compiled.

    Each object passes a dense layer; the sum over the real objects goes back to each object, as in JEDI-linear (Que et
    al., arXiv:2508.15468), and after two more layers a second sum, with the energy sums of L1, gives the output. The
    cost grows linearly with the number of objects.

    Parameters
    ----------
    hyperparameters : StudentHyperparameters
    n_slots, n_object_features, n_sums : int
        Objects, features of each, energy sums.

    Returns
    -------
    keras.Model
        From `objects`, shape (batch, n_slots, n_object_features), `real`, shape (batch, n_slots), 1 for real objects
        and 0 for empty slots, and `sums`, shape (batch, n_sums), to the output, shape (batch, 1), not negative.
    """
    layers = _Quantised() if hyperparameters.quantised else _Floats()
    units = hyperparameters.object_units
    objects = keras.Input((n_slots, n_object_features), name="objects")
    real = keras.Input((n_slots,), name="real")
    sums = keras.Input((n_sums,), name="sums")
    weights = QuantizerConfigScope(place="weight", default_q_type="kbi", overflow_mode="SAT_SYM", b0=6)
    with weights, LayerConfigScope(beta0=0.0, enable_ebops=True):
        with layers.objects():
            x = layers.dense(units, "relu", name="object_1")(objects)
            own = layers.dense(units, name="own")(x)
        first = layers.pool("first_sum")([x, real])
        with layers.event():
            others = layers.dense(units, use_bias=False, name="others")(first)
        others = keras.layers.Reshape((1, units), name="to_each_object")(others)
        x = keras.layers.Activation("relu", name="interaction")(keras.layers.Add(name="own_and_others")([own, others]))
        with layers.objects():
            x = layers.dense(units, "relu", name="object_2")(x)
        x = keras.layers.Concatenate(name="event")([layers.pool("second_sum")([x, real]), sums])
        with layers.event():
            for number, width in enumerate(hyperparameters.event_units, start=1):
                x = layers.dense(width, "relu", name=f"event_{number}")(x)
            start = 0.3 if hyperparameters.target == "sum" else 1.0
            x = layers.output(
                hyperparameters, bias_initializer=keras.initializers.Constant(start), name=hyperparameters.target
            )(x)
    return keras.Model([objects, real, sums], x, name="student")


def with_correction(student: keras.Model, target: str, least: float) -> keras.Model:
    """Return a model of the same weights that gives the correction factor, shape (batch, 1), whatever the target.

    Parameters
    ----------
    student : keras.Model
    target : {"sum", "factor"}
        What the student gives.
    least : float
        What a sum of 0 counts as: a step of the hardware, in the unit of the inputs.
    """
    if target == "factor":
        return student
    corrected = Correction(least, name="correction")([student.output, student.inputs[2]])
    return keras.Model(student.inputs, corrected, name="student")


@keras.saving.register_keras_serializable(package=PACKAGE)
class DistillationLoss(keras.Loss):
    """Loss of a student that learns from truth and teacher: alpha x loss(truth) + (1 - alpha) x loss(teacher).

    After Hinton, Vinyals and Dean (arXiv:1503.02531), for a regression. Keras' own keras.distillation does not serve:
    its Distiller leaves out what layers add to the loss, the price of bits, and the weights of events.

    Parameters
    ----------
    loss : str
        Name of a loss, as for `nn.losses.get_loss`.
    alpha : float
        From 0, the teacher alone, to 1, the truth alone.
    feature_weight : float
        How much the mean squared difference of the teacher's features counts.
    name, reduction : str
        As for every keras.Loss.
    """

    def __init__(
        self,
        loss: str,
        alpha: float,
        feature_weight: float = 0.0,
        name: str = "distillation",
        reduction: str = "sum_over_batch_size",
    ):
        super().__init__(name=name, reduction=reduction)
        self._function = find_loss(loss)
        self.loss, self.alpha, self.feature_weight = loss, alpha, feature_weight

    def call(self, y_true, y_pred):
        """One value a sample, shape (batch,).

        Labels have shape (batch, 2) of the truth alone, or (batch, 3 + n): truth, true variable, correction of the
        teacher, n features of the teacher. Predictions have shape (batch, 1 + n).
        """
        correction = y_pred[:, :1]
        loss = self.alpha * self._function(y_true[:, :2], correction)
        if self.alpha < 1:
            taught = ops.stack([y_true[:, 2], y_true[:, 1]], axis=1)
            loss = loss + (1 - self.alpha) * self._function(taught, correction)
        if self.feature_weight > 0:
            loss = loss + self.feature_weight * ops.mean(ops.square(y_true[:, 3:] - y_pred[:, 1:]), axis=-1)
        return loss

    def get_config(self):
        """Arguments that make an equal loss."""
        return {
            **super().get_config(),
            "loss": self.loss,
            "alpha": self.alpha,
            "feature_weight": self.feature_weight,
        }


def with_features(model: keras.Model, n_features: int) -> keras.Model:
    """Add to the output of a student a linear map of what it knows of the event, to compare with a teacher's features.

    The map is of use in the training only: the student has the same weights and does not contain it.
    """
    event = model.get_layer("event").output
    projection = keras.layers.Dense(n_features, name="teacher_features")(event)
    output = keras.layers.Concatenate(name="correction_and_features")([model.output, projection])
    return keras.Model(model.inputs, output, name="student")


def ebops_of(model: keras.Model) -> int:
    """Return the effective bit operations of a model as it was last traced or trained; 0 for one of floats."""
    return sum(int(layer.ebops) for layer in model.layers if getattr(layer, "enable_ebops", False))


def training_callbacks(
    epochs: int, learning_rate: float, first_beta: float, beta: float, folder: Path
) -> list[keras.callbacks.Callback]:
    """Let the price of bits rise, the learning rate fall, and keep the weights of each epoch.

    The price of an effective bit operation in the loss rises, on a logarithmic scale, from `first_beta` after a fifth
    of the epochs to `beta` after the last, so that one training passes all sizes. The learning rate falls as a cosine
    to a tenth: bits have to be able to fall until the end.
    """
    schedule = PieceWiseSchedule(
        [(0, first_beta, "constant"), (epochs // 5, first_beta, "log"), (epochs, beta, "constant")]
    )
    decay = keras.optimizers.schedules.CosineDecay(learning_rate, max(1, epochs - 1), alpha=0.1)
    return [
        BetaScheduler(schedule),
        keras.callbacks.LearningRateScheduler(lambda epoch: float(decay(epoch))),
        FreeEBOPs(),
        KeepWeights(folder),
    ]


class KeepWeights(keras.callbacks.Callback):
    """Keep the weights of a model after each epoch.

    Parameters
    ----------
    folder : Path
        For a file of each epoch, which is whole at any moment.
    """

    def __init__(self, folder: Path):
        super().__init__()
        self._folder = folder

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Write a file."""
        write_state(_weights_of(self._folder, epoch + 1), {}, self.model.get_weights())


def _weights_of(folder: Path, epoch: int) -> Path:
    return folder / f"epoch_{epoch:04d}.npz"


def load_weights(model: keras.Model, folder: Path, epoch: int) -> None:
    """Give a model the weights that it had after an epoch, counted from 1."""
    kept = read_state(_weights_of(folder, epoch))
    assert kept is not None
    model.set_weights(kept[1])


class _Inputs(keras.utils.PyDataset):
    """Inputs of a network in the order in which they come, once."""

    def __init__(self, inputs: Iterator[tuple[np.ndarray, ...]], length: int):
        super().__init__()
        self._inputs, self._length = inputs, length

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: int) -> tuple[tuple[np.ndarray, ...]]:
        return (next(self._inputs),)


def calibrate(student: keras.Model, inputs: StudentInputs, sources: Sequence[Batches]) -> int:
    """Give the activations of a student the integer bits that events need, and return its effective bit operations.

    Activations wrap around where a number is beyond their bits, so that events have to be foreseen that are hotter than
    all of the training: each event comes also with four times its momenta. A network of floats stays as it is.

    Parameters
    ----------
    student : keras.Model
    inputs : StudentInputs
    sources : sequence of Batches
        Of the inputs, all of an epoch.
    """
    if not any(getattr(layer, "enable_ebops", False) for layer in student.layers):
        return 0

    def joined() -> Iterator[tuple[np.ndarray, ...]]:
        for source in sources:
            batches = (of_batch for of_batch, *_ in source.epoch(0))
            while several := list(itertools.islice(batches, BATCHES_AT_A_TIME)):
                objects, real, sums = (np.concatenate(parts) for parts in zip(*several, strict=True))
                for factor in HOTTER:
                    yield inputs.hotter((objects, real, sums), factor)

    length = len(HOTTER) * sum(math.ceil(len(source) / BATCHES_AT_A_TIME) for source in sources)
    hgq.utils.trace_minmax(student, _Inputs(joined(), length))
    return ebops_of(student)


def compile_student(
    model: keras.Model, learning_rate: float, loss: str, alpha: float, feature_weight: float = 0.0, n_steps: int = 0
) -> None:
    """Compile a model that gives corrections, and perhaps features, for the labels of StudentInputs.

    The loss of the truth alone is monitored as `truth`. A training of many steps is compiled by XLA.
    """
    truth = DistillationLoss(loss, 1.0)
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=DistillationLoss(loss, alpha, feature_weight),
        weighted_metrics=[keras.metrics.MeanMetricWrapper(truth.call, name="truth")],
        jit_compile=n_steps >= STEPS_WORTH_COMPILING,
    )
    model.optimizer.build(model.trainable_variables)


def truth_loss(model: keras.Model, batches: Batches, loss: str) -> float:
    """Return the weighted mean loss of the truth over all events of batches."""
    function = find_loss(loss)
    total, weight = 0.0, 0.0
    for inputs, labels, weights in batches.epoch(0):
        values = np.asarray(function(labels[:, :2], model.predict_on_batch(list(inputs))), np.float64)
        total, weight = total + float(values @ weights), weight + float(weights.sum(dtype=np.float64))
    return total / weight


def predict_corrections(
    student: keras.Model, inputs: StudentInputs, target: str, features: np.ndarray, batch_size: int = 8192
) -> np.ndarray:
    """Predict the corrections of events.

    Parameters
    ----------
    student : keras.Model
    inputs : StudentInputs
    target : {"sum", "factor"}
    features : np.ndarray, shape (n_events, n_slots, n_features), float32
    batch_size : int
        Events that the model sees at a time.

    Returns
    -------
    np.ndarray, shape (n_events,), float32
    """
    model = with_correction(student, target, inputs.least)
    parts = [features[start : start + batch_size] for start in range(0, len(features), batch_size)]
    corrections = [np.asarray(model.predict_on_batch(list(inputs.network_inputs(part))))[:, 0] for part in parts]
    return np.concatenate([np.zeros(0, np.float32), *corrections])


def student_model(student: keras.Model, inputs: StudentInputs, target: str) -> Model:
    """Return what gives the corrections of events, for the evaluation."""
    return Model(inputs.features, functools.partial(predict_corrections, student, inputs, target))


def load_student(path: str | Path) -> keras.Model:
    """Load a student from its .keras file; importing this module has registered the classes that it needs."""
    return keras.models.load_model(path, safe_mode=True)
