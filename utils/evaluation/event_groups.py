"""Groups of events that pass the same thresholds, and their bootstrap replicas."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import N_REPLICAS, replica_sums
from utils.evaluation.histograms import blocks

LARGEST_KEY = 2**62  # of a group, so that it fits into int64
LARGEST_SHORT_KEY = 2**15 - 1  # so that it fits into int16


@dataclass(frozen=True)
class EventGroups:
    """Groups of events of the same kind and sign that pass the same thresholds on several quantities.

    Attributes
    ----------
    kinds : np.ndarray, shape (n_groups,), int
        Kind of the events of each group.
    bins : dict of str to np.ndarray, shape (n_groups,), int
        Number of thresholds on each quantity that a group passes.
    n_kinds : int
    n_thresholds : dict of str to int
    sums, squares : np.ndarray, shape (n_groups,), float64
        Sums of the weights and of their squares.
    """

    kinds: np.ndarray
    bins: dict[str, np.ndarray]
    n_kinds: int
    n_thresholds: dict[str, int]
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(
        cls,
        scores: Mapping[str, np.ndarray],
        weights: np.ndarray,
        thresholds: Mapping[str, np.ndarray],
        kinds: np.ndarray | None = None,
    ) -> "EventGroups":
        """Group events by rising thresholds, shape (n_thresholds,) for each quantity, and by kinds, numbered from 0.

        The digits of the key of a group are its kind, its sign and the number of thresholds it passes on each quantity.
        Before a key overflows, ranks replace the keys so far: there are at most as many ranks as events.
        """
        kinds = np.zeros(len(weights), np.int8) if kinds is None else kinds
        n_kinds = 1 + int(kinds.max(initial=0))
        number, n_numbers = 2 * kinds.astype(np.int64) + (weights < 0), 2 * n_kinds
        for name, values in scores.items():
            n_bins = 1 + len(thresholds[name])
            if n_numbers * n_bins > LARGEST_KEY:
                occurring, number = np.unique(number, return_inverse=True)
                n_numbers = len(occurring)
            for rows in blocks(len(values)):
                number[rows] *= n_bins
                number[rows] += np.searchsorted(thresholds[name], values[rows])
            n_numbers *= n_bins
        if n_numbers <= LARGEST_SHORT_KEY:  # NumPy sorts short integers eight times as fast
            number = number.astype(np.int16)
        order = np.argsort(number, kind="stable" if number.dtype == np.int16 else None)
        first, last = [np.zeros(0, np.int64)], -1
        for rows in blocks(len(number)):
            in_order = number[order[rows]]
            first.append(rows.start + np.flatnonzero(np.diff(in_order, prepend=last)))
            last = in_order[-1]
        del number  # as much memory as all quantities together
        starts = np.concatenate(first)
        sorted_weights = np.empty(len(order))
        for rows in blocks(len(order)):
            sorted_weights[rows] = weights[order[rows]]
        order = order[starts]
        sums = np.add.reduceat(sorted_weights, starts)
        sorted_weights *= sorted_weights
        return cls(
            kinds[order].astype(np.int64),
            {name: np.searchsorted(thresholds[name], values[order]) for name, values in scores.items()},
            n_kinds,
            {name: len(thresholds[name]) for name in scores},
            sums,
            np.add.reduceat(sorted_weights, starts),
        )

    def replicas(self, rng: np.random.Generator, n_replicas: int = N_REPLICAS) -> Iterator[np.ndarray]:
        """Yield the sums of the weights of the groups, then their bootstrap replicas."""
        return replica_sums(self.sums, self.squares, rng, n_replicas)

    def passing(self, name: str, sums: np.ndarray) -> np.ndarray:
        """Sum the groups of each kind that pass at least 0, 1, ... thresholds, shape (n_kinds, 1 + n_thresholds).

        The first number is the sum of all. Where all pass a threshold, it is equal to theirs in the last digit.
        """
        n_bins = 1 + self.n_thresholds[name]
        in_bins = np.bincount(self.kinds * n_bins + self.bins[name], sums, self.n_kinds * n_bins)
        return np.cumsum(in_bins.reshape(self.n_kinds, n_bins)[:, ::-1], axis=1)[:, ::-1]
