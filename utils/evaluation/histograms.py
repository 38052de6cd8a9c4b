"""Histograms of weighted events."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Histogram:
    """Sums of weights in bins and their errors, the square roots of the sums of squared weights.

    Attributes
    ----------
    edges : np.ndarray, shape (n_bins + 1,)
        A bin includes its lower edge and excludes its upper edge.
    values, errors : np.ndarray, shape (n_bins,)
    """

    edges: np.ndarray
    values: np.ndarray
    errors: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """Centres of the bins, shape (n_bins,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2


def bin_index(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Return the bin of each value, int16 to save memory; n_bins for NaN and values outside the edges."""
    n_bins = len(edges) - 1
    bin_of_rank = np.array([n_bins, *range(n_bins + 1)], np.int16)
    return bin_of_rank[np.searchsorted(edges, values, side="right")]


def sums_in_bins(bins: np.ndarray, n_bins: int, weights: np.ndarray) -> np.ndarray:
    """Sum of the weights in each bin, shape (n_bins,), float64."""
    sums = np.bincount(bins, weights, minlength=n_bins + 1)[:n_bins]
    return sums.astype(np.float64, copy=False)  # without events bincount gives integers


def squares_in_bins(bins: np.ndarray, n_bins: int, weights: np.ndarray) -> np.ndarray:
    """Sum of the squared weights in each bin, shape (n_bins,), float64."""
    return sums_in_bins(bins, n_bins, np.square(weights, dtype=np.float64))


def histogram(values: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> Histogram:
    """Fill a histogram of weighted values; values outside the edges are left out."""
    bins, n_bins = bin_index(values, edges), len(edges) - 1
    return Histogram(edges, sums_in_bins(bins, n_bins, weights), np.sqrt(squares_in_bins(bins, n_bins, weights)))


@dataclass(frozen=True)
class Histogram2D:
    """Sums of weights in bins of two quantities, `values` of shape (n_x, n_y)."""

    x_edges: np.ndarray
    y_edges: np.ndarray
    values: np.ndarray


def histogram_2d(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, x_edges: np.ndarray, y_edges: np.ndarray
) -> Histogram2D:
    """Fill a histogram of two weighted quantities; values outside the edges are left out."""
    shape = len(x_edges), len(y_edges)  # with a row and a column for values outside
    bins = np.ravel_multi_index((bin_index(x, x_edges), bin_index(y, y_edges)), shape)
    return Histogram2D(x_edges, y_edges, np.bincount(bins, weights, np.prod(shape)).reshape(shape)[:-1, :-1])
