"""Plots of all processes together, each with the baseline and one model.

A process has a colour and a marker. The model has full markers and lines, the baseline open markers and dashed lines.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from utils.evaluation.response import BinnedResponse
from utils.evaluation.roc import Roc
from utils.evaluation.turn_on import TurnOn
from utils.plotting.binned import draw_binned_response, draw_points, known_range, say_if_unknown
from utils.plotting.quantities import Look, quantity_label
from utils.plotting.style import COLOURS, TRUE_SYMBOLS, Drawing, in_style, start
from utils.plotting.trigger import set_roc_axes
from utils.plotting.turn_ons import BEYOND, draw_turn_on_curve, say_if_no_curve, set_turn_on_axes
from utils.predictions import BASELINE, TRUE

MAX_INTERVAL = 0.5  # of an efficiency that is drawn: wider ones hide the others
MARKERS = ("s", "o", "^", "D", "v", "P", "X", "*")


def process_looks(names: Iterable[str], quantity: str) -> dict[str, Look]:
    """Return the look of each process, for the baseline or for a model."""
    line, fill = ("--", "none") if quantity == BASELINE else ("-", "full")
    return {
        name: Look(COLOURS[i % len(COLOURS)], line, MARKERS[i % len(MARKERS)], fill, f"{name}, {quantity}")
        for i, name in enumerate(names)
    }


def _add_legend(ax: Axes, names: Iterable[str], model: str, variable: str, title: str | None, loc: str) -> None:
    """Add a legend of processes, by colour and marker, and of quantities, by line and filling."""
    for name, look in process_looks(names, model).items():
        ax.plot([], [], label=name, linestyle="none", **look.marks)
    for quantity in (model, BASELINE):
        (look,) = process_looks([""], quantity).values()
        drawn = {**look.marks, **look.curve, "color": "black"}
        drawn["markerfacecolor"] = "white" if quantity == BASELINE else "black"
        ax.plot([], [], label=quantity_label(quantity, variable), **drawn)
    style: dict[str, Any] = {"alignment": "left", "loc": loc, "fontsize": "x-small", "title_fontsize": "small"}
    ax.legend(title=title, ncols=2, **style)


def _draw_in_bins(
    results: Mapping[str, Mapping[str, BinnedResponse]],
    model: str,
    attribute: str,
    variable: str,
    scale_note: str,
    ax: Axes | None,
) -> Drawing:
    """Draw an attribute of the response of each process in bins of the true variable."""
    fig, ax = start(ax, "")
    entries = [
        (results[name][quantity], look, None)
        for quantity in (BASELINE, model)
        for name, look in process_looks(results, quantity).items()
    ]
    draw_binned_response(ax, entries, attribute, variable, scale_note)
    ax.set_ylim(0, 1.4 * ax.get_ylim()[1])
    _add_legend(ax, results, model, variable, None, "best")
    return fig, ax


@in_style
def draw_all_resolutions(
    results: Mapping[str, Mapping[str, BinnedResponse]],
    model: str,
    variable: str,
    ax: Axes | None = None,
    scale_note: str = "",
) -> Drawing:
    """Draw the relative resolution of each process against the true variable; `results` by process and quantity."""
    return _draw_in_bins(results, model, "resolution", variable, scale_note, ax)


@in_style
def draw_all_median_responses(
    results: Mapping[str, Mapping[str, BinnedResponse]],
    model: str,
    variable: str,
    ax: Axes | None = None,
    scale_note: str = "",
) -> Drawing:
    """Draw the median response of each process against the true variable; `results` by process and quantity."""
    return _draw_in_bins(results, model, "median", variable, scale_note, ax)


@in_style
def draw_all_directions(results: Mapping[str, BinnedResponse], variable: str, ax: Axes | None = None) -> Drawing:
    """Draw the resolution of the direction of L1 MET in each process against the true variable."""
    fig, ax = start(ax, "")
    for name, look in process_looks(results, TRUE).items():
        draw_points(ax, results[name].edges, results[name].half_width, replace(look, name=name), name)
    values = [result.half_width.value for result in results.values()]
    say_if_unknown(ax, *values)
    ax.set(
        xlabel=f"{TRUE_SYMBOLS[variable]} [GeV]",
        ylabel=r"Resolution of $\phi$, half of central 68% [rad]",
        xlim=known_range(next(iter(results.values())).edges, *values),
        ylim=(0, None),
    )
    ax.legend()
    return fig, ax


@in_style
def draw_all_turn_ons(
    curves: Mapping[str, Mapping[str, TurnOn]],
    model: str,
    title: str,
    variable: str,
    luminosity: str = "",
    ax: Axes | None = None,
) -> Drawing:
    """Draw the turn-on curves of each process, with fits that describe them; `curves` by process and quantity.

    Points with an interval wider than ``MAX_INTERVAL`` and curves with a threshold beyond the sample are left out.
    """
    fig, ax = start(ax, luminosity)
    for quantity in (BASELINE, model):
        for name, look in process_looks(curves, quantity).items():
            curve = curves[name][quantity]
            too_wide = curve.efficiency.high - curve.efficiency.low > MAX_INTERVAL
            known = replace(curve.efficiency, value=np.where(too_wide, np.nan, curve.efficiency.value))
            draw_turn_on_curve(ax, replace(curve, efficiency=known), look, None)
    say_if_no_curve(ax, (curves[name][quantity] for name in curves for quantity in (BASELINE, model)))
    set_turn_on_axes(ax, curve.edges, variable)
    first = next(iter(curves.values()))
    beyond = [quantity for quantity in (BASELINE, model) if np.isnan(first[quantity].threshold)]
    lines = [title, *(quantity_label(quantity, variable) + BEYOND for quantity in beyond)]
    _add_legend(ax, curves, model, variable, "\n".join(lines), "upper left")
    return fig, ax


@in_style
def draw_all_rocs(
    rocs: Mapping[str, Mapping[str, Roc]], model: str, variable: str, background: str, ax: Axes | None = None
) -> Drawing:
    """Draw the ROC curves of each signal; `rocs` by process and quantity."""
    fig, ax = start(ax, f"against {background}")
    for quantity in (BASELINE, model):
        for name, look in process_looks(rocs, quantity).items():
            roc = rocs[name][quantity]
            drawn = {**look.marks, **look.curve, "markevery": 0.1}
            ax.plot(roc.background_efficiency, roc.signal_efficiency, **drawn)
    set_roc_axes(ax)
    _add_legend(ax, rocs, model, variable, None, "lower right")
    return fig, ax
