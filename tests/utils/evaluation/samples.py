"""Samples and helpers that several tests of the evaluation share."""

import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from utils.evaluation.bootstrap import ONE_SIGMA, Estimate
from utils.evaluation.ranking import Ranking
from utils.evaluation.turn_on import turn_on_curves
from utils.predictions import Predictions


def pull(estimate: Estimate, truth: float) -> float:
    return (estimate.value - truth) / estimate.error


def is_one_sigma(covered, n_experiments):
    """Whether the coverage of independent experiments is 68.27%, within three standard deviations."""
    return covered == pytest.approx(ONE_SIGMA, abs=3 * np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / n_experiments))


def unweighted(values):
    return Ranking.of(values, np.ones(len(values)))


weighted_events = st.integers(1, 40).flatmap(
    lambda n: st.tuples(
        arrays(np.float32, n, elements=st.integers(0, 12).map(float)),
        arrays(np.float32, n, elements=st.integers(1, 5).map(float)),
    )
)


def signed_sample(rng, n):
    """Values and weights, of which a quarter is negative, whatever the value."""
    return rng.exponential(20, n), np.where(rng.random(n) < 0.25, -1.0, 1) * rng.lognormal(0, 0.3, n)


def many_quantities(rng, n_quantities, n_events=400, n_thresholds=600):
    names = [f"model {i}" for i in range(n_quantities)]
    scores = {name: rng.normal(0, 1, n_events) for name in names}
    return scores, {name: np.sort(rng.normal(0, 1, n_thresholds)) for name in names}


def predictions(true, reco, correction=1, weight=1, jets=1):
    """Predictions of one process; numbers stand for all events."""
    columns = np.broadcast_arrays(true, reco, correction, weight, 1, jets)
    kinds = (np.float32, np.float32, np.float32, np.float32, np.int32, np.int8)
    true, reco, correction, *others = (column.astype(kind) for column, kind in zip(columns, kinds, strict=True))
    return Predictions(true, reco, {"teacher": correction}, *others)


def random_predictions(rng, n_events, scale, weight=1):
    true = rng.exponential(scale, n_events)
    reco = true * rng.normal(1.3, 0.4, n_events).clip(0.1) + rng.exponential(5, n_events)
    return predictions(true, reco, (true / reco) ** 0.5, weight, rng.poisson(2, n_events))


def correlated_quantities(rng, n_events, plateau=1.0):
    """A baseline with a resolution of 20 and a model that takes part of it back and adds 5: 13 altogether."""
    true, smear = rng.uniform(0, 200, n_events), rng.normal(0, 20, n_events)
    lost = rng.random(n_events) > plateau
    baseline = np.where(lost, -1, true + smear)
    return true, {
        "baseline": baseline,
        "model": np.where(lost, -1, true + 0.6 * smear + rng.normal(0, 5, n_events)),
    }


def gaussian_turn_on(rng, n_events, sigma=12.0):
    true = rng.uniform(0, 200, n_events)
    return true, true + rng.normal(0, sigma, n_events)


def turn_on_curve(true, values, weights, threshold, edges):
    return turn_on_curves(true, {"": values}, weights, {"": [threshold]}, edges)[""][0]
