"""Fit of an error function to a turn-on curve."""

import math
import warnings
from dataclasses import dataclass

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit
from scipy.special import erf

from utils.evaluation.bootstrap import Estimate, divide
from utils.evaluation.efficiencies import efficiency
from utils.evaluation.fit_quality import is_good_fit
from utils.evaluation.histograms import bin_index, sums_in_bins
from utils.evaluation.true_bins import N_FIT_BINS, TrueBins

MAX_MISSED = 0.05  # by which a fit may differ from a point, or all points from there on together, or else
SIGMAS_MISSED = 2.5  # so many intervals


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


def error_function(x: np.ndarray, plateau: float, midpoint: float, width: float) -> np.ndarray:
    """Efficiency of a sharp threshold on a quantity with a Gaussian resolution."""
    return plateau / 2 * (1 + erf((x - midpoint) / (math.sqrt(2) * width)))


def _derivatives(x: np.ndarray, plateau: float, midpoint: float, width: float) -> np.ndarray:
    """Of the error function by its parameters, shape (n, 3)."""
    pull = (x - midpoint) / width
    slope = plateau * np.exp(-(pull**2) / 2) / (math.sqrt(2 * math.pi) * width)
    return np.stack([error_function(x, 1, midpoint, width), -slope, -slope * pull], axis=1)


def fit_turn_on(events: TrueBins, passed: np.ndarray, low: float, high: float) -> TurnOnFit:
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


def describes_curve(fit: TurnOnFit, fine: TrueBins, coarse: TrueBins, edges: np.ndarray, passed: np.ndarray) -> bool:
    """Whether a fit is_good_fit a curve: by its chi-squared, and by missing neither points nor their upper end.

    Few events are at large true values, so that chi-squared does not tell of a plateau that misses all of them.
    """
    if not is_good_fit(fit.chi2, fit.n_degrees):
        return False
    n_bins = len(edges) - 1
    curve = error_function(fine.mean, fit.plateau.value, fit.midpoint.value, fit.width.value)
    weights = np.maximum(fine.total, 0)
    bins = bin_index(fine.mean, edges)
    mean = divide(sums_in_bins(bins, n_bins, np.nan_to_num(weights * curve)), sums_in_bins(bins, n_bins, weights), 0)

    def missed(passed: np.ndarray, total: np.ndarray, squares: np.ndarray, expected: np.ndarray) -> bool:
        shown, difference = efficiency(passed, total, squares), divide(expected, total)
        difference = difference - shown.value
        interval = np.where(difference > 0, shown.high - shown.value, shown.value - shown.low)
        return bool((np.abs(difference) > np.maximum(MAX_MISSED, SIGMAS_MISSED * interval)).any())

    sums = (passed, coarse.total, coarse.squares, mean * coarse.total)
    return not (missed(*sums) or missed(*(np.cumsum(of[::-1]) for of in sums)))
