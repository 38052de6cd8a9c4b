"""Leading objects: the same as sorting each list."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from utils.event_layout import ETA, PHI, PT
from utils.formats.leading_objects import fill_leading
from utils.formats.physical import VALID


def test_are_those_of_a_stable_sort():
    rng = np.random.default_rng(1)
    sizes = rng.integers(0, 9, 500)
    n = sizes.sum()
    pt = rng.integers(0, 20, n).astype(np.float32)  # with many equal ones, and zeros
    eta, phi = (rng.uniform(-3, 3, n).astype(np.float32) for _ in range(2))
    taken = rng.random(n) < 0.7
    slots = np.zeros((500, 4, 3), np.float32)
    assert fill_leading(slots, sizes, pt, eta, phi, taken, 100.0)[1] == VALID
    first = 0
    for event, size in enumerate(sizes):
        objects = [(pt[i], eta[i], phi[i]) for i in range(first, first + size) if taken[i] and pt[i] > 0]
        expected = np.zeros((4, 3), np.float32)
        for slot, values in enumerate(sorted(objects, key=lambda values: -values[0])[:4]):
            expected[slot] = values
        assert_array_equal(slots[event], expected)
        first += size


@pytest.mark.parametrize(
    ("quantity", "value"),
    [(PT, -1), (PT, np.nan), (PT, np.inf), (PT, 101), (ETA, 6.5), (ETA, np.nan), (PHI, 7), (PHI, np.nan)],
)
def test_the_first_impossible_object_is_named_even_beyond_the_slots(quantity, value):
    values = np.array([[50, 40, 30], [0, 1, 2], [0, 1, 2]], np.float32)
    values[quantity, 2] = value
    arguments = np.zeros((3, 1, 3), np.float32), np.array([1, 0, 2]), *values
    event, wrong, found = fill_leading(*arguments, np.ones(3, bool), 100.0)
    assert (event, wrong) == (2, quantity)
    assert_array_equal(np.float32(found), np.float32(value))
    assert fill_leading(*arguments, np.array([True, True, False]), 100.0)[1] == VALID


def test_phi_is_wrapped():
    slots = np.zeros((1, 1, 3), np.float32)
    fill_leading(slots, np.array([1]), *np.float32([[10], [0], [4]]), np.ones(1, bool), 100.0)
    assert slots[0, 0, PHI] == pytest.approx(4 - 2 * np.pi)
