"""Fits of turn-on curves and their differences against known truths, an unbinned likelihood, and pseudo-experiments."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import chi2, norm

from utils.performance import TurnOnGain, error_function, turn_on_curves, turn_on_gains

QUANTITIES = ("midpoint", "at_95_percent", "width", "plateau")
EDGES = np.array([0.0, 200])
THRESHOLDS = {"baseline": [90.0], "model": [80.0]}


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def correlated_quantities(rng, n_events, plateau=0.85):
    """A baseline with a resolution of 20 and a model that takes part of it back and adds 5: 13 altogether."""
    true, smear = rng.uniform(0, 200, n_events), rng.normal(0, 20, n_events)
    lost = rng.random(n_events) > plateau
    lost_too = lost & (rng.random(n_events) < 0.7)
    baseline = np.where(lost, -1, true + smear)
    return true, {
        "baseline": baseline,
        "model": np.where(lost_too, -1, true + 0.6 * smear + rng.normal(0, 5, n_events)),
    }


TRUTH = {"midpoint": -10, "at_95_percent": -10 + 1.6448536 * (13 - 20), "width": 13 - 20, "plateau": 0.3 * 0.15}


def gain_of(true, scores, weights, thresholds=THRESHOLDS) -> TurnOnGain:
    return turn_on_gains(true, scores, weights, thresholds, EDGES)["model"][0]


def numbers(gain, of):
    return np.array([getattr(getattr(gain, name), of) for name in QUANTITIES])


# Differences of two fits


def test_errors_of_gains_are_those_of_pseudo_experiments(rng):
    pulls, n_experiments = [], 50
    for _ in range(n_experiments):
        true, scores = correlated_quantities(rng, 2000)
        gain = gain_of(true, scores, rng.lognormal(0, 0.4, 2000))
        pulls.append((numbers(gain, "value") - list(TRUTH.values())) / numbers(gain, "error"))
    assert np.std(pulls, axis=0) == pytest.approx(1, abs=3 / np.sqrt(2 * n_experiments))
    assert np.mean(pulls, axis=0) == pytest.approx(0, abs=3 / np.sqrt(n_experiments))


def test_errors_of_gains_are_those_of_pseudo_experiments_where_the_rise_is_no_error_function(rng):
    """Responses with tails, of a falling spectrum: the residuals of the fit are part of its derivatives."""
    values, errors, n_experiments = [], [], 60
    for _ in range(n_experiments):
        true, smear = rng.exponential(30, 10_000), rng.normal(0, 0.45, 10_000)
        scores = {
            "baseline": true * np.exp(smear - 0.2) + rng.exponential(10, 10_000),
            "model": true * np.exp(0.6 * smear - 0.1) + rng.exponential(5, 10_000),
        }
        thresholds = {"baseline": [80], "model": [75]}
        gain = turn_on_gains(true, scores, np.ones(10_000), thresholds, np.array([0, 300]))["model"][0]
        values.append(numbers(gain, "value"))
        errors.append(numbers(gain, "error"))
    pulls = (np.array(values) - np.mean(values, axis=0)) / errors
    assert np.std(pulls, axis=0) == pytest.approx(1, abs=3 / np.sqrt(2 * n_experiments))


def test_errors_of_gains_are_those_of_the_bootstrap(rng):
    true, scores = correlated_quantities(rng, 10_000)
    replicas = [numbers(gain_of(true, scores, rng.poisson(1, 10_000)), "value") for _ in range(40)]
    assert numbers(gain_of(true, scores, np.ones(10_000)), "error") == pytest.approx(np.std(replicas, axis=0), rel=0.3)


def test_a_quantity_gains_nothing_over_itself_and_the_error_is_0(rng):
    true, scores = correlated_quantities(rng, 3000)
    scores["model"] = scores["baseline"] + 10
    gain = gain_of(true, scores, rng.lognormal(0, 1, 3000), {"baseline": [90], "model": [100]})
    assert numbers(gain, "value").tolist() == numbers(gain, "error").tolist() == [0, 0, 0, 0]


def errors_paired_and_unpaired(true, scores):
    """Errors of the gains of midpoint, width and plateau, and those of fits that have nothing in common."""
    gain = gain_of(true, scores, np.ones(len(true)))
    curves = turn_on_curves(true, scores, np.ones(len(true)), THRESHOLDS, EDGES)
    before, after = (curves[name][0].fit for name in ("baseline", "model"))
    paired, unpaired = [], []
    for name in ("midpoint", "width", "plateau"):
        first, second = getattr(before, name), getattr(after, name)
        assert getattr(gain, name).value == second.value - first.value
        paired.append(getattr(gain, name).error)
        unpaired.append(np.hypot(first.error, second.error))
    return np.array(paired), np.array(unpaired)


def test_errors_of_correlated_quantities_are_smaller_than_those_of_two_samples(rng):
    paired, unpaired = errors_paired_and_unpaired(*correlated_quantities(rng, 20_000))
    assert (paired < 0.85 * unpaired).all()


def test_errors_of_independent_quantities_are_those_of_two_samples(rng):
    true = rng.uniform(0, 200, 20_000)
    scores = {
        name: np.where(rng.random(20_000) < 0.9, true + rng.normal(0, 15, 20_000), -1) for name in ("baseline", "model")
    }
    paired, unpaired = errors_paired_and_unpaired(true, scores)
    assert paired == pytest.approx(unpaired, rel=0.1)


def test_at_95_percent_is_where_the_curve_reaches_95_percent_of_its_plateau(rng):
    true, scores = correlated_quantities(rng, 3000)
    gain = gain_of(true, scores, np.ones(3000))
    curves = turn_on_curves(true, scores, np.ones(3000), THRESHOLDS, EDGES)
    at = {}
    for name, (curve,) in curves.items():
        x = np.linspace(0, 200, 2_000_001)
        reached = error_function(x, 1, curve.fit.midpoint.value, curve.fit.width.value) >= 0.95
        at[name] = x[np.argmax(reached)]
    assert gain.at_95_percent.value == pytest.approx(at["model"] - at["baseline"], abs=3e-4)


def test_gains_are_of_each_quantity_at_each_threshold(rng):
    true, scores = correlated_quantities(rng, 3000)
    scores["other"] = scores["model"] + 5
    thresholds = {"model": [80, 100], "baseline": [90, 100], "other": [85, 95]}
    found = turn_on_gains(true, scores, np.ones(3000), thresholds, EDGES)
    assert list(found) == ["model", "other"]
    assert found["model"][0] == found["other"][0] == gain_of(true, scores, np.ones(3000))
    alone = gain_of(true, scores, np.ones(3000), {"baseline": [100], "model": [100]})
    assert found["model"][1] == alone
    assert found["other"][1].midpoint.value == pytest.approx(alone.midpoint.value - 10, abs=2)


@pytest.mark.parametrize("threshold", [-np.inf, 1e6])
@pytest.mark.parametrize("name", ["baseline", "model"])
def test_gains_are_unknown_where_a_fit_is(rng, threshold, name):
    true, scores = correlated_quantities(rng, 500)
    gain = gain_of(true, scores, np.ones(500), THRESHOLDS | {name: [threshold]})
    assert np.isnan([numbers(gain, "value"), numbers(gain, "error")]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_events", [0, 300])
def test_gains_without_events_or_weights_are_unknown(rng, n_events):
    true, scores = correlated_quantities(rng, n_events)
    gain = gain_of(true, scores, np.zeros(n_events))
    assert np.isnan([numbers(gain, "value"), numbers(gain, "error")]).all()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("threshold", [90, 90.4])
@pytest.mark.parametrize("n_events", [500, 5000])
def test_gain_of_a_step_is_unknown(threshold, n_events):
    """The true quantity turns on within one bin of the fit or between two, which does not determine a width."""
    true, scores = correlated_quantities(np.random.default_rng(500), n_events)
    thresholds = {"baseline": [90], "model": [threshold]}
    gain = gain_of(true, scores | {"model": true}, np.ones(n_events), thresholds)
    assert np.isnan([numbers(gain, "value"), numbers(gain, "error")]).all()


# The fit itself


def test_fit_is_that_of_an_unbinned_likelihood(rng):
    true, scores = correlated_quantities(rng, 20_000)
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
        true, scores = correlated_quantities(rng, 3000)
        weights = rng.lognormal(0, 0.4, 3000)
        fits.append(turn_on_curves(true, scores, weights, {"model": [80]}, EDGES)["model"][0].fit)
    found, expected = (np.array([getattr(fit, name) for fit in fits]) for name in ("chi2", "n_degrees"))
    assert (expected < 197).all()
    assert np.mean(found - expected) == pytest.approx(0, abs=3 * np.sqrt(2 * expected.mean() / 60))
    assert np.std(found) < 1.4 * np.sqrt(2 * expected.mean())


def fit_of_a_falling_spectrum(true, values):
    """Of a curve that is at 1 at large true values, where there are few events."""
    curve = turn_on_curves(true, {"": values}, np.ones(len(true)), {"": [80]}, np.linspace(0, 300, 21))[""][0]
    assert np.nanmean(curve.efficiency.value[14:]) > 0.95
    return curve.fit


def test_fit_of_an_error_function_of_a_falling_spectrum_has_the_plateau_of_its_points(rng):
    true = rng.exponential(30, 100_000)
    fit = fit_of_a_falling_spectrum(true, true + rng.normal(0, 15, 100_000))
    assert chi2.sf(fit.chi2, fit.n_degrees) > 0.01
    assert fit.plateau.value == pytest.approx(1, abs=0.01)


def test_chi2_tells_of_a_rise_with_a_tail_whose_plateau_is_not_that_of_the_points(rng):
    true = rng.exponential(30, 100_000)
    values = true * rng.lognormal(-0.2, 0.45, 100_000) + rng.exponential(10, 100_000)
    fit = fit_of_a_falling_spectrum(true, values)
    assert chi2.sf(fit.chi2, fit.n_degrees) < 1e-10
    assert fit.plateau.value < 0.9


def test_chi2_of_no_fit_is_unknown():
    fit = turn_on_curves(np.empty(0), {"": np.empty(0)}, np.empty(0), {"": [1]}, EDGES)[""][0].fit
    assert np.isnan([fit.chi2, fit.n_degrees]).all()
