"""The student: a small quantised network of fixed slots that fits into an FPGA, and its training with a teacher."""

import dataclasses
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hgq.utils
import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfig, QuantizerConfigScope
from hgq.layers import QDense, QEinsum
from hgq.layers.ops.merge import QMaximum, QMinimum, QMultiply
from hgq.utils.sugar import BetaScheduler, FreeEBOPs, PieceWiseSchedule
from keras import ops

from nn.layers import PACKAGE, Correction
from nn.losses import find_loss
from nn.ranges import fit_integer_bits
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import HardwareEvents
from utils.hardware.ranges import input_ranges
from utils.predictions import Model
from utils.runtime.checkpoints import read_state, write_state
from utils.training.batches import Batches
from utils.training.hyperparameters import TARGETS

POOL = "bnc,bn->bc"
INPUTS = ("objects", "real", "sums", "lowest", "highest")
FACTOR_BITS = 4, 7  # of a factor, before and after the binary point
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
        What the last dense layer gives: the corrected MET or HT, or the factor that the sum of L1 is multiplied by.
    quantised : bool
        Whether weights and activations have learned bit widths; without, they are floats.
    saturation, fraction_bits : int
        The output is a whole number of steps from 0 to `saturation`, of 2^-fraction_bits of the energy unit each: that
        of a sum of the hardware.
    """

    object_units: int = 32
    event_units: Sequence[int] = (32, 16)
    target: str = "sum"
    quantised: bool = True
    saturation: int = 2047
    fraction_bits: int = 7

    def __post_init__(self) -> None:
        """Check each value; a ValueError names the one that cannot be."""
        if self.object_units < 1 or not self.event_units or min(self.event_units) < 1:
            raise ValueError(f"object_units, event_units: expected numbers of at least 1, received: {self}")
        if self.target not in TARGETS:
            raise ValueError(f"target: expected {' or '.join(TARGETS)}, received: target={self.target!r}")

    @property
    def sum_bits(self) -> tuple[int, int]:
        """Bits of the output before and after the binary point."""
        return self.saturation.bit_length() - self.fraction_bits, self.fraction_bits


@keras.saving.register_keras_serializable(package=PACKAGE)
class PooledObjects(keras.layers.Layer):
    """Sum over the real objects, in floats; the quantised student has HGQ's QEinsum in its place."""

    def call(self, inputs):
        """Sum objects, shape (batch, n_objects, channels), where real, shape (batch, n_objects), is 1."""
        return ops.einsum(POOL, *inputs)


def _lane(homogeneous_axis: tuple[int, ...]) -> QuantizerConfigScope:
    """Activations: signed fixed point of learned width, the same for all indices of `homogeneous_axis`.

    They would wrap around where a number is beyond their integer bits: :func:`calibrate` gives them enough.
    """
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

    def first(self, bits: tuple[int, int], name: str, **kwargs: Any) -> keras.layers.Layer:
        """Return the first of several numbers; libraries of firmware know no other way."""
        return self.dense(1, use_bias=False, kernel_initializer="identity", trainable=False, name=name, **kwargs)

    def multiply(self, first_bits: tuple[int, int], bits: tuple[int, int], name: str) -> keras.layers.Layer:
        return keras.layers.Multiply(name=name)

    def larger(self, bits: tuple[int, int], name: str) -> keras.layers.Layer:
        return keras.layers.Maximum(name=name)

    def smaller(self, bits: tuple[int, int], name: str) -> keras.layers.Layer:
        return keras.layers.Minimum(name=name)

    def pool(self, name: str) -> keras.layers.Layer:
        return PooledObjects(name=name)

    def objects(self) -> Any:
        return LayerConfigScope()

    event = objects


class _Quantised(_Floats):
    """Layers of a student of fixed-point numbers."""

    def dense(self, units: int, activation: str | None = None, **kwargs: Any) -> keras.layers.Layer:
        return QDense(units, activation=activation, **kwargs)

    def first(self, bits: tuple[int, int], name: str, **kwargs: Any) -> keras.layers.Layer:
        return super().first(bits, name, iq_conf=_unsigned(*bits))

    def multiply(self, first_bits: tuple[int, int], bits: tuple[int, int], name: str) -> keras.layers.Layer:
        return QMultiply(iq_confs=[_unsigned(*first_bits), _unsigned(*bits)], name=name)

    def larger(self, bits: tuple[int, int], name: str) -> keras.layers.Layer:
        return QMaximum(iq_confs=[_unsigned(*bits), _unsigned(*bits)], name=name)

    def smaller(self, bits: tuple[int, int], name: str) -> keras.layers.Layer:
        return QMinimum(iq_confs=[_unsigned(*bits), _unsigned(*bits)], name=name)

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
        and 0 for empty slots, `sums`, shape (batch, n_sums), and the bounds `lowest` and `highest`, shape (batch, 1),
        to the corrected sum, shape (batch, 1), not below the one nor above the other.
    """
    layers = _Quantised() if hyperparameters.quantised else _Floats()
    units = hyperparameters.object_units
    objects = keras.Input((n_slots, n_object_features), name="objects")
    real = keras.Input((n_slots,), name="real")
    sums = keras.Input((n_sums,), name="sums")
    lowest, highest = (keras.Input((1,), name=name) for name in ("lowest", "highest"))
    bits = hyperparameters.sum_bits
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
            start_bias = keras.initializers.Constant(start)
            x = layers.dense(1, "relu", bias_initializer=start_bias, name=hyperparameters.target)(x)
        if hyperparameters.target == "factor":
            x = layers.multiply(FACTOR_BITS, bits, "factor_times_sum")([x, layers.first(bits, "own_sum")(sums)])
        x = layers.larger(bits, "not_below_lowest")([x, lowest])
        x = layers.smaller(bits, "not_above_highest")([x, highest])
    return keras.Model([objects, real, sums, lowest, highest], x, name="student")


def with_correction(student: keras.Model, least: float) -> keras.Model:
    """Return a model of the same weights that gives the correction factor, shape (batch, 1).

    Parameters
    ----------
    student : keras.Model
    least : float
        What a sum of 0 counts as: a step of the hardware, in the unit of the inputs.
    """
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


def count_ebops(model: keras.Model) -> int:
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


def calibrate(student: keras.Model, inputs: StudentInputs) -> int:
    """Give the activations of a student the integer bits that events may need, and return its effective bit operations.

    Activations wrap around where a number is beyond their bits, so that they get as many as any integers of the
    hardware can need with these weights. A network of floats stays as it is.

    Parameters
    ----------
    student : keras.Model
    inputs : StudentInputs
    """
    if not any(getattr(layer, "enable_ebops", False) for layer in student.layers):
        return 0
    fit_integer_bits(student, input_ranges(inputs))
    empty = [np.zeros((1, *tensor.shape[1:]), np.float32) for tensor in student.inputs]
    return int(hgq.utils.trace_minmax(student, empty, reset=False))  # counts bit operations, takes no bits away


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


def predict_sums(
    student: keras.Model, inputs: StudentInputs, integers: np.ndarray, batch_size: int = 8192
) -> np.ndarray:
    """Predict the corrected sums of events, as they leave the firmware.

    Parameters
    ----------
    student : keras.Model
    inputs : StudentInputs
    integers : np.ndarray, shape (n_events, n_integers)
        `StudentInputs.integers` of the events.
    batch_size : int
        Events that the model sees at a time.

    Returns
    -------
    np.ndarray, shape (n_events,), float32
        In GeV; of a quantised student whole steps of the hardware.
    """
    parts = (integers[start : start + batch_size] for start in range(0, len(integers), batch_size))
    of_network = [
        np.asarray(student.predict_on_batch(list(inputs.network_inputs(HardwareEvents.from_table(part)))))[:, 0]
        for part in parts
    ]
    return np.concatenate([np.zeros(0, np.float32), *of_network]) * np.float32(inputs.scales.energy_unit)


def student_model(student: keras.Model, inputs: StudentInputs) -> Model:
    """Return what gives the corrected sums of events, for the evaluation."""
    return Model(inputs.integers, functools.partial(predict_sums, student, inputs), gives_sums=True)


def load_student(path: str | Path) -> keras.Model:
    """Load a student from its .keras file; importing this module has registered the classes that it needs.

    Raises
    ------
    ValueError
        If it is of an earlier version, whose output and activations meant something else.
    """
    student = keras.models.load_model(path, safe_mode=True)
    found = tuple(tensor.name for tensor in student.inputs)
    if found != INPUTS:
        raise ValueError(
            f"a student of an earlier version: inputs {', '.join(found)}, expected {', '.join(INPUTS)}; train it anew"
        )
    return student
