"""Bootstrap replicas of thresholds, against order statistics and the bootstrap of single events."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.utils.evaluation.samples import signed_sample, unweighted
from utils.evaluation.bootstrap import bootstrap_estimate
from utils.evaluation.ranking import Ranking
from utils.evaluation.thresholds import background_thresholds


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
