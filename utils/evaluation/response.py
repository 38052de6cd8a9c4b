"""Response and resolution, in bins of the true variable and from a fit to the core."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import curve_fit

from utils.evaluation.bootstrap import MEDIAN_AND_CENTRAL, N_REPLICAS, Estimate, bootstrap_estimate, divide
from utils.evaluation.fit_quality import is_good_fit
from utils.evaluation.histograms import Histogram, bin_index, squares_in_bins, sums_in_bins
from utils.evaluation.ranking import Ranking
from utils.evaluation.thresholds import background_thresholds

MIN_EVENTS_FOR_WIDTH = 10


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
        Half the width of the central 68.27%; for a Gaussian, its standard deviation.
    resolution : Estimate
        Half width over median, which does not depend on the scale of the response. NaN where the median is 0 within
        its error.
    """

    edges: np.ndarray
    n_effective: np.ndarray
    median: Estimate[np.ndarray]
    half_width: Estimate[np.ndarray]
    resolution: Estimate[np.ndarray]


def binned_response(
    true: np.ndarray, response: np.ndarray, weights: np.ndarray, edges: np.ndarray, rng: np.random.Generator
) -> BinnedResponse:
    """Find median and width of a response in bins of the true variable, with bootstrap errors.

    Parameters
    ----------
    true, response, weights : np.ndarray, shape (n_events,)
        Events with a response that is not finite are left out.
    edges : np.ndarray, shape (n_bins + 1,)
    rng : np.random.Generator

    Returns
    -------
    BinnedResponse
        NaN in bins with fewer than 10 effective events.
    """
    n_bins = len(edges) - 1
    bins = np.where(np.isfinite(response), bin_index(true, edges), n_bins)
    sums = np.maximum(sums_in_bins(bins, n_bins, weights), 0)
    n_events = divide(sums**2, squares_in_bins(bins, n_bins, weights), 0)
    replicas = np.full((1 + N_REPLICAS, len(MEDIAN_AND_CENTRAL), n_bins), np.nan)
    for i in np.flatnonzero(n_events >= MIN_EVENTS_FOR_WIDTH):
        inside = bins == i
        replicas[:, :, i] = _quantile_replicas(response[inside], weights[inside], rng)
    medians, widths = replicas[:, 0], (replicas[:, 2] - replicas[:, 1]) / 2
    median, half_width, resolution = map(bootstrap_estimate, (medians, widths, divide(widths, medians)))
    known = np.abs(median.value) > np.nan_to_num(median.error)
    resolution = Estimate(*(np.where(known, number, np.nan) for number in (resolution.value, resolution.error)))
    return BinnedResponse(edges, n_events, median, half_width, resolution)


def _quantile_replicas(values: np.ndarray, weights: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return median and ends of the central 68.27%, shape (1 + n_replicas, 3); NaN in replicas without events."""
    rankings = {"": Ranking.of(values, weights)}
    replicas = background_thresholds({"": values}, weights, rankings, 1 - np.array(MEDIAN_AND_CENTRAL), rng)[""]
    return np.where(np.isfinite(replicas), replicas, np.nan)


@dataclass(frozen=True)
class CoreFit:
    """Gaussian through the core of a histogram.

    Attributes
    ----------
    mean, sigma : Estimate
        NaN where the data do not determine them.
    height : float
        In units of the histogram.
    low, high : float
        Range of the fit.
    chi2, n_degrees : float
        Chi-squared of the bins in the range, and their number minus the 3 parameters.
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
        """Whether the Gaussian describes the core and may be drawn."""
        return is_good_fit(self.chi2, self.n_degrees)


def gaussian(x: np.ndarray, mean: float, sigma: float, height: float) -> np.ndarray:
    """Return a Gaussian of a given height."""
    return height * np.exp(-0.5 * ((x - mean) / sigma) ** 2)


def fit_core(histogram: Histogram, n_sigma: float = 1.5) -> CoreFit:
    """Fit a Gaussian to the bins within `n_sigma` of its mean, in a histogram with fine bins.

    The least-squares fit is repeated 15 times, each time in the range that follows from the fit before. It starts at
    the median and the half width of the central 68.27%. The variance of a bin is the fitted content times the mean
    weight, so that empty bins count.
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
