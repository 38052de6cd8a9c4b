"""Drawing of values in bins, shared by the plots of the evaluation."""

import numpy as np
from matplotlib.axes import Axes

from utils.evaluation.bootstrap import Estimate
from utils.plotting.quantities import Look
from utils.plotting.style import say

FEW_EVENTS = "Too few events"


def draw_points(ax: Axes, edges: np.ndarray, estimate: Estimate[np.ndarray], look: Look, label: str | None) -> None:
    """Draw values in bins, with errors and bin widths."""
    centres, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    ax.errorbar(centres, estimate.value, estimate.error, half, label=label, **look.points)


def say_if_unknown(ax: Axes, *values: np.ndarray) -> None:
    """Write a note where no value is known."""
    if not np.isfinite(values).any():
        say(ax, FEW_EVENTS)


def known_range(edges: np.ndarray, *values: np.ndarray) -> tuple[float, float]:
    """Return the range of the bins up to the last one with a known value."""
    known = np.flatnonzero(np.isfinite(values).any(axis=0))
    return edges[0], edges[known[-1] + 1] if len(known) else edges[-1]
