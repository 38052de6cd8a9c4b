"""Numbers and errors against other implementations, closed forms, and how often intervals hold the truth."""

import numpy as np
import pytest
from scipy.special import ndtr
from scipy.stats import binom, bootstrap, norm
from sklearn import metrics

from utils.evaluation.bootstrap import ONE_SIGMA, Estimate
from utils.evaluation.efficiencies import clopper_pearson, efficiency
from utils.evaluation.ranking import Ranking
from utils.evaluation.response import binned_response
from utils.evaluation.roc import roc_area, roc_area_gain, roc_curve


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def within(covered, n_experiments):
    """Whether the coverage of independent experiments is that of one standard deviation, to three of its own."""
    return covered == pytest.approx(ONE_SIGMA, abs=3 * np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / n_experiments))


# ROC curves and their areas


def weighted_samples(rng, n_signal, n_background, ties):
    """Values and weights of a signal and a background, of weights that grow with the values."""
    samples = []
    for mean, n in ((1, n_signal), (0, n_background)):
        values = rng.normal(mean, 1, n)
        samples.append((np.round(values, 1) if ties else values, rng.lognormal(0.3 * values, 0.5)))
    return samples


def as_of_scikit_learn(signal, background):
    values, weights = (np.concatenate(both) for both in zip(signal, background, strict=True))
    return np.repeat([1, 0], [len(signal[0]), len(background[0])]), values, weights


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_area_is_that_of_scikit_learn(rng, ties):
    samples = weighted_samples(rng, 700, 900, ties)
    labels, values, weights = as_of_scikit_learn(*samples)
    expected = metrics.roc_auc_score(labels, values, sample_weight=weights)
    assert roc_area(*(Ranking.of(*sample) for sample in samples)).value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("ties", [False, True])
def test_weighted_curve_is_that_of_scikit_learn(rng, ties):
    samples = weighted_samples(rng, 300, 400, ties)
    labels, values, weights = as_of_scikit_learn(*samples)
    x, y, _ = metrics.roc_curve(labels, values, sample_weight=weights, drop_intermediate=False)
    found = roc_curve(*(Ranking.of(*sample) for sample in samples), np.unique(x))
    # Of the points at the same background efficiency the highest one.
    last = np.append(np.diff(x) > 1e-12, True)
    assert found.background_efficiency == pytest.approx(x[last], abs=1e-12)
    assert found.signal_efficiency == pytest.approx(y[last], abs=1e-12)


def test_error_of_the_area_is_that_of_its_structural_components(rng):
    """Of all pairs, one by one (DeLong et al. 1988), without their factor n/(n - 1)."""
    signal, background = rng.integers(2, 12, 60) * 1.0, rng.integers(0, 10, 80) * 1.0
    pairs = (signal[:, None] > background) + 0.5 * (signal[:, None] == background)
    found = roc_area(*(Ranking.of(values, np.ones(len(values))) for values in (signal, background)))
    assert found.value == pytest.approx(pairs.mean())
    assert found.error == pytest.approx(np.sqrt(pairs.mean(1).var() / 60 + pairs.mean(0).var() / 80))


def test_error_of_the_area_covers_the_truth(rng):
    areas = [
        roc_area(*(Ranking.of(rng.normal(mean, 1, n), rng.lognormal(0, 0.4, n)) for mean, n in ((1, 200), (0, 300))))
        for _ in range(1500)
    ]
    truth = ndtr(1 / np.sqrt(2))
    assert within(np.mean([abs(area.value - truth) < area.error for area in areas]), 1500)


def before_and_after(rng, n_signal, n_background, weighted=True):
    """Rankings of signal and background by a smeared quantity, and by that with part of its smearing taken back."""
    before, after = [], []
    for mean, n in ((1, n_signal), (0, n_background)):
        true, smear = rng.normal(mean, 1, n), rng.normal(0, 1, n)
        weights = rng.lognormal(0, 0.4, n) if weighted else np.ones(n)
        before.append(Ranking.of(true + smear, weights))
        after.append(Ranking.of(true + 0.5 * smear, weights))
    return tuple(before), tuple(after)


def test_gain_of_an_area_is_the_difference_of_those_of_scikit_learn(rng):
    samples = before_and_after(rng, 500, 700)
    of_sklearn = [
        metrics.roc_auc_score(labels, values, sample_weight=weights)
        for labels, values, weights in (
            as_of_scikit_learn(*[(ranking.values, ranking.weights) for ranking in of_one]) for of_one in samples
        )
    ]
    assert roc_area_gain(*samples).value == pytest.approx(of_sklearn[1] - of_sklearn[0], rel=1e-9)


def test_error_of_the_gain_of_an_area_is_that_of_its_structural_components(rng):
    """Of the differences of all pairs, one by one, with ties."""
    signal, background = rng.integers(2, 12, (2, 60)) * 1.0, rng.integers(0, 10, (2, 80)) * 1.0
    before, after = ((s[:, None] > b) + 0.5 * (s[:, None] == b) for s, b in zip(signal, background, strict=True))
    pairs = after - before
    found = roc_area_gain(
        *(
            tuple(Ranking.of(values, np.ones(len(values))) for values in of_one)
            for of_one in zip(signal, background, strict=True)
        )
    )
    assert found.value == pytest.approx(pairs.mean())
    assert found.error == pytest.approx(np.sqrt(pairs.mean(1).var() / 60 + pairs.mean(0).var() / 80))


def test_error_of_the_gain_of_an_area_covers_the_truth_and_knows_that_the_events_are_the_same(rng):
    samples = [before_and_after(rng, 200, 300) for _ in range(1500)]
    gains = [roc_area_gain(*of_one) for of_one in samples]
    truth = ndtr(1 / np.sqrt(2.5)) - ndtr(1 / np.sqrt(4))
    assert within(np.mean([abs(gain.value - truth) < gain.error for gain in gains]), 1500)
    unpaired = [np.hypot(*(roc_area(*of_one).error for of_one in both)) for both in samples]
    assert np.mean([gain.error for gain in gains]) < 0.6 * np.mean(unpaired)


def test_the_area_of_a_quantity_gains_nothing_over_itself_or_a_multiple_of_it(rng):
    samples = weighted_samples(rng, 200, 300, ties=True)
    before, double = (tuple(Ranking.of(factor * values, weights) for values, weights in samples) for factor in (1, 2))
    for after in (before, double):
        gain = roc_area_gain(before, after)
        # No event tells the two apart: the error is the limit on what none of so many do.
        fewest = min(ranking.weights.sum() ** 2 / np.sum(ranking.weights**2) for ranking in before)
        assert gain == Estimate(0, pytest.approx(1 - ((1 - ONE_SIGMA) / 2) ** (1 / fewest)))


# Efficiencies


@pytest.mark.parametrize("truth", [0.02, 0.1, 0.3, 0.7, 0.98])
def test_intervals_of_many_weighted_events_cover_the_truth_and_hardly_more(rng, truth):
    n_experiments, n_events = 2000, 1000
    weights = rng.gamma(2, 0.5, (n_experiments, n_events))
    passed = rng.random(weights.shape) < truth
    found = efficiency((weights * passed).sum(1), weights.sum(1), (weights**2).sum(1))
    covered = np.mean((found.low <= truth) & (truth <= found.high))
    spread = np.sqrt(ONE_SIGMA * (1 - ONE_SIGMA) / n_experiments)
    assert ONE_SIGMA - 3 * spread < covered < 0.76 + 3 * spread
    assert np.mean((found.high - found.low) / 2) == pytest.approx(np.std(found.value), rel=0.15)


@pytest.mark.parametrize("total", [1, 2, 10, 100])
def test_bounds_of_clopper_and_pearson_leave_tails_of_half_the_rest(total):
    """At the lower bound as many or more pass with a probability of 15.87%, at the upper one as many or fewer."""
    passed = np.arange(total + 1)
    low, high = clopper_pearson(passed, np.full(total + 1, total))
    assert binom.sf(passed[1:] - 1, total, low[1:]) == pytest.approx(norm.sf(1))
    assert binom.cdf(passed[:-1], total, high[:-1]) == pytest.approx(norm.sf(1))
    assert (low[0], high[-1]) == (0, 1)


# Response


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
