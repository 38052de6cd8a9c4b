"""Histograms of weighted events."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Histogram:
    """Sums of weights in bins and their errors, the square roots of the sums of squared weights.

    Attributes
    ----------
    edges : np.ndarray, shape (n_bins + 1,)
        A bin holds its lower edge and not its upper one.
    values, errors : np.ndarray, shape (n_bins,)
    """

    edges: np.ndarray
    values: np.ndarray
    errors: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """Middle of each bin, shape (n_bins,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2


def bin_index(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin of each value, n_bins for those that are in none or NaN; int16, which saves memory."""
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
    """Histogram of weighted values; what lies outside the edges is left out."""
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
    """Histogram of two weighted quantities; what lies outside the edges is left out."""
    shape = len(x_edges), len(y_edges)  # with a row and a column for what is outside
    both = np.ravel_multi_index((bin_index(x, x_edges), bin_index(y, y_edges)), shape)
    return Histogram2D(x_edges, y_edges, np.bincount(both, weights, np.prod(shape)).reshape(shape)[:-1, :-1])
