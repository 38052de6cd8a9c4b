"""Plots of the corrections for one process."""

from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import mplhep
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator, NullLocator

from utils.evaluation.histograms import Histogram, Histogram2D
from utils.evaluation.process_result import Response
from utils.evaluation.response import BinnedResponse, CoreFit, gaussian
from utils.plotting.binned import draw_binned_response, draw_points, known_range, say_if_unknown
from utils.plotting.quantities import SYMBOLS, looks, name_in_legend, quantity_label, with_error
from utils.plotting.style import NO_EVENTS, TRUE_SYMBOLS, Drawing, in_style, panel_below, say, start
from utils.predictions import TRUE


def _share(values: np.ndarray, total: float) -> np.ndarray:
    """Return values over their total; an empty histogram stays empty."""
    return values / total if total > 0 else np.zeros_like(values)


def _say_if_empty(ax: Axes, *contents: Histogram | Histogram2D) -> None:
    """Write a note where all histograms are empty."""
    if not any((content.values > 0).any() for content in contents):
        say(ax, NO_EVENTS)


@in_style
def draw_target_prediction(
    target: Histogram, prediction: Mapping[str, Histogram], variable: str, process: str, ax: Axes | None = None
) -> Drawing:
    """Draw the distributions of the regression target and of the prediction of each model."""
    fig, ax = start(ax, process)
    labels = {TRUE: "Target", **{model: f"Prediction, {model}" for model in prediction}}
    look = looks(labels)
    for quantity, content in {TRUE: target, **prediction}.items():
        share = _share(content.values, content.values.sum())
        ax.stairs(share, content.edges, label=labels[quantity], **look[quantity].curve)
    _say_if_empty(ax, target, *prediction.values())
    ax.set(
        xlabel=f"{TRUE_SYMBOLS[variable]} / L1 {SYMBOLS[variable]}",
        ylabel=f"Fraction of events / {np.diff(target.edges)[0]:.2g}",
        xlim=target.edges[[0, -1]],
        ylim=(0, None),
    )
    ax.legend()
    return fig, ax


@in_style
def draw_target_vs_prediction(
    content: Histogram2D, variable: str, process: str, model: str, ax: Axes | None = None
) -> Drawing:
    """Draw the prediction of a model against the target."""
    fig, ax = start(ax, process)
    share = np.ma.masked_less_equal(_share(content.values.T, content.values.sum()), 0)
    _say_if_empty(ax, content)
    scale = LogNorm(share.min(), share.max()) if share.count() else LogNorm(0.1, 1)
    mesh = ax.pcolormesh(content.x_edges, content.y_edges, share, norm=scale, cmap="cividis_r", rasterized=True)
    fig.colorbar(mesh, cax=ax.inset_axes((1.02, 0, 0.04, 1)), label="Fraction of events")
    fig.subplots_adjust(right=0.8)
    ax.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=1.5, label="Prediction = target")
    ax.set(
        xlabel=f"Target, {TRUE_SYMBOLS[variable]} / L1 {SYMBOLS[variable]}",
        ylabel=f"Prediction, {model}",
        xlim=content.x_edges[[0, -1]],
        ylim=content.y_edges[[0, -1]],
    )
    ax.legend()
    return fig, ax


@in_style
def draw_spectra(
    spectra: Mapping[str, Histogram],
    variable: str,
    process: str,
    weighted: bool,
    ax: Axes | None = None,
    scale_note: str = "",
) -> Drawing:
    """Draw the spectra of all quantities.

    Parameters
    ----------
    spectra : mapping of str to Histogram
    variable, process : str
    weighted : bool
        Whether the weights are cross sections.
    ax : Axes, optional
    scale_note : str
        Addition to the label of the axis.
    """
    fig, ax = start(ax, process)
    for quantity, look in looks(spectra).items():
        content = spectra[quantity]
        width = np.diff(content.edges)
        ax.stairs(content.values / width, content.edges, label=quantity_label(quantity, variable), **look.curve)
        ax.errorbar(content.centres, content.values / width, content.errors / width, **look.bars)
    _say_if_empty(ax, *spectra.values())
    symbol = SYMBOLS[variable]
    density = np.concatenate([content.values / np.diff(content.edges) for content in spectra.values()])
    ax.set(
        xlabel=f"{symbol}{scale_note} [GeV]",
        ylabel=rf"$d\sigma$ / $d${symbol} [pb / GeV]" if weighted else "Events / GeV",
        xlim=content.edges[[0, -1]],
        yscale="log" if (density > 0).any() else "linear",
        ylim=(density.min(where=density > 0, initial=max(density.max(), 0) or 1) / 3, None),
    )
    ax.legend()
    return fig, ax


@in_style
def draw_response(
    response: Mapping[str, Response],
    above: float,
    variable: str,
    process: str,
    ax: Axes | None = None,
    scale_note: str = "",
) -> Drawing:
    """Draw the response, trigger quantity over true value, with a Gaussian through its core.

    The legend notes a Gaussian that does not describe the core; it is not drawn.

    Parameters
    ----------
    response : mapping of str to Response
    above : float
        Lowest true value of the events, in GeV.
    variable, process : str
    ax : Axes, optional
    scale_note : str
        Addition to the label of the axis.
    """
    fig, ax = start(ax, process)
    highest = 0.0
    for quantity, look in looks(response).items():
        content, core = response[quantity].histogram, response[quantity].core
        total = content.values.sum()
        name_in_legend(ax, look, f"{quantity_label(quantity, variable)}{_core_text(core)}")
        share, error = _share(content.values, total), _share(content.errors, total)
        ax.errorbar(content.centres, share, error, **look.points)
        highest = max(highest, np.max(share + error))
        if core.described:
            x = np.linspace(core.low, core.high, 200)
            ax.plot(x, gaussian(x, core.mean.value, core.sigma.value, core.height) / total, **look.curve)
    ax.set(
        xlabel=f"{SYMBOLS[variable]} / {TRUE_SYMBOLS[variable]}{scale_note}",
        ylabel=f"Fraction of events / {np.diff(content.edges)[0]:.2g}",
        xlim=content.edges[[0, -1]],
        ylim=(0, 1.7 * highest or 1),
    )
    _say_if_empty(ax, *(found.histogram for found in response.values()))
    ax.legend(title=f"{TRUE_SYMBOLS[variable]} > {above:g} GeV", alignment="left")
    return fig, ax


def _core_text(core: CoreFit) -> str:
    """Write mean and width of a fit for a legend, or that the fit is rejected."""
    if not np.isfinite(core.sigma.value):
        return ""
    if not core.described:
        return f"\nno Gaussian: $\\chi^2$/n {core.chi2 / core.n_degrees:.1f}" if core.n_degrees > 0 else ""
    return f"\n$\\mu$ = {with_error(core.mean)}, $\\sigma$ = {with_error(core.sigma)}"


@in_style
def draw_response_slices(
    slices: Mapping[str, Sequence[Histogram]], edges: np.ndarray, variable: str, process: str, scale_note: str = ""
) -> tuple[Figure, Sequence[Axes]]:
    """Draw the response, trigger quantity over true value, in a panel for each slice of the true value.

    Parameters
    ----------
    slices : mapping of str to sequence of Histogram
    edges : np.ndarray, shape (n_slices + 1,)
        Edges of the slices, in GeV.
    variable, process : str
    scale_note : str
        Addition to the label of the axis.
    """
    n_columns = 2
    n_rows = -(-(len(edges) - 1) // n_columns)
    fig, panels = plt.subplots(n_rows, n_columns, figsize=(10, 1 + 4.5 * n_rows), sharex=True, squeeze=False)
    fig.subplots_adjust(left=0.13, right=0.97, bottom=0.1, top=0.94, hspace=0.08, wspace=0.25)
    axes = list(panels.flat)
    mplhep.cms.label(exp="", llabel="Simulation", rlabel="", ax=axes[0], fontsize=18)
    axes[1].set_title(process, loc="right", fontsize=18)
    for i, ax in enumerate(axes):
        for quantity, look in looks(slices).items():
            content = slices[quantity][i]
            share = _share(content.values, content.values.sum())
            ax.stairs(share, content.edges, label=quantity_label(quantity, variable), **look.curve)
            errors = _share(content.errors, content.values.sum())
            ax.errorbar(content.centres, share, errors, **look.bars, elinewidth=1)
        ax.axvline(1, color="black", linestyle=":", linewidth=1.5)
        _say_if_empty(ax, *(contents[i] for contents in slices.values()))
        ax.set(xlim=content.edges[[0, -1]], ylim=(0, (1.3 + 0.2 * len(slices)) * ax.get_ylim()[1]))
        ax.tick_params(labelsize="x-small")
        ax.legend(
            title=f"{edges[i]:g} < {TRUE_SYMBOLS[variable]} < {edges[i + 1]:g} GeV",
            alignment="left",
            fontsize="xx-small",
            title_fontsize="xx-small",
            loc="upper right",
            frameon=True,  # hides lines behind the text
            framealpha=1,
            edgecolor="none",
        )
    # One for all: with its note it is longer than a panel.
    axes[-1].set_xlabel(f"{SYMBOLS[variable]} / {TRUE_SYMBOLS[variable]}{scale_note}", fontsize="small")
    for ax in axes[::n_columns]:
        ax.set_ylabel(f"Fraction of events / {np.diff(content.edges)[0]:.2g}", fontsize="small")
    return fig, axes


@in_style
def draw_resolution(
    resolution: Mapping[str, BinnedResponse], variable: str, process: str, ax: Axes | None = None, scale_note: str = ""
) -> Drawing:
    """Draw the relative resolution against the true variable."""
    fig, ax = _draw_in_bins(resolution, "resolution", variable, process, scale_note, ax)
    ax.set_ylim(bottom=0)
    return fig, ax


@in_style
def draw_median_response(
    resolution: Mapping[str, BinnedResponse], variable: str, process: str, ax: Axes | None = None, scale_note: str = ""
) -> Drawing:
    """Draw the median response against the true variable."""
    return _draw_in_bins(resolution, "median", variable, process, scale_note, ax)


@in_style
def draw_inverse_response(
    resolution: Mapping[str, BinnedResponse], variable: str, process: str, ax: Axes | None = None, scale_note: str = ""
) -> Drawing:
    """Draw median and width of true over measured value against the true variable, in two panels."""
    fig, ax = start(ax, process)
    panel = panel_below(ax)
    for name, look in looks(resolution).items():
        result = resolution[name]
        draw_points(ax, result.edges, result.median, look, quantity_label(name, variable))
        draw_points(panel, result.edges, result.half_width, look, None)
    medians = [result.median.value for result in resolution.values()]
    say_if_unknown(ax, *medians)
    ratio = f"{TRUE_SYMBOLS[variable]} / {SYMBOLS[variable]}"
    ax.axhline(1, color="black", linestyle=":", linewidth=1.5)
    ax.set_ylabel(f"Median of {ratio}{scale_note}", fontsize="x-small" if scale_note else "medium")
    ax.set(xlim=known_range(result.edges, *medians), ylim=(0, 1.3 * ax.get_ylim()[1]))
    ax.legend()
    panel.set(xlabel=f"{TRUE_SYMBOLS[variable]} [GeV]", ylabel="Half of\ncentral 68%", ylim=(0, None))
    panel.yaxis.label.set_fontsize("small")
    return fig, ax


def _draw_in_bins(
    results: Mapping[str, BinnedResponse],
    attribute: str,
    variable: str,
    process: str,
    scale_note: str,
    ax: Axes | None,
) -> Drawing:
    """Draw an attribute of the response in bins of the true variable."""
    fig, ax = start(ax, process)
    entries = [(results[name], look, quantity_label(name, variable)) for name, look in looks(results).items()]
    draw_binned_response(ax, entries, attribute, variable, scale_note)
    ax.legend()
    return fig, ax


@in_style
def draw_correction(
    corrections: Mapping[str, BinnedResponse], against: str, variable: str, process: str, ax: Axes | None = None
) -> Drawing:
    """Draw median and central 68% of the target and of the corrections, in bins of an L1 quantity.

    Parameters
    ----------
    corrections : mapping of str to BinnedResponse
        Target, under the name of the true quantity, and corrections of the models.
    against : str
        Label of the L1 quantity.
    variable, process : str
    ax : Axes, optional
    """
    fig, ax = start(ax, process)
    labels = {quantity: "Target" if quantity == TRUE else f"Prediction, {quantity}" for quantity in corrections}
    for quantity, look in looks(corrections).items():
        result = corrections[quantity]
        median, half_width = result.median.value, result.half_width.value
        draw_points(ax, result.edges, result.median, look, labels[quantity])
        for end in (median - half_width, median + half_width):
            ax.stairs(end, result.edges, baseline=None, **{**look.curve, "linewidth": 1.5})
    say_if_unknown(ax, *(result.median.value for result in corrections.values()))
    ax.plot([], [], color="black", linewidth=1.5, label="Median $\\pm$ half of central 68%")
    ax.set(
        xlabel=against,
        ylabel=f"{TRUE_SYMBOLS[variable]} / L1 {SYMBOLS[variable]}",
        xlim=known_range(result.edges, *(result.median.value for result in corrections.values())),
        ylim=(0, 1.4 * ax.get_ylim()[1]),
    )
    if (np.diff(result.edges) == 1).all():  # a multiplicity
        ax.xaxis.set_major_locator(MultipleLocator(1))
        ax.xaxis.set_minor_locator(NullLocator())
    ax.legend()
    return fig, ax
