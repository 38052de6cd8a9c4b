"""Trigger rates of zero-bias events."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.efficiencies import clopper_pearson
from utils.evaluation.ranking import Ranking
from utils.evaluation.rates import crossing_rate


@dataclass(frozen=True)
class ZeroBiasRates:
    """Rates above thresholds of a sample of bunch crossings, in kHz, with their intervals.

    Attributes
    ----------
    thresholds, n_events, value, low, high : np.ndarray, shape (n,)
    """

    thresholds: np.ndarray
    n_events: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True)
class RateThresholds:
    """Thresholds at fixed rates, with their intervals; NaN where less than one event may pass.

    Attributes
    ----------
    rates : np.ndarray, shape (n,)
        In kHz.
    value, low, high : np.ndarray, shape (n,)
    """

    rates: np.ndarray
    value: np.ndarray
    low: np.ndarray
    high: np.ndarray


def zero_bias_rates(ranking: Ranking, thresholds: np.ndarray, colliding_bunches: int) -> ZeroBiasRates:
    """Find the rate above thresholds: the share of random crossings that pass, times the rate of crossings.

    Parameters
    ----------
    ranking : Ranking
        Crossings of equal weight. A crossing is one event, whatever the number of its collisions, so that the rate
        cannot exceed the rate of crossings.
    thresholds : np.ndarray, shape (n,)
    colliding_bunches : int
    """
    total, n_events = len(ranking.values), ranking.n_above(thresholds)
    low, high = clopper_pearson(n_events, np.full_like(n_events, total))
    khz = crossing_rate(colliding_bunches)
    return ZeroBiasRates(np.asarray(thresholds, np.float64), n_events, n_events / total * khz, low * khz, high * khz)


def zero_bias_thresholds(ranking: Ranking, rates_khz: Sequence[float], colliding_bunches: int) -> RateThresholds:
    """Find the lowest thresholds at which rates are at most given ones.

    The interval follows from order statistics: its ends are the thresholds at the ends of the Clopper-Pearson interval
    of the number of events that may pass.

    Parameters
    ----------
    ranking : Ranking
        Crossings of equal weight.
    rates_khz : sequence of float
    colliding_bunches : int
    """
    wanted, total = np.asarray(rates_khz, np.float64), len(ranking.values)
    share = np.minimum(wanted / crossing_rate(colliding_bunches), 1)
    few, most = clopper_pearson(share * total, np.full(len(share), total, np.float64))
    value, low, high = (
        np.where(share * total < 1, np.nan, ranking.thresholds(fraction)) for fraction in (share, most, few)
    )
    return RateThresholds(wanted, value, low, high)
