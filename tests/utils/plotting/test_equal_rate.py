import numpy as np
import pytest

from tests.utils.plotting.drawn import RUN_CONDITIONS, legend
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.gains_in_bins import GainsInBins
from utils.evaluation.run_conditions import WorkingPoint
from utils.plotting.drawn_data import figure_data
from utils.plotting.equal_rate import draw_efficiencies_in_bins
from utils.predictions import BASELINE, TRUE

EDGES = np.array([0.0, 50, 80, 300])
NAN = np.nan


def estimate(*rows):
    """Estimates of two working points from their rows of (value, error)."""
    return Estimate(*np.moveaxis(np.array(rows, np.float64), 2, 0))


def gains():
    nothing = [(NAN, NAN)] * 3
    efficiency = {
        BASELINE: estimate(nothing, [(0.1, 0.02), (0.6, 0.05), (1, 0.6)]),
        "teacher": estimate([(0.2, 0.1)] * 3, [(0.3, 0.02), (0.5, 0.05), (1, 0.6)]),
        TRUE: estimate([(0, 0.1)] * 3, [(0, 0.01), (0.9, 0.05), (1, 0.2)]),
    }
    return GainsInBins(
        EDGES, np.ones(3), efficiency, {"teacher": estimate(nothing, [(0.2, 0.01), (-0.1, 0.04), (0, 0.6)])}
    )


def test_efficiencies_are_above_and_their_differences_below():
    fig, ax = draw_efficiencies_in_bins(gains(), 1, WorkingPoint(0.002, 30.0), RUN_CONDITIONS, "true_met", "W", "QCD")
    above, below = figure_data(fig)["panels"]
    efficiencies = {points["name"]: points for points in above["drawn"]}
    assert efficiencies["teacher"]["y"] == pytest.approx([0.3, 0.5, NAN], nan_ok=True)  # the last one is not known well
    assert efficiencies[TRUE]["y_low"] == pytest.approx([0, 0.85, 0.8])  # efficiencies are from 0 to 1
    assert efficiencies[TRUE]["y_high"] == pytest.approx([0.01, 0.95, 1])
    (difference,) = below["drawn"]
    assert difference["name"] == "teacher"
    assert difference["y"] == pytest.approx([0.2, -0.1, NAN], nan_ok=True)
    assert difference["y_low"] == pytest.approx([0.19, -0.14, NAN], nan_ok=True)
    assert (difference["x_low"][:2].tolist(), difference["x_high"][:2].tolist()) == ([0, 50], [50, 80])
    assert above["title"] == "30 kHz of QCD"
    assert (above["x"], below["y"]) == ("True $p_T^{miss}$ [GeV]", "Difference\nto L1")
    assert any("cm" in text.get_text() for text in ax.texts)


@pytest.mark.filterwarnings("error")
def test_a_threshold_beyond_the_sample_is_said_to_be_so():
    fig, ax = draw_efficiencies_in_bins(gains(), 0, WorkingPoint(1e-6), None, "true_ht", "W", "QCD")
    assert legend(ax) == ["L1 $H_T$: beyond the sample", "Teacher $H_T$", "True $H_T$"]
    assert np.isfinite([panel.get_ylim() for panel in fig.axes]).all()
