import numpy as np
import pytest

from tests.utils.plotting.drawn import legend, points_of, process_result, turn_on
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.roc import Roc
from utils.plotting import overview as plotting_overview
from utils.predictions import BASELINE


def test_overviews_show_each_process_before_and_after():
    results = {"QCD": process_result(2000), "W": process_result(300)}
    resolutions = {name: result.resolution for name, result in results.items()}
    for draw, of in (
        (plotting_overview.draw_all_resolutions, "resolution"),
        (plotting_overview.draw_all_median_responses, "median"),
    ):
        _, ax = draw(resolutions, "student", "true_met")
        expected = [getattr(resolutions[name][q], of).value for q in (BASELINE, "student") for name in results]
        for i, values in enumerate(expected):
            assert points_of(ax, i)[1] == pytest.approx(values, nan_ok=True)
        assert legend(ax) == ["QCD", "W", "Student $p_T^{miss}$", "L1 $p_T^{miss}$"]
    curves = {name: turn_on(result) for name, result in results.items()}
    _, ax = plotting_overview.draw_all_turn_ons(curves, "student", "Threshold 100 GeV", "true_met")
    efficiency = curves["W"]["student"].efficiency
    known = efficiency.high - efficiency.low <= 0.5
    assert 0 < known.sum() < len(known)
    assert points_of(ax, 3)[1] == pytest.approx(np.where(known, efficiency.value, np.nan), nan_ok=True)
    x, y = np.array([0, 0.01, 1]), np.array([0, 0.3, 1])
    rocs = {"W": {BASELINE: Roc(x, y / 2, Estimate(0.6, 0.1)), "student": Roc(x, y, Estimate(0.7, 0.1))}}
    _, ax = plotting_overview.draw_all_rocs(rocs, "student", "true_met", "QCD")
    assert [line.get_ydata().tolist() for line in ax.lines[:2]] == [(y / 2).tolist(), y.tolist()]
