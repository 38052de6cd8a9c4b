"""HGQ2 beyond its public interface: the integer bits of quantisers that wrap around, and bit widths without copies.

HGQ2 sets these bits only from a calibration sample, with `hgq.utils.trace_minmax`. Here they are known from interval
arithmetic. It copies the bit widths to each number that is quantised, and computes the power of two of each copy. No
issue about either is known upstream; the source is
https://github.com/calad0i/HGQ2/blob/master/src/hgq/quantizer/internal/fixed_point_quantizer.py.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
from hgq.quantizer import Quantizer
from hgq.quantizer.internal.base import DefaultBitwidthMapper

from utils.compat.versions import replaced, require_version

require_version("hgq2", "0.2", "0.3")


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
def narrow_bit_widths() -> Iterator[None]:
    """Let quantisers that are traced in a block use their bit widths without a copy for each number.

    Numbers and gradients stay the same up to rounding, since arrays broadcast. The count of effective bit operations
    needs the copies.
    """
    copied = DefaultBitwidthMapper.bw_to_x
    with (
        replaced(DefaultBitwidthMapper, "bw_to_x", lambda self, widths, shape: widths),
        replaced(Quantizer, "bits_", lambda self, shape: copied(self.quantizer.bw_mapper, self.bits, shape)),
    ):
        yield
