"""Private parts of HGQ2. A failure may say that a function of nn/compat/hgq.py is no longer needed."""

import contextlib

import numpy as np
import pytest
import tensorflow as tf
from hgq.config import QuantizerConfig
from hgq.quantizer import Quantizer
from numpy.testing import assert_allclose, assert_array_equal

from nn.compat.hgq import add_integer_bits, fraction_bits, lean_quantisers, set_integer_bits, wraps_around


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


def values_and_gradients(kind, overflow, axes, training):
    """Quantise numbers of which some are out of range; return results, gradients and widths after it."""
    widths = {"b0": 3} if kind == "kbi" else {"f0": 2}
    place = "datalane" if overflow == "WRAP" else "weight"
    config = QuantizerConfig(
        kind, place, i0=1, overflow_mode=overflow, homogeneous_axis=axes, heterogeneous_axis=None, **widths
    )
    quantiser = Quantizer(config)
    rng = np.random.default_rng(4)
    numbers = tf.constant(rng.normal(scale=2, size=(50, 3)), tf.float32)
    quantiser.build(numbers.shape)
    for variable in quantiser.trainable_variables:
        variable.assign(variable + rng.uniform(-1.4, 1.4, variable.shape))
    with tf.GradientTape() as tape:
        tape.watch(numbers)
        result = quantiser(numbers, training=training)
        total = tf.reduce_sum(result * rng.normal(size=result.shape))
    gradients = tape.gradient(total, [numbers, *quantiser.trainable_variables])
    return [result, *gradients, *quantiser.variables, quantiser.bits_(numbers.shape)]


@pytest.mark.parametrize("kind", ["kif", "kbi"])
@pytest.mark.parametrize(
    ("overflow", "axes", "training"),
    [("WRAP", (0,), True), ("WRAP", (0, 1), False), ("SAT", (0, 1), True), ("SAT_SYM", (), True)],
)
def test_lean_quantisers_do_as_those_of_hgq(kind, overflow, axes, training):
    expected, found = [], []
    for results, context in ((expected, contextlib.nullcontext()), (found, lean_quantisers())):
        with context:
            results += values_and_gradients(kind, overflow, axes, training)
    for one, other in zip(found, expected, strict=True):
        assert_allclose(one, other, rtol=1e-5, atol=1e-5)
