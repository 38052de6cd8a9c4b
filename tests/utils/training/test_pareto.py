"""Fronts of size and loss, against the definition."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from utils.training.pareto import pareto_front, spread


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=20))
def test_nothing_is_at_least_as_good_as_a_point_of_the_front_and_each_other_has_one_that_is(points):
    cost, loss = np.array(points, float).T
    front = pareto_front(cost, loss)
    assert np.all(np.diff(cost[front]) > 0)
    assert np.all(np.diff(loss[front]) < 0)
    for i in range(len(points)):
        better = (cost <= cost[i]) & (loss <= loss[i]) & ((cost < cost[i]) | (loss < loss[i]))
        if i in front:
            assert not better.any()
        else:
            assert better.any() or any((cost[j], loss[j]) == (cost[i], loss[i]) and j < i for j in front)


def test_losses_that_are_no_number_are_left_out():
    assert_array_equal(pareto_front(np.array([1.0, 2.0, 3.0]), np.array([np.nan, 2.0, np.inf])), [1])


def test_points_are_spread_over_ratios_of_the_cost():
    assert_array_equal(spread(np.array([9.0, 10.0, 11.0, 99.0, 101.0, 999.0]), 3), [0, 3, 5])
    assert_array_equal(spread(np.array([1.0, 2.0]), 5), [0, 1])
