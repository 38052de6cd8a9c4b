"""The threshold metric against numpy over batches of unequal sizes."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nn.metrics import MseThesholdMetric, MseThresholdMetric

RNG = np.random.default_rng(3)
LABELS = np.stack([RNG.normal(1, 0.3, 50), RNG.exponential(80, 50)], axis=1).astype(np.float32)
PREDICTIONS = RNG.normal(1, 0.3, (50, 1)).astype(np.float32)
WEIGHTS = RNG.exponential(1, 50).astype(np.float32)
SQUARES = (LABELS[:, 0] - PREDICTIONS[:, 0]) ** 2
ABOVE = LABELS[:, 1] > 100


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 49), max_size=5))
def test_exact_over_batches_of_unequal_sizes(cuts):
    plain, weighted = MseThesholdMetric(100), MseThesholdMetric(100)
    for batch in np.split(np.arange(50), sorted(cuts)):
        plain.update_state(LABELS[batch], PREDICTIONS[batch])
        weighted.update_state(LABELS[batch], PREDICTIONS[batch], WEIGHTS[batch])
    assert_allclose(plain.result(), SQUARES[ABOVE].mean(), rtol=1e-5)
    assert_allclose(weighted.result(), np.average(SQUARES[ABOVE], weights=WEIGHTS[ABOVE]), rtol=1e-5)


def test_threshold_itself_is_below():
    metric = MseThesholdMetric(100.0)
    labels = np.array([[1.0, 100.0], [1.0, 100.1]])
    metric.update_state(labels, np.array([[5.0], [3.0]]))
    assert float(metric.result()) == pytest.approx(4.0)


def test_events_below_have_no_effect():
    metric = MseThesholdMetric(100.0)
    metric.update_state(np.array([[1.0, 5.0], [1.0, 101.0]]), np.array([[np.nan], [1.5]]))
    assert float(metric.result()) == pytest.approx(0.25)


def test_no_event_above_is_nan_and_reset_starts_anew():
    metric = MseThesholdMetric(100)
    assert np.isnan(metric.result())
    metric.update_state(LABELS, PREDICTIONS)
    assert np.isfinite(metric.result())
    metric.reset_state()
    metric.update_state(LABELS[~ABOVE], PREDICTIONS[~ABOVE])
    assert np.isnan(metric.result())


def test_name_config_and_alias():
    assert MseThresholdMetric is MseThesholdMetric
    assert MseThesholdMetric(100.0).name == "mse_above_100"
    assert MseThesholdMetric(4.5).name == "mse_above_4.5"
    metric = MseThesholdMetric(150, name="tail")
    copy = keras.metrics.deserialize(keras.metrics.serialize(metric))
    assert copy.get_config() == metric.get_config()
    assert (copy.threshold, copy.name) == (150, "tail")


@pytest.mark.parametrize("threshold", [-1.0, float("nan"), float("inf")])
def test_bad_threshold_is_named(threshold):
    with pytest.raises(ValueError, match=f"received: threshold={threshold}"):
        MseThesholdMetric(threshold)
