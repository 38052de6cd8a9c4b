"""Calibration of corrected sums: a rising function that makes their median response 1."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from scipy.optimize import isotonic_regression

from utils.training.ragged_graphs import RaggedGraphs
from utils.training.rising_tables import LARGEST_SUM, MOST_EVENTS, RisingTable, rising_points
from utils.training.training_graphs import TrainingGraphs

LOWEST_TRUE = 10  # GeV; below, noise and not the true sum decides what is measured
BIN_WIDTH = 1.15  # ratio of the edges of the narrowest bins
EVENTS_PER_BIN = 100  # smallest effective number of events
ROUNDING = 1e-9


@dataclass(frozen=True)
class Calibration(RisingTable):
    """Corrected sums and their calibrated values.

    Attributes
    ----------
    corrected, calibrated : np.ndarray, shape (n_points,), float64
        In GeV.
    """

    corrected: np.ndarray
    calibrated: np.ndarray
    key: ClassVar[str] = "calibration"

    def inverse(self, calibrated: np.ndarray) -> np.ndarray:
        """Return the corrected sums of calibrated values."""
        return np.interp(calibrated, self.calibrated, self.corrected)

    def steps_below(self, calibrated: np.ndarray, step: float) -> np.ndarray:
        """Return the largest corrected sums, in steps, whose calibrated values are not above thresholds.

        A sum of whole steps passes a threshold when it has more steps.
        """
        return np.floor(self.inverse(calibrated) / step + ROUNDING).astype(np.int64)


def fit_calibration(corrected: np.ndarray, true: np.ndarray, weights: np.ndarray) -> Calibration | None:
    """Find the calibration after which the median of measured over true sum is 1 at each true sum.

    It is the inverse of the median response in bins of the true sum times the median true sum of the bin ("numerical
    inversion": Cukierman and Nachman, Nucl. Instrum. Meth. A 858 (2017) 1), so that the width of a bin does not matter.
    Isotonic regression makes these sums rise. Below the first point the calibration is a line through the origin. Above
    the last one it continues with the mean slope of the upper half of the true sums, since two neighbouring points do
    not determine a slope well.

    Parameters
    ----------
    corrected, true, weights : np.ndarray, shape (n_events,)
        Sums in GeV. Events with a true sum below 10 GeV are left out.

    Returns
    -------
    Calibration or None
        None where there are too few events.
    """
    used = (true >= LOWEST_TRUE) & np.isfinite(corrected)
    corrected, true, weights = (values[used].astype(np.float64) for values in (corrected, true, weights))
    bins = _bins(true, weights)
    if not bins:
        return None
    response = corrected / true
    known = np.array([weighted_median(true[rows], weights[rows]) for rows in bins])
    measured = known * [weighted_median(response[rows], weights[rows]) for rows in bins]
    sizes = np.array([weights[rows].sum() ** 2 / np.square(weights[rows]).sum() for rows in bins])
    measured, place = np.unique(isotonic_regression(measured, weights=sizes).x, return_inverse=True)
    known = np.bincount(place, sizes * known) / np.bincount(place, sizes)
    measured, known = measured[measured > 0], known[measured > 0]
    if not len(known):
        return None
    start = np.searchsorted(known, known[-1] / 2)
    low = (measured[start], known[start]) if start < len(known) - 1 else (0.0, 0.0)
    slope = (known[-1] - low[1]) / (measured[-1] - low[0])
    ends = (0, LARGEST_SUM), (0, known[-1] + slope * (LARGEST_SUM - measured[-1]))
    table = (np.array([x[0], *values, x[1]]) for x, values in zip(ends, (measured, known), strict=True))
    return Calibration(*rising_points(*table))


def _bins(true: np.ndarray, weights: np.ndarray) -> list[np.ndarray]:
    """Return the events of each bin of the true sum; narrow bins are joined, from above, until they have enough."""
    order = np.argsort(true)
    if not len(order):
        return []
    n_edges = 1 + int(np.log(max(true.max() / LOWEST_TRUE, 1)) / np.log(BIN_WIDTH))
    edges = true.max() / BIN_WIDTH ** np.arange(1, n_edges + 1)
    starts = np.searchsorted(true[order], edges)
    bins, stop = [], len(order)
    for start in (*starts, 0):
        inside = weights[order[start:stop]]
        total = inside.sum()
        if total > 0 and total**2 >= EVENTS_PER_BIN * np.square(inside).sum():
            bins.append(order[start:stop])
            stop = start
    return bins[::-1]


def weighted_median(values: np.ndarray, weights: np.ndarray) -> float:
    """Return the weighted median."""
    order = np.argsort(values)
    sums = np.maximum.accumulate(np.cumsum(weights[order]))  # weights may be negative
    return float(np.interp(sums[-1] / 2, sums - weights[order] / 2, values[order]))


def training_calibration(
    graphs: TrainingGraphs, corrected_sums: Callable[[RaggedGraphs], np.ndarray]
) -> Calibration | None:
    """Calibrate a network on the events that it was trained and validated on, with their weights in the loss.

    Of more than `MOST_EVENTS` a random part is taken, so that time and memory are bounded.

    Parameters
    ----------
    graphs : TrainingGraphs
    corrected_sums : callable
        Function of graphs that returns the corrected sums of the network, shape (n_graphs,), in GeV.
    """
    columns: list[tuple[np.ndarray, ...]] = []
    share, rng = MOST_EVENTS / (graphs.n_training + graphs.n_validation), np.random.default_rng(0)
    for validation in (False, True):
        for number in range(graphs.n_chunks):
            part = graphs.chunk(number, validation)
            if share < 1:
                part = part.take(np.flatnonzero(rng.random(len(part)) < share))
            if len(part):
                columns.append((corrected_sums(part), part.labels[:, 1], part.weights))
    return fit_calibration(*(np.concatenate(column) for column in zip(*columns, strict=True)))


def l1_sums(graphs: RaggedGraphs, target_scale: float) -> np.ndarray:
    """Return the L1 sums of graphs in GeV, true sum over target and its scale; NaN where the true sum is 0."""
    target, true = graphs.labels[:, 0], graphs.labels[:, 1]
    return np.divide(true * np.float32(target_scale), target, out=np.full_like(true, np.nan), where=target > 0)
