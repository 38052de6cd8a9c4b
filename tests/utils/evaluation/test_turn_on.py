"""Turn-on curves, their points and gains, against known truths and pseudo-experiments."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.utils.evaluation.samples import correlated_quantities, gaussian_turn_on, turn_on_curve
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.turn_on import TurnOnGain, turn_on_curves, turn_on_gains

QUANTITIES = ("midpoint", "at_90_percent", "at_95_percent")

EDGES = np.array([0.0, 200])

THRESHOLDS = {"baseline": [90.0], "model": [80.0]}

QUANTILES = norm.ppf([0.5, 0.9, 0.95])


POINTS, MOVED = 90 + 20 * QUANTILES, -10 + QUANTILES * (13 - 20)


def gain_of(true, scores, weights, thresholds=THRESHOLDS, edges=EDGES) -> TurnOnGain:
    return turn_on_gains(true, scores, weights, thresholds, edges)["model"][0]


def numbers(gain, of):
    return np.array([getattr(getattr(gain, name), of) for name in QUANTITIES])


def reached(true, values, weights, threshold, edges=EDGES):
    return turn_on_curves(true, {"": values}, weights, {"": [threshold]}, edges)[""][0].reached


def test_points_and_their_differences_are_those_of_gaussians_within_their_errors(rng):
    """Of weighted pseudo-experiments; the errors, of rising curves with steps, are right within a third."""
    points, moved = [], []
    for _ in range(40):
        true, scores = correlated_quantities(rng, 6000)
        weights = rng.lognormal(0, 0.4, 6000)
        points.append(reached(true, scores["baseline"], weights, 90))
        gain = gain_of(true, scores, weights)
        moved.append(Estimate(numbers(gain, "value"), numbers(gain, "error")))
    for found, truth in ((points, POINTS), (moved, MOVED)):
        values, errors = (np.array([getattr(one, name) for one in found]) for name in ("value", "error"))
        assert (np.abs(np.mean(values, axis=0) - truth) < 0.6 * np.std(values, axis=0)).all()
        assert np.mean(errors, axis=0) == pytest.approx(np.std(values, axis=0), rel=0.35)


def test_a_later_turn_on_with_a_shoulder_at_low_values_is_later(rng):
    """A fit puts its plateau on the shoulder, and half of that plateau far below half of the events."""
    thresholds, edges, gains = {"baseline": [85.0], "model": [42.0]}, np.arange(0, 251, 10.0), []
    for _ in range(8):
        true = rng.exponential(15, 20_000) + np.where(rng.random(20_000) < 0.5, 20, 0)
        shoulder = (rng.random(20_000) < 0.4) & (true < 65)
        scores = {
            "baseline": true * 1.2 + rng.normal(0, 16, 20_000),  # above 85: half at 71, of the model at 84
            "model": np.where(shoulder, true + rng.normal(0, 6, 20_000), 0.5 * true + rng.normal(0, 7, 20_000)),
        }
        gains.append(gain_of(true, scores, np.ones(20_000), thresholds, edges).midpoint)
        curve = turn_on_curves(true, scores, np.ones(20_000), thresholds, edges)["model"][0]
        assert curve.fit.plateau.value < 0.8 and not curve.described
    assert np.mean([gain.value for gain in gains]) == pytest.approx(84 - 71, abs=3)
    assert np.std([gain.value for gain in gains]) == pytest.approx(np.mean([gain.error for gain in gains]), rel=0.5)


def test_points_are_of_absolute_efficiency_and_not_reached_above_the_plateau(rng):
    true, scores = correlated_quantities(rng, 20_000, plateau=0.8)
    found = reached(true, scores["baseline"], np.ones(20_000), 90)
    assert found.value[0] == pytest.approx(90 + 20 * norm.ppf(0.5 / 0.8), abs=3 * found.error[0])
    assert np.isnan([found.value[1:], found.error[1:]]).all()
    gain = gain_of(true, scores, np.ones(20_000))
    assert np.isnan(numbers(gain, "value")).tolist() == [False, True, True]


def test_a_single_event_that_passes_reaches_nothing(rng):
    true = np.append(rng.exponential(20, 2000).clip(0, 150), 199.0)
    assert np.isnan(reached(true, true, np.ones(2001), 160).value).all()


def test_points_do_not_know_the_scale_of_the_weights_and_follow_that_of_the_true_value(rng):
    true, scores = correlated_quantities(rng, 3000)
    weights = rng.lognormal(0, 0.4, 3000)
    first = reached(true, scores["model"], weights, 80)
    assert repr(reached(true, scores["model"], 4 * weights, 80)) == repr(first)
    doubled = reached(2 * true, 2 * scores["model"], weights, 160, 2 * EDGES)
    assert doubled.value == pytest.approx(2 * first.value)
    assert doubled.error == pytest.approx(2 * first.error)


def test_events_of_negative_weight_take_away_others(rng):
    """A third of the events doubled, with weights of 1 and -1 for the copies: the curve stays within its errors."""
    true, scores = correlated_quantities(rng, 6000)
    extra = slice(0, 2000)
    copies = [np.concatenate([of, of[extra], of[extra]]) for of in (true, scores["baseline"])]
    weights = np.concatenate([np.ones(8000), -np.ones(2000)])
    before, after = reached(true, scores["baseline"], np.ones(6000), 90), reached(*copies, weights, 90)
    assert (np.abs(after.value - before.value) < after.error).all()


def test_a_quantity_gains_nothing_over_itself(rng):
    true, scores = correlated_quantities(rng, 3000)
    scores["model"] = scores["baseline"] + 10
    gain = gain_of(true, scores, rng.lognormal(0, 1, 3000), {"baseline": [90], "model": [100]})
    assert numbers(gain, "value").tolist() == [0, 0, 0]
    assert np.isnan(numbers(gain, "error")).all()


def test_errors_of_correlated_quantities_are_smaller_than_those_of_two_samples(rng):
    true, scores = correlated_quantities(rng, 20_000)
    scores["model"] = scores["baseline"] + rng.normal(0, 3, 20_000)
    weights, thresholds = np.ones(20_000), {"baseline": [90], "model": [90]}
    gain = gain_of(true, scores, weights, thresholds)
    unpaired = np.hypot(*(reached(true, scores[name], weights, 90).error for name in scores))
    assert (numbers(gain, "error") < 0.8 * unpaired).all()


def test_gains_are_of_each_quantity_at_each_threshold(rng):
    true, scores = correlated_quantities(rng, 3000)
    scores["other"] = scores["model"] + 5
    thresholds = {"model": [80, 100], "baseline": [90, 100], "other": [85, 95]}
    found = turn_on_gains(true, scores, np.ones(3000), thresholds, EDGES)
    assert list(found) == ["model", "other"]
    assert found["model"][0] == found["other"][0]
    points = [reached(true, scores[name], np.ones(3000), 100).value for name in ("model", "baseline")]
    assert numbers(found["model"][1], "value") == pytest.approx(points[0] - points[1], nan_ok=True)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("threshold", [-np.inf, 1e6, np.nan])
@pytest.mark.parametrize("name", ["baseline", "model"])
def test_gains_are_unknown_where_a_curve_does_not_turn_on(rng, threshold, name):
    true, scores = correlated_quantities(rng, 500)
    gain = gain_of(true, scores, np.ones(500), THRESHOLDS | {name: [threshold]})
    assert np.isnan([numbers(gain, "value"), numbers(gain, "error")]).all()
    curve = turn_on_curves(true, scores, np.ones(500), {name: [threshold]}, np.linspace(0, 200, 5))[name][0]
    assert not np.isfinite(curve.reached.value).any() and not curve.described
    assert np.isnan(curve.efficiency.value).all() == np.isnan(threshold)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_events", [0, 300])
def test_gains_without_events_or_weights_are_unknown(rng, n_events):
    true, scores = correlated_quantities(rng, n_events)
    gain = gain_of(true, scores, np.zeros(n_events))
    assert np.isnan([numbers(gain, "value"), numbers(gain, "error")]).all()


def test_turn_on_of_hand_computed_events():
    true = np.array([5, 5, 15, 15, 15, 99])
    values = np.array([10, 11, 20, 20, 5, 99])
    curve = turn_on_curve(true, values, np.array([1, 1, 1, 2, 1, 1.0]), 10, np.array([0.0, 10, 20, 30]))
    assert curve.threshold == 10
    assert curve.efficiency.value[:2].tolist() == [0.5, 0.75]
    assert np.isnan(curve.efficiency.value[2])
    assert curve.efficiency.n_effective.tolist() == pytest.approx([2, 16 / 6, 0])


def test_curves_of_several_quantities_and_thresholds_are_those_of_each(rng):
    true, values = gaussian_turn_on(rng, 3000)
    scores, weights, edges = {"a": values, "b": true}, rng.lognormal(0, 1, 3000), np.arange(0, 201, 20.0)
    curves = turn_on_curves(true, scores, weights, {"a": [50, 80], "b": [70]}, edges)
    assert {name: [curve.threshold for curve in found] for name, found in curves.items()} == {
        "a": [50, 80],
        "b": [70],
    }
    for name, i in (("a", 0), ("a", 1), ("b", 0)):
        threshold, found = curves[name][i].threshold, curves[name][i].efficiency
        for low, value in zip(edges[:-1], found.value, strict=True):
            inside = (true >= low) & (true < low + 20)
            assert value == pytest.approx(np.average(scores[name][inside] > threshold, weights=weights[inside]))


def test_turn_on_of_the_true_variable_is_a_step(rng):
    true = rng.uniform(0, 200, 10_000)
    curve = turn_on_curve(true, true, np.ones(10_000), 100, np.arange(0, 201, 20.0))
    assert curve.efficiency.value.tolist() == [0] * 5 + [1] * 5
