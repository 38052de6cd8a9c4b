"""Histograms of weighted events, filled in blocks, so that temporary arrays stay small and in the cache of the CPU."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 16  # events


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
    bins = np.empty(len(values), np.int16)
    for rows in blocks(len(values)):
        bins[rows] = bin_of_rank[np.searchsorted(edges, values[rows], side="right")]
    return bins


def blocks(n_events: int) -> Iterator[slice]:
    """Divide events into blocks."""
    for start in range(0, n_events, BLOCK):
        yield slice(start, min(start + BLOCK, n_events))


def sum_of_blocks(n_events: int, values: Callable[[slice], np.ndarray]) -> float:
    """Sum values that a function computes for a block of events, float64, with the rounding of `numpy.sum` of all.

    Like NumPy it halves the events, at a multiple of 8, and adds the sums of the halves (pairwise summation).
    """

    def sum_of(start: int, n: int) -> float:
        if n <= BLOCK:
            return float(values(slice(start, start + n)).sum())
        half = n // 2 - n // 2 % 8
        return sum_of(start, half) + sum_of(start + half, n - half)

    return sum_of(0, n_events)


def sums_in_bins(bins: np.ndarray, n_bins: int, *factors: np.ndarray) -> np.ndarray:
    """Sum of the weights, or of products of several factors, in each bin, shape (n_bins,), float64.

    The sums so far enter the next block as its first summands. So the rounding is that of a sum of all events in their
    order, whatever the blocks.
    """
    sums: np.ndarray = np.zeros(n_bins + 1)
    places = np.arange(n_bins + 1)
    for rows in blocks(len(bins)):
        weights = factors[0][rows].astype(np.float64)
        for factor in factors[1:]:
            weights *= factor[rows]
        sums = np.bincount(np.concatenate([places, bins[rows]]), np.concatenate([sums, weights]))
    return sums[:n_bins]


def squares_in_bins(bins: np.ndarray, n_bins: int, weights: np.ndarray) -> np.ndarray:
    """Sum of the squared weights in each bin, shape (n_bins,), float64."""
    return sums_in_bins(bins, n_bins, weights, weights)


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
    bins = bin_index(x, x_edges).astype(np.int32)
    bins *= shape[1]
    bins += bin_index(y, y_edges)
    return Histogram2D(x_edges, y_edges, sums_in_bins(bins, shape[0] * shape[1], weights).reshape(shape)[:-1, :-1])
