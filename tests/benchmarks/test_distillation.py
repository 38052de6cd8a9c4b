"""Benchmark of distillation: choice of a network, averages, and figures."""

import argparse

import numpy as np
import pandas as pd
import pytest

from benchmarks.distillation import SUMMARY, best_within_budget, kinds, summarise, with_ranges
from utils.plotting.student import draw_efficiency_against_lut, draw_front
from utils.predictions import Predictions

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
    without_signals = students.drop(columns="signal")
    assert list(best_within_budget(without_signals, 10000)["lut"]) == [5000, 9000]


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


def test_figure_has_a_point_for_each_quantised_network_and_lines_for_l1_and_teacher():
    rows = pd.concat([FRONT, FRONT.tail(1).assign(kind="L1", **{"efficiency 30 kHz": 0.5})])
    _, ax = draw_efficiency_against_lut(rows, "Znunu, 80-120 GeV", "30 kHz")
    points = {line.get_label(): line for line in ax.lines}
    assert list(points["Student from the truth alone"].get_xdata()) == [1000, 5000, 2000, 9000]
    assert points["Teacher"].get_ydata()[0] == 100 * FRONT["efficiency 30 kHz"].iloc[5]
    assert points["L1"].get_ydata()[0] == 50
    assert ax.get_xscale() == "log"


def test_ranges_of_a_signal_contain_its_events():
    true = np.repeat([30.0, 90.0, 150.0], [250, 300, 199]).astype(np.float32)
    ones = np.ones(len(true), np.float32)
    signal = Predictions(true, true, {}, ones, ones.astype(np.int32), ones.astype(np.int8))
    found = {name: len(part) for name, part in with_ranges({"QCD": signal, "Znunu": signal}, "true_met")}
    assert found == {"Znunu": 749, "Znunu, 20-50 GeV": 250, "Znunu, 80-120 GeV": 300}


def test_front_marks_the_result():
    history = {"ebops": [300, 200, 100], "val_distillation": [0.1, 0.2, 0.3]}
    front = [{"ebops": 100, "val_loss": 0.31, "best": False}, {"ebops": 200, "val_loss": 0.21, "best": True}]
    _, ax = draw_front(history, front, 250)
    points = {line.get_label(): line for line in ax.lines}
    assert (points["Result"].get_xdata()[0], points["Result"].get_ydata()[0]) == (200, 0.21)
    assert list(points["After each epoch"].get_xdata()) == [300, 200, 100]
