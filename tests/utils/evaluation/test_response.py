"""Response and resolution, against NumPy, SciPy and closed forms."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import bootstrap, norm

from tests.utils.evaluation.samples import pull
from utils.evaluation.histograms import Histogram, histogram
from utils.evaluation.response import binned_response, fit_core


def test_half_width_of_a_gaussian_is_its_sigma(rng):
    true = np.repeat([10.0, 30.0], 20_000)
    response = rng.normal(np.where(true < 20, 1.2, 0.9), np.where(true < 20, 0.3, 0.1))
    result = binned_response(true, response, np.full(40_000, 3.0), np.array([0.0, 20, 40]), rng)
    for i, (mean, sigma) in enumerate(((1.2, 0.3), (0.9, 0.1))):
        assert result.median.value[i] == pytest.approx(mean, abs=4 * sigma * 1.2533 / np.sqrt(20_000))
        assert result.half_width.value[i] == pytest.approx(sigma, rel=0.03)
        assert result.resolution.value[i] == pytest.approx(sigma / mean, rel=0.03)
        # The standard error of the median of a Gaussian is sqrt(pi/2) sigma/sqrt(n).
        assert result.median.error[i] == pytest.approx(sigma * 1.2533 / np.sqrt(20_000), rel=0.3)
    assert result.n_effective == pytest.approx([20_000, 20_000])


def test_bootstrap_errors_are_those_of_pseudo_experiments(rng):
    edges, values, errors = np.array([0.0, 1]), [], []
    for _ in range(120):
        weights = rng.lognormal(0, 0.7, 400)
        result = binned_response(np.full(400, 0.5), rng.normal(1, 0.2, 400), weights, edges, rng)
        values.append([result.median.value[0], result.half_width.value[0], result.resolution.value[0]])
        errors.append([result.median.error[0], result.half_width.error[0], result.resolution.error[0]])
    assert np.mean(errors, axis=0) == pytest.approx(np.std(values, axis=0), rel=0.2)


def test_weights_count_like_repeated_events(rng):
    response, repeats = rng.normal(1, 0.3, 500), rng.integers(1, 4, 500)
    edges = np.array([0.0, 1])
    weighted = binned_response(np.full(500, 0.5), response, repeats, edges, rng)
    repeated = binned_response(
        np.full(repeats.sum(), 0.5), np.repeat(response, repeats), np.ones(repeats.sum()), edges, rng
    )
    assert weighted.median.value == repeated.median.value
    assert weighted.half_width.value == repeated.half_width.value


def test_bins_with_few_events_and_events_without_response_are_unknown(rng):
    true = np.concatenate([np.full(9, 0.5), np.full(10, 1.5), np.full(50, 2.5)])
    response = np.concatenate([np.ones(19), np.full(50, np.nan)])
    result = binned_response(true, response, np.ones(69), np.arange(5.0), rng)
    assert np.isnan(result.median.value).tolist() == [True, False, True, True]
    assert result.n_effective.tolist() == [9, 10, 0, 0]


def test_core_fit_ignores_tails(rng):
    core, tail = rng.normal(1.1, 0.15, 30_000), rng.uniform(0, 3, 3000)
    fit = fit_core(histogram(np.concatenate([core, tail]), np.full(33_000, 2.0), np.arange(0, 3.01, 0.05)))
    assert fit.mean.value == pytest.approx(1.1, abs=0.005)
    assert fit.sigma.value == pytest.approx(0.15, rel=0.08)
    assert fit.low == pytest.approx(fit.mean.value - 1.5 * fit.sigma.value, abs=0.01)


def test_core_fit_recovers_a_gaussian_within_its_errors(rng):
    pulls = []
    for _ in range(100):
        values, weights = rng.normal(1, 0.2, 2000), rng.lognormal(0, 0.5, 2000)
        fit = fit_core(histogram(values, weights, np.arange(0, 3.01, 0.05)))
        pulls.append([pull(fit.mean, 1), pull(fit.sigma, 0.2)])
    assert np.std(pulls, axis=0) == pytest.approx(1, abs=0.3)
    assert np.mean(pulls, axis=0) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("values", [np.zeros(10), np.eye(10)[3]])
def test_core_fit_without_a_core_is_unknown(values):
    assert np.isnan(fit_core(Histogram(np.arange(11.0), values, np.sqrt(values))).sigma.value)


def test_median_and_half_width_are_quantiles_of_numpy(rng):
    response, weights = rng.gamma(9, 1 / 9, 2001), rng.lognormal(0, 1, 2001)
    found = binned_response(np.full(2001, 0.5), response, weights, np.array([0.0, 1]), rng)
    low, median, high = np.quantile(response, ndtr([-1, 0, 1]), method="inverted_cdf", weights=weights)
    assert found.median.value == [median]
    assert found.half_width.value == [(high - low) / 2]
    assert found.resolution.value == pytest.approx([(high - low) / 2 / median])


def test_errors_of_median_and_half_width_of_a_gaussian_are_those_of_its_order_statistics(rng):
    """Quantiles p < q have the covariance p (1 - q) / (n f_p f_q), f being the density (Stuart and Ord, 10.11)."""
    n_samples, n_events, sigma = 30, 3000, 0.2
    true, edges = np.repeat(np.arange(n_samples) + 0.5, n_events), np.arange(n_samples + 1.0)
    found = binned_response(true, rng.normal(1, sigma, len(true)), np.ones(len(true)), edges, rng)
    p = norm.cdf(-1)
    half_width = sigma * np.sqrt(p * (1 - 2 * p) / 2) / norm.pdf(1) / np.sqrt(n_events)
    median = sigma * np.sqrt(np.pi / 2 / n_events)
    assert found.median.error.mean() == pytest.approx(median, rel=0.06)
    assert found.half_width.error.mean() == pytest.approx(half_width, rel=0.06)
    assert np.std(found.median.value) == pytest.approx(median, rel=0.4)


def test_errors_of_median_and_half_width_are_those_of_the_bootstrap_of_scipy(rng):
    response = rng.gamma(4, 0.25, 1500)

    def half_width(sample, axis):
        low, high = np.quantile(sample, ndtr([-1, 1]), axis=axis)
        return (high - low) / 2

    found = binned_response(np.full(1500, 0.5), response, np.ones(1500), np.array([0.0, 1]), rng)
    for estimate, statistic in ((found.median, np.median), (found.half_width, half_width)):
        expected = bootstrap((response,), statistic, n_resamples=1000, method="percentile", rng=rng).standard_error
        assert estimate.error == pytest.approx([expected], rel=0.2)


def test_events_without_a_true_value_and_beyond_the_bins_do_not_count(rng):
    true = np.array([0.5] * 20 + [np.nan] * 20 + [-1] * 20 + [1.0] * 20)
    response = np.concatenate([np.linspace(0.9, 1.1, 20), np.full(60, 7.0)])
    found = binned_response(true, response, np.ones(80), np.array([0.0, 1]), rng)
    assert found.n_effective == pytest.approx([20])
    assert 0.9 < found.median.value[0] < 1.1


def test_a_bin_of_events_without_weight_is_unknown(rng):
    found = binned_response(np.full(50, 0.5), np.ones(50), np.zeros(50), np.array([0.0, 1]), rng)
    assert found.n_effective == [0]
    assert np.isnan([found.median.value, found.half_width.error, found.resolution.value]).all()
