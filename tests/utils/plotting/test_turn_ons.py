from dataclasses import replace

import numpy as np
import pytest

from tests.utils.plotting.drawn import RUN_CONDITIONS, legend, lengths_of_errors, points_of, process_result, turn_on
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.run_conditions import WorkingPoint
from utils.evaluation.turn_on import TurnOnGain
from utils.evaluation.turn_on_fit import error_function
from utils.plotting import overview as plotting_overview
from utils.plotting import turn_ons as plotting_turn_ons
from utils.predictions import BASELINE, TRUE


def test_turn_on_shows_efficiencies_fits_and_the_ideal_step():
    curves = turn_on(process_result())
    _, ax = plotting_turn_ons.draw_turn_on(curves, "true_met", "W")
    for i, curve in enumerate(curves.values()):
        x, y = points_of(ax, i)
        assert x == pytest.approx((curve.edges[1:] + curve.edges[:-1]) / 2)
        assert y == pytest.approx(curve.efficiency.value, nan_ok=True)
        assert lengths_of_errors(ax, i) == pytest.approx(curve.efficiency.high - curve.efficiency.low)
    described = [curve.fit for curve in curves.values() if curve.described]
    lines = [line for line in ax.lines if len(line.get_xdata()) == 400]
    assert 0 < len(described) < len(curves)
    for fit, line in zip(described, lines, strict=True):
        assert line.get_ydata() == pytest.approx(
            error_function(line.get_xdata(), fit.plateau.value, fit.midpoint.value, fit.width.value)
        )
    assert [", no fit (" in text for text in legend(ax)[:3]] == [not curve.described for curve in curves.values()]
    step = ax.patches[0].get_data()
    assert step.values.tolist() == [0, 1]
    assert step.edges.tolist() == [0, 100, 300]
    assert ax.get_legend().get_title().get_text() == "Threshold 100 GeV"
    assert ax.get_xlabel() == "True $p_T^{miss}$ [GeV]"


@pytest.mark.parametrize("n_models", [1, 2, 4])
def test_the_legend_of_a_turn_on_is_above_the_plateau(n_models):
    curves, known = turn_on(process_result()), Estimate(-12.3, 1.04)
    models = {f"model {i}": curves["teacher"] for i in range(n_models)}
    quantities = {BASELINE: curves[BASELINE], **models, TRUE: curves[BASELINE]}
    gains = dict.fromkeys(models, TurnOnGain(*[known] * 3))
    fig, ax = plotting_turn_ons.draw_turn_on_at_equal_rate(
        quantities, gains, WorkingPoint(0.01), None, "true_met", "W", "QCD"
    )
    fig.canvas.draw()
    frame = ax.get_legend().get_window_extent().transformed(ax.transData.inverted())
    assert 1.02 < frame.y0 < 1.5


@pytest.mark.parametrize(
    ("working_point", "title"), [(WorkingPoint(0.01), "1% of QCD"), (WorkingPoint(0.0123, 100.0), "100 kHz of QCD")]
)
def test_turn_on_at_equal_rate_says_what_may_pass_and_what_is_gained(working_point, title):
    curves = turn_on(process_result())
    known, unknown = Estimate(-12.3, 1.04), Estimate(np.nan, np.nan)
    gains = {"teacher": TurnOnGain(known, known, known), "student": TurnOnGain(*[unknown] * 3)}
    _, ax = plotting_turn_ons.draw_turn_on_at_equal_rate(
        curves, gains, working_point, RUN_CONDITIONS, "true_met", "W", "QCD"
    )
    assert ax.get_legend().get_title().get_text() == title
    labels = {
        "baseline": "L1 $p_T^{miss}$ > 100 GeV",
        "teacher": "Teacher $p_T^{miss}$ > 100 GeV,\n50% point moved by -12.3 $\\pm$ 1.0 GeV",
        "student": "Student $p_T^{miss}$ > 100 GeV",
    }
    for name, found in zip(labels, legend(ax), strict=True):
        fit = curves[name].fit
        quality = f"$\\chi^2$/n {fit.chi2 / fit.n_degrees:.1f}"
        drawn = f", fit: plateau {fit.plateau.value:.2f}, {quality}"
        assert found == labels[name] + (drawn if curves[name].described else f", no fit ({quality})")
    assert any("cm" in text.get_text() for text in ax.texts) == (working_point.rate is not None)


def test_a_threshold_beyond_the_sample_is_said_to_be_so():
    curves = turn_on(process_result(300))
    unknown = replace(curves["teacher"], threshold=np.nan)
    of = ({}, WorkingPoint(1e-9, 0.001), RUN_CONDITIONS, "true_met", "W", "QCD")
    _, ax = plotting_turn_ons.draw_turn_on_at_equal_rate({**curves, "teacher": unknown}, *of)
    assert legend(ax)[1] == "Teacher $p_T^{miss}$: beyond the sample"
    assert len(ax.containers) == 2  # points of the others
    _, ax = plotting_turn_ons.draw_turn_on_at_equal_rate(dict.fromkeys(curves, unknown), *of)
    assert "All thresholds are beyond the sample" in [text.get_text() for text in ax.texts]
    curves_by_process = {"W": {BASELINE: unknown, "teacher": curves["teacher"]}}
    _, ax = plotting_overview.draw_all_turn_ons(curves_by_process, "teacher", "0.001 kHz of QCD", "true_met")
    title = ax.get_legend().get_title().get_text()
    assert title == "0.001 kHz of QCD\nL1 $p_T^{miss}$: beyond the sample"
