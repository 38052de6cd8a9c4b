"""Drawing of values in bins, shared by the plots of the evaluation."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from utils.evaluation.bootstrap import Estimate
from utils.evaluation.response import BinnedResponse
from utils.plotting.quantities import SYMBOLS, Look
from utils.plotting.style import TRUE_SYMBOLS, say

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


def draw_binned_response(
    ax: Axes,
    entries: Sequence[tuple[BinnedResponse, Look, str | None]],
    attribute: str,
    variable: str,
    scale_note: str = "",
) -> None:
    """Draw resolutions or median responses in bins of the true variable.

    Parameters
    ----------
    ax : Axes
    entries : sequence of (BinnedResponse, Look, str or None)
        With the label in the legend.
    attribute : {"resolution", "median"}
    variable : str
    scale_note : str
        Addition to the label of the axis.
    """
    for result, look, label in entries:
        draw_points(ax, result.edges, getattr(result, attribute), look, label)
    values = [getattr(result, attribute).value for result, _, _ in entries]
    say_if_unknown(ax, *values)
    ax.set(xlabel=f"{TRUE_SYMBOLS[variable]} [GeV]", xlim=known_range(entries[0][0].edges, *values))
    if attribute == "median":
        ax.axhline(1, color="black", linestyle=":", linewidth=1.5)
        ax.set_ylabel(f"Median of {SYMBOLS[variable]} / {TRUE_SYMBOLS[variable]}{scale_note}")
    else:
        ax.set_ylabel(f"Resolution, half of central 68% / median{scale_note}", fontsize="small" if scale_note else None)
