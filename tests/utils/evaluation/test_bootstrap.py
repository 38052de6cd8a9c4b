"""Bootstrap replicas, and errors and limits made from them."""

import numpy as np
import pytest

from utils.evaluation.bootstrap import bootstrap_estimate, bootstrap_ratio, difference, replica_sums, zero_event_limit


def test_replicas_are_the_weights_and_then_poisson_multiples(rng):
    weights = rng.random(200_000)
    rows = np.stack(list(replica_sums(weights, weights**2, rng, 4)))
    assert np.array_equal(rows[0], weights)
    numbers = rows[1:] / weights
    assert numbers.mean() == pytest.approx(1, abs=0.005)
    assert numbers.var() == pytest.approx(1, abs=0.01)
    assert np.mean(numbers == 0) == pytest.approx(np.exp(-1), abs=0.003)
    assert np.corrcoef(rows[1:])[0, 1] == pytest.approx(np.corrcoef(rows[1:])[1, 2], abs=0.02)


def test_replicas_of_groups_have_mean_and_variance_of_those_of_their_events(rng):
    weights, group = rng.lognormal(0, 1, 600), rng.integers(0, 3, 600)
    sums, squares = (np.bincount(group, w) for w in (weights, weights**2))
    replicas = np.stack(list(replica_sums(sums, squares, rng, 4000)))[1:]
    assert replicas.mean(0) == pytest.approx(sums, rel=0.01)
    assert replicas.std(0) == pytest.approx(np.sqrt(squares), rel=0.05)


def test_a_group_without_weight_has_none_in_replicas(rng):
    assert all((sums == 0).all() for sums in replica_sums(np.zeros(3), np.zeros(3), rng, 5))


def test_estimate_is_row_0_and_the_central_spread_of_the_others(rng):
    rows = np.concatenate([[[5.0, np.nan, 2.0]], rng.normal(0, [3, 1, 1], (4000, 3))])
    rows[1::2, 2] = np.nan
    estimate = bootstrap_estimate(rows)
    assert estimate.value[0] == 5
    assert estimate.error[0] == pytest.approx(3, rel=0.05)
    assert np.isnan(estimate.value[1]) and np.isnan(estimate.error[1])
    assert estimate.error[2] == pytest.approx(1, rel=0.05)


def test_replicas_that_differ_by_rounding_have_no_difference():
    """0.3 is 0.1 + 0.2 but for the last bit; what is infinite in both has no difference."""
    found = difference(np.array([0.1 + 0.2, 0.3, np.inf, np.inf, np.nan]), np.array([0.3, 0.1, np.inf, 1, 1]))
    np.testing.assert_array_equal(found, [0, 0.3 - 0.1, np.nan, np.inf, np.nan])
    assert np.isnan(bootstrap_estimate(difference(np.array([[0.1 + 0.2]] * 5), np.full((5, 1), 0.3))).error)


def test_a_ratio_to_what_is_0_within_its_error_is_no_number(rng):
    denominator = np.array([0.02, 0.5]) + rng.normal(0, 0.1, (201, 2)) * np.append([0], np.ones(200))[:, None]
    found = bootstrap_ratio(denominator / 2, denominator, bootstrap_estimate(denominator), 100)
    assert np.isnan([found.value[0], found.error[0]]).all()
    assert (found.value[1], found.error[1]) == (
        pytest.approx(0.5),
        pytest.approx(2 * zero_event_limit(np.array(100.0))),
    )
