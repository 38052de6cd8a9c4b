"""Figures of merit of a trigger quantity, with their errors: arrays in, frozen results out.

Conventions of this module:

- An event passes a threshold when its value is above it, not when it is equal.
- Every event has a weight of at least 0; sums are in double precision. A common factor on all weights changes nothing
  but histograms and rates.
- Errors and intervals are of one standard deviation, 68.27%. What cannot be known is NaN.
- Where a threshold or a quantile is involved the errors come from the Poisson bootstrap: a replica multiplies the
  weight of each event by a Poisson number of mean 1 (Chamandy et al., "Estimating uncertainty for massive data
  streams", Google 2012). Quantities computed from the same replicas keep their correlation. An array of *rows* has
  the measurement itself in row 0 and the replicas in the others.
"""

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import erf
from scipy.stats import beta, poisson

ONE_SIGMA = math.erf(1 / math.sqrt(2))
MEDIAN_AND_CENTRAL = (0.5, (1 - ONE_SIGMA) / 2, (1 + ONE_SIGMA) / 2)
N_REPLICAS = 200
MIN_EVENTS_FOR_WIDTH = 10
CM2_IN_PB = 1e-36
KHZ_IN_HZ = 1e-3
ROUNDING = 1e-12

Value = TypeVar("Value", float, np.ndarray)

_POISSON_OF_UINT16 = poisson.ppf((np.arange(2**16) + 0.5) / 2**16, 1).astype(np.uint8)


@dataclass(frozen=True)
class Estimate(Generic[Value]):
    """A number, or numbers, with the error of one standard deviation."""

    value: Value
    error: Value


def estimate_of_rows(rows: np.ndarray) -> Estimate[np.ndarray]:
    """Take the values from row 0, and as errors half of what the central 68.27% of the replicas span.

    Replicas in which the quantity does not exist are left out.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(rows[1:], MEDIAN_AND_CENTRAL[1:], axis=0)
    return Estimate(rows[0], np.where(np.isnan(rows[0]), np.nan, (high - low) / 2))


def replica_weights(
    weights: np.ndarray, rng: np.random.Generator, n_replicas: int = N_REPLICAS
) -> Iterator[np.ndarray]:
    """Yield the weights themselves and then those of each bootstrap replica, shape (n_events,), float64.

    The Poisson numbers are looked up at 16 random bits, five times faster than drawing them; their mean and variance
    are 1 to 1e-3.
    """
    weights = weights.astype(np.float64)
    yield weights
    for _ in range(n_replicas):
        yield weights * _POISSON_OF_UINT16[rng.integers(2**16, size=len(weights), dtype=np.uint16)]


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    """Quotient, NaN where the denominator is 0."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator != 0)


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
    """Bin of each value, n_bins for those that are in none or NaN."""
    bins = np.searchsorted(edges, values, side="right") - 1
    n_bins = len(edges) - 1
    return np.where((bins >= 0) & (bins < n_bins), bins, n_bins)


def _sums(bins: np.ndarray, n_bins: int, weights: np.ndarray) -> np.ndarray:
    """Sum of the weights in each bin, shape (n_bins,), float64."""
    return np.bincount(bins, weights, minlength=n_bins + 1)[:n_bins]


def histogram(values: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> Histogram:
    """Histogram of weighted values; what lies outside the edges is left out."""
    bins, n_bins, weights = bin_index(values, edges), len(edges) - 1, weights.astype(np.float64)
    return Histogram(edges, _sums(bins, n_bins, weights), np.sqrt(_sums(bins, n_bins, weights**2)))


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
    values, _, _ = np.histogram2d(x, y, (x_edges, y_edges), weights=weights)
    return Histogram2D(x_edges, y_edges, values)


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
    tail = (1 - ONE_SIGMA) / 2
    some, not_all = passed > 0, passed < total
    low = np.where(some, beta.ppf(tail, np.where(some, passed, 1), total - passed + 1), 0)
    high = np.where(not_all, beta.ppf(1 - tail, passed + 1, np.where(not_all, total - passed, 1)), 1)
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
        Where there are no events the value is NaN, with the interval [0, 1].
    """
    n_effective = np.nan_to_num(_ratio(total**2, total_squares))
    value = np.clip(_ratio(passed, total), 0, 1)
    low, high = clopper_pearson(np.nan_to_num(value) * n_effective, n_effective)
    return Efficiency(value, low, high, n_effective)


@dataclass(frozen=True)
class TurnOnFit:
    """Error function through a turn-on curve, plateau / 2 * (1 + erf((x - midpoint) / (sqrt(2) * width))).

    Attributes
    ----------
    plateau : Estimate
    midpoint, width : Estimate
        In the unit of the true variable; NaN, with the plateau, where the data do not determine them.
    """

    plateau: Estimate[float]
    midpoint: Estimate[float]
    width: Estimate[float]


@dataclass(frozen=True)
class TurnOn:
    """Efficiency of a threshold in bins of the true variable; `threshold` and `edges` are in its unit."""

    threshold: float
    edges: np.ndarray
    efficiency: Efficiency
    fit: TurnOnFit


def turn_on_curve(
    true: np.ndarray, values: np.ndarray, weights: np.ndarray, threshold: float, edges: np.ndarray
) -> TurnOn:
    """Efficiency of `values` above a threshold, in bins of the true variable.

    Parameters
    ----------
    true, values, weights : np.ndarray, shape (n_events,)
    threshold : float
    edges : np.ndarray, shape (n_bins + 1,)
    """
    bins, n_bins, weights = bin_index(true, edges), len(edges) - 1, weights.astype(np.float64)
    passed = values > threshold
    binned = efficiency(
        _sums(bins, n_bins, weights * passed),
        _sums(bins, n_bins, weights),
        _sums(bins, n_bins, weights**2),
    )
    return TurnOn(float(threshold), edges, binned, fit_turn_on(true, passed, weights, edges[0], edges[-1]))


def error_function(x: np.ndarray, plateau: float, midpoint: float, width: float) -> np.ndarray:
    """Efficiency of a sharp threshold on a quantity with a Gaussian resolution."""
    return plateau / 2 * (1 + erf((x - midpoint) / (math.sqrt(2) * width)))


def fit_turn_on(
    true: np.ndarray, passed: np.ndarray, weights: np.ndarray, low: float, high: float, n_bins: int = 200
) -> TurnOnFit:
    """Fit an error function to a turn-on curve between two values of the true variable.

    Least squares in fine bins, each taken at the mean of its events. The variance of a bin is binomial, of its
    effective counts and of the fitted curve (Fisher scoring), so that bins in which all or none pass count in full;
    it is that of an efficiency of 1% at least, so that tails that are not Gaussian do not rule.

    Parameters
    ----------
    true, passed, weights : np.ndarray, shape (n_events,)
    low, high : float
        Range of the fit.
    n_bins : int
    """
    bins, weights = bin_index(true, np.linspace(low, high, n_bins + 1)), weights.astype(np.float64)
    total = _sums(bins, n_bins, weights)
    filled = total > 0
    total = total[filled]
    x = _sums(bins, n_bins, weights * true)[filled] / total
    y = _sums(bins, n_bins, weights * passed)[filled] / total
    n_effective = total**2 / _sums(bins, n_bins, weights**2)[filled]
    if len(x) < 4 or y.min() == y.max():
        return _no_turn_on()
    # The area above a rising curve is its midpoint; the two ends stand for what lies beyond the events.
    grid = np.linspace(low, high, n_bins)
    midpoint = low + (high - low) * (1 - np.interp(grid, x, y).mean())
    parameters = np.array([0.95, midpoint, (high - low) / 20])
    bounds = ([0, low, (high - low) / 1e4], [1, high, high - low])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", OptimizeWarning)
            for _ in range(8):
                expected = np.clip(error_function(x, *parameters), 0.01, 0.99)
                sigma = np.sqrt(expected * (1 - expected) / n_effective)
                parameters, covariance = curve_fit(
                    error_function, x, y, parameters, sigma, absolute_sigma=True, bounds=bounds
                )
    except (RuntimeError, OptimizeWarning):
        return _no_turn_on()
    errors = np.sqrt(np.diag(covariance))
    if not (0 < errors[1] < high - low and errors[2] > 0):
        return _no_turn_on()
    return TurnOnFit(*(Estimate(float(value), float(error)) for value, error in zip(parameters, errors, strict=True)))


def _no_turn_on() -> TurnOnFit:
    unknown = Estimate(math.nan, math.nan)
    return TurnOnFit(unknown, unknown, unknown)


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
        Half width over median: it does not change when the response is multiplied by a number.
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
    order = np.lexsort((response, bins))
    limits = np.searchsorted(bins[order], np.arange(n_bins + 1))
    order = order[: limits[-1]]
    ordered, weights = response[order], weights[order].astype(np.float64)
    in_bins = bins[order]
    n_effective = np.nan_to_num(_ratio(_sums(in_bins, n_bins, weights) ** 2, _sums(in_bins, n_bins, weights**2)))
    rows = np.stack([_quantiles_between(ordered, w, limits, MEDIAN_AND_CENTRAL) for w in replica_weights(weights, rng)])
    rows[:, :, n_effective < MIN_EVENTS_FOR_WIDTH] = np.nan
    median, half_width = rows[:, 0], (rows[:, 2] - rows[:, 1]) / 2
    quantities = (median, half_width, _ratio(half_width, median))
    return BinnedResponse(edges, n_effective, *(estimate_of_rows(quantity) for quantity in quantities))


def _quantiles_between(
    ordered: np.ndarray, weights: np.ndarray, limits: np.ndarray, quantiles: Sequence[float]
) -> np.ndarray:
    """Weighted quantiles of stretches of an array that rises within each.

    A quantile is the first value up to which the stretch has that share of its weight.

    Parameters
    ----------
    ordered, weights : np.ndarray, shape (n_values,)
    limits : np.ndarray, shape (n_stretches + 1,)
        First value of each stretch, and the end of the last.
    quantiles : sequence of float

    Returns
    -------
    np.ndarray, shape (n_quantiles, n_stretches)
        NaN for a stretch without weight.
    """
    cumulative = np.concatenate([[0], np.cumsum(weights)])
    start, stop = cumulative[limits[:-1]], cumulative[limits[1:]]
    wanted = start + np.asarray(quantiles)[:, None] * (stop - start)
    found = np.searchsorted(cumulative[1:], wanted)
    values = np.append(ordered, np.nan)[np.minimum(found, limits[1:] - 1)]
    return np.where(stop > start, values, np.nan)


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
    """

    mean: Estimate[float]
    sigma: Estimate[float]
    height: float
    low: float
    high: float


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
    if total == 0:
        return unknown
    mean, low, high = _quantiles_between(x, histogram.values, np.array([0, len(x)]), MEDIAN_AND_CENTRAL)[:, 0]
    parameters = np.array([mean, max((high - low) / 2, step), histogram.values.max()])
    for _ in range(15):
        low, high = parameters[0] - n_sigma * parameters[1], parameters[0] + n_sigma * parameters[1]
        inside = (x > low) & (x < high)
        content = histogram.values[inside]
        if inside.sum() < 4 or np.count_nonzero(content) < 4:
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
    return CoreFit(mean, sigma, float(parameters[2]), float(low), float(high))


# Thresholds and rates


def thresholds_at(values: np.ndarray, weights: np.ndarray, efficiencies: np.ndarray) -> np.ndarray:
    """Lowest thresholds that at most given weighted fractions of the events pass, found by sorting.

    The threshold is one of the values, or minus infinity where all events may pass; events with equal values pass or
    fail together, so that ties never let more pass than asked for.

    Parameters
    ----------
    values, weights : np.ndarray, shape (n_events,)
    efficiencies : np.ndarray, shape (n_thresholds,)
    """
    order = np.argsort(values)[::-1]
    return _thresholds_in_order(values[order], weights[order], efficiencies)


def _thresholds_in_order(falling: np.ndarray, weights: np.ndarray, efficiencies: np.ndarray) -> np.ndarray:
    """Do the work of :func:`thresholds_at` for values that fall; if k values may pass, the next one is it."""
    cumulative = np.cumsum(weights, dtype=np.float64)
    allowed = np.asarray(efficiencies) * cumulative[-1] * (1 + ROUNDING)
    n_may_pass = np.searchsorted(cumulative, allowed, side="right")
    return np.append(falling, -np.inf)[n_may_pass]


def _sums_above(values: np.ndarray, weights: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Sum of the weights of the values above each threshold, shape (n_thresholds,)."""
    order = np.argsort(values)
    from_the_top = np.append(np.cumsum(weights[order][::-1], dtype=np.float64)[::-1], 0)
    return from_the_top[np.searchsorted(values[order], thresholds, side="right")]


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
        In kHz; the error is that of the sum of weights.
    """

    thresholds: np.ndarray
    n_events: np.ndarray
    efficiency: Estimate[np.ndarray]
    rate: Estimate[np.ndarray]


def rates(values: np.ndarray, weights: np.ndarray, thresholds: np.ndarray, luminosity: float) -> Rates:
    """Rate and efficiency above thresholds.

    The rate is the luminosity times the cross section of the events that pass. It is the rate of the generated process
    alone and of single collisions: it does not know that bunches cross at 40 MHz at most, which a total of the order
    of that rate would not heed.

    Parameters
    ----------
    values : np.ndarray, shape (n_events,)
    weights : np.ndarray, shape (n_events,)
        In pb, adding up to the cross section of the process.
    thresholds : np.ndarray, shape (n,)
    luminosity : float
        In cm^-2 s^-1.
    """
    weights = weights.astype(np.float64)
    in_khz = luminosity * CM2_IN_PB * KHZ_IN_HZ
    total, total_squares = weights.sum(), (weights**2).sum()
    passed, squares = (_sums_above(values, w, thresholds) for w in (weights, weights**2))
    fraction = passed / total
    variance = (1 - fraction) ** 2 * squares + fraction**2 * np.maximum(total_squares - squares, 0)
    return Rates(
        np.asarray(thresholds, np.float64),
        _sums_above(values, np.ones(len(values)), thresholds).astype(int),
        Estimate(fraction, np.sqrt(variance) / total),
        Estimate(passed * in_khz, np.sqrt(squares) * in_khz),
    )


# ROC curves and working points


@dataclass(frozen=True)
class Roc:
    """Signal efficiency against background efficiency of all thresholds.

    Attributes
    ----------
    background_efficiency, signal_efficiency : np.ndarray, shape (n_points,)
        From (0, 0) to (1, 1), a point for each value that occurs.
    area : Estimate
        Under the curve, and its error.
    """

    background_efficiency: np.ndarray
    signal_efficiency: np.ndarray
    area: Estimate[float]

    def thinned(self, lowest: float, n_points: int = 400) -> "Roc":
        """Return points of this curve at about equal distances in the logarithm of the background efficiency."""
        wanted = np.geomspace(lowest, 1, n_points)
        rows = np.unique(np.searchsorted(self.background_efficiency, wanted, side="right") - 1)
        return Roc(self.background_efficiency[rows], self.signal_efficiency[rows], self.area)


def roc_curve(
    signal: np.ndarray, signal_weights: np.ndarray, background: np.ndarray, background_weights: np.ndarray
) -> Roc:
    """ROC curve by sorting, each distinct value being a threshold, with the area under it.

    The area is the probability that a signal event has the larger value of the two, ties counting one half. Its error
    is that of DeLong et al. (Biometrics 44 (1988) 837), with weights: the area is a mean over signal events of the
    background fraction below them, and over background events of the signal fraction above them, and each mean adds
    its variance.

    Parameters
    ----------
    signal, signal_weights : np.ndarray, shape (n_signal,)
    background, background_weights : np.ndarray, shape (n_background,)
    """
    signal_weights, background_weights = (
        w.astype(np.float64) / w.sum(dtype=np.float64) for w in (signal_weights, background_weights)
    )
    falling = np.unique(np.concatenate([signal, background]))[::-1]
    curves = [
        np.minimum(np.append(_sums_above(values, weights, falling), 1), 1)
        for values, weights in ((background, background_weights), (signal, signal_weights))
    ]
    below = _fraction_below(background, background_weights, signal)
    above = 1 - _fraction_below(signal, signal_weights, background)
    area = np.sum(signal_weights * below)
    variance = np.sum((signal_weights * (below - area)) ** 2) + np.sum((background_weights * (above - area)) ** 2)
    return Roc(curves[0], curves[1], Estimate(float(area), float(np.sqrt(variance))))


def _fraction_below(values: np.ndarray, weights: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Sum of the weights of the values below each of `at`, and half of those equal to it; the weights sum to 1."""
    order = np.argsort(values)
    cumulative = np.concatenate([[0], np.cumsum(weights[order])])
    left, right = (cumulative[np.searchsorted(values[order], at, side=side)] for side in ("left", "right"))
    return (left + right) / 2


def background_thresholds(
    scores: Mapping[str, np.ndarray], weights: np.ndarray, efficiencies: np.ndarray, rng: np.random.Generator
) -> dict[str, np.ndarray]:
    """Thresholds on several quantities of the same background events at fixed background efficiencies.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
        The quantities, for example before and after a correction.
    weights : np.ndarray, shape (n_events,)
    efficiencies : np.ndarray, shape (n_points,)
    rng : np.random.Generator

    Returns
    -------
    dict of str to np.ndarray, shape (1 + n_replicas, n_points)
        Rows: the thresholds and their bootstrap replicas, which all quantities share.
    """
    orders = {name: np.argsort(values)[::-1] for name, values in scores.items()}
    falling = {name: scores[name][order] for name, order in orders.items()}
    rows: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    for w in replica_weights(weights, rng):
        for name, order in orders.items():
            rows[name].append(_thresholds_in_order(falling[name], w[order], efficiencies))
    return {name: np.stack(of_name) for name, of_name in rows.items()}


def signal_efficiencies(
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """Efficiencies of the same signal events above thresholds on several quantities.

    Parameters
    ----------
    scores : mapping of str to np.ndarray, shape (n_events,)
    weights : np.ndarray, shape (n_events,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        As :func:`background_thresholds` gives them. Replica i of the signal meets replica i of the thresholds, so
        that the statistics of both samples are in the result.
    rng : np.random.Generator

    Returns
    -------
    dict of str to np.ndarray, shape (1 + n_replicas, n_points)
    """
    n_replicas = len(next(iter(thresholds.values()))) - 1
    rows: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    for i, w in enumerate(replica_weights(weights, rng, n_replicas)):
        for name, values in scores.items():
            passed = np.array([w[values > threshold].sum() for threshold in thresholds[name][i]])
            rows[name].append(passed / w.sum())
    return {name: np.stack(of_name) for name, of_name in rows.items()}


@dataclass(frozen=True)
class WorkingPoints:
    """Signal efficiencies at fixed background efficiencies, and what a correction gains.

    All errors contain the statistics of the signal and, through the thresholds, of the background; those of the last
    three also that the quantities are of the same events.

    Attributes
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds, efficiency : dict of str to Estimate, shape (n_points,)
        For each quantity.
    gain : Estimate
        Difference of the corrected and the baseline efficiency.
    ratio : Estimate
        Corrected over baseline.
    gap_closed : Estimate
        Gain over the difference between the ideal and the baseline efficiency.
    """

    background_efficiency: np.ndarray
    thresholds: dict[str, Estimate[np.ndarray]]
    efficiency: dict[str, Estimate[np.ndarray]]
    gain: Estimate[np.ndarray]
    ratio: Estimate[np.ndarray]
    gap_closed: Estimate[np.ndarray]


def working_points(
    background_efficiency: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    efficiencies: Mapping[str, np.ndarray],
    baseline: str = "baseline",
    corrected: str = "corrected",
    ideal: str = "true",
) -> WorkingPoints:
    """Put together what :func:`background_thresholds` and :func:`signal_efficiencies` found.

    Parameters
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds, efficiencies : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
    baseline, corrected, ideal : str
        Keys of the quantities to compare.
    """
    before, after, best = (efficiencies[name] for name in (baseline, corrected, ideal))
    return WorkingPoints(
        np.asarray(background_efficiency),
        {name: estimate_of_rows(rows) for name, rows in thresholds.items()},
        {name: estimate_of_rows(rows) for name, rows in efficiencies.items()},
        estimate_of_rows(after - before),
        estimate_of_rows(_ratio(after, before)),
        estimate_of_rows(_ratio(after - before, best - before)),
    )
