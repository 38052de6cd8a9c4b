"""Rate weights, against an exponential spectrum whose rates are known."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

from utils.training.rate_weights import fit_rate_weights

DECADE = np.log(10)


@pytest.fixture
def events():
    """Return sums over eight decades of an exponential spectrum, generated flat, and their cross sections."""
    sums = np.random.default_rng(1).uniform(0, 8 * DECADE, 400_000)
    return sums, np.exp(-sums)


def shares(sums, weights):
    """Return the share of the weights in each decade of exp(-sums)."""
    found = np.histogram(sums, np.arange(9) * DECADE, weights=weights)[0]
    return found / found.sum()


def test_each_factor_of_the_rate_counts_the_same(events):
    """Four decades of four bins, and one bin for all that is beyond."""
    sums, cross_sections = events
    for loss_weights in (cross_sections, np.ones(len(sums)), 1 + sums):
        found = fit_rate_weights(sums, cross_sections, loss_weights)
        assert_allclose(shares(sums, loss_weights * found(sums))[:4], 4 / 17, rtol=0.02)
        assert_allclose(np.mean(loss_weights * found(sums)), np.mean(loss_weights))


def test_edges_are_where_the_rate_is_a_power_of_ten(events):
    found = fit_rate_weights(*events, np.ones(len(events[0])))
    assert_allclose(found.edges, np.arange(1, 17) / 4 * DECADE, atol=0.02)


def test_an_event_of_the_opposite_weight_removes_one_from_the_rates(events):
    sums, cross_sections = events
    more = np.random.default_rng(2).uniform(0, 8 * DECADE, 1000)
    found = fit_rate_weights(
        np.concatenate([sums, more, more]),
        np.concatenate([cross_sections, np.exp(-more), -np.exp(-more)]),
        np.repeat([1.0, 0], [len(sums), 2000]),
    )
    assert_allclose(found.edges, np.arange(1, 17) / 4 * DECADE, atol=0.05)


def test_equal_sums_have_the_weight_of_their_loss():
    found = fit_rate_weights(np.full(5, 3.0), np.ones(5), np.array([1, 2, 3, 4, 5.0]))
    assert_allclose(found(np.full(5, 3.0)), 1)
