"""Plots of the efficiency at equal rate in bins of the true variable."""

import numpy as np
from matplotlib.axes import Axes

from utils.evaluation.bootstrap import Estimate
from utils.evaluation.gains_in_bins import GainsInBins
from utils.evaluation.run_conditions import RunConditions, WorkingPoint
from utils.plotting.binned import draw_points, say_if_unknown
from utils.plotting.quantities import LOOKS, bars, looks, quantity_label
from utils.plotting.style import TRUE_SYMBOLS, Drawing, in_style, panel_below, start
from utils.plotting.turn_ons import BEYOND, luminosity_label
from utils.predictions import BASELINE

MAX_ERROR = 0.25  # of an efficiency or a difference that is drawn: larger ones hide the others
LARGEST_DIFFERENCE = 0.1  # of the lower panel where it is smaller


@in_style
def draw_efficiencies_in_bins(
    gains: GainsInBins,
    i: int,
    working_point: WorkingPoint,
    run_conditions: RunConditions | None,
    variable: str,
    process: str,
    background: str,
    ax: Axes | None = None,
) -> Drawing:
    """Draw the efficiency at equal rate in bins of the true variable, and below it the differences to L1.

    Points with an error above ``MAX_ERROR`` are left out.

    Parameters
    ----------
    gains : GainsInBins
    i : int
        Number of the working point in `gains`.
    working_point : WorkingPoint
    run_conditions : RunConditions or None
        None where the weights are not cross sections.
    variable, process, background : str
    ax : Axes, optional
        Their lower part becomes the panel of the differences.
    """
    fig, ax = start(ax, ", ".join(filter(None, (process, luminosity_label(working_point, run_conditions)))))
    quantities, edges = looks(gains.efficiency), gains.edges
    efficiencies = {name: _drawn(of, i) for name, of in gains.efficiency.items()}
    for name, efficiency in efficiencies.items():
        unknown = BEYOND if np.isnan(gains.efficiency[name].value[i]).all() else ""
        limited = Estimate(efficiency.value, bars(efficiency, 0, 1))
        draw_points(ax, edges, limited, quantities[name], quantity_label(name, variable) + unknown)
    say_if_unknown(ax, *(efficiency.value for efficiency in efficiencies.values()))
    ax.set(ylabel="Efficiency", xlim=edges[[0, -1]], ylim=(-0.03, 1.08))
    style = {"fontsize": "x-small", "title_fontsize": "small", "frameon": True, "framealpha": 0.8, "edgecolor": "none"}
    ax.legend(title=f"{working_point.label} of {background}", alignment="left", loc="lower right", **style)
    panel, largest = panel_below(ax), LARGEST_DIFFERENCE
    for name, of in gains.gain.items():
        difference = _drawn(of, i)
        draw_points(panel, edges, difference, quantities[name], None)
        largest = max(largest, np.nan_to_num(np.abs(difference.value) + difference.error).max())
    panel.axhline(0, **LOOKS[BASELINE].curve)
    ends = 1.1 * largest * np.array([-1, 1])
    panel.set(xlabel=f"{TRUE_SYMBOLS[variable]} [GeV]", ylabel="Difference\nto L1", ylim=ends)
    panel.yaxis.label.set_fontsize("small")
    return fig, ax


def _drawn(estimates: Estimate[np.ndarray], i: int) -> Estimate[np.ndarray]:
    """Return the estimates of a working point, NaN where the error is too large to be drawn."""
    value, error = estimates.value[i], estimates.error[i]
    return Estimate(np.where(error > MAX_ERROR, np.nan, value), error)
