"""Rates of the background against the offline threshold, with lines that are known."""

from dataclasses import replace

import numpy as np
import pytest

from tests.utils.evaluation.samples import predictions, random_predictions
from utils.evaluation.background_result import evaluate_background
from utils.evaluation.binning import BINNINGS
from utils.evaluation.offline_rates import offline_rates
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.scaling import fit_line
from utils.predictions import BASELINE

BINNING = BINNINGS["true_met"]
RUN_CONDITIONS = RunConditions(luminosity=2e34, colliding_bunches=2448)
THRESHOLDS = np.arange(10.0, 101, 10)


def line(slope, offset, width=1e-6, seed=1):
    """Scaling whose replicas move the whole line by a Gaussian number."""
    moved = np.random.default_rng(seed).normal(0, width, (201, 1))
    moved[0] = 0
    return fit_line(0.9, THRESHOLDS, slope * THRESHOLDS + offset + moved)


def rates_of(events, scaling, run_conditions=RUN_CONDITIONS, rates=(300.0, 30.0)):
    background = evaluate_background(events, BINNING, (0.1,), run_conditions, rates, 1)
    return background, offline_rates(events, background, scaling, BINNING.spectrum, run_conditions)


def test_rates_are_those_at_the_online_threshold_of_each_quantity(rng):
    events = random_predictions(rng, 4000, 20, 1e4)
    _, found = rates_of(events, {BASELINE: line(1.25, 11), "teacher": line(2, -4.5)})
    for name, slope, offset in ((BASELINE, 1.25, 11), ("teacher", 2, -4.5)):
        online = (BINNING.spectrum - offset) / slope
        assert found.rates[name].thresholds == pytest.approx(online, abs=1e-4)
        assert found.rates[name].n_events.tolist() == [np.sum(events.measured[name] > x) for x in online]
        assert found.fitted[name].tolist() == ((online >= 10) & (online <= 100)).tolist()


def test_the_scale_of_a_sum_changes_no_rate_on_the_offline_scale(rng):
    """A sum that is halved everywhere, with the slope doubled: the same rates, ratios of exactly 1, no gain."""
    events = replace(random_predictions(rng, 4000, 20, 1e4), corrections={"half": np.full(4000, 0.5, np.float32)})
    background, found = rates_of(events, {BASELINE: line(1.2, 8), "half": line(2.4, 8)})
    assert found.rates["half"].rate.value == pytest.approx(found.rates[BASELINE].rate.value)
    ratio = found.ratios["half"].value
    assert ratio[np.isfinite(ratio)] == pytest.approx(1)
    assert found.lowered["half"].value == pytest.approx([0, 0, 0], abs=1e-4)
    for i, threshold in enumerate(background.threshold_replicas[BASELINE][0]):
        assert found.thresholds[BASELINE].value[i] == pytest.approx(1.2 * threshold + 8)
        assert found.extrapolated[BASELINE][i] == (not 10 <= threshold <= 100)


def test_events_that_pass_both_are_counted_on_the_offline_scale(rng):
    """Passing by both correlates the two rates: a sum compared with itself has no other error than the limit."""
    events = random_predictions(rng, 3000, 20, 1e4)
    same = replace(events, corrections={"same": np.ones(3000, np.float32)})
    _, found = rates_of(same, {BASELINE: line(1.2, 8), "same": line(1.2, 8)})
    _, other = rates_of(events, {BASELINE: line(1.2, 8), "teacher": line(1.2, 8)})
    at = np.searchsorted(BINNING.spectrum, 60)
    assert found.ratios["same"].value[at] == pytest.approx(1)
    assert found.ratios["same"].error[at] < other.ratios["teacher"].error[at] / other.ratios["teacher"].value[at]


def test_the_error_of_the_scaling_is_in_the_errors_and_is_paired(rng):
    """Of an exponential spectrum of mean 20 the rate changes by 1/20 a GeV; a line that moves by 4 GeV moves both."""
    reco = rng.exponential(20, 60_000)
    events = predictions(reco, reco, 0.5, 1e3)
    moving = {BASELINE: line(1, 10, 4), "teacher": line(2, 10, 4)}
    _, found = rates_of(events, moving)
    at = np.searchsorted(BINNING.spectrum, 60)
    rate = found.rates[BASELINE].rate
    assert rate.error[at] / rate.value[at] == pytest.approx(4 / 20, rel=0.15)
    assert found.thresholds[BASELINE].error[0] == pytest.approx(4, rel=0.15)
    assert found.lowered["teacher"].value == pytest.approx(np.zeros(3), abs=1e-3)
    assert not (found.lowered["teacher"].error > 0.1).any()
    apart = {BASELINE: line(1, 10, 4), "teacher": line(2, 10, 4, seed=2)}
    assert rates_of(events, apart)[1].lowered["teacher"].error[0] == pytest.approx(4 * np.sqrt(2), rel=0.15)


def test_without_weights_there_are_fractions_and_no_rates(rng):
    events = random_predictions(rng, 2000, 20)
    _, found = rates_of(events, {BASELINE: line(1.25, 10), "teacher": line(2, -4)}, None)
    assert np.isnan(found.rates[BASELINE].rate.value).all()
    assert (found.rates[BASELINE].efficiency.value[5:10] > 0).all()


@pytest.mark.filterwarnings("error")
def test_without_a_line_nothing_is_known(rng):
    events = random_predictions(rng, 2000, 20, 1e4)
    unknown = fit_line(0.9, THRESHOLDS, np.full((201, len(THRESHOLDS)), np.inf))
    _, found = rates_of(events, {BASELINE: line(1.25, 10), "teacher": unknown})
    assert np.isnan(found.rates["teacher"].rate.value).all()
    assert np.isnan(found.ratios["teacher"].value).all()
    assert np.isnan(found.thresholds["teacher"].value).all()
    assert np.isnan(found.lowered["teacher"].value).all()
    assert not found.fitted["teacher"].any() and np.isfinite(found.rates[BASELINE].rate.value).all()
