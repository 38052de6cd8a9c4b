"""Signal efficiencies at equal background, in ranges of the true variable, with paired bootstrap replicas."""

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from utils.evaluation.binning import BINNINGS
from utils.evaluation.bootstrap import named_rng
from utils.evaluation.efficiency_gains import EfficiencyReplicas, signal_efficiencies
from utils.evaluation.rates import efficiencies_at_rates
from utils.evaluation.run_conditions import RunConditions, WorkingPoint

BACKGROUND_EFFICIENCIES = (0.05, 0.01)
Range = tuple[float, float]  # of the true variable [GeV], without the upper end
RANGES: dict[str, tuple[Range, ...]] = {
    "true_met": tuple(itertools.pairwise(BINNINGS["true_met"].efficiency.tolist())),
    "true_ht": ((200, math.inf), (320, math.inf), (450, math.inf)),
}


def range_name(limits: Range) -> str:
    """Return a range as text."""
    low, high = limits
    return f"above {low:g}" if math.isinf(high) else f"{low:g}-{high:g}"


def in_range(true: np.ndarray, limits: Range) -> np.ndarray:
    """Return which values lie in a range."""
    low, high = limits
    return (true >= low) & (true < high)


def working_points(rates: Sequence[float], cross_section: float | None) -> list[WorkingPoint]:
    """Return the working points: fixed background efficiencies and, with a cross section [pb], fixed rates [kHz]."""
    points = [WorkingPoint(efficiency) for efficiency in BACKGROUND_EFFICIENCIES]
    if cross_section is None:
        return points
    conditions = RunConditions()
    at_rates = efficiencies_at_rates(rates, cross_section, conditions.luminosity, conditions.colliding_bunches)
    return points + [WorkingPoint(*pair) for pair in zip(at_rates.tolist(), rates, strict=True)]


def efficiencies_in_ranges(
    true: np.ndarray,
    scores: Mapping[str, np.ndarray],
    weights: np.ndarray,
    thresholds: Mapping[str, np.ndarray],
    ranges: Sequence[Range],
    seed: int,
) -> list[EfficiencyReplicas]:
    """Return the efficiencies of the events of each range above thresholds on several quantities.

    Parameters
    ----------
    true : np.ndarray, shape (n_events,)
    scores : mapping of str to np.ndarray, shape (n_events,)
    weights : np.ndarray, shape (n_events,)
    thresholds : mapping of str to np.ndarray, shape (1 + n_replicas, n_points)
        As for `signal_efficiencies`.
    ranges : sequence of tuple
    seed : int
    """
    found = []
    for limits in ranges:
        rows = np.flatnonzero(in_range(true, limits))
        some = {name: values[rows] for name, values in scores.items()}
        rng = named_rng(seed, range_name(limits))
        found.append(signal_efficiencies(some, weights[rows], thresholds, rng)[0])
    return found
