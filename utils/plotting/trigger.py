"""Plots of the corrections in a trigger: rates and ROC curves."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from utils.evaluation.background_result import BackgroundResult
from utils.evaluation.bootstrap import Estimate
from utils.evaluation.efficiency_gains import EfficiencyGains
from utils.evaluation.roc import Roc
from utils.evaluation.run_conditions import RunConditions, WorkingPoint
from utils.evaluation.section_rates import SectionRates
from utils.evaluation.signal_result import LOWEST_BACKGROUND
from utils.evaluation.zero_bias_result import ZeroBiasResult
from utils.plotting.quantities import (
    LOOKS,
    SYMBOLS,
    bars,
    draw_band,
    looks,
    name_in_legend,
    quantity_label,
    with_error,
)
from utils.plotting.style import COLOURS, NO_EVENTS, Drawing, in_style, panel_below, say, start
from utils.plotting.turn_ons import BEYOND, luminosity_label, luminosity_text
from utils.predictions import BASELINE

RATIO_RANGE = (1e-3, 20)
LOWEST_RATE = 1e-6  # lower end of the axis, over the rate of all events


@in_style
def draw_rates(
    result: BackgroundResult,
    run_conditions: RunConditions | None,
    variable: str,
    background: str,
    ax: Axes | None = None,
    scale_note: str = "",
) -> Drawing:
    """Draw the rate of the background against the threshold, and below it the ratios to the baseline.

    Parameters
    ----------
    result : BackgroundResult
    run_conditions : RunConditions or None
        None where the weights are not cross sections: fractions of events replace rates.
    variable, background : str
    ax : Axes, optional
        Their lower part becomes the panel of the ratios.
    scale_note : str
        Addition to the label of the axis.
    """
    fig, ax = start(ax, background if run_conditions is None else f"{background}, {luminosity_text(run_conditions)}")
    highest = 0.0
    for quantity, look in looks(result.rates).items():
        rates = result.rates[quantity]
        height = rates.efficiency if run_conditions is None else rates.rate
        shown = height.value > 0
        x, y, error = rates.thresholds[shown], height.value[shown], height.error[shown]
        ax.plot(x, y, label=quantity_label(quantity, variable), **look.curve)
        draw_band(ax, x, y - error, y + error, look)
        highest = max(highest, y.max(initial=0))
    set_rate_axes(ax, rates.thresholds, highest, run_conditions)
    ax.legend(loc="upper right")
    add_ratios(ax, rates.thresholds, result.ratios, _threshold_label(variable, scale_note), "Ratio to\nL1")
    return fig, ax


def set_rate_axes(ax: Axes, thresholds: np.ndarray, highest: float, run_conditions: RunConditions | None) -> None:
    """Set the axes of rates, or of fractions of events without run conditions, up to the highest one."""
    ax.set(
        ylabel="Fraction of background" if run_conditions is None else "Rate [kHz]",
        xlim=thresholds[[0, -1]],
        yscale="log",
        ylim=(highest * LOWEST_RATE, 3 * highest) if highest > 0 else (LOWEST_RATE, 1),
    )
    if not highest > 0:
        say(ax, NO_EVENTS)


@in_style
def draw_zero_bias_rates(
    result: ZeroBiasResult, variable: str, ax: Axes | None = None, scale_note: str = ""
) -> Drawing:
    """Draw the rates of zero-bias events against the threshold, and below them the ratios to the baseline.

    Parameters
    ----------
    result : ZeroBiasResult
    variable : str
    ax : Axes, optional
        Their lower part becomes the panel of the ratios.
    scale_note : str
        Addition to the label of the axis.
    """
    fig, ax = start(ax, f"{result.colliding_bunches} colliding bunches", "CMS zero-bias data")
    l1_label = f"{SYMBOLS[variable]} of L1 objects"
    for quantity, look in looks(result.rates).items():
        rates = result.rates[quantity]
        shown = rates.n_events > 0
        x = rates.thresholds[shown]
        label = l1_label if quantity == BASELINE else quantity_label(quantity, variable)
        ax.plot(x, rates.value[shown], label=label, **look.curve)
        draw_band(ax, x, rates.low[shown], rates.high[shown], look)
    ax.set(ylabel="Rate [kHz]", xlim=rates.thresholds[[0, -1]], yscale="log")
    if not any((rates.n_events > 0).any() for rates in result.rates.values()):
        say(ax, NO_EVENTS)
    ax.legend()
    add_ratios(ax, rates.thresholds, result.ratios, _threshold_label(variable, scale_note), "Ratio to\nL1 objects")
    return fig, ax


@in_style
def draw_section_rates(sections: SectionRates, variable: str, ax: Axes | None = None) -> Drawing:
    """Draw the rates of zero-bias events at the lowest threshold against the luminosity section.

    Sections of several runs follow each other, with a line where a run begins.

    Parameters
    ----------
    sections : SectionRates
    variable : str
    ax : Axes, optional
    """
    lowest = int(np.argmin(sections.thresholds))
    fig, ax = start(ax, f"{SYMBOLS[variable]} > {sections.thresholds[lowest]:g} GeV", "CMS zero-bias data")
    begins = np.flatnonzero(np.diff(sections.run, prepend=sections.run[0] - 1))
    x = sections.section if len(begins) == 1 else np.arange(len(sections.run))
    for quantity, look in looks(sections.value).items():
        label = f"{SYMBOLS[variable]} of L1 objects" if quantity == BASELINE else quantity_label(quantity, variable)
        ax.plot(x, sections.value[quantity][lowest], label=label, **look.curve)
        draw_band(ax, x, sections.low[quantity][lowest], sections.high[quantity][lowest], look)
    for begin in begins[1:]:
        ax.axvline(begin - 0.5, color=COLOURS[4], linewidth=0.5)
    runs = f"run {sections.run[0]}" if len(begins) == 1 else f"{len(begins)} runs, one after the other"
    ax.set(xlabel=f"Luminosity section ({runs})", ylabel="Rate [kHz]", ylim=(0, 1.4 * ax.get_ylim()[1]))
    ax.legend()
    return fig, ax


def _threshold_label(variable: str, scale_note: str) -> str:
    return f"Threshold on {SYMBOLS[variable]}{scale_note} [GeV]"


def add_ratios(
    ax: Axes, thresholds: np.ndarray, ratios: Mapping[str, Estimate[np.ndarray]], threshold_label: str, label: str
) -> None:
    """Draw ratios in a panel below axes, with a common horizontal axis."""
    panel = panel_below(ax)
    for quantity, look in looks(ratios).items():
        ratio = ratios[quantity]
        panel.plot(thresholds, ratio.value, **look.curve)
        draw_band(panel, thresholds, ratio.value - ratio.error, ratio.value + ratio.error, look)
    panel.axhline(1, **LOOKS[BASELINE].curve)
    panel.set(xlabel=threshold_label, ylabel=label, yscale="log", ylim=RATIO_RANGE)
    panel.yaxis.label.set_fontsize("small")


@in_style
def draw_roc(
    roc: Mapping[str, Roc],
    points: EfficiencyGains,
    working_points: Sequence[WorkingPoint],
    run_conditions: RunConditions | None,
    variable: str,
    signal: str,
    background: str,
    ax: Axes | None = None,
) -> Drawing:
    """Draw the signal efficiency against the background efficiency, with working points and their errors.

    A triangle pointing down is the limit where no signal event passes. The legend notes working points beyond the
    sample, which have no marker.
    """
    fig, ax = start(ax, f"{signal} against {background}")
    for quantity, look in looks(roc).items():
        curve = roc[quantity]
        name_in_legend(ax, look, f"{quantity_label(quantity, variable)}, area {with_error(curve.area)}")
        ax.plot(curve.background_efficiency, curve.signal_efficiency, **look.curve)
        efficiency = points.efficiency[quantity]
        seen = efficiency.value > 0
        at, known = points.background_efficiency[seen], Estimate(efficiency.value[seen], efficiency.error[seen])
        ax.errorbar(at, known.value, bars(known, 0, 1), **look.points)
        unseen = efficiency.value == 0
        limits = efficiency.error[unseen]
        ax.plot(points.background_efficiency[unseen], limits, linestyle="none", **{**look.marks, "marker": "v"})
    for point in working_points:
        x = point.background_efficiency
        ax.axvline(x, color=COLOURS[4], linestyle=":", linewidth=1, zorder=0)
        above = ax.get_xaxis_transform()
        written: dict[str, Any] = {"rotation": 90, "ha": "right", "va": "top", "fontsize": "xx-small", "clip_on": True}
        ax.text(x, 0.985, point.label, transform=above, **written)
    luminosities = {luminosity_label(point, run_conditions) for point in working_points} - {""}
    unknown = np.any([np.isnan(points.efficiency[quantity].value) for quantity in roc], axis=0)
    beyond = [f"{point.label}{BEYOND}" for point, missing in zip(working_points, unknown, strict=False) if missing]
    set_roc_axes(ax, "\n".join([*(f"Rates at {luminosity}" for luminosity in luminosities), *beyond]) or None)
    return fig, ax


def set_roc_axes(ax: Axes, title: str | None = None) -> None:
    """Label the axes of ROC curves and draw the diagonal of no separation."""
    diagonal = np.geomspace(LOWEST_BACKGROUND, 1)
    ax.plot(diagonal, diagonal, color=COLOURS[4], linestyle="-.", linewidth=1.5, label="No separation")
    ax.set(
        xlabel="Background efficiency",
        ylabel="Signal efficiency",
        xscale="log",
        xlim=(LOWEST_BACKGROUND, 1),
        yscale="log",
        ylim=(LOWEST_BACKGROUND, 1),
    )
    look = {"fontsize": "x-small", "title_fontsize": "x-small", "frameon": True, "framealpha": 0.9, "edgecolor": "none"}
    ax.legend(loc="lower right", title=title, alignment="left", **look)
