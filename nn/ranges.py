"""Integer bits of a student's activations that no input can overflow, by interval arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from hgq.layers import QDense, QEinsum
from hgq.layers.ops.merge import QMaximum, QMinimum, QMultiply


@dataclass(frozen=True)
class Interval:
    """The least and the largest value of each number of an array, over all inputs.

    Attributes
    ----------
    low, high : np.ndarray, float64
        Without an axis of events.
    """

    low: np.ndarray
    high: np.ndarray

    def each(self, function: Callable[[np.ndarray], np.ndarray]) -> "Interval":
        """Apply a function that does not fall."""
        return Interval(function(self.low), function(self.high))


def _numpy(values: Any) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(values), np.float64)


def _over_shared(values: np.ndarray, shape: Sequence[int], reduce: Callable[..., np.ndarray]) -> np.ndarray:
    """Reduce values, with an axis of one event, to those that a quantiser has bits of their own for."""
    values = values[None]
    shared = tuple(axis for axis, n in enumerate(shape) if n == 1)
    return reduce(values, axis=shared, keepdims=True)


def _fit(quantiser: Any, values: Interval) -> Interval:
    """Give a quantiser that would wrap around the integer bits that values need, and return what it makes of them."""
    inner = quantiser.quantizer
    if inner.overflow_mode != "WRAP":
        return values
    fraction = _numpy(inner.f)
    steps = values.each(lambda ends: np.floor(ends[None] * 2.0**fraction + 0.5)[0])
    low, high = (_over_shared(ends, fraction.shape, f) for ends, f in ((steps.low, np.min), (steps.high, np.max)))
    _, bits = np.frexp(np.maximum(high, np.where(low < 0, -low - 1, 0)))  # of whole numbers: 2^bits is above them
    inner._k.assign((low < 0).astype(np.uint8))
    inner._i.assign((bits - fraction).astype(np.float32))
    return steps.each(lambda ends: (ends[None] / 2.0**fraction)[0])


def _dense(layer: QDense, values: Interval) -> Interval:
    values = _fit(layer.iq, values)
    kernel = _numpy(layer.qkernel)
    bias = _numpy(layer.qbias) if layer.use_bias else 0.0
    up, down = np.maximum(kernel, 0), np.minimum(kernel, 0)
    found = Interval(values.low @ up + values.high @ down + bias, values.high @ up + values.low @ down + bias)
    return _activation(layer, found)


def _pool(layer: QEinsum, values: Interval, real: Interval) -> Interval:
    """Sum over objects, each of which may be missing."""
    values = _fit(layer.iq[0], values)
    return Interval(np.minimum(values.low, 0).sum(0), np.maximum(values.high, 0).sum(0))


def _activation(layer: keras.layers.Layer, values: Interval) -> Interval:
    return values.each(lambda ends: _numpy(layer.activation(ends)))


def _concatenated(layer: keras.layers.Concatenate, *parts: Interval) -> Interval:
    return Interval(*(np.concatenate([getattr(part, end) for part in parts]) for end in ("low", "high")))


RULES: dict[type, Callable[..., Interval]] = {
    QDense: _dense,
    QEinsum: _pool,
    keras.layers.Activation: _activation,
    keras.layers.Add: lambda layer, a, b: Interval(a.low + b.low, a.high + b.high),
    keras.layers.Concatenate: _concatenated,
    keras.layers.Reshape: lambda layer, values: values.each(lambda ends: ends.reshape(layer.target_shape)),
}
SATURATING = (QMaximum, QMinimum, QMultiply)  # their quantisers have fixed bits and saturate


def fit_integer_bits(network: keras.Model, inputs: Sequence[Interval]) -> None:
    """Give the activations of a student so many integer bits that no input in the range of its inputs overflows them.

    The intervals are exact for each layer; what they do not know is that the numbers of an event belong together, so
    that a bit more than needed may be the result.

    Parameters
    ----------
    network : keras.Model
        Quantised.
    inputs : sequence of Interval
        Of the first inputs of the network; the others enter saturating layers only.
    """
    found = {tensor.name: values for tensor, values in zip(network.inputs, inputs, strict=False)}
    for operation in network.operations:
        if isinstance(operation, (keras.layers.InputLayer, *SATURATING)):
            continue
        (node,) = operation._inbound_nodes
        arguments = [found[tensor.name] for tensor in node.arguments.keras_tensors]
        found[node.outputs[0].name] = RULES[type(operation)](operation, *arguments)
