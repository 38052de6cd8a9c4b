"""Events in falling order of a quantity, and thresholds at fixed efficiencies."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import ROUNDING
from utils.evaluation.histograms import blocks


@dataclass(frozen=True)
class Ranking:
    """Events in falling order of a quantity, sorted once for its thresholds, rates and ROC curves.

    Attributes
    ----------
    rising : np.ndarray, shape (n_events,)
        The values in rising order, as NumPy searches them.
    order : np.ndarray, shape (n_events,), uint32
        Indices of the events before sorting, in falling order of the values.
    unsorted_weights : np.ndarray, shape (n_events,)
        In the order before sorting, which several rankings share.
    """

    rising: np.ndarray
    order: np.ndarray
    unsorted_weights: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, weights: np.ndarray) -> "Ranking":
        """Sort events, given in any order."""
        order = np.argsort(values)
        return cls(values[order], order[::-1].astype(np.uint32), weights)

    @property
    def values(self) -> np.ndarray:
        """Values in falling order."""
        return self.rising[::-1]

    @property
    def weights(self) -> np.ndarray:
        """Weights in the order of the values, a new array."""
        return _take(self.unsorted_weights, self.order)

    @property
    def signed(self) -> bool:
        """Whether some weights are negative, so that their sums from above may fall."""
        return bool((self.unsorted_weights < 0).any())

    def sums(self, squared: bool = False) -> np.ndarray:
        """Return cumulative sums of the weights, or of their squares, of the first 0 to n_events events, float64."""
        sums = np.zeros(len(self.order) + 1)
        for rows in blocks(len(self.order)):
            summands = self.unsorted_weights.take(self.order[rows]).astype(np.float64)
            if squared:
                summands *= summands
            summands[0] += sums[rows.start]
            np.cumsum(summands, out=sums[rows.start + 1 : rows.stop + 1])
        return sums

    def n_above(self, thresholds: np.ndarray) -> np.ndarray:
        """Count the values above each threshold."""
        return len(self.rising) - np.searchsorted(self.rising, thresholds, side="right")

    def n_from(self, thresholds: np.ndarray) -> np.ndarray:
        """Count the values above or equal to each threshold."""
        return len(self.rising) - np.searchsorted(self.rising, thresholds, side="left")

    def passed(self, thresholds: np.ndarray) -> np.ndarray:
        """Sum the weights, and the squared weights, above each threshold, shape (2, n_thresholds)."""
        n_above = self.n_above(thresholds)
        return np.stack([self.sums(squared)[n_above] for squared in (False, True)])

    def thresholds(self, efficiencies: np.ndarray) -> np.ndarray:
        """Return the lowest thresholds that at most given weighted fractions of the events pass.

        The weights are summed from the highest value down, until the sum would exceed the fraction for the first time;
        with negative weights it may fall again. A threshold is one of the values, or minus infinity where all events
        may pass. Events with equal values pass or fail together, so that ties never let a larger fraction pass.

        Parameters
        ----------
        efficiencies : np.ndarray, shape (n_thresholds,)
        """
        sums, values = self.sums()[1:], self.values
        allowed = allowed_weight(efficiencies, sums[-1])
        if self.signed:  # otherwise the first event beyond the allowed weight has the value of its equals
            last = np.append(np.flatnonzero(values[1:] != values[:-1]), len(values) - 1)  # of equal values
            sums, values = np.maximum.accumulate(sums[last]), values[last]
        n_may_pass = np.searchsorted(sums, allowed, side="right")
        all_may_pass = n_may_pass == len(values)
        return np.where(all_may_pass, -np.inf, values[np.where(all_may_pass, 0, n_may_pass)])


class Rankings(Mapping[str, Ranking]):
    """Events in the order of several quantities. Only the orders are kept, 4 bytes an event; rankings are made of them.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
    weights : np.ndarray, shape (n_events,)
    """

    def __init__(self, scores: Mapping[str, np.ndarray], weights: np.ndarray):
        self._scores, self._weights = scores, weights
        self._orders = {name: Ranking.of(values, weights).order for name, values in scores.items()}

    def __getitem__(self, name: str) -> Ranking:
        """Return the events in the order of a quantity."""
        order = self._orders[name]
        return Ranking(_take(self._scores[name], order[::-1]), order, self._weights)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the names of the quantities."""
        return iter(self._orders)

    def __len__(self) -> int:
        """Return the number of quantities."""
        return len(self._orders)


def _take(values: np.ndarray, order: np.ndarray) -> np.ndarray:
    """Return values in an order, in blocks, since NumPy makes indices of 8 bytes of all that it takes at once."""
    taken = np.empty(len(order), values.dtype)
    for rows in blocks(len(order)):
        taken[rows] = values.take(order[rows])
    return taken


def allowed_weight(efficiencies: np.ndarray, total: float) -> np.ndarray:
    """Return the weight that may pass, with room for rounding; 0 where the weights of a replica sum to less than 0."""
    return np.asarray(efficiencies) * max(total, 0) * (1 + ROUNDING)
