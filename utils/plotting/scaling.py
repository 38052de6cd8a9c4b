"""Plots of the online-to-offline scaling, and of rates against the offline threshold."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from utils.evaluation.offline_rates import OfflineRates
from utils.evaluation.run_conditions import RunConditions
from utils.evaluation.scaling import Scaling
from utils.plotting.quantities import SYMBOLS, draw_band, looks, name_in_legend, quantity_label, with_error
from utils.plotting.style import TRUE_SYMBOLS, Drawing, in_style, say, start
from utils.plotting.trigger import add_ratios, set_rate_axes
from utils.plotting.turn_ons import luminosity_text

FADED = 0.35  # opacity of what is extrapolated


@in_style
def draw_scaling(
    scaling: Mapping[str, Sequence[Scaling]], variable: str, process: str, scale_note: str = ""
) -> tuple[Figure, Sequence[Axes]]:
    """Draw the true value at which each threshold reaches an efficiency, and the lines, in a panel for each efficiency.

    The legend gives the lines, with chi-squared over its expectation. A line is dotted where it does not describe the
    points.
    """
    levels = [line.efficiency for line in next(iter(scaling.values()))]
    fig, axes = plt.subplots(len(levels), 1, figsize=(10, 1.5 + 5 * len(levels)), sharex=True)
    fig.subplots_adjust(left=0.15, right=0.96, bottom=0.07, top=0.96, hspace=0.06)
    mplhep.cms.label(exp="", llabel="Simulation", rlabel=process, ax=axes[0], fontsize=22)
    for i, ax in enumerate(axes):
        highest = 0.0
        for quantity, look in looks(scaling).items():
            line = scaling[quantity][i]
            name_in_legend(ax, look, f"{quantity_label(quantity, variable)}{_line_text(line)}")
            ax.errorbar(line.thresholds, line.reached.value, line.reached.error, **look.points)
            x = np.array(line.range)
            ax.plot(x, line.lines[0, 0] * x + line.lines[0, 1], **look.curve)
            highest = max(highest, np.nanmax(line.reached.value, initial=0))
        if not highest > 0:
            say(ax, "No threshold reaches this efficiency")
        ends = line.thresholds[[0, -1]]
        ax.plot(ends, ends, color="black", linestyle="-.", linewidth=1, label="Offline = online")
        ax.set(ylabel=f"{TRUE_SYMBOLS[variable]} at {100 * levels[i]:g}%\n[GeV]", ylim=(0, 1.7 * max(highest, ends[1])))
        ax.yaxis.label.set_size("small")
        ax.legend(loc="upper left", fontsize="xx-small", alignment="left")
    axes[-1].set_xlabel(f"Threshold on {SYMBOLS[variable]}{scale_note} [GeV]", fontsize="small")
    return fig, list(axes)


def _line_text(line: Scaling) -> str:
    """Write a line for a legend."""
    if not np.isfinite(line.slope.value):
        return ": too few points"
    quality = f", $\\chi^2$/n {line.chi2 / line.n_degrees:.1f}" if line.n_degrees > 0 else ""
    described = "" if line.describes else ", no line"
    return f": slope {with_error(line.slope)}, offset {with_error(line.offset)} GeV{quality}{described}"


@in_style
def draw_offline_rates(
    result: OfflineRates,
    run_conditions: RunConditions | None,
    variable: str,
    process: str,
    background: str,
    ax: Axes | None = None,
) -> Drawing:
    """Draw the rate of the background against the offline threshold, and below it the ratios to the baseline.

    Where the scaling is extrapolated, curves are faded and have no band.

    Parameters
    ----------
    result : OfflineRates
    run_conditions : RunConditions or None
        None where the weights are not cross sections: fractions of events replace rates.
    variable : str
    process : str
        The signal of the scaling.
    background : str
    ax : Axes, optional
        Their lower part becomes the panel of the ratios.
    """
    fig, ax = start(ax, background if run_conditions is None else f"{background}, {luminosity_text(run_conditions)}")
    highest = 0.0
    for quantity, look in looks(result.rates).items():
        rates = result.rates[quantity]
        height = rates.efficiency if run_conditions is None else rates.rate
        unknown = "" if np.isfinite(height.value).any() else ": no scaling"
        ax.plot([], [], label=quantity_label(quantity, variable) + unknown, **look.curve)
        known = height.value > 0
        ax.plot(result.offline[known], height.value[known], alpha=FADED, **look.curve)
        shown = known & result.fitted[quantity]
        x, y, error = result.offline[shown], height.value[shown], height.error[shown]
        ax.plot(x, y, **look.curve)
        draw_band(ax, x, y - error, y + error, look)
        highest = max(highest, np.nanmax(height.value, initial=0))
    set_rate_axes(ax, result.offline, highest, run_conditions)
    ax.legend(
        loc="upper right", title=f"Offline: {100 * result.efficiency:g}% of {process} pass", title_fontsize="small"
    )
    add_ratios(ax, result.offline, result.ratios, f"Offline threshold, {TRUE_SYMBOLS[variable]} [GeV]", "Ratio to\nL1")
    return fig, ax
