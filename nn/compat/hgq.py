"""HGQ2 beyond its public interface: the integer bits of quantisers that wrap around, and cheaper quantisers.

HGQ2 sets these bits only from a calibration sample, with `hgq.utils.trace_minmax`. Here they are known from interval
arithmetic. HGQ2 also copies the bit widths to each number that is quantised, computes the power of two of each
copy, and derives gradients through all of it. No issue about either is known upstream; the sources are
https://github.com/calad0i/HGQ2/blob/master/src/hgq/quantizer/internal/fixed_point_quantizer.py and
https://github.com/calad0i/quantizers/blob/master/src/quantizers/fixed_point/_fixed_point_ops.py.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from hgq.quantizer import Quantizer
from hgq.quantizer.internal import fixed_point_quantizer
from hgq.quantizer.internal.base import DefaultBitwidthMapper
from quantizers.fixed_point._fixed_point_ops import FixedPointQuantizer

from utils.compat.versions import replaced, require_version

require_version("hgq2", "0.2", "0.3")
require_version("quantizers", "1.2.2", "1.3")

LN2 = math.log(2)


def input_quantisers(layer: keras.layers.Layer) -> list[Any]:
    """Return the quantisers of the inputs of a layer; none for a layer of floats."""
    found = getattr(layer, "_iq", ())
    return list(found) if isinstance(found, Iterable) else [found]


def wraps_around(quantiser: Any) -> bool:
    """Return whether a quantiser wraps around beyond its integer bits; others saturate."""
    return quantiser.quantizer.overflow_mode == "WRAP"


def fraction_bits(quantiser: Any) -> np.ndarray:
    """Return the bits after the binary point, float64."""
    return np.asarray(keras.ops.convert_to_numpy(quantiser.quantizer.f), np.float64)


def set_integer_bits(quantiser: Any, signed: np.ndarray, bits: np.ndarray) -> None:
    """Set whether numbers are signed, and their bits before the binary point without the sign.

    Parameters
    ----------
    quantiser : hgq.quantizer.Quantizer
        A quantiser that wraps around.
    signed, bits : np.ndarray
        Arrays of the shape of `fraction_bits`.
    """
    quantiser.quantizer._k.assign(signed.astype(np.uint8))
    quantiser.quantizer._i.assign(bits.astype(np.float32))


def add_integer_bits(quantiser: Any, bits: int) -> None:
    """Add bits before the binary point."""
    quantiser.quantizer._i.assign(quantiser.quantizer._i + bits)


@contextmanager
def lean_quantisers() -> Iterator[None]:
    """Let quantisers that are traced in a block do the same with fewer operations.

    Numbers and gradients stay the same up to rounding. Bit widths broadcast, instead of a copy for each number that is
    quantised; only the count of effective bit operations needs the copies. Gradients of rounding and of saturation are
    in closed form.
    """
    copied, saturate = DefaultBitwidthMapper.bw_to_x, FixedPointQuantizer.saturate

    def saturated(self: Any, numbers: Any, signed: Any, integer: Any, fraction: Any) -> Any:
        if self.overflow_mode == "WRAP":
            return saturate(self, numbers, signed, integer, fraction)
        return _clipped(numbers, signed, integer, fraction, self.overflow_mode == "SAT_SYM")

    def rounded(self: Any, numbers: Any, fraction: Any, *_: Any) -> Any:
        if self.round_mode != "RND" or self.stochastic:
            raise NotImplementedError(f"rounding {self.round_mode}, expected RND")
        return _rounded(numbers, fraction)

    with (
        replaced(fixed_point_quantizer, "minimal_i_given_xf", lambda x, f, symmetric: _needed_bits(x + 2.0**-f)),
        replaced(DefaultBitwidthMapper, "bw_to_x", lambda self, widths, shape: widths),
        replaced(Quantizer, "bits_", lambda self, shape: copied(self.quantizer.bw_mapper, self.bits, shape)),
        replaced(FixedPointQuantizer, "saturate", saturated),
        replaced(FixedPointQuantizer, "round", rounded),
    ):
        yield


def _needed_bits(magnitude: Any) -> Any:
    """Return the bits before the binary point of numbers up to a magnitude, which is not negative."""
    return tf.math.ceil(tf.math.log(magnitude) / LN2)


@tf.custom_gradient
def _rounded(numbers: Any, fraction: Any) -> Any:
    """Round to nearest at some bits after the binary point; the gradient of a number is passed on."""
    scale = 2.0**fraction
    result = tf.floor(numbers * scale + 0.5) / scale

    def gradient(upstream: Any) -> tuple[Any, Any]:
        return upstream, _summed(upstream * (numbers - result) * LN2, fraction)

    return result, gradient


def _clipped(numbers: Any, signed: Any, integer: Any, fraction: Any, symmetric: bool) -> Any:
    """Clip to the range of fixed-point numbers; a bound that clips takes the gradient."""

    @tf.custom_gradient
    def clipped(numbers: Any, integer: Any, fraction: Any) -> Any:
        power, step = 2.0**integer, 1 / 2.0**fraction  # this power of two is shared with the rounding
        highest, lowest = power - step, -signed * (power - step if symmetric else power)
        above, below = numbers > highest, numbers < lowest
        result = tf.where(above, highest, tf.where(below, lowest, numbers))

        def gradient(upstream: Any) -> tuple[Any, Any, Any]:
            of_highest = tf.where(above, upstream, 0.0)
            of_power = of_highest - signed * tf.where(below, upstream, 0.0)
            of_step = of_power if symmetric else of_highest
            return (
                tf.where(above | below, 0.0, upstream),
                _summed(of_power * power * LN2, integer),
                _summed(of_step * step * LN2, fraction),
            )

        return result, gradient

    return clipped(numbers, integer, fraction)


def _summed(gradient: Any, widths: Any) -> Any:
    """Sum a gradient over the axes along which bit widths are broadcast."""
    axes = [axis for axis, size in enumerate(widths.shape) if size == 1]
    return tf.reduce_sum(gradient, axes, keepdims=True) if axes else gradient
