"""Energy sums against values calculated by hand; parts of events."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from tests.toys import objects_at, random_l1_events
from utils.l1_events import L1Events, ht, jet_count, met, met_angle


class TestEnergySums:
    @pytest.mark.parametrize(
        ("objects", "expected"),
        [
            (objects_at(), 0),
            (objects_at(jet0=(50, 1, 2)), 50),
            (objects_at(jet0=(50, 1, 0.5), jet1=(50, -3, 0.5 + np.pi)), 0),
            (objects_at(jet0=(50, 0, 0.5), jet1=(30, 0, 0.5 - np.pi)), 20),
            (objects_at(muon0=(30, 0, 1.0), egamma3=(40, 2, 1.0 + np.pi / 2)), 50),
            (objects_at(muon0=(10, 0, 0), egamma0=(10, 0, 2 * np.pi / 3), jet9=(10, 0, -2 * np.pi / 3)), 0),
        ],
        ids=["empty", "one", "back to back", "unequal back to back", "right angle", "star"],
    )
    def test_met_of_known_events(self, objects, expected):
        assert_allclose(met(objects), [expected], atol=1e-4)
        assert met(objects).dtype == np.float32

    def test_ht_is_the_sum_of_the_jets_only(self):
        objects = objects_at(muon0=(100, 0, 0), egamma2=(200, 0, 0), jet0=(50, 1, 2), jet9=(7, 0, -3))
        assert_array_equal(ht(objects), np.float32([57]))

    def test_jets_are_counted_in_any_slot(self):
        objects = np.concatenate(
            [objects_at(muon0=(9, 0, 0), egamma0=(9, 0, 0)), objects_at(jet1=(9, 0, 0), jet9=(1, 0, 0))]
        )
        assert_array_equal(jet_count(objects), [0, 2])

    @pytest.mark.parametrize(
        ("objects", "true_objects", "expected"),
        [
            (objects_at(jet0=(50, 1, 0.5)), objects_at(muon0=(9, 0, 0.2)), 0.3),
            (objects_at(jet0=(50, 1, -3.0)), objects_at(jet3=(70, 0, 3.0)), 2 * np.pi - 6),
            (objects_at(jet0=(30, 0, 0), muon0=(30, 0, np.pi / 2)), objects_at(jet0=(5, 0, np.pi / 2)), -np.pi / 4),
            (objects_at(), objects_at(jet0=(5, 0, 1)), np.nan),
            (objects_at(jet0=(5, 0, 1)), objects_at(), np.nan),
        ],
        ids=["one", "across pi", "sum of two", "no L1 object", "no true object"],
    )
    def test_angles_of_known_events(self, objects, true_objects, expected):
        assert_allclose(met_angle(objects, true_objects), [expected], atol=1e-6)
        assert_allclose(met_angle(true_objects, objects), [-expected], atol=1e-6)

    @given(st.integers(0, 2**32 - 1), st.floats(-10, 10))
    def test_rotation_keeps_met_and_ht(self, seed, angle):
        rng = np.random.default_rng(seed)
        objects = rng.uniform(0, 100, (3, 18, 3)).astype(np.float32)
        rotated = objects.copy()
        rotated[:, :, 2] += np.float32(angle)
        assert_allclose(met(rotated), met(objects), rtol=1e-4, atol=2e-2)
        assert_array_equal(ht(rotated), ht(objects))

    @given(st.integers(0, 2**32 - 1))
    def test_order_of_the_objects_does_not_matter(self, seed):
        rng = np.random.default_rng(seed)
        objects = rng.uniform(0, 100, (3, 18, 3)).astype(np.float32)
        assert_allclose(met(objects[:, rng.permutation(18)]), met(objects), rtol=1e-6)
        assert_allclose(ht(objects[:, np.append(np.arange(8), 8 + rng.permutation(10))]), ht(objects), rtol=1e-6)

    @given(st.integers(0, 2**32 - 1))
    def test_met_is_at_most_the_scalar_sum(self, seed):
        objects = np.random.default_rng(seed).uniform(0, 100, (3, 18, 3)).astype(np.float32)
        assert (met(objects) <= objects[:, :, 0].sum(1) * (1 + 1e-6)).all()


def test_events_are_taken_and_joined_again():
    events = random_l1_events(50)
    joined = L1Events.concatenate([events[:20], events[np.arange(20, 35)], events[np.arange(50) >= 35]])
    assert len(joined) == 50
    for name, column in vars(events).items():
        assert_array_equal(getattr(joined, name), column)
