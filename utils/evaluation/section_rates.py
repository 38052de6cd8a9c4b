"""Rates of zero-bias events by luminosity section, which show a trigger that drifts or a detector that is noisy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from utils.evaluation.efficiencies import clopper_pearson
from utils.evaluation.rates import crossing_rate


@dataclass(frozen=True)
class SectionRates:
    """Rates above thresholds in each luminosity section, in kHz, with their intervals.

    Attributes
    ----------
    run, section, n_events : np.ndarray, shape (n_sections,), int64
        In rising order of run and section.
    thresholds : np.ndarray, shape (n_thresholds,)
        In GeV.
    passed : dict of str to np.ndarray, shape (n_thresholds, n_sections), int64
        Number of events above the thresholds, by quantity.
    value, low, high : dict of str to np.ndarray, shape (n_thresholds, n_sections)
    """

    run: np.ndarray
    section: np.ndarray
    n_events: np.ndarray
    thresholds: np.ndarray
    passed: dict[str, np.ndarray]
    value: dict[str, np.ndarray]
    low: dict[str, np.ndarray]
    high: dict[str, np.ndarray]


def section_rates(
    sections: np.ndarray, quantities: Mapping[str, np.ndarray], thresholds: Sequence[float], colliding_bunches: int
) -> SectionRates:
    """Find the rates in each luminosity section: the share of its events above a threshold, times the crossings.

    Parameters
    ----------
    sections : np.ndarray, shape (n_events, 2)
        Run and luminosity section of each event.
    quantities : mapping of str to np.ndarray, shape (n_events,)
        In GeV.
    thresholds : sequence of float
    colliding_bunches : int
    """
    keys = sections[:, 0].astype(np.uint64) << np.uint64(32) | sections[:, 1].astype(np.uint64)
    found, place, n_events = np.unique(keys, return_inverse=True, return_counts=True)
    khz = crossing_rate(colliding_bunches)
    passed, value, low, high = (dict[str, np.ndarray]() for _ in range(4))
    for name, values in quantities.items():
        passed[name] = np.array([np.bincount(place[values > edge], minlength=len(found)) for edge in thresholds])
        ends = clopper_pearson(passed[name], np.broadcast_to(n_events, passed[name].shape))
        value[name], (low[name], high[name]) = khz * passed[name] / n_events, (khz * end for end in ends)
    run, section = (found >> np.uint64(32)).astype(np.int64), (found & np.uint64(2**32 - 1)).astype(np.int64)
    return SectionRates(run, section, n_events, np.asarray(thresholds, np.float64), passed, value, low, high)
