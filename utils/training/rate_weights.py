"""Weights of training events with which each factor of the rate counts the same in the loss."""

from dataclasses import dataclass

import numpy as np

BINS_PER_DECADE = 4  # of the rate
DECADES = 4  # below the rate of all events


@dataclass(frozen=True)
class RateWeights:
    """Weight of an event by its energy sum, the same for all events of a bin.

    Attributes
    ----------
    edges : np.ndarray, shape (n_bins - 1,), float64
        Edges of the bins in GeV, rising; the first and the last bin have one edge.
    weights : np.ndarray, shape (n_bins,), float64
    """

    edges: np.ndarray
    weights: np.ndarray

    def __call__(self, sums: np.ndarray) -> np.ndarray:
        """Return the weights of events with energy sums in GeV, shape (n_events,), float64."""
        return self.weights[np.searchsorted(self.edges, sums, side="right")]


def rates_above(sums: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return falling sums and the weight of the events from each of them upwards, which never falls, float64."""
    order = np.argsort(-sums, kind="stable")
    above = np.cumsum(weights[order], dtype=np.float64)
    return sums[order].astype(np.float64), np.maximum.accumulate(above)  # weights may be negative


def fit_rate_weights(sums: np.ndarray, cross_sections: np.ndarray, loss_weights: np.ndarray) -> RateWeights:
    """Find the weights that give each factor of the rate above a threshold the same part of the loss.

    A trigger cuts where some per mille of the background are left, and a training sample has few events there, even if
    it is enriched.

    Parameters
    ----------
    sums : np.ndarray, shape (n_events,)
        Energy sums in GeV.
    cross_sections : np.ndarray, shape (n_events,)
        Cross-section weights, for the rates; they may be negative.
    loss_weights : np.ndarray, shape (n_events,)
        Weights in the loss without the result; the mean of the product is the mean of these.
    """
    falling, above = rates_above(sums, cross_sections)
    rates = above[-1] * 10.0 ** (-np.arange(DECADES * BINS_PER_DECADE, 0, -1) / BINS_PER_DECADE)
    edges = np.unique(np.interp(rates, above, falling))
    in_bin = np.bincount(np.searchsorted(edges, sums, side="right"), loss_weights, len(edges) + 1)
    filled = in_bin > 0
    weights = np.divide(in_bin.sum() / filled.sum(), in_bin, out=np.zeros(len(in_bin)), where=filled)
    return RateWeights(edges, weights)
