"""Online-to-offline scaling: the true value at which a threshold reaches an efficiency, as a line in the threshold."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from utils.evaluation.binning import REACHED_EFFICIENCIES
from utils.evaluation.bootstrap import N_REPLICAS, Estimate, bootstrap_estimate, divide
from utils.evaluation.event_groups import EventGroups
from utils.evaluation.fit_quality import is_good_fit
from utils.evaluation.true_bins import joined_bins
from utils.evaluation.turn_on import crossings, reached_estimate

FEWEST_POINTS = 3  # of a line and its quality


@dataclass(frozen=True)
class Scaling:
    """The line offline = slope * online + offset, through the true values at which thresholds reach an efficiency.

    Attributes
    ----------
    efficiency : float
        Absolute efficiency of the signal.
    thresholds : np.ndarray, shape (n,)
        Online thresholds, on the measured sum.
    reached : Estimate, shape (n,)
        True values, the offline thresholds; NaN where an efficiency is not reached.
    slope, offset : Estimate
        NaN with fewer than three points. Their errors contain the correlation of the points, which share events.
    chi2, n_degrees : float
        Chi-squared of the points, and its expectation for a line: the mean of the bootstrap replicas about the
        measurement. Less than the number of points, since they are correlated.
    largest_distance : float
        Largest distance of a point from the line, in GeV.
    lines : np.ndarray, shape (1 + n_replicas, 2)
        Slope and offset with their bootstrap replicas.
    """

    efficiency: float
    thresholds: np.ndarray
    reached: Estimate[np.ndarray]
    slope: Estimate[float]
    offset: Estimate[float]
    chi2: float
    n_degrees: float
    largest_distance: float
    lines: np.ndarray

    @property
    def known(self) -> np.ndarray:
        """Mask of the points of the line."""
        return np.isfinite(self.reached.value) & np.isfinite(self.reached.error)

    @property
    def describes(self) -> bool:
        """Whether the line describes the points."""
        return is_good_fit(self.chi2, self.n_degrees)

    @property
    def range(self) -> tuple[float, float]:
        """Lowest and highest threshold of the line; elsewhere it is extrapolated."""
        fitted = self.thresholds[self.known]
        return (float(fitted.min()), float(fitted.max())) if np.isfinite(self.slope.value) else (math.nan, math.nan)

    def offline(self, online: np.ndarray) -> np.ndarray:
        """Return the offline thresholds of online ones, with their replicas.

        Parameters
        ----------
        online : np.ndarray, shape (n,) or, with replicas, (1 + n_replicas, n)

        Returns
        -------
        np.ndarray, shape (1 + n_replicas, n)
        """
        return self.lines[:, :1] * online + self.lines[:, 1:]

    def online(self, offline: np.ndarray) -> np.ndarray:
        """Return the online thresholds of offline ones, shape (1 + n_replicas, n); NaN where the line does not rise."""
        slope = np.where(self.lines[:, :1] > 0, self.lines[:, :1], np.nan)
        return (offline - self.lines[:, 1:]) / slope


def scalings(
    true: np.ndarray,
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Sequence[float],
    edges: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, list[Scaling]]:
    """Find the scalings of several quantities of the same events, for efficiencies of 50, 90 and 95%.

    The true values come from the rising curve nearest to the efficiencies, as for turn-on curves. All quantities and
    thresholds share their bootstrap replicas, so that differences of quantities have paired errors.

    Parameters
    ----------
    true, weights : np.ndarray, shape (n_events,)
    scores : mapping of str to np.ndarray, shape (n_events,)
        The quantities.
    thresholds : sequence of float
    edges : np.ndarray, shape (n_bins + 1,)
        The turn-on curves extend from the first to the last.
    rng : np.random.Generator

    Returns
    -------
    dict of str to list of Scaling
        By quantity, for each efficiency.
    """
    rising = np.unique(np.asarray(thresholds, np.float64))
    replicas = _reached_replicas(true, scores, weights, rising, edges, rng)
    return {
        name: [fit_line(level, rising, rows[:, :, i]) for i, level in enumerate(REACHED_EFFICIENCIES)]
        for name, rows in replicas.items()
    }


def _reached_replicas(
    true: np.ndarray,
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: np.ndarray,
    edges: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Return the true values at which each threshold reaches each efficiency, (1 + n_replicas, n_thresholds, 3)."""
    points = joined_bins(true, weights, edges)
    n_bins, n_thresholds = len(points.total), len(thresholds)
    rows = {name: np.full((1 + N_REPLICAS, n_thresholds, len(REACHED_EFFICIENCIES)), np.inf) for name in scores}
    if not n_bins:
        return rows
    groups = EventGroups.of(scores, weights, dict.fromkeys(scores, thresholds), points.bins)
    bins = groups.kinds.astype(np.int64)
    for i, sums in enumerate(groups.replicas(rng)):
        total = np.bincount(bins, sums, n_bins + 1)[:n_bins]
        filled = total > 0
        if filled.sum() < 2:
            continue
        for name, found in rows.items():
            places = bins * (n_thresholds + 1) + groups.bins[name]
            table = np.bincount(places, sums, (n_bins + 1) * (n_thresholds + 1)).reshape(n_bins + 1, -1)[:n_bins]
            passed = np.cumsum(table[:, :0:-1], axis=1)[:, ::-1]
            efficiencies = passed[filled] / total[filled, None]
            for j in range(n_thresholds):
                rising = isotonic_regression(efficiencies[:, j], weights=total[filled]).x
                found[i, j] = crossings(points.mean[filled], rising)
    return rows


def fit_line(efficiency: float, thresholds: np.ndarray, reached: np.ndarray) -> Scaling:
    """Fit a line to the true values that thresholds reach, and to each of their bootstrap replicas.

    Points count with their inverse variance. A replica is fitted without the points that it does not reach.

    Parameters
    ----------
    efficiency : float
    thresholds : np.ndarray, shape (n,)
    reached : np.ndarray, shape (1 + n_replicas, n)
        Infinite where an efficiency is not reached.
    """
    points = reached_estimate(reached)
    known = np.isfinite(points.value) & np.isfinite(points.error)
    if known.sum() < FEWEST_POINTS:
        unknown = Estimate(math.nan, math.nan)
        lines = np.full((len(reached), 2), np.nan)
        return Scaling(efficiency, thresholds, points, unknown, unknown, math.nan, math.nan, math.nan, lines)
    x, finite = thresholds[known], np.isfinite(reached[:, known])
    y = np.where(finite, reached[:, known], 0)
    weights = np.where(finite, points.error[known] ** -2.0, 0)
    total = weights.sum(1)
    mean_x, mean_y = (divide((weights * values).sum(1), total)[:, None] for values in (x, y))
    around = weights * (x - mean_x)
    slope = divide((around * (y - mean_y)).sum(1), (around * (x - mean_x)).sum(1))
    lines = np.stack([slope, mean_y[:, 0] - slope * mean_x[:, 0]], axis=1)
    distances = np.where(finite, y - (lines[:, :1] * x + lines[:, 1:]), 0)
    found = bootstrap_estimate(lines)
    return Scaling(
        efficiency,
        thresholds,
        points,
        found.at(0),
        found.at(1),
        chi2=float(np.sum(weights[0] * distances[0] ** 2)),
        n_degrees=float(np.nanmean(np.sum(weights * (distances - distances[0]) ** 2, axis=1)[1:])),
        largest_distance=float(np.abs(distances[0]).max()),
        lines=lines,
    )
