import numpy as np
import pytest

from tests.utils.plotting.drawn import RUN_CONDITIONS, legend, lengths_of_errors, points_of
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.offline_rates import OfflineRates
from utils.evaluation.rates import Rates
from utils.evaluation.scaling import fit_line
from utils.plotting.quantities import scale_note
from utils.plotting.scaling import draw_offline_rates, draw_scaling
from utils.predictions import BASELINE

THRESHOLDS = np.arange(40.0, 101, 20)


def line(efficiency, slope, offset, width=0.5):
    moved = np.random.default_rng(1).normal(0, width, (201, len(THRESHOLDS)))
    moved[0] = 0
    return fit_line(efficiency, THRESHOLDS, slope * THRESHOLDS + offset + moved)


def test_points_and_lines_are_drawn_for_each_efficiency():
    unknown = fit_line(0.95, THRESHOLDS, np.full((201, len(THRESHOLDS)), np.inf))
    scaling = {BASELINE: [line(0.5, 0.8, 2), line(0.9, 1.1, 9), unknown], "teacher": [line(0.5, 1, 0)] * 2 + [unknown]}
    _, axes = draw_scaling(scaling, "true_met", "Znunu", ", models calibrated")
    assert [ax.get_ylabel().split("at ")[1] for ax in axes] == ["50%\n[GeV]", "90%\n[GeV]", "95%\n[GeV]"]
    assert axes[-1].get_xlabel().endswith("models calibrated [GeV]")
    assert points_of(axes[0], 0) == pytest.approx(np.stack([THRESHOLDS, 0.8 * THRESHOLDS + 2]))
    assert lengths_of_errors(axes[0], 0) == pytest.approx(2 * scaling[BASELINE][0].reached.error)
    lines = [found.get_xydata() for found in axes[1].lines if len(found.get_xdata()) == 2]
    assert any(found == pytest.approx(np.array([[40, 53], [100, 119]]), abs=0.01) for found in lines)
    assert legend(axes[1])[0].startswith("L1 $p_T^{miss}$: slope 1.100 $\\pm$ 0.0")
    assert legend(axes[2])[1] == "Teacher $p_T^{miss}$: too few points"
    assert any("No threshold reaches" in text.get_text() for text in axes[2].texts)


@pytest.mark.parametrize("run_conditions", [RUN_CONDITIONS, None])
def test_rates_are_drawn_against_the_offline_threshold(run_conditions):
    offline, fitted = np.array([0.0, 50, 100]), np.array([False, True, True])
    rate, fraction = (Estimate(scale * np.array([9.0, 5, 1]), scale * np.ones(3) / 2) for scale in (10, 0.1))
    nothing = Estimate(np.full(3, np.nan), np.full(3, np.nan))
    rates = {
        BASELINE: Rates(offline, np.array([9, 5, 1]), fraction, rate),
        "teacher": Rates(offline * np.nan, np.zeros(3, int), nothing, nothing),
    }
    ratio = {"teacher": Estimate(np.array([np.nan, 0.5, 0.4]), np.array([np.nan, 0.1, 0.1]))}
    masks = {BASELINE: fitted, "teacher": ~fitted & False}
    result = OfflineRates(0.9, offline, rates, masks, ratio, {}, {}, {})
    fig, ax = draw_offline_rates(result, run_conditions, "true_met", "Znunu", "QCD")
    scale = 10 if run_conditions else 0.1
    drawn = [found.get_xydata().tolist() for found in ax.lines]
    assert [[0, 9 * scale], [50, 5 * scale], [100, scale]] in drawn  # faded
    assert [[50, 5 * scale], [100, scale]] in drawn
    assert legend(ax) == ["L1 $p_T^{miss}$", "Teacher $p_T^{miss}$: no scaling"]
    assert ax.get_legend().get_title().get_text() == "Offline: 90% of Znunu pass"
    (panel,) = (other for other in fig.axes if other is not ax)
    assert panel.get_xlabel() == "Offline threshold, True $p_T^{miss}$ [GeV]"
    assert panel.lines[0].get_ydata() == pytest.approx(ratio["teacher"].value, nan_ok=True)


def test_axes_say_which_models_are_calibrated():
    assert scale_note([], ["teacher"]) == ""
    assert scale_note(["teacher"], ["teacher"]) == ", models calibrated"
    assert scale_note(["student"], ["teacher", "student"]) == ", student calibrated"
