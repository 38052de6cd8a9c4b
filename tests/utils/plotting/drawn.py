"""What tests read from drawn axes, and results to draw."""

import numpy as np

from utils.evaluation.binning import BINNINGS
from utils.evaluation.process_result import evaluate_process
from utils.evaluation.run_conditions import RunConditions
from utils.predictions import Predictions

EDGES = np.array([0.0, 10, 30])
RUN_CONDITIONS = RunConditions(luminosity=2e34, colliding_bunches=2448)


def points_of(ax, i):
    """x, y of the markers of the i-th set of points with errors."""
    return ax.containers[i].lines[0].get_xydata().T


def lengths_of_errors(ax, i):
    """Full lengths of the vertical error bars of the i-th set of points."""
    bars = ax.containers[i].lines[2][-1]
    return np.array([np.ptp(path.vertices[:, 1]) if len(path.vertices) else np.nan for path in bars.get_paths()])


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def process_result(n_events=4000):
    rng = np.random.default_rng(1)
    true = rng.exponential(60, n_events).astype(np.float32)
    reco = true * rng.normal(1.2, 0.2, n_events).astype(np.float32)
    predictions = Predictions(
        true,
        reco,
        {"teacher": np.full(n_events, 0.8, np.float32), "student": np.full(n_events, 0.9, np.float32)},
        np.full(n_events, 2, np.float32),
        np.ones(n_events, np.int32),
        np.ones(n_events, np.int8),
    )
    return evaluate_process(predictions, BINNINGS["true_met"], (100,), 1, "W")


def turn_on(result):
    return {quantity: curves[0] for quantity, curves in result.turn_on.items()}
