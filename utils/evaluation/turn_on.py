"""Figures of merit of a trigger quantity, with their errors: arrays in, frozen results out.

Conventions of this module:

- An event passes a threshold when its value is above it, not when it is equal.
- Weights may be negative, as those of generators at next-to-leading order are, but the weights of a sample sum to more
  than 0. A threshold at a fixed rate is the one at which the weighted rate, summed from above, first reaches that rate.
  Sums are in double precision. A common factor on all weights changes nothing but histograms and rates.
- Errors and intervals are of one standard deviation, 68.27%. What cannot be known is NaN, and an error is never 0.
- No event is no knowledge of 0: where none of n events pass, or all, the error is the distance to the limit of Clopper
  and Pearson, which 84.13% of such samples keep to; see :func:`unseen`. With weights, n is the number of effective
  events, (sum of w)^2 / sum of w^2 (Kish, "Survey Sampling", 1965).
- A ratio is known only where its denominator is above 0 by more than its error: there is no share of a loss.
- Where a threshold or a quantile is involved the errors come from the Poisson bootstrap: a replica multiplies the
  weight of each event by a Poisson number of mean 1 (Chamandy et al., "Estimating uncertainty for massive data
  streams", Google 2012). Quantities computed from the same replicas keep their correlation. An array of *rows* has
  the measurement itself in row 0 and the replicas in the others.
- The measurement is exact. Replicas are of groups of events that are never told apart, single ones in small samples,
  so that their cost does not grow with the number of events.
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit, isotonic_regression
from scipy.special import erf, gammaincc
from scipy.stats import beta

ONE_SIGMA = math.erf(1 / math.sqrt(2))
MEDIAN_AND_CENTRAL = (0.5, (1 - ONE_SIGMA) / 2, (1 + ONE_SIGMA) / 2)
TAIL = MEDIAN_AND_CENTRAL[1]
TWO_SIGMA = ((1 - math.erf(math.sqrt(2))) / 2, (1 + math.erf(math.sqrt(2))) / 2)
N_REPLICAS = 200
N_CANDIDATES, CANDIDATES_WITHIN = 200, 5
MIN_EVENTS_FOR_WIDTH = 10
N_FIT_BINS = 200
CM2_IN_PB = 1e-36
KHZ_IN_HZ = 1e-3
REVOLUTION_FREQUENCY = 11245.5  # Hz, of protons in the LHC (LHC Design Report, CERN-2004-003, 2004)
ROUNDING = 1e-12
MOST_CHI2, LEAST_PROBABILITY = 2, 0.01  # of a fit that describes its points: chi2 a degree of freedom, or probability
MOST_MISSED = 0.05  # by which a fit may differ from a point, or all points from there on together, or else
SIGMAS_MISSED = 2.5  # so many intervals
REACHED = (0.5, 0.9, 0.95)  # efficiencies of which the true values are given
EVENTS_A_POINT = 40  # effective, in the bins between which these are interpolated
LARGEST_KEY = 2**62  # of a group of events, in int64

Value = TypeVar("Value", float, np.ndarray)


@dataclass(frozen=True)
class Estimate(Generic[Value]):
    """A number, or numbers, with the error of one standard deviation."""

    value: Value
    error: Value


def estimate_of_rows(rows: np.ndarray) -> Estimate[np.ndarray]:
    """Take the values from row 0, and as errors half of what the central 68.27% of the replicas span.

    Replicas in which the quantity does not exist are left out. The error of what is infinite, or the same in all
    replicas, is not known.
    """
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(rows[1:], MEDIAN_AND_CENTRAL[1:], axis=0)
    error, value = (high - low) / 2, rows[0]
    known = np.isfinite(value) & np.isfinite(error) & (error > ROUNDING * np.abs(value))
    return Estimate(value, np.where(known, error, np.nan))


def unseen(n_effective: np.ndarray) -> np.ndarray:
    """Largest efficiency with which none of n events pass in 15.87% of samples, about 1.84 / n; 1 without events."""
    return 1 - TAIL ** _ratio(np.ones_like(n_effective, np.float64), n_effective, 1e9)


def n_effective(weights: np.ndarray) -> float:
    """Effective number of events; 0 where the weights do not sum to more than 0."""
    total, squares = weights.sum(dtype=np.float64), np.square(weights, dtype=np.float64).sum()
    return float(total**2 / squares) if total > 0 else 0.0


def efficiency_of_rows(rows: np.ndarray, n_events: float) -> Estimate[np.ndarray]:
    """Efficiency and its error; where none or all pass the error is at least the distance to the limit.

    Parameters
    ----------
    rows : np.ndarray, shape (1 + n_replicas, n)
    n_events : float
        Effective number of events.
    """
    estimate = known_to(estimate_of_rows(rows), n_events)
    at_end = (estimate.value <= 0) | (estimate.value >= 1)
    limit = np.where(at_end, unseen(np.asarray(n_events)), 0)
    return Estimate(estimate.value, np.maximum(estimate.error, limit))


def known_to(estimate: Estimate[np.ndarray], n_events: float, unit: np.ndarray | float = 1) -> Estimate[np.ndarray]:
    """Where no event makes a difference between replicas, take the limit on what none of n events do as the error.

    Parameters
    ----------
    estimate : Estimate
    n_events : float
        Effective number of events.
    unit : np.ndarray or float
        How much the value changes when the efficiency does by 1.
    """
    unknown = np.isnan(estimate.error) & np.isfinite(estimate.value)
    return Estimate(estimate.value, np.where(unknown, unseen(np.asarray(n_events)) * unit, estimate.error))


def ratio_of_rows(
    numerator: np.ndarray, denominator: np.ndarray, of: Estimate[np.ndarray], n_events: float
) -> Estimate[np.ndarray]:
    """Ratio of rows, not known where the denominator, with its estimate, is not above 0 by more than its error."""
    known = of.value > of.error
    ratio = known_to(estimate_of_rows(_ratio(numerator, denominator)), n_events, _ratio(np.ones(1), of.value))
    return Estimate(np.where(known, ratio.value, np.nan), np.where(known, ratio.error, np.nan))


def describes(chi2: float, n_degrees: float) -> bool:
    """Whether a fit describes its points: chi-squared is not far above the number of degrees of freedom."""
    if not n_degrees > 0:
        return False
    return chi2 <= MOST_CHI2 * n_degrees or bool(gammaincc(n_degrees / 2, chi2 / 2) > LEAST_PROBABILITY)


def replica_sums(
    sums: np.ndarray, squares: np.ndarray, rng: np.random.Generator, n_replicas: int = N_REPLICAS
) -> Iterator[np.ndarray]:
    """Yield the sums of the weights of groups of events, and then those of each bootstrap replica.

    The sum over a group of weights times Poisson numbers of mean 1 is drawn as one Poisson number times a mean weight,
    both such that mean and variance are the same (Bohm and Zech, Nucl. Instrum. Meth. A 748 (2014) 1). For events of
    equal weights, and a single event above all, that is its distribution itself. Weights of a group have one sign.

    Parameters
    ----------
    sums, squares : np.ndarray, shape (n_groups,), float64
        Of the weights of each group and of their squares.
    rng : np.random.Generator
    n_replicas : int
    """
    n_events, mean_weight = _ratio(sums**2, squares, 0), _ratio(squares, sums, 0)
    yield sums
    for _ in range(n_replicas):
        yield mean_weight * rng.poisson(n_events)


def _ratio(numerator: np.ndarray, denominator: np.ndarray, otherwise: float = math.nan) -> np.ndarray:
    """Quotient, NaN or another number where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.full(numerator.shape, float(otherwise)), where=denominator != 0)


# Histograms


@dataclass(frozen=True)
class Histogram:
    """Sums of weights in bins and their errors, the square roots of the sums of squared weights.

    Attributes
    ----------
    edges : np.ndarray, shape (n_bins + 1,)
        A bin holds its lower edge and not its upper one.
    values, errors : np.ndarray, shape (n_bins,)
    """

    edges: np.ndarray
    values: np.ndarray
    errors: np.ndarray

    @property
    def centres(self) -> np.ndarray:
        """Middle of each bin, shape (n_bins,)."""
        return (self.edges[1:] + self.edges[:-1]) / 2


def bin_index(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Bin of each value, n_bins for those that are in none or NaN; int16, which saves memory."""
    n_bins = len(edges) - 1
    bin_of_rank = np.array([n_bins, *range(n_bins + 1)], np.int16)
    return bin_of_rank[np.searchsorted(edges, values, side="right")]


def _sums(bins: np.ndarray, n_bins: int, weights: np.ndarray) -> np.ndarray:
    """Sum of the weights in each bin, shape (n_bins,), float64."""
    sums = np.bincount(bins, weights, minlength=n_bins + 1)[:n_bins]
    return sums.astype(np.float64, copy=False)  # without events bincount gives integers


def _sums_of_squares(bins: np.ndarray, n_bins: int, weights: np.ndarray) -> np.ndarray:
    """Sum of the squared weights in each bin, shape (n_bins,), float64."""
    return _sums(bins, n_bins, np.square(weights, dtype=np.float64))


def histogram(values: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> Histogram:
    """Histogram of weighted values; what lies outside the edges is left out."""
    bins, n_bins = bin_index(values, edges), len(edges) - 1
    return Histogram(edges, _sums(bins, n_bins, weights), np.sqrt(_sums_of_squares(bins, n_bins, weights)))


@dataclass(frozen=True)
class Histogram2D:
    """Sums of weights in bins of two quantities, `values` of shape (n_x, n_y)."""

    x_edges: np.ndarray
    y_edges: np.ndarray
    values: np.ndarray


def histogram_2d(
    x: np.ndarray, y: np.ndarray, weights: np.ndarray, x_edges: np.ndarray, y_edges: np.ndarray
) -> Histogram2D:
    """Histogram of two weighted quantities; what lies outside the edges is left out."""
    shape = len(x_edges), len(y_edges)  # with a row and a column for what is outside
    both = np.ravel_multi_index((bin_index(x, x_edges), bin_index(y, y_edges)), shape)
    return Histogram2D(x_edges, y_edges, np.bincount(both, weights, np.prod(shape)).reshape(shape)[:-1, :-1])


# Efficiencies and turn-on curves


@dataclass(frozen=True)
class Efficiency:
    """Efficiencies with their intervals and the effective number of events behind each."""

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n_effective: np.ndarray


def clopper_pearson(passed: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Central 68.27% interval of a binomial efficiency (Clopper and Pearson, Biometrika 26 (1934) 404).

    It covers the truth at least so often, whatever the truth is. The counts may be fractions. With no events it is
    [0, 1].
    """
    some, not_all = passed > 0, passed < total
    low = np.where(some, beta.ppf(TAIL, np.where(some, passed, 1), total - passed + 1), 0)
    high = np.where(not_all, beta.ppf(1 - TAIL, passed + 1, np.where(not_all, total - passed, 1)), 1)
    return low, high


def efficiency(passed: np.ndarray, total: np.ndarray, total_squares: np.ndarray) -> Efficiency:
    """Weighted efficiency with its interval.

    The interval is that of Clopper and Pearson for effective counts: n_eff = (sum of w)^2 / sum of w^2 events (Kish,
    "Survey Sampling", 1965), of which value * n_eff passed. ROOT's TEfficiency scales weighted counts in the same way
    for its Bayesian intervals. Without weights it is the interval of Clopper and Pearson itself. It assumes that
    passing does not depend on the weight, as in narrow bins of the true variable; else it may be too wide.

    Parameters
    ----------
    passed, total, total_squares : np.ndarray, shape (n,)
        Sum of the weights of the events that pass; of all events; and of their squares.

    Returns
    -------
    Efficiency
        Where there are no events, or their weights do not sum to more than 0, the value is NaN, with the interval
        [0, 1]; likewise where it is not known what passes.
    """
    n_events = np.where(total > 0, _ratio(total**2, total_squares, 0), 0)
    value = np.where(total > 0, np.clip(_ratio(passed, total), 0, 1), np.nan)
    known = np.isfinite(value)
    low, high = clopper_pearson(np.where(known, value, 0) * n_events, n_events)
    return Efficiency(value, np.where(known, low, 0), np.where(known, high, 1), n_events)


@dataclass(frozen=True)
class TurnOnFit:
    """Error function through a turn-on curve, plateau / 2 * (1 + erf((x - midpoint) / (sqrt(2) * width))).

    Attributes
    ----------
    plateau : Estimate
        At most 1; at that bound its error is larger than the spread.
    midpoint, width : Estimate
        In the unit of the true variable; NaN, with the plateau, where the data do not determine them.
    chi2, n_degrees : float
        Pearson's chi-squared, and what it is on average if the curve is an error function: one for each bin in which
        the fit does not take a larger variance, and a part of one in the others, less 3 parameters. Where chi2 is much
        the larger the rise is of another shape; the plateau is then one that suits the bins of many events, and may be
        far below the efficiencies at large true values, and the errors are too small.
    """

    plateau: Estimate[float]
    midpoint: Estimate[float]
    width: Estimate[float]
    chi2: float
    n_degrees: float


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
        see :func:`_reached_rows`. NaN where it is not reached, minus infinity where it is larger everywhere.
    fit : TurnOnFit
    described : bool
        Whether the fit describes the curve, so that it may be drawn.
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
    coarse, fine = (_TrueBins.of(true, weights, e) for e in (edges, np.linspace(edges[0], edges[-1], N_FIT_BINS + 1)))
    points = _points_of(true, weights, edges)

    def curve(values: np.ndarray, threshold: float) -> TurnOn:
        passed = weights * (values > threshold) * (1 if np.isfinite(threshold) or threshold < 0 else np.nan)
        in_bins = coarse.sums_of(passed)
        binned = efficiency(in_bins, coarse.total, coarse.squares)
        fit = _fit_turn_on(fine, fine.sums_of(passed), edges[0], edges[-1])
        rows = _reached_rows(points, weights, {"": values > threshold}, seed)[""]
        reached = _reached(rows) if np.isfinite(passed).all() else _not_known(len(REACHED))
        return TurnOn(float(threshold), edges, binned, reached, fit, _described(fit, fine, coarse, edges, in_bins))

    return {name: [curve(scores[name], threshold) for threshold in of_name] for name, of_name in thresholds.items()}


def _not_known(n: int) -> Estimate[np.ndarray]:
    return Estimate(np.full(n, np.nan), np.full(n, np.nan))


@dataclass(frozen=True)
class _TrueBins:
    """Events in bins of the true variable: the bin of each, and sums of weights, of their squares and of the mean.

    The mean is of the true variable, with the sizes of the weights: with signs it might lie outside the bin.
    """

    bins: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, true: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> "_TrueBins":
        bins, n_bins = bin_index(true, edges), len(edges) - 1
        total, squares = _sums(bins, n_bins, weights), _sums_of_squares(bins, n_bins, weights)
        sizes = np.abs(weights)
        first_moment = _sums(bins, n_bins, np.multiply(sizes, true, dtype=np.float64))
        return cls(bins, total, squares, _ratio(first_moment, _sums(bins, n_bins, sizes)))

    def sums_of(self, weights: np.ndarray) -> np.ndarray:
        """Sum other weights of the same events in each bin."""
        return _sums(self.bins, len(self.total), weights)

    def of_filled(self, sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """For the bins with events: means of the true variable, effective numbers of events, and fractions of sums."""
        filled = self.total > 0
        total = self.total[filled]
        return self.mean[filled], total**2 / self.squares[filled], np.clip(sums[filled] / total, 0, 1)


def _points_of(true: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> _TrueBins:
    """Join bins, 1/200 of the range each, from above to 40 effective events or more; the rest below is left out."""
    fine = np.linspace(edges[0], edges[-1], N_FIT_BINS + 1)
    events = _TrueBins.of(true, weights, fine)
    chosen, total, squares = [fine[-1]], 0.0, 0.0
    for edge, of_bin, of_squares in zip(fine[-2::-1], events.total[::-1], events.squares[::-1], strict=True):
        total, squares = total + of_bin, squares + of_squares
        if total > 0 and total**2 >= EVENTS_A_POINT * squares:
            chosen, total, squares = [*chosen, edge], 0.0, 0.0
    return _TrueBins.of(true, weights, np.array(chosen[::-1]))


def _reached_rows(
    points: _TrueBins, weights: np.ndarray, passes: Mapping[str, np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """Find the true values at which efficiencies of several quantities reach 50, 90 and 95%, with bootstrap replicas.

    The curve is the rising one nearest to the efficiencies in narrow bins (isotonic regression: Barlow et al.,
    "Statistical inference under order restrictions", 1972), straight between the means of the bins. No shape is
    assumed, and no plateau divided out.

    Parameters
    ----------
    points : _TrueBins
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
    rows = {name: np.full((1 + N_REPLICAS, len(REACHED)), np.inf) for name in passes}
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
    for efficiency, first in zip(REACHED, np.searchsorted(rising, REACHED), strict=True):
        if first == len(x):
            found.append(math.inf)
        elif first == 0:
            found.append(-math.inf)
        else:
            share = (efficiency - rising[first - 1]) / (rising[first] - rising[first - 1])
            found.append(x[first - 1] + share * (x[first] - x[first - 1]))
    return found


def _reached(rows: np.ndarray) -> Estimate[np.ndarray]:
    """Estimate points of a curve; NaN where the curve, or more than 2.28% of its replicas, do not reach them.

    The error is a quarter of what the central 95.45% of the replicas span: a rising curve has steps, and the central
    68.27% may be on one of them. In pseudo-experiments it is right within 15% for differences, 30% for single points.
    """
    low, high = np.quantile(rows[1:], TWO_SIGMA, axis=0, method="nearest")
    value = np.where(np.isposinf(high) | np.isposinf(rows[0]), np.nan, rows[0])
    known = np.isfinite(value) & np.isfinite(low) & (high > low)
    return Estimate(value, np.where(known, np.subtract(high, low, where=known, out=np.zeros(len(low))) / 4, np.nan))


def _described(fit: TurnOnFit, fine: _TrueBins, coarse: _TrueBins, edges: np.ndarray, passed: np.ndarray) -> bool:
    """Whether a fit describes a curve: by its chi-squared, and by missing neither points nor their upper end.

    Few events are at large true values, so that chi-squared does not tell of a plateau that misses all of them.
    """
    if not describes(fit.chi2, fit.n_degrees):
        return False
    n_bins = len(edges) - 1
    curve = error_function(fine.mean, fit.plateau.value, fit.midpoint.value, fit.width.value)
    weights = np.maximum(fine.total, 0)
    bins = bin_index(fine.mean, edges)
    mean = _ratio(_sums(bins, n_bins, np.nan_to_num(weights * curve)), _sums(bins, n_bins, weights), 0)

    def missed(passed: np.ndarray, total: np.ndarray, squares: np.ndarray, expected: np.ndarray) -> bool:
        shown, difference = efficiency(passed, total, squares), _ratio(expected, total)
        difference = difference - shown.value
        interval = np.where(difference > 0, shown.high - shown.value, shown.value - shown.low)
        return bool((np.abs(difference) > np.maximum(MOST_MISSED, SIGMAS_MISSED * interval)).any())

    sums = (passed, coarse.total, coarse.squares, mean * coarse.total)
    return not (missed(*sums) or missed(*(np.cumsum(of[::-1]) for of in sums)))


def error_function(x: np.ndarray, plateau: float, midpoint: float, width: float) -> np.ndarray:
    """Efficiency of a sharp threshold on a quantity with a Gaussian resolution."""
    return plateau / 2 * (1 + erf((x - midpoint) / (math.sqrt(2) * width)))


def _derivatives(x: np.ndarray, plateau: float, midpoint: float, width: float) -> np.ndarray:
    """Of the error function by its parameters, shape (n, 3)."""
    pull = (x - midpoint) / width
    slope = plateau * np.exp(-(pull**2) / 2) / (math.sqrt(2 * math.pi) * width)
    return np.stack([error_function(x, 1, midpoint, width), -slope, -slope * pull], axis=1)


def _fit_turn_on(events: _TrueBins, passed: np.ndarray, low: float, high: float) -> TurnOnFit:
    """Fit an error function to a turn-on curve between two values of the true variable.

    Least squares in fine bins, each taken at the mean of its events. The variance of a bin is binomial, of its
    effective counts and of the fitted curve (Fisher scoring), so that bins in which all or none pass count in full;
    it is that of an efficiency of 1% at least, so that tails that are not Gaussian do not rule.
    """
    x, n_events, y = events.of_filled(passed)
    if len(x) < 4 or not y.min() < y.max():
        return _no_turn_on()
    # The area above a rising curve is its midpoint; the two ends stand for what lies beyond the events.
    grid = np.linspace(low, high, N_FIT_BINS)
    midpoint = low + (high - low) * (1 - np.interp(grid, x, y).mean())
    parameters = np.array([0.95, midpoint, (high - low) / 20])
    bounds = ([0, low, (high - low) / 1e4], [1, high, high - low])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            for _ in range(8):
                sigma = np.sqrt(_fit_variance(error_function(x, *parameters)) / n_events)
                parameters, covariance = curve_fit(
                    error_function, x, y, parameters, sigma, absolute_sigma=True, bounds=bounds, jac=_derivatives
                )
    except (RuntimeError, OptimizeWarning):
        return _no_turn_on()
    errors = np.sqrt(np.diag(covariance))
    # What is known no better than its bounds is not determined: the width of a step within one bin, for example.
    if not ((errors > 0) & (errors < np.subtract(*bounds[::-1]))).all():
        return _no_turn_on()
    expected = error_function(x, *parameters)
    variance = _fit_variance(expected)
    plateau, midpoint, width = map(Estimate, parameters.tolist(), errors.tolist())
    return TurnOnFit(
        plateau,
        midpoint,
        width,
        chi2=float(np.sum((y - expected) ** 2 * n_events / variance)),
        n_degrees=float(np.sum(expected * (1 - expected) / variance) - len(parameters)),
    )


def _fit_variance(expected: np.ndarray) -> np.ndarray:
    """Variance that the fit takes for one event to pass or not."""
    expected = np.clip(expected, 0.01, 0.99)
    return expected * (1 - expected)


def _no_turn_on() -> TurnOnFit:
    unknown = Estimate(math.nan, math.nan)
    return TurnOnFit(unknown, unknown, unknown, math.nan, math.nan)


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
    points = _points_of(true, weights, edges)
    gains: dict[str, list[TurnOnGain]] = {name: [] for name in thresholds if name != baseline}
    for i in range(len(thresholds[baseline])):
        at = {name: thresholds[name][i] for name in thresholds}
        rows = _reached_rows(points, weights, {name: scores[name] > at[name] for name in at}, seed)
        known = {name: ~np.isnan(at[name]) & np.isfinite(_reached(rows[name]).value) for name in at}
        for name, of_name in gains.items():
            both = known[name] & known[baseline]
            with np.errstate(invalid="ignore"):  # of replicas that do not reach a point
                moved = rows[name] - rows[baseline]
            estimate = _reached(np.where(both & np.isfinite(moved), moved, np.inf))
            of_name.append(TurnOnGain(*map(Estimate, estimate.value.tolist(), estimate.error.tolist())))
    return gains


# Response and resolution


@dataclass(frozen=True)
class BinnedResponse:
    """Response in bins of the true variable.

    Attributes
    ----------
    edges : np.ndarray, shape (n_bins + 1,)
    n_effective : np.ndarray, shape (n_bins,)
        Effective number of events, (sum of w)^2 / sum of w^2.
    median : Estimate
    half_width : Estimate
        Half of what the central 68.27% span, the standard deviation of a Gaussian.
    resolution : Estimate
        Half width over median: it does not change when the response is multiplied by a number. NaN where the median is
        0 within its error.
    """

    edges: np.ndarray
    n_effective: np.ndarray
    median: Estimate[np.ndarray]
    half_width: Estimate[np.ndarray]
    resolution: Estimate[np.ndarray]


def binned_response(
    true: np.ndarray, response: np.ndarray, weights: np.ndarray, edges: np.ndarray, rng: np.random.Generator
) -> BinnedResponse:
    """Median and width of a response in bins of the true variable, with bootstrap errors.

    Parameters
    ----------
    true, response, weights : np.ndarray, shape (n_events,)
        Events whose response is not finite are left out.
    edges : np.ndarray, shape (n_bins + 1,)
    rng : np.random.Generator

    Returns
    -------
    BinnedResponse
        NaN in bins of fewer than 10 effective events.
    """
    n_bins = len(edges) - 1
    bins = np.where(np.isfinite(response), bin_index(true, edges), n_bins)
    sums = np.maximum(_sums(bins, n_bins, weights), 0)
    n_events = _ratio(sums**2, _sums_of_squares(bins, n_bins, weights), 0)
    rows = np.full((1 + N_REPLICAS, len(MEDIAN_AND_CENTRAL), n_bins), np.nan)
    for i in np.flatnonzero(n_events >= MIN_EVENTS_FOR_WIDTH):
        inside = bins == i
        rows[:, :, i] = _quantile_rows(response[inside], weights[inside], rng)
    median, half_width = rows[:, 0], (rows[:, 2] - rows[:, 1]) / 2
    of_median, of_width, resolution = map(estimate_of_rows, (median, half_width, _ratio(half_width, median)))
    known = np.abs(of_median.value) > np.nan_to_num(of_median.error)
    resolution = Estimate(*(np.where(known, number, np.nan) for number in (resolution.value, resolution.error)))
    return BinnedResponse(edges, n_events, of_median, of_width, resolution)


def _quantile_rows(values: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Median and ends of the central 68.27% with replicas, shape (1 + n_replicas, 3); NaN in a replica of no event."""
    rankings = {"": Ranking.of(values, weights)}
    rows = background_thresholds({"": values}, weights, rankings, 1 - np.array(MEDIAN_AND_CENTRAL), rng)[""]
    return np.where(np.isfinite(rows), rows, np.nan)


@dataclass(frozen=True)
class CoreFit:
    """Gaussian through the core of a histogram.

    Attributes
    ----------
    mean, sigma : Estimate
        NaN where the data do not determine them.
    height : float
        Of the curve, in the histogram's contents.
    low, high : float
        Range of the fit.
    chi2, n_degrees : float
        Chi-squared of the bins in that range, and their number less 3 parameters.
    """

    mean: Estimate[float]
    sigma: Estimate[float]
    height: float
    low: float
    high: float
    chi2: float = math.nan
    n_degrees: float = math.nan

    @property
    def described(self) -> bool:
        """Whether the Gaussian describes the core, so that it may be drawn."""
        return describes(self.chi2, self.n_degrees)


def gaussian(x: np.ndarray, mean: float, sigma: float, height: float) -> np.ndarray:
    """Gaussian of a height."""
    return height * np.exp(-0.5 * ((x - mean) / sigma) ** 2)


def fit_core(histogram: Histogram, n_sigma: float = 1.5) -> CoreFit:
    """Fit a Gaussian to what lies within `n_sigma` of its mean, in a histogram with fine bins.

    Least squares, started at the median and the half width of the central 68.27% and repeated while the range moves
    with the fit. The variance of a bin is the fitted content times the mean weight, so that bins without events count.
    """
    x, step = histogram.centres, np.diff(histogram.edges).max()
    total = histogram.values.sum()
    unknown = CoreFit(Estimate(math.nan, math.nan), Estimate(math.nan, math.nan), math.nan, math.nan, math.nan)
    if not total > 0:
        return unknown
    mean, low, high = Ranking.of(x, histogram.values).thresholds(1 - np.array(MEDIAN_AND_CENTRAL))
    parameters = np.array([mean, max((high - low) / 2, step), histogram.values.max()])
    for _ in range(15):
        low, high = parameters[0] - n_sigma * parameters[1], parameters[0] + n_sigma * parameters[1]
        inside = (x > low) & (x < high)
        content = histogram.values[inside]
        if inside.sum() < 4 or np.count_nonzero(content) < 4 or not content.sum() > 0:
            return unknown
        mean_weight = np.sum(histogram.errors[inside] ** 2) / content.sum()
        variance = gaussian(x[inside], *parameters) * mean_weight
        try:
            parameters, covariance = curve_fit(
                gaussian, x[inside], content, parameters, np.sqrt(variance), absolute_sigma=True
            )
        except RuntimeError:
            return unknown
        parameters[1] = abs(parameters[1])
    errors = np.sqrt(np.diag(covariance))
    if not (np.isfinite(errors).all() and histogram.edges[0] < parameters[0] < histogram.edges[-1]):
        return unknown
    mean, sigma = (Estimate(float(parameters[i]), float(errors[i])) for i in (0, 1))
    expected = gaussian(x[inside], *parameters)
    chi2 = float(np.sum((content - expected) ** 2 / (expected * mean_weight)))
    return CoreFit(mean, sigma, float(parameters[2]), float(low), float(high), chi2, float(len(content) - 3))


# Thresholds and rates


@dataclass(frozen=True)
class Ranking:
    """Events in falling order of a quantity, sorted once for its thresholds, rates and ROC curves.

    Attributes
    ----------
    values, weights : np.ndarray, shape (n_events,)
    order : np.ndarray, shape (n_events,), uint32
        Which events these are.
    """

    values: np.ndarray
    weights: np.ndarray
    order: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray, weights: np.ndarray) -> "Ranking":
        """Sort events, given in any order."""
        order = np.argsort(values)[::-1].astype(np.uint32)
        return cls(values[order], weights[order], order)

    def sums(self, squared: bool = False) -> np.ndarray:
        """Sum of the weights, or of their squares, of the first k events, k = 0 to n_events, float64."""
        sums = np.zeros(len(self.weights) + 1)
        summands = np.square(self.weights, dtype=np.float64) if squared else self.weights
        np.cumsum(summands, dtype=np.float64, out=sums[1:])
        return sums

    def n_above(self, thresholds: np.ndarray) -> np.ndarray:
        """Count the values above each threshold."""
        return len(self.values) - np.searchsorted(self.values[::-1], thresholds, side="right")

    def n_from(self, thresholds: np.ndarray) -> np.ndarray:
        """Count the values above each threshold or equal to it."""
        return len(self.values) - np.searchsorted(self.values[::-1], thresholds, side="left")

    def thresholds(self, efficiencies: np.ndarray) -> np.ndarray:
        """Lowest thresholds down to which at most given weighted fractions of the events pass.

        From above, the weights of the events are summed until the fraction would be exceeded for the first time; with
        negative weights the sum may fall again. A threshold is one of the values, or minus infinity where all events
        may pass; events with equal values pass or fail together, so that ties never let more pass than asked for.

        Parameters
        ----------
        efficiencies : np.ndarray, shape (n_thresholds,)
        """
        sums = self.sums()[1:]
        last = np.append(np.flatnonzero(self.values[1:] != self.values[:-1]), len(self.values) - 1)  # of equal values
        largest = np.maximum.accumulate(sums[last])
        n_may_pass = np.searchsorted(largest, _allowed(efficiencies, sums[-1]), side="right")
        all_may_pass = n_may_pass == len(last)
        return np.where(all_may_pass, -np.inf, self.values[last[np.where(all_may_pass, 0, n_may_pass)]])


def _allowed(efficiencies: np.ndarray, total: float) -> np.ndarray:
    """Weight that may pass, with some room for rounding; none where the weights of a replica sum to less than 0."""
    return np.asarray(efficiencies) * max(total, 0) * (1 + ROUNDING)


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

    The rate is that of crossings in which at least one collision passes, see :func:`rate_of_crossings`, and its error
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
        return Rates(np.asarray(thresholds, np.float64), n_events, *(_not_known(len(n_events)) for _ in range(2)))
    limit = unseen(np.asarray(total**2 / total_squares))
    passed = np.clip(passed, 0, total)
    fraction = passed / total
    variance = (1 - fraction) ** 2 * squares + fraction**2 * np.maximum(total_squares - squares, 0)
    error = np.sqrt(variance) / total
    none_or_all = (n_events == 0) | (n_events == len(ranking.values))
    rate = rate_of_crossings(passed, luminosity, colliding_bunches)
    # The derivative by the cross section is the rate of collisions per pb, in crossings in which no other one passes.
    no_other = np.exp(-collision_rate(passed, luminosity) / crossing_rate(colliding_bunches))
    rate_error = collision_rate(np.sqrt(squares), luminosity) * no_other
    rate_limit = rate_of_crossings(limit * total, luminosity, colliding_bunches)
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


def rate_of_crossings(cross_section: np.ndarray, luminosity: float, colliding_bunches: int) -> np.ndarray:
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


def efficiencies_of_rates(
    rates_khz: Sequence[float], cross_section: float, luminosity: float, colliding_bunches: int
) -> np.ndarray:
    """Fractions of the events that give fixed rates: the inverse of :func:`rate_of_crossings`.

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
    everything = rate_of_crossings(np.asarray(cross_section), luminosity, colliding_bunches)
    below = np.where(wanted < everything, wanted, 0)
    fraction = _ratio(-crossings * np.log1p(-below / crossings), collision_rate(np.asarray(cross_section), luminosity))
    return np.where(wanted >= everything, 1, np.minimum(fraction, 1))


# Rates of zero-bias events


@dataclass(frozen=True)
class CrossingRates:
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


def crossing_rates(ranking: Ranking, thresholds: np.ndarray, colliding_bunches: int) -> CrossingRates:
    """Rate above thresholds: the share of random crossings that pass, times the rate of crossings.

    Parameters
    ----------
    ranking : Ranking
        Crossings of equal weight. Each is one event, however many collisions are in it, so that the rate cannot exceed
        that of the crossings.
    thresholds : np.ndarray, shape (n,)
    colliding_bunches : int
    """
    total, n_events = len(ranking.values), ranking.n_above(thresholds)
    low, high = clopper_pearson(n_events, np.full_like(n_events, total))
    khz = crossing_rate(colliding_bunches)
    return CrossingRates(np.asarray(thresholds, np.float64), n_events, n_events / total * khz, low * khz, high * khz)


def crossing_thresholds(ranking: Ranking, rates_khz: Sequence[float], colliding_bunches: int) -> RateThresholds:
    """Lowest thresholds at which the rate is at most a given one.

    The interval spans the thresholds that pass as many events as the ends of the interval of Clopper and Pearson of the
    number that may pass, as order statistics have it.

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
    ratio = np.where(known, np.maximum(_ratio(sums[0], sums[1]), 0), np.nan)
    variance = squares[0] - 2 * ratio * squares[2] + ratio**2 * squares[1]
    error = np.sqrt(np.maximum(variance, 0)) / np.where(known, sums[1], np.nan)
    limit = unseen(_ratio(sums[1] ** 2, squares[1], 0)) * np.where(ratio > 0, ratio, 1)
    return Estimate(ratio, np.where(error > ROUNDING**0.5 * ratio, error, np.where(known, limit, np.nan)))


# ROC curves and working points


@dataclass(frozen=True)
class Roc:
    """Signal efficiency against background efficiency.

    Attributes
    ----------
    background_efficiency, signal_efficiency : np.ndarray, shape (n_points,)
        Points of the exact curve. It never falls: where negative weights let it, it stays as high as it was.
    area : Estimate
        Under the exact curve, and its error.
    """

    background_efficiency: np.ndarray
    signal_efficiency: np.ndarray
    area: Estimate[float]


def roc_curve(signal: Ranking, background: Ranking, background_efficiencies: np.ndarray) -> Roc:
    """ROC curve at the lowest thresholds that at most given fractions of the background pass.

    Parameters
    ----------
    signal, background : Ranking
    background_efficiencies : np.ndarray, shape (n,)
        Rising. Those that no value of the background tells apart become one point.
    """
    thresholds = np.unique(background.thresholds(background_efficiencies))[::-1]
    passed = [ranking.sums()[[*ranking.n_above(thresholds), -1]] for ranking in (background, signal)]
    x, y = (np.maximum.accumulate(np.clip(sums[:-1] / sums[-1], 0, 1)) for sums in passed)
    return Roc(x, y, roc_area(signal, background))


def roc_area(signal: Ranking, background: Ranking) -> Estimate[float]:
    """Area under the ROC curve whose points are all values that occur.

    It is the probability that a signal event has the larger value of the two, ties counting one half. Its error is
    that of DeLong et al. (Biometrics 44 (1988) 837), with weights: the area is a mean over signal events of the
    background fraction below them, and over background events of the signal fraction above them, and each mean adds
    its variance. Where the samples do not overlap it is the limit on what none of the events of the smaller one do.
    """
    _, of_signal = _mean_and_variance(signal.weights, _share_above(signal, background))
    area, of_background = _mean_and_variance(background.weights, _share_above(background, signal))
    return _area(min(max(area, 0.0), 1.0), of_signal + of_background, (signal, background))


def _area(value: float, variance: float, samples: Sequence[Ranking]) -> Estimate[float]:
    """Area, or difference of areas, with an error that is not 0."""
    error = math.sqrt(variance)
    limit = float(unseen(np.asarray(min(n_effective(sample.weights) for sample in samples))))
    return Estimate(value, error if error > ROUNDING else limit)


def roc_area_gain(before: tuple[Ranking, Ranking], after: tuple[Ranking, Ranking]) -> Estimate[float]:
    """Difference of the areas under the ROC curves of two quantities of the same events.

    Its error is that of DeLong et al. as for an area, of the differences that each event makes. Where no event makes
    one it is the limit on what none of the events of the smaller sample do.

    Parameters
    ----------
    before, after : tuple of Ranking
        Of the signal and of the background.
    """

    def differences(i: int) -> np.ndarray:
        """Share of the other sample above each event, after less before, in the order before."""
        of_events = np.empty(len(after[i].order))
        of_events[after[i].order] = _share_above(after[i], after[1 - i])
        return of_events[before[i].order] - _share_above(before[i], before[1 - i])

    _, of_signal = _mean_and_variance(before[0].weights, differences(0))
    gain, of_background = _mean_and_variance(before[1].weights, differences(1))
    return _area(gain, of_signal + of_background, before)


def _share_above(events: Ranking, others: Ranking) -> np.ndarray:
    """Weighted fraction of other events above each event, those of equal value counting one half."""
    sums = others.sums()
    return (sums[others.n_above(events.values)] + sums[others.n_from(events.values)]) / (2 * sums[-1])


def _mean_and_variance(weights: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Weighted mean and its variance."""
    shares = weights / weights.sum(dtype=np.float64)
    mean = np.sum(shares * values)
    return float(mean), float(np.sum((shares * (values - mean)) ** 2))


@dataclass(frozen=True)
class _Groups:
    """Events in groups: those of a kind and a sign that pass the same of given thresholds on several quantities.

    Attributes
    ----------
    kinds : np.ndarray, shape (n_groups,), int
        Of the events of each group.
    bins : dict of str to np.ndarray, shape (n_groups,), int
        How many thresholds on each quantity a group passes.
    n_thresholds : dict of str to int
    sums, squares : np.ndarray, shape (n_groups,), float64
        Of the weights and of their squares.
    """

    kinds: np.ndarray
    bins: dict[str, np.ndarray]
    n_thresholds: dict[str, int]
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(
        cls,
        scores: Mapping[str, np.ndarray],
        weights: np.ndarray,
        thresholds: Mapping[str, np.ndarray],
        kinds: np.ndarray | None = None,
    ) -> "_Groups":
        """Group events by thresholds that rise, shape (n_thresholds,) for each quantity, and by kinds, numbers from 0.

        The key of a group has its kind, its sign and the number of thresholds passed on each quantity as its digits.
        Before it could exceed an integer, the keys so far are numbered in their order, at most one for each event.
        """
        kinds = np.zeros(len(weights), np.int64) if kinds is None else kinds
        number, n_numbers = 2 * kinds.astype(np.int64) + (weights < 0), 2 * (1 + int(kinds.max(initial=0)))
        for name, values in scores.items():
            n_bins = 1 + len(thresholds[name])
            if n_numbers * n_bins > LARGEST_KEY:
                occurring, number = np.unique(number, return_inverse=True)
                n_numbers = len(occurring)
            number *= n_bins
            number += np.searchsorted(thresholds[name], values)
            n_numbers *= n_bins
        order = np.argsort(number)
        number, weights = number[order], weights[order].astype(np.float64)
        first = np.flatnonzero(np.diff(number, prepend=-1))
        return cls(
            kinds[order[first]],
            {name: np.searchsorted(thresholds[name], values[order[first]]) for name, values in scores.items()},
            {name: len(thresholds[name]) for name in scores},
            np.add.reduceat(weights, first),
            np.add.reduceat(weights**2, first),
        )

    def replicas(self, rng: np.random.Generator, n_replicas: int = N_REPLICAS) -> Iterator[np.ndarray]:
        """Yield the sums of the weights of the groups and those of their bootstrap replicas."""
        return replica_sums(self.sums, self.squares, rng, n_replicas)

    def above(self, name: str, sums: np.ndarray) -> np.ndarray:
        """Sum what passes each threshold on a quantity, shape (n_thresholds,)."""
        in_bins = np.bincount(self.bins[name], sums, 1 + self.n_thresholds[name])
        return np.cumsum(in_bins[:0:-1])[::-1]

    def only(self, kind: int, sums: np.ndarray) -> np.ndarray:
        """Return the sums of the groups of a kind, 0 for the others."""
        return np.where(self.kinds == kind, sums, 0)


def _candidates(ranking: Ranking, efficiencies: np.ndarray) -> np.ndarray:
    """Values among which the replicas of thresholds are looked for, rising; the first is minus infinity.

    For each efficiency they are all values within 5 standard deviations of the weight that passes, or 200 of them at
    equal distances, 1/20 of a standard deviation.
    """
    passed, squares = ranking.sums()[1:], ranking.sums(squared=True)[1:]
    found = [np.array([-np.inf], ranking.values.dtype), ranking.values[:1]]
    for fraction in efficiencies:
        # Of the weight that passes a threshold it counts (1 - fraction)^2, of the other fraction^2.
        variance = fraction**2 * squares[-1] + (1 - 2 * fraction) * squares
        distance = passed - fraction * passed[-1]
        distance *= distance
        near = np.flatnonzero(distance <= np.maximum(CANDIDATES_WITHIN**2 * variance, distance.min()))
        found.append(ranking.values[np.linspace(near[0], near[-1], N_CANDIDATES).astype(int)])
    return np.unique(np.concatenate(found))


def background_thresholds(
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    rankings: Mapping[str, Ranking],
    efficiencies: np.ndarray,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Thresholds on several quantities of the same background events at fixed background efficiencies.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
        The quantities, for example before and after a correction.
    weights : np.ndarray, shape (n_events,)
    rankings : mapping of str to Ranking
        The same events in the order of each quantity.
    efficiencies : np.ndarray, shape (n_points,)
    rng : np.random.Generator

    Returns
    -------
    dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        Rows: the thresholds and their bootstrap replicas, which all quantities share.
    """
    candidates = {name: _candidates(ranking, efficiencies) for name, ranking in rankings.items()}
    groups = _Groups.of(scores, weights, candidates)
    rows = {name: [ranking.thresholds(efficiencies)] for name, ranking in rankings.items()}
    for sums in islice(groups.replicas(rng), 1, None):
        allowed = _allowed(efficiencies, sums.sum())
        for name, of_name in rows.items():
            from_above = np.maximum.accumulate(groups.above(name, sums)[::-1])
            n_may_pass = np.searchsorted(from_above, allowed, side="right")
            of_name.append(candidates[name][np.maximum(len(from_above) - n_may_pass, 0)])
    return {name: np.stack(of_name) for name, of_name in rows.items()}


@dataclass(frozen=True)
class EfficiencyRows:
    """Efficiencies of the same events above thresholds on several quantities.

    Attributes
    ----------
    n_events : float
        Effective number of events.
    rows : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        For each quantity.
    """

    n_events: float
    rows: dict[str, np.ndarray]


@dataclass(frozen=True)
class PartRows:
    """The same for the events of one kind.

    Attributes
    ----------
    inside : EfficiencyRows
        Of the events of this kind.
    shares : dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        What they contribute to the efficiencies of all events, for each quantity.
    """

    inside: EfficiencyRows
    shares: dict[str, np.ndarray]


def signal_efficiencies(
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    rng: np.random.Generator,
    kinds: np.ndarray | None = None,
) -> tuple[EfficiencyRows, list[PartRows]]:
    """Efficiencies of the same signal events above thresholds on several quantities, of all and of each kind of them.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
    weights : np.ndarray, shape (n_events,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        As :func:`background_thresholds` gives them. Replica i of the signal meets replica i of the thresholds, so
        that the statistics of both samples are in the result.
    rng : np.random.Generator
    kinds : np.ndarray, shape (n_events,), int, optional
        0 or 1; without it there are no parts.
    """
    distinct = {name: np.unique(thresholds[name]) for name in scores}
    groups = _Groups.of(scores, weights, distinct, kinds)
    shape = np.shape(next(iter(thresholds.values())))
    n_kinds = 0 if kinds is None else 2

    def rows() -> dict[str, np.ndarray]:
        return {name: np.full(shape, np.nan) for name in scores}

    whole, inside, shares = rows(), [rows() for _ in range(n_kinds)], [rows() for _ in range(n_kinds)]
    for i, sums in enumerate(groups.replicas(rng, shape[0] - 1)):
        total = sums.sum()
        of_kinds = [groups.only(kind, sums) for kind in range(n_kinds)]
        for name in scores:
            at = np.searchsorted(distinct[name], thresholds[name][i])
            if total > 0:
                whole[name][i] = np.clip(groups.above(name, sums)[at] / total, 0, 1)
            for kind, of_kind in enumerate(of_kinds):
                passed = groups.above(name, of_kind)[at]
                if total > 0:
                    shares[kind][name][i] = passed / total
                if (total_of_kind := of_kind.sum()) > 0:
                    inside[kind][name][i] = np.clip(passed / total_of_kind, 0, 1)
    parts = [
        PartRows(EfficiencyRows(n_effective(weights[kinds == kind]), inside[kind]), shares[kind])
        for kind in range(n_kinds)
    ]
    return EfficiencyRows(n_effective(weights), whole), parts


@dataclass(frozen=True)
class PartOfPoints:
    """What the events of one kind do at working points.

    Attributes
    ----------
    efficiency : dict of str to Estimate, shape (n_points,)
        Of the events of this kind, for each quantity.
    gain : dict of str to Estimate
        What they contribute to the gain of each model: the contributions of all kinds sum to the gain.
    share : dict of str to Estimate
        That over the gain.
    """

    efficiency: dict[str, Estimate[np.ndarray]]
    gain: dict[str, Estimate[np.ndarray]]
    share: dict[str, Estimate[np.ndarray]]


@dataclass(frozen=True)
class WorkingPoints:
    """Signal efficiencies at fixed background efficiencies, and what a correction gains.

    All errors contain the statistics of the signal and, through the thresholds, of the background; those of the gains
    also that the quantities are of the same events.

    Attributes
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds, efficiency : dict of str to Estimate, shape (n_points,)
        For each quantity.
    gain : dict of str to Estimate
        For each model: difference of its efficiency and that of the baseline.
    ratio : dict of str to Estimate
        Its efficiency over that of the baseline.
    gap_closed : dict of str to Estimate
        Gain over the difference between the ideal and the baseline efficiency.
    kept : dict of str to Estimate
        Gain over that of the first model.
    parts : list of PartOfPoints
        Of the kinds of events that were told apart.
    """

    background_efficiency: np.ndarray
    thresholds: dict[str, Estimate[np.ndarray]]
    efficiency: dict[str, Estimate[np.ndarray]]
    gain: dict[str, Estimate[np.ndarray]]
    ratio: dict[str, Estimate[np.ndarray]]
    gap_closed: dict[str, Estimate[np.ndarray]]
    kept: dict[str, Estimate[np.ndarray]]
    parts: list[PartOfPoints]


def working_points(
    background_efficiency: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    efficiencies: EfficiencyRows,
    baseline: str,
    ideal: str,
    parts: Sequence[PartRows] = (),
) -> WorkingPoints:
    """Put together what :func:`background_thresholds` and :func:`signal_efficiencies` found.

    Parameters
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        NaN where a threshold is not known: so is what follows from it.
    efficiencies : EfficiencyRows
    baseline, ideal : str
        Keys of the quantities to compare with; all others are models.
    parts : sequence of PartRows
    """
    n_events = efficiencies.n_events
    known = {name: np.where(np.isnan(thresholds[name][0]), np.nan, 0) for name in thresholds}

    def only_known(rows: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        return {name: of_name + known[name] for name, of_name in rows.items()}

    rows = only_known(efficiencies.rows)
    efficiency = {name: efficiency_of_rows(of_name, n_events) for name, of_name in rows.items()}
    before, best = rows[baseline], rows[ideal]
    models = {name: after for name, after in rows.items() if name not in (baseline, ideal)}
    gain_rows = {name: after - before for name, after in models.items()}
    first = next(iter(gain_rows))

    def difference(of_rows: np.ndarray, n_events: float = n_events) -> Estimate[np.ndarray]:
        return known_to(estimate_of_rows(of_rows), n_events)

    gains = {name: difference(gain) for name, gain in gain_rows.items()}
    gap = difference(best - before)

    def part(of: PartRows) -> PartOfPoints:
        shares = only_known(of.shares)
        contributions = {name: shares[name] - shares[baseline] for name in models}
        inside = only_known(of.inside.rows)
        behind = n_events if of.inside.n_events > 0 else math.nan  # no events contribute 0, which has no error
        return PartOfPoints(
            {name: efficiency_of_rows(of_name, of.inside.n_events) for name, of_name in inside.items()},
            {name: difference(contribution, behind) for name, contribution in contributions.items()},
            {
                name: ratio_of_rows(contribution, gain_rows[name], gains[name], behind)
                for name, contribution in contributions.items()
            },
        )

    return WorkingPoints(
        np.asarray(background_efficiency),
        {name: estimate_of_rows(of_name) for name, of_name in thresholds.items()},
        efficiency,
        gains,
        {name: ratio_of_rows(after, before, efficiency[baseline], n_events) for name, after in models.items()},
        {name: ratio_of_rows(gain, best - before, gap, n_events) for name, gain in gain_rows.items()},
        {name: ratio_of_rows(gain, gain_rows[first], gains[first], n_events) for name, gain in gain_rows.items()},
        [part(of) for of in parts],
    )
