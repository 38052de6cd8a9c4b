"""Integer bits of a student's activations that no input can overflow, by interval arithmetic."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import numpy as np
from hgq.layers import QDense, QEinsum
from hgq.layers.ops.merge import QMaximum, QMinimum, QMultiply
from hgq.quantizer import Quantizer

from nn.compat.hgq import fraction_bits, input_quantisers, set_integer_bits, wraps_around
from nn.compat.keras import input_names, output_name
from utils.hardware.ranges import InputRanges


@dataclass(frozen=True)
class Interval:
    """The smallest and the largest value of each number of an array, over all inputs.

    Attributes
    ----------
    low, high : np.ndarray, shape (..., n), float64
        For numbers of an event, shape (n,). For numbers of an object, shape (n_cells, n_kinds, n): each object lies in
        one of the cells of its kind.
    """

    low: np.ndarray
    high: np.ndarray

    def apply(self, function: Callable[[np.ndarray], np.ndarray]) -> "Interval":
        """Apply a function that never decreases."""
        return Interval(function(self.low), function(self.high))

    def times(self, kernel: np.ndarray) -> "Interval":
        """Multiply by a matrix."""
        up, down = np.maximum(kernel, 0), np.minimum(kernel, 0)
        return Interval(self.low @ up + self.high @ down, self.high @ up + self.low @ down)


@dataclass(frozen=True)
class ObjectSum(Interval):
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
    def over(cls, objects: Interval, counts: np.ndarray) -> "ObjectSum":
        """Sum over objects."""
        low, high = np.minimum(objects.low.min(0), 0), np.maximum(objects.high.max(0), 0)
        return cls(counts @ low, counts @ high, objects, counts)

    def times(self, kernel: np.ndarray) -> Interval:
        """Multiply each object by a matrix before the sum, which gives a narrower interval than after it."""
        return ObjectSum.over(self.objects.times(kernel), self.counts)


@dataclass(frozen=True)
class Concatenation(Interval):
    """Arrays one after the other.

    Attributes
    ----------
    parts : sequence of Interval
    """

    parts: Sequence[Interval]

    @classmethod
    def join(cls, *parts: Interval) -> "Concatenation":
        """Join arrays."""
        low, high = (np.concatenate([getattr(part, end) for part in parts]) for end in ("low", "high"))
        return cls(low, high, parts)

    def times(self, kernel: np.ndarray) -> Interval:
        """Multiply the parts by their rows of a matrix, and add the products."""
        rows = np.split(kernel, np.cumsum([len(part.low) for part in self.parts])[:-1])
        products = [part.times(part_rows) for part, part_rows in zip(self.parts, rows, strict=True)]
        return Interval(*(np.sum([getattr(product, end) for product in products], axis=0) for end in ("low", "high")))


def _fit(quantiser: Quantizer, values: Interval) -> Interval:
    """Give a quantiser that wraps around the integer bits that values need, and return the rounded values."""
    if not wraps_around(quantiser):
        return values
    fraction = fraction_bits(quantiser)
    scale = 2.0 ** fraction.ravel()
    steps = values.apply(lambda ends: np.floor(ends * scale + 0.5))
    low, high = (
        extreme(ends.reshape(-1, ends.shape[-1]), axis=0).reshape(fraction.shape)
        for ends, extreme in ((steps.low, np.min), (steps.high, np.max))
    )
    _, bits = np.frexp(np.maximum(high, np.where(low < 0, -low - 1, 0)))  # 2^bits exceeds these whole numbers
    set_integer_bits(quantiser, low < 0, bits - fraction)
    return steps.apply(lambda ends: ends / scale)


def _dense(layer: QDense, values: Interval) -> Interval:
    """Intersect two bounds: the product of rounded values, and the exact product plus the largest rounding error."""
    (quantiser,) = input_quantisers(layer)
    kernel = _float64(layer.qkernel)
    bias = _float64(layer.qbias) if layer.use_bias else 0.0
    half_a_step = 0.5 * 2.0 ** -fraction_bits(quantiser).ravel()
    rounding = np.broadcast_to(half_a_step, len(kernel)) @ np.abs(kernel)
    rounded, exact = _fit(quantiser, values).times(kernel), values.times(kernel)
    low, high = np.maximum(rounded.low, exact.low - rounding), np.minimum(rounded.high, exact.high + rounding)
    return _activation(layer, Interval(low + bias, high + bias))


def _float64(values: keras.KerasTensor) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(values), np.float64)


def _activation(layer: keras.layers.Layer, values: Interval) -> Interval:
    return values.apply(lambda ends: np.maximum(ends, 0)) if layer.activation is keras.activations.relu else values


RULES: dict[type, Callable[..., Interval]] = {
    QDense: _dense,
    keras.layers.Activation: _activation,
    keras.layers.Add: lambda layer, a, b: Interval(a.low + b.low, a.high + b.high),
    keras.layers.Concatenate: lambda layer, *parts: Concatenation.join(*parts),
    keras.layers.Reshape: lambda layer, values: values,  # an axis of one object
}
SATURATING = (QMaximum, QMinimum, QMultiply)  # their quantisers have fixed bits and saturate


def fit_integer_bits(network: keras.Model, ranges: InputRanges) -> None:
    """Give the activations of a student enough integer bits that no input in its range overflows them.

    The intervals hold for all inputs. They are somewhat too wide, since they ignore some of the relations between the
    numbers of an event.

    Parameters
    ----------
    network : keras.Model
        A quantised student.
    ranges : InputRanges
        Ranges of its inputs.
    """
    objects = Interval(ranges.object_lowest, ranges.object_highest)
    sums = Interval(ranges.sum_lowest, ranges.sum_highest)
    intervals = dict(zip((tensor.name for tensor in network.inputs), (objects, None, sums), strict=False))
    for operation in network.operations:
        if isinstance(operation, (keras.layers.InputLayer, *SATURATING)):
            continue
        arguments = [intervals[name] for name in input_names(operation)]
        if isinstance(operation, QEinsum):  # of the objects, and of the mask of real ones
            result: Interval = ObjectSum.over(_fit(input_quantisers(operation)[0], arguments[0]), ranges.counts)
        else:
            result = RULES[type(operation)](operation, *arguments)
        intervals[output_name(operation)] = result
