"""Efficiencies and their intervals, against SciPy and pseudo-experiments."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, norm

from utils.evaluation.bootstrap import ONE_SIGMA
from utils.evaluation.efficiencies import clopper_pearson, efficiency


@pytest.mark.parametrize(("passed", "total"), [(0, 1), (0, 20), (1, 1), (3, 20), (10, 20), (20, 20), (999, 1000)])
def test_clopper_pearson_is_that_of_scipy(passed, total):
    expected = binomtest(passed, total).proportion_ci(ONE_SIGMA, "exact")
    assert clopper_pearson(np.array([passed]), np.array([total])) == (
        pytest.approx([expected.low]),
        pytest.approx([expected.high]),
    )


def test_efficiency_without_events_is_unknown():
    result = efficiency(np.array([0.0]), np.array([0.0]), np.array([0.0]))
    assert np.isnan(result.value[0])
    assert (result.low[0], result.high[0], result.n_effective[0]) == (0, 1, 0)


def test_efficiency_of_equal_weights_is_that_of_counts():
    counts = efficiency(np.array([3.0]), np.array([20.0]), np.array([20.0]))
    weighted = efficiency(np.array([3 * 7.0]), np.array([20 * 7.0]), np.array([20 * 49.0]))
    for name in vars(counts):
        assert getattr(weighted, name) == pytest.approx(getattr(counts, name))


@pytest.mark.parametrize("truth", [0.05, 0.5, 0.9])
@pytest.mark.parametrize("spread", [0, 1])
def test_interval_covers_the_truth(rng, truth, spread):
    n_experiments, n_events = 4000, 60
    weights = rng.lognormal(0, spread, (n_experiments, n_events)) if spread else np.ones((n_experiments, n_events))
    passed = rng.random(weights.shape) < truth
    result = efficiency((weights * passed).sum(1), weights.sum(1), (weights**2).sum(1))
    coverage = np.mean((result.low <= truth) & (truth <= result.high))
    assert coverage > ONE_SIGMA - 3 * np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / n_experiments)
    assert coverage < 0.9  # few counts are discrete: the exact interval has 0.89 at 3 of 60


@pytest.mark.parametrize("truth", [0.02, 0.1, 0.3, 0.7, 0.98])
def test_intervals_of_many_weighted_events_cover_the_truth_and_hardly_more(rng, truth):
    n_experiments, n_events = 2000, 1000
    weights = rng.gamma(2, 0.5, (n_experiments, n_events))
    passed = rng.random(weights.shape) < truth
    found = efficiency((weights * passed).sum(1), weights.sum(1), (weights**2).sum(1))
    covered = np.mean((found.low <= truth) & (truth <= found.high))
    spread = np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / n_experiments)
    assert ONE_SIGMA - 3 * spread < covered < 0.76 + 3 * spread
    assert np.mean((found.high - found.low) / 2) == pytest.approx(np.std(found.value), rel=0.15)


@pytest.mark.parametrize("total", [1, 2, 10, 100])
def test_bounds_of_clopper_and_pearson_leave_tails_of_half_the_rest(total):
    """At the lower bound as many or more pass with a probability of 15.87%, at the upper one as many or fewer."""
    passed = np.arange(total + 1)
    low, high = clopper_pearson(passed, np.full(total + 1, total))
    assert binom.sf(passed[1:] - 1, total, low[1:]) == pytest.approx(norm.sf(1))
    assert binom.cdf(passed[:-1], total, high[:-1]) == pytest.approx(norm.sf(1))
    assert (low[0], high[-1]) == (0, 1)
