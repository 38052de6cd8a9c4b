"""Stacks: several batches as arrays with a first axis of batches, for loops over many steps."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from utils.training.batches import Batch, Batches

EVENTS_A_STACK = 1 << 15


@dataclass(frozen=True)
class Stack:
    """Batches of equally many events.

    Attributes
    ----------
    parts : tuple of Batch
        One for each device. The arrays have a first axis of batches.
    n_batches : int
        Number of batches; further entries of the first axis are zero.
    """

    parts: tuple[Batch, ...]
    n_batches: int


def stacks(batches: Batches, epoch: int, n_parts: int = 1) -> Iterator[Stack]:
    """Make the stacks of an epoch, of at most `EVENTS_A_STACK` events if a batch has not more.

    Arrays that are shorter than others of their stack are filled up with zeros, and so are stacks of fewer batches.

    Parameters
    ----------
    batches : Batches
    epoch : int
    n_parts : int
        Parts of each batch, which follow each other.
    """
    parts = batches.epoch(epoch)
    whole = zip(*[parts] * n_parts, strict=True)
    for n_events, group in itertools.groupby(whole, lambda batch: tuple(len(weights) for _, _, weights in batch)):
        most = min(len(batches), max(1, EVENTS_A_STACK // sum(n_events)))
        while found := list(itertools.islice(group, most)):
            yield Stack(tuple(_stacked(part, most) for part in zip(*found, strict=True)), len(found))


def _stacked(batches: Sequence[Batch], length: int) -> Batch:
    inputs, labels, weights = zip(*batches, strict=True)
    inputs = tuple(_filled(arrays, length) for arrays in zip(*inputs, strict=True))
    return inputs, _filled(labels, length), _filled(weights, length)


def _filled(arrays: Sequence[np.ndarray], length: int) -> np.ndarray:
    """Put arrays into one with a new first axis, and zeros where there are none."""
    filled = np.zeros((length, *np.max([array.shape for array in arrays], axis=0)), arrays[0].dtype)
    for place, array in zip(filled, arrays, strict=False):
        place[tuple(map(slice, array.shape))] = array
    return filled
