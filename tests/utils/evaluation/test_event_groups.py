"""Groups of events, against NumPy."""

import numpy as np
import pytest

from tests.utils.evaluation.samples import many_quantities
from utils.evaluation.event_groups import EventGroups


@pytest.mark.parametrize("n_quantities", [1, 3, 8])
def test_groups_are_of_the_events_that_pass_the_same_thresholds(rng, n_quantities):
    """With 8 quantities of 600 thresholds the product of the numbers of bins is 1.7e22: more than an integer holds."""
    scores, thresholds = many_quantities(rng, n_quantities, n_thresholds=4 if n_quantities < 8 else 600)
    weights = rng.random(400)
    rows = np.stack([np.searchsorted(thresholds[name], scores[name]) for name in scores], axis=1)
    expected, number = np.unique(rows, axis=0, return_inverse=True)
    groups = EventGroups.of(scores, weights, thresholds)
    assert np.array_equal(np.stack([groups.bins[name] for name in scores], axis=1), expected)
    assert groups.sums == pytest.approx(np.bincount(number, weights))
    assert groups.squares == pytest.approx(np.bincount(number, weights**2))
    for name in scores:
        passed = [weights[scores[name] > threshold].sum() for threshold in thresholds[name]]
        assert groups.passing(name, groups.sums)[0] == pytest.approx([weights.sum(), *passed])


@pytest.mark.parametrize("largest", [1, 700, 2**62])
def test_groups_do_not_depend_on_when_their_keys_are_numbered(rng, monkeypatch, largest):
    scores, thresholds = many_quantities(rng, 4, n_events=2000, n_thresholds=6)
    weights = rng.random(2000)
    plain = EventGroups.of(scores, weights, thresholds)
    monkeypatch.setattr("utils.evaluation.event_groups.LARGEST_KEY", largest)
    numbered = EventGroups.of(scores, weights, thresholds)
    assert plain.sums.tolist() == numbered.sums.tolist()
    assert plain.squares.tolist() == numbered.squares.tolist()
    assert all(np.array_equal(plain.bins[name], numbered.bins[name]) for name in scores)


def test_kinds_are_summed_apart(rng):
    scores, thresholds = many_quantities(rng, 2, n_thresholds=4)
    weights, kinds = rng.normal(1, 1, 400), rng.integers(0, 5, 400).astype(np.int8)
    groups = EventGroups.of(scores, weights, thresholds, kinds)
    for name, values in scores.items():
        found = groups.passing(name, groups.sums)
        for kind in range(5):
            chosen = kinds == kind
            passed = [weights[chosen & (values > threshold)].sum() for threshold in thresholds[name]]
            assert found[kind] == pytest.approx([weights[chosen].sum(), *passed])
