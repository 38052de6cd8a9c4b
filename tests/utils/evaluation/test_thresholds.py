"""Bootstrap replicas of thresholds, against order statistics and the bootstrap of single events."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.utils.evaluation.samples import signed_sample, unweighted
from utils.evaluation.bootstrap import bootstrap_estimate
from utils.evaluation.ranking import Ranking
from utils.evaluation.thresholds import N_CANDIDATES, background_thresholds, threshold_candidates


@pytest.mark.filterwarnings("error")
def test_the_threshold_that_all_pass_is_minus_infinity_without_an_error(rng):
    values = {"": rng.random(50)}
    rankings = {"": unweighted(values[""])}
    rows = background_thresholds(values, np.ones(50), rankings, np.array([1.0]), rng)[""]
    assert np.isneginf(rows).all()
    assert np.isnan(bootstrap_estimate(rows).error)


def test_replicas_whose_weights_sum_to_less_than_0_have_the_highest_threshold(rng):
    values = {"baseline": rng.uniform(0, 100, 60)}
    weights = np.where(np.arange(60) % 2, 1.0, -0.97)
    rankings = {name: Ranking.of(scores, weights) for name, scores in values.items()}
    rows = background_thresholds(values, weights, rankings, np.array([0.1, 1.0]), rng)["baseline"]
    assert rows.shape == (201, 2)
    assert (rows[1:].max(0) == values["baseline"].max()).all()


def test_replicas_of_thresholds_of_signed_weights_are_those_of_the_bootstrap_of_each_event(rng):
    values, weights = signed_sample(rng, 4000)
    allowed = np.array([0.1, 0.02])
    rows = background_thresholds({"": values}, weights, {"": Ranking.of(values, weights)}, allowed, rng)[""]
    direct = [Ranking.of(values, weights * rng.poisson(1, 4000)).thresholds(allowed) for _ in range(200)]
    assert rows[1:].mean(0) == pytest.approx(np.mean(direct, axis=0), rel=0.03)
    assert rows[1:].std(0) == pytest.approx(np.std(direct, axis=0), rel=0.3)


@pytest.mark.parametrize("n_efficiencies", [1, 3])
def test_thresholds_of_many_events_have_the_errors_of_the_bootstrap_of_each_event(rng, n_efficiencies):
    """The groups of the replicas are as good as single events: compare with what an order statistic has."""
    efficiencies = np.array([0.1, 0.02, 0.005])[:n_efficiencies]
    values = {"baseline": rng.normal(0, 1, 100_000).astype(np.float32)}
    rankings = {name: unweighted(scores) for name, scores in values.items()}
    rows = background_thresholds(values, np.ones(100_000), rankings, efficiencies, rng)["baseline"]
    estimate = bootstrap_estimate(rows)
    expected = np.sqrt(efficiencies * (1 - efficiencies) / 100_000) / norm.pdf(norm.isf(efficiencies))
    assert estimate.value == pytest.approx(norm.isf(efficiencies), abs=4 * expected.max())
    assert estimate.error == pytest.approx(expected, rel=0.2)
    assert len(np.unique(rows[:, 0])) > 50


@pytest.mark.parametrize("n_events", [1, 2, 3, 50, 5000])
@pytest.mark.parametrize("kind", ["weighted", "with zeros and ties", "few large weights", "signed"])
def test_candidates_are_the_values_within_five_standard_deviations_of_all(rng, n_events, kind):
    values, weights = rng.exponential(20, n_events), rng.lognormal(0, 1, n_events)
    if kind == "with zeros and ties":
        values, weights = np.round(values), weights * (rng.random(n_events) < 0.5)
        weights[0] = 1
    elif kind == "few large weights":
        weights[::17] = 1e4
    elif kind == "signed":
        weights[1::4] *= -1
    ranking = Ranking.of(values, weights)
    order = np.argsort(values)[::-1]
    passed, squares = np.cumsum(weights[order]), np.cumsum(weights[order] ** 2)
    for fraction in (0, 1e-7, 0.001, 0.02, 0.16, 0.5, 0.84, 1):
        sigma = np.sqrt(np.maximum((1 - fraction) ** 2 * squares + fraction**2 * (squares[-1] - squares), 0))
        distance = np.abs(passed - fraction * passed[-1])
        near = np.flatnonzero((distance <= 5 * sigma) | (distance == distance.min()))
        rows = np.linspace(near[0], near[-1], N_CANDIDATES).astype(int)
        expected = np.unique([-np.inf, values.max(), *values[order][rows]])
        assert threshold_candidates(ranking, np.array([fraction])).tolist() == expected.tolist()
