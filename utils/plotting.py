"""Drawing of results, nothing else: each function takes numbers and an optional `ax` and returns ``fig, ax``.

The style is that of CMS in mplhep. Each quantity has a colour that the colour-blind tell from the others (Petroff,
arXiv:2107.02270), and a line style and marker of its own for black and white.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from mpl_toolkits.axes_grid1 import make_axes_locatable

from utils.evaluation import BASELINE, CORRECTED, LOWEST_BACKGROUND, REFERENCE, TRUE, Response, ZeroBiasResult
from utils.performance import (
    BinnedResponse,
    CoreFit,
    Estimate,
    Histogram,
    Histogram2D,
    Rates,
    Roc,
    TurnOn,
    WorkingPoints,
    error_function,
    gaussian,
)
from utils.plotting_style import COLOURS, TRUE_SYMBOLS, Drawing, in_style, start

RATIO_RANGE = (0.02, 50)
SYMBOLS = {"true_met": r"$p_T^{miss}$", "original_met": r"$p_T^{miss}$", "true_ht": r"$H_T$"}


@dataclass(frozen=True)
class Look:
    """How a quantity is drawn everywhere."""

    colour: str
    line: str
    marker: str
    fill: str

    @property
    def marks(self) -> dict[str, Any]:
        """Keywords of ``Axes.plot`` for the marker."""
        filled = self.colour if self.fill == "full" else "white"
        return {"color": self.colour, "marker": self.marker, "markerfacecolor": filled, "markersize": 8}

    @property
    def points(self) -> dict[str, Any]:
        """Keywords of ``Axes.errorbar``."""
        return {**self.marks, "linestyle": "none", "elinewidth": 1.5}

    @property
    def curve(self) -> dict[str, Any]:
        """Keywords of ``Axes.plot`` and ``Axes.stairs``."""
        return {"color": self.colour, "linestyle": self.line, "linewidth": 2.5}


LOOKS = {
    BASELINE: Look(COLOURS[2], "--", "o", "none"),
    CORRECTED: Look(COLOURS[0], "-", "s", "full"),
    TRUE: Look("black", ":", "^", "none"),
    REFERENCE: Look(COLOURS[4], "-.", "D", "none"),
}


def _name_in_legend(ax: Axes, quantity: str, label: str) -> None:
    """Name a quantity that is drawn as points and as a curve."""
    ax.plot([], [], label=label, **{**LOOKS[quantity].marks, **LOOKS[quantity].curve})


def quantity_label(quantity: str, variable: str) -> str:
    """Name of the baseline, corrected or true quantity, or of the reference, in a legend."""
    names = {
        BASELINE: f"L1 {SYMBOLS[variable]}",
        CORRECTED: f"Corrected {SYMBOLS[variable]}",
        TRUE: TRUE_SYMBOLS[variable],
        REFERENCE: f"CMS {SYMBOLS[variable]}",
    }
    return names[quantity]


def _share(values: np.ndarray, total: float) -> np.ndarray:
    """Values over their total; a histogram without events stays empty."""
    return values / total if total > 0 else np.zeros_like(values)


# Plots of a process


@in_style
def draw_target_prediction(
    target: Histogram, prediction: Histogram, variable: str, process: str, ax: Axes | None = None
) -> Drawing:
    """Draw the distributions of the regression target and of its prediction."""
    fig, ax = start(ax, process)
    for content, quantity, label in ((target, TRUE, "Target"), (prediction, CORRECTED, "Prediction")):
        ax.stairs(_share(content.values, content.values.sum()), content.edges, label=label, **LOOKS[quantity].curve)
    ax.set(
        xlabel=f"{TRUE_SYMBOLS[variable]} / L1 {SYMBOLS[variable]}",
        ylabel=f"Fraction of events / {np.diff(target.edges)[0]:.2g}",
        xlim=target.edges[[0, -1]],
        ylim=(0, None),
    )
    ax.legend()
    return fig, ax


@in_style
def draw_target_vs_prediction(content: Histogram2D, variable: str, process: str, ax: Axes | None = None) -> Drawing:
    """Draw the prediction against the target."""
    fig, ax = start(ax, process)
    share = np.ma.masked_equal(_share(content.values.T, content.values.sum()), 0)
    scale = LogNorm(share.min(), share.max()) if share.count() else LogNorm(0.1, 1)
    mesh = ax.pcolormesh(content.x_edges, content.y_edges, share, norm=scale, cmap="cividis_r", rasterized=True)
    fig.colorbar(mesh, cax=ax.inset_axes((1.02, 0, 0.04, 1)), label="Fraction of events")
    fig.subplots_adjust(right=0.8)
    ax.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=1.5, label="Prediction = target")
    ax.set(
        xlabel=f"Target, {TRUE_SYMBOLS[variable]} / L1 {SYMBOLS[variable]}",
        ylabel="Prediction",
        xlim=content.x_edges[[0, -1]],
        ylim=content.y_edges[[0, -1]],
    )
    ax.legend()
    return fig, ax


@in_style
def draw_spectra(
    spectra: Mapping[str, Histogram], variable: str, process: str, weighted: bool, ax: Axes | None = None
) -> Drawing:
    """Draw the spectra of the baseline, corrected and true quantity.

    Parameters
    ----------
    spectra : mapping of str to Histogram
    variable, process : str
    weighted : bool
        Whether the weights are cross sections.
    ax : Axes, optional
    """
    fig, ax = start(ax, process)
    for quantity, content in spectra.items():
        width = np.diff(content.edges)
        look = LOOKS[quantity]
        ax.stairs(content.values / width, content.edges, label=quantity_label(quantity, variable), **look.curve)
        ax.errorbar(content.centres, content.values / width, content.errors / width, fmt="none", color=look.colour)
    symbol = SYMBOLS[variable]
    density = np.concatenate([content.values / np.diff(content.edges) for content in spectra.values()])
    ax.set(
        xlabel=f"{symbol} [GeV]",
        ylabel=rf"$d\sigma$ / $d${symbol} [pb / GeV]" if weighted else "Events / GeV",
        xlim=content.edges[[0, -1]],
        yscale="log",
        ylim=(density.min(where=density > 0, initial=density.max() or 1) / 3, None),
    )
    ax.legend()
    return fig, ax


@in_style
def draw_response(
    response: Mapping[str, Response], above: float, variable: str, process: str, ax: Axes | None = None
) -> Drawing:
    """Draw the distributions of L1 over true and corrected over true, each with the Gaussian through its core.

    Parameters
    ----------
    response : mapping of str to Response
    above : float
        Lowest true value of the events, in GeV.
    variable, process : str
    ax : Axes, optional
    """
    fig, ax = start(ax, process)
    highest = 0.0
    for quantity, result in response.items():
        content, look = result.histogram, LOOKS[quantity]
        total = content.values.sum()
        _name_in_legend(ax, quantity, f"{quantity_label(quantity, variable)}{_core_text(result.core)}")
        share, error = _share(content.values, total), _share(content.errors, total)
        ax.errorbar(content.centres, share, error, **look.points)
        highest = max(highest, np.max(share + error))
        if np.isfinite(result.core.sigma.value):
            x = np.linspace(result.core.low, result.core.high, 200)
            curve = gaussian(x, result.core.mean.value, result.core.sigma.value, result.core.height)
            ax.plot(x, curve / total, **look.curve)
    ax.set(
        xlabel=f"{SYMBOLS[variable]} / {TRUE_SYMBOLS[variable]}",
        ylabel=f"Fraction of events / {np.diff(content.edges)[0]:.2g}",
        xlim=content.edges[[0, -1]],
        ylim=(0, 1.7 * highest or 1),
    )
    ax.legend(title=f"{TRUE_SYMBOLS[variable]} > {above:g} GeV", alignment="left")
    return fig, ax


def _core_text(core: CoreFit) -> str:
    """Write mean and width of a fit for a legend."""
    if not np.isfinite(core.sigma.value):
        return ""
    return f"\n$\\mu$ = {_with_error(core.mean)}, $\\sigma$ = {_with_error(core.sigma)}"


def _with_error(estimate: Estimate[float]) -> str:
    """Write a number with its error to the first digits of the error that matter."""
    digits = int(np.clip(1 - np.floor(np.log10(estimate.error)), 0, 4)) if estimate.error > 0 else 3
    return f"{estimate.value:.{digits}f} $\\pm$ {estimate.error:.{digits}f}"


@in_style
def draw_resolution(
    resolution: Mapping[str, BinnedResponse], variable: str, process: str, ax: Axes | None = None
) -> Drawing:
    """Draw the relative resolution against the true variable."""
    fig, ax = start(ax, process)
    _draw_in_bins(ax, {name: (result.edges, result.resolution) for name, result in resolution.items()}, variable)
    ax.set(ylabel=r"Resolution, half of central 68% / median", ylim=(0, None))
    return fig, ax


@in_style
def draw_median_response(
    resolution: Mapping[str, BinnedResponse], variable: str, process: str, ax: Axes | None = None
) -> Drawing:
    """Draw the median response against the true variable."""
    fig, ax = start(ax, process)
    _draw_in_bins(ax, {name: (result.edges, result.median) for name, result in resolution.items()}, variable)
    ax.axhline(1, color="black", linestyle=":", linewidth=1.5)
    ax.set(ylabel=f"Median of {SYMBOLS[variable]} / {TRUE_SYMBOLS[variable]}")
    return fig, ax


def _draw_in_bins(ax: Axes, results: Mapping[str, tuple[np.ndarray, Estimate[np.ndarray]]], variable: str) -> None:
    """Draw values in bins of the true variable, with errors and the width of the bins."""
    for quantity, (edges, estimate) in results.items():
        centres, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
        label = quantity_label(quantity, variable)
        ax.errorbar(centres, estimate.value, estimate.error, half, label=label, **LOOKS[quantity].points)
    ax.set(xlabel=f"{TRUE_SYMBOLS[variable]} [GeV]", xlim=edges[[0, -1]])
    ax.legend()


@in_style
def draw_turn_on(curves: Mapping[str, TurnOn], variable: str, process: str, ax: Axes | None = None) -> Drawing:
    """Draw the turn-on curves of one threshold with their fits, and the step that the true quantity would make."""
    fig, ax = start(ax, process)
    for quantity, curve in curves.items():
        _draw_turn_on_curve(ax, curve, quantity, quantity_label(quantity, variable))
    threshold = next(iter(curves.values())).threshold
    _draw_step(ax, threshold, curve.edges, quantity_label(TRUE, variable))
    _set_turn_on_axes(ax, curve.edges, variable)
    ax.legend(title=f"Threshold {threshold:g} GeV", alignment="left", loc="upper left")
    return fig, ax


@in_style
def draw_turn_on_at_equal_rate(
    curves: Mapping[str, TurnOn],
    background_efficiency: float,
    variable: str,
    process: str,
    background: str,
    ax: Axes | None = None,
) -> Drawing:
    """Draw the turn-on curves of the thresholds, one for each quantity, that let the same background pass."""
    fig, ax = start(ax, process)
    for quantity, curve in curves.items():
        label = f"{quantity_label(quantity, variable)} > {curve.threshold:.0f} GeV"
        if quantity == TRUE:
            _draw_step(ax, curve.threshold, curve.edges, label)
        else:
            _draw_turn_on_curve(ax, curve, quantity, label)
    _set_turn_on_axes(ax, curve.edges, variable)
    ax.legend(title=f"{100 * background_efficiency:g}% of {background}", alignment="left", loc="upper left")
    return fig, ax


def _draw_turn_on_curve(ax: Axes, curve: TurnOn, quantity: str, label: str) -> None:
    """Draw the points of a turn-on curve and its fit."""
    centres, half = (curve.edges[1:] + curve.edges[:-1]) / 2, np.diff(curve.edges) / 2
    value, look, fit = curve.efficiency.value, LOOKS[quantity], curve.fit
    errors = np.clip([value - curve.efficiency.low, curve.efficiency.high - value], 0, None)
    _name_in_legend(ax, quantity, label)
    ax.errorbar(centres, value, errors, half, **look.points)
    if np.isfinite(fit.midpoint.value):
        x = np.linspace(curve.edges[0], curve.edges[-1], 400)
        ax.plot(x, error_function(x, fit.plateau.value, fit.midpoint.value, fit.width.value), **look.curve)


def _draw_step(ax: Axes, threshold: float, edges: np.ndarray, label: str) -> None:
    """Draw the turn-on of the true quantity."""
    step = [edges[0], np.clip(threshold, edges[0], edges[-1]), edges[-1]]
    ax.stairs([0, 1], step, baseline=None, label=label, **LOOKS[TRUE].curve)


def _set_turn_on_axes(ax: Axes, edges: np.ndarray, variable: str) -> None:
    ax.set(
        xlabel=f"{TRUE_SYMBOLS[variable]} [GeV]",
        ylabel="Efficiency",
        xlim=edges[[0, -1]],
        ylim=(0, 1.5),
        yticks=np.linspace(0, 1, 6),
    )


# Plots of all


@in_style
def draw_rates(
    rates: Mapping[str, Rates],
    variable: str,
    background: str,
    luminosity: float | None,
    ax: Axes | None = None,
) -> Drawing:
    """Draw the rate of the background against the threshold, with its error as a band.

    Parameters
    ----------
    rates : mapping of str to Rates
    variable : str
    background : str
    luminosity : float or None
        In cm^-2 s^-1; None where the weights are not cross sections, for the fraction of the events in place of kHz.
    ax : Axes, optional
    """
    right = background if luminosity is None else f"{background}, {_power_of_ten(luminosity)} cm$^{{-2}}$ s$^{{-1}}$"
    fig, ax = start(ax, right)
    for quantity, result in rates.items():
        height = result.efficiency if luminosity is None else result.rate
        shown = height.value > 0
        x, y, error, look = result.thresholds[shown], height.value[shown], height.error[shown], LOOKS[quantity]
        ax.plot(x, y, label=quantity_label(quantity, variable), **look.curve)
        ax.fill_between(x, np.maximum(y - error, y * 1e-3), y + error, color=look.colour, alpha=0.25, linewidth=0)
    ax.set(
        xlabel=f"Threshold on {SYMBOLS[variable]} [GeV]",
        ylabel="Fraction of background" if luminosity is None else "Rate [kHz]",
        xlim=result.thresholds[[0, -1]],
        yscale="log",
    )
    ax.legend()
    return fig, ax


def _power_of_ten(number: float) -> str:
    """Write a large number for a label."""
    mantissa, exponent = f"{number:.3e}".split("e")
    return rf"{float(mantissa):g}$\times$10$^{{{int(exponent)}}}$"


@in_style
def draw_zero_bias_rates(result: ZeroBiasResult, variable: str, ax: Axes | None = None) -> Drawing:
    """Draw the rates of zero-bias events against the threshold, and below their ratios to that of the baseline.

    Parameters
    ----------
    result : ZeroBiasResult
    variable : str
    ax : Axes, optional
        Of which the lower part becomes the panel of the ratios.
    """
    fig, ax = start(ax, f"{result.colliding_bunches} colliding bunches", "CMS zero-bias data")
    of_objects = f"{SYMBOLS[variable]} of L1 objects"
    for quantity, rates in result.rates.items():
        shown, look = rates.n_events > 0, LOOKS[quantity]
        x = rates.thresholds[shown]
        label = of_objects if quantity == BASELINE else quantity_label(quantity, variable)
        ax.plot(x, rates.value[shown], label=label, **look.curve)
        ax.fill_between(x, rates.low[shown], rates.high[shown], color=look.colour, alpha=0.25, linewidth=0)
    ax.set(ylabel="Rate [kHz]", xlim=rates.thresholds[[0, -1]], yscale="log")
    ax.tick_params(labelbottom=False)
    ax.legend()
    panel = make_axes_locatable(ax).append_axes("bottom", "40%", pad=0.15, sharex=ax)
    for quantity, ratio in result.ratios.items():
        look = LOOKS[quantity]
        panel.plot(rates.thresholds, ratio.value, **look.curve)
        low, high = np.maximum(ratio.value - ratio.error, ratio.value * 1e-3), ratio.value + ratio.error
        panel.fill_between(rates.thresholds, low, high, color=look.colour, alpha=0.25, linewidth=0)
    panel.axhline(1, **LOOKS[BASELINE].curve)
    panel.set(
        xlabel=f"Threshold on {SYMBOLS[variable]} [GeV]", ylabel="Ratio to\nL1 objects", yscale="log", ylim=RATIO_RANGE
    )
    panel.yaxis.label.set_size("small")
    return fig, ax


@in_style
def draw_roc(
    roc: Mapping[str, Roc],
    points: WorkingPoints,
    variable: str,
    signal: str,
    background: str,
    ax: Axes | None = None,
) -> Drawing:
    """Draw the signal efficiency against the background efficiency, with the working points and their errors."""
    fig, ax = start(ax, f"{signal} against {background}")
    for quantity, curve in roc.items():
        look = LOOKS[quantity]
        _name_in_legend(ax, quantity, f"{quantity_label(quantity, variable)}, area {_with_error(curve.area)}")
        ax.plot(curve.background_efficiency, curve.signal_efficiency, **look.curve)
        efficiency = points.efficiency[quantity]
        ax.errorbar(points.background_efficiency, efficiency.value, efficiency.error, **look.points)
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
    ax.legend(loc="lower right")
    return fig, ax
