"""Trigger rates of generated events."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import ROUNDING, Estimate, divide, unknown_estimates, zero_event_limit
from utils.evaluation.ranking import Ranking

CM2_IN_PB = 1e-36
KHZ_IN_HZ = 1e-3
REVOLUTION_FREQUENCY = 11245.5  # Hz, of protons in the LHC (LHC Design Report, CERN-2004-003, 2004)


@dataclass(frozen=True)
class Rates:
    """What passes each threshold.

    Attributes
    ----------
    thresholds : np.ndarray, shape (n,)
    n_events : np.ndarray, shape (n,)
    efficiency : Estimate
        Weighted fraction of the events, with its binomial error.
    rate : Estimate
        Of crossings, in kHz; the error is that of the sum of weights. Where no event passes it is the rate of 1.84
        events of the mean weight (sum of w^2 / sum of w), the limit.
    """

    thresholds: np.ndarray
    n_events: np.ndarray
    efficiency: Estimate[np.ndarray]
    rate: Estimate[np.ndarray]


def rates(ranking: Ranking, thresholds: np.ndarray, luminosity: float, colliding_bunches: int) -> Rates:
    """Rate and efficiency above thresholds.

    The rate is that of crossings in which at least one collision passes, see :func:`passing_rate`, and its error
    that of the cross section to first order. It is the rate of the generated process alone.

    Parameters
    ----------
    ranking : Ranking
        Events with weights in pb, adding up to the cross section of the process.
    thresholds : np.ndarray, shape (n,)
    luminosity : float
        In cm^-2 s^-1; NaN where it is not known, or weights are not in pb: the rates are NaN.
    colliding_bunches : int

    Returns
    -------
    Rates
        Without events, or where their weights do not sum to more than 0, all are NaN.
    """
    n_events = ranking.n_above(thresholds)
    (passed, total), (squares, total_squares) = (
        (sums[n_events], sums[-1]) for sums in map(ranking.sums, (False, True))
    )
    if not total > 0:
        unknown = unknown_estimates(len(n_events))
        return Rates(np.asarray(thresholds, np.float64), n_events, unknown, unknown)
    limit = zero_event_limit(np.asarray(total**2 / total_squares))
    passed = np.clip(passed, 0, total)
    fraction = passed / total
    variance = (1 - fraction) ** 2 * squares + fraction**2 * np.maximum(total_squares - squares, 0)
    error = np.sqrt(variance) / total
    none_or_all = (n_events == 0) | (n_events == len(ranking.values))
    rate = passing_rate(passed, luminosity, colliding_bunches)
    # The derivative by the cross section is the rate of collisions per pb, in crossings in which no other one passes.
    no_other = np.exp(-collision_rate(passed, luminosity) / crossing_rate(colliding_bunches))
    rate_error = collision_rate(np.sqrt(squares), luminosity) * no_other
    rate_limit = passing_rate(limit * total, luminosity, colliding_bunches)
    return Rates(
        np.asarray(thresholds, np.float64),
        n_events,
        Estimate(fraction, np.where(none_or_all, limit, error)),
        Estimate(rate, np.where(n_events == 0, rate_limit, rate_error)),
    )


def crossing_rate(colliding_bunches: int) -> float:
    """How often bunches cross, in kHz: each pair once a turn."""
    return colliding_bunches * REVOLUTION_FREQUENCY * KHZ_IN_HZ


def collision_rate(cross_section: np.ndarray, luminosity: float) -> np.ndarray:
    """How often collisions of a cross section in pb happen at a luminosity in cm^-2 s^-1, in kHz."""
    return cross_section * (luminosity * CM2_IN_PB * KHZ_IN_HZ)


def passing_rate(cross_section: np.ndarray, luminosity: float, colliding_bunches: int) -> np.ndarray:
    """Rate of the crossings with at least one collision that passes, in kHz.

    The number of such collisions in a crossing is a Poisson number of mean mu, the rate of collisions over that of
    crossings: R = n_b f_rev (1 - exp(-mu)), mu = L sigma / (n_b f_rev). It is L sigma for a small cross section, and
    never more than the rate of crossings. This assumes that collisions are independent and all bunches equal, and that
    each collision is judged on its own: the sums that overlapping collisions make together are not in it.

    Parameters
    ----------
    cross_section : np.ndarray, shape (n,)
        Of the collisions that pass, in pb.
    luminosity : float
        In cm^-2 s^-1, of all bunches together.
    colliding_bunches : int
    """
    crossings = crossing_rate(colliding_bunches)
    return -crossings * np.expm1(-collision_rate(cross_section, luminosity) / crossings)


def efficiencies_at_rates(
    rates_khz: Sequence[float], cross_section: float, luminosity: float, colliding_bunches: int
) -> np.ndarray:
    """Fractions of the events that give fixed rates: the inverse of :func:`passing_rate`.

    A threshold at a fixed rate is a threshold at this background efficiency.

    Parameters
    ----------
    rates_khz : sequence of float
        At least 0.
    cross_section : float
        Of all events, in pb.
    luminosity : float
        In cm^-2 s^-1; NaN, for unknown, gives NaN.
    colliding_bunches : int

    Returns
    -------
    np.ndarray, shape (n_rates,)
        1 for rates that all events together do not exceed.
    """
    wanted, crossings = np.asarray(rates_khz, np.float64), crossing_rate(colliding_bunches)
    everything = passing_rate(np.asarray(cross_section), luminosity, colliding_bunches)
    below = np.where(wanted < everything, wanted, 0)
    fraction = divide(-crossings * np.log1p(-below / crossings), collision_rate(np.asarray(cross_section), luminosity))
    return np.where(wanted >= everything, 1, np.minimum(fraction, 1))


def rate_ratios(
    numerator: np.ndarray, denominator: np.ndarray, weights: np.ndarray, thresholds: np.ndarray
) -> Estimate[np.ndarray]:
    """Ratio of the rates of two quantities of the same events at the same thresholds.

    Its error is, to first order, that of sums of weights of Poisson numbers of events, of which those that pass both
    are common: relative variance Q_1/S_1^2 + Q_2/S_2^2 - 2 Q_both/(S_1 S_2), S being sums of weights, Q of their
    squares.

    Parameters
    ----------
    numerator, denominator, weights : np.ndarray, shape (n_events,)
    thresholds : np.ndarray, shape (n,)

    Returns
    -------
    Estimate
        Both are NaN where what passes the other is 0 within its error. Where nothing passes the one, or the same
        events pass both, the error is that of 1.84 of the effective events that pass the other.
    """
    rankings = [Ranking.of(values, weights) for values in (numerator, denominator, np.minimum(numerator, denominator))]
    sums, squares = (
        [ranking.sums(squared)[ranking.n_above(thresholds)] for ranking in rankings] for squared in (False, True)
    )
    known = sums[1] > np.sqrt(squares[1])
    ratio = np.where(known, np.maximum(divide(sums[0], sums[1]), 0), np.nan)
    variance = squares[0] - 2 * ratio * squares[2] + ratio**2 * squares[1]
    error = np.sqrt(np.maximum(variance, 0)) / np.where(known, sums[1], np.nan)
    limit = zero_event_limit(divide(sums[1] ** 2, squares[1], 0)) * np.where(ratio > 0, ratio, 1)
    return Estimate(ratio, np.where(error > ROUNDING**0.5 * ratio, error, np.where(known, limit, np.nan)))
