"""The student: a small quantised network of fixed slots that fits into an FPGA."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hgq.utils
import keras
import numpy as np
from hgq.config import LayerConfigScope, QuantizerConfig, QuantizerConfigScope
from hgq.layers import QDense, QEinsum
from hgq.layers.ops.merge import QMaximum, QMinimum, QMultiply
from keras import ops

from nn.compat.keras import PACKAGE
from nn.ranges import fit_integer_bits
from utils.hardware.inputs import StudentInputs
from utils.hardware.integers import HardwareEvents
from utils.hardware.ranges import input_ranges
from utils.hardware.scales import HardwareScales
from utils.predictions import Model
from utils.training.hyperparameters import TARGETS
from utils.training.student_options import StudentShape

POOL = "bnc,bn->bc"
INPUTS = ("objects", "real", "sums", "lowest", "highest")
FACTOR_BITS = 4, 7  # of a factor, before and after the binary point


@dataclass(frozen=True, kw_only=True)
class StudentHyperparameters(StudentShape):
    """Shape of a student, and the steps of its output.

    Attributes
    ----------
    saturation, fraction_bits : int
        The output is a whole number of steps from 0 to `saturation`. A step is 2^-fraction_bits of the energy unit.
    """

    saturation: int = HardwareScales().largest_output
    fraction_bits: int = HardwareScales().feature_bits + HardwareScales().output_bits

    def __post_init__(self) -> None:
        """Check each value.

        Raises
        ------
        ValueError
            If a value is out of range, naming it.
        """
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

    def call(self, inputs: list[Any]) -> Any:
        """Sum objects, shape (batch, n_objects, channels), where real, shape (batch, n_objects), is 1."""
        return ops.einsum(POOL, *inputs)


def _lane(homogeneous_axis: tuple[int, ...]) -> QuantizerConfigScope:
    """Activations: signed fixed point of learned width, the same for all indices of `homogeneous_axis`.

    They wrap around where a number is beyond their integer bits; :func:`calibrate` gives them enough.
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
    """Layers of a floating-point student."""

    def dense(self, units: int, activation: str | None = None, **kwargs: Any) -> keras.layers.Layer:
        return keras.layers.Dense(units, activation, **kwargs)

    def first(self, bits: tuple[int, int], name: str, **kwargs: Any) -> keras.layers.Layer:
        """Select the first of several numbers, in a way that the firmware libraries support."""
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
    """Layers of a fixed-point student."""

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

    Each object passes a dense layer. The sum over the real objects goes back to each object, as in JEDI-linear (Que et
    al., arXiv:2508.15468). After two more layers a second sum, with the energy sums of L1, gives the output. The cost
    grows linearly with the number of objects.

    Parameters
    ----------
    hyperparameters : StudentHyperparameters
    n_slots, n_object_features, n_sums : int
        Numbers of objects, of features of an object, and of energy sums.

    Returns
    -------
    keras.Model
        From `objects`, shape (batch, n_slots, n_object_features), `real`, shape (batch, n_slots), 1 for real objects
        and 0 for empty slots, `sums`, shape (batch, n_sums), and the bounds `lowest` and `highest`, shape (batch, 1),
        to the corrected sum, shape (batch, 1), within these bounds.
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


def count_ebops(network: keras.Model) -> int:
    """Return the effective bit operations of a network as last traced or trained; 0 for a network of floats."""
    return sum(int(layer.ebops) for layer in network.layers if getattr(layer, "enable_ebops", False))


def calibrate(network: keras.Model, inputs: StudentInputs) -> int:
    """Give the activations of a student the integer bits that events may need, and count its effective bit operations.

    Activations wrap around where a number is beyond their bits. They get as many bits as any integers of the trigger
    can need with the weights of this network. A network of floats stays unchanged, and the count is 0.

    Parameters
    ----------
    network : keras.Model
    inputs : StudentInputs
    """
    if not any(getattr(layer, "enable_ebops", False) for layer in network.layers):
        return 0
    fit_integer_bits(network, input_ranges(inputs))
    empty = [np.zeros((1, *tensor.shape[1:]), np.float32) for tensor in network.inputs]
    return int(hgq.utils.trace_minmax(network, empty, reset=False))  # counts bit operations, takes no bits away


def predict_sums(
    network: keras.Model, inputs: StudentInputs, integers: np.ndarray, batch_size: int = 8192
) -> np.ndarray:
    """Predict the corrected sums of events, equal to the output of the firmware.

    Parameters
    ----------
    network : keras.Model
    inputs : StudentInputs
    integers : np.ndarray, shape (n_events, n_integers)
        `StudentInputs.integers` of the events.
    batch_size : int
        Events in a batch.

    Returns
    -------
    np.ndarray, shape (n_events,), float32
        In GeV; whole steps of the output if the student is quantised.
    """
    outputs = [np.zeros(0, np.float32)]
    for start in range(0, len(integers), batch_size):
        events = HardwareEvents.from_table(integers[start : start + batch_size])
        outputs.append(output_sums(network, inputs, inputs.network_inputs(events)))
    return np.concatenate(outputs)


def output_sums(network: keras.Model, inputs: StudentInputs, network_inputs: Sequence[np.ndarray]) -> np.ndarray:
    """Return the corrected sums in GeV, shape (n_events,), float32, of the inputs of a network."""
    return np.asarray(network.predict_on_batch(list(network_inputs)))[:, 0] * np.float32(inputs.scales.energy_unit)


def student_model(network: keras.Model, inputs: StudentInputs) -> Model:
    """Return the model of a student for the evaluation; it gives corrected sums."""
    return Model(inputs.integers, functools.partial(predict_sums, network, inputs), gives_sums=True)


def load_student(path: str | Path) -> keras.Model:
    """Load a student from its .keras file; importing this module registers the classes that it needs.

    Raises
    ------
    ValueError
        If it is of an earlier version, whose output and activations had another meaning.
    """
    network = keras.models.load_model(path, safe_mode=True)
    found = tuple(tensor.name for tensor in network.inputs)
    if found != INPUTS:
        raise ValueError(
            f"a student of an earlier version: inputs {', '.join(found)}, expected {', '.join(INPUTS)}; train it again"
        )
    return network
