"""Events in bins of the true variable."""

from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import divide
from utils.evaluation.histograms import bin_index, squares_in_bins, sums_in_bins

N_FIT_BINS = 200
EVENTS_PER_POINT = 40  # effective, in the bins between which these are interpolated


@dataclass(frozen=True)
class TrueBins:
    """Events in bins of the true variable: the bin of each, and sums of weights, of their squares and of the mean.

    The mean is of the true variable, with the sizes of the weights: with signs it might lie outside the bin.
    """

    bins: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, true: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> "TrueBins":
        """Sort events into bins of the true variable."""
        bins, n_bins = bin_index(true, edges), len(edges) - 1
        total, squares = sums_in_bins(bins, n_bins, weights), squares_in_bins(bins, n_bins, weights)
        sizes = np.abs(weights)
        first_moment = sums_in_bins(bins, n_bins, np.multiply(sizes, true, dtype=np.float64))
        return cls(bins, total, squares, divide(first_moment, sums_in_bins(bins, n_bins, sizes)))

    def sums_of(self, weights: np.ndarray) -> np.ndarray:
        """Sum other weights of the same events in each bin."""
        return sums_in_bins(self.bins, len(self.total), weights)

    def of_filled(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For the bins with events: means of the true variable, effective numbers of events, and fractions of sums."""
        filled = self.total > 0
        total = self.total[filled]
        return self.mean[filled], total**2 / self.squares[filled], np.clip(sums[filled] / total, 0, 1)


def joined_bins(true: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> TrueBins:
    """Join bins, 1/200 of the range each, from above to 40 effective events or more; the rest below is left out."""
    fine = np.linspace(edges[0], edges[-1], N_FIT_BINS + 1)
    events = TrueBins.of(true, weights, fine)
    chosen, total, squares = [fine[-1]], 0.0, 0.0
    for edge, of_bin, of_squares in zip(fine[-2::-1], events.total[::-1], events.squares[::-1], strict=True):
        total, squares = total + of_bin, squares + of_squares
        if total > 0 and total**2 >= EVENTS_PER_POINT * squares:
            chosen, total, squares = [*chosen, edge], 0.0, 0.0
    return TrueBins.of(true, weights, np.array(chosen[::-1]))
