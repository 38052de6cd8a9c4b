"""Thresholds at fixed efficiencies, against sorting and NumPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.evaluation.samples import signed_sample, weighted_events
from utils.evaluation.ranking import Ranking


@pytest.mark.parametrize(
    ("allowed", "threshold"),
    [(0, 5), (0.19, 5), (0.2, 4), (0.59, 4), (0.6, 2), (0.8, 1), (0.99, 1), (1, -np.inf)],
)
def test_threshold_of_hand_computed_events_with_ties(allowed, threshold):
    values = np.array([4, 1, 5, 4, 2])  # 5 passes alone, both 4 only together
    assert Ranking.of(values, np.ones(5)).thresholds(np.array([allowed])) == [threshold]


def test_threshold_of_weighted_events():
    values, weights = np.array([3, 2, 1]), np.array([1.0, 0, 9])
    assert Ranking.of(values, weights).thresholds(np.array([0.05, 0.1, 0.5])).tolist() == [3, 1, 1]


@given(weighted_events, st.floats(0, 1))
def test_threshold_is_the_lowest_that_does_not_let_more_pass(sample, allowed):
    values, weights = sample
    threshold = Ranking.of(values, weights).thresholds(np.array([allowed]))[0]
    fractions = {t: weights[values > t].sum() / weights.sum() for t in (-np.inf, *values)}
    assert threshold == min(t for t, fraction in fractions.items() if fraction <= allowed * (1 + 1e-9))


@given(weighted_events, st.floats(0, 1), st.floats(0.01, 100))
def test_threshold_does_not_depend_on_the_scale_of_the_weights(sample, allowed, scale):
    values, weights = sample
    thresholds = [Ranking.of(values, weights.astype(float) * s).thresholds(np.array([allowed])) for s in (1, scale)]
    assert thresholds[0] == thresholds[1]


def test_threshold_of_signed_weights_is_where_the_sum_from_above_first_exceeds_the_target():
    values, weights = np.array([6, 5, 4, 4, 3, 2, 1.0]), np.array([1, 2, 3, -3, -1, 4, 4.0])
    # Sums from above: 1, 3, 3 (the two at 4 go together), 2, 6, 10.
    ranking = Ranking.of(values, weights)
    assert ranking.thresholds(np.array([0.05, 0.1, 0.29, 0.3, 0.59, 0.61, 1])).tolist() == [6, 5, 5, 2, 2, 1, -np.inf]


@pytest.mark.parametrize("ties", [False, True])
def test_thresholds_of_signed_weights_are_those_of_a_scan(rng, ties):
    values, weights = signed_sample(rng, 400)
    values = np.round(values) if ties else values
    for allowed in rng.uniform(0, 1, 30):
        expected = -np.inf
        for value in np.unique(values)[::-1]:  # from above
            if weights[values >= value].sum() > allowed * weights.sum() * (1 + 1e-12):
                expected = value
                break
        assert Ranking.of(values, weights).thresholds(np.array([allowed])) == [expected]


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_thresholds_are_quantiles_of_numpy(rng, ties):
    for n_events in (1, 2, 50, 3000):
        values, weights = rng.exponential(20, n_events), rng.lognormal(0, 1, n_events)
        weights[rng.random(n_events) < 0.2] = 0
        weights[0] = 1
        values = np.round(values) if ties else values
        allowed = rng.uniform(0, 1, 50)
        expected = np.quantile(values, 1 - allowed, method="inverted_cdf", weights=weights)
        assert Ranking.of(values, weights).thresholds(allowed).tolist() == expected.tolist()


@pytest.mark.parametrize("block", [1, 7, 3000])
def test_sums_are_those_of_all_events_in_their_order_to_the_bit(rng, monkeypatch, block):
    monkeypatch.setattr("utils.evaluation.histograms.BLOCK", block)
    values, weights = (column.astype(np.float32) for column in signed_sample(rng, 2000))
    ranking, order = Ranking.of(values, weights), np.argsort(values)[::-1]
    for found, summands in ((ranking.sums(), weights), (ranking.sums(squared=True), weights.astype(float) ** 2)):
        assert found.tolist() == [0, *np.cumsum(summands[order], dtype=np.float64)]
