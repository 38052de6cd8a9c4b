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

MAX_MISSED, MAX_SIGMAS_MISSED = 0.05, 2.5  # difference of a fit from its points, in efficiency and in intervals


@dataclass(frozen=True)
class TurnOnFit:
    """Error function through a turn-on curve, plateau / 2 * (1 + erf((x - midpoint) / (sqrt(2) * width))).

    Attributes
    ----------
    plateau : Estimate
        At most 1; at this bound its error is larger than the spread.
    midpoint, width : Estimate
        In the unit of the true variable. All three are NaN where the data do not determine them.
    chi2, n_degrees : float
        Pearson's chi-squared, and its expectation for an error function: the number of bins less 3 parameters, with
        less than 1 for a bin in which the fit uses a larger variance. A much larger chi2 means that the rise has
        another shape. The plateau then follows the bins with many events and may be far below the efficiencies at
        large true values, and the errors are too small.
    """

    plateau: Estimate[float]
    midpoint: Estimate[float]
    width: Estimate[float]
    chi2: float
    n_degrees: float


def error_function(x: np.ndarray, plateau: float, midpoint: float, width: float) -> np.ndarray:
    """Return the efficiency of a sharp threshold on a quantity with a Gaussian resolution."""
    return plateau / 2 * (1 + erf((x - midpoint) / (math.sqrt(2) * width)))


def _derivatives(x: np.ndarray, plateau: float, midpoint: float, width: float) -> np.ndarray:
    """Return the derivatives of the error function by its parameters, shape (n, 3)."""
    pull = (x - midpoint) / width
    slope = plateau * np.exp(-(pull**2) / 2) / (math.sqrt(2 * math.pi) * width)
    return np.stack([error_function(x, 1, midpoint, width), -slope, -slope * pull], axis=1)


def fit_turn_on(events: TrueBins, passed: np.ndarray, low: float, high: float) -> TurnOnFit:
    """Fit an error function to a turn-on curve between two values of the true variable.

    Least squares in fine bins, each at the mean true value of its events. The variance is binomial, from the effective
    counts and the fitted curve (Fisher scoring), so that bins in which all or none pass count in full. It is at least
    the variance of an efficiency of 1%, so that tails that are not Gaussian do not dominate.
    """
    x, n_events, y = events.filled(passed)
    if len(x) < 4 or not y.min() < y.max():
        return _no_turn_on()
    # The area above a rising curve is its midpoint; beyond the events the curve keeps the values of its ends.
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
    # An error as large as the bounds means that the parameter is undetermined, as the width of a step within one bin.
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
    """Return the binomial variance of one event, as the fit uses it."""
    expected = np.clip(expected, 0.01, 0.99)
    return expected * (1 - expected)


def _no_turn_on() -> TurnOnFit:
    """Return a fit without known parameters."""
    unknown = Estimate(math.nan, math.nan)
    return TurnOnFit(unknown, unknown, unknown, math.nan, math.nan)


def describes_curve(fit: TurnOnFit, fine: TrueBins, coarse: TrueBins, edges: np.ndarray, passed: np.ndarray) -> bool:
    """Return whether a fit describes a curve: by its chi-squared, each point, and all points above each true value.

    Large true values have few events, so that chi-squared alone does not show a plateau that misses all of them.
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
        return bool((np.abs(difference) > np.maximum(MAX_MISSED, MAX_SIGMAS_MISSED * interval)).any())

    sums = (passed, coarse.total, coarse.squares, mean * coarse.total)
    return not (missed(*sums) or missed(*(np.cumsum(values[::-1]) for values in sums)))
