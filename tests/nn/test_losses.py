"""The losses against closed forms, in double precision by numpy."""

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from nn.losses import find_loss, get_loss

# Target and prediction of each sample; the second label component must have no effect.
Y = np.array([1.0, 2.0, 0.5, 1.5])
P = np.array([1.5, 0.5, 0.5, 4.0])
LABELS = np.stack([Y, [10.0, 200.0, np.nan, 1e6]], axis=1).astype(np.float32)
PREDICTIONS = P[:, None].astype(np.float32)

EXPECTED = {
    "mse": (Y - P) ** 2,
    "mae": abs(Y - P),
    "mape": 100 * abs(Y - P) / Y,
    "msle": (np.log1p(Y) - np.log1p(P)) ** 2,
    "huber_1.0": [0.125, 1.0, 0.0, 2.0],
    "huber_2": [0.125, 1.125, 0.0, 3.0],
    # log(1.05/1.55) and log(1.55/4.05) are within delta or beyond it, log(2.05/0.55) always beyond it.
    "log_huber_0.5": [0.0758414, 0.5328384, 0.0, 0.3552310],
    "quantile_0.5": abs(Y - P) / 2,
    "quantile_0.9": [0.05, 1.35, 0.0, 0.25],
    "dice_1.0": 1 - (2 * Y * P + 1) / (Y**2 + P**2 + 1),
    "dice_1e-3": 1 - (2 * Y * P + 1e-3) / (Y**2 + P**2 + 1e-3),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_one_value_a_sample(name):
    values = find_loss(name)(keras.ops.convert_to_tensor(LABELS), keras.ops.convert_to_tensor(PREDICTIONS))
    assert values.shape == (4,)
    assert_allclose(values, EXPECTED[name], rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", EXPECTED)
def test_loss_is_the_weighted_mean_over_the_batch(name):
    loss = get_loss(name)
    assert loss.name == name
    assert_allclose(loss(LABELS, PREDICTIONS), np.mean(EXPECTED[name]), rtol=1e-5)
    weights = np.array([1.0, 0.0, 3.0, 0.5])
    # Keras divides by the number of samples, not by the sum of the weights.
    assert_allclose(loss(LABELS, PREDICTIONS, weights), np.sum(weights * EXPECTED[name]) / 4, rtol=1e-5)


def test_quantile_loss_is_least_at_the_quantile():
    targets = np.linspace(0, 1, 1001, dtype=np.float32)
    labels = np.stack([targets, targets], axis=1)
    candidates = np.linspace(0, 1, 101)
    losses = [float(get_loss("quantile_0.8")(labels, np.full((1001, 1), value, np.float32))) for value in candidates]
    assert candidates[np.argmin(losses)] == pytest.approx(0.8, abs=0.011)


@settings(max_examples=15, deadline=None)
@given(st.floats(0, 1e3), st.floats(0, 1e3), st.sampled_from(sorted(EXPECTED)))
def test_not_negative_and_zero_for_a_perfect_prediction(target, prediction, name):
    labels = np.array([[target, 0.0]], np.float32)
    assert float(get_loss(name)(labels, np.array([[prediction]], np.float32))) >= 0
    assert float(get_loss(name)(labels, labels[:, :1])) == 0


@pytest.mark.parametrize("name", EXPECTED)
def test_config_round_trip(name):
    loss = get_loss(name)
    copy = keras.losses.deserialize(keras.losses.serialize(loss))
    assert copy.get_config() == loss.get_config()
    assert float(copy(LABELS, PREDICTIONS)) == float(loss(LABELS, PREDICTIONS))


@pytest.mark.parametrize(
    "name",
    [
        "rmse",
        "",
        "MSE",
        "mse_1.0",
        "huber",
        "huber_",
        "huber_0",
        "huber_-1.0",
        "huber_nan",
        "huber_inf",
        "huber_1e999",
        "huber_1_0",
        "huber_1.0.0",
        "log_huber",
        "log_1.0",
        "quantile_0",
        "quantile_1",
        "quantile_1.5",
        "dice",
        "dice_x",
        "dice_0.0",
        None,
    ],
)
def test_bad_names_are_refused_with_the_losses(name):
    with pytest.raises(ValueError) as error:
        get_loss(name)
    message = str(error.value)
    assert f"received: loss={name!r}" in message
    for expected in ("mse", "mae", "mape", "msle", "huber_DELTA", "log_huber_DELTA", "quantile_TAU", "dice_EPSILON"):
        assert expected in message


def test_wrong_shapes_are_named():
    with pytest.raises(ValueError, match=r"expected labels of shape \(batch, 2\).*labels.shape=\(4, 1\)"):
        get_loss("mse")(LABELS[:, :1], PREDICTIONS)
    with pytest.raises(ValueError, match=r"predictions.shape=\(4,\)"):
        get_loss("mse")(LABELS, PREDICTIONS[:, 0])
