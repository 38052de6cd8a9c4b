"""Scalings and rates of calibrated sums."""

from dataclasses import replace

import numpy as np
import pytest

from tests.utils.evaluation.samples import predictions, random_predictions
from utils.evaluation.background_result import evaluate_background
from utils.evaluation.binning import BINNINGS
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.scaling_result import evaluate_scaling
from utils.evaluation.signal_result import evaluate_signal
from utils.predictions import BASELINE
from utils.training.calibration import Calibration, fit_calibration

BINNING = BINNINGS["true_met"]
RUN_CONDITIONS = RunConditions(luminosity=2e34, colliding_bunches=2448)
CURVED = Calibration(np.array([0.0, 20, 40, 1e6]), np.array([0.0, 15, 70, 3e6]))


def test_a_calibration_changes_thresholds_and_no_efficiency_at_equal_rate(rng):
    signal, background = (random_predictions(rng, 4000, scale, 1e4) for scale in (40, 20))

    def results(calibrations):
        against = evaluate_background(
            replace(background, calibrations=calibrations), BINNING, (0.1, 0.02), RUN_CONDITIONS, (30.0,), 1
        )
        return against, evaluate_signal(replace(signal, calibrations=calibrations), against, BINNING, 1, "W")

    (before, without), (after, calibrated) = results({}), results({"teacher": CURVED})
    assert repr(calibrated.gains.efficiency) == repr(without.gains.efficiency)
    assert repr(calibrated.gains.gain) == repr(without.gains.gain)
    for name, roc in without.roc.items():
        assert calibrated.roc[name].area.value == pytest.approx(
            roc.area.value, rel=1e-6
        )  # 32-bit numbers may become equal
        assert calibrated.roc[name].signal_efficiency == pytest.approx(roc.signal_efficiency, rel=1e-6)
    thresholds = before.threshold_replicas["teacher"][0]
    assert after.threshold_replicas["teacher"][0] == pytest.approx(CURVED(thresholds))
    for name in before.at_working_points:
        assert repr(after.at_working_points[name].rate) == repr(before.at_working_points[name].rate)
    assert repr(after.rates[BASELINE]) == repr(before.rates[BASELINE])


def test_a_shrunk_sum_turns_on_late_and_after_its_calibration_at_its_threshold(rng):
    """Half of the events with a true value of 100 pass a threshold of 100."""

    def events(n):
        true = rng.uniform(0, 250, n)
        return predictions(true, true + 20 + rng.normal(0, 20, n), 0.5)

    training, test, background = events(60_000), events(30_000), random_predictions(rng, 3000, 30, 1e4)
    corrected = training.measured["teacher"]
    calibration = fit_calibration(corrected, training.true, training.weight)
    found = []
    for calibrations in ({}, {"teacher": calibration}):
        against = evaluate_background(
            replace(background, calibrations=calibrations), BINNING, (0.1,), RUN_CONDITIONS, (30.0,), 1
        )
        signal, of_background = (replace(part, calibrations=calibrations) for part in (test, background))
        found.append(
            evaluate_scaling(signal, of_background, against, RUN_CONDITIONS, BINNING, (60, 80, 100, 120), 0.9, 1, "W")
        )
    shrunk, calibrated = (result.scaling["teacher"][0] for result in found)
    assert shrunk.offline(np.array([100.0]))[0] == pytest.approx(180, abs=2)  # 0.5 (180 + 20)
    assert calibrated.slope.value == pytest.approx(1, abs=4 * calibrated.slope.error)
    assert calibrated.offset.value == pytest.approx(0, abs=4 * calibrated.offset.error)
    assert calibrated.offline(np.array([100.0]))[0] == pytest.approx(100, abs=2)
    assert found[0].rates.efficiency == 0.9
