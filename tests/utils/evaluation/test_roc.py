"""ROC curves and their areas, against scikit-learn, SciPy and pseudo-experiments."""

import numpy as np
import pytest
from hypothesis import given
from scipy.special import ndtr
from scipy.stats import ks_2samp, mannwhitneyu, norm
from sklearn import metrics

from tests.utils.evaluation.samples import is_one_sigma, signed_sample, unweighted, weighted_events
from utils.evaluation.bootstrap import ONE_SIGMA, Estimate
from utils.evaluation.ranking import Ranking
from utils.evaluation.roc import roc_area, roc_area_gain, roc_curve


def test_curves_of_signed_weights_rise_between_0_and_1(rng):
    signal, background = (Ranking.of(*signed_sample(rng, 300)) for _ in range(2))
    roc = roc_curve(signal, background, np.geomspace(1e-3, 1, 100))
    for efficiencies in (roc.background_efficiency, roc.signal_efficiency):
        assert (np.diff(efficiencies) >= 0).all()
        assert efficiencies[0] >= 0 and efficiencies[-1] <= 1


def test_area_is_that_of_mann_whitney(rng):
    signal, background = rng.integers(0, 30, 700) + 3.0, rng.integers(0, 30, 900) * 1.0
    area = roc_area(unweighted(signal), unweighted(background))
    assert area.value == pytest.approx(mannwhitneyu(signal, background).statistic / 700 / 900)


def test_area_is_that_under_the_curve(rng):
    signal, background = unweighted(rng.normal(1, 1, 300)), unweighted(rng.normal(0, 1, 400))
    roc = roc_curve(signal, background, np.arange(401) / 400)
    # Without ties the curve consists of steps; the points are their upper ends.
    assert np.mean(roc.signal_efficiency[:-1]) == pytest.approx(roc.area.value)


def test_distance_of_a_roc_curve_from_the_diagonal_is_that_of_kolmogorov_and_smirnov(rng):
    signal, background = rng.normal(1, 1, 300), rng.normal(0, 1, 400)
    roc = roc_curve(unweighted(signal), unweighted(background), np.arange(401) / 400)
    distance = np.max(np.abs(roc.signal_efficiency - roc.background_efficiency))
    assert distance == pytest.approx(ks_2samp(signal, background).statistic)


def test_error_of_the_area_is_that_of_pseudo_experiments(rng):
    areas = []
    for _ in range(300):
        signal, background = (
            Ranking.of(rng.normal(mean, 1, n), rng.lognormal(0, 0.6, n)) for mean, n in ((1, 150), (0, 250))
        )
        areas.append(roc_area(signal, background))
    assert np.mean([area.value for area in areas]) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=0.01)
    assert np.mean([area.error for area in areas]) == pytest.approx(np.std([area.value for area in areas]), rel=0.15)


@given(weighted_events, weighted_events)
def test_points_of_a_roc_curve_are_exact_and_the_area_knows_the_exchange_of_samples(signal, background):
    rankings = Ranking.of(*signal), Ranking.of(*background)
    wanted = np.linspace(0, 1, 21)
    roc = roc_curve(*rankings, wanted)
    points = {
        tuple(weights[values > threshold].sum() / weights.sum() for values, weights in (background, signal))
        for threshold in (-np.inf, *background[0])
    }
    # Of each background efficiency that occurs, the largest signal efficiency.
    largest = {x: max(s for b, s in points if b == x) for x, _ in points}
    expected = sorted({max(x for x in largest if x <= allowed * (1 + 1e-9)) for allowed in wanted})
    assert roc.background_efficiency == pytest.approx(expected)
    assert roc.signal_efficiency == pytest.approx([largest[x] for x in expected])
    assert (roc.background_efficiency[-1], roc.signal_efficiency[-1]) == (1, 1)
    assert roc.area.value + roc_area(*rankings[::-1]).value == pytest.approx(1)


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
    assert is_one_sigma(np.mean([abs(area.value - truth) < area.error for area in areas]), 1500)


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
    areas = [
        metrics.roc_auc_score(labels, values, sample_weight=weights)
        for labels, values, weights in (
            as_of_scikit_learn(*[(ranking.values, ranking.weights) for ranking in pair]) for pair in samples
        )
    ]
    assert roc_area_gain(*samples).value == pytest.approx(areas[1] - areas[0], rel=1e-9)


def test_error_of_the_gain_of_an_area_is_that_of_its_structural_components(rng):
    """Of the differences of all pairs, one by one, with ties."""
    signal, background = rng.integers(2, 12, (2, 60)) * 1.0, rng.integers(0, 10, (2, 80)) * 1.0
    before, after = ((s[:, None] > b) + 0.5 * (s[:, None] == b) for s, b in zip(signal, background, strict=True))
    pairs = after - before
    found = roc_area_gain(
        *(
            tuple(Ranking.of(values, np.ones(len(values))) for values in pair)
            for pair in zip(signal, background, strict=True)
        )
    )
    assert found.value == pytest.approx(pairs.mean())
    assert found.error == pytest.approx(np.sqrt(pairs.mean(1).var() / 60 + pairs.mean(0).var() / 80))


def test_error_of_the_gain_of_an_area_covers_the_truth_and_knows_that_the_events_are_the_same(rng):
    samples = [before_and_after(rng, 200, 300) for _ in range(1500)]
    gains = [roc_area_gain(*pair) for pair in samples]
    truth = ndtr(1 / np.sqrt(2.5)) - ndtr(1 / np.sqrt(4))
    assert is_one_sigma(np.mean([abs(gain.value - truth) < gain.error for gain in gains]), 1500)
    unpaired = [np.hypot(*(roc_area(*pair).error for pair in both)) for both in samples]
    assert np.mean([gain.error for gain in gains]) < 0.6 * np.mean(unpaired)


def test_the_area_of_a_quantity_gains_nothing_over_itself_or_a_multiple_of_it(rng):
    samples = weighted_samples(rng, 200, 300, ties=True)
    before, double = (tuple(Ranking.of(factor * values, weights) for values, weights in samples) for factor in (1, 2))
    for after in (before, double):
        gain = roc_area_gain(before, after)
        # No event tells the two apart: the error is the limit on what none of so many do.
        fewest = min(ranking.weights.sum() ** 2 / np.sum(ranking.weights**2) for ranking in before)
        assert gain == Estimate(0, pytest.approx(1 - ((1 - ONE_SIGMA) / 2) ** (1 / fewest)))
