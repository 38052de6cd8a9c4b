"""Integer bits of a student's activations that no input can overflow, by interval arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from hgq.layers import QDense, QEinsum
from hgq.layers.ops.merge import QMaximum, QMinimum, QMultiply

from utils.hardware.ranges import InputRanges


@dataclass(frozen=True)
class Interval:
    """The least and the largest value of each number of an array, over all inputs.

    Attributes
    ----------
    low, high : np.ndarray, shape (..., n), float64
        Of an event, shape (n,); of an object, shape (n_cells, n_kinds, n), one of the cells of its kind.
    """

    low: np.ndarray
    high: np.ndarray

    def each(self, function: Callable[[np.ndarray], np.ndarray]) -> "Interval":
        """Apply a function that does not fall."""
        return Interval(function(self.low), function(self.high))

    def times(self, kernel: np.ndarray) -> "Interval":
        """Multiply by a matrix."""
        up, down = np.maximum(kernel, 0), np.minimum(kernel, 0)
        return Interval(self.low @ up + self.high @ down, self.high @ up + self.low @ down)


@dataclass(frozen=True)
class Pooled(Interval):
    """Sums over objects, each of which may be missing.

    Attributes
    ----------
    objects : Interval
    counts : np.ndarray, shape (n_kinds,)
        Largest number of objects of each kind.
    """

    objects: Interval
    counts: np.ndarray

    @classmethod
    def of(cls, objects: Interval, counts: np.ndarray) -> "Pooled":
        """Sum over objects."""
        low, high = np.minimum(objects.low.min(0), 0), np.maximum(objects.high.max(0), 0)
        return cls(counts @ low, counts @ high, objects, counts)

    def times(self, kernel: np.ndarray) -> Interval:
        """Multiply each object by a matrix, which keeps together what belongs together, before the sum."""
        return Pooled.of(self.objects.times(kernel), self.counts)


@dataclass(frozen=True)
class Joined(Interval):
    """Arrays one after the other.

    Attributes
    ----------
    parts : sequence of Interval
    """

    parts: Sequence[Interval]

    @classmethod
    def of(cls, *parts: Interval) -> "Joined":
        """Join arrays."""
        low, high = (np.concatenate([getattr(part, end) for part in parts]) for end in ("low", "high"))
        return cls(low, high, parts)

    def times(self, kernel: np.ndarray) -> Interval:
        """Multiply the parts by their rows of a matrix, and add."""
        rows = np.split(kernel, np.cumsum([len(part.low) for part in self.parts])[:-1])
        products = [part.times(of_part) for part, of_part in zip(self.parts, rows, strict=True)]
        return Interval(*(np.sum([getattr(product, end) for product in products], axis=0) for end in ("low", "high")))


def _numpy(values: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(values), np.float64)


def _fit(quantiser: Any, values: Interval) -> Interval:
    """Give a quantiser that would wrap around the integer bits that values need, and return what it makes of them."""
    inner = quantiser.quantizer
    if inner.overflow_mode != "WRAP":
        return values
    fraction = _numpy(inner.f)
    scale = 2.0 ** fraction.ravel()
    steps = values.each(lambda ends: np.floor(ends * scale + 0.5))
    low, high = (
        of_all(ends.reshape(-1, ends.shape[-1]), axis=0).reshape(fraction.shape)
        for ends, of_all in ((steps.low, np.min), (steps.high, np.max))
    )
    _, bits = np.frexp(np.maximum(high, np.where(low < 0, -low - 1, 0)))  # of whole numbers: 2^bits is above them
    inner._k.assign((low < 0).astype(np.uint8))
    inner._i.assign((bits - fraction).astype(np.float32))
    return steps.each(lambda ends: ends / scale)


def _dense(layer: QDense, values: Interval) -> Interval:
    """Multiply rounded values, or round and multiply in one: both bounds hold."""
    kernel = _numpy(layer.qkernel)
    bias = _numpy(layer.qbias) if layer.use_bias else 0.0
    half_a_step = 0.5 * 2.0 ** -_numpy(layer.iq.quantizer.f).ravel()
    rounding = np.broadcast_to(half_a_step, len(kernel)) @ np.abs(kernel)
    rounded, exact = _fit(layer.iq, values).times(kernel), values.times(kernel)
    low, high = np.maximum(rounded.low, exact.low - rounding), np.minimum(rounded.high, exact.high + rounding)
    return _activation(layer, Interval(low + bias, high + bias))


def _activation(layer: keras.layers.Layer, values: Interval) -> Interval:
    return values.each(lambda ends: np.maximum(ends, 0)) if layer.activation is keras.activations.relu else values


RULES: dict[type, Callable[..., Interval]] = {
    QDense: _dense,
    keras.layers.Activation: _activation,
    keras.layers.Add: lambda layer, a, b: Interval(a.low + b.low, a.high + b.high),
    keras.layers.Concatenate: lambda layer, *parts: Joined.of(*parts),
    keras.layers.Reshape: lambda layer, values: values,  # an axis of one object
}
SATURATING = (QMaximum, QMinimum, QMultiply)  # their quantisers have fixed bits and saturate


def fit_integer_bits(network: keras.Model, ranges: InputRanges) -> None:
    """Give the activations of a student so many integer bits that no input in its range overflows them.

    The intervals hold for all inputs; they are somewhat wider than needed, since not all that belongs together in an
    event is kept together.

    Parameters
    ----------
    network : keras.Model
        Quantised.
    ranges : InputRanges
        Of its inputs.
    """
    objects = Interval(ranges.object_lowest, ranges.object_highest)
    sums = Interval(ranges.sum_lowest, ranges.sum_highest)
    found = dict(zip((tensor.name for tensor in network.inputs), (objects, None, sums), strict=False))
    for operation in network.operations:
        if isinstance(operation, (keras.layers.InputLayer, *SATURATING)):
            continue
        (node,) = operation._inbound_nodes
        arguments = [found[tensor.name] for tensor in node.arguments.keras_tensors]
        if isinstance(operation, QEinsum):  # objects, and which of them are real
            result: Interval = Pooled.of(_fit(operation.iq[0], arguments[0]), ranges.counts)
        else:
            result = RULES[type(operation)](operation, *arguments)
        found[node.outputs[0].name] = result
