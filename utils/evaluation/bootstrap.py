"""Estimates with errors of one standard deviation, from the Poisson bootstrap.

Conventions of all figures of merit in this folder:

- An event passes a threshold when its value is above it, not when it is equal.
- Weights may be negative, as from generators at next-to-leading order, but the weights of a sample sum to more than 0.
  Sums are in double precision. A common factor on all weights changes nothing but histograms and rates.
- A threshold at a fixed rate is the lowest one at which the weighted rate, summed from above, has not exceeded it.
- Errors and intervals are of one standard deviation, 68.27%. An unknown number is NaN, and an error is never 0.
- Where none of n events pass, or all, the error is the distance to the limit of Clopper and Pearson, which holds in
  84.13% of such samples: see :func:`zero_event_limit`. With weights, n is the number of effective events,
  (sum of w)^2 / sum of w^2 (Kish, "Survey Sampling", 1965).
- A ratio is known only where its denominator is above 0 by more than its error. So a negative gain has no shares.
- Errors of thresholds and quantiles come from the Poisson bootstrap: a replica multiplies the weight of each event by a
  Poisson number of mean 1 (Chamandy et al., "Estimating uncertainty for massive data streams", Google 2012).
  Quantities computed from the same replicas keep their correlation. An array of *replicas* has the measurement itself
  in row 0 and the bootstrap replicas in the other rows.
- The measurement is exact. Replicas are drawn for groups of events that no threshold separates, single events in small
  samples, so that their cost does not grow with the number of events.
"""

import math
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

ONE_SIGMA = math.erf(1 / math.sqrt(2))
MEDIAN_AND_CENTRAL = (0.5, (1 - ONE_SIGMA) / 2, (1 + ONE_SIGMA) / 2)
TAIL = MEDIAN_AND_CENTRAL[1]
TWO_SIGMA = ((1 - math.erf(math.sqrt(2))) / 2, (1 + math.erf(math.sqrt(2))) / 2)
N_REPLICAS = 200
ROUNDING = 1e-12
Value = TypeVar("Value", float, np.ndarray)


@dataclass(frozen=True)
class Estimate(Generic[Value]):
    """A number, or an array of numbers, with its error of one standard deviation."""

    value: Value
    error: Value

    def at(self: "Estimate[np.ndarray]", i: int | tuple[int, ...]) -> "Estimate[float]":
        """Return one of several numbers."""
        return Estimate(float(self.value[i]), float(self.error[i]))


def unknown_estimates(n: int) -> Estimate[np.ndarray]:
    """Return estimates without known values and errors."""
    return Estimate(np.full(n, np.nan), np.full(n, np.nan))


def bootstrap_estimate(replicas: np.ndarray) -> Estimate[np.ndarray]:
    """Estimate values from row 0, and errors as half the width of the central 68.27% of the replicas.

    Replicas without the quantity are left out. The error of an infinite value, or of one that is the same in all
    replicas, is unknown.
    """
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(replicas[1:], MEDIAN_AND_CENTRAL[1:], axis=0)
    error, value = (high - low) / 2, replicas[0]
    known = np.isfinite(value) & np.isfinite(error) & (error > ROUNDING * np.abs(value))
    return Estimate(value, np.where(known, error, np.nan))


def difference(replicas: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Subtract replicas from replicas; where they differ by rounding alone, the difference is 0, of infinities NaN."""
    with np.errstate(invalid="ignore"):
        found = replicas - others
        same = np.abs(found) <= ROUNDING * np.maximum(np.abs(replicas), np.abs(others))
    return np.where(same & np.isfinite(found), 0.0, found)


def zero_event_limit(n_effective: np.ndarray) -> np.ndarray:
    """Return the efficiency at which none of n events pass in 15.87% of samples, about 1.84 / n; 1 without events."""
    return 1 - TAIL ** divide(np.ones_like(n_effective, np.float64), n_effective, 1e9)


def n_effective(weights: np.ndarray) -> float:
    """Return the effective number of events; 0 where the sum of the weights is not above 0."""
    total, squares = weights.sum(dtype=np.float64), np.square(weights, dtype=np.float64).sum()
    return float(total**2 / squares) if total > 0 else 0.0


def bootstrap_efficiency(replicas: np.ndarray, n_events: float) -> Estimate[np.ndarray]:
    """Estimate an efficiency; where none or all pass, the error is at least the distance to the limit.

    Parameters
    ----------
    replicas : np.ndarray, shape (1 + n_replicas, n)
    n_events : float
        Effective number of events.
    """
    estimate = with_limit(bootstrap_estimate(replicas), n_events)
    at_end = (estimate.value <= 0) | (estimate.value >= 1)
    limit = np.where(at_end, zero_event_limit(np.asarray(n_events)), 0)
    return Estimate(estimate.value, np.maximum(estimate.error, limit))


def with_limit(estimate: Estimate[np.ndarray], n_events: float, unit: np.ndarray | float = 1) -> Estimate[np.ndarray]:
    """Take the limit for none of n events as the error where the replicas do not differ.

    Parameters
    ----------
    estimate : Estimate
    n_events : float
        Effective number of events.
    unit : np.ndarray or float
        Change of the value for a change of the efficiency by 1.
    """
    unknown = np.isnan(estimate.error) & np.isfinite(estimate.value)
    return Estimate(estimate.value, np.where(unknown, zero_event_limit(np.asarray(n_events)) * unit, estimate.error))


def bootstrap_ratio(
    numerator: np.ndarray, denominator: np.ndarray, estimate: Estimate[np.ndarray], n_events: float
) -> Estimate[np.ndarray]:
    """Estimate a ratio of replicas; unknown where the `estimate` of the denominator is not above 0 by its error."""
    known = estimate.value > estimate.error
    ratio = with_limit(bootstrap_estimate(divide(numerator, denominator)), n_events, divide(np.ones(1), estimate.value))
    return Estimate(np.where(known, ratio.value, np.nan), np.where(known, ratio.error, np.nan))


def replica_sums(
    sums: np.ndarray, squares: np.ndarray, rng: np.random.Generator, n_replicas: int = N_REPLICAS
) -> Iterator[np.ndarray]:
    """Yield the sums of weights of groups of events, then the sums of each bootstrap replica.

    The weights of a group times Poisson numbers of mean 1 sum to a compound Poisson number. It is drawn as one Poisson
    number times a mean weight, with the same mean and variance (Bohm and Zech, Nucl. Instrum. Meth. A 748 (2014) 1).
    For events of equal weight, such as a single event, this is exact. All weights of a group have the same sign.

    Parameters
    ----------
    sums, squares : np.ndarray, shape (n_groups,), float64
        Sums of the weights of each group, and of their squares.
    rng : np.random.Generator
    n_replicas : int
    """
    n_events, mean_weight = divide(sums**2, squares, 0), divide(squares, sums, 0)
    yield sums
    for _ in range(n_replicas):
        yield mean_weight * rng.poisson(n_events)


def named_rng(seed: int, name: str) -> np.random.Generator:
    """Return the random numbers of a process, which do not depend on the other processes."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def divide(numerator: np.ndarray, denominator: np.ndarray, otherwise: float = math.nan) -> np.ndarray:
    """Return the quotient, or `otherwise` where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.full(numerator.shape, float(otherwise)), where=denominator != 0)
