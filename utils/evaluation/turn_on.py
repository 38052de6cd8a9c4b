"""Turn-on curves: efficiency of a threshold against the true variable, and the gain of a correction."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from utils.evaluation.bootstrap import N_REPLICAS, TWO_SIGMA, Estimate, replica_sums, unknown_estimates
from utils.evaluation.efficiencies import Efficiency, efficiency
from utils.evaluation.true_bins import N_FIT_BINS, TrueBins, joined_bins
from utils.evaluation.turn_on_fit import TurnOnFit, describes_curve, fit_turn_on

REACHED_EFFICIENCIES = (0.5, 0.9, 0.95)  # efficiencies of which the true values are given


@dataclass(frozen=True)
class TurnOn:
    """Efficiency of a threshold in bins of the true variable; `threshold` and `edges` are in its unit.

    Attributes
    ----------
    threshold : float
        NaN where it is not known: so is all else.
    edges : np.ndarray, shape (n_bins + 1,)
    efficiency : Efficiency
    reached : Estimate, shape (3,)
        True values at which the efficiency reaches 50, 90 and 95%, taken from the curve itself and not from the fit:
        see :func:`_reached_replicas`. NaN where it is not reached, minus infinity where it is larger everywhere.
    fit : TurnOnFit
    described : bool
        Whether the fit is_good_fit the curve, so that it may be drawn.
    """

    threshold: float
    edges: np.ndarray
    efficiency: Efficiency
    reached: Estimate[np.ndarray]
    fit: TurnOnFit
    described: bool


def turn_on_curves(
    true: np.ndarray,
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, Sequence[float]],
    edges: np.ndarray,
    seed: int = 1,
) -> dict[str, list[TurnOn]]:
    """Efficiencies of several quantities above several thresholds, in bins of the true variable.

    Parameters
    ----------
    true, weights : np.ndarray, shape (n_events,)
    scores : mapping of str to np.ndarray, shape (n_events,)
        The quantities.
    thresholds : mapping of str to sequence of float
        Those of each quantity.
    edges : np.ndarray, shape (n_bins + 1,)
    seed : int
        Of the bootstrap errors.
    """
    coarse, fine = (TrueBins.of(true, weights, e) for e in (edges, np.linspace(edges[0], edges[-1], N_FIT_BINS + 1)))
    points = joined_bins(true, weights, edges)

    def curve(values: np.ndarray, threshold: float) -> TurnOn:
        passed = weights * (values > threshold) * (1 if np.isfinite(threshold) or threshold < 0 else np.nan)
        in_bins = coarse.sums_of(passed)
        binned = efficiency(in_bins, coarse.total, coarse.squares)
        fit = fit_turn_on(fine, fine.sums_of(passed), edges[0], edges[-1])
        rows = _reached_replicas(points, weights, {"": values > threshold}, seed)[""]
        reached = _reached_estimate(rows) if np.isfinite(passed).all() else unknown_estimates(len(REACHED_EFFICIENCIES))
        return TurnOn(float(threshold), edges, binned, reached, fit, describes_curve(fit, fine, coarse, edges, in_bins))

    return {name: [curve(scores[name], threshold) for threshold in of_name] for name, of_name in thresholds.items()}


def _reached_replicas(
    points: TrueBins, weights: np.ndarray, passes: Mapping[str, np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """Find the true values at which efficiencies of several quantities reach 50, 90 and 95%, with bootstrap replicas.

    The curve is the rising one nearest to the efficiencies in narrow bins (isotonic regression: Barlow et al.,
    "Statistical inference under order restrictions", 1972), straight between the means of the bins. No shape is
    assumed, and no plateau divided out.

    Parameters
    ----------
    points : TrueBins
    weights : np.ndarray, shape (n_events,)
    passes : mapping of str to np.ndarray, shape (n_events,), bool
        Of each quantity; those given together share their replicas.
    seed : int

    Returns
    -------
    dict of str to np.ndarray, shape (1 + n_replicas, 3)
        Infinite where an efficiency is not reached, minus infinity where the first bin is above it.
    """
    n_bins, rng = len(points.total), np.random.default_rng(seed)
    rows = {name: np.full((1 + N_REPLICAS, len(REACHED_EFFICIENCIES)), np.inf) for name in passes}
    if not n_bins:
        return rows
    key = points.bins.astype(np.int64)
    for passing in (*passes.values(), weights < 0):
        key = 2 * key + passing
    keys = np.flatnonzero(np.bincount(key))
    bins = keys >> (len(passes) + 1)
    passing_groups = {name: (keys >> (len(passes) - i)) & 1 for i, name in enumerate(passes)}
    sums, squares = (np.bincount(key, w)[keys] for w in (weights, np.square(weights, dtype=np.float64)))
    for i, of_groups in enumerate(replica_sums(sums, squares, rng)):
        total = np.bincount(bins, of_groups, n_bins + 1)[:n_bins]
        filled = total > 0
        if filled.sum() < 2:
            continue
        for name, passing in passing_groups.items():
            passed = np.bincount(bins, of_groups * passing, n_bins + 1)[:n_bins]
            rising = isotonic_regression(passed[filled] / total[filled], weights=total[filled]).x
            rows[name][i] = _crossings(points.mean[filled], rising)
    return rows


def _crossings(x: np.ndarray, rising: np.ndarray) -> list[float]:
    """Where a rising curve, straight between points, reaches 50, 90 and 95%."""
    found = []
    for level, first in zip(REACHED_EFFICIENCIES, np.searchsorted(rising, REACHED_EFFICIENCIES), strict=True):
        if first == len(x):
            found.append(math.inf)
        elif first == 0:
            found.append(-math.inf)
        else:
            share = (level - rising[first - 1]) / (rising[first] - rising[first - 1])
            found.append(x[first - 1] + share * (x[first] - x[first - 1]))
    return found


def _reached_estimate(rows: np.ndarray) -> Estimate[np.ndarray]:
    """Estimate points of a curve; NaN where the curve, or more than 2.28% of its replicas, do not reach them.

    The error is a quarter of what the central 95.45% of the replicas span: a rising curve has steps, and the central
    68.27% may be on one of them. In pseudo-experiments it is right within 15% for differences, 30% for single points.
    """
    low, high = np.quantile(rows[1:], TWO_SIGMA, axis=0, method="nearest")
    value = np.where(np.isposinf(high) | np.isposinf(rows[0]), np.nan, rows[0])
    known = np.isfinite(value) & np.isfinite(low) & (high > low)
    return Estimate(value, np.where(known, np.subtract(high, low, where=known, out=np.zeros(len(low))) / 4, np.nan))


@dataclass(frozen=True)
class TurnOnGain:
    """What a quantity changes in the turn-on of a baseline, of the same events.

    Attributes
    ----------
    midpoint, at_90_percent, at_95_percent : Estimate
        Differences of the true values at which the absolute efficiencies reach 50, 90 and 95%, in the unit of the true
        variable. Below 0 the quantity turns on earlier. NaN where one of the two does not reach it.
    """

    midpoint: Estimate[float]
    at_90_percent: Estimate[float]
    at_95_percent: Estimate[float]


def turn_on_gains(
    true: np.ndarray,
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, Sequence[float]],
    edges: np.ndarray,
    baseline: str = "baseline",
    seed: int = 1,
) -> dict[str, list[TurnOnGain]]:
    """Compare the turn-on curves of several quantities with that of a baseline, at fixed absolute efficiencies.

    The errors know that the curves are of the same events, since these share their bootstrap replicas.

    Parameters
    ----------
    true, weights : np.ndarray, shape (n_events,)
    scores : mapping of str to np.ndarray, shape (n_events,)
        The quantities, the baseline among them.
    thresholds : mapping of str to sequence of float
        As many for each quantity: those at the same place are compared, for example those of equal rate.
    edges : np.ndarray, shape (n_bins + 1,)
        The curves are between the first and the last.
    baseline : str
    seed : int
        Of the bootstrap errors.

    Returns
    -------
    dict of str to list of TurnOnGain
        For each quantity but the baseline.
    """
    points = joined_bins(true, weights, edges)
    gains: dict[str, list[TurnOnGain]] = {name: [] for name in thresholds if name != baseline}
    for i in range(len(thresholds[baseline])):
        at = {name: thresholds[name][i] for name in thresholds}
        rows = _reached_replicas(points, weights, {name: scores[name] > at[name] for name in at}, seed)
        known = {name: ~np.isnan(at[name]) & np.isfinite(_reached_estimate(rows[name]).value) for name in at}
        for name, of_name in gains.items():
            both = known[name] & known[baseline]
            with np.errstate(invalid="ignore"):  # of replicas that do not reach a point
                moved = rows[name] - rows[baseline]
            estimate = _reached_estimate(np.where(both & np.isfinite(moved), moved, np.inf))
            of_name.append(TurnOnGain(*map(Estimate, estimate.value.tolist(), estimate.error.tolist())))
    return gains
