"""The data of a figure against what was given to draw."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from tests.utils.plotting.drawn import process_result
from utils.evaluation.bootstrap import Estimate
from utils.plotting.binned import draw_points
from utils.plotting.drawn_data import figure_data
from utils.plotting.overview import draw_all_resolutions
from utils.plotting.process import draw_target_vs_prediction
from utils.plotting.quantities import draw_band, looks, name_in_legend
from utils.predictions import BASELINE

LOOKS = looks([BASELINE, "teacher"])
X = np.array([1.0, 2, 3, 4])
Y = np.array([1, np.nan, 3, 4.5])


@pytest.fixture
def ax():
    return plt.subplots()[1]


def drawn(ax):
    ((panel),) = figure_data(ax.figure)["panels"]
    return panel["drawn"]


def same(found, expected):
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        assert found[key] == (value if value is None or isinstance(value, str) else pytest.approx(value, nan_ok=True))


def test_points_have_their_bins_and_the_ends_of_their_errors(ax):
    edges, errors = np.array([0.0, 10, 30]), np.array([[0.1, 0.2], [0.3, 0.1]])
    draw_points(ax, edges, Estimate(np.array([0.5, 0.9]), errors), LOOKS["teacher"], "Teacher")
    ends = {"y_low": [0.4, 0.7], "y_high": [0.8, 1.0], "x_low": [0, 10], "x_high": [10, 30]}
    (points,) = drawn(ax)
    same(points, {"name": "teacher", "label": "Teacher", "kind": "points", "x": [5, 20], "y": [0.5, 0.9], **ends})


def test_an_unknown_point_has_no_ends(ax):
    ax.errorbar(X, Y, 0.5, **LOOKS[BASELINE].bars)
    (points,) = drawn(ax)
    expected = {"name": BASELINE, "label": None, "kind": "points", "x": X, "y": Y}
    same(points, {**expected, "y_low": Y - 0.5, "y_high": Y + 0.5})


def test_lines_steps_and_bands_are_as_given(ax):
    look = LOOKS["teacher"]
    ax.plot(X, Y, label="Curve", **look.curve)
    ax.stairs([5, 7], [0, 1, 3], **look.curve)
    draw_band(ax, X, X - 0.5, X + 0.25, look)
    line, steps, band = drawn(ax)
    same(line, {"name": "teacher", "label": "Curve", "kind": "line", "x": X, "y": Y})
    same(steps, {"name": "teacher", "label": None, "kind": "steps", "edges": [0, 1, 3], "values": [5, 7]})
    same(band, {"name": "teacher", "label": None, "kind": "band", "x": X, "low": X - 0.5, "high": X + 0.25})


def test_a_band_goes_round_what_is_unknown(ax):
    draw_band(ax, X, Y - 1e-3, Y + 1, LOOKS[BASELINE])
    (band,) = drawn(ax)
    known = np.isfinite(Y)
    same(
        band,
        {"name": BASELINE, "label": None, "kind": "band", "x": X[known], "low": Y[known] - 1e-3, "high": Y[known] + 1},
    )


def test_marks_and_segments_have_their_sizes(ax):
    ax.scatter(X, Y, [1, 2, 3, 4])
    ax.vlines([1, 2], 0, [3, 4], linewidths=[5, 6])
    marks, segments = drawn(ax)
    assert (marks["area"].tolist(), marks["x"][0], marks["y"][3]) == ([1, 2, 3, 4], 1, 4.5)
    assert np.array(segments["points"]).tolist() == [[[1, 0], [1, 3]], [[2, 0], [2, 4]]]
    assert list(segments["width"]) == [5, 6]


def test_guides_legend_entries_and_empty_panels_are_no_data(ax):
    ax.axvline(1)
    ax.axhline(2)
    ax.axline((0, 0), slope=1)
    name_in_legend(ax, LOOKS["teacher"], "Teacher")
    assert figure_data(ax.figure) == {"panels": []}


def test_panels_have_their_labels_and_a_common_axis_one_label():
    fig, panels = plt.subplots(2, 1, sharex=True)
    for i, panel in enumerate(panels):
        panel.plot(X, Y, label="Curve")
        panel.set_ylabel(f"Rate {i} [kHz]")
    panels[1].set_xlabel("Threshold [GeV]")
    panels[0].legend(title="30 kHz of QCD")
    labels = [(panel["x"], panel["y"], panel["title"]) for panel in figure_data(fig)["panels"]]
    assert labels == [
        ("Threshold [GeV]", "Rate 0 [kHz]", "30 kHz of QCD"),
        ("Threshold [GeV]", "Rate 1 [kHz]", None),
    ]


def test_plots_of_the_analysis_give_the_results_that_they_draw():
    result = process_result(500)
    content = result.target_prediction["teacher"]
    cells = drawn(draw_target_vs_prediction(content, "true_met", "W", "teacher")[1])[0]
    assert cells["x_edges"] == pytest.approx(content.x_edges)
    assert np.nan_to_num(cells["values"]) == pytest.approx(content.values.T / content.values.sum())
    fig, _ = draw_all_resolutions({"W": result.resolution, "QCD": result.resolution}, "student", "true_met")
    found = {points["name"]: points["y"] for points in figure_data(fig)["panels"][0]["drawn"]}
    assert list(found) == [f"{process}, {quantity}" for quantity in (BASELINE, "student") for process in ("W", "QCD")]
    assert found["W, student"] == pytest.approx(result.resolution["student"].resolution.value, nan_ok=True)
