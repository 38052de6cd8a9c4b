"""Online-to-offline scaling, against lines that are known."""

import numpy as np
import pytest
from scipy.stats import norm

from tests.utils.evaluation.samples import correlated_quantities
from utils.evaluation.scaling import fit_line, scalings
from utils.evaluation.turn_on import turn_on_curves

EDGES = np.array([0.0, 200])
THRESHOLDS = tuple(range(50, 131, 10))
QUANTILES = norm.ppf([0.5, 0.9, 0.95])


def gaussian_lines(rng, n_events, thresholds=THRESHOLDS):
    """Scalings of measured = 5 + 0.8 true with a width of 12: threshold T reaches q at (T - 5 + 12 z) / 0.8."""
    true = rng.uniform(0, 200, n_events)
    scores = {"baseline": 5 + 0.8 * true + rng.normal(0, 12, n_events)}
    return scalings(true, scores, np.ones(n_events), thresholds, EDGES, rng)["baseline"]


def test_a_gaussian_response_has_known_points_and_a_known_line(rng):
    for line, quantile in zip(gaussian_lines(rng, 60_000), QUANTILES, strict=True):
        truth = (np.array(THRESHOLDS) - 5 + 12 * quantile) / 0.8
        assert (np.abs(line.reached.value - truth) < 4 * line.reached.error).all()
        assert line.slope.value == pytest.approx(1 / 0.8, abs=4 * line.slope.error)
        assert line.offset.value == pytest.approx((12 * quantile - 5) / 0.8, abs=4 * line.offset.error)
        assert line.slope.error < 0.05
        assert line.describes
        assert line.range == (50, 130)
        assert line.offline(np.array([100.0]))[0] == pytest.approx((95 + 12 * quantile) / 0.8, abs=2)
        assert line.online(line.offline(np.array([100.0])))[0] == pytest.approx([100])


@pytest.mark.slow
def test_errors_and_goodness_are_right_in_pseudo_experiments(rng):
    """The points share events, so that independent points would give too small an error of the offset."""
    found = [gaussian_lines(rng, 3000, (60, 80, 100, 120))[0] for _ in range(40)]
    for name in ("slope", "offset"):
        values, errors = (
            np.array([getattr(getattr(line, name), kind) for line in found]) for kind in ("value", "error")
        )
        assert np.mean(errors) == pytest.approx(np.std(values), rel=0.3)
    assert np.mean([line.chi2 / line.n_degrees for line in found]) == pytest.approx(1, abs=0.35)
    assert np.mean([line.describes for line in found]) > 0.9


def test_a_curve_is_no_line():
    thresholds = np.arange(40.0, 161, 10)
    replicas = (thresholds / 10) ** 2 + np.random.default_rng(1).normal(0, 1, (201, len(thresholds)))
    found = fit_line(0.5, thresholds, replicas)
    assert not found.describes
    assert found.largest_distance == pytest.approx(np.abs(replicas[0] - found.offline(thresholds)[0]).max())


def test_points_that_are_not_reached_are_left_out():
    thresholds, noise = np.arange(10.0, 60, 10), np.random.default_rng(1).normal(0, 0.1, (201, 5))
    replicas = 3 * thresholds + 2 + noise
    replicas[:, -1] = np.inf
    replicas[3, 0] = np.inf
    found = fit_line(0.9, thresholds, replicas)
    assert found.known.tolist() == [True] * 4 + [False]
    assert (found.slope.value, found.offset.value) == pytest.approx((3, 2), abs=0.3)
    assert found.range == (10, 40)
    replicas[:, 2:] = np.inf
    few = fit_line(0.9, thresholds, replicas)
    assert np.isnan([few.slope.value, few.offset.value, few.chi2, *few.range]).all()
    assert np.isnan(few.online(np.array([50.0]))).all() and not few.describes


def test_points_are_those_of_turn_on_curves(rng):
    true, scores = correlated_quantities(rng, 6000)
    weights = rng.lognormal(0, 0.4, 6000)
    found = scalings(true, scores, weights, THRESHOLDS, EDGES, rng)
    for name, values in scores.items():
        curves = turn_on_curves(true, {"": values}, weights, {"": list(THRESHOLDS)}, EDGES)[""]
        for i in range(3):
            points = [curve.reached.value[i] for curve in curves]
            assert found[name][i].reached.value == pytest.approx(points, nan_ok=True)


def test_quantities_share_their_replicas(rng):
    """The same quantity twice, and 10 higher at thresholds that are 10 higher: equal lines in each replica."""
    true, scores = correlated_quantities(rng, 4000)
    pair = {"one": scores["baseline"], "two": scores["baseline"]}
    found = scalings(true, pair, np.ones(4000), THRESHOLDS, EDGES, rng)
    for one, two in zip(found["one"], found["two"], strict=True):
        assert (one.lines == two.lines).all()
        assert np.std(one.lines[1:, 0]) > 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("n_events", [0, 30])
def test_few_events_have_no_line(rng, n_events):
    true, scores = correlated_quantities(rng, n_events)
    for lines in scalings(true, scores, np.ones(n_events), THRESHOLDS, EDGES, rng).values():
        for line in lines:
            assert np.isnan([line.slope.value, line.slope.error, line.offset.value, line.offset.error]).all()
