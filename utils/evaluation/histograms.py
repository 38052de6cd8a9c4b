"""Histograms of weighted events, filled in blocks, so that temporary arrays stay small and in the cache of the CPU."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

BLOCK = 1 << 16  # events
MOST_CELLS = 1 << 14


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
    bins = np.empty(len(values), np.int16)
    find = _bin_finder(edges)
    for rows in blocks(len(values)):
        found = find(values[rows].astype(np.float64))
        bins[rows] = np.where(found < 0, n_bins, found)
    return bins


def _bin_finder(edges: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return a function that finds bins, -1 below all edges.

    It looks into a table of cells of equal width with one edge at most in each: the bin is right, or a neighbour is.
    This takes a quarter of the time of a binary search.
    """
    n_bins, width = len(edges) - 1, edges[-1] - edges[0]
    n_cells = 2 * int(np.ceil(width / np.diff(edges).min())) if n_bins else 0
    if not 0 < n_cells <= MOST_CELLS:
        return lambda values: np.searchsorted(edges, values, side="right") - 1
    lower, upper = edges[:-1], edges[1:]
    bin_of_cell = np.searchsorted(upper, edges[0] + width / n_cells * np.arange(n_cells), side="right")

    def find(values: np.ndarray) -> np.ndarray:
        cells = (values - edges[0]) * (n_cells / width)
        found = bin_of_cell[np.fmax(np.fmin(cells, n_cells - 1), 0).astype(np.int64)]
        below, above = values < lower[found], ~(values < upper[found])
        return found + above - below

    return find


def blocks(n_events: int) -> Iterator[slice]:
    """Divide events into blocks."""
    for start in range(0, n_events, BLOCK):
        yield slice(start, min(start + BLOCK, n_events))


def sum_of_blocks(values: Callable[[slice], np.ndarray], start: int, stop: int) -> float:
    """Sum values that a function computes for a block of events, float64, with the rounding of `numpy.sum` of all.

    Like NumPy it halves the events, at a multiple of 8, and adds the sums of the halves (pairwise summation).
    """
    n_events = stop - start
    if n_events <= BLOCK:
        return float(values(slice(start, stop)).sum())
    middle = start + n_events // 2 - n_events // 2 % 8
    return sum_of_blocks(values, start, middle) + sum_of_blocks(values, middle, stop)


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
