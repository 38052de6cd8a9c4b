"""Private parts of HGQ2. A failure may say that a function of nn/compat/hgq.py is no longer needed."""

import numpy as np
from hgq.config import QuantizerConfig
from hgq.quantizer import Quantizer
from numpy.testing import assert_array_equal

from nn.compat.hgq import add_integer_bits, fraction_bits, set_integer_bits, wraps_around


def wrapping_quantiser():
    """Return a quantiser of 2 bits after the binary point; it wraps around."""
    config = QuantizerConfig(
        "kif", "datalane", i0=1, f0=2, overflow_mode="WRAP", homogeneous_axis=(0,), heterogeneous_axis=None
    )
    quantiser = Quantizer(config)
    quantiser.build((None, 3))
    return quantiser


def test_integer_bits_decide_where_numbers_wrap_around():
    quantiser = wrapping_quantiser()
    assert wraps_around(quantiser)
    bits = fraction_bits(quantiser)
    assert_array_equal(bits, np.full((1, 3), 2.0))
    values = np.array([[1.25, 2.0, 5.25]], np.float32)
    set_integer_bits(quantiser, np.zeros(bits.shape, bool), np.array([[1, 1, 2]]))
    assert_array_equal(quantiser(values), [[1.25, 0.0, 1.25]])
    add_integer_bits(quantiser, 1)
    assert_array_equal(quantiser(values), [[1.25, 2.0, 5.25]])
    set_integer_bits(quantiser, np.ones(bits.shape, bool), np.array([[1, 1, 2]]))
    assert_array_equal(quantiser(-values), [[-1.25, -2.0, 2.75]])


def test_hgq_has_no_public_way_to_set_integer_bits():
    """Once it has, `set_integer_bits` and `add_integer_bits` are to use it."""
    kind = type(wrapping_quantiser().quantizer)
    assert kind.k.fset is None
    assert kind.i.fset is None
