"""Benchmark of distillation: choice of a network, averages, and figures."""

import argparse

import numpy as np
import pandas as pd
import pytest

from benchmarks.distillation import SUMMARY, best_within_budget, kinds, summarise
from utils.plotting.student import draw_front, draw_gap_against_lut

FRONT = pd.DataFrame(
    {
        "kind": ["truth"] * 4 + ["float, distilled"] + ["teacher"],
        "signal": "W",
        "seed": [1, 1, 2, 2, 1, 0],
        "lut": [1000, 5000, 2000, 9000, np.nan, np.nan],
        "val_loss": [0.3, 0.2, 0.4, 0.1, 0.1, np.nan],
    }
)
for i, name in enumerate(SUMMARY):
    if name != "lut":
        FRONT[name] = np.arange(6.0) + i
        FRONT[f"{name}, error"] = 0.5


def test_the_lowest_validation_loss_within_the_budget_counts_for_each_seed():
    students = FRONT[FRONT["kind"] == "truth"]
    assert list(best_within_budget(students, 10000)["lut"]) == [5000, 9000]
    assert list(best_within_budget(students, 6000)["lut"]) == [5000, 2000]
    assert list(best_within_budget(students, 1500)["lut"]) == [1000]
    assert best_within_budget(students, 10).empty


def test_means_and_spreads_are_of_the_seeds():
    rows = summarise(FRONT, (6000,))
    (truth,) = [row for row in rows if row["kind"] == "truth"]
    first = SUMMARY[0]
    assert (truth["seeds"], truth[first], truth["lut"]) == (2, 1.5, 3500)
    assert truth[f"{first}, spread"] == pytest.approx(np.sqrt(0.5))
    assert truth[f"{first}, error"] == 0.5
    assert {row["kind"] for row in rows} == {"truth", "float, distilled", "teacher"}


def test_unknown_kinds_are_named():
    assert kinds("truth;distilled") == ["truth", "distilled"]
    with pytest.raises(argparse.ArgumentTypeError, match="found 'float'"):
        kinds("truth;float")


def test_figure_has_a_point_for_each_quantised_network_and_lines_for_the_others():
    _, ax = draw_gap_against_lut(FRONT, "W")
    points = {line.get_label(): line for line in ax.lines}
    assert list(points["Student, truth"].get_xdata()) == [1000, 5000, 2000, 9000]
    assert points["Teacher"].get_ydata()[0] == FRONT["gap closed 5%"].iloc[5]
    assert ax.get_xscale() == "log"


def test_front_marks_the_result():
    history = {"ebops": [300, 200, 100], "val_truth": [0.1, 0.2, 0.3]}
    front = [{"ebops": 100, "val_loss": 0.31, "best": False}, {"ebops": 200, "val_loss": 0.21, "best": True}]
    _, ax = draw_front(history, front, 250)
    points = {line.get_label(): line for line in ax.lines}
    assert (points["Result"].get_xdata()[0], points["Result"].get_ydata()[0]) == (200, 0.21)
    assert list(points["After each epoch"].get_xdata()) == [300, 200, 100]
