"""Plots of turn-on curves."""

from collections.abc import Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes

from utils.evaluation.bootstrap import Estimate
from utils.evaluation.run_conditions import RunConditions, WorkingPoint
from utils.evaluation.turn_on import TurnOn, TurnOnGain
from utils.evaluation.turn_on_fit import error_function
from utils.plotting.binned import draw_points, known_range
from utils.plotting.quantities import LOOKS, Look, looks, name_in_legend, quantity_label, with_error
from utils.plotting.style import NO_EVENTS, TRUE_SYMBOLS, Drawing, in_style, say, start
from utils.predictions import TRUE

BEYOND = ": beyond the sample"
LINE_HEIGHT = 0.06  # of a legend in small letters, over the height of the axes


@in_style
def draw_turn_on(
    curves: Mapping[str, TurnOn], variable: str, process: str, ax: Axes | None = None, scale_note: str = ""
) -> Drawing:
    """Draw the turn-on curves of one threshold with their fits, and the step of the true quantity.

    `scale_note` is an addition to the threshold in the legend.
    """
    fig, ax = start(ax, process)
    for quantity, look in looks(curves).items():
        draw_turn_on_curve(ax, curves[quantity], look, quantity_label(quantity, variable))
    say_if_no_curve(ax, curves.values())
    first = next(iter(curves.values()))
    draw_step(ax, first.threshold, first.edges, quantity_label(TRUE, variable))
    set_turn_on_axes(ax, first.edges, variable)
    add_legend_above(ax, f"Threshold {first.threshold:g} GeV{scale_note}")
    return fig, ax


@in_style
def draw_turn_on_at_equal_rate(
    curves: Mapping[str, TurnOn],
    gains: Mapping[str, TurnOnGain],
    working_point: WorkingPoint,
    run_conditions: RunConditions | None,
    variable: str,
    process: str,
    background: str,
    ax: Axes | None = None,
    scale_note: str = "",
) -> Drawing:
    """Draw the turn-on curves of all quantities at thresholds with the same background.

    The legend gives the shift of the true value at which the efficiency reaches 50%. It notes curves with a threshold
    beyond the sample, which are not drawn. `scale_note` is an addition to its title.
    """
    fig, ax = start(ax, ", ".join(filter(None, (process, luminosity_label(working_point, run_conditions)))))
    for quantity, look in looks(curves).items():
        curve = curves[quantity]
        threshold = f" > {curve.threshold:.0f} GeV" if np.isfinite(curve.threshold) else ": all pass"
        label = quantity_label(quantity, variable) + (BEYOND if np.isnan(curve.threshold) else threshold)
        if np.isnan(curve.threshold):
            name_in_legend(ax, look, label)
        elif quantity == TRUE:
            draw_step(ax, curve.threshold, curve.edges, label)
        else:
            draw_turn_on_curve(ax, curve, look, label + _gain_text(gains.get(quantity)))
    say_if_no_curve(ax, curves.values())
    set_turn_on_axes(ax, curve.edges, variable)
    add_legend_above(ax, f"{working_point.label} of {background}{scale_note}")
    return fig, ax


def _gain_text(gain: TurnOnGain | None) -> str:
    """Write for a legend the shift of the true value of 50% efficiency from the baseline."""
    if gain is None or not np.isfinite(gain.midpoint.value):
        return ""
    return f",\n50% point moved by {with_error(gain.midpoint)} GeV"


def draw_turn_on_curve(ax: Axes, curve: TurnOn, look: Look, label: str | None) -> None:
    """Draw the points of a turn-on curve and a fit that describes them; a label adds a legend entry."""
    value, fit = curve.efficiency.value, curve.fit
    errors = np.clip([value - curve.efficiency.low, curve.efficiency.high - value], 0, None)
    if label is not None:
        name_in_legend(ax, look, label + _quality_text(curve))
    draw_points(ax, curve.edges, Estimate(value, errors), look, None)
    if curve.described:
        x = np.linspace(*known_range(curve.edges, value), 400)
        ax.plot(x, error_function(x, fit.plateau.value, fit.midpoint.value, fit.width.value), **look.curve)


def _quality_text(curve: TurnOn) -> str:
    """Write plateau and quality of a turn-on fit for a legend, or that the fit is rejected."""
    fit = curve.fit
    if not (np.isfinite(fit.chi2) and fit.n_degrees > 0):
        return ""
    quality = f"$\\chi^2$/n {fit.chi2 / fit.n_degrees:.1f}"
    return f", fit: plateau {fit.plateau.value:.2f}, {quality}" if curve.described else f", no fit ({quality})"


def draw_step(ax: Axes, threshold: float, edges: np.ndarray, label: str) -> None:
    """Draw the turn-on of the true quantity."""
    if np.isnan(threshold):
        return
    step = [edges[0], np.clip(threshold, edges[0], edges[-1]), edges[-1]]
    ax.stairs([0, 1], step, baseline=None, label=label, **LOOKS[TRUE].curve)


def say_if_no_curve(ax: Axes, curves: Iterable[TurnOn]) -> None:
    """Write a note where no turn-on curve has a point, without events or thresholds."""
    known = [curve for curve in curves if not np.isnan(curve.threshold)]
    if not known:
        say(ax, "All thresholds are beyond the sample")
    elif not any(np.isfinite(curve.efficiency.value).any() for curve in known):
        say(ax, NO_EVENTS)


def set_turn_on_axes(ax: Axes, edges: np.ndarray, variable: str) -> None:
    """Label the axes of turn-on curves, and leave room for a legend above."""
    ax.set(
        xlabel=f"{TRUE_SYMBOLS[variable]} [GeV]",
        ylabel="Efficiency",
        xlim=edges[[0, -1]],
        ylim=(0, 1.6),
        yticks=np.linspace(0, 1, 6),
    )


def add_legend_above(ax: Axes, title: str) -> None:
    """Add a legend to turn-on curves, and fit the room above an efficiency of 1 to it."""
    legend = ax.legend(title=title, alignment="left", loc="upper left", fontsize="x-small", title_fontsize="small")
    n_lines = 1 + sum(1 + text.get_text().count("\n") for text in legend.get_texts())
    ax.set_ylim(0, 1 / (0.95 - LINE_HEIGHT * n_lines))


def luminosity_text(run_conditions: RunConditions) -> str:
    """Write the luminosity for a label."""
    mantissa, exponent = f"{run_conditions.luminosity:.3e}".split("e")
    return rf"{float(mantissa):g}$\times$10$^{{{int(exponent)}}}$ cm$^{{-2}}$ s$^{{-1}}$"


def luminosity_label(working_point: WorkingPoint, run_conditions: RunConditions | None) -> str:
    """Write the luminosity for the label of a plot at a fixed rate; empty for other plots."""
    return "" if run_conditions is None or working_point.rate is None else luminosity_text(run_conditions)
