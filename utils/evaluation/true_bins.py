"""Events in bins of the true variable."""

from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import divide
from utils.evaluation.histograms import bin_index, squares_in_bins, sums_in_bins

N_FIT_BINS = 200  # over the range of a turn-on curve
EVENTS_PER_POINT = 40  # smallest effective number of events of a point of an interpolated turn-on curve


@dataclass(frozen=True)
class TrueBins:
    """Bin of each event, and sum of weights, sum of squared weights and mean true value of each bin.

    The mean is taken with absolute weights: with signed weights it might lie outside the bin.
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
        first_moment = sums_in_bins(bins, n_bins, sizes, true)
        return cls(bins, total, squares, divide(first_moment, sums_in_bins(bins, n_bins, sizes)))

    def sums_of(self, *factors: np.ndarray) -> np.ndarray:
        """Sum other weights of the same events in each bin, or products, for example of weights and what passes."""
        return sums_in_bins(self.bins, len(self.total), *factors)

    def filled(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return mean true value, effective number of events and fraction `sums` / total of the bins with events."""
        some = self.total > 0
        total = self.total[some]
        return self.mean[some], total**2 / self.squares[some], np.clip(sums[some] / total, 0, 1)


def joined_bins(true: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> TrueBins:
    """Join fine bins, from the upper end, into bins of at least 40 effective events; the rest below is left out."""
    fine = np.linspace(edges[0], edges[-1], N_FIT_BINS + 1)
    events = TrueBins.of(true, weights, fine)
    chosen, total, squares = [fine[-1]], 0.0, 0.0
    for edge, bin_total, bin_squares in zip(fine[-2::-1], events.total[::-1], events.squares[::-1], strict=True):
        total, squares = total + bin_total, squares + bin_squares
        if total > 0 and total**2 >= EVENTS_PER_POINT * squares:
            chosen, total, squares = [*chosen, edge], 0.0, 0.0
    return TrueBins.of(true, weights, np.array(chosen[::-1]))
