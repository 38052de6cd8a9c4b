"""Trigger rates of generated events."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.bootstrap import ROUNDING, Estimate, divide, unknown_estimates, zero_event_limit
from utils.evaluation.ranking import Ranking

CM2_PER_PB = 1e-36
KHZ_PER_HZ = 1e-3
REVOLUTION_FREQUENCY = 11245.5  # Hz, of protons in the LHC (LHC Design Report, CERN-2004-003, 2004)


@dataclass(frozen=True)
class Rates:
    """Rates and efficiencies above thresholds.

    Attributes
    ----------
    thresholds : np.ndarray, shape (n,)
    n_events : np.ndarray, shape (n,)
    efficiency : Estimate
        Weighted fraction of the events, with its binomial error.
    rate : Estimate
        Rate of crossings in kHz, with the error of the sum of weights. Where no event passes, the error is the limit:
        the rate of 1.84 events of the mean weight, sum of w^2 / sum of w.
    """

    thresholds: np.ndarray
    n_events: np.ndarray
    efficiency: Estimate[np.ndarray]
    rate: Estimate[np.ndarray]


def rates(ranking: Ranking, thresholds: np.ndarray, luminosity: float, colliding_bunches: int) -> Rates:
    """Find rates and efficiencies above thresholds.

    A crossing counts when at least one of its collisions passes, see :func:`passing_rate`. The error follows from the
    cross section to first order. Only the generated process contributes to the rate.

    Parameters
    ----------
    ranking : Ranking
        Events with weights in pb, which sum to the cross section of the process.
    thresholds : np.ndarray, shape (n,)
    luminosity : float
        In cm^-2 s^-1; NaN gives rates of NaN, for weights that are not in pb.
    colliding_bunches : int

    Returns
    -------
    Rates
        NaN without events, or where the sum of weights is not above 0.
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
    # The derivative by the cross section is the collision rate per pb, in crossings where no other collision passes.
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
    """Return the rate of crossings in kHz: each pair of bunches crosses once per turn."""
    return colliding_bunches * REVOLUTION_FREQUENCY * KHZ_PER_HZ


def collision_rate(cross_section: np.ndarray, luminosity: float) -> np.ndarray:
    """Return the rate of collisions in kHz, of a cross section in pb at a luminosity in cm^-2 s^-1."""
    return cross_section * (luminosity * CM2_PER_PB * KHZ_PER_HZ)


def passing_rate(cross_section: np.ndarray, luminosity: float, colliding_bunches: int) -> np.ndarray:
    """Return the rate of crossings with at least one passing collision, in kHz.

    The number of passing collisions in a crossing is a Poisson number of mean mu = L sigma / (n_b f_rev), so that the
    rate is n_b f_rev (1 - exp(-mu)). It is L sigma for a small cross section, and never above the rate of crossings.
    Assumptions: collisions are independent, all bunches are equal, and each collision passes or fails alone, without
    the energy of other collisions in the crossing.

    Parameters
    ----------
    cross_section : np.ndarray, shape (n,)
        Cross section of the collisions that pass, in pb.
    luminosity : float
        Luminosity of all bunches together, in cm^-2 s^-1.
    colliding_bunches : int
    """
    crossings = crossing_rate(colliding_bunches)
    return -crossings * np.expm1(-collision_rate(cross_section, luminosity) / crossings)


def efficiencies_at_rates(
    rates_khz: Sequence[float], cross_section: float, luminosity: float, colliding_bunches: int
) -> np.ndarray:
    """Return the efficiencies that give fixed rates: the inverse of :func:`passing_rate`.

    A threshold at a fixed rate is the threshold at this background efficiency.

    Parameters
    ----------
    rates_khz : sequence of float
        At least 0.
    cross_section : float
        Cross section of all events, in pb.
    luminosity : float
        In cm^-2 s^-1; NaN gives NaN.
    colliding_bunches : int

    Returns
    -------
    np.ndarray, shape (n_rates,)
        1 for rates that all events together do not reach.
    """
    wanted, crossings = np.asarray(rates_khz, np.float64), crossing_rate(colliding_bunches)
    largest = passing_rate(np.asarray(cross_section), luminosity, colliding_bunches)
    below = np.where(wanted < largest, wanted, 0)
    fraction = divide(-crossings * np.log1p(-below / crossings), collision_rate(np.asarray(cross_section), luminosity))
    return np.where(wanted >= largest, 1, np.minimum(fraction, 1))


def rate_ratios(numerator: np.ndarray, denominator: np.ndarray, both: np.ndarray) -> Estimate[np.ndarray]:
    """Find the ratio of the rates of two quantities of the same events at the same thresholds.

    The error is the Poisson error to first order, with the events that pass both as correlation: the relative variance
    is Q_1/S_1^2 + Q_2/S_2^2 - 2 Q_both/(S_1 S_2), with sums of weights S and of squared weights Q.

    Parameters
    ----------
    numerator, denominator, both : np.ndarray, shape (2, n)
        Sums of the weights, and of the squared weights, of the same events that pass each threshold by either quantity,
        and by the smaller of both, from `Ranking.passed`.

    Returns
    -------
    Estimate
        NaN where the denominator is 0 within its error. Where no event passes in the numerator, or the same events pass
        in both, the error is the limit: 1.84 of the effective events that pass in the denominator.
    """
    sums, squares = zip(numerator, denominator, both, strict=True)
    known = sums[1] > np.sqrt(squares[1])
    ratio = np.where(known, np.maximum(divide(sums[0], sums[1]), 0), np.nan)
    variance = squares[0] - 2 * ratio * squares[2] + ratio**2 * squares[1]
    error = np.sqrt(np.maximum(variance, 0)) / np.where(known, sums[1], np.nan)
    limit = zero_event_limit(divide(sums[1] ** 2, squares[1], 0)) * np.where(ratio > 0, ratio, 1)
    return Estimate(ratio, np.where(error > ROUNDING**0.5 * ratio, error, np.where(known, limit, np.nan)))
