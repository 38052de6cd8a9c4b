"""Fits of turn-on curves, against known truths, an unbinned likelihood and pseudo-experiments."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from tests.utils.evaluation.samples import correlated_quantities, gaussian_turn_on, pull, turn_on_curve
from utils.evaluation.turn_on import turn_on_curves
from utils.evaluation.turn_on_fit import TurnOnFit, error_function

EDGES = np.array([0.0, 200])


def fit_turn_on(true, passed, weights, low, high) -> TurnOnFit:
    return turn_on_curve(true, passed, weights, 0.5, np.array([low, high])).fit


def test_fit_finds_resolution_and_threshold(rng):
    true, values = gaussian_turn_on(rng, 40_000)
    passed = (values > 80) & (rng.random(len(true)) < 0.9)
    fit = fit_turn_on(true, passed, rng.lognormal(0, 0.5, len(true)), 0, 200)
    for estimate, truth in ((fit.plateau, 0.9), (fit.midpoint, 80), (fit.width, 12)):
        assert estimate.value == pytest.approx(truth, rel=0.03)
        assert abs(pull(estimate, truth)) < 3


def test_errors_of_the_fit_are_those_of_pseudo_experiments(rng):
    pulls = []
    for _ in range(80):
        true, values = gaussian_turn_on(rng, 1500)
        fit = fit_turn_on(true, (values > 80) & (rng.random(1500) < 0.8), np.ones(1500), 0, 200)
        pulls.append([pull(fit.plateau, 0.8), pull(fit.midpoint, 80), pull(fit.width, 12)])
    assert np.std(pulls, axis=0) == pytest.approx(1, abs=0.25)
    assert np.mean(pulls, axis=0) == pytest.approx(0, abs=0.35)


@pytest.mark.parametrize("passed", [False, True])
def test_fit_without_a_turn_on_is_unknown(rng, passed):
    true = rng.uniform(0, 200, 500)
    fit = fit_turn_on(true, np.full(500, passed), np.ones(500), 0, 200)
    assert np.isnan([fit.plateau.value, fit.midpoint.error, fit.width.value]).all()


def test_fit_without_events_is_unknown():
    assert np.isnan(fit_turn_on(np.empty(0), np.empty(0, bool), np.empty(0), 0, 200).midpoint.value)


def test_error_function_is_a_cumulative_normal():
    x = np.linspace(50, 150, 11)
    assert error_function(x, 0.8, 100, 10) == pytest.approx(0.8 * norm.cdf(x, 100, 10))


def test_fit_is_that_of_an_unbinned_likelihood(rng):
    true, scores = correlated_quantities(rng, 20_000, 0.85)
    passes = scores["baseline"] > 90

    def minus_log_likelihood(parameters):
        expected = np.clip(parameters[0] * norm.cdf(true, *parameters[1:]), 1e-9, 1 - 1e-9)
        return -np.sum(np.where(passes, np.log(expected), np.log1p(-expected)))

    best = minimize(minus_log_likelihood, [0.8, 95, 15], method="Nelder-Mead", options={"xatol": 1e-5, "fatol": 1e-6})
    fit = turn_on_curves(true, scores, np.ones(20_000), {"baseline": [90]}, EDGES)["baseline"][0].fit
    for estimate, expected in zip((fit.plateau, fit.midpoint, fit.width), best.x, strict=True):
        assert abs(estimate.value - expected) < 0.25 * estimate.error


def test_chi2_of_an_error_function_is_its_number_of_degrees(rng):
    """On average, whatever the numbers of events in bins, and with a variance of at most twice that number."""
    fits = []
    for _ in range(60):
        true, scores = correlated_quantities(rng, 3000, 0.85)
        weights = rng.lognormal(0, 0.4, 3000)
        fits.append(turn_on_curves(true, scores, weights, {"model": [80]}, EDGES)["model"][0].fit)
    found, expected = (np.array([getattr(fit, name) for fit in fits]) for name in ("chi2", "n_degrees"))
    assert (expected < 197).all()
    assert np.mean(found - expected) == pytest.approx(0, abs=3 * np.sqrt(2 * expected.mean() / 60))
    assert np.std(found) < 1.4 * np.sqrt(2 * expected.mean())


def curve_of_a_falling_spectrum(true, values):
    """Of a curve that is at 1 at large true values, where there are few events."""
    curve = turn_on_curves(true, {"": values}, np.ones(len(true)), {"": [80]}, np.linspace(0, 300, 21))[""][0]
    assert np.nanmean(curve.efficiency.value[14:]) > 0.95
    return curve


def test_fit_of_an_error_function_of_a_falling_spectrum_has_the_plateau_of_its_points(rng):
    true = rng.exponential(30, 100_000)
    curve = curve_of_a_falling_spectrum(true, true + rng.normal(0, 15, 100_000))
    fit = curve.fit
    assert chi2.sf(fit.chi2, fit.n_degrees) > 0.01 and curve.described
    assert fit.plateau.value == pytest.approx(1, abs=0.01)


def test_chi2_tells_of_a_rise_with_a_tail_whose_plateau_is_not_that_of_the_points(rng):
    true = rng.exponential(30, 100_000)
    values = true * rng.lognormal(-0.2, 0.45, 100_000) + rng.exponential(10, 100_000)
    curve = curve_of_a_falling_spectrum(true, values)
    fit = curve.fit
    assert chi2.sf(fit.chi2, fit.n_degrees) < 1e-10 and not curve.described
    assert fit.plateau.value < 0.9


def test_a_fit_whose_plateau_misses_the_few_events_above_does_not_describe_them(rng):
    """20 of 20 pass where the fit to the 2,000 others says 60%: chi-squared alone does not tell."""
    true = np.concatenate([rng.uniform(0, 100, 2000), rng.uniform(150, 199, 20)])
    values = np.where(rng.random(2020) < 0.6, true + rng.normal(0, 10, 2020), -1)
    values[2000:] = 300
    curve = turn_on_curves(true, {"": values}, np.ones(2020), {"": [50]}, np.linspace(0, 200, 21))[""][0]
    assert curve.fit.chi2 / curve.fit.n_degrees < 2
    assert curve.fit.plateau.value < 0.75 and not curve.described


def test_chi2_of_no_fit_is_unknown():
    fit = turn_on_curves(np.empty(0), {"": np.empty(0)}, np.empty(0), {"": [1]}, EDGES)[""][0].fit
    assert np.isnan([fit.chi2, fit.n_degrees]).all()
