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
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import erf, ndtri
from scipy.stats import beta

ONE_SIGMA = math.erf(1 / math.sqrt(2))
MEDIAN_AND_CENTRAL = (0.5, (1 - ONE_SIGMA) / 2, (1 + ONE_SIGMA) / 2)
N_REPLICAS = 200
N_CANDIDATES, CANDIDATES_WITHIN = 200, 5
MIN_EVENTS_FOR_WIDTH = 10
N_FIT_BINS = 200
CM2_IN_PB = 1e-36
KHZ_IN_HZ = 1e-3
REVOLUTION_FREQUENCY = 11245.5  # Hz, of protons in the LHC (LHC Design Report, CERN-2004-003, 2004)
ROUNDING = 1e-12
LARGEST_KEY = 2**62  # of a group of events, in int64

Value = TypeVar("Value", float, np.ndarray)


@dataclass(frozen=True)
class Estimate(Generic[Value]):
    """A number, or numbers, with the error of one standard deviation."""

    value: Value
    error: Value


def estimate_of_rows(rows: np.ndarray) -> Estimate[np.ndarray]:
    """Take the values from row 0, and as errors half of what the central 68.27% of the replicas span.

    Replicas in which the quantity does not exist are left out. The error of what is infinite is not known.
    """
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.filterwarnings("ignore", "All-NaN slice", RuntimeWarning)
        low, high = np.nanquantile(rows[1:], MEDIAN_AND_CENTRAL[1:], axis=0)
    return Estimate(rows[0], np.where(np.isnan(rows[0]), np.nan, (high - low) / 2))


def replica_sums(
    sums: np.ndarray, squares: np.ndarray, rng: np.random.Generator, n_replicas: int = N_REPLICAS
) -> Iterator[np.ndarray]:
    """Yield the sums of the weights of groups of events, and then those of each bootstrap replica.

    The sum over a group of weights times Poisson numbers of mean 1 is drawn as one Poisson number times a mean weight,
    both such that mean and variance are the same (Bohm and Zech, Nucl. Instrum. Meth. A 748 (2014) 1). For events of
    equal weights, and a single event above all, that is its distribution itself.

    Parameters
    ----------
    sums, squares : np.ndarray, shape (n_groups,), float64
        Of the weights of each group and of their squares.
    rng : np.random.Generator
    n_replicas : int
    """
    n_effective, mean_weight = (np.nan_to_num(ratio) for ratio in (_ratio(sums**2, squares), _ratio(squares, sums)))
    yield sums
    for _ in range(n_replicas):
        yield mean_weight * rng.poisson(n_effective)


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
    """Efficiency of a threshold in bins of the true variable; `threshold` and `edges` are in its unit."""

    threshold: float
    edges: np.ndarray
    efficiency: Efficiency
    fit: TurnOnFit


def turn_on_curves(
    true: np.ndarray,
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, Sequence[float]],
    edges: np.ndarray,
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
    """
    coarse, fine = (_TrueBins.of(true, weights, e) for e in (edges, np.linspace(edges[0], edges[-1], N_FIT_BINS + 1)))

    def curve(values: np.ndarray, threshold: float) -> TurnOn:
        passed = weights * (values > threshold)
        binned = efficiency(coarse.sums_of(passed), coarse.total, coarse.squares)
        return TurnOn(float(threshold), edges, binned, _fit_turn_on(fine, fine.sums_of(passed), edges[0], edges[-1]))

    return {name: [curve(scores[name], threshold) for threshold in of_name] for name, of_name in thresholds.items()}


@dataclass(frozen=True)
class _TrueBins:
    """Events in bins of the true variable: the bin of each, and sums of weights, of their squares and of the mean."""

    bins: np.ndarray
    total: np.ndarray
    squares: np.ndarray
    mean: np.ndarray

    @classmethod
    def of(cls, true: np.ndarray, weights: np.ndarray, edges: np.ndarray) -> "_TrueBins":
        bins, n_bins = bin_index(true, edges), len(edges) - 1
        total, squares = _sums(bins, n_bins, weights), _sums_of_squares(bins, n_bins, weights)
        first_moment = _sums(bins, n_bins, np.multiply(weights, true, dtype=np.float64))
        return cls(bins, total, squares, _ratio(first_moment, total))

    def sums_of(self, weights: np.ndarray) -> np.ndarray:
        """Sum other weights of the same events in each bin."""
        return _sums(self.bins, len(self.total), weights)

    def of_filled(self, *sums: np.ndarray) -> tuple[np.ndarray, ...]:
        """For the bins with events: means of the true variable, effective numbers of events, and fractions of sums."""
        filled = self.total > 0
        total = self.total[filled]
        return self.mean[filled], total**2 / self.squares[filled], *(of_one[filled] / total for of_one in sums)


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
    x, n_effective, y = events.of_filled(passed)
    if len(x) < 4 or y.min() == y.max():
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
                sigma = np.sqrt(_fit_variance(error_function(x, *parameters)) / n_effective)
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
        chi2=float(np.sum((y - expected) ** 2 * n_effective / variance)),
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
    """What a quantity changes in the turn-on of a baseline: its fit minus that of the baseline, of the same events.

    Attributes
    ----------
    midpoint, at_95_percent : Estimate
        True values at which the curves reach 50% and 95% of their plateaus, in the unit of the true variable. Below 0
        the quantity turns on earlier.
    width : Estimate
        In the same unit; below 0 the quantity turns on more sharply.
    plateau : Estimate
        Above 0 more events pass far above the threshold. Its error is too large where plateaus are at their bound of 1.
    """

    midpoint: Estimate[float]
    at_95_percent: Estimate[float]
    width: Estimate[float]
    plateau: Estimate[float]


# Midpoint, true value at 95% of the plateau, width and plateau from plateau, midpoint and width.
_POINTS_OF_FIT = np.array([[0, 1, 0], [0, 1, ndtri(0.95)], [0, 0, 1], [1, 0, 0]])


def turn_on_gains(
    true: np.ndarray,
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, Sequence[float]],
    edges: np.ndarray,
    baseline: str = "baseline",
) -> dict[str, list[TurnOnGain]]:
    """Compare the turn-on curves of several quantities with that of a baseline, fit by fit as :func:`turn_on_curves`.

    The errors know that the curves are of the same events: see :func:`_turn_on_gain`.

    Parameters
    ----------
    true, weights : np.ndarray, shape (n_events,)
    scores : mapping of str to np.ndarray, shape (n_events,)
        The quantities, the baseline among them.
    thresholds : mapping of str to sequence of float
        As many for each quantity: those at the same place are compared, for example those of equal rate.
    edges : np.ndarray, shape (n_bins + 1,)
        The fit is between the first and the last.
    baseline : str

    Returns
    -------
    dict of str to list of TurnOnGain
        For each quantity but the baseline; NaN where one of the fits is not determined.
    """
    events = _TrueBins.of(true, weights, np.linspace(edges[0], edges[-1], N_FIT_BINS + 1))

    def fitted(passes: np.ndarray) -> tuple[TurnOnFit, np.ndarray]:
        passed = events.sums_of(weights * passes)
        return _fit_turn_on(events, passed, edges[0], edges[-1]), passed

    gains: dict[str, list[TurnOnGain]] = {name: [] for name in thresholds if name != baseline}
    for i, threshold in enumerate(thresholds[baseline]):
        passes_before = scores[baseline] > threshold
        before = fitted(passes_before)
        for name, of_name in gains.items():
            passes = scores[name] > thresholds[name][i]
            both = events.sums_of(weights * (passes & passes_before))
            of_name.append(_turn_on_gain(events, before, fitted(passes), both))
    return gains


def _turn_on_gain(
    events: _TrueBins,
    before: tuple[TurnOnFit, np.ndarray],
    after: tuple[TurnOnFit, np.ndarray],
    passed_both: np.ndarray,
) -> TurnOnGain:
    """Difference of two fits, each given with what passes, and its errors.

    To first order the points of a fit are linear in the fractions that pass in the bins, see :func:`_linear_fit`, so
    that the covariance of two fits is A_1 C A_2^T. C is diagonal, the mean of (pass_1 - f_1) (pass_2 - f_2) in a bin
    over its effective number of events, where f are the fitted curves and pass is 1 or 0. This holds also where the
    rise is no error function (White, Econometrica 50 (1982) 1). The error of a quantity compared with itself is 0.
    """
    fits = before[0], after[0]
    x, n_effective, both, *y = events.of_filled(passed_both, before[1], after[1])
    if any(math.isnan(fit.midpoint.value) for fit in fits):
        return TurnOnGain(*[Estimate(math.nan, math.nan)] * len(_POINTS_OF_FIT))
    points, curves, a = zip(
        *(_linear_fit(x, n_effective, *of_one) for of_one in zip(y, fits, strict=True)), strict=True
    )

    def covariance(i: int, j: int, passing: np.ndarray) -> np.ndarray:
        products = passing - curves[i] * y[j] - curves[j] * y[i] + curves[i] * curves[j]
        return np.sum(a[i] * a[j] * (products / n_effective), axis=1)

    variance = covariance(0, 0, y[0]) + covariance(1, 1, y[1]) - 2 * covariance(0, 1, both)
    errors = np.sqrt(np.maximum(variance, 0))
    return TurnOnGain(*map(Estimate, (points[1] - points[0]).tolist(), errors.tolist()))


def _linear_fit(
    x: np.ndarray, n_effective: np.ndarray, y: np.ndarray, fit: TurnOnFit
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points of a fit, shape (4,), the fitted curve, shape (n_bins,), and how the points follow the fractions y.

    The last, A, has shape (4, n_bins). A fit is where J^T W (y - f) is 0, J being the derivatives of the curve f and W
    the inverse variances, both at the fit. When y changes by dy the parameters change by H^-1 J^T W dy, where H is
    minus the derivative of that expression by the parameters. It is J^T W J where the curve is right; else the
    residuals add to it.
    """
    parameters = np.array([fit.plateau.value, fit.midpoint.value, fit.width.value])

    def weighted_derivatives(at: np.ndarray) -> np.ndarray:
        return _derivatives(x, *at).T * (n_effective / _fit_variance(error_function(x, *at)))

    def score(at: np.ndarray) -> np.ndarray:
        return weighted_derivatives(at) @ (y - error_function(x, *at))

    steps = 1e-4 * np.array([1, fit.width.value, fit.width.value])
    minus_slopes = [(score(parameters - d) - score(parameters + d)) / (2 * d.max()) for d in np.diag(steps)]
    follows = np.linalg.pinv(np.stack(minus_slopes, axis=1)) @ weighted_derivatives(parameters)
    return _POINTS_OF_FIT @ parameters, error_function(x, *parameters), _POINTS_OF_FIT @ follows


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
    n_effective = np.nan_to_num(_ratio(_sums(bins, n_bins, weights) ** 2, _sums_of_squares(bins, n_bins, weights)))
    rows = np.full((1 + N_REPLICAS, len(MEDIAN_AND_CENTRAL), n_bins), np.nan)
    for i in np.flatnonzero(n_effective >= MIN_EVENTS_FOR_WIDTH):
        inside = bins == i
        rows[:, :, i] = _quantile_rows(response[inside], weights[inside], rng)
    median, half_width = rows[:, 0], (rows[:, 2] - rows[:, 1]) / 2
    quantities = (median, half_width, _ratio(half_width, median))
    return BinnedResponse(edges, n_effective, *(estimate_of_rows(quantity) for quantity in quantities))


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
    mean, low, high = Ranking.of(x, histogram.values).thresholds(1 - np.array(MEDIAN_AND_CENTRAL))
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
        """Lowest thresholds that at most given weighted fractions of the events pass.

        A threshold is one of the values, or minus infinity where all events may pass; events with equal values pass or
        fail together, so that ties never let more pass than asked for.

        Parameters
        ----------
        efficiencies : np.ndarray, shape (n_thresholds,)
        """
        sums = self.sums()[1:]
        n_may_pass = np.searchsorted(sums, _allowed(efficiencies, sums[-1]), side="right")
        all_may_pass = n_may_pass == len(sums)
        return np.where(all_may_pass, -np.inf, self.values[np.where(all_may_pass, 0, n_may_pass)])


def _allowed(efficiencies: np.ndarray, total: float) -> np.ndarray:
    """Weight that may pass, with some room for rounding."""
    return np.asarray(efficiencies) * total * (1 + ROUNDING)


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
        Of crossings, in kHz; the error is that of the sum of weights.
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
        Without events, or weights, the rate is 0 and the efficiency NaN.
    """
    n_events = ranking.n_above(thresholds)
    (passed, total), (squares, total_squares) = (
        (sums[n_events], sums[-1]) for sums in map(ranking.sums, (False, True))
    )
    fraction = _ratio(passed, total)
    variance = (1 - fraction) ** 2 * squares + fraction**2 * np.maximum(total_squares - squares, 0)
    rate = rate_of_crossings(passed, luminosity, colliding_bunches)
    # The derivative by the cross section is the rate of collisions per pb, in crossings in which no other one passes.
    no_other = np.exp(-collision_rate(passed, luminosity) / crossing_rate(colliding_bunches))
    return Rates(
        np.asarray(thresholds, np.float64),
        n_events,
        Estimate(fraction, _ratio(np.sqrt(variance), total)),
        Estimate(rate, collision_rate(np.sqrt(squares), luminosity) * no_other),
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
        The error is NaN where nothing passes the one, both are where nothing passes the other.
    """
    rankings = [Ranking.of(values, weights) for values in (numerator, denominator, np.minimum(numerator, denominator))]
    sums, squares = (
        [ranking.sums(squared)[ranking.n_above(thresholds)] for ranking in rankings] for squared in (False, True)
    )
    ratio = _ratio(sums[0], sums[1])
    variance = _ratio(squares[0], sums[0] ** 2) + _ratio(squares[1], sums[1] ** 2)
    variance -= 2 * _ratio(squares[2], sums[0] * sums[1])
    return Estimate(ratio, ratio * np.sqrt(np.maximum(variance, 0)))


# ROC curves and working points


@dataclass(frozen=True)
class Roc:
    """Signal efficiency against background efficiency.

    Attributes
    ----------
    background_efficiency, signal_efficiency : np.ndarray, shape (n_points,)
        Points of the exact curve.
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
    x, y = (sums[:-1] / sums[-1] for sums in passed)
    return Roc(x, y, roc_area(signal, background))


def roc_area(signal: Ranking, background: Ranking) -> Estimate[float]:
    """Area under the ROC curve whose points are all values that occur.

    It is the probability that a signal event has the larger value of the two, ties counting one half. Its error is
    that of DeLong et al. (Biometrics 44 (1988) 837), with weights: the area is a mean over signal events of the
    background fraction below them, and over background events of the signal fraction above them, and each mean adds
    its variance.
    """
    _, of_signal = _mean_and_variance(signal.weights, _share_above(signal, background))
    area, of_background = _mean_and_variance(background.weights, _share_above(background, signal))
    return Estimate(area, math.sqrt(of_signal + of_background))


def roc_area_gain(before: tuple[Ranking, Ranking], after: tuple[Ranking, Ranking]) -> Estimate[float]:
    """Difference of the areas under the ROC curves of two quantities of the same events.

    Its error is that of DeLong et al. as for an area, of the differences that each event makes, so that it is 0 for a
    quantity compared with itself.

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
    return Estimate(gain, math.sqrt(of_signal + of_background))


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
    """Events in groups, each of those that pass the same of given thresholds on several quantities.

    Attributes
    ----------
    bins : dict of str to np.ndarray, shape (n_groups,), int
        How many thresholds on each quantity a group passes.
    n_thresholds : dict of str to int
    sums, squares : np.ndarray, shape (n_groups,), float64
        Of the weights and of their squares.
    """

    bins: dict[str, np.ndarray]
    n_thresholds: dict[str, int]
    sums: np.ndarray
    squares: np.ndarray

    @classmethod
    def of(
        cls, scores: Mapping[str, np.ndarray], weights: np.ndarray, thresholds: Mapping[str, np.ndarray]
    ) -> "_Groups":
        """Group events by thresholds that rise, shape (n_thresholds,) for each quantity.

        The key of a group has the number of thresholds passed on each quantity as its digits. Before it could exceed
        an integer, the keys so far are numbered in their order, at most one for each event.
        """
        number, n_numbers = np.zeros(len(weights), np.int64), 1
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
        near = np.flatnonzero(distance <= CANDIDATES_WITHIN**2 * variance)
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
            lowest = np.searchsorted(-groups.above(name, sums), -allowed)
            of_name.append(candidates[name][lowest])
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
    distinct = {name: np.unique(thresholds[name]) for name in scores}
    groups = _Groups.of(scores, weights, distinct)
    n_replicas = len(next(iter(thresholds.values()))) - 1
    rows: dict[str, list[np.ndarray]] = {name: [] for name in scores}
    for i, sums in enumerate(groups.replicas(rng, n_replicas)):
        for name, of_name in rows.items():
            passed = groups.above(name, sums)[np.searchsorted(distinct[name], thresholds[name][i])]
            of_name.append(_ratio(passed, sums.sum()))
    return {name: np.stack(of_name) for name, of_name in rows.items()}


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
    """

    background_efficiency: np.ndarray
    thresholds: dict[str, Estimate[np.ndarray]]
    efficiency: dict[str, Estimate[np.ndarray]]
    gain: dict[str, Estimate[np.ndarray]]
    ratio: dict[str, Estimate[np.ndarray]]
    gap_closed: dict[str, Estimate[np.ndarray]]
    kept: dict[str, Estimate[np.ndarray]]


def working_points(
    background_efficiency: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    efficiencies: Mapping[str, np.ndarray],
    baseline: str,
    ideal: str,
) -> WorkingPoints:
    """Put together what :func:`background_thresholds` and :func:`signal_efficiencies` found.

    Parameters
    ----------
    background_efficiency : np.ndarray, shape (n_points,)
    thresholds, efficiencies : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
    baseline, ideal : str
        Keys of the quantities to compare with; all others are models.
    """
    before, best = efficiencies[baseline], efficiencies[ideal]
    models = {name: after for name, after in efficiencies.items() if name not in (baseline, ideal)}
    gains = {name: after - before for name, after in models.items()}
    first = next(iter(gains.values()))
    return WorkingPoints(
        np.asarray(background_efficiency),
        {name: estimate_of_rows(rows) for name, rows in thresholds.items()},
        {name: estimate_of_rows(rows) for name, rows in efficiencies.items()},
        {name: estimate_of_rows(gain) for name, gain in gains.items()},
        {name: estimate_of_rows(_ratio(after, before)) for name, after in models.items()},
        {name: estimate_of_rows(_ratio(gain, best - before)) for name, gain in gains.items()},
        {name: estimate_of_rows(_ratio(gain, first)) for name, gain in gains.items()},
    )
