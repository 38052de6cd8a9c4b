"""Rates of the background against the offline threshold, before and after a correction."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.bootstrap import Estimate, bootstrap_estimate, difference, divide
from utils.evaluation.histograms import blocks
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import Rates, passing_rate, rate_ratios, rates
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.scaling import Scaling
from utils.predictions import BASELINE, Predictions


@dataclass(frozen=True)
class OfflineRates:
    """Rates of the background against the offline threshold of a signal, through the online-to-offline scaling.

    All errors contain the statistics of the background and, through the scaling, of the signal.

    Attributes
    ----------
    efficiency : float
        Absolute efficiency of the signal at the offline threshold.
    offline : np.ndarray, shape (n,)
        Offline thresholds, true values of the signal in GeV.
    rates : dict of str to Rates
        Rates of the trigger quantities at these offline thresholds; `thresholds` are the online ones.
    fitted : dict of str to np.ndarray, shape (n,), bool
        Where the scaling has points; elsewhere it is extrapolated.
    ratios : dict of str to Estimate
        Rate of each model over the rate of the baseline, at the same offline threshold.
    thresholds : dict of str to Estimate, shape (n_working_points,)
        Offline threshold of each quantity at the working points.
    lowered : dict of str to Estimate, shape (n_working_points,)
        Offline threshold of each model minus the one of the baseline, with paired errors.
    extrapolated : dict of str to np.ndarray, shape (n_working_points,), bool
        Where the online threshold is beyond the points of the scaling.
    """

    efficiency: float
    offline: np.ndarray
    rates: dict[str, Rates]
    fitted: dict[str, np.ndarray]
    ratios: dict[str, Estimate[np.ndarray]]
    thresholds: dict[str, Estimate[np.ndarray]]
    lowered: dict[str, Estimate[np.ndarray]]
    extrapolated: dict[str, np.ndarray]


def offline_rates(
    predictions: Predictions,
    background: BackgroundResult,
    scaling: Mapping[str, Scaling],
    offline: np.ndarray,
    run_conditions: RunConditions | None,
) -> OfflineRates:
    """Find the rates of the background against the offline threshold.

    Parameters
    ----------
    predictions : Predictions
        The background, all its processes together.
    background : BackgroundResult
        Of the same events, with their rankings.
    scaling : mapping of str to Scaling
        Scaling of each trigger quantity for one efficiency of the signal.
    offline : np.ndarray, shape (n,)
        Offline thresholds, rising, in GeV.
    run_conditions : RunConditions or None
        None for a background without weights, which has no rates.
    """
    online = {name: line.online(offline) for name, line in scaling.items()}
    ends = {name: line.range for name, line in scaling.items()}
    found, sums, fractions = {}, {}, {}
    for name, thresholds in online.items():
        ranking = background.rankings[name]
        found[name], fractions[name] = _rates(ranking, thresholds, run_conditions)
        sums[name] = ranking.passed(thresholds[0])
        del ranking  # before the next one is made
    measured = predictions.measured
    ratios = {}
    for name in predictions.corrections:
        lines = [(measured[quantity], *scaling[quantity].lines[0]) for quantity in (name, BASELINE)]
        both = _passed_both(lines, predictions.weight, offline)
        ratios[name] = _ratio(sums[name], sums[BASELINE], both, fractions[name], fractions[BASELINE])
    known = background.known_thresholds
    reached = {name: line.offline(known[name]) for name, line in scaling.items()}
    return OfflineRates(
        efficiency=scaling[BASELINE].efficiency,
        offline=offline,
        rates=found,
        fitted={name: _inside(thresholds[0], ends[name]) for name, thresholds in online.items()},
        ratios=ratios,
        thresholds={name: _finite(bootstrap_estimate(rows)) for name, rows in reached.items()},
        lowered={
            name: _finite(bootstrap_estimate(difference(reached[name], reached[BASELINE])))
            for name in predictions.corrections
        },
        extrapolated={
            name: ~_inside(known[name][0], ends[name]) & np.isfinite(rows[0]) for name, rows in reached.items()
        },
    )


def _inside(online: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    return (online >= ends[0]) & (online <= ends[1])


def _finite(estimate: Estimate[np.ndarray]) -> Estimate[np.ndarray]:
    """Return an estimate without infinite values."""
    return Estimate(np.where(np.isfinite(estimate.value), estimate.value, np.nan), estimate.error)


def _rates(ranking: Ranking, online: np.ndarray, run_conditions: RunConditions | None) -> tuple[Rates, np.ndarray]:
    """Return the rates at online thresholds, and the fractions of the background in each replica of the thresholds.

    Parameters
    ----------
    ranking : Ranking
    online : np.ndarray, shape (1 + n_replicas, n)
    run_conditions : RunConditions or None
    """
    luminosity, bunches = (
        (run_conditions.luminosity, run_conditions.colliding_bunches) if run_conditions else (math.nan, 1)
    )
    found = rates(ranking, online[0], luminosity, bunches)
    passed = ranking.sums()
    total = passed[-1]
    fractions = np.clip(divide(passed[ranking.n_above(online.ravel())].reshape(online.shape), total), 0, 1)
    fractions = np.where(np.isfinite(online), fractions, np.nan)
    replicas = fractions, passing_rate(fractions * total, luminosity, bunches)
    efficiency, rate = (
        _with_scaling(estimate, rows) for estimate, rows in zip((found.efficiency, found.rate), replicas, strict=True)
    )
    return replace(found, efficiency=efficiency, rate=rate), fractions


def _with_scaling(estimate: Estimate[np.ndarray], replicas: np.ndarray) -> Estimate[np.ndarray]:
    """Add the error of the scaling in quadrature to the one of the background; NaN without a scaling."""
    scaling = np.nan_to_num(bootstrap_estimate(replicas).error)
    unknown = np.where(np.isfinite(replicas[0]), 0, np.nan)
    return Estimate(estimate.value + unknown, np.hypot(estimate.error, scaling) + unknown)


def _ratio(
    numerator: np.ndarray, denominator: np.ndarray, both: np.ndarray, model: np.ndarray, baseline: np.ndarray
) -> Estimate[np.ndarray]:
    """Return the ratio of two rates from the sums of the events that pass, and replicas of the fractions."""
    replicas = divide(model, baseline)
    return _with_scaling(rate_ratios(numerator, denominator, both), replicas)


def _passed_both(lines: list[tuple[np.ndarray, float, float]], weights: np.ndarray, offline: np.ndarray) -> np.ndarray:
    """Sum the weights, and their squares, of the events that pass each offline threshold by all quantities.

    Parameters
    ----------
    lines : list of (np.ndarray, float, float)
        Values of each quantity, and slope and offset of its scaling.
    weights : np.ndarray, shape (n_events,)
    offline : np.ndarray, shape (n,)

    Returns
    -------
    np.ndarray, shape (2, n)
    """
    n = len(offline)
    sums = np.zeros((2, n + 1))
    for rows in blocks(len(weights)):
        smaller = np.min([slope * values[rows].astype(np.float64) + offset for values, slope, offset in lines], axis=0)
        n_passed = np.searchsorted(offline, smaller)
        some = weights[rows].astype(np.float64)
        sums += [np.bincount(n_passed, factor, n + 1) for factor in (some, some * some)]
    return np.cumsum(sums[:, :0:-1], axis=1)[:, ::-1]
