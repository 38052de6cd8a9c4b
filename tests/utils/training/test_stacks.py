"""Stacks hold the batches of an epoch, in their order, and zeros."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from utils.training import stacks as module
from utils.training.stacks import stacks


class Batches:
    """Batches of given numbers of events, in so many parts, with rows of different numbers and lengths."""

    n_labels = 2

    def __init__(self, sizes, n_parts=1):
        self._sizes, self._n_parts = sizes, n_parts

    def __len__(self):
        return len(self._sizes)

    def epoch(self, number):
        rng = np.random.default_rng([number, 1])
        for size in self._sizes:
            for _ in range(self._n_parts):
                rows = rng.random((*rng.integers(1, 5, 2), 3)).astype(np.float32)
                yield (rng.integers(1, 9, size, dtype=np.int32), rows), rng.random((size, 2)), rng.random(size)


def flat(batch):
    inputs, labels, weights = batch
    return [*inputs, labels, weights]


@pytest.mark.parametrize("n_parts", [1, 2])
@pytest.mark.parametrize(
    ("sizes", "events_a_stack", "lengths"),
    [
        ((16,) * 5, 50, [3, 2]),
        ((16,) * 5, 1000, [5]),
        ((16, 16, 16, 4), 1000, [3, 1]),
        ((16, 16, 4), 10, [1, 1, 1]),
        ((5, 6, 6, 5), 1000, [1, 2, 1]),
    ],
    ids=["two stacks", "one stack", "a shorter batch", "large batches", "changing batches"],
)
def test_stacks_are_the_batches_and_zeros(monkeypatch, sizes, events_a_stack, lengths, n_parts):
    monkeypatch.setattr(module, "EVENTS_A_STACK", events_a_stack * n_parts)
    found = list(stacks(Batches(sizes, n_parts), 4, n_parts))
    assert [stack.n_batches for stack in found] == lengths
    expected = Batches(sizes, n_parts).epoch(4)
    for stack in found:
        for number in range(stack.n_batches):
            for part in stack.parts:
                for array, other in zip(flat(part), flat(next(expected)), strict=True):
                    filled = array[number]
                    assert filled.dtype == other.dtype
                    assert_array_equal(filled[tuple(map(slice, other.shape))], other)
                    assert filled.sum() == pytest.approx(other.sum(), rel=1e-6)
        for part in stack.parts:
            assert not any(array[stack.n_batches :].any() for array in flat(part))
    assert next(expected, None) is None


def test_full_stacks_have_one_length_and_the_last_is_filled(monkeypatch):
    monkeypatch.setattr(module, "EVENTS_A_STACK", 50)
    assert [len(flat(stack.parts[0])[0]) for stack in stacks(Batches((16,) * 5), 0)] == [3, 3]
